"""A refresh session of the user's own: theirs to set up, ours to keep within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh import (
    BearerEndpoint,
    JSONEndpoint,
    MemoryStore,
    RefreshUnavailable,
    mount,
)
from requests_jwt_refresh.testing import AuthServer, Trickle

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def own() -> Iterator[requests.Session]:
    """The user's."""
    with requests.Session() as own:
        own.trust_env = False
        yield own


def sent_to_refresh(server: AuthServer) -> list[str | None]:
    return [seen.headers.get("Authorization") for seen in server.requests if seen.kind == "refresh"]


def test_its_auth_is_used(
    server: AuthServer, session: requests.Session, own: requests.Session
) -> None:
    """Client authentication may sit on the session."""
    own.auth = ("client", "secret")
    mount(
        session,
        server.url,
        JSONEndpoint("/auth/refresh"),
        MemoryStore(server.login()),
        refresh_session=own,
    )
    server.expire()
    assert session.get("/api/x").status_code == 200
    (header,) = sent_to_refresh(server)
    assert header is not None
    assert header.startswith("Basic ")


def test_its_auth_does_not_replace_the_endpoints(
    server: AuthServer, session: requests.Session, own: requests.Session
) -> None:
    """Where the refresh token is the Authorization, it stays."""
    own.auth = ("client", "secret")
    mount(
        session,
        server.url,
        BearerEndpoint("/auth/refresh"),
        MemoryStore(server.login()),
        refresh_session=own,
    )
    server.expire()
    assert session.get("/api/x").status_code == 200
    (header,) = sent_to_refresh(server)
    assert header is not None
    assert header.startswith("Bearer ")


def test_a_body_that_trickles_in_is_cut_off(
    server: AuthServer, session: requests.Session, own: requests.Session
) -> None:
    """refresh_timeout bounds the exchange over any session; it works again afterwards."""
    server.grace = 60.0
    mount(
        session,
        server.url,
        JSONEndpoint("/auth/refresh"),
        MemoryStore(server.login()),
        refresh_session=own,
        refresh_timeout=0.5,
    )
    server.expire()
    server.fail(Trickle(0.2, part="body"), times=1)
    with pytest.raises(RefreshUnavailable, match=r"0\.5 s"):
        session.get("/api/x")
    server.heal()
    server.expire()
    assert session.get("/api/x").status_code == 200
