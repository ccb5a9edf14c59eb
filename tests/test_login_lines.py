"""One login, one line of tokens: no older backup is adopted, and cookies go with their login."""

from __future__ import annotations

import errno
import json
import logging
import os
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore, MemoryStore, StoreError, Token, mount
from requests_jwt_refresh.stores import private_file
from requests_jwt_refresh.stores.base import decode, encode
from requests_jwt_refresh.testing import ServerResponse
from requests_jwt_refresh.tokens import with_values
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT, load_token, store

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from requests_jwt_refresh.testing import AuthServer, Exchange
    from tests.support.clock import Clock

__all__ = ["store"]  # a fixture

BACKUP = "older token of the same login"


class OtherProcess(FileStore):
    """The same file, and a memory of its own, since it equals no FileStore."""


def fill_up(*_args: object, **_options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# --- Login id and counter ------------------------------------------------------------------------


def test_a_login_has_an_id_and_its_saves_are_counted(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Refreshes keep the id and count on; set_token begins anew."""
    adapter = mount(session, server.url, ENDPOINT, store)
    adapter.set_token(server.login())
    first = load_token(store)
    assert (bool(first.login_id), first.counter) == (True, 1)
    counters = [first.counter]
    for _ in range(3):
        server.expire()
        assert session.get("/api/x").status_code == 200
        assert load_token(store).login_id == first.login_id
        counters.append(load_token(store).counter)
    assert counters == sorted(set(counters))
    adapter.set_token(server.login())
    assert load_token(store).login_id != first.login_id
    assert load_token(store).counter == 1


def test_a_token_of_version_0_1_is_taken_as_it_is(
    server: AuthServer, session: requests.Session
) -> None:
    """It has neither; the first refresh gives it both."""
    login = server.login()
    old = {"access": login.access, "refresh": login.refresh, "expires_at": None}
    token = decode(json.dumps(old), "the file")
    assert (token.login_id, token.counter, token.received_at) == (None, 0, None)
    store = MemoryStore(token)
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert load_token(store).login_id
    assert server.counters.reuse == 0


@pytest.mark.parametrize(
    "odd",
    [{"login_id": 7}, {"counter": -1}, {"counter": "2"}, {"login_id": None, "counter": 10**400}],
    ids=str,
)
def test_odd_values_in_a_store_are_none(odd: dict[str, object]) -> None:
    """They say nothing about the token."""
    token = decode(json.dumps({**json.loads(encode(Token("a"))), **odd}), "the file")
    assert token == Token("a")
    assert token.login_id is None
    assert token.counter in (0, 10**400)


# --- An older backup -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["at an expiry", "at a refusal"])
def test_an_older_backup_is_not_adopted(
    server: AuthServer,
    session: requests.Session,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    """The newer token is saved again, with one warning, and nobody is logged out."""
    store = FileStore(tmp_path / "token")
    adapter = mount(session, server.url, ENDPOINT, store)
    adapter.set_token(server.login())
    backup = (tmp_path / "token").read_bytes()
    server.expire()
    assert session.get("/api/x").status_code == 200
    newest = load_token(store)
    for _ in range(2):
        (tmp_path / "token").write_bytes(backup)
        if way == "at an expiry":
            server.expire()
            assert session.get("/api/x").status_code == 200
        else:
            assert adapter.refresh() == load_token(store)
        assert load_token(store).login_id == newest.login_id
        assert load_token(store).counter > newest.counter
    assert server.counters.reuse == 0
    assert server.family_alive(load_token(store))
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert BACKUP in warnings[0]


def test_a_save_by_another_program_is_no_backup(
    server: AuthServer, session: requests.Session, tmp_path: Path
) -> None:
    """Two programs take turns: each sees the other's counter grow, whatever it has seen before."""
    with plain_session() as other:
        mount(session, server.url, ENDPOINT, FileStore(tmp_path / "token")).set_token(
            server.login()
        )
        mount(other, server.url, ENDPOINT, OtherProcess(tmp_path / "token"))
        for number in range(6):
            server.expire()
            for user in (session, other) if number % 2 else (other, session):
                assert user.get("/api/x").status_code == 200
    assert (server.counters.refreshes, server.counters.reuse) == (6, 0)


def test_a_disk_that_fills_up_logs_nobody_out(
    server: AuthServer,
    session: requests.Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    """Two programs have refreshed; then neither can save: nothing is exchanged, nothing is reused.

    A token that one of them alone has would be used up under the other's feet.
    """
    with plain_session() as other:
        mount(session, server.url, ENDPOINT, FileStore(tmp_path / "token")).set_token(
            server.login()
        )
        mount(other, server.url, ENDPOINT, OtherProcess(tmp_path / "token"))
        for user in (session, other):
            server.expire()
            assert user.get("/api/x").status_code == 200
        server.expire()
        with monkeypatch.context() as full:
            full.setattr(private_file, "replace", fill_up)
            for user in (session, other, session):
                clock.advance(100)
                with pytest.raises(StoreError, match="No space left on device"):
                    user.get("/api/x")
        assert server.counters.refreshes == 2
        clock.advance(100)
        for user in (session, other):
            assert user.get("/api/x").status_code == 200
    assert (server.counters.refreshes, server.counters.reuse) == (3, 0)


def test_another_login_is_adopted_whatever_its_counter(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A login id of its own: it is no backup of this one."""
    adapter = mount(session, server.url, ENDPOINT, store)
    for _ in range(3):
        server.expire()
        assert session.get("/api/x").status_code == 200
    theirs = with_values(server.login("bob"), login_id="theirs", counter=1)
    store.save(theirs)
    server.expire()
    assert session.get("/api/x").json()["user"] == "bob"
    assert adapter.token is not None
    assert adapter.token.login_id == "theirs"


# --- Cookies of the refresh session --------------------------------------------------------------


class CookieServer:
    """A fault: a refresh endpoint that sets a cookie, and notes the one it was sent."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []

    def play(self, exchange: Exchange) -> None:
        self.seen.append(exchange.seen.headers.get("Cookie"))
        response = exchange.work()
        cookie = {"Set-Cookie": f"session={len(self.seen)}; Path=/"}
        exchange.send(
            ServerResponse(response.status, response.body, {**response.headers, **cookie})
        )


@pytest.fixture
def cookies(server: AuthServer) -> CookieServer:
    """The refresh endpoint, which sets cookies."""
    fault = CookieServer()
    server.fail(fault, on="refresh", times=None)
    return fault


OWN_SESSION = pytest.mark.parametrize("own", [False, True], ids=["ours", "the user's"])


def refresh_session(own: bool) -> requests.Session | None:
    """Return a session of the user's, with a cookie that is no login's."""
    if not own:
        return None
    session = plain_session()
    session.cookies.set("gateway", "mine", domain="127.0.0.1")
    return session


def expected(own: bool, session: str | None) -> str | None:
    cookies = ["gateway=mine"] if own else []
    return "; ".join([*cookies, *([f"session={session}"] if session else [])]) or None


@OWN_SESSION
def test_cookies_are_kept_within_a_login(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    cookies: CookieServer,
    own: bool,
) -> None:
    """Load balancers and CSRF checks rely on them."""
    mount(session, server.url, ENDPOINT, store, refresh_session=refresh_session(own))
    for _ in range(3):
        server.expire()
        assert session.get("/api/x").status_code == 200
    assert cookies.seen == [expected(own, None), expected(own, "1"), expected(own, "2")]


@OWN_SESSION
@pytest.mark.parametrize(
    "how", ["set_token", "clear and set", "refusal", "adoption", "trade", "login"]
)
def test_cookies_go_with_their_login(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    cookies: CookieServer,
    own: bool,
    how: str,
) -> None:
    """A server that prefers the cookie would take Bob for Alice. The user's own cookies stay."""
    login = (lambda _session: server.login("bob")) if how == "login" else None
    adapter = mount(
        session, server.url, ENDPOINT, store, refresh_session=refresh_session(own), login=login
    )
    server.expire()
    assert session.get("/api/x").json()["user"] == "alice"
    if how == "clear and set":
        adapter.clear_token()
    if how in ("refusal", "login"):
        server.revoke()
        server.expire()
        assert session.get("/api/x").status_code == (200 if login else 401)
    if how in ("set_token", "clear and set", "refusal"):
        adapter.set_token(server.login("bob"))
    if how == "adoption":
        server.expire()
        store.save(with_values(server.login("bob"), login_id="bobs", counter=1))
        assert session.get("/api/x").json()["user"] == "bob"
    cookies.seen.clear()
    if how == "trade":
        adapter.refresh(server.login("bob").refresh)
    else:
        server.expire()
        assert session.get("/api/x").json()["user"] == "bob"
    assert cookies.seen == [expected(own, None)]
    server.expire()
    assert session.get("/api/x").json()["user"] == "bob"
    assert cookies.seen[-1] == expected(own, "1")
