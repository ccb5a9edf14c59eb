"""Tokens in cookies, with CSRF: what is Flask-JWT-Extended's and dj-rest-auth's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import RefreshRejected, Token
from tests.support.servers.clients import Client
from tests.support.servers.kinds import ACCOUNT, KINDS
from tests.support.servers.shared import real_servers
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import Server

__all__ = ["real_servers"]  # a fixture

FLASK = KINDS["flask-jwt-extended-cookies"]
DJANGO = KINDS["dj-rest-auth"]


@pytest.fixture(scope="module")
def flask(real_servers: Callable[[str], Server]) -> Server:
    return real_servers(FLASK.app)


@pytest.fixture(scope="module")
def django(real_servers: Callable[[str], Server]) -> Server:
    return real_servers(DJANGO.app)


def flask_client(server: Server, token: Token | None = None) -> Client:
    url = server.url + FLASK.base
    token = FLASK.log_in(url) if token is None else token
    server.forget()
    return Client(url, FLASK.endpoint(url), token, **FLASK.options)


def flask_refreshes(server: Server) -> int:
    return server.count("POST", "/cookies/refresh")


def fill(client: Client, cookies: dict[str, str]) -> None:
    for name, value in cookies.items():
        client.cookies.set(name, value)


def log_in_by_hand(url: str, path: str) -> dict[str, str]:
    """Return the cookies that a login sets."""
    response = requests.post(f"{url}{path}", json=ACCOUNT, timeout=WAIT)
    response.raise_for_status()
    return {each.name: str(each.value) for each in response.cookies}


def load(client: Client) -> Token:
    token = client.store.load()
    assert token is not None
    return token


# --- Flask-JWT-Extended --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_each_unsafe_method_repeats_the_csrf_value(flask: Server, method: str) -> None:
    """That of the access token which the request carries, before a refresh and after it."""
    with flask_client(flask) as client:
        for _ in range(2):
            response = client.request(method, "/me", data="body", timeout=WAIT)
            assert (response.status_code, response.json()["body"]) == (200, "body")
    assert flask_refreshes(flask) == 1


def test_no_other_cookie_is_made_up(flask: Server) -> None:
    """The server sees the token, and what repeats its CSRF value; the refresh token it does not."""
    with flask_client(flask) as client:
        cookies = client.get("/me", timeout=WAIT).json()["cookies"]
    assert cookies == ["access_token_cookie", "csrf_access_token"]


def test_cookies_of_the_application_stay_beside_the_token(flask: Server) -> None:
    """The session's jar has them, and has no token of ours."""
    with flask_client(flask) as client:
        assert client.get("/visit", timeout=WAIT).status_code == 200
        assert client.cookies.get_dict() == {"seen": "yes"}
        assert "seen" in client.get("/me", timeout=WAIT).json()["cookies"]


def test_a_session_that_has_logged_in_by_itself(flask: Server) -> None:
    """Its jar has the same cookies, and they grow old there: those that we refresh go before."""
    jar = log_in_by_hand(flask.url + FLASK.base, "/login/expired")
    access, refresh = jar["access_token_cookie"], jar["refresh_token_cookie"]
    csrf = {name: value for name, value in jar.items() if name.startswith("csrf_")}
    token = Token(access, refresh, extra={"cookies": csrf})
    with flask_client(flask, token) as client:
        fill(client, jar)
        assert client.post("/me", json={}, timeout=WAIT).status_code == 200
        response = client.post("/me", json={}, timeout=WAIT)
        assert (response.status_code, response.history) == (200, [])
        assert response.json()["cookies"] == sorted(jar)
    assert flask_refreshes(flask) == 1


def test_the_csrf_values_of_the_session_are_enough(flask: Server) -> None:
    """Where a program has the two tokens alone: the access token's is looked up in its jar."""
    jar = log_in_by_hand(flask.url + FLASK.base, "/login")
    token = Token(jar["access_token_cookie"], jar["refresh_token_cookie"])
    with flask_client(flask, token) as client:
        fill(client, jar)
        assert client.post("/me", json={}, timeout=WAIT).status_code == 200


def test_a_failed_double_submit_is_the_callers(flask: Server) -> None:
    """A 401 that says so and that no refresh cures; the tokens are kept."""
    jar = log_in_by_hand(flask.url + FLASK.base, "/login")
    fresh = Token(jar["access_token_cookie"], jar["refresh_token_cookie"])
    with flask_client(flask, fresh) as client:
        response = client.post("/me", json={}, timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"msg": "Missing CSRF token"})
        assert load(client) == fresh
    assert flask_refreshes(flask) == 0


def test_a_garbage_refresh_token_logs_out(flask: Server) -> None:
    """This server says 422 to one that it cannot even parse."""
    old = FLASK.log_in(flask.url + FLASK.base)
    with flask_client(flask, replace(old, refresh="garbage")) as client:
        response = client.get("/me", timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"msg": "Token has expired"})
        assert client.store.load() is None
        assert [type(each) for each in client.logouts] == [RefreshRejected]


def test_each_refresh_brings_a_csrf_value_of_its_own(flask: Server) -> None:
    """It is stored with the token; that of the refresh token, which stays, is kept beside it."""
    with flask_client(flask) as client:
        old = load(client)
        fresh = client.adapter.refresh()
        before, after = old.extra["cookies"], fresh.extra["cookies"]
        assert set(after) == {"csrf_access_token", "csrf_refresh_token"}
        assert after["csrf_access_token"] != before["csrf_access_token"]
        assert after["csrf_refresh_token"] == before["csrf_refresh_token"]
        assert load(client).extra == fresh.extra


def test_the_jar_of_the_session_gets_no_token(flask: Server) -> None:
    """The refresh goes over a session of its own."""
    with flask_client(flask) as client:
        assert client.get("/me", timeout=WAIT).status_code == 200
        assert client.cookies.get_dict() == {}


def test_a_gateways_basic_credentials_go_along(flask: Server) -> None:
    """With tokens in cookies, Authorization is free for what stands in front of the API."""
    with flask_client(flask) as client:
        response = client.post("/me", json={}, auth=("gateway", "secret"), timeout=WAIT)
        sent = [*response.history, response]
        assert [each.status_code for each in sent] == [401, 200]
        basic = "Basic Z2F0ZXdheTpzZWNyZXQ="
        assert [each.request.headers["Authorization"] for each in sent] == [basic] * 2


# --- dj-rest-auth --------------------------------------------------------------------------------


def django_client(server: Server, token: Token, **options: Any) -> Client:
    server.forget()
    return Client(server.url, DJANGO.endpoint(server.url), token, **{**DJANGO.options, **options})


def test_the_csrf_cookie_of_the_login_outlives_rotations(django: Server) -> None:
    """It comes with the login and never again; the refresh token is another one each time."""
    old = DJANGO.log_in(django.url)
    with django_client(django, old) as client:
        for _ in range(3):
            assert client.post(DJANGO.me, json={"a": "b"}, timeout=WAIT).status_code == 200
            fresh = client.adapter.refresh()
            assert fresh.refresh not in (None, old.refresh)
            assert fresh.extra["cookies"]["csrftoken"] == old.extra["cookies"]["csrftoken"]


def test_a_403_of_djangos_csrf_is_the_callers(django: Server) -> None:
    """No refresh would cure it."""
    old = DJANGO.log_in(django.url)
    fresh = requests.post(
        f"{django.url}/dj-rest-auth/token/refresh/",
        cookies={"my-refresh-token": str(old.refresh)},
        timeout=WAIT,
    ).cookies
    token = Token(fresh["my-app-auth"], fresh["my-refresh-token"])
    with django_client(django, token) as client:
        response = client.post(DJANGO.me, json={}, timeout=WAIT)
        assert response.status_code == 403
        assert response.json() == {"detail": "CSRF Failed: CSRF cookie not set."}
        assert load(client) == token
    assert django.count("POST", DJANGO.refresh) == 0


def test_on_https_djangos_csrf_wants_a_referer(django: Server) -> None:
    """requests sends none; as headers= it goes with each request to the API."""
    https, old = {"X-Forwarded-Proto": "https"}, DJANGO.log_in(django.url)
    with django_client(django, old, headers=https) as client:
        response = client.post(DJANGO.me, json={}, timeout=WAIT)
        assert response.status_code == 403
        assert response.json() == {"detail": "CSRF Failed: Referer checking failed - no Referer."}
        token = client.adapter.refresh()
    referer = {"Referer": django.url.replace("http:", "https:") + "/"}
    with django_client(django, token, headers={**https, **referer}) as client:
        assert client.post(DJANGO.me, json={}, timeout=WAIT).status_code == 200
