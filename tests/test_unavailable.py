"""Unavailable: no answer that counts. The tokens are kept, and it works again afterwards."""

from __future__ import annotations

import gzip
import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    JSONEndpoint,
    MemoryStore,
    RefreshUnavailable,
    StoreError,
    Token,
    TokenResponse,
    mount,
)
from requests_jwt_refresh.refresh.client import MAX_RESPONSE_BYTES
from requests_jwt_refresh.refresh.retries import RETRIES
from requests_jwt_refresh.testing import (
    HTML,
    AuthServer,
    Drop,
    DropAfter,
    Hang,
    Huge,
    JSONBody,
    Redirect,
    Status,
    Trickle,
    Truncated,
)
from tests.support.clock import no_backoff
from tests.support.leaks import assert_no_secret
from tests.support.users import ENDPOINT, catch_unavailable, load_token, store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing import Fault

__all__ = ["no_backoff", "store"]  # fixtures

pytestmark = pytest.mark.usefixtures("clock", "no_backoff")

ALL = 1 + RETRIES
GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


@pytest.fixture
def elsewhere() -> Iterator[AuthServer]:
    """A server that must not be asked."""
    with AuthServer() as elsewhere:
        yield elsewhere


# --- Every fault the endpoint can have -----------------------------------------------------------


def bomb() -> Status:
    """Return 20 MB of JSON that travel as 20 kB."""
    text = '{"access_token": "' + "a" * 20_000_000 + '"}'
    return Status(200, body=gzip.compress(text.encode()), headers=GZIP)


@pytest.mark.parametrize(
    ("fault", "attempts", "says"),
    [
        (Status(408), 1, "answered 408"),
        (Status(429), ALL, "answered 429"),
        (Status(500), 1, "answered 500"),
        (Status(502), ALL, "answered 502"),
        (Status(503), ALL, "answered 503"),
        (Status(504), ALL, "answered 504"),
        (Status(404), 1, "answered 404. The tokens are kept; check its URL"),
        (Drop(), ALL, "hung up"),
        (HTML(), 1, "answered 200, but its body is not JSON (text/html)"),
        (HTML(502), ALL, "answered 502"),
        (Status(200), 1, "its body is empty"),
        (Truncated(), 1, "its body is not JSON (application/json)"),
        (JSONBody(["eyJhbGciOi"]), 1, "its JSON is a list without 'access_token'"),
        (JSONBody({"token": "eyJhbGciOi"}), 1, "no 'access_token', only 'token'"),
        (JSONBody({"access_token": 7}), 1, "'access_token' is a number"),
        (JSONBody({"access_token": "eyJhbGciOi\n"}), 1, "has a line break"),
        (JSONBody(None), 1, "its JSON is null"),
        (Status(200, body=b"[" * 200_000), 1, "answered 200, but"),
        (Status(200, body=b"{}", headers=GZIP), 1, "the refresh endpoint at http://127.0.0.1"),
        (Huge(), 1, "more than 1 MiB"),
        (Huge(MAX_RESPONSE_BYTES + 1), 1, "more than 1 MiB"),
        (bomb(), 1, "more than 1 MiB"),
    ],
    ids=repr,
)
def test_a_fault(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    attempts: int,
    says: str,
) -> None:
    """Each is RefreshUnavailable that says what happened; 429, 502 to 504 and drops are retried."""
    caplog.set_level(logging.DEBUG)
    before = load_token(store)
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(fault, times=None)
    failure = catch_unavailable(session)
    assert says in str(failure)
    assert "tokens are kept" in str(failure)
    assert server.counters.refreshes == attempts
    assert store.load() == before
    server.heal()
    assert session.get("/api/x").status_code == 200
    text = "".join(traceback.format_exception(failure)) + caplog.text
    assert_no_secret(text, before, load_token(store))


@pytest.mark.parametrize("fault", [Hang(), Trickle(part="header"), Trickle(part="body")], ids=repr)
def test_an_answer_that_takes_too_long(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
) -> None:
    """refresh_timeout bounds all of a refresh: silence, a slow header, a slow body."""
    caplog.set_level(logging.DEBUG)
    before = load_token(store)
    server.grace = 60  # a trickled answer has rotated
    mount(session, server.url, ENDPOINT, store, refresh_timeout=0.5)
    server.expire()
    server.fail(fault, times=None)
    failure = catch_unavailable(session)
    assert "0.5 s" in str(failure)
    assert server.counters.refreshes == 1
    assert store.load() == before
    server.heal()
    assert session.get("/api/x").status_code == 200
    text = "".join(traceback.format_exception(failure)) + caplog.text
    assert_no_secret(text, before, load_token(store))


def test_an_answer_cut_short(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """An answer that breaks off in its body is no answer: the tokens are kept."""
    before = store.load()
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Truncated(short=True), times=None)
    assert "hung up" in str(catch_unavailable(session))
    assert server.counters.refreshes == 2
    assert store.load() == before
    server.heal()
    assert session.get("/api/x").status_code == 200


def test_an_answer_cut_short_is_asked_for_again(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Inside the server's grace window, the second answer is as good as the first."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Truncated(short=True), times=1)
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    elsewhere: AuthServer,
    status: int,
) -> None:
    """A refresh token is for its endpoint alone: a redirect is a fault that names the target."""
    before = store.load()
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Redirect(f"{elsewhere.url}/auth/refresh", status))
    assert f"redirects to {elsewhere.url}/auth/refresh" in str(catch_unavailable(session))
    assert elsewhere.requests == []
    assert server.counters.refreshes == 1
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


def test_a_callables_session_follows_no_redirect(
    server: AuthServer, session: requests.Session, store: MemoryStore, elsewhere: AuthServer
) -> None:
    """Nor does the session that a callable is given, which need not think of it."""
    statuses: list[int] = []

    def refresh(session: requests.Session, token: Token) -> Token:
        url = f"{server.url}/auth/refresh"
        response = session.post(url, json={"refresh_token": token.refresh})
        statuses.append(response.status_code)
        return Token(response.json()["access_token"])

    mount(session, server.url, refresh, store)
    server.expire()
    server.fail(Redirect(f"{elsewhere.url}/auth/refresh"))
    catch_unavailable(session)
    assert statuses == [307]
    assert elsewhere.requests == []


def test_a_refused_connection(
    server: AuthServer, session: requests.Session, store: MemoryStore, elsewhere: AuthServer
) -> None:
    """An endpoint that cannot be reached is unavailable too; the error says that."""
    before = store.load()
    mount(session, server.url, JSONEndpoint(f"{elsewhere.url}/auth/refresh"), store)
    elsewhere.stop()
    server.expire()
    assert "could not be reached" in str(catch_unavailable(session))
    assert store.load() == before


@pytest.mark.parametrize(
    "fault", [Status(429), Status(502), Status(503), Status(504), Drop()], ids=repr
)
def test_one_fault_is_not_noticed(
    server: AuthServer, session: requests.Session, store: MemoryStore, fault: Fault
) -> None:
    """What may pass in a moment is asked again promptly."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(fault)
    assert session.get("/api/x").status_code == 200
    assert (server.counters.refreshes, server.counters.rotated) == (2, 1)


def test_a_lost_answer(server: AuthServer, session: requests.Session, store: MemoryStore) -> None:
    """An answer lost after the rotation is asked for again, within the server's grace time."""
    server.grace = 60
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(DropAfter())
    assert session.get("/api/x").status_code == 200
    counters = server.counters
    assert (counters.refreshes, counters.rotated, counters.repeated) == (2, 1, 1)
    assert server.family_alive(load_token(store))
    server.expire()
    assert session.get("/api/x").status_code == 200


def test_retry_after_is_kept_within_the_refresh(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A server that asks for more patience than a refresh has is not asked a second time."""
    mount(session, server.url, ENDPOINT, store, refresh_timeout=2)
    server.expire()
    server.fail(Status(503, retry_after=3), times=None)
    failure = catch_unavailable(session)
    assert "answered 503 and asks to be left alone for 3 s" in failure.cause
    assert failure.retry_after == 3
    assert server.counters.refreshes == 1


@pytest.mark.parametrize(("retry_after", "seconds"), [("3.0", 3.0), ("soon", 0.0)])
def test_an_odd_retry_after_does_not_hide_what_the_server_said(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    retry_after: str,
    seconds: float,
) -> None:
    """Shopify's is a fraction; urllib3 alone would raise InvalidHeader."""
    mount(session, server.url, ENDPOINT, store, refresh_timeout=2)
    server.expire()
    server.fail(Status(429, headers={"Retry-After": retry_after}), times=None)
    failure = catch_unavailable(session)
    assert "answered 429" in failure.cause
    assert failure.retry_after == seconds


# --- Callable endpoints --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route"),
        requests.ConnectionError("no route"),
        requests.Timeout("too late"),
        ValueError("no JSON"),
        KeyError("access"),
    ],
    ids=repr,
)
def test_a_callable_that_raises(
    server: AuthServer, session: requests.Session, store: MemoryStore, error: Exception
) -> None:
    """The error names the kind and the place, not the text, and what was raised goes no further."""
    answers: list[Any] = [error]

    def refresh(_session: requests.Session, _token: Token) -> Token:
        if answers:
            raise answers.pop()
        return server.login()

    before = store.load()
    mount(session, server.url, refresh, store)
    server.expire()
    failure = catch_unavailable(session)
    assert failure.__cause__ is None
    assert f"callable failed with {type(error).__name__}" in str(failure)
    assert str(error) not in str(failure)
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


@pytest.mark.parametrize(
    ("junk", "called"),
    [
        (None, "None, not a Token"),
        ("eyJhbGciOi", "a str, not a Token"),
        ({"access": "eyJhbGciOi"}, "a dict, not a Token"),
        (Token(None, "refresh alone"), "a Token without an access token"),
    ],
)
def test_a_callable_that_returns_junk(
    server: AuthServer, session: requests.Session, store: MemoryStore, junk: Any, called: str
) -> None:
    """What is no usable Token is RefreshUnavailable that says what it was."""
    before = store.load()
    mount(session, server.url, lambda _session, _token: junk, store)
    server.expire()
    failure = catch_unavailable(session)
    assert failure.cause == f"the refresh callable returned {called}"
    assert failure.remedy.startswith("return a Token")
    assert_no_secret(str(failure))
    assert store.load() == before


def test_a_callable_that_forgets_its_timeout(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """The session that a callable is given keeps refresh_timeout all by itself."""

    def refresh(session: requests.Session, token: Token) -> Token:
        url = f"{server.url}/auth/refresh"
        found = session.post(url, json={"refresh_token": token.refresh}, timeout=None).json()
        return Token(found["access_token"], found["refresh_token"])

    before = store.load()
    mount(session, server.url, refresh, store, refresh_timeout=0.5)
    server.expire()
    server.fail(Hang())
    assert "ConnectionError" in str(catch_unavailable(session))
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


def test_a_callable_says_unavailable_itself(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A RefreshUnavailable of its own keeps its text, and has the remedy of its class."""

    def refresh(_session: requests.Session, _token: Token) -> Token:
        raise RefreshUnavailable("closed on Sundays")

    mount(session, server.url, refresh, store)
    server.expire()
    failure = catch_unavailable(session)
    assert failure.cause == "closed on Sundays"
    assert str(failure) == "closed on Sundays. The tokens are kept; try again later"


@dataclass(frozen=True)
class FaultyEndpoint(JSONEndpoint):
    """A user's own endpoint, with a bug in it."""

    def read(self, reply: TokenResponse) -> Token:
        raise IndexError(reply.status)


def test_an_endpoint_with_a_bug(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """An endpoint that raises what it should not is unavailable as well.

    The server has rotated, so the new refresh token in its answer is saved.
    """
    before = load_token(store)
    mount(session, server.url, FaultyEndpoint("/auth/refresh"), store)
    server.expire()
    failure = catch_unavailable(session)
    assert "IndexError" in str(failure)
    assert "the new refresh token that came with it was saved" in str(failure)
    assert failure.__cause__ is None
    assert load_token(store).access == before.access
    assert load_token(store).refresh != before.refresh
    assert server.family_alive(load_token(store))


def test_a_store_error_of_a_callable_is_its_own(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Errors of our tree pass as they are."""

    def refresh(_session: requests.Session, _token: Token) -> Token:
        raise StoreError("the vault is closed")

    mount(session, server.url, refresh, store)
    server.expire()
    with pytest.raises(StoreError, match="the vault is closed"):
        session.get("/api/x")


@pytest.mark.parametrize("fault", [Status(503), HTML(), Status(404), Drop()])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_first_login_keeps_no_tokens(
    server: AuthServer, session: requests.Session, fault: Fault, is_first: bool
) -> None:
    """refresh(refresh_token): the text says that tokens are kept only where there are some."""
    store = MemoryStore(None if is_first else server.login())
    adapter = mount(session, server.url, ENDPOINT, store)
    server.fail(fault, times=None)
    with pytest.raises(RefreshUnavailable) as caught:
        adapter.refresh(server.login("bob").refresh)
    assert ("tokens are kept" in str(caught.value)) != is_first
