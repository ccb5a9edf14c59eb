"""A real redis-server for tests, on a loopback port of its own."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.sharing import Shared
from tests.support.waits import WAIT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

_PORTS = range(15_000, 32_000)  # below those that Linux gives to outgoing connections
_TRIES = 20


class RedisServer:
    """A Redis that can be stopped, started again and paused. A context manager.

    `options` are those of redis-server's command line.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            self._port = _find_port()
            if self._is_started():
                return self
        raise AssertionError(f"redis-server found no free port in {_TRIES} tries")

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def impatient_url(self) -> str:
        """The same for a client that gives up after half a second."""
        return f"{self.url}?socket_timeout=0.5&socket_connect_timeout=0.5"

    def start(self) -> None:
        """Start it again, on the same port."""
        assert self._is_started(), f"another server has taken port {self._port} meanwhile"

    def stop(self) -> None:
        """Kill it; without a folder, what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT)
            self._process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        with redis.Redis.from_url(self.url) as client:
            yield client

    def _is_started(self) -> bool:
        """Whether it runs now: it ends at once if its port is taken."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--daemonize"]
        process = self._process = subprocess.Popen(
            ["redis-server", *options, "no", *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: process.poll() is not None or self._answers(), "redis-server's start")
        if process.poll() is None:
            return True
        self._process = None
        return False

    def _answers(self) -> bool:
        """Whether this server answers at its port, not another that was faster to take it."""
        assert self._process is not None
        try:
            with self.client() as client:
                return bool(client.info("server")["process_id"] == self._process.pid)
        except redis.ConnectionError:
            return False


def _find_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


_shared = Shared(RedisServer)


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    """One server per process for all tests that do not stop it."""
    _skip_without_redis()
    with _shared.use() as server:
        yield server


@contextmanager
def new_redis(*options: str) -> Iterator[RedisServer]:
    """A server of a test's own, which it may stop; `options` are as on its command line."""
    _skip_without_redis()
    with RedisServer(*options) as server:
        yield server


def _skip_without_redis() -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("no real Redis to test with: install redis-server")
