"""Receiving the redirect that ends a login in a browser, on this machine (RFC 8252 §7.3).

Any program here, and any page in any browser here, can send requests to the port. So only the
response to this one login is taken: at the redirect's path, addressed to our own host (a name that
an attacker points at this machine is another one), by the method that was asked for, and with the
state that only the server and the browser know, once. What else comes is answered and changes
nothing.

All is done in the thread that waits, without another one: Ctrl-C ends it as it ends any wait.
"""

from __future__ import annotations

import errno
import os
import re
import selectors
import socket
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakSet

from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.grants.pages import BAD_REQUEST, ENDED, NOT_FOUND, Page
from requests_jwt_refresh.grants.redirects import MAX_BYTES, Parameters, RedirectURI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from requests_jwt_refresh.grants.pasting import Terminal

MOST_REQUESTS: Final = 100  # in one login; a browser sends two or three
REQUEST_SECONDS: Final = 5.0  # for one request, from connecting to its end
LINGER_SECONDS: Final = 0.5  # after the end, for a browser that asks twice
_TICK: Final = 0.5  # seconds; Windows notices Ctrl-C only between two waits
_SEND_SECONDS: Final = 1.0
_CHUNK_BYTES: Final = 8192
_MOST_TRIES: Final = 20  # for a port that is free for IPv4 and IPv6
_FORM: Final = "application/x-www-form-urlencoded"
_REQUEST_LINE: Final = re.compile(r"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.[01]")
_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH: Final = re.compile(r"[0-9]{1,5}")
_NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class LoopbackReceiver:
    """A port on this machine that takes one response to one login.

        with LoopbackReceiver(RedirectURI.parse("http://127.0.0.1"), state) as receiver:
            ...  # open a browser that will be sent to receiver.redirect_uri
            parameters = receiver.receive(300)
            receiver.finish(LOGGED_IN)

    It is bound when it is made, so before a browser is opened. `uses_post`: the server was asked
    to send a form (OAuth 2.0 Form Post Response Mode). Raises RefreshUnavailable if the port is
    not free.
    """

    def __init__(self, redirect: RedirectURI, state: str, *, uses_post: bool = False) -> None:
        self._state, self._path = state, redirect.path
        self._method = "POST" if uses_post else "GET"
        self._selector = selectors.DefaultSelector()
        self._open: set[_Connection] = set()
        self._held: _Connection | None = None  # the one that waits for its page
        self._parameters: Parameters | None = None  # what was received, once
        self._count = 0
        self._listeners = _listen(redirect)
        port = self._listeners[0].getsockname()[1]
        self.redirect_uri = redirect.with_port(port)
        host = f"[{redirect.host}]" if ":" in redirect.host else redirect.host
        self._hosts = {f"{host}:{port}", host} if port == 80 else {f"{host}:{port}"}  # noqa: PLR2004
        for each in self._listeners:
            self._selector.register(each, selectors.EVENT_READ, partial(self._accept, each))
        _receivers.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def receive(self, seconds: float, terminal: Terminal | None = None) -> Parameters:
        """Wait for the response, and return its parameters; the browser waits on.

        It may come from the `terminal` as well, where a person can paste the redirected URL.
        Raises RefreshUnavailable after that many seconds, or if the port is flooded.
        """
        with nullcontext() if terminal is None else self._reading(terminal):
            found = self.wait(monotonic() + seconds, lambda: False)
        if found is None:
            raise make_timeout_error(seconds)
        return found

    def wait(self, end: float, stop: Callable[[], bool], tick: float = _TICK) -> Parameters | None:
        """Wait for the response at the port until `end`, or until `stop()`; None without one.

        `stop` is asked each `tick` seconds; what it raises ends the wait.
        """
        self.serve(end, lambda: self._parameters is not None or stop(), tick)
        return self._parameters

    @contextmanager
    def _reading(self, terminal: Terminal) -> Iterator[None]:
        """Meanwhile, take what a person pastes there."""
        paste = partial(self._paste, terminal)
        self._selector.register(terminal.number, selectors.EVENT_READ, paste)
        try:
            with terminal.ask():
                yield
        finally:
            with suppress(KeyError):  # it has ended
                self._selector.unregister(terminal.number)

    def serve(self, end: float, has_ended: Callable[[], bool], tick: float = _TICK) -> None:
        """Answer what comes, until `end` in `time.monotonic()` or until it `has_ended`."""
        while not has_ended() and (left := end - monotonic()) > 0:
            for key, _events in self._selector.select(min(left, tick)):
                key.data()
            now = monotonic()
            for connection in [each for each in self._open if each.deadline <= now]:
                self._drop(connection)

    def finish(self, page: Page) -> None:
        """Answer the browser that waits, and for a moment any other that asks for the same."""
        if self._held is None:  # it was pasted
            return
        self._held.answer(page)
        self._watch(self._held)
        self._held = None
        with suppress(RefreshUnavailable):  # flooded: the login has ended all the same
            self.serve(monotonic() + LINGER_SECONDS, lambda: False)

    def close(self) -> None:
        """Close the port and all connections."""
        for connection in [*self._open, self._held]:
            if connection is not None:
                connection.close()
        for each in self._listeners:
            each.close()
        self._open.clear()
        self._selector.close()

    def _accept(self, listener: socket.socket) -> None:
        self._count += 1
        if self._count > MOST_REQUESTS:
            raise RefreshUnavailable(
                f"{self.redirect_uri} got more than {MOST_REQUESTS} requests, and none of them "
                "was the response to the login",
                "find out which program sends them, then log in again",
            )
        try:
            sock, _address = listener.accept()
        except OSError:  # it has left already, or there are too many open files
            return
        self._watch(_Connection(sock))

    def _watch(self, connection: _Connection) -> None:
        self._open.add(connection)
        read = partial(self._read, connection)
        self._selector.register(connection.sock, selectors.EVENT_READ, read)

    def _drop(self, connection: _Connection) -> None:
        self._open.discard(connection)
        self._selector.unregister(connection.sock)
        connection.close()

    def _read(self, connection: _Connection) -> None:
        try:
            request = connection.read()
        except _LeftError:
            self._drop(connection)
            return
        except _MalformedError:
            connection.answer(BAD_REQUEST)
            return
        if request is None:
            return
        page = self._respond(request)
        if page is not None:
            connection.answer(page)
            return
        self._open.discard(connection)  # it is answered by `finish`
        self._selector.unregister(connection.sock)
        self._held = connection

    def _respond(self, request: _Request) -> Page | None:
        """Return what to answer; None for the response to this login, which was noted."""
        path, _, query = request.target.partition("?")
        if request.host in self._hosts and path != self._path:
            return NOT_FOUND
        parameters = self._read_parameters(request, query)
        if parameters is None or not parameters.answers(self._state):
            return BAD_REQUEST
        if self._parameters is not None:
            return ENDED
        self._parameters = parameters
        return None

    def _read_parameters(self, request: _Request, query: str) -> Parameters | None:
        """Return what a request to our own host, by the right method, carries; else None."""
        if request.host not in self._hosts or request.method != self._method:
            return None
        if request.method == "GET":
            return Parameters.parse(query)
        return Parameters.parse(request.body) if request.media_type == _FORM else None

    def _paste(self, terminal: Terminal) -> None:
        line = terminal.read_line()
        if line is None:
            return
        if line == "":
            self._selector.unregister(terminal.number)  # at its end; the port goes on
            return
        found = terminal.parse(line, self.redirect_uri, self._state)
        if found is not None and self._parameters is None:
            self._parameters = found


def make_timeout_error(seconds: float) -> RefreshUnavailable:
    return RefreshUnavailable(
        f"the login in the browser did not end within {seconds:g} s",
        "log in again, and finish it in the browser in time",
    )


# --- One request ---------------------------------------------------------------------------------


class _LeftError(Exception):
    """The client has hung up."""


class _MalformedError(Exception):
    """What it sends is no HTTP request, or too large a one."""


class _Request(NamedTuple):
    method: str
    target: str
    host: str
    media_type: str
    body: str


class _Connection:
    """A client that sends one request, in at most MAX_BYTES and REQUEST_SECONDS."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.deadline = monotonic() + REQUEST_SECONDS
        self._received = bytearray()
        self._is_answered = False

    def read(self) -> _Request | None:
        """Take what has come, and return the request once it is whole."""
        try:
            chunk = self.sock.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            raise _LeftError from None
        if not chunk:
            raise _LeftError
        if self._is_answered:  # read on: a connection closed on unread bytes loses the answer
            return None
        self._received += chunk
        if len(self._received) > MAX_BYTES:
            raise _MalformedError
        return _parse(bytes(self._received))

    def answer(self, page: Page) -> None:
        """Send a page, and nothing after it. The client closes the connection, or its deadline."""
        self._is_answered = True
        self._received.clear()
        self.deadline = monotonic() + REQUEST_SECONDS
        with suppress(OSError):  # it has left
            self.sock.settimeout(_SEND_SECONDS)
            self.sock.sendall(page.encode())
            self.sock.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            self.sock.setblocking(False)

    def close(self) -> None:
        self.sock.close()


def _parse(data: bytes) -> _Request | None:
    """Return a request; None if it is not whole yet. Raises _MalformedError (RFC 9112)."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    request_line = _REQUEST_LINE.fullmatch(first)
    fields = list(_read_fields(lines))
    if request_line is None or "transfer-encoding" in dict(fields):
        raise _MalformedError
    length = _find_once(fields, "content-length") or "0"
    if not _LENGTH.fullmatch(length):
        raise _MalformedError
    if len(body) < int(length):
        return None
    media_type = (_find_once(fields, "content-type") or "").partition(";")[0].strip().lower()
    return _Request(
        method=request_line[1],
        target=request_line[2],
        host=(_find_once(fields, "host") or "").lower(),
        media_type=media_type,
        body=body[: int(length)].decode("latin-1"),  # a form is ASCII; another one has no state
    )


def _read_fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise _MalformedError
        yield field[1].lower(), field[2].strip(" \t")


def _find_once(fields: list[tuple[str, str]], name: str) -> str | None:
    """Return a header's value. Raises _MalformedError if there are several."""
    found = [value for each, value in fields if each == name]
    if len(found) > 1:
        raise _MalformedError
    return found[0] if found else None


# --- After a fork -------------------------------------------------------------------------------

_receivers: Final = WeakSet[LoopbackReceiver]()


def _close_all_in_child() -> None:
    """Leave the port to the parent, whose thread waits: else it would stay open as long as us."""
    for each in list(_receivers):
        each.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all_in_child)


# --- The port ------------------------------------------------------------------------------------


def _listen(redirect: RedirectURI) -> list[socket.socket]:
    """Return the sockets that listen there. Raises RefreshUnavailable if they cannot."""
    tries = 1 if redirect.port is not None else _MOST_TRIES
    for left in reversed(range(tries)):
        try:
            return _bind(redirect.host, redirect.port or 0)
        except OSError as error:
            is_busy = error.errno == errno.EADDRINUSE or os.name == "nt"
            if left and is_busy:
                continue
            shown, problem = redirect.text, error.strerror or type(error).__name__
        if is_busy and redirect.port is not None:
            raise RefreshUnavailable(
                f"port {redirect.port} of the redirect_uri {shown} is in use by another program",
                "end that program, or register a redirect_uri with another port, or without one, "
                "at the server",
            )
        break
    raise RefreshUnavailable(
        f"this program cannot listen at the redirect_uri {shown}: {problem}",
        "give another redirect_uri that is registered at the server",
    )


def _bind(host: str, port: int) -> list[socket.socket]:
    """Listen at `host`: a browser may take localhost for IPv4 or IPv6, so at both. Raises OSError.

    Both have the same port; 0 is one that is free.
    """
    addresses = ("127.0.0.1", "::1") if host == "localhost" else (host,)
    listeners: list[socket.socket] = []
    try:
        for address in addresses:
            try:
                listeners.append(_open_listener(address, port))
            except OSError as error:
                if not listeners or error.errno not in _NO_IPV6:
                    raise
            port = listeners[0].getsockname()[1]
    except OSError:
        for each in listeners:
            each.close()
        raise
    return listeners


def _open_listener(address: str, port: int) -> socket.socket:
    is_ipv6 = ":" in address
    listener = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET)
    try:
        if os.name == "nt":  # there, another program could take the port from us
            exclusive: int = getattr(socket, "SO_EXCLUSIVEADDRUSE", 0)
            listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        else:  # the connections of the last login may still be closing
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_ipv6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind((address, port))
        listener.listen(MOST_REQUESTS)
    except OSError:
        listener.close()
        raise
    return listener
