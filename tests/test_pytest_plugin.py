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
