"""What each path answers."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from requests_jwt_refresh.testing.faults import Redirect
from requests_jwt_refresh.testing.ledger import Grant, Ledger, short
from requests_jwt_refresh.testing.seen import Answer, Kind, SeenRequest, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.testing.server import AuthServer


class Routes:
    """What each kind of request gets."""

    def __init__(self, rules: AuthServer, ledger: Ledger) -> None:
        self._rules = rules
        self._ledger = ledger

    def kind(self, target: str) -> Kind:
        path = urlsplit(target).path
        if path == self._rules.refresh_path:
            return "refresh"
        if path == "/auth/login":
            return "login"
        if path == "/auth/logout":
            return "logout"
        return "public" if path.startswith("/public/") else "api"

    def answer(self, seen: SeenRequest) -> Answer:
        if seen.kind in ("refresh", "login", "logout") and seen.method != "POST":
            return json_answer(405, {"message": "Use POST"}, {"Allow": "POST"})
        by_kind: dict[Kind, Callable[[SeenRequest], Answer]] = {
            "refresh": self._refresh,
            "login": self._login,
            "logout": self._logout,
            "public": _echo,
            "api": self._api,
        }
        return by_kind[seen.kind](seen)

    def _refresh(self, seen: SeenRequest) -> Answer:
        grant = self._ledger.exchange(self._refresh_token(seen))
        if grant is None:
            return json_answer(400, {"error": self._error(seen)})
        if self._rules.bare:
            return json_answer(self._rules.status, grant.access)
        return self._tokens(grant)

    def _refresh_token(self, seen: SeenRequest) -> str | None:
        token = _fields(seen).get(self._rules.request_field, seen.bearer)
        return token if isinstance(token, str) and _is_refresh_grant(seen) else None

    def _error(self, seen: SeenRequest) -> str:
        """Return the code of a refusal (RFC 6749 §5.2)."""
        if not _is_refresh_grant(seen):
            return "unsupported_grant_type"
        return "invalid_request" if self._refresh_token(seen) is None else "invalid_grant"

    def _tokens(self, grant: Grant) -> Answer:
        rules = self._rules
        content: dict[str, object] = {rules.access_field: grant.access, "token_type": "Bearer"}
        if rules.expires_field is not None:
            content[rules.expires_field] = short(grant.seconds)
        if grant.refresh is not None:
            content[rules.refresh_field] = grant.refresh
        no_store = {"Cache-Control": "no-store"}  # RFC 6749 §5.1
        return json_answer(rules.status, content, no_store)

    def _login(self, seen: SeenRequest) -> Answer:
        user, password = _credentials(seen)
        if not user or not password or password == "wrong":  # noqa: S105 - the one that is
            challenge = {"WWW-Authenticate": 'Basic realm="login"'}
            return json_answer(401, {"message": "Bad credentials"}, challenge)
        self._ledger.count("logins")
        return self._tokens(self._ledger.login(user))

    def _logout(self, seen: SeenRequest) -> Answer:
        self._ledger.logout(self._refresh_token(seen))
        return Answer(204)

    def _api(self, seen: SeenRequest) -> Answer:
        user = self.user(seen)
        if user is None:
            self._ledger.count("unauthorized")
            return self._refusal(seen)
        answer = _api_answer(seen, user)
        if answer.status == 200:  # noqa: PLR2004 - the number is the name
            self._ledger.count("answered")
        return answer

    def user(self, seen: SeenRequest) -> str | None:
        return None if seen.bearer is None else self._ledger.user_of(seen.bearer)

    def _refusal(self, seen: SeenRequest) -> Answer:
        if seen.bearer is not None:
            return self._rules.expired.answer()
        # No error code where no bearer token was shown (RFC 6750 §3.1).
        return json_answer(401, {"message": "No token"}, {"WWW-Authenticate": "Bearer"})


def _api_answer(seen: SeenRequest, user: str) -> Answer:
    url = urlsplit(seen.path)
    if url.path == "/redirect":
        return _redirect(url.query)
    if url.path.startswith("/status/"):
        return _status(url.path.removeprefix("/status/"))
    return _echo(seen, user)


def _echo(seen: SeenRequest, user: str | None = None) -> Answer:
    url = urlsplit(seen.path)
    content = {
        "method": seen.method,
        "path": url.path,
        "query": url.query,
        "size": seen.size,
        "sha256": seen.sha256,
        "user": user,
    }
    return json_answer(200, content)


def _redirect(query: str) -> Answer:
    asked = parse_qs(query)
    try:
        return Redirect(asked["to"][0], int(asked.get("status", ["302"])[0])).answer()
    except (KeyError, ValueError):
        return json_answer(400, {"message": "Use /redirect?to=URL&status=302"})


def _status(digits: str) -> Answer:
    if len(digits) != 3 or digits[0] not in "2345" or not digits.isdecimal():  # noqa: PLR2004 - RFC 9110 §15
        return json_answer(400, {"message": "Use /status/200 to /status/599"})
    status = int(digits)
    return json_answer(status, {"message": http.client.responses.get(status, "Unnamed")})


def _fields(seen: SeenRequest) -> dict[str, Any]:
    """Return the fields of a form or of a JSON object, {} for anything else."""
    try:
        if seen.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(seen.body.decode()))
        content = json.loads(seen.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_refresh_grant(seen: SeenRequest) -> bool:
    return bool(_fields(seen).get("grant_type", "refresh_token") == "refresh_token")


def _credentials(seen: SeenRequest) -> tuple[str, str]:
    scheme, _, encoded = seen.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            user, _, password = base64.b64decode(encoded).decode().partition(":")
            return user, password
    fields = _fields(seen)
    return str(fields.get("username") or ""), str(fields.get("password") or "")
