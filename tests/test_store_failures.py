"""What the caller sees when the store fails around a refresh, and that nothing is lost."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import (
    FileStore,
    KeyringStore,
    MemoryStore,
    RefreshUnavailable,
    StoreError,
    mount,
)
from requests_jwt_refresh.refresh.limits import FIRST_COOLDOWN, REFUSED_LIMIT
from tests.support.crowd import wait_for_waiters
from tests.support.secret_service import SecretService, running_secret_service, secret_service
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

__all__ = ["running_secret_service", "secret_service"]  # fixtures


def read_only(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_disk_that_turns_read_only_before_the_save(
    server: AuthServer,
    session: requests.Session,
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The new token is used from memory, warned about, and saved with a later request."""
    store = FileStore(tmp_path / "token.json")
    adapter = mount(session, server.url, ENDPOINT, store)
    adapter.set_token(server.login())
    old = store.load()
    server.expire()
    answers: list[int] = []
    with monkeypatch.context() as broken:
        with server.gate(on="refresh") as gate:
            threads = start(lambda: answers.append(session.get("/api/x").status_code))
            gate.wait_for(1, timeout=WAIT)
            broken.setattr(Path, "replace", read_only)
            gate.open()
            join(*threads)
        assert answers == [200]
        assert store.load() == old
        assert "Read-only file system" in caplog.text
    clock.advance(FIRST_COOLDOWN)
    assert session.get("/api/x").status_code == 200
    assert store.load() == adapter.token != old
    assert server.counters.refreshes == 1


@pytest.mark.usefixtures("clock")
def test_a_disk_that_is_read_only_before_the_exchange(
    server: AuthServer,
    session: requests.Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is exchanged for a token that could not be kept."""
    store = FileStore(tmp_path / "token.json")
    store.save(server.login())
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", read_only)
        with pytest.raises(StoreError, match="Read-only file system") as caught:
            session.get("/api/x")
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    assert server.counters.refreshes == 0
    assert session.get("/api/x").status_code == 200


@pytest.mark.usefixtures("clock")
def test_a_keyring_that_locks_itself(
    server: AuthServer, session: requests.Session, secret_service: SecretService
) -> None:
    """A valid token goes on being used; at expiry it is an error; once unlocked it works again."""
    adapter = mount(session, server.url, ENDPOINT, KeyringStore("failures.example.com", "alice"))
    adapter.set_token(server.login())
    secret_service.lock()
    try:
        assert session.get("/api/x").status_code == 200
        server.expire()
        with pytest.raises((StoreError, RefreshUnavailable)) as caught:
            session.get("/api/x")
        assert caught.value.response is not None
        assert caught.value.response.status_code == 401
        assert server.counters.refreshes == 0
    finally:
        secret_service.unlock()
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 1
    adapter.clear_token()


def test_the_loop_guard_for_tokens_that_live_shortly(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """An API that refuses them all gets five in the window and no more, shortly as they live."""
    server.lifetime = 0.05
    mount(session, server.url, ENDPOINT, MemoryStore(server.login()), when=lambda _answer: True)
    for _ in range(20):
        assert session.get("/status/403").status_code in (401, 403)
        clock.advance(0.06)
    assert server.counters.refreshes == REFUSED_LIMIT


def test_a_login_of_another_adapter_on_the_store(server: AuthServer) -> None:
    """An adapter that can log in does, even if one that cannot led the refresh that was refused."""
    store = MemoryStore(server.login())
    with plain_session() as without, plain_session() as able:
        mount(without, server.url, ENDPOINT, store)
        adapter = mount(able, server.url, ENDPOINT, store, login=lambda _session: server.login())
        server.expire()
        server.revoke()
        answers: dict[str, int] = {}

        def call(name: str, session: requests.Session) -> None:
            answers[name] = session.get("/api/x").status_code

        with server.gate(on="refresh") as gate:
            threads = start(lambda: call("without", without))
            gate.wait_for(1, timeout=WAIT)
            threads += start(lambda: call("able", able))
            wait_for_waiters(adapter, 1)
            gate.open()
            join(*threads)
    assert answers == {"without": 401, "able": 200}
