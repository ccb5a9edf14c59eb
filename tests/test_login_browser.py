"""login in a browser: which way is chosen, what is asked for, and what a person sees."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh.grants import desktop
from requests_jwt_refresh.testing import AuthServer, Counters
from tests.support.browser_program import (
    find_redirect,
    use_browser,
    use_browser_program,
)
from tests.support.command_line import (
    JSON_REFRESH,
    SCRIPT,
    CommandResult,
    Terminal,
    User,
    find_closed_port,
    needs_posix,
    user,
)
from tests.support.keyrings import DictKeyring, use_keyring, use_working_keyring
from tests.support.logins import DEVICE, LOGIN
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.browser_program import PersonAtBrowser
    from tests.support.clock import Clock

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

CLIENT = 'kind = "oauth2"\nurl = "/auth/token"\nclient_id = "client-id"'
SCOPE = "openid offline_access"
PAGE = re.compile(r"open this page in a browser:\s+(\S+)\s")


@pytest.fixture
def server() -> Iterator[AuthServer]:
    with AuthServer(openid=True) as server:
        yield server


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[PersonAtBrowser]:
    person = use_browser(monkeypatch)
    yield person
    person.leave()


def describe(user: User, server: AuthServer, more: str = "", **tables: str) -> None:
    """Write a profile that logs in with a browser."""
    issuer = f'issuer = "{server.url}"\nauthorization_url = "/auth/authorize"\nsends_iss = true'
    user.describe(
        server, CLIENT, browser=f'{issuer}\ntimeout = 20\nscope = "{SCOPE}"\n{more}', **tables
    )


def describe_done(user: User) -> str:
    return f"Logged in to prod as alice.\nThe token is kept in the file {user.token_file}.\n"


def test_a_browser_is_opened_and_the_token_is_stored(
    user: User, server: AuthServer, person: PersonAtBrowser
) -> None:
    """Nothing is discovered: the profile says it all. Consent goes with offline_access."""
    describe(user, server)
    done = user.run("login", "prod")
    assert (done.status, done.out) == (0, describe_done(user)), done.err
    assert done.err == (
        "The page to log in was opened in a browser. Waiting for up to 20 s.\n"
        f"If it does not show up, open this page yourself:\n\n    {person.urls[0]}\n\n"
    )
    asked = person.read_query()
    assert (asked["scope"], asked["prompt"], asked["client_id"]) == (SCOPE, "consent", "client-id")
    assert user.stored_token.refresh is not None
    assert (server.counters.discoveries, server.counters.logins) == (0, 1)
    person.leave()
    assert "You are logged in" in person.pages[0]


def test_a_login_that_is_denied(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 3, and the token of before is kept."""
    describe(user, server)
    before = user.save_token(server.login("old"))
    person = use_browser(monkeypatch, consent=False)
    done = user.run("login", "prod")
    person.leave()
    assert (done.status, done.out, user.stored_token) == (3, "", before)
    assert "the login was denied in the browser" in done.err


def test_a_store_that_cannot_be_written_opens_no_browser(
    user: User, server: AuthServer, person: PersonAtBrowser
) -> None:
    """Exit status 5 before a person does anything."""
    describe(user, server)
    (user.home / "token.json.doctor").mkdir()
    assert user.run("login", "prod").status == 5
    assert (person.urls, server.counters) == ([], Counters())


def test_the_redirect_uri_of_an_option_goes_before_the_profiles(
    user: User, server: AuthServer, person: PersonAtBrowser
) -> None:
    """Exactly as it is given; a port that it names is the one that listens."""
    describe(user, server, 'redirect_uri = "http://127.0.0.1:1/never"')
    uri = f"http://localhost:{find_closed_port()}/cb"
    done = user.run("login", "prod", "--redirect-uri", uri)
    assert done.status == 0, done.err
    assert person.read_query()["redirect_uri"] == uri


def test_a_bad_redirect_uri_is_an_error(user: User, server: AuthServer) -> None:
    """Before anything is asked."""
    describe(user, server)
    done = user.run("login", "prod", "--browser", "--redirect-uri", "cb")
    assert done.status != 0
    assert "the redirect_uri 'cb' has no scheme" in done.cause_and_remedy()[0]
    assert server.counters == Counters()


def test_a_client_with_a_secret_logs_in_with_it(
    user: User, server: AuthServer, person: PersonAtBrowser
) -> None:
    """The client that refreshes is the one that trades the code."""
    server.client_secret = "s3cr3t"
    describe(user, server)
    text = user.file.read_text().replace(CLIENT, f'{CLIENT}\nclient_secret_file = "secret"')
    text = text.replace("client_secret_file", 'client_auth = "basic"\nclient_secret_file')
    user.file.write_text(text)
    (user.home / "secret").write_text("s3cr3t")
    done = user.run("login", "prod")
    assert done.status == 0, done.err
    assert len(person.urls) == 1


# --- Which way -----------------------------------------------------------------------------------


def test_without_a_browser_a_device_logs_in(user: User, server: AuthServer, clock: Clock) -> None:
    """By itself, and it is said why: here stdin is no terminal."""
    describe(user, server, **DEVICE)
    server.device_lifetime = 1
    done = user.run("login", "prod")
    assert done.status == 3
    assert clock.slept == pytest.approx(1, abs=0.01)
    shown = done.err.splitlines()
    assert shown[0].startswith("No browser is opened: stdin is no terminal")
    assert shown[1] == "To log in, open"
    assert server.counters.authorizations == 0


def test_where_nobody_is_there_nothing_is_waited_for(user: User, server: AuthServer) -> None:
    """Without a terminal and without a device flow: exit status 2, and what else can be done."""
    describe(user, server)
    cause, remedy = user.run("login", "prod").cause_and_remedy()
    assert cause.startswith("no page to log in is shown: stdin is no terminal")
    assert "--no-browser" in remedy
    assert "REQUESTS_JWT_TOKEN_PROD" in remedy
    assert server.counters == Counters()


def test_ci_has_nobody(user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its stdin looks like; with a device flow, too, if a redirect URI is given."""
    describe(user, server, **DEVICE)
    monkeypatch.setattr(desktop, "is_terminal", lambda: True)
    monkeypatch.setenv("CI", "true")
    done = user.run("login", "prod", "--redirect-uri", "http://127.0.0.1:8400")
    assert (done.status, server.counters) == (2, Counters())
    assert "CI is set" in done.cause_and_remedy()[0]


def test_an_option_waits_for_whoever_reads_it(user: User, server: AuthServer) -> None:
    """--no-browser shows the page, and takes its time, also where stdin is no terminal."""
    describe(user, server)
    user.file.write_text(user.file.read_text().replace("timeout = 20", "timeout = 0.05"))
    done = user.run("login", "prod", "--no-browser")
    assert done.status == 4
    assert "To log in, open this page in a browser:" in done.err
    assert "did not end within 0.05 s" in done.err


@pytest.mark.parametrize("option", ["--device", "--browser"])
def test_an_option_chooses_the_way(
    user: User, server: AuthServer, person: PersonAtBrowser, clock: Clock, option: str
) -> None:
    """Whatever this machine looks like."""
    describe(user, server, **DEVICE)
    server.device_lifetime = 1
    done = user.run("login", "prod", option)
    uses_browser = option == "--browser"
    assert (done.status, len(person.urls)) == ((0, 1) if uses_browser else (3, 0))
    assert clock.slept == (0 if uses_browser else pytest.approx(1, abs=0.01))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--browser", "--username", "a"), "--browser and --username are two ways"),
        (("--device", "--refresh-token", "-"), "--device and --refresh-token are two ways"),
        (("--username", "a", "--redirect-uri", "http://h"), "--redirect-uri is for a login in a"),
        (("--refresh-token", "-", "--redirect-uri", "http://h"), "--redirect-uri is for a login"),
        (("--device",), "profile 'prod' has no [prod.device], which --device needs"),
        (("--device", "--browser"), "not allowed with"),
    ],
)
def test_options_that_do_not_go_together(
    user: User, server: AuthServer, arguments: tuple[str, ...], named: str
) -> None:
    """Exit status 2, and nothing is asked."""
    describe(user, server, **LOGIN)
    done = user.run("login", "prod", *arguments, typed="x\n")
    assert (done.status, server.counters) == (2, Counters())
    assert named in done.cause_and_remedy()[0]


@pytest.mark.parametrize("option", ["--browser", "--no-browser"])
def test_a_profile_without_a_browser_cannot_use_one(
    user: User, server: AuthServer, option: str
) -> None:
    """Which table is missing is said."""
    user.describe(server, JSON_REFRESH, **LOGIN)
    cause, remedy = user.run("login", "prod", option).cause_and_remedy()
    assert cause == f"profile 'prod' has no [prod.browser], which {option} needs"
    assert "[prod.browser] with authorization_url" in remedy


# --- On a terminal -------------------------------------------------------------------------------


def test_over_ssh_the_redirected_url_is_pasted(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no display and no device flow: the page is shown, its outcome is typed in."""
    describe(user, server)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    with Terminal(SCRIPT, "login", "prod") as terminal:
        terminal.expect("No browser is opened: there is no display.")
        terminal.expect("Paste the address of the last page here, all of it, and press Enter:")
        (url,) = PAGE.findall(terminal.shown)
        terminal.type(find_redirect(url))
        assert terminal.end() == 0, terminal.shown
    assert "Logged in to prod as alice." in terminal.shown
    assert user.stored_token.refresh is not None


def test_what_is_shown_fits_on_a_terminal(user: User, server: AuthServer) -> None:
    """80 columns, but for the page's address; what follows a question begins on a new line."""
    describe(user, server)
    with Terminal(SCRIPT, "login", "prod", "--no-browser") as terminal:
        terminal.expect("press Enter:")
        (url,) = PAGE.findall(terminal.shown)
        terminal.type("what?")
        terminal.expect("press Enter:")
        assert requests.get(find_redirect(url), timeout=WAIT).ok  # by a browser of this machine
        assert terminal.end() == 0, terminal.shown
    lines = terminal.shown.split("\r\n")
    own = (url, str(user.token_file))  # lines of any length
    assert [line for line in lines if len(line) > 80 and not any(map(line.count, own))] == []
    assert "Logged in to prod as alice." in lines


PASTE = """\
import sys, termios
from requests_jwt_refresh.grants.loopback import LoopbackReceiver
from requests_jwt_refresh.grants.pasting import Terminal, receive_pasted
from requests_jwt_refresh.grants.redirects import RedirectURI

redirect, terminal = RedirectURI.parse(sys.argv[1]), Terminal.find()
before = termios.tcgetattr(0)
try:
    if redirect.is_loopback:
        with LoopbackReceiver(redirect, "s") as receiver:
            found = receiver.receive(60, terminal)
    else:
        found = receive_pasted(redirect, "s", 60)
    print("took", len(found.find("code")))
finally:
    print("as before" if termios.tcgetattr(0) == before else "changed")
"""
PASTES = ("https://app.example.com/cb", "http://127.0.0.1:{port}/cb")


@pytest.mark.parametrize("uri", PASTES, ids=["pasted alone", "pasted, or at the port"])
def test_a_long_url_is_pasted_whole(uri: str) -> None:
    """Codes can be long; a terminal that has a line edited cuts it at 4096 bytes, or at 1024."""
    uri = uri.format(port=find_closed_port())
    with Terminal(sys.executable, "-c", PASTE, uri) as terminal:
        terminal.expect("press Enter:")
        terminal.press(b"typing errors\x15xx\x7f\x08")  # Ctrl-U and two ways to erase
        terminal.type(f"{uri}?state=s&code={'c' * 9000}")
        assert terminal.end() == 0, terminal.shown
    assert "took 9000\r\nas before" in terminal.shown


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_terminal_is_left_as_it_was(key: bytes) -> None:
    """Also if nothing is pasted."""
    with Terminal(sys.executable, "-c", PASTE, PASTES[0]) as terminal:
        terminal.expect("press Enter:")
        terminal.press(key)
        assert terminal.end() != 0
    assert "as before" in terminal.shown


def test_ctrl_c_ends_the_wait(user: User, server: AuthServer) -> None:
    """Exit status 130, without a traceback; nothing is stored."""
    describe(user, server)
    with Terminal(SCRIPT, "login", "prod", "--no-browser") as terminal:
        terminal.expect("Paste the address of the last page here, all of it, and press Enter:")
        terminal.press(b"\x03")
        assert terminal.end() == 130, terminal.shown
    assert terminal.shown.endswith("^C\r\n")  # the shell's prompt is on a line of its own
    assert "Traceback" not in terminal.shown
    assert user.store.load() is None


def test_from_an_api_to_a_call_in_one_go(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """init finds the server, registers a client and logs in at once, in a browser."""
    use_keyring(monkeypatch, DictKeyring())
    use_working_keyring(monkeypatch)
    use_browser_program(monkeypatch)
    where = ("--store", "file", "--path", str(user.token_file))
    with Terminal(SCRIPT, "init", "prod", "--from", f"{server.url}/v1", *where) as terminal:
        terminal.answer("Is this the right server? [Y/n] ", "")
        terminal.answer("Register a client there? [Y/n] ", "")
        terminal.answer("Log in now? [Y/n] ", "")
        assert terminal.end() == 0, terminal.shown
    assert "Logged in to prod as alice." in terminal.shown
    assert user.run("token", "prod") == CommandResult(0, f"{user.stored_token.access}\n", "")
    assert user.stored_token.refresh is not None
    assert (server.counters.registrations, server.counters.logins) == (1, 1)


def test_the_display_is_asked_for_only_where_the_profile_has_a_browser(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login by password is the same everywhere."""
    monkeypatch.setattr(desktop, "find_browser_problem", lambda: pytest.fail("asked"))
    user.describe(server, JSON_REFRESH, **LOGIN)
    assert user.run("login", "prod", "--username", "alice", typed="x\n").status == 0


# --- logout --------------------------------------------------------------------------------------

LOGOUT = {"logout": 'url = "/auth/revoke"\nsend = "oauth2"\nend_session_url = "/auth/end-session"'}


@pytest.mark.parametrize("has_browser", [True, False])
def test_a_logout_ends_the_session_in_the_browser_too(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch, has_browser: bool
) -> None:
    """The server is told; then the page is opened, or shown. Its URL names the client alone."""
    describe(user, server, **LOGOUT)
    token = user.save_token(server.login())
    opened: list[str] = []

    def open_page(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(desktop, "open_browser", open_page)
    if has_browser:
        monkeypatch.setattr(desktop, "find_browser_problem", lambda: None)
    done = user.run("logout", "prod")
    assert (done.status, server.family_alive(token)) == (0, False), done.err
    page = f"{server.url}/auth/end-session?client_id=client-id"
    shown = f"To end the session in the browser, too, open this page in it:\n\n    {page}\n\n"
    opens = "The page that ends the session was opened in a browser.\n"
    assert (opened, done.err) == (([page], opens) if has_browser else ([], shown))


@pytest.mark.parametrize("option", ["--local", "--no-browser"])
def test_a_logout_opens_no_browser_that_is_not_wanted(
    user: User, server: AuthServer, person: PersonAtBrowser, option: str
) -> None:
    """With --local the server hears nothing, and the page is not even named."""
    describe(user, server, **LOGOUT)
    user.save_token(server.login())
    done = user.run("logout", "prod", option)
    assert (done.status, person.urls) == (0, [])
    assert ("/auth/end-session" in done.err) == (option == "--no-browser")


def test_a_page_that_ends_the_session_is_enough_for_a_logout(
    user: User, server: AuthServer
) -> None:
    """Not every server revokes tokens."""
    describe(user, server, logout='end_session_url = "/auth/end-session?x=1"')
    user.save_token(server.login())
    done = user.run("logout", "prod")
    assert done.status == 0
    assert f"{server.url}/auth/end-session?x=1&client_id=client-id\n" in done.err
    assert server.counters == Counters()
    assert user.store.load() is None
