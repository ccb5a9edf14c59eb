"""The real `http` over TLS: its options hold for the request and for its refresh."""

from __future__ import annotations

import datetime as dt
import re
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from requests_jwt_refresh.testing import AuthServer, Status
from tests.support.http_command import (
    Home,
    HTTPResult,
    find_error,
    home,
    list_api_requests,
    needs_httpie,
    warm_command,
    warm_http,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["home", "warm_command", "warm_http"]  # fixtures

pytestmark = needs_httpie


class Noting(ssl.SSLSocket):
    """A server's side of a connection, which notes the protocol's version."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        noted.append(str(self.version()))


noted: list[str] = []


NO_CA = "CERTIFICATE_VERIFY_FAILED"


@dataclass(frozen=True)
class Certificates:
    """A CA of our own, and what it has signed."""

    ca: Path
    server: Path
    client: Path
    client_key: Path
    locked_key: Path
    """The client's key, encrypted with the password "pw"."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    ca_key, ca_name = ec.generate_private_key(ec.SECP256R1()), _name("a CA of our own")

    def sign(name: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        now = dt.datetime.now(dt.timezone.utc)
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(address, critical=False)
        )
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def write(name: str, content: bytes) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    server_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    plain = serialization.NoEncryption()
    locked = serialization.BestAvailableEncryption(b"pw")
    return Certificates(
        ca=write("ca.pem", sign(ca_name, ca_key, ca=True)),
        server=write(
            "server.pem", sign(_name("server"), server_key, ca=False) + _pem(server_key, plain)
        ),
        client=write("client.pem", sign(_name("client"), client_key, ca=False)),
        client_key=write("client.key", _pem(client_key, plain)),
        locked_key=write("locked.key", _pem(client_key, locked)),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey, lock: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


@contextmanager
def encrypted_server(
    certificates: Certificates, *, asks_for_certificate: bool = False, ciphers: str | None = None
) -> Iterator[tuple[AuthServer, str]]:
    """A server that speaks TLS, and its URL; with `ciphers` it speaks TLS 1.2 in these alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    if ciphers is not None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    context.sslsocket_class = Noting
    if asks_for_certificate:
        context.load_verify_locations(certificates.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    with AuthServer() as server:
        listener = server._listener  # noqa: SLF001 - it knows no TLS of its own
        assert listener is not None
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        noted.clear()
        yield server, server.url.replace("http", "https", 1)


@pytest.fixture
def tls(home: Home, certificates: Certificates) -> Iterator[tuple[AuthServer, str]]:
    with encrypted_server(certificates) as (server, url):
        home.profile("alice", url)
        home.log_in("alice", server)
        yield server, url


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_verify(
    home: Home, tls: tuple[AuthServer, str], certificates: Certificates, mark: str
) -> None:
    """--verify holds for the request and for its refresh; without it they fail as without us."""
    server, url = tls
    marked = url.replace("://", f"{mark}://") + "/users"
    for verify in (f"--verify={certificates.ca}", "--verify=no"):
        server.expire()
        done = home.http(verify, marked, "q==1")
        assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=1", "")
    assert server.counters.rotated == 2
    ours, theirs = home.http(marked), home.plain_http(f"{url}/users")
    assert NO_CA in find_error(ours)
    assert _without_addresses(ours) == _without_addresses(theirs)
    assert server.counters.rotated == 2


def _without_addresses(done: HTTPResult) -> HTTPResult:
    return HTTPResult(done.out, re.sub(r"0x[0-9a-f]+", "", done.err), done.status)


@pytest.mark.parametrize("mark", ["", "+jwt"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_ssl_version(
    home: Home, tls: tuple[AuthServer, str], certificates: Certificates, version: str, mark: str
) -> None:
    """--ssl and --ciphers are HTTPie's own affair, and are kept."""
    _, url = tls
    options = [f"--verify={certificates.ca}", "--print=b"]
    options += ["--ssl=tls1.2", "--ciphers=ECDHE-ECDSA-AES128-GCM-SHA256"] * (version == "1.2")
    assert home.http(*options, url.replace("://", f"{mark}://")).answer["user"] == "alice"
    home.plain_http(*options, url)
    assert noted == [f"TLSv{version}"] * 2


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_ciphers_that_only_this_server_speaks(
    home: Home, certificates: Certificates, mark: str
) -> None:
    """--ciphers, and so --ssl, hold for the refresh, too: there is no connection without."""
    odd = "ECDHE-ECDSA-AES128-CCM"
    with encrypted_server(certificates, ciphers=odd) as (server, url):
        home.profile("alice", url)
        home.log_in("alice", server)
        server.expire()
        marked, verify = url.replace("://", f"{mark}://"), f"--verify={certificates.ca}"
        assert "HANDSHAKE_FAILURE" in find_error(home.http(verify, marked)).upper()
        done = home.http(verify, f"--ciphers={odd}", marked)
        assert (done.err, done.answer.get("user")) == ("", "alice")
        assert server.counters.rotated == 1


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_a_client_certificate(home: Home, certificates: Certificates, mark: str) -> None:
    """--cert and --cert-key hold for the request and for its refresh."""
    verify = f"--verify={certificates.ca}"
    cert = [f"--cert={certificates.client}", f"--cert-key={certificates.client_key}"]
    with encrypted_server(certificates, asks_for_certificate=True) as (server, url):
        home.profile("alice", url)
        home.log_in("alice", server)
        server.expire()
        marked = url.replace("://", f"{mark}://")
        assert home.http(verify, *cert, marked).answer["user"] == "alice"
        assert server.counters.rotated == 1
        ours, theirs = home.http(verify, marked), home.plain_http(verify, url)
        assert find_error(ours)
        assert ours.status == theirs.status == 1
    assert server.counters.requests == 3


def test_a_locked_client_key(home: Home, certificates: Certificates) -> None:
    """--cert-key-pass holds for the request and for its refresh."""
    options = [f"--verify={certificates.ca}", f"--cert={certificates.client}"]
    options += [f"--cert-key={certificates.locked_key}", "--cert-key-pass=pw"]
    with encrypted_server(certificates, asks_for_certificate=True) as (server, url):
        home.profile("alice", url)
        home.log_in("alice", server)
        assert home.http(*options, url).answer["user"] == "alice"
        server.expire()
        done = home.http(*options, url)
        assert (done.err, done.answer.get("user")) == ("", "alice")
        assert server.counters.rotated == 1


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_secure_cookies(
    home: Home, tls: tuple[AuthServer, str], certificates: Certificates, mark: str
) -> None:
    """A session's cookies that are for https alone are sent over https+jwt, too."""
    server, url = tls
    options = (f"--verify={certificates.ca}", f"--session={home.folder / 'session.json'}")
    cookie = Status(200, body=b"{}", headers={"Set-Cookie": "safe=1; Path=/; Secure"})
    server.fail(cookie, on="api")
    marked = url.replace("://", f"{mark}://")
    for _ in range(2):
        assert home.http(*options, f"{marked}/users").status == 0
    assert list_api_requests(server)[-1].headers.get("Cookie") == "safe=1"


def test_a_relative_redirect_over_tls(
    home: Home, tls: tuple[AuthServer, str], certificates: Certificates
) -> None:
    """From https+jwt:// it leads to https:// on the same origin, token included."""
    server, url = tls
    marked = url.replace("://", "+jwt://")
    server.expire()
    done = home.http(
        f"--verify={certificates.ca}", "--follow", f"{marked}/redirect", "to==/users?q=1"
    )
    assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=1", "")
    assert server.counters.rotated == 1
