"""How to ask for a new token, and how to read the answer.

An endpoint is a frozen value with two verbs: ``ask`` makes the request, ``read`` turns the reply
into a Token. It sends nothing itself; only the refresher does.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
import time
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote_plus

import requests

from .errors import InvalidToken, RefreshRejected, RefreshUnavailable
from .matching import MISSING, Matcher, any_401, check_path, find, parse_json, status_codes
from .tokens import Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ACCEPT: Final = {"Accept": "application/json"}


@dataclass(frozen=True)
class Reply:
    """What the refresh endpoint answered. Its repr shows the status alone."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Case-insensitive, as requests gives them."""
    body: bytes = field(repr=False)


class Endpoint(Protocol):
    """Where and how to ask for a new token. Anything with these four is an endpoint."""

    @property
    def url(self) -> str:
        """The URL to ask, absolute or relative to the base URL."""

    @property
    def when(self) -> Matcher:
        """What this server's "your token has expired" looks like."""

    def ask(self, url: str, token: Token) -> requests.Request:
        """Return the request that trades ``token.refresh`` for new tokens at `url`, absolute."""

    def read(self, reply: Reply) -> Token:
        """Return the new token; its ``refresh`` is None if the answer has none.

        Raises RefreshRejected if the server refused the refresh token, RefreshUnavailable for
        every other answer that holds no token.
        """


@dataclass(frozen=True, repr=False)
class _ShownAsCall:
    """Shows an endpoint as the call that makes it, without its secrets."""

    def __repr__(self) -> str:
        arguments = [
            _argument(each, getattr(self, each.name))
            for each in dataclasses.fields(self)
            if getattr(self, each.name) != _default(each)
        ]
        return f"{type(self).__name__}({', '.join(arguments)})"


@dataclass(frozen=True, repr=False)
class JSONEndpoint(_ShownAsCall):
    """Post the refresh token as JSON, read JSON.

    `send`, `access`, `refresh` and `expires_in` name the fields; dots reach into objects and lists
    (``"data.token"``). ``access=None`` says that the whole body is the access token, as a JSON
    string or as plain text. ``refresh=None`` and ``expires_in=None`` say that there is nothing to
    read. `expires_in` is in seconds.

    `ok` are the statuses of an answer with tokens, `rejected` those of a refusal that only a new
    login cures; every other one leaves the tokens as they are. `extra` is sent along and may hold
    secrets. `when` is the server's own rule for "your token has expired".

    Raises ValueError or TypeError for options that make no sense.
    """

    url: str
    send: str = field(default="refresh_token", kw_only=True)
    access: str | None = field(default="access_token", kw_only=True)
    refresh: str | None = field(default="refresh_token", kw_only=True)
    expires_in: str | None = field(default="expires_in", kw_only=True)
    ok: tuple[int, ...] = field(default=(200, 201), kw_only=True)
    rejected: tuple[int, ...] = field(default=(400, 401, 403), kw_only=True)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    when: Matcher = field(default=any_401, kw_only=True)

    def __post_init__(self) -> None:
        _settle(self)
        _settle_reading(self)
        check_path(self.send)
        _check_json(_with(self.extra, self.send, ""))

    def ask(self, url: str, token: Token) -> requests.Request:
        """Return the POST that carries the refresh token in its JSON body."""
        body = _with(self.extra, self.send, _refresh_of(token))
        return requests.Request("POST", url, headers=dict(_ACCEPT), json=body)

    def read(self, reply: Reply) -> Token:
        """Return the new token. Raises RefreshRejected, RefreshUnavailable."""
        return _read(self, reply)


@dataclass(frozen=True, repr=False)
class BearerEndpoint(_ShownAsCall):
    """Send the refresh token as ``Authorization: Bearer``, read JSON.

    There is no body unless `extra` is given, which is then sent as JSON. `rejected` includes 422,
    which some servers say of a refresh token that they cannot even parse. Everything else is as in
    JSONEndpoint.
    """

    url: str
    method: str = field(default="POST", kw_only=True)
    access: str | None = field(default="access_token", kw_only=True)
    refresh: str | None = field(default="refresh_token", kw_only=True)
    expires_in: str | None = field(default="expires_in", kw_only=True)
    ok: tuple[int, ...] = field(default=(200, 201), kw_only=True)
    rejected: tuple[int, ...] = field(default=(400, 401, 403, 422), kw_only=True)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    when: Matcher = field(default=any_401, kw_only=True)

    def __post_init__(self) -> None:
        _settle(self)
        _settle_reading(self)
        _check_json(self.extra)
        if not self.method.isalpha():
            raise ValueError(f"{self.method!r} is no HTTP method such as 'POST'")

    def ask(self, url: str, token: Token) -> requests.Request:
        """Return the request that carries the refresh token in its Authorization header."""
        headers = {**_ACCEPT, "Authorization": f"Bearer {_refresh_of(token)}"}
        return requests.Request(self.method, url, headers=headers, json=dict(self.extra) or None)

    def read(self, reply: Reply) -> Token:
        """Return the new token. Raises RefreshRejected, RefreshUnavailable."""
        return _read(self, reply)


# What to look at when the server names one of these (RFC 6749 §5.2, RFC 8707 §2).
_CURES: Final = {
    "invalid_client": "check client_id and client_secret, and client_auth",
    "invalid_request": "check client_auth and extra",
    "unauthorized_client": "this client may not use refresh tokens, check its registration",
    "unsupported_grant_type": "no refresh tokens are taken at this URL, check it",
    "invalid_scope": "check the scope in extra",
    "invalid_target": "check the resource in extra",
}


@dataclass(frozen=True, repr=False)
class OAuth2Endpoint(_ShownAsCall):
    """Ask as OAuth 2.0 does: a form with ``grant_type=refresh_token`` (RFC 6749 §6).

    `client_auth` says how the client proves who it is (§2.3.1): ``"basic"``, the default with a
    secret; ``"post"``, id and secret in the form; or ``"none"``, the default without a secret, for
    a public client, whose id goes into the form. `extra` goes into the form too (``scope``,
    ``resource``, ``audience``; a list is sent as several fields of one name) and may hold secrets.

    Only ``invalid_grant`` is a refusal. Other error codes are a faulty set-up, and the tokens are
    kept. The server's error_description is never shown.

    Raises ValueError or TypeError for options that make no sense.
    """

    url: str
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_auth: str | None = field(default=None, kw_only=True)
    extra: Mapping[str, str | Sequence[str]] = field(
        default_factory=dict, repr=False, hash=False, kw_only=True
    )
    when: Matcher = field(default=any_401, kw_only=True)

    def __post_init__(self) -> None:
        _settle(self)
        self._check_client()
        taken = {"grant_type", "refresh_token", *self._client_fields()} & set(self.extra)
        if taken:
            raise ValueError(f"extra must not set {_listed(taken)}: the endpoint does")

    def ask(self, url: str, token: Token) -> requests.Request:
        """Return the POST whose form is RFC 6749 §6's."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": _refresh_of(token),
            **self._client_fields(),
            **self.extra,
        }
        headers = dict(_ACCEPT)
        if self._method() == "basic":
            headers["Authorization"] = self._basic()
        return requests.Request("POST", url, headers=headers, data=form)

    def read(self, reply: Reply) -> Token:
        """Return the new token (RFC 6749 §5.1). Raises RefreshRejected, RefreshUnavailable."""
        document = parse_json(reply.body)
        code = _error_code(document)
        if code is not None and reply.status in _BLAMES_THE_REQUEST:
            raise _refused(reply.status, code)
        if reply.status not in (200, 201):
            raise _failed(reply)
        _check_token_type(find(document, "token_type"))
        return _read_token(reply, "access_token", "refresh_token", "expires_in")

    def _method(self) -> str:
        return self.client_auth or ("basic" if self.client_secret else "none")

    def _check_client(self) -> None:
        if "" in (self.client_id, self.client_secret):
            raise ValueError("client_id or client_secret is empty: give it, or leave it out")
        method = self._method()
        if method not in ("basic", "post", "none"):
            raise ValueError("client_auth is 'basic', 'post' or 'none'")
        if method == "none" and self.client_secret:
            raise ValueError("client_auth='none' sends no client_secret: leave one of them out")
        if method != "none" and not (self.client_id and self.client_secret):
            raise ValueError(
                f"client_auth={method!r} needs both client_id and client_secret; "
                "a client without a secret is client_auth='none'"
            )

    def _client_fields(self) -> dict[str, str]:
        if self._method() == "post":
            return {"client_id": self.client_id or "", "client_secret": self.client_secret or ""}
        return {"client_id": self.client_id} if self._method() == "none" and self.client_id else {}

    def _basic(self) -> str:
        # Form-urlencoded first, so that a colon in the id cannot be taken for the one between.
        pair = f"{quote_plus(self.client_id or '')}:{quote_plus(self.client_secret or '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


_AnyEndpoint = JSONEndpoint | BearerEndpoint | OAuth2Endpoint


# --- made ready ------------------------------------------------------------------------------


def _argument(each: dataclasses.Field[Any], value: object) -> str:
    shown = repr(value) if each.repr else "'***'"
    return f"{each.name}={shown}" if each.kw_only else shown


def _default(each: dataclasses.Field[Any]) -> object:
    if each.default_factory is not dataclasses.MISSING:
        return each.default_factory()
    return each.default


def _settle(endpoint: _AnyEndpoint) -> None:
    if not isinstance(endpoint.url, str) or not endpoint.url.strip():
        raise ValueError("an endpoint needs a URL, absolute or relative to the base URL")
    if not callable(endpoint.when):
        raise TypeError(f"when takes a matcher, such as status(401), not {endpoint.when!r}")
    # A copy: what the caller does with theirs later must not change a frozen value.
    _set(endpoint, extra=deepcopy(dict(endpoint.extra)))


def _settle_reading(endpoint: JSONEndpoint | BearerEndpoint) -> None:
    for path in (endpoint.access, endpoint.refresh, endpoint.expires_in):
        if path is not None:
            check_path(path)
    ok = status_codes(endpoint.ok)
    rejected = status_codes(endpoint.rejected) if endpoint.rejected else frozenset()
    if ok & rejected:
        raise ValueError(f"ok and rejected cannot both have {_listed(map(str, ok & rejected))}")
    _set(endpoint, ok=tuple(sorted(ok)), rejected=tuple(sorted(rejected)))


def _set(endpoint: _AnyEndpoint, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(endpoint, name, value)


def _with(extra: Mapping[str, Any], path: str, value: str) -> dict[str, Any]:
    """Return a copy of `extra` with `value` at a dotted `path` that it does not have yet."""
    document = deepcopy(dict(extra))
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place.setdefault(name, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last in place:
        raise ValueError(f"extra must leave {path!r} free: the refresh token goes there")
    place[last] = value
    return document


def _check_json(document: Mapping[str, Any]) -> None:
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        pass
    else:
        return
    raise TypeError("extra holds something that cannot be written as JSON")


# --- asked -----------------------------------------------------------------------------------


def _refresh_of(token: Token) -> str:
    if token.refresh is None:
        raise ValueError("there is no refresh token to ask with")
    return token.refresh


# --- answered --------------------------------------------------------------------------------

# Rate limits and overload speak for themselves, whatever code is in the body.
_BLAMES_THE_REQUEST: Final = frozenset({200, 201, *range(400, 500)} - {408, 429})
_JSON_KINDS: Final = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_TOKEN_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,19}")
# Short enough that a token is no field name, and no part of a path.
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,29}")
_SHOWABLE_URL = re.compile(
    r"(?:https?://[A-Za-z0-9.-]{1,80}(?::[0-9]{1,5})?)?(?:/[A-Za-z0-9._~-]{0,30}){1,10}"
)
# Plain text that is a token: no spaces, and not the start of markup or of broken JSON.
_BARE_TOKEN = re.compile(r"""(?![<{\["'])[\x21-\x7e]+""")
_MOST_NAMES = 10


def _read(endpoint: JSONEndpoint | BearerEndpoint, reply: Reply) -> Token:
    if reply.status in endpoint.rejected:
        raise RefreshRejected(f"the server refused the refresh token ({reply.status})")
    if reply.status not in endpoint.ok:
        raise _failed(reply)
    return _read_token(reply, endpoint.access, endpoint.refresh, endpoint.expires_in)


def _read_token(
    reply: Reply, access: str | None, refresh: str | None, expires_in: str | None
) -> Token:
    document = parse_json(reply.body)
    try:
        return Token(
            _bare(reply, document) if access is None else _access(reply, document, access),
            None if refresh is None else _refresh(reply, document, refresh),
            None if expires_in is None else _expiry(find(document, expires_in)),
        )
    except InvalidToken as error:
        problem = str(error)
    raise _unreadable(reply, problem)


def _access(reply: Reply, document: object, path: str) -> str:
    found = find(document, path)
    if found is MISSING:
        raise _unreadable(reply, _what_is_there(reply, document, path))
    if not isinstance(found, str):
        raise _unreadable(reply, f"{path!r} is {_kind(found)}, not a string")
    return _without_scheme(found)


def _bare(reply: Reply, document: object) -> str:
    """Return the body itself: a JSON string, or plain text that may be digits alone."""
    if isinstance(document, str):
        return _without_scheme(document)
    text = _without_scheme(reply.body.decode("utf-8-sig", "replace").strip())
    is_text = document is MISSING or _kind(document) == "a number"
    if not is_text or not _BARE_TOKEN.fullmatch(text):
        raise _unreadable(reply, _not_bare(reply, document))
    return text


def _refresh(reply: Reply, document: object, path: str) -> str | None:
    found = find(document, path)
    if found is MISSING or found is None or found == "":
        return None
    if not isinstance(found, str):
        raise _unreadable(reply, f"{path!r} is {_kind(found)}, not a string")
    return found


def _expiry(seconds: object) -> float | None:
    """Return the time that is `seconds` from now (RFC 6749 §5.1), or None if it makes no sense."""
    if isinstance(seconds, bool) or not isinstance(seconds, (str, int, float)):
        return None
    try:
        lifetime = float(seconds)
    except (ValueError, OverflowError):
        return None
    return time.time() + lifetime if math.isfinite(lifetime) and lifetime > 0 else None


def _without_scheme(access: str) -> str:
    """Return `access` without the "Bearer " that some servers put before it.

    No token has a space in it (RFC 6750 §2.1), so that nothing else can be meant.
    """
    return access[7:].strip() if access[:7].lower() == "bearer " else access


# --- said in an error text: nothing that the server wrote, unless it can be no secret ----------


def _unavailable(what: str, *, retry_after: float = 0.0) -> RefreshUnavailable:
    error = RefreshUnavailable(f"{what}. The tokens are kept")
    error.retry_after = retry_after
    return error


def _unreadable(reply: Reply, problem: str) -> RefreshUnavailable:
    return _unavailable(f"the refresh endpoint answered {reply.status}, but {problem}")


def _failed(reply: Reply) -> RefreshUnavailable:
    """Say what a status means that is neither an answer nor a refusal."""
    told = f"the refresh endpoint answered {reply.status}"
    if 300 <= reply.status < 400:  # noqa: PLR2004 - redirection (RFC 9110 §15.4)
        return _redirected(reply)
    if reply.status < 500 and reply.status not in (408, 429):  # noqa: PLR2004 - RFC 9110 §15.6
        return _unavailable(f"{told}: check its URL and options")
    wait = _retry_after(reply.headers)
    asked = f" and asks for {math.ceil(wait)} s of patience" if wait else ""
    return _unavailable(told + asked, retry_after=wait)


def _redirected(reply: Reply) -> RefreshUnavailable:
    location = re.split("[?#]", reply.headers.get("Location") or "", maxsplit=1)[0]
    to = f" to {location}" if _SHOWABLE_URL.fullmatch(location) else ""
    return _unavailable(
        f"the refresh endpoint redirects{to} ({reply.status}), which a refresh call never follows: "
        "give the final URL (a trailing slash? https instead of http?)"
    )


def _refused(status: int, code: str) -> RefreshRejected | RefreshUnavailable:
    if code == "invalid_grant":
        return RefreshRejected(f"the server refused the refresh token ({status} {code})")
    cure = _CURES.get(code)
    fault = f"the set-up is at fault, {cure}" if cure else "the set-up may be at fault"
    return _unavailable(f"the refresh endpoint answered {status} {code}: {fault}")


def _error_code(document: object) -> str | None:
    """Return the error code of RFC 6749 §5.2 if the answer is one."""
    code = find(document, "error")
    if find(document, "access_token") is not MISSING or not isinstance(code, str):
        return None
    return code if _ERROR_CODE.fullmatch(code) else None


def _check_token_type(found: object) -> None:
    if found is MISSING or found is None or str(found).lower() == "bearer":
        return
    fit = isinstance(found, str) and _TOKEN_TYPE.fullmatch(found)
    kind = f"a {found} token" if fit else "a token of another kind"
    raise _unavailable(
        f"the refresh endpoint gave {kind} (token_type); only Bearer tokens can be sent"
    )


def _what_is_there(reply: Reply, document: object, path: str) -> str:
    if document is MISSING:
        return _not_json(reply)
    if not isinstance(document, dict):
        return f"its JSON is {_kind(document)} without {path!r}"
    names = [name for name in document if _FIELD_NAME.fullmatch(name)][:_MOST_NAMES]
    return f"its JSON has no {path!r}" + (f", only {_listed(names)}" if names else "")


def _not_bare(reply: Reply, document: object) -> str:
    if not reply.body.strip():
        return "its body is empty"
    if document is MISSING:
        return f"its body is not a token alone{_media_type(reply)}"
    return f"its body is {_kind(document)}, not a token alone: name its field with access="


def _not_json(reply: Reply) -> str:
    return (
        f"its body is not JSON{_media_type(reply)}" if reply.body.strip() else "its body is empty"
    )


def _media_type(reply: Reply) -> str:
    media_type = (reply.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    return f" ({media_type})" if _MEDIA_TYPE.fullmatch(media_type) else ""


def _kind(value: object) -> str:
    return "null" if value is None else _JSON_KINDS.get(type(value), "a number")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: given as such or as a date (RFC 9110 §10.2.3); 0 if unclear."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        # Both by the server's clock where it tells it, so that ours does not matter.
        until, now = _date(value), _date(headers.get("Date") or "")
        seconds = 0.0 if until is None else until - (time.time() if now is None else now)
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _date(value: str) -> float | None:
    """Return an HTTP-date (RFC 9110 §5.6.7) in seconds since the epoch, None for anything else."""
    try:
        moment = parsedate_to_datetime(value)
        # The obsolete formats name no zone, and mean UTC all the same.
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
