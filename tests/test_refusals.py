"""Refused: the server says no, and what is forgotten then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import MemoryStore, RefreshRejected, Token, mount
from requests_jwt_refresh.testing import Status
from tests.support.users import ENDPOINT, STILL_EXPIRED, mark_expired, store

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh.testing import AuthServer, Exchange

__all__ = ["store"]  # a fixture


def api_paths(server: AuthServer) -> list[str]:
    return [seen.path for seen in server.requests if seen.kind == "api"]


class PeerMeanwhile:
    """A fault: while the server makes up its mind, another program does something."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self._deed = deed

    def play(self, exchange: Exchange) -> None:
        answer = exchange.work()
        self._deed()
        exchange.send(answer)


# --- Refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore, *, stream: bool
) -> None:
    """A refusal forgets the tokens everywhere, and the caller gets the API's own 401, whole."""
    given: list[RefreshRejected] = []
    page = b'{"message": "Invalid JWT", "more": "' + b"m" * 100_000 + b'"}'
    server.expired = Status(401, body=page, headers={"X-Reason": "over"})
    adapter = mount(session, server.url, ENDPOINT, store, on_logout=given.append)
    server.revoke()
    server.expire()
    response = session.get("/api/x", stream=stream)
    assert response.status_code == 401
    assert response.headers["X-Reason"] == "over"
    assert (b"".join(response.iter_content(1000)) if stream else response.content) == page
    assert response.history == []
    assert store.load() is None
    assert adapter.token is None
    assert [type(each) for each in given] == [RefreshRejected]
    assert server.counters.refreshes == 1


def test_after_a_refusal_there_is_no_second(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Once logged out, requests go without a token, and get the API's answer without a refresh."""
    given: list[RefreshRejected] = []
    mount(session, server.url, ENDPOINT, store, on_logout=given.append)
    server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert session.get("/api/x").json() == {"message": "No token"}
    assert len(given) == 1
    assert server.counters.refreshes == 1


def test_a_new_login_ends_it(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """set_token after a refusal, and all is well."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == 401
    adapter.set_token(server.login())
    assert session.get("/api/x").status_code == 200


def test_no_refresh_token_forgets_nothing(server: AuthServer, session: requests.Session) -> None:
    """Where there is nothing to ask with, nothing was refused: no on_logout, no refresh call."""
    given: list[RefreshRejected] = []
    token = Token(server.login().access)
    store = MemoryStore(token)
    mount(session, server.url, ENDPOINT, store, on_logout=given.append)
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert given == []
    assert store.load() == token
    assert server.counters.refreshes == 0


def test_a_forced_refresh_that_is_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """refresh() says so with RefreshRejected; the tokens are forgotten, on_logout is called."""
    given: list[RefreshRejected] = []
    adapter = mount(session, server.url, ENDPOINT, store, on_logout=given.append)
    server.revoke()
    with pytest.raises(RefreshRejected, match="refused the refresh token"):
        adapter.refresh()
    assert len(given) == 1
    assert store.load() is None


def test_a_callable_says_no(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A callable endpoint refuses by raising RefreshRejected, and on_logout gets that very one."""
    given: list[RefreshRejected] = []
    no = RefreshRejected("the licence has ended")

    def refuse(_session: requests.Session, _token: Token) -> Token:
        raise no

    mount(session, server.url, refuse, store, on_logout=given.append)
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert given == [no]
    assert store.load() is None


# --- Before anything is forgotten ----------------------------------------------------------------


def test_a_peers_rotation_is_adopted(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If another program has rotated meanwhile, a refusal forgets nothing: theirs is used."""
    given: list[RefreshRejected] = []
    mount(session, server.url, ENDPOINT, store, on_logout=given.append)
    server.revoke()
    server.expire()
    peers = server.login()
    server.fail(PeerMeanwhile(lambda: store.save(peers)))
    assert session.get("/api/x").status_code == 200
    assert store.load() == peers
    assert given == []
    assert server.counters.refreshes == 1


def test_an_adopted_token_that_is_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If the API refuses a peer's token as well, it is no reason to ask a second time."""
    mount(session, server.url, ENDPOINT, store)
    server.revoke()
    peers = server.login()
    server.expire()
    server.fail(PeerMeanwhile(lambda: store.save(peers)))
    response = session.get("/api/x")
    assert response.status_code == 401
    assert [each.status_code for each in response.history] == [401]
    assert store.load() == peers
    assert server.counters.refreshes == 1


def test_a_peers_rotation_before_the_exchange(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A newer token in the store is used, and the server is not asked at all."""
    adapter = mount(session, server.url, ENDPOINT, store)
    assert session.get("/api/x").status_code == 200
    server.expire()
    store.save(server.login())
    assert session.get("/api/x").status_code == 200
    assert adapter.token == store.load()
    assert server.counters.refreshes == 0


def test_a_peers_rotation_that_has_expired_as_well(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If the newer token is refused too, it is the one that is refreshed; then that is all."""
    mount(session, server.url, ENDPOINT, store)
    assert session.get("/api/x").status_code == 200
    peers = server.login()
    store.save(peers)
    server.expire()
    response = session.get("/api/x")
    assert response.status_code == 200
    assert [each.status_code for each in response.history] == [401, 401]
    assert server.counters.refreshes == server.counters.rotated == 1
    assert server.family_alive(peers)


# --- At an expiry that is known ------------------------------------------------------------------


def test_refused_at_a_known_expiry(server: AuthServer, session: requests.Session) -> None:
    """Refused before anything was sent: the old token goes out, and the server has its say."""
    token = server.login()
    mount(session, server.url, ENDPOINT, MemoryStore(mark_expired(token)))
    server.revoke()
    assert session.get("/api/x").status_code == 200
    assert server.requests[-1].bearer == token.access
    assert server.counters.refreshes == 1


def test_refused_at_a_known_expiry_and_by_the_api(
    server: AuthServer, session: requests.Session
) -> None:
    """If the API says no as well, its 401 reaches the caller, and the server is not asked again."""
    given: list[RefreshRejected] = []
    store = MemoryStore(mark_expired(server.login()))
    mount(session, server.url, ENDPOINT, store, on_logout=given.append)
    server.revoke()
    server.expire()
    response = session.get("/api/x")
    assert response.status_code == 401
    assert response.json() == {"message": "Invalid JWT"}
    assert api_paths(server) == ["/api/x"]
    assert len(given) == 1
    assert store.load() is None
    assert server.counters.refreshes == 1


# --- One refresh over the network for one request ------------------------------------------------


def test_a_fresh_token_that_is_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A 401 to a token that this very request has fetched is final."""
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    response = session.get("/api/x")
    assert response.status_code == 401
    assert [each.status_code for each in response.history] == [401]
    assert api_paths(server) == ["/api/x"] * 2
    assert server.counters.refreshes == 1


def test_a_fresh_token_that_is_refused_after_a_known_expiry(
    server: AuthServer, session: requests.Session
) -> None:
    """So is one to a token that was fetched before sending: no resend."""
    mount(session, server.url, ENDPOINT, MemoryStore(mark_expired(server.login())))
    server.fail(STILL_EXPIRED, on="api", times=None)
    response = session.get("/api/x")
    assert response.status_code == 401
    assert response.history == []
    assert api_paths(server) == ["/api/x"]
    assert server.counters.refreshes == 1


def test_at_most_two_resends(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Resent with another program's token, then with one of its own, and no more."""
    mount(session, server.url, ENDPOINT, store)
    assert session.get("/api/first").status_code == 200
    store.save(server.login())
    server.fail(STILL_EXPIRED, on="api", times=None)
    response = session.get("/api/x")
    assert response.status_code == 401
    assert [each.status_code for each in response.history] == [401, 401]
    assert api_paths(server) == ["/api/first", *["/api/x"] * 3]
    assert server.counters.refreshes == 1
