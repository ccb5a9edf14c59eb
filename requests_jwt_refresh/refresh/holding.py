"""What this process knows of the token in one store, and the refresh that is under way for it.

Every adapter on an equal store shares one `Holding`, so that threads with a session each are as
safe as threads with one session between them.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakValueDictionary

from requests_jwt_refresh.errors import JWTRefreshError, RefreshUnavailable

if TYPE_CHECKING:
    from requests_jwt_refresh.stores.base import TokenStore
    from requests_jwt_refresh.tokens import Token

FIRST_PAUSE = 1.0  # seconds without another try after a failed refresh; doubles each time
LONGEST_PAUSE = 60.0  # seconds
REFUSED_LIMIT = 5  # refreshes whose new token the API refuses as well ...
REFUSED_WINDOW = 30.0  # ... within so many seconds; then no more are made
LONG_ENOUGH = REFUSED_WINDOW / REFUSED_LIMIT  # seconds; tokens that live longer keep to that

_UNSEEN: Final = object()  # what the store holds before anybody has looked


class Attempt(NamedTuple):
    """What a request is sent with.

    `asked` says whether the server has been asked for a token on behalf of this request, which
    happens once at the most.
    """

    token: Token | None
    asked: bool
    resends: int = 0


class Flight(Future[Attempt]):
    """One refresh under way: what its waiters wait for.

    `can_log_in`: its leader has a login, should the refresh be refused.

    `exchange` is the part of it that talks to the server. `crew` are the threads that carry it out
    and so must not wait for it; its `leader` is one of them only if it may have to log in.
    """

    def __init__(self, *, can_log_in: bool = False) -> None:
        super().__init__()
        self.can_log_in = can_log_in
        self.exchange: Future[Attempt] = Future()
        self.leader = threading.get_ident()
        self.crew = {self.leader} if can_log_in else set[int]()


class Outage(NamedTuple):
    """A failed refresh: shared with all who asked before it ended, and not repeated for a while."""

    failure: JWTRefreshError
    ended: float  # time.monotonic()
    pause: float  # seconds

    def left(self) -> float:
        return self.ended + self.pause - time.monotonic()

    @classmethod
    def after(cls, failure: JWTRefreshError, previous: Outage | None) -> Outage:
        grown = FIRST_PAUSE if previous is None else 2 * previous.pause
        wanted = failure.retry_after if isinstance(failure, RefreshUnavailable) else 0.0
        return cls(failure.about(), time.monotonic(), min(max(grown, wanted), LONGEST_PAUSE))


class _Refused(NamedTuple):
    """A token that the API refused although it came fresh from the server."""

    token: Token
    at: float  # time.monotonic()
    may_run_out: bool  # it lives long enough, or was of use to another request


class Holding:
    """The published token of one store, and what has happened to it lately."""

    def __init__(self) -> None:
        self.token: Token | None = None  # requests read it without the mutex
        self.seen: object = _UNSEEN  # the token that the store held when last seen, or None
        self.untried: Token | None = None  # fresh from the server, and no API call has ended yet
        self.proven = False  # the store has shown that it can be written
        self.version = 0  # grows with every publication
        self.unsaved = False  # memory is ahead of the store ...
        self.save_again_at = 0.0  # ... and tries again at this time.monotonic()
        self.outage: Outage | None = None
        self._refused: deque[_Refused] = deque(maxlen=REFUSED_LIMIT)
        self.renew_locks()

    def renew_locks(self) -> None:
        """Start without a flight: in a forked child the threads that flew it do not exist."""
        # Guards what several threads change; never held over I/O. Reentrant for the sake of signal
        # handlers that send requests.
        self.mutex = threading.RLock()
        self.flight: Flight | None = None

    def is_unseen(self) -> bool:
        return self.seen is _UNSEEN

    def publish(self, token: Token | None, *, stored: bool = True) -> None:
        """Make `token` the one that requests are sent with; `stored`: the store holds it too."""
        with self.mutex:
            self.version += 1
            self.unsaved = not stored
            if stored:
                self.seen = token
            self.token = token

    def adopt(self, token: Token | None, version: int) -> bool:
        """Publish what was read without the store's lock, unless somebody has been faster.

        `version` is what it was before the store was read.
        """
        with self.mutex:
            if self.version != version:
                return False
            self.publish(token)
            return True

    def start_afresh(self) -> None:
        """Forget past failures: somebody has logged in or out."""
        with self.mutex:
            self.outage = None
            self._refused.clear()

    def note_refused(self, token: Token) -> None:
        """Remember that the API refused this token, which came fresh from the server."""
        with self.mutex:
            if token is self.token and token not in (known.token for known in self._refused):
                self._refused.append(_Refused(token, time.monotonic(), token.lasts(LONG_ENOUGH)))

    def note_no_refusal(self, token: Token | None) -> None:
        """Remember that nothing is known against `token`."""
        if token is self.untried:
            self.untried = None
        if self._refused and self._refused[-1].token is token:
            with self.mutex:
                self._refused[-1] = self._refused[-1]._replace(may_run_out=True)

    def keeps_being_refused(self, token: Token | None) -> bool:
        """Whether one more refresh would only be refused like the last few."""
        if len(self._refused) < REFUSED_LIMIT or self._refused[-1].token is not token:
            return False
        if token.has_expired() and self._refused[-1].may_run_out:
            return False
        return time.monotonic() - self._refused[0].at < REFUSED_WINDOW


_holdings: WeakValueDictionary[Any, Holding] = WeakValueDictionary()
_mutex = threading.Lock()  # guards _holdings


def holding_of(store: TokenStore) -> Holding:
    """Return the holding that all adapters on an equal store share."""
    key: Any = store if getattr(store, "__hash__", None) else id(store)
    with _mutex:
        return _holdings.setdefault(key, Holding())


def _renew_locks_in_child() -> None:
    global _mutex  # noqa: PLW0603 - whoever held it is not in this process
    _mutex = threading.Lock()
    for holding in list(_holdings.values()):
        holding.renew_locks()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks_in_child)
