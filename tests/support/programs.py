"""Unmodified programs: a user with a profile, a server and a token, and what programs print.

Import the fixtures `workspace`, `warm_programs` and `warm_command` into a test module.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest

from requests_jwt_refresh import FileStore, Token
from requests_jwt_refresh.cli.run import SITE
from requests_jwt_refresh.inject.report import NAMES_VARIABLE
from requests_jwt_refresh.tokens import with_expiry
from tests.support.fork_server import ForkServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from requests_jwt_refresh.testing import AuthServer

SCRIPTS = Path(__file__).parent.with_name("legacy_scripts")
COMMAND = str(Path(sys.executable).with_name("requests-jwt"))
WAIT = 60.0  # seconds; only ever passed by a failing test
CALL = "import os, requests, sys; print(requests.get(os.environ['API'] + '/api/x').status_code)"
START = "import functools, os, requests, sys\nurl = os.environ['API'] + '/api/x'\n"
ADAPTER = """\
import copy, os, pickle, requests, sys
from requests.adapters import HTTPAdapter

class Own(HTTPAdapter):
    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        return super().send(request, stream, timeout or 30, verify, cert, proxies)

url = os.environ["API"] + "/api/x"
session, own = requests.Session(), Own(max_retries=2)
session.mount(os.environ["API"], own)
"""


_PROFILE = """\
[{name}]
base_url = "{url}"
refresh = {{kind = "json", url = "/auth/refresh"}}
login = {{url = "/auth/login"}}
store = {{kind = "file", path = "{name}.json"}}
"""


class Program(Protocol):
    """A program that is running, as subprocess.Popen has it."""

    pid: int
    returncode: Any

    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...


@dataclass(frozen=True)
class ProgramResult:
    """What a program has printed, and its exit status."""

    status: int
    output: str
    errors: str

    def masked(self) -> ProgramResult:
        """Return it as if the API had been called where no token is needed."""
        output, errors = (
            text.replace("/api/x", "/public/x") for text in (self.output, self.errors)
        )
        return ProgramResult(self.status, output, errors)

    def ours(self) -> list[str]:
        """Return the lines on stderr that are from us."""
        return [line for line in self.errors.splitlines() if line.startswith("requests-jwt: ")]

    def without_ours(self) -> ProgramResult:
        lines = self.errors.splitlines(keepends=True)
        errors = "".join(line for line in lines if not line.startswith("requests-jwt: "))
        return ProgramResult(self.status, self.output, errors)

    def warning(self) -> str:
        """Return what one warning says, in two lines; there must be one, and only one."""
        assert len(self.ours()) == 2, self.errors
        return "\n".join(self.ours())


class WarmPrograms(NamedTuple):
    """What starts programs without the time that their imports take."""

    command: ForkServer
    """`requests-jwt`, imported already."""
    plain: ForkServer
    """Python, which has imported requests."""
    with_run: ForkServer
    """The same, started by `requests-jwt run`: it has made no request yet."""
    results: dict[tuple[str, ...], ProgramResult]
    """What `Workspace.plain_once` has run already."""


@dataclass(frozen=True)
class Workspace:
    """A user's folder and environment: a profile "prod" in a file, and a token for it."""

    folder: Path
    server: AuthServer
    environment: dict[str, str]
    warm: WarmPrograms

    @property
    def profiles(self) -> Path:
        return self.folder / "profiles.toml"

    def store(self, name: str = "prod") -> FileStore:
        return FileStore(self.folder / f"{name}.json")

    def token(self, name: str = "prod") -> Token:
        found = self.store(name).load()
        assert found is not None
        return found

    def log_in(self, name: str = "prod", server: AuthServer | None = None) -> None:
        self.store(name).save(with_expiry((server or self.server).login(name)))

    def run(self, *arguments: str, name: str = "prod", **options: Any) -> ProgramResult:
        """Run Python with these arguments under `requests-jwt run`.

        That is a process with the imports of `requests-jwt` done already, which then execs Python.
        """
        return self.command("run", name, "--", sys.executable, *arguments, **options)

    def run_with_path(self, *arguments: str) -> ProgramResult:
        """Run Python under `run`; it alone, and not requests-jwt, has the folder on its path."""
        shell = ("sh", "-c", 'PYTHONPATH=$PYTHONPATH:$0 exec "$@"', str(self.folder))
        return self.command("run", "prod", "--", *shell, sys.executable, *arguments)

    def plain(self, *arguments: str, **options: Any) -> ProgramResult:
        """Run Python without us."""
        return self.start([sys.executable, *arguments], **options)

    def plain_once(self, *arguments: str) -> ProgramResult:
        """Run Python without us, once for all tests: for what is the same in every workspace."""
        if arguments not in self.warm.results:
            self.warm.results[arguments] = self.plain(*arguments)
        return self.warm.results[arguments]

    def start(
        self,
        command: Sequence[str],
        at_wait: Callable[[Program], object] | None = None,
        folder: Path = SCRIPTS,
        **environment: str,
    ) -> ProgramResult:
        """Run a command to its end; call `at_wait` whenever it waits for a line."""

        def start(stdin: int, stdout: int, stderr: int) -> Program:
            return subprocess.Popen(
                command,
                cwd=folder,
                env={**self.environment, **environment},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

        return _run_to_end(start, at_wait)

    def command(
        self,
        *arguments: str,
        at_wait: Callable[[Program], object] | None = None,
        folder: Path = SCRIPTS,
        **environment: str,
    ) -> ProgramResult:
        """Run `requests-jwt`, as a process that has done its imports already."""

        def start(*streams: int) -> Program:
            variables = {**self.environment, **environment}
            return self.warm.command.start([COMMAND, *arguments], variables, folder, streams)

        return _run_to_end(start, at_wait)

    def run_code(self, code: str, *arguments: str, **options: Any) -> ProgramResult:
        """Run code in a Python under `run` that has imported requests already."""
        added = {"PYTHONPATH": str(SITE), NAMES_VARIABLE: "prod"}
        return self._run_code(self.warm.with_run, code, arguments, **{**added, **options})

    def plain_code(self, code: str, *arguments: str, **options: Any) -> ProgramResult:
        """Run code without us, in a Python that has imported requests already."""
        return self._run_code(self.warm.plain, code, arguments, **options)

    def _run_code(
        self,
        server: ForkServer,
        code: str,
        arguments: tuple[str, ...],
        at_wait: Callable[[Program], object] | None = None,
        folder: Path = SCRIPTS,
        **environment: str,
    ) -> ProgramResult:
        def start(*streams: int) -> Program:
            variables = {**self.environment, **environment}
            return server.start(["-c", code, *arguments], variables, folder, streams)

        return _run_to_end(start, at_wait)


def _run_to_end(
    start: Callable[[int, int, int], Program], at_wait: Callable[[Program], object] | None
) -> ProgramResult:
    """Start a program with streams; answer each line "waiting" with a line, after `at_wait`."""
    (stdin, to_program), (from_program, stdout) = os.pipe(), os.pipe()
    lines: list[str] = []
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        open(to_program, "w", encoding="utf-8") as answers,  # noqa: PTH123 - a descriptor
        open(from_program, encoding="utf-8") as output,  # noqa: PTH123 - likewise
    ):
        try:
            program = start(stdin, stdout, errors.fileno())
        finally:
            os.close(stdin)
            os.close(stdout)
        with kill_when_late(program):
            for line in output:
                lines.append(line)
                if line == "waiting\n":
                    if at_wait is not None:
                        at_wait(program)
                    with contextlib.suppress(BrokenPipeError):  # it may have died meanwhile
                        answers.write("\n")
                        answers.flush()
            with contextlib.suppress(BrokenPipeError):
                answers.close()
            status = program.wait(WAIT)
            errors.seek(0)
            return ProgramResult(status, "".join(lines), errors.read())


@contextlib.contextmanager
def kill_when_late(program: Program) -> Iterator[None]:
    """Kill a program, and all that it has started, if it takes too long."""

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)

    watch = threading.Timer(WAIT, kill)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        if program.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(1)
        if program.returncode is None:  # the test has failed in between
            kill()
            program.wait(WAIT)


def profile_text(workspace: Workspace, name: str = "prod", server: AuthServer | None = None) -> str:
    return _PROFILE.format(name=name, url=(server or workspace.server).url)


@pytest.fixture(scope="session")
def warm_command() -> Iterator[ForkServer]:
    """What starts `requests-jwt` without the time that its imports take."""
    needed = ("cli.main", "cli.run", "inject.proxy", "stores.file")
    with ForkServer("filelock", *(f"requests_jwt_refresh.{name}" for name in needed)) as server:
        yield server


@pytest.fixture(scope="session")
def warm_programs(
    warm_command: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WarmPrograms]:
    profiles = tmp_path_factory.mktemp("run") / "profiles.toml"
    profiles.write_text(_PROFILE.format(name="prod", url="https://api.example.com"))
    FileStore(profiles.with_name("prod.json")).save(Token("unused"))
    run = (COMMAND, "run", "prod", "--")
    with (
        ForkServer("requests") as plain,
        ForkServer("requests", prefix=run, REQUESTS_JWT_PROFILES=str(profiles)) as with_run,
    ):
        yield WarmPrograms(warm_command, plain, with_run, {})


@pytest.fixture
def workspace(
    tmp_path: Path,
    server: AuthServer,
    warm_programs: WarmPrograms,
) -> Workspace:
    """A user who is logged in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("REQUESTS_JWT", "PYTHON")) and name != "VIRTUAL_ENV"
    }
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "REQUESTS_JWT_PROFILES": str(tmp_path / "profiles.toml"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "*",
        "API": server.url,
    }
    workspace = Workspace(tmp_path, server, environment, warm_programs)
    workspace.profiles.write_text(profile_text(workspace), encoding="utf-8")
    workspace.log_in()
    return workspace


# --- Set-ups that are broken ---------------------------------------------------------------------


def remove_profiles(workspace: Workspace) -> None:
    workspace.profiles.unlink()


def break_toml(workspace: Workspace) -> None:
    workspace.profiles.write_text("[prod\nbase_url = ", encoding="utf-8")


def misspell_key(workspace: Workspace) -> None:
    text = profile_text(workspace).replace("base_url", "base_ulr")
    workspace.profiles.write_text(text, encoding="utf-8")


def log_out(workspace: Workspace) -> None:
    workspace.store().clear()


def remove_keyring(workspace: Workspace) -> None:
    text = re.sub("store = .*", "", profile_text(workspace))
    workspace.profiles.write_text(text, encoding="utf-8")
    workspace.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"


def open_store_to_others(workspace: Workspace) -> None:
    Path(workspace.store().path).chmod(0o644)


def spoil_store(workspace: Workspace) -> None:
    Path(workspace.store().path).write_bytes(b"\xff{")


def use_store_of_unknown_user(workspace: Workspace) -> None:
    text = profile_text(workspace).replace('"prod.json"', '"~no-such-user/prod.json"')
    workspace.profiles.write_text(text, encoding="utf-8")


def use_impossible_store_path(workspace: Workspace) -> None:
    text = profile_text(workspace).replace('"prod.json"', '"prod\\u0000.json"')
    workspace.profiles.write_text(text, encoding="utf-8")


def use_profiles_of_unknown_user(workspace: Workspace) -> None:
    workspace.environment["REQUESTS_JWT_PROFILES"] = "~no-such-user/profiles.toml"


def expire_and_revoke(workspace: Workspace) -> Callable[[object], None]:
    def end(_program: object) -> None:
        workspace.server.expire()
        workspace.server.revoke()

    return end
