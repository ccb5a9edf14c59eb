"""`requests-jwt run` with a broken set-up, or one that breaks meanwhile: the program goes on."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import Status
from tests.support.programs import (
    CALL,
    COMMAND,
    START,
    Workspace,
    break_toml,
    expire_and_revoke,
    log_out,
    misspell_key,
    open_store_to_others,
    profile_text,
    remove_keyring,
    remove_profiles,
    spoil_store,
    use_impossible_store_path,
    use_profiles_of_unknown_user,
    use_store_of_unknown_user,
    warm_command,
    warm_programs,
    workspace,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")


BROKEN = [
    pytest.param(remove_profiles, "requests-jwt init", id="nothing set up"),
    pytest.param(break_toml, "profiles.toml", id="no TOML"),
    pytest.param(misspell_key, "base_ulr", id="faulty profile"),
    pytest.param(log_out, "requests-jwt login prod", id="not logged in"),
    pytest.param(remove_keyring, "keyring", id="no keyring"),
    pytest.param(open_store_to_others, "chmod 600", id="open to others"),
    pytest.param(spoil_store, "prod.json", id="spoilt store"),
    pytest.param(use_store_of_unknown_user, "no-such-user", id="store of unknown user"),
    pytest.param(use_impossible_store_path, "prod", id="store with no path"),
    pytest.param(use_profiles_of_unknown_user, "no-such-user", id="profiles of unknown user"),
]


@pytest.mark.parametrize(
    "arguments",
    [
        ["module_level.py", "/api/x"],
        ["starts_subprocess.py", "/api/x"],
        ["pool.py", "fork", "/api/x"],
        ["pool.py", "spawn", "/api/x"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("break_it", "result"), BROKEN)
def test_a_broken_set_up(
    break_it: Callable[[Workspace], None], result: str, arguments: list[str], workspace: Workspace
) -> None:
    """The script runs as without us, and one warning says why, for all of its processes."""
    plain = workspace.plain_once(*arguments)
    break_it(workspace)
    with_us = workspace.run(*arguments)
    assert with_us.without_ours() == plain
    assert result in with_us.warning()
    assert workspace.server.counters.refreshes == 0


@pytest.mark.parametrize("break_it", [remove_keyring, open_store_to_others, spoil_store])
def test_own_credentials_and_a_broken_store(
    break_it: Callable[[Workspace], None], workspace: Workspace
) -> None:
    """A script with credentials of its own has nothing to do with the store."""
    plain = workspace.plain_once("basic_auth.py", "/api/x")
    break_it(workspace)
    with_us = workspace.run("basic_auth.py", "/api/x")
    assert with_us.without_ours() == plain
    assert with_us.warning()


def test_an_unknown_profile(workspace: Workspace) -> None:
    """A name that is not there: the script runs, and the warning has the nearest one."""
    plain = workspace.plain_once("module_level.py", "/api/x")
    with_us = workspace.run("module_level.py", "/api/x", name="prdo")
    assert with_us.without_ours() == plain
    assert re.search("'prdo'.*'prod'", with_us.warning(), re.DOTALL)


def test_a_second_profile_that_is_broken(workspace: Workspace) -> None:
    """The first one's tokens are sent all the same, and one warning tells of the other."""
    ended = workspace.run("-c", CALL, name="prod,billing")
    assert (ended.status, ended.output) == (0, "200\n")
    assert "'billing'" in ended.warning()


def test_all_that_is_wrong_is_said_at_once(workspace: Workspace) -> None:
    """Each profile that gives no token, before the program starts, and not again."""
    workspace.store().clear()
    faulty = '[billing]\nbase_url = "http://public.example.com"\n'
    with workspace.profiles.open("a", encoding="utf-8") as file:
        file.write(faulty)
    ended = workspace.run("-c", f"{START}print(requests.get(url).status_code)", name="prod,billing")
    assert ended.output == "401\n"
    result = ended.ours()
    assert len(result) == 4
    assert "'prod' is not logged in" in result[0]
    assert "profile 'billing': base_url" in result[2]


def test_what_run_says_of_one_profile_hides_nothing_of_another(workspace: Workspace) -> None:
    """A store that breaks later is told of, although another profile is not logged in at all."""
    text = workspace.profiles.read_text(encoding="utf-8")
    other = text.replace("prod", "billing").replace(workspace.server.url, "https://b.example.com")
    workspace.profiles.write_text(text + other, encoding="utf-8")
    code = f"{START}os.chmod(sys.argv[1], 0o644)\nprint(requests.get(url).status_code)"
    ended = workspace.run("-c", code, str(workspace.folder / "prod.json"), name="prod,billing")
    assert ended.output == "401\n"
    billing, _, prod, _ = ended.ours()
    assert "'billing' is not logged in" in billing
    assert "profile 'prod': others can read the file" in prod


def test_run_within_run_that_is_not_logged_in(workspace: Workspace) -> None:
    """A fault of the outer `run` does not silence the inner one."""
    workspace.store().clear()
    inner = (COMMAND, "run", "prod", "--", sys.executable, "-c", CALL)
    ended = workspace.command("run", "unknown", "--", *inner)
    assert (ended.status, ended.output) == (0, "401\n")
    assert "requests-jwt login prod" in ended.errors


def test_a_login_while_it_runs(workspace: Workspace) -> None:
    """A login after the warning counts without starting the program anew."""
    workspace.store().clear()
    ended = workspace.run("module_level.py", "/api/x", at_wait=lambda _: workspace.log_in())
    assert ended.output.splitlines()[1:] == ["401", "waiting", "200 200"]
    assert "requests-jwt login prod" in ended.warning()
    assert workspace.server.counters.refreshes == 0


def test_a_login_while_it_runs_with_a_rule(workspace: Workspace) -> None:
    """That holds too if the profile's rule tells an expired token from one that is missing."""
    rule = 'when = {json_field = "message", value = "Invalid JWT"}\n'
    workspace.profiles.write_text(profile_text(workspace) + rule, encoding="utf-8")
    workspace.store().clear()
    ended = workspace.run("module_level.py", "/api/x", at_wait=lambda _: workspace.log_in())
    assert ended.output.splitlines()[1:] == ["401", "waiting", "200 200"]


def test_a_refusal_while_it_runs(workspace: Workspace) -> None:
    """A refused refresh: the server is asked once, and the script gets its 401."""
    ended = workspace.run("module_level.py", "/api/x", at_wait=expire_and_revoke(workspace))
    assert (ended.status, ended.output.splitlines()[1:]) == (0, ["200", "waiting", "401 401"])
    assert "requests-jwt login prod" in ended.errors
    assert ended.without_ours().errors == ""
    assert workspace.server.counters.refreshes == 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_refusal_in_a_pool(method: str, workspace: Workspace) -> None:
    """A refused refresh in several processes: the server is asked once, and all get their 401."""
    ended = workspace.run("pool.py", method, "/api/x", at_wait=expire_and_revoke(workspace))
    assert (ended.status, ended.without_ours().errors) == (0, "")
    assert ended.output.count("401") == 5
    assert workspace.server.counters.refreshes == 1
    assert "requests-jwt login prod" in ended.errors


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["module_level.py"]),
        pytest.param(["pool.py", "fork"]),
        pytest.param(["pool.py", "spawn"]),
    ],
    ids=" ".join,
)
def test_a_refusal_is_said_once(arguments: list[str], workspace: Workspace) -> None:
    """A refused refresh: one warning in each process that met it says how to log in again."""
    ended = workspace.run(*arguments, "/api/x", at_wait=expire_and_revoke(workspace))
    processes = 3 if arguments[0] == "pool.py" else 1
    assert ended.errors.count("requests-jwt login prod") in range(1, processes + 1)
    assert ended.errors.count("refused the refresh token") == 1
    assert ended.without_ours().errors == ""


def test_a_store_that_breaks_while_it_runs(workspace: Workspace) -> None:
    """A store that cannot be read any more: the API's 401, and one warning of the store."""

    def break_it(_program: object) -> None:
        workspace.server.expire()
        Path(workspace.store().path).chmod(0o644)

    ended = workspace.run("module_level.py", "/api/x", at_wait=break_it)
    assert (ended.status, ended.output.splitlines()[1:]) == (0, ["200", "waiting", "401 401"])
    assert "chmod 600" in ended.warning()
    assert workspace.server.counters.refreshes == 0


def test_a_refresh_url_that_is_wrong(workspace: Workspace) -> None:
    """An endpoint that is no endpoint: the script gets its 401, as without us, and one warning."""
    text = profile_text(workspace).replace("/auth/refresh", "/public/nowhere")
    workspace.profiles.write_text(text, encoding="utf-8")
    ended = workspace.run("module_level.py", "/api/x", at_wait=lambda _: workspace.server.expire())
    assert (ended.status, ended.output.splitlines()[1:]) == (0, ["200", "waiting", "401 401"])
    assert ended.without_ours().errors == ""
    assert "refresh endpoint" in ended.warning()


def test_a_refresh_endpoint_that_is_down(workspace: Workspace) -> None:
    """No refresh to be had: the script gets its 401, as without us, and one warning."""
    workspace.server.fail(Status(500), times=None)
    ended = workspace.run("module_level.py", "/api/x", at_wait=lambda _: workspace.server.expire())
    assert (ended.status, ended.output.splitlines()[1:]) == (0, ["200", "waiting", "401 401"])
    assert ended.without_ours().errors == ""
    assert "refresh endpoint" in ended.warning()


def test_a_body_that_can_be_sent_once(workspace: Workspace) -> None:
    """A generator cannot be sent again: the script gets its 401, and what is said is from us."""
    code = (
        "import os, requests, sys\n"
        "url = os.environ['API'] + '/api/x'\n"
        "print('waiting', flush=True); sys.stdin.readline()\n"
        "print(requests.post(url, data=iter([b'x'])).status_code, requests.get(url).status_code)\n"
    )
    ended = workspace.run("-c", code, at_wait=lambda _: workspace.server.expire())
    assert ended.output == "waiting\n401 200\n"
    assert ended.without_ours().errors == ""
