"""DPoP and private_key_jwt keep their promises against the certified oidc-provider.

It asks for nonces, remembers every jti, rotates refresh tokens and revokes a login whose refresh
token is used twice. Three clients: a public one and one that signs, whose tokens a person brings by
the authorization code flow, and a machine with a grant of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey

from requests_jwt_refresh import (
    ClientCredentials,
    DPoP,
    FileStore,
    MemoryStore,
    OAuth2Endpoint,
    PrivateKeyJWT,
    RefreshRejected,
    RefreshUnavailable,
    mount,
)
from tests.support.crowd import Crowd
from tests.support.oidc_provider import OIDCProvider
from tests.support.processes import run_python
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENTS = ["public", "signed", "machine"]
PEOPLES_CLIENTS = ["public", "signed"]


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key of the clients that sign, as openssl writes one."""
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path_factory.mktemp("keys") / "client.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture(scope="module")
def running(key_file: Path) -> Iterator[OIDCProvider]:
    jwk = ECKey.import_key(key_file.read_bytes()).as_dict(private=False)
    with OIDCProvider(jwk) as provider:
        yield provider


@pytest.fixture
def provider(running: OIDCProvider) -> OIDCProvider:
    running.forget()
    return running


class Client(requests.Session):
    """A session with the adapter on it. A person's logs in when it first has to."""

    def __init__(self, provider: OIDCProvider, name: str, key_file: Path, **options: Any) -> None:
        super().__init__()
        self.trust_env = False
        auth = None if name == "public" else PrivateKeyJWT(key_file)
        make = ClientCredentials if name == "machine" else OAuth2Endpoint
        if name != "machine":
            options.setdefault("login", lambda session: provider.log_in(session, name, auth))
        self.store = options.setdefault("store", MemoryStore())
        self.logouts: list[RefreshRejected] = []
        self.adapter = mount(
            self,
            provider.api,
            make(provider.token_url, name, client_auth=auth or "none"),
            attach=options.pop("attach", None) or DPoP(),
            on_logout=self.logouts.append,
            **options,
        )

    def ask(self) -> int:
        return self.get("/users", timeout=WAIT).status_code


@pytest.mark.parametrize("name", CLIENTS)
def test_first_token_expiry_and_refresh(provider: OIDCProvider, name: str, key_file: Path) -> None:
    """The caller sees 200 alone, however often the server asks for nonces."""
    user = "machine" if name == "machine" else "alice"
    with Client(provider, name, key_file) as client:
        for _ in range(3):
            response = client.get("/users", timeout=WAIT)
            assert (response.status_code, response.json()) == (200, {"user": user})
            provider.expire()
            provider.rotate_nonce()
    assert provider.statuses("/token").count(200) == 3
    assert_no_proof_was_sent_twice(provider)


def assert_no_proof_was_sent_twice(provider: OIDCProvider) -> None:
    jtis = [each.jti for each in provider.seen() if each.jti is not None]
    assert len(set(jtis)) == len(jtis)


@pytest.mark.parametrize("alg", ["ES256", "Ed25519", "EdDSA"])
def test_the_algorithms_that_it_takes(provider: OIDCProvider, alg: str, key_file: Path) -> None:
    """A new key of each kind."""
    with Client(provider, "machine", key_file, attach=DPoP(alg=alg)) as client:
        assert client.ask() == 200


def test_a_key_of_ones_own(provider: OIDCProvider, key_file: Path) -> None:
    """A file's, which proves each token; nothing of it is stored."""
    with Client(provider, "public", key_file, attach=DPoP(key_file)) as client:
        assert client.ask() == 200
        provider.expire()
        assert client.ask() == 200
        assert "dpop_key" not in client.store.load().extra


@pytest.mark.parametrize("name", CLIENTS)
def test_16_threads_refresh_once(provider: OIDCProvider, name: str, key_file: Path) -> None:
    """A second use of the refresh token would have revoked the login: it still refreshes after."""
    with Client(provider, name, key_file) as client:
        assert client.ask() == 200
        provider.forget()
        provider.expire()
        crowd = Crowd(16, lambda _: client.get("/users", timeout=WAIT))
        assert crowd.statuses() == [200] * 16
        assert provider.statuses("/token").count(200) == 1
        provider.expire()
        assert client.ask() == 200
        assert client.logouts == []
    assert_no_proof_was_sent_twice(provider)


@pytest.mark.parametrize("name", PEOPLES_CLIENTS)
def test_a_refused_refresh_token_is_a_logout(
    provider: OIDCProvider, name: str, key_file: Path
) -> None:
    """The store is emptied, on_logout called once, and the caller gets the API's own 401."""
    with Client(provider, name, key_file) as client:
        assert client.ask() == 200
        token = client.store.load()
    with Client(provider, name, key_file, store=MemoryStore(token), login=None) as client:
        provider.expire()
        provider.revoke()
        response = client.get("/users", timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"error": "invalid_token"})
        assert client.store.load() is None
        assert [type(each) for each in client.logouts] == [RefreshRejected]


def test_a_refresh_token_bound_to_another_key_is_refused(
    provider: OIDCProvider, key_file: Path
) -> None:
    """What a thief of the tokens alone would meet (RFC 9449 §5)."""
    with Client(provider, "public", key_file) as client:
        assert client.ask() == 200
        token = client.store.load()
    thief = Client(
        provider, "public", key_file, attach=DPoP(key_file), store=MemoryStore(token), login=None
    )
    with thief:
        assert thief.ask() == 401
        assert len(thief.logouts) == 1


def test_a_client_with_a_wrong_key_is_a_faulty_set_up(
    provider: OIDCProvider, tmp_path: Path
) -> None:
    """invalid_client is no refusal: what went wrong is told, the API is not asked."""
    wrong = tmp_path / "wrong.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    wrong.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with (
        Client(provider, "machine", wrong) as client,
        pytest.raises(RefreshUnavailable, match="invalid_client"),
    ):
        client.ask()
    assert provider.seen("/users") == []


SECOND_PROCESS = """
import sys
import requests
from requests_jwt_refresh import (
    ClientCredentials, DPoP, FileStore, OAuth2Endpoint, PrivateKeyJWT, mount
)
api, token_url, store, name, key = sys.argv[1:]
session = requests.Session()
session.trust_env = False
make = ClientCredentials if name == "machine" else OAuth2Endpoint
auth = "none" if name == "public" else PrivateKeyJWT(key)
endpoint = make(token_url, name, client_auth=auth)
mount(session, api, endpoint, FileStore(store), attach=DPoP())
print(session.get("/users", timeout=20).status_code)
"""


@pytest.mark.parametrize("name", CLIENTS)
def test_a_second_process(
    provider: OIDCProvider, name: str, key_file: Path, tmp_path: Path
) -> None:
    """It proves with the key in the store, refreshes, and the first one takes up what it got."""
    store = tmp_path / "token"
    arguments = (provider.api, provider.token_url, str(store), name, str(key_file))
    with Client(provider, name, key_file, store=FileStore(store)) as client:
        assert client.ask() == 200
        provider.expire()
        assert run_python(SECOND_PROCESS, *arguments) == "200"
        assert client.ask() == 200
    assert provider.statuses("/token").count(200) == 2


@pytest.mark.parametrize("name", CLIENTS)
def test_another_origin_sees_nothing(provider: OIDCProvider, name: str, key_file: Path) -> None:
    """Neither a token nor a proof, on the very same session."""
    with Client(provider, name, key_file) as client:
        assert client.ask() == 200
        provider.forget()
        elsewhere = f"{provider.issuer}/.well-known/openid-configuration"
        response = client.get(elsewhere, timeout=WAIT)
    assert response.status_code == 200
    assert "Authorization" not in response.request.headers
    assert [each.jti for each in provider.seen()] == [None]
