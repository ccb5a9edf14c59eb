"""Two processes on one login: each is started with it, and both outlive the token.

    python -m tests.benchmarks.compare.processes CLIENT

is one of them: it reads its setup as JSON from standard input, then makes a request for each line.
What they share the login by is what the library documents for that: a store of ours, msal's
persisted cache, requests-auth's JSON cache. The others have a function that is told of new tokens,
or nothing; they write them into a file, and read it when they start.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import Token
from tests.benchmarks.clients import CLIENTS, Setup
from tests.benchmarks.compare.crowd import count
from tests.benchmarks.compare.results import Cell, Verdict
from tests.benchmarks.compare.stage import Task, is_answered, set_stage
from tests.benchmarks.measuring import ROOT
from tests.stress.workers import read_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.clients import Client

AT_ONCE: Final = "at once"
IN_TURN: Final = "in turn"
_PROCESSES: Final = 2
_ANSWERED: Final = "answered"
_NOT: Final = "not answered"


@dataclass(frozen=True)
class ProcessesOutcome:
    """What came of it."""

    order: str
    answered: int
    refreshes: int
    logins: int
    """By the user's password, where the client keeps that."""
    still_answered: int
    """Of one more request by each."""

    @property
    def cell(self) -> Cell:
        verdict, words = self._judge()
        return Cell(verdict, words, count(self.refreshes, "refresh"), vars(self))

    def _judge(self) -> tuple[Verdict, str]:
        words = f"{self.answered} of {_PROCESSES}"
        if self.still_answered < _PROCESSES:
            return Verdict.BAD, f"{words}, {'one' if self.still_answered else 'both'} logged out"
        if self.logins:
            return Verdict.PARTLY, f"{words}, {count(self.logins, 'new login')}"
        return (Verdict.GOOD if self.answered == _PROCESSES else Verdict.PARTLY), words


def try_processes(client: Client, order: str) -> ProcessesOutcome:
    """Let both call once after the expiry, and once more."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "private", "token")
        file.parent.mkdir(mode=0o700)
        with set_stage(client, expiry_known=True, file=file) as stage:
            stage.start_session().close()  # the login is in the file from here on
            with _start_processes(client, stage.setup) as processes:
                before = stage.server.counters
                with stage.overlap_refreshes(_PROCESSES if order == AT_ONCE else 1):
                    answered = _call(processes, order)
                after = stage.server.counters
                still_answered = _call(processes, IN_TURN)
    return ProcessesOutcome(
        order,
        answered,
        after.refreshes - before.refreshes,
        after.logins - before.logins,
        still_answered,
    )


@contextmanager
def _start_processes(client: Client, setup: Setup) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.benchmarks.compare.processes", client.name]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(_PROCESSES)
        ]
        try:
            for process in processes:
                _write_line(process, _to_line(setup))
            for process in processes:
                assert read_line(process) == "ready"
            yield processes
        finally:
            for process in processes:
                process.kill()


def _to_line(setup: Setup) -> str:
    token = setup.token
    return json.dumps(
        {
            "url": setup.url,
            "token": [token.access, token.refresh, token.expires_at],
            "token_url": setup.token_url,
            "file": str(setup.file),
        }
    )


def _write_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _call(processes: list[subprocess.Popen[str]], order: str) -> int:
    """Return how many of them were answered."""
    if order == AT_ONCE:
        for process in processes:
            _write_line(process, "call")
        lines = [read_line(process) for process in processes]
    else:
        lines = []
        for process in processes:
            _write_line(process, "call")
            lines.append(read_line(process))
    return lines.count(_ANSWERED)


def _run_process(name: str) -> None:
    content = json.loads(sys.stdin.readline())
    setup = Setup(
        content["url"],
        Token(*content["token"]),
        token_url=content["token_url"],
        file=Path(content["file"]),
    )
    with CLIENTS[name].make(setup) as session:
        session.trust_env = False
        print("ready", flush=True)
        for _ in sys.stdin:
            has_answer = is_answered(session, f"{setup.url}/api/x")
            print(_ANSWERED if has_answer else _NOT, flush=True)


def _try_client(order: str, client: Client) -> Cell:
    return try_processes(client, order).cell


TASKS: Final = (
    Task(
        "processes",
        "two processes, at once",
        "Two processes on one login meet its expiry at the same moment",
        "2 of 2 by 1 refresh, both still logged in",
        partial(_try_client, AT_ONCE),
    ),
    Task(
        "processes-in-turn",
        "two processes, in turn",
        "The same, one after the other",
        "2 of 2 by 1 refresh, both still logged in",
        partial(_try_client, IN_TURN),
    ),
)

if __name__ == "__main__":
    _run_process(sys.argv[1])
