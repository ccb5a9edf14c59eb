"""An OAuth 2.0 server and an API in one Flask app, with Authlib as its documentation has it.

Access tokens are opaque and refresh tokens are good for once. The grants are client_credentials
and refresh_token, JWT bearer assertions (RFC 7523), and a token exchange (RFC 8693), for which
Authlib has no class.
"""

# Authlib has no types:
# mypy: disable-error-code="import-untyped, misc, untyped-decorator"

from __future__ import annotations

import os
import time
from typing import Any, ClassVar, Final

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # tests speak http

from authlib.integrations.flask_oauth2 import (
    AuthorizationServer,
    ResourceProtector,
    current_token,
)
from authlib.oauth2.rfc6749 import ClientMixin, InvalidGrantError, TokenMixin, scope_to_list
from authlib.oauth2.rfc6749.grants import (
    BaseGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
    TokenEndpointMixin,
)
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7523 import JWTBearerGrant
from flask import Flask, jsonify, redirect, request
from joserfc.jwk import OctKey

SECRET: Final = "s3cr:t +100%"  # what Basic carries only if it is form-urlencoded first
ASSERTION_KEY: Final = "only-for-tests-and-long-enough-for-hs256"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_GRANTS: Final = {"client_credentials", "refresh_token", JWTBearerGrant.GRANT_TYPE, EXCHANGE}


class Client(ClientMixin):
    """A client that may do everything, as long as it is enabled."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(each for each in scope_to_list(scope or "") if each in {"read", "write"})

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET and self.client_id not in disabled

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == f"client_secret_{'post' if self.client_id == 'app-post' else 'basic'}"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in _GRANTS


class IssuedToken(TokenMixin):
    def __init__(self, client_id: str, answer: dict[str, Any]) -> None:
        self.client_id = client_id
        self.answer = answer
        self.expires_at: float = time.time() + answer["expires_in"]
        self.is_used = False

    def check_client(self, client: Client) -> bool:
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        scope: str = self.answer.get("scope", "")
        return scope

    def is_expired(self) -> bool:
        return time.time() >= self.expires_at

    def is_revoked(self) -> bool:
        return False


by_access: dict[str, IssuedToken] = {}
by_refresh: dict[str, IssuedToken] = {}
disabled: set[str] = set()  # clients, and subjects of assertions


def save_token(token: dict[str, Any], oauth2_request: Any) -> None:
    issued = IssuedToken(oauth2_request.client.client_id, token)
    by_access[token["access_token"]] = issued
    if "refresh_token" in token:
        by_refresh[token["refresh_token"]] = issued


class RotatingRefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> IssuedToken | None:
        found = by_refresh.get(refresh_token)
        return None if found is None or found.is_used else found

    def authenticate_user(self, _credential: IssuedToken) -> str:
        return "alice"

    def revoke_old_credential(self, credential: IssuedToken) -> None:
        credential.is_used = True


class Credentials(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]


class Assertions(JWTBearerGrant):
    def get_audiences(self) -> list[str]:
        return [request.base_url]

    def resolve_issuer_client(self, issuer: str) -> Client:
        return Client(issuer)

    def resolve_client_public_key(self, _client: Client) -> Any:
        return OctKey.import_key(ASSERTION_KEY)

    def resolve_public_key(self, _headers: Any, _claims: Any) -> str:  # asked before Authlib 1.7
        return ASSERTION_KEY

    def authenticate_user(self, subject: str) -> str | None:
        return None if subject in disabled else subject

    def has_granted_permission(self, _client: Client, _user: str) -> bool:
        return True


class Exchange(BaseGrant, TokenEndpointMixin):
    """Gives a token for another service to whoever shows one of ours (RFC 8693 §2)."""

    GRANT_TYPE = EXCHANGE

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        form = self.request.form
        subject = by_access.get(form.get("subject_token", ""))
        kind = form.get("subject_token_type")
        if kind != "urn:ietf:params:oauth:token-type:access_token" or subject is None:
            raise InvalidGrantError("no such subject_token")
        if subject.is_expired():
            raise InvalidGrantError("the subject_token has expired")

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        token = self.generate_token(scope=self.request.payload.scope, include_refresh_token=False)
        token["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        self.save_token(token)
        return 200, token, self.TOKEN_RESPONSE_HEADER


class Validator(BearerTokenValidator):
    def authenticate_token(self, token_string: str) -> IssuedToken | None:
        return by_access.get(token_string)


flask_app = Flask(__name__)
flask_app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
server = AuthorizationServer(flask_app, query_client=Client, save_token=save_token)
for grant in (RotatingRefreshGrant, Credentials, Assertions, Exchange):
    server.register_grant(grant)
require_token = ResourceProtector()
require_token.register_token_validator(Validator())


@flask_app.post("/token")
def token() -> Any:
    return server.create_token_response()


@flask_app.post("/login")
def login() -> Any:
    """Give tokens as the end of an authorization code flow does."""
    client = Client(request.args.get("client", "app"))
    answer = server.generate_token("authorization_code", client, "alice", "read write")
    by_refresh[answer["refresh_token"]] = by_access[answer["access_token"]] = IssuedToken(
        client.client_id, answer
    )
    return jsonify(answer)


@flask_app.post("/expire")
def expire() -> Any:
    """Let the access token of the form expire now."""
    by_access[request.form["access"]].expires_at = 0
    return jsonify()


@flask_app.post("/revoke")
def revoke() -> Any:
    """Revoke the refresh token of the form."""
    by_refresh.pop(request.form["refresh"], None)
    return jsonify()


@flask_app.route("/disabled/<name>", methods=["PUT", "DELETE"])
def disable(name: str) -> Any:
    """Disable a client or a subject, or enable it again."""
    (disabled.add if request.method == "PUT" else disabled.discard)(name)
    return jsonify()


@flask_app.route("/me", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@require_token()
def me() -> Any:
    """Return the client, and what else the request carried."""
    body = request.get_data(as_text=True)
    return jsonify(client=current_token.client_id, scope=current_token.get_scope(), body=body)


@flask_app.get("/away")
@require_token()
def away() -> Any:
    """Redirect to where the query says."""
    return redirect(request.args["to"], 307)
