"""The commands, a person at a real browser, and the certified oidc-provider: from init to logout.

Each command is a program of its own on a terminal; nothing of theirs runs in this process.
"""

from __future__ import annotations

import re
import signal
import sys
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from requests_jwt_refresh.grants.loopback import LoopbackReceiver
from requests_jwt_refresh.grants.pages import LOGGED_IN, make_failure
from requests_jwt_refresh.grants.redirects import RedirectURI
from tests.support.chromium import Chromium
from tests.support.code_server import read_query
from tests.support.command_line import SCRIPT, Terminal, User, needs_posix, user
from tests.support.form_browser import FormBrowser
from tests.support.oidc_provider import OpenIDProvider
from tests.support.openid_client import CALLBACK
from tests.support.waits import WAIT, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

    from requests_jwt_refresh.grants.pages import Page

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

QUESTIONS = ("right server? [Y/n] ", "Register a client there? [Y/n] ", "Log in now? [Y/n] ")
CALL = "import requests; print(requests.get('{api}/hello').text)"
NOTHING_THERE = "ERR_CONNECTION_REFUSED"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIDProvider]:
    with OpenIDProvider(["http://127.0.0.1"]) as provider:
        yield provider


class Desk:
    """A home without a keyring, and a display whose browser the test moves."""

    def __init__(self, user: User, provider: OpenIDProvider, chromium: Chromium) -> None:
        self.user, self.provider, self.chromium = user, provider, chromium
        self._opened = user.home / "opened"
        self._programs = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._programs.close()

    def start(self, *arguments: str) -> Terminal:
        """Start a command on a terminal."""
        return self._programs.enter_context(Terminal(SCRIPT, *arguments))

    def run(self, *arguments: str, status: int = 0) -> str:
        """Return what a command shows, which ends with that exit status."""
        terminal = self.start(*arguments)
        assert terminal.end() == status, terminal.shown
        return terminal.shown

    def describe(self, more: str = "") -> None:
        """Write what `init` writes, for the client that the provider knows."""
        issuer, path = self.provider.issuer, self.user.token_file
        tables = {
            "refresh": f'kind = "oauth2"\nurl = "{issuer}/token"\nclient_id = "public"',
            "store": f'kind = "file"\npath = "{path}"',
            "browser": f'issuer = "{issuer}"\nauthorization_url = "{issuer}/auth"\n'
            f'scope = "openid offline_access"\nsends_iss = true\n{more}',
            "device": f'url = "{issuer}/device/auth"\nscope = "openid offline_access"',
        }
        parts = [f"[prod.{name}]\n{text}\n" for name, text in tables.items()]
        self.user.file.write_text(f'[prod]\nbase_url = "{self.provider.api}"\n' + "".join(parts))

    def wait_for_page(self) -> str:
        """Return the URL that a command has opened."""
        wait_until(self._opened.exists, "a page in the browser")
        url = self._opened.read_text()
        self._opened.unlink()
        return url

    def log_in(self, url: str, *, consent: bool = True) -> str:
        """Go through the provider's pages to the command's; return what that says."""
        self.chromium.log_in(url, read_query(url)["redirect_uri"], consent=consent)
        return self.chromium.text

    def call(self) -> str:
        """Return the answer of the API to a program that knows nothing of tokens."""
        return self.run(
            "run", "prod", "--", sys.executable, "-c", CALL.format(api=self.provider.api)
        )


@pytest.fixture
def desk(
    user: User,
    provider: OpenIDProvider,
    chromium: Chromium,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    monkeypatch.setenv("HOME", str(user.home))
    monkeypatch.setenv("XDG_STATE_HOME", str(user.home / "state"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", f"{_write_browser(user.home)} %s")
    chromium.driver.delete_all_cookies()
    with Desk(user, provider, chromium) as desk:
        yield desk


def _write_browser(folder: Path) -> Path:
    """Write a program that hands a URL over to the test, whole."""
    program, opened = folder / "browser", folder / "opened"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part && mv {opened}.part {opened}\n')
    program.chmod(0o700)
    return program


def test_from_an_issuer_to_a_logout(desk: Desk) -> None:
    """A client is registered; login, call, rotation, call; the logout ends session and token."""
    provider, chromium = desk.provider, desk.chromium
    where = ("--issuer", provider.issuer, "--base-url", provider.api)
    store = ("--store", "file", "--path", str(desk.user.token_file))
    terminal = desk.start("init", "prod", *where, *store)
    for question in QUESTIONS:
        terminal.answer(question, "")
    url = desk.wait_for_page()
    assert desk.log_in(url).startswith("You are logged in")
    assert terminal.end() == 0, terminal.shown
    assert "Logged in to prod as alice." in terminal.shown
    assert '{"user":"alice"}' in desk.call()

    before = desk.user.stored_token
    provider.forget()
    provider.expire()
    assert '{"user":"alice"}' in desk.call()
    assert provider.statuses("/token") == [200]
    after = desk.user.stored_token
    assert after.refresh != before.refresh

    shown = desk.run("logout", "prod")
    assert "The page that ends the session was opened in a browser." in shown
    assert provider.statuses("/token/revocation") == [200]
    chromium.open(desk.wait_for_page())
    chromium.click(chromium.find("button[name=logout], button[type=submit]")[0])
    chromium.open(url)
    assert chromium.find("input[name=login]"), "the provider asks who it is again"
    desk.run("token", "prod", status=3)


def test_a_consent_that_is_refused(desk: Desk) -> None:
    """The page and the terminal say so; there is no token."""
    desk.describe()
    terminal = desk.start("login", "prod")
    page = desk.log_in(desk.wait_for_page(), consent=False)
    assert page.startswith("You are not logged in")
    assert "The login was denied in the browser." in page
    assert terminal.end() == 3, terminal.shown
    assert "the login was denied in the browser" in terminal.shown
    assert desk.user.store.load() is None


def test_a_wrong_state_and_a_second_tab_change_nothing(desk: Desk) -> None:
    """A page elsewhere sends the browser to the port; the person goes on in another tab."""
    desk.describe()
    terminal = desk.start("login", "prod")
    url = desk.wait_for_page()
    redirect_uri = read_query(url)["redirect_uri"]
    for query in ("?code=x&state=wrong", "?error=access_denied&state=wrong", "?code=x", ""):
        desk.chromium.open(redirect_uri + query)
        assert desk.chromium.text == "This is no response to the login."
    desk.chromium.open(f"{redirect_uri}/other")
    assert desk.chromium.text == "There is nothing here."
    desk.chromium.open(url)
    desk.chromium.open_tab(url)
    assert desk.log_in(url).startswith("You are logged in")
    assert terminal.end() == 0, terminal.shown
    desk.chromium.close_tab()
    assert NOTHING_THERE in desk.log_in(url), "the first tab is too late"
    assert '{"user":"alice"}' in desk.call()


@contextmanager
def receiving(page: Page) -> Iterator[LoopbackReceiver]:
    """Take one response, answer it with `page`, and go on listening."""
    receiver = LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), "the-state")
    has_ended: list[bool] = []

    def receive() -> None:
        with receiver:
            receiver.receive(WAIT)
            receiver.finish(page)
            receiver.serve(monotonic() + WAIT, lambda: bool(has_ended))

    threads = start(receive)
    try:
        yield receiver
    finally:
        has_ended.append(True)
        join(*threads)


def test_a_page_that_is_asked_for_twice(chromium: Chromium) -> None:
    """The person reloads it, or goes back: it says that the login has ended."""
    assert chromium.console is not None  # what earlier pages have left there
    with receiving(LOGGED_IN) as receiver:
        chromium.open(f"{receiver.redirect_uri}?code=c&state=the-state")
        assert chromium.title == "You are logged in"
        for _ in range(2):
            chromium.reload()
            assert chromium.title == "This login has ended"
    assert chromium.console == []


def test_a_script_is_a_text(chromium: Chromium) -> None:
    """In what the server says, and in our own words; the browser runs and loads nothing."""
    script = "</blockquote><script>document.title = 'run'</script><img src=x onerror=alert(1)>"
    assert chromium.console is not None  # what earlier pages have left there
    with receiving(make_failure(script, script, script)) as receiver:
        query = urlencode({"error": "e", "error_description": script, "state": "the-state"})
        chromium.open(f"{receiver.redirect_uri}?{query}")
        assert chromium.title == "You are not logged in"
        assert chromium.text.count(script) == 3
        assert chromium.find("script, img, iframe, a, form") == []
        ran = chromium.driver.execute_script(
            "const made = document.createElement('script');"
            "made.textContent = 'document.title = \"run\"'; document.body.append(made);"
            "return document.title"
        )
        assert ran == "You are not logged in", "the policy lets no script run"


def test_a_page_is_no_wider_than_a_phone(chromium: Chromium) -> None:
    """Whatever long words are in it."""
    screen = {"width": 320, "height": 600, "deviceScaleFactor": 1, "mobile": True}
    chromium.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        with receiving(make_failure("x" * 300, f"https://id.example.com/{'y' * 300}")) as receiver:
            chromium.open(f"{receiver.redirect_uri}?error=e&state=the-state")
            width = chromium.driver.execute_script("return document.documentElement.scrollWidth")
    finally:
        chromium.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width == 320


def test_a_tab_that_is_closed(desk: Desk) -> None:
    """Exit status 4 once the time is over, and nothing listens any more."""
    desk.describe("timeout = 0.5")
    terminal = desk.start("login", "prod")
    url = desk.wait_for_page()
    desk.chromium.open_tab(url)
    desk.chromium.close_tab()
    assert terminal.end() == 4, terminal.shown
    assert "the login in the browser did not end within 0.5 s" in terminal.shown
    assert desk.user.store.load() is None


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "SIGHUP"])
def test_a_login_that_is_ended(desk: Desk, how: str) -> None:
    """Nothing is stored, not even in part; the browser that comes back meets nobody."""
    desk.describe()
    before = sorted(each.name for each in desk.user.home.iterdir())
    terminal = desk.start("login", "prod")
    url = desk.wait_for_page()
    if how == "Ctrl-C":
        terminal.press(b"\x03")
        status = 130
    else:
        number = signal.Signals[how]
        terminal.process.send_signal(number)
        status = -number
    assert terminal.end() == status, terminal.shown
    assert "Traceback" not in terminal.shown
    after = sorted(each.name for each in desk.user.home.iterdir())
    assert [each for each in after if not each.endswith(".lock")] == before
    assert NOTHING_THERE in desk.log_in(url)


def test_a_device(desk: Desk) -> None:
    """A code on the terminal, typed elsewhere; the token that comes of it is good."""
    desk.describe()
    terminal = desk.start("login", "prod", "--device")
    terminal.expect("gives up.")
    (page,) = re.findall(r"\(or open (\S+)\)", terminal.shown)
    with FormBrowser(CALLBACK) as browser:
        browser.decide_device(page)
    assert terminal.end() == 0, terminal.shown
    assert "Logged in to prod as alice." in terminal.shown
    assert '{"user":"alice"}' in desk.call()
    assert desk.user.stored_token.refresh is not None


def test_an_issuer_that_is_another(desk: Desk) -> None:
    """The server at the URL says that it is somebody else: nothing is written, nobody logs in."""
    issuer = desk.provider.issuer.replace("127.0.0.1", "localhost")
    where = ("--issuer", issuer, "--base-url", desk.provider.api, "--client-id", "public")
    shown = desk.run("init", "prod", *where, status=1)
    assert f"issuer is another one: {desk.provider.issuer}" in shown
    assert not desk.user.file.exists()
