"""The kinds of endpoint and of store that a profile can name.

Imports nothing, so that ``init --help`` can list them at once.
"""

from typing import Final

ENDPOINT_KINDS: Final = {
    "json": "JSONEndpoint",
    "oauth2": "OAuth2Endpoint",
    "bearer": "BearerEndpoint",
}
"""Each kind of refresh endpoint, and its class in `requests_jwt_refresh.endpoints`."""

GRANT_KINDS: Final = {
    "client-credentials": "ClientCredentials",
    "jwt-bearer": "JWTBearer",
    "token-exchange": "TokenExchange",
}
"""Each grant that needs no refresh token, and its class in `requests_jwt_refresh.token_grants`."""

KINDS: Final = (*ENDPOINT_KINDS, *GRANT_KINDS)
"""Both; the first is the default."""

STORE_KINDS: Final = ("keyring", "file", "redis")
"""The kinds of store; the first is the default."""

FEW_CHOICES: Final = 10
"""Up to so many values there may be for an error to list them beside the nearest one."""
