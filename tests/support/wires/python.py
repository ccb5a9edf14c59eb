"""Servers written in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.wires.base import Client, Held, Says, Wire

if TYPE_CHECKING:
    import requests


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
        refused=Says(401, {"msg": "Token has been revoked"}),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (refresh_by_flask_cookie, Says(401, {"msg": "Missing CSRF token"})),
            (
                # the access token's value is not the refresh token's
                lambda client, held: refresh_by_flask_cookie(
                    client, held, **{"X-CSRF-TOKEN": held["csrf_access"]}
                ),
                Says(401),
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
