"""A token in a file of its owner's, shared by all programs that know the path."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores import disk_errors, private_file
from requests_jwt_refresh.stores.base import check_token, decode, encode
from requests_jwt_refresh.stores.locking import file_lock, prepare_locks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from typing_extensions import Self

    from requests_jwt_refresh.tokens import Token


@dataclass(frozen=True)
class FileStore:
    """Keeps the token in a file that its owner alone can read, for all programs that know the path.

    ```python
    FileStore("~/.config/my-tool/token")
    ```

    The file has mode 0600; a folder that is missing is made with 0700. A save replaces the whole
    file in one step, so that a reader, a crash or a full disk never meets half a token. A file that
    others can read, one in a folder that others can write, and what is no regular file (a device, a
    pipe, a folder) is refused by every verb. Beside it lies ``<name>.lock``, which is never
    deleted.

    Args:
        path: the file, absolute or relative to the working directory; it may start with ``~``.

    Raises TypeError for what is not a path, ValueError for an empty one, one that no file can have,
    or one whose ``~`` is not known.

    """

    path: str | os.PathLike[str]
    _rooms: list[private_file.Temporary] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    # What `reserve` keeps, for a save to take out: in one step, so no lock guards it.

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", _make_absolute(self.path))

    def load(self) -> Token | None:
        """Return the token, or None if there is no file.

        Raises StoreError if the file cannot be read or trusted, or holds something else.
        """
        with _explain_errors(self._path, "read"):
            text = private_file.read(private_file.resolve(self._path))
        return None if text is None else decode(text, f"the file {self._path}")

    def save(self, token: Token) -> None:
        """Replace the token, all of it or nothing, and wait for the disk.

        Raises StoreError, also if `load` would not read what is there because others could.
        """
        check_token(token)
        with _explain_errors(self._path, "written"):
            private_file.replace(self._make_folder(), encode(token), room=self._take_room())

    def clear(self) -> None:
        """Delete the file; it is fine if there is none. Raises StoreError as `save` does."""
        with _explain_errors(self._path, "deleted"):
            private_file.delete(self._find())

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Keep space on the disk for a token of `size` bytes, twice, for a ``with`` block.

        A save in the block uses it, so that a disk which fills up meanwhile loses no token. Hold
        the store's lock. Raises StoreError if there is no such space.
        """
        with ExitStack() as kept:
            with _explain_errors(self._path, "written"):
                room = kept.enter_context(private_file.reserve(self._make_folder(), size))
            self._rooms.append(room)
            try:
                yield
            finally:
                with suppress(ValueError):  # a save has taken it
                    self._rooms.remove(room)

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Keep out all other programs and threads that share the file.

        `timeout` is in seconds. Raises LockTimeout when it passes, StoreError if there can be no
        lock.
        """
        with _explain_errors(self._path, "locked"):
            target = self._make_folder()
        return file_lock(target.with_name(f"{target.name}.lock"), timeout)

    def prepare(self) -> None:
        """Import what the first use needs."""
        prepare_locks()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}  # what is reserved stays with this process

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _rooms=[])

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    @property
    def _path(self) -> Path:
        return Path(self.path)

    def _find(self) -> Path:
        """Return where the file is or will be. Raises UntrustedPath for what is not to be used."""
        target = private_file.resolve(self._path)
        private_file.check(target)
        return target

    def _make_folder(self) -> Path:
        """Make the folder if it is missing; return what `_find` does."""
        target = self._find()
        private_file.make_private_folder(target.parent)
        return target

    def _take_room(self) -> private_file.Temporary | None:
        """Return what was reserved last, unless it is a forked child's parent's."""
        with suppress(IndexError):
            room = self._rooms.pop()
            return room if room.is_own else None
        return None


def _make_absolute(path: str | os.PathLike[str]) -> Path:
    """Return where `path` is from here. Raises TypeError or ValueError if it is no path."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise (ValueError if path == "" else TypeError)("FileStore needs a file's path")
    try:
        if b"\0" not in os.fsencode(path):
            return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - resolve() would follow links
        problem = "has a character that no file name can have: use another path"
    except UnicodeEncodeError:
        problem = "has a character that no file name can have: use another path"
    except RuntimeError:
        problem = "names a home folder that is not known: use an absolute path"
    except OSError:  # of getcwd()
        problem = "starts in a working directory that was deleted: use an absolute path"
    raise ValueError(f"FileStore's path {path!r} {problem}")


@contextmanager
def _explain_errors(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except private_file.UntrustedPath as error:
        raise StoreError(error.cause, error.remedy) from None
    except OSError as error:
        raise StoreError(
            f"the token file {path} could not be {done}: {disk_errors.describe(error)}",
            f"nothing was changed; {disk_errors.advise(error, path)}",
        ) from error
