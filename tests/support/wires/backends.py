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


KEY = {"apikey": "api-key"}


def refresh_supabase(
    client: Client, held: Held, grant: str = "?grant_type=refresh_token", **headers: str
) -> requests.Response:
    body = {"refresh_token": held["refresh"]}
    return client.post(f"/auth/v1/token{grant}", json=body, headers=headers)


def log_in_matrix(client: Client, password: str, **others: Any) -> requests.Response:
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "alice"},
        "password": password,
        "refresh_token": True,
    }
    return client.post("/_matrix/client/v3/login", json={**body, **others})


def refresh_matrix(client: Client, held: Held, **others: Any) -> requests.Response:
    sent = others or {"json": {"refresh_token": held["refresh"]}}
    return client.post("/_matrix/client/v3/refresh", **sent)


def refresh_directus(client: Client, held: Held, **others: Any) -> requests.Response:
    sent = others or {"json": {"refresh_token": held["refresh"], "mode": "json"}}
    return client.post("/auth/refresh", **sent)


WIRES = {
    "supabase": Wire(
        refresh=lambda client, held: refresh_supabase(client, held, **KEY),
        gives=Says(200, {"token_type": "bearer", "expires_in": 3600}),
        login=lambda client, password: client.post(
            "/auth/v1/token?grant_type=password",
            json={"email": "alice", "password": password},
            headers=KEY,
        ),
        bad_password=Says(400, {"error_code": "invalid_credentials"}),
        logout=lambda client, held: client.post("/auth/v1/logout", headers={**bearer(held), **KEY}),
        call=lambda client, held: client.get("/rest/v1/x", headers={**bearer(held), **KEY}),
        expired=Says(401, {"code": "PGRST301"}),
        api_headers=KEY,
        anonymous=Says(401, {"code": "42501"}),
        refused=Says(400, {"error_code": "refresh_token_not_found"}),
        throttled=Says(429, {"error_code": "over_request_rate_limit"}, {"Retry-After": "1"}),
        wrong=(
            (
                refresh_supabase,
                Says(401, {"message": "No API key found in request", "code": None}),
            ),
            (
                lambda client, held: refresh_supabase(client, held, apikey="another"),
                Says(401, {"message": "Invalid API key"}),
            ),
            (
                lambda client, _held: client.post(
                    "/auth/v1/token?grant_type=refresh_token", json={"a": 1}, headers=KEY
                ),
                Says(400, {"error_code": "validation_failed"}),
            ),
            (
                lambda client, held: refresh_supabase(client, held, "", **KEY),
                Says(400, {"error": "unsupported_grant_type"}),
            ),
            (
                lambda client, held: client.get("/rest/v1/x", headers=bearer(held)),
                Says(401, {"message": "No API key found in request"}),
            ),
        ),
    ),
    "matrix": Wire(
        refresh=refresh_matrix,
        gives=Says(200, {"expires_in_ms": 300_000, "expires_in": None}),
        login=log_in_matrix,
        bad_password=Says(403, {"errcode": "M_FORBIDDEN"}),
        logout=lambda client, held: client.post("/_matrix/client/v3/logout", headers=bearer(held)),
        expired=Says(401, {"errcode": "M_UNKNOWN_TOKEN", "soft_logout": True}),
        anonymous=Says(401, {"errcode": "M_MISSING_TOKEN"}),
        stranger=Says(401, {"errcode": "M_UNKNOWN_TOKEN", "soft_logout": False}),
        refused=Says(401, {"errcode": "M_UNKNOWN_TOKEN"}),
        throttled=Says(
            429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1000}, {"Retry-After": "1"}
        ),
        wrong=(
            (
                lambda client, held: refresh_matrix(
                    client, held, data={"refresh_token": held["refresh"]}
                ),
                Says(400, {"errcode": "M_NOT_JSON"}),
            ),
            (lambda client, held: refresh_matrix(client, held, json={"a": 1}), Says(400)),
        ),
    ),
    "directus": Wire(
        refresh=refresh_directus,
        gives=Says(200, {"data.expires": 900_000, "access_token": None}),
        read=lambda response: read(response, "data.access_token", "data.refresh_token"),
        login=lambda client, password: client.post(
            "/auth/login", json={"email": "alice", "password": password}
        ),
        bad_password=Says(401, {"errors.0.extensions.code": "INVALID_CREDENTIALS"}),
        logout=lambda client, held: client.post(
            "/auth/logout", json={"refresh_token": held["refresh"], "mode": "json"}
        ),
        expired=Says(401, {"errors.0.extensions.code": "TOKEN_EXPIRED"}),
        anonymous=Says(403, {"errors.0.extensions.code": "FORBIDDEN"}),
        stranger=Says(403, {"errors.0.extensions.code": "INVALID_TOKEN"}),
        refused=Says(401, {"errors.0.extensions.code": "INVALID_CREDENTIALS"}),
        throttled=Says(
            429, {"errors.0.extensions.code": "REQUESTS_EXCEEDED"}, {"Retry-After": "1"}
        ),
        wrong=(
            (
                lambda client, held: refresh_directus(
                    client, held, json={"refreshToken": held["refresh"]}
                ),
                Says(400, {"errors.0.extensions.code": "INVALID_PAYLOAD"}),
            ),
        ),
    ),
    "pocketbase": Wire(
        refresh=lambda client, held: client.post(
            "/api/collections/users/auth-refresh", headers=bearer(held)
        ),
        read=lambda response: read(response, "token"),
        login=lambda client, password: client.post(
            "/api/collections/users/auth-with-password",
            json={"identity": "alice", "password": password},
        ),
        bad_password=Says(400, {"message": "Failed to authenticate."}),
        expired=Says(401, {"status": 401, "data": {}}),
        refused=Says(401, {"status": 401}),
        throttled=Says(429, {"status": 429}, {"Retry-After": "1"}),
        wrong=(
            (
                lambda client, held: client.post(
                    "/api/collections/users/auth-refresh", json={"token": held["access"]}
                ),
                Says(401),
            ),
        ),
    ),
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
                lambda client, held: refresh_firebase(client, held, grant_type="password"),
                Says(400, {"error.message": "INVALID_GRANT_TYPE"}),
            ),
            (
                lambda client, held: refresh_firebase(client, held, refresh_token=""),
                Says(400, {"error.message": "MISSING_REFRESH_TOKEN"}),
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
        anonymous=Says(401, {"message": "Unauthorized"}),
        stranger=Says(401, {"message": "Unauthorized"}),
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
                lambda client, held: refresh_cognito(
                    client, held, AuthParameters={"REFRESH_TOKEN": "nonsense"}
                ),
                Says(400, {"message": "Invalid Refresh Token"}),
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
        anonymous=Says(200, {"errors.0.extensions.code": "invalid-headers"}),
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
        anonymous=Says(401, {"error": "AuthMissing"}),
        stranger=Says(400, {"error": "InvalidToken"}),
        refused=Says(400, {"error": "ExpiredToken"}),
        throttled=Says(429, {"error": "RateLimitExceeded"}),
        wrong=(
            (
                lambda client, held: post_xrpc(client, "refreshSession", held["refresh"], json={}),
                Says(400, {"error": "InvalidRequest"}),
            ),
            (
                lambda client, _held: post_xrpc(client, "refreshSession", "stranger"),
                Says(400, {"error": "InvalidToken"}),
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
