"""`requests-jwt run` with a broken set-up, or one that breaks meanwhile: the program goes on."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import Status
from tests.support.programs import (
    CALL,
    COMMAND,
    START,
    ProgramResult,
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


@pytest.mark.parametrize(("break_it", "result"), BROKEN)
def test_a_broken_set_up(
    break_it: Callable[[Workspace], None], result: str, workspace: Workspace
) -> None:
    """The script runs as without us, and one warning says why, for all of its processes."""
    check_broken(workspace, break_it, result, "starts_subprocess.py", "/api/x")


@pytest.mark.parametrize(
    "arguments",
    [
        ["module_level.py", "/api/x"],
        ["pool.py", "fork", "/api/x"],
        ["pool.py", "spawn", "/api/x"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("break_it", "result"), [BROKEN[2], BROKEN[4]])
def test_a_broken_set_up_in_other_scripts(
    break_it: Callable[[Workspace], None], result: str, arguments: list[str], workspace: Workspace
) -> None:
    """A profile and a store that cannot be used, as they meet each kind of process."""
    check_broken(workspace, break_it, result, *arguments)


def check_broken(
    workspace: Workspace, break_it: Callable[[Workspace], None], result: str, *arguments: str
) -> None:
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


@pytest.mark.parametrize("names", ["prdo", "prod,prdo"])
def test_an_unknown_profile(names: str, workspace: Workspace) -> None:
    """A misspelt name is a mistake in the command, as everywhere: nothing is started."""
    ended = workspace.run("-c", "print(1)", name=names)
    assert (ended.status, ended.output) == (2, "")
    assert re.search("'prdo'.*'prod'", ended.warning(), re.DOTALL)


def test_a_second_profile_that_is_broken(workspace: Workspace) -> None:
    """The first one's tokens are sent all the same, and one warning tells of the other."""
    with workspace.profiles.open("a", encoding="utf-8") as file:
        file.write("[billing]\n")
    ended = workspace.run("-c", CALL, name="prod,billing")
    assert (ended.status, ended.output) == (0, "200\n")
    assert "'billing'" in ended.warning()


def test_no_name_with_one_profile(workspace: Workspace) -> None:
    """The only profile need not be named."""
    ended = workspace.command("run", "--", sys.executable, "-c", CALL)
    assert ended == ProgramResult(0, "200\n", "")


def test_no_name_with_two_profiles(workspace: Workspace) -> None:
    """Of several one must be named: nothing is started."""
    with workspace.profiles.open("a", encoding="utf-8") as file:
        file.write(profile_text(workspace, "billing"))
    ended = workspace.command("run", "--", sys.executable, "-c", "print(1)")
    assert (ended.status, ended.output) == (2, "")
    assert re.search("none was named.*prod.*billing", ended.warning(), re.DOTALL)


def test_no_name_with_no_profiles(workspace: Workspace) -> None:
    """Without a file of profiles the program runs, and one warning says so."""
    workspace.profiles.unlink()
    ended = workspace.command("run", "--", sys.executable, "-c", CALL)
    assert (ended.status, ended.output) == (0, "401\n")
    assert "there is no such file" in ended.warning()


NAMELESS = """
import pwd

def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")

pwd.getpwuid = getpwuid
"""


@pytest.mark.parametrize("home", [{"HOME": ""}, {}], ids=["empty", "not set"])
def test_no_home(home: dict[str, str], workspace: Workspace) -> None:
    """A user without a home and a name: the program runs, and one warning says why."""
    (workspace.folder / "sitecustomize.py").write_text(NAMELESS, encoding="utf-8")
    for name in ("HOME", "XDG_CONFIG_HOME", "REQUESTS_JWT_PROFILES"):
        del workspace.environment[name]
    workspace.environment.update(home, PYTHONPATH=str(workspace.folder))
    command = (COMMAND, "run", "prod", "--", sys.executable, "-c", CALL)
    ended = workspace.start(command, folder=workspace.folder)
    assert (ended.status, ended.output, ended.without_ours().errors) == (0, "401\n", "")
    assert "HOME" in ended.warning()
    assert not (workspace.folder / "~").exists()


@pytest.mark.parametrize("error", ["RuntimeError('x')", "OSError(5, 'x')", "ImportError('x')"])
def test_whatever_the_look_for_profiles_raises(error: str, workspace: Workspace) -> None:
    """The program runs, and one warning says so."""
    del workspace.environment["REQUESTS_JWT_PROFILES"]
    code = (
        "import sys\nimport requests_jwt_refresh.profiles.load as load\n"
        f"def default_path(): raise {error}\n"
        "load.default_path = default_path\n"
        "from requests_jwt_refresh.cli.main import main\nsys.exit(main())"
    )
    command = (sys.executable, "-c", code, "run", "prod", "--", "echo", "hi")
    ended = workspace.start(command)
    assert (ended.status, ended.output) == (0, "hi\n")
    assert "the profiles cannot be read" in ended.warning()


def run_with_pipe(workspace: Workspace, text: str, name: str = "prod") -> ProgramResult:
    """Run a program with profiles that come through a pipe."""
    code = f"{CALL}; print(sorted(os.environ.items()))"
    script = 'REQUESTS_JWT_PROFILES=<(cat "$0") exec "$@"'
    (workspace.folder / "text").write_text(text, encoding="utf-8")
    command = (COMMAND, "run", name, "--", sys.executable, "-c", code)
    return workspace.start(("bash", "-c", script, str(workspace.folder / "text"), *command))


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed here")


@needs_bash
def test_profiles_that_can_be_read_once(workspace: Workspace) -> None:
    """What `run` has read of a pipe, the program gets."""
    text = profile_text(workspace).replace('"prod.json"', f'"{workspace.folder}/prod.json"')
    ended = run_with_pipe(workspace, text)
    assert (ended.status, ended.output.splitlines()[0], ended.errors) == (0, "200", "")


@needs_bash
def test_no_secret_of_profiles_that_can_be_read_once(workspace: Workspace) -> None:
    """A faulty profile, which may hold a secret, and others than those named are not handed on."""
    text = profile_text(workspace).replace('"prod.json"', f'"{workspace.folder}/prod.json"')
    other = '[other]\nbase_url = "https://other.example.com"\n'
    faulty = '[billing]\nbase_url = "https://b.example.com"\npassword = "swordfish"\n'
    ended = run_with_pipe(workspace, f"{text}\n{other}{faulty}", "prod,billing")
    assert (ended.status, ended.output.splitlines()[0]) == (0, "200")
    assert "'billing': password looks like a secret" in ended.warning()
    assert "swordfish" not in ended.output
    assert "other.example.com" not in ended.output


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
    with workspace.profiles.open("a", encoding="utf-8") as file:
        file.write("[faulty]\n")
    inner = (COMMAND, "run", "prod", "--", sys.executable, "-c", CALL)
    ended = workspace.command("run", "faulty", "--", *inner)
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
