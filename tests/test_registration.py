"""Registering a client (RFC 7591): what is asked for, and what the server may answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import DiscoveryError, ServerMetadata
from requests_jwt_refresh.grants.discovery import Client, register_client
from tests.support.document_server import Page, run_document_server
from tests.support.endless import read_head, run_endless

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.support.document_server import DocumentServer
    from tests.support.endless import Endless

ISSUER = "https://id.example.com"


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with run_document_server() as server:
        yield server


def describe(server: DocumentServer) -> ServerMetadata:
    return ServerMetadata(server.url, registration_url=f"{server.url}/register")


def register(server: DocumentServer, page: Page) -> Client:
    """Return the client of a registration that is answered so."""
    server.pages["/register"] = page
    return register_client(describe(server), name="a program")


def refuse(server: DocumentServer, page: Page) -> DiscoveryError:
    """Return the error of one that is answered so; it is sent once."""
    with pytest.raises(DiscoveryError) as caught:
        register(server, page)
    assert caught.value.remedy
    assert len(server.received) == 1
    return caught.value


def test_a_public_client_is_asked_for(server: DocumentServer) -> None:
    """A native one, which may have a loopback redirect (OpenID Connect, RFC 8252)."""
    server.pages["/register"] = Page({"client_id": "c1"}, 201)
    client = register_client(
        describe(server),
        name="a program",
        redirect_uris=["http://127.0.0.1/callback"],
        scope="openid offline_access",
        grant_types=("authorization_code", "refresh_token"),
    )
    assert client == Client("c1")
    assert (client.client_secret, client.client_auth) == (None, "none")
    [request] = server.received
    assert request.authorization is None
    assert json.loads(request.body) == {
        "client_name": "a program",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "openid offline_access",
    }


def test_a_device_needs_no_redirect(server: DocumentServer) -> None:
    """Nor a response type; what was not named is not sent."""
    server.pages["/register"] = Page({"client_id": "c1"}, 201)
    register_client(describe(server), name="tv", grant_types=["device_code"])
    sent = json.loads(server.received[0].body)
    assert (sent["response_types"], sent["redirect_uris"]) == ([], [])
    assert "scope" not in sent


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (None, "basic"),  # RFC 7591 §2
        ("client_secret_basic", "basic"),
        ("client_secret_post", "post"),
        ("client_secret_jwt", "basic"),
        (7, "basic"),
    ],
)
def test_a_server_may_give_a_secret_all_the_same(
    server: DocumentServer, method: Any, expected: str
) -> None:
    """It is shown nowhere."""
    content = {
        "client_id": "c1",
        "client_secret": "s3cret",
        "registration_access_token": "t0ken",
        "token_endpoint_auth_method": method,
    }
    client = register(server, Page(content, 200))
    assert (client.client_id, client.client_secret) == ("c1", "s3cret")
    assert client.client_auth == expected
    assert client.registration["registration_access_token"] == "t0ken"
    assert repr(client) == "Client(client_id='c1')"
    with pytest.raises(TypeError):
        client.registration["client_id"] = "c2"  # type: ignore[index]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Page({"error": "invalid_redirect_uri"}, 400), "answered 400 invalid_redirect_uri"),
        (Page({"error": "my secret"}, 400), "answered 400"),
        (Page({}, 401), "answered 401: it does not register clients for anybody"),
        (Page({}, 403), "answered 403: it does not register clients for anybody"),
        (Page(status=302, headers={"Location": "/elsewhere"}), "answered 302, a redirect"),
        (Page({"client_id": "c1"}, 503), "answered 503"),
        (Page(b"<html>", 201), "answered 201 and no JSON"),
        (Page([], 201), "answered 201 and JSON, but no object"),
        (Page({}, 201), "client_id is missing"),
        (Page({"client_id": 7}, 201), "client_id is an int, not a string"),
        (Page({"client_id": "a\x1bb"}, 201), "client_id has characters that it may not have"),
        (Page({"client_id": "c", "client_secret": "a\nb"}, 201), "client_secret has characters"),
        (Page({"client_id": "c", "client_secret": []}, 201), "client_secret is a list"),
        (Page({"client_id": "c", "x": "y" * 65536}, 201), "more than 64 KiB"),
    ],
)
def test_another_answer_makes_no_client(server: DocumentServer, page: Page, said: str) -> None:
    """What the server says is said, as far as it is a known word."""
    error = refuse(server, page)
    assert said in error.cause
    assert "/register" in error.cause
    assert "secret]" not in str(error)
    assert "my secret" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
        b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_registration_is_never_sent_again(answer: bytes) -> None:
    """An answer that is lost may have made a client."""

    def hang_up(_server: Endless, sock: socket.socket) -> None:
        received = read_head(sock)
        while b"}" not in received:
            received += sock.recv(4096)
        sock.sendall(answer)

    with run_endless(hang_up) as server:
        url = f"http://{server.address}"
        metadata = ServerMetadata(url, registration_url=f"{url}/register")
        with pytest.raises(DiscoveryError, match=r"hung up|broke off|answered 503"):
            register_client(metadata, name="a program")
        assert server.connections == 1


def test_a_server_that_registers_nobody_is_not_asked() -> None:
    """It has no endpoint for it."""
    with pytest.raises(DiscoveryError, match=r"registers no clients. Register the client by hand"):
        register_client(ServerMetadata(ISSUER), name="a program")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://id.example.com/x", "unencrypted"),
        ("https://127.0.0.1/x", "on this machine"),
        ("https://me@id.example.com/x", "user name"),
    ],
)
def test_metadata_made_by_hand_is_looked_at_as_well(url: str, said: str) -> None:
    """Nothing is sent."""
    with pytest.raises(DiscoveryError, match=f"the registration endpoint .*{said}"):
        register_client(ServerMetadata(ISSUER, registration_url=url), name="a program")
