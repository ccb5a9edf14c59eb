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
        self._on_event = on_event

    @property
    def has_listener(self) -> bool:
        """Whether there is an `on_event`."""
        return self._on_event is not None

    def tell(self, kind: Kind, text: str, *, level: int = logging.DEBUG, **values: Any) -> None:
        """Log `text`, and call `on_event` with an Event of this kind and `values`.

        Not to be called with a lock held; see `Chapter`.
        """
        logger.log(level, "%s", text, extra={"kind": kind})
        self._hand_over(Event(kind, clock.time(), **values))

    def hand_over(self, events: list[Event]) -> None:
        """Call `on_event` with each of `events`."""
        for event in events:
            self._hand_over(event)

    def _hand_over(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - what a callback raises goes no further
            log_callback_error(self._on_event, error)


class Chapter:
    """What one call does, told by its own thread to the log, and to `on_event` once it has ended.

    So `on_event` never runs under a lock; nor do `on_refresh` and `on_logout`, called after it.
    """

    def __init__(self, story: Story) -> None:
        self._story = story
        self._events: list[Event] = []
        self._callback: Callable[[], object] | None = None
        self._callback_name: Callable[..., object] | None = None

    def note(self, kind: Kind, text: str, *, level: int = logging.DEBUG, **values: Any) -> None:
        """Log `text` now, and keep the event for the end."""
        logger.log(level, "%s", text, extra={"kind": kind})
        self._events.append(Event(kind, clock.time(), **values))

    def call_at_end(self, callback: Callable[..., object] | None, argument: object) -> None:
        """Have `callback` called after the call, with `argument`; the last one counts."""
        if callback is not None:
            self._callback, self._callback_name = partial(callback, argument), callback

    def end_with(self, call: Call[Any]) -> None:
        """Have all that was noted handed over once `call` has ended."""
        call.set_callback(Chapter._close, self, self._on_error)

    def _close(self) -> None:
        self._story.hand_over(self._events)
        if self._callback is not None:
            try:
                self._callback()
            except Exception as error:  # noqa: BLE001 - likewise
                self._on_error(error)

    def _on_error(self, error: Exception) -> None:
        log_callback_error(self._callback_name or self._close, error)
