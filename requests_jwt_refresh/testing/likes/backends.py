"""Back ends that others run for you: their token servers, and the APIs behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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
    login=Ask(
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
    api_errors=Errors(_google(401, "Missing or invalid authentication.", "UNAUTHENTICATED")),
    throttled=throttle(
        {"error": {"code": 429, "message": "Quota exceeded.", "status": "RESOURCE_EXHAUSTED"}}
    ),
    options={"rotate": False, "lifetime": 3600.0},
)


# --- Cognito -------------------------------------------------------------------------------------

_TARGET: Final = "AWSCognitoIdentityProviderService."


def _cognito(name: str, message: str) -> Status:
    return say(400, {"__type": name, "message": message}, x_amzn_ErrorType=f"{name}:")


def _cognito_ask(operation: str, **others: Any) -> Ask:
    usual: dict[str, Any] = {
        "path": "/",
        "encoding": ("amz-json",),
        "headers": {"X-Amz-Target": _TARGET + operation},
        "client": ("public",),
        "client_field": "ClientId",
    }
    return Ask(**{**usual, **others})


_COGNITO_ERRORS: Final = {
    "garbage": _cognito("NotAuthorizedException", "Invalid Refresh Token"),
    "missing": _cognito("InvalidParameterException", "Missing required parameter REFRESH_TOKEN"),
    "shape": say(400, {"__type": "UnknownOperationException"}),
    "client": _cognito("ResourceNotFoundException", "User pool client does not exist."),
}
_COGNITO_RESULT: Final = {
    "AccessToken": Slot.ACCESS,
    "ExpiresIn": Slot.SECONDS,
    "IdToken": Slot.ACCESS,
    "TokenType": "Bearer",
}
SHAPES["cognito"] = Shape(
    refresh=(
        _cognito_ask(
            "InitiateAuth",
            fields={"AuthFlow": "REFRESH_TOKEN_AUTH"},
            secret=(InField("AuthParameters.REFRESH_TOKEN"),),
            errors=Errors(
                _cognito("NotAuthorizedException", "Refresh Token has been revoked"),
                **_COGNITO_ERRORS,
            ),
            answer=Template({"AuthenticationResult": _COGNITO_RESULT, "ChallengeParameters": {}}),
        ),
    ),
    login=_cognito_ask(
        "InitiateAuth",
        trade="password",
        fields={"AuthFlow": "USER_PASSWORD_AUTH"},
        user=InField("AuthParameters.USERNAME"),
        secret=(InField("AuthParameters.PASSWORD"),),
        errors=Errors(_cognito("NotAuthorizedException", "Incorrect username or password.")),
        answer=Template(
            {
                "AuthenticationResult": {**_COGNITO_RESULT, "RefreshToken": Slot.KEPT},
                "ChallengeParameters": {},
            }
        ),
    ),
    logout=_cognito_ask(
        "RevokeToken",
        trade="end",
        secret=(InField("Token"),),
        errors=Errors(_cognito("InvalidParameterException", "Missing required parameter Token")),
        answer=Template({}),
    ),
    api_errors=Errors(
        say(401, {"message": "The incoming token has expired"}),
        missing=say(401, {"message": "Unauthorized"}),
        garbage=say(401, {"message": "Unauthorized"}),
    ),
    throttled=_cognito("TooManyRequestsException", "Rate exceeded"),
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
    login=Ask(
        path="/v1/signin/email-password",
        trade="password",
        user=InField("email"),
        secret=(InField("password"),),
        errors=Errors(_nhost(401, "invalid-email-password", "Incorrect email or password")),
        answer=Template({"session": _NHOST_SESSION, "mfa": None}),
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
    login=Ask(
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
