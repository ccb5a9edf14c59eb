"""Tokens that live 2 s, and four threads that never stop calling: who waits for a refresh.

Beside them a token that lives an hour: its longest request is what this machine does to anybody.
Each round is a server of its own and some expiries; the table has the median of the rounds.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.benchmarks.clients import (
    AUTHLIB,
    CLIENTS,
    HAS_REFRESH_AHEAD,
    OAUTHLIB,
    OURS,
    Setup,
    find_clients,
    list_missing,
    without_refresh_ahead,
)
from tests.benchmarks.crowd import raise_first, time_crowd
from tests.benchmarks.server import ServerProcess
from tests.benchmarks.table import Figure, Goal, Row, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import requests

LIFETIME: Final = 2.0  # seconds
THREADS: Final = 4
REFRESH_SECONDS: Final = (0.02, 0.3)
NEVER: Final = "never expires"
AHEAD: Final = "refresh ahead"
NOT_AHEAD: Final = "refresh_ahead=0"
_WORST_RATIO: Final = 1.3
_GOALS_FOR: Final = 0.3  # seconds of the refresh


@dataclass(frozen=True)
class Way:
    """One way to meet expiries."""

    name: str
    lifetime: float = LIFETIME
    client: str = OURS
    options: tuple[tuple[str, object], ...] = ()
    rotate: bool = True
    """Without it a refresh token may be used by several threads, as some clients do."""


@dataclass(frozen=True)
class Outcome:
    """What one round has brought."""

    seconds: tuple[float, ...]
    """Of each request, shortest first."""
    failures: int
    unauthorized: int
    refreshes: int

    @property
    def longest(self) -> float:
        return self.seconds[-1]

    @property
    def late(self) -> float:
        """The 99.9th percentile."""
        return self.seconds[min(int(len(self.seconds) * 0.999), len(self.seconds) - 1)]

    def count_slower(self, seconds: float) -> int:
        return sum(each >= seconds for each in self.seconds)


def measure(*, quick: bool) -> list[Table]:
    """Return a table for each duration of a refresh."""
    return [_measure_refresh(seconds, quick=quick) for seconds in REFRESH_SECONDS]


def _measure_refresh(refresh: float, *, quick: bool) -> Table:
    rounds, seconds = (1, LIFETIME * 1.1) if quick else (5, LIFETIME * 2.1)
    ways = _list_ways()
    outcomes: dict[str, list[Outcome]] = {way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            outcomes[way.name].append(_run(way, refresh, seconds))
        ways = [*ways[1:], ways[0]]
    base = _median_of(outcomes[NEVER], lambda each: each.longest)
    rows = [_make_row(name, outcomes[name], refresh, base) for name in outcomes]
    title = (
        f"Across expiries: {THREADS} threads, tokens of {LIFETIME:g} s, a refresh of "
        f"{refresh * 1e3:g} ms; medians of {rounds} rounds of {seconds:.1f} s"
    )
    notes = [
        f"waited: took {_waiting(refresh) * 1e3:g} ms or more, half a refresh",
        *list_missing((OAUTHLIB, AUTHLIB)),
        "the others: the server does not rotate, else they would be logged out (see storm)",
        "google-auth refreshes 225 s ahead, with each request here; requests-auth: see storm",
    ]
    return Table(title, rows, notes)


def _list_ways() -> list[Way]:
    ways = [Way(NEVER, lifetime=3600.0)]
    if HAS_REFRESH_AHEAD:
        ways.append(Way(AHEAD))
    ways.append(Way(NOT_AHEAD, options=without_refresh_ahead()))
    others = find_clients(OAUTHLIB, AUTHLIB)
    return ways + [Way(each.name, client=each.name, rotate=False) for each in others]


def _run(way: Way, refresh: float, seconds: float) -> Outcome:
    options = {"lifetime": way.lifetime, "rotate": way.rotate, "detect_reuse": way.rotate}
    with ServerProcess(**options) as server:
        server.delay_refreshes(refresh)
        token = replace(server.login(), expires_at=time.time() + way.lifetime)
        setup = Setup(server.url, token, pool=THREADS, options=way.options)
        with CLIENTS[way.client].make(setup) as session:
            session.trust_env = False
            session.get(f"{server.url}/api/x").raise_for_status()
            times, failures = _call_for(session, f"{server.url}/api/x", seconds)
        counters = server.counters()
    return Outcome(tuple(sorted(times)), failures, counters.unauthorized, counters.refreshes)


def _call_for(session: requests.Session, url: str, seconds: float) -> tuple[list[float], int]:
    """Call from all threads for so long; return how long each request took, and what failed."""
    end = time.monotonic() + seconds
    mutex = threading.Lock()  # guards the two below
    times: list[float] = []
    failures = 0

    def call() -> None:
        nonlocal failures
        own, failed = [], 0
        while time.monotonic() < end:
            start = time.perf_counter()
            failed += not _is_answered(session, url)
            own.append(time.perf_counter() - start)
        with mutex:
            times.extend(own)
            failures += failed

    raise_first(time_crowd(THREADS, call)[1])
    return times, failures


def _is_answered(session: requests.Session, url: str) -> bool:
    try:
        return bool(session.get(url).ok)
    except Exception:  # noqa: BLE001 - a library's own kinds of failure; that it is one counts
        return False


def _waiting(refresh: float) -> float:
    return refresh / 2


def _median_of(outcomes: Sequence[Outcome], read: Callable[[Outcome], float]) -> float:
    """Return the median, which is one of the rounds' own numbers."""
    values = sorted(map(read, outcomes))
    return values[len(values) // 2]


def _make_row(name: str, outcomes: Sequence[Outcome], refresh: float, base: float) -> Row:
    median = partial(_median_of, outcomes)
    longest = median(lambda each: each.longest)
    waited = median(lambda each: each.count_slower(_waiting(refresh)))
    unauthorized = median(lambda each: each.unauthorized)
    figures: dict[str, Figure | None] = {
        "longest": Figure(longest * 1e3, "ms"),
        "p99.9": Figure(median(lambda each: each.late) * 1e3, "ms"),
        "waited": Figure(waited),
        "401s": Figure(unauthorized),
        "failed": Figure(median(lambda each: each.failures)),
        "refreshes": Figure(median(lambda each: each.refreshes)),
        "requests": Figure(median(lambda each: len(each.seconds))),
    }
    goals: tuple[Goal, ...] = ()
    if name == AHEAD and refresh == _GOALS_FOR:
        limit = base * _WORST_RATIO
        goals = (
            Goal(
                f"longest at most {_WORST_RATIO:g} x that of a token that never expires, "
                f"{limit * 1e3:.1f} ms",
                longest <= limit,
            ),
            Goal("no request waited", waited == 0),
            Goal("no 401 on the wire", unauthorized == 0),
        )
    return Row(name, figures, goals)
