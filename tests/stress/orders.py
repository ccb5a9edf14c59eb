"""Every order in which leader, follower and the call's thread can take their steps.

    python -m tests.stress.orders [--preemptions 2 | --interrupts] [--scenario NAME]

Without --preemptions every order there is, which takes long. With --interrupts every order without
a preemption, with an exception at each line of the leader and of the follower in turn.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

import pytest

from requests_jwt_refresh.refresh import single_flight
from requests_jwt_refresh.refresh.single_flight import Call, SingleFlight, State
from tests.support.schedules import Interrupted, explore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.schedules import World

    Check = Callable[[], None]

EVERY: Final = ""  # each line is a step
SHARED: Final = r"\.state\b|_gates|_slot|outcome|\b_callbacks|setdefault|_claim"


class Party:
    """Threads that join one flight; what each got."""

    def __init__(self, world: World, *, logs_in: bool = False) -> None:
        self.world, self._logs_in = world, logs_in
        self.flight: SingleFlight[str] = SingleFlight()
        self.calls: dict[str, Call[str]] = {}
        self.runs: list[str] = []
        self.notified: list[object] = []
        self._running = 0

    def join(self, name: str) -> None:
        def work(call: Call[str]) -> str:
            self._running += 1
            assert self._running == 1, "two calls at once"
            self.runs.append(name)
            call.add_callback(self.notified.append, name, lambda _: None)
            try:
                self.world.step()
                if self._logs_in:
                    return call.run_in_leader(lambda: name)
            finally:
                self._running -= 1
            return name

        while True:
            call = self.flight.join(work, 3600.0)
            if call.outcome is not None:
                break
        self.calls[name] = call

    def check(self, *names: str) -> None:
        left = self.flight.call
        # A leader may have died before its call began; the next who asks begins it.
        assert left is None or left.state is State.QUEUED, "the flight is not idle"
        for thread in self.world.threads:
            assert thread.failure is None or isinstance(thread.failure, Interrupted), thread.failure
        died = {each.name for each in self.world.threads if each.failure is not None}
        assert left is None or died, "a queued call is never begun"
        for name in set(names) - died:
            outcome = self.calls[name].outcome
            assert outcome is not None
            assert outcome.value in self.runs
        assert sorted(map(str, self.notified)) == sorted(self.runs), "told once, whatever happened"
        if not died:
            assert len(self.runs) == len({id(call) for call in self.calls.values()})


def _describe_outcome(*names: str, logs_in: bool = False) -> Callable[[World], Check]:
    def scenario(world: World) -> Check:
        party = Party(world, logs_in=logs_in)
        for name in names:
            world.spawn(lambda name=name: party.join(name), name)  # type: ignore[misc]
        return lambda: party.check(*names)

    return scenario


SCENARIOS: Final[dict[str, Callable[[World], Check]]] = {
    "two join": _describe_outcome("leader", "follower"),
    "two join, a login": _describe_outcome("leader", "follower", logs_in=True),
    "three join": _describe_outcome("leader", "follower", "another"),
}


def steps_of(name: str, who: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many steps a thread takes in the first order."""
    world = next(explore(single_flight, EVERY, SCENARIOS[name], monkeypatch, preemptions=0))
    return next(each.steps for each in world.threads if each.name == who)


def interrupted(
    name: str, monkeypatch: pytest.MonkeyPatch, orders: int | None = None
) -> Iterator[World]:
    """Run a scenario with an exception at each line of its leader, then of its follower.

    In every order without a preemption, or in the first `orders` for each line.
    """
    for who in ("leader", "follower"):
        for step in range(1, steps_of(name, who, monkeypatch) + 1):
            worlds = explore(
                single_flight,
                EVERY,
                SCENARIOS[name],
                monkeypatch,
                preemptions=0,
                interrupt=(who, step),
            )
            yield from islice(worlds, orders)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preemptions", type=int, default=None)
    parser.add_argument("--interrupts", action="store_true", help="an exception at every line")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    options = parser.parse_args()
    for name in options.scenario or SCENARIOS:
        began, count, last = time.monotonic(), 0, 0.0
        with pytest.MonkeyPatch.context() as monkeypatch:
            worlds = (
                interrupted(name, monkeypatch)
                if options.interrupts
                else explore(
                    single_flight,
                    SHARED,
                    SCENARIOS[name],
                    monkeypatch,
                    preemptions=options.preemptions,
                )
            )
            for _ in worlds:
                count += 1
                if time.monotonic() - last > 10:
                    last = time.monotonic()
                    sys.stderr.write(f"{name}: {count} orders so far\n")
        sys.stdout.write(f"{name}: {count} orders, 0 findings, {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
