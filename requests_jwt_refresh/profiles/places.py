"""What a profile says about where a token travels: a place, such as attach or refresh.send.

A header is ``{ header = "X-Auth-Token" }``, a cookie ``{ cookie = "session" }``; a field of JSON is
its path, a plain string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from requests_jwt_refresh.authorization import Cookie, Header, check_header_name, cookie, header
from requests_jwt_refresh.profiles.jose import read_dpop
from requests_jwt_refresh.profiles.schema import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.authorization import Carrier, Place, WirePlace
    from requests_jwt_refresh.profiles.schema import Table

T = TypeVar("T")

_EXAMPLE: Final = '{ header = "NAME" } or { cookie = "NAME" }'
_PAIR: Final = 2


def read_wire_place(table: Table, key: str, default: T = REQUIRED) -> WirePlace | T:
    """Return the header or cookie at `key`. Raises ProfileError."""
    expected = f"a table such as {_EXAMPLE}"
    found: Any = table.get(key, default, expected, lambda value: isinstance(value, dict))
    return default if found is default else _read_table(table.subtable(key, found))


def read_attach(table: Table, key: str, default: T = REQUIRED) -> Carrier | T:
    """Return the header, the cookie or the DPoP at `key`. Raises ProfileError."""
    given = table.content.get(key)
    if isinstance(given, dict) and "dpop" in given:
        table.known_keys.add(key)
        return read_dpop(table.subtable(key, given))
    return read_wire_place(table, key, default)


def read_place(table: Table, key: str, default: T = REQUIRED) -> Place | T | None:
    """Return the header, the cookie or the path of a JSON field at `key`. Raises ProfileError.

    `false` is no place at all, which is None in Python.
    """
    given = table.content.get(key)
    if isinstance(given, dict):
        return read_wire_place(table, key)
    if given is False:
        table.known_keys.add(key)
        return None
    expected = f"the name of a field, or a table such as {_EXAMPLE}"
    table.get(key, default, expected, lambda value: isinstance(value, str))
    return table.text(key, default)


def _read_table(table: Table) -> WirePlace:
    table.known_keys |= {"header", "scheme", "cookie", "csrf"}
    table.check_all_known()
    if ("header" in table.content) is ("cookie" in table.content):
        both = "header and cookie" if "header" in table.content else "neither header nor cookie"
        remedy = "leave one of them out" if "header" in table.content else f"write {_EXAMPLE}"
        raise table.error("", f"{table.name} has {both}: a token has one place", remedy)
    return _read_header(table) if "header" in table.content else _read_cookie(table)


def _read_header(table: Table) -> Header:
    _check_absent(table, "csrf", "header", "it repeats a cookie")
    name = table.text("header")
    _build(table, "header", check_header_name, name)
    if "scheme" not in table.content:
        return header(name)
    # TOML has no null: an empty scheme is none.
    scheme = None if table.content["scheme"] == "" else table.text("scheme")
    return _build(table, "scheme", lambda: header(name, scheme))


def _read_cookie(table: Table) -> Cookie:
    _check_absent(table, "scheme", "cookie", "a cookie has none")
    name = table.text("cookie")
    _build(table, "cookie", lambda: cookie(name))
    csrf = table.texts("csrf", None)
    if csrf is None:
        return cookie(name)
    if len(csrf) != _PAIR:
        raise table.error(
            "csrf",
            f"must be two names, not {len(csrf)}",
            'write ["the cookie that holds it", "the header that repeats it"]',
        )
    return _build(table, "csrf", lambda: cookie(name, csrf=(csrf[0], csrf[1])))


def _check_absent(table: Table, key: str, place: str, why: str) -> None:
    if key in table.content:
        raise table.error(key, f"has no place beside {place}: {why}", "leave it out")


def _build(table: Table, key: str, make: Callable[..., T], *arguments: Any) -> T:
    """Return what `make` returns; its error is about the name at `key`."""
    try:
        return make(*arguments)
    except (TypeError, ValueError) as error:
        problem = str(error).replace("cookie(...)", '{ cookie = "NAME" }')
    raise table.error(key, f"cannot be used: {problem}", "write another one")
