"""Having a person paste the URL that a browser elsewhere was redirected to."""

from __future__ import annotations

import os
import select
import sys
from contextlib import closing, contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.grants.desktop import is_notebook, is_terminal, tell
from requests_jwt_refresh.grants.loopback import make_timeout_error
from requests_jwt_refresh.grants.redirects import MAX_BYTES, Parameters, RedirectURI

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

PROMPT: Final = "Paste the address of the last page here, all of it, and press Enter:\n"
_ERASE: Final = (b"\x7f", b"\x08")
_KILL: Final = b"\x15"  # Ctrl-U
_END: Final = b"\x04"  # Ctrl-D
_MOST_TRIES: Final = 10  # URLs that are not of this login
_TICK: Final = 0.5  # seconds
_NOT_THIS_LOGIN: Final = (
    "That is not the whole address of this login's last page. It begins with\n{uri}\n"
    "Paste it here, and press Enter:\n"
)


class Terminal:
    """Stdin, read byte by byte, so that what follows a line is left for the program."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._line = bytearray()

    @classmethod
    def find(cls) -> Terminal | None:
        """Return stdin; None if it is no terminal, or cannot be waited for as on Windows.

        What is piped in is the program's own.
        """
        if os.name != "posix" or not is_terminal():
            return None
        with suppress(AttributeError, OSError, ValueError):  # another object
            return cls(sys.stdin.fileno())
        return None

    @contextmanager
    def ask(self) -> Iterator[None]:
        """Ask for the URL, and take lines of any length meanwhile.

        As long as a system has a line edited, it lets none pass of 1024 or 4096 bytes. In the
        background that stays as it is: a program that changes it there is stopped.
        """
        import termios

        try:
            before = termios.tcgetattr(self.number)
            is_ours = os.tcgetpgrp(self.number) == os.getpgrp()
        except (termios.error, OSError):  # no terminal, or another's
            is_ours = False
        if not is_ours:
            tell(PROMPT)
            yield
            return
        _stop_editing(self.number)
        try:
            tell(PROMPT)  # not before: what is pasted at once would be cut
            yield
        finally:
            with suppress(termios.error, OSError):  # it is gone
                if os.tcgetpgrp(self.number) == os.getpgrp():
                    termios.tcsetattr(self.number, termios.TCSANOW, before)

    def read_line(self) -> str | None:
        """Return the next line once it is whole; None until then, and "" at the end of stdin."""
        try:
            byte = os.read(self.number, 1)
        except OSError:  # the terminal is gone
            return ""
        if byte in _ERASE or byte == _KILL:
            del self._line[-1 if byte in _ERASE else 0 :]
            return None
        if byte == _END and not self._line:
            return ""
        self._line += byte
        is_whole = byte in (b"", b"\n") or len(self._line) > MAX_BYTES
        if not is_whole:
            return None
        line = self._line.decode("utf-8", "replace")
        self._line.clear()
        return line

    def parse(self, line: str, redirect_uri: str, state: str) -> Parameters | None:
        """Return what a pasted URL says; None, and word about that, for one of another login."""
        return _parse(line, redirect_uri, state)


def _stop_editing(number: int) -> None:
    """Have a terminal hand over each byte at once; it still shows it, and Ctrl-C still works."""
    import termios

    mode = termios.tcgetattr(number)
    mode[3] &= ~(termios.ICANON | getattr(termios, "ECHOCTL", 0))  # Enter would be shown as ^J
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(number, termios.TCSANOW, mode)


def receive_pasted(
    redirect: RedirectURI, state: str, seconds: float, look: Callable[[], object] = lambda: None
) -> Parameters:
    """Wait for a pasted URL, and return its parameters. Raises RefreshUnavailable.

    `look` is called meanwhile; what it raises ends the wait. That and `seconds` hold only where
    stdin can be waited for.
    """
    terminal = Terminal.find()
    asked = _ask_lines() if terminal is None else _read_lines(terminal, seconds, look)
    with closing(asked) as lines:
        for _, line in zip(range(_MOST_TRIES), lines, strict=False):
            found = _parse(line, redirect.text, state)
            if found is not None:
                return found
    raise RefreshUnavailable(f"no URL of this login was pasted {_MOST_TRIES} times", "log in again")


def _parse(line: str, redirect_uri: str, state: str) -> Parameters | None:
    text = line.strip()
    if not text:
        return None
    text = _add_scheme(text, redirect_uri)
    if len(text) < MAX_BYTES and RedirectURI.parse(redirect_uri).matches(text):
        found = Parameters.parse(text.partition("#")[0].partition("?")[2])
        if found is not None and found.answers(state):
            return found
    tell(_NOT_THIS_LOGIN.format(uri=redirect_uri))
    return None


def _add_scheme(text: str, redirect_uri: str) -> str:
    """Return a pasted URL with its scheme, which browsers neither show nor always copy.

    >>> _add_scheme("127.0.0.1:8400/?code=x", "http://127.0.0.1:8400")
    'http://127.0.0.1:8400/?code=x'
    """
    if "://" in text.partition("?")[0]:
        return text
    return f"{redirect_uri.partition('://')[0]}://{text}"


def _read_lines(terminal: Terminal, seconds: float, look: Callable[[], object]) -> Generator[str]:
    end = monotonic() + seconds
    with terminal.ask():
        while (left := end - monotonic()) > 0:
            look()
            if not select.select([terminal.number], [], [], min(left, _TICK))[0]:
                continue
            line = terminal.read_line()
            if line == "":
                raise _make_ended_error()
            if line is not None:
                yield line
    raise make_timeout_error(seconds)


def _ask_lines() -> Generator[str]:
    tell(PROMPT)
    if not (is_notebook() or is_terminal()):
        raise _make_ended_error()
    while True:
        try:
            yield input()
        except EOFError:
            raise _make_ended_error() from None


def _make_ended_error() -> RefreshUnavailable:
    return RefreshUnavailable(
        "the address of the last page of the login has to be pasted, and stdin is no terminal, or "
        "has ended",
        "log in from a terminal or a notebook, or register http://127.0.0.1 as redirect_uri",
    )
