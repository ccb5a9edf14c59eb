"""A token that is not valid yet: the clocks of replicas are apart, and waiting cures it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import MemoryStore, Token, clock, mount
from requests_jwt_refresh.tokens import jwt_claims
from tests.support.users import ENDPOINT, STILL_EXPIRED

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.testing import AuthServer, Exchange
    from tests.support.clock import Clock

pytestmark = pytest.mark.usefixtures("clock")


def make_jwt(**claims: float) -> str:
    parts = ({"alg": "none"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts)
    return ".".join([*(each.rstrip("=") for each in encoded), "signature"])


class Replica:
    """A fault: an API whose clock is `behind` by some seconds, and that heeds "nbf"."""

    def __init__(self, behind: float = 0.0) -> None:
        self.behind = behind
        self.asked = 0

    def play(self, exchange: Exchange) -> None:
        self.asked += 1
        now = clock.time() - self.behind
        claims = jwt_claims(exchange.seen.bearer or "")
        if claims.get("nbf", claims.get("iat", 0)) > now:
            refusal = STILL_EXPIRED.to_response()
            date = exchange._handler.date_time_string(now)  # noqa: SLF001 - by its own clock
            exchange.send(type(refusal)(401, refusal.body, {**refusal.headers, "Date": date}))
        else:
            exchange.send(type(STILL_EXPIRED.to_response())(200, b"{}"))


def mount_with(server: AuthServer, session: requests.Session, **claims: float) -> MemoryStore:
    """Mount an adapter whose token has `claims`, counted from now."""
    token = make_jwt(**{name: round(clock.time()) + value for name, value in claims.items()})
    store = MemoryStore(Token(token, "refresh"))
    mount(session, server.url, ENDPOINT, store)
    return store


@pytest.mark.parametrize(
    "claims", [{"nbf": 2.0}, {"iat": 2.0, "exp": 300.0}, {"nbf": 4.0}], ids=str
)
def test_it_is_waited_for(
    server: AuthServer, session: requests.Session, clock: Clock, claims: dict[str, float]
) -> None:
    """The same token once more, after the difference; no refresh."""
    replica = Replica()
    server.fail(replica, on="api", times=None)
    store = mount_with(server, session, **claims)
    before = store.load()
    answer = session.get("/api/x")
    assert (answer.status_code, [each.status_code for each in answer.history]) == (200, [401])
    assert (server.counters.refreshes, replica.asked, store.load()) == (0, 2, before)
    assert 0 < clock.slept <= max(claims.values())


def test_the_difference_is_by_the_clock_of_who_refused(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """Ours may be minutes off."""
    server.fail(Replica(behind=3.0), on="api", times=None)
    mount_with(server, session, iat=0.0, exp=300.0)
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 0
    assert 2.9 < clock.slept < 4.1


def test_it_is_waited_for_once_in_a_request(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """If it is refused then as well, there is another reason: a refresh as ever."""
    mount_with(server, session, nbf=2.0)
    server.fail(STILL_EXPIRED, on="api", times=None)
    assert session.get("/api/x").status_code == 401
    assert len(clock.sleeps) == 1
    assert server.counters.refreshes == 1
    assert [each.kind for each in server.requests] == ["api", "api", "refresh"]


def test_a_long_difference_is_not_waited_for(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """More than 5 s is no difference of clocks between replicas."""
    mount_with(server, session, nbf=30.0)
    server.fail(Replica(), on="api", times=None)
    assert session.get("/api/x").status_code == 401
    assert clock.sleeps == []


def test_a_token_of_the_same_second_is_valid(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """Issuers may write fractions of a second, and a Date has none: nothing is waited for."""
    mount_with(server, session, iat=0.9, exp=300.0)
    server.fail(STILL_EXPIRED, on="api", times=None)
    assert session.get("/api/x").status_code == 401
    assert clock.sleeps == []


def test_a_body_that_can_be_sent_only_once_does_not_wait(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """Waiting would be in vain."""
    mount_with(server, session, nbf=2.0)
    server.fail(Replica(), on="api", times=None)
    assert session.post("/api/x", data=iter([b"a"])).status_code == 401
    assert clock.sleeps == []
