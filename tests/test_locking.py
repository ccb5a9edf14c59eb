"""The lock of a user's programs: one file per credential, in a place that all of them find."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import signal
import stat
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from requests_jwt_refresh.errors import LockTimeout, StoreError
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.stores.locking import file_lock, user_lock_path
from tests.support.home import set_home
from tests.support.processes import run_python
from tests.support.secret_service import new_service_name
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep lock files out of the home of the user who runs the tests; return where they go."""
    home = tmp_path / "home"
    home.mkdir()
    set_home(monkeypatch, home)
    return home / ".local" / "state" / "requests-jwt-refresh" / "locks"


# --- Where it is ---------------------------------------------------------------------------------


TRY_THE_LOCK = """
import sys
from requests_jwt_refresh.errors import LockTimeout
from requests_jwt_refresh.stores.keyring import KeyringStore
try:
    with KeyringStore(sys.argv[1], "alice").lock(0):
        print("free")
except LockTimeout:
    print("held")
"""


def test_the_lock_is_the_users_whatever_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Processes with another HOME, XDG folders, TMPDIR and working directory share it."""
    monkeypatch.undo()  # the real home, for once
    names = ["HOME", "USERPROFILE", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "TMPDIR"]
    elsewhere = dict.fromkeys(names, str(tmp_path))
    service = new_service_name()
    path = user_lock_path("keyring", service, "alice")
    try:
        with KeyringStore(service, "alice").lock(WAIT):
            assert run_python(TRY_THE_LOCK, service, cwd=tmp_path, **elsewhere) == "held"
        assert run_python(TRY_THE_LOCK, service, cwd=tmp_path, **elsewhere) == "free"
    finally:
        path.unlink(missing_ok=True)


def test_each_credential_has_its_own_lock() -> None:
    """Other accounts and services do not wait for each other, however their names are put."""
    with (
        KeyringStore("s", "a").lock(0),
        KeyringStore("s", "b").lock(0),
        KeyringStore("s", "ab").lock(0),
        KeyringStore("sa", "b").lock(0),
        KeyringStore('s", "a', "a").lock(0),
        KeyringStore("s", 'a", "a').lock(0),
    ):
        pass


def test_the_lock_file_stays_and_is_private(locks: Path) -> None:
    """Deleting it would let two hold the lock. Its name shows neither service nor account."""
    with KeyringStore("service-name", "account-name").lock(0):
        pass
    (path,) = locks.iterdir()
    assert "name" not in path.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(locks.stat().st_mode) == 0o700
    with KeyringStore("service-name", "account-name").lock(0):
        pass
    assert list(locks.iterdir()) == [path]


def test_the_lock_timeout_reads_well(locks: Path) -> None:
    """Which lock is held, how long the wait was, and what to do."""
    store = KeyringStore("s")
    with store.lock(0), pytest.raises(LockTimeout) as caught, store.lock(0.01):
        pass
    assert caught.value.cause.startswith(f"the lock {locks}")
    assert "was not free within 0.01 s: another program or thread holds it" in caught.value.cause
    assert caught.value.remedy.startswith("nothing was changed; try again")


@pytest.fixture
def temp_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the lock files of a user without a home go: a user whom no other test has."""
    uid = 2_000_000_000 + os.getpid()
    monkeypatch.setattr(os, "getuid", lambda: uid)
    folder = Path("/tmp") / f"requests-jwt-refresh-{uid}"
    yield folder
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        folder.rmdir()


@pytest.mark.parametrize("home", ["missing", "a file", "not private", "unknown"])
def test_without_a_home_the_lock_is_in_the_temp_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, locks: Path, temp_folder: Path, home: str
) -> None:
    """A home that cannot be written, or that others can write, is not used."""
    if home == "missing":
        set_home(monkeypatch, tmp_path / "elsewhere")
    elif home == "a file":
        tmp_path.joinpath("home", ".local").write_text("in the way")
    elif home == "not private":
        locks.mkdir(parents=True)
        locks.chmod(0o770)
    else:
        set_home(monkeypatch, None)
    assert user_lock_path("x").parent == temp_folder
    assert stat.S_IMODE(temp_folder.stat().st_mode) == 0o700


def test_a_user_without_a_name_has_no_home(
    monkeypatch: pytest.MonkeyPatch, temp_folder: Path
) -> None:
    """A container may run under a number that the password database does not know."""
    uid = os.getuid()
    monkeypatch.undo()  # the real password database
    monkeypatch.setattr(os, "getuid", lambda: uid)
    with pytest.raises(KeyError):
        pwd.getpwuid(uid)
    assert user_lock_path("x").parent == temp_folder


@pytest.mark.parametrize("trap", ["open", "symlink"])
def test_a_temp_folder_of_another_user_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, temp_folder: Path, trap: str
) -> None:
    """In a folder that all may write, the place must be ours: else a StoreError says which."""
    set_home(monkeypatch, None)
    if trap == "open":
        temp_folder.mkdir()
        temp_folder.chmod(0o777)
    else:
        tmp_path.joinpath("theirs").mkdir(mode=0o700)
        temp_folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(StoreError, match="no place for a lock file") as caught:
        KeyringStore("s").lock(0)
    assert str(temp_folder) in caught.value.cause


def test_a_full_disk_is_no_reason_for_a_second_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be over in a second is a StoreError: to go elsewhere would make two locks."""

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(StoreError, match="No space left on device"):
        KeyringStore("s").lock(0)


# --- Who holds it --------------------------------------------------------------------------------


@pytest.mark.parametrize("trap", ["folder", "symlink", "nowhere"])
def test_a_lock_file_that_is_none_is_a_store_error(tmp_path: Path, trap: str) -> None:
    """The path is named, and what to do."""
    path = tmp_path / "lock"
    if trap == "folder":
        path.mkdir()
    elif trap == "symlink":
        path.symlink_to(tmp_path / "target")
    else:
        tmp_path.joinpath("file").touch()
        path = tmp_path / "file" / "lock"
    with pytest.raises(StoreError, match="cannot be used") as caught, file_lock(path, 0):
        pass
    assert str(path) in str(caught.value)
    assert not isinstance(caught.value, LockTimeout)
    assert not tmp_path.joinpath("target").exists()


def test_an_os_error_of_the_holder_is_its_own(tmp_path: Path) -> None:
    """What fails inside the block has nothing to do with the lock."""
    with pytest.raises(OSError, match="theirs") as caught, file_lock(tmp_path / "lock", 0):
        raise OSError("theirs")
    assert type(caught.value) is OSError


def test_another_thread_may_release_it(tmp_path: Path) -> None:
    """The block may be left in another thread than it was entered in."""
    block = contextlib.ExitStack()
    block.enter_context(file_lock(tmp_path / "lock", 0))
    join(*start(block.close))
    for _ in range(2):
        with file_lock(tmp_path / "lock", 0):
            pass


def test_the_file_stays_whatever_filelock_would_do(tmp_path: Path) -> None:
    """A program that waits for a deleted file and one that makes it anew would both hold it."""
    path = tmp_path / "lock"
    with file_lock(path, 0):
        before = path.stat()
    with pytest.raises(LockTimeout), file_lock(path, 0), file_lock(path, 0):
        pass
    after = path.stat()
    assert (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino)
    assert stat.S_IMODE(after.st_mode) == 0o600


@pytest.mark.filterwarnings("ignore:flock not supported:UserWarning")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_there_is_no_soft_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A file system without locks is an error: a soft lock would outlive a killed holder."""

    def refuse(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "lock"
    with file_lock(path, 0):
        pass
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError) as caught, file_lock(path, 0):
        pass
    assert str(path) in caught.value.cause
    if not isinstance(caught.value, LockTimeout):  # old versions of filelock cannot tell
        assert "use a path on a disk that has file locks" in caught.value.remedy


def test_a_child_does_not_hold_the_lock_of_a_dead_parent(tmp_path: Path) -> None:
    """A worker that was forked meanwhile and lives on keeps no other program out."""
    path = tmp_path / "lock"
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        os.close(writing)
        _hold_fork_and_die(path, reading)
    os.close(reading)
    try:
        assert os.WTERMSIG(os.waitpid(parent, 0)[1]) == signal.SIGKILL
        with file_lock(path, WAIT):
            pass
    finally:
        os.close(writing)  # the grandchild ends


def _hold_fork_and_die(path: Path, reading: int) -> NoReturn:
    try:
        with file_lock(path, 0):
            if os.fork() == 0:
                os.read(reading, 1)
            else:
                os.kill(os.getpid(), signal.SIGKILL)
    finally:
        os._exit(0)


def test_a_fork_at_any_moment_takes_no_lock_along(tmp_path: Path) -> None:
    """However often threads lock and unlock meanwhile: children that live on hold nothing."""
    paths = [tmp_path / f"lock{n}" for n in range(3)]
    is_over = threading.Event()
    children = []

    def lock_and_unlock(path: Path) -> None:
        while not is_over.is_set():
            with file_lock(path, WAIT):
                pass

    threads = start(*(partial(lock_and_unlock, path) for path in paths))
    reading, writing = os.pipe()
    try:
        for _ in range(30):
            child = os.fork()
            if child == 0:
                os.close(writing)
                os.read(reading, 1)
                os._exit(0)
            children.append(child)
        is_over.set()
        join(*threads)
        for path in paths:
            with file_lock(path, WAIT):
                pass
    finally:
        is_over.set()
        os.close(writing)
        os.close(reading)
        for child in children:
            os.waitpid(child, 0)
