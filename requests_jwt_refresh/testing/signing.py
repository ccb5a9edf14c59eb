"""What the server signs: JWTs, and values against forgery."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_csrf(key: bytes, token: str) -> str:
    """Return the value that goes with `token` against cross-site request forgery."""
    return hmac.digest(key, token.encode(), "sha256").hex()


def sign(claims: Mapping[str, object], key: bytes) -> str:
    """Return a JWT signed with HS256 (RFC 7515 §3.1, RFC 7518 §3.2)."""
    header = {"alg": "HS256", "typ": "JWT"}
    signed = f"{_base64url_json(header)}.{_base64url_json(claims)}"
    signature = hmac.digest(key, signed.encode(), "sha256")
    return f"{signed}.{_base64url(signature)}"


def verify(jwt: str, key: bytes) -> bool:
    """Whether `sign` made a JWT with this key."""
    signed, _, signature = jwt.rpartition(".")
    wanted = _base64url(hmac.digest(key, signed.encode(), "sha256"))
    return hmac.compare_digest(signature.encode(), wanted.encode())


def _base64url_json(content: Mapping[str, object]) -> str:
    return _base64url(json.dumps(content, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
