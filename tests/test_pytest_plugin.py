"""The fixture `jwt_server`, as users of the package meet it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import requests_jwt_refresh

if TYPE_CHECKING:
    from collections.abc import Sequence

USERS_TESTS = """
import pytest
import requests
from requests_jwt_refresh import JSONEndpoint, MemoryStore, RefreshUnavailable, mount
from requests_jwt_refresh.testing import Status

urls = []


@pytest.fixture
def session(jwt_server):
    session = requests.Session()
    session.trust_env = False
    store = MemoryStore(jwt_server.login())
    mount(session, jwt_server.url, JSONEndpoint("/auth/refresh"), store)
    return session


def test_expiry(jwt_server, session):
    urls.append(jwt_server.url)
    jwt_server.expire()
    assert session.get("/api/users").status_code == 200
    assert jwt_server.counters.rotated == 1


def test_outage(jwt_server, session):
    urls.append(jwt_server.url)
    jwt_server.expire()
    jwt_server.fail(Status(500), times=None)
    with pytest.raises(RefreshUnavailable):
        session.get("/api/users")


def test_a_new_server_for_each_test(jwt_server):
    assert jwt_server.counters.requests == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(urls[0], timeout=10)
"""


def run_pytest(
    folder: Path, *options: str, start: Sequence[str] = ("-m", "pytest"), path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, *start, "-q", "-W", "error", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_users_have_the_fixture_without_set_up(tmp_path: Path) -> None:
    """After pip install `jwt_server` is there: expiry and outage in three lines."""
    (tmp_path / "test_mine.py").write_text(USERS_TESTS)
    done = run_pytest(tmp_path)
    assert "3 passed" in done.stdout, done.stdout


MISTAKEN_TESTS = """
import pytest
import requests
from requests_jwt_refresh import JSONEndpoint, MemoryStore, RefreshUnavailable, mount
from requests_jwt_refresh.testing import AuthServer, Status


class Broken:
    def __init__(self, play):
        self.play = play


def misspell(exchange):
    exchange.sent(exchange.work())


def read_a_lost_file(exchange):
    open("nowhere.json").read()


def show_a_token(exchange):
    token = exchange.request.headers["X-Token"]
    raise ValueError(f"seen {token} and {token[4:60]}...")


def skip(exchange):
    pytest.skip("not here")


def meet_an_outage(server, on="refresh"):
    session = requests.Session()
    session.trust_env = False
    store = MemoryStore(server.login())
    endpoint = JSONEndpoint("/auth/refresh")
    mount(session, server.url, endpoint, store, refresh_timeout=0.5)
    server.expire()
    headers = {"X-Token": store.load().refresh}
    with pytest.raises(requests.RequestException):
        session.get("/api/users", headers=headers, timeout=10)


@pytest.mark.parametrize("play", [misspell, read_a_lost_file])
def test_a_fault(jwt_server, play):
    jwt_server.fail(Broken(play), times=None)
    meet_an_outage(jwt_server)


def test_a_token(jwt_server):
    jwt_server.fail(Broken(show_a_token), on="api")
    meet_an_outage(jwt_server)


def show_a_password(exchange):
    raise ValueError(f"seen {exchange.request.body}")


def test_a_password(jwt_server):
    jwt_server.fail(Broken(show_a_password), on="login")
    with pytest.raises(requests.ConnectionError):
        content = {"username": "alice", "password": "correct horse"}
        content["refresh_token"] = "of-another-server"
        requests.post(jwt_server.login_url, json=content, timeout=10)


def test_a_predicate(jwt_server):
    jwt_server.fail(Status(503), on=lambda path: path.index("/reports/"), times=None)
    meet_an_outage(jwt_server)


def test_an_option(jwt_server):
    jwt_server.expired = Status(401, headers={"X-Why": chr(0x2713)})
    meet_an_outage(jwt_server)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_outcome(jwt_server):
    jwt_server.fail(Broken(skip), on="api")
    meet_an_outage(jwt_server)
"""
RAISED = {
    "test_a_fault[misspell]": (
        "Raised in the fault Broken of this test, at POST /auth/refresh:",
        "exchange.sent(exchange.work())",
        "AttributeError: 'Exchange' object has no attribute 'sent'",
    ),
    "test_a_fault[read_a_lost_file]": (
        "FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.json'",
    ),
    "test_a_token": ("ValueError: seen *** and ***...",),
    "test_a_password": ('"username": "alice", "password": "***", "refresh_token": "***"',),
    "test_a_predicate": (
        "Raised in a predicate of this test (on=), at GET /api/users:",
        "ValueError: substring not found",
    ),
    "test_an_option": ("Raised in the server,", "UnicodeEncodeError: "),
    "test_an_outcome": ("Skipped: not here",),
}


def test_a_mistake_in_a_fault_is_no_outage(tmp_path: Path) -> None:
    """A test that expects an outage fails at its end with what its own code raised, tokens hidden.

    So it does for a predicate, an option's value, an OSError of the fault's own and pytest.skip().
    """
    (tmp_path / "test_mine.py").write_text(MISTAKEN_TESTS)
    done = run_pytest(tmp_path, "-rN")
    assert f"{len(RAISED)} passed, {len(RAISED)} errors" in done.stdout, done.stdout
    _, *parts = done.stdout.split(" ERROR at teardown of ")
    reports = {part.partition(" ")[0]: part for part in parts}
    assert set(reports) == set(RAISED)
    for name, texts in RAISED.items():
        assert "jwt_server could not respond" in reports[name]
        assert [each for each in texts if each not in reports[name]] == [], reports[name]
        assert reports[name].count("Raised in") == 1  # each retry had the same
    for secret in ("correct horse", "of-another-server", "eyJ"):
        assert secret not in done.stdout + done.stderr  # on the server's stderr, either


LEAVING_TESTS = """
import pytest
import requests
from requests_jwt_refresh.testing import Delay, Drop, Hang, Huge


class Late:
    def play(self, exchange):
        exchange.pause(None)
        exchange.send(exchange.work())


class Talking:
    def play(self, exchange):
        while True:
            exchange.send_bytes(b"x" * 65536)


@pytest.mark.parametrize("fault", [Late(), Talking(), Hang(), Drop(), Huge(50_000_000)])
def test_leave(jwt_server, fault):
    jwt_server.fail(fault, on="public")
    with pytest.raises(requests.RequestException):
        with requests.get(jwt_server.url + "/public/x", timeout=0.2, stream=True) as response:
            raise requests.RequestException
"""


def test_a_client_that_leaves_fails_no_test(tmp_path: Path) -> None:
    """Neither do a fault that waits when the test ends, and one that closes the connection."""
    (tmp_path / "test_mine.py").write_text(LEAVING_TESTS)
    done = run_pytest(tmp_path)
    assert "5 passed" in done.stdout, done.stdout
    assert done.returncode == 0, done.stdout


def test_the_fixture_is_listed_with_what_it_is_for(tmp_path: Path) -> None:
    """`pytest --fixtures` explains it."""
    done = run_pytest(tmp_path, "--fixtures")
    assert "jwt_server" in done.stdout
    assert "Start a real token server and API on loopback" in done.stdout


OTHER_TESTS = """
import sys


def test_other():
    ours = {name for name in sys.modules if name.startswith("requests_jwt_refresh")}
    assert ours == {"requests_jwt_refresh", "requests_jwt_refresh.pytest_plugin"}
"""


def test_a_run_without_it_loads_next_to_nothing(tmp_path: Path) -> None:
    """Without the fixture only the plugin's own module is loaded."""
    (tmp_path / "test_other.py").write_text(OTHER_TESTS)
    assert "1 passed" in run_pytest(tmp_path).stdout


def install(folder: Path) -> None:
    """Install this package into `folder` as pip does with a wheel, whose files are all listed."""
    package = Path(requests_jwt_refresh.__file__).parent
    (folder / package.name).symlink_to(package)
    info = folder / "requests_jwt_refresh-9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: requests-jwt-refresh\nVersion: 9\n"
    )
    files = sorted(each.relative_to(package.parent) for each in package.rglob("*.py"))
    (info / "RECORD").write_text("".join(f"{each},,\n" for each in files))
    entry_points = metadata.distribution("requests-jwt-refresh").read_text("entry_points.txt")
    (info / "entry_points.txt").write_text(entry_points or "")


def test_an_import_before_pytest_is_no_warning(tmp_path: Path) -> None:
    """A script that uses the library and then starts pytest has its tests run, with -W error."""
    install(tmp_path)
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass")
    for module in ("requests_jwt_refresh", "requests_jwt_refresh.testing"):
        code = f"import pytest, sys, {module}; sys.exit(pytest.main(sys.argv[1:]))"
        done = run_pytest(tmp_path, start=("-c", code), path=tmp_path)
        assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_assertions_of_the_store_contract_are_rewritten(tmp_path: Path) -> None:
    """Whoever's store fails the contract is shown the values that differ."""
    install(tmp_path)
    (tmp_path / "test_mine.py").write_text(
        "import sys\nimport requests_jwt_refresh.testing.contract as contract\n"
        "def test_mine(): assert '@pytest_ar' in vars(contract)"
    )
    assert "1 passed" in run_pytest(tmp_path, path=tmp_path).stdout
