"""Processes that share a store meet an expiry: how long each of them waits, and who refreshes.

    python -m tests.benchmarks.processes [--store file] [--quick]

Every process is a program of its own, with one session and one adapter. All send a request at once,
and all are refused: the longest wait is that of the slowest request. Beside it, in the same run, a
bare refresh: one POST of plain requests, with a session that is connected already.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import requests

from requests_jwt_refresh.testing import AuthServer, Delay
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.locations import add_store_option, list_chosen_stores, new_location
from tests.stress.workers import ROOT, make_store, mount_session, read_line, step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stress.locations import StoreLocation

COUNTS: Final = (1, 2, 8)
REFRESHES: Final = (0.02, 0.3)  # seconds
LONGEST_WAIT: Final = 0.06  # seconds, the goal of eight processes on a refresh of 20 ms
_WORKER: Final = "--worker"


class Outcome(NamedTuple):
    """What some expiries have cost processes on one store. In seconds."""

    kind: str
    processes: int
    refresh: float
    bare: float
    waits: list[float]
    expiries: int
    refreshes: int


# --- One process ---------------------------------------------------------------------------------


def run_worker(kind: str, name: str, url: str) -> None:
    """Make a call for each line that is read; print how many seconds it took."""
    with mount_session(kind, name, url) as (session, _adapter):
        print("ready", flush=True)
        for _ in sys.stdin:
            began = time.perf_counter()
            status = session.get("/api/x").status_code
            seconds = time.perf_counter() - began
            assert status == requests.codes.ok, status
            print(seconds, flush=True)


# --- All of them ---------------------------------------------------------------------------------


@contextmanager
def started_workers(
    place: StoreLocation, url: str, count: int
) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.benchmarks.processes", _WORKER]
    started = [
        subprocess.Popen(
            [*command, place.kind, place.name, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=dict(place.environment),
        )
        for _ in range(count)
    ]
    try:
        assert [read_line(worker) for worker in started] == ["ready"] * count
        yield started
    finally:
        for worker in started:
            worker.kill()
            worker.communicate()


def call_all(started: list[subprocess.Popen[str]]) -> list[float]:
    """Let all make a call at once; return how many seconds each took."""
    for worker in started:
        step(worker)
    return [float(read_line(worker)) for worker in started]


def time_bare_refresh(server: AuthServer) -> float:
    """Return the seconds that one POST to the refresh endpoint takes."""
    token = server.login()
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"{server.url}/api/x")  # connects
        began = time.perf_counter()
        answer = session.post(f"{server.url}/auth/refresh", json={"refresh_token": token.refresh})
        seconds = time.perf_counter() - began
    assert answer.ok, answer.status_code
    return seconds


def measure(place: StoreLocation, processes: int, refresh: float, expiries: int) -> Outcome:
    """Let `processes` meet so many expiries, one after the other."""
    with AuthServer(opaque=True) as server:
        server.fail(Delay(refresh), on="refresh", times=None)
        make_store(place.kind, place.name).save(with_expiry(server.login()))
        with started_workers(place, server.url, processes) as started:
            call_all(started)
            waits, bare, refreshes = [], [], 0
            for _ in range(expiries):
                server.expire()
                before = server.counters.refreshes
                waits += call_all(started)
                refreshes += server.counters.refreshes - before
                bare.append(time_bare_refresh(server))
    return Outcome(
        place.kind, processes, refresh, statistics.median(bare), waits, expiries, refreshes
    )


# --- What is printed -----------------------------------------------------------------------------


def describe(outcome: Outcome) -> str:
    """Return one line of the table: times in ms, the longest as a multiple of a bare refresh."""
    longest, median = max(outcome.waits), statistics.median(outcome.waits)
    return (
        f"{outcome.kind:8}{outcome.processes:3}{outcome.refresh * 1e3:9.0f}"
        f"{outcome.bare * 1e3:9.1f}{median * 1e3:9.1f}{longest * 1e3:9.1f}"
        f"{longest / outcome.bare:7.2f}x{outcome.refreshes / outcome.expiries:7.2f}"
        f"  {describe_goals(outcome)}"
    )


def describe_goals(outcome: Outcome) -> str:
    goals = {"1 refresh": outcome.refreshes == outcome.expiries}
    if outcome.processes == max(COUNTS) and outcome.refresh == min(REFRESHES):
        goals[f"<= {LONGEST_WAIT * 1e3:.0f} ms"] = max(outcome.waits) <= LONGEST_WAIT
    return ", ".join(f"{name}: {'yes' if ok else 'NO'}" for name, ok in goals.items())


def main() -> None:
    """Print how long processes wait, for each store, number of processes and refresh."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_store_option(parser)
    parser.add_argument("--expiries", type=int, default=9, help="in a row, for each line")
    parser.add_argument("--quick", action="store_true", help="the shorter refresh, and few of them")
    options = parser.parse_args()
    print("store    n  refresh     bare   median  longest  ratio  asked  goals")
    for kind in list_chosen_stores(options.store):
        with new_location(kind) as place:
            for refresh in REFRESHES[:1] if options.quick else REFRESHES:
                for count in COUNTS:
                    expiries = 2 if options.quick else options.expiries
                    print(describe(measure(place, count, refresh, expiries)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == [_WORKER]:
        run_worker(*sys.argv[2:])
    else:
        main()
