"""djangorestframework-simplejwt: JSON Web Tokens for the Django REST framework.

Refresh: ``POST /api/token/refresh/`` with JSON ``refresh``; the trailing slash belongs to the path,
which is that of its "Getting started". The response has ``access``, and a new ``refresh`` with the
setting ROTATE_REFRESH_TOKENS.

Refused: 401. A 400 means a request without the field, and is no refusal.

Expired: ``"code": "token_not_valid"``, which is not translated as ``detail`` is; with a 401, or a
403 where DEFAULT_AUTHENTICATION_CLASSES starts with SessionAuthentication.

Login: ``POST /api/token/``. Logout: ``POST /api/token/blacklist/``, with its blacklist app.

All of this was run against the real server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import Matcher, json_field
from requests_jwt_refresh.presets.base import Preset
from requests_jwt_refresh.responses import DefaultPath

if TYPE_CHECKING:  # for tools that read the annotations of inherited fields
    from collections.abc import Mapping  # noqa: F401 - an inherited field
    from typing import Any  # noqa: F401 - an inherited field


@dataclass(frozen=True, repr=False)
class SimpleJWT(JSONEndpoint):
    """The refresh endpoint of djangorestframework-simplejwt, its TokenRefreshView.

    The default path is that of its "Getting started"; the trailing slash belongs to it. Expired is
    ``"code": "token_not_valid"``, with a 401 or a 403; refused is a 401.
    """

    url: str = "/api/token/refresh/"
    send: str = field(default="refresh", kw_only=True)
    access: str | None = field(default="access", kw_only=True)
    refresh: str | None = field(default=DefaultPath("refresh"), kw_only=True)
    rejected: tuple[int, ...] = field(default=(401,), kw_only=True)
    when: Matcher = field(
        default=json_field("code", "token_not_valid", status=(401, 403)), kw_only=True
    )


PRESET: Final = Preset(
    SimpleJWT,
    login={"url": "/api/token/"},
    logout={"url": "/api/token/blacklist/", "refresh_field": "refresh"},
)
