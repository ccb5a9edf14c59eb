"""Who holds which token: families, rotation, reuse detection (RFC 6749 §10.4)."""

from __future__ import annotations

import base64
import hmac
import json
import math
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from requests_jwt_refresh.testing.devices import Devices
from requests_jwt_refresh.testing.seen import Counters, SeenRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.testing.server import AuthServer


@dataclass(eq=False)
class _Family:
    """Everything that descends from one login."""

    user: str
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    access: str = ""  # the newest
    refresh: str = ""  # the newest
    is_refreshable: bool = True
    is_usable: bool = True


@dataclass(eq=False)
class _Access:
    family: _Family
    ends: float  # by the monotonic clock


@dataclass(frozen=True, repr=False)
class Grant:
    access: str
    refresh: str | None  # None: the one already known stays good
    seconds: float


class Ledger:
    """Which tokens were given, which are good, and what was counted."""

    def __init__(self, rules: AuthServer) -> None:
        self.devices = Devices(rules)
        self._rules = rules
        self._lock = threading.Lock()  # guards all below; held for look-ups, never for I/O
        self._counts: Counter[str] = Counter()
        self._seen: list[SeenRequest] = []
        self._families: list[_Family] = []
        self._accesses: dict[str, _Access] = {}
        self._refreshes: dict[str, _Family] = {}
        self._rotated: dict[str, float] = {}  # refresh token: when it was replaced, monotonic

    def count(self, name: str) -> int:
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def note(self, seen: SeenRequest) -> None:
        with self._lock:
            self._seen.append(seen)
            self._counts["requests"] += 1
            if seen.kind == "refresh" and seen.method == "POST":
                self._counts["refreshes"] += 1

    def counters(self) -> Counters:
        with self._lock:
            return Counters(**self._counts)

    def seen(self) -> list[SeenRequest]:
        with self._lock:
            return list(self._seen)

    def login(self, user: str) -> Grant:
        family = _Family(user)
        with self._lock:
            self._families.append(family)
            self._give_refresh(family)
            return self._grant(family, with_refresh=True)

    def exchange(self, refresh: str | None) -> Grant | None:
        """Return tokens for a refresh token, or None for a no."""
        with self._lock:
            grant = self._exchange(refresh)
            if grant is None:
                self._counts["refused"] += 1
            return grant

    def _exchange(self, refresh: str | None) -> Grant | None:
        family = self._refreshes.get(refresh or "")
        if refresh is None or family is None:
            return None
        if self._is_reuse(refresh):
            self._counts["reuse"] += 1
            if self._rules.detect_reuse:
                self._revoke(family)
            return None
        if not family.is_refreshable:
            return None
        return self._repeat(family) if refresh in self._rotated else self._rotate(family)

    def _is_reuse(self, refresh: str) -> bool:
        rotated = self._rotated.get(refresh)
        return rotated is not None and time.monotonic() - rotated >= self._rules.grace

    def _rotate(self, family: _Family) -> Grant:
        self._counts["rotated"] += 1
        if self._rules.rotate:
            self._rotated[family.refresh] = time.monotonic()
            self._give_refresh(family)
        return self._grant(family, with_refresh=self._rules.rotate)

    def _repeat(self, family: _Family) -> Grant:
        self._counts["repeated"] += 1
        left = self._accesses[family.access].ends - time.monotonic()
        if left <= 0:
            return self._grant(family, with_refresh=True)
        return Grant(family.access, family.refresh, round(left, 3))

    def _give_refresh(self, family: _Family) -> None:
        family.refresh = secrets.token_urlsafe(32)
        self._refreshes[family.refresh] = family

    def _grant(self, family: _Family, *, with_refresh: bool) -> Grant:
        seconds = self._rules.lifetime
        family.access = secrets.token_urlsafe(32) if self._rules.opaque else self._jwt(family)
        self._accesses[family.access] = _Access(family, time.monotonic() + seconds)
        return Grant(family.access, family.refresh if with_refresh else None, seconds)

    def _jwt(self, family: _Family) -> str:
        now = time.time() + self._rules.clock_skew
        issued = round(now, 3) if self._rules.lifetime % 1 else math.floor(now)
        claims = {
            "iat": issued,
            "exp": short(round(issued + self._rules.lifetime, 3)),
            "sub": family.user,
            "jti": secrets.token_hex(8),
            "family": family.name,
        }
        return _sign(claims, self._rules.signing_key)

    def user_of(self, access: str) -> str | None:
        """Return whose good access token it is, or None."""
        with self._lock:
            known = self._accesses.get(access)
            if known is None or not known.family.is_usable or known.ends <= time.monotonic():
                return None
            if self._rules.revoke_old_access and known.family.access != access:
                return None
            return known.family.user

    def is_family_alive(self, refresh: str | None) -> bool:
        with self._lock:
            family = self._refreshes.get(refresh or "")
        if family is None:
            raise ValueError("this server never gave that refresh token")
        return family.is_refreshable

    def logout(self, refresh: str | None) -> None:
        with self._lock:
            self._counts["logouts"] += 1
            family = self._refreshes.get(refresh or "")
            if family is not None:
                self._revoke(family)

    def expire(self) -> None:
        with self._lock:
            for access in self._accesses.values():
                access.ends = -math.inf

    def revoke_refresh_tokens(self) -> None:
        with self._lock:
            for family in self._families:
                self._revoke(family, access_too=False)

    def _revoke(self, family: _Family, *, access_too: bool = True) -> None:
        if family.is_refreshable:
            self._counts["families_revoked"] += 1
        family.is_refreshable = False
        if access_too:
            family.is_usable = False


def _sign(claims: Mapping[str, object], key: bytes) -> str:
    """Return a JWT signed with HS256 (RFC 7515 §3.1, RFC 7518 §3.2)."""
    header = {"alg": "HS256", "typ": "JWT"}
    signed = f"{_base64url_json(header)}.{_base64url_json(claims)}"
    signature = hmac.digest(key, signed.encode(), "sha256")
    return f"{signed}.{_base64url(signature)}"


def _base64url_json(content: Mapping[str, object]) -> str:
    return _base64url(json.dumps(content, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def short(number: float) -> float:
    """Return a whole number as an int, as most servers write it."""
    return int(number) if number % 1 == 0 else number
