"""Callbacks, logins and callable endpoints: when they are called, and what they may call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import (
    MemoryStore,
    ReentrantRefresh,
    RefreshRejected,
    Token,
    mount,
)
from tests.support.crowd import THREADS, Crowd, Seen401s
from tests.support.users import ENDPOINT, store

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture


# --- Callbacks are called once, with nothing locked ----------------------------------------------


def test_on_refresh_is_called_once(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """on_refresh is called once for a refresh, however many requests it served."""
    given: list[Token] = []
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen, on_refresh=given.append)
    server.expire()
    with server.gate():
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        seen.wait_for_all()
    assert crowd.statuses() == [200] * THREADS
    assert given == [store.load()]


def test_on_logout_is_called_once(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """on_logout is called once for a refusal; every thread gets its own 401."""
    given: list[RefreshRejected] = []
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen, on_logout=given.append)
    server.revoke()
    server.expire()
    with server.gate():
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        seen.wait_for_all()
    assert crowd.statuses() == [401] * THREADS
    assert len(given) == 1
    assert server.counters.refreshes == 1


def test_on_refresh_may_call_through_the_adapter(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Callbacks run when nothing is locked: they may use the session, which has the new token."""
    inner: list[int] = []

    def on_refresh(token: Token) -> None:
        with store.lock(0):
            assert store.load() == token
        inner.append(session.get("/api/inner").status_code)

    mount(session, server.url, ENDPOINT, store, on_refresh=on_refresh)
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert inner == [200]
    assert server.counters.refreshes == 1


def test_on_logout_may_call_through_the_adapter(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """on_logout too, and what it gets then is the API's 401, not another refusal."""
    inner: list[int] = []

    def on_logout(_error: RefreshRejected) -> None:
        with store.lock(0):
            assert store.load() is None
        inner.append(session.get("/api/inner").status_code)

    mount(session, server.url, ENDPOINT, store, on_logout=on_logout)
    server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert inner == [401]
    assert server.counters.refreshes == 1


@pytest.mark.parametrize("event", ["refresh", "logout"])
def test_a_callback_that_raises_is_logged(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    event: str,
) -> None:
    """What a callback raises is logged by its kind alone, and the request goes on."""
    caplog.set_level(logging.DEBUG)
    secret = "held-by-the-error"

    def broken(_value: object) -> None:
        raise LookupError(secret)

    mount(session, server.url, ENDPOINT, store, on_refresh=broken, on_logout=broken)
    if event == "logout":
        server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == (200 if event == "refresh" else 401)
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert [each.name for each in errors] == ["requests_jwt_refresh"]
    assert "LookupError" in caplog.text
    assert secret not in caplog.text


# --- A refresh that waits for itself -------------------------------------------------------------


@pytest.mark.parametrize("call", ["get", "refresh", "set_token", "clear_token"])
@pytest.mark.parametrize("role", ["endpoint", "login"])
def test_calling_through_the_adapter_is_an_error(
    server: AuthServer, session: requests.Session, role: str, call: str
) -> None:
    """A refresh or login that waits for itself is an error, and nothing hangs."""

    def inward(*_args: object) -> Token:
        calls: dict[str, Callable[[], object]] = {
            "get": lambda: session.get("/api/inner"),
            "refresh": adapter.refresh,
            "set_token": lambda: adapter.set_token(server.login()),
            "clear_token": adapter.clear_token,
        }
        calls[call]()
        return server.login()

    adapter: JWTRefreshAdapter
    if role == "login":
        adapter = mount(session, server.url, ENDPOINT, MemoryStore(), login=inward)
    else:
        adapter = mount(session, server.url, inward, MemoryStore(server.login()))
    server.expire()
    with pytest.raises(ReentrantRefresh, match="auth=anonymous"):
        session.get("/api/x")


def test_reentry_is_no_outage(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A re-entrant call is a fault of the program: no cooldown follows, and the tokens are kept."""
    calls: list[Token] = []

    def inward_once(_session: requests.Session, token: Token) -> Token:
        calls.append(token)
        if len(calls) == 1:
            session.get("/api/inner")
        return server.login()

    mount(session, server.url, inward_once, store)
    before = store.load()
    server.expire()
    with pytest.raises(ReentrantRefresh):
        session.get("/api/x")
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


def test_anonymous_gets_through_in_a_login(server: AuthServer, session: requests.Session) -> None:
    """A login may use the mounted session for what needs no token."""
    store = MemoryStore()

    def login(_session: requests.Session) -> Token:
        credentials = ("alice", "secret")
        found = session.post("/auth/login", auth=credentials).json()
        return Token(found["access_token"], found["refresh_token"])

    mount(session, server.url, ENDPOINT, store, login=login)
    assert session.get("/api/x").status_code == 200
    assert server.counters.logins == 1
