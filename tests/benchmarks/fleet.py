"""A fleet on one Redis, simulated: what an expiry costs, from 10 to 10,000 workers.

    python -m tests.benchmarks.fleet [--real 10 100] [--refresh 0.02 0.3] [--lifetime 300] [--plain]

Discrete events: every worker goes through the steps of the library's own code, with its own pauses
and its own schedule of refreshes ahead; Redis carries out one command after the other. What a
command takes is measured on a real Redis in the same run. ``--real`` runs fleets of that many real
workers as well (tests/benchmarks/redis_fleet.py), to be compared. They share the cores of this
machine, so that they come one after the other, and their refresh takes longer: they belong between
two models, one in which they come spread over the time that the real ones took, and one in which
the refresh takes all of that time.
"""

from __future__ import annotations

import argparse
import heapq
import os
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from requests_jwt_refresh import RedisStore, Token
from requests_jwt_refresh.refresh.ahead import Schedule, make_schedule
from requests_jwt_refresh.stores.base import encode
from requests_jwt_refresh.stores.polling import draw_pause
from requests_jwt_refresh.tokens import with_values
from tests.benchmarks import redis_fleet
from tests.benchmarks.table import Figure, Goal, Row, Table, render
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    Worker = Generator[tuple[str, float], bool | None, None]

SIZES: Final = (10, 100, 1000, 10_000)
_PIPELINED: Final = 2000  # commands, to learn what one of them costs Redis
_PROCESSES: Final = 2  # that real workers are spread over
_TOKEN_BYTES: Final = 800


class Costs(NamedTuple):
    """Seconds that Redis is busy with each command, and that its answer is on the way."""

    look: float
    lock: float
    save: float
    release: float
    travel: float


class Outcome(NamedTuple):
    """What one expiry of the whole fleet costs; the waits are of requests, in seconds."""

    workers: int
    refresh: float
    ahead: bool
    refreshes: int
    commands: int
    median: float
    longest: float


# --- What commands cost --------------------------------------------------------------------------


def measure_costs() -> Costs:
    """Return what the commands of a RedisStore cost, on a Redis that is started for it."""
    with RedisServer() as place, place.client() as client:
        store = RedisStore(place.url, "token")
        token = Token("a" * _TOKEN_BYTES, "r" * _TOKEN_BYTES, time.time() + 300)
        store.save(with_values(token, login_id="login", counter=1))
        with store.lock(0):
            samples = [_time_look(store) for _ in range(200)]
        look = _time_command(client, lambda pipe: pipe.hmget("token", ["generation", "token"]))
        text = encode(token)
        script: Any = client.register_script(_find_script("_CHANGE"))
        save = _time_command(client, lambda pipe: script(keys=["t"], args=[-1, text], client=pipe))
        acquire: Any = client.register_script(_find_script("ACQUIRE"))
        lock = _time_command(
            client, lambda pipe: acquire(keys=["l"], args=["x", 10_000], client=pipe)
        )
        return Costs(look, lock, save, lock, max(statistics.median(samples) - look, 0.0))


def _find_script(name: str) -> str:
    from requests_jwt_refresh.stores import redis as redis_store

    script: str = getattr(redis_store, name)
    return script


def _time_look(store: RedisStore) -> float:
    began = time.perf_counter()
    store.load()
    return time.perf_counter() - began


def _time_command(client: Any, add: Any) -> float:
    """Return the seconds of Redis's processor that one command takes, among many."""
    with client.pipeline(transaction=False) as pipe:
        for _ in range(_PIPELINED):
            add(pipe)
        before = _processor_seconds(client)
        pipe.execute()
        return (_processor_seconds(client) - before) / _PIPELINED


def _processor_seconds(client: Any) -> float:
    found = client.info("cpu")
    return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])


# --- The model -----------------------------------------------------------------------------------


@dataclass
class Fleet:
    """Workers, a Redis that carries out one command after the other, and a clock."""

    costs: Costs
    refresh: float
    now: float = 0.0
    redis_is_free: float = 0.0
    is_saved: bool = False
    is_locked: bool = False
    commands: Counter[str] = field(default_factory=Counter)
    refreshes: int = 0
    ends: dict[int, float] = field(default_factory=dict)
    _events: list[tuple[float, int, int, Worker, bool | None]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def run(self, starts: Iterable[float]) -> None:
        """Let a worker begin at each of `starts`; `ends` is when each has a good token."""
        for number, start in enumerate(starts):
            self._push(start, number, self.work(), None)
        while self._events:
            self.now, _, number, worker, answer = heapq.heappop(self._events)
            try:
                step, seconds = worker.send(answer)
            except StopIteration:
                self.ends[number] = self.now
                continue
            if step == "sleep":
                self._push(self.now + seconds, number, worker, True)
            else:
                self._carry_out(step, seconds, number, worker)

    def _push(self, at: float, number: int, worker: Worker, answer: bool | None) -> None:
        heapq.heappush(self._events, (at, next(self._order), number, worker, answer))

    def _carry_out(self, command: str, seconds: float, number: int, worker: Worker) -> None:
        """Have Redis carry out a command after those that came before it."""
        self.commands[command] += 1
        self.redis_is_free = max(self.redis_is_free, self.now) + seconds
        answer = self._apply(command)
        self._push(self.redis_is_free + self.costs.travel, number, worker, answer)

    def _apply(self, command: str) -> bool:
        if command == "look":
            return self.is_saved
        if command == "lock":
            was_locked, self.is_locked = self.is_locked, True
            return not was_locked
        if command == "save":
            self.is_saved = True
        elif command == "release":
            self.is_locked = False
        return True

    # What a worker does: as TokenCache.hold and Leader do

    def work(self) -> Worker:
        """Adopt a new token, or hold the lock and refresh."""
        began = self.now
        while True:
            tried = self.now
            if (yield "look", self.costs.look):
                return
            if (yield "lock", self.costs.lock):
                break
            yield "sleep", draw_pause(self.now - began, self.now - tried)
        yield from self._exchange()
        yield "release", self.costs.release

    def _exchange(self) -> Worker:
        if (yield "look", self.costs.look):
            return
        yield "room", self.costs.save  # the present token once more: there is room
        self.refreshes += 1
        yield "sleep", self.refresh
        yield "save", self.costs.save


def simulate(
    workers: int, costs: Costs, refresh: float, *, spread: float = 0.0, lifetime: float = 0.0
) -> Outcome:
    """Let a fleet meet one expiry: all at once, or spread over so many seconds.

    With a `lifetime`, each worker refreshes ahead at its own moment, and waits from its leeway on.
    """
    fleet = Fleet(costs, refresh)
    if lifetime:
        plans = [_draw_schedule(lifetime, refresh) for _ in range(workers)]
        starts, dues = [each.background for each in plans], [each.leeway for each in plans]
    else:
        starts = dues = [spread * number / workers for number in range(workers)]
    fleet.run(starts)
    waits = [max(fleet.ends[number] - due, 0.0) for number, due in enumerate(dues)]
    return Outcome(
        workers,
        refresh,
        bool(lifetime),
        fleet.refreshes,
        sum(fleet.commands.values()),
        statistics.median(waits),
        max(waits),
    )


def _draw_schedule(lifetime: float, refresh: float) -> Schedule:
    """Return when a worker begins, and waits, in seconds from when the token was received."""
    received = 1e9
    token = with_values(Token("a", "r", received + lifetime), received_at=received)
    plan = make_schedule(token, None, refresh)
    return Schedule(plan.background - received, plan.leeway - received)


# --- Telling -------------------------------------------------------------------------------------


def compare(workers: int, costs: Costs) -> Row:
    """Run so many real workers, and as many in the model."""
    refreshes, counted, seconds = redis_fleet.measure(workers, _PROCESSES)
    real = sum(counted.get(name, 0) for name in redis_fleet.SENT) / workers
    spread = simulate(workers, costs, redis_fleet.REFRESH, spread=seconds)
    slow = simulate(workers, costs, seconds)
    low, high = (each.commands / workers for each in (spread, slow))
    return Row(
        f"{workers:,} workers, {seconds * 1e3:.0f} ms",
        {
            "refreshes": Figure(refreshes),
            "commands a worker": Figure(real),
            "model, spread": Figure(low),
            "model, slow": Figure(high),
        },
        (
            Goal("refreshes = expiries", refreshes == 1),
            Goal("commands between those of the two models", low <= real <= high),
        ),
    )


def make_row(outcome: Outcome) -> Row:
    when = "ahead" if outcome.ahead else "at once"
    return Row(
        f"{outcome.workers:,} workers, {outcome.refresh * 1e3:.0f} ms, {when}",
        {
            "refreshes": Figure(outcome.refreshes),
            "commands": Figure(outcome.commands),
            "a worker": Figure(outcome.commands / outcome.workers),
            "median wait": Figure(outcome.median * 1e3, "ms"),
            "longest wait": Figure(outcome.longest * 1e3, "ms"),
        },
        (Goal("refreshes = expiries", outcome.refreshes == 1),),
    )


def main() -> None:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--refresh", type=float, nargs="+", default=[0.02, 0.3], help="seconds")
    parser.add_argument("--lifetime", type=float, default=300.0, help="seconds")
    parser.add_argument("--plain", action="store_true", help="lines of numbers apart by tabs")
    options = parser.parse_args()
    costs = measure_costs()
    outcomes = [
        simulate(workers, costs, refresh, lifetime=lifetime)
        for refresh in options.refresh
        for lifetime in (0.0, options.lifetime)
        for workers in SIZES
    ]
    if options.plain:
        print(*Outcome._fields, sep="\t")
        for outcome in outcomes:
            print(*outcome, sep="\t")
        return
    notes = [
        "Redis is busy, in µs: "
        + ", ".join(f"{name} {seconds * 1e6:.1f}" for name, seconds in costs._asdict().items()),
        f"load {os.getloadavg()[0]:.2f} in the last minute, on {os.cpu_count()} cores",
    ]
    if options.real:
        rows = [compare(workers, costs) for workers in options.real]
        print("", *render(Table("The model beside real workers", rows)), sep="\n", flush=True)
    title = f"One expiry of a fleet on one Redis; tokens of {options.lifetime:g} s, simulated"
    print("", *render(Table(title, list(map(make_row, outcomes)), notes)), sep="\n")


if __name__ == "__main__":
    main()
