"""What a login has functions of the user's show or open: `open` of BrowserLogin, `show` of Device.

They may wait for what only the login can bring about: a page, a closed window, a person.
"""

from __future__ import annotations

import contextvars
import logging
import os
import signal
import subprocess
import sys
import threading
import webbrowser
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    BrowserLogin,
    DeviceLogin,
    MemoryStore,
    OAuth2Endpoint,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    mount,
)
from requests_jwt_refresh.grants import desktop, loopback, user_calls
from requests_jwt_refresh.grants.browser import log_in_by_browser
from requests_jwt_refresh.refresh.client import SendOptions
from requests_jwt_refresh.testing import AuthServer
from tests.support.code_server import Browser, code_server, make_url, read_query
from tests.support.pasting import pasting
from tests.support.processes import run_python
from tests.support.sessions import plain_session
from tests.support.waits import WAIT, interrupt, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from requests_jwt_refresh.grants.device import DeviceCode
    from tests.support.clock import Clock
    from tests.support.code_server import CodeServer

ENDPOINT = OAuth2Endpoint("/auth/token", "tv")
ELSEWHERE = "https://app.example.com/cb"
needs_posix = pytest.mark.skipif(os.name != "posix", reason="stdin cannot be waited for")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "LINGER_SECONDS", 0.0)


@pytest.fixture
def is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each function be one that takes longer than most do."""
    monkeypatch.setattr(user_calls, "FIRST_SECONDS", 0.0)


@pytest.fixture
def codes(server: AuthServer) -> Iterator[CodeServer]:
    """An authorization server whose tokens `server` takes."""
    with code_server(server) as codes:
        yield codes


def log_in(login: BrowserLogin) -> Any:
    """Log in as a command does."""
    return log_in_by_browser(login.bind(ENDPOINT, "https://h"), SendOptions(), WAIT)


# --- What blocks ---------------------------------------------------------------------------------


def test_a_function_may_wait_for_the_page(
    server: AuthServer, codes: CodeServer, session: requests.Session
) -> None:
    """As Selenium's `driver.get` does; and the page comes once the login has ended."""
    browser = Browser(codes)
    pages: list[str] = []

    def read_page(url: str) -> None:
        browser(url)
        pages.append(browser.page().text)

    login = BrowserLogin(codes.url, "tv", open=read_page, timeout=WAIT / 3)
    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    assert session.get("/api/x").status_code == 200
    wait_until(lambda: pages, "the page")
    assert "You are logged in" in pages[0]


def test_a_function_may_wait_until_the_window_is_closed(codes: CodeServer) -> None:
    """As `subprocess.run` does; the login does not wait for that, nor does the program's end."""
    browser, closed = Browser(codes), threading.Event()
    threads: list[threading.Thread] = []

    def run(url: str) -> None:
        threads.append(threading.current_thread())
        browser(url)
        assert closed.wait(WAIT)

    login = BrowserLogin(codes.url, "tv", open=run, timeout=WAIT / 3)
    assert log_in(login).access
    assert [each.is_alive() and each.daemon for each in threads] == [True]
    closed.set()
    join(*threads)


def test_the_page_is_said_to_be_open_before_the_function_has_returned(
    codes: CodeServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, whatever comes first."""
    told: list[str] = []

    def is_told() -> bool:
        told.append(capsys.readouterr().err)
        return "opened" in "".join(told)

    def look(url: str) -> None:
        wait_until(is_told)
        Browser(codes)(url)

    monkeypatch.setattr(user_calls, "FIRST_SECONDS", 0.01)
    assert log_in(BrowserLogin(codes.url, "tv", open=look)).access
    text = "".join(told) + capsys.readouterr().err
    assert text == "The page to log in was opened in a browser. Waiting for up to 5 min.\n"


def test_a_browser_that_the_program_has_registered_may_block(
    codes: CodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `webbrowser.register`; what it raises counts as a browser that does not work."""
    browser, pages = Browser(codes), list[str]()

    class Blocking(webbrowser.BaseBrowser):
        def open(self, url: str, *_options: object) -> bool:
            browser(url)
            pages.append(browser.page().text)
            return True

    monkeypatch.setattr(webbrowser, "get", Blocking)
    assert log_in(BrowserLogin(codes.urls, "tv", open=True, timeout=WAIT / 3)).access
    wait_until(lambda: pages, "the page")
    failing = SimpleNamespace(open=lambda url: 1 / len(url.partition("\n")[2]))
    monkeypatch.setattr(webbrowser, "get", lambda: failing)
    assert desktop.open_browser("https://id.example.com/") is False


CHILD = """
import os, sys, threading, requests
from requests_jwt_refresh import BrowserLogin, MemoryStore, OAuth2Endpoint, mount

def hang(url):
    print(url, flush=True)
    threading.Event().wait()

session = requests.Session()
urls = {"authorization_url": "http://127.0.0.1:9/a", "token_url": "http://127.0.0.1:9/t"}
login = BrowserLogin(urls, "tv", open=hang, timeout=float(sys.argv[1]))
mount(session, "http://127.0.0.1:9", OAuth2Endpoint("/t", "tv"), MemoryStore(), login=login)
try:
    session.get("/api/x")
except requests.RequestException as error:
    print(error)
"""


def test_ctrl_c_ends_a_login_whose_function_blocks() -> None:
    """At once, in a real program."""
    command = [sys.executable, "-c", CHILD, "300"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout is not None
        assert "redirect_uri" in read_query(process.stdout.readline().strip())
        interrupt(process)
        _, err = process.communicate(timeout=WAIT)
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_a_function_that_never_returns_keeps_neither_login_nor_program_from_ending() -> None:
    """The timeout holds, and what is left behind is a daemon."""
    assert run_python(CHILD, "0.05").splitlines()[1].startswith("the login in the browser did not")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_meanwhile_has_no_such_thread_and_can_log_in() -> None:
    """The parent's login goes on."""
    has_begun, may_go_on = threading.Event(), threading.Event()

    def open_page(url: str) -> None:
        with plain_session() as browser:
            browser.get(url, timeout=WAIT)

    def run(url: str) -> None:
        has_begun.set()
        assert may_go_on.wait(WAIT)
        open_page(url)

    def log_in_with(opener: Callable[[str], object]) -> Any:
        return log_in(BrowserLogin(server.url, server.client_id, open=opener, timeout=WAIT))

    with AuthServer(openid=True, consent=True) as server:
        found: list[Any] = []
        threads = start(lambda: found.append(log_in_with(run)))
        assert has_begun.wait(WAIT)
        child = os.fork()
        if child == 0:
            failed = 1
            try:
                is_alone = threading.enumerate() == [threading.main_thread()]
                failed = 0 if is_alone and log_in_with(open_page).access else 1
            finally:
                os._exit(failed)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        may_go_on.set()
        join(*threads)
    assert status == 0
    assert found[0].access


def test_without_a_thread_it_is_called_all_the_same(
    codes: CodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there can be none: no more of them, or a sub-interpreter without daemons."""
    login = BrowserLogin(codes.url, "tv", open=Browser(codes), timeout=WAIT / 3)
    real = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if self.name == "jwt-login":
            raise RuntimeError("can't start new thread")
        real(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert log_in(login).access


def test_it_is_called_in_the_context_of_the_login(codes: CodeServer) -> None:
    """As a logger, or a notebook's output, may need it."""
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="")
    names: list[str] = []

    def note(url: str) -> None:
        names.append(name.get())
        Browser(codes)(url)

    name.set("of the caller")
    log_in(BrowserLogin(codes.url, "tv", open=note))
    assert names == ["of the caller"]


# --- What it returns or raises -------------------------------------------------------------------


def fail(url: str, *, error: BaseException, after: threading.Event | None = None) -> None:
    assert after is None or after.wait(WAIT)
    assert "hunter2" not in url
    raise error


@pytest.mark.parametrize("delay", ["at once", "later"])
def test_what_it_raises_ends_the_login(
    server: AuthServer,
    codes: CodeServer,
    session: requests.Session,
    request: pytest.FixtureRequest,
    delay: str,
) -> None:
    """Named by type and line, without its text, which may be secret; nobody waits any longer."""
    if delay == "later":
        request.getfixturevalue("is_slow")
    opener = partial(fail, error=ValueError("hunter2"))
    login = BrowserLogin(codes.url, "tv", open=opener)
    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    with pytest.raises(RefreshUnavailable) as caught:
        session.get("/api/x")
    assert caught.value.cause.startswith(
        "open of the BrowserLogin failed with ValueError at test_login_callbacks.py, line "
    )
    assert caught.value.cause.endswith(", in fail")
    assert caught.value.remedy.startswith("look at that line; to say that the server refused, ")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "error", [RefreshRejected("they said no", "ask"), SystemExit(3)], ids=["refused", "exit"]
)
@pytest.mark.usefixtures("is_slow")
def test_what_says_how_it_ends_is_raised_as_it_is(codes: CodeServer, error: BaseException) -> None:
    """A person may have closed the window, or want to leave."""
    login = BrowserLogin(codes.url, "tv", open=partial(fail, error=error))
    with pytest.raises(type(error)) as caught:
        log_in(login)
    assert caught.value is error


def test_a_function_that_calls_through_the_session_is_told_so(
    server: AuthServer, codes: CodeServer, session: requests.Session
) -> None:
    """Its request would wait for this very login."""

    def call(_url: str) -> None:
        session.get("/api/x")

    login = BrowserLogin(codes.url, "tv", open=call)
    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    with pytest.raises(ReentrantRefresh):
        session.get("/api/x")


def test_what_it_raises_after_the_login_is_logged(
    codes: CodeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The login stands: the person came back. Once, and without the text."""
    browser, has_ended = Browser(codes), threading.Event()

    def close(url: str) -> None:
        browser(url)
        fail(url, error=OSError("hunter2"), after=has_ended)

    assert log_in(BrowserLogin(codes.url, "tv", open=close)).access
    assert caplog.messages == []
    has_ended.set()
    wait_until(lambda: caplog.messages, "the log line")
    (line,) = caplog.messages
    assert "close raised OSError at test_login_callbacks.py, line" in line
    assert [each.levelno for each in caplog.records] == [logging.ERROR]


def test_what_it_raises_beside_a_response_is_logged(
    codes: CodeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The response came first."""
    browser = Browser(codes)

    def fail_after_the_page(url: str) -> None:
        browser(url)
        browser.page()
        raise OSError("hunter2")

    assert log_in(BrowserLogin(codes.url, "tv", open=fail_after_the_page)).access
    wait_until(lambda: caplog.messages, "the log line")
    assert ["raised OSError" in each for each in caplog.messages] == [True]


@needs_posix
@pytest.mark.usefixtures("is_slow")
@pytest.mark.parametrize("redirect_uri", [None, ELSEWHERE])
def test_a_false_that_comes_late_shows_the_url_to_paste(
    codes: CodeServer, capsys: pytest.CaptureFixture[str], redirect_uri: str | None
) -> None:
    """As one that comes at once; the terminal is read from then on."""
    may_end, told = threading.Event(), list[str]()

    def look(text: str) -> bool:
        told.append(capsys.readouterr().err)
        return text in "".join(told)

    def give_up(_url: str) -> bool:
        assert may_end.wait(WAIT)
        return False

    with pasting() as (_stdin, send):
        found: list[Any] = []
        login = BrowserLogin(codes.url, "tv", redirect_uri=redirect_uri, open=give_up)
        threads = start(lambda: found.append(log_in(login)))
        wait_until(partial(look, "was opened in a browser"), "the first word")
        may_end.set()
        wait_until(partial(look, "To log in, open this page"), "the URL")
        wait_until(partial(look, "Paste the address of the last page"), "the question")
        (url,) = {each.strip() for each in "".join(told).splitlines() if "/authorize?" in each}
        send(f"{make_url(codes.authorize(url))}\n")
        join(*threads)
    assert found[0].access


@needs_posix
@pytest.mark.usefixtures("is_slow")
def test_what_it_raises_ends_the_wait_for_what_is_pasted(codes: CodeServer) -> None:
    """Nobody has seen a page: there is nothing to paste."""
    with pasting():
        opener = partial(fail, error=ValueError("hunter2"))
        login = BrowserLogin(codes.url, "tv", redirect_uri=ELSEWHERE, open=opener)
        with pytest.raises(RefreshUnavailable, match="open of the BrowserLogin failed with Value"):
            log_in(login)


# --- A code for another device -------------------------------------------------------------------


def get_with(
    show: Callable[[DeviceCode], object], server: AuthServer, session: requests.Session
) -> requests.Response:
    login = DeviceLogin("/auth/device", show=show)
    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    return session.get("/api/x")


@pytest.mark.usefixtures("is_slow")
def test_a_function_may_show_the_code_until_the_person_is_done(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """A dialog, say, which is closed once the login has ended."""
    has_ended, shown = threading.Event(), threading.Event()

    def show(code: DeviceCode) -> None:
        server.approve(code.user_code)
        shown.set()
        assert has_ended.wait(WAIT)

    clock.steps = [lambda: shown.wait(WAIT)]
    assert get_with(show, server, session).status_code == 200
    has_ended.set()


@pytest.mark.usefixtures("is_slow")
def test_a_function_that_hangs_does_not_outlive_the_code(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """The code expires, as if the person had gone."""
    may_end = threading.Event()
    response = get_with(lambda _: may_end.wait(WAIT), server, session)
    assert response.status_code == 401
    assert clock.slept >= 500
    may_end.set()


def test_a_code_that_cannot_be_shown_ends_the_login(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """Before anything is polled; nobody could type it."""

    def show(_code: DeviceCode) -> None:
        raise ValueError("hunter2")

    with pytest.raises(RefreshUnavailable) as caught:
        get_with(show, server, session)
    assert "show of the DeviceLogin failed with ValueError at test_login_c" in str(caught.value)
    assert clock.sleeps == []


@pytest.mark.usefixtures("is_slow")
def test_a_window_that_breaks_later_ends_the_login(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """At the next poll, which is not made."""
    may_break = threading.Event()
    threads: list[threading.Thread] = []

    def show(_code: DeviceCode) -> None:
        threads.append(threading.current_thread())
        fail("", error=OSError("hunter2"), after=may_break)

    def wait_for_end() -> None:
        may_break.set()
        join(*threads)

    clock.steps = [lambda: wait_until(lambda: threads), wait_for_end]
    with pytest.raises(RefreshUnavailable, match="show of the DeviceLogin failed with OSError"):
        get_with(show, server, session)
    assert len(clock.sleeps) == 2
