"""Faults on demand: what a request may get instead of its response."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from requests_jwt_refresh import clock
from requests_jwt_refresh.testing.validation import (
    check_choice,
    check_count,
    check_seconds,
    check_status,
)
from requests_jwt_refresh.testing.values import RecordedRequest, ServerResponse, json_response
from requests_jwt_refresh.tokens import describe_kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler


class Fault(Protocol):
    """How to answer a request badly. Any object with this method is one.

    ```python
    class Teapot:
        def play(self, exchange):
            exchange.send(ServerResponse(418))


    server.fail(Teapot(), on="api")
    assert client.get("/api/users").status_code == 418
    ```

    It may be played by several threads at once, each for a request of its own. What it raises
    closes the connection; the fixture `jwt_server` fails a test for it, except for the
    ConnectionError of a client that has left.
    """

    def play(self, exchange: Exchange) -> None:
        """Answer the request, or fail to: with what the `Exchange` offers."""


class Exchange:
    """One request to the server, and the means to answer it: what a `Fault` plays with.

    ```python
    class LastByteLost:
        def play(self, exchange):
            head, body = exchange.encode(exchange.work())  # the tokens are rotated
            exchange.send_bytes(head + body[:-1])
            exchange.drop()


    server.fail(LastByteLost(), on="api")
    with pytest.raises(requests.RequestException):
        client.get("/api/users")
    ```

    The server makes it.
    """

    request: RecordedRequest
    """What has arrived."""

    def __init__(
        self,
        handler: BaseHTTPRequestHandler,
        request: RecordedRequest,
        respond: Callable[[RecordedRequest], ServerResponse],
        pause: Callable[[float | None], None],
    ) -> None:
        self.request = request
        self._handler = handler
        self._respond = respond
        self._pause = pause

    @property
    def seen(self) -> RecordedRequest:
        """The same as `request`: the name of 0.1."""
        return self.request

    def work(self) -> ServerResponse:
        """Do what the request asks for (rotate, say) and return the response, unsent."""
        return self._respond(self.request)

    def send(self, response: ServerResponse) -> None:
        """Send a response in one write."""
        head, body = self.encode(response)
        self.send_bytes(head + body)

    def encode(self, response: ServerResponse) -> tuple[bytes, bytes]:
        """Return the response's header section and its body as they go over the wire."""
        if not isinstance(response, ServerResponse):
            raise TypeError(f"it takes a ServerResponse, not {describe_kind(response)}")
        fields = {"Date": self._handler.date_time_string(clock.time()), **response.headers}
        is_bodyless = response.status in (204, 304)  # RFC 9110 §6.4.1, §8.6
        if not is_bodyless:
            fields.setdefault("Content-Length", str(len(response.body)))
        if self._handler.close_connection:
            fields.setdefault("Connection", "close")
        reason = http.client.responses.get(response.status, "")
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        lines += [f"Set-Cookie: {value}" for value in response.set_cookies]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head, b"" if is_bodyless or self.request.method == "HEAD" else response.body

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._handler.connection.sendall(data)

    def pause(self, seconds: float | None) -> None:
        """Wait `seconds` of the machine's own time, None without end; clear_faults() ends the wait.

        Raises ConnectionAbortedError if it was the server's stop that ended it.
        """
        self._pause(seconds)

    def drop(self) -> None:
        """Close the connection once the fault has been played."""
        self._handler.close_connection = True

    def client_has_gone(self) -> bool:
        """Whether the client has closed its side."""
        sock = self._handler.connection
        sock.setblocking(False)
        try:
            return not sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            sock.setblocking(True)


class _FixedResponse:
    """A fault that is a response. The request's work is not done."""

    def to_response(self) -> ServerResponse:
        raise NotImplementedError

    def answer(self) -> ServerResponse:
        return self.to_response()  # the name of 0.1

    def play(self, exchange: Exchange) -> None:
        exchange.send(self.to_response())


@dataclass(frozen=True)
class Status(_FixedResponse):
    """Any status, with any body.

    ```python
    server.fail(Status(503, retry_after=0.1))  # the next refresh; the one after it succeeds
    server.expire()
    assert client.get("/api/users").status_code == 200
    ```

    >>> Status(503, retry_after=1).to_response().headers
    {'Retry-After': '1'}
    """

    status: int
    """The HTTP status code."""
    retry_after: float | str | None = None
    """What Retry-After says (RFC 9110 §10.2.3): seconds, or a date; None is none."""
    body: bytes = field(default=b"", repr=False)
    """The body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """More header fields."""

    def __post_init__(self) -> None:
        check_status(self.status)
        if not isinstance(self.body, bytes):
            raise TypeError(f"body must be bytes such as b'no', not {describe_kind(self.body)}")
        if not isinstance(self.headers, Mapping):
            raise TypeError(f"headers must be a dict, not {describe_kind(self.headers)}")

    def to_response(self) -> ServerResponse:
        """Return the response; a body is called JSON unless `headers` says otherwise."""
        fields = {"Content-Type": "application/json"} if self.body else {}
        if self.retry_after is not None:
            fields["Retry-After"] = str(self.retry_after)  # RFC 9110 §10.2.3
        return ServerResponse(self.status, self.body, {**fields, **self.headers})


@dataclass(frozen=True)
class JSONBody(_FixedResponse):
    """Any JSON: a list, a number, the wrong fields.

    ```python
    server.fail(JSONBody({"token": "in another field"}))  # the next refresh
    server.expire()
    with pytest.raises(RefreshUnavailable):
        client.get("/api/users")
    ```
    """

    content: Any = field(repr=False)
    """What is written as JSON; anything that ``json.dumps()`` takes."""
    status: int = 200
    """The HTTP status code."""

    def __post_init__(self) -> None:
        check_status(self.status)
        json.dumps(self.content)  # Python's own TypeError or ValueError says what is none

    def to_response(self) -> ServerResponse:
        """Return the response."""
        return json_response(self.status, self.content)


@dataclass(frozen=True)
class HTML(_FixedResponse):
    """A web page, as a captive portal or a proxy sends it.

    ```python
    server.fail(HTML())  # the next refresh
    server.expire()
    with pytest.raises(RefreshUnavailable):
        client.get("/api/users")
    ```
    """

    status: int = 200
    """The HTTP status code."""

    def __post_init__(self) -> None:
        check_status(self.status)

    def to_response(self) -> ServerResponse:
        """Return the response."""
        page = b"<!doctype html><title>Sign in to the network</title><p>Welcome.\n"
        return ServerResponse(self.status, page, {"Content-Type": "text/html; charset=utf-8"})


@dataclass(frozen=True)
class Redirect(_FixedResponse):
    """A redirect to `url` (RFC 9110 §15.4), which a refresh does not follow.

    ```python
    server.fail(Redirect("https://login.example.com/"))  # the next refresh
    server.expire()
    with pytest.raises(RefreshUnavailable):
        client.get("/api/users")
    ```
    """

    url: str
    """What the Location says, absolute or relative."""
    status: int = 307
    """The HTTP status code: 301, 302, 303, 307 or 308."""

    def __post_init__(self) -> None:
        check_status(self.status)
        if not isinstance(self.url, str):
            raise TypeError(f"url must be a string, not {describe_kind(self.url)}")

    def to_response(self) -> ServerResponse:
        """Return the response."""
        return ServerResponse(self.status, headers={"Location": self.url})


@dataclass(frozen=True)
class Huge(_FixedResponse):
    """Well-formed JSON that is larger than any answer with tokens.

    ```python
    server.fail(Huge(bytes=2_000_000))  # the next refresh, of which 1 MiB is read at the most
    server.expire()
    with pytest.raises(RefreshUnavailable):
        client.get("/api/users")
    ```
    """

    bytes: int = 10_000_000
    """The size of its body."""

    def __post_init__(self) -> None:
        check_count("bytes", self.bytes)

    def to_response(self) -> ServerResponse:
        """Return the response."""
        start, end = '{"access_token": "', '"}'
        filling = "a" * (self.bytes - len(start) - len(end))
        body = f"{start}{filling}{end}".encode()
        return ServerResponse(200, body, {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Truncated(_FixedResponse):
    """JSON that is cut short.

    ```python
    server.fail(Truncated())  # the next refresh
    server.expire()
    with pytest.raises(RefreshUnavailable):
        client.get("/api/users")
    ```
    """

    short: bool = False
    """Whether the body is shorter than Content-Length says, and the connection closes after it."""

    def to_response(self) -> ServerResponse:
        """Return the response."""
        body = b'{"access_token": "eyJhbGciOi'
        fields = {"Content-Type": "application/json"}
        if self.short:
            fields["Content-Length"] = str(2 * len(body))
        return ServerResponse(200, body, fields)

    def play(self, exchange: Exchange) -> None:
        super().play(exchange)
        if self.short:
            exchange.drop()


@dataclass(frozen=True)
class Delay:
    """The right response, late. Nothing is done for a client that has left by then.

    ```python
    server.fail(Delay(5), on="api")
    with pytest.raises(requests.Timeout):
        client.get("/api/users", timeout=0.1)
    ```
    """

    seconds: float
    """How late, in seconds of the machine's own time."""

    def __post_init__(self) -> None:
        check_seconds("seconds", self.seconds)

    def play(self, exchange: Exchange) -> None:
        exchange.pause(self.seconds)
        if exchange.client_has_gone():
            exchange.drop()
        else:
            exchange.send(exchange.work())


@dataclass(frozen=True)
class Hang:
    """No response at all. The connection is dropped at clear_faults() or stop().

    ```python
    server.fail(Hang(), on="api")
    with pytest.raises(requests.Timeout):
        client.get("/api/users", timeout=0.1)
    ```
    """

    def play(self, exchange: Exchange) -> None:
        exchange.pause(None)
        exchange.drop()


@dataclass(frozen=True)
class Drop:
    """The connection is closed without a response, and nothing is done.

    ```python
    server.fail(Drop())  # the next refresh; the one after it succeeds
    server.expire()
    assert client.get("/api/users").status_code == 200
    ```
    """

    def play(self, exchange: Exchange) -> None:
        exchange.drop()


@dataclass(frozen=True)
class DropAfter:
    """A lost response: the work is done (the tokens are rotated), but it never arrives.

    ```python
    server.grace = 10  # seconds in which the refresh token may be used again
    server.fail(DropAfter())  # the next refresh
    server.expire()
    assert client.get("/api/users").status_code == 200
    assert server.counters.repeated == 1
    ```

    Without `grace` the second try is a reuse, which revokes the family: the client is logged out.
    """

    def play(self, exchange: Exchange) -> None:
        exchange.work()
        exchange.drop()


@dataclass(frozen=True)
class Trickle:
    """The right response, byte by byte, from its first byte or from that of its body.

    ```python
    server.fail(Trickle(seconds_per_byte=0.001), on="api")
    assert client.get("/api/users").status_code == 200
    ```

    The work is done before the first byte is sent. After clear_faults() the rest comes at once.
    """

    seconds_per_byte: float = 0.05
    """The pause before each byte, in seconds."""
    part: Literal["header", "body"] = "body"
    """From where on: ``"header"`` is the whole response."""

    def __post_init__(self) -> None:
        check_seconds("seconds_per_byte", self.seconds_per_byte)
        check_choice("part", self.part, ("header", "body"))

    def play(self, exchange: Exchange) -> None:
        head, body = exchange.encode(exchange.work())
        if self.part == "body":
            exchange.send_bytes(head)
        for byte in body if self.part == "body" else head + body:
            exchange.pause(self.seconds_per_byte)
            exchange.send_bytes(bytes([byte]))
