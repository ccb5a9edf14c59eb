"""Amazon Cognito user pools, by InitiateAuth."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.presets.base import Preset, any_code, fill_url, preset
from requests_jwt_refresh.responses import DefaultPath

_SERVICE: Final = "AWSCognitoIdentityProviderService"
_MEDIA_TYPE: Final = "application/x-amz-json-1.1"


def _headers(action: str) -> dict[str, str]:
    return {"Content-Type": _MEDIA_TYPE, "X-Amz-Target": f"{_SERVICE}.{action}"}


@preset(
    send="AuthParameters.REFRESH_TOKEN",
    access="AuthenticationResult.AccessToken",
    refresh=DefaultPath("AuthenticationResult.RefreshToken"),
    expires_in=DefaultPath("AuthenticationResult.ExpiresIn"),
    rejected=any_code(
        "__type",
        codes=(
            "NotAuthorizedException",
            "UserNotFoundException",
            "UserNotConfirmedException",
            "PasswordResetRequiredException",
            "RefreshTokenReuseException",
        ),
    ),
    headers=_headers("InitiateAuth"),
)
class Cognito(JSONEndpoint):
    """Amazon Cognito: refresh the tokens of a user pool in Python with requests, without boto3.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    cognito = presets.Cognito("YOUR-APP-CLIENT-ID", region="eu-central-1")
    adapter = mount(session, "https://api.example.com", cognito)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/items").json())
    ```

    Without Python: ``requests-jwt init myapp --preset cognito --base-url https://api.example.com
    --client-id YOUR-APP-CLIENT-ID --set region=eu-central-1``, then ``requests-jwt login myapp``.

    **To have first:** an app client **without a secret**, with ALLOW_REFRESH_TOKEN_AUTH and (to log
    in with a password) ALLOW_USER_PASSWORD_AUTH. Refresh and login are ``POST
    https://cognito-idp.REGION.amazonaws.com/`` with the action InitiateAuth in X-Amz-Target. A
    client with a secret is easier at the pool's own domain, which speaks OAuth 2.0:
    ``OAuth2Endpoint("https://DOMAIN/oauth2/token", id, secret)``.

    **Which token:** an API Gateway or AppSync authorizer may want the ID token, as it has the
    user's claims: ``presets.Cognito(..., access="AuthenticationResult.IdToken")``. The other one is
    in ``adapter.token.extra``.

    **Expired** is any 401. **Refused** is a 400 with ``"__type": "NotAuthorizedException"`` or the
    like. TooManyRequestsException is a 400 as well, and means "not so often": the tokens are kept.

    **How long the tokens live:** access and ID tokens live an hour, refresh tokens 30 days. A
    refresh brings no new refresh token.

    **What goes wrong:** NotAuthorizedException also stands for a client with a secret ("Unable to
    verify secret hash") and for a user who has been disabled. With refresh token rotation switched
    on, InitiateAuth with REFRESH_TOKEN_AUTH no longer works in the pool's client: use the pool's
    domain.

    From documentation, not run.

    Args:
        client_id: of the app client.
        region: such as "eu-central-1"; the part of the pool's id before the underscore.

    """

    url: str = field(default="https://cognito-idp.{region}.amazonaws.com/", kw_only=True)
    client_id: str
    region: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        fill_url(self)
        fields = {"AuthFlow": "REFRESH_TOKEN_AUTH", **self.extra, "ClientId": self.client_id}
        object.__setattr__(self, "extra", fields)
        super().__post_init__()


PRESET: Final = Preset(
    Cognito,
    login={
        "url": "https://cognito-idp.{region}.amazonaws.com/",
        "username_field": "AuthParameters.USERNAME",
        "password_field": "AuthParameters.PASSWORD",
        "extra": {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "{client_id}"},
        "headers": _headers("InitiateAuth"),
    },
    logout={
        "url": "https://cognito-idp.{region}.amazonaws.com/",
        "refresh_field": "Token",
        "extra": {"ClientId": "{client_id}"},
        "headers": _headers("RevokeToken"),
    },
)
