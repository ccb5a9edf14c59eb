"""Rejected: the server says no, and what is forgotten then, and by whom."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import adapter as adapter_module
from requests_jwt_refresh import tokens
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.errors import RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.mounting import mount
from requests_jwt_refresh.refresh import holding, refresher
from requests_jwt_refresh.refresh.holding import LONGEST_PAUSE, REFUSED_LIMIT, REFUSED_WINDOW
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import Status
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh.testing import AuthServer, Exchange

THREADS = 32
WAIT = 30.0  # seconds; only a failing test ever passes them
ENDPOINT = JSONEndpoint("/auth/refresh")
STILL_EXPIRED = Status(401, body=b'{"message": "Invalid JWT"}')


class Clock:
    """Stands in for the time module where the pauses are counted: nobody really waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0
        self._mutex = threading.Lock()

    def monotonic(self) -> float:
        with self._mutex:
            self.now += 0.000_001
            return self.now

    def advance(self, seconds: float) -> None:
        with self._mutex:
            self.now += seconds

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.advance(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (adapter_module, refresher, holding):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def store(server: AuthServer) -> MemoryStore:
    """A store that holds a login."""
    return MemoryStore(server.login())


def overdue(token: Token) -> Token:
    """Return the token, known to be over, whatever the server thinks of it."""
    return Token(token.access, token.refresh, time.time() - 1)


def at_once(count: int, do: Callable[[], requests.Response]) -> list[int]:
    """Return the statuses of `count` threads that set out together."""
    start = threading.Barrier(count)

    def run(_number: int) -> int:
        start.wait(WAIT)
        return do().status_code

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count), timeout=WAIT))


def api_paths(server: AuthServer) -> list[str]:
    return [seen.path for seen in server.requests if seen.kind == "api"]


class PeerMeanwhile:
    """A fault: while the server makes up its mind, somebody else does something."""

    def __init__(self, deed: Callable[[], object]) -> None:
        self._deed = deed

    def play(self, exchange: Exchange) -> None:
        answer = exchange.work()
        self._deed()
        exchange.send(answer)


# --- Refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore, *, stream: bool
) -> None:
    """A refusal forgets the tokens everywhere, and the caller gets the API's own 401, whole."""
    told: list[RefreshRejected] = []
    page = b'{"message": "Invalid JWT", "more": "' + b"m" * 100_000 + b'"}'
    server.expired = Status(401, body=page, headers={"X-Reason": "over"})
    adapter = mount(session, server.url, ENDPOINT, store, on_logout=told.append)
    server.revoke()
    server.expire()
    response = session.get("/api/x", stream=stream)
    assert response.status_code == 401
    assert response.headers["X-Reason"] == "over"
    assert (b"".join(response.iter_content(1000)) if stream else response.content) == page
    assert response.history == []
    assert store.load() is None
    assert adapter.token is None
    assert [type(each) for each in told] == [RefreshRejected]
    assert server.counters.refreshes == 1


def test_after_a_refusal_nobody_asks_again(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Once logged out, requests go without a token, and get the API's answer without a refresh."""
    told: list[RefreshRejected] = []
    mount(session, server.url, ENDPOINT, store, on_logout=told.append)
    server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert session.get("/api/x").json() == {"message": "No token"}
    assert len(told) == 1
    assert server.counters.refreshes == 1


def test_a_new_login_ends_it(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """set_token after a refusal, and all is well."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == 401
    adapter.set_token(server.login())
    assert session.get("/api/x").status_code == 200


def test_no_refresh_token_forgets_nothing(server: AuthServer, session: requests.Session) -> None:
    """Where there is nothing to ask with, nothing was refused: no on_logout, no refresh call."""
    told: list[RefreshRejected] = []
    token = Token(server.login().access)
    store = MemoryStore(token)
    mount(session, server.url, ENDPOINT, store, on_logout=told.append)
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert told == []
    assert store.load() == token
    assert server.counters.refreshes == 0


def test_a_forced_refresh_that_is_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """refresh() says so with RefreshRejected; the tokens are forgotten, on_logout is told."""
    told: list[RefreshRejected] = []
    adapter = mount(session, server.url, ENDPOINT, store, on_logout=told.append)
    server.revoke()
    with pytest.raises(RefreshRejected, match="refused the refresh token"):
        adapter.refresh()
    assert len(told) == 1
    assert store.load() is None


def test_a_callable_says_no(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A callable endpoint refuses by raising RefreshRejected, and on_logout gets that very one."""
    told: list[RefreshRejected] = []
    no = RefreshRejected("the licence has ended")

    def refuse(_session: requests.Session, _token: Token) -> Token:
        raise no

    mount(session, server.url, refuse, store, on_logout=told.append)
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert told == [no]
    assert store.load() is None


# --- Before anything is forgotten ----------------------------------------------------------------


def test_a_peers_rotation_is_adopted(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If somebody else has rotated meanwhile, a refusal forgets nothing: theirs is used."""
    told: list[RefreshRejected] = []
    mount(session, server.url, ENDPOINT, store, on_logout=told.append)
    server.revoke()
    server.expire()
    peers = server.login()
    server.fail(PeerMeanwhile(lambda: store.save(peers)))
    assert session.get("/api/x").status_code == 200
    assert store.load() == peers
    assert told == []
    assert server.counters.refreshes == 1


def test_an_adopted_token_that_is_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If the API refuses a peer's token as well, it is no reason to ask a second time."""
    mount(session, server.url, ENDPOINT, store)
    server.revoke()
    peers = server.login()
    server.expire()
    server.fail(PeerMeanwhile(lambda: store.save(peers)))
    response = session.get("/api/x")
    assert response.status_code == 401
    assert [each.status_code for each in response.history] == [401]
    assert store.load() == peers
    assert server.counters.refreshes == 1


def test_a_peers_rotation_before_the_exchange(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A newer token in the store is used, and the server is not asked at all."""
    adapter = mount(session, server.url, ENDPOINT, store)
    assert session.get("/api/x").status_code == 200
    server.expire()
    store.save(server.login())
    assert session.get("/api/x").status_code == 200
    assert adapter.token == store.load()
    assert server.counters.refreshes == 0


def test_a_peers_rotation_that_is_over_as_well(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If the newer token is refused too, it is the one that is refreshed; then that is all."""
    mount(session, server.url, ENDPOINT, store)
    assert session.get("/api/x").status_code == 200
    peers = server.login()
    store.save(peers)
    server.expire()
    response = session.get("/api/x")
    assert response.status_code == 200
    assert [each.status_code for each in response.history] == [401, 401]
    assert server.counters.refreshes == server.counters.rotated == 1
    assert server.family_alive(peers)


# --- At an expiry that is known ------------------------------------------------------------------


def test_refused_at_a_known_expiry(server: AuthServer, session: requests.Session) -> None:
    """Refused before anything was sent: the old token goes out, and the server has its say."""
    token = server.login()
    mount(session, server.url, ENDPOINT, MemoryStore(overdue(token)))
    server.revoke()
    assert session.get("/api/x").status_code == 200
    assert server.requests[-1].bearer == token.access
    assert server.counters.refreshes == 1


def test_refused_at_a_known_expiry_and_by_the_api(
    server: AuthServer, session: requests.Session
) -> None:
    """If the API says no as well, its 401 reaches the caller, and nobody is asked again."""
    told: list[RefreshRejected] = []
    store = MemoryStore(overdue(server.login()))
    mount(session, server.url, ENDPOINT, store, on_logout=told.append)
    server.revoke()
    server.expire()
    response = session.get("/api/x")
    assert response.status_code == 401
    assert response.json() == {"message": "Invalid JWT"}
    assert api_paths(server) == ["/api/x"]
    assert len(told) == 1
    assert store.load() is None
    assert server.counters.refreshes == 1


# --- One network refresh for one request ---------------------------------------------------------


def test_a_fresh_token_that_is_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A 401 to a token that this very request has fetched is final."""
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    response = session.get("/api/x")
    assert response.status_code == 401
    assert [each.status_code for each in response.history] == [401]
    assert api_paths(server) == ["/api/x"] * 2
    assert server.counters.refreshes == 1


def test_a_fresh_token_that_is_refused_after_a_known_expiry(
    server: AuthServer, session: requests.Session
) -> None:
    """So is one to a token that was fetched before sending: no resend."""
    mount(session, server.url, ENDPOINT, MemoryStore(overdue(server.login())))
    server.fail(STILL_EXPIRED, on="api", times=None)
    response = session.get("/api/x")
    assert response.status_code == 401
    assert response.history == []
    assert api_paths(server) == ["/api/x"]
    assert server.counters.refreshes == 1


def test_at_most_two_resends(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Resent with somebody else's token, then with one of its own, then it is over."""
    mount(session, server.url, ENDPOINT, store)
    assert session.get("/api/first").status_code == 200
    store.save(server.login())
    server.fail(STILL_EXPIRED, on="api", times=None)
    response = session.get("/api/x")
    assert response.status_code == 401
    assert [each.status_code for each in response.history] == [401, 401]
    assert api_paths(server) == ["/api/first", *["/api/x"] * 3]
    assert server.counters.refreshes == 1


# --- login= --------------------------------------------------------------------------------------


class Login:
    """Logs in with a password, and counts."""

    def __init__(self, server: AuthServer, failure: Exception | None = None) -> None:
        self._server = server
        self._failure = failure
        self.calls = 0

    def __call__(self, session: requests.Session) -> Token:
        self.calls += 1
        if self._failure is not None:
            raise self._failure
        credentials = {"username": "alice", "password": "right"}
        found = session.post(f"{self._server.url}/auth/login", json=credentials).json()
        return Token(found["access_token"], found["refresh_token"])


def test_login_for_the_first_token(server: AuthServer, session: requests.Session) -> None:
    """Without a token 32 threads cost one login, before anything is sent."""
    login, store, told = Login(server), MemoryStore(), list[Token]()
    mount(session, server.url, ENDPOINT, store, login=login, on_refresh=told.append)
    assert at_once(THREADS, lambda: session.get("/api/x")) == [200] * THREADS
    assert login.calls == server.counters.logins == 1
    assert server.counters.unauthorized == server.counters.refreshes == 0
    assert told == [store.load()]


def test_login_after_a_refusal(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A refusal that a login mends: 200 for all, one login, and nobody was logged out."""
    login, told, lost = Login(server), list[Token](), list[RefreshRejected]()
    mount(
        session,
        server.url,
        ENDPOINT,
        store,
        login=login,
        on_refresh=told.append,
        on_logout=lost.append,
    )
    server.revoke()
    server.expire()
    assert at_once(THREADS, lambda: session.get("/api/x")) == [200] * THREADS
    assert login.calls == server.counters.refreshes == 1
    assert told == [store.load()]
    assert lost == []


def test_login_is_not_called_while_a_refresh_will_do(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A refresh comes first, and one that fails for want of an answer does not log in either."""
    login = Login(server)
    mount(session, server.url, ENDPOINT, store, login=login)
    server.expire()
    assert session.get("/api/x").status_code == 200
    server.expire()
    server.fail(Status(500))
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    assert login.calls == 0


def test_a_login_that_raises(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """It is RefreshUnavailable that names the kind alone, and not tried again at once."""
    login = Login(server, failure=LookupError("correct horse battery staple"))
    mount(session, server.url, ENDPOINT, store, login=login)
    server.revoke()
    server.expire()
    with pytest.raises(RefreshUnavailable, match="login failed with LookupError") as caught:
        session.get("/api/x")
    assert "horse" not in str(caught.value)
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    assert clock.slept <= 1
    assert login.calls == 2


def test_a_login_that_raises_is_shared(server: AuthServer, session: requests.Session) -> None:
    """One failed login is the failure of everybody who waited for it."""
    everybody_waits = threading.Event()
    calls: list[int] = []

    def login(_session: requests.Session) -> Token:
        calls.append(1)
        assert everybody_waits.wait(WAIT)
        raise LookupError

    mount(session, server.url, ENDPOINT, MemoryStore(), login=login)
    start = threading.Barrier(THREADS + 1)

    def get(_number: int) -> bool:
        start.wait(WAIT)
        with pytest.raises(RefreshUnavailable):
            session.get("/api/x")
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(get, range(THREADS), timeout=WAIT)
        start.wait(WAIT)
        everybody_waits.set()
        assert all(answers)
    assert server.counters.requests == 0


def test_a_login_that_is_refused(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """If login says no as well, it is a logout: the API's 401, on_logout once, store empty."""
    told: list[RefreshRejected] = []
    login = Login(server, failure=RefreshRejected("wrong password"))
    mount(session, server.url, ENDPOINT, store, login=login, on_logout=told.append)
    server.revoke()
    server.expire()
    response = session.get("/api/x")
    assert response.status_code == 401
    assert response.json() == {"message": "Invalid JWT"}
    assert len(told) == 1
    assert store.load() is None


def test_a_first_login_that_is_refused(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """Nobody was logged in, so nobody is logged out; the API answers; no more logins at once."""
    told: list[RefreshRejected] = []
    login = Login(server, failure=RefreshRejected("wrong password"))
    mount(session, server.url, ENDPOINT, MemoryStore(), login=login, on_logout=told.append)
    assert session.get("/api/x").json() == {"message": "No token"}
    clock.advance(2)
    assert session.get("/api/x").json() == {"message": "No token"}
    assert session.get("/api/x").json() == {"message": "No token"}
    assert login.calls == 2
    assert told == []


@pytest.mark.parametrize("junk", [None, "a string", Token(None, "refresh alone")], ids=repr)
def test_a_login_that_returns_junk(
    server: AuthServer, session: requests.Session, junk: Any
) -> None:
    """It is RefreshUnavailable that says what was returned."""
    store = MemoryStore()
    mount(session, server.url, ENDPOINT, store, login=lambda _session: junk)
    with pytest.raises(RefreshUnavailable, match=r"login returned a .*: it must return a Token"):
        session.get("/api/x")
    assert store.load() is None


# --- The brake -----------------------------------------------------------------------------------


def refresh_until_braked(server: AuthServer, session: requests.Session) -> None:
    for _ in range(REFUSED_LIMIT):
        assert session.get("/api/x").status_code == 401
    with pytest.raises(RefreshUnavailable, match="keeps refusing tokens fresh from") as caught:
        session.get("/api/x")
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    assert server.counters.refreshes == REFUSED_LIMIT


def insist(session: requests.Session, times: int) -> None:
    """Run into the API's 401 again and again, until the brake holds."""
    with suppress(RefreshUnavailable):
        for _ in range(times):
            assert session.get("/api/x").status_code == 401


def test_the_brake(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """Five refreshes in 30 s whose token is refused as well, and no more; tokens are kept."""
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    refresh_until_braked(server, session)
    clock.advance(REFUSED_WINDOW / 2)
    with pytest.raises(RefreshUnavailable, match="keeps refusing"):
        session.get("/api/x")
    assert server.counters.refreshes == REFUSED_LIMIT
    clock.advance(REFUSED_WINDOW)
    server.heal()
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == REFUSED_LIMIT + 1


def test_the_brake_is_off_when_the_api_comes_to_its_senses(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Only refreshes are braked: a token that is accepted again is used."""
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    refresh_until_braked(server, session)
    server.heal()
    assert session.get("/api/x").status_code == 200


def test_a_new_login_takes_the_brake_off(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """set_token starts afresh."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    refresh_until_braked(server, session)
    adapter.set_token(server.login())
    assert session.get("/api/x").status_code == 401
    assert server.counters.refreshes == REFUSED_LIMIT + 1


def test_the_brake_for_tokens_that_are_over_at_once(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A server whose tokens are over by the time they arrive is braked as well."""
    server.lifetime = 0.001
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)
    insist(session, 2 * REFUSED_LIMIT)
    assert server.counters.refreshes == REFUSED_LIMIT


def test_the_brake_spares_the_rest_of_the_api(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One page that always says 401 does not keep a token that is over from being refreshed."""
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on=lambda path: path == "/api/x", times=None)
    refresh_until_braked(server, session)
    over = time.time() + server.lifetime + 1
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: over))
    clock.advance(REFUSED_WINDOW / 2)
    server.expire()
    assert session.get("/api/others").status_code == 200
    assert server.counters.refreshes == REFUSED_LIMIT + 1


def test_the_brake_holds_for_many_threads(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """However many threads run into it: five refreshes."""
    mount(session, server.url, ENDPOINT, store)
    server.fail(STILL_EXPIRED, on="api", times=None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: insist(session, 10), range(8), timeout=WAIT))
    assert server.counters.refreshes == REFUSED_LIMIT


class RefusedLate:
    """A fault: everything is refused, but a resend of /api/held/... only when it is let go."""

    def __init__(self) -> None:
        self.held = threading.Semaphore(0)
        self.let_go = threading.Event()
        self._mutex = threading.Lock()
        self._sent: Counter[str] = Counter()

    def play(self, exchange: Exchange) -> None:
        path = exchange.seen.path
        with self._mutex:
            self._sent[path] += 1
            is_held = path.startswith("/api/held/") and self._sent[path] == 2
        if is_held:
            self.held.release()
            assert self.let_go.wait(WAIT)
        exchange.send(STILL_EXPIRED.answer())


def test_the_brake_does_not_wait_for_the_one_who_asked(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """A fresh token counts as refused even if the refusal met somebody else's request first."""
    mount(session, server.url, ENDPOINT, store)
    late = RefusedLate()
    server.fail(late, on="api", times=None)
    with ThreadPoolExecutor(REFUSED_LIMIT) as pool:
        try:
            for number in range(REFUSED_LIMIT):
                slow = pool.submit(session.get, f"/api/held/{number}")
                slow.add_done_callback(lambda _slow: late.held.release())  # braked, not held
                assert late.held.acquire(timeout=WAIT)
                insist(session, 1)
        finally:
            late.let_go.set()
    assert server.counters.refreshes == REFUSED_LIMIT


def test_helpful_refreshes_are_never_braked(
    server: AuthServer, session: requests.Session, store: MemoryStore
) -> None:
    """Twenty expiries in a row are twenty refreshes."""
    mount(session, server.url, ENDPOINT, store)
    for _ in range(20):
        server.expire()
        assert session.get("/api/x").status_code == 200
    assert server.counters.rotated == server.counters.refreshes == 20


# --- Cooling -------------------------------------------------------------------------------------


def fails_without_asking(server: AuthServer, session: requests.Session, clock: Clock) -> str:
    asked, slept = server.counters.refreshes, clock.slept
    with pytest.raises(RefreshUnavailable) as caught:
        session.get("/api/x")
    assert server.counters.refreshes == asked
    assert clock.slept == slept
    return str(caught.value)


def fails_after_asking(server: AuthServer, session: requests.Session) -> None:
    asked = server.counters.refreshes
    with pytest.raises(RefreshUnavailable):
        session.get("/api/x")
    assert server.counters.refreshes == asked + 1


def test_the_pause_grows(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """A failed refresh is not tried again for 1 s, 2 s, 4 s ... and never more than 60 s."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=None)
    fails_after_asking(server, session)
    clock.advance(1.5)
    for pause in (2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE):
        fails_after_asking(server, session)
        clock.advance(pause - 1.5)
        text = fails_without_asking(server, session, clock)
        assert "answered 500" in text
        assert "not tried again for" in text
        clock.advance(2)
    server.heal()
    assert session.get("/api/x").status_code == 200


def test_a_success_ends_the_pauses(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """After a refresh that worked, the next failure begins with a short pause again."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500), times=3)
    for pause in (1, 2, 4):
        fails_after_asking(server, session)
        clock.advance(pause + 0.1)
    assert session.get("/api/x").status_code == 200
    server.expire()
    server.fail(Status(500), times=2)
    fails_after_asking(server, session)
    clock.advance(1.1)
    fails_after_asking(server, session)


def test_a_short_pause_is_waited_out(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """A request right after a first failure waits the second out rather than fail."""
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(500))
    fails_after_asking(server, session)
    assert session.get("/api/x").status_code == 200
    assert 0.9 < clock.slept <= 1.0
    assert server.counters.refreshes == 2


@pytest.mark.parametrize(("asked", "pause"), [(20, 20), (100_000, LONGEST_PAUSE)])
def test_retry_after(
    server: AuthServer,
    session: requests.Session,
    store: MemoryStore,
    clock: Clock,
    asked: int,
    pause: float,
) -> None:
    """A Retry-After longer than a refresh may take is the pause, up to a minute."""
    mount(session, server.url, ENDPOINT, store, refresh_timeout=5)
    server.expire()
    server.fail(Status(503, retry_after=asked))
    fails_after_asking(server, session)
    clock.advance(pause - 1.5)
    assert f"asks for {asked} s" in fails_without_asking(server, session, clock)
    clock.advance(2)
    assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 2


def test_a_forced_refresh_does_not_wait(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """refresh() asks at once, whatever has failed before; its success ends the pause."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(503, retry_after=50))
    fails_after_asking(server, session)
    assert adapter.refresh() == store.load()
    assert session.get("/api/x").status_code == 200
    assert clock.slept == 0


def test_a_new_login_ends_the_pause(
    server: AuthServer, session: requests.Session, store: MemoryStore, clock: Clock
) -> None:
    """After set_token a refresh is tried at once."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    server.fail(Status(503, retry_after=50))
    fails_after_asking(server, session)
    adapter.set_token(server.login())
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert clock.slept == 0
