"""Each public name has an example, and each example in a public docstring runs.

They run with the names that the package's page says, and that of its `testing`.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

import requests_jwt_refresh
from requests_jwt_refresh import (
    JSONEndpoint,
    MemoryStore,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    TokenResponse,
    mount,
    presets,
    testing,
)
from requests_jwt_refresh.testing import AuthServer, StoreContract
from tests.reference.docstrings import list_members, read_docstring
from tests.support.blocks import join_python, run_pasted
from tests.support.internet import Internet, every_host, internet, make_json_answer
from tests.support.keyrings import DictKeyring, use_keyring
from tests.test_documents import WITH_EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["every_host", "internet"]  # fixtures

PACKAGES: Final = (requests_jwt_refresh, presets, testing)
OTHER_PAGES: Final = ("auto", "errors", "events", "httpie", "pytest_plugin", "testing.server")
# Each runs its script in tests/test_preset_pages.py.
PRESETS: Final = {presets.load(name).endpoint.__name__ for name in presets.PRESET_MODULES}
WITHOUT: Final = {
    "Reply": "the name of TokenResponse in 0.1",
    "presets.Preset": "made by this package's own modules, and got by load()",
    "testing.Answer": "the name of ServerResponse in 0.1",
    "testing.SeenRequest": "the name of RecordedRequest in 0.1",
}
"""The public names without an example, and why they need none."""
SHOWN_BY: Final = {
    "Endpoint": "def ask",
    "Event": "on_event=",
    "JWTRefreshError": "RefreshRejected",
    "Matcher": "when=",
    "TokenStore": "def load",
    "testing.Counters": "server.counters",
    "testing.Exchange": "exchange.encode",
    "testing.Fault": "def play",
    "testing.Gate": "server.gate",
    "testing.Headers": "headers",
    "testing.Kind": "each.kind",
    "testing.RecordedRequest": "server.requests",
    "testing.ServerOptions": "AuthServer(",
    "testing.Target": "on=",
}
"""What shows a name of which users write their own, or that they get and do not call."""


def list_names() -> Iterator[tuple[str, str, str]]:
    """Yield each public name but the presets: in full, its package's and its own."""
    for package in PACKAGES:
        for name in package.__all__:
            if name not in PRESETS:
                full = f"{package.__name__}.{name}"
                yield full.removeprefix("requests_jwt_refresh."), package.__name__, name


def list_docstrings() -> Iterator[tuple[str, str]]:
    """Yield all public docstrings but the presets', each by its full name."""
    for package in PACKAGES:
        yield f"the package {package.__name__}", inspect.getdoc(package) or ""
    for page in OTHER_PAGES:  # read, since `auto` changes a program that imports it
        source = Path(str(find_spec(f"requests_jwt_refresh.{page}").origin))  # type: ignore[union-attr]
        yield f"the page {page}", ast.get_docstring(ast.parse(source.read_text("utf-8"))) or ""
    yield "jwt_server", read_docstring("requests_jwt_refresh.pytest_plugin", "jwt_server")
    for full, package_name, name in list_names():
        yield full, read_docstring(package_name, name)
        for member, value in list_members(package_name, name):
            yield f"{full}.{member}", inspect.getdoc(value) or ""


NAMES: Final = [full for full, _, _ in list_names()]
DOCSTRINGS: Final = dict(list_docstrings())
EXAMPLES: Final = {
    name: program for name, text in DOCSTRINGS.items() if (program := join_python(text))
}
# What pytest collects is run by pytest, as a reader would.
_TEST: Final = re.compile(r"^(?:def t|class T)est", re.MULTILINE)
TESTS: Final = [name for name, program in EXAMPLES.items() if _TEST.search(program)]

# The errors that a program meets by itself alone; the others need a server or a disk that fails.
MET: Final = [
    "DiscoveryError",
    "InsecureURL",
    "InvalidToken",
    "InvalidURL",
    "LockTimeout",
    "ProfileError",
    "ReentrantRefresh",
]


@pytest.fixture
def names(
    internet: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """What an example may use; its hosts give tokens, and it has a keyring and a key."""
    internet.usual_answer = make_json_answer(access_token="new", refresh_token="r")
    use_keyring(monkeypatch, DictKeyring())
    monkeypatch.chdir(tmp_path)
    for name, value in internet.environment().items():
        monkeypatch.setenv(name, value)
        monkeypatch.delenv(name.lower(), raising=False)
    from joserfc.jwk import ECKey

    (tmp_path / "my-client.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    public = {name: getattr(requests_jwt_refresh, name) for name in requests_jwt_refresh.__all__}
    served = {name: getattr(testing, name) for name in testing.__all__}
    imported = {"requests": requests, "pytest": pytest, "ThreadPoolExecutor": ThreadPoolExecutor}
    with requests.Session() as session, requests.Session() as other:
        adapter = mount(
            other,
            "https://api.example.com",
            JSONEndpoint("/auth/refresh"),
            MemoryStore(Token("access", "refresh")),
        )
        yield {**served, **public, **imported, "session": session, "adapter": adapter}


@pytest.fixture
def served(names: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same for the examples of `testing`, with a server that a client is logged in to."""
    with AuthServer() as server, requests.Session() as client:
        adapter = mount(client, server.url, JSONEndpoint("/auth/refresh"), MemoryStore())
        adapter.set_token(server.login())
        yield {**names, "server": server, "client": client, "adapter": adapter}


# --- They run ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning")  # their sessions stay open
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in TESTS])
def test_an_example_runs(
    name: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands, with the names that its page says; an error's gets to its except clause."""
    fixture = "served" if name.startswith("testing.") else "names"
    exec(compile(EXAMPLES[name], name, "exec"), request.getfixturevalue(fixture))
    if name in MET:
        assert capsys.readouterr().out


@pytest.mark.parametrize("name", TESTS)
def test_an_example_that_is_a_test_passes(name: str, tmp_path: Path) -> None:
    """As it stands, under pytest."""
    run_pasted(EXAMPLES[name], tmp_path, "test_example.py", {})


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_no_example_goes_unseen(name: str) -> None:
    """An indented block that is Python would not be run: it has a fence instead."""
    page = re.sub(r"```.*?```", "", DOCSTRINGS[name], flags=re.DOTALL)
    text = re.split(r"^(?:Args|Attributes):", page, flags=re.MULTILINE)[0]
    for block in re.findall(r"(?:\n\n|\A)((?:    .*\n?|\n(?=    ))+)", text):
        with pytest.raises(SyntaxError):
            compile(textwrap.dedent(block), name, "exec")


# --- Each name has one ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_has_an_example(name: str) -> None:
    """One that runs and in which it stands, or a reason why it has none, not both."""
    prompts = re.findall(r"^>>> .*", DOCSTRINGS[name], re.MULTILINE)
    text = "\n".join([EXAMPLES.get(name, ""), *prompts])
    own = re.escape(SHOWN_BY.get(name, name.rpartition(".")[2]))
    assert bool(re.search(rf"\b{own}", text)) != (name in WITHOUT)


def test_each_reason_is_of_a_public_name() -> None:
    """One that is gone needs none."""
    assert WITHOUT.keys() <= {*NAMES}


@pytest.mark.parametrize("name", [name for name, text in DOCSTRINGS.items() if ">>> " in text])
def test_an_example_after_a_prompt_is_run_elsewhere(name: str) -> None:
    """As a doctest, which is found where Python itself knows the docstring."""
    if name in NAMES:
        package, _, own = f"requests_jwt_refresh.{name}".rpartition(".")
        found = getattr(import_module(package), own)
        assert found.__module__ in WITH_EXAMPLES
        assert found.__name__ == own


# --- What users write themselves -----------------------------------------------------------------


def load_example(name: str, folder: Path, names: dict[str, Any]) -> dict[str, Any]:
    """Return what an example has defined, in a module that can be imported and pickled from."""
    file = folder / "reference_example.py"
    file.write_text(EXAMPLES[name], encoding="utf-8")
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    vars(module).update({each: value for each, value in names.items() if each[0] != "_"})
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return vars(module)


class TestTheStoreOfTheReference(StoreContract):
    """TokenStore shows one that keeps every promise of a store."""

    @pytest.fixture(autouse=True)
    def _load_it(
        self, tmp_path: Path, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "reference_example", None)
        self.made = load_example("TokenStore", tmp_path, names)["SQLiteStore"]
        self.path = tmp_path / "store.sqlite"

    def make_store(self) -> Any:
        return self.made(self.path)


def test_the_endpoint_of_the_reference_refreshes(
    tmp_path: Path, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoint shows one that signs, reads tokens and knows a refusal from an outage."""
    monkeypatch.setitem(sys.modules, "reference_example", None)
    endpoint = load_example("Endpoint", tmp_path, names)["SignedEndpoint"](b"a key")
    with AuthServer() as server, requests.Session() as client:
        adapter = mount(client, server.url, endpoint, MemoryStore())
        adapter.set_token(server.login())
        server.expire()
        assert client.get("/api/users").status_code == 200
        (refresh,) = [each for each in server.requests if each.kind == "refresh"]
        assert len(refresh.headers["X-Signature"]) == len("sha256") + 58
        server.revoke()
        with pytest.raises(RefreshRejected):
            adapter.refresh()
    for body in (b"[]", b"{}", b"<html>", b'{"access_token": 7}', b'{"access_token": "a\\n"}'):
        with pytest.raises(RefreshUnavailable):
            endpoint.read(TokenResponse(200, {}, body))
