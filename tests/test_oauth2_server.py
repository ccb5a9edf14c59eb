"""What is OAuth 2.0's own, against Authlib's server: grants, clients, refusals."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    ClientCredentials,
    JWTBearer,
    MemoryStore,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    TokenExchange,
    mount,
)
from tests.support.servers.clients import Client
from tests.support.servers.kinds import (
    OAUTH2_SECRET,
    expire_oauth2,
    log_in_client,
    log_in_oauth2,
    post,
    sign_assertion,
)
from tests.support.servers.shared import real_servers
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers import Server

__all__ = ["real_servers"]  # a fixture

CLIENT = ClientCredentials("/token", "app", OAUTH2_SECRET)


@pytest.fixture(scope="module")
def authlib(real_servers: Callable[[str], Server]) -> Server:
    return real_servers("flasks:app")


@pytest.fixture
def url(authlib: Server) -> str:
    authlib.forget()
    return f"{authlib.url}/oauth2"


@pytest.fixture
def session(url: str) -> Iterator[requests.Session]:
    """A machine's session: nobody has logged in."""
    with requests.Session() as session:
        session.trust_env = False
        mount(session, url, CLIENT)
        yield session


def disable(url: str, name: str) -> None:
    """Disable a client or a subject; no other test has one of that name."""
    requests.put(f"{url}/disabled/{name}", timeout=WAIT).raise_for_status()


def asked(server: Server) -> list[int]:
    """Return the status of each answer of the token endpoint."""
    return [each.status for each in server.seen() if each.path == "/oauth2/token"]


# --- Client credentials --------------------------------------------------------------------------


def test_the_first_request_fetches_a_token(authlib: Server, session: requests.Session) -> None:
    """Nobody logs in, nothing is sent without a token, and the next request has the same one."""
    assert session.get("/me", timeout=WAIT).json()["client"] == "app"
    assert session.get("/me", timeout=WAIT).history == []
    assert [(each.path, each.status) for each in authlib.seen()] == [
        ("/oauth2/token", 200),
        ("/oauth2/me", 200),
        ("/oauth2/me", 200),
    ]


def test_each_expiry_fetches_another(authlib: Server, url: str) -> None:
    """Though there is no refresh token that could be handed in."""
    with Client(url, CLIENT, log_in_client(url)) as client:
        for _ in range(2):
            assert client.get("/me", timeout=WAIT).status_code == 200
            expire_oauth2(url, client.refreshed[-1])
        assert client.get("/me", timeout=WAIT).status_code == 200
        assert [token.refresh for token in client.refreshed] == [None] * 3
        assert client.logouts == []
    assert asked(authlib)[-3:] == [200] * 3


def test_clear_token_fetches_anew(session: requests.Session, url: str, authlib: Server) -> None:
    """There is no logout that would last."""
    adapter: Any = session.get_adapter(url)
    assert session.get("/me", timeout=WAIT).status_code == 200
    adapter.clear_token()
    assert adapter.token is None
    assert session.get("/me", timeout=WAIT).status_code == 200
    assert asked(authlib) == [200, 200]


@pytest.mark.parametrize(
    ("endpoint", "scope"),
    [
        (ClientCredentials("/token", "app", OAUTH2_SECRET, scope="read"), "read"),
        (ClientCredentials("/token", "app", OAUTH2_SECRET), ""),
        (ClientCredentials("/token", "app-post", OAUTH2_SECRET, client_auth="post"), ""),
    ],
)
def test_the_client_authenticates_as_it_should(url: str, endpoint: Any, scope: str) -> None:
    """By Basic, its secret encoded, or by the form; the scope is what was asked for."""
    with requests.Session() as session:
        session.trust_env = False
        mount(session, url, endpoint)
        answer = session.get("/me", timeout=WAIT).json()
    assert (answer["client"], answer["scope"]) == (endpoint.client_id, scope)


def test_an_unknown_client_is_a_faulty_set_up(authlib: Server, url: str) -> None:
    """invalid_client, 401: no logout, the token is kept, and the error says what to look at."""
    old = log_in_client(url)
    with Client(url, ClientCredentials("/token", "app", "wrong"), old) as client:
        authlib.forget()
        with pytest.raises(RefreshUnavailable) as caught:
            client.get("/me", timeout=WAIT)
        assert "invalid_client" in caught.value.cause
        assert f"{url}/token" in caught.value.cause
        response = caught.value.response
        assert response is not None
        assert response.status_code == 401
        assert client.store.load() == old
        assert client.logouts == []
    assert asked(authlib) == [401]


def test_a_client_that_was_disabled_is_a_faulty_set_up(url: str) -> None:
    """Before the first token as well: nothing is sent without one."""
    disable(url, "app-disabled")
    store = MemoryStore()
    with requests.Session() as session:
        session.trust_env = False
        mount(session, url, ClientCredentials("/token", "app-disabled", OAUTH2_SECRET), store)
        with pytest.raises(RefreshUnavailable, match="invalid_client"):
            session.get("/me", timeout=WAIT)


# --- Assertions and exchanges --------------------------------------------------------------------


def test_an_assertion_is_made_for_each_token(url: str) -> None:
    """The function is asked for fresh proof each time."""
    made: list[float] = []

    def assertion() -> str:
        made.append(time.time())
        return sign_assertion(url, "alice")

    with Client(url, JWTBearer("/token", assertion), log_in_client(url)) as client:
        assert client.get("/me", timeout=WAIT).status_code == 200
        client.adapter.refresh()
        assert client.get("/me", timeout=WAIT).status_code == 200
    assert len(made) == 2


def test_a_refused_assertion_is_a_refusal(authlib: Server, url: str) -> None:
    """invalid_grant: the user is gone. The store is emptied, and the caller gets the API's 401."""
    disable(url, "mallory")
    endpoint = JWTBearer("/token", lambda: sign_assertion(url, "mallory"))
    with Client(url, endpoint, log_in_client(url)) as client:
        authlib.forget()
        assert client.get("/me", timeout=WAIT).status_code == 401
        assert client.store.load() is None
        assert [type(each) for each in client.logouts] == [RefreshRejected]
        assert asked(authlib) == [400]


def test_a_token_is_exchanged(url: str) -> None:
    """One of ours for one for the service behind; issued_token_type is kept with it."""
    subject = post(f"{url}/login").json()["access_token"]
    endpoint = TokenExchange("/token", subject, client_id="app", client_secret=OAUTH2_SECRET)
    with Client(url, endpoint, log_in_client(url)) as client:
        assert client.get("/me", timeout=WAIT).status_code == 200
        (fresh,) = client.refreshed
        assert fresh.extra["issued_token_type"].endswith(":access_token")
        assert fresh.access != subject


def test_a_subject_token_that_has_expired_is_a_refusal(authlib: Server, url: str) -> None:
    """Nothing that this endpoint could do helps: its subject has to log in again."""
    subject = log_in_oauth2(url).access
    assert subject is not None
    endpoint = TokenExchange("/token", subject, client_id="app", client_secret=OAUTH2_SECRET)
    with Client(url, endpoint, log_in_client(url)) as client:
        authlib.forget()
        assert client.get("/me", timeout=WAIT).status_code == 401
        assert len(client.logouts) == 1
        assert asked(authlib) == [400]


# --- Refresh tokens ------------------------------------------------------------------------------


def test_another_clients_refresh_token_is_refused(url: str) -> None:
    """As invalid_grant (RFC 6749 §6)."""
    old = log_in_oauth2(url)
    with Client(url, OAuth2Endpoint("/token", "other", OAUTH2_SECRET), old) as client:
        assert client.get("/me", timeout=WAIT).status_code == 401
        assert client.store.load() is None
        assert len(client.logouts) == 1


def test_what_came_with_a_token_is_kept(url: str) -> None:
    """Its scope, say."""
    with Client(url, OAuth2Endpoint("/token", "app", OAUTH2_SECRET), log_in_oauth2(url)) as client:
        fresh = client.adapter.refresh()
        assert fresh.extra["scope"] == "read write"
        assert fresh.refresh
        assert not {"access_token", "refresh_token", "expires_in"} & set(fresh.extra)


def test_a_wrong_secret_keeps_the_refresh_token(url: str) -> None:
    """A set-up that can be mended is no logout."""
    old = log_in_oauth2(url)
    with Client(url, OAuth2Endpoint("/token", "app", "wrong"), old) as client:
        with pytest.raises(RefreshUnavailable, match="invalid_client"):
            client.get("/me", timeout=WAIT)
        assert client.store.load() == old
    with Client(url, OAuth2Endpoint("/token", "app", OAUTH2_SECRET), old) as client:
        assert client.get("/me", timeout=WAIT).status_code == 200


def test_a_token_of_a_login_can_be_traded_in(url: str) -> None:
    """refresh(refresh_token): the first token of all."""
    given = log_in_oauth2(url).refresh
    with Client(url, OAuth2Endpoint("/token", "app", OAUTH2_SECRET), Token("x")) as client:
        fresh = client.adapter.refresh(given)
        assert fresh.refresh != given
        assert client.get("/me", timeout=WAIT).status_code == 200
