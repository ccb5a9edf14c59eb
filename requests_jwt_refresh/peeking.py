"""Reading a response's body ahead of the caller, who still gets every byte of it.

http.client cannot be interrupted: what it has read when a timeout comes is lost. So bytes are taken
from the socket below it and kept. A copy of its parser reads them for a matcher. Its own has read
nothing, and finds them again in front of what is still to come.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from time import monotonic  # as sockets have it, and not clock.py's
from typing import TYPE_CHECKING, Any, Final

from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.response import HTTPResponse
from urllib3.util import wait_for_read

if TYPE_CHECKING:
    from collections.abc import Callable

KEEP_BYTES: Final = 1024 * 1024  # how much of a body is kept when its connection is released

_RECEIVE_BYTES: Final = 64 * 1024  # taken from a socket at a time
_LONGEST_FRAMING: Final = 8  # bytes on the wire for one of the body; chunks of one byte take six
_FOR_EVER: Final = float("inf")

# How much packed data is unpacked at a time, since old versions of urllib3 unpack it whole: gzip
# makes 1,032 bytes of one, zstd 128 KiB of four, brotli 16 MiB of about twelve.
_PIECE_BYTES: Final = {"": 16 * 1024, "gzip": 1024, "x-gzip": 1024, "deflate": 1024}
_SMALLEST_PIECE: Final = 16


class OutOfTimeError(TimeoutError):
    """What was to come did not come in time. It may come yet."""


class Bounds:
    """How long, in seconds from the first look, and how much of a body is read ahead."""

    def __init__(self, seconds: float | None, size: int) -> None:
        self.seconds = seconds
        self.size = size
        self._end: float | None = None

    def end(self, now: float) -> float:
        """Return the time by which no more is waited for; the first call starts it."""
        if self._end is None:
            self._end = _FOR_EVER if self.seconds is None else now + self.seconds
        return self._end


class EarlyBody:
    """A body that is read before its caller does.

    `is_awaited` says that the caller waits for it right now, so that the response's own read
    timeout counts as in plain requests.
    """

    def __init__(self, raw: HTTPResponse, method: str | None, *, is_awaited: bool) -> None:
        self._raw: Any = raw
        self._method = method
        self._parser: Any = _find_parser(raw)
        if self._parser is None:
            self._file: Any = self._raw._fp  # noqa: SLF001 - no public way to it
            self._socket: Any = None
        else:
            self._file = self._parser.fp
            self._socket = self._file.raw._sock  # noqa: SLF001 - likewise
        self.read_timeout: float | None = self._socket.gettimeout() if self._socket else None
        self._idle_timeout = self.read_timeout if is_awaited else None
        self._received = bytearray()
        self._failure: Exception | None = None
        self._is_over = False
        self._is_late = False
        self._arrived = 0.0
        self.unseen = ""
        """Why some of the body could not be seen, if somebody looked."""

    def peek(self, bounds: Bounds) -> HTTPResponse:
        """Return a response like the raw one that can be read within `bounds`.

        Reading beyond them raises ProtocolError or ReadTimeoutError.
        """
        file = self._open(bounds)
        body = _Pieces(file, self._raw.headers.get("content-encoding", "").strip().lower())
        original = None if self._parser is None else file
        return self._make_response(_Glimpse, body, original, owner=self, size=bounds.size)

    def hide(self, reason: str) -> HTTPResponse:
        """Return a response like the raw one; reading its body raises ProtocolError."""
        return self._make_response(_Glimpse, _Pieces(None, ""), None, owner=self, unseen=reason)

    def put_back(self) -> None:
        """Let the caller read from the start, as if nothing had been read."""
        self._is_over = True
        self._wait_out()
        if not self._received and self._failure is None:
            return
        replay = io.BufferedReader(_Replay(bytes(self._received), self._failure, self._file))
        if self._parser is None:
            self._raw._fp = replay  # noqa: SLF001 - likewise
        else:
            self._parser.fp = replay

    def keep(self, seconds: float, *, is_reusable: bool) -> HTTPResponse:
        """Release the connection; return the response with its body from memory.

        What has not come after `seconds`, or goes beyond KEEP_BYTES, is lost: reading on to there
        raises ProtocolError. The connection goes back to the pool as it is if the body has been
        read to its end and the connection `is_reusable`, else closed.
        """
        file = self._open(Bounds(0 if self._is_late else seconds, KEEP_BYTES))
        data = bytearray()
        failure: Exception | None = None
        try:
            while len(data) <= KEEP_BYTES and (piece := file.read1(_RECEIVE_BYTES)):
                data += piece
        except OutOfTimeError:
            failure = ProtocolError("the body came too slowly to be kept, and the rest is lost")
        except Exception as torn:  # noqa: BLE001 - for the reader to see
            failure = torn
        if len(data) > KEEP_BYTES:
            failure = ProtocolError("the body was too long to keep, and the rest is lost")
        is_whole = failure is None and not getattr(file, "length", None)
        self.release(is_reusable=is_reusable and is_whole)
        replay = _Replay(bytes(data), failure, None)
        return self._make_response(HTTPResponse, replay, self._raw._original_response)  # noqa: SLF001 - there a Session reads cookies

    def release(self, *, is_reusable: bool = False) -> None:
        """Give the connection back to the pool, closed unless it `is_reusable`."""
        self._is_over = True
        if is_reusable:
            (self._parser or self._file).close()
        else:
            self._raw.close()
        self._raw.release_conn()

    def read_from(self, start: int, size: int, bounds: Bounds) -> bytes:
        """Return up to `size` bytes as they came over the wire; b"" at the end.

        Raises OutOfTimeError, ProtocolError beyond the other bound, and what broke the body off.
        """
        if start == len(self._received):
            self._receive(size, bounds)
        return bytes(self._received[start : start + size])

    def _receive(self, size: int, bounds: Bounds) -> None:
        if self._is_over:
            raise ValueError("a response can be read only while its matcher is asked")
        if self._failure is not None:
            raise self._failure
        if len(self._received) > _LONGEST_FRAMING * bounds.size + _RECEIVE_BYTES:
            raise ProtocolError("too much came for a body of that size")
        try:
            self._received += self._read(size, bounds)
        except OutOfTimeError:
            self._is_late = True
            raise
        except Exception as failure:
            self._failure = failure
            raise

    def _read(self, size: int, bounds: Bounds) -> bytes:
        now = monotonic()
        self._arrived = self._arrived or now
        end = bounds.end(now)
        if end <= now:
            raise OutOfTimeError
        if self._socket is None:
            return _read_some(self._file, size)
        if self._idle_timeout is not None:
            end = min(end, now + self._idle_timeout)
        self._socket.settimeout(0)
        try:
            while (data := self._read_without_waiting(size)) is None:
                if not wait_for_read(self._socket, _seconds_until(end)):
                    raise OutOfTimeError
        finally:
            self._socket.settimeout(self.read_timeout)
        self._arrived = monotonic()
        return data

    def _read_without_waiting(self, size: int) -> bytes | None:
        """Return None if nothing has come."""
        # Asked first: a plain socket's file says b"" at the end, and also before more comes.
        is_clear = isinstance(self._socket, ssl.SSLSocket) or wait_for_read(self._socket, 0)
        try:
            data: bytes = self._file.read1(size)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        return data if data or is_clear else None

    def _wait_out(self) -> None:
        """Wait on in the caller's place, for whom the read timeout would start anew."""
        if self._is_late and self._idle_timeout is not None:
            end = self._arrived + self._idle_timeout
            if not wait_for_read(self._socket, _seconds_until(end)):
                self._failure = TimeoutError("timed out")

    def _open(self, bounds: Bounds) -> Any:
        """Return a file of the body, from its start."""
        file = io.BufferedReader(_FromStart(self, bounds), _RECEIVE_BYTES)
        if self._parser is None:
            return file
        parser: Any = http.client.HTTPResponse.__new__(http.client.HTTPResponse)
        vars(parser).update(vars(self._parser))
        parser.fp = file
        return parser

    def _make_response(
        self, kind: Callable[..., HTTPResponse], body: Any, original: Any, **more: Any
    ) -> HTTPResponse:
        raw = self._raw
        return kind(
            body=body,
            headers=raw.headers,
            status=raw.status,
            version=raw.version,
            reason=raw.reason,
            decode_content=raw.decode_content,
            preload_content=False,
            original_response=original,
            request_method=self._method,
            request_url=raw.geturl(),
            retries=raw.retries,
            **more,
        )


class _Glimpse(HTTPResponse):
    """What a matcher reads."""

    def __init__(self, *, owner: EarlyBody, size: int = 0, unseen: str = "", **more: Any) -> None:
        super().__init__(**more)
        self._owner = owner
        self._size = self._room = size
        self.unseen = unseen

    def read(
        self,
        amt: int | None = None,
        decode_content: bool | None = None,
        cache_content: bool = False,  # noqa: ARG002 - HTTPResponse's own
    ) -> bytes:
        if amt is None or amt < 0:
            return b"".join(iter(lambda: self.read(_RECEIVE_BYTES, decode_content), b""))
        if self.unseen:
            raise self._refuse(self.unseen)
        try:
            data = super().read(min(amt, self._room + 1, _RECEIVE_BYTES), decode_content)
        except HTTPError as failure:
            self._refuse(type(failure).__name__)
            raise
        self._room -= len(data)
        if self._room < 0:
            raise self._refuse(f"longer than {self._size:,} bytes")
        return data

    def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        return self.read(_RECEIVE_BYTES if amt is None else amt, decode_content)

    def _refuse(self, reason: str) -> ProtocolError:
        """Let nothing more be read, since what is left out would not be missed."""
        self.unseen = self._owner.unseen = reason
        return ProtocolError(f"not read ahead: {reason}")


class _Pieces:
    """A body in pieces so small that not much can be unpacked from one."""

    def __init__(self, file: Any, coding: str) -> None:
        self._file = file
        self._coding = coding
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        if "," in self._coding:
            raise ProtocolError("not read ahead: packed more than once")
        piece = _PIECE_BYTES.get(self._coding, _SMALLEST_PIECE)
        data: bytes = self._file.read1(piece if size < 0 else min(size, piece))
        return data

    def close(self) -> None:
        self.closed = True


class _FromStart(io.RawIOBase):
    """What has been received of a body, then what is still to come."""

    def __init__(self, body: EarlyBody, bounds: Bounds) -> None:
        self._body = body
        self._bounds = bounds
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read_from(self._at, len(buffer), self._bounds)
        self._at += len(data)
        buffer[: len(data)] = data
        return len(data)


class _Replay(io.RawIOBase):
    """What the caller reads: what has been received, then what broke it off, or the rest."""

    def __init__(self, start: bytes, failure: Exception | None, rest: Any) -> None:
        self._start = io.BytesIO(start)
        self._failure = failure
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start.read(len(buffer))
        if not data and self._failure is not None:
            raise self._failure
        if not data and self._rest is not None:
            data = _read_some(self._rest, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def fileno(self) -> int:
        if self._rest is None:
            raise io.UnsupportedOperation("fileno")
        number: int = self._rest.fileno()
        return number

    def close(self) -> None:
        if self._rest is not None:
            self._rest.close()
        super().close()


def _find_parser(raw: HTTPResponse) -> Any:
    """Return the parser that reads the body from a socket; None if the body comes otherwise."""
    parser: Any = raw._original_response  # noqa: SLF001 - no public way to it
    if not isinstance(parser, http.client.HTTPResponse):
        return None
    file: Any = getattr(parser, "fp", None)
    source = getattr(file, "raw", None) if isinstance(file, io.BufferedReader) else None
    return parser if isinstance(getattr(source, "_sock", None), socket.socket) else None


def _seconds_until(end: float) -> float | None:
    return None if end == _FOR_EVER else max(end - monotonic(), 0)


def _read_some(file: Any, size: int) -> bytes:
    """Read what is there, up to `size` bytes, if the file can do that."""
    if getattr(file, "closed", False):
        return b""
    data: bytes = getattr(file, "read1", file.read)(size)
    return data or b""
