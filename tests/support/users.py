"""One user with a server: a session with a mounted adapter, and a login in its store.

Import the fixture `store` into a test module that needs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import JSONEndpoint, MemoryStore, RefreshUnavailable, clock
from requests_jwt_refresh.testing import Status

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh import Token, TokenStore
    from requests_jwt_refresh.testing import AuthServer

ENDPOINT = JSONEndpoint("/auth/refresh")
INVALID_JWT = b'{"message": "Invalid JWT"}'  # AuthServer's, where the API takes a token no more
STILL_EXPIRED = Status(401, body=INVALID_JWT)


@pytest.fixture
def store(server: AuthServer) -> MemoryStore:
    """A store that holds a login."""
    return MemoryStore(server.login())


def load_token(store: TokenStore) -> Token:
    """Return the token in a store that holds one."""
    token = store.load()
    assert token is not None
    return token


def mark_expired(token: Token) -> Token:
    """Return the token, known to have expired, whatever the server thinks of it."""
    return replace(token, expires_at=clock.time() - 1)


def catch_unavailable(session: requests.Session) -> RefreshUnavailable:
    """Return what a request fails with whose token has expired; it carries the API's 401."""
    with pytest.raises(RefreshUnavailable) as caught:
        session.get("/api/x")
    response = caught.value.response
    assert response is not None
    assert (response.status_code, response.content) == (401, INVALID_JWT)
    return caught.value


def assert_one_rotation(server: AuthServer, store: TokenStore) -> None:
    """Assert that the server was asked once, and that the store has what it answered."""
    counters = server.counters
    assert (counters.refreshes, counters.rotated, counters.reuse) == (1, 1, 0)
    assert server.family_alive(load_token(store))
