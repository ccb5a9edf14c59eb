"""Times, secrets and what servers say, in words fit for a terminal."""

from __future__ import annotations

import getpass
import sys
import textwrap
import time
from typing import Final

from .exits import Complaint

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


def harmless(value: object) -> str:
    """Return what a server wrote so that it cannot steer the terminal, and fits in."""
    text = value if isinstance(value, str) else str(value)
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[: _LONGEST_VALUE - 3]}..."


def row(what: str, told: str) -> None:
    """Write one row of a table with two columns."""
    sys.stdout.write(f"{beside(f'{what:<15}', told)}\n")


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
    answer = _line()
    if not answer:
        raise EOFError
    return answer.strip()


def ask_secret(question: str) -> str:
    """Ask for a secret: without an echo on a terminal, else a line of standard input.

    Raises EOFError where there is none.
    """
    secret = getpass.getpass(question) if sys.stdin.isatty() else _line()
    secret = secret.rstrip("\r\n")
    if not secret:
        raise EOFError
    return secret


def _line() -> str:
    try:
        line = sys.stdin.readline()
        line.encode()  # a byte that is no text may have come through in disguise (PEP 383)
    except UnicodeError:
        pass
    else:
        return line
    raise Complaint("what came in is not UTF-8 text", "convert it: iconv -f latin1 -t utf-8")
