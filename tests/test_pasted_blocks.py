"""What README and the guide show to be pasted runs as pasted, from the top of a page downwards.

Example hosts are played by a proxy; nothing reaches a network.
"""

from __future__ import annotations

import os
import re
import shlex
from configparser import ConfigParser
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from requests_jwt_refresh.cli.main import _make_parser
from requests_jwt_refresh.profiles.load import Profiles
from tests.support.blocks import find_blocks, join_python, list_promises, run_pasted
from tests.support.documents import ROOT
from tests.support.internet import Internet, every_host, internet, make_json_answer

__all__ = ["every_host", "internet"]  # fixtures

DOCUMENTS: Final = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / ".github").rglob("*.md"))]
}
# Pages whose blocks have tests of their own, since each is tried with more than one run.
ELSEWHERE: Final = {
    ".github/guide/moving-over.md": "test_moving_over",
    ".github/guide/recipes.md": "test_recipes",
}
WITH_PYTHON: Final = [
    name for name, text in DOCUMENTS.items() if join_python(text) and name not in ELSEWHERE
]
LANGUAGES: Final = {"python", "console", "text", "sh", "toml", "yaml", "ini", "mermaid", ""}
TOKENS: Final = {"access_token": "eyJ.a.b", "access": "eyJ.a.b", "refresh_token": "r"}


def list_blocks(language: str) -> list[Any]:
    """Return the texts in this language, each as a parameter that is named after its place."""
    return [
        pytest.param(block.text, id=f"{name}:{block.line}")
        for name, text in DOCUMENTS.items()
        for block in find_blocks(text, language)
    ]


def list_commands() -> list[str]:
    """Return what follows the name of our command, wherever a terminal shows that it is typed."""
    text = "\n".join(parameter.values[0] for parameter in list_blocks("console"))
    return re.findall(
        r"(?:^\s*|\$ |/|\$\()requests-jwt ([^)&|\n]*)", text.replace("\\\n", " "), re.MULTILINE
    )


@pytest.fixture
def environment(internet: Internet, tmp_path: Path) -> dict[str, str]:
    """What a reader has: a keyring, the first profile that the guide shows, and these hosts."""
    internet.usual_answer = make_json_answer(**TOKENS)
    profile = next(find_blocks(DOCUMENTS[".github/guide/profiles.md"], "toml"))
    (tmp_path / "profiles.toml").write_text(profile.text, encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    foreign = re.compile(r"(?i)xdg_.*|requests_jwt.*|.*_proxy|pytest_.*")
    return {
        **{name: value for name, value in os.environ.items() if not foreign.fullmatch(name)},
        **internet.environment(),
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PYTHON_KEYRING_BACKEND": "tests.support.working_keyring.WorkingKeyring",
        "REQUESTS_JWT_PROFILES": str(tmp_path / "profiles.toml"),
    }


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_a_page_runs_as_pasted(name: str, environment: dict[str, str], tmp_path: Path) -> None:
    """All its Python blocks, one after the other; each print() says in a comment what it prints."""
    program = join_python(DOCUMENTS[name])
    printed = run_pasted(program, tmp_path, f"{Path(name).stem.replace('-', '_')}.py", environment)
    assert printed == list_promises(program)


def test_no_block_is_left_out() -> None:
    """Each Python block of a page runs; one that cannot would say why, and be listed here."""
    reasons = {
        (name, block.reason)
        for name, text in DOCUMENTS.items()
        for block in find_blocks(text)
        if block.reason
    }
    assert reasons == set()


def test_pages_with_tests_of_their_own_have_them() -> None:
    """The file is there, and is about that page."""
    for name in ELSEWHERE.keys() & DOCUMENTS.keys():
        tests = ROOT / "tests" / f"{ELSEWHERE[name]}.py"
        assert Path(name).name in tests.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_block_says_what_it_is(name: str) -> None:
    """So that no Python block is missed for a misspelt name, and none is left open."""
    found = list(find_blocks(DOCUMENTS[name]))
    assert {block.language for block in found} <= LANGUAGES
    assert len(re.findall(r"^ *```", DOCUMENTS[name], re.MULTILINE)) == 2 * len(found)


@pytest.mark.parametrize("block", list_blocks("toml"))
def test_every_profile_can_be_read(block: str, tmp_path: Path) -> None:
    """A block of TOML is a file of profiles."""
    file = tmp_path / "profiles.toml"
    file.write_text(block, encoding="utf-8")
    profiles = Profiles.read(file)
    assert [profiles.profile(name) for name in profiles.names]


@pytest.mark.parametrize("block", list_blocks("yaml"))
def test_every_yaml_can_be_read(block: str) -> None:
    """A block of YAML is a document with something in it."""
    assert isinstance(yaml.safe_load(block), dict)


@pytest.mark.parametrize("command", list_commands())
def test_every_command_takes_its_options(command: str) -> None:
    """A line of a terminal that calls requests-jwt is one that it understands."""
    arguments = shlex.split(command.partition(" -- ")[0])
    assert _make_parser(arguments[0]).parse_args(arguments)


@pytest.mark.parametrize("block", list_blocks("console"))
def test_every_module_and_extra_in_a_command_is_there(block: str) -> None:
    """What `python -m` runs, and what pip installs with us."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    for module in re.findall(r"python -m (tests[\w.]*)", block):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    for names in re.findall(r"'\.\[([\w,]+)\]'", block):
        assert set(names.split(",")) <= config["options.extras_require"].keys()
