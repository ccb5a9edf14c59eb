"""MemoryStore: one token for the threads of one process."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from requests_jwt_refresh.errors import LockTimeout
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing.contract import StoreContract
from requests_jwt_refresh.tokens import Token

TOKEN = Token("access-secret", "refresh-secret", 1.1e9)


class TestMemoryStore(StoreContract):
    """What every store promises; each process has its own."""

    shared_between_processes = False
    saves = 2000

    def setup_method(self) -> None:
        self.store = MemoryStore()

    def make_store(self) -> MemoryStore:
        return self.store


def test_it_may_start_with_a_token() -> None:
    """A token may be given when the store is made."""
    assert MemoryStore(TOKEN).load() == TOKEN


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_the_same_store(copied: Any) -> None:
    """A copied Session shares the login: two copies of a rotating token would end it."""
    store = MemoryStore(TOKEN)
    assert copied(store) is store
    assert copied([store])[0] is store


def test_a_pickle_carries_the_token_and_not_the_lock() -> None:
    """A store that was locked when it was pickled is free when it is loaded."""
    store = MemoryStore(TOKEN)
    with store.lock(0):
        again = pickle.loads(pickle.dumps(store))
        with again.lock(0):
            assert again.load() == TOKEN
    assert again is not store


def test_two_stores_are_two_logins() -> None:
    """Equal tokens do not make equal stores: they are not shared."""
    assert MemoryStore(TOKEN) != MemoryStore(TOKEN)
    assert len({MemoryStore(TOKEN), MemoryStore(TOKEN)}) == 2


@pytest.mark.parametrize("value", ["access-secret", {"access": "access-secret"}, 0, b""])
def test_only_tokens_are_kept(value: Any) -> None:
    """Anything else is a TypeError that does not show it; the token there stays."""
    store = MemoryStore(TOKEN)
    for keep in (MemoryStore, store.save):
        with pytest.raises(TypeError, match="holds a Token, not") as caught:
            keep(value)
        assert "secret" not in str(caught.value)
    assert store.load() == TOKEN


@pytest.mark.parametrize("value", [None])
def test_saving_none_is_no_way_to_clear(value: Any) -> None:
    """`save(None)` is refused: forgetting has a verb of its own."""
    store = MemoryStore(TOKEN)
    with pytest.raises(TypeError, match="not None: clear"):
        store.save(value)
    assert store.load() == TOKEN


def test_any_number_of_seconds_is_a_timeout() -> None:
    """Negative is at once, infinity is as long as it takes."""
    store = MemoryStore()
    with store.lock(float("inf")), pytest.raises(LockTimeout), store.lock(-1):
        pass
