"""Real disks that are small, read-only or made of one file, for FileStore."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 4096  # bytes


@contextmanager
def small_disk(folder: Path, blocks: int = 16) -> Iterator[Path]:
    """Mount a disk of `blocks` blocks of 4 KiB at `folder`, this user's alone."""
    folder.mkdir(mode=0o700)
    owner = f"uid={os.getuid()},gid={os.getgid()},mode=700"
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={blocks * _BLOCK},{owner}", "tmpfs"):
        yield folder


@contextmanager
def mounted_file(file: Path, source: Path) -> Iterator[None]:
    """Mount `source` over `file`, as a container does with a single file."""
    with _mounted(file, "--bind", str(source)):
        yield


def make_read_only(folder: Path) -> None:
    """Let nothing be written to the disk that is mounted at `folder`."""
    _run("mount", "-o", "remount,ro", str(folder))


def fill(folder: Path) -> None:
    """Write into the disk of `folder` until it is full."""
    with (folder / "filling").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(_BLOCK))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - it is how the loop ends


def is_full(folder: Path) -> bool:
    return os.statvfs(folder).f_bavail == 0


@contextmanager
def _mounted(place: Path, *options: str) -> Iterator[None]:
    problem = _run("mount", *options, str(place))
    if problem is not None:
        pytest.skip(f"this user cannot mount a disk: {problem}")
    try:
        yield
    finally:
        _run("umount", "-l", str(place))


def _run(*command: str) -> str | None:
    """Run `command` as root; return why it failed, None if it did not."""
    as_root = () if os.geteuid() == 0 else ("sudo", "-n")
    if os.name != "posix" or shutil.which((*as_root, *command)[0]) is None:
        return "there is no mount, or no sudo"
    done = subprocess.run(
        [*as_root, *command], capture_output=True, text=True, timeout=WAIT, check=False
    )
    return done.stderr.strip() if done.returncode else None
