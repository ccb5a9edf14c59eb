"""What the demo looks like: in colour and plain, on terminals of any width and encoding."""

from __future__ import annotations

import ctypes
import re
import sys
from typing import Any

import pytest

from requests_jwt_refresh.cli.page import Page
from tests.support.demo import (
    CHECKS,
    ESCAPE,
    SCENES,
    SWITCHES,
    Screen,
    needs_pty,
    play_on,
    run_on_terminal,
    strip_colours,
)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_plain_when_piped(encoding: str) -> None:
    """Into a pipe goes pure ASCII, without colours, in 80 columns, whatever the locale."""
    shown = play_on(Screen(encoding, is_terminal=False))
    assert shown.isascii()
    assert ESCAPE not in shown
    assert max(map(len, shown.splitlines())) <= 80


@needs_pty
@pytest.mark.parametrize("no_color", [{}, {"NO_COLOR": ""}], ids=["unset", "empty"])
def test_coloured_on_a_terminal(no_color: dict[str, str]) -> None:
    """A terminal gets colours and real check marks, in 80 columns; an empty NO_COLOR is none."""
    shown = run_on_terminal({"PYTHONIOENCODING": "utf-8", **no_color})
    good = f"{ESCAPE}[32m\N{CHECK MARK}{ESCAPE}[0m"
    assert shown.count(good) == shown.count("\N{CHECK MARK}") > SCENES
    assert f"{ESCAPE}[33m401{ESCAPE}[0m Invalid JWT" in shown
    assert max(map(len, strip_colours(shown).splitlines())) <= 80


def test_the_same_in_colour_and_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal's colours are all that distinguishes it from one without."""
    coloured = play_on(Screen("utf-8", is_terminal=True), monkeypatch)
    plain = play_on(Screen("utf-8", is_terminal=True), monkeypatch, NO_COLOR="1")
    shown = [normalize(strip_colours(each)) for each in (coloured, plain)]
    assert ESCAPE in coloured
    assert shown[0] == shown[1]


def normalize(shown: str) -> str:
    """Return what is shown, without what differs each time."""
    return re.sub(r"sha256 [0-9a-f]{12}|127\.0\.0\.1:\d+", "", shown)


@pytest.mark.parametrize(
    "changes",
    [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}],
    ids=["NO_COLOR", "TERM", "both"],
)
def test_colours_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    """NO_COLOR and TERM=dumb count on a terminal as well; NO_COLOR goes before FORCE_COLOR."""
    shown = play_on(Screen("utf-8", is_terminal=True), monkeypatch, **changes)
    assert ESCAPE not in shown
    assert shown.count("\N{CHECK MARK}") > SCENES


@pytest.mark.parametrize("changes", [{"FORCE_COLOR": "1", "TERM": "dumb"}, {"FORCE_COLOR": ""}])
def test_colours_can_be_forced(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]) -> None:
    """FORCE_COLOR brings them into a pipe, which stays ASCII; an empty one is none."""
    shown = play_on(Screen("utf-8", is_terminal=False), monkeypatch, **changes)
    assert (ESCAPE in shown) == bool(changes["FORCE_COLOR"])
    assert shown.isascii()


class WindowsConsole:
    """What kernel32 says of a console of Windows, which may know escape sequences or not."""

    def __init__(self, *, is_console: bool, has_colours: bool) -> None:
        self.kernel32 = self
        self.mode = 0x3  # as it is at first
        self._is_console, self._has_colours = is_console, has_colours

    def get_osfhandle(self, file: int) -> int:
        return 100 + file

    def GetConsoleMode(self, _handle: ctypes.c_void_p, mode: Any) -> int:  # noqa: N802 - Windows'
        mode._obj.value = self.mode  # noqa: SLF001 - what byref() is about
        return int(self._is_console)

    def SetConsoleMode(self, handle: ctypes.c_void_p, mode: int) -> int:  # noqa: N802 - likewise
        assert handle.value == 101
        self.mode = mode
        return int(self._has_colours)


@pytest.mark.parametrize(
    ("is_console", "has_colours"), [(True, True), (True, False), (False, False)]
)
def test_a_console_of_windows_is_asked_for_colours(
    monkeypatch: pytest.MonkeyPatch, is_console: bool, has_colours: bool
) -> None:
    """One of before 2016 says no, and gets none."""
    console: Any = WindowsConsole(is_console=is_console, has_colours=has_colours)
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ctypes, "windll", console, raising=False)
    monkeypatch.setitem(sys.modules, "msvcrt", console)
    monkeypatch.setattr(sys, "platform", "win32")
    screen = Screen("utf-8", is_terminal=True)
    Page(screen).write_headline("Title")
    monkeypatch.undo()
    assert (ESCAPE in screen.text()) == has_colours
    assert console.mode == (0x7 if is_console else 0x3)


def test_a_terminal_without_check_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can only write ASCII gets ASCII, in colour."""
    shown = play_on(Screen("ascii", is_terminal=True), monkeypatch)
    assert shown.isascii()
    assert shown.count(f"{ESCAPE}[32m[ok]{ESCAPE}[0m") > SCENES


@pytest.mark.parametrize(("columns", "widest"), [("40", 40), ("120", 80), ("80", 80), ("", 80)])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: str, widest: int, encoding: str
) -> None:
    """But no wider than 80; a narrow one has all the results that a wide one has."""
    shown = play_on(Screen(encoding, is_terminal=True), monkeypatch, COLUMNS=columns)
    lines = strip_colours(shown).splitlines()
    assert widest - 10 < max(map(len, lines)) <= widest
    text = " ".join(re.sub(r" \.+ |:\s", " ", strip_colours(shown)).split())
    for result in (
        "answered 401, before any new token 32",
        "refresh tokens used twice 0",
        "the next request has the new token yes",
        "on_logout was called with RefreshRejected",
        f"{CHECKS} of {CHECKS} checks passed.",
    ):
        assert result in text


@needs_pty
def test_the_terminal_says_how_wide_it_is() -> None:
    """Where COLUMNS does not."""
    shown = strip_colours(run_on_terminal({"PYTHONIOENCODING": "utf-8"}, columns=48))
    assert 40 < max(map(len, shown.splitlines())) <= 48
