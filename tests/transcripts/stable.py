"""What differs from run to run, replaced by values as they might be: a page changes if words do."""

from __future__ import annotations

import re
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

HOME: Final = "/home/alice"

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_DIGITS: Final = "7d515aefa9bb"
# Names of things: two that differ are two names in the page as well.
_NAMES: Final = {
    "port": r"(?<=http://127\.0\.0\.1:)\d+",
    "digest": r"(?<=sha256 )[0-9a-f]{12}",
    "user code": r"\b[B-Z]{4}-[B-Z]{4}\b",
    "client": r"(?<=Registered a client: )\S+",
}
_TIMES: Final = {
    r"expires in [^(\n]+ \([0-9: -]+\)": "expires in 4 min 57 s (2026-11-24 14:39:36)",
    r"\d+ s ago": "2 s ago",
}


class Stabilizer:
    """Replaces what differs in all that one session shows."""

    def __init__(self, home: Path) -> None:
        self._home = str(home)
        self._names: dict[str, str] = {}
        self._spare = {
            "port": (str(45551 + number) for number in count()),
            "digest": (_DIGITS[number:] + _DIGITS[:number] for number in range(len(_DIGITS))),
            "user code": (f"KGVM-DH{letter}J" for letter in "BCDFG"),
            "client": (f"69dF8fSBlTbMPp_-gzChR{letter}" for letter in "ghijk"),
        }

    def stabilize(self, shown: str) -> str:
        """Return what a terminal has shown, colours included, with other values."""
        text = shown.replace("\r\n", "\n").replace(self._home, HOME)
        for kind, pattern in _NAMES.items():
            text = re.sub(pattern, partial(self._rename, kind), text)
        for pattern, time in _TIMES.items():
            text = re.sub(pattern, time, text)
        return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))

    def _rename(self, kind: str, found: re.Match[str]) -> str:
        if found[0] not in self._names:
            self._names[found[0]] = next(self._spare[kind])
        return self._names[found[0]]


def strip_colours(text: str) -> str:
    return _COLOUR.sub("", text)
