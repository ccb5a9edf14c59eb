"""valid_token(refused=...): another token, for a client that is not requests and got a 401."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import (
    FileStore,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    RefreshRejected,
    RefreshUnavailable,
)
from requests_jwt_refresh.refresh.limits import REFUSED_LIMIT
from requests_jwt_refresh.testing import Status
from tests.support.crowd import Crowd, wait_for_waiters
from tests.support.users import ENDPOINT, store

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from requests_jwt_refresh import Token
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture


def test_a_refused_token_is_refreshed_although_it_is_valid(
    server: AuthServer, store: MemoryStore
) -> None:
    """The server has ended it early; its own expiry says nothing of that."""
    adapter = JWTRefreshAdapter(server.url, ENDPOINT, store)
    old = adapter.valid_token()
    assert old.lasts(60)
    new = adapter.valid_token(refused=old)
    assert new.access != old.access
    assert (adapter.token, store.load(), server.counters.refreshes) == (new, new, 1)


def test_an_older_refused_token_costs_nothing(server: AuthServer, store: MemoryStore) -> None:
    """Another thread has refreshed since: its token is handed out."""
    adapter = JWTRefreshAdapter(server.url, ENDPOINT, store)
    old = adapter.valid_token()
    new = adapter.valid_token(refused=old)
    assert adapter.valid_token(refused=old) == new
    assert server.counters.refreshes == 1


def test_threads_with_one_refused_token_share_one_refresh(
    server: AuthServer, store: MemoryStore
) -> None:
    adapter = JWTRefreshAdapter(server.url, ENDPOINT, store)
    old = adapter.valid_token()
    found: list[Token] = []
    with server.gate(on="refresh") as gate:
        crowd = Crowd(8, lambda _number: found.append(adapter.valid_token(refused=old)))
        gate.wait_for(1)
        wait_for_waiters(adapter, 7)
    assert crowd.outcomes() == [None] * 8
    assert found == [adapter.token] * 8
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


def test_the_token_of_another_process_is_adopted(server: AuthServer, tmp_path: Path) -> None:
    """It has refreshed already: the store has its token."""
    path = tmp_path / "token.json"
    FileStore(path).save(server.login())
    here, there = (
        JWTRefreshAdapter(server.url, JSONEndpoint("/auth/refresh"), FileStore(path))
        for _ in range(2)
    )
    old = here.valid_token()
    new = there.valid_token(refused=old)
    assert here.valid_token(refused=old) == new
    assert server.counters.refreshes == 1


def test_an_api_that_refuses_every_token_is_not_refreshed_for_ever(
    server: AuthServer, store: MemoryStore
) -> None:
    """As for requests: five in 30 s, then RefreshUnavailable."""
    adapter = JWTRefreshAdapter(server.url, ENDPOINT, store)
    token = adapter.valid_token()
    for _ in range(REFUSED_LIMIT):
        server.lifetime = 1.0
        token = adapter.valid_token(refused=token)
    with pytest.raises(RefreshUnavailable, match="keeps refusing tokens fresh from"):
        adapter.valid_token(refused=token)
    assert server.counters.refreshes == REFUSED_LIMIT


def test_a_failure_keeps_the_token(server: AuthServer, store: MemoryStore) -> None:
    """The refused one is not handed out again, and not forgotten either."""
    adapter = JWTRefreshAdapter(server.url, ENDPOINT, store)
    old = adapter.valid_token()
    server.fail(Status(500), times=None)
    with pytest.raises(RefreshUnavailable):
        adapter.valid_token(refused=old)
    assert adapter.token == old


def test_a_refused_refresh_is_raised(server: AuthServer, store: MemoryStore) -> None:
    """There is no answer of the API's to give instead."""
    adapter = JWTRefreshAdapter(server.url, ENDPOINT, store)
    old = adapter.valid_token()
    server.revoke()
    with pytest.raises(RefreshRejected):
        adapter.valid_token(refused=old)
    assert adapter.token is None


@pytest.mark.parametrize("refused", ["an access token", True])
def test_what_is_no_token_is_told(store: MemoryStore, refused: Any) -> None:
    """Without showing it."""
    adapter = JWTRefreshAdapter("https://api.example.com", ENDPOINT, store)
    with pytest.raises(TypeError, match="refused takes the Token that the API has refused") as told:
        adapter.valid_token(refused=refused)
    assert "an access token" not in str(told.value)
