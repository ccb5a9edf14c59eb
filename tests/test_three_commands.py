"""The three commands of the guide: a server, a profile, and a call that is answered.

Real programs on terminals. What is typed is what `demo --serve` says to type.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser_program import use_browser_program
from tests.support.command_line import SCRIPT, WAIT, Terminal, User, needs_posix, user
from tests.support.documents import PAGES
from tests.support.waits import interrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

QUESTIONS = ("right server?", "Register a client there?", "File for the token", "Log in now?")


class Shell:
    """A person who types the commands that the server says, as they stand there."""

    def __init__(self, terminal: Terminal) -> None:
        terminal.expect("What the server is asked:")
        self.server = terminal
        shown = terminal.shown.replace("\r\n", "\n")
        self.init, self.call = re.findall(r"^   (requests-jwt .*)$", shown, re.MULTILINE)

    def start(self, command: str) -> Terminal:
        return Terminal("/bin/sh", "-c", f"exec {command}")


@pytest.fixture
def shell(user: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """The server in one terminal; its user has no keyring, the installed commands, a browser."""
    use_browser_program(monkeypatch)
    folders = (str(Path(SCRIPT).parent), str(Path(sys.executable).parent))
    monkeypatch.setenv("PATH", ":".join((*folders, "/usr/bin", "/bin")))
    monkeypatch.setenv("HOME", str(user.home))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("TERM", "dumb")
    with Terminal(SCRIPT, "demo", "--serve") as terminal:
        yield Shell(terminal)


def test_from_a_server_to_an_answered_call(shell: Shell) -> None:
    """Enter is the answer to all that is asked; Ctrl-C ends the server with exit status 0."""
    with shell.start(shell.init) as terminal:
        for question in QUESTIONS:
            terminal.answer(question, "")
        assert terminal.end() == 0, terminal.shown
        assert "Logged in to demo as alice." in terminal.shown
    call = subprocess.run(
        ["/bin/sh", "-c", shell.call], capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert (call.returncode, call.stderr) == (0, "")
    assert json.loads(call.stdout) == {"message": "Hello, alice!"}
    shell.server.expect("Hello, alice!")
    shell.server.press(b"\x03")
    assert shell.server.end() == 0, shell.server.shown
    assert "Stopped." in shell.server.shown
    assert "Traceback" not in shell.server.shown


def test_the_readme_shows_these_commands(shell: Shell) -> None:
    """Each on a line of its own, on another port; so does the guide, with what they print."""
    found = re.search(r"http://127\.0\.0\.1:\d+", shell.init)
    assert found is not None
    for page, prompt in (("README.md", ""), (".github/guide/logging-in.md", "$ ")):
        shown = re.sub(r"http://127\.0\.0\.1:\d+", found[0], PAGES[page])
        for command in ("requests-jwt demo --serve", shell.init, shell.call):
            assert f"\n{prompt}{command}\n" in shown


def test_a_signal_ends_the_server_as_a_ctrl_c_does(shell: Shell) -> None:
    """Whoever has started it, and wherever."""
    interrupt(shell.server.process)
    assert shell.server.end() == 0, shell.server.shown
