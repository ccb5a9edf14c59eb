"""Token.extra and the store: what an answer leaves of the old, what a store will not take."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import MemoryStore, RefreshRejected, StoreError, Token
from requests_jwt_refresh.refresh.memory import Memory
from requests_jwt_refresh.refresh.saving import MAX_EXTRA
from requests_jwt_refresh.refresh.token_cache import TokenCache
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.tokens import with_values
from tests.support.keyrings import use_working_keyring

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.stores.base import TokenStore
    from tests.support.clock import Clock

OLD_EXTRA = {"scope": "read", "instance_url": "https://eu.example.com"}
OLD = Token("access-0", "refresh-0", extra=OLD_EXTRA)
WARNING = "so it is left out; the token itself is kept"


class PickyStore(MemoryStore):
    """A store that takes tokens whose extra has `room` characters at the most, and counts saves."""

    def __init__(self, token: Token | None = None, room: int = 10**6) -> None:
        super().__init__(token)
        self.room, self.saves, self.failures = room, 0, 0

    def save(self, token: Token) -> None:
        self.saves += 1
        if self.failures or len(json.dumps(token.extra)) > self.room:
            self.failures = max(self.failures - 1, 0)
            raise StoreError("the entry is too long", "make it shorter")
        super().save(token)

    @property
    def extra(self) -> Any:
        token = self.load()
        return None if token is None else token.extra


@pytest.fixture
def store() -> PickyStore:
    return PickyStore(OLD)


@pytest.fixture
def cache(store: PickyStore) -> TokenCache:
    """A cache that has looked into its store."""
    cache = TokenCache(store, Memory())
    assert cache.current() is OLD
    return cache


def make_extra(size: int) -> dict[str, str]:
    """Return an extra that is written with `size` bytes."""
    extra = {"groups": ""}
    return {"groups": "g" * (size - len(json.dumps(extra, separators=(",", ":"))))}


def in_use(cache: TokenCache) -> Any:
    assert cache.token is not None
    return cache.token.extra


# --- What a new answer leaves of the old ---------------------------------------------------------


@pytest.mark.parametrize("refresh", [None, "refresh-0"], ids=["none", "the same"])
def test_a_new_answer_is_laid_over_the_old_one(
    store: PickyStore, cache: TokenCache, refresh: str | None
) -> None:
    """Where the refresh token was kept: what a server says once, at the login, stays."""
    fresh = Token("access-1", refresh, extra={"scope": "write", "id_token": "new"})
    saved = cache.saver.save_new(fresh, OLD)
    expected = {**OLD_EXTRA, "scope": "write", "id_token": "new"}
    assert (saved.extra, in_use(cache), store.extra) == (expected,) * 3
    with pytest.raises(TypeError):
        saved.extra["scope"] = "x"  # type: ignore[index]


@pytest.mark.parametrize("kind", ["memory", "file", "keyring"])
def test_what_the_login_alone_was_told_stays_with_a_new_refresh_token(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as an id_token, which a refresh need not bring (OpenID Connect Core §12.2)."""
    use_working_keyring(monkeypatch)
    stores: dict[str, TokenStore] = {
        "memory": MemoryStore(),
        "file": FileStore(tmp_path / "t"),
        "keyring": KeyringStore("service", "account"),
    }
    store = stores[kind]
    said = {"id_token": "old", "session_state": "s", "user": {"name": "bob"}}
    cache = TokenCache(store, Memory())
    cache.set(replace(OLD, extra={**said, "scope": "read"}), 1.0)
    for n in (1, 2):
        assert cache.token is not None
        fresh = Token(f"access-{n}", f"refresh-{n}", extra={"scope": "write"})
        cache.saver.save_new(fresh, cache.token)
    stored = store.load()
    assert stored is not None
    assert (stored, in_use(cache)) == (fresh, {**said, "scope": "write"})
    assert stored.extra == in_use(cache)
    cache.saver.save_new(Token("access-3", "refresh-3", extra={"id_token": "new"}), stored)
    assert in_use(cache) == {**said, "scope": "write", "id_token": "new"}


TIMES = {
    "refresh_expires_at": 1.8e9,
    "refresh_expires_in": 1800,
    "refreshTokenExpiresIn": "1800",
    "refresh_token_expires_at": "2026-01-01T00:00:00Z",
    "x_refresh_token_expires_in": 8726400,
    "refreshTokenExpiration": 1,
    "refresh_exp": 1,
    "refresh_ttl": 1,
    "refresh_token_lifetime": 1,
    "refresh_token_issued_at": "1",
    "refreshTokenValidUntil": 1,
}
NO_TIMES = {
    "cookies": {"csrf_refresh_token": "c", "refresh_exp": "a cookie"},
    "refresh_url": "https://h/r",
    "expires_on": 1,
}


@pytest.mark.parametrize("times", [*({name: TIMES[name]} for name in TIMES), TIMES])
def test_the_end_of_a_refresh_token_goes_with_it(
    store: PickyStore, cache: TokenCache, times: dict[str, Any]
) -> None:
    """Or a good login would count as expired. What the new one says of itself is kept."""
    old = replace(OLD, extra={**times, "data": {**times, "user": "bob"}, **NO_TIMES})
    kept = {"data": {"user": "bob"}, **NO_TIMES}
    cache.saver.save_new(Token("access-1"), old)
    assert store.extra == old.extra, "it is the same refresh token"
    cache.saver.save_rescued(old, "refresh-1")
    assert (in_use(cache), store.extra) == (kept, kept)
    cache.saver.save_new(Token("access-1", "refresh-1"), old)
    assert (in_use(cache), store.extra) == (kept, kept)
    cache.saver.save_new(Token("access-1", "refresh-1", extra=times), old)
    assert (in_use(cache), store.extra) == ({**kept, **times},) * 2


def test_cookies_are_kept_one_by_one(cache: TokenCache) -> None:
    """An answer sets one of them again; the others stay, as in a browser."""
    cookies = {"csrf_access": "a0", "csrf_refresh": "r0"}
    old = replace(OLD, extra={"cookies": cookies})
    saved = cache.saver.save_new(Token("access-1", extra={"cookies": {"csrf_access": "a1"}}), old)
    assert saved.extra == {"cookies": {**cookies, "csrf_access": "a1"}}
    rotated = Token("access-1", "refresh-1", extra={"scope": "write"})
    saved = cache.saver.save_new(rotated, replace(old, extra={**old.extra, "id_token": "old"}))
    assert saved.extra == {"cookies": cookies, "scope": "write", "id_token": "old"}
    for odd in ("text", None, ["a"]):
        saved = cache.saver.save_new(Token("access-1", extra={"cookies": odd}), old)
        assert saved.extra == {"cookies": odd}


def test_a_login_begins_with_its_own(store: PickyStore, cache: TokenCache) -> None:
    """By `login`, by a refresh token that was given, or by set_token()."""
    fresh = Token("access-1", "refresh-0", extra={"scope": "write"})
    for log_in in (
        lambda: cache.saver.save_new(fresh, None),
        lambda: cache.saver.save_traded(fresh, "refresh-0"),
        lambda: cache.set(fresh, 1.0),
    ):
        store.save(OLD)
        cache.reload()
        log_in()
        assert (in_use(cache), store.extra) == ({"scope": "write"},) * 2


def test_a_token_saved_again_keeps_it(store: PickyStore, cache: TokenCache) -> None:
    """Before each exchange, and when only a refresh token could be rescued from an answer."""
    with cache.saver.room(OLD):
        assert store.extra == OLD_EXTRA
    cache.saver.save_rescued(OLD, "refresh-1")
    assert (in_use(cache), store.extra) == (OLD_EXTRA,) * 2


# --- What a store will not take ------------------------------------------------------------------


@pytest.mark.parametrize(("size", "is_kept"), [(MAX_EXTRA, True), (MAX_EXTRA + 1, False)])
def test_more_than_16_kib_is_left_out(
    store: PickyStore,
    cache: TokenCache,
    caplog: pytest.LogCaptureFixture,
    size: int,
    is_kept: bool,
) -> None:
    """With one warning in a login, however often it comes; the token is kept."""
    extra = make_extra(size)
    cache.set(Token("access-1", "refresh-1", extra=extra), 1.0)
    for n in range(2, 5):
        fresh = Token(f"access-{n}", "refresh-1", extra=extra)
        saved = cache.saver.save_new(fresh, cache.token)
        assert (saved, cache.token) == (fresh, fresh)
        assert saved is cache.token
        assert cache.memory.is_unconfirmed(saved)
        assert in_use(cache) == store.extra == (extra if is_kept else {})
    assert caplog.text.count(WARNING) == (0 if is_kept else 1)
    assert ("larger than 16 KiB" in caplog.text) is not is_kept
    cache.set(Token("access-1", "refresh-1", extra=extra), 1.0)
    assert caplog.text.count(WARNING) == (0 if is_kept else 2)


def test_a_login_that_cannot_be_saved_has_no_more_either(
    store: PickyStore, cache: TokenCache
) -> None:
    """It is kept in memory as it would be in the store, where it goes later."""
    fresh = Token("access-1", "refresh-1", extra=make_extra(MAX_EXTRA + 1))
    kept = cache.saver.keep_unsaved(fresh, StoreError("the store is full"), cache.epoch)
    assert kept is cache.token
    assert in_use(cache) == {}
    store.failures = 1
    assert cache.saver.save_new(fresh, OLD) is cache.token
    assert in_use(cache) == {}


def test_it_is_left_out_if_the_store_takes_the_token_only_so(
    store: PickyStore, cache: TokenCache, caplog: pytest.LogCaptureFixture
) -> None:
    """A keyring that takes short entries alone: the token is worth more."""
    store.room = 10
    for n in (1, 2):
        saved = cache.saver.save_new(
            Token(f"access-{n}", f"refresh-{n}", extra=OLD_EXTRA), cache.token
        )
        assert saved is cache.token
        assert (store.load(), store.extra, saved.extra) == (saved, {}, {})
    assert not cache.memory.dirty
    assert caplog.text.count(WARNING) == 1
    assert "could not be saved (the entry is too long" in caplog.text
    cache.set(OLD, 1.0)
    assert (cache.token, in_use(cache), store.extra) == (OLD, {}, {})


def test_a_token_that_needs_no_space_any_more_is_in_use_without_it(
    store: PickyStore, cache: TokenCache
) -> None:
    """The store is full when it is to show that there is room: it takes the token without."""
    fresh = cache.saver.save_new(Token("access-1", "refresh-1", extra=OLD_EXTRA), OLD)
    store.room = 10
    with cache.saver.room(fresh):
        assert (cache.token, in_use(cache), store.extra) == (fresh, {}, {})
    assert cache.token is not None
    assert cache.memory.is_unconfirmed(cache.token)
    store.saves = 0
    with cache.saver.room(cache.token):
        assert store.saves == 1


def test_an_error_that_passes_costs_nothing(
    store: PickyStore, cache: TokenCache, caplog: pytest.LogCaptureFixture
) -> None:
    """The store failed once, and not because of what came with the token."""
    store.failures = 1
    cache.saver.save_new(Token("access-1", "refresh-1", extra=OLD_EXTRA), OLD)
    assert (in_use(cache), store.extra) == (OLD_EXTRA,) * 2
    assert WARNING not in caplog.text


def test_a_store_that_takes_no_token_at_all_is_tried_again_later(
    store: PickyStore, cache: TokenCache, clock: Clock
) -> None:
    """With all that came with the token, which memory keeps until then."""
    store.failures = 2
    fresh = Token("access-1", "refresh-1", extra={"scope": "write"})
    expected = {**OLD_EXTRA, "scope": "write"}
    assert cache.saver.save_new(fresh, OLD) is cache.token
    assert (cache.memory.dirty, in_use(cache), store.load()) == (True, expected, OLD)
    clock.advance(1.1)
    cache.save_again()
    assert (cache.memory.dirty, store.load(), store.extra) == (False, fresh, expected)
    store.failures = 2
    with pytest.raises(StoreError, match="too long"):
        cache.set(OLD, 1.0)
    assert cache.token == fresh


# --- What was refused ----------------------------------------------------------------------------


def test_a_refused_token_goes_however_it_was_noted_down(
    store: PickyStore, cache: TokenCache
) -> None:
    """Access and refresh token are compared, and nothing that came with them."""
    noted = with_values(OLD, expires_at=1.0, extra={"scope": "other"}, login_id="other", counter=9)
    store.save(noted)
    assert cache.clear_refused() is None
    assert (cache.token, store.load()) == (None, None)


# --- Grants without a refresh token --------------------------------------------------------------


@pytest.mark.usefixtures("clock")
def test_an_emptied_store_is_no_logout_for_a_grant(store: PickyStore, cache: TokenCache) -> None:
    """Another program has forgotten the token: the next one is fetched anew."""
    store.clear()
    assert cache.reload(may_be_empty=True) is None
    assert cache.token is None
    assert cache.reload(may_be_empty=True) is None
    with cache.hold(None, 1.0, adopt=True) as adopted, cache.saver.room(cache.reload()):
        assert adopted is None
        saved = cache.saver.save_new(Token("access-1", extra={"scope": "write"}), None)
    assert saved is cache.token
    assert (store.load(), store.extra) == (saved, {"scope": "write"})
    assert (cache.memory.login_id_of(None), cache.memory.login_id_of(saved)) == (
        None,
        saved.login_id,
    )


@pytest.mark.usefixtures("clock")
def test_an_emptied_store_is_a_logout_where_there_is_a_refresh_token(
    store: PickyStore, cache: TokenCache
) -> None:
    """As ever."""
    store.clear()
    with pytest.raises(
        RefreshRejected, match=r"^the token store has been emptied: another program"
    ):
        cache.reload()
    assert cache.token is None


def test_a_grant_that_finds_a_token_adopts_it(store: PickyStore) -> None:
    """Another program has fetched one meanwhile."""
    store.clear()
    cache = TokenCache(store, Memory())
    assert cache.current() is None
    store.save(OLD)
    with cache.hold(None, 1.0, adopt=True) as adopted:
        assert adopted is OLD
    store.clear()
    assert cache.clear_refused() is None
    assert cache.token is None
