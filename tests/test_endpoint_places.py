"""Where a refresh request carries its tokens, and in which shape. No network."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from requests_jwt_refresh import (
    BearerEndpoint,
    JSONEndpoint,
    OAuth2Endpoint,
    RefreshUnavailable,
    Token,
    cookie,
    header,
)
from requests_jwt_refresh.field_names import describe_request_fields
from tests.support.endpoints import TOKEN, URL, prepare, prepare_json

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

SECRET = "s3cr3t-t0k3n"
CSRF = ("csrf_refresh_token", "X-CSRF-TOKEN")


def ask(endpoint: JSONEndpoint, token: Token = TOKEN, url: str = URL) -> requests.PreparedRequest:
    return endpoint.ask(url, token).prepare()


def query_of(request: requests.PreparedRequest) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.url or "").query, strict_parsing=True)


# --- Where the tokens go -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "name", "sent"),
    [
        (header(), "Authorization", "Bearer old-refresh"),
        (header(scheme="JWT"), "Authorization", "JWT old-refresh"),
        (header(scheme=None), "Authorization", "old-refresh"),
        (header("X-Refresh-Token"), "X-Refresh-Token", "old-refresh"),
        (cookie("refresh_token"), "Cookie", "refresh_token=old-refresh"),
    ],
)
def test_the_refresh_token_can_travel_in_a_header_or_a_cookie(
    place: Any, name: str, sent: str
) -> None:
    """Then the request has no body, unless `extra` gives it one."""
    request = ask(JSONEndpoint("/r", send=place))
    assert (request.headers[name], request.body) == (sent, None)
    assert prepare_json(JSONEndpoint("/r", send=place, extra={"a": 1})) == {"a": 1}


def test_a_bearer_endpoint_is_a_json_endpoint_with_a_header() -> None:
    """Short for send=header(), with 422 among its refusals."""
    long = JSONEndpoint("/r", send=header(), rejected=(400, 401, 403, 422))
    short = BearerEndpoint("/r")
    assert ask(long).headers == ask(short).headers
    assert (short.send, short.rejected) == (long.send, long.rejected)


def test_both_tokens_can_be_handed_in() -> None:
    """For servers that want the expired one beside the refresh token."""
    endpoint = JSONEndpoint("/r", send="refreshToken", send_access="accessToken")
    assert prepare_json(endpoint) == {"refreshToken": "old-refresh", "accessToken": "old-access"}
    request = ask(JSONEndpoint("/r", send_access=header()))
    assert request.headers["Authorization"] == "Bearer old-access"
    assert prepare_json(JSONEndpoint("/r", send_access=header())) == {
        "refresh_token": "old-refresh"
    }
    request = ask(JSONEndpoint("/r", send=cookie("refresh"), send_access=cookie("access")))
    assert request.headers["Cookie"] == "access=old-access; refresh=old-refresh"


def test_the_access_token_alone_can_be_handed_in() -> None:
    """send=None: a token that renews itself."""
    endpoint = JSONEndpoint("/r", send=None, send_access=header())
    request = ask(endpoint, Token("live"))
    assert (request.headers["Authorization"], request.body) == ("Bearer live", None)


@pytest.mark.parametrize(
    ("endpoint", "needs"),
    [
        (JSONEndpoint("/r"), (True, False, False)),
        (BearerEndpoint("/r"), (True, False, False)),
        (OAuth2Endpoint("/t"), (True, False, False)),
        (JSONEndpoint("/r", send_access=header()), (True, True, False)),
        (JSONEndpoint("/r", send=None, send_access=header()), (False, True, True)),
    ],
)
def test_an_endpoint_says_what_it_needs(endpoint: Any, needs: tuple[bool, bool, bool]) -> None:
    """The refresher asks before it has a lock or a connection."""
    assert needs == (
        endpoint.needs_refresh_token,
        endpoint.hands_in_access,
        endpoint.needs_live_token,
    )


@pytest.mark.parametrize(
    ("endpoint", "token", "what"),
    [
        (JSONEndpoint("/r", send=cookie("c")), Token("a"), "refresh"),
        (JSONEndpoint("/r", send_access=header()), Token(None, "r"), "access"),
        (JSONEndpoint("/r", send=None, send_access=header()), Token(None, "r"), "access"),
        (JSONEndpoint("/r"), None, "refresh"),
    ],
)
def test_nothing_is_asked_without_the_token_to_hand_in(
    endpoint: JSONEndpoint, token: Token | None, what: str
) -> None:
    """ValueError, whatever its place."""
    with pytest.raises(ValueError, match=f"there is no {what} token to ask with"):
        endpoint.ask(URL, token)


def test_a_cookie_goes_with_its_double_submit() -> None:
    """The header that repeats the cookie which came with the token, and that cookie itself."""
    endpoint = JSONEndpoint("/r", send=cookie("refresh_token_cookie", csrf=CSRF))
    token = Token("a", "r", extra={"cookies": {"csrf_refresh_token": "42"}})
    request = ask(endpoint, token)
    assert request.headers["X-CSRF-TOKEN"] == "42"
    assert request.headers["Cookie"] == "refresh_token_cookie=r; csrf_refresh_token=42"
    assert "X-CSRF-TOKEN" not in ask(endpoint).headers, "nothing came with the token"


def test_of_two_double_submits_the_refresh_tokens_own_counts() -> None:
    """Flask-JWT-Extended has one header for both."""
    endpoint = JSONEndpoint(
        "/r",
        send=cookie("refresh_token_cookie", csrf=CSRF),
        send_access=cookie("access_token_cookie", csrf=("csrf_access_token", "X-CSRF-TOKEN")),
    )
    cookies = {"csrf_refresh_token": "of refresh", "csrf_access_token": "of-access"}
    cookies["csrf_refresh_token"] = "of-refresh"
    request = ask(endpoint, Token("a", "r", extra={"cookies": cookies}))
    assert request.headers["X-CSRF-TOKEN"] == "of-refresh"


def test_a_token_that_a_cookie_cannot_carry_is_not_sent() -> None:
    """RFC 6265 §4.1.1; it is kept, and not shown."""
    odd = Token(f"{SECRET},", f"{SECRET};x")
    for endpoint, what in (
        (JSONEndpoint("/r", send=cookie("c")), "refresh"),
        (JSONEndpoint("/r", send_access=cookie("c")), "access"),
    ):
        with pytest.raises(RefreshUnavailable, match=f"the {what} token cannot be sent") as caught:
            endpoint.ask(URL, odd)
        assert caught.value.remedy.startswith("the tokens are kept; ")
        assert SECRET not in str(caught.value)


# --- In which shape ------------------------------------------------------------------------------


def test_the_fields_can_be_a_form() -> None:
    """encode="form"; a list is several fields of one name, a boolean is written as in JSON."""
    endpoint = JSONEndpoint("/r", encode="form", extra={"a": ["x", "y"], "b": True, "n": 7})
    request = ask(endpoint)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(str(request.body)) == {
        "refresh_token": ["old-refresh"],
        "a": ["x", "y"],
        "b": ["true"],
        "n": ["7"],
    }


def test_the_fields_can_be_the_query() -> None:
    """encode="query", beside a query that the URL has already."""
    endpoint = JSONEndpoint("/r?key=k", encode="query", method="GET", extra={"a": 1})
    request = ask(endpoint, url=f"{URL}?key=k")
    assert (request.method, request.body) == ("GET", None)
    assert query_of(request) == {"key": ["k"], "a": ["1"], "refresh_token": ["old-refresh"]}
    assert describe_request_fields(endpoint.ask(f"{URL}?key=k", TOKEN)) == (
        "the query fields 'key', 'a', 'refresh_token'"
    )


def test_more_headers_can_be_sent() -> None:
    """They go before our own; Content-Type is as it was given."""
    amazon = {"X-Amz-Target": "InitiateAuth", "content-type": "application/x-amz-json-1.1"}
    request = ask(JSONEndpoint("/r", headers={**amazon, "accept": "*/*"}))
    assert request.headers["X-Amz-Target"] == "InitiateAuth"
    assert request.headers["Content-Type"] == "application/x-amz-json-1.1"
    assert request.headers["Accept"] == "*/*"
    assert prepare(OAuth2Endpoint("/t", headers={"apikey": "k"})).headers["apikey"] == "k"


def test_headers_are_copied() -> None:
    """As `extra` is."""
    given = {"apikey": "k"}
    endpoint = JSONEndpoint("/r", headers=given)
    given["apikey"] = "other"
    assert ask(endpoint).headers["apikey"] == "k"


def test_any_method_can_be_sent() -> None:
    """GET, too, if its token is no field of a body."""
    assert ask(JSONEndpoint("/r", method="PUT")).method == "PUT"
    request = ask(JSONEndpoint("/r", method="GET", send=header()))
    assert (request.method, request.body) == ("GET", None)


# --- As a value ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "call"),
    [
        (
            JSONEndpoint("/r", send=cookie("c", csrf=("a", "B")), headers={"apikey": SECRET}),
            "JSONEndpoint('/r', send=cookie('c', csrf=('a', 'B')), headers='***')",
        ),
        (
            JSONEndpoint("/r", send=None, send_access=header("X-Vault-Token")),
            "JSONEndpoint('/r', send=None, send_access=header('X-Vault-Token'))",
        ),
        (
            OAuth2Endpoint("/t", access="id_token", headers={"a": SECRET}, rejected=(401,)),
            "OAuth2Endpoint('/t', access='id_token', rejected=(401,), headers='***')",
        ),
        (
            OAuth2Endpoint(f"/t?grant_type=password&key={SECRET}&x=1"),
            "OAuth2Endpoint('/t?grant_type=password&key=***&x=1')",
        ),
        (JSONEndpoint(f"/t?{SECRET * 2}"), "JSONEndpoint('/t?***')"),
    ],
)
def test_it_prints_as_its_call_without_secrets(endpoint: Any, call: str) -> None:
    """Headers and keys in a URL may be secrets. It pickles, compares and hashes."""
    assert repr(endpoint) == call
    again = pickle.loads(pickle.dumps(endpoint))
    assert again == endpoint
    assert hash(again) == hash(endpoint)


def test_a_pickle_from_before_there_were_places_is_still_read() -> None:
    """It has the new options' defaults."""
    old = JSONEndpoint.__new__(JSONEndpoint)
    state = {
        name: value for name, value in vars(JSONEndpoint("/r")).items() if name in ("url", "send")
    }
    old.__setstate__(state)
    assert old == JSONEndpoint("/r")


BAD_OPTIONS: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: JSONEndpoint("/r", send=None), ValueError, "hands in no token; give send_access="),
    (
        lambda: JSONEndpoint("/r", send="a", send_access="a"),
        ValueError,
        "send='a' and send_access='a' name one place",
    ),
    (
        lambda: JSONEndpoint("/r", send=header(), send_access=header("authorization", "JWT")),
        ValueError,
        "name one place; each token needs",
    ),
    (
        lambda: JSONEndpoint("/r", send=cookie("c"), send_access=cookie("c", csrf=("a", "B"))),
        ValueError,
        "name one place; each token needs",
    ),
    (
        lambda: JSONEndpoint("/r", send="a.b", send_access="a"),
        ValueError,
        "send='a.b' and send_access='a' name one place",
    ),
    (
        lambda: JSONEndpoint("/r", send_access="a", extra={"a": SECRET}),
        ValueError,
        "extra must leave 'a' free: the access token goes there",
    ),
    (
        lambda: JSONEndpoint("/r", send=header("X-Token"), headers={"x-token": SECRET}),
        ValueError,
        "headers must not set 'X-Token': send does",
    ),
    (
        lambda: JSONEndpoint("/r", send_access=header(), headers={"authorization": SECRET}),
        ValueError,
        "headers must not set 'Authorization': send_access does",
    ),
    (
        lambda: JSONEndpoint("/r", send=cookie("c", csrf=CSRF), headers={"X-Csrf-Token": SECRET}),
        ValueError,
        "headers must not set 'X-CSRF-TOKEN': csrf does",
    ),
    (
        lambda: JSONEndpoint("/r", send=cookie("c", csrf=("a", "X-T")), send_access=header("x-t")),
        ValueError,
        "a token and csrf both need the header 'x-t'",
    ),
    (
        lambda: OAuth2Endpoint("/t", "me", SECRET, headers={"authorization": SECRET}),
        ValueError,
        "headers and client_auth='basic' both set Authorization",
    ),
    (lambda: JSONEndpoint("/r", send=7), TypeError, "send takes the path of a JSON field"),  # type: ignore[arg-type]
    (lambda: JSONEndpoint("/r", send=header), TypeError, "send takes the path"),  # type: ignore[arg-type]
    (lambda: JSONEndpoint("/r", access=b"x"), TypeError, "access takes the path"),  # type: ignore[arg-type]
    (lambda: JSONEndpoint("/r", send_access="a."), ValueError, "'a.' is no field name"),
    (lambda: OAuth2Endpoint("/t", access=""), ValueError, "'' is no field name"),
    (lambda: JSONEndpoint("/r", encode="xml"), ValueError, "encode must be one of 'json', 'form'"),
    (lambda: JSONEndpoint("/r", expires_in_unit="h"), ValueError, "must be one of 's', 'ms'"),
    (lambda: JSONEndpoint("/r", expires_at="."), ValueError, "'.' is no field name"),
    (lambda: JSONEndpoint("/r", method="GET"), ValueError, "a GET has no body for the field"),
    (lambda: JSONEndpoint("/r", method="head", encode="form"), ValueError, "a head has no body"),
    (lambda: JSONEndpoint("/r", method="G T"), ValueError, "no HTTP method"),
    (lambda: JSONEndpoint("/r", method=7), ValueError, "no HTTP method"),  # type: ignore[arg-type]
    (
        lambda: JSONEndpoint("/r", encode="form", send="a.b"),
        ValueError,
        "encode='form' has no fields within fields, as 'a.b' needs them",
    ),
    (
        lambda: JSONEndpoint("/r", encode="query", extra={"a": {"b": SECRET}}),
        TypeError,
        "takes strings, numbers and lists of them, as the value of 'a' is none",
    ),
    (
        lambda: JSONEndpoint("/r?refresh_token=x", encode="query"),
        ValueError,
        "the url has 'refresh_token' in its query already",
    ),
    (lambda: JSONEndpoint("/r", headers=[("a", "b")]), TypeError, "headers takes a mapping"),  # type: ignore[arg-type]
    (lambda: OAuth2Endpoint("/t", extra=[("a", "b")]), TypeError, "extra takes a mapping"),  # type: ignore[arg-type]
    (lambda: JSONEndpoint("/r", headers={"a": "x", "A": "y"}), ValueError, "one header twice"),
    (lambda: OAuth2Endpoint("/t", scope=""), TypeError, "scope takes a string"),
    (lambda: OAuth2Endpoint("/t", scope=["a"]), TypeError, "scope takes a string"),  # type: ignore[arg-type]
    (
        lambda: OAuth2Endpoint("/t", scope="a", extra={"scope": SECRET}),
        ValueError,
        "extra must not set 'scope'",
    ),
]


@pytest.mark.parametrize(("make", "error", "text"), BAD_OPTIONS)
def test_options_that_make_no_sense_are_refused_when_they_are_given(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    """Not at the first refresh, hours later; and without showing a secret."""
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "name",
    ["Host", "content-length", "Transfer-Encoding", "connection", "Cookie", "a b", "a\nb", ""],
)
@pytest.mark.parametrize("make", [JSONEndpoint, BearerEndpoint, OAuth2Endpoint])
def test_some_headers_are_not_ours_to_set(make: Callable[..., object], name: str) -> None:
    """What requests sets itself, and what is no header's name."""
    with pytest.raises(ValueError, match=r"^headers: "):
        make("/r", headers={name: SECRET})


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX: b", " a", "a ", "\u20ac", "a\0", 7, None, b"a"])
def test_a_header_that_could_not_be_sent_is_refused(value: Any) -> None:
    """By name, without its value."""
    with pytest.raises((ValueError, TypeError), match=r"^headers: the value of 'X-Key' (has|must)"):
        JSONEndpoint("/r", headers={"X-Key": value})
