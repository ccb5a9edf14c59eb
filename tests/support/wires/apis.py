"""APIs behind RFC 6749 with ways of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.wires.base import CLIENT, JSON, Client, Held, Says, Wire, bearer

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
        refused=Says(200, {"error": "bad_refresh_token", "access_token": None}),
        throttled=Says(403, headers={"Retry-After": "1"}),
        wrong=(
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
        refused=Says(200, slack(error="invalid_refresh_token")),
        throttled=Says(429, slack(error="ratelimited"), {"Retry-After": "1"}),
        wrong=(
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
                lambda client, held: refresh_shopify(client, held, client_secret="another"),
                Says(401, {"error": "invalid_client"}),
            ),
            (lambda client, held: client.get("/api/x", headers=bearer(held)), Says(401)),
        ),
    ),
}
