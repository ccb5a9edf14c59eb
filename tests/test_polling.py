"""The pauses between two looks: short at first, never much longer than what was waited for."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from requests_jwt_refresh.stores.polling import LONGEST_PAUSE, SHORTEST_PAUSE, poll
from tests.support.pauses import Pauses, pauses

__all__ = ["pauses"]  # a fixture: used by its name

SHORTEST, LONGEST = SHORTEST_PAUSE * 0.75, SHORTEST_PAUSE * 1.25  # with the jitter


@pytest.mark.parametrize("timeout", [0, 0.0, -1.0])
def test_no_time_is_one_try(pauses: Pauses, timeout: float) -> None:
    """And no pause."""
    tries: list[None] = []
    assert not poll(lambda: tries.append(None), timeout)
    assert (len(tries), pauses.made) == (1, [])


def test_what_is_there_is_not_waited_for(pauses: Pauses) -> None:
    """The first try is made at once, and a last one when the time is up."""
    assert poll(lambda: True, 0)
    assert poll(lambda: pauses.now >= 7.0, 7.0)
    assert sum(pauses.made) == pytest.approx(7.0)


def test_the_end_is_the_timeouts(pauses: Pauses) -> None:
    """No pause goes beyond it."""
    assert not poll(pauses.attempt, 30.0)
    assert pauses.now == pytest.approx(30.0)


@pytest.mark.parametrize("seconds", [0.001, 0.02, 0.1, 0.3, 1.0])
def test_a_wait_is_not_much_longer_than_what_is_waited_for(pauses: Pauses, seconds: float) -> None:
    """After 20 ms it is seen within 50; whatever takes longer, within a quarter of that more."""
    pauses.now = 0.0
    assert poll(lambda: pauses.now >= seconds, 30.0)
    assert pauses.now <= max(seconds + LONGEST, seconds * 1.26)


def test_the_pauses_grow_up_to_half_a_second(pauses: Pauses) -> None:
    """Those who wait long ask seldom: a holder that hangs does not keep its store busy."""
    poll(pauses.attempt, 30.0)
    assert SHORTEST <= pauses.made[0] <= LONGEST
    assert max(pauses.made) == LONGEST_PAUSE
    assert all(each >= LONGEST_PAUSE * 0.7 for each in pauses.made[-10:-1])
    assert len(pauses.made) < 100
    longest = [max(pauses.made[: n + 1]) for n in range(len(pauses.made))]
    assert all(after >= before for before, after in pairwise(longest))


@pytest.mark.parametrize("cost", [0.013, 0.1])
def test_what_is_slow_is_asked_less_often(pauses: Pauses, cost: float) -> None:
    """A keyring, or a Redis that thousands ask: it is left alone most of the time."""
    pauses.cost = cost
    poll(pauses.attempt, 1.0)
    assert all(each >= cost * 1.5 for each in pauses.made[:-1])


def test_those_who_began_together_do_not_stay_together(pauses: Pauses) -> None:
    """The pauses have a share of chance."""
    random.seed()
    poll(pauses.attempt, 1.0)
    first = list(pauses.made)
    pauses.made.clear()
    poll(pauses.attempt, 1.0)
    assert pauses.made != first


def test_what_is_raised_ends_the_wait(pauses: Pauses) -> None:
    """It is the caller's."""
    with pytest.raises(ValueError, match="no"):
        poll(lambda: int("no"), 1.0)
    assert pauses.made == []
