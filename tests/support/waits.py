"""Waiting for what another thread or process does, with an end to it."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from requests_jwt_refresh.refresh.single_flight import THREAD_NAME, _flights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WAIT = 30.0  # seconds; only a failing test ever waits so long
_LOOK = 0.005  # seconds between two looks


def wait_until(is_so: Callable[[], object], what: str = "it") -> None:
    """Return as soon as `is_so()`. Raises AssertionError after WAIT seconds.

    For what no event or gate can tell, such as another process.
    """
    end = time.monotonic() + WAIT
    while not is_so():
        assert time.monotonic() < end, f"{what} did not happen within {WAIT:g} s"
        time.sleep(_LOOK)


class Process(Protocol):
    """A process, as subprocess.Popen has it."""

    pid: int

    def send_signal(self, number: int, /) -> None: ...


def wait_until_asleep(process: Process) -> None:
    """Wait until the main thread of `process` waits, such as for a line to read; or until it ends.

    A signal, or Ctrl-C, that comes between Python's last look at its signals and the system call
    that waits is handled after that wait only, which can be never. So this comes before one that a
    Python program is to handle. Where there is no /proc, it returns at once.
    """
    stat = Path(f"/proc/{process.pid}/stat")
    if stat.exists():
        wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] in "SZ", "its wait")


def interrupt(process: Process, number: int = signal.SIGINT) -> None:
    """Send `process` a signal that it handles, while it waits."""
    wait_until_asleep(process)
    process.send_signal(number)


def finish_background() -> None:
    """Wait for what this library does in threads of its own to end."""
    wait_until(_is_idle, "the end of the background work")


def _is_idle() -> bool:
    if any(flight.call is not None for flight in list(_flights)):
        return False
    return all(each.name != THREAD_NAME for each in threading.enumerate())


def join(*threads: threading.Thread) -> None:
    """Wait for `threads` to end. Raises AssertionError if one hangs."""
    end = time.monotonic() + WAIT
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0.0))
    hanging = [thread.name for thread in threads if thread.is_alive()]
    assert not hanging, f"these threads hang: {hanging}"


def start(*functions: Callable[[], object]) -> list[threading.Thread]:
    """Run each function in a thread of its own; daemons, so that a failing test can end."""
    threads = [threading.Thread(target=each, daemon=True) for each in functions]
    for thread in threads:
        thread.start()
    return threads


def wait_for_all(events: Iterable[threading.Event]) -> None:
    """Wait for every event. Raises AssertionError after WAIT seconds."""
    for event in events:
        assert event.wait(WAIT), f"an event did not come within {WAIT:g} s"
