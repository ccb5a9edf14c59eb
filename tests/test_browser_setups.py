"""BrowserLogin where there is no browser, no display or nobody, and with what makes no sense."""

from __future__ import annotations

import io
import os
import sys
import webbrowser
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    BrowserLogin,
    InvalidURL,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    ServerMetadata,
)
from requests_jwt_refresh.grants import desktop, loopback
from requests_jwt_refresh.grants.browser import log_in_by_browser
from requests_jwt_refresh.grants.pasting import Terminal
from requests_jwt_refresh.refresh.client import SendOptions
from tests.support.code_server import Browser, Redirect, code_server, follow, make_url
from tests.support.pasting import pasting, wait_for_url
from tests.support.waits import WAIT, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests_jwt_refresh import Token
    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock
    from tests.support.code_server import CodeServer

ELSEWHERE = "https://app.example.com/cb"
posix = pytest.mark.skipif(os.name != "posix", reason="stdin cannot be waited for")


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "LINGER_SECONDS", 0.0)


@pytest.fixture
def codes(server: AuthServer) -> Iterator[CodeServer]:
    """An authorization server whose tokens `server` takes."""
    with code_server(server) as codes:
        yield codes


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A person at a Linux desktop, in a terminal."""
    for name in ("CI", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    return monkeypatch


def log_in(login: BrowserLogin) -> Token:
    """Log in as a command does."""
    bound = login.bind(OAuth2Endpoint("/token", "tv"), "https://api.example.com")
    return log_in_by_browser(bound, SendOptions(), WAIT)


# --- Whether a browser can be opened -------------------------------------------------------------


@pytest.mark.usefixtures("desk")
def test_a_person_at_a_desktop_has_a_browser() -> None:
    """A display, a terminal, and no CI."""
    assert desktop.find_browser_problem() is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda desk: desk.setenv("CI", "true"), "CI is set"),
        (lambda desk: desk.setenv("CI", "false"), None),
        (lambda desk: desk.delenv("DISPLAY"), "there is no display"),
        (lambda desk: desk.setenv("DISPLAY", ""), "there is no display"),
        (lambda desk: desk.setattr(sys, "stdin", io.StringIO()), "stdin is no terminal"),
        (lambda desk: desk.setattr(sys, "stdin", None), "stdin is no terminal"),
        (lambda desk: (desk.delenv("DISPLAY"), desk.setenv("WAYLAND_DISPLAY", "wayland-0")), None),
        (lambda desk: (desk.delenv("DISPLAY"), desk.setattr(sys, "platform", "darwin")), None),
        (
            lambda desk: (
                desk.setattr(sys, "platform", "darwin"),
                desk.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22"),
            ),
            "there is no display",
        ),
        (
            lambda desk: (
                desk.delenv("DISPLAY"),
                desk.setenv("WSL_DISTRO_NAME", "Debian"),
                desk.setattr("shutil.which", lambda name: f"/usr/bin/{name}"),
            ),
            None,
        ),
    ],
)
def test_where_no_browser_can_be_opened(
    desk: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], object],
    problem: str | None,
    codes: CodeServer,
) -> None:
    """RefreshUnavailable says why, before anything is asked."""
    opened: list[str] = []
    desk.setattr(desktop, "open_browser", opened.append)
    change(desk)
    found = desktop.find_browser_problem()
    assert (found or "").startswith(problem or "")
    if problem is not None:
        with pytest.raises(RefreshUnavailable, match=f"no browser can be opened.*{problem}"):
            log_in(BrowserLogin(codes.urls, "tv"))
    assert opened == []


def test_a_notebook_needs_no_terminal(desk: pytest.MonkeyPatch) -> None:
    """An IPython kernel; a plain IPython without one is a program like any other."""
    desk.setattr(sys, "stdin", io.StringIO())
    for kernel, is_one in ((object(), True), (None, False)):
        shell = SimpleNamespace(kernel=kernel)
        module = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        desk.setitem(sys.modules, "IPython", module)
        assert (desktop.find_browser_problem() is None) is is_one


def test_the_browser_of_this_machine_is_opened(
    desk: pytest.MonkeyPatch, codes: CodeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """By webbrowser. The URL is printed too: no program can tell whether a page shows up."""
    for works in (True, False):
        browser = Browser(codes)

        def visit(url: str, browser: Browser = browser, *, works: bool = works) -> bool:
            browser(url)
            return works

        found = SimpleNamespace(open=visit)
        desk.setattr(webbrowser, "get", lambda found=found: found)
        assert log_in(BrowserLogin(codes.urls, "tv")).access
        err = capsys.readouterr().err
        assert err.count(browser.urls[0]) == 1
        assert ("was opened in a browser" in err) is works


@pytest.mark.parametrize(
    ("name", "text", "browser"),
    [
        ("there-is-none", "", "{path} %s"),
        ("there-is-none", "", "{path}"),
        ("garbage", "\0\0", "{path} %s"),
        ("firefox", "\0\0", ""),  # found on PATH
        ("failing", "#!/bin/sh\nexit 3\n", "{path} %s"),
    ],
)
def test_a_browser_that_cannot_be_run_is_none(
    desk: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    text: str,
    browser: str,
) -> None:
    """Nothing is raised, and nothing is printed but by the login itself."""
    desk.setattr(desktop, "FAILURE_SECONDS", WAIT)
    _write_program(tmp_path / name, text)
    desk.setenv("PATH", str(tmp_path))
    _use_only_browser(desk, browser.format(path=tmp_path / name))
    assert desktop.open_browser("https://id.example.com/") is False
    assert capfd.readouterr() == ("", "")


def test_a_browser_that_runs_on_is_taken_for_one(desk: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The login goes on meanwhile; the URL reaches the program as one argument, in no shell."""
    desk.setattr(desktop, "FAILURE_SECONDS", 0.01)
    program, seen = tmp_path / "browser", tmp_path / "seen"
    lines = ("#!/bin/sh", f"printf '%s|' $# \"$1\" > {seen}.part", f"mv {seen}.part {seen}")
    _write_program(program, "\n".join((*lines, f"while [ -e {seen} ]; do sleep 0.01; done", "")))
    _use_only_browser(desk, f"{program} %s")
    url = "https://id.example.com/?a=$(id)&b='`;%73 x"
    assert desktop.open_browser(url) is True
    wait_until(seen.exists, "the program")
    assert seen.read_text() == f"1|{url}|"
    seen.unlink()


def _write_program(path: Path, text: str) -> None:
    if text:
        path.write_text(text)
        path.chmod(0o700)


def _use_only_browser(desk: pytest.MonkeyPatch, browser: str) -> None:
    """Let webbrowser look for browsers anew, as a new process does."""
    desk.setenv("BROWSER", browser)
    if not browser:
        desk.delenv("BROWSER")
    desk.setattr(webbrowser, "_browsers", {})
    desk.setattr(webbrowser, "_tryorder", None)
    desk.setattr(webbrowser, "_os_preferred_browser", None)


def test_a_browser_that_blocks_holds_nothing_up(
    desk: pytest.MonkeyPatch, codes: CodeServer
) -> None:
    """One for text, or BROWSER="firefox %s": it shows the page before `open` returns."""
    browser = Browser(codes)
    pages: list[str] = []

    class Blocking(webbrowser.GenericBrowser):
        def open(self, url: str, *_options: object) -> bool:
            browser(url)
            pages.append(browser.page().text)
            return True

    desk.setattr(webbrowser, "get", lambda: Blocking("w3m"))
    assert log_in(BrowserLogin(codes.urls, "tv", timeout=WAIT)).access
    wait_until(lambda: pages, "the page")
    assert "You are logged in" in pages[0]


# --- Without a browser here ----------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8400", "http://localhost:8400/cb", ELSEWHERE])
def test_a_url_is_pasted_as_a_browser_shows_it(uri: str) -> None:
    """Without its scheme; another host is not taken all the same."""
    for before, is_taken in (("", True), ("evil.example/", False)):
        line = f"{before}{uri.partition('://')[2]}?code=c&state=s"
        assert (Terminal(0).parse(line, uri, "s") is not None) is is_taken


@posix
def test_the_redirected_url_is_pasted(
    codes: CodeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The redirect_uri is elsewhere. A URL of another login, or of none, is asked for again."""

    def paste(found: Redirect) -> Iterator[str]:
        wrong = {**found.parameters, "state": "wrong"}
        yield "what?"
        yield ""
        yield make_url(found._replace(parameters=wrong))
        yield make_url(found._replace(uri="https://evil.example/cb"))
        yield make_url(found._replace(uri="https://app.example.com@evil.example/cb"))
        yield make_url(found._replace(uri="http://app.example.com/cb"))
        yield f"  {make_url(found)}#fragment "
        yield "the program's own"

    with pasting() as (stdin, send):
        opener = Browser(codes)

        def visit(url: str) -> None:
            opener.urls.append(url)
            send("".join(f"{line}\n" for line in paste(codes.authorize(url))))

        login = BrowserLogin(codes.url, "tv", redirect_uri=ELSEWHERE, open=visit)
        assert log_in(login).access
        assert stdin.readline() == "the program's own\n"  # is left for the program
    assert codes.forms[0]["redirect_uri"] == ELSEWHERE
    err = capsys.readouterr().err
    assert err.count("That is not the whole address of this login's last page") == 5
    assert "Paste the address" in err


@posix
def test_without_a_browser_the_url_is_printed_and_pasted(
    codes: CodeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over SSH: the browser elsewhere cannot reach our port; its address bar has it all."""
    with pasting() as (_stdin, send):
        found: list[Token] = []
        login = BrowserLogin(codes.url, "tv", open=False, timeout=WAIT)
        threads = start(lambda: found.append(log_in(login)))
        url = wait_for_url(capsys)
        send(f"{make_url(codes.authorize(url))}\n")
        join(*threads)
    assert found[0].access


@posix
def test_the_port_is_open_as_well(codes: CodeServer, capsys: pytest.CaptureFixture[str]) -> None:
    """For a port that is forwarded; stdin may be at its end."""
    with pasting() as (_stdin, send):
        send(None)
        found: list[Token] = []
        threads = start(lambda: found.append(log_in(BrowserLogin(codes.url, "tv", open=False))))
        assert "You are logged in" in follow(codes.authorize(wait_for_url(capsys))).text
        join(*threads)
    assert found[0].access


@posix
@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (None, "and stdin is no terminal, or has ended. Log in from a terminal"),
        ("no\n" * 20, "no URL of this login was pasted 10 times"),
        ("", "did not end within 0.05 s"),
    ],
)
def test_nothing_usable_is_pasted(codes: CodeServer, lines: str | None, problem: str) -> None:
    """A clear error, and no endless questions."""
    with pasting() as (_stdin, send):
        send(lines)
        login = BrowserLogin(
            codes.url,
            "tv",
            redirect_uri=ELSEWHERE,
            open=len,
            timeout=0.05 if lines == "" else WAIT,
        )
        with pytest.raises(RefreshUnavailable) as caught:
            log_in(login)
    assert problem in str(caught.value)
    assert codes.forms == []


def test_a_no_can_be_pasted(codes: CodeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook, too, where `input` asks."""
    urls: list[str] = []
    monkeypatch.setattr("requests_jwt_refresh.grants.pasting.is_notebook", lambda: True)

    def answer() -> str:
        found = codes.authorize(urls[0])
        denied = {"error": "access_denied", "state": found.parameters["state"], "iss": codes.url}
        return make_url(found._replace(parameters=denied))

    monkeypatch.setattr("builtins.input", answer)
    login = BrowserLogin(codes.url, "tv", redirect_uri=ELSEWHERE, open=urls.append)
    with pytest.raises(RefreshRejected, match="denied"):
        log_in(login)


def test_in_a_notebook_elsewhere_the_url_is_pasted(
    codes: CodeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its kernel is on a server, whose ports the browser does not reach."""
    monkeypatch.setattr(desktop, "is_notebook", lambda: True)
    monkeypatch.setattr("requests_jwt_refresh.grants.pasting.is_notebook", lambda: True)
    monkeypatch.setattr("builtins.input", lambda: make_url(codes.authorize(wait_for_url(capsys))))
    assert log_in(BrowserLogin(codes.url, "tv", open=False)).access


@posix
def test_what_is_piped_in_is_the_programs_own(
    codes: CodeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a terminal is read."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin, os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdin", stdin)
        print("data", file=pipe, flush=True)
        with pytest.raises(RefreshUnavailable, match="stdin is no terminal"):
            log_in(BrowserLogin(codes.url, "tv", redirect_uri=ELSEWHERE, open=len))
        capsys.readouterr()
        threads = start(lambda: log_in(BrowserLogin(codes.url, "tv", open=False)))
        follow(codes.authorize(wait_for_url(capsys)))
        join(*threads)
        assert stdin.readline() == "data\n"


def test_a_form_cannot_be_pasted(codes: CodeServer) -> None:
    """It says so before the person has logged in."""
    codes.metadata["response_modes_supported"] = ["form_post"]
    opened: list[str] = []
    login = BrowserLogin(codes.url, "tv", redirect_uri=ELSEWHERE, open=opened.append)
    with pytest.raises(RefreshUnavailable, match="a form to the redirect_uri, which nobody can"):
        log_in(login)
    assert opened == []


@pytest.mark.usefixtures("clock")
def test_without_a_browser_a_code_is_shown_if_the_server_has_that(
    server: AuthServer, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The device flow by itself (RFC 8628)."""

    def approve() -> None:
        shown = capsys.readouterr().err
        server.approve(shown.partition("type the code ")[2].split()[0])

    clock.steps = [approve]
    urls = {
        "authorization_url": f"{server.url}/authorize",
        "token_url": f"{server.url}/auth/token",
        "device_url": f"{server.url}/auth/device",
    }
    assert log_in(BrowserLogin(urls, "tv", open=False)).access


# --- What makes no sense -------------------------------------------------------------------------

URLS = {"authorization_url": "https://h/a", "token_url": "https://h/t"}
Login: Any = BrowserLogin


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: Login("", "tv"), TypeError, "issuer_or_urls must be an issuer's URL, a Server"),
        (lambda: Login(None, "tv"), TypeError, "not None"),
        (lambda: Login({"token_url": "/t"}, "tv"), ValueError, "has no authorization_url"),
        (lambda: Login(ServerMetadata("https://h"), "tv"), ValueError, "has no authorization_url"),
        (lambda: Login({**URLS, "tokenurl": "x"}, "tv"), ValueError, "has 'tokenurl'; it may have"),
        (lambda: Login({**URLS, "issuer": 7}, "tv"), ValueError, "has no issuer, a string"),
        (lambda: Login(URLS, None), TypeError, "client_id must be a string, not None"),
        (lambda: Login(URLS, ""), TypeError, "client_id must be a string"),
        (lambda: Login(URLS, "tv", scope=["a"]), TypeError, "scope must be a string, not a list"),
        (lambda: Login(URLS, "tv", open="firefox"), TypeError, "open must be None, True, False or"),
        (lambda: Login(URLS, "tv", open=lambda: None), TypeError, "open is called with (url)"),
        (lambda: Login(URLS, "tv", timeout=0), ValueError, "timeout must be a positive number"),
        (lambda: Login(URLS, "tv", timeout=True), ValueError, "timeout must be a positive number"),
        (lambda: Login(URLS, "tv", redirect_uri="/cb"), InvalidURL, "has no scheme"),
        (lambda: bind("http://id.example.com"), InvalidURL, "the issuer"),
        (lambda: bind({**URLS, "token_url": "http://h/t"}), InvalidURL, "the token URL"),
        (lambda: bind({**URLS, "token_url": "//h/t"}), InvalidURL, "the token URL"),
        (lambda: bind({**URLS, "authorization_url": "file:///x"}), InvalidURL, "the authorization"),
        (lambda: bind({**URLS, "authorization_url": "https://u:p@h/x"}), InvalidURL, "user name"),
    ],
)
def test_a_mistake_is_a_clear_error(
    make: Callable[[], object], kind: type[Exception], text: str
) -> None:
    """When it is made, or given to an adapter."""
    with pytest.raises(kind) as caught:
        make()
    assert text in str(caught.value)


def bind(server: Any) -> BrowserLogin:
    """Give a login to an adapter, as its constructor does."""
    return BrowserLogin(server, "tv").bind(None, "https://h")


def test_relative_urls_are_below_the_base_url() -> None:
    """As everywhere."""
    urls = {"authorization_url": "/authorize", "token_url": "/token"}
    assert BrowserLogin(urls, "tv").bind(None, "https://h/v1").url == "https://h/v1/token"


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"issuer": "https://evil.example"}, "https://evil.example"),
        ({"authorization_endpoint": None}, "names no authorization endpoint"),
        ({"code_challenge_methods_supported": ["plain"]}, "does not offer PKCE with S256"),
    ],
)
def test_a_server_that_cannot_be_used(
    codes: CodeServer, metadata: dict[str, Any], text: str
) -> None:
    """RefreshUnavailable, before a page is opened."""
    codes.metadata.update(metadata)
    opened: list[str] = []
    with pytest.raises(RefreshUnavailable) as caught:
        log_in(BrowserLogin(codes.url, "tv", open=opened.append))
    assert text in str(caught.value)
    assert opened == []
