"""The token endpoint is down when the token expires: is the login kept, and what is one told?"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import requests

from requests_jwt_refresh.testing.faults import Hang, Status
from tests.benchmarks.compare.results import Cell, Verdict
from tests.benchmarks.compare.stage import Task, is_answered, set_stage

if TYPE_CHECKING:
    from tests.benchmarks.clients import Client
    from tests.benchmarks.compare.stage import Stage

UNAVAILABLE: Final = "503"
REFUSED: Final = "refused"
HANGING: Final = "hanging"
TIMEOUT: Final = 5.0  # seconds, that each request is given
PATIENCE: Final = 30.0  # seconds, after which the outage ends if the request has not
RECOVERY: Final = 90.0  # seconds in which a request has to be answered once the outage is over
_PAUSE: Final = 0.1  # seconds between two of these
_AT_ONCE: Final = 0.5  # seconds
_LONG_RECOVERY: Final = 5.0  # seconds
_SLOW: Final = 2 * TIMEOUT + 1.0  # seconds
_QUICK_PATIENCE: Final = 1.0  # seconds
_JOIN: Final = 60.0  # seconds


@dataclass(frozen=True)
class OutageOutcome:
    """What came of it."""

    error: str | None
    """What the request raised; None if it did not."""
    is_requests_error: bool
    """Whether it is a requests.RequestException, for which a program may be prepared."""
    status: int | None
    seconds: float
    """Until the request or the outage ended."""
    has_ended: bool
    recovered: bool
    """Whether requests are answered again afterwards."""
    recovery_seconds: float
    logins: int
    """By the user's password, where the client keeps that."""

    @property
    def cell(self) -> Cell:
        verdict, words = self._judge()
        return Cell(verdict, words, self._describe_error(), vars(self))

    def _judge(self) -> tuple[Verdict, str]:
        words = f"error {format_seconds(self.seconds)}"
        if not self.has_ended:
            return Verdict.BAD, f"waits over {self.seconds:.0f} s"
        if self.error is None:
            words = f"{self.status} {format_seconds(self.seconds)}"
        if not self.recovered:
            return Verdict.BAD, f"{words}, logged out"
        if self.logins:
            return Verdict.PARTLY, f"{words}, then a new login"
        if self.recovery_seconds > _LONG_RECOVERY:
            return Verdict.PARTLY, f"{words}, for {format_long(self.recovery_seconds)} more"
        return (Verdict.PARTLY if self.seconds > _SLOW else Verdict.GOOD), words

    def _describe_error(self) -> str:
        words = [] if self.error is None else [self.error]
        if self.error is not None and not self.is_requests_error:
            words.append("no RequestException")
        if self.recovered and _AT_ONCE <= self.recovery_seconds <= _LONG_RECOVERY:
            words.append(f"works again {format_seconds(self.recovery_seconds)}")
        return ", ".join(words)


def format_seconds(seconds: float) -> str:
    """Return when, rounded so that the next run says the same.

    >>> format_seconds(0.04), format_seconds(1.2), format_seconds(10.02)
    ('at once', 'after 1 s', 'after 10 s')
    """
    return "at once" if seconds < _AT_ONCE else f"after {seconds:.0f} s"


def format_long(seconds: float) -> str:
    """Return a duration, rounded likewise.

    >>> format_long(7.2), format_long(59.6)
    ('7 s', '60 s')
    """
    return f"{round(seconds, 0 if seconds < 20 else -1):.0f} s"


def try_outage(
    client: Client,
    kind: str,
    *,
    patience: float = PATIENCE,
    options: tuple[tuple[str, Any], ...] = (),
) -> OutageOutcome:
    """Call while the token endpoint is down, and again when it is back."""
    with (
        set_stage(client, expiry_known=True, own_door=True, options=options) as stage,
        stage.start_session() as session,
    ):
        _begin(stage, kind)
        call = _Call(session, stage.url)
        start = time.monotonic()
        call.start()
        call.join(patience)
        seconds = time.monotonic() - start
        has_ended = not call.is_alive()
        _end(stage, kind)
        call.join(_JOIN)
        before = stage.server.counters.logins
        recovered, recovery_seconds = _recover(session, stage.url)
        logins = stage.server.counters.logins - before
    return OutageOutcome(
        type(call.error).__name__ if has_ended and call.error else None,
        isinstance(call.error, requests.RequestException),
        call.status if has_ended else None,
        seconds,
        has_ended,
        recovered,
        recovery_seconds,
        logins,
    )


class _Call(threading.Thread):
    """A request in a thread of its own, since it may never end."""

    def __init__(self, session: requests.Session, url: str) -> None:
        super().__init__(daemon=True)
        self._session, self._url = session, url
        self.status: int | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.status = self._session.get(self._url, timeout=TIMEOUT).status_code
        except Exception as failure:  # noqa: BLE001 - what it raises is what is asked
            self.error = failure


def _begin(stage: Stage, kind: str) -> None:
    if kind == REFUSED:
        stage.door.close()
    else:
        stage.fail_refreshes(Status(503) if kind == UNAVAILABLE else Hang())


def _end(stage: Stage, kind: str) -> None:
    stage.end_outage()
    if kind == REFUSED:
        stage.door.open()


def _recover(session: requests.Session, url: str) -> tuple[bool, float]:
    start = time.monotonic()
    while True:
        if is_answered(session, url):
            return True, time.monotonic() - start
        if time.monotonic() - start > RECOVERY:
            return False, RECOVERY
        time.sleep(_PAUSE)


def choose_patience(*, quick: bool) -> float:
    """Return the seconds after which an outage ends if the request has not."""
    return _QUICK_PATIENCE if quick else PATIENCE


def make_tasks(*, quick: bool) -> tuple[Task, ...]:
    """Return one for each kind of outage."""
    patience = choose_patience(quick=quick)
    return tuple(
        Task(
            f"outage-{kind}",
            f"token endpoint {what}",
            f"The token expires while the token endpoint {what}",
            "an error, soon; afterwards it works again",
            partial(_try_client, kind, patience),
            is_slow=True,
        )
        for kind, what in (
            (UNAVAILABLE, "answers 503"),
            (REFUSED, "refuses connections"),
            (HANGING, "hangs"),
        )
    )


def _try_client(kind: str, patience: float, client: Client) -> Cell:
    return try_outage(client, kind, patience=patience).cell
