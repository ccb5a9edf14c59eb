"""Short-lived JWTs for requests, solved: a transport adapter to mount on any Session."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import presets
    from .adapter import JWTRefreshAdapter
    from .authorization import anonymous
    from .endpoints import BearerEndpoint, Endpoint, JSONEndpoint, OAuth2Endpoint
    from .errors import (
        InsecureURL,
        InvalidToken,
        InvalidURL,
        JWTRefreshError,
        LockTimeout,
        ProfileError,
        ReentrantRefresh,
        RefreshRejected,
        RefreshUnavailable,
        StoreError,
    )
    from .matching import Matcher, all_of, any_401, any_of, bearer_challenge, json_field, status
    from .mounting import mount
    from .replies import Reply
    from .stores.base import TokenStore
    from .stores.file import FileStore
    from .stores.keyring import KeyringStore
    from .stores.memory import MemoryStore
    from .stores.redis import RedisStore
    from .tokens import Token

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
    "ProfileError",
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

# Every name is loaded when it is first asked for: a plugin of pytest or HTTPie, and a script under
# `requests-jwt run` that may never call an API, must not pay for what they do not use.
_WHERE = {
    "JWTRefreshAdapter": "adapter",
    "anonymous": "authorization",
    "BearerEndpoint": "endpoints",
    "Endpoint": "endpoints",
    "JSONEndpoint": "endpoints",
    "OAuth2Endpoint": "endpoints",
    "InsecureURL": "errors",
    "InvalidToken": "errors",
    "InvalidURL": "errors",
    "JWTRefreshError": "errors",
    "LockTimeout": "errors",
    "ProfileError": "errors",
    "ReentrantRefresh": "errors",
    "RefreshRejected": "errors",
    "RefreshUnavailable": "errors",
    "StoreError": "errors",
    "Matcher": "matching",
    "all_of": "matching",
    "any_401": "matching",
    "any_of": "matching",
    "bearer_challenge": "matching",
    "json_field": "matching",
    "status": "matching",
    "mount": "mounting",
    "Reply": "replies",
    "TokenStore": "stores.base",
    "FileStore": "stores.file",
    "KeyringStore": "stores.keyring",
    "MemoryStore": "stores.memory",
    "RedisStore": "stores.redis",
    "Token": "tokens",
}


def __getattr__(name: str) -> object:
    if name == "presets":
        return import_module(".presets", __name__)
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_WHERE[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
