"""BrowserLogin as a login=: a person logs in with a browser on this machine (RFC 8252).

tests/test_loopback.py attacks the port; tests/test_browser_setups.py is about what there may be.
"""

from __future__ import annotations

import logging
import pickle
import signal
import subprocess
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    BrowserLogin,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    ServerMetadata,
    mount,
)
from requests_jwt_refresh.grants import loopback
from requests_jwt_refresh.grants.browser import log_in_by_browser
from requests_jwt_refresh.refresh.client import SendOptions
from tests.support.code_server import Browser, Redirect, code_server, follow, read_query
from tests.support.crowd import THREADS, Crowd, wait_for_waiters
from tests.support.waits import WAIT, interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.code_server import CodeServer

    Change = Callable[[Redirect], Redirect]

ENDPOINT = OAuth2Endpoint("/auth/token", "tv")


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "LINGER_SECONDS", 0.0)


@pytest.fixture
def codes(server: AuthServer) -> Iterator[CodeServer]:
    """An authorization server whose tokens `server` takes."""
    with code_server(server) as codes:
        yield codes


def log_in(login: BrowserLogin) -> Any:
    """Log in as a command does."""
    bound = login.bind(ENDPOINT, "https://api.example.com")
    return log_in_by_browser(bound, SendOptions(), WAIT)


def change(**values: str | None) -> Change:
    """Return what puts other parameters into a redirect; None takes one out."""

    def put(found: Redirect) -> Redirect:
        merged = {**found.parameters, **values}
        kept = {name: value for name, value in merged.items() if value is not None}
        return found._replace(parameters=kept)

    return put


@pytest.mark.parametrize("own_session", [False, True], ids=["separate", "refresh_session"])
def test_requests_wait_until_the_person_has_logged_in(
    server: AuthServer, codes: CodeServer, session: requests.Session, own_session: bool
) -> None:
    """32 threads: one page, then tokens for all, which are refreshed as any others."""
    browser = Browser(codes)
    login = BrowserLogin(codes.url, "tv", open=browser)
    with requests.Session() as other:
        other.trust_env = False
        adapter = mount(
            session,
            server.url,
            JSONEndpoint("/auth/refresh"),
            MemoryStore(),
            login=login,
            refresh_session=other if own_session else None,
        )
        crowd = Crowd(THREADS, lambda _: session.get("/api/x"))
        assert crowd.statuses() == [200] * THREADS
        assert adapter.token is not None
        assert "id_token" in adapter.token.extra
        server.expire()
        assert session.get("/api/x").status_code == 200
    assert (len(browser.urls), len(codes.forms), server.counters.refreshes) == (1, 1, 1)
    assert "You are logged in" in browser.page().text


def test_what_the_page_is_asked(codes: CodeServer) -> None:
    """RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1; the verifier is not in it."""
    browser = Browser(codes)
    log_in(BrowserLogin(codes.url, "tv", scope="email", open=browser))
    log_in(BrowserLogin(codes.url, "tv", scope="email", open=browser))
    first, second = map(read_query, browser.urls)
    assert browser.urls[0].startswith(f"{codes.url}/authorize?response_type=code&client_id=tv&")
    assert first["scope"] == "openid offline_access email"
    assert first["prompt"] == "consent"
    assert first["redirect_uri"].startswith("http://127.0.0.1:")
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43
        assert first[name] != second[name]
    form = codes.forms[0]
    assert set(form) == {"grant_type", "code", "redirect_uri", "code_verifier", "client_id"}
    assert form["redirect_uri"] == first["redirect_uri"]
    assert len(form["code_verifier"]) == 86
    assert form["code_verifier"] not in browser.urls[0]


def test_urls_in_place_of_an_issuer(codes: CodeServer) -> None:
    """Then nothing is added to the scope, and nothing is asked of the server but for the token."""
    browser = Browser(codes)
    token = log_in(BrowserLogin(codes.urls, "tv", open=browser))
    assert {"scope", "nonce", "prompt"}.isdisjoint(read_query(browser.urls[0]))
    assert token.access
    token = log_in(BrowserLogin({**codes.urls, "issuer": codes.url}, "tv", open=Browser(codes)))
    assert token.access


def test_the_query_of_the_authorization_endpoint_is_kept(codes: CodeServer) -> None:
    """RFC 6749 §3.1; some servers want an audience there."""
    browser = Browser(codes)
    urls = {**codes.urls, "authorization_url": f"{codes.url}/authorize?audience=a%20b"}
    log_in(BrowserLogin(urls, "tv", open=browser))
    assert read_query(browser.urls[0])["audience"] == "a b"


@pytest.mark.parametrize(("auths", "in_header"), [(("basic", "post"), True), (("post",), False)])
def test_a_client_with_a_secret_proves_who_it_is(
    codes: CodeServer, auths: tuple[str, ...], in_header: bool
) -> None:
    """By a way that the server has; the secret is in no URL and in no repr."""
    browser = Browser(codes)
    server = ServerMetadata(codes.url, **codes.urls, client_auths=auths)  # type: ignore[arg-type]
    login = BrowserLogin(server, "desktop", client_secret="hunter2", open=browser)
    log_in(login)
    assert (codes.authorization[0] is not None) is in_header
    assert (codes.forms[0].get("client_secret") == "hunter2") is not in_header
    assert "hunter2" not in repr(login) + browser.urls[0]


def test_the_adapters_endpoint_authenticates_if_it_is_the_same_client(codes: CodeServer) -> None:
    """As its options say."""
    endpoint = OAuth2Endpoint("/token", "tv", "hunter2", client_auth="post")
    login = BrowserLogin(codes.urls, "tv", open=Browser(codes))
    log_in_by_browser(login.bind(endpoint, "https://h"), SendOptions(), WAIT)
    assert codes.forms[0]["client_secret"] == "hunter2"


def test_a_form_is_asked_for_where_the_server_has_nothing_else(codes: CodeServer) -> None:
    """OAuth 2.0 Form Post Response Mode."""
    codes.metadata["response_modes_supported"] = ["form_post", "fragment"]
    browser = Browser(codes)
    assert log_in(BrowserLogin(codes.url, "tv", open=browser)).access
    assert read_query(browser.urls[0])["response_mode"] == "form_post"
    assert "You are logged in" in browser.page().text


def test_a_person_who_says_no(codes: CodeServer, caplog: pytest.LogCaptureFixture) -> None:
    """What the server says about it stands on the page, as text; not in the error, nor in logs."""
    caplog.set_level(logging.DEBUG)
    said = {"error": "access_denied", "error_description": "<script>alert('no')</script>"}
    browser = Browser(codes, change(code=None, **said))
    with pytest.raises(RefreshRejected, match="denied in the browser") as caught:
        log_in(BrowserLogin(codes.url, "tv", open=browser))
    page = browser.page()
    assert "You are not logged in" in page.text
    assert "&lt;script&gt;alert(&#x27;no&#x27;)" in page.text
    assert "<script" not in page.text + str(caught.value) + caplog.text
    assert codes.forms == []


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"code": None, "error": "invalid_scope"}, "/authorize answered invalid_scope. Check the"),
        ({"code": None, "error": "x\x1b[2J"}, "answered an error without a proper code. See what"),
        ({"error": "server_error"}, "answered server_error. Try again later"),
        ({"code": None}, "has neither a code nor an error. Nothing was taken"),
        ({"code": ""}, "has neither a code nor an error"),
        ({"iss": "https://evil.example"}, "is from another server, https://evil.example, not http"),
        ({"iss": None}, "does not say which server it is from"),
        ({"code": "of-another-session"}, "/token answered 400 and refused the code. Log in again"),
    ],
)
def test_a_response_that_is_no_success(
    codes: CodeServer, values: dict[str, str | None], text: str
) -> None:
    """With the right state, so it ends the login, and the page says why. Mix-up: RFC 9207."""
    browser = Browser(codes, change(**values))
    with pytest.raises(RefreshUnavailable) as caught:
        log_in(BrowserLogin(codes.url, "tv", open=browser))
    assert text in str(caught.value)
    assert "tokens are kept" not in str(caught.value)
    page = browser.page().text
    assert "You are not logged in" in page
    assert (codes.forms == []) is ("code" not in values or values["code"] != "of-another-session")


@pytest.mark.parametrize("name", ["code", "iss", "error"])
def test_two_values_of_one_parameter_are_none(codes: CodeServer, name: str) -> None:
    """Neither is taken (RFC 6749 §3.1)."""

    def repeat(found: Redirect) -> Redirect:
        return found._replace(uri=f"{found.uri}?{name}=a&{name}=b&x=", is_form=False)

    browser = Browser(codes, repeat)
    with pytest.raises(RefreshUnavailable, match=f"several values of .*{name}"):
        # As "...?name=a&name=b&x=?code=...": the second mark is part of x.
        log_in(BrowserLogin(codes.url, "tv", open=browser))
    assert codes.forms == []


def test_a_code_of_another_session_is_not_traded(codes: CodeServer) -> None:
    """An attacker's own code, injected with the right state: the verifier does not fit."""
    others = Browser(codes)
    with pytest.raises(RefreshUnavailable, match="did not end within"):
        log_in(BrowserLogin(codes.url, "tv", open=others.urls.append, timeout=0.2))
    theirs = codes.authorize(others.urls[0]).parameters["code"]
    browser = Browser(codes, change(code=theirs))
    with pytest.raises(RefreshUnavailable, match="refused the code"):
        log_in(BrowserLogin(codes.url, "tv", open=browser))


def test_another_program_cannot_answer(codes: CodeServer) -> None:
    """What comes first without the state changes nothing; what comes after it is not used."""

    def attack(found: Redirect) -> Redirect:
        for values in (
            {"state": "wrong"},
            {"state": None},
            {"code": None, "error": "access_denied", "state": "x"},
        ):
            assert follow(change(**values)(found)).status_code == 400
        assert follow(found, Host="evil.example").status_code == 400
        assert follow(found._replace(uri=f"{found.uri}/other")).status_code == 404
        return found

    browser = Browser(codes, attack)
    assert log_in(BrowserLogin(codes.url, "tv", open=browser)).access
    assert "You are logged in" in browser.page().text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"iss": "https://evil.example"}, "is from another issuer"),
        ({"iss": None}, "is from another issuer"),
        ({"aud": "another"}, "is for another client"),
        ({"aud": ["another"]}, "is for another client"),
        ({"aud": ["another", "tv"], "azp": "another"}, "is for another client"),
        ({"exp": time.time() - 3600}, "has expired"),
        ({"exp": "never"}, "does not say when"),
        ({"exp": None}, "does not say when"),
        ({"nonce": "another"}, "its nonce is not ours"),
        ({"nonce": None}, "its nonce is not ours"),
        ({"nonce": ["x"]}, "its nonce is not ours"),
    ],
)
def test_an_id_token_of_another_login_is_refused(
    codes: CodeServer, values: dict[str, Any], text: str
) -> None:
    """OpenID Connect Core §3.1.3.7; and the tokens beside it are not used."""
    codes.claims = lambda claims: {**claims, **values}
    browser = Browser(codes)
    with pytest.raises(RefreshUnavailable, match=text) as caught:
        log_in(BrowserLogin(codes.url, "tv", open=browser))
    assert "Nothing was taken from it" in str(caught.value)
    assert text in browser.page().text


@pytest.mark.parametrize("id_token", [None, "", "a.b", "a.b.c", 7])
def test_an_id_token_that_cannot_be_read_is_refused(codes: CodeServer, id_token: object) -> None:
    """So is a response without one, if it was asked for."""
    codes.answer = lambda answer: {**answer, "id_token": id_token}
    with pytest.raises(RefreshUnavailable, match=r"gave no id_token|cannot be read"):
        log_in(BrowserLogin(codes.url, "tv", open=Browser(codes)))


@pytest.mark.parametrize(
    ("ours", "theirs", "is_taken"),
    [(0, 0, True), (3600, 0, True), (-3600, 0, True), (0, -3600, True), (3600, None, False)],
)
def test_a_wrong_clock_does_no_harm_where_the_server_tells_the_time(
    codes: CodeServer,
    monkeypatch: pytest.MonkeyPatch,
    ours: float,
    theirs: float | None,
    is_taken: bool,
) -> None:
    """Ours, or the server's, which is in its Date as well; without that, our clock is named."""
    now = time.time()
    codes.clock = None if theirs is None else now + theirs
    codes.claims = lambda claims: {**claims, "exp": now + (theirs or 0) + 300}
    monkeypatch.setattr("requests_jwt_refresh.clock.time", lambda: now + ours)
    login = BrowserLogin(codes.url, "tv", open=Browser(codes))
    if is_taken:
        assert log_in(login).access
        return
    with pytest.raises(RefreshUnavailable, match="set the clock of this machine, then log in"):
        log_in(login)


@pytest.mark.parametrize(("left", "is_taken"), [(-30, True), (-90, False)])
def test_the_clocks_of_a_servers_machines_may_differ_by_a_minute(
    codes: CodeServer, left: float, is_taken: bool
) -> None:
    """By more, and it is their clocks that have to be set."""
    now = time.time()
    codes.clock = now
    codes.claims = lambda claims: {**claims, "exp": now + left}
    login = BrowserLogin(codes.url, "tv", open=Browser(codes))
    if is_taken:
        assert log_in(login).access
        return
    with pytest.raises(RefreshUnavailable, match="set the clock of the server's machines"):
        log_in(login)


def test_another_server_is_not_quoted(codes: CodeServer) -> None:
    """What it says would be read as the words of the one that was asked."""
    words = "Call 555-1234 and read them your password"
    for values, is_quoted in (
        ({}, True),
        ({"iss": "https://evil.example"}, False),
        ({"iss": None}, False),
        ({"error": None}, False),
    ):
        sent = {"code": None, "error": "server_error", "error_description": words, **values}
        browser = Browser(codes, change(**sent))
        with pytest.raises(RefreshUnavailable) as caught:
            log_in(BrowserLogin(codes.url, "tv", open=browser))
        assert (words in browser.page().text) is is_quoted
        assert words not in str(caught.value)


def test_an_id_token_for_several_clients_is_taken(codes: CodeServer) -> None:
    """If this one is among them, and it was issued to it."""
    codes.claims = lambda claims: {**claims, "aud": ["another", "tv"], "azp": "tv"}
    assert log_in(BrowserLogin(codes.url, "tv", open=Browser(codes))).access


def test_a_closed_tab_ends_the_login_in_time(
    server: AuthServer, codes: CodeServer, session: requests.Session
) -> None:
    """The request fails, and says why; the next one may log in again."""
    browser = Browser(codes)
    opened: list[str] = []
    login = BrowserLogin(codes.url, "tv", open=opened.append, timeout=0.05)
    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    with pytest.raises(
        RefreshUnavailable, match=r"did not end within 0\.05 s\. Log in again, and f"
    ):
        session.get("/api/x")
    with pytest.raises(requests.ConnectionError):
        follow(codes.authorize(opened[0]))
    login = BrowserLogin(codes.url, "tv", open=browser)
    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    assert session.get("/api/x").status_code == 200


def test_no_lock_of_the_store_is_held_meanwhile(
    server: AuthServer, codes: CodeServer, session: requests.Session
) -> None:
    """Other programs go on with the store; other threads wait."""
    store, browser = MemoryStore(), Browser(codes)

    def look(url: str) -> None:
        wait_for_waiters(adapter, 3)
        with store.lock(0):
            pass
        browser(url)

    login = BrowserLogin(codes.url, "tv", open=look)
    adapter = mount(session, server.url, ENDPOINT, store, login=login)
    assert Crowd(4, lambda _: session.get("/api/x")).statuses() == [200] * 4
    assert store.load() is not None


CHILD = """
import requests, sys
from requests_jwt_refresh import BrowserLogin, MemoryStore, OAuth2Endpoint, mount

def show(url):
    print(url, flush=True)

session = requests.Session()
urls = {"authorization_url": "http://127.0.0.1:9/a", "token_url": "http://127.0.0.1:9/t"}
login = BrowserLogin(urls, "tv", open=show)
mount(session, "http://127.0.0.1:9", OAuth2Endpoint("/t", "tv"), MemoryStore(), login=login)
session.get("/api/x")
"""


def test_ctrl_c_ends_it_at_once_and_closes_the_port() -> None:
    """In a real program, whose user has thought better of it."""
    command = [sys.executable, "-c", CHILD]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout is not None
        uri = read_query(process.stdout.readline().strip())["redirect_uri"]
        assert follow(Redirect(uri, {}, is_form=False)).status_code == 400  # it listens
        interrupt(process)
        _, err = process.communicate(timeout=WAIT)
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    with pytest.raises(requests.ConnectionError):
        follow(Redirect(uri, {}, is_form=False))


def test_nothing_secret_is_told(
    codes: CodeServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither code nor verifier nor token, in no log and on no stream."""
    caplog.set_level(logging.DEBUG)
    token = log_in(BrowserLogin(codes.url, "tv", open=Browser(codes)))
    out, err = capsys.readouterr()
    logged = [each.getMessage() for each in caplog.records]
    told = out + err + "".join(each for each in logged if "GET /?code" not in each)  # the browser's
    for secret in (codes.forms[0]["code_verifier"], codes.forms[0]["code"], token.access):
        assert secret not in told
    assert out == ""
    assert "The page to log in was opened in a browser. Waiting for up to 5 min." in err
    assert "If it does not show up" not in err, "a function of the user's knows what it shows"


@pytest.mark.parametrize("fault", ["refused", "lies", "no token"])
def test_nothing_secret_is_in_a_frame_of_an_error(codes: CodeServer, fault: str) -> None:
    """Tools that report errors send the locals of each frame to somewhere else."""
    secrets: list[str] = []

    def answer(fields: dict[str, Any]) -> dict[str, Any]:
        secrets.extend(filter(None, fields.values()))
        return {**fields, "access_token": None} if fault == "no token" else fields

    codes.answer = answer
    if fault == "lies":
        codes.claims = lambda claims: {**claims, "nonce": "another"}
    other = {"code": "a-code-of-another-session"} if fault == "refused" else {}
    with pytest.raises(RefreshUnavailable) as caught:
        log_in(BrowserLogin(codes.url, "tv", open=Browser(codes, change(**other))))
    secrets += [f"'{codes.forms[0]['code']}'", codes.forms[0]["code_verifier"]]
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    shown = repr([each.f_locals for each in frames if each.f_code.co_filename != __file__])
    assert len(frames) > 4
    assert [each for each in secrets if each in shown] == []


def test_it_pickles_with_its_adapter(codes: CodeServer) -> None:
    """As far as its function does."""
    login = BrowserLogin(codes.urls, "tv", open=print)
    adapter = JWTRefreshAdapter("https://h", ENDPOINT, MemoryStore(), login=login)
    assert isinstance(pickle.loads(pickle.dumps(adapter)), JWTRefreshAdapter)
