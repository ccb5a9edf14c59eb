"""init --issuer and --from: a profile out of what a server says of itself, after a yes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.profiles.load import Profiles
from tests.support.command_line import SCRIPT, Terminal, User, needs_posix, user
from tests.support.document_server import OPENID, Page, run_document_server
from tests.support.keyrings import DictKeyring, use_keyring, use_working_keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.document_server import DocumentServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that works, here and in programs."""
    use_keyring(monkeypatch, DictKeyring())
    use_working_keyring(monkeypatch)


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with run_document_server() as server:
        yield server


def describe(server: DocumentServer, **changes: Any) -> str:
    """Serve the document of an OpenID provider, and return the issuer."""
    url = server.url
    return server.describe(
        **{
            "authorization_endpoint": f"{url}/authorize",
            "device_authorization_endpoint": f"{url}/device",
            "revocation_endpoint": f"{url}/revoke",
            "scopes_supported": ["openid", "offline_access", "email"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
            **changes,
        }
    )


def read_profile(user: User) -> Any:
    return Profiles.read(user.file).content["prod"]


def expected(server: DocumentServer, base_url: str, **refresh: str) -> dict[str, Any]:
    """Return the profile that the document makes."""
    url = server.url
    return {
        "base_url": base_url,
        "refresh": {"kind": "oauth2", "url": f"{url}/token", "client_id": "me", **refresh},
        "browser": {
            "issuer": url,
            "authorization_url": f"{url}/authorize",
            "scope": "openid offline_access read",
        },
        "device": {"url": f"{url}/device", "scope": "openid offline_access read"},
        "logout": {"url": f"{url}/revoke", "send": "oauth2"},
    }


def list_options(issuer: str, *more: str) -> tuple[str, ...]:
    base_url = f"{issuer}/api"
    return ("init", "prod", "--issuer", issuer, "--base-url", base_url, "--scope", "read", *more)


def test_an_issuer_fills_in_the_profile(user: User, server: DocumentServer) -> None:
    """In full, so that later commands need no discovery; what it is made of is shown."""
    issuer = describe(server)
    done = user.run(*list_options(issuer, "--client-id", "me", "--yes"))
    assert done.status == 0, done.err
    assert read_profile(user) == expected(server, f"{issuer}/api")
    assert done.err.splitlines() == [
        f"API:     {issuer}/api",
        f"Issuer:  {issuer}",
        f"Hosts:   {issuer}",
        "Scope:   openid offline_access read",
    ]
    assert "Next: requests-jwt login prod" in done.out
    assert server.paths == [OPENID]


def test_an_api_leads_to_its_issuer(user: User, server: DocumentServer) -> None:
    """Its URL is the base URL as well."""
    api = server.protect("/api", describe(server))
    options = ("--from", api, "--client-id", "me", "--scope", "read", "--yes")
    done = user.run("init", "prod", *options)
    assert done.status == 0, done.err
    assert read_profile(user) == expected(server, api)


def test_options_go_before_what_the_server_says(user: User, server: DocumentServer) -> None:
    """A person knows better."""
    urls = ("--refresh-url", "/t", "--device-url", "/d", "--logout-url", "/x")
    client = ("--client-id", "me", "--client-auth", "post")
    done = user.run(*list_options(describe(server), *urls, *client, "--yes"))
    assert done.status == 0, done.err
    profile = read_profile(user)
    assert profile["refresh"] == {
        "kind": "oauth2",
        "url": "/t",
        "client_id": "me",
        "client_auth": "post",
    }
    assert (profile["device"]["url"], profile["logout"]) == ("/d", {"url": "/x"})


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (["client_secret_basic", "none"], None),
        (["private_key_jwt", "client_secret_post"], "post"),
        (None, "basic"),
    ],
)
def test_the_client_authenticates_as_the_server_wants(
    user: User, server: DocumentServer, offered: Any, expected: str | None
) -> None:
    """Without a secret where that is enough."""
    issuer = describe(server, token_endpoint_auth_methods_supported=offered)
    assert user.run(*list_options(issuer, "--client-id", "me", "--yes")).status == 0
    assert read_profile(user)["refresh"].get("client_auth") == expected


# --- A yes ---------------------------------------------------------------------------------------


def test_a_person_is_asked_whether_it_is_the_right_server(
    user: User, server: DocumentServer
) -> None:
    """After it was shown; what else is missing is asked as well."""
    issuer = describe(server)
    with Terminal(SCRIPT, "init", "prod", "--issuer", issuer, "--scope", "read") as terminal:
        terminal.answer("Base URL of the API: ", f"{issuer}/api")
        terminal.expect(f"Issuer:  {issuer}")
        terminal.answer("Is this the right server? [Y/n] ", "")
        terminal.answer("Client id: ", "me")
        terminal.answer("Log in now? [Y/n] ", "n")
        assert terminal.end() == 0, terminal.shown
    assert "Next: requests-jwt login prod" in terminal.shown
    assert read_profile(user) == expected(server, f"{issuer}/api")


@pytest.mark.parametrize("answer", ["n", "no", "maybe"])
def test_without_a_yes_nothing_is_written(user: User, server: DocumentServer, answer: str) -> None:
    """Nor registered."""
    issuer = describe(server, registration_endpoint=f"{server.url}/register")
    with Terminal(SCRIPT, *list_options(issuer)) as terminal:
        terminal.answer("Is this the right server? [Y/n] ", answer)
        assert terminal.end() == 2, terminal.shown
    assert not user.file.exists()
    assert server.paths == [OPENID]


def test_where_nobody_can_be_asked_yes_is_an_option(user: User, server: DocumentServer) -> None:
    """The server has been shown by then."""
    done = user.run(*list_options(describe(server), "--client-id", "me"))
    assert done.status == 2
    *shown, cause, remedy = done.err.splitlines()
    assert f"Issuer:  {server.url}" in shown
    assert cause.endswith("nobody can be asked here whether this is the right server")
    assert "--yes" in remedy
    assert not user.file.exists()


@pytest.mark.parametrize("missing", ["--base-url", "--client-id"])
def test_what_is_missing_is_said(user: User, server: DocumentServer, missing: str) -> None:
    """As an option."""
    given = {"--base-url": server.url, "--client-id": "me"}
    del given[missing]
    options = [part for pair in given.items() for part in pair]
    done = user.run("init", "prod", "--issuer", describe(server), "--yes", *options)
    assert done.status == 2
    assert missing in done.cause_and_remedy()[0]
    assert not user.file.exists()


# --- A client ------------------------------------------------------------------------------------


def test_a_client_is_registered_with_a_yes(user: User, server: DocumentServer) -> None:
    """A public one, for the browser, for a device, and for refreshes."""
    issuer = describe(server, registration_endpoint=f"{server.url}/register")
    server.pages["/register"] = Page({"client_id": "me"}, 201)
    with Terminal(SCRIPT, *list_options(issuer)) as terminal:
        terminal.answer("Is this the right server? [Y/n] ", "y")
        terminal.answer("Register a client there? [Y/n] ", "")
        terminal.expect("Registered a client: me")
        terminal.answer("Log in now? [Y/n] ", "n")
        assert terminal.end() == 0, terminal.shown
    assert read_profile(user) == expected(server, f"{issuer}/api")
    assert json.loads(server.received[-1].body) == {
        "client_name": "requests-jwt",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1"],
        "grant_types": ["authorization_code", "refresh_token", DEVICE_GRANT],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "openid offline_access read",
    }


def test_a_person_may_have_a_client_already(user: User, server: DocumentServer) -> None:
    """Then nothing is registered."""
    issuer = describe(server, registration_endpoint=f"{server.url}/register")
    with Terminal(SCRIPT, *list_options(issuer)) as terminal:
        terminal.answer("Is this the right server? [Y/n] ", "")
        terminal.answer("Register a client there? [Y/n] ", "n")
        terminal.answer("Client id: ", "me")
        terminal.answer("Log in now? [Y/n] ", "n")
        assert terminal.end() == 0, terminal.shown
    assert read_profile(user) == expected(server, f"{issuer}/api")
    assert server.paths == [OPENID]


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        (["authorization_code", "refresh_token"], ["authorization_code", "refresh_token"]),
        ([DEVICE_GRANT], [DEVICE_GRANT]),
        (None, ["authorization_code", "refresh_token", DEVICE_GRANT]),
    ],
)
def test_a_client_is_registered_for_what_the_server_has(
    user: User, server: DocumentServer, listed: Any, asked: list[str]
) -> None:
    """Another grant would have it refused."""
    changes = {"registration_endpoint": f"{server.url}/register", "grant_types_supported": listed}
    server.pages["/register"] = Page({"client_id": "me"}, 201)
    assert user.run(*list_options(describe(server, **changes), "--yes")).status == 0
    assert json.loads(server.received[-1].body)["grant_types"] == asked


def test_a_registered_secret_goes_into_the_keyring(user: User, server: DocumentServer) -> None:
    """And into nothing else: not into the profile, nor onto the terminal."""
    issuer = describe(server, registration_endpoint=f"{server.url}/register")
    content = {
        "client_id": "me",
        "client_secret": "s3cret",
        "token_endpoint_auth_method": "client_secret_post",
    }
    server.pages["/register"] = Page(content, 201)
    done = user.run(*list_options(issuer, "--yes"))
    assert done.status == 0, done.err
    assert read_profile(user) == expected(server, f"{issuer}/api", client_auth="post")
    assert Profiles.read(user.file).profile("prod").secrets["client secret"].read() == "s3cret"
    assert "s3cret" not in user.file.read_text() + done.out + done.err


def test_a_refused_registration_says_what_to_do(user: User, server: DocumentServer) -> None:
    """In options; nothing is written."""
    issuer = describe(server, registration_endpoint=f"{server.url}/register")
    server.pages["/register"] = Page({}, 401)
    done = user.run(*list_options(issuer, "--yes"))
    assert done.status == 1
    *_, cause, remedy = done.err.splitlines()
    assert "/register answered 401: it does not register clients for anybody" in cause
    assert remedy.endswith("give its id with --client-id")
    assert not user.file.exists()


# --- What is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "status", "cause", "remedy"),
    [
        (("--issuer", "{url}"), 1, "says nothing of itself that can be used", "--refresh-url URL"),
        (("--issuer", "{url}/v1"), 1, "says nothing of itself", "an API goes with --from"),
        (("--from", "{url}/v1"), 1, "does not say which server logs", "names: --issuer URL"),
        (("--issuer", "http://id.example.com"), 2, "unencrypted", "--allow-http"),
        (("--from", "api.example.com"), 2, "no scheme", "https://api.example.com"),
        (("--issuer", ""), 2, "has no scheme", "with https://"),
        (("--from", ""), 2, "has no scheme", "with https://"),
        (("--issuer", "https://h/?a"), 2, "a query or a fragment", "write it without them"),
    ],
)
def test_what_is_wrong_is_said_in_options(
    user: User,
    server: DocumentServer,
    options: tuple[str, str],
    status: int,
    cause: str,
    remedy: str,
) -> None:
    """With what to do; nothing is written."""
    option, url = options
    given = (option, url.format(url=server.url), "--base-url", server.url, "--yes")
    done = user.run("init", "prod", *given)
    said, advice = done.cause_and_remedy()
    assert (done.status, cause in said, remedy in advice) == (status, True, True), done.err
    assert not user.file.exists()


@pytest.mark.parametrize("option", ["--issuer", "--from"])
def test_a_server_that_says_nothing_leaves_other_ways(
    user: User, server: DocumentServer, option: str
) -> None:
    """A preset, and where they are listed; or the questions of this very command."""
    done = user.run("init", "prod", option, f"{server.url}/api", "--base-url", server.url, "--yes")
    remedy = done.cause_and_remedy()[1]
    assert "--preset" in remedy
    assert "requests-jwt init --help lists them" in remedy
    assert remedy.endswith("or answer questions: requests-jwt init prod")


@pytest.mark.parametrize(
    ("option", "value", "cause"),
    [
        ("--base-url", "api.example.com", "the base URL 'api.example.com' has no scheme"),
        ("--base-url", "ftp://h", "the base URL 'ftp://h' is not an http(s) URL"),
        ("--base-url", "https://h/v1?x", "a query or a fragment"),
        ("--base-url", "http://api.example.com", "unencrypted"),
        ("--scope", "read\x1b[31m", "--scope holds characters that no scope may have"),
        ("--scope", 'read "write"', "--scope holds characters that no scope may have"),
    ],
)
def test_what_was_typed_is_looked_at_first(
    user: User, server: DocumentServer, option: str, value: str, cause: str
) -> None:
    """Before the server is asked, and before a person is."""
    done = user.run(*list_options(describe(server), "--client-id", "me", "--yes", option, value))
    assert done.status == 2
    assert cause in done.cause_and_remedy()[0]
    assert server.paths == []


@pytest.mark.parametrize("other", [("--preset", "simplejwt"), ("--kind", "json"), ("--from", "h")])
def test_an_issuer_says_what_other_options_would(user: User, other: tuple[str, str]) -> None:
    """They are not given together."""
    done = user.run("init", "prod", "--issuer", "https://h", *other)
    assert done.status == 2
    assert "not allowed with argument" in done.err


# --- A login in a browser ------------------------------------------------------------------------


def test_a_login_in_a_browser_needs_no_discovery_later(user: User, server: DocumentServer) -> None:
    """What the server says of it is in the profile, and so is the page that ends a session."""
    says = {
        "response_modes_supported": ["form_post", "fragment"],
        "authorization_response_iss_parameter_supported": True,
        "end_session_endpoint": f"{server.url}/end",
        "revocation_endpoint": None,
    }
    redirect = ("--redirect-uri", "http://localhost:8400/cb")
    issuer = describe(server, **says)
    done = user.run(*list_options(issuer, "--client-id", "me", "--yes", *redirect))
    assert done.status == 0, done.err
    assert read_profile(user)["browser"] == {
        "issuer": issuer,
        "authorization_url": f"{issuer}/authorize",
        "redirect_uri": "http://localhost:8400/cb",
        "scope": "openid offline_access read",
        "response_mode": "form_post",
        "sends_iss": True,
    }
    assert read_profile(user)["logout"] == {"end_session_url": f"{issuer}/end"}
    assert re.search(rf"browser URL +{issuer}/authorize\n", done.out)


@pytest.mark.parametrize(
    "lacks",
    [
        {"code_challenge_methods_supported": ["plain"]},
        {"grant_types_supported": [DEVICE_GRANT]},
        {"authorization_endpoint": None},
    ],
    ids=["PKCE", "grant", "endpoint"],
)
def test_a_server_without_logins_in_a_browser(
    user: User, server: DocumentServer, lacks: Any
) -> None:
    """The profile has no such table then; a device can still log in."""
    issuer = describe(server, **lacks)
    assert user.run(*list_options(issuer, "--client-id", "me", "--yes")).status == 0
    profile = read_profile(user)
    assert "browser" not in profile
    assert profile["device"]["url"] == f"{issuer}/device"


def test_the_redirect_uri_is_registered_with_the_client(user: User, server: DocumentServer) -> None:
    """Exactly as it will be sent."""
    issuer = describe(server, registration_endpoint=f"{server.url}/register")
    server.pages["/register"] = Page({"client_id": "me"}, 201)
    redirect = ("--redirect-uri", "http://[::1]:8400/")
    assert user.run(*list_options(issuer, "--yes", *redirect)).status == 0
    assert json.loads(server.received[-1].body)["redirect_uris"] == ["http://[::1]:8400/"]
