"""What README.md and the guide show is what happens.

That their blocks run as pasted, tests/test_pasted_blocks.py shows.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import requests_jwt_refresh
from requests_jwt_refresh import JWTRefreshAdapter, JWTRefreshError, presets
from requests_jwt_refresh.cli import main as cli
from requests_jwt_refresh.cli.console import Exit
from requests_jwt_refresh.profiles.load import Profiles
from tests.support.blocks import find_blocks, list_promises
from tests.support.documents import PAGES, ROOT, TEXT

if TYPE_CHECKING:
    from pathlib import Path

NAMES: dict[str, Any] = {
    **{name: getattr(requests_jwt_refresh, name) for name in requests_jwt_refresh.__all__},
    "presets": presets,
}


def test_the_first_example_runs() -> None:
    """The first screen's lines, pasted into Python, print what their comments say."""
    block = next(find_blocks(PAGES["README.md"], "python")).text
    promised = list_promises(block)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (promised, "")
    assert promised == ["200", "1"]


@pytest.mark.parametrize(
    "call",
    re.findall(
        r"`((?:(?:JSON|OAuth2|Bearer)Endpoint|presets\.\w+|(?:Memory|File|Keyring|Redis)Store"
        r"|json_field|bearer_challenge|status)\([^`…]*\))`",
        TEXT,
    ),
)
def test_every_call_in_the_text_can_be_made(call: str) -> None:
    """Each constructor in the tables takes the arguments that it is shown with."""
    assert eval(call, dict(NAMES)) is not None


def test_every_error_is_in_the_table() -> None:
    """Each error class that a user may meet is in the guide's table."""
    errors = {
        name
        for name, value in NAMES.items()
        if isinstance(value, type) and issubclass(value, JWTRefreshError)
    }
    page = PAGES[".github/guide/errors.md"]
    assert {name for name in errors if f"`{name}`" not in page} == set()


def test_every_path_in_a_command_is_there() -> None:
    """The file is in the tree."""
    for path in re.findall(r"(?:tests|requests_jwt_refresh)/[\w/]+\.py", TEXT):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    """To a file in the tree, and to a heading in it."""
    page = ROOT / name
    for path, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", PAGES[name]):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {make_anchor(title) for title in titles}


def make_anchor(title: str) -> str:
    """Return what GitHub calls a heading in a link."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_every_page_of_the_guide_is_linked_from_readme() -> None:
    """README leads to each of them."""
    pages = {name for name in PAGES if name != "README.md"}
    assert {name for name in pages if f"]({name})" not in PAGES["README.md"]} == set()


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_a_profile_shown_is_one(block: str, tmp_path: Path) -> None:
    """The TOML block is read without a complaint."""
    file = tmp_path / "profiles.toml"
    file.write_text(block)
    profile = Profiles.read(file).profile("prod")
    assert profile.login or profile.browser
    assert profile.logout is not None
    assert JWTRefreshAdapter.from_profile("prod", file).base_url == profile.base_url


def test_the_exit_statuses_are_these() -> None:
    """The guide has those that the commands return, and no other."""
    shown = {int(number) for number in re.findall(r"^\| (\d) \| ", TEXT, re.MULTILINE)}
    assert shown == {int(each) for each in Exit} - {Exit.INTERRUPTED, Exit.BROKEN_PIPE}


@pytest.mark.parametrize("line", re.findall(r"`(requests-jwt [^`]*)`", TEXT))
def test_every_command_in_the_text_is_one(line: str) -> None:
    """What follows the program's name is a command of its."""
    with pytest.raises(SystemExit) as left:
        cli.main([line.split()[1], "--help"])
    assert left.value.code == 0
