"""Refreshes over cookies, refusals by rule, and grants, against a real server."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3

from requests_jwt_refresh import (
    ClientCredentials,
    JSONEndpoint,
    JWTBearer,
    MemoryStore,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    cookie,
    json_field,
    mount,
)
from requests_jwt_refresh.refresh.client import read_set_cookies
from requests_jwt_refresh.testing import Drop, Fault, Status
from tests.support.sessions import plain_session
from tests.support.users import load_token, store

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer, Exchange, RecordedRequest

__all__ = ["store"]  # a fixture

ENDPOINT = JSONEndpoint(
    "/auth/refresh",
    send=cookie("refresh", csrf=("csrf_refresh", "X-CSRF-TOKEN")),
    access=cookie("access"),
    refresh=cookie("refresh"),
)
KEY = "AIzaSyD-a-key-of-some-api"
EXPIRES = "Expires=Wed, 09 Jun 2100 10:18:14 GMT"


@dataclass
class InCookies:
    """Answers a refresh with new tokens as cookies; a fault of the test server."""

    server: AuthServer
    names: tuple[str, ...] = ("access", "refresh")
    seen: list[RecordedRequest] = field(default_factory=list)

    def play(self, exchange: Exchange) -> None:
        self.seen.append(exchange.request)
        token = self.server.login()
        cookies = {
            "access": token.access,
            "refresh": token.refresh,
            "csrf_refresh": f"n{len(self.seen)}",
        }
        lines = [
            f"Set-Cookie: {name}={value}; {EXPIRES}; Path=/; HttpOnly"
            for name, value in cookies.items()
            if name in (*self.names, "csrf_refresh")
        ]
        head = "\r\n".join(["HTTP/1.1 200 OK", "Content-Length: 2", *lines, "", ""])
        exchange.send_bytes(f"{head}{{}}".encode())


@dataclass
class Granted:
    """Answers with a new access token alone, as a grant without a refresh token."""

    server: AuthServer
    seen: list[RecordedRequest] = field(default_factory=list)

    def play(self, exchange: Exchange) -> None:
        self.seen.append(exchange.request)
        body = json.dumps({"access_token": self.server.login().access}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        exchange.send_bytes(head.encode() + body)


def test_cookies_are_read_one_by_one(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """The next refresh hands in the new cookie, and repeats the new CSRF value."""
    old = load_token(store)
    mount(session, server.url, ENDPOINT, store)
    fault = InCookies(server)
    server.fail(fault, on="refresh", times=None)
    for _ in range(2):
        server.expire()
        assert session.get("/api/x").status_code == 200
    token = load_token(store)
    assert token.extra == {"cookies": {"csrf_refresh": "n2"}}
    first, second = (each.headers for each in fault.seen)
    assert f"refresh={old.refresh}" in first["Cookie"]
    assert "X-CSRF-TOKEN" not in first
    assert "csrf_refresh=n1" in second["Cookie"]
    assert second["X-CSRF-TOKEN"] == "n1"
    assert f"refresh={old.refresh}" not in second["Cookie"], "the jar's is not sent beside it"


def test_a_refresh_token_in_a_cookie_is_rescued(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """The server has rotated, and gave no access token."""
    old = load_token(store)
    mount(session, server.url, ENDPOINT, store)
    server.fail(InCookies(server, names=("refresh",)), on="refresh")
    server.expire()
    with pytest.raises(RefreshUnavailable, match="the new refresh token that came with it was sav"):
        session.get("/api/x")
    rescued = load_token(store)
    assert rescued.refresh not in (None, old.refresh)
    assert rescued.extra == {"cookies": {"csrf_refresh": "n1"}}, "it goes with its double submit"


@pytest.mark.parametrize(
    ("body", "is_refused"),
    [
        ({"ok": False, "error": "token_dead"}, True),
        ({"ok": False, "error": "slow_down"}, False),
        ({"ok": False, "error": "other"}, False),
    ],
)
@pytest.mark.parametrize("make", [JSONEndpoint, OAuth2Endpoint])
def test_a_refusal_with_200_is_a_logout_and_throttling_is_none(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    make: Any,
    body: object,
    is_refused: bool,
) -> None:
    """The store is emptied, on_logout called once, and the caller gets the API's 401."""
    lost: list[RefreshRejected] = []
    rule = make("/auth/refresh", rejected=json_field("error", "token_dead"))
    mount(session, server.url, rule, store, on_logout=lost.append)
    server.fail(Status(200, body=json.dumps(body).encode()), on="refresh")
    server.expire()
    if is_refused:
        assert session.get("/api/x").status_code == 401
        assert "(200 token_dead)" in lost[0].cause
    else:
        with pytest.raises(RefreshUnavailable):
            session.get("/api/x")
    assert (len(lost), store.load() is None) == ((1, True) if is_refused else (0, False))


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        (JSONEndpoint(f"/auth/refresh?key={KEY}"), f"/auth/refresh?key={KEY}"),
        (
            JSONEndpoint(f"/auth/refresh?key={KEY}", encode="query", send="token", method="GET"),
            f"/auth/refresh?key={KEY}&token=",
        ),
        (OAuth2Endpoint(f"/auth/refresh?key={KEY}", "me"), f"/auth/refresh?key={KEY}"),
    ],
    ids=["json", "query", "oauth2"],
)
def test_a_query_is_sent_and_never_shown(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    endpoint: Any,
    path: str,
) -> None:
    """It may hold a key, or the refresh token: in no error, log line or repr of ours."""
    caplog.set_level("DEBUG", "requests_jwt_refresh")
    token = load_token(store)
    mount(session, server.url, endpoint, store)
    server.fail(Status(404), on="refresh")
    server.expire()
    with pytest.raises(RefreshUnavailable) as caught:
        session.get("/api/x")
    (asked,) = [each for each in server.requests if each.path.startswith("/auth/refresh")]
    assert asked.path.startswith(path)
    ours = [each.getMessage() for each in caplog.records if each.name == "requests_jwt_refresh"]
    shown = "".join([str(caught.value), repr(endpoint), *ours])
    assert f"{server.url}/auth/refresh answered 404" in shown
    assert KEY not in shown
    assert str(token.refresh) not in shown


@pytest.mark.parametrize("fault", [Status(404), Status(503), Drop()], ids=["once", "503", "drop"])
@pytest.mark.parametrize("is_own", [True, False], ids=["own", "refresh_session"])
def test_urllib3_logs_no_query_of_a_refresh(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    *,
    is_own: bool,
) -> None:
    """Neither at DEBUG nor where it warns of a retry; those of the program's requests it does."""
    caplog.set_level("DEBUG")
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):  # `run` may have hidden them
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    token = load_token(store)
    with plain_session() as other:
        mount(
            session,
            server.url,
            JSONEndpoint(f"/auth/refresh?key={KEY}", encode="query"),
            store,
            refresh_session=None if is_own else other,
        )
        server.fail(fault, on="refresh", times=9)
        server.expire()
        with pytest.raises(RefreshUnavailable):
            session.get("/api/x?page=2")
    theirs = [each.getMessage() for each in caplog.records if each.name.startswith("urllib3")]
    assert any("/auth/refresh?..." in line for line in theirs) or isinstance(fault, Drop)
    assert any("/api/x?page=2" in line for line in theirs)
    assert KEY not in caplog.text
    assert str(token.refresh) not in caplog.text


def test_a_refusal_without_a_code_names_the_cookie_that_was_sent(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Perhaps the server wants another one."""
    lost: list[RefreshRejected] = []
    mount(session, server.url, ENDPOINT, store, on_logout=lost.append)
    server.fail(Status(401), on="refresh")
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert "; the request had the cookie 'refresh'" in lost[0].cause


def test_a_client_fetches_its_tokens(server: AuthServer, session: requests.Session) -> None:
    """The first request, and each expiry, with the client's own credentials."""
    mount(session, server.url, ClientCredentials("/auth/refresh", "me", "secret"))
    granted = Granted(server)
    server.fail(granted, on="refresh", times=None)
    for _ in range(2):
        assert session.get("/api/x").status_code == 200
        server.expire()
    assert [each.body for each in granted.seen] == [b"grant_type=client_credentials"] * 2


def test_an_invalid_client_is_no_refusal(server: AuthServer, session: requests.Session) -> None:
    """A faulty set-up: nothing is forgotten, and the text says what to check."""
    adapter = mount(session, server.url, ClientCredentials("/auth/refresh", "me", "secret"))
    adapter.set_token(Token(server.login().access))
    server.fail(Status(401, body=b'{"error": "invalid_client"}'), on="refresh")
    server.expire()
    with pytest.raises(RefreshUnavailable, match="check client_id and client_secret"):
        session.get("/api/x")
    assert adapter.token is not None


def test_a_function_that_gives_no_assertion_is_told_to_the_caller(
    server: AuthServer, session: requests.Session
) -> None:
    """Nothing is sent."""

    def sign() -> str:
        raise OSError("no key")

    mount(session, server.url, JWTBearer("/auth/refresh", sign))
    with pytest.raises(RefreshUnavailable, match="that assertion= names raised OSError"):
        session.get("/api/x")
    assert server.requests == []


# --- Set-Cookie, line by line --------------------------------------------------------------------

LINES = (f"a=1; {EXPIRES}; Path=/", "b=2", 'c="x"; Max-Age=5')


def make_answer(raw: object, joined: str = ", ".join(LINES)) -> requests.Response:
    response = requests.Response()
    response.raw = raw
    response.headers["Set-Cookie"] = joined
    return response


def test_set_cookie_lines_are_taken_from_the_wire() -> None:
    """As urllib3 has them: joined, nobody could tell that the last is one."""
    lines = (*LINES, "d=1, e=2")
    headers = urllib3.HTTPHeaderDict()
    for line in lines:
        headers.add("Set-Cookie", line)
    assert read_set_cookies(make_answer(urllib3.HTTPResponse(headers=headers))) == lines


@pytest.mark.parametrize("raw", [None, object()])
def test_joined_lines_are_told_apart(raw: object) -> None:
    """In a response that a fake made up: a date has a comma, too."""
    assert read_set_cookies(make_answer(raw)) == LINES
    assert read_set_cookies(make_answer(raw, "a=1")) == ("a=1",)
    assert read_set_cookies(make_answer(raw, "")) == ()
