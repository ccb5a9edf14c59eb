"""AuthServer's option `like`, and how the other options go with it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields, replace

import pytest
import requests

from requests_jwt_refresh.testing import AuthServer, ServerOptions, Status
from requests_jwt_refresh.testing.likes import SHAPES
from tests.support.waits import WAIT
from tests.support.wires.calls import hold, refresh

OAUTH = {"client_id": "client-id", "client_secret": "client-secret"}


@pytest.mark.parametrize("name", ["git_hub", "GitHub", "githbu"])
def test_an_unknown_name_is_a_value_error_that_names_the_nearest(name: str) -> None:
    """For ServerOptions alone as for the server."""
    for make in (AuthServer, ServerOptions):
        with pytest.raises(ValueError, match="github") as raised:
            make(like=name)
        assert repr(name) in str(raised.value)


@pytest.mark.parametrize("name", SHAPES)
def test_the_docstring_names_each_server(name: str) -> None:
    """Whoever reads help(AuthServer) finds it."""
    words = (inspect.getdoc(AuthServer) or "").replace(",", " ").replace(":", " ").split()
    assert name in words


@pytest.mark.parametrize("name", SHAPES)
def test_what_a_known_server_has_may_be_put_back(name: str) -> None:
    """Also where nobody else may have it: a field "", or a time without end."""
    options = ServerOptions(like=name)
    assert replace(options, client_id="mine").grace == options.grace
    for each in fields(options):
        if each.init and each.name not in ("like", "openid"):
            setattr(options, each.name, getattr(options, each.name))


def test_what_is_given_goes_before_what_the_server_does() -> None:
    """Even if it is the same as the default of an option."""
    assert AuthServer(like="simplejwt").rotate is False
    assert AuthServer(like="simplejwt", rotate=True).rotate is True
    assert AuthServer(like="vault").lifetime == 2_764_800
    assert AuthServer(like="vault", lifetime=300.0).lifetime == 300
    expired = Status(418)
    assert AuthServer(like="github", expired=expired).expired is expired
    assert AuthServer(like="github", opaque=False).opaque is False


def test_a_class_of_options_of_ones_own_keeps_what_differs_from_the_default() -> None:
    """A subclass that is a dataclass has an __init__ of its own."""

    @dataclass(kw_only=True, eq=False, repr=False)
    class MyServer(AuthServer):
        name: str = "mine"

    server = MyServer(like="vault", lifetime=7.0)
    assert (server.lifetime, server.opaque) == (7.0, True)


def test_the_signature_says_all_options() -> None:
    """help(AuthServer) and an editor show them by name."""
    parameters = inspect.signature(AuthServer).parameters
    assert {"like", "lifetime", "rotate", "client_id", "api_key"} <= set(parameters)


def test_paths_and_fields_can_be_renamed() -> None:
    """The author of a view may have chosen others."""
    with AuthServer(
        like="express",
        refresh_path="/token",
        request_field="refresh_token",
        access_field="data.jwt",
        refresh_field="data.refresh_token",
        status=201,
    ) as server:
        body = {"refresh_token": server.login().refresh}
        response = requests.post(server.url + "/token", json=body, timeout=WAIT)
    assert response.status_code == 201
    assert set(response.json()) == {"data"}
    assert set(response.json()["data"]) == {"jwt", "refresh_token"}
    assert server.refresh_url == server.url + "/token"


def test_an_expiry_can_be_left_out() -> None:
    """expires_field=None takes away every field that says it."""
    with AuthServer(like="strava", expires_field=None) as server:
        fields = refresh(server, hold(server)).json()
    assert "expires_at" not in fields
    assert "expires_in" not in fields


def test_a_bare_token_can_be_the_whole_answer() -> None:
    """As for servers without a name."""
    with AuthServer(like="spring-boot", bare=True) as server:
        assert isinstance(refresh(server, hold(server)).json(), str)


def test_the_client_and_the_api_key_can_be_others() -> None:
    """client_id, client_secret and api_key, changed between requests as well."""
    with AuthServer(like="okta", client_id="tv", client_secret=None) as server:
        form = {"grant_type": "refresh_token", "refresh_token": server.login().refresh}
        response = requests.post(server.refresh_url, data={**form, "client_id": "tv"}, timeout=WAIT)
        assert response.status_code == 200
        response = requests.post(server.refresh_url, data={**form, **OAUTH}, timeout=WAIT)
        assert response.json()["error"] == "invalid_client"
    with AuthServer(like="supabase", api_key="sb_publishable_x") as server:
        assert refresh(server, hold(server)).json() == {"message": "Invalid API key"}


URLS = {
    "github": "/login/oauth/access_token",
    "firebase": "/v1/token?key=api-key",
    "supabase": "/auth/v1/token?grant_type=refresh_token",
    "cognito": "/",
    "pocketbase": "/api/collections/users/auth-refresh",
}


@pytest.mark.parametrize("name", URLS)
def test_refresh_url_is_where_the_refresh_goes(name: str) -> None:
    """With the query that belongs to it."""
    with AuthServer(like=name) as server:
        assert server.refresh_url == server.url + URLS[name]


def test_login_url_and_logout_url_likewise() -> None:
    """A user's name in the path is left open; what there is not is a ValueError."""
    with AuthServer() as server:
        assert server.refresh_url == server.url + "/auth/refresh"
        assert server.login_url == server.url + "/auth/login"
        assert server.logout_url == server.url + "/auth/logout"
    with AuthServer(like="vault") as server:
        assert server.login_url == server.url + "/v1/auth/userpass/login/{username}"
        assert server.logout_url == server.url + "/v1/auth/token/revoke-self"
    with AuthServer(like="fastapi-template") as server:
        with pytest.raises(ValueError, match="'fastapi-template' has no refresh"):
            _ = server.refresh_url
        with pytest.raises(ValueError, match="has no logout"):
            _ = server.logout_url
    with AuthServer(like="github") as server, pytest.raises(ValueError, match="has no login"):
        _ = server.login_url
