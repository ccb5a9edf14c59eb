"""Tokens that are renewed by themselves, while they live: handed in before their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh import (
    JSONEndpoint,
    MemoryStore,
    RefreshRejected,
    Token,
    any_401,
    mount,
)
from requests_jwt_refresh.authorization import AUTHORIZATION
from requests_jwt_refresh.testing import AuthServer, Status
from tests.support.crowd import THREADS, Crowd
from tests.support.waits import finish_background

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh import TokenResponse
    from tests.support.clock import Clock

LIFETIME = 100.0


class Renewal:
    """An endpoint that hands in the live access token; the test server gives it for a login."""

    url = "/auth/login"
    when = any_401
    needs_refresh_token = False
    hands_in_access = True
    needs_live_token = True

    def __init__(self) -> None:
        self.handed_in: list[str | None] = []

    def ask(self, url: str, token: Token) -> requests.Request:
        self.handed_in.append(token.access)
        request = requests.Request("POST", url, json={"username": "alice", "password": "right"})
        request.headers = {}
        AUTHORIZATION.write(request.headers, token.access or "")
        return request

    def read(self, response: TokenResponse) -> Token:
        return JSONEndpoint("/unused", refresh=None).read(response)


@pytest.fixture
def server() -> Iterator[AuthServer]:
    with AuthServer(lifetime=LIFETIME) as server:
        yield server


@pytest.fixture
def store(server: AuthServer, clock: Clock) -> MemoryStore:
    return MemoryStore(Token(server.login().access, expires_at=clock.time() + LIFETIME))


def mount_on(
    session: requests.Session, server: AuthServer, store: MemoryStore, endpoint: Renewal
) -> list[RefreshRejected]:
    lost: list[RefreshRejected] = []
    adapter = mount(session, server.url, endpoint, store, on_logout=lost.append)
    token = store.load()
    assert token is not None
    adapter.set_token(token)
    return lost


def test_it_is_handed_in_before_its_end(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """Not while more than a fifth of the lifetime is left; then once, and nobody waits."""
    endpoint = Renewal()
    mount_on(session, server, store, endpoint)
    first = store.load()
    assert first is not None
    clock.advance(0.79 * LIFETIME)
    assert session.get("/api/x").status_code == 200
    assert endpoint.handed_in == []
    clock.advance(0.09 * LIFETIME)  # within the last fifth, the moment is drawn at random
    assert Crowd(THREADS, lambda _: session.get("/api/x")).statuses() == [200] * THREADS
    finish_background()
    assert endpoint.handed_in == [first.access]
    assert server.counters.unauthorized == 0
    assert session.get("/api/x").status_code == 200
    assert len(endpoint.handed_in) == 1, "the new one has its own lifetime"


def test_five_minutes_are_enough_for_a_long_life(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """A fifth of a month would be a refresh six days early."""
    server.lifetime = 30 * 86_400.0
    endpoint = Renewal()
    store = MemoryStore(Token(server.login().access))
    mount_on(session, server, store, endpoint)
    clock.advance(server.lifetime - 301)
    assert session.get("/api/x").status_code == 200
    assert endpoint.handed_in == []
    clock.advance(102)
    assert session.get("/api/x").status_code == 200
    finish_background()
    assert len(endpoint.handed_in) == 1


def test_a_token_that_was_put_into_the_store_by_hand(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """Nobody knows how long it was to live: its last minute is early enough."""
    endpoint = Renewal()
    mount(session, server.url, endpoint, store)
    clock.advance(LIFETIME - 61)
    assert session.get("/api/x").status_code == 200
    assert endpoint.handed_in == []
    clock.advance(22)
    assert session.get("/api/x").status_code == 200
    finish_background()
    assert len(endpoint.handed_in) == 1


def test_a_token_past_its_end_is_tried_all_the_same(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """Some servers take it for a while longer."""
    endpoint = Renewal()
    mount_on(session, server, store, endpoint)
    clock.advance(2 * LIFETIME)
    assert session.get("/api/x").status_code == 200
    assert len(endpoint.handed_in) == 1
    assert server.counters.unauthorized == 0


def test_an_outage_before_the_end_is_no_error(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """The valid token goes on being used, and the server is not asked by each request."""
    endpoint = Renewal()
    mount_on(session, server, store, endpoint)
    server.fail(Status(500), on="login", times=None)
    clock.advance(0.9 * LIFETIME)
    assert session.get("/api/x").status_code == 200
    finish_background()
    assert [session.get("/api/x").status_code for _ in range(5)] == [200] * 5
    assert len(endpoint.handed_in) == 1
    server.clear_faults()
    clock.advance(0.05 * LIFETIME)
    assert session.get("/api/x").status_code == 200
    assert len(endpoint.handed_in) == 2


def test_a_refusal_before_the_end_is_no_logout_yet(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """As with Vault's max_ttl: used to its end, refused once, then the logout."""
    endpoint = Renewal()
    lost = mount_on(session, server, store, endpoint)
    server.fail(Status(403), on="login", times=None)
    clock.advance(0.9 * LIFETIME)
    assert session.get("/api/x").status_code == 200
    finish_background()
    assert [session.get("/api/x").status_code for _ in range(5)] == [200] * 5
    assert len(endpoint.handed_in) == 1
    assert lost == []
    assert store.load() is not None
    clock.advance(0.2 * LIFETIME)
    assert [session.get("/api/x").status_code for _ in range(2)] == [401] * 2
    assert len(endpoint.handed_in) == 2
    assert len(lost) == 1
    assert store.load() is None


def test_nobody_has_logged_in(server: AuthServer, session: requests.Session) -> None:
    """There is nothing to hand in: the API's own answer."""
    endpoint = Renewal()
    mount(session, server.url, endpoint, MemoryStore())
    assert session.get("/api/x").status_code == 401
    assert endpoint.handed_in == []
