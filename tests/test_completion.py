"""completion: what bash and zsh, the real ones, make of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import SCRIPT, TWO, WAIT, Terminal, User, needs_posix, user

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["user"]  # fixtures, skips

pytestmark = needs_posix

COMMANDS = {
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
    "token",
}
NAMED = ("doctor", "login", "logout", "refresh", "run", "status", "token")

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
needs_zsh = pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")

# What bash does at a TAB: it sets two variables, calls the function and reads a third one.
TAB = """\
source <(requests-jwt completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shtab_requests_jwt
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def two(user: User, monkeypatch: pytest.MonkeyPatch) -> User:
    """A user with two profiles, and with requests-jwt on the path."""
    user.file.write_text(TWO, encoding="utf-8")
    folder = str(Path(SCRIPT).parent)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("HOME", str(user.home))
    monkeypatch.setenv("ZDOTDIR", str(user.home))
    return user


def in_bash(*words: str) -> list[str]:
    """Return what bash offers for the last word, sorted."""
    done = subprocess.run(
        ["bash", "--norc", "-c", TAB, "bash", "requests-jwt", *words],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.stderr == "", "what is written while somebody types spoils the line"
    return sorted(filter(None, done.stdout.split("\n")))


def test_the_script_is_complete() -> None:
    """Printed as a whole, with nothing on stderr, for the two shells and for no other."""
    for shell in ("bash", "zsh"):
        done = subprocess.run(
            [SCRIPT, "completion", shell], capture_output=True, text=True, timeout=WAIT, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "_shtab_requests_jwt" in done.stdout


def test_no_such_shell(user: User) -> None:
    """Exit status 2, and which there are."""
    for arguments in (["fish"], []):
        said = user.run("completion", *arguments)
        cause, _ = said.cause_and_remedy()
        assert (said.status, said.out) == (2, "")
        assert "SHELL" in cause or "shell" in cause


@needs_bash
@pytest.mark.usefixtures("two")
class TestBash:
    def test_commands(self) -> None:
        """At the start: all commands, or those that begin like it."""
        assert set(in_bash("")) == COMMANDS
        assert in_bash("lo") == ["login", "logout"]
        assert in_bash("x") == []

    @pytest.mark.parametrize("command", NAMED)
    def test_names(self, command: str) -> None:
        """After a command that takes one: the profiles' names, each once."""
        assert in_bash(command, "") == ["good", "longer-name"]
        assert in_bash(command, "lo") == ["longer-name"]
        assert in_bash(command, "x") == []

    def test_names_after_an_option(self) -> None:
        """An option before the name makes no difference, with a value or without."""
        assert in_bash("status", "--json", "g") == ["good"]
        assert in_bash("token", "--seconds", "60", "g") == ["good"]

    def test_no_names(self) -> None:
        """`init` makes a new one; `profiles` takes none."""
        assert in_bash("init", "") == []
        assert in_bash("profiles", "") == []

    def test_options(self) -> None:
        """After a dash: the options of this command."""
        assert in_bash("status", "good", "-") == ["--help", "--json", "-h"]
        assert in_bash("logout", "--l") == ["--local"]
        assert in_bash("login", "good", "--r") == ["--refresh-token"]
        assert in_bash("--v") == ["--version"]

    def test_values(self) -> None:
        """Where there are a few values to choose from, these."""
        assert in_bash("completion", "") == ["bash", "zsh"]
        assert in_bash("init", "new", "--preset", "s") == ["simplejwt"]
        assert in_bash("init", "new", "--kind", "") == ["bearer", "json", "oauth2"]
        assert in_bash("init", "new", "--store", "f") == ["file"]

    @pytest.mark.parametrize("text", [None, "", "[prod\n"])
    def test_without_profiles(self, two: User, text: str | None) -> None:
        """No file, none in it, or no TOML: nothing to offer, and not a word."""
        two.file.unlink()
        if text is not None:
            two.file.write_text(text, encoding="utf-8")
        assert in_bash("token", "") == []
        assert set(in_bash("")) == COMMANDS

    def test_names_are_not_run(self, two: User) -> None:
        """A profile's name is text, whatever it is; the file may be somebody else's."""
        two.file.write_text(f'["$(touch {two.home}/owned)"]\nx = 1\n', encoding="utf-8")
        in_bash("token", "")
        assert not (two.home / "owned").exists()

    def test_names_are_asked_for_once(self, two: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """Starting Python takes its time at each TAB."""
        shim = two.home / "bin" / "requests-jwt"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\necho "$@" >> {two.home}/log\nexec {SCRIPT} "$@"\n')
        shim.chmod(0o755)
        monkeypatch.setenv("PATH", f"{shim.parent}{os.pathsep}{os.environ['PATH']}")
        assert in_bash("token", "") == ["good", "longer-name"]
        assert (two.home / "log").read_text() == "completion bash\nprofiles --names\n"

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
class TestZsh:
    def test_it_is_zsh(self, two: User) -> None:
        """What is printed can be parsed."""
        script = two.home / "_requests-jwt"
        with script.open("w") as file:
            subprocess.run([SCRIPT, "completion", "zsh"], stdout=file, timeout=WAIT, check=True)
        done = subprocess.run(
            ["zsh", "-n", str(script)], capture_output=True, text=True, timeout=WAIT, check=False
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

    def test_values(self, zsh: Terminal) -> None:
        """Where there are a few values to choose from, these."""
        zsh.press(b"requests-jwt init new --preset sim\t")
        zsh.expect("simplejwt")
        zsh.press(b"--store fi\t")
        zsh.expect("--store file")
