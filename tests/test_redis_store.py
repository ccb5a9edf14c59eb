"""RedisStore: one token for a fleet, on a real Redis."""

from __future__ import annotations

import pickle
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import redis
from cryptography.fernet import Fernet

from requests_jwt_refresh import (
    JSONEndpoint,
    LockTimeout,
    RedisStore,
    RefreshUnavailable,
    StoreError,
    Token,
    mount,
)
from requests_jwt_refresh.testing import AuthServer, StoreContract
from tests.support.redis_server import RedisServer, new_redis, running_redis
from tests.support.waits import WAIT, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

__all__ = ["running_redis"]  # a fixture: used by its name

KEY = "myapp:token"
OLD = Token("old-access", "old-refresh", 1.1e9)
NEW = Token("new-access", "new-refresh", 1.2e9)
THEIRS = Token("their-access", "their-refresh", 1.3e9)


@pytest.fixture
def server_(running_redis: RedisServer) -> RedisServer:
    """An empty Redis."""
    with running_redis.client() as client:
        client.flushall()
    return running_redis


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A Redis that this test may stop."""
    with new_redis() as server:
        yield server


class TestRedisStore(StoreContract):
    """What every store promises, with a client of its own each time."""

    @pytest.fixture(autouse=True)
    def _place(self, server_: RedisServer) -> None:
        self.url = server_.url

    def make_store(self) -> RedisStore:
        return RedisStore(self.url, KEY, lease=1.0)


class TestEncrypted(TestRedisStore):
    """The same with encryption at rest."""

    key = Fernet.generate_key()

    def make_store(self) -> RedisStore:
        return RedisStore(self.url, KEY, lease=1.0, encryption_key=self.key)


# --- What is written there -----------------------------------------------------------------------


def read_all(server: RedisServer) -> str:
    with server.client() as client:
        return str([client.hgetall(key) for key in client.keys()])  # noqa: SIM118 - Redis's own verb


def test_encrypted_at_rest(server_: RedisServer) -> None:
    """A program that can read the Redis cannot read the token."""
    RedisStore(server_.url, KEY).save(OLD)
    assert "old-refresh" in read_all(server_)
    RedisStore(server_.url, KEY, encryption_key=Fernet.generate_key()).save(OLD)
    assert "old-" not in read_all(server_)


def test_a_new_encryption_key(server_: RedisServer) -> None:
    """With the old key behind the new one, what was written before can still be read."""
    before, after = Fernet.generate_key(), Fernet.generate_key()
    RedisStore(server_.url, KEY, encryption_key=before).save(OLD)
    both = RedisStore(server_.url, KEY, encryption_key=[after, before])
    assert both.load() == OLD
    both.save(NEW)
    assert RedisStore(server_.url, KEY, encryption_key=after).load() == NEW


@pytest.mark.parametrize("key", [None, Fernet.generate_key()], ids=["none", "another"])
def test_the_wrong_encryption_key(server_: RedisServer, key: bytes | None) -> None:
    """It is an error, and nothing is deleted."""
    right = RedisStore(server_.url, KEY, encryption_key=Fernet.generate_key())
    right.save(OLD)
    with pytest.raises(StoreError, match="was left as it"):
        RedisStore(server_.url, KEY, encryption_key=key).load()
    assert right.load() == OLD


def test_a_client_of_the_users_own(server_: RedisServer) -> None:
    """A client may be given, whatever it makes of bytes; it is not closed."""
    for decode in (False, True):
        with redis.Redis.from_url(server_.url, decode_responses=decode) as client:
            store = RedisStore(client, KEY)
            store.save(OLD)
            assert store.load() == OLD
            assert store == RedisStore(client, KEY)
            with pytest.raises(TypeError, match="URL"):
                pickle.dumps(store)


def test_pickled_with_a_url(server_: RedisServer) -> None:
    """A process of a pool gets a client of its own."""
    store = RedisStore(server_.url, KEY)
    store.save(OLD)
    again = pickle.loads(pickle.dumps(store))
    assert (again, again.load(), hash(again)) == (store, OLD, hash(store))


# --- The lock ------------------------------------------------------------------------------------


def test_a_lock_held_for_longer_than_its_lease(server_: RedisServer) -> None:
    """A holder that lives renews it: no other client gets it."""
    store, other = (RedisStore(server_.url, KEY, lease=0.3) for _ in range(2))
    with store.lock(WAIT), pytest.raises(LockTimeout), other.lock(1.0):
        pass
    with other.lock(0):
        pass


@contextmanager
def lost_lock(server: RedisServer, store: RedisStore) -> Iterator[None]:
    """Hold the lock, and lose it to another client, which saves THEIRS."""
    with store.lock(WAIT):
        assert store.load() == OLD
        with server.client() as client:
            client.delete(f"{KEY}:lock")
        other = RedisStore(server.url, KEY)
        with other.lock(0):
            assert other.load() == OLD
            other.save(THEIRS)
        yield


def test_a_client_that_has_lost_the_lock_cannot_overwrite(server_: RedisServer) -> None:
    """Redis itself compares: what another client has saved since stays."""
    store = RedisStore(server_.url, KEY)
    store.save(OLD)
    with lost_lock(server_, store), pytest.raises(StoreError, match="was lost"):
        store.save(NEW)
    assert store.load() == THEIRS


def test_a_client_that_has_lost_the_lock_cannot_clear(server_: RedisServer) -> None:
    """A refusal that comes late does not forget another client's login."""
    store = RedisStore(server_.url, KEY)
    store.save(OLD)
    with lost_lock(server_, store), pytest.raises(StoreError, match="was lost"):
        store.clear()
    assert store.load() == THEIRS


def test_a_lost_lock_that_no_other_used_does_no_harm(server_: RedisServer) -> None:
    """Nothing has changed since: the new token is saved."""
    store = RedisStore(server_.url, KEY)
    store.save(OLD)
    with store.lock(WAIT):
        store.load()
        with server_.client() as client:
            client.delete(f"{KEY}:lock")
        store.save(NEW)
    assert store.load() == NEW


# --- When Redis fails ----------------------------------------------------------------------------


def test_a_redis_that_is_down(own: RedisServer) -> None:
    """Every verb is a StoreError, without a password; back again, all is well."""
    store = RedisStore(own.url.replace("//", "//:hunter2@"), KEY)
    own.stop()
    for verb in (
        store.load,
        store.clear,
        lambda: store.save(OLD),
        lambda: store.lock(0).__enter__(),
    ):
        with pytest.raises(StoreError, match="Redis") as caught:
            verb()
        assert "hunter2" not in f"{caught.value}{store!r}"
        assert "old-" not in str(caught.value)
    own.start()
    store = RedisStore(own.url, KEY)
    store.save(OLD)
    assert store.load() == OLD


def test_a_redis_that_has_forgotten_everything(own: RedisServer) -> None:
    """The client that knows the newest generation puts it back; one that knows less does not."""
    late, newest = RedisStore(own.url, KEY), RedisStore(own.url, KEY)
    late.save(OLD)
    newest.load()
    newest.save(NEW)
    own.stop()
    own.start()
    assert late.load() == OLD
    assert newest.load() == NEW
    assert late.load() == NEW


def test_a_login_after_a_loss_of_data_stays(own: RedisServer) -> None:
    """It outranks whatever workers remember of the time before."""
    worker = RedisStore(own.url, KEY)
    worker.save(OLD)
    own.stop()
    own.start()
    RedisStore(own.url, KEY).save(NEW)
    assert worker.load() == NEW


def test_a_refusal_of_redis_shows_no_token(own: RedisServer) -> None:
    """Redis repeats a command that it does not know, with what came along."""
    store = RedisStore(own.url, KEY)
    with own.client() as client:
        client.acl_setuser("default", enabled=True, nopass=True, commands=["-evalsha", "-eval"])
    with pytest.raises(StoreError, match=r"ACL SETUSER NAME .* \+evalsha ") as caught:
        store.save(OLD)
    assert "old-" not in "".join(traceback.format_exception(caught.value))


def test_a_lost_lock_is_taken_again(server_: RedisServer) -> None:
    """A holder that lives takes its lock back if it is free."""
    store, other = (RedisStore(server_.url, KEY, lease=0.3) for _ in range(2))
    with store.lock(WAIT), server_.client() as client:
        client.delete(f"{KEY}:lock")
        wait_until(lambda: client.exists(f"{KEY}:lock"))
        with pytest.raises(LockTimeout), other.lock(0.5):
            pass


def test_a_logout_is_not_undone(server_: RedisServer) -> None:
    """A token that was cleared is not data that was lost."""
    store, other = RedisStore(server_.url, KEY), RedisStore(server_.url, KEY)
    store.save(OLD)
    assert other.load() == OLD
    store.clear()
    assert other.load() is None


def test_a_redis_that_hangs(own: RedisServer) -> None:
    """The wait for it ends in time, and nothing is lost."""
    store = RedisStore(own.impatient_url, KEY)
    store.save(OLD)
    with own.paused(), pytest.raises(StoreError, match="could not be read"):
        store.load()
    assert store.load() == OLD


# --- With the adapter ----------------------------------------------------------------------------


def test_requests_go_on_without_redis(
    own: RedisServer, server: AuthServer, session: requests.Session
) -> None:
    """While the access token is valid Redis is not asked; at expiry it is an error, no loss."""
    store = RedisStore(own.url, KEY)
    store.save(server.login())
    mount(session, server.url, JSONEndpoint("/auth/refresh"), store, refresh_timeout=2)
    assert session.get("/api/x").status_code == 200
    own.stop()
    assert session.get("/api/x").status_code == 200
    server.expire()
    with pytest.raises((StoreError, RefreshUnavailable)) as caught:
        session.get("/api/x")
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    assert server.counters.refreshes == 0
    own.start()
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 1
    assert RedisStore(own.url, KEY).load() == store.load()


def test_a_redis_that_stops_before_the_save(
    own: RedisServer, server: AuthServer, session: requests.Session
) -> None:
    """The new token is used from memory, and saved when Redis is back."""
    store = RedisStore(own.url, KEY)
    adapter = mount(session, server.url, JSONEndpoint("/auth/refresh"), store, refresh_timeout=5)
    adapter.set_token(server.login())
    server.expire()
    with server.gate() as gate:
        statuses: list[int] = []
        threads = start(lambda: statuses.append(session.get("/api/x").status_code))
        gate.wait_for(1, timeout=WAIT)
        own.stop()
        gate.open()
        join(*threads)
    assert statuses == [200]
    own.start()

    def is_saved_after_a_request() -> bool:
        assert session.get("/api/x").status_code == 200
        return RedisStore(own.url, KEY).load() == adapter.token

    wait_until(is_saved_after_a_request)
    assert server.counters.refreshes == 1


def test_a_redis_that_is_paused_past_the_lease(
    own: RedisServer, server: AuthServer, session: requests.Session
) -> None:
    """The lock is lost during a refresh; no other client has saved, and nothing is lost."""
    store = RedisStore(own.impatient_url, KEY, lease=0.3)
    adapter = mount(session, server.url, JSONEndpoint("/auth/refresh"), store, refresh_timeout=5)
    adapter.set_token(server.login())
    server.expire()
    statuses: list[int] = []
    with server.gate() as gate:
        threads = start(lambda: statuses.append(session.get("/api/x").status_code))
        gate.wait_for(1, timeout=WAIT)
        with own.paused():
            threading.Event().wait(0.5)  # longer than the lease; a paused Redis cannot be asked
        gate.open()
        join(*threads)
    assert statuses == [200]
    assert RedisStore(own.url, KEY).load() == adapter.token
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


# --- What is missing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("redis", r"pip install 'requests-jwt-refresh\[redis\]'"),
        ("cryptography.fernet", r"pip install 'requests-jwt-refresh\[encryption\]'"),
    ],
)
def test_a_missing_extra_names_the_line_to_install_it(
    monkeypatch: pytest.MonkeyPatch, module: str, line: str
) -> None:
    """What to do stands in the error."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=line):
        RedisStore("redis://127.0.0.1:1/0", KEY, encryption_key=Fernet.generate_key())


def test_arguments_that_make_no_sense() -> None:
    """They are refused at once, and an encryption key is not shown."""
    with pytest.raises(ValueError, match="key"):
        RedisStore("redis://127.0.0.1:1/0", "")
    with pytest.raises(ValueError, match="lease"):
        RedisStore("redis://127.0.0.1:1/0", KEY, lease=0)
    with pytest.raises(TypeError, match="URL"):
        RedisStore(object(), KEY)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="percent-encoded") as refused:
        RedisStore("redis://:hun/ter2@127.0.0.1:1/0", KEY)
    assert "hun" not in "".join(traceback.format_exception(refused.value)).split("ValueError: ")[-1]
    with pytest.raises(ValueError, match="Fernet") as caught:
        RedisStore("redis://127.0.0.1:1/0", KEY, encryption_key="hunter2")
    assert "hunter2" not in str(caught.value)
