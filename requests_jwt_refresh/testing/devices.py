"""Device authorizations (RFC 8628): started by a device, approved or denied by a person."""

from __future__ import annotations

import math
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from requests_jwt_refresh import clock

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.options import ServerOptions


_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: without vowels, so that no word comes out
_SLOW_DOWN_SECONDS = 5.0  # RFC 8628 §3.5
_TOLERANCE_SECONDS = 0.1  # for a client that waits exactly the interval, by its own clock


class GrantRefused(Exception):
    """A grant that is refused. The text is the error code (RFC 6749 §5.2, RFC 8628 §3.5)."""


def _make_user_code() -> str:
    letters = [secrets.choice(_LETTERS) for _ in range(8)]
    return f"{''.join(letters[:4])}-{''.join(letters[4:])}"


@dataclass(eq=False, repr=False)
class Device:
    """One device authorization, from its start to the tokens."""

    seconds: float
    expires_at: float  # by clock.monotonic(), as all times here
    interval: float
    code: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    user_code: str = field(default_factory=_make_user_code)
    polled_at: float = -math.inf  # the last time
    user: str | None = None  # the one that approved it
    is_denied: bool = False
    is_used: bool = False

    def defer(self, now: float) -> str:
        """Return the error code for a device that is not decided yet (RFC 8628 §3.5)."""
        is_early = now - self.polled_at < self.interval - _TOLERANCE_SECONDS
        self.polled_at = now
        if not is_early:
            return "authorization_pending"
        self.interval += _SLOW_DOWN_SECONDS
        return "slow_down"


class Devices:
    """The device codes that were given, and the state of each."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._lock = threading.Lock()  # guards all below, and what is in the devices
        self._by_code: dict[str, Device] = {}
        self._by_letters: dict[str, Device] = {}

    def start(self) -> Device:
        """Return a new device, not decided yet (RFC 8628 §3.2)."""
        seconds = self._options.device_lifetime
        device = Device(seconds, clock.monotonic() + seconds, self._options.device_interval)
        with self._lock:
            self._by_code[device.code] = device
            self._by_letters[_letters_of(device.user_code)] = device
        return device

    def approve(self, user_code: str, user: str) -> None:
        with self._lock:
            device = self._find(user_code)
            device.user, device.is_denied = user, False

    def deny(self, user_code: str) -> None:
        with self._lock:
            self._find(user_code).is_denied = True

    def _find(self, user_code: str) -> Device:
        device = self._by_letters.get(_letters_of(user_code))
        if device is None:
            raise ValueError("this server never gave that user code")
        return device

    def poll(self, code: str) -> str:
        """Return the user who approved, which uses the code up (RFC 8628 §3.4).

        Raises GrantRefused for every other outcome.
        """
        now = clock.monotonic()
        with self._lock:
            device = self._by_code.get(code)
            if device is None or device.is_used:
                raise GrantRefused("invalid_grant")
            if now >= device.expires_at:
                raise GrantRefused("expired_token")
            if device.is_denied:
                raise GrantRefused("access_denied")
            if device.user is None:
                raise GrantRefused(device.defer(now))
            device.is_used = True
            return device.user


def _letters_of(user_code: str) -> str:
    """Return what counts of a user code as a person types it (RFC 8628 §6.1)."""
    return "".join(letter for letter in user_code.upper() if letter.isalnum())
