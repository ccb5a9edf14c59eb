"""Where a refresh goes and what it takes along: the refresh token is for its endpoint alone."""

from __future__ import annotations

import gc
import ssl
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from requests_jwt_refresh import (
    BearerEndpoint,
    JSONEndpoint,
    MemoryStore,
    OAuth2Endpoint,
    RefreshUnavailable,
    Token,
    mount,
)
from requests_jwt_refresh.testing import AuthServer, Redirect
from tests.support.internet import (
    ACCESS,
    API,
    BASE,
    EVERYWHERE,
    REFRESH,
    Answer,
    Internet,
    every_host,
    internet,
    make_json_answer,
    mount_on,
    session,
)
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from requests_jwt_refresh import Endpoint

__all__ = ["every_host", "internet", "session"]  # fixtures


# --- The refresh call ----------------------------------------------------------------------------

AUTH = "https://auth.example.com"
ENDPOINTS = [
    JSONEndpoint(f"{AUTH}/refresh"),
    BearerEndpoint(f"{AUTH}/refresh"),
    OAuth2Endpoint(f"{AUTH}/refresh"),
    OAuth2Endpoint(f"{AUTH}/refresh", "client", "client-secret"),
]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=repr)
def test_each_token_goes_to_those_it_is_for(
    internet: Internet, session: requests.Session, endpoint: Endpoint
) -> None:
    """The refresh token goes to the endpoint alone, the access tokens to the API alone."""
    mount_on(session, *EVERYWHERE, refresh=endpoint)
    internet.answers[f"{BASE}/x"] = Answer(401)
    internet.answers[f"{AUTH}/refresh"] = make_json_answer(access_token="renewed-secret")
    session.get(f"{BASE}/x", timeout=WAIT)
    assert [request.origin for request in internet.received] == [API, AUTH, API]
    assert internet.origins_with(REFRESH) == {AUTH}
    assert internet.origins_with(ACCESS) == internet.origins_with("renewed-secret") == {API}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "endpoint", [JSONEndpoint("/auth/refresh"), BearerEndpoint("/auth/refresh")]
)
def test_a_refresh_follows_no_redirect(server: AuthServer, endpoint: Endpoint, status: int) -> None:
    """A refresh token is for its endpoint: the server it redirects to receives nothing."""
    with AuthServer() as stranger, plain_session() as session:
        token = server.login()
        store = MemoryStore(token)
        mount_on(session, "http://", base=server.url, refresh=endpoint, store=store)
        server.expire()
        server.fail(Redirect(f"{stranger.url}/auth/refresh", status))
        with pytest.raises(RefreshUnavailable, match="redirects") as caught:
            session.get(f"{server.url}/api/x", timeout=WAIT)
        assert caught.value.response is not None
        assert caught.value.response.status_code == 401
        assert stranger.requests == []
        assert server.counters.refreshes == 1
        assert store.load() == token


def test_not_even_within_its_own_origin(server: AuthServer) -> None:
    """Nor is a redirect on the same server followed; the error names the place instead."""
    with plain_session() as session:
        mount_on(session, "http://", base=server.url, store=MemoryStore(server.login()))
        server.expire()
        server.fail(Redirect(f"{server.url}/auth/refresh/", 308))
        with pytest.raises(RefreshUnavailable, match=r"redirects to .*/auth/refresh/"):
            session.get(f"{server.url}/api/x", timeout=WAIT)
        assert [seen.path for seen in server.requests] == ["/api/x", "/auth/refresh"]


def test_a_session_of_the_users_own_follows_no_redirect_either(server: AuthServer) -> None:
    """refresh_session= is for proxies and certificates, not for going elsewhere."""
    with AuthServer() as stranger, plain_session() as session, plain_session() as own:
        store = MemoryStore(server.login())
        mount_on(session, "http://", base=server.url, store=store, refresh_session=own)
        server.expire()
        server.fail(Redirect(f"{stranger.url}/auth/refresh"))
        with pytest.raises(RefreshUnavailable):
            session.get(f"{server.url}/api/x", timeout=WAIT)
        assert stranger.requests == []


def asked_by_callable(url: str) -> dict[str, Any]:
    """Return options with a callable in the endpoint's place that posts to `url`."""

    def ask(session: requests.Session, token: Token) -> Token:
        response = session.post(url, json={"refresh_token": token.refresh}, timeout=WAIT)
        return Token(response.json()["access_token"])

    return {"refresh": ask}


def asked_by_login(url: str) -> dict[str, Any]:
    """Return options with a login that posts to `url`."""

    def login(session: requests.Session) -> Token:
        response = session.post(url, auth=("alice", "pw"), timeout=WAIT)
        return Token(response.json()["access_token"])

    return {"login": login, "store": MemoryStore()}


@pytest.mark.parametrize("asked", [asked_by_callable, asked_by_login])
def test_the_session_given_to_callables_follows_no_redirect(
    server: AuthServer, asked: Callable[[str], dict[str, Any]]
) -> None:
    """What a callable endpoint or a login posts goes where it says and no further."""
    with AuthServer() as stranger, plain_session() as session:
        options = {"store": MemoryStore(server.login()), **asked(f"{server.url}/auth/x")}
        mount_on(session, "http://", base=server.url, **options)
        server.expire()
        server.fail(Redirect(f"{stranger.url}/auth/refresh"), on=lambda path: path == "/auth/x")
        with pytest.raises(RefreshUnavailable):
            session.get(f"{server.url}/api/x", timeout=WAIT)
        assert server.counters.faults == 1
        assert stranger.requests == []


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A netrc with an entry for every host, which only sessions that trust it read."""
    path = tmp_path / "netrc"
    path.write_text("default login netrc-user password netrc-secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("own", [False, True])
def test_a_refresh_takes_nothing_from_netrc(server: AuthServer, own: bool) -> None:
    """Neither a session of ours nor the user's own lets netrc have a say in a refresh."""
    with requests.Session() as session, requests.Session() as refresh_session:
        options = {"refresh_session": refresh_session} if own else {}
        mount_on(session, "http://", base=server.url, store=MemoryStore(server.login()), **options)
        server.expire()
        assert session.get(f"{server.url}/api/x", timeout=WAIT).status_code == 200
        [refresh] = [seen for seen in server.requests if seen.kind == "refresh"]
        assert "Authorization" not in refresh.headers


@pytest.mark.usefixtures("netrc")
def test_nor_does_the_session_given_to_callables(server: AuthServer) -> None:
    """What a callable endpoint posts with the session it is given is free of netrc as well."""
    with requests.Session() as session:
        refresh = asked_by_callable(f"{server.url}/auth/refresh")["refresh"]
        store = MemoryStore(server.login())
        mount_on(session, "http://", base=server.url, refresh=refresh, store=store)
        server.expire()
        assert session.get(f"{server.url}/api/x", timeout=WAIT).status_code == 200
        [asked] = [seen for seen in server.requests if seen.kind == "refresh"]
        assert "Authorization" not in asked.headers


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("own", [False, True])
def test_netrc_does_not_take_the_refresh_tokens_place(server: AuthServer, own: bool) -> None:
    """A refresh token in the Authorization header is not overwritten (psf/requests #3929)."""
    with requests.Session() as session, requests.Session() as refresh_session:
        options = {"refresh_session": refresh_session} if own else {}
        token = server.login()
        refresh = BearerEndpoint("/auth/refresh")
        store = MemoryStore(token)
        mount_on(session, "http://", base=server.url, refresh=refresh, store=store, **options)
        server.expire()
        assert session.get(f"{server.url}/api/x", timeout=WAIT).status_code == 200
        [asked] = [seen for seen in server.requests if seen.kind == "refresh"]
        assert asked.bearer == token.refresh


def test_a_refresh_carries_nothing_of_the_callers_session(server: AuthServer) -> None:
    """Cookies, headers, parameters and auth of the caller's session are for the API alone."""
    with plain_session() as session:
        mount_on(session, "http://", base=server.url, store=MemoryStore(server.login()))
        server.expire()
        session.cookies.set("sessionid", "cookie-secret")
        session.headers["X-Key"] = "header-secret"
        session.params = {"key": "param-secret"}
        response = session.get(f"{server.url}/api/x", cookies={"a": "b"}, timeout=WAIT)
        assert response.status_code == 200
        first, refresh, again = server.requests
        assert first.headers["Cookie"] == again.headers["Cookie"] != ""
        assert first.path == again.path == "/api/x?key=param-secret"
        assert refresh.path == "/auth/refresh"
        assert {"cookie", "authorization", "x-key"}.isdisjoint(refresh.headers)


@pytest.mark.parametrize("own", [False, True])
def test_a_refresh_goes_the_callers_way(
    internet: Internet, session: requests.Session, own: bool
) -> None:
    """The caller's proxies and certificates are used, without which no host is reached."""
    with plain_session() as refresh_session:
        mount_on(session, *EVERYWHERE, refresh_session=refresh_session if own else None)
        internet.answers[f"{BASE}/auth/refresh"] = make_json_answer(access_token="renewed-secret")
        internet.answers[f"{BASE}/x"] = Answer(401)
        session.get(f"{BASE}/x", timeout=WAIT)
    assert [request.method for request in internet.received] == ["GET", "POST", "GET"]
    assert internet.received[-1].authorization == "Bearer renewed-secret"


@pytest.mark.parametrize(
    ("api", "auth", "spared", "through"),
    [
        ("api.invalid", "127.0.0.1", "127.0.0.1", ["GET", "GET"]),
        ("api.invalid", "auth.invalid", "127.0.0.1", ["GET", "POST", "GET"]),
    ],
    ids=["the refresh host", "neither"],
)
def test_no_proxy_counts_for_the_refresh_host(
    server: AuthServer,
    api: str,
    auth: str,
    spared: str,
    through: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """no_proxy spares the refresh endpoint's host, too."""
    for name in ("http_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", spared)
    port = server.url.rpartition(":")[2]
    with AuthServer() as proxy:  # it answers requests for other hosts as if they were for it
        monkeypatch.setenv("http_proxy", proxy.url)
        token = proxy.login() if auth.endswith("invalid") else server.login()
        store = MemoryStore(replace(token, access="an-old-one"))
        endpoint = JSONEndpoint(f"http://{auth}:{port}/auth/refresh")
        with requests.Session() as session:
            mount(session, f"http://{api}:{port}", endpoint, store, allow_http=True)
            session.get("/api/x", timeout=WAIT)
        assert [each.method for each in proxy.requests] == through
        assert len(server.requests) + len(through) == 3
        assert store.load() != replace(token, access="an-old-one")


@pytest.mark.parametrize("is_spared", [False, True])
def test_a_session_without_proxies_has_none_for_its_refresh(
    server: AuthServer, is_spared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that does not look into the environment keeps its refresh from doing so."""
    monkeypatch.setenv("no_proxy", "127.0.0.1" if is_spared else "")
    port = server.url.rpartition(":")[2]
    with AuthServer() as proxy, plain_session() as session:
        monkeypatch.setenv("http_proxy", proxy.url)
        store = MemoryStore(server.login())
        mount(session, server.url, JSONEndpoint(f"http://localhost:{port}/auth/refresh"), store)
        server.expire()
        assert session.get("/api/x", timeout=WAIT).status_code == 200
        assert proxy.requests == []


class _Trusting(HTTPAdapter):
    """An adapter that knows the certificate by a TLS context of its own, proxy or not."""

    def __init__(self, certificate: Path) -> None:
        self.own = {"ssl_context": ssl.create_default_context(cafile=str(certificate))}
        super().__init__()

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **(options | self.own))

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **(options | self.own))


def test_a_refresh_knows_what_the_transport_knows(
    internet: Internet, session: requests.Session
) -> None:
    """A TLS context of the transport's own serves refreshes through a proxy, too."""
    session.verify = True
    mount_on(session, *EVERYWHERE, transport=_Trusting(internet.certificate))
    internet.answers[f"{BASE}/auth/refresh"] = make_json_answer(access_token="renewed-secret")
    internet.answers[f"{BASE}/x"] = Answer(401)
    session.get(f"{BASE}/x", timeout=WAIT)
    assert [request.method for request in internet.received] == ["GET", "POST", "GET"]


def test_a_closed_session_leaves_no_connection_open(
    internet: Internet, session: requests.Session
) -> None:
    """The refresh's transport keeps no pool of the API's, whose connections would stay open."""
    session.verify = True
    transport = _Trusting(internet.certificate)
    mount_on(session, *EVERYWHERE, transport=transport)
    internet.answers[f"{BASE}/auth/refresh"] = make_json_answer(access_token="renewed-secret")
    internet.answers[f"{BASE}/x"] = Answer(401)
    gc.disable()
    try:
        session.get(f"{BASE}/x", timeout=WAIT)
        (manager,) = transport.proxy_manager.values()
        pools = [weakref.ref(manager.pools[key]) for key in manager.pools.keys()]  # noqa: SIM118 - no dict
        session.close()
        assert [pool() for pool in pools] == [None]
    finally:
        gc.enable()
