"""A Ctrl-C before each line that a thread takes in one module, one after the other."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from typing_extensions import Self


class _Preemption:
    def __init__(self, module: str, step: int) -> None:
        self._module, self._left = module, step
        self.place: str | None = None
        self.is_leaving = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> Self | None:
        if frame.f_globals.get("__name__") != self._module or _is_in(
            "__del__", frame
        ):  # what is raised in a finalizer, Python drops
            return None
        if event in ("call", "line") and self.place is None:
            self._left -= 1
            if self._left < 0:
                self.is_leaving = _is_in("__exit__", frame)
                self.place = f"{frame.f_code.co_name}, line {frame.f_lineno}"
                raise KeyboardInterrupt
        return self


def _is_in(function: str, frame: FrameType | None) -> bool:
    """Whether `frame` runs on behalf of a function of this name."""
    return frame is not None and (
        frame.f_code.co_name == function or _is_in(function, frame.f_back)
    )


def interrupt_each_line(
    module: str, work: Callable[[], object], check: Callable[[], object]
) -> list[str]:
    """Do `work` with a KeyboardInterrupt at its first line in `module`, its second and so on.

    After each call `check`: while its traceback is kept, as an interactive Python does, or after it
    was forgotten if it came when a block was left. Return where they came.
    """
    places: list[str] = []
    while True:
        kept: KeyboardInterrupt | None = None
        with _tracing(_Preemption(module, len(places))) as preemption:
            try:
                work()
            except KeyboardInterrupt as error:
                kept = None if preemption.is_leaving else error
        if preemption.place is None:
            return places
        places.append(preemption.place)
        try:
            check()
        except Exception as error:
            raise AssertionError(f"after a Ctrl-C in {preemption.place}") from error
        del kept


@contextmanager
def _tracing(preemption: _Preemption) -> Iterator[_Preemption]:
    before = sys.gettrace()
    sys.settrace(preemption)
    try:
        yield preemption
    finally:
        sys.settrace(before)
