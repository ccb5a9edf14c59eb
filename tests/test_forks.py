"""Forks at moments that are rarely met: in the first refresh of a program, inside a cookie jar.

At every moment: tests/stress/forks.py. A child of a program that refreshes: test_signals_and_forks.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import KeyringStore, MemoryStore, mount
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.forks import GOOD, fork_once
from tests.stress.programs import import_late, start_program
from tests.stress.workers import read_line
from tests.support.keyrings import DictKeyring
from tests.support.redis_server import running_redis
from tests.support.secret_service import running_secret_service, secret_service
from tests.support.shared_store import file_place, make_store_at, place
from tests.support.users import ENDPOINT
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer
    from tests.stress.locations import StoreLocation

__all__ = [  # fixtures
    "file_place",
    "place",
    "running_redis",
    "running_secret_service",
    "secret_service",
]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def test_a_first_refresh_imports_nothing(place: StoreLocation, server: AuthServer) -> None:
    """A child that is forked in the middle of an import can never import the module."""
    make_store_at(place).save(with_expiry(server.login()))
    server.expire()
    with start_program(import_late, place, server.url) as program:
        assert read_line(program) == "200 []"


@pytest.mark.parametrize("milliseconds", [0.0, 5.0])
def test_a_fork_in_the_first_refresh(file_place: StoreLocation, milliseconds: float) -> None:
    """Parent and child are both answered."""
    assert fork_once(file_place, milliseconds) == GOOD


def test_a_fork_waits_for_the_keyring() -> None:
    """What a backend or OpenSSL has locked in the middle of a call stays locked in the child."""
    backend = LockingKeyring()
    store = KeyringStore("forks.example.com", backend=backend)
    may_end = threading.Event()

    def load() -> None:
        while not may_end.is_set():
            store.load()

    threads = start(load)
    assert backend.begun.wait(WAIT)
    statuses = []
    for _ in range(10):
        child = os.fork()
        if child == 0:
            os._exit(backend.lock.locked())
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    may_end.set()
    join(*threads)
    assert statuses == [0] * 10


class LockingKeyring(DictKeyring):
    """A backend that has a lock of its own, and is slow."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.begun = threading.Lock(), threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        with self.lock:
            self.begun.set()
            time.sleep(0.005)
            return super().get_password(service, username)


def test_a_fork_inside_the_cookie_jar_of_a_users_session(
    server: AuthServer, session: requests.Session
) -> None:
    """The child has its parent's jar, whose lock another thread held: it refreshes all the same."""
    own = requests.Session()
    adapter = mount(session, server.url, ENDPOINT, MemoryStore(server.login()), refresh_session=own)
    adapter.refresh()
    jar: Any = own.cookies
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with jar._cookies_lock:  # noqa: SLF001 - as each of the jar's methods does
            held.set()
            assert go_on.wait(WAIT)

    threads = start(hold)
    assert held.wait(WAIT)
    child = os.fork()
    if child == 0:
        refreshed = threading.Event()

        def refresh() -> None:
            adapter.refresh()
            refreshed.set()

        start(refresh)
        os._exit(0 if refreshed.wait(WAIT / 3) else 1)
    go_on.set()
    join(*threads)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
