"""Letting a refresh end before SIGTERM ends the process."""

from __future__ import annotations

import _thread
import math
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
    """A handler that notes a SIGTERM and delivers it once nothing holds it, or in MAX_DEFERRAL.

    Only the main thread can deliver it. So another thread sends it once more when time is up. No
    lock guards `_holds`: each change and each look is one step.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._holds: dict[object, float] = {}  # each until a time.monotonic()
        self.has_come = False
        self._is_overdue = False

    def hold(self, seconds: float = math.inf) -> Callable[[], None]:
        """Hold it back until the function that is returned is called, or for `seconds`."""
        mine = object()
        self._holds[mine] = time.monotonic() + seconds

        def let_go() -> None:
            self._holds.pop(mine, None)
            if self.has_come and self.is_idle():
                os.kill(self._process, signal.SIGTERM)

        return let_go

    def is_idle(self) -> bool:
        """Whether it holds nothing back: none is left, or it was inherited by a child."""
        if os.getpid() != self._process:
            return True
        return max(list(self._holds.values()), default=-math.inf) <= time.monotonic()

    def __call__(self, _number: int, _frame: object) -> None:
        if self.is_idle() or self._is_overdue:
            _deliver()
        elif not self.has_come:
            self.has_come = True
            if self.is_idle():  # another thread has let go since
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
    let_go = _nothing
    try:
        let_go = hold_sigterm()
        yield
    finally:
        let_go()
        restore_sigterm()


def hold_sigterm(seconds: float = math.inf) -> Callable[[], None]:
    """Deliver no SIGTERM until the function that is returned is called, in any thread.

    Nor longer than for `seconds`. For a refresh that the caller does not wait for; the rest is as
    for `defer_sigterm`, but that the handler stays. A SIGTERM that comes later is delivered by it,
    and `restore_sigterm` takes it away.
    """
    deferral = _find_deferral()
    if deferral is None:
        return _nothing
    let_go = deferral.hold(seconds)
    if signal.getsignal(signal.SIGTERM) is not deferral:
        try:
            signal.signal(signal.SIGTERM, deferral)
        except ValueError:  # in a sub-interpreter no handler can be set
            return _nothing
    return let_go


def restore_sigterm() -> None:
    """Put the default action back, if a handler of ours holds nothing back any more."""
    if threading.current_thread() is not threading.main_thread():
        return
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, _Deferral) and handler.is_idle():
        with suppress(ValueError):  # likewise
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _find_deferral() -> _Deferral | None:
    """Return what can hold a SIGTERM back here, None if nothing can or need."""
    if threading.current_thread() is not threading.main_thread():
        return None
    handler = signal.getsignal(signal.SIGTERM)
    if handler is signal.SIG_DFL:
        return _Deferral()
    if not isinstance(handler, _Deferral):
        return None
    return _Deferral() if handler.is_idle() else handler


def _nothing() -> None:
    """Let go of nothing."""


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


def _deliver() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
