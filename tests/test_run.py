"""`requests-jwt run`: a program runs as it would without us, and its calls go through.

What is run are the scripts of tests/legacy_scripts, plainly against a path that needs no token and
with `run` against one that does.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import FileStore
from requests_jwt_refresh.cli import run as launch
from requests_jwt_refresh.testing import AuthServer, Status
from requests_jwt_refresh.tokens import with_expiry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from requests_jwt_refresh import Token

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

SCRIPTS = Path(__file__).with_name("legacy_scripts")
COMMAND = str(Path(sys.executable).with_name("requests-jwt"))
WAIT = 60.0
CALL = "import os, requests, sys; print(requests.get(os.environ['API'] + '/api/x').status_code)"


@dataclass(frozen=True)
class Ended:
    """What has become of a program."""

    status: int
    output: str
    errors: str

    def masked(self) -> Ended:
        """Return it as if the API had been called where no token is needed."""
        output, errors = (
            text.replace("/api/x", "/public/x") for text in (self.output, self.errors)
        )
        return Ended(self.status, output, errors)

    def ours(self) -> list[str]:
        """Return the lines on stderr that are from us."""
        return [line for line in self.errors.splitlines() if line.startswith("requests-jwt: ")]

    def without_ours(self) -> Ended:
        lines = self.errors.splitlines(keepends=True)
        errors = "".join(line for line in lines if not line.startswith("requests-jwt: "))
        return Ended(self.status, self.output, errors)

    def warning(self) -> str:
        """Return what one warning says, in two lines; there must be one, and only one."""
        assert len(self.ours()) == 2, self.errors
        return "\n".join(self.ours())


@dataclass(frozen=True)
class Place:
    """A user's surroundings: a profile "prod" in a file, and a token for it."""

    folder: Path
    server: AuthServer
    environment: dict[str, str]

    @property
    def profiles(self) -> Path:
        return self.folder / "profiles.toml"

    def store(self, name: str = "prod") -> FileStore:
        return FileStore(self.folder / f"{name}.json")

    def token(self, name: str = "prod") -> Token:
        found = self.store(name).load()
        assert found is not None
        return found

    def log_in(self, name: str = "prod", server: AuthServer | None = None) -> None:
        self.store(name).save(with_expiry((server or self.server).login(name)))

    def run(self, *arguments: str, name: str = "prod", **options: Any) -> Ended:
        """Run Python with these arguments under `requests-jwt run`."""
        return self.start([COMMAND, "run", name, "--", sys.executable, *arguments], **options)

    def run_with_path(self, *arguments: str) -> Ended:
        """Run Python under `run`; it alone, and not requests-jwt, has the folder on its path."""
        shell = ("sh", "-c", 'PYTHONPATH=$PYTHONPATH:$0 exec "$@"', str(self.folder))
        return self.start([COMMAND, "run", "prod", "--", *shell, sys.executable, *arguments])

    def plain(self, *arguments: str, **options: Any) -> Ended:
        return self.start([sys.executable, *arguments], **options)

    def start(
        self,
        command: Sequence[str],
        at_wait: Callable[[subprocess.Popen[str]], object] | None = None,
        folder: Path = SCRIPTS,
        **environment: str,
    ) -> Ended:
        """Run a command to its end; call `at_wait` whenever it waits for a line."""
        output: list[str] = []
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
            subprocess.Popen(
                command,
                cwd=folder,
                env={**self.environment, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            ) as program,
            killed_when_late(program),
        ):
            assert program.stdout is not None
            assert program.stdin is not None
            for line in program.stdout:
                output.append(line)
                if line == "waiting\n":
                    if at_wait is not None:
                        at_wait(program)
                    with contextlib.suppress(BrokenPipeError):  # it may have died meanwhile
                        program.stdin.write("\n")
                        program.stdin.flush()
            with contextlib.suppress(BrokenPipeError):
                program.stdin.close()
            status = program.wait(WAIT)
            errors.seek(0)
            return Ended(status, "".join(output), errors.read())


@contextlib.contextmanager
def killed_when_late(program: subprocess.Popen[str]) -> Iterator[None]:
    """Kill a program, and all that it has started, if it takes too long."""

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)

    watch = threading.Timer(WAIT, kill)
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        if program.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(1)
        if program.returncode is None:  # the test has failed in between
            kill()


def profile(place: Place, name: str = "prod", server: AuthServer | None = None) -> str:
    url = (server or place.server).url
    return f"""\
[{name}]
base_url = "{url}"
refresh = {{kind = "json", url = "/auth/refresh"}}
login = {{url = "/auth/login"}}
store = {{kind = "file", path = "{name}.json"}}
"""


@pytest.fixture
def place(tmp_path: Path, server: AuthServer) -> Place:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("REQUESTS_JWT", "PYTHON")) and name != "VIRTUAL_ENV"
    }
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "REQUESTS_JWT_PROFILES": str(tmp_path / "profiles.toml"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_PROXY": "*",
        "API": server.url,
    }
    place = Place(tmp_path, server, environment)
    place.profiles.write_text(profile(place), encoding="utf-8")
    place.log_in()
    return place


# --- The scripts ---------------------------------------------------------------------------------


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
def test_a_script(arguments: list[str], expiries: int, status: int, place: Place) -> None:
    """What a script prints and how it ends is the same; one refresh for each expiry."""
    public = [each.replace("/api/x", "/public/x") for each in arguments]
    plain = place.plain(*public)
    assert plain.status == status
    waits: list[object] = []

    def expire(_program: object) -> None:
        waits.append(None)
        place.server.expire()

    dressed = place.run(*arguments, at_wait=expire)
    assert dressed.masked() == plain
    counters = place.server.counters
    assert len(waits) == counters.refreshes == counters.rotated == expiries
    assert counters.reuse == 0
    assert place.server.family_alive(place.token())


def test_the_scripts_need_tokens(place: Place) -> None:
    """Without us they are refused: that they get through is our doing."""
    assert place.plain("module_level.py", "/api/x").output.split()[-2:] == ["401", "401"]


def test_own_credentials_stay(place: Place) -> None:
    """Basic and other schemes are sent as the script has them, and no token goes with them."""
    ended = place.run("basic_auth.py", "/api/x")
    sent = [each.headers["Authorization"] for each in place.server.requests]
    assert [each.partition(" ")[0] for each in sent] == ["Basic", "Basic", "ApiKey"]
    assert ended.output.splitlines() == sent
    assert ended.errors == ""


def test_a_stale_token_of_the_scripts_own(place: Place) -> None:
    """A Bearer header that a script sets is replaced: the server never sees the old one."""
    ended = place.run("stale_bearer.py", "/api/x", at_wait=lambda _: place.server.expire())
    assert ended.output.split() == ["200", "200", "waiting", "200", "Bearer", "old", "200"]
    assert {each.bearer for each in place.server.requests} & {"old", "older"} == set()


def test_login_and_refresh_by_hand(place: Place) -> None:
    """A script that logs in and refreshes by hand still does: those calls are left as they are."""
    plain = place.plain("by_hand.py", "/public/x")
    before = len(place.server.requests)
    dressed = place.run("by_hand.py", "/api/x", at_wait=lambda _: place.server.expire())
    assert dressed.masked() == plain
    seen = place.server.requests[before:]
    assert [each.kind for each in seen] == [
        *("login", "api", "refresh", "api", "refresh", "api", "login")
    ]
    assert place.server.counters.reuse == 0
    assert place.server.family_alive(place.token())


@pytest.mark.parametrize("form", ["login", "refresh"])
def test_calls_for_tokens_are_not_dressed(form: str, place: Place) -> None:
    """Login and refresh URLs get no token of ours, however the profile writes them."""
    port = place.server.url.rpartition(":")[2]
    text = profile(place).replace(place.server.url, f"HTTP://LOCALHOST:{port}")
    place.profiles.write_text(text, encoding="utf-8")
    code = (
        "import os, requests, sys\n"
        f"answer = requests.post('http://localhost:{port}/auth/{form}?a=1', json={{}})\n"
        f"print(answer.request.headers.get('Authorization'))\n"
        f"print(requests.get('http://localhost:{port}/api/x').status_code)"
    )
    assert place.run("-c", code).output.split() == ["None", "200"]


# --- How it is called ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "arguments"),
    [
        ([], ["with_arguments.py", "/api/x", "--flag"]),
        (["--"], ["with_arguments.py", "/api/x", "--flag"]),
        ([], ["-m", "courier", "/api/x", "--help"]),
        ([], ["-c", f"{CALL}; print(sys.argv, sys.path[0])", "--flag", "/api/x"]),
        ([], ["courier_folder", "/api/x"]),
        ([], ["courier.pyz", "/api/x"]),
        ([], ["nowhere.py"]),
        (["--", "python"], ["with_arguments.py", "--flag", "/api/x"]),
        (["python"], ["with_arguments.py", "--flag", "/api/x"]),
        (["--", "env", "LATE=1", "python"], ["with_arguments.py", "--flag", "/api/x"]),
        (["--", "sh", "-c", 'python "$@"', "sh"], ["with_arguments.py", "--flag", "/api/x"]),
    ],
)
def test_forms_of_the_command(before: list[str], arguments: list[str], place: Place) -> None:
    """A script, -m, -c, a folder, an archive or a whole command, with or without "--"."""
    folder = place.folder / "work"
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "courier_folder").mkdir()
    shutil.copy(folder / "module_level.py", folder / "courier_folder" / "__main__.py")
    shutil.make_archive(str(folder / "courier"), "zip", folder / "courier_folder")
    (folder / "courier.zip").rename(folder / "courier.pyz")
    public = [each.replace("/api/x", "/public/x") for each in arguments]
    plain = place.plain(*public, folder=folder)
    command = [COMMAND, "run", "prod", *before, *arguments]
    dressed = place.start(command, folder=folder)
    dressed = Ended(dressed.status, dressed.output, dressed.errors.replace("python3:", "python:"))
    assert dressed.masked() == plain.masked()
    assert "401" not in dressed.output


def test_the_active_environments_python(place: Place) -> None:
    """A script alone is for the Python of the environment that is active."""
    active = place.folder / "active"
    (active / "bin").mkdir(parents=True)
    python = active / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho active\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    command = [COMMAND, "run", "prod", "with_arguments.py", "/api/x"]
    assert place.start(command, VIRTUAL_ENV=str(active)).output.startswith("active\n200 ")


def test_nothing_of_that_name(place: Place) -> None:
    """A command that is not there: 127, as a shell has it, and what to do."""
    ended = place.start([COMMAND, "run", "prod", "--", "no-such-program", "x"])
    assert (ended.status, ended.output) == (127, "")
    assert "'no-such-program' was not found" in ended.warning()
    assert ended.without_ours().errors == ""


def test_nothing_that_can_be_run(place: Place) -> None:
    """A file that cannot be executed: 126, as a shell has it, and what to do."""
    (place.folder / "notes").write_text("no program\n", encoding="utf-8")
    ended = place.start([COMMAND, "run", "prod", "--", "./notes"], folder=place.folder)
    assert (ended.status, ended.output) == (126, "")
    assert "'./notes' cannot be executed" in ended.warning()


def test_an_interpreter_that_is_not_there(place: Place) -> None:
    """A script whose interpreter is missing: 126, with cause and remedy like all else."""
    script = place.folder / "job"
    script.write_text("#!/nowhere/python\n", encoding="utf-8")
    script.chmod(0o755)
    ended = place.start([COMMAND, "run", "prod", "--", "./job"], folder=place.folder)
    assert (ended.status, ended.output) == (126, "")
    assert "job" in ended.warning()


def test_an_executable_script(place: Place) -> None:
    """`run NAME ./script.py` obeys the script's own first line."""
    script = place.folder / "job.py"
    script.write_text(f"#!{sys.executable}\n{CALL}\n", encoding="utf-8")
    script.chmod(0o755)
    ended = place.start([COMMAND, "run", "prod", "./job.py"], folder=place.folder)
    assert ended == Ended(0, "200\n", "")


def test_an_executable_script_of_this_folder(place: Place) -> None:
    """`run NAME script.py` works for a script that may also be executed."""
    script = place.folder / "job.py"
    script.write_text(f"#!{sys.executable}\n{CALL}\n", encoding="utf-8")
    script.chmod(0o755)
    ended = place.start([COMMAND, "run", "prod", "job.py"], folder=place.folder)
    assert ended == Ended(0, "200\n", "")


def test_a_shell_script_without_a_first_line(place: Place) -> None:
    """What shells, env and nohup take for a shell script is one here, too."""
    script = place.folder / "nightly.sh"
    script.write_text(f'{sys.executable} -c "{CALL}"\n', encoding="utf-8")
    script.chmod(0o755)
    plain = place.start(["env", "./nightly.sh"], folder=place.folder)
    ended = place.start([COMMAND, "run", "prod", "--", "./nightly.sh"], folder=place.folder)
    assert plain == Ended(0, "401\n", "")
    assert ended == Ended(0, "200\n", "")


def test_a_folder_named_like_a_command(place: Place) -> None:
    """A folder that happens to be called like the program is not run in its place."""
    (place.folder / "env").mkdir()
    ended = place.start([COMMAND, "run", "prod", "--", "env", "echo", "hi"], folder=place.folder)
    assert ended == Ended(0, "hi\n", "")


# --- As it would be without us -------------------------------------------------------------------


def surroundings(ended: Ended) -> dict[str, Any]:
    assert ended.errors == ""
    found: dict[str, Any] = json.loads(ended.output.splitlines()[1])
    return found


@pytest.mark.parametrize("own", [None, str(SCRIPTS / "own_site"), "", ":/nowhere", "relative"])
def test_surroundings(own: str | None, place: Place) -> None:
    """The program sees its own sys.path, modules and environment, but for three variables."""
    extra = {} if own is None else {"PYTHONPATH": own}
    plain = surroundings(place.plain("sees_surroundings.py", "/public/x", **extra))
    dressed = surroundings(place.run("sees_surroundings.py", "/api/x", **extra))
    assert place.server.counters.answered == 1
    before, after = plain.pop("environment"), dressed.pop("environment")
    added = {name: value for name, value in after.items() if before.get(name) != value}
    assert added == {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(launch.SITE), own])),
        "REQUESTS_JWT_PROFILE": "prod",
        "REQUESTS_JWT_LIBRARY": added.get("REQUESTS_JWT_LIBRARY"),
    }
    assert before.keys() <= after.keys()
    modules = set(dressed.pop("modules")) ^ set(plain.pop("modules"))
    assert modules == (set() if plain["site"] else {"sitecustomize"})
    site = str(launch.SITE / "sitecustomize.py")
    assert dressed.pop("site") == (plain.pop("site") or site)
    assert dressed == plain


def test_a_sitecustomize_of_the_users_own(place: Place) -> None:
    """The sitecustomize that ours hides is run, once, under its own name, and stays."""
    own = str(SCRIPTS / "own_site")
    code = f"{CALL}; print(sys.own_sitecustomize_ran, sys.modules['sitecustomize'].__file__)"
    ended = place.run("-c", code, PYTHONPATH=own)
    assert ended == Ended(0, f"200\n1 {own}/sitecustomize.py\n", "")


@pytest.mark.parametrize(
    "body", ["raise ValueError('mine')", "import no_such_module", "raise ImportError('mine')"]
)
def test_a_sitecustomize_that_fails(body: str, place: Place) -> None:
    """A broken sitecustomize of the user's own is reported as Python does, and hinders nothing."""
    (place.folder / "sitecustomize.py").write_text(body, encoding="utf-8")
    plain = place.plain("-c", "print(1)", PYTHONPATH=str(place.folder))
    assert "Error in sitecustomize" in plain.errors
    assert place.run_with_path("-c", "print(1)") == plain
    assert place.run_with_path("-c", CALL).output == "200\n"


def test_a_sitecustomize_that_makes_calls(place: Place) -> None:
    """A sitecustomize of the user's own that uses requests gets the token, as all the rest."""
    (place.folder / "sitecustomize.py").write_text(CALL, encoding="utf-8")
    assert place.run_with_path("-c", CALL) == Ended(0, "200\n200\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_death_by_a_signal(number: signal.Signals, place: Place) -> None:
    """A signal reaches the program itself, and its parent sees the program die of it."""
    code = f"{CALL}; print('waiting', flush=True); sys.stdin.readline()"

    def die(program: subprocess.Popen[str]) -> None:
        program.send_signal(number)
        program.wait(WAIT)

    with_us = place.run("-c", code, at_wait=die)
    assert (with_us.status, with_us.output) == (-number, "200\nwaiting\n")
    assert with_us.ours() == []


def test_signals_as_a_shell_has_them(place: Place) -> None:
    """Python's own way with SIGPIPE is not passed on: a pipe's end is no error to a program."""
    look = ["grep", "SigIgn", "/proc/self/status"]
    if not Path(look[-1]).exists():
        pytest.skip("no /proc here")
    assert place.start([COMMAND, "run", "prod", "--", *look]) == place.start(look)


def test_no_token_in_the_environment(place: Place) -> None:
    """While it runs, no process of it has a token among its variables or arguments."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("no /proc here")
    looked_at: list[str] = []

    def look(program: subprocess.Popen[str]) -> None:
        token = place.token()
        assert token.access is not None
        assert token.refresh is not None
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getsid(int(process.name)) != program.pid:
                    continue
                for part in ("environ", "cmdline"):
                    content = (process / part).read_text(encoding="utf-8")
                    assert token.access not in content
                    assert token.refresh not in content
                    looked_at.append(f"{process.name} {part}")
        assert f"{program.pid} environ" in looked_at
        place.server.expire()

    ended = place.run("pool.py", "spawn", "/api/x", at_wait=look)
    assert "401" not in ended.output
    assert len(looked_at) >= 6  # the program and its two workers


def test_another_folder(place: Place) -> None:
    """A program that goes to another folder still has profiles that were named relatively."""
    code = f"import os; os.chdir('/'); {CALL}"
    ended = place.run("-c", code, folder=place.folder, REQUESTS_JWT_PROFILES="profiles.toml")
    assert ended == Ended(0, "200\n", "")


def test_warnings_as_errors_everywhere(place: Place) -> None:
    """With PYTHONWARNINGS=error not a word from us, and all works."""
    ended = place.run("-c", CALL, PYTHONWARNINGS="error")
    assert ended == Ended(0, "200\n", "")


@pytest.mark.parametrize(
    "closed",
    [
        "<&-",
        pytest.param(">&-"),
        pytest.param("2>&-"),
    ],
)
def test_a_stream_that_is_closed(closed: str, place: Place) -> None:
    """A program whose parent has closed a standard stream runs all the same."""
    done = place.folder / "done"
    code = f"import pathlib; {CALL.replace('print', 'a = str')}; "
    code += f"pathlib.Path({str(done)!r}).write_text(a)"
    for number, name in enumerate(("prod", "unknown")):
        command = ["sh", "-c", f'exec "$@" {closed}', "sh", COMMAND, "run", name, "--"]
        ended = place.start([*command, sys.executable, "-c", code])
        assert (ended.status, done.read_text(encoding="utf-8")) == (0, ("200", "401")[number])


def test_what_a_process_inherits(place: Place) -> None:
    """Open files, umask, folder and parent are as without us."""
    code = (
        "import os\n"
        "print([n for n in range(64) if os.path.exists(f'/proc/self/fd/{n}')])\n"
        "print(os.umask(0), os.getcwd(), os.getppid(), os.getpid() == os.getsid(0))\n"
    )
    assert place.run("-c", code) == place.plain("-c", code)


def test_profiles_in_a_variable(place: Place) -> None:
    """Profiles may come in REQUESTS_JWT_PROFILES_TOML, in place of a file."""
    text = profile(place).replace('"prod.json"', f'"{place.folder}/prod.json"')
    place.profiles.unlink()
    ended = place.run("-c", CALL, REQUESTS_JWT_PROFILES_TOML=text)
    assert ended == Ended(0, "200\n", "")


WITHIN = [COMMAND, "run", "unknown", "--", COMMAND, "run", "prod", "--", sys.executable, "-c", CALL]


def test_run_within_run(place: Place) -> None:
    """The inner `run` decides whose tokens are sent."""
    ended = place.start(WITHIN)
    assert (ended.status, ended.output) == (0, "200\n")
    assert "'unknown'" in ended.warning()


def test_run_within_run_that_is_not_logged_in(place: Place) -> None:
    """A fault of the outer `run` does not silence the inner one."""
    place.store().clear()
    ended = place.start(WITHIN)
    assert (ended.status, ended.output) == (0, "401\n")
    assert "requests-jwt login prod" in ended.errors


def test_calls_at_exit(place: Place) -> None:
    """A call in an atexit handler goes through, though the token has expired."""
    code = (
        "import atexit, os, requests, sys\n"
        "call = lambda: print(requests.get(os.environ['API'] + '/api/x').status_code)\n"
        "atexit.register(call)\n"
        "print('waiting', flush=True); sys.stdin.readline()\n"
    )
    ended = place.run("-c", code, at_wait=lambda _: place.server.expire())
    assert ended == Ended(0, "waiting\n200\n", "")


def test_the_history_of_an_answer(place: Place) -> None:
    """An answer that was not redirected has no history: scripts tell redirects by it."""
    code = (
        "import os, requests, sys\n"
        "print('waiting', flush=True); sys.stdin.readline()\n"
        "answer = requests.get(os.environ['API'] + '/api/x')\n"
        "print(answer.status_code, answer.history)\n"
    )
    ended = place.run("-c", code, at_wait=lambda _: place.server.expire())
    assert ended.output == "waiting\n200 []\n"


@pytest.mark.parametrize(
    "url", ["http://[", "http://a:b/", "http://a:99999/", "http:", "HTTP://", "https://\u00e9/"]
)
def test_urls_that_make_no_sense(url: str, place: Place) -> None:
    """Session.get_adapter raises for no URL that it does not raise for without us."""
    code = f"import requests; print(requests.Session().get_adapter({url!r}).__class__)"
    plain = place.plain("-c", code)
    assert place.run("-c", code).output == plain.output


# --- Whose token goes where ----------------------------------------------------------------------


def test_several_profiles(place: Place) -> None:
    """Each origin gets its own profile's token and never the other's; each has its own refresh."""
    with AuthServer() as billing:
        text = f'{profile(place)}\n{profile(place, "billing", billing)}\n[broken]\nbase_url = "x"\n'
        place.profiles.write_text(text, encoding="utf-8")
        place.log_in("billing", billing)
        code = (
            "import requests, sys\n"
            "for turn in range(3):\n"
            "    for url in sys.argv[1:]:\n"
            "        answer = requests.get(url + '/api/x')\n"
            "        print(answer.status_code, answer.json()['user'])\n"
            "    if turn < 2: print('waiting', flush=True); sys.stdin.readline()\n"
        )
        expire = iter([place.server.expire, billing.expire])
        ended = place.run(
            *("-c", code, place.server.url, billing.url),
            name="prod,billing",
            at_wait=lambda _: next(expire)(),
        )
        assert ended.output.replace("waiting\n", "") == "200 prod\n200 billing\n" * 3
        assert ended.errors == ""
        for server in (place.server, billing):
            assert (server.counters.refreshes, server.counters.reuse) == (1, 0)
        assert not ({each.bearer for each in billing.requests} & bearers(place.server))


def bearers(server: AuthServer) -> set[str]:
    return {each.bearer for each in server.requests if each.bearer}


@pytest.mark.parametrize("names", ["prod,billing", "billing,prod"])
def test_two_profiles_of_one_origin(names: str, place: Place) -> None:
    """Of two profiles on one origin the one whose base URL is nearest has its way."""
    text = profile(place, "billing").replace(place.server.url, f"{place.server.url}/api/billing")
    text = text.replace('"/auth/refresh"', f'"{place.server.url}/auth/refresh"')
    place.profiles.write_text(f"{profile(place)}\n{text}", encoding="utf-8")
    place.log_in("billing")
    code = (
        "import os, requests\n"
        "for path in ('/api/x', '/api/billing/x', '/api/billing', '/api/billings'):\n"
        "    print(requests.get(os.environ['API'] + path).json()['user'])\n"
    )
    ended = place.run("-c", code, name=names)
    first = names.partition(",")[0]
    assert ended.output.split()[1:3] == ["billing", "billing"]
    assert {ended.output.split()[n] for n in (0, 3)} <= {"prod", first}
    assert ended.output.split()[0] == "prod"


def test_a_trusted_origin_of_the_second_profile(place: Place) -> None:
    """An origin that a profile trusts gets the token of that profile, wherever it stands."""
    with AuthServer() as billing, AuthServer() as files:
        second = profile(place, "billing", billing) + f'trusted_origins = ["{files.url}"]\n'
        place.profiles.write_text(f"{profile(place)}\n{second}", encoding="utf-8")
        place.log_in("billing", billing)
        token = place.token("billing")
        code = f"import requests; print(requests.get('{files.url}/public/x').status_code)"
        assert place.run("-c", code, name="prod,billing") == Ended(0, "200\n", "")
        assert [each.bearer for each in files.requests] == [token.access]


def test_one_profile_of_two(place: Place) -> None:
    """What is not named is not used."""
    with AuthServer() as billing:
        text = f"{profile(place)}\n{profile(place, 'billing', billing)}"
        place.profiles.write_text(text, encoding="utf-8")
        place.log_in("billing", billing)
        code = f"import requests; print(requests.get('{billing.url}/api/x').status_code)"
        assert place.run("-c", code).output == "401\n"
        assert place.run("-c", code, name="billing").output == "200\n"
        assert bearers(billing) == {place.token("billing").access}


def test_names_with_blanks(place: Place) -> None:
    """Blanks around the names mean nothing: all get tokens, and there is nothing to warn of."""
    with AuthServer() as billing:
        text = f"{profile(place)}\n{profile(place, 'billing', billing)}"
        place.profiles.write_text(text, encoding="utf-8")
        place.log_in("billing", billing)
        assert place.run("-c", CALL, name="prod, billing") == Ended(0, "200\n", "")


@pytest.mark.parametrize("own", ["", "headers={'Authorization': 'Bearer old'}"])
def test_a_redirect_to_a_third_server(own: str, place: Place) -> None:
    """A redirect away from the API takes no token along."""
    with AuthServer() as third:
        to = f"{third.url}/public/x"
        code = (
            "import os, requests\n"
            f"answer = requests.get(os.environ['API'] + '/redirect?to={to}', {own})\n"
            "print(answer.status_code, answer.url)\n"
        )
        assert place.run("-c", code) == Ended(0, f"200 {to}\n", "")
        assert [each.headers.get("Authorization") for each in third.requests] == [None]


# --- A broken set-up -----------------------------------------------------------------------------


def _nothing_set_up(place: Place) -> None:
    place.profiles.unlink()


def _no_toml(place: Place) -> None:
    place.profiles.write_text("[prod\nbase_url = ", encoding="utf-8")


def _faulty_profile(place: Place) -> None:
    place.profiles.write_text(profile(place).replace("base_url", "base_ulr"), encoding="utf-8")


def _not_logged_in(place: Place) -> None:
    place.store().clear()


def _no_keyring(place: Place) -> None:
    text = re.sub("store = .*", "", profile(place))
    place.profiles.write_text(text, encoding="utf-8")
    place.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"


def _open_to_others(place: Place) -> None:
    Path(place.store().path).chmod(0o644)


def _spoilt_store(place: Place) -> None:
    Path(place.store().path).write_bytes(b"\xff{")


def _store_of_nobody(place: Place) -> None:
    text = profile(place).replace('"prod.json"', '"~nobody-of-that-name/prod.json"')
    place.profiles.write_text(text, encoding="utf-8")


def _store_with_no_path(place: Place) -> None:
    text = profile(place).replace('"prod.json"', '"prod\\u0000.json"')
    place.profiles.write_text(text, encoding="utf-8")


def _profiles_of_nobody(place: Place) -> None:
    place.environment["REQUESTS_JWT_PROFILES"] = "~nobody-of-that-name/profiles.toml"


BROKEN = [
    pytest.param(_nothing_set_up, "requests-jwt init", id="nothing set up"),
    pytest.param(_no_toml, "profiles.toml", id="no TOML"),
    pytest.param(_faulty_profile, "base_ulr", id="faulty profile"),
    pytest.param(_not_logged_in, "requests-jwt login prod", id="not logged in"),
    pytest.param(_no_keyring, "keyring", id="no keyring"),
    pytest.param(_open_to_others, "chmod 600", id="open to others"),
    pytest.param(_spoilt_store, "prod.json", id="spoilt store"),
    pytest.param(_store_of_nobody, "nobody-of-that-name", id="store of nobody"),
    pytest.param(_store_with_no_path, "prod", id="store with no path"),
    pytest.param(_profiles_of_nobody, "nobody-of-that-name", id="profiles of nobody"),
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
@pytest.mark.parametrize(("break_it", "said"), BROKEN)
def test_a_broken_set_up(
    break_it: Callable[[Place], None], said: str, arguments: list[str], place: Place
) -> None:
    """The script runs as without us, and one warning says why, for all of its processes."""
    plain = place.plain(*arguments)
    break_it(place)
    dressed = place.run(*arguments)
    assert dressed.without_ours() == plain
    assert said in dressed.warning()
    assert place.server.counters.refreshes == 0


@pytest.mark.parametrize("break_it", [_no_keyring, _open_to_others, _spoilt_store])
def test_own_credentials_and_a_broken_store(
    break_it: Callable[[Place], None], place: Place
) -> None:
    """A script with credentials of its own has nothing to do with the store."""
    plain = place.plain("basic_auth.py", "/api/x")
    break_it(place)
    dressed = place.run("basic_auth.py", "/api/x")
    assert dressed.without_ours() == plain
    assert dressed.warning()


def test_an_unknown_profile(place: Place) -> None:
    """A name that is not there: the script runs, and the warning has the nearest one."""
    plain = place.plain("module_level.py", "/api/x")
    dressed = place.run("module_level.py", "/api/x", name="prdo")
    assert dressed.without_ours() == plain
    assert re.search("'prdo'.*prod", dressed.warning())


def test_a_second_profile_that_is_broken(place: Place) -> None:
    """The first one's tokens are sent all the same, and one warning tells of the other."""
    ended = place.run("-c", CALL, name="prod,billing")
    assert (ended.status, ended.output) == (0, "200\n")
    assert "'billing'" in ended.warning()


def test_a_login_while_it_runs(place: Place) -> None:
    """Who logs in after the warning need not start the program anew."""
    place.store().clear()
    ended = place.run("module_level.py", "/api/x", at_wait=lambda _: place.log_in())
    assert ended.output.splitlines()[1:] == ["401", "waiting", "200 200"]
    assert "requests-jwt login prod" in ended.warning()
    assert place.server.counters.refreshes == 0


def test_a_login_while_it_runs_with_a_rule(place: Place) -> None:
    """That holds too if the profile's rule tells an expired token from one that is missing."""
    rule = 'when = {json_field = "message", value = "Invalid JWT"}\n'
    place.profiles.write_text(profile(place) + rule, encoding="utf-8")
    place.store().clear()
    ended = place.run("module_level.py", "/api/x", at_wait=lambda _: place.log_in())
    assert ended.output.splitlines()[1:] == ["401", "waiting", "200 200"]


def expired_and_revoked(place: Place) -> Callable[[object], None]:
    def end(_program: object) -> None:
        place.server.expire()
        place.server.revoke()

    return end


def test_a_refusal_while_it_runs(place: Place) -> None:
    """A refused refresh: the server is asked once, and the script gets its 401."""
    ended = place.run("module_level.py", "/api/x", at_wait=expired_and_revoked(place))
    assert (ended.status, ended.output.splitlines()[1:]) == (0, ["200", "waiting", "401 401"])
    assert "requests-jwt login prod" in ended.errors
    assert ended.without_ours().errors == ""
    assert place.server.counters.refreshes == 1


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_refusal_in_a_pool(method: str, place: Place) -> None:
    """A refused refresh in several processes: the server is asked once, and all get their 401."""
    ended = place.run("pool.py", method, "/api/x", at_wait=expired_and_revoked(place))
    assert (ended.status, ended.without_ours().errors) == (0, "")
    assert ended.output.count("401") == 5
    assert place.server.counters.refreshes == 1
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
def test_a_refusal_is_said_once(arguments: list[str], place: Place) -> None:
    """A refused refresh: one warning in each process that met it says how to log in again."""
    ended = place.run(*arguments, "/api/x", at_wait=expired_and_revoked(place))
    processes = 3 if arguments[0] == "pool.py" else 1
    assert ended.errors.count("requests-jwt login prod") in range(1, processes + 1)
    assert ended.errors.count("the server refused the refresh token") == 1
    assert ended.without_ours().errors == ""


def test_a_store_that_breaks_while_it_runs(place: Place) -> None:
    """A store that cannot be read any more: the API's 401, and one warning of the store."""

    def break_it(_program: object) -> None:
        place.server.expire()
        Path(place.store().path).chmod(0o644)

    ended = place.run("module_level.py", "/api/x", at_wait=break_it)
    assert (ended.status, ended.output.splitlines()[1:]) == (0, ["200", "waiting", "401 401"])
    assert "chmod 600" in ended.warning()
    assert place.server.counters.refreshes == 0


def test_a_refresh_url_that_is_wrong(place: Place) -> None:
    """An endpoint that is no endpoint: the script gets its 401, as without us, and one warning."""
    text = profile(place).replace("/auth/refresh", "/public/nowhere")
    place.profiles.write_text(text, encoding="utf-8")
    ended = place.run("module_level.py", "/api/x", at_wait=lambda _: place.server.expire())
    assert (ended.status, ended.output.splitlines()[1:]) == (0, ["200", "waiting", "401 401"])
    assert ended.without_ours().errors == ""
    assert "refresh endpoint" in ended.warning()


def test_a_refresh_endpoint_that_is_down(place: Place) -> None:
    """No refresh to be had: the script gets its 401, as without us, and one warning."""
    place.server.fail(Status(500), times=None)
    ended = place.run("module_level.py", "/api/x", at_wait=lambda _: place.server.expire())
    assert (ended.status, ended.output.splitlines()[1:]) == (0, ["200", "waiting", "401 401"])
    assert ended.without_ours().errors == ""
    assert "refresh endpoint" in ended.warning()


def test_a_body_that_can_be_sent_once(place: Place) -> None:
    """A generator cannot be sent again: the script gets its 401, and what is said is from us."""
    code = (
        "import os, requests, sys\n"
        "url = os.environ['API'] + '/api/x'\n"
        "print('waiting', flush=True); sys.stdin.readline()\n"
        "print(requests.post(url, data=iter([b'x'])).status_code, requests.get(url).status_code)\n"
    )
    ended = place.run("-c", code, at_wait=lambda _: place.server.expire())
    assert ended.output == "waiting\n401 200\n"
    assert ended.without_ours().errors == ""


# --- Pythons that shut us out, and other Pythons -------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ["-I"],
        ["-E"],
        ["-S"],
        ["-sE"],
        pytest.param(["-I", "-E"]),
        pytest.param(["-W", "error", "-I"]),
        pytest.param(["-X", "dev", "-I"]),
    ],
    ids=" ".join,
)
def test_an_isolated_python(options: list[str], place: Place) -> None:
    """Python that ignores PYTHONPATH or site: one warning, and the script runs as without us."""
    venv_less = [*options, "-c", "import sys; print(sys.flags)"]
    plain = place.plain(*venv_less)
    dressed = place.run(*venv_less)
    assert dressed.without_ours() == plain
    assert "shuts out" in dressed.warning()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-Wignore::ImportWarning"]),
        pytest.param(["-Wignore::SyntaxWarning"]),
        pytest.param(["-Wignore::EncodingWarning"]),
        ["-s"],
        ["-Xdev"],
        ["-B", "-u"],
    ],
    ids=" ".join,
)
def test_a_python_that_is_not_isolated(options: list[str], place: Place) -> None:
    """Options that shut out nothing give no warning."""
    assert place.run(*options, "-c", CALL) == Ended(0, "200\n", "")


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of another environment, which has requests and nothing of ours."""
    folder = tmp_path_factory.mktemp("other") / "venv"
    python = str(folder / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=WAIT)
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "requests"]
    try:
        subprocess.run(install, check=True, timeout=WAIT, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("pip cannot install requests here")
    return python


@pytest.mark.parametrize(
    "arguments",
    [
        ["module_level.py", "/api/x"],
        ["own_adapter.py", "/api/x"],
        ["pool.py", "spawn", "/api/x"],
        ["starts_subprocess.py", "/api/x"],
        ["-W", "error", "threads.py", "/api/x"],
    ],
    ids=" ".join,
)
def test_another_environments_python(arguments: list[str], other_python: str, place: Place) -> None:
    """A Python that does not have this library gets tokens as well."""
    public = [each.replace("/api/x", "/public/x") for each in arguments]
    plain = place.start([other_python, *public])
    command = [COMMAND, "run", "prod", "--", other_python, *arguments]
    dressed = place.start(command, at_wait=lambda _: place.server.expire())
    assert dressed.masked() == plain
    assert (place.server.counters.refreshes, place.server.counters.reuse) == (1, 0)


def test_what_another_environment_sees(other_python: str, place: Place) -> None:
    """Its sys.path is its own, and it finds no package of ours but what this library needs."""
    plain = surroundings(place.start([other_python, "sees_surroundings.py", "/public/x"]))
    command = [COMMAND, "run", "prod", "--", other_python, "sees_surroundings.py", "/api/x"]
    dressed = surroundings(place.start(command))
    assert dressed["before"] == plain["before"]
    assert dressed["path"] == plain["path"]
    code = f"{CALL}\ntry:\n    import flask\nexcept ImportError:\n    print('none')\n"
    ended = place.start([COMMAND, "run", "prod", "--", other_python, "-c", code])
    assert ended == Ended(0, "200\nnone\n", "")


def test_a_python_that_cannot_load_us(place: Place) -> None:
    """Where this library does not load: the script runs as without us."""
    arguments = ["starts_subprocess.py", "/api/x"]
    plain, dressed = place.plain(*arguments), unloadable(place, *arguments)
    assert dressed.without_ours() == plain
    assert "too old" in dressed.errors


def test_a_python_that_cannot_load_us_says_so_once(place: Place) -> None:
    """Where this library does not load, each process says so once."""
    assert "too old" in unloadable(place, "module_level.py", "/api/x").warning()


def unloadable(place: Place, *arguments: str) -> Ended:
    """Run Python under `run` with a library in its path that cannot be loaded."""
    broken = place.folder / "requests_jwt_refresh"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise RuntimeError('too old')", encoding="utf-8")
    return place.run_with_path(*arguments)


# --- The adapter that a session shows ------------------------------------------------------------

ADAPTER = """\
import copy, os, pickle, requests, sys
from requests.adapters import HTTPAdapter

class Own(HTTPAdapter):
    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        return super().send(request, stream, timeout or 30, verify, cert, proxies)

url = os.environ["API"] + "/api/x"
session, own = requests.Session(), Own(max_retries=2)
session.mount(os.environ["API"], own)
"""


def adapter_code(*lines: str) -> str:
    return ADAPTER + "\n".join(lines)


def test_the_adapter_is_the_sessions_own(place: Place) -> None:
    """isinstance, repr and attributes, read, set and deleted, are those of the session's own."""
    code = adapter_code(
        "found = session.get_adapter(url)",
        "print(isinstance(found, Own), issubclass(found.__class__, HTTPAdapter))",
        "print(repr(found) == repr(own), found.max_retries is own.max_retries)",
        "found.label = 1",
        "print(own.label, session.get_adapter(url).label)",
        "own.send = lambda *a, **k: (print('sent'), Own.send(own, *a, **k))[1]",
        "print(session.get(url).status_code)",
        "try: found.no_such_attribute",
        "except AttributeError as error: print(error)",
    )
    expected = "True True\nTrue True\n1 1\nsent\n200\n'Own' object has no attribute"
    assert place.run("-c", code).output.startswith(expected)


def test_deleting_an_adapters_attribute(place: Place) -> None:
    """`del session.get_adapter(url).x` deletes what it would without us."""
    code = adapter_code(
        "session.get_adapter(url).label = 1",
        "del session.get_adapter(url).label",
        "print(hasattr(own, 'label'))",
    )
    assert place.run("-c", code) == place.plain("-c", code) == Ended(0, "False\n", "")


def test_an_adapter_that_changes_sessions(place: Place) -> None:
    """An adapter taken from one session and mounted on another does there what it did here."""
    code = adapter_code(
        "other = requests.Session()",
        "other.mount(os.environ['API'], session.get_adapter(url))",
        "print(other.get(url).status_code)",
        "print(other.get_adapter(os.environ['API']).__class__.__name__)",
    )
    assert place.run("-c", code) == Ended(0, "200\nOwn\n", "")


@pytest.mark.parametrize("way", ["copy.copy", "copy.deepcopy", "pickle.dumps"])
def test_an_adapter_that_is_copied(way: str, place: Place) -> None:
    """An adapter that a session gave can be copied and pickled, as without us."""
    code = adapter_code(f"print(type({way}(session.get_adapter(url))).__name__)")
    plain = place.plain("-c", code)
    assert plain.status == 0
    assert place.run("-c", code) == plain
