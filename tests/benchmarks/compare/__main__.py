"""This library beside others at the same tasks.

python -m tests.benchmarks.compare [TASK ...] [--quick] [--json FILE] [--markdown] [--pictures]
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.benchmarks.clients import (
    AUTHLIB,
    BY_HAND,
    GOOGLE,
    MSAL,
    OAUTHLIB,
    OURS,
    REQUESTS_AUTH,
    find_clients,
    list_missing,
)
from tests.benchmarks.compare import cost, crowd, hosts, outages, processes, uploads
from tests.benchmarks.compare.page import (
    render,
    render_notes,
    render_row,
    render_versions,
    to_markdown,
)
from tests.benchmarks.compare.picture import write_pictures
from tests.benchmarks.compare.results import Comparison, Row
from tests.benchmarks.measuring import ROOT, describe_load, describe_machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.clients import Client
    from tests.benchmarks.compare.stage import Task

PACKAGES: Final = {
    OURS: "requests-jwt-refresh",
    BY_HAND: "requests",
    GOOGLE: "google-auth",
    OAUTHLIB: "requests-oauthlib",
    AUTHLIB: "Authlib",
    REQUESTS_AUTH: "requests-auth",
    MSAL: "msal",
}
COST: Final = "cost"
# What the picture does not show.
README_ROWS: Final = (
    "alone",
    "processes",
    "redirect",
    "outage-503",
    "cost-trust-env-off",
    "cost-trust-env-on",
)
_NOTES: Final = (
    (
        f"{BY_HAND}: tests/benchmarks/by_hand.py: attach, notice the 401, refresh, send again; no "
        "lock, no timeout, as most of it is written. Threads share one session."
    ),
    (
        "Who can be told when the token ends, is told: all but by hand. For a 401 that comes "
        "unannounced (the uploads) only this library, by hand and google-auth refresh."
    ),
    (
        "Two processes: this library's share a FileStore, msal's a PersistedTokenCache of "
        "msal-extensions, requests-auth's a JsonTokenFileCache. requests-oauthlib and Authlib save "
        "into a file what their callback is told, and read it when they start, as by hand does; "
        "google-auth has no callback."
    ),
    "requests-auth keeps the user's password, and logs in by it where a refresh fails.",
    "msal takes https addresses alone: its own client of HTTP is led to the server here.",
)
_OUTAGE_NOTE: Final = (
    f"Each request has timeout={outages.TIMEOUT:g}. An outage lasts until it has ended, "
    "{patience:g} s at the most. Where a refresh has no timeout unless it is asked for "
    "(default_timeout= of Authlib, timeout= of msal), it has none here."
)
_PICTURES: Final = ROOT / ".github"


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print, and write what is asked for."""
    options = _parse(arguments)
    if options.result is not None:
        content = json.loads(options.result.read_text(encoding="utf-8"))
        comparison = Comparison.from_json(content)
        print(*render(comparison), sep="\n")
    else:
        comparison = _compare(options.tasks, quick=options.quick)
    if options.markdown:
        print(f"\n{to_markdown(comparison, () if options.tasks else README_ROWS)}")
    if options.json is not None:
        text = json.dumps(comparison.to_json(), indent=1, ensure_ascii=False)
        options.json.write_text(f"{text}\n", encoding="utf-8")
    if options.pictures is not None:
        _draw(comparison, options.pictures)


def _draw(comparison: Comparison, folder: Path) -> None:
    try:
        paths = write_pictures(comparison, folder)
    except ValueError as error:
        sys.exit(f"no pictures: {error}")
    for path in paths:
        print(f"wrote {path}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    tasks = {task.name: task.question for task in make_tasks(quick=False)}
    names = tasks | {COST: "what a request costs"}
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.compare",
        description="Compare this library with others.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<18}{what}" for name, what in names.items()),
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="all if omitted")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.add_argument(
        "--from", dest="result", type=Path, metavar="FILE", help="show this result, run nothing"
    )
    parser.add_argument(
        "--markdown",
        action="store_true",
        help="print the table for README, too; that of all tasks if they are named",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        nargs="?",
        const=_PICTURES,
        metavar="FOLDER",
        help="write README's pictures; into .github if no folder is given",
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.tasks if name not in names]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; choose from {', '.join(names)}")
    return options


def _compare(names: Sequence[str], *, quick: bool) -> Comparison:
    """Compare at these tasks, all of them if none are named, and print each row as it comes."""
    _silence_libraries()
    clients = find_clients(*PACKAGES)
    versions = {client.name: version(PACKAGES[client.name]) for client in clients}
    versions[BY_HAND] = f"on requests {versions[BY_HAND]}"
    machine = describe_machine()
    print(*render_versions(versions), sep="\n", flush=True)
    rows = []
    for row in _make_rows(clients, names, quick=quick):
        print("", *render_row(row), sep="\n", flush=True)
        rows.append(row)
    notes = (*make_notes(quick=quick), *list_missing(PACKAGES))
    print("", *render_notes(notes), sep="\n", flush=True)
    return Comparison({**machine, "load after": describe_load()}, versions, tuple(rows), notes)


def make_tasks(*, quick: bool) -> tuple[Task, ...]:
    """Return all tasks but the cost, which is no verdict."""
    return (
        *crowd.make_tasks(quick=quick),
        *processes.TASKS,
        *uploads.TASKS,
        *hosts.TASKS,
        *outages.make_tasks(quick=quick),
    )


def make_notes(*, quick: bool) -> tuple[str, ...]:
    """Return what one has to know of a run."""
    patience = outages.choose_patience(quick=quick)
    return (*_NOTES, _OUTAGE_NOTE.format(patience=patience))


def _silence_libraries() -> None:
    """Let the table be all that is printed: what libraries warn of is in it."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def _make_rows(clients: Sequence[Client], names: Sequence[str], *, quick: bool) -> Iterator[Row]:
    for task in make_tasks(quick=quick):
        if not names or task.name in names:
            yield _make_row(task, clients)
    if not names or COST in names:
        for trust_env in (False, True):
            yield cost.measure_costs(clients, trust_env=trust_env, quick=quick)


def _make_row(task: Task, clients: Sequence[Client]) -> Row:
    with ThreadPoolExecutor(len(clients) if task.is_slow else 1) as pool:
        cells = pool.map(task.try_client, clients)
        by_name = {client.name: cell for client, cell in zip(clients, cells, strict=True)}
    return Row(task.name, task.short, task.question, task.good, by_name)


if __name__ == "__main__":
    main()
