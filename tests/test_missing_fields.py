"""A login's response without a refresh token: login says so, and doctor has an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.testing import AuthServer, JSONBody, Status
from requests_jwt_refresh.tokens import Token, with_expiry, with_values
from tests.support.command_line import (
    JSON_REFRESH,
    OAUTH2_REFRESH,
    User,
    find_closed_port,
    make_jwt,
    needs_posix,
    user,
)
from tests.support.doctor import examine, healthy_user
from tests.support.logins import DEVICE, LOGIN

if TYPE_CHECKING:
    from tests.support.clock import Clock

__all__ = ["healthy_user", "user"]  # fixtures

pytestmark = needs_posix

NESTED = {"data": {"accessToken": "a-token", "refreshToken": "r-token", "user": {"id": 7}}}
NAMES = "it gave 'data.accessToken', 'data.refreshToken', 'data.user.id'"
MISSPELT = 'access = "data.accessToken"\nrefresh = "data.refreshtoken"'


# --- login ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refresh", "login", "table"),
    [
        (f"{JSON_REFRESH}\n{MISSPELT}", LOGIN["login"], "[prod.refresh]"),
        (JSON_REFRESH, f"{LOGIN['login']}\n{MISSPELT}", "[prod.login]"),
        (f"{JSON_REFRESH}\n{MISSPELT}", f"{LOGIN['login']}\nsend = 'form'", "[prod.refresh]"),
    ],
    ids=["refresh", "login", "form"],
)
def test_a_misspelt_field_is_said_at_the_login(
    user: User, server: AuthServer, refresh: str, login: str, table: str
) -> None:
    """Two lines on stderr: the fields there are, and the table to correct; the login stands."""
    user.describe(server, refresh, login=login)
    server.fail(JSONBody(NESTED), on="login")
    result = user.run("login", "prod", typed="bob\nhunter2\n")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out.splitlines()[0]) == (0, "Logged in to prod.")
    assert cause.startswith("the login endpoint")
    assert "gave no 'data.refreshtoken', which the profile has for the refresh token" in cause
    assert cause.endswith(NAMES)
    assert remedy.startswith(f"correct refresh in {table} of {user.file} and log in again")
    assert user.stored_token == Token("a-token")
    assert "token'" not in result.err.replace("'data.refreshtoken'", "")
    assert "r-token" not in result.out + result.err


def test_a_field_that_was_never_named_is_said_if_another_has_the_token(
    user: User, server: AuthServer
) -> None:
    """The default finds nothing, and the refresh token is there to be seen."""
    user.describe(server, f'{JSON_REFRESH}\naccess = "data.accessToken"', **LOGIN)
    server.fail(JSONBody(NESTED), on="login")
    cause, remedy = user.run("login", "prod", typed="bob\nhunter2\n").cause_and_remedy()
    assert "gave no 'refresh_token', the default for the refresh token" in cause
    assert cause.endswith(NAMES)
    assert remedy.startswith(f"set refresh in [prod.refresh] of {user.file} and log in again")


@pytest.mark.parametrize(
    ("refresh", "response"),
    [
        (JSON_REFRESH, {"access_token": "a"}),
        (f"{JSON_REFRESH}\n{MISSPELT.replace('sht', 'shT')}", NESTED),
        ('preset = "simplejwt"', {"access": "a"}),
    ],
    ids=["default", "right", "preset"],
)
def test_what_the_profile_does_not_name_is_missed_by_nobody(
    user: User, server: AuthServer, refresh: str, response: Any
) -> None:
    """Many servers give none."""
    user.describe(server, refresh, **LOGIN)
    server.fail(JSONBody(response), on="login")
    result = user.run("login", "prod", typed="bob\nhunter2\n")
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(
    ("keys", "is_said"),
    [("", True), ("\nexpires_in = 'data.expiresIn'", False)],
    ids=["unread", "read"],
)
def test_a_lifetime_that_no_key_names_is_said(
    user: User, server: AuthServer, keys: str, *, is_said: bool
) -> None:
    """Where the access token does not say its end itself."""
    paths = "access = 'data.accessToken'\nrefresh = 'data.refreshToken'"
    user.describe(server, f"{JSON_REFRESH}\n{paths}{keys}", **LOGIN)
    server.fail(JSONBody({"data": {**NESTED["data"], "expiresIn": 900}}), on="login")
    result = user.run("login", "prod", typed="bob\nhunter2\n")
    assert (result.status, result.err != "") == (0, is_said)
    if is_said:
        cause, remedy = result.cause_and_remedy()
        assert "tells in 'data.expiresIn' when the token ends, and no key names that field" in cause
        assert remedy.startswith(f"add to [prod.refresh] of {user.file}: expires_in='data.expires")


@pytest.mark.parametrize(
    ("key", "field", "remedy"),
    [
        ("expires_in", "ttl", "add to [prod.refresh] of FILE: expires_in='data.expiresIn'"),
        ("expires_at", "end", "name the right field with expires_at in [prod.refresh] of FILE"),
    ],
)
def test_a_lifetime_that_is_not_where_a_key_names_it_is_said(
    user: User, server: AuthServer, key: str, field: str, remedy: str
) -> None:
    paths = "access = 'data.accessToken'\nrefresh = 'data.refreshToken'"
    user.describe(server, f"{JSON_REFRESH}\n{paths}\n{key} = '{field}'", **LOGIN)
    more = {"expiresIn": 900} if key == "expires_in" else {}
    server.fail(JSONBody({"data": {**NESTED["data"], **more}}), on="login")
    result = user.run("login", "prod", typed="bob\nhunter2\n")
    assert result.status == 0
    cause, said = result.cause_and_remedy()
    assert f"gave no {field!r}" in cause
    assert f"the field that {key} names" in cause
    assert said.startswith(remedy.replace("FILE", str(user.file)))


def test_a_login_by_device_misses_no_field(user: User, server: AuthServer, clock: Clock) -> None:
    """OAuth 2.0 has fixed ones, and a refresh token is optional (RFC 6749 §5.1)."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    codes = {"device_code": "d", "user_code": "u", "verification_uri": "https://h/"}
    server.fail(JSONBody(codes), on="device")
    server.fail(JSONBody({"access_token": "a"}), on=lambda path: path == "/auth/token")
    result = user.run("login", "prod")
    assert result.status == 0
    assert "gave no" not in result.err
    assert len(clock.sleeps) == 1


# --- doctor --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refresh", "tables", "cause", "remedy"),
    [
        (
            f"{JSON_REFRESH}\n{MISSPELT}",
            LOGIN,
            ": a login brought none in 'data.refreshtoken', where the profile has it",
            "correct refresh in [prod.refresh] (",
        ),
        (
            JSON_REFRESH,
            {"login": f"{LOGIN['login']}\n{MISSPELT}"},
            ": a login brought none in 'data.refreshtoken', where the profile has it",
            "correct refresh in [prod.login] (",
        ),
        (JSON_REFRESH, LOGIN, "", "name its field in the profile if the server has another"),
        (OAUTH2_REFRESH, DEVICE, "", "add offline_access to the scope in [prod.device]"),
    ],
    ids=["refresh", "login", "default", "device"],
)
def test_doctor_says_why_there_may_be_no_refresh_token(
    user: User, server: AuthServer, refresh: str, tables: dict[str, str], cause: str, remedy: str
) -> None:
    """What to change, and then to log in."""
    user.describe(server, refresh, **tables)
    user.save_token(Token("access"))
    finding = examine(user).findings["token"]
    assert (finding.sign, finding.cause) == ("note", f"there is no refresh token{cause}")
    assert finding.remedy.startswith(remedy)
    assert finding.remedy.endswith("then log in with: requests-jwt login prod")


@pytest.mark.parametrize(
    ("days", "access", "sign"),
    [
        (7.5, "opaque", "note"),
        (41.6, "opaque", "note"),
        (6.9, "opaque", None),
        (41.6, make_jwt({"sub": "bob"}), None),
        (None, "opaque", None),
    ],
)
def test_doctor_doubts_a_lifetime_of_weeks(
    healthy_user: User, days: float | None, access: str, sign: str | None
) -> None:
    """An hour in milliseconds is 41 days in seconds; a JWT says for itself."""
    token = with_expiry(Token(access, "r"))
    assert token.received_at is not None
    end = None if days is None else token.received_at + days * 86400
    received = token.received_at
    healthy_user.save_token(with_values(Token(access, "r", end), received_at=received))
    report = examine(healthy_user)
    assert report.is_healthy_but_for(**({"lifetime": sign} if sign else {}))
    if sign:
        assert "milliseconds" in report.findings["lifetime"].cause
        assert report.findings["lifetime"].remedy


# --- the login's URL -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tables", "subject"), [(LOGIN, "login"), (DEVICE, "device")], ids=["login", "device"]
)
def test_doctor_looks_at_the_login_url(
    user: User, server: AuthServer, tables: dict[str, str], subject: str
) -> None:
    """No name, no password and no token is sent there."""
    user.describe(server, OAUTH2_REFRESH, **tables)
    user.save_token(with_expiry(server.login()))
    report = examine(user)
    assert report.is_healthy_but_for(**{subject: "ok"})
    path = f"/auth/{subject}"
    assert report.findings[subject].cause == f"{server.url}{path} answers"
    assert [(seen.method, seen.path, seen.body) for seen in server.requests] == [
        ("GET", "/auth/refresh", b""),
        ("GET", path, b""),
    ]
    assert "Authorization" not in server.requests[1].headers


def test_doctor_finds_a_login_url_that_is_wrong(user: User, server: AuthServer) -> None:
    """By the name of its key in the profile."""
    user.describe(server, **LOGIN)
    user.save_token(with_expiry(server.login()))
    server.fail(Status(404), on="login")
    finding = examine(user).findings["login"]
    cause = f"{server.url}/auth/login answers 404 to a GET"
    assert (finding.sign, finding.cause) == ("note", cause)
    assert "login.url" in finding.remedy


def test_doctor_finds_a_login_server_that_is_down(user: User, server: AuthServer) -> None:
    """On another origin: it is named, and the rest is well."""
    port = find_closed_port()
    user.describe(server, login=f'url = "http://127.0.0.1:{port}/in"')
    user.save_token(with_expiry(server.login()))
    report = examine(user)
    assert report.is_healthy_but_for(login="FAULT")
    assert report.findings["login"].cause.startswith(f"http://127.0.0.1:{port} cannot be reached")
    assert "login.url" in report.findings["login"].remedy


def test_doctor_says_once_that_a_server_is_down(user: User, server: AuthServer) -> None:
    """What is at the same origin cannot be reached either."""
    user.describe(server, **LOGIN)
    user.save_token(with_expiry(server.login()))
    server.stop()
    report = examine(user)
    assert report.has_no_clock_and(endpoint="FAULT")
