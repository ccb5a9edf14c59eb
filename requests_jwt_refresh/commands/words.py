"""Times, secrets and what servers say, in words fit for a terminal."""

from __future__ import annotations

import getpass
import sys
import textwrap
import time
from typing import Final

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
COLUMNS: Final = 80
_LONGEST_VALUE = 60  # columns


def lasting(seconds: float) -> str:
    """Return a duration in its two largest units: ``4 min 32 s``."""
    left, parts = int(seconds), []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def until(moment: float) -> str:
    """Return how long something lasts that ends at `moment`, in seconds since the epoch."""
    left = moment - time.time()
    if left <= 0:
        return f"over since {lasting(-left)}"
    return (
        f"{lasting(left)} left (until {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(moment))})"
    )


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
    wrapped = textwrap.wrap(text, COLUMNS - len(start), break_on_hyphens=False) or [""]
    return f"\n{'':<{len(start)}}".join([start + wrapped[0], *wrapped[1:]])


def ask(question: str) -> str:
    """Ask for something that may be seen: on a terminal, else by reading a line of standard input.

    Raises EOFError where nobody answers.
    """
    if sys.stdin.isatty():
        sys.stderr.write(question)
        sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise EOFError
    return answer.strip()


def ask_secret(question: str) -> str:
    """Ask for a secret: without an echo on a terminal, else a line of standard input.

    Raises EOFError where there is none.
    """
    secret = getpass.getpass(question) if sys.stdin.isatty() else sys.stdin.readline()
    secret = secret.rstrip("\r\n")
    if not secret:
        raise EOFError
    return secret
