"""What has gone wrong lately, and how long that holds further refreshes back.

`Cooldown` and `LoopGuard` are values: a new one takes the place of the old by one assignment, so no
lock guards them. If two threads assign at once, one of the two notes is lost, which costs the loop
guard one count. `Marks` is a dict, each change of which is one step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import JWTRefreshError, RefreshUnavailable

if TYPE_CHECKING:
    from requests_jwt_refresh.tokens import Token

    Place = tuple[str, str]  # method, and URL without its query

FIRST_COOLDOWN: Final = 1.0  # seconds without another try after a failed refresh; doubles each time
MAX_COOLDOWN: Final = 60.0  # seconds
# After so many refreshes, within so many seconds, whose new token the API refuses as well, no more
# are made.
REFUSED_LIMIT: Final = 5
REFUSED_WINDOW: Final = 30.0  # seconds
FIRST_MARK: Final = 60.0  # seconds that a mark holds a place back; doubles each time
LONGEST_MARK: Final = 3600.0  # seconds
MOST_MARKS: Final = 1024
_LONG_LIFE: Final = REFUSED_WINDOW / REFUSED_LIMIT  # seconds; longer lives do not expire so often


@dataclass(frozen=True)
class Cooldown:
    """A failed refresh: shared with all who asked before it ended, and not repeated for a while."""

    failure: JWTRefreshError
    began: float  # clock.monotonic(): when the refresh failed
    seconds: float
    is_early: bool = False  # of a refresh before the token's end: it holds back no other ones

    @classmethod
    def after(
        cls, failure: JWTRefreshError, previous: Cooldown | None, *, is_early: bool = False
    ) -> Cooldown:
        """Return the cooldown after `failure`: twice the previous one, or what the server asks.

        One that the server has asked for holds back all refreshes.
        """
        if previous is not None and previous.is_early and not is_early:
            previous = None
        grown = FIRST_COOLDOWN if previous is None else 2 * previous.seconds
        asked = failure.retry_after if isinstance(failure, RefreshUnavailable) else 0.0
        seconds = min(max(grown, asked), MAX_COOLDOWN)
        return cls(failure.about(), clock.monotonic(), seconds, is_early and not asked)

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

    def note_refused(self, token: Token, *, was_accepted: bool = False) -> LoopGuard:
        """Return the guard after the API refused `token`, which came fresh from the server.

        `was_accepted` says that another request with it was not refused.
        """
        if any(each.token == token for each in self.refused):
            return self
        noted = _Refused(token, clock.monotonic(), was_accepted or token.lasts(_LONG_LIFE))
        return LoopGuard((*self.refused, noted)[-REFUSED_LIMIT:])

    def note_accepted(self, token: Token | None) -> LoopGuard:
        """Return the guard after an API call with `token` that was not refused."""
        if not self.refused or self.refused[-1].token is not token or self.refused[-1].was_good:
            return self
        return LoopGuard((*self.refused[:-1], replace(self.refused[-1], was_good=True)))

    def is_looping(self, token: Token | None, *, is_unconfirmed: bool = False) -> bool:
        """Whether a token in place of `token` would only be refused like the last few.

        `is_unconfirmed` says that `token` is new, and no request with it has ended: it may have
        expired before it was sent at all.
        """
        if len(self.refused) < REFUSED_LIMIT or token is None:
            return False
        if clock.monotonic() - self.refused[0].at >= REFUSED_WINDOW:
            return False
        last = self.refused[-1]
        if last.token is not token:
            return is_unconfirmed
        return not (token.has_expired() and last.was_good)


@dataclass(frozen=True)
class Mark:
    """A place where a token was refused although it had just come."""

    token: Token
    began: float  # clock.monotonic()
    seconds: float

    def has_ended(self) -> bool:
        return clock.monotonic() - self.began >= self.seconds


class Marks:
    """The places where no refresh cures the 401: a permission is missing there.

    A token is not traded in for the sake of such a place, and one that was accepted nowhere yet is
    not for the sake of a second place. A mark outlives the token: it moves on to the next one that
    is refused there, and goes when one is accepted, or with the login.
    """

    def __init__(self) -> None:
        self._marks: dict[Place, Mark] = {}
        self._login_id: str | None = None

    def __len__(self) -> int:
        return len(self._marks)

    def set(self, place: Place, token: Token) -> None:
        """Note that `token`, which had just come, was refused at `place`."""
        self._forget_other_logins(token)
        before = self._marks.get(place)
        if before is not None and not before.has_ended():
            self._move(place, before, token)
            return
        seconds = FIRST_MARK if before is None else min(2 * before.seconds, LONGEST_MARK)
        self._put(place, Mark(token, clock.monotonic(), seconds))

    def hold_back(self, place: Place, token: Token, *, is_unconfirmed: bool) -> bool:
        """Whether `token`, refused at `place`, is not to be traded in for its sake.

        `is_unconfirmed` says that it was accepted nowhere yet.
        """
        self._forget_other_logins(token)
        mark = self._marks.get(place)
        if mark is not None:
            if mark.has_ended():
                return False
            self._move(place, mark, token)
            return True
        if is_unconfirmed and any(each.token is token for each in list(self._marks.values())):
            self.set(place, token)
            return True
        return False

    def note_accepted(self, place: Place) -> None:
        """Note that a token was accepted at `place`."""
        self._marks.pop(place, None)

    def clear(self) -> None:
        """Forget all: there was a login or a logout."""
        self._marks.clear()

    def _forget_other_logins(self, token: Token) -> None:
        if token.login_id != self._login_id:
            self._marks.clear()
            self._login_id = token.login_id

    def _move(self, place: Place, mark: Mark, token: Token) -> None:
        if mark.token is not token:
            self._marks[place] = replace(mark, token=token)

    def _put(self, place: Place, mark: Mark) -> None:
        self._marks.pop(place, None)  # so that the last one put is the last one to go
        self._marks[place] = mark
        while len(self._marks) > MOST_MARKS:
            self._marks.pop(next(iter(list(self._marks))), None)
