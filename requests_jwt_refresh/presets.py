"""Ready endpoints for known servers, each with the server's own rule for "expired".

Every argument has a default: the paths, fields and statuses that the server's documentation gives.
Only Express wants to be told a path, since it is each author's own.
``mount(session, "https://api.example.com", presets.SimpleJWT())``
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.endpoints import BearerEndpoint, JSONEndpoint
from requests_jwt_refresh.matching import Matcher, bearer_challenge, json_field

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, repr=False)
class SimpleJWT(JSONEndpoint):
    """Be a client of djangorestframework-simplejwt's TokenRefreshView.

    The default path is that of its "Getting started"; the trailing slash belongs to it. A new
    refresh token comes with ROTATE_REFRESH_TOKENS. A 400 means a request without the field, and is
    no refusal.

    Expired is ``"code": "token_not_valid"``, which no translation touches as it does ``detail``;
    with a 403 where DEFAULT_AUTHENTICATION_CLASSES starts with SessionAuthentication.
    """

    url: str = "/api/token/refresh/"
    send: str = field(default="refresh", kw_only=True)
    access: str | None = field(default="access", kw_only=True)
    refresh: str | None = field(default="refresh", kw_only=True)
    rejected: tuple[int, ...] = field(default=(401,), kw_only=True)
    when: Matcher = field(
        default=json_field("code", "token_not_valid", status=(401, 403)), kw_only=True
    )


_FLASK_EXPIRED = json_field("msg", "Token has expired")


@dataclass(frozen=True, repr=False)
class FlaskJWTExtended(BearerEndpoint):
    """Be a client of a Flask-JWT-Extended view with ``@jwt_required(refresh=True)``.

    The default path is that of its "Refreshing Tokens". An expired or revoked refresh token is
    refused with 401, garbage with 422.

    Expired is ``"msg": "Token has expired"``; `message_key` is the server's JWT_ERROR_MESSAGE_KEY.
    Its other 401s, such as "Fresh token required", are cured by no refresh. A server with an
    ``expired_token_loader`` of its own needs a `when` of its own.
    """

    url: str = "/refresh"
    rejected: tuple[int, ...] = field(default=(401, 422), kw_only=True)
    when: Matcher = field(default=_FLASK_EXPIRED, kw_only=True)
    message_key: InitVar[str] = field(default="msg", kw_only=True)

    def __post_init__(self, message_key: str) -> None:
        super().__post_init__()
        if self.when == _FLASK_EXPIRED:
            expired = json_field(message_key, _FLASK_EXPIRED.value)
            object.__setattr__(self, "when", expired)


@dataclass(frozen=True, repr=False)
class Directus(JSONEndpoint):
    """Be a client of Directus' "Refresh" (``POST /auth/refresh``, mode ``json``).

    Its ``expires`` is in milliseconds and is not read: the access token is a JWT that says the
    same. Expired is the error code TOKEN_EXPIRED. A 400 is INVALID_PAYLOAD, which is no refusal.
    """

    url: str = "/auth/refresh"
    access: str | None = field(default="data.access_token", kw_only=True)
    refresh: str | None = field(default="data.refresh_token", kw_only=True)
    expires_in: str | None = field(default=None, kw_only=True)
    rejected: tuple[int, ...] = field(default=(401,), kw_only=True)
    extra: Mapping[str, Any] = field(
        default_factory=lambda: {"mode": "json"}, repr=False, hash=False, kw_only=True
    )
    when: Matcher = field(
        default=json_field("errors.0.extensions.code", "TOKEN_EXPIRED"), kw_only=True
    )


@dataclass(frozen=True, repr=False)
class ASPNETCoreIdentity(JSONEndpoint):
    """Be a client of ASP.NET Core's ``MapIdentityApi`` (``POST /refresh``).

    A refused refresh token is a 401. So is an expired access token, with a Bearer challenge that
    gives no error code.
    """

    url: str = "/refresh"
    send: str = field(default="refreshToken", kw_only=True)
    access: str | None = field(default="accessToken", kw_only=True)
    refresh: str | None = field(default="refreshToken", kw_only=True)
    expires_in: str | None = field(default="expiresIn", kw_only=True)
    rejected: tuple[int, ...] = field(default=(401,), kw_only=True)
    when: Matcher = field(default=bearer_challenge(None), kw_only=True)


@dataclass(frozen=True, repr=False)
class Express(JSONEndpoint):
    """Be a client of a Node server written in Express' habit, in camelCase.

    There is no such package and so no documented path: `url` is the author's. Nor is there a rule
    for "expired": any 401 is taken for it.
    """

    send: str = field(default="refreshToken", kw_only=True)
    access: str | None = field(default="accessToken", kw_only=True)
    refresh: str | None = field(default="refreshToken", kw_only=True)
    expires_in: str | None = field(default="expiresIn", kw_only=True)
