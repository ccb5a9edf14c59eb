"""The promises against real servers: SimpleJWT, djoser, dj-rest-auth, Flask-JWT-Extended, Authlib.

What only one of them does has a file of its own: test_simplejwt, test_flask_jwt,
test_cookie_servers, test_oauth2_server.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

from requests_jwt_refresh import FileStore, RefreshRejected, Token, anonymous
from tests.stress.workers import read_line, step
from tests.support.servers.clients import Client, in_threads
from tests.support.servers.kinds import KINDS, Kind
from tests.support.servers.shared import real_servers
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.servers import Server

__all__ = ["real_servers"]  # a fixture

ROOT = Path(__file__).parents[1]
THREADS = 16
only_revocable = pytest.mark.parametrize(
    "real", [name for name, kind in KINDS.items() if kind.refuse], indirect=True, scope="module"
)


class Real(NamedTuple):
    """A real server, and what its users do."""

    name: str
    kind: Kind
    server: Server

    @property
    def url(self) -> str:
        return self.server.url + self.kind.base

    def log_in(self) -> Token:
        """Return a login whose access token has expired; forget what it took."""
        token = self.kind.log_in(self.url)
        self.server.forget()
        return token

    def client(self, token: Token, **options: Any) -> Client:
        endpoint = self.kind.endpoint(self.url)
        return Client(self.url, endpoint, token, **self.kind.options, **options)

    def refuse(self, token: Token) -> None:
        assert self.kind.refuse is not None
        self.kind.refuse(self.url, token)
        self.server.forget()

    def seen(self) -> list[tuple[str, str, int]]:
        """Return method, path below the base URL, and status of each request but for logins."""
        return [
            (each.method, each.path.removeprefix(self.kind.base), each.status)
            for each in self.server.seen()
            if not each.path.endswith("/login")
        ]

    def refreshes(self) -> int:
        return self.server.count("POST", self.kind.base + self.kind.refresh)


@pytest.fixture(scope="module", params=KINDS)
def real(request: pytest.FixtureRequest, real_servers: Callable[[str], Server]) -> Real:
    kind = KINDS[request.param]
    return Real(request.param, kind, real_servers(kind.app))


@pytest.fixture
def login(real: Real) -> Token:
    return real.log_in()


def secrets_of(*tokens: Token) -> set[str]:
    """Return all that nobody else may see: both tokens, and the cookies that came with them."""
    secrets: set[str | None] = set()
    for token in tokens:
        secrets |= {token.access, token.refresh, *token.extra.get("cookies", {}).values()}
    return {each for each in secrets if each}


def load(client: Client) -> Token:
    token = client.store.load()
    assert token is not None
    return token


def test_an_expired_token_is_refreshed(real: Real, login: Token) -> None:
    """The caller sees one 200, the server one refresh; what it gave is in the store."""
    me, refresh = real.kind.me, real.kind.refresh
    with real.client(login) as client:
        response = client.get(me, timeout=WAIT)
        assert response.status_code == 200
        assert [each.status_code for each in response.history] == [401]
        assert real.seen() == [("GET", me, 401), ("POST", refresh, 200), ("GET", me, 200)]
        assert client.refreshed == [load(client)]
        assert load(client).access not in (None, login.access)
        assert client.logouts == []
        assert client.get(me, timeout=WAIT).history == []
    assert real.refreshes() == 1


def test_16_threads_make_one_refresh(real: Real, login: Token) -> None:
    """All get their 200; the server, where a refresh token may be good for once, is asked once."""
    with real.client(login, pool_maxsize=THREADS) as client:
        answers = in_threads(lambda: client.get(real.kind.me, timeout=WAIT).status_code, THREADS)
        assert answers == [200] * THREADS
        assert len(client.refreshed) == 1
    assert real.refreshes() == 1


def test_a_body_is_sent_again(real: Real, login: Token) -> None:
    """A POST arrives whole with the new token, and with the CSRF value that belongs to it."""
    with real.client(login) as client:
        response = client.post(real.kind.me, json={"note": "hello"}, timeout=WAIT)
        assert response.status_code == 200, response.text
        assert "hello" in response.text
        assert [each.status_code for each in response.history] == [401]
    assert real.refreshes() == 1


def test_the_next_refresh_works_too(real: Real, login: Token) -> None:
    """With what the first has given: a rotated refresh token, and its CSRF value."""
    with real.client(login) as client:
        first = client.adapter.refresh()
        second = client.adapter.refresh()
        assert first.access != second.access
        assert client.post(real.kind.me, json={"note": "hello"}, timeout=WAIT).status_code == 200
    assert real.refreshes() == 2


@only_revocable
def test_a_refusal_logs_out(real: Real, login: Token) -> None:
    """The caller gets the API's 401, the store is emptied, on_logout is called, all of it once."""
    real.refuse(login)
    with real.client(login) as client:
        response = client.get(real.kind.me, timeout=WAIT)
        assert (response.status_code, response.history) == (401, [])
        assert real.seen()[0] == ("GET", real.kind.me, 401)
        assert client.store.load() is None
        assert [type(each) for each in client.logouts] == [RefreshRejected]
        assert client.get(real.kind.me, timeout=WAIT).status_code == 401
        assert len(client.logouts) == 1
    assert real.refreshes() == 1


@only_revocable
def test_16_threads_are_logged_out_once(real: Real, login: Token) -> None:
    """A refusal is shared as well."""
    real.refuse(login)
    with real.client(login, pool_maxsize=THREADS) as client:
        answers = in_threads(lambda: client.get(real.kind.me, timeout=WAIT).status_code, THREADS)
        assert answers == [401] * THREADS
        assert client.store.load() is None
        assert len(client.logouts) == 1
    assert real.refreshes() == 1


def test_two_programs_make_one_refresh(real: Real, login: Token, tmp_path: Path) -> None:
    """They share a file, find the same expired token at once, and both get their 200."""
    path = tmp_path / "token.json"
    store = FileStore(path)
    store.save(login)
    other = subprocess.Popen(
        [sys.executable, "-m", "tests.support.servers.kinds", real.name, real.url, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert read_line(other) == "ready"
        with requests.Session() as session:
            session.trust_env = False
            real.kind.mount(session, real.url, store)
            step(other)
            assert session.get(real.kind.me, timeout=WAIT).status_code == 200
        assert read_line(other) == "200"
    finally:
        other.kill()
        other.communicate()
    assert real.refreshes() == 1


def test_another_origin_sees_nothing(real: Real, login: Token, server: AuthServer) -> None:
    """Not where the adapter is mounted for all of http, either."""
    with real.client(login) as client:
        client.mount("http://", client.adapter)
        assert client.get(real.kind.me, timeout=WAIT).status_code == 200
        assert client.post(f"{server.url}/public/x", timeout=WAIT).status_code == 200
        secrets = secrets_of(login, load(client))
    assert_nothing_arrived(server, secrets)


def test_a_redirect_to_another_host_takes_nothing_along(
    real: Real, login: Token, server: AuthServer
) -> None:
    """The token belongs to the first hop, before a refresh and after it."""
    to = {"to": f"{server.url}/public/x"}
    with real.client(login) as client:
        client.mount("http://", client.adapter)
        first = client.get(real.kind.away, params=to, timeout=WAIT)
        assert [each.status_code for each in first.history] == [401, 307]
        assert client.get(real.kind.away, params=to, timeout=WAIT).status_code == 200
        secrets = secrets_of(login, load(client))
    assert len(server.requests) == 2
    assert_nothing_arrived(server, secrets)


def assert_nothing_arrived(server: AuthServer, secrets: set[str]) -> None:
    for each in server.requests:
        assert not {"Authorization", "Cookie", "X-CSRF-TOKEN", "X-CSRFToken"} & set(each.headers)
        arrived = f"{each.path} {dict(each.headers)} {each.body!r}"
        assert not [secret for secret in secrets if secret in arrived]


def test_an_anonymous_request_goes_without(real: Real, login: Token) -> None:
    """And its 401 is refreshed by nobody."""
    with real.client(login) as client:
        response = client.get(real.kind.me, auth=anonymous, timeout=WAIT)
        assert response.status_code == 401
        assert not {"Authorization", "Cookie"} & set(response.request.headers)
        assert load(client) == login
    assert real.refreshes() == 0


def test_no_secret_is_shown(real: Real, login: Token, caplog: pytest.LogCaptureFixture) -> None:
    """Neither by the log nor by a repr, whether a refresh works or not."""
    caplog.set_level(logging.DEBUG, "requests_jwt_refresh")
    with real.client(login) as client:
        assert client.get(real.kind.me, timeout=WAIT).status_code == 200
        shown = [load(client), client.adapter, real.kind.endpoint(real.url), client.store]
        if real.kind.refuse:
            real.refuse(load(client))
            with pytest.raises(RefreshRejected) as caught:
                client.adapter.refresh()
            shown += [caught.value, caught.value.cause, caught.value.remedy]
        secrets = secrets_of(login, *client.refreshed)
    text = caplog.text + "".join(f"{each!r} {each}" for each in shown)
    assert caplog.text
    assert not [secret for secret in secrets if secret in text]
