"""doctor on logins in a browser: what to register, and what the server says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import HTML, AuthServer, JSONBody, Status
from requests_jwt_refresh.tokens import Token, with_expiry, with_values
from tests.support.command_line import User, needs_posix, user
from tests.support.doctor import HEALTHY, examine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing.faults import Fault
    from tests.support.doctor import Report

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

WELL = {**HEALTHY, "redirect": "ok", "browser": "ok", "client": "ok"}


# In the words of a certified provider.
MISMATCH = {
    "error": "invalid_redirect_uri",
    "error_description": "redirect_uri did not match any of the client's registered redirect_uris",
}


@pytest.fixture
def server() -> Iterator[AuthServer]:
    with AuthServer(openid=True) as server:
        yield server


def describe(
    user: User, server: AuthServer, *, client_id: str = "client-id", more: str = ""
) -> Token:
    """Write a profile that logs in with a browser, and store a token."""
    refresh = f'kind = "oauth2"\nurl = "/auth/token"\nclient_id = "{client_id}"'
    scope = "" if "scope" in more else 'scope = "openid offline_access"\n'
    keys = f'issuer = "{server.url}"\nauthorization_url = "/auth/authorize"\n{scope}{more}'
    user.describe(server, refresh, browser=keys)
    return user.save_token(with_expiry(server.login()))


def changed(report: Report) -> dict[str, str]:
    """Return the signs that are not as where all is well."""
    return {name: sign for name, sign in report.signs().items() if WELL.get(name) != sign}


def test_all_is_well(user: User, server: AuthServer) -> None:
    """The redirect URI to register is named; nobody logs in, and no token comes of it."""
    describe(user, server)
    report = examine(user)
    assert report.signs() == WELL, report.text
    assert {name: report.findings[name].cause for name in ("redirect", "browser", "client")} == {
        "redirect": "the URI to register at the server is http://127.0.0.1, with any port (RFC "
        "8252 §7.3)",
        "browser": "the server knows the client client-id and its redirect URI",
        "client": "the server takes client-id as a public client",
    }
    assert (server.counters.logins, server.counters.refreshes) == (0, 0)


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("http://localhost:8400/cb", "is http://localhost:8400/cb"),
        ("https://example.com/cb", "is https://example.com/cb; after a login its address has"),
    ],
)
def test_the_uri_to_register_is_the_profiles(
    user: User, server: AuthServer, uri: str, named: str
) -> None:
    """As it is written there."""
    server.redirect_uris = [uri]
    describe(user, server, more=f'redirect_uri = "{uri}"')
    report = examine(user)
    assert report.signs() == WELL, report.text
    assert named in report.findings["redirect"].cause


def test_a_redirect_uri_that_is_not_registered(user: User, server: AuthServer) -> None:
    """What to register is said, and what to do if the server takes no free port."""
    server.redirect_uris = ["http://localhost/other"]
    describe(user, server)
    report = examine(user)
    assert changed(report) == {"browser": "FAULT"}, report.text
    found = report.findings["browser"]
    assert "the redirect URI http://127.0.0.1:49152 is not registered for the client" in found.cause
    assert found.remedy.startswith("register http://127.0.0.1 there")
    assert "redirect_uri into [prod.browser]" in found.remedy


def test_a_redirect_uri_of_the_profile_that_is_not_registered(
    user: User, server: AuthServer
) -> None:
    """It is the one to register: that it has a port is no news."""
    uri = "http://127.0.0.1:8401/cb"
    server.redirect_uris = ["http://localhost/other"]
    describe(user, server, more=f'redirect_uri = "{uri}"')
    found = examine(user).findings["browser"]
    assert found.remedy == f"register {uri} there, for a native or desktop client"


def test_a_client_that_the_server_does_not_know(user: User, server: AuthServer) -> None:
    """Its id is checked first."""
    describe(user, server, client_id="nobody")
    report = examine(user)
    assert changed(report) == {"browser": "FAULT", "client": "FAULT"}, report.text
    assert report.findings["browser"].cause.endswith("it does not know the client nobody")


def test_a_client_that_needs_a_secret(user: User, server: AuthServer) -> None:
    """The wrong client type: it is registered as a confidential one."""
    server.client_secret = "s3cr3t"
    describe(user, server)
    report = examine(user)
    assert changed(report) == {"client": "FAULT"}, report.text
    assert "as a public client (native, desktop)" in report.findings["client"].remedy


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Status(500), "answers 500"),
        (Status(404), "answers 404"),
        (Status(400), "perhaps the redirect URI"),
        (JSONBody(MISMATCH, status=400), ": the redirect URI http://127.0.0.1:49152 is not"),
        (
            Status(302, headers={"Location": "http://127.0.0.1:49152/?error=unauthorized_client"}),
            "answered unauthorized_client",
        ),
    ],
    ids=["500", "404", "400", "mismatch", "unauthorized_client"],
)
def test_a_page_that_refuses(user: User, server: AuthServer, fault: Fault, cause: str) -> None:
    """Each with what to do."""
    describe(user, server)
    server.fail(fault, on="authorize")
    report = examine(user)
    assert changed(report) == {"browser": "FAULT"}, report.text
    assert cause in report.findings["browser"].cause


@pytest.mark.parametrize(
    "response", [HTML(), Status(302, headers={"Location": "/login"})], ids=["page", "redirect"]
)
def test_a_page_for_people_is_fine(user: User, server: AuthServer, response: Fault) -> None:
    """Servers that know no prompt=none show it."""
    describe(user, server)
    server.fail(response, on="authorize")
    report = examine(user)
    assert report.signs() == WELL, report.text
    assert report.findings["browser"].cause.endswith("/auth/authorize shows a page")


@pytest.mark.parametrize(
    ("scope", "granted", "cause", "remedy"),
    [
        ("openid", "openid", "offline_access was not asked for", "add offline_access to scope in"),
        (
            "openid offline_access",
            "openid",
            "the server left offline_access out",
            "allow this client offline_access",
        ),
    ],
)
def test_why_there_is_no_refresh_token(
    user: User, server: AuthServer, scope: str, granted: str, cause: str, remedy: str
) -> None:
    """It was not asked for, or the server did not give it."""
    token = describe(user, server, more=f'scope = "{scope}"')
    user.save_token(with_values(Token(token.access, extra={"scope": granted})))
    report = examine(user)
    assert changed(report) == {"token": "note"}, report.text
    found = report.findings["token"]
    assert found.cause == f"there is no refresh token: {cause}"
    assert found.remedy.startswith(remedy)
    assert found.remedy.endswith("log in with: requests-jwt login prod")


@pytest.mark.parametrize(("status", "sign"), [(500, "note"), (404, "note"), (503, "FAULT")])
def test_a_device_endpoint_that_takes_no_get(
    user: User, server: AuthServer, status: int, sign: str
) -> None:
    """A certified provider answers 500 to that, and nothing is wrong with it."""
    describe(user, server, more='[prod.device]\nurl = "/auth/device"')
    server.fail(Status(status), on="device", times=None)
    report = examine(user)
    assert changed(report) == {"device": sign}, report.text
