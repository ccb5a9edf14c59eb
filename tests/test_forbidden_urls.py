"""A 401 that no refresh cures: a permission is missing. The API's own answer, few refreshes."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import MemoryStore, mount
from requests_jwt_refresh.refresh.limits import FIRST_MARK, LONGEST_MARK, MOST_MARKS, Marks
from requests_jwt_refresh.refresh.token_cache import GLANCE_INTERVAL
from requests_jwt_refresh.tokens import Token, with_values
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT, STILL_EXPIRED, store
from tests.support.waits import join, start

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

__all__ = ["store"]  # a fixture

OLD, NEW, NEWER = (with_values(Token(name), login_id="a") for name in ("old", "new", "newer"))
HERE, THERE = ("GET", "https://api.example.com/here"), ("GET", "https://api.example.com/there")


def forbid(server: AuthServer, *paths: str) -> None:
    """Have the API answer 401 to every token at `paths`."""
    server.fail(STILL_EXPIRED, on=lambda path: path in paths, times=None)


def statuses(session: requests.Session, path: str, times: int) -> set[int]:
    return {session.get(path).status_code for _ in range(times)}


# --- Through the adapter -------------------------------------------------------------------------


def test_a_forbidden_url_costs_one_refresh(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """However often it is asked: the API's own 401, at once."""
    mount(session, server.url, ENDPOINT, store)
    forbid(server, "/api/admin")
    assert statuses(session, "/api/admin?page=1", 50) == {401}
    assert statuses(session, "/api/admin?page=2", 50) == {401}, "the query is no other place"
    assert server.counters.refreshes == 1
    assert session.get("/api/admin").json() == {"message": "Invalid JWT"}


def test_two_forbidden_urls_beside_a_thread_that_works(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Two refreshes at most, and the thread that works sees no 401."""
    mount(session, server.url, ENDPOINT, store)
    forbid(server, "/api/one", "/api/two")
    done, seen = threading.Event(), set[int]()

    def work() -> None:
        with plain_session() as other:
            mount(other, server.url, ENDPOINT, store)
            while not done.is_set():
                seen.add(other.get("/api/x").status_code)

    threads = start(work)
    try:
        for _ in range(100):
            assert session.get("/api/one").status_code == 401
            assert session.get("/api/two").status_code == 401
    finally:
        done.set()
        join(*threads)
    assert seen == {200}
    assert server.counters.refreshes <= 2


def test_a_token_accepted_nowhere_is_not_traded_in_for_a_second_url(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the API refuses everything, one refresh shows it, and one warning says so."""
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    for number in range(20):
        assert session.get(f"/api/{number}").status_code == 401
    assert server.counters.refreshes == 1
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert f"{server.url}/api/1 refuses a token that has just come" in warning.getMessage()


def test_an_opaque_token_that_was_accepted_there_is_refreshed_as_ever(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """It has expired, or was revoked, without a word: there and elsewhere."""
    server.opaque, server.expires_field = True, None
    adapter = mount(session, server.url, ENDPOINT, store)
    forbid(server, "/api/admin")
    adapter.set_token(server.login())
    for number in range(1, 4):
        assert statuses(session, "/api/admin", 3) == {401}
        assert statuses(session, "/api/x", 3) == {200}
        server.expire()
        assert statuses(session, "/api/x", 3) == {200}
        assert server.counters.refreshes == 1 + number


def test_a_permission_granted_later(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A token that is accepted there takes the mark away."""
    mount(session, server.url, ENDPOINT, store)
    forbid(server, "/api/admin")
    assert statuses(session, "/api/admin", 3) == {401}
    server.heal()
    assert statuses(session, "/api/admin", 3) == {200}
    server.expire()
    assert statuses(session, "/api/admin", 3) == {200}
    assert server.counters.refreshes == 2


def test_a_forbidden_url_is_tried_again_after_a_while(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """After 60 s, then after twice as long: a server may grant it with the next token alone."""
    server.lifetime = 100 * FIRST_MARK
    mount(session, server.url, ENDPOINT, store)
    forbid(server, "/api/admin")
    for refreshes, seconds in ((1, FIRST_MARK), (2, 2 * FIRST_MARK), (3, 4 * FIRST_MARK)):
        assert statuses(session, "/api/admin", 2) == {401}
        assert session.get("/api/x").status_code == 200
        clock.advance(seconds - 1)
        assert statuses(session, "/api/admin", 2) == {401}
        assert server.counters.refreshes == refreshes
        clock.advance(2)


@pytest.mark.parametrize("call", ["set_token", "clear_token and set_token", "another store user"])
def test_a_login_takes_the_marks_away(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock, call: str
) -> None:
    """Another user may be allowed what this one is not."""
    adapter = mount(session, server.url, ENDPOINT, store)
    forbid(server, "/api/admin")
    assert statuses(session, "/api/admin", 3) == {401}
    if "clear" in call:
        adapter.clear_token()
    if "set" in call:
        adapter.set_token(server.login("root"))
    else:
        server.expire()
        store.save(with_values(server.login("root"), login_id="another", counter=1))
        clock.advance(GLANCE_INTERVAL)
        assert session.get("/api/x").json()["user"] == "root"
    assert statuses(session, "/api/admin", 3) == {401}
    assert server.counters.refreshes == 2


def test_refresh_is_never_braked(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A user who asks for a new token gets one."""
    adapter = mount(session, server.url, ENDPOINT, store)
    forbid(server, "/api/admin")
    assert statuses(session, "/api/admin", 3) == {401}
    assert adapter.refresh() == store.load()
    assert server.counters.refreshes == 2


# --- Marks alone ---------------------------------------------------------------------------------


def is_held(marks: Marks, place: tuple[str, str], token: Token, *, new: bool = False) -> bool:
    return marks.hold_back(place, token, is_unconfirmed=new)


@pytest.mark.usefixtures("clock")
def test_a_mark_moves_on_to_the_next_token() -> None:
    """And does not last longer for that."""
    marks = Marks()
    marks.set(HERE, OLD)
    assert is_held(marks, HERE, NEW)
    assert is_held(marks, HERE, NEWER)
    assert not is_held(marks, THERE, NEWER), "it was accepted elsewhere"


def test_a_mark_grows_up_to_an_hour(clock: Clock) -> None:
    """Each time that the place was tried again in vain."""
    marks, waits = Marks(), list[float]()
    marks.set(HERE, OLD)
    for _ in range(8):
        began = clock.monotonic()
        while is_held(marks, HERE, OLD):
            clock.advance(FIRST_MARK / 2)
        waits.append(round(clock.monotonic() - began))
        marks.set(HERE, OLD)
    assert waits == [60, 120, 240, 480, 960, 1920, LONGEST_MARK, LONGEST_MARK]


@pytest.mark.usefixtures("clock")
def test_the_number_of_marks_is_bounded() -> None:
    """The oldest go first: an API may have millions of URLs."""
    marks = Marks()
    for number in range(2 * MOST_MARKS):
        marks.set(("GET", f"https://api.example.com/{number}"), OLD)
    assert len(marks) == MOST_MARKS
    assert not is_held(marks, ("GET", "https://api.example.com/0"), NEW)
    assert is_held(marks, ("GET", f"https://api.example.com/{2 * MOST_MARKS - 1}"), NEW)


@pytest.mark.usefixtures("clock")
def test_another_method_is_another_place() -> None:
    """To read may be allowed where to write is not."""
    marks = Marks()
    marks.set(HERE, OLD)
    assert not is_held(marks, ("POST", HERE[1]), OLD)
    assert is_held(marks, ("POST", HERE[1]), OLD, new=True), "it was accepted nowhere yet"
