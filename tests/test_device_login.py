"""DeviceLogin as a login=: a person approves in a browser, and requests wait (RFC 8628)."""

from __future__ import annotations

import pickle
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    DeviceLogin,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    OAuth2Endpoint,
    RefreshRejected,
    mount,
)
from tests.support.crowd import THREADS, Crowd, wait_for_waiters

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.grants.device import DeviceCode
    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

ENDPOINT = OAuth2Endpoint("/auth/token", "tv")
CODE = re.compile(r"type the code ([A-Z]{4}-[A-Z]{4})")


class Person:
    """Sees the code, and decides."""

    def __init__(self, server: AuthServer, *, approves: bool = True) -> None:
        self._server, self._approves = server, approves
        self.codes: list[DeviceCode] = []

    def __call__(self, code: DeviceCode) -> None:
        self.codes.append(code)
        if self._approves:
            self._server.approve(code.user_code, "bob")
        else:
            self._server.deny(code.user_code)


@pytest.mark.parametrize("own_session", [False, True], ids=["separate", "refresh_session"])
def test_requests_wait_until_it_is_approved(
    server: AuthServer, session: requests.Session, clock: Clock, own_session: bool
) -> None:
    """32 threads: one code to type, then tokens for all; the client is the endpoint's."""
    person = Person(server)
    login = DeviceLogin("/auth/device", scope="a b", show=person)
    with requests.Session() as other:
        other.trust_env = False
        adapter = mount(
            session,
            server.url,
            ENDPOINT,
            MemoryStore(),
            login=login,
            refresh_session=other if own_session else None,
        )
        crowd = Crowd(THREADS, lambda _: session.get("/api/x"))
        assert crowd.statuses() == [200] * THREADS
    assert (len(person.codes), server.counters.logins) == (1, 1)
    assert adapter.token is not None
    assert clock.sleeps == [5.0]
    assert b"scope=a+b" in server.requests[0].body


def test_no_lock_of_the_store_is_held_meanwhile(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """Other programs go on with the store; other threads wait."""
    store, person = MemoryStore(), Person(server)

    def look() -> None:
        wait_for_waiters(adapter, 3)
        with store.lock(0):
            pass

    clock.steps = [look]
    login = DeviceLogin("/auth/device", show=person)
    adapter = mount(session, server.url, ENDPOINT, store, login=login)
    assert Crowd(4, lambda _: session.get("/api/x")).statuses() == [200] * 4
    assert store.load() is not None


def test_the_code_is_printed_to_stderr(
    server: AuthServer, session: requests.Session, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no `show` is given; nothing on stdout, which may be the program's result."""
    shown: list[str] = []

    def approve() -> None:
        out, err = capsys.readouterr()
        assert out == ""
        shown.append(err)
        found = CODE.search(err)
        assert found is not None
        server.approve(found[1])

    clock.steps = [approve]
    mount(session, server.url, ENDPOINT, MemoryStore(), login=DeviceLogin("/auth/device"))
    assert session.get("/api/x").status_code == 200
    assert f"To log in, open\n\n    {server.url}/public/device\n\n" in shown[0]
    assert "Waiting for up to 10 min" in shown[0]


@pytest.mark.usefixtures("clock")
def test_a_person_who_says_no(server: AuthServer, session: requests.Session) -> None:
    """The API's own answer for requests, RefreshRejected for who asks for a token."""
    person = Person(server, approves=False)
    login = DeviceLogin("/auth/device", show=person)
    adapter = mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    assert session.get("/api/x").json() == {"message": "No token"}
    with pytest.raises(RefreshRejected, match="denied in the browser"):
        adapter.refresh()


def test_it_may_have_a_client_of_its_own(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """For an API whose tokens are renewed by another endpoint, or not at all."""
    for endpoint in (JSONEndpoint("/auth/refresh"), None):
        login = DeviceLogin("/auth/device", "/auth/token", "tv", show=Person(server))
        mount(session, server.url, endpoint, MemoryStore(), login=login)
        assert session.get("/api/x").status_code == 200
    assert len(clock.sleeps) == 2


def test_it_asks_for_the_clients_scope() -> None:
    """Unless it has one of its own."""
    endpoint = OAuth2Endpoint("/token", "tv", scope="a")
    assert DeviceLogin("/d").bind(endpoint, "https://h").scope == "a"
    assert DeviceLogin("/d", scope="b").bind(endpoint, "https://h").scope == "b"


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: DeviceLogin(""), TypeError, "url must be a string"),
        (lambda: DeviceLogin("/d", show="x"), TypeError, "show must be a function, not a str"),  # type: ignore[arg-type]
        (lambda: DeviceLogin("/d", show=sys.exc_info), TypeError, "show is called with (code)"),  # type: ignore[arg-type]
        (lambda: bind(JSONEndpoint("/r")), TypeError, "needs the adapter's endpoint to be an OAu"),
        (lambda: bind(OAuth2Endpoint("/t")), TypeError, "with a client_id"),
        (lambda: bind(OAuth2Endpoint("/t", "tv"), "//h/d"), ValueError, "the URL for devices"),
    ],
)
def test_a_mistake_is_a_clear_error(
    make: Callable[[], object], kind: type[Exception], text: str
) -> None:
    """When it is made, or given to an adapter."""
    with pytest.raises(kind) as caught:
        make()
    assert text in str(caught.value)


def bind(endpoint: Any, url: str = "/d") -> DeviceLogin:
    """Give a login to an adapter, as its constructor does."""
    return DeviceLogin(url).bind(endpoint, "https://h")


def test_it_pickles_with_its_adapter() -> None:
    """As far as its function does."""
    login = DeviceLogin("/d", show=print)
    adapter = JWTRefreshAdapter("https://h", ENDPOINT, MemoryStore(), login=login)
    assert isinstance(pickle.loads(pickle.dumps(adapter)), JWTRefreshAdapter)
