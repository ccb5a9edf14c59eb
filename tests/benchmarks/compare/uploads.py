"""An upload that is answered 401: does it arrive?"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

import requests

from tests.benchmarks.compare.results import Cell, Verdict
from tests.benchmarks.compare.stage import Task, set_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.clients import Client

FILE: Final = "file"
GENERATOR: Final = "generator"
_CONTENT: Final = b"0123456789abcdef" * 65_536  # 1 MiB
_PIECE_BYTES: Final = 1 << 16


@dataclass(frozen=True)
class UploadOutcome:
    """What came of it."""

    body: str
    status: int | None
    error: str | None
    sent: int
    arrived: int
    """Bytes of the request that was answered last."""
    is_whole: bool
    """Whether these are the bytes that were sent."""

    @property
    def cell(self) -> Cell:
        verdict, words = self._judge()
        return Cell(verdict, words, facts=vars(self))

    def _judge(self) -> tuple[Verdict, str]:
        if self.error is not None:
            return Verdict.PARTLY, self.error
        if self.status != requests.codes.ok:
            # The caller is told the truth; what can be sent only once can get nothing better.
            is_best = self.body == GENERATOR and self.status == requests.codes.unauthorized
            return Verdict.GOOD if is_best else Verdict.CANNOT, f"{self.status}, not resent"
        if self.is_whole:
            return Verdict.GOOD, "arrives whole"
        return Verdict.BAD, f"{'part' if self.arrived else 'empty'}, reported as 200"


def try_upload(client: Client, body: str) -> UploadOutcome:
    """Upload once, with a token that the client believes to be good and the API refuses."""
    status = error = None
    with set_stage(client, expiry_known=False) as stage, tempfile.TemporaryFile() as file:
        file.write(_CONTENT)
        file.seek(0)
        with stage.start_session() as session:
            try:
                response = session.put(stage.url, data=_make_body(file, body), timeout=30)
                status = response.status_code
            except Exception as failure:  # noqa: BLE001 - a library's own kinds of failure
                error = type(failure).__name__
        uploads = [each for each in stage.server.requests if each.kind == "api"]
    last = uploads[-1]
    is_whole = last.sha256 == hashlib.sha256(_CONTENT).hexdigest()
    return UploadOutcome(body, status, error, len(_CONTENT), last.size or 0, is_whole)


def _make_body(file: IO[bytes], body: str) -> Any:
    return file if body == FILE else _read_pieces(file)


def _read_pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _try_client(body: str, client: Client) -> Cell:
    return try_upload(client, body).cell


TASKS: Final = (
    Task(
        "upload-file",
        "upload of a file, 401",
        "A file is uploaded with a token that the API refuses",
        "arrives whole, after a refresh",
        partial(_try_client, FILE),
    ),
    Task(
        "upload-generator",
        "upload of a generator, 401",
        "The same from a generator, which can be sent once",
        "401: never sent again empty",
        partial(_try_client, GENERATOR),
    ),
)
