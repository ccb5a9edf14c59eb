"""What a fleet of workers costs Redis per expiry, counted.

    python -m tests.benchmarks.redis_fleet [--workers 1000 --processes 4]

Every worker is a RedisStore, an adapter and a session of its own, as a process of a fleet has them.
All meet one expiry at once; Redis counts the commands itself (INFO commandstats).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import requests

from requests_jwt_refresh import RedisStore
from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.testing.faults import Delay
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.workers import ROOT, make_store, mount_session_on, read_line, step
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    import redis

NOT_COUNTED: Final = {  # what connecting and asking for the counts costs
    "info",
    "hello",
    "client|setinfo",
    "client",
    "ping",
    "script|load",
    "select",
}
SENT: Final = ("hmget", "evalsha")  # by the store; a script itself carries out the rest
REFRESH: Final = 0.02  # seconds that the server takes for one
_FLEET: Final = "--fleet"


class SeparateStore(RedisStore):
    """A store that shares nothing within its process, as if it were in a process of its own."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


# --- One process of the fleet --------------------------------------------------------------------


def run_workers(redis_url: str, url: str, size: int) -> None:
    """Let `size` workers make a call each for each line that is read, twice."""
    start, done = threading.Barrier(size + 1), threading.Barrier(size + 1)
    for _ in range(size):
        arguments = (redis_url, url, start, done)
        threading.Thread(target=_work, args=arguments, daemon=True).start()
    for _ in range(2):
        print("ready", flush=True)
        sys.stdin.readline()
        start.wait()
        done.wait()
    print("done", flush=True)


def _work(redis_url: str, url: str, start: threading.Barrier, done: threading.Barrier) -> None:
    with mount_session_on(SeparateStore(redis_url, "workers:token"), url) as (session, _adapter):
        for _ in range(2):
            start.wait()
            status = session.get("/api/x").status_code
            assert status == requests.codes.ok, status
            done.wait()


# --- The fleet -----------------------------------------------------------------------------------


def start_process(redis_url: str, url: str, size: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.redis_fleet", _FLEET, redis_url, url, str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def step_all(processes: list[subprocess.Popen[str]]) -> None:
    """Let every worker of every process make a call, as soon as all are ready."""
    for process in processes:
        assert read_line(process) == "ready"
    for process in processes:
        step(process)


def count_commands(client: redis.Redis) -> dict[str, int]:
    """Return how often each command has been carried out."""
    stats: Any = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}


def measure(workers: int, processes: int) -> tuple[int, dict[str, int], float]:
    """Return how many refreshes and commands one expiry of the whole fleet costs, and seconds.

    The seconds are from the first call to the end of the last.
    """
    with RedisServer() as place, AuthServer() as server, place.client() as client:
        make_store("redis", place.url).save(with_expiry(server.login()))
        fleet = [
            start_process(place.url, server.url, workers // processes) for _ in range(processes)
        ]
        step_all(fleet)  # all read the token
        for process in fleet:
            assert read_line(process) == "ready"
        server.expire()
        server.fail(Delay(REFRESH))
        before, refreshes = count_commands(client), server.counters.refreshes
        began = time.perf_counter()
        for process in fleet:
            step(process)
        for process in fleet:
            assert read_line(process) == "done"
        seconds = time.perf_counter() - began
        for process in fleet:
            process.communicate()
        cost = {
            name: number - before.get(name, 0)
            for name, number in count_commands(client).items()
            if name not in NOT_COUNTED
        }
        return server.counters.refreshes - refreshes, cost, seconds


def main() -> None:
    """Print the commands that one expiry of the whole fleet costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=4)
    options = parser.parse_args()
    workers = options.workers // options.processes * options.processes
    refreshes, cost, _ = measure(workers, options.processes)
    print(f"{workers} workers, one expiry: {refreshes} refresh")
    for name, number in sorted(cost.items(), key=lambda item: -item[1]):
        if number:
            print(f"  {name:12} {number:7}  {number / workers:6.2f} a worker")
    total = sum(cost.values())
    print(f"  {'all':12} {total:7}  {total / workers:6.2f} a worker")


if __name__ == "__main__":
    if sys.argv[1:2] == [_FLEET]:
        run_workers(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
