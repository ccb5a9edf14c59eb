"""Back ends that others run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.wires.base import Client, Held, Says, Wire, bearer, read

if TYPE_CHECKING:
    import requests


def refresh_firebase(
    client: Client, held: Held, path: str = "/v1/token?key=api-key", **others: str
) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": held["refresh"], **others}
    return client.post(path, data=form)


def ask_cognito(
    client: Client, operation: str, media_type: str = "application/x-amz-json-1.1", **body: Any
) -> requests.Response:
    headers = {
        "Content-Type": media_type,
        "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
    }
    return client.send("POST", "/", json={"ClientId": "client-id", **body}, headers=headers)


def refresh_cognito(client: Client, held: Held, **others: Any) -> requests.Response:
    body: dict[str, Any] = {
        "AuthFlow": "REFRESH_TOKEN_AUTH",
        "AuthParameters": {"REFRESH_TOKEN": held["refresh"]},
    }
    return ask_cognito(client, **{"operation": "InitiateAuth", **body, **others})


def post_xrpc(client: Client, method: str, token: str, **sent: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post(f"/xrpc/com.atproto.server.{method}", headers=headers, **sent)


WIRES = {
    "firebase": Wire(
        refresh=refresh_firebase,
        gives=Says(200, {"expires_in": "3600", "token_type": "Bearer"}),
        read=lambda response: read(response, "id_token"),
        login=lambda client, password: client.post(
            "/v1/accounts:signInWithPassword?key=api-key",
            json={"email": "alice", "password": password, "returnSecureToken": True},
        ),
        read_login=lambda response: read(response, "idToken", "refreshToken"),
        bad_password=Says(400, {"error.message": "INVALID_LOGIN_CREDENTIALS"}),
        expired=Says(401, {"error.status": "UNAUTHENTICATED"}),
        refused=Says(400, {"error.code": 400, "error.message": "TOKEN_EXPIRED"}),
        throttled=Says(429, {"error.status": "RESOURCE_EXHAUSTED"}, {"Retry-After": "1"}),
        wrong=(
            (lambda client, held: refresh_firebase(client, held, "/v1/token"), Says(403)),
            (
                lambda client, held: refresh_firebase(client, held, "/v1/token?key=another"),
                Says(400, {"error.message": "API key not valid. Please pass a valid API key."}),
            ),
            (
                lambda client, held: refresh_firebase(client, held, refresh_token="nonsense"),
                Says(400, {"error.message": "INVALID_REFRESH_TOKEN"}),
            ),
            (
                lambda client, held: client.post(
                    "/v1/token?key=api-key",
                    json={"grant_type": "refresh_token", "refresh_token": held["refresh"]},
                ),
                Says(400, {"error.message": "INVALID_GRANT_TYPE"}),
            ),
        ),
    ),
    "cognito": Wire(
        refresh=refresh_cognito,
        gives=Says(
            200,
            {
                "AuthenticationResult.ExpiresIn": 3600,
                "AuthenticationResult.TokenType": "Bearer",
                "AuthenticationResult.RefreshToken": None,
            },
        ),
        read=lambda response: read(
            response, "AuthenticationResult.AccessToken", "AuthenticationResult.RefreshToken"
        ),
        login=lambda client, password: ask_cognito(
            client,
            "InitiateAuth",
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "alice", "PASSWORD": password},
        ),
        bad_password=Says(400, {"__type": "NotAuthorizedException"}),
        logout=lambda client, held: ask_cognito(client, "RevokeToken", Token=held["refresh"]),
        expired=Says(401, {"message": "The incoming token has expired"}),
        refused=Says(400, {"__type": "NotAuthorizedException"}),
        throttled=Says(400, {"__type": "TooManyRequestsException"}),
        wrong=(
            (
                lambda client, held: refresh_cognito(client, held, media_type="application/json"),
                Says(400, {"__type": "UnknownOperationException"}),
            ),
            (
                lambda client, held: refresh_cognito(client, held, operation="SignUp"),
                Says(400, {"__type": "UnknownOperationException"}),
            ),
            (
                lambda client, held: refresh_cognito(client, held, ClientId="another"),
                Says(400, {"__type": "ResourceNotFoundException"}),
            ),
            (
                lambda client, held: refresh_cognito(client, held, AuthParameters={}),
                Says(400, {"__type": "InvalidParameterException"}),
            ),
        ),
    ),
    "nhost": Wire(
        refresh=lambda client, held: client.post(
            "/v1/token", json={"refreshToken": held["refresh"]}
        ),
        gives=Says(200, {"accessTokenExpiresIn": 900}),
        read=lambda response: read(response, "accessToken", "refreshToken"),
        login=lambda client, password: client.post(
            "/v1/signin/email-password", json={"email": "alice", "password": password}
        ),
        read_login=lambda response: read(response, "session.accessToken", "session.refreshToken"),
        bad_password=Says(401, {"error": "invalid-email-password"}),
        logout=lambda client, held: client.post(
            "/v1/signout", json={"refreshToken": held["refresh"]}
        ),
        call=lambda client, held: client.post(
            "/v1/graphql", json={"query": "{ me { id } }"}, headers=bearer(held)
        ),
        expired=Says(200, {"errors.0.extensions.code": "invalid-jwt", "data": None}),
        refused=Says(401, {"error": "invalid-refresh-token"}),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (
                lambda client, held: client.post(
                    "/v1/token", data={"refreshToken": held["refresh"]}
                ),
                Says(400, {"error": "invalid-request"}),
            ),
            (
                lambda client, held: client.post(
                    "/v1/token", json={"refresh_token": held["refresh"]}
                ),
                Says(400, {"error": "invalid-request"}),
            ),
        ),
    ),
    "bluesky": Wire(
        refresh=lambda client, held: post_xrpc(client, "refreshSession", held["refresh"]),
        read=lambda response: read(response, "accessJwt", "refreshJwt"),
        login=lambda client, password: client.post(
            "/xrpc/com.atproto.server.createSession",
            json={"identifier": "alice", "password": password},
        ),
        bad_password=Says(401, {"error": "AuthenticationRequired"}),
        logout=lambda client, held: post_xrpc(client, "deleteSession", held["refresh"]),
        expired=Says(400, {"error": "ExpiredToken"}),
        refused=Says(400, {"error": "ExpiredToken"}),
        throttled=Says(429, {"error": "RateLimitExceeded"}),
        wrong=(
            (
                lambda client, held: post_xrpc(client, "refreshSession", held["refresh"], json={}),
                Says(400, {"error": "InvalidRequest"}),
            ),
            (
                lambda client, held: post_xrpc(client, "refreshSession", held["access"]),
                Says(400),
            ),
            (
                lambda client, _held: client.post("/xrpc/com.atproto.server.refreshSession"),
                Says(401, {"error": "AuthMissing"}),
            ),
        ),
    ),
}
