"""Ctrl-C at any moment of a request that refreshes, thousands of times.

    python -m tests.stress.interrupts [--rounds 2000] [--seed N]

Each round lets the access token expire, sends a request, and interrupts it some microseconds later.
The request may die of it; after it nothing may hang, no refresh token may have been used twice, and
on_refresh must have been called once for each refresh.

A moment inside the queue of urllib3's pool is passed over: an interrupt there may keep the queue's
lock, and every later request of such a session hangs, with or without this library.
"""

from __future__ import annotations

import argparse
import faulthandler
import queue
import random
import signal
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import JSONEndpoint, MemoryStore, Token, mount
from requests_jwt_refresh.testing import AuthServer
from tests.support.sessions import plain_session
from tests.support.waits import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    import requests

LONGEST: Final = 0.006  # seconds from the beginning of a request to its interrupt
PASSING: Final = 0.000_05  # seconds until a moment that was passed over is tried again


@dataclass
class Counts:
    """What has happened."""

    rounds: int = 0
    interrupted: int = 0
    refreshes: int = 0
    told: list[Token] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds, {self.interrupted} interrupted, {self.refreshes} refreshes, "
            f"on_refresh called {len(self.told)} times, 0 findings"
        )


def explore(rounds: int, seed: int = 0) -> Counts:
    """Interrupt requests at random moments. Raises AssertionError for a finding."""
    chance, counts = random.Random(seed), Counts()
    with AuthServer() as server, plain_session() as session:
        adapter = mount(
            session,
            server.url,
            JSONEndpoint("/auth/refresh"),
            MemoryStore(),
            on_refresh=counts.told.append,
        )
        adapter.set_token(server.login())
        steps: list[Callable[[], object]] = [
            lambda: session.get("/api/x"),
            adapter.refresh,
            lambda: adapter.set_token(server.login()),
        ]
        alarm = _Alarm()
        for _ in range(rounds):
            server.expire()
            counts.rounds += 1
            step, seconds = chance.choice(steps), chance.uniform(0.000_01, LONGEST)
            counts.interrupted += alarm.call(step, seconds)
            _check(session)
        wait_until(lambda: not _own_threads(), "the end of all threads")
        counts.refreshes = server.counters.rotated
        assert server.counters.reuse == 0, "a refresh token was used twice"
        wait_until(lambda: len(counts.told) == counts.refreshes, "one on_refresh for each refresh")
    return counts


class _Alarm:
    """Raises KeyboardInterrupt in a block some seconds after it began, as a Ctrl-C would."""

    def __init__(self) -> None:
        self._is_armed = False
        signal.signal(signal.SIGALRM, self._ring)

    def _ring(self, _number: int, frame: FrameType | None) -> None:
        if not self._is_armed:
            return
        if _is_in_queue(frame):
            signal.setitimer(signal.ITIMER_REAL, PASSING)
            return
        self._is_armed = False
        raise KeyboardInterrupt

    def call(self, function: Callable[[], object], seconds: float) -> bool:
        """Call `function`; return whether it was interrupted."""
        try:
            self._is_armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            function()
        except KeyboardInterrupt:
            return True
        finally:
            self._is_armed = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        return False


def _is_in_queue(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != queue.__file__:
        frame = frame.f_back
    return frame is not None


def _check(session: requests.Session) -> None:
    faulthandler.dump_traceback_later(60.0, exit=True)  # a hang shows where
    try:
        assert session.get("/api/x").status_code == 200
    finally:
        faulthandler.cancel_dump_traceback_later()


def _own_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("jwt-refresh")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    sys.stdout.write(f"seed {seed}\n{explore(options.rounds, seed)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
