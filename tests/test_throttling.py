"""Throttled: "not so often" in whatever words and with whatever status is no refusal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    BearerEndpoint,
    JSONEndpoint,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    mount,
    presets,
)
from requests_jwt_refresh.error_codes import find_error_code
from requests_jwt_refresh.grants.password import PasswordLogin
from requests_jwt_refresh.testing import Status
from tests.support.endpoints import make_response
from tests.support.users import ENDPOINT, catch_unavailable, store

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh import MemoryStore
    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture

REFUSING: list[Endpoint] = [
    JSONEndpoint("/r"),
    BearerEndpoint("/r"),
    JSONEndpoint("/r", rejected=(400, 403, 429)),
    presets.Express("/r"),
]
ENDPOINTS: list[Endpoint] = [*REFUSING, OAuth2Endpoint("/t", "me")]

pytestmark = pytest.mark.usefixtures("clock")


def catch(endpoint: Endpoint, status: int, body: object, **headers: str) -> RefreshUnavailable:
    with pytest.raises(RefreshUnavailable) as caught:
        endpoint.read(make_response(status, body, **headers))
    assert caught.value.remedy.startswith("the tokens are kept; try again ")
    return caught.value


def assert_refused(endpoint: Endpoint, status: int, body: object, **headers: str) -> str:
    with pytest.raises(RefreshRejected) as caught:
        endpoint.read(make_response(status, body, **headers))
    return caught.value.cause


# As the servers of Amazon, Google, Firebase, Supabase, Auth0, Salesforce, Matrix, Zoho, GitHub,
# Slack, Django REST framework and express-rate-limit write them, and RFC 6749 §4.1.2.1, RFC 8628.
THROTTLED: list[Any] = [
    {"__type": "TooManyRequestsException", "message": "Rate exceeded"},
    {"__type": "com.amazonaws.cognito#TooManyRequestsException"},
    {"__type": "LimitExceededException", "message": "Attempt limit exceeded"},
    {"code": "ThrottlingException"},
    {"Error": {}, "error": {"code": "Throttling"}},
    {"error": "slow_down"},
    {"error": "SlowDown"},
    {"error": "too_many_requests", "error_description": "wait"},
    {"error": "temporarily_unavailable"},
    {"error": "server_error"},
    {"error": "rate_limit_exceeded"},
    {"error": "rate_limited"},
    {"ok": False, "error": "ratelimited"},
    {"code": "over_request_rate_limit"},
    {"error": {"code": 400, "message": "TOO_MANY_ATTEMPTS_TRY_LATER : A sentence."}},
    {"error": {"code": 403, "status": "RESOURCE_EXHAUSTED", "message": "Quota"}},
    {"error": {"code": 403, "errors": [{"reason": "userRateLimitExceeded"}]}},
    {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 2000},
    [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "x"}],
    {"errors": [{"extensions": {"code": "REQUESTS_LIMIT_EXCEEDED"}}]},
    {"detail": {"code": "throttled"}},
    {"detail": "Request was throttled. Expected available in 7 seconds."},
    {"error": "Access Denied", "error_description": "You have made too many requests."},
    {"message": "API rate limit exceeded for user 7."},
    {"error": "invalid_request", "error_description": "Too Many Requests"},
    b"Too many requests, please try again later.",
    b"<html><title>403</title>Rate Limit Exceeded</html>",
]


@pytest.mark.parametrize("body", THROTTLED, ids=lambda body: str(body)[:40])
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=repr)
@pytest.mark.parametrize("status", [400, 403])
def test_a_throttled_refresh_is_unavailable(endpoint: Endpoint, body: object, status: int) -> None:
    """Never refused, whatever the status, also where that is one of `rejected`."""
    error = catch(endpoint, status, body)
    assert error.cause.startswith(f"the refresh endpoint answered {status}")
    assert "set-up" not in error.cause
    assert error.retry_after == 0


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=repr)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429])
def test_a_retry_after_on_any_client_error_is_kept_to(endpoint: Endpoint, status: int) -> None:
    """With or without a code; the error says for how long."""
    for body in (b"", b"<html>", {"message": "no"}, {"error": "slow_down"}):
        error = catch(endpoint, status, body, Retry_After="7")
        assert error.retry_after == 7
        assert error.cause.endswith("and asks to be left alone for 7 s")
        assert error.remedy == "the tokens are kept; try again in 7 s"


def test_a_code_in_amazons_header_counts() -> None:
    """X-Amzn-ErrorType, where the body has none."""
    error = catch(REFUSING[0], 400, b"{}", X_Amzn_ErrorType="TooManyRequestsException:http://a/")
    assert "400 TooManyRequestsException" in error.cause


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=repr)
def test_a_200_may_be_throttled_too(endpoint: Endpoint) -> None:
    """Some servers answer every error with 200."""
    error = catch(endpoint, 200, {"ok": False, "error": "slow_down"}, Retry_After="7")
    assert (error.cause.split(" and ")[0], error.retry_after) == (
        "the refresh endpoint answered 200 slow_down",
        7,
    )


@pytest.mark.parametrize(
    "body",
    [
        {"error": "invalid_grant"},
        {"error": "invalid_grant", "error_description": "after too many requests"},
    ],
)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=repr)
def test_an_invalid_grant_is_a_refusal_whatever_else_is_said(
    endpoint: Endpoint, body: object
) -> None:
    """A Retry-After that comes with each answer must not keep a dead token for ever."""
    for retry_after in ("7", "0", "soon", "Tue, 14 Nov 2023 22:14:20 GMT"):
        cause = assert_refused(endpoint, 400, body, Retry_After=retry_after)
        assert cause.endswith("refused the refresh token (400 invalid_grant)")


@pytest.mark.parametrize(
    "code",
    [
        "NotAuthorizedException",
        "token_not_valid",
        "TOKEN_EXPIRED",
        "INVALID_REFRESH_TOKEN",
        "refresh_token_not_found",
        "refresh_token_already_used",
        "BAD_REFRESH_TOKEN",
        "M_UNKNOWN_TOKEN",
        "USER_DISABLED",
        "ExpiredToken",
    ],
)
@pytest.mark.parametrize("endpoint", REFUSING, ids=repr)
def test_other_codes_of_a_refusal_are_as_plain(endpoint: Endpoint, code: str) -> None:
    """What real servers write for a refresh token that is not good any more."""
    assert code in assert_refused(endpoint, 400, {"code": code}, Retry_After="7")


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry_After": "0"},
        {"Retry_After": "-7"},
        {"Retry_After": "soon"},
        {"Retry_After": "9" * 400},
        {"Retry_After": "999999999"},
        {"Retry_After": "Tue, 14 Nov 2023 22:13:00 GMT"},
        {"Retry_After": "60", "X_RateLimit_Remaining": "41"},
        {"Retry_After": "60", "RateLimit_Remaining": "1"},
        {},
    ],
)
def test_a_retry_after_that_asks_for_nothing_changes_nothing(headers: dict[str, str]) -> None:
    """Flask-Limiter writes one on each response, and beside it that there are requests left."""
    cause = assert_refused(JSONEndpoint("/r"), 401, {"msg": "Token has expired"}, **headers)
    assert cause == "the refresh endpoint refused the refresh token (401)"


def test_with_no_requests_left_a_retry_after_counts() -> None:
    """However it came to be there."""
    headers = {"Retry_After": "60", "X_RateLimit_Remaining": "0"}
    assert catch(JSONEndpoint("/r"), 401, {"msg": "no"}, **headers).retry_after == 60


NOT_THROTTLED: list[Any] = [
    {"error": "access_denied"},
    {"error": "DEVICE_LIMIT_EXCEEDED"},
    {"error": "session_timeout"},
    {"error": "unauthorized", "message": "Unauthorized"},
    {"status": "error", "message": "too many devices"},
    {"error": True},
    {"error": ["slow_down"]},
    {"message": {"text": "too many requests"}},
    [[{"code": "SlowDown"}]],
    b"x" * 5000 + b"too many requests",
]


@pytest.mark.parametrize("body", NOT_THROTTLED, ids=lambda body: str(body)[:40])
def test_other_errors_are_what_the_status_says(body: object) -> None:
    """A refusal, where it is one of `rejected`."""
    assert_refused(JSONEndpoint("/r"), 403, body)


@pytest.mark.parametrize("send", ["json", "form", "basic", "oauth2"])
def test_a_throttled_login_is_no_wrong_password(send: str) -> None:
    """Nobody should look for another one; and there are no tokens yet that could be kept."""
    endpoint = OAuth2Endpoint("/t", "me") if send == "oauth2" else JSONEndpoint("/r")
    login = PasswordLogin("https://h/login", endpoint=endpoint, send=send)
    body = {"error": "TooManyRequestsException"}
    with pytest.raises(RefreshUnavailable) as caught:
        login.read(make_response(400, body, Retry_After="7"))
    assert caught.value.remedy == "try again in 7 s"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"error": "invalid_grant"}, "invalid_grant"),
        ({"code": "token_not_valid", "detail": "Falsch."}, "token_not_valid"),
        ({"detail": {"code": "x_y"}}, "x_y"),
        ({"errors": [{"code": "invalid"}]}, "invalid"),
        ({"errors": [{"errorType": "invalid_grant"}]}, "invalid_grant"),
        ({"error": "Unauthorized", "code": "TOKEN_EXPIRED"}, "TOKEN_EXPIRED"),
        ({"error": {"message": "TOKEN_EXPIRED"}}, "TOKEN_EXPIRED"),
        ({"status": "BAD_REFRESH_TOKEN"}, "BAD_REFRESH_TOKEN"),
        ({"code": "PGRST301"}, "PGRST301"),
        ({"errorCode": "E0000047"}, "E0000047"),
        ({"error": "correct horse"}, None),
        ({"error": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}, None),
        ({"error": "s3cr3t-t0k3n"}, None),
        ({"error": "9f86d081884c7d659a2feaa0c55ad015"}, None),
        ({"error": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}, None),
        ({"error": "kJhGfDsAqWeRtYuIoPzXcVbNm"}, None),
        ({"error": "a" * 21}, None),
        ({"error": 7, "code": 400, "type": None}, None),
        ({"status": "error"}, None),
        ({"message": "hunter"}, None),
        ([], None),
        (None, None),
        ("invalid_grant", None),
    ],
)
def test_an_error_code_is_shown_if_no_secret_has_its_form(document: object, code: str) -> None:
    """Wherever the server writes it; one that tells something goes before one that does not."""
    assert find_error_code(document, {}) == code


@pytest.mark.parametrize(
    "fault",
    [
        Status(400, body=b'{"__type": "TooManyRequestsException"}'),
        Status(403, retry_after=1),
    ],
    ids=repr,
)
def test_a_throttled_refresh_is_no_logout(
    server: AuthServer, session: requests.Session, store: MemoryStore, fault: Status
) -> None:
    """The tokens are kept, the server is asked once, and the next try works."""
    before = store.load()
    told: list[object] = []
    adapter = mount(session, server.url, ENDPOINT, store, on_logout=told.append)
    server.expire()
    server.fail(fault)
    failure = catch_unavailable(session)
    assert f"answered {fault.status}" in failure.cause
    assert (store.load(), told, server.counters.refreshes) == (before, [], 1)
    adapter.refresh()
    assert session.get("/api/x").status_code == 200


def test_an_odd_answer_never_raises_anything_else() -> None:
    """Neither for its shape nor for what stands in its headers."""
    bodies: list[object] = [b"\xff", b"[" * 100_000, json.dumps({"error": "\ud800"}).encode(), {}]
    odd = {"Retry_After": "\x00", "Date": "x, 0", "X_RateLimit_Remaining": "\u0665"}
    for body in bodies:
        for endpoint in ENDPOINTS:
            with pytest.raises((RefreshRejected, RefreshUnavailable)):
                endpoint.read(make_response(400, body, **odd))
