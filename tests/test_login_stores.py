"""login where the token that it brings cannot be stored: it is not lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.testing import AuthServer
from tests.support.browser_program import use_browser, use_browser_program
from tests.support.command_line import JSON_REFRESH, SCRIPT, Terminal, User, needs_posix, user
from tests.support.logins import DEVICE, LOGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.tokens import Token
    from tests.support.clock import Clock

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

CLIENT = 'kind = "oauth2"\nurl = "/auth/token"\nclient_id = "client-id"'
BROWSER = 'authorization_url = "/auth/authorize"\ntimeout = 20\nscope = "openid offline_access"'
LOST = "the login went well, but its token could not be stored: "
QUESTION = "Press Enter to try again, or type a path to keep it in a file: "


@pytest.fixture
def server() -> Iterator[AuthServer]:
    with AuthServer(openid=True) as server:
        yield server


@pytest.fixture
def terminal(user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A login in a browser on a terminal, which has gone well; the store takes no token."""
    user.describe(server, CLIENT, browser=BROWSER)
    user.token_file.mkdir()  # the entry beside it, which is tried out first, can be written
    use_browser_program(monkeypatch)
    with Terminal(SCRIPT, "login", "prod") as terminal:
        terminal.expect(QUESTION)
        yield terminal


def test_a_person_sees_to_it_and_tries_again(
    user: User, server: AuthServer, terminal: Terminal
) -> None:
    """As often as it takes; nobody logs in a second time."""
    assert LOST in terminal.shown
    terminal.type("")
    terminal.expect(QUESTION)
    user.token_file.rmdir()
    terminal.type("")
    assert terminal.end() == 0, terminal.shown
    assert f"The token is kept in the file {user.token_file}." in terminal.shown
    assert server.family_alive(user.stored_token)
    assert server.counters.logins == 1


def test_a_person_names_another_file(user: User, server: AuthServer, terminal: Terminal) -> None:
    """The profile says so from now on."""
    other = user.home / "other.json"
    terminal.type(str(other))
    assert terminal.end() == 0, terminal.shown
    assert f"The token is kept in the file {other}." in terminal.shown
    token = FileStore(other).load()
    assert token is not None
    assert user.run("token", "prod").out == f"{token.access}\n"
    assert server.counters.logins == 1


def test_a_person_gives_up(user: User, terminal: Terminal) -> None:
    """Exit status 5, which names the loss and what to do."""
    terminal.press(b"\x04")
    assert terminal.end() == 5, terminal.shown
    assert "it is lost" in terminal.shown
    assert "then log in again" in terminal.shown
    assert list(user.token_file.iterdir()) == []


def test_without_a_terminal_the_loss_is_told(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the page in the browser, too, which does not say that all is well."""
    user.describe(server, CLIENT, browser=BROWSER)
    user.token_file.mkdir()
    person = use_browser(monkeypatch)
    done = user.run("login", "prod")
    person.leave()
    assert done.status == 5
    assert LOST in done.err
    assert "; it is lost" in done.err
    assert "You are not logged in" in person.pages[0]
    assert server.counters.logins == 1


@pytest.mark.parametrize("way", ["--device", "--username"])
def test_other_logins_tell_it_as_well(
    user: User, server: AuthServer, clock: Clock, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A device, and a password."""
    is_device = way == "--device"
    user.describe(server, CLIENT if is_device else JSON_REFRESH, **(DEVICE if is_device else LOGIN))
    save = FileStore.save

    def refuse(store: FileStore, token: Token) -> None:
        if store == user.store:
            raise StoreError("the disk is full", "free some space")
        save(store, token)

    monkeypatch.setattr(FileStore, "save", refuse)
    monkeypatch.setattr(
        "requests_jwt_refresh.cli.login._show_device_code",
        lambda code: server.approve(code.user_code, "bob"),
    )
    done = user.run("login", "prod", *((way,) if is_device else (way, "alice")), typed="x\n")
    assert done.status == 5
    cause, remedy = done.err.splitlines()[-2:]
    assert cause.endswith(f"{LOST}the disk is full; it is lost")
    assert "free some space; then log in again" in remedy
    assert (clock.slept > 0) == is_device
