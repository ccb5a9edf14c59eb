"""Nothing outlives refresh_timeout, whatever the server does, and no thread has to watch it."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.util import parse_url

from requests_jwt_refresh import MemoryStore, RefreshUnavailable, Token, mount
from requests_jwt_refresh.refresh import deadline as deadlines
from requests_jwt_refresh.refresh import retries
from requests_jwt_refresh.refresh.client import ClientSession, SendOptions, send_request
from requests_jwt_refresh.refresh.connections import can_keep_deadline
from requests_jwt_refresh.refresh.single_flight import THREAD_NAME
from requests_jwt_refresh.testing import Hang
from tests.support.endless import TLSBytes, read_head, run_endless
from tests.support.processes import run_python
from tests.support.sessions import plain_session
from tests.support.tls_server import Endpoint, certificate, tls_server
from tests.support.users import ENDPOINT, store
from tests.support.waits import WAIT, join

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.endless import Endless

__all__ = ["store"]  # a fixture

SECONDS = 0.4
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SERVERS = ("AuthServer", "serve_forever", "process_request")  # in the names of their threads
LARGE = 8 * 1024 * 1024  # bytes that no socket takes unread


@pytest.fixture
def watchdogs(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The watchdogs that are started."""
    started: list[object] = []
    start_one = deadlines.Watchdog.__init__

    def note(self: Any, *arguments: Any) -> None:
        started.append(self)
        start_one(self, *arguments)

    monkeypatch.setattr(deadlines.Watchdog, "__init__", note)
    return started


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1's, with its key."""
    return certificate(tmp_path_factory.mktemp("tls"), 1)


def ask(url: str, options: SendOptions, *, data: bytes = b"", seconds: float = SECONDS) -> str:
    """Send one request that cannot be answered; return what the error says."""
    with ClientSession(seconds, options, RequestsCookieJar()) as session:
        request = requests.Request("POST", url, data=data)
        with pytest.raises(RefreshUnavailable) as caught:
            send_request(session, request, options, seconds)
    return str(caught.value)


# --- Servers that never end ----------------------------------------------------------------------


def send_a_header(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(HEAD + b"X: ")
    server.trickle(sock)


def send_headers(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    server.trickle(sock, b"HTTP/1.1 100 Continue\r\n\r\n")


def send_a_body(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
    server.trickle(sock)


def send_to_the_end(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(HEAD + b"Connection: close\r\n\r\n")
    server.trickle(sock)


def send_a_chunk_size(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;")
    server.trickle(sock)


def send_chunks(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    server.trickle(sock, b"1\r\n0\r\n")


def send_a_trailer(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ")
    server.trickle(sock)


def send_the_body_of_a_503(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(b"HTTP/1.1 503 Later\r\nContent-Length: 100000\r\n\r\n")
    server.trickle(sock)


def send_503s(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    server.trickle(sock, b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", times=1)
    server.trickle(sock)


def send_nothing(_server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    if not sock.recv(1):
        raise ConnectionAbortedError


ENDLESS = [
    send_nothing,
    send_a_header,
    send_headers,
    send_a_body,
    send_to_the_end,
    send_a_chunk_size,
    send_chunks,
    send_a_trailer,
    send_the_body_of_a_503,
    send_503s,
]


def name(function: Any) -> str:
    return str(function.__name__)


@pytest.mark.parametrize("play", ENDLESS, ids=name)
def test_it_ends_without_a_thread(
    play: Callable[[Endless, socket.socket], None], watchdogs: list[object]
) -> None:
    """Each is RefreshUnavailable, and the connection is closed."""
    with run_endless(play) as server:
        text = ask(f"http://{server.address}/", SendOptions())
        assert server.hung_up.wait(WAIT)
    assert "within 0.4 s" in text
    assert not watchdogs


class _Connection(HTTPConnection):
    """One of the user's own."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _Transport(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": HTTPSConnectionPool}


@pytest.mark.parametrize("play", ENDLESS, ids=name)
def test_connections_of_the_users_own_are_watched(
    play: Callable[[Endless, socket.socket], None], watchdogs: list[object]
) -> None:
    """What they do about timeouts is not known, so that a thread ends them."""
    with run_endless(play) as server:
        ask(f"http://{server.address}/", SendOptions(transport=_Transport()))
        assert server.hung_up.wait(WAIT)
    assert watchdogs


@pytest.mark.parametrize("play", ENDLESS[1:], ids=name)
def test_a_proxy_is_no_way_around_it(
    play: Callable[[Endless, socket.socket], None], watchdogs: list[object]
) -> None:
    """One that never comes to an end with its answer to CONNECT, or with the server's."""
    with run_endless(play) as proxy:
        options = SendOptions(proxies=dict.fromkeys(("http", "https"), f"http://{proxy.address}"))
        for url in ("http://api.invalid/", "https://api.invalid/"):
            proxy.hung_up.clear()
            ask(url, options)
            assert proxy.hung_up.wait(WAIT)
    assert not watchdogs


# --- TLS -----------------------------------------------------------------------------------------


def shake_hands_slowly(server: Endless, sock: socket.socket, _ca: Path) -> None:
    sock.recv(4096)
    sock.sendall(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 KiB begins
    server.trickle(sock)


def send_a_record_slowly(server: Endless, sock: socket.socket, ca: Path) -> None:
    tls = TLSBytes(sock, ca)
    tls.read()
    server.trickle(sock, tls.encrypt(HEAD + b"Content-Length: 4000\r\n\r\n" + b"0" * 4000))


def send_records_slowly(server: Endless, sock: socket.socket, ca: Path) -> None:
    tls = TLSBytes(sock, ca)
    tls.read()
    sock.sendall(tls.encrypt(HEAD + b"Content-Length: 100000\r\n\r\n"))
    while True:
        server.wait()
        sock.sendall(tls.encrypt(b"0"))


def read_slowly(server: Endless, sock: socket.socket, ca: Path) -> None:
    TLSBytes(sock, ca)
    while sock.recv(40 * 1024):
        server.wait()
    raise ConnectionAbortedError


@pytest.mark.parametrize(
    "play", [shake_hands_slowly, send_a_record_slowly, send_records_slowly, read_slowly], ids=name
)
def test_it_ends_under_tls(
    play: Callable[[Endless, socket.socket, Path], None], ca: Path, watchdogs: list[object]
) -> None:
    """A handshake, a record, a body, and a request that is read slowly."""
    data = b"0" * LARGE if play is read_slowly else b""
    with run_endless(lambda server, sock: play(server, sock, ca)) as server:
        ask(f"https://{server.address}/", SendOptions(verify=str(ca)), data=data)
        assert server.hung_up.wait(WAIT)
    assert not watchdogs


@pytest.mark.parametrize("is_read", [True, False])
def test_a_request_that_is_not_read(is_read: bool, watchdogs: list[object]) -> None:
    """Not at all, or a few bytes at a time."""

    def play(server: Endless, sock: socket.socket) -> None:
        while not is_read or sock.recv(1000):
            server.wait()

    with run_endless(play) as server:
        ask(f"http://{server.address}/", SendOptions(), data=b"0" * LARGE)
    assert not watchdogs


def send_no_length(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(HEAD + b'Connection: close\r\n\r\n{"access_token": "part of it"}')
    server.trickle(sock, b" ")


@pytest.mark.parametrize("play", [send_no_length, send_a_trailer], ids=name)
def test_what_came_until_then_is_no_answer(
    play: Callable[[Endless, socket.socket], None],
) -> None:
    """Over a user's own session it may look whole, since a watchdog ends the connection."""
    request = requests.Request("POST", "http://")
    with run_endless(play) as server, plain_session() as own:
        request.url = f"http://{server.address}/"
        with pytest.raises(RefreshUnavailable, match=r"within 0\.4 s"):
            send_request(own, request, SendOptions(), SECONDS)


# --- Timeouts of the user's own ------------------------------------------------------------------


def test_a_shorter_timeout_of_a_functions_own_holds() -> None:
    """It may give up sooner than refresh_timeout."""
    with (
        run_endless(send_nothing) as server,
        ClientSession(2 * WAIT, SendOptions(), RequestsCookieJar()) as session,
        pytest.raises(requests.ConnectionError, match=r"read timeout=0\.1"),
    ):
        session.get(f"http://{server.address}/", timeout=0.1)


@pytest.mark.parametrize("play", [shake_hands_slowly, send_records_slowly], ids=name)
def test_a_longer_one_does_not(
    play: Callable[[Endless, socket.socket, Path], None], ca: Path, watchdogs: list[object]
) -> None:
    """Nothing outlives refresh_timeout."""
    with (
        run_endless(lambda server, sock: play(server, sock, ca)) as server,
        ClientSession(SECONDS, SendOptions(verify=str(ca)), RequestsCookieJar()) as session,
    ):
        with pytest.raises(requests.RequestException):
            session.get(f"https://{server.address}/", timeout=2 * WAIT)
        assert server.hung_up.wait(WAIT)
    assert not watchdogs


# --- Whose connections keep it -------------------------------------------------------------------


class _OtherSocket(ssl.SSLSocket):
    """As gevent's, say."""


class _OtherContext(ssl.SSLContext):
    sslsocket_class = _OtherSocket


class _Response(http.client.HTTPResponse):
    """One of a program's own."""


def make_pool(kind: type[HTTPConnectionPool], **options: Any) -> HTTPConnectionPool:
    return kind("api.invalid", **options)


def test_urllib3s_own_connections_keep_it() -> None:
    """Over TLS as well, with a context of the standard library's, and through a proxy."""
    context = ssl.create_default_context()
    proxy = parse_url("http://proxy.invalid")
    socks = pytest.importorskip("urllib3.contrib.socks")
    for pool in (
        make_pool(HTTPConnectionPool),
        make_pool(HTTPSConnectionPool),
        make_pool(HTTPSConnectionPool, ssl_context=context),
        make_pool(HTTPSConnectionPool, _proxy=proxy),
        make_pool(socks.SOCKSHTTPSConnectionPool, _socks_options={}),
    ):
        assert can_keep_deadline(pool)


def test_connections_of_another_kind_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one wait may be made of several, each with a timeout of its own."""
    other = _OtherContext(ssl.PROTOCOL_TLS_CLIENT)
    proxy = parse_url("https://proxy.invalid")
    assert not can_keep_deadline(make_pool(_Pool))
    assert not can_keep_deadline(make_pool(HTTPSConnectionPool, ssl_context=other))
    assert not can_keep_deadline(make_pool(HTTPSConnectionPool, ssl_context=object()))
    assert not can_keep_deadline(make_pool(HTTPSConnectionPool, _proxy=proxy)), "TLS in TLS"
    monkeypatch.setattr(HTTPConnection, "response_class", _Response)
    assert not can_keep_deadline(make_pool(HTTPConnectionPool))


# --- Threads -------------------------------------------------------------------------------------


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that are started, but for those of servers."""
    started: list[str] = []
    start_one = threading.Thread.start

    def note(self: threading.Thread) -> None:
        if not any(each in self.name for each in SERVERS):
            started.append(self.name)
        start_one(self)

    monkeypatch.setattr(threading.Thread, "start", note)
    return started


def get_in_thread(session: requests.Session, url: str) -> None:
    """Get it where no signal handler can interrupt: the main thread needs help with those."""
    statuses: list[int] = []
    thread = threading.Thread(
        target=lambda: statuses.append(session.get(url).status_code), name="the request's"
    )
    thread.start()
    join(thread)
    assert statuses == [200]


def test_a_refresh_starts_one_thread(
    server: AuthServer, session: requests.Session, store: MemoryStore, threads: list[str]
) -> None:
    """Its own, which the end of the program waits for."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    get_in_thread(session, "/api/x")
    assert server.counters.rotated == 1
    assert threads == ["the request's", THREAD_NAME]


class _API(Endpoint):
    """Takes one token, which its refresh endpoint gives."""

    def do_GET(self) -> None:  # noqa: N802 - BaseHTTPRequestHandler's name
        self._answer(200 if self.headers["Authorization"] == "Bearer new" else 401)

    def do_POST(self) -> None:  # noqa: N802 - BaseHTTPRequestHandler's name
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200)

    def _answer(self, status: int) -> None:
        body = b'{"access_token": "new"}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_refresh_over_tls_starts_one_thread(
    session: requests.Session, ca: Path, threads: list[str]
) -> None:
    """As over http."""
    session.verify = str(ca)
    with tls_server(ca, _API) as url:
        mount(session, url, ENDPOINT, MemoryStore(Token("old", "refresh")))
        get_in_thread(session, "/x")
    assert threads == ["the request's", THREAD_NAME]


# --- At the end of the program -------------------------------------------------------------------


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Once it is set, nothing but this library's threads keeps the program from ending."""
    event = threading.Event()
    monkeypatch.setattr(deadlines, "is_program_ending", event.is_set)
    return event


def find_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.parametrize("play", [send_nothing, send_a_header, send_a_body], ids=name)
def test_an_early_refresh_has_little_time_then(
    play: Callable[[Endless, socket.socket], None],
    is_ours: bool,
    ending: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is cut off, and one WARNING says what may be lost."""

    def end_program(server: Endless, sock: socket.socket) -> None:
        ending.set()
        play(server, sock)

    with run_endless(end_program) as server:
        url = f"http://{server.address}/"
        options = SendOptions(exit_grace=0.1, transport=None if is_ours else _Transport())
        ask(url, options, seconds=2 * WAIT)
        assert server.hung_up.wait(WAIT)
        assert server.connections == 1
    (text,) = find_warnings(caplog)
    assert url in text
    assert "a new login is needed" in text


def test_a_pause_that_is_longer_than_that_is_not_slept_through(
    ending: threading.Event, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has said that it gives nothing: there is nothing to warn of."""

    def pause(_server: Endless, sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 503 Later\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n")
        if not sock.recv(1):
            raise ConnectionAbortedError

    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        ending.set()

    monkeypatch.setattr(retries, "sleep", sleep)
    with run_endless(pause) as server:
        ask(f"http://{server.address}/", SendOptions(exit_grace=1.0), seconds=2 * WAIT)
        assert server.connections == 1
    assert len(slept) == 1
    assert not find_warnings(caplog)


def test_a_body_over_a_session_of_the_users_own_has_little_time_then(
    ending: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """A watchdog looks for the end of the program."""

    def end_program(server: Endless, sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(HEAD + b"Connection: close\r\n\r\n")
        ending.set()
        server.trickle(sock)

    with run_endless(end_program) as server, plain_session() as own:
        request = requests.Request("POST", f"http://{server.address}/")
        with pytest.raises(RefreshUnavailable):
            send_request(own, request, SendOptions(exit_grace=0.1), 2 * WAIT)
    assert len(find_warnings(caplog)) == 1


def test_a_handshake_has_little_time_from_the_start(ca: Path) -> None:
    """Nothing has been sent, so that nothing is lost, and it cannot be waited for in slices."""
    with run_endless(lambda server, sock: shake_hands_slowly(server, sock, ca)) as server:
        options = SendOptions(verify=str(ca), exit_grace=0.1)
        ask(f"https://{server.address}/", options, seconds=2 * WAIT)
        assert server.hung_up.wait(WAIT)


def test_a_handshake_after_a_proxys_answer_has_all_of_it(ca: Path) -> None:
    """Not only what was left of the last slice in which that answer was waited for."""

    def play(server: Endless, sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(30):
            server.wait()
        tls = TLSBytes(sock, ca)
        tls.read()
        sock.sendall(tls.encrypt(HEAD + b"Content-Length: 2\r\n\r\n{}"))

    with run_endless(play) as proxy:
        options = SendOptions(
            verify=str(ca), exit_grace=WAIT, proxies={"https": f"http://{proxy.address}"}
        )
        with ClientSession(2 * WAIT, options, RequestsCookieJar()) as session:
            request = requests.Request("POST", "https://127.0.0.1:1/")
            assert send_request(session, request, options, 2 * WAIT).status == 200
        assert proxy.connections == 1


@pytest.mark.parametrize("pause", [0, 20])
def test_an_answer_that_comes_then_is_used(
    pause: int, ending: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Its time is not over yet; nothing is warned of."""

    def end_program(server: Endless, sock: socket.socket) -> None:
        read_head(sock)
        ending.set()
        for _ in range(pause):
            server.wait()
        sock.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    options = SendOptions(exit_grace=WAIT)
    with (
        run_endless(end_program) as server,
        ClientSession(2 * WAIT, options, RequestsCookieJar()) as session,
    ):
        request = requests.Request("POST", f"http://{server.address}/")
        assert send_request(session, request, options, 2 * WAIT).status == 200
    assert not find_warnings(caplog)


def test_it_has_all_its_time_while_the_program_runs(
    ending: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """A timeout like any other is no reason for a warning."""
    with run_endless(send_nothing) as server:
        text = ask(f"http://{server.address}/", SendOptions(exit_grace=0.01))
    assert "within 0.4 s" in text
    assert not ending.is_set()
    assert not find_warnings(caplog)


def test_a_refresh_that_is_waited_for_has_all_its_time(
    ending: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Only an early one is given up at the end of the program."""
    ending.set()
    with run_endless(send_nothing) as server:
        assert "within 0.4 s" in ask(f"http://{server.address}/", SendOptions())
    assert not find_warnings(caplog)


def test_the_time_for_the_end_goes_with_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no_proxy takes out a proxy."""
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    monkeypatch.setenv("no_proxy", "auth.invalid")
    options = SendOptions(
        proxies={"http": "http://proxy.invalid"}, url="http://api.invalid/", exit_grace=5.0
    )
    found = options.for_url("http://auth.invalid/")
    assert found.proxies == {}
    assert found.exit_grace == 5.0


def test_a_program_ends_in_the_middle_of_an_early_refresh(server: AuthServer) -> None:
    """It does not wait for refresh_timeout, and says what may be lost."""
    token = server.login()
    server.fail(Hang(), times=None)
    code = """
import sys, threading, time, requests
from requests_jwt_refresh import JSONEndpoint, MemoryStore, Token, mount
from requests_jwt_refresh.refresh import client, refresher
refresher.EXIT_GRACE = 0.3
begun, exchange = threading.Event(), client.exchange
def note(*args, **options):
    begun.set()
    return exchange(*args, **options)
client.exchange = note
url, access, refresh = sys.argv[1:]
session = requests.Session()
session.trust_env = False
token = Token(access, refresh, expires_at=time.time() + 30)
mount(session, url, JSONEndpoint("/auth/refresh"), MemoryStore(token), refresh_timeout=1000)
sys.stderr = sys.stdout  # where logging's last resort writes
print(session.get("/api/x").status_code, flush=True)
assert begun.wait(30)
"""
    output = run_python(code, server.url, token.access or "", token.refresh or "")
    assert output.startswith("200\n")
    assert output.count("a new login is needed") == 1
