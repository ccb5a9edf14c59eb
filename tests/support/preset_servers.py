"""AuthServer as each known server, and the preset with which its client is made."""

from __future__ import annotations

import inspect
from typing import Any

from requests_jwt_refresh import OAuth2Endpoint, presets
from requests_jwt_refresh.testing import AuthServer

PUBLIC = {"auth0", "tesla", "home-assistant", "bluesky-oauth"}  # clients without a secret
_ARGUMENTS = {"supabase": "api_key", "firebase": "api_key", "cognito": "client_id"}


def start_server(name: str) -> AuthServer:
    """Return an AuthServer, not started, that plays the server of the preset `name`."""
    options: dict[str, Any] = {"client_secret": None} if name in PUBLIC | {"cognito"} else {}
    return AuthServer(like=name, **options)


def make_preset(name: str, server: AuthServer, **options: Any) -> Any:
    """Return the preset as a user of `server` makes it; a documented path is left to it."""
    kind = presets.load(name).endpoint
    if not _has_path(kind):
        options.setdefault("url", server.refresh_url)
    return kind(*list_arguments(name, server), **options)


def list_arguments(name: str, server: AuthServer) -> list[str]:
    """Return what a user has to give."""
    kind: Any = presets.load(name).endpoint
    if name in _ARGUMENTS:
        return [getattr(server, _ARGUMENTS[name])]
    if name == "proxmox":
        return ["alice"]
    if not issubclass(kind, OAuth2Endpoint):
        return []
    return [server.client_id, *([server.client_secret] if server.client_secret else [])]


def _has_path(kind: Any) -> bool:
    """Whether the default URL is below the base URL, where the test's server is, too."""
    default = inspect.signature(kind).parameters["url"].default
    return isinstance(default, str) and default.startswith("/")
