"""From a template and what was granted to a response, and to the Token that it gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from requests_jwt_refresh import clock
from requests_jwt_refresh.testing.shapes import EXPIRIES, InQuery, Slot
from requests_jwt_refresh.testing.values import ServerResponse, shorten
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing.ledger import Grant
    from requests_jwt_refresh.testing.shapes import Ask, Shape, Template

_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}  # RFC 6749 §5.1
_TOLD = (Slot.ACCESS, Slot.REFRESH, Slot.KEPT, *EXPIRIES)  # by the fields of a Token
_DELETED = "Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"

Path = tuple[str, ...]
Rename = Callable[[Path, Slot], "Path | None"]
"""Where a slot is written in truth; None leaves it out."""


@dataclass(frozen=True)
class Values:
    """What the slots are filled with."""

    grant: Grant
    make_csrf: Callable[[str], str]
    refresh_lifetime: int
    unit: str = "s"  # of the lifetime, as ServerOptions.expires_in_unit

    def find(self, slot: Slot) -> Any:
        """Return what is filled in, None if the field is left out."""
        return _FILL[slot](self)

    @property
    def lifetime(self) -> float:
        seconds = self.grant.seconds
        return int(seconds * 1000) if self.unit == "ms" else shorten(seconds)

    @property
    def end(self) -> float:
        return clock.time() + self.grant.seconds


class NoValues:
    """For a template without slots."""

    def find(self, _slot: Slot) -> None:
        return None


_FILL: dict[Slot, Callable[[Values], Any]] = {
    Slot.ACCESS: lambda it: it.grant.access,
    Slot.REFRESH: lambda it: it.grant.refresh,
    Slot.KEPT: lambda it: it.grant.refresh or it.grant.kept,
    Slot.SECONDS: lambda it: it.lifetime,
    Slot.SECONDS_AS_TEXT: lambda it: str(it.lifetime),
    Slot.MILLISECONDS: lambda it: it.lifetime,
    Slot.EPOCH: lambda it: int(it.end) if it.grant.seconds % 1 == 0 else round(it.end, 3),
    Slot.EPOCH_MS: lambda it: int(it.end * 1000),
    Slot.DATE: lambda it: format_date(it.end),
    Slot.REFRESH_SECONDS: lambda it: it.refresh_lifetime,
    Slot.ACCESS_CSRF: lambda it: it.make_csrf(it.grant.access),
    Slot.REFRESH_CSRF: lambda it: it.grant.refresh and it.make_csrf(it.grant.refresh),
    Slot.SESSION_CSRF: lambda it: it.make_csrf(it.grant.family),
    Slot.USER: lambda it: it.grant.user,
    Slot.NOW_MS: lambda _: str(int(clock.time() * 1000)),
}


def format_date(moment: float) -> str:
    """Return a moment as RFC 3339 §5.6 has it.

    >>> format_date(0.0)
    '1970-01-01T00:00:00.000Z'
    """
    date = datetime.fromtimestamp(moment, timezone.utc)
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def list_leaves(template: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield everything in a JSON template that is no object, with its path."""
    if isinstance(template, dict) and template:
        for name, content in template.items():
            yield from list_leaves(content, (*path, name))
    else:
        yield path, template


def find_slot(template: Template, *slots: Slot) -> str | None:
    """Return the dotted path of the first of these slots in a body, None without one."""
    found = (".".join(path) for path, leaf in list_leaves(template.body) if leaf in slots)
    return next(found, None)


def render(
    template: Template, values: Values | NoValues, status: int, rename: Rename
) -> ServerResponse:
    """Return the response with all its slots filled in; `status` unless it has its own."""
    headers = {
        name: str(values.find(each)) if isinstance(each, Slot) else each
        for name, each in template.headers.items()
    }
    cookies = tuple(_write_cookies(template, values))
    status = template.status or status
    if template.body is None:
        return ServerResponse(status, b"", headers, cookies)
    content = fill(template.body, values, rename)
    return ServerResponse(status, json.dumps(content).encode(), {**_JSON, **headers}, cookies)


def fill(template: Any, values: Values | NoValues, rename: Rename) -> Any:
    """Return a JSON template with its slots filled in, each where `rename` puts it."""
    if not isinstance(template, dict) or not template:
        return template
    content: dict[str, Any] = {}
    for path, leaf in list_leaves(template):
        value, place = leaf, path
        if isinstance(leaf, Slot):
            value, renamed = values.find(leaf), rename(path, leaf)
            if value is None or renamed is None:
                continue
            place = renamed
        put(content, place, value)
    return content


def put(content: dict[str, Any], path: Path, value: Any) -> None:
    """Write `value` at `path` into objects and lists, which are made where they are missing.

    >>> content = {}
    >>> put(content, ("data", "tokens", "0"), "abc")
    >>> content
    {'data': {'tokens': ['abc']}}
    """
    place: Any = content
    for name, below in pairwise(path):
        place = _step(place, name, [] if below.isdecimal() else {})
    _step(place, path[-1], None)
    place[_key(place, path[-1])] = value


def _step(place: Any, name: str, new: Any) -> Any:
    """Return what stands at `name`; `new` is put there if nothing does."""
    if isinstance(place, list):
        place.extend([None] * (int(name) + 1 - len(place)))
    key = _key(place, name)
    if isinstance(place, list) and place[key] is None:
        place[key] = new
    return place[key] if isinstance(place, list) else place.setdefault(key, new)


def _key(place: Any, name: str) -> Any:
    return int(name) if isinstance(place, list) else name


def _write_cookies(template: Template, values: Values | NoValues) -> Iterator[str]:
    """Yield the values of Set-Cookie (RFC 6265 §4.1)."""
    for each in template.cookies:
        if each.slot is None:
            yield f"{each.name}=; {_DELETED}"
        elif (value := values.find(each.slot)) is not None:
            yield f"{each.name}={value}; {each.attributes}"


def make_token(shape: Shape, values: Values) -> Token:
    """Return what a client reads out of the response to a login, without its expiry."""
    template = (shape.login or shape.refresh)[0].answer
    gives_refresh = any(ask.trade == "refresh" for ask in shape.refresh)
    access, refresh = values.grant.access, values.grant.refresh if gives_refresh else None
    return Token(access, refresh, extra=make_extra(template, values))


def make_extra(template: Template, values: Values) -> dict[str, Any]:
    """Return the rest of a response: all but the tokens and their expiry."""
    rest = fill(template.body, values, lambda path, slot: None if slot in _TOLD else path)
    extra: dict[str, Any] = rest if isinstance(rest, dict) else {}
    slots = {each.name: each.slot for each in template.cookies if each.slot not in _TOLD}
    found = {name: values.find(slot) for name, slot in slots.items() if slot is not None}
    if cookies := {name: value for name, value in found.items() if value is not None}:
        extra["cookies"] = cookies
    if find_slot(template, Slot.REFRESH_SECONDS):
        extra["refresh_expires_at"] = clock.time() + values.refresh_lifetime
    return extra


def make_query(ask: Ask, api_key: str) -> str:
    """Return the query of a request, with its question mark, or an empty string."""
    key = {ask.key.name: api_key} if isinstance(ask.key, InQuery) else {}
    query = urlencode({**ask.query, **key})
    return f"?{query}" if query else ""
