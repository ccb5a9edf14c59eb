"""attach= and headers=: what is written on the copy that is sent, and what is left alone."""

from __future__ import annotations

import json
import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    InvalidURL,
    JSONEndpoint,
    JWTRefreshAdapter,
    JWTRefreshError,
    MemoryStore,
    ReentrantRefresh,
    Token,
    anonymous,
    cookie,
    header,
    mount,
)
from requests_jwt_refresh.testing import AuthServer, Redirect, Status
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from requests import PreparedRequest

ENDPOINT = JSONEndpoint("/auth/refresh")
TOKEN = Token("secret", "refresh secret")


def write_key(request: PreparedRequest, token: Token) -> None:
    request.headers["X-Key"] = token.access or ""


def mount_with(
    session: requests.Session, server: AuthServer, token: Token = TOKEN, **options: Any
) -> JWTRefreshAdapter:
    return mount(session, server.url, ENDPOINT, MemoryStore(token), **options)


def sent_headers(
    session: requests.Session, server: AuthServer, path: str = "/public/x", **options: Any
) -> dict[str, str]:
    """Return the headers of a request as the server has received them."""
    assert session.get(f"{server.url}{path}", timeout=WAIT, **options).status_code == 200
    return {name.lower(): value for name, value in server.requests[-1].headers.items()}


# --- Whose header it is --------------------------------------------------------------------------


@pytest.mark.parametrize("attach", [header("X-Token"), cookie("jwt")])
def test_an_authorization_beside_another_place_is_passed_on(
    server: AuthServer, session: requests.Session, attach: Any
) -> None:
    """It is not where the token goes, so it is the caller's (R4)."""
    mount_with(session, server, attach=attach)
    for value in ("Basic abc", "Bearer abc"):
        sent = sent_headers(session, server, headers={"Authorization": value})
        assert sent["authorization"] == value
        assert "secret" in (sent.get("x-token"), sent.get("cookie", "").partition("jwt=")[2])


def test_any_other_header_is_replaced(server: AuthServer, session: requests.Session) -> None:
    """Whatever stands there, and in whatever case it is written."""
    mount_with(session, server, attach=header("X-Token"))
    for stale in ("old", "Basic abc", b"old"):
        assert sent_headers(session, server, headers={"x-token": stale})["x-token"] == "secret"


def test_a_cookie_is_replaced_and_the_others_stay(
    server: AuthServer, session: requests.Session
) -> None:
    """Those of the session's jar, and the stale one among them, which stays in the jar."""
    session.cookies.set("jwt", "old", domain="127.0.0.1")
    session.cookies.set("a", "1", domain="127.0.0.1")
    mount_with(session, server, attach=cookie("jwt"))
    assert sent_headers(session, server)["cookie"] == "a=1; jwt=secret"
    assert session.cookies["jwt"] == "old"


@pytest.mark.parametrize(
    ("attach", "own"),
    [
        (header(), "JWT abc"),
        (header(scheme="JWT"), "Bearer abc"),
        (header(scheme="JWT"), "Basic abc"),
        (header(scheme=None), "Basic abc"),
    ],
)
def test_another_scheme_is_the_callers(
    server: AuthServer, session: requests.Session, attach: Any, own: str
) -> None:
    """In Authorization, whatever scheme ours is."""
    mount_with(session, server, attach=attach)
    assert sent_headers(session, server, headers={"Authorization": own})["authorization"] == own


@pytest.mark.parametrize(
    ("attach", "stale", "ours"),
    [
        (header(scheme="JWT"), "jwt old", "JWT secret"),
        (header(scheme=None), "old", "secret"),
        (header(), "bearer old", "Bearer secret"),
    ],
)
def test_a_stale_one_of_ours_is_replaced(
    server: AuthServer, session: requests.Session, attach: Any, stale: str, ours: str
) -> None:
    mount_with(session, server, attach=attach)
    assert sent_headers(session, server, headers={"Authorization": stale})["authorization"] == ours


@pytest.mark.parametrize("attach", [header("X-Token"), cookie("jwt"), write_key])
def test_anonymous_holds_for_every_place(
    server: AuthServer, session: requests.Session, attach: Any
) -> None:
    mount_with(session, server, attach=attach)
    sent = sent_headers(session, server, auth=anonymous)
    assert not {"x-token", "cookie", "authorization"} & sent.keys()


@pytest.mark.parametrize("attach", [header("X-Token"), cookie("jwt")])
def test_another_origin_sees_nothing(
    server: AuthServer, session: requests.Session, attach: Any
) -> None:
    """Neither directly nor by a redirect: the caller's own request never had the token."""
    with AuthServer() as stranger:
        mount_with(session, server, attach=attach)
        server.fail(Redirect(f"{stranger.url}/public/x"), on="public")
        assert session.get("/public/go", timeout=WAIT).status_code == 200
        sent_headers(session, stranger)
        assert "secret" in str(dict(server.requests[0].headers.items()))
        seen = {name.lower() for each in stranger.requests for name in each.headers}
        assert len(stranger.requests) == 2
        assert not {"x-token", "cookie", "authorization"} & seen


def test_the_callers_request_is_not_written_on(
    server: AuthServer, session: requests.Session
) -> None:
    mount_with(session, server, attach=cookie("jwt", csrf=("csrf", "X-CSRF")))
    request = session.prepare_request(
        requests.Request("GET", f"{server.url}/public/x", headers={"Cookie": "csrf=1"})
    )
    before = dict(request.headers)
    assert session.send(request, timeout=WAIT).status_code == 200
    assert dict(request.headers) == before
    assert server.requests[-1].headers.get("X-CSRF") == "1"


# --- A function ----------------------------------------------------------------------------------


def test_a_function_writes_on_the_copy(server: AuthServer, session: requests.Session) -> None:
    """A Bearer of the caller's is taken off first, another scheme is left alone."""
    adapter = mount_with(session, server, attach=write_key)
    sent = sent_headers(session, server, headers={"Authorization": "Bearer old"})
    assert sent["x-key"] == "secret"
    assert "authorization" not in sent
    sent = sent_headers(session, server, headers={"Authorization": "Basic abc"})
    assert sent["authorization"] == "Basic abc"
    assert "x-key" not in sent
    again = pickle.loads(pickle.dumps(adapter))
    assert again._attach is write_key  # noqa: SLF001 - what pickle has to carry


def test_a_function_that_moves_the_request(server: AuthServer, session: requests.Session) -> None:
    """A copy that would go to another origin is not sent."""
    with AuthServer() as stranger:

        def move(request: PreparedRequest, _token: Token) -> None:
            request.url = f"{stranger.url}/public/x"

        mount_with(session, server, attach=move)
        with pytest.raises(InvalidURL, match=r"has moved the request from .*/public/x to another"):
            session.get("/public/x", timeout=WAIT)
        assert stranger.requests == server.requests == []


def test_a_function_that_fails(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """The error names it and its line, and has no token in it."""

    def fail(_request: PreparedRequest, token: Token) -> None:
        raise ValueError(token.access)

    mount_with(session, server, attach=fail)
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(JWTRefreshError, match="attach function failed with ValueError") as raised,
    ):
        session.get("/public/x", timeout=WAIT)
    assert "in fail" in str(raised.value)
    assert "secret" not in f"{raised.value!r}{raised.value.__context__!r}{caplog.text}"
    assert server.requests == []


@pytest.mark.parametrize(
    ("attach", "text"),
    [
        ("X-Token", r"attach takes header\(...\) or cookie\(...\), not a string; .*header\('X-T"),
        (5, "attach takes header.* not int"),
        (lambda _request: None, "attach is called with"),
        (requests.Session, "attach is the class Session"),
    ],
)
def test_what_attach_cannot_be(attach: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        JWTRefreshAdapter("https://api.test", ENDPOINT, MemoryStore(), attach=attach)


# --- The API's own headers -----------------------------------------------------------------------


def test_headers_go_with_each_request_to_our_origins(
    server: AuthServer, session: requests.Session
) -> None:
    """With a token and without, but not where the caller has set another, nor to strangers."""
    keys = iter(["key 1", "key 2", "key 3"])
    adapter = mount_with(
        session, server, headers={"apikey": "key", "X-Rotating": lambda: next(keys)}
    )
    sent = sent_headers(session, server)
    assert (sent["apikey"], sent["x-rotating"]) == ("key", "key 1")
    assert sent_headers(session, server, auth=anonymous)["x-rotating"] == "key 2"
    adapter.clear_token()
    assert sent_headers(session, server, headers={"apikey": "own"})["apikey"] == "own"
    with AuthServer() as stranger:
        assert "apikey" not in sent_headers(session, stranger)


def test_headers_of_the_endpoint(server: AuthServer, session: requests.Session) -> None:
    """What a preset knows of its server, unless the user says otherwise."""

    class Preset(JSONEndpoint):
        attach = header("X-Token")
        api_headers = {"apikey": "preset"}  # noqa: RUF012 - as a preset has it

    mount(session, server.url, Preset("/auth/refresh"), MemoryStore(TOKEN))
    sent = sent_headers(session, server)
    assert (sent["apikey"], sent["x-token"]) == ("preset", "secret")
    mount(
        session,
        server.url,
        Preset("/auth/refresh"),
        MemoryStore(TOKEN),
        attach=header(),
        headers={},
    )
    sent = sent_headers(session, server)
    assert "apikey" not in sent
    assert sent["authorization"] == "Bearer secret"


def test_a_header_whose_function_fails(server: AuthServer, session: requests.Session) -> None:
    """The request is not sent, and the error names the header."""

    def fail() -> str:
        raise OSError("the secret")

    for function in (fail, lambda: "", lambda: "a\nb", lambda: 5):
        mount_with(session, server, headers={"apikey": function})
        with pytest.raises(JWTRefreshError, match=r"function of headers\['apikey'\] failed") as it:
            session.get("/public/x", timeout=WAIT)
        assert "the secret" not in str(it.value)
    assert server.requests == []


@pytest.mark.parametrize(
    ("headers", "kind", "text"),
    [
        ([("a", "b")], TypeError, "headers must be a mapping"),
        ({"a": 5}, TypeError, r"headers\['a'\] must be a string or a function"),
        ({"a": "b\nc"}, ValueError, r"headers\['a'\] is empty, has a line break"),
        ({"a b": "c"}, ValueError, "a header's name"),
        ({"Host": "c"}, ValueError, "the header Host is one that requests writes itself"),
        ({"authorization": "c"}, ValueError, "where attach puts the token"),
    ],
)
def test_what_headers_cannot_be(headers: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        JWTRefreshAdapter("https://api.test", ENDPOINT, MemoryStore(), headers=headers)


# --- The double submit ---------------------------------------------------------------------------

BY_COOKIE = cookie("jwt", csrf=("csrf", "X-CSRF"))


def set_csrf(server: AuthServer, on: Any, value: str) -> None:
    """Let the next answer there come with a cookie of the double submit."""
    fields = {"access_token": f"access {value}".replace(" ", "-"), "refresh_token": "refresh"}
    body = json.dumps(fields).encode()
    server.fail(Status(200, body=body, headers={"Set-Cookie": f"csrf={value}; Path=/"}), on=on)


def test_the_cookie_that_comes_with_a_token_is_repeated(
    server: AuthServer, session: requests.Session
) -> None:
    """With the tokens of a login as of a refresh; the session's own jar never has it."""

    def log_in(session: requests.Session) -> Token:
        found = session.post("/auth/login").json()
        return Token(found["access_token"], found["refresh_token"])

    adapter = mount(session, server.url, ENDPOINT, MemoryStore(), attach=BY_COOKIE, login=log_in)
    set_csrf(server, "login", "one")
    sent = sent_headers(session, server)
    assert (sent["cookie"], sent["x-csrf"]) == ("jwt=access-one; csrf=one", "one")
    set_csrf(server, "refresh", "two")
    adapter.refresh()
    sent = sent_headers(session, server)
    assert (sent["cookie"], sent["x-csrf"]) == ("jwt=access-two; csrf=two", "two")
    assert list(session.cookies) == []
    assert adapter.token is not None
    assert adapter.token.extra["cookies"] == {"csrf": "two"}


def test_a_callable_brings_the_cookie_as_well(
    server: AuthServer, session: requests.Session
) -> None:
    """Out of the answers that it got over the session it was given."""

    def refresh(session: requests.Session, _token: Token) -> Token:
        found = session.post("/auth/refresh").json()
        return Token(found["access_token"], found["refresh_token"])

    adapter = mount(session, server.url, refresh, MemoryStore(TOKEN), attach=BY_COOKIE)
    set_csrf(server, "refresh", "one")
    adapter.refresh()
    assert sent_headers(session, server)["x-csrf"] == "one"


# --- Functions that call through the session -----------------------------------------------------


@pytest.mark.parametrize("auth", [None, anonymous])
@pytest.mark.parametrize("option", ["attach", "headers"])
def test_a_function_that_sends_over_its_own_session(
    server: AuthServer, session: requests.Session, option: str, auth: Any
) -> None:
    """It would call itself for ever: an error says so, at the first time."""
    calls: list[object] = []

    def send(*_: object) -> str:
        calls.append(None)
        return session.get("/api/inner", auth=auth, timeout=WAIT).text

    given: Any = send if option == "attach" else {"X-Signed": send}
    mount(session, server.url, ENDPOINT, MemoryStore(server.login()), **{option: given})
    if option == "attach" and auth is anonymous:
        assert session.get("/api/outer", timeout=WAIT).status_code == 401  # it wrote nothing
        return
    with pytest.raises(ReentrantRefresh, match="sent a request over the session") as caught:
        session.get("/api/outer", timeout=WAIT)
    assert len(calls) == 1
    assert "use another requests.Session" in caught.value.remedy
    assert [each.path for each in server.requests if each.path.startswith("/api")] == []
