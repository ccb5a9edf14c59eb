"""A token endpoint and an API that take nothing without proof of possession (RFC 9449).

Real servers on two ports, which verify each proof with joserfc, know each jti, and ask for nonces
of their own. Refresh tokens rotate, and are bound to their key, as those of public clients are.
"""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from joserfc.jwk import JWKRegistry

from requests_jwt_refresh import clock
from tests.support.proofs import hash_of, verify

if TYPE_CHECKING:
    from collections.abc import Iterator


class Seen(NamedTuple):
    """A request, what its proof said, and the status of the answer."""

    path: str
    form: dict[str, str]
    claims: dict[str, Any]
    status: int


class Refused(Exception):
    """A proof or token that is not taken: the error code."""


class Nonces:
    """What one of the two servers asks for."""

    def __init__(self) -> None:
        self.current = secrets.token_urlsafe(8)
        self.is_required = True
        self.is_for_one_request = False
        self.is_never_content = False
        self._good = {self.current}

    def rotate(self) -> None:
        """Take a new one alone from now on."""
        self.current = secrets.token_urlsafe(8)
        self._good = {self.current}

    def take(self, nonce: object) -> None:
        """Raise Refused unless `nonce` is good, for one request if so said."""
        if not self.is_required:
            return
        if self.is_never_content:
            raise Refused("use_dpop_nonce")
        if nonce not in self._good:
            if self.is_for_one_request:
                self._add()
            raise Refused("use_dpop_nonce")
        if self.is_for_one_request:
            self._good.discard(str(nonce))
            self._add()

    def _add(self) -> None:
        self.current = secrets.token_urlsafe(8)
        self._good.add(self.current)


class DPoPServer:
    """The state of both servers. What it counts and keeps is guarded by one lock."""

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.token_nonces, self.api_nonces = Nonces(), Nonces()
        self.seen: list[Seen] = []
        self.failures: list[int] = []
        """Statuses with which the next token requests fail, once their proof was taken."""
        self.api_failures: list[int] = []
        self.refuse_refresh = False
        self.more: dict[str, str] = {}
        """What else is in an answer with tokens."""
        self.clock_ahead = 0.0
        self._jtis: set[str] = set()
        self._access: dict[str, str] = {}  # an access token, and the thumbprint of its key
        self._refresh: dict[str, str] = {}
        self.token_url = self.api_url = ""

    # For tests

    def token_requests(self, status: int = 200) -> list[Seen]:
        return [each for each in self.seen if each.path == "/token" and each.status == status]

    def api_requests(self, status: int = 200) -> list[Seen]:
        return [each for each in self.seen if each.path != "/token" and each.status == status]

    def expire(self) -> None:
        """Let no access token of now be good any more."""
        with self.mutex:
            self._access.clear()

    # What the handlers ask, under the lock

    def answer_token(self, proof: str, form: dict[str, str], url: str) -> tuple[int, Any]:
        claims, thumbprint = self._verify(proof, "POST", url, self.token_nonces)
        if "ath" in claims:
            raise Refused("invalid_dpop_proof")
        if self.failures:
            return self.failures.pop(0), {"error": "try later"}
        given = form.get("refresh_token", "")
        if form["grant_type"] == "refresh_token":
            if self.refuse_refresh or self._refresh.pop(given, None) != thumbprint:
                raise Refused("invalid_grant")
        elif form["grant_type"] == "password" and form.get("password") != "secret":
            raise Refused("invalid_grant")
        access, refresh = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self._access[access] = thumbprint
        answer = {"access_token": access, "token_type": "DPoP", **self.more}
        if form["grant_type"] != "client_credentials":
            self._refresh[refresh] = thumbprint
            answer["refresh_token"] = refresh
        return 200, answer

    def answer_api(self, proof: str, authorization: str, method: str, url: str) -> int:
        scheme, _, access = authorization.partition(" ")
        if scheme != "DPoP":
            raise Refused("invalid_token")
        claims, thumbprint = self._verify(proof, method, url, self.api_nonces)
        if claims.get("ath") != hash_of(access):
            raise Refused("invalid_dpop_proof")
        if self._access.get(access) != thumbprint:
            raise Refused("invalid_token")
        return self.api_failures.pop(0) if self.api_failures else 200

    def _verify(self, proof: str, method: str, url: str, nonces: Nonces) -> tuple[Any, str]:
        header, claims = verify(proof)
        moment = abs(claims["iat"] - clock.time() - self.clock_ahead)
        is_right = (claims["htm"], claims["htu"]) == (method, url.partition("?")[0])
        if (
            header["typ"] != "dpop+jwt"
            or not is_right
            or moment > 60
            or claims["jti"] in self._jtis
        ):
            raise Refused("invalid_dpop_proof")
        self._jtis.add(claims["jti"])
        nonces.take(claims.get("nonce"))
        return claims, JWKRegistry.import_key(header["jwk"]).thumbprint()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: DPoPServer
    is_api: bool

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = {} if self.is_api else dict(parse_qsl(body.decode()))
        state, nonces = (
            self.state,
            self.state.api_nonces if self.is_api else self.state.token_nonces,
        )
        base = state.api_url if self.is_api else state.token_url.rpartition("/")[0]
        proof, claims = self.headers.get("DPoP") or "", {}
        with state.mutex:
            try:
                claims = verify(proof).claims if proof else {}
                if self.is_api:
                    given = self.headers.get("Authorization") or ""
                    status = state.answer_api(proof, given, self.command, base + self.path)
                    answer = {"user": "alice", "length": len(body)}
                else:
                    status, answer = state.answer_token(proof, form, base + self.path)
            except (Refused, ValueError) as refusal:
                status = 401 if self.is_api else 400
                answer = {"error": str(refusal)}
            state.seen.append(Seen(urlsplit(self.path).path, form, claims, status))
            nonce = nonces.current
        self._send(status, answer, nonce if nonces.is_required else None)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - http.server's names

    def _send(self, status: int, answer: dict[str, Any], nonce: str | None) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", f'DPoP error="{answer["error"]}"')
        if nonce is not None:
            self.send_header("DPoP-Nonce", nonce)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or clock.time()) + self.state.clock_ahead)

    def log_message(self, *_args: object) -> None:
        """Print nothing."""


@contextmanager
def running_dpop_server() -> Iterator[DPoPServer]:
    """Run both servers until the block ends."""
    state = DPoPServer()
    servers = [_start(state, is_api=is_api) for is_api in (False, True)]
    ports = [server.server_address[1] for server in servers]
    state.token_url = f"http://127.0.0.1:{ports[0]}/token"
    state.api_url = f"http://127.0.0.1:{ports[1]}"
    try:
        yield state
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _start(state: DPoPServer, *, is_api: bool) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"state": state, "is_api": is_api})
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
