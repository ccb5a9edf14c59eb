"""The server's options, which every part of it may read: values, and nothing else."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from requests_jwt_refresh.testing.faults import Status

_INVALID_JWT = Status(
    401,
    body=b'{"message": "Invalid JWT"}',
    headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},  # RFC 6750 §3
)


@dataclass(kw_only=True, eq=False, repr=False)
class ServerOptions:
    """How the server behaves. All may be changed between requests."""

    lifetime: float = 300.0
    """Seconds an access token lives. 0 gives tokens that have expired already."""
    rotate: bool = True
    """Whether a refresh replaces the refresh token too (RFC 6749 §6)."""
    detect_reuse: bool = True
    """Whether the second use of a rotated refresh token revokes its whole family
    (RFC 6749 §10.4)."""
    grace: float = 0.0
    """Seconds in which a second use is answered with the family's newest tokens instead."""
    revoke_old_access: bool = False
    """Whether an access token expires the moment its family is given a newer one."""
    opaque: bool = False
    """Whether access tokens are random strings instead of JWTs (RFC 7519)."""
    clock_skew: float = 0.0
    """Seconds by which the clock that writes iat and exp is ahead of ours."""
    read_body_first: bool = True
    """If False, an upload without a good token is answered before its body was read. Keep-alive is
    promised, and the connection closed when the next request arrives on it, which is the worst
    moment."""
    expired: Status = _INVALID_JWT
    """The API's response to an access token that has expired or was never good."""
    refresh_path: str = "/auth/refresh"
    """Where refresh tokens are taken."""
    request_field: str = "refresh_token"
    """The field of the refresh request that holds the refresh token."""
    access_field: str = "access_token"
    """The field of a response that holds the access token."""
    refresh_field: str = "refresh_token"
    """The field of a response that holds the refresh token."""
    expires_field: str | None = "expires_in"
    """None: the response does not say how long the token lives."""
    status: int = 200
    """The HTTP status of a response that gives tokens."""
    bare: bool = False
    """Whether a refresh is answered with the access token alone, as a JSON string."""
    device_lifetime: float = 600.0
    """Seconds a device code lives, from when it is given (RFC 8628 §3.2)."""
    device_interval: float = 5.0
    """Seconds between two polls with a device code, as its response says (RFC 8628 §3.2)."""
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """The key of the JWTs' HS256 (RFC 7518 §3.2)."""
