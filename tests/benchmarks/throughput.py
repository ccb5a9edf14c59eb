"""Requests per second over the loopback, with a token that is good for all of them."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.benchmarks.clients import (
    BARE,
    CLIENTS,
    EVERYBODY,
    RIVALS,
    Client,
    Setup,
    find_clients,
    list_missing,
    make_by_hand,
)
from tests.benchmarks.crowd import raise_first, time_crowd
from tests.benchmarks.measuring import Samples
from tests.benchmarks.server import ServerProcess
from tests.benchmarks.table import Figure, Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

THREADS: Final = (1, 8)
_TITLE: Final = (
    "Throughput over the loopback, trust_env off: bare in requests per second with a header set by "
    "hand, and each as a multiple of it. The server is Python, too, and takes most of the time."
)


def measure(*, quick: bool) -> list[Table]:
    """Return a table with a row for each number of threads."""
    rounds, requests_made = (2, 20) if quick else (15, 400)
    with ServerProcess(lifetime=3600.0) as server:
        rows = [_measure_threads(server, threads, rounds, requests_made) for threads in THREADS]
    return [Table(_TITLE, rows, list_missing(RIVALS))]


def _measure_threads(server: ServerProcess, threads: int, rounds: int, requests_made: int) -> Row:
    works = {}
    for client in _list_clients():
        token = replace(server.login(), expires_at=time.time() + 3600)
        session = client.make(Setup(server.url, token, pool=threads))
        session.trust_env = False
        call = partial(_call_often, session, f"{server.url}/api/x", requests_made // threads)
        works[client.name] = partial(_time_requests, threads, call)
    samples = Samples.take(works, rounds)
    figures: dict[str, Figure | None] = {name: _to_speed(samples, name) for name in works}
    per_second = requests_made / samples.median(BARE, "").value
    figures[BARE] = Figure(round(per_second), "/s")
    return Row(f"{threads} thread{'s' if threads > 1 else ''}", figures)


def _list_clients() -> list[Client]:
    by_hand = Client(BARE, make_by_hand)
    return [by_hand if client is CLIENTS[BARE] else client for client in find_clients(*EVERYBODY)]


def _to_speed(samples: Samples, name: str) -> Figure:
    return Figure(1 / samples.ratio(name, BARE).value, "x")


def _time_requests(threads: int, call: Callable[[], object]) -> float:
    seconds, outcomes = time_crowd(threads, call)
    raise_first(outcomes)
    return seconds


def _call_often(session: requests.Session, url: str, times: int) -> None:
    for _ in range(times):
        session.get(url).raise_for_status()
