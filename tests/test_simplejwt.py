"""SimpleJWT keeps its promises against the real thing: Django, rotation and blacklist on."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import RefreshRejected, Token
from requests_jwt_refresh.presets import SimpleJWT
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

WHOAMI = "/api/whoami/"
SESSION_FIRST = "/api/whoami/session-first/"
REFRESH = "/api/token/refresh/"


@pytest.fixture(scope="module")
def django(real_servers: Callable[[str], Server]) -> Server:
    return real_servers("simplejwt:app")


@pytest.fixture(scope="module")
def expired_tokens(django: Server) -> ExpiredTokens:
    return ExpiredTokens(
        lambda: login(django, path="/api/token/one-second-access/"),
        lambda token: plain(django, token).status_code,
    )


@pytest.fixture(params=["expiry unknown", "expiry known"])
def old(request: pytest.FixtureRequest, expired_tokens: ExpiredTokens, django: Server) -> Token:
    """A token that has expired: the client finds out by a 401, or knows before it sends."""
    token = expired_tokens.take(is_known=request.param == "expiry known")
    django.forget()
    return token


def post(server: Server, path: str, **fields: str | None) -> requests.Response:
    return requests.post(server.url + path, json=fields, timeout=WAIT)


def login(server: Server, user: str = "alice", path: str = "/api/token/") -> Token:
    response = post(server, path, username=user, password="secret").json()
    return Token(response["access"], response["refresh"])


def plain(server: Server, token: Token | None, path: str = WHOAMI) -> requests.Response:
    """Ask without the adapter."""
    headers = {"Authorization": f"Bearer {token.access}"} if token else {}
    return requests.get(server.url + path, headers=headers, timeout=WAIT)


def client_of(server: Server, token: Token, url: str = REFRESH, **options: Any) -> Client:
    return Client(server.url, SimpleJWT(url), token, **options)


def assert_logged_out(client: Client, server: Server) -> None:
    """The store is empty, on_logout was called once, and the server is not asked again."""
    assert client.store.load() is None
    assert [type(error) for error in client.logouts] == [RefreshRejected]
    assert client.get(WHOAMI, timeout=WAIT).status_code == 401
    assert len(client.logouts) == 1
    assert server.count("POST", REFRESH) == 1


def test_an_expired_token_is_refreshed(django: Server, old: Token) -> None:
    """The caller sees one 200, and the rotated refresh token is stored."""
    with client_of(django, old) as client:
        response = client.get(WHOAMI, timeout=WAIT)
        assert (response.status_code, response.json()) == (200, {"user": "alice"})
        stored = client.store.load()
        assert client.refreshed == [stored]
        assert stored is not None
        assert stored.access not in (None, old.access)
        assert stored.refresh not in (None, old.refresh)
        assert client.logouts == []
        assert django.count("POST", REFRESH) == 1
    used_up = post(django, REFRESH, refresh=old.refresh)
    assert (used_up.status_code, used_up.json()["detail"]) == (401, "Token is blacklisted")


def test_the_401_is_in_the_history(django: Server, expired_tokens: ExpiredTokens) -> None:
    """What was asked, refused and asked again is there to be seen, as after a redirect."""
    old = expired_tokens.take()
    django.forget()
    with client_of(django, old) as client:
        (refused,) = client.get(WHOAMI, timeout=WAIT).history
    assert refused.json()["code"] == "token_not_valid"
    assert [(each.path, each.status) for each in django.seen()] == [
        (WHOAMI, 401),
        (REFRESH, 200),
        (WHOAMI, 200),
    ]


def test_a_known_expiry_costs_no_401(django: Server, expired_tokens: ExpiredTokens) -> None:
    """A token that is known to have expired is refreshed before anything is sent."""
    old = replace(expired_tokens.take(), expires_at=time.time() - 1)
    django.forget()
    with client_of(django, old) as client:
        assert client.get(WHOAMI, timeout=WAIT).history == []
    assert [(each.path, each.status) for each in django.seen()] == [(REFRESH, 200), (WHOAMI, 200)]


def test_one_expiry_after_the_other(django: Server, expired_tokens: ExpiredTokens) -> None:
    """The rotated refresh token is good for the next expiry, whose own is stored in turn."""
    three_seconds = f"{REFRESH}three-seconds/"
    with client_of(django, expired_tokens.take(), three_seconds) as client:
        assert client.get(WHOAMI, timeout=WAIT).status_code == 200
        wait_for_expiry(client.refreshed[-1].access)
        assert client.get(WHOAMI, timeout=WAIT).status_code == 200
        first, second = client.refreshed
        assert first.refresh != second.refresh
        assert client.store.load() == second


def test_a_403_where_session_authentication_is_first(django: Server, old: Token) -> None:
    """DRF says "expired" with a 403 there, and the preset knows."""
    refused = plain(django, old, SESSION_FIRST)
    assert (refused.status_code, refused.json()["code"]) == (403, "token_not_valid")
    with client_of(django, old) as client:
        response = client.get(SESSION_FIRST, timeout=WAIT)
        assert (response.status_code, response.json()) == (200, {"user": "alice"})
    assert django.count("POST", REFRESH) == 1


def test_translated_messages_are_no_trouble(django: Server, expired_tokens: ExpiredTokens) -> None:
    """`detail` follows Accept-Language, the code that the preset looks at does not."""
    old = expired_tokens.take()
    with client_of(django, old) as client:
        response = client.get(WHOAMI, headers={"Accept-Language": "de"}, timeout=WAIT)
        assert response.status_code == 200
        (refused,) = response.history
    assert refused.json()["detail"] != plain(django, old).json()["detail"]


def test_a_blacklisted_refresh_token_logs_out(django: Server, old: Token) -> None:
    """The caller gets the API's own 401, the store is emptied, on_logout is called once."""
    assert post(django, "/api/token/blacklist/", refresh=old.refresh).status_code == 200
    with client_of(django, old) as client:
        response = client.get(WHOAMI, timeout=WAIT)
        assert response.status_code == 401
        assert response.json() == plain(django, old).json()
        assert "messages" in response.json()  # which the refresh endpoint's 401 has not
        assert_logged_out(client, django)


def test_an_expired_refresh_token_logs_out(django: Server, old: Token) -> None:
    """A refresh token that has expired is refused like a blacklisted one."""
    brief = replace(old, refresh=login(django, path="/api/token/one-second-refresh/").refresh)
    wait_for_expiry(brief.refresh)
    with client_of(django, brief) as client:
        response = client.get(WHOAMI, timeout=WAIT)
        assert (response.status_code, response.json()) == (401, plain(django, brief).json())
        assert_logged_out(client, django)
    refused = post(django, REFRESH, refresh=brief.refresh)
    assert (refused.status_code, refused.json()["detail"]) == (401, "Token is expired")


def test_a_403_is_handed_over_too(django: Server, old: Token) -> None:
    """After a refusal the caller gets the API's response, whatever its status."""
    post(django, "/api/token/blacklist/", refresh=old.refresh)
    with client_of(django, old) as client:
        response = client.get(SESSION_FIRST, timeout=WAIT)
        assert (response.status_code, response.json()["code"]) == (403, "token_not_valid")
        assert_logged_out(client, django)


def test_an_applications_own_401_is_the_callers(django: Server) -> None:
    """A 401 for another reason passes through whole, without a refresh."""
    token = login(django)
    django.forget()
    with client_of(django, token) as client:
        response = client.get("/api/vault/", timeout=WAIT)
        assert response.status_code == 401
        assert response.json() == {"detail": "One-time code needed.", "code": "otp_needed"}
        assert client.store.load() == token
        assert client.logouts == []
    assert django.count("POST", REFRESH) == 0


def test_a_deactivated_user_is_not_refreshed(django: Server) -> None:
    """SimpleJWT's own 401s with another code are cured by no refresh, and cause none."""
    user = uuid.uuid4().hex
    post(django, "/api/register/", username=user, password="secret")
    with client_of(django, login(django, user)) as client:
        assert client.post("/api/leave/", timeout=WAIT).status_code == 204
        django.forget()
        response = client.get(WHOAMI, timeout=WAIT)
        assert (response.status_code, response.json()["code"]) == (401, "user_inactive")
        assert client.store.load() is not None
        assert client.logouts == []
    assert django.count("POST", REFRESH) == 0


def test_32_threads_make_one_refresh(django: Server, old: Token) -> None:
    """With rotation and blacklist a second refresh would be a logout: 32 x 200, one refresh."""
    with client_of(django, old, pool_maxsize=THREADS) as client:
        answers = in_threads(lambda: client.get(WHOAMI, timeout=WAIT).status_code)
        assert answers == [200] * THREADS
        assert django.count("POST", REFRESH) == 1
        assert len(client.refreshed) == 1
        assert client.get(WHOAMI, timeout=WAIT).status_code == 200
        assert client.logouts == []


def test_32_threads_are_logged_out_once(django: Server, old: Token) -> None:
    """A refusal is shared as well: 32 x 401, the server asked once, on_logout called once."""
    post(django, "/api/token/blacklist/", refresh=old.refresh)
    with client_of(django, old, pool_maxsize=THREADS) as client:
        answers = in_threads(lambda: client.get(WHOAMI, timeout=WAIT).status_code)
        assert answers == [401] * THREADS
        assert_logged_out(client, django)
