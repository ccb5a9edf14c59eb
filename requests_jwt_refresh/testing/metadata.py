"""What an OpenID provider says of itself, and what its API says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.clients import CLIENT_AUTHS, GRANT_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.testing.options import ServerOptions

OPENID: Final = "/.well-known/openid-configuration"  # OpenID Connect Discovery §4
OAUTH: Final = "/.well-known/oauth-authorization-server"  # RFC 8414 §3
RESOURCE: Final = "/.well-known/oauth-protected-resource"  # RFC 9728 §3

AUTHORIZE_PATH: Final = "/auth/authorize"
DECISION_PATH: Final = "/auth/decision"
REGISTER_PATH: Final = "/auth/register"
END_SESSION_PATH: Final = "/auth/end-session"
USERINFO_PATH: Final = "/auth/userinfo"
JWKS_PATH: Final = "/auth/jwks"
DEVICE_PAGE: Final = "/public/device"

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
        "device_authorization_endpoint": f"{url}/auth/device",
        "revocation_endpoint": f"{url}/auth/revoke",
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
    content = {
        "resource": url + path,
        "authorization_servers": [find_issuer(options, url)],
        "bearer_methods_supported": ["header"],
        "scopes_supported": list(options.scopes),
    }
    return replace_fields(content, options.resource_metadata)


def replace_fields(content: Mapping[str, Any], lies: Mapping[str, Any]) -> dict[str, Any]:
    """Return `content` with other values; None leaves a field out."""
    return {name: value for name, value in {**content, **lies}.items() if value is not None}
