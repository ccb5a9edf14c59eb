"""What callers get back beside the body: history, request, elapsed, hooks, cookies."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh.testing import Delay, Status
from tests.support.callers import other_401, refresh_is_refused, session
from tests.support.users import INVALID_JWT

if TYPE_CHECKING:
    from requests import Response, Session

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["session"]  # a fixture


# --- History, request, elapsed, hooks ------------------------------------------------------------


def test_the_history_holds_the_401(server: AuthServer, session: Session) -> None:
    """The 401 is there to look at, with its body and the request that it was given to."""
    server.expire()
    response = session.get("/api/x")
    (refused,) = response.history
    assert (response.status_code, refused.status_code) == (200, 401)
    assert refused.json() == {"message": "Invalid JWT"}
    assert refused.history == []


def test_a_response_knows_what_was_sent(server: AuthServer, session: Session) -> None:
    """Each response has the request that it answers, with the token of then."""
    server.expire()
    response = session.post("/api/x?y=1", data=b"body")
    first, second = [seen for seen in server.requests if seen.kind == "api"]
    assert response.history[0].request.headers["Authorization"] == f"Bearer {first.bearer}"
    assert response.request.headers["Authorization"] == f"Bearer {second.bearer}"
    assert first.bearer != second.bearer
    assert response.request.url == response.url == f"{server.url}/api/x?y=1"
    assert response.request.body == b"body"


def test_an_answer_at_once_has_no_history(server: AuthServer, session: Session) -> None:
    """Nothing is made up: neither for a 200 nor for a 401 that is handed over at once."""
    assert session.get("/api/x").history == []
    other_401(server)
    assert session.get("/api/x").history == []


def test_elapsed_is_what_the_caller_waited(server: AuthServer, session: Session) -> None:
    """From the first sending to the final answer, the refresh in between included."""
    server.expire()
    server.fail(Delay(0.2))
    assert session.get("/api/x").elapsed > timedelta(seconds=0.19)


@pytest.mark.parametrize("of_the_request", [True, False])
def test_hooks_run_once_on_the_final_response(
    server: AuthServer, session: Session, of_the_request: bool
) -> None:
    """Hooks see the final answer alone, and what was asked for with it."""
    seen: list[tuple[int, Any]] = []

    def hook(response: Response, **options: Any) -> None:
        seen.append((response.status_code, options["timeout"]))

    hooks = {"response": hook}
    if not of_the_request:
        session.hooks["response"].append(hook)
    server.expire()
    session.get("/api/x", timeout=7, hooks=hooks if of_the_request else None)
    assert seen == [(200, 7)]


def test_hooks_run_once_on_a_401_that_stands(server: AuthServer, session: Session) -> None:
    """After a refused refresh, the 401 is the final answer."""
    refresh_is_refused(server)
    seen: list[int] = []
    session.get("/api/x", hooks={"response": lambda r, **_: seen.append(r.status_code)})
    assert seen == [401]


def test_a_hook_may_replace_the_response(server: AuthServer, session: Session) -> None:
    """What a hook returns is what the caller gets."""
    mine = requests.Response()
    mine.status_code, mine.raw = 299, io.BytesIO()
    server.expire()
    assert session.get("/api/x", hooks={"response": lambda *_, **__: mine}) is mine


# --- Cookies -------------------------------------------------------------------------------------


def refuse_with_cookie(server: AuthServer, cookie: str) -> None:
    server.fail(Status(401, body=INVALID_JWT, headers={"Set-Cookie": cookie}), on="api")


def read_sent_cookies(server: AuthServer) -> list[str | None]:
    return [seen.headers.get("Cookie") for seen in server.requests if seen.kind == "api"]


def test_cookies_of_the_401_and_of_the_answer_are_kept(
    server: AuthServer, session: Session
) -> None:
    """The session has both; the resend carries those of the 401."""
    refuse_with_cookie(server, "first=1; Path=/")
    server.fail(Status(200, headers={"Set-Cookie": "second=2; Path=/"}), on="api")
    assert session.get("/api/x").status_code == 200
    assert session.cookies.get_dict() == {"first": "1", "second": "2"}
    assert read_sent_cookies(server) == [None, "first=1"]


def test_a_cookie_of_the_401_replaces_the_older_one(server: AuthServer, session: Session) -> None:
    """The resend carries the new value, beside what the caller gave for this one request."""
    session.get("/api/x", headers={"Cookie": ""})
    session.cookies.set("sticky", "old", domain="127.0.0.1", path="/")
    refuse_with_cookie(server, "sticky=new; Path=/")
    session.get("/api/x", cookies={"mine": "1"})
    *_, first, second = read_sent_cookies(server)
    assert set((first or "").split("; ")) == {"sticky=old", "mine=1"}
    assert set((second or "").split("; ")) == {"sticky=new", "mine=1"}
    assert session.cookies.get_dict() == {"sticky": "new"}


def test_a_cookie_that_the_401_deletes_is_not_sent_again(
    server: AuthServer, session: Session
) -> None:
    """Max-Age=0 deletes (RFC 6265 §5.2.2), for the resend as for the session."""
    session.cookies.set("sticky", "old", domain="127.0.0.1", path="/")
    refuse_with_cookie(server, "sticky=; Path=/; Max-Age=0")
    session.get("/api/x")
    assert read_sent_cookies(server) == ["sticky=old", None]
    assert session.cookies.get_dict() == {}


def test_a_cookie_for_another_path_is_kept_but_not_sent(
    server: AuthServer, session: Session
) -> None:
    """The rules for cookies hold for the resend, too."""
    refuse_with_cookie(server, "elsewhere=1; Path=/elsewhere")
    session.get("/api/x")
    assert read_sent_cookies(server) == [None, None]
    assert session.cookies.get_dict() == {"elsewhere": "1"}


def test_a_cookie_header_set_by_hand_stays(server: AuthServer, session: Session) -> None:
    """As in plain requests, it goes before the session's cookies, at the resend as well."""
    session.cookies.set("sticky", "old", domain="127.0.0.1", path="/")
    refuse_with_cookie(server, "first=1; Path=/")
    session.get("/api/x", headers={"Cookie": "mine=1"})
    assert read_sent_cookies(server) == ["mine=1", "mine=1"]


def test_cookies_of_a_401_that_stands_are_kept(server: AuthServer, session: Session) -> None:
    """Neither the matcher's look nor the drained body loses them."""
    server.revoke()
    refuse_with_cookie(server, "first=1; Path=/")
    assert session.get("/api/x").cookies.get_dict() == {"first": "1"}
    assert session.cookies.get_dict() == {"first": "1"}
    server.fail(Status(401, body=b"{}", headers={"Set-Cookie": "other=2; Path=/"}), on="api")
    session.get("/api/x")
    assert session.cookies.get_dict() == {"first": "1", "other": "2"}
