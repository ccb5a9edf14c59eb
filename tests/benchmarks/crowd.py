"""Threads that start at the same moment, and the time until the last of them has ended."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

CROWD_THREAD: Final = "crowd"
_WAIT: Final = 120.0  # seconds; only a benchmark that hangs waits so long


def time_crowd(count: int, call: Callable[[], object]) -> tuple[float, list[object]]:
    """Call from so many threads at once; return the seconds it took, and what each got or raised.

    That the threads are started takes time, too, which is not counted.
    """
    outcomes: list[object] = [None] * count
    moments: list[float] = []
    barrier = threading.Barrier(count, lambda: moments.append(time.perf_counter()))

    def run(number: int) -> None:
        barrier.wait(_WAIT)
        try:
            outcomes[number] = call()
        except Exception as failure:  # noqa: BLE001 - what became of it is what is measured
            outcomes[number] = failure

    threads = [
        threading.Thread(target=run, args=(number,), name=CROWD_THREAD, daemon=True)
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_WAIT)
    if any(thread.is_alive() for thread in threads):
        raise TimeoutError(f"{count} threads have not ended in {_WAIT:g} s")
    return time.perf_counter() - moments[0], outcomes


def raise_first(outcomes: list[object]) -> None:
    """Raise the first of these outcomes that is an error."""
    for each in outcomes:
        if isinstance(each, Exception):
            raise each
