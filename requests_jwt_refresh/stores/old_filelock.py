"""What filelock before 3.30 lacks: forks, lock files that stay, no soft locks.

Those versions hand a lock down to forked children, who can free it; those from 3.21 to 3.29, and
all on Windows, delete the lock file when the lock is released; those from 3.24 on take a soft lock,
which outlives its holder, where there is no other. These versions are final, so their private
attributes can be relied on. Delete this module, whole, when filelock's floor is above 3.29.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

import filelock

if TYPE_CHECKING:
    from pathlib import Path

_CREATE = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)

# The locks that this process holds. No mutex guards it: each change is one step. A child of a fork
# that comes between locking and adding keeps a descriptor, which does no harm: `release` unlocks it
# for both.
_held: set[Any] = set()


def acquire(lock: Any, path: Path) -> None:
    """Try once to acquire it. Raises filelock.Timeout, or OSError, also for a soft lock."""
    os.close(os.open(path, _CREATE, 0o600))  # they follow links, and the oldest know no mode
    try:
        lock.acquire(blocking=False)
    except NotImplementedError:  # what versions from 3.10 to 3.23 say of such a file system
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
    if isinstance(lock, filelock.SoftFileLock):
        lock.release()
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    _held.add(lock)


def release(lock: Any) -> None:
    """Free the lock, if it is this process's, and keep its file."""
    _held.discard(lock)
    descriptor = _take_descriptor(lock)
    if descriptor is not None:
        _unlock(descriptor)


def _take_descriptor(lock: Any) -> int | None:
    """Return the lock's descriptor, and have `lock` forget it."""
    holder, name = lock, "_lock_file_fd"
    if hasattr(lock, "_context"):  # from 3.11 on
        holder, name = lock._context, "lock_file_fd"  # noqa: SLF001 - where they keep it
    descriptor: int | None = getattr(holder, name)
    setattr(holder, name, None)
    return descriptor


def _unlock(descriptor: int) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _drop_in_child() -> None:
    for lock in _held:
        descriptor = _take_descriptor(lock)
        if descriptor is not None:
            os.close(descriptor)  # without unlocking: the lock is the parent's
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_in_child)
