"""Each known server by a profile: a few lines, and the commands do the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
import tomlkit

from requests_jwt_refresh import JWTRefreshAdapter
from requests_jwt_refresh.presets import PRESET_MODULES, load
from tests.support.command_line import User, shows_no_part_of, user
from tests.support.keyrings import DictKeyring, use_keyring
from tests.support.preset_servers import PUBLIC, list_arguments, start_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

WITHOUT_REFRESH = "fastapi-template"  # its only way to a new token is a login
LIVE = {"pocketbase", "vault", "proxmox"}  # whose tokens are traded in while they live
LOGINS = [name for name in PRESET_MODULES if load(name).login]
LOGOUTS = [name for name in LOGINS if load(name).logout.get("url")]
USABLE = [name for name in PRESET_MODULES if name != "bluesky-oauth"]  # which signs each request

each_name = pytest.mark.parametrize("name", USABLE)


@pytest.fixture
def server(name: str) -> Iterator[AuthServer]:
    with start_server(name) as started:
        yield started


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch) -> DictKeyring:
    backend = DictKeyring()
    use_keyring(monkeypatch, backend)
    return backend


@pytest.fixture
def owner(name: str, server: AuthServer, user: User) -> User:
    """A user with a profile for the server, which has what its page says and nothing else."""
    known = load(name)
    refresh: dict[str, Any] = {"preset": name}
    url = known.endpoint.__dataclass_fields__["url"].default  # type: ignore[attr-defined]
    if not (isinstance(url, str) and url.startswith("/")):
        refresh["url"] = server.refresh_url
    refresh |= dict(zip(known.list_needed(), list_arguments(name, server), strict=False))
    if "client_id" in refresh and name not in PUBLIC | {"cognito"}:
        refresh["client_secret_file"] = "secret.txt"
        (user.home / "secret.txt").write_text(str(server.client_secret), encoding="utf-8")
    profile: dict[str, Any] = {
        "base_url": server.url,
        "store": {"kind": "file", "path": "token.json"},
        "refresh": refresh,
    }
    if not known.login.get("url", "/").startswith("/"):
        profile["login"] = {"url": server.login_url}
    if known.logout.get("url"):
        is_below = known.logout["url"].startswith("/")
        profile["logout"] = {} if is_below else {"url": server.logout_url}
    user.file.write_text(tomlkit.dumps({"prod": profile}), encoding="utf-8")
    return user


def get(path: str = "/api/items") -> requests.Response:
    """Return the answer to a request that the profile's adapter sends."""
    with requests.Session() as session:
        adapter = JWTRefreshAdapter.from_profile("prod")
        for prefix in adapter.prefixes():
            session.mount(prefix, adapter)
        return session.get(path)


def is_good(response: requests.Response) -> bool:
    return response.status_code == 200 and response.json().get("user") == "alice"


@each_name
def test_a_token_is_sent_and_refreshed(name: str, owner: User, server: AuthServer) -> None:
    """Where this server wants it, with whatever else it wants; nothing of it is shown."""
    token = owner.save_token(server.login())
    assert is_good(get())
    if name not in LIVE | {WITHOUT_REFRESH}:
        server.expire()
        assert is_good(get())
        assert server.counters.refreshes == 1
        assert owner.stored_token.access != token.access
    result = owner.run("status", "prod")
    assert result.status == 0
    assert shows_no_part_of(token, result)
    assert shows_no_part_of(owner.stored_token, result)
    assert "FAULT" not in owner.run("doctor", "prod").out.replace("FAULT endpoint", "")


@each_name
def test_a_refusal_needs_a_login(name: str, owner: User, server: AuthServer) -> None:
    """Exit status 3, and the store is empty."""
    owner.save_token(server.login())
    server.revoke()
    server.expire()
    result = owner.run("refresh", "prod")
    assert (result.status, "requests-jwt login prod" in result.err) == (3, True), result.err
    assert owner.store.load() is None or name == WITHOUT_REFRESH


@pytest.mark.parametrize("name", LOGINS)
def test_the_documented_login_is_asked(owner: User) -> None:
    """With a user name and a password; a wrong one is refused."""
    result = owner.run("login", "prod", typed="alice\nwrong\n")
    assert result.status == 3, result.err
    result = owner.run("login", "prod", typed="alice\nright\n")
    assert result.status == 0, result.err
    assert "Logged in to prod" in result.out
    assert is_good(get())
    if owner.stored_token.refresh is not None:
        assert owner.run("refresh", "prod").status == 0
        assert is_good(get())


@pytest.mark.parametrize("name", LOGOUTS)
def test_the_documented_logout_is_told(owner: User, server: AuthServer) -> None:
    """And the token is gone."""
    assert owner.run("login", "prod", typed="alice\nright\n").status == 0
    token = owner.stored_token
    result = owner.run("logout", "prod")
    assert (result.status, result.err) == (0, "")
    assert [each.kind for each in server.requests].count("logout") == 1
    assert not server.family_alive(token)
    assert owner.store.load() is None


@pytest.mark.parametrize("name", [WITHOUT_REFRESH, *sorted(LIVE)])
def test_a_remembered_password_takes_over_where_a_refresh_ends(
    owner: User, server: AuthServer, keyring: DictKeyring
) -> None:
    """These have no refresh token: after the end only a login helps."""
    result = owner.run("login", "prod", "--remember", typed="alice\nright\n")
    assert (result.status, len(keyring.entries)) == (0, 1), result.err
    server.expire()
    server.revoke()
    owner.store.save(replace(owner.stored_token, expires_at=0))
    assert is_good(get())
    assert sum(each.kind == "login" for each in server.requests) == 2
