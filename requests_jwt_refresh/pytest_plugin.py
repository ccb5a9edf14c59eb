"""The pytest plugin: the fixture `jwt_server`, there as soon as this distribution is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing import AuthServer


@pytest.fixture
def jwt_server() -> Iterator[AuthServer]:
    """Start a real token server and API on loopback, new for each test.

        def test_my_client_survives_an_expiry(jwt_server):
            client = MyClient(jwt_server.url, jwt_server.login())
            jwt_server.expire()
            client.list_users()
            assert jwt_server.counters.rotated == 1

    Options are attributes, to be set before the first request: ``jwt_server.lifetime = 2.0``. See
    requests_jwt_refresh.testing.AuthServer for what it can do.
    """
    from requests_jwt_refresh.testing import AuthServer

    with AuthServer() as server:
        yield server
