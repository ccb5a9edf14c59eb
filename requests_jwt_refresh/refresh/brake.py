"""When no new token is fetched: after a failure for a while, and where fresh ones are refused."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.errors import RefreshRejected, RefreshUnavailable, capitalize

if TYPE_CHECKING:
    from requests_jwt_refresh.refresh.shared import SharedState
    from requests_jwt_refresh.tokens import Token

logger = logging.getLogger("requests_jwt_refresh")

MAX_COOLDOWN_WAIT: Final = 1.0  # seconds of cooldown after an outage that a request waits
_LOOPING: Final = (
    "the API keeps refusing tokens fresh from the refresh endpoint, so no more are fetched for now"
)
_CHECK_REFUSALS: Final = (
    "the tokens are kept; check why the API refuses them: another audience or scope, or a disabled "
    "user"
)


class Brake:
    """Holds refreshes back, as what went wrong lately (limits.py) says."""

    def __init__(self, shared: SharedState) -> None:
        self._shared = shared

    def is_looping(self, token: Token | None) -> bool:
        """Whether a new token would only be refused like the last few; if so, warn once."""
        guard = self._shared.loop_guard
        is_unconfirmed = token is not None and self._shared.memory.is_unconfirmed(token)
        if not guard.is_looping(token, is_unconfirmed=is_unconfirmed):
            return False
        if guard is not self._shared.warned_guard:
            self._shared.warned_guard = guard
            logger.warning("%s. %s", capitalize(_LOOPING), capitalize(_CHECK_REFUSALS))
        return True

    def cooldown_left(self, stale: Token | None, since: float, *, early: bool = False) -> float:
        """Return the seconds to wait before a refresh may start; raise if it must not.

        `early`: it is for a token that is still valid.
        """
        if self.is_looping(stale):
            raise RefreshUnavailable(_LOOPING, _CHECK_REFUSALS)
        cooldown = self._shared.cooldown
        left = cooldown.left() if cooldown is not None else 0.0
        if cooldown is None or left <= 0 or (cooldown.is_early and not early):
            return 0.0
        failure = cooldown.failure
        if since <= cooldown.began:
            raise failure.about()
        if left <= MAX_COOLDOWN_WAIT and not isinstance(failure, RefreshRejected):
            return left
        raise type(failure)(
            f"{failure.cause} (a moment ago; not tried again for {left:.0f} s)", failure.remedy
        )
