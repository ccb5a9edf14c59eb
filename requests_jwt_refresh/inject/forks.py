"""Locks that a fork waits for: in a child, what another thread was importing never ends."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FORK_WAIT = 10.0  # seconds; then a fork goes on without the lock, rather than never


class ForkLock:
    """A re-entrant lock. A fork waits until it is free, and in the child it is always free."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._wait_until_free, after_in_child=self._replace_lock)

    @contextlib.contextmanager
    def hold(self, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock; with ``wait=False`` go on without it while another thread has it.

        Yields whether it is held.
        """
        lock = self._lock  # a child that is forked in here has another one
        is_held = False
        try:
            is_held = lock.acquire(blocking=wait)
            yield is_held
        finally:
            if is_held:
                lock.release()

    def _wait_until_free(self) -> None:
        # Released at once: the hooks that run after this one may wait for locks of their own.
        if self._lock.acquire(timeout=FORK_WAIT):  # at once if this very thread has it
            self._lock.release()

    def _replace_lock(self) -> None:
        self._lock = threading.RLock()
