"""What a table of a known server has."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.support.waits import WAIT

Held = dict[str, str]
"""What a client holds, by names of its own: "access", "refresh", and "csrf" and the like."""

KEY = ECKey.generate_key("P-256", private=True)  # of the proofs
CLIENT = {"client_id": "client-id", "client_secret": "client-secret"}
JSON = {"Accept": "application/json"}


class Client:
    """Plain requests to one server, without cookies of its own.

    A server that wants a proof of possession gets one, with the nonce that it asks for.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, method: str, path: str, **sent: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            request = session.prepare_request(requests.Request(method, self.url + path, **sent))
            response = session.send(request, timeout=WAIT)
            nonce = response.headers.get("DPoP-Nonce")
            if nonce is None:
                return response
            request.headers["DPoP"] = make_proof(request, nonce)
            return session.send(request, timeout=WAIT)

    def get(self, path: str, **sent: Any) -> requests.Response:
        return self.send("GET", path, **sent)

    def post(self, path: str, **sent: Any) -> requests.Response:
        return self.send("POST", path, **sent)


def make_proof(request: requests.PreparedRequest, nonce: str) -> str:
    """Return what RFC 9449 §4.2 asks for, written by hand."""
    url, access = str(request.url), str(request.headers.get("Authorization")).split(" ")[-1]
    claims = {
        "jti": secrets.token_hex(16),
        "htm": str(request.method),
        "htu": url.partition("?")[0],
        "iat": int(time.time()),
        "ath": base64.urlsafe_b64encode(sha256(access.encode()).digest()).decode().rstrip("="),
        "nonce": nonce,
    }
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": KEY.as_dict(private=False)}
    return jwt.encode(header, claims, KEY)


@dataclass(frozen=True)
class Says:
    """A status, what is at some dotted paths of the JSON, and some headers.

    None is what is not there.
    """

    status: int
    fields: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str | None] = field(default_factory=dict)

    def check(self, response: requests.Response) -> None:
        assert response.status_code == self.status, response.text
        for path, value in self.fields.items():
            assert find(response.json(), path) == value, (path, response.text)
        for name, value in self.headers.items():
            assert response.headers.get(name) == value


def find(content: Any, path: str) -> Any:
    """Return what is at a path such as ``errors.0.code``; None without it."""
    for name in path.split("."):
        try:
            content = content[int(name) if isinstance(content, list) else name]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return content


def bearer(held: Held) -> dict[str, str]:
    return {"Authorization": f"Bearer {held['access']}"}


def call_with_bearer(client: Client, held: Held) -> requests.Response:
    return client.get("/api/x", headers=bearer(held))


def read_oauth(response: requests.Response) -> Held:
    return read(response, "access_token", "refresh_token")


def read(response: requests.Response, access: str, refresh: str = "refresh_token") -> Held:
    """Return the tokens at these paths; the refresh token only if there is one."""
    found = {"access": find(response.json(), access), "refresh": find(response.json(), refresh)}
    return {name: value for name, value in found.items() if value is not None}


WrongRequest = tuple[Callable[[Client, Held], requests.Response], Says]


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How a server is talked to, and what it says."""

    refresh: Callable[[Client, Held], requests.Response] | None = None
    gives: Says = Says(200)
    """The response to a refresh."""
    read: Callable[[requests.Response], Held] = read_oauth
    """What the response to a refresh gives."""
    login: Callable[[Client, str], requests.Response] | None = None
    """With this password for "alice"."""
    bad_password: Says | None = None
    read_login: Callable[[requests.Response], Held] | None = None
    logout: Callable[[Client, Held], requests.Response] | None = None
    call: Callable[[Client, Held], requests.Response] = call_with_bearer
    expired: Says
    anonymous: Says = Says(401)
    """The API's answer to a request without a token."""
    stranger: Says | None = None
    """The API's answer to a token that it never gave; as `expired`."""
    refused: Says | None = None
    throttled: Says
    """The answer to a refresh, or of the API where there is none."""
    api_headers: dict[str, str] = field(default_factory=dict)
    """What API requests have beside the token."""
    wrong: tuple[WrongRequest, ...] = ()
    """Requests that the server refuses for their shape."""
