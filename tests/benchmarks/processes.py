"""How long processes wait that share a store, when their token ends: on a file, keyring and Redis.

    python -m tests.benchmarks.processes [--store file|keyring|redis] [--rounds N] [--plain]

Two tables, each with refreshes of 20 and of 300 ms:

unannounced  All processes have a token that the server has just taken back: each gets a 401, one
             refreshes, the others find the new token in the store. A wait is the whole request:
             the 401, the refresh, the resent request.
expiries     Tokens that live 2 s, while all processes call, every 10 ms each: with refresh ahead,
             and without (``refresh_ahead=0``). A wait is a request that began near an expiry.

The server runs in a process of its own, and so does each caller. What counts is the longest wait
beside a bare refresh in the same run; all of them share the cores of this machine. ``--plain``
prints lines of numbers apart by tabs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

import requests

from requests_jwt_refresh import JSONEndpoint, mount
from requests_jwt_refresh.tokens import with_expiry
from tests.benchmarks.server import ServerProcess
from tests.benchmarks.table import Figure, Goal, Row, Table, at_most, render
from tests.stress.locations import STORES, new_location
from tests.stress.workers import ROOT, make_store, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stress.locations import StoreLocation

SIZES: Final = (1, 2, 8)
REFRESH_SECONDS: Final = (0.02, 0.3)
LONGEST_WAIT: Final = 60.0  # ms, the goal of 8 processes and a refresh of 20 ms
_GOAL_STORES: Final = ("file", "redis")
_LIFETIME: Final = 2.0  # seconds
_EXPIRIES: Final = 4
_CALL_PAUSE: Final = 0.01  # seconds
_BARE_ROUNDS: Final = 5
_WORKER: Final = "--worker"
_NEEDS: Final = {
    "keyring": ("dbus-daemon", "gnome-keyring-daemon"),
    "redis": ("redis-server",),
}


class Waits(NamedTuple):
    """What so many processes have met, in milliseconds.

    `base` is a bare refresh, or the longest call with a token that never expires.
    """

    store: str
    processes: int
    what: str
    refresh: float
    base: float
    longest: float
    median: float
    refreshes: int
    expiries: int


# --- One process ---------------------------------------------------------------------------------


def run_worker(kind: str, name: str, url: str, ahead: str) -> None:
    """Make a request for each line "one", and call for so many seconds for a line that says them.

    Prints milliseconds: those of the request, or of the longest and of the median one.
    """
    with requests.Session() as session:
        session.trust_env = False
        mount(
            session,
            url,
            JSONEndpoint("/auth/refresh"),
            make_store(kind, name),
            refresh_ahead=None if ahead == "None" else float(ahead),
        )
        _call(session)
        print("ready", flush=True)
        for line in sys.stdin:
            if line.strip() == "one":
                print(_call(session), flush=True)
            else:
                _call_for(session, float(line))


def _call(session: requests.Session) -> float:
    began = time.perf_counter()
    response = session.get("/api/x")
    milliseconds = (time.perf_counter() - began) * 1e3
    assert response.status_code == requests.codes.ok, response.status_code
    return milliseconds


def _call_for(session: requests.Session, seconds: float) -> None:
    end, waits = time.monotonic() + seconds, []
    while time.monotonic() < end:
        waits.append(_call(session))
        time.sleep(_CALL_PAUSE)
    print(max(waits), statistics.median(waits), flush=True)


class Team:
    """So many processes that share a store."""

    def __init__(self, workers: list[subprocess.Popen[str]]) -> None:
        self._workers = workers

    def call_once(self, number: int) -> list[float]:
        """Let the first `number` make a request at once; return the milliseconds of each."""
        return [float(line) for line in self._ask("one", number)]

    def call_for(self, seconds: float, number: int) -> tuple[float, float]:
        """Let the first `number` call for so long; return the longest and the median call."""
        lines = [line.split() for line in self._ask(str(seconds), number)]
        return (
            max(float(longest) for longest, _ in lines),
            statistics.median(float(median) for _, median in lines),
        )

    def _ask(self, line: str, number: int) -> list[str]:
        asked = self._workers[:number]
        for worker in asked:
            assert worker.stdin is not None
            worker.stdin.write(f"{line}\n")
            worker.stdin.flush()
        return [read_line(worker) for worker in asked]


@contextmanager
def start_team(location: StoreLocation, url: str, size: int, ahead: str) -> Iterator[Team]:
    command = [sys.executable, "-m", "tests.benchmarks.processes", _WORKER]
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, location.kind, location.name, url, ahead],
                    cwd=ROOT,
                    env=dict(location.environment),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(size)
        ]
        try:
            for worker in workers:
                assert read_line(worker) == "ready"
            yield Team(workers)
        finally:
            for worker in workers:
                worker.kill()


# --- Measuring -----------------------------------------------------------------------------------


def measure_unannounced(kind: str, rounds: int) -> Iterator[Waits]:
    """Take the token back from 1, 2 and 8 processes that are about to call."""
    with new_location(kind) as location, ServerProcess(lifetime=3600.0) as server:
        make_store(kind, location.name).save(with_expiry(server.login()))
        with start_team(location, server.url, max(SIZES), "0") as team:
            for seconds in REFRESH_SECONDS:
                server.delay_refreshes(seconds)
                bare = measure_bare_refresh(server)
                for size in SIZES:
                    waits, refreshes = _take_back(server, team, size, rounds)
                    longest, median = max(waits), statistics.median(waits)
                    yield Waits(
                        kind, size, "401", seconds * 1e3, bare, longest, median, refreshes, rounds
                    )


def _take_back(
    server: ServerProcess, team: Team, size: int, rounds: int
) -> tuple[list[float], int]:
    """Return the waits of `size` processes in all rounds, and how many refreshes there were."""
    waits: list[float] = []
    refreshes = 0
    for _ in range(rounds):
        team.call_once(max(SIZES))  # all have the token, and a connection
        before = server.counters().refreshes
        server.expire()
        waits += team.call_once(size)
        refreshes += server.counters().refreshes - before
    return waits, refreshes


def measure_bare_refresh(server: ServerProcess) -> float:
    """Return the milliseconds of one refresh call, without this library."""
    refresh, samples = server.login().refresh, []
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"{server.url}/api/x")
        for _ in range(_BARE_ROUNDS):
            began = time.perf_counter()
            response = session.post(f"{server.url}/auth/refresh", json={"refresh_token": refresh})
            samples.append((time.perf_counter() - began) * 1e3)
            refresh = response.json()["refresh_token"]
    return statistics.median(samples)


def measure_expiries(kind: str) -> Iterator[Waits]:
    """Let 8 processes call while tokens of 2 s end, with refresh ahead and without."""
    size, seconds = max(SIZES), _EXPIRIES * _LIFETIME
    base, _, _ = _call_through(kind, 3600.0, 0.0, "0", seconds)
    for refresh in REFRESH_SECONDS:
        for ahead, what in (("0", "no refresh ahead"), ("None", "refresh ahead")):
            longest, median, refreshes = _call_through(kind, _LIFETIME, refresh, ahead, seconds)
            yield Waits(
                kind, size, what, refresh * 1e3, base, longest, median, refreshes, _EXPIRIES
            )


def _call_through(
    kind: str, lifetime: float, refresh: float, ahead: str, seconds: float
) -> tuple[float, float, int]:
    with new_location(kind) as location, ServerProcess(lifetime=lifetime) as server:
        server.delay_refreshes(refresh)
        make_store(kind, location.name).save(with_expiry(server.login()))
        with start_team(location, server.url, max(SIZES), ahead) as team:
            before = server.counters().refreshes
            longest, median = team.call_for(seconds, max(SIZES))
            return longest, median, server.counters().refreshes - before


# --- Telling -------------------------------------------------------------------------------------


def make_row(waits: Waits, *, base: str) -> Row:
    figures = {
        "longest": Figure(waits.longest, "ms"),
        "median": Figure(waits.median, "ms"),
        base: Figure(waits.base, "ms"),
        f"longest / {base}": Figure(waits.longest / waits.base, "x"),
        "refreshes": Figure(waits.refreshes),
    }
    what = f"{waits.store}, {waits.processes}, {waits.refresh:.0f} ms"
    return Row(what if waits.what == "401" else f"{what}, {waits.what}", figures, _goals(waits))


def _goals(waits: Waits) -> tuple[Goal, ...]:
    if waits.what != "401":
        return ()
    goals = [Goal("refreshes = expiries", waits.refreshes == waits.expiries)]
    is_wanted = waits.store in _GOAL_STORES and waits.processes == max(SIZES)
    if is_wanted and waits.refresh == REFRESH_SECONDS[0] * 1e3:
        goals.append(at_most(Figure(waits.longest, "ms"), LONGEST_WAIT, "longest"))
    return tuple(goals)


def measure_look(kind: str) -> str:
    """Return a sentence on what one look into the store takes."""
    with new_location(kind) as location, ServerProcess() as server:
        store = make_store(kind, location.name)
        store.save(with_expiry(server.login()))
        samples = []
        for _ in range(20):
            began = time.perf_counter()
            store.load()
            samples.append((time.perf_counter() - began) * 1e3)
    return f"{kind}: a look into the store takes {statistics.median(samples):.2f} ms"


def list_missing(kind: str) -> list[str]:
    """Return the programs and modules that this store needs and this machine lacks."""
    missing = [name for name in _NEEDS.get(kind, ()) if not shutil.which(name)]
    if kind == "keyring":
        missing += [name for name in ("secretstorage", "jeepney") if not find_spec(name)]
    return missing


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=STORES, action="append")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--plain", action="store_true", help="lines of numbers apart by tabs")
    parser.add_argument("--no-expiries", action="store_true", help="the first table alone")
    options = parser.parse_args()
    unannounced: list[Waits] = []
    expiries: list[Waits] = []
    notes = []
    for kind in options.store or STORES:
        missing = list_missing(kind)
        if missing:
            notes.append(f"{kind}: not measured, install {' and '.join(missing)}")
            continue
        notes.append(measure_look(kind))
        unannounced += measure_unannounced(kind, options.rounds)
        if not options.no_expiries:
            expiries += measure_expiries(kind)
    if options.plain:
        print(*Waits._fields, sep="\t")
        for waits in (*unannounced, *expiries):
            print(*waits, sep="\t")
        return
    notes.append(f"load {os.getloadavg()[0]:.2f} in the last minute, on {os.cpu_count()} cores")
    title = "Processes that share a store, and a token that was taken back: how long they wait"
    tables = [Table(title, [make_row(each, base="refresh") for each in unannounced], notes)]
    if expiries:
        title = f"{max(SIZES)} processes that call through {_EXPIRIES} expiries: the longest call"
        tables.append(Table(title, [make_row(each, base="no expiry") for each in expiries]))
    for table in tables:
        print("", *render(table), sep="\n", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == [_WORKER]:
        run_worker(*sys.argv[2:])
    else:
        main()
