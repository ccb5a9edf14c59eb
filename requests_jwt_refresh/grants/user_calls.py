"""Calling a function of the user's that shows or opens something, while the login goes on."""

from __future__ import annotations

import contextvars
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.refresh.single_flight import Outcome
from requests_jwt_refresh.refresh.user_functions import explain_login_error, log_callback_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

FIRST_SECONDS: Final = 0.5  # in which most functions have returned, or have failed
_THREAD_NAME: Final = "jwt-login"


class UserCall:
    """One call of a user's function, which may take as long as the login does, or longer.

        with UserCall("open of the BrowserLogin", function, url) as call:
            call.wait()
            ...  # look at call.get_result() from time to time

    It may wait for what only we can answer, as a browser waits for its page: so it has a thread of
    its own, a daemon, as a browser would not keep the program from ending. `what` names the
    function in the text of an error. What it raises after the block has ended is logged.
    """

    def __init__(self, what: str, function: Callable[[Any], object], argument: object) -> None:
        self._what, self._function, self._argument = what, function, argument
        # How it has ended, until one of the two threads takes it.
        self._ended: queue.SimpleQueue[Outcome[object]] = queue.SimpleQueue()
        self._outcome: Outcome[object] | None = None  # the same, taken by the login
        self._is_left = False

    def __enter__(self) -> Self:
        context = contextvars.copy_context()  # it knows which refresh this is a part of
        try:
            threading.Thread(
                target=context.run, args=(self._run,), name=_THREAD_NAME, daemon=True
            ).start()
        except RuntimeError:  # out of threads, or a sub-interpreter, which may have no daemons
            self._run()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_left = True
        self._log_failure()

    def wait(self) -> None:
        """Wait for its end, FIRST_SECONDS at most."""
        if not self.has_ended():
            with suppress(queue.Empty):
                self._ended.put(self._ended.get(timeout=FIRST_SECONDS))

    def has_ended(self) -> bool:
        """Whether the function has returned or raised."""
        return self._outcome is not None or not self._ended.empty()

    def get_result(self) -> object:
        """Return what the function has returned, None if it has not ended.

        For what it raised, raises RefreshUnavailable; or the same, if that is an error of ours that
        says how a login ends, or no Exception.
        """
        if self._outcome is None:
            with suppress(queue.Empty):
                self._outcome = self._ended.get_nowait()
        if self._outcome is None:
            return None
        failure = self._outcome.failure
        if isinstance(failure, Exception):
            failure = explain_login_error(self._what, self._function, failure)
        if failure is not None:
            raise failure
        return self._outcome.value

    def _run(self) -> None:
        try:
            outcome = Outcome(self._function(self._argument))
        except BaseException as failure:  # noqa: BLE001 - it is raised where the login waits
            outcome = Outcome(failure=failure)
        self._ended.put(outcome)
        if self._is_left:
            self._log_failure()

    def _log_failure(self) -> None:
        """Log what nobody has taken. Both threads look, at the end, and one of them finds it."""
        with suppress(queue.Empty):
            failure = self._ended.get_nowait().failure
            if isinstance(failure, Exception):
                log_callback_error(self._function, failure)
