"""A server that cannot be reached for its document: what is in the way, and what to do about it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh import DiscoveryError, ServerMetadata
from requests_jwt_refresh.grants.discovery import find_issuer
from tests.support.document_server import OPENID, Page, run_document_server
from tests.support.tls_server import certificate, tls_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ISSUER = "https://id.example.com"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that leads elsewhere."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


def refuse(ask: Callable[[], object]) -> DiscoveryError:
    with pytest.raises(DiscoveryError) as caught:
        ask()
    return caught.value


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A port at which nothing listens meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


# --- TLS -----------------------------------------------------------------------------------------


def test_a_certificate_that_nobody_knows(tmp_path: Path) -> None:
    """A CA of one's own is named in the environment, as for requests."""
    with tls_server(certificate(tmp_path, 30)) as url:
        error = refuse(lambda: ServerMetadata.discover(url))
    assert "self-signed certificate" in error.cause
    assert "name its file in REQUESTS_CA_BUNDLE" in error.remedy


@pytest.mark.parametrize("is_session", [True, False])
def test_a_ca_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_session: bool
) -> None:
    """From the environment, or the session's verify; the server answers then."""
    file = certificate(tmp_path, 30)
    session = requests.Session()
    if is_session:
        session.verify = str(file)
    else:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with session, tls_server(file) as url:
        error = refuse(lambda: ServerMetadata.discover(url, session=session))
    assert f"{url}{OPENID} answered 405" in error.cause


def test_a_ca_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named: nothing was sent."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    error = refuse(lambda: ServerMetadata.discover("https://127.0.0.1:9"))
    assert error.cause == f"there is no file of CA certificates at {tmp_path / 'ca.pem'}"
    assert "REQUESTS_CA_BUNDLE" in error.remedy


# --- Proxies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("proxy", ["http://me:hunter2@127.0.0.1:{port}", "127.0.0.1:{port}"])
@pytest.mark.parametrize("ask", [ServerMetadata.discover, find_issuer])
def test_a_proxy_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, refused_port: int, proxy: str, ask: Callable[[str], object]
) -> None:
    """The variable is named, not its value, which may hold a password."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(port=refused_port))
    error = refuse(lambda: ask(ISSUER))
    assert "the variable HTTPS_PROXY" in error.remedy
    assert "hunter2" not in str(error)


def test_no_proxy_is_kept_to(monkeypatch: pytest.MonkeyPatch, refused_port: int) -> None:
    """The server is asked itself."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{refused_port}")
    with run_document_server() as server:
        issuer = server.describe()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert ServerMetadata.discover(issuer).issuer == issuer


def test_a_server_that_is_not_there(refused_port: int) -> None:
    """Neither a proxy nor a certificate is to blame."""
    error = refuse(lambda: ServerMetadata.discover(f"http://127.0.0.1:{refused_port}"))
    assert error.remedy == "check the URL, and whether that server can be reached from here"


# --- Something else answers ----------------------------------------------------------------------


def test_a_page_of_the_network_in_between() -> None:
    """A captive portal has a page for everything; what came is said, not its text."""
    with run_document_server() as server:
        headers = {"Content-Type": "text/html; charset=utf-8"}
        server.pages[OPENID] = Page(b"<html>\x1b[31m Welcome to the hotel", 200, headers)
        error = refuse(lambda: ServerMetadata.discover(server.url))
    assert "answered 200 and a web page (text/html)" in error.cause
    assert "this network may want a login of its own first" in error.remedy
    assert "hotel" not in str(error)
