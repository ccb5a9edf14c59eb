"""Sub-interpreters, as mod_wsgi and uWSGI give one to each application.

No signal handler can be set there, no daemon thread started, and none may be left at the end.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore
from tests.support.users import load_token

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

# These hosts share one lock between all interpreters: "legacy", or not isolated.
RUN = """
import sys
try:
    import _interpreters as interpreters
    here = interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    here = interpreters.create(isolated=False)
failed = interpreters.run_string(here, sys.argv[1])
interpreters.destroy(here)
assert failed is None, failed
"""


def run_in_sub_interpreter(code: str) -> str:
    """Run `code` in a sub-interpreter of a new process that then ends; return what it prints."""
    done = subprocess.run(
        # charset_normalizer cannot be imported there, of which requests warns
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            RUN,
            f"import sys; sys.path[:] = {sys.path}\n{code}",
        ],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def test_a_call_that_logs_in() -> None:
    """Leader and thread work together as everywhere."""
    code = """
from requests_jwt_refresh.refresh.sigterm import defer_sigterm
from requests_jwt_refresh.refresh.single_flight import SingleFlight
with defer_sigterm():
    call = SingleFlight().join(lambda call: call.run_in_leader(lambda: "done"), 30)
print(call.outcome.get(), flush=True)
"""
    assert run_in_sub_interpreter(code) == "done\n"


def test_the_end_of_a_sub_interpreter() -> None:
    """It aborts the process if a thread is left that `threading` does not know."""
    code = """
import threading, time
from requests_jwt_refresh.refresh.single_flight import shield
start = threading.Thread.start
def start_slowly(thread):
    start(thread)
    time.sleep(0.3)
threading.Thread.start = start_slowly
shield(print)
"""
    assert run_in_sub_interpreter(code) == "\n"


@pytest.mark.parametrize("where", ["in its main thread", "in a thread"])
def test_a_whole_refresh(server: AuthServer, tmp_path: Path, where: str) -> None:
    """A 401, a refresh, the resent request, and the new token in its file."""
    store = FileStore(tmp_path / "token")
    store.save(server.login())
    before = load_token(store)
    server.expire()
    code = f"""
import threading, requests
from requests_jwt_refresh import FileStore, JSONEndpoint, mount
def get():
    with requests.Session() as session:
        session.trust_env = False
        store = FileStore({str(store.path)!r})
        mount(session, {server.url!r}, JSONEndpoint("/auth/refresh"), store)
        print(session.get("/api/x").status_code, flush=True)
if {where!r} == "in a thread":
    thread = threading.Thread(target=get)
    thread.start()
    thread.join()
else:
    get()
"""
    assert run_in_sub_interpreter(code) == "200\n"
    assert (server.counters.refreshes, server.counters.answered) == (1, 1)
    assert load_token(store).refresh != before.refresh
