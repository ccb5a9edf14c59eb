"""A clock that stands still until a test moves it, and attempts without the pauses between them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from urllib3.util import Retry

from requests_jwt_refresh import clock as real

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_SLEEPS = 1000
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

    @property
    def slept(self) -> float:
        """Seconds slept so far, all threads together."""
        with self._mutex:
            return sum(self.sleeps)

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
        assert len(self.sleeps) < _MAX_SLEEPS, "it never ends"
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


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let urllib3 ask again at once; how often it does, and when it gives up, stays as it is."""
    monkeypatch.setattr(Retry, "sleep", lambda *_: None)
