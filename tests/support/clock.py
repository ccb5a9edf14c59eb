"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from requests_jwt_refresh import clock as real

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

_MOST_SLEEPS = 1000
_TICK = 0.000_001  # seconds by which each look moves it on, as a real one would have moved


class Clock:
    """Stands in for requests_jwt_refresh.clock: sleeping moves it on at once."""

    def __init__(self, *, epoch: float = 1_700_000_000.0) -> None:
        self._mutex = threading.Lock()  # guards the two below
        self._now = 1000.0
        self.sleeps: list[float] = []
        self.steps: list[Callable[[], object]] = []
        """What happens during each sleep, one call after the other."""
        self._epoch = epoch - self._now

    def monotonic(self) -> float:
        with self._mutex:
            self._now += _TICK
            return self._now

    def time(self) -> float:
        return self._epoch + self.monotonic()

    def sleep(self, seconds: float) -> None:
        """Note the pause in `sleeps`, move on by it, and do the next of `steps`."""
        with self._mutex:
            self.sleeps.append(seconds)
            self._now += seconds
        assert len(self.sleeps) < _MOST_SLEEPS, "it never ends"
        if self.steps:
            self.steps.pop(0)()

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        with self._mutex:
            self._now += seconds

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of the library's clock for one test."""
        for name in ("monotonic", "time", "sleep"):
            monkeypatch.setattr(real, name, getattr(self, name))
