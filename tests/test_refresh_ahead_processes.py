"""Refresh ahead where a program ends, forks, or is told to end, in the middle of it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore, MemoryStore, Token, mount
from requests_jwt_refresh.tokens import with_values
from tests.support.users import ENDPOINT
from tests.support.waits import WAIT, finish_background, interrupt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

START = """\
import atexit, signal, sys, time, requests
from requests_jwt_refresh import FileStore, JSONEndpoint, mount
session = requests.Session()
session.trust_env = False
adapter = mount(session, sys.argv[1], JSONEndpoint("/auth/refresh"), FileStore(sys.argv[2]))
def call():
    print(session.get("/api/x").status_code, flush=True)
def begin():
    call()
    refresh = adapter._refresher.flight.call
    while refresh is not None and refresh.state.value == "queued":
        time.sleep(0.001)  # if the program ends before its thread is there, nothing begins
"""
with_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
with_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


@pytest.fixture
def store(server: AuthServer, tmp_path: Path) -> FileStore:
    """A file with a token that is valid for 30 s more, and has lived for 270 s."""
    store, now = FileStore(tmp_path / "token.json"), time.time()
    store.save(with_values(server.login(), received_at=now - 270, expires_at=now + 30))
    return store


@contextmanager
def program(server: AuthServer, store: FileStore, code: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program that has the file's token."""
    with subprocess.Popen(
        [sys.executable, "-c", START + code, server.url, str(store.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def load(store: FileStore) -> Token:
    token = store.load()
    assert token is not None
    return token


def test_the_end_of_the_program(server: AuthServer, store: FileStore) -> None:
    """It finishes the refresh, and saves what came of it."""
    before = load(store)
    with server.gate(on="refresh") as gate, program(server, store, "begin()") as child:
        gate.wait_for(1, timeout=WAIT)
        assert child.stdout is not None
        assert child.stdout.readline() == "200\n"
        gate.open()
        assert (child.wait(WAIT), child.communicate()[1]) == (0, "")
    assert load(store).refresh != before.refresh
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


def test_none_begins_once_the_program_ends(server: AuthServer, store: FileStore) -> None:
    """A thread that is started then may be cut off between the server's answer and the store."""
    before = load(store)
    code = """
def end():
    call()
    print("idle" if adapter._refresher.flight.call is None else "busy")
atexit.register(end)
"""
    with server.gate(on="refresh"), program(server, store, code) as child:
        assert child.communicate(timeout=WAIT) == ("200\nidle\n", "")
    assert load(store) == before
    assert server.counters.refreshes == 0


def test_a_server_that_does_not_answer_at_the_end_of_the_program(
    server: AuthServer, store: FileStore
) -> None:
    """The end waits so long and no longer; then the connection is closed, and it is said."""
    before = load(store)
    code = """
from requests_jwt_refresh.refresh import refresher
refresher.EXIT_GRACE = 0.3
begin()
"""
    with server.gate(on="refresh") as gate, program(server, store, code) as child:
        gate.wait_for(1, timeout=WAIT)
        _, errors = child.communicate(timeout=WAIT)
    assert child.returncode == 0
    assert "/auth/refresh" in errors
    assert "a new login" in errors
    assert len(errors.splitlines()) == 1
    assert load(store) == before


def test_a_lock_that_is_held_at_the_end_of_the_program(
    server: AuthServer, store: FileStore
) -> None:
    """A refresh that nobody waits for does not wait long for the lock of another program."""
    code = """
from requests_jwt_refresh.refresh import leader
leader.MAX_EARLY_WAIT = 0.3
begin()
"""
    with store.lock(WAIT), program(server, store, code) as child:
        assert child.communicate(timeout=WAIT * 0.9)[0] == "200\n"
    assert server.counters.refreshes == 0


@with_signals
def test_sigterm(server: AuthServer, store: FileStore) -> None:
    """Nobody waits for the refresh, but the signal does: the new token is saved first."""
    before = load(store)
    code = "call()\ntime.sleep(60)"
    with server.gate(on="refresh") as gate, program(server, store, code) as child:
        gate.wait_for(1, timeout=WAIT)
        assert child.stdout is not None
        assert child.stdout.readline() == "200\n"
        interrupt(child, signal.SIGTERM)
        gate.open()
        assert child.wait(WAIT) == -signal.SIGTERM
    assert load(store).refresh != before.refresh


@with_signals
def test_sigterm_after_it(server: AuthServer, store: FileStore) -> None:
    """The program dies of it at once, as without us."""
    code = """
call()
from tests.support.waits import finish_background
finish_background()
print("done", flush=True)
time.sleep(60)
"""
    with program(server, store, code) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(2)] == ["200\n", "done\n"]
        interrupt(child, signal.SIGTERM)
        assert child.wait(WAIT) == -signal.SIGTERM


# --- Forks ---------------------------------------------------------------------------------------


def in_child(session: requests.Session, times: int) -> int:
    """Call in a forked child; return how many warnings that name FileStore it has logged."""
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        warnings: list[str] = []
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("requests_jwt_refresh").addHandler(handler)
        try:
            statuses = {session.get("/api/x").status_code for _ in range(times)}
            finish_background()
            named = sum("FileStore" in each for each in warnings)
            os._exit(named if statuses == {200} else 99)
        finally:
            os._exit(98)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@with_fork
def test_a_token_that_a_child_has_inherited(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """It is not refreshed ahead there: parent and child would log each other out.

    At its end it is refreshed, since there is no other way, with a word about it.
    """
    adapter = mount(session, server.url, ENDPOINT, MemoryStore())
    adapter.set_token(server.login())
    assert session.get("/api/x").status_code == 200
    clock.advance(264)
    assert in_child(session, 2) == 0
    assert server.counters.refreshes == 0
    clock.advance(36)
    assert in_child(session, 2) == 1
    assert server.counters.refreshes == 1


@with_fork
def test_a_token_in_a_store_that_both_share(
    server: AuthServer, session: requests.Session, clock: Clock, tmp_path: Path
) -> None:
    """The child refreshes it ahead, and the parent finds that."""
    adapter = mount(session, server.url, ENDPOINT, FileStore(tmp_path / "token.json"))
    adapter.set_token(server.login())
    clock.advance(264)
    assert in_child(session, 1) == 0
    assert server.counters.refreshes == 1
    assert session.get("/api/x").status_code == 200
    finish_background()
    assert session.get("/api/x").status_code == 200
    assert (server.counters.refreshes, server.counters.unauthorized) == (1, 0)
