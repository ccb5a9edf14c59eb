"""One refresh for all that need it, and each request gets its own answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import MemoryStore, mount
from requests_jwt_refresh.testing import DropAfter, Status
from tests.support.crowd import THREADS, Crowd, Seen401s, wait_for_waiters
from tests.support.users import ENDPOINT, assert_one_rotation, load_token, mark_expired, store
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture


# --- By a 401 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"pool_block": True, "pool_maxsize": 4}], ids=str)
def test_many_threads_one_refresh(
    server: AuthServer, session: requests.Session, store: MemoryStore, options: dict[str, Any]
) -> None:
    """32 threads that all hold a 401 cost one refresh, and each gets its 200."""
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen, **options)
    server.expire()
    with server.gate() as gate:
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1, WAIT)
        seen.wait_for_all()
    assert crowd.statuses() == [200] * THREADS
    assert_one_rotation(server, store)
    assert server.counters.unauthorized == THREADS
    assert session.get("/api/next").status_code == 200
    assert server.counters.refreshes == 1


def test_every_thread_gets_its_own_answer(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A shared refresh never mixes up whose answer is whose."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
    assert crowd.statuses() == [200] * THREADS
    paths = [
        each.json()["path"] for each in crowd.outcomes() if isinstance(each, requests.Response)
    ]
    assert paths == [f"/api/{number}" for number in range(THREADS)]


def test_a_session_and_an_adapter_for_each_thread(server: AuthServer, store: MemoryStore) -> None:
    """What is shared is the store's token, so sessions of their own do not cost more refreshes."""
    seen = Seen401s(THREADS)

    def get(number: int) -> requests.Response:
        with requests.Session() as session:
            mount(session, server.url, ENDPOINT, store, when=seen)
            return session.get(f"/api/{number}")

    server.expire()
    with server.gate() as gate:
        crowd = Crowd(THREADS, get)
        gate.wait_for(1, WAIT)
        seen.wait_for_all()
    assert crowd.statuses() == [200] * THREADS
    assert_one_rotation(server, store)


def test_a_latecomer_uses_the_current_token(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A request refused with an older token is resent with the current one: no refresh."""
    server.revoke_old_access = True
    adapter = mount(session, server.url, ENDPOINT, store)
    with server.gate(on=lambda path: path == "/api/late") as gate:
        late = Crowd(1, lambda _number: session.get("/api/late"))
        gate.wait_for(1, WAIT)
        adapter.refresh()
    assert late.statuses() == [200]
    assert_one_rotation(server, store)
    assert server.counters.unauthorized == 1


def test_a_lost_answer_is_asked_for_again_by_the_leader_alone(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Within the server's grace time the leader's second attempt saves all 32."""
    server.grace = 60
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen)
    server.expire()
    server.fail(DropAfter())
    with server.gate():
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        seen.wait_for_all()
    assert crowd.statuses() == [200] * THREADS
    counters = server.counters
    assert (counters.refreshes, counters.rotated, counters.repeated) == (2, 1, 1)
    assert server.family_alive(load_token(store))


# --- By a known expiry, or by force --------------------------------------------------------------


def test_a_known_expiry(server: AuthServer, session: requests.Session) -> None:
    """At an expiry that is known, all wait for one refresh and no 401 is ever provoked."""
    store = MemoryStore(mark_expired(server.login()))
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    with server.gate() as gate:
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1, WAIT)
        wait_for_waiters(adapter, THREADS - 1)
    assert crowd.statuses() == [200] * THREADS
    assert_one_rotation(server, store)
    assert server.counters.unauthorized == 0
    assert session.get("/api/next").status_code == 200


def test_an_early_failure_is_no_error(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If the server still takes the token, a failed refresh at its expiry does no harm."""
    store.save(mark_expired(load_token(store)))
    mount(session, server.url, ENDPOINT, store)
    server.fail(Status(500))
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 1


def test_forced_refreshes_share_one_too(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """refresh() takes part in the refresh that is under way."""
    adapter = mount(session, server.url, ENDPOINT, store)

    def refresh(_number: int) -> requests.Response:
        adapter.refresh()
        return session.get("/api/x")

    with server.gate() as gate:
        crowd = Crowd(8, refresh)
        gate.wait_for(1, WAIT)
        wait_for_waiters(adapter, 7)
    assert crowd.statuses() == [200] * 8
    assert_one_rotation(server, store)
