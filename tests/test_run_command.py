"""How `requests-jwt run` starts a program: which command, exec, signals, streams, exit statuses."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import (
    CALL,
    COMMAND,
    SCRIPTS,
    WAIT,
    ProgramResult,
    Workspace,
    warm_command,
    warm_programs,
    workspace,
)
from tests.support.waits import interrupt

if TYPE_CHECKING:
    from tests.support.programs import Program

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")


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
def test_forms_of_the_command(
    before: list[str], arguments: list[str], workspace: Workspace
) -> None:
    """A script, -m, -c, a folder, an archive or a whole command, with or without "--"."""
    folder = workspace.folder / "work"
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "courier_folder").mkdir()
    shutil.copy(folder / "module_level.py", folder / "courier_folder" / "__main__.py")
    shutil.make_archive(str(folder / "courier"), "zip", folder / "courier_folder")
    (folder / "courier.zip").rename(folder / "courier.pyz")
    public = [each.replace("/api/x", "/public/x") for each in arguments]
    plain = workspace.plain(*public, folder=folder)
    with_us = workspace.command("run", "prod", *before, *arguments, folder=folder)
    assert _without_version(with_us.masked()) == _without_version(plain.masked())
    assert "401" not in with_us.output


def _without_version(ended: ProgramResult) -> ProgramResult:
    """Return it with one name for Python, which is also called python3 in its own errors."""
    return ProgramResult(ended.status, ended.output, ended.errors.replace("python3:", "python:"))


def test_the_active_environments_python(workspace: Workspace) -> None:
    """A script alone is for the Python of the environment that is active."""
    active = workspace.folder / "active"
    (active / "bin").mkdir(parents=True)
    python = active / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho active\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    command = ("run", "prod", "with_arguments.py", "/api/x")
    ended = workspace.command(*command, VIRTUAL_ENV=str(active))
    assert ended.output.startswith("active\n200 ")


def test_nothing_of_that_name(workspace: Workspace) -> None:
    """A command that is not there: 127, as a shell has it, and what to do."""
    ended = workspace.command("run", "prod", "--", "no-such-program", "x")
    assert (ended.status, ended.output) == (127, "")
    assert "'no-such-program' was not found" in ended.warning()
    assert ended.without_ours().errors == ""


def test_nothing_that_can_be_run(workspace: Workspace) -> None:
    """A file that cannot be executed: 126, as a shell has it, and what to do."""
    (workspace.folder / "notes").write_text("no program\n", encoding="utf-8")
    ended = workspace.command("run", "prod", "--", "./notes", folder=workspace.folder)
    assert (ended.status, ended.output) == (126, "")
    assert "'./notes' cannot be executed" in ended.warning()


def test_an_interpreter_that_is_not_there(workspace: Workspace) -> None:
    """A script whose interpreter is missing: 126, with cause and remedy like all else."""
    script = workspace.folder / "job"
    script.write_text("#!/nowhere/python\n", encoding="utf-8")
    script.chmod(0o755)
    ended = workspace.command("run", "prod", "--", "./job", folder=workspace.folder)
    assert (ended.status, ended.output) == (126, "")
    assert "job" in ended.warning()


def test_an_executable_script(workspace: Workspace) -> None:
    """`run NAME ./script.py` obeys the script's own first line."""
    script = workspace.folder / "job.py"
    script.write_text(f"#!{sys.executable}\n{CALL}\n", encoding="utf-8")
    script.chmod(0o755)
    ended = workspace.command("run", "prod", "./job.py", folder=workspace.folder)
    assert ended == ProgramResult(0, "200\n", "")


def test_an_executable_script_of_this_folder(workspace: Workspace) -> None:
    """`run NAME script.py` works for a script that may also be executed."""
    script = workspace.folder / "job.py"
    script.write_text(f"#!{sys.executable}\n{CALL}\n", encoding="utf-8")
    script.chmod(0o755)
    ended = workspace.command("run", "prod", "job.py", folder=workspace.folder)
    assert ended == ProgramResult(0, "200\n", "")


def test_a_shell_script_without_a_first_line(workspace: Workspace) -> None:
    """What shells, env and nohup take for a shell script is one here, too."""
    script = workspace.folder / "nightly.sh"
    script.write_text(f'{sys.executable} -c "{CALL}"\n', encoding="utf-8")
    script.chmod(0o755)
    plain = workspace.start(["env", "./nightly.sh"], folder=workspace.folder)
    ended = workspace.start([COMMAND, "run", "prod", "--", "./nightly.sh"], folder=workspace.folder)
    assert plain == ProgramResult(0, "401\n", "")
    assert ended == ProgramResult(0, "200\n", "")


def test_a_folder_named_like_a_command(workspace: Workspace) -> None:
    """A folder in the working directory with the name of a command is not run in its place."""
    (workspace.folder / "env").mkdir()
    ended = workspace.start(
        [COMMAND, "run", "prod", "--", "env", "echo", "hi"], folder=workspace.folder
    )
    assert ended == ProgramResult(0, "hi\n", "")


@pytest.mark.parametrize("name", ["", ",", " , "])
def test_no_profile_named(name: str, workspace: Workspace) -> None:
    """An empty variable in a shell script is a mistake, and does not mean all profiles."""
    ended = workspace.run("-c", "print(1)", name=name)
    assert (ended.status, ended.output) == (2, "")
    assert len(ended.errors.splitlines()) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_death_by_a_signal(number: signal.Signals, workspace: Workspace) -> None:
    """A signal reaches the program itself, and its parent sees the program die of it."""
    code = f"{CALL}; print('waiting', flush=True); sys.stdin.readline()"

    def die(program: Program) -> None:
        interrupt(program, number)
        program.wait(WAIT)

    with_us = workspace.run("-c", code, at_wait=die)
    assert (with_us.status, with_us.output) == (-number, "200\nwaiting\n")
    assert with_us.ours() == []


def test_signals_as_a_shell_has_them(workspace: Workspace) -> None:
    """Python's own way with SIGPIPE is not passed on: a pipe's end is no error to a program."""
    look = ["grep", "SigIgn", "/proc/self/status"]
    if not Path(look[-1]).exists():
        pytest.skip("no /proc here")
    assert workspace.start([COMMAND, "run", "prod", "--", *look]) == workspace.start(look)


def test_no_token_in_the_environment(workspace: Workspace) -> None:
    """While it runs, no process of it has a token among its variables or arguments."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("no /proc here")
    looked_at: list[str] = []

    def look(program: Program) -> None:
        token = workspace.token()
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
        workspace.server.expire()

    ended = workspace.run("pool.py", "spawn", "/api/x", at_wait=look)
    assert "401" not in ended.output
    assert len(looked_at) >= 6  # the program and its two workers


@pytest.mark.parametrize(
    "closed",
    [
        "<&-",
        pytest.param(">&-"),
        pytest.param("2>&-"),
    ],
)
def test_a_stream_that_is_closed(closed: str, workspace: Workspace) -> None:
    """A program whose parent has closed a standard stream runs all the same."""
    done = workspace.folder / "done"
    code = f"import pathlib; {CALL.replace('print', 'a = str')}; "
    code += f"pathlib.Path({str(done)!r}).write_text(a)"
    with workspace.profiles.open("a", encoding="utf-8") as file:
        file.write("[faulty]\n")
    for number, name in enumerate(("prod", "faulty")):
        command = ["sh", "-c", f'exec "$@" {closed}', "sh", COMMAND, "run", name, "--"]
        ended = workspace.start([*command, sys.executable, "-c", code])
        assert (ended.status, done.read_text(encoding="utf-8")) == (0, ("200", "401")[number])


def test_what_a_process_inherits(workspace: Workspace) -> None:
    """Open files, umask, folder and parent are as without us."""
    code = (
        "import os\n"
        "print([n for n in range(64) if os.path.exists(f'/proc/self/fd/{n}')])\n"
        "print(os.umask(0), os.getcwd(), os.getppid(), os.getpid() == os.getsid(0))\n"
    )
    command = [sys.executable, "-c", code]
    ended = workspace.start([COMMAND, "run", "prod", "--", *command])
    assert ended == workspace.start(command)
