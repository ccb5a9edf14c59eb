"""The retry policy of the refresh call: what is asked for again, how often, and until when."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util import Retry

from requests_jwt_refresh.response_errors import find_retry_after

if TYPE_CHECKING:
    from typing_extensions import Self
    from urllib3 import BaseHTTPResponse

    from requests_jwt_refresh.refresh.deadline import Deadline

RETRIES: Final = 3  # after the first attempt: at once, after 0.5 s, after 1 s
_NO_TIME: Final = "no time left for another attempt"


class RetryUntil(Retry):
    """urllib3's Retry, which stops when the next attempt would come after the deadline."""

    deadline: Deadline

    @classmethod
    def policy_until(cls, deadline: Deadline) -> RetryUntil:
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

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the seconds that the server asks to wait, None if it asks for none.

        urllib3's own raises InvalidHeader for what is neither a whole number nor a date.
        """
        return find_retry_after(response.headers) or None

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        """Count one attempt. Raises MaxRetryError if there is no time for another."""
        again = super().increment(*args, **kwargs)
        response, error = kwargs.get("response"), kwargs.get("error")
        if again.find_pause(response) >= self.deadline.left():
            reason = error or ResponseError(_NO_TIME)
            raise MaxRetryError(kwargs["_pool"], None, reason) from error
        return again

    def find_pause(self, response: BaseHTTPResponse | None) -> float:
        """Return the seconds to wait before the next attempt."""
        return (response and self.get_retry_after(response)) or self.get_backoff_time()

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the next attempt. Raises TimeoutError if there is no time for it any more.

        The end of the program may bring the deadline forward, so that the wait is in slices.
        """
        left = self.find_pause(response)
        while True:
            if self.deadline.left() <= left:
                raise TimeoutError(_NO_TIME)
            if left <= 0:
                return
            pause = min(left, self.deadline.until_next_look())
            sleep(pause)
            left -= pause
