"""A lock that all programs of one OS user share: a file that is locked, and never deleted."""

from __future__ import annotations

import errno
import hashlib
import inspect
import json
import os
import stat
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.errors import LockTimeout, StoreError
from requests_jwt_refresh.stores import disk_errors, private_file
from requests_jwt_refresh.stores.polling import poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


_SHORTEST_PAUSE: Final = 0.005  # seconds between two tries to get the lock
_LONGEST_PAUSE: Final = 0.02  # seconds

# Versions of filelock differ in which of these they have; old_filelock.py sees to what is missing.
_OPTIONS: Final[dict[str, Any]] = {
    "mode": private_file.MODE,
    "thread_local": False,  # another thread than the one that entered the block may leave it
    "preserve_lock_file": True,
    "fallback_to_soft": False,  # such a lock would outlive a killed holder
}

# A folder that cannot be made for one of these reasons cannot be made by any program of this user.
# Anything else (disk full, too many open files) may pass in a second; another folder until then
# would make two locks of one.
_PERMANENT_ERRORS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST}
)

# Not tempfile's, which follows TMPDIR: two shells of one user must find the same lock.
_SYSTEM_TEMP = Path("/tmp")  # noqa: S108 - the folder in it is checked to be ours and private


def file_lock(path: Path, timeout: float) -> AbstractContextManager[None]:
    """Hold `path` against every other thread and process for the length of a ``with`` block.

    The operating system keeps the lock, so it is free again when its holder dies, however it dies.
    A forked child neither holds nor frees its parent's. Never delete the file: a program that has
    the deleted one open and a program that makes a new one would both hold "the" lock.

    `timeout` is in seconds. Raises LockTimeout when it passes, StoreError if there can be no lock:
    also if a file is there that was not made for one, which would be emptied.
    """
    return _FileLock(path, timeout)


class _FileLock:
    """Frees the lock whatever comes between getting it and the block's end, such as a Ctrl-C.

    A generator would not: what comes before its ``try`` finds the lock held. What comes at the very
    start of `__exit__` leaves it to `__del__`.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path, self._timeout = path, timeout
        self._release: Callable[[], object] | None = None

    def __enter__(self) -> None:
        try:
            with _explain_errors(self._path):
                _check_lock_file(self._path)
                acquire, self._release = _lock_functions(self._path)
                self._acquire(acquire)
        except BaseException:
            self._free()
            raise

    def __exit__(self, *_error: object) -> None:
        self._free()

    def __del__(self) -> None:
        with suppress(Exception):
            self._free()

    def _acquire(self, acquire: Callable[..., object]) -> None:
        import filelock

        def try_to_acquire() -> bool:
            try:
                acquire()
            except filelock.Timeout:
                return False
            return True

        if not poll(
            try_to_acquire, self._timeout, shortest=_SHORTEST_PAUSE, longest=_LONGEST_PAUSE
        ):
            raise LockTimeout(
                f"the lock {self._path} was not free within {self._timeout:g} s: another program "
                "or thread holds it",
                "nothing was changed; try again, or look for a program that hangs",
            )

    def _free(self) -> None:
        """Free the lock if it is held."""
        if self._release is not None:
            with _explain_errors(self._path):
                self._release()
            self._release = None


def prepare_locks() -> None:
    """Import what the first lock needs, so that no fork meets it half imported."""
    with suppress(ImportError):  # the first lock says so
        import filelock  # noqa: F401 - see above

        from requests_jwt_refresh.stores import old_filelock  # noqa: F401 - likewise
    with suppress(ImportError):  # what Windows has not, or what only Windows needs
        import pwd  # noqa: F401
    if sys.platform == "win32":
        with suppress(ImportError):
            import platformdirs  # noqa: F401


def user_lock_path(*credential: str) -> Path:
    """Return the file to lock for `credential`, the same for all programs of this OS user.

    It depends on neither HOME, XDG folders, TMPDIR nor the working directory: two programs that
    differ in those still share the credential. Raises StoreError if there is no place for it.
    """
    name = hashlib.sha256(json.dumps(credential).encode()).hexdigest()
    folders = _user_folders()
    for folder in folders:
        if _is_usable(folder):
            return folder / f"{name}.lock"
    raise StoreError(
        f"no place for a lock file: {' and '.join(map(str, folders))} cannot be written, or are "
        "not folders of this user alone",
        "nothing was changed; make one of them such a folder (mode 0700)",
    )


def _lock_functions(path: Path) -> tuple[Callable[..., object], Callable[[], object]]:
    """Return the functions that try once to acquire a new lock on `path`, and release it.

    The first raises filelock.Timeout if another has it.
    """
    import filelock

    known = inspect.signature(filelock.FileLock.__init__).parameters
    lock = filelock.FileLock(path, **{name: _OPTIONS[name] for name in _OPTIONS if name in known})
    if "preserve_lock_file" in known:
        return partial(lock.acquire, timeout=0), lock.release
    from requests_jwt_refresh.stores import old_filelock

    return partial(old_filelock.acquire, lock, path), partial(old_filelock.release, lock)


def _check_lock_file(path: Path) -> None:
    """Raise StoreError if what is at `path` was not made for a lock of this user's."""
    with suppress(FileNotFoundError):
        flaw = _find_flaw(path.lstat())
        if flaw is not None:
            raise StoreError(
                f"the lock file {path} cannot be used: it is {flaw}",
                "it was left as it is; move it away, or use another path",
            )


def _find_flaw(found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "not a regular file"
    if sys.platform != "win32" and found.st_uid != os.geteuid():
        return "another user's"
    return "not empty, so it is something else" if found.st_size else None


def _user_folders() -> list[Path]:
    if sys.platform == "win32":
        import platformdirs

        return [platformdirs.user_state_path("requests-jwt-refresh", appauthor=False) / "locks"]
    in_temp = _SYSTEM_TEMP / f"requests-jwt-refresh-{os.getuid()}"
    home = _home_from_passwd()
    if home is None or not home.is_dir():
        return [in_temp]
    return [home / ".local" / "state" / "requests-jwt-refresh" / "locks", in_temp]


def _home_from_passwd() -> Path | None:
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container that runs under a number without a name
        return None


def _is_usable(folder: Path) -> bool:
    """Whether `folder` is this user's alone and can be written; it is made if it is missing."""
    try:
        private_file.make_private_folder(folder)
        is_private = private_file.is_private_folder(folder)
    except OSError as error:
        if error.errno in _PERMANENT_ERRORS:
            return False
        raise _explain(error, folder) from error
    return is_private and os.access(folder, os.W_OK | os.X_OK)


@contextmanager
def _explain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except StoreError:  # an OSError itself, as every requests.RequestException
        raise
    except OSError as error:
        raise _explain(error, path) from error


def _explain(error: OSError, path: Path) -> StoreError:
    return StoreError(
        f"the lock file {path} cannot be used: {disk_errors.describe(error)}",
        f"nothing was changed; {disk_errors.advise(error, path)}",
    )
