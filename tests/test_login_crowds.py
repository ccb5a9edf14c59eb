"""One login for many threads, whatever kind of threads: none is taken for the one that logs in.

The system gives a thread's identifier to a new thread as soon as the old one has ended, and pools
give a thread to one task after another.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from requests_jwt_refresh import MemoryStore, Token, mount
from tests.support.crowd import Crowd, wait_for_waiters, waiters
from tests.support.users import ENDPOINT, load_token
from tests.support.waits import WAIT, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh.testing import AuthServer

    Send = Callable[[int], object]

CALLS: Final = 32
POOL: Final = 16


class SlowLogin:
    """Logs in once it is let go on; counts."""

    def __init__(self, server: AuthServer) -> None:
        self._server = server
        self.calls = 0
        self.go_on = threading.Event()

    def __call__(self, _session: requests.Session) -> Token:
        self.calls += 1
        assert self.go_on.wait(WAIT)
        return self._server.login()


def send_from_a_pool(send: Send, all_wait: Callable[[int], None]) -> list[object]:
    """Fewer threads than calls: each thread sends one request after another."""
    with ThreadPoolExecutor(POOL) as pool:
        found = pool.map(send, range(CALLS))
        all_wait(POOL - 1)
        return list(found)


def send_from_a_thread_each(send: Send, all_wait: Callable[[int], None]) -> list[object]:
    """All at the same time."""
    crowd = Crowd(CALLS, send)
    all_wait(CALLS - 1)
    return list(crowd.outcomes())


def send_from_new_threads(send: Send, all_wait: Callable[[int], None]) -> list[object]:
    """While they wait, other threads come and go, whose identifiers the next ones are given."""
    found: list[object] = []
    threads: list[threading.Thread] = []
    for number in range(CALLS):
        join(*start(*[lambda: None] * 3))
        threads += start(lambda number=number: found.append(send(number)))  # type: ignore[misc]
    all_wait(CALLS - 1)
    join(*threads)
    return found


@pytest.mark.parametrize(
    "send_all", [send_from_a_pool, send_from_a_thread_each, send_from_new_threads]
)
@pytest.mark.parametrize("first", [None, Token("expired", "refused")], ids=["no token", "refused"])
def test_one_login_for_all(
    server: AuthServer,
    session: requests.Session,
    first: Token | None,
    send_all: Callable[[Send, Callable[[int], None]], list[object]],
) -> None:
    """Each request is answered with 200, and one of them has logged in."""
    login = SlowLogin(server)
    adapter = mount(
        session, server.url, ENDPOINT, MemoryStore(first), login=login, pool_maxsize=CALLS
    )

    def send(number: int) -> object:
        return session.get(f"/api/{number}").status_code

    def all_wait(count: int) -> None:
        try:
            wait_until(lambda: login.calls, "the login")
            wait_for_waiters(adapter, count)
        finally:
            login.go_on.set()

    found = send_all(send, all_wait)
    assert Counter(map(str, found)) == {"200": CALLS}
    assert (login.calls, waiters(adapter)) == (1, 0)


@pytest.mark.parametrize("meanwhile", ["set_token", "clear_token"])
def test_a_token_set_or_cleared_meanwhile_goes_before(
    server: AuthServer, session: requests.Session, meanwhile: str
) -> None:
    """What the login brings is from before: the one that was set is used, or another login made."""
    login, store = SlowLogin(server), MemoryStore()
    adapter = mount(session, server.url, ENDPOINT, store, login=login)
    statuses: list[int] = []
    threads = start(lambda: statuses.append(session.get("/api/x").status_code))
    wait_until(lambda: login.calls, "the login")
    token = server.login()
    if meanwhile == "set_token":
        adapter.set_token(token)
    else:
        adapter.clear_token()
    login.go_on.set()
    join(*threads)
    assert (statuses, adapter.token) == ([200], store.load())
    assert login.calls == (1 if meanwhile == "set_token" else 2)
    assert (load_token(store).access == token.access) == (meanwhile == "set_token")
