"""What each path answers."""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from requests_jwt_refresh.testing.devices import Refused
from requests_jwt_refresh.testing.faults import Redirect
from requests_jwt_refresh.testing.ledger import Grant, Ledger, short
from requests_jwt_refresh.testing.seen import Answer, Kind, SeenRequest, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.testing.server import AuthServer


_TOKEN = "/auth/token"  # noqa: S105 - a path
_KINDS: dict[str, Kind] = {
    "/auth/login": "login",
    _TOKEN: "login",
    "/auth/logout": "logout",
    "/auth/revoke": "logout",
    "/auth/device": "device",
}
_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_NO_STORE = {"Cache-Control": "no-store"}  # RFC 6749 §5.1, RFC 8628 §3.2


class Routes:
    """What each kind of request gets."""

    def __init__(self, rules: AuthServer, ledger: Ledger) -> None:
        self._rules = rules
        self._ledger = ledger

    def kind(self, target: str) -> Kind:
        path = urlsplit(target).path
        if path == self._rules.refresh_path:
            return "refresh"
        if path.startswith("/public/"):
            return "public"
        return _KINDS.get(path, "api")

    def kind_by_grant(self, seen: SeenRequest) -> Kind:
        """Return the kind of a request whose body is known: one path may serve all grants."""
        is_other = _path(seen) == _TOKEN and _form(seen).get("grant_type") in self._grants()
        return "login" if is_other else seen.kind

    def answer(self, seen: SeenRequest) -> Answer:
        if seen.kind in ("refresh", "login", "logout", "device") and seen.method != "POST":
            return json_answer(405, {"message": "Use POST"}, {"Allow": "POST"})
        by_kind: dict[Kind, Callable[[SeenRequest], Answer]] = {
            "refresh": self._refresh,
            "login": self._token if _path(seen) == _TOKEN else self._login,
            "logout": self._revoke if _path(seen) == "/auth/revoke" else self._logout,
            "device": self._device,
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
        return json_answer(rules.status, content, _NO_STORE)

    def _login(self, seen: SeenRequest) -> Answer:
        user, password = _credentials(seen)
        if not user or not password or password == "wrong":  # noqa: S105 - the one that is
            challenge = {"WWW-Authenticate": 'Basic realm="login"'}
            return json_answer(401, {"message": "Bad credentials"}, challenge)
        self._ledger.count("logins")
        return self._tokens(self._ledger.login(user))

    def _token(self, seen: SeenRequest) -> Answer:
        form = _form(seen)
        try:
            grant = self._grants().get(_required(form, "grant_type"), _unsupported)
            user = grant(form)
        except Refused as refused:
            return json_answer(400, {"error": str(refused)}, _NO_STORE)
        self._ledger.count("logins")
        return self._tokens(self._ledger.login(user))

    def _grants(self) -> dict[str, Callable[[dict[str, str]], str]]:
        """Return what says whose tokens a form gets, by its grant type."""
        return {"password": _by_password, _DEVICE_CODE: self._by_device_code}

    def _by_device_code(self, form: dict[str, str]) -> str:
        return self._ledger.devices.poll(_required(form, "device_code"))

    def _device(self, seen: SeenRequest) -> Answer:
        if not _form(seen).get("client_id"):
            return json_answer(400, {"error": "invalid_request"})
        device = self._ledger.devices.start()
        page = f"{self._rules.url}/public/device"
        content = {
            "device_code": device.code,
            "user_code": device.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={device.user_code}",
            "expires_in": short(device.seconds),
            "interval": short(device.interval),
        }
        return json_answer(200, content, _NO_STORE)

    def _logout(self, seen: SeenRequest) -> Answer:
        self._ledger.logout(self._refresh_token(seen))
        return Answer(204)

    def _revoke(self, seen: SeenRequest) -> Answer:
        token = _form(seen).get("token")
        if not token:
            return json_answer(400, {"error": "invalid_request"})
        self._ledger.logout(token)
        return Answer(200)

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


def _path(seen: SeenRequest) -> str:
    return urlsplit(seen.path).path


def _is_form(seen: SeenRequest) -> bool:
    return seen.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")


def _form(seen: SeenRequest) -> dict[str, str]:
    """Return the fields of a form, the empty ones too, {} for anything else."""
    if not _is_form(seen):
        return {}
    try:
        return dict(parse_qsl(seen.body.decode(), keep_blank_values=True))
    except ValueError:
        return {}


def _required(form: dict[str, str], name: str) -> str:
    if not form.get(name):  # an empty one counts as omitted (RFC 6749 §3.2)
        raise Refused("invalid_request")
    return form[name]


def _by_password(form: dict[str, str]) -> str:
    if "username" not in form or "password" not in form:
        raise Refused("invalid_request")
    user, password = form["username"], form["password"]
    if not user or password in ("", "wrong"):
        raise Refused("invalid_grant")
    return user


def _unsupported(_form: dict[str, str]) -> str:
    raise Refused("unsupported_grant_type")


def _fields(seen: SeenRequest) -> dict[str, Any]:
    """Return the fields of a form or of a JSON object, {} for anything else."""
    try:
        if _is_form(seen):
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
