"""completion: what bash and zsh, the real ones, make of it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.cli.main import main
from requests_jwt_refresh.profiles.accounts import note_account
from tests.support.command_line import SCRIPT, TWO, WAIT, Terminal, User, needs_posix, user

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["user"]  # fixtures, skips

pytestmark = needs_posix

COMMANDS = {
    "accounts",
    "completion",
    "demo",
    "doctor",
    "init",
    "login",
    "logout",
    "profiles",
    "refresh",
    "run",
    "status",
    "switch",
    "token",
}
NAMED = ("accounts", "doctor", "login", "logout", "refresh", "run", "status", "switch", "token")

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
needs_zsh = pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")

# What bash does at a TAB: it sets two variables, calls the function and reads a third one.
TAB = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shtab_requests_jwt
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The script of each shell, printed once."""
    folder = tmp_path_factory.mktemp("scripts")
    for shell in ("bash", "zsh"):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert main(["completion", shell]) == 0
        (folder / shell).write_text(printed.getvalue(), encoding="utf-8")
    return {each.name: each for each in folder.iterdir()}


@pytest.fixture
def two(user: User, monkeypatch: pytest.MonkeyPatch) -> User:
    """A user with two profiles, and with requests-jwt on the path."""
    user.file.write_text(TWO, encoding="utf-8")
    put_first_on_path(Path(SCRIPT).parent, monkeypatch)
    monkeypatch.setenv("HOME", str(user.home))
    monkeypatch.setenv("ZDOTDIR", str(user.home))
    return user


@pytest.fixture
def with_accounts(two: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two accounts of one profile, and one of them of the other, too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(two.home / "state"))
    for profile, account in (("good", "bob"), ("good", "carol"), ("longer-name", "bob")):
        note_account(two.file, profile, account)


def put_first_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def put_a_shim_on_path(user: User, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Have this line of sh run in place of requests-jwt."""
    shim = user.home / "bin" / "requests-jwt"
    shim.parent.mkdir()
    shim.write_text(f"#!/bin/sh\n{line}\n")
    shim.chmod(0o755)
    put_first_on_path(shim.parent, monkeypatch)


class Bash:
    """A bash in which the script has been read."""

    def __init__(self, script: Path) -> None:
        self._script = script

    def complete(self, *words: str) -> list[str]:
        """Return what bash offers for the last word, sorted."""
        done = subprocess.run(
            ["bash", "--norc", "-c", TAB, "bash", str(self._script), "requests-jwt", *words],
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
        assert done.stderr == "", "what is written at a TAB spoils the line"
        return sorted(filter(None, done.stdout.split("\n")))


@pytest.fixture
def bash(scripts: dict[str, Path]) -> Bash:
    return Bash(scripts["bash"])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_is_complete(shell: str) -> None:
    """Printed as a whole, with nothing on stderr."""
    done = subprocess.run(
        [SCRIPT, "completion", shell], capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "_shtab_requests_jwt" in done.stdout


def test_no_such_shell(user: User) -> None:
    """Exit status 2, and which there are."""
    for arguments in (["fish"], []):
        result = user.run("completion", *arguments)
        cause, _ = result.cause_and_remedy()
        assert (result.status, result.out) == (2, "")
        assert "SHELL" in cause or "shell" in cause


@needs_bash
@pytest.mark.usefixtures("two")
class TestBash:
    def test_commands(self, bash: Bash) -> None:
        """At the start: all commands, or those that begin like it."""
        assert set(bash.complete("")) == COMMANDS
        assert bash.complete("lo") == ["login", "logout"]
        assert bash.complete("x") == []

    @pytest.mark.parametrize("command", NAMED)
    def test_names(
        self, bash: Bash, two: User, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        """After a command that takes one: the profiles' names, each once."""
        names = two.run("profiles", "--names").out.split()
        put_a_shim_on_path(two, monkeypatch, f"printf '%s\\n' {' '.join(names)}")
        assert bash.complete(command, "") == ["good", "longer-name"]
        assert bash.complete(command, "lo") == ["longer-name"]
        assert bash.complete(command, "x") == []

    def test_names_after_an_option(self, bash: Bash) -> None:
        """An option before the name makes no difference, with a value or without."""
        assert bash.complete("status", "--json", "g") == ["good"]
        assert bash.complete("token", "--seconds", "60", "g") == ["good"]

    @pytest.mark.usefixtures("with_accounts")
    @pytest.mark.parametrize("command", ["login", "switch", "token", "run"])
    def test_accounts(self, bash: Bash, command: str) -> None:
        """After --account: those that have logged in, of whatever profile, each once."""
        assert bash.complete(command, "good", "--account", "") == ["bob", "carol", "default"]
        assert bash.complete(command, "--account", "c") == ["carol"]
        assert bash.complete(command, "--account", "x") == []

    def test_no_names(self, bash: Bash) -> None:
        """`init` makes a new one; `profiles` takes none."""
        assert bash.complete("init", "") == []
        assert bash.complete("profiles", "") == []

    def test_options(self, bash: Bash) -> None:
        """After a dash: the options of this command."""
        assert bash.complete("status", "good", "-") == ["--account", "--help", "--json", "-h"]
        assert bash.complete("logout", "--l") == ["--local"]
        assert bash.complete("login", "good", "--ref") == ["--refresh-token"]
        assert bash.complete("login", "good", "--p") == ["--path"]
        assert bash.complete("--v") == ["--version"]

    def test_values(self, bash: Bash) -> None:
        """Where there are a few values to choose from, these."""
        assert bash.complete("completion", "") == ["bash", "zsh"]
        assert bash.complete("init", "new", "--preset", "si") == ["simplejwt"]
        assert bash.complete("init", "new", "--kind", "j") == ["json", "jwt-bearer"]
        assert bash.complete("init", "new", "--store", "f") == ["file"]

    @pytest.mark.parametrize("command", [("init", "new"), ("login", "good")])
    def test_files(
        self, bash: Bash, two: User, monkeypatch: pytest.MonkeyPatch, command: tuple[str, str]
    ) -> None:
        """Where a file is meant, the names of files; nowhere else."""
        monkeypatch.chdir(two.home)
        (two.home / "token.json").touch()
        assert bash.complete(*command, "--path", "tok") == ["token.json"]
        assert bash.complete(*command, "--path", f"{two.home}/tok") == [f"{two.home}/token.json"]
        assert bash.complete(*command, "tok") == []

    def test_the_other_name_of_the_program(self, scripts: dict[str, Path]) -> None:
        """It is completed by the same function."""
        command = f"source {scripts['bash']}; complete -p requests-jwt requests-jwt-refresh"
        done = subprocess.run(
            ["bash", "--norc", "-c", command],
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("-F _shtab_requests_jwt requests-jwt") == 2

    @pytest.mark.parametrize("text", [None, "", "[prod\n"])
    def test_without_profiles(self, bash: Bash, two: User, text: str | None) -> None:
        """No file, none in it, or no TOML: nothing to offer, and not a word."""
        two.file.unlink()
        if text is not None:
            two.file.write_text(text, encoding="utf-8")
        assert bash.complete("token", "") == []
        assert set(bash.complete("")) == COMMANDS

    def test_names_are_not_run(self, bash: Bash, two: User) -> None:
        """A profile's name is text, whatever it is; the file may be another person's."""
        two.file.write_text(f'["$(touch {two.home}/owned)"]\nx = 1\n', encoding="utf-8")
        bash.complete("token", "")
        assert not (two.home / "owned").exists()

    def test_names_are_asked_for_once(
        self, bash: Bash, two: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Starting Python takes its time at each TAB."""
        log = two.home / "log"
        put_a_shim_on_path(two, monkeypatch, f'echo "$@" >> {log}; exec {SCRIPT} "$@"')
        assert bash.complete("token", "") == ["good", "longer-name"]
        assert log.read_text() == "profiles --names\n"

    def test_in_a_terminal(self) -> None:
        """As --help says it is set up, and with a real TAB."""
        with Terminal(str(shutil.which("bash")), "--norc", "--noprofile", "-i") as shell:
            shell.type('eval "$(requests-jwt completion bash)"; echo re"a"dy')
            shell.expect("ready")
            shell.press(b"requests-jwt tok\t")
            shell.expect("requests-jwt token ")
            shell.press(b"lon\t")
            shell.expect("longer-name ")


@pytest.fixture(params=["file", "eval"])
def zsh(two: User, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A zsh with completion, set up as --help says, or by eval as for bash."""
    folder = two.home / ".zfunc"
    folder.mkdir()
    with Terminal(str(shutil.which("zsh")), "-f", "-i") as shell:
        shell.type("PROMPT='> '; unsetopt beep")
        if request.param == "file":
            shell.type(f"requests-jwt completion zsh > {folder}/_requests-jwt")
            shell.type(f"fpath=({folder} $fpath)")
        shell.type(f"autoload -Uz compinit; compinit -u -d {two.home}/dump")
        if request.param == "eval":
            shell.type('eval "$(requests-jwt completion zsh)"')
        shell.type('echo re"a"dy')
        shell.expect("ready")
        yield shell


@needs_zsh
@pytest.mark.usefixtures("with_accounts")
class TestZsh:
    def test_it_is_zsh(self, scripts: dict[str, Path]) -> None:
        """What is printed can be parsed."""
        done = subprocess.run(
            ["zsh", "-n", str(scripts["zsh"])],
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_in_a_terminal(self, zsh: Terminal) -> None:
        """Commands, options and the names of profiles, with a real TAB."""
        zsh.press(b"requests-jwt tok\t")
        zsh.expect("token ")
        zsh.press(b"--sec\t")
        zsh.expect("--seconds ")
        zsh.press(b"60 lon\t")
        zsh.expect("longer-name")
        assert "command not found" not in zsh.shown

    def test_accounts(self, zsh: Terminal, two: User) -> None:
        """After --account, those that have logged in."""
        zsh.type(f"export XDG_STATE_HOME={two.home}/state")
        zsh.type('echo d"o"ne')
        zsh.expect("done")
        zsh.press(b"requests-jwt token --account ca\t")
        zsh.expect("carol")

    def test_values(self, zsh: Terminal) -> None:
        """Where there are a few values to choose from, these."""
        zsh.press(b"requests-jwt init new --preset sim\t")
        zsh.expect("simplejwt")
        zsh.press(b"--store fi\t")
        zsh.expect("--store file")
