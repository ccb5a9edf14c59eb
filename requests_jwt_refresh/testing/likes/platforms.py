"""Platforms with a protocol of their own: Bluesky, Matrix, Directus, PocketBase."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.shapes import (
    Ask,
    Errors,
    InField,
    InHeader,
    Shape,
    Slot,
    Template,
    say,
    throttle,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status

SHAPES: Final[dict[str, Shape]] = {}


# --- Bluesky, with an app password ---------------------------------------------------------------


def _xrpc(status: int, name: str, message: str) -> Status:
    return say(status, {"error": name, "message": message})


_BLUESKY_SESSION: Final = Template(
    {
        "accessJwt": Slot.ACCESS,
        "refreshJwt": Slot.REFRESH,
        "handle": Slot.USER,
        "did": "did:plc:ewvi7nxzyoun6zhxrhs64oiz",
        "active": True,
    }
)
_BLUESKY_MISSING: Final = _xrpc(401, "AuthMissing", "Authentication Required")
_BLUESKY_ERRORS: Final = Errors(
    _xrpc(400, "ExpiredToken", "Token has expired"),
    garbage=_xrpc(400, "InvalidToken", "Token could not be verified"),
    missing=_BLUESKY_MISSING,
    shape=_xrpc(400, "InvalidRequest", "A request body was provided when none was expected"),
)
SHAPES["bluesky"] = Shape(
    refresh=(
        Ask(
            path="/xrpc/com.atproto.server.refreshSession",
            encoding=("empty",),
            secret=(InHeader(),),
            errors=Errors(
                _xrpc(400, "ExpiredToken", "Token has been revoked"),
                garbage=_BLUESKY_ERRORS.garbage,
                missing=_BLUESKY_MISSING,
                shape=_BLUESKY_ERRORS.shape,
            ),
            answer=_BLUESKY_SESSION,
        ),
    ),
    login=(
        Ask(
            path="/xrpc/com.atproto.server.createSession",
            trade="password",
            user=InField("identifier"),
            secret=(InField("password"),),
            errors=Errors(
                _xrpc(401, "AuthenticationRequired", "Invalid identifier or password"),
                missing=_xrpc(400, "InvalidRequest", "Input must have the property password"),
            ),
            answer=_BLUESKY_SESSION,
        ),
    ),
    logout=Ask(
        path="/xrpc/com.atproto.server.deleteSession",
        trade="end",
        encoding=("empty",),
        secret=(InHeader(),),
        errors=_BLUESKY_ERRORS,
        answer=Template(status=200),
    ),
    api_errors=_BLUESKY_ERRORS,
    throttled=throttle(
        {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}, retry_after=None
    ),
    options={"grace": 7200.0, "lifetime": 7200.0},
)


# --- Matrix --------------------------------------------------------------------------------------


def _matrix(status: int, code: str, message: str, **more: Any) -> Status:
    return say(status, {"errcode": code, "error": message, **more})


_MATRIX_MISSING: Final = _matrix(401, "M_MISSING_TOKEN", "Missing access token")
_MATRIX_TOKENS: Final = {
    "access_token": Slot.ACCESS,
    "expires_in_ms": Slot.MILLISECONDS,
    "refresh_token": Slot.REFRESH,
}
_MATRIX_DEVICE: Final = {"user_id": Slot.USER, "device_id": "GHTYAJCE", "home_server": "localhost"}
_MATRIX_LOGIN: Final = Ask(
    path="/_matrix/client/v3/login",
    trade="password",
    fields={"type": "m.login.password", "refresh_token": True},
    user=InField("identifier.user"),
    secret=(InField("password"),),
    errors=Errors(
        _matrix(403, "M_FORBIDDEN", "Invalid username or password"),
        missing=_matrix(400, "M_MISSING_PARAM", "Missing params: ['password']"),
        shape=_matrix(400, "M_UNKNOWN", "Unknown login type"),
    ),
    answer=Template({**_MATRIX_DEVICE, **_MATRIX_TOKENS}),
)
SHAPES["matrix"] = Shape(
    refresh=(
        Ask(
            path="/_matrix/client/v3/refresh",
            secret=(InField("refresh_token"),),
            errors=Errors(
                _matrix(401, "M_UNKNOWN_TOKEN", "Invalid refresh token"),
                missing=_matrix(400, "M_BAD_JSON", "Field required: refresh_token"),
                shape=_matrix(400, "M_NOT_JSON", "Content not JSON."),
            ),
            answer=Template(_MATRIX_TOKENS),
        ),
    ),
    login=(
        _MATRIX_LOGIN,
        replace(  # a refresh token is given to those who ask for one
            _MATRIX_LOGIN,
            fields={"type": "m.login.password"},
            answer=Template({**_MATRIX_DEVICE, "access_token": Slot.ACCESS}),
        ),
    ),
    logout=Ask(
        path="/_matrix/client/v3/logout",
        trade="end-live",
        encoding=(),
        secret=(InHeader(),),
        errors=Errors(
            _matrix(401, "M_UNKNOWN_TOKEN", "Access token has expired", soft_logout=True),
            missing=_MATRIX_MISSING,
        ),
        answer=Template({}),
    ),
    api_errors=Errors(
        _matrix(401, "M_UNKNOWN_TOKEN", "Access token has expired", soft_logout=True),
        garbage=_matrix(401, "M_UNKNOWN_TOKEN", "Invalid access token passed.", soft_logout=False),
        missing=_MATRIX_MISSING,
    ),
    throttled=throttle(
        {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 1000}
    ),
    prefixes=("syt_", "syr_"),
    options={"opaque": True},
)


# --- Directus ------------------------------------------------------------------------------------


def _directus(status: int, code: str, message: str, **more: Any) -> Status:
    error = {"message": message, "extensions": {"code": code, **more}}
    return say(status, {"errors": [error]})


_DIRECTUS_MISSING: Final = _directus(
    400,
    "INVALID_PAYLOAD",
    "Invalid payload. The refresh token is required in either the payload or cookie.",
)
_DIRECTUS_REFUSED: Final = _directus(401, "INVALID_CREDENTIALS", "Invalid user credentials.")
_DIRECTUS_TOKENS: Final = Template(
    {
        "data": {
            "access_token": Slot.ACCESS,
            "expires": Slot.MILLISECONDS,
            "refresh_token": Slot.REFRESH,
        }
    }
)
SHAPES["directus"] = Shape(
    refresh=(
        Ask(
            path="/auth/refresh",
            secret=(InField("refresh_token"),),
            errors=Errors(_DIRECTUS_REFUSED, missing=_DIRECTUS_MISSING),
            answer=_DIRECTUS_TOKENS,
        ),
    ),
    login=(
        Ask(
            path="/auth/login",
            trade="password",
            user=InField("email"),
            secret=(InField("password"),),
            errors=Errors(
                _DIRECTUS_REFUSED,
                missing=_directus(400, "INVALID_PAYLOAD", '"password" is required.'),
            ),
            answer=_DIRECTUS_TOKENS,
        ),
    ),
    logout=Ask(
        path="/auth/logout",
        trade="end",
        secret=(InField("refresh_token"),),
        errors=Errors(_DIRECTUS_MISSING),
        answer=Template(),
    ),
    api_errors=Errors(
        _directus(401, "TOKEN_EXPIRED", "Token expired."),
        garbage=_directus(403, "INVALID_TOKEN", "Invalid token."),
        missing=_directus(
            403, "FORBIDDEN", "You don't have permission to access this.", reason="..."
        ),
    ),
    throttled=throttle(
        {
            "errors": [
                {
                    "message": "Too many requests, retry after 1s.",
                    "extensions": {"code": "REQUESTS_EXCEEDED", "limit": 50},
                }
            ]
        }
    ),
    options={"lifetime": 900.0},
)


# --- PocketBase ----------------------------------------------------------------------------------


def _pocketbase(status: int, message: str) -> Status:
    return say(status, {"status": status, "message": message, "data": {}})


_POCKETBASE_401: Final = Errors(
    _pocketbase(401, "The request requires valid record authorization token.")
)
_POCKETBASE_PLACES: Final = (InHeader(), InHeader(scheme=None))  # the scheme is optional
_POCKETBASE_ANSWER: Final = Template(
    {"token": Slot.ACCESS, "record": {"id": "ae40239d2bc4477", "email": Slot.USER}}
)
SHAPES["pocketbase"] = Shape(
    refresh=(
        Ask(
            path="/api/collections/users/auth-refresh",
            trade="live",
            encoding=(),
            secret=_POCKETBASE_PLACES,
            errors=_POCKETBASE_401,
            answer=_POCKETBASE_ANSWER,
        ),
    ),
    login=(
        Ask(
            path="/api/collections/users/auth-with-password",
            trade="password",
            encoding=("json", "form"),
            user=InField("identity"),
            secret=(InField("password"),),
            errors=Errors(_pocketbase(400, "Failed to authenticate.")),
            answer=_POCKETBASE_ANSWER,
        ),
    ),
    api=_POCKETBASE_PLACES,
    api_errors=_POCKETBASE_401,
    throttled=throttle({"status": 429, "message": "Too Many Requests.", "data": {}}),
    options={"rotate": False, "lifetime": 604_800.0},
)
