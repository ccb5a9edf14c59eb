"""token of one that does not say when it expires: a person at a terminal is told so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.grants import desktop
from requests_jwt_refresh.tokens import Token, with_expiry
from tests.support.command_line import (
    SCRIPT,
    CommandResult,
    Terminal,
    User,
    make_expired_token,
    make_jwt,
    needs_posix,
    user,
)
from tests.support.logins import LOGIN

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

VARIABLE = "REQUESTS_JWT_TOKEN_PROD"
UNKNOWN = "the access token does not say when it expires"
REFRESH = "get a new one with: requests-jwt refresh prod"


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a terminal reads stderr, and the environment has no token."""
    monkeypatch.setattr(desktop, "is_read_by_person", lambda: True)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv(f"{VARIABLE}_FILE", raising=False)


def log_in(user: User, server: AuthServer, **changes: Any) -> Token:
    """Save an opaque token that was not said to expire, nor when."""
    server.opaque, server.expires_field = True, None
    user.describe(server)
    return user.save_token(replace(server.login(), **changes))


def test_a_person_is_told_that_the_token_may_have_expired(user: User, server: AuthServer) -> None:
    """On stderr; it is printed all the same, without a request."""
    token = log_in(user, server)
    result = user.run("token", "prod")
    assert (result.status, result.out) == (0, f"{token.access}\n")
    assert result.cause_and_remedy() == (UNKNOWN, f"if the API refuses it, {REFRESH}")
    assert server.counters.requests == 0


def test_a_terminal_shows_the_note(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a person sees it."""
    token = log_in(user, server)
    monkeypatch.setenv("PATH", SCRIPT.rpartition("/")[0])
    with Terminal(SCRIPT, "token", "prod") as terminal:
        assert terminal.end() == 0
    assert f"requests-jwt: {UNKNOWN}\r\n" in terminal.shown
    assert f"requests-jwt: if the API refuses it, {REFRESH}\r\n" in terminal.shown
    assert f"{token.access}\r\n" in terminal.shown


def test_a_program_is_told_nothing(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of a cron job gets no line for each token."""
    monkeypatch.setattr(desktop, "is_read_by_person", lambda: False)
    token = log_in(user, server)
    assert user.run("token", "prod") == CommandResult(0, f"{token.access}\n", "")


def test_kubectl_shows_no_note(user: User, server: AuthServer) -> None:
    """It asks for a token at each of its calls, and passes on what stands on stderr."""
    log_in(user, server)
    result = user.run("token", "prod", "--exec-credential")
    assert (result.status, result.err) == (0, "")


def test_a_file_with_the_token_has_the_note_too(user: User, server: AuthServer) -> None:
    """--output prints nothing else."""
    log_in(user, server)
    result = user.run("token", "prod", "--output", str(user.home / "out"))
    assert (result.out, result.cause_and_remedy()[0]) == ("", UNKNOWN)


def test_a_token_that_says_when_it_expires_needs_no_note(user: User, server: AuthServer) -> None:
    """It would have been refreshed."""
    user.describe(server)
    user.save_token(with_expiry(server.login()))
    assert user.run("token", "prod").err == ""


def test_a_token_that_has_just_come_needs_no_note(user: User, server: AuthServer) -> None:
    """It is as new as what `requests-jwt refresh` would bring."""
    user.describe(server)
    user.save_token(make_expired_token(server))
    server.opaque, server.expires_field = True, None
    result = user.run("token", "prod")
    assert (result.status, result.err) == (0, "")
    assert server.counters.refreshes == 1
    assert user.run("token", "prod").cause_and_remedy()[0] == UNKNOWN


@pytest.mark.parametrize("seconds", [(), ("--seconds", "600")])
def test_nothing_to_refresh_by(user: User, server: AuthServer, seconds: tuple[str, ...]) -> None:
    """`requests-jwt refresh` would fail then: a login is what helps."""
    log_in(user, server, refresh=None)
    remedy = user.run("token", "prod", *seconds).cause_and_remedy()[1]
    assert remedy.endswith("log in again with: requests-jwt login prod")


@pytest.mark.parametrize(
    ("refresh", "tables", "shown"),
    [
        ('preset = "simplejwt"', LOGIN, "login"),
        ('kind = "client-credentials"\nurl = "/t"\nclient_id = "c"', {}, "refresh"),
        ('kind = "json"\nurl = "/t"\nsend = false\nsend_access = "t"', {}, "login"),
    ],
    ids=["refresh token", "client's own", "live token"],
)
def test_what_brings_a_new_token(
    user: User, server: AuthServer, refresh: str, tables: dict[str, str], shown: str
) -> None:
    """A refresh where it needs neither a refresh token nor a valid access token, else a login."""
    user.describe(server, refresh, **tables)
    user.save_token(Token("opaque"))
    assert f": requests-jwt {shown} prod" in user.run("token", "prod").cause_and_remedy()[1]


def test_a_field_is_named(user: User, server: AuthServer) -> None:
    """What is printed may be something else than the access token."""
    user.describe(server)
    id_token = make_jwt({"sub": "alice"})
    user.save_token(replace(with_expiry(server.login()), extra={"id_token": id_token}))
    result = user.run("token", "prod", "--field", "id_token")
    assert result.out == f"{id_token}\n"
    assert result.cause_and_remedy()[0] == "id_token does not say when it expires"


@pytest.mark.parametrize("seconds", [(), ("--seconds", "600")])
def test_a_token_from_the_environment(
    user: User,
    server: AuthServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    seconds: tuple[str, ...],
) -> None:
    """No command brings a new one: it goes where this one came from."""
    user.describe(server)
    monkeypatch.setenv(VARIABLE, "opaque")
    remedy = user.run("token", "prod", *seconds).cause_and_remedy()[1]
    assert remedy.endswith(f"put a new one into the environment variable {VARIABLE}")
    monkeypatch.delenv(VARIABLE)
    file = tmp_path / "token"
    file.write_text("opaque", encoding="utf-8")
    monkeypatch.setenv(f"{VARIABLE}_FILE", str(file))
    remedy = user.run("token", "prod", *seconds).cause_and_remedy()[1]
    assert f"put a new one into the file {file}, " in remedy
