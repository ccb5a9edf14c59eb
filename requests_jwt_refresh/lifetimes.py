"""How long the tokens of a response live: as seconds, as milliseconds, or as a moment.

Whatever a server writes, an expiry never comes too late: of two readings the earlier one counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.response_errors import parse_http_date
from requests_jwt_refresh.tokens import FIRST_MILLISECONDS, FIRST_MOMENT, LONGEST_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Iterator

UNITS: Final = ("s", "ms")
"""The units of a lifetime: seconds, and milliseconds."""

_CLOCKS_APART: Final = 60.0  # seconds; nearer ones are taken for one, as a Date has whole seconds
_MOST_DIGITS: Final = 40  # of a number in a string
# RFC 3339 §5.6, and what servers write beside it: any number of digits, a space, no zone (UTC).
_DATE_TIME = re.compile(
    r"""
    (?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2}) [Tt\ _] (?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})
    (?P<fraction>[.,][0-9]{1,20})? \ ?
    (?: [Zz] | (?P<sign>[+-]) (?P<hours>[0-9]{2}) :? (?P<minutes>[0-9]{2}) )?
    """,
    re.VERBOSE,
)
# In lower case, letters alone: how servers call the lifetime and the end of the refresh token.
_REFRESH_LIFETIMES: Final = frozenset(
    ("refreshexpiresin", "refreshtokenexpiresin", "xrefreshtokenexpiresin", "refreshtokenlifetime")
)
_REFRESH_MOMENTS: Final = frozenset(
    ("refreshexpiresat", "refreshtokenexpiresat", "refreshtokenexpiry", "refreshtokenexpirytime")
)
# Likewise, what may be those of the access token.
_ACCESS_LIFETIME = re.compile(
    "(?:access|auth|jwt)?(?:token)?(?:exp|expires?|expiry|expiration|lifetime|ttl|valid)"
    "(?:in|at|on|for|until|time|date|ms|millis|milliseconds|s|sec|seconds|unix|timestamp)*"
)
_ABOUT_REFRESH_TOKEN = re.compile("refresh.*(?:exp|lifetime|ttl|issued|valid|maxage)")


def read_lifetime(found: object, unit: str, headers: Mapping[str, str]) -> float | None:
    """Return the seconds that are left (RFC 6749 §5.1), or None if `found` makes no sense.

    A number as large as a moment is one: in seconds since the epoch, or in milliseconds.
    """
    number = _parse_number(found)
    if number is None:
        return None
    lefts = [number / 1000 if unit == "ms" else number]
    if number > FIRST_MOMENT:
        lefts.append(_as_seconds(number) - _server_time(headers))
    return _choose(lefts)


def read_moment(found: object, headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the moment `found`, or None if it makes no sense.

    Seconds or milliseconds since the epoch, a date of RFC 3339, or an HTTP-date. A number too small
    for a moment is a lifetime.
    """
    number = _parse_number(found)
    if number is not None:
        return read_lifetime(number, "s", headers)
    moment = _parse_date(found) if isinstance(found, str) else None
    return None if moment is None else _choose([moment - _server_time(headers)])


def suggest_expiry_option(path: str, value: object) -> str | None:
    """Return the option that would read `value` at `path` as the access token's end.

    None if it does not look like one.

    >>> print(suggest_expiry_option("data.expiresAt", "2026-11-27T12:00:00Z"))
    expires_at='data.expiresAt'
    >>> suggest_expiry_option("data.role", 3)
    """
    if not _ACCESS_LIFETIME.fullmatch(_simplify(path.rpartition(".")[2])):
        return None
    number = _parse_number(value)
    if number is None:
        is_moment = isinstance(value, str) and _parse_date(value) is not None
        return f"expires_at={path!r}" if is_moment else None
    if number > FIRST_MOMENT:
        return f"expires_at={path!r}"
    unit = ' (with expires_in_unit="ms" if those are milliseconds)'
    return f"expires_in={path!r}{unit}" if number > 0 else None


def find_refresh_end(
    document: object, parents: tuple[str, ...], unit: str, headers: Mapping[str, str]
) -> float | None:
    """Return when the refresh token ends, in seconds since the epoch; None if nothing says so.

    It is looked for in `document`, and on the way down to the refresh token, below its `parents`.
    """
    lefts = [
        read_lifetime(value, unit, headers)
        if simple in _REFRESH_LIFETIMES
        else read_moment(value, headers)
        for simple, value in _fields_on_the_way(document, parents)
        if simple in _REFRESH_LIFETIMES | _REFRESH_MOMENTS
    ]
    left = _choose([each for each in lefts if each is not None])
    return None if left is None else clock.time() + left


def _fields_on_the_way(document: object, parents: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for name in (None, *parents):
        if name is not None:
            document = document.get(name) if isinstance(document, dict) else None
        for field, value in document.items() if isinstance(document, dict) else ():
            yield _simplify(field), value


def drop_refresh_times(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return `extra` without what says when its refresh token was issued or expires, at any depth.

    >>> drop_refresh_times({"scope": "read", "data": {"refreshExpiresAt": 1.8e9, "user": "bob"}})
    {'scope': 'read', 'data': {'user': 'bob'}}
    """
    return {
        name: drop_refresh_times(value) if isinstance(value, Mapping) else value
        for name, value in extra.items()
        if not _ABOUT_REFRESH_TOKEN.search(_simplify(name))
    }


def _simplify(field: str) -> str:
    return re.sub("[^a-z]", "", field.lower())


def _choose(lefts: list[float]) -> float | None:
    """Return the shortest time that is one, None if there is none."""
    return min((each for each in lefts if 0 < each <= LONGEST_LIFETIME), default=None)


def _parse_number(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        return None
    if isinstance(found, str) and len(found) > _MOST_DIGITS:
        return None
    try:
        return float(found)
    except (ValueError, OverflowError):
        return None


def _as_seconds(number: float) -> float:
    return number / 1000 if number > FIRST_MILLISECONDS else number


def _parse_date(text: str) -> float | None:
    """Return a date in seconds since the epoch; one without a zone is UTC.

    >>> _parse_date("1970-01-01T01:00:30.5+01:00")
    30.5
    """
    parts = _DATE_TIME.fullmatch(text.strip())
    if parts is None:
        return parse_http_date(text)
    try:
        # A leap second, :60, is the end of the one before it.
        moment = datetime.fromisoformat(f"{parts['day']}T{parts['time'].replace(':60', ':59')}")
    except ValueError:
        return None
    offset = timedelta(hours=int(parts["hours"] or 0), minutes=int(parts["minutes"] or 0))
    seconds = moment.replace(tzinfo=timezone.utc).timestamp()
    seconds += float(f"0.{(parts['fraction'] or '.0')[1:]}")
    return seconds - (-1 if parts["sign"] == "-" else 1) * offset.total_seconds()


def _server_time(headers: Mapping[str, str]) -> float:
    """Return what the server's clock shows, in seconds since the epoch; ours if it is no other."""
    theirs, ours = parse_http_date(headers.get("Date") or ""), clock.time()
    return ours if theirs is None or abs(theirs - ours) <= _CLOCKS_APART else theirs
