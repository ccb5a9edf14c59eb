"""A token in a file of its owner's, shared by all programs that know the path."""

from __future__ import annotations

import errno
import glob
import os
import stat
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores.base import decode, encode
from requests_jwt_refresh.stores.locking import file_lock
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from typing_extensions import Self

_LARGEST = 1024 * 1024  # characters; a larger file was not written here
_LEFT_BEHIND_S = 3600.0  # a temporary file this old belongs to a save that was killed
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class FileStore:
    """Keeps the token in a file that its owner alone can read.

    The file has mode 0600; a folder that is missing is made with 0700. A save replaces the whole
    file in one step, so that a reader, a crash or a full disk never meets half a token. A file that
    others can read, or that leads to where others can write, is refused. Beside it lies
    ``<name>.lock``, which is never deleted.

    `path` may start with ``~``. Raises TypeError for what is not a path, ValueError for an empty
    one.
    """

    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, os.PathLike)) or not os.fspath(self.path):
            raise (ValueError if self.path == "" else TypeError)("FileStore needs a file's path")
        absolute = Path(os.path.abspath(Path(self.path).expanduser()))  # noqa: PTH100 - keeps links
        object.__setattr__(self, "path", absolute)

    def load(self) -> Token | None:
        """Return the token, or None if there is no file.

        Raises StoreError if the file cannot be read or trusted, or holds something else.
        """
        with _os_errors_explained(self._path, "read"):
            text = _read(self._target())
        return None if text is None else decode(text, f"the file {self._path}")

    def save(self, token: Token) -> None:
        """Replace the token, all of it or nothing, and see it onto the disk. Raises StoreError."""
        if not isinstance(token, Token):
            raise TypeError(f"a store holds a Token, not {type(token).__name__}")
        with _os_errors_explained(self._path, "written"):
            target = self._target()
            _make_private_folder(target.parent)
            _replace(target, encode(token))

    def clear(self) -> None:
        """Delete the file; no file is fine. Raises StoreError."""
        with _os_errors_explained(self._path, "deleted"):
            target = self._target()
            with suppress(FileNotFoundError):
                target.unlink()
                _sync_folder(target.parent)

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Hold off all programs and threads that share the file.

        `timeout` is in seconds. Raises LockTimeout when it passes, StoreError if there can be no
        lock.
        """
        with _os_errors_explained(self._path, "locked"):
            target = self._target()
            _make_private_folder(target.parent)
        return file_lock(target.with_name(f"{target.name}.lock"), timeout)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    @property
    def _path(self) -> Path:
        return Path(self.path)

    def _target(self) -> Path:
        """Return where the file really is: its path may be the owner's own link to it."""
        target = Path(os.path.realpath(self._path))
        if sys.platform != "win32":
            for place in {self._path, target}:
                for each in (place, *place.parents):
                    _check_link(each)
                _check_folder(place.parent)
        return target


def _check_link(path: Path) -> None:
    with suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) and found.st_uid not in (os.geteuid(), 0):
            raise StoreError(
                f"{path} is somebody else's symbolic link, so it was not followed. Use a path of "
                "your own"
            )


def _check_folder(folder: Path) -> None:
    with suppress(FileNotFoundError):
        found = folder.stat()
        foreign = found.st_uid not in (os.geteuid(), 0)
        if foreign or (found.st_mode & _OTHERS_MAY_WRITE and not found.st_mode & stat.S_ISVTX):
            raise StoreError(
                f"others can change the folder {folder}, so no token is kept there. Use a folder "
                f"of your own, or: chmod go-w {folder}"
            )


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _NO_WAIT)
    except FileNotFoundError:
        return None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise StoreError(f"{path} is not a regular file, so it holds no token")
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        if sys.platform != "win32" and (found.st_uid != os.geteuid() or found.st_mode & _OTHERS):
            raise StoreError(
                f"others can read the file {path}, so the token in it is not used. If it was you "
                f"who changed that: chmod 600 {path}; else clear it and log in again"
            )
        return file.read(_LARGEST)


_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe that nobody writes to would wait for ever


def _replace(path: Path, text: str) -> None:
    _sweep(path)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mode 0600, mkstemp sees to it
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    _sync_folder(path.parent)


def _sweep(path: Path) -> None:
    """Delete what saves that were killed have left behind: it holds old tokens."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
                left.unlink()


def _make_private_folder(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    """See a new name onto the disk; Windows does so by itself and opens no folders."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _os_errors_explained(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except StoreError:  # an OSError itself, by way of requests.RequestException
        raise
    except OSError as error:
        raise StoreError(
            f"the token file {path} could not be {done}: "
            f"{error.strerror or type(error).__name__}. Nothing was changed; see to it that this "
            "user can write there"
        ) from error
