"""How to read the response of a refresh endpoint.

What the server wrote is never shown in an error, unless it is of a form that no secret has.
"""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, ParamSpec, Protocol
from urllib.parse import parse_qsl

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import strip_bearer
from requests_jwt_refresh.error_codes import find_error_code, is_error, is_refusal
from requests_jwt_refresh.errors import InvalidToken, JWTRefreshError
from requests_jwt_refresh.field_names import describe_request_fields, list_fields, quote_list
from requests_jwt_refresh.matching import MISSING, find, parse_json
from requests_jwt_refresh.response_errors import (
    CODE_COUNTS,
    SUCCESS,
    check_not_throttled,
    make_rejected_error,
    make_set_up_error,
    make_status_error,
    make_unreadable_error,
    parse_http_date,
)
from requests_jwt_refresh.tokens import (
    FIRST_MILLISECONDS,
    FIRST_MOMENT,
    LONGEST_LIFETIME,
    Token,
    with_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

P = ParamSpec("P")

_JSON_TYPES: Final = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")
__all__ = [
    "DefaultPath",
    "Fields",
    "Reply",
    "TokenResponse",
    "describe_missing_refresh",
    "describe_request_fields",
    "find_refresh_token",
    "parse_http_date",
    "quote_list",
    "read_json",
    "read_oauth2",
    "says_refused",
]

# Plain text that may be a token: no spaces, and not the start of markup or of broken JSON.
_BARE_TOKEN = re.compile(r"""(?![<{\["'])[\x21-\x7e]+""")
_CLOCKS_APART: Final = 60.0  # seconds; nearer ones are taken for one, as a Date has whole seconds
_SHORTEST_NUMBER: Final = 16  # digits that may be a token; fewer are seconds, or an id


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


class DefaultPath(str):
    """A path that an endpoint has by default: nobody is warned if a response has nothing there.

    It is equal to any other string of its letters.
    """

    __slots__ = ()


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
    everything else that holds no token: for a refusal, too, that says "not so often".
    """
    if response.status not in fields.ok:
        check_not_throttled(response)
        if response.status in fields.rejected:
            raise make_rejected_error(response)
        raise make_status_error(response)
    return _read_token(response, fields.access, fields.refresh, fields.expires_in)


@_cut_frames
def read_oauth2(response: TokenResponse) -> Token:
    """Return the token of an OAuth 2.0 response (RFC 6749 §5.1), whatever its token_type.

    Raises RefreshRejected for ``invalid_grant`` (§5.2), RefreshUnavailable for everything else that
    holds no token.
    """
    document = parse_json(response.body)
    has_token = isinstance(find(document, "access_token"), str)  # which is never thrown away
    if response.status in CODE_COUNTS and not has_token:
        if find(document, "error") == "invalid_grant":
            raise make_rejected_error(response)
        check_not_throttled(response)
        code = find_error_code(document, response.headers)
        if code is not None and is_error(document):
            raise make_set_up_error(response, code)
    if response.status not in (200, 201):
        raise make_status_error(response)
    return _read_token(response, "access_token", "refresh_token", "expires_in")


def _read_token(
    response: TokenResponse, access: str | None, refresh: str | None, expires_in: str | None
) -> Token:
    document = parse_json(response.body)
    secret = (
        _read_body(response, document)
        if access is None
        else _read_access(response, document, access)
    )
    new_refresh, _problem = (None, None) if refresh is None else _read_refresh(document, refresh)
    lifetime = None if expires_in is None else _read_lifetime(response, document, expires_in)
    try:
        token = Token(secret, new_refresh)
    except InvalidToken as error:
        problem = error.cause
    else:
        expires_at = None if lifetime is None else clock.time() + lifetime
        return with_values(token, expires_at=expires_at)
    del secret, new_refresh
    raise make_unreadable_error(response, problem)  # outside, so that no traceback holds the token


def _read_access(response: TokenResponse, document: object, path: str) -> str:
    found = find(document, path)
    if found is MISSING:
        check_not_throttled(response)
        raise make_unreadable_error(response, _describe_missing(response, document, path))
    if not isinstance(found, str):
        raise make_unreadable_error(response, f"{path!r} is {_json_type(found)}, not a string")
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
        raise make_unreadable_error(response, _describe_text(response, "a token alone"))
    raise make_unreadable_error(
        response,
        f"its body is {_json_type(document)}, not a token alone",
        "name the field of the access token with access=",
    )


def _read_refresh(document: object, path: str) -> tuple[str | None, str | None]:
    """Return the refresh token at `path` or None, and what is wrong with it if it is no token."""
    found = find(document, path)
    if found is MISSING or found is None or found == "":
        return None, None
    if not isinstance(found, str):
        return None, f"{path!r} is {_json_type(found)}, not a string"
    secret = strip_bearer(found)
    try:
        Token(None, refresh=secret)
    except InvalidToken as error:
        return None, error.cause
    return secret, None


def _read_lifetime(response: TokenResponse, document: object, path: str) -> float | None:
    """Return the seconds that are left (RFC 6749 §5.1), or None if that makes no sense.

    A number as large as a moment is one: in seconds since the epoch, or in milliseconds.
    """
    found = find(document, path)
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        return None
    try:
        seconds = float(found)
    except (ValueError, OverflowError):
        return None
    if seconds > FIRST_MOMENT:
        moment = seconds / 1000 if seconds > FIRST_MILLISECONDS else seconds
        seconds = moment - _server_time(response.headers)
    return seconds if 0 < seconds <= LONGEST_LIFETIME else None


def _server_time(headers: Mapping[str, str]) -> float:
    """Return what the server's clock shows, in seconds since the epoch; ours if it is no other."""
    theirs, ours = parse_http_date(headers.get("Date") or ""), clock.time()
    return ours if theirs is None or abs(theirs - ours) <= _CLOCKS_APART else theirs


# --- What can be had from a response that cannot be read -----------------------------------------

_REFRESH_NAMES: Final = ("refreshtoken", "refreshjwt", "refresh")  # in lower case, letters alone
_ACCESS_NAMES: Final = ("accesstoken", "accessjwt", "access", "token", "idtoken", "jwt")
_FORM: Final = "application/x-www-form-urlencoded"


def find_refresh_token(response: TokenResponse, endpoint: object, old: str | None) -> str | None:
    """Return the new refresh token in a response that cannot be read otherwise, None if none is.

    Only a success has one that is not an error of its own saying. It stands where `endpoint` says,
    or under one of the usual names, also one level down; it is not the `old` one, not the access
    token, and fit for a header. Nothing is raised.
    """
    document = _parse_fields(response)
    if response.status not in SUCCESS or is_error(document):
        return None
    path, access = _get_path(endpoint, "refresh"), _get_path(endpoint, "access")
    if path is None:
        return None
    others = {old, *_find_secrets(document, _ACCESS_NAMES, access)}
    for level in _levels(document, path):
        found = {secret for secret in level if secret not in others and _may_be_refresh(secret)}
        if found:
            return found.pop() if len(found) == 1 else None  # of two, who knows
    return None


def _levels(document: object, path: str) -> Iterator[list[str]]:
    """Yield what may be the refresh token, the likeliest places first."""
    named = find(document, path)
    yield [strip_bearer(named)] if isinstance(named, str) else []
    for parts in ([document], _parts(document)):
        for name in _REFRESH_NAMES:
            yield [secret for part in parts for secret in _read_by_name(part, name)]


def _find_secrets(document: object, names: tuple[str, ...], path: str | None) -> Iterator[str]:
    named = find(document, path) if path else document  # the body itself may be the token
    for part in (document, *_parts(document)):
        for name in names:
            yield from _read_by_name(part, name)
    if isinstance(named, str):
        yield strip_bearer(named)


def _parts(document: object) -> list[object]:
    if isinstance(document, dict):
        return list(document.values())
    return document if isinstance(document, list) else []


def _read_by_name(part: object, simple_name: str) -> Iterator[str]:
    for name, value in part.items() if isinstance(part, dict) else ():
        if isinstance(value, str) and re.sub("[^a-z]", "", name.lower()) == simple_name:
            yield strip_bearer(value)


def _may_be_refresh(secret: str) -> bool:
    """Whether `secret` is fit for a header, and is no sentence, URL, number or "true"."""
    looks_otherwise = (
        any(map(str.isspace, secret))
        or secret.startswith(("/", "http:", "https:"))
        or secret.lower() in ("true", "false", "null", "none", "undefined")
        or (secret.isdecimal() and len(secret) < _SHORTEST_NUMBER)
    )
    if looks_otherwise:
        return False
    try:
        Token(None, refresh=secret)
    except InvalidToken:
        return False
    return True


def _parse_fields(response: TokenResponse) -> object:
    """Return the body's JSON, or the fields of a form, as OAuth 2.0 servers of old answer."""
    document = parse_json(response.body)
    if document is MISSING and _media_type(response) == _FORM:
        with suppress(ValueError):
            return dict(parse_qsl(response.body.decode("ascii")))
    return document


def _get_path(endpoint: object, name: str) -> str | None:
    """Return the path that an endpoint has for a field; the usual one if it says nothing of it."""
    usual = DefaultPath(f"{name}_token")
    try:
        found = getattr(endpoint, name, usual)
    except Exception:  # noqa: BLE001 - a user's endpoint may raise anything
        return usual
    return found if found is None or isinstance(found, str) else usual


# --- What to say about fields --------------------------------------------------------------------


def describe_missing_refresh(
    response: TokenResponse, endpoint: object, old: str | None = None
) -> str | None:
    """Return what to warn about if a good response has no usable refresh token where it should.

    That is where the user has named its field; or if what is there is no token; or if another field
    has what looks like a refresh token and is not the `old` one. None if there is nothing to say.
    Names of fields are shown, nothing else of the response.
    """
    path = _get_path(endpoint, "refresh")
    if path is None or not hasattr(endpoint, "read"):  # a callable has read it in its own way
        return None
    document = parse_json(response.body)
    problem = _read_refresh(document, path)[1]
    if problem is not None:
        return f"the {response.source} gave a refresh token that cannot be used: {problem}"
    if find(document, path) is not MISSING:
        return None
    names = list_fields(document)
    only = f", only {quote_list(names)}" if names else ""
    if isinstance(path, DefaultPath):
        if not hasattr(endpoint, "refresh") or not find_refresh_token(response, endpoint, old):
            return None
        return (
            f"the {response.source} gave no {path!r}{only}; name the field of the refresh token "
            "with refresh="
        )
    return (
        f"the {response.source} gave no {path!r}, the field that refresh= names{only}; "
        "correct refresh=, or leave it out if the server keeps its refresh tokens"
    )


def says_refused(response: TokenResponse) -> bool:
    """Whether an error code says that the refresh token is not good any more.

    Without such a code the request may be at fault.
    """
    return is_refusal(parse_json(response.body), response.headers)


def _describe_missing(response: TokenResponse, document: object, path: str) -> str:
    if document is MISSING:
        return _describe_text(response, "JSON")
    if not isinstance(document, dict):
        return f"its JSON is {_json_type(document)} without {path!r}"
    names = list_fields(document)
    return f"its JSON has no {path!r}" + (f", only {quote_list(names)}" if names else "")


def _describe_text(response: TokenResponse, expected: str) -> str:
    if not response.body.strip():
        return "its body is empty"
    media_type = _media_type(response)
    kind = f" ({media_type})" if _MEDIA_TYPE.fullmatch(media_type) else ""
    return f"its body is not {expected}{kind}"


def _media_type(response: TokenResponse) -> str:
    return (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()


def _json_type(value: object) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value), "a number")
