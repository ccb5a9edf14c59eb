"""token and refresh: what they print, when they ask the server, and what they exit with."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.testing import HTML, Counters, JSONBody, Redirect, Status
from requests_jwt_refresh.tokens import Token, with_expiry
from tests.support.command_line import (
    OAUTH2_REFRESH,
    WAIT,
    CommandResult,
    User,
    end,
    make_aged_token,
    make_expired_token,
    needs_posix,
    shows_no_part_of,
    start,
    user,
)
from tests.support.waits import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix


def test_a_valid_token_is_printed_as_it_is(user: User, server: AuthServer) -> None:
    """The token alone on stdout, nothing on stderr, no request."""
    user.describe(server)
    token = user.save_token(with_expiry(server.login()))
    assert user.run("token", "prod") == CommandResult(0, f"{token.access}\n", "")
    assert server.counters == Counters()


def test_an_opaque_token_is_believed(user: User, server: AuthServer) -> None:
    """Without a known expiry it is printed without a request."""
    server.opaque = True
    user.describe(server)
    token = user.save_token(server.login())
    assert user.run("token", "prod") == CommandResult(0, f"{token.access}\n", "")
    assert server.counters == Counters()


def test_an_expired_token_is_refreshed(user: User, server: AuthServer) -> None:
    """One refresh; what is printed is what is stored, and the API takes it."""
    user.describe(server)
    old = user.save_token(make_expired_token(server))
    result = user.run("token", "prod")
    assert (result.status, result.err, result.out) == (0, "", f"{user.stored_token.access}\n")
    assert user.stored_token.access != old.access
    assert server.counters == Counters(connections=1, requests=1, refreshes=1, rotated=1)
    assert user.run("token", "prod") == result
    assert server.counters.refreshes == 1


def test_a_refresh_token_alone_is_enough(user: User, server: AuthServer) -> None:
    """Without an access token there is one refresh."""
    user.describe(server)
    user.save_token(Token(None, server.login().refresh))
    assert user.run("token", "prod") == CommandResult(0, f"{user.stored_token.access}\n", "")
    assert server.counters.rotated == 1


def has_two_threads(process: subprocess.Popen[str]) -> bool:
    """Whether a program has found its token expired: it refreshes in a second thread."""
    return len(list(Path(f"/proc/{process.pid}/task").glob("*"))) > 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_processes_that_want_a_token_at_the_same_time(user: User, server: AuthServer) -> None:
    """Eight programs at one expiry: one refresh, and all print the same token."""
    user.describe(server)
    user.save_token(make_expired_token(server))
    with server.gate(on="refresh") as gate:
        started = [start("token", "prod") for _ in range(8)]
        gate.wait_for(1, WAIT)
        wait_until(lambda: all(map(has_two_threads, started)), "a refresh in every program")
        gate.open()
        ended = [end(each) for each in started]
    assert ended == [CommandResult(0, f"{user.stored_token.access}\n", "")] * 8
    assert (server.counters.refreshes, server.counters.rotated) == (1, 1)


@pytest.mark.parametrize(("seconds", "refreshes"), [("0", 0), ("200", 0), ("1e4", 1), ("301", 1)])
def test_seconds(user: User, server: AuthServer, seconds: str, refreshes: int) -> None:
    """A token with less than --seconds left is refreshed; what comes is printed, long or not."""
    user.describe(server)
    user.save_token(with_expiry(server.login()))
    result = user.run("token", "prod", "--seconds", seconds)
    assert (result.status, result.out) == (0, f"{user.stored_token.access}\n")
    assert server.counters.refreshes == refreshes


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("left", "ago", "refreshes"), [(5, 295, 1), (15, 285, 0), (5, 15, 0), (1, 19, 1), (0.5, 0.5, 0)]
)
def test_a_token_is_printed_with_time_to_use_it(
    user: User, server: AuthServer, left: float, ago: float, refreshes: int
) -> None:
    """It lasts 10 s more, or a tenth of its life if it is a short one."""
    server.lifetime = left + ago
    user.describe(server)
    user.save_token(make_aged_token(server.login(), left=left, ago=ago))
    assert user.run("token", "prod").status == 0
    assert server.counters.refreshes == refreshes


@pytest.mark.parametrize("seconds", ["-1", "inf", "nan", "soon", ""])
def test_seconds_that_are_none(user: User, server: AuthServer, seconds: str) -> None:
    """Exit status 2, before anything is asked."""
    user.describe(server)
    user.save_token(make_expired_token(server))
    result = user.run("token", "prod", f"--seconds={seconds}")
    result.cause_and_remedy()
    assert (result.status, result.out, server.counters) == (2, "", Counters())


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_without_a_login(user: User, server: AuthServer, command: str) -> None:
    """Exit status 3, no request, and nothing on stdout that a script could take for a token."""
    user.describe(server)
    result = user.run(command, "prod")
    cause, remedy = result.cause_and_remedy()
    assert cause == "profile 'prod' is not logged in"
    assert remedy.endswith(": requests-jwt login prod")
    assert (result.status, result.out, server.counters) == (3, "", Counters())


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_with_nothing_to_refresh_by(user: User, server: AuthServer, command: str) -> None:
    """An expired access token alone: exit status 3, and it is not thrown away."""
    user.describe(server)
    token = user.save_token(replace(make_expired_token(server), refresh=None))
    result = user.run(command, "prod")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out, user.stored_token) == (3, "", token)
    assert cause.startswith("there is no refresh token")
    assert "requests-jwt login prod" in remedy


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_the_server_is_down(user: User, server: AuthServer, command: str) -> None:
    """Exit status 4, and the store is as it was."""
    user.describe(server)
    token = user.save_token(make_expired_token(server))
    server.stop()
    result = user.run(command, "prod")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out, user.stored_token) == (4, "", token)
    assert cause.startswith(
        f"the refresh endpoint at {server.url}/auth/refresh could not be reached"
    )
    assert remedy.startswith("the tokens are kept; try again later")


def test_a_valid_token_needs_no_server(user: User, server: AuthServer) -> None:
    """A token that is valid is printed although the server is down."""
    user.describe(server)
    token = user.save_token(with_expiry(server.login()))
    server.stop()
    assert user.run("token", "prod") == CommandResult(0, f"{token.access}\n", "")


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_the_server_refuses(user: User, server: AuthServer, command: str) -> None:
    """Exit status 3, and the store is empty: the token is good for nothing."""
    user.describe(server)
    user.save_token(make_expired_token(server))
    server.revoke()
    result = user.run(command, "prod")
    cause, remedy = result.cause_and_remedy()
    assert cause.startswith("the refresh endpoint")
    assert cause.endswith("refused the refresh token (400 invalid_grant)")
    assert remedy.endswith(": requests-jwt login prod")
    assert (result.status, result.out, user.token_file.exists()) == (3, "", False)
    assert server.counters.refused == 1


def _readable_by_others(path: Path) -> None:
    path.chmod(0o644)


def _garbage(path: Path) -> None:
    path.write_text("hunter2", encoding="utf-8")


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_readable_by_others, _garbage, _a_folder])
@pytest.mark.parametrize(
    "command", [("token",), ("refresh",), ("status",), ("status", "--json"), ("logout",)]
)
def test_a_store_that_cannot_be_read(
    user: User, server: AuthServer, command: tuple[str, ...], spoil: Callable[[Path], None]
) -> None:
    """Exit status 5, nothing shown and nothing deleted; but a logout clears an entry of ours."""
    user.describe(server, logout='url = "/auth/logout"')
    user.save_token(make_expired_token(server))
    spoil(user.token_file)
    name, *flags = command
    result = user.run(name, "prod", *flags)
    cause, remedy = result.cause_and_remedy()
    if name == "logout" and spoil is _garbage:
        assert result.status == 4  # the server was not told
        assert not user.token_file.exists()
    else:
        assert (result.status, result.out) == (5, "")
        assert user.token_file.exists()
    assert str(user.token_file) in cause
    assert remedy
    assert "hunter2" not in result.err
    assert server.counters == Counters()


def test_a_logout_without_a_logout_endpoint(user: User, server: AuthServer) -> None:
    """A token that cannot be read is forgotten, which is all there is to do."""
    user.describe(server)
    user.save_token(make_expired_token(server))
    _garbage(user.token_file)
    result = user.run("logout", "prod")
    assert (result.status, result.err, user.token_file.exists()) == (0, "", False)


def test_what_helps_against_a_store_that_cannot_be_read(user: User, server: AuthServer) -> None:
    """There is a command that does what the remedy says: clear it."""
    user.describe(server)
    _garbage(user.token_file)
    user.token_file.chmod(0o600)
    assert "clear it" in user.run("token", "prod").err
    user.run("logout", "prod", "--local")
    assert not user.token_file.exists()


# --- refresh -------------------------------------------------------------------------------------


def test_refresh(user: User, server: AuthServer) -> None:
    """Also a token that is still valid is replaced; the new one is not shown."""
    user.describe(server)
    old = user.save_token(with_expiry(server.login()))
    result = user.run("refresh", "prod")
    assert (result.status, result.err) == (0, "")
    assert re.fullmatch(
        r"Refreshed: the access token expires in 4 min 5\d s \(.*\)\.\n", result.out
    )
    assert user.stored_token.access != old.access
    assert shows_no_part_of(user.stored_token, result)
    assert shows_no_part_of(old, result)
    assert server.counters == Counters(connections=1, requests=1, refreshes=1, rotated=1)


def test_refresh_of_opaque_tokens(user: User, server: AuthServer) -> None:
    """Without a known expiry, none is shown."""
    server.opaque, server.expires_field = True, None
    user.describe(server)
    user.save_token(server.login())
    assert user.run("refresh", "prod") == CommandResult(0, "Refreshed.\n", "")


@pytest.mark.parametrize("command", ["token", "refresh"])
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (JSONBody({"token": "t"}), 2),
        (JSONBody({"access_token": 5}), 2),
        (Status(404), 2),
        (Status(400, body=b'{"error": "invalid_client"}'), 2),
        (Redirect("/x"), 2),
        (JSONBody({"error": "odd"}), 4),
        (HTML(), 4),
        (Status(503), 4),
        (Status(429), 4),
        (Status(409), 4),
    ],
    ids=["field", "type", "404", "client", "redirect", "error", "page", "503", "429", "409"],
)
def test_a_fault_of_the_set_up_is_no_outage(
    user: User, server: AuthServer, command: str, fault: Any, status: int
) -> None:
    """A cron job that tries again next hour need not: 2, where the profile has to be changed."""
    user.describe(server, OAUTH2_REFRESH)
    before = user.save_token(make_expired_token(server))
    server.fail(fault, times=None)
    result = user.run(command, "prod")
    assert (result.status, result.out, user.stored_token) == (status, "", before)


@pytest.mark.parametrize("form", ["", "--output", "--exec-credential"])
@pytest.mark.parametrize("end", [None, 100.0], ids=["unknown", "short"])
def test_seconds_that_cannot_be_kept_are_told_of(
    user: User, server: AuthServer, form: str, end: float | None
) -> None:
    """On stderr, and only where they were asked for; the token is given all the same."""
    server.lifetime = 100.0
    user.describe(server)
    token = server.login()
    user.save_token(token if end is None else make_aged_token(token, left=end, ago=0))
    flags = [form, str(user.home / "out")] if form == "--output" else [form] * bool(form)
    done = user.run("token", "prod", *flags)
    assert (done.status, done.err) == (0, "")
    done = user.run("token", "prod", "--seconds", "600", *flags)
    assert (done.status, bool(done.out)) == (0, form != "--output")
    cause, remedy = done.cause_and_remedy()
    if end is None:
        assert "does not say when it expires: it may last less than 600 s" in cause
        assert "requests-jwt refresh prod" in remedy
    else:
        assert "less than the 600 s asked for" in cause
    assert user.run("token", "prod", "--seconds", "50", *flags).err == "" or end is None
