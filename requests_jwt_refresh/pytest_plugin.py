"""The pytest plugin: the fixture `jwt_server`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing import AuthServer


@pytest.fixture
def jwt_server() -> Iterator[AuthServer]:
    """Start a real token server and API on loopback, new for each test.

    Let it ``expire()``, ``revoke()``, ``fail(Status(503))``, and count: see
    requests_jwt_refresh.testing.AuthServer.
    """
    from requests_jwt_refresh.testing import AuthServer

    with AuthServer() as server:
        yield server
