"""A refresh session of the user's own: theirs to set up, ours to keep within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from requests_jwt_refresh import BearerEndpoint, InvalidURL, RefreshUnavailable, mount
from requests_jwt_refresh.refresh.client import (
    MAX_RESPONSE_BYTES,
    ClientSession,
    SendOptions,
    answers_of,
)
from requests_jwt_refresh.testing import Drop, Huge, JSONBody, Status, Trickle, Truncated
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT, store
from tests.support.waits import join, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh import MemoryStore
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture


@pytest.fixture
def own() -> Iterator[requests.Session]:
    """The user's."""
    with plain_session() as own:
        yield own


def find_refresh_requests(server: AuthServer) -> list[str | None]:
    return [seen.headers.get("Authorization") for seen in server.requests if seen.kind == "refresh"]


def test_its_auth_is_used(
    server: AuthServer, session: requests.Session, store: MemoryStore, own: requests.Session
) -> None:
    """Client authentication may sit on the session."""
    own.auth = ("client", "secret")
    mount(session, server.url, ENDPOINT, store, refresh_session=own)
    server.expire()
    assert session.get("/api/x").status_code == 200
    (header,) = find_refresh_requests(server)
    assert header is not None
    assert header.startswith("Basic ")


def test_its_auth_does_not_replace_the_endpoints(
    server: AuthServer, session: requests.Session, store: MemoryStore, own: requests.Session
) -> None:
    """Where the refresh token is the Authorization, it stays."""
    own.auth = ("client", "secret")
    mount(session, server.url, BearerEndpoint("/auth/refresh"), store, refresh_session=own)
    server.expire()
    assert session.get("/api/x").status_code == 200
    (header,) = find_refresh_requests(server)
    assert header is not None
    assert header.startswith("Bearer ")


def test_a_body_that_trickles_in_is_cut_off(
    server: AuthServer, session: requests.Session, store: MemoryStore, own: requests.Session
) -> None:
    """refresh_timeout bounds the exchange over any session; it works again afterwards."""
    server.grace = 60.0
    adapter = mount(session, server.url, ENDPOINT, store, refresh_session=own, refresh_timeout=0.5)
    server.expire()
    server.fail(Trickle(0.2, part="body"), times=1)
    with pytest.raises(RefreshUnavailable, match=r"0\.5 s"):
        session.get("/api/x")
    server.heal()
    adapter.refresh()
    server.expire()
    assert session.get("/api/x").status_code == 200


class Reckoning(HTTPAdapter):
    """An adapter that reckons with the timeout that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[Any] = []

    def send(self, *args: Any, timeout: Any = None, **options: Any) -> requests.Response:
        self.timeouts.append(timeout)
        longer = min(timeout * 2, 60.0, max(timeout, 1))
        options["timeout"] = (longer, longer + 0.5)
        return super().send(*args, **options)


def test_its_adapters_get_a_number_for_a_timeout(
    server: AuthServer, session: requests.Session, store: MemoryStore, own: requests.Session
) -> None:
    """The seconds that are left, to compare and to multiply; fewer at the second attempt."""
    adapter = Reckoning()
    own.mount("http://", adapter)
    mount(session, server.url, ENDPOINT, store, refresh_session=own, refresh_timeout=7)
    server.expire()
    server.fail(Truncated(short=True))
    assert session.get("/api/x").status_code == 200
    first, second = adapter.timeouts
    assert type(first) is float
    assert 0 < second < first <= 7


# --- The session that callables and logins are given -------------------------------------------


@pytest.fixture
def client(server: AuthServer) -> Iterator[ClientSession]:
    """Ours, for a base URL with a path."""
    base = f"{server.url}/public"
    with ClientSession(30.0, SendOptions(), RequestsCookieJar(), base_url=base) as client:
        yield client


@pytest.mark.parametrize("url", ["/there", "there", "there?page=1", b"/there", " /there"])
def test_relative_urls_go_below_the_base(client: ClientSession, url: str | bytes) -> None:
    """As they do on a session with the adapter."""
    response = client.get(url, params={"q": "1"})
    assert response.url.startswith(f"{client.base_url}/there?")
    assert response.url.endswith("q=1")


def test_absolute_urls_go_where_they_say(client: ClientSession, server: AuthServer) -> None:
    """Below the base or not; and the caller's Request is not written on."""
    assert client.get(f"{server.url}/elsewhere").url == f"{server.url}/elsewhere"
    request = requests.Request("GET", "/there")
    assert client.prepare_request(request).url == f"{client.base_url}/there"
    assert request.url == "/there"


@pytest.mark.parametrize("url", ["//evil.example.com/x", "../x", "/a/%2e%2e/%2e%2e/x"])
def test_a_relative_url_cannot_leave_the_base(client: ClientSession, url: str) -> None:
    """The same errors."""
    with pytest.raises(InvalidURL):
        client.get(url)


def test_without_a_base_a_relative_url_is_requests_own_error() -> None:
    """As it is on any session."""
    with (
        ClientSession(30.0, SendOptions(), RequestsCookieJar()) as client,
        pytest.raises(requests.exceptions.MissingSchema),
    ):
        client.get("/there")


def test_send_options_show_no_proxy() -> None:
    """Its URL may hold a password."""
    options = SendOptions(proxies={"http": "http://me:secret@proxy.example.com"})
    assert "secret" not in repr(options)


# --- What came over a session ------------------------------------------------------------------


@pytest.fixture(params=["ours", "the user's"])
def some(request: pytest.FixtureRequest, client: ClientSession, own: Any) -> requests.Session:
    """A session that a callable may be given."""
    return client if request.param == "ours" else own


def test_answers_that_a_function_received(server: AuthServer, some: requests.Session) -> None:
    """Each whole one, also if the function fails after it; with the URL, without its query."""
    server.fail(JSONBody({"odd": 1}))
    server.fail(Status(500))
    url = f"{server.url}/auth/refresh"
    answers: list[TokenResponse] = []

    def call() -> None:
        nonlocal answers
        with answers_of(some) as answers:
            some.post(f"{url}?key=secret").json()
            some.post(url)
            raise KeyError

    with pytest.raises(KeyError):
        call()
    assert [(each.status, each.body) for each in answers] == [(200, b'{"odd": 1}'), (500, b"")]
    assert {each.source for each in answers} == {f"refresh endpoint at {url}"}
    assert answers[0].headers["content-type"] == "application/json"


def test_answers_end_with_the_block(server: AuthServer, some: requests.Session) -> None:
    """Nothing of it stays on the session."""
    before = {name: list(hooks) for name, hooks in some.hooks.items()}
    with answers_of(some) as answers:
        pass
    some.get(f"{server.url}/public/x")
    assert answers == []
    assert some.hooks == before


def test_only_what_was_read_is_an_answer(server: AuthServer, some: requests.Session) -> None:
    """A stream stays a stream; what is too long, and what was never received, is left out."""
    server.fail(Huge(MAX_RESPONSE_BYTES + 1))
    server.fail(Drop(), times=4)
    url = f"{server.url}/auth/refresh"
    with answers_of(some) as answers:
        some.post(url)
        with pytest.raises(requests.ConnectionError):
            some.post(url)
        server.heal()
        with some.get(f"{server.url}/public/x", stream=True) as streamed:
            assert streamed.raw.read()
    assert answers == []


def test_of_many_answers_the_last_few_are_kept(server: AuthServer, some: requests.Session) -> None:
    """A login that polls for an hour does not fill the memory."""
    with answers_of(some) as answers:
        for number in range(12):
            some.get(f"{server.url}/public/{number}")
    assert len(answers) == 8
    assert answers[-1].source.endswith("/public/11")


@pytest.mark.parametrize("is_list", [True, False])
def test_hooks_of_the_sessions_own_go_on(
    server: AuthServer, own: requests.Session, is_list: bool
) -> None:
    """One function or a list of them, within the block and after it."""
    seen: list[int] = []

    def hook(response: requests.Response, **_options: Any) -> None:
        seen.append(response.status_code)

    own.hooks["response"] = [hook] if is_list else hook  # type: ignore[assignment]
    with answers_of(own) as answers:
        own.get(f"{server.url}/public/x")
    own.get(f"{server.url}/public/x")
    assert len(answers) == 1
    assert len(seen) == 2


def test_a_request_with_hooks_of_its_own(server: AuthServer, client: ClientSession) -> None:
    """Over our session its response is seen as well, and its hooks run."""
    seen: list[int] = []
    hooks = {"response": lambda response, **_options: seen.append(response.status_code)}
    with answers_of(client) as answers:
        client.get(f"{server.url}/public/x", hooks=hooks)
    assert len(answers) == len(seen) == 1


def test_answers_of_another_thread_are_its_own(server: AuthServer, own: requests.Session) -> None:
    """A session of the user's own may be in use elsewhere."""
    with answers_of(own) as answers:
        join(*start(lambda: own.get(f"{server.url}/public/x")))
    assert answers == []


def test_a_session_without_hooks_has_no_answers(server: AuthServer, own: Any) -> None:
    """Looking on never raises, whatever a user has made of the session."""
    own.hooks = None
    with answers_of(own) as answers:
        pass
    assert answers == []
    assert own.hooks is None
    assert server.requests == []
