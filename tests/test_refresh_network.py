"""A refresh reaches the network as the request does: its proxies, certificates and TLS context."""

from __future__ import annotations

import http.server
import json
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from requests.adapters import HTTPAdapter

from requests_jwt_refresh import (
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    RefreshUnavailable,
    Token,
    mount,
)
from requests_jwt_refresh.testing import Huge, Status
from requests_jwt_refresh.urls import describe_url
from tests.support.clock import no_backoff
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT
from tests.support.waits import join, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["no_backoff"]  # a fixture


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
    """The URL of a server that only serves clients that show the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.load_verify_locations(certificate[0])
    context.verify_mode = ssl.CERT_REQUIRED
    with _Listener(("127.0.0.1", 0), _Guarded) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        threads = start(lambda: listener.serve_forever(0.02))
        yield f"https://127.0.0.1:{listener.server_address[1]}"
        listener.shutdown()
        join(*threads)


def test_the_callers_certificates(
    guarded: str, certificate: tuple[str, str], session: requests.Session
) -> None:
    """The refresh call trusts what the request trusts, and shows what it shows."""
    store = MemoryStore(Token("old", "refresh"))
    mount(session, guarded, ENDPOINT, store)
    response = session.get("/api/x", verify=certificate[0], cert=certificate)
    assert response.status_code == 200
    assert store.load() == Token("new", "refresh")


def test_a_certificate_that_is_not_trusted(
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
    """Our adapter combined with requests' recipe for a TLS context."""


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


# --- What an error says about the endpoint -------------------------------------------------------


@pytest.mark.parametrize("fault", [Status(500), Huge(2_000_000), Status(302)], ids=repr)
@pytest.mark.parametrize("own", [True, False])
def test_an_error_names_the_url(
    server: AuthServer, session: requests.Session, fault: Any, own: bool
) -> None:
    """Scheme, host, port and path; neither the query nor a key in the path."""
    path = "/auth/refresh/Zm9vYmFy1234Zm9vYmFy1234"
    endpoint = JSONEndpoint(f"{path}?key=hunter2")
    with plain_session() as refresh_session:
        options = {"refresh_session": refresh_session} if own else {}
        adapter = mount(session, server.url, endpoint, MemoryStore(server.login()), **options)
        server.fail(fault, on=lambda path: path.startswith("/auth/refresh"), times=None)
        with pytest.raises(RefreshUnavailable) as caught:
            adapter.refresh()
    assert f"refresh endpoint at {server.url}/auth/refresh/... " in caught.value.cause
    assert "hunter2" not in str(caught.value)


@pytest.mark.usefixtures("no_backoff")
def test_an_endpoint_that_nobody_serves(session: requests.Session, server: AuthServer) -> None:
    """The reason is in the text, since what was raised goes no further."""
    endpoint = JSONEndpoint("http://127.0.0.1:9/refresh")
    adapter = mount(session, server.url, endpoint, MemoryStore(server.login()))
    with pytest.raises(RefreshUnavailable) as caught:
        adapter.refresh()
    url = "http://127.0.0.1:9/refresh"
    reason = "could not be reached or hung up (ConnectionRefusedError: Connection refused)"
    assert caught.value.cause == f"the refresh endpoint at {url} {reason}"
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://API.example.com:443/token", "https://api.example.com/token"),
        ("https://me:pw@api.example.com:8443/token", "https://api.example.com:8443/token"),
        ("https://key@api.example.com", "https://api.example.com"),
        ("https://api.example.com/token#fragment", "https://api.example.com/token"),
        ("https://api.example.com/a@b/token?x=a@b", "https://api.example.com/.../token"),
        ("https://[::1]:8443/token", "https://[::1]:8443/token"),
        (b"https://api.example.com/token", "https://api.example.com/token"),
        (
            "https://login.example.com/0f8fad5b-d9cb-469f-a165-70867728950e/oauth2/v2.0/token",
            "https://login.example.com/0f8fad5b-d9cb-469f-a165-70867728950e/oauth2/v2.0/token",
        ),
        ("https://h/realms/a-realm/protocol/openid-connect/token", None),
        ("https://h/api/v1/auth.refresh-token_2~x.json", None),
        ("https://h/9f86d081884c7d659a2feaa0c55ad015/token", "https://h/.../token"),
        ("https://h/" + "a" * 31, "https://h/..."),
        ("https://h/%41bc/x", "https://h/.../x"),
        ("/auth/refresh", "a URL that has no clear host"),
        ("https://h\\@evil.example.com/x", "a URL that has no clear host"),
        ("", "a URL that has no clear host"),
        (None, "a URL that has no clear host"),
    ],
)
def test_a_url_is_described(url: Any, text: str | None) -> None:
    """What may be a secret is left out, and what a reader needs is not."""
    assert describe_url(url) == (text or url)
