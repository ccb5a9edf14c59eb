"""ASP.NET Core Identity, as ``MapIdentityApi`` maps it, with tokens instead of cookies.

Refresh: ``POST /refresh`` with JSON ``refreshToken``. The response has ``accessToken``,
``refreshToken`` and ``expiresIn`` in seconds.

Refused: 401.

Expired: 401 with a Bearer challenge that gives no error code.

Login: ``POST /login`` with ``email``. There is no documented logout.

From documentation, not run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import Matcher, bearer_challenge
from requests_jwt_refresh.presets.base import Preset
from requests_jwt_refresh.responses import DefaultPath

if TYPE_CHECKING:  # for tools that read the annotations of inherited fields
    from collections.abc import Mapping  # noqa: F401 - an inherited field
    from typing import Any  # noqa: F401 - an inherited field


@dataclass(frozen=True, repr=False)
class ASPNETCoreIdentity(JSONEndpoint):
    """The refresh endpoint of ASP.NET Core's ``MapIdentityApi`` (``POST /refresh``).

    Expired is a 401 with a Bearer challenge that gives no error code; refused is a 401.
    """

    url: str = "/refresh"
    send: str = field(default="refreshToken", kw_only=True)
    access: str | None = field(default="accessToken", kw_only=True)
    refresh: str | None = field(default=DefaultPath("refreshToken"), kw_only=True)
    expires_in: str | None = field(default="expiresIn", kw_only=True)
    rejected: tuple[int, ...] = field(default=(401,), kw_only=True)
    when: Matcher = field(default=bearer_challenge(None), kw_only=True)


PRESET: Final = Preset(ASPNETCoreIdentity, login={"url": "/login", "username_field": "email"})
