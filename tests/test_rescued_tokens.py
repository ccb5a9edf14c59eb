"""What is had from a response that cannot be read, and what is said about its fields."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    BearerEndpoint,
    JSONEndpoint,
    OAuth2Endpoint,
    Token,
    cookie,
    header,
    presets,
)
from requests_jwt_refresh.responses import (
    describe_missing_refresh,
    describe_request_fields,
    find_refresh_token,
)
from tests.support.endpoints import TOKEN, URL, make_response, prepare
from tests.support.profiles import PROD, file, no_profiles_in_the_environment, profile

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.endpoints import Endpoint

__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures

JSON = JSONEndpoint("/r")
NESTED = JSONEndpoint("/r", access="data.accessToken", refresh="data.refreshToken")
OAUTH2 = OAuth2Endpoint("/t", "me")
SECRET = "s3cr3t-t0k3n-that-nobody-may-see"


def call(_session: requests.Session, _token: Token) -> Token:
    raise NotImplementedError


def find(body: object, endpoint: object = JSON, status: int = 200, **headers: str) -> str | None:
    return find_refresh_token(make_response(status, body, **headers), endpoint, "old")


# --- A refresh token in a response that cannot be read -------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"access_token": None, "refresh_token": "new"},
        {"access_token": "abc\n", "refresh_token": "new"},
        {"access_token": 5, "refresh_token": "new"},
        {"accessToken": "a", "refresh_token": "new"},
        {"refresh_token": "new", "error": None, "errors": [], "success": True, "ok": True},
        {"refresh_token": "Bearer new"},
        {"data": {"refresh_token": "new"}, "refresh": "/auth/refresh"},
        {"accessToken": "a", "refreshToken": "new"},
        {"accessJwt": "a", "refreshJwt": "new"},
        {"access": "a", "refresh": "new"},
        {"RefreshToken": "new", "TokenType": "x"},
        {"data": {"accessToken": "a", "refreshToken": "new"}},
        {"tokens": [], "data": {"access": "a", "refresh": "new"}, "user": {"name": "x"}},
        [{"token": "a", "refresh_token": "new"}],
        {"old": {"refresh_token": "old"}, "new": {"refresh_token": "new"}},
        {"n": 10**400, "refresh_token": "new"},
    ],
    ids=str,
)
@pytest.mark.parametrize("endpoint", [JSON, BearerEndpoint("/r"), OAUTH2, NESTED, call, object()])
def test_a_new_refresh_token_is_found(endpoint: object, body: object) -> None:
    """Where the endpoint says, or else under a usual name: the next refresh needs it."""
    assert find(body, endpoint) == "new"


@pytest.mark.parametrize("status", [200, 201, 202, 203, 207, 299])
def test_any_success_may_bring_one(status: int) -> None:
    """Also one with which no endpoint gives tokens."""
    assert find({"refresh_token": "new"}, status=status) == "new"


@pytest.mark.parametrize("status", [100, 301, 400, 401, 403, 429, 500, 600])
def test_no_other_status_brings_one(status: int) -> None:
    """An error that repeats what was sent, or an example, hands nothing out."""
    assert find({"refresh_token": "new"}, status=status) is None


def test_where_the_endpoint_says_goes_first() -> None:
    """Then the plainest name, then what is deeper."""
    body = {"data": {"refreshToken": "new"}, "refresh_token": "another"}
    assert find(body, NESTED) == "new"
    assert find(body, JSON) == "another"
    assert find({"refresh": "another", "refresh_token": "new"}, call) == "new"


def test_a_form_is_read_too() -> None:
    """As servers answer that do not look at Accept."""
    body = b"access_token=a&refresh_token=new&token_type=bearer"
    assert find(body, OAUTH2, Content_Type="application/x-www-form-urlencoded; charset=x") == "new"
    assert find(body, OAUTH2, Content_Type="text/plain") is None


@pytest.mark.parametrize(
    "body",
    [
        {"refresh_token": "old"},
        {"access_token": "same", "refresh_token": "same"},
        {"data": {"token": "same"}, "refresh": "same"},
        {"refresh_token": ""},
        {"refresh_token": "new\n"},
        {"refresh_token": "n\u00e9w"},
        {"refresh_token": "\ud800"},
        {"refresh_token": "this field is required"},
        {"refresh_token": None},
        {"refresh_token": 12345},
        {"refresh_token": True},
        {"refresh_token": ["new"]},
        {"refresh": {"url": "/auth/refresh"}},
        {"refresh": "/auth/refresh"},
        {"refresh": "https://api.example.com/auth/refresh"},
        {"refresh": "true"},
        {"refresh": "3600"},
        {"refresh_token_expires_in": "86400"},
        {"error": "invalid_grant", "refresh_token": "new"},
        {"errors": [{"code": "x"}], "data": {"refresh_token": "new"}},
        {"ok": False, "refresh_token": "new"},
        {"success": False, "refresh_token": "new"},
        {"status": "error", "data": {"refresh_token": "new"}},
        {"google": {"refresh_token": "x"}, "github": {"refresh_token": "y"}},
        {"a": {"b": {"refresh_token": "new"}}},
        [],
        ["new"],
        "new",
        5,
        None,
        b"",
        b"new",
        b"<html>refresh_token=new",
        b'{"refresh_token": "new"',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda body: str(body)[:50],
)
@pytest.mark.parametrize("endpoint", [JSON, OAUTH2, call])
def test_nothing_else_is_taken_for_one(endpoint: object, body: object) -> None:
    """Replacing a good refresh token by something else would lose the login."""
    assert find(body, endpoint) is None


def test_none_is_looked_for_where_the_user_says_there_never_is_one() -> None:
    """refresh=None."""
    assert find({"refresh_token": "new"}, JSONEndpoint("/r", refresh=None)) is None


def test_a_body_that_is_the_access_token_is_no_refresh_token() -> None:
    """access=None."""
    assert find("new", JSONEndpoint("/r", access=None)) is None


def test_an_endpoint_that_raises_breaks_nothing() -> None:
    """A user's own may have attributes of any kind."""

    class Odd:
        refresh = call

        @property
        def access(self) -> str:
            raise ZeroDivisionError

    assert find({"refresh_token": "new"}, Odd()) == "new"


@pytest.mark.parametrize("odd", [5, False, [SECRET], {"a": SECRET}, f" {SECRET}", f"{SECRET}\n"])
@pytest.mark.parametrize("endpoint", [JSON, BearerEndpoint("/r"), OAUTH2])
def test_an_odd_refresh_token_costs_no_access_token(endpoint: Endpoint, odd: object) -> None:
    """The old refresh token stays, and what is wrong is said."""
    given = make_response(200, {"access_token": "a", "refresh_token": odd})
    assert endpoint.read(given) == Token("a")
    said = describe_missing_refresh(given, endpoint)
    assert said is not None
    assert said.startswith("the refresh endpoint gave a refresh token that cannot be used: ")
    assert SECRET not in said


def test_the_scheme_before_a_refresh_token_is_taken_off() -> None:
    """As it is before an access token."""
    body = {"access_token": "Bearer a", "refresh_token": "Bearer r"}
    assert JSON.read(make_response(200, body)) == Token("a", "r")


# --- A field that is missing ---------------------------------------------------------------------

CAMEL = {"data": {"accessToken": SECRET, "refreshToken": SECRET, SECRET * 2: 1}, "list": [{"a": 1}]}


def describe(endpoint: object, body: object) -> str | None:
    return describe_missing_refresh(make_response(200, body), endpoint)


def test_a_misspelt_field_is_named_with_those_there_are() -> None:
    """With their paths, as they would be written; without their values."""
    endpoint = JSONEndpoint("/r", access="data.accessToken", refresh="data.refreshtoken")
    assert describe(endpoint, CAMEL) == (
        "the refresh endpoint gave no 'data.refreshtoken', the field that refresh= names, only "
        "'data.accessToken', 'data.refreshToken', 'list.0.a'; correct refresh=, or leave it out if "
        "the server keeps its refresh tokens"
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        JSONEndpoint("/r", refresh="renew"),
        JSONEndpoint("/r", refresh="refresh_token"),
        BearerEndpoint("/r", refresh="renew"),
        presets.SimpleJWT(refresh="renew"),
        replace(presets.Express("/r"), refresh="refreshToken"),
        pickle.loads(pickle.dumps(JSONEndpoint("/r", refresh="refresh_token"))),
    ],
    ids=repr,
)
def test_a_field_is_missed_that_the_user_has_named(endpoint: Endpoint) -> None:
    """Also by the name that is the default."""
    bodies: list[object] = [{"access_token": "a"}, {}, [], "a", b"text"]
    for body in bodies:
        assert describe(endpoint, body) is not None
    for found in ("r", None, ""):
        name = getattr(endpoint, "refresh", "")
        assert describe(endpoint, {"access_token": "a", name: found}) is None


@pytest.mark.parametrize(
    "endpoint",
    [
        JSON,
        BearerEndpoint("/r"),
        JSONEndpoint("/r", refresh=None),
        OAUTH2,
        presets.SimpleJWT(),
        presets.SimpleJWT("/jwt/refresh/"),
        presets.FlaskJWTExtended(),
        presets.Directus(),
        presets.ASPNETCoreIdentity(),
        presets.Express("/r", access="token"),
        replace(JSON, url="/other"),
        copy.deepcopy(JSON),
        pickle.loads(pickle.dumps(presets.SimpleJWT())),
        call,
        object(),
    ],
)
def test_a_default_is_missed_by_nobody(endpoint: object) -> None:
    """A server without rotation, or a preset for one, is as it should be."""
    assert describe(endpoint, {"access": "a", "access_token": "a"}) is None


def test_a_default_is_missed_where_another_field_has_the_token() -> None:
    """refresh= was left out: with a server that rotates, the second expiry would be a logout."""
    endpoint = JSONEndpoint("/r", access="accessToken")
    said = describe(endpoint, {"accessToken": "a", "refreshToken": SECRET})
    assert said == (
        "the refresh endpoint gave no 'refresh_token', only 'accessToken', 'refreshToken'; name "
        "the field of the refresh token with refresh="
    )
    nested = {"data": {"accessToken": "a", "refreshToken": SECRET}}
    assert describe(JSONEndpoint("/r", access="data.accessToken"), nested) is not None


@pytest.mark.parametrize(
    "body",
    [
        {"accessToken": "a", "refreshToken": "old"},
        {"accessToken": "a", "refreshToken": None},
        {"accessToken": "a", "refresh": True},
        {"accessToken": "a", "refreshUrl": "/refresh"},
        {"accessToken": "a", "refreshToken": "new", "refresh_token": None},
    ],
)
def test_a_default_is_not_missed_for_what_is_no_new_token(body: object) -> None:
    """A server that repeats the old one does not rotate."""
    given = make_response(200, body)
    assert describe_missing_refresh(given, JSONEndpoint("/r", access="accessToken"), "old") is None


@pytest.mark.parametrize("kind", ['kind = "json"\nurl = "/r"', 'preset = "simplejwt"'])
def test_a_field_that_a_profile_names_is_missed(file: Path, kind: str) -> None:
    """In its refresh table, or in its login table for the login's response alone."""
    text = f'{PROD}[prod.refresh]\n{kind}\n[prod.login]\nurl = "/l"\n'
    body = {"access": "a", "access_token": "a"}
    assert describe(profile(file, text).refresh, body) is None
    named = profile(file, text.replace("[prod.login]", 'refresh = "renew"\n[prod.login]'))
    assert describe(named.refresh, body) is not None
    at_login = profile(file, f'{text}refresh = "renew"\n')
    assert at_login.login is not None
    assert describe(at_login.login.endpoint, body) is not None
    assert describe(at_login.refresh, body) is None


def test_a_default_is_a_string_like_any_other() -> None:
    """Equality, hash, repr and pickles of endpoints are as if there were no difference."""
    named = JSONEndpoint("/r", refresh="refresh_token")
    assert named == JSON
    assert hash(named) == hash(JSON)
    assert repr(named) == repr(JSON) == "JSONEndpoint('/r')"
    assert repr(JSON.refresh) == "'refresh_token'"
    assert pickle.loads(pickle.dumps(JSON)) == JSON


# --- What was sent -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "names"),
    [
        (JSON, "the JSON field 'refresh_token'"),
        (
            JSONEndpoint("/r", send="data.refresh", extra={"mode": "json", "a b": 1}),
            "the JSON fields 'mode', 'data.refresh'",
        ),
        (BearerEndpoint("/r"), "the header 'Authorization'"),
        (
            BearerEndpoint("/r", extra={"device": SECRET}),
            "the JSON field 'device' and the header 'Authorization'",
        ),
        (
            JSONEndpoint("/r", send=cookie("jwt"), send_access=header("X-Access")),
            "the header 'X-Access' and the cookie 'jwt'",
        ),
        (
            JSONEndpoint("/r", encode="query", extra={"key": SECRET}),
            "the query fields 'key', 'refresh_token'",
        ),
        (OAUTH2, "the form fields 'grant_type', 'refresh_token', 'client_id'"),
        (
            OAuth2Endpoint("/t", "me", SECRET, extra={"scope": ["a", "b"]}),
            "the form fields 'grant_type', 'refresh_token', 'scope' and the header 'Authorization'",
        ),
    ],
)
def test_the_fields_that_were_sent_are_named(endpoint: Endpoint, names: str) -> None:
    """Before and after requests has prepared them; without a value."""
    assert describe_request_fields(endpoint.ask(URL, TOKEN)) == names
    assert describe_request_fields(prepare(endpoint)) == names


def test_a_query_is_named_too() -> None:
    """In the URL or beside it."""
    request = requests.Request("GET", f"{URL}?key={SECRET}&a=", params={"b": SECRET})
    assert describe_request_fields(request) == "the query fields 'key', 'a', 'b'"
    assert describe_request_fields(request.prepare()) == "the query fields 'key', 'a', 'b'"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"data": SECRET},
        {"data": SECRET.encode()},
        {"data": b"\xff"},
        {"json": [SECRET]},
        {"json": SECRET},
        {"json": {SECRET: SECRET}},
        {"data": iter([b"x"])},
        {"data": {f"{SECRET}": SECRET}},
        {"headers": {SECRET: SECRET}},
    ],
)
def test_what_may_be_a_secret_is_no_name(options: Any) -> None:
    """Then there is nothing to say."""
    request = requests.Request("POST", URL, **options)
    assert describe_request_fields(request) is None
    assert describe_request_fields(request.prepare()) is None
