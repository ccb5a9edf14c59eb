"""The clients that are compared: sessions of requests, each kept in tokens by another library.

A library that is not installed is left out, and `list_missing` says so.
"""

from __future__ import annotations

import datetime as dt
import importlib
import importlib.util
import inspect
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter

from requests_jwt_refresh import FileStore, JSONEndpoint, JWTRefreshAdapter, MemoryStore, mount
from tests.benchmarks import msal_session
from tests.benchmarks.by_hand import HandWrittenSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from requests_jwt_refresh import Token

BARE: Final = "bare"
OURS: Final = "ours"
GOOGLE: Final = "google-auth"
OAUTHLIB: Final = "requests-oauthlib"
AUTHLIB: Final = "Authlib"
REQUESTS_AUTH: Final = "requests-auth"
MSAL: Final = "msal"
BY_HAND: Final = "by hand"

HAS_REFRESH_AHEAD: Final = "refresh_ahead" in inspect.signature(JWTRefreshAdapter).parameters
_EARLY_SECONDS: Final = 0.1  # of a rival's leeway: the tokens here live seconds, not hours
_LONG: Final = 3600.0
_CLIENT_ID: Final = "client-id"


@dataclass(frozen=True)
class Setup:
    """What a client needs to know: the server, a token, and how to get to the network."""

    url: str
    token: Token
    pool: int = 10
    """How many connections are kept; as many as there are threads."""
    transport: Callable[[], HTTPAdapter] | None = None
    """What sends instead, if the network is stubbed out."""
    options: tuple[tuple[str, Any], ...] = ()
    """More options of ours."""
    token_url: str | None = None
    """Where tokens are refreshed, if not at the server's usual path."""
    file: Path | None = None
    """What processes share a login by, each library in its own way; made by the first of them."""

    @property
    def refresh_url(self) -> str:
        return self.token_url or f"{self.url}/auth/refresh"

    @property
    def access(self) -> str:
        return str(self.token.access)

    def make_transport(self) -> HTTPAdapter:
        if self.transport is not None:
            return self.transport()
        return HTTPAdapter(pool_maxsize=self.pool)

    def to_fields(self) -> dict[str, Any]:
        """Return the token as an OAuth 2.0 response has it (RFC 6749 §5.1)."""
        fields: dict[str, Any] = {
            "access_token": self.token.access,
            "refresh_token": self.token.refresh,
            "token_type": "Bearer",
        }
        if self.token.expires_at is not None:
            fields |= {"expires_at": self.token.expires_at}
        return fields

    def load_fields(self) -> dict[str, Any]:
        """Return to_fields(), or what another process has put into the file."""
        if self.file is None:
            return self.to_fields()
        if not self.file.exists():
            self.save_fields(self.to_fields())
        fields: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return fields

    def save_fields(self, fields: Mapping[str, Any]) -> None:
        if self.file is not None:
            self.file.write_text(json.dumps(fields), encoding="utf-8")


@dataclass(frozen=True)
class Client:
    """One way to send requests with a token."""

    name: str
    make: Callable[[Setup], requests.Session]
    modules: tuple[str, ...] = ()
    """What has to be installed, and is imported."""
    sees_401s: bool = False
    """Whether it gets a new token for a 401."""
    server_options: Mapping[str, Any] = field(default_factory=dict)
    """Of the AuthServer that it needs, if not any will do."""

    @property
    def is_installed(self) -> bool:
        return all(_is_there(module) for module in self.modules)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is not there
        return False


def find_clients(*names: str) -> list[Client]:
    """Return those of these clients that are installed, in the same order."""
    return [CLIENTS[name] for name in names if CLIENTS[name].is_installed]


def list_missing(names: Iterable[str]) -> list[str]:
    """Return a line for each of these clients that is not installed."""
    return [f"{name}: not installed" for name in names if not CLIENTS[name].is_installed]


def without_refresh_ahead() -> tuple[tuple[str, Any], ...]:
    """Return the option of ours that turns refresh ahead off, in a version that has it."""
    return (("refresh_ahead", 0),) if HAS_REFRESH_AHEAD else ()


def _make_bare(setup: Setup) -> requests.Session:
    session = requests.Session()
    session.mount(f"{setup.url}/", setup.make_transport())
    return session


def make_by_hand(setup: Setup) -> requests.Session:
    """Return a plain session that its user has given the token, for ever."""
    session = _make_bare(setup)
    session.headers["Authorization"] = f"Bearer {setup.access}"
    return session


def _make_ours(setup: Setup) -> requests.Session:
    session = requests.Session()
    options = dict(setup.options)
    if setup.transport is None:
        options["pool_maxsize"] = setup.pool
    else:
        options["transport"] = setup.transport()
    mount(session, setup.url, JSONEndpoint(setup.refresh_url), _make_store(setup), **options)
    return session


def _make_store(setup: Setup) -> FileStore | MemoryStore:
    if setup.file is None:
        return MemoryStore(setup.token)
    store = FileStore(setup.file)
    if store.load() is None:
        store.save(setup.token)
    return store


def _make_by_hand(setup: Setup) -> requests.Session:
    session = HandWrittenSession(setup.refresh_url, setup.load_fields(), setup.file)
    session.mount(f"{setup.url}/", setup.make_transport())
    return session


def _make_google(setup: Setup) -> requests.Session:
    fields = setup.load_fields()
    credentials = importlib.import_module("google.oauth2.credentials").Credentials(
        fields["access_token"],
        refresh_token=fields["refresh_token"],
        token_uri=setup.refresh_url,
        client_id=_CLIENT_ID,
        client_secret="client-secret",
        expiry=_to_google_expiry(setup.token.expires_at),
    )
    transport = importlib.import_module("google.auth.transport.requests")
    session: requests.Session = transport.AuthorizedSession(credentials)
    session.mount(f"{setup.url}/", setup.make_transport())
    return session


def _to_google_expiry(expires_at: float | None) -> dt.datetime | None:
    """Return the moment as google-auth wants it: UTC, without saying so."""
    if expires_at is None:
        return None
    return dt.datetime.fromtimestamp(expires_at, dt.timezone.utc).replace(tzinfo=None)


def _make_oauthlib(setup: Setup) -> requests.Session:
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # a server on this machine needs no TLS
    session: requests.Session = importlib.import_module("requests_oauthlib").OAuth2Session(
        _CLIENT_ID,
        token=setup.load_fields(),
        auto_refresh_url=setup.refresh_url,
        auto_refresh_kwargs={"client_id": _CLIENT_ID},
        token_updater=setup.save_fields,
    )
    session.mount(f"{setup.url}/", setup.make_transport())
    return session


def _make_authlib(setup: Setup) -> requests.Session:
    client = importlib.import_module("authlib.integrations.requests_client")
    session: requests.Session = client.OAuth2Session(
        _CLIENT_ID,
        token=setup.load_fields(),
        token_endpoint=setup.refresh_url,
        token_endpoint_auth_method="none",
        update_token=lambda token, **_old: setup.save_fields(token),
        leeway=_EARLY_SECONDS,
    )
    session.mount(f"{setup.url}/", setup.make_transport())
    return session


def _make_requests_auth(setup: Setup) -> requests.Session:
    library = importlib.import_module("requests_auth")
    auth = library.OAuth2ResourceOwnerPasswordCredentials(
        setup.refresh_url, "alice", "password", early_expiry=_EARLY_SECONDS
    )
    cache = library.TokenMemoryCache()
    if setup.file is not None:
        cache = library.JsonTokenFileCache(str(setup.file))
    library.OAuth2.token_cache = cache
    if auth.state not in cache.tokens:
        left = _LONG if setup.token.expires_at is None else setup.token.expires_at - time.time()
        cache._add_access_token(  # noqa: SLF001 - else it logs in first
            auth.state, setup.access, left, setup.token.refresh
        )
    session = _make_bare(setup)
    session.auth = auth
    return session


def _make_msal(setup: Setup) -> requests.Session:
    session = _make_bare(setup)
    msal_session.authorize(session, setup)
    return session


CLIENTS: Final = {
    client.name: client
    for client in (
        Client(BARE, _make_bare),
        Client(OURS, _make_ours, sees_401s=True),
        Client(
            GOOGLE,
            _make_google,
            ("google.oauth2.credentials", "google.auth.transport.requests"),
            sees_401s=True,
        ),
        Client(OAUTHLIB, _make_oauthlib, ("requests_oauthlib",)),
        Client(AUTHLIB, _make_authlib, ("authlib.integrations.requests_client",)),
        Client(REQUESTS_AUTH, _make_requests_auth, ("requests_auth",)),
        Client(
            MSAL,
            _make_msal,
            ("msal", "msal_extensions"),
            server_options=msal_session.SERVER_OPTIONS,
        ),
        Client(BY_HAND, _make_by_hand, sees_401s=True),
    )
}
RIVALS: Final = (GOOGLE, OAUTHLIB, AUTHLIB, REQUESTS_AUTH)
EVERYBODY: Final = (BARE, OURS, *RIVALS)
