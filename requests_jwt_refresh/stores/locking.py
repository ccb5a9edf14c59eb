"""A lock that all programs of one OS user share: a file that is locked, and never deleted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from requests_jwt_refresh.errors import LockTimeout, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL_S = 0.02

# A folder that cannot be made for one of these reasons cannot be made by any program of this user.
# Anything else (disk full, too many open files) may be over in a second: to go elsewhere for it
# would be to have two locks.
_NOT_OURS_TO_WRITE = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST}
)

# Not tempfile's, which follows TMPDIR: two shells of one user must find the same lock.
_SYSTEM_TEMP = Path("/tmp")  # noqa: S108 - the folder in it is checked to be ours and private


@contextmanager
def file_lock(path: Path, timeout: float) -> Iterator[None]:
    """Hold `path` against every other thread and process for the length of a ``with`` block.

    The operating system keeps the lock, so it is free again when its holder dies, however it dies.
    A forked child neither holds nor frees its parent's. Never delete the file: whoever still waits
    for the deleted one and whoever makes it anew would both hold "the" lock.

    `timeout` is in seconds. Raises LockTimeout when it passes, StoreError if there can be no lock.
    """
    import filelock

    lock = filelock.FileLock(
        path,
        mode=0o600,
        thread_local=False,  # may be left by another thread than the one that came in
        preserve_lock_file=True,
        fallback_to_soft=False,  # a lock that outlives a killed holder is none
    )
    with _os_errors_explained(path):
        try:
            lock.acquire(timeout=max(timeout, 0.0), poll_interval=_POLL_S)
        except filelock.Timeout:
            raise LockTimeout(
                f"the lock {path} was not free within {timeout:g} s: another program or thread "
                "holds it. Nothing was changed; try again, or look for one that hangs"
            ) from None
    try:
        yield
    finally:
        with _os_errors_explained(path):
            lock.release()


def user_lock_path(*credential: str) -> Path:
    """Return the file to lock for `credential`, the same for all programs of this OS user.

    It depends on neither HOME, XDG folders, TMPDIR nor the working directory: two programs that
    differ in those still share the credential. Raises StoreError if there is no place for it.
    """
    name = hashlib.sha256(json.dumps(credential).encode()).hexdigest()
    folders = _user_folders()
    for folder in folders:
        if _can_be_used(folder):
            return folder / f"{name}.lock"
    raise StoreError(
        f"no place for a lock file: {' and '.join(map(str, folders))} cannot be written, or are "
        "not folders of this user alone. Nothing was changed; make one of them so (mode 0700)"
    )


def _user_folders() -> list[Path]:
    if sys.platform == "win32":
        import platformdirs

        return [platformdirs.user_state_path("requests-jwt-refresh", appauthor=False) / "locks"]
    in_temp = _SYSTEM_TEMP / f"requests-jwt-refresh-{os.getuid()}"
    home = _home_in_the_password_database()
    if home is None or not home.is_dir():
        return [in_temp]
    return [home / ".local" / "state" / "requests-jwt-refresh" / "locks", in_temp]


def _home_in_the_password_database() -> Path | None:
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container that runs under a number without a name
        return None


def _can_be_used(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_private = _is_private(folder.lstat())
    except OSError as error:
        if error.errno in _NOT_OURS_TO_WRITE:
            return False
        raise _explained(error, folder) from error
    return is_private and os.access(folder, os.W_OK | os.X_OK)


def _is_private(found: os.stat_result) -> bool:
    if sys.platform == "win32":
        return stat.S_ISDIR(found.st_mode)
    others = stat.S_IRWXG | stat.S_IRWXO
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and not found.st_mode & others  # a folder that others may write can be swapped by them
    )


@contextmanager
def _os_errors_explained(path: Path) -> Iterator[None]:
    try:
        yield
    except LockTimeout:  # an OSError itself, by way of requests.RequestException
        raise
    except OSError as error:
        raise _explained(error, path) from error


def _explained(error: OSError, path: Path) -> StoreError:
    return StoreError(
        f"the lock file {path} cannot be used ({error.strerror or type(error).__name__}). Nothing "
        "was changed; see to it that this user can write there, on a disk that has file locks"
    )
