"""The token in memory against the token in the store, and every move between the two.

Nothing else in this library reads or writes both. What reads or writes the store for the sake of a
refresh runs in the refresh's own thread, and all else in a `shield`: no Ctrl-C comes in between.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import (
    LockTimeout,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.refresh.limits import FIRST_COOLDOWN, MAX_COOLDOWN
from requests_jwt_refresh.refresh.single_flight import shield
from requests_jwt_refresh.tokens import Token, with_expiry, with_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.stores.base import TokenStore

logger = logging.getLogger("requests_jwt_refresh")

LOCK_POLL_INTERVAL: Final = 0.5  # seconds between two looks into the store while its lock is taken
RELOAD_DELAY: Final = 0.3  # seconds; an emptied store is a logout, so it is looked into twice
_UNKNOWN: Final = object()  # what the store holds before the first look


class Memory:
    """What this process knows of the token in one store; all adapters on an equal store share it.

    The mutex guards every change of `token`, `stored`, `dirty` and `version`, which change together
    in `_publish`; each may be read without it. It is taken in threads that no signal handler
    interrupts, and never held over I/O. The other fields are assigned without it: of two threads at
    once the later one wins, which costs a save or a look into the store too many.
    """

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.token: Token | None = None
        self.stored: object = _UNKNOWN  # the token that the store held when last seen, or None
        self.dirty = False  # memory is ahead of the store
        self.version = 0  # grows with every publication
        self.unconfirmed: Token | None = None  # new from the server; no API call with it has ended
        self.writable = False  # the store has shown that it can be written
        self.next_save = 0.0  # clock.monotonic(): when a dirty token is saved again

    def publish(self, token: Token | None, *, stored: bool = True) -> None:
        """Make `token` the one that requests are sent with; `stored`: the store holds it too."""
        with self.mutex:
            self._publish(token, stored=stored)

    def publish_if(self, version: int, token: Token | None) -> bool:
        """Publish what was read at `version` without the store's lock, if it still stands."""
        with self.mutex:
            if self.version != version:
                return False
            self._publish(token, stored=True)
            return True

    def _publish(self, token: Token | None, *, stored: bool) -> None:
        self.version += 1
        self.dirty = not stored
        if stored:
            self.stored = token
        self.token = token


class TokenCache:
    """One store and the memory that belongs to it."""

    def __init__(self, store: TokenStore, memory: Memory) -> None:
        self._store, self._memory = store, memory

    @property
    def token(self) -> Token | None:
        """The token in memory."""
        return self._memory.token

    @property
    def is_dirty(self) -> bool:
        """Whether memory is ahead of the store."""
        return self._memory.dirty

    # For requests and users

    def current(self) -> Token | None:
        """Return the token in use, from the store at the first call. Raises StoreError."""
        memory = self._memory
        if memory.token is None and memory.stored is _UNKNOWN:
            shield(self._load)
        return memory.token

    def reload_if_empty(self) -> None:
        """Look into the store again if memory holds no token. Raises StoreError."""
        if self._memory.token is None:
            shield(self._load)

    def _load(self) -> None:
        version = self._memory.version
        self._memory.publish_if(version, self._store.load())

    def set(self, token: Token, timeout: float) -> None:
        """Save `token` and use it. Raises StoreError, LockTimeout."""

        def save() -> None:
            with self._store.lock(timeout):
                received = with_expiry(token)
                self._store.save(received)
                self._memory.writable = True
                self._memory.publish(received)

        shield(save)

    def clear(self, timeout: float) -> None:
        """Forget the token, here and in the store. Raises StoreError, LockTimeout."""

        def clear() -> None:
            with self._store.lock(timeout):
                self._store.clear()
                self._memory.publish(None)

        shield(clear)

    def save_again(self) -> None:
        """Try once more to save a token that the store would not take; never raise.

        The longer a store takes to fail, the less often it is tried.
        """
        memory, began = self._memory, clock.monotonic()
        if began < memory.next_save:
            return
        memory.next_save = began + MAX_COOLDOWN  # no other thread meanwhile

        def save() -> None:
            with self._store.lock(0):
                token = memory.token
                if self.reload() is token and token is not None and memory.dirty:
                    self._store.save(token)
                    memory.publish(token)

        try:
            shield(save)
        except Exception as error:  # noqa: BLE001 - the request at hand has nothing to do with it
            logger.debug("The token could still not be saved (%s)", type(error).__name__)
        memory.next_save = began + max(FIRST_COOLDOWN, 10 * (clock.monotonic() - began))

    def note_confirmed(self, token: Token | None) -> None:
        """Remember that an API call with `token` has ended without a refusal."""
        if token is self._memory.unconfirmed:
            self._memory.unconfirmed = None

    def is_unconfirmed(self, token: Token) -> bool:
        """Whether `token` is new from the server, and no API call with it has ended."""
        return token is self._memory.unconfirmed

    # For a refresh, in its own thread

    @contextmanager
    def hold(self, stale: Token | None, timeout: float, *, adopt: bool) -> Iterator[Token | None]:
        """Hold the store's lock and yield None, or with `adopt` yield a token better than `stale`.

        While another one has the lock, the store is read every LOCK_POLL_INTERVAL seconds: of a
        thousand workers that wait, one refreshes, and the others need not take the lock one after
        the other to learn of it. Raises RefreshUnavailable after `timeout` seconds, StoreError.
        """
        deadline = monotonic() + timeout
        looks = max(1, round(timeout / LOCK_POLL_INTERVAL))
        with ExitStack() as held:
            for look in range(looks):
                adopted = self._adopt_newer(stale) if adopt else None
                if adopted is not None:
                    break
                try:
                    left = max(deadline - monotonic(), 0.0)
                    held.enter_context(self._store.lock(min(timeout / looks, left)))
                    break
                except LockTimeout as error:
                    if look == looks - 1 or monotonic() >= deadline:
                        raise RefreshUnavailable(
                            "another program or thread has held the token store's lock for "
                            f"{timeout:g} s, and nothing is refreshed without it",
                            "the tokens are kept; try again later, or look for a program that "
                            "hangs",
                        ) from error
            yield adopted

    def _adopt_newer(self, stale: Token | None) -> Token | None:
        """Return the store's token if it is new and better than `stale`; needs no lock."""
        version = self._memory.version
        stored = self._store.load()
        if stored is None or stored == self._memory.stored or not is_better(stored, stale):
            return None
        return stored if self._memory.publish_if(version, stored) else None

    def reload(self) -> Token | None:
        """Return the newest token: the store's if it has a new one, else memory's.

        Raises RefreshRejected if the store was emptied, which is a logout, and StoreError.
        """
        memory = self._memory
        stored = self._store.load()
        if stored is None and memory.token is not None:
            clock.sleep(RELOAD_DELAY)  # a busy keyring may lose sight of an entry for a moment
            stored = self._store.load()
        if stored == memory.stored:
            return memory.token
        logged_out = stored is None and memory.stored is not _UNKNOWN
        memory.publish(stored)
        if logged_out:
            raise RefreshRejected(
                "the token store has been emptied, which is a logout by another program",
                "log in again",
            )
        return stored

    def check_writable(self, token: Token) -> None:
        """Have the store show that it can be written, before the server rotates. Raises StoreError.

        `token` is the one that the store holds; it is saved again.
        """
        if not self._memory.writable:
            self._store.save(token)
            self._memory.writable = True
            self._memory.publish(token)

    def save_new(self, fresh: Token, old_refresh: str | None) -> Token:
        """Save and publish a new token from the server; if the store fails, memory keeps it.

        Without a refresh token of its own it keeps the old one (RFC 6749 §6).
        """
        fresh, failure = self._save_new(fresh, old_refresh)
        if failure is not None:
            logger.warning(
                "The new token could not be saved (%s). It is used and will be saved with a later "
                "request; if this program ends before that, a new login is needed",
                failure if isinstance(failure, StoreError) else type(failure).__name__,
            )
        return fresh

    def save_traded(self, fresh: Token, given: str) -> Token:
        """Save and publish what the server gave for the refresh token `given`.

        Raises StoreError if the store does not take it; memory keeps it all the same.
        """
        saved, failure = self._save_new(fresh, given)
        if failure is None:
            return saved
        cause = failure.cause if isinstance(failure, StoreError) else type(failure).__name__
        what = "took the refresh token" if saved.refresh == given else "gave another refresh token"
        raise StoreError(
            f"the server {what}, and the new token could not be saved: {cause}",
            "mend the store and log in again, with another refresh token"
            if saved.refresh != given
            else "mend the store and try again",
        )

    def _save_new(self, fresh: Token, old_refresh: str | None) -> tuple[Token, Exception | None]:
        memory = self._memory
        if fresh.refresh is None:
            fresh = with_values(fresh, refresh=old_refresh)
        memory.unconfirmed = fresh
        try:
            self._store.save(fresh)
        except Exception as error:  # noqa: BLE001 - whatever it is, the token must not be lost
            memory.next_save = clock.monotonic() + FIRST_COOLDOWN
            memory.publish(fresh, stored=False)
            return fresh, error
        memory.publish(fresh)
        return fresh, None

    def clear_refused(self) -> Token | None:
        """Forget the refused token everywhere, or adopt and return a newer one from the store."""
        memory = self._memory
        try:
            stored = self._store.load()
            if stored is not None and stored != memory.stored:
                memory.publish(stored)
                return stored
            self._store.clear()
        except Exception as error:  # noqa: BLE001 - the token is worthless whatever the store says
            logger.warning(
                "The refused token could not be removed from the store (%s)",
                error if isinstance(error, StoreError) else type(error).__name__,
            )
        memory.publish(None)
        return None


def is_better(token: Token | None, stale: Token | None) -> bool:
    """Whether to send `token` where `stale` was refused or has expired."""
    if token is None or token.access is None or token.has_expired():
        return False
    return stale is None or token.access != stale.access
