"""The adapter with DPoP, against servers of two origins that demand proofs and nonces."""

from __future__ import annotations

import copy
import io
import json
import logging
import multiprocessing
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests
from joserfc.jwk import ECKey, OKPKey
from urllib3.util import Retry

from requests_jwt_refresh import (
    ClientCredentials,
    DPoP,
    FileStore,
    MemoryStore,
    OAuth2Endpoint,
    PasswordLogin,
    PrivateKeyJWT,
    RefreshRejected,
    Token,
    TokenResponse,
    mount,
)
from tests.support.crowd import Crowd
from tests.support.dpop_server import DPoPServer, running_dpop_server
from tests.support.processes import run_python
from tests.support.proofs import verify
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from requests_jwt_refresh import Event

KEY = ECKey.generate_key("P-256", private=True)


@pytest.fixture
def dpop_server() -> Iterator[DPoPServer]:
    with running_dpop_server() as server:
        yield server


def log_in(server: DPoPServer, session: requests.Session, password: str = "secret") -> Token:
    """A login of the user's own: it posts through the session that it is given."""
    form = {"grant_type": "password", "password": password}
    answer = session.post(server.token_url, form, timeout=WAIT)
    if answer.status_code == 400:
        raise RefreshRejected(answer.json()["error"])
    found = answer.json()
    return Token(found["access_token"], found["refresh_token"])


def bound_token(server: DPoPServer, dpop: DPoP | None = None) -> Token:
    """Return a token that was got by hand, with the key that it is bound to."""
    proofs = (dpop or DPoP()).open(None)
    form = {"grant_type": "password", "password": "secret"}
    while True:
        request = requests.Request("POST", server.token_url, data=form).prepare()
        proofs.prove(request)
        with plain_session() as session:
            answer = session.send(request, timeout=WAIT)
        found = answer.json()
        if "access_token" in found:
            return proofs.bind(Token(found["access_token"], found["refresh_token"]))
        challenge = TokenResponse(answer.status_code, answer.headers, answer.content)
        assert proofs.note_answer(server.token_url, challenge)


class Client(requests.Session):
    """A session with the adapter on it, logged in where the server asks for a key of its own."""

    def __init__(self, server: DPoPServer, dpop: DPoP | None = None, **options: Any) -> None:
        super().__init__()
        self.trust_env = False
        self.events: list[Event] = []
        self.logouts: list[RefreshRejected] = []
        options.setdefault("store", MemoryStore())
        self.store = options["store"]
        self.adapter = mount(
            self,
            server.api_url,
            options.pop("refresh", OAuth2Endpoint(server.token_url, "me")),
            attach=dpop or DPoP(),
            login=options.pop("login", lambda session: log_in(server, session)),
            on_event=self.events.append,
            on_logout=self.logouts.append,
            **options,
        )

    def kinds(self) -> list[str]:
        return [each.kind for each in self.events]


def ask(client: requests.Session, path: str = "/users") -> int:
    return client.get(path, timeout=WAIT).status_code


# --- One request after the other -----------------------------------------------------------------


def test_a_login_an_expiry_and_a_refresh(dpop_server: DPoPServer) -> None:
    """Each origin's nonce is asked for once, within the request; the key stays the login's."""
    with Client(dpop_server) as client:
        assert ask(client) == 200
        key = client.store.load().extra["dpop_key"]
        dpop_server.expire()
        assert ask(client) == 200
        assert ask(client) == 200
        assert client.store.load().extra["dpop_key"] == key
    assert [each.status for each in dpop_server.seen if each.path == "/token"] == [400, 200, 200]
    assert [each.status for each in dpop_server.seen if each.path == "/users"] == [
        401,  # no nonce yet
        200,
        401,  # expired
        200,
        200,
    ]


def test_the_password_grant_is_proved(dpop_server: DPoPServer) -> None:
    """Of a PasswordLogin, by itself and by hand; and each client assertion in it is used once."""
    endpoint = OAuth2Endpoint(dpop_server.token_url, "me", client_auth=PrivateKeyJWT(KEY))
    login = PasswordLogin(username="alice", password="secret", send="oauth2")
    with Client(dpop_server, refresh=endpoint, login=login) as client:
        assert ask(client) == 200
        first = client.store.load().extra["dpop_key"]
        dpop_server.token_nonces.rotate()
        client.adapter.log_in("alice", "secret")
        assert client.store.load().extra["dpop_key"] != first
        dpop_server.expire()
        assert ask(client) == 200
    assertions = [each.form["client_assertion"] for each in dpop_server.seen if each.form]
    assert len(set(assertions)) == len(assertions) == 5


def test_a_grant_of_the_clients_own(dpop_server: DPoPServer) -> None:
    """Each token is bound to the same key, until the token is forgotten."""
    endpoint = ClientCredentials(dpop_server.token_url, "me", client_auth=PrivateKeyJWT(KEY))
    with Client(dpop_server, refresh=endpoint, login=None) as client:
        assert ask(client) == 200
        first = client.store.load().extra["dpop_key"]
        dpop_server.expire()
        assert ask(client) == 200
        assert client.store.load().extra["dpop_key"] == first
        client.adapter.clear_token()
        assert ask(client) == 200
        assert client.store.load().extra["dpop_key"] != first


def test_an_endpoint_function_is_proved(dpop_server: DPoPServer) -> None:
    """Through the session that it is given, within which a nonce is answered as well."""

    def refresh(session: requests.Session, token: Token) -> Token:
        form = {"grant_type": "refresh_token", "refresh_token": token.refresh}
        found = session.post(dpop_server.token_url, form, timeout=WAIT).json()
        return Token(found["access_token"], found["refresh_token"])

    with Client(dpop_server, refresh=refresh, login=None) as client:
        client.adapter.set_token(bound_token(dpop_server))
        dpop_server.token_nonces.rotate()
        dpop_server.expire()
        assert ask(client) == 200
        dpop_server.expire()
        assert ask(client) == 200


def test_a_refresh_token_that_is_brought(dpop_server: DPoPServer) -> None:
    """With the key that it is bound to, it is traded in."""
    endpoint = OAuth2Endpoint(dpop_server.token_url, "me")
    dpop = DPoP(KEY)
    token = bound_token(dpop_server, dpop)
    with Client(dpop_server, dpop, refresh=endpoint, login=None) as client:
        client.adapter.refresh(token.refresh)
        assert ask(client) == 200


def test_a_session_of_ones_own_is_proved(dpop_server: DPoPServer) -> None:
    """The endpoint's requests go over it, with their proofs."""
    with (
        plain_session() as own,
        Client(dpop_server, refresh_session=own, login=None) as client,
    ):
        client.adapter.set_token(bound_token(dpop_server))
        dpop_server.expire()
        assert ask(client) == 200


def test_a_challenge_is_told_and_is_in_the_history(dpop_server: DPoPServer) -> None:
    """It is no expiry: no matcher is asked, and no token is fetched for it."""
    with Client(dpop_server, when=lambda _response: pytest.fail("asked")) as client:
        client.adapter.set_token(bound_token(dpop_server))
        response = client.get("/users", timeout=WAIT)
    assert [each.status_code for each in response.history] == [401]
    assert response.history[0].json() == {"error": "use_dpop_nonce"}
    assert response.json()["user"] == "alice"
    assert client.kinds() == ["challenge"]
    (event,) = client.events
    assert (event.url, event.status, event.rule) == (f"{dpop_server.api_url}/users", 401, None)
    assert len(dpop_server.token_requests()) == 1


def test_a_nonce_that_changes_meanwhile_costs_one_more_request(dpop_server: DPoPServer) -> None:
    """At the API and at the token endpoint; a login or refresh is never made twice."""
    with Client(dpop_server) as client:
        assert ask(client) == 200
        dpop_server.api_nonces.rotate()
        dpop_server.token_nonces.rotate()
        assert ask(client) == 200
        dpop_server.expire()
        dpop_server.api_nonces.rotate()
        assert ask(client) == 200
    assert len(dpop_server.token_requests()) == 2
    assert len(dpop_server.token_requests(400)) == 2


def test_an_api_that_is_never_content_gets_two_requests(dpop_server: DPoPServer) -> None:
    """The caller sees its own answer; no token is fetched, since none would help."""
    with Client(dpop_server) as client:
        assert ask(client) == 200
        dpop_server.seen.clear()
        dpop_server.api_nonces.is_never_content = True
        response = client.get("/users", timeout=WAIT)
    assert (response.status_code, response.json()) == (401, {"error": "use_dpop_nonce"})
    assert [each.path for each in dpop_server.seen] == ["/users", "/users"]


def test_a_token_endpoint_that_is_never_content_is_asked_twice(dpop_server: DPoPServer) -> None:
    """Then it is a faulty set-up: the tokens are kept."""
    with Client(dpop_server, login=None) as client:
        token = bound_token(dpop_server)
        client.adapter.set_token(token)
        dpop_server.seen.clear()
        dpop_server.token_nonces.is_never_content = True
        with pytest.raises(requests.RequestException, match="use_dpop_nonce"):
            client.adapter.refresh()
        assert client.store.load() == token
    assert len(dpop_server.seen) == 2


def test_proofs_without_nonces(dpop_server: DPoPServer) -> None:
    """A server that asks for none costs no request more."""
    dpop_server.api_nonces.is_required = dpop_server.token_nonces.is_required = False
    with Client(dpop_server) as client:
        assert ask(client) == 200
        dpop_server.expire()
        assert ask(client) == 200
    assert [each.status for each in dpop_server.seen] == [200, 200, 401, 200, 200]


@pytest.mark.parametrize("given", ["a key", "an Ed25519 file", "an RSA key"])
def test_a_key_of_ones_own(dpop_server: DPoPServer, given: str, tmp_path: Path) -> None:
    """It proves everything, and is in no store."""
    path = tmp_path / "key.json"
    ed25519 = OKPKey.generate_key("Ed25519", private=True)
    path.write_text(json.dumps(ed25519.as_dict(private=True)))
    dpop = {
        "a key": lambda: DPoP(KEY),
        "an Ed25519 file": lambda: DPoP(path),
        "an RSA key": lambda: DPoP(alg="PS256"),
    }[given]()
    with Client(dpop_server, dpop) as client:
        assert ask(client) == 200
        dpop_server.expire()
        assert ask(client) == 200
        assert ("dpop_key" in client.store.load().extra) == (given == "an RSA key")


# --- Bodies --------------------------------------------------------------------------------------


def test_bodies_are_sent_whole_after_a_challenge(dpop_server: DPoPServer) -> None:
    """Bytes, and a file from where the caller has it."""
    with Client(dpop_server) as client:
        answer = client.post("/upload", data=b"x" * 100_000, timeout=WAIT)
        assert answer.json()["length"] == 100_000
        dpop_server.api_nonces.rotate()
        file = io.BytesIO(b"x" * 100_000)
        file.seek(1_000)
        answer = client.put("/upload", data=file, timeout=WAIT)
        assert answer.json()["length"] == 99_000


def test_a_body_that_can_be_sent_once_is_returned_with_the_challenge(
    dpop_server: DPoPServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is refreshed, a warning says why; the next request has the nonce."""
    with Client(dpop_server) as client:
        assert ask(client) == 200
        dpop_server.api_nonces.rotate()
        dpop_server.seen.clear()
        with caplog.at_level(logging.WARNING):
            body = iter([b"one", b"two"])
            response = client.post("/upload", data=body, timeout=WAIT)
        assert (response.status_code, response.json()) == (401, {"error": "use_dpop_nonce"})
        assert "asks for a nonce" in caplog.text
        assert [each.path for each in dpop_server.seen] == ["/upload"]
        assert ask(client) == 200
        assert len(dpop_server.seen) == 2


def test_a_streamed_answer_is_whole_after_a_challenge(dpop_server: DPoPServer) -> None:
    """The connection of the 401 goes back to the pool."""
    with Client(dpop_server, pool_maxsize=1, pool_block=True) as client:
        with client.get("/users", stream=True, timeout=WAIT) as response:
            assert json.loads(response.raw.read())["user"] == "alice"
        assert ask(client) == 200


# --- Refusals and faults -------------------------------------------------------------------------


def test_a_refused_refresh_token_is_a_logout(dpop_server: DPoPServer) -> None:
    """The caller gets the API's own 401; a nonce that came with the refusal is no reason to ask
    again."""
    with Client(dpop_server, login=None) as client:
        client.adapter.set_token(bound_token(dpop_server))
        dpop_server.expire()
        dpop_server.refuse_refresh = True
        dpop_server.seen.clear()
        assert ask(client) == 401
        assert client.store.load() is None
        assert len(client.logouts) == 1
    assert [each.path for each in dpop_server.seen].count("/token") == 2  # a nonce, the refusal


def test_each_retry_has_a_proof_of_its_own(dpop_server: DPoPServer) -> None:
    """Also one of urllib3's: a server that has seen a jti would refuse it (RFC 9449 §11.1)."""
    with Client(dpop_server, login=None) as client:
        client.adapter.set_token(bound_token(dpop_server))
        dpop_server.failures = [503, 503]
        client.adapter.refresh()
    claims = [each.claims["jti"] for each in dpop_server.seen]
    assert len(set(claims)) == len(claims)
    assert [each.status for each in dpop_server.seen][-4:] == [400, 503, 503, 200]


def test_a_proof_that_urllib3_has_repeated_is_made_anew(dpop_server: DPoPServer) -> None:
    """Its retries of API requests know nothing of proofs; no token is fetched for that."""
    retries = Retry(2, status_forcelist=[503], backoff_factor=0)
    with Client(dpop_server, max_retries=retries) as client:
        assert ask(client) == 200
        dpop_server.api_failures = [503]
        dpop_server.seen.clear()
        assert ask(client) == 200
    assert [(each.path, each.status) for each in dpop_server.seen] == [
        ("/users", 503),
        ("/users", 401),  # a replay
        ("/users", 200),
    ]


def test_each_retry_has_an_assertion_of_its_own(dpop_server: DPoPServer) -> None:
    """Of the client, too: a used jti is a replay (RFC 7523 §3)."""
    endpoint = OAuth2Endpoint(dpop_server.token_url, "me", client_auth=PrivateKeyJWT(KEY))
    with Client(dpop_server, login=None, refresh=endpoint) as client:
        client.adapter.set_token(bound_token(dpop_server))
        dpop_server.failures = [503]
        dpop_server.seen.clear()
        client.adapter.refresh()
    assertions = [each.form["client_assertion"] for each in dpop_server.seen]
    found = [verify(each, KEY.as_dict(private=False)).claims for each in assertions]
    assert [each.status for each in dpop_server.seen] == [400, 503, 200]
    assert len({claims["jti"] for claims in found}) == 3
    assert {claims["aud"] for claims in found} == {dpop_server.token_url}


def test_a_login_that_fails_for_a_moment_proves_anew(dpop_server: DPoPServer) -> None:
    """A login of the user's own, whose session retries."""
    dpop_server.failures = [503]
    with Client(dpop_server) as client:
        assert ask(client) == 200
    jtis = [each.claims["jti"] for each in dpop_server.seen]
    assert len(set(jtis)) == len(jtis)


def test_a_server_with_another_clock(dpop_server: DPoPServer) -> None:
    """An hour ahead: the proofs go by the Date of its answers."""
    dpop_server.clock_ahead = 3600
    dpop_server.api_nonces.is_required = dpop_server.token_nonces.is_required = False
    with Client(dpop_server) as client:
        assert ask(client) == 200
        assert ask(client) == 200
    assert [each.status for each in dpop_server.seen] == [400, 200, 401, 200, 200]


# --- Others --------------------------------------------------------------------------------------


def test_another_origin_sees_nothing(dpop_server: DPoPServer) -> None:
    """Neither token nor proof leave the API's origin and the token endpoint."""
    with Client(dpop_server) as client:
        assert ask(client) == 200
        elsewhere = dpop_server.token_url.replace("127.0.0.1", "localhost")
        sent = client.get(elsewhere, timeout=WAIT).request.headers
    assert "DPoP" not in sent
    assert "Authorization" not in sent


def test_the_callers_request_is_not_written_on(dpop_server: DPoPServer) -> None:
    """Neither token nor proof."""
    with Client(dpop_server) as client:
        request = client.prepare_request(requests.Request("GET", dpop_server.api_url + "/users"))
        before = dict(request.headers)
        assert client.send(request, timeout=WAIT).status_code == 200
        assert dict(request.headers) == before


@pytest.mark.parametrize("one_time", [False, True], ids=["shared nonces", "a nonce per request"])
def test_16_threads(dpop_server: DPoPServer, one_time: bool) -> None:
    """One login and one refresh for all, whether or not a nonce is good for one request."""
    dpop_server.api_nonces.is_for_one_request = one_time
    with Client(dpop_server) as client:
        client.adapter.set_token(bound_token(dpop_server))
        assert Crowd(16, lambda _: client.get("/users", timeout=WAIT)).statuses() == [200] * 16
        dpop_server.expire()
        assert Crowd(16, lambda _: client.get("/users", timeout=WAIT)).statuses() == [200] * 16
    assert len(dpop_server.token_requests()) == 2
    jtis = [each.claims["jti"] for each in dpop_server.seen]
    assert len(set(jtis)) == len(jtis)


SECOND_PROCESS = """
import sys
import requests
from requests_jwt_refresh import DPoP, FileStore, OAuth2Endpoint, mount
session = requests.Session()
session.trust_env = False
endpoint, store = OAuth2Endpoint(sys.argv[2], "me"), FileStore(sys.argv[3])
mount(session, sys.argv[1], endpoint, store, attach=DPoP())
print(session.get("/users", timeout=20).status_code)
"""


def test_a_second_process_proves_with_the_key_in_the_store(
    dpop_server: DPoPServer, tmp_path: Path
) -> None:
    """It uses the token, refreshes it, and the first process takes up what it got."""
    store = tmp_path / "token"
    arguments = (dpop_server.api_url, dpop_server.token_url, str(store))
    with Client(dpop_server, store=FileStore(store)) as client:
        assert ask(client) == 200
        assert run_python(SECOND_PROCESS, *arguments) == "200"
        dpop_server.expire()
        assert run_python(SECOND_PROCESS, *arguments) == "200"
        assert ask(client) == 200
    assert len(dpop_server.token_requests()) == 2  # the login, the second process's refresh


def test_the_key_is_kept_where_the_rest_of_an_answer_is_too_large(
    dpop_server: DPoPServer, tmp_path: Path
) -> None:
    """A token without it would be of no use."""
    dpop_server.more = {"id_token": "x" * 20_000}
    login = PasswordLogin(username="alice", password="secret", send="oauth2")
    with Client(dpop_server, store=FileStore(tmp_path / "token"), login=login) as client:
        assert ask(client) == 200
        assert list(client.store.load().extra) == ["dpop_key"]
        dpop_server.expire()
        assert ask(client) == 200
        assert list(client.store.load().extra) == ["dpop_key"]


def test_a_pickled_session_goes_on(dpop_server: DPoPServer, tmp_path: Path) -> None:
    """The key comes with the token, or from its file again; one that is given itself does not."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps(KEY.as_dict(private=True)))
    for dpop in (DPoP(), DPoP(path)):
        with plain_session() as session:
            options: dict[str, Any] = {
                "attach": dpop,
                "store": FileStore(tmp_path / repr(dpop).replace("/", "_")),
            }
            endpoint = OAuth2Endpoint(dpop_server.token_url, "me")
            adapter = mount(session, dpop_server.api_url, endpoint, **options)
            adapter.set_token(bound_token(dpop_server, dpop))
            assert ask(session) == 200
            with pickle.loads(pickle.dumps(session)) as other:
                dpop_server.expire()
                assert ask(other) == 200
            with copy.deepcopy(session) as other:
                assert ask(other) == 200
    with plain_session() as session:
        mount(session, dpop_server.api_url, endpoint, MemoryStore(), attach=DPoP(KEY))
        with pytest.raises(TypeError, match="path of a key file"):
            pickle.dumps(session)


def test_a_forked_child_goes_on(dpop_server: DPoPServer, tmp_path: Path) -> None:
    """No lock of ours is held at any moment."""
    with Client(dpop_server, store=FileStore(tmp_path / "token")) as client:
        assert ask(client) == 200
        dpop_server.expire()
        child = multiprocessing.get_context("fork").Process(target=ask_in_child, args=(client,))
        child.start()
        child.join(WAIT)
        assert child.exitcode == 0
        assert ask(client) == 200
    assert len(dpop_server.token_requests()) == 2


def ask_in_child(client: Client) -> None:
    sys.exit(0 if ask(client) == 200 else 1)


def test_no_secret_is_logged(dpop_server: DPoPServer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither tokens nor keys nor proofs, at any level."""
    with caplog.at_level(logging.DEBUG, "requests_jwt_refresh"), Client(dpop_server) as client:
        assert ask(client) == 200
        dpop_server.expire()
        assert ask(client) == 200
        token = client.store.load()
    for secret in (token.access, token.refresh, token.extra["dpop_key"]["d"], "eyJ"):
        assert secret not in caplog.text
