"""RedisStore's lock when it is lost: what can be made harmless is, on a real Redis."""

from __future__ import annotations

import gc
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis

from requests_jwt_refresh import LockTimeout, RedisStore, StoreError, Token
from requests_jwt_refresh.tokens import with_values
from tests.support.redis_server import RedisServer, new_redis, running_redis
from tests.support.waits import WAIT, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["running_redis"]  # a fixture: used by its name

KEY = "myapp:token"
LOCK = f"{KEY}:lock"


def token(name: str, counter: int, login: str = "alice's") -> Token:
    return with_values(Token(name, f"{name}-refresh", 1e9), login_id=login, counter=counter)


OLD = token("old", 1)


@pytest.fixture
def server_(running_redis: RedisServer) -> RedisServer:
    """A Redis that holds OLD."""
    with running_redis.client() as client:
        client.flushall()
    RedisStore(running_redis.url, KEY).save(OLD)
    return running_redis


@contextmanager
def lost_lock(server: RedisServer, store: RedisStore) -> Iterator[RedisStore]:
    """Hold the lock, having loaded OLD, and lose it to the client that is yielded."""
    with store.lock(WAIT):
        assert store.load() == OLD
        with server.client() as client:
            client.delete(LOCK)
        other = RedisStore(server.url, KEY)
        with other.lock(0):
            assert other.load() == OLD
            yield other


def load_all(store: RedisStore) -> tuple[Token | None, str | None, int]:
    """Return the token with what does not count when tokens are compared."""
    found = store.load()
    return (found, None, 0) if found is None else (found, found.login_id, found.counter)


# --- Who saves last ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, b"Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE="])
def test_the_newer_token_of_a_login_wins(server_: RedisServer, key: bytes | None) -> None:
    """The other client has saved what was there once more, before trading it in as well."""
    store = RedisStore(server_.url, KEY, encryption_key=key)
    store.save(OLD)
    with store.lock(WAIT):
        store.load()
        with server_.client() as client:
            client.delete(LOCK)
        other = RedisStore(server_.url, KEY, encryption_key=key)
        with other.lock(0):
            other.save(token("old", 2))
            store.save(token("new", 3))
            assert load_all(other) == (token("new", 3), "alice's", 3)


@pytest.mark.parametrize(
    "theirs", [token("theirs", 3), token("theirs", 4), token("theirs", 1, "bob's"), Token("plain")]
)
def test_a_token_that_is_not_older_stays(server_: RedisServer, theirs: Token) -> None:
    """One that was traded in as well, a newer one, or another login: the caller is told."""
    store = RedisStore(server_.url, KEY)
    with lost_lock(server_, store) as other:
        other.save(theirs)
        with pytest.raises(StoreError, match="was lost") as caught:
            store.save(token("new", 3))
        assert caught.value.remedy.startswith("the other client's token stays")
    assert load_all(store) == (theirs, theirs.login_id, theirs.counter)


def test_a_logout_of_another_client_stays(server_: RedisServer) -> None:
    """A refresh that ends late brings no login back."""
    store = RedisStore(server_.url, KEY)
    with lost_lock(server_, store) as other:
        other.clear()
        with pytest.raises(StoreError, match="was lost"):
            store.save(token("new", 3))
    assert store.load() is None


def test_what_another_program_has_put_there_stays(server_: RedisServer) -> None:
    """It cannot be compared."""
    store = RedisStore(server_.url, KEY)
    with lost_lock(server_, store) as other:
        other.save(token("old", 2))
        with server_.client() as client:
            client.hset(KEY, "token", "garbage")
        with pytest.raises(StoreError, match="was lost"):
            store.save(token("new", 3))


# --- Waiting for it ------------------------------------------------------------------------------


class NotingClient(redis.Redis):
    """A client that notes what it asks, and may ask it twice, as one does that lost an answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[str] = []
        self.asks_twice = False

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        ask: Callable[..., Any] = super().execute_command
        self.asked.append(arguments[0])
        if self.asks_twice:
            ask(*arguments, **options)
        return ask(*arguments, **options)


@pytest.fixture
def noting_client(server_: RedisServer) -> Iterator[NotingClient]:
    with server_.client() as client:
        pool = client.connection_pool
        yield NotingClient(connection_pool=pool)
        pool.disconnect()  # redis-py 5.0 leaves it connected


def test_a_try_costs_one_command(server_: RedisServer, noting_client: NotingClient) -> None:
    """Whether the lock is had or not: a fleet that waits makes many."""
    store = RedisStore(noting_client, KEY)
    with store.lock(0):
        pass  # Redis knows its scripts from here on
    noting_client.asked.clear()
    with RedisStore(server_.url, KEY).lock(0), pytest.raises(LockTimeout), store.lock(0):
        pytest.fail("the lock is held by another client")
    assert noting_client.asked == ["EVALSHA"]


def test_a_lock_that_was_given_unheard_is_ours(noting_client: NotingClient) -> None:
    """The answer was lost, and the client asks again by itself: it finds its own lock."""
    noting_client.asks_twice = True
    store = RedisStore(noting_client, KEY)
    with store.lock(0):
        store.save(token("new", 2))
    assert load_all(store) == (token("new", 2), "alice's", 2)


def test_what_another_program_keeps_in_its_place_is_no_lock(server_: RedisServer) -> None:
    """It is not touched, and the error says how to be rid of it."""
    with server_.client() as client:
        client.lpush(LOCK, "theirs")
        with pytest.raises(LockTimeout) as caught, RedisStore(server_.url, KEY).lock(0):
            pytest.fail("that is no lock")
        assert "it has no end" in caught.value.cause
        assert client.lrange(LOCK, 0, -1) == [b"theirs"]


# --- Before anything is traded in ----------------------------------------------------------------


def test_what_is_saved_again_needs_the_lock(server_: RedisServer) -> None:
    """That is how a refresh begins: lost before that, nothing is traded in, and nothing changes."""
    store = RedisStore(server_.url, KEY)
    with lost_lock(server_, store), pytest.raises(StoreError, match="was lost") as caught:
        store.save(token("old", 2))
    assert "another client holds it" in caught.value.cause
    assert load_all(store) == (OLD, "alice's", 1)


def test_a_lost_lock_that_is_free_is_taken_again(server_: RedisServer) -> None:
    """No other client can come in from then on."""
    store = RedisStore(server_.url, KEY)
    with store.lock(WAIT), server_.client() as client:
        store.load()
        client.delete(LOCK)
        store.save(token("old", 2))
        with pytest.raises(LockTimeout), RedisStore(server_.url, KEY).lock(0):
            pass
        store.save(token("new", 3))
    assert load_all(store) == (token("new", 3), "alice's", 3)


def test_a_lock_that_is_held_is_renewed(server_: RedisServer) -> None:
    """So that all of the lease is left for the exchange."""
    store = RedisStore(server_.url, KEY, lease=60)
    with store.lock(WAIT), server_.client() as client:
        store.load()
        client.pexpire(LOCK, 5000)
        store.save(token("old", 2))
        assert client.pttl(LOCK) > 50_000


def test_redis_restarted_without_its_data() -> None:
    """In the middle of an exchange: what the holder saves is there, for all."""
    with new_redis() as server:
        store = RedisStore(server.url, KEY)
        store.save(OLD)
        with store.lock(WAIT):
            store.load()
            store.save(token("old", 2))
            server.stop()
            server.start()
            store.save(token("new", 3))
        other = RedisStore(server.url, KEY)
        with other.lock(0):
            assert load_all(other) == (token("new", 3), "alice's", 3)


# --- Its end -------------------------------------------------------------------------------------


def test_only_the_block_counts(server_: RedisServer) -> None:
    """After it a save without the lock replaces whatever is there."""
    store, other = RedisStore(server_.url, KEY), RedisStore(server_.url, KEY)
    block = store.lock(WAIT)
    with block:
        store.load()
    other.save(token("theirs", 9))
    store.save(token("new", 2))
    assert load_all(other) == (token("new", 2), "alice's", 2)


def test_a_lock_that_is_forgotten_is_free(server_: RedisServer) -> None:
    """Nothing renews it for ever."""
    store = RedisStore(server_.url, KEY)
    block = store.lock(0)
    block.__enter__()
    del block
    gc.collect()
    with store.lock(0):
        pass


def test_a_lock_that_cannot_be_freed_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The work under it is done; the next one waits for the lease to end."""
    with new_redis() as server:
        store = RedisStore(server.impatient_url, KEY, lease=0.3)
        with caplog.at_level(logging.WARNING), store.lock(0):
            store.save(OLD)
            server.stop()
        assert "could not be unlocked: no connection" in caplog.text
        server.start()
        wait_until(lambda: store.load() == OLD)
        with store.lock(WAIT):
            pass
