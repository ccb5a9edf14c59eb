"""How much of a body a matcher sees: 256 KiB or `match_limit`, of what is unpacked."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from urllib3.response import HTTPResponse

from requests_jwt_refresh import MemoryStore, all_of, any_401, any_of, json_field, status
from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.testing import Status
from tests.support.answers import KIB, MIB, make_chunked, make_noise, make_sized
from tests.support.callers import our_session
from tests.support.users import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response

    from requests_jwt_refresh.testing import AuthServer

LIMIT = 256 * KIB
WHEN = json_field("errors.*.code", "expired", status=(200, 401))


def make_document(size: int) -> bytes:
    """Return JSON of that size; what says "expired" stands at its end, in the last of a list."""
    end = b'"}, {"code": "expired"}]}'
    start = b'{"errors": [{"code": "'
    return start + b"x" * (size - len(start) - len(end)) + end


def deflate(body: bytes) -> bytes:
    return zlib.compress(body)


def deflate_raw(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def pack_brotli(body: bytes) -> bytes:
    packed: bytes = pytest.importorskip("brotli").compress(body, quality=5)
    return packed


def pack_zstd(body: bytes) -> bytes:
    if "zstd" not in HTTPResponse.CONTENT_DECODERS:
        pytest.skip("urllib3 unpacks no zstd here")
    packed: bytes = pytest.importorskip("backports.zstd").compress(body)
    return packed


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", deflate),
    "deflate without a header": ("deflate", deflate_raw),
    "brotli": ("br", pack_brotli),
    "zstd": ("zstd", pack_zstd),
}


# --- The limit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [200, 401])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("size", [1 * KIB, 20 * KIB, LIMIT - 1, LIMIT])
def test_an_error_far_behind_is_seen(
    server: AuthServer, size: int, stream: bool, code: int
) -> None:
    """In the last of a list, behind 20 KB or 256 KiB of other data."""
    server.fail(Status(code, body=make_document(size)), on="api")
    with our_session(server, WHEN) as session:
        response = session.get("/api/x", stream=stream)
        assert response.json() != json.loads(make_document(size))
        (refused,) = response.history
        assert refused.content == make_document(size)
    assert server.counters.rotated == 1


@pytest.mark.parametrize("code", [200, 401])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 64 * KIB, 3 * MIB])
def test_what_is_longer_reaches_the_caller_whole(
    server: AuthServer, size: int, stream: bool, code: int
) -> None:
    """A body that cannot be seen whole says nothing."""
    server.fail(Status(code, body=make_document(size)), on="api")
    with our_session(server, WHEN) as session:
        assert session.get("/api/x", stream=stream).content == make_document(size)
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("packer", PACKERS)
def test_what_counts_is_unpacked(server: AuthServer, packer: str) -> None:
    """However small it is on the wire."""
    if packer not in HTTPResponse.CONTENT_DECODERS and packer in ("gzip", "x-gzip", "deflate"):
        pytest.skip(f"this urllib3 unpacks no {packer}")
    coding, pack = PACKERS[packer]
    headers = {"Content-Encoding": coding}
    for size, is_seen in ((LIMIT, True), (LIMIT + 1, False)):
        body = make_document(size)
        server.fail(Status(401, body=pack(body), headers=headers), on="api")
        with our_session(server, WHEN) as session:
            response = session.get("/api/x", stream=True)
            assert (response.status_code, bool(response.history)) == (
                (200, True) if is_seen else (401, False)
            )
            first, *_ = [each.content for each in (*response.history, response)]
            assert first == body
    assert server.counters.rotated == 1


@pytest.mark.parametrize("limit", [1, 100, 3 * MIB])
def test_the_limit_can_be_set(server: AuthServer, limit: int) -> None:
    """To any number of bytes; the body may have just as many."""
    matcher = any_of(WHEN, all_of(status(401), lambda response: len(response.content) == limit))
    with our_session(server, matcher, match_limit=limit) as session:
        server.fail(Status(401, body=b"x" * limit), on="api")
        assert session.get("/api/x").status_code == 200
        server.fail(Status(401, body=b"x" * (limit + 1)), on="api")
        assert session.get("/api/x").status_code == 401


@pytest.mark.parametrize(
    ("limit", "error"),
    [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), ("1", TypeError)],
)
def test_a_limit_that_is_no_number_of_bytes_is_refused(limit: Any, error: type[Exception]) -> None:
    """When the adapter is made."""
    with pytest.raises(error, match=r"match_limit must be a .*number of bytes such as 262144"):
        JWTRefreshAdapter("https://h/", ENDPOINT, MemoryStore(), match_limit=limit)


@pytest.mark.parametrize(
    "reader",
    [
        lambda response: response.content,
        lambda response: b"".join(response.iter_content(7)),
        lambda response: b"\n".join(response.iter_lines()),
        lambda response: response.text.encode(),
        lambda response: response.raw.read(decode_content=True),
        lambda response: b"".join(response.raw.stream(100, decode_content=True)),
        lambda response: b"".join(iter(lambda: response.raw.read1(100, True), b"")),
        lambda response: b"".join(response.raw),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_function_may_read_as_it_likes(
    server: AuthServer, reader: Callable[[Response], bytes], packed: bool
) -> None:
    """It sees all of a body or an error, and never the first part as if it were all."""
    seen: list[bytes] = []

    def expired(response: Response) -> bool:
        seen.append(reader(response))
        return True

    for size in (1000, 5000):
        body = b"x" * size
        answer = gzip.compress(body) if packed else body
        headers = {"Content-Encoding": "gzip"} if packed else {}
        server.fail(Status(401, body=answer, headers=headers), on="api")
        with our_session(server, expired, match_limit=1000) as session:
            assert session.get("/api/x").status_code == (200 if size == 1000 else 401)
    assert seen == [b"x" * 1000]


# --- What unpacks to a gigabyte ------------------------------------------------------------------


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """What has been packed so far, by packer."""
    return {}


# Without stream=, what the matcher has not taken is unpacked for the caller, as in plain requests.
@pytest.mark.parametrize(
    ("matcher", "stream"),
    [(any_401, True), (any_401, False), (WHEN, True)],
    ids=["any_401-streamed", "any_401", "json_field-streamed"],
)
@pytest.mark.parametrize("packer", ["gzip", "deflate", "brotli", "zstd"])
def test_what_unpacks_to_a_gigabyte_takes_little_memory(
    server: AuthServer,
    bombs: dict[str, bytes],
    matcher: Callable[[Response], bool],
    packer: str,
    stream: bool,
) -> None:
    """Neither to look at it nor to keep it in the history."""
    bomb = bombs.get(packer) or bombs.setdefault(packer, PACKERS[packer][1](bytes(64 * MIB)))
    headers = {"Content-Encoding": PACKERS[packer][0]}
    server.fail(Status(401, body=bomb, headers=headers), on="api")
    with our_session(server, matcher) as session:
        tracemalloc.start()
        try:
            with session.get("/api/x", stream=stream, timeout=5) as response:
                peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 48 * MIB  # old versions of Brotli unpack 16 MiB at once
        assert response.status_code == (200 if matcher is any_401 else 401)


@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,gzip,gzip"])
def test_what_is_packed_more_than_once_is_not_looked_at(server: AuthServer, coding: str) -> None:
    """A thousand times a thousand bytes of one: it reaches the caller as it is."""
    body = make_document(KIB)
    for _ in coding.split(","):
        body = gzip.compress(body)
    server.fail(Status(401, body=body, headers={"Content-Encoding": coding}), on="api")
    with our_session(server, WHEN) as session:
        assert session.get("/api/x").json() == json.loads(make_document(KIB))
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("make", [make_sized, make_chunked])
def test_noise_after_what_was_packed_is_bounded_too(
    server: AuthServer, make: Callable[..., Any]
) -> None:
    """It unpacks to nothing, and is not read on for ever."""
    body = gzip.compress(b'{"a": 1}') + make_noise(6 * MIB)
    server.fail(make(body, "Content-Encoding: gzip"), on="api")
    with our_session(server, WHEN) as session:
        response = session.get("/api/x", stream=True)
        assert response.raw.read(decode_content=False) == body


def test_chunks_that_are_mostly_framing_are_bounded_too(server: AuthServer) -> None:
    """Names behind a chunk's length may be long, and count."""
    extension = b";" + b"n" * 60_000
    wire = b"".join(b"1%b\r\n \r\n" % extension for _ in range(400)) + b"2\r\n{}\r\n0\r\n\r\n"
    answer = make_chunked(b"")
    server.fail(type(answer)(answer.head, wire), on="api")
    with our_session(server, WHEN) as session:
        tracemalloc.start()
        try:
            response = session.get("/api/x", stream=True)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert response.content == b" " * 400 + b"{}"
    assert peak < 12 * MIB
