"""doctor at servers whose pages to log in answer in ways of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import AuthServer, JSONBody, Status
from tests.support.command_line import User, needs_posix, user
from tests.support.doctor import examine
from tests.test_doctor_browser import changed, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing.faults import Fault

__all__ = ["user"]  # a fixture

pytestmark = needs_posix


UNREGISTERED = "the redirect URI http://127.0.0.1:49152 is not registered for the client client-id"
UNKNOWN = "it does not know the client client-id"
# A page that repeats the request, as those with a choice of languages do.
ECHO = b'<a href="?client_id=client-id&amp;redirect_uri=http%3A%2F%2F127.0.0.1">Deutsch</a>'


@pytest.fixture
def server() -> Iterator[AuthServer]:
    with AuthServer(openid=True) as server:
        yield server


def lead_to(location: str, status: int = 302) -> Status:
    return Status(status, headers={"Location": location})


def page(text: str, status: int = 400) -> Status:
    headers = {"Content-Type": "text/html; charset=utf-8"}
    return Status(status, body=text.encode() + ECHO, headers=headers)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (page("<p>Invalid parameter: redirect_uri"), f": {UNREGISTERED}"),
        (page("<p>Falscher Parameter: redirect_uri"), f": {UNREGISTERED}"),
        (page("<p>We are sorry. Client not found."), UNKNOWN),
        (page("<p>Der Client wurde nicht gefunden."), UNKNOWN),
        (page("<p>要求が正しくありません"), f": perhaps {UNREGISTERED}"),
        (lead_to("/error?error=invalid_request&error_description=bad+redirect_uri"), UNREGISTERED),
        (lead_to("/oauth/error?authError=eyJ0", 303), f": perhaps {UNREGISTERED}"),
        (lead_to("https://elsewhere.example/?error=invalid_client"), UNKNOWN),
        (lead_to("/error.html", 307), f"leads to an error page: perhaps {UNREGISTERED}"),
        (Status(404), "answers 404"),
        (Status(405), "answers 405"),
        (Status(410), "answers 410"),
    ],
)
def test_a_page_that_refuses(user: User, server: AuthServer, answer: Fault, cause: str) -> None:
    """In whatever language, and wherever it is; what it repeats of the request says nothing."""
    describe(user, server)
    server.fail(answer, on="authorize")
    report = examine(user)
    assert changed(report) == {"browser": "FAULT"}, report.text
    assert report.status == 1
    assert cause in report.findings["browser"].cause


@pytest.mark.parametrize(
    "answer",
    [
        page("<title>Log in</title>", 200),
        Status(200, body=b"<!--" + b"x" * 3_000_000 + b"-->"),
        lead_to("/login?return_to=%2Fauthorize"),
        lead_to("/login?error=login_required"),
        lead_to("https://sso.example.com/u/login?state=x"),
        lead_to("//elsewhere.example/login", 307),
    ],
    ids=["page", "large page", "login", "login_required", "other host", "no scheme"],
)
def test_a_page_for_people_is_no_fault(user: User, server: AuthServer, answer: Fault) -> None:
    """A server need not know prompt=none."""
    describe(user, server)
    server.fail(answer, on="authorize")
    report = examine(user)
    assert changed(report) == {}, report.text


@pytest.mark.parametrize("status", [401, 403, 406, 429])
def test_a_page_that_turns_programs_away_is_a_note(
    user: User, server: AuthServer, status: int
) -> None:
    """As what stands before a server does; a browser may be let in."""
    describe(user, server)
    server.fail(page("<p>Are you a robot? redirect_uri", status), on="authorize", times=None)
    report = examine(user)
    assert changed(report) == {"browser": "note"}, report.text
    assert report.status == 0


@pytest.mark.parametrize(
    ("answer", "sign", "cause"),
    [
        (JSONBody({"error": "bad_verification_code"}), "ok", "as a public client"),
        (JSONBody({"error": "incorrect_client_credentials"}), "FAULT", "without a secret"),
        (JSONBody({"error": "invalid_request"}, 400), "note", "answers 400 invalid_request to a"),
        (JSONBody({"error": "\x1b[2J"}, 400), "note", "answers 400 to a code"),
        (Status(405), "note", "answers 405 to a code"),
    ],
    ids=["GitHub", "GitHub's client", "invalid_request", "control", "405"],
)
def test_what_the_token_endpoint_says_of_the_client(
    user: User, server: AuthServer, answer: Fault, sign: str, cause: str
) -> None:
    """In the server's own word, if that is one."""
    describe(user, server)
    server.fail(answer, on="login")
    found = examine(user).findings["client"]
    assert (found.sign, cause in found.cause) == (sign, True), found


def test_nothing_comes_of_it_at_the_server(user: User, server: AuthServer) -> None:
    """Neither a code nor a token, a client, a logout or a refresh; and no secret is shown."""
    token = describe(user, server)
    report = examine(user)
    counters = server.counters
    assert report.status == 0, report.text
    assert (counters.authorizations, counters.logins, counters.registrations) == (0, 0, 0)
    assert (counters.refreshes, counters.logouts, counters.reuse) == (0, 0, 0)
    assert str(token.access) not in report.text
    assert str(token.refresh) not in report.text
