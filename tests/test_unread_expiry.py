"""A response that tells when the token ends, in a field that no option names: it is said."""

from __future__ import annotations

from typing import Any

import pytest

from requests_jwt_refresh import JSONEndpoint, MemoryStore, mount, presets
from requests_jwt_refresh.responses import describe_unread_expiry
from requests_jwt_refresh.testing import AuthServer
from tests.support.endpoints import make_response
from tests.support.sessions import plain_session

JSON = JSONEndpoint("/r", access="data.accessToken")
SOON, THEN = 4_000_000_000, "2096-10-02T07:06:40Z"


def describe(name: str, value: object, endpoint: object = JSON) -> str | None:
    return say({"data": {name: value}}, endpoint)


def say(content: object, endpoint: object) -> str | None:
    found = describe_unread_expiry(make_response(200, content), endpoint)
    if found is None:
        return None
    return f"{found.problem}; " + (f"give {found.suggested}" if found.suggested else found.option)


@pytest.mark.parametrize(
    ("name", "value", "option"),
    [
        ("expiresIn", 900, "expires_in='data.expiresIn' (with expires_in_unit="),
        ("expires_in", "900", "expires_in='data.expires_in'"),
        ("expiresInMs", 900_000, "expires_in='data.expiresInMs'"),
        ("accessTokenExpiresIn", 900, "expires_in='data.accessTokenExpiresIn'"),
        ("ttl", 900, "expires_in='data.ttl'"),
        ("exp", SOON, "expires_at='data.exp'"),
        ("tokenExpiry", SOON * 1000, "expires_at='data.tokenExpiry'"),
        ("expires_at", THEN, "expires_at='data.expires_at'"),
        ("validUntil", THEN, "expires_at='data.validUntil'"),
    ],
)
def test_the_option_that_would_read_it_is_named(name: str, value: object, option: str) -> None:
    said = describe(name, value)
    assert said is not None
    assert said.startswith(f"the refresh endpoint tells in 'data.{name}' when the token ends")
    assert f"; give {option}" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refreshExpiresIn", 900),
        ("refresh_token_expires_at", THEN),
        ("expires", True),
        ("expiresIn", "15m"),
        ("expiresIn", 0),
        ("expiresIn", None),
        ("session", 900),
        ("experience", 900),
        ("exp", {"a": 1}),
    ],
)
def test_what_is_no_end_of_the_access_token_is_passed_over(name: str, value: object) -> None:
    assert describe(name, value) is None


@pytest.mark.parametrize(
    "beside", [{"refresh": {"token": "r", "expires": THEN}}, {"plan": {"expires_at": THEN}}]
)
def test_the_end_of_something_else_is_passed_over(beside: dict[str, object]) -> None:
    """Whatever stands beside the token: to read it would be a mistake."""
    endpoint = JSONEndpoint("/r", access="access.token", refresh="refresh.token")
    assert say({"access": {"token": "a"}, **beside}, endpoint) is None
    said = say({**beside, "access": {"token": "a", "expires": THEN}}, endpoint)
    assert said is not None
    assert "give expires_at='access.expires'" in said


def test_a_moment_in_a_field_that_is_named_as_a_lifetime() -> None:
    said = say({"expires_in": THEN}, JSONEndpoint("/r"))
    assert said is not None
    assert said.endswith("give expires_at='expires_in'")


NOT_KNOWN = ": the token is refreshed only when the API refuses it; "


@pytest.mark.parametrize(
    ("options", "content", "text"),
    [
        (
            {"expires_in": "expiresIn"},
            {"jwt": {"token": "a", "expiresIn": 900}},
            (
                "gave no 'expiresIn' (only 'jwt.token', 'jwt.expiresIn'), the field that "
                f"expires_in= names, and tells in 'jwt.expiresIn' when the token ends{NOT_KNOWN}"
                "give expires_in='jwt.expiresIn' (with expires_in_unit=\"ms\" if those are "
                "milliseconds)"
            ),
        ),
        (
            {"expires_at": "til"},
            {"jwt": {"token": "a"}, "until": THEN},
            (
                "gave no 'til' (only 'jwt.token', 'until'), the field that expires_at= names"
                f"{NOT_KNOWN}expires_at"
            ),
        ),
        (
            {"expires_at": "until"},
            {"jwt": {"token": "a"}, "until": "soon"},
            (f"gave no time in 'until', the field that expires_at= names{NOT_KNOWN}expires_at"),
        ),
        (
            {"expires_in": "expires_in"},
            {"jwt": {"token": "a"}},
            (
                "gave no 'expires_in' (only 'jwt.token'), the field that expires_in= names"
                f"{NOT_KNOWN}expires_in"
            ),
        ),
    ],
    ids=["elsewhere", "misspelt", "no time", "the usual name"],
)
def test_a_field_that_the_user_has_named_is_missed(
    options: dict[str, Any], content: object, text: str
) -> None:
    said = say(content, JSONEndpoint("/r", access="jwt.token", **options))
    assert said == f"the refresh endpoint {text}"


@pytest.mark.parametrize(
    "endpoint",
    [
        JSONEndpoint("/r"),
        JSONEndpoint("/r", expires_at="end"),
        JSONEndpoint("/r", expires_in="in", expires_at="end"),
        JSONEndpoint("/r", expires_in="zero"),
        presets.Express("/r"),
        presets.Strava("id", "s"),
    ],
    ids=["default", "null", "null beside another", "zero", "preset", "preset with a moment"],
)
def test_a_field_that_nobody_has_named_or_that_says_without_end_is_not_missed(
    endpoint: object,
) -> None:
    assert say({"access_token": "a", "accessToken": "a", "end": None, "zero": 0}, endpoint) is None


@pytest.mark.parametrize("endpoint", [JSONEndpoint("/r", expires_in=None), lambda _: None])
def test_who_does_not_want_to_know_is_not_told(endpoint: object) -> None:
    assert describe("expiresIn", 900, endpoint) is None


@pytest.mark.parametrize(
    ("field", "warnings"),
    [("lifetime", ["tells in 'expires_in' when"]), ("expires_in", [])],
    ids=["misnamed", "named"],
)
def test_one_warning_however_many_refreshes_follow(
    caplog: pytest.LogCaptureFixture, field: str, warnings: list[str]
) -> None:
    with AuthServer(opaque=True) as server, plain_session() as session:
        endpoint = JSONEndpoint("/auth/refresh", expires_in=field)
        adapter = mount(session, server.url, endpoint, MemoryStore(server.login()))
        for _ in range(3):
            server.expire()
            assert session.get("/x").status_code == 200
        assert server.counters.refreshes == 3
        assert adapter.token is not None
        assert (adapter.token.expires_at is None) == bool(warnings)
    said = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(said) == len(warnings)
    assert all(part in text for part, text in zip(warnings, said, strict=True))


def test_a_jwt_tells_its_end_itself(caplog: pytest.LogCaptureFixture) -> None:
    with AuthServer() as server, plain_session() as session:
        endpoint = JSONEndpoint("/auth/refresh", expires_in="lifetime")
        mount(session, server.url, endpoint, MemoryStore(server.login()))
        server.expire()
        assert session.get("/x").status_code == 200
    assert [each for each in caplog.records if each.levelname == "WARNING"] == []
