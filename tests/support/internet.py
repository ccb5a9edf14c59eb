"""Every host there is: a proxy that plays them all, and notes what each of them received.

Import the fixtures `every_host`, `internet` and `session` into a test module that needs them.
"""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from requests_jwt_refresh import JSONEndpoint, JWTRefreshAdapter, MemoryStore, Token
from requests_jwt_refresh.testing import Headers
from tests.support.sessions import plain_session
from tests.support.waits import WAIT, join

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

API = "https://api.example.com"
BASE = f"{API}/v1"
ACCESS, REFRESH = "access-secret", "refresh-secret"
BEARER = f"Bearer {ACCESS}"
EVERYWHERE = ("https://", "http://")
HOSTS = [
    "api.example.com",
    "api.example.com.",  # urllib3 asks for it so before 2.1
    "www.api.example.com",
    "example.com",
    "cdn.example.com",
    "cdn.example.com.evil.com",
    "auth.example.com",
    "api.example.community",
    "api.example.com.evil.com",
    "evil.com",
    "localhost",
]
EXAMPLE_HOSTS = ["id.example.com", "elsewhere.example.org"]  # of the guide, beside these
ADDRESSES = ["127.0.0.1", "127.0.0.2", "::1"]


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as the host that it was for received it."""

    method: str
    url: str
    headers: Headers
    body: bytes

    @property
    def origin(self) -> str:
        return "/".join(self.url.split("/", 3)[:3])

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")

    def holds(self, secret: str) -> bool:
        return secret in "\n".join([self.url, *self.headers.values(), self.body.decode("latin-1")])


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


def to(location: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": location})


def make_json_answer(**content: object) -> Answer:
    return Answer(200, json.dumps(content).encode())


class Internet(ThreadingHTTPServer):
    """A proxy that plays every host itself, encrypted or not, and notes what each received."""

    daemon_threads = False  # server_close() waits for them
    request_queue_size = 64

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Proxied)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.certificate = certificate
        self.received: list[ReceivedRequest] = []
        self.answers: dict[str, Answer] = {}
        self.usual_answer = Answer()

    def forget(self) -> None:
        """Be as new: for the next test."""
        self.received.clear()
        self.answers.clear()

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self) -> dict[str, str]:
        """Return the variables with which these hosts, and loopback, are all there is."""
        return {
            "HTTP_PROXY": self.proxy,
            "HTTPS_PROXY": self.proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(self.certificate),
        }

    def session(self) -> requests.Session:
        """Return a plain session for which these hosts are all there is."""
        session = plain_session()
        proxy = self.proxy
        session.proxies = {"http": proxy, "https": proxy}
        session.verify = str(self.certificate)
        return session

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""

    def origins_with(self, secret: str) -> set[str]:
        """Return the origins that received `secret`, wherever in a request it was."""
        return {request.origin for request in self.received if request.holds(secret)}

    def authorizations(self) -> list[tuple[str, str | None]]:
        return [(request.origin, request.authorization) for request in self.received]


class _Proxied(BaseHTTPRequestHandler):
    server: Internet
    protocol_version = "HTTP/1.1"
    timeout = WAIT
    origin = ""  # over plain http the request line has it

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        self.rfile.close()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        host, _, port = self.path.rpartition(":")
        if ":" in host and not host.startswith("["):  # as older http.client asks for IPv6
            host = f"[{host}]"
        self.origin = f"https://{host}" if port == "443" else f"https://{host}:{port}"
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = self.origin + self.path
        received = ReceivedRequest(self.command, url, Headers(self.headers.items()), body)
        self.server.received.append(received)
        response = self.server.answers.get(url, self.server.usual_answer)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST = _serve  # noqa: N815 - the names http.server looks for


def write_certificate(folder: Path) -> Path:
    """Write a certificate for all of HOSTS and ADDRESSES that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "every host there is")])
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in (*HOSTS, *EXAMPLE_HOSTS)]
    names += [x509.IPAddress(ip_address(address)) for address in ADDRESSES]
    now, day = dt.datetime.now(dt.timezone.utc), dt.timedelta(days=1)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issued = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(issued.public_bytes(serialization.Encoding.PEM) + private)
    return path


@contextmanager
def running(folder: Path) -> Iterator[Internet]:
    """Run an Internet until the block ends; its certificate is kept in `folder`."""
    with Internet(write_certificate(folder)) as internet:
        thread = threading.Thread(target=internet.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield internet
        finally:
            internet.shutdown()
            join(thread)


@pytest.fixture(scope="module")
def every_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internet]:
    with running(tmp_path_factory.mktemp("tls")) as internet:
        yield internet


@pytest.fixture
def internet(every_host: Internet) -> Internet:
    """Every host there is, none of which has received anything yet."""
    every_host.forget()
    return every_host


@pytest.fixture
def session(internet: Internet) -> Iterator[requests.Session]:
    """A plain session for which that is all there is."""
    with internet.session() as session:
        yield session


def mount_on(
    session: requests.Session,
    *prefixes: str,
    base: str = BASE,
    refresh: Any = None,
    store: MemoryStore | None = None,
    **options: Any,
) -> JWTRefreshAdapter:
    """Mount an adapter by hand, on whatever prefixes a user may think of."""
    adapter = JWTRefreshAdapter(
        base,
        refresh or JSONEndpoint("/auth/refresh"),
        store or MemoryStore(Token(ACCESS, REFRESH)),
        **options,
    )
    for prefix in prefixes:
        session.mount(prefix, adapter)
    return adapter
