"""The documented login and logout of each preset, against AuthServer as that server."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import MemoryStore, RefreshRejected, mount, presets
from tests.support.preset_servers import make_preset, start_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests

    from requests_jwt_refresh import JWTRefreshAdapter
    from requests_jwt_refresh.testing import AuthServer

LOGINS = [name for name in presets.PRESET_MODULES if presets.load(name).login]
LOGOUTS = [name for name in LOGINS if presets.load(name).logout.get("url")]


@pytest.fixture
def server(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuthServer]:
    """The server, at which the preset's absolute URLs point as well."""
    with start_server(name) as server:
        known = presets.load(name)
        preset = replace(
            known,
            login=move(known.login, server, "login_url"),
            logout=move(known.logout, server, "logout_url"),
        )
        monkeypatch.setattr(sys.modules[preset.endpoint.__module__], "PRESET", preset)
        yield server


def move(documented: Mapping[str, Any], server: AuthServer, name: str) -> dict[str, Any]:
    """Return a documented login or logout with the server's URL in place of an absolute one."""
    is_below = documented.get("url", "/").startswith("/")
    return {**documented, **({} if is_below else {"url": getattr(server, name)})}


@pytest.fixture
def adapter(name: str, server: AuthServer, session: requests.Session) -> JWTRefreshAdapter:
    return mount(session, server.url, make_preset(name, server), MemoryStore())


def is_good(response: Any) -> bool:
    return bool(response.status_code == 200 and response.json().get("user") == "alice")


@pytest.mark.parametrize("name", LOGINS)
def test_the_documented_login_gives_a_token_that_is_taken_and_renewed(
    server: AuthServer, adapter: JWTRefreshAdapter, session: requests.Session
) -> None:
    """With a user name and a password, and nothing else said."""
    adapter.log_in("alice", "right")
    assert is_good(session.get("/api/items"))
    token = adapter.token
    assert token is not None
    if token.refresh is not None:
        server.expire()
        assert is_good(session.get("/api/items"))
        assert server.counters.refreshes == 1


@pytest.mark.parametrize("name", LOGINS)
def test_a_wrong_password_is_refused(adapter: JWTRefreshAdapter) -> None:
    """RefreshRejected; there is no token."""
    with pytest.raises(RefreshRejected, match="refused the user name or the password"):
        adapter.log_in("alice", "wrong")
    assert adapter.token is None


@pytest.mark.parametrize("name", LOGOUTS)
def test_the_documented_logout_ends_the_login_at_the_server(
    server: AuthServer, adapter: JWTRefreshAdapter
) -> None:
    """And here."""
    adapter.log_in("alice", "right")
    token = adapter.token
    assert token is not None
    adapter.log_out()
    assert adapter.token is None
    assert [each.kind for each in server.requests].count("logout") == 1
    assert not server.family_alive(token)
