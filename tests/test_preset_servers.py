"""Each known server, played by AuthServer, is served by one line: mount() with its preset.

What exactly is sent and understood is in tests/test_presets_recorded.py.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    JWTRefreshAdapter,
    MemoryStore,
    PasswordLogin,
    RefreshUnavailable,
    mount,
)
from requests_jwt_refresh.presets import PRESET_MODULES
from requests_jwt_refresh.testing import AuthServer
from tests.support.clock import no_backoff
from tests.support.crowd import Crowd
from tests.support.preset_servers import make_preset, start_server
from tests.support.waits import finish_background

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh import RefreshRejected
    from tests.support.clock import Clock

__all__ = ["no_backoff"]  # a fixture

pytestmark = pytest.mark.usefixtures("clock", "no_backoff")

WITHOUT_REFRESH = "fastapi-template"  # its only way to a new token is a login
ASKS_FOR_NONCE = "bluesky-oauth"  # with a refusal of its own, where the API was not asked first
THREADS = 4
ALMOST = 30.0  # seconds before its end, when a token that must be live is renewed
USER_DATA = "/api/items"

each_name = pytest.mark.parametrize("name", PRESET_MODULES)


@dataclass
class Mounted:
    """A user of a server, with a login in a store."""

    server: AuthServer
    session: requests.Session
    endpoint: Any
    adapter: JWTRefreshAdapter
    store: MemoryStore
    lost: list[RefreshRejected]
    clock: Clock

    @property
    def is_live(self) -> bool:
        """Whether the access token must be traded in before its end."""
        return bool(self.endpoint.needs_live_token)

    def let_expire(self) -> None:
        """Let the token end, or come near its end where it must not have ended."""
        if self.is_live:
            self.clock.advance(self.server.lifetime - ALMOST)
        else:
            self.server.expire()

    def get(self, path: str = USER_DATA) -> requests.Response:
        return self.session.get(self.server.url + path)

    @property
    def exchanges(self) -> int:
        """How often the token server was asked for tokens, also in the background."""
        finish_background()
        return sum(each.kind in ("refresh", "login") for each in self.server.requests)


@pytest.fixture
def user(name: str, session: requests.Session, clock: Clock) -> Iterator[Mounted]:
    with start_server(name) as server, mount_user(name, server, session, clock) as mounted:
        yield mounted


@contextmanager
def mount_user(
    name: str, server: AuthServer, session: requests.Session, clock: Clock
) -> Iterator[Mounted]:
    lost: list[RefreshRejected] = []
    store = MemoryStore()
    options = make_options(name, server)
    endpoint = make_preset(name, server)
    adapter = mount(session, server.url, endpoint, store, on_logout=lost.append, **options)
    adapter.set_token(replace(server.login(), expires_at=clock.time() + server.lifetime))
    yield Mounted(server, session, endpoint, adapter, store, lost, clock)


def make_options(name: str, server: AuthServer) -> dict[str, Any]:
    if name == WITHOUT_REFRESH:
        return {
            "login": PasswordLogin(server.login_url, "alice", lambda: PASSWORDS[-1], send="form")
        }
    return {}


PASSWORDS = ["right"]


def is_good(response: requests.Response) -> bool:
    """Whether it is the API's echo, and no error that comes with 200."""
    return response.status_code == 200 and response.json().get("user") == "alice"


@each_name
def test_an_expired_token_is_replaced_by_one_refresh(user: Mounted) -> None:
    """The caller sees the good answer alone."""
    assert is_good(user.get())
    assert user.exchanges == 0
    first = user.adapter.token
    user.let_expire()
    assert is_good(user.get())
    assert user.exchanges == 1
    assert user.store.load() == user.adapter.token
    assert user.is_live or user.adapter.token != first
    assert is_good(user.get())
    assert user.exchanges == 1
    assert user.lost == []


@each_name
def test_what_changes_something_is_resent_as_well(user: Mounted) -> None:
    """With the new token, and whatever goes with it against forgery."""
    user.let_expire()
    response = user.session.post(user.server.url + USER_DATA, json={"name": "new"})
    assert is_good(response)
    assert response.json()["method"] == "POST"
    assert user.exchanges == 1


@each_name
def test_the_next_token_is_replaced_as_well(user: Mounted) -> None:
    """Nothing that a refresh needs is lost with the first one."""
    for number in (1, 2, 3):
        user.let_expire()
        assert is_good(user.get())
        assert user.exchanges == number


@each_name
def test_threads_share_one_refresh(user: Mounted) -> None:
    """All of them are answered."""
    user.let_expire()
    crowd = Crowd(THREADS, lambda _: user.get())
    assert all(isinstance(each, requests.Response) and is_good(each) for each in crowd.outcomes())
    assert user.exchanges == 1


@each_name
def test_a_refusal_is_a_logout(name: str, user: Mounted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; the caller gets the API's own answer, and the store is empty."""
    if name == WITHOUT_REFRESH:
        monkeypatch.setattr("tests.test_preset_servers.PASSWORDS", ["wrong"])
    user.server.revoke()
    user.server.expire()
    user.clock.advance(2 * user.server.lifetime)
    responses = [user.get() for _ in range(2)]
    assert not any(map(is_good, responses))
    assert responses[0].status_code == user.server.expired.status
    assert user.store.load() is None
    assert user.adapter.token is None
    assert len(user.lost) == 1
    assert user.exchanges == (2 if name == ASKS_FOR_NONCE else 1)


@each_name
def test_throttling_keeps_the_tokens(user: Mounted) -> None:
    """ "Not so often" is no refusal, in whatever words; later the refresh succeeds."""
    user.server.fail(user.server.throttled, on=lambda path: path != USER_DATA, times=None)
    user.server.expire()
    user.clock.advance(2 * user.server.lifetime)
    before = user.store.load()
    with pytest.raises(RefreshUnavailable):
        user.get()
    assert user.store.load() == before
    assert user.lost == []
    user.server.clear_faults()
    if user.is_live:
        return
    user.clock.advance(3600)
    assert is_good(user.get())


@each_name
def test_another_origin_sees_nothing(user: Mounted) -> None:
    """Neither the token, nor a cookie, nor what else API requests carry."""
    with AuthServer() as other:
        user.session.mount("http://", user.adapter)
        user.session.get(f"{other.url}/public/x")
        user.session.get(f"{user.server.url}/redirect", params={"to": f"{other.url}/public/y"})
        (plain, *_) = [dict(each.headers) for each in other.requests]
    given = user.server.login()
    seen = " ".join(f"{name}: {value}" for name, value in plain.items()).lower()
    assert "authorization" not in seen
    assert "cookie" not in seen
    token = user.adapter.token
    assert token is not None
    for secret in (token.access, token.refresh, given.access, user.server.api_key):
        assert secret is None or secret.lower() not in seen
