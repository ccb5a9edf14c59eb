"""Saving: how a new token is laid over the old one and written, and what if it cannot be.

All of it happens under the store's lock, but for `keep_unsaved`. The order is always: the store
saves, memory publishes.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import JWTRefreshError, StoreError
from requests_jwt_refresh.frozen_json import EMPTY, FrozenDict, freeze_object
from requests_jwt_refresh.lifetimes import drop_refresh_times
from requests_jwt_refresh.refresh.limits import FIRST_COOLDOWN
from requests_jwt_refresh.stores.base import encode
from requests_jwt_refresh.tokens import with_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from requests_jwt_refresh.refresh.guarded_store import GuardedStore
    from requests_jwt_refresh.refresh.memory import Memory
    from requests_jwt_refresh.tokens import Token

logger = logging.getLogger("requests_jwt_refresh")

MAX_EXTRA: Final = 16 * 1024  # bytes of JSON in Token.extra
_VITAL: Final = ("dpop_key",)  # the key that it is bound to (RFC 9449)
_COOKIES: Final = "cookies"  # the key in Token.extra of the cookies that came with a token


class Saver:
    """Saves the tokens of one store, whose lock is held, and publishes them in its memory."""

    def __init__(self, store: GuardedStore, memory: Memory) -> None:
        self._store, self._memory = store, memory

    def save_in_use(self, token: Token) -> None:
        """Save the token in use once more, with its next counter. Raises StoreError."""
        memory = self._memory
        again = with_values(
            token, login_id=token.login_id or _new_login_id(), counter=memory.counter + 1
        )
        memory.note_saved_again(token, self.save(again))

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
        self.save_in_use(token)
        self._memory.notices.note_room()
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
            return self._save_or_warn(begin_login(fresh))
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
        fresh = self._without_large_extra(begin_login(fresh))
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
        return with_values(token, login_id=memory.login_id, counter=memory.counter + 1)

    def _save_or_warn(self, fresh: Token, *, has_new_access: bool = True) -> Token:
        published, failure = self._save_new(fresh, has_new_access=has_new_access)
        if failure is not None:
            _warn_unsaved(failure)
        return published

    def save_traded(self, fresh: Token, given: str) -> Token:
        """Save and publish what the server gave for the refresh token `given`.

        Raises StoreError if the store does not take it; memory keeps it all the same.
        """
        new = begin_login(with_values(fresh, refresh=fresh.refresh or given))
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
            fresh = self.save(fresh)
        except StoreError as error:
            memory.next_save = clock.monotonic() + FIRST_COOLDOWN
            fresh, failure = self._without_large_extra(fresh), error
        if has_new_access:
            memory.unconfirmed = fresh
        memory.publish(fresh, stored=failure is None)
        return fresh, failure

    # Token.extra, which a store may have no room for

    def save(self, token: Token) -> Token:
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
        if self._memory.notices.tell_no_extra(token.login_id):
            logger.warning(
                "What the server gave with the token, Token.extra, %s, so it is left out; the "
                "token itself is kept",
                why,
            )
        return _without_extra(token)


def _warn_unsaved(failure: JWTRefreshError) -> None:
    logger.warning(
        "The new token could not be saved (%s). It is used and will be saved with a later "
        "request; if this program ends before that, a new login is needed",
        failure,
    )


def begin_login(token: Token) -> Token:
    """Return `token` as the first one of a login."""
    return with_values(token, login_id=_new_login_id(), counter=1)


def _without_extra(token: Token) -> Token:
    """Return `token` with that of its extra alone without which it is of no use."""
    kept = {name: token.extra[name] for name in _VITAL if name in token.extra}
    return with_values(token, extra=FrozenDict(kept) if kept else EMPTY)


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
