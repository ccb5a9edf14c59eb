"""The port that takes the end of a login in a browser: what does not belong to it changes nothing.

tests/test_browser_login.py is about the whole login.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

import pytest
import requests

from requests_jwt_refresh import InvalidURL, RefreshUnavailable
from requests_jwt_refresh.grants import loopback
from requests_jwt_refresh.grants.loopback import LoopbackReceiver
from requests_jwt_refresh.grants.pages import LOGGED_IN, make_failure
from requests_jwt_refresh.grants.redirects import Parameters, RedirectURI
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.grants.pages import Page

STATE = "the-state"
RIGHT = f"?code=the-code&state={STATE}"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "LINGER_SECONDS", 0.0)


class Waiting(NamedTuple):
    """A receiver whose response is waited for in another thread."""

    receiver: LoopbackReceiver
    received: list[Parameters | BaseException]

    @property
    def url(self) -> str:
        return self.receiver.redirect_uri

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].partition("/")[0])


@contextmanager
def waiting(
    uri: str = "http://127.0.0.1/cb", *, uses_post: bool = False, page: Page = LOGGED_IN
) -> Iterator[Waiting]:
    """Wait for one response, answer it with `page`, and close the port."""
    receiver = LoopbackReceiver(RedirectURI.parse(uri), STATE, uses_post=uses_post)
    found = Waiting(receiver, [])

    def receive() -> None:
        with receiver:
            try:
                found.received.append(receiver.receive(WAIT))
                receiver.finish(page)
            except BaseException as error:  # noqa: BLE001 - looked at by the test
                found.received.append(error)

    threads = start(receive)
    try:
        yield found
        assert get(found.url + RIGHT, method="POST" if uses_post else "GET").status_code == 200
    finally:
        join(*threads)
    parameters = found.received[0]
    assert isinstance(parameters, Parameters), parameters
    assert parameters.find("code") == "the-code"


def get(url: str, *, method: str = "GET", **headers: str) -> requests.Response:
    """Send one request; a POST has the query as its form."""
    where, _, query = url.partition("?")
    with requests.Session() as session:
        session.trust_env = False
        if method == "POST":
            headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
            return session.post(where, data=query, headers=headers, timeout=WAIT)
        return session.request(method, url, headers=headers, timeout=WAIT, allow_redirects=False)


def send(port: int, data: bytes) -> bytes:
    """Send bytes as they are, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as sock:
        sock.sendall(data)
        answer = bytearray()
        while chunk := sock.recv(65536):
            answer += chunk
        return bytes(answer)


def test_the_response_ends_the_wait() -> None:
    """The person sees that it worked; nothing is stored, run or loaded."""
    receiver = LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), STATE)
    pages: list[requests.Response] = []
    threads = start(lambda: pages.append(get(receiver.redirect_uri + RIGHT)))
    with receiver:
        assert receiver.receive(WAIT).find("code") == "the-code"
        receiver.finish(LOGGED_IN)
    join(*threads)
    page = pages[0]
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "You are logged in" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.findall(r"(?:src|href)=\"(?!data:,)", page.text)
    assert "<script" not in page.text
    with pytest.raises(requests.ConnectionError):  # the port is closed
        get(receiver.redirect_uri)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/favicon.ico", 404),
        (f"/other{RIGHT}", 404),
        (f"/cb/{RIGHT}", 404),
        (f"/CB{RIGHT}", 404),
        (f"/%63b{RIGHT}", 404),
        (f"//evil.example/cb{RIGHT}", 404),
        (f"/x/../cb{RIGHT}", 404),
        (f"/redirect?to=https://evil.example/&state={STATE}", 404),
        ("/cb", 400),
        ("/cb?code=another", 400),
        ("/cb?code=another&state=wrong", 400),
        ("/cb?code=another&state=", 400),
        (f"/cb?code=another&state={STATE}x", 400),
        (f"/cb?code=another&state={STATE.upper()}", 400),
        (f"/cb?code=another&state={STATE}&state=wrong", 400),
        (f"/cb?code=another&state=wrong&state={STATE}", 400),
        ("/cb?error=access_denied&state=wrong", 400),
        ("/cb?error=access_denied", 400),
        ("/cb?" + "&".join(f"a{n}=1" for n in range(200)) + f"&code=a&state={STATE}", 400),
        (f"/cb?code=another&state={'%FF' * 9}", 400),
    ],
)
def test_what_does_not_answer_this_login_changes_nothing(path: str, status: int) -> None:
    """Another program here posts to the port; a code or an error of another session."""
    with waiting() as found:
        answer = send(
            found.port, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{found.port}\r\n\r\n".encode()
        )
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"Location" not in answer
        assert b"text/plain" in answer
        assert b"evil" not in answer


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS"])
def test_another_method_changes_nothing(method: str) -> None:
    """A page elsewhere can have a form sent here."""
    with waiting() as found:
        assert get(found.url + RIGHT.replace("the-code", "x"), method=method).status_code == 400


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost:{port}", "127.0.0.1:1", ""],
)
def test_another_host_changes_nothing(host: str) -> None:
    """DNS rebinding: a name of an attacker's that leads to this machine (RFC 8252 §8.3)."""
    with waiting() as found:
        named = host.format(port=found.port)
        for path in ("/cb?code=x&state=the-state", "/other"):
            head = f"GET {path} HTTP/1.1\r\nHost: {named}\r\n\r\n".encode()
            assert send(found.port, head).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "head",
    [
        "GET {path} HTTP/1.1\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n folded: x\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost : {host}\r\n\r\n",
        "GET {path} HTTP/2.0\r\nHost: {host}\r\n\r\n",
        "GET {path}\r\n\r\n",
        "GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "get {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nX: a\x00b\r\n\r\n",
        "\x16\x03\x01 TLS\r\n\r\n",
        "\r\n\r\n",
    ],
)
def test_what_is_no_clear_request_changes_nothing(head: str) -> None:
    """What two programs could read in two ways is not read at all."""
    with waiting() as found:
        text = head.format(path=f"/cb?code=x&state={STATE}", host=f"127.0.0.1:{found.port}")
        assert send(found.port, text.encode("latin-1")).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /cb?code=" + b"x" * 20_000,
        b"GET /cb HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /cb HTTP/1.1\r\nContent-Length: 99999\r\n\r\n" + b"x" * 20_000,
    ],
    ids=["line", "header", "body"],
)
def test_an_oversized_request_is_refused(data: bytes) -> None:
    """16 KiB, and the answer is not lost with what is unread."""
    with waiting() as found:
        assert send(found.port, data).startswith(b"HTTP/1.1 400 ")


def test_nothing_is_taken_after_the_first_request_of_a_connection() -> None:
    """What a client smuggles in behind it, or sends after its answer."""
    with waiting() as found:
        host = f"Host: 127.0.0.1:{found.port}\r\n\r\n"
        first = f"GET /other HTTP/1.1\r\n{host}".encode()
        second = f"GET /cb?code=x&state={STATE} HTTP/1.1\r\n{host}".encode()
        assert send(found.port, first + second).startswith(b"HTTP/1.1 404 ")
        with socket.create_connection(("127.0.0.1", found.port), WAIT) as sock:
            sock.sendall(first)
            while sock.recv(65536):
                pass
            sock.sendall(second)
            assert get(found.url).status_code == 400


def test_slow_clients_hold_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its seconds; meanwhile others are answered."""
    monkeypatch.setattr(loopback, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(loopback, "_TICK", 0.05)
    with waiting() as found:
        slow = [socket.create_connection(("127.0.0.1", found.port), WAIT) for _ in range(20)]
        for each in slow:
            each.sendall(b"GET /cb?code=x")
        assert get(found.url).status_code == 400
        for each in slow:
            assert each.recv(10) == b""  # closed by the receiver
            each.close()


def test_a_flood_ends_the_login() -> None:
    """100 requests; then an error says so, and the port is closed."""
    receiver = LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), STATE)
    statuses: list[int] = []

    def flood() -> None:
        while True:
            try:
                statuses.append(get(receiver.redirect_uri).status_code)
            except requests.ConnectionError:
                return

    with receiver:
        threads = start(flood)
        with pytest.raises(RefreshUnavailable, match="got more than 100 requests, and none"):
            receiver.receive(WAIT)
    join(*threads)
    assert statuses == [400] * 100


def test_the_page_asked_again_says_that_it_is_done() -> None:
    """A second tab, or a browser that asks twice; the first response counts."""
    receiver = LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), STATE)
    again = (RIGHT, RIGHT.replace("the-code", "x"), f"?error=e&state={STATE}", "?code=x&state=y")
    pages: list[requests.Response] = []

    def ask() -> None:
        pages.extend(get(receiver.redirect_uri + query) for query in (RIGHT, *again))

    with receiver:
        threads = start(ask)
        parameters = receiver.receive(WAIT)
        receiver.finish(LOGGED_IN)
        receiver.serve(monotonic() + WAIT, lambda: not threads[0].is_alive())
    join(*threads)
    titles = [re.findall("<title>(.*)</title>", page.text) for page in pages]
    assert titles == [["You are logged in"], *[["This login has ended"]] * 3, []]
    assert [page.status_code for page in pages] == [200, 200, 200, 200, 400]
    assert parameters.find("code") == "the-code"


def test_a_second_request_at_the_same_time_is_answered_as_well() -> None:
    """It waits while the code is traded in."""
    with waiting() as found:
        pass
    assert found.received
    receiver = LoopbackReceiver(RedirectURI.parse("http://127.0.0.1/cb"), STATE)
    pages: list[requests.Response] = []
    with receiver:
        threads = start(*[lambda: pages.append(get(receiver.redirect_uri + RIGHT))] * 2)
        receiver.receive(WAIT)
        receiver.finish(LOGGED_IN)
        receiver.serve(monotonic() + WAIT, lambda: len(pages) == 2)
    join(*threads)
    assert sorted("You are logged in" in page.text for page in pages) == [False, True]


def test_a_browser_that_has_left_is_no_error() -> None:
    """The tab was closed before the page came."""
    with LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), STATE) as receiver:
        port = int(receiver.redirect_uri.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), WAIT) as sock:
            head = f"GET /{RIGHT} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
            sock.sendall(head.encode())
            assert receiver.receive(WAIT).find("code") == "the-code"
        receiver.finish(LOGGED_IN)


def test_nobody_comes_back() -> None:
    """A closed tab: an error after the time that was given, and the port is closed."""
    with LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), STATE) as receiver:
        with pytest.raises(RefreshUnavailable, match=r"did not end within 0.01 s. Log in again"):
            receiver.receive(0.01)
        url = receiver.redirect_uri
    with pytest.raises(requests.ConnectionError):
        get(url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_does_not_keep_the_port_open() -> None:
    """A program that forks while a person logs in: its child lives on, the port ends with us."""
    receiver = LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), STATE)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)  # until the parent has seen it
        os._exit(0)
    try:
        threads = start(lambda: get(receiver.redirect_uri + RIGHT))
        with receiver:
            assert receiver.receive(WAIT).find("code") == "the-code"
            receiver.finish(LOGGED_IN)
        join(*threads)
        with pytest.raises(requests.ConnectionError):
            get(receiver.redirect_uri)
        uri = RedirectURI.parse(receiver.redirect_uri)
        LoopbackReceiver(uri, STATE).close()  # the next login has the port
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)


def test_what_the_server_says_is_escaped() -> None:
    """A script in error_description, or in what went wrong, is text."""
    page = make_failure(SCRIPT, "do 'this'", f"{SCRIPT}\x1b[2J" + "x" * 1000).encode().decode()
    head, _, body = page.partition("\r\n\r\n")
    assert "<script" not in body
    assert body.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "\x1b" not in body
    assert len(body) < 2500
    assert "script-src" not in head
    assert "default-src 'none'" in head


def test_the_style_is_what_the_policy_allows() -> None:
    """Else the page would be without it."""
    head, _, body = LOGGED_IN.encode().decode().partition("\r\n\r\n")
    style = re.findall("<style>(.*)</style>", body, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in head


def test_a_form_is_taken_where_it_was_asked_for() -> None:
    """response_mode=form_post; then nothing else is."""
    with waiting(uses_post=True) as found:
        assert get(found.url + RIGHT.replace("the-code", "x")).status_code == 400
        wrong = {"Content-Type": "text/plain"}
        assert get(found.url + RIGHT, method="POST", **wrong).status_code == 400
        assert get(found.url + "?code=x", method="POST").status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "LOCALHOST"])
def test_each_way_to_name_this_machine(host: str) -> None:
    """A browser may look localhost up as either address; both are ours."""
    try:
        receiver = LoopbackReceiver(RedirectURI.parse(f"http://{host}/cb"), STATE)
    except RefreshUnavailable:
        pytest.skip("this machine has no IPv6")
    receiver.close()
    assert re.fullmatch(rf"http://{re.escape(host)}:[0-9]+/cb", receiver.redirect_uri)
    with waiting(f"http://{host}/cb"):
        pass


def test_a_port_is_as_it_is_registered_and_a_busy_one_is_a_clear_error() -> None:
    """The URI is sent as it is written; nothing else is tried."""
    with LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), STATE) as first:
        uri = f"{first.redirect_uri}/cb?tenant=a"
        port = first.redirect_uri.rsplit(":", 1)[1]
        with pytest.raises(RefreshUnavailable) as caught:
            LoopbackReceiver(RedirectURI.parse(uri), STATE)
        assert f"port {port} of the redirect_uri {uri} is in use" in str(caught.value)
        with pytest.raises(RefreshUnavailable, match="is in use"):
            LoopbackReceiver(RedirectURI.parse(uri.replace("127.0.0.1", "localhost")), STATE)
    with LoopbackReceiver(RedirectURI.parse(uri), STATE) as again:
        assert again.redirect_uri == uri


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("127.0.0.1:80", "no scheme"),
        ("/cb", "no scheme"),
        ("http://", "no host"),
        ("http://127.0.0.1/#x", "a fragment"),
        ("http://127.0.0.1@evil.example/", "user name"),
        ("http://127.0.0.1:0/", "port 0"),
        ("http://127.0.0.1:x/", "not a URL"),
        ("http://127.0.0.1/a/../b", "browsers change"),
        ("http://127.0.0.1/%2e%2E/b", "browsers change"),
        ("http://127.0.0.1/a b", "a space"),
        ("http://127.0.0.1/\r\nX: y", "a space"),
        ("http://127.0.0.1/{x}", "browsers change"),
    ],
)
def test_a_redirect_uri_that_cannot_be_is_a_clear_error(uri: str, problem: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidURL, match=problem):
        RedirectURI.parse(uri)


@pytest.mark.parametrize(
    ("uri", "is_loopback"),
    [
        ("http://127.0.0.1", True),
        ("http://[::1]:8400/cb", True),
        ("http://localhost:8400", True),
        ("https://127.0.0.1", False),
        ("http://127.0.0.2", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.example", False),
        ("https://app.example.com/cb", False),
        ("com.example.app:/cb", False),
    ],
)
def test_we_listen_on_this_machine_alone(uri: str, is_loopback: bool) -> None:
    """And never for https, for which there is no certificate."""
    assert RedirectURI.parse(uri).is_loopback is is_loopback
