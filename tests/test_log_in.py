"""adapter.log_in(): by the login that the adapter has, or that the preset's documentation has."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    Event,
    JWTRefreshAdapter,
    MemoryStore,
    PasswordLogin,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
    Token,
    mount,
    presets,
)
from requests_jwt_refresh.testing import Status
from tests.support.accounts import FullStore
from tests.support.crowd import Crowd, wait_for_waiters
from tests.support.users import ENDPOINT, load_token, store
from tests.support.waits import join, start

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

__all__ = ["store"]  # a fixture

THREADS = 16
LOGIN = PasswordLogin("/auth/login")
DOCUMENTED = presets.ASPNETCoreIdentity(
    "/auth/refresh", send="refresh_token", access="access_token", refresh="refresh_token"
)


def is_login(path: str) -> bool:
    return path == "/login"


@pytest.fixture
def adapter(server: AuthServer, session: requests.Session, store: MemoryStore) -> JWTRefreshAdapter:
    """An adapter that knows how to log in, and whose user is logged in."""
    return mount(session, server.url, ENDPOINT, store, login=LOGIN)


def test_it_logs_in_by_the_adapters_password_login(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: MemoryStore
) -> None:
    """What it returns is in use and in the store, as a login of its own."""
    before = load_token(store)
    adapter.set_token(before)
    first = load_token(store).login_id
    token = adapter.log_in("bob", "right")
    assert (adapter.token, load_token(store)) == (token, token)
    assert token != before
    assert load_token(store).login_id not in (None, first)
    assert session.get("/api/x").json()["user"] == "bob"
    server.expire()
    assert session.get("/api/x").json()["user"] == "bob"


def test_it_logs_in_by_the_login_of_the_presets_documentation(
    server: AuthServer, session: requests.Session
) -> None:
    """Without a login= of the adapter's; ASP.NET Core has it at /login, with an email."""
    adapter = mount(session, server.url, DOCUMENTED, MemoryStore())
    server.fail(Status(200, body=b'{"access_token": "a", "refresh_token": "r"}'), on=is_login)
    assert adapter.log_in("alice@example.com", "right") == Token("a", "r")
    sent = server.requests[-1]
    assert (sent.path, sent.body) == (
        "/login",
        b'{"email": "alice@example.com", "password": "right"}',
    )


def test_it_needs_to_know_how(server: AuthServer, session: requests.Session) -> None:
    """Else it says what to give, and sends nothing."""
    adapter = mount(session, server.url, ENDPOINT, MemoryStore())
    with pytest.raises(TypeError, match="give the adapter login=PasswordLogin"):
        adapter.log_in("alice", "right")
    express = mount(session, server.url, presets.Express("/r"), MemoryStore())
    with pytest.raises(TypeError, match=r"no documented login .*get the tokens elsewhere"):
        express.log_in("alice", "right")
    assert server.counters.requests == 0


@pytest.mark.parametrize(
    ("username", "password", "text"),
    [
        (None, "right", "the user name must be a string, not None"),
        ("alice", 7, "the password must be a string, not an int"),
        ("alice", lambda: None, "the password must be a string, not None"),
        ("", "right", "the user name is empty"),
    ],
)
def test_a_mistake_is_a_clear_error(
    server: AuthServer, adapter: JWTRefreshAdapter, username: Any, password: Any, text: str
) -> None:
    """TypeError or ValueError, and nothing is sent."""
    with pytest.raises((TypeError, ValueError), match=text):
        adapter.log_in(username, password)
    assert server.counters.requests == 0


def test_a_wrong_password_changes_nothing(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: MemoryStore
) -> None:
    """RefreshRejected; the token of before is used and refreshed as ever."""
    before = load_token(store)
    with pytest.raises(RefreshRejected, match="refused the user name or the password"):
        adapter.log_in("alice", "wrong")
    assert adapter.token == before
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert server.counters.rotated == 1


def test_a_login_that_fails_keeps_the_cookies_of_the_one_before(
    server: AuthServer, adapter: JWTRefreshAdapter
) -> None:
    """The next refresh still sends them."""
    cookie = {"Set-Cookie": "sticky=yes; Path=/"}
    body = b'{"access_token": "a", "refresh_token": "r"}'
    server.fail(Status(200, body=body, headers=cookie), on="login")
    adapter.log_in("alice", "right")
    with pytest.raises(RefreshRejected):
        adapter.log_in("alice", "wrong")
    server.fail(Status(200, body=body))
    adapter.refresh()
    assert server.requests[-1].headers["Cookie"] == "sticky=yes"


def test_a_session_of_the_users_keeps_them_too(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """In its own jar, beside its own."""
    with requests.Session() as own:
        own.trust_env = False
        own.cookies.set("mine", "1")
        adapter = mount(session, server.url, ENDPOINT, store, login=LOGIN, refresh_session=own)
        body = b'{"access_token": "a", "refresh_token": "r"}'
        cookie = {"Set-Cookie": "sticky=yes; Path=/"}
        server.fail(Status(200, body=body, headers=cookie), on="login")
        adapter.log_in("alice", "right")
        server.fail(Status(401, headers={"Set-Cookie": "refused=1; Path=/"}), on="login")
        with pytest.raises(RefreshRejected):
            adapter.log_in("alice", "other")
        assert own.cookies.get_dict() == {"mine": "1", "sticky": "yes"}


def test_equal_logins_at_the_same_time_are_one(
    server: AuthServer, adapter: JWTRefreshAdapter
) -> None:
    """16 threads with one wrong password send it once; another password is sent for itself."""
    with server.gate(on="login") as gate:
        crowd = Crowd(THREADS, lambda _: adapter.log_in("alice", "wrong"))
        gate.wait_for(1)
        wait_for_waiters(adapter, THREADS - 1)
        other = start(lambda: adapter.log_in("alice", "right"))
        wait_for_waiters(adapter, THREADS)
        gate.open()
        assert len(crowd.failures(RefreshRejected)) == THREADS
        join(*other)
    assert sum(each.kind == "login" for each in server.requests) == 2


def test_requests_wait_for_a_login_and_use_it(
    server: AuthServer, session: requests.Session
) -> None:
    """One that has no token yet does not log in beside it."""
    login = PasswordLogin("/auth/login", "alice", "right")
    adapter = mount(session, server.url, None, MemoryStore(), login=login)
    users: list[str] = []
    with server.gate(on="login") as gate:
        first = start(lambda: adapter.log_in("bob", "right"))
        gate.wait_for(1)
        others = start(*[lambda: users.append(session.get("/api/x").json()["user"])] * 8)
        wait_for_waiters(adapter, 8)
        gate.open()
        join(*first, *others)
    assert (users, server.counters.logins) == (["bob"] * 8, 1)


def test_a_function_gives_the_password(server: AuthServer, adapter: JWTRefreshAdapter) -> None:
    """Called once, in the thread that logs in."""
    threads: list[threading.Thread] = []

    def ask() -> str:
        threads.append(threading.current_thread())
        return "right"

    adapter.log_in("alice", ask)
    assert threads == [threading.current_thread()]
    assert server.counters.logins == 1


@pytest.mark.parametrize("meanwhile", ["set_token", "clear_token"])
def test_what_the_program_does_meanwhile_goes_before(
    server: AuthServer, adapter: JWTRefreshAdapter, store: MemoryStore, meanwhile: str
) -> None:
    """A token set while the login is under way is the one in use; a cleared one stays cleared."""
    got: list[object] = []
    other = server.login("carol")

    def log_in() -> None:
        try:
            got.append(adapter.log_in("bob", "right"))
        except RefreshUnavailable as error:
            got.append(error.remedy)

    with server.gate(on="login") as gate:
        thread = start(log_in)
        gate.wait_for(1)
        if meanwhile == "set_token":
            adapter.set_token(other)
            other = load_token(store)  # with its expiry
        else:
            adapter.clear_token()
        gate.open()
        join(*thread)
    expected = other if meanwhile == "set_token" else None
    assert (got[0] if expected else None, adapter.token, store.load()) == (expected,) * 3
    assert got[0] == (other if expected else "log in again")


def test_no_lock_is_held_while_the_server_is_asked(
    server: AuthServer, adapter: JWTRefreshAdapter, store: MemoryStore
) -> None:
    """Other programs go on with the store."""
    with server.gate(on="login") as gate:
        thread = start(lambda: adapter.log_in("bob", "right"))
        gate.wait_for(1)
        with store.lock(0):
            pass
        gate.open()
        join(*thread)
    assert server.counters.logins == 1


def test_a_store_that_cannot_be_written_costs_no_login(
    server: AuthServer, session: requests.Session
) -> None:
    """StoreError before the password is sent."""
    full = FullStore(server.login())
    adapter = mount(session, server.url, ENDPOINT, full, login=LOGIN)
    assert adapter.token is not None
    full.is_full = True
    with pytest.raises(StoreError):
        adapter.log_in("alice", "right")
    assert server.counters.requests == 0


def test_a_password_that_was_refused_here_is_not_sent_for_a_request(
    server: AuthServer, session: requests.Session
) -> None:
    """The account would be locked; the program itself may send it again."""
    login = PasswordLogin("/auth/login", "alice", "right")
    adapter = mount(session, server.url, None, MemoryStore(), login=login)
    server.fail(Status(401), on="login", times=2)
    for count in (1, 2):
        with pytest.raises(RefreshRejected):
            adapter.log_in("alice", "right")
        assert session.get("/api/x").status_code == 401
        assert sum(each.kind == "login" for each in server.requests) == count


def test_on_event_is_told_and_on_refresh_is_not(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Once, without secrets."""
    events, refreshed = list[Event](), list[Token]()
    adapter = mount(
        session,
        server.url,
        ENDPOINT,
        store,
        login=LOGIN,
        on_event=events.append,
        on_refresh=refreshed.append,
    )
    adapter.log_in("alice", "right")
    assert [each.kind for each in events if each.kind.startswith("logged")] == ["logged_in"]
    assert refreshed == []


def test_it_ends_a_cooldown(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, clock: Clock
) -> None:
    """After it a refresh is tried at once."""
    server.expire()
    server.fail(Status(503, retry_after=50))
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    adapter.log_in("alice", "right")
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert clock.slept == 0


def test_it_cannot_be_called_from_within_a_refresh(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """It would wait for itself."""
    seen: list[Exception] = []

    def refresh(_session: requests.Session, token: Token) -> Token:
        try:
            mounted.log_in("alice", "right")
        except ReentrantRefresh as error:
            seen.append(error)
        return Token(token.access, "r")

    mounted = mount(session, server.url, refresh, store, login=LOGIN)
    mounted.refresh()
    assert len(seen) == 1


def test_a_server_that_is_down(
    server: AuthServer, adapter: JWTRefreshAdapter, store: MemoryStore
) -> None:
    """RefreshUnavailable, and the token of before is kept."""
    before = load_token(store)
    server.stop()
    with pytest.raises(RefreshUnavailable, match="login endpoint") as caught:
        adapter.log_in("alice", "right")
    assert "tokens are kept" not in str(caught.value)
    assert adapter.token == load_token(store) == before


def test_a_profiles_own_login(
    server: AuthServer, session: requests.Session, tmp_path: Path
) -> None:
    """Its URL and its fields, with a user name and password that are in no file."""
    file = tmp_path / "profiles.toml"
    file.write_text(
        f'[prod]\nbase_url = "{server.url}"\n[prod.refresh]\nkind = "json"\nurl = "/auth/refresh"\n'
        '[prod.login]\nurl = "/auth/login"\nsend = "form"\n'
    )
    adapter = JWTRefreshAdapter.from_profile("prod", file, store=MemoryStore())
    session.mount(server.url, adapter)
    assert session.get(f"{server.url}/api/x").status_code == 401, "it logs in on demand alone"
    assert server.counters.logins == 0
    adapter.log_in("bob", "right")
    assert session.get(f"{server.url}/api/x").json()["user"] == "bob"
    assert server.counters.logins == 1
