"""The commands in what is printed can be typed as they stand, also where PATH has none of them."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.cli import serve
from requests_jwt_refresh.cli.page import Page
from requests_jwt_refresh.profiles.own_command import COMMAND_VARIABLE, find_command, spell_out
from tests.support.command_line import INIT, SCRIPT, WAIT, User, needs_posix, user
from tests.support.logins import LOGIN
from tests.support.programs import (
    CALL,
    COMMAND,
    Workspace,
    warm_command,
    warm_programs,
    workspace,
)

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user", "warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = needs_posix

BARE = "/nowhere"
LOG_IN = "log in with: requests-jwt login prod"
LINE = f"requests-jwt: log in with: {COMMAND} login prod\n"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that is not active, as cron has it, and another program that runs."""
    monkeypatch.setenv("PATH", BARE)
    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "argv", ["pytest"])
    return monkeypatch


def make_command(folder: Path, name: str = "requests-jwt") -> Path:
    """Put a program of this name into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / name
    command.write_text("#!/bin/sh\n", encoding="utf-8")
    command.chmod(0o755)
    return command


# --- what a text becomes -------------------------------------------------------------------------


def test_a_command_in_path_goes_by_its_name(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing changes there."""
    make_command(tmp_path)
    bare.setenv("PATH", str(tmp_path))
    assert spell_out(LOG_IN) == LOG_IN


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (LOG_IN, f"log in with: {COMMAND} login prod"),
        ("a: requests-jwt init b; then: requests-jwt login b", "a: {0} init b; then: {0} login b"),
        ("requests-jwt run -- python x.py", "{0} run -- python x.py"),
        ("(requests-jwt init --help lists them)", "({0} init --help lists them)"),
        ("see the options with: requests-jwt --help", "see the options with: {0} --help"),
        ("type: /opt/bin/requests-jwt login prod", "type: /opt/bin/requests-jwt login prod"),
        ("http --auth-type=requests-jwt --auth=prod", "http --auth-type=requests-jwt --auth=prod"),
        ("install requests-jwt-refresh anew", "install requests-jwt-refresh anew"),
        ("try again later", "try again later"),
    ],
)
def test_where_it_is_not_in_path_its_whole_path_is_shown(text: str, shown: str) -> None:
    """In each command of a text, and nowhere else."""
    assert spell_out(text) == shown.format(COMMAND)


# --- where it is ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("bare")
def test_the_command_beside_this_python() -> None:
    """What pip has installed there."""
    assert find_command() == COMMAND


@pytest.mark.parametrize("name", ["requests-jwt", "requests-jwt-refresh"])
def test_the_command_that_runs(bare: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """By either of its names, wherever it is; a folder with a space in it is quoted."""
    command = make_command(tmp_path / "my apps", name)
    bare.setattr(sys, "argv", [str(command), "status"])
    assert find_command() == f"'{command}'"
    bare.chdir(tmp_path)
    bare.setattr(sys, "argv", [f"my apps/{name}", "status"])
    assert find_command() == f"'{command}'"


def test_what_run_has_said_goes_before_this_python(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A program may have another Python, beside which there is no such command, or an old one."""
    command = make_command(tmp_path / "my apps")
    bare.setenv(COMMAND_VARIABLE, f"'{command}'")
    assert spell_out(LOG_IN) == f"log in with: '{command}' login prod"
    command.unlink()  # with its environment, since `run` began
    assert spell_out(LOG_IN) == f"log in with: {COMMAND} login prod"


def test_arguments_that_are_no_strings(bare: pytest.MonkeyPatch) -> None:
    """As a program may have them that embeds Python."""
    bare.setattr(sys, "argv", [None])
    assert find_command() == COMMAND


def test_the_command_that_runs_goes_before_what_run_has_said(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A script under `run` may call another installation's."""
    bare.setenv(COMMAND_VARIABLE, "/opt/bin/requests-jwt")
    command = make_command(tmp_path)
    bare.setattr(sys, "argv", [str(command)])
    assert find_command() == str(command)


def test_a_user_installation(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`pip install --user` puts it into ~/.local/bin, which few systems have in PATH."""
    bare.setattr(sys, "executable", str(tmp_path / "python"))
    bare.setattr("sysconfig.get_path", lambda _name, scheme: str(tmp_path / scheme))
    bare.setattr("sysconfig.get_preferred_scheme", lambda kind: f"of_{kind}")
    command = make_command(tmp_path / "of_user")
    assert find_command() == str(command)


def test_no_command_anywhere(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This Python can run the module; a program of PyInstaller cannot, and says the name."""
    python = str(tmp_path / "python")
    bare.setattr(sys, "executable", python)
    bare.setattr("sysconfig.get_path", lambda *_: str(tmp_path / "nowhere"))
    assert find_command() == f"{python} -m requests_jwt_refresh"
    bare.setattr(sys, "frozen", True, raising=False)
    assert find_command() == "requests-jwt"


@pytest.mark.parametrize("argv", [[], [""], None])
def test_a_python_without_arguments(bare: pytest.MonkeyPatch, argv: list[str] | None) -> None:
    """One that another program embeds may have none."""
    bare.setattr(sys, "argv", argv)
    assert find_command() == COMMAND
    bare.delattr(sys, "argv")
    assert find_command() == COMMAND


# --- who says it ---------------------------------------------------------------------------------


def test_the_next_step_of_a_command(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, and in doctor's table."""
    user.describe(server)
    assert user.run("token", "prod").cause_and_remedy()[1] == LOG_IN
    monkeypatch.setenv("PATH", BARE)
    assert user.run("token", "prod").err.endswith(LINE)
    assert f"-> log in with: {COMMAND} login prod\n" in user.run("doctor", "prod").out


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (("--kind", "jwt-bearer", "--set", "assertion_file=a.txt"), "try it: {} token prod"),
        (("--preset", "simplejwt"), "Next: {} login prod"),
        (("--kind", "json"), "Next: {} login prod --refresh-token -"),
    ],
)
def test_the_next_step_after_init(
    user: User, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], shown: str
) -> None:
    """On stdout, as the last line."""
    monkeypatch.setenv("PATH", BARE)
    done = user.run(*INIT, "--store", "file", "--refresh-url", "/t", *flags)
    assert done.out.endswith(f"{shown.format(COMMAND)}\n"), done.err


def test_the_next_step_after_a_second_login(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On stdout, after a login as somebody else."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", BARE)
    user.describe(server, **LOGIN)
    for name in ("bob", "carol"):
        done = user.run("login", "prod", "--account", name, typed=f"{name}\nhunter2\n")
    assert done.out.endswith(f"--account: {COMMAND} switch prod --account carol\n")


@pytest.mark.usefixtures("bare")
def test_the_commands_of_the_demo() -> None:
    """They are there to be copied."""
    stream = io.StringIO()
    serve._introduce(Page(stream), "http://127.0.0.1:1")  # noqa: SLF001 - the rest needs a Ctrl-C
    assert f"   {COMMAND} init demo --from http://127.0.0.1:1" in stream.getvalue()
    assert f"   {COMMAND} run demo -- " in stream.getvalue()


@pytest.mark.parametrize("how", [[SCRIPT], [sys.executable, "-m", "requests_jwt_refresh"]])
def test_a_command_of_a_process_of_its_own(user: User, server: AuthServer, how: list[str]) -> None:
    """What it says to type works as it stands."""
    user.describe(server)
    environment = {**os.environ, "PATH": BARE}
    command = [*how, "token", "prod"]
    shown = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert shown.stderr.endswith(LINE)
    advised = shown.stderr.rpartition(": ")[2]
    typed = [*shlex.split(advised), "--help"]
    assert subprocess.run(typed, env=environment, capture_output=True, timeout=WAIT, check=True)


def test_a_mistake_in_the_arguments(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any command."""
    monkeypatch.setenv("PATH", BARE)
    assert user.run("token", "--sceonds", "5").err.endswith(f": {COMMAND} token --help\n")


@pytest.mark.parametrize("is_reported", [True, False])
def test_the_next_step_of_a_program_under_run(workspace: Workspace, is_reported: bool) -> None:
    """`run` says it before the program starts, or the program itself when it has no token."""
    workspace.store().clear()
    if is_reported:
        ended = workspace.run("-c", CALL, PATH=BARE)
    else:
        ended = workspace.run_code(CALL, PATH=BARE)
    assert ended.output == "401\n"
    assert LINE in ended.errors


def test_a_program_with_another_python(workspace: Workspace) -> None:
    """It names the command that has started it, not one beside its own Python."""
    workspace.store().clear()
    code = (
        "import os, sys, sysconfig; sys.executable = '/nowhere/python'; "
        "sysconfig.get_path = lambda *_: '/nowhere'; del os.environ['REQUESTS_JWT_REPORTED']"
    )
    ended = workspace.run("-c", f"{code}; {CALL}", PATH=BARE)
    assert ended.errors == (f"requests-jwt: profile 'prod' is not logged in\n{LINE}" * 2)
