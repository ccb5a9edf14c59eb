"""Trying again until a lock is free or a store has something new, with pauses that grow."""

from __future__ import annotations

import random
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_PAUSE: Final = 0.02  # seconds
LONGEST_PAUSE: Final = 0.5  # seconds; a fleet that waits long must not keep its Redis busy
# Each pause is such a share of the time waited so far: nobody waits much longer than he has to.
_GROWTH: Final = 0.2
# And as many times as long as the try before it took: a store that is slow, or has many who ask,
# is asked less often.
_REST: Final = 2.0
_JITTER: Final = 0.25  # of a pause, either way: those who began together do not stay together


def poll(
    attempt: Callable[[], object],
    timeout: float,
    *,
    shortest: float = SHORTEST_PAUSE,
    longest: float = LONGEST_PAUSE,
) -> bool:
    """Call `attempt` until it returns something true; return whether it has within `timeout`.

    It is called at once, and once more at the end; with a `timeout` of 0 once. All in seconds.
    """
    began = monotonic()
    while True:
        tried = monotonic()
        if attempt():
            return True
        now = monotonic()
        left = timeout - (now - began)
        if left <= 0:
            return False
        pause = draw_pause(now - began, now - tried, shortest=shortest, longest=longest)
        sleep(min(pause, left))


def draw_pause(
    waited: float, cost: float, *, shortest: float = SHORTEST_PAUSE, longest: float = LONGEST_PAUSE
) -> float:
    """Return the pause after a try that took `cost`, by one who has `waited` so long; in seconds.

    A part of it is left to chance.
    """
    pause = max(shortest, waited * _GROWTH, cost * _REST)
    jitter = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
    return min(pause * jitter, longest)
