"""Short-lived JWTs for requests, solved: a transport adapter to mount on any Session."""

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
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from .matching import Matcher, all_of, any_401, any_of, bearer_challenge, json_field, status
from .mounting import mount
from .replies import Reply
from .stores.base import TokenStore
from .stores.keyring import KeyringStore
from .stores.memory import MemoryStore
from .tokens import Token

__all__ = [
    "BearerEndpoint",
    "Endpoint",
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
