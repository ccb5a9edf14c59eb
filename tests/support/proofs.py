"""Reading what the library has signed, with joserfc and the public key alone."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from joserfc import jws
from joserfc.jwk import JWKRegistry
from joserfc.util import json_b64decode

if TYPE_CHECKING:
    from collections.abc import Mapping


class Signed(NamedTuple):
    """A JWT whose signature was good."""

    header: dict[str, Any]
    claims: dict[str, Any]


class AnyHeader(jws.JWSRegistry):
    """Takes the header of any size, and EdDSA without a warning."""

    max_header_length = 4096

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def verify(text: str, jwk: Mapping[str, Any] | None = None) -> Signed:
    """Return what a JWT says. Raises unless `jwk`, or the key in its header, has signed it."""
    header, claims = (json_b64decode(part.encode()) for part in text.split(".")[:2])
    key = JWKRegistry.import_key(dict(jwk or header["jwk"]))
    assert not key.is_private, "a private key was sent"
    found = jws.deserialize_compact(text, key, registry=AnyHeader(algorithms=[header["alg"]]))
    assert found.headers() == header
    return Signed(header, claims)


def proof_of(request: requests.PreparedRequest) -> Signed:
    """Return the proof of a request; its signature and its type are right."""
    proof = verify(str(request.headers["DPoP"]))
    assert proof.header["typ"] == "dpop+jwt"
    assert set(proof.header) == {"typ", "alg", "jwk"}
    return proof


def hash_of(access: str) -> str:
    """Return the ``ath`` of an access token (RFC 9449 §4.2)."""
    digest = hashlib.sha256(access.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def prepare(
    url: str = "https://api.example.com/users", method: str = "GET", **headers: str
) -> requests.PreparedRequest:
    return requests.Request(method, url, headers=headers).prepare()


def answer_of(url: str, status: int, **headers: str) -> requests.Response:
    """Return an API's answer without a body; a name's underscores are dashes."""
    response = requests.Response()
    response.url, response.status_code = url, status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response
