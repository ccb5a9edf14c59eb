"""A server of documents: what each path answers is up to the test, and each request is noted."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing import Headers
from tests.support.internet import ReceivedRequest
from tests.support.waits import WAIT, join

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENID: Final = "/.well-known/openid-configuration"
OAUTH: Final = "/.well-known/oauth-authorization-server"
RESOURCE: Final = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True)
class Page:
    """What a path answers: a document in JSON, or bytes as they are."""

    content: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        is_bytes = isinstance(self.content, bytes)
        return self.content if is_bytes else json.dumps(self.content).encode()


class DocumentServer(ThreadingHTTPServer):
    """Answers with `pages`, by path and query, else 404."""

    daemon_threads = False  # server_close() waits for them

    def __init__(self, address: str) -> None:
        super().__init__((address, 0), _Handler)
        self.url = f"http://{address}:{self.server_port}"
        self.pages: dict[str, Page] = {}
        self.received: list[ReceivedRequest] = []

    @property
    def paths(self) -> list[str]:
        """What was asked for, in this order."""
        return [each.url for each in self.received]

    def describe(self, path: str = "", place: str = OPENID, **changes: Any) -> str:
        """Serve an issuer's document at `place`, and return the issuer."""
        issuer = self.url + path
        document = {"issuer": issuer, "token_endpoint": f"{issuer}/token", **changes}
        self.pages[place] = Page({k: v for k, v in document.items() if v is not MISSING})
        return issuer

    def protect(self, path: str, *servers: str, **changes: Any) -> str:
        """Serve an API's document at its well-known place, and return the API's URL."""
        document = {"resource": self.url + path, "authorization_servers": servers, **changes}
        self.pages[RESOURCE + path] = Page(document)
        return self.url + path


MISSING: Final = object()
"""A field that a document does not have."""


class _Handler(BaseHTTPRequestHandler):
    server: DocumentServer
    timeout = WAIT

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = Headers(self.headers.items())
        self.server.received.append(ReceivedRequest(self.command, self.path, headers, body))
        page = self.server.pages.get(self.path, Page(status=404))
        data = page.body()
        self.send_response(page.status)
        for name, value in {"Content-Type": "application/json", **page.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _serve  # noqa: N815 - the names http.server looks for


@contextmanager
def run_document_server(address: str = "127.0.0.1") -> Iterator[DocumentServer]:
    """Yield a server that runs until the block ends."""
    with DocumentServer(address) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            join(thread)
