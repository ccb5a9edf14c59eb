"""A storm: many threads send at once, and the server has let all tokens expire unannounced.

Each gets a 401; one refresh is needed, and each request is sent again. The ideal is written by hand
for this one case: the first thread with a 401 asks for a token over a session of its own, the
others wait for an event. It has no store, no lock between programs, no deadline, and no thread that
finishes what a Ctrl-C would tear.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import requests

from tests.benchmarks.clients import (
    AUTHLIB,
    BARE,
    CLIENTS,
    GOOGLE,
    OAUTHLIB,
    OURS,
    Setup,
    find_clients,
    list_missing,
)
from tests.benchmarks.crowd import time_crowd
from tests.benchmarks.measuring import Samples
from tests.benchmarks.server import ServerProcess
from tests.benchmarks.table import Figure, Row, Table, at_most

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh import Token

IDEAL: Final = "ideal"
GOALS: Final = {32: 1.10, 128: 1.20}
THREADS: Final = (1, 8, 32, 128)
_RIVAL_THREADS: Final = 32
_TITLE: Final = (
    "Storm: threads with a token that the API refuses unannounced (opaque, rotation, reuse "
    "detection): from the first request to the last 200. Ideal: this case alone, written by hand"
)
_RIVALS_TITLE: Final = (
    f"{_RIVAL_THREADS} threads whose token has expired, as its expires_at says; rotation with "
    "reuse detection"
)


class IdealClient:
    """One refresh for all threads, and nothing else."""

    def __init__(self, url: str, token: Token, pool: int) -> None:
        setup = Setup(url, token, pool=pool)
        self._session = CLIENTS[BARE].make(setup)
        self._refresh_session = requests.Session()
        self._session.trust_env = self._refresh_session.trust_env = False
        self._refresh_url = setup.refresh_url
        self._refresh_token = str(token.refresh)
        self._access = setup.access
        self._mutex = threading.Lock()  # guards the next
        self._refreshed: threading.Event | None = None

    def get(self, url: str) -> requests.Response:
        access = self._access
        response = self._session.get(url, headers={"Authorization": f"Bearer {access}"})
        if response.status_code != requests.codes.unauthorized:
            return response
        with self._mutex:
            leads = self._refreshed is None and self._access == access
            if leads:
                self._refreshed = threading.Event()
            refreshed = self._refreshed
        if leads:
            self._refresh()
        elif refreshed is not None:
            refreshed.wait()
        return self._session.get(url, headers={"Authorization": f"Bearer {self._access}"})

    def _refresh(self) -> None:
        body = {"refresh_token": self._refresh_token}
        content = self._refresh_session.post(self._refresh_url, json=body).json()
        with self._mutex:
            self._access, self._refresh_token = content["access_token"], content["refresh_token"]
            refreshed, self._refreshed = self._refreshed, None
        assert refreshed is not None
        refreshed.set()


def measure(*, quick: bool) -> list[Table]:
    """Return the table of the storms, and what becomes of the others in one."""
    with ServerProcess(opaque=True, expires_field=None) as server:
        crowds = THREADS[:2] if quick else THREADS
        rows = [_measure_crowd(server, count, 2 if quick else 31) for count in crowds]
    names = (OURS, GOOGLE, OAUTHLIB, AUTHLIB)
    with ServerProcess() as server:
        outcomes = [_try_client(server, client.name) for client in find_clients(*names)]
    notes = [*list_missing(names), "requests-auth takes a refresh token from its own login only"]
    return [Table(_TITLE, rows), Table(_RIVALS_TITLE, outcomes, notes)]


def _measure_crowd(server: ServerProcess, count: int, rounds: int) -> Row:
    ours = CLIENTS[OURS].make(Setup(server.url, server.login(), pool=count))
    ours.trust_env = False
    ideal = IdealClient(server.url, server.login(), pool=count)
    samples = Samples.take(
        {
            IDEAL: partial(_time_storm, server, count, ideal.get),
            OURS: partial(_time_storm, server, count, ours.get),
        },
        rounds,
    )
    ratio = samples.ratio(OURS, IDEAL)
    figures: dict[str, Figure | None] = {
        IDEAL: samples.median(IDEAL, "ms"),
        OURS: samples.median(OURS, "ms"),
        "ours/ideal": ratio,
    }
    goals = (at_most(ratio, GOALS[count]),) if count in GOALS else ()
    return Row(f"{count} thread{'s' if count > 1 else ''}", figures, goals)


def _time_storm(
    server: ServerProcess, count: int, get: Callable[[str], requests.Response]
) -> float:
    """Return the milliseconds of a storm, over connections that are open already."""
    url = f"{server.url}/api/x"
    _check_statuses(time_crowd(count, partial(get, url))[1])
    rotated = server.counters().rotated
    server.expire()
    seconds, outcomes = time_crowd(count, partial(get, url))
    _check_statuses(outcomes)
    refreshes = server.counters().rotated - rotated
    assert refreshes == 1, f"{refreshes} refreshes for one expiry"
    return seconds * 1e3


def _check_statuses(outcomes: list[object]) -> None:
    statuses = {getattr(each, "status_code", repr(each)) for each in outcomes}
    assert statuses == {200}, statuses


def _try_client(server: ServerProcess, name: str) -> Row:
    """Return what one storm brings to a client, once; the expiry is known, as most need it."""
    token = replace(server.login(), expires_at=time.time() - 1)
    server.expire()
    session = CLIENTS[name].make(Setup(server.url, token, pool=_RIVAL_THREADS))
    session.trust_env = False
    before = server.counters().refreshes
    call = partial(session.get, f"{server.url}/api/x")
    _seconds, outcomes = time_crowd(_RIVAL_THREADS, call)
    answered = sum(getattr(each, "status_code", 0) == requests.codes.ok for each in outcomes)
    figures: dict[str, Figure | None] = {
        "answered": Figure(answered),
        "refresh calls": Figure(server.counters().refreshes - before),
        "logins lost": Figure(not server.is_alive(token)),
    }
    return Row(name, figures)
