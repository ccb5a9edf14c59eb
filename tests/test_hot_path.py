"""The hot path: with a valid token and our origin, no lock, no look into the store, no parsing.

How much time that takes is in benchmarks/hot_path.py.
"""

from __future__ import annotations

import _thread
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import JWTRefreshAdapter, MemoryStore, Token, urls
from tests.support.transports import StubTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests import PreparedRequest, Session

LIBRARY = "requests_jwt_refresh"
BASE = "https://hot.example.com/v1"
OURS = ["/users", "/users/7?page=2", f"{BASE}/users", "https://hot.example.com/elsewhere#top", ""]


class WatchedStore(MemoryStore):
    """A store that notes each verb."""

    def __init__(self, token: Token) -> None:
        super().__init__(token)
        self.asked: list[str] = []

    def load(self) -> Token | None:
        self.asked.append("load")
        return super().load()

    def save(self, token: Token) -> None:
        self.asked.append("save")
        super().save(token)

    def clear(self) -> None:
        self.asked.append("clear")
        super().clear()

    def lock(self, timeout: float) -> Any:
        self.asked.append("lock")
        return super().lock(timeout)


class WatchedLock:
    """A lock that notes each time it is taken by this library."""

    def __init__(self, lock: Any, lock_takers: list[str]) -> None:
        self._lock = lock
        self._taken = lock_takers

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        self._note()
        return bool(self._lock.acquire(*args, **kwargs))

    def __enter__(self) -> None:
        self._note()
        self._lock.acquire()

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()

    def _note(self) -> None:
        taker = sys._getframe(2).f_globals["__name__"]  # noqa: SLF001 - who takes it?
        if taker.startswith(LIBRARY):
            self._taken.append(taker)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


@pytest.fixture
def lock_takers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules of this library that have taken a lock since, in order.

    Every lock is watched that a module of the library holds, or that is made from now on.
    """
    lock_takers: list[str] = []

    def watching(make: Callable[[], Any]) -> Callable[[], WatchedLock]:
        return lambda: WatchedLock(make(), lock_takers)

    lock_types = (type(threading.Lock()), type(threading.RLock()))
    for where, name in ((threading, "Lock"), (threading, "RLock"), (_thread, "allocate_lock")):
        make = getattr(where, name)
        monkeypatch.setattr(where, name, watching(make))
    for module in [each for name, each in sys.modules.items() if name.startswith(LIBRARY)]:
        for name, value in list(vars(module).items()):
            if isinstance(value, lock_types):
                monkeypatch.setattr(module, name, WatchedLock(value, lock_takers))
    return lock_takers


@pytest.fixture
def parsed_urls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that have been parsed."""
    parsed_urls: list[str] = []
    for name in ("urlsplit", "parse_url"):
        parse = getattr(urls, name)

        def noting(url: str, parse: Callable[[str], object] = parse) -> object:
            parsed_urls.append(url)
            return parse(url)

        monkeypatch.setattr(urls, name, noting)
    return parsed_urls


@pytest.fixture
def stub() -> StubTransport:
    """The API: it takes every token but the one it is told to refuse."""
    return StubTransport(lambda request: (401 if is_refused(request) else 200, b""))


def is_refused(request: PreparedRequest) -> bool:
    return request.headers.get("Authorization") == "Bearer first" and "refused" in str(request.url)


@pytest.fixture
def store() -> WatchedStore:
    return WatchedStore(Token("first", "r1", time.time() + 3600))


def refreshed(_session: Session, _token: Token) -> Token:
    return Token("second", "r2", time.time() + 3600)


@pytest.fixture
def session(lock_takers: list[str], stub: StubTransport, store: WatchedStore) -> Iterator[Session]:
    """A session that has sent one request to our origin."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", JWTRefreshAdapter(BASE, refreshed, store, transport=stub))
        assert session.get("/warm").status_code == 200
        assert store.asked == ["load"], "one look, for the first request"
        assert lock_takers, "which did take a lock"
        lock_takers.clear()
        store.asked.clear()
        yield session


def test_no_lock_is_taken(session: Session, lock_takers: list[str]) -> None:
    """Threads with a valid token never wait for each other."""
    for url in OURS:
        session.get(url)
    assert lock_takers == []


def test_no_store_is_read(session: Session, store: WatchedStore) -> None:
    """Reading a keyring takes milliseconds: it is not read for a token that is in memory."""
    for url in OURS:
        session.get(url)
    assert store.asked == []


def test_no_url_is_parsed_whose_origin_is_known(session: Session, parsed_urls: list[str]) -> None:
    """One URL of an origin, ours or not, stands for all of them."""
    for url in OURS:
        session.get(url)
    other = f"https://{uuid.uuid4().hex}.example.com"
    session.get(f"{other}/1")
    assert [url for url in parsed_urls if "//hot." in url] == []
    assert parsed_urls, "an origin never seen before has to be parsed"
    parsed_urls.clear()
    session.get(f"{other}/2?x=1")
    assert parsed_urls == []


def test_every_request_had_its_token(session: Session, stub: StubTransport) -> None:
    """The tests above do not pass because nothing was done."""
    for url in OURS:
        session.get(url)
    assert stub.authorizations() == ["Bearer first"] * (1 + len(OURS))


def test_it_is_hot_again_after_a_refresh(
    session: Session, stub: StubTransport, store: WatchedStore, lock_takers: list[str]
) -> None:
    """A 401 takes locks and asks the store; the requests after it do neither."""
    session.get("/refused")
    assert store.asked[:2] == ["load", "lock"]
    assert "save" in store.asked
    assert lock_takers, "the instruments do see the way that is not hot"
    lock_takers.clear()
    store.asked.clear()
    session.get("/users")
    assert stub.authorizations()[-2:] == ["Bearer second"] * 2
    assert (lock_takers, store.asked) == ([], [])


def test_an_opaque_token_is_as_cheap(lock_takers: list[str], stub: StubTransport) -> None:
    """One whose expiry is not known counts as valid until the API says otherwise."""
    store = WatchedStore(Token("opaque", "r1"))
    with requests.Session() as session:
        session.mount("https://", JWTRefreshAdapter(BASE, refreshed, store, transport=stub))
        session.get("/warm")
        lock_takers.clear()
        store.asked.clear()
        session.get("/users")
    assert stub.authorizations() == ["Bearer opaque"] * 2
    assert (lock_takers, store.asked) == ([], [])
