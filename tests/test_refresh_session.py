"""A refresh session of the user's own: theirs to set up, ours to keep within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import BearerEndpoint, RefreshUnavailable, mount
from requests_jwt_refresh.testing import Trickle
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT, store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from requests_jwt_refresh import MemoryStore
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture


@pytest.fixture
def own() -> Iterator[requests.Session]:
    """The user's."""
    with plain_session() as own:
        yield own


def find_refresh_requests(server: AuthServer) -> list[str | None]:
    return [seen.headers.get("Authorization") for seen in server.requests if seen.kind == "refresh"]


def test_its_auth_is_used(
    server: AuthServer, session: requests.Session, store: MemoryStore, own: requests.Session
) -> None:
    """Client authentication may sit on the session."""
    own.auth = ("client", "secret")
    mount(session, server.url, ENDPOINT, store, refresh_session=own)
    server.expire()
    assert session.get("/api/x").status_code == 200
    (header,) = find_refresh_requests(server)
    assert header is not None
    assert header.startswith("Basic ")


def test_its_auth_does_not_replace_the_endpoints(
    server: AuthServer, session: requests.Session, store: MemoryStore, own: requests.Session
) -> None:
    """Where the refresh token is the Authorization, it stays."""
    own.auth = ("client", "secret")
    mount(session, server.url, BearerEndpoint("/auth/refresh"), store, refresh_session=own)
    server.expire()
    assert session.get("/api/x").status_code == 200
    (header,) = find_refresh_requests(server)
    assert header is not None
    assert header.startswith("Bearer ")


def test_a_body_that_trickles_in_is_cut_off(
    server: AuthServer, session: requests.Session, store: MemoryStore, own: requests.Session
) -> None:
    """refresh_timeout bounds the exchange over any session; it works again afterwards."""
    server.grace = 60.0
    adapter = mount(session, server.url, ENDPOINT, store, refresh_session=own, refresh_timeout=0.5)
    server.expire()
    server.fail(Trickle(0.2, part="body"), times=1)
    with pytest.raises(RefreshUnavailable, match=r"0\.5 s"):
        session.get("/api/x")
    server.heal()
    adapter.refresh()
    server.expire()
    assert session.get("/api/x").status_code == 200
