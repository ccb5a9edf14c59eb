"""Reading files whose names users type: secrets, keys, tokens, profiles, CA certificates.

Such a name may be that of anything. A pipe without a writer would be waited for without end, and a
device read without end.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TypeAlias

StrPath: TypeAlias = "str | os.PathLike[str]"

MAX_SECRET: Final = 64 * 1024  # bytes of a secret, a key or a token; none is nearly as large
_KIB: Final = 1024
_NO_REGULAR_FILE: Final = "is a pipe or device, which cannot be read again"
# What is a pipe by the time that it is opened must not be waited for either.
_READ_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class UnreadableFile(Exception):
    """A file cannot be read. The text says why, to go on a sentence that begins with the file."""


def read_bytes(path: StrPath, max_bytes: int = MAX_SECRET) -> bytes:
    """Return what a regular file holds. Raises UnreadableFile."""
    return _read(path, max_bytes, is_regular=True)


def read_text(path: StrPath) -> str:
    """Return the text of a regular file of MAX_SECRET at most, in UTF-8. Raises UnreadableFile."""
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise UnreadableFile("is no text")  # outside: the context would hold what was read


def read_stream(path: StrPath, max_bytes: int) -> bytes:
    """Return what a file holds, which may be a pipe or a device: to its end. Raises UnreadableFile.

    For what a shell hands over, as ``<(...)`` and ``/dev/stdin``: there a writer is at the other
    end, or somebody types.
    """
    return _read(path, max_bytes, is_regular=False)


def find_kind_problem(path: StrPath) -> str | None:
    """Return why what is at `path` cannot be read again; None if it can, or is not there."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError):
        return None
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else _NO_REGULAR_FILE


def check_kind(path: StrPath) -> None:
    """Raise OSError if what is at `path` is there, and is neither a regular file nor a folder."""
    problem = find_kind_problem(path)
    if problem is not None:
        raise OSError(errno.EINVAL, f"{os.fspath(path)} {problem}")


def _read(path: StrPath, max_bytes: int, *, is_regular: bool) -> bytes:
    if is_regular and (problem := find_kind_problem(path)):
        raise UnreadableFile(problem)  # before it is opened: some devices act on that
    try:
        with open(path, "rb", opener=_open_at_once if is_regular else None) as file:
            if is_regular and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UnreadableFile(_NO_REGULAR_FILE)
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise UnreadableFile(f"cannot be read: {error.strerror or type(error).__name__}") from error
    except ValueError:  # a NUL in its name, or what no file system can write
        raise UnreadableFile("cannot be read: no file can have that name") from None
    if len(content) > max_bytes:
        raise UnreadableFile(f"is larger than {max_bytes // _KIB} KiB")
    return content


def _open_at_once(path: str, _flags: int) -> int:
    return os.open(path, _READ_FLAGS)
