"""Frameworks of other languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.wires.base import Client, Held, Says, Wire, bearer, read

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests


def refresh_camel_case(path: str) -> Callable[[Client, Held], requests.Response]:
    return lambda client, held: client.post(path, json={"refreshToken": held["refresh"]})


def refresh_snake_case(path: str) -> Callable[[Client, Held], requests.Response]:
    return lambda client, held: client.post(path, json={"refresh_token": held["refresh"]})


def refresh_form(path: str) -> Callable[[Client, Held], requests.Response]:
    return lambda client, held: client.post(path, data={"refreshToken": held["refresh"]})


def log_in(path: str, field: str = "username") -> Callable[[Client, str], requests.Response]:
    return lambda client, password: client.post(path, json={field: "alice", "password": password})


def log_out(path: str) -> Callable[[Client, Held], requests.Response]:
    return lambda client, held: client.post(path, headers=bearer(held))


def read_camel_case(response: requests.Response) -> Held:
    return read(response, "accessToken", "refreshToken")


WIRES = {
    "spring-boot": Wire(
        refresh=refresh_camel_case("/api/auth/refreshtoken"),
        gives=Says(200, {"tokenType": "Bearer"}),
        read=read_camel_case,
        login=log_in("/api/auth/signin"),
        bad_password=Says(401),
        logout=log_out("/api/auth/signout"),
        expired=Says(401),
        refused=Says(403),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (refresh_snake_case("/api/auth/refreshtoken"), Says(400)),
            (refresh_form("/api/auth/refreshtoken"), Says(415)),
        ),
    ),
    "nestjs": Wire(
        refresh=refresh_camel_case("/auth/refresh"),
        gives=Says(201),
        read=read_camel_case,
        login=log_in("/auth/login"),
        bad_password=Says(401, {"statusCode": 401}),
        logout=log_out("/auth/logout"),
        expired=Says(401, {"message": "Unauthorized"}),
        anonymous=Says(401, {"message": "Unauthorized"}),
        refused=Says(403, {"statusCode": 403}),
        throttled=Says(429, {"statusCode": 429}, {"Retry-After": "1"}),
        wrong=((refresh_snake_case("/auth/refresh"), Says(401)),),
    ),
    "express": Wire(
        refresh=refresh_camel_case("/auth/refresh"),
        read=read_camel_case,
        login=log_in("/auth/login"),
        bad_password=Says(401),
        logout=lambda client, held: client.post(
            "/auth/logout", json={"refreshToken": held["refresh"]}
        ),
        expired=Says(401),
        refused=Says(403),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (refresh_snake_case("/auth/refresh"), Says(401)),
            (refresh_form("/auth/refresh"), Says(401)),
        ),
    ),
    "aspnetcore-identity": Wire(
        refresh=refresh_camel_case("/refresh"),
        gives=Says(200, {"tokenType": "Bearer", "expiresIn": 3600}),
        read=read_camel_case,
        login=log_in("/login", "email"),
        bad_password=Says(401, {"title": "Unauthorized"}),
        expired=Says(401, headers={"WWW-Authenticate": "Bearer"}),
        refused=Says(401, headers={"WWW-Authenticate": "Bearer"}),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (refresh_snake_case("/refresh"), Says(400)),
            (refresh_form("/refresh"), Says(415)),
        ),
    ),
    "laravel-jwt": Wire(
        refresh=lambda client, held: client.post("/auth/refresh", headers=bearer(held)),
        gives=Says(200, {"token_type": "bearer", "expires_in": 3600, "refresh_token": None}),
        login=log_in("/auth/login", "email"),
        bad_password=Says(401, {"error": "Unauthorized"}),
        logout=log_out("/auth/logout"),
        expired=Says(401, {"message": "Unauthenticated."}),
        refused=Says(401),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=((lambda client, _held: client.post("/auth/refresh"), Says(401)),),
    ),
}
