"""Nothing silent: the ordinary story at DEBUG and by `on_event`, what needs a person at WARNING."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    JSONEndpoint,
    MemoryStore,
    PasswordLogin,
    RefreshUnavailable,
    Token,
    mount,
)
from requests_jwt_refresh.testing import JSONBody, Status
from tests.support.crowd import Crowd, wait_for_waiters
from tests.support.leaks import list_secrets
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT, mark_expired, store

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.events import Event
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "requests_jwt_refresh")


def kinds(events: list[Event]) -> list[str]:
    return [each.kind for each in events]


def list_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        each.getMessage()
        for each in caplog.records
        if each.name == "requests_jwt_refresh" and each.levelno >= logging.WARNING
    ]


# --- The ordinary story --------------------------------------------------------------------------


def test_the_story_of_a_refresh(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Matched by which rule, led, refreshed in how many seconds, resent; a good answer is silent.

    No token and no query is in it, neither in the log nor in the events.
    """
    events: list[Event] = []
    before = store.load()
    mount(session, server.url, ENDPOINT, store, on_event=events.append)
    assert session.get("/api/x?key=hidden").status_code == 200
    assert (events, caplog.records) == ([], [])
    server.expire()
    assert session.get("/api/x?key=hidden").status_code == 200
    assert kinds(events) == ["matched", "refreshed", "led", "resent"]
    matched, refreshed, led, resent = events
    assert (matched.url, matched.status, matched.rule) == (
        f"{server.url}/api/x",
        401,
        "status(401)",
    )
    assert refreshed.url == f"{server.url}/auth/refresh"
    assert None not in (refreshed.seconds, led.seconds)
    assert (resent.url, resent.status) == (f"{server.url}/api/x", 200)
    assert matched.at <= refreshed.at <= resent.at
    for secret in ["hidden", *list_secrets(before, store.load())]:
        assert secret not in caplog.text
        assert secret not in repr(events)
    assert not list_warnings(caplog)


def test_followers_say_so(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Of four threads one leads."""
    events: list[Event] = []
    adapter = mount(session, server.url, ENDPOINT, store, on_event=events.append)
    server.expire()
    with server.gate(on="refresh") as gate:
        crowd = Crowd(4, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1)
        wait_for_waiters(adapter, 3)
        gate.open()
        assert crowd.statuses() == [200] * 4
    assert (kinds(events).count("led"), kinds(events).count("followed")) == (1, 3)
    assert kinds(events).count("refreshed") == 1


def test_what_another_program_stored_is_adopted(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """No exchange, and so no "refreshed"."""
    events: list[Event] = []
    mount(session, server.url, ENDPOINT, store, on_event=events.append)
    assert session.get("/api/x").status_code == 200
    server.expire()
    store.save(server.login())
    assert session.get("/api/x").status_code == 200
    assert kinds(events) == ["matched", "adopted", "led", "resent"]


def test_an_outage(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The caller gets an error that says it all: no warning."""
    events: list[Event] = []
    mount(session, server.url, ENDPOINT, store, on_event=events.append)
    server.expire()
    server.fail(Status(500))
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    assert kinds(events) == ["matched", "unavailable", "led"]
    assert not list_warnings(caplog)


def test_an_answer_that_does_not_match(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """That the rule was asked is told as well: the wrong rule is a frequent mistake."""
    events: list[Event] = []

    def is_expired(response: requests.Response) -> bool:
        return response.status_code == 418

    mount(session, server.url, ENDPOINT, store, when=is_expired, on_event=events.append)
    assert session.get("/status/404").status_code == 404
    (event,) = events
    assert (event.kind, event.status) == ("unmatched", 404)
    assert event.rule is not None
    assert event.rule.endswith("is_expired")


# --- What needs a person -------------------------------------------------------------------------


def test_a_logout_is_a_warning(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once, with what the server answered and what to do; requests after it add nothing."""
    events: list[Event] = []
    before = store.load()
    mount(session, server.url, ENDPOINT, store, on_event=events.append)
    server.expire()
    server.revoke()
    for _ in range(3):
        assert session.get("/api/x").status_code == 401
    (warning,) = list_warnings(caplog)
    assert warning.startswith("Logged out")
    assert "invalid_grant" in warning or "400" in warning
    assert "Log in again" in warning
    assert kinds(events)[:4] == ["matched", "refused", "logged_out", "led"]
    assert kinds(events).count("logged_out") == 1
    assert not any(secret in caplog.text for secret in list_secrets(before))


def test_a_login_that_makes_up_for_a_refusal_is_no_logout(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is told as a login."""
    events: list[Event] = []
    mount(
        session,
        server.url,
        ENDPOINT,
        store,
        login=lambda _session: server.login(),
        on_event=events.append,
    )
    server.expire()
    server.revoke()
    assert session.get("/api/x").status_code == 200
    assert kinds(events) == ["matched", "refused", "logged_in", "led", "resent"]
    assert not list_warnings(caplog)


def test_a_missing_login_is_a_warning(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Once until there is a login, and once more after its end."""
    events: list[Event] = []
    adapter = mount(session, server.url, ENDPOINT, MemoryStore(), on_event=events.append)
    for _ in range(3):
        assert session.get("/api/x").status_code == 401
    (warning,) = list_warnings(caplog)
    assert "nobody has logged in" in warning
    assert "set_token()" in warning
    assert kinds(events).count("no_login") == 1
    adapter.set_token(server.login())
    assert session.get("/api/x").status_code == 200
    adapter.clear_token()
    for _ in range(3):
        assert session.get("/api/x").status_code == 401
    assert len(list_warnings(caplog)) == 2


@pytest.mark.parametrize("held", [None, "expired", "revoked"])
def test_a_refused_login_is_a_warning(
    server: AuthServer,
    session: requests.Session,
    caplog: pytest.LogCaptureFixture,
    held: str | None,
) -> None:
    """Once, with what the login has met; after a logout as well, which is said before it.

    Of an expired token without a refresh token, the refused login itself is the logout.
    """

    def log_in(session: requests.Session) -> Token:
        session.post("/auth/login", json={"username": "a", "password": "wrong"}).raise_for_status()
        raise AssertionError

    events: list[Event] = []
    token = server.login() if held else None
    if token is not None and held == "expired":
        token = Token(token.access)
    mount(session, server.url, ENDPOINT, MemoryStore(token), login=log_in, on_event=events.append)
    server.expire()
    server.revoke()
    for _ in range(2):
        assert session.get("/api/x").status_code == 401
    *logout, warning = list_warnings(caplog)
    if held == "expired":
        assert warning.startswith("Logged out, and the tokens are forgotten: login failed with")
        assert kinds(events).count("logged_out") == 1
        return
    assert warning.startswith(f"Requests to {server.url}/api/x go out without a valid token: ")
    assert ": login failed with HTTPError (401)" in warning
    assert [each[:10] for each in logout] == (["Logged out"] if held == "revoked" else [])
    assert kinds(events).count("no_login") == 1


def test_a_token_that_has_expired_without_a_refresh_token(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """A login is missing here, too."""
    expired = Token(mark_expired(server.login()).access, None, 1_000_000_001)
    mount(session, server.url, ENDPOINT, MemoryStore(expired))
    for _ in range(3):
        assert session.get("/public/x").status_code == 200
    (warning,) = list_warnings(caplog)
    assert "there is no refresh token" in warning


def test_a_refused_token_without_a_refresh_token(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Its end was not known: perhaps the login's answer was read in the wrong place."""
    server.opaque = True
    endpoint = JSONEndpoint("/auth/refresh", refresh="refreshToken")
    adapter = mount(
        session, server.url, endpoint, MemoryStore(), login=PasswordLogin("/auth/login")
    )
    adapter.log_in("alice", "right")
    server.expire()
    for _ in range(3):
        assert session.get("/api/x").status_code == 401
    (warning,) = list_warnings(caplog)
    assert "the API has refused it, and there is no refresh token" in warning
    assert "check that refresh= names its field" in warning
    assert server.counters.refreshes == 0


def test_a_misspelt_send_field_is_told(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The names of the fields that were sent, and the server's error code."""
    endpoint = JSONEndpoint("/auth/refresh", send="refresh_tokn", extra={"client": "me"})
    mount(session, server.url, endpoint, store)
    server.expire()
    assert session.get("/api/x").status_code == 401
    (warning,) = list_warnings(caplog)
    assert "the request had the JSON fields 'client', 'refresh_tokn'" in warning
    assert "check the endpoint's URL and the names of its fields" in warning
    assert "invalid_request" in warning


@pytest.mark.parametrize("refreshes", [0, 1])
def test_a_401_for_the_first_refresh_may_be_that_of_a_wrong_url(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture, refreshes: int
) -> None:
    """An API refuses what has no token at each of its paths, with a code of its own."""
    adapter = mount(session, server.url, ENDPOINT, MemoryStore())
    adapter.set_token(server.login())
    for _ in range(refreshes):
        adapter.refresh()
    server.fail(JSONBody({"error": {"code": "token_expired"}}, status=401), on="refresh")
    server.expire()
    assert session.get("/api/x").status_code == 401
    (warning,) = list_warnings(caplog)
    assert "(401 token_expired)" in warning
    assert ("check the endpoint's URL" in warning) == (refreshes == 0)


def test_a_misspelt_refresh_field_is_told(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once, with the names of the fields there are: the next refresh would be a reuse."""
    endpoint = JSONEndpoint("/auth/refresh", refresh="data.refreshtoken")
    server.detect_reuse = False
    server.grace = 1000.0
    mount(session, server.url, endpoint, store)
    for _ in range(2):
        server.expire()
        assert session.get("/api/x").status_code == 200
    (warning,) = list_warnings(caplog)
    assert "data.refreshtoken" in warning
    assert "'refresh_token'" in warning


# --- on_event itself -----------------------------------------------------------------------------


def test_on_event_runs_under_no_lock(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """It may use the adapter: even set a token, or send a request."""
    seen: list[tuple[str, int]] = []
    other = plain_session()

    def use(event: Event) -> None:
        with store.lock(0):
            pass
        if event.kind == "refreshed":
            seen.append((event.kind, other.get("/api/x").status_code))

    mount(other, server.url, ENDPOINT, store)
    mount(session, server.url, ENDPOINT, store, on_event=use)
    server.expire()
    with other:
        assert session.get("/api/x").status_code == 200
    assert seen == [("refreshed", 200)]


@pytest.mark.parametrize("error", [ValueError("a secret"), StopIteration("a secret")], ids=repr)
def test_what_a_callback_raises_is_logged(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """By its kind alone, and the others are called all the same."""
    called: list[str] = []

    def on_event(event: Event) -> None:
        called.append(event.kind)
        raise error

    def on_refresh(_token: Token) -> None:
        called.append("on_refresh")
        raise error

    mount(session, server.url, ENDPOINT, store, on_event=on_event, on_refresh=on_refresh)
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert called == ["matched", "refreshed", "on_refresh", "led", "resent"]
    assert sum(type(error).__name__ in each for each in list_warnings(caplog)) == len(called)
    assert "a secret" not in caplog.text


_taken: list[Event] = []


def take(event: Event) -> None:
    """Stand in for a function that can be pickled."""
    _taken.append(event)


def test_on_event_is_pickled_with_the_adapter(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Like the other callbacks."""
    global _taken  # noqa: PLW0603 - what is pickled is a function of this module
    _taken = []
    mount(session, server.url, ENDPOINT, store, on_event=take)
    server.expire()
    with pickle.loads(pickle.dumps(session)) as copy:
        assert copy.get("/api/x").status_code == 200
    assert kinds(_taken) == ["matched", "refreshed", "led", "resent"]
    options: dict[str, Any] = {"on_event": "print"}
    with pytest.raises(TypeError, match="on_event"):
        mount(plain_session(), server.url, ENDPOINT, store, **options)
