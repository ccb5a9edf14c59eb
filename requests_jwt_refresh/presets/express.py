"""A Node server written as most Express tutorials write it, in camelCase.

There is no such package and so no documented path: the URL is the author's own.

Refresh: POST with JSON ``refreshToken``. The response has ``accessToken`` and ``refreshToken``.

Refused: 400, 401 or 403. Expired: any 401, since there is no common rule.

Login and logout have no common path either; a logout takes ``refreshToken``.

From general knowledge, not run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.presets.base import Preset
from requests_jwt_refresh.responses import DefaultPath

if TYPE_CHECKING:  # for tools that read the annotations of inherited fields
    from collections.abc import Mapping  # noqa: F401 - an inherited field
    from typing import Any  # noqa: F401 - an inherited field

    from requests_jwt_refresh.matching import Matcher  # noqa: F401 - an inherited field


@dataclass(frozen=True, repr=False)
class Express(JSONEndpoint):
    """The refresh endpoint of a Node server as most Express tutorials write it, in camelCase.

    There is no such package and so no documented path: `url` is the author's, and must be given.
    Nor is there a rule for "expired": any 401 is taken for it. Refused is a 400, 401 or 403.
    """

    send: str = field(default="refreshToken", kw_only=True)
    access: str | None = field(default="accessToken", kw_only=True)
    refresh: str | None = field(default=DefaultPath("refreshToken"), kw_only=True)
    expires_in: str | None = field(default="expiresIn", kw_only=True)


PRESET: Final = Preset(Express, logout={"refresh_field": "refreshToken"}, needs_url=True)
