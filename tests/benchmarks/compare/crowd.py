"""Threads that meet one expired token at the same moment; one alone, which all can do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import requests

from tests.benchmarks.compare.results import Cell, Verdict
from tests.benchmarks.compare.stage import Task, is_answered, set_stage
from tests.benchmarks.crowd import time_crowd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.clients import Client

THREADS: Final = 32
_QUICK_THREADS: Final = 4


@dataclass(frozen=True)
class CrowdOutcome:
    """What came of it."""

    threads: int
    answered: int
    refreshes: int
    logins: int
    """By the user's password, where the client keeps that."""
    logged_in: bool
    """Whether one more request is answered."""

    @property
    def cell(self) -> Cell:
        detail = count(self.refreshes, "refresh")
        return Cell(self._judge(), self._describe(), detail, vars(self))

    def _judge(self) -> Verdict:
        if not self.logged_in:
            return Verdict.BAD
        is_whole = self.answered == self.threads
        return Verdict.GOOD if is_whole and not self.logins else Verdict.PARTLY

    def _describe(self) -> str:
        words = f"{self.answered} of {self.threads}"
        if not self.logged_in:
            return f"{words}, logged out"
        return f"{words}, {count(self.logins, 'new login')}" if self.logins else words


def count(number: int, noun: str) -> str:
    """Return the number with its noun.

    >>> count(1, "refresh"), count(2, "login")
    ('1 refresh', '2 logins')
    """
    ending = "" if number == 1 else "es" if noun.endswith("sh") else "s"
    return f"{number} {noun}{ending}"


def try_crowd(client: Client, threads: int) -> CrowdOutcome:
    """Let all threads call at once, and look whether the login is still good afterwards."""
    with (
        set_stage(client, expiry_known=True, threads=threads) as stage,
        stage.start_session() as session,
    ):
        before = stage.server.counters
        with stage.overlap_refreshes(threads):
            outcomes = time_crowd(threads, partial(session.get, stage.url, timeout=60))[1]
        after = stage.server.counters
        logged_in = is_answered(session, stage.url)
    return CrowdOutcome(
        threads,
        _count_answered(outcomes),
        after.refreshes - before.refreshes,
        after.logins - before.logins,
        logged_in,
    )


def _count_answered(outcomes: Sequence[object]) -> int:
    return sum(getattr(each, "status_code", 0) == requests.codes.ok for each in outcomes)


def _try_client(threads: int, client: Client) -> Cell:
    return try_crowd(client, threads).cell


def make_tasks(*, quick: bool) -> tuple[Task, ...]:
    """Return one thread alone, and a crowd, which is smaller if it is to be quick."""
    threads = _QUICK_THREADS if quick else THREADS
    return (
        Task(
            "alone",
            "one thread, one expiry",
            "One thread meets an expired token, as its client knows",
            "1 of 1 by 1 refresh",
            partial(_try_client, 1),
        ),
        Task(
            "crowd",
            f"{threads} threads, one expiry",
            f"{threads} threads meet one expired token: how many are answered",
            f"{threads} of {threads} by 1 refresh, still logged in",
            partial(_try_client, threads),
        ),
    )
