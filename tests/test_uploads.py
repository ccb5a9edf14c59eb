"""A body is sent again whole or not at all."""

from __future__ import annotations

import hashlib
import io
import itertools
import logging
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from requests import Request

from requests_jwt_refresh import JSONEndpoint, Token, json_field
from requests_jwt_refresh.testing import AuthServer
from tests.support.servers import running
from tests.support.servers.clients import Client, in_threads
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from requests import Response

    from tests.support.servers import Server

OFFSET = 1000
SIZES = {"64 KiB": 64 * 1024, "3 MiB": 3 * 1024 * 1024}  # around what sockets buffer
ENDPOINT = JSONEndpoint("/auth/refresh", when=json_field("message", "Invalid JWT"))
STALE = Token("stale", "refresh")


@pytest.fixture(
    scope="module",
    params=[("--worker-class", "sync"), ("--threads", "40")],
    ids=["sync", "threads"],
)
def gunicorn(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Both workers close after refusing an upload unread; the second had promised keep-alive."""
    with running("uploads:app", *request.param) as server:
        yield server


@pytest.fixture(params=list(SIZES.values()), ids=list(SIZES))
def content(request: pytest.FixtureRequest) -> bytes:
    return secrets.token_bytes(OFFSET + request.param)


@pytest.fixture(params=[True, False], ids=["read first", "refused unread"])
def expired(request: pytest.FixtureRequest) -> Iterator[AuthServer]:
    """A server whose API reads an upload before it says 401, or says it at once and hangs up."""
    with AuthServer(read_body_first=request.param) as server:
        yield server


def client_of(server: Server | AuthServer, token: Token, **options: Any) -> Client:
    return Client(server.url, ENDPOINT, token, **options)


def expired_client(server: AuthServer, **options: Any) -> Client:
    token = server.login()
    server.expire()
    return client_of(server, token, **options)


def digest(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_digest(response: Response) -> dict[str, Any]:
    """Return the digest of what the server says it received."""
    result = response.json()
    return {"size": result["size"], "sha256": result["sha256"]}


def statuses(response: Response) -> list[int]:
    return [each.status_code for each in (*response.history, response)]


def test_a_file_survives_25_times(gunicorn: Server, content: bytes, tmp_path: Path) -> None:
    """A file goes out again from the caller's offset, and the next request finds a good session."""
    path = tmp_path / "upload"
    path.write_bytes(content)
    gunicorn.forget()
    with client_of(gunicorn, STALE) as client, path.open("rb") as file:
        for _ in range(25):
            client.adapter.set_token(STALE)
            file.seek(OFFSET)
            response = client.put("/upload", data=file, timeout=WAIT)
            assert statuses(response) == [401, 200]
            assert read_digest(response) == digest(content[OFFSET:])
            assert statuses(client.get("/next", timeout=WAIT)) == [200]
    assert gunicorn.count("POST", "/auth/refresh") == 25


def test_a_streamed_answer(gunicorn: Server, content: bytes) -> None:
    """With stream=True it is the same, and the next request too."""
    with client_of(gunicorn, STALE) as client:
        for _ in range(10):
            client.adapter.set_token(STALE)
            with client.put("/upload", data=content, stream=True, timeout=WAIT) as response:
                assert statuses(response) == [401, 200]
                assert read_digest(response) == digest(content)
            with client.get("/next", stream=True, timeout=WAIT) as response:
                assert statuses(response) == [200]


def test_uploads_of_many_threads(gunicorn: Server, content: bytes) -> None:
    """Each thread's own file arrives whole, after one refresh."""
    gunicorn.forget()
    with client_of(gunicorn, STALE, pool_maxsize=32) as client:

        def upload() -> tuple[int, bool]:
            own = threading.get_ident().to_bytes(8, "big") + content
            response = client.put("/upload", data=io.BytesIO(own), timeout=WAIT)
            return response.status_code, read_digest(response) == digest(own)

        assert in_threads(upload) == [(200, True)] * 32
    assert gunicorn.count("POST", "/auth/refresh") == 1


def test_a_generator_is_not_resent_to_gunicorn(
    gunicorn: Server, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It arrives once or not at all, and the next request over the session works."""
    gunicorn.forget()
    with client_of(gunicorn, STALE) as client:
        for _ in range(10):
            client.adapter.set_token(STALE)
            assert statuses(client.put("/upload", data=pieces(content), timeout=WAIT)) == [401]
            response = client.put("/upload", data=pieces(content), timeout=WAIT)
            assert statuses(response) == [200]
            assert read_digest(response) == digest(content)
    assert gunicorn.count("POST", "/auth/refresh") == 10
    assert gunicorn.count("PUT", "/upload") == 20
    assert len(list_warnings(caplog)) == 10


BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "bytes": lambda: {"data": b"\x00\xff" * 50_000},
    "bytearray": lambda: {"data": bytearray(b"\x00\xff" * 50_000)},
    "str": lambda: {"data": "grüße " * 20_000},
    "form": lambda: {"data": {"name": "Müller & Söhne", "rows": ["1", "2"] * 10_000}},
    "json": lambda: {"json": {"rows": list(range(20_000))}},
    "multipart": lambda: {
        "data": {"name": "upload"},
        "files": {"file": ("a.bin", io.BytesIO(b"\x00\xff" * 50_000))},
    },
    "BytesIO": lambda: {"data": io.BytesIO(b"\x00\xff" * 50_000)},
    "BytesIO from an offset": lambda: {"data": at_offset(io.BytesIO(b"\x00\xff" * 50_000))},
    "nothing": dict,
}


def at_offset(file: io.BytesIO) -> io.BytesIO:
    file.seek(OFFSET)
    return file


def read_whole(body: Any) -> bytes:
    """Return what a prepared body stands for, from where it stands."""
    if isinstance(body, io.BytesIO):
        return body.getvalue()[body.tell() :]
    return body.encode() if isinstance(body, str) else bytes(body or b"")


@pytest.mark.parametrize("stream", [False, True], ids=["", "stream"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_every_kind_of_body_is_resent(
    expired: AuthServer, body: Callable[[], dict[str, Any]], stream: bool
) -> None:
    """Bytes, strings, forms, multipart and files go out a second time as they did the first."""
    with expired_client(expired) as client:
        prepared = client.prepare_request(Request("POST", "/upload", **body()))
        expected = digest(read_whole(prepared.body))
        with client.send(prepared, stream=stream, timeout=WAIT) as response:
            assert statuses(response) == [401, 200]
            assert read_digest(response) == expected
        first, second = (seen for seen in expired.requests if seen.path == "/upload")
        assert first.size in (None, expected["size"])
        assert first.sha256 in (None, expected["sha256"])
        for name in ("Content-Type", "Content-Length", "Transfer-Encoding"):
            assert first.headers.get(name) == second.headers.get(name)
        assert client.get("/next", timeout=WAIT).status_code == 200
    assert expired.counters.rotated == 1


def test_the_refused_uploads_connection_is_dropped(expired: AuthServer) -> None:
    """The server hangs up on it, so that the next request there would fail."""
    with expired_client(expired) as client:
        assert statuses(client.post("/upload", data=b"hello", timeout=WAIT)) == [401, 200]
        assert statuses(client.post("/upload", data=b"hello", timeout=WAIT)) == [200]
    first, *others = (seen.connection for seen in expired.requests if seen.kind == "api")
    assert len(others) == 2
    assert first not in others


def pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 10_000):
        yield content[start : start + 10_000]


@contextmanager
def pipe() -> Iterator[io.BufferedReader]:
    """Open the reading end of a pipe with CONTENT in it: what standard input often is."""
    reading, writing = os.pipe()
    with open(reading, "rb") as file, open(writing, "wb") as end:  # noqa: PTH123 - descriptors
        end.write(CONTENT)
        end.close()
        yield file


CONTENT = b"\x00\xff" * 20_000  # less than a pipe holds
ONE_SHOT: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "generator": lambda: nullcontext(pieces(CONTENT)),
    "iterator": lambda: nullcontext(iter([CONTENT[:7], CONTENT[7:]])),
    "chain": lambda: nullcontext(itertools.chain([CONTENT[:7]], [CONTENT[7:]])),
    "pipe": pipe,
}


def list_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the library has warned of."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "requests_jwt_refresh" and record.levelno >= logging.WARNING
    ]


@pytest.mark.parametrize("body", ONE_SHOT.values(), ids=ONE_SHOT)
def test_a_one_shot_body_is_never_resent(
    expired: AuthServer,
    body: Callable[[], AbstractContextManager[Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The 401 stands, a warning says why, and with the refreshed token the next call succeeds."""
    with expired_client(expired) as client:
        with body() as data:
            response = client.put("/upload", data=data, timeout=WAIT)
        assert statuses(response) == [401]
        assert response.json() == {"message": "Invalid JWT"}
        (warning,) = list_warnings(caplog)
        assert "can be sent only once" in warning
        assert client.store.load() == client.refreshed[0]
        with body() as data:
            again = client.put("/upload", data=data, timeout=WAIT)
        assert statuses(again) == [200]
        assert read_digest(again) == digest(CONTENT)
    first, second = (seen for seen in expired.requests if seen.kind == "api")
    assert first.headers["Transfer-Encoding"] == second.headers["Transfer-Encoding"] == "chunked"
    assert expired.counters.rotated == 1


def test_a_generator_gets_through_where_the_expiry_is_known(expired: AuthServer) -> None:
    """Refreshed before anything is sent, even a one-shot body arrives at the first attempt."""
    token = replace(expired.login(), expires_at=time.time() - 1)
    expired.expire()
    with client_of(expired, token) as client:
        response = client.put("/upload", data=pieces(CONTENT), timeout=WAIT)
        assert statuses(response) == [200]
        assert read_digest(response) == digest(CONTENT)


def test_a_file_that_has_been_closed_meanwhile(
    expired: AuthServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot be sent again: the 401 stands, as for a generator, and nothing is raised."""
    path = tmp_path / "upload"
    path.write_bytes(CONTENT)
    with expired_client(expired) as client, ThreadPoolExecutor(1) as pool, path.open("rb") as file:
        with expired.gate(on="refresh") as gate:
            uploading = pool.submit(client.put, "/upload", data=file, timeout=WAIT)
            gate.wait_for(1)
            file.close()
        assert statuses(uploading.result(WAIT)) == [401]
        (warning,) = list_warnings(caplog)
        assert "can be sent only once" in warning
        assert [seen.path for seen in expired.requests] == ["/upload", "/auth/refresh"]
        again = client.put("/upload", data=CONTENT, timeout=WAIT)
        assert statuses(again) == [200]
        assert read_digest(again) == digest(CONTENT)


def test_one_file_object_is_uploaded_twice(expired: AuthServer, content: bytes) -> None:
    """Two uploads of one file object in a row, each with its own 401: both arrive whole."""
    file = io.BytesIO(content)
    with expired_client(expired) as client:
        for _ in range(2):
            expired.expire()
            file.seek(OFFSET)
            response = client.put("/upload", data=file, timeout=WAIT)
            assert statuses(response) == [401, 200]
            assert read_digest(response) == digest(content[OFFSET:])
            assert statuses(client.get("/next", timeout=WAIT)) == [200]
    assert expired.counters.rotated == 2


def test_a_refused_refresh_hands_the_uploads_401_over(expired: AuthServer, content: bytes) -> None:
    """The caller gets the API's response to the upload, whole, and nothing is sent again."""
    with expired_client(expired) as client:
        expired.revoke()
        response = client.put("/upload", data=io.BytesIO(content), timeout=WAIT)
        assert statuses(response) == [401]
        assert response.json() == {"message": "Invalid JWT"}
        assert client.store.load() is None
    assert [seen.path for seen in expired.requests] == ["/upload", "/auth/refresh"]
