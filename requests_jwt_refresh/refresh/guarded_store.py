"""A store of anybody's, whose every failure is a StoreError."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.errors import LockTimeout, StoreError
from requests_jwt_refresh.refresh.user_functions import describe_error
from requests_jwt_refresh.tokens import Token, describe_kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from requests_jwt_refresh.stores.base import TokenStore

logger = logging.getLogger("requests_jwt_refresh")

_OWN_STORES: Final = "requests_jwt_refresh.stores."
_SHORTEST_WAIT: Final = 0.01  # seconds


class GuardedStore:
    """The verbs of `store`; whatever Exception they raise becomes a StoreError.

    A StoreError, LockTimeout among them, keeps its words. Of all else the text names the type and
    the line in the store, and no more: its own text may hold a token, and so may the frames behind
    either, which are cut. A TimeoutError of the lock is a LockTimeout.
    """

    def __init__(self, store: TokenStore) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"GuardedStore({type(self._store).__name__})"

    def load(self) -> Token | None:
        """Return the token, or None if there is none. Raises StoreError."""
        token = self._call("load")
        if token is None or isinstance(token, Token):
            return token
        raise StoreError(
            f"{self._name}.load() returned {describe_kind(token)}, not a Token or None",
            "correct the store, then log in again",
        )

    def save(self, token: Token) -> None:
        """Replace the token. Raises StoreError."""
        self._call("save", token)

    def clear(self) -> None:
        """Forget the token. Raises StoreError."""
        self._call("clear")

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Keep out all who share the store; `timeout` is in seconds. Raises as a store's does.

        What is raised within the ``with`` block comes out of it unchanged, whatever the store's
        lock makes of it.
        """
        return _Guarded(self, "lock", timeout)

    def try_lock(self) -> AbstractContextManager[None]:
        """Do the same for a lock that is free. Raises LockTimeout at once, or nearly, if it is not.

        Of a user's own store it is not known what it makes of 0 seconds: no try at all, no end.
        """
        is_ours = type(self._store).__module__.startswith(_OWN_STORES)
        return self.lock(0.0 if is_ours else _SHORTEST_WAIT)

    def reserve(self, size: int) -> AbstractContextManager[None]:
        """Keep `size` bytes free for a save within the block, if the store can. Raises StoreError.

        Not all stores have this verb; without it nothing is kept.
        """
        return _Guarded(self, "reserve", size) if hasattr(self._store, "reserve") else nullcontext()

    @property
    def _name(self) -> str:
        return type(self._store).__name__

    def _call(self, verb: str, *arguments: object) -> Any:
        return self.guard(verb, lambda: getattr(self._store, verb)(*arguments))

    def guard(self, verb: str, function: Callable[[], Any]) -> Any:
        """Return ``function()``, a part of the store's `verb`. Raises StoreError."""
        try:
            return function()
        except StoreError as error:
            failure = error.about()
            failure.__cause__ = None  # its words are in the text
        except Exception as error:  # noqa: BLE001 - a user's store may raise anything
            failure = self._explain(verb, error)
        raise failure  # here, so that no frame of the store's hangs on it

    def open(self, verb: str, argument: float) -> AbstractContextManager[object]:
        """Return what `verb` gives to a ``with`` statement. Raises StoreError."""
        opened = self._call(verb, argument)
        if not hasattr(opened, "__enter__") or not hasattr(opened, "__exit__"):
            raise StoreError(
                f"{self._name}.{verb}() returned {describe_kind(opened)}, not a context manager",
                "correct the store: contextlib.contextmanager makes one of a generator",
            )
        manager: AbstractContextManager[object] = opened
        return manager

    def _explain(self, verb: str, error: Exception) -> StoreError:
        method = getattr(type(self._store), verb, None)
        cause = f"{self._name}.{verb}() failed with {describe_error(error, method)}"
        if verb == "lock" and isinstance(error, TimeoutError):
            return LockTimeout(cause)
        return StoreError(
            cause, "look at that line, and whether this program can read and write the store"
        )


class _Guarded:
    """One ``with`` block of a store's lock or reservation."""

    def __init__(self, store: GuardedStore, verb: str, argument: float) -> None:
        self._store, self._verb, self._argument = store, verb, argument

    def __enter__(self) -> None:
        self._opened = self._store.open(self._verb, self._argument)
        self._store.guard(self._verb, self._opened.__enter__)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._store.guard(self._verb, lambda: self._opened.__exit__(kind, error, trace))
        except StoreError as failure:
            if error is None:
                raise
            if str(failure) != str(error):  # what the block raised goes before
                logger.debug("At the end of a failed block: %s", failure.cause)
