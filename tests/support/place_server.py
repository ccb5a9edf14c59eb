"""An API that takes its token in any header or cookie, and says what it was sent.

Import the fixtures `api` and `elsewhere` into a test module that needs them.
"""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from requests_jwt_refresh import Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self


class Seen(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return each field of this name, in any case."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def cookies(self) -> list[str]:
        """Return each "name=value", in order."""
        return [pair for line in self.all("Cookie") for pair in line.split("; ")]


class PlaceServer:
    """Takes a good token anywhere in a request; where it may be, tests look up in `seen`.

    POST /refresh takes JSON ``refresh_token``, rotates, and answers JSON. /go redirects to `goal`.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.refusal_fields: list[tuple[str, str]] = []
        """More header fields of each 401."""
        self.answer_fields: dict[str, Any] = {}
        """More fields of each refresh's answer."""
        self.answer_headers: list[tuple[str, str]] = []
        self.goal = ""
        self._good = ""
        self._refresh = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def log_in(self) -> Token:
        """Return a good token; the one before is good no more."""
        self._good, self._refresh = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        return Token(self._good, self._refresh)

    def expire(self) -> None:
        self._good = ""

    @property
    def good(self) -> str:
        return self._good

    def calls(self) -> list[Seen]:
        """Return what was seen but for refreshes."""
        return [each for each in self.seen if each.path != "/refresh"]

    def refreshes(self) -> int:
        return sum(each.path == "/refresh" for each in self.seen)

    def _answer(self, seen: Seen) -> tuple[int, Any, list[tuple[str, str]]]:
        if seen.path == "/refresh":
            if json.loads(seen.body).get("refresh_token") != self._refresh:
                return 401, {"error": "refused"}, []
            token = self.log_in()
            given = {"access_token": token.access, "refresh_token": token.refresh}
            return 200, {**given, **self.answer_fields}, self.answer_headers
        if not self._good or self._good not in str(seen):
            return 401, {"error": "expired"}, self.refusal_fields
        if seen.path.partition("?")[0] == "/go":
            return 307, {}, [("Location", self.goal)]
        return 200, {"path": seen.path}, []

    def _make_handler(outer) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler has a self
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self._read_body()
                seen = Seen(self.command, self.path, list(self.headers.items()), body)
                outer.seen.append(seen)
                status, content, fields = outer._answer(seen)
                sent = json.dumps(content).encode()
                self.send_response(status)
                for name, value in [*fields, ("Content-Length", str(len(sent)))]:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(sent)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815 - its names

            def _read_body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                pieces = []
                while size := int(self.rfile.readline(), 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(pieces)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def api() -> Iterator[PlaceServer]:
    """The API whose tokens are carried."""
    with PlaceServer() as api:
        yield api


@pytest.fixture
def elsewhere() -> Iterator[PlaceServer]:
    """A server that no token is for; it answers everything."""
    with PlaceServer() as elsewhere:
        elsewhere._good = ":"  # noqa: SLF001 - a Host field has one
        yield elsewhere
