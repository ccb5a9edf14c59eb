"""What programs do to sessions and adapters is what they would have done without `run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.test_run import COMMAND, WAIT, Ended, Place, place

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["place"]  # a fixture

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

START = "import functools, os, requests, sys\nurl = os.environ['API'] + '/api/x'\n"

WRAPPED = """
session = requests.Session()
adapter = session.get_adapter(url)
adapter.send = functools.partial(adapter.send, timeout=5)
print(session.get(url).status_code, session.get(url).status_code)
"""

OPTIONS = """
from requests.adapters import HTTPAdapter

class Own(HTTPAdapter):
    def send(self, request, **options):
        print(options.pop("retries", 0), options.setdefault("timeout", 7), sorted(options))
        return super().send(request, **options)

session = requests.Session()
session.mount("http://", Own())
prepared = session.prepare_request(requests.Request("GET", url))
session.send(prepared)
session.send(prepared, retries=3)
"""

RAISES = """
from requests.adapters import HTTPAdapter
from requests_jwt_refresh import RefreshUnavailable

class Own(HTTPAdapter):
    def send(self, request, **options):
        super().send(request, **options)
        raise RefreshUnavailable("of the program's own")

session = requests.Session()
session.mount("http://", Own())
try:
    session.post(url, data=b"x")
except RefreshUnavailable as error:
    print(error)
"""

SHOWN = """
session = requests.Session()
adapter = session.get_adapter(url)
print(adapter == session.adapters["http://"], session.adapters["http://"] == adapter)
print({adapter: 1}[session.adapters["http://"]], adapter != session.adapters["https://"])
"""

OWN_TOKEN = """
from requests_jwt_refresh import JSONEndpoint, JWTRefreshAdapter, MemoryStore, Token
carol = Token(sys.stdin.readline().strip())
session = requests.Session()
mounted = JWTRefreshAdapter(
    os.environ["API"], JSONEndpoint("/auth/refresh"), MemoryStore(carol),
    transport=session.get_adapter(url),
)
session.mount(os.environ["API"], mounted)
print(session.get(url).json()["user"])
"""


@pytest.mark.parametrize("code", [OPTIONS, SHOWN], ids=["options", "shown"])
def test_as_without_us(code: str, place: Place) -> None:
    """The session's own adapter gets the options that it would have got, and compares as itself."""
    plain, dressed = place.plain("-c", START + code), place.run("-c", START + code)
    assert plain.status == 0
    assert dressed == plain


def test_a_wrapper_around_send(place: Place) -> None:
    """Who wraps the adapter's send is called, and calls what is below."""
    assert place.run("-c", START + WRAPPED) == Ended(0, "200 200\n", "")


def test_an_adapter_that_raises(place: Place) -> None:
    """What the session's own adapter raises after sending is not sent again."""
    ended = place.run("-c", START + RAISES)
    assert ended == Ended(0, "of the program's own\n", "")
    assert [each.method for each in place.server.requests] == ["POST"]


def test_a_program_with_a_token_of_its_own(place: Place) -> None:
    """An adapter of ours that the program mounts itself sends the program's token."""
    code = START + OWN_TOKEN
    done = subprocess.run(
        [COMMAND, "run", "prod", "--", sys.executable, "-c", code],
        input=str(place.server.login("carol").access),
        env={**os.environ, **place.environment},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("carol\n", "")


def test_a_package_that_is_called_requests_too(place: Place, tmp_path: Path) -> None:
    """A program's own package of that name is left alone."""
    package = tmp_path / "requests"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sessions.py").write_text("mine = 1\n")
    (tmp_path / "main.py").write_text("import requests.sessions\nprint(requests.sessions.mine)\n")
    assert place.run("main.py", folder=tmp_path) == Ended(0, "1\n", "")


@pytest.mark.parametrize(
    "path", ["/auth/login", "/auth/login#f", "//auth/login", "/auth/login?a=1"]
)
def test_a_login_by_hand_is_sent_once(path: str, place: Place) -> None:
    """However it is written: a wrong password counts once, and no token goes along."""
    code = f"print(requests.post(os.environ['API'] + {path!r}, json={{}}).status_code)"
    ended = place.run("-c", START + code)
    assert ended.output in ("401\n", "200\n")  # "//..." is no login to AuthServer
    assert ended.errors == ""
    (seen,) = place.server.requests
    assert seen.bearer is None


@pytest.mark.parametrize("name", ["", ",", " , "])
def test_no_profile_named(name: str, place: Place) -> None:
    """An empty variable in a shell script is a mistake, and does not mean all profiles."""
    ended = place.run("-c", "print(1)", name=name)
    assert (ended.status, ended.output) == (2, "")
    assert len(ended.errors.splitlines()) == 2


@pytest.mark.parametrize("command", ["status prod", "profiles"])
def test_nowhere_to_write(command: str, place: Place) -> None:
    """With its output closed a command does its work, and with a full disk it says so."""
    assert place.start(["sh", "-c", f"{COMMAND} {command} >&-"]).errors == ""
    ended = place.start(["sh", "-c", f"{COMMAND} {command} >/dev/full"])
    assert ended.status == 1
    assert "cannot be written" in ended.errors
    assert "Traceback" not in ended.errors


def test_init_leaves_what_is_no_file(place: Place) -> None:
    """A named pipe or a device is not replaced."""
    pipe = place.folder / "pipe"
    os.mkfifo(pipe)
    init = [COMMAND, "init", "n", "--base-url", "https://h", "--refresh-url", "/r"]
    ended = place.start(init, REQUESTS_JWT_PROFILES=str(pipe))
    assert ended.status == 2
    assert pipe.is_fifo()


def test_init_keeps_line_ends(place: Place) -> None:
    """What else is in the file stays as it is."""
    before = place.profiles.read_bytes().replace(b"\n", b"\r\n")
    place.profiles.write_bytes(before)
    init = [COMMAND, "init", "n", "--base-url", "https://h", "--refresh-url", "/r"]
    assert place.start(init).status == 0
    assert place.profiles.read_bytes().startswith(before)


def test_ctrl_c_while_a_refresh_token_is_tried(place: Place) -> None:
    """The login of before is still there."""
    before = place.token()
    with (
        place.server.gate(on="refresh") as gate,
        subprocess.Popen(
            [COMMAND, "login", "prod", "--refresh-token", "-"],
            env={**os.environ, **place.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(b"bogus\n")
        process.stdin.close()
        gate.wait_for(1, timeout=WAIT)
        process.send_signal(signal.SIGINT)
        gate.open()
        assert process.wait(WAIT) in (130, 3)
    assert place.token() == before
