"""A WSGI app around another that remembers what was asked and answered."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class RecordingApp:
    """Passes everything on but /_seen: GET returns the requests so far, DELETE forgets them."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._lock = threading.Lock()  # guards _seen
        self._seen: list[tuple[str, str, int, str]] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_seen":
            return self._report(environ, start_response)

        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]  # a dispatcher cuts it

        def note_and_start(status: str, *arguments: Any) -> Any:
            peer = environ.get("REMOTE_PORT", "")
            with self._lock:
                self._seen.append((method, path, int(status[:3]), peer))
            return start_response(status, *arguments)

        return self._app(environ, note_and_start)

    def _report(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._lock:
            body = json.dumps(self._seen).encode()
            if environ["REQUEST_METHOD"] == "DELETE":
                self._seen.clear()
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [("Content-Type", "application/json"), length])
        return [body]
