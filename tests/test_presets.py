"""Each preset is a value, asks for no more than it must, and is found by its name.

What each asks and understands is in tests/test_presets_recorded.py, its page in
tests/test_preset_pages.py.
"""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import pkgutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import ClientCredentials, OAuth2Endpoint, presets
from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.matching import any_401, json_field
from requests_jwt_refresh.presets import (
    ASPNETCoreIdentity,
    Auth0,
    Cognito,
    Directus,
    Express,
    Firebase,
    FlaskJWTExtended,
    GitHub,
    Keycloak,
    Proxmox,
    SimpleJWT,
    Supabase,
)
from requests_jwt_refresh.presets.base import Preset, fill, preset
from tests.support.documents import PAGES
from tests.support.recorded import Recorded

if TYPE_CHECKING:
    from requests_jwt_refresh.endpoints import Endpoint

NAMES = list(presets.PRESET_MODULES)
README = PAGES["README.md"]
NEED_A_URL = {"express"}
# What nobody but the user knows, in the order in which it is asked for.
ARGUMENTS = {
    "supabase": ["publishable_key"],
    "firebase": ["web_key"],
    "cognito": ["client_id"],
    "proxmox": ["username"],
}

each_name = pytest.mark.parametrize("name", NAMES)


def make(name: str, **options: Any) -> Any:
    return Recorded.read(name).make_endpoint(**options)


# --- Values --------------------------------------------------------------------------------------


@each_name
def test_a_preset_is_a_value(name: str) -> None:
    """It pickles, compares and hashes, so that a Session which holds it can be pickled."""
    preset = make(name)
    again = pickle.loads(pickle.dumps(preset))
    assert again == preset
    assert hash(again) == hash(preset)
    assert getattr(again, "api_headers", None) == getattr(preset, "api_headers", None)


@each_name
def test_a_preset_keeps_what_it_knows_when_it_is_changed(name: str) -> None:
    """dataclasses.replace gives the same rules with another URL."""
    preset = make(name)
    changed = dataclasses.replace(preset, url="https://elsewhere.example.com/token")
    assert changed.url == "https://elsewhere.example.com/token"
    assert dataclasses.replace(changed, url=preset.url) == preset


@pytest.mark.parametrize(
    ("preset", "call"),
    [
        (SimpleJWT(), "SimpleJWT()"),
        (SimpleJWT("/jwt/refresh/"), "SimpleJWT('/jwt/refresh/')"),
        (FlaskJWTExtended(), "FlaskJWTExtended()"),
        (
            FlaskJWTExtended(message_key="error"),
            "FlaskJWTExtended(when=json_field('error', 'Token has expired'))",
        ),
        (Directus(when=any_401), "Directus(when=status(401))"),
        (ASPNETCoreIdentity(rejected=(401, 403)), "ASPNETCoreIdentity(rejected=(401, 403))"),
        (Express("/auth/refresh"), "Express('/auth/refresh')"),
        (Express("/auth/refresh", send=header()), "Express('/auth/refresh', send=header())"),
        (GitHub("me", "hunter2"), "GitHub('me', '***')"),
    ],
)
def test_a_preset_prints_as_the_call_that_makes_it(preset: Endpoint, call: str) -> None:
    """Without the arguments that are defaults, and without secrets."""
    assert repr(preset) == call


@each_name
def test_no_preset_shows_a_secret(name: str) -> None:
    """Neither its own client's nor one in its headers."""
    assert "secret" not in repr(make(name))


# --- What each must be given ---------------------------------------------------------------------


@each_name
def test_only_what_the_server_cannot_have_documented_must_be_given(name: str) -> None:
    """The path of an Express server; the client of an OAuth 2.0 server comes first."""
    kind = presets.load(name).endpoint
    usual = ["client_id"] if inspect.isclass(kind) and issubclass(kind, OAuth2Endpoint) else []
    required = [
        each.name
        for each in inspect.signature(kind).parameters.values()
        if each.default is each.empty
    ]
    assert required == (["url"] if name in NEED_A_URL else ARGUMENTS.get(name, usual))
    assert presets.load(name).needs_url == (name in NEED_A_URL)


@each_name
def test_presets_take_what_is_given_first_and_the_rest_by_name(name: str) -> None:
    """The URL or the client, then options, as in the endpoints that they are made of."""
    parameters = inspect.signature(presets.load(name).endpoint).parameters.values()
    positional = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert positional in (
        ["url"],
        ["client_id", "client_secret"],
        ARGUMENTS.get(name),
    )
    assert {each.kind for each in parameters} <= {
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    }


@pytest.mark.parametrize(
    ("make_it", "missing"),
    [
        (lambda: Auth0("me"), "Auth0 needs domain="),
        (lambda: Cognito("me"), "Cognito needs region="),
        (lambda: Keycloak("me", realm="r"), "Keycloak needs server="),
        (lambda: presets.Nhost(subdomain="s"), "Nhost needs region="),
        (lambda: presets.EntraID("me"), "EntraID needs tenant="),
        (lambda: Firebase(""), "Firebase needs web_key="),
        (lambda: GitHub("me"), "needs both client_id and client_secret"),
    ],
)
def test_what_is_missing_is_said(make_it: Any, missing: str) -> None:
    """ValueError, by the name of the argument."""
    with pytest.raises(ValueError, match=missing):
        make_it()


def test_a_url_of_ones_own_needs_none_of_its_parts() -> None:
    """A custom domain, a proxy, a server in a test."""
    assert Auth0("me", url="https://id.example.com/token").url == "https://id.example.com/token"
    assert Firebase("k", url="/v1/token?key={web_key}").url == "/v1/token?key=k"


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("acme.auth0.com", "https://acme.auth0.com/oauth/token"),
        ("https://acme.auth0.com/", "https://acme.auth0.com/oauth/token"),
        ("a b?c#d", "https://a%20b%3Fc%23d/oauth/token"),
    ],
)
def test_a_domain_may_be_a_whole_url_and_never_leaves_its_place(domain: str, url: str) -> None:
    """What no host has in it is encoded."""
    assert Auth0("me", domain=domain).url == url


def test_a_preset_has_class_attributes_where_the_adapter_looks_for_them() -> None:
    """The header that carries the token, and what else each request needs."""
    assert presets.Shopify.attach == header("X-Shopify-Access-Token")
    assert vars(Supabase("k"))["api_headers"] == {"apikey": "k"}
    assert vars(presets.Xero("me", "s"))["api_headers"] == {}


def test_one_proof_of_possession_serves_the_api_and_the_token_endpoint() -> None:
    """Its nonces, and its key for a token that came without one, are the same for both."""
    preset = make("bluesky-oauth")
    assert preset.attach is preset.attach
    assert pickle.loads(pickle.dumps(preset)) == preset


def test_a_supabase_preset_adds_its_key_to_other_headers() -> None:
    """The refresh has both."""
    assert Supabase("k", headers={"X-Client": "me"}).headers == {"X-Client": "me", "apikey": "k"}


def test_a_presets_own_fields_stay_beside_the_users() -> None:
    """The fields of the request that the preset itself needs."""
    assert Proxmox("root@pam", extra={"realm": "pam"}).extra == {
        "realm": "pam",
        "username": "root@pam",
    }


def test_flask_may_have_another_message_key() -> None:
    """Its setting JWT_ERROR_MESSAGE_KEY; a rule of one's own goes before it."""
    changed = dataclasses.replace(FlaskJWTExtended(message_key="error"), url="/v2/refresh")
    assert changed.when == json_field("error", "Token has expired")
    assert FlaskJWTExtended(message_key="error", when=any_401).when == any_401


def test_an_expired_token_can_be_traded_in_where_the_server_takes_it() -> None:
    """Laravel's refresh window; PocketBase, Vault and Proxmox want a live one."""
    needs = {name for name in NAMES if make(name).needs_live_token}
    assert needs == {"pocketbase", "vault", "proxmox"}
    assert not make("laravel-jwt").needs_refresh_token
    without = {name for name in NAMES if make(name).refresh is None}
    assert without == {*needs, "laravel-jwt", "fastapi-template"}


# --- Writing one ---------------------------------------------------------------------------------


def test_another_default_leaves_the_fields_options_as_they_are() -> None:
    """What is not shown stays so, and each instance has a mapping of its own."""

    @preset(headers={"X-Key": "secret"})
    class Mine(OAuth2Endpoint):
        url: str = "/token"

    assert repr(Mine()) == "Mine()"
    assert "secret" not in repr(Mine(headers={"X-Key": "secret too"}))
    assert Mine().headers is not Mine().headers
    assert [each.name for each in dataclasses.fields(Mine)] == [
        each.name for each in dataclasses.fields(OAuth2Endpoint)
    ]


def test_a_misspelt_default_is_noticed() -> None:
    """TypeError, when the class is made."""
    with pytest.raises(TypeError, match="ClientCredentials inherits no field 'scopes'"):
        preset(scopes="read")(ClientCredentials)


# --- The registry --------------------------------------------------------------------------------


def test_each_module_is_a_preset_in_the_table() -> None:
    """And each name of the table is a module; base.py is what they share."""
    modules = {each.name for each in pkgutil.iter_modules(presets.__path__)}
    assert modules == {*presets.PRESET_MODULES.values(), "base"}


@each_name
def test_a_preset_is_loaded_by_the_name_it_has_in_profiles(name: str) -> None:
    """Its class is a name of the package, and what type checkers see there."""
    preset = presets.load(name)
    assert isinstance(preset, Preset)
    found = preset.endpoint.__name__
    assert getattr(presets, found) is preset.endpoint
    assert found in presets.__all__
    source = inspect.getsource(presets)
    module = f"requests_jwt_refresh.presets.{presets.PRESET_MODULES[name]}"
    assert f"from {module} import" in source
    assert f"{found} as {found}" in source


@each_name
def test_the_readme_names_each_known_server(name: str) -> None:
    """By the name of its class."""
    assert f"`{presets.load(name).endpoint.__name__}`" in README


def test_an_unknown_preset_is_an_error_that_names_the_known_ones() -> None:
    """ValueError."""
    with pytest.raises(ValueError, match="'django' is no preset: there are simplejwt, djoser"):
        presets.load("django")


def test_the_names_can_be_read_without_loading_a_preset() -> None:
    """The command line's help lists them, and must not pay for requests."""
    code = (
        "import sys\n"
        "from requests_jwt_refresh import presets\n"
        "assert 'simplejwt' in presets.PRESET_MODULES and 'SimpleJWT' in dir(presets)\n"
        "loaded = [name for name in sys.modules if 'requests_jwt_refresh.presets.' in name]\n"
        "assert loaded == [] and 'requests' not in sys.modules, loaded\n"
        "presets.SimpleJWT()\n"
        "assert 'requests_jwt_refresh.presets.simplejwt' in sys.modules\n"
        "assert 'requests_jwt_refresh.presets.directus' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_what_is_not_there_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="'Django'"):
        presets.Django  # noqa: B018 - looking it up is what is tested


def test_a_pickle_from_the_time_of_one_module_is_still_read() -> None:
    """0.1 had all presets in requests_jwt_refresh.presets."""
    pickled = pickle.dumps(SimpleJWT("/mine/"), protocol=0)
    assert b"requests_jwt_refresh.presets.simplejwt\n" in pickled
    old = pickled.replace(b"presets.simplejwt\n", b"presets\n")
    assert pickle.loads(old) == SimpleJWT("/mine/")


# --- Login and logout ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "login", "logout"),
    [
        ("simplejwt", "/api/token/", "/api/token/blacklist/"),
        ("flask-jwt-extended", "/login", "/logout"),
        ("directus", "/auth/login", "/auth/logout"),
        ("aspnetcore-identity", "/login", None),
        ("express", None, None),
        ("supabase", "/auth/v1/token?grant_type=password", "/auth/v1/logout"),
        (
            "firebase",
            "https://identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=AIzaKey",
            None,
        ),
        (
            "cognito",
            "https://cognito-idp.eu-central-1.amazonaws.com/",
            "https://cognito-idp.eu-central-1.amazonaws.com/",
        ),
        ("keycloak", None, "https://id.example.com/realms/acme/protocol/openid-connect/revoke"),
    ],
)
def test_login_and_logout_are_the_documented_ones(
    name: str, login: str | None, logout: str | None
) -> None:
    """With what the user has given in its place."""
    preset, endpoint = presets.load(name), make(name)
    assert preset.login_of(endpoint).get("url") == login
    assert preset.logout_of(endpoint).get("url") == logout


def test_a_documented_url_is_left_out_where_a_part_of_it_is_not_known() -> None:
    """A proxy before Cognito, an Auth0 without its domain: nothing is sent elsewhere."""
    known = presets.load("cognito")
    endpoint = Cognito("me", url="https://proxy.example.com/")
    assert "url" not in known.login_of(endpoint)
    assert "url" not in known.logout_of(endpoint)
    assert known.login_of(endpoint)["extra"]["ClientId"] == "me"


ELSEWHERE = "http://127.0.0.1:8000/token"


@pytest.mark.parametrize(
    "endpoint",
    [
        Firebase("key", url=ELSEWHERE),
        presets.Slack("me", "secret", url=ELSEWHERE),
        presets.Salesforce("me", "secret", domain="acme.my", url=ELSEWHERE),
        presets.Fitbit("me", "secret", url="/token"),
    ],
    ids=lambda endpoint: type(endpoint).__name__,
)
def test_with_a_url_of_its_own_an_endpoint_sends_no_secret_to_the_documented_server(
    endpoint: Any,
) -> None:
    """A test against AuthServer, say: no password for Google, no token for Slack."""
    known = sys.modules[type(endpoint).__module__].PRESET
    assert "url" not in known.login_of(endpoint)
    assert "url" not in known.logout_of(endpoint)


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://h/api/token/refresh/", "https://h/api/token/"),
        ("https://auth.h/sso/api/token/refresh/", "https://auth.h/sso/api/token/"),
        ("https://h/refresh", "/api/token/"),
        ("/v2/api/token/refresh/", "/api/token/"),
    ],
)
def test_a_whole_url_with_the_usual_path_says_where_the_login_is(url: str, login: str) -> None:
    """Beside it, whatever the API's base URL is: the guide's own example has another one."""
    known = presets.load("simplejwt")
    assert known.login_of(SimpleJWT(url))["url"] == login
    assert known.logout_of(SimpleJWT(url))["url"] == login + "blacklist/"


def test_another_path_of_the_documented_server_changes_nothing() -> None:
    """The login and the logout are where they were."""
    known, endpoint = (
        presets.load("slack"),
        presets.Slack("me", "secret", url="https://slack.com/api/other"),
    )
    assert known.logout_of(endpoint)["url"] == "https://slack.com/api/auth.revoke"


def test_what_a_login_needs_of_the_endpoint_is_put_in() -> None:
    """At any depth; what is no name of a field stays."""
    login = presets.load("cognito").login_of(make("cognito"))
    assert login["extra"] == {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "client"}
    assert fill({"a": ["{x}", 1], "b": "/{username}"}, object()) == {
        "a": ["{x}", 1],
        "b": "/{username}",
    }


@each_name
def test_a_fixed_base_url_is_an_https_url(name: str) -> None:
    """And the one with which the exchanges were recorded."""
    base_url = presets.load(name).base_url
    assert base_url is None or base_url.startswith("https://")
    assert base_url in (None, Recorded.read(name).base_url)
