"""Everything that is measured, by one command: side by side, with goals.

python -m tests.benchmarks [NAME ...] [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.measuring import describe_load, describe_machine
from tests.benchmarks.table import render, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.table import Table

SUBJECTS: Final = {
    "hot_path": "what a request costs, with the network stubbed out",
    "throughput": "requests per second over the loopback",
    "storm": "many threads at an expiry nobody knew of",
    "expiries": "tokens that live 2 s: who waits",
    "upload": "512 MiB through a 401",
    "imports": "import requests_jwt_refresh",
    "command_line": "requests-jwt token, and run",
    "memory": "what a session takes",
    "threads": "threads started per refresh",
}
PROGRAMS: Final = {
    "processes": "processes that share a store",
    "fleet": "a fleet on one Redis, simulated",
}
NEEDS_REDIS: Final = {"redis_fleet": "what a fleet costs Redis, counted"}
_DESCRIPTION: Final = "Measure this library beside plain requests and other libraries."


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write JSON if that is asked for."""
    options = _parse(arguments)
    machine = describe_machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
    found: dict[str, list[Table]] = {}
    for name in options.names or [*SUBJECTS, *PROGRAMS]:
        if name not in SUBJECTS:
            _run_program(name)
            continue
        found[name] = importlib.import_module(f"tests.benchmarks.{name}").measure(
            quick=options.quick
        )
        for table in found[name]:
            print("", *render(table), sep="\n", flush=True)
        print(f"  load {describe_load()}", flush=True)
    print(f"\n{summarize([table for tables in found.values() for table in tables])}")
    if options.json is not None:
        _write(options.json, machine, found)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    everything = {**SUBJECTS, **PROGRAMS, **NEEDS_REDIS}
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<14}{what}" for name, what in everything.items()),
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="what to measure; all but redis_fleet if omitted"
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: whether it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in everything]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; choose from {', '.join(everything)}")
    return options


def _run_program(name: str) -> None:
    """Run a benchmark that has a command of its own, and let it print."""
    module = f"tests.benchmarks.{name}"
    print(f"\n{name}", flush=True)
    if importlib.util.find_spec(module) is None:
        print("  not there")
        return
    status = subprocess.run([sys.executable, "-m", module], check=False).returncode
    if status:
        print(f"  it failed with status {status}")


def summarize(tables: Sequence[Table]) -> str:
    """Return how many goals were reached, and name the rows that did not."""
    rows = [(row, goal) for table in tables for row in table.rows for goal in row.goals]
    missed = [f"  {row.what}: {goal.text}" for row, goal in rows if not goal.is_reached]
    summary = f"{len(rows) - len(missed)} of {len(rows)} goals reached"
    return "\n".join([f"{summary}; not:" if missed else summary, *missed])


def _write(path: Path, machine: dict[str, str], found: dict[str, list[Table]]) -> None:
    content: dict[str, Any] = {
        "machine": {**machine, "load after": describe_load()},
        "subjects": {name: [to_json(each) for each in tables] for name, tables in found.items()},
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
