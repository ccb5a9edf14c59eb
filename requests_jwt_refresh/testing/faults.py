"""Faults on demand: what a request may meet instead of its answer."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from requests_jwt_refresh.testing.seen import Answer, SeenRequest, json_answer

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from requests_jwt_refresh.testing.connection import Connection


class Fault(Protocol):
    """How to answer a request badly. Any object with this method is one."""

    def play(self, exchange: Exchange) -> None:
        """Answer the request, or fail to."""


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, connection: Connection, seen: SeenRequest, healed: threading.Event) -> None:
        self.seen = seen
        self._connection = connection
        self._healed = healed

    def work(self) -> Answer:
        """Do what the request asks for (rotate, say) and return the answer, unsent."""
        return self._connection.server.routes.answer(self.seen)

    def send(self, answer: Answer) -> None:
        """Send an answer in one write."""
        head, body = self.encode(answer)
        self.send_bytes(head + body)

    def encode(self, answer: Answer) -> tuple[bytes, bytes]:
        """Return the answer's header section and its body as they go over the wire."""
        fields = {"Date": self._connection.date_time_string(), **answer.headers}
        is_bodyless = answer.status in (204, 304)  # RFC 9110 §6.4.1, §8.6
        if not is_bodyless:
            fields.setdefault("Content-Length", str(len(answer.body)))
        if self._connection.close_connection:
            fields.setdefault("Connection", "close")
        reason = http.client.responses.get(answer.status, "")
        lines = [f"HTTP/1.1 {answer.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head, b"" if is_bodyless or self.seen.method == "HEAD" else answer.body

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._connection.connection.sendall(data)

    def pause(self, seconds: float | None) -> None:
        """Wait `seconds`, None for ever; heal() ends the wait.

        Raises ConnectionAbortedError if it was the server's stop that ended it.
        """
        self._healed.wait(seconds)
        self._connection.server.traffic.check_open()

    def drop(self) -> None:
        """Close the connection once the fault has been played."""
        self._connection.close_connection = True

    def client_has_gone(self) -> bool:
        """Whether the client has closed its side."""
        sock = self._connection.connection
        sock.setblocking(False)
        try:
            return not sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            sock.setblocking(True)


class _Reply:
    """A fault that is an answer. What the request asked for is not done."""

    def answer(self) -> Answer:
        raise NotImplementedError

    def play(self, exchange: Exchange) -> None:
        exchange.send(self.answer())


@dataclass(frozen=True)
class Status(_Reply):
    """Any status, with any body. `retry_after` is seconds, or a date as a string."""

    status: int
    retry_after: float | str | None = None
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self) -> Answer:
        """Return the answer; a body is called JSON unless `headers` says otherwise."""
        fields = {"Content-Type": "application/json"} if self.body else {}
        if self.retry_after is not None:
            fields["Retry-After"] = str(self.retry_after)
        return Answer(self.status, self.body, {**fields, **self.headers})


@dataclass(frozen=True)
class JSONBody(_Reply):
    """Any JSON: a list, a number, the wrong fields."""

    content: Any = field(repr=False)
    status: int = 200

    def answer(self) -> Answer:
        return json_answer(self.status, self.content)


@dataclass(frozen=True)
class HTML(_Reply):
    """A web page, as a captive portal or a proxy sends it."""

    status: int = 200

    def answer(self) -> Answer:
        page = b"<!doctype html><title>Sign in to the network</title><p>Welcome.\n"
        return Answer(self.status, page, {"Content-Type": "text/html; charset=utf-8"})


@dataclass(frozen=True)
class Redirect(_Reply):
    """A redirect to `url`."""

    url: str
    status: int = 307

    def answer(self) -> Answer:
        return Answer(self.status, headers={"Location": self.url})


@dataclass(frozen=True)
class Huge(_Reply):
    """Well-formed JSON of `bytes` bytes."""

    bytes: int = 10_000_000

    def answer(self) -> Answer:
        start, end = '{"access_token": "', '"}'
        filling = "a" * (self.bytes - len(start) - len(end))
        return Answer(200, f"{start}{filling}{end}".encode(), {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Truncated(_Reply):
    """JSON cut short. `short`: Content-Length promises more, and the connection closes."""

    short: bool = False

    def answer(self) -> Answer:
        body = b'{"access_token": "eyJhbGciOi'
        fields = {"Content-Type": "application/json"}
        if self.short:
            fields["Content-Length"] = str(2 * len(body))
        return Answer(200, body, fields)

    def play(self, exchange: Exchange) -> None:
        super().play(exchange)
        if self.short:
            exchange.drop()


@dataclass(frozen=True)
class Delay:
    """The right answer, `seconds` late. Nothing is done for a client that has left by then."""

    seconds: float

    def play(self, exchange: Exchange) -> None:
        exchange.pause(self.seconds)
        if exchange.client_has_gone():
            exchange.drop()
        else:
            exchange.send(exchange.work())


@dataclass(frozen=True)
class Hang:
    """No answer at all. The connection is dropped when the server heals or stops."""

    def play(self, exchange: Exchange) -> None:
        exchange.pause(None)
        exchange.drop()


@dataclass(frozen=True)
class Drop:
    """The connection is closed without an answer, and nothing is done."""

    def play(self, exchange: Exchange) -> None:
        exchange.drop()


@dataclass(frozen=True)
class DropAfter:
    """A lost answer: the work is done (the tokens are rotated), but the answer never arrives."""

    def play(self, exchange: Exchange) -> None:
        exchange.work()
        exchange.drop()


@dataclass(frozen=True)
class Trickle:
    """The right answer, byte by byte, from its first byte or from that of its body.

    The work is done before the first byte goes out. After heal() the rest comes at once.
    """

    seconds_per_byte: float = 0.05
    part: Literal["header", "body"] = "body"

    def play(self, exchange: Exchange) -> None:
        head, body = exchange.encode(exchange.work())
        if self.part == "body":
            exchange.send_bytes(head)
        for byte in body if self.part == "body" else head + body:
            exchange.pause(self.seconds_per_byte)
            exchange.send_bytes(bytes([byte]))
