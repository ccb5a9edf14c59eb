"""The command line itself; what its commands do is tested with each of them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import cli, demo

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = str(Path(sysconfig.get_path("scripts"), "requests-jwt"))
ENTRY_POINTS = pytest.mark.parametrize(
    "command",
    [[SCRIPT], [sys.executable, "-m", "requests_jwt_refresh"]],
    ids=["script", "module"],
)


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@ENTRY_POINTS
def test_version(command: list[str]) -> None:
    """--version names the program and the installed version, and nothing else."""
    done = run([*command, "--version"])
    assert done.stdout == f"requests-jwt {version('requests-jwt-refresh')}\n"
    assert (done.stderr, done.returncode) == ("", 0)


@ENTRY_POINTS
def test_help(command: list[str]) -> None:
    """--help lists the commands, gives an example, and calls the program by its own name."""
    done = run([*command, "--help"])
    assert done.stdout.startswith("usage: requests-jwt ")
    assert "example:\n  requests-jwt demo " in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


def test_each_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """A command explains itself, its exit status included."""
    with pytest.raises(SystemExit) as left:
        cli.main(["demo", "--help"])
    assert left.value.code == 0
    assert "exit status" in " ".join(capsys.readouterr().out.split())


@ENTRY_POINTS
def test_without_a_command(command: list[str]) -> None:
    """No command: the help, on stderr where no pipe takes it for an answer, and exit status 2."""
    done = run(command)
    assert done.stderr.startswith("usage: requests-jwt ")
    assert "requests-jwt demo" in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.parametrize("arguments", [["dmeo"], ["demo", "extra"], ["--nonsense"]])
def test_nonsense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that make no sense: exit status 2, and the usage on stderr."""
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("usage: requests-jwt ")


@pytest.mark.parametrize(("happened", "status"), [(True, 0), (False, 1)])
def test_the_demos_exit_status(
    happened: bool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo's exit status is 0 if all of it happened, else 1."""
    monkeypatch.setattr(demo, "run", lambda _stream: happened)
    assert cli.main(["demo"]) == status


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends a command with 130, and without a word."""

    def interrupted(_stream: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")


@ENTRY_POINTS
@pytest.mark.parametrize("argument", ["demo", "--version"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_left(command: list[str], argument: str, unbuffered: str) -> None:
    """A broken pipe is quiet, and no success: 141, as a shell reports SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*command, argument],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.stderr, done.returncode) == ("", 141)


def test_version_starts_no_server() -> None:
    """What a command needs is loaded when it runs: --version brings no server along."""
    code = (
        "import sys; from requests_jwt_refresh import cli; cli.main(['--version']); "
        "sys.exit('http.server' in sys.modules)"
    )
    assert run([sys.executable, "-c", code]).returncode == 0
