"""The API reference is whole: a page for each part and preset, and no link that leads nowhere."""

from __future__ import annotations

import html
import inspect
import os
import re
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest
from filelock import FileLock
from pdoc.doc import Class, Module

import requests_jwt_refresh
from requests_jwt_refresh import presets, testing
from requests_jwt_refresh.presets import PRESET_MODULES
from tests.reference.build import MODULES, PACKAGE, load_modules
from tests.reference.docstrings import read_docstring
from tests.reference.links import Page, find_broken_links, read_pages
from tests.reference.shown import is_inner
from tests.support.documents import ROOT
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRESETS: Final = f"{PACKAGE}/presets.html"
KNOWN_TYPES: Final = {
    *requests_jwt_refresh.__all__,
    *testing.__all__,
    *("Any", "ClassVar", "Final", "None", "True", "False", "Literal", "Self", "Callable"),
    *("AbstractContextManager", "Iterable", "Iterator", "Mapping", "Sequence", "ValueError"),
    *("Header", "Cookie"),  # what header() and cookie() make
    "DeviceCode",  # DeviceLogin says what it has
    "Preset",
    *(presets.load(name).endpoint.__name__ for name in PRESET_MODULES),
}


def path_of(module: str) -> str:
    return f"{module.replace('.', '/')}.html"


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
    expected = {*map(path_of, MODULES)}
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


def list_shown(module: str) -> Iterator[Any]:
    """Yield what the page of a module shows, as pdoc knows it."""
    load_modules(module)
    for doc in Module.from_name(module).own_members:
        if not doc.name.startswith("_") and doc.name != "PRESET" and not is_inner(doc):
            yield doc
            members = doc.own_members if isinstance(doc, Class) else []
            yield from (each for each in members if each.name[0] != "_" and not is_inner(each))


# `auto` has no names, and changes a program that imports it.
@pytest.mark.parametrize("module", [each for each in MODULES if each != f"{PACKAGE}.auto"])
def test_each_name_on_a_page_is_explained(module: str) -> None:
    """By a docstring of its own; a field also by that of its class, among the arguments."""
    unexplained = []
    for doc in list_shown(module):
        owner, _, name = doc.qualname.rpartition(".")
        text = doc.docstring if owner else read_docstring(module, name)
        page = inspect.getdoc(getattr(import_module(module), owner)) if owner else None
        is_argument = re.search(rf"^    (?:\w+, )*{name}(?:, \w+)*[:,]", page or "", re.MULTILINE)
        # Fault says what play() does, and answer() is the name of 0.1.
        if not text and not is_argument and name not in ("answer", "play"):
            unexplained.append(doc.qualname)
    assert unexplained == []


@pytest.mark.parametrize("name", [*map(path_of, MODULES), PRESETS])
def test_each_type_can_be_imported_by_users(reference: Path, name: str) -> None:
    """From here, from requests or from the standard library; and none shows where it lies."""
    page = (reference / name).read_text(encoding="utf-8")
    for code in re.findall(r'<div class="attr \w+">(.*?)</div>', page, re.DOTALL):
        text = re.sub(r"'[^']*'|\"[^\"]*\"", "", html.unescape(re.sub(r"<[^>]+>", "", code)))
        assert not re.search(r"requests_jwt_refresh\.|<|\b(?:models|sessions|typing)\.|\b0x", text)
        name, _, value = text.strip().partition(" = ")
        assert name != value, "what it is, and not its name again"
        found = {*re.findall(r"(?<![\w.])[A-Z]\w*[a-z]\w*", text)}
        assert found <= KNOWN_TYPES


@pytest.mark.parametrize(
    ("page", "inner"),
    [
        (f"{PACKAGE}.html", "DPoP.carry PasswordLogin.bind JSONEndpoint.ask FileStore.reserve"),
        (f"{PACKAGE}.html", "TokenResponse.login_words"),
        (f"{PACKAGE}/errors.html", "capitalize JWTRefreshError.about"),
        (f"{PACKAGE}/httpie.html", "HTTPieAdapter JWTAuthPlugin"),
        (f"{PACKAGE}/presets/strava.html", "is_refused Strava.rejected"),
        (f"{PACKAGE}/testing.html", "Gate.pass_through Gate.__init__"),
        (PRESETS, "Preset.login_of"),
    ],
)
def test_what_no_user_calls_is_left_out(reference: Path, page: str, inner: str) -> None:
    """By the rules of tests/reference/shown.py."""
    assert {*inner.split()} & read(reference, page).anchors == set()


def test_what_users_call_is_not_left_out(reference: Path) -> None:
    """The verbs of the adapter, of a store, and of those who write an endpoint or a fault."""
    shown = read(reference, f"{PACKAGE}.html").anchors
    assert {f"JWTRefreshAdapter.{verb}" for verb in ("refresh", "set_token", "token")} <= shown
    assert {f"{kind}.load" for kind in ("TokenStore", "FileStore", "RedisStore")} <= shown
    assert {"Endpoint.ask", "ServerMetadata.discover", "BrowserLogin.__init__"} <= shown
    served = read(reference, f"{PACKAGE}/testing.html").anchors
    assert {"Fault.play", "Exchange.work", "AuthServer.gate", "Counters.rotated"} <= served


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
