"""A time by which a request to the refresh endpoint has ended, whatever the server does.

A socket's timeout starts anew with every byte that arrives, so that a trickle could go on for
hours. Here the attempts share one deadline (`TimeLeft`), and what still hangs then is cut off
(`Watchdog`); retries.py stops before it. A deadline is a ``time.monotonic()``, as sockets have
it, and not clock.py's.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from urllib3.util import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

DEADLINE_SLACK: Final = 0.1  # seconds after it, in which a socket's own timeout may come first
_SHORTEST: Final = 0.001  # seconds; urllib3 takes no timeout of 0


def seconds_until(deadline: float) -> float:
    """Return what is left, as a timeout that every adapter understands."""
    return max(deadline - monotonic(), _SHORTEST)


class TimeLeft(Timeout):
    """A timeout that each attempt finds shrunk to what is left until the deadline.

    It is no number, so it is for urllib3 alone: adapters of the user's get `seconds_until`.
    """

    def __init__(self, deadline: float) -> None:
        super().__init__(total=seconds_until(deadline))
        self._deadline = deadline

    def clone(self) -> Timeout:
        """Return what is left now; urllib3 asks for it before each attempt."""
        return Timeout(total=seconds_until(self._deadline))


class Watchdog:
    """Calls a function once `seconds` have passed, unless it is stopped before."""

    def __init__(self, seconds: float, function: Callable[[], object]) -> None:
        self._timer = threading.Timer(max(seconds, 0.0) + DEADLINE_SLACK, function)
        with suppress(RuntimeError):  # a sub-interpreter has no daemons, an ending one no threads
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        """Do not call the function any more."""
        self._timer.cancel()


@contextmanager
def cut_off(response: requests.Response, deadline: float) -> Iterator[None]:
    """End a body that trickles in past the deadline, whatever session it comes over."""

    def shut_down() -> None:
        with suppress(Exception):  # read to its end, or a transport of another kind
            _shut_down(response.raw)

    watchdog = Watchdog(deadline - monotonic(), shut_down)
    try:
        yield
    finally:
        watchdog.stop()


def _shut_down(raw: Any) -> None:
    """End what reads the body in another thread."""
    if hasattr(raw, "shutdown"):  # from urllib3 2.3 on
        raw.shutdown()
    else:  # versions that are final, so that their private attributes can be relied on
        raw._fp.fp.raw._sock.shutdown(socket.SHUT_RD)  # noqa: SLF001
