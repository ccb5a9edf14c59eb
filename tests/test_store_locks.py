"""A Ctrl-C at any moment around a store's lock: it is free again, for those who use it directly.

What the adapter does under a lock runs where no Ctrl-C comes: tests/test_interrupts.py.
"""

from __future__ import annotations

import gc
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore, MemoryStore, RedisStore
from tests.support.preemptions import interrupt_each_line
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waits import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh import TokenStore

__all__ = ["running_redis"]  # a fixture: used by its name

MODULES = {"memory": "memory", "file": "locking", "redis": "redis_lock"}
PATIENCE = 5.0  # seconds for a lock that is free


@pytest.fixture(params=list(MODULES))
def kind(request: pytest.FixtureRequest) -> str:
    """A store of each kind whose lock is its own; KeyringStore's is FileStore's."""
    name: str = request.param
    return name


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> TokenStore:
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("running_redis")
        with server.client() as client:
            client.flushall()
        return RedisStore(server.url, "interrupted", lease=60)  # longer than any test waits
    return MemoryStore() if kind == "memory" else FileStore(tmp_path / "token")


def use(store: TokenStore) -> None:
    with store.lock(PATIENCE):
        pass
    with ExitStack() as stack:
        stack.enter_context(store.lock(PATIENCE))


def test_a_ctrl_c_at_any_line_leaves_the_lock_free(store: TokenStore, kind: str) -> None:
    """Before, while and after it is taken and given back, by `with` and by an ExitStack."""
    module = f"requests_jwt_refresh.stores.{MODULES[kind]}"

    def use_again() -> None:
        gc.collect(1)  # an ExitStack that is left by an exception keeps its traceback
        use(store)

    assert interrupt_each_line(module, lambda: use(store), use_again)
    wait_until(lambda: not any(t.name == "jwt-refresh-lease" for t in threading.enumerate()))
