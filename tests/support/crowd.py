"""Threads that each do one thing at the same time, and what can be seen of them meanwhile."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.waits import WAIT, join, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh import JWTRefreshAdapter

_E = TypeVar("_E", bound=BaseException)

THREADS = 32


class Crowd:
    """Calls ``do(number)`` in `count` threads at the same time; keeps what became of each."""

    def __init__(self, count: int, do: Callable[[int], Any]) -> None:
        self._do = do
        self._start = threading.Barrier(count)
        self._outcomes: dict[int, requests.Response | BaseException] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        try:
            self._start.wait(WAIT)
            self._outcomes[number] = self._do(number)
        except BaseException as failure:  # noqa: BLE001 - it is what a test wants to see
            self._outcomes[number] = failure

    def outcomes(self) -> list[requests.Response | BaseException]:
        """Wait for all, and return what each got or raised, in the order of their numbers."""
        join(*self._threads)
        return [self._outcomes[number] for number in range(len(self._threads))]

    def statuses(self) -> list[object]:
        return [getattr(each, "status_code", repr(each)) for each in self.outcomes()]

    def failures(self, kind: type[_E]) -> list[_E]:
        return [each for each in self.outcomes() if isinstance(each, kind)]


class Seen401s:
    """A matcher that knows when `count` requests have got their 401."""

    def __init__(self, count: int) -> None:
        self._mutex = threading.Lock()  # guards the count
        self._left = count
        self._all_in = threading.Event()

    def __call__(self, response: requests.Response) -> bool:
        if response.status_code != 401:
            return False
        with self._mutex:
            self._left -= 1
            if self._left <= 0:
                self._all_in.set()
        return True

    def wait_for_all(self) -> None:
        """Raises AssertionError if a request does not get that far in WAIT seconds."""
        assert self._all_in.wait(WAIT), "a thread that waits for the refresh keeps its connection"


def waiters(adapter: JWTRefreshAdapter) -> int:
    """Return how many requests wait for a refresh that another thread leads.

    It is the one thing that tests read behind the public names: no request and no store tells it.
    """
    waiting: int = adapter._refresher.flight.waiting  # noqa: SLF001 - see above
    return waiting


def wait_for_waiters(adapter: JWTRefreshAdapter, count: int) -> None:
    """Return as soon as so many requests wait for another thread's refresh."""
    wait_until(lambda: waiters(adapter) >= count, f"{count} waiting for one refresh")
