"""When a token is refreshed before its end: ahead of it in the background, and in its last moments.

A share of the lifetime before the end, one request starts a refresh in the background, and nobody
waits. In the leeway, the last moments, all wait for one: a request sent then could arrive too late,
and the lifetime is counted from when we received the token, by the server from when it made it.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Final, NamedTuple

from requests_jwt_refresh import clock

if TYPE_CHECKING:
    from requests_jwt_refresh.tokens import Token

AHEAD_SHARE: Final = 0.2  # of the lifetime, before the end
LONGEST_AHEAD: Final = 300.0  # seconds
UNKNOWN_AHEAD: Final = 60.0  # seconds, for a token of which it is not known when it was received
LEEWAY_SHARE: Final = 0.05  # of the lifetime
LONGEST_LEEWAY: Final = 5.0  # seconds
# Of the time ahead, by which a refresh begins later: drawn anew for each token in each process, so
# that the first of a fleet refreshes and the others find the new token in their store.
_JITTER: Final = 1 / 3
_JITTER_OF_GIVEN: Final = 0.1  # where the user says how many seconds
# A refresh that takes long begins so many times its length ahead of the leeway.
_EXCHANGES_AHEAD: Final = 2.0


class Schedule(NamedTuple):
    """Moments in seconds since the epoch, by this machine's clock."""

    background: float  # from here on, a refresh is begun in the background
    leeway: float  # from here on, all wait for a refresh

    @property
    def first(self) -> float:
        """Until when there is nothing to do."""
        return min(self.background, self.leeway)


NEVER: Final = Schedule(math.inf, math.inf)


def make_schedule(token: Token, seconds: float | None, exchange_seconds: float) -> Schedule:
    """Return when to refresh `token`, which expires.

    `seconds` is the user's ``refresh_ahead``: None is a share of the lifetime, 0 is off.
    `exchange_seconds` is how long the last refresh took, and by how much the server's count of the
    lifetime may be ahead of ours.
    """
    ends = token.expires_at
    if ends is None:
        return NEVER
    is_known = token.received_at is not None
    lifetime = max(ends - (clock.time() if token.received_at is None else token.received_at), 0.0)
    longest = lifetime / 2 if is_known else UNKNOWN_AHEAD
    leeway = min(lifetime * LEEWAY_SHARE, LONGEST_LEEWAY)
    leeway = min(max(leeway, exchange_seconds), lifetime / 4)
    if seconds == 0:
        return Schedule(math.inf, ends - leeway)
    if seconds is None:
        ahead = min(lifetime * AHEAD_SHARE, LONGEST_AHEAD) if is_known else UNKNOWN_AHEAD
        jitter = _JITTER
    else:
        ahead, jitter = seconds, _JITTER_OF_GIVEN
    least = min(leeway + _EXCHANGES_AHEAD * exchange_seconds, longest)
    most = min(max(ahead, least / (1 - jitter)), longest)
    return Schedule(ends - max(most * (1 - jitter * _draw()), least), ends - leeway)


def _draw() -> float:
    """Return a number from 0 to 1, another one in each process: Python seeds anew after a fork."""
    return random.random()  # noqa: S311 - no secret


def gains_nothing(new: Token, old: Token) -> bool:
    """Whether `new`, given for `old` before its end, ends hardly later.

    The server gives the same token again until it has expired, or the session has an end of its
    own. To refresh that one ahead as well would go on and on, faster each time. One that gives the
    same token a longer life (Vault) is another matter.
    """
    if new.expires_at is None or old.expires_at is None:
        return new.access == old.access
    lifetime = 0.0 if old.received_at is None else old.expires_at - old.received_at
    return new.expires_at - old.expires_at <= LEEWAY_SHARE * lifetime
