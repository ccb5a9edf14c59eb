"""Letting a refresh end before SIGTERM ends the process."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def sigterm_held_back() -> Iterator[None]:
    """Deliver a SIGTERM only after the ``with`` block.

    Between the server's answer and the store's save, it would cost the login. Only the main thread
    can hold it back, and only the default action kills at once: a program with a handler of its own
    ends in its own way, and Python waits for the refresh's thread by itself.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    process = os.getpid()
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        came.append(number)
        if os.getpid() != process:  # a child forked meanwhile, which holds nothing back
            _deliver(number)

    try:
        signal.signal(signal.SIGTERM, note)
    except ValueError:  # in a subinterpreter
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if came:
            _deliver(came[0])


def _deliver(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
