"""Which request waits at which gate, and which one gets which fault."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from requests_jwt_refresh.testing.gates import Gate, is_target, validate_target
from requests_jwt_refresh.testing.validation import check_count
from requests_jwt_refresh.tokens import describe_kind

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Fault
    from requests_jwt_refresh.testing.values import RecordedRequest, Target


@dataclass
class PlannedFault:
    """A fault for the next `left` requests to `on`; None is without end.

    Raises TypeError or ValueError for what can be no such thing.
    """

    fault: Fault
    on: Target
    left: int | None

    def __post_init__(self) -> None:
        if isinstance(self.fault, type) or not callable(getattr(self.fault, "play", None)):
            kind = describe_kind(self.fault)
            raise TypeError(f"{kind} is no fault; a fault has a method play: Status(503)")
        validate_target(self.on)
        if self.left is not None:
            check_count("times", self.left)

    def is_for(self, request: RecordedRequest) -> bool:
        return self.left != 0 and is_target(self.on, request)


class FaultPlan:
    """The gates there are, and the faults still to be played."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below; never held while a request waits
        self._is_running = True
        self._gates: list[Gate] = []
        self._faults: list[PlannedFault] = []
        self._cleared = threading.Event()  # a new one after each clear_faults()

    def admit(self, request: RecordedRequest) -> tuple[Fault | None, threading.Event]:
        """Wait at the gates; return the request's fault, and the event that ends its pauses."""
        with self._lock:
            gates = [gate for gate in self._gates if is_target(gate.on, request)]
        for gate in gates:
            gate.pass_through()
        self._check_running()
        with self._lock:
            return self._take_fault(request), self._cleared

    def _take_fault(self, request: RecordedRequest) -> Fault | None:
        """Return the oldest fault with a number; without one, the oldest without end."""
        found = [each for each in self._faults if each.is_for(request)]
        planned = min(found, key=lambda each: each.left is None, default=None)
        if planned is None:
            return None
        if planned.left is not None:
            planned.left -= 1
        return planned.fault

    def pause(self, cleared: threading.Event, seconds: float | None) -> None:
        """Wait `seconds`, None without end, or until `cleared`.

        Raises ConnectionAbortedError if the server has been stopped.
        """
        cleared.wait(seconds)
        self._check_running()

    def _check_running(self) -> None:
        with self._lock:
            if not self._is_running:
                raise ConnectionAbortedError("the server has been stopped")

    def add_fault(self, planned: PlannedFault) -> None:
        """Plan a fault; one without end takes the place of the one for the same requests."""
        with self._lock:
            if planned.left is None:
                self._faults = [
                    each for each in self._faults if each.left is not None or each.on != planned.on
                ]
            self._faults.append(planned)

    def add_gate(self, on: Target) -> Gate:
        gate = Gate(on, self._remove_gate)
        with self._lock:
            self._gates.append(gate)
        return gate

    def _remove_gate(self, gate: Gate) -> None:
        with self._lock, contextlib.suppress(ValueError):  # a stop has removed it already
            self._gates.remove(gate)

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()
            self._cleared.set()
            self._cleared = threading.Event()

    def start(self) -> None:
        with self._lock:
            self._is_running = True

    def stop(self) -> None:
        with self._lock:
            self._is_running = False
            gates, self._gates = self._gates, []
        for gate in gates:
            gate.open()
        self.clear_faults()
