"""Programs that share one store, each with an adapter of its own: see tests/stress/workers.py.

Import the fixtures `place`, `running_redis`, `running_secret_service` and `secret_service` into a
test module that needs them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.tokens import with_expiry
from tests.stress.locations import STORES, StoreLocation
from tests.stress.workers import make_store, read_line, start_worker, step

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from requests_jwt_refresh import Token, TokenStore
    from requests_jwt_refresh.testing import AuthServer

# A lock of the keyring's is every test run's on this machine: to each its own entry.
KEYRING_SERVICE = f"processes-{os.getpid()}.example.com"


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StoreLocation:
    """Each kind of store that processes share, with the real service behind it."""
    if request.param == "redis":
        redis = request.getfixturevalue("running_redis")
        with redis.client() as client:
            client.flushall()
        return StoreLocation("redis", redis.url, dict(os.environ))
    if request.param == "keyring":
        request.getfixturevalue("secret_service")
        return StoreLocation("keyring", KEYRING_SERVICE, dict(os.environ))
    return StoreLocation("file", str(tmp_path / "token.json"), dict(os.environ))


@pytest.fixture
def file_place(tmp_path: Path) -> StoreLocation:
    return StoreLocation("file", str(tmp_path / "token.json"), dict(os.environ))


def make_store_at(place: StoreLocation) -> TokenStore:
    return make_store(place.kind, place.name)


def load_newest(place: StoreLocation) -> Token:
    token = make_store_at(place).load()
    assert token is not None
    return token


@contextmanager
def workers(
    place: StoreLocation, server: AuthServer, count: int, job: str = "call", *more: str
) -> Iterator[list[subprocess.Popen[str]]]:
    """Start children that are ready to make calls, logged in."""
    if job == "call":
        make_store_at(place).save(with_expiry(server.login()))
    started = [
        start_worker(job, place.kind, place.name, server.url, *more, environment=place.environment)
        for _ in range(count)
    ]
    try:
        assert [read_line(worker) for worker in started] == ["ready"] * count
        yield started
    finally:
        for worker in started:
            worker.kill()
            worker.communicate()


def call_all(started: list[subprocess.Popen[str]]) -> list[str]:
    for worker in started:
        step(worker)
    return [read_line(worker) for worker in started]
