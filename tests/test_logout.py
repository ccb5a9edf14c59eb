"""logout: the server is told, the token is gone, and what happens if one of them fails."""

from __future__ import annotations

import base64
import shlex
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.testing import AuthServer, Counters, JSONBody, Status
from requests_jwt_refresh.tokens import Token, with_expiry
from tests.support.command_line import (
    API,
    INIT,
    OAUTH2_REFRESH,
    WITH_SECRET,
    CommandResult,
    User,
    find_body,
    make_expired_token,
    needs_posix,
    shorten_timeout,
    user,
)

if TYPE_CHECKING:
    import contextlib

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

UNTOLD = (
    "The server was not told: the profile has no logout endpoint. What it has given stays valid "
    "there until it expires.\n{}\n"
)
OWN_LOGOUT = "If the server has a logout endpoint: add its url to {}"
REVOCATION = 'If the server has a revocation endpoint: add its url, and send = "oauth2", to {}'
DOCUMENTED = (
    "simplejwt documents a logout at /api/token/blacklist/; if the server has it: "
    'add url = "/api/token/blacklist/" to {}'
)
LOGOUT = 'url = "/auth/logout"'


def describe_logout(user: User) -> str:
    """Return what a logout says that has gone well."""
    return f"Logged out of prod: the token is gone from the file {user.token_file}.\n"


def test_logout(user: User, server: AuthServer) -> None:
    """The server is told, with the access token in the header; then the token is gone here."""
    user.describe(server, logout=LOGOUT)
    token = user.save_token(with_expiry(server.login()))
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user), "")
    assert not user.token_file.exists()
    assert not server.family_alive(token)
    assert find_body(server, "logout") == {"refresh_token": token.refresh}
    assert server.requests[0].bearer == token.access
    assert server.counters == Counters(connections=1, requests=1, logouts=1, families_revoked=1)


def test_logout_here_alone(user: User, server: AuthServer) -> None:
    """--local, and profiles without a logout: no request."""
    for tables, flags in (({"logout": LOGOUT}, ["--local"]), ({}, [])):
        user.describe(server, **tables)
        token = user.save_token(with_expiry(server.login()))
        remedy = OWN_LOGOUT.format(f"[prod.logout] in {user.file}")
        untold = "" if flags else UNTOLD.format(remedy)
        expected = CommandResult(0, describe_logout(user) + untold, "")
        assert user.run("logout", "prod", *flags) == expected
        assert not user.token_file.exists()
        assert server.family_alive(token)
    assert server.counters == Counters()


@pytest.mark.parametrize("name", ["prod", "my.api"])
def test_a_preset_says_how_the_server_is_told_next_time(user: User, name: str) -> None:
    """Its logout is optional: the command that is shown adds it, and the server is told."""
    with AuthServer(like="simplejwt") as server:
        store = ("--path", str(user.home / "my token.json"))
        base = ("--base-url", server.url, "--preset", "simplejwt")
        assert user.run("init", name, *base, *store).status == 0
        before = Profiles.read().content[name]
        assert log_in(user, name).status == 0
        start, _, command = (
            user.run("logout", name).out.rstrip().rpartition("; if the server has it: ")
        )
        assert start.endswith("expires.\nsimplejwt documents a logout at /api/token/blacklist/")
        program, *arguments = shlex.split(command)
        assert (program, user.run(*arguments).err) == ("requests-jwt", "")
        logout = {"logout": {"url": "/api/token/blacklist/"}}
        assert Profiles.read().content[name] == {**before, **logout}
        assert log_in(user, name).status == 0
        assert "not told" not in user.run("logout", name).out
        assert server.counters.logouts == 1


def log_in(user: User, name: str) -> CommandResult:
    return user.run("login", name, "--username", "alice", typed="right\n")


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("simplejwt", ("--refresh-url", "/auth/refresh/", "--login-url", "/auth/login/")),
        ("simplejwt", ("--username-field", "email", "--login-url", "/in", "--allow-http")),
        ("okta", ("--client-id", "it's me", "--set", "domain=acme.okta.com", "--scope", "a b")),
        ("nestjs", ("--set", "method=PUT", "--send", "token")),
    ],
)
def test_the_command_that_adds_the_logout_loses_nothing(
    user: User, preset: str, options: tuple[str, ...]
) -> None:
    """Whatever options have made the profile; and the store stays."""
    store = ("--path", str(user.token_file))
    assert user.run(*INIT, "--preset", preset, *options, *store).status == 0
    before = Profiles.read().content["prod"]
    user.save_token(Token("a", "r"))
    command = user.run("logout", "prod").out.rpartition(": ")[2]
    assert user.run(*shlex.split(command)[1:]).err == ""
    after = dict(Profiles.read().content["prod"])
    assert after.pop("logout").keys() == {"url"}
    assert after == before


@pytest.mark.parametrize(
    ("refresh", "remedy"),
    [
        ('preset = "simplejwt"', DOCUMENTED),
        (OAUTH2_REFRESH, REVOCATION),
        (WITH_SECRET, REVOCATION),
        ('preset = "djoser"', OWN_LOGOUT),
        ('preset = "express"\nurl = "/r"', OWN_LOGOUT),
    ],
)
def test_a_profile_that_no_options_make_is_told_which_key_to_add(
    user: User, server: AuthServer, refresh: str, remedy: str
) -> None:
    """A command would lose its refresh_timeout; or nothing is documented."""
    (user.home / "secret.txt").write_text("s3cr3t\n", encoding="utf-8")
    user.describe(server, refresh)
    user.save_token(Token("a", "r"))
    expected = UNTOLD.format(remedy.format(f"[prod.logout] in {user.file}"))
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user) + expected, "")


def test_profiles_of_the_environment_are_told_which_key_to_add(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no file that a command could write to."""
    store = f'store = {{ kind = "file", path = "{user.token_file}" }}'
    text = f'[prod]\nbase_url = "{API}"\nrefresh = {{ preset = "simplejwt" }}\n{store}\n'
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", text)
    user.save_token(Token("a", "r"))
    said = user.run("logout", "prod").out
    assert said.endswith("to [prod.logout] in REQUESTS_JWT_PROFILES_TOML\n")


@pytest.mark.parametrize("down", ["stopped", "500", "404"])
def test_logout_while_the_server_is_down(user: User, server: AuthServer, down: str) -> None:
    """The token is gone here, but still valid at the server: exit status 4."""
    user.describe(server, logout=LOGOUT)
    user.save_token(with_expiry(server.login()))
    if down == "stopped":
        server.stop()
    else:
        server.fail(Status(int(down)), on="logout")
    result = user.run("logout", "prod")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out) == (4, describe_logout(user))
    assert cause.startswith("the server was not told: the logout endpoint ")
    assert remedy == "the token is forgotten here, but the server accepts it until it expires"
    assert not user.token_file.exists()


def test_logout_without_a_login(user: User, server: AuthServer) -> None:
    """Nothing to do is done: exit status 0, no request."""
    user.describe(server, logout=LOGOUT)
    result = user.run("logout", "prod")
    assert result == CommandResult(0, "There is no token for prod: nothing to do.\n", "")
    assert server.counters == Counters()


def test_logout_with_an_expired_access_token(user: User, server: AuthServer) -> None:
    """Servers that want to see one get a fresh one: one refresh first."""
    user.describe(server, logout=LOGOUT)
    token = user.save_token(make_expired_token(server))
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user), "")
    assert [each.kind for each in server.requests] == ["refresh", "logout"]
    assert not server.family_alive(token)
    assert not user.token_file.exists()


def test_logout_with_a_token_that_is_refused(user: User, server: AuthServer) -> None:
    """The server need not be told of a token that it refuses anyway: exit status 0."""
    user.describe(server, logout=LOGOUT)
    user.save_token(make_expired_token(server))
    server.revoke()
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user), "")
    assert not user.token_file.exists()


def test_logout_as_bearer(user: User, server: AuthServer) -> None:
    """send = "bearer": the refresh token in the header, no body, and no refresh before."""
    user.describe(server, logout=f'{LOGOUT}\nsend = "bearer"')
    token = user.save_token(make_expired_token(server))
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user), "")
    (seen,) = server.requests
    assert (seen.kind, seen.bearer, seen.body) == ("logout", token.refresh, b"")
    assert not server.family_alive(token)


@pytest.mark.parametrize("secret", [False, True])
def test_logout_by_revocation(user: User, server: AuthServer, secret: bool) -> None:
    """RFC 7009: a form with the token, and the client shows who it is (§2.1)."""
    (user.home / "secret.txt").write_text("s3cr3t\n", encoding="utf-8")
    refresh = WITH_SECRET if secret else OAUTH2_REFRESH
    user.describe(server, refresh, logout='url = "/auth/revoke"\nsend = "oauth2"')
    token = user.save_token(make_expired_token(server))
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user), "")
    (seen,) = server.requests
    client = {} if secret else {"client_id": ["tv"]}
    assert parse_qs(seen.body.decode()) == {
        "token": [token.refresh],
        "token_type_hint": ["refresh_token"],
        **client,
    }
    basic = f"Basic {base64.b64encode(b'tv:s3cr3t').decode()}"
    assert seen.headers.get("Authorization") == (basic if secret else None)
    assert not server.family_alive(token)
    assert not user.token_file.exists()


@pytest.mark.parametrize("code", ["invalid_token", "invalid_grant"])
def test_logout_with_a_token_that_is_not_valid_there(
    user: User, server: AuthServer, code: str
) -> None:
    """RFC 7009 §2.2 has 200 for it; some servers say so, and the end is the same: exit status 0."""
    user.describe(server, OAUTH2_REFRESH, logout='url = "/auth/revoke"\nsend = "oauth2"')
    user.save_token(make_expired_token(server))
    server.fail(JSONBody({"error": code}, 400), on="logout")
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user), "")


@pytest.mark.parametrize(
    ("code", "status"), [("unsupported_token_type", 400), ("invalid_token", 401)]
)
def test_logout_that_the_server_refuses(
    user: User, server: AuthServer, code: str, status: int
) -> None:
    """In its own word; the token is forgotten here: exit status 4."""
    user.describe(server, OAUTH2_REFRESH, logout='url = "/auth/revoke"\nsend = "oauth2"')
    user.save_token(make_expired_token(server))
    server.fail(JSONBody({"error": code}, status), on="logout")
    result = user.run("logout", "prod")
    cause, _ = result.cause_and_remedy()
    assert (result.status, user.token_file.exists()) == (4, False)
    assert cause.endswith(f"answered {status} {code}")


def test_only_a_revocation_knows_a_token_that_is_not_valid(user: User, server: AuthServer) -> None:
    """What another logout says of a token may be about the access token it carries."""
    user.describe(server, OAUTH2_REFRESH, logout='url = "/auth/logout"\nsend = "bearer"')
    user.save_token(make_expired_token(server))
    server.fail(JSONBody({"error": "invalid_token"}, 400), on="logout")
    assert user.run("logout", "prod").status == 4


def test_logout_without_the_clients_secret(user: User, server: AuthServer) -> None:
    """The server cannot be told, but the token is forgotten here: exit status 4."""
    user.describe(server, WITH_SECRET, logout='url = "/auth/revoke"\nsend = "oauth2"')
    user.save_token(make_expired_token(server))
    result = user.run("logout", "prod")
    cause, _ = result.cause_and_remedy()
    assert (result.status, user.token_file.exists()) == (4, False)
    assert "secret.txt" in cause


def test_logout_while_the_store_is_locked(user: User, server: AuthServer) -> None:
    """Exit status 5, and really nothing was changed: not here, and not there."""
    user.describe(server, logout=LOGOUT)
    token = user.save_token(with_expiry(server.login()))
    shorten_timeout(user)
    with user.store.lock(5):
        result = user.run("logout", "prod")
    _, remedy = result.cause_and_remedy()
    assert (result.status, result.out, user.stored_token, server.counters) == (
        5,
        "",
        token,
        Counters(),
    )
    assert remedy.startswith("nothing was changed")
    assert server.family_alive(token)


def test_logout_tells_the_newest_token(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program refreshes while the lock is waited for: its token is the one revoked."""
    user.describe(server, logout=LOGOUT)
    user.save_token(with_expiry(server.login()))
    newest = with_expiry(server.login())
    lock = FileStore.lock

    def late(store: FileStore, timeout: float) -> contextlib.AbstractContextManager[None]:
        store.save(newest)
        return lock(store, timeout)

    monkeypatch.setattr(FileStore, "lock", late)
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user), "")
    assert find_body(server, "logout") == {"refresh_token": newest.refresh}
    assert server.requests[0].bearer == newest.access


def test_logout_tells_a_token_that_could_not_be_saved(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, but the token that has just been fetched is the one revoked."""
    user.describe(server, logout=LOGOUT)
    old = user.save_token(make_expired_token(server))
    save = FileStore.save

    def full(store: FileStore, token: Token) -> None:
        if token != old:
            raise StoreError("the disk is full")
        save(store, token)

    monkeypatch.setattr(FileStore, "save", full)
    assert user.run("logout", "prod") == CommandResult(0, describe_logout(user), "")
    assert find_body(server, "logout")["refresh_token"] != old.refresh
    assert (server.counters.reuse, server.counters.logouts) == (0, 1)


def test_logout_from_a_store_that_cannot_be_cleared(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 5, and it does not say that nothing was changed: the server was told."""
    user.describe(server, logout=LOGOUT)
    token = user.save_token(with_expiry(server.login()))

    def clear(_store: FileStore) -> None:
        raise StoreError("the disk is broken", "nothing was changed; replace it")

    monkeypatch.setattr(FileStore, "clear", clear)
    result = user.run("logout", "prod")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out, user.stored_token) == (5, "", token)
    assert cause == "the server was told, but the token is still here: the disk is broken"
    assert remedy.startswith("it is not valid any more")
    assert not server.family_alive(token)
    for flags, tables in ((["--local"], {"logout": LOGOUT}), ([], {})):
        user.describe(server, **tables)
        result = user.run("logout", "prod", *flags)
        assert (result.status, result.cause_and_remedy()) == (
            5,
            ("the disk is broken", "nothing was changed; replace it"),
        )
