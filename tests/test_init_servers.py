"""init --issuer at servers of every shape: what works, and what is said of what does not.

The documents are small ones of our own, with what is peculiar to each server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from requests_jwt_refresh.profiles.load import Profiles
from tests.support.command_line import CommandResult, User, needs_posix, user
from tests.support.document_server import OAUTH, OPENID, Page, run_document_server
from tests.support.keyrings import DictKeyring, use_keyring, use_working_keyring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.document_server import DocumentServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CODE = ["authorization_code", "refresh_token"]
BASIC_POST = ["client_secret_basic", "client_secret_post"]
NO_SECRET = "lists no clients without a secret"


class Shape(NamedTuple):
    """What a server says of itself; {site} and {other} are two hosts of this machine."""

    content: dict[str, Any]
    path: str = ""
    issuer: str | None = None
    """As the server writes it, if not as it is asked for."""
    place: str = "{path}" + OPENID


def make_shape(
    *auths: str, path: str = "", host: str = "{site}", slash: str = "", **more: Any
) -> Shape:
    """Return a server with what nearly all have."""
    content = {
        "authorization_endpoint": f"{host}{path}/authorize",
        "token_endpoint": f"{host}{path}/token",
        "response_types_supported": ["code", "code id_token"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email"],
        **({"token_endpoint_auth_methods_supported": [*auths]} if auths else {}),
        **more,
    }
    return Shape(content, path, issuer=f"{{site}}{path}{slash}")


DEVICE: dict[str, Any] = {"device_authorization_endpoint": "{other}/device"}
OFFLINE: dict[str, Any] = {"scopes_supported": ["openid", "offline_access"]}
S256: dict[str, Any] = {"code_challenge_methods_supported": ["plain", "S256"]}

# The tables of the profile, how the client authenticates, and what is noted.
WORKS: dict[str, tuple[Shape, str, str | None, str]] = {
    "Google": (
        make_shape(*BASIC_POST[::-1], host="{other}", **DEVICE, **S256),
        "browser device",
        "post",
        NO_SECRET,
    ),
    "Entra ID, v1: another host": (
        make_shape("client_secret_post", host="{other}", slash="/"),
        "browser",
        "post",
        NO_SECRET,
    ),
    "Auth0: a slash at the end": (
        make_shape(*BASIC_POST, "none", slash="/", **OFFLINE, **DEVICE, **S256),
        "browser device",
        None,
        "",
    ),
    "Okta: a custom server": (
        make_shape("none", "private_key_jwt", path="/oauth2/default", **OFFLINE),
        "browser",
        None,
        "",
    ),
    "Keycloak": (
        make_shape(
            *("private_key_jwt", *BASIC_POST, "tls_client_auth"),
            path="/realms/main",
            require_pushed_authorization_requests=False,
            mtls_endpoint_aliases={"token_endpoint": "{other}/mtls"},
            response_modes_supported=["query", "fragment", "form_post", "query.jwt", "jwt"],
            **OFFLINE,
        ),
        "browser",
        "basic",
        NO_SECRET,
    ),
    "Cognito: neither grants nor PKCE are named": (
        make_shape(*BASIC_POST, path="/eu-west-1_Ab9Cd8Ef7", host="{other}"),
        "browser",
        "basic",
        NO_SECRET,
    ),
    "GitLab": (
        make_shape(*BASIC_POST, grant_types_supported=[*CODE, "password", DEVICE_GRANT]),
        "browser",
        "basic",
        NO_SECRET,
    ),
    "Salesforce: a scope for refresh tokens": (
        make_shape("client_secret_post", scopes_supported=["id", "api", "openid", "refresh_token"]),
        "browser",
        "post",
        NO_SECRET,
    ),
    "Slack, Apple: a form at the redirect URI": (
        make_shape("client_secret_post", response_modes_supported=["form_post"]),
        "browser",
        "post",
        NO_SECRET,
    ),
    "LinkedIn, PayPal: how clients authenticate is not named": (
        make_shape(path="/oauth"),
        "browser",
        "basic",
        NO_SECRET,
    ),
    "Zitadel, authentik, Authelia": (
        make_shape(
            *("none", *BASIC_POST),
            path="/application/o/cli",
            slash="/",
            require_request_uri_registration=False,
            require_signed_request_object=False,
            **(OFFLINE | DEVICE | S256),
        ),
        "browser device",
        None,
        "",
    ),
    "pushed requests, and a device flow": (
        make_shape("none", require_pushed_authorization_requests=True, **DEVICE),
        "device",
        None,
        "no login in a browser: it requires pushed authorization requests (RFC 9126)",
    ),
    "lists without anything in them": (
        make_shape(
            "none",
            response_types_supported=[],
            response_modes_supported=[],
            grant_types_supported=[],
            code_challenge_methods_supported=[],
        ),
        "browser",
        None,
        "",
    ),
    "OAuth 2.0 alone, an issuer with a path": (
        make_shape("none", path="/login/oauth")._replace(place=OAUTH + "{path}"),
        "browser",
        None,
        "",
    ),
}

# What the cause has, and what the remedy has.
FAILS: dict[str, tuple[Shape, str, str]] = {
    "Entra ID: all tenants": (
        make_shape(path="/common/v2.0")._replace(issuer="{site}/{tenantid}/v2.0"),
        "issuer is another one: {site}/{tenantid}/v2.0",
        "give the issuer of your tenant, with its id in place of {...}: {site}/{tenantid}/v2.0",
    ),
    "Entra ID: a tenant by its domain": (
        make_shape(path="/contoso")._replace(issuer="{site}/f3b1a2c4-0000-4000-8000-1a2b3c4d5e6f"),
        "issuer is another one",
        "if {site}/f3b1a2c4-0000-4000-8000-1a2b3c4d5e6f is the server that you mean, give that",
    ),
    "Cognito: another pool": (
        make_shape(path="/pool")._replace(issuer="{site}/eu-west-1_Ab9Cd8Ef7"),
        "issuer is another one",
        "if {site}/eu-west-1_Ab9Cd8Ef7 is the server that you mean, give that",
    ),
    "Bluesky: pushed requests": (
        make_shape(
            *("none", "private_key_jwt"),
            require_pushed_authorization_requests=True,
            dpop_signing_alg_values_supported=["ES256"],
            grant_types_supported=CODE,
        )._replace(place=OAUTH),
        "it requires pushed authorization requests (RFC 9126), and there is no login with a code",
        "nothing was written; for a refresh token that you have, give --kind oauth2",
    ),
    "a bank: signed requests as well": (
        make_shape(
            "private_key_jwt",
            require_pushed_authorization_requests=True,
            require_signed_request_object=True,
        ),
        "(RFC 9126) and signed request objects (RFC 9101)",
        "--kind oauth2",
    ),
    "an id_token alone": (
        make_shape("none", response_types_supported=["id_token", "code id_token"]),
        "it requires a response type other than 'code'",
        "--kind oauth2",
    ),
    "PKCE, plain": (
        make_shape("none", code_challenge_methods_supported=["plain"]),
        "it does not offer PKCE with S256 (RFC 7636)",
        "--kind oauth2",
    ),
    "a response in the fragment": (
        make_shape("none", response_modes_supported=["fragment", "jwt"]),
        "it answers neither in a query nor in a form",
        "--kind oauth2",
    ),
    "machines": (
        make_shape("client_secret_basic", grant_types_supported=["client_credentials"]),
        "it does not offer the grant authorization_code",
        "--kind client-credentials --refresh-url {site}/token",
    ),
    "passwords": (
        make_shape("none", grant_types_supported=["password", "refresh_token"]),
        "it does not offer the grant authorization_code",
        "add --login-send oauth2 --login-url {site}/token",
    ),
    "certificates": (
        make_shape("tls_client_auth", "self_signed_tls_client_auth"),
        "offers no way for a client to authenticate with a secret, or without one",
        "if your client needs none: --client-auth none",
    ),
    "keys that sign": (
        make_shape("private_key_jwt"),
        "offers no way for a client to authenticate with a secret, or without one",
        "--set client_auth=private_key_jwt --set private_key_file=PATH",
    ),
    "tokens in the fragment": (
        make_shape("none", token_endpoint=None),
        "token_endpoint is missing",
        "check the URL",
    ),
}


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that works."""
    use_keyring(monkeypatch, DictKeyring())
    use_working_keyring(monkeypatch)


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with run_document_server() as server:
        yield server


def serve(server: DocumentServer, shape: Shape) -> str:
    """Serve a document, and return its issuer as a person types it."""
    other = server.url.replace("127.0.0.1", "localhost")
    content = {key: value for key, value in shape.content.items() if value is not None}
    text = json.dumps({**content, "issuer": shape.issuer})
    text = text.replace("{site}", server.url).replace("{other}", other)
    server.pages[shape.place.replace("{path}", shape.path)] = Page(text.encode())
    return server.url + shape.path


def init(user: User, issuer: str, *more: str) -> CommandResult:
    options = ("--issuer", issuer, "--base-url", "https://api.example.com", *more)
    return user.run("init", "prod", *options, "--client-id", "me", "--yes")


@pytest.mark.parametrize("name", WORKS)
def test_a_server_that_can_be_used(user: User, server: DocumentServer, name: str) -> None:
    """With which logins, how the client authenticates, and what is said of it."""
    shape, tables, client_auth, note = WORKS[name]
    issuer = serve(server, shape)
    done = init(user, issuer)
    assert done.status == 0, done.err
    profile = Profiles.read(user.file).content["prod"]
    assert " ".join(each for each in ("browser", "device") if each in profile) == tables
    assert profile["refresh"].get("client_auth") == client_auth
    said = " ".join(done.err.split())
    assert note in said
    assert ("Note:" in said) == bool(note)
    if "browser" in profile:
        assert profile["browser"]["issuer"].removesuffix("/") == issuer


@pytest.mark.parametrize("name", FAILS)
def test_a_server_that_cannot_be_used(user: User, server: DocumentServer, name: str) -> None:
    """It is said at once why, and what to do; nothing is written."""
    shape, cause, remedy = FAILS[name]
    done = init(user, serve(server, shape))
    assert done.status != 0
    said, advice = done.cause_and_remedy()
    assert cause.replace("{site}", server.url) in said
    assert remedy.replace("{site}", server.url) in advice
    assert not user.file.exists()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("PKCE, plain", ("--authorization-url", "https://id.example.com/authorize")),
        ("Bluesky: pushed requests", ("--device-url", "https://id.example.com/device")),
        ("passwords", ("--login-send", "oauth2", "--login-url", "{site}/token")),
        ("certificates", ("--client-auth", "none")),
        ("keys that sign", ("--client-auth", "none")),
    ],
)
def test_the_way_that_is_named_works(
    user: User, server: DocumentServer, name: str, options: tuple[str, ...]
) -> None:
    """A person may know better than the document."""
    issuer = serve(server, FAILS[name][0])
    done = init(user, issuer, *(each.replace("{site}", server.url) for each in options))
    assert done.status == 0, done.err
    assert "prod" in Profiles.read(user.file).content


def test_a_client_without_a_secret_is_no_longer_noted(user: User, server: DocumentServer) -> None:
    """Once a person has said so."""
    done = init(user, serve(server, WORKS["GitLab"][0]), "--client-auth", "none")
    assert (done.status, "Note:" in done.err) == (0, False), done.err


def test_a_client_may_sign_with_its_key(user: User, server: DocumentServer) -> None:
    """As the remedy says (private_key_jwt)."""
    pytest.importorskip("joserfc")
    from joserfc.jwk import ECKey

    key = user.home / "client.pem"
    key.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    key.chmod(0o600)
    pairs = ("--set", "client_auth=private_key_jwt", "--set", f"private_key_file={key}")
    done = init(user, serve(server, FAILS["keys that sign"][0]), *pairs)
    assert done.status == 0, done.err
    profile = Profiles.read(user.file).content["prod"]
    assert profile["refresh"]["client_auth"] == "private_key_jwt"


# --- What an API says ----------------------------------------------------------------------------


def init_from(user: User, url: str, *more: str) -> CommandResult:
    return user.run("init", "prod", "--from", url, "--client-id", "me", "--yes", *more)


def protect(server: DocumentServer, **says: Any) -> str:
    return server.protect("/mcp", serve(server, make_shape("none")), **says)


def test_an_api_without_a_challenge_is_found(user: User, server: DocumentServer) -> None:
    """As some MCP servers: the document is at its place, and a path belongs to the API."""
    done = init_from(user, protect(server))
    assert (done.status, "Note:" in done.err) == (0, False), done.err
    assert Profiles.read(user.file).content["prod"]["base_url"] == f"{server.url}/mcp"


def test_the_documents_own_url_is_taken_for_the_api(user: User, server: DocumentServer) -> None:
    """People copy it out of a browser."""
    protect(server)
    done = init_from(user, f"{server.url}/.well-known/oauth-protected-resource/mcp")
    assert done.status == 0, done.err
    assert Profiles.read(user.file).content["prod"]["base_url"] == f"{server.url}/mcp"


def test_the_apis_scopes_are_named(user: User, server: DocumentServer) -> None:
    """Unless they are asked for; a token without them may open nothing."""
    api = protect(server, scopes_supported=["openid", "email", "mcp:read", "mcp:write"])
    assert "the API has the scopes mcp:read mcp:write" in " ".join(init_from(user, api).err.split())
    asked = init_from(user, api, "--scope", "mcp:write mcp:read", "--replace")
    assert "the API has the scopes" not in asked.err


def test_an_api_that_takes_no_header(user: User, server: DocumentServer) -> None:
    """It is said, as every request would fail."""
    done = init_from(user, protect(server, bearer_methods_supported=["query"]))
    told = " ".join(done.err.split())
    assert "takes no token in a header: if it refuses what is sent, name a cookie with " in told


def test_an_api_that_wants_bound_tokens_gets_them(user: User, server: DocumentServer) -> None:
    """RFC 9728 §2 has a field for it."""
    pytest.importorskip("joserfc")
    done = init_from(user, protect(server, dpop_bound_access_tokens_required=True))
    assert done.status == 0, done.err
    assert "DPoP (RFC 9449)" in done.err
    assert Profiles.read(user.file).content["prod"]["attach"] == {"dpop": True}
    done = init_from(user, f"{server.url}/mcp", "--attach-header", "X-Token", "--replace")
    assert done.status == 0, done.err
    assert Profiles.read(user.file).content["prod"]["attach"] == {"header": "X-Token"}
