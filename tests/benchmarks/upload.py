"""A big upload that is answered 401: how much goes over the wire, and what memory it takes.

    python -m tests.benchmarks.upload CLIENT BODY SIZE URL ACCESS REFRESH SECONDS

does one upload in this process and prints what came of it, as JSON; SECONDS is what is left of the
token, negative if it has expired, 0 if the client does not know.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from requests_jwt_refresh import Token
from tests.benchmarks.clients import (
    AUTHLIB,
    BARE,
    CLIENTS,
    GOOGLE,
    OAUTHLIB,
    OURS,
    REQUESTS_AUTH,
    Setup,
    find_clients,
    list_missing,
)
from tests.benchmarks.measuring import run_child
from tests.benchmarks.server import ServerProcess
from tests.benchmarks.table import Figure, Goal, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE: Final = 1 << 20
FILE: Final = "file"
GENERATOR: Final = "generator"
_PIECE_BYTES: Final = 1 << 16
_MEMORY_GOAL: Final = 8.0  # MiB
_TITLE: Final = (
    "Upload of {size} MiB with a token that the API refuses, which only its expires_at may tell "
    "before. Sent: body bytes handed to the wire; arrived: those of the request that got a 200"
)


class CountingFile:
    """A file that counts what is read of it."""

    mode = "rb"

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sent = 0
        self.seek, self.tell, self.fileno = file.seek, file.tell, file.fileno

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.sent += len(piece)
        return piece

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file)


class CountingGenerator:
    """A body that can be sent once; it counts what has been taken of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._file.read(_PIECE_BYTES):
            self.sent += len(piece)
            yield piece


_BODIES: Final[dict[str, type[CountingFile | CountingGenerator]]] = {
    FILE: CountingFile,
    GENERATOR: CountingGenerator,
}


def measure(*, quick: bool) -> list[Table]:
    """Return one table, with a row for each client and body."""
    size = 4 if quick else 512
    names = (OURS, GOOGLE, OAUTHLIB, AUTHLIB)
    rows = [
        _measure_upload(client.name, body, size, is_known=is_known)
        for body, is_known in ((FILE, False), (GENERATOR, False), (GENERATOR, True))
        for client in find_clients(*names)
    ]
    notes = [*list_missing(names), f"{REQUESTS_AUTH}: as {AUTHLIB}; {BARE}: no second request"]
    return [Table(_TITLE.format(size=size), rows, notes)]


def _measure_upload(name: str, body: str, size: int, *, is_known: bool) -> Row:
    with ServerProcess() as server:
        token = server.login()
        server.expire()
        left = -1.0 if is_known else 0.0
        module = "tests.benchmarks.upload"
        arguments = (name, body, size, server.url, token.access, token.refresh, left)
        found = run_child(module, *arguments)
        bodies = server.bodies()
    arrived = (bodies[-1] or 0) if found["status"] == 200 else 0
    figures: dict[str, Figure | None] = {
        "status": Figure(found["status"]),
        "sent": Figure(found["sent"] / MEBIBYTE, "MiB"),
        "arrived": Figure(arrived / MEBIBYTE, "MiB"),
        "more memory": Figure(found["memory"], "MiB"),
        "seconds": Figure(found["seconds"], "s"),
    }
    what = f"{name}, {body}, expiry {'known' if is_known else 'unknown'}"
    return Row(
        what, figures, _make_goals(found, arrived, size, body, is_known) if name == OURS else ()
    )


def _make_goals(
    found: dict[str, Any], arrived: int, size: int, body: str, is_known: bool
) -> tuple[Goal, ...]:
    """Return what is promised: never an empty body that counts as sent, none kept in memory."""
    whole = size * MEBIBYTE
    memory = Goal(f"at most {_MEMORY_GOAL:g} MiB more memory", found["memory"] <= _MEMORY_GOAL)
    if body == GENERATOR and not is_known:
        is_kept = found["status"] == 401 and found["sent"] == whole
        return (Goal("the 401, and the body not sent twice", is_kept), memory)
    times = 1 if is_known else 2
    is_whole = arrived == whole and found["sent"] <= times * whole
    return (Goal(f"all of it arrives, sent at most {times} x", is_whole), memory)


# --- In a process of its own ---------------------------------------------------------------------


def upload(name: str, body: str, size: int, setup: Setup) -> dict[str, float | int]:
    """Upload a file of zeros, and return what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "body")
        with path.open("wb") as file:
            file.truncate(size * MEBIBYTE)
        with path.open("rb") as file, CLIENTS[name].make(setup) as session:
            session.trust_env = False
            session.get(f"{setup.url}/public/warm").raise_for_status()
            counting = _BODIES[body](file)
            before, start = read_peak_memory(), time.perf_counter()
            try:
                status = session.put(f"{setup.url}/api/upload", data=counting).status_code
            except Exception as failure:  # noqa: BLE001 - a library's own kinds of failure
                print(f"{name}: {type(failure).__name__}", file=sys.stderr)
                status = 0
            seconds = time.perf_counter() - start
            more = read_peak_memory() - before
    return {"status": status, "sent": counting.sent, "memory": more, "seconds": seconds}


def read_peak_memory() -> float:
    """Return the most memory that this process has had until now, in MiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (MEBIBYTE if sys.platform == "darwin" else 1024)


def _upload_from_arguments() -> None:
    name, body, size, url, access, refresh, left = sys.argv[1:]
    expires_at = time.time() + float(left) if float(left) else None
    setup = Setup(url, Token(access, refresh, expires_at))
    print(json.dumps(upload(name, body, int(size), setup)))


if __name__ == "__main__":
    _upload_from_arguments()
