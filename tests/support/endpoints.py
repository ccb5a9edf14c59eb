"""What endpoints send, without a network."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh.responses import TokenResponse
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.endpoints import Endpoint

URL = "https://api.example.com/auth/refresh"
TOKEN = Token("old-access", "old-refresh")


def prepare(endpoint: Endpoint) -> requests.PreparedRequest:
    """Return the request with which an endpoint would trade in TOKEN."""
    return endpoint.ask(URL, TOKEN).prepare()


def prepare_json(endpoint: Endpoint) -> Any:
    """Return the JSON body of that request."""
    body = prepare(endpoint).body
    assert isinstance(body, bytes)
    return json.loads(body)


def make_response(status: int, body: object = b"", **headers: str) -> TokenResponse:
    """Return a response whose body is `body` if that is bytes, else `body` as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return TokenResponse(status, CaseInsensitiveDict(named), sent)


def set_cookies(response: TokenResponse, *lines: str) -> TokenResponse:
    """Return a response with these Set-Cookie lines, too."""
    return replace(response, set_cookies=lines)
