"""Servers written in Python: Django, Flask, FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.wires.base import Client, Held, Says, Wire, read

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

TOKEN_NOT_VALID = {"code": "token_not_valid"}


def post_login(path: str) -> Callable[[Client, str], requests.Response]:
    return lambda client, password: client.post(
        path, json={"username": "alice", "password": password}
    )


def make_bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def make_simplejwt(
    path: str,
    login: str,
    scheme: str,
    logout: Callable[[Client, Held], requests.Response] | None = None,
) -> Wire:
    """Return the views of djangorestframework-simplejwt."""
    other = "Bearer" if scheme == "JWT" else "JWT"
    return Wire(
        refresh=lambda client, held: client.post(path, json={"refresh": held["refresh"]}),
        gives=Says(200, {"refresh": None, "expires_in": None}),
        read=lambda response: read(response, "access", "refresh"),
        login=post_login(login),
        bad_password=Says(401, {"code": None}),
        call=lambda client, held: client.get(
            "/api/x", headers={"Authorization": f"{scheme} {held['access']}"}
        ),
        expired=Says(401, TOKEN_NOT_VALID, {"WWW-Authenticate": f'{scheme} realm="api"'}),
        refused=Says(401, TOKEN_NOT_VALID),
        throttled=Says(429, headers={"Retry-After": "1"}),
        anonymous=Says(401, {"code": None}, {"WWW-Authenticate": f'{scheme} realm="api"'}),
        logout=logout,
        wrong=(
            (
                lambda client, held: client.post(path, json={"refresh_token": held["refresh"]}),
                Says(400, {"refresh": ["This field is required."]}),
            ),
            (lambda client, held: client.post(path, data=held["refresh"]), Says(415)),
            (lambda client, _held: client.get(path), Says(405)),
            (
                lambda client, held: client.get(
                    "/api/x", headers={"Authorization": f"{other} {held['access']}"}
                ),
                Says(401, {"detail": "Authentication credentials were not provided."}),
            ),
        ),
    )


def read_django_cookies(response: requests.Response) -> Held:
    names = {"my-app-auth": "access", "my-refresh-token": "refresh", "csrftoken": "csrf"}
    return {names[each.name]: str(each.value) for each in response.cookies}


def refresh_django(client: Client, held: Held) -> requests.Response:
    cookies = {"my-refresh-token": held["refresh"]}
    return client.post("/dj-rest-auth/token/refresh/", cookies=cookies)


def call_django(client: Client, held: Held, **headers: str) -> requests.Response:
    cookies = {"my-app-auth": held["access"], "csrftoken": held["csrf"]}
    return client.post("/api/x", cookies=cookies, headers=headers)


def post_bearer(path: str) -> Callable[[Client, Held], requests.Response]:
    """Return a refresh whose token goes in Authorization, without a body."""
    return lambda client, held: client.post(path, headers=make_bearer(held["refresh"]))


def read_flask_cookies(response: requests.Response) -> Held:
    names = {
        "access_token_cookie": "access",
        "csrf_access_token": "csrf_access",
        "refresh_token_cookie": "refresh",
        "csrf_refresh_token": "csrf_refresh",
    }
    return {names[each.name]: str(each.value) for each in response.cookies}


def refresh_by_flask_cookie(client: Client, held: Held, **headers: str) -> requests.Response:
    cookies = {"refresh_token_cookie": held["refresh"]}
    return client.post("/refresh", cookies=cookies, headers=headers)


WIRES = {
    "simplejwt": make_simplejwt(
        "/api/token/refresh/",
        "/api/token/",
        "Bearer",
        lambda client, held: client.post(
            "/api/token/blacklist/", json={"refresh": held["refresh"]}
        ),
    ),
    "djoser": make_simplejwt("/auth/jwt/refresh/", "/auth/jwt/create/", "JWT"),
    "dj-rest-auth": Wire(
        refresh=refresh_django,
        gives=Says(200, {"refresh": None}),
        read=read_django_cookies,
        login=post_login("/dj-rest-auth/login/"),
        bad_password=Says(400),
        logout=lambda client, held: client.post(
            "/dj-rest-auth/logout/", cookies={"my-refresh-token": held["refresh"]}
        ),
        call=lambda client, held: call_django(client, held, **{"X-CSRFToken": held["csrf"]}),
        expired=Says(401, TOKEN_NOT_VALID),
        anonymous=Says(401, {"detail": "Authentication credentials were not provided."}),
        refused=Says(401, TOKEN_NOT_VALID),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (call_django, Says(403, {"detail": "CSRF Failed: CSRF token missing."})),
            (
                lambda client, held: client.post(
                    "/dj-rest-auth/token/refresh/", json={"refresh": held["refresh"]}
                ),
                Says(401, {"detail": "No valid refresh token found."}),
            ),
        ),
    ),
    "flask-jwt-extended": Wire(
        refresh=post_bearer("/refresh"),
        gives=Says(200, {"refresh_token": None, "expires_in": None}),
        login=post_login("/login"),
        bad_password=Says(401),
        logout=lambda client, held: client.send(
            "DELETE", "/logout", headers=make_bearer(held["refresh"])
        ),
        expired=Says(401, {"msg": "Token has expired"}, {"WWW-Authenticate": None}),
        anonymous=Says(401, {"msg": "Missing Authorization Header"}),
        stranger=Says(422),
        refused=Says(401, {"msg": "Token has been revoked"}),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (lambda client, _held: client.post("/refresh", headers=make_bearer("x")), Says(422)),
            (  # an access token is not allowed
                lambda client, held: client.post("/refresh", headers=make_bearer(held["access"])),
                Says(422),
            ),
            (  # nor is a refresh token elsewhere
                lambda client, held: client.get("/x", headers=make_bearer(held["refresh"])),
                Says(422),
            ),
            (
                lambda client, held: client.post(
                    "/refresh", json={"refresh_token": held["refresh"]}
                ),
                Says(401, {"msg": "Missing Authorization Header"}),
            ),
        ),
    ),
    "flask-appbuilder": Wire(
        refresh=post_bearer("/api/v1/security/refresh"),
        gives=Says(200, {"refresh_token": None}),
        login=lambda client, password: client.post(
            "/api/v1/security/login",
            json={"username": "alice", "password": password, "provider": "db", "refresh": True},
        ),
        bad_password=Says(401, {"message": "Not authorized"}),
        expired=Says(401, {"msg": "Token has expired"}),
        anonymous=Says(401, {"msg": "Missing Authorization Header"}),
        stranger=Says(422),
        refused=Says(401),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (
                lambda client, _held: client.post(
                    "/api/v1/security/refresh", headers=make_bearer("x")
                ),
                Says(422),
            ),
        ),
    ),
    "authx": Wire(
        refresh=post_bearer("/refresh"),
        login=post_login("/login"),
        bad_password=Says(401),
        expired=Says(422, {"error_type": "TokenExpiredError"}),
        anonymous=Says(401, {"error_type": "MissingTokenError"}),
        stranger=Says(422, {"error_type": "JWTDecodeError"}),
        refused=Says(401, {"error_type": "RevokedTokenError"}),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (lambda client, _held: client.post("/refresh", headers=make_bearer("x")), Says(422)),
            (
                lambda client, held: client.post(
                    "/refresh", data={"refresh_token": held["refresh"]}
                ),
                Says(401, {"error_type": "MissingTokenError"}),
            ),
        ),
    ),
    "fastapi-template": Wire(
        login=lambda client, password: client.post(
            "/login/access-token", data={"username": "alice", "password": password}
        ),
        bad_password=Says(400, {"detail": "Incorrect email or password"}),
        expired=Says(403, {"detail": "Could not validate credentials"}),
        throttled=Says(429),
        wrong=(
            (
                lambda client, _held: client.post(
                    "/login/access-token", json={"username": "alice", "password": "right"}
                ),
                Says(422, {"detail.0.type": "missing"}),
            ),
            (
                lambda client, _held: client.get("/api/x"),
                Says(401, {"detail": "Not authenticated"}),
            ),
        ),
    ),
    "flask-jwt-extended-cookies": Wire(
        refresh=lambda client, held: client.post(
            "/refresh",
            cookies={"refresh_token_cookie": held["refresh"]},
            headers={"X-CSRF-TOKEN": held["csrf_refresh"]},
        ),
        read=read_flask_cookies,
        login=lambda client, password: client.post(
            "/login", json={"username": "alice", "password": password}
        ),
        bad_password=Says(401, {"msg": "Bad username or password"}),
        logout=lambda client, held: client.post(
            "/logout", cookies={"access_token_cookie": held["access"]}
        ),
        call=lambda client, held: client.post(
            "/api/x",
            cookies={"access_token_cookie": held["access"]},
            headers={"X-CSRF-TOKEN": held["csrf_access"]},
        ),
        expired=Says(401, {"msg": "Token has expired"}),
        anonymous=Says(401, {"msg": 'Missing cookie "access_token_cookie"'}),
        stranger=Says(422),
        refused=Says(401, {"msg": "Token has been revoked"}),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (
                lambda client, held: refresh_by_flask_cookie(client, {**held, "refresh": "x"}),
                Says(401, {"msg": "Missing CSRF token"}),
            ),
            (refresh_by_flask_cookie, Says(401, {"msg": "Missing CSRF token"})),
            (
                # the access token's value is not the refresh token's
                lambda client, held: refresh_by_flask_cookie(
                    client, held, **{"X-CSRF-TOKEN": held["csrf_access"]}
                ),
                Says(401, {"msg": "CSRF double submit tokens do not match"}),
            ),
            (
                lambda client, held: client.post(
                    "/refresh", headers={"Authorization": f"Bearer {held['refresh']}"}
                ),
                Says(401, {"msg": 'Missing cookie "refresh_token_cookie"'}),
            ),
            (
                lambda client, held: client.post(
                    "/api/x", cookies={"access_token_cookie": held["access"]}
                ),
                Says(401, {"msg": "Missing CSRF token"}),
            ),
        ),
    ),
}
