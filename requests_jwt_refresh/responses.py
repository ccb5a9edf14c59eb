"""How to read the response of a refresh endpoint.

What the server wrote is never shown in an error, unless it is of a form that no secret has.
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, ParamSpec, Protocol

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import BEARER, is_bearer, strip_bearer
from requests_jwt_refresh.errors import (
    InvalidToken,
    JWTRefreshError,
    RefreshRejected,
    RefreshUnavailable,
)
from requests_jwt_refresh.matching import MISSING, find, parse_json
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

P = ParamSpec("P")

# RFC 9110 §15; some servers go beyond 599.
_REDIRECTS: Final = range(300, 400)
_PASSING_FAULTS: Final = frozenset({408, 429, *range(500, 1000)})
# With these an error code in the body counts; rate limits and overload need none.
_CODE_COUNTS: Final = frozenset({200, 201, *range(400, 500)}) - _PASSING_FAULTS
_JSON_TYPES: Final = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_TOKEN_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,19}")
# Short enough that a token is no field name, and no part of a path.
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,29}")
_SHOWABLE_URL = re.compile(
    r"(?:https?://[A-Za-z0-9.-]{1,80}(?::[0-9]{1,5})?)?(?:/[A-Za-z0-9._~-]{0,30}){1,10}"
)
# Plain text that may be a token: no spaces, and not the start of markup or of broken JSON.
_BARE_TOKEN = re.compile(r"""(?![<{\["'])[\x21-\x7e]+""")
_MOST_NAMES = 10
# What to check when the server gives one of these codes (RFC 6749 §5.2, RFC 8707 §2).
_REMEDIES: Final = {
    "invalid_client": "check client_id and client_secret, and client_auth",
    "invalid_request": "check client_auth and extra",
    "unauthorized_client": "check the client's registration: it may not use refresh tokens",
    "unsupported_grant_type": "check the URL: no refresh tokens are accepted there",
    "invalid_scope": "check the scope in extra",
    "invalid_target": "check the resource in extra",
}
_CHECK: Final = "check its URL and options"


@dataclass(frozen=True)
class TokenResponse:
    """The response of a refresh endpoint, read to its end. Its repr shows the status alone.

    >>> TokenResponse(200, {}, b'{"access_token": "a secret"}')
    TokenResponse(status=200)
    """

    status: int
    """The HTTP status code."""
    headers: Mapping[str, str] = field(repr=False)
    """Case-insensitive, as requests gives them."""
    body: bytes = field(repr=False)
    """The body as it was sent, without its content encoding; 1 MiB at the most."""
    source: str = field(default="refresh endpoint", kw_only=True, repr=False)
    """What has answered, as it stands in the text of an error."""


Reply = TokenResponse
"""The name that `TokenResponse` had in 0.1."""


class Fields(Protocol):
    """Where a JSON response has its tokens, and which statuses mean success and refusal."""

    @property
    def access(self) -> str | None: ...
    @property
    def refresh(self) -> str | None: ...
    @property
    def expires_in(self) -> str | None: ...
    @property
    def ok(self) -> tuple[int, ...]: ...
    @property
    def rejected(self) -> tuple[int, ...]: ...


def _cut_frames(read: Callable[P, Token]) -> Callable[P, Token]:
    """Let no error carry the frames in which a response is read: their locals hold tokens."""

    @functools.wraps(read)
    def read_and_cut(*args: P.args, **kwargs: P.kwargs) -> Token:
        try:
            return read(*args, **kwargs)
        except JWTRefreshError as error:
            failure = error.about()
        raise failure

    return read_and_cut


@_cut_frames
def read_json(response: TokenResponse, fields: Fields) -> Token:
    """Return the token that stands where `fields` says.

    Raises RefreshRejected for a status that `fields` calls a refusal, RefreshUnavailable for
    everything else that holds no token.
    """
    if response.status in fields.rejected:
        raise _rejected_error(str(response.status))
    if response.status not in fields.ok:
        raise _status_error(response)
    return _read_token(response, fields.access, fields.refresh, fields.expires_in)


@_cut_frames
def read_oauth2(response: TokenResponse) -> Token:
    """Return the token of an OAuth 2.0 response (RFC 6749 §5.1).

    Raises RefreshRejected for ``invalid_grant`` (§5.2), RefreshUnavailable for everything else that
    holds no token.
    """
    document = parse_json(response.body)
    code = _error_code(document)
    if code is not None and response.status in _CODE_COUNTS:
        raise _oauth2_error(response, code)
    if response.status not in (200, 201):
        raise _status_error(response)
    _check_token_type(response, find(document, "token_type"))
    return _read_token(response, "access_token", "refresh_token", "expires_in")


def _read_token(
    response: TokenResponse, access: str | None, refresh: str | None, expires_in: str | None
) -> Token:
    document = parse_json(response.body)
    try:
        return Token(
            _read_body(response, document)
            if access is None
            else _read_access(response, document, access),
            None if refresh is None else _read_refresh(response, document, refresh),
            None if expires_in is None else _parse_expiry(find(document, expires_in)),
        )
    except InvalidToken as error:
        problem = error.cause
    raise _unreadable_error(response, problem)  # outside, so that no traceback holds the token


def _read_access(response: TokenResponse, document: object, path: str) -> str:
    found = find(document, path)
    if found is MISSING:
        raise _unreadable_error(response, _describe_missing(response, document, path))
    if not isinstance(found, str):
        raise _unreadable_error(response, f"{path!r} is {_json_type(found)}, not a string")
    return strip_bearer(found)


def _read_body(response: TokenResponse, document: object) -> str:
    """Return the body as the access token: a JSON string, or plain text, even of digits alone."""
    if isinstance(document, str):
        return strip_bearer(document)
    text = strip_bearer(response.body.decode("utf-8-sig", "replace").strip())
    is_text = document is MISSING or _json_type(document) == "a number"
    if is_text and _BARE_TOKEN.fullmatch(text):
        return text
    if not response.body.strip() or document is MISSING:
        raise _unreadable_error(response, _describe_text(response, "a token alone"))
    raise _unreadable_error(
        response,
        f"its body is {_json_type(document)}, not a token alone",
        "name the field of the access token with access=",
    )


def _read_refresh(response: TokenResponse, document: object, path: str) -> str | None:
    found = find(document, path)
    if found is MISSING or found is None or found == "":
        return None
    if not isinstance(found, str):
        raise _unreadable_error(response, f"{path!r} is {_json_type(found)}, not a string")
    return found


def _parse_expiry(seconds: object) -> float | None:
    """Return the time that is `seconds` from now (RFC 6749 §5.1), or None if it makes no sense."""
    if isinstance(seconds, bool) or not isinstance(seconds, (str, int, float)):
        return None
    try:
        lifetime = float(seconds)
    except (ValueError, OverflowError):
        return None
    return clock.time() + lifetime if math.isfinite(lifetime) and lifetime > 0 else None


# --- Errors: no text of the server's in them, unless no secret has that form ---------------------


def _rejected_error(reason: str) -> RefreshRejected:
    return RefreshRejected(f"the server refused the refresh token ({reason})", "log in again")


def _unavailable_error(cause: str, remedy: str, *, retry_after: float = 0.0) -> RefreshUnavailable:
    error = RefreshUnavailable(cause, f"the tokens are kept; {remedy}")
    error.retry_after = retry_after
    return error


def _unreadable_error(
    response: TokenResponse, problem: str, remedy: str = _CHECK
) -> RefreshUnavailable:
    cause = f"the {response.source} answered {response.status}, but {problem}"
    return _unavailable_error(cause, remedy)


def _status_error(response: TokenResponse) -> RefreshUnavailable:
    """Return the error for a status that is neither success nor a refusal."""
    cause = f"the {response.source} answered {response.status}"
    if response.status in _REDIRECTS:
        return _redirect_error(response)
    if response.status not in _PASSING_FAULTS:
        return _unavailable_error(cause, _CHECK)
    seconds = _retry_after(response.headers)
    if not seconds:
        return _unavailable_error(cause, "try again later")
    return _unavailable_error(
        f"{cause} and asks to be left alone for {math.ceil(seconds)} s",
        f"try again in {math.ceil(seconds)} s",
        retry_after=seconds,
    )


def _redirect_error(response: TokenResponse) -> RefreshUnavailable:
    location = re.split("[?#]", response.headers.get("Location") or "", maxsplit=1)[0]
    to = f" to {location}" if _SHOWABLE_URL.fullmatch(location) else ""
    return _unavailable_error(
        f"the {response.source} redirects{to} ({response.status}), which a call with a secret "
        "never follows",
        "give the final URL: perhaps with a trailing slash, or with https",
    )


def _oauth2_error(response: TokenResponse, code: str) -> RefreshRejected | RefreshUnavailable:
    """Return the error for an error code of RFC 6749 §5.2."""
    if code == "invalid_grant":
        return _rejected_error(f"{response.status} {code}")
    fault = "is at fault" if code in _REMEDIES else "may be at fault"
    return _unavailable_error(
        f"the {response.source} answered {response.status} {code}: the set-up {fault}",
        _REMEDIES.get(code, _CHECK),
    )


def _error_code(document: object) -> str | None:
    """Return the error code of RFC 6749 §5.2, or None if the response has no such code."""
    code = find(document, "error")
    if find(document, "access_token") is not MISSING or not isinstance(code, str):
        return None
    return code if _ERROR_CODE.fullmatch(code) else None


def _check_token_type(response: TokenResponse, found: object) -> None:
    if found is MISSING or found is None or is_bearer(str(found)):
        return
    is_showable = isinstance(found, str) and _TOKEN_TYPE.fullmatch(found)
    kind = f"a {found} token" if is_showable else "a token of another kind"
    raise _unavailable_error(
        f"the {response.source} gave {kind} (token_type); only {BEARER} tokens can be sent",
        f"set the client up for {BEARER} tokens at the server",
    )


def _describe_missing(response: TokenResponse, document: object, path: str) -> str:
    if document is MISSING:
        return _describe_text(response, "JSON")
    if not isinstance(document, dict):
        return f"its JSON is {_json_type(document)} without {path!r}"
    names = [name for name in document if _FIELD_NAME.fullmatch(name)][:_MOST_NAMES]
    return f"its JSON has no {path!r}" + (f", only {quote_list(names)}" if names else "")


def _describe_text(response: TokenResponse, expected: str) -> str:
    if not response.body.strip():
        return "its body is empty"
    media_type = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    kind = f" ({media_type})" if _MEDIA_TYPE.fullmatch(media_type) else ""
    return f"its body is not {expected}{kind}"


def _json_type(value: object) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value), "a number")


def quote_list(names: Iterable[str]) -> str:
    """Return `names` as they stand in a sentence.

    >>> print(quote_list(["access", "refresh"]))
    'access', 'refresh'
    """
    return ", ".join(repr(name) for name in names)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: given as such or as a date (RFC 9110 §10.2.3); 0 if unclear."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        # Both by the server's clock if it sends a Date, so that a wrong one here does no harm.
        until, now = parse_http_date(value), parse_http_date(headers.get("Date") or "")
        seconds = 0.0 if until is None else until - (clock.time() if now is None else now)
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def parse_http_date(value: str) -> float | None:
    """Return an HTTP-date (RFC 9110 §5.6.7) in seconds since the epoch, None for anything else.

    >>> parse_http_date("Thu, 01 Jan 1970 00:01:00 GMT")
    60.0
    """
    try:
        moment = parsedate_to_datetime(value)
        # The obsolete formats name no zone, and mean UTC all the same.
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
