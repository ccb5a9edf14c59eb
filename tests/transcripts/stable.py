"""What differs from run to run, replaced by values as they might be: a page changes if words do."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

HOME: Final = "/home/alice"
COLUMNS: Final = 80

_FIRST_PORT: Final = 45551
_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"  # of a user code (RFC 8628 §6.1)

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
# Names of things: two that differ are two names in the page as well.
_NAMES: Final = {
    "port": r"(?:(?<=http://127\.0\.0\.1:)|(?<=http%3A%2F%2F127\.0\.0\.1%3A))\d+",
    "digest": r"(?<=sha256 )[0-9a-f]{12}",
    "user code": r"\b[B-Z]{4}-[B-Z]{4}\b",
    "client": r"(?:(?<=Registered a client: )|(?<=[?&]client_id=))[\w-]+",
    **{
        parameter: rf"(?<=[?&]{parameter}=)[\w-]+"
        for parameter in ("state", "code", "code_challenge", "nonce")
    },
}
_TIMES: Final = {
    r"expires in [^(\n]+ \([0-9: -]+\)": "expires in 4 min 57 s (2026-11-24 14:39:36)",
    r"\d+ s ago": "2 s ago",
}


class Stabilizer:
    """Replaces what differs in all that is shown on one computer."""

    def __init__(self, home: Path) -> None:
        self._home = str(home)
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def stabilize(self, shown: str) -> str:
        """Return what a terminal has shown, colours included, with other values."""
        text = shown.replace("\r\n", "\n").replace(self._home, HOME)
        for kind, pattern in _NAMES.items():
            text = re.sub(pattern, partial(self._rename, kind), text)
        for pattern, time in _TIMES.items():
            text = re.sub(pattern, time, text)
        lines = (part for line in text.strip("\n").split("\n") for part in _break_line(line))
        return "\n".join(map(str.rstrip, lines))

    def _rename(self, kind: str, found: re.Match[str]) -> str:
        name = found[0]
        if name not in self._names:
            number = self._counts[kind]
            self._counts[kind] += 1
            self._names[name] = _make_name(kind, number, len(name))
        return self._names[name]


def _make_name(kind: str, number: int, length: int) -> str:
    """Return the name of the thing of this kind and number, always the same."""
    if kind == "port":
        return str(_FIRST_PORT + number)
    digest = hashlib.sha256(f"{kind} {number}".encode())
    if kind == "digest":
        return digest.hexdigest()[:length]
    if kind == "user code":
        letters = "".join(_LETTERS[each % len(_LETTERS)] for each in digest.digest())
        return f"{letters[:4]}-{letters[4:8]}"
    return base64.urlsafe_b64encode(digest.digest()).decode()[:length]


def _break_line(line: str) -> list[str]:
    """Break a line as a terminal does; one that is typed stays whole, so that it can be copied."""
    if line.startswith("$ ") or len(strip_colours(line)) <= COLUMNS:
        return [line]
    line = strip_colours(line)  # no such line of ours needs them
    return [line[start : start + COLUMNS] for start in range(0, len(line), COLUMNS)]


def strip_colours(text: str) -> str:
    return _COLOUR.sub("", text)
