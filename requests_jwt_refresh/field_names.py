"""The names of fields, as an error may show them: short enough that no token is among them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

import requests

from requests_jwt_refresh.matching import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Short enough that a token is no field name.
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,29}")
_MOST_NAMES: Final = 10
_DEEPEST_NAME: Final = 4  # parts of a dotted path
# Headers that say nothing about how a token was sent.
_USUAL_HEADERS: Final = frozenset(
    (
        *("accept", "accept-encoding", "connection", "content-length", "content-type", "host"),
        *("transfer-encoding", "user-agent", "cookie"),
    )
)


def quote_list(names: Iterable[str]) -> str:
    """Return `names` as they stand in a sentence.

    >>> print(quote_list(["access", "refresh"]))
    'access', 'refresh'
    """
    return ", ".join(repr(name) for name in names)


def describe_request_fields(request: requests.Request | requests.PreparedRequest) -> str | None:
    """Return the names of the fields that a request has sent, without their values.

    None if it has none that can be shown. For the text that explains a refusal.

    >>> describe_request_fields(requests.Request("POST", "https://h/", json={"refresh": "secret"}))
    "the JSON field 'refresh'"
    """
    body, is_json = _read_request_body(request)
    url, params = request.url or "", getattr(request, "params", None)
    query = [*_form_names(urlsplit(url).query), *_form_names(params)]
    given = request.headers or {}
    headers = [name for name in given if name.lower() not in _USUAL_HEADERS]
    kinds = {
        "JSON field": list_fields(body) if is_json else [],
        "form field": [] if is_json else _form_names(body),
        "query field": query,
        "header": headers,
        "cookie": _cookie_names(given),
    }
    named = [(kind, filter_showable(names)) for kind, names in kinds.items()]
    return _join_kinds([(kind, names) for kind, names in named if names])


def _read_request_body(request: requests.Request | requests.PreparedRequest) -> tuple[object, bool]:
    """Return what a request sends, and whether that is JSON."""
    if isinstance(request, requests.Request):
        if request.data or request.json is None:
            return request.data, False
        return request.json, True
    body = request.body
    if isinstance(body, (str, bytes)) and "json" in request.headers.get("Content-Type", "").lower():
        return parse_json(body if isinstance(body, bytes) else body.encode()), True
    return body, False


def _form_names(form: object) -> list[str]:
    """Return the names of a form, given as any of what requests takes for one."""
    if isinstance(form, bytes):
        form = form.decode("utf-8", "replace")
    if isinstance(form, str):
        form = parse_qsl(form, keep_blank_values=True) if "=" in form else ()
    if isinstance(form, Mapping):
        return list(map(str, form))
    pairs = form if isinstance(form, (list, tuple)) else ()
    return list(dict.fromkeys(str(pair[0]) for pair in pairs if isinstance(pair, tuple) and pair))


def _cookie_names(headers: Mapping[str, str | bytes]) -> list[str]:
    text = next((headers[name] for name in headers if name.lower() == "cookie"), "")
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    return [each.partition("=")[0].strip() for each in text.split(";") if "=" in each]


def _join_kinds(named: list[tuple[str, list[str]]]) -> str | None:
    texts = [
        f"the {kind}{'s' if len(names) > 1 else ''} {quote_list(names)}" for kind, names in named
    ]
    return " and ".join(texts) or None


def list_fields(document: object) -> list[str]:
    """Return the paths of a document's fields, those that can be shown."""
    return list(islice(_walk(document, ()), _MOST_NAMES))


def _walk(value: object, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, list) and value and path:
        yield from _walk(value[0], (*path, "0"))
    elif isinstance(value, dict) and value and len(path) < _DEEPEST_NAME:
        for name in filter_showable(value):
            yield from _walk(value[name], (*path, name))
    elif path:
        yield ".".join(path)


def filter_showable(names: Iterable[str]) -> list[str]:
    """Return those of `names` that can be shown: no token looks like them."""
    return [name for name in names if all(map(_FIELD_NAME.fullmatch, name.split(".")))]
