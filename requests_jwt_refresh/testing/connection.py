"""The connection: reading a request to its end, writing its response in one go."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import socketserver
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests_jwt_refresh.testing.faults import Exchange
from requests_jwt_refresh.testing.like_routes import LikeRoutes
from requests_jwt_refresh.testing.openid import OpenIDRoutes
from requests_jwt_refresh.testing.options import shape_of
from requests_jwt_refresh.testing.routes import Routes
from requests_jwt_refresh.testing.user_errors import Told, tell_errors
from requests_jwt_refresh.testing.values import Headers, RecordedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing.fault_plan import FaultPlan
    from requests_jwt_refresh.testing.ledger import Ledger
    from requests_jwt_refresh.testing.options import ServerOptions


_RECORDED_BYTES = 65_536  # of each request's body
_PIECE_BYTES = 65_536  # of one read
_JOIN_SECONDS = 5.0  # for each thread, when the server stops


class Connection(BaseHTTPRequestHandler):
    """A client's connection, in its own thread."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.number = self.server.ledger.count("connections")

    def log_message(self, *_args: object) -> None:
        """Write no log."""

    def _serve(self) -> None:
        request = self._read_head()
        is_unread = self._skips_body(request)
        try:
            request = request if is_unread else self._read_body(request)
        except ValueError:
            self.send_error(400)
            return
        self._respond(request)
        if is_unread:
            self._close_on_next_request(request)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 - the names that http.server calls
    do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - likewise

    def _read_head(self) -> RecordedRequest:
        kind = self.server.routes.kind_of_path(urlsplit(self.path).path)
        headers = Headers(self.headers.items())
        request = RecordedRequest(self.command, self.path, kind, self.number, headers)
        access = self.server.routes.find_access(request)
        return replace(request, access=access, at=time.monotonic())

    def _skips_body(self, request: RecordedRequest) -> bool:
        if self.server.options.read_body_first or request.kind != "api" or not _has_body(request):
            return False
        return self.server.routes.find_user(request) is None

    def _read_body(self, request: RecordedRequest) -> RecordedRequest:
        """Return the request with its body. Raises ValueError if it is malformed."""
        start, size, digest = bytearray(), 0, hashlib.sha256()
        for piece in self._read_pieces(request):
            start += piece[: _RECORDED_BYTES - len(start)]
            size += len(piece)
            digest.update(piece)
        whole = replace(request, size=size, sha256=digest.hexdigest(), body=bytes(start))
        return replace(whole, kind=self.server.routes.kind_by_grant(whole))

    def _read_pieces(self, request: RecordedRequest) -> Iterator[bytes]:
        if "Transfer-Encoding" not in request.headers:
            yield from self._read_exactly(int(request.headers.get("Content-Length", "0")))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):  # RFC 9112 §7.1
            yield from self._read_exactly(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailer fields (RFC 9112 §7.1.2)

    def _read_exactly(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self.rfile.read(min(size, _PIECE_BYTES))
            if not piece:
                raise ConnectionAbortedError("the client left in the middle of its request")
            size -= len(piece)
            yield piece

    def _respond(self, request: RecordedRequest) -> None:
        self.server.ledger.record(request)
        try:
            self._play(request)
        except Told:
            self.close_connection = True

    def _play(self, request: RecordedRequest) -> None:
        plan = self.server.fault_plan
        telling = partial(tell_errors, self.server.ledger, request=request)
        with telling("in a predicate of this test (on=)"):
            fault, cleared = plan.admit(request)
        exchange = Exchange(self, request, self.server.routes.respond, partial(plan.pause, cleared))
        if fault is None:
            with telling("in the server, perhaps for what an option holds"):
                exchange.send(exchange.work())
            return
        self.server.ledger.count("faults")
        with telling(f"in the fault {type(fault).__name__} of this test"):
            fault.play(exchange)

    def _close_on_next_request(self, request: RecordedRequest) -> None:
        """Close the connection when the next request arrives on it, which is the worst moment."""
        self.close_connection = True
        with contextlib.suppress(ValueError):  # malformed, but it has been answered already
            for _ in self._read_pieces(request):
                pass  # unread, it would reset the connection of a client still sending
            self.rfile.read(1)


def _has_body(request: RecordedRequest) -> bool:
    """Whether the request's header section announces a body (RFC 9112 §6)."""
    headers = request.headers
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"


class Listener(ThreadingHTTPServer):
    """The listening socket, and the connections made through it."""

    request_queue_size = 256

    def __init__(
        self,
        address: tuple[str, int],
        options: ServerOptions,
        ledger: Ledger,
        fault_plan: FaultPlan,
    ) -> None:
        self.options = options
        self.ledger = ledger
        self.fault_plan = fault_plan
        # Guards the two below. Sockets are closed under it alone: `stop` must not shut down one
        # whose number the system has given to another.
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._running: list[threading.Thread] = []
        super().__init__(address, Connection)
        self.address: tuple[str, int] = (address[0], self.server_address[1])
        url, shape = base_url(self.address), shape_of(options)
        if shape is not None:
            self.routes: Routes = LikeRoutes(options, ledger, url, shape)
        else:
            self.routes = (OpenIDRoutes if options.openid else Routes)(options, ledger, url)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks the DNS for this host's name

    # socketserver's `request` is the socket, over TCP.
    def process_request(self, request: Any, client_address: object) -> None:
        with self._lock:
            self._open.add(request)
            self._running = [thread for thread in self._running if thread.is_alive()]
            thread = start_thread(self.process_request_thread, request, client_address)
            self._running.append(thread)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: object) -> None:
        """Report an error here or in a user's predicate, but no client that has left."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Close everything and wait for the threads. The fault plan has been stopped before."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):  # the client was faster
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the thread, which closes it
            threads = list(self._running)
        for thread in threads:
            thread.join(_JOIN_SECONDS)


def base_url(address: tuple[str, int]) -> str:
    """Return the URL of a server at `address`, without a slash at the end."""
    host, port = address
    return f"http://{host}:{port}"


def start_thread(target: Callable[..., None], *arguments: object) -> threading.Thread:
    """Run `target` in a daemon thread."""
    thread = threading.Thread(target=target, args=arguments, name="AuthServer", daemon=True)
    thread.start()
    return thread
