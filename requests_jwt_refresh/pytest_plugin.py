"""The pytest plugin: the fixture `jwt_server`, there as soon as this distribution is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing import AuthServer

_UNANSWERED = "jwt_server could not respond, which its client takes for an outage."


@pytest.fixture
def jwt_server() -> Iterator[AuthServer]:
    """Start a real token server and API on loopback, new for each test.

    ```python
    import requests
    from requests_jwt_refresh import JSONEndpoint, MemoryStore, mount


    def test_an_expired_token_is_refreshed(jwt_server):
        session = requests.Session()
        adapter = mount(session, jwt_server.url, JSONEndpoint("/auth/refresh"), MemoryStore())
        adapter.set_token(jwt_server.login())
        jwt_server.expire()
        assert session.get("/api/users").status_code == 200
        assert jwt_server.counters.rotated == 1
    ```

    It is a `requests_jwt_refresh.testing.AuthServer`, whose options are attributes of it, to
    be set before the first request: ``jwt_server.lifetime = 2.0``.

    What a fault or a predicate of the test's own raises closes a connection, which a client takes
    for an outage: at its end such a test fails, with the traceback.
    """
    from requests_jwt_refresh.testing import AuthServer
    from requests_jwt_refresh.testing.server import list_errors

    with AuthServer() as server:
        yield server
    errors = list_errors(server)
    if errors:
        raised = "\n\n".join(f"Raised {each}" for each in errors)
        pytest.fail(f"{_UNANSWERED}\n\n{raised}", pytrace=False)
