"""Unavailable: no answer that counts. The tokens are kept, and it works again afterwards."""

from __future__ import annotations

import gzip
import http.server
import json
import logging
import shutil
import ssl
import subprocess
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from requests_jwt_refresh import TokenResponse
from requests_jwt_refresh import adapter as adapter_module
from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.errors import RefreshUnavailable, StoreError
from requests_jwt_refresh.mounting import mount
from requests_jwt_refresh.refresh import holding, refresher
from requests_jwt_refresh.refresh.client import MAX_RESPONSE_BYTES, RETRIES
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import (
    HTML,
    AuthServer,
    Drop,
    DropAfter,
    Hang,
    Huge,
    JSONBody,
    Redirect,
    Status,
    Trickle,
    Truncated,
)
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing import Fault

WAIT = 30.0  # seconds; only a failing test ever passes them
ENDPOINT = JSONEndpoint("/auth/refresh")
ALL = 1 + RETRIES
GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


class Clock:
    """Stands in for the time module where the pauses after a failure are counted."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        self.now += 0.000_001
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def _no_real_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    for module in (adapter_module, refresher, holding):
        monkeypatch.setattr(module, "time", clock)


@pytest.fixture
def store(server: AuthServer) -> MemoryStore:
    """A store that holds a login."""
    return MemoryStore(server.login())


@pytest.fixture
def elsewhere() -> Iterator[AuthServer]:
    """A server that nobody should ask."""
    with AuthServer() as elsewhere:
        yield elsewhere


def failure_of(session: requests.Session) -> RefreshUnavailable:
    """Return what a request fails with whose token is over."""
    with pytest.raises(RefreshUnavailable) as caught:
        session.get("/api/x")
    response = caught.value.response
    assert response is not None
    assert (response.status_code, response.json()) == (401, {"message": "Invalid JWT"})
    return caught.value


def current(store: MemoryStore) -> Token:
    token = store.load()
    assert token is not None
    return token


def assert_no_secret(text: str, *tokens: Token) -> None:
    secrets = [secret for token in tokens for secret in (token.access, token.refresh) if secret]
    halves = [half for each in secrets for half in (each[: len(each) // 2], each[len(each) // 2 :])]
    assert not any(half in text for half in halves), "a token can be read"
    assert "eyJ" not in text, "something like a JWT can be read"
    assert "aaaaaaaa" not in text, "the answer's body can be read"


# --- Every fault the endpoint can have -----------------------------------------------------------


def bomb() -> Status:
    """Return 20 MB of JSON that travel as 20 kB."""
    text = '{"access_token": "' + "a" * 20_000_000 + '"}'
    return Status(200, body=gzip.compress(text.encode()), headers=GZIP)


@pytest.mark.parametrize(
    ("fault", "attempts", "says"),
    [
        (Status(408), 1, "answered 408"),
        (Status(429), ALL, "answered 429"),
        (Status(500), 1, "answered 500"),
        (Status(502), ALL, "answered 502"),
        (Status(503), ALL, "answered 503"),
        (Status(504), ALL, "answered 504"),
        (Status(404), 1, "answered 404: check its URL"),
        (Drop(), ALL, "hung up"),
        (HTML(), 1, "answered 200, but its body is not JSON (text/html)"),
        (HTML(502), ALL, "answered 502"),
        (Status(200), 1, "its body is empty"),
        (Truncated(), 1, "its body is not JSON (application/json)"),
        (JSONBody(["eyJhbGciOi"]), 1, "its JSON is a list without 'access_token'"),
        (JSONBody({"token": "eyJhbGciOi"}), 1, "no 'access_token', only 'token'"),
        (JSONBody({"access_token": 7}), 1, "'access_token' is a number"),
        (JSONBody({"access_token": "eyJhbGciOi\n"}), 1, "has a line break"),
        (JSONBody(None), 1, "its JSON is null"),
        (Status(200, body=b"[" * 200_000), 1, "answered 200, but"),
        (Status(200, body=b"{}", headers=GZIP), 1, "the refresh endpoint at http://127.0.0.1"),
        (Huge(), 1, "more than 1 MiB"),
        (Huge(MAX_RESPONSE_BYTES + 1), 1, "more than 1 MiB"),
        (bomb(), 1, "more than 1 MiB"),
    ],
    ids=repr,
)
def test_a_fault(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    attempts: int,
    says: str,
) -> None:
    """Each is RefreshUnavailable that says what happened; 429, 502 to 504 and drops are retried."""
    caplog.set_level(logging.DEBUG)
    before = current(store)
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(fault, times=None)
    failure = failure_of(session)
    assert says in str(failure)
    assert "tokens are kept" in str(failure)
    assert server.counters.refreshes == attempts
    assert store.load() == before
    server.heal()
    assert session.get("/api/x").status_code == 200
    told = "".join(traceback.format_exception(failure)) + caplog.text
    assert_no_secret(told, before, current(store))


@pytest.mark.parametrize("fault", [Hang(), Trickle(part="header"), Trickle(part="body")], ids=repr)
def test_an_answer_that_takes_too_long(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
) -> None:
    """refresh_timeout bounds all of a refresh: silence, a slow header, a slow body."""
    caplog.set_level(logging.DEBUG)
    before = current(store)
    server.grace = 60  # a trickled answer has rotated
    mount(session, server.url, ENDPOINT, store, refresh_timeout=0.5)
    server.expire()
    server.fail(fault, times=None)
    failure = failure_of(session)
    assert "0.5 s" in str(failure)
    assert server.counters.refreshes == 1
    assert store.load() == before
    server.heal()
    assert session.get("/api/x").status_code == 200
    told = "".join(traceback.format_exception(failure)) + caplog.text
    assert_no_secret(told, before, current(store))


def test_an_answer_cut_short(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """An answer that breaks off in its body is no answer: the tokens are kept."""
    before = store.load()
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Truncated(short=True), times=None)
    assert "hung up" in str(failure_of(session))
    assert server.counters.refreshes == 2
    assert store.load() == before
    server.heal()
    assert session.get("/api/x").status_code == 200


def test_an_answer_cut_short_is_asked_for_again(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Inside the server's grace window, the second answer is as good as the first."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Truncated(short=True), times=1)
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    elsewhere: AuthServer,
    status: int,
) -> None:
    """A refresh token is for its endpoint alone: a redirect is a fault that names the target."""
    before = store.load()
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Redirect(f"{elsewhere.url}/auth/refresh", status))
    assert f"redirects to {elsewhere.url}/auth/refresh" in str(failure_of(session))
    assert elsewhere.requests == []
    assert server.counters.refreshes == 1
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


def test_a_callables_session_follows_no_redirect(
    server: AuthServer, session: requests.Session, store: MemoryStore, elsewhere: AuthServer
) -> None:
    """Nor does the session that a callable is given, which need not think of it."""
    statuses: list[int] = []

    def refresh(session: requests.Session, token: Token) -> Token:
        url = f"{server.url}/auth/refresh"
        response = session.post(url, json={"refresh_token": token.refresh})
        statuses.append(response.status_code)
        return Token(response.json()["access_token"])

    mount(session, server.url, refresh, store)
    server.expire()
    server.fail(Redirect(f"{elsewhere.url}/auth/refresh"))
    failure_of(session)
    assert statuses == [307]
    assert elsewhere.requests == []


def test_nobody_listens(
    server: AuthServer, session: requests.Session, store: MemoryStore, elsewhere: AuthServer
) -> None:
    """An endpoint that cannot be reached is unavailable too, and the system's reason is told."""
    before = store.load()
    mount(session, server.url, JSONEndpoint(f"{elsewhere.url}/auth/refresh"), store)
    elsewhere.stop()
    server.expire()
    assert "could not be reached" in str(failure_of(session))
    assert store.load() == before


@pytest.mark.parametrize(
    "fault", [Status(429), Status(502), Status(503), Status(504), Drop()], ids=repr
)
def test_one_fault_is_not_noticed(
    server: AuthServer, session: requests.Session, store: MemoryStore, fault: Fault
) -> None:
    """What may be over in a moment is asked again promptly."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(fault)
    assert session.get("/api/x").status_code == 200
    assert (server.counters.refreshes, server.counters.rotated) == (2, 1)


def test_a_lost_answer(server: AuthServer, session: requests.Session, store: MemoryStore) -> None:
    """An answer lost after the rotation is asked for again, within the server's grace time."""
    server.grace = 60
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(DropAfter())
    assert session.get("/api/x").status_code == 200
    counters = server.counters
    assert (counters.refreshes, counters.rotated, counters.repeated) == (2, 1, 1)
    assert server.family_alive(current(store))
    server.expire()
    assert session.get("/api/x").status_code == 200


def test_retry_after_is_kept_within_the_refresh(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A server that asks for more patience than a refresh has is not asked a second time."""
    mount(session, server.url, ENDPOINT, store, refresh_timeout=2)
    server.expire()
    server.fail(Status(503, retry_after=3), times=None)
    failure = failure_of(session)
    assert "answered 503 and asks for 3 s" in str(failure)
    assert failure.retry_after == 3
    assert server.counters.refreshes == 1


# --- Callable endpoints --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route"),
        requests.ConnectionError("no route"),
        requests.Timeout("too late"),
        ValueError("no JSON"),
        KeyError("access"),
    ],
    ids=repr,
)
def test_a_callable_that_raises(
    server: AuthServer, session: requests.Session, store: MemoryStore, error: Exception
) -> None:
    """The text names the kind and not what it said; it is the cause unless it may show a URL."""
    answers: list[Any] = [error]

    def refresh(_session: requests.Session, _token: Token) -> Token:
        if answers:
            raise answers.pop()
        return server.login()

    before = store.load()
    mount(session, server.url, refresh, store)
    server.expire()
    failure = failure_of(session)
    expected = None if isinstance(error, requests.RequestException) else error
    assert failure.__cause__ is expected
    assert f"callable failed with {type(error).__name__}" in str(failure)
    assert str(error) not in str(failure)
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


@pytest.mark.parametrize(
    ("junk", "called"),
    [
        (None, "a NoneType"),
        ("eyJhbGciOi", "a str"),
        ({"access": "eyJhbGciOi"}, "a dict"),
        (Token(None, "refresh alone"), "a Token without an access token"),
    ],
)
def test_a_callable_that_returns_junk(
    server: AuthServer, session: requests.Session, store: MemoryStore, junk: Any, called: str
) -> None:
    """What is no usable Token is RefreshUnavailable that says what it was."""
    before = store.load()
    mount(session, server.url, lambda _session, _token: junk, store)
    server.expire()
    failure = failure_of(session)
    assert f"returned {called}: it must return a Token" in str(failure)
    assert_no_secret(str(failure))
    assert store.load() == before


def test_a_callable_that_forgets_its_timeout(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """The session that a callable is given keeps refresh_timeout all by itself."""

    def refresh(session: requests.Session, token: Token) -> Token:
        url = f"{server.url}/auth/refresh"
        found = session.post(url, json={"refresh_token": token.refresh}, timeout=None).json()
        return Token(found["access_token"], found["refresh_token"])

    before = store.load()
    mount(session, server.url, refresh, store, refresh_timeout=0.5)
    server.expire()
    server.fail(Hang())
    assert "ConnectionError" in str(failure_of(session))
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


def test_a_callable_says_unavailable_itself(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A RefreshUnavailable of its own keeps its text."""

    def refresh(_session: requests.Session, _token: Token) -> Token:
        raise RefreshUnavailable("closed on Sundays")

    mount(session, server.url, refresh, store)
    server.expire()
    assert str(failure_of(session)) == "closed on Sundays"


@dataclass(frozen=True)
class FaultyEndpoint(JSONEndpoint):
    """Somebody's own endpoint, with a bug in it."""

    def read(self, reply: TokenResponse) -> Token:
        raise IndexError(reply.status)


def test_an_endpoint_with_a_bug(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """An endpoint that raises what it should not is unavailable as well."""
    before = store.load()
    mount(session, server.url, FaultyEndpoint("/auth/refresh"), store)
    server.expire()
    failure = failure_of(session)
    assert "IndexError" in str(failure)
    assert isinstance(failure.__cause__, IndexError)
    assert store.load() == before


def test_a_store_error_of_a_callable_is_its_own(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Errors of our tree pass as they are."""

    def refresh(_session: requests.Session, _token: Token) -> Token:
        raise StoreError("the vault is closed")

    mount(session, server.url, refresh, store)
    server.expire()
    with pytest.raises(StoreError, match="the vault is closed"):
        session.get("/api/x")


# --- The caller's verify, cert and proxies -------------------------------------------------------


def test_the_callers_proxy(server: AuthServer, session: requests.Session) -> None:
    """The refresh call goes through the proxy that the request went through."""
    store = MemoryStore(server.login())
    # To a proxy a request names its whole URL; the server goes by the path in it.
    url = "http://api.invalid"
    mount(session, url, ENDPOINT, store, allow_http=True)
    server.expire()
    assert session.get("/api/x", proxies={"http": server.url}).status_code == 200
    seen = [request.path for request in server.requests]
    assert seen == [f"{url}/api/x", f"{url}/auth/refresh", f"{url}/api/x"]


def test_a_forced_refresh_uses_the_last_proxy(
    server: AuthServer, session: requests.Session
) -> None:
    """refresh() goes the way that the last request went."""
    url = "http://api.invalid"
    store = MemoryStore(server.login())
    adapter = mount(session, url, ENDPOINT, store, allow_http=True)
    assert session.get("/api/x", proxies={"http": server.url}).status_code == 200
    assert adapter.refresh() == store.load()
    assert server.requests[-1].path == f"{url}/auth/refresh"


class _Guarded(http.server.BaseHTTPRequestHandler):
    """An API and its refresh endpoint behind TLS, for clients that show a certificate."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(200 if self.headers["Authorization"] == "Bearer new" else 401, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"access_token": "new"})

    def _answer(self, status: int, content: dict[str, str]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Listener(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that does not trust the certificate just leaves."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    crt, key = str(folder / "crt.pem"), str(folder / "key.pem")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", crt], check=True, capture_output=True)
    return crt, key


@pytest.fixture
def guarded(certificate: tuple[str, str]) -> Iterator[str]:
    """The URL of a server that only serves clients who show the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.load_verify_locations(certificate[0])
    context.verify_mode = ssl.CERT_REQUIRED
    with _Listener(("127.0.0.1", 0), _Guarded) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.server_address[1]}"
        listener.shutdown()
        thread.join(WAIT)


def test_the_callers_certificates(
    guarded: str, certificate: tuple[str, str], session: requests.Session
) -> None:
    """The refresh call trusts what the request trusts, and shows what it shows."""
    store = MemoryStore(Token("old", "refresh"))
    mount(session, guarded, ENDPOINT, store)
    response = session.get("/api/x", verify=certificate[0], cert=certificate)
    assert response.status_code == 200
    assert store.load() == Token("new", "refresh")


def test_a_certificate_that_nobody_vouches_for(
    guarded: str, certificate: tuple[str, str], session: requests.Session, server: AuthServer
) -> None:
    """The refresh call verifies by itself: what the request does not vouch for is refused."""
    store = MemoryStore(server.login())
    before = store.load()
    mount(session, server.url, JSONEndpoint(f"{guarded}/auth/refresh"), store)
    server.expire()
    with pytest.raises(RefreshUnavailable, match="SSLCertVerificationError"):
        session.get("/api/x", cert=certificate)
    assert store.load() == before


class _Knowing(HTTPAdapter):
    """An adapter with a TLS context of its own, as for a company's CA."""

    context: ssl.SSLContext

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self.context)


class _Both(JWTRefreshAdapter, _Knowing):
    """Ours, by somebody who has read requests' recipe for a TLS context."""


@pytest.fixture
def context(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What both of them know."""
    context = ssl.create_default_context(cafile=certificate[0])
    context.load_cert_chain(*certificate)
    monkeypatch.setattr(_Knowing, "context", context, raising=False)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("way", ["a request", "refresh()"])
def test_the_transports_tls_context(guarded: str, session: requests.Session, way: str) -> None:
    """What the sending adapter trusts and shows through its ssl_context, the refresh does, too."""
    store = MemoryStore(Token("old", "refresh"))
    adapter = mount(session, guarded, ENDPOINT, store, transport=_Knowing())
    if way == "refresh()":
        adapter.refresh()
    else:
        assert session.get("/api/x").status_code == 200
    assert store.load() == Token("new", "refresh")


@pytest.mark.usefixtures("context")
def test_a_tls_context_of_the_adapters_own(guarded: str, session: requests.Session) -> None:
    """A subclass that brings an ssl_context has its refreshes use that."""
    store = MemoryStore(Token("old", "refresh"))
    session.mount(guarded, _Both(guarded, ENDPOINT, store))
    assert session.get("/api/x").status_code == 200
    assert store.load() == Token("new", "refresh")
