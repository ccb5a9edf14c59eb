"""What may come between any two steps of a thread, as a signal does."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_ENGINE = "requests_jwt_refresh.refresh"


class Interruption:
    """Calls `do` at the step number `step` (from 0) that a thread takes in the refresh engine.

    A step is the start of a function, or the return from one: there Python looks whether a signal
    has come, and not before a call of C (so between a ``with`` block and the release of its lock it
    does not look).
    """

    def __init__(self, do: Callable[[], object], step: int) -> None:
        self._do = do
        self._left = step
        self.came = False

    def __call__(self, frame: FrameType, event: str, _what: object) -> None:
        if self.came or event == "c_call" or not _is_in_engine(frame) or _is_callback(frame):
            return
        self._left -= 1
        if self._left < 0:
            self.came = True
            self._do()


def _is_in_engine(frame: FrameType) -> bool:
    return any(
        each is not None and str(each.f_globals.get("__name__")).startswith(_ENGINE)
        for each in (frame, frame.f_back)
    )


def _is_callback(frame: FrameType) -> bool:
    """Whether a dead object is taken out of a weak set: what is raised there, Python drops."""
    return frame.f_globals.get("__name__") in ("weakref", "_weakrefset")


@contextmanager
def interruption(do: Callable[[], object], step: int) -> Iterator[Interruption]:
    """Let `do` come between two steps of this thread; `came` is False if there were not so many."""
    coming = Interruption(do, step)
    before = sys.getprofile()
    sys.setprofile(coming)
    try:
        yield coming
    finally:
        sys.setprofile(before)


def ctrl_c() -> NoReturn:
    """Raise what Python raises for a Ctrl-C."""
    raise KeyboardInterrupt
