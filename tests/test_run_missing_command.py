"""`requests-jwt run` of a command that cannot be started, or without a profile's name before it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.programs import (
    COMMAND,
    Workspace,
    profile_text,
    warm_command,
    warm_programs,
    workspace,
)

if TYPE_CHECKING:
    from tests.support.programs import ProgramResult

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

BARE = "/nowhere:/also/nowhere"
RUN = "requests-jwt run prod --"


def read_remedy(ended: ProgramResult) -> str:
    """Return the second of the two lines of a warning."""
    return ended.warning().splitlines()[1].removeprefix("requests-jwt: ")


def add_programs(workspace: Workspace) -> None:
    """Put a script, a program and a file that is neither into the user's folder."""
    (workspace.folder / "nightly.py").write_text("print('ran')\n", encoding="utf-8")
    job = workspace.folder / "job.sh"
    job.write_text("#!/bin/sh\necho ran\n", encoding="utf-8")
    job.chmod(0o755)
    (workspace.folder / "notes.sh").write_text("echo ran\n", encoding="utf-8")


# --- a command that is not there -----------------------------------------------------------------


@pytest.mark.parametrize("python", ["python", "python3", "python3.12"])
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["nightly.py"], "nightly.py"),
        (["my script.py", "--since", "monday"], "'my script.py' ..."),
        (["-u", "nightly.py"], "-u nightly.py"),
        (["-m", "package"], "-m ..."),
        (["-cprint(1)"], "-c"),
    ],
)
def test_python_that_is_not_in_path(
    workspace: Workspace, python: str, arguments: list[str], shown: str
) -> None:
    """The script alone is what to type, since `run` knows a Python; it is not what was typed."""
    ended = workspace.command("run", "prod", "--", python, *arguments, PATH=BARE)
    assert (ended.status, ended.output) == (127, "")
    assert f"the command '{python}' was not found in PATH ({BARE})" in ended.warning()
    first, others = read_remedy(ended).split("; or ")
    advised = f"{COMMAND} run prod -- {shown}"
    assert first == f"leave {python} out, and {sys.executable} runs it: {advised}"
    assert others == "give the whole path of another Python"


def test_what_is_to_be_typed_in_place_of_python(workspace: Workspace) -> None:
    """It works, with the account that was named."""
    add_programs(workspace)
    before = ("run", "prod", "--account", "default", "--")
    ended = workspace.command(*before, "python", "nightly.py", folder=workspace.folder, PATH=BARE)
    advised = f"{' '.join((COMMAND, *before))} nightly.py"
    assert f": {advised};" in read_remedy(ended)
    ended = workspace.command(*advised.split()[1:], folder=workspace.folder, PATH=BARE)
    assert (ended.status, ended.output) == (0, "ran\n")


def test_python_without_a_script(workspace: Workspace) -> None:
    """Nothing can be left out: the whole path of a Python that is there."""
    ended = workspace.command("run", "prod", "--", "python", PATH=BARE)
    assert ended.status == 127
    assert read_remedy(ended) == f"give the whole path of a Python, such as {sys.executable}"


def test_a_command_of_spaces(workspace: Workspace) -> None:
    """Two lines, as for any other that is not there."""
    ended = workspace.command("run", "prod", "--", " ")
    assert (ended.status, "' ' was not found" in ended.warning()) == (127, True)


def test_another_program_that_is_not_in_path(workspace: Workspace) -> None:
    """PATH is shown, and no argument of the program."""
    ended = workspace.command("run", "prod", "--", "nightly", "--password", "hunter2", PATH=BARE)
    assert f"'nightly' was not found in PATH ({BARE})" in ended.warning()
    assert read_remedy(ended) == "give its whole path, or add its folder to PATH"
    assert "hunter2" not in ended.errors


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("", "which is empty"),
        (":".join(["/some/folder"] * 20), ":".join([*["/some/folder"] * 12, "..."])),
        ("/" + "x" * 200, "/" + "x" * 159 + "..."),
    ],
)
def test_a_path_of_any_length(workspace: Workspace, path: str, shown: str) -> None:
    """A long PATH is cut between two folders."""
    ended = workspace.command("run", "prod", "--", "nightly", PATH=path)
    assert f"in PATH ({shown})" in ended.warning()


def test_a_program_in_this_folder(workspace: Workspace) -> None:
    """It is there and executable, but not in PATH: the same with "./" works."""
    add_programs(workspace)
    ended = workspace.command("run", "prod", "--", "job.sh", folder=workspace.folder)
    assert (ended.status, ended.output) == (127, "")
    assert read_remedy(ended).endswith(f": {RUN} ./job.sh")
    ended = workspace.command("run", "prod", "--", "./job.sh", folder=workspace.folder)
    assert (ended.status, ended.output) == (0, "ran\n")


@pytest.mark.parametrize(
    ("text", "interpreter"),
    [("echo ran\n", ""), ("#! /usr/bin/env python3\n", "/usr/bin/env python3")],
)
def test_a_file_that_is_no_program(workspace: Workspace, text: str, interpreter: str) -> None:
    """Its first line says its interpreter, or nobody knows."""
    (workspace.folder / "notes").write_text(text, encoding="utf-8")
    ended = workspace.command("run", "prod", "--", "notes", folder=workspace.folder)
    assert (ended.status, ended.output) == (126, "")
    also = f"; or name its interpreter: {RUN} {interpreter} notes" if interpreter else ""
    assert read_remedy(ended) == f"make it executable with: chmod +x notes{also}"


@pytest.mark.parametrize(
    "typed",
    [
        ["prod", "--", "https://me:hunter2@host/x"],
        ["prod", "--", "my-var=hunter2", "env"],
        ["prod", "--", "TOKEN+=hunter2", "env"],
        ["prod", "--", "env --password=hunter2"],
        ["prod", "--", "/no/env --password hunter2"],
        ["https://me:hunter2@host/x"],
        ["https://me:hunter2@host/x", "env"],
        ["env -H 'Authorization: hunter2'"],
        ["PASSWORD=hunter2", "env"],
        ["env", "--token=hunter2.py"],
        ["env", "hunter2=.py"],
        ["prod", "--", "env" + " --password=hunter2" * 100],
        ["env -c " + "hunter2 " * 100, "x"],
    ],
)
def test_no_word_that_may_be_a_secret_is_shown(workspace: Workspace, typed: list[str]) -> None:
    ended = workspace.command("run", *typed)
    assert ended.status in (0, 2, 125, 127)
    assert "hunter2" not in ended.errors.replace("env: ", "")
    assert "free some space" not in ended.errors


@pytest.mark.parametrize("typed", [["prod", "--", "./" + "x" * 300], ["./" + "x" * 300 + ".py"]])
def test_a_name_that_the_system_cannot_look_for(workspace: Workspace, typed: list[str]) -> None:
    """Too long, or in a folder that may not be read: it is not there."""
    ended = workspace.command("run", *typed)
    assert ended.status in (2, 127)
    assert "free some space" not in ended.errors


@pytest.mark.parametrize("typed", [["python", "nightly.py"], ["PASSWORD=hunter2", "nightly.py"]])
def test_a_command_without_dashes_whose_program_is_not_in_path(
    workspace: Workspace, typed: list[str]
) -> None:
    """As in a cron job, or where only python3 is installed: what is advised works there."""
    ended = workspace.command("run", *typed, PATH=BARE)
    assert ended.status == 2
    alone = "nightly.py" if typed[0] == "python" else "env PASSWORD=... ..."
    assert read_remedy(ended).endswith(f"without a profile's name: {COMMAND} run -- {alone}")


def test_a_script_alone_where_there_are_no_profiles(workspace: Workspace) -> None:
    """It is not advised as a profile's name."""
    workspace.profiles.unlink()
    ended = workspace.command("run", "nightly.py")
    assert read_remedy(ended) == (
        "give it after the profile: requests-jwt run NAME -- python script.py"
    )


def test_a_path_that_leads_nowhere(workspace: Workspace) -> None:
    """The folder is named from which it leads there; PATH has nothing to do with it."""
    ended = workspace.command("run", "prod", "--", "./nowhere", folder=workspace.folder)
    assert f"'./nowhere' was not found in the folder {workspace.folder}" in ended.warning()
    ended = workspace.command("run", "prod", "--", "/no/where", folder=workspace.folder)
    assert "'/no/where' was not found\n" in ended.warning()
    assert ended.status == 127


def test_a_variable_before_the_command(workspace: Workspace) -> None:
    """That is a shell's way: env does the same. The value may be a secret."""
    ended = workspace.command("run", "prod", "--", "PASSWORD=hunter2", "env")
    assert read_remedy(ended).endswith(f": {RUN} env PASSWORD=... COMMAND")
    assert (ended.status, "hunter2" in ended.errors) == (127, False)


def test_a_command_in_quotes(workspace: Workspace) -> None:
    """A program of that name is seldom meant, and its arguments may be secrets."""
    ended = workspace.command("run", "prod", "--", "env PASSWORD=hunter2")
    assert read_remedy(ended).endswith(f", without quotes around them: {RUN} env ...")
    assert (ended.status, "hunter2" in ended.errors) == (127, False)


# --- a command in the place of a profile's name --------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("python nightly.py", "python nightly.py"),
        ("python nightly.py --password hunter2", "python nightly.py ..."),
        ("python -c hunter2", "python ..."),
        ("env", "env"),
        ("env PASSWORD=hunter2", "env ..."),
        ("nightly.py", "nightly.py"),
        ("nightly.py --password hunter2", "nightly.py ..."),
        ("./job.sh", "./job.sh"),
        ("job.sh", "./job.sh"),
        ("--account default ./job.sh x", "./job.sh ..."),
    ],
)
def test_a_command_without_dashes(workspace: Workspace, typed: str, shown: str) -> None:
    """The first word is a program or a file, and no profile: "--" was forgotten."""
    add_programs(workspace)
    ended = workspace.command("run", *typed.split(), folder=workspace.folder)
    assert (ended.status, ended.output) == (2, "")
    word = next(each for each in typed.split() if each not in ("--account", "default"))
    assert f"there is no profile '{word}'" in ended.warning()
    account = "--account default " if "--account" in typed else ""
    assert read_remedy(ended) == (
        "use one of these: prod; for a command without a profile's name: "
        f"requests-jwt run {account}-- {shown}"
    )
    assert "hunter2" not in ended.errors


def test_a_command_without_dashes_where_there_are_several_profiles(workspace: Workspace) -> None:
    """One has to be named then."""
    text = f"{profile_text(workspace)}\n{profile_text(workspace, 'python-api')}"
    workspace.profiles.write_text(text, encoding="utf-8")
    ended = workspace.command("run", "python", "nightly.py")
    assert read_remedy(ended) == (
        "did you mean 'python-api'? Or for a command, name a profile first: "
        "requests-jwt run NAME -- python nightly.py"
    )


def test_a_command_without_dashes_where_there_is_no_profile(workspace: Workspace) -> None:
    """The first profile is not to be called like the program."""
    workspace.profiles.write_text("", encoding="utf-8")
    ended = workspace.command("run", "python", "nightly.py")
    assert read_remedy(ended) == (
        "make one first with: requests-jwt init NAME; then: requests-jwt run -- python nightly.py"
    )


@pytest.mark.parametrize("typed", ["prud nightly.py", "prud,python nightly.py", "prud -c pass"])
def test_a_name_that_is_no_program(workspace: Workspace, typed: str) -> None:
    """It is a profile's name, misspelt, and nothing else is suggested."""
    ended = workspace.command("run", *typed.split())
    assert (ended.status, read_remedy(ended)) == (2, "did you mean 'prod'?")


def test_a_profile_called_like_a_program(workspace: Workspace) -> None:
    """It is a profile."""
    workspace.profiles.write_text(profile_text(workspace, "env"), encoding="utf-8")
    workspace.log_in("env")
    ended = workspace.command("run", "env", "--", "echo", "ran")
    assert ended.output == "ran\n"
    assert "there is no program to run" in workspace.command("run", "env").warning()
