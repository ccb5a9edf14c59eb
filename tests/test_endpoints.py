"""How an endpoint asks, and how it reads the response. No network: it sends nothing itself."""

from __future__ import annotations

import base64
import pickle
import time
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from requests_jwt_refresh.endpoints import BearerEndpoint, JSONEndpoint, OAuth2Endpoint
from requests_jwt_refresh.errors import RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.matching import any_401, status
from requests_jwt_refresh.tokens import Token
from tests.support.endpoints import TOKEN, URL, prepare, prepare_json
from tests.support.endpoints import make_response as response

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.responses import TokenResponse

SECRET = "s3cr3t-t0k3n"
NOW = 1_700_000_000.0  # where the clock stands

ANSWERED = JSONEndpoint("/auth/refresh")
OAUTH2 = OAuth2Endpoint("/token", "me")


pytestmark = pytest.mark.usefixtures("clock")


def prepare_form(endpoint: Endpoint) -> dict[str, list[str]]:
    body = prepare(endpoint).body
    assert isinstance(body, str)
    return parse_qs(body, strict_parsing=True)


def prepare_basic_pair(endpoint: Endpoint) -> str:
    scheme, _, pair = str(prepare(endpoint).headers["Authorization"]).partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(pair).decode()


def at_or_after(moment: float | None) -> Any:
    """Return what equals `moment`, or a moment a little later: each look moves the clock on."""
    return None if moment is None else pytest.approx(moment, abs=0.01)


def catch_unavailable(endpoint: Endpoint, given: TokenResponse) -> RefreshUnavailable:
    """Return what reading `given` raises, having looked for secrets in every corner of it."""
    with pytest.raises(RefreshUnavailable) as caught:
        endpoint.read(given)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None, "an exception behind it could hold the body"
    shown = "".join(traceback.format_exception_only(error)) + repr(error) + repr(vars(error))
    assert SECRET not in shown
    assert error.remedy.startswith("the tokens are kept; ")
    return error


# --- Asking ----------------------------------------------------------------------------------


def test_a_json_endpoint_posts_the_refresh_token_and_nothing_else() -> None:
    """By default, in the field refresh_token."""
    request = prepare(ANSWERED)
    assert (request.method, request.url) == ("POST", URL)
    assert prepare_json(ANSWERED) == {"refresh_token": "old-refresh"}
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"] == "application/json"
    assert "Authorization" not in request.headers


def test_the_refresh_token_can_go_to_any_field_beside_extra_ones() -> None:
    """`send` names the field, also inside an object of `extra`."""
    plain = JSONEndpoint("/r", send="refreshToken", extra={"device": 7})
    assert prepare_json(plain) == {"device": 7, "refreshToken": "old-refresh"}
    nested = JSONEndpoint("/r", send="data.auth.refresh", extra={"data": {"device": 7}})
    expected = {"data": {"device": 7, "auth": {"refresh": "old-refresh"}}}
    assert prepare_json(nested) == expected
    assert prepare_json(nested) == expected, "the second time is like the first"


def test_extra_is_copied_to_its_depth() -> None:
    """Neither side can change the other's."""
    extra: dict[str, Any] = {"data": {"device": 7}}
    endpoint = JSONEndpoint("/r", send="data.refresh", extra=extra)
    endpoint.ask(URL, TOKEN)
    assert extra == {"data": {"device": 7}}
    extra["data"]["device"] = 8
    assert prepare_json(endpoint)["data"]["device"] == 7


def test_a_bearer_endpoint_sends_the_refresh_token_as_header_and_no_body() -> None:
    """RFC 6750 §2.1."""
    request = prepare(BearerEndpoint("/r"))
    assert (request.method, request.body) == ("POST", None)
    assert request.headers["Authorization"] == "Bearer old-refresh"
    assert request.headers["Accept"] == "application/json"


def test_a_bearer_endpoint_may_have_another_method_and_a_body() -> None:
    """`method` and `extra` say so."""
    assert prepare(BearerEndpoint("/r", method="PUT")).method == "PUT"
    assert prepare_json(BearerEndpoint("/r", extra={"device": 7})) == {"device": 7}


def test_oauth2_without_a_secret_sends_the_id_in_the_form() -> None:
    """A public client, RFC 6749 §3.2.1."""
    request = prepare(OAUTH2)
    assert prepare_form(OAUTH2) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["old-refresh"],
        "client_id": ["me"],
    }
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Accept"] == "application/json"
    assert "Authorization" not in request.headers
    assert "client_id" not in prepare_form(OAuth2Endpoint("/token"))


def test_oauth2_with_a_secret_uses_basic_and_keeps_both_out_of_the_form() -> None:
    """RFC 6749 §2.3.1: Basic is what every server supports."""
    endpoint = OAuth2Endpoint("/token", "me", "secret")
    assert prepare_basic_pair(endpoint) == "me:secret"
    assert set(prepare_form(endpoint)) == {"grant_type", "refresh_token"}


def test_oauth2_basic_encodes_id_and_secret_first() -> None:
    """RFC 6749 §2.3.1: a colon in the id is not the one between the two.

    A space is %20, as every server reads it: Authlib's takes a + for itself.
    """
    endpoint = OAuth2Endpoint("/token", "a:b c", "\u00fc%&+/")
    assert prepare_basic_pair(endpoint) == "a%3Ab%20c:%C3%BC%25%26%2B%2F"


def test_oauth2_post_sends_both_in_the_form() -> None:
    """RFC 6749 §2.3.1, for servers that cannot read Basic."""
    endpoint = OAuth2Endpoint("/token", "me", "secret", client_auth="post")
    form = prepare_form(endpoint)
    assert (form["client_id"], form["client_secret"]) == (["me"], ["secret"])
    assert "Authorization" not in prepare(endpoint).headers


def test_oauth2_extra_goes_into_the_form() -> None:
    """A list as several fields of one name, as RFC 8707 §2 has it for `resource`."""
    endpoint = OAuth2Endpoint("/token", extra={"scope": "a b", "resource": ["x", "y"]})
    form = prepare_form(endpoint)
    assert (form["scope"], form["resource"]) == (["a b"], ["x", "y"])


@pytest.mark.parametrize("endpoint", [ANSWERED, BearerEndpoint("/r"), OAUTH2])
def test_nothing_is_asked_without_a_refresh_token(endpoint: Endpoint) -> None:
    """ValueError: there is nothing to send."""
    with pytest.raises(ValueError, match="no refresh token"):
        endpoint.ask(URL, Token("access"))


# --- Reading a good response -------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", [ANSWERED, BearerEndpoint("/r"), OAUTH2])
@pytest.mark.parametrize("code", [200, 201])
def test_an_answer_becomes_a_token(endpoint: Endpoint, code: int) -> None:
    """With its tokens and its lifetime."""
    body = {"access_token": "a", "refresh_token": "r", "expires_in": 300, "other": [1]}
    token = endpoint.read(response(code, body))
    assert (token.access, token.refresh, token.expires_at) == ("a", "r", at_or_after(NOW + 300))


@pytest.mark.parametrize("absent", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_no_refresh_token_means_keep_the_old_one(absent: dict[str, Any]) -> None:
    """The endpoint returns None for it (RFC 6749 §6)."""
    assert ANSWERED.read(response(200, {"access_token": "a", **absent})) == Token("a")


def test_fields_are_found_along_dotted_paths() -> None:
    """Dots reach into objects and lists."""
    endpoint = JSONEndpoint(
        "/r", access="data.0.token", refresh="data.0.renew", expires_in="meta.ttl"
    )
    body = {"data": [{"token": "a", "renew": "r"}], "meta": {"ttl": 60}}
    token = endpoint.read(response(200, body))
    assert (token.access, token.refresh, token.expires_at) == ("a", "r", at_or_after(NOW + 60))


def test_a_field_named_none_is_not_read() -> None:
    """refresh=None and expires_in=None: there is nothing to read."""
    endpoint = JSONEndpoint("/r", refresh=None, expires_in=None)
    body = {"access_token": "a", "refresh_token": 5, "expires_in": 300}
    assert endpoint.read(response(200, body)) == Token("a")


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        (300, 300.0),
        (0.5, 0.5),
        ("300", 300.0),
        (" 1.5 ", 1.5),
        (0, None),
        (-1, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        (True, None),
        (None, None),
        ([300], None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
    ],
)
def test_only_a_positive_finite_lifetime_is_one(expires_in: object, lifetime: float | None) -> None:
    """Anything else is no reason to refuse the token: its own `exp` may tell."""
    token = ANSWERED.read(response(200, {"access_token": "a", "expires_in": expires_in}))
    assert token.expires_at == at_or_after(None if lifetime is None else NOW + lifetime)


@pytest.mark.parametrize("sent", ["Bearer abc", "bearer  abc", "BEARER abc"])
def test_a_bearer_prefix_in_the_answer_is_taken_off(sent: str) -> None:
    """Some servers give the header's value instead of the token."""
    assert ANSWERED.read(response(200, {"access_token": sent})) == Token("abc")
    assert JSONEndpoint("/r", access=None).read(response(200, sent.encode())) == Token("abc")


@pytest.mark.parametrize("body", [b'"abc.d"', b"abc.d", b" abc.d\r\n", b'\n"abc.d" '])
def test_the_whole_body_can_be_the_token(body: bytes) -> None:
    """access=None: as a JSON string or as plain text."""
    assert JSONEndpoint("/r", access=None).read(response(200, body)) == Token("abc.d")


def test_a_token_of_digits_alone_is_a_token_in_plain_text() -> None:
    """It is not read as a JSON number."""
    assert JSONEndpoint("/r", access=None).read(response(200, b"0123")) == Token("0123")
    assert JSONEndpoint("/r", access=None).read(response(200, b"123")) == Token("123")


def test_json_may_start_with_a_byte_order_mark_and_repeat_itself() -> None:
    """A repeated field has its last value."""
    body = b'\xef\xbb\xbf{"access_token": "x", "access_token": "a", "n": NaN}'
    assert ANSWERED.read(response(200, body)) == Token("a")
    assert JSONEndpoint("/r", access=None).read(response(200, b"\xef\xbb\xbfabc")) == Token("abc")


# --- Reading a refusal -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        *((ANSWERED, code) for code in (400, 401, 403)),
        *((BearerEndpoint("/r"), code) for code in (400, 401, 403, 422)),
        (JSONEndpoint("/r", rejected=(418,)), 418),
    ],
)
def test_a_refusal_is_a_status(endpoint: Endpoint, code: int) -> None:
    """One of `rejected`, whatever the body is."""
    with pytest.raises(RefreshRejected) as caught:
        endpoint.read(response(code, {"message": SECRET}))
    assert caught.value.cause == f"the refresh endpoint refused the refresh token ({code})"
    assert caught.value.remedy == "log in again"


@pytest.mark.parametrize("code", [200, 400, 401, 403, 422])
def test_oauth2_refuses_with_invalid_grant_alone(code: int) -> None:
    """RFC 6749 §5.2, whatever the status; some servers even say it with a 200."""
    body = {"error": "invalid_grant", "error_description": SECRET}
    with pytest.raises(RefreshRejected) as caught:
        OAUTH2.read(response(code, body))
    assert (
        caught.value.cause
        == f"the refresh endpoint refused the refresh token ({code} invalid_grant)"
    )
    assert caught.value.remedy == "log in again"


@pytest.mark.parametrize("code", [400, 401, 403])
@pytest.mark.parametrize("body", [b"", b"<html>", {"error": None}, {"message": "no"}, [1]])
def test_oauth2_takes_no_bare_status_for_a_refusal(code: int, body: object) -> None:
    """Without invalid_grant the tokens are kept."""
    error = catch_unavailable(OAUTH2, response(code, body))
    assert error.cause == f"the refresh endpoint answered {code}"
    assert error.remedy == "the tokens are kept; check its URL and options"


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("invalid_client", "check client_id and client_secret"),
        ("incorrect_client_credentials", "check client_id and client_secret"),
        ("bad_client_secret", "check client_id and client_secret"),
        ("BAD_CLIENT_ID", "check client_id and client_secret"),
        ("invalid_client_id", "check client_id and client_secret"),
        ("invalid_request", "check client_auth and extra"),
        ("unauthorized_client", "may not use refresh tokens"),
        ("unsupported_grant_type", "check the URL: no refresh tokens are accepted there"),
        ("invalid_scope", "check the scope"),
        ("invalid_target", "check the resource"),
    ],
)
def test_oauth2_set_up_faults_keep_the_tokens_and_say_what_to_check(code: str, advice: str) -> None:
    """RFC 6749 §5.2: every error code but invalid_grant; and those of GitHub, Slack, HubSpot."""
    body = {"error": code, "error_description": SECRET}
    error = catch_unavailable(OAUTH2, response(401, body))
    assert error.cause == f"the refresh endpoint answered 401 {code}: the set-up is at fault"
    assert advice in error.remedy


def test_oauth2_shows_an_unknown_error_code_only_if_it_looks_like_one() -> None:
    """Any other text might hold a secret."""
    assert "400 odd_code" in str(catch_unavailable(OAUTH2, response(400, {"error": "odd_code"})))
    for odd in (SECRET, f"{'a' * 41}", "Not A Code", "", 7, {"code": SECRET}):
        error = catch_unavailable(OAUTH2, response(400, {"error": odd}))
        assert error.cause == "the refresh endpoint answered 400"
        assert "check its URL" in error.remedy


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_oauth2_overload_is_no_refusal_whatever_the_body_says(code: int) -> None:
    """A 429 or 5xx keeps the tokens."""
    error = catch_unavailable(OAUTH2, response(code, {"error": "invalid_grant"}, Retry_After="7"))
    assert error.retry_after == 7.0


def test_oauth2_a_token_beside_an_error_is_a_token() -> None:
    """A token that the server has given is never thrown away."""
    assert OAUTH2.read(response(200, {"access_token": "a", "error": "none"})) == Token("a")


KINDS = ["Bearer", "bearer", "BearerToken", "jwt-bearer", "DPoP", "bot", "mac x", "", 7, None, []]


@pytest.mark.parametrize("kind", KINDS)
def test_oauth2_takes_any_type_of_token(kind: object) -> None:
    """A token that the server has given is used as it was asked for: the API will tell."""
    assert OAUTH2.read(response(200, {"access_token": "a", "token_type": kind})) == Token("a")


# --- Reading anything else -------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", [ANSWERED, BearerEndpoint("/r"), OAUTH2])
@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 599])
def test_overload_keeps_the_tokens(endpoint: Endpoint, code: int) -> None:
    """408, 429 and 5xx are RefreshUnavailable."""
    error = catch_unavailable(endpoint, response(code, SECRET.encode()))
    assert error.cause == f"the refresh endpoint answered {code}"
    assert error.remedy == "the tokens are kept; try again later"
    assert error.retry_after == 0.0


@pytest.mark.parametrize("code", [202, 204, 404, 405, 415, 418])
def test_any_other_status_points_at_the_set_up(code: int) -> None:
    """RefreshUnavailable whose remedy names the URL."""
    error = catch_unavailable(ANSWERED, response(code, SECRET.encode()))
    assert error.cause == f"the refresh endpoint answered {code}"
    assert error.remedy == "the tokens are kept; check its URL and options"


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("120", 120.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("1.5", 1.5),
        ("1.", 0.0),
        ("\u0665", 0.0),
        ("soon", 0.0),
        ("", 0.0),
        ("9" * 400, 0.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue Nov 14 22:14:20 2023", 60.0),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("Tue, 99 Nov 2023 22:14:20 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(retry_after: str, seconds: float) -> None:
    """RFC 9110 §10.2.3, and Shopify; the clock stands at 22:13:20. The rest asks for nothing."""
    error = catch_unavailable(ANSWERED, response(503, Retry_After=retry_after))
    assert error.retry_after == at_or_after(seconds)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone cannot be changed here")
def test_a_retry_date_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110 §5.6.7, wherever this machine is."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "XYZ-5")
        time.tzset()
        error = catch_unavailable(ANSWERED, response(503, Retry_After="Tue Nov 14 22:14:20 2023"))
    time.tzset()
    assert error.retry_after == at_or_after(60.0)


def test_a_retry_date_counts_from_the_servers_own_clock() -> None:
    """Which may be years from ours."""
    dates = {
        "Retry_After": "Sat, 01 Jan 2000 00:01:00 GMT",
        "Date": "Sat, 01 Jan 2000 00:00:00 GMT",
    }
    error = catch_unavailable(ANSWERED, response(429, **dates))
    assert error.retry_after == 60.0
    assert "answered 429 and asks to be left alone for 60 s" in error.cause
    assert error.remedy == "the tokens are kept; try again in 60 s"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_but_explained(code: int) -> None:
    """The error names where it points, so that the URL can be corrected."""
    location = f"https://api.example.com/auth/refresh/?token={SECRET}#{SECRET}"
    error = catch_unavailable(ANSWERED, response(code, Location=location))
    assert f"redirects to https://api.example.com/auth/refresh/ ({code})" in error.cause
    assert "never follows" in error.cause
    assert "trailing slash" in error.remedy


@pytest.mark.parametrize(
    "location",
    [
        "",
        f"https://{SECRET}@api.example.com/",
        f"https://api.example.com/{SECRET * 3}",
        f"javascript:{SECRET}",
        f"/a b/{SECRET}",
        f"?{SECRET}",
        f"//{SECRET}:x@h/",
    ],
)
def test_a_redirect_that_might_hold_a_secret_is_not_shown(location: str) -> None:
    """A user name, a query, a long path or an odd scheme may be one."""
    error = str(catch_unavailable(ANSWERED, response(302, Location=location)))
    assert "redirects (302)" in error


@pytest.mark.parametrize(
    ("body", "content_type", "problem"),
    [
        (b"", "application/json", "its body is empty"),
        (b" \n", "", "its body is empty"),
        (f"<p>{SECRET}".encode(), "Text/HTML; charset=x", "its body is not JSON (text/html)"),
        (f"<p>{SECRET}".encode(), f"{SECRET} {SECRET}", "its body is not JSON."),
        (f"<p>{SECRET}".encode(), "a/" + "b" * 41, "its body is not JSON."),
        (f'{{"access_token": "{SECRET}'.encode(), "", "its body is not JSON."),
        (f'{{"access_token": "{SECRET}\xff"}}'.encode("latin-1"), "", "its body is not JSON."),
        (b'{"access_token": ' + b"[" * 100_000, "", "its body is not JSON."),
        ([SECRET], "", "its JSON is a list without 'access_token'"),
        (SECRET, "", "its JSON is a string without 'access_token'"),
        (5, "", "its JSON is a number without 'access_token'"),
        (True, "", "its JSON is a boolean without 'access_token'"),
        (None, "", "its JSON is null without 'access_token'"),
        ({}, "", "its JSON has no 'access_token'."),
        ({"token": SECRET, "user": 1}, "", "has no 'access_token', only 'token', 'user'."),
        ({SECRET * 3: 1, "a b": 2, "ok": 3}, "", "has no 'access_token', only 'ok'."),
        ({"access_token": 5}, "", "'access_token' is a number, not a string"),
        ({"access_token": None}, "", "'access_token' is null, not a string"),
        ({"access_token": {"t": SECRET}}, "", "'access_token' is an object, not a string"),
        ({"access_token": ""}, "", "the access token is empty, has a line break"),
        ({"access_token": f"{SECRET}\r\nX: y"}, "", "the access token is empty, has"),
        ({"access_token": f"{SECRET}\ud800"}, "", "the access token is empty, has"),
    ],
)
@pytest.mark.parametrize("endpoint", [ANSWERED, BearerEndpoint("/r"), OAUTH2])
def test_an_unreadable_answer_keeps_the_tokens_and_says_what_is_wrong(
    endpoint: Endpoint, body: object, content_type: str, problem: str
) -> None:
    """RefreshUnavailable, without a word of the answer itself."""
    error = catch_unavailable(endpoint, response(200, body, Content_Type=content_type))
    assert str(error).startswith("the refresh endpoint answered 200, but ")
    assert problem in str(error)


def test_only_ten_field_names_are_shown() -> None:
    """An answer may have any number of fields."""
    error = str(catch_unavailable(ANSWERED, response(200, {f"f{n}": n for n in range(11)})))
    assert "'f9'" in error
    assert "'f10'" not in error


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "its body is empty"),
        (f"<p>{SECRET}</p>".encode(), "its body is not a token alone (text/plain)"),
        (f"your token: {SECRET}".encode(), "its body is not a token alone"),
        (f'"{SECRET}'.encode(), "its body is not a token alone"),
        (f'{{"t":"{SECRET}"'.encode(), "its body is not a token alone"),
        (SECRET.encode() + b"\xff", "its body is not a token alone"),
        ({"t": SECRET}, "its body is an object, not a token alone"),
        ([SECRET], "its body is a list"),
        (None, "its body is null"),
        (True, "its body is a boolean"),
        ("", "the access token is empty"),
        (f"{SECRET}\n", "the access token is empty, has a line break"),
    ],
)
def test_a_body_that_is_no_token_is_not_taken_for_one(body: object, problem: str) -> None:
    """With access=None, JSON and HTML are errors."""
    endpoint = JSONEndpoint("/r", access=None)
    error = catch_unavailable(endpoint, response(200, body, Content_Type="text/plain"))
    assert problem in error.cause


@pytest.mark.parametrize("body", [{"t": SECRET}, [SECRET], None, True])
def test_for_json_around_a_token_its_field_can_be_named(body: object) -> None:
    """The remedy is the option, where the URL is not to blame."""
    error = catch_unavailable(JSONEndpoint("/r", access=None), response(200, body))
    assert error.remedy.endswith("name the field of the access token with access=")


# --- An endpoint as a value ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "call"),
    [
        (ANSWERED, "JSONEndpoint('/auth/refresh')"),
        (
            JSONEndpoint("/r", access=None, ok=(200,), when=status(419)),
            "JSONEndpoint('/r', access=None, ok=(200,), when=status(419))",
        ),
        (JSONEndpoint("/r", extra={"key": SECRET}), "JSONEndpoint('/r', extra='***')"),
        (BearerEndpoint("/r", method="GET"), "BearerEndpoint('/r', method='GET')"),
        (OAUTH2, "OAuth2Endpoint('/token', 'me')"),
        (
            OAuth2Endpoint("/token", "me", SECRET, client_auth="post", extra={"key": SECRET}),
            "OAuth2Endpoint('/token', 'me', '***', client_auth='post', extra='***')",
        ),
    ],
)
def test_an_endpoint_prints_as_the_call_that_makes_it_but_for_its_secrets(
    endpoint: Endpoint, call: str
) -> None:
    """Secrets are shown as asterisks."""
    assert repr(endpoint) == call
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint
    assert hash(pickle.loads(pickle.dumps(endpoint))) == hash(endpoint)


def test_a_response_shows_its_status_alone() -> None:
    """Its body and headers may hold tokens."""
    shown = repr(response(200, {"access_token": SECRET}, Set_Cookie=SECRET))
    assert shown == "TokenResponse(status=200)"


def test_an_endpoint_has_a_rule_for_expired() -> None:
    """Any 401, unless `when` says otherwise."""
    assert ANSWERED.when == BearerEndpoint("/r").when == OAUTH2.when == any_401
    assert JSONEndpoint("/r", when=status(419)).when == status(419)


NOTHING: Any = object()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: JSONEndpoint(""), ValueError, "needs a URL"),
        (lambda: JSONEndpoint(NOTHING), ValueError, "needs a URL"),
        (lambda: BearerEndpoint(" "), ValueError, "needs a URL"),
        (lambda: OAuth2Endpoint(""), ValueError, "needs a URL"),
        (lambda: JSONEndpoint("/r", when=NOTHING), TypeError, "when takes a matcher"),
        (lambda: JSONEndpoint("/r", send=""), ValueError, "'' is no field name"),
        (lambda: JSONEndpoint("/r", access="a."), ValueError, "'a.' is no field name"),
        (lambda: BearerEndpoint("/r", refresh=".a"), ValueError, "'.a' is no field name"),
        (lambda: JSONEndpoint("/r", ok=()), ValueError, "at least one HTTP status code"),
        (lambda: JSONEndpoint("/r", ok=(0,)), ValueError, "0 is no HTTP status code"),
        (lambda: JSONEndpoint("/r", rejected=(200,)), ValueError, "cannot both have '200'"),
        (lambda: BearerEndpoint("/r", method=""), ValueError, "no HTTP method"),
        (
            lambda: JSONEndpoint("/r", extra={"refresh_token": SECRET}),
            ValueError,
            "extra must leave 'refresh_token' free",
        ),
        (
            lambda: JSONEndpoint("/r", send="a.b", extra={"a": SECRET}),
            ValueError,
            "extra must leave 'a.b' free",
        ),
        (
            lambda: JSONEndpoint("/r", send="a.b", extra={"a": {"b": SECRET}}),
            ValueError,
            "extra must leave 'a.b' free",
        ),
        (lambda: JSONEndpoint("/r", extra={"a": SECRET.encode()}), TypeError, "written as JSON"),
        (lambda: BearerEndpoint("/r", extra={"a": float("nan")}), TypeError, "written as JSON"),
        (
            lambda: OAuth2Endpoint("/t", extra={"grant_type": SECRET}),
            ValueError,
            "extra must not set 'grant_type'",
        ),
        (
            lambda: OAuth2Endpoint("/t", extra={"refresh_token": SECRET}),
            ValueError,
            "extra must not set 'refresh_token'",
        ),
        (
            lambda: OAuth2Endpoint("/t", "me", extra={"client_id": SECRET}),
            ValueError,
            "extra must not set 'client_id'",
        ),
        (
            lambda: OAuth2Endpoint("/t", "me", SECRET, client_auth="Basic"),
            ValueError,
            "client_auth must be one of 'none', 'basic', 'post'",
        ),
        (
            lambda: OAuth2Endpoint("/t", "me", SECRET, client_auth="none"),
            ValueError,
            "client_auth='none' sends no client_secret",
        ),
        (lambda: OAuth2Endpoint("/t", None, SECRET), ValueError, "needs both client_id and"),
        (
            lambda: OAuth2Endpoint("/t", "me", client_auth="post"),
            ValueError,
            "client_auth='post' needs both client_id and client_secret",
        ),
        (lambda: OAuth2Endpoint("/t", "me", ""), ValueError, "client_secret is empty"),
    ],
)
def test_options_that_make_no_sense_are_refused_when_they_are_given(
    make: Callable[[], object], error: type[Exception], text: str
) -> None:
    """Not at the first refresh, hours later; and without showing a secret."""
    with pytest.raises(error, match=text) as caught:
        make()
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None
