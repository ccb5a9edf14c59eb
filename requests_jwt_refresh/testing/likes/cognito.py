"""Amazon Cognito: InitiateAuth as AWS has it, JSON 1.1 with the operation in a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.shapes import Ask, Errors, InField, Shape, Slot, Template, say

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status

SHAPES: Final[dict[str, Shape]] = {}

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
    "RefreshToken": Slot.REFRESH,
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
    login=(
        _cognito_ask(
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
