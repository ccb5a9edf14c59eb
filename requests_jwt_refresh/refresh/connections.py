"""Connections that keep a deadline by themselves, so that no thread has to watch them.

What the system does in one call (connecting, sending, a handshake, waiting for bytes) counts its
timeout as a whole. So the timeout is set anew, to what is left, before each of these.
"""

from __future__ import annotations

import http.client
import io
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from urllib3.util import ssl_

if TYPE_CHECKING:
    import socket

    from urllib3 import HTTPConnectionPool

    from requests_jwt_refresh.refresh.deadline import Deadline

_POOLS: Final = frozenset({"urllib3.connectionpool", "urllib3.contrib.socks"})
_CONNECTIONS: Final = frozenset({"urllib3.connection", "urllib3.contrib.socks"})


def can_keep_deadline(pool: HTTPConnectionPool) -> bool:
    """Whether the connections of `pool` are urllib3's own, and each of their steps is one call."""
    base: Any = pool.ConnectionCls
    return (
        type(pool).__module__ in _POOLS
        and getattr(base, "__module__", None) in _CONNECTIONS
        and getattr(base, "response_class", None) is http.client.HTTPResponse
        and (pool.scheme != "https" or _has_plain_tls(pool))
    )


def _has_plain_tls(pool: HTTPConnectionPool) -> bool:
    """Whether TLS is that of the standard library, with none inside of it.

    pyOpenSSL's, gevent's, and urllib3's for TLS in TLS start a timeout anew with each part.
    """
    context = pool.conn_kw.get("ssl_context")
    kind = ssl_.SSLContext if context is None else type(context)
    sockets = getattr(kind, "sslsocket_class", None)
    return (
        isinstance(kind, type)
        and issubclass(kind, ssl.SSLContext)
        and getattr(context, "sslsocket_class", sockets).__module__ == "ssl"
        and (pool.proxy is None or pool.proxy.scheme != "https")
    )


def make_connection_class(base: type[Any], deadline: Deadline) -> type[Any]:
    """Return a connection class as `base`, one of urllib3's, on which nothing outlives `deadline`.

    What is asked for with a shorter timeout of its own keeps that.
    """

    class Connection(base):  # type: ignore[misc]
        timeout: Any
        _response: http.client.HTTPResponse | None = None

        def _new_conn(self) -> Any:
            self.timeout = self._shorten(self.timeout)
            sock = super()._new_conn()
            sock.settimeout(self._shorten(self.timeout))  # for a handshake
            return sock

        def _tunnel(self) -> None:
            try:
                super()._tunnel()
            finally:
                if self._response is not None:
                    self._response.close()  # Python 3.10 leaves it open
            self.sock.settimeout(self._shorten(self.timeout))

        def send(self, data: Any) -> None:
            if self.sock is None and self.auto_open:
                self.connect()
            if self.sock is not None:
                self.sock.settimeout(self._shorten(self.timeout))
            super().send(data)

        def response_class(self, sock: socket.socket, *args: Any, **options: Any) -> Any:
            response = http.client.HTTPResponse(sock, *args, **options)
            response.fp = io.BufferedReader(_Reader(response.fp, sock, deadline))
            self._response = response
            return response

        def _shorten(self, timeout: Any) -> float:
            step = deadline.step()
            return min(timeout, step) if isinstance(timeout, (int, float)) else step

    Connection.__name__ = base.__name__
    return Connection


class _Reader(io.RawIOBase):
    """What a socket receives until a deadline; each wait is no longer than the socket's timeout."""

    def __init__(self, file: Any, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._raw = file.detach()  # it tells the socket that it is in use
        self._socket = sock
        self._timeout = sock.gettimeout()
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._socket.fileno()

    def readinto(self, buffer: Any) -> int:
        end = None if self._timeout is None else monotonic() + self._timeout
        while True:
            seconds = self._deadline.until_next_look()
            if end is not None:
                seconds = min(seconds, end - monotonic())
            if seconds <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(seconds)
            try:
                return self._socket.recv_into(buffer)
            except TimeoutError as error:
                if error.errno is not None:  # the system's, about the connection
                    raise

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()
