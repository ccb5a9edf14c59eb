"""Threads that are started for a refresh, counted: each waits for the interpreter's lock."""

from __future__ import annotations

import _thread
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from requests_jwt_refresh.tokens import with_values
from tests.benchmarks.clients import CLIENTS, HAS_REFRESH_AHEAD, OURS, Setup
from tests.benchmarks.crowd import CROWD_THREAD, raise_first, time_crowd
from tests.benchmarks.server import ServerProcess
from tests.benchmarks.table import Figure, Row, Table, at_most
from tests.support.waits import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from requests_jwt_refresh import JWTRefreshAdapter, Token

_GOAL: Final = 1.0
_COUNT: Final = 10
_LIFETIME: Final = 100.0  # seconds, of which so many are left of one that is refreshed ahead:
_LEFT: Final = 12.0
_TITLE: Final = f"Threads started per refresh, counted over {_COUNT} refreshes"


@dataclass(frozen=True)
class Way:
    """One way to a refresh; the threads of `work` are counted."""

    name: str
    prepare: Callable[[], object]
    work: Callable[[], object]


def measure(*, quick: bool) -> list[Table]:
    """Return one table; counting takes no longer than is quick."""
    del quick
    with ServerProcess(lifetime=_LIFETIME) as server:
        setup = Setup(server.url, replace(server.login(), expires_at=None))
        with CLIENTS[OURS].make(setup) as session:
            session.trust_env = False
            rows = _measure_ways(server, session)
    return [Table(_TITLE, rows)]


def _measure_ways(server: ServerProcess, session: requests.Session) -> list[Row]:
    url = f"{server.url}/api/x"
    adapter: Any = session.get_adapter(url)

    def get() -> None:
        session.get(url).raise_for_status()

    def get_elsewhere() -> None:
        raise_first(time_crowd(1, get)[1])

    def get_ahead() -> None:
        get()
        _wait_for_token(adapter)

    get()
    ways = [
        Way("for a 401", server.expire, get_elsewhere),
        Way("for a 401, in the main thread", server.expire, get),
        Way("refresh(), in the main thread", _do_nothing, adapter.refresh),
    ]
    if HAS_REFRESH_AHEAD:
        ways.append(Way("ahead, in the background", lambda: _set_aged(adapter), get_ahead))
    return [_measure_way(way) for way in ways]


def _do_nothing() -> None:
    pass


def _set_aged(adapter: JWTRefreshAdapter) -> None:
    token = adapter.token
    assert token is not None
    adapter.set_token(_age(token))


def _age(token: Token) -> Token:
    """Return the token as one that was received long ago."""
    ends = time.time() + _LEFT
    return with_values(token, received_at=ends - _LIFETIME, expires_at=ends)


def _wait_for_token(adapter: JWTRefreshAdapter) -> None:
    """Return when a token has come that has not nearly expired."""

    def has_come() -> bool:
        token = adapter.token
        return token is not None and (token.expires_at or 0.0) > time.time() + 2 * _LEFT

    wait_until(has_come, "a new token")


def _measure_way(way: Way) -> Row:
    started = 0
    for _ in range(_COUNT):
        way.prepare()
        with count_threads() as names:
            way.work()
        started += len([name for name in names if name != CROWD_THREAD])
    threads = Figure(started / _COUNT, "threads")
    return Row(way.name, {"per refresh": threads}, (at_most(threads, _GOAL),))


@contextmanager
def count_threads() -> Iterator[list[str]]:
    """Yield a list to which each thread adds its name when it is started, in whatever way."""
    started: list[str] = []
    start_thread, start_new = threading.Thread.start, _thread.start_new_thread

    def start(thread: threading.Thread) -> None:
        started.append(thread.name)
        start_thread(thread)

    def start_new_thread(*arguments: Any) -> int:
        started.append("_thread")
        return start_new(*arguments)

    with (
        mock.patch.object(threading.Thread, "start", start),
        mock.patch.object(_thread, "start_new_thread", start_new_thread),
    ):
        yield started
