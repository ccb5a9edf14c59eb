"""The tokens: families, rotation, reuse detection (RFC 6749 §10.4); and what was counted."""

from __future__ import annotations

import base64
import hmac
import json
import math
import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from requests_jwt_refresh import clock
from requests_jwt_refresh.testing.devices import Devices
from requests_jwt_refresh.testing.values import Counters, RecordedRequest, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.testing.options import ServerOptions


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
    expires_at: float  # by clock.monotonic()


@dataclass(frozen=True, repr=False)
class Grant:
    """The tokens of one response."""

    access: str
    refresh: str | None  # None: the one that was sent stays good
    seconds: float


class Ledger:
    """The tokens that were given, which of them are good, and what was counted."""

    def __init__(self, options: ServerOptions) -> None:
        self.devices = Devices(options)
        self._options = options
        # Guards all below, and what is in the families; held for look-ups, never for I/O.
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._requests: list[RecordedRequest] = []
        self._families: list[_Family] = []
        self._accesses: dict[str, _Access] = {}
        self._refreshes: dict[str, _Family] = {}
        self._rotated: dict[str, float] = {}  # refresh token: when it was replaced, monotonic

    def count(self, name: str) -> int:
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def record(self, request: RecordedRequest) -> None:
        with self._lock:
            self._requests.append(request)
            self._counts["requests"] += 1
            if request.kind == "refresh" and request.method == "POST":
                self._counts["refreshes"] += 1

    def counters(self) -> Counters:
        with self._lock:
            return Counters(**self._counts)

    def requests(self) -> list[RecordedRequest]:
        with self._lock:
            return list(self._requests)

    def login(self, user: str) -> Grant:
        """Return the tokens of a new family."""
        family = _Family(user)
        with self._lock:
            self._families.append(family)
            self._replace_refresh(family)
            return self._issue(family, with_refresh=True)

    def refresh(self, refresh: str | None) -> Grant | None:
        """Return new tokens for a refresh token (RFC 6749 §6), or None if it is refused."""
        with self._lock:
            grant = self._refresh(refresh)
            if grant is None:
                self._counts["refused"] += 1
            return grant

    def _refresh(self, refresh: str | None) -> Grant | None:
        family = self._refreshes.get(refresh or "")
        if refresh is None or family is None:
            return None
        if self._is_reuse(refresh):
            self._counts["reuse"] += 1
            if self._options.detect_reuse:
                self._revoke(family)
            return None
        if not family.is_refreshable:
            return None
        return self._repeat(family) if refresh in self._rotated else self._rotate(family)

    def _is_reuse(self, refresh: str) -> bool:
        rotated = self._rotated.get(refresh)
        return rotated is not None and clock.monotonic() - rotated >= self._options.grace

    def _rotate(self, family: _Family) -> Grant:
        self._counts["rotated"] += 1
        if self._options.rotate:
            self._rotated[family.refresh] = clock.monotonic()
            self._replace_refresh(family)
        return self._issue(family, with_refresh=self._options.rotate)

    def _repeat(self, family: _Family) -> Grant:
        self._counts["repeated"] += 1
        left = self._accesses[family.access].expires_at - clock.monotonic()
        if left <= 0:
            return self._issue(family, with_refresh=True)
        return Grant(family.access, family.refresh, round(left, 3))

    def _replace_refresh(self, family: _Family) -> None:
        family.refresh = secrets.token_urlsafe(32)
        self._refreshes[family.refresh] = family

    def _issue(self, family: _Family, *, with_refresh: bool) -> Grant:
        seconds = self._options.lifetime
        family.access = (
            secrets.token_urlsafe(32) if self._options.opaque else self._make_jwt(family)
        )
        self._accesses[family.access] = _Access(family, clock.monotonic() + seconds)
        return Grant(family.access, family.refresh if with_refresh else None, seconds)

    def _make_jwt(self, family: _Family) -> str:
        """Return an access token with iat and exp (RFC 7519 §4.1)."""
        now = clock.time() + self._options.clock_skew
        issued = round(now, 3) if self._options.lifetime % 1 else math.floor(now)
        claims = {
            "iat": issued,
            "exp": shorten(round(issued + self._options.lifetime, 3)),
            "sub": family.user,
            "jti": secrets.token_hex(8),
            "family": family.name,
        }
        return _sign(claims, self._options.signing_key)

    def user_of(self, access: str) -> str | None:
        """Return the user of a good access token, or None if it is not good."""
        with self._lock:
            known = self._accesses.get(access)
            if known is None or not known.family.is_usable:
                return None
            if known.expires_at <= clock.monotonic():
                return None
            if self._options.revoke_old_access and known.family.access != access:
                return None
            return known.family.user

    def is_family_alive(self, refresh: str | None) -> bool:
        """Whether the family may still refresh. Raises ValueError for a token never given."""
        with self._lock:
            family = self._refreshes.get(refresh or "")
            if family is None:
                raise ValueError("this server never gave that refresh token")
            return family.is_refreshable

    def logout(self, refresh: str | None) -> None:
        """Revoke the family of a refresh token, if it has one (RFC 7009 §2.2)."""
        with self._lock:
            self._counts["logouts"] += 1
            family = self._refreshes.get(refresh or "")
            if family is not None:
                self._revoke(family)

    def expire(self) -> None:
        with self._lock:
            for access in self._accesses.values():
                access.expires_at = -math.inf

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
