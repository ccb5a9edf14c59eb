"""login by device: a code to type, and polls until there is an outcome (RFC 8628)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.testing import HTML, AuthServer, Counters, Drop, JSONBody, Status
from requests_jwt_refresh.tokens import with_expiry
from tests.support.command_line import (
    OAUTH2_REFRESH,
    WITH_SECRET,
    User,
    end,
    needs_posix,
    start,
    strip_address,
    user,
)
from tests.support.logins import DEVICE, describe_login, find_form, make_basic

if TYPE_CHECKING:
    from tests.support.clock import Clock

__all__ = ["user"]  # fixtures

pytestmark = needs_posix


CODE = re.compile(r"type the code ([A-Z]{4}-[A-Z]{4})")


@pytest.fixture
def person(user: User, server: AuthServer, capsys: pytest.CaptureFixture[str]) -> Person:
    """The person with the browser, for a profile that logs in by device."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    return Person(server, capsys)


class Person:
    """Reads the code from stderr and decides."""

    def __init__(self, server: AuthServer, capsys: pytest.CaptureFixture[str]) -> None:
        self._server, self._capsys = server, capsys
        self.shown = ""

    def read(self) -> str:
        out, err = self._capsys.readouterr()
        assert out == "", "stdout is for what comes of it"
        self.shown += err
        found = CODE.search(self.shown)
        assert found is not None
        return found[1]

    def approve(self) -> None:
        self._server.approve(self.read(), "bob")

    def deny(self) -> None:
        self._server.deny(self.read())


def is_token_path(path: str) -> bool:
    return path == "/auth/token"


def seconds(*pauses: float) -> object:
    """Return what equals these pauses; each look at the clock takes a moment."""
    return pytest.approx(pauses, abs=0.01)


def nothing() -> None:
    """Let a poll come too early."""


def test_by_device(user: User, server: AuthServer, clock: Clock, person: Person) -> None:
    """URL and code on stderr, polls at the interval, tokens once the login is approved."""
    clock.steps = [nothing, nothing, person.approve]
    assert user.run("login", "prod") == describe_login(user, "bob")
    assert clock.sleeps == seconds(5, 5, 5)
    code = person.read()
    assert person.shown == (
        f"To log in, open\n\n    {server.url}/public/device\n\nand type the code {code}\n"
        f"(or open {server.url}/public/device?user_code={code})\n"
        "Waiting for up to 10 min; Ctrl-C gives up.\n"
    )
    form = find_form(server)
    assert form.pop("device_code") not in person.shown
    assert form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "tv",
    }
    assert (server.counters.requests, server.counters.logins) == (4, 1)
    assert user.run("refresh", "prod").status == 0


def test_what_a_device_asks_for(user: User, server: AuthServer, clock: Clock) -> None:
    """RFC 8628 §3.1: the client's id and the scope; a client with a secret proves who it is."""
    (user.home / "secret.txt").write_text("s3cr3t\n", encoding="utf-8")
    user.describe(server, WITH_SECRET, device=f'{DEVICE["device"]}\nscope = "a b"')
    server.device_lifetime = 1
    assert user.run("login", "prod").status == 3
    assert clock.sleeps == seconds(1)
    assert find_form(server, "device") == {"client_id": "tv", "scope": "a b"}
    assert server.requests[0].headers["Authorization"] == make_basic("tv", "s3cr3t")


def test_a_device_and_a_store_that_cannot_be_written(
    user: User, server: AuthServer, clock: Clock, person: Person
) -> None:
    """Exit status 5 before a browser is asked for."""
    (user.home / "token.json.doctor").mkdir()
    result = user.run("login", "prod")
    result.cause_and_remedy()
    assert (result.status, result.out, server.counters, clock.sleeps) == (5, "", Counters(), [])
    assert person.shown == ""


def test_a_device_waits_without_the_lock(
    user: User, server: AuthServer, clock: Clock, person: Person
) -> None:
    """A person may take an hour, and other programs have to refresh meanwhile."""

    def refresh() -> None:
        with user.store.lock(0):
            pass

    clock.steps = [refresh, person.approve]
    assert user.run("login", "prod") == describe_login(user, "bob")
    assert server.counters.logins == 1


def test_a_device_that_is_turned_away(
    user: User, server: AuthServer, clock: Clock, person: Person
) -> None:
    """Exit status 3 at once, and the token of before is kept."""
    before = user.save_token(with_expiry(server.login("old")))
    clock.steps = [nothing, person.deny]
    result = user.run("login", "prod")
    assert result.cause_and_remedy()[0] == "the login was denied in the browser"
    assert (result.status, result.out, user.stored_token, clock.sleeps) == (
        3,
        "",
        before,
        seconds(5, 5),
    )


@pytest.mark.parametrize("says", ["nothing", "expired_token"])
def test_a_device_code_that_has_expired(
    user: User, server: AuthServer, clock: Clock, person: Person, says: str
) -> None:
    """By our clock or the server's word: exit status 3, and polling ends."""
    server.device_lifetime = 12
    clock.steps = [person.read]
    if says == "expired_token":
        fault = JSONBody({"error": "expired_token"}, status=400)
        server.fail(fault, on=is_token_path)
    result = user.run("login", "prod")
    cause, _ = result.cause_and_remedy()
    assert (result.status, cause) == (3, "the code expired before the login was approved")
    assert clock.sleeps == (seconds(5, 5, 2) if says == "nothing" else seconds(5))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Status(500), "the token endpoint answered 500"),
        (Status(408), "the token endpoint answered 408"),
        (Drop(), "the token endpoint could not be reached"),
    ],
    ids=["500", "408", "drop"],
)
def test_a_server_that_is_down_until_the_code_expires(
    user: User, server: AuthServer, clock: Clock, person: Person, fault: Any, expected: str
) -> None:
    """Exit status 4, and why: whether the login was approved is not known."""
    server.device_lifetime = 7
    clock.steps = [person.read]
    server.fail(JSONBody({"error": "authorization_pending"}, status=400), on=is_token_path)
    server.fail(fault, on=is_token_path, times=None)
    result = user.run("login", "prod")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, clock.sleeps) == (4, seconds(5, 2))
    expected = f"the code has expired, and the server could not be asked: {expected}"
    assert strip_address(cause).startswith(expected)
    assert "try again later" in remedy


@pytest.mark.parametrize("says", ["authorization_pending", "slow_down", "expired_token"])
def test_a_server_that_has_been_down(
    user: User, server: AuthServer, clock: Clock, person: Person, says: str
) -> None:
    """It is what it says at last that counts: exit status 3."""
    server.device_lifetime = 7
    clock.steps = [person.read]
    server.fail(Status(500), on=is_token_path)
    server.fail(JSONBody({"error": says}, status=400), on=is_token_path)
    result = user.run("login", "prod")
    cause, _ = result.cause_and_remedy()
    assert (result.status, cause) == (3, "the code expired before the login was approved")


def test_slow_down(user: User, server: AuthServer, clock: Clock, person: Person) -> None:
    """RFC 8628 §3.5: five seconds more from then on, each time that it is said."""
    clock.steps = [nothing, nothing, nothing, nothing, person.approve]
    for _ in range(2):
        server.fail(JSONBody({"error": "slow_down"}, status=400), on=is_token_path)
    assert user.run("login", "prod") == describe_login(user, "bob")
    assert clock.sleeps == seconds(5, 10, 15, 15, 15)


def test_a_real_slow_down(user: User, server: AuthServer, clock: Clock) -> None:
    """A server that really counts the interval never has to say it twice."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    server.device_lifetime = 60
    hurry = JSONBody(
        {"device_code": "x", "user_code": "y", "verification_uri": "http://127.0.0.1/"}
    )
    server.fail(hurry, on="device")  # no interval: five seconds (§3.2)
    result = user.run("login", "prod")
    assert (result.status, clock.sleeps) == (4, seconds(5))
    assert "invalid_grant" in result.err


def test_a_server_in_trouble_while_the_login_is_approved(
    user: User, server: AuthServer, clock: Clock, person: Person
) -> None:
    """Pending, then 500, 503 and no answer at all, then a yes: it is waited for."""
    server.fail(JSONBody({"error": "authorization_pending"}, status=400), on=is_token_path)
    server.fail(Status(500), on=is_token_path)
    server.fail(Status(503), on=is_token_path)
    server.fail(Drop(), on=is_token_path)
    clock.steps = [nothing, nothing, nothing, nothing, person.approve]
    assert user.run("login", "prod") == describe_login(user, "bob")
    assert clock.sleeps == seconds(5, 5, 5, 5, 10)  # an exponential backoff for no answer (§3.5)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Status(404), "the device authorization endpoint answered 404"),
        (Status(500), "the device authorization endpoint answered 500"),
        (Status(408), "the device authorization endpoint answered 408"),
        (
            Status(307, headers={"Location": "/x"}),
            "the device authorization endpoint redirects to /x (307)",
        ),
        (HTML(), "the device authorization endpoint answered 200, but without all of "),
        (
            JSONBody({"error": "eyJhbGciOi-s3cr3t"}, status=400),
            "the device authorization endpoint answered 400",
        ),
        (
            JSONBody({"device_code": "d", "user_code": "u", "verification_uri": "javascript:1"}),
            "the device authorization endpoint gave no usable page to open: ",
        ),
        (None, "the device authorization endpoint could not be reached"),
    ],
    ids=["404", "500", "408", "redirect", "html", "error", "page", "down"],
)
def test_a_device_endpoint_that_gives_no_code(
    user: User, server: AuthServer, fault: Any, expected: str
) -> None:
    """Exit status 4, or 2 if trying again does not help; and what it answered."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    status = 2 if expected.endswith((" 404", " 400", "(307)")) else 4
    if fault is None:
        server.stop()
    else:
        server.fail(fault, on="device")
    result = user.run("login", "prod")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out) == (status, "")
    assert " at http://127.0.0.1:" in cause
    assert strip_address(cause).startswith(expected)
    assert ("check its URL, client_id" in remedy) is (cause.endswith((" 404", " 400")))
    assert "the tokens are kept" not in remedy, "there are none yet"
    assert "s3cr3t" not in result.err


def test_what_helps_where_a_device_endpoint_is_down(user: User, server: AuthServer) -> None:
    """To wait; there is nothing in the profile to check."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    server.fail(Status(500), on="device")
    result = user.run("login", "prod")
    assert "try again later" in result.cause_and_remedy()[1]
    assert "check" not in result.err


@pytest.mark.parametrize(
    "complete",
    ["", "/device?code=y", "javascript:1", "https://me:x@h/", f"https://h/{'y' * 200}", 7, None],
    ids=["empty", "relative", "script", "user", "long", "number", "null"],
)
def test_a_complete_url_that_cannot_be_shown(
    user: User, server: AuthServer, clock: Clock, complete: object
) -> None:
    """It is optional (RFC 8628 §3.2), so it is left out, and never cut."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    codes = {"device_code": "d", "user_code": "y", "verification_uri": "https://h/"}
    content = {**codes, "verification_uri_complete": complete, "expires_in": 1}
    server.fail(JSONBody(content), on="device")
    result = user.run("login", "prod")
    assert (result.status, clock.sleeps) == (3, seconds(1))
    assert "    https://h/\n" in result.err
    assert "(or open " not in result.err


def test_a_hostile_code(user: User, server: AuthServer, clock: Clock) -> None:
    """What is shown of the server's answer cannot steer the terminal."""
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    content = {
        "device_code": "d",
        "user_code": "A\x1b[2J\n\u202eB",
        "verification_uri": "https://h/\x1b[31m",
        "verification_uri_complete": "https://h/\x1b[31m\nrm",
        "expires_in": 1,
    }
    server.fail(JSONBody(content), on="device")
    result = user.run("login", "prod")
    assert (result.status, clock.sleeps) == (3, seconds(1))
    assert all(line.isprintable() for line in result.err.split("\n"))
    assert "and type the code A[2JB\n" in result.err


def test_by_device_in_a_process_of_its_own(user: User, server: AuthServer) -> None:
    """The code is on stderr, unbuffered, while the program waits; approved, it goes on."""
    server.device_interval = 0.05
    user.describe(server, OAUTH2_REFRESH, **DEVICE)
    process = start("login", "prod")
    assert process.stderr is not None
    try:
        lines = iter(process.stderr.readline, "")
        found = next(found for line in lines if (found := CODE.search(line)))
        server.approve(found[1], "bob")
        result = end(process)
    finally:
        process.kill()
    assert (result.status, result.out) == describe_login(user, "bob")[:2]
