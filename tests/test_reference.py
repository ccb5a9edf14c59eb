"""The API reference is whole: a page for each part and preset, and no link that leads nowhere."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from filelock import FileLock

import requests_jwt_refresh
from requests_jwt_refresh import presets, testing
from requests_jwt_refresh.presets import PRESET_MODULES
from tests.reference.build import MODULES, PACKAGE
from tests.reference.links import Page, find_broken_links, read_pages
from tests.support.documents import ROOT
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from pathlib import Path

PRESETS: Final = f"{PACKAGE}/presets.html"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the reference, built by its command once for all processes of a run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "reference"
    with FileLock(f"{folder}.lock", timeout=4 * WAIT):
        if not (folder / "index.html").exists():
            done = subprocess.run(
                [sys.executable, "-W", "error", "-m", "tests.reference", str(folder)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=3 * WAIT,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, "")
    return folder


def read(folder: Path, name: str) -> Page:
    return Page((folder / name).read_text(encoding="utf-8"))


def test_each_module_has_its_page(reference: Path) -> None:
    """Those that users need, each preset among them, and none of what is private."""
    found = {path.relative_to(reference).as_posix() for path in reference.rglob("*.html")}
    expected = {f"{name.replace('.', '/')}.html" for name in MODULES}
    assert found == expected | {"index.html", PRESETS}


def test_each_preset_is_linked_from_their_page(reference: Path) -> None:
    """And stands on a page of its own alone."""
    page = read(reference, PRESETS)
    assert {f"presets/{module}.html" for module in PRESET_MODULES.values()} <= page.links
    for name in PRESET_MODULES:
        preset = presets.load(name).endpoint.__name__
        assert preset in read(reference, f"{PACKAGE}/presets/{PRESET_MODULES[name]}.html").anchors
        assert preset not in page.anchors


@pytest.mark.parametrize(
    ("page", "names"),
    [
        (f"{PACKAGE}.html", {*requests_jwt_refresh.__all__} - {"presets"}),
        (f"{PACKAGE}/testing.html", {*testing.__all__}),
        (PRESETS, {"PRESET_MODULES", "Preset", "load"}),
        (f"{PACKAGE}/pytest_plugin.html", {"jwt_server"}),
    ],
)
def test_each_public_name_is_there(reference: Path, page: str, names: set[str]) -> None:
    """With its own place on the page of its module."""
    assert names - read(reference, page).anchors == set()


def test_every_link_within_it_leads_somewhere(reference: Path) -> None:
    """To a page, and to a place on it."""
    assert sum(len(page.links) for page in read_pages(reference).values()) > len(MODULES)
    assert find_broken_links(reference) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """To a page that is not there, or to no place on one that is."""
    links = '<a href="no.html">1</a><a href="#no">2</a><a href="#yes" id="yes">3</a>'
    (tmp_path / "page.html").write_text(links + '<a href="https://example.com/#no">4</a>')
    assert find_broken_links(tmp_path) == ["page.html -> #no", "page.html -> no.html"]


def test_what_is_found_by_searching_is_there(reference: Path) -> None:
    """Names and texts are in the search index."""
    index = (reference / "search.js").read_text(encoding="utf-8")
    for name in ("JWTRefreshAdapter.set_token", "presets.github.GitHub", "testing.AuthServer.fail"):
        assert f'"{PACKAGE}.{name}"' in index
