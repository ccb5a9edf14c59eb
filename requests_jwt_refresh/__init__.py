"""Short-lived JWTs for requests, solved: a transport adapter to mount on any Session.

```python
import requests
from requests_jwt_refresh import JSONEndpoint, MemoryStore, mount
from requests_jwt_refresh.testing import AuthServer

with AuthServer() as api:  # stands for your API
    session = requests.Session()
    adapter = mount(session, api.url, JSONEndpoint("/auth/refresh"), MemoryStore())
    adapter.set_token(api.login())  # once, after a login
    api.expire()  # the access token expires: it is refreshed, and the request sent again
    print(session.get("/api/users").status_code)  # 200
```

For your API, give its URL, and leave the store out: then the token lives in the keyring. If your
server is a known one, take its endpoint from `requests_jwt_refresh.presets`. README and the guide
beside it tell the rest; ``requests-jwt --help`` is for those who write no Python. In the examples
below all names are imported from here, ``session`` is a ``requests.Session``, and ``adapter`` is
mounted on it.

The parts:

- the adapter: `mount`, `JWTRefreshAdapter`, `Token`; a request with ``auth=anonymous`` goes without
  a token and is never refreshed
- how to ask for a new token: `JSONEndpoint`, `BearerEndpoint`, `OAuth2Endpoint`, ready ones for
  known servers in `requests_jwt_refresh.presets`, or your own (`Endpoint`, `TokenResponse`);
  without a refresh token: `ClientCredentials`, `JWTBearer`, `TokenExchange`
- where a token travels: `header`, `cookie`, or the path of a JSON field
- what "expired" looks like: `any_401` (the default), `status`, `bearer_challenge`, `json_field`,
  `any_of`, `all_of`, or your own (`Matcher`)
- where the token lives: `KeyringStore`, `FileStore`, `MemoryStore`, `RedisStore`, or your own
  (`TokenStore`)
- how to log in: `BrowserLogin`, `DeviceLogin`, `PasswordLogin`, or your own function ``(session) ->
  Token``; what a server says of itself: `ServerMetadata`
- what happened, step by step: `Event`
- what can go wrong: `RefreshUnavailable`, `RefreshRejected`, `StoreError` and the other errors, all
  of them a `JWTRefreshError`
- for tests: `requests_jwt_refresh.testing`

<!-- PYTEST_DONT_REWRITE: so pytest does not warn if this module was imported before it; it has no
assertions. Those of `requests_jwt_refresh.testing` are rewritten. -->
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests_jwt_refresh import presets
    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.authorization import anonymous, cookie, header
    from requests_jwt_refresh.endpoints import (
        BearerEndpoint,
        Endpoint,
        JSONEndpoint,
        OAuth2Endpoint,
    )
    from requests_jwt_refresh.errors import (
        DiscoveryError,
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
    from requests_jwt_refresh.events import Event
    from requests_jwt_refresh.grants.browser import BrowserLogin
    from requests_jwt_refresh.grants.device import DeviceLogin
    from requests_jwt_refresh.grants.discovery import ServerMetadata
    from requests_jwt_refresh.grants.password import PasswordLogin
    from requests_jwt_refresh.jose import DPoP, PrivateKeyJWT
    from requests_jwt_refresh.matching import (
        Matcher,
        all_of,
        any_401,
        any_of,
        bearer_challenge,
        json_field,
        status,
    )
    from requests_jwt_refresh.mounting import mount
    from requests_jwt_refresh.responses import Reply, TokenResponse
    from requests_jwt_refresh.stores.base import TokenStore
    from requests_jwt_refresh.stores.file import FileStore
    from requests_jwt_refresh.stores.keyring import KeyringStore
    from requests_jwt_refresh.stores.memory import MemoryStore
    from requests_jwt_refresh.stores.redis import RedisStore
    from requests_jwt_refresh.token_grants import ClientCredentials, JWTBearer, TokenExchange
    from requests_jwt_refresh.tokens import Token

__docformat__ = "google"  # for pdoc

__all__ = [
    "BearerEndpoint",
    "BrowserLogin",
    "ClientCredentials",
    "DPoP",
    "DeviceLogin",
    "DiscoveryError",
    "Endpoint",
    "Event",
    "FileStore",
    "InsecureURL",
    "InvalidToken",
    "InvalidURL",
    "JSONEndpoint",
    "JWTBearer",
    "JWTRefreshAdapter",
    "JWTRefreshError",
    "KeyringStore",
    "LockTimeout",
    "Matcher",
    "MemoryStore",
    "OAuth2Endpoint",
    "PasswordLogin",
    "PrivateKeyJWT",
    "ProfileError",
    "RedisStore",
    "ReentrantRefresh",
    "RefreshRejected",
    "RefreshUnavailable",
    "Reply",
    "ServerMetadata",
    "StoreError",
    "Token",
    "TokenExchange",
    "TokenResponse",
    "TokenStore",
    "all_of",
    "anonymous",
    "any_401",
    "any_of",
    "bearer_challenge",
    "cookie",
    "header",
    "json_field",
    "mount",
    "presets",
    "status",
]

# Every name is loaded when it is first used: a plugin of pytest or HTTPie, and a script under
# `requests-jwt run` that may never call an API, must not pay for what they do not use.
_WHERE = {
    "JWTRefreshAdapter": "adapter",
    "anonymous": "authorization",
    "cookie": "authorization",
    "header": "authorization",
    "BearerEndpoint": "endpoints",
    "Endpoint": "endpoints",
    "JSONEndpoint": "endpoints",
    "OAuth2Endpoint": "endpoints",
    "DiscoveryError": "errors",
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
    "Event": "events",
    "BrowserLogin": "grants.browser",
    "DeviceLogin": "grants.device",
    "ServerMetadata": "grants.discovery",
    "PasswordLogin": "grants.password",
    "DPoP": "jose",
    "PrivateKeyJWT": "jose",
    "Matcher": "matching",
    "all_of": "matching",
    "any_401": "matching",
    "any_of": "matching",
    "bearer_challenge": "matching",
    "json_field": "matching",
    "status": "matching",
    "mount": "mounting",
    "Reply": "responses",  # the name that TokenResponse had in 0.1
    "TokenResponse": "responses",
    "TokenStore": "stores.base",
    "FileStore": "stores.file",
    "KeyringStore": "stores.keyring",
    "MemoryStore": "stores.memory",
    "RedisStore": "stores.redis",
    "ClientCredentials": "token_grants",
    "JWTBearer": "token_grants",
    "TokenExchange": "token_grants",
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
