"""A token shared by the threads of one process, gone when it ends."""

from __future__ import annotations

import _thread
import os
import threading
import weakref
from functools import partial
from itertools import chain, repeat, starmap
from typing import TYPE_CHECKING, NoReturn, cast

from requests_jwt_refresh.errors import LockTimeout
from requests_jwt_refresh.stores.base import check_token

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from typing_extensions import Self

    from requests_jwt_refresh.tokens import Token


class MemoryStore:
    """Keeps the token in this process, for its threads.

    Args:
        token: the first token, or None to begin without one.

    Raises TypeError for anything but a Token or None.

    A pickled MemoryStore carries its token, as a pickled Session carries its cookies. A copied one
    is the same store: two copies of one rotating refresh token would log each other out. That is
    also why it is not for processes that fork while logged in: each would have a copy.

    >>> from requests_jwt_refresh import Token
    >>> MemoryStore(Token("a secret")).load()
    Token(access='***', refresh=None, expires_at=None)

    """

    def __init__(self, token: Token | None = None) -> None:
        self._token = None if token is None else check_token(token)
        # For `lock` alone; it does not guard `_token`, which is read or replaced in one step.
        self._lock = threading.Lock()
        _alive.add(self)

    def load(self) -> Token | None:
        """Return the token, or None if there is none."""
        return self._token

    def save(self, token: Token) -> None:
        """Replace the token. Raises TypeError for anything but a Token."""
        self._token = check_token(token)

    def clear(self) -> None:
        """Forget the token."""
        self._token = None

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Keep other threads out; `timeout` is in seconds. Raises LockTimeout when it passes."""
        return _make_block(self._lock, timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._token!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[Token | None]]:
        return type(self), (self._token,)

    def _unlock_after_fork(self) -> None:
        self._lock = threading.Lock()


def _make_block(lock: threading.Lock, timeout: float) -> AbstractContextManager[None]:
    """Return a ``with`` block that holds `lock`; the same one at its end, in a forked child too.

    Neither entering nor leaving it runs a line of Python, before which a Ctrl-C could come: the two
    methods are one call of C each. So the block needs a class of its own: a method of a class that
    all share would have to look for its lock.
    """
    seconds = min(max(timeout, 0.0), threading.TIMEOUT_MAX)
    # True if the lock is given, once; else the function is called, which raises.
    given = filter(None, starmap(lock.acquire, [(True, seconds)]))
    enter = partial(next, chain(given, map(_time_out, repeat(timeout))))
    is_bare = isinstance(lock, _thread.LockType)  # not one that gevent has put in its place
    leave = lock.__exit__ if is_bare else partial(_release, lock)
    methods = {"__enter__": staticmethod(enter), "__exit__": staticmethod(leave)}
    return cast("AbstractContextManager[None]", type("MemoryStoreLock", (), methods)())


def _time_out(timeout: float) -> NoReturn:
    raise LockTimeout(
        f"the MemoryStore's lock was not free within {timeout:g} s: another thread has it",
        "nothing was changed; try again, or look for a thread that hangs",
    )


def _release(lock: threading.Lock, *_error: object) -> None:
    lock.release()


_alive: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


def _unlock_all_after_fork() -> None:
    # The threads that held these locks do not exist in the child, and would never let go.
    for store in list(_alive):
        store._unlock_after_fork()  # noqa: SLF001 - a class of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_all_after_fork)
