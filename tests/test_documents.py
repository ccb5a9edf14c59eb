"""What ARCHITECTURE.md and tests/__init__.py say of files is so, and what docstrings show."""

from __future__ import annotations

import doctest
import importlib
import re
from itertools import chain
from pathlib import Path

import pytest

import requests_jwt_refresh
from requests_jwt_refresh.presets import PRESET_MODULES
from tests import HOUSEKEEPING, PROMISES

TESTS = Path(__file__).parent
ROOT = TESTS.parent
ARCHITECTURE = (ROOT / ".github" / "ARCHITECTURE.md").read_text(encoding="utf-8")
PACKAGE = Path(requests_jwt_refresh.__file__).parent
WITH_EXAMPLES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if ">>> " in file.read_text(encoding="utf-8")
)
NAMED = sorted({*chain.from_iterable(PROMISES.values()), *HOUSEKEEPING})


@pytest.mark.parametrize("name", NAMED)
def test_each_named_test_file_exists(name: str) -> None:
    """What is said to hold a promise is there."""
    assert (TESTS / f"{name}.py").is_file()


@pytest.mark.parametrize("name", sorted(file.stem for file in TESTS.glob("test_*.py")))
def test_each_test_file_holds_a_promise(name: str) -> None:
    """A new test file says which promise it is about."""
    assert name in NAMED


def test_each_promise_has_its_tests() -> None:
    """The promises of ARCHITECTURE.md are those that tests/__init__.py maps to files."""
    section = ARCHITECTURE.split("\n## Promises\n")[1]
    assert re.findall(r"^\*\*(.+?)\.\*\*", section, re.MULTILINE) == list(PROMISES)


def test_the_tree_is_the_packages() -> None:
    """ARCHITECTURE.md has a line for each module, and for none that is gone."""
    modules = {str(file.relative_to(PACKAGE).as_posix()) for file in PACKAGE.rglob("*.py")}
    # The docstring of a folder's own module is what its line in the tree says, and one line is
    # enough for all presets, whose names say what they are.
    folders = {module for module in modules if module.endswith("/__init__.py")}
    servers = {f"presets/{module}.py" for module in PRESET_MODULES.values()}
    assert set(_files_in_the_tree()) == modules - folders - servers


def test_each_rule_has_a_file() -> None:
    """The files to open first are there."""
    section = ARCHITECTURE.split("\n## Which file to open first\n")[1].split("\n## ")[0]
    paths = re.findall(r"`(requests_jwt_refresh/[\w/]+\.py)`", section)
    assert paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_each_example_is_true(name: str) -> None:
    """What a docstring shows after >>> is what Python answers."""
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted > 0
    assert failed == 0


def _files_in_the_tree() -> list[str]:
    """Return the paths of the modules that ARCHITECTURE.md lists, below the package."""
    block = ARCHITECTURE.split("\n## The tree\n")[1].split("```")[1]
    lines = block.split("\ntests/")[0].split("requests_jwt_refresh/\n")[1].splitlines()
    folder, files = "", []
    for line in lines:
        indent, name = re.match(r"( *)(\S+)", line).groups()  # type: ignore[union-attr]
        folder = folder if len(indent) > len("  ") else ""
        if name.endswith("/"):
            folder = name
        else:
            files.append(folder + name)
    return files
