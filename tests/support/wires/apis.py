"""APIs behind RFC 6749 with ways of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.wires.base import CLIENT, JSON, Client, Held, Says, Wire, bearer
from tests.support.wires.providers import BASIC, make_wire

if TYPE_CHECKING:
    import requests


def make_form(held: Held, **others: str) -> dict[str, str]:
    """Return RFC 6749 §6, with the secret in the form."""
    form = {"grant_type": "refresh_token", "refresh_token": held["refresh"], **CLIENT}
    return {**form, **others}


def refresh_github(client: Client, held: Held, **others: str) -> requests.Response:
    return client.post("/login/oauth/access_token", data=make_form(held, **others), headers=JSON)


def refresh_slack(client: Client, held: Held, **others: str) -> requests.Response:
    return client.post("/api/oauth.v2.access", data=make_form(held, **others))


def refresh_shopify(client: Client, held: Held, **others: str) -> requests.Response:
    return client.post("/admin/oauth/access_token", data=make_form(held, **others))


def call_shopify(client: Client, held: Held) -> requests.Response:
    return client.get("/api/x", headers={"X-Shopify-Access-Token": held["access"]})


def slack(**fields: Any) -> dict[str, Any]:
    return {"ok": False, **fields}


WIRES = {
    "github": Wire(
        refresh=refresh_github,
        gives=Says(200, {"token_type": "bearer", "expires_in": 28800}),
        expired=Says(401, {"message": "Bad credentials"}),
        anonymous=Says(401, {"message": "Requires authentication"}),
        refused=Says(200, {"error": "bad_refresh_token", "access_token": None}),
        throttled=Says(403, headers={"Retry-After": "1"}),
        wrong=(
            (
                lambda client, held: refresh_github(client, held, grant_type="another"),
                Says(200, {"error": "unsupported_grant_type"}),
            ),
            (
                lambda client, held: refresh_github(client, held, client_secret="another"),
                Says(200, {"error": "incorrect_client_credentials"}),
            ),
            (
                lambda client, held: client.post(
                    "/login/oauth/access_token", json=make_form(held), headers=JSON
                ),
                Says(200, {"error": "unsupported_grant_type"}),
            ),
        ),
    ),
    "slack": Wire(
        refresh=refresh_slack,
        gives=Says(200, {"ok": True, "token_type": "bot", "expires_in": 43200}),
        logout=lambda client, held: client.post("/api/auth.revoke", headers=bearer(held)),
        expired=Says(200, slack(error="token_expired")),
        anonymous=Says(200, slack(error="not_authed")),
        stranger=Says(200, slack(error="invalid_auth")),
        refused=Says(200, slack(error="invalid_refresh_token")),
        throttled=Says(429, slack(error="ratelimited"), {"Retry-After": "1"}),
        wrong=(
            (
                lambda client, held: refresh_slack(client, held, grant_type="another"),
                Says(200, slack(error="invalid_grant_type")),
            ),
            (
                lambda client, held: refresh_slack(client, held, client_secret="another"),
                Says(200, slack(error="bad_client_secret")),
            ),
            (
                lambda client, held: client.get("/api/x", params={"token": held["access"]}),
                Says(200, slack(error="not_authed")),
            ),
            (
                lambda client, _held: client.get(
                    "/api/x", headers={"Authorization": "Bearer nonsense"}
                ),
                Says(200, slack(error="invalid_auth")),
            ),
        ),
    ),
    "shopify": Wire(
        refresh=refresh_shopify,
        gives=Says(200, {"expires_in": 3600, "refresh_token_expires_in": 7_776_000}),
        call=call_shopify,
        expired=Says(
            401,
            {
                "errors": "[API] Invalid API key or access token "
                "(unrecognized login or wrong password)"
            },
        ),
        refused=Says(400, {"error": "invalid_grant"}),
        throttled=Says(429, headers={"Retry-After": "2.0"}),
        wrong=(
            (
                lambda client, held: refresh_shopify(client, held, grant_type="another"),
                Says(400, {"error": "unsupported_grant_type"}),
            ),
            (
                lambda client, held: refresh_shopify(client, held, refresh_token=""),
                Says(400, {"error": "invalid_request"}),
            ),
            (
                lambda client, held: refresh_shopify(client, held, client_secret="another"),
                Says(401, {"error": "invalid_client"}),
            ),
            (lambda client, held: client.get("/api/x", headers=bearer(held)), Says(401)),
        ),
    ),
    "strava": make_wire(
        "/api/v3/oauth/token",
        gives=Says(200, {"token_type": "Bearer", "expires_in": 21600}),
        expired=Says(401, {"errors.0.resource": "Athlete"}),
        refused=Says(400, {"errors.0.code": "invalid", "errors.0.resource": "RefreshToken"}),
        throttled=Says(429, {"errors.0.code": "exceeded"}, {"Retry-After": None}),
        bad_client=Says(401, {"errors.0.code": "invalid", "errors.0.resource": "Application"}),
        bad_grant=Says(400, {"errors.0.field": "grant_type"}),
        missing=Says(400, {"errors.0.code": "invalid"}),
        anonymous=Says(401, {"errors.0.resource": "Athlete"}),
        logout=lambda client, held: client.post("/oauth/deauthorize", headers=bearer(held)),
    ),
    "fitbit": make_wire(
        "/oauth2/token",
        auth=BASIC,
        form={},
        gives=Says(200, {"expires_in": 28800}),
        expired=Says(401, {"errors.0.errorType": "expired_token"}),
        refused=Says(400, {"errors.0.errorType": "invalid_grant", "success": False}),
        bad_client=Says(401, {"errors.0.errorType": "invalid_client"}),
        bad_grant=Says(400, {"errors.0.errorType": "unsupported_grant_type"}),
        missing=Says(400, {"errors.0.errorType": "invalid_request"}),
        anonymous=Says(401, {"errors.0.errorType": "invalid_request"}),
        stranger=Says(401, {"errors.0.errorType": "invalid_token"}),
        revoke="/oauth2/revoke",
    ),
    "hubspot": make_wire(
        "/oauth/v3/token",
        gives=Says(200, {"token_type": "bearer", "expires_in": 1800}),
        expired=Says(401, {"category": "EXPIRED_AUTHENTICATION"}),
        refused=Says(400, {"status": "BAD_REFRESH_TOKEN", "error": None}),
        bad_client=Says(400, {"status": "BAD_CLIENT_SECRET"}),
        bad_grant=Says(400, {"status": "BAD_GRANT_TYPE"}),
        missing=Says(400, {"status": "BAD_REFRESH_TOKEN"}),
        anonymous=Says(401, {"category": "INVALID_AUTHENTICATION"}),
    ),
    "zoho": make_wire(
        "/oauth/v2/token",
        gives=Says(200, {"api_domain": "https://www.zohoapis.com", "refresh_token": None}),
        call=lambda client, held: client.get(
            "/api/x", headers={"Authorization": f"Zoho-oauthtoken {held['access']}"}
        ),
        expired=Says(401, {"code": "INVALID_TOKEN"}),
        refused=Says(200, {"error": "invalid_code"}),
        throttled=Says(400, {"error": "Access Denied", "status": "failure"}),
        bad_client=Says(200, {"error": "invalid_client"}),
        bad_grant=Says(200, {"error": "unsupported_grant_type"}),
        missing=Says(200, {"error": "invalid_code"}),
        anonymous=Says(401, {"code": "AUTHENTICATION_FAILURE"}),
        logout=lambda client, held: client.post(
            "/oauth/v2/token/revoke", params={"token": held["refresh"]}
        ),
        wrong=((lambda client, held: client.get("/api/x", headers=bearer(held)), Says(401)),),
    ),
    "salesforce": make_wire(
        "/services/oauth2/token",
        gives=Says(
            200,
            {"instance_url": "https://example.my.salesforce.com", "expires_in": None},
        ),
        expired=Says(401, {"0.errorCode": "INVALID_SESSION_ID"}),
        anonymous=Says(401, {"0.errorCode": "INVALID_SESSION_ID"}),
        revoke="/services/oauth2/revoke",
        throttled=Says(403, {"0.errorCode": "REQUEST_LIMIT_EXCEEDED"}),
        bad_client=Says(400, {"error": "invalid_client"}),
    ),
    "amazon-sp-api": make_wire(
        "/auth/o2/token",
        gives=Says(200, {"token_type": "bearer", "expires_in": 3600}),
        call=lambda client, held: client.get(
            "/api/x", headers={"x-amz-access-token": held["access"]}
        ),
        expired=Says(403, {"errors.0.code": "Unauthorized"}),
        anonymous=Says(403, {"errors.0.code": "Unauthorized"}),
        stranger=Says(403, {"errors.0.details": "The access token you provided is invalid."}),
        throttled=Says(429, {"errors.0.code": "QuotaExceeded"}),
        wrong=((lambda client, held: client.get("/api/x", headers=bearer(held)), Says(403)),),
    ),
    "bluesky-oauth": make_wire(
        "/oauth/token",
        form={"client_id": "client-id"},
        gives=Says(200, {"token_type": "DPoP"}),
        call=lambda client, held: client.get(
            "/api/x", headers={"Authorization": f"DPoP {held['access']}"}
        ),
        expired=Says(401, {"error": "invalid_token"}),
        anonymous=Says(401, {"error": "AuthMissing"}, {"WWW-Authenticate": "DPoP"}),
        revoke="/oauth/revoke",
        throttled=Says(429, {"error": "RateLimitExceeded"}),
        wrong=((lambda client, held: client.get("/api/x", headers=bearer(held)), Says(401)),),
    ),
}
