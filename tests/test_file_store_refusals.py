"""FileStore: what it neither reads nor replaces nor deletes, and remedies that help there."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import subprocess
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore, StoreError, Token
from tests.support.disks import mounted_file
from tests.support.processes import run_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLD = Token("old-access", "old-refresh", 1e9 + 1)
NEW = Token("new-access", "new-refresh", 1e9 + 2)
NOBODY = 65534

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)


def verbs(store: FileStore) -> dict[str, Callable[[], object]]:
    """Return everything that can be asked of a store."""
    return {
        "load": store.load,
        "save": partial(store.save, NEW),
        "clear": store.clear,
        "lock": lambda: store.lock(0).__enter__(),
        "reserve": lambda: store.reserve(10).__enter__(),
    }


def catch_refusals(store: FileStore) -> StoreError:
    """Return the error that all verbs raise, having seen that it is the same."""
    errors = []
    for verb in verbs(store).values():
        with pytest.raises(StoreError) as caught:
            verb()
        errors.append(caught.value)
    assert len({str(each) for each in errors}) == 1
    return errors[0]


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Assert that nothing in `folder` is made, replaced or deleted in the block."""

    def look() -> set[tuple[str, int, int]]:
        found = ((each.name, each.lstat()) for each in folder.iterdir())
        return {(name, status.st_ino, status.st_mode) for name, status in found}

    before = look()
    yield
    assert look() == before


# --- What is no file -----------------------------------------------------------------------------


def make_device(path: Path, minor: int) -> None:
    # Never try the machine's own: run as root, a fault would delete /dev/null.
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, minor))


def make_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


def make_pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def make_folder(path: Path) -> None:
    path.mkdir(mode=0o700)


MAKERS = {
    "null": pytest.param(partial(make_device, minor=3), "device", marks=as_root),
    "zero": pytest.param(partial(make_device, minor=5), "device", marks=as_root),
    "full": pytest.param(partial(make_device, minor=7), "device", marks=as_root),
    "socket": (make_socket, "socket"),
    "pipe": (make_pipe, "pipe"),
    "folder": (make_folder, "folder"),
}


@pytest.mark.parametrize("linked", [False, True], ids=["", "linked"])
@pytest.mark.parametrize(("make", "kind"), MAKERS.values(), ids=MAKERS)
def test_what_is_no_file_is_left_alone(
    tmp_path: Path, make: Callable[[Path], None], kind: str, linked: bool
) -> None:
    """By every verb, directly and through a link of one's own; the error says what it is."""
    target = path = tmp_path / "token.json"
    make(target)
    if linked:
        path = tmp_path / "link"
        path.symlink_to(target)
    with unchanged(tmp_path):
        error = catch_refusals(FileStore(path))
    assert error.cause.startswith(f"{target} is a {kind}")


def test_a_socket_with_a_server(tmp_path: Path) -> None:
    """Its clients still find it."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server, unchanged(tmp_path):
        server.bind(str(path))
        server.listen()
        path.chmod(0o600)
        catch_refusals(FileStore(path))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        path.unlink()


def test_a_folder_is_told_how_to_name_a_file(tmp_path: Path) -> None:
    """The path in the remedy works."""
    error = catch_refusals(FileStore(tmp_path))
    assert error.remedy == f"name a file in it, such as {tmp_path}/token"
    store = FileStore(error.remedy.rsplit(" ", 1)[1])
    store.save(NEW)
    assert store.load() == NEW


@pytest.mark.parametrize("where", ["x/token", "loop"])
def test_a_path_through_a_file_or_a_circle(tmp_path: Path, where: str) -> None:
    """What the path is made of is said."""
    (tmp_path / "x").touch()
    (tmp_path / "loop").symlink_to("loop")
    for verb in verbs(FileStore(tmp_path / where)).values():
        with pytest.raises(
            StoreError, match=r"a folder in that path is a file|is a link"
        ) as caught:
            verb()
        assert caught.value.remedy.endswith("use another path")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """Also if it is the lock or a temporary file whose name is too long."""
    for length in (248, 300):
        with pytest.raises(StoreError, match="use a shorter path"):
            FileStore(tmp_path / ("n" * length)).save(NEW)


# --- What others can read or change --------------------------------------------------------------


@pytest.mark.parametrize("others", [0o604, 0o640, 0o620, 0o602])
@pytest.mark.parametrize("name", ["token.json", "a token's; $HOME.json", "-r"])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, others: int, name: str) -> None:
    """By every verb; the command in the error mends it, however the file is called."""
    path = tmp_path / name
    store = FileStore(path)
    store.save(OLD)
    path.chmod(others)
    with unchanged(tmp_path):
        error = catch_refusals(store)
    assert "old-" not in str(error)
    command = error.remedy.split(": ", 1)[1].rsplit("; if another", 1)[0]
    assert shlex.split(command) == ["chmod", "600", str(path)]
    subprocess.run(command, shell=True, check=True)
    assert store.load() == OLD
    store.save(NEW)


def test_the_other_remedy_for_such_a_file(tmp_path: Path) -> None:
    """Deleted by hand, it is an empty store."""
    path = tmp_path / "token.json"
    path.touch(0o644)
    error = catch_refusals(FileStore(path))
    assert error.remedy.endswith("if neither, delete it and log in again")
    path.unlink()
    FileStore(path).save(NEW)
    assert FileStore(path).load() == NEW


@as_root
def test_another_users_file_is_refused(tmp_path: Path) -> None:
    """A token that another user has put there would be that user's login."""
    path = tmp_path / "token.json"
    FileStore(path).save(OLD)
    os.chown(path, NOBODY, NOBODY)
    with unchanged(tmp_path):
        error = catch_refusals(FileStore(path))
    assert error.cause.startswith(f"the file {path} is another user's")
    assert "chmod" not in error.remedy


def test_a_folder_that_others_can_change_is_refused(tmp_path: Path) -> None:
    """They could put another file in its place; the command in the error mends it."""
    folder = tmp_path / "it's shared"
    store = FileStore(folder / "token.json")
    store.save(OLD)
    folder.chmod(0o777)
    with unchanged(folder):
        error = catch_refusals(store)
    subprocess.run(error.remedy.split(": ", 1)[1], shell=True, check=True)
    assert store.load() == OLD


@as_root
def test_root_in_a_users_folder(tmp_path: Path) -> None:
    """No chmod would help there, and none is named: running as that user does."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    with unchanged(folder):
        error = catch_refusals(FileStore(folder / "token.json"))
    assert error.cause.startswith(f"the folder {folder} is another user's")
    assert error.remedy.endswith("or run this program as that user")
    assert "chmod" not in error.remedy


AS_NOBODY = """
import filelock, os, sys
from requests_jwt_refresh import FileStore, StoreError, Token
os.setgroups([]); os.setgid(65534); os.setuid(65534)
store = FileStore(sys.argv[1])
for verb in (lambda: store.save(Token("a")), lambda: store.lock(0).__enter__()):
    try:
        verb()
    except StoreError as error:
        print(error.remedy)
"""


@as_root
def test_a_folder_that_this_user_cannot_write() -> None:
    """The folder that is there is named: the one below it could not be made."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        texts = run_python(AS_NOBODY, f"{folder}/missing/token.json").splitlines()
        assert (
            texts
            == [f"nothing was changed; use a path of your own: this user cannot write to {folder}"]
            * 2
        )


# --- What may be replaced ------------------------------------------------------------------------


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff\xfe", b"garbage"])
def test_unreadable_content_of_ones_own_may_be_replaced(tmp_path: Path, junk: bytes) -> None:
    """When asked to: an entry of ours that makes no sense keeps nobody out for ever."""
    path = tmp_path / "token.json"
    for verb, expected in (("save", NEW), ("clear", None)):
        path.write_bytes(junk)
        path.chmod(0o600)
        verbs(FileStore(path))[verb]()
        assert FileStore(path).load() == expected


# --- The lock file -------------------------------------------------------------------------------


def test_a_lock_is_no_reason_to_empty_a_file(tmp_path: Path) -> None:
    """A token called poetry would have poetry.lock for a lock file, which may be there."""
    other = tmp_path / "poetry.lock"
    other.write_text("precious")
    with pytest.raises(StoreError, match=r"poetry\.lock cannot be used: it is not empty"):
        FileStore(tmp_path / "poetry").lock(0).__enter__()
    assert other.read_text() == "precious"


def test_a_lock_file_that_is_a_pipe(tmp_path: Path) -> None:
    """It could be opened, and nobody would know of the lock."""
    os.mkfifo(tmp_path / "token.json.lock", 0o600)
    with pytest.raises(StoreError, match="not a regular file"):
        FileStore(tmp_path / "token.json").lock(0).__enter__()


@as_root
def test_a_lock_file_of_another_user(tmp_path: Path) -> None:
    """Who owns it can hold it for ever."""
    lock = tmp_path / "token.json.lock"
    lock.touch(0o600)
    os.chown(lock, NOBODY, NOBODY)
    with pytest.raises(StoreError, match="another user's"):
        FileStore(tmp_path / "token.json").lock(0).__enter__()


# --- Where a remedy must fit ---------------------------------------------------------------------


def test_a_single_file_that_is_mounted(tmp_path: Path) -> None:
    """It can be written but not replaced; with its folder mounted all works."""
    source, folder = tmp_path / "source", tmp_path / "folder"
    FileStore(source).save(OLD)
    folder.mkdir(mode=0o700)
    path = folder / "token.json"
    path.touch(0o600)
    with mounted_file(path, source):
        store = FileStore(path)
        assert store.load() == OLD
        for verb in (partial(store.save, NEW), store.clear):
            with pytest.raises(StoreError, match="mount the folder that holds the file"):
                verb()
        assert store.load() == OLD
        assert [each.name for each in folder.iterdir()] == ["token.json"]
