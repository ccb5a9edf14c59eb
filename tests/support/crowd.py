"""Threads that each do one thing at the same time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from tests.support.waits import WAIT, join

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

_E = TypeVar("_E", bound=BaseException)


class Crowd:
    """Calls ``do(number)`` in `count` threads at the same time; keeps what became of each."""

    def __init__(self, count: int, do: Callable[[int], requests.Response]) -> None:
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
