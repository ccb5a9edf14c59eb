"""What has gone wrong lately, and how long that holds further refreshes back.

Both are values: a new one takes the place of the old by one assignment, so no lock guards them. If
two threads assign at once, one of the two notes is lost, which costs the loop guard one count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import JWTRefreshError, RefreshUnavailable

if TYPE_CHECKING:
    from requests_jwt_refresh.tokens import Token

FIRST_COOLDOWN: Final = 1.0  # seconds without another try after a failed refresh; doubles each time
MAX_COOLDOWN: Final = 60.0  # seconds
# After so many refreshes, within so many seconds, whose new token the API refuses as well, no more
# are made.
REFUSED_LIMIT: Final = 5
REFUSED_WINDOW: Final = 30.0  # seconds
_LONG_LIFE: Final = REFUSED_WINDOW / REFUSED_LIMIT  # seconds; longer lives do not expire so often


@dataclass(frozen=True)
class Cooldown:
    """A failed refresh: shared with all who asked before it ended, and not repeated for a while."""

    failure: JWTRefreshError
    began: float  # clock.monotonic(): when the refresh failed
    seconds: float

    @classmethod
    def after(cls, failure: JWTRefreshError, previous: Cooldown | None) -> Cooldown:
        """Return the cooldown after `failure`: twice the previous one, or what the server asks."""
        grown = FIRST_COOLDOWN if previous is None else 2 * previous.seconds
        asked = failure.retry_after if isinstance(failure, RefreshUnavailable) else 0.0
        return cls(failure.about(), clock.monotonic(), min(max(grown, asked), MAX_COOLDOWN))

    def left(self) -> float:
        """Return the seconds until the next try; 0 or less if it has ended."""
        return self.began + self.seconds - clock.monotonic()


@dataclass(frozen=True)
class _Refused:
    """A token that the API refused although it came fresh from the server."""

    token: Token
    at: float  # clock.monotonic()
    was_good: bool  # for another request, or for long enough: refused later, it has expired


@dataclass(frozen=True)
class LoopGuard:
    """The last tokens that came fresh from the server and were refused by the API all the same.

    It brakes refreshes that do not help, and none that do: tokens that live for 2 s may well be
    refreshed every 2 s.
    """

    refused: tuple[_Refused, ...] = ()

    def note_refused(self, token: Token) -> LoopGuard:
        """Return the guard after the API refused `token`, which came fresh from the server."""
        if any(each.token == token for each in self.refused):
            return self
        noted = _Refused(token, clock.monotonic(), token.lasts(_LONG_LIFE))
        return LoopGuard((*self.refused, noted)[-REFUSED_LIMIT:])

    def note_accepted(self, token: Token | None) -> LoopGuard:
        """Return the guard after an API call with `token` that was not refused."""
        if not self.refused or self.refused[-1].token is not token or self.refused[-1].was_good:
            return self
        return LoopGuard((*self.refused[:-1], replace(self.refused[-1], was_good=True)))

    def is_looping(self, token: Token | None) -> bool:
        """Whether a token in place of `token` would only be refused like the last few."""
        if len(self.refused) < REFUSED_LIMIT or self.refused[-1].token is not token:
            return False
        if token.has_expired() and self.refused[-1].was_good:
            return False
        return clock.monotonic() - self.refused[0].at < REFUSED_WINDOW
