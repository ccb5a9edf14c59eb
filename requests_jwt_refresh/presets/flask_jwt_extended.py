"""Flask-JWT-Extended, with the tokens in headers.

Refresh: ``POST /refresh`` with the refresh token in the Authorization header and no body; the path
is that of its "Refreshing Tokens". The response has ``access_token`` alone.

Refused: 401 for an expired or revoked refresh token, 422 for garbage.

Expired: 401 with ``"msg": "Token has expired"``, and no challenge. Its other 401s, such as "Fresh
token required", are cured by no refresh.

Login: ``POST /login``. Logout: ``DELETE /logout`` with the refresh token in the header.

Refresh, refused and expired were run against the real server; login and logout are the paths of its
documentation, which are views that each author writes.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.endpoints import BearerEndpoint
from requests_jwt_refresh.matching import Matcher, json_field
from requests_jwt_refresh.presets.base import Preset

if TYPE_CHECKING:  # for tools that read the annotations of inherited fields
    from collections.abc import Mapping  # noqa: F401 - an inherited field
    from typing import Any  # noqa: F401 - an inherited field

_EXPIRED: Final = json_field("msg", "Token has expired")


@dataclass(frozen=True, repr=False)
class FlaskJWTExtended(BearerEndpoint):
    """The refresh endpoint of Flask-JWT-Extended: a view with ``@jwt_required(refresh=True)``.

    The default path is that of its "Refreshing Tokens". An expired or revoked refresh token is
    refused with 401, garbage with 422.

    Expired is ``"msg": "Token has expired"``; `message_key` is the server's JWT_ERROR_MESSAGE_KEY.
    A server with an ``expired_token_loader`` of its own needs a `when` of its own.
    """

    url: str = "/refresh"
    rejected: tuple[int, ...] = field(default=(401, 422), kw_only=True)
    when: Matcher = field(default=_EXPIRED, kw_only=True)
    message_key: InitVar[str] = field(default="msg", kw_only=True)

    def __post_init__(self, message_key: str) -> None:
        super().__post_init__()
        if self.when == _EXPIRED:
            object.__setattr__(self, "when", json_field(message_key, _EXPIRED.value))


PRESET: Final = Preset(
    FlaskJWTExtended,
    login={"url": "/login"},
    logout={"url": "/logout", "send": "bearer", "method": "DELETE"},
)
