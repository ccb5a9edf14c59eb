"""Commands as processes: streams that are closed or full, files that are none, Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.programs import (
    COMMAND,
    WAIT,
    Workspace,
    warm_command,
    warm_programs,
    workspace,
)
from tests.support.waits import interrupt

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")


@pytest.mark.parametrize("command", ["status prod", "profiles"])
def test_nowhere_to_write(command: str, workspace: Workspace) -> None:
    """With its output closed a command does its work, and with a full disk it says so."""
    assert workspace.start(["sh", "-c", f"{COMMAND} {command} >&-"]).errors == ""
    ended = workspace.start(["sh", "-c", f"{COMMAND} {command} >/dev/full"])
    assert ended.status == 1
    assert "cannot be written" in ended.errors
    assert "Traceback" not in ended.errors


def test_init_leaves_what_is_no_file(workspace: Workspace) -> None:
    """A named pipe or a device is not replaced."""
    pipe = workspace.folder / "pipe"
    os.mkfifo(pipe)
    init = [COMMAND, "init", "n", "--base-url", "https://h", "--refresh-url", "/r"]
    ended = workspace.start(init, REQUESTS_JWT_PROFILES=str(pipe))
    assert ended.status == 2
    assert pipe.is_fifo()


def test_init_keeps_line_ends(workspace: Workspace) -> None:
    """What else is in the file stays as it is."""
    before = workspace.profiles.read_bytes().replace(b"\n", b"\r\n")
    workspace.profiles.write_bytes(before)
    init = [COMMAND, "init", "n", "--base-url", "https://h", "--refresh-url", "/r"]
    assert workspace.start(init).status == 0
    assert workspace.profiles.read_bytes().startswith(before)


def test_ctrl_c_while_a_refresh_token_is_tried(workspace: Workspace) -> None:
    """The login of before is still there."""
    before = workspace.token()
    with (
        workspace.server.gate(on="refresh") as gate,
        subprocess.Popen(
            [COMMAND, "login", "prod", "--refresh-token", "-"],
            env={**os.environ, **workspace.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(b"bogus\n")
        process.stdin.close()
        gate.wait_for(1, timeout=WAIT)
        interrupt(process)
        gate.open()
        assert process.wait(WAIT) in (130, 3)
    assert workspace.token() == before
