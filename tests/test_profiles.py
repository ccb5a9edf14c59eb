"""A file of profiles: what it is read into, and what an adapter makes of that."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import header
from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.endpoints import JSONEndpoint, OAuth2Endpoint
from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.grants.browser import BrowserLogin
from requests_jwt_refresh.grants.device import DeviceLogin
from requests_jwt_refresh.grants.discovery import ServerMetadata
from requests_jwt_refresh.grants.password import PasswordLogin
from requests_jwt_refresh.grants.revocation import Logout
from requests_jwt_refresh.presets import PRESET_MODULES
from requests_jwt_refresh.profiles.load import KINDS, Profiles, check, is_name
from requests_jwt_refresh.profiles.secrets import SecretFile, SecretInKeyring, WithSecrets
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.stores.redis import RedisStore
from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.tokens import Token
from tests.support.profiles import (
    API,
    CLIENT,
    FULL,
    GOOD,
    JSON,
    OAUTH2_FULL,
    PROD,
    SECRET,
    STORE,
    WHEN,
    catch_fault,
    endpoint_of,
    file,
    no_profiles_in_the_environment,
    profile,
    read_json,
)

if TYPE_CHECKING:
    from pathlib import Path

    import requests

__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures


def test_a_full_profile_is_read_into_values(file: Path) -> None:
    """Each key of the file arrives where it belongs."""
    read = profile(file, FULL)
    assert (read.name, read.file) == ("prod", file)
    assert read.base_url == "https://api.example.com/v1"
    assert read.trusted_origins == ("https://cdn.example.com", "https://files.example.com:8443/")
    assert (read.refresh_timeout, read.allow_http) == (5.0, False)
    assert repr(read.refresh) == (
        "JSONEndpoint('/auth/refresh', send='data.renew', access='data.token', "
        "refresh='data.renew', expires_in='data.ttl', ok=(200,), rejected=(401, 403), extra='***')"
    )
    assert read_json(endpoint_of(read).ask("https://h/r", Token("a", "r")).prepare()) == {
        "data": {"device": 7, "renew": "r"}
    }
    assert repr(read.when) == "json_field('message', 'Invalid JWT', status=(401, 403))"
    assert read.store == FileStore(file.parent / "token.json")
    assert read.store_label == f"file {file.parent / 'token.json'}"
    assert read.secrets == {}
    assert read.device is None
    assert read.login == PasswordLogin(
        "https://login.example.com/in",
        endpoint=JSONEndpoint(
            "/auth/refresh",
            send="data.renew",
            access="jwt.access",
            refresh="data.renew",
            expires_in="data.ttl",
            ok=(200,),
            rejected=(401, 403),
            extra={"data": {"device": 7}},
        ),
        send="form",
        username_field="email",
        password_field="pass",
        extra={"tenant": "acme"},
    )
    assert read.logout == Logout(
        "https://api.example.com/v1/auth/logout",
        method="DELETE",
        refresh_field="renew",
        extra={"everywhere": True},
        attach=header(),
    )


def test_a_short_profile_leaves_the_rest_to_its_defaults(file: Path) -> None:
    """The keyring holds the token, the endpoint's own rule says what "expired" is."""
    read = profile(file, PROD + JSON)
    assert read.options() == {
        "base_url": "https://api.example.com/v1",
        "refresh": JSONEndpoint("/r"),
        "store": read.store,
        "when": None,
        "trusted_origins": (),
        "refresh_timeout": 30.0,
        "match_limit": 262_144,
        "allow_http": False,
    }
    assert (read.login, read.device, read.logout, read.secrets) == (None, None, None, {})
    assert read.store_label == "keyring, entry 'https://api.example.com (prod)'"


def test_a_profile_says_how_much_a_matcher_may_see(file: Path) -> None:
    """match_limit is an option of the adapter's, and stands at the top."""
    assert profile(file, f"{PROD}match_limit = 1000000\n{JSON}").options()["match_limit"] == 10**6


REFRESHES = [
    ('kind = "json"\nurl = "/r"', "JSONEndpoint('/r')", "/r"),
    ('kind = "json"\nurl = "/r"\nbare = true', "JSONEndpoint('/r', access=None)", "/r"),
    ('kind = "json"\nurl = "/r"\nbare = false', "JSONEndpoint('/r')", "/r"),
    ('kind = "bearer"\nurl = "r?x=1"', "BearerEndpoint('r?x=1')", "/r?x=1"),
    (
        'kind = "bearer"\nurl = "/r"\nmethod = "PUT"\nrejected = 422\nok = [201, 200]',
        "BearerEndpoint('/r', rejected=(422,), method='PUT')",
        "/r",
    ),
    ('kind = "oauth2"\nurl = "/t"', "OAuth2Endpoint('/t')", "/t"),
    (
        (
            'kind = "json"\nurl = "/r"\nmethod = "PUT"\nencode = "form"\nexpires_in_unit = "ms"\n'
            'expires_at = "until"\nheaders = { X-Mode = "a" }\nsend_access = { header = "X-T" }\n'
            'rejected = { json_field = "error", value = "gone" }\nsend = { cookie = "rt" }'
        ),
        (
            "JSONEndpoint('/r', send=cookie('rt'), expires_in_unit='ms', expires_at='until', "
            "rejected=json_field('error', 'gone'), headers='***', method='PUT', encode='form', "
            "send_access=header('X-T'))"
        ),
        "/r",
    ),
    (
        (
            'kind = "json"\nurl = "/r"\nsend = false\nsend_access = { header = "Authorization" }\n'
            "refresh = false"
        ),
        "JSONEndpoint('/r', send=None, refresh=None, send_access=header())",
        "/r",
    ),
    (
        (
            'kind = "oauth2"\nurl = "/t"\nscope = "a b"\naccess = "id_token"\nexpires_at = "e"\n'
            'rejected = [401, 403]\nheaders = { X-Mode = "a" }'
        ),
        (
            "OAuth2Endpoint('/t', scope='a b', access='id_token', expires_at='e', "
            "rejected=(401, 403), headers='***')"
        ),
        "/t",
    ),
    (
        (
            'kind = "oauth2"\nurl = "/t"\nclient_id = "me"\nclient_auth = "basic-raw"\n'
            'client_secret_file = "/s"'
        ),
        (
            "WithSecrets(endpoint=OAuth2Endpoint('/t', 'me', '***', client_auth='basic-raw'), "
            "secrets={('client_secret',): SecretFile(path='/s')})"
        ),
        "/t",
    ),
    (
        'kind = "oauth2"\nurl = "/t"\nclient_id = "me"\nclient_auth = "none"\nextra.scope = "a"',
        "OAuth2Endpoint('/t', 'me', client_auth='none', extra='***')",
        "/t",
    ),
    (
        'kind = "client-credentials"\nurl = "/t"\nclient_id = "me"\nclient_secret_file = "/s"',
        (
            "WithSecrets(endpoint=ClientCredentials('/t', 'me', '***'), "
            "secrets={('client_secret',): SecretFile(path='/s')})"
        ),
        "/t",
    ),
    ('kind = "jwt-bearer"\nurl = "/t"\nassertion_file = "/s"', "JWTBearer('/t', '***')", "/t"),
    (
        'kind = "token-exchange"\nurl = "/t"\nsubject_token_file = "/s"',
        "TokenExchange('/t', '***')",
        "/t",
    ),
    ('preset = "simplejwt"', "SimpleJWT()", "/api/token/refresh/"),
    ('preset = "simplejwt"\nurl = "/r/"', "SimpleJWT('/r/')", "/r/"),
    ('preset = "flask-jwt-extended"', "FlaskJWTExtended()", "/refresh"),
    (
        'preset = "flask-jwt-extended"\nmessage_key = "why"',
        "FlaskJWTExtended(when=json_field('why', 'Token has expired'))",
        "/refresh",
    ),
    ('preset = "directus"', "Directus()", "/auth/refresh"),
    ('preset = "directus"\nextra.mode = "x"', "Directus(extra='***')", "/auth/refresh"),
    ('preset = "aspnetcore-identity"', "ASPNETCoreIdentity()", "/refresh"),
    (
        'preset = "express"\nurl = "/r"\naccess = "jwt"\nsend = "rt"',
        "Express('/r', send='rt', access='jwt')",
        "/r",
    ),
]


@pytest.mark.parametrize(("refresh", "endpoint", "path"), REFRESHES)
def test_each_kind_and_preset_becomes_its_endpoint(
    file: Path, refresh: str, endpoint: str, path: str
) -> None:
    """With its URL below the base URL; an adapter takes it."""
    read = profile(file, f"{PROD}[prod.refresh]\n{refresh}\n")
    assert repr(read.refresh) == endpoint
    assert read.refresh_url == f"https://api.example.com/v1{path}"
    adapter = JWTRefreshAdapter(**read.options())
    assert adapter.prefixes() == ("https://api.example.com/", "https://api.example.com:443/")
    assert adapter.base_url == read.base_url


def test_every_kind_is_among_these() -> None:
    """A new one gets its line above; all presets are in tests/test_preset_pages.py."""
    named = {refresh.split('"')[1] for refresh, _, _ in REFRESHES}
    assert {*KINDS} <= named <= {*KINDS, *PRESET_MODULES}


def test_a_presets_own_extra_stays_unless_the_file_has_another(file: Path) -> None:
    """An empty table is none."""
    for extra, mode in (("", "json"), ("extra = {}", "json"), ('extra.mode = "x"', "x")):
        read = profile(file, f'{PROD}[prod.refresh]\npreset = "directus"\n{extra}')
        sent = endpoint_of(read).ask("https://h/r", Token("a", "r")).prepare()
        assert read_json(sent) == {"mode": mode, "refresh_token": "r"}


@pytest.mark.parametrize(
    ("preset", "url", "username_field", "extra"),
    [
        ("simplejwt", "/api/token/", "username", {}),
        ("flask-jwt-extended", "/login", "username", {}),
        ("directus", "/auth/login", "email", {"mode": "json"}),
        ("aspnetcore-identity", "/login", "email", {}),
    ],
)
def test_a_preset_knows_its_servers_login(
    file: Path, preset: str, url: str, username_field: str, extra: dict[str, Any]
) -> None:
    """It needs no table of its own; one that is there changes what it names."""
    refresh = f'[prod.refresh]\npreset = "{preset}"\n'
    read = profile(file, PROD + refresh)
    assert read.login == PasswordLogin(
        f"https://api.example.com/v1{url}",
        endpoint=read.refresh,
        username_field=username_field,
        extra=extra,
    )
    other = profile(file, f'{PROD}{refresh}[prod.login]\nurl = "/in"\n')
    assert other.login is not None
    assert other.login.url == "https://api.example.com/v1/in"
    assert other.login.username_field == username_field


@pytest.mark.parametrize(
    ("preset", "logout"),
    [
        ("simplejwt", Logout("/api/token/blacklist/", refresh_field="refresh")),
        ("flask-jwt-extended", Logout("/logout", send="bearer", method="DELETE")),
        ("directus", Logout("/auth/logout", extra={"mode": "json"})),
    ],
)
def test_a_presets_logout_has_to_be_asked_for(file: Path, preset: str, logout: Logout) -> None:
    """Not every server has one; an empty table is enough."""
    refresh = f'[prod.refresh]\npreset = "{preset}"\n'
    assert profile(file, PROD + refresh).logout is None
    read = profile(file, f"{PROD}{refresh}[prod.logout]\n").logout
    assert read == Logout(
        f"https://api.example.com/v1{logout.url}",
        logout.send,
        logout.method,
        logout.refresh_field,
        logout.extra,
        attach=header(),
    )


def test_express_has_no_login_that_could_be_known(file: Path) -> None:
    """Only the name of its field is habit."""
    express = f'{PROD}[prod.refresh]\npreset = "express"\nurl = "/r"\n'
    assert profile(file, express).login is None
    read = profile(file, f'{express}[prod.logout]\nurl = "/out"\n').logout
    url = "https://api.example.com/v1/out"
    assert read == Logout(url, refresh_field="refreshToken", attach=header())


@pytest.mark.parametrize(
    ("when", "matcher"),
    [
        ("status = 403", "status(403)"),
        ("status = [401, 403]", "status(401, 403)"),
        ('json_field = "code"\nvalue = "x"', "json_field('code', 'x')"),
        ('json_field = "a.0.b"\nvalue = 7\nstatus = 403', "json_field('a.0.b', 7, status=403)"),
        ('json_field = "expired"\nvalue = true', "json_field('expired', True)"),
        ('json_field = "*.e.*.c"\nvalue = "x"', "json_field('*.e.*.c', 'x')"),
        ('json_field = "n"\nvalue = 0.5', "json_field('n', 0.5)"),
        ('json_field = "m"\nvalue = ""', "json_field('m', '')"),
        ("bearer_challenge = true", "bearer_challenge(None)"),
        ('bearer_challenge = "invalid_token"', "bearer_challenge()"),
        ('bearer_challenge = "old"\nstatus = 403', "bearer_challenge('old', status=403)"),
        (
            'any_of = [{status = 419}, {json_field = "a", value = 1}]',
            "any_of(status(419), json_field('a', 1))",
        ),
        (
            "all_of = [{status = [401, 403]}, {any_of = [{bearer_challenge = true}]}]",
            "all_of(status(401, 403), any_of(bearer_challenge(None)))",
        ),
    ],
)
def test_when_becomes_a_matcher(file: Path, when: str, matcher: str) -> None:
    """The one that the functions of the same names make, and the adapter gets it."""
    read = profile(file, f"{WHEN}{when}\n")
    assert repr(read.when) == matcher
    assert read.options()["when"] is read.when


@pytest.mark.parametrize(
    ("store", "made", "shown"),
    [
        (
            'kind = "keyring"',
            f"KeyringStore(service='{API}', account='prod', allow_plaintext=False, timeout=30.0)",
            f"keyring, entry '{API} (prod)'",
        ),
        (
            'kind = "keyring"\nservice = "s"\naccount = "a"\nallow_plaintext = true',
            "KeyringStore(service='s', account='a', allow_plaintext=True, timeout=30.0)",
            "keyring, entry 's (a)'",
        ),
        (
            'kind = "redis"\nurl = "redis://cache.example.com/0"\nkey = "prod"',
            "<RedisStore 'prod' in a URL>",
            "Redis, key 'prod'",
        ),
    ],
)
def test_a_store_is_where_the_token_lives(file: Path, store: str, made: str, shown: str) -> None:
    """And people can be told where."""
    read = profile(file, f"{STORE}{store}\n")
    assert repr(read.store) == made
    assert read.store_label == shown


def test_a_path_means_the_same_in_every_folder(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative one is beside the profiles, and `~` is the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    for path, found in (
        ("t.json", tmp_path / "t.json"),
        ("sub/t.json", tmp_path / "sub" / "t.json"),
        ("~/t.json", tmp_path / "home" / "t.json"),
        ((tmp_path / "x" / "t.json").as_posix(), tmp_path / "x" / "t.json"),
    ):
        read = profile(file, f'{STORE}kind = "file"\npath = "{path}"\n')
        assert read.store == FileStore(found)
        assert read.store_label == f"file {found}"
        client = profile(file, f'{PROD}{CLIENT}client_secret_file = "{path}"\n')
        assert list(client.secrets.values()) == [SecretFile(str(found))]


def test_a_redis_url_and_key_can_come_from_files_of_their_own(file: Path, tmp_path: Path) -> None:
    """Those may hold the secrets that the profile may not."""
    pytest.importorskip("cryptography")
    (tmp_path / "url").write_text(f"redis://:{SECRET}@cache.example.com/0\n")
    (tmp_path / "key").write_text(f"{base64.urlsafe_b64encode(bytes(32)).decode()}\n")
    read = profile(
        file,
        f'{STORE}kind = "redis"\nkey = "k"\nurl_file = "url"\nencryption_key_file = "key"\n',
    )
    assert isinstance(read.store, RedisStore)
    assert SECRET not in f"{read} {read.options()}"
    (tmp_path / "key").write_text(SECRET)
    error = catch_fault(file).value
    expected = f"{file}: profile 'prod': store: encryption_key is not a Fernet key"
    assert str(error).startswith(expected), "the file is read, and what it holds is used"
    assert SECRET not in f"{error} {error!r}"


@pytest.mark.parametrize(
    ("store", "beside"),
    [
        ('kind = "keyring"\naccount = "a"', "account='a doctor'"),
        ('kind = "file"\npath = "/x/t.json"', "t.json.doctor"),
        ('kind = "redis"\nurl = "redis://h"\nkey = "k"', "'k:doctor'"),
    ],
)
def test_there_is_another_store_of_the_kind_beside_the_tokens(
    file: Path, store: str, beside: str
) -> None:
    """What is tried there does not touch the token."""
    read = profile(file, f"{STORE}{store}\n")
    assert type(read.probe_store) is type(read.store)
    assert read.probe_store != read.store
    assert beside in repr(read.probe_store)
    assert beside not in repr(read.store)
    assert read.options()["store"] is read.store


def test_a_full_oauth2_profile_is_read_into_values(file: Path) -> None:
    """The client that refreshes is also the one that logs in and out; all URLs are absolute."""
    read = profile(file, OAUTH2_FULL)
    api = "https://api.example.com/v1"
    client = read.refresh
    assert isinstance(client, WithSecrets)
    assert read.secrets == {"client secret": SecretFile(str(file.parent / "secret"))}
    assert read.login == PasswordLogin(f"{api}/token", endpoint=client, send="oauth2")
    assert read.device == DeviceLogin(
        f"{api}/device", f"{api}/token", "me", client=client, scope="a b"
    )
    assert read.logout == Logout(f"{api}/revoke", send="oauth2", client=client, attach=header())
    assert JWTRefreshAdapter(**read.options()).base_url == api


def test_a_public_client_may_use_the_device_flow_elsewhere(file: Path) -> None:
    """`token_url` is another than the refresh endpoint's where the file says so."""
    device = '[prod.device]\nurl = "https://id.example.com/d"\ntoken_url = "/t"\n'
    read = profile(file, PROD + CLIENT + device)
    assert read.device == DeviceLogin(
        "https://id.example.com/d",
        "https://api.example.com/v1/t",
        "me",
        client=OAuth2Endpoint("/token", "me"),
    )


def test_a_login_in_a_browser_is_read_in_full(file: Path) -> None:
    """It asks for what the profile says and for nothing more; its URLs are absolute."""
    tables = """
[prod.browser]
issuer = "https://id.example.com"
authorization_url = "https://id.example.com/a"
redirect_uri = "http://localhost:8400/cb"
scope = "openid offline_access"
response_mode = "form_post"
sends_iss = true
[prod.logout]
end_session_url = "/end"
"""
    read = profile(file, PROD + CLIENT + tables)
    api = "https://api.example.com/v1"
    server = ServerMetadata(
        "https://id.example.com",
        authorization_url="https://id.example.com/a",
        token_url=f"{api}/token",
        response_modes=("form_post",),
        sends_iss=True,
        is_openid=True,
        takes_offline_access=True,
    )
    uri, scope = "http://localhost:8400/cb", "openid offline_access"
    assert read.browser == BrowserLogin(server, "me", redirect_uri=uri, scope=scope)
    assert (read.logout, read.end_session_url) == (None, f"{api}/end")
    assert read.named_urls()["browser"] == "https://id.example.com/a"
    assert JWTRefreshAdapter(**read.options()).base_url == api


@pytest.mark.parametrize("auth", ["basic", "post"])
def test_a_client_secret_without_a_file_is_in_the_keyring(file: Path, auth: str) -> None:
    """It is looked up when needed, not when the profile is read."""
    read = profile(file, f'{PROD}{CLIENT}client_auth = "{auth}"\n')
    assert read.secrets == {"client secret": SecretInKeyring("https://api.example.com", "prod")}
    assert isinstance(read.refresh, WithSecrets)
    assert read.refresh.endpoint.client_auth == auth


def test_own_urls_are_those_that_give_renew_and_take_back_tokens(file: Path) -> None:
    """The login's, the device flow's two, the refresh's and the logout's."""
    api = "https://api.example.com/v1"
    assert profile(file, PROD + JSON).own_urls() == {f"{api}/r"}
    assert profile(file, FULL).own_urls() == {
        f"{api}/auth/refresh",
        "https://login.example.com/in",
        f"{api}/auth/logout",
    }
    elsewhere = OAUTH2_FULL.replace("scope", 'token_url = "/poll"\nscope')
    assert profile(file, elsewhere).own_urls() == {
        f"{api}/token",
        f"{api}/device",
        f"{api}/poll",
        f"{api}/revoke",
    }


def test_origins_are_those_of_the_base_and_the_trusted_ones(file: Path) -> None:
    """A login elsewhere is not among them: it gets no token."""
    assert {str(origin) for origin in profile(file, FULL).origins()} == {
        "https://api.example.com",
        "https://cdn.example.com",
        "https://files.example.com:8443",
    }


def test_allow_http_is_for_all_urls_of_a_profile(file: Path) -> None:
    """Without it, none of them may be plain http to another machine."""
    text = (
        '[prod]\nbase_url = "http://a.example"\ntrusted_origins = ["http://b.example"]\n'
        f'allow_http = true\n{JSON}[prod.login]\nurl = "http://c.example/in"\n'
    )
    read = profile(file, text)
    assert read.allow_http is True
    assert "http://b.example/" in JWTRefreshAdapter(**read.options()).prefixes()
    file.write_text(text.replace("true", "false"))
    assert "base_url" in str(catch_fault(file).value)


def test_names_are_in_the_files_order(file: Path) -> None:
    """What is no table is no profile."""
    file.write_text(f"stray = 1\n[zebra]\n{PROD}{GOOD}")
    assert Profiles.read(file).names == ["zebra", "prod", "good"]


@pytest.mark.parametrize(
    ("name", "good"),
    [
        *((name, True) for name in ("prod", "a", "7", "Prod-eu_1.x")),
        *((name, False) for name in ("", "-a", ".a", "_a", "a b", "a/b", "é", "a\n", "prod:x")),
    ],
)
def test_a_name_is_made_of_letters_digits_and_a_few_signs(name: str, good: bool) -> None:
    """So that it can stand in a command, a file's name and a header of the file."""
    assert is_name(name) is good


def test_content_can_be_checked_before_it_is_a_file(file: Path) -> None:
    """As `init` does, with the same errors."""
    content: dict[str, Any] = {"base_url": "https://h", "refresh": {"preset": "simplejwt"}}
    assert check(file, "new", content).base_url == "https://h/"
    with pytest.raises(ProfileError) as caught:
        check(file, "new", {**content, "colour": 1})
    assert str(caught.value).startswith(f"{file}: profile 'new': colour is not known")


def test_a_file_may_start_with_a_byte_order_mark(file: Path) -> None:
    """Some editors of Windows write one."""
    assert profile(file, f"\ufeff{PROD}{JSON}").name == "prod"


@pytest.mark.parametrize("url", ["/refresh token", "https://API.example.com/r"])
def test_the_refresh_url_is_as_requests_would_send_it(file: Path, url: str) -> None:
    """Like the other own URLs, so that a request can be found among them."""
    read = profile(file, f'{PROD}[prod.refresh]\nkind = "json"\nurl = "{url}"\n')
    asked = endpoint_of(read).ask(read.refresh_url, Token("a", "r")).prepare()
    assert asked.url in read.own_urls()


# --- from a profile to answers -------------------------------------------------------------------


def test_an_adapter_from_a_profile_refreshes(
    file: Path, server: AuthServer, session: requests.Session
) -> None:
    """The token comes from the file's store; when it expires, one refresh mends it."""
    file.write_text(
        f'[prod]\nbase_url = "{server.url}"\n'
        '[prod.refresh]\nkind = "json"\nurl = "/auth/refresh"\n'
        '[prod.when]\njson_field = "message"\nvalue = "Invalid JWT"\n'
        '[prod.store]\nkind = "file"\npath = "state/token.json"\n'
    )
    store = FileStore(file.parent / "state" / "token.json")
    first = server.login()
    store.save(first)
    adapter = JWTRefreshAdapter.from_profile("prod", file)
    for prefix in adapter.prefixes():
        session.mount(prefix, adapter)
    assert session.get(f"{server.url}/api/a").status_code == 200
    server.expire()
    assert session.get(f"{server.url}/api/b").status_code == 200
    assert (server.counters.refreshes, server.counters.rotated) == (1, 1)
    stored = store.load()
    assert stored is not None
    assert stored == adapter.token
    assert stored.refresh != first.refresh


def test_a_profiles_when_is_what_its_adapter_takes_for_expired(
    file: Path, server: AuthServer, session: requests.Session
) -> None:
    """Another 401 is the caller's, and no refresh is spent on it."""
    file.write_text(
        f'[prod]\nbase_url = "{server.url}"\n[prod.refresh]\nkind = "json"\nurl = "/auth/refresh"\n'
        '[prod.when]\njson_field = "message"\nvalue = "something else"\n'
    )
    adapter = JWTRefreshAdapter.from_profile("prod", file, store=MemoryStore(server.login()))
    session.mount(server.url, adapter)
    server.expire()
    assert session.get(f"{server.url}/api/a").status_code == 401
    assert server.counters.refreshes == 0


def test_a_client_with_its_secret_in_a_file_refreshes(
    file: Path, session: requests.Session
) -> None:
    """The token endpoint gets the file's secret as Basic (RFC 6749 §2.3.1)."""
    with AuthServer(refresh_path="/auth/token") as server:
        file.write_text(
            f'[prod]\nbase_url = "{server.url}"\n[prod.refresh]\nkind = "oauth2"\n'
            'url = "/auth/token"\nclient_id = "me"\nclient_secret_file = "secret"\n'
        )
        (file.parent / "secret").write_text(f"{SECRET}\n")
        store = MemoryStore(server.login())
        session.mount(server.url, JWTRefreshAdapter.from_profile("prod", file, store=store))
        server.expire()
        assert session.get(f"{server.url}/api/a").status_code == 200
        asked = [seen for seen in server.requests if seen.kind == "refresh"]
    assert len(asked) == 1
    expected = base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert asked[0].headers["Authorization"] == f"Basic {expected}"


def test_options_of_the_call_go_before_those_of_the_profile(file: Path) -> None:
    """As a program may know better than the file it shares."""
    file.write_text(FULL)
    token = Token("access", "refresh")
    adapter = JWTRefreshAdapter.from_profile(
        "prod",
        file,
        base_url="https://other.example.com",
        store=MemoryStore(token),
        trusted_origins=(),
    )
    assert adapter.base_url == "https://other.example.com/"
    assert adapter.token == token
    assert adapter.prefixes() == ("https://other.example.com/", "https://other.example.com:443/")
    with pytest.raises(ValueError, match="refresh_timeout"):
        JWTRefreshAdapter.from_profile("prod", file, refresh_timeout=-1)
