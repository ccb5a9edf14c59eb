"""A session whose requests carry the token that msal keeps, as its documentation says.

msal takes https alone, so its client of HTTP, which it lets its user give, reaches the server at
another address than the one it was told.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from requests import PreparedRequest

    from tests.benchmarks.clients import Setup

ISSUER: Final = "https://id.example.com/tenant"
_TOKEN_URL: Final = f"{ISSUER}/auth/token"
_SCOPES: Final = ("email",)
_CLIENT_ID: Final = "client-id"

SERVER_OPTIONS: Final[Mapping[str, Any]] = {
    "openid": True,
    "issuer": ISSUER,
    "metadata": {
        "token_endpoint": _TOKEN_URL,
        "authorization_endpoint": f"{ISSUER}/auth/authorize",
    },
}
"""Of the AuthServer that it needs."""


class LoginRequiredError(Exception):
    """There is no token, and the user has to log in: where msal's documentation says so."""


class _Elsewhere(HTTPAdapter):
    """Sends what is for the issuer to the server that plays it."""

    def __init__(self, url: str, token_url: str) -> None:
        super().__init__()
        self._url, self._token_url = url, token_url

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        copy = request.copy()
        url = str(request.url)
        copy.url = self._token_url if url == _TOKEN_URL else url.replace(ISSUER, self._url)
        return super().send(copy, *args, **options)


class _TokenFromMSAL(requests.auth.AuthBase):
    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        (account,) = self._app.get_accounts()
        result = self._app.acquire_token_silent(list(_SCOPES), account=account)
        if not result:
            raise LoginRequiredError
        request.headers["Authorization"] = f"Bearer {result['access_token']}"
        return request


def authorize(session: requests.Session, setup: Setup) -> None:
    """Let the session's requests carry msal's token; it takes over the login of `setup` first."""
    http_client = requests.Session()
    http_client.trust_env = False
    http_client.mount(ISSUER, _Elsewhere(setup.url, setup.refresh_url))
    app = importlib.import_module("msal").PublicClientApplication(
        _CLIENT_ID,
        oidc_authority=ISSUER,
        http_client=http_client,
        token_cache=None if setup.file is None else _open_cache(setup.file),
    )
    if not app.get_accounts():
        app.acquire_token_by_refresh_token(setup.token.refresh, scopes=list(_SCOPES))
        _set_expiry(app.token_cache, setup.token.expires_at)
    session.auth = _TokenFromMSAL(app)


def _open_cache(file: Path) -> Any:
    extensions = importlib.import_module("msal_extensions")
    return extensions.PersistedTokenCache(extensions.FilePersistence(str(file)))


def _set_expiry(cache: Any, expires_at: float | None) -> None:
    """Let msal believe what the other clients are told."""
    if expires_at is None:
        return
    kind = cache.CredentialType.ACCESS_TOKEN
    for entry in list(cache.search(kind)):
        cache.modify(kind, entry, {"expires_on": str(int(expires_at))})
