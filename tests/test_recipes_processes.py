"""The recipes of .github/guide/recipes.md for several processes and for cron, really run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import requests
from celery import Celery

from requests_jwt_refresh import FileStore
from requests_jwt_refresh.testing import Drop, JSONBody
from tests.support.crowd import Crowd
from tests.support.pages import Page
from tests.support.programs import (
    Workspace,
    expire_and_revoke,
    log_out,
    warm_command,
    warm_programs,
    workspace,
)
from tests.support.redis_server import new_redis
from tests.support.users import mark_expired
from tests.support.waits import WAIT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

PAGE: Final = Page("recipes.md")
WORKERS: Final = 2
NO_KEYRING: Final = "keyring.backends.fail.Keyring"  # as where nobody has unlocked one
TELL_ADDRESS: Final = """\
import os

def when_ready(server):
    with open({0!r} + ".new", "w") as file:
        file.write(str(server.LISTENERS[0]))
    os.replace(file.name, {0!r})
"""


@dataclass(frozen=True)
class Setup:
    """A folder with a program of the page, and a login in the file that it names."""

    folder: Path
    server: AuthServer

    @property
    def environment(self) -> dict[str, str]:
        added = {"API": self.server.url, "TOKEN_FILE": str(self.folder / "token.json")}
        return {**os.environ, **added, "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1"}

    @contextmanager
    def running(self, *arguments: str, **environment: str) -> Iterator[None]:
        """Run a module of Python in the folder until the block ends, with all that it starts."""
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(WAIT)


@pytest.fixture
def setup(tmp_path: Path, server: AuthServer) -> Setup:
    FileStore(tmp_path / "token.json").save(server.login())
    for section, name in (("gunicorn", "app.py"), ("Celery", "tasks.py")):
        (tmp_path / name).write_text(PAGE.block(section, f"# {name}"))
    return Setup(tmp_path, server)


@contextmanager
def expiry_that_workers_meet_together(server: AuthServer) -> Iterator[None]:
    """Each worker has a request of its own at the API when the token expires."""
    with server.gate(on="api") as gate:
        yield
        gate.wait_for(WORKERS, WAIT)
        server.expire()


def assert_one_refresh(server: AuthServer) -> None:
    counters = server.counters
    assert (counters.refreshes, counters.reuse, counters.unauthorized) == (1, 0, WORKERS)


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_workers_of_gunicorn_share_one_refresh(
    setup: Setup, server: AuthServer, options: tuple[str, ...]
) -> None:
    """Two sync workers, each with one request: also where the app was made before the fork."""
    address = setup.folder / "address"
    (setup.folder / "gunicorn.conf.py").write_text(TELL_ADDRESS.format(str(address)))
    command = ("gunicorn", "--bind", "127.0.0.1:0", "--workers", str(WORKERS), *options, "app:app")
    with setup.running(*command):
        wait_until(address.exists, "the start of gunicorn")
        url = address.read_text()
        with expiry_that_workers_meet_together(server):
            crowd = Crowd(WORKERS, lambda _number: requests.get(url, timeout=WAIT))
        assert crowd.statuses() == [200] * WORKERS
    assert_one_refresh(server)


def test_workers_of_celery_share_one_refresh(setup: Setup, server: AuthServer) -> None:
    """A prefork pool of two, by a real Redis as the broker."""
    with new_redis() as broker:
        command = ("celery", "--app", "tasks", "worker", "--concurrency", str(WORKERS))
        with setup.running(*command, "--loglevel", "ERROR", "--without-mingle", BROKER=broker.url):
            with Celery(broker=broker.url) as app, expiry_that_workers_meet_together(server):
                for _ in range(WORKERS):
                    app.send_task("tasks.count_users", ignore_result=True)
            wait_until(lambda: server.counters.answered == WORKERS, "the end of the tasks")
    assert_one_refresh(server)


def test_a_pool_of_processes_shares_one_refresh(tmp_path: Path) -> None:
    """The program of the page prints what its comments say."""
    program = tmp_path / "report.py"
    program.write_text(PAGE.block("multiprocessing", "# report.py"))
    done = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["20", "1"], "")


def run_by_cron(workspace: Workspace, **variables: str) -> tuple[int, str, str]:
    """Run the page's line of a crontab as cron does; return its exit status, and what is printed.

    With nothing in the environment but what cron puts there, and the tests' own places.
    """
    (text,) = PAGE.blocks("cron", "sh")
    (line,) = PAGE.blocks("cron", "text")
    folder = str(workspace.folder)
    script = workspace.folder / "run.sh"
    script.write_text(text.replace("/opt/report/.venv/bin", str(Path(sys.executable).parent)))
    script.chmod(0o755)
    (workspace.folder / "report.py").write_text(
        "import os, requests\nprint(requests.get(os.environ['API'] + '/api/x').status_code)\n"
    )
    names = ("HOME", "API", "REQUESTS_JWT_PROFILES", "NO_PROXY", "XDG_CONFIG_HOME")
    environment = {name: workspace.environment[name] for name in names}
    environment |= {"PATH": "/usr/bin:/bin", "PYTHON_KEYRING_BACKEND": NO_KEYRING, **variables}
    command = line.split(maxsplit=5)[5].replace("/opt/report", folder)
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_cron_runs_the_program(workspace: Workspace) -> None:
    """Without a keyring, with a token in a file, across an expiry."""
    workspace.server.expire()
    assert run_by_cron(workspace) == (0, "200\n", "")
    assert workspace.server.counters.refreshes == 1


def test_cron_is_told_of_a_set_up_that_cannot_work(workspace: Workspace) -> None:
    """It fails, with what is wrong: another hour does not help."""
    workspace.server.fail(JSONBody({"token": "t"}), times=None)
    status, output, errors = run_by_cron(workspace)
    assert (status, output) == (1, "")
    assert "its JSON has no 'access_token'" in errors


def test_cron_says_that_a_login_is_needed(workspace: Workspace) -> None:
    """And fails, so that the mail is read."""
    log_out(workspace)
    status, output, errors = run_by_cron(workspace)
    assert (status, output) == (1, "")
    cause, remedy = errors.splitlines()
    assert "is not logged in" in cause
    assert remedy.endswith("bin/requests-jwt login prod --account default")


def test_cron_says_so_after_a_refusal_as_well(workspace: Workspace) -> None:
    workspace.store().save(mark_expired(workspace.token()))
    expire_and_revoke(workspace)(None)
    status, output, errors = run_by_cron(workspace)
    assert (status, output) == (1, "")
    cause, remedy = errors.splitlines()
    assert "refused the refresh token" in cause
    assert remedy.endswith("bin/requests-jwt login prod --account default")


def test_cron_waits_for_a_server_that_is_away(workspace: Workspace) -> None:
    """The next run tries again, with the tokens that were kept."""
    workspace.store().save(mark_expired(workspace.token()))
    workspace.server.expire()
    workspace.server.fail(Drop(), times=None)
    status, output, errors = run_by_cron(workspace)
    assert (status, output) == (1, "")
    assert errors == "report: the server cannot be asked; to be tried again\n"
    workspace.token()


def test_the_unit_of_systemd_keeps_the_token_in_its_own_folder() -> None:
    """`StateDirectory` makes it, and the program is told where."""
    (text,) = PAGE.blocks("systemd", "ini")
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    folder = f"/var/lib/{unit['Service']['StateDirectory']}/"
    assert f"TOKEN_FILE={folder}token.json" in text
    assert unit["Service"]["StateDirectoryMode"] == "0700"
