"""What an OpenID provider says of itself, and what its API says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.clients import CLIENT_AUTHS, GRANT_TYPES
from requests_jwt_refresh.testing.options import place_of
from requests_jwt_refresh.testing.paths import (
    AUTHORIZE_PATH,
    DEVICE_PATH,
    END_SESSION_PATH,
    JWKS_PATH,
    REGISTER_PATH,
    REVOKE_PATH,
    USERINFO_PATH,
)
from requests_jwt_refresh.testing.shapes import InHeader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.testing.options import ServerOptions

OFFLINE: Final = "offline_access"


def find_issuer(options: ServerOptions, url: str) -> str:
    return url if options.issuer is None else options.issuer


def list_scopes(options: ServerOptions) -> tuple[str, ...]:
    """Return the scopes that may be asked for."""
    offline = (OFFLINE,) if options.refresh_tokens == "asked" else ()
    return (*options.scopes, *offline)


def make_metadata(options: ServerOptions, url: str) -> dict[str, Any]:
    """Return the document of OpenID Connect Discovery §3 and RFC 8414 §2; they are one here."""
    content = {
        "issuer": find_issuer(options, url),
        "authorization_endpoint": url + AUTHORIZE_PATH,
        "token_endpoint": url + options.refresh_path,
        "device_authorization_endpoint": url + DEVICE_PATH,
        "revocation_endpoint": url + REVOKE_PATH,
        "end_session_endpoint": url + END_SESSION_PATH,
        "registration_endpoint": url + REGISTER_PATH,
        "userinfo_endpoint": url + USERINFO_PATH,
        "jwks_uri": url + JWKS_PATH,
        "scopes_supported": list(list_scopes(options)),
        "response_types_supported": ["code"],
        "response_modes_supported": list(options.response_modes),
        "grant_types_supported": list(GRANT_TYPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["HS256"],
        "token_endpoint_auth_methods_supported": list(CLIENT_AUTHS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }
    return replace_fields(content, options.metadata)


def make_resource_metadata(options: ServerOptions, url: str, path: str) -> dict[str, Any]:
    """Return what the API says of the resource at `path` (RFC 9728 §2)."""
    is_bearer = place_of(options) == InHeader()
    content = {
        "resource": url + path,
        "authorization_servers": [find_issuer(options, url)],
        "bearer_methods_supported": ["header"] if is_bearer else [],
        "scopes_supported": list(options.scopes),
    }
    return replace_fields(content, options.resource_metadata)


def replace_fields(content: Mapping[str, Any], lies: Mapping[str, Any]) -> dict[str, Any]:
    """Return `content` with other values; None leaves a field out."""
    return {name: value for name, value in {**content, **lies}.items() if value is not None}
