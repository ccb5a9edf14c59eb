"""single_flight.py alone: every order of the steps of a leader, a follower and the call's thread.

The long form is `python -m tests.stress.orders`.
"""

from __future__ import annotations

import pytest

from requests_jwt_refresh.refresh import single_flight
from tests.stress.orders import SCENARIOS, SHARED, interrupted
from tests.support.schedules import explore, sample


@pytest.mark.parametrize("name", ["two join", "two join, a login"])
def test_every_order_without_a_preemption(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order, each call runs once, and all threads that wait for it get its outcome."""
    worlds = explore(single_flight, SHARED, SCENARIOS[name], monkeypatch, preemptions=0)
    assert sum(1 for _ in worlds) > 100


@pytest.mark.parametrize("name", SCENARIOS)
def test_orders_picked_at_random(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with any number of preemptions."""
    sample(single_flight, SHARED, SCENARIOS[name], monkeypatch, count=200)


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_exception_at_every_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a leader or follower dies of, and where: no other thread waits for ever."""
    assert sum(1 for _ in interrupted(name, monkeypatch, orders=3)) > 50


def test_the_explorer_finds_a_deadlock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that forgets to open a gate is found: the tests above can fail."""

    def forgetful(self: single_flight.Call[object], state: single_flight.State) -> None:
        self.state = state
        self._slot.clear()
        self._to_leader.put(None)

    monkeypatch.setattr(single_flight.Call, "end", forgetful)
    with pytest.raises(AssertionError, match="in the order"):
        sample(single_flight, SHARED, SCENARIOS["two join"], monkeypatch, count=50)
