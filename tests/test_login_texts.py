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
    assert f"or add {rule} to [prod.login] if that is a refusal" in remedy
    user.describe(server, OAUTH2_REFRESH, login=f"{LOGIN['login']}\n{rule}")
    result = user.run("login", "prod", typed="bob\nx\n")
    assert (result.status, "refused the user name" in result.err) == (3, True)
