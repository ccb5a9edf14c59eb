"""For whom a token is needed, and how long that one waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from urllib3.util import Timeout

from requests_jwt_refresh.urls import without_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

    from requests_jwt_refresh.refresh.client import SendOptions

SHORTEST_PATIENCE: Final = 10.0  # seconds that any request waits for a refresh
PATIENCE_MARGIN: Final = 1.0  # seconds in which a refresh that runs out of time says so itself


class Need(NamedTuple):
    """For whom a token is needed: an API request, or a call of the user's (`request` is None)."""

    find_options: Callable[[], SendOptions]  # how it reaches the network; called for a refresh
    since: float  # clock.monotonic(): when it began
    request: PreparedRequest | None = None
    timeout: Any = None  # the request's own, as requests takes it

    @property
    def url(self) -> str | None:
        """The URL of the request without its query."""
        return None if self.request is None else without_query(self.request.url or "")

    @property
    def place(self) -> tuple[str, str]:
        """The method and URL of the request, by which a 401 that no refresh cures is known."""
        method = None if self.request is None else self.request.method
        return method or "", self.url or ""

    def patience(self, refresh_timeout: float) -> float:
        """Return the seconds to wait for a refresh.

        As long as the request's own connect and read timeouts together, 10 s at least and
        `refresh_timeout` at most. A call of the user's waits for the lock and for the exchange.
        """
        if self.request is None:
            return 2 * refresh_timeout + PATIENCE_MARGIN
        own = _total(self.timeout)
        if own is None:
            return refresh_timeout + PATIENCE_MARGIN
        own = max(own, SHORTEST_PATIENCE)
        return own if own < refresh_timeout else refresh_timeout + PATIENCE_MARGIN


def _total(timeout: Any) -> float | None:
    """Return connect and read timeout together in seconds; None if one of them has no end."""
    whole = None
    if isinstance(timeout, Timeout):
        whole, clock = timeout.total, timeout.clone()
        clock.start_connect()  # until then urllib3 derives no read timeout from a total
        parts: tuple[object, ...] = (clock.connect_timeout, clock.read_timeout)
    elif isinstance(timeout, tuple):
        parts = timeout
    else:
        parts = (timeout, timeout)
    seconds = [float(each) for each in parts if isinstance(each, (int, float))]
    if len(seconds) != len(parts):
        return None
    return min(sum(seconds), whole) if isinstance(whole, (int, float)) else sum(seconds)
