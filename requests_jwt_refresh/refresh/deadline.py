"""A time by which a request to the refresh endpoint has ended, whatever the server does.

A socket's timeout starts anew with every byte that arrives, so that a trickle could go on for
hours. Here all that is done for one exchange shares one `Deadline`. Our own connections ask it
before each step (connections.py), each attempt before it begins (`TimeLeft`) and each pause
(retries.py). What comes over connections of another kind is cut off by a thread (`Watchdog`,
`cut_off`). It counts in ``time.monotonic()``, as sockets do, and not in clock.py's.
"""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import requests
from urllib3.util import Timeout

from requests_jwt_refresh.refresh.single_flight import is_program_ending
from requests_jwt_refresh.urls import describe_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("requests_jwt_refresh")

DEADLINE_SLACK: Final = 0.1  # seconds after it, in which a socket's own timeout may come first
_EXIT_POLL: Final = 0.25  # seconds between two looks whether the program is ending
_SHORTEST: Final = 0.001  # seconds; urllib3 takes no timeout of 0


class Deadline:
    """The end of `seconds` from now; sooner if the program ends meanwhile.

    With an `exit_grace`, `exit_grace` seconds are left from the moment in which it is noticed that
    nothing else keeps the program from ending. One WARNING says what was cut off by that, `url`
    being what was asked last.
    """

    def __init__(
        self, seconds: float, exit_grace: float | None = None, url: str | None = None
    ) -> None:
        self.url = url
        self._seconds = seconds
        self._exit_grace = exit_grace
        self._is_brought_forward = False
        self._has_warned = False
        self.restart()

    def restart(self) -> None:
        """Count the seconds from now."""
        self._end = monotonic() + self._seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 once it has passed."""
        if self._exit_grace is not None and is_program_ending():
            end = monotonic() + self._exit_grace
            self._exit_grace = None  # it is given once
            self._is_brought_forward = end < self._end
            self._end = min(self._end, end)
        left = self._end - monotonic()
        if left <= 0 and self._is_brought_forward and not self._has_warned:
            self._has_warned = True
            self._warn()
        return max(left, 0.0)

    def has_passed(self) -> bool:
        """Whether nothing is left."""
        return self.left() <= 0

    def until_next_look(self) -> float:
        """Return for how long to wait at most before the deadline is looked at again."""
        left = self.left()
        return left if self._exit_grace is None else min(left, _EXIT_POLL)

    def step(self) -> float:
        """Return a timeout, as every adapter takes it, for what cannot be waited for in slices.

        Before a request is sent, nothing is lost if it ends too soon.
        """
        left = max(self.left(), _SHORTEST)
        return left if self._exit_grace is None else min(left, self._exit_grace)

    def timeout(self) -> float:
        """Return what is left, as a timeout that every adapter takes."""
        return max(self.left(), _SHORTEST)

    def _warn(self) -> None:
        logger.warning(
            "The program has ended before %s had answered an early refresh, and its connection was "
            "closed. The server may have given a new refresh token that is lost with it; if the "
            "next refresh is refused, a new login is needed.",
            describe_url(self.url),
        )


class TimeLeft(Timeout):
    """A timeout that each attempt finds shrunk to what is left until the deadline.

    It is no number, so it is for urllib3 alone: adapters of the user's get `Deadline.timeout`.
    """

    def __init__(self, deadline: Deadline) -> None:
        super().__init__(total=deadline.timeout())
        self._deadline = deadline

    def clone(self) -> Timeout:
        """Return what is left now; urllib3 asks for it before each attempt."""
        return Timeout(total=self._deadline.timeout())


class Watchdog:
    """A thread that calls a function once a deadline has passed, unless it is stopped before."""

    def __init__(self, deadline: Deadline, function: Callable[[], object]) -> None:
        self._deadline = deadline
        self._function = function
        self._stopped = threading.Event()
        self.has_called = False
        with suppress(RuntimeError):  # a sub-interpreter has no daemons, an ending one no threads
            threading.Thread(target=self._watch, daemon=True, name="jwt-watchdog").start()

    def stop(self) -> None:
        """Do not call the function any more."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._deadline.has_passed():
            if self._stopped.wait(self._deadline.until_next_look()):
                return
        if not self._stopped.wait(DEADLINE_SLACK):
            self.has_called = True
            self._function()


@contextmanager
def cut_off(response: requests.Response, deadline: Deadline) -> Iterator[None]:
    """End a body that trickles in past the deadline, whatever session it comes over.

    Raises Timeout if it did: what came until then may look like a whole body.
    """

    def shut_down() -> None:
        with suppress(Exception):  # read to its end, or a transport of another kind
            _shut_down(response.raw)

    watchdog = Watchdog(deadline, shut_down)
    try:
        yield
    finally:
        watchdog.stop()
    if watchdog.has_called:
        raise requests.Timeout


def _shut_down(raw: Any) -> None:
    """End what reads the body in another thread."""
    if hasattr(raw, "shutdown"):  # from urllib3 2.3 on
        raw.shutdown()
    else:  # versions that are final, so that their private attributes can be relied on
        raw._fp.fp.raw._sock.shutdown(socket.SHUT_RD)  # noqa: SLF001
