"""`requests-jwt run` in environments that are not ours: it works, or two lines say why not.

Never is a program worse off than without `run`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from requests_jwt_refresh.inject.hook import FallbackFinder
from requests_jwt_refresh.profiles.load import parse_toml
from tests.support.programs import (
    CALL,
    START,
    ProgramResult,
    Workspace,
    warm_command,
    warm_programs,
    workspace,
)

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

OWN_SITE = "import sys\nsys.own_site = 'mine'\n"
# A package requests as old Pythons have it, as far as it matters here.
OLD_PACKAGE = {"__init__.py": "from . import sessions\n", "sessions.py": "class Session: pass\n"}


def find_python(version: str) -> str:
    """Return a Python of that version. Skips the test if there is none on this machine."""
    names = [shutil.which(f"python{version}")]
    root = Path(os.environ.get("PYENV_ROOT", Path("~/.pyenv").expanduser()))
    names += map(str, sorted(root.glob(f"versions/{version}.*/bin/python")))
    for name in filter(None, names):
        command = [name, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        if done.stdout.strip() == version:
            return name
    pytest.skip(f"there is no Python {version} on this machine")


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7", "3.8", "3.9"])
def test_a_python_that_is_too_old(version: str, workspace: Workspace) -> None:
    """It runs its own sitecustomize; who imports requests there is told why, in two lines."""
    python = find_python(version)
    (workspace.folder / "sitecustomize.py").write_text(OWN_SITE, encoding="utf-8")
    (workspace.folder / "requests").mkdir()
    for name, text in OLD_PACKAGE.items():
        (workspace.folder / "requests" / name).write_text(text, encoding="utf-8")
    workspace.environment["PYTHONPATH"] = str(workspace.folder)
    command = (python, "-c", "import sys; print(sys.own_site); sys.exit(3)")
    assert workspace.command("run", "prod", "--", *command) == ProgramResult(3, "mine\n", "")
    command = (python, "-c", "import requests, sys; print(sys.own_site)")
    ended = workspace.command("run", "prod", "--", *command)
    assert (ended.status, ended.output) == (0, "mine\n")
    assert f"this is Python {version}, and" in ended.warning()
    assert ended.without_ours().errors == ""


@pytest.mark.parametrize("error", ["import no_such_module", "raise ValueError('mine')"])
def test_an_old_python_reports_a_broken_sitecustomize(error: str, workspace: Workspace) -> None:
    """A fault in the user's own sitecustomize is reported as without us."""
    python = find_python("2.7")
    (workspace.folder / "sitecustomize.py").write_text(error, encoding="utf-8")
    workspace.environment["PYTHONPATH"] = str(workspace.folder)
    plain = workspace.start((python, "-c", "print(1)"))
    ended = workspace.command("run", "prod", "--", python, "-c", "print(1)")
    assert ended == plain


# As opentelemetry-instrument does: a folder of its own goes first, whose sitecustomize runs no
# other.
LAUNCHER = """
import os, sys
own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launcher_site")
path = os.environ.get("PYTHONPATH")
os.environ["PYTHONPATH"] = os.pathsep.join([own, os.getcwd(), *filter(None, [path])])
os.{exec}
"""
EXECS = [
    "execl(sys.argv[1], *sys.argv[1:])",
    "execv(sys.argv[1], sys.argv[1:])",
    "execvp(sys.argv[1], sys.argv[1:])",
    "execvpe(sys.argv[1], sys.argv[1:], os.environ)",
    "execle(sys.argv[1], *sys.argv[1:], dict(os.environ))",
    "spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])",
]


@pytest.mark.parametrize("call", EXECS, ids=lambda call: call.partition("(")[0])
def test_a_launcher_with_a_sitecustomize_of_its_own(call: str, workspace: Workspace) -> None:
    """What it starts gets tokens, and the launcher's sitecustomize runs as well."""
    (workspace.folder / "launcher_site").mkdir()
    site = workspace.folder / "launcher_site" / "sitecustomize.py"
    site.write_text("import sys\nsys.launched = 'launched'\n", encoding="utf-8")
    launcher = workspace.folder / "launcher.py"
    launcher.write_text(LAUNCHER.format(exec=call), encoding="utf-8")
    code = f"{CALL}; print(sys.launched)"
    ended = workspace.run(str(launcher), sys.executable, "-c", code)
    assert ended == ProgramResult(0, "200\nlaunched\n", "")


def test_an_exec_that_is_not_concerned(workspace: Workspace) -> None:
    """Without such a folder, what a program execs has the environment that the program gave it."""
    show = "import os; print(os.environ['PYTHONPATH'])"
    code = (
        "import os, sys\n"
        "os.environ['PYTHONPATH'] = '/nowhere:' + os.environ['PYTHONPATH']\n"
        f"os.execv(sys.executable, [sys.executable, '-c', {show!r}])\n"
    )
    assert workspace.run("-c", code).output.startswith("/nowhere:")
    bad = "import os, sys\nos.execve(sys.executable, [sys.executable], 7)\n"
    assert workspace.run("-c", bad).status == workspace.plain("-c", bad).status == 1


@pytest.mark.parametrize("name", ["filelock", "platformdirs", "secrets"])
@pytest.mark.parametrize("is_package", [False, True], ids=["module", "package"])
@pytest.mark.parametrize("is_first", [False, True], ids=["later", "before"])
def test_a_module_of_the_programs_own(
    name: str, is_package: bool, is_first: bool, workspace: Workspace, tmp_path: Path
) -> None:
    """It stays the program's, which alone imports it; two lines say what it hides."""
    folder = tmp_path / "program"
    file = folder / name / "__init__.py" if is_package else folder / f"{name}.py"
    file.parent.mkdir(parents=True)
    file.write_text("mine = 'mine'\nprint('imported')\n", encoding="utf-8")
    lines = [f"import {name}\nprint({name}.mine)", "print(requests.get(url).status_code)"]
    text = START + "\n".join(lines if is_first else reversed(lines))
    (folder / "main.py").write_text(text, encoding="utf-8")
    plain = workspace.plain("main.py", folder=folder)
    ended = workspace.run("main.py", folder=folder)
    if "200" in ended.output:  # not needed, or there already
        assert ended.errors == ""
        assert ended.output.replace("200", "401") == plain.output
    else:
        assert ended.without_ours() == plain
        assert str(file) in ended.warning()


def test_a_hidden_module_is_named(workspace: Workspace, tmp_path: Path) -> None:
    """A filelock.py beside the program: two lines that name it."""
    (tmp_path / "filelock.py").write_text("print('imported')", encoding="utf-8")
    (tmp_path / "main.py").write_text(CALL, encoding="utf-8")
    ended = workspace.run("main.py", folder=tmp_path)
    assert (ended.status, ended.output) == (0, "401\n")
    assert f"{tmp_path}/filelock.py hides the module 'filelock'" in ended.warning()


@pytest.mark.parametrize(
    ("file", "script"),
    [
        ("requests_jwt_refresh.py", "requests_jwt_refresh.py"),
        ("requests_jwt_refresh.py", "main.py"),
        ("requests_jwt_refresh/__init__.py", "main.py"),
    ],
)
def test_a_program_with_the_name_of_this_library(
    file: str, script: str, workspace: Workspace, tmp_path: Path
) -> None:
    """It runs once, as without us; two lines say what is in the way."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    for name in {file, script}:
        (tmp_path / name).write_text(f"print('runs')\n{CALL}", encoding="utf-8")
    ended = workspace.run(script, folder=tmp_path)
    assert ended.without_ours() == workspace.plain(script, folder=tmp_path)
    assert f"{tmp_path / file} hides the module 'requests_jwt_refresh'" in ended.warning()


@pytest.mark.parametrize(("package", "version"), [("requests", "2.19.1"), ("urllib3", "1.24.3")])
def test_a_package_that_is_too_old(package: str, version: str, workspace: Workspace) -> None:
    """An environment's old requests or urllib3: two lines name it, and what to upgrade."""
    code = f"{START}import {package}\n{package}.__version__ = {version!r}\n{CALL}"
    ended = workspace.run("-c", code)
    assert (ended.status, ended.output) == (0, "401\n")
    warning = ended.warning()
    assert f"{package} {version} is too old" in warning
    assert f"-m pip install --upgrade {package}" in warning


def test_a_python_without_a_toml_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.10 has none of its own, nor is one lent to it that a newer Python does not need."""
    monkeypatch.setattr(sys, "version_info", (3, 10, 0, "final", 0))
    monkeypatch.setitem(sys.modules, "tomli", None)
    assert parse_toml("[prod]\nrefresh = {kind = 'json'}") == (
        {"prod": {"refresh": {"kind": "json"}}},
        "",
    )
    assert parse_toml("[prod")[1] != ""


def find_requirements(name: str, found: set[str]) -> set[str]:
    """Return all distributions that one needs, as far as they are installed."""
    if name not in found:
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            return found
        found.add(name)
        for line in lines:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": "redis"}):
                find_requirements(requirement.name, found)
    return found


def test_all_that_we_need_is_found_for_another_python() -> None:
    """The list of what may be lent to a Python that lacks it has all that is installed for us."""
    lent = find_requirements("requests-jwt-refresh", set())
    lent -= find_requirements("requests", set())
    lent.remove("shtab")  # for the command line alone
    for name in lent - {"requests-jwt-refresh"}:
        files = metadata.files(name) or []
        modules = {
            each.parts[0].partition(".")[0]
            for each in files
            if each.suffix in (".py", ".so")
            and not re.search(r"[.-](dist-info|egg-info|libs)|^\.\.|^_distutils", str(each))
        }
        assert modules <= FallbackFinder.names, name
