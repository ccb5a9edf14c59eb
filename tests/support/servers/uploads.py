"""A bare WSGI app that refuses uploads before it has read them.

Access tokens are opaque and live for ever, but only those from POST /auth/refresh are good. The
refresh token is always "refresh".
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

from tests.support.servers.recording import RecordingApp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

_PIECE_BYTES = 64 * 1024
good: set[str] = set()


def uploads(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/auth/refresh":
        status, content = refreshed(environ)
    elif environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ") not in good:
        status, content = "401 Unauthorized", {"message": "Invalid JWT"}
    else:
        status, content = "200 OK", digest(environ)
    body = json.dumps(content).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def refreshed(environ: WSGIEnvironment) -> tuple[str, dict[str, Any]]:
    if json.loads(environ["wsgi.input"].read()) != {"refresh_token": "refresh"}:
        return "400 Bad Request", {"error": "invalid_grant"}
    access = secrets.token_urlsafe(32)
    good.add(access)
    return "200 OK", {"access_token": access, "token_type": "Bearer"}


def digest(environ: WSGIEnvironment) -> dict[str, Any]:
    """Read the body to its end, chunked or not: gunicorn stops there either way."""
    size, sha256 = 0, hashlib.sha256()
    while piece := environ["wsgi.input"].read(_PIECE_BYTES):
        size += len(piece)
        sha256.update(piece)
    kind = environ.get("CONTENT_TYPE", "")
    return {"size": size, "sha256": sha256.hexdigest(), "type": kind}


app = RecordingApp(uploads)
