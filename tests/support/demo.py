"""The demo, run as people run it or played in this process, and what it is shown on."""

from __future__ import annotations

import io
import os
import re
import select
import struct
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.cli import scenes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCRIPT = [str(Path(sysconfig.get_path("scripts"), "requests-jwt")), "demo"]
MODULE = [sys.executable, "-m", "requests_jwt_refresh", "demo"]
SECONDS = 60
ESCAPE = "\x1b"
SWITCHES = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")
CHECKS = 20
SCENES = 5
needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


def make_environment(**changes: str) -> dict[str, str]:
    """Return this environment without what decides about colours and encodings, and with changes.

    A warning, such as that of a socket left open, ends up on stderr.
    """
    decides = {*SWITCHES, "LC_ALL", "LANG", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8"}
    kept = {name: value for name, value in os.environ.items() if name not in decides}
    return {**kept, "PYTHONWARNINGS": "error", "TERM": "xterm-256color", **changes}


def run_piped(command: list[str], **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        env=make_environment(**changes),
        encoding="ascii",  # anything else fails the test
        timeout=SECONDS,
        check=False,
    )


def run_on_terminal(changes: Mapping[str, str], *, columns: int = 0) -> str:
    """Run the demo on a pseudo-terminal, and return all that appears there."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
    with subprocess.Popen(
        SCRIPT, stdin=theirs, stdout=theirs, stderr=theirs, env=make_environment(**changes)
    ) as process:
        os.close(theirs)
        try:
            shown = b"".join(_read_pieces(ours))
        finally:
            os.close(ours)
        assert process.wait(SECONDS) == 0
    return shown.decode()


def _read_pieces(terminal: int) -> Iterator[bytes]:
    deadline = time.monotonic() + SECONDS
    while select.select([terminal], [], [], max(deadline - time.monotonic(), 0))[0]:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux' way of saying that the other side is closed
            return
        if not piece:
            return
        yield piece
    raise TimeoutError("the demo did not come to an end")


def strip_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


class Screen(io.TextIOWrapper):
    """What the demo is played on, in this process."""

    def __init__(self, encoding: str, *, is_terminal: bool) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def fileno(self) -> int:
        return 1

    def text(self) -> str:
        self.flush()
        return self._bytes.getvalue().decode(self.encoding)


def play_on(screen: Screen, monkeypatch: pytest.MonkeyPatch | None = None, **changes: str) -> str:
    """Play the demo on a screen, with this in the environment, and return what it shows."""
    if monkeypatch is not None:
        for name in SWITCHES:
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm-256color", **changes}.items():
            monkeypatch.setenv(name, value)
    assert scenes.play_demo(screen)
    return screen.text()
