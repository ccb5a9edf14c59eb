"""A 401 that was recovered from stays in the history, with redirects before and after it."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import MemoryStore, mount
from requests_jwt_refresh.history import keep_history
from requests_jwt_refresh.testing import Redirect, Status
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT, STILL_EXPIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import Response, Session

    from requests_jwt_refresh.testing import AuthServer


class OwnSession(requests.Session):
    """A subclass with a `send` of its own, as many programs have one."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> Response:
        return super().send(request, **options)


def make_own() -> Session:
    own = OwnSession()
    own.trust_env = False
    return own


def unpickle(session: Session) -> Session:
    again: Session = pickle.loads(pickle.dumps(session))
    return again


@pytest.fixture(params=[plain_session, make_own, unpickle, copy.copy])
def session(request: pytest.FixtureRequest, server: AuthServer) -> Iterator[Session]:
    """A session that is logged in, of each kind that a program may have."""
    make = request.param if request.param in (plain_session, make_own) else plain_session
    with make() as session:
        mount(session, server.url, ENDPOINT, MemoryStore(server.login()))
        yield session if make is request.param else request.param(session)


def statuses(response: Response) -> list[int]:
    return [each.status_code for each in (*response.history, response)]


def at(path: str) -> Callable[[str], bool]:
    return lambda seen: seen == path


def test_expired_before_a_redirect(server: AuthServer, session: Session) -> None:
    """401, 302, 200: the 401 comes first, in the 302's own history as well."""
    server.fail(STILL_EXPIRED, on=at("/api/x"))
    server.fail(Redirect("/api/y", 302), on=at("/api/x"))
    response = session.get("/api/x")
    assert statuses(response) == [401, 302, 200]
    assert statuses(response.history[1]) == [401, 302]
    assert type(response) is requests.Response


def test_expired_under_a_redirect(server: AuthServer, session: Session) -> None:
    """302, 401, 200: the 401 stands where it came."""
    server.fail(Redirect("/api/y", 302), on=at("/api/x"))
    server.fail(STILL_EXPIRED, on=at("/api/y"))
    assert statuses(session.get("/api/x")) == [302, 401, 200]


def test_expired_before_and_under_redirects(server: AuthServer, session: Session) -> None:
    """Each 401 stands where it came, however many there are."""
    for path, next_path in (("/api/a", "/api/b"), ("/api/b", "/api/c")):
        server.fail(STILL_EXPIRED, on=at(path))
        server.fail(Redirect(next_path, 302), on=at(path))
    server.fail(STILL_EXPIRED, on=at("/api/c"))
    response = session.get("/api/a")
    assert statuses(response) == [401, 302, 401, 302, 401, 200]
    for index, each in enumerate(response.history):
        if each.status_code == 302:
            assert each.history == response.history[:index]


def test_a_redirect_that_is_not_followed(server: AuthServer, session: Session) -> None:
    """401, 302: the 302 is the caller's, with the 401 before it and the next request behind."""
    server.fail(STILL_EXPIRED, on=at("/api/x"))
    server.fail(Redirect("/api/y", 302), on=at("/api/x"))
    response = session.get("/api/x", allow_redirects=False)
    assert statuses(response) == [401, 302]
    assert response.next is not None
    assert response.next.url == f"{server.url}/api/y"


def test_a_stream_has_it_as_well(server: AuthServer, session: Session) -> None:
    """Nothing of the body is read for it."""
    server.fail(STILL_EXPIRED, on=at("/api/x"))
    server.fail(Redirect("/api/y", 302), on=at("/api/x"))
    with session.get("/api/x", stream=True) as response:
        assert statuses(response) == [401, 302, 200]
        assert response.raw.read()


def test_the_cookies_of_all_of_them_are_kept(server: AuthServer, session: Session) -> None:
    """Those of the 401, of the redirect and of the last response."""
    headers = {"Set-Cookie": "from-401=1; Path=/"}
    server.fail(Status(401, body=STILL_EXPIRED.body, headers=headers), on=at("/api/x"))
    server.fail(Redirect("/api/y", 302), on=at("/api/x"))
    last = Status(200, headers={"Set-Cookie": "from-200=1; Path=/"})
    server.fail(last, on=at("/api/y"))
    session.get("/api/x")
    assert dict(session.cookies) == {"from-401": "1", "from-200": "1"}


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))]
)
def test_a_response_can_be_copied(
    server: AuthServer, session: Session, again: Callable[[Response], Response]
) -> None:
    """Pickled or copied, it has its history still, and is a plain Response."""
    server.fail(STILL_EXPIRED, on=at("/api/x"))
    server.fail(Redirect("/api/y", 302), on=at("/api/x"))
    response = again(session.get("/api/x"))
    assert statuses(response) == [401, 302, 200]
    assert type(response) is requests.Response


def test_without_a_401_history_is_as_ever(server: AuthServer, session: Session) -> None:
    """The redirects alone, each with those before it."""
    server.fail(Redirect("/api/y", 302), on=at("/api/x"))
    server.fail(Redirect("/api/z", 302), on=at("/api/y"))
    response = session.get("/api/x")
    assert statuses(response) == [302, 302, 200]
    assert [len(each.history) for each in response.history] == [0, 1]
    assert session.get("/api/x").history == []


def test_send_is_wrapped_once(server: AuthServer, session: Session) -> None:
    """However many adapters there are; its name and signature stay."""
    before = requests.Session.send
    mount(session, server.url, ENDPOINT, MemoryStore(server.login()))
    keep_history()
    assert requests.Session.send is before
    assert before.__qualname__ == "Session.send"
