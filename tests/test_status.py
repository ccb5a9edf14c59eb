"""status: who is logged in and for how long, for people and for programs."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.cli.account import refresh_token_expiry
from requests_jwt_refresh.testing import Counters
from requests_jwt_refresh.tokens import Token, with_expiry, with_values
from tests.support.command_line import (
    CommandResult,
    User,
    make_aged_token,
    make_jwt,
    needs_posix,
    shows_no_part_of,
    user,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix


def rows(result: CommandResult) -> dict[str, str]:
    """Return the table that `status` prints."""
    return {line[:15].rstrip(): line[15:] for line in result.out.splitlines()}


def test_status(user: User, server: AuthServer) -> None:
    """Who, where, and how long; no request, and no token."""
    user.describe(server)
    token = user.save_token(with_expiry(server.login("bob")))
    result = user.run("status", "prod")
    shown = rows(result)
    assert (result.status, result.err) == (0, "")
    assert re.fullmatch(r"expires in 4 min 5\d s \(\d{4}-.*\)", shown.pop("access token"))
    assert re.fullmatch(r"\d s ago", shown.pop("received"))
    assert shown == {
        "profile": f"prod, in {user.file}",
        "API": f"{server.url}/",
        "refresh URL": f"{server.url}/auth/refresh",
        "store": f"file {user.token_file}",
        "sub": "bob",
        "refresh token": "present; does not say when it expires",
    }
    assert shows_no_part_of(token, result)
    assert server.counters == Counters()


def test_status_shows_where_tokens_come_from(user: User) -> None:
    """Absolute, as they are sent, so that a slash too many is seen; a query may hold a secret."""
    user.file.write_text(
        '[prod]\nbase_url = "https://h/v1/"\nstore = {kind = "file", path = "t"}\n'
        'refresh = {kind = "oauth2", url = "/t?key=hunter2", client_id = "me"}\n'
        'login = {url = "https://sso.h/in#hunter2", send = "json"}\n'
        'device = {url = "device"}\nlogout = {url = "/out"}\n',
        encoding="utf-8",
    )
    result = user.run("status", "prod")
    assert {name: url for name, url in rows(result).items() if name.endswith(" URL")} == {
        "refresh URL": "https://h/v1/t",
        "login URL": "https://sso.h/in",
        "device URL": "https://h/v1/device",
        "logout URL": "https://h/v1/out",
    }
    assert "hunter2" not in result.out + result.err


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("fastapi-template", {"login URL": "https://h/login/access-token"}),
        (
            "vault",
            {
                "refresh URL": "https://h/v1/auth/token/renew-self",
                "login URL": "https://h/v1/auth/userpass/login/{username}",
            },
        ),
    ],
)
def test_status_of_a_preset(user: User, preset: str, expected: dict[str, str]) -> None:
    """No refresh URL where there is no refresh, and a user name's place is shown as that."""
    user.file.write_text(
        '[prod]\nbase_url = "https://h"\nstore = {kind = "file", path = "t"}\n'
        f'refresh = {{preset = "{preset}"}}\n',
        encoding="utf-8",
    )
    shown = rows(user.run("status", "prod"))
    assert {name: url for name, url in shown.items() if name.endswith(" URL")} == expected


def test_status_of_an_expired_token(user: User, server: AuthServer) -> None:
    """It can be refreshed, so this is logged in: exit status 0."""
    user.describe(server)
    user.save_token(make_aged_token(server.login(), left=-125, ago=425))
    result = user.run("status", "prod")
    assert (result.status, result.err) == (0, "")
    assert rows(result)["access token"].startswith("expired 2 min")
    assert rows(result)["received"] == "7 min 5 s ago"


def test_status_without_a_way_to_refresh(user: User, server: AuthServer) -> None:
    """An access token alone counts until its end, and no longer."""
    user.describe(server)
    user.save_token(replace(make_aged_token(server.login(), left=60, ago=0), refresh=None))
    result = user.run("status", "prod")
    assert (result.status, result.err, rows(result)["refresh token"]) == (0, "", "none")
    user.save_token(replace(user.stored_token, expires_at=time.time() - 1))
    result = user.run("status", "prod")
    result.cause_and_remedy()
    assert result.status == 3


def test_status_without_a_login(user: User, server: AuthServer) -> None:
    """No token: exit status 3, and how to log in."""
    user.describe(server)
    result = user.run("status", "prod")
    assert (result.status, rows(result)["token"]) == (3, "none")
    cause, remedy = result.cause_and_remedy()
    assert cause == "profile 'prod' is not logged in"
    assert remedy.endswith(": requests-jwt login prod")


def test_status_of_opaque_tokens(user: User, server: AuthServer) -> None:
    """Without claims there is no user to name, and perhaps no expiry."""
    server.opaque = True
    user.describe(server)
    token = user.save_token(server.login())
    result = user.run("status", "prod")
    assert result.status == 0
    assert rows(result)["access token"] == "present; does not say when it expires"
    assert set(rows(result)) == {
        "profile",
        "API",
        "refresh URL",
        "store",
        "access token",
        "refresh token",
    }
    assert shows_no_part_of(token, result)


def test_a_claim_with_a_long_name(user: User, server: AuthServer) -> None:
    """There is a space between the name and what it says."""
    user.describe(server)
    user.save_token(Token(make_jwt({"preferred_username": "alice"}), "r"))
    assert "\npreferred_username alice\n" in user.run("status", "prod").out


def test_a_path_is_shown_whole(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths and URLs are there to be copied, however long they are."""
    path = user.home / ("x" * 100) / "token.json"
    user.describe(server, store=f'kind = "file"\npath = "{path}"')
    monkeypatch.setenv("COLUMNS", "80")
    assert str(path) in user.run("status", "prod").out


def test_status_of_an_expired_refresh_token(user: User, server: AuthServer) -> None:
    """Neither token is good any more: `status || login` must log in."""
    user.describe(server)
    user.save_token(Token(make_jwt({}), make_jwt({"exp": time.time() - 60}), time.time() - 60))
    assert user.run("status", "prod").status == 3


NOW = 1_800_000_000.0  # by our clock, when the tokens came in
HOUR = 3600.0


@pytest.mark.parametrize(
    ("access", "refresh", "ends"),
    [
        (None, {}, None),
        (None, {"iat": NOW}, None),
        (None, {"exp": NOW + HOUR}, NOW + HOUR),
        ({"iat": NOW}, {"exp": NOW + HOUR, "iat": NOW}, NOW + HOUR),
        ({"iat": NOW - HOUR}, {"exp": NOW - 60, "iat": NOW - HOUR}, NOW + HOUR - 60),
        (None, {"exp": NOW - 60, "iat": NOW - HOUR}, NOW - 60),
        ({"iat": NOW + HOUR}, {"exp": NOW + 2 * HOUR, "iat": NOW + HOUR}, NOW + 2 * HOUR),
        ({"iat": NOW}, {"exp": NOW + 60, "iat": NOW - 9 * HOUR}, NOW + 60),
        ({"iat": "x"}, {"exp": NOW + HOUR, "iat": [1]}, NOW + HOUR),
    ],
    ids=[
        "silent",
        "no end",
        "no beginning",
        "same time",
        "server behind",
        "server behind, opaque",
        "server ahead",
        "not rotated",
        "nonsense",
    ],
)
def test_when_a_refresh_token_expires(
    access: dict[str, object] | None, refresh: dict[str, object], ends: float | None
) -> None:
    """Counted by the server's own clock from when the tokens came in; never before its `exp`."""
    token = Token(None if access is None else make_jwt(access), make_jwt(refresh))
    assert refresh_token_expiry(with_values(token, received_at=NOW)) == ends
    assert refresh_token_expiry(token) == refresh.get("exp")  # when it came in is not known


def test_when_a_refresh_token_expires_by_the_access_tokens_end() -> None:
    """Without an `iat`, the end of the access token says what the server's clock showed."""
    access, refresh = make_jwt({"exp": NOW - HOUR + 300}), make_jwt({"exp": NOW - 60})
    token = with_values(Token(access, refresh, NOW + 300), received_at=NOW)
    assert refresh_token_expiry(token) == NOW + HOUR - 60


def test_status_where_the_servers_clock_is_behind(user: User, server: AuthServer) -> None:
    """A login that has just been made is one: exit status 0."""
    user.describe(server)
    there = time.time() - HOUR
    claims = {"iat": there, "exp": there + 600}
    user.save_token(with_expiry(Token(make_jwt(claims), make_jwt(claims))))
    result = user.run("status", "prod", "--json")
    shown = json.loads(result.out)
    assert (result.status, result.err, shown["logged_in"]) == (0, "", True)
    assert 500 < shown["refresh_token"]["expires_in"] <= 600


def test_status_for_programs(user: User, server: AuthServer) -> None:
    """--json: always the same keys, numbers as numbers, and no token."""
    user.describe(server)
    ends = time.time() + 1000
    token = user.save_token(
        make_aged_token(
            Token(server.login("bob").access, make_jwt({"exp": ends})), left=100, ago=200
        )
    )
    result = user.run("status", "prod", "--json")
    shown = json.loads(result.out)
    assert (result.status, result.err) == (0, "")
    assert 95 < shown["access_token"].pop("expires_in") <= 100
    assert 995 < shown["refresh_token"].pop("expires_in") <= 1000
    assert shown == {
        "profile": "prod",
        "account": "default",
        "environment": None,
        "file": str(user.file),
        "base_url": f"{server.url}/",
        "store": f"file {user.token_file}",
        "sent_in": "header Authorization, scheme Bearer",
        "needs_login": True,
        "logged_in": True,
        "claims": {"sub": "bob"},
        "access_token": {"present": True, "expires_at": token.expires_at},
        "refresh_token": {"present": True, "expires_at": ends},
        "received_at": token.received_at,
    }
    assert shows_no_part_of(token, result)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ('{ header = "X-Auth-Token" }', "header X-Auth-Token"),
        ('{ header = "Authorization", scheme = "JWT" }', "header Authorization, scheme JWT"),
        ('{ cookie = "session" }', "cookie session"),
        ('{ cookie = "a", csrf = ["b", "X-C"] }', "cookie a, with b in the header X-C"),
    ],
)
def test_status_shows_where_the_token_goes(
    user: User, server: AuthServer, place: str, shown: str
) -> None:
    """If it is not where it usually is."""
    user.describe(server)
    text = user.file.read_text(encoding="utf-8")
    user.file.write_text(text.replace("[prod]\n", f"[prod]\nattach = {place}\n"), "utf-8")
    user.save_token(server.login())
    assert rows(user.run("status", "prod"))["sent in"] == shown
    assert json.loads(user.run("status", "prod", "--json").out)["sent_in"] == shown


def test_status_tells_the_end_of_a_refresh_token_that_its_server_has_told(
    user: User, server: AuthServer
) -> None:
    """What came with the token says when; nothing else of it is shown."""
    user.describe(server)
    ends = time.time() + 2 * HOUR + 30
    extra = {"refresh_expires_at": ends, "id_token": "s3cr3t", "scope": "all of it"}
    user.save_token(Token("a", make_jwt({"exp": 1}), extra=extra))
    result = user.run("status", "prod")
    assert rows(result)["refresh token"].startswith("expires in 2 h ")
    as_json = user.run("status", "prod", "--json")
    assert json.loads(as_json.out)["refresh_token"]["expires_at"] == ends
    assert not any(each in result.out + as_json.out for each in ("s3cr3t", "all of it"))


@pytest.mark.parametrize("end", ["soon", "2030-01-01", True, None, [1], 1e300, float("1e17")])
def test_an_end_that_a_server_has_told_in_another_way(
    user: User, server: AuthServer, end: object
) -> None:
    """It is passed over, and the token's own counts."""
    user.describe(server)
    ends = time.time() + 2 * HOUR + 30
    user.save_token(Token("a", make_jwt({"exp": ends}), extra={"refresh_expires_at": end}))
    assert rows(user.run("status", "prod"))["refresh token"].startswith("expires in 2 h ")


def test_status_without_a_login_for_programs(user: User, server: AuthServer) -> None:
    """--json: the same keys with nothing in them, and exit status 3."""
    user.describe(server)
    result = user.run("status", "prod", "--json")
    nothing = {"present": False, "expires_at": None, "expires_in": None}
    shown = json.loads(result.out)
    result.cause_and_remedy()
    assert result.status == 3
    assert (shown["logged_in"], shown["claims"], shown["received_at"]) == (False, {}, None)
    assert (shown["access_token"], shown["refresh_token"]) == (nothing, nothing)


HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202eecila\u2028"


@pytest.mark.parametrize("claim", ["sub", "preferred_username", "iss", "aud"])
@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE], {"a": HOSTILE}, {HOSTILE: 1}, "\ud800"])
def test_claims_cannot_steer_the_terminal(
    user: User, server: AuthServer, claim: str, value: object
) -> None:
    """Whatever a server writes into its token, what is printed is printable and short."""
    user.describe(server)
    user.save_token(Token(make_jwt({claim: value, "scope": "x" * 5000}), "r"))
    for flags in ((), ("--json",)):
        result = user.run("status", "prod", *flags)
        assert result.status == 0
        assert all(line.isprintable() for line in result.out.split("\n"))
        result.out.encode()
        assert flags or max(map(len, rows(result).values())) < 200


WHENS = ["1e400", "-1e400", "NaN", "1" + "0" * 400, "-1" + "0" * 400, "1e20", "1e300", '"soon"']


@pytest.mark.parametrize("exp", WHENS, ids=lambda exp: exp[:6])
def test_times_that_make_no_sense(user: User, server: AuthServer, exp: str) -> None:
    """A refresh token may say what it likes of its end: no crash, and --json stays JSON."""
    user.describe(server)
    user.save_token(Token("access", make_jwt(f'{{"exp": {exp}}}')))

    def not_json(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    assert user.run("status", "prod").status in (0, 3)
    result = user.run("status", "prod", "--json")
    json.loads(result.out, parse_constant=not_json)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(user: User, server: AuthServer, number: str) -> None:
    """However deep in a claim they are, --json stays JSON (RFC 8259 §6)."""
    user.describe(server)
    claims = f'{{"sub": {number}, "aud": ["a", {number}, {{"b": [{number}]}}]}}'
    user.save_token(Token(make_jwt(claims), "r"))

    def not_json(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    result = user.run("status", "prod", "--json")
    shown = json.loads(result.out, parse_constant=not_json)["claims"]
    text = number.replace("1e999", "Infinity")
    assert shown == {"sub": text, "aud": ["a", text, {"b": [text]}]}


@pytest.mark.parametrize("seconds", [1e17, 1e300])
@pytest.mark.parametrize(
    "command",
    ["token", "refresh", "status"],
)
def test_a_token_for_ever(user: User, server: AuthServer, command: str, seconds: float) -> None:
    """expires_in may be any number: no crash."""
    user.describe(server)
    user.save_token(Token("a", server.login().refresh, time.time() + seconds))
    server.lifetime = seconds
    assert user.run(command, "prod").status == 0
