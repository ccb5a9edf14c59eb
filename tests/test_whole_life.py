"""From init to logout, command by command, in a file and in a real keyring."""

from __future__ import annotations

import contextlib
import json
import stat
from typing import TYPE_CHECKING

from requests_jwt_refresh.testing import Counters
from tests.support.command_line import CommandResult, User, end, needs_posix, start, user
from tests.support.secret_service import running_secret_service, secret_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.secret_service import SecretService

__all__ = ["running_secret_service", "secret_service", "user"]  # fixtures

pytestmark = needs_posix


@contextlib.contextmanager
def _whole_life(
    user: User, server: AuthServer, run: Callable[..., CommandResult], *store: str
) -> Iterator[None]:
    """Go through a login from its beginning to its end; yield while it is logged in."""

    def done(*arguments: str, typed: str = "") -> str:
        result = run(*arguments, typed=typed)
        assert (result.status, result.err) == (0, ""), result
        return result.out

    urls = ("--refresh-url", "/auth/refresh", "--login-url", "/auth/login")
    flags = ("--base-url", server.url, *urls, "--logout-url", "/auth/logout", *store)
    assert "Next: requests-jwt login prod" in done("init", "prod", *flags)
    assert done("profiles", "--names") == "prod\n"
    assert run("status", "prod").status == 3
    assert "Logged in to prod as bob.\n" in done("login", "prod", typed="bob\nhunter2\n")
    assert json.loads(done("status", "prod", "--json"))["claims"] == {"sub": "bob"}
    first = done("token", "prod")
    assert done("refresh", "prod").startswith("Refreshed: ")
    assert done("token", "prod") != first
    yield
    assert done("logout", "prod").startswith("Logged out of prod: ")
    assert run("token", "prod").status == 3
    assert server.counters == Counters(
        connections=3,
        requests=3,
        logins=1,
        refreshes=1,
        rotated=1,
        logouts=1,
        families_revoked=1,
    )
    assert "hunter2" not in user.file.read_text(encoding="utf-8")


def test_a_whole_life_in_a_file(user: User, server: AuthServer) -> None:
    """From init to logout, each command a program of its own: four requests would be too many."""

    def run(*arguments: str, typed: str = "") -> CommandResult:
        return end(start(*arguments), typed)

    with _whole_life(user, server, run, "--store", "file", "--path", "token.json"):
        assert stat.S_IMODE(user.token_file.stat().st_mode) == 0o600
    assert not user.token_file.exists()


def test_a_whole_life_in_the_keyring(
    user: User, server: AuthServer, secret_service: SecretService
) -> None:
    """The same where init leaves it by default: in a real keyring, and in no file."""
    secret_service.unlock()
    with _whole_life(user, server, user.run):
        assert [each.name for each in user.home.iterdir()] == ["profiles.toml"]


def test_a_locked_keyring(user: User, server: AuthServer, secret_service: SecretService) -> None:
    """Exit status 5, and what helps; the token is there again when it is unlocked."""
    user.describe(server, store='kind = "keyring"', login='url = "/auth/login"')
    assert user.run("login", "prod", typed="bob\nhunter2\n").status == 0
    secret_service.lock()
    try:
        for command in ("token", "status", "refresh", "logout"):
            result = user.run(command, "prod")
            cause, remedy = result.cause_and_remedy()
            assert (result.status, result.out) == (5, "")
            assert "keyring" in cause
            assert remedy.startswith("what it holds is safe; unlock it")
    finally:
        secret_service.unlock()
    assert user.run("token", "prod").status == 0
    assert user.run("logout", "prod").status == 0
