"""Many processes and threads, one store, tokens that live 2 s, a server that forgives nothing.

    python -m tests.stress.soak --store file|keyring|redis|all
        [--processes 8 --threads 8 --seconds 30 --restarts 0]

Every call must be answered with 200, every expiry must cost one refresh (a token is refreshed late
in its life, and once), and no refresh token may be used twice. With --restarts the keyring's daemon
or Redis is killed so often, and started again after a second: calls may then say that no refresh
can be had, but the login must live. The exit status is 0 only if all of that held.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.locations import (
    add_store_option,
    list_chosen_stores,
    new_location,
    new_service,
)
from tests.stress.workers import make_store, read_line, start_worker, step
from tests.support.waits import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stress.locations import Service, StoreLocation

DOWNTIME: Final = 1.0  # seconds from the end of a service to its new start
UNAVAILABLE: Final = ("RefreshUnavailable", "StoreError", "LockTimeout", "KeyringUnavailable")


class SoakResult(NamedTuple):
    """What a soak has counted."""

    calls: int
    failed: list[str]
    unavailable: int
    expiries: int
    refreshes: int
    unauthorized: int
    reuse: int
    alive: bool

    def is_good(self) -> bool:
        return not self.failed and self.refreshes == self.expiries and not self.reuse and self.alive

    def __str__(self) -> str:
        return (
            f"{self.calls} calls, {len(self.failed)} failed, {self.unavailable} without the store, "
            f"{self.expiries} expiries, "
            f"{self.refreshes} refreshes, {self.unauthorized} times 401, reuse {self.reuse}, "
            f"family {'alive' if self.alive else 'revoked'}: "
            f"{'good' if self.is_good() else 'NOT GOOD'}"
        )


def soak(
    location: StoreLocation,
    *,
    processes: int,
    threads: int,
    lifetime: float,
    seconds: float,
    expiries: int = 0,
    service: Service | None = None,
    restarts: int = 0,
) -> SoakResult:
    """Let `processes` x `threads` call for `seconds` with tokens that live for `lifetime`.

    It goes on for longer if fewer than `expiries` tokens have been replaced by then. Meanwhile the
    store's `service` is killed and started again `restarts` times.
    """
    with AuthServer(lifetime=lifetime, rotate=True, detect_reuse=True, grace=0.0) as server:
        store = make_store(location.kind, location.name)
        first = with_expiry(server.login())
        store.save(first)
        began = time.monotonic()
        with _hammer(location, server, processes, threads) as outcomes:
            for _ in range(restarts):
                time.sleep(seconds / (restarts + 1))
                _restart(service)
            time.sleep(seconds / (restarts + 1))
            wait_until(lambda: server.counters.rotated >= expiries, f"{expiries} expiries")
        newest = store.load()
        failed = [failure for outcome in outcomes for failure in outcome["failed"]]
        unavailable = [each for each in failed if restarts and each.startswith(UNAVAILABLE)]
        refreshed = [each.at for each in server.requests if each.kind == "refresh"]
        return SoakResult(
            calls=sum(outcome["calls"] for outcome in outcomes),
            failed=[failure for failure in failed if failure not in unavailable],
            unavailable=len(unavailable),
            expiries=_count_expiries(began, refreshed, lifetime),
            refreshes=server.counters.refreshes,
            unauthorized=server.counters.unauthorized,
            reuse=server.counters.reuse,
            alive=newest is not None and server.family_alive(newest),
        )


def _count_expiries(began: float, refreshed: list[float], lifetime: float) -> int:
    """Return how many tokens had lived for half of their life when they were refreshed."""
    lives = zip([began, *refreshed], refreshed, strict=False)
    return sum(end - begin >= lifetime / 2 for begin, end in lives)


def _restart(service: Service | None) -> None:
    assert service is not None, "a file has no service to restart"
    service.stop()
    time.sleep(DOWNTIME)
    service.start()


@contextmanager
def _hammer(
    location: StoreLocation, server: AuthServer, processes: int, threads: int
) -> Iterator[list[dict[str, Any]]]:
    """Let the workers call while the block runs; then fill the list with what each has printed."""
    arguments = (location.kind, location.name, server.url, str(threads))
    workers = [
        start_worker("hammer", *arguments, environment=location.environment)
        for _ in range(processes)
    ]
    outcomes: list[dict[str, Any]] = []
    try:
        for worker in workers:
            assert read_line(worker) == "ready"
        for worker in workers:
            step(worker)
        yield outcomes
        for worker in workers:
            step(worker)
        outcomes += [json.loads(read_line(worker)) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def main() -> int:
    """Soak the stores that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add_store_option(parser)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--lifetime", type=float, default=2.0, help="of an access token, seconds")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--restarts", type=int, default=0, help="of the keyring's daemon or Redis")
    options = vars(parser.parse_args())
    is_good = True
    for kind in list_chosen_stores(options.pop("store")):
        if options["restarts"] and kind == "file":
            continue
        with ExitStack() as stack:
            if options["restarts"]:
                location, service = stack.enter_context(new_service(kind))
            else:
                location, service = stack.enter_context(new_location(kind)), None
            result = soak(location, service=service, **options)
        is_good = is_good and result.is_good()
        print(f"{kind}: {result}", flush=True)
        for failure in sorted(set(result.failed)):
            print(f"    {failure}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
