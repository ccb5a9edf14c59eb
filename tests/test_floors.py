"""The shape of the package: imports go one way, from floor to floor, and in no circle."""

from __future__ import annotations

import ast
import graphlib
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import requests_jwt_refresh
from tests.support import documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(requests_jwt_refresh.__file__).parent

# Bottom up. A module may import what stands before its own name here, a wing (a folder) also its
# own modules. `__init__` and `__main__` of the package are outside: importing them is no arrow.
FLOORS = (
    (
        *("errors", "clock", "events", "client_auth", "authorization", "frozen_json", "tokens"),
        *("urls", "matching"),
    ),
    (
        "peeking",
        "bodies",
        "error_codes",
        "field_names",
        "response_errors",
        "lifetimes",
        "responses",
        "endpoint_options",
        "endpoints",
        "token_grants",
        "sessions",
        "history",
        "relative_urls",
        "given_files",
        "signing_keys",
        "jose",
    ),
    ("stores",),
    ("refresh",),
    ("grants",),
    ("presets",),
    ("profiles",),
    ("arguments", "outgoing", "adapter"),
    ("mounting",),
    ("testing",),
    ("inject",),
    ("httpie", "auto", "pytest_plugin"),
    ("cli",),
)
RANK = {name: rank for rank, name in enumerate(name for floor in FLOORS for name in floor)}


class Import(NamedTuple):
    """That one module imports another; both without the name of the package."""

    importer: str
    imported: str
    place: str
    """File and line."""

    def __str__(self) -> str:
        return f"{self.place}: {self.importer} imports {self.imported}"


class Modules:
    """The modules of the package at `root`, and what each of them imports from it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = {self._name(file): file for file in sorted(root.rglob("*.py"))}
        self._exports = dict(self._public_names())

    def names(self) -> list[str]:
        return [name for name in self._files if name not in ("", "__main__")]

    def imports(self) -> list[Import]:
        """Return every import that is carried out, whether at the top or inside a function."""
        return [
            Import(importer, imported, f"{self._files[importer].relative_to(self._root)}:{line}")
            for importer in self.names()
            for imported, line in self._imports_of(importer)
        ]

    def _name(self, file: Path) -> str:
        parts = file.relative_to(self._root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _tree(self, name: str) -> ast.Module:
        return ast.parse(self._files[name].read_text(encoding="utf-8"))

    def _public_names(self) -> Iterator[tuple[str, str]]:
        """Yield what the package itself exports, and where each name comes from."""
        for node in ast.walk(self._tree("")):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from ((each.name, self._within(node.module) or "") for each in node.names)

    def _imports_of(self, importer: str) -> Iterator[tuple[str, int]]:
        for node in walk_reachable(self._tree(importer)):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{importer}: imports here are absolute"
                for each in node.names:
                    imported = self._resolve(node.module or "", each.name)
                    if imported:
                        yield imported, node.lineno
            elif isinstance(node, ast.Import):
                for each in node.names:
                    imported = self._within(each.name)
                    if imported:
                        yield imported, node.lineno

    def _within(self, module: str) -> str | None:
        """Return a module's name without that of the package, None for another package's."""
        package, _, name = module.partition(".")
        return name if package == self._root.name else None

    def _resolve(self, module: str, name: str) -> str | None:
        """Return the module that ``from module import name`` reaches."""
        parent = self._within(module)
        if parent is None:
            return None
        child = f"{parent}.{name}".lstrip(".")
        if child in self._files:
            return child
        return parent or self._exports.get(name)


def walk_reachable(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node that a running program can reach: all but ``if TYPE_CHECKING:``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield other
                yield from walk_reachable(other)
            continue
        yield node
        yield from walk_reachable(node)


def find_circle(imports: Iterable[Import]) -> list[str]:
    """Return the imports that make a circle; none is an empty list."""
    graph: dict[str, set[str]] = {}
    found: dict[tuple[str, str], Import] = {}
    for each in imports:
        graph.setdefault(each.importer, set()).add(each.imported)
        found.setdefault((each.importer, each.imported), each)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        modules: list[str] = error.args[1]
        return [str(found[after, before]) for before, after in pairwise(modules)]
    return []


def find_arrows_up(imports: Iterable[Import]) -> list[str]:
    """Return the imports that go from one floor to the same or a higher one."""
    return [str(each) for each in imports if _goes_up(each)]


def _goes_up(each: Import) -> bool:
    importer, imported = each.importer.split(".")[0], each.imported.split(".")[0]
    return importer != imported and RANK[imported] >= RANK[importer]


# --- The package ---------------------------------------------------------------------------------


def test_every_module_has_a_floor() -> None:
    """A new module or wing is given its place in FLOORS first."""
    homeless = {name for name in Modules(ROOT).names() if name.split(".")[0] not in RANK}
    assert homeless == set()


def test_imports_make_no_circle() -> None:
    """Late imports count as well, those for type checking do not."""
    assert find_circle(Modules(ROOT).imports()) == []


def test_imports_go_down() -> None:
    """From each floor to lower ones, and within a floor in the order written."""
    assert find_arrows_up(Modules(ROOT).imports()) == []


def test_the_list_for_readers_is_this_one() -> None:
    """The floors of ARCHITECTURE.md are those that are checked here."""
    page = (documents.ROOT / ".github" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = page.partition("\n## Floors\n")[2]
    items = re.findall(r"^\d+\. (.+(?:\n {3}.+)*)", section.partition("\n## ")[0], re.MULTILINE)
    assert [tuple(re.findall(r"\w+", each)) for each in items] == list(FLOORS)


# --- The checker itself --------------------------------------------------------------------------


def plant(folder: Path, **modules: str) -> list[Import]:
    """Return the imports of a package of `modules`, a folder being written as ``stores__file``."""
    root = folder / "planted"
    for name, text in ({"__init__": ""} | modules).items():
        file = root / (name if name == "__init__" else name.replace("__", "/"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".py").write_text(text)
    return Modules(root).imports()


def test_a_circle_is_found_with_file_and_line(tmp_path: Path) -> None:
    """A late import closes it as well."""
    imports = plant(
        tmp_path,
        stores__file="import planted.stores.locking\n",
        stores__locking="def lock():\n    from planted.stores import file\n",
    )
    assert sorted(find_circle(imports)) == [
        str(Path("stores/file.py:1: stores.file imports stores.locking")),
        str(Path("stores/locking.py:2: stores.locking imports stores.file")),
    ]
    assert find_arrows_up(imports) == []


@pytest.mark.parametrize(
    "text",
    [
        "import planted.adapter",
        "from planted import adapter",
        "from planted.adapter import Adapter",
        "from planted import Adapter",
        "def late():\n    from planted import adapter",
        "try:\n    import planted.adapter\nexcept ImportError:\n    pass",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import planted.adapter",
    ],
)
def test_an_arrow_up_is_found_with_file_and_line(tmp_path: Path, text: str) -> None:
    """However it is written, and wherever it stands."""
    exports = "if TYPE_CHECKING:\n    from planted.adapter import Adapter\n"
    imports = plant(tmp_path, __init__=exports, tokens=text, adapter="import planted.urls", urls="")
    line = text[: text.index("planted")].count("\n") + 1
    assert find_arrows_up(imports) == [f"tokens.py:{line}: tokens imports adapter"]
    assert find_circle(imports) == []


def test_the_order_within_a_floor_counts(tmp_path: Path) -> None:
    """A module may import those before it on its own floor."""
    imports = plant(tmp_path, errors="import planted.clock", clock="", urls="import planted.errors")
    assert find_arrows_up(imports) == ["errors.py:1: errors imports clock"]


def test_type_checking_and_other_packages_do_not_count(tmp_path: Path) -> None:
    """They draw no arrow."""
    imports = plant(
        tmp_path,
        tokens="import planted_too, requests\nif TYPE_CHECKING:\n    import planted.adapter\n",
        adapter="",
    )
    assert imports == []


# --- The scheme ----------------------------------------------------------------------------------

SCHEME = re.compile(r"\bBearer\b")
SCHEME_IN_ANY_CASE = re.compile(r"\bbearer\b", re.IGNORECASE)


def find_literals(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield the strings in code, those within f-strings too, but no docstrings."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node
        yield from find_literals(node)


def find_schemes(file: Path, pattern: re.Pattern[str]) -> list[int]:
    """Return the lines of `file` whose code writes the scheme; a command for a shell may."""
    found = find_literals(ast.parse(file.read_text(encoding="utf-8")))
    return [
        each.lineno
        for each in found
        if pattern.search(str(each.value)) and "curl " not in str(each.value)
    ]


def test_only_authorization_knows_the_scheme() -> None:
    """Names, docstrings and testing/ may say Bearer, code asks authorization.py.

    The wings say "bearer" as a word of the profiles file; the flat modules have no such reason.
    """
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted(ROOT.rglob("*.py"))
        if file.name != "authorization.py" and "testing" not in file.relative_to(ROOT).parts
        for line in find_schemes(file, SCHEME_IN_ANY_CASE if file.parent == ROOT else SCHEME)
    ]
    assert found == []


def test_a_planted_scheme_is_found(tmp_path: Path) -> None:
    """In strings and f-strings; a docstring and a class name are none of its business."""
    file = tmp_path / "planted.py"
    file.write_text(
        '"""Bearer."""\n'
        'class BearerEndpoint: "Bearer"\n'
        'NAME = "BearerEndpoint"\n'
        'ONE = "Bearer abc"\n'
        'TWO = f"Bearer {ONE}"\n'
        'THREE = "curl -H Authorization: Bearer"\n'
    )
    assert find_schemes(file, SCHEME) == [4, 5]
