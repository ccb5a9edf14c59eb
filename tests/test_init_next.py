"""init: the next step that it names works, for a profile without a login too."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import User, needs_posix, user

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix


def run_next(user: User, server: AuthServer, *flags: str, typed: str) -> int:
    """Make a profile, do what init says is next, and return the status of that."""
    store = ("--store", "file", "--path", "token.json")
    urls = ("--base-url", server.url, "--refresh-url", "/auth/refresh")
    made = user.run("init", "prod", *urls, *store, *flags)
    assert made.status == 0, made.err
    program, *command = shlex.split(made.out.splitlines()[-1].partition(": ")[2])
    assert program == "requests-jwt"
    return user.run(*command, typed=typed).status


def test_the_next_step_of_a_profile_without_a_login_takes_a_refresh_token(
    user: User, server: AuthServer
) -> None:
    """A login that asks for a password could not work."""
    assert run_next(user, server, typed=f"{server.login().refresh}\n") == 0
    assert user.stored_token.access is not None


def test_the_next_step_of_a_profile_with_a_login_is_that(user: User, server: AuthServer) -> None:
    """User name and password are asked for."""
    typed = "bob\nhunter2\n"
    assert run_next(user, server, "--login-url", "/auth/login", typed=typed) == 0


BOTH = ("--kind", "json", "--set", "send_access=access_token")


def test_where_a_refresh_takes_both_tokens_a_login_is_needed_first(
    user: User, server: AuthServer
) -> None:
    """One refresh token alone is of no use there, and whoever gives it is told so."""
    urls = ("--base-url", server.url, "--refresh-url", "/auth/refresh")
    store = ("--store", "file", "--path", "token.json")
    made = user.run("init", "my.api", *urls, *store, *BOTH)
    assert f'Nobody can log in yet: add ["my.api".login] with its url to {user.file}' in made.out
    given = str(server.login().refresh)
    result = user.run("login", "my.api", "--refresh-token", "-", typed=given)
    cause, remedy = result.cause_and_remedy()
    assert (result.status, cause) == (3, "there is no access token")
    assert remedy.startswith("a refresh takes both tokens here: log in")
    assert server.counters.requests == 0


@pytest.mark.parametrize(
    ("variable", "value"), [("REQUESTS_JWT_ACCOUNT", "bad name!"), ("REQUESTS_JWT_TOKEN_A_B", "x")]
)
def test_a_fault_of_the_environment_does_not_make_init_fail(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """The profile is written by then; the next command says what is wrong."""
    urls = ("--base-url", server.url, "--refresh-url", "/auth/refresh", "--store", "file")
    assert user.run("init", "a.b", *urls).status == 0
    monkeypatch.setenv(variable, value)
    assert user.run("init", "a-b", *urls).status == 0


def test_nobody_logs_in_where_the_environment_has_the_token(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login would be refused."""
    monkeypatch.setenv("REQUESTS_JWT_TOKEN_PROD", "a-token")
    assert run_next(user, server, "--login-url", "/auth/login", typed="") == 0
