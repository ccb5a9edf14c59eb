"""Logging in and out: what is sent, and how the answer is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh import presets
from requests_jwt_refresh.endpoints import JSONEndpoint, OAuth2Endpoint
from requests_jwt_refresh.errors import RefreshRejected
from requests_jwt_refresh.grants.device import DeviceLogin
from requests_jwt_refresh.grants.password import PasswordLogin
from requests_jwt_refresh.grants.revocation import Logout
from requests_jwt_refresh.responses import TokenResponse
from requests_jwt_refresh.tokens import Token
from tests.support.profiles import (
    LOGIN,
    OAUTH2_FULL,
    SECRET,
    file,
    no_profiles_in_the_environment,
    profile,
    read_basic_pair,
    read_form,
    read_json,
)

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures


URL = "https://api.example.com/in"
ENDPOINT = JSONEndpoint("/r")
OAUTH2 = OAuth2Endpoint(URL, "me")
PUBLIC = OAuth2Endpoint("/token", "me")
CONFIDENTIAL = OAuth2Endpoint("/token", "me", "shh")


def test_a_password_goes_into_a_json_body() -> None:
    """In the fields named, beside the extra ones, which cannot replace them."""
    login = PasswordLogin(URL, endpoint=ENDPOINT)
    request = login.ask("alice", "pass").prepare()
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers["Accept"] == "application/json"
    assert "Authorization" not in request.headers
    assert read_json(request) == {"username": "alice", "password": "pass"}
    extra = {"mode": "json", "pass": "of another"}
    named = PasswordLogin(
        URL, endpoint=ENDPOINT, username_field="email", password_field="pass", extra=extra
    )
    sent = read_json(named.ask("alice", "pass").prepare())
    assert sent == {"mode": "json", "email": "alice", "pass": "pass"}


def test_a_password_goes_into_a_form() -> None:
    """With the same fields."""
    login = PasswordLogin(
        URL, endpoint=ENDPOINT, send="form", username_field="u", extra={"a": ["1", "2"]}
    )
    request = login.ask("alice", "p&=ss").prepare()
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers["Accept"] == "application/json"
    assert "Authorization" not in request.headers
    assert read_form(request) == {"u": ["alice"], "password": ["p&=ss"], "a": ["1", "2"]}


def test_a_password_goes_into_the_header() -> None:
    """RFC 7617, in UTF-8; only extra fields make a body."""
    login = PasswordLogin(URL, endpoint=ENDPOINT, send="basic")
    request = login.ask("alicé", "p:ß").prepare()
    assert (request.method, request.url, request.body) == ("POST", URL, None)
    assert request.headers["Accept"] == "application/json"
    assert read_basic_pair(request) == "alicé:p:ß"
    with_body = PasswordLogin(URL, endpoint=ENDPOINT, send="basic", extra={"mode": "json"})
    assert read_json(with_body.ask("alice", "pass").prepare()) == {"mode": "json"}


def test_a_password_is_a_grant() -> None:
    """RFC 6749 §4.3.2; a public client says who it is in the form."""
    login = PasswordLogin(URL, endpoint=PUBLIC, send="oauth2", extra={"scope": "a b"})
    request = login.ask("alice", "pass").prepare()
    assert (request.method, request.url) == ("POST", URL)
    assert "Authorization" not in request.headers
    assert read_form(request) == {
        "grant_type": ["password"],
        "username": ["alice"],
        "password": ["pass"],
        "scope": ["a b"],
        "client_id": ["me"],
    }


def test_a_password_is_a_grant_of_a_client_with_a_secret(file: Path) -> None:
    """The client's own Basic is the client's, not the user's."""
    (file.parent / "secret").write_text(SECRET)
    login = profile(file, OAUTH2_FULL).login
    assert login is not None
    request = login.ask("alice", "pass").prepare()
    assert request.url == "https://api.example.com/v1/token"
    assert read_basic_pair(request) == f"me:{SECRET}"
    assert read_form(request) == {
        "grant_type": ["password"],
        "username": ["alice"],
        "password": ["pass"],
    }


def test_a_logins_answer_is_read_with_its_own_fields(file: Path) -> None:
    """Where the table names them; all others are the endpoint's."""
    login = profile(file, f'{LOGIN}url = "/l"\naccess = "jwt"\n').login
    assert login is not None
    body = json.dumps({"jwt": "a", "access_token": "b", "refresh_token": "r"}).encode()
    token = login.read(TokenResponse(200, CaseInsensitiveDict(), body))
    assert (token.access, token.refresh) == ("a", "r")


@pytest.mark.parametrize("code", [400, 401, 403, 422])
def test_a_wrong_password_is_a_refusal_without_the_servers_words(code: int) -> None:
    """They may repeat what was sent."""
    reply = TokenResponse(code, CaseInsensitiveDict(), json.dumps({"message": SECRET}).encode())
    with pytest.raises(RefreshRejected) as caught:
        PasswordLogin(URL, endpoint=ENDPOINT).read(reply)
    assert (
        caught.value.cause == f"the refresh endpoint refused the user name or the password ({code})"
    )
    assert caught.value.remedy == (
        "check both, the login's URL and the names of its fields (username_field, password_field), "
        "and try again"
    )
    assert caught.value.__context__ is None


ONLY_URL = "and the login's URL"
BOTH_FIELDS = "the login's URL and the names of its fields (username_field, password_field)"


@pytest.mark.parametrize(
    ("login", "guesses"),
    [
        (PasswordLogin().bind(presets.SimpleJWT(), URL), ONLY_URL),
        (PasswordLogin("/in").bind(presets.Directus(), URL), ONLY_URL),
        (PasswordLogin(username_field="email").bind(presets.SimpleJWT(), URL), BOTH_FIELDS),
        (PasswordLogin("/in").bind(presets.Express("/r"), URL), BOTH_FIELDS),
        (PasswordLogin("/in", send="form").bind(ENDPOINT, URL), BOTH_FIELDS),
        (PasswordLogin("/in").bind(None, URL), BOTH_FIELDS),
        (
            PasswordLogin("/in/{username}", username_field=None).bind(None, URL),
            "the login's URL and the name of its field (password_field)",
        ),
        (PasswordLogin("/in", send="basic").bind(ENDPOINT, URL), ONLY_URL),
        (PasswordLogin(URL, send="oauth2", rejected=(401,)).bind(OAUTH2, URL), ONLY_URL),
    ],
)
def test_a_refused_login_names_the_fields_that_nobody_has_documented(
    login: PasswordLogin, guesses: str
) -> None:
    """They are a guess, as its URL is; not so those of a preset, and those that are not sent."""
    with pytest.raises(RefreshRejected) as caught:
        login.read(TokenResponse(401, CaseInsensitiveDict(), b"{}"))
    assert caught.value.remedy == f"check both, {guesses}, and try again"


@pytest.mark.parametrize(("send", "is_said"), [("json", True), ("form", True), ("oauth2", False)])
def test_a_token_endpoint_that_a_login_was_sent_to_as_json(send: str, *, is_said: bool) -> None:
    """It refuses what it cannot read as a wrong password (RFC 6749 §5.2)."""
    reply = TokenResponse(400, CaseInsensitiveDict(), b'{"error": "invalid_grant"}')
    with pytest.raises(RefreshRejected) as caught:
        PasswordLogin(URL, endpoint=OAuth2Endpoint(URL, "me"), send=send).read(reply)
    assert ('send="oauth2"' in caught.value.remedy) == is_said


def test_a_refresh_token_is_given_back_in_a_json_body() -> None:
    """In the field named, with the access token in the header if there is one."""
    logout = Logout(URL, refresh_field="renew", extra={"everywhere": True})
    request = logout.ask(Token("access", "refresh")).prepare()
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Authorization"] == "Bearer access"
    assert read_json(request) == {"renew": "refresh", "everywhere": True}
    without = Logout(URL).ask(Token(None, "refresh")).prepare()
    assert "Authorization" not in without.headers
    assert read_json(without) == {"refresh_token": "refresh"}


def test_a_refresh_token_is_given_back_in_the_header() -> None:
    """It, not the access token; only extra fields make a body."""
    logout = Logout(URL, send="bearer", method="DELETE")
    request = logout.ask(Token("access", "refresh")).prepare()
    assert (request.method, request.url, request.body) == ("DELETE", URL, None)
    assert request.headers["Authorization"] == "Bearer refresh"
    extra = Logout(URL, send="bearer", extra={"everywhere": True})
    assert read_json(extra.ask(Token("access", "refresh")).prepare()) == {"everywhere": True}


def test_a_profiles_logout_may_have_the_refresh_token_in_a_cookie(file: Path) -> None:
    """As dj-rest-auth's default has it, whatever the refresh does."""
    logout = profile(
        file, f'{LOGIN}url = "/l"\n[prod.logout]\nurl = "/out"\nrefresh_field.cookie = "renew"\n'
    ).logout
    assert logout is not None
    request = logout.ask(Token("access", "refresh")).prepare()
    assert (request.headers["Cookie"], request.body) == ("renew=refresh", None)
    assert request.headers["Authorization"] == "Bearer access"


@pytest.mark.parametrize("client", [PUBLIC, CONFIDENTIAL])
def test_a_refresh_token_is_revoked(client: OAuth2Endpoint) -> None:
    """RFC 7009 §2.1, by the client it was given to."""
    logout = Logout(URL, send="oauth2", client=client, extra={"everywhere": "yes"})
    request = logout.ask(Token("access", "refresh")).prepare()
    assert (request.method, request.url) == ("POST", URL)
    form = read_form(request)
    assert form.pop("client_id", None) == (["me"] if client is PUBLIC else None)
    assert form == {
        "token": ["refresh"],
        "token_type_hint": ["refresh_token"],
        "everywhere": ["yes"],
    }
    if client is PUBLIC:
        assert "Authorization" not in request.headers
    else:
        assert read_basic_pair(request) == "me:shh"


@pytest.mark.parametrize("client", [PUBLIC, CONFIDENTIAL])
def test_a_device_asks_for_codes_and_then_whether_they_were_used(client: OAuth2Endpoint) -> None:
    """RFC 8628 §3.1 at the one URL and §3.4 at the other."""
    login = DeviceLogin(URL, "https://api.example.com/token", "me", client=client, scope="a b")
    request = login.ask().prepare()
    assert (request.method, request.url) == ("POST", URL)
    assert read_form(request) == {"client_id": ["me"], "scope": ["a b"]}
    poll = login.poll("code").prepare()
    assert (poll.method, poll.url) == ("POST", "https://api.example.com/token")
    assert read_form(poll) == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:device_code"],
        "device_code": ["code"],
        "client_id": ["me"],
    }
    for each in (request, poll):
        assert each.headers["Accept"] == "application/json"
        if client is PUBLIC:
            assert "Authorization" not in each.headers
        else:
            assert read_basic_pair(each) == "me:shh"
    without = DeviceLogin(URL, URL, "me", client=client).ask().prepare()
    assert read_form(without) == {"client_id": ["me"]}
