"""SIGKILL in the middle of refreshes: what is left, and what it costs.

    python -m tests.stress.kills --store file|keyring|redis|all [--kills 200 --grace 0]

A child refreshes without a pause and is killed at a random moment. Afterwards the store must be
readable, its lock free, and the login good, unless the kill fell between the server's answer and
the save: then the server has rotated a token that nobody has.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from requests_jwt_refresh import RefreshRejected, StoreError
from requests_jwt_refresh.testing import AuthServer
from tests.stress.soak import STORES, Place, place_for
from tests.stress.workers import LEASE, make_store, mounted, start, step, told

if TYPE_CHECKING:
    from requests_jwt_refresh import JWTRefreshAdapter

LONGEST = 0.25  # seconds of refreshing before a kill


class Killed(NamedTuple):
    """What came of the kills."""

    kills: int
    refreshes: int
    torn: int
    stuck: int
    lost: int
    unexplained: int

    def is_good(self) -> bool:
        return self.torn == self.stuck == self.unexplained == 0


def kill(place: Place, *, kills: int, grace: float, chance: random.Random) -> Killed:
    """Kill so many children of one store in the middle of their refreshes."""
    torn = stuck = lost = unexplained = 0
    with (
        AuthServer(rotate=True, detect_reuse=True, grace=grace) as server,
        mounted(place.kind, place.name, server.url) as (_session, adapter),
    ):
        adapter.set_token(server.login())
        for _ in range(kills):
            _let_one_be_killed(place, server, chance)
            reuse = server.counters.reuse
            try:
                with make_store(place.kind, place.name).lock(5 * LEASE):
                    make_store(place.kind, place.name).load()
            except StoreError as error:
                stuck += "lock" in str(error)
                torn += "lock" not in str(error)
                continue
            was_in_flight = _is_in_flight(place, server)
            if not _is_logged_in(adapter):
                # The stored refresh token is the very one that the child used last, for an answer
                # that it did not live to save.
                explained = was_in_flight and server.counters.reuse == reuse + 1
                lost += explained
                unexplained += not explained
                adapter.set_token(server.login())
        return Killed(kills, server.counters.refreshes, torn, stuck, lost, unexplained)


def _let_one_be_killed(place: Place, server: AuthServer, chance: random.Random) -> None:
    worker = start("refresh", place.kind, place.name, server.url, environment=place.environment)
    assert told(worker) == "ready"
    before = server.counters.refreshes
    step(worker)
    while server.counters.refreshes == before:  # it has begun
        time.sleep(0.001)
    time.sleep(chance.uniform(0, LONGEST))
    worker.kill()
    worker.communicate()


def _is_in_flight(place: Place, server: AuthServer) -> bool:
    """Whether the stored refresh token is the one that the last refresh was asked with."""
    stored = make_store(place.kind, place.name).load()
    last = [seen for seen in server.requests if seen.kind == "refresh"][-1]
    return stored is not None and str(stored.refresh).encode() in last.body


def _is_logged_in(adapter: JWTRefreshAdapter) -> bool:
    try:
        adapter.refresh()
    except RefreshRejected:
        return False
    return True


def main() -> int:
    """Kill at the stores that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--store", choices=[*STORES, "all"], default="all")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--grace", type=float, default=0.0, help="the server's, in seconds")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    good = True
    for kind in STORES if asked.store == "all" else [asked.store]:
        with place_for(kind) as place:
            result = kill(
                place,
                kills=asked.kills,
                grace=asked.grace,
                chance=random.Random(asked.seed),
            )
        good = good and result.is_good()
        print(
            f"{kind}: {result.kills} kills in {result.refreshes} refreshes, torn {result.torn}, "
            f"locks stuck {result.stuck}, logins lost between answer and save {result.lost}, "
            f"otherwise {result.unexplained}: {'good' if result.is_good() else 'NOT GOOD'}",
            flush=True,
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
