"""Profiles whose grant needs no refresh token: nobody logs in, and all else works."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.profiles.secrets import SecretFile, SecretInKeyring
from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.token_grants import ClientCredentials, JWTBearer, TokenExchange
from requests_jwt_refresh.tokens import with_expiry
from tests.support.command_line import SCRIPT, WAIT, User, make_jwt, needs_posix, user
from tests.support.keyrings import DictKeyring, use_keyring
from tests.support.profiles import (
    GOOD,
    JWT,
    PROD,
    catch_fault,
    endpoint_of,
    file,
    no_profiles_in_the_environment,
    profile,
    read_basic_pair,
    read_form,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["file", "no_profiles_in_the_environment", "user"]  # fixtures

REFRESH = f"{PROD}[prod.refresh]\n"
CREDENTIALS = 'kind = "client-credentials"\nurl = "/token"\nclient_id = "me"\n'
BEARER = 'kind = "jwt-bearer"\nurl = "/token"\n'
EXCHANGE = 'kind = "token-exchange"\nurl = "/token"\n'


def read_request(read: Any) -> Any:
    return read.refresh.ask("https://h/token", None).prepare()


# --- What the profile says -----------------------------------------------------------------------


def test_client_credentials(file: Path) -> None:
    """The secret is in a file of its own, or else in the keyring."""
    (file.parent / "s").write_text("hunter2\n")
    read = profile(file, f'{REFRESH}{CREDENTIALS}client_secret_file = "s"\nscope = "a b"\n')
    assert isinstance(endpoint_of(read).endpoint, ClientCredentials)
    assert not read.needs_login
    request = read_request(read)
    assert read_basic_pair(request) == "me:hunter2"
    assert read_form(request) == {"grant_type": ["client_credentials"], "scope": ["a b"]}
    in_keyring = SecretInKeyring("https://api.example.com", "prod")
    for auth in ("", 'client_auth = "post"\n'):
        read = profile(file, f"{REFRESH}{CREDENTIALS}{auth}")
        assert read.secrets == {"client secret": in_keyring}


@pytest.mark.parametrize(
    ("text", "key", "made"),
    [(BEARER, "assertion", JWTBearer), (EXCHANGE, "subject_token", TokenExchange)],
)
def test_what_is_handed_in_comes_from_a_file(file: Path, text: str, key: str, made: Any) -> None:
    """It is read again each time: something else writes a fresh one."""
    read = profile(file, f'{REFRESH}{text}{key}_file = "proof"\n')
    assert isinstance(read.refresh, made)
    assert not read.needs_login
    assert getattr(read.refresh, key) == SecretFile(str(file.parent / "proof"))
    for proof in ("first", "second"):
        (file.parent / "proof").write_text(f"{proof}\n")
        assert read_form(read_request(read))[key] == [proof]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (CREDENTIALS.replace('client_id = "me"\n', ""), "refresh.client_id is missing"),
        (f'{CREDENTIALS}client_auth = "none"\n', "refresh: client credentials need a"),
        (f'{CREDENTIALS}send = "x"\n', "refresh.send is not known"),
        (BEARER, "refresh.assertion_file is missing: it must be the path of the file"),
        (f'{BEARER}assertion_file = ""\n', "refresh.assertion_file is empty"),
        (f'{BEARER}assertion = "x"\n', "refresh.assertion_file is missing"),
        (f'{BEARER}assertion = "{JWT}"\n', "refresh.assertion looks like a secret"),
        (EXCHANGE, "refresh.subject_token_file is missing"),
        (f'{EXCHANGE}subject_token = "x"\n', "refresh.subject_token looks like a secret"),
        (f'{EXCHANGE}subject_token_file = "x"\nextra = {{ grant_type = "y" }}', "refresh: "),
        (f'{CREDENTIALS}[prod.login]\nurl = "/l"\n', "login has no place beside client-creden"),
        (f'{CREDENTIALS}[prod.device]\nurl = "/l"\n', "device has no place beside client-creden"),
    ],
)
def test_a_faulty_grant_is_named(file: Path, text: str, cause: str) -> None:
    """File, profile and key come first; a misspelling is guessed."""
    file.write_text(f"{REFRESH}{text}{GOOD}")
    error = catch_fault(file).value
    assert error.cause.startswith(f"{file}: profile 'prod': {cause}")
    assert error.remedy


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f'{BEARER}assertion = "{JWT}"\n', "assertion"),
        (f'{EXCHANGE}subject_token = "x"\n', "subject_token"),
    ],
)
def test_a_secret_of_a_grant_is_shown_its_file(file: Path, text: str, key: str) -> None:
    """No other source is taken there: what the remedy says works."""
    file.write_text(f"{REFRESH}{text}{GOOD}")
    remedy = catch_fault(file).value.remedy
    expected = f'put it into a file of its own, and write {key}_file = "PATH" in its place'
    assert remedy == expected
    mended = text.partition(f"{key} =")[0] + f'{key}_file = "PATH"\n'
    file.write_text(f"{REFRESH}{mended}{GOOD}")
    assert Profiles.read(file).profile("prod").name == "prod"


# --- Commands ------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[AuthServer]:
    """A token endpoint that takes the client's own credentials, an assertion or another token."""
    with AuthServer(like="client-credentials") as started:
        yield started


def describe(user: User, server: AuthServer, *lines: str) -> None:
    """Write a profile of a client with a secret in a file of its own."""
    (user.home / "secret.txt").write_text(f"{server.client_secret}\n", encoding="utf-8")
    client = (
        'url = "/oauth/token"',
        'client_id = "client-id"',
        'client_secret_file = "secret.txt"',
    )
    user.describe(server, "\n".join((*lines, *client)))


@pytest.fixture
def client(user: User, server: AuthServer) -> User:
    """A user whose profile is of a grant for which nobody has to log in."""
    describe(user, server, 'kind = "client-credentials"')
    return user


def count_fetches(server: AuthServer) -> int:
    return sum(each.kind == "refresh" for each in server.requests)


def test_login_says_that_nobody_has_to(client: User, server: AuthServer) -> None:
    """Exit status 0, nothing is asked, nothing is sent."""
    result = client.run("login", "prod")
    said = "Nobody has to log in to prod: the next request fetches a token.\n"
    assert result == (0, said, "")
    result = client.run("login", "prod", "--refresh-token", "-", typed="r\n")
    assert result.status == 2
    assert result.cause_and_remedy()[0] == "profile 'prod' needs no refresh token"
    assert server.requests == []


def test_login_asks_for_a_clients_secret_all_the_same(
    client: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it is to be in the keyring; then nobody has to log in."""
    use_keyring(monkeypatch, DictKeyring())
    text = client.file.read_text(encoding="utf-8")
    client.file.write_text(text.replace('client_secret_file = "secret.txt"\n', ""), "utf-8")
    cause, remedy = client.run("token", "prod").cause_and_remedy()
    assert "there is no client secret for profile 'prod'" in cause
    assert "requests-jwt login prod" in remedy
    result = client.run("login", "prod", typed=f"{server.client_secret}\n")
    assert (result.status, result.out.startswith("Nobody has to log in to prod")) == (0, True)
    assert client.run("login", "prod", typed="").status == 0
    assert client.run("token", "prod").status == 0


def test_token_fetches_one(client: User, server: AuthServer) -> None:
    """The first time, and after each expiry; in between it is the one in the store."""
    first = client.run("token", "prod")
    assert (first.status, first.err) == (0, "")
    assert first.out == f"{client.stored_token.access}\n" == client.run("token", "prod").out
    server.expire()
    client.save_token(with_expiry(client.stored_token))
    assert client.run("refresh", "prod").status == 0
    assert client.stored_token.access != first.out.strip()
    assert count_fetches(server) == 2


def test_status_of_a_grant(client: User, server: AuthServer) -> None:
    """Nobody has to log in, so this is logged in: exit status 0, with a token and without."""
    result = client.run("status", "prod")
    assert (result.status, result.err) == (0, "")
    assert "none yet; the next request fetches one, and nobody has to log in\n" in result.out
    shown = json.loads(client.run("status", "prod", "--json").out)
    assert (shown["logged_in"], shown["needs_login"]) == (True, False)
    client.run("token", "prod")
    result = client.run("status", "prod")
    assert (result.status, "refresh token" in result.out) == (0, False)
    assert count_fetches(server) == 1


def test_logout_says_that_the_next_request_fetches_anew(client: User, server: AuthServer) -> None:
    """The token is forgotten here; it is no way to lock anybody out."""
    client.run("token", "prod")
    result = client.run("logout", "prod")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[1:] == [
        "The next request fetches another: nobody has to log in."
    ]
    assert client.store.load() is None
    result = client.run("logout", "prod")
    assert "nothing to do; the next request fetches one" in result.out
    assert client.run("token", "prod").status == 0
    assert count_fetches(server) == 2


def test_doctor_needs_no_login(client: User) -> None:
    """No token is no fault."""
    result = client.run("doctor", "prod")
    assert (result.status, "FAULT" in result.out) == (0, False)
    assert "none yet; the next request fetches one" in result.out
    client.run("token", "prod")
    assert client.run("doctor", "prod").status == 0


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_a_client_that_the_server_does_not_know(
    client: User, server: AuthServer, command: str
) -> None:
    """A faulty set-up, and no logout: exit status 2, and what to check."""
    (client.home / "secret.txt").write_text("wrong", encoding="utf-8")
    result = client.run(command, "prod")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 2
    assert "invalid_client" in cause
    assert "check client_id and client_secret" in remedy
    assert "log in" not in result.err
    assert count_fetches(server) == 1


@pytest.mark.parametrize(
    ("kind", "key"), [("jwt-bearer", "assertion"), ("token-exchange", "subject_token")]
)
def test_what_is_handed_in_is_traded_for_a_token(
    user: User, server: AuthServer, kind: str, key: str
) -> None:
    """Each time with what the file holds then; without it, which file is missing."""
    describe(user, server, f'kind = "{kind}"', f'{key}_file = "proof.txt"')
    cause, _ = user.run("token", "prod").cause_and_remedy()
    assert str(user.home / "proof.txt") in cause
    for name in ("alice", "bob"):
        (user.home / "proof.txt").write_text(make_jwt({"sub": name}), encoding="utf-8")
        assert user.run("refresh", "prod").status == 0
        assert f"\nsub            {name}\n" in user.run("status", "prod").out
    assert count_fetches(server) == 2


def test_a_secret_that_is_not_there(client: User, server: AuthServer) -> None:
    """Exit status 5, which file, and what belongs there; no request."""
    (client.home / "secret.txt").unlink()
    for command in ("token", "refresh"):
        result = client.run(command, "prod")
        cause, remedy = result.cause_and_remedy()
        assert result.status == 5
        assert str(client.home / "secret.txt") in cause
        assert remedy == "put the secret there, and nothing else"
    assert server.requests == []


@needs_posix
@pytest.mark.usefixtures("client")
def test_run_fetches_a_token(server: AuthServer) -> None:
    """Nobody has logged in, and the program's first request is answered."""
    code = f"import requests; print(requests.get('{server.url}/api/x').status_code)"
    done = subprocess.run(
        [SCRIPT, "run", "prod", "--", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("200\n", "")
    assert (count_fetches(server), server.counters.unauthorized) == (1, 0)
