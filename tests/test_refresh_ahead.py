"""Refresh ahead: near its end a token is refreshed in the background, and nobody waits."""

from __future__ import annotations

import _thread
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    BearerEndpoint,
    ClientCredentials,
    FileStore,
    JWTRefreshAdapter,
    MemoryStore,
    RefreshRejected,
    StoreError,
    Token,
    header,
    mount,
)
from requests_jwt_refresh.refresh.single_flight import THREAD_NAME
from requests_jwt_refresh.testing import AuthServer, Status
from requests_jwt_refresh.tokens import with_expiry
from tests.support.clock import no_backoff
from tests.support.crowd import THREADS, Crowd, wait_for_waiters
from tests.support.sliding import NAME, slide
from tests.support.users import ENDPOINT
from tests.support.waits import WAIT, finish_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import requests

    from requests_jwt_refresh import Event
    from tests.support.clock import Clock

__all__ = ["no_backoff"]  # a fixture

LIFETIME = 300.0
NOT_YET = 0.79 * LIFETIME  # seconds after receipt
IN_WINDOW = 0.88 * LIFETIME  # it begins after 80 to 87 % of the lifetime
IN_LEEWAY = LIFETIME - 4.0
OUTAGE = Status(503, headers={"Retry-After": "0"})


class Separate(FileStore):
    """A file store that shares nothing in its process, as if it were in a process of its own."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


@pytest.fixture
def start(
    server: AuthServer, session: requests.Session, clock: Clock
) -> Callable[..., JWTRefreshAdapter]:
    """Mount an adapter on the session, and log in."""

    def start(store: Any = None, endpoint: Any = ENDPOINT, **options: Any) -> JWTRefreshAdapter:
        store = MemoryStore() if store is None else store
        adapter = mount(session, server.url, endpoint, store, **options)
        adapter.set_token(server.login())
        return adapter

    assert clock.time() > 0  # the library's clock stands still
    return start


def status(session: requests.Session) -> int:
    return session.get("/api/x").status_code


# --- Nobody waits --------------------------------------------------------------------------------


def test_nobody_waits(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """While the server takes its time, requests go out with the token that is still valid."""
    adapter = start()
    old = adapter.token
    assert old is not None
    clock.advance(NOT_YET)
    assert status(session) == 200
    finish_background()
    assert server.counters.refreshes == 0
    clock.advance(IN_WINDOW - NOT_YET)
    with server.gate(on="refresh") as gate:
        assert status(session) == 200
        gate.wait_for(1, timeout=WAIT)
        assert Crowd(THREADS, lambda _: session.get("/api/x")).statuses() == [200] * THREADS
        assert adapter.token is old
    finish_background()
    assert status(session) == 200
    assert server.requests[-1].bearer == adapter.token.access != old.access
    assert server.counters.refreshes == 1
    assert server.counters.unauthorized == 0


def test_no_thread_is_left_and_none_runs_while_idle(
    session: requests.Session, clock: Clock, start: Callable[..., JWTRefreshAdapter]
) -> None:
    start()
    assert status(session) == 200
    assert all(each.name != THREAD_NAME for each in threading.enumerate())
    clock.advance(IN_WINDOW)
    assert all(each.name != THREAD_NAME for each in threading.enumerate())
    assert status(session) == 200
    finish_background()


@pytest.mark.parametrize("options", [{}, {"refresh_ahead": 0}])
def test_in_its_last_moments_all_wait_for_one(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
    options: dict[str, Any],
) -> None:
    """A token that could die on its way is not sent: no 401, though the server counts earlier."""
    start(**options)
    clock.advance(IN_LEEWAY)
    server.expire()
    assert Crowd(THREADS, lambda _: session.get("/api/x")).statuses() == [200] * THREADS
    assert server.counters.refreshes == 1
    assert server.counters.unauthorized == 0


def test_off(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """With 0 nothing happens before the leeway of 5 s."""
    start(refresh_ahead=0)
    clock.advance(LIFETIME - 6)
    assert status(session) == 200
    finish_background()
    assert server.counters.refreshes == 0


@pytest.mark.parametrize(("seconds", "quiet"), [(30, 269.0), (100.5, 199.0), (1e6, 149.0)])
def test_so_many_seconds_ahead(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
    seconds: float,
    quiet: float,
) -> None:
    """With a jitter of a tenth; never more than half of the lifetime, or it would never end."""
    start(refresh_ahead=seconds)
    clock.advance(quiet)
    assert status(session) == 200
    finish_background()
    assert server.counters.refreshes == 0
    clock.advance(16)
    assert status(session) == 200
    finish_background()
    assert server.counters.refreshes == 1


def test_valid_token_begins_it_as_well(
    server: AuthServer, clock: Clock, start: Callable[..., JWTRefreshAdapter]
) -> None:
    """For a program that sends all of its requests over a websocket."""
    adapter = start()
    old = adapter.token
    clock.advance(IN_WINDOW)
    assert adapter.valid_token() is old
    finish_background()
    assert adapter.valid_token() is not old
    assert server.counters.refreshes == 1


def test_an_upload_that_can_be_sent_only_once(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """It meets no 401 at the end of a token: the token is a new one before that."""
    start()
    clock.advance(IN_WINDOW)
    assert session.post("/api/x", data=iter([b"one ", b"chunk"])).status_code == 200
    finish_background()
    clock.advance(IN_LEEWAY)
    server.expire()
    assert session.post("/api/x", data=iter([b"one ", b"chunk"])).status_code == 200
    assert server.counters.unauthorized == 0
    assert server.counters.refreshes == 2


def test_callbacks_run_in_its_thread(
    session: requests.Session, clock: Clock, start: Callable[..., JWTRefreshAdapter]
) -> None:
    """They may take long: no request waits for them. A request of their own is no deadlock."""
    seen: list[tuple[str, int]] = []

    def note(_token: Token) -> None:
        seen.append((threading.current_thread().name, status(session)))

    start(on_refresh=note)
    clock.advance(IN_WINDOW)
    assert status(session) == 200
    finish_background()
    assert seen == [(THREAD_NAME, 200)]


def test_it_is_told(clock: Clock, start: Callable[..., JWTRefreshAdapter]) -> None:
    kinds: list[str] = []
    adapter = start(on_event=lambda event: kinds.append(event.kind))
    clock.advance(IN_WINDOW)
    adapter.valid_token()
    finish_background()
    assert kinds == ["ahead", "refreshed"]


# --- Others who share the store ------------------------------------------------------------------


def test_one_of_those_that_share_a_store_begins(
    server: AuthServer, clock: Clock, tmp_path: Path
) -> None:
    """The others find the new token in the store, in the background as well."""
    path = tmp_path / "token.json"
    Separate(path).save(with_expiry(server.login()))
    adapters = [JWTRefreshAdapter(server.url, ENDPOINT, Separate(path)) for _ in range(4)]
    first = {adapter.valid_token().access for adapter in adapters}
    clock.advance(IN_WINDOW)
    for adapter in adapters:
        adapter.valid_token()
    finish_background()
    second = {adapter.valid_token().access for adapter in adapters}
    assert server.counters.refreshes == 1
    assert len(first) == len(second) == 1
    assert first != second


# --- When it fails -------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_backoff")
def test_an_outage_is_no_error_while_the_token_is_valid(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """Not tried again before the cooldown has ended; at the end of the token at once."""
    start()
    server.fail(OUTAGE, on="refresh", times=None)
    clock.advance(IN_WINDOW)
    assert status(session) == 200
    finish_background()
    asked = server.counters.faults
    assert [status(session) for _ in range(5)] == [200] * 5
    finish_background()
    assert server.counters.faults == asked > 0
    for seconds in (7, 7, 7, 9):  # the pause doubles; the last one would end after the token
        clock.advance(seconds)
        assert status(session) == 200
        finish_background()
    assert server.counters.faults > asked
    server.clear_faults()
    clock.advance(7)
    server.expire()
    assert status(session) == 200
    assert server.counters.unauthorized == 0


def test_a_refusal_is_no_logout_while_the_token_is_valid(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """It is one when the access token has ended; then the refresh token is refused once more."""
    lost: list[RefreshRejected] = []
    store = MemoryStore()
    start(store, on_logout=lost.append)
    server.fail(Status(401), on="refresh", times=None)
    clock.advance(IN_WINDOW)
    for _ in range(3):
        assert status(session) == 200
        finish_background()
    clock.advance(IN_LEEWAY - IN_WINDOW)
    assert status(session) == 200
    assert (server.counters.faults, lost) == (1, [])
    assert store.load() is not None
    clock.advance(LIFETIME)
    server.expire()
    assert [status(session) for _ in range(2)] == [401] * 2
    assert (server.counters.faults, len(lost)) == (2, 1)
    assert store.load() is None


def test_a_store_that_cannot_be_written_is_said_once(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is exchanged, and the valid token goes on being used."""

    class Full(MemoryStore):
        is_full = False

        def save(self, token: Token) -> None:
            if self.is_full:
                raise StoreError("the disk is full", "make room")
            super().save(token)

    store = Full()
    start(store)
    store.is_full = True
    clock.advance(IN_WINDOW)
    for _ in range(3):
        assert status(session) == 200
        finish_background()
        clock.advance(3)
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "the disk is full" in warnings[0].getMessage()
    assert server.counters.refreshes == 0


def test_a_server_that_gives_the_same_token_again(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """It is used to its end: to ask earlier and earlier would never end (google-auth #581)."""
    asked: list[int] = []
    given = server.login()

    def refresh(_session: requests.Session, _token: Token) -> Token:
        asked.append(1)
        return Token(given.access, given.refresh, clock.time() + LIFETIME - IN_WINDOW)

    adapter = mount(session, server.url, refresh, MemoryStore())
    adapter.set_token(given)
    clock.advance(IN_WINDOW)
    for _ in range(5):
        assert status(session) == 200
        finish_background()
        clock.advance(8.5)
    assert len(asked) == 1


def test_without_anything_to_refresh_with(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bare access token is used to its end, and nobody is warned before that."""
    kinds: list[str] = []
    adapter = start(on_event=lambda event: kinds.append(event.kind))
    adapter.set_token(Token(server.login().access))
    for seconds in (IN_WINDOW, IN_LEEWAY - IN_WINDOW):
        clock.advance(seconds)
        assert status(session) == 200
        finish_background()
    assert all(each.levelno < logging.WARNING for each in caplog.records)
    assert kinds == []
    assert server.counters.refreshes == 0


def test_no_thread_can_be_started(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The request that would have started it does not refresh in its place."""
    start()
    clock.advance(IN_WINDOW)

    def fail(*_args: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", fail)
        assert status(session) == 200
    assert server.counters.refreshes == 0
    assert status(session) == 200
    finish_background()
    assert server.counters.refreshes == 1


def test_a_body_that_can_be_sent_once_waits_in_the_window(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """A server may end the old token with the refresh that this very request begins."""

    def refresh(_session: requests.Session, _token: Token) -> Token:
        server.expire()
        return server.login()

    adapter = mount(session, server.url, refresh, MemoryStore())
    adapter.set_token(server.login())
    clock.advance(IN_WINDOW)
    assert session.post("/api/x", data=iter([b"one ", b"chunk"])).status_code == 200
    assert server.counters.unauthorized == 0


def test_a_refusal_in_the_last_moments_is_shared(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """All wait for one exchange, and then use the token that is valid still."""
    adapter = start()
    clock.advance(IN_LEEWAY)
    server.fail(Status(401), on="refresh", times=None)
    with server.gate(on="refresh") as gate:
        crowd = Crowd(THREADS, lambda _: session.get("/api/x"))
        gate.wait_for(1, timeout=WAIT)
        wait_for_waiters(adapter, THREADS - 1)
        gate.open()
    assert crowd.statuses() == [200] * THREADS
    assert server.counters.faults == 1


def test_a_logout_by_another_program_is_one(
    session: requests.Session, clock: Clock, start: Callable[..., JWTRefreshAdapter]
) -> None:
    """The store has been emptied: on_logout is called, as it is at the token's end."""
    lost: list[RefreshRejected] = []
    store = MemoryStore()
    start(store, on_logout=lost.append)
    store.clear()
    clock.advance(IN_WINDOW)
    assert status(session) == 200
    finish_background()
    assert len(lost) == 1


def test_a_token_that_is_cleared_before_it_begins(server: AuthServer, clock: Clock) -> None:
    """A grant that needs no login fetches no new one in the background after that."""
    store = MemoryStore()
    endpoint = ClientCredentials("/oauth/token", "client", "secret")
    adapter = JWTRefreshAdapter(server.url, endpoint, store)
    adapter.set_token(Token("a", expires_at=clock.time() + LIFETIME))
    clock.advance(IN_WINDOW)
    with store.lock(WAIT):
        adapter.valid_token()
        store.clear()
    finish_background()
    assert store.load() is None
    assert server.requests == []


def test_a_callback_of_the_first_step_may_send(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """It is told once for each refresh, whoever sends meanwhile."""
    kinds: list[str] = []

    def note(event: Event) -> None:
        kinds.append(event.kind)
        assert status(session) == 200

    start(on_event=note)
    clock.advance(IN_WINDOW)
    assert Crowd(THREADS, lambda _: session.get("/api/x")).statuses() == [200] * THREADS
    finish_background()
    assert kinds.count("ahead") == server.counters.refreshes == 1


def test_a_function_that_calls_the_adapter_it_serves(
    session: requests.Session,
    server: AuthServer,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That is said once, and the token is used to its end: each try would fail like the first."""
    calls: list[int] = []

    def refresh(_session: requests.Session, _token: Token) -> Token:
        calls.append(1)
        session.get("/api/x")
        raise AssertionError

    adapter = mount(session, server.url, refresh, MemoryStore())
    adapter.set_token(server.login())
    for moment in (IN_WINDOW, IN_LEEWAY - IN_WINDOW):
        clock.advance(moment)
        for _ in range(3):
            assert status(session) == 200
            finish_background()
    assert len(calls) == 1
    assert [each.levelname for each in caplog.records].count("WARNING") == 1


# --- Clocks --------------------------------------------------------------------------------------


def test_sleep_and_wake(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """After a night the token has ended: all wait for one refresh, and see no 401."""
    start()
    assert status(session) == 200
    clock.advance(8 * 3600)
    server.expire()
    assert Crowd(THREADS, lambda _: session.get("/api/x")).statuses() == [200] * THREADS
    assert (server.counters.refreshes, server.counters.unauthorized) == (1, 0)


def test_a_clock_that_is_set_back(
    server: AuthServer,
    session: requests.Session,
    clock: Clock,
    start: Callable[..., JWTRefreshAdapter],
) -> None:
    """The API says that the token has ended: as ever."""
    start()
    clock.advance(-3600)
    server.expire()
    assert status(session) == 200
    assert server.counters.refreshes == 1


# --- Sliding sessions ----------------------------------------------------------------------------


def test_an_answer_that_brings_the_next_token_goes_before(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    adapter = mount(session, server.url, ENDPOINT, MemoryStore(), renewed=header(NAME))
    adapter.set_token(server.login())
    sliding = slide(server)
    clock.advance(IN_WINDOW)
    assert status(session) == 200
    finish_background()
    assert len(sliding.given) == 1
    assert server.counters.refreshes == 0


def test_an_answer_without_one_is_not_waited_for_again(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """An API may hand tokens out in some of its answers alone."""
    adapter = mount(session, server.url, ENDPOINT, MemoryStore(), renewed=header(NAME))
    adapter.set_token(server.login())
    clock.advance(IN_WINDOW)
    assert status(session) == 200
    finish_background()
    assert server.counters.refreshes == 1


# --- What it takes -------------------------------------------------------------------------------


class LiveEndpoint(BearerEndpoint):
    """Takes the access token while it is valid."""

    needs_live_token = True


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("30", TypeError, "a number of seconds"),
        (True, TypeError, "a number of seconds"),
        (-1, ValueError, "a number of seconds"),
        (float("nan"), ValueError, "a number of seconds"),
        (float("inf"), ValueError, "a number of seconds"),
    ],
)
def test_a_number_that_is_none(value: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        JWTRefreshAdapter("https://h.example", ENDPOINT, MemoryStore(), refresh_ahead=value)


def test_off_with_an_endpoint_that_needs_the_live_token() -> None:
    """After the end of the token there would be nothing to hand in."""
    with pytest.raises(ValueError, match="leave refresh_ahead out"):
        JWTRefreshAdapter("https://h.example", LiveEndpoint("/r"), MemoryStore(), refresh_ahead=0)


@pytest.fixture(autouse=True)
def _end_background() -> Iterator[None]:
    yield
    finish_background()
