"""Which profile a command is about: the one that is named, or the only one there is."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.tokens import with_expiry
from tests.support.command_line import SCRIPT, TWO, WAIT, User, needs_posix, user
from tests.support.logins import LOGIN, describe_login

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

NAMED = ("login", "status", "token", "refresh", "logout", "doctor")


# --- no name -------------------------------------------------------------------------------------


def test_the_only_profile_needs_no_name(user: User, server: AuthServer) -> None:
    """From login to logout, every command takes it."""
    user.describe(server, **LOGIN)
    assert user.run("login", typed="bob\nhunter2\n") == describe_login(user, "bob")
    assert "prod, in " in user.run("status").out
    assert user.run("token", "--seconds", "1").out == f"{user.stored_token.access}\n"
    assert user.run("refresh").out.startswith("Refreshed")
    assert user.run("doctor").out.startswith("ok    profile   prod, in ")
    assert user.run("logout", "--local").out.startswith("Logged out of prod: ")


@pytest.mark.parametrize("command", ["status", "token", "refresh"])
def test_a_remedy_names_the_only_profile(user: User, server: AuthServer, command: str) -> None:
    """What is to be typed next works as it stands."""
    user.describe(server)
    result = user.run(command)
    cause, remedy = result.cause_and_remedy()
    assert (result.status, cause) == (3, "profile 'prod' is not logged in")
    assert remedy == "log in with: requests-jwt login prod"


@pytest.mark.parametrize("command", NAMED)
def test_one_of_several_profiles_has_to_be_named(user: User, command: str) -> None:
    """Exit status 2, and which there are; none is taken by chance."""
    user.file.write_text(TWO, encoding="utf-8")
    result = user.run(command)
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out) == (2, "")
    assert cause == f"{user.file}: there are several profiles, and none was named"
    assert remedy == "name one of these: good, longer-name"


@pytest.mark.parametrize("command", NAMED)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "there is no such file"),
        ("", "there are no profiles yet"),
        ("x = 1\n", "there are no profiles yet"),
    ],
    ids=["no file", "empty", "no table"],
)
def test_without_profiles_there_is_none_to_take(
    user: User, command: str, text: str | None, problem: str
) -> None:
    """Exit status 2, and the command that makes one."""
    if text is not None:
        user.file.write_text(text, encoding="utf-8")
    result = user.run(command)
    cause, remedy = result.cause_and_remedy()
    assert (result.status, cause) == (2, f"{user.file}: {problem}")
    assert "requests-jwt init NAME" in remedy


def test_an_option_may_come_before_the_name_and_before_the_command(
    user: User, server: AuthServer
) -> None:
    """Where it stands makes no difference, whether it has a value or not."""
    user.describe(server, **LOGIN)
    for arguments in (
        ("login", "--username", "bob", "prod"),
        ("--username", "bob", "login", "prod"),
        ("-u", "bob", "login"),
        ("login", "prod", "--username=bob"),
    ):
        assert user.run(*arguments, typed="hunter2") == describe_login(user, "bob")
    as_json = user.run("status", "prod", "--json").out
    assert as_json.startswith("{")
    assert user.run("--json", "status", "prod").out[:20] == as_json[:20]


# --- a wrong name --------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["login", "status", "token", "refresh", "logout"])
def test_a_misspelt_profile(user: User, command: str) -> None:
    """Exit status 2, and the nearest name."""
    user.file.write_text(TWO, encoding="utf-8")
    result = user.run(command, "goood")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out) == (2, "")
    assert cause == f"{user.file}: there is no profile 'goood'"
    assert remedy == "did you mean 'good'?"


# --- profiles that can be read only once ---------------------------------------------------------


def _run_with_pipe(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose profiles come through a pipe, as in ``REQUESTS_JWT_PROFILES=<(...)``."""
    ours, theirs = os.pipe()
    try:
        os.write(theirs, text.encode())
        os.close(theirs)
        return subprocess.run(
            [SCRIPT, *arguments],
            env={**os.environ, "REQUESTS_JWT_PROFILES": f"/dev/fd/{ours}"},
            pass_fds=[ours],
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
    finally:
        os.close(ours)


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="no /dev/fd here")  # noqa: PTH112
@pytest.mark.parametrize("name", [["prod"], []], ids=["named", "left out"])
def test_profiles_are_read_once(user: User, server: AuthServer, name: list[str]) -> None:
    """So a pipe does, as ``<(...)`` makes one."""
    user.describe(server)
    token = user.save_token(with_expiry(server.login()))
    text = user.file.read_text(encoding="utf-8").replace("token.json", str(user.token_file))
    for command, shown in (("token", str(token.access)), ("status", server.url), ("doctor", "ok ")):
        done = _run_with_pipe(text, command, *name)
        assert (done.returncode, done.stderr) == (0, "")
        assert shown in done.stdout


@pytest.mark.parametrize("path", ["/dev/stdin", "/dev/fd/0"])
def test_a_relative_path_in_profiles_from_a_pipe(user: User, path: str) -> None:
    """It starts at the current folder: nothing lies beside a pipe, and /dev is no place for it."""
    text = '[prod]\nbase_url = "https://h"\nrefresh = {preset = "simplejwt"}\n'
    text += 'store = {kind = "file", path = "t.json"}\n'
    done = subprocess.run(
        [sys.executable, "-m", "requests_jwt_refresh", "status"],
        env={**os.environ, "REQUESTS_JWT_PROFILES": path},
        input=text,
        cwd=user.home,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert f"store          file {user.home / 't.json'}\n" in done.stdout
