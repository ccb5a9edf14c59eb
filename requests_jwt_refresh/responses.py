"""How to read what the refresh endpoint answered.

What the server wrote is never shown in an error, unless it can be no secret.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Protocol

from requests_jwt_refresh.errors import InvalidToken, RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.matching import MISSING, find, parse_json
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
# What to look at when the server names one of these (RFC 6749 §5.2, RFC 8707 §2).
_CURES: Final = {
    "invalid_client": "check client_id and client_secret, and client_auth",
    "invalid_request": "check client_auth and extra",
    "unauthorized_client": "this client may not use refresh tokens, check its registration",
    "unsupported_grant_type": "no refresh tokens are taken at this URL, check it",
    "invalid_scope": "check the scope in extra",
    "invalid_target": "check the resource in extra",
}


@dataclass(frozen=True)
class TokenResponse:
    """What the refresh endpoint answered. Its repr shows the status alone."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Case-insensitive, as requests gives them."""
    body: bytes = field(repr=False)
    source: str = field(default="refresh endpoint", kw_only=True, repr=False)
    """What has answered, as it stands in an error's text."""


Reply = TokenResponse
"""The name that TokenResponse had in 0.1."""


class Fields(Protocol):
    """Where a JSON answer has its tokens, and which statuses are a yes and a no."""

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


def read_json(reply: TokenResponse, fields: Fields) -> Token:
    """Return the token that stands where `fields` says.

    Raises RefreshRejected for a status that it calls a refusal, RefreshUnavailable for all else.
    """
    if reply.status in fields.rejected:
        raise RefreshRejected(f"the server refused the refresh token ({reply.status})")
    if reply.status not in fields.ok:
        raise _failed(reply)
    return _read_token(reply, fields.access, fields.refresh, fields.expires_in)


def read_oauth2(reply: TokenResponse) -> Token:
    """Return the token of an OAuth 2.0 answer (RFC 6749 §5.1).

    Raises RefreshRejected for ``invalid_grant`` (§5.2), RefreshUnavailable for all else.
    """
    document = parse_json(reply.body)
    code = _error_code(document)
    if code is not None and reply.status in _BLAMES_THE_REQUEST:
        raise _refused(reply, code)
    if reply.status not in (200, 201):
        raise _failed(reply)
    _check_token_type(reply, find(document, "token_type"))
    return _read_token(reply, "access_token", "refresh_token", "expires_in")


def _read_token(
    reply: TokenResponse, access: str | None, refresh: str | None, expires_in: str | None
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


def _access(reply: TokenResponse, document: object, path: str) -> str:
    found = find(document, path)
    if found is MISSING:
        raise _unreadable(reply, _what_is_there(reply, document, path))
    if not isinstance(found, str):
        raise _unreadable(reply, f"{path!r} is {_kind(found)}, not a string")
    return _without_scheme(found)


def _bare(reply: TokenResponse, document: object) -> str:
    """Return the body itself: a JSON string, or plain text that may be digits alone."""
    if isinstance(document, str):
        return _without_scheme(document)
    text = _without_scheme(reply.body.decode("utf-8-sig", "replace").strip())
    is_text = document is MISSING or _kind(document) == "a number"
    if not is_text or not _BARE_TOKEN.fullmatch(text):
        raise _unreadable(reply, _not_bare(reply, document))
    return text


def _refresh(reply: TokenResponse, document: object, path: str) -> str | None:
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


def _unreadable(reply: TokenResponse, problem: str) -> RefreshUnavailable:
    return _unavailable(f"the {reply.source} answered {reply.status}, but {problem}")


def _failed(reply: TokenResponse) -> RefreshUnavailable:
    """Say what a status means that is neither an answer nor a refusal."""
    told = f"the {reply.source} answered {reply.status}"
    if 300 <= reply.status < 400:  # noqa: PLR2004 - redirection (RFC 9110 §15.4)
        return _redirected(reply)
    if reply.status < 500 and reply.status not in (408, 429):  # noqa: PLR2004 - RFC 9110 §15.6
        return _unavailable(f"{told}: check its URL and options")
    wait = _retry_after(reply.headers)
    asked = f" and asks for {math.ceil(wait)} s of patience" if wait else ""
    return _unavailable(told + asked, retry_after=wait)


def _redirected(reply: TokenResponse) -> RefreshUnavailable:
    location = re.split("[?#]", reply.headers.get("Location") or "", maxsplit=1)[0]
    to = f" to {location}" if _SHOWABLE_URL.fullmatch(location) else ""
    return _unavailable(
        f"the {reply.source} redirects{to} ({reply.status}), which a call with a secret never "
        "follows: give the final URL (a trailing slash? https instead of http?)"
    )


def _refused(reply: TokenResponse, code: str) -> RefreshRejected | RefreshUnavailable:
    if code == "invalid_grant":
        return RefreshRejected(f"the server refused the refresh token ({reply.status} {code})")
    cure = _CURES.get(code)
    fault = f"the set-up is at fault, {cure}" if cure else "the set-up may be at fault"
    return _unavailable(f"the {reply.source} answered {reply.status} {code}: {fault}")


def _error_code(document: object) -> str | None:
    """Return the error code of RFC 6749 §5.2 if the answer is one."""
    code = find(document, "error")
    if find(document, "access_token") is not MISSING or not isinstance(code, str):
        return None
    return code if _ERROR_CODE.fullmatch(code) else None


def _check_token_type(reply: TokenResponse, found: object) -> None:
    if found is MISSING or found is None or str(found).lower() == "bearer":
        return
    fit = isinstance(found, str) and _TOKEN_TYPE.fullmatch(found)
    kind = f"a {found} token" if fit else "a token of another kind"
    raise _unavailable(
        f"the {reply.source} gave {kind} (token_type); only Bearer tokens can be sent"
    )


def _what_is_there(reply: TokenResponse, document: object, path: str) -> str:
    if document is MISSING:
        return _not_json(reply)
    if not isinstance(document, dict):
        return f"its JSON is {_kind(document)} without {path!r}"
    names = [name for name in document if _FIELD_NAME.fullmatch(name)][:_MOST_NAMES]
    return f"its JSON has no {path!r}" + (f", only {quote_list(names)}" if names else "")


def _not_bare(reply: TokenResponse, document: object) -> str:
    if not reply.body.strip():
        return "its body is empty"
    if document is MISSING:
        return f"its body is not a token alone{_media_type(reply)}"
    return f"its body is {_kind(document)}, not a token alone: name its field with access="


def _not_json(reply: TokenResponse) -> str:
    return (
        f"its body is not JSON{_media_type(reply)}" if reply.body.strip() else "its body is empty"
    )


def _media_type(reply: TokenResponse) -> str:
    media_type = (reply.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    return f" ({media_type})" if _MEDIA_TYPE.fullmatch(media_type) else ""


def _kind(value: object) -> str:
    return "null" if value is None else _JSON_KINDS.get(type(value), "a number")


def quote_list(names: Iterable[str]) -> str:
    """Return `names` as they stand in a sentence."""
    return ", ".join(repr(name) for name in names)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait: given as such or as a date (RFC 9110 §10.2.3); 0 if unclear."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        # Both by the server's clock where it tells it, so that ours does not matter.
        until, now = parse_http_date(value), parse_http_date(headers.get("Date") or "")
        seconds = 0.0 if until is None else until - (time.time() if now is None else now)
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def parse_http_date(value: str) -> float | None:
    """Return an HTTP-date (RFC 9110 §5.6.7) in seconds since the epoch, None for anything else."""
    try:
        moment = parsedate_to_datetime(value)
        # The obsolete formats name no zone, and mean UTC all the same.
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
