"""Whether a request has the shape that a known server wants: what is wrong with it, if anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.testing.reading import (
    find_leaf,
    read_basic,
    read_body,
    read_client,
    read_cookies,
    read_first,
    read_place,
    read_query,
)
from requests_jwt_refresh.testing.shapes import InCookie

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.testing.options import ServerOptions
    from requests_jwt_refresh.testing.shapes import (
        Ask,
        Csrf,
        InHeader,
        InQuery,
        RequestPlace,
        Shape,
    )
    from requests_jwt_refresh.testing.values import RecordedRequest

_UNSAFE_METHODS = ("POST", "PUT", "PATCH", "DELETE")  # RFC 9110 §9.2.1, the other way round


def is_at(ask: Ask, path: str) -> bool:
    """Whether a request to `path` may be that one."""
    if not ask.path.endswith("/*"):
        return path == ask.path
    before, _, last = path.rpartition("/")
    return before == ask.path[:-2] and last != ""


def is_meant(ask: Ask, request: RecordedRequest) -> bool:
    """Whether a request at its path is that one, and not another at the same path."""
    fields = read_body(request, ask.encoding) or {}
    if request.method != ask.method or not _has_fixed_parts(ask, request, fields):
        return False
    found = read_first(ask.secret, request, fields)
    return not ask.prefix or (found is not None and found[1].startswith(ask.prefix))


def _has_fixed_parts(ask: Ask, request: RecordedRequest, fields: dict[str, Any]) -> bool:
    query = read_query(request)
    return (
        all(find_leaf(fields, path) == value for path, value in ask.fields.items())
        and all(query.get(name) == value for name, value in ask.query.items())
        and all(request.headers.get(name) == value for name, value in ask.headers.items())
    )


def find_shape_problem(
    ask: Ask, request: RecordedRequest, fields: dict[str, Any] | None, options: ServerOptions
) -> str | None:
    """Return which of the errors of a shape a request deserves, None for a good one.

    `fields` are those of its body, None if it is in no encoding that the server reads.
    """
    if request.method != ask.method:
        return "method"
    problem = find_key_problem(ask.key, request, options)
    if problem is not None:
        return problem
    if fields is None or not _has_fixed_parts(ask, request, fields):
        return "shape"
    if ask.client and not _is_right_client(ask, request, fields, options):
        return "client"
    is_whole = all(find_leaf(fields, path) is not None for path in ask.needs)
    return None if is_whole else "field"


def find_key_problem(
    place: InHeader | InQuery | None, request: RecordedRequest, options: ServerOptions
) -> str | None:
    """Return which error an API key deserves, None for the right one or where none is wanted."""
    if place is None:
        return None
    found = read_place(place, request, {})
    if found is None:
        return "no_key"
    return None if found == options.api_key else "bad_key"


def _is_right_client(
    ask: Ask, request: RecordedRequest, fields: dict[str, Any], options: ServerOptions
) -> bool:
    """Whether the client authenticates in a way that the server takes (RFC 6749 §2.3)."""
    right = (options.client_id, options.client_secret)
    client_id, secret = find_leaf(fields, ask.client_field), fields.get("client_secret")
    if "nobody" in ask.client and (read_basic(request), client_id, secret) == (None, None, None):
        return True
    if options.client_secret is None:
        return read_basic(request) is None and fields.get(ask.client_field) == options.client_id
    if read_basic(request) is not None:
        return "basic" in ask.client and read_client(request) == right
    if secret is None:
        return "public" in ask.client and client_id == options.client_id
    return "post" in ask.client and (client_id, secret) == right


def find_api_place(shape: Shape, request: RecordedRequest) -> tuple[RequestPlace, str] | None:
    """Return the place in which an API request has its access token, and the token."""
    return read_first(shape.api, request, {})


def find_missing_csrf(place: RequestPlace, request: RecordedRequest) -> str | None:
    """Return the error of a request that lacks a value against forgery and wants one.

    That much is seen before the token in its cookie is looked at.
    """
    csrf = _find_csrf(place, request)
    if csrf is None:
        return None
    given = request.headers.get(csrf.header)
    if csrf.cookie is None:
        return "csrf" if given is None else None
    wanted = read_cookies(request).get(csrf.cookie)
    return None if wanted is not None and given == wanted else "csrf"


def find_bad_csrf(
    place: RequestPlace, token: str, request: RecordedRequest, make_csrf: Callable[[str], str]
) -> str | None:
    """Return the error of a request whose value against forgery is not that of its token."""
    csrf = _find_csrf(place, request)
    if csrf is None or csrf.cookie is not None:
        return None
    return None if request.headers.get(csrf.header) == make_csrf(token) else "bad_csrf"


def _find_csrf(place: RequestPlace, request: RecordedRequest) -> Csrf | None:
    """Return what a request needs beside the token in this place."""
    is_unsafe = request.method in _UNSAFE_METHODS
    return place.csrf if is_unsafe and isinstance(place, InCookie) else None
