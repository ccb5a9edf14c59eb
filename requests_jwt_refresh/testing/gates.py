"""Gates: a test holds requests there until it lets them go on."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from requests_jwt_refresh.testing.validation import check_count, check_seconds
from requests_jwt_refresh.testing.values import Kind, RecordedRequest, Target
from requests_jwt_refresh.tokens import describe_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

_KINDS = get_args(Kind)


class Gate:
    """Holds requests after they were read and counted, before anything is done for them.

    ``server.gate()`` makes it, for a ``with`` block.

    ```python
    with AuthServer() as server:
        with server.gate(on="api") as gate:
            answer = ThreadPoolExecutor().submit(requests.get, f"{server.url}/api/users")
            gate.wait_for(1)  # it has arrived, and gets no answer before the block ends
        assert answer.result().status_code == 401
    ```
    """

    on: Target
    """Which requests it holds."""

    def __init__(self, on: Target, remove: Callable[[Gate], None]) -> None:
        self.on = on
        self._remove = remove
        self._changed = threading.Condition()  # guards the two below
        self._arrived = 0
        self._is_open = False

    def wait_for(self, count: int, timeout: float = 10.0) -> None:
        """Return as soon as at least `count` requests have arrived here.

        Raises TimeoutError after `timeout` seconds, TypeError or ValueError for a number that makes
        no sense.
        """
        check_count("count", count)
        check_seconds("timeout", timeout)
        with self._changed:
            if not self._changed.wait_for(lambda: self._arrived >= count, timeout):
                raise TimeoutError(
                    f"{self._arrived} of {count} requests were at the gate after {timeout} s"
                )

    def open(self) -> None:
        """Let all requests through, those that wait and those that come later."""
        with self._changed:
            self._is_open = True
            self._changed.notify_all()

    def pass_through(self) -> None:
        """Wait here until the gate is open. The server calls it for each request."""
        with self._changed:
            self._arrived += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._is_open)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._remove(self)
        self.open()


def is_target(on: Target, request: RecordedRequest) -> bool:
    """Whether a fault or a gate `on` this target is for `request`."""
    return request.kind == on if isinstance(on, str) else on(urlsplit(request.path).path)


def validate_target(on: Target) -> Target:
    """Return `on`. Raises TypeError or ValueError if it is neither a kind nor a predicate."""
    if isinstance(on, str):
        if on not in _KINDS:
            text = f"give one of {', '.join(_KINDS)}, or a predicate on the path"
            raise ValueError(f"on={on!r}: {text}")
        return on
    if not callable(on) or isinstance(on, type):
        raise TypeError(
            "on must be a kind such as 'refresh', or a function (path) -> bool, not "
            f"{describe_kind(on)}"
        )
    _check_call(on)
    return on


def _check_call(predicate: Callable[[str], bool]) -> None:
    """Raise TypeError unless `predicate` can be called with a path."""
    try:
        signature = inspect.signature(predicate)
    except ValueError:
        return  # some functions in C have none
    try:
        signature.bind("/path")
    except TypeError as error:
        raise TypeError(
            f"on is called with the path alone: on=lambda path: ... ({error})"
        ) from None
