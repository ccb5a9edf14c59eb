"""`import requests_jwt_refresh.auto`: one line, and the sessions of one process send tokens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import AuthServer
from tests.support.programs import (
    ADAPTER,
    ProgramResult,
    Workspace,
    break_toml,
    expire_and_revoke,
    log_out,
    misspell_key,
    open_store_to_others,
    profile_text,
    remove_profiles,
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

AUTO = "import requests_jwt_refresh.auto\n"
PLAIN = """\
import os, requests, sys

def call(url=os.environ["API"], get=requests.get):
    answer = get(url + "/api/x", timeout=60)
    print(answer.status_code, answer.json().get("user"))

def wait():
    print("waiting", flush=True)
    sys.stdin.readline()
"""


def code(*lines: str, auto: str = AUTO) -> str:
    return PLAIN + auto + "\n".join(lines)


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
def test_every_session(early: bool, workspace: Workspace) -> None:
    """All sessions of the process send the token and refresh, whatever was imported first."""
    text = code("call()", "wait()", "call()", "call(get=requests.Session().get)")
    text = AUTO + text.replace(AUTO, "") if early else text
    ended = workspace.plain("-c", text, at_wait=lambda _: workspace.server.expire())
    assert ended == ProgramResult(0, "200 prod\nwaiting\n200 prod\n200 prod\n", "")
    counters = workspace.server.counters
    assert (counters.refreshes, counters.reuse) == (1, 0)


def test_sessions_made_before(workspace: Workspace) -> None:
    """A session that was made before the import sends the token, too."""
    text = "import requests\nsession = requests.Session()\n" + code("call(get=session.get)")
    assert workspace.plain_code(text) == ProgramResult(0, "200 prod\n", "")


@pytest.mark.parametrize(
    ("script", "expiries"),
    [
        ("module_level.py", 1),
        ("with_session.py", 3),
        ("own_adapter.py", 1),
        ("stale_bearer.py", 1),
        ("basic_auth.py", 0),
        ("pickles_session.py", 1),
        ("threads.py", 1),
    ],
)
def test_a_script(script: str, expiries: int, workspace: Workspace) -> None:
    """The effect on a script is that of `run`: what it prints is the same, one refresh each."""
    line = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], {}, '__main__')"
    plain = workspace.plain_code(line, script, "/public/x")
    assert plain.status == 0
    ended = workspace.plain_code(
        AUTO + line, script, "/api/x", at_wait=lambda _: workspace.server.expire()
    )
    assert ended.masked() == plain
    assert (workspace.server.counters.refreshes, workspace.server.counters.reuse) == (expiries, 0)


def test_a_forked_pool(workspace: Workspace) -> None:
    """Forked children go on with it, and one expiry is one refresh for all of them."""
    line = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], {}, '__main__')"
    ended = workspace.plain(
        *("-c", AUTO + line, "pool.py", "fork", "/api/x"),
        at_wait=lambda _: workspace.server.expire(),
    )
    assert (ended.status, ended.errors) == (0, "")
    assert "401" not in ended.output
    assert (workspace.server.counters.refreshes, workspace.server.counters.reuse) == (1, 0)


FORK = """\
import signal, threading
from requests_jwt_refresh.inject import forks
from requests_jwt_refresh.profiles.load import Profiles
read = Profiles.read
forks.FORK_WAIT = 0.1
reading, go_on = threading.Event(), threading.Event()

def slowly():
    reading.set()
    go_on.wait(60)
    return read()

Profiles.read = slowly
other = threading.Thread(target=call)
other.start()
reading.wait(60)
child = os.fork()
if not child:
    signal.alarm(10)
    Profiles.read = read
    call()
    sys.stdout.flush()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
go_on.set()
other.join()
"""


def test_a_fork_while_profiles_are_read(workspace: Workspace) -> None:
    """A fork does not wait for another thread for ever: the child reads the profiles itself."""
    warns = ("-W", "ignore::DeprecationWarning")  # of fork with threads, since 3.12
    assert workspace.plain(*warns, "-c", code(FORK)) == ProgramResult(
        0, "200 prod\n0\n200 prod\n", ""
    )


# --- Which profiles ------------------------------------------------------------------------------


def two_profiles(workspace: Workspace, billing: AuthServer) -> str:
    workspace.log_in("billing", billing)
    return f"{profile_text(workspace)}\n{profile_text(workspace, 'billing', billing)}"


def test_all_profiles_of_the_file(workspace: Workspace) -> None:
    """Without a variable all profiles count, each for its own origin."""
    with AuthServer() as billing:
        workspace.profiles.write_text(two_profiles(workspace, billing), encoding="utf-8")
        ended = workspace.plain_code(code("call()", f"call({billing.url!r})"))
        assert ended == ProgramResult(0, "200 prod\n200 billing\n", "")


@pytest.mark.parametrize("names", ["billing", " billing ,"])
def test_some_profiles_of_the_file(names: str, workspace: Workspace) -> None:
    """REQUESTS_JWT_PROFILE says which count; the others' tokens stay at home."""
    with AuthServer() as billing:
        workspace.profiles.write_text(two_profiles(workspace, billing), encoding="utf-8")
        text = code("call()", f"call({billing.url!r})")
        ended = workspace.plain_code(text, REQUESTS_JWT_PROFILE=names)
        assert ended == ProgramResult(0, "401 None\n200 billing\n", "")
        assert {each.bearer for each in workspace.server.requests} == {None}


def test_profiles_in_a_variable(workspace: Workspace) -> None:
    """REQUESTS_JWT_PROFILES_TOML goes before any file."""
    text = profile_text(workspace).replace('"prod.json"', f'"{workspace.folder}/prod.json"')
    workspace.profiles.write_text("no TOML", encoding="utf-8")
    ended = workspace.plain_code(code("call()"), REQUESTS_JWT_PROFILES_TOML=text)
    assert ended == ProgramResult(0, "200 prod\n", "")


def test_the_users_own_file(workspace: Workspace) -> None:
    """Without a variable that names it, the file is the one in the user's configuration."""
    del workspace.environment["REQUESTS_JWT_PROFILES"]
    folder = workspace.folder / "config" / "requests-jwt-refresh"
    folder.mkdir(parents=True)
    text = profile_text(workspace).replace('"prod.json"', f'"{workspace.folder}/prod.json"')
    (folder / "profiles.toml").write_text(text, encoding="utf-8")
    assert workspace.plain_code(code("call()")) == ProgramResult(0, "200 prod\n", "")


def test_another_folder(workspace: Workspace) -> None:
    """A relative path means the folder that the program was started in."""
    text = code("os.chdir('/')", "call()")
    ended = workspace.plain(
        "-c", text, folder=workspace.folder, REQUESTS_JWT_PROFILES="profiles.toml"
    )
    assert ended == ProgramResult(0, "200 prod\n", "")


def test_no_token_for_others(workspace: Workspace) -> None:
    """Other servers get no token, redirected to or asked by themselves."""
    with AuthServer() as third:
        to = f"{third.url}/public/x"
        lines = (f"call({third.url!r})", f"call(os.environ['API'] + '/redirect?to={to}&a=')")
        assert workspace.plain_code(code(*lines)) == ProgramResult(0, "401 None\n200 None\n", "")
        assert {each.headers.get("Authorization") for each in third.requests} == {None}


# --- A broken set-up -----------------------------------------------------------------------------


def misspell_profile(workspace: Workspace) -> None:
    workspace.environment["REQUESTS_JWT_PROFILE"] = "prdo"


BROKEN = [
    pytest.param(remove_profiles, "requests-jwt init", id="nothing set up"),
    pytest.param(break_toml, "TOML", id="no TOML"),
    pytest.param(misspell_key, "base_ulr", id="faulty profile"),
    pytest.param(misspell_profile, "did you mean 'prod'", id="unknown profile"),
    pytest.param(log_out, "requests-jwt login prod", id="not logged in"),
    pytest.param(open_store_to_others, "chmod 600", id="open to others"),
    pytest.param(use_store_of_unknown_user, "requests-jwt", id="store of unknown user"),
    pytest.param(use_impossible_store_path, "requests-jwt", id="store with no path"),
    pytest.param(use_profiles_of_unknown_user, "requests-jwt", id="profiles of unknown user"),
]


@pytest.mark.parametrize(("break_it", "result"), BROKEN)
def test_a_broken_set_up(
    break_it: Callable[[Workspace], None], result: str, workspace: Workspace
) -> None:
    """The program works as without the line, and one warning says what is wrong."""
    lines = ("call()", "call()", "call(get=requests.Session().get)")
    plain = workspace.plain_once("-c", code(*lines, auto=""))
    break_it(workspace)
    ended = workspace.plain_code(code(*lines))
    assert ended.without_ours() == plain
    assert result in ended.warning()


@pytest.mark.parametrize(
    "break_it", [open_store_to_others, pytest.param(use_impossible_store_path)]
)
def test_own_credentials_and_a_broken_store(
    break_it: Callable[[Workspace], None], workspace: Workspace
) -> None:
    """A request with credentials of its own has nothing to do with the store."""
    break_it(workspace)
    line = "print(requests.get(os.environ['API'] + '/api/x', auth=('a', 'b')).status_code)"
    ended = workspace.plain_code(code(line))
    assert (ended.status, ended.output) == (0, "401\n")


def test_the_others_of_a_broken_file(workspace: Workspace) -> None:
    """Other profiles work, whatever the fault of one is."""
    faulty = profile_text(workspace, "faulty").replace('"faulty.json"', '"~no-such-user/x"')
    workspace.profiles.write_text(f"{faulty}\n{profile_text(workspace)}", encoding="utf-8")
    ended = workspace.plain_code(code("call()"))
    assert (ended.status, ended.output) == (0, "200 prod\n")
    assert "faulty" in ended.warning()


def run_refused(workspace: Workspace) -> ProgramResult:
    text = code("call()", "wait()", "call()", "call()")
    return workspace.plain_code(text, at_wait=expire_and_revoke(workspace))


def test_a_refusal(workspace: Workspace) -> None:
    """A refused refresh: the API's 401, and how to log in again."""
    ended = run_refused(workspace)
    assert (ended.status, ended.output) == (0, "200 prod\nwaiting\n401 None\n401 None\n")
    assert "requests-jwt login prod" in ended.errors


def test_a_refusal_is_said_once(workspace: Workspace) -> None:
    """A refused refresh is one warning."""
    assert "requests-jwt login prod" in run_refused(workspace).warning()


# --- Together with others ------------------------------------------------------------------------

MOUNTING = {
    "mount": "adapter = mount(session, *arguments)",
    "session.mount": "adapter = JWTRefreshAdapter(*arguments); session.mount('http://', adapter)",
}


def test_twice(workspace: Workspace) -> None:
    """A second import, even after a reload, changes nothing."""
    lines = (
        "before = requests.Session.get_adapter",
        "import importlib",
        "importlib.reload(requests_jwt_refresh.auto)",
        "import requests_jwt_refresh.auto",
        "print(requests.Session.get_adapter is before)",
        "call()",
    )
    ended = workspace.plain_code(code(*lines))
    assert ended == ProgramResult(0, "True\n200 prod\n", "")
    assert workspace.server.counters.requests == 1


def test_under_run(workspace: Workspace) -> None:
    """The line in a program that `run` starts: one token, one refresh."""
    ended = workspace.run(
        *("-c", code("call()", "wait()", "call()")), at_wait=lambda _: workspace.server.expire()
    )
    assert ended == ProgramResult(0, "200 prod\nwaiting\n200 prod\n", "")
    assert [each.kind for each in workspace.server.requests] == ["api", "api", "refresh", "api"]


@pytest.mark.parametrize("mounting", ["mount", "session.mount"])
def test_a_session_with_an_adapter_of_ours(mounting: str, workspace: Workspace) -> None:
    """A JWTRefreshAdapter that was mounted by hand goes on with its own token."""
    workspace.log_in("mine")
    lines = (
        "from requests_jwt_refresh import FileStore, JSONEndpoint, JWTRefreshAdapter, mount",
        f"session, store = requests.Session(), FileStore({str(workspace.folder / 'mine.json')!r})",
        "arguments = (os.environ['API'], JSONEndpoint('/auth/refresh'), store)",
        MOUNTING[mounting],
        "print(session.get_adapter(os.environ['API'] + '/') is adapter)",
        "call(get=session.get)",
        "wait()",
        "call(get=session.get)",
        "call()",
    )
    ended = workspace.plain_code(code(*lines), at_wait=lambda _: workspace.server.expire())
    assert ended == ProgramResult(0, "True\n200 mine\nwaiting\n200 mine\n200 prod\n", "")
    assert workspace.server.counters.refreshes == 2


def test_the_adapter_is_the_sessions_own(workspace: Workspace) -> None:
    """isinstance and attributes are those of the session's own adapter."""
    lines = (
        "found = session.get_adapter(url)",
        "found.label = 1",
        "print(isinstance(found, Own), own.label, session.get(url).status_code)",
    )
    assert workspace.plain_code(AUTO + ADAPTER + "\n".join(lines)) == ProgramResult(
        0, "True 1 200\n", ""
    )
