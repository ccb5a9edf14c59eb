"""One refresh for all processes, and what their lives and deaths do to it."""

from __future__ import annotations

import os
import random
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore, KeyringStore, StoreError
from requests_jwt_refresh.testing import Status
from requests_jwt_refresh.tokens import with_expiry
from tests.stress.kills import kill
from tests.stress.locations import StoreLocation
from tests.stress.soak import soak
from tests.stress.workers import mount_session, read_line, step
from tests.support.redis_server import running_redis
from tests.support.secret_service import running_secret_service, secret_service
from tests.support.shared_store import (
    KEYRING_SERVICE,
    call_all,
    file_place,
    load_newest,
    make_store_at,
    place,
    workers,
)
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["file_place", "place", "running_redis", "running_secret_service", "secret_service"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and fork")

# --- One refresh for all -------------------------------------------------------------------------


def test_processes_that_meet_one_expiry(place: StoreLocation, server: AuthServer) -> None:
    """All have their 401 before any of them refreshes: one does, the others adopt its token."""
    with workers(place, server, 4) as started:
        assert call_all(started) == ["200"] * 4
        server.expire()
        with server.gate(on="refresh") as refreshes, server.gate(on="api") as calls:
            for worker in started:
                step(worker)
            calls.wait_for(4, timeout=WAIT)
            calls.open()
            refreshes.wait_for(1, timeout=WAIT)
            refreshes.open()
            assert [read_line(worker) for worker in started] == ["200"] * 4
    counters = server.counters
    assert (counters.refreshes, counters.rotated, counters.reuse) == (1, 1, 0)
    assert server.family_alive(load_newest(place))


def test_a_peers_rotation_is_adopted(place: StoreLocation, server: AuthServer) -> None:
    """A process that finds a newer token in the store does not ask the server."""
    with workers(place, server, 2) as (first, second):
        assert call_all([first, second]) == ["200", "200"]
        server.expire()
        assert call_all([first]) == ["200"]
        assert call_all([second]) == ["200"]
    assert server.counters.refreshes == 1


def test_the_order(place: StoreLocation, server: AuthServer) -> None:
    """The store's token is tried before the server is asked, and asked it is once."""
    with workers(place, server, 2) as (first, second):
        assert call_all([first, second]) == ["200", "200"]
        server.expire()
        assert call_all([first]) == ["200"]
        server.expire()  # what is in the store has expired as well
        before = len(server.requests)
        assert call_all([second]) == ["200"]
    seen = server.requests[before:]
    assert [each.kind for each in seen] == ["api", "api", "refresh", "api"]
    assert len({each.bearer for each in seen if each.kind == "api"}) == 3
    assert server.counters.reuse == 0


def test_refused_while_a_peer_has_rotated(place: StoreLocation, server: AuthServer) -> None:
    """What another process has stored meanwhile is adopted, not cleared."""
    with workers(place, server, 1) as (worker,):
        assert call_all([worker]) == ["200"]
        server.expire()
        newer = with_expiry(server.login())
        server.fail(Status(400, body=b'{"error": "invalid_grant"}'), on="refresh")
        with server.gate(on="refresh") as gate:
            step(worker)
            gate.wait_for(1, timeout=WAIT)
            make_store_at(place).save(newer)  # by a peer that has lost the lock, or never had it
            gate.open()
            assert read_line(worker) == "200"
    assert load_newest(place) == newer
    assert server.counters.refreshes == 1


def test_logged_out_by_a_peer(place: StoreLocation, server: AuthServer) -> None:
    """A refusal forgets the token for all of them: the API's own 401, and no call more."""
    with workers(place, server, 2) as (first, second):
        assert call_all([first, second]) == ["200", "200"]
        server.expire()
        server.revoke()
        assert call_all([first]) == ["401"]
        assert make_store_at(place).load() is None
        assert call_all([second]) == ["401"]
    assert server.counters.refreshes == 1


def test_a_peer_that_holds_the_lock(place: StoreLocation, server: AuthServer) -> None:
    """Without the lock nothing is refreshed: the request fails when refresh_timeout has passed."""
    with workers(place, server, 1, "call", "1") as (worker,):
        assert call_all([worker]) == ["200"]
        server.expire()
        with make_store_at(place).lock(WAIT):
            assert call_all([worker]) == ["RefreshUnavailable"]
        assert server.counters.refreshes == 0
    assert load_newest(place).refresh is not None


def test_a_soak_in_short(place: StoreLocation) -> None:
    """Two expiries under load: see tests/stress/soak.py for the whole of it."""
    result = soak(place, processes=3, threads=4, lifetime=2.0, seconds=0, expiries=2)
    assert result.failed == []
    assert result.refreshes == result.expiries >= 2
    assert (result.reuse, result.alive) == (0, True)


# --- Deaths --------------------------------------------------------------------------------------


def test_kills_in_short(place: StoreLocation) -> None:
    """Never a torn token, never a stuck lock: see tests/stress/kills.py for the whole of it."""
    result = kill(place, kills=5, grace=0.0, chance=random.Random())
    assert (result.torn, result.stuck, result.unexplained) == (0, 0, 0)
    assert result.refreshes >= 10


def test_sigterm_in_the_middle_of_a_refresh(place: StoreLocation, server: AuthServer) -> None:
    """The new token is saved first; then the process dies of the signal, as it should."""
    with workers(place, server, 1) as (worker,):
        assert call_all([worker]) == ["200"]
        before = load_newest(place)
        server.expire()
        with server.gate(on="refresh") as gate:
            step(worker)
            gate.wait_for(1, timeout=WAIT)
            worker.send_signal(signal.SIGTERM)
            gate.open()
            assert worker.wait(WAIT) == -signal.SIGTERM
    assert load_newest(place) != before
    assert server.family_alive(load_newest(place))
    assert server.counters.refreshes == 1


def test_a_fork_in_the_middle_of_a_refresh(file_place: StoreLocation, server: AuthServer) -> None:
    """The child neither hangs nor refreshes a second time: it waits and adopts."""
    make_store_at(file_place).save(with_expiry(server.login()))
    with mount_session(file_place.kind, file_place.name, server.url) as (session, _adapter):
        assert session.get("/api/x").status_code == 200
        server.expire()
        answers: list[int] = []
        with server.gate(on="refresh") as gate:
            threads = start(lambda: answers.append(session.get("/api/x").status_code))
            gate.wait_for(1, timeout=WAIT)
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(int(WAIT))
                with mount_session(file_place.kind, file_place.name, server.url) as (own, _own):
                    os._exit(0 if own.get("/api/x").status_code == 200 else 1)
            gate.open()
            join(*threads)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert answers == [200]
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


def test_a_forked_child_does_not_keep_the_lock_of_a_dead_parent(file_place: StoreLocation) -> None:
    """The parent is killed while it holds the lock; its child lives on and holds nothing."""
    read, write = os.pipe()
    parent = os.fork()
    if parent == 0:
        with make_store_at(file_place).lock(WAIT):
            child = os.fork()
            if child != 0:
                os.write(write, f"{child:010}".encode())
            _linger()
    child = int(os.read(read, 10))
    try:
        with pytest.raises(StoreError), make_store_at(file_place).lock(0):
            pass
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        with make_store_at(file_place).lock(5):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(read)
        os.close(write)


def _linger() -> None:
    """Wait to be killed, and never go on as a second pytest."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(WAIT))
    signal.pause()
    os._exit(1)


# --- Who shares the lock -------------------------------------------------------------------------


def test_other_homes_share_the_lock(server: AuthServer, tmp_path: Path) -> None:
    """A keyring entry belongs to the OS user: HOME, XDG folders, TMPDIR do not matter."""
    elsewhere = {
        name: str(tmp_path)
        for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "TMPDIR")
    }
    place = StoreLocation("keyring", KEYRING_SERVICE, {**os.environ, **elsewhere})
    with (
        workers(place, server, 1, "lock", "0.2") as (worker,),
        KeyringStore(KEYRING_SERVICE, "workers").lock(WAIT),
    ):
        step(worker)
        assert read_line(worker) == "LockTimeout"


@pytest.mark.usefixtures("secret_service")
def test_other_homes_share_one_refresh(server: AuthServer, tmp_path: Path) -> None:
    """Two programs of one user with one keyring entry, whatever HOME and XDG folders they have."""
    elsewhere = {
        name: str(tmp_path)
        for name in ("HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "TMPDIR")
    }
    here = StoreLocation("keyring", KEYRING_SERVICE, dict(os.environ))
    there = here._replace(environment={**os.environ, **elsewhere})
    with workers(here, server, 1) as (first,), workers(there, server, 1) as (second,):
        assert call_all([first, second]) == ["200", "200"]
        server.expire()
        with server.gate(on="api") as gate:
            step(first)
            step(second)
            gate.wait_for(2, timeout=WAIT)
            gate.open()
            assert [read_line(first), read_line(second)] == ["200", "200"]
    assert (server.counters.refreshes, server.counters.reuse) == (1, 0)


def test_other_folders_share_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file under two paths has one lock."""
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with ExitStack() as stack:
        stack.enter_context(FileStore("../token.json").lock(WAIT))
        with pytest.raises(StoreError), FileStore(tmp_path / "token.json").lock(0):
            pass
