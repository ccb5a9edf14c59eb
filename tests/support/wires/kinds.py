"""Kinds of servers without a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.wires.base import Client, Held, Says, Wire, bearer, read

if TYPE_CHECKING:
    import requests


def post_client_credentials(
    client: Client, secret: str = "client-secret", **others: str
) -> requests.Response:
    form = {"grant_type": "client_credentials", **others}
    return client.post("/oauth/token", data=form, auth=("client-id", secret))


REFUSED = Says(401, {"error": "invalid_grant"})


def log_in(client: Client, password: str) -> requests.Response:
    return client.post("/auth/login", json={"username": "alice", "password": password})


def refresh(client: Client, held: Held) -> requests.Response:
    return client.post("/auth/refresh", json={"refresh_token": held["refresh"]})


def make_json_wire(**others: Any) -> Wire:
    usual: dict[str, Any] = {
        "refresh": refresh,
        "login": log_in,
        "bad_password": Says(401),
        "logout": lambda client, held: client.post(
            "/auth/logout", json={"refresh_token": held["refresh"]}
        ),
        "expired": Says(401),
        "anonymous": Says(401, headers={"WWW-Authenticate": "Bearer"}),
        "refused": REFUSED,
        "throttled": Says(429, headers={"Retry-After": "1"}),
        "wrong": (
            (
                lambda client, held: client.post(
                    "/auth/refresh", data={"refresh_token": held["refresh"]}
                ),
                Says(400, {"error": "invalid_request"}),
            ),
        ),
    }
    return Wire(**{**usual, **others})


def refresh_with_both(client: Client, held: Held, **others: str) -> requests.Response:
    body = {"accessToken": held["access"], "refreshToken": held["refresh"], **others}
    return client.post("/auth/refresh", json=body)


def call_by_session(client: Client, held: Held) -> requests.Response:
    return client.get("/api/x", headers={"X-Auth-Token": held["access"]})


def call_graphql(client: Client, held: Held) -> requests.Response:
    return client.post("/graphql", json={"query": "{ me { id } }"}, headers=bearer(held))


WIRES = {
    "sliding": make_json_wire(),
    "epoch-ms": make_json_wire(),
    "rfc3339": make_json_wire(),
    "graphql-list": make_json_wire(
        call=call_graphql,
        anonymous=Says(200, {"errors.1.extensions.code": "UNAUTHENTICATED"}),
        expired=Says(
            200,
            {
                "data": None,
                "errors.0.extensions.code": "DEPRECATED_FIELD",
                "errors.1.extensions.code": "UNAUTHENTICATED",
            },
        ),
    ),
    "both-tokens": make_json_wire(
        refresh=refresh_with_both,
        read=lambda response: read(response, "accessToken", "refreshToken"),
        logout=lambda client, held: client.post(
            "/auth/logout", json={"refreshToken": held["refresh"]}
        ),
        refused=Says(400),
        wrong=(
            (
                lambda client, held: client.post(
                    "/auth/refresh", json={"refreshToken": held["refresh"]}
                ),
                Says(400),
            ),
            (
                lambda client, held: refresh_with_both(client, held, accessToken="another"),
                Says(400),
            ),
        ),
    ),
    "session-header": Wire(
        login=log_in,
        read=lambda response: {"access": response.headers["X-Auth-Token"]},
        bad_password=Says(401),
        logout=lambda client, held: client.send(
            "DELETE", "/auth/logout", headers={"X-Auth-Token": held["access"]}
        ),
        call=call_by_session,
        expired=Says(401),
        throttled=Says(429),
        wrong=((lambda client, held: client.get("/api/x", headers=bearer(held)), Says(401)),),
    ),
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
