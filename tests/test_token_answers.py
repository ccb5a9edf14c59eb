"""What a token answer holds beside the tokens: their places, their expiry, and the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    JSONEndpoint,
    OAuth2Endpoint,
    RefreshUnavailable,
    Token,
    cookie,
    header,
)
from requests_jwt_refresh.responses import describe_missing_refresh, find_refresh_token
from tests.support.endpoints import make_response, set_cookies

if TYPE_CHECKING:
    from requests_jwt_refresh import TokenResponse

SECRET = "s3cr3t-t0k3n-that-nobody-may-see"
NOW = 1_700_000_000.0  # where the clock stands: 2023-11-14T22:13:20Z

pytestmark = pytest.mark.usefixtures("clock")


def about(moment: float) -> Any:
    """Return what equals `moment`, or one a little later: each look moves the clock on."""
    return pytest.approx(moment, abs=0.01)


def left(endpoint: Any, body: object, **headers: str) -> float | None:
    """Return the lifetime that `endpoint` reads, in seconds."""
    expires_at: float | None = endpoint.read(make_response(200, body, **headers)).expires_at
    return None if expires_at is None else expires_at - NOW


def catch(endpoint: Any, response: TokenResponse) -> RefreshUnavailable:
    with pytest.raises(RefreshUnavailable) as caught:
        endpoint.read(response)
    assert SECRET not in str(caught.value)
    return caught.value


# --- Places --------------------------------------------------------------------------------------

COOKIES = JSONEndpoint(
    "/r",
    send=cookie("refresh_token_cookie", csrf=("csrf_refresh_token", "X-CSRF-TOKEN")),
    access=cookie("access_token_cookie"),
    refresh=cookie("refresh_token_cookie"),
)
LINES = (
    "access_token_cookie=a; Path=/; HttpOnly",
    "csrf_access_token=1; Path=/",
    "refresh_token_cookie=r; Path=/refresh; Expires=Wed, 09 Jun 2100 10:18:14 GMT",
    "csrf_refresh_token=2; Path=/",
    "old=; Max-Age=0",
)


def test_tokens_can_come_as_cookies() -> None:
    """And the other cookies are kept beside them, for the double submit."""
    token = COOKIES.read(set_cookies(make_response(200, {"refresh": True}), *LINES))
    assert (token.access, token.refresh) == ("a", "r")
    cookies = {"csrf_access_token": "1", "csrf_refresh_token": "2"}
    assert token.extra == {"refresh": True, "cookies": cookies}


def test_tokens_can_come_in_headers() -> None:
    """Without their scheme; the body may be anything."""
    endpoint = JSONEndpoint("/r", access=header("X-Auth-Token"), refresh=header("X-Refresh"))
    token = endpoint.read(make_response(200, b"<html>", X_Auth_Token="a", X_Refresh="r"))
    assert (token, token.extra) == (Token("a", "r"), {})
    endpoint = JSONEndpoint("/r", access=header())
    assert endpoint.read(make_response(201, {}, Authorization="Bearer a")) == Token("a")


def test_places_can_be_mixed() -> None:
    """dj-rest-auth: the access token in JSON, the refresh token in a cookie."""
    endpoint = JSONEndpoint(
        "/r", send=cookie("jwt-refresh"), access="access", refresh=cookie("jwt-refresh")
    )
    response = set_cookies(make_response(200, {"access": "a", "refresh": ""}), "jwt-refresh=r")
    assert endpoint.read(response) == Token("a", "r")


def test_oauth2_answers_may_have_other_fields() -> None:
    """Firebase: its ID token is the one that counts."""
    endpoint = OAuth2Endpoint("/t", access="id_token", expires_in="data.ttl", refresh="data.renew")
    body = {"access_token": "x", "id_token": "a", "data": {"ttl": "60", "renew": "r"}}
    token = endpoint.read(make_response(200, body))
    assert (token.access, token.refresh, token.expires_at) == ("a", "r", about(NOW + 60))
    assert token.extra == {"access_token": "x"}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (cookie("jwt"), "it has no cookie 'jwt', only the cookies 'sid' and the JSON fields 'ok'"),
        (header("X-Auth"), "it has no header 'X-Auth', only the cookies 'sid' and the JSON fi"),
        ("jwt", "its JSON has no 'jwt', only 'ok'"),
    ],
)
def test_a_missing_token_is_said_with_what_there_is(place: Any, said: str) -> None:
    """Names alone, and no header's: those say nothing."""
    response = set_cookies(make_response(200, {"ok": SECRET}), f"sid={SECRET}", f"{SECRET * 2}=1")
    assert said in catch(JSONEndpoint("/r", access=place), response).cause


def test_a_cookie_that_is_deleted_is_no_token() -> None:
    """As a server logs out."""
    response = set_cookies(make_response(200, {}), "access_token_cookie=x; Max-Age=0")
    assert "it has no cookie 'access_token_cookie'" in catch(COOKIES, response).cause


def test_a_token_that_cannot_be_handed_in_again_is_not_taken() -> None:
    """RFC 6265 §4.1.1: the old refresh token stays, and so does the old access token."""
    endpoint = JSONEndpoint("/r", send=cookie("c"), send_access=cookie("a"))
    response = make_response(200, {"access_token": "a", "refresh_token": f"{SECRET};"})
    assert endpoint.read(response).refresh is None
    said = describe_missing_refresh(response, endpoint)
    assert said is not None
    assert "that cannot be used: it has a character that the cookie 'c' cannot carry" in said
    assert SECRET not in said
    error = catch(endpoint, make_response(200, {"access_token": f"{SECRET},"}))
    assert "the access token cannot be sent: it has a character" in error.cause


# --- Expiry --------------------------------------------------------------------------------------

MS = JSONEndpoint("/r", expires_in_unit="ms")
AT = JSONEndpoint("/r", expires_at="expires_at")


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (900_000, 900.0),
        ("900000", 900.0),
        (500, 0.5),
        (NOW * 1000 + 300_000, 300.0),
        (0, None),
        (-5, None),
        (10**12, None),
        (2_000_000, 2_000.0),
        (30 * 86_400_000, 30 * 86_400.0),
        (NOW + 300, 300.0),  # also a number of milliseconds: the earlier end counts
    ],
)
def test_a_lifetime_may_be_in_milliseconds(expires_in: object, seconds: float | None) -> None:
    """expires_in_unit="ms"."""
    found = left(MS, {"access_token": "a", "expires_in": expires_in})
    assert found == (None if seconds is None else about(seconds))


@pytest.mark.parametrize(
    "expires_at",
    [
        NOW + 300,
        (NOW + 300) * 1000,
        str(int(NOW) + 300),
        300,
        "2023-11-14T22:18:20Z",
        "2023-11-14t22:18:20z",
        "2023-11-14 22:18:20",
        "2023-11-14T23:18:20+01:00",
        "2023-11-14T17:18:20.000-0500",
        "2023-11-14T22:18:20.0000000Z",
        "2023-11-14T22:18:20.000000001+00:00",
        "Tue, 14 Nov 2023 22:18:20 GMT",
    ],
    ids=str,
)
def test_a_moment_may_be_a_number_or_a_date(expires_at: object) -> None:
    """Seconds or milliseconds since the epoch, RFC 3339, or an HTTP-date."""
    assert left(AT, {"access_token": "a", "expires_at": expires_at}) == about(300)
    nested = JSONEndpoint("/r", expires_at="data.until")
    assert left(nested, {"access_token": "a", "data": {"until": expires_at}}) == about(300)


@pytest.mark.parametrize(
    "expires_at",
    [
        *(None, True, [], {}, "", "soon", "2023-13-14T22:18:20Z", "2023-11-14T25:18:20Z"),
        *(0, -1, NOW - 5, "2023-11-14T22:10:00Z", "9999-12-31T23:59:59Z", float("inf"), "1" * 5000),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_moment_that_makes_no_sense_is_unknown(expires_at: object) -> None:
    """As with a lifetime: the token is good all the same."""
    assert left(AT, {"access_token": "a", "expires_at": expires_at}) is None


def test_a_moment_counts_from_the_servers_own_clock() -> None:
    """Which may be years from ours."""
    body = {"access_token": "a", "expires_at": "2000-01-01T00:05:00Z"}
    assert left(AT, body, Date="Sat, 01 Jan 2000 00:00:00 GMT") == about(300)


def test_of_two_ends_the_earlier_one_counts() -> None:
    """Whichever field says it: an expiry never comes too late."""
    for first, second in ((300, NOW + 900), (900, NOW + 300)):
        body = {"access_token": "a", "expires_in": first, "expires_at": second}
        assert left(AT, body) == about(300)
    assert left(AT, {"access_token": "a", "expires_in": 300, "expires_at": "x"}) == about(300)


# --- The rest ------------------------------------------------------------------------------------


def test_the_rest_of_an_answer_is_kept() -> None:
    """Without the tokens and the expiry, and what they leave empty."""
    endpoint = JSONEndpoint(
        "/r", access="data.auth.token", refresh="data.renew", expires_in="data.ttl"
    )
    body = {
        "data": {"auth": {"token": "a"}, "renew": "r", "ttl": 5, "user": {"id": 7}, "none": {}},
        "scope": "read",
        "id_token": SECRET,
    }
    token = endpoint.read(make_response(200, body))
    assert token.extra == {
        "data": {"user": {"id": 7}, "none": {}},
        "scope": "read",
        "id_token": SECRET,
    }
    assert SECRET not in repr(token)
    alone = {"data": {"auth": {"token": "a"}}}
    assert endpoint.read(make_response(200, alone)).extra == {}
    listed = JSONEndpoint("/r", access="list.0.token")
    read = listed.read(make_response(200, {"list": [{"token": "a"}, {"b": 1}]}))
    assert read.extra == {"list": [{"b": 1}]}


@pytest.mark.parametrize("body", [b"abc", b'"abc"', b"123"])
def test_a_body_that_is_the_token_leaves_nothing(body: bytes) -> None:
    """access=None."""
    assert JSONEndpoint("/r", access=None).read(make_response(200, body)).extra == {}


@pytest.mark.parametrize(
    "odd", [{"n": float("nan")}, {"n": 10**400}, {"deep": [[[[[[[[]]]]]]]]}], ids=str
)
def test_odd_fields_cost_no_token(odd: dict[str, Any]) -> None:
    """What JSON does not have is left out."""
    body = {"access_token": "a", "scope": "read", **odd}
    token = JSONEndpoint("/r").read(make_response(200, body))
    assert (token.access, token.extra["scope"]) == ("a", "read")


def test_cookies_are_kept_only_where_a_cookie_counts() -> None:
    """Those of a load balancer belong to the session."""
    response = set_cookies(make_response(200, {"access_token": "a"}), "lb=1")
    assert JSONEndpoint("/r").read(response).extra == {}
    assert JSONEndpoint("/r", send=cookie("c")).read(response).extra == {"cookies": {"lb": "1"}}


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("refresh_expires_in", 1800, 1800),  # Keycloak
        ("refresh_token_expires_in", "15897600", 15_897_600),  # GitHub
        ("x_refresh_token_expires_in", 8_726_400, 8_726_400),  # QuickBooks
        ("refreshTokenExpiresIn", 60, 60),
        ("refreshTokenExpiresAt", "2023-11-14T22:18:20Z", 300),
        ("refresh_token_expires_at", NOW + 300, 300),
        ("refresh_expires_in", 0, None),  # an offline token of Keycloak's
        ("refresh_expires_in", "never", None),
        ("refresh_expires_in", None, None),
        ("expires_in_refresh", 5, None),
    ],
)
@pytest.mark.parametrize("endpoint", [JSONEndpoint("/r"), OAuth2Endpoint("/t")])
def test_the_end_of_the_refresh_token_is_kept_as_a_moment(
    endpoint: Any, name: str, value: object, seconds: float | None
) -> None:
    """Beside the field that says it."""
    body = {"access_token": "a", "refresh_token": "r", name: value}
    extra = endpoint.read(make_response(200, body)).extra
    assert extra[name] == value
    expected = None if seconds is None else about(NOW + seconds)
    assert extra.get("refresh_expires_at") == expected


def test_the_end_of_a_nested_refresh_token_is_found_beside_it() -> None:
    """And a field of that very name is left as it is."""
    nested = JSONEndpoint("/r", access="data.a", refresh="data.r")
    body = {"data": {"a": "a", "r": "r", "refreshExpiresIn": 60}}
    extra = nested.read(make_response(200, body)).extra
    assert extra["refresh_expires_at"] == about(NOW + 60)
    own = {"access_token": "a", "refresh_expires_in": 5, "refresh_expires_at": "tomorrow"}
    assert (
        JSONEndpoint("/r").read(make_response(200, own)).extra["refresh_expires_at"] == "tomorrow"
    )


# --- A refresh token in an answer that cannot be read --------------------------------------------


def test_a_new_refresh_token_is_found_in_its_place() -> None:
    """In a cookie or a header as in JSON: the next refresh needs it."""
    in_cookie = set_cookies(make_response(200, b"<html>"), "refresh_token_cookie=new")
    assert find_refresh_token(in_cookie, COOKIES, "old") == "new"
    assert find_refresh_token(in_cookie, COOKIES, "new") is None
    in_header = make_response(200, {"accessToken": "a"}, X_Refresh="new")
    assert (
        find_refresh_token(in_header, JSONEndpoint("/r", refresh=header("X-Refresh")), "o") == "new"
    )
    both = set_cookies(make_response(200, b""), "refresh_token_cookie=x", "access_token_cookie=x")
    assert find_refresh_token(both, COOKIES, "old") is None, "it is the access token"


def test_a_refusal_hands_no_refresh_token_out() -> None:
    """A cookie that an error deletes or repeats."""
    for code, line in (
        (401, "refresh_token_cookie=new"),
        (200, "refresh_token_cookie=; Max-Age=0"),
    ):
        response = set_cookies(make_response(code, b""), line)
        assert find_refresh_token(response, COOKIES, "old") is None


def test_a_place_is_missed_that_the_user_has_named() -> None:
    """As a field is."""
    response = set_cookies(make_response(200, {"access_token": "a"}), "sid=1")
    endpoint = JSONEndpoint("/r", refresh=cookie("jwt"))
    assert describe_missing_refresh(response, endpoint) == (
        "the refresh endpoint gave no cookie 'jwt', which refresh= names, only the cookies 'sid' "
        "and the JSON fields 'access_token'; correct refresh=, or leave it out if the server keeps "
        "its refresh tokens"
    )
    there = set_cookies(make_response(200, {"access_token": "a"}), "jwt=r")
    assert describe_missing_refresh(there, endpoint) is None
