"""What a session itself authenticates with goes before the token: it may have been forgotten."""

from __future__ import annotations

import base64
import copy
import logging
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from requests_jwt_refresh import JSONEndpoint, MemoryStore, Token, anonymous, header, mount
from requests_jwt_refresh.testing import AuthServer
from tests.support.crowd import THREADS, Crowd

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh import JWTRefreshAdapter

    Forget = Callable[[requests.Session], object]

ENDPOINT = JSONEndpoint("/auth/refresh")
BASIC = "Basic " + base64.b64encode(b"alice:hunter2").decode()


class BearerAuth(AuthBase):
    """What was written by hand before; its header is replaced, as ever."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Bearer hunter2"
        return request


class RefreshingAuth(BearerAuth):
    """The same, which sends again after a 401 by itself."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.register_hook("response", self.handle)
        return super().__call__(request)

    def handle(self, response: requests.Response, **_options: Any) -> requests.Response:
        return response


def set_auth(auth: Any) -> Forget:
    def forget(session: requests.Session) -> None:
        session.auth = auth

    return forget


def set_header(value: str | bytes, name: str = "Authorization") -> Forget:
    def forget(session: requests.Session) -> None:
        session.headers[name] = value  # type: ignore[assignment]

    return forget


def open_adapter(
    server: AuthServer, session: requests.Session, **options: Any
) -> JWTRefreshAdapter:
    return mount(session, server.url, ENDPOINT, MemoryStore(server.login()), **options)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [each for each in caplog.records if each.name == "requests_jwt_refresh"]
    return [each.getMessage() for each in records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("forget", "found"),
    [
        (set_auth(("alice", "hunter2")), "session.auth (a user name and a password)"),
        (set_auth(HTTPBasicAuth("alice", "hunter2")), "session.auth (HTTPBasicAuth)"),
        (set_auth(HTTPDigestAuth("alice", "hunter2")), "session.auth (HTTPDigestAuth)"),
        (set_auth(RefreshingAuth()), "session.auth (RefreshingAuth)"),
        (set_header(BASIC), "session.headers['Authorization']"),
        (set_header(BASIC.encode(), "authorization"), "session.headers['Authorization']"),
        (set_header("Token hunter2"), "session.headers['Authorization']"),
        (set_header("hunter2"), "session.headers['Authorization']"),
    ],
)
@pytest.mark.parametrize("whole", [False, True], ids=["relative", "absolute"])
def test_a_forgotten_line_is_told_of_once(
    server: AuthServer,
    session: requests.Session,
    caplog: pytest.LogCaptureFixture,
    forget: Forget,
    found: str,
    whole: bool,
) -> None:
    """It is left alone, as promised; one WARNING names it, and shows nothing of it."""
    adapter = open_adapter(server, session)
    forget(session)
    for _ in range(3):
        session.get(f"{server.url}/public/x" if whole else "/public/x")
    assert adapter.token is not None
    assert not any(str(adapter.token.access) in str(each.headers) for each in server.requests)
    (text,) = warnings(caplog)
    assert text == (
        f"Requests to {adapter.base_url} go out without the adapter's token, and are not "
        f"refreshed: {found} goes before it. Delete the line that sets it, or give it to single "
        "requests as auth= or headers="
    )


@pytest.mark.parametrize(
    "forget", [set_auth(("alice", "hunter2")), set_header(BASIC)], ids=["auth", "header"]
)
def test_a_login_by_hand_is_not_told_of(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture, forget: Forget
) -> None:
    """There is no token to keep off. A line that is forgotten after the login is told of."""
    adapter = mount(session, server.url, ENDPOINT, MemoryStore())
    forget(session)
    fields = session.post("/auth/login").json()
    assert warnings(caplog) == []
    adapter.set_token(Token(fields["access_token"], fields["refresh_token"]))
    session.get("/public/x")
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(
    ("forget", "options"),
    [
        (set_auth(anonymous), {}),
        (set_auth(BearerAuth()), {}),
        (set_header("Bearer hunter2"), {}),
        (set_header("bearer hunter2"), {}),
        (set_header("hunter2", "X-Api-Key"), {}),
        (set_header(BASIC), {"attach": header("X-Token")}),
        (set_header("JWT hunter2"), {"attach": header(scheme="JWT")}),
    ],
)
def test_what_does_not_turn_the_adapter_off_is_not_told_of(
    server: AuthServer,
    session: requests.Session,
    caplog: pytest.LogCaptureFixture,
    forget: Forget,
    options: dict[str, Any],
) -> None:
    """It is replaced, is beside the token, or says on purpose that there be none."""
    open_adapter(server, session, **options)
    forget(session)
    session.get("/public/x")
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    "send",
    [
        partial(requests.Session.get, auth=("alice", "hunter2")),
        partial(requests.Session.get, auth=anonymous),
        partial(requests.Session.get, headers={"Authorization": BASIC}),
    ],
    ids=["auth", "anonymous", "header"],
)
@pytest.mark.parametrize("on_session", [False, True])
def test_what_a_single_request_is_given_is_meant(
    server: AuthServer,
    session: requests.Session,
    caplog: pytest.LogCaptureFixture,
    send: Callable[..., requests.Response],
    on_session: bool,
) -> None:
    """A login, say; also where the session has a header of its own, which it takes the place of."""
    open_adapter(server, session)
    if on_session:
        session.headers["Authorization"] = "Token hunter2"
    send(session, "/public/x")
    assert warnings(caplog) == []


def test_requests_elsewhere_are_not_told_of(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """The session's login for other hosts is none of our business."""
    open_adapter(server, session)
    session.auth = ("alice", "hunter2")
    with AuthServer() as other:
        session.get(f"{other.url}/public/x")
    assert warnings(caplog) == []


def test_netrc_is_not_told_of(
    server: AuthServer,
    session: requests.Session,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not go before the token."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login alice password hunter2\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    session.trust_env = True
    open_adapter(server, session)
    assert session.get("/api/x").status_code == 200
    assert warnings(caplog) == []


def test_many_threads_are_told_once(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever of them is the first."""
    open_adapter(server, session)
    session.auth = ("alice", "hunter2")
    assert Crowd(THREADS, lambda _: session.get("/public/x")).statuses() == [200] * THREADS
    assert len(warnings(caplog)) == 1


def test_each_adapter_tells_of_its_own(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """So does a copy of one, which may be in another process."""
    adapter = open_adapter(server, session)
    session.auth = ("alice", "hunter2")
    session.get("/public/x")
    for twin in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):
        caplog.clear()
        for prefix in twin.prefixes():
            session.mount(prefix, twin)
        for _ in range(2):
            session.get("/public/x")
        assert len(warnings(caplog)) == 1
