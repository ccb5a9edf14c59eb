"""Transports without a network."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response


class StubTransport(HTTPAdapter):
    """Answers with the status and body that `answer` returns; keeps what it was given."""

    def __init__(self, answer: Callable[[PreparedRequest], tuple[int, bytes]]) -> None:
        super().__init__()
        self._answer = answer
        self.sent: list[PreparedRequest] = []
        self.options: list[dict[str, Any]] = []

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        self.sent.append(request)
        names = ("stream", "timeout", "verify", "cert", "proxies")
        self.options.append({**dict(zip(names, args, strict=False)), **kwargs})
        response = requests.Response()
        response.status_code, content = self._answer(request)
        response.raw = io.BytesIO(content)
        response.request, response.url, response.connection = request, str(request.url), self
        return response

    def authorizations(self) -> list[str | bytes | None]:
        """Return the Authorization of each request, in order."""
        return [each.headers.get("Authorization") for each in self.sent]
