"""adapter.log_out(): tells the server as the preset's documentation has it, then forgets."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    Event,
    JSONEndpoint,
    LockTimeout,
    MemoryStore,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
    Token,
    cookie,
    header,
    mount,
    presets,
)
from requests_jwt_refresh.authorization import AUTHORIZATION
from requests_jwt_refresh.grants.revocation import Logout
from requests_jwt_refresh.outgoing import make_carrier
from requests_jwt_refresh.testing import Drop, Status
from tests.support.accounts import AtAuthServer, FullStore
from tests.support.crowd import Crowd, wait_for_waiters
from tests.support.profiles import read_form, read_json
from tests.support.recorded import Recorded
from tests.support.users import ENDPOINT, load_token, mark_expired, store
from tests.support.waits import join, start

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh import JWTRefreshAdapter
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture

THREADS = 16


@pytest.fixture
def adapter(server: AuthServer, session: requests.Session, store: MemoryStore) -> JWTRefreshAdapter:
    """An adapter whose endpoint's documentation has a logout, and whose user is logged in."""
    return mount(session, server.url, AtAuthServer(), store, pool_maxsize=THREADS)


def test_the_server_is_told_and_the_token_forgotten(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: MemoryStore
) -> None:
    """Access token in the header, refresh token in its field; after it requests go without."""
    token = load_token(store)
    adapter.log_out()
    sent = server.requests[-1]
    assert (sent.kind, sent.bearer) == ("logout", token.access)
    assert sent.body == f'{{"refresh_token": "{token.refresh}"}}'.encode()
    assert (server.counters.logouts, server.family_alive(token)) == (1, False)
    assert (adapter.token, store.load()) == (None, None)
    assert session.get("/api/x").json() == {"message": "No token"}


def test_many_threads_log_out_once(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: MemoryStore
) -> None:
    """While 16 others send requests: one logout, and no request that begins later has the token."""
    old = load_token(store).access
    with server.gate(on="api") as api, server.gate(on="logout") as gate:
        requests_before = Crowd(THREADS, lambda _: session.get("/api/before"))
        api.wait_for(THREADS)
        crowd = Crowd(THREADS, lambda _: adapter.log_out())
        gate.wait_for(1)
        wait_for_waiters(adapter, THREADS - 1)
        api.open()
        assert requests_before.statuses() == [200] * THREADS
        gate.open()
        assert crowd.outcomes() == [None] * THREADS
    after = Crowd(THREADS, lambda _: session.get("/api/after"))
    assert after.statuses() == [401] * THREADS
    assert server.counters.logouts == 1
    later = [each for each in server.requests if each.path == "/api/after"]
    assert [each.bearer for each in later] == [None] * THREADS
    assert old is not None


def test_a_request_refused_meanwhile_gets_the_apis_own_answer(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter
) -> None:
    """It waits for the logout, and is not refreshed after it."""
    server.expire()
    statuses: list[int] = []
    with server.gate(on="api") as api, server.gate(on="logout") as gate:
        threads = start(lambda: statuses.append(session.get("/api/x").status_code))
        api.wait_for(1)
        threads += start(adapter.log_out)
        gate.wait_for(1)
        api.open()
        wait_for_waiters(adapter, 1)
        gate.open()
        join(*threads)
    assert statuses == [401]
    assert (server.counters.refreshes, server.counters.logouts) == (0, 1)


@pytest.mark.parametrize("fault", [Drop(), Status(500), Status(404)], ids=repr)
def test_a_server_that_cannot_be_told(
    server: AuthServer, adapter: JWTRefreshAdapter, store: MemoryStore, fault: Any
) -> None:
    """RefreshUnavailable that says so; the token is forgotten all the same."""
    server.fail(fault, on="logout", times=None)
    with pytest.raises(RefreshUnavailable, match="the server was not told") as caught:
        adapter.log_out()
    assert "/auth/logout" in caught.value.cause
    assert "forgotten here" in caught.value.remedy
    assert (adapter.token, store.load()) == (None, None)


def test_without_a_known_logout_the_token_is_forgotten(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """DEBUG says that nothing was told."""
    caplog.set_level(logging.DEBUG, "requests_jwt_refresh")
    events: list[Event] = []
    adapter = mount(session, server.url, ENDPOINT, store, on_event=events.append)
    adapter.log_out()
    assert (adapter.token, store.load(), server.counters.requests) == (None, None, 0)
    assert "logged out: no logout of the server's is known" in caplog.messages
    assert [each.kind for each in events if each.kind == "logged_out"] == ["logged_out"]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_without_a_token_nothing_is_told(server: AuthServer, session: requests.Session) -> None:
    """There is nothing to revoke."""
    mount(session, server.url, AtAuthServer(), MemoryStore()).log_out()
    assert server.counters.requests == 0


def test_the_newest_token_is_given_back(
    server: AuthServer, adapter: JWTRefreshAdapter, store: MemoryStore
) -> None:
    """Another program has rotated since this one looked."""
    assert adapter.token is not None
    newer = server.login()
    store.save(newer)
    adapter.log_out()
    assert server.requests[-1].bearer == newer.access
    assert not server.family_alive(newer)


def test_an_expired_access_token_is_refreshed_first(
    server: AuthServer, session: requests.Session
) -> None:
    """The server wants a valid one; a refusal says that there is nothing left to revoke."""
    store = MemoryStore(mark_expired(server.login()))
    adapter = mount(session, server.url, AtAuthServer(), store)
    adapter.log_out()
    assert [each.kind for each in server.requests] == ["refresh", "logout"]
    assert server.requests[-1].bearer is not None
    store.save(mark_expired(server.login()))
    adapter.reload()
    server.revoke()
    adapter.log_out()
    assert [each.kind for each in server.requests][2:] == ["refresh"]
    assert store.load() is None


def test_nobody_refreshes_meanwhile(
    server: AuthServer, adapter: JWTRefreshAdapter, store: MemoryStore
) -> None:
    """The store's lock is held from the look to the end."""
    with server.gate(on="logout") as gate:
        thread = start(adapter.log_out)
        gate.wait_for(1)
        with pytest.raises(Exception, match="lock"), store.lock(0):
            pass
        gate.open()
        join(*thread)


def test_a_lock_that_somebody_else_holds(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """LockTimeout: nobody was told, and the token is still there."""
    adapter = mount(session, server.url, AtAuthServer(), store, refresh_timeout=0.05)
    with store.lock(0), pytest.raises(LockTimeout):
        adapter.log_out()
    assert (server.counters.requests, adapter.token) == (0, store.load())
    assert session.get("/api/x").status_code == 200


def test_a_store_that_cannot_be_cleared(server: AuthServer, session: requests.Session) -> None:
    """StoreError, but the token is not sent again: it is revoked."""
    full = FullStore(server.login())
    adapter = mount(session, server.url, AtAuthServer(), full)
    assert session.get("/api/x").status_code == 200
    full.is_full = True
    with pytest.raises(StoreError):
        adapter.log_out()
    assert server.counters.logouts == 1
    assert adapter.token is None
    assert session.get("/api/x").json() == {"message": "No token"}


def test_a_login_begins_anew(server: AuthServer, session: requests.Session) -> None:
    """With a login= the next request logs in again."""
    tokens = [server.login(), server.login()]
    store = MemoryStore()
    adapter = mount(session, server.url, AtAuthServer(), store, login=lambda _: tokens.pop())
    assert session.get("/api/x").status_code == 200
    adapter.log_out()
    assert session.get("/api/x").status_code == 200
    assert (tokens, server.counters.logouts) == ([], 1)


def test_refresh_after_a_logout_has_nothing_to_ask_with(adapter: JWTRefreshAdapter) -> None:
    """RefreshRejected, as without any login."""
    adapter.log_out()
    with pytest.raises(RefreshRejected, match="there is no token"):
        adapter.refresh()


def test_a_forced_refresh_that_waits_for_a_logout(
    server: AuthServer, adapter: JWTRefreshAdapter
) -> None:
    """It finds nothing to ask with, and is no refresh that gave no token."""
    failures: list[str] = []

    def refresh() -> None:
        with pytest.raises(RefreshRejected) as caught:
            adapter.refresh()
        failures.append(caught.value.cause)

    with server.gate(on="logout") as gate:
        threads = start(adapter.log_out)
        gate.wait_for(1)
        threads += start(refresh)
        wait_for_waiters(adapter, 1)
        gate.open()
        join(*threads)
    assert failures == ["there is no token"]


# --- Where the tokens go -------------------------------------------------------------------------


def ask(endpoint: object, attach: Any = None, token: Token | None = None, **options: Any) -> Any:
    """Return the logout for `endpoint` and `attach`, prepared."""
    bound = Logout("https://h/out", **options).bind(endpoint, attach)
    return bound.ask(token or Token("access", "refresh")).prepare()


def test_the_access_token_goes_where_requests_carry_it() -> None:
    """A header of another name or scheme, a cookie with its double submit, a function."""
    endpoint = JSONEndpoint("/r")
    sent = ask(endpoint, header("X-Auth-Token"))
    assert sent.headers["X-Auth-Token"] == "access"
    assert "Authorization" not in sent.headers
    assert ask(endpoint, header(scheme="JWT")).headers["Authorization"] == "JWT access"
    token = Token("access", "refresh", extra={"cookies": {"csrf": "twice"}})
    sent = ask(endpoint, cookie("session", csrf=("csrf", "X-CSRF")), token)
    assert sent.headers["Cookie"] == "session=access; csrf=twice"
    assert sent.headers["X-CSRF"] == "twice"

    def write(request: requests.PreparedRequest, token: Token) -> None:
        request.headers["X-Mine"] = f"{token.access}!"

    assert ask(endpoint, make_carrier(write)).headers["X-Mine"] == "access!"
    assert ask(endpoint).headers["Authorization"] == "Bearer access"


def test_the_refresh_token_goes_where_the_endpoint_sends_it() -> None:
    """Its field, unless the logout names another."""
    assert read_json(ask(JSONEndpoint("/r", send="refreshToken"))) == {"refreshToken": "refresh"}
    assert read_json(ask(JSONEndpoint("/r"), refresh_field="x")) == {"x": "refresh"}
    assert ask(JSONEndpoint("/r"), refresh_field=None).body is None


def test_without_a_refresh_token_the_access_token_is_revoked() -> None:
    """RFC 7009 §2.1 for a grant of the client's own; and in the header."""
    token = Token("access")
    form = read_form(ask(OAuth2Endpoint("/t", "me"), token=token, send="oauth2"))
    assert form == {"token": ["access"], "token_type_hint": ["access_token"], "client_id": ["me"]}
    sent = ask(JSONEndpoint("/r"), token=token)
    assert (sent.headers["Authorization"], sent.body) == ("Bearer access", None)


def test_a_preset_tells_its_documented_logout() -> None:
    """Found by the class of the endpoint; none where none is documented."""
    found = Logout.find(presets.FlaskJWTExtended(), AUTHORIZATION, "https://h/api")
    assert found is not None
    request = found.ask(Token("access", "refresh")).prepare()
    assert (request.method, request.url) == ("DELETE", "https://h/api/logout")
    assert request.headers["Authorization"] == "Bearer refresh"
    assert Logout.find(presets.Express("/r"), AUTHORIZATION, "https://h") is None
    assert Logout.find(None, AUTHORIZATION, "https://h") is None


@pytest.mark.parametrize(
    "name", [each for each in presets.PRESET_MODULES if presets.load(each).logout.get("url")]
)
def test_each_documented_logout_can_be_made(name: str) -> None:
    """Of what the preset knows; it has one of the tokens somewhere."""
    recorded = Recorded.read(name)
    endpoint, base_url = recorded.make_endpoint(), recorded.base_url
    attach = getattr(endpoint, "attach", None) or AUTHORIZATION
    found = Logout.find(endpoint, attach, base_url, allow_http=base_url.startswith("http:"))
    assert found is not None
    assert "{" not in found.url
    request = found.ask(Token("the-access-token", "the-refresh-token")).prepare()
    sent = f"{request.headers} {request.body!r}"
    assert "the-access-token" in sent or "the-refresh-token" in sent
