"""How to read the response of a refresh endpoint.

What the server wrote is never shown in an error, unless it is of a form that no secret has.
"""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, Protocol
from urllib.parse import parse_qsl

import requests

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import Cookie, Header, read_cookies, strip_bearer
from requests_jwt_refresh.error_codes import find_error_code, is_error, is_refusal
from requests_jwt_refresh.errors import InvalidToken, JWTRefreshError
from requests_jwt_refresh.field_names import (
    describe_request_fields,
    filter_showable,
    list_fields,
    quote_list,
)
from requests_jwt_refresh.frozen_json import freeze_members
from requests_jwt_refresh.lifetimes import (
    find_refresh_end,
    read_lifetime,
    read_moment,
    suggest_expiry_option,
)
from requests_jwt_refresh.matching import (
    MISSING,
    SafeMatcher,
    find,
    for_rejected,
    may_match,
    parse_json,
)
from requests_jwt_refresh.response_errors import (
    CODE_COUNTS,
    SUCCESS,
    check_not_throttled,
    make_rejected_error,
    make_set_up_error,
    make_status_error,
    make_unreadable_error,
    parse_http_date,
    suggest_rule,
)
from requests_jwt_refresh.tokens import Token, with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from requests_jwt_refresh.authorization import Place
    from requests_jwt_refresh.matching import Matcher
    from requests_jwt_refresh.response_errors import LoginWords

P = ParamSpec("P")

_JSON_TYPES: Final = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,40}")
__all__ = [
    "DefaultPath",
    "Fields",
    "Reply",
    "TokenResponse",
    "as_response",
    "describe_missing_refresh",
    "describe_request_fields",
    "describe_unread_expiry",
    "find_refresh_token",
    "keep_cookie",
    "keep_other_cookies",
    "parse_http_date",
    "quote_list",
    "read_json",
    "read_oauth2",
    "says_refused",
]

# Plain text that may be a token: no spaces, and not the start of markup or of broken JSON.
_BARE_TOKEN = re.compile(r"""(?![<{\["'])[\x21-\x7e]+""")
_SHORTEST_NUMBER: Final = 16  # digits that may be a token; fewer are seconds, or an id


@dataclass(frozen=True)
class TokenResponse:
    """The response of a refresh endpoint, read to its end: what ``Endpoint.read()`` gets.

    Its repr shows the status alone.

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
    login_words: LoginWords | None = field(default=None, init=False, repr=False, compare=False)
    """How errors speak of the login that this answers; None for a refresh."""
    set_cookies: tuple[str, ...] = field(default=(), kw_only=True, repr=False)
    """The Set-Cookie lines, one by one, which `headers` may have joined into one."""


Reply = TokenResponse
"""The name that `TokenResponse` had in 0.1."""


class DefaultPath(str):
    """A path that an endpoint has by default: nobody is warned if a response has nothing there.

    It is equal to any other string of its letters.
    """

    __slots__ = ()


class Fields(Protocol):
    """Where a response has its tokens, and what means success and refusal."""

    @property
    def access(self) -> Place | None: ...
    @property
    def refresh(self) -> Place | None: ...
    @property
    def expires_in(self) -> str | None: ...
    @property
    def expires_in_unit(self) -> str: ...
    @property
    def expires_at(self) -> str | None: ...
    @property
    def ok(self) -> tuple[int, ...]: ...
    @property
    def rejected(self) -> tuple[int, ...] | Matcher | None: ...
    @property
    def handed_in(self) -> str:
        """What the request has handed in, as it stands in the text of a refusal."""


def as_response(response: TokenResponse) -> requests.Response:
    """Return `response` as a matcher may see it: with status, headers and body."""
    made = requests.Response()
    made.status_code = response.status
    made.headers.update(response.headers)
    made.encoding = requests.utils.get_encoding_from_headers(made.headers)
    made._content = response.body  # noqa: SLF001 - as requests' own tests make a response
    return made


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

    Raises RefreshRejected for what `fields` calls a refusal, RefreshUnavailable for everything else
    that holds no token: for a refusal, too, that says "not so often".
    """
    if response.status not in fields.ok or not _has_access(response, fields):
        check_not_throttled(response)
        _check_not_rejected(response, fields)
    if response.status not in fields.ok:
        raise make_status_error(response, has_rule=callable(fields.rejected))
    return _read_token(response, fields)


@_cut_frames
def read_oauth2(response: TokenResponse, fields: Fields) -> Token:
    """Return the token of an OAuth 2.0 response (RFC 6749 §5.1), whatever its token_type.

    Raises RefreshRejected for ``invalid_grant`` (§5.2) and for what `fields` calls a refusal,
    RefreshUnavailable for everything else that holds no token.
    """
    if not _has_access(response, fields):  # what has a token is never thrown away
        document = parse_json(response.body)
        is_open = response.status in CODE_COUNTS
        if is_open and find(document, "error") == "invalid_grant":
            raise make_rejected_error(response, fields.handed_in)
        check_not_throttled(response)
        _check_not_rejected(response, fields)
        code = find_error_code(document, response.headers)
        if is_open and code is not None and is_error(document):
            raise make_set_up_error(
                response, code, fields.handed_in, has_rule=callable(fields.rejected)
            )
    if response.status not in fields.ok:
        raise make_status_error(response, has_rule=callable(fields.rejected))
    return _read_token(response, fields)


def _has_access(response: TokenResponse, fields: Fields) -> bool:
    """Whether there is something where the access token should be, so that nothing was refused."""
    if fields.access is None:  # any body is something
        return response.status in fields.ok and not callable(fields.rejected)
    found = _find_at(response, parse_json(response.body), fields.access)
    return isinstance(found, str) and bool(found)


def _check_not_rejected(response: TokenResponse, fields: Fields) -> None:
    """Raise RefreshRejected for what `fields` calls a refusal."""
    rejected = fields.rejected
    if callable(rejected):
        matcher = SafeMatcher(for_rejected(rejected))
        is_refused = may_match(matcher, response.status) and matcher(as_response(response))
    else:
        is_refused = response.status in (rejected or ())
    if is_refused:
        raise make_rejected_error(response, fields.handed_in)


def _find_at(response: TokenResponse, document: object, place: Place) -> object:
    """Return what stands at `place`, or MISSING."""
    if isinstance(place, str):
        return find(document, place)
    found = place.read(response.headers, response.set_cookies)
    return MISSING if found is None else found


def _read_token(response: TokenResponse, fields: Fields) -> Token:
    document = parse_json(response.body)
    secret = (
        _read_body(response, document)
        if fields.access is None
        else _read_access(response, document, fields.access, fields)
    )
    new_refresh, _problem = _read_refresh(response, document, fields)
    try:
        token = Token(secret, new_refresh)
    except InvalidToken as error:
        problem = error.cause
    else:
        problem = _find_sending_problem(fields, "send_access", secret) or ""
        if not problem:
            expires_at = _read_expiry(response, document, fields)
            extra = _read_extra(response, document, fields)
            return with_values(token, expires_at=expires_at, extra=freeze_members(extra))
        problem = f"the access token cannot be sent: {problem}"
        del token
    del secret, new_refresh
    raise make_unreadable_error(response, problem)  # outside, so that no traceback holds the token


def _find_sending_problem(fields: object, name: str, secret: str) -> str | None:
    """Return why the next refresh request could not carry `secret`, None if it can."""
    place = getattr(fields, name, None)
    return place.find_problem(secret) if isinstance(place, (Header, Cookie)) else None


def _read_access(response: TokenResponse, document: object, place: Place, fields: Fields) -> str:
    found = _find_at(response, document, place)
    if found is MISSING:
        problem = _describe_missing(response, document, place)
        remedy = suggest_rule(response, has_rule=callable(fields.rejected))
        raise make_unreadable_error(response, problem, remedy)
    if not isinstance(found, str):
        raise make_unreadable_error(response, f"{place!r} is {_json_type(found)}, not a string")
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


def _read_refresh(
    response: TokenResponse, document: object, fields: object
) -> tuple[str | None, str | None]:
    """Return the new refresh token or None, and what is wrong with it if it cannot be used."""
    place = _get_place(fields, "refresh")
    if place is None:
        return None, None
    found = _find_at(response, document, place)
    if found is MISSING or found is None or found == "":
        return None, None
    if not isinstance(found, str):
        return None, f"{place!r} is {_json_type(found)}, not a string"
    secret = strip_bearer(found)
    problem = _find_sending_problem(fields, "send", secret)
    try:
        Token(None, refresh=secret)
    except InvalidToken as error:
        problem = error.cause
    return (secret, None) if problem is None else (None, problem)


def _read_expiry(response: TokenResponse, document: object, fields: Fields) -> float | None:
    """Return when the access token expires, in seconds since the epoch: the earlier of two."""
    lefts = []
    if fields.expires_in is not None:
        found = find(document, fields.expires_in)
        lefts.append(read_lifetime(found, fields.expires_in_unit, response.headers))
    if fields.expires_at is not None:
        lefts.append(read_moment(find(document, fields.expires_at), response.headers))
    left = min((each for each in lefts if each is not None), default=None)
    return None if left is None else clock.time() + left


# --- The rest of a response, which is kept beside the tokens -------------------------------------

REFRESH_END: Final = "refresh_expires_at"
"""Where `Token.extra` has the end of the refresh token, in seconds since the epoch."""


def _read_extra(response: TokenResponse, document: object, fields: Fields) -> dict[str, Any]:
    """Return what came beside the tokens and their expiry: fields, and cookies where one counts."""
    paths = (fields.access, fields.refresh, fields.expires_in, fields.expires_at)
    leaves = [tuple(path.split(".")) for path in paths if isinstance(path, str)]
    extra: dict[str, Any] = {}
    if isinstance(document, dict):
        rest = _without(document, leaves)
        extra = rest if isinstance(rest, dict) else {}
    cookies = _read_other_cookies(response, fields)
    if cookies:
        extra["cookies"] = cookies
    refresh = fields.refresh if isinstance(fields.refresh, str) else ""
    end = find_refresh_end(
        document, tuple(refresh.split(".")[:-1]), fields.expires_in_unit, response.headers
    )
    return extra if end is None else {REFRESH_END: end, **extra}


def _without(value: object, leaves: list[tuple[str, ...]]) -> object:
    """Return `value` without `leaves`, and without what they leave empty, which is MISSING."""
    if () in leaves:
        return MISSING
    if not leaves or not isinstance(value, (dict, list)) or not value:
        return value
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    kept = {
        name: rest
        for name, each in pairs
        if (rest := _without(each, [leaf[1:] for leaf in leaves if leaf[0] == str(name)]))
        is not MISSING
    }
    if not kept:
        return MISSING
    return kept if isinstance(value, dict) else list(kept.values())


def keep_cookie(token: Token, name: str, answers: Sequence[TokenResponse]) -> Token:
    """Return `token` with the cookie `name` in its extra, if one of the `answers` has set it.

    Where the answer has a field of its own called "cookies", the cookie stands beside that.
    """
    found = [read_cookies(each.set_cookies).get(name) for each in answers]
    values = [value for value in found if value is not None]
    cookies = token.extra.get("cookies", {})
    is_ours = isinstance(cookies, dict)
    if not values or (is_ours and isinstance(cookies.get(name), str)):
        return token
    kept = {name: values[-1]}
    extra = {**token.extra, **({"cookies": {**cookies, **kept}} if is_ours else kept)}
    return with_values(token, extra=freeze_members(extra))


def keep_other_cookies(token: Token, endpoint: object, response: TokenResponse) -> Token:
    """Return `token` with the cookies in its extra that came with a rescued refresh token.

    The double submit repeats one of them.
    """
    cookies = _read_other_cookies(response, endpoint)
    before = token.extra.get("cookies", {})
    if not cookies or not isinstance(before, dict):
        return token
    return with_values(
        token, extra=freeze_members({**token.extra, "cookies": {**before, **cookies}})
    )


def _read_other_cookies(response: TokenResponse, fields: object) -> dict[str, str]:
    """Return the cookies of a response beside the tokens, if one of its places is a cookie."""
    places = [getattr(fields, name, None) for name in ("send", "send_access", "access", "refresh")]
    tokens = {place.name for place in places if isinstance(place, Cookie)}
    cookies = read_cookies(response.set_cookies) if tokens else {}
    return {name: value for name, value in cookies.items() if name not in tokens}


# --- What can be had from a response that cannot be read -----------------------------------------

_REFRESH_NAMES: Final = ("refreshtoken", "refreshjwt", "refresh")  # in lower case, letters alone
_ACCESS_NAMES: Final = ("accesstoken", "accessjwt", "access", "token", "idtoken", "jwt")
_EXPIRY_OPTIONS: Final = ("expires_in", "expires_at")
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
    place, access = _get_place(endpoint, "refresh"), _get_place(endpoint, "access")
    if place is None:
        return None
    others = {old, *_find_secrets(response, document, _ACCESS_NAMES, access)}
    for level in _levels(response, document, place):
        found = {secret for secret in level if secret not in others and _may_be_refresh(secret)}
        if found:
            return found.pop() if len(found) == 1 else None  # of two, who knows
    return None


def _levels(response: TokenResponse, document: object, place: Place) -> Iterator[list[str]]:
    """Yield what may be the refresh token, the likeliest places first."""
    named = _find_at(response, document, place)
    yield [strip_bearer(named)] if isinstance(named, str) else []
    for parts in ([document], _parts(document)):
        for name in _REFRESH_NAMES:
            yield [secret for part in parts for secret in _read_by_name(part, name)]


def _find_secrets(
    response: TokenResponse, document: object, names: tuple[str, ...], place: Place | None
) -> Iterator[str]:
    # Without a place the body itself may be the token.
    named = document if place is None else _find_at(response, document, place)
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


def _get_place(endpoint: object, name: str) -> Place | None:
    """Return the place that an endpoint has for a token; the usual one if it says nothing of it."""
    usual = DefaultPath(f"{name}_token")
    try:
        found = getattr(endpoint, name, usual)
    except Exception:  # noqa: BLE001 - a user's endpoint may raise anything
        return usual
    return found if found is None or isinstance(found, (str, Header, Cookie)) else usual


# --- What to say about fields --------------------------------------------------------------------


def describe_missing_refresh(
    response: TokenResponse, endpoint: object, old: str | None = None
) -> str | None:
    """Return what to warn about if a good response has no usable refresh token where it should.

    That is where the user has named its place; or if what is there is no token; or if another field
    has what looks like a refresh token and is not the `old` one. None if there is nothing to say.
    Names of fields and cookies are shown, nothing else of the response.
    """
    place = _get_place(endpoint, "refresh")
    if place is None or not hasattr(endpoint, "read"):  # a callable has read it in its own way
        return None
    document = parse_json(response.body)
    problem = _read_refresh(response, document, endpoint)[1]
    if problem is not None:
        return f"the {response.source} gave a refresh token that cannot be used: {problem}"
    if _find_at(response, document, place) is not MISSING:
        return None
    only = _describe_names(response, document, place)
    if _is_default(endpoint, "refresh", place):
        if not hasattr(endpoint, "refresh") or not find_refresh_token(response, endpoint, old):
            return None
        return (
            f"the {response.source} gave no {_name(place)}{only}; name the field of the refresh "
            "token with refresh="
        )
    what = "the field that refresh= names" if isinstance(place, str) else "which refresh= names"
    return (
        f"the {response.source} gave no {_name(place)}, {what}{only}; "
        "correct refresh=, or leave it out if the server keeps its refresh tokens"
    )


class UnreadExpiry(NamedTuple):
    """That a response tells when its access token ends, but is not read, and what would help."""

    problem: str
    option: str
    """The name of the option to correct."""
    suggested: str | None
    """That option with its value, as it would read the response; None if nothing is near."""


def describe_unread_expiry(
    response: TokenResponse, endpoint: object, *, noun: str = "option", mark: str = "="
) -> UnreadExpiry | None:
    """Return what to warn about if the end of an access token is told, but not read.

    A response tells so where nobody looks; or it has nothing, or no time, where the user has named
    the place. For a token whose end is not known: it is refreshed only when the API refuses it.
    None if there is nothing to say. An option is called `noun`, and has `mark` behind its name.
    """
    paths = [getattr(endpoint, name, None) for name in _EXPIRY_OPTIONS]
    if not any(paths):  # nobody wants to know, or a callable has read it in its own way
        return None
    document = parse_json(response.body)
    named = _find_misnamed_expiry(document, endpoint)
    suggested = _suggest_expiry(document, endpoint)
    tells = "" if suggested is None else f"tells in {suggested[0]!r} when the token ends"
    if named is not None:
        option, fault = named
        tells = f"{fault}, the field that {option}{mark} names{tells and ', and '}{tells}"
    elif suggested is not None:
        option = suggested[1].partition("=")[0]
        tells += f", and no {noun} names that field"
    else:
        return None
    problem = f"the {response.source} {tells}: the token is refreshed only when the API refuses it"
    return UnreadExpiry(problem, option, suggested and suggested[1])


def _find_misnamed_expiry(document: object, endpoint: object) -> tuple[str, str] | None:
    """Return the option by which the user names a field without a time, and what is wrong.

    None if another that they name is there. A null or a number is no mistake of theirs: so servers
    write that there is no end.
    """
    fault = None
    for option in _EXPIRY_OPTIONS:
        path = getattr(endpoint, option, None)
        if not isinstance(path, str) or _is_default(endpoint, option, path):
            continue
        found = find(document, path)
        if found is None or isinstance(found, (int, float)):
            return None
        fault = option, f"gave no time in {path!r}"
        if found is MISSING:
            names = quote_list(list_fields(document))
            fault = option, f"gave no {path!r}{names and f' (only {names})'}"
    return fault


def _suggest_expiry(document: object, endpoint: object) -> tuple[str, str] | None:
    """Return the field that looks like the access token's end, and the option that would read it.

    Not of something else that ends: the refresh token, a subscription.
    """
    access = getattr(endpoint, "access", None)
    above_token = access.split(".")[:-1] if isinstance(access, str) else []
    for path in list_fields(document):
        above = path.split(".")[:-1]
        option = None
        if above == above_token[: len(above)]:
            option = suggest_expiry_option(path, find(document, path))
        if option is not None:
            return path, option
    return None


def _is_default(endpoint: object, option: str, place: Place) -> bool:
    """Whether nobody has named the place with that option: it is the class's own."""
    known = getattr(type(endpoint), "__dataclass_fields__", {}).get(option)
    is_own = not isinstance(place, str) and known is not None and known.default == place
    return isinstance(place, DefaultPath) or is_own


def _name(place: Place) -> str:
    """Return a place as it stands in a sentence: the name of a field, a header or a cookie."""
    if isinstance(place, str):
        return repr(str(place))
    return f"{'cookie' if isinstance(place, Cookie) else 'header'} {place.name!r}"


def _describe_names(response: TokenResponse, document: object, place: Place) -> str:
    """Return which names there are instead of that of `place`, "" if none can be shown."""
    fields = list_fields(document)
    cookies = filter_showable(read_cookies(response.set_cookies))
    found = [] if not fields else [quote_list(fields)]
    if not isinstance(place, str):
        found = [] if not fields else [f"the JSON fields {quote_list(fields)}"]
    if cookies and not (isinstance(place, str) and fields):
        found.insert(0, f"the cookies {quote_list(cookies)}")
    return f", only {' and '.join(found)}" if found else ""


def says_refused(response: TokenResponse) -> bool:
    """Whether an error code says that the refresh token is not good any more.

    Without such a code the request may be at fault.
    """
    return is_refusal(parse_json(response.body), response.headers)


def _describe_missing(response: TokenResponse, document: object, place: Place) -> str:
    if not isinstance(place, str):
        return f"it has no {_name(place)}{_describe_names(response, document, place)}"
    if document is MISSING:
        return _describe_text(response, "JSON")
    if not isinstance(document, dict):
        return f"its JSON is {_json_type(document)} without {place!r}"
    return f"its JSON has no {place!r}{_describe_names(response, document, place)}"


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
