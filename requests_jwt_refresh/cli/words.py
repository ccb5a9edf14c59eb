"""Times, secrets and what servers say, in words fit for a terminal."""

from __future__ import annotations

import getpass
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.cli.exits import Complaint
from requests_jwt_refresh.tokens import jwt_claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.tokens import Token

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
COLUMNS: Final = 80
_LONGEST_VALUE = 60  # columns
_LAST: Final = 253402300799.0  # the end of the year 9999, after which no calendar goes


def lasting(seconds: float) -> str:
    """Return a duration in its two largest units: ``4 min 32 s``."""
    left, parts = int(seconds), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def until(end: float) -> str:
    """Return how long something lasts that ends at `end`, in seconds since the epoch."""
    if not 0 <= end <= _LAST:
        return "over since long ago" if end < 0 else "no end in sight"
    left = end - time.time()
    if left <= 0:
        return f"over since {lasting(-left)}"
    return f"{lasting(left)} left (until {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(end))})"


def moment(seconds: object) -> float | None:
    """Return a point in time that a server wrote, None for what cannot be one."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return None
    return float(seconds) if -_LAST <= seconds <= _LAST else None


def refresh_token_ends(token: Token) -> float | None:
    """Return when the refresh token ends, if it says so itself (RFC 7519 §4.1.4), by our clock."""
    access, refresh = (jwt_claims(each or "") for each in (token.access, token.refresh))
    end, there = moment(refresh.get("exp")), moment(access.get("iat"))
    if end is None or token.received_at is None:
        return end
    # What the server's clock showed when the tokens came in, by the access token, which is new each
    # time; the refresh token of a server that does not rotate is not.
    over = moment(access.get("exp"))
    if there is None and over is not None and token.expires_at is not None:
        there = over - (token.expires_at - token.received_at)
    if there is None:
        return end
    # The later of the two, as an iat may be anything: to take a good token for one that is over
    # costs somebody a login, the other way round one refusal.
    return max(end, token.received_at + end - there)


def harmless(value: object) -> str:
    """Return what a server wrote so that it cannot steer the terminal, and fits in."""
    text = value if isinstance(value, str) else str(value)
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[: _LONGEST_VALUE - 3]}..."


def row(what: str, told: str) -> None:
    """Write one row of a table with two columns."""
    sys.stdout.write(f"{beside(f'{what:<14} ', told)}\n")


def beside(start: str, text: str) -> str:
    """Return `text` in as many lines of the terminal as it takes, beside what the first has."""
    room = COLUMNS - len(start)  # but a path is left whole, so that it can be copied
    wrapped = textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=False) or [""]
    return f"\n{'':<{len(start)}}".join([start + wrapped[0], *wrapped[1:]])


def ask(question: str) -> str:
    """Ask for something that may be seen: on a terminal, else by reading a line of standard input.

    Raises EOFError where nobody answers.
    """
    if sys.stdin.isatty():
        sys.stderr.write(question)
        sys.stderr.flush()
    return _typed(sys.stdin.readline).strip()


def ask_secret(question: str) -> str:
    """Ask for a secret: without an echo on a terminal, else a line of standard input.

    Raises EOFError where there is none.
    """

    def hidden() -> str:
        return f"{getpass.getpass(question)}\n"  # with the line break, as any other line has it

    secret = _typed(hidden if sys.stdin.isatty() else sys.stdin.readline).rstrip("\r\n")
    if not secret:
        raise EOFError
    return secret


def _typed(read: Callable[[], str]) -> str:
    """Return the line that `read` reads. Raises EOFError if there is none."""
    line = ""
    try:
        line = read()
        line.encode()  # a byte that is no text may have come through in disguise (PEP 383)
    except UnicodeError:
        line = ""
    else:
        if not line:
            raise EOFError
        return line
    finally:
        # Ctrl-C, Ctrl-D or no text: what is said next begins on a line of its own.
        if not line and sys.stdin.isatty() and sys.stderr.isatty():
            sys.stderr.write("\n")
            sys.stderr.flush()
    raise Complaint("what came in is not UTF-8 text", "convert it: iconv -f latin1 -t utf-8")
