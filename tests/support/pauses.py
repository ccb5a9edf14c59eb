"""A time of its own for the pauses between two tries to get a lock, or two looks into a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.stores import polling

if TYPE_CHECKING:
    from collections.abc import Callable


class Pauses:
    """The pauses that were made, in seconds; what is tried takes `cost` seconds each time."""

    def __init__(self) -> None:
        self.made: list[float] = []
        self.now = 0.0
        self.cost = 0.0
        self.before_next: Callable[[], object] | None = None

    def sleep(self, seconds: float) -> None:
        """Let the time pass, and then what is to happen meanwhile."""
        self.made.append(seconds)
        self.now += seconds
        if self.before_next is not None:
            self.before_next()

    def attempt(self) -> bool:
        """Fail, after `cost` seconds."""
        self.now += self.cost
        return False


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """The pauses of this test, which take no time."""
    made = Pauses()
    monkeypatch.setattr(polling, "sleep", made.sleep)
    monkeypatch.setattr(polling, "monotonic", lambda: made.now)
    return made
