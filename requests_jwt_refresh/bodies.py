"""Reading a 401's body without taking it from the caller, and sending a request's body again."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import requests
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.response import HTTPResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

MATCH_BYTES = 16 * 1024  # how much of a response's body a matcher may see
KEEP_BYTES = 1024 * 1024  # how much of a 401's body is kept when its connection is released


def says_expired(
    response: Response, matcher: Callable[[Response], bool], request: PreparedRequest
) -> bool:
    """Ask `matcher` about the response to `request`; if it says yes, release the connection.

    Either way the caller can still read the whole body, streamed or not. The matcher gets a copy of
    the response that sees at most MATCH_BYTES of the body.
    """
    raw = response.raw
    if not isinstance(raw, HTTPResponse):  # a transport of another kind: no connection to release
        return bool(matcher(response))
    body = _Body(raw, request)
    try:
        expired = bool(matcher(_copy_for_matcher(response, body)))
    except BaseException:
        body.close()
        raise
    response.raw = body.keep() if expired else body.put_back()
    return expired


def can_be_resent(request: PreparedRequest) -> bool:
    """Whether the body can be sent once more, whole; that of a generator cannot."""
    body = request.body
    if body is None or isinstance(body, (str, bytes, bytearray, memoryview)):
        return True
    return isinstance(request._body_position, int) and hasattr(body, "seek")  # noqa: SLF001 - where rewind_body() goes back to


def rewind(request: PreparedRequest) -> bool:
    """Seek a file body to where the caller had it; return False if the body cannot be resent."""
    if not can_be_resent(request):
        return False
    if request._body_position is None or not hasattr(request.body, "seek"):  # noqa: SLF001 - likewise
        return True
    try:
        rewind_body(request)
    except (UnrewindableBodyError, ValueError):  # ValueError: closed in the meantime
        return False
    return True


def _copy_for_matcher(response: Response, body: _Body) -> Response:
    copy = requests.Response()
    copy.__dict__.update(response.__dict__)  # copy.copy() would read the body to the end
    copy.raw = body.make_response(_Peek(body), whole=False)
    return copy


class _Body:
    """The body of a response, as far as it has been read, and the connection it comes over.

    After a request that carried a body, the connection is closed once the response matched: a
    server that refuses an upload unread promises keep-alive and then hangs up, and the next request
    on that connection would fail. So it is held until then; urllib3 would return it to the pool as
    soon as the body is read to its end.
    """

    def __init__(self, raw: HTTPResponse, request: PreparedRequest) -> None:
        self.raw = raw
        self._method = request.method
        self.data = b""
        self.failure: HTTPError | None = None
        self._held = raw._connection if request.body is not None else None  # noqa: SLF001 - no public way to hold it
        if self._held is not None:
            raw._connection = None  # noqa: SLF001 - likewise

    def read(self, limit: int) -> bytes:
        """Read some more, up to `limit` bytes in all; return what is new, b"" at the end."""
        room = limit - len(self.data)
        if room <= 0 or self.failure is not None:
            return b""
        try:
            data = self.raw.read(room, decode_content=False)
        except HTTPError as failure:
            self.failure = failure
            return b""
        self.data += data
        return data

    def put_back(self) -> HTTPResponse:
        """Return the response as if nothing had been read."""
        self._restore_connection()
        if not self.data and self.failure is None:
            return self.raw
        return self.make_response(_Replay(self), whole=True)

    def keep(self) -> HTTPResponse:
        """Release the connection; return the response with its body from memory."""
        while self.read(KEEP_BYTES + 1):  # one more, to see that a body of that very size has ended
            pass
        if self.failure is None and not self.raw.closed:
            self.failure = ProtocolError("the body was too long to keep, and the rest is lost")
        self.close()
        return self.make_response(_Replay(self), whole=True)

    def close(self) -> None:
        """Return the connection to the pool: open if it is sound and fully read, else closed."""
        sound = self._held is None and self.failure is None and self.raw.closed
        self._restore_connection(closed=self._held is not None)
        if not sound:
            self.raw.close()
        self.raw.release_conn()

    def make_response(self, source: io.RawIOBase, *, whole: bool) -> HTTPResponse:
        """Return a response like the raw one that reads from `source`."""
        raw: Any = self.raw
        return HTTPResponse(
            body=source,
            headers=raw.headers,
            status=raw.status,
            version=raw.version,
            reason=raw.reason,
            decode_content=raw.decode_content,
            preload_content=False,
            # There a Session reads the response's cookies.
            original_response=getattr(raw, "_original_response", None),
            enforce_content_length=whole,
            request_method=self._method,
            request_url=raw.geturl(),
            retries=raw.retries,
        )

    def _restore_connection(self, *, closed: bool = False) -> None:
        if self._held is None:
            return
        if closed:
            self._held.close()
        self.raw._connection, self._held = self._held, None  # noqa: SLF001 - likewise
        if self.raw.closed:
            self.raw.release_conn()


class _Peek(io.RawIOBase):
    """What a matcher reads: the first MATCH_BYTES of the body."""

    def __init__(self, body: _Body) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(min(MATCH_BYTES, len(self._body.data) + len(buffer)))
        buffer[: len(data)] = data
        return len(data)


class _Replay(io.RawIOBase):
    """What the caller reads: what a matcher has read, then the rest."""

    def __init__(self, body: _Body) -> None:
        self._body = body
        self._start = io.BytesIO(body.data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start.read(len(buffer))
        if not data and self._body.failure is not None:
            raise self._body.failure
        data = data or self._body.raw.read(len(buffer), decode_content=False)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.raw.close()
        self._body.raw.release_conn()
        super().close()
