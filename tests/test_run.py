"""`requests-jwt run`: a program runs as it would without us, and its calls go through.

What is run are the scripts of tests/legacy_scripts, plainly against a path that needs no token and
with `run` against one that does.
"""

from __future__ import annotations

import sys

import pytest

from requests_jwt_refresh.testing import AuthServer
from tests.support.programs import (
    CALL,
    COMMAND,
    SCRIPTS,
    START,
    ProgramResult,
    Workspace,
    profile_text,
    warm_command,
    warm_programs,
    workspace,
)

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")


@pytest.mark.parametrize(
    ("arguments", "expiries", "status"),
    [
        (["module_level.py", "/api/x", "--two words", "", "\udcff"], 1, 0),
        (["with_session.py", "/api/x"], 3, 0),
        (["own_adapter.py", "/api/x"], 1, 0),
        (["stale_bearer.py", "/api/x"], 1, 0),
        (["basic_auth.py", "/api/x"], 0, 0),
        (["pool.py", "fork", "/api/x"], 1, 0),
        (["pool.py", "spawn", "/api/x"], 1, 0),
        (["pool.py", "forkserver", "/api/x"], 1, 0),
        (["starts_subprocess.py", "/api/x"], 1, 0),
        (["-m", "courier", "/api/x", "-v"], 1, 0),
        (["with_arguments.py", "--flag", "/api/x"], 0, 7),
        (["with_arguments.py", "/api/x", "--fail"], 0, 1),
        (["with_arguments.py", "/api/x", "--nonsense"], 0, 2),
        (["pickles_session.py", "/api/x"], 1, 0),
        (["threads.py", "/api/x"], 1, 0),
        (["-W", "error", "with_session.py", "/api/x"], 3, 0),
        (["-W", "error", "own_adapter.py", "/api/x"], 1, 0),
        (["-X", "dev", "-W", "error", "threads.py", "/api/x"], 1, 0),
        ([str(SCRIPTS / "module_level.py"), "/api/x"], 1, 0),
    ],
    ids=lambda value: " ".join(value).replace(str(SCRIPTS), "") if isinstance(value, list) else "",
)
def test_a_script(arguments: list[str], expiries: int, status: int, workspace: Workspace) -> None:
    """What a script prints and how it ends is the same; one refresh for each expiry."""
    public = [each.replace("/api/x", "/public/x") for each in arguments]
    plain = workspace.plain(*public)
    assert plain.status == status
    waits: list[object] = []

    def expire(_program: object) -> None:
        waits.append(None)
        workspace.server.expire()

    with_us = workspace.run(*arguments, at_wait=expire)
    assert with_us.masked() == plain
    counters = workspace.server.counters
    assert len(waits) == counters.refreshes == counters.rotated == expiries
    assert counters.reuse == 0
    assert workspace.server.family_alive(workspace.token())


def test_the_scripts_need_tokens(workspace: Workspace) -> None:
    """Without us they are refused: that they get through is our doing."""
    assert workspace.plain("module_level.py", "/api/x").output.split()[-2:] == ["401", "401"]


def test_own_credentials_stay(workspace: Workspace) -> None:
    """Basic and other schemes are sent as the script has them, and no token goes with them."""
    ended = workspace.run("basic_auth.py", "/api/x")
    sent = [each.headers["Authorization"] for each in workspace.server.requests]
    assert [each.partition(" ")[0] for each in sent] == ["Basic", "Basic", "ApiKey"]
    assert ended.output.splitlines() == sent
    assert ended.errors == ""


def test_a_stale_token_of_the_scripts_own(workspace: Workspace) -> None:
    """A Bearer header that a script sets is replaced: the server never sees the old one."""
    ended = workspace.run("stale_bearer.py", "/api/x", at_wait=lambda _: workspace.server.expire())
    assert ended.output.split() == ["200", "200", "waiting", "200", "Bearer", "old", "200"]
    assert {each.bearer for each in workspace.server.requests} & {"old", "older"} == set()


def test_login_and_refresh_by_hand(workspace: Workspace) -> None:
    """A script that logs in and refreshes by hand still does: those calls are left as they are."""
    plain = workspace.plain("by_hand.py", "/public/x")
    before = len(workspace.server.requests)
    with_us = workspace.run("by_hand.py", "/api/x", at_wait=lambda _: workspace.server.expire())
    assert with_us.masked() == plain
    seen = workspace.server.requests[before:]
    assert [each.kind for each in seen] == [
        *("login", "api", "refresh", "api", "refresh", "api", "login")
    ]
    assert workspace.server.counters.reuse == 0
    assert workspace.server.family_alive(workspace.token())


@pytest.mark.parametrize("form", ["login", "refresh"])
def test_calls_for_tokens_carry_none(form: str, workspace: Workspace) -> None:
    """Login and refresh URLs get no token of ours, however the profile writes them."""
    port = workspace.server.url.rpartition(":")[2]
    text = profile_text(workspace).replace(workspace.server.url, f"HTTP://LOCALHOST:{port}")
    workspace.profiles.write_text(text, encoding="utf-8")
    code = (
        "import os, requests, sys\n"
        f"answer = requests.post('http://localhost:{port}/auth/{form}?a=1', json={{}})\n"
        f"print(answer.request.headers.get('Authorization'))\n"
        f"print(requests.get('http://localhost:{port}/api/x').status_code)"
    )
    assert workspace.run_code(code).output.split() == ["None", "200"]


@pytest.mark.parametrize(
    "path", ["/auth/login", "/auth/login#f", "//auth/login", "/auth/login?a=1"]
)
def test_a_login_by_hand_is_sent_once(path: str, workspace: Workspace) -> None:
    """However it is written: a wrong password counts once, and no token goes along."""
    code = f"print(requests.post(os.environ['API'] + {path!r}, json={{}}).status_code)"
    ended = workspace.run_code(START + code)
    assert ended.output in ("401\n", "200\n")  # "//..." is no login to AuthServer
    assert ended.errors == ""
    (seen,) = workspace.server.requests
    assert seen.bearer is None


def test_calls_at_exit(workspace: Workspace) -> None:
    """A call in an atexit handler goes through, though the token has expired."""
    code = (
        "import atexit, os, requests, sys\n"
        "call = lambda: print(requests.get(os.environ['API'] + '/api/x').status_code)\n"
        "atexit.register(call)\n"
        "print('waiting', flush=True); sys.stdin.readline()\n"
    )
    ended = workspace.run_code(code, at_wait=lambda _: workspace.server.expire())
    assert ended == ProgramResult(0, "waiting\n200\n", "")


def test_the_history_of_an_answer(workspace: Workspace) -> None:
    """An answer that was not redirected has no history: scripts tell redirects by it."""
    code = (
        "import os, requests, sys\n"
        "print('waiting', flush=True); sys.stdin.readline()\n"
        "answer = requests.get(os.environ['API'] + '/api/x')\n"
        "print(answer.status_code, answer.history)\n"
    )
    ended = workspace.run_code(code, at_wait=lambda _: workspace.server.expire())
    assert ended.output == "waiting\n200 []\n"


@pytest.mark.parametrize(
    "url", ["http://[", "http://a:b/", "http://a:99999/", "http:", "HTTP://", "https://\u00e9/"]
)
def test_urls_that_make_no_sense(url: str, workspace: Workspace) -> None:
    """Session.get_adapter raises for no URL that it does not raise for without us."""
    code = f"import requests; print(requests.Session().get_adapter({url!r}).__class__)"
    plain = workspace.plain_code(code)
    assert workspace.run_code(code).output == plain.output


def test_several_profiles(workspace: Workspace) -> None:
    """Each origin gets its own profile's token and never the other's; each has its own refresh."""
    with AuthServer() as billing:
        two = f"{profile_text(workspace)}\n{profile_text(workspace, 'billing', billing)}"
        text = f'{two}\n[broken]\nbase_url = "x"\n'
        workspace.profiles.write_text(text, encoding="utf-8")
        workspace.log_in("billing", billing)
        code = (
            "import requests, sys\n"
            "for turn in range(3):\n"
            "    for url in sys.argv[1:]:\n"
            "        answer = requests.get(url + '/api/x')\n"
            "        print(answer.status_code, answer.json()['user'])\n"
            "    if turn < 2: print('waiting', flush=True); sys.stdin.readline()\n"
        )
        expire = iter([workspace.server.expire, billing.expire])
        ended = workspace.run(
            *("-c", code, workspace.server.url, billing.url),
            name="prod,billing",
            at_wait=lambda _: next(expire)(),
        )
        assert ended.output.replace("waiting\n", "") == "200 prod\n200 billing\n" * 3
        assert ended.errors == ""
        for server in (workspace.server, billing):
            assert (server.counters.refreshes, server.counters.reuse) == (1, 0)
        assert not ({each.bearer for each in billing.requests} & bearers(workspace.server))


def bearers(server: AuthServer) -> set[str]:
    return {each.bearer for each in server.requests if each.bearer}


@pytest.mark.parametrize("names", ["prod,billing", "billing,prod"])
def test_two_profiles_of_one_origin(names: str, workspace: Workspace) -> None:
    """Of two profiles on one origin, the one whose base URL covers more of the URL is used."""
    text = profile_text(workspace, "billing").replace(
        workspace.server.url, f"{workspace.server.url}/api/billing"
    )
    text = text.replace('"/auth/refresh"', f'"{workspace.server.url}/auth/refresh"')
    workspace.profiles.write_text(f"{profile_text(workspace)}\n{text}", encoding="utf-8")
    workspace.log_in("billing")
    code = (
        "import os, requests\n"
        "for path in ('/api/x', '/api/billing/x', '/api/billing', '/api/billings'):\n"
        "    print(requests.get(os.environ['API'] + path).json()['user'])\n"
    )
    ended = workspace.run_code(code, REQUESTS_JWT_PROFILE=names)
    first = names.partition(",")[0]
    assert ended.output.split()[1:3] == ["billing", "billing"]
    assert {ended.output.split()[n] for n in (0, 3)} <= {"prod", first}
    assert ended.output.split()[0] == "prod"


def test_a_trusted_origin_of_the_second_profile(workspace: Workspace) -> None:
    """An origin that a profile trusts gets the token of that profile, wherever it stands."""
    with AuthServer() as billing, AuthServer() as files:
        second = (
            profile_text(workspace, "billing", billing) + f'trusted_origins = ["{files.url}"]\n'
        )
        workspace.profiles.write_text(f"{profile_text(workspace)}\n{second}", encoding="utf-8")
        workspace.log_in("billing", billing)
        token = workspace.token("billing")
        code = f"import requests; print(requests.get('{files.url}/public/x').status_code)"
        assert workspace.run_code(code, REQUESTS_JWT_PROFILE="prod,billing") == ProgramResult(
            0, "200\n", ""
        )
        assert [each.bearer for each in files.requests] == [token.access]


def test_one_profile_of_two(workspace: Workspace) -> None:
    """What is not named is not used."""
    with AuthServer() as billing:
        text = f"{profile_text(workspace)}\n{profile_text(workspace, 'billing', billing)}"
        workspace.profiles.write_text(text, encoding="utf-8")
        workspace.log_in("billing", billing)
        code = f"import requests; print(requests.get('{billing.url}/api/x').status_code)"
        assert workspace.run("-c", code).output == "401\n"
        assert workspace.run("-c", code, name="billing").output == "200\n"
        assert bearers(billing) == {workspace.token("billing").access}


def test_names_with_blanks(workspace: Workspace) -> None:
    """Blanks around the names mean nothing: all get tokens, and there is nothing to warn of."""
    with AuthServer() as billing:
        text = f"{profile_text(workspace)}\n{profile_text(workspace, 'billing', billing)}"
        workspace.profiles.write_text(text, encoding="utf-8")
        workspace.log_in("billing", billing)
        assert workspace.run("-c", CALL, name="prod, billing") == ProgramResult(0, "200\n", "")


@pytest.mark.parametrize("own", ["", "headers={'Authorization': 'Bearer old'}"])
def test_a_redirect_to_a_third_server(own: str, workspace: Workspace) -> None:
    """A redirect to another server carries no token."""
    with AuthServer() as third:
        to = f"{third.url}/public/x"
        code = (
            "import os, requests\n"
            f"answer = requests.get(os.environ['API'] + '/redirect?to={to}', {own})\n"
            "print(answer.status_code, answer.url)\n"
        )
        assert workspace.run_code(code) == ProgramResult(0, f"200 {to}\n", "")
        assert [each.headers.get("Authorization") for each in third.requests] == [None]


def test_another_folder(workspace: Workspace) -> None:
    """A program that goes to another folder still has profiles that were named relatively."""
    code = f"import os; os.chdir('/'); {CALL}"
    ended = workspace.run(
        "-c", code, folder=workspace.folder, REQUESTS_JWT_PROFILES="profiles.toml"
    )
    assert ended == ProgramResult(0, "200\n", "")


@pytest.mark.parametrize("moves", [True, False])
def test_a_program_that_calls_another_folder_home(moves: bool, workspace: Workspace) -> None:
    """The profiles are those that `run` has found, wherever the program looks for its own."""
    config = workspace.folder / "config" / "requests-jwt-refresh"
    config.mkdir(parents=True)
    at_home = workspace.profiles.read_text(encoding="utf-8").replace("prod.json", "../../prod.json")
    (config / "profiles.toml").write_text(at_home, encoding="utf-8")
    del workspace.environment["REQUESTS_JWT_PROFILES"]
    move = "os.environ.update(HOME='/tmp', XDG_CONFIG_HOME='/nowhere')\n" if moves else ""
    ended = workspace.run("-c", f"{START}{move}print(requests.get(url).status_code)")
    assert ended == ProgramResult(0, "200\n", "")


def test_profiles_in_a_variable(workspace: Workspace) -> None:
    """Profiles may come in REQUESTS_JWT_PROFILES_TOML, in place of a file."""
    text = profile_text(workspace).replace('"prod.json"', f'"{workspace.folder}/prod.json"')
    workspace.profiles.unlink()
    ended = workspace.run("-c", CALL, REQUESTS_JWT_PROFILES_TOML=text)
    assert ended == ProgramResult(0, "200\n", "")


def test_run_within_run(workspace: Workspace) -> None:
    """The inner `run` decides whose tokens are sent."""
    with workspace.profiles.open("a", encoding="utf-8") as file:
        file.write("[faulty]\n")
    inner = (COMMAND, "run", "prod", "--", sys.executable, "-c", CALL)
    ended = workspace.command("run", "faulty", "--", *inner)
    assert (ended.status, ended.output) == (0, "200\n")
    assert "'faulty'" in ended.warning()
