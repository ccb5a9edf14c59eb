"""The errors of logins speak of the login, not of a refresh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.testing import HTML, JSONBody, Status
from tests.support.command_line import OAUTH2_REFRESH, User, needs_posix, user
from tests.support.logins import LOGIN

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

WRONG = {
    "404": Status(404),
    "405": Status(405),
    "html": HTML(),
    "another API": JSONBody({"error": "not_found"}, 404),
    "grant": JSONBody({"error": "unsupported_grant_type"}, 400),
}


@pytest.mark.parametrize("fault", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("send", ["json", "oauth2"])
def test_a_login_at_a_wrong_endpoint_says_what_to_check(
    user: User, server: AuthServer, fault: Any, send: str
) -> None:
    """The URL is named, and the keys of the login; nothing speaks of refresh tokens."""
    login = f"{LOGIN['login']}\nsend = '{send}'"
    user.describe(server, OAUTH2_REFRESH, login=login)
    server.fail(fault, on="login", times=None)
    cause, remedy = user.run("login", "prod", typed="bob\nhunter2\n").cause_and_remedy()
    assert f"the login endpoint at {server.url}/auth/login" in cause
    assert "refresh token" not in cause + remedy
    is_grant = "no passwords are accepted there" in remedy
    assert is_grant or "url, send and access in [prod.login]" in remedy


def test_an_error_code_can_be_made_a_refusal_of_the_login(user: User, server: AuthServer) -> None:
    """The rule is shown for the login, and does what it says there."""
    user.describe(server, OAUTH2_REFRESH, login=LOGIN["login"])
    server.fail(JSONBody({"error": "wrong_password"}), on="login", times=None)
    remedy = user.run("login", "prod", typed="bob\nx\n").cause_and_remedy()[1]
    rule = 'rejected = { json_field = "error", value = "wrong_password" }'
    assert f"or write {rule} in [prod.login] if that is a refusal" in remedy
    user.describe(server, OAUTH2_REFRESH, login=f"{LOGIN['login']}\n{rule}")
    result = user.run("login", "prod", typed="bob\nx\n")
    assert (result.status, "refused the user name" in result.err) == (3, True)


def test_a_refused_login_names_the_keys_of_its_fields(user: User, server: AuthServer) -> None:
    """Where the profile has them; a preset has documented its own."""
    user.describe(server, **LOGIN)
    remedy = user.run("login", "prod", typed="bob\nwrong\n").cause_and_remedy()[1]
    keys = "the names of its fields (username_field, password_field in [prod.login])"
    assert remedy == f"check both, the login's URL and {keys}, and try again"
    user.describe(server, 'preset = "simplejwt"', **LOGIN)
    remedy = user.run("login", "prod", typed="bob\nwrong\n").cause_and_remedy()[1]
    assert remedy == "check both, and the login's URL, and try again"


TWICE = "; /auth stands twice in the {} URL {}/auth/{}: it is below the base URL"
BASE_URL = 'if the base URL is {0}: write base_url = "{0}" into [prod] in {1}; '


@pytest.mark.parametrize(
    ("fault", "is_repeated"),
    [(Status(401), True), (Status(404), True), (Status(503), False), (Status(429), False)],
)
def test_a_login_that_repeats_the_base_urls_path_says_so(
    user: User, server: AuthServer, fault: Any, *, is_repeated: bool
) -> None:
    """As init has noted; but not where the server cannot answer now."""
    write_below_auth(user, server, '[prod.login]\nurl = "/auth/login"')
    server.fail(fault, on=lambda path: path.startswith("/auth/auth/"), times=None)
    result = user.run("login", "prod", typed="bob\nhunter2\n")
    cause, remedy = result.cause_and_remedy()
    base = f"{server.url}/auth"
    assert (TWICE.format("login", base, "login") in cause) == is_repeated
    assert remedy.startswith(BASE_URL.format(server.url, user.file)) == is_repeated
    assert "check" in remedy or not is_repeated


def test_a_refresh_token_traded_in_at_a_repeated_path_says_so(
    user: User, server: AuthServer
) -> None:
    """Of that endpoint alone: the login's URL may be repeated as well."""
    write_below_auth(user, server, '[prod.login]\nurl = "/auth/login"')
    server.fail(Status(404), on=lambda path: path.startswith("/auth/auth/"), times=None)
    cause, remedy = user.run(
        "login", "prod", "--refresh-token", "-", typed="r\n"
    ).cause_and_remedy()
    assert cause.endswith(TWICE.format("refresh", f"{server.url}/auth", "refresh"))
    assert remedy.startswith(BASE_URL.format(server.url, user.file))


def write_below_auth(user: User, server: AuthServer, more: str) -> None:
    """Write a profile whose base URL ends as the paths of its endpoints begin."""
    user.describe(server, 'kind = "json"\nurl = "/auth/refresh"')
    text = user.file.read_text(encoding="utf-8")
    text = text.replace(server.url, f"{server.url}/auth")
    user.file.write_text(f"{text}\n{more}\n", encoding="utf-8")
