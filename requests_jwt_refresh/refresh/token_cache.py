"""Memory against store: which token is in use, the lock, and what another process has stored.

Nothing but this and saving.py, which writes new tokens, uses both. What reads or writes the store
for the sake of a refresh runs in the refresh's own thread, and all else in a `shield`: no Ctrl-C
comes in between.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import (
    JWTRefreshError,
    LockTimeout,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.refresh.guarded_store import GuardedStore
from requests_jwt_refresh.refresh.limits import FIRST_COOLDOWN, MAX_COOLDOWN
from requests_jwt_refresh.refresh.saving import Saver, begin_login
from requests_jwt_refresh.refresh.single_flight import shield
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.stores.polling import poll
from requests_jwt_refresh.tokens import with_expiry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.refresh.memory import Memory
    from requests_jwt_refresh.stores.base import TokenStore
    from requests_jwt_refresh.tokens import Token

logger = logging.getLogger("requests_jwt_refresh")

GLANCE_INTERVAL: Final = 1.0  # seconds between two looks for the sake of a forbidden URL
RELOAD_DELAY: Final = 0.3  # seconds; an emptied store is a logout, so it is looked into twice


class TokenCache:
    """One store and the memory that belongs to it, which all caches of an equal store share.

    `saver` is for whoever holds the store's lock.
    """

    def __init__(self, store: TokenStore, memory: Memory) -> None:
        self._store, self.memory = GuardedStore(store), memory
        self.saver = Saver(self._store, memory)
        self._dies_with_process = isinstance(store, MemoryStore)

    @property
    def token(self) -> Token | None:
        """The token in memory."""
        return self.memory.token

    @property
    def epoch(self) -> int:
        """Changes with every set_token() and clear_token()."""
        return self.memory.epoch

    # For requests and users

    def current(self) -> Token | None:
        """Return the token in use, from the store at the first call. Raises StoreError."""
        memory = self.memory
        if memory.token is None and not memory.has_looked:
            shield(self._load)
        return memory.token

    def reload_if_empty(self) -> None:
        """Look into the store again if memory holds no token. Raises StoreError."""
        if self.memory.token is None:
            shield(self._load)

    def _load(self) -> None:
        version = self.memory.version
        self.memory.publish_if(version, self._store.load())

    def set(self, token: Token, timeout: float) -> None:
        """Save `token` and use it. Raises StoreError, LockTimeout."""

        def save() -> None:
            with self._store.lock(timeout):
                saved = self.saver.save(begin_login(with_expiry(token)))
                self.memory.publish_for_user(saved)

        shield(save)

    def clear(self, timeout: float) -> None:
        """Forget the token, here and in the store. Raises StoreError, LockTimeout."""

        def clear() -> None:
            with self._store.lock(timeout):
                self._store.clear()
                self.memory.publish_for_user(None)

        shield(clear)

    def save_again(self) -> None:
        """Try once more to save a token that the store would not take; never raise.

        The longer a store takes to fail, the less often it is tried.
        """
        memory, began = self.memory, clock.monotonic()
        if began < memory.next_save:
            return
        memory.next_save = began + MAX_COOLDOWN  # no other thread meanwhile

        def save() -> None:
            with self._store.lock(0):
                token = memory.token
                if self.reload() is token and token is not None and memory.dirty:
                    self.saver.save_in_use(token)

        try:
            shield(save)
        except JWTRefreshError as error:  # the request at hand has nothing to do with it
            logger.debug("The token could still not be saved (%s)", error)
        memory.next_save = began + max(FIRST_COOLDOWN, 10 * (clock.monotonic() - began))

    def renew(self, sent: Token, renewed: Token) -> bool:
        """Use `renewed` in place of `sent`, if that is still in use; `save_renewed` saves it."""
        return shield(partial(self.memory.publish_renewed, sent, renewed))

    def save_renewed(self, timeout: float) -> None:
        """Save a renewed token, if the store still holds the one that it has replaced.

        For a thread that no Ctrl-C interrupts. Raises LockTimeout after `timeout` seconds,
        StoreError, and RefreshRejected if another program has emptied the store.
        """
        memory = self.memory
        with self._store.lock(timeout):
            token = memory.token
            if token is not None and memory.renewed and self.reload() is token:
                self.saver.save_in_use(token)
        memory.notices.note_renewal_saved()

    def glance(self, stale: Token) -> Token | None:
        """Return the store's token if it is better than `stale`; look once a second at the most.

        For a request that gets the API's 401 otherwise: never raises.
        """
        memory, now = self.memory, clock.monotonic()
        if now < memory.next_glance:
            return None
        memory.next_glance = now + GLANCE_INTERVAL
        try:
            return shield(partial(self.adopt_newer, stale))
        except StoreError as error:  # the caller has an answer already
            logger.debug("The store could not be read (%s)", error)
            return None

    def is_inherited(self, token: Token) -> bool:
        """Whether another process has a copy of `token`: that of a fork, and no store to share it.

        A token without a refresh token is good for both.
        """
        inherited = self.memory.inherited
        return (
            inherited is not None
            and self._dies_with_process
            and token.refresh is not None
            and token.refresh == inherited.refresh
        )

    # For a refresh, in its own thread

    @contextmanager
    def hold(self, stale: Token | None, timeout: float, *, adopt: bool) -> Iterator[Token | None]:
        """Hold the store's lock and yield None, or with `adopt` yield a token better than `stale`.

        While another one has the lock, the store is read again and again: of a thousand workers
        that wait, one refreshes, and the others learn of it without taking the lock one after the
        other. Raises RefreshUnavailable after `timeout` seconds, StoreError.
        """
        with ExitStack() as held:
            if adopt:
                yield self._adopt_or_lock(stale, timeout, held)
            else:
                try:
                    held.enter_context(self._store.lock(timeout))
                except LockTimeout as error:
                    raise _locked_out(timeout) from error
                yield None

    def _adopt_or_lock(self, stale: Token | None, timeout: float, held: ExitStack) -> Token | None:
        """Return a token better than `stale`, or None as soon as `held` holds the store's lock."""
        adopted: Token | None = None
        refused: LockTimeout | None = None

        def look() -> bool:
            nonlocal adopted, refused
            adopted = self.adopt_newer(stale)
            if adopted is None:
                try:
                    held.enter_context(self._store.try_lock())
                except LockTimeout as error:
                    refused = error
                    return False
            return True

        if not poll(look, timeout):
            raise _locked_out(timeout) from refused
        return adopted

    def adopt_newer(self, stale: Token | None) -> Token | None:
        """Return the store's token if it is new and better than `stale`; needs no lock.

        Raises StoreError.
        """
        version = self.memory.version
        stored = self._store.load()
        if stored is None or not self.memory.is_news(stored) or not is_better(stored, stale):
            return None
        return stored if self.memory.publish_if(version, stored) else None

    def reload(self, *, may_be_empty: bool = False) -> Token | None:
        """Return the newest token: the store's if it has a new one, else memory's.

        A store that was emptied is a logout: RefreshRejected. With `may_be_empty` it is not, for a
        grant that needs no refresh token: None, and the next token is fetched anew. Raises
        StoreError.
        """
        memory = self.memory
        stored = self._store.load()
        if stored is None and memory.token is not None:
            clock.sleep(RELOAD_DELAY)  # a busy keyring may lose sight of an entry for a moment
            stored = self._store.load()
        if stored == memory.stored:
            memory.note_seen(stored)
            return memory.token
        if stored is not None and memory.token is not None and memory.is_older(stored):
            return self._overwrite_backup(memory.token)
        logged_out = stored is None and memory.has_looked
        memory.publish(stored)
        if logged_out and not may_be_empty:
            raise RefreshRejected(
                "the token store has been emptied: another program has logged out or was told that "
                "the login has ended, or the token was deleted",
                "log in again",
            )
        return stored

    def _overwrite_backup(self, token: Token) -> Token:
        """Save the token in use over an older one of the same login, and return it."""
        if self.memory.notices.tell_backup():
            logger.warning(
                "The token store has an older token of the same login, as after a backup was put "
                "back. It is not used, and the newer one is saved again"
            )
        self.saver.save_in_use(token)
        return token

    def clear_refused(self) -> Token | None:
        """Forget the refused token everywhere, or adopt and return a newer one from the store."""
        memory = self.memory
        try:
            stored = self._store.load()
            if stored is not None and memory.is_news(stored) and not memory.is_refused(stored):
                memory.publish(stored)
                return stored
            self._store.clear()
        except StoreError as error:  # the token is worthless, whatever the store says
            logger.warning("The refused token could not be removed from the store (%s)", error)
        memory.publish(None)
        return None

    def forget(self) -> None:
        """Forget the token, here and in the store, whose lock is held.

        Raises StoreError if the store keeps it; memory has forgotten it all the same.
        """
        is_cleared = False
        try:
            self._store.clear()
            is_cleared = True
        finally:
            self.memory.publish_for_user(None, stored=is_cleared)


def _locked_out(timeout: float) -> RefreshUnavailable:
    return RefreshUnavailable(
        f"another program or thread has held the token store's lock for {timeout:g} s, and nothing "
        "is refreshed without it",
        "the tokens are kept; try again later, or look for a program that hangs",
    )


def is_better(token: Token | None, stale: Token | None) -> bool:
    """Whether to send `token` where `stale` was refused or has expired."""
    if token is None or token.access is None or token.has_expired():
        return False
    return stale is None or token.access != stale.access
