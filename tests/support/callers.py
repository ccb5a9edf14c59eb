"""A caller whose session is logged in, and what can happen to one of its requests.

Import the fixture `session` into a test module that needs it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    MemoryStore,
    any_of,
    bearer_challenge,
    json_field,
    mount,
)
from requests_jwt_refresh.testing import Status
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT, INVALID_JWT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response, Session

    from requests_jwt_refresh.testing import AuthServer


EXPIRED = json_field("message", "Invalid JWT")
SMALLEST_POOL: dict[str, Any] = {"pool_block": True, "pool_maxsize": 1}
EXPIRED_IN_ANY_WAY = any_of(bearer_challenge(), EXPIRED)  # a HEAD has no body to say it in


@contextmanager
def our_session(
    server: AuthServer, when: Callable[[Response], bool] = EXPIRED, **options: Any
) -> Iterator[Session]:
    with plain_session() as session:
        mount(session, server.url, ENDPOINT, MemoryStore(server.login()), when=when, **options)
        yield session


@pytest.fixture(params=["the session's own adapter sends", "ours sends"])
def session(server: AuthServer, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session that is logged in. With options for a pool, our adapter does the sending."""
    options: dict[str, Any] = {} if "own" in request.param else {"pool_maxsize": 10}
    with our_session(server, **options) as session:
        yield session


def nothing_happens(_server: AuthServer) -> None:
    pass


def token_expires(server: AuthServer) -> None:
    server.expire()
    headers = {"Set-Cookie": "from-401=1", "WWW-Authenticate": 'Bearer error="invalid_token"'}
    answer = Status(401, body=INVALID_JWT, headers=headers)
    server.fail(answer, on="api")


def refresh_is_refused(server: AuthServer) -> None:
    server.expire()
    server.revoke()


def refresh_is_unavailable(server: AuthServer) -> None:
    server.expire()
    server.fail(Status(500))


def other_401(server: AuthServer) -> None:
    server.fail(Status(401, body=b'{"message": "Not for you"}'), on="api")


EVENTS: dict[Callable[[AuthServer], None], int | None] = {
    nothing_happens: 200,
    token_expires: 200,
    refresh_is_refused: 401,
    refresh_is_unavailable: None,
    other_401: 401,
}
