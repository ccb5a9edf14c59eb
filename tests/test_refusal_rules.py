"""What counts as a refusal: statuses, or a matcher that is asked about the answer. No network."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    BearerEndpoint,
    JSONEndpoint,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    all_of,
    any_401,
    any_of,
    bearer_challenge,
    header,
    json_field,
    status,
)
from tests.support.endpoints import make_response

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

SECRET = "s3cr3t-t0k3n"
BAD = json_field("error", "bad_refresh_token")


def read(endpoint: Any, code: int, body: object, **headers: str) -> str:
    """Return how `endpoint` reads an answer: "token", "refused" or "kept"."""
    try:
        endpoint.read(make_response(code, body, **headers))
    except RefreshRejected:
        return "refused"
    except RefreshUnavailable:
        return "kept"
    return "token"


def mine(response: requests.Response) -> bool:
    """A user's own rule."""
    return bool(response.json()["error"] == "bad_refresh_token")


def _takes_nothing() -> bool:
    raise NotImplementedError


takes_nothing: Any = _takes_nothing
NOTHING: Any = object()
uncalled: Any = json_field
text: Any = "400"
MAKES: list[Callable[..., Any]] = [JSONEndpoint, BearerEndpoint, OAuth2Endpoint]
BODY = {"error": "bad_refresh_token", "error_description": SECRET}

# What servers of SERVERS.md really answer.
REFUSALS = [
    ("github", BAD, 200, BODY),
    (
        "slack",
        json_field("error", "invalid_refresh_token"),
        200,
        {"ok": False, "error": "invalid_refresh_token"},
    ),
    ("zoho", json_field("error", "invalid_code"), 200, {"error": "invalid_code"}),
    (
        "firebase",
        json_field("error.message", "TOKEN_EXPIRED"),
        400,
        {"error": {"code": 400, "message": "TOKEN_EXPIRED", "status": "INVALID_ARGUMENT"}},
    ),
    (
        "strava",
        json_field("errors.*.code", "invalid"),
        400,
        {"message": "Bad Request", "errors": [{"resource": "RefreshToken", "code": "invalid"}]},
    ),
    (
        "fitbit",
        json_field("errors.*.errorType", "invalid_grant"),
        401,
        {"errors": [{"errorType": "invalid_grant", "message": "x"}], "success": False},
    ),
    (
        "cognito",
        json_field("__type", "NotAuthorizedException"),
        400,
        {"__type": "NotAuthorizedException"},
    ),
    ("hubspot", json_field("status", "BAD_REFRESH_TOKEN"), 400, {"status": "BAD_REFRESH_TOKEN"}),
    (
        "bluesky",
        json_field("error", "ExpiredToken"),
        400,
        {"error": "ExpiredToken", "message": "x"},
    ),
    ("challenge", bearer_challenge(), 400, b""),
]


@pytest.mark.parametrize(
    ("matcher", "code", "body"), [each[1:] for each in REFUSALS], ids=[each[0] for each in REFUSALS]
)
@pytest.mark.parametrize("make", MAKES)
def test_a_rule_knows_a_refusal_in_any_status(
    make: Callable[..., Any], matcher: Any, code: int, body: object
) -> None:
    """Without a status of its own it is asked about each."""
    endpoint = make("/r", rejected=matcher)
    challenge = {"WWW_Authenticate": 'Bearer error="invalid_token"'}
    assert read(endpoint, code, body, **challenge) == "refused"
    assert read(endpoint, 418, body, **challenge) == "refused"
    assert read(endpoint, 400, {"error": "other"}) == "kept"
    assert read(endpoint, 401, b"<html>") == "kept"


@pytest.mark.parametrize("make", MAKES)
def test_a_function_is_a_rule_too(make: Callable[..., Any]) -> None:
    """Asked about every status; what it raises counts as no."""
    endpoint = make("/r", rejected=mine)
    for code in (200, 400, 401, 422, 500):
        assert read(endpoint, code, BODY) == "refused"
    assert read(endpoint, 400, b"no JSON") == "kept"
    assert read(endpoint, 400, {"message": "no"}) == "kept"


def test_a_function_sees_what_has_come() -> None:
    """Status, headers, text and JSON, as with an answer of the API."""
    seen: list[Any] = []

    def look(response: requests.Response) -> bool:
        seen.append((response.status_code, response.headers["x-why"], response.text))
        return bool(response.json() == {"a": "\u00e9"})

    assert read(JSONEndpoint("/r", rejected=look), 400, {"a": "\u00e9"}, X_Why="old") == "refused"
    assert seen == [(400, "old", '{"a": "\\u00e9"}')]


def test_a_status_of_its_own_is_kept_to() -> None:
    """Also where it is 401."""
    rules: list[tuple[Any, int]] = [
        (json_field("error", "bad_refresh_token", status=401), 401),
        (all_of(status(403), BAD), 403),
        (any_of(status(403), all_of(any_401, mine)), 403),
    ]
    for rule, code in rules:
        endpoint = JSONEndpoint("/r", rejected=rule)
        assert read(endpoint, code, BODY) == "refused"
        assert read(endpoint, 400, BODY) == "kept"


def test_in_when_a_field_without_a_status_still_means_401() -> None:
    """One matcher, two places."""
    assert BAD.statuses == {401}
    with pytest.raises(ValueError, match="can never match: its members share no status"):
        JSONEndpoint("/r", when=all_of(status(403), BAD))


# --- Throttled is never refused ------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 400, 401, 403])
@pytest.mark.parametrize(
    "body",
    [
        {"error": "slow_down"},
        {"error": "TooManyRequestsException"},
        {"error": "x", "message": "Rate limit exceeded"},
    ],
)
@pytest.mark.parametrize("rule", [any_of(json_field("error", "slow_down"), lambda _response: True)])
@pytest.mark.parametrize("make", MAKES)
def test_a_throttled_answer_is_never_refused(
    make: Callable[..., Any], rule: Any, body: object, code: int
) -> None:
    """Whatever the rule says: it is not asked."""
    assert read(make("/r", rejected=rule), code, body) == "kept"


@pytest.mark.parametrize("code", [408, 429, 502, 503, 504])
@pytest.mark.parametrize("make", MAKES)
def test_a_busy_server_refuses_nothing(make: Callable[..., Any], code: int) -> None:
    """Unless the status is named."""
    assert read(make("/r", rejected=BAD), code, BODY) == "kept"
    assert read(make("/r", rejected=mine), code, BODY) == "kept"


@pytest.mark.parametrize("make", MAKES)
def test_who_asks_to_wait_refuses_nothing(make: Callable[..., Any]) -> None:
    """A Retry-After; but not beside an error code that says no."""
    rule = any_of(BAD, json_field("error", "odd"))
    for code in (400, 500):
        assert read(make("/r", rejected=rule), code, {"error": "odd"}, Retry_After="7") == "kept"
        assert read(make("/r", rejected=rule), code, {"error": "odd"}) == "refused"
    assert read(make("/r", rejected=rule), 400, BODY, Retry_After="7") == "refused"


@pytest.mark.parametrize("rule", [status(401, 429), json_field("error", "x", status=(401, 429))])
@pytest.mark.parametrize("make", MAKES)
def test_too_many_requests_refuse_nothing_even_if_named(
    make: Callable[..., Any], rule: Any
) -> None:
    """Who asks too often is not logged out."""
    assert read(make("/r", rejected=rule), 429, {"error": "x"}) == "kept"
    assert read(make("/r", rejected=rule), 401, {"error": "x"}) == "refused"


# --- What a server has given is never thrown away -------------------------------------------------


@pytest.mark.parametrize("make", MAKES)
def test_an_answer_with_a_token_is_not_asked_about(make: Callable[..., Any]) -> None:
    """Whatever else is in it."""
    endpoint = make("/r", rejected=lambda _response: True)
    assert read(endpoint, 200, {"access_token": "a", "error": "bad_refresh_token"}) == "token"
    in_header = make("/r", access=header("X-Auth"), rejected=lambda _response: True)
    assert in_header.read(make_response(200, BODY, X_Auth="a")).access == "a"


def test_a_body_that_is_the_token_is_asked_about_first() -> None:
    """access=None: any text would be a token."""
    endpoint = JSONEndpoint("/r", access=None, rejected=lambda response: response.text == "EXPIRED")
    assert read(endpoint, 200, b"EXPIRED") == "refused"
    assert endpoint.read(make_response(200, b"abc")) == Token("abc")


# --- OAuth 2.0 -----------------------------------------------------------------------------------


def test_oauth2_still_refuses_with_invalid_grant() -> None:
    """A rule comes beside it; a set-up fault stays one."""
    for rule in (None, (418,), BAD, mine):
        endpoint = OAuth2Endpoint("/t", rejected=rule)
        assert read(endpoint, 400, {"error": "invalid_grant"}) == "refused"
        assert read(endpoint, 401, {"error": "invalid_client"}) == "kept"
    assert read(OAuth2Endpoint("/t", rejected=401), 401, b"") == "refused"  # type: ignore[arg-type]


def test_the_refusal_says_what_the_server_said() -> None:
    """The code, and no word of the description."""
    with pytest.raises(RefreshRejected) as caught:
        JSONEndpoint("/r", rejected=BAD).read(make_response(200, BODY))
    assert caught.value.cause == (
        "the refresh endpoint refused the refresh token (200 bad_refresh_token)"
    )
    with pytest.raises(RefreshRejected, match="refused the access token"):
        JSONEndpoint("/r", send=None, send_access=header()).read(make_response(401, b""))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ok": False, "error": "odd_code"}, "'error', 'odd_code'"),
        ({"errors": [{"code": "ODD_CODE"}]}, "'errors.*.code', 'ODD_CODE'"),
        ({"error": {"message": "ODD_CODE", "code": 7}}, "'error.message', 'ODD_CODE'"),
    ],
)
@pytest.mark.parametrize("make", MAKES)
def test_an_error_in_a_good_status_says_how_to_make_it_a_refusal(
    make: Callable[..., Any], body: object, field: str
) -> None:
    """The code is shown, and the rule that would know it; nothing of any other word."""
    with pytest.raises(RefreshUnavailable) as caught:
        make("/r").read(make_response(200, body))
    assert caught.value.cause.startswith("the refresh endpoint answered 200 O") or (
        caught.value.cause.startswith("the refresh endpoint answered 200 o")
    )
    assert f"or give rejected=json_field({field}) if that is a refusal" in caught.value.remedy
    rule = eval(f"json_field({field})")  # the text that a user would copy
    assert read(make("/r", rejected=rule), 200, body) == "refused"


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("status", [400, 401, 403, 422, 498])
@pytest.mark.parametrize("field", ["error", "code"])
def test_an_error_that_the_rule_does_not_know_says_so_too(
    make: Callable[..., Any], status: int, field: str
) -> None:
    """A word misspelt in it keeps a login that has ended; the right one is in the text."""
    old = json_field(field, "log_in")
    body = {field: "log_in_again", "detail": "The session is over"}
    with pytest.raises(RefreshUnavailable) as caught:
        make("/r", rejected=old).read(make_response(status, body))
    rule = f"json_field({field!r}, 'log_in_again')"
    assert caught.value.remedy.endswith(
        f"or add {rule} to rejected= with any_of() if that is a refusal"
    )
    both = any_of(old, eval(rule))  # the text that a user would copy
    assert read(make("/r", rejected=both), status, body) == "refused"


def test_an_error_of_a_status_that_no_refusal_has_says_so_too() -> None:
    with pytest.raises(RefreshUnavailable) as caught:
        JSONEndpoint("/r").read(make_response(422, {"code": "log_in_again"}))
    rule = "or give rejected=json_field('code', 'log_in_again') if that is a refusal"
    assert caught.value.remedy.endswith(rule)


@pytest.mark.parametrize("status", [404, 405, 409, 415, 423])
def test_an_error_of_the_request_is_no_refusal_to_name(status: int) -> None:
    with pytest.raises(RefreshUnavailable) as caught:
        JSONEndpoint("/r").read(make_response(status, {"error": "not_found"}))
    assert "rejected=" not in caught.value.remedy


def test_oauth2_whose_whole_body_is_the_token_still_refuses() -> None:
    """access=None: an error is no token."""
    endpoint = OAuth2Endpoint("/t", access=None)
    assert endpoint.read(make_response(200, b"abc")) == Token("abc")
    assert read(endpoint, 400, {"error": "invalid_grant"}) == "refused"
    assert read(endpoint, 400, {"error": "invalid_client"}) == "kept"


# --- As a value ----------------------------------------------------------------------------------


def test_a_rule_pickles_and_prints() -> None:
    """As the matcher that was given."""
    endpoint = JSONEndpoint("/r", rejected=any_of(BAD, status(422)))
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint
    assert repr(endpoint) == (
        "JSONEndpoint('/r', rejected=any_of(json_field('error', 'bad_refresh_token'), status(422)))"
    )


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: JSONEndpoint("/r", rejected=status(200)), ValueError, "cannot both have '200'"),
        (
            lambda: JSONEndpoint("/r", rejected=any_of(status(201), BAD)),
            ValueError,
            "cannot both have '201'",
        ),
        (lambda: OAuth2Endpoint("/t", rejected=(200, 400)), ValueError, "cannot both have '200'"),
        (lambda: JSONEndpoint("/r", rejected=uncalled), TypeError, "call it: json_field("),
        (lambda: JSONEndpoint("/r", rejected=text), TypeError, "HTTP status code is an int"),
        (lambda: JSONEndpoint("/r", rejected=(4000,)), ValueError, "4000 is no HTTP status code"),
        (lambda: OAuth2Endpoint("/t", rejected=NOTHING), TypeError, "rejected takes statuses"),
        (lambda: JSONEndpoint("/r", rejected=takes_nothing), TypeError, "takes one argument"),
        (lambda: all_of(status(429), BAD), ValueError, "can never match"),
        (
            lambda: JSONEndpoint("/r", rejected=any_of(BAD, status(429))),
            ValueError,
            "status(429) can never match in rejected=: 429 says that too much was asked",
        ),
        (
            lambda: OAuth2Endpoint("/t", rejected=json_field("error", "x", status=429)),
            ValueError,
            "can never match in rejected=",
        ),
        (
            lambda: JSONEndpoint("/r", when=any_of(any_401, all_of(status(403), BAD))),
            ValueError,
            "give json_field and bearer_challenge a status= of their own",
        ),
        (
            lambda: JSONEndpoint("/r", rejected=all_of(status(200), status(200))),
            ValueError,
            "cannot both have '200'",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_when_it_is_given(
    make: Any, error: type[Exception], text: str
) -> None:
    """Not when the refresh token is refused, weeks later."""
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)
