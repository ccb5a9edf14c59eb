"""The public surface: what may be imported, how it is called, and what an import costs."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

import requests_jwt_refresh
from requests_jwt_refresh import JWTRefreshAdapter, presets, testing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = [
    "BearerEndpoint",
    "BrowserLogin",
    "ClientCredentials",
    "DPoP",
    "DeviceLogin",
    "DiscoveryError",
    "Endpoint",
    "Event",
    "FileStore",
    "InsecureURL",
    "InvalidToken",
    "InvalidURL",
    "JSONEndpoint",
    "JWTBearer",
    "JWTRefreshAdapter",
    "JWTRefreshError",
    "KeyringStore",
    "LockTimeout",
    "Matcher",
    "MemoryStore",
    "OAuth2Endpoint",
    "PasswordLogin",
    "PrivateKeyJWT",
    "ProfileError",
    "RedisStore",
    "ReentrantRefresh",
    "RefreshRejected",
    "RefreshUnavailable",
    "Reply",
    "ServerMetadata",
    "StoreError",
    "Token",
    "TokenExchange",
    "TokenResponse",
    "TokenStore",
    "all_of",
    "anonymous",
    "any_401",
    "any_of",
    "bearer_challenge",
    "cookie",
    "header",
    "json_field",
    "mount",
    "presets",
    "status",
]

LIFETIME = "expires_in='expires_in', expires_in_unit='s', expires_at=None"
JSON_OPTIONS = (
    f"access='access_token', refresh='refresh_token', {LIFETIME}, ok=(200, 201), "
    "rejected={rejected}, extra=<factory>, headers=<factory>, method='POST', encode='json', "
    "send_access=None, when=status(401)"
)
OAUTH2_OPTIONS = (
    "scope=None, extra=<factory>, access='access_token', refresh={refresh}, "
    f"{LIFETIME}, rejected=None, headers=<factory>, when=status(401)"
)
CLIENT = "client_id=None, client_secret=None, client_auth=None"

CALLS = {
    "JWTRefreshAdapter": "(base_url, refresh, store=None, *, when=None, attach=header(), "
    "renewed=None, headers=None, refresh_ahead=None, match_limit=262144, login=None, "
    "on_refresh=None, on_logout=None, on_event=None, transport=None, "
    "trusted_origins=(), refresh_session=None, refresh_timeout=30.0, allow_http=False, "
    "**http_adapter_options)",
    "header": "(name='Authorization', scheme=Ellipsis)",
    "cookie": "(name, *, csrf=None)",
    "mount": "(session, base_url, refresh, store=None, **options)",
    "Token": "(access, refresh=None, expires_at=None, extra=<factory>)",
    "JSONEndpoint": f"(url, *, send='refresh_token', {JSON_OPTIONS})".format(
        rejected="(400, 401, 403)"
    ),
    "BearerEndpoint": f"(url, *, send=header(), {JSON_OPTIONS})".format(
        rejected="(400, 401, 403, 422)"
    ),
    "OAuth2Endpoint": "(url, client_id=None, client_secret=None, *, client_auth=None, "
    f"{OAUTH2_OPTIONS})".format(refresh="'refresh_token'"),
    "ClientCredentials": "(url, client_id, client_secret=None, *, client_auth=None, "
    f"{OAUTH2_OPTIONS})".format(refresh=None),
    "JWTBearer": f"(url, assertion, *, {CLIENT}, {OAUTH2_OPTIONS})".format(refresh=None),
    "TokenExchange": f"(url, subject_token, *, {CLIENT}, {OAUTH2_OPTIONS}, "
    "subject_token_type='urn:ietf:params:oauth:token-type:access_token')".format(refresh=None),
    "DPoP": "(key=None, *, alg=None)",
    "PrivateKeyJWT": "(key, *, alg=None, kid=None, audience=None, lifetime=60)",
    "TokenResponse": "(status, headers, body, *, source='refresh endpoint', set_cookies=())",
    "PasswordLogin": "(url=None, username=None, password=None, *, send='json', "
    "username_field='username', password_field='password', extra=<factory>, headers=<factory>, "
    "method='POST', access='access_token', refresh='refresh_token', expires_in='expires_in', "
    "expires_in_unit=None, expires_at=None, ok=None, rejected=None, endpoint=None)",
    "BrowserLogin": "(issuer_or_urls, client_id, *, client_secret=None, scope=None, "
    "redirect_uri=None, open=None, timeout=300.0, extra=<factory>)",
    "DeviceLogin": "(url, token_url=None, client_id=None, *, client=None, scope=None, show=None, "
    "extra=<factory>)",
    "ServerMetadata": "(issuer, *, authorization_url=None, token_url=None, device_url=None, "
    "revocation_url=None, end_session_url=None, registration_url=None, jwks_url=None, "
    "userinfo_url=None, client_auths=('basic',), scopes=None, "
    "grant_types=('authorization_code', 'implicit'), response_modes=('query', 'fragment'), "
    "pkce_methods=(), sends_iss=False, is_openid=False, takes_offline_access=False, "
    "unsupported=())",
    "Event": "(kind, at, seconds=None, url=None, status=None, rule=None)",
    "FileStore": "(path)",
    "MemoryStore": "(token=None)",
    "RedisStore": "(client, key, *, encryption_key=None, lease=10.0)",
    "KeyringStore": "(service, account='default', *, backend=None, allow_plaintext=False, "
    "timeout=30.0)",
    "status": "(*codes)",
    "bearer_challenge": "(error='invalid_token', *, status=None)",
    "json_field": "(path, value, *, status=None)",
    "any_of": "(*matchers)",
    "all_of": "(*matchers)",
    "any_401": "(response)",
}

VERBS = {
    "set_token": "(self, token)",
    "clear_token": "(self)",
    "log_in": "(self, username, password)",
    "log_out": "(self)",
    "refresh": "(self, refresh_token=None)",
    "reload": "(self)",
    "valid_token": "(self, seconds=0.0, *, refused=None)",
    "close": "(self)",
    "prefixes": "(self)",
    "send": "(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None)",
}

ERRORS = {
    "JWTRefreshError": {"RequestException"},
    "RefreshRejected": {"JWTRefreshError"},
    "RefreshUnavailable": {"JWTRefreshError"},
    "ReentrantRefresh": {"JWTRefreshError"},
    "StoreError": {"JWTRefreshError"},
    "LockTimeout": {"StoreError"},
    "DiscoveryError": {"JWTRefreshError"},
    "ProfileError": {"JWTRefreshError"},
    "InvalidToken": {"JWTRefreshError", "ValueError"},
    "InvalidURL": {"JWTRefreshError", "InvalidURL"},
    "InsecureURL": {"InvalidURL"},
}

PRESETS = [
    "ASPNETCoreIdentity",
    "AmazonSPAPI",
    "Auth0",
    "AuthX",
    "Bluesky",
    "BlueskyOAuth",
    "Cognito",
    "DJRestAuth",
    "Directus",
    "Djoser",
    "EntraID",
    "Express",
    "FastAPITemplate",
    "Firebase",
    "Fitbit",
    "FlaskAppBuilder",
    "FlaskJWTExtended",
    "FlaskJWTExtendedCookies",
    "GitHub",
    "Google",
    "HomeAssistant",
    "HubSpot",
    "Keycloak",
    "LaravelJWT",
    "Matrix",
    "NestJS",
    "Nhost",
    "Okta",
    "PocketBase",
    "Proxmox",
    "QuickBooks",
    "Salesforce",
    "Shopify",
    "SimpleJWT",
    "Slack",
    "Spotify",
    "SpringBoot",
    "Strava",
    "Supabase",
    "Tesla",
    "Vault",
    "Xero",
    "Zoho",
]


def describe_call(function: Callable[..., object]) -> str:
    """Return how `function` is called: names, kinds and defaults, without types."""
    signature = inspect.signature(function)
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def list_public(name: str) -> Any:
    return getattr(requests_jwt_refresh, name)


# --- Names ---------------------------------------------------------------------------------------


def test_the_public_names_are_these() -> None:
    """A name comes or goes here first, on purpose."""
    assert requests_jwt_refresh.__all__ == NAMES
    assert sorted(NAMES) == NAMES
    assert {"AuthServer", "StoreContract", "Status", "Hang"} < set(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


def test_the_name_that_a_response_had_in_0_1_is_still_there() -> None:
    """Users' own endpoints import it for annotations."""
    assert requests_jwt_refresh.Reply is requests_jwt_refresh.TokenResponse


def test_every_name_can_be_imported() -> None:
    """What is listed is there, and a star import brings it."""
    namespace: dict[str, object] = {}
    exec("from requests_jwt_refresh import *", namespace)
    assert set(NAMES) <= set(namespace)
    assert all(hasattr(testing, name) for name in testing.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_how_it_is_called(name: str) -> None:
    """Parameters, their order and their defaults are a contract."""
    assert describe_call(list_public(name)) == CALLS[name]


def test_everything_that_can_be_called_is_pinned() -> None:
    """A new function or class comes with its signature."""
    protocols_and_aliases = {"Endpoint", "Matcher", "Reply", "TokenStore"}
    values = {"anonymous", "presets"}
    assert set(NAMES) == {*CALLS, *ERRORS, *protocols_and_aliases, *values}


@pytest.mark.parametrize("name", VERBS)
def test_what_the_adapter_can_do(name: str) -> None:
    """Its methods and their parameters are a contract, too."""
    assert describe_call(getattr(JWTRefreshAdapter, name)) == VERBS[name]


def test_the_adapter_adds_no_more_than_that() -> None:
    """Beside HTTPAdapter's own there are these methods and `token`, and nothing else public."""
    own = {name for name in vars(JWTRefreshAdapter) if not name.startswith("_")}
    assert own == {*VERBS, "token", "from_profile"}


def test_how_a_profile_is_used() -> None:
    """The name first; what the constructor takes may be given by name."""
    assert describe_call(JWTRefreshAdapter.from_profile) == (
        "(name=None, path=None, *, account=None, **options)"
    )


def test_the_presets_are_these() -> None:
    """A name comes or goes here first; tests/test_presets.py says how they are called."""
    assert sorted({*presets.__all__} - {"PRESET_MODULES", "Preset", "load"}) == PRESETS


# --- Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ERRORS)
def test_the_error_tree(name: str) -> None:
    """Code that catches a branch catches everything below it."""
    assert {base.__name__ for base in list_public(name).__bases__} == ERRORS[name]
    assert issubclass(list_public(name), requests.RequestException)


def test_errors_are_all_public() -> None:
    """What can be raised can be imported from the package itself."""
    errors = vars(sys.modules["requests_jwt_refresh.errors"]).values()
    raised = {
        each.__name__
        for each in errors
        if isinstance(each, type) and issubclass(each, list_public("JWTRefreshError"))
    }
    assert raised == set(ERRORS)


# --- Docstrings ----------------------------------------------------------------------------------


def list_documented() -> Iterator[tuple[str, Any]]:
    """Yield all that a user can call, by its full name."""
    owners = [(requests_jwt_refresh, NAMES), (presets, PRESETS), (testing, testing.__all__)]
    for owner, names in owners:
        for name in names:
            each = getattr(owner, name)
            if name == "Matcher":  # a type alias: a class with a docstring of its own on 3.10
                continue
            if inspect.isclass(each) or inspect.isroutine(each):
                yield name, each
            if inspect.isclass(each):
                yield from (
                    (f"{name}.{verb}", member)
                    for verb, member in vars(each).items()
                    # Fault says once for all faults what they do.
                    if not verb.startswith("_")
                    and verb not in ("play", "answer")
                    and (inspect.isfunction(member) or is_read(member))
                )


def is_read(member: object) -> bool:
    return isinstance(member, property)


DOCUMENTED = dict(list_documented())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_it_says_what_it_does(name: str) -> None:
    """Each has a docstring of its own, not the one that dataclass makes up."""
    text = inspect.getdoc(DOCUMENTED[name]) or ""
    assert text.partition("\n")[0].rstrip().endswith((".", ":")), "a first line that is a sentence"
    assert not text.startswith(f"{name}(")


# --- Importing -----------------------------------------------------------------------------------

UNWANTED = {
    "asyncio",
    "filelock",
    "http.server",
    "keyring",
    "multiprocessing",
    "platformdirs",
    "pytest",
    "redis",
    "requests_jwt_refresh.testing",
    "socketserver",
    "subprocess",
}


def list_loaded(module: str) -> set[str]:
    """Return what an interpreter loads for `module` beyond what requests has loaded already."""
    code = (
        "import json, sys, requests\n"
        "before = set(sys.modules)\n"
        f"import {module}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return set(json.loads(done.stdout))


def test_importing_it_does_not_even_load_requests() -> None:
    """A plugin of pytest or HTTPie costs nothing until it is used."""
    code = "import sys, requests_jwt_refresh.pytest_plugin; sys.exit('requests' in sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("module", ["requests_jwt_refresh", "requests_jwt_refresh.mounting"])
def test_importing_it_loads_nothing_that_is_not_needed_yet(module: str) -> None:
    """Neither keyring nor redis, no test tools, and of other people's packages none at all."""
    loaded = list_loaded(module)
    own = {*sys.stdlib_module_names, "_xxsubinterpreters"}  # Python's, which does not list that one
    foreign = {name.partition(".")[0] for name in loaded} - own
    assert foreign == {"requests_jwt_refresh"}
    assert loaded & UNWANTED == set()


def test_the_servers_for_tests_need_no_pytest() -> None:
    """The demo runs AuthServer where nothing but the runtime dependencies is installed."""
    loaded = list_loaded("requests_jwt_refresh.testing.server")
    assert "http.server" in loaded
    assert {name.partition(".")[0] for name in loaded} & {"pytest", "_pytest", "keyring"} == set()
