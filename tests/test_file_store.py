"""FileStore: a file of its owner's, shared by all programs that know the path.

tests/test_file_store_refusals.py has what it refuses, tests/test_file_store_space.py full disks.
"""

from __future__ import annotations

import errno
import os
import pickle
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import FileStore, StoreError, Token
from requests_jwt_refresh.testing import StoreContract
from tests.support.home import set_home

if TYPE_CHECKING:
    from tests.support.clock import Clock

OLD = Token("old-access", "old-refresh", 1.1e9)
NEW = Token("new-access", "new-refresh", 1.2e9)
NOBODY = 65534

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)


class TestFileStore(StoreContract):
    """What every store promises."""

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "made" / "if" / "missing" / "token.json"

    def make_store(self) -> FileStore:
        return FileStore(self.path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that holds OLD."""
    path = tmp_path / "token.json"
    FileStore(path).save(OLD)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


# --- Who can read it -----------------------------------------------------------------------------


def test_modes(tmp_path: Path) -> None:
    """The file and its lock are 0600, folders that were missing 0700, whatever the umask."""
    path = tmp_path / "a" / "b" / "token.json"
    before = os.umask(0)
    try:
        with FileStore(path).lock(1):
            FileStore(path).save(OLD)
    finally:
        os.umask(before)
    assert mode(path) == mode(path.with_name("token.json.lock")) == 0o600
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700


def test_a_sticky_folder_will_do(path: Path) -> None:
    """In a folder like the system's temporary one a user cannot replace another's file."""
    path.parent.chmod(0o1777)
    assert FileStore(path).load() == OLD


# --- Where it is ---------------------------------------------------------------------------------


def test_a_link_of_ones_own_is_followed_and_kept(path: Path, tmp_path: Path) -> None:
    """A path may be a link, as with dotfiles kept elsewhere."""
    link = tmp_path / "link.json"
    link.symlink_to(path)
    FileStore(link).save(NEW)
    assert link.is_symlink()
    assert FileStore(path).load() == FileStore(link).load() == NEW
    with FileStore(link).lock(1), pytest.raises(StoreError), FileStore(path).lock(0):
        pass  # one lock, by whichever name


@as_root
def test_a_foreign_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    """The owner of the link chooses where the token goes."""
    link = tmp_path / "link.json"
    link.symlink_to(path)
    os.lchown(link, NOBODY, NOBODY)
    with pytest.raises(StoreError, match="another user's symbolic link"):
        FileStore(link).save(NEW)
    assert FileStore(path).load() == OLD


@as_root
def test_a_foreign_link_on_the_way_is_not_followed(path: Path, tmp_path: Path) -> None:
    """Nor if it stands for a folder further up."""
    folder = tmp_path / "folder"
    folder.symlink_to(path.parent)
    os.lchown(folder, NOBODY, NOBODY)
    with pytest.raises(StoreError, match="another user's symbolic link"):
        FileStore(folder / "token.json").save(NEW)
    assert FileStore(path).load() == OLD


def test_it_stays_where_it_was_when_the_program_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is taken from where the store was made."""
    monkeypatch.chdir(tmp_path)
    store = FileStore("token.json")
    monkeypatch.chdir("/")
    store.save(OLD)
    assert FileStore(tmp_path / "token.json").load() == OLD
    assert store == FileStore(tmp_path / "token.json")
    assert hash(store) == hash(FileStore(tmp_path / "token.json"))
    assert pickle.loads(pickle.dumps(store)) == store


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde is the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    FileStore("~/token.json").save(OLD)
    assert (tmp_path / "token.json").exists()


@pytest.mark.parametrize(("path", "error"), [("", ValueError), (None, TypeError), (7, TypeError)])
def test_what_is_no_path(path: Any, error: type[Exception]) -> None:
    """It is refused at once."""
    with pytest.raises(error, match="path"):
        FileStore(path)


@pytest.mark.parametrize("path", ["a\0b", "~no-such-user/token", "\ud800", Path("a\0b")])
def test_a_path_that_no_file_can_have(path: str) -> None:
    """It is a ValueError that names the path, when the store is made."""
    with pytest.raises(ValueError, match=r"^FileStore's path .* has|names .*: use a"):
        FileStore(path)


def test_a_home_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder is made in a place called ~."""
    set_home(monkeypatch, None)
    monkeypatch.delenv("HOME", raising=False)
    with pytest.raises(ValueError, match="home folder that is not known: use an absolute path"):
        FileStore("~/token.json")


def test_a_working_directory_that_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path starts nowhere."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(ValueError, match="working directory that was deleted"):
        FileStore("token.json")


# --- What is in it -------------------------------------------------------------------------------


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff\xfe", b"[1]", b"x" * 2_000_000, b'{"access"'])
def test_junk_is_left_alone(path: Path, junk: bytes) -> None:
    """What is no token is an error that shows none of it, and deletes nothing."""
    path.write_bytes(junk)
    with pytest.raises(StoreError, match="was left as it is"):
        FileStore(path).load()
    assert path.read_bytes() == junk


def test_save_takes_a_token(path: Path) -> None:
    """Anything else is a TypeError, and nothing has changed."""
    with pytest.raises(TypeError, match="Token"):
        FileStore(path).save("secret")  # type: ignore[arg-type]
    assert FileStore(path).load() == OLD


# --- All or nothing ------------------------------------------------------------------------------


def test_the_order_of_a_save(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the disk first, then in place, then the folder: a crash finds the old or the new."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recording_fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        steps.append(f"fsync {kind}")
        fsync(descriptor)

    def recording_replace(self: Path, target: Path) -> Path:
        assert FileStore(path).load() == OLD
        steps.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(Path, "replace", recording_replace)
    FileStore(path).save(NEW)
    assert steps == ["fsync file", "replace", "fsync folder"]


@pytest.mark.parametrize("broken", ["fsync", "write"])
def test_a_full_disk_leaves_the_old_token(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """The error gives the reason, and nothing is left behind."""

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if broken == "fsync":
            patch.setattr(os, "fsync", full)
        else:
            patch.setattr("tempfile.mkstemp", full)
        with pytest.raises(StoreError, match="No space left on device") as caught:
            FileStore(path).save(NEW)
    assert "new-" not in str(caught.value)
    assert FileStore(path).load() == OLD
    assert names(path.parent) == {"token.json"}


def test_what_a_killed_save_left_is_swept_away(path: Path, clock: Clock) -> None:
    """A temporary file holds a token; one an hour old or less may belong to a save at work."""
    old, young = path.with_name(".token.json.a.tmp"), path.with_name(".token.json.b.tmp")
    old.touch()
    young.touch()
    for file, age in ((old, 3601), (young, 3599)):
        os.utime(file, (clock.time() - age, clock.time() - age))
    FileStore(path).save(NEW)
    assert names(path.parent) == {"token.json", young.name}


def test_the_lock_file_stays(path: Path) -> None:
    """A program that waits for a deleted file and one that makes it anew would both hold it."""
    with FileStore(path).lock(1):
        pass
    FileStore(path).clear()
    assert names(path.parent) == {"token.json.lock"}
