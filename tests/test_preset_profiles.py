"""Each preset serves its server from a profile as well, and by the command line."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import JWTRefreshAdapter, presets
from requests_jwt_refresh.profiles.load import Profiles
from tests.support.command_line import User, needs_posix, user
from tests.support.preset_servers import list_arguments, make_preset, start_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

NAMES = list(presets.PRESET_MODULES)
WITHOUT_REFRESH = "fastapi-template"
LOGINS = [name for name in NAMES if presets.load(name).login]
LOGOUTS = [name for name in LOGINS if presets.load(name).logout.get("url")]
LIVE = ("pocketbase", "vault", "proxmox")  # only a token that has not expired is renewed


@pytest.fixture
def server(name: str) -> Iterator[AuthServer]:
    with start_server(name) as server:
        yield server


def write_refresh(name: str, server: AuthServer, user: User) -> str:
    """Return the profile's table ``refresh`` for a user of this server."""
    parameters = inspect.signature(presets.load(name).endpoint).parameters
    keys = dict(zip(parameters, list_arguments(name, server), strict=False))
    if keys.pop("client_secret", None):
        (user.home / "secret.txt").write_text(server.client_secret or "", encoding="utf-8")
        keys["client_secret_file"] = "secret.txt"
    default, url = parameters["url"].default, make_preset(name, server).url
    if default != url:
        keys["url"] = url
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join([f'preset = "{name}"', *lines])


def write_tables(name: str, server: AuthServer) -> dict[str, str]:
    """Return the tables of login and logout; the documented paths are the preset's own."""
    preset = presets.load(name)
    tables = {}
    for table, documented, url in (
        ("login", preset.login, "login_url"),
        ("logout", preset.logout, "logout_url"),
    ):
        if documented.get("url", "/").startswith("/"):
            tables[table] = ""
        else:
            tables[table] = f"url = {json.dumps(getattr(server, url))}"
    return {
        table: text
        for table, text in tables.items()
        if text or (table == "logout" and name in LOGOUTS)
    }


def find_commands(name: str) -> list[list[str]]:
    """Return the commands ``requests-jwt`` that the page of a preset shows."""
    page = " ".join((inspect.getdoc(presets.load(name).endpoint) or "").split())
    return [shlex.split(each) for each in re.findall(r"``requests-jwt (.*?)``", page)]


def is_good(response: Any) -> bool:
    return bool(response.status_code == 200 and response.json().get("user") == "alice")


@pytest.mark.parametrize("name", [each for each in NAMES if each != "bluesky-oauth"])
def test_the_commands_of_a_page_are_right(name: str, user: User) -> None:
    """init writes a profile, and login knows what to ask for."""
    (command, *init), *others = find_commands(name)
    assert command == "init"
    result = user.run("init", *init, "--store", "file")
    assert (result.status, result.err) == (0, "")
    profile = Profiles.read(user.file).profile(init[0])
    for command, *arguments in others:
        assert (command, arguments[0]) == ("login", init[0])
        assert arguments[1:] in ([], ["--refresh-token", "-"])
        if arguments == [init[0]]:
            assert profile.login or profile.device


@pytest.mark.parametrize("name", [each for each in NAMES if each != WITHOUT_REFRESH])
def test_an_expired_token_is_replaced_by_one_refresh(
    name: str, server: AuthServer, session: requests.Session, user: User
) -> None:
    """The adapter that a profile describes needs no more than the preset's name and the client."""
    user.describe(server, write_refresh(name, server, user))
    user.save_token(server.login())
    adapter = JWTRefreshAdapter.from_profile("prod", user.file)
    session.mount(f"{server.url}/", adapter)
    assert is_good(session.get("/api/items"))
    if name in LIVE:
        adapter.refresh()
    else:
        server.expire()
    assert is_good(session.post("/api/items", json={}))
    assert server.counters.refreshes == 1


@pytest.mark.parametrize("name", LOGINS)
def test_the_commands_log_in_refresh_and_log_out(name: str, server: AuthServer, user: User) -> None:
    """At the documented places, by the name of the profile."""
    refresh = write_refresh(name, server, user)
    user.describe(server, refresh, **write_tables(name, server))
    assert user.run("login", "prod", typed="alice\nright\n").status == 0
    token = user.stored_token
    if name != WITHOUT_REFRESH:
        assert user.run("refresh", "prod").status == 0
        assert server.counters.refreshes == 1
        token = user.stored_token
    assert user.run("logout", "prod").status == 0
    assert user.store.load() is None
    if name in LOGOUTS:
        assert not server.family_alive(token)


@pytest.mark.parametrize("name", LOGINS)
def test_the_command_refuses_a_wrong_password(name: str, server: AuthServer, user: User) -> None:
    """And keeps nothing."""
    user.describe(server, write_refresh(name, server, user), **write_tables(name, server))
    result = user.run("login", "prod", typed="alice\nwrong\n")
    assert result.status != 0
    assert "refused the user name or the password" in result.err
    assert user.store.load() is None
