"""What the caller sees when the store fails around a refresh, and that nothing is lost."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    FileStore,
    JSONEndpoint,
    KeyringStore,
    MemoryStore,
    RefreshUnavailable,
    StoreError,
    mount,
)
from requests_jwt_refresh.refresh import holding, refresher
from tests.support.secret_service import SecretService, running_secret_service, secret_service

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["running_secret_service", "secret_service"]  # fixtures

ENDPOINT = JSONEndpoint("/auth/refresh")
WAIT = 30.0


def read_only(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_disk_that_turns_read_only_before_the_save(
    server: AuthServer,
    session: requests.Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The new token is used from memory, warned about, and saved with a later request."""
    store = FileStore(tmp_path / "token.json")
    adapter = mount(session, server.url, ENDPOINT, store)
    adapter.set_token(server.login())
    old = store.load()
    monkeypatch.setattr(refresher, "FIRST_PAUSE", 0.0)  # it tries again at once
    server.expire()
    answers: list[int] = []
    with monkeypatch.context() as broken:
        with server.gate(on="refresh") as gate:
            thread = threading.Thread(
                target=lambda: answers.append(session.get("/api/x").status_code)
            )
            thread.start()
            gate.wait_for(1, timeout=WAIT)
            broken.setattr(tempfile, "mkstemp", read_only)
            gate.open()
            thread.join(WAIT)
        assert answers == [200]
        assert store.load() == old
        assert "Read-only file system" in caplog.text
    assert session.get("/api/x").status_code == 200
    assert store.load() == adapter.token != old
    assert server.counters.refreshes == 1


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
    monkeypatch.setattr(holding, "FIRST_PAUSE", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(tempfile, "mkstemp", read_only)
        with pytest.raises(StoreError, match="Read-only file system") as caught:
            session.get("/api/x")
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    assert server.counters.refreshes == 0
    assert session.get("/api/x").status_code == 200


def test_a_keyring_that_locks_itself(
    server: AuthServer,
    session: requests.Session,
    secret_service: SecretService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A valid token goes on being used; at expiry it is told, and all is well once unlocked."""
    monkeypatch.setattr(holding, "FIRST_PAUSE", 0.0)
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


def test_the_brake_holds_for_tokens_that_live_shortly(
    server: AuthServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that refuses them all gets five in the window and no more, shortly as they live."""
    server.lifetime = 0.05
    mount(session, server.url, ENDPOINT, MemoryStore(server.login()), when=lambda _answer: True)
    monkeypatch.setattr(holding, "FIRST_PAUSE", 0.0)
    failed = 0
    for _ in range(20):
        try:
            session.get("/status/403")
        except RefreshUnavailable as error:
            assert "keeps refusing" in str(error)  # noqa: PT017 - some of the calls are answered
            failed += 1
        threading.Event().wait(0.06)
    assert server.counters.refreshes == holding.REFUSED_LIMIT
    assert failed > 0


def test_a_login_of_another_adapter_on_the_store(
    server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can log in does, even if another adapter has led the refresh that was refused."""
    store = MemoryStore(server.login())
    with requests.Session() as without, requests.Session() as able:
        without.trust_env = able.trust_env = False
        mount(without, server.url, ENDPOINT, store)
        mount(able, server.url, ENDPOINT, store, login=lambda _session: server.login())
        server.expire()
        server.revoke()
        answers: dict[str, int] = {}

        def call(name: str, session: requests.Session) -> None:
            answers[name] = session.get("/api/x").status_code

        follows = threading.Event()

        def noted_wait(futures: Any, timeout: float) -> Any:
            if threading.current_thread() is follower:
                follows.set()
            return wait(futures, timeout)

        monkeypatch.setattr(refresher, "wait", noted_wait)
        leader = threading.Thread(target=call, args=("without", without))
        follower = threading.Thread(target=call, args=("able", able))
        with server.gate(on="refresh") as gate:
            leader.start()
            gate.wait_for(1, timeout=WAIT)
            follower.start()
            assert follows.wait(WAIT)
            gate.open()
            leader.join(WAIT)
            follower.join(WAIT)
    assert answers == {"without": 401, "able": 200}
