"""Directus, with the tokens in JSON (mode ``json``).

Refresh: ``POST /auth/refresh`` with JSON ``refresh_token`` and ``"mode": "json"``. The response has
the tokens below ``data``; its ``expires`` is in milliseconds and is not read, since the access
token is a JWT that says the same.

Refused: 401. A 400 is INVALID_PAYLOAD, which is no refusal.

Expired: 401 with the code TOKEN_EXPIRED at ``errors.0.extensions.code``.

Login: ``POST /auth/login`` with ``email``. Logout: ``POST /auth/logout``.

From documentation, not run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import Matcher, json_field
from requests_jwt_refresh.presets.base import Preset
from requests_jwt_refresh.responses import DefaultPath

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, repr=False)
class Directus(JSONEndpoint):
    """The refresh endpoint of Directus (``POST /auth/refresh``, mode ``json``).

    Expired is the error code TOKEN_EXPIRED at ``errors.0.extensions.code``; refused is a 401.
    """

    url: str = "/auth/refresh"
    access: str | None = field(default="data.access_token", kw_only=True)
    refresh: str | None = field(default=DefaultPath("data.refresh_token"), kw_only=True)
    expires_in: str | None = field(default=None, kw_only=True)
    rejected: tuple[int, ...] = field(default=(401,), kw_only=True)
    extra: Mapping[str, Any] = field(
        default_factory=lambda: {"mode": "json"}, repr=False, hash=False, kw_only=True
    )
    when: Matcher = field(
        default=json_field("errors.0.extensions.code", "TOKEN_EXPIRED"), kw_only=True
    )


PRESET: Final = Preset(
    Directus,
    login={"url": "/auth/login", "username_field": "email", "extra": {"mode": "json"}},
    logout={"url": "/auth/logout", "extra": {"mode": "json"}},
)
