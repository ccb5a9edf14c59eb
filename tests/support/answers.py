"""Answers with status 401 byte for byte: sized, chunked, packed, torn."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.users import INVALID_JWT

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import Exchange


def make_noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@dataclass(frozen=True)
class RawAnswer:
    """An answer with status 401 just as it goes over the wire."""

    head: str
    body: bytes = field(default=b"", repr=False)
    hangs_up: bool = False

    def play(self, exchange: Exchange) -> None:
        head = f"HTTP/1.1 401 Not Now\r\nX-Twice: a\r\nX-Twice: b\r\n{self.head}\r\n\r\n"
        exchange.send_bytes(head.encode())
        if exchange.seen.method != "HEAD":
            exchange.send_bytes(self.body)
        if self.hangs_up:
            exchange.drop()


def make_sized(body: bytes, *fields: str, promised: int = 0, hangs_up: bool = False) -> RawAnswer:
    length = f"Content-Length: {promised or len(body)}"
    return RawAnswer("\r\n".join([length, *fields]), body, hangs_up)


def make_chunked(body: bytes, *fields: str, size: int = 5000, hangs_up: bool = False) -> RawAnswer:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    end = b"" if hangs_up else b"0\r\n\r\n"
    return RawAnswer("\r\n".join(["Transfer-Encoding: chunked", *fields]), coded + end, hangs_up)


def make_gzipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


KIB, MIB = 1024, 1024 * 1024
JSON = "Content-Type: application/json"
GZIP = "Content-Encoding: gzip"
ANSWERS = {
    "json": make_sized(b'{"message": "Not for you", "a": "\xc3\xa4"}', JSON),
    "lines": make_sized(b"one\ntwo\r\n\nthree" * 4000, "Content-Type: text/plain; charset=latin-1"),
    "gzip json": make_sized(make_gzipped(b'{"message": "Not for you"}'), JSON, GZIP),
    "gzip 200 KiB": make_sized(make_gzipped(make_noise(200 * KIB)), GZIP),
    "gzip chunked": make_chunked(make_gzipped(make_noise(50 * KIB)), GZIP),
    "chunked json": make_chunked(b'{"message": "Not for you"}', JSON, size=3),
    "chunked 200 KiB": make_chunked(make_noise(200 * KIB)),
    "16 KiB - 1": make_sized(make_noise(16 * KIB - 1)),
    "16 KiB": make_sized(make_noise(16 * KIB)),
    "16 KiB + 1": make_sized(make_noise(16 * KIB + 1)),
    "1024 KiB": make_sized(make_noise(MIB)),
    "1024 KiB chunked": make_chunked(make_noise(MIB), size=64 * KIB),
    "1 MiB + 1": make_sized(make_noise(MIB + 1)),
    "1.5 MiB": make_sized(make_noise(1536 * KIB)),
    "1.5 MiB chunked": make_chunked(make_noise(1536 * KIB), size=64 * KIB),
    "empty": make_sized(b""),
    "empty chunked": make_chunked(b""),
    "until it hangs up": RawAnswer("X: y", make_noise(200 * KIB), hangs_up=True),
    "no body": RawAnswer("Connection: close\r\nX: y", hangs_up=True),
}


UP_TO_1_MIB = {name: each for name, each in ANSWERS.items() if "MiB" not in name}
BROKEN = {
    "cut": make_sized(make_noise(100), promised=1000, hangs_up=True),
    "cut late": make_sized(make_noise(100 * KIB), promised=200 * KIB, hangs_up=True),
    "cut chunked": make_chunked(make_noise(100), hangs_up=True),
    "cut chunked late": make_chunked(make_noise(100 * KIB), hangs_up=True),
    "bad chunk": RawAnswer("Transfer-Encoding: chunked", b"zz\r\nhm", hangs_up=True),
    "cut json": make_sized(INVALID_JWT[:-1], promised=1000, hangs_up=True),
    "bad gzip": make_sized(make_noise(1000), GZIP),
}
