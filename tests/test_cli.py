"""The command line itself; what its commands do is tested with each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.cli import main as cli
from requests_jwt_refresh.cli import scenes
from requests_jwt_refresh.cli.commands import COMMANDS
from tests.support.command_line import SCRIPT, user

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["user"]  # a fixture

ENTRY_POINTS = pytest.mark.parametrize(
    "command",
    [[SCRIPT], [sys.executable, "-m", "requests_jwt_refresh"]],
    ids=["script", "module"],
)


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@ENTRY_POINTS
def test_version(command: list[str]) -> None:
    """--version names the program and the installed version, and nothing else."""
    done = run([*command, "--version"])
    assert done.stdout == f"requests-jwt {version('requests-jwt-refresh')}\n"
    assert (done.stderr, done.returncode) == ("", 0)


@ENTRY_POINTS
def test_help(command: list[str]) -> None:
    """--help lists the commands, gives an example, and calls the program by its own name."""
    done = run([*command, "--help"])
    assert done.stdout.startswith("usage: requests-jwt ")
    assert "examples:\n  requests-jwt demo\n" in done.stdout
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command explains itself within 80 columns: with examples, or with its exit status."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert "examples:\n  " in text or "exit status" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """They can be seen at one look, each with what it does."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    words = " ".join(text.split())
    assert [name for name, what in COMMANDS.items() if f" {name} {what}" not in words] == []


@ENTRY_POINTS
def test_without_a_command(command: list[str]) -> None:
    """No command: the help, on stderr where no pipe takes it for an answer, and exit status 2."""
    done = run(command)
    assert done.stderr.startswith("usage: requests-jwt ")
    assert "requests-jwt demo" in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.parametrize("arguments", [["dmeo"], ["demo", "extra"], ["--nonsense"]])
def test_nonsense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that make no sense: exit status 2, a line of cause and one of remedy."""
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("requests-jwt: ") for line in lines)
    assert lines[1].endswith("--help")


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["stauts"], "there is no such command: did you mean 'status'?"),
        (["hunter2"], "there is no such command"),
        (["status", "prod", "--jsn"], "unrecognized option --jsn: did you mean --json?"),
        (["--jsn", "status"], "unrecognized option --jsn: did you mean --json?"),
        (
            ["token", "prod", "--second=hunter2"],
            "unrecognized option --second: did you mean --seconds?",
        ),
        (
            ["login", "prod", "--user-name", "me"],
            "unrecognized option --user-name: did you mean --username?",
        ),
        (
            ["login", "hunter2", "--refresh_token", "hunter2"],
            "unrecognized option --refresh_token: did you mean --refresh-token?",
        ),
        (["login", "prod", "--password=hunter2"], "unrecognized option --password"),
        (["login", "prod", "-p", "hunter2"], "unrecognized option -p"),
        (["login", "prod", "-phunter2"], "unrecognized arguments"),
        (["login", "prod", "--hunter2"], "unrecognized arguments"),
        (["login", "prod", "hunter2"], "unrecognized arguments"),
        (["status", "--shwo"], "unrecognized option --shwo"),
        (["--versoin"], "unrecognized option --versoin: did you mean --version?"),
        (["status", "prod", "--json=hunter2"], "argument --json: takes no value"),
        (["init", "prod", "--store", "hunter2"], "argument --store: must be one of "),
        (["login", "prod", "--refresh-token", "hunter2"], "argument --refresh-token: only '-' "),
        (["init"], "the following arguments are required: NAME"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_misspelt(arguments: list[str], cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and what is nearest to it; but nothing that may be a secret."""
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    shown, remedy = capsys.readouterr().err.splitlines()
    assert shown.startswith(f"requests-jwt: {cause}")
    assert cause.endswith(" ") or shown.endswith(cause)
    assert remedy.endswith(" --help")
    assert "hunter2" not in shown + remedy


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gitub", "github"),
        ("GitHub", "github"),
        ("EntraID", "entra-id"),
        ("flask_jwt_extended_cookies", "flask-jwt-extended-cookies"),
        ("djangorestframework-simplejwt", "simplejwt"),
        ("Keycloak 26", "keycloak"),
        ("python-flask-jwt-extended-cookies", "flask-jwt-extended-cookies"),
    ],
)
def test_a_misspelt_preset(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest is named, and no other; it may be known by its class or a longer name."""
    with pytest.raises(SystemExit):
        cli.main(["init", "prod", "--preset", typed])
    said = capsys.readouterr().err.splitlines()[0]
    assert (
        said == f"requests-jwt: argument --preset: there is no such name: did you mean '{meant}'?"
    )


@pytest.mark.parametrize(
    ("flag", "typed", "meant", "listed"),
    [
        ("--kind", "clientcredentials", "client-credentials", "json, oauth2, bearer, "),
        ("--store", "fiel", "file", "keyring, file, redis"),
    ],
)
def test_a_misspelt_choice_of_a_few(
    flag: str, typed: str, meant: str, listed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The nearest is named first, and then all: it may have been another."""
    with pytest.raises(SystemExit):
        cli.main(["init", "prod", flag, typed])
    unknown = f"argument {flag}: there is no such name"
    cause = f"{unknown}: did you mean '{meant}'? It must be one of {listed}"
    assert capsys.readouterr().err.startswith(f"requests-jwt: {cause}")


@pytest.mark.parametrize(("happened", "status"), [(True, 0), (False, 1)])
def test_the_demos_exit_status(
    happened: bool, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo's exit status is 0 if all of it happened, else 1."""
    monkeypatch.setattr(scenes, "play_demo", lambda _stream, **_: happened)
    assert cli.main(["demo"]) == status


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends a command with 130, and without a word."""

    def interrupted(_stream: object, **_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(scenes, "play_demo", interrupted)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")


@ENTRY_POINTS
@pytest.mark.parametrize("argument", ["demo", "--version"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_left(command: list[str], argument: str, unbuffered: str) -> None:
    """A broken pipe is quiet, and no success: 141, as a shell reports SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*command, argument],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.stderr, done.returncode) == ("", 141)


HEAVY = {"requests", "keyring", "tomlkit", "shtab", "http.server", "redis"}


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ("--version", set()),
        ("--help", set()),
        ("init --help", set()),
        ("run --help", set()),
        ("completion bash", {"shtab"}),
        ("profiles --path", {"requests"}),
        ("token prod", {"requests"}),
    ],
)
@pytest.mark.usefixtures("user")
def test_what_a_command_imports(arguments: str, needed: set[str]) -> None:
    """What a command needs is loaded when it runs, so that help and completion answer at once."""
    code = (
        "import contextlib, sys\n"
        "from requests_jwt_refresh.cli import main as cli\n"
        "with contextlib.suppress(SystemExit): cli.main(sys.argv[1:])\n"
        "print('imported', *sorted(sys.modules))"
    )
    done = run([sys.executable, "-c", code, *arguments.split()])
    imported = set(done.stdout.splitlines()[-1].split())
    assert HEAVY & imported <= needed
