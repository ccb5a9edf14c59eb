"""AuthServer as a server that wants proofs of possession (RFC 9449): Bluesky with OAuth."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from requests_jwt_refresh import (
    DPoP,
    JWTRefreshAdapter,
    MemoryStore,
    RefreshUnavailable,
    Token,
    mount,
    presets,
)
from requests_jwt_refresh.testing import AuthServer
from tests.support.proofs import verify
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from tests.support.clock import Clock


def bluesky() -> AuthServer:
    return AuthServer(like="bluesky-oauth", client_secret=None)


def mount_bluesky(
    server: AuthServer, session: requests.Session, token: Token | None = None, **options: Any
) -> JWTRefreshAdapter:
    store = MemoryStore(token or server.login())
    endpoint = presets.BlueskyOAuth(server.client_id, url=server.refresh_url)
    return mount(session, server.url, endpoint, store, **options)


def test_bluesky_binds_a_token_to_the_key_that_uses_it_first(session: requests.Session) -> None:
    """With another key, it and its refresh token are refused; what a thief would meet."""
    with bluesky() as server, plain_session() as other:
        owner = mount_bluesky(server, session)
        assert session.get("/x", timeout=WAIT).status_code == 200
        token = owner.token
        mount_bluesky(server, other, token, attach=DPoP(ECKey.generate_key("P-256")))
        with pytest.raises(RefreshUnavailable, match="invalid_dpop_proof"):
            other.get("/x", timeout=WAIT)
        server.expire()
        assert session.get("/x", timeout=WAIT).status_code == 200


def test_bluesky_takes_a_proof_once_and_for_its_own_request() -> None:
    """Neither a second time, nor for another method, path, token or moment, nor by another kind."""
    with bluesky() as server, plain_session() as client:
        access = str(server.login().access)
        key = ECKey.generate_key("P-256")

        def ask(method: str = "GET", **changes: Any) -> str:
            request = requests.Request(
                method, server.url + "/x?q=1", headers={"Authorization": f"DPoP {access}"}
            ).prepare()
            request.headers["DPoP"] = changes.pop("proof", None) or sign(key, request, **changes)
            answer = client.send(request, timeout=WAIT)
            nonces.append(answer.headers["DPoP-Nonce"])
            proofs.append(str(request.headers["DPoP"]))
            return str(answer.json().get("error", answer.status_code))

        nonces, proofs = [""], [""]
        assert ask() == "use_dpop_nonce"
        assert ask(nonce="another") == "use_dpop_nonce"
        nonce = nonces[-1]
        assert ask(nonce=nonce) == "200"
        assert ask(proof=proofs[-1]) == "invalid_dpop_proof"
        assert ask("POST", nonce=nonce, htm="GET") == "invalid_dpop_proof"
        assert ask(nonce=nonce, htu=server.url + "/y") == "invalid_dpop_proof"
        assert ask(nonce=nonce, ath="another") == "invalid_dpop_proof"
        assert ask(nonce=nonce, iat=1_000_000_000) == "invalid_dpop_proof"
        assert ask(nonce=nonce, jti=7) == "invalid_dpop_proof"
        assert ask(nonce=nonce, typ="JWT") == "invalid_dpop_proof"
        assert ask(proof="nonsense") == "invalid_dpop_proof"
        assert ask(nonce=nonce) == "200"


def sign(key: ECKey, request: requests.PreparedRequest, **changes: Any) -> str:
    """Return a proof with these claims instead."""
    dpop = DPoP(key)
    dpop.carry(request, Token(str(request.headers["Authorization"]).split(" ")[1]))
    header, claims = verify(str(request.headers["DPoP"]))
    header["typ"] = changes.pop("typ", header["typ"])
    return jwt.encode(header, {**claims, **changes}, key)


def test_bluesky_has_another_nonce_after_a_while(session: requests.Session, clock: Clock) -> None:
    """Three minutes; the one before is good for as long again."""
    with bluesky() as server:
        mount_bluesky(server, session)
        assert [each.status_code for each in session.get("/x", timeout=WAIT).history] == [401]
        for seconds, asked in ((180, 0), (200, 0), (600, 1)):
            clock.advance(seconds)
            response = session.get("/x", timeout=WAIT)
            assert (response.status_code, len(response.history)) == (200, asked)


def test_a_server_with_proofs_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is made."""
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(ImportError, match=r"pip install 'requests-jwt-refresh\[jose\]'"):
        bluesky()
