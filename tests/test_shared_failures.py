"""A failure is shared as well: one attempt for all that wait, never repeated in a queue."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh import (
    LockTimeout,
    MemoryStore,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    mount,
)
from requests_jwt_refresh.refresh import patience
from requests_jwt_refresh.refresh.retries import RETRIES
from requests_jwt_refresh.testing import Status
from tests.support.clock import no_backoff
from tests.support.crowd import THREADS, Crowd, Seen401s, wait_for_waiters
from tests.support.users import ENDPOINT, load_token, mark_expired, store
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["no_backoff", "store"]  # fixtures


# --- A failure for all ---------------------------------------------------------------------------


@pytest.mark.usefixtures("clock", "no_backoff")
def test_a_failure_is_shared(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If the refresh fails for good, one leader tries, and all get RefreshUnavailable."""
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen)
    before = store.load()
    server.expire()
    server.fail(Status(503), times=None)
    with server.gate() as gate:
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1, WAIT)
        seen.wait_for_all()
    assert len(crowd.failures(RefreshUnavailable)) == THREADS
    assert server.counters.refreshes == 1 + RETRIES
    assert store.load() == before
    server.heal()
    assert session.get("/api/next").status_code == 200
    assert server.counters.rotated == 1


def test_a_failure_is_shared_by_all_adapters(server: AuthServer, store: MemoryStore) -> None:
    """Sessions and adapters of their own make no difference: one store, one attempt."""
    seen = Seen401s(THREADS)

    def get(number: int) -> requests.Response:
        with requests.Session() as session:
            mount(session, server.url, ENDPOINT, store, when=seen)
            return session.get(f"/api/{number}")

    server.expire()
    server.fail(Status(500), times=None)
    with server.gate() as gate:
        crowd = Crowd(THREADS, get)
        gate.wait_for(1, WAIT)
        seen.wait_for_all()
    assert len(crowd.failures(RefreshUnavailable)) == THREADS
    assert server.counters.refreshes == 1


def test_each_failure_carries_its_own_401(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A shared failure is each request's own: its request, its 401, whole."""
    seen = Seen401s(8)
    mount(session, server.url, ENDPOINT, store, when=seen)
    server.expire()
    server.fail(Status(500), times=None)
    with server.gate():
        crowd = Crowd(8, lambda number: session.get(f"/api/{number}"))
        seen.wait_for_all()
    for number, failure in enumerate(crowd.outcomes()):
        assert isinstance(failure, RefreshUnavailable)
        assert failure.request is not None
        assert failure.response is not None
        assert failure.request.url == failure.response.url == f"{server.url}/api/{number}"
        assert failure.response.status_code == 401
        assert failure.response.json() == {"message": "Invalid JWT"}
    assert server.counters.refreshes == 1


def test_a_known_expiry_shares_a_failure(server: AuthServer, session: requests.Session) -> None:
    """If the refresh at a known expiry fails, it is not repeated after the 401 either."""
    store = MemoryStore(mark_expired(server.login()))
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=None)
    with server.gate() as gate:
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1, WAIT)
        wait_for_waiters(adapter, THREADS - 1)
    failures = crowd.failures(RefreshUnavailable)
    assert len(failures) == THREADS
    assert [each.response is not None and each.response.status_code for each in failures] == (
        [401] * THREADS
    )
    assert server.counters.refreshes == 1


def test_a_straggler_shares_the_failure(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A 401 that arrives after the failure does not repeat it, if its request began before."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=None)
    with server.gate(on=lambda path: path == "/api/late") as gate:
        late = Crowd(1, lambda _number: session.get("/api/late"))
        gate.wait_for(1, WAIT)
        with pytest.raises(RefreshUnavailable):
            session.get("/api/early")
    (failure,) = late.failures(RefreshUnavailable)
    assert failure.response is not None
    assert failure.response.url == f"{server.url}/api/late"
    assert server.counters.refreshes == 1


def test_an_exception_of_a_callable_is_shared(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """An Exception in a callable endpoint is the failure of all that wait, and is not repeated."""
    calls: list[Token] = []

    def broken(_session: requests.Session, token: Token) -> Token:
        calls.append(token)
        wait_for_waiters(adapter, THREADS - 1)
        raise ValueError

    adapter = mount(session, server.url, broken, store)
    server.expire()
    crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
    assert len(crowd.failures(RefreshUnavailable)) == THREADS
    assert len(calls) == 1


# --- No wait without an end ----------------------------------------------------------------------


def test_a_lock_that_is_held_elsewhere(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Without the store's lock nothing is refreshed: after refresh_timeout the request fails."""
    adapter = mount(session, server.url, ENDPOINT, store, refresh_timeout=0.2)
    before = store.load()
    server.expire()
    with store.lock(0), pytest.raises(RefreshUnavailable, match=r"lock for 0\.2 s") as caught:
        session.get("/api/x")
    assert isinstance(caught.value.__cause__, LockTimeout)
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    assert server.counters.refreshes == 0
    assert store.load() == before
    adapter.refresh()
    assert session.get("/api/x").status_code == 200


def test_a_refresh_that_never_ends(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A callable that never returns blocks no thread for ever, leader or follower."""
    monkeypatch.setattr(patience, "PATIENCE_MARGIN", 0.1)
    let_go = threading.Event()

    def stuck(_session: requests.Session, _token: Token) -> Token:
        assert let_go.wait(WAIT)
        return server.login()

    mount(session, server.url, stuck, store, refresh_timeout=0.1)
    server.expire()
    crowd = Crowd(4, lambda number: session.get(f"/api/{number}"))
    try:
        assert len(crowd.failures(RefreshUnavailable)) == 4
    finally:
        let_go.set()
    assert session.get("/api/x").status_code == 200


# --- A refresh token that has only been given ----------------------------------------------------


def test_a_given_refresh_token_that_is_refused_is_nobody_elses_failure(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Who waits for such a trade has a refresh token of its own, and asks with that one then."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    refusals: list[RefreshRejected] = []

    def trade() -> None:
        with pytest.raises(RefreshRejected) as caught:
            adapter.refresh("not-from-here")
        refusals.append(caught.value)

    with server.gate() as gate:
        threads = start(trade)
        gate.wait_for(1, WAIT)
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        wait_for_waiters(adapter, THREADS)
    assert crowd.statuses() == [200] * THREADS
    join(*threads)
    assert len(refusals) == 1
    assert server.counters.rotated == 1


@pytest.mark.usefixtures("clock", "no_backoff")
def test_a_given_refresh_token_that_is_refused_ends_no_cooldown(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """One that the server takes is a login, and does."""
    adapter = mount(session, server.url, ENDPOINT, store)
    other = server.login().refresh
    server.expire()
    server.fail(Status(500), times=2)
    for _ in range(2):
        with pytest.raises(RefreshUnavailable):
            session.get("/api/x")
    with pytest.raises(RefreshRejected):
        adapter.refresh("not-from-here")
    with pytest.raises(RefreshUnavailable, match="not tried again"):
        session.get("/api/x")
    adapter.refresh(other)
    server.expire()
    assert session.get("/api/x").status_code == 200


def test_a_given_refresh_token_after_a_logout_elsewhere(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """It is a login of its own: that another program has emptied the store does not matter."""
    adapter = mount(session, server.url, ENDPOINT, store)
    assert adapter.token is not None
    given = load_token(store).refresh
    store.clear()
    assert adapter.refresh(given) == store.load()
