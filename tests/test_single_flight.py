"""One refresh for everybody, whoever asks, and nobody is left waiting."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import requests

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.errors import (
    LockTimeout,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
)
from requests_jwt_refresh.mounting import mount
from requests_jwt_refresh.refresh import refresher
from requests_jwt_refresh.refresh.client import RETRIES
from requests_jwt_refresh.refresh.holding import Flight
from requests_jwt_refresh.stores.base import decode, encode
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import DropAfter, Status
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.testing import AuthServer

THREADS = 32
WAIT = 30.0  # seconds; only a failing test ever passes them
ENDPOINT = JSONEndpoint("/auth/refresh")

_E = TypeVar("_E", bound=BaseException)


class Crowd:
    """Threads that each do one thing at the same time; what became of it, in the order given."""

    def __init__(self, count: int, do: Callable[[int], requests.Response]) -> None:
        self._do = do
        self._start = threading.Barrier(count)
        self._outcomes: dict[int, requests.Response | BaseException] = {}
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        try:
            self._start.wait(WAIT)
            self._outcomes[number] = self._do(number)
        except BaseException as failure:  # noqa: BLE001 - it is what a test wants to see
            self._outcomes[number] = failure

    def outcomes(self) -> list[requests.Response | BaseException]:
        ends = time.monotonic() + WAIT
        for thread in self._threads:
            thread.join(max(ends - time.monotonic(), 0))
        assert not any(thread.is_alive() for thread in self._threads), "somebody hangs"
        return [self._outcomes[number] for number in range(len(self._threads))]

    def statuses(self) -> list[object]:
        return [getattr(each, "status_code", repr(each)) for each in self.outcomes()]

    def failures(self, kind: type[_E]) -> list[_E]:
        return [each for each in self.outcomes() if isinstance(each, kind)]


class Seen401s:
    """A matcher that knows when `count` requests have got their 401."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._mutex = threading.Lock()
        self.all_in = threading.Event()

    def __call__(self, response: requests.Response) -> bool:
        if response.status_code != 401:
            return False
        with self._mutex:
            self._left -= 1
            if self._left <= 0:
                self.all_in.set()
        return True


class Followers:
    """Counts who waits for somebody else's refresh, as a refresh itself cannot."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def wait_and_count(self, futures: Any, timeout: float) -> Any:
        if isinstance(futures[0], Flight):
            with self._changed:
                self._count += 1
                self._changed.notify_all()
        return wait(futures, timeout)

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count >= count, WAIT)


@pytest.fixture
def followers(monkeypatch: pytest.MonkeyPatch) -> Followers:
    counted = Followers()
    monkeypatch.setattr(refresher, "wait", counted.wait_and_count)
    return counted


@pytest.fixture
def store(server: AuthServer) -> MemoryStore:
    """A store that holds a login."""
    return MemoryStore(server.login())


def current(store: MemoryStore) -> Token:
    token = store.load()
    assert token is not None
    return token


def assert_one_rotation(server: AuthServer, store: MemoryStore) -> None:
    counters = server.counters
    assert (counters.refreshes, counters.rotated, counters.reuse) == (1, 1, 0)
    assert server.family_alive(current(store))


# --- One refresh, 32 answers ---------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"pool_block": True, "pool_maxsize": 4}], ids=str)
def test_many_threads_one_refresh(
    server: AuthServer, session: requests.Session, store: MemoryStore, options: dict[str, Any]
) -> None:
    """32 threads that all hold a 401 cost one refresh, and each gets its 200."""
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen, **options)
    server.expire()
    with server.gate() as gate:
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1, WAIT)
        assert seen.all_in.wait(WAIT), "a thread that waits for the refresh keeps its connection"
    assert crowd.statuses() == [200] * THREADS
    assert_one_rotation(server, store)
    assert server.counters.unauthorized == THREADS
    assert session.get("/api/next").status_code == 200
    assert server.counters.refreshes == 1


def test_every_thread_gets_its_own_answer(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A shared refresh never mixes up whose answer is whose."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
    assert crowd.statuses() == [200] * THREADS
    paths = [
        each.json()["path"] for each in crowd.outcomes() if isinstance(each, requests.Response)
    ]
    assert paths == [f"/api/{number}" for number in range(THREADS)]


def test_a_session_and_an_adapter_for_each_thread(server: AuthServer, store: MemoryStore) -> None:
    """What is shared is the store's token, so sessions of their own do not cost more refreshes."""
    seen = Seen401s(THREADS)

    def get(number: int) -> requests.Response:
        with requests.Session() as session:
            mount(session, server.url, ENDPOINT, store, when=seen)
            return session.get(f"/api/{number}")

    server.expire()
    with server.gate() as gate:
        crowd = Crowd(THREADS, get)
        gate.wait_for(1, WAIT)
        assert seen.all_in.wait(WAIT)
    assert crowd.statuses() == [200] * THREADS
    assert_one_rotation(server, store)


def test_known_expiry(server: AuthServer, session: requests.Session, followers: Followers) -> None:
    """At an expiry that is known, everybody waits for one refresh and no 401 is ever provoked."""
    token = server.login()
    store = MemoryStore(Token(token.access, token.refresh, time.time() - 1))
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    with server.gate() as gate:
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1, WAIT)
        followers.wait_for(THREADS - 1)
    assert crowd.statuses() == [200] * THREADS
    assert_one_rotation(server, store)
    assert server.counters.unauthorized == 0
    assert session.get("/api/next").status_code == 200


def test_forced_refreshes_share_one_too(
    server: AuthServer, session: requests.Session, store: MemoryStore, followers: Followers
) -> None:
    """refresh() takes part in the refresh that is under way."""
    adapter = mount(session, server.url, ENDPOINT, store)

    def refresh(_number: int) -> requests.Response:
        adapter.refresh()
        return session.get("/api/x")

    with server.gate() as gate:
        crowd = Crowd(8, refresh)
        gate.wait_for(1, WAIT)
        followers.wait_for(7)
    assert crowd.statuses() == [200] * 8
    assert_one_rotation(server, store)


def test_a_latecomer_uses_the_current_token(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A request refused with an older token is resent with the current one: no refresh."""
    server.revoke_old_access = True
    adapter = mount(session, server.url, ENDPOINT, store)
    with server.gate(on=lambda path: path == "/api/late") as gate:
        late = Crowd(1, lambda _number: session.get("/api/late"))
        gate.wait_for(1, WAIT)
        adapter.refresh()
    assert late.statuses() == [200]
    assert_one_rotation(server, store)
    assert server.counters.unauthorized == 1


def test_callbacks_are_told_once(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """on_refresh hears of one refresh once, however many requests it served."""
    told: list[Token] = []
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen, on_refresh=told.append)
    server.expire()
    with server.gate():
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        assert seen.all_in.wait(WAIT)
    assert crowd.statuses() == [200] * THREADS
    assert told == [store.load()]


def test_on_logout_is_told_once(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """on_logout hears of one refusal once; every thread gets its own 401."""
    told: list[RefreshRejected] = []
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen, on_logout=told.append)
    server.revoke()
    server.expire()
    with server.gate():
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        assert seen.all_in.wait(WAIT)
    assert crowd.statuses() == [401] * THREADS
    assert len(told) == 1
    assert server.counters.refreshes == 1


# --- A failure is shared as well -----------------------------------------------------------------


def test_a_failure_is_shared(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If the refresh fails for good, one leader tries, and all get RefreshUnavailable."""
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen)
    before = store.load()
    server.expire()
    server.fail(Status(503), times=None)
    with server.gate() as gate:
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1, WAIT)
        assert seen.all_in.wait(WAIT)
    assert len(crowd.failures(RefreshUnavailable)) == THREADS
    assert server.counters.refreshes == 1 + RETRIES
    assert store.load() == before
    server.heal()
    assert session.get("/api/next").status_code == 200
    assert server.counters.rotated == 1


def test_a_failure_is_shared_by_all_adapters(server: AuthServer, store: MemoryStore) -> None:
    """Sessions and adapters of their own make no difference: one store, one attempt."""
    seen = Seen401s(THREADS)

    def get(number: int) -> requests.Response:
        with requests.Session() as session:
            mount(session, server.url, ENDPOINT, store, when=seen)
            return session.get(f"/api/{number}")

    server.expire()
    server.fail(Status(500), times=None)
    with server.gate() as gate:
        crowd = Crowd(THREADS, get)
        gate.wait_for(1, WAIT)
        assert seen.all_in.wait(WAIT)
    assert len(crowd.failures(RefreshUnavailable)) == THREADS
    assert server.counters.refreshes == 1


def test_each_failure_carries_its_own_401(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A shared failure is each request's own: its request, its 401, whole."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=None)
    with server.gate():
        crowd = Crowd(8, lambda number: session.get(f"/api/{number}"))
    for number, failure in enumerate(crowd.outcomes()):
        assert isinstance(failure, RefreshUnavailable)
        assert failure.request is not None
        assert failure.response is not None
        assert failure.request.url == failure.response.url == f"{server.url}/api/{number}"
        assert failure.response.status_code == 401
        assert failure.response.json() == {"message": "Invalid JWT"}
    assert server.counters.refreshes == 1


def test_a_known_expiry_shares_a_failure(
    server: AuthServer, session: requests.Session, followers: Followers
) -> None:
    """If the refresh at a known expiry fails, nobody repeats it after the 401 either."""
    token = server.login()
    store = MemoryStore(Token(token.access, token.refresh, time.time() - 1))
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=None)
    with server.gate() as gate:
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(1, WAIT)
        followers.wait_for(THREADS - 1)
    failures = crowd.failures(RefreshUnavailable)
    assert len(failures) == THREADS
    assert [each.response is not None and each.response.status_code for each in failures] == (
        [401] * THREADS
    )
    assert server.counters.refreshes == 1


def test_an_early_failure_is_no_error(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If the server still takes the token, a failed refresh at its expiry does no harm."""
    token = current(store)
    store.save(Token(token.access, token.refresh, time.time() - 1))
    mount(session, server.url, ENDPOINT, store)
    server.fail(Status(500))
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 1


def test_a_straggler_shares_the_failure(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A 401 that arrives after the failure does not repeat it, if its request began before."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=None)
    with server.gate(on=lambda path: path == "/api/late") as gate:
        late = Crowd(1, lambda _number: session.get("/api/late"))
        gate.wait_for(1, WAIT)
        with pytest.raises(RefreshUnavailable):
            session.get("/api/early")
    (failure,) = late.failures(RefreshUnavailable)
    assert failure.response is not None
    assert failure.response.url == f"{server.url}/api/late"
    assert server.counters.refreshes == 1


# --- Whatever the leader dies of -----------------------------------------------------------------


def test_an_exception_of_a_callable_is_shared(
    server: AuthServer, session: requests.Session, store: MemoryStore, followers: Followers
) -> None:
    """An Exception in a callable endpoint is everybody's failure, and is not repeated."""
    calls: list[Token] = []

    def broken(_session: requests.Session, token: Token) -> Token:
        calls.append(token)
        followers.wait_for(THREADS - 1)
        raise ValueError

    mount(session, server.url, broken, store)
    server.expire()
    crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
    assert len(crowd.failures(RefreshUnavailable)) == THREADS
    assert len(calls) == 1


class _Mortal:
    """Gives a good token, but the first one who calls dies, once all others wait."""

    def __init__(
        self, server: AuthServer, followers: Followers, death: type[BaseException]
    ) -> None:
        self._server = server
        self._followers = followers
        self._death = death
        self.calls = 0

    def __call__(self, *_args: object) -> Token:
        self.calls += 1
        if self.calls == 1:
            self._followers.wait_for(THREADS - 1)
            raise self._death
        return self._server.login()


@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("role", ["endpoint", "login"])
def test_the_next_takes_the_lead(
    server: AuthServer,
    session: requests.Session,
    followers: Followers,
    death: type[BaseException],
    role: str,
) -> None:
    """A leader that dies takes nobody along: the next waiter leads."""
    mortal = _Mortal(server, followers, death)
    if role == "login":
        mount(session, server.url, ENDPOINT, MemoryStore(), login=mortal)
    else:
        mount(session, server.url, mortal, MemoryStore(server.login()))
    server.expire()
    crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
    assert [type(each) for each in crowd.failures(BaseException)] == [death]
    assert crowd.statuses().count(200) == THREADS - 1
    assert mortal.calls == 2


@pytest.mark.parametrize("started", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("login", [False, True], ids=["endpoint", "login"])
def test_ctrl_c_as_the_exchange_starts(
    server: AuthServer,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    *,
    started: bool,
    login: bool,
) -> None:
    """Ctrl-C while the exchange's thread is being started leaves no refresh behind for ever."""
    start = threading.Thread.start
    interrupted: list[threading.Thread] = []

    def interrupted_start(thread: threading.Thread) -> None:
        first = thread.name == "jwt-refresh" and not interrupted
        if started or not first:
            start(thread)
        if first:
            interrupted.append(thread)
            raise KeyboardInterrupt

    if login:
        options = {"login": lambda _session: server.login()}
        store = MemoryStore()
    else:
        options, store = {}, MemoryStore(server.login())
    mount(session, server.url, ENDPOINT, store, **options)
    server.expire()
    monkeypatch.setattr(threading.Thread, "start", interrupted_start)
    with pytest.raises(KeyboardInterrupt):
        session.get("/api/x")
    if started:
        interrupted[0].join(WAIT)
    assert session.get("/api/x").status_code == 200


@pytest.fixture
def dies_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the first leader die after it took the lead and before it has done anything with it."""
    lead = refresher.Refresher._lead  # noqa: SLF001 - the moment before it has no other name
    dead: list[int] = []

    def lead_or_die(*args: Any, **kwargs: Any) -> Any:
        if not dead:
            dead.append(threading.get_ident())
            raise KeyboardInterrupt
        return lead(*args, **kwargs)

    monkeypatch.setattr(refresher, "GRACE", 0.1)
    monkeypatch.setattr(refresher.Refresher, "_lead", lead_or_die)
    yield
    assert len(dead) == 1


@pytest.mark.usefixtures("dies_before_it_begins")
def test_a_leader_that_dies_before_it_begins(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Those who wait for it, or come later, find that out and refresh themselves, once."""
    mount(session, server.url, ENDPOINT, store, refresh_timeout=0.2)
    server.expire()
    crowd = Crowd(8, lambda number: session.get(f"/api/{number}"))
    assert sorted(map(str, crowd.statuses())) == ["200"] * 7 + ["KeyboardInterrupt()"]
    assert_one_rotation(server, store)


@pytest.mark.usefixtures("dies_before_it_begins")
def test_a_leader_that_lives_on(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A thread that survives its Ctrl-C, as a prompt does, can simply try again."""
    mount(session, server.url, ENDPOINT, store, refresh_timeout=0.2)
    server.expire()
    with pytest.raises(KeyboardInterrupt):
        session.get("/api/x")
    assert session.get("/api/x").status_code == 200
    assert_one_rotation(server, store)


def test_whoever_was_interrupted_may_come_back(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    followers: Followers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After Ctrl-C in the leader, its thread may wait for the exchange, as anybody may."""
    interrupted: list[bool] = []

    def interrupted_wait(futures: Any, timeout: float) -> Any:
        if not interrupted and not isinstance(futures[0], Flight):
            interrupted.append(True)
            gate.wait_for(1, WAIT)
            raise KeyboardInterrupt
        return followers.wait_and_count(futures, timeout)

    def open_for_a_follower() -> None:
        followers.wait_for(1)
        gate.open()

    monkeypatch.setattr(refresher, "wait", interrupted_wait)
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    with server.gate() as gate:
        with pytest.raises(KeyboardInterrupt):
            session.get("/api/x")
        opener = threading.Thread(target=open_for_a_follower)
        opener.start()
        assert session.get("/api/x").status_code == 200
        opener.join(WAIT)
    assert_one_rotation(server, store)


# --- Ctrl-C, the end of the program, fork --------------------------------------------------------


class FileBacked(MemoryStore):
    """A store of another process that a test can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(decode(path.read_text(), "the file"))

    def save(self, token: Token) -> None:
        super().save(token)
        self._path.write_text(encode(token))


def written(path: Path) -> Token:
    return decode(path.read_text(), "the file")


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
    path.write_text(encode(server.login()))
    return path


def child_interrupted(url: str, path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    session = requests.Session()
    mount(session, url, ENDPOINT, FileBacked(path))
    try:
        session.get("/api/x")
    except KeyboardInterrupt:
        sys.stdout.write("interrupted\n")
        sys.stdout.flush()


def child_leaving(url: str, path: Path) -> None:
    session = requests.Session()
    mount(session, url, ENDPOINT, FileBacked(path))
    threading.Thread(target=session.get, args=("/api/x",), daemon=True).start()
    sys.stdin.readline()
    sys.stdout.write("leaving\n")
    sys.stdout.flush()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for another process")
def test_ctrl_c_loses_no_answer(server: AuthServer, path: Path) -> None:
    """Ctrl-C while the exchange is in the air: its token is saved all the same."""
    before = written(path)
    server.expire()
    with server.gate() as gate, run_child(child_interrupted, server.url, path) as child:
        gate.wait_for(1, WAIT)
        child.send_signal(signal.SIGINT)
        assert child.stdout is not None
        assert child.stdout.readline() == "interrupted\n"
        gate.open()
        assert child.wait(WAIT) == 0
    assert written(path).refresh != before.refresh
    assert server.counters.rotated == 1


def test_the_end_of_the_program_loses_no_answer(server: AuthServer, path: Path) -> None:
    """A program that ends in the middle of a refresh finishes it first."""
    before = written(path)
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
    assert written(path).refresh != before.refresh
    assert server.counters.rotated == 1


def child_forking(url: str, path: Path) -> None:
    """Fork while a refresh is in the air, which only ends when the forked process is done."""
    import os

    token = written(path)
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
    leader = threading.Thread(target=lambda: statuses.append(get()))
    leader.start()
    assert under_way.wait(WAIT)
    forked = os.fork()
    if forked == 0:
        signal.alarm(20)  # ends the forked process if it hangs
        path.with_suffix(".forked").write_text(json.dumps(get()))
        os._exit(0)
    _, status = os.waitpid(forked, 0)
    may_end.set()
    leader.join(WAIT)
    path.with_suffix(".parent").write_text(json.dumps([status, *statuses]))


@pytest.mark.skipif(not hasattr(signal, "alarm"), reason="there is no fork")
def test_fork_while_a_refresh_is_in_the_air(server: AuthServer, path: Path) -> None:
    """A forked child neither hangs nor waits for a refresh that is its parent's."""
    with run_child(child_forking, server.url, path) as child:
        assert child.wait(WAIT * 2) == 0
    assert json.loads(path.with_suffix(".forked").read_text()) == 200
    assert json.loads(path.with_suffix(".parent").read_text()) == [0, 200]


# --- Re-entrancy, callbacks, the store's lock ----------------------------------------------------


@pytest.mark.parametrize("call", ["get", "refresh", "set_token", "clear_token"])
@pytest.mark.parametrize("role", ["endpoint", "login"])
def test_calling_through_the_adapter_is_an_error(
    server: AuthServer, session: requests.Session, role: str, call: str
) -> None:
    """A refresh or login that waits for itself is told so, and nothing hangs."""

    def inward(*_args: object) -> Token:
        {
            "get": lambda: session.get("/api/inner"),
            "refresh": adapter.refresh,
            "set_token": lambda: adapter.set_token(server.login()),
            "clear_token": adapter.clear_token,
        }[call]()
        return server.login()

    adapter: JWTRefreshAdapter
    if role == "login":
        adapter = mount(session, server.url, ENDPOINT, MemoryStore(), login=inward)
    else:
        adapter = mount(session, server.url, inward, MemoryStore(server.login()))
    server.expire()
    with pytest.raises(ReentrantRefresh, match="auth=anonymous"):
        session.get("/api/x")


def test_reentry_is_no_outage(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A re-entrant call is a fault of the program: no pause follows, and the tokens are kept."""
    calls: list[Token] = []

    def inward_once(_session: requests.Session, token: Token) -> Token:
        calls.append(token)
        if len(calls) == 1:
            session.get("/api/inner")
        return server.login()

    mount(session, server.url, inward_once, store)
    before = store.load()
    server.expire()
    with pytest.raises(ReentrantRefresh):
        session.get("/api/x")
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


def test_a_handler_before_the_exchange_has_begun(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal handler that interrupts the leader leads itself, and the leader goes on from it."""
    begin = refresher._in_a_thread  # noqa: SLF001 - the moment in which the handler comes
    answers: list[requests.Response] = []

    def interrupted(*arguments: Any) -> None:
        monkeypatch.setattr(refresher, "_in_a_thread", begin)
        answers.append(session.get("/api/handler"))
        begin(*arguments)

    mount(session, server.url, ENDPOINT, store)
    server.expire()
    monkeypatch.setattr(refresher, "_in_a_thread", interrupted)
    answers.append(session.get("/api/x"))
    assert [each.status_code for each in answers] == [200, 200]
    assert server.counters.refreshes == 1


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="POSIX signals")
def test_a_handler_while_the_exchange_is_on_its_way(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A signal handler that interrupts the leader may wait: the exchange goes on without it."""
    mount(session, server.url, ENDPOINT, store)
    answers: list[requests.Response] = []
    before = signal.signal(
        signal.SIGUSR1, lambda *_: answers.append(session.get("/api/handler", timeout=WAIT))
    )
    server.expire()
    try:
        with server.gate(on="refresh") as gate:

            def interrupt() -> None:
                gate.wait_for(1, timeout=WAIT)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                gate.open()

            thread = threading.Thread(target=interrupt)
            thread.start()
            answers.append(session.get("/api/x", timeout=WAIT))
            thread.join(WAIT)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [each.status_code for each in answers] == [200, 200]
    assert server.counters.refreshes == 1


def test_anonymous_gets_through_in_a_login(server: AuthServer, session: requests.Session) -> None:
    """A login may use the mounted session for what needs no token."""
    store = MemoryStore()

    def login(_session: requests.Session) -> Token:
        credentials = ("alice", "secret")
        found = session.post("/auth/login", auth=credentials).json()
        return Token(found["access_token"], found["refresh_token"])

    mount(session, server.url, ENDPOINT, store, login=login)
    assert session.get("/api/x").status_code == 200
    assert server.counters.logins == 1


def test_on_refresh_may_call_through_the_adapter(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Callbacks run when nothing is locked: they may use the session, which has the new token."""
    inner: list[int] = []

    def on_refresh(token: Token) -> None:
        with store.lock(0):
            assert store.load() == token
        inner.append(session.get("/api/inner").status_code)

    mount(session, server.url, ENDPOINT, store, on_refresh=on_refresh)
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert inner == [200]
    assert server.counters.refreshes == 1


def test_on_logout_may_call_through_the_adapter(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """on_logout too, and what it gets then is the API's 401, not another refusal."""
    inner: list[int] = []

    def on_logout(_error: RefreshRejected) -> None:
        with store.lock(0):
            assert store.load() is None
        inner.append(session.get("/api/inner").status_code)

    mount(session, server.url, ENDPOINT, store, on_logout=on_logout)
    server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert inner == [401]
    assert server.counters.refreshes == 1


@pytest.mark.parametrize("event", ["refresh", "logout"])
def test_a_callback_that_raises_is_logged(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    caplog: pytest.LogCaptureFixture,
    event: str,
) -> None:
    """What a callback raises is logged by its kind alone, and the request goes on."""
    caplog.set_level(logging.DEBUG)
    secret = "held-by-the-error"

    def broken(_value: object) -> None:
        raise LookupError(secret)

    mount(session, server.url, ENDPOINT, store, on_refresh=broken, on_logout=broken)
    if event == "logout":
        server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == (200 if event == "refresh" else 401)
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert [each.name for each in errors] == ["requests_jwt_refresh"]
    assert "LookupError" in caplog.text
    assert secret not in caplog.text


def test_a_lock_that_somebody_else_holds(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Without the store's lock nothing is refreshed: after refresh_timeout the request fails."""
    mount(session, server.url, ENDPOINT, store, refresh_timeout=0.2)
    before = store.load()
    server.expire()
    with store.lock(0), pytest.raises(RefreshUnavailable, match=r"lock for 0\.2 s") as caught:
        session.get("/api/x")
    assert isinstance(caught.value.__cause__, LockTimeout)
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    assert server.counters.refreshes == 0
    assert store.load() == before
    assert session.get("/api/x").status_code == 200


def test_a_refresh_that_never_ends(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A callable that never returns holds nobody for ever, leader or follower."""
    monkeypatch.setattr(refresher, "GRACE", 0.1)
    let_go = threading.Event()

    def stuck(_session: requests.Session, _token: Token) -> Token:
        assert let_go.wait(WAIT)
        return server.login()

    mount(session, server.url, stuck, store, refresh_timeout=0.1)
    server.expire()
    crowd = Crowd(4, lambda number: session.get(f"/api/{number}"))
    try:
        assert len(crowd.failures(RefreshUnavailable)) == 4
    finally:
        let_go.set()
    assert session.get("/api/x").status_code == 200


def test_a_lost_answer_is_asked_for_again_by_the_leader_alone(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Within the server's grace time the leader's second attempt saves all 32."""
    server.grace = 60
    seen = Seen401s(THREADS)
    mount(session, server.url, ENDPOINT, store, when=seen)
    server.expire()
    server.fail(DropAfter())
    with server.gate():
        crowd = Crowd(THREADS, lambda number: session.get(f"/api/{number}"))
        assert seen.all_in.wait(WAIT)
    assert crowd.statuses() == [200] * THREADS
    counters = server.counters
    assert (counters.refreshes, counters.rotated, counters.repeated) == (2, 1, 1)
    assert server.family_alive(current(store))
