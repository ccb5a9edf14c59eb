"""A file that its owner alone can read (0600 in 0700), written whole or not at all.

What the operating system refuses is an OSError, as from `open`. What others could read or replace,
and what is no file, is UntrustedPath, with nothing read, written or deleted. On Windows the user's
profile protects files; modes, owners and links are not looked at there.
"""

from __future__ import annotations

import errno
import glob
import os
import shlex
import stat
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from requests_jwt_refresh import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

MODE = 0o600
FOLDER_MODE = 0o700

_MAX_LENGTH = 1024 * 1024  # characters; a longer file was not written here
_MAX_TEMPORARY_AGE = 3600.0  # seconds; an older temporary file was left by a killed write
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_KINDS = (
    (stat.S_ISLNK, "link"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
# Opening a pipe without a writer would wait for ever. Links have been followed by `resolve`: one
# that is there now was put there since.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class UntrustedPath(Exception):
    """A file, link or folder that another user can read or replace.

    `cause` and `remedy` are as those of a JWTRefreshError, which callers raise instead.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)
        self.cause, self.remedy = cause, remedy


def resolve(path: Path) -> Path:
    """Return where the file really is: its path may be the user's own link to it.

    Raises UntrustedPath if another user owns a link on the way or can change the folder.
    """
    target = Path(os.path.realpath(path))
    for each in {path, target}:
        check_links(each)
        check_folder(each.parent)
    return target


def check_links(path: Path) -> None:
    """Raise UntrustedPath if `path` or a folder above it is a link that another user owns."""
    if sys.platform == "win32":
        return
    for each in (path, *path.parents):
        with suppress(FileNotFoundError):
            found = each.lstat()
            if stat.S_ISLNK(found.st_mode) and found.st_uid not in (os.geteuid(), 0):
                raise UntrustedPath(
                    f"{each} is another user's symbolic link, so it was not followed",
                    "use a path of your own",
                )


def check_folder(folder: Path) -> None:
    """Raise UntrustedPath if another user can put files into `folder`, or replace those there."""
    if sys.platform == "win32":
        return
    with suppress(FileNotFoundError):
        found = folder.stat()
        if found.st_uid not in (os.geteuid(), 0):
            raise UntrustedPath(
                f"the folder {folder} is another user's, so no secret is kept there",
                "use a path in a folder of your own, or run this program as that user",
            )
        is_sticky = found.st_mode & stat.S_ISVTX  # others cannot replace our files
        if found.st_mode & _OTHERS_MAY_WRITE and not is_sticky:
            raise UntrustedPath(
                f"others can change the folder {folder}, so no secret is kept there",
                "use a path in a folder of your own"
                + (f", or: chmod go-w {_quote(folder)}" if found.st_uid == os.geteuid() else ""),
            )


def check(path: Path) -> None:
    """Raise UntrustedPath if there is something at `path` that `read` would not read; OSError."""
    with suppress(FileNotFoundError):
        _check_status(path.lstat(), path)


def check_regular(path: Path) -> None:
    """Raise UntrustedPath if there is something at `path` that is not a regular file; OSError."""
    with suppress(FileNotFoundError):
        _check_kind(path.lstat(), path)


def is_private_folder(folder: Path) -> bool:
    """Whether `folder` is a folder, no link to one, that this user alone can use.

    Raises OSError if it cannot be looked at.
    """
    found = folder.lstat()
    if sys.platform == "win32":
        return stat.S_ISDIR(found.st_mode)
    is_own = found.st_uid == os.geteuid() and not found.st_mode & _OTHERS
    return stat.S_ISDIR(found.st_mode) and is_own


def make_private_folder(folder: Path) -> None:
    """Make `folder` and those above it that are missing, for this user alone. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=FOLDER_MODE, exist_ok=True)


def read(path: Path) -> str | None:
    """Return the text of a file, or None if there is none.

    Raises UntrustedPath if it is no regular file, or not this user's alone; OSError.
    """
    check(path)  # before it is opened: some devices act on that
    try:
        descriptor = os.open(path, _READ_FLAGS)
    except FileNotFoundError:
        return None
    with os.fdopen(_check_file(descriptor, path), encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_LENGTH)


class Temporary:
    """A new file beside `path`, with mode 0600, that can take its place. A context manager.

    It is deleted at the end if it has not. A forked child leaves its parent's alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = os.getpid()
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._name: Path | None = Path(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        if self._name is not None and self.is_own:
            with suppress(OSError):
                self._name.unlink()

    @property
    def is_own(self) -> bool:
        """Whether this process has made it."""
        return self._process == os.getpid()

    def write(self, content: bytes) -> None:
        """Make `content` all that is in it, and wait until it is on the disk. Raises OSError.

        What was there is written over, so that its space is used again.
        """
        self._file.seek(0)
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._file.truncate()
        os.fsync(self._file.fileno())

    def take_place(self, mode: int) -> None:
        """Replace `path` by it, in one step. Raises UntrustedPath, OSError."""
        if self._name is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if mode != MODE:
            self._name.chmod(mode)
        check_regular(self._path)
        self._name.replace(self._path)
        self._name = None
        _sync_folder(self._path.parent)


@contextmanager
def reserve(path: Path, size: int) -> Iterator[Temporary]:
    """Keep space for a new text of `path`: two times `size` bytes. Raises OSError.

    They are random, or a disk that compresses would keep no space for them.
    """
    _delete_old_temporaries(path)
    with Temporary(path) as room:
        room.write(os.urandom(2 * size))
        _sync_folder(path.parent)
        yield room


def replace(path: Path, text: str, *, mode: int = MODE, room: Temporary | None = None) -> None:
    """Replace the file's text by `text`, in one step, and wait until it is on the disk.

    Line ends are written as they are. Readers, a crash and a full disk find the old text or the new
    one, whole. `mode` is that of the file afterwards; `room` is space that `reserve` keeps. The
    folder must exist. Raises OSError, and UntrustedPath if what is there is no regular file.
    """
    check_regular(path)
    content = text.encode()
    if room is not None:
        with suppress(OSError), room:  # a disk that writes nothing over has no use for its space
            room.write(content)
            room.take_place(mode)
            return
    _delete_old_temporaries(path)
    with Temporary(path) as temporary:
        temporary.write(content)
        temporary.take_place(mode)


def delete(path: Path) -> None:
    """Delete a file, if there is one, and wait until it is gone from the disk.

    Raises OSError, and UntrustedPath if what is there is no regular file.
    """
    check_regular(path)
    with suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def _check_file(descriptor: int, path: Path) -> int:
    """Return `descriptor` if it is a regular file of this user alone, or close it."""
    try:
        _check_status(os.fstat(descriptor), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_status(found: os.stat_result, path: Path) -> None:
    _check_kind(found, path)
    if sys.platform == "win32":
        return
    if found.st_uid != os.geteuid():
        raise UntrustedPath(
            f"the file {path} is another user's, who can read it, so it is not used",
            "use another path, or delete that file and log in again",
        )
    if found.st_mode & _OTHERS:
        raise UntrustedPath(
            f"others can read the file {path}, so it is not used",
            f"if you changed that yourself: chmod 600 {_quote(path)}; if another program wrote it, "
            "give this store another path; if neither, delete it and log in again",
        )


def _check_kind(found: os.stat_result, path: Path) -> None:
    if stat.S_ISREG(found.st_mode):
        return
    if stat.S_ISDIR(found.st_mode):
        raise UntrustedPath(f"{path} is a folder", f"name a file in it, such as {path / 'token'}")
    kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), "special file")
    raise UntrustedPath(
        f"{path} is a {kind}, not a regular file", "it was left as it is; use another path"
    )


def _quote(path: Path) -> str:
    """Return `path` as a shell takes it."""
    return shlex.quote(str(path))


def _delete_old_temporaries(path: Path) -> None:
    """Delete the temporary files of writes that were killed: they hold old secrets."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError):
            if clock.time() - left.stat().st_mtime > _MAX_TEMPORARY_AGE:
                left.unlink()


def _sync_folder(folder: Path) -> None:
    """Wait until a changed name is on the disk; Windows does so by itself and opens no folders."""
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
