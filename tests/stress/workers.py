"""Child processes for tests: each shares one store with its parent and talks to its AuthServer.

``python -m tests.stress.workers JOB KIND NAME URL`` with a line on standard input for each step.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from requests_jwt_refresh import (
    FileStore,
    JSONEndpoint,
    JWTRefreshAdapter,
    JWTRefreshError,
    KeyringStore,
    RedisStore,
    mount,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from requests_jwt_refresh import Token, TokenStore

ROOT = Path(__file__).parents[2]
LEASE = 2.0  # seconds; how long a killed worker's lock in Redis stays
PATIENCE = 60.0  # seconds


# --- For the parent ------------------------------------------------------------------------------


def make_store(kind: str, name: str) -> TokenStore:
    """Return the store of this kind ("file", "keyring" or "redis") with this name."""
    if kind == "file":
        return FileStore(name)
    if kind == "keyring":
        return KeyringStore(name, "workers")
    return RedisStore(name, "workers:token", lease=LEASE)


@contextmanager
def mount_session(
    kind: str, name: str, url: str, timeout: float = 30.0
) -> Iterator[tuple[requests.Session, JWTRefreshAdapter]]:
    """Yield a session with the adapter on it, as every program that shares the store has one."""
    with mount_session_on(make_store(kind, name), url, timeout) as both:
        yield both


@contextmanager
def mount_session_on(
    store: TokenStore, url: str, timeout: float = 30.0
) -> Iterator[tuple[requests.Session, JWTRefreshAdapter]]:
    """Yield a session with the adapter on it, over this very store object."""
    with requests.Session() as session:
        session.trust_env = False
        endpoint = JSONEndpoint("/auth/refresh")
        yield session, mount(session, url, endpoint, store, refresh_timeout=timeout)


def start_worker(
    job: str, kind: str, name: str, url: str, *more: str, environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    """Start a worker; it prints "ready" when it is."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.stress.workers", job, kind, name, url, *more],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def step(worker: subprocess.Popen[str]) -> None:
    """Let a worker take its next step."""
    assert worker.stdin is not None
    worker.stdin.write("\n")
    worker.stdin.flush()


def read_line(worker: subprocess.Popen[str]) -> str:
    """Return a worker's next line, "" once it has ended."""
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


# --- Jobs ----------------------------------------------------------------------------------------


def call(kind: str, name: str, url: str, timeout: str = "30") -> None:
    """Make one request for each line that is read; print its status or the error's name."""
    with mount_session(kind, name, url, float(timeout)) as (session, _adapter):
        print("ready", flush=True)
        for _ in sys.stdin:
            try:
                print(session.get("/api/x", timeout=PATIENCE).status_code, flush=True)
            except JWTRefreshError as error:
                print(type(error).__name__, flush=True)


def refresh(kind: str, name: str, url: str) -> None:
    """Refresh over and over, to be killed at it."""
    with mount_session(kind, name, url) as (_session, adapter):
        _refresh_without_end(adapter)


def refresh_in_a_thread(kind: str, name: str, url: str) -> None:
    """Refresh over and over in a thread, while the main thread does something else."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with mount_session(kind, name, url) as (_session, adapter):
        threading.Thread(target=_refresh_without_end, args=(adapter,), daemon=True).start()
        time.sleep(PATIENCE)


def refresh_and_lose_a_save(kind: str, name: str, url: str) -> None:
    """Refresh over and over with a store that loses the first new token."""
    store = LossyStore(make_store(kind, name))
    with mount_session_on(store, url) as (_session, adapter):
        _refresh_without_end(adapter)


class LossyStore:
    """A store that never writes the first new token, however often, and does not say so."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._lost: Token | None = None
        self.load, self.clear, self.lock = store.load, store.clear, store.lock

    def save(self, token: Token) -> None:
        if self._lost is None and token != self._store.load():
            self._lost = token
        if token != self._lost:
            self._store.save(token)


def _refresh_without_end(adapter: JWTRefreshAdapter) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        try:
            adapter.refresh()
        except JWTRefreshError as error:
            print(type(error).__name__, flush=True)
            sys.stdin.read()  # until it is killed


def hammer(kind: str, name: str, url: str, threads: str) -> None:
    """Call with several threads from one line to the next; print how many calls, and failures."""
    with mount_session(kind, name, url) as (session, _adapter):
        print("ready", flush=True)
        sys.stdin.readline()
        end = threading.Event()
        lists: list[list[str]] = [[] for _ in range(int(threads))]
        team = [threading.Thread(target=_call_until, args=(end, session, each)) for each in lists]
        for thread in team:
            thread.start()
        sys.stdin.readline()
        end.set()
        for thread in team:
            thread.join()
    outcomes = [outcome for each in lists for outcome in each]
    failed = [outcome for outcome in outcomes if outcome != "200"]
    print(json.dumps({"calls": len(outcomes), "failed": failed}), flush=True)


def _call_until(end: threading.Event, session: requests.Session, outcomes: list[str]) -> None:
    """Call until `end`; append each status or error to `outcomes`."""
    while not end.is_set():
        try:
            outcomes.append(str(session.get("/api/x", timeout=PATIENCE).status_code))
        except requests.RequestException as error:
            outcomes.append(f"{type(error).__name__}: {error}")


def lock(kind: str, name: str, _url: str, timeout: str) -> None:
    """Try to take the store's lock; print "locked" or the error's name."""
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with make_store(kind, name).lock(float(timeout)):
            print("locked", flush=True)
            sys.stdin.readline()
    except JWTRefreshError as error:
        print(type(error).__name__, flush=True)


JOBS: dict[str, Callable[..., None]] = {
    job.__name__: job
    for job in (call, refresh, refresh_in_a_thread, refresh_and_lose_a_save, hammer, lock)
}

if __name__ == "__main__":
    JOBS[sys.argv[1]](*sys.argv[2:])
