"""token_cache.py and saving.py alone: every move between memory and store."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import (
    LockTimeout,
    MemoryStore,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
    Token,
)
from requests_jwt_refresh.refresh.memory import Memory
from requests_jwt_refresh.refresh.token_cache import TokenCache, is_better
from tests.support.pauses import Pauses, pauses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.clock import Clock

__all__ = ["pauses"]  # a fixture: used by its name

OLD, NEW, NEWER = (Token(f"access-{n}", f"refresh-{n}") for n in range(3))


@dataclass
class Store:
    """A store that can fail, and notes what it is asked."""

    token: Token | None = None
    is_full: bool = False
    is_locked: bool = False
    asked: list[str] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)

    def load(self) -> Token | None:
        self.asked.append("load")
        return self.token

    def save(self, token: Token) -> None:
        self.asked.append("save")
        if self.is_full:
            raise StoreError("the store is full", "make room")
        self.token = token

    def clear(self) -> None:
        self.asked.append("clear")
        if self.is_full:
            raise StoreError("the store is full", "make room")
        self.token = None

    @contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        self.timeouts.append(timeout)
        if self.is_locked:
            raise LockTimeout(f"not free within {timeout:g} s", "try again")
        self.asked.append("lock")
        yield
        self.asked.append("unlock")


@pytest.fixture
def store() -> Store:
    return Store(OLD)


@pytest.fixture
def cache(store: Store) -> TokenCache:
    """A cache that has looked into its store."""
    cache = TokenCache(store, Memory())
    assert cache.current() is OLD
    store.asked.clear()
    return cache


# --- Looking -----------------------------------------------------------------------------------


def test_the_store_is_looked_into_once(store: Store, cache: TokenCache) -> None:
    """After the first look memory knows, until a refresh or a login."""
    store.token = NEW
    assert (cache.current(), cache.token, store.asked) == (OLD, OLD, [])


def test_an_empty_store_is_looked_into_again_only_when_asked() -> None:
    """`reload_if_empty` is for a program whose user logs in elsewhere."""
    store = Store()
    cache = TokenCache(store, Memory())
    assert (cache.current(), cache.current(), store.asked) == (None, None, ["load"])
    store.token = NEW
    assert cache.current() is None
    cache.reload_if_empty()
    assert cache.current() is NEW
    cache.reload_if_empty()
    assert store.asked == ["load", "load"]


def test_what_was_read_does_not_go_before_what_was_set(store: Store) -> None:
    """A look that was overtaken by set_token() changes nothing."""
    memory = Memory()
    cache = TokenCache(store, memory)
    version = memory.version
    cache.set(NEW, 1.0)
    assert not memory.publish_if(version, OLD)
    assert cache.token is not None
    assert cache.token.access == NEW.access


@pytest.mark.usefixtures("clock")
def test_reload_takes_up_what_another_process_stored(store: Store, cache: TokenCache) -> None:
    """The store's token goes before memory's if it has changed since the last look."""
    assert cache.reload() is OLD
    store.token = NEW
    assert cache.reload() is NEW
    assert cache.token is NEW


def test_an_emptied_store_is_a_logout(store: Store, cache: TokenCache, clock: Clock) -> None:
    """It is looked at twice, since a busy keyring loses sight of an entry for a moment."""
    store.token = None
    with pytest.raises(
        RefreshRejected,
        match=r"^the token store has been emptied: another program has logged out",
    ):
        cache.reload()
    assert (cache.token, store.asked, len(clock.sleeps)) == (None, ["load", "load"], 1)


# --- Saving ------------------------------------------------------------------------------------


def test_set_saves_under_the_lock_before_it_is_used(store: Store, cache: TokenCache) -> None:
    """What is not stored is not used."""
    cache.set(NEW, 1.0)
    assert store.asked == ["lock", "save", "unlock"]
    store.is_full = True
    with pytest.raises(StoreError):
        cache.set(NEWER, 1.0)
    assert cache.token is not None
    assert cache.token.access == NEW.access


def test_a_fresh_token_that_cannot_be_saved_is_kept_in_memory(
    store: Store, cache: TokenCache, clock: Clock
) -> None:
    """And is saved later: the refresh token before it is worthless."""
    store.is_full = True
    assert cache.saver.save_new(NEW, OLD) == NEW
    assert (cache.token, cache.memory.dirty, store.token) == (NEW, True, OLD)
    cache.save_again()  # not yet
    assert store.asked == ["save"]
    store.is_full = False
    clock.advance(1.1)
    cache.save_again()
    assert (cache.memory.dirty, store.token) == (False, NEW)


def test_a_dirty_token_does_not_overwrite_a_newer_one(
    store: Store, cache: TokenCache, clock: Clock
) -> None:
    """Another process has refreshed or logged in meanwhile: its token is taken up instead."""
    store.is_full = True
    cache.saver.save_new(NEW, OLD)
    store.is_full, store.token = False, NEWER
    clock.advance(1.1)
    cache.save_again()
    assert (cache.token, store.token, cache.memory.dirty) == (NEWER, NEWER, False)


def test_an_answer_without_a_refresh_token_keeps_the_old_one(cache: TokenCache) -> None:
    """RFC 6749 §6: the server may issue a new one, or not."""
    assert cache.saver.save_new(Token("fresh"), OLD).refresh == OLD.refresh


def test_the_store_shows_each_time_that_it_can_be_written(store: Store, cache: TokenCache) -> None:
    """Before each exchange, while nothing can be lost: a disk may have filled up since the last."""
    with cache.saver.room(OLD):
        assert store.asked == ["save"]
    store.is_full = True
    with pytest.raises(StoreError), cache.saver.room(OLD):
        raise AssertionError("nothing may be exchanged now")
    assert store.token == OLD


def test_what_was_traded_must_be_saved(store: Store, cache: TokenCache) -> None:
    """The caller gave a refresh token of their own: they have to know that it is spent."""
    store.is_full = True
    with pytest.raises(StoreError, match="gave another refresh token") as caught:
        cache.saver.save_traded(NEW, "given")
    assert caught.value.remedy.startswith("mend the store and log in again")
    assert cache.token == NEW


# --- A token out of an API's answer -------------------------------------------------------------


RENEWED = Token("access-renewed", OLD.refresh)


def test_only_the_token_in_use_is_renewed(store: Store, cache: TokenCache) -> None:
    """An answer may come late; nothing is written yet."""
    assert not cache.renew(NEW, RENEWED)
    assert cache.token is OLD
    assert cache.renew(OLD, RENEWED)
    assert (cache.token, cache.memory.dirty, store.asked) == (RENEWED, False, [])
    assert cache.memory.is_unconfirmed(RENEWED)
    assert not cache.renew(OLD, NEW)
    assert cache.token is RENEWED


@pytest.mark.usefixtures("clock")
def test_a_renewed_token_is_saved_once(store: Store, cache: TokenCache) -> None:
    """Of many threads that see that it is time, one takes the turn."""
    assert not cache.memory.take_renewal_turn()
    cache.renew(OLD, RENEWED)
    assert cache.memory.is_renewal_due
    assert [cache.memory.take_renewal_turn() for _ in range(3)] == [True, False, False]
    assert not cache.memory.is_renewal_due
    cache.save_renewed(1.0)
    assert (store.token, store.asked) == (RENEWED, ["lock", "load", "save", "unlock"])
    cache.save_renewed(1.0)
    assert store.asked.count("save") == 1


@pytest.mark.usefixtures("clock")
def test_what_takes_the_place_of_a_renewed_token_is_not_saved_again(
    store: Store, cache: TokenCache
) -> None:
    """A login, a logout or a refresh has saved what is in use."""
    for change in (
        lambda: cache.set(NEW, 1.0),
        lambda: cache.clear(1.0),
        lambda: cache.saver.save_new(NEW, cache.token),
    ):
        cache.set(OLD, 1.0)
        assert cache.token is not None
        assert cache.renew(cache.token, RENEWED)
        change()
        store.asked.clear()
        cache.save_renewed(1.0)
        assert "save" not in store.asked


# --- Forgetting --------------------------------------------------------------------------------


def test_a_refused_token_is_forgotten(store: Store, cache: TokenCache) -> None:
    """In memory and in the store."""
    assert cache.clear_refused() is None
    assert (cache.token, store.token) == (None, None)


def test_a_newer_token_is_not_forgotten_with_the_refused_one(
    store: Store, cache: TokenCache
) -> None:
    """Another process was faster: its token is taken up."""
    store.token = NEW
    assert cache.clear_refused() is NEW
    assert (cache.token, store.token) == (NEW, NEW)


def test_a_refused_token_goes_even_if_the_store_fails(
    store: Store, cache: TokenCache, caplog: pytest.LogCaptureFixture
) -> None:
    """It is worthless whatever the store says; a warning tells."""
    store.is_full = True
    assert cache.clear_refused() is None
    assert cache.token is None
    assert "could not be removed" in caplog.text


# --- Holding the lock --------------------------------------------------------------------------


def test_a_newer_token_makes_the_lock_needless(store: Store, cache: TokenCache) -> None:
    """Of many who wait for the lock one refreshes; the others see it in the store."""
    store.token, store.is_locked = NEW, True
    with cache.hold(OLD, 1.0, adopt=True) as adopted:
        assert adopted is NEW
    assert cache.token is NEW


def test_who_waits_for_a_token_never_takes_the_lock(
    store: Store, cache: TokenCache, pauses: Pauses
) -> None:
    """The store is looked into again and again, and the lock is only tried: it stays free."""
    store.is_locked = True

    def save_at_last() -> None:
        if len(pauses.made) == 3:
            store.token = NEW

    pauses.before_next = save_at_last
    with cache.hold(OLD, 30.0, adopt=True) as adopted:
        assert adopted is NEW
    assert store.asked == ["load"] * 4
    assert store.timeouts == [0.01] * 3
    assert pauses.now < 0.1


def test_a_lock_that_comes_free_is_taken_soon(
    store: Store, cache: TokenCache, pauses: Pauses
) -> None:
    """Its holder has died, or has failed: there is nothing to adopt, and somebody has to go on."""
    store.is_locked = True

    def free() -> None:
        store.is_locked = pauses.now < 1.0

    pauses.before_next = free
    with cache.hold(OLD, 30.0, adopt=True) as adopted:
        assert adopted is None
        assert store.asked[-1] == "lock"
    assert store.asked[-1] == "unlock"
    assert pauses.now < 1.3


def test_who_wants_the_lock_waits_for_that_alone(
    store: Store, cache: TokenCache, pauses: Pauses
) -> None:
    """A forced refresh or a login has no use for another's token: the store's own wait is best."""
    with cache.hold(OLD, 7.0, adopt=False) as adopted:
        assert adopted is None
    store.is_locked = True
    with pytest.raises(RefreshUnavailable), cache.hold(OLD, 7.0, adopt=False):
        pytest.fail("the lock is held by another program")
    assert store.timeouts == [7.0, 7.0]
    assert (store.asked, pauses.made) == (["lock", "unlock"], [])


def test_the_wait_for_the_lock_is_bounded(store: Store, cache: TokenCache, pauses: Pauses) -> None:
    """Whatever the store's own waits are; and few looks are enough for a wait of 30 s."""
    store.is_locked = True
    with (
        pytest.raises(RefreshUnavailable, match="for 30 s, and nothing is refreshed without it"),
        cache.hold(OLD, 30.0, adopt=True),
    ):
        pytest.fail("the lock is held by another program")
    assert pauses.now == pytest.approx(30.0)
    assert len(store.timeouts) < 100


def test_without_the_lock_nothing_is_refreshed(store: Store, cache: TokenCache) -> None:
    """The wait for it has an end."""
    store.is_locked = True
    with (
        pytest.raises(RefreshUnavailable, match="nothing is refreshed without it"),
        cache.hold(OLD, 0.1, adopt=True),
    ):
        pytest.fail("the lock is held by another program")


def test_the_lock_is_let_go_whatever_happens(store: Store, cache: TokenCache) -> None:
    """Also when the refresh fails."""
    store = MemoryStore(OLD)  # type: ignore[assignment]
    cache = TokenCache(store, Memory())
    with pytest.raises(ValueError, match="no"), cache.hold(OLD, 1.0, adopt=True):
        raise ValueError("no")
    with store.lock(0.0):
        pass


@pytest.mark.parametrize(
    ("token", "stale", "better"),
    [
        (None, None, False),
        (Token(None, "refresh"), None, False),
        (OLD, None, True),
        (OLD, OLD, False),
        (Token(OLD.access, "another"), OLD, False),
        (NEW, OLD, True),
        (Token("past", None, 1_000_000_000.0), OLD, False),
    ],
    ids=["none", "no access", "first", "same", "same access", "new", "expired"],
)
def test_what_is_better(token: Token | None, stale: Token | None, better: bool) -> None:
    """Another access token that has not expired."""
    assert is_better(token, stale) is better
