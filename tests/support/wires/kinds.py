"""Kinds of servers without a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.wires.base import Client, Says, Wire

if TYPE_CHECKING:
    import requests


def post_client_credentials(
    client: Client, secret: str = "client-secret", **others: str
) -> requests.Response:
    form = {"grant_type": "client_credentials", **others}
    return client.post("/oauth/token", data=form, auth=("client-id", secret))


WIRES = {
    "client-credentials": Wire(
        refresh=lambda client, _held: post_client_credentials(client),
        gives=Says(200, {"token_type": "Bearer", "expires_in": 300, "refresh_token": None}),
        expired=Says(401),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (
                lambda client, _held: post_client_credentials(client, "another"),
                Says(401, {"error": "invalid_client"}, {"WWW-Authenticate": 'Basic realm="token"'}),
            ),
            (
                lambda client, _held: post_client_credentials(client, grant_type="password"),
                Says(400, {"error": "unsupported_grant_type"}),
            ),
        ),
    ),
}
