"""The token as a value, and how long it lives."""

from __future__ import annotations

import base64
import copy
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import BEARER, starts_with_bearer
from requests_jwt_refresh.errors import InvalidToken
from requests_jwt_refresh.frozen_json import EMPTY, FrozenDict, NotJSON, freeze_object

if TYPE_CHECKING:
    from typing import TypeGuard

# Printable ASCII without a space at either end: what RFC 6749 appendix A.12 and A.17 allow and a
# header field carries unchanged.
_FIT_FOR_A_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")

FIRST_MOMENT: Final = 1e9  # seconds since the epoch (2001); a smaller number is a duration
FIRST_MILLISECONDS: Final = 1e12  # a larger number of seconds is one of milliseconds
LONGEST_LIFETIME: Final = 10 * 366 * 86_400.0  # seconds; who says more has made a mistake
_MOST_DIGITS: Final = 300  # of an integer that a float can hold

_ACCESS_KEYS = ("access_token", "accessToken", "access", "token", "jwt")
_REFRESH_KEYS = ("refresh_token", "refreshToken", "refresh")


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
            0 is "expired". A lifetime such as 300 is refused: give ``time.time() + 300``.
        extra: what else came with it, a JSON object: ``id_token``, ``scope``, ``instance_url``.
            The token keeps a read-only deep copy; a store keeps it, too, up to 16 KiB.

    Raises InvalidToken, a ValueError, if both tokens are None, for anything that is not a non-empty
    string fit for a header, for an `expires_at` that is no such moment, and for an `extra` that is
    no JSON object. Tokens are values: frozen, compared by the first three arguments, and neither
    their repr nor that of `extra` shows a secret.

    >>> Token("an access token", refresh="a refresh token")
    Token(access='***', refresh='***', expires_at=None)

    """

    access: str | None
    refresh: str | None = None
    expires_at: float | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY, compare=False)
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
        _check_moment(self.expires_at)
        object.__setattr__(self, "extra", _freeze(self.extra))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"extra": EMPTY, **state})  # a pickle of 0.1 has no extra

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
    """Return `token` as received now, with its expiry: the earlier one, if two are known.

    The two are its own and, for a JWT, receipt plus ``exp - iat`` (RFC 7519 §4.1): a difference, so
    that a wrong clock, ours or the server's, does no harm. More than ten years is no expiry.
    """
    now, known = clock.time(), token.received_at
    received_at = now if known is None else min(known, now)
    lifetime = jwt_lifetime(token.access or "")
    ends = [token.expires_at, None if lifetime is None else received_at + lifetime]
    believed = [end for end in ends if end is not None and end <= received_at + LONGEST_LIFETIME]
    return with_values(token, expires_at=min(believed, default=None), received_at=known or now)


def with_values(token: Token, **values: Any) -> Token:
    """Return a copy with other `values`, unchecked; all else stays, what is filled in as well.

    ``dataclasses.replace`` would lose that, and would refuse the expiry of a machine whose clock
    starts in 1970.
    """
    other = copy.copy(token)
    for name, value in values.items():
        object.__setattr__(other, name, value)
    return other


def describe_kind(value: object) -> str:
    """Return what kind of thing `value` is, and nothing out of it.

    >>> describe_kind("a secret"), describe_kind(None), describe_kind(Token)
    ('a str', 'None', 'the class Token')
    """
    if value is None or isinstance(value, type):
        return "None" if value is None else f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def suggest_token(value: object) -> str:
    """Return the code that makes a Token, if possible of `value`, which is none; nothing out of it.

    >>> suggest_token({"accessToken": "a secret"})
    "Token(found['accessToken'], found.get('refresh_token'))"
    """
    if isinstance(value, Mapping):
        access, refresh = _find_key(value, _ACCESS_KEYS), _find_key(value, _REFRESH_KEYS)
        return f"Token(found[{access!r}], found.get({refresh!r}))"
    if isinstance(value, str):
        return "Token(access, refresh), or Token(access) if that is the access token"
    if isinstance(value, requests.Response):
        return "found = response.json(), then Token(found['access_token'], ...)"
    return "Token(access, refresh)"


def _find_key(found: Mapping[str, object], keys: tuple[str, ...]) -> str:
    """Return the first of `keys` that is there; without one the usual name."""
    return next((key for key in keys if key in found), keys[0])


def jwt_lifetime(access: str) -> float | None:
    """Return a JWT's lifetime in seconds, ``exp - iat``, or None if it does not say."""
    issued, expires = jwt_times(access)
    if issued is None or expires is None:
        return None
    return expires - issued if 0 < expires - issued <= LONGEST_LIFETIME else None


def not_before(access: str) -> float | None:
    """Return the moment before which a JWT is not valid, in seconds since the epoch.

    Its ``nbf``, else its ``iat`` (RFC 7519 §4.1.5, §4.1.6); None if it has neither.
    """
    claims = jwt_claims(access)
    moments = (_parse_moment(claims.get(name)) for name in ("nbf", "iat"))
    return next((each for each in moments if each is not None and each >= FIRST_MOMENT), None)


def jwt_times(access: str) -> tuple[float | None, float | None]:
    """Return a JWT's ``iat`` and ``exp``, in seconds since the epoch by its issuer's clock."""
    claims = jwt_claims(access)
    return _parse_moment(claims.get("iat")), _parse_moment(claims.get("exp"))


def jwt_claims(access: str) -> dict[str, Any]:
    """Return the claims of a JWT (RFC 7519 §4), unverified; {} for an opaque token."""
    try:
        _header, payload, _signature = access.split(".")  # RFC 7515 §3.1
        padded = payload + "=" * (-len(payload) % 4)
        claims = load_json(base64.urlsafe_b64decode(padded))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def load_json(text: str | bytes) -> Any:
    """Return what `text` says in JSON. Raises ValueError or RecursionError.

    An integer that no float can hold is infinite: Python refuses one of 4,300 digits, and with it
    the whole document.
    """
    return json.loads(text, parse_int=_parse_int)


def _parse_int(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _parse_moment(value: object) -> float | None:
    """Return a claim's seconds since the epoch, also from milliseconds; None for nonsense."""
    if not is_finite(value):
        return None
    seconds = value / 1000 if value > FIRST_MILLISECONDS else float(value)
    return seconds if abs(seconds) <= FIRST_MILLISECONDS else None


def _check_moment(expires_at: object) -> None:
    if expires_at is None:
        return
    if not is_finite(expires_at):
        raise InvalidToken(
            "expires_at is not a number of seconds since the epoch",
            "give a number such as time.time() + 300, or None if it is unknown",
        )
    if 0 < expires_at < FIRST_MOMENT:
        raise InvalidToken(
            f"expires_at={expires_at:.15g} is a moment before 2002, in seconds since 1970",
            "give the moment at which it expires, such as time.time() + 300",
        )


def _freeze(extra: object) -> FrozenDict:
    if type(extra) is FrozenDict:
        return extra
    try:
        return freeze_object(extra)
    except NotJSON as error:
        problem = str(error)
    raise InvalidToken(  # outside: the frames behind the other hold values
        f"extra is not a JSON object: {problem}",
        "give a dict of strings, numbers, True, False, None, lists and dicts, such as "
        "{'scope': 'read'}",
    )


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
