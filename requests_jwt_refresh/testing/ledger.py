"""The tokens: families, rotation, reuse detection (RFC 6749 §10.4); and what was counted."""

from __future__ import annotations

import math
import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from requests_jwt_refresh import clock
from requests_jwt_refresh.testing.authorizations import Authorizations
from requests_jwt_refresh.testing.clients import Clients
from requests_jwt_refresh.testing.devices import Devices
from requests_jwt_refresh.testing.options import prefixes_of
from requests_jwt_refresh.testing.signing import sign
from requests_jwt_refresh.testing.values import Counters, RecordedRequest, shorten

if TYPE_CHECKING:
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
    key: str | None = None  # the thumbprint of the one that it is bound to


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
    user: str = ""
    family: str = ""
    kept: str = ""  # the refresh token that is good from now on, new or not


class Ledger:
    """The tokens that were given, which of them are good, and what was counted."""

    def __init__(self, options: ServerOptions) -> None:
        self.devices = Devices(options)
        self.clients = Clients(options)
        self.authorizations = Authorizations()
        self._options = options
        # Guards all below, and what is in the families; held for look-ups, never for I/O.
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._requests: list[RecordedRequest] = []
        self._errors: list[str] = []
        self._families: list[_Family] = []
        self._accesses: dict[str, _Access] = {}
        self._refreshes: dict[str, _Family] = {}
        self._rotated: dict[str, float] = {}  # token: when another was given for it, monotonic
        self._assertions: dict[str, bool] = {}  # whether it is still taken

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

    def record_error(self, text: str) -> None:
        with self._lock:
            if text not in self._errors:  # a retry meets the same one
                self._errors.append(text)

    def errors(self) -> list[str]:
        """Return what the test's own code has raised, oldest first."""
        with self._lock:
            return list(self._errors)

    def list_tokens(self) -> list[str]:
        """Return all tokens that were given."""
        with self._lock:
            return [*self._accesses, *self._refreshes]

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
        if refresh is None or family is None or not self._may_trade(refresh, family):
            return None
        return self._repeat(family) if refresh in self._rotated else self._rotate(family)

    def _may_trade(self, token: str, family: _Family) -> bool:
        """Whether `token` may be handed in for another; a reuse revokes its family."""
        if not self._is_reuse(token):
            return family.is_refreshable
        self._counts["reuse"] += 1
        if self._options.detect_reuse:
            self._revoke(family)
        return False

    def renew(self, access: str | None, *, even_expired: bool, extend: bool) -> Grant | None:
        """Return another access token for this one, or this one with a longer life; None is no.

        ServerOptions.rotate is whether the one that was handed in can be handed in once only.
        """
        with self._lock:
            grant = self._renew(access or "", even_expired=even_expired, extend=extend)
            if grant is None:
                self._counts["refused"] += 1
            return grant

    def _renew(self, access: str, *, even_expired: bool, extend: bool) -> Grant | None:
        known, now = self._accesses.get(access), clock.monotonic()
        if known is None or not self._may_trade(access, known.family):
            return None
        if known.expires_at <= now and not even_expired:
            return None
        if access in self._rotated:
            return self._repeat(known.family)
        self._counts["rotated"] += 1
        if extend:
            known.expires_at = now + self._options.lifetime
            return self._make_grant(known.family, None, self._options.lifetime)
        if self._options.rotate:
            self._rotated[access] = now
        return self._issue(known.family, with_refresh=False)

    def slide(self, access: str) -> str | None:
        """Return a newer access token of the same login, None if this one is not good."""
        with self._lock:
            known = self._accesses.get(access)
            if known is None:
                return None
            self._counts["renewed"] += 1
            return self._issue(known.family, with_refresh=False).access

    def grant(self, user: str) -> Grant:
        """Return a token for a grant that needs no refresh token; counted as a refresh."""
        self.count("rotated")
        return self.login(user)

    def accept_assertion(self, assertion: str, *, is_good: bool) -> bool:
        """Whether a good assertion was not taken before the last AuthServer.revoke()."""
        with self._lock:
            is_taken = is_good and self._assertions.setdefault(assertion, True)
            if not is_taken:
                self._counts["refused"] += 1
            return is_taken

    def is_known(self, token: str) -> bool:
        """Whether this server gave that token, of whichever kind."""
        with self._lock:
            return token in self._refreshes or token in self._accesses

    def is_access(self, token: str) -> bool:
        """Whether this server gave that token as an access token."""
        with self._lock:
            return token in self._accesses

    def is_used(self, token: str) -> bool:
        """Whether that token was traded in before."""
        with self._lock:
            return token in self._rotated

    def is_one_family(self, access: str, refresh: str) -> bool:
        """Whether both tokens come from one login, expired or not."""
        with self._lock:
            known = self._accesses.get(access)
            return known is not None and known.family is self._refreshes.get(refresh)

    def bind(self, token: str, key: str) -> bool:
        """Whether the login of `token` belongs to this key, that it was first used with."""
        with self._lock:
            family = self._find_family(token)
            if family is None:
                return True  # and no token of this server
            family.key = family.key or key
            return family.key == key

    def family_of(self, token: str | None) -> str | None:
        """Return the name of a token's family, None if this server never gave it."""
        with self._lock:
            family = self._find_family(token)
            return None if family is None else family.name

    def revoke_family(self, name: str) -> None:
        with self._lock:
            for family in self._families:
                if family.name == name:
                    self._revoke(family)

    def _find_family(self, token: str | None) -> _Family | None:
        known = self._accesses.get(token or "")
        return known.family if known is not None else self._refreshes.get(token or "")

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
        return self._make_grant(family, family.refresh, round(left, 3))

    def _make_grant(self, family: _Family, refresh: str | None, seconds: float) -> Grant:
        kept = family.refresh
        return Grant(family.access, refresh, seconds, family.user, family.name, kept)

    def _replace_refresh(self, family: _Family) -> None:
        family.refresh = prefixes_of(self._options)[1] + secrets.token_urlsafe(32)
        self._refreshes[family.refresh] = family

    def _issue(self, family: _Family, *, with_refresh: bool) -> Grant:
        seconds = self._options.lifetime
        opaque = secrets.token_urlsafe(32) if self._options.opaque else self._make_jwt(family)
        family.access = prefixes_of(self._options)[0] + opaque
        self._accesses[family.access] = _Access(family, clock.monotonic() + seconds)
        return self._make_grant(family, family.refresh if with_refresh else None, seconds)

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
        return sign(claims, self._options.signing_key)

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

    def is_family_alive(self, token: str | None) -> bool:
        """Whether the family may still refresh. Raises ValueError for a token never given."""
        with self._lock:
            family = self._find_family(token)
            if family is None:
                raise ValueError("this server never gave that refresh token")
            return family.is_refreshable

    def logout(self, token: str | None, *, any_kind: bool = False) -> None:
        """Revoke the family of a refresh token, or of `any_kind` of token (RFC 7009 §2.2)."""
        with self._lock:
            self._counts["logouts"] += 1
            find = self._find_family if any_kind else self._refreshes.get
            family = find(token or "")
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
            self._assertions = dict.fromkeys(self._assertions, False)

    def _revoke(self, family: _Family, *, access_too: bool = True) -> None:
        if family.is_refreshable:
            self._counts["families_revoked"] += 1
        family.is_refreshable = False
        if access_too:
            family.is_usable = False
