"""AuthServer in the shape of an API of one's own: the words are those of JSONEndpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    PasswordLogin,
    json_field,
    mount,
)
from requests_jwt_refresh.testing import AuthServer, Status
from requests_jwt_refresh.testing.likes import SHAPES
from tests.support.waits import WAIT
from tests.support.wires.calls import hold, refresh

if TYPE_CHECKING:
    from tests.support.clock import Clock

NOW = 1_800_000_000.0
SERVER: dict[str, Any] = {
    "refresh_path": "/auth/renew",
    "request_field": "refreshToken",
    "access_field": "data.accessToken",
    "refresh_field": "data.refreshToken",
    "expires_field": "data.expiresInMs",
    "expires_in_unit": "ms",
}
ENDPOINT: dict[str, Any] = {
    "send": "refreshToken",
    "access": "data.accessToken",
    "refresh": "data.refreshToken",
    "expires_in": "data.expiresInMs",
    "expires_in_unit": "ms",
}


def post_refresh(server: AuthServer) -> Any:
    body = {"refreshToken": server.login().refresh}
    return requests.post(server.refresh_url, json=body, timeout=WAIT).json()


def mount_on(
    server: AuthServer, session: requests.Session, options: dict[str, Any], **more: Any
) -> JWTRefreshAdapter:
    endpoint = JSONEndpoint(server.refresh_path, **options)
    return mount(session, server.url, endpoint, MemoryStore(server.login()), **more)


def test_dotted_fields_are_objects_in_the_answer() -> None:
    """All of it, and nothing beside it but the token's type."""
    with AuthServer(**SERVER) as server:
        answer = post_refresh(server)
    assert set(answer) == {"data"}
    assert set(answer["data"]) == {"accessToken", "refreshToken", "expiresInMs", "token_type"}
    assert answer["data"]["expiresInMs"] == 300_000


@pytest.mark.parametrize("lifetime", [300.0, 0.5])
def test_the_server_and_an_endpoint_of_the_same_words_understand_each_other(
    lifetime: float, session: requests.Session, clock: Clock
) -> None:
    """Expiry, rotation and lifetime, twice over; opaque, so that the field alone says the end."""
    with AuthServer(**SERVER, opaque=True, lifetime=lifetime) as server:
        adapter = mount_on(server, session, ENDPOINT, refresh_ahead=0)
        for _ in range(2):
            server.expire()
            assert session.get("/api/x").status_code == 200
        token = adapter.token
        assert token is not None
        assert token.expires_at == pytest.approx(clock.time() + lifetime, abs=0.01)
        assert (server.counters.rotated, server.counters.reuse) == (2, 0)


PATHS = [
    {"access": "token"},
    {"access": "a.b.c.token", "refresh": "a.b.renew", "expires_in": "a.ttl"},
    {"access": "data.tokens.0", "refresh": "data.tokens.1"},
    {"access": "data.1.token", "refresh": "data.0.token"},
    {"access": "0.token", "refresh": "0.renew", "expires_in": "1.ttl"},
    {"send": "data.token.value"},
    {"send": "auth.refresh", "access": "auth.access", "refresh": "auth.refresh"},
]
OPTIONS = {
    "send": "request_field",
    "access": "access_field",
    "refresh": "refresh_field",
    "expires_in": "expires_field",
}


@pytest.mark.parametrize("paths", PATHS, ids=str)
def test_each_path_of_an_endpoint_is_one_of_the_server(
    paths: dict[str, str], session: requests.Session
) -> None:
    """In requests and answers; through lists as well."""
    options = {OPTIONS[name]: path for name, path in paths.items()}
    with AuthServer(opaque=True, **options) as server:  # type: ignore[arg-type]
        adapter = mount_on(server, session, paths)
        for _ in range(2):
            server.expire()
            assert session.get("/api/x").status_code == 200
        assert adapter.token is not None
        assert adapter.token.expires_at is not None
        assert server.counters.rotated == 2


def test_a_login_answers_in_the_same_shape(session: requests.Session) -> None:
    """And so does the token endpoint."""
    with AuthServer(**SERVER) as server:
        login = PasswordLogin("/auth/login")
        endpoint = JSONEndpoint("/auth/renew", **ENDPOINT)
        adapter = mount(session, server.url, endpoint, MemoryStore(), login=login)
        adapter.log_in("alice", "right")
        assert session.get("/api/x").json()["user"] == "alice"
        form = {"grant_type": "password", "username": "bob", "password": "p"}
        answer = requests.post(server.url + "/auth/token", data=form, timeout=WAIT).json()
        assert answer["data"]["expiresInMs"] == 300_000


def test_a_logout_reads_the_refresh_token_at_its_path() -> None:
    """Its family is revoked."""
    with AuthServer(**{**SERVER, "request_field": "auth.token"}) as server:
        token = server.login()
        body = {"auth": {"token": token.refresh}}
        assert requests.post(server.logout_url, json=body, timeout=WAIT).status_code == 204
        assert not server.family_alive(token)


def test_a_field_of_a_form_has_its_whole_name() -> None:
    """There are no objects in a form."""
    with AuthServer(request_field="data.token") as server:
        form = {"data.token": server.login().refresh}
        assert requests.post(server.refresh_url, data=form, timeout=WAIT).status_code == 200


@pytest.mark.parametrize(
    ("unit", "written"),
    [("s", NOW + 300), ("ms", (NOW + 300) * 1000), ("date", "2027-01-15T08:05:00.000Z")],
)
def test_the_end_can_be_said_as_a_moment(
    unit: Any, written: object, session: requests.Session, clock: Clock
) -> None:
    """In seconds or milliseconds since the epoch, or as RFC 3339 has it: JSONEndpoint reads it."""
    clock.advance(NOW - clock.time())
    options: dict[str, Any] = {"expires_field": None, "expires_at_field": "data.expiresAt"}
    with AuthServer(**{**SERVER, **options}, expires_at_unit=unit, opaque=True) as server:
        answer = post_refresh(server)
        assert answer["data"]["expiresAt"] == written
        assert "expiresInMs" not in answer["data"]
        words = {**ENDPOINT, "expires_in": None, "expires_at": "data.expiresAt"}
        adapter = mount_on(server, session, words)
        server.expire()
        assert session.get("/api/x").status_code == 200
        assert adapter.token is not None
        assert adapter.token.expires_at == pytest.approx(NOW + 300)


def test_both_can_be_said() -> None:
    """A lifetime and a moment, each in its unit."""
    with AuthServer(expires_at_field="expires_at", expires_at_unit="ms") as server:
        body = {"refresh_token": server.login().refresh}
        answer = requests.post(server.refresh_url, json=body, timeout=WAIT).json()
    assert answer["expires_in"] == 300
    assert answer["expires_at"] > 1e12


def test_the_error_of_an_api_of_ones_own_is_its_whole_answer(session: requests.Session) -> None:
    """`expired` takes any body, and the client's rule any path of it."""
    said = Status(401, body=b'{"error": {"code": "TOKEN_EXPIRED"}}')
    with AuthServer(**SERVER, expired=said) as server:
        rule = json_field("error.code", "TOKEN_EXPIRED")
        mount_on(server, session, ENDPOINT, when=rule)
        server.expire()
        assert session.get("/api/x").status_code == 200


# --- Known servers -------------------------------------------------------------------------------

MILLISECONDS = {"matrix", "directus"}


@pytest.mark.parametrize("name", SHAPES)
def test_a_known_server_keeps_its_unit(name: str) -> None:
    """expires_in_unit says which it is."""
    assert AuthServer(like=name).expires_in_unit == ("ms" if name in MILLISECONDS else "s")


def test_a_known_server_can_be_given_another_unit_and_a_moment() -> None:
    """As its author may have changed a view; the rest stays."""
    with AuthServer(like="express", expires_at_field="ends.at", expires_at_unit="date") as server:
        usual = refresh(server, hold(server)).json()
        assert usual["ends"]["at"].endswith("Z")
    with AuthServer(like="matrix") as server:
        assert refresh(server, hold(server)).json()["expires_in_ms"] == 1000 * server.lifetime
        server.expires_in_unit = "s"
        assert refresh(server, hold(server)).json()["expires_in_ms"] == server.lifetime
        server.access_field = "tokens.0"
        assert isinstance(refresh(server, hold(server)).json()["tokens"], list)
