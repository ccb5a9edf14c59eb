"""A time by which a request to the refresh endpoint has ended, whatever the server does.

A socket's timeout starts anew with every byte that arrives, so that a trickle could go on for
hours. Here the attempts share one deadline (`TimeLeft`), retries stop before it (`RetryUntil`), and
what still hangs then is cut off (`Watchdog`). A deadline is a ``time.monotonic()``, as sockets have
it, and not clock.py's.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util import Retry, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests
    from typing_extensions import Self

DEADLINE_SLACK: Final = 0.1  # seconds after it, in which a socket's own timeout may come first
RETRIES: Final = 3  # after the first attempt: at once, after 0.5 s, after 1 s
_SHORTEST: Final = 0.001  # seconds; urllib3 takes no timeout of 0


class TimeLeft(Timeout):
    """A timeout that each attempt finds shrunk to what is left until the deadline."""

    def __init__(self, deadline: float) -> None:
        super().__init__(total=max(deadline - monotonic(), _SHORTEST))
        self._deadline = deadline

    def clone(self) -> Timeout:
        """Return what is left now; urllib3 asks for it before each attempt."""
        return Timeout(total=max(self._deadline - monotonic(), _SHORTEST))


class RetryUntil(Retry):
    """urllib3's Retry, which stops when the next attempt would come after the deadline."""

    deadline: float

    @classmethod
    def deadline_at(cls, deadline: float) -> RetryUntil:
        """Return the retry policy of a refresh: promptly, and only for what may pass.

        Connection errors, 429, 502, 503 and 504; pauses as Retry-After says (RFC 9110 §10.2.3).
        """
        retry = cls(
            total=RETRIES,
            other=0,  # a bad certificate does not get better
            redirect=False,
            allowed_methods=None,  # POST too: a lost response may be had again in the grace window
            status_forcelist=(429, 502, 503, 504),
            backoff_factor=0.25,
            raise_on_status=False,
        )
        retry.deadline = deadline
        return retry

    def new(self, **changes: Any) -> Self:
        """Return a copy with `changes`, as urllib3 makes it before each attempt."""
        again = super().new(**changes)
        again.deadline = self.deadline
        return again

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        """Count one attempt. Raises MaxRetryError if there is no time for another."""
        again = super().increment(*args, **kwargs)
        response, error = kwargs.get("response"), kwargs.get("error")
        pause = (response and again.get_retry_after(response)) or again.get_backoff_time()
        if monotonic() + pause >= self.deadline:
            reason = error or ResponseError("no time left for another attempt")
            raise MaxRetryError(kwargs["_pool"], None, reason) from error
        return again


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
            response.raw.shutdown()

    watchdog = Watchdog(deadline - monotonic(), shut_down)
    try:
        yield
    finally:
        watchdog.stop()
