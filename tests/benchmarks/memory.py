"""What a session takes in memory, with its adapter, its store and its token.

    python -m tests.benchmarks.memory CLIENT NUMBER

makes so many in this process, each of which sends one request over a stub, and prints the bytes
that one takes, as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from typing import Final

from requests_jwt_refresh import Token
from tests.benchmarks.clients import (
    BARE,
    CLIENTS,
    EVERYBODY,
    OURS,
    RIVALS,
    Setup,
    find_clients,
    list_missing,
)
from tests.benchmarks.hot_path import BASE, PATH, StubTransport
from tests.benchmarks.measuring import run_child
from tests.benchmarks.table import Figure, Row, Table

SESSIONS: Final = 1000
_WARM: Final = 10  # sessions made before, so that modules and caches do not count
_TITLE: Final = (
    "Memory of a session that has sent a request, of {count} with a token each (tracemalloc): in "
    "all, and over a bare one. requests-auth keeps one token for all of the same URL and user"
)


def measure(*, quick: bool) -> list[Table]:
    """Return one table, with a column for each client."""
    count = 20 if quick else SESSIONS
    clients = find_clients(*EVERYBODY)
    sizes = {
        each.name: run_child("tests.benchmarks.memory", each.name, count) / 1024 for each in clients
    }
    names = [BARE, OURS, *(name for name in RIVALS if name in sizes)]
    rows = [
        Row("one session", {name: Figure(sizes[name], "KiB") for name in names}),
        Row(
            "over a bare one",
            {name: Figure(sizes[name] - sizes[BARE], "+KiB") for name in names if name != BARE},
        ),
    ]
    return [Table(_TITLE.format(count=count), rows, list_missing(RIVALS))]


def measure_sessions(name: str, count: int) -> float:
    """Return the bytes that a session of this client takes."""
    kept = [_make_session(name, number) for number in range(_WARM)]
    tracemalloc.start()
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    kept += [_make_session(name, number) for number in range(count)]
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return (after - before) / count


def _make_session(name: str, number: int) -> object:
    token = Token(f"{number:0800}", f"{number:0800}", time.time() + 3600)
    session = CLIENTS[name].make(Setup(BASE, token, transport=StubTransport))
    session.trust_env = False
    session.get(f"{BASE}{PATH}")
    return session


if __name__ == "__main__":
    print(json.dumps(measure_sessions(sys.argv[1], int(sys.argv[2]))))
