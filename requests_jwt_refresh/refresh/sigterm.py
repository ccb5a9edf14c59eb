"""Letting a refresh end before SIGTERM ends the process."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


MAX_DEFERRAL: Final = 5.0  # seconds; then it is delivered, whatever the server has not answered


class _Deferral:
    """A handler that notes a SIGTERM and delivers it once the block has ended, or in MAX_DEFERRAL.

    Only the main thread can deliver it. So another thread sends it once more when time is up.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self.has_come = False
        self.has_ended = False
        self._is_overdue = False

    def is_idle(self) -> bool:
        """Whether it holds nothing back: left behind by a Ctrl-C, or inherited by a child."""
        return self.has_ended or os.getpid() != self._process

    def __call__(self, _number: int, _frame: object) -> None:
        if self.is_idle() or self._is_overdue:
            _deliver()
        elif not self.has_come:
            self.has_come = True
            if self.has_ended:  # in another thread, since then
                _deliver()
            with suppress(RuntimeError):  # out of threads: it is delivered after the block
                # Not threading's, whose lock the code may hold that this handler interrupts.
                _thread.start_new_thread(self._send_again, ())

    def _send_again(self) -> None:
        time.sleep(MAX_DEFERRAL)
        self._is_overdue = True
        if not self.is_idle():
            os.kill(self._process, signal.SIGTERM)


@contextmanager
def defer_sigterm() -> Iterator[None]:
    """Deliver a SIGTERM only after the ``with`` block, or MAX_DEFERRAL seconds after it came.

    Between the server's response and the store's save, it would cost the login. Only the main
    thread can hold it back, and only the default action kills at once: a program with a handler of
    its own ends in its own way, and Python waits for the refresh's thread by itself.
    """
    if not _would_kill_at_once():
        yield
        return
    deferral = _Deferral()
    try:
        with suppress(ValueError):  # in a sub-interpreter no handler can be set
            signal.signal(signal.SIGTERM, deferral)
        yield
    finally:
        # First of all: a Ctrl-C may keep the next line from running. The handler then stays, and
        # delivers every SIGTERM.
        deferral.has_ended = True
        if signal.getsignal(signal.SIGTERM) is deferral:  # else a login has set a handler
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if deferral.has_come:
            _deliver()


def hold_sigterm() -> Callable[[], None]:
    """Deliver no SIGTERM until the function that is returned is called, in any thread.

    For a refresh in the background, which the caller does not wait for. As `defer_sigterm` it needs
    the main thread, and MAX_DEFERRAL holds. The handler stays: a SIGTERM that comes later is
    delivered at once, and takes it away.
    """
    if not _would_kill_at_once():
        return lambda: None
    deferral = _Deferral()
    try:
        signal.signal(signal.SIGTERM, deferral)
    except ValueError:  # in a sub-interpreter no handler can be set
        return lambda: None

    def let_go() -> None:
        deferral.has_ended = True
        if deferral.has_come:
            os.kill(os.getpid(), signal.SIGTERM)

    return let_go


@contextmanager
def let_sigterm_through() -> Iterator[None]:
    """Let a SIGTERM end the process in this ``with`` block, though inside of `defer_sigterm`.

    For a login: a person may be away, and nothing is lost with it.
    """
    deferral = None
    if threading.current_thread() is threading.main_thread():
        deferral = signal.getsignal(signal.SIGTERM)
    if not isinstance(deferral, _Deferral) or deferral.is_idle():
        yield
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if deferral.has_come:
        _deliver()
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, deferral)


def _would_kill_at_once() -> bool:
    if threading.current_thread() is not threading.main_thread():
        return False
    handler = signal.getsignal(signal.SIGTERM)
    return handler is signal.SIG_DFL or (isinstance(handler, _Deferral) and handler.is_idle())


def _deliver() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
