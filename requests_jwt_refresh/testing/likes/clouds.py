"""Clouds that keep your users for you: Firebase, Supabase, Nhost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.testing.shapes import (
    Ask,
    Errors,
    InField,
    InHeader,
    InQuery,
    Shape,
    Slot,
    Template,
    say,
    throttle,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status

SHAPES: Final[dict[str, Shape]] = {}


# --- Firebase ------------------------------------------------------------------------------------


def _google(status: int, message: str, name: str = "INVALID_ARGUMENT") -> Status:
    return say(status, {"error": {"code": status, "message": message, "status": name}})


_FIREBASE_ERRORS: Final = {
    "no_key": _google(403, "The request is missing a valid API key.", "PERMISSION_DENIED"),
    "bad_key": _google(400, "API key not valid. Please pass a valid API key."),
}
SHAPES["firebase"] = Shape(
    refresh=(
        Ask(
            path="/v1/token",
            key=InQuery("key"),
            encoding=("form",),
            fields={"grant_type": "refresh_token"},
            secret=(InField("refresh_token"),),
            errors=Errors(
                _google(400, "TOKEN_EXPIRED"),
                garbage=_google(400, "INVALID_REFRESH_TOKEN"),
                missing=_google(400, "MISSING_REFRESH_TOKEN"),
                shape=_google(400, "INVALID_GRANT_TYPE"),
                **_FIREBASE_ERRORS,
            ),
            answer=Template(
                {
                    "id_token": Slot.ACCESS,  # the bearer; access_token is the same
                    "access_token": Slot.ACCESS,
                    "expires_in": Slot.SECONDS_AS_TEXT,
                    "token_type": "Bearer",
                    "refresh_token": Slot.KEPT,
                    "user_id": Slot.USER,
                    "project_id": "123456789012",
                }
            ),
        ),
    ),
    login=(
        Ask(
            path="/v1/accounts:signInWithPassword",
            trade="password",
            key=InQuery("key"),
            user=InField("email"),
            secret=(InField("password"),),
            errors=Errors(_google(400, "INVALID_LOGIN_CREDENTIALS"), **_FIREBASE_ERRORS),
            answer=Template(
                {
                    "kind": "identitytoolkit#VerifyPasswordResponse",
                    "localId": Slot.USER,
                    "email": Slot.USER,
                    "idToken": Slot.ACCESS,
                    "registered": True,
                    "refreshToken": Slot.KEPT,
                    "expiresIn": Slot.SECONDS_AS_TEXT,
                }
            ),
        ),
    ),
    api_errors=Errors(_google(401, "Missing or invalid authentication.", "UNAUTHENTICATED")),
    throttled=throttle(
        {"error": {"code": 429, "message": "Quota exceeded.", "status": "RESOURCE_EXHAUSTED"}}
    ),
    options={"rotate": False, "lifetime": 3600.0},
)


# --- Nhost, with Hasura behind it ----------------------------------------------------------------


def _nhost(status: int, name: str, message: str) -> Status:
    return say(status, {"status": status, "message": message, "error": name})


def _hasura(code: str, message: str) -> Status:
    error = {"extensions": {"path": "$", "code": code}, "message": message}
    return say(200, {"errors": [error]})


_NHOST_SESSION: Final = {
    "accessToken": Slot.ACCESS,
    "accessTokenExpiresIn": Slot.SECONDS,
    "refreshToken": Slot.KEPT,
    "user": {"id": Slot.USER, "displayName": Slot.USER, "defaultRole": "user"},
}
SHAPES["nhost"] = Shape(
    refresh=(
        Ask(
            path="/v1/token",
            secret=(InField("refreshToken"),),
            errors=Errors(
                _nhost(401, "invalid-refresh-token", "Invalid or expired refresh token"),
                missing=_nhost(400, "invalid-request", "The request payload is incorrect"),
            ),
            answer=Template(_NHOST_SESSION),
        ),
    ),
    login=(
        Ask(
            path="/v1/signin/email-password",
            trade="password",
            user=InField("email"),
            secret=(InField("password"),),
            errors=Errors(_nhost(401, "invalid-email-password", "Incorrect email or password")),
            answer=Template({"session": _NHOST_SESSION, "mfa": None}),
        ),
    ),
    logout=Ask(
        path="/v1/signout",
        trade="end",
        secret=(InField("refreshToken"),),
        errors=Errors(_nhost(400, "invalid-request", "The request payload is incorrect")),
        answer=Template("OK"),
    ),
    api_errors=Errors(
        _hasura("invalid-jwt", "Could not verify JWT: JWTExpired"),
        missing=_hasura(
            "invalid-headers",
            "Missing 'Authorization' or 'Cookie' header in JWT authentication mode",
        ),
    ),
    throttled=throttle(),
    options={"lifetime": 900.0},
)


# --- Supabase ------------------------------------------------------------------------------------


def _gotrue(status: int, code: str, message: str) -> Status:
    return say(status, {"code": status, "error_code": code, "msg": message})


_APIKEY: Final = InHeader("apikey", None)
_SUPABASE_ERRORS: Final = {
    "no_key": say(401, {"message": "No API key found in request"}),
    "bad_key": say(401, {"message": "Invalid API key"}),
    "missing": _gotrue(400, "validation_failed", "refresh_token is required"),
    "shape": say(400, {"error": "unsupported_grant_type", "error_description": ""}),
}
_SUPABASE_SESSION: Final = Template(
    {
        "access_token": Slot.ACCESS,
        "token_type": "bearer",
        "expires_in": Slot.SECONDS,
        "expires_at": Slot.EPOCH,
        "refresh_token": Slot.REFRESH,
        "user": {"id": Slot.USER, "email": Slot.USER, "role": "authenticated"},
    }
)
SHAPES["supabase"] = Shape(
    refresh=(
        Ask(
            path="/auth/v1/token",
            query={"grant_type": "refresh_token"},
            key=_APIKEY,
            secret=(InField("refresh_token"),),
            errors=Errors(
                _gotrue(
                    400,
                    "refresh_token_not_found",
                    "Invalid Refresh Token: Refresh Token Not Found",
                ),
                reused=_gotrue(
                    400, "refresh_token_already_used", "Invalid Refresh Token: Already Used"
                ),
                **_SUPABASE_ERRORS,
            ),
            answer=_SUPABASE_SESSION,
        ),
    ),
    login=(
        Ask(
            path="/auth/v1/token",
            trade="password",
            query={"grant_type": "password"},
            key=_APIKEY,
            user=InField("email"),
            secret=(InField("password"),),
            errors=Errors(
                _gotrue(400, "invalid_credentials", "Invalid login credentials"),
                **_SUPABASE_ERRORS,
            ),
            answer=_SUPABASE_SESSION,
        ),
    ),
    logout=Ask(
        path="/auth/v1/logout",
        trade="end-live",
        encoding=(),
        key=_APIKEY,
        secret=(InHeader(),),
        errors=Errors(
            _gotrue(403, "bad_jwt", "invalid JWT: token is expired"),
            missing=_gotrue(401, "no_authorization", "This endpoint requires a Bearer token"),
            no_key=_SUPABASE_ERRORS["no_key"],
            bad_key=_SUPABASE_ERRORS["bad_key"],
        ),
        answer=Template(),
    ),
    api_key=_APIKEY,
    api_errors=Errors(
        say(
            401,
            {"code": "PGRST301", "details": None, "hint": None, "message": "JWT expired"},
            WWW_Authenticate='Bearer error="invalid_token", error_description="JWT expired"',
        ),
        missing=say(
            401,
            {"code": "42501", "details": None, "hint": None, "message": "permission denied"},
        ),
        no_key=_SUPABASE_ERRORS["no_key"],
        bad_key=_SUPABASE_ERRORS["bad_key"],
    ),
    throttled=throttle(
        {
            "code": 429,
            "error_code": "over_request_rate_limit",
            "msg": "Request rate limit reached",
        }
    ),
    options={"grace": 10.0, "lifetime": 3600.0},
)
