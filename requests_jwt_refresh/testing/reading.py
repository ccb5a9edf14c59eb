"""Reading a request: its fields, its cookies, and what stands in one place of it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from requests_jwt_refresh.testing.shapes import InCookie, InField, InHeader, InPath, InQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from requests_jwt_refresh.testing.shapes import Encoding, RequestPlace
    from requests_jwt_refresh.testing.values import RecordedRequest

_FORM = "application/x-www-form-urlencoded"
_MEDIA_TYPES = {"json": "application/json", "amz-json": "application/x-amz-json-1.1", "form": _FORM}


def path_of(request: RecordedRequest) -> str:
    return urlsplit(request.path).path


def is_form(request: RecordedRequest) -> bool:
    return request.headers.get("Content-Type", "").startswith(_FORM)


def read_form(request: RecordedRequest) -> dict[str, str]:
    """Return the fields of a form, the empty ones too, {} for anything else."""
    if not is_form(request):
        return {}
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    except ValueError:
        return {}


def read_fields(request: RecordedRequest) -> dict[str, Any]:
    """Return the fields of a form or of a JSON object, {} for anything else."""
    try:
        if is_form(request):
            return dict(parse_qsl(request.body.decode()))
        content = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_query(request: RecordedRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))


def read_body(request: RecordedRequest, encodings: Sequence[Encoding]) -> dict[str, Any] | None:
    """Return the body's fields, {} where no body is read, None if it is in no such encoding."""
    if not encodings:
        return {}
    if "empty" in encodings and not request.body:
        return {}
    if "query" in encodings and not request.body:
        return dict(read_query(request))
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in [_MEDIA_TYPES.get(each) for each in encodings]:
        return None
    fields = read_fields(request)
    return None if not fields and request.body.strip() not in (b"", b"{}") else fields


def is_json_list(request: RecordedRequest) -> bool:
    """Whether the body is a JSON list, as a batch of GraphQL operations is."""
    try:
        return isinstance(json.loads(request.body), list)
    except (ValueError, RecursionError):
        return False


def read_cookies(request: RecordedRequest) -> dict[str, str]:
    """Return the request's cookies (RFC 6265 §4.2.1); of one name the first."""
    cookies: dict[str, str] = {}
    for pair in request.headers.get("Cookie", "").split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            cookies.setdefault(name, value)
    return cookies


def read_basic(request: RecordedRequest) -> tuple[str, str] | None:
    """Return the user and the password of Basic (RFC 7617 §2), None without them."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            user, _, password = base64.b64decode(encoded).decode().partition(":")
            return user, password
    return None


def read_client(request: RecordedRequest) -> tuple[str, str] | None:
    """Return the client's id and secret out of Basic, where they are encoded (RFC 6749 §2.3.1)."""
    found = read_basic(request)
    return None if found is None else (unquote_plus(found[0]), unquote_plus(found[1]))


def find_leaf(content: Any, path: str) -> Any:
    """Return what is at a dotted path, through objects and lists, None if nothing is.

    >>> find_leaf({"data": {"token": "abc"}}, "data.token")
    'abc'
    """
    for name in path.split("."):
        if isinstance(content, dict):
            content = content.get(name)
        elif isinstance(content, list) and name.isdecimal() and int(name) < len(content):
            content = content[int(name)]
        else:
            return None
    return content


def read_field(request: RecordedRequest, path: str) -> Any:
    """Return what a body has at a dotted path, which is a name in a form; None for nothing."""
    fields = read_fields(request)
    return fields.get(path) if is_form(request) else find_leaf(fields, path)


def read_place(place: RequestPlace, request: RecordedRequest, fields: dict[str, Any]) -> str | None:
    """Return what a request has in a place; None for nothing, or what is no string."""
    match place:
        case InHeader(name, None):
            found = request.headers.get(name)
        case InHeader(name, scheme):
            written, _, rest = request.headers.get(name, "").partition(" ")
            found = rest if written == scheme else None  # case-sensitive, as several servers are
        case InCookie(name, _, hidden_by):
            is_hidden = hidden_by is not None and hidden_by in request.headers
            found = None if is_hidden else read_cookies(request).get(name)
        case InField(path):
            found = find_leaf(fields, path)
        case InQuery(name):
            found = read_query(request).get(name)
        case InPath():
            found = unquote(path_of(request).rpartition("/")[2])
    return found if found and isinstance(found, str) else None


def read_first(
    places: Sequence[RequestPlace], request: RecordedRequest, fields: dict[str, Any]
) -> tuple[RequestPlace, str] | None:
    """Return the first of the places that is filled, and what is in it."""
    for place in places:
        found = read_place(place, request, fields)
        if found is not None:
            return place, found
    return None
