"""Gates, and which request meets which fault."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from requests_jwt_refresh.testing.seen import Kind, Place, SeenRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from requests_jwt_refresh.testing.faults import Fault


class Gate:
    """Where requests wait, after they were read and counted, before anything is done for them."""

    def __init__(self, on: Place, removed: Callable[[Gate], None]) -> None:
        self.on = on
        self._removed = removed
        self._changed = threading.Condition()  # guards the two below
        self._arrived = 0
        self._is_open = False

    def wait_for(self, count: int, timeout: float = 10.0) -> None:
        """Return as soon as at least `count` requests have arrived here.

        Raises TimeoutError after `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._arrived >= count, timeout):
                raise TimeoutError(
                    f"{self._arrived} of {count} requests were at the gate after {timeout} s"
                )

    def open(self) -> None:
        """Let everybody through, now and later."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def pass_through(self) -> None:
        """Wait here until the gate is open."""
        with self._changed:
            self._arrived += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_open)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._removed(self)
        self.open()


@dataclass
class PlannedFault:
    fault: Fault
    on: Place
    left: int | None  # None: no end

    def is_for(self, seen: SeenRequest) -> bool:
        return self.left != 0 and _is_at(self.on, seen)


class Traffic:
    """What stands in a request's way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below; never held while anybody waits
        self._is_open = True
        self._gates: list[Gate] = []
        self._plan: list[PlannedFault] = []
        self._healed = threading.Event()  # a new one after each heal()

    def admit(self, seen: SeenRequest) -> tuple[Fault | None, threading.Event]:
        """Wait at the gates; return the request's fault, and what tells that it is over."""
        with self._lock:
            gates = [gate for gate in self._gates if _is_at(gate.on, seen)]
        for gate in gates:
            gate.pass_through()
        self.check_open()
        with self._lock:
            return self._take(seen), self._healed

    def _take(self, seen: SeenRequest) -> Fault | None:
        planned = next((each for each in self._plan if each.is_for(seen)), None)
        if planned is None:
            return None
        if planned.left is not None:
            planned.left -= 1
        return planned.fault

    def check_open(self) -> None:
        with self._lock:
            if not self._is_open:
                raise ConnectionAbortedError("the server has been stopped")

    def plan(self, planned: PlannedFault) -> None:
        with self._lock:
            self._plan.append(planned)

    def add_gate(self, on: Place) -> Gate:
        gate = Gate(on, self._remove_gate)
        with self._lock:
            self._gates.append(gate)
        return gate

    def _remove_gate(self, gate: Gate) -> None:
        with self._lock, contextlib.suppress(ValueError):  # a stop has removed it already
            self._gates.remove(gate)

    def heal(self) -> None:
        with self._lock:
            self._plan.clear()
            self._healed.set()
            self._healed = threading.Event()

    def start(self) -> None:
        with self._lock:
            self._is_open = True

    def stop(self) -> None:
        with self._lock:
            self._is_open = False
            gates, self._gates = self._gates, []
        for gate in gates:
            gate.open()
        self.heal()


def _is_at(on: Place, seen: SeenRequest) -> bool:
    return seen.kind == on if isinstance(on, str) else on(urlsplit(seen.path).path)


def checked_place(on: Place) -> Place:
    if not callable(on) and on not in get_args(Kind):
        raise ValueError(f"on={on!r}: give one of {', '.join(get_args(Kind))}, or a predicate")
    return on
