"""init: all presets, places, headers, grants without a refresh token, APIs without a refresh."""

from __future__ import annotations

from typing import Any

import pytest
import tomlkit

from requests_jwt_refresh import JSONEndpoint, cookie, header
from requests_jwt_refresh.presets import PRESET_MODULES, load
from requests_jwt_refresh.profiles.load import Profiles
from tests.support.command_line import API, INIT, SCRIPT, Terminal, User, needs_posix, user
from tests.support.keyrings import DictKeyring, use_keyring, use_working_keyring

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

JSON = ("--refresh-url", "/r")
JSON_TABLE = {"kind": "json", "url": "/r"}
VALUES = {"client_id": "me", "domain": "example.com", "region": "eu-west-1", "username": "root@pam"}


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that works, here and in programs."""
    use_keyring(monkeypatch, DictKeyring())
    use_working_keyring(monkeypatch)


def read_content(user: User) -> dict[str, Any]:
    content: dict[str, Any] = Profiles.read(user.file).content["prod"]
    return content


# --- Presets -------------------------------------------------------------------------------------


def list_flags(preset: str) -> list[str]:
    """Return the options that a preset needs."""
    known = load(preset)
    flags = [] if known.base_url else ["--base-url", API]
    flags += ["--refresh-url", "/r"] if known.needs_url else []
    for name in known.list_needed():
        value = VALUES.get(name, "example")
        flags += ["--client-id", value] if name == "client_id" else ["--set", f"{name}={value}"]
    return flags


@pytest.mark.parametrize("preset", PRESET_MODULES)
def test_every_preset_makes_a_profile(user: User, preset: str) -> None:
    """Its API's base URL is known where it is everybody's; what it needs is a few words."""
    result = user.run("init", "prod", "--preset", preset, *list_flags(preset))
    assert (result.status, result.err) == (0, "")
    made = Profiles.read(user.file).profile("prod")
    assert made.base_url.rstrip("/") == (load(preset).base_url or API).rstrip("/")
    assert read_content(user)["refresh"]["preset"] == preset
    assert made.needs_login
    assert user.run("status", "prod").status == 3


@pytest.mark.parametrize("preset", [each for each in PRESET_MODULES if list_flags(each)])
def test_what_a_preset_needs_is_named(user: User, preset: str) -> None:
    """Without a terminal: exit status 2, and the option that is missing."""
    *given, _, value = list_flags(preset)
    result = user.run("init", "prod", "--preset", preset, *given)
    cause, remedy = result.cause_and_remedy()
    option = list_flags(preset)[-2]
    missing = f"--set {value.partition('=')[0]}=" if option == "--set" else option
    assert (result.status, cause) == (2, f"{missing} is missing")
    assert remedy == "give it, or run this in a terminal to be asked"
    assert not user.file.exists()


def test_what_a_preset_needs_is_asked_for(user: User) -> None:
    """First, since no other answer makes a profile without it; a base URL is suggested."""
    with Terminal(SCRIPT, "init", "prod", "--preset", "entra-id") as terminal:
        terminal.answer("Base URL of the API [https://graph.microsoft.com/v1.0]: ", "")
        terminal.answer("Client id: ", "")
        terminal.expect("an answer is needed")
        terminal.answer("Client id: ", "me")
        terminal.answer("Tenant: ", "contoso")
        terminal.answer("Logout endpoint; empty for none: ", "")
        assert terminal.end() == 0
    assert read_content(user) == {
        "base_url": "https://graph.microsoft.com/v1.0",
        "refresh": {"preset": "entra-id", "client_id": "me", "tenant": "contoso"},
    }


@pytest.mark.parametrize(
    ("flags", "question"),
    [
        (("--preset", "auth0", "--set", "domain=acme.eu.auth0.com"), "https://acme.eu.auth0.com"),
        (("--preset", "keycloak", "--set", "server=https://k", "--set", "realm=r"), "https://k/"),
    ],
    ids=["auth0", "keycloak"],
)
def test_the_logout_that_a_preset_documents_is_shown(
    user: User, flags: tuple[str, ...], question: str
) -> None:
    """With what was answered in its place: on another host whole, and Enter is still none."""
    common = ("--base-url", API, "--client-id", "me", "--store", "file", "--path", "t")
    with Terminal(SCRIPT, "init", "prod", *common, *flags[:2]) as terminal:
        for each in flags[3::2]:
            terminal.answer(": ", each.partition("=")[2])
        terminal.answer(f"Logout endpoint, such as {question}", "")
        assert terminal.end() == 0, terminal.shown
    assert "logout" not in read_content(user)


def test_a_preset_with_another_refresh_is_asked_for_its_login(user: User) -> None:
    """The documented path is what Enter takes."""
    given = ("--preset", "simplejwt", "--refresh-url", "/r/", "--store", "file")
    with Terminal(SCRIPT, "init", "prod", *given) as terminal:
        terminal.answer("Base URL of the API: ", API)
        terminal.answer("Login endpoint [/api/token/]: ", "/l/")
        terminal.answer("empty for none: ", "")
        assert terminal.end() == 0
    assert read_content(user)["login"] == {"url": "/l/"}


def test_a_public_key_is_no_secret(user: User) -> None:
    """What looks like one is refused, and what to write is said."""
    flags = ("--preset", "supabase")
    result = user.run(*INIT, *flags, "--set", "publishable_key=sb_publishable_abc")
    assert result.status == 0
    made = Profiles.read(user.file).profile("prod")
    assert made.options()["headers"] == {"apikey": "sb_publishable_abc"}
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2ln"
    result = user.run(*INIT, *flags, "--set", f"publishable_key={jwt}", "--replace")
    cause, _ = result.cause_and_remedy()
    assert result.status == 2
    assert "refresh.publishable_key looks like a secret" in cause
    assert '{ public = "VALUE" }' in cause
    assert jwt not in result.err


# --- What requests carry -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "attach", "place"),
    [
        (("--attach-header", "X-Token"), {"header": "X-Token"}, header("X-Token")),
        (
            ("--attach-scheme", "JWT"),
            {"header": "Authorization", "scheme": "JWT"},
            header(scheme="JWT"),
        ),
        (("--attach-cookie", "sid"), {"cookie": "sid"}, cookie("sid")),
        (
            ("--attach-cookie", "sid", "--csrf", "csrf=X-CSRF"),
            {"cookie": "sid", "csrf": ["csrf", "X-CSRF"]},
            cookie("sid", csrf=("csrf", "X-CSRF")),
        ),
    ],
)
def test_where_the_token_goes(
    user: User, flags: tuple[str, ...], attach: dict[str, Any], place: Any
) -> None:
    """A header, its scheme, or a cookie."""
    assert user.run(*INIT, *JSON, *flags).status == 0
    assert read_content(user) == {"base_url": API, "refresh": JSON_TABLE, "attach": attach}
    assert Profiles.read(user.file).profile("prod").attach == place


def test_where_the_tokens_are_in_requests_and_answers(user: User) -> None:
    """A field, a header or a cookie, for a refresh and for a login."""
    flags = ("--send", "cookie:rt", "--access", "data.jwt", "--refresh", "cookie:rt")
    login = ("--login-url", "/session", "--login-access", "header:X-Auth-Token")
    assert user.run(*INIT, *JSON, *flags, *login).status == 0
    made = Profiles.read(user.file).profile("prod")
    assert made.refresh == JSONEndpoint(
        "/r", send=cookie("rt"), access="data.jwt", refresh=cookie("rt")
    )
    assert read_content(user)["login"] == {
        "url": "/session",
        "access": {"header": "X-Auth-Token"},
    }


def test_headers_of_the_api(user: User) -> None:
    """In the file, in a file of its own, and in the keyring, for which a login asks."""
    flags = ("--header", "X-Tenant=acme", "--header", "X-Mode=a=b")
    more = ("--header-file", "X-Api-Key=key.txt", "--header-keyring", "apikey")
    assert user.run(*INIT, *JSON, *flags, *more).status == 0
    assert read_content(user)["headers"] == {
        "X-Tenant": "acme",
        "X-Mode": "a=b",
        "X-Api-Key": {"file": "key.txt"},
        "apikey": {"keyring": True},
    }


@pytest.mark.parametrize(
    ("flags", "cause"),
    [
        (("--attach-header", "X", "--attach-cookie", "y"), "not allowed with argument"),
        (("--attach-header", "X Y"), "attach.header cannot be used"),
        (("--attach-cookie", "a;b"), "attach.cookie cannot be used"),
        (("--attach-cookie", "a", "--attach-scheme", "JWT"), "attach has header and cookie"),
        (("--attach-header", "X", "--csrf", "a=b"), "attach.csrf has no place beside header"),
        (("--csrf", "a"), "must be two words with = between them"),
        (("--header", "X-Tenant"), "must be two words with = between them"),
        (("--header", "X-Api-Key=hunter2"), "headers.X-Api-Key looks like a secret"),
        (("--header", "Host=h"), "headers.Host cannot be used"),
        (("--header-keyring", "Authorization"), "is the header of the access token"),
        (("--set", "nonsense=1"), "refresh.nonsense is not known"),
        (("--send", "header:X Y"), "refresh.send.header cannot be used"),
        (("--access", "cookie:"), "refresh.access.cookie is empty"),
        (("--set", "api_key=hunter2"), "refresh.api_key looks like a secret"),
    ],
)
def test_what_requests_cannot_carry(user: User, flags: tuple[str, ...], cause: str) -> None:
    """Exit status 2, two lines, and nothing is written or repeated."""
    result = user.run(*INIT, *JSON, *flags)
    assert result.status == 2
    assert cause in result.cause_and_remedy()[0]
    assert "hunter2" not in result.err
    assert not user.file.exists()


# --- Without a refresh token ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "refresh", "last"),
    [
        (
            ("--kind", "client-credentials", "--client-id", "me", "--scope", "a b"),
            {"kind": "client-credentials", "client_id": "me", "scope": "a b"},
            "Next: requests-jwt login prod",
        ),
        (
            ("--kind", "jwt-bearer", "--set", "assertion_file=a.txt"),
            {"kind": "jwt-bearer", "assertion_file": "a.txt"},
            "Nobody has to log in; try it: requests-jwt token prod",
        ),
        (
            ("--kind", "token-exchange", "--set", "subject_token_file=a.txt"),
            {"kind": "token-exchange", "subject_token_file": "a.txt"},
            "Nobody has to log in; try it: requests-jwt token prod",
        ),
    ],
)
def test_a_grant_for_which_nobody_logs_in(
    user: User, flags: tuple[str, ...], refresh: dict[str, Any], last: str
) -> None:
    """A login is needed only for a secret that the keyring is to keep."""
    result = user.run(*INIT, "--refresh-url", "/t", *flags)
    assert (result.status, result.err) == (0, "")
    assert read_content(user)["refresh"] == {**refresh, "url": "/t"}
    assert result.out.splitlines()[-1] == last


def test_a_grant_is_asked_for(user: User) -> None:
    """What it needs, and neither a login nor a logout."""
    with Terminal(SCRIPT, *INIT, "--kind", "jwt-bearer") as terminal:
        terminal.answer("Assertion file: ", "a.txt")
        terminal.answer("Token endpoint, such as /oauth/token: ", "/t")
        terminal.answer("expired token [401]: ", "")
        terminal.answer("empty for any): ", "")
        assert terminal.end() == 0
    assert read_content(user)["refresh"] == {
        "kind": "jwt-bearer",
        "url": "/t",
        "assertion_file": "a.txt",
    }


def test_an_api_without_a_refresh(user: User) -> None:
    """By an option, which needs the login endpoint, or by answers."""
    result = user.run(*INIT, "--no-refresh")
    assert (result.status, result.cause_and_remedy()[0]) == (2, "--login-url is missing")
    expected = {"base_url": API, "login": {"url": "/session"}}
    result = user.run(*INIT, "--no-refresh", "--login-url", "/session")
    assert (result.status, read_content(user)) == (0, expected)
    with Terminal(SCRIPT, *INIT, "--replace") as terminal:
        terminal.expect("none (a login, and no refresh)")
        terminal.answer("[json]: ", "none")
        terminal.answer("Login endpoint, such as /auth/login: ", "/session")
        for usual in ("username", "password", "access_token", "expires_in"):
            terminal.answer(f" [{usual}]: ", "")
        terminal.answer("expired token [401]: ", "")
        terminal.answer("empty for any): ", "")
        terminal.answer("Logout endpoint; empty for none: ", "")
        assert terminal.end() == 0
    assert read_content(user) == expected


# --- Misspelt ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "cause", "remedy"),
    [
        (("--refresh-url", "/r"), "--refresh-url is about a refresh", "leave one of them out"),
        (("--set", "extra=x"), "--set is about a refresh", "leave one of them out"),
        (("--access", "key"), "--access is about a refresh", "write --login-access"),
        (("--expires-in", "ttl"), "--expires-in is about a refresh", "write --login-expires-in"),
    ],
)
def test_nothing_is_ignored_where_there_is_no_refresh(
    user: User, flags: tuple[str, ...], cause: str, remedy: str
) -> None:
    """An option that has no place is an error, and names the one that has."""
    result = user.run(*INIT, "--no-refresh", "--login-url", "/in", *flags)
    assert result.status == 2
    found = result.cause_and_remedy()
    assert (found[0].partition(",")[0], found[1][-len(remedy) :]) == (cause, remedy)
    assert not user.file.exists()


def test_a_misspelt_key_is_not_only_missing(user: User) -> None:
    """It is named, and what was meant."""
    flags = ("--preset", "auth0", "--client-id", "me", "--set", "domian=x.auth0.com")
    assert user.run(*INIT, *flags).cause_and_remedy() == (
        "--set domian= is not known",
        "did you mean --set domain=?",
    )


@pytest.mark.parametrize(
    ("url", "given", "send"),
    [("/oauth/token", (), "oauth2"), ("/login", (), None), ("/oauth/token", ("form",), "form")],
    ids=["token endpoint", "another", "told"],
)
def test_a_login_at_a_token_endpoint_is_sent_as_oauth2(
    user: User, url: str, given: tuple[str, ...], send: str | None
) -> None:
    """RFC 6749 §4.3; a token endpoint reads no JSON."""
    options = ["--kind", "oauth2", "--refresh-url", "/oauth/token", "--client-id", "cli"]
    login = ["--login-url", url, *(["--login-send", *given] if given else [])]
    result = user.run("init", "prod", "--base-url", "https://h", *options, *login)
    assert result.status == 0, result.err
    assert tomlkit.parse(user.file.read_text())["prod"]["login"].get("send") == send
