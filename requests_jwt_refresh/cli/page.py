"""What the demo prints on: 80 columns, with colours where they can be shown."""

from __future__ import annotations

import os
import textwrap
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

COLUMNS = 80
_SIGNS, _ASCII_SIGNS = ("\N{CHECK MARK}", "\N{BALLOT X}"), ("[ok]", "[no]")
_STYLES = {"bold": "1", "green": "32", "yellow": "33", "red": "31"}  # ECMA-48 §8.3.117


class Page:
    """80 columns: with colours on a terminal that has them, else plain.

    Anything but a terminal gets pure ASCII, whatever encoding it claims.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding if stream.isatty() else "ascii"
        wants_colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._is_coloured = stream.isatty() and wants_colour  # no-color.org
        can_draw = self._make_writable("".join(_SIGNS)) == "".join(_SIGNS)
        self._signs = _SIGNS if can_draw else _ASCII_SIGNS

    def write_headline(self, text: str) -> None:
        self._write(f"\n{self._paint(text, 'bold')}")

    def write_paragraph(self, text: str, indent: str = "   ", first: str | None = None) -> None:
        """Write `text` in as many lines as it takes; `first` goes before it and may be coloured."""
        lines = textwrap.wrap(self._make_writable(text), COLUMNS - len(indent)) or [""]
        for number, line in enumerate(lines):
            self._write((indent if number or first is None else first) + line)

    def write_line(self, text: str = "") -> None:
        self._write(f"   {_cut(self._make_writable(text), COLUMNS - 3)}".rstrip())

    def write_command(self, text: str) -> None:
        """Write a command in one line, however long, so that it can be copied."""
        self._write(f"   {self._paint(self._make_writable(text), 'bold')}")

    def write_exchange(self, request: str, status: int, response: str) -> None:
        """Write one request and the response to it."""
        left = f"   {_cut(self._make_writable(request), 35):<35}  ->  "
        right = _cut(self._make_writable(response), COLUMNS - len(left) - 4)
        colour = "green" if status < HTTPStatus.BAD_REQUEST else "yellow"
        self._write(f"{left}{self._paint(str(status), colour)} {right}".rstrip())

    def write_figure(self, what: str, value: object) -> None:
        """Write a row of a table with two columns."""
        self._write(f"   {what:<54}{self._make_writable(format_value(value)):>6}")

    def write_verdict(self, text: str, *, is_good: bool) -> None:
        """Write `text` after a check mark or a cross."""
        sign, colour = (self._signs[0], "green") if is_good else (self._signs[1], "red")
        indent = " " * (4 + len(sign))
        self.write_paragraph(text, indent, first=f"   {self._paint(sign, colour)} ")

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._is_coloured else text

    def _make_writable(self, text: str) -> str:
        # Error texts of the operating system may be in any language.
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def _write(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()  # it is watched as it runs


def format_value(value: object) -> str:
    """Return a number, a boolean or a list of them as people write them."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(format_value, value)) or "nothing"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 3]}..."
