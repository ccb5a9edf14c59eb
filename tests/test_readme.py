"""What README.md shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import requests_jwt_refresh
from requests_jwt_refresh import JWTRefreshError, presets

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
NAMES: dict[str, Any] = {
    **{name: getattr(requests_jwt_refresh, name) for name in requests_jwt_refresh.__all__},
    "presets": presets,
}


def test_the_first_example_runs() -> None:
    """The first screen's lines, pasted into Python, print what their comments say."""
    block = BLOCKS[0]
    promised = re.findall(r"print\(.*\)  # (\d+)", block)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (promised, "")
    assert promised == ["200", "1"]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_is_python(block: str) -> None:
    """Nothing in a code block is a typing error."""
    compile(block, "README.md", "exec")


@pytest.mark.parametrize(
    "call",
    re.findall(
        r"`((?:(?:JSON|OAuth2|Bearer)Endpoint|presets\.\w+|(?:Memory|File|Keyring|Redis)Store"
        r"|json_field|bearer_challenge|status)\([^`…]*\))`",
        README,
    ),
)
def test_every_call_in_the_text_can_be_made(call: str) -> None:
    """Each constructor in the tables takes the arguments that it is shown with."""
    assert eval(call, dict(NAMES)) is not None


def test_every_error_is_in_the_table() -> None:
    """Whoever meets an error finds it in README."""
    errors = {
        name
        for name, value in NAMES.items()
        if isinstance(value, type) and issubclass(value, JWTRefreshError)
    }
    section = README.split("## When something goes wrong")[1].split("\n## ")[0]
    assert {name for name in errors if f"`{name}`" not in section} == set()


def test_every_link_into_the_tree_leads_somewhere() -> None:
    """A path in a command is there."""
    for path in re.findall(r"(?:tests|requests_jwt_refresh)/[\w/]+\.py", README):
        assert (ROOT / path).is_file(), path
