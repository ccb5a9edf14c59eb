"""Letting a refresh end before SIGTERM ends the process."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Holding:
    """A handler that notes a SIGTERM and, when the block is over, lets it through."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self.came = False
        self.over = False

    def is_idle(self) -> bool:
        """Whether it holds nothing back: left behind by a Ctrl-C, or inherited by a child."""
        return self.over or os.getpid() != self._process

    def __call__(self, _number: int, _frame: object) -> None:
        self.came = True
        if self.is_idle():
            _deliver()


@contextmanager
def sigterm_held_back() -> Iterator[None]:
    """Deliver a SIGTERM only after the ``with`` block.

    Between the server's answer and the store's save, it would cost the login. Only the main thread
    can hold it back, and only the default action kills at once: a program with a handler of its own
    ends in its own way, and Python waits for the refresh's thread by itself.
    """
    if not _would_kill_at_once():
        yield
        return
    holding = _Holding()
    try:
        signal.signal(signal.SIGTERM, holding)
        yield
    finally:
        # First of all: a Ctrl-C may keep the next line from running. The handler then stays, and
        # lets every SIGTERM through.
        holding.over = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if holding.came:
            _deliver()


def _would_kill_at_once() -> bool:
    if threading.current_thread() is not threading.main_thread():
        return False
    handler = signal.getsignal(signal.SIGTERM)
    return handler is signal.SIG_DFL or (isinstance(handler, _Holding) and handler.is_idle())


def _deliver() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
