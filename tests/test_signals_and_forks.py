"""Ctrl-C, signal handlers, a dying leader, fork, the end of the program: no wait for ever."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import requests

from requests_jwt_refresh import (
    FileStore,
    JWTRefreshAdapter,
    MemoryStore,
    ReentrantRefresh,
    Token,
    mount,
)
from tests.support.crowd import THREADS, Crowd, wait_for_waiters
from tests.support.interruptions import ctrl_c, interruption
from tests.support.sessions import plain_session
from tests.support.transports import StubTransport
from tests.support.users import ENDPOINT, assert_one_rotation, load_token, store
from tests.support.waits import WAIT, interrupt, join, start

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["store"]  # a fixture

BASE = "https://api.example.com"
with_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


# --- A leader that dies --------------------------------------------------------------------------


@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("role", ["endpoint", "login"])
def test_the_next_takes_the_lead(
    server: AuthServer, session: requests.Session, death: type[BaseException], role: str
) -> None:
    """A leader that dies takes no other thread along: the next waiter leads."""
    calls: list[int] = []

    def give_or_die(*_args: object) -> Token:
        calls.append(1)
        if len(calls) == 1:
            wait_for_waiters(adapter, THREADS - 1)
            raise death
        return server.login()

    adapter = (
        mount(session, server.url, ENDPOINT, MemoryStore(), login=give_or_die)
        if role == "login"
        else mount(session, server.url, give_or_die, MemoryStore(server.login()))
    )
    server.expire()
    crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
    assert [type(each) for each in crowd.failures(BaseException)] == [death]
    assert crowd.statuses().count(200) == THREADS - 1
    assert len(calls) == 2


# --- Ctrl-C and signal handlers ------------------------------------------------------------------


class OneUser:
    """A session whose API takes no token but the one that a refresh or login gives."""

    def __init__(self, session: requests.Session, role: str) -> None:
        self._session = session
        self.asked = 0
        transport = StubTransport(self._answer)
        if role == "login":
            adapter = JWTRefreshAdapter(
                BASE, self._give, MemoryStore(), login=self._give, transport=transport
            )
        else:
            store = MemoryStore(Token("expired", "refresh"))
            adapter = JWTRefreshAdapter(BASE, self._give, store, transport=transport)
        session.mount(BASE, adapter)

    def get(self) -> int:
        return self._session.get("/users").status_code

    def _give(self, *_args: object) -> Token:
        self.asked += 1
        return Token("good", "refresh")

    def _answer(self, request: PreparedRequest) -> tuple[int, bytes]:
        return (200 if request.headers.get("Authorization") == "Bearer good" else 401), b""


@pytest.mark.parametrize("role", ["endpoint", "login"])
def test_ctrl_c_at_any_step(role: str) -> None:
    """Wherever Ctrl-C meets the leader: the next request refreshes, adopts or waits, and ends."""
    steps, came = 0, True
    while came:
        with plain_session() as session:
            user = OneUser(session, role)
            interrupted = False
            with interruption(ctrl_c, steps) as coming:
                try:
                    assert user.get() == 200
                except KeyboardInterrupt:
                    interrupted = True
            came = coming.came
            assert interrupted == came, f"at step {steps}"
            assert user.get() == 200, f"after step {steps}"
            assert 1 <= user.asked <= 2, f"after step {steps}"
        steps += 1
    assert steps > 10, "there were steps to interrupt"


@pytest.mark.parametrize("role", ["endpoint", "login"])
def test_a_signal_handler_at_any_step(role: str) -> None:
    """A handler may send a request in the middle of the leader's: one refresh serves both.

    But not in the middle of the login itself, which would have to end first.
    """
    steps, came, refused = 0, True, 0
    while came:
        with plain_session() as session:
            user = OneUser(session, role)
            answers: list[int | None] = []
            with interruption(lambda: answers.append(_get(user)), steps) as coming:  # noqa: B023 - it is called at once
                answers.append(user.get())
            came = coming.came
            refused += answers.count(None)
            assert [each for each in answers if each] == [200] * (1 + came - answers.count(None))
            assert user.asked == 1, f"at step {steps}"
        steps += 1
    assert steps > 10, "there were steps to interrupt"
    assert (refused > 0) == (role == "login")
    assert refused < steps / 2


def _get(user: OneUser) -> int | None:
    """Return the status of a request, None if it was refused inside of a login."""
    try:
        return user.get()
    except ReentrantRefresh:
        return None


@with_signals
def test_a_handler_while_the_exchange_is_on_its_way(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A signal handler that interrupts the leader may wait: the exchange goes on without it."""
    mount(session, server.url, ENDPOINT, store)
    answers: list[int] = []
    before = signal.signal(
        signal.SIGUSR1,
        lambda *_: answers.append(session.get("/api/handler", timeout=WAIT).status_code),
    )
    server.expire()
    try:
        with server.gate(on="refresh") as gate:

            def interrupt() -> None:
                gate.wait_for(1, timeout=WAIT)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                gate.open()

            threads = start(interrupt)
            answers.append(session.get("/api/x", timeout=WAIT).status_code)
            join(*threads)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert answers == [200, 200]
    assert server.counters.refreshes == 1


@with_signals
def test_an_interrupted_leader_may_come_back(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """After Ctrl-C in the leader, its thread may wait for the exchange like every other."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    with server.gate(on="refresh") as gate:

        def interrupt() -> None:
            gate.wait_for(1, WAIT)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        def open_for_a_waiter() -> None:
            wait_for_waiters(adapter, 1)
            gate.open()

        threads = start(interrupt)
        with pytest.raises(KeyboardInterrupt):
            session.get("/api/x")
        threads += start(open_for_a_waiter)
        assert session.get("/api/x").status_code == 200
        join(*threads)
    assert_one_rotation(server, store)


@with_signals
def test_what_a_handler_raises_is_the_programs_own(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Many programs limit a request's time by a handler that raises TimeoutError: it gets through.

    The refresh goes on without the leader.
    """
    mount(session, server.url, ENDPOINT, store)
    mine = TimeoutError("of the program")

    def give_up(*_args: object) -> NoReturn:
        raise mine

    before = signal.signal(signal.SIGUSR1, give_up)
    server.expire()
    try:
        with server.gate() as gate:

            def interrupt() -> None:
                gate.wait_for(1, WAIT)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

            threads = start(interrupt)
            with pytest.raises(TimeoutError) as caught:
                session.get("/api/x")
            join(*threads)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught.value is mine
    assert session.get("/api/x").status_code == 200
    assert_one_rotation(server, store)


# --- Programs that are interrupted, end or fork --------------------------------------------------


def run_child(function: Callable[[str, Path], None], url: str, path: Path) -> subprocess.Popen[str]:
    code = f"import sys, pathlib; from {__name__} import {function.__name__} as run; "
    code += "run(sys.argv[1], pathlib.Path(sys.argv[2]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, url, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )


@pytest.fixture
def path(server: AuthServer, tmp_path: Path) -> Path:
    """A file that holds a login."""
    path = tmp_path / "token.json"
    FileStore(path).save(server.login())
    return path


def child_interrupted(url: str, path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    session = requests.Session()
    mount(session, url, ENDPOINT, FileStore(path))
    try:
        session.get("/api/x")
    except KeyboardInterrupt:
        print("interrupted", flush=True)


def child_leaving(url: str, path: Path) -> None:
    session = requests.Session()
    mount(session, url, ENDPOINT, FileStore(path))
    start(lambda: session.get("/api/x"))
    sys.stdin.readline()
    print("leaving", flush=True)


@with_signals
def test_ctrl_c_loses_no_answer(server: AuthServer, path: Path) -> None:
    """Ctrl-C while the exchange is on its way: its token is saved all the same."""
    before = load_token(FileStore(path))
    server.expire()
    with server.gate() as gate, run_child(child_interrupted, server.url, path) as child:
        gate.wait_for(1, WAIT)
        interrupt(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "interrupted\n"
        gate.open()
        assert child.wait(WAIT) == 0
    assert load_token(FileStore(path)).refresh != before.refresh
    assert server.counters.rotated == 1


def test_the_end_of_the_program_loses_no_answer(server: AuthServer, path: Path) -> None:
    """A program that ends in the middle of a refresh finishes it first."""
    before = load_token(FileStore(path))
    server.expire()
    with server.gate() as gate, run_child(child_leaving, server.url, path) as child:
        gate.wait_for(1, WAIT)
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("leave\n")
        child.stdin.flush()
        assert child.stdout.readline() == "leaving\n"
        gate.open()
        assert child.wait(WAIT) == 0
    assert load_token(FileStore(path)).refresh != before.refresh
    assert server.counters.rotated == 1


def child_forking(url: str, path: Path) -> None:
    """Fork while a refresh is on its way, which only ends when the forked process is done."""
    token = load_token(FileStore(path))
    parent, under_way, may_end = os.getpid(), threading.Event(), threading.Event()

    def refresh(_session: requests.Session, _token: Token) -> Token:
        if os.getpid() == parent:
            under_way.set()
            assert may_end.wait(WAIT)
        return token

    store = MemoryStore(Token("stale", "stale-refresh"))

    def get() -> int:
        with requests.Session() as session:
            mount(session, url, refresh, store)
            return session.get("/api/x").status_code

    statuses: list[int] = []
    threads = start(lambda: statuses.append(get()))
    assert under_way.wait(WAIT)
    forked = os.fork()
    if forked == 0:
        signal.alarm(20)  # ends the forked process if it hangs
        path.with_suffix(".forked").write_text(json.dumps(get()))
        os._exit(0)
    _, status = os.waitpid(forked, 0)
    may_end.set()
    join(*threads)
    path.with_suffix(".parent").write_text(json.dumps([status, *statuses]))


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="there is no fork")
def test_fork_while_a_refresh_is_on_its_way(server: AuthServer, path: Path) -> None:
    """A forked child neither hangs nor waits for a refresh that is its parent's."""
    with run_child(child_forking, server.url, path) as child:
        assert child.wait(WAIT * 2) == 0
    assert json.loads(path.with_suffix(".forked").read_text()) == 200
    assert json.loads(path.with_suffix(".parent").read_text()) == [0, 200]
