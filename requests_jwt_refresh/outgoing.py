"""The copy of the caller's request that is sent: its token, its cookies, and headers of the API's.

The caller's own request is never written on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy as shallow_copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from requests import PreparedRequest
from requests.cookies import extract_cookies_to_jar, get_cookie_header
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh.authorization import (
    AUTHORIZATION,
    Header,
    check_header_name,
    check_place,
    cookie,
    header,
    strip_ours,
)
from requests_jwt_refresh.errors import InvalidURL, JWTRefreshError, ReentrantRefresh
from requests_jwt_refresh.refresh.user_functions import check_call, describe_error
from requests_jwt_refresh.tokens import describe_kind
from requests_jwt_refresh.urls import describe_url, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response
    from typing_extensions import TypeIs

    from requests_jwt_refresh.authorization import Carrier, WirePlace
    from requests_jwt_refresh.tokens import Token

Attach = Callable[["PreparedRequest", "Token"], object]
HeaderValue = str | Callable[[], str]

_FIT_FOR_A_HEADER: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")


# --- What carries the token ----------------------------------------------------------------------


def make_carrier(attach: WirePlace | Carrier | Attach) -> Carrier:
    """Return what writes the token on a request. Raises TypeError for what cannot."""
    if isinstance(attach, type):
        raise TypeError(f"attach is the class {attach.__name__}; make one: {attach.__name__}(...)")
    _check_called(attach)
    if _is_carrier(attach):
        return attach
    if isinstance(attach, str) or not callable(attach):
        check_place("attach", attach)
    check_call("attach", attach, "request", "token")
    return _FunctionCarrier(attach)


def _check_called(attach: object) -> None:
    """Raise TypeError for `header` or `cookie` itself, which is a function of two arguments."""
    for made, call in ((header, "header()"), (cookie, "cookie('access_token')")):
        if attach is made:
            raise TypeError(f"attach is the function that makes a place; call it: {call}")


def _is_carrier(attach: object) -> TypeIs[Carrier]:
    return hasattr(attach, "carry") and hasattr(attach, "is_callers")


@dataclass(frozen=True)
class _FunctionCarrier:
    """A function of the user's that writes the token on the request."""

    function: Attach

    def carry(self, request: PreparedRequest, token: Token) -> None:
        """Have the function write. Raises JWTRefreshError if it fails or moves the request."""
        strip_ours(request)
        url = request.url
        failure: JWTRefreshError | None = None
        try:
            with _refuse_reentry("attach function", self.function):
                self.function(request, token)
        except ReentrantRefresh as error:
            failure = error.about()
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything
            failure = JWTRefreshError(
                f"the attach function failed with {describe_error(error)}, so the request to "
                f"{describe_url(url)} was not sent",
                "mend that function",
            )
        if failure is not None:
            raise failure  # outside: the frames of what was raised hold the token
        if origin_of(request.url) != origin_of(url):
            raise InvalidURL(
                f"the attach function has moved the request from {describe_url(url)} to another "
                "origin, where no token is sent",
                "write on the headers, or on the query of the URL, and leave the origin as it is",
            )

    def is_callers(self, request: PreparedRequest) -> bool:
        """Whether the caller authenticates this request in a way of their own."""
        return AUTHORIZATION.is_callers(request)

    def find_problem(self, _secret: str) -> str | None:
        """Return None: the function knows what it can carry."""
        return None


@contextmanager
def _refuse_reentry(what: str, function: object) -> Iterator[None]:
    """Have a function of the user's fail that sends over its own session, and so calls itself.

    Raises ReentrantRefresh.
    """
    under_way = _under_way.get()
    if any(each is function for each in under_way):
        raise ReentrantRefresh(
            f"the {what} sent a request over the session that calls it for each request",
            "use another requests.Session in it",
        )
    mark = _under_way.set((*under_way, function))
    try:
        yield
    finally:
        _under_way.reset(mark)


_under_way: ContextVar[tuple[object, ...]] = ContextVar("requests_jwt_refresh.outgoing", default=())


# --- The API's own headers -----------------------------------------------------------------------


def validate_headers(
    headers: Mapping[str, HeaderValue] | None, carrier: Carrier
) -> dict[str, HeaderValue]:
    """Return the headers that go with each API request. Raises TypeError or ValueError."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(
            "headers must be a mapping of names to strings or functions, such as "
            f"{{'apikey': key}}, not {describe_kind(headers)}"
        )
    for name, value in headers.items():
        check_header_name(name)
        if isinstance(carrier, Header) and name.lower() == carrier.name.lower():
            raise ValueError(f"headers has {name!r}, where attach puts the token; leave it out")
        if callable(value):
            check_call(f"headers[{name!r}]", value)
        elif not isinstance(value, str):
            raise TypeError(
                f"headers[{name!r}] must be a string or a function () -> str, not "
                f"{describe_kind(value)}"
            )
        elif (problem := _find_problem(value)) is not None:
            raise ValueError(f"headers[{name!r}] {problem}")
    return dict(headers)


def _find_problem(value: object) -> str | None:
    """Return why no header can have this value, None if one can; the value is not shown."""
    if not isinstance(value, str):
        return f"is {describe_kind(value)}, not a string"
    if _FIT_FOR_A_HEADER.fullmatch(value):
        return None
    return (
        "is empty, has a line break or a space at one end, or has another character that no "
        "header may carry"
    )


def _ask_value(name: str, function: Callable[[], object]) -> str:
    try:
        with _refuse_reentry(f"function of headers[{name!r}]", function):
            value = function()
    except JWTRefreshError:
        raise
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything
        failure = JWTRefreshError(
            f"the function of headers[{name!r}] failed with {describe_error(error)}",
            "mend that function",
        )
    else:
        problem = _find_problem(value)
        if problem is None:
            return str(value)
        del value  # this frame may be in a traceback
        failure = JWTRefreshError(
            f"the function of headers[{name!r}] failed: what it returned {problem}",
            "mend that function",
        )
    raise failure


# --- The copy ------------------------------------------------------------------------------------


class Outgoing:
    """Makes the copy of a request that is sent, with the token and the API's own headers."""

    def __init__(self, carrier: Carrier, headers: Mapping[str, HeaderValue]) -> None:
        self.carrier = carrier
        self._headers = headers
        # Whether the token goes where requests puts what it reads from netrc.
        self.replaces_netrc = not getattr(carrier, "is_beside_authorization", False)

    def with_token(self, request: PreparedRequest, token: Token | None) -> PreparedRequest:
        """Return a copy with the access token of `token`, if there is one.

        Raises JWTRefreshError for what a function of the user's raises.
        """
        copy = _copy(request)
        if self._headers:
            self._add_headers(copy)
        if token is not None and token.access is not None:
            self.carrier.carry(copy, token)
        return copy

    def without_token(self, request: PreparedRequest) -> PreparedRequest:
        """Return the request as the caller authenticates it, with the API's own headers."""
        if not self._headers:
            return request
        copy = _copy(request)
        self._add_headers(copy)
        return copy

    def _add_headers(self, request: PreparedRequest) -> None:
        # No variable holds all of them: this frame may be in a traceback.
        for name, value in self._headers.items():
            if name not in request.headers:
                request.headers[name] = value if isinstance(value, str) else _ask_value(name, value)

    def for_resend(
        self, request: PreparedRequest, token: Token | None, refused: Response
    ) -> PreparedRequest:
        """Return the request once more, with a token and the cookies as `refused` left them."""
        return self.with_token(_take_cookies(request, refused), token)


def _copy(request: PreparedRequest) -> PreparedRequest:
    """Return a copy; request.copy() would copy a whole cookie jar as well."""
    if type(request) is PreparedRequest:  # shallow_copy() and headers.copy() are ten times slower
        copy = _new_request(PreparedRequest)
        copy.__dict__ = request.__dict__.copy()
    else:
        copy = shallow_copy(request)
    copy.headers = _copy_headers(request.headers)
    return copy


_new_request: Final = PreparedRequest.__new__


def _copy_headers(headers: CaseInsensitiveDict[Any]) -> CaseInsensitiveDict[Any]:
    if type(headers) is not CaseInsensitiveDict:  # a class of the caller's, or a dict
        return headers.copy()
    copy: CaseInsensitiveDict[Any] = CaseInsensitiveDict.__new__(CaseInsensitiveDict)
    copy._store = headers._store.copy()  # noqa: SLF001 - the same in each version
    return copy


def _take_cookies(request: PreparedRequest, refused: Response) -> PreparedRequest:
    """Return a copy with the cookies that `refused` has set, but for a header made by hand."""
    copy = _copy(request)
    before, jar = request._cookies, request.copy()._cookies  # noqa: SLF001 - as requests' auth does
    if before is None or jar is None or "Set-Cookie" not in refused.headers:
        return copy
    by_hand = copy.headers.pop("Cookie", None)
    if by_hand == get_cookie_header(before, copy):  # not by hand: requests made it of the jar
        by_hand = None
    extract_cookies_to_jar(jar, copy, refused.raw)
    if by_hand is None:
        copy.prepare_cookies(jar)
    else:
        copy.headers["Cookie"] = by_hand
    return copy
