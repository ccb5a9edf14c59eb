"""The paths that mean something to a server that plays no known one."""

from __future__ import annotations

from typing import Final

TOKEN_PATH: Final = "/auth/token"  # noqa: S105 - a path
LOGOUT_PATH: Final = "/auth/logout"
REVOKE_PATH: Final = "/auth/revoke"
DEVICE_PATH: Final = "/auth/device"
PUBLIC: Final = "/public/"
REDIRECT_PATH: Final = "/redirect"
STATUS: Final = "/status/"

# With openid=True.
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

_PATHS: Final = (TOKEN_PATH, LOGOUT_PATH, REVOKE_PATH, DEVICE_PATH, REDIRECT_PATH)
_OPENID_PATHS: Final = (
    *(OPENID, OAUTH, RESOURCE, JWKS_PATH, USERINFO_PATH),
    *(AUTHORIZE_PATH, DECISION_PATH, REGISTER_PATH, END_SESSION_PATH),
)


def is_taken(path: str, *, openid: bool) -> bool:
    """Whether a request to `path` means something that no option moves elsewhere."""
    if path.startswith((PUBLIC, STATUS)) or path in _PATHS:
        return True
    return openid and (path in _OPENID_PATHS or path.startswith(RESOURCE + "/"))
