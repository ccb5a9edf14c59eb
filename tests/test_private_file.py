"""0600 in 0700, whole or not at all: what FileStore and the profiles' editor are made of.

tests/test_file_store.py has the rest, seen through a store.
"""

from __future__ import annotations

import os
import stat
from functools import partial
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.profiles import edit
from requests_jwt_refresh.stores import private_file
from requests_jwt_refresh.stores.private_file import UntrustedPath, delete, replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_text_comes_back_as_it_was(tmp_path: Path) -> None:
    """Line ends and a byte order mark are the caller's."""
    path = tmp_path / "file"
    private_file.replace(path, "\ufeffa\r\nb\n")
    assert path.read_bytes() == "\ufeffa\r\nb\n".encode()
    assert mode(path) == 0o600


@pytest.mark.parametrize("wanted", [0o600, 0o640, 0o644, 0o400])
def test_another_mode_is_the_files_whatever_the_umask(tmp_path: Path, wanted: int) -> None:
    """A file that its owner shares on purpose stays shared."""
    path = tmp_path / "file"
    before = os.umask(0o077)
    try:
        private_file.replace(path, "text", mode=wanted)
    finally:
        os.umask(before)
    assert (mode(path), path.read_text()) == (wanted, "text")


def test_folders_that_are_missing_are_made_private(tmp_path: Path) -> None:
    """Those that were there stay as they are."""
    tmp_path.chmod(0o755)
    private_file.make_private_folder(tmp_path / "a" / "b")
    private_file.make_private_folder(tmp_path / "a" / "b")
    assert [mode(tmp_path / each) for each in (".", "a", "a/b")] == [0o755, 0o700, 0o700]


def test_what_is_not_there_is_none_or_nothing_to_do(tmp_path: Path) -> None:
    """A missing file reads as None; deleting it is fine; its folder may be missing, too."""
    path = tmp_path / "missing" / "file"
    assert private_file.resolve(path) == path
    assert private_file.read(path) is None
    private_file.delete(path)


def test_a_private_folder_is_no_link_to_one(tmp_path: Path) -> None:
    """Who owns the link chooses the folder."""
    tmp_path.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert private_file.is_private_folder(tmp_path)
    assert not private_file.is_private_folder(link)
    tmp_path.chmod(0o750)
    assert not private_file.is_private_folder(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, partial(os.symlink, "x")])
def test_what_is_no_file_is_neither_replaced_nor_deleted(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Whoever asks; a mode of the caller's changes nothing."""
    path = tmp_path / "file"
    make(path)
    before = path.lstat()
    for change in (partial(replace, path, "text", mode=0o644), partial(delete, path)):
        with pytest.raises(UntrustedPath, match="is a"):
            change()
    assert path.lstat() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_was_made_meanwhile_is_looked_at_too(tmp_path: Path) -> None:
    """Between the first look and the last step there is a write and a wait for the disk."""
    path = tmp_path / "file"
    with private_file.Temporary(path) as temporary:
        temporary.write(b"text")
        os.mkfifo(path)
        with pytest.raises(UntrustedPath, match="is a pipe"):
            temporary.take_place(0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_no_profile_is_written_over_a_pipe(tmp_path: Path) -> None:
    """The profiles' editor says so in its own words."""
    with pytest.raises(ProfileError, match="is a pipe") as caught:
        edit._write(make_pipe(tmp_path), "text")  # noqa: SLF001 - what is read first would wait for a writer
    assert caught.value.remedy.startswith("name another file in ")


def make_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def test_an_untrusted_path_says_what_and_what_to_do(tmp_path: Path) -> None:
    """In two texts, for the error that the caller raises instead."""
    path = tmp_path / "file"
    path.write_text("secret")
    path.chmod(0o604)
    with pytest.raises(UntrustedPath) as caught:
        private_file.read(path)
    assert caught.value.cause == f"others can read the file {path}, so it is not used"
    assert caught.value.remedy.startswith("if you changed that yourself: chmod 600 ")
