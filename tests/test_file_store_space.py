"""FileStore.reserve: a disk that fills up between the exchange and the save loses no token."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore, StoreError, Token
from requests_jwt_refresh.stores.base import encode
from tests.support.disks import fill, is_full, make_read_only, small_disk
from tests.support.waits import join, start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.support.clock import Clock

OLD = Token("old-access", "old-refresh", 1e9 + 1)
NEW = Token("new-access".ljust(6000, "a"), "new-refresh", 1e9 + 2)
SIZE = len(encode(NEW))


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """A store that holds OLD."""
    store = FileStore(tmp_path / "token.json")
    store.save(OLD)
    return store


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def names(store: FileStore) -> list[str]:
    return sorted(each.name for each in Path(store.path).parent.iterdir())


def reserved(store: FileStore) -> list[Path]:
    return list(Path(store.path).parent.glob(".token.json.*.tmp"))


def enter(block: AbstractContextManager[None]) -> None:
    with block:
        pass


# --- A disk that is full -------------------------------------------------------------------------


def test_without_a_reservation_a_full_disk_takes_no_token(disk: Path) -> None:
    """So that the next test shows something."""
    store = FileStore(disk / "token.json")
    store.save(OLD)
    fill(disk)
    with pytest.raises(StoreError, match="No space left on device") as caught:
        store.save(NEW)
    assert caught.value.remedy.startswith("nothing was changed; free some space there")
    assert store.load() == OLD


def test_a_disk_that_fills_up_in_the_block_takes_the_token(disk: Path) -> None:
    """The save uses the space that was kept, and nothing else is left of it."""
    store = FileStore(disk / "token.json")
    store.save(OLD)
    with store.reserve(SIZE):
        fill(disk)
        assert is_full(disk)
        store.save(NEW)
    assert store.load() == NEW
    assert names(store) == ["filling", "token.json"]


def test_a_first_token_fits_too(disk: Path) -> None:
    """A login may come when there is no file yet."""
    store = FileStore(disk / "token.json")
    with store.reserve(SIZE):
        fill(disk)
        store.save(NEW)
    assert store.load() == NEW


def test_a_full_disk_is_known_before_the_exchange(disk: Path) -> None:
    """Two times the size is not there, and what was begun is gone again."""
    store = FileStore(disk / "token.json")
    store.save(OLD)
    with (
        pytest.raises(StoreError, match="No space left on device"),
        store.reserve(9 * 4096),
    ):
        pytest.fail("there is no such space")
    assert names(store) == ["token.json"]
    with store.reserve(6 * 4096):
        pass


def test_a_remedy_that_helps(disk: Path) -> None:
    """Once there is space again, the same call works."""
    store = FileStore(disk / "token.json")
    fill(disk)
    for verb in (partial(store.save, NEW), partial(enter, store.reserve(SIZE))):
        with pytest.raises(StoreError, match="free some space there"):
            verb()
    (disk / "filling").unlink()
    with store.reserve(SIZE):
        store.save(NEW)
    assert store.load() == NEW


def test_a_read_only_disk_is_known_before_the_exchange(disk: Path) -> None:
    """It says what kind of disk is needed."""
    store = FileStore(disk / "token.json")
    store.save(OLD)
    make_read_only(disk)
    for verb in (partial(store.save, NEW), partial(enter, store.reserve(SIZE)), store.clear):
        with pytest.raises(StoreError, match="a disk that can be written"):
            verb()
    assert store.load() == OLD


# --- The file that keeps the space ---------------------------------------------------------------


def test_the_space_is_really_there(store: FileStore) -> None:
    """Two times the size, written and not promised, for this user alone; gone after the block."""
    with store.reserve(SIZE):
        (room,) = reserved(store)
        status = room.stat()
        assert status.st_size == 2 * SIZE
        assert status.st_blocks * 512 >= 2 * SIZE
        assert status.st_mode & 0o777 == 0o600
    assert names(store) == ["token.json"]


def test_it_is_synced_before_the_block(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes it into its cache alone may still be full."""
    synced: list[int] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    with store.reserve(SIZE):
        assert reserved(store)[0].stat().st_ino in synced


def test_a_save_uses_that_very_file(store: FileStore) -> None:
    """It takes the token's name; a second save in the block makes a file of its own."""
    with store.reserve(SIZE):
        inode = reserved(store)[0].stat().st_ino
        store.save(NEW)
        assert Path(store.path).stat().st_ino == inode
        assert reserved(store) == []
        store.save(OLD)
        assert store.load() == OLD
    assert names(store) == ["token.json"]


def test_a_token_longer_than_the_space_is_saved_too(store: FileStore) -> None:
    """The size is a guess: the server may answer with more."""
    with store.reserve(10):
        store.save(NEW)
    assert store.load() == NEW


def test_an_exception_frees_the_space(store: FileStore) -> None:
    """A refresh that fails keeps nothing back, and the exception passes."""
    for error in (ValueError(), OSError("theirs"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, store.reserve(SIZE):
            raise error
        assert caught.value is error
        assert names(store) == ["token.json"]


def test_a_reservation_that_is_gone_is_no_reason_to_fail(store: FileStore) -> None:
    """Somebody may tidy up; the save then writes a file as ever."""
    with store.reserve(SIZE):
        reserved(store)[0].unlink()
        store.save(NEW)
    assert store.load() == NEW
    assert names(store) == ["token.json"]


def test_blocks_in_two_threads_do_not_mix(store: FileStore) -> None:
    """Under the store's lock, each has its own space."""

    def work() -> None:
        for _ in range(20):
            with store.lock(30), store.reserve(SIZE):
                store.save(NEW)

    join(*start(work, work))
    assert names(store) == ["token.json", "token.json.lock"]


def test_a_forked_child_leaves_its_parents_space_alone(store: FileStore) -> None:
    """It saves into a file of its own, and deletes nothing when it leaves the block."""
    block = store.reserve(SIZE)
    with block:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                store.save(OLD)
                block.__exit__(None, None, None)
                status = len(reserved(store)) - 1
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        inode = reserved(store)[0].stat().st_ino
        store.save(NEW)
        assert Path(store.path).stat().st_ino == inode
    assert store.load() == NEW


def test_what_a_killed_program_kept_is_swept_away(store: FileStore, clock: Clock) -> None:
    """As what a killed save has left: with the first save or reservation an hour later."""
    child = os.fork()
    if child == 0:
        with store.reserve(SIZE):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (left,) = reserved(store)
    os.utime(left, (clock.time() - 3601, clock.time() - 3601))
    with store.reserve(SIZE):
        assert left not in reserved(store)
    assert names(store) == ["token.json"]


def test_a_store_is_the_same_value_inside_the_block(store: FileStore) -> None:
    """Equality, hash, repr, pickle and copies know nothing of it."""
    before = (hash(store), repr(store))
    with store.reserve(SIZE):
        again = pickle.loads(pickle.dumps(store))
        assert (hash(store), repr(store)) == before
        assert again == store == FileStore(store.path) == copy.copy(store)
        assert copy.deepcopy(store) is store
        again.save(OLD)  # another object: into a file of its own
        assert len(reserved(store)) == 1


def test_what_others_can_read_is_refused_before_the_exchange(store: FileStore) -> None:
    """A save would be refused as well."""
    Path(store.path).chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"), store.reserve(SIZE):
        pytest.fail("nothing may be exchanged for a token that could not be saved")
