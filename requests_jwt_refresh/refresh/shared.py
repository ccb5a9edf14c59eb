"""What all adapters on an equal store share: the three things that are the state of a refresh."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from requests_jwt_refresh.refresh.limits import Cooldown, LoopGuard, Marks
from requests_jwt_refresh.refresh.logins import RefusedLogins
from requests_jwt_refresh.refresh.memory import Memory
from requests_jwt_refresh.refresh.single_flight import SingleFlight

if TYPE_CHECKING:
    from requests_jwt_refresh.stores.base import TokenStore
    from requests_jwt_refresh.tokens import Token


class Attempt(NamedTuple):
    """What a request is sent with.

    `token` is None if it is sent without one. `asked` says whether the server has been asked for a
    token on behalf of this request, which happens at most once. `resends` counts those so far, but
    not the one with a token that was not valid yet (`has_paused`). `waited` is in seconds.
    """

    token: Token | None
    asked: bool
    resends: int = 0
    has_paused: bool = False
    waited: float = 0.0


class SharedState:
    """What all adapters on an equal store share.

    No lock guards the last seven (see limits.py and logins.py).
    """

    def __init__(self) -> None:
        self.memory = Memory()
        self.flight: SingleFlight[Attempt] = SingleFlight()
        self.cooldown: Cooldown | None = None
        self.loop_guard = LoopGuard()
        self.warned_guard: LoopGuard | None = None  # about which a warning was logged
        self.marks = Marks()
        self.not_early: Token | None = None  # of no use before its end, by the server's own answer
        self.exchange_seconds = 0.0  # how long the last exchange took
        self.refused_logins = RefusedLogins()

    def forget_failures(self) -> None:
        """Start afresh: there was a login or a logout."""
        self.cooldown, self.loop_guard = None, LoopGuard()
        self.marks.clear()
        self.refused_logins.clear()


_shared: WeakValueDictionary[Any, SharedState] = WeakValueDictionary()
_mutex = threading.Lock()  # guards the look-up in _shared; held for no more than that


def shared_state(store: TokenStore) -> SharedState:
    """Return what all adapters on a store equal to `store` share; it lives as long as one of them.

    A store that cannot be hashed is equal to itself alone.
    """
    key: Any = store if getattr(store, "__hash__", None) else id(store)
    with _mutex:
        return _shared.setdefault(key, SharedState())


def _renew_locks_in_child() -> None:
    """Replace the locks in a forked child: the threads that held them do not exist there."""
    global _mutex  # noqa: PLW0603 - there is one for the process
    _mutex = threading.Lock()
    for each in list(_shared.values()):
        each.memory.mutex = threading.Lock()
        before = each.memory.token
        each.memory.note_fork()
        if before is not None and each.not_early is before:
            each.not_early = each.memory.token


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks_in_child)
