"""What to do about an OSError of a file, by its number."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_FREE_SPACE: Final = "free some space there, or use another path"
_NO_FOLDER: Final = "a folder in that path is a file; use another path"
_WRITABLE_DISK: Final = "use a path on a disk that can be written"
_LOCKABLE_DISK: Final = (
    "use a path on a disk that has file locks (a network disk may need its lock service started)"
)
_FILES: Final = "close what this program has open, or raise its limit (ulimit -n)"

_REMEDIES: Final = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.EROFS: _WRITABLE_DISK,
    errno.ENOLCK: _LOCKABLE_DISK,
    errno.ENOSYS: _LOCKABLE_DISK,
    errno.ENOTSUP: _LOCKABLE_DISK,
    errno.EOPNOTSUPP: _LOCKABLE_DISK,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.EFBIG: "raise this user's limit on the size of a file (ulimit -f)",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.ELOOP: "the links in that path lead in a circle; use another path",
    # What a container mounts as a single file can be written, but not replaced.
    errno.EBUSY: "mount the folder that holds the file, not the file alone",
}


def describe(error: OSError) -> str:
    """Return what happened, in the system's words or by its class."""
    return error.strerror or type(error).__name__


def advise(error: OSError, path: Path) -> str:
    """Return what to do about an `error` at `path`, or at a file beside it."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"use a path of your own: this user cannot write to {_find_folder(path)}"
    return _REMEDIES.get(error.errno or 0, f"see to the disk of {path}, or use another path")


def _find_folder(path: Path) -> Path:
    """Return the nearest folder above `path` that is there, as far as can be seen."""
    return next((each for each in path.parents if os.path.isdir(each)), path.parent)  # noqa: PTH112 - Path's raises where it must not look
