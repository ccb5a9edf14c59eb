"""The command line's user: a file of profiles, a store, a terminal, and what commands print."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import re
import select
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import pytest

from requests_jwt_refresh import clock
from requests_jwt_refresh.cli.main import main
from requests_jwt_refresh.refresh import shared
from requests_jwt_refresh.refresh.single_flight import THREAD_NAME
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.tokens import with_values
from tests.support.waits import wait_until, wait_until_asleep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from requests_jwt_refresh.testing import AuthServer
    from requests_jwt_refresh.tokens import Token

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and terminals")

SCRIPT = str(Path(sysconfig.get_path("scripts"), "requests-jwt"))
WAIT = 60.0  # seconds; only ever passed by a failing test
API = "https://api.example.com"
OTHER_API = "https://b.example.com"
INIT = ("init", "prod", "--base-url", API)
OAUTH2 = ("--kind", "oauth2", "--refresh-url", "/t")
TWO = f"""\
[good]
base_url = "{API}"
refresh = {{preset = "simplejwt"}}
store = {{kind = "file", path = "/tmp/t.json"}}

[longer-name]
base_url = "https://b.example.com"
refresh = {{preset = "simplejwt"}}
"""

JSON_REFRESH = 'kind = "json"\nurl = "/auth/refresh"'
OAUTH2_REFRESH = 'kind = "oauth2"\nurl = "/auth/refresh"\nclient_id = "tv"'
WITH_SECRET = f'{OAUTH2_REFRESH}\nclient_auth = "basic"\nclient_secret_file = "secret.txt"'

# A way to drop a controlling terminal on a program, whose process it then is.
_ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class CommandResult(NamedTuple):
    """The output of a command, and its exit status."""

    status: int
    out: str
    err: str

    def cause_and_remedy(self) -> tuple[str, str]:
        """Return the two lines on stderr, which there must be, and nothing else."""
        lines = self.err.splitlines()
        assert len(lines) == 2, self.err
        assert self.err.endswith("\n")
        assert all(line.startswith("requests-jwt: ") for line in lines), self.err
        cause, remedy = (line.removeprefix("requests-jwt: ") for line in lines)
        return cause, remedy


class User:
    """A person with a file of profiles and a shell; the store is a file by default."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = home
        self.file = home / "profiles.toml"
        self.token_file = home / "token.json"
        self._monkeypatch, self._capsys = monkeypatch, capsys

    @property
    def store(self) -> FileStore:
        return FileStore(self.token_file)

    @property
    def stored_token(self) -> Token:
        """The token in the store."""
        token = self.store.load()
        assert token is not None
        return token

    def describe(self, server: AuthServer, refresh: str = JSON_REFRESH, **tables: str) -> None:
        """Write the profile "prod", with a file store and these further tables."""
        tables = {"store": 'kind = "file"\npath = "token.json"', **tables}
        parts = [f'[prod]\nbase_url = "{server.url}"\nrefresh_timeout = 10\n']
        parts += [
            f"[prod.{name}]\n{text}\n" for name, text in {"refresh": refresh, **tables}.items()
        ]
        self.file.write_text("\n".join(parts), encoding="utf-8")

    def save_token(self, token: Token) -> Token:
        """Save a token in the store, and return it."""
        self.store.save(token)
        return token

    def run(self, *arguments: str, typed: str | IO[str] = "") -> CommandResult:
        """Run a command in this process, with `typed` on a standard input that is no terminal."""
        stdin = io.StringIO(typed) if isinstance(typed, str) else typed
        self._monkeypatch.setattr(sys, "stdin", stdin)
        return self.call(lambda: main(list(arguments)))

    def call(self, command: Callable[[], int]) -> CommandResult:
        """Call the function that carries out a command, and return its output."""
        # Each command is a program of its own, which shares no memory with others.
        wait_until(_has_no_thread, "the end of the last command's threads")
        shared._shared.clear()  # noqa: SLF001 - see above
        self._capsys.readouterr()
        try:
            status = command()
        except SystemExit as left:
            status = int(left.code or 0)
        return CommandResult(status, *self._capsys.readouterr())


def _has_no_thread() -> bool:
    return all(each.name != THREAD_NAME for each in threading.enumerate())


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> User:
    """A user without profiles, and nothing in the environment that would lead elsewhere."""
    new_user = User(tmp_path, monkeypatch, capsys)
    monkeypatch.delenv("CI", raising=False)  # a person sits there, also where CI runs this
    for name in list(os.environ):
        if name.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("REQUESTS_JWT_PROFILES_TOML", raising=False)
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(new_user.file))
    monkeypatch.setenv("COLUMNS", "1000")  # nothing is wrapped
    # pytest keeps what is logged, and with it the frames of an error and the adapter in them: the
    # next command, a program of its own, would find its memory.
    monkeypatch.setattr(logging.getLogger("urllib3.connectionpool"), "disabled", True)
    return new_user


def start(*arguments: str, stdin: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start a command as a program of its own."""
    return subprocess.Popen(
        [SCRIPT, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], typed: str = "") -> CommandResult:
    """Wait for a program that was started."""
    try:
        out, err = process.communicate(typed, timeout=WAIT)
    finally:
        process.kill()
    return CommandResult(process.returncode, out, err)


def _environment() -> dict[str, str]:
    """Return an environment that says what the terminal is, and that a person sits there."""
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "80", "LINES": "24"}
    environment.pop("CI", None)
    return environment


class Terminal:
    """A program on a terminal, and a person who reads and types there. A context manager."""

    def __init__(self, *command: str, environment: Mapping[str, str] | None = None) -> None:
        """Start the program; `environment` is this process's own but for the terminal's kind."""
        import pty

        self._ours, theirs = pty.openpty()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _ON_A_TERMINAL, *command],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                env=_environment() if environment is None else dict(environment),
            )
        finally:
            os.close(theirs)
        self.shown = ""
        self._read_until = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(WAIT)
        os.close(self._ours)

    def expect(self, text: str) -> None:
        """Read on until `text` is there."""
        deadline = time.monotonic() + WAIT
        while (found := self.shown.find(text, self._read_until)) < 0:
            assert self._reads_more(deadline), f"{text!r} never came: {self.shown!r}"
        self._read_until = found + len(text)

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def press(self, key: bytes) -> None:
        """Press a key, such as Ctrl-C, while the program waits for one."""
        wait_until_asleep(self.process)
        os.write(self._ours, key)

    def answer(self, question: str, line: str) -> None:
        self.expect(question)
        self.type(line)

    def end(self) -> int:
        """Read to the end and return the exit status."""
        deadline = time.monotonic() + WAIT
        while self._reads_more(deadline):
            pass
        return self.process.wait(WAIT)

    def _reads_more(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing more came: {self.shown!r}"
        try:
            more = os.read(self._ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self.shown += more.decode(errors="replace")
        return bool(more)


def shorten_timeout(user: User) -> None:
    """Let the profile wait for no longer than a moment, so that nothing that is sent comes back."""
    text = user.file.read_text(encoding="utf-8")
    assert "refresh_timeout = 10\n" in text
    text = text.replace("refresh_timeout = 10\n", "refresh_timeout = 0.1\n")
    user.file.write_text(text, encoding="utf-8")


def run_with_closed_stream(stream: str, *arguments: str) -> CommandResult:
    """Run a command as a program of its own with 0, 1 or 2 closed: its input, output or errors."""
    command = ["sh", "-c", f'exec "$@" {stream}>&-', "sh", SCRIPT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    return CommandResult(done.returncode, done.stdout, done.stderr)


def make_jwt(claims: object) -> str:
    """Return a JWT with these claims, or with this text in their place; it is not signed."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    payload = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJl"


def make_aged_token(token: Token, *, left: float, ago: float) -> Token:
    """Return a token that came in `ago` seconds ago and has `left` seconds to live."""
    now = clock.time()
    return with_values(replace(token, expires_at=now + left), received_at=now - ago)


def make_expired_token(server: AuthServer) -> Token:
    """Return a token whose access token has expired, here and at the server."""
    token = make_aged_token(server.login(), left=-1, ago=300)
    server.expire()
    return token


def find_body(server: AuthServer, kind: str) -> dict[str, Any]:
    """Return the JSON of the only request of this kind."""
    (seen,) = [each for each in server.requests if each.kind == kind]
    fields: dict[str, Any] = json.loads(seen.body)
    return fields


def shows_no_part_of(token: Token, result: CommandResult) -> bool:
    """Whether nothing of a token is in what was said, the start that all JWTs share apart."""
    secrets = [each for each in (token.access, token.refresh) if each]
    parts = {part for each in secrets for part in each.split(".")[-2:]}
    return not any(part in result.out + result.err for part in parts)


def strip_address(text: str) -> str:
    """Return an error's text without the URL that was asked, whose port differs each time."""
    return re.sub(r" at http://127\.0\.0\.1:\d+[^ ]*", "", text)


def find_closed_port() -> int:
    """Return a port of this machine where no program listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
