"""Frameworks of other languages: Spring Boot, NestJS, Express, ASP.NET Core, Laravel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.shapes import (
    Ask,
    Errors,
    InCookie,
    InField,
    InHeader,
    SetCookie,
    Shape,
    Slot,
    Template,
    say,
    throttle,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status

SHAPES: Final[dict[str, Shape]] = {}

_CAMEL_CASE: Final = {"accessToken": Slot.ACCESS, "refreshToken": Slot.REFRESH}


def _log_in(path: str, refused: Status, answer: Template, **others: Any) -> tuple[Ask, ...]:
    usual: dict[str, Any] = {"user": InField("username"), "secret": (InField("password"),)}
    errors = Errors(refused)
    ask = Ask(path=path, trade="password", errors=errors, answer=answer, **{**usual, **others})
    return (ask,)


# --- Spring Boot, as tutorials have it -----------------------------------------------------------


def _spring(status: int, name: str, message: str) -> Status:
    return say(status, {"status": status, "error": name, "message": message})


_SPRING_TOKENS: Final = Template(
    {"accessToken": Slot.ACCESS, "refreshToken": Slot.KEPT, "tokenType": "Bearer"}
)
_SPRING_401: Final = _spring(
    401, "Unauthorized", "Full authentication is required to access this resource"
)
SHAPES["spring-boot"] = Shape(
    refresh=(
        Ask(
            path="/api/auth/refreshtoken",
            secret=(InField("refreshToken"),),
            errors=Errors(
                _spring(403, "Forbidden", "Refresh token is not in database!"),
                missing=_spring(400, "Bad Request", "must not be blank"),
                shape=_spring(415, "Unsupported Media Type", "Content-Type is not supported"),
            ),
            answer=_SPRING_TOKENS,
        ),
    ),
    login=_log_in(
        "/api/auth/signin", _spring(401, "Unauthorized", "Bad credentials"), _SPRING_TOKENS
    ),
    logout=Ask(
        path="/api/auth/signout",
        trade="end-live",
        encoding=(),
        secret=(InHeader(),),
        errors=Errors(_SPRING_401),
        answer=Template({"message": "Log out successful!"}),
    ),
    api_errors=Errors(_SPRING_401),
    throttled=throttle(),
    options={"rotate": False},
)


# --- NestJS --------------------------------------------------------------------------------------


def _nest(status: int, message: str, name: str | None = None) -> Status:
    told = {"statusCode": status, "message": message}
    return say(status, told if name is None else {**told, "error": name})


_NEST_401: Final = _nest(401, "Unauthorized")
_NEST_TOKENS: Final = Template(
    _CAMEL_CASE, cookies=(SetCookie("refresh_token", Slot.REFRESH, "Path=/; HttpOnly"),)
)
SHAPES["nestjs"] = Shape(
    refresh=(
        Ask(
            path="/auth/refresh",
            encoding=("json", "form", "empty"),
            secret=(InField("refreshToken"), InHeader(), InCookie("refresh_token")),
            errors=Errors(
                _nest(403, "Access Denied", "Forbidden"), garbage=_NEST_401, missing=_NEST_401
            ),
            answer=_NEST_TOKENS,
        ),
    ),
    login=_log_in("/auth/login", _NEST_401, _NEST_TOKENS, encoding=("json", "form")),
    logout=Ask(
        path="/auth/logout",
        trade="end-live",
        encoding=(),
        secret=(InHeader(),),
        errors=Errors(_NEST_401),
        answer=Template({"message": "Logged out"}),
    ),
    api_errors=Errors(_NEST_401),
    throttled=throttle({"statusCode": 429, "message": "ThrottlerException: Too Many Requests"}),
    options={"status": 201},  # what Nest answers to a POST unless it is told otherwise
)


# --- Express -------------------------------------------------------------------------------------

_EXPRESS_TOKENS: Final = Template(
    _CAMEL_CASE,
    cookies=(SetCookie("refreshToken", Slot.REFRESH, "Path=/; HttpOnly; SameSite=Strict"),),
)
_EXPRESS_MISSING: Final = say(401, {"message": "Refresh token is required"})
SHAPES["express"] = Shape(
    refresh=(
        Ask(
            path="/auth/refresh",
            encoding=("json", "empty"),
            secret=(InField("refreshToken"), InCookie("refreshToken")),
            errors=Errors(say(403, {"message": "Invalid refresh token"}), missing=_EXPRESS_MISSING),
            answer=_EXPRESS_TOKENS,
        ),
    ),
    login=_log_in("/auth/login", say(401, {"message": "Invalid credentials"}), _EXPRESS_TOKENS),
    logout=Ask(
        path="/auth/logout",
        trade="end",
        encoding=("json", "empty"),
        secret=(InField("refreshToken"), InCookie("refreshToken")),
        errors=Errors(_EXPRESS_MISSING),
        answer=Template(cookies=(SetCookie("refreshToken", None),)),
    ),
    api_errors=Errors(
        say(401, {"message": "jwt expired"}), missing=say(401, {"message": "No token provided"})
    ),
    throttled=throttle({"message": "Too many requests, please try again later."}),
)


# --- ASP.NET Core Identity -----------------------------------------------------------------------

_ASPNET_401: Final = say(401, None, WWW_Authenticate="Bearer")
_ASPNET_TOKENS: Final = Template(
    {
        "tokenType": "Bearer",
        "accessToken": Slot.ACCESS,
        "expiresIn": Slot.SECONDS,
        "refreshToken": Slot.REFRESH,
    }
)
_PROBLEM: Final = {"title": "Unauthorized", "status": 401, "detail": "Failed"}
SHAPES["aspnetcore-identity"] = Shape(
    refresh=(
        Ask(
            path="/refresh",
            secret=(InField("refreshToken"),),
            errors=Errors(_ASPNET_401, missing=say(400), shape=say(415)),
            answer=_ASPNET_TOKENS,
        ),
    ),
    login=_log_in("/login", say(401, _PROBLEM), _ASPNET_TOKENS, user=InField("email")),
    api_errors=Errors(_ASPNET_401),
    throttled=throttle(),
    # An old refresh token is not revoked when a new one is given.
    options={"opaque": True, "grace": math.inf, "lifetime": 3600.0},
)


# --- Laravel with tymon/jwt-auth -----------------------------------------------------------------


def _laravel(status: int, message: str) -> Status:
    return say(status, {"message": message})


_LARAVEL_TOKEN: Final = Template(
    {"access_token": Slot.ACCESS, "token_type": "bearer", "expires_in": Slot.SECONDS}
)
_LARAVEL_401: Final = _laravel(401, "Unauthenticated.")
SHAPES["laravel-jwt"] = Shape(
    refresh=(
        Ask(
            path="/auth/refresh",
            trade="window",
            encoding=(),
            secret=(InHeader(),),
            errors=Errors(
                _laravel(401, "Token has expired and can no longer be refreshed"),
                garbage=_laravel(401, "Token Signature could not be verified."),
                reused=_laravel(401, "The token has been blacklisted"),
                missing=_LARAVEL_401,
            ),
            answer=_LARAVEL_TOKEN,
        ),
    ),
    login=_log_in(
        "/auth/login",
        say(401, {"error": "Unauthorized"}),
        _LARAVEL_TOKEN,
        encoding=("json", "form"),
        user=InField("email"),
    ),
    logout=Ask(
        path="/auth/logout",
        trade="end-live",
        encoding=(),
        secret=(InHeader(),),
        errors=Errors(_LARAVEL_401),
        answer=Template({"message": "Successfully logged out"}),
    ),
    api_errors=Errors(_LARAVEL_401),
    throttled=throttle({"message": "Too Many Attempts."}),
    options={"detect_reuse": False, "revoke_old_access": True, "lifetime": 3600.0},
)
