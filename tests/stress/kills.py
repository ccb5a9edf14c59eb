"""SIGKILL in the middle of refreshes: what is left, and what it costs.

    python -m tests.stress.kills --store file|keyring|redis|all [--kills 200 --grace 0] [--soft]

With --soft it is a SIGTERM with its default action, while a thread refreshes and the main thread is
busy elsewhere: that kills at once, too, since only the main thread could hold it back.

A child refreshes without a pause and is killed at a random moment. Afterwards the store must be
readable, its lock free, and the login good, unless the kill fell between the server's rotation and
the save: then the server has rotated a token whose successor no store holds.

Which of the two it was, the last two refreshes tell: if a refresh with the stored token is refused,
and the one before it used that same token, then the child had sent it and did not live to save the
response. If the one before it used another token, or the child had used that token twice, the store
was left behind: a save is missing.
That is decided after the refusal, when the server must have recorded both, however late its threads
are; and each kill has a server of its own, so that a late request meets nothing of the next kill.
"""

from __future__ import annotations

import argparse
import enum
import json
import random
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from requests_jwt_refresh import LockTimeout, RefreshRejected, StoreError
from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.locations import add_store_option, list_chosen_stores, new_location
from tests.stress.workers import (
    LEASE,
    PATIENCE,
    make_store,
    mount_session,
    read_line,
    start_worker,
    step,
)
from tests.support.waits import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable

    from requests_jwt_refresh import Token
    from requests_jwt_refresh.testing import RecordedRequest
    from tests.stress.locations import StoreLocation

LONGEST = 0.25  # seconds of refreshing before a kill


class Outcome(enum.Enum):
    """What a kill has left."""

    ALIVE = "the login is good"
    LOST = "the login was lost between rotation and save"
    TORN = "the store cannot be read"
    STUCK = "the lock is not free"
    UNEXPLAINED = "the login was lost, although no refresh was in flight"


class KillResult(NamedTuple):
    """What the kills have counted."""

    kills: int
    refreshes: int
    torn: int
    stuck: int
    lost: int
    unexplained: int

    def is_good(self) -> bool:
        return self.torn == self.stuck == self.unexplained == 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.refreshes} refreshes, torn {self.torn}, "
            f"locks stuck {self.stuck}, logins lost between rotation and save {self.lost}, "
            f"otherwise {self.unexplained}: {'good' if self.is_good() else 'NOT GOOD'}"
        )


def kill(
    location: StoreLocation,
    *,
    kills: int,
    grace: float,
    chance: random.Random,
    is_soft: bool = False,
) -> KillResult:
    """Kill so many children of one store in the middle of their refreshes."""
    outcomes: Counter[Outcome] = Counter()
    refreshes = 0
    for _ in range(kills):
        with AuthServer(rotate=True, detect_reuse=True, grace=grace) as server:
            outcome = (
                kill_one(
                    location,
                    server,
                    lambda _: _pause(chance),
                    "refresh_in_a_thread",
                    signal.SIGTERM,
                )
                if is_soft
                else kill_one(location, server, lambda _: _pause(chance))
            )
            outcomes[outcome] += 1
            refreshes += server.counters.refreshes
    return KillResult(
        kills,
        refreshes,
        torn=outcomes[Outcome.TORN],
        stuck=outcomes[Outcome.STUCK],
        lost=outcomes[Outcome.LOST],
        unexplained=outcomes[Outcome.UNEXPLAINED],
    )


def _pause(chance: random.Random) -> None:
    time.sleep(chance.uniform(0, LONGEST))


def kill_one(
    location: StoreLocation,
    server: AuthServer,
    wait: Callable[[subprocess.Popen[str]], object],
    job: str = "refresh",
    number: int = signal.SIGKILL,
) -> Outcome:
    """Kill one child after its first refresh has begun and `wait` has returned."""
    store = make_store(location.kind, location.name)
    store.save(with_expiry(server.login()))
    _run_until_killed(location, server, wait, job, number)
    try:
        with store.lock(5 * LEASE):
            stored = store.load()
    except LockTimeout:
        return Outcome.STUCK
    except StoreError:
        return Outcome.TORN
    if _can_refresh(location, server):
        return Outcome.ALIVE
    return Outcome.LOST if was_in_flight(server.requests, stored) else Outcome.UNEXPLAINED


def _run_until_killed(
    location: StoreLocation,
    server: AuthServer,
    wait: Callable[[subprocess.Popen[str]], object],
    job: str,
    number: int,
) -> None:
    kind, name, environment = location
    worker = start_worker(job, kind, name, server.url, environment=environment)
    try:
        assert read_line(worker) == "ready"
        step(worker)
        wait_until(lambda: server.counters.refreshes, "the first refresh")
        wait(worker)
    finally:
        worker.send_signal(number)
        try:
            assert worker.wait(PATIENCE / 2) == -number, "the signal was swallowed"
        finally:
            worker.kill()
            worker.communicate()


def _can_refresh(location: StoreLocation, server: AuthServer) -> bool:
    """Refresh once, in a program that has just been started."""
    with mount_session(location.kind, location.name, server.url) as (_session, adapter):
        try:
            adapter.refresh()
        except RefreshRejected:
            return False
    return True


def was_in_flight(requests: Iterable[RecordedRequest], stored: Token | None) -> bool:
    """Whether a refresh of the dead child was in flight, once one with `stored` was refused.

    It was if the last two refreshes, its own and the refused one, used the stored token, and no
    other had: a child that uses a token twice has lost what it got for it.
    """
    if stored is None:
        return False
    used = [json.loads(each.body)["refresh_token"] for each in requests if each.kind == "refresh"]
    return used[-2:] == [stored.refresh] * 2 and used.count(stored.refresh) == 2


def main() -> int:
    """Kill at the stores that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add_store_option(parser)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--grace", type=float, default=0.0, help="the server's, in seconds")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--soft", action="store_true", help="SIGTERM, to a program that refreshes in a thread"
    )
    options = parser.parse_args()
    is_good = True
    for kind in list_chosen_stores(options.store):
        chance = random.Random(options.seed)
        with new_location(kind) as location:
            result = kill(
                location,
                kills=options.kills,
                grace=options.grace,
                chance=chance,
                is_soft=options.soft,
            )
        is_good = is_good and result.is_good()
        print(f"{kind}: {result}", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
