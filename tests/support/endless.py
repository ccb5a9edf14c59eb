"""Servers that never come to an end: each sends byte after byte until its client hangs up."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from tests.support.waits import join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAUSE: Final = 0.02  # seconds between two bytes


class Endless:
    """A listening socket; `play` is called with each connection, in a thread of its own."""

    def __init__(self, play: Callable[[Endless, socket.socket], None]) -> None:
        self._play = play
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._ending = threading.Event()
        self.connections = 0
        self.hung_up = threading.Event()  # a client has

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def trickle(self, sock: socket.socket, data: bytes = b"0", *, times: int | None = None) -> None:
        """Send `data` byte by byte, again and again. Raises OSError if the client hangs up."""
        while times is None or times > 0:
            for byte in data:
                if self._ending.wait(PAUSE):
                    raise ConnectionAbortedError
                sock.sendall(bytes([byte]))
            times = None if times is None else times - 1

    def wait(self) -> None:
        """Do nothing for a moment. Raises OSError at the end of the test."""
        if self._ending.wait(PAUSE):
            raise ConnectionAbortedError

    def serve(self) -> None:
        """Take connections until the end of the test."""
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._run, args=(sock,))
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        """End all that still runs."""
        self._ending.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        join(*self._threads)

    def _run(self, sock: socket.socket) -> None:
        with sock:
            try:
                self._play(self, sock)
            except OSError:
                self.hung_up.set()


@contextmanager
def run_endless(play: Callable[[Endless, socket.socket], None]) -> Iterator[Endless]:
    """Yield a server that plays this."""
    server = Endless(play)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        join(thread)


def read_head(sock: socket.socket) -> bytes:
    """Return a request up to the end of its headers, or what came before the client hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(4096)
        if not piece:
            raise ConnectionAbortedError
        data += piece
    return data


class TLSBytes:
    """TLS at the server's end of a connection, as bytes that can be sent one by one."""

    def __init__(self, sock: socket.socket, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._sock = sock
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)
        self._repeat(self._tls.do_handshake)

    def read(self) -> bytes:
        """Return some of what the client has sent."""
        return self._repeat(lambda: self._tls.read(4096))

    def encrypt(self, data: bytes) -> bytes:
        """Return `data` as bytes of the connection."""
        self._tls.write(data)
        return self._to_send.read()

    def _repeat(self, step: Callable[[], bytes | None]) -> bytes:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                piece = self._sock.recv(4096)
                if not piece:
                    raise ConnectionAbortedError from None
                self._received.write(piece)
            else:
                self._flush()
                return result or b""

    def _flush(self) -> None:
        self._sock.sendall(self._to_send.read())
