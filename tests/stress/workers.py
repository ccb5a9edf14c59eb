"""Child processes for tests: each shares one store with its parent and talks to its AuthServer.

``python -m tests.stress.workers JOB KIND PLACE URL`` with a line on standard input for each step.
"""

from __future__ import annotations

import json
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

    from requests_jwt_refresh import TokenStore

ROOT = Path(__file__).parents[1]
LEASE = 2.0  # seconds; how long a killed worker's lock in Redis stays
PATIENCE = 60.0  # seconds


def make_store(kind: str, place: str) -> TokenStore:
    """Return the store that `kind` ("file", "keyring" or "redis") keeps at `place`."""
    if kind == "file":
        return FileStore(place)
    if kind == "keyring":
        return KeyringStore(place, "workers")
    return RedisStore(place, "workers:token", lease=LEASE)


@contextmanager
def mounted(
    kind: str, place: str, url: str, timeout: float = 30.0
) -> Iterator[tuple[requests.Session, JWTRefreshAdapter]]:
    """Yield a session with the adapter on it, as every program that shares the store has one."""
    with requests.Session() as session:
        session.trust_env = False
        store = make_store(kind, place)
        endpoint = JSONEndpoint("/auth/refresh")
        yield session, mount(session, url, endpoint, store, refresh_timeout=timeout)


def start(
    job: str, kind: str, place: str, url: str, *more: str, environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    """Start a worker; it prints "ready" when it is."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.stress.workers", job, kind, place, url, *more],
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


def told(worker: subprocess.Popen[str]) -> str:
    """Return a worker's next line."""
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def call(kind: str, place: str, url: str, timeout: str = "30") -> None:
    """Make one request for each line that comes in; print its status or the error's name."""
    with mounted(kind, place, url, float(timeout)) as (session, _adapter):
        print("ready", flush=True)
        for _ in sys.stdin:
            try:
                print(session.get("/api/x", timeout=PATIENCE).status_code, flush=True)
            except JWTRefreshError as error:
                print(type(error).__name__, flush=True)


def refresh(kind: str, place: str, url: str) -> None:
    """Refresh over and over, to be killed at it."""
    with mounted(kind, place, url) as (_session, adapter):
        print("ready", flush=True)
        sys.stdin.readline()
        while True:
            adapter.refresh()


def hammer(kind: str, place: str, url: str, threads: str, seconds: str) -> None:
    """Call with several threads for some time; print how many calls were made and which failed."""
    failed: list[str] = []
    calls = [0] * int(threads)

    def loop(number: int, until: float) -> None:
        while time.monotonic() < until:
            try:
                status = session.get("/api/x", timeout=PATIENCE).status_code
                if status != requests.codes.ok:
                    failed.append(str(status))
            except requests.RequestException as error:
                failed.append(f"{type(error).__name__}: {error}")
            calls[number] += 1

    with mounted(kind, place, url) as (session, _adapter):
        print("ready", flush=True)
        sys.stdin.readline()
        until = time.monotonic() + float(seconds)
        team = [threading.Thread(target=loop, args=(n, until)) for n in range(int(threads))]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()
    print(json.dumps({"calls": sum(calls), "failed": failed}), flush=True)


def lock(kind: str, place: str, _url: str, timeout: str) -> None:
    """Try for the store's lock, and say whether it was to be had."""
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with make_store(kind, place).lock(float(timeout)):
            print("locked", flush=True)
            sys.stdin.readline()
    except JWTRefreshError as error:
        print(type(error).__name__, flush=True)


JOBS: dict[str, Callable[..., None]] = {
    "call": call,
    "refresh": refresh,
    "hammer": hammer,
    "lock": lock,
}

if __name__ == "__main__":
    JOBS[sys.argv[1]](*sys.argv[2:])
