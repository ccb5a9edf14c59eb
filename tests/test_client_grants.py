"""Grants without a refresh token, and logins without a refresh: who fetches, when, how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    FileStore,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    RefreshRejected,
    Token,
    any_401,
    mount,
)
from requests_jwt_refresh.testing import Status
from tests.support.crowd import THREADS, Crowd
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh import TokenResponse
    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock


class Grant:
    """An endpoint of the user's own that hands in a client's password, and no token."""

    url = "/auth/login"
    when = any_401
    needs_refresh_token = False

    def ask(self, url: str, _token: Token | None) -> requests.Request:
        return requests.Request("POST", url, json={"username": "client", "password": "right"})

    def read(self, response: TokenResponse) -> Token:
        return JSONEndpoint("/unused", refresh=None).read(response)


def log_in(session: requests.Session) -> Token:
    credentials = {"username": "alice", "password": "right"}
    answer = session.post("/auth/login", json=credentials)
    answer.raise_for_status()
    return Token(answer.json()["access_token"])


WAYS: dict[str, dict[str, Any]] = {
    "a grant of the client's": {"refresh": Grant()},
    "a login, and no refresh": {"refresh": None, "login": log_in},
}


@pytest.mark.parametrize("way", WAYS)
def test_the_first_request_fetches_a_token(
    server: AuthServer, session: requests.Session, way: str
) -> None:
    """Nobody has logged in: of 32 threads one asks, and no request goes out without a token."""
    adapter = mount(session, server.url, store=MemoryStore(), **WAYS[way])
    assert Crowd(THREADS, lambda _: session.get("/api/x")).statuses() == [200] * THREADS
    assert server.counters.logins == 1
    assert server.counters.unauthorized == 0
    assert adapter.token is not None


@pytest.mark.parametrize("way", WAYS)
def test_each_expiry_fetches_another(
    server: AuthServer, session: requests.Session, way: str
) -> None:
    """32 threads, and one fetch for all of them."""
    mount(session, server.url, store=MemoryStore(), **WAYS[way])
    for expiries in range(1, 4):
        statuses = Crowd(THREADS, lambda _: session.get("/api/x", timeout=WAIT)).statuses()
        assert statuses == [200] * THREADS
        assert server.counters.logins == expiries
        server.expire()
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_token_that_was_cleared_is_fetched_anew(
    server: AuthServer, session: requests.Session, way: str
) -> None:
    """There or in another program: it is no logout, since nobody has logged in."""
    lost: list[RefreshRejected] = []
    store = MemoryStore()
    adapter = mount(session, server.url, store=store, on_logout=lost.append, **WAYS[way])
    assert session.get("/api/x").status_code == 200
    adapter.clear_token()
    assert adapter.token is None
    assert session.get("/api/x").status_code == 200
    store.clear()
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert server.counters.logins == 3
    assert lost == []


def test_two_programs_share_a_token(server: AuthServer, tmp_path: Path) -> None:
    """Two adapters on equal stores that know nothing of each other: the second adopts."""
    path = tmp_path / "token.json"
    for _ in range(2):
        with requests.Session() as session:
            session.trust_env = False
            mount(session, server.url, Grant(), FileStore(path))
            assert session.get("/api/x").status_code == 200
        del session
    assert server.counters.logins == 1


def test_the_default_store_is_memory() -> None:
    """What nobody has logged in for need not outlive the program (R8); each has its own."""
    stores = [JWTRefreshAdapter("https://api.test", Grant())._store for _ in range(2)]  # noqa: SLF001
    assert [type(each) for each in stores] == [MemoryStore, MemoryStore]
    assert stores[0] is not stores[1]
    assert stores[0] != stores[1]


def test_a_refused_grant_is_not_repeated_by_each_request(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The API's 401 reaches the caller; the next try is after a cooling time."""
    lost: list[RefreshRejected] = []
    adapter = mount(session, server.url, Grant(), MemoryStore(), on_logout=lost.append)
    server.fail(Status(401, body=b'{"error": "invalid_grant"}'), on="login", times=None)
    assert [session.get("/api/x").status_code for _ in range(5)] == [401] * 5
    assert server.counters.faults == 1
    assert [each.levelname for each in caplog.records] == ["WARNING"]
    assert "go out without a valid token: the refresh endpoint at" in caplog.text
    assert lost == [], "nobody was logged in"
    with pytest.raises(RefreshRejected):
        adapter.valid_token()
    server.clear_faults()
    clock.advance(3600)
    assert session.get("/api/x").status_code == 200
    assert adapter.refresh() == adapter.token


def test_a_grant_refused_at_expiry_is_a_logout(
    server: AuthServer, session: requests.Session
) -> None:
    """The token is forgotten, once: the client is not who it was."""
    lost: list[RefreshRejected] = []
    store = MemoryStore()
    mount(session, server.url, Grant(), store, on_logout=lost.append)
    assert session.get("/api/x").status_code == 200
    server.fail(Status(401, body=b'{"error": "invalid_grant"}'), on="login", times=None)
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert store.load() is None
    assert len(lost) == 1


def test_what_such_an_endpoint_does_not_take(server: AuthServer) -> None:
    """A login beside it, a refresh token; and without a login there has to be an endpoint."""
    with pytest.raises(TypeError, match="login has nothing to do beside a Grant"):
        JWTRefreshAdapter(server.url, Grant(), login=log_in)
    for way in WAYS.values():
        adapter = JWTRefreshAdapter(server.url, store=MemoryStore(), **way)
        with pytest.raises(TypeError, match="takes no refresh token here"):
            adapter.refresh("a refresh token")
    with pytest.raises(TypeError, match="None needs a login"):
        JWTRefreshAdapter(server.url, None)
    assert server.requests == []


def test_a_refused_login_without_a_refresh(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """A wrong password is tried once, not by each request: accounts are locked by less."""
    mount(session, server.url, None, MemoryStore(), login=log_in)
    server.fail(Status(401), on="login", times=None)
    assert Crowd(8, lambda _: session.get("/api/x")).statuses() == [401] * 8
    assert server.counters.faults == 1
    clock.advance(3600)
    server.clear_faults()
    assert session.get("/api/x").status_code == 200
