"""Each known server, played by AuthServer, by one line of Python and by a profile.

What it does on the wire is written down twice and apart: in testing/likes as the server's side, in
presets as ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from requests_jwt_refresh import (
    ClientCredentials,
    DPoP,
    FileStore,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    PasswordLogin,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    any_of,
    header,
    json_field,
    mount,
    presets,
)
from requests_jwt_refresh.testing import AuthServer
from tests.support.keyrings import fail_backend, use_keyring
from tests.support.servers.clients import in_threads
from tests.support.waits import WAIT, finish_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import requests

    from requests_jwt_refresh import TokenStore

# What the presets want to know, by the names of their arguments: AuthServer's own examples.
GIVEN = {
    "client_id": "client-id",
    "client_secret": "client-secret",
    "web_key": "api-key",
    "publishable_key": "api-key",
    "username": "alice",
}
MORE = {
    "cognito": {"region": "eu-west-1"},
    "entra-id": {"scope": "User.Read offline_access"},
    "nhost": {"subdomain": "app", "region": "eu-central-1"},
}
PUBLIC = {"bluesky-oauth", "home-assistant", "tesla"}  # their clients have no secret
QUERIES = {"firebase": "?key={web_key}", "supabase": "?grant_type=refresh_token"}
LIVE = ("pocketbase", "proxmox", "vault")  # renewed while they live


class Nameless(NamedTuple):
    """A kind of server that has no name, and so no preset: what one line says about it."""

    endpoint: Any
    profile: str
    """The same in a profile: what stands under [api]."""


GRAPHQL = [
    json_field(f"{start}errors.*.extensions.code", "UNAUTHENTICATED", status=200)
    for start in ("", "*.")
]
NAMELESS = {
    "epoch-ms": Nameless(
        JSONEndpoint("/auth/refresh", expires_at="expires_at"),
        'refresh = { kind = "json", url = "/auth/refresh", expires_at = "expires_at" }',
    ),
    "rfc3339": Nameless(
        JSONEndpoint("/auth/refresh", expires_at="expires_at"),
        'refresh = { kind = "json", url = "/auth/refresh", expires_at = "expires_at" }',
    ),
    "both-tokens": Nameless(
        JSONEndpoint(
            "/auth/refresh",
            send="refreshToken",
            send_access="accessToken",
            access="accessToken",
            refresh="refreshToken",
        ),
        'refresh = { kind = "json", url = "/auth/refresh", send = "refreshToken", '
        'send_access = "accessToken", access = "accessToken", refresh = "refreshToken" }',
    ),
    "graphql-list": Nameless(
        JSONEndpoint("/auth/refresh", when=any_of(*GRAPHQL)),
        'refresh = { kind = "json", url = "/auth/refresh" }\n'
        'when = { any_of = [{ json_field = "errors.*.extensions.code", value = "UNAUTHENTICATED", '
        'status = 200 }, { json_field = "*.errors.*.extensions.code", value = "UNAUTHENTICATED", '
        "status = 200 }] }",
    ),
    "client-credentials": Nameless(
        ClientCredentials("/oauth/token", "client-id", "client-secret"),
        'refresh = { kind = "client-credentials", url = "/oauth/token", client_id = "client-id", '
        'client_secret_file = "secret" }',
    ),
}
PRESETS = sorted(set(presets.PRESET_MODULES) - {"fastapi-template"})
PLAYED = [*PRESETS, *NAMELESS]
REVOCABLE = [name for name in PLAYED if name != "client-credentials"]
WAYS = ["python", "profile"]


class User(NamedTuple):
    """A user of a server, with a session on which the adapter is mounted."""

    server: AuthServer
    session: requests.Session
    adapter: JWTRefreshAdapter
    store: TokenStore
    logouts: list[RefreshRejected]

    def call(self, method: str = "GET") -> requests.Response:
        return self.session.request(method, "/anything", timeout=WAIT)

    def load(self) -> Token:
        token = self.store.load()
        assert token is not None
        return token

    def counts(self) -> tuple[int, int]:
        """Return how often the server was asked for tokens, and gave some."""
        counters = self.server.counters
        return counters.refreshes, counters.rotated


def arguments_of(name: str, server: AuthServer) -> dict[str, Any]:
    """Return what a user of the preset gives it."""
    make: Any = presets.load(name).endpoint
    fields = {each.name for each in dataclasses.fields(make)}
    given = {field: value for field, value in GIVEN.items() if field in fields}
    if name in PUBLIC:
        del given["client_secret"]
    return {"url": server.refresh_path + QUERIES.get(name, ""), **given, **MORE.get(name, {})}


def make_endpoint(name: str, server: AuthServer) -> Any:
    if name in NAMELESS:
        return NAMELESS[name].endpoint
    return presets.load(name).endpoint(**arguments_of(name, server))


def write_profile(folder: Path, name: str, server: AuthServer) -> Path:
    """Write what `make_endpoint` says as a profile; return the file."""
    (folder / "secret").write_text(GIVEN["client_secret"])
    (folder / "secret").chmod(0o600)
    path = folder / "profiles.toml"
    store = 'store = { kind = "file", path = "token.json" }'
    path.write_text(f'[api]\nbase_url = "{server.url}"\n{store}\n{describe(name, server)}\n')
    return path


def describe(name: str, server: AuthServer) -> str:
    if name in NAMELESS:
        return NAMELESS[name].profile
    given = {"preset": name, **arguments_of(name, server)}
    if given.pop("client_secret", None):
        given["client_secret_file"] = "secret"
    return f"refresh = {{ {', '.join(f'{key} = {json.dumps(given[key])}' for key in given)} }}"


def mount_by_profile(session: requests.Session, path: Path, **options: Any) -> JWTRefreshAdapter:
    adapter = JWTRefreshAdapter.from_profile("api", path, **options)
    for prefix in adapter.prefixes():
        session.mount(prefix, adapter)
    return adapter


@pytest.fixture(autouse=True)
def _no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a password may be remembered, none is, whatever keyring this machine has."""
    use_keyring(monkeypatch, fail_backend())


@pytest.fixture(params=WAYS)
def start(
    request: pytest.FixtureRequest, session: requests.Session, tmp_path: Path
) -> Iterator[Callable[..., User]]:
    """Return what starts a server of that name, and mounts the adapter in one of the two ways."""
    with contextlib.ExitStack() as stack:

        def begin(name: str, **options: Any) -> User:
            server = stack.enter_context(AuthServer(like=name))
            logouts: list[RefreshRejected] = []
            options["on_logout"] = logouts.append
            if name == "bluesky-oauth":
                options["attach"] = DPoP()
            if request.param == "profile":
                store: TokenStore = FileStore(tmp_path / "token.json")
                store.save(log_in(name, server))
                adapter = mount_by_profile(
                    session, write_profile(tmp_path, name, server), **options
                )
            else:
                store = MemoryStore(log_in(name, server))
                adapter = mount(session, server.url, make_endpoint(name, server), store, **options)
            return User(server, session, adapter, store, logouts)

        yield begin


def log_in(name: str, server: AuthServer) -> Token:
    """Return a login; that of a server whose live token is renewed is near its end."""
    token = server.login()
    if name in LIVE:
        return dataclasses.replace(token, expires_at=time.time() + 5)
    return token


def name_user(name: str) -> str:
    """Return whom the API takes the caller for: a client has no user."""
    return "client-id" if name == "client-credentials" else "alice"


def let_expire(user: User, name: str) -> None:
    """Let the access token expire, unless it has to be renewed alive."""
    if name not in LIVE:
        user.server.expire()


@pytest.mark.parametrize("name", PLAYED)
def test_an_expired_token_costs_one_refresh(start: Callable[..., User], name: str) -> None:
    """The caller sees a 200, and nothing of the way there; the next request is good at once."""
    user = start(name)
    old = user.load()
    let_expire(user, name)
    response = user.call()
    finish_background()  # where a token is renewed while it lives
    assert (response.status_code, response.json()["user"]) == (200, name_user(name))
    assert user.counts() == (1, 1)
    assert user.load().access != old.access or name in LIVE
    assert user.call("POST").json()["user"] == name_user(name)
    assert user.counts() == (1, 1)
    assert user.logouts == []


@pytest.mark.parametrize("start", ["python"], indirect=True)
@pytest.mark.parametrize("name", PLAYED)
def test_16_threads_cost_one_refresh(start: Callable[..., User], name: str) -> None:
    user = start(name)
    let_expire(user, name)
    answers = in_threads(lambda: user.call("POST").json()["user"], 16)
    assert answers == [name_user(name)] * 16
    finish_background()
    assert user.counts() == (1, 1)


@pytest.mark.parametrize("name", REVOCABLE)
def test_a_refusal_is_understood(start: Callable[..., User], name: str) -> None:
    """The store is emptied, on_logout is called once, and the caller has the API's own answer."""
    user = start(name)
    user.server.expire()
    user.server.revoke()
    response = user.call()
    assert response.status_code == user.server.expired.status
    assert user.store.load() is None
    assert [type(each) for each in user.logouts] == [RefreshRejected]
    user.call()
    assert len(user.logouts) == 1
    assert user.counts() == (2 if name in LIVE else 1, 0)  # a live one is used to its end


@pytest.mark.parametrize("name", [*REVOCABLE, "fastapi-template"])
def test_after_a_refusal_login_is_called(start: Callable[..., User], name: str) -> None:
    """Once; what it brings answers the request."""
    fresh: list[Token] = []

    def login(_session: requests.Session) -> Token:
        fresh.append(user.server.login())
        return fresh[-1]

    user = start(name, login=login)
    user.server.expire()
    user.server.revoke()
    assert user.call("POST").json()["user"] == "alice"
    assert user.load().access == fresh[0].access
    assert (len(fresh), user.logouts) == (1, [])


@pytest.mark.parametrize("start", ["python"], indirect=True)
@pytest.mark.parametrize("name", PLAYED)
def test_throttling_is_no_refusal(start: Callable[..., User], name: str) -> None:
    """The tokens are kept, and nobody is logged out."""
    user = start(name, refresh_timeout=0.5)
    old = user.load()
    user.server.fail(user.server.throttled, times=None)
    with pytest.raises(RefreshUnavailable):
        user.adapter.refresh()
    assert user.load() == old
    assert user.logouts == []
    user.server.clear_faults()


# --- Without a refresh of their own --------------------------------------------------------------


def test_a_sliding_session_is_taken_up(session: requests.Session) -> None:
    """Each answer of the API hands out a newer token: nobody asks the token server for one."""
    with AuthServer(like="sliding", opaque=True) as server:  # JWTs tell whole seconds
        endpoint = JSONEndpoint("/auth/refresh")
        store = MemoryStore(server.login())
        adapter = mount(session, server.url, endpoint, store, renewed=header("X-Renewed-Token"))
        seen = []
        for _ in range(3):
            assert session.get("/anything", timeout=WAIT).status_code == 200
            seen.append(server.requests[-1].access)
        assert len(set(seen)) == 3
        assert adapter.token is not None
        assert adapter.token.access not in seen
        assert server.counters.refreshes == 0


def test_a_session_in_a_header_of_its_own(session: requests.Session) -> None:
    """A login by POST gives it; the end of it costs another login, one for all threads."""
    place = header("X-Auth-Token")
    with AuthServer(like="session-header") as server:
        login = PasswordLogin("/auth/login", "alice", "right", access=place)
        adapter = mount(session, server.url, None, MemoryStore(), attach=place, login=login)
        assert session.get("/anything", timeout=WAIT).json()["user"] == "alice"
        server.expire()
        calls = in_threads(lambda: session.get("/anything", timeout=WAIT).status_code, 16)
        assert calls == [200] * 16
        assert server.counters.logins == 2
        adapter.log_out()
        assert adapter.token is None
