"""The connection: reading a request to its end, writing its answer in one go."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import socketserver
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from requests_jwt_refresh.testing.faults import Exchange
from requests_jwt_refresh.testing.routes import Routes
from requests_jwt_refresh.testing.seen import Headers, SeenRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing.ledger import Ledger
    from requests_jwt_refresh.testing.server import AuthServer
    from requests_jwt_refresh.testing.traffic import Traffic


_KEPT_BYTES = 65_536  # of each request's body
_PIECE_BYTES = 65_536
_JOIN_SECONDS = 5.0


class Connection(BaseHTTPRequestHandler):
    """A client's connection, in its own thread."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.number = self.server.ledger.count("connections")

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        seen = self._head()
        unread = self._is_refused_unread(seen)
        try:
            seen = seen if unread else self._with_body(seen)
        except ValueError:
            self.send_error(400)
            return
        self._answer(seen)
        if unread:
            self._hang_up_late(seen)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - the names http.server looks for

    def _head(self) -> SeenRequest:
        kind = self.server.routes.kind(self.path)
        headers = Headers(self.headers.items())
        return SeenRequest(self.command, self.path, kind, self.number, headers)

    def _is_refused_unread(self, seen: SeenRequest) -> bool:
        if self.server.rules.read_body_first or seen.kind != "api" or not _has_body(seen):
            return False
        return self.server.routes.user(seen) is None

    def _with_body(self, seen: SeenRequest) -> SeenRequest:
        start, size, digest = bytearray(), 0, hashlib.sha256()
        for piece in self._pieces(seen):
            start += piece[: _KEPT_BYTES - len(start)]
            size += len(piece)
            digest.update(piece)
        whole = replace(seen, size=size, sha256=digest.hexdigest(), body=bytes(start))
        return replace(whole, kind=self.server.routes.kind_by_grant(whole))

    def _pieces(self, seen: SeenRequest) -> Iterator[bytes]:
        if "Transfer-Encoding" not in seen.headers:
            yield from self._exactly(int(seen.headers.get("Content-Length", "0")))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):  # RFC 9112 §7.1
            yield from self._exactly(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailer fields

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self.rfile.read(min(size, _PIECE_BYTES))
            if not piece:
                raise ConnectionAbortedError("the client left in the middle of its request")
            size -= len(piece)
            yield piece

    def _answer(self, seen: SeenRequest) -> None:
        self.server.ledger.note(seen)
        fault, healed = self.server.traffic.admit(seen)
        exchange = Exchange(self, seen, healed)
        if fault is None:
            exchange.send(exchange.work())
            return
        self.server.ledger.count("faults")
        fault.play(exchange)

    def _hang_up_late(self, seen: SeenRequest) -> None:
        """Close at the worst moment: when the next request arrives on this connection."""
        self.close_connection = True
        with contextlib.suppress(ValueError):  # malformed: it has had its answer all the same
            for _ in self._pieces(seen):
                pass  # or a client that sends it all before it reads would see a reset
            self.rfile.read(1)


def _has_body(seen: SeenRequest) -> bool:
    return "Transfer-Encoding" in seen.headers or seen.headers.get("Content-Length", "0") != "0"


class Listener(ThreadingHTTPServer):
    """The listening socket, and the connections made through it."""

    request_queue_size = 256

    def __init__(
        self, address: tuple[str, int], rules: AuthServer, ledger: Ledger, traffic: Traffic
    ) -> None:
        self.rules = rules
        self.ledger = ledger
        self.traffic = traffic
        self.routes = Routes(rules, ledger)
        self._lock = threading.Lock()  # guards the two below; nobody closes a socket without it
        self._open: set[socket.socket] = set()
        self._running: list[threading.Thread] = []
        super().__init__(address, Connection)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's would ask the DNS for our name

    # What `request` is, only socketserver knows; over TCP it is the socket.
    def process_request(self, request: Any, client_address: object) -> None:
        with self._lock:
            self._open.add(request)
            self._running = [thread for thread in self._running if thread.is_alive()]
            self._running.append(started(self.process_request_thread, request, client_address))

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: object) -> None:
        """Say nothing of clients that leave, but show what is wrong here or in a predicate."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Close everything and wait for the threads. The traffic has been stopped before."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):  # the client was faster
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the thread, which closes it
            running = list(self._running)
        for thread in running:
            thread.join(_JOIN_SECONDS)


def started(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name="AuthServer", daemon=True)
    thread.start()
    return thread
