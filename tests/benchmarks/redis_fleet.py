"""What a fleet of workers costs Redis per expiry, counted.

    python tests/benchmarks/redis_fleet.py [--workers 1000 --processes 4]

Every worker is a RedisStore, an adapter and a session of its own, as a process of a fleet has them.
All meet one expiry at once; Redis counts the commands itself (INFO commandstats).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    import redis

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from requests_jwt_refresh import JSONEndpoint, RedisStore, mount  # noqa: E402
from requests_jwt_refresh.testing import AuthServer  # noqa: E402 - found by the line above
from requests_jwt_refresh.tokens import with_expiry  # noqa: E402
from tests.stress.workers import make_store  # noqa: E402
from tests.support.redis_server import RedisServer  # noqa: E402

QUIET = {"info", "hello", "client|setinfo", "client", "ping", "script|load", "select"}


class Worker(RedisStore):
    """A store that shares nothing within its process, as if it were a process of its own."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def fleet(place: str, url: str, size: int) -> None:
    """Be `size` workers: make a call each when told, twice."""
    start, done = threading.Barrier(size + 1), threading.Barrier(size + 1)

    def work() -> None:
        with requests.Session() as session:
            session.trust_env = False
            store = Worker(place, "workers:token")
            mount(session, url, JSONEndpoint("/auth/refresh"), store)
            for _ in range(2):
                start.wait()
                status = session.get("/api/x").status_code
                assert status == 200, status
                done.wait()

    for _ in range(size):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(2):
        print("ready", flush=True)
        sys.stdin.readline()
        start.wait()
        done.wait()
    print("done", flush=True)


def calls(client: redis.Redis) -> dict[str, int]:
    """Return how often each command has been carried out."""
    stats: Any = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}


def main() -> None:
    """Print the commands that one expiry of the whole fleet costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=4)
    asked = parser.parse_args()
    size = asked.workers // asked.processes
    with RedisServer() as place, AuthServer() as server, place.client() as client:
        make_store("redis", place.url).save(with_expiry(server.login()))
        teams = [
            subprocess.Popen(
                [sys.executable, __file__, "fleet", place.url, server.url, str(size)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for _ in range(asked.processes)
        ]

        def together() -> None:
            for team in teams:
                assert team.stdout is not None
                assert team.stdin is not None
                assert team.stdout.readline() == "ready\n"
            for team in teams:
                assert team.stdin is not None
                team.stdin.write("\n")
                team.stdin.flush()

        together()  # all have the token
        for team in teams:
            assert team.stdout is not None
            assert team.stdout.readline() == "ready\n"
        server.expire()
        before, refreshes = calls(client), server.counters.refreshes
        for team in teams:
            assert team.stdin is not None
            team.stdin.write("\n")
            team.stdin.flush()
        for team in teams:
            assert team.stdout is not None
            assert team.stdout.readline() == "done\n"
            team.communicate()
        after = calls(client)
        cost = {name: after[name] - before.get(name, 0) for name in after if name not in QUIET}
        workers = size * asked.processes
        print(f"{workers} workers, one expiry: {server.counters.refreshes - refreshes} refresh")
        for name, number in sorted(cost.items(), key=lambda item: -item[1]):
            if number:
                print(f"  {name:12} {number:7}  {number / workers:6.2f} a worker")
        print(f"  {'all':12} {sum(cost.values()):7}  {sum(cost.values()) / workers:6.2f} a worker")


if __name__ == "__main__":
    if sys.argv[1:2] == ["fleet"]:
        fleet(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
