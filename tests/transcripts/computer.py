"""The computer of a user called alice: a home, a keyring, terminals of 80 columns."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support import file_keyring
from tests.support.command_line import SCRIPT, Terminal
from tests.support.documents import ROOT
from tests.transcripts.stable import COLUMNS, HOME, Stabilizer

if TYPE_CHECKING:
    from typing_extensions import Self

_PARENT: Final = Path("/tmp")
_DESKTOP: Final = {
    "DISPLAY": ":0",
    "BROWSER": f"{sys.executable} -m tests.support.browser_program %s",
}
_REMOTE: Final = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}


class Computer:
    """All that alice has. A context manager; nothing is left of it."""

    def __init__(self) -> None:
        self._home = _make_home()
        self._stabilizer = Stabilizer(self._home)
        programs = (Path(SCRIPT).parent, Path(sys.executable).parent)
        keyring = f"{file_keyring.__name__}.{file_keyring.FileKeyring.__name__}"
        self._environment = {
            "HOME": str(self._home),
            "PATH": os.pathsep.join([*map(str, programs), "/usr/bin", "/bin"]),
            "PYTHONPATH": str(ROOT),
            "PYTHON_KEYRING_BACKEND": keyring,
            file_keyring.FILE_VARIABLE: str(self._home / "keyring.json"),
            "COLUMNS": str(COLUMNS),
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        shutil.rmtree(self._home)

    def start(self, command: str, *, remote: bool = False) -> Terminal:
        """Type a command into a terminal: of the desktop, or over SSH."""
        environment = {**self._environment, **(_REMOTE if remote else _DESKTOP)}
        return Terminal("/bin/sh", "-c", f"exec {command}", environment=environment)

    def run(self, command: str, *answers: tuple[str, str]) -> str:
        """Run a command to its end, which must be a good one; return what the terminal shows.

        Each of the `answers` is a question and what is typed then.
        """
        with self.start(command) as terminal:
            for question, answer in answers:
                terminal.answer(question, answer)
            return self.finish(command, terminal)

    def finish(self, command: str, terminal: Terminal) -> str:
        """Let a command come to its end, which must be a good one; return what is shown."""
        status = terminal.end()
        assert status == 0, terminal.shown
        return self.transcribe(command, terminal)

    def transcribe(self, command: str, terminal: Terminal) -> str:
        """Return what a terminal shows by now, in colour, from the command that was typed on."""
        return self._stabilizer.stabilize(f"$ {command}\n{terminal.shown}")


def _make_home() -> Path:
    """Return a new folder whose path is as long as the one shown, so that lines are as long."""
    length = len(HOME) - len(str(_PARENT)) - 1
    home = _PARENT / secrets.token_hex(length)[:length]
    home.mkdir(mode=0o700)
    return home
