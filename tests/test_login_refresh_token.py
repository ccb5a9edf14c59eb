"""login --refresh-token: tried at once, and never in place of a good one."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from requests_jwt_refresh.errors import LockTimeout, StoreError
from requests_jwt_refresh.refresh.single_flight import Call, SingleFlight
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.testing import HTML, AuthServer, Counters, Hang, Redirect, Status
from requests_jwt_refresh.tokens import Token, with_expiry
from tests.support import waits
from tests.support.command_line import WAIT, User, end, needs_posix, shorten_timeout, start, user
from tests.support.logins import LOGIN, describe_login

__all__ = ["user"]  # fixtures

pytestmark = needs_posix


def test_by_refresh_token(user: User, server: AuthServer) -> None:
    """From standard input; exchanged at once, so that it is known to be good."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    result = user.run("login", "prod", "--refresh-token", "-", typed=f"{given}\n")
    assert result == describe_login(user, "bob")
    assert (user.stored_token.refresh != given, user.stored_token.access is not None) == (
        True,
        True,
    )
    assert server.counters == Counters(connections=1, requests=1, refreshes=1, rotated=1)


def test_a_refused_refresh_token(user: User, server: AuthServer) -> None:
    """Exit status 3; the login of before is there again, and good."""
    user.describe(server)
    before = user.save_token(with_expiry(server.login("old")))
    result = user.run("login", "prod", "--refresh-token", "-", typed="stolen-or-stale\n")
    cause, _ = result.cause_and_remedy()
    assert (result.status, result.out, user.stored_token) == (3, "", before)
    assert user.stored_token.received_at == before.received_at
    assert cause.startswith("the refresh endpoint")
    assert cause.endswith("refused the refresh token (400 invalid_grant)")
    assert "stolen" not in result.err
    assert user.run("refresh", "prod").status == 0


def test_a_wrong_url_is_thought_of(user: User, server: AuthServer) -> None:
    """A refusal without a code of its own: what was sent, and the command, and what to check."""
    user.describe(server, 'kind = "json"\nurl = "/auth/nowhere"')
    cause, remedy = user.run(
        "login", "prod", "--refresh-token", "-", typed="abc\n"
    ).cause_and_remedy()
    assert cause.endswith("(401); the request had the JSON field 'refresh_token'")
    assert remedy == (
        "give another refresh token: this one may be used up, or of another server; if that does "
        "not help, check the endpoint's URL and the names of its fields"
    )


def test_a_first_refresh_token_that_is_refused(user: User, server: AuthServer) -> None:
    """Exit status 3, and nothing is kept."""
    user.describe(server)
    assert user.run("login", "prod", "--refresh-token", "-", typed="stale\n").status == 3
    assert not user.token_file.exists()


def test_a_refresh_token_that_cannot_be_tried(user: User, server: AuthServer) -> None:
    """The server is down: exit status 4; the token is stored, and good when it is up again."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    server.stop()
    result = user.run("login", "prod", "--refresh-token", "-", typed=given)
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out, user.stored_token) == (4, "", Token(None, given))
    assert cause.startswith("the token is stored, but could not be tried out: the refresh ")
    assert "try again later" in remedy
    server.start()
    assert user.run("token", "prod").status == 0


def test_a_refresh_token_while_the_store_is_locked(user: User, server: AuthServer) -> None:
    """It is not sent, as what comes of it could not be kept: exit status 4, and good later on."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    shorten_timeout(user)
    with user.store.lock(5):
        result = user.run("login", "prod", "--refresh-token", "-", typed=given)
    assert (result.status, result.out, server.counters) == (4, "", Counters())
    assert result.cause_and_remedy()[1].startswith("nothing was stored; try again later")
    user.describe(server)
    assert user.run("login", "prod", "--refresh-token", "-", typed=given) == describe_login(
        user, "bob"
    )


@pytest.mark.parametrize("kind", ["login", "refresh"])
def test_the_store_is_locked_from_before_the_server_is_asked(
    user: User, server: AuthServer, kind: Any
) -> None:
    """Nothing can come in between the server's answer and the save."""
    user.describe(server, **LOGIN)
    given = str(server.login("bob").refresh)
    flags = ("--refresh-token", "-") if kind == "refresh" else ("--username", "bob")
    refused: list[LockTimeout] = []
    with server.gate(on=kind) as gate:

        def come_in_between() -> None:
            gate.wait_for(1, WAIT)
            try:
                with user.store.lock(0):
                    pass
            except LockTimeout as error:
                refused.append(error)
            gate.open()

        (other,) = waits.start(come_in_between)
        assert user.run("login", "prod", *flags, typed=f"{given}\n") == describe_login(user, "bob")
        waits.join(other)
    assert len(refused) == 1


ODD_ANSWERS = [Status(404), Status(422), Status(500), HTML(), Redirect("/x")]


@pytest.mark.parametrize("fault", ODD_ANSWERS, ids=["404", "422", "500", "html", "redirect"])
def test_an_odd_answer_to_a_refresh_token(
    user: User, server: AuthServer, fault: Status | HTML | Redirect
) -> None:
    """It is kept where there is none, and never takes the place of another one."""
    user.describe(server)
    server.fail(fault, times=None)
    status = 4 if fault in (Status(500), HTML()) else 2
    result = user.run("login", "prod", "--refresh-token", "-", typed="given")
    assert (result.status, user.stored_token) == (status, Token(None, "given"))
    assert "the token is stored, but could not be tried" in result.cause_and_remedy()[0]
    before = user.save_token(with_expiry(server.login("bob")))
    result = user.run("login", "prod", "--refresh-token", "-", typed="mistyped")
    assert (result.status, user.stored_token) == (status, before)
    assert result.cause_and_remedy()[1].startswith(
        "nothing was stored: there is a token from before"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_before_a_refresh_token_has_been_tried(
    user: User, server: AuthServer, number: signal.Signals
) -> None:
    """After an interrupt the earlier token is still there, whatever the server does."""
    user.describe(server)
    user.file.write_text(
        user.file.read_text().replace("refresh_timeout = 10", "refresh_timeout = 2")
    )
    before = user.save_token(with_expiry(server.login("bob")))
    server.fail(Hang())
    process = start("login", "prod", "--refresh-token", "-")
    assert process.stdin is not None
    process.stdin.write("mistyped\n")
    process.stdin.flush()
    waits.wait_until(lambda: server.counters.faults, "a request that meets the fault")
    waits.interrupt(process, number)
    end(process)
    assert user.stored_token == before


def test_an_exchange_that_takes_longer_than_the_adapter_waits(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command waits for it all the same, and says what has become of it."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    with server.gate(on="refresh") as gate:

        def lose_patience(
            flight: SingleFlight[Any], work: Any, _seconds: float, **_options: Any
        ) -> Call[Any]:
            try:
                return join(flight, work, 0.01)
            finally:
                gate.wait_for(1, WAIT)
                gate.open()

        join = SingleFlight.join
        monkeypatch.setattr(SingleFlight, "join", lose_patience)
        result = user.run("login", "prod", "--refresh-token", "-", typed=given)
    assert (result.status, result.err, server.counters.rotated) == (0, "", 1)
    assert user.stored_token.access is not None


def test_ctrl_c_while_a_refresh_token_is_exchanged(user: User, server: AuthServer) -> None:
    """It has been rotated by then, so what came of it is kept."""
    user.describe(server)
    given = str(server.login("bob").refresh)
    with server.gate(on="refresh") as gate:
        process = start("login", "prod", "--refresh-token", "-")
        assert process.stdin is not None
        process.stdin.write(f"{given}\n")
        process.stdin.flush()
        gate.wait_for(1, WAIT)
        waits.interrupt(process)
        gate.open()
        result = end(process)
    assert result.status in (0, 130)  # 0 if it was the faster one, or SIGINT is ignored here
    assert (result.err, user.stored_token.access is not None) == ("", True)
    assert user.run("refresh", "prod").status == 0


def save_on_a_full_disk(_store: FileStore, token: Token) -> None:
    if token.access != "requests-jwt-login":
        raise StoreError("the disk is full", "nothing was changed; make room")


def test_a_token_of_no_rotation_that_cannot_be_saved(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same refresh token serves again, so no other has to be found."""
    with AuthServer(rotate=False) as server:
        user.describe(server)
        given = str(server.login("bob").refresh)
        monkeypatch.setattr(FileStore, "save", save_on_a_full_disk)
        result = user.run("login", "prod", "--refresh-token", "-", typed=given)
    assert result.status == 5
    assert result.cause_and_remedy() == (
        "the server took the refresh token, and the new token could not be saved: the disk is full",
        "mend the store and try again",
    )


def test_a_new_token_that_cannot_be_saved(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk has become full just now: exit status 5, and no word of "unchanged"."""
    user.describe(server)
    given = str(server.login("bob").refresh)

    monkeypatch.setattr(FileStore, "save", save_on_a_full_disk)
    result = user.run("login", "prod", "--refresh-token", "-", typed=given)
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out, server.counters.rotated) == (5, "", 1)
    assert cause.endswith(
        "gave another refresh token, and the new token could not be saved: the disk is full"
    )
    assert "another refresh token" in remedy
    assert "othing was changed" not in result.err


@pytest.mark.parametrize("typed", ["", "\n"])
def test_no_refresh_token(user: User, server: AuthServer, typed: str) -> None:
    """Standard input is empty: exit status 2, and the login of before stays."""
    user.describe(server)
    before = user.save_token(with_expiry(server.login("old")))
    result = user.run("login", "prod", "--refresh-token", "-", typed=typed)
    result.cause_and_remedy()
    assert (result.status, user.stored_token, server.counters) == (2, before, Counters())


@pytest.mark.parametrize("typed", ["two words\tand a tab", "Bearer x", " mine ", "ünïcode"])
def test_what_cannot_be_a_refresh_token(user: User, server: AuthServer, typed: str) -> None:
    """It is not sent, not stored and not repeated; the login of before stays."""
    user.describe(server)
    before = user.save_token(with_expiry(server.login("old")))
    result = user.run("login", "prod", "--refresh-token", "-", typed=f"{typed}\n")
    cause, _ = result.cause_and_remedy()
    assert result.status in (1, 2)
    assert (result.out, user.stored_token, server.counters) == ("", before, Counters())
    assert cause.startswith("the refresh token ")
    assert typed.strip() not in result.err


def test_what_helps_against_what_cannot_be_a_refresh_token(user: User, server: AuthServer) -> None:
    """The remedy is to type something else."""
    user.describe(server)
    result = user.run("login", "prod", "--refresh-token", "-", typed="a\tb\n")
    assert result.status == 2
    assert "doctor" not in result.err


def test_the_store_is_full_of_something_else(user: User, server: AuthServer) -> None:
    """The login of before cannot be read, so it could not be put back: exit status 5."""
    user.describe(server)
    user.token_file.write_text("garbage", encoding="utf-8")
    user.token_file.chmod(0o600)
    given = str(server.login().refresh)
    result = user.run("login", "prod", "--refresh-token", "-", typed=given)
    result.cause_and_remedy()
    assert (result.status, server.counters) == (5, Counters())
