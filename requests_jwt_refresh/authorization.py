"""Places: how a request carries a token, and whose Authorization header it is.

A place is where a token travels: a `header`, a `cookie`, or the dotted path of a field in JSON. The
only module that knows the Bearer scheme: how it is written, recognised and stripped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias, runtime_checkable

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests.structures import CaseInsensitiveDict
from requests.utils import get_netrc_auth

from requests_jwt_refresh import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    from requests import PreparedRequest, Response

    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token

# RFC 6750 §2.1. Scheme names are case-insensitive (RFC 9110 §11.1), but several servers compare
# them exactly.
BEARER: Final = "Bearer"

_AUTHORIZATION: Final = "Authorization"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2: of a header or a cookie
_COOKIE_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")  # RFC 6265 §4.1.1
# What the HTTP library itself sets, and the one for which there is cookie().
_FORBIDDEN: Final = {"host", "content-length", "transfer-encoding", "connection", "cookie"}


# --- Names ---------------------------------------------------------------------------------------


def check_header_name(name: object) -> None:
    """Raise TypeError or ValueError unless a header of ours can have this `name`."""
    if not isinstance(name, str):
        raise TypeError(f"a header's name must be a string, not {_kind(name)}")
    if not _is_name(name):
        raise ValueError(
            f"a header's name has no space, colon or line break in it, as {name!r} has "
            "(RFC 9110 §5.1); give the name alone"
        )
    if name.lower() in _FORBIDDEN:
        other = "cookie(...)" if name.lower() == "cookie" else "another header"
        raise ValueError(
            f"the header {name} is one that requests writes itself, so that nothing else can go "
            f"there; give {other}"
        )


def _usual_scheme(name: object) -> str | None:
    return BEARER if str(name).lower() == _AUTHORIZATION.lower() else None


def _is_name(text: object) -> bool:
    return isinstance(text, str) and bool(_NAME.fullmatch(text))


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__


# --- Places --------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Header:
    """A header that carries a token, and the scheme that is written before it. See `header`."""

    name: str = _AUTHORIZATION
    scheme: str | None = BEARER

    def __post_init__(self) -> None:
        check_header_name(self.name)
        if self.scheme is not None and not _is_name(self.scheme):
            raise ValueError(
                f"scheme must be one word such as 'JWT', not {self.scheme!r}; None writes the "
                "token alone"
            )

    def __repr__(self) -> str:
        name = [] if self.name == _AUTHORIZATION else [repr(self.name)]
        usual = self.scheme == _usual_scheme(self.name)
        return f"header({', '.join(name if usual else [*name, f'scheme={self.scheme!r}'])})"

    @property
    def is_beside_authorization(self) -> bool:
        """Whether the Authorization header has nothing to do with this place."""
        return not self._is_authorization

    @cached_property
    def _is_authorization(self) -> bool:
        return self.name.lower() == _AUTHORIZATION.lower()

    def write(self, headers: MutableMapping[str, Any], secret: str) -> None:
        """Set the header in `headers` to scheme and `secret`, in place of one that is there."""
        headers[self.name] = secret if self.scheme is None else f"{self.scheme} {secret}"

    def read(self, headers: Mapping[str, str], _set_cookies: Iterable[str]) -> str | None:
        """Return the token in the headers of an answer, without its scheme; None if none is."""
        value = (headers.get(self.name) or "").strip()
        if self.scheme is not None and f"{value.lower()} ".startswith(f"{self.scheme.lower()} "):
            value = value[len(self.scheme) :].strip()
        return strip_bearer(value) or None

    def find_problem(self, _secret: str) -> str | None:
        """Return why the place cannot carry a token; None, since a Token is fit for a header."""
        return None

    def csrf_of(self, _extra: Mapping[str, Any], _cookies: str) -> None:
        """Return None: a header needs no second proof."""

    def carry(self, request: PreparedRequest, token: Token) -> None:
        """Write the access token of `token` on `request`."""
        if token.access is not None:
            self.write(request.headers, token.access)

    def is_callers(self, request: PreparedRequest) -> bool:
        """Whether the caller authenticates this request in a way of their own.

        Either with an auth object that waits for the response (Digest, Kerberos, `anonymous`), or,
        if this is the Authorization header, with another scheme in it, unless requests took that
        from netrc. Any other header is ours.
        """
        if request.hooks.get("response") and _waits_for_response(request):
            return True
        if not self._is_authorization:
            return False
        found = find_header(request.headers, _AUTHORIZATION)
        if not found:
            return False
        return not self._is_ours(_as_text(found)) and not is_from_netrc(request)

    def _is_ours(self, value: str) -> bool:
        scheme, space, _ = value.partition(" ")
        return not space if self.scheme is None else scheme.lower() == self.scheme.lower()


@dataclass(frozen=True, repr=False)
class Cookie:
    """A cookie that carries a token, and the header that repeats another cookie. See `cookie`."""

    name: str
    csrf: tuple[str, str] | None = None
    is_beside_authorization: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"a cookie's name must be a string, not {type(self.name).__name__}")
        if not _is_name(self.name):
            raise ValueError(
                f"a cookie's name has no space, ';', '=' or comma in it, as {self.name!r} has "
                "(RFC 6265 §4.1.1); give the name alone"
            )
        if self.csrf is not None:
            object.__setattr__(self, "csrf", _check_csrf(self.csrf))

    def __repr__(self) -> str:
        return f"cookie({self.name!r}{'' if self.csrf is None else f', csrf={self.csrf!r}'})"

    def write(self, headers: MutableMapping[str, Any], secret: str) -> None:
        """Set the cookie in ``headers["Cookie"]``, in place of one of its name."""
        headers["Cookie"] = _replace_cookie(_as_text(headers.get("Cookie")), self.name, secret)

    def read(self, _headers: Mapping[str, str], set_cookies: Iterable[str]) -> str | None:
        """Return the token that an answer sets as the cookie; None if it sets or keeps none."""
        return read_cookies(set_cookies).get(self.name)

    def find_problem(self, secret: str) -> str | None:
        """Return why the cookie cannot carry `secret`, None if it can (RFC 6265 §4.1.1)."""
        if _COOKIE_VALUE.fullmatch(secret):
            return None
        return (
            f"it has a character that the cookie {self.name!r} cannot carry: a space, quote, "
            "comma, semicolon or backslash"
        )

    def csrf_of(self, extra: Mapping[str, Any], cookies: str) -> tuple[str, str] | None:
        """Return the header of the double submit and its value, None if there is no value.

        It is looked up among the cookies that came with the token, then in `extra` itself, which is
        ``Token.extra``, then in the `cookies` of the request's own header.
        """
        if self.csrf is None:
            return None
        source, name = self.csrf
        value = _look_up(extra, source) or _split_cookies(cookies).get(source)
        return None if value is None else (name, value)

    def carry(self, request: PreparedRequest, token: Token) -> None:
        """Write the access token of `token` on `request`, and what repeats its other cookie."""
        if token.access is not None:
            self.add(request.headers, token.access, getattr(token, "extra", {}))

    def add(self, headers: MutableMapping[str, Any], secret: str, extra: Mapping[str, Any]) -> None:
        """Write the cookie and, with `csrf`, the double submit: the header, and its cookie."""
        self.write(headers, secret)
        found = self.csrf_of(extra, _as_text(headers["Cookie"]))
        if found is None or self.csrf is None:
            return
        name, value = found
        headers[name] = value
        if self.csrf[0] in _cookies_of(extra):  # both, so that they are the same
            headers["Cookie"] = _replace_cookie(headers["Cookie"], self.csrf[0], value)

    def is_callers(self, request: PreparedRequest) -> bool:
        """Whether an auth object that waits for the response authenticates this request."""
        return _waits_for_response(request)


WirePlace: TypeAlias = Header | Cookie
Place: TypeAlias = str | Header | Cookie
"""Where a token travels: a JSON path, or what `header` or `cookie` makes."""


def header(name: str = _AUTHORIZATION, scheme: str | EllipsisType | None = ...) -> Header:
    """Return the place of a token that travels in a header.

    Args:
        name: the header's name.
        scheme: the word before the token: "Bearer" for Authorization (RFC 6750 §2.1) and none for
            every other header, unless given; None writes the token alone.

    Raises TypeError or ValueError for a name or scheme that no header can have, and for the headers
    that requests sets itself.

    >>> header(), header("X-Shopify-Access-Token"), header(scheme="JWT")
    (header(), header('X-Shopify-Access-Token'), header(scheme='JWT'))

    """
    return Header(name, _usual_scheme(name) if isinstance(scheme, EllipsisType) else scheme)


def cookie(name: str, *, csrf: tuple[str, str] | None = None) -> Cookie:
    """Return the place of a token that travels in a cookie.

    Args:
        name: the cookie's name.
        csrf: the double submit, ``("cookie that holds it", "header that repeats it")``. The first
            may also be the JSON path of a field that came with the token.

    Raises TypeError or ValueError for names that no cookie or header can have.

    >>> cookie("access_token_cookie", csrf=("csrf_access_token", "X-CSRF-TOKEN"))
    cookie('access_token_cookie', csrf=('csrf_access_token', 'X-CSRF-TOKEN'))

    """
    return Cookie(name, csrf)


AUTHORIZATION: Final = header()
"""``Authorization: Bearer``, where requests carry their token (RFC 6750 §2.1)."""


class Carrier(Protocol):
    """How API requests carry the access token: a place, or what does more than a place."""

    def carry(self, request: PreparedRequest, token: Token) -> None:
        """Write the access token on `request`, a copy of the caller's."""

    def is_callers(self, request: PreparedRequest) -> bool:
        """Whether the caller authenticates this request in a way of their own."""

    def find_problem(self, secret: str) -> str | None:
        """Return why an access token cannot be carried, None if it can."""


class Proofs(Protocol):
    """What proves the requests of one exchange with a token endpoint, or of one login."""

    def prove(self, request: PreparedRequest) -> None:
        """Write a new proof on `request`."""

    def note_answer(self, url: str | None, answer: TokenResponse) -> bool:
        """Note what an answer says of proofs; return whether it asks for another one."""

    def bind(self, token: Token) -> Token:
        """Return the `token` that came of it, with what proves that it is ours."""


@runtime_checkable
class Prover(Carrier, Protocol):
    """A carrier that proves each request (RFC 9449)."""

    def prove(
        self, request: PreparedRequest, token: Token, refused: Response | None = None
    ) -> None:
        """Write a new proof on `request`, as the answer `refused` to it asks."""

    def note_answer(self, response: Response, challenge: Response | None = None) -> bool:
        """Note what an API's answer, after a `challenge`, says; return whether it is one."""

    def asks_for_nonce(self, response: Response) -> bool:
        """Whether an API's answer asks for the same request with a nonce."""

    def open(self, token: Token | None) -> Proofs:
        """Return what proves the requests that renew `token`, or that bring the first one."""


def check_place(what: str, value: object, *, path: bool = False) -> Any:
    """Return `value` if it is a place; with `path` a string is one. Raises TypeError."""
    if isinstance(value, (Header, Cookie)) or (path and isinstance(value, str)):
        return value
    if isinstance(value, str):
        raise TypeError(
            f"{what} takes header(...) or cookie(...), not a string; for a header of that name: "
            f"header({value!r})"
        )
    field = "the path of a JSON field, " if path else ""
    raise TypeError(f"{what} takes {field}header(...) or cookie(...), not {_kind(value)}")


def _check_csrf(csrf: object) -> tuple[str, str]:
    names = list(csrf) if isinstance(csrf, (tuple, list)) else []
    if len(names) != 2 or not all(isinstance(each, str) and each for each in names):  # noqa: PLR2004 - a pair
        raise TypeError(
            "csrf takes two names, ('cookie that holds it', 'header that repeats it'), such as "
            "('csrf_access_token', 'X-CSRF-TOKEN')"
        )
    source, name = names
    if not _is_name(source):
        raise ValueError(f"csrf: {source!r} is no cookie's name and no path of a field")
    check_header_name(name)
    return source, name


# --- Cookies -------------------------------------------------------------------------------------


def read_cookies(set_cookies: Iterable[str]) -> dict[str, str]:
    """Return the cookies that the Set-Cookie lines of an answer set, by name (RFC 6265 §5.2).

    Of two lines the later one counts. One that deletes its cookie, or leaves it empty, is none.
    """
    found: dict[str, str] = {}
    for line in set_cookies:
        pair, *attributes = line.split(";")
        name, equals, value = pair.partition("=")
        name, value = name.strip(), _unquote(value.strip())
        found.pop(name, None)
        if equals and name and value and not _deletes(attributes):
            found[name] = value
    return found


def _deletes(attributes: list[str]) -> bool:
    """Whether the attributes of a Set-Cookie line end its cookie now; Max-Age goes first."""
    pairs = (each.partition("=") for each in attributes)
    given = {name.strip().lower(): value.strip() for name, _, value in pairs}
    seconds = given.get("max-age", "")
    if re.fullmatch("-?[0-9]+", seconds):
        return seconds.startswith("-") or not seconds.strip("0")
    try:
        return parsedate_to_datetime(given.get("expires", "")).timestamp() <= clock.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return False


def _unquote(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if is_quoted else value


def _split_cookies(text: str) -> dict[str, str]:
    """Return the cookies of a Cookie header, by name."""
    pairs = (each.partition("=") for each in text.split(";"))
    return {name.strip(): _unquote(value.strip()) for name, _, value in pairs}


def _replace_cookie(text: str, name: str, value: str) -> str:
    """Return the Cookie header `text` with one cookie of this `name`; the others stay as is."""
    others = (each.strip() for each in text.split(";"))
    kept = [each for each in others if each and each.partition("=")[0].strip() != name]
    return "; ".join([*kept, f"{name}={value}"])


def join_cookies(text: str | bytes | None, own: str) -> str:
    """Return the Cookie header `text` with the cookies of `own` in place of those of their names.

    >>> join_cookies("a=1; b=2", "b=3")
    'a=1; b=3'
    """
    joined = _as_text(text)
    for each in own.split(";"):
        name, _, value = each.partition("=")
        joined = _replace_cookie(joined, name.strip(), value.strip())
    return joined


def _cookies_of(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    cookies = extra.get("cookies")
    return cookies if isinstance(cookies, Mapping) else {}


def _look_up(extra: Mapping[str, Any], source: str) -> str | None:
    """Return what came with the token: a cookie called `source`, else the field at that path."""
    found: Any = _cookies_of(extra).get(source)
    if found is None:
        found = extra.get(source)
    if found is None:
        found = extra
        for name in source.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    is_value = isinstance(found, str) and _COOKIE_VALUE.fullmatch(found)
    return found if is_value else None


def _as_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value or "")


# --- The scheme ----------------------------------------------------------------------------------


def is_bearer(scheme: str) -> bool:
    """Whether `scheme` is the name of the Bearer scheme, in any case (RFC 9110 §11.1)."""
    return scheme.lower() == BEARER.lower()


def starts_with_bearer(value: str) -> bool:
    """Whether `value` has the name of the scheme and a space before the token.

    >>> starts_with_bearer("bearer abc"), starts_with_bearer("bearerabc")
    (True, False)
    """
    scheme, space, _ = value.partition(" ")
    return bool(space) and is_bearer(scheme)


def strip_bearer(value: str) -> str:
    """Return the token in `value` without the scheme before it, which some servers write.

    No token has a space in it (RFC 6750 §2.1), so that nothing else can be meant.

    >>> strip_bearer("Bearer abc"), strip_bearer("abc")
    ('abc', 'abc')
    """
    return value.partition(" ")[2].strip() if starts_with_bearer(value) else value


# --- Whose header it is --------------------------------------------------------------------------


class _Anonymous(AuthBase):
    """``session.get(url, auth=anonymous)``: without a token, and never refreshed."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        # A hook survives request.copy() and redirects, where is_callers() looks for it.
        request.register_hook("response", self.keep_response)
        return request

    def __repr__(self) -> str:
        return "anonymous"

    def keep_response(self, response: Response, **_options: object) -> Response:
        return response


anonymous = _Anonymous()
"""An ``auth=`` for a request that goes without a token, and is never refreshed.

```python
session.get("https://api.example.com/health", auth=anonymous)
```

For what needs no login, and for calls from within a refresh or login. requests keeps it through
redirects. As ``session.auth`` it holds for every request that has no ``auth`` of its own.
"""


def _waits_for_response(request: PreparedRequest) -> bool:
    """Whether an auth object has a hook on the request: Digest, Kerberos, `anonymous`."""
    hooks = request.hooks.get("response", ())
    return any(isinstance(getattr(hook, "__self__", None), AuthBase) for hook in hooks)


def strip_ours(request: PreparedRequest) -> None:
    """Take off an Authorization header that is not the caller's: a Bearer, or one from netrc."""
    if not AUTHORIZATION.is_callers(request):
        request.headers.pop(_AUTHORIZATION, None)


def may_be_callers(*headers: object) -> bool:
    """Whether there is an Authorization header that may be the caller's own: it is no Bearer.

    Of several mappings of headers the first that has one counts.
    """
    for each in headers:
        for name, value in each.items() if isinstance(each, Mapping) else ():
            if _as_text(name).lower() == _AUTHORIZATION.lower():
                return bool(value) and not starts_with_bearer(_as_text(value))
    return False


def find_header(headers: Mapping[str, Any], name: str) -> Any:
    """Return the value of a header, None if there is none."""
    if type(headers) is CaseInsensitiveDict:  # whose get() raises a KeyError within, and is slow
        found = headers._store.get(name.lower())  # noqa: SLF001 - the same in each version
        return None if found is None else found[1]
    return headers.get(name)


def is_from_netrc(request: PreparedRequest) -> bool:
    """Whether the Authorization header is the one that requests takes from netrc."""
    return _read_header(request) == _netrc_header(request)


def _read_header(request: PreparedRequest) -> str | None:
    value: str | bytes | None = request.headers.get(AUTHORIZATION.name)
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _netrc_header(request: PreparedRequest) -> str | None:
    """Return the header that requests would have made from netrc, if there is an entry."""
    login = get_netrc_auth(request.url) if request.url else None
    if login is None:
        return None
    blank = requests.PreparedRequest()
    blank.prepare_headers({})
    return _read_header(HTTPBasicAuth(*login)(blank))
