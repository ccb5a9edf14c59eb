"""Telling what happens: to the log, and as an Event to the user's `on_event`."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh import clock
from requests_jwt_refresh.events import Event
from requests_jwt_refresh.refresh.user_functions import log_callback_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.events import Kind
    from requests_jwt_refresh.refresh.single_flight import Call

logger = logging.getLogger("requests_jwt_refresh")


class Story:
    """Tells the steps of one adapter. What is told has no secret in it."""

    def __init__(self, on_event: Callable[[Event], object] | None) -> None:
        self.on_event = on_event

    def tell(self, kind: Kind, text: str, *, level: int = logging.DEBUG, **values: Any) -> None:
        """Log `text`, and call `on_event` with an Event of this kind and `values`.

        Not to be called with a lock held; see `Chapter`.
        """
        logger.log(level, "%s", text, extra={"kind": kind})
        if self.on_event is None:
            return
        try:
            self.on_event(Event(kind, clock.time(), **values))
        except Exception as error:  # noqa: BLE001 - what a callback raises goes no further
            log_callback_error(self.on_event, error)


class Chapter:
    """What one call does, told by its own thread to the log, and to `on_event` once it has ended.

    So `on_event` never runs under a lock; nor do `on_refresh` and `on_logout`, called after it.
    Each is a callback of its own: a Ctrl-C in one of them costs none of the others.
    """

    def __init__(self, story: Story, call: Call[Any]) -> None:
        self._story, self._call = story, call

    def note(self, kind: Kind, text: str, *, level: int = logging.DEBUG, **values: Any) -> None:
        """Log `text` now, and keep the event for the end."""
        logger.log(level, "%s", text, extra={"kind": kind})
        self.call_at_end(self._story.on_event, Event(kind, clock.time(), **values))

    def call_at_end(self, callback: Callable[[Any], object] | None, argument: object) -> None:
        """Have `callback` called with `argument` once the call has ended."""
        if callback is not None:
            self._call.add_callback(callback, argument, partial(log_callback_error, callback))
