"""Accounts, and a token from the environment, in programs: from_profile, `run`, HTTPie."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import JWTRefreshAdapter
from requests_jwt_refresh.profiles.accounts import choose_account, choose_profile
from requests_jwt_refresh.stores.file import FileStore
from tests.support.http_command import Home, home, needs_httpie, warm_command, warm_http
from tests.support.programs import Workspace, warm_programs, workspace

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["home", "warm_command", "warm_http", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

ASK = 'import os, requests; print(requests.get(os.environ["API"] + "/api/x").json()["user"])'
ASK_IN_CHILD = f"""
import subprocess, sys
print("waiting", flush=True)
input()
subprocess.run([sys.executable, "-c", {ASK!r}])
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of the test's own, and no account in the environment."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("REQUESTS_JWT_ACCOUNT", raising=False)


def log_in(workspace: Workspace, account: str) -> None:
    """Save a token for an account of the profile "prod"."""
    token = workspace.server.login(account)
    FileStore(f"{workspace.store().path}@{account}").save(token)


def switch(workspace: Workspace, account: str) -> dict[str, str]:
    """Choose an account of "prod"; return the variables with which a program finds that."""
    choose_account(workspace.profiles, "prod", account)
    import os

    return {"XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}


# --- from_profile --------------------------------------------------------------------------------


def test_from_profile_takes_an_account_and_keeps_it(
    workspace: Workspace, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is switched to meanwhile; without one it is the one of that moment."""
    for account in ("bob", "carol"):
        log_in(workspace, account)
    made = [JWTRefreshAdapter.from_profile("prod", workspace.profiles, account="bob")]
    switch(workspace, "carol")
    made.append(JWTRefreshAdapter.from_profile("prod", workspace.profiles))
    monkeypatch.setenv("REQUESTS_JWT_ACCOUNT", "prod=bob")
    made.append(JWTRefreshAdapter.from_profile(path=workspace.profiles))
    switch(workspace, "default")
    users = []
    for adapter in made:
        for prefix in adapter.prefixes():
            session.mount(prefix, adapter)
        workspace.server.expire()
        users.append(session.get(f"{workspace.server.url}/users").json()["user"])
    assert users == ["bob", "carol", "bob"]


def test_from_profile_needs_no_name_where_that_is_clear(tmp_path: Path) -> None:
    """The only profile, else the one that `switch` has chosen, else an error."""
    file = tmp_path / "p.toml"
    one = '[{}]\nbase_url = "https://{}"\nrefresh = {{preset = "simplejwt"}}\n'
    file.write_text(one.format("a", "a"), encoding="utf-8")
    assert JWTRefreshAdapter.from_profile(path=file).base_url == "https://a/"
    file.write_text(one.format("a", "a") + one.format("b", "b"), encoding="utf-8")
    choose_profile(file, "b")
    assert JWTRefreshAdapter.from_profile(path=file).base_url == "https://b/"


# --- run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "prod", "--account", "bob", "--", sys.executable),
        ("run", "--account", "bob", "prod", sys.executable),
        ("run", "--account=bob", "--", sys.executable),
        ("run", "prod", "--account=bob", sys.executable),
    ],
)
def test_run_takes_an_account(workspace: Workspace, arguments: tuple[str, ...]) -> None:
    """Before the name or after it; what follows is the program's own."""
    log_in(workspace, "bob")
    done = workspace.command(*arguments, "-c", ASK)
    assert (done.status, done.output, done.errors) == (0, "bob\n", "")


def test_an_account_option_of_the_program_is_its_own(workspace: Workspace) -> None:
    """It is ours only directly beside the name."""
    code = "import sys; print(sys.argv[1:])"
    done = workspace.run("-c", code, "--account", "x")
    assert (done.output, done.ours()) == ("['--account', 'x']\n", [])


def test_a_program_keeps_the_account_it_began_with(workspace: Workspace) -> None:
    """With all that it starts later, when another one has been switched to."""
    for account in ("bob", "carol"):
        log_in(workspace, account)
    variables = switch(workspace, "bob")

    def switch_meanwhile(_program: object) -> None:
        switch(workspace, "carol")

    done = workspace.run("-c", ASK_IN_CHILD, at_wait=switch_meanwhile, **variables)
    assert (done.output, done.ours()) == ("waiting\nbob\n", [])
    done = workspace.run("-c", ASK, **variables)
    assert (done.output, done.ours()) == ("carol\n", [])


def test_run_says_which_account_is_not_logged_in(workspace: Workspace) -> None:
    """Once, with the command that logs it in."""
    done = workspace.command("run", "prod", "--account", "bob", sys.executable, "-c", "print(1)")
    assert (done.status, done.output) == (0, "1\n")
    assert done.warning() == (
        "requests-jwt: profile 'prod' is not logged in as bob\n"
        "requests-jwt: log in with: requests-jwt login prod --account bob"
    )


def test_run_sends_a_token_from_the_environment(workspace: Workspace) -> None:
    """Refused, it is the 401 that the program would have had; nothing is said of a login."""
    access = str(workspace.server.login("ci").access)
    ask = ASK.replace('.json()["user"]', "")
    variables = {"REQUESTS_JWT_TOKEN_PROD": access}
    assert workspace.run("-c", ASK, **variables).output == "ci\n"
    workspace.server.expire()
    done = workspace.run("-c", ask, **variables)
    assert (done.output, done.errors) == ("<Response [401]>\n", "")
    assert workspace.server.counters.refreshes == 0


# --- HTTPie --------------------------------------------------------------------------------------


@needs_httpie
def test_httpie_takes_an_account(home: Home, server: AuthServer) -> None:
    """By the environment, or beside the name of the profile."""
    home.profile("prod", server.url)
    home.log_in("prod", server)
    FileStore(f"{home.stores['prod'].path}@bob").save(server.login("bob"))
    url = f"{server.url}/users"
    assert home.http(url).answer["user"] == "prod"
    done = home.http("--auth-type=requests-jwt", "--auth=prod:bob", url)
    assert (done.answer["user"], done.err) == ("bob", "")
    home.environment["REQUESTS_JWT_ACCOUNT"] = "bob"
    assert home.http(url).answer["user"] == "bob"


@needs_httpie
def test_httpie_sends_a_token_from_the_environment(home: Home, server: AuthServer) -> None:
    """Before the one that is stored."""
    home.profile("prod", server.url)
    home.log_in("prod", server)
    home.environment["REQUESTS_JWT_TOKEN_PROD"] = str(server.login("ci").access)
    assert home.http(f"{server.url}/users").answer["user"] == "ci"


@needs_httpie
def test_httpie_says_which_account_is_not_logged_in(home: Home, server: AuthServer) -> None:
    """As `run` does, with the command that logs it in."""
    home.profile("prod", server.url)
    home.log_in("prod", server)
    done = home.http("--auth-type=requests-jwt", "--auth=prod:robto", f"{server.url}/users")
    assert done.err.splitlines() == [
        "requests-jwt: profile 'prod' is not logged in as robto",
        "requests-jwt: log in with: requests-jwt login prod --account robto",
    ]
