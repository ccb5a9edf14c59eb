"""The fixture `jwt_server`, as users of the package meet it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

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


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options],
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
