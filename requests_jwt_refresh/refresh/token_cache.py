"""The token in memory against the token in the store, and every move between the two.

Nothing else in this library reads or writes both. What reads or writes the store for the sake of a
refresh runs in the refresh's own thread, and all else in a `shield`: no Ctrl-C comes in between.
"""

from __future__ import annotations

import json
import logging
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import (
    JWTRefreshError,
    LockTimeout,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.frozen_json import EMPTY, FrozenDict, freeze_object
from requests_jwt_refresh.lifetimes import drop_refresh_times
from requests_jwt_refresh.refresh.guarded_store import GuardedStore
from requests_jwt_refresh.refresh.limits import FIRST_COOLDOWN, MAX_COOLDOWN
from requests_jwt_refresh.refresh.single_flight import shield
from requests_jwt_refresh.stores.base import encode
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.stores.polling import poll
from requests_jwt_refresh.tokens import Token, with_expiry, with_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests_jwt_refresh.stores.base import TokenStore

logger = logging.getLogger("requests_jwt_refresh")

GLANCE_INTERVAL: Final = 1.0  # seconds between two looks for the sake of a forbidden URL
RELOAD_DELAY: Final = 0.3  # seconds; an emptied store is a logout, so it is looked into twice
RENEWAL_INTERVAL: Final = 60.0  # seconds between two saves of tokens of unknown lifetime
RENEWAL_SHARE: Final = 0.1  # of the lifetime, between two saves of tokens out of API answers
MAX_EXTRA: Final = 16 * 1024  # bytes of JSON in Token.extra
_VITAL: Final = ("dpop_key",)  # the key that it is bound to (RFC 9449)
_COOKIES: Final = "cookies"  # the key in Token.extra of the cookies that came with a token
_UNKNOWN: Final = object()  # what the store holds before the first look


class Memory:
    """What this process knows of the token in one store; all adapters on an equal store share it.

    The mutex guards every change of `token`, `stored`, `dirty`, `renewed`, `version` and `counter`,
    which change together, and of `next_renewal_save`; each may be read without it. It is taken in
    threads that no signal handler interrupts, and never held over I/O. The other fields are
    assigned without it: of two threads at once the later one wins, which costs a save or a look
    into the store too many.
    """

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.token: Token | None = None
        self.stored: object = _UNKNOWN  # the token that the store held when last seen, or None
        self.dirty = False  # memory is ahead of the store
        self.renewed = False  # the API has handed out the token in use, and the store has it not
        self.version = 0  # grows with every publication
        self.epoch = 0  # grows with every set_token() and clear_token()
        self.counter = 0  # of the last save of this login, here or by another program
        self.unconfirmed: Token | None = None  # new from the server; no API call with it has ended
        self.told_no_login = False  # that requests go out without a token
        self.told_missing_refresh: object = _UNKNOWN  # the login about which that was said
        self.told_unread_expiry = False  # that the token's end is in a field that is not read
        self.told_unconfirmed: Token | None = None  # that it has been accepted nowhere
        self.told_no_extra: object = _UNKNOWN  # the login whose Token.extra was left out
        self.told_no_room = False  # that the store cannot be written
        self.told_backup = False  # that the store has an older token of the same login
        self.next_glance = 0.0  # clock.monotonic(): when the store may be looked into again
        self.next_save = 0.0  # clock.monotonic(): when a dirty token is saved again
        self.next_renewal_save = 0.0  # clock.monotonic(): when a renewed token may be saved
        self.told_renewal_unsaved = False  # that the store did not take one
        self.inherited: Token | None = None  # the one in use when this process was forked
        self.told_inherited = False  # that its parent has it, too

    def note_fork(self) -> None:
        """Note, in a forked child, that its parent has the token in use as well.

        It is another object here, so that what was planned for the parent's is planned anew.
        """
        mine = self.token
        self.inherited, self.told_inherited = mine, False
        if mine is not None:
            self.token = with_values(mine)
            self.unconfirmed = self.token if self.unconfirmed is mine else self.unconfirmed

    def publish(self, token: Token | None, *, stored: bool = True) -> None:
        """Make `token` the one that requests are sent with; `stored`: the store holds it too."""
        with self.mutex:
            self._publish(token, stored=stored)

    def publish_for_user(self, token: Token | None, *, stored: bool = True) -> None:
        """Publish what set_token() or clear_token() has put into the store."""
        with self.mutex:
            self.epoch += 1
            self._publish(token, stored=stored)

    def publish_unsaved_in(self, epoch: int, token: Token) -> bool:
        """Publish a token that the store has not, unless the user has set or cleared one since."""
        with self.mutex:
            if self.epoch != epoch:
                return False
            self._publish(token, stored=False)
            return True

    def publish_if(self, version: int, token: Token | None) -> bool:
        """Publish what was read at `version` without the store's lock, if it still stands."""
        with self.mutex:
            if self.version != version:
                return False
            self._publish(token, stored=True)
            return True

    def publish_renewed(self, sent: Token, renewed: Token) -> bool:
        """Publish a token out of an API's answer, if `sent` is still the one in use.

        The store does not have it yet, and another program does not need it: its counter is that of
        `sent` until it is saved. `sent` may have been saved meanwhile, and have got its login's id.
        """
        with self.mutex:
            if self.token is None or not is_in_use(sent, self.token):
                return False
            if self.token is not sent:
                renewed = with_values(renewed, login_id=self.token.login_id)
            self.version += 1
            self.unconfirmed, self.token = renewed, renewed
            self.renewed = True
            return True

    def take_renewal_turn(self) -> bool:
        """Whether to save a renewed token now: at most once in a share of its lifetime."""
        with self.mutex:
            token, now = self.token, clock.monotonic()
            if not self.renewed or token is None or now < self.next_renewal_save:
                return False
            self.next_renewal_save = now + _renewal_interval(token)
            return True

    def _publish(self, token: Token | None, *, stored: bool) -> None:
        self.version += 1
        self.dirty, self.renewed = not stored, False
        if stored:
            self.stored = token
        self.counter = self._counter_with(token)
        self.token = token
        if token is not None:
            self.told_no_login = False

    def note_saved_again(self, token: Token, saved: Token) -> None:
        """Note that the store holds `token`, saved again as `saved`.

        `saved` may have a login's id that `token` had not, or lack its extra. A newer token may be
        in use already, out of an API's answer: it belongs to the same login.
        """
        with self.mutex:
            self.dirty, self.stored = False, saved
            if self.token is token:
                self.renewed = False
                self._replace_in_use(login_id=saved.login_id, extra=saved.extra)
            elif self.renewed:
                self._replace_in_use(login_id=saved.login_id)
            self.counter = self._counter_with(saved)

    def _replace_in_use(self, **values: object) -> None:
        """Give the token in use other values, if they are others; it stays the same one if not."""
        mine = self.token
        if mine is None or all(getattr(mine, name) == each for name, each in values.items()):
            return
        self.version += 1
        self.token = with_values(mine, **values)
        if self.unconfirmed is mine:
            self.unconfirmed = self.token

    def note_seen(self, stored: Token | None) -> None:
        """Note that the store still holds what it held, perhaps saved again by another program."""
        if stored is None:
            return
        with self.mutex:
            if self.token is not None and self.token.login_id == stored.login_id:
                self.counter = max(self.counter, stored.counter)
            elif not self.dirty:
                self._publish(stored, stored=True)

    def _counter_with(self, token: Token | None) -> int:
        if token is None:
            return 0
        if self.token is None or self.token.login_id != token.login_id:
            return token.counter
        return max(self.counter, token.counter)

    def is_older(self, stored: Token) -> bool:
        """Whether `stored` is an older token of the login in use: a backup was put back.

        The counter decides and no clock; without one (version 0.1) it is taken as it is.
        """
        mine = self.token
        return (
            mine is not None
            and mine.login_id is not None
            and mine.login_id == stored.login_id
            and stored.counter < self.counter
        )


class TokenCache:
    """One store and the memory that belongs to it."""

    def __init__(self, store: TokenStore, memory: Memory) -> None:
        self._store, self._memory = GuardedStore(store), memory
        self._dies_with_process = isinstance(store, MemoryStore)

    @property
    def token(self) -> Token | None:
        """The token in memory."""
        return self._memory.token

    @property
    def has_looked(self) -> bool:
        """Whether the store has been read or written."""
        return self._memory.stored is not _UNKNOWN

    @property
    def epoch(self) -> int:
        """Changes with every set_token() and clear_token()."""
        return self._memory.epoch

    @property
    def memory(self) -> Memory:
        """What all caches of an equal store share."""
        return self._memory

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
                saved = self._save(_as_new_login(with_expiry(token)))
                self._memory.publish_for_user(saved)

        shield(save)

    def clear(self, timeout: float) -> None:
        """Forget the token, here and in the store. Raises StoreError, LockTimeout."""

        def clear() -> None:
            with self._store.lock(timeout):
                self._store.clear()
                self._memory.publish_for_user(None)

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
                    self._save_again(token)

        try:
            shield(save)
        except JWTRefreshError as error:  # the request at hand has nothing to do with it
            logger.debug("The token could still not be saved (%s)", error)
        memory.next_save = began + max(FIRST_COOLDOWN, 10 * (clock.monotonic() - began))

    def renew(self, sent: Token, renewed: Token) -> bool:
        """Use `renewed` in place of `sent`, if that is still in use; `save_renewed` saves it."""
        return shield(partial(self._memory.publish_renewed, sent, renewed))

    @property
    def is_renewal_due(self) -> bool:
        """Whether there is a renewed token that may be saved now."""
        return self._memory.renewed and clock.monotonic() >= self._memory.next_renewal_save

    def save_renewed(self, timeout: float) -> None:
        """Save a renewed token, if the store still holds the one that it has replaced.

        For a thread that no Ctrl-C interrupts. Raises LockTimeout after `timeout` seconds,
        StoreError, and RefreshRejected if another program has logged out.
        """
        memory = self._memory
        with self._store.lock(timeout):
            token = memory.token
            if token is not None and memory.renewed and self.reload() is token:
                self._save_again(token)
        memory.told_renewal_unsaved = False

    def tell_renewal_unsaved(self) -> bool:
        """Whether to say that a renewed token could not be saved: once until one can."""
        told, self._memory.told_renewal_unsaved = self._memory.told_renewal_unsaved, True
        return not told

    def glance(self, stale: Token) -> Token | None:
        """Return the store's token if it is better than `stale`; look once a second at the most.

        For a request that gets the API's 401 otherwise: never raises.
        """
        memory, now = self._memory, clock.monotonic()
        if now < memory.next_glance:
            return None
        memory.next_glance = now + GLANCE_INTERVAL
        try:
            return shield(partial(self.adopt_newer, stale))
        except StoreError as error:  # the caller has an answer already
            logger.debug("The store could not be read (%s)", error)
            return None

    def note_confirmed(self, token: Token | None) -> None:
        """Remember that an API call with `token` has ended without a refusal."""
        if token is self._memory.unconfirmed:
            self._memory.unconfirmed = None

    def tell_no_login(self) -> bool:
        """Whether to say that there is no valid token: once until the next one comes."""
        told, self._memory.told_no_login = self._memory.told_no_login, True
        return not told

    def tell_missing_refresh(self) -> bool:
        """Whether to say that an answer has no refresh token where it should: once in a login."""
        mine = self._memory.token
        login_id = None if mine is None else mine.login_id
        told, self._memory.told_missing_refresh = self._memory.told_missing_refresh, login_id
        return told != login_id

    def tell_unread_expiry(self) -> bool:
        """Whether to say that an answer tells the token's end where nobody looks: once."""
        told, self._memory.told_unread_expiry = self._memory.told_unread_expiry, True
        return not told

    def tell_unconfirmed(self) -> bool:
        """Whether to say that the token has been accepted nowhere: once for each token."""
        told, self._memory.told_unconfirmed = self._memory.told_unconfirmed, self._memory.token
        return told is not self._memory.token

    def tell_no_room(self) -> bool:
        """Whether to say that the store cannot be written: once until it can."""
        told, self._memory.told_no_room = self._memory.told_no_room, True
        return not told

    def login_id_of(self, token: Token | None) -> str | None:
        """Return the login of `token`, which the store holds; None for one it does not have yet."""
        mine = self._memory.token
        if token is None or mine is None or mine != token:
            return None if token is None else token.login_id
        return mine.login_id

    def is_unconfirmed(self, token: Token) -> bool:
        """Whether `token` is new from the server, and no API call with it has ended."""
        return token is self._memory.unconfirmed

    def is_inherited(self, token: Token) -> bool:
        """Whether another process has a copy of `token`: that of a fork, and no store to share it.

        A token without a refresh token is good for both.
        """
        inherited = self._memory.inherited
        return (
            inherited is not None
            and self._dies_with_process
            and token.refresh is not None
            and token.refresh == inherited.refresh
        )

    def tell_inherited(self, token: Token | None) -> bool:
        """Whether to say that `token` is inherited: once in a process."""
        if token is None or self._memory.told_inherited or not self.is_inherited(token):
            return False
        self._memory.told_inherited = True
        return True

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
        version = self._memory.version
        stored = self._store.load()
        if stored is None or not self._is_news(stored) or not is_better(stored, stale):
            return None
        return stored if self._memory.publish_if(version, stored) else None

    def _is_news(self, stored: Token) -> bool:
        """Whether the store's token takes the place of the one in memory."""
        return stored != self._memory.stored and not self._memory.is_older(stored)

    def reload(self, *, may_be_empty: bool = False) -> Token | None:
        """Return the newest token: the store's if it has a new one, else memory's.

        A store that was emptied is a logout: RefreshRejected. With `may_be_empty` it is not, for a
        grant that needs no refresh token: None, and the next token is fetched anew. Raises
        StoreError.
        """
        memory = self._memory
        stored = self._store.load()
        if stored is None and memory.token is not None:
            clock.sleep(RELOAD_DELAY)  # a busy keyring may lose sight of an entry for a moment
            stored = self._store.load()
        if stored == memory.stored:
            memory.note_seen(stored)
            return memory.token
        if stored is not None and memory.token is not None and memory.is_older(stored):
            return self._overwrite_backup(memory.token)
        logged_out = stored is None and memory.stored is not _UNKNOWN
        memory.publish(stored)
        if logged_out and not may_be_empty:
            raise RefreshRejected(
                "the token store has been emptied, which is a logout by another program",
                "log in again",
            )
        return stored

    def _overwrite_backup(self, token: Token) -> Token:
        """Save the token in use over an older one of the same login, and return it."""
        if not self._memory.told_backup:
            self._memory.told_backup = True
            logger.warning(
                "The token store has an older token of the same login, as after a backup was put "
                "back. It is not used, and the newer one is saved again"
            )
        self._save_again(token)
        return token

    def _save_again(self, token: Token) -> None:
        """Save the token in use once more, with its next counter. Raises StoreError."""
        memory = self._memory
        again = with_values(
            token, login_id=token.login_id or _new_login_id(), counter=memory.counter + 1
        )
        memory.note_saved_again(token, self._save(again))

    @contextmanager
    def room(self, token: Token | None) -> Iterator[None]:
        """Have the store show that it can take another token like `token`, which it holds.

        Before each exchange: after it, the server has rotated, and a token that cannot be saved is
        lost with this program. Without a token nothing can be lost. Raises StoreError if the store
        cannot be written.
        """
        if token is None:
            yield
            return
        self._save_again(token)
        self._memory.told_no_room = False
        with self._store.reserve(len(encode(token))):
            yield

    def save_new(self, fresh: Token, old: Token | None) -> Token:
        """Save and publish what the server gave for `old`; if the store fails, memory keeps it.

        Without a refresh token of its own it keeps the old one (RFC 6749 §6). In either case it
        keeps what the old one's extra has and its own has not: servers say some things with the
        login alone, such as a CSRF cookie or an id_token (OpenID Connect Core §12.2). Only the end
        of the old refresh token goes with that token. `old` is None after a login.
        """
        if old is None:
            return self._save_or_warn(_as_new_login(fresh))
        is_kept = fresh.refresh is None or fresh.refresh == old.refresh
        before = old.extra if is_kept else _of_login(old.extra)
        if before:
            fresh = with_values(fresh, extra=_lay_over(before, fresh.extra))
        if is_kept:
            fresh = with_values(fresh, refresh=old.refresh)
        return self._save_or_warn(self._continue_login(fresh))

    def keep_unsaved(self, fresh: Token, failure: JWTRefreshError, epoch: int) -> Token | None:
        """Use the token of a login although the store could not be locked or read.

        Not if the user has set or cleared a token since `epoch`; then return None.
        """
        fresh = self._without_large_extra(_as_new_login(fresh))
        if not self._memory.publish_unsaved_in(epoch, fresh):
            return None
        self._memory.unconfirmed = fresh
        _warn_unsaved(failure)
        return fresh

    def save_rescued(self, old: Token, refresh: str) -> None:
        """Save a new refresh token out of an answer that holds no access token."""
        rescued = with_values(old, refresh=refresh, extra=_of_login(old.extra))
        rescued = self._continue_login(rescued)
        self._save_or_warn(rescued, has_new_access=False)

    def _continue_login(self, token: Token) -> Token:
        memory = self._memory
        login_id = None if memory.token is None else memory.token.login_id
        return with_values(token, login_id=login_id, counter=memory.counter + 1)

    def _save_or_warn(self, fresh: Token, *, has_new_access: bool = True) -> Token:
        published, failure = self._save_new(fresh, has_new_access=has_new_access)
        if failure is not None:
            _warn_unsaved(failure)
        return published

    def save_traded(self, fresh: Token, given: str) -> Token:
        """Save and publish what the server gave for the refresh token `given`.

        Raises StoreError if the store does not take it; memory keeps it all the same.
        """
        new = _as_new_login(with_values(fresh, refresh=fresh.refresh or given))
        saved, failure = self._save_new(new)
        if failure is None:
            return saved
        what = "took the refresh token" if saved.refresh == given else "gave another refresh token"
        raise StoreError(
            f"the server {what}, and the new token could not be saved: {failure.cause}",
            "mend the store and log in again, with another refresh token"
            if saved.refresh != given
            else "mend the store and try again",
        )

    def _save_new(
        self, fresh: Token, *, has_new_access: bool = True
    ) -> tuple[Token, StoreError | None]:
        """Save and publish `fresh`; return what was published, and what the store raised.

        Memory keeps it even if the store does not.
        """
        memory = self._memory
        failure = None
        try:
            fresh = self._save(fresh)
        except StoreError as error:
            memory.next_save = clock.monotonic() + FIRST_COOLDOWN
            fresh, failure = self._without_large_extra(fresh), error
        if has_new_access:
            memory.unconfirmed = fresh
        memory.publish(fresh, stored=failure is None)
        return fresh, failure

    # What is saved

    def _save(self, token: Token) -> Token:
        """Save `token` and return it as saved: without its extra, if the store takes it only so.

        Raises StoreError.
        """
        token = self._without_large_extra(token)
        try:
            self._store.save(token)
        except StoreError as error:
            if not token.extra or not self._can_save(_without_extra(token)):
                raise
            if self._can_save(token):  # the error has passed
                return token
            failure = error
        else:
            return token
        return self._leave_out_extra(token, f"could not be saved ({failure})")

    def _can_save(self, token: Token) -> bool:
        try:
            self._store.save(token)
        except StoreError:
            return False
        return True

    def _without_large_extra(self, token: Token) -> Token:
        if not token.extra or len(json.dumps(token.extra, separators=(",", ":"))) <= MAX_EXTRA:
            return token
        return self._leave_out_extra(token, f"is larger than {MAX_EXTRA // 1024} KiB")

    def _leave_out_extra(self, token: Token, why: str) -> Token:
        """Return `token` without its extra, and say so once in a login."""
        told, self._memory.told_no_extra = self._memory.told_no_extra, token.login_id
        if told != token.login_id:
            logger.warning(
                "What the server gave with the token, Token.extra, %s, so it is left out; the "
                "token itself is kept",
                why,
            )
        return _without_extra(token)

    def clear_refused(self) -> Token | None:
        """Forget the refused token everywhere, or adopt and return a newer one from the store."""
        memory = self._memory
        try:
            stored = self._store.load()
            if stored is not None and self._is_news(stored) and not self._is_refused(stored):
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
            self._memory.publish_for_user(None, stored=is_cleared)

    def _is_refused(self, stored: Token) -> bool:
        """Whether the store has the very tokens in use, though noted down in another way."""
        mine = self._memory.token
        return mine is not None and (mine.access, mine.refresh) == (stored.access, stored.refresh)


def _locked_out(timeout: float) -> RefreshUnavailable:
    return RefreshUnavailable(
        f"another program or thread has held the token store's lock for {timeout:g} s, and nothing "
        "is refreshed without it",
        "the tokens are kept; try again later, or look for a program that hangs",
    )


def _warn_unsaved(failure: JWTRefreshError) -> None:
    logger.warning(
        "The new token could not be saved (%s). It is used and will be saved with a later "
        "request; if this program ends before that, a new login is needed",
        failure,
    )


def _renewal_interval(token: Token) -> float:
    """Return the seconds between two saves of renewed tokens like `token`."""
    if token.expires_at is None or token.received_at is None:
        return RENEWAL_INTERVAL
    return (token.expires_at - token.received_at) * RENEWAL_SHARE


def _as_new_login(token: Token) -> Token:
    return with_values(token, login_id=_new_login_id(), counter=1)


def _without_extra(token: Token) -> Token:
    """Return `token` with that of its extra alone without which it is of no use."""
    kept = {name: token.extra[name] for name in _VITAL if name in token.extra}
    return with_values(token, extra=FrozenDict(kept) if kept else EMPTY)


def is_in_use(sent: Token, in_use: Token | None) -> bool:
    """Whether `sent` is the token in use, or that before its first save gave the login an id."""
    return sent is in_use or (in_use is not None and sent.login_id is None and sent == in_use)


def _of_login(extra: Mapping[str, Any]) -> FrozenDict:
    """Return what of `extra` holds for the whole login, and not for its first refresh token alone.

    The names of cookies are the server's own, and say nothing of what they hold.
    """
    cookies = {_COOKIES: extra[_COOKIES]} if _COOKIES in extra else {}
    return freeze_object({**drop_refresh_times(extra), **cookies})


def _lay_over(old: Mapping[str, Any], new: Mapping[str, Any]) -> FrozenDict:
    """Return the `new` extra laid over the `old` one; cookies one by one, as a browser keeps them.

    >>> _lay_over({"scope": "read", "cookies": {"a": "1"}}, {"cookies": {"b": "2"}}).keys()
    dict_keys(['scope', 'cookies'])
    """
    laid = {**old, **new}
    cookies = [each[_COOKIES] for each in (old, new) if isinstance(each.get(_COOKIES), dict)]
    if len(cookies) > 1:
        laid[_COOKIES] = FrozenDict({**cookies[0], **cookies[1]})
    return FrozenDict(laid)


def _new_login_id() -> str:
    return token_hex(8)


def is_better(token: Token | None, stale: Token | None) -> bool:
    """Whether to send `token` where `stale` was refused or has expired."""
    if token is None or token.access is None or token.has_expired():
        return False
    return stale is None or token.access != stale.access
