"""AuthServer plays known servers: each request by hand, each response as documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.testing.likes import SHAPES
from tests.support.wires import WIRES, Client, Held, Wire

if TYPE_CHECKING:
    import requests

NAMES = list(WIRES)
REFRESHING = [name for name, wire in WIRES.items() if wire.refresh is not None]
REFUSING = [name for name, wire in WIRES.items() if wire.refused is not None]
LOGGING_IN = [name for name, wire in WIRES.items() if wire.login is not None]
LOGGING_OUT = [name for name, wire in WIRES.items() if wire.logout is not None]


def log_in(server: AuthServer, wire: Wire) -> Held:
    """Return what a client holds after a login: over the wire where one is documented."""
    if wire.login is None:
        token = server.login()
        held = {"access": token.access, "refresh": token.refresh}
        return {name: value for name, value in held.items() if value is not None}
    response = wire.login(Client(server.url), "right")
    assert response.status_code in (200, 201)
    return (wire.read_login or wire.read)(response)


def refresh(server: AuthServer, wire: Wire, held: Held) -> requests.Response:
    assert wire.refresh is not None
    return wire.refresh(Client(server.url), held)


def count_requests(name: str) -> int:
    """Return how many requests a first refresh takes: one more where a nonce is asked for."""
    return 2 if SHAPES[name].dpop else 1


def is_good(response: requests.Response) -> bool:
    """Whether it is the echo, and no error that comes with 200."""
    return response.status_code == 200 and response.json().get("user") is not None


def test_each_known_server_is_tested_here() -> None:
    """A new entry comes with its requests, written by hand."""
    assert set(WIRES) == set(SHAPES)


@pytest.mark.parametrize("name", NAMES)
def test_a_good_token_is_answered_and_an_expired_one_in_the_servers_own_way(name: str) -> None:
    """The token in the server's own place; the words for "expired" are those of SERVERS.md."""
    wire = WIRES[name]
    with AuthServer(like=name) as server:
        held = log_in(server, wire)
        assert is_good(wire.call(Client(server.url), held))
        server.expire()
        wire.expired.check(wire.call(Client(server.url), held))
        assert (server.counters.answered, server.counters.unauthorized) == (1, 1)
        assert [each.access for each in server.requests[-2:]] == [held["access"]] * 2


@pytest.mark.parametrize("name", REFRESHING)
def test_a_refresh_gives_a_token_that_is_taken(name: str) -> None:
    """The request of the documentation is taken, and the response read where it says."""
    wire = WIRES[name]
    with AuthServer(like=name) as server:
        held = log_in(server, wire)
        response = refresh(server, wire, held)
        wire.gives.check(response)
        held |= wire.read(response)
        assert is_good(wire.call(Client(server.url), held))
        assert (server.counters.refreshes, server.counters.rotated) == (count_requests(name), 1)
        assert server.counters.refused == 0
        again = refresh(server, wire, held)  # with what the first one gave
        wire.gives.check(again)
        assert is_good(wire.call(Client(server.url), held | wire.read(again)))


@pytest.mark.parametrize("name", REFUSING)
def test_a_refusal_is_said_in_the_servers_own_way(name: str) -> None:
    """After revoke(): the words for "refused" are those of SERVERS.md."""
    wire = WIRES[name]
    assert wire.refused is not None
    with AuthServer(like=name) as server:
        held = log_in(server, wire)
        server.revoke()
        wire.refused.check(refresh(server, wire, held))
        assert (server.counters.refreshes, server.counters.refused) == (count_requests(name), 1)


@pytest.mark.parametrize("name", REFRESHING)
def test_throttling_is_said_in_the_servers_own_way(name: str) -> None:
    """``server.fail(server.throttled)``: nothing is done, and the next request is answered."""
    wire = WIRES[name]
    with AuthServer(like=name) as server:
        held = log_in(server, wire)
        server.fail(server.throttled)
        wire.throttled.check(refresh(server, wire, held))
        assert (server.counters.faults, server.counters.rotated) == (1, 0)
        wire.gives.check(refresh(server, wire, held))


@pytest.mark.parametrize("name", NAMES)
def test_the_api_throttles_likewise(name: str) -> None:
    """``server.fail(server.throttled, on="api")``: the token stays good."""
    wire = WIRES[name]
    with AuthServer(like=name) as server:
        held = log_in(server, wire)
        server.fail(server.throttled, on="api")
        wire.throttled.check(wire.call(Client(server.url), held))
        assert is_good(wire.call(Client(server.url), held))


@pytest.mark.parametrize("name", NAMES)
def test_no_token_and_a_strangers_token_are_refused(name: str) -> None:
    """As the server does, which may tell both from an expired one."""
    wire = WIRES[name]
    with AuthServer(like=name) as server:
        wire.anonymous.check(Client(server.url).get("/api/x", headers=wire.api_headers))
        held = {**log_in(server, wire), "access": "stranger"}
        (wire.stranger or wire.expired).check(wire.call(Client(server.url), held))
        assert (server.counters.unauthorized, server.counters.answered) == (2, 0)


WRONG = [(name, number) for name in NAMES for number in range(len(WIRES[name].wrong))]


@pytest.mark.parametrize(("name", "number"), WRONG)
def test_a_wrong_shape_is_refused(name: str, number: int) -> None:
    """As the server would: nothing is given, and the refresh token stays good."""
    wire = WIRES[name]
    ask, says = wire.wrong[number]
    with AuthServer(like=name) as server:
        held = log_in(server, wire)
        says.check(ask(Client(server.url), held))
        assert (server.counters.rotated, server.counters.answered) == (0, 0)
        if wire.refresh is not None:
            wire.gives.check(refresh(server, wire, held))


@pytest.mark.parametrize("name", LOGGING_IN)
def test_a_wrong_password_is_refused(name: str) -> None:
    """In the server's own words; no login is counted."""
    wire = WIRES[name]
    assert wire.login is not None
    assert wire.bad_password is not None
    with AuthServer(like=name) as server:
        wire.bad_password.check(wire.login(Client(server.url), "wrong"))
        assert server.counters.logins == 0
        log_in(server, wire)
        assert (server.counters.logins, server.counters.refreshes) == (1, 0)


@pytest.mark.parametrize("name", LOGGING_OUT)
def test_a_logout_ends_the_family(name: str) -> None:
    """Neither the refresh token nor the access token is taken after it."""
    wire = WIRES[name]
    assert wire.logout is not None
    with AuthServer(like=name) as server:
        held = log_in(server, wire)
        assert wire.logout(Client(server.url), held).status_code in (200, 204)
        assert server.counters.logouts == 1
        wire.expired.check(wire.call(Client(server.url), held))
        if wire.refused is not None:
            wire.refused.check(refresh(server, wire, held))
