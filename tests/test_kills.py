"""What dies, ends or forks in the middle of a refresh, each at a known moment.

For deaths at random moments see tests/stress/kills.py.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from requests_jwt_refresh import KeyringStore, StoreError, Token
from requests_jwt_refresh.refresh.limits import MAX_COOLDOWN
from requests_jwt_refresh.testing import AuthServer, Exchange, Headers, RecordedRequest
from requests_jwt_refresh.testing.ledger import Ledger
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.kills import Outcome, kill_one, was_in_flight
from tests.stress.locations import StoreLocation
from tests.stress.programs import (
    call,
    call_once,
    fork,
    handle_signals,
    leave,
    leave_a_child,
    start_program,
    use_a_pool,
)
from tests.stress.workers import LEASE, mount_session, read_line, step
from tests.support.redis_server import running_redis
from tests.support.secret_service import running_secret_service, secret_service
from tests.support.shared_store import call_all, load_newest, make_store_at, place, workers
from tests.support.waits import WAIT, interrupt, join, start, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.clock import Clock
    from tests.support.secret_service import SecretService

__all__ = ["place", "running_redis", "running_secret_service", "secret_service"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and fork")

LOCK_IS_FREE: Final = 5 * LEASE  # seconds; the bound for a lock whose holder has died


@contextmanager
def running(
    program: Callable[..., None], place: StoreLocation, server: AuthServer, *more: str
) -> Iterator[subprocess.Popen[str]]:
    """Run `program` until it has made its first call with a new login, which then expires."""
    make_store_at(place).save(with_expiry(server.login()))
    with start_program(program, place, server.url, *more) as process:
        try:
            assert read_line(process) == "200"
            server.expire()
            yield process
        finally:
            process.kill()


def assert_lock_is_free(place: StoreLocation) -> None:
    with make_store_at(place).lock(LOCK_IS_FREE):  # LockTimeout otherwise
        pass


# --- Signals and the end of the program ----------------------------------------------------------


@pytest.mark.parametrize(
    ("grace", "answer", "reuse"), [(0.0, 401, 1), (3600.0, 200, 0)], ids=["no grace", "grace"]
)
def test_a_kill_while_the_server_answers(
    place: StoreLocation, server: AuthServer, grace: float, answer: int, reuse: int
) -> None:
    """The old token is whole and the lock free; the login lives on if the server has a grace."""
    server.grace = grace
    with workers(place, server, 1) as (worker,):
        assert call_all([worker]) == ["200"]
        before = load_newest(place)
        server.expire()
        with server.gate(on="refresh") as gate:
            step(worker)
            gate.wait_for(1, timeout=WAIT)
            worker.kill()
            worker.wait(WAIT)
            assert_lock_is_free(place)
            assert load_newest(place) == before
    wait_until(lambda: server.counters.rotated == 1)  # the response reaches no client
    assert call_once(place.kind, place.name, server.url) == answer
    assert (make_store_at(place).load() is None) == (answer == 401)
    assert server.counters.reuse == reuse


@pytest.mark.parametrize(
    ("number", "end"), [(signal.SIGTERM, 3), (signal.SIGINT, -signal.SIGINT)], ids=["TERM", "INT"]
)
def test_a_signal_that_python_handles(
    place: StoreLocation, server: AuthServer, number: signal.Signals, end: int
) -> None:
    """SystemExit or KeyboardInterrupt in the leader: the new token is saved before the end."""
    with running(handle_signals, place, server) as process:
        before = load_newest(place)
        with server.gate(on="refresh") as gate:
            step(process)
            gate.wait_for(1, timeout=WAIT)
            interrupt(process, number)
            assert read_line(process) == "ending"
            gate.open()
            assert process.wait(WAIT) == end
    assert load_newest(place).refresh != before.refresh
    assert server.family_alive(load_newest(place))
    assert server.counters.refreshes == 1


def test_the_end_of_the_program(place: StoreLocation, server: AuthServer) -> None:
    """A program that ends in the middle of a refresh saves the new token first."""
    with running(leave, place, server) as process:
        before = load_newest(place)
        with server.gate(on="refresh") as gate:
            step(process)
            gate.wait_for(1, timeout=WAIT)
            step(process)
            assert read_line(process) == "leaving"
            gate.open()
            assert process.wait(WAIT) == 0
    assert load_newest(place).refresh != before.refresh
    assert server.family_alive(load_newest(place))
    assert server.counters.refreshes == 1
    assert_lock_is_free(place)


def test_sigterm_while_a_thread_leads(place: StoreLocation, server: AuthServer) -> None:
    """With the default action and the main thread elsewhere it is a kill: it ends at once."""
    server.grace = 3600.0
    with running(leave, place, server) as process:
        before = load_newest(place)
        with server.gate(on="refresh") as gate:
            step(process)
            gate.wait_for(1, timeout=WAIT)
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT) == -signal.SIGTERM
            assert_lock_is_free(place)
            assert load_newest(place) == before
    wait_until(lambda: server.counters.rotated == 1)
    assert call_once(place.kind, place.name, server.url) == 200
    assert server.counters.reuse == 0


# --- Forks ---------------------------------------------------------------------------------------


def test_a_fork_while_a_thread_leads(place: StoreLocation, server: AuthServer) -> None:
    """The child waits for its parent's result and adopts it."""
    with running(fork, place, server) as process:
        with server.gate(on="refresh") as gate:
            step(process)
            gate.wait_for(1, timeout=WAIT)
            step(process)
            wait_until(lambda: server.counters.unauthorized == 2)  # the child's 401, too
            gate.open()
        assert read_line(process) == "0"
        assert process.wait(WAIT) == 0
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)
    assert server.family_alive(load_newest(place))


def test_a_child_that_outlives_its_parent(place: StoreLocation, server: AuthServer) -> None:
    """It does not keep the lock of a parent that was killed in the middle of a refresh."""
    server.grace = 3600.0
    with running(leave_a_child, place, server) as process, server.gate(on="refresh") as gate:
        step(process)
        gate.wait_for(1, timeout=WAIT)
        step(process)
        child = int(read_line(process))
        process.kill()
        process.wait(WAIT)
        try:
            assert_lock_is_free(place)
            os.kill(child, 0)  # it lives
        finally:
            os.kill(child, signal.SIGKILL)
    wait_until(lambda: server.counters.rotated == 1)
    assert call_once(place.kind, place.name, server.url) == 200


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool(place: StoreLocation, server: AuthServer, method: str) -> None:
    """The processes of a pool that meet one expiry share one refresh."""
    with running(use_a_pool, place, server, method) as process:
        with server.gate(on="refresh") as refreshes, server.gate(on="api") as calls:
            step(process)
            calls.wait_for(3, timeout=WAIT)
            calls.open()
            refreshes.wait_for(1, timeout=WAIT)
            wait_until(lambda: server.counters.unauthorized == 3)
            refreshes.open()
        assert json.loads(read_line(process)) == [200, 200, 200]
        assert process.wait(WAIT) == 0
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


# --- A keyring that is locked at the worst moment ------------------------------------------------


def test_a_keyring_that_locks_itself_before_the_save(
    server: AuthServer,
    secret_service: SecretService,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The new token is used from memory, warned about, and saved once the keyring is unlocked."""
    name = "locked-before-the-save.example.com"
    with mount_session("keyring", name, server.url) as (session, adapter):
        adapter.set_token(server.login())
        server.expire()
        statuses: list[int] = []
        with server.gate(on="refresh") as gate:
            (leader,) = start(lambda: statuses.append(call(session)))
            gate.wait_for(1, timeout=WAIT)
            secret_service.lock()
            gate.open()
            join(leader)
        store = KeyringStore(name, "workers")
        try:
            assert statuses == [200]
            assert "unlock it and try again" in caplog.text
            assert call(session) == 200
            with pytest.raises(StoreError, match="locked"):
                store.load()
        finally:
            secret_service.unlock()
        clock.advance(MAX_COOLDOWN)  # or it would not try again yet
        wait_until(lambda: call(session) == 200 and store.load() == adapter.token)
        adapter.clear_token()
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


# --- How tests/stress/kills.py tells a refresh in flight from a lost save ------------------------


def refresh_with(token: str) -> RecordedRequest:
    body = json.dumps({"refresh_token": token}).encode()
    return RecordedRequest("POST", "/auth/refresh", "refresh", 1, Headers([]), body=body)


@pytest.mark.parametrize(
    ("used", "stored", "in_flight"),
    [
        ("r0 r1 r1", "r1", True),
        ("r0 r0", "r0", True),
        ("r0 r1 r0", "r0", False),
        ("r0 r1 r2 r1", "r1", False),
        ("r0 r0 r0", "r0", False),
        ("r0 r1", "r1", False),
        ("r0 r0", None, False),
    ],
    ids=[
        "sent, not saved",
        "the first one",
        "one save missing",
        "a save missing later",
        "used again by the child",
        "refused at its first use",
        "nothing stored",
    ],
)
def test_what_the_last_two_refreshes_tell(
    used: str, stored: str | None, *, in_flight: bool
) -> None:
    """In flight: the last two, the child's and the refused one, used the stored token; no other."""
    requests = [refresh_with(token) for token in used.split()]
    token = None if stored is None else Token("a", stored)
    assert was_in_flight(requests, token) is in_flight


@pytest.fixture
def file_place(tmp_path: Path) -> StoreLocation:
    return StoreLocation("file", str(tmp_path / "token.json"), dict(os.environ))


class AnswerOnce:
    """Answers the first request, and no other."""

    def __init__(self) -> None:
        self._has_answered = False

    def play(self, exchange: Exchange) -> None:
        if self._has_answered:
            exchange.pause(None)
        self._has_answered = True
        exchange.send(exchange.work())


@pytest.mark.parametrize(
    ("job", "outcome"),
    [("refresh", Outcome.ALIVE), ("refresh_and_lose_a_save", Outcome.UNEXPLAINED)],
    ids=["saved", "lost"],
)
def test_a_save_that_is_lost_once_is_found(
    file_place: StoreLocation, server: AuthServer, job: str, outcome: Outcome
) -> None:
    """Killed in the second refresh: alive if the first was saved, unexplained if not."""
    server.fail(AnswerOnce(), times=2)

    def wait(_worker: object) -> None:
        wait_until(lambda: server.counters.faults == 2)

    assert kill_one(file_place, server, wait, job) is outcome


def test_a_refresh_in_flight_at_a_server_that_is_late(
    file_place: StoreLocation, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It records the dead child's request only after ours: the login is lost, and explained."""
    record, number = Ledger.record, itertools.count(1)
    has_arrived, may_go_on = threading.Event(), threading.Event()

    def record_late(ledger: Ledger, request: RecordedRequest) -> None:
        this = next(number)
        if this == 2:  # the one that the child does not live to see answered
            has_arrived.set()
            assert may_go_on.wait(WAIT)
        record(ledger, request)
        if this == 3:  # ours
            may_go_on.set()
            wait_until(lambda: server.counters.rotated == 2)

    monkeypatch.setattr(Ledger, "record", record_late)
    outcome = kill_one(file_place, server, lambda _worker: has_arrived.wait(WAIT))
    assert outcome is Outcome.LOST
    assert (server.counters.refreshes, server.counters.reuse) == (3, 1)
