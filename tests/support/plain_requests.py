"""Talking to AuthServer without the adapter: plain requests, raw sockets, crowds of threads."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from requests_jwt_refresh import Token
from tests.support.waits import WAIT, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing import AuthServer

THREADS = 32


def make_bearer_header(token: str | None) -> dict[str, str]:
    """Return the header field that carries `token` (RFC 6750 §2.1)."""
    return {"Authorization": f"Bearer {token}"}


def get(server: AuthServer, access: str | None, path: str = "/api/x") -> requests.Response:
    return requests.get(server.url + path, headers=make_bearer_header(access), timeout=WAIT)


def post_form(server: AuthServer, path: str, **form: str) -> requests.Response:
    return requests.post(server.url + path, data=form, timeout=WAIT)


def refresh(server: AuthServer, token: Token) -> requests.Response:
    body = {"refresh_token": token.refresh}
    return requests.post(server.url + "/auth/refresh", json=body, timeout=WAIT)


def exchange_token(server: AuthServer, token: Token) -> Token:
    """Return what the server gives for `token`, which must be good."""
    response = refresh(server, token)
    assert response.status_code == 200
    fields = response.json()
    return Token(fields["access_token"], fields.get("refresh_token", token.refresh))


def run_in_threads(work: Callable[[], Any], count: int = THREADS) -> list[Any]:
    """Do the same in many threads that start together; return what they returned."""
    start = threading.Barrier(count)
    usual = sys.getswitchinterval()

    def run_one(_: int) -> Any:
        start.wait(WAIT)
        return work()

    sys.setswitchinterval(1e-6)  # so that a missing lock shows
    try:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(run_one, range(count)))
    finally:
        sys.setswitchinterval(usual)


def run_behind_gate(server: AuthServer, on: Any, work: Callable[[], Any]) -> list[Any]:
    """Do the same in many threads whose requests reach the server's work at the same moment."""
    with ThreadPoolExecutor(1) as pool, server.gate(on) as gate:
        crowd = pool.submit(run_in_threads, work)
        gate.wait_for(THREADS, WAIT)
        gate.open()
        return crowd.result(WAIT)


def open_http_connection(server: AuthServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=WAIT)


@contextlib.contextmanager
def open_socket(server: AuthServer, request: bytes = b"") -> Iterator[socket.socket]:
    """Yield a socket that has sent `request`."""
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port), WAIT) as sock:
        sock.sendall(request)
        yield sock


def make_raw_refresh(token: Token) -> bytes:
    """Return the bytes of a refresh request, the last one on its connection."""
    head = f"POST /auth/refresh HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token.refresh}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode()


def wait_for_faults(server: AuthServer, count: int = 1) -> None:
    """Wait until so many requests have met a fault."""
    wait_until(lambda: server.counters.faults >= count, "a fault")
