"""Threads that are started for a refresh, counted: each waits for the interpreter's lock."""

from __future__ import annotations

import _thread
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from tests.benchmarks.clients import CLIENTS, HAS_REFRESH_AHEAD, OURS, Setup
from tests.benchmarks.server import ServerProcess
from tests.benchmarks.table import Figure, Row, Table, at_most
from tests.support.waits import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from requests_jwt_refresh import JWTRefreshAdapter

_GOAL: Final = 1.0
_COUNT: Final = 10
_LIFETIME: Final = 100.0  # seconds, of which so many are left of one that is refreshed ahead:
_LEFT: Final = 12.0
_TITLE: Final = f"Threads started per refresh, counted over {_COUNT} refreshes"


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
    session.get(url).raise_for_status()

    def meet_401() -> None:
        server.expire()
        session.get(url).raise_for_status()

    def refresh_ahead() -> None:
        before = server.counters().rotated
        adapter.set_token(replace(adapter.token, expires_at=time.time() + _LEFT))
        session.get(url).raise_for_status()
        wait_until(lambda: server.counters().rotated > before, "the refresh ahead")
        _wait_for_token(adapter)

    ways = {"refresh()": adapter.refresh, "for a 401": meet_401}
    if HAS_REFRESH_AHEAD:
        ways["ahead, in the background"] = refresh_ahead
    return [_measure_way(name, work) for name, work in ways.items()]


def _wait_for_token(adapter: JWTRefreshAdapter) -> None:
    """Return when a token has come that has not nearly expired."""

    def has_come() -> bool:
        token = adapter.token
        return token is not None and (token.expires_at or 0.0) > time.time() + 2 * _LEFT

    wait_until(has_come, "a new token")


def _measure_way(name: str, work: Callable[[], object]) -> Row:
    work()
    with count_threads() as started:
        for _ in range(_COUNT):
            work()
    threads = Figure(len(started) / _COUNT, "threads")
    return Row(name, {"per refresh": threads}, (at_most(threads, _GOAL),))


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
