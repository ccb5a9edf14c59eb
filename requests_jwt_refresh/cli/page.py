"""What the demo prints on: at most 80 columns, with colours where they can be shown."""

from __future__ import annotations

import os
import sys
import textwrap
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.cli.console import DEFAULT_COLUMNS, read_columns

if TYPE_CHECKING:
    from typing import TextIO

_MIN_COLUMNS: Final = 32
_REQUEST_COLUMNS: Final = 35  # of an exchange, where request and response share a line
_RESULT_COLUMNS: Final = 64  # of a result: its value should not be far from its name
_SIGNS: Final = ("\N{CHECK MARK}", "\N{BALLOT X}")
_ASCII_SIGNS: Final = ("[ok]", "[no]")
_STYLES: Final = {  # ECMA-48 §8.3.117
    "bold": "1",
    "faint": "2",
    "green": "32",
    "yellow": "33",
    "red": "31",
}
_VIRTUAL_TERMINAL: Final = 0x0004  # ENABLE_VIRTUAL_TERMINAL_PROCESSING of SetConsoleMode()


class Page:
    """As wide as the terminal, up to 80 columns; in colour on a terminal that has them, else plain.

    Anything but a terminal gets pure ASCII, whatever encoding it claims.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding if stream.isatty() else "ascii"
        self._columns = _count_columns(stream)
        self._is_coloured = _wants_colours(stream)
        can_draw = self._make_writable("".join(_SIGNS)) == "".join(_SIGNS)
        self._signs = _SIGNS if can_draw else _ASCII_SIGNS

    def write_headline(self, text: str) -> None:
        self._write("")
        for line in textwrap.wrap(text, self._columns):
            self._write(self._paint(line, "bold"))

    def write_paragraph(self, text: str, indent: str = "   ", first: str | None = None) -> None:
        """Write `text` in as many lines as it takes; `first` goes before it and may be coloured."""
        room = self._columns - len(indent)
        lines = textwrap.wrap(self._make_writable(text), room, break_on_hyphens=False) or [""]
        for number, line in enumerate(lines):
            self._write((indent if number or first is None else first) + line)

    def write_line(self, text: str = "") -> None:
        self._write(f"   {_cut(self._make_writable(text), self._columns - 3)}".rstrip())

    def write_command(self, text: str) -> None:
        """Write a command in one line, however long, so that it can be copied."""
        self._write(f"   {self._paint(self._make_writable(text), 'bold')}")

    def write_exchange(self, request: str, status: int, response: str) -> None:
        """Write one request and the response to it, in two lines where one is too narrow."""
        request = self._make_writable(request)
        is_wide = self._columns >= 2 * _REQUEST_COLUMNS
        if is_wide:
            left = f"   {_cut(request, _REQUEST_COLUMNS):<{_REQUEST_COLUMNS}}  ->  "
        else:
            self.write_line(request)
            left = "     ->  "
        right = _cut(self._make_writable(response), self._columns - len(left) - 4)
        colour = "green" if status < HTTPStatus.BAD_REQUEST else "yellow"
        self._write(f"{left}{self._paint(str(status), colour)} {right}".rstrip())

    def write_result(self, what: str, value: object, *, is_good: bool | None = None) -> None:
        """Write a row of a table with two columns; a check mark or a cross goes before it."""
        what, shown = self._make_writable(what), self._make_writable(format_value(value))
        mark = self._paint_mark(is_good=is_good)
        room = min(self._columns, _RESULT_COLUMNS) - 4 - len(self._signs[0])
        dots = "." * (room - len(what) - len(shown) - 2)
        if dots:
            row = f"{what} {self._paint(dots, 'faint')} {self._paint(shown, 'bold')}"
            self._write(f"   {mark} {row}")
        else:
            self.write_paragraph(f"{what}: {shown}", self._verdict_indent, first=f"   {mark} ")

    def write_verdict(self, text: str, *, is_good: bool) -> None:
        """Write `text` after a check mark or a cross."""
        mark = self._paint_mark(is_good=is_good)
        self.write_paragraph(text, self._verdict_indent, first=f"   {mark} ")

    @property
    def _verdict_indent(self) -> str:
        return " " * (4 + len(self._signs[0]))

    def _paint_mark(self, *, is_good: bool | None) -> str:
        if is_good is None:
            return " " * len(self._signs[0])
        sign, colour = (self._signs[0], "green") if is_good else (self._signs[1], "red")
        return self._paint(sign, colour)

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


def _count_columns(stream: TextIO) -> int:
    """Return how wide to write: COLUMNS goes before the terminal's own width, as in shells."""
    columns = read_columns()
    if not columns and stream.isatty():
        with suppress(OSError, ValueError):  # it has no file descriptor, or that tells nothing
            columns = os.get_terminal_size(stream.fileno()).columns
    return min(max(columns or DEFAULT_COLUMNS, _MIN_COLUMNS), DEFAULT_COLUMNS)


def _wants_colours(stream: TextIO) -> bool:
    """Whether to write in colour. An empty variable is none (no-color.org, force-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb" and _shows_colours(stream)


def _shows_colours(stream: TextIO) -> bool:
    """Whether the terminal understands colours: a console of Windows has to be asked to."""
    if sys.platform != "win32":
        return True
    import ctypes
    import msvcrt

    kernel, mode = ctypes.windll.kernel32, ctypes.c_ulong()
    handle = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno()))
    if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
        return False
    return bool(kernel.SetConsoleMode(handle, mode.value | _VIRTUAL_TERMINAL))
