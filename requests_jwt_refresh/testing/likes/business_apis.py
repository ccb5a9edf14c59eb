"""APIs of business software behind RFC 6749: Shopify, Salesforce, Amazon, HubSpot, Zoho."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.likes import oauth
from requests_jwt_refresh.testing.likes.oauth import BODY, error
from requests_jwt_refresh.testing.shapes import Errors, InHeader, Slot, Template, say, throttle

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status
    from requests_jwt_refresh.testing.shapes import Shape

SHAPES: Final[dict[str, Shape]] = {}

_SHOPIFY_401: Final = say(
    401,
    {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"},
)
SHAPES["shopify"] = oauth.shape(
    oauth.ask(
        "/admin/oauth/access_token",
        client=("post",),
        encoding=("form", "json"),
        body={
            "access_token": Slot.ACCESS,
            "expires_in": Slot.SECONDS,
            "refresh_token": Slot.REFRESH,
            "refresh_token_expires_in": Slot.REFRESH_SECONDS,
            "scope": "write_orders,read_customers",
        },
        errors=oauth.errors(
            error("invalid_grant", "The refresh token is invalid or has expired."),
            client=error("invalid_client", "Client authentication failed.", 401),
        ),
    ),
    api=(InHeader("X-Shopify-Access-Token", None),),
    api_errors=Errors(_SHOPIFY_401),
    throttled=throttle(
        {"errors": "Exceeded 2 calls per second for api client."}, retry_after="2.0"
    ),
    prefixes=("shpat_", "shprt_"),
    refresh_lifetime=7_776_000,
    options={"opaque": True, "lifetime": 3600.0},
)
SHAPES["salesforce"] = oauth.shape(
    oauth.ask(
        "/services/oauth2/token",
        body={  # without expires_in
            "access_token": Slot.ACCESS,
            "signature": "2P1ZJHmc2V8wXr5p3wPjhtcY2hSMRhjLZKrXrmMcY0U=",
            "scope": "refresh_token api",
            "instance_url": "https://example.my.salesforce.com",
            "id": "https://login.salesforce.com/id/00D000000000001/005000000000001",
            "token_type": "Bearer",
            "issued_at": Slot.NOW_MS,
            "refresh_token": Slot.REFRESH,
        },
        errors=oauth.errors(
            error("invalid_grant", "expired access/refresh token"),
            client=error("invalid_client", "invalid client credentials"),
        ),
    ),
    logout=oauth.revocation("/services/oauth2/revoke", client=(), encoding=("form", "query")),
    api_errors=Errors(
        say(
            401,
            [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
        )
    ),
    throttled=say(
        403,
        [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}],
    ),
    options={"rotate": False, "opaque": True, "lifetime": 7200.0},
)


def _amazon(status: int, code: str, details: str) -> Status:
    message = "Access to requested resource is denied."
    return say(status, {"errors": [{"code": code, "message": message, "details": details}]})


SHAPES["amazon-sp-api"] = oauth.shape(
    oauth.ask(
        "/auth/o2/token",
        body={**BODY, "token_type": "bearer", "refresh_token": Slot.KEPT},
        errors=oauth.errors(
            error("invalid_grant", "The request has an invalid grant parameter : refresh_token"),
            client=error("invalid_client", "Client authentication failed", 401),
        ),
    ),
    api=(InHeader("x-amz-access-token", None),),
    api_errors=Errors(
        _amazon(403, "Unauthorized", "The access token you provided has expired."),
        garbage=_amazon(403, "Unauthorized", "The access token you provided is invalid."),
        missing=_amazon(403, "Unauthorized", "Access token is missing in the request header."),
    ),
    throttled=throttle(
        {
            "errors": [
                {
                    "code": "QuotaExceeded",
                    "message": "You exceeded your quota for the requested resource.",
                    "details": "",
                }
            ]
        },
        retry_after=None,
    ),
    prefixes=("Atza|", "Atzr|"),
    options={"rotate": False, "opaque": True, "lifetime": 3600.0},
)


# --- HubSpot -------------------------------------------------------------------------------------


def _hubspot(status: int, name: str, message: str, **more: Any) -> Status:
    return say(status, {"status": name, "message": message, **more})


_HUBSPOT: Final = oauth.ask(
    "/oauth/v3/token",
    client=("post",),
    body={**BODY, "token_type": "bearer", "refresh_token": Slot.KEPT},
    errors=Errors(
        _hubspot(400, "BAD_REFRESH_TOKEN", "missing or invalid refresh token"),
        shape=_hubspot(400, "BAD_GRANT_TYPE", "missing or unknown grant type"),
        client=_hubspot(400, "BAD_CLIENT_SECRET", "missing or invalid client secret"),
    ),
)
SHAPES["hubspot"] = replace(
    oauth.shape(
        _HUBSPOT,
        api_errors=Errors(
            _hubspot(
                401,
                "error",
                "The OAuth token used to make this call expired 2 hour(s) ago.",
                category="EXPIRED_AUTHENTICATION",
            ),
            missing=_hubspot(
                401,
                "error",
                "Authentication credentials not found.",
                category="INVALID_AUTHENTICATION",
            ),
        ),
        throttled=throttle(
            {
                "status": "error",
                "message": "You have reached your ten_secondly_rolling limit.",
                "errorType": "RATE_LIMIT",
            }
        ),
        options={"rotate": False, "opaque": True, "lifetime": 1800.0},
    ),
    refresh=(_HUBSPOT, replace(_HUBSPOT, path="/oauth/v1/token")),
)


# --- Zoho ----------------------------------------------------------------------------------------


def _zoho(code: str) -> Status:
    return say(200, {"error": code})


SHAPES["zoho"] = oauth.shape(
    oauth.ask(
        "/oauth/v2/token",
        client=("post",),
        encoding=("form", "query"),
        body={
            "access_token": Slot.ACCESS,
            "api_domain": "https://www.zohoapis.com",
            "refresh_token": Slot.REFRESH,
            "token_type": "Bearer",
            "expires_in": Slot.SECONDS,
        },
        errors=Errors(
            _zoho("invalid_code"),
            shape=_zoho("unsupported_grant_type"),
            client=_zoho("invalid_client"),
        ),
    ),
    logout=oauth.revocation(
        "/oauth/v2/token/revoke",
        client=(),
        encoding=("form", "query"),
        errors=Errors(say(400, {"error": "invalid_token"})),
        answer=Template({"status": "success"}),
    ),
    api=(InHeader(scheme="Zoho-oauthtoken"),),
    api_errors=Errors(
        say(
            401,
            {
                "code": "INVALID_TOKEN",
                "details": {},
                "message": "invalid oauth token",
                "status": "error",
            },
        ),
        missing=say(
            401,
            {
                "code": "AUTHENTICATION_FAILURE",
                "details": {},
                "message": "Authentication failed",
                "status": "error",
            },
        ),
    ),
    throttled=say(
        400,
        {
            "error": "Access Denied",
            "error_description": "You have made too many requests continuously. "
            "Please try again after some time.",
            "status": "failure",
        },
    ),
    prefixes=("1000.", "1000."),
    options={"rotate": False, "opaque": True, "lifetime": 3600.0},
)
