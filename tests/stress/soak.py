"""Many processes and threads, one store, tokens that live 2 s, a server that forgives nothing.

    python -m tests.stress.soak --store file|keyring|redis|all
        [--processes 8 --threads 8 --seconds 30]

Every call must be answered 200, every expiry must cost one refresh, and no refresh token may be
used twice. Exit status 0 only if all of that held.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.workers import make_store, start, step, told
from tests.support.redis_server import RedisServer
from tests.support.secret_service import SecretService

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STORES = ("file", "keyring", "redis")


class Soaked(NamedTuple):
    """What came of it."""

    calls: int
    failed: list[str]
    expiries: int
    refreshes: int
    reuse: int
    alive: bool

    def is_good(self) -> bool:
        return not self.failed and self.refreshes == self.expiries and not self.reuse and self.alive


class Place(NamedTuple):
    """Where a store is, and the environment in which its users find it."""

    kind: str
    name: str
    environment: Mapping[str, str]


@contextmanager
def place_for(kind: str) -> Iterator[Place]:
    """Yield a new place for one token, with the real service that it needs."""
    with ExitStack() as stack:
        environment = dict(os.environ)
        if kind == "file":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            yield Place(kind, str(Path(folder) / "token.json"), environment)
        elif kind == "redis":
            yield Place(kind, stack.enter_context(RedisServer()).url, environment)
        else:
            service = stack.enter_context(SecretService())
            stack.enter_context(_environment(service.environment))
            yield Place(kind, "soak.example.com", {**environment, **service.environment})


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def soak(place: Place, *, processes: int, threads: int, lifetime: float, seconds: float) -> Soaked:
    """Let `processes` x `threads` call for `seconds` with tokens that live for `lifetime`."""
    with AuthServer(lifetime=lifetime, rotate=True, detect_reuse=True, grace=0.0) as server:
        store = make_store(place.kind, place.name)
        first = with_expiry(server.login())
        store.save(first)
        options = (str(threads), str(seconds))
        workers = [
            start(
                "hammer",
                place.kind,
                place.name,
                server.url,
                *options,
                environment=place.environment,
            )
            for _ in range(processes)
        ]
        results = []
        for worker in workers:
            assert told(worker) == "ready"
        for worker in workers:
            step(worker)
        for worker in workers:
            results.append(json.loads(told(worker)))
            worker.communicate()
        newest = store.load()
        # The first may be over before the workers are up.
        used = {first.access, *(seen.bearer for seen in server.requests if seen.kind == "api")}
        return Soaked(
            calls=sum(result["calls"] for result in results),
            failed=[failure for result in results for failure in result["failed"]],
            expiries=len(used) - 1,  # all but the last
            refreshes=server.counters.refreshes,
            reuse=server.counters.reuse,
            alive=newest is not None and server.family_alive(newest),
        )


def main() -> int:
    """Soak the stores that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--store", choices=[*STORES, "all"], default="all")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--lifetime", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = vars(parser.parse_args())
    kinds = STORES if asked["store"] == "all" else [asked["store"]]
    del asked["store"]
    good = True
    for kind in kinds:
        with place_for(kind) as place:
            result = soak(place, **asked)
        good = good and result.is_good()
        print(
            f"{kind}: {result.calls} calls, {len(result.failed)} failed, {result.expiries} "
            f"expiries, {result.refreshes} refreshes, reuse {result.reuse}, "
            f"family {'alive' if result.alive else 'revoked'}: "
            f"{'good' if result.is_good() else 'NOT GOOD'}",
            flush=True,
        )
        for failure in sorted(set(result.failed)):
            print(f"    {failure}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
