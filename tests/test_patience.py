"""How long a request waits for a refresh: as its own timeout says, and the refresh goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from urllib3.util import Timeout

from requests_jwt_refresh import MemoryStore, RefreshUnavailable, mount
from requests_jwt_refresh.refresh import patience
from requests_jwt_refresh.refresh.client import SendOptions
from requests_jwt_refresh.refresh.patience import PATIENCE_MARGIN, SHORTEST_PATIENCE, Need
from requests_jwt_refresh.refresh.single_flight import SingleFlight
from tests.support.crowd import Crowd
from tests.support.users import ENDPOINT, mark_expired, store
from tests.support.waits import wait_until

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture


@pytest.mark.parametrize(
    ("timeout", "refresh_timeout", "seconds"),
    [
        (1, 30.0, SHORTEST_PATIENCE),
        (8, 30.0, 16.0),  # to connect, and to read
        ((2, 12.5), 30.0, 14.5),
        ((0.1, 0.2), 30.0, SHORTEST_PATIENCE),
        (Timeout(connect=4, read=9), 30.0, 13.0),
        (60, 30.0, 30.0 + PATIENCE_MARGIN),
        (1, 5.0, 5.0 + PATIENCE_MARGIN),
        (None, 30.0, 30.0 + PATIENCE_MARGIN),
        ((3, None), 30.0, 30.0 + PATIENCE_MARGIN),
        (Timeout(connect=4, read=None), 30.0, 30.0 + PATIENCE_MARGIN),
        (Timeout(total=12), 30.0, 12.0),  # of both together; it has no read timeout before it runs
        (Timeout(total=2), 30.0, SHORTEST_PATIENCE),
        (Timeout(total=None, connect=4, read=9), 30.0, 13.0),
        (Timeout(total=60, connect=4, read=9), 30.0, 13.0),
    ],
)
def test_a_requests_timeout_is_its_patience(
    timeout: object, refresh_timeout: float, seconds: float
) -> None:
    """Connect and read together, 10 s at least; never longer than a refresh may take."""
    need = Need(SendOptions, 0.0, requests.PreparedRequest(), timeout)
    assert need.patience(refresh_timeout) == seconds


def test_a_request_gives_up_and_the_refresh_goes_on(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Leader and followers get an error that says so; the next request has the new token."""
    monkeypatch.setattr(patience, "SHORTEST_PATIENCE", 0.2)
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    before = store.load()
    with server.gate(on="refresh") as gate:
        crowd = Crowd(3, lambda number: session.get(f"/api/{number}", timeout=0.1))
        for failure in crowd.failures(RefreshUnavailable):
            assert failure.cause == (
                f"the refresh at {server.url}/auth/refresh did not finish within 0.2 s, "
                "as long as this request's timeout allows"
            )
            assert failure.remedy.startswith("the tokens are kept, and the refresh goes on")
            assert failure.response is not None
            assert failure.response.status_code == 401
        gate.wait_for(1)
    wait_until(lambda: store.load() != before, "the refresh to be saved")
    assert session.get("/api/x", timeout=5).status_code == 200
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)
    assert adapter.token == store.load()


def test_a_request_waits_no_longer_for_a_second_try(
    server: AuthServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a token known to have expired: what was waited before it was sent counts."""
    monkeypatch.setattr(patience, "SHORTEST_PATIENCE", 0.3)
    waits: list[float] = []
    join = SingleFlight.join

    def note(flight: Any, work: Any, seconds: float, **options: Any) -> Any:
        waits.append(seconds)
        return join(flight, work, seconds, **options)

    monkeypatch.setattr(SingleFlight, "join", note)
    mount(session, server.url, ENDPOINT, MemoryStore(mark_expired(server.login())))
    server.expire()
    with server.gate(on="refresh"), pytest.raises(RefreshUnavailable):
        session.get("/api/x", timeout=0.1)
    first, second = waits
    assert first == 0.3
    assert second < 0.1
