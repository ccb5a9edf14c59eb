"""What `requests-jwt run` changes in a Python, and Pythons that shut it out or do not have it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from requests_jwt_refresh.cli.run import SITE
from tests.support.programs import (
    CALL,
    COMMAND,
    SCRIPTS,
    ProgramResult,
    Workspace,
    warm_command,
    warm_programs,
    workspace,
)

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")


def surroundings(ended: ProgramResult) -> dict[str, Any]:
    assert ended.errors == ""
    found: dict[str, Any] = json.loads(ended.output.splitlines()[1])
    return found


@pytest.mark.parametrize(
    "own",
    [None, str(SCRIPTS / "own_site"), "", ":/nowhere", "relative"],
    ids=["none", "one with a sitecustomize", "empty", "two entries", "relative"],
)
def test_surroundings(own: str | None, workspace: Workspace) -> None:
    """The program sees its own sys.path, modules and environment, but for six variables."""
    extra = {} if own is None else {"PYTHONPATH": own}
    plain = surroundings(workspace.plain("sees_surroundings.py", "/public/x", **extra))
    with_us = surroundings(workspace.run("sees_surroundings.py", "/api/x", **extra))
    assert workspace.server.counters.answered == 1
    before, after = plain.pop("environment"), with_us.pop("environment")
    added = {name: value for name, value in after.items() if before.get(name) != value}
    assert added == {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(SITE), own])),
        "REQUESTS_JWT_PROFILE": "prod",
        "REQUESTS_JWT_ACCOUNT": "prod=default",
        "REQUESTS_JWT_LOGGED_IN": "prod",
        "REQUESTS_JWT_LIBRARY": added.get("REQUESTS_JWT_LIBRARY"),
        "REQUESTS_JWT_COMMAND": COMMAND,
    }
    assert before.keys() <= after.keys()
    modules = set(with_us.pop("modules")) ^ set(plain.pop("modules"))
    assert modules == (set() if plain["site"] else {"sitecustomize"})
    site = str(SITE / "sitecustomize.py")
    assert with_us.pop("site") == (plain.pop("site") or site)
    assert with_us == plain


def test_a_sitecustomize_of_the_users_own(workspace: Workspace) -> None:
    """The sitecustomize that ours hides is run, once, under its own name, and stays."""
    own = str(SCRIPTS / "own_site")
    code = f"{CALL}; print(sys.own_sitecustomize_ran, sys.modules['sitecustomize'].__file__)"
    ended = workspace.run("-c", code, PYTHONPATH=own)
    assert ended == ProgramResult(0, f"200\n1 {own}/sitecustomize.py\n", "")


@pytest.mark.parametrize(
    "body", ["raise ValueError('mine')", "import no_such_module", "raise ImportError('mine')"]
)
def test_a_sitecustomize_that_fails(body: str, workspace: Workspace) -> None:
    """A broken sitecustomize of the user's own is reported as Python does, and hinders nothing."""
    (workspace.folder / "sitecustomize.py").write_text(body, encoding="utf-8")
    plain = workspace.plain("-c", "print(1)", PYTHONPATH=str(workspace.folder))
    assert "Error in sitecustomize" in plain.errors
    assert workspace.run_with_path("-c", "print(1)") == plain
    assert workspace.run_with_path("-c", CALL).output == "200\n"


def test_a_sitecustomize_that_makes_calls(workspace: Workspace) -> None:
    """A sitecustomize of the user's own that uses requests gets the token, as all the rest."""
    (workspace.folder / "sitecustomize.py").write_text(CALL, encoding="utf-8")
    assert workspace.run_with_path("-c", CALL) == ProgramResult(0, "200\n200\n", "")


def test_warnings_as_errors_everywhere(workspace: Workspace) -> None:
    """With PYTHONWARNINGS=error not a word from us, and all works."""
    ended = workspace.run("-c", CALL, PYTHONWARNINGS="error")
    assert ended == ProgramResult(0, "200\n", "")


def test_a_package_that_is_called_requests_too(workspace: Workspace, tmp_path: Path) -> None:
    """A program's own package of that name is left alone."""
    package = tmp_path / "requests"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sessions.py").write_text("mine = 1\n")
    (tmp_path / "main.py").write_text("import requests.sessions\nprint(requests.sessions.mine)\n")
    assert workspace.run("main.py", folder=tmp_path) == ProgramResult(0, "1\n", "")


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
def test_an_isolated_python(options: list[str], workspace: Workspace) -> None:
    """Python that ignores PYTHONPATH or site: one warning, and the script runs as without us."""
    venv_less = [*options, "-c", "import sys; print(sys.flags)"]
    plain = workspace.plain(*venv_less)
    with_us = workspace.run(*venv_less)
    assert with_us.without_ours() == plain
    assert "disables" in with_us.warning()


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
def test_a_python_that_is_not_isolated(options: list[str], workspace: Workspace) -> None:
    """Options that shut out nothing give no warning."""
    assert workspace.run(*options, "-c", CALL) == ProgramResult(0, "200\n", "")


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of another environment, which has requests and nothing of ours."""
    folder = tmp_path_factory.mktemp("other") / "venv"
    venv.create(folder, symlinks=True)
    python = str(folder / "bin" / "python")
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    for name in ("requests", "urllib3", "idna", "certifi", "charset-normalizer"):
        files = [each for each in metadata.files(name) or [] if ".." not in each.parts]
        for file in files:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), site / file)
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
def test_another_environments_python(
    arguments: list[str], other_python: str, workspace: Workspace
) -> None:
    """A Python that does not have this library gets tokens as well."""
    public = [each.replace("/api/x", "/public/x") for each in arguments]
    plain = workspace.start([other_python, *public])
    command = ("run", "prod", "--", other_python, *arguments)
    with_us = workspace.command(*command, at_wait=lambda _: workspace.server.expire())
    assert with_us.masked() == plain
    assert (workspace.server.counters.refreshes, workspace.server.counters.reuse) == (1, 0)


def test_what_another_environment_sees(other_python: str, workspace: Workspace) -> None:
    """Its sys.path is its own, and it finds no package of ours but what this library needs."""
    plain = surroundings(workspace.start([other_python, "sees_surroundings.py", "/public/x"]))
    command = ("run", "prod", "--", other_python)
    with_us = surroundings(workspace.command(*command, "sees_surroundings.py", "/api/x"))
    assert with_us["before"] == plain["before"]
    assert with_us["path"] == plain["path"]
    code = f"{CALL}\ntry:\n    import flask\nexcept ImportError:\n    print('none')\n"
    ended = workspace.command(*command, "-c", code)
    assert ended == ProgramResult(0, "200\nnone\n", "")


def test_a_python_that_cannot_load_us(workspace: Workspace) -> None:
    """Where this library does not load: the script runs as without us."""
    arguments = ["starts_subprocess.py", "/api/x"]
    plain, with_us = workspace.plain(*arguments), run_unloadable(workspace, *arguments)
    assert with_us.without_ours() == plain
    assert "too old" in with_us.errors


def test_a_python_that_cannot_load_us_says_so_once(workspace: Workspace) -> None:
    """Where this library does not load, each process says so once."""
    assert "too old" in run_unloadable(workspace, "module_level.py", "/api/x").warning()


def run_unloadable(workspace: Workspace, *arguments: str) -> ProgramResult:
    """Run Python under `run` with a library in its path that cannot be loaded."""
    broken = workspace.folder / "requests_jwt_refresh"
    (broken / "inject").mkdir(parents=True)
    (broken / "inject" / "__init__.py").touch()
    (broken / "__init__.py").write_text("raise RuntimeError('too old')", encoding="utf-8")
    return workspace.run_with_path(*arguments)
