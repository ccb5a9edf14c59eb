"""A token in a file of its owner's, shared by all programs that know the path."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores import private_file
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

        FileStore("~/.config/my-tool/token")

    The file has mode 0600; a folder that is missing is made with 0700. A save replaces the whole
    file in one step, so that a reader, a crash or a full disk never meets half a token. A file that
    others can read, or whose folder others can write, is refused. Beside it lies ``<name>.lock``,
    which is never deleted.

    Args:
        path: the file, absolute or relative to the working directory; it may start with ``~``.

    Raises TypeError for what is not a path, ValueError for an empty one.

    """

    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        if not isinstance(self.path, (str, os.PathLike)) or not os.fspath(self.path):
            raise (ValueError if self.path == "" else TypeError)("FileStore needs a file's path")
        absolute = Path(os.path.abspath(Path(self.path).expanduser()))  # noqa: PTH100 - resolve() would follow links
        object.__setattr__(self, "path", absolute)

    def load(self) -> Token | None:
        """Return the token, or None if there is no file.

        Raises StoreError if the file cannot be read or trusted, or holds something else.
        """
        with _explain_errors(self._path, "read"):
            text = private_file.read(private_file.resolve(self._path))
        return None if text is None else decode(text, f"the file {self._path}")

    def save(self, token: Token) -> None:
        """Replace the token, all of it or nothing, and wait for the disk. Raises StoreError."""
        check_token(token)
        with _explain_errors(self._path, "written"):
            private_file.replace(self._make_folder(), encode(token))

    def clear(self) -> None:
        """Delete the file; it is fine if there is none. Raises StoreError."""
        with _explain_errors(self._path, "deleted"):
            private_file.delete(private_file.resolve(self._path))

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

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    @property
    def _path(self) -> Path:
        return Path(self.path)

    def _make_folder(self) -> Path:
        """Make the folder if it is missing; return where the file is or will be."""
        target = private_file.resolve(self._path)
        private_file.make_private_folder(target.parent)
        return target


@contextmanager
def _explain_errors(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except private_file.UntrustedPath as error:
        raise StoreError(error.cause, error.remedy) from None
    except OSError as error:
        raise StoreError(
            f"the token file {path} could not be {done}: {error.strerror or type(error).__name__}",
            "nothing was changed; make sure that this user can read and write there",
        ) from error
