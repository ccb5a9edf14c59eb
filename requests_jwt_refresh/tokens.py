"""The token as a value, and how long it lives."""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import BEARER, starts_with_bearer
from requests_jwt_refresh.errors import InvalidToken

if TYPE_CHECKING:
    from typing import TypeGuard

# Printable ASCII without a space at either end: what RFC 6749 appendix A.12 and A.17 allow and a
# header field carries unchanged.
_FIT_FOR_A_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


_FILLED_IN = ("received_at", "login_id", "counter")  # by the adapter, not by who makes a Token


@dataclass(frozen=True, repr=False)
class Token:
    """An access token, the refresh token that renews it, and when the access token expires.

    Args:
        access: the access token; None if there is only a refresh token, which is then traded in
            before the first request.
        refresh: the refresh token; None if there is none: then the end of the
            access token needs a login.
        expires_at: when the access token expires, in seconds since the epoch by this machine's
            clock. None is "unknown": for a JWT the adapter fills in its lifetime when it receives
            it (RFC 7519 §4.1), an opaque token is refreshed when the API says that it has expired.

    Raises InvalidToken if both tokens are None, or for anything that is not a non-empty string fit
    for a header. Tokens are values: frozen, compared by the three arguments, and their repr shows
    no secret.

    >>> Token("an access token", refresh="a refresh token")
    Token(access='***', refresh='***', expires_at=None)

    """

    access: str | None
    refresh: str | None = None
    expires_at: float | None = None
    received_at: float | None = field(default=None, init=False, compare=False)
    """When it was received, in seconds since the epoch; None if that is not known. Filled in by the
    adapter, and stored with the token."""
    login_id: str | None = field(default=None, init=False, compare=False)
    """Which login it came from: random, and kept by all tokens refreshed from it. Filled in by the
    adapter, and stored with the token; None for one that version 0.1 has stored."""
    counter: int = field(default=0, init=False, compare=False)
    """How often a token of its login was saved before it: the higher one is the newer one."""

    def __post_init__(self) -> None:
        if self.access is None and self.refresh is None:
            raise InvalidToken(
                "a Token needs an access token, a refresh token or both",
                "give at least one of them",
            )
        _check("access", self.access)
        _check("refresh", self.refresh)
        if self.expires_at is not None and not is_finite(self.expires_at):
            raise InvalidToken(
                "expires_at is not a number of seconds since the epoch",
                "give a number such as time.time() + 300, or None if it is unknown",
            )

    def __repr__(self) -> str:
        def redact(secret: str | None) -> str:
            return "None" if secret is None else "'***'"

        return (
            f"Token(access={redact(self.access)}, refresh={redact(self.refresh)}, "
            f"expires_at={self.expires_at})"
        )

    def has_expired(self) -> bool:
        """Whether the access token is known to have expired."""
        return not self.lasts(0.0)

    def lasts(self, seconds: float) -> bool:
        """Whether the access token is valid for `seconds` more, as far as is known.

        >>> Token("opaque").lasts(300)
        True
        """
        return self.expires_at is None or self.expires_at > clock.time() + seconds


def with_expiry(token: Token) -> Token:
    """Return `token` as received now, with its expiry filled in from the JWT if it says one.

    Only the difference ``exp - iat`` (RFC 7519 §4.1) is used, so that a wrong clock, ours or the
    server's, does no harm.
    """
    now, known = clock.time(), token.received_at
    if token.expires_at is None and token.access is not None:
        seconds = jwt_lifetime(token.access)
        token = token if seconds is None else with_values(token, expires_at=now + seconds)
    return with_values(token, received_at=known or now)


def with_values(token: Token, **values: Any) -> Token:
    """Return a copy with other `values`; all else stays, what the adapter has filled in as well.

    ``dataclasses.replace`` would lose those.
    """
    copy = replace(token, **{name: values[name] for name in values if name not in _FILLED_IN})
    for name in _FILLED_IN:
        object.__setattr__(copy, name, values.get(name, getattr(token, name)))
    return copy


def jwt_lifetime(access: str) -> float | None:
    """Return a JWT's lifetime in seconds, ``exp - iat``, or None if it does not say."""
    claims = jwt_claims(access)
    issued, expires = claims.get("iat"), claims.get("exp")
    if not (is_finite(issued) and is_finite(expires)) or expires <= issued:
        return None
    return float(expires - issued)


def not_before(access: str | None) -> float | None:
    claims = jwt_claims(access or "")
    starts = claims.get("nbf", claims.get("iat"))
    return float(starts) if is_finite(starts) else None


def jwt_claims(access: str) -> dict[str, Any]:
    """Return the claims of a JWT (RFC 7519 §4), unverified; {} for an opaque token."""
    try:
        _header, payload, _signature = access.split(".")  # RFC 7515 §3.1
        padded = payload + "=" * (-len(payload) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _check(kind: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise InvalidToken(
            f"the {kind} token is not a string but {type(value).__name__}", "give it as a string"
        )
    if not _FIT_FOR_A_HEADER.fullmatch(value):
        raise InvalidToken(
            f"the {kind} token is empty, has a line break or a space at one end, or has another "
            "character that no header may carry",
            "give the token alone, as the server wrote it",
        )
    if starts_with_bearer(value):
        raise InvalidToken(
            f"the {kind} token starts with '{BEARER} '", "give the token alone, without that word"
        )


def is_finite(value: object) -> TypeGuard[float]:
    """Whether `value` is a number that a float can hold."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) <= sys.float_info.max  # so that float(value) does not overflow
