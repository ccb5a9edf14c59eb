"""FlaskJWTExtended keeps its promises against the real thing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import RefreshRejected, Token
from requests_jwt_refresh.presets import FlaskJWTExtended
from tests.support.servers.clients import (
    THREADS,
    Client,
    ExpiredTokens,
    in_threads,
    wait_for_expiry,
)
from tests.support.servers.shared import real_servers
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import Server

__all__ = ["real_servers"]  # a fixture


@pytest.fixture(scope="module")
def flask(real_servers: Callable[[str], Server]) -> Server:
    return real_servers("flasks:app")


@pytest.fixture(scope="module")
def expired_tokens(flask: Server) -> ExpiredTokens:
    return ExpiredTokens(
        lambda: login(flask, "?access_seconds=1"), lambda token: plain(flask, token).status_code
    )


@pytest.fixture(params=["expiry unknown", "expiry known"])
def old(request: pytest.FixtureRequest, expired_tokens: ExpiredTokens, flask: Server) -> Token:
    """A token that has expired: the client finds out by a 401, or knows before it sends."""
    token = expired_tokens.take(is_known=request.param == "expiry known")
    flask.forget()
    return token


def login(server: Server, query: str = "") -> Token:
    account = {"username": "alice", "password": "secret"}
    response = requests.post(f"{server.url}/login{query}", json=account, timeout=WAIT).json()
    return Token(response["access_token"], response["refresh_token"])


def bearer(secret: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def plain(server: Server, token: Token, path: str = "/protected") -> requests.Response:
    """Ask without the adapter."""
    return requests.get(server.url + path, headers=bearer(token.access), timeout=WAIT)


def revoke(server: Server, secret: str | None) -> None:
    """Put a token, of either kind, on the server's blocklist."""
    response = requests.delete(server.url + "/revoke", headers=bearer(secret), timeout=WAIT)
    assert response.status_code == 200


def client_of(server: Server, token: Token, url: str = "/refresh", **options: Any) -> Client:
    return Client(server.url, FlaskJWTExtended(url), token, **options)


def assert_logged_out(client: Client, server: Server) -> None:
    """The store is empty, on_logout was called once, and the server is not asked again."""
    assert client.store.load() is None
    assert [type(error) for error in client.logouts] == [RefreshRejected]
    response = client.get("/protected", timeout=WAIT)
    assert response.status_code == 401
    assert response.json() == {"msg": "Missing Authorization Header"}
    assert len(client.logouts) == 1
    assert server.count("POST", "/refresh") == 1


def test_an_expired_token_is_refreshed(flask: Server, old: Token) -> None:
    """The caller sees one 200; the refresh token, which this server does not rotate, is kept."""
    with client_of(flask, old) as client:
        response = client.get("/protected", timeout=WAIT)
        assert (response.status_code, response.json()) == (200, {"user": "alice"})
        stored = client.store.load()
        assert client.refreshed == [stored]
        assert stored is not None
        assert stored.access not in (None, old.access)
        assert stored.refresh == old.refresh
        assert client.logouts == []
    assert flask.count("POST", "/refresh") == 1


def test_the_401_is_in_the_history(flask: Server, expired_tokens: ExpiredTokens) -> None:
    """What was asked, refused and asked again is there to be seen, as after a redirect."""
    old = expired_tokens.take()
    flask.forget()
    with client_of(flask, old) as client:
        (refused,) = client.get("/protected", timeout=WAIT).history
    assert refused.json() == {"msg": "Token has expired"}
    assert [(each.path, each.status) for each in flask.seen()] == [
        ("/protected", 401),
        ("/refresh", 200),
        ("/protected", 200),
    ]


def test_a_rotated_refresh_token_is_stored(flask: Server, old: Token) -> None:
    """A server that revokes the old refresh token gives a new one, which is kept instead."""
    with client_of(flask, old, "/rotate") as client:
        assert client.get("/protected", timeout=WAIT).status_code == 200
        stored = client.store.load()
        assert stored is not None
        assert stored.refresh not in (None, old.refresh)
    used_up = requests.post(flask.url + "/rotate", headers=bearer(old.refresh), timeout=WAIT)
    assert (used_up.status_code, used_up.json()) == (401, {"msg": "Token has been revoked"})


def test_one_expiry_after_the_other(flask: Server, expired_tokens: ExpiredTokens) -> None:
    """The rotated refresh token is good for the next expiry, whose own is stored in turn."""
    with client_of(flask, expired_tokens.take(), "/rotate?access_seconds=3") as client:
        assert client.get("/protected", timeout=WAIT).status_code == 200
        wait_for_expiry(client.refreshed[-1].access)
        assert client.get("/protected", timeout=WAIT).status_code == 200
        first, second = client.refreshed
        assert first.refresh != second.refresh
        assert client.store.load() == second


def test_a_revoked_refresh_token_logs_out(flask: Server, old: Token) -> None:
    """The caller gets the API's own 401, the store is emptied, on_logout is called once."""
    revoke(flask, old.refresh)
    with client_of(flask, old) as client:
        response = client.get("/protected", timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"msg": "Token has expired"})
        assert_logged_out(client, flask)
    refused = requests.post(flask.url + "/refresh", headers=bearer(old.refresh), timeout=WAIT)
    assert (refused.status_code, refused.json()) == (401, {"msg": "Token has been revoked"})


def test_an_expired_refresh_token_logs_out(flask: Server, old: Token) -> None:
    """A refresh token that has expired is refused like a revoked one."""
    brief = replace(old, refresh=login(flask, "?refresh_seconds=1").refresh)
    wait_for_expiry(brief.refresh)
    with client_of(flask, brief) as client:
        response = client.get("/protected", timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"msg": "Token has expired"})
        assert_logged_out(client, flask)
    refused = requests.post(flask.url + "/refresh", headers=bearer(brief.refresh), timeout=WAIT)
    assert (refused.status_code, refused.json()) == (401, {"msg": "Token has expired"})


def test_a_garbage_refresh_token_logs_out(flask: Server, old: Token) -> None:
    """This server says 422 to a refresh token that it cannot even parse: a refusal as well."""
    garbage = replace(old, refresh="garbage")
    refused = requests.post(flask.url + "/refresh", headers=bearer("garbage"), timeout=WAIT)
    assert refused.status_code == 422
    flask.forget()
    with client_of(flask, garbage) as client:
        response = client.get("/protected", timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"msg": "Token has expired"})
        assert_logged_out(client, flask)


@pytest.mark.parametrize(
    ("path", "message"),
    [("/fresh", "Fresh token required"), ("/vault", "One-time code needed")],
)
def test_a_401_for_another_reason_is_the_callers(flask: Server, path: str, message: str) -> None:
    """A 401 that no refresh cures passes through whole, without a refresh."""
    token = refresh_plainly(flask, login(flask))
    flask.forget()
    with client_of(flask, token) as client:
        response = client.get(path, timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"msg": message})
        assert client.store.load() == token
        assert client.logouts == []
    assert flask.count("POST", "/refresh") == 0


def refresh_plainly(server: Server, token: Token) -> Token:
    """Return what a plain refresh gives: a token that is good, but not fresh."""
    url = server.url + "/refresh"
    response = requests.post(url, headers=bearer(token.refresh), timeout=WAIT).json()
    return replace(token, access=response["access_token"])


def test_a_refreshed_token_that_is_not_fresh_enough(
    flask: Server, expired_tokens: ExpiredTokens
) -> None:
    """An expired token is refreshed once; that the new one is not fresh is for the caller."""
    old = expired_tokens.take()
    flask.forget()
    with client_of(flask, old) as client:
        response = client.get("/fresh", timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"msg": "Fresh token required"})
        assert [each.json() for each in response.history] == [{"msg": "Token has expired"}]
        assert client.store.load() == client.refreshed[0]
        assert client.logouts == []
    assert flask.count("POST", "/refresh") == 1


def test_a_revoked_access_token_is_not_refreshed(flask: Server) -> None:
    """A token revoked by itself: the caller gets the 401 that says so, without a refresh."""
    token = login(flask)
    revoke(flask, token.access)
    flask.forget()
    with client_of(flask, token) as client:
        response = client.get("/protected", timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"msg": "Token has been revoked"})
        assert client.store.load() == token
    assert flask.count("POST", "/refresh") == 0


def test_32_threads_make_one_refresh(flask: Server, old: Token) -> None:
    """With a refresh token that is good for once: 32 x 200, one refresh."""
    with client_of(flask, old, "/rotate", pool_maxsize=THREADS) as client:
        answers = in_threads(lambda: client.get("/protected", timeout=WAIT).status_code)
        assert answers == [200] * THREADS
        assert flask.count("POST", "/rotate") == 1
        assert len(client.refreshed) == 1
        assert client.get("/protected", timeout=WAIT).status_code == 200
        assert client.logouts == []


def test_32_threads_are_logged_out_once(flask: Server, old: Token) -> None:
    """A refusal is shared as well: 32 x 401, the server asked once, on_logout called once."""
    revoke(flask, old.refresh)
    with client_of(flask, old, pool_maxsize=THREADS) as client:
        answers = in_threads(lambda: client.get("/protected", timeout=WAIT).status_code)
        assert answers == [401] * THREADS
        assert_logged_out(client, flask)
