"""Identity providers that speak RFC 6749 to the letter, or nearly so."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.likes import oauth
from requests_jwt_refresh.testing.likes.oauth import BODY, CHALLENGE, error
from requests_jwt_refresh.testing.shapes import Errors, Slot, say, throttle

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.shapes import Shape

SHAPES: Final[dict[str, Shape]] = {}

_KEPT: Final = {**BODY, "refresh_token": Slot.KEPT}

SHAPES["auth0"] = oauth.shape(
    oauth.ask(
        "/oauth/token",
        encoding=("form", "json"),
        body={**BODY, "scope": "openid offline_access"},
        errors=oauth.errors(
            error("invalid_grant", "Unknown or invalid refresh token.", 403),
            client=error("access_denied", "Unauthorized", 401),
        ),
    ),
    logout=oauth.revocation("/oauth/revoke", encoding=("form", "json")),
    throttled=throttle(
        {"error": "too_many_requests", "error_description": "Global limit has been reached"}
    ),
    options={"lifetime": 86_400.0},
)
SHAPES["okta"] = oauth.shape(
    oauth.ask(
        "/oauth2/default/v1/token",
        body={**_KEPT, "scope": "offline_access"},
        errors=oauth.errors(
            error("invalid_grant", "The refresh token is invalid or expired."),
            client=error("invalid_client", "Invalid value for 'client_id' parameter.", 401),
        ),
    ),
    logout=oauth.revocation("/oauth2/default/v1/revoke"),
    throttled=throttle(
        {
            "errorCode": "E0000047",
            "errorSummary": "API call exceeded rate limit due to too many requests.",
        }
    ),
    options={"rotate": False, "lifetime": 3600.0},
)

_REALM: Final = "/realms/master/protocol/openid-connect"
_KEYCLOAK: Final = oauth.ask(
    f"{_REALM}/token",
    body={
        **BODY,
        "refresh_expires_in": Slot.REFRESH_SECONDS,
        "not-before-policy": 0,
        "scope": "profile email",
    },
    errors=oauth.errors(
        error("invalid_grant", "Token is not active"),
        garbage=error("invalid_grant", "Invalid refresh token"),
        reused=error("invalid_grant", "Maximum allowed refresh token reuse exceeded"),
        client=error("unauthorized_client", "Invalid client or Invalid client credentials", 401),
    ),
)
SHAPES["keycloak"] = oauth.shape(
    _KEYCLOAK,
    login=(
        oauth.password_login(
            _KEYCLOAK, refused=error("invalid_grant", "Invalid user credentials", 401)
        ),
    ),
    logout=oauth.revocation(f"{_REALM}/revoke"),
    refresh_lifetime=1800,
    # An old refresh token stays good unless "Revoke Refresh Token" is on.
    options={"grace": math.inf, "lifetime": 300.0},
)

SHAPES["xero"] = oauth.shape(
    oauth.ask(
        "/connect/token", client=("basic",), body={**BODY, "scope": "offline_access accounting"}
    ),
    logout=oauth.revocation("/connect/revocation", client=("basic",)),
    api_errors=oauth.api(
        say(401, {"Title": "Unauthorized", "Status": 401, "Detail": "TokenExpired: token expired"})
    ),
    options={"grace": 1800.0, "lifetime": 1800.0},
)
SHAPES["quickbooks"] = oauth.shape(
    oauth.ask(
        "/oauth2/v1/tokens/bearer",
        client=("basic",),
        body={
            **_KEPT,
            "token_type": "bearer",
            "x_refresh_token_expires_in": Slot.REFRESH_SECONDS,
        },
    ),
    logout=oauth.revocation(
        "/v2/oauth2/tokens/revoke", client=("basic",), encoding=("json", "form")
    ),
    api_errors=oauth.api(
        say(
            401,
            {
                "fault": {
                    "error": [
                        {
                            "message": "message=AuthenticationFailed; errorCode=003200",
                            "code": "3200",
                        }
                    ],
                    "type": "AUTHENTICATION",
                }
            },
        )
    ),
    refresh_lifetime=8_726_400,
    options={"rotate": False, "opaque": True, "lifetime": 3600.0},
)


def _spotify(status: int, message: str) -> dict[str, Any]:
    return {"error": {"status": status, "message": message}}


SHAPES["spotify"] = oauth.shape(
    oauth.ask(
        "/api/token",
        client=("basic",),
        body={**BODY, "scope": "user-read-private"},
        errors=oauth.errors(
            error("invalid_grant", "Refresh token revoked"),
            garbage=error("invalid_grant", "Invalid refresh token"),
            client=error("invalid_client", "Invalid client secret"),
        ),
    ),
    api_errors=oauth.api(
        say(401, _spotify(401, "The access token expired")),
        garbage=say(401, _spotify(401, "Invalid access token")),
        missing=say(401, _spotify(401, "No token provided")),
    ),
    throttled=throttle(_spotify(429, "API rate limit exceeded")),
    options={"rotate": False, "opaque": True, "lifetime": 3600.0},
)
SHAPES["google"] = oauth.shape(
    oauth.ask(
        "/token",
        encoding=("form", "json"),
        body={**BODY, "scope": "https://www.googleapis.com/auth/drive.readonly"},
        errors=oauth.errors(
            error("invalid_grant", "Token has been expired or revoked."),
            garbage=error("invalid_grant", "Bad Request"),
            client=error("invalid_client", "The OAuth client was not found.", 401),
        ),
    ),
    logout=oauth.revocation("/revoke", client=(), encoding=("form", "query")),
    api_errors=oauth.api(
        say(
            401,
            {
                "error": {
                    "code": 401,
                    "message": "Request had invalid authentication credentials.",
                    "status": "UNAUTHENTICATED",
                }
            },
        )
    ),
    prefixes=("ya29.", "1//"),
    options={"rotate": False, "opaque": True, "lifetime": 3599.0},
)
SHAPES["tesla"] = oauth.shape(
    oauth.ask("/oauth2/v3/token", client=("public", "post"), encoding=("form", "json")),
    options={"grace": 86_400.0, "lifetime": 28_800.0},
)
SHAPES["home-assistant"] = oauth.shape(
    oauth.ask(
        "/auth/token",
        client=("public",),
        errors=oauth.errors(client=error("invalid_request")),
    ),
    logout=oauth.revocation("/auth/revoke", client=()),
    api_errors=oauth.api(say(401)),
    options={"rotate": False, "lifetime": 1800.0},
)


def _aadsts(code: str, number: int, text: str, status: int = 400) -> Any:
    return error(code, f"AADSTS{number}: {text}", status, error_codes=[number])


SHAPES["entra-id"] = oauth.shape(
    oauth.ask(
        "/common/oauth2/v2.0/token",
        needs=("scope",),
        body={**BODY, "ext_expires_in": Slot.SECONDS, "scope": "User.Read"},
        errors=oauth.errors(
            _aadsts("invalid_grant", 700_082, "The refresh token has expired due to inactivity."),
            garbage=_aadsts("invalid_grant", 9_002_313, "Invalid request."),
            missing=_aadsts(
                "invalid_request", 900_144, "The request body must contain: 'refresh_token'."
            ),
            shape=_aadsts("unsupported_grant_type", 70_003, "The grant type is not supported."),
            field=_aadsts("invalid_request", 900_144, "The request body must contain: 'scope'."),
            client=_aadsts("invalid_client", 7_000_215, "Invalid client secret provided.", 401),
        ),
    ),
    api_errors=Errors(
        say(
            401,
            {
                "error": {
                    "code": "InvalidAuthenticationToken",
                    "message": "Lifetime validation failed, the token is expired.",
                }
            },
            WWW_Authenticate=CHALLENGE,
        )
    ),
    options={"grace": math.inf, "lifetime": 3600.0},
)
