"""The documented logins and logouts of presets, against the real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from requests_jwt_refresh import JWTRefreshAdapter, MemoryStore, PasswordLogin, RefreshRejected
from tests.support.servers.kinds import ACCOUNT, KINDS, Kind
from tests.support.servers.shared import real_servers
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from tests.support.servers import Server

__all__ = ["real_servers"]  # a fixture

REVOKING = [
    "simplejwt",
    "dj-rest-auth",
    "dj-rest-auth, access in the header",
    "flask-jwt-extended",
]
"""Their logout ends the refresh token at the server, too."""
NAMES = [*REVOKING, "djoser", "flask-jwt-extended-cookies"]
USERNAME, PASSWORD = ACCOUNT["username"], ACCOUNT["password"]


class User(NamedTuple):
    """A user of a real server, who has not logged in yet."""

    kind: Kind
    url: str
    session: requests.Session
    store: MemoryStore

    def mount(self, **options: object) -> JWTRefreshAdapter:
        adapter: JWTRefreshAdapter = self.kind.mount(self.session, self.url, self.store, **options)
        return adapter

    def post(self) -> int:
        return self.session.post(self.kind.me, json={"a": "b"}, timeout=WAIT).status_code


@pytest.fixture
def user(
    request: pytest.FixtureRequest,
    real_servers: Callable[[str], Server],
    session: requests.Session,
) -> User:
    kind = KINDS[request.param]
    return User(kind, real_servers(kind.app).url + kind.base, session, MemoryStore())


def each(names: list[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("user", names, indirect=True)


@each(NAMES)
def test_a_login_a_refresh_and_a_logout(user: User) -> None:
    """By user name and password alone: all else is the preset's."""
    adapter = user.mount()
    token = adapter.log_in(USERNAME, PASSWORD)
    assert user.store.load() == token
    assert token.refresh
    assert user.post() == 200
    assert adapter.refresh().access != token.access
    assert user.post() == 200
    adapter.log_out()
    assert user.store.load() is None
    assert user.post() in {401, 403}


@each(REVOKING)
def test_a_logout_ends_the_refresh_token(user: User) -> None:
    """The server knows of it: a copy of the token is refused."""
    adapter = user.mount()
    copied = adapter.log_in(USERNAME, PASSWORD)
    adapter.log_out()
    adapter.set_token(copied)
    with pytest.raises(RefreshRejected):
        adapter.refresh()


@each(NAMES)
def test_a_wrong_password_is_refused(user: User) -> None:
    """Nothing is stored, and neither text nor repr has the password."""
    adapter = user.mount()
    with pytest.raises(RefreshRejected, match="user name or the password") as caught:
        adapter.log_in(USERNAME, "wr0ng-secret")
    assert "wr0ng-secret" not in f"{caught.value}{caught.value!r}"
    assert user.store.load() is None


@each(NAMES)
def test_a_password_login_logs_in_where_there_is_no_token(user: User) -> None:
    """And again after a refusal; the caller sees a 200 each time."""
    adapter = user.mount(login=PasswordLogin(None, USERNAME, PASSWORD))
    assert user.post() == 200
    first = user.store.load()
    assert first is not None
    expired = user.kind.log_in(user.url)
    assert user.kind.refuse is not None
    user.kind.refuse(user.url, expired)
    adapter.set_token(expired)
    assert user.post() == 200
    second = user.store.load()
    assert second is not None
    assert second.access not in {first.access, expired.access}
