"""Cooldown and loop guard: when a refresh is not tried again, and for how long."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import MemoryStore, RefreshUnavailable, mount
from requests_jwt_refresh.refresh.limits import MAX_COOLDOWN, REFUSED_LIMIT, REFUSED_WINDOW
from requests_jwt_refresh.testing import Status
from tests.support.users import ENDPOINT, STILL_EXPIRED, store
from tests.support.waits import WAIT

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

__all__ = ["store"]  # a fixture


# --- The loop guard ------------------------------------------------------------------------------


def refresh_until_stopped(server: AuthServer, session: requests.Session) -> None:
    """Send requests whose tokens have expired by the time they come, until no more are fetched."""
    before = server.counters.refreshes
    for number in range(REFUSED_LIMIT + 3):
        assert session.get(f"/api/{number}").status_code == 401
    assert server.counters.refreshes == before + REFUSED_LIMIT


def test_the_loop_guard(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Five refreshes in 30 s whose token is refused as well, then the API's own 401s; one warning.

    The tokens are kept.
    """
    server.lifetime = 1e-7  # gone at the next look at the clock
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    refresh_until_stopped(server, session)
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert sum("keeps refusing" in each for each in warnings) == 1
    clock.advance(REFUSED_WINDOW / 2)
    assert session.get("/api/x").status_code == 401
    assert server.counters.refreshes == REFUSED_LIMIT
    clock.advance(REFUSED_WINDOW)
    server.heal()
    server.lifetime = 300
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == REFUSED_LIMIT + 1


def test_valid_token_in_a_loop(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Where there is no answer of the API's to give, it raises; refresh() asks all the same."""
    server.lifetime = 0.001
    adapter = mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    refresh_until_stopped(server, session)
    with pytest.raises(RefreshUnavailable, match="keeps refusing tokens fresh from"):
        adapter.valid_token()
    assert adapter.refresh() == store.load()
    assert server.counters.refreshes == REFUSED_LIMIT + 1


def test_the_loop_guard_stops_refreshes_alone(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Requests go on: a token that is accepted again is used."""
    server.lifetime = 0.001
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    refresh_until_stopped(server, session)
    server.heal()
    server.fail(Status(204), on="api", times=None)
    assert session.get("/api/x").status_code == 204


def test_a_new_login_ends_the_loop(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """set_token starts afresh."""
    server.lifetime = 0.001
    adapter = mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    refresh_until_stopped(server, session)
    adapter.set_token(server.login())
    refresh_until_stopped(server, session)


def test_the_loop_guard_for_many_threads(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """However many threads run into it: five refreshes, and those whose refusal is under way."""
    server.lifetime = 0.001
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)

    def insist(worker: int) -> set[int]:
        return {session.get(f"/api/{worker}/{number}").status_code for number in range(10)}

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(insist, range(8), timeout=WAIT)) == {401}
    assert REFUSED_LIMIT <= server.counters.refreshes < REFUSED_LIMIT + 8


def test_helpful_refreshes_are_never_stopped(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Twenty expiries in a row are twenty refreshes."""
    mount(session, server.url, ENDPOINT, store)
    for _ in range(20):
        server.expire()
        assert session.get("/api/x").status_code == 200
    assert server.counters.rotated == server.counters.refreshes == 20


# --- Cooldown ------------------------------------------------------------------------------------


def fails_without_asking(server: AuthServer, session: requests.Session, clock: Clock) -> str:
    asked, slept = server.counters.refreshes, clock.slept
    with pytest.raises(RefreshUnavailable) as caught:
        session.get("/api/x")
    assert server.counters.refreshes == asked
    assert clock.slept == slept
    return str(caught.value)


def fails_after_asking(server: AuthServer, session: requests.Session) -> None:
    asked = server.counters.refreshes
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    assert server.counters.refreshes == asked + 1


def test_the_cooldown_grows(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """A failed refresh is not tried again for 1 s, 2 s, 4 s ... and never more than 60 s."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=None)
    fails_after_asking(server, session)
    clock.advance(1.5)
    for cooldown in (2, 4, 8, 16, 32, MAX_COOLDOWN, MAX_COOLDOWN):
        fails_after_asking(server, session)
        clock.advance(cooldown - 1.5)
        text = fails_without_asking(server, session, clock)
        assert "answered 500" in text
        assert "not tried again for" in text
        clock.advance(2)
    server.heal()
    assert session.get("/api/x").status_code == 200


def test_a_success_ends_the_cooldown(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """After a refresh that worked, the next failure begins with a short cooldown again."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=3)
    for cooldown in (1, 2, 4):
        fails_after_asking(server, session)
        clock.advance(cooldown + 0.1)
    assert session.get("/api/x").status_code == 200
    server.expire()
    server.fail(Status(500), times=2)
    fails_after_asking(server, session)
    clock.advance(1.1)
    fails_after_asking(server, session)


def test_a_short_cooldown_is_waited_out(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """A request right after a first failure waits the second out rather than fail."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500))
    fails_after_asking(server, session)
    assert session.get("/api/x").status_code == 200
    assert 0.9 < clock.slept <= 1.0
    assert server.counters.refreshes == 2


@pytest.mark.parametrize(("asked", "cooldown"), [(20, 20), (100_000, MAX_COOLDOWN)])
def test_retry_after(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    clock: Clock,
    asked: int,
    cooldown: float,
) -> None:
    """A Retry-After longer than a refresh may take is the cooldown, up to a minute."""
    mount(session, server.url, ENDPOINT, store, refresh_timeout=5)
    server.expire()
    server.fail(Status(503, retry_after=asked))
    fails_after_asking(server, session)
    clock.advance(cooldown - 1.5)
    assert f"asks to be left alone for {asked} s" in fails_without_asking(server, session, clock)
    clock.advance(2)
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 2


def test_a_forced_refresh_does_not_wait(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """refresh() asks at once, whatever has failed before; its success ends the cooldown."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(503, retry_after=50))
    fails_after_asking(server, session)
    assert adapter.refresh() == store.load()
    assert session.get("/api/x").status_code == 200
    assert clock.slept == 0


def test_a_new_login_ends_the_cooldown(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """After set_token a refresh is tried at once."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(503, retry_after=50))
    fails_after_asking(server, session)
    adapter.set_token(server.login())
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert clock.slept == 0
