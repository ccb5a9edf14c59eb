"""init and login: a server with answers of its own, and a file where there is no keyring."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.testing import AuthServer, JSONBody
from requests_jwt_refresh.tokens import Token
from tests.support.command_line import (
    API,
    INIT,
    SCRIPT,
    WITH_SECRET,
    Terminal,
    User,
    needs_posix,
    user,
)
from tests.support.keyrings import DictKeyring, fail_backend, null_backend, use_keyring
from tests.support.logins import LOGIN, SECRET_IN_KEYRING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

NESTED = {"data": {"accessToken": "a", "refreshToken": "r"}}
KEYRING = {"store": 'kind = "keyring"', **LOGIN}


@pytest.fixture
def no_keyring(user: User, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a keyring; where a token file is put by default."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    use_keyring(monkeypatch, fail_backend())
    state = user.home / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    return state / "requests-jwt-refresh" / "prod.json"


# --- a server with answers of its own ------------------------------------------------------------


def test_init_asks_for_nested_fields_and_another_status(user: User) -> None:
    """``{"data": {"accessToken", "refreshToken"}}`` with "expired" as a 403: few answers do."""
    with Terminal(SCRIPT, *INIT, "--store", "file", "--path", "t") as terminal:
        terminal.answer("[json]: ", "")
        terminal.answer("such as /auth/refresh: ", "/r")
        terminal.answer("response to a refresh [access_token]: ", "data..x")
        terminal.answer("response to a refresh [access_token]: ", "data.accessToken")
        terminal.answer("response to a refresh [data.refreshToken]: ", "")
        terminal.answer("in the request [refreshToken]: ", "")
        for mistyped in ("900", "header:X-Ends", "data..ttl", "a, b"):
            terminal.answer("response to a refresh [expires_in]: ", mistyped)
        terminal.answer("response to a refresh [expires_in]: ", "data.ttl")
        terminal.answer("such as /auth/login; empty for none: ", "/l")
        terminal.answer("in the login's request [username]: ", "user..email")
        terminal.answer("in the login's request [username]: ", "user.email")
        terminal.answer("in the login's request [password]: ", "user.pw")
        terminal.answer("response to a login [data.accessToken]: ", "")
        terminal.answer("response to a login [data.refreshToken]: ", "")
        terminal.answer("response to a login [data.ttl]: ", "data.expiresIn")
        terminal.answer("expired token [401]: ", "200")
        terminal.answer("expired token [401]: ", "403")
        terminal.answer("empty for any): ", "message=jwt expired")
        terminal.answer("Logout endpoint; empty for none: ", "")
        assert terminal.end() == 0
    assert Profiles.read(user.file).content["prod"] == {
        "base_url": API,
        "refresh": {
            "kind": "json",
            "url": "/r",
            "send": "refreshToken",
            "access": "data.accessToken",
            "refresh": "data.refreshToken",
            "expires_in": "data.ttl",
        },
        "when": {"json_field": "message", "value": "jwt expired", "status": 403},
        "login": {
            "url": "/l",
            "username_field": "user.email",
            "password_field": "user.pw",
            "expires_in": "data.expiresIn",
        },
        "store": {"kind": "file", "path": "t"},
    }


def test_a_login_that_answers_otherwise_is_asked_for(user: User) -> None:
    """What differs from a refresh is written below the login."""
    flags = ("--kind", "json", "--refresh-url", "/r", "--store", "file", "--path", "t")
    with Terminal(SCRIPT, "init", "prod", *flags) as terminal:
        terminal.answer("Base URL of the API: ", API)
        for _ in range(3):
            terminal.answer("_token]: ", "")
        terminal.answer("[expires_in]: ", "")
        terminal.answer("such as /auth/login; empty for none: ", "/l")
        for usual in ("username", "password"):
            terminal.answer(f"[{usual}]: ", "")
        terminal.answer("response to a login [access_token]: ", "tokens.access")
        terminal.answer("response to a login [tokens.refresh]: ", "")
        terminal.answer("response to a login [expires_in]: ", "")
        terminal.answer("expired token [401]: ", "")
        terminal.answer("empty for any): ", "")
        terminal.answer("Logout endpoint; empty for none: ", "")
        assert terminal.end() == 0
    made = Profiles.read(user.file).content["prod"]
    assert made["refresh"] == {"kind": "json", "url": "/r"}
    assert made["login"] == {"url": "/l", "access": "tokens.access", "refresh": "tokens.refresh"}


def test_what_init_has_described_works(user: User, server: AuthServer) -> None:
    """Login and refresh with nested answers."""
    urls = (
        "--base-url",
        server.url,
        "--refresh-url",
        "/auth/refresh",
        "--login-url",
        "/auth/login",
    )
    fields = ("--access", "data.accessToken", "--refresh", "data.refreshToken")
    store = ("--store", "file", "--path", "token.json")
    assert user.run("init", "prod", *urls, *fields, "--send", "refreshToken", *store).status == 0
    server.fail(JSONBody(NESTED), on="login")
    assert user.run("login", typed="bob\nhunter2\n").status == 0
    assert user.stored_token == Token("a", "r")
    server.fail(JSONBody({"data": {"accessToken": "b"}}), on="refresh")
    assert user.run("refresh").status == 0
    assert server.requests[-1].body == b'{"refreshToken": "r"}'
    assert user.stored_token == Token("b", "r")


# --- no keyring: init ----------------------------------------------------------------------------


def test_init_says_that_there_is_no_keyring(
    user: User, server: AuthServer, no_keyring: Path
) -> None:
    """The profile is made as it was asked for, and the command that is shown works."""
    urls = ("--refresh-url", "/auth/refresh", "--login-url", "/auth/login")
    result = user.run("init", "prod", "--base-url", server.url, *urls)
    assert result.status == 0
    assert "no keyring" in result.out.lower()
    assert "Next: " not in result.out  # without --store file, it would find no keyring
    (line,) = [each for each in result.out.splitlines() if each.startswith("To keep the token")]
    program, *command = shlex.split(line.partition(": ")[2])
    assert program == "requests-jwt"
    assert user.run(*command, typed="bob\nhunter2\n").status == 0
    assert FileStore(no_keyring).load() is not None


@pytest.mark.parametrize("flags", [("--store", "file"), ("--store", "file", "--path", "t.json")])
def test_init_with_a_file_says_nothing_of_keyrings(
    user: User, no_keyring: Path, flags: tuple[str, ...]
) -> None:
    """Without a path it is a file of its own, in the folder for such things."""
    result = user.run(*INIT, "--preset", "simplejwt", *flags)
    assert (result.status, "No keyring" in result.out) == (0, False)
    path = "t.json" if "--path" in flags else str(no_keyring)
    store = Profiles.read().content["prod"]["store"]
    assert store == {"kind": "file", "path": path}


def test_init_with_a_keyring_says_nothing_of_it(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is one that works."""
    use_keyring(monkeypatch, DictKeyring())
    result = user.run(*INIT, "--preset", "simplejwt")
    assert (result.status, "No keyring" in result.out) == (0, False)


def test_init_asks_for_a_file_where_there_is_no_keyring(user: User, no_keyring: Path) -> None:
    """In a terminal: the default is taken by Return."""
    with Terminal(SCRIPT, *INIT, "--preset", "simplejwt") as terminal:
        terminal.expect("No keyring: ")
        terminal.answer(f"File for the token [{no_keyring}]: ", "")
        assert terminal.end() == 0
    store = Profiles.read(user.file).content["prod"]["store"]
    assert store == {"kind": "file", "path": str(no_keyring)}


# --- no keyring: login ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["login", "token", "status", "refresh"])
def test_the_remedy_for_no_keyring_is_a_command_that_works(
    user: User, server: AuthServer, no_keyring: Path, command: str
) -> None:
    """It is typed as it stands; afterwards every command has the token."""
    user.describe(server, **KEYRING)
    result = user.run(command, typed="bob\nhunter2\n")
    _, remedy = result.cause_and_remedy()
    assert result.status == 5
    assert "keep the token in a file, with: requests-jwt login prod --store file" in remedy
    helped = shlex.split(remedy.partition("requests-jwt ")[2].partition(";")[0])
    assert user.run(*helped, typed="bob\nhunter2\n").status == 0
    assert user.run("token").out == f"{FileStore(no_keyring).load().access}\n"  # type: ignore[union-attr]


def test_login_asks_for_a_file_where_there_is_no_keyring(
    user: User, server: AuthServer, no_keyring: Path
) -> None:
    """In a terminal, before a password is typed."""
    user.describe(server, **KEYRING)
    other = user.home / "other.json"
    with Terminal(SCRIPT, "login", "prod") as terminal:
        terminal.answer(f"File for the token [{no_keyring}]: ", str(other))
        terminal.answer("User name: ", "bob")
        terminal.answer("Password of bob: ", "hunter2")
        assert terminal.end() == 0
    assert FileStore(other).load() is not None


def test_login_changes_nothing_else_in_the_file(
    user: User, server: AuthServer, no_keyring: Path
) -> None:
    """Comments and other profiles stay as they are."""
    text = (
        f'# mine\n[prod]  # the one\nbase_url = "{server.url}"\n\n[prod.refresh] # how\n'
        'kind = "json"\nurl = "/auth/refresh"\n[prod.login]\nurl = "/auth/login"\n'
        '[other]\nbase_url = "https://h"\n'
    )
    user.file.write_text(text, encoding="utf-8")
    assert user.run("login", "prod", "--store", "file", typed="bob\nhunter2\n").status == 0
    table = f'\n[prod.store]\nkind = "file"\npath = "{no_keyring}"\n'
    assert user.file.read_text(encoding="utf-8") == text + table


@pytest.mark.parametrize(
    "store",
    [
        '[prod.store]\nkind = "keyring"\n',
        "",
        'store = {kind = "redis", url = "redis://h", key = "k"}\n',
    ],
)
def test_login_replaces_the_store_there_was(
    user: User, server: AuthServer, no_keyring: Path, store: str
) -> None:
    """Whatever the table was; a profile on one line, too."""
    text = (
        f'prod = {{base_url = "{server.url}", refresh = {{preset = "simplejwt"}}, '
        'login = {url = "/auth/login", access = "access_token", refresh = "refresh_token"}}\n'
    )
    if store:
        text = f'[prod]\nbase_url = "{server.url}"\nrefresh = {{preset = "simplejwt"}}\n'
        text += (
            'login = {url = "/auth/login", access = "access_token", refresh = "refresh_token"}\n'
            + store
        )
    user.file.write_text(text, encoding="utf-8")
    result = user.run("login", "prod", "--store", "file", typed="bob\nhunter2\n")
    assert (result.status, result.err) == (0, "")
    assert FileStore(no_keyring).load() is not None


def test_login_keeps_the_file_that_the_profile_has(
    user: User, server: AuthServer, no_keyring: Path
) -> None:
    """--store file asks for a file, and there is one; --path asks for that one."""
    user.describe(server, **LOGIN)
    before = user.file.read_bytes()
    assert user.run("login", "--store", "file", typed="bob\nhunter2\n").status == 0
    assert (user.file.read_bytes(), no_keyring.exists()) == (before, False)
    other = user.home / "other.json"
    assert user.run("login", "--path", str(other), typed="bob\nhunter2\n").status == 0
    assert FileStore(other).load() is not None


def test_profiles_that_no_file_holds_are_not_changed(
    user: User, server: AuthServer, no_keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 2, and what to write there."""
    user.describe(server, **KEYRING)
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", user.file.read_text(encoding="utf-8"))
    result = user.run("login", "prod", "--store", "file", typed="bob\nhunter2\n")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, no_keyring.exists()) == (2, False)
    assert cause.startswith("REQUESTS_JWT_PROFILES_TOML is no file")
    assert "[prod.store]" in remedy


def test_a_keyring_that_is_switched_off_is_none(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The null backend keeps nothing."""
    use_keyring(monkeypatch, null_backend())
    result = user.run(*INIT, "--preset", "simplejwt")
    assert "To keep the token in a file: requests-jwt login prod --store file\n" in result.out


def test_no_keyring_for_a_client_secret(user: User, server: AuthServer, no_keyring: Path) -> None:
    """A file for the token would not help: the remedy is one for the secret, and works."""
    tables = {"store": 'kind = "file"\npath = "token.json"', **LOGIN}
    user.describe(server, SECRET_IN_KEYRING, **tables)
    result = user.run("login", "prod", typed="s3cr3t\nbob\nhunter2\n")
    _, remedy = result.cause_and_remedy()
    assert (result.status, no_keyring.exists()) == (5, False)
    assert "put it into a file: client_secret_file" in remedy
    assert "--store file" not in remedy
    (user.home / "secret.txt").write_text("s3cr3t", encoding="utf-8")
    user.describe(server, WITH_SECRET, **tables)
    assert user.run("login", "prod", typed="bob\nhunter2\n").status == 0
