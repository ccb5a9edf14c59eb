"""Proofs of possession as a server looks at them (RFC 9449 §4.3), for the servers that want them.

joserfc checks the signatures (extra ``jose``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.testing.reading import path_of, read_fields
from requests_jwt_refresh.testing.values import ServerResponse, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.testing.ledger import Ledger
    from requests_jwt_refresh.testing.values import Kind, RecordedRequest

_KINDS: Final[tuple[Kind, ...]] = ("refresh", "login", "api")
_NONCE_SECONDS: Final = 180  # after which there is another nonce; the one before is still good
_MAX_AGE: Final = 300  # seconds between the server's clock and a proof's iat
_ALGORITHMS: Final = ("ES256", "ES384", "ES512", "Ed25519", "EdDSA", "RS256", "PS256")
_TEXTS: Final = {
    "use_dpop_nonce": "Authorization server requires nonce in DPoP proof",
    "invalid_dpop_proof": "Invalid DPoP proof",
}


class ProofChecker:
    """Lets a request through if it proves the key of its token's login; tells each its nonce."""

    def __init__(self, ledger: Ledger, base_url: str) -> None:
        self._ledger = ledger
        self._base_url = base_url
        self._secret = secrets.token_bytes(16)
        self._mutex = threading.Lock()  # guards the set
        self._identifiers: set[str] = set()

    def respond(
        self, request: RecordedRequest, respond: Callable[[RecordedRequest], ServerResponse]
    ) -> ServerResponse:
        """Return what `respond` does, or the refusal of the request's proof."""
        is_anonymous = request.kind == "api" and request.access is None
        if request.kind not in _KINDS or is_anonymous:
            return respond(request)
        problem = self._find_problem(request)
        response = respond(request) if problem is None else _refuse(problem, request.kind)
        return replace(response, headers={**response.headers, "DPoP-Nonce": self._make_nonce(0)})

    def _make_nonce(self, windows_ago: int) -> str:
        window = int(clock.time()) // _NONCE_SECONDS - windows_ago
        return hmac.digest(self._secret, str(window).encode(), "sha256").hex()[:32]

    def _find_problem(self, request: RecordedRequest) -> str | None:
        """Return the error code with which the request's proof is refused, None if it is good."""
        try:
            claims, key = _verify(request.headers.get("DPoP", ""))
            is_right = _is_about(claims, request, self._base_url)
        except Exception:  # noqa: BLE001 - a client may send anything
            return "invalid_dpop_proof"
        if not is_right or not self._is_new(claims["jti"]):
            return "invalid_dpop_proof"
        if claims.get("nonce") not in (self._make_nonce(0), self._make_nonce(1)):
            return "use_dpop_nonce"
        token = request.access or read_fields(request).get("refresh_token")
        return None if self._ledger.bind(str(token), key) else "invalid_dpop_proof"

    def _is_new(self, identifier: str) -> bool:
        with self._mutex:
            is_new = identifier not in self._identifiers
            self._identifiers.add(identifier)
        return is_new


def require_joserfc() -> None:
    """Raise ImportError, which names the extra, unless joserfc is there."""
    try:
        import joserfc  # noqa: F401
    except ImportError:
        raise ImportError(
            "a server that wants proofs of possession needs joserfc: "
            "pip install 'requests-jwt-refresh[jose]'"
        ) from None


def _verify(proof: str) -> tuple[dict[str, Any], str]:
    """Return the claims of a proof and the thumbprint of its key (RFC 7638)."""
    from joserfc import jws
    from joserfc.jwk import JWKRegistry

    class Registry(jws.JWSRegistry):
        max_header_length = 4096  # an RSA key is long

        def get_alg(self, name: str) -> Any:
            return self.algorithms[name]

    header = json.loads(_decode(proof.split(".", maxsplit=1)[0]))
    key = JWKRegistry.import_key(header["jwk"])
    if header["alg"] not in _ALGORITHMS or header["typ"] != "dpop+jwt" or key.is_private:
        raise ValueError("not a proof")
    found = jws.deserialize_compact(proof, key, registry=Registry(algorithms=[header["alg"]]))
    claims: dict[str, Any] = json.loads(found.payload)
    return claims, key.thumbprint()


def _is_about(claims: dict[str, Any], request: RecordedRequest, base_url: str) -> bool:
    """Whether a proof is about this very request (RFC 9449 §4.3)."""
    if claims["htm"] != request.method or claims["htu"] != base_url + path_of(request):
        return False
    if request.kind == "api" and claims["ath"] != _hash(request.access or ""):
        return False
    return abs(claims["iat"] - clock.time()) <= _MAX_AGE and isinstance(claims["jti"], str)


def _hash(access: str) -> str:
    digest = hashlib.sha256(access.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _refuse(code: str, kind: Kind) -> ServerResponse:
    """Return the refusal of a proof: at the token endpoint (§8), at the API (§9)."""
    if kind != "api":
        return json_response(400, {"error": code, "error_description": _TEXTS[code]})
    challenge = f'DPoP error="{code}", error_description="{_TEXTS[code]}"'
    content = {"error": code, "message": _TEXTS[code]}
    return json_response(401, content, {"WWW-Authenticate": challenge})
