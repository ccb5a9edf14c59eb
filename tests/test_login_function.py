"""login=: when the user's function is called, how often, and what it may do wrong."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import MemoryStore, RefreshRejected, RefreshUnavailable, Token, mount
from requests_jwt_refresh.testing import Status
from tests.support.crowd import THREADS, Crowd, wait_for_waiters
from tests.support.users import ENDPOINT, store
from tests.support.waits import WAIT

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

__all__ = ["store"]  # a fixture


class Login:
    """Logs in with a password, and counts."""

    def __init__(self, server: AuthServer, failure: Exception | None = None) -> None:
        self._server = server
        self._failure = failure
        self.calls = 0

    def __call__(self, session: requests.Session) -> Token:
        self.calls += 1
        if self._failure is not None:
            raise self._failure
        credentials = {"username": "alice", "password": "right"}
        found = session.post(f"{self._server.url}/auth/login", json=credentials).json()
        return Token(found["access_token"], found["refresh_token"])


def test_login_for_the_first_token(server: AuthServer, session: requests.Session) -> None:
    """Without a token 32 threads cost one login, before anything is sent."""
    login, store, given = Login(server), MemoryStore(), list[Token]()
    mount(session, server.url, ENDPOINT, store, login=login, on_refresh=given.append)
    assert Crowd(THREADS, lambda _: session.get("/api/x")).statuses() == [200] * THREADS
    assert login.calls == server.counters.logins == 1
    assert server.counters.unauthorized == server.counters.refreshes == 0
    assert given == [store.load()]


@pytest.mark.parametrize("with_on_refresh", [True, False])
def test_login_after_a_refusal(
    server: AuthServer, session: requests.Session, store: MemoryStore, with_on_refresh: bool
) -> None:
    """A refusal that a login mends: 200 for all, one login, and no logout."""
    login, given, lost = Login(server), list[Token](), list[RefreshRejected]()
    mount(
        session,
        server.url,
        ENDPOINT,
        store,
        login=login,
        on_refresh=given.append if with_on_refresh else None,
        on_logout=lost.append,
    )
    server.revoke()
    server.expire()
    assert Crowd(THREADS, lambda _: session.get("/api/x")).statuses() == [200] * THREADS
    assert login.calls == server.counters.refreshes == 1
    assert given == ([store.load()] if with_on_refresh else [])
    assert lost == []


@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit])
def test_a_login_that_is_interrupted_is_a_logout(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    death: type[BaseException],
) -> None:
    """The refresh token was refused, and no login came in its place: on_logout is called once."""
    lost, told = list[RefreshRejected](), threading.Event()

    def note(refusal: RefreshRejected) -> None:
        lost.append(refusal)
        told.set()

    def log_in(_session: requests.Session) -> Token:
        raise death

    mount(session, server.url, ENDPOINT, store, login=log_in, on_logout=note)
    server.revoke()
    server.expire()
    with pytest.raises(death):
        session.get("/api/x")
    assert told.wait(WAIT)
    assert len(lost) == 1


def test_login_is_not_called_while_a_refresh_will_do(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A refresh comes first, and one that fails for want of an answer does not log in either."""
    login = Login(server)
    mount(session, server.url, ENDPOINT, store, login=login)
    server.expire()
    assert session.get("/api/x").status_code == 200
    server.expire()
    server.fail(Status(500))
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    assert login.calls == 0


def test_a_login_that_raises(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """It is RefreshUnavailable that names the kind alone, and not tried again at once."""
    login = Login(server, failure=LookupError("correct horse battery staple"))
    mount(session, server.url, ENDPOINT, store, login=login)
    server.revoke()
    server.expire()
    with pytest.raises(RefreshUnavailable, match="login failed with LookupError") as caught:
        session.get("/api/x")
    assert "horse" not in str(caught.value)
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    assert clock.slept <= 1
    assert login.calls == 2


def test_a_login_that_raises_is_shared(server: AuthServer, session: requests.Session) -> None:
    """One failed login is the failure of all that waited for it."""
    calls: list[int] = []

    def login(_session: requests.Session) -> Token:
        calls.append(1)
        wait_for_waiters(adapter, THREADS - 1)
        raise LookupError

    adapter = mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    crowd = Crowd(THREADS, lambda _: session.get("/api/x"))
    assert len(crowd.failures(RefreshUnavailable)) == THREADS
    assert len(calls) == 1
    assert server.counters.requests == 0


def test_a_login_that_is_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If login says no as well, it is a logout: the API's 401, on_logout once, store empty."""
    given: list[RefreshRejected] = []
    login = Login(server, failure=RefreshRejected("wrong password"))
    mount(session, server.url, ENDPOINT, store, login=login, on_logout=given.append)
    server.revoke()
    server.expire()
    response = session.get("/api/x")
    assert response.status_code == 401
    assert response.json() == {"message": "Invalid JWT"}
    assert len(given) == 1
    assert store.load() is None


def test_a_first_login_that_is_refused(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """There was no login, so there is no logout; the API answers; no more logins at once."""
    given: list[RefreshRejected] = []
    login = Login(server, failure=RefreshRejected("wrong password"))
    mount(session, server.url, ENDPOINT, MemoryStore(), login=login, on_logout=given.append)
    assert session.get("/api/x").json() == {"message": "No token"}
    clock.advance(2)
    assert session.get("/api/x").json() == {"message": "No token"}
    assert session.get("/api/x").json() == {"message": "No token"}
    assert login.calls == 2
    assert given == []


@pytest.mark.parametrize("junk", [None, "a string", Token(None, "refresh alone")], ids=repr)
def test_a_login_that_returns_junk(
    server: AuthServer, session: requests.Session, junk: Any
) -> None:
    """It is RefreshUnavailable that says what was returned."""
    store = MemoryStore()
    mount(session, server.url, ENDPOINT, store, login=lambda _session: junk)
    with pytest.raises(RefreshUnavailable, match=r"login returned (a|None).*\. Return a Token"):
        session.get("/api/x")
    assert store.load() is None
