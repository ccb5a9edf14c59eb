"""The options of endpoints: what each may be, and the parts of a request that are made of them.

Each mistake is a TypeError or ValueError that says how it goes, and shows no secret.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qsl

from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh.authorization import (
    Cookie,
    Header,
    Place,
    check_header_name,
    check_place,
)
from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.lifetimes import UNITS
from requests_jwt_refresh.matching import (
    bare_statuses,
    check_matcher,
    check_path,
    check_rejected,
    status_codes,
)
from requests_jwt_refresh.responses import quote_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import requests

    from requests_jwt_refresh.endpoints import JSONEndpoint, OAuth2Endpoint
    from requests_jwt_refresh.tokens import Token

AnyEndpoint: TypeAlias = "JSONEndpoint | OAuth2Endpoint"

_ACCEPT: Final = {"Accept": "application/json"}
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})
# RFC 9110 §5.5, without spaces at either end.
_HEADER_VALUE = re.compile(
    r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?"
)

# What may be shown of a URL's query: short words, but none that is called a key.
_SECRET_NAME = re.compile("key|secret|token|pass|code|sig|auth", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,15}")


# --- Options ---------------------------------------------------------------------------------


def format_argument(each: dataclasses.Field[Any], value: object) -> str:
    """Return an argument of the call that makes an endpoint, without what is secret."""
    if each.name == "url":
        value = _redact_query(str(value))
    text = repr(value) if each.repr else "'***'"
    return f"{each.name}={text}" if each.kw_only else text


def _redact_query(url: str) -> str:
    """Return `url` without those values of its query that may be keys.

    >>> _redact_query("/token?key=AIzaSy&grant_type=password")
    '/token?key=***&grant_type=password'
    """
    path, mark, query = url.partition("?")
    if not query:
        return url
    pairs = (pair.partition("=") for pair in query.split("&"))
    shown = [
        f"{name}{equals}{value if _is_plain(name, value) else '***'}" if equals else "***"
        for name, equals, value in pairs
    ]
    return f"{path}{mark}{'&'.join(shown)}"


def _is_plain(name: str, value: str) -> bool:
    return not _SECRET_NAME.search(name) and bool(_PLAIN_VALUE.fullmatch(value))


def default_of(each: dataclasses.Field[Any]) -> object:
    """Return what a field is if nobody gives it."""
    if each.default_factory is not dataclasses.MISSING:
        return each.default_factory()
    return each.default


def validate(endpoint: AnyEndpoint) -> None:
    """Raise TypeError or ValueError for what no endpoint can have; copy what may change."""
    if not isinstance(endpoint.url, str) or not endpoint.url.strip():
        raise ValueError("an endpoint needs a URL, absolute or relative to the base URL")
    check_matcher(endpoint.when, "when takes a matcher")
    for name in ("extra", "headers"):
        if not isinstance(getattr(endpoint, name), Mapping):
            raise TypeError(f"{name} takes a mapping, such as a dict, of names to values")
    # Copies: a frozen value must not change with the caller's dict.
    _assign(endpoint, extra=deepcopy(dict(endpoint.extra)), headers=dict(endpoint.headers))
    check_headers(endpoint.headers)


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise TypeError or ValueError unless a request can have `headers`; no value is shown."""
    for name, value in headers.items():
        problem = ""
        try:
            check_header_name(name)
        except (TypeError, ValueError) as error:
            problem = f"headers: {error}"
        if problem:
            raise ValueError(problem)
        if not isinstance(value, str):
            raise TypeError(f"headers: the value of {name!r} must be a string")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(
                f"headers: the value of {name!r} has a line break, a space at one end, or another "
                "character that no header may carry (RFC 9110 §5.5)"
            )
    if len(CaseInsensitiveDict(headers)) < len(headers):
        raise ValueError("headers names one header twice; leave one of them out")


def validate_reading(endpoint: AnyEndpoint) -> None:
    """Raise TypeError or ValueError for options that say how to read an answer."""
    for name in ("access", "refresh"):
        place = getattr(endpoint, name)
        if place is not None:
            _check_place(name, place)
    for path in (endpoint.expires_in, endpoint.expires_at):
        if path is not None:
            check_path(path)
    check_choice("expires_in_unit", endpoint.expires_in_unit, UNITS)
    has_ok = any(each.name == "ok" for each in dataclasses.fields(endpoint))
    ok = status_codes(endpoint.ok)
    rejected = endpoint.rejected
    if callable(rejected) or not isinstance(rejected, (int, Iterable, NoneType)):
        check_rejected(rejected)
        both = ok & bare_statuses(rejected)
    else:
        codes = status_codes(rejected) if rejected else frozenset()
        both = ok & codes
        if rejected is not None or has_ok:
            _assign(endpoint, rejected=tuple(sorted(codes)))
    if both:
        raise ValueError(f"ok and rejected cannot both have {quote_list(map(str, sorted(both)))}")
    if has_ok:
        _assign(endpoint, ok=tuple(sorted(ok)))


def _check_place(name: str, place: object) -> None:
    if isinstance(check_place(name, place, path=True), str):
        check_path(str(place))


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {quote_list(choices)}")


def _assign(endpoint: AnyEndpoint, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(endpoint, name, value)


# --- What is sent ----------------------------------------------------------------------------


def sent_places(endpoint: JSONEndpoint) -> Iterator[tuple[str, str, Place]]:
    """Yield where the request carries tokens: option, kind of token, place.

    The refresh token comes last, so that of two proofs in one header its own counts.
    """
    if endpoint.send_access is not None:
        yield "send_access", "access token", endpoint.send_access
    if endpoint.send is not None:
        yield "send", "refresh token", endpoint.send


def validate_sending(endpoint: JSONEndpoint) -> None:
    """Raise TypeError or ValueError for options that say how to ask."""
    places = list(sent_places(endpoint))
    if not places:
        raise ValueError(
            "send=None hands in no token; give send_access=header() for a server that takes the "
            "access token"
        )
    for name, _what, place in places:
        _check_place(name, place)
    paths = [place for _name, _what, place in places if isinstance(place, str)]
    _check_sources(endpoint, places)
    if paths and endpoint.method.upper() in _WITHOUT_BODY and endpoint.encode != "query":
        raise ValueError(
            f"a {endpoint.method} has no body for the field {paths[0]!r}; give encode='query', or "
            "send the token in a header(...) or cookie(...)"
        )
    fields = deepcopy(dict(endpoint.extra))
    for _name, what, place in places:
        if isinstance(place, str):
            insert(fields, place, "", what)
    if endpoint.encode == "json":
        check_json(fields)
    else:
        _check_flat(endpoint, fields, paths)


def _check_sources(endpoint: JSONEndpoint, places: list[tuple[str, str, Place]]) -> None:
    """Raise ValueError if two options would write one header, cookie or field."""
    if len(places) > 1 and _overlap(*(_key_of(place) for _name, _what, place in places)):
        raise ValueError(
            f"send={endpoint.send!r} and send_access={endpoint.send_access!r} name one place; each "
            "token needs a place of its own"
        )
    proofs = [
        place.csrf[1]
        for _name, _what, place in places
        if isinstance(place, Cookie) and place.csrf is not None
    ]
    given = {name.lower(): name for name in endpoint.headers}
    written = {place.name: name for name, _what, place in places if isinstance(place, Header)}
    for header, name in {**dict.fromkeys(proofs, "csrf"), **written}.items():
        if header.lower() in given:
            raise ValueError(f"headers must not set {header!r}: {name} does; leave one of them out")
    clash = {header.lower() for header in written} & {header.lower() for header in proofs}
    if clash:
        raise ValueError(f"a token and csrf both need the header {clash.pop()!r}")


def _key_of(place: Place) -> tuple[str, ...]:
    if isinstance(place, str):
        return "field", *place.split(".")
    if isinstance(place, Cookie):
        return "cookie", place.name
    return "header", place.name.lower()


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one of two keys is the other, or is within it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _check_flat(endpoint: JSONEndpoint, fields: Mapping[str, Any], paths: list[str]) -> None:
    """Raise ValueError or TypeError unless `fields` can be a form or a query."""
    encode = endpoint.encode
    nested = next((path for path in paths if "." in path), None)
    if nested is not None:
        raise ValueError(
            f"encode={encode!r} has no fields within fields, as {nested!r} needs them; give "
            "encode='json', or the name of a field"
        )
    for name, value in fields.items():
        items = value if isinstance(value, (list, tuple)) else [value]
        if not all(isinstance(each, (str, int, float)) for each in items):
            raise TypeError(
                f"extra: encode={encode!r} takes strings, numbers and lists of them, as the value "
                f"of {name!r} is none"
            )
    if encode == "query":
        query = dict(parse_qsl(endpoint.url.partition("?")[2], keep_blank_values=True))
        both = sorted(query.keys() & fields.keys())
        if both:
            raise ValueError(f"the url has {quote_list(both)} in its query already; leave it out")


def encode_fields(
    request: requests.Request, endpoint: JSONEndpoint, fields: dict[str, Any]
) -> requests.Request:
    """Return `request` with `fields` in it, as the endpoint encodes them."""
    if endpoint.encode == "json":
        request.json = fields or None
    elif endpoint.encode == "form":
        request.data = {name: _as_form_value(value) for name, value in fields.items()}
    else:
        request.params = {name: _as_form_value(value) for name, value in fields.items()}
    return request


def _as_form_value(value: Any) -> Any:
    """Return a boolean as JSON writes it, everything else as it is."""
    return str(value).lower() if isinstance(value, bool) else value


def make_headers(headers: Mapping[str, str]) -> CaseInsensitiveDict[str]:
    """Return the headers of a request for tokens."""
    return CaseInsensitiveDict({**_ACCEPT, **headers})


def insert(document: dict[str, Any], path: str, value: str, what: str = "refresh token") -> None:
    """Put `value` at a dotted `path` of `document` that it does not have yet."""
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place.setdefault(name, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last in place:
        raise ValueError(f"extra must leave {path!r} free: the {what} goes there")
    place[last] = value


def check_json(document: Mapping[str, Any]) -> None:
    """Raise TypeError unless `document` can be written as JSON."""
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        pass
    else:
        return
    raise TypeError("extra holds something that cannot be written as JSON")


def require(what: str, token: Token | None) -> str:
    """Return the secret of `token` that is to be handed in. Raises ValueError if it has none."""
    secret = None
    if token is not None:
        secret = token.access if what == "access token" else token.refresh
    if secret is None:
        raise ValueError(f"there is no {what} to ask with")
    return secret


def check_carried(what: str, place: Place, secret: str) -> None:
    """Raise RefreshUnavailable if no request can carry `secret` at `place`."""
    problem = None if isinstance(place, str) else place.find_problem(secret)
    if problem is not None:
        raise RefreshUnavailable(
            f"the {what} cannot be sent: {problem}",
            f"the tokens are kept; send the {what} in a header(...), or log in for another one",
        )
