"""What an import takes over `import requests`, each in a fresh interpreter."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from tests.benchmarks.clients import RIVALS, find_clients, list_missing
from tests.benchmarks.measuring import Samples, compiled_modules, run_command
from tests.benchmarks.table import Figure, Row, Table, at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CODE: Final = """
import sys, time
before, start = len(sys.modules), time.process_time()
{statement}
print((time.process_time() - start) * 1000, len(sys.modules) - before)
"""
_REQUESTS: Final = "import requests"
_BASE: Final = "requests"
_OURS: Final = "requests_jwt_refresh"
_STATEMENTS: Final = {
    _BASE: _REQUESTS,
    _OURS: f"{_REQUESTS}; import {_OURS}",
    "the same, with its names": f"{_REQUESTS}; from {_OURS} import FileStore, JSONEndpoint, mount",
}
_GOAL: Final = 5.0  # ms
_TITLE: Final = (
    "Import: processor time, and modules loaded, over `import requests` in the same round"
)


def measure(*, quick: bool) -> list[Table]:
    """Return one table, with a row for each import."""
    statements = {**_STATEMENTS, **_list_rivals()}
    with compiled_modules() as environment:
        runs = {
            name: partial(_run_import, statement, environment)
            for name, statement in statements.items()
        }
        works = {name: partial(_read_time, run) for name, run in runs.items()}
        samples = Samples.take(works, 1 if quick else 21)
        modules = {name: int(run()[1]) for name, run in runs.items()}
    rows = [_make_row(name, samples, modules) for name in statements]
    return [Table(_TITLE, rows, list_missing(RIVALS))]


def _list_rivals() -> dict[str, str]:
    """Return what the others' users import."""
    return {
        client.name: "; ".join([_REQUESTS, *(f"import {each}" for each in client.modules)])
        for client in find_clients(*RIVALS)
    }


def _run_import(statement: str, environment: Mapping[str, str]) -> list[str]:
    """Return the milliseconds and the number of modules."""
    command = [sys.executable, "-c", _CODE.format(statement=statement)]
    return run_command(command, environment).split()


def _read_time(run: Callable[[], list[str]]) -> float:
    return float(run()[0])


def _make_row(name: str, samples: Samples, modules: Mapping[str, int]) -> Row:
    added = samples.added(name, _BASE, "ms")
    figures: dict[str, Figure | None] = {
        "in all": samples.median(name, "ms"),
        "over requests": None if name == _BASE else added,
        "modules": Figure(modules[name]),
    }
    return Row(name, figures, (at_most(added, _GOAL),) if name == _OURS else ())
