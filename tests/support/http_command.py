"""The real `http`: a user with profiles runs it with this library and without.

Import the fixtures `home`, `alice`, `opaque_server`, `warm_http` and `warm_command` into a test
module.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import pytest

from requests_jwt_refresh import FileStore, Token
from requests_jwt_refresh.testing import AuthServer
from tests.support.fork_server import ForkServer
from tests.support.programs import COMMAND, WAIT, kill_when_late, warm_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["warm_command"]  # a fixture, as are those below

HTTP = Path(sys.executable).with_name("http")
needs_httpie = pytest.mark.skipif(not HTTP.exists(), reason="HTTPie is not installed here")

EXPLICIT = ("--auth-type=requests-jwt", "--auth=bob")
CONTENT = secrets.token_bytes(300_000)  # more than a read of HTTPie's, and than a pipe holds
WITHOUT_PLUGINS = f"""
import sys
from httpie.plugins.manager import PluginManager
PluginManager.iter_entry_points = lambda *_: iter(())
sys.argv[0] = {str(HTTP)!r}
from httpie.__main__ import main
sys.exit(main())
"""


class HTTPResult(NamedTuple):
    """What a command has written, and its exit status."""

    out: str
    err: str
    status: int

    @property
    def answer(self) -> Any:
        """The JSON that AuthServer has answered, alone on stdout."""
        assert self.status == 0, self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class WarmHTTP:
    """Starts `http` without the time that its imports take."""

    folder: Path
    """HTTPie's configuration, which it looks for while it is imported."""
    server: ForkServer

    @property
    def without_plugins(self) -> Path:
        """A script that is `http` as if this library were not installed."""
        return self.folder / "without_plugins.py"


@dataclass
class Home:
    """A user's home, with profiles in it, and a shell whose output never holds a token."""

    folder: Path
    warm_http: WarmHTTP
    warm_command: ForkServer
    stores: dict[str, FileStore] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file = self.folder / "profiles.toml"
        self.environment |= {
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "HTTPIE_CONFIG_DIR": str(self.warm_http.folder),
            "REQUESTS_JWT_PROFILES": str(self.file),
            "NO_PROXY": "*",
            "SSL_CERT_FILE": os.devnull,  # the machine's CAs: not needed, and slow to read
        }

    def profile(self, name: str, base_url: str, more: str = "") -> None:
        """Write one more profile, whose tokens are kept in a file."""
        path = self.folder / f"{name}.json"
        self.stores[name] = FileStore(path)
        with self.file.open("a") as file:
            file.write(
                f'[{name}]\nbase_url = "{base_url}"\n'
                f'[{name}.refresh]\nkind = "json"\nurl = "/auth/refresh"\n'
                f'[{name}.store]\nkind = "file"\npath = "{path}"\n{more}\n'
            )

    def log_in(self, name: str, server: AuthServer) -> Token:
        """Save a token of the user `name`: strings alone, which do not tell when they expire."""
        token = server.login(name)
        self.stores[name].save(token)
        self._note_secrets()
        return token

    def http(self, *arguments: str, stdin: IO[bytes] | bytes | None = None) -> HTTPResult:
        """Run the real `http`, in a process that has done its imports already."""
        return self.http_by(HTTP, *arguments, stdin=stdin)

    def plain_http(self, *arguments: str, stdin: IO[bytes] | bytes | None = None) -> HTTPResult:
        """Run HTTPie as if this library were not installed."""
        return self.http_by(self.warm_http.without_plugins, *arguments, stdin=stdin)

    def http_by(
        self, script: Path, *arguments: str, stdin: IO[bytes] | bytes | None = None
    ) -> HTTPResult:
        """Run a script that does what `http` does, in a process that has done its imports."""
        command = [str(script), *_sort(arguments, stdin)]
        return self._run_warm(self.warm_http.server, command, stdin)

    def run_http(self, profile: str, *arguments: str) -> HTTPResult:
        """Run `http` under `requests-jwt run`."""
        command = [COMMAND, "run", profile, "--", str(HTTP), "--ignore-stdin", *arguments]
        return self._run_warm(self.warm_command, command, None)

    def run(self, command: list[str], **environment: str) -> HTTPResult:
        """Run any command, from its very start."""
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WAIT,
            check=False,
            cwd=self.folder,
            env={**self._variables(), **environment},
        )
        return self._check(done.stdout, done.stderr, done.returncode)

    def _run_warm(
        self, server: ForkServer, command: list[str], stdin: IO[bytes] | bytes | None
    ) -> HTTPResult:
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            _open_source(stdin) as source,
        ):
            program = server.start(command, self._variables(), self.folder, (source, out, err))
            with kill_when_late(program):
                status = program.wait(WAIT)
            out.seek(0)
            err.seek(0)
            return self._check(out.read(), err.read(), status)

    def _variables(self) -> Mapping[str, str]:
        return {**_make_environment(), **self.environment}

    def _check(self, out: bytes, err: bytes, status: int) -> HTTPResult:
        self._note_secrets()
        assert not [secret for secret in self.secrets if secret.encode() in out + err]
        return HTTPResult(out.decode("utf-8", "backslashreplace"), err.decode(), status)

    def _note_secrets(self) -> None:
        for store in self.stores.values():
            if Path(store.path).is_file():
                token = store.load()
                assert token is not None
                self.secrets |= {token.access or "", token.refresh or ""} - {""}


@contextlib.contextmanager
def _open_source(stdin: IO[bytes] | bytes | None) -> Iterator[int]:
    """Yield a descriptor to read `stdin` from; bytes come through a pipe."""
    if isinstance(stdin, bytes):
        reader, writer = os.pipe()
        thread = threading.Thread(target=_write, args=(writer, stdin), daemon=True)
        thread.start()
        try:
            yield reader
        finally:
            os.close(reader)
            thread.join(WAIT)
    elif stdin is None:
        with Path(os.devnull).open("rb") as nothing:
            yield nothing.fileno()
    else:
        yield stdin.fileno()


def _write(descriptor: int, content: bytes) -> None:
    with (
        contextlib.suppress(BrokenPipeError),  # the program has not read it all
        open(descriptor, "wb", buffering=0) as file,
    ):
        while content:
            content = content[file.write(content) :]


def _sort(arguments: tuple[str, ...], stdin: IO[bytes] | bytes | None) -> list[str]:
    """Return the arguments with the options first, as argparse wants them."""
    quiet = ["--ignore-stdin"] if stdin is None else []
    return [*quiet, *sorted(arguments, key=lambda each: not each.startswith("-"))]


def _make_environment() -> dict[str, str]:
    """Return our own environment, without what changes how HTTPie or this library works."""
    unwanted = re.compile(r"REQUESTS_|CURL_CA|HTTPIE_|NETRC|PYTHON_KEYRING|.*_PROXY", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not unwanted.match(name)}


@pytest.fixture(scope="session")
def warm_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmHTTP]:
    """HTTPie, imported once."""
    folder = tmp_path_factory.mktemp("httpie")
    config = {"disable_update_warnings": True}  # and no process that asks for updates
    (folder / "config.json").write_text(json.dumps(config))
    modules = ("httpie.core", "httpie.cli.definition", "requests_toolbelt", "filelock")
    ours = ("inject.proxy", "profiles.load", "stores.file")  # and not the plugin itself
    with ForkServer(
        *modules,
        *(f"requests_jwt_refresh.{name}" for name in ours),
        HTTPIE_CONFIG_DIR=str(folder),
    ) as server:
        warm = WarmHTTP(folder, server)
        warm.without_plugins.write_text(WITHOUT_PLUGINS)
        yield warm


@pytest.fixture
def home(tmp_path: Path, warm_http: WarmHTTP, warm_command: ForkServer) -> Home:
    """A user without profiles."""
    return Home(tmp_path, warm_http, warm_command)


@pytest.fixture
def alice(home: Home, server: AuthServer) -> Home:
    """A user with a profile for the server, logged in."""
    home.profile("alice", server.url)
    home.log_in("alice", server)
    return home


@pytest.fixture(params=[True, False], ids=["read first", "refused unread"])
def opaque_server(request: pytest.FixtureRequest) -> Iterator[AuthServer]:
    """A server whose tokens do not tell when they expire."""
    with AuthServer(opaque=True, read_body_first=request.param) as server:
        yield server


def list_api_requests(server: AuthServer) -> list[Any]:
    """Return the requests to the server's API."""
    return [seen for seen in server.requests if seen.kind == "api"]


def find_warning(done: HTTPResult) -> list[str]:
    """Return the one warning there is: what is wrong, and what helps."""
    lines = done.err.splitlines()
    assert len(lines) == 2, done.err
    assert all(line.startswith("requests-jwt: ") for line in lines)
    return lines


def find_error(done: HTTPResult) -> str:
    """Return what HTTPie says is wrong, in a line or two."""
    assert done.status == 1
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line]
    assert len(lines) <= 2, done.err
    assert lines[0].startswith("http: error: ")
    return done.err
