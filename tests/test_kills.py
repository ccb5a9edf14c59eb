"""What dies, ends or forks in the middle of a refresh, each at a known moment.

For deaths at random moments see tests/stress/kills.py.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import KeyringStore, StoreError
from requests_jwt_refresh.refresh import refresher
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.workers import LEASE, ROOT, mounted, step, told
from tests.support.redis_server import running_redis
from tests.support.secret_service import running_secret_service, secret_service
from tests.test_processes import call_all, newest, place, store_of, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from requests_jwt_refresh.testing import AuthServer
    from tests.stress.soak import Place
    from tests.support.secret_service import SecretService

__all__ = ["place", "running_redis", "running_secret_service", "secret_service"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and fork")

WAIT = 60.0  # seconds; only a failing test ever passes them
LOCK_IS_FREE = 5 * LEASE  # seconds; the bound for a lock whose holder has died


# --- Programs: run in processes of their own -----------------------------------------------------


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def call(session: requests.Session) -> int:
    return session.get("/api/x", timeout=WAIT).status_code


def call_once(kind: str, name: str, url: str) -> int:
    with mounted(kind, name, url) as (session, _adapter):
        return call(session)


@contextmanager
def led_by_a_thread(kind: str, name: str, url: str) -> Iterator[threading.Thread]:
    """Call once; after a line let a thread call, which meets the expiry; after another go on."""
    with mounted(kind, name, url) as (session, _adapter):
        say(call(session))
        sys.stdin.readline()
        leader = threading.Thread(target=call, args=(session,), daemon=True)
        leader.start()
        sys.stdin.readline()
        yield leader


def leaves(kind: str, name: str, url: str) -> None:
    """End while a thread leads."""
    with led_by_a_thread(kind, name, url):
        say("leaving")


def handles_signals(kind: str, name: str, url: str) -> None:
    """Lead in the main thread, with handlers as programs have them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(3))
    with mounted(kind, name, url) as (session, _adapter):
        say(call(session))
        sys.stdin.readline()
        try:
            call(session)
        finally:
            say("ending")


def forks(kind: str, name: str, url: str) -> None:
    """Fork while a thread leads; say how the child's call went."""
    with led_by_a_thread(kind, name, url) as leader:
        child = os.fork()
        if child == 0:
            signal.alarm(int(WAIT))  # ends it if it hangs
            os._exit(call_once(kind, name, url) != 200)
        leader.join(WAIT)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def leaves_a_child(kind: str, name: str, url: str) -> None:
    """Fork while a thread leads, say the child's number, and wait to be killed; so does it."""
    with led_by_a_thread(kind, name, url):
        child = os.fork()
        if child != 0:
            say(child)
        signal.alarm(int(WAIT))
        signal.pause()


def pools(kind: str, name: str, url: str, method: str) -> None:
    """Let the processes of a pool call, and say what they got."""
    with mounted(kind, name, url) as (session, _adapter):
        say(call(session))
        sys.stdin.readline()
        with multiprocessing.get_context(method).Pool(3) as pool:
            say(json.dumps(pool.starmap(call_once, [(kind, name, url)] * 3, chunksize=1)))


# --- What the tests are made of ------------------------------------------------------------------


@contextmanager
def running(
    program: Callable[..., None], place: Place, server: AuthServer, *more: str
) -> Iterator[subprocess.Popen[str]]:
    """Run `program` until it has made its first call with a new login, which then expires."""
    store_of(place).save(with_expiry(server.login()))
    code = f"import sys; from {__name__} import {program.__name__} as run; run(*sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", code, place.kind, place.name, server.url, *more],
        cwd=ROOT,
        env=dict(place.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert told(process) == "200"
            server.expire()
            yield process
        finally:
            process.kill()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def assert_lock_is_free(place: Place) -> None:
    with store_of(place).lock(LOCK_IS_FREE):  # LockTimeout otherwise
        pass


# --- Signals and the end of the program ----------------------------------------------------------


@pytest.mark.parametrize(
    ("grace", "answer", "reuse"), [(0.0, 401, 1), (5.0, 200, 0)], ids=["no grace", "grace"]
)
def test_a_kill_while_the_server_answers(
    place: Place, server: AuthServer, grace: float, answer: int, reuse: int
) -> None:
    """The old token is whole and the lock free; the login lives on if the server has a grace."""
    server.grace = grace
    with workers(place, server, 1) as (worker,):
        assert call_all([worker]) == ["200"]
        before = newest(place)
        server.expire()
        with server.gate(on="refresh") as gate:
            step(worker)
            gate.wait_for(1, timeout=WAIT)
            worker.kill()
            worker.wait(WAIT)
            assert_lock_is_free(place)
            assert newest(place) == before
    wait_until(lambda: server.counters.rotated == 1)  # for nobody
    assert call_once(place.kind, place.name, server.url) == answer
    assert (store_of(place).load() is None) == (answer == 401)
    assert server.counters.reuse == reuse


@pytest.mark.parametrize(
    ("number", "end"), [(signal.SIGTERM, 3), (signal.SIGINT, -signal.SIGINT)], ids=["TERM", "INT"]
)
def test_a_signal_that_python_handles(
    place: Place, server: AuthServer, number: signal.Signals, end: int
) -> None:
    """SystemExit or KeyboardInterrupt in the leader: the new token is saved before the end."""
    with running(handles_signals, place, server) as process:
        before = newest(place)
        with server.gate(on="refresh") as gate:
            step(process)
            gate.wait_for(1, timeout=WAIT)
            process.send_signal(number)
            assert told(process) == "ending"
            gate.open()
            assert process.wait(WAIT) == end
    assert newest(place).refresh != before.refresh
    assert server.family_alive(newest(place))
    assert server.counters.refreshes == 1


def test_the_end_of_the_program(place: Place, server: AuthServer) -> None:
    """A program that ends in the middle of a refresh saves the new token first."""
    with running(leaves, place, server) as process:
        before = newest(place)
        with server.gate(on="refresh") as gate:
            step(process)
            gate.wait_for(1, timeout=WAIT)
            step(process)
            assert told(process) == "leaving"
            gate.open()
            assert process.wait(WAIT) == 0
    assert newest(place).refresh != before.refresh
    assert server.family_alive(newest(place))
    assert server.counters.refreshes == 1
    assert_lock_is_free(place)


def test_sigterm_while_a_thread_leads(place: Place, server: AuthServer) -> None:
    """With the default action and the main thread elsewhere it is a kill: it ends at once."""
    server.grace = 5.0
    with running(leaves, place, server) as process:
        before = newest(place)
        with server.gate(on="refresh") as gate:
            step(process)
            gate.wait_for(1, timeout=WAIT)
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT) == -signal.SIGTERM
            assert_lock_is_free(place)
            assert newest(place) == before
    wait_until(lambda: server.counters.rotated == 1)
    assert call_once(place.kind, place.name, server.url) == 200
    assert server.counters.reuse == 0


# --- Forks ---------------------------------------------------------------------------------------


def test_a_fork_while_a_thread_leads(place: Place, server: AuthServer) -> None:
    """The child waits for its parent's result and adopts it."""
    with running(forks, place, server) as process:
        with server.gate(on="refresh") as gate:
            step(process)
            gate.wait_for(1, timeout=WAIT)
            step(process)
            wait_until(lambda: server.counters.unauthorized == 2)  # the child's 401, too
            gate.open()
        assert told(process) == "0"
        assert process.wait(WAIT) == 0
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)
    assert server.family_alive(newest(place))


def test_a_child_that_outlives_its_parent(place: Place, server: AuthServer) -> None:
    """It does not keep the lock of a parent that was killed in the middle of a refresh."""
    server.grace = 5.0
    with running(leaves_a_child, place, server) as process, server.gate(on="refresh") as gate:
        step(process)
        gate.wait_for(1, timeout=WAIT)
        step(process)
        child = int(told(process))
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
def test_a_pool(place: Place, server: AuthServer, method: str) -> None:
    """The processes of a pool that meet one expiry share one refresh."""
    with running(pools, place, server, method) as process:
        with server.gate(on="refresh") as refreshes, server.gate(on="api") as calls:
            step(process)
            calls.wait_for(3, timeout=WAIT)
            calls.open()
            refreshes.wait_for(1, timeout=WAIT)
            wait_until(lambda: server.counters.unauthorized == 3)
            refreshes.open()
        assert json.loads(told(process)) == [200, 200, 200]
        assert process.wait(WAIT) == 0
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


# --- A keyring that is locked at the worst moment ------------------------------------------------


def test_a_keyring_that_locks_itself_before_the_save(
    server: AuthServer,
    secret_service: SecretService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The new token is used from memory, warned about, and saved once the keyring is unlocked."""
    monkeypatch.setattr(refresher, "FIRST_PAUSE", 0.0)  # it tries again at once
    name = "locked-before-the-save.example.com"
    with mounted("keyring", name, server.url) as (session, adapter):
        adapter.set_token(server.login())
        server.expire()
        answers: list[int] = []
        leader = threading.Thread(target=lambda: answers.append(call(session)))
        with server.gate(on="refresh") as gate:
            leader.start()
            gate.wait_for(1, timeout=WAIT)
            secret_service.lock()
            gate.open()
            leader.join(WAIT)
        store = KeyringStore(name, "workers")
        try:
            assert answers == [200]
            assert "Unlock it" in caplog.text
            assert call(session) == 200
            with pytest.raises(StoreError, match="locked"):
                store.load()
        finally:
            secret_service.unlock()
        wait_until(lambda: call(session) == 200 and store.load() == adapter.token)
        adapter.clear_token()
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)
