"""Short-lived JWTs for requests, solved: a transport adapter to mount on any Session."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .adapter import JWTRefreshAdapter
from .authorization import anonymous
from .endpoints import BearerEndpoint, Endpoint, JSONEndpoint, OAuth2Endpoint
from .errors import (
    InsecureURL,
    InvalidToken,
    InvalidURL,
    JWTRefreshError,
    LockTimeout,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from .matching import Matcher, all_of, any_401, any_of, bearer_challenge, json_field, status
from .mounting import mount
from .replies import Reply
from .stores.base import TokenStore
from .stores.memory import MemoryStore
from .tokens import Token

if TYPE_CHECKING:
    from . import presets
    from .stores.file import FileStore
    from .stores.keyring import KeyringStore
    from .stores.redis import RedisStore

__all__ = [
    "BearerEndpoint",
    "Endpoint",
    "FileStore",
    "InsecureURL",
    "InvalidToken",
    "InvalidURL",
    "JSONEndpoint",
    "JWTRefreshAdapter",
    "JWTRefreshError",
    "KeyringStore",
    "LockTimeout",
    "Matcher",
    "MemoryStore",
    "OAuth2Endpoint",
    "RedisStore",
    "ReentrantRefresh",
    "RefreshRejected",
    "RefreshUnavailable",
    "Reply",
    "StoreError",
    "Token",
    "TokenStore",
    "all_of",
    "anonymous",
    "any_401",
    "any_of",
    "bearer_challenge",
    "json_field",
    "mount",
    "presets",
    "status",
]

# Loaded when first asked for: nobody needs all of them, and importing must stay quick.
_LATE = {
    "FileStore": ".stores.file",
    "KeyringStore": ".stores.keyring",
    "RedisStore": ".stores.redis",
}


def __getattr__(name: str) -> object:
    if name == "presets":
        return import_module(".presets", __name__)
    if name in _LATE:
        return getattr(import_module(_LATE[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
