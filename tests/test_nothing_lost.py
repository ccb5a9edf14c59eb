"""Nothing lost: what the server has given is kept, whatever the store does."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh.errors import (
    InvalidToken,
    LockTimeout,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.mounting import mount
from requests_jwt_refresh.refresh.limits import FIRST_COOLDOWN
from requests_jwt_refresh.stores.memory import MemoryStore
from requests_jwt_refresh.testing import Status
from requests_jwt_refresh.tokens import Token
from tests.support.leaks import list_secrets
from tests.support.users import ENDPOINT, load_token
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from requests_jwt_refresh.adapter import JWTRefreshAdapter
    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

pytestmark = pytest.mark.usefixtures("clock")


class BrittleStore(MemoryStore):
    """A store whose verbs fail as long as they are in `broken`, and that keeps a diary.

    "save new" is a save of another token than the one that it holds.
    """

    def __init__(self, token: Token | None = None, *broken: str) -> None:
        super().__init__(token)
        self.broken = set(broken)
        self.error: Exception = StoreError("the disk is full")
        self.diary: list[str] = []
        self.timeouts: list[float] = []

    @contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        self.timeouts.append(timeout)
        if "lock" in self.broken:
            raise LockTimeout("another one has it")
        with super().lock(timeout):
            yield

    def load(self) -> Token | None:
        self._note("load")
        return super().load()

    def save(self, token: Token) -> None:
        self._note("save" if token == super().load() else "save new")
        super().save(token)

    def clear(self) -> None:
        self._note("clear")
        super().clear()

    def peek(self) -> Token | None:
        """Return what is in it, broken or not."""
        return super().load()

    def _note(self, verb: str) -> None:
        self.diary.append(verb)
        if verb in self.broken or verb.split(maxsplit=1)[0] in self.broken:
            raise self.error


@pytest.fixture
def store(server: AuthServer) -> BrittleStore:
    """A store that holds a login."""
    return BrittleStore(server.login())


@pytest.fixture
def adapter(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> JWTRefreshAdapter:
    """The adapter on the session, whose store has already shown that it can be written."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    assert session.get("/api/x").status_code == 200
    store.diary.clear()
    return adapter


def change(adapter: JWTRefreshAdapter, call: str, token: Token) -> None:
    """Log in with `token`, or log out."""
    if call == "set_token":
        adapter.set_token(token)
    else:
        adapter.clear_token()


# --- A login whose token the store will not take ---------------------------------------------


@pytest.mark.parametrize("broken", ["lock", "load", "save"])
def test_a_login_is_kept_whatever_the_store_does(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    clock: Clock,
    broken: str,
) -> None:
    """A person has typed a password: it is used from memory, and saved with a later request."""

    def log_in(_session: requests.Session) -> Token:
        store.broken = {broken}
        return server.login()

    adapter = mount(session, server.url, ENDPOINT, store, login=log_in)
    server.expire()
    server.revoke()
    assert session.get("/api/x").status_code == 200
    store.broken.clear()
    clock.advance(FIRST_COOLDOWN)
    assert session.get("/api/x").status_code == 200
    assert store.peek() == adapter.token
    assert server.family_alive(load_token(store))


# --- A store that will not take the new token ----------------------------------------------------


@pytest.mark.parametrize(
    "error", [StoreError("the disk is full"), OSError(28, "no space")], ids=repr
)
def test_a_token_that_cannot_be_saved_is_used(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """It stays in memory and is used, and a warning says what to expect; no token is in it."""
    caplog.set_level(logging.DEBUG)
    before = store.peek()
    store.broken, store.error = {"save new"}, error
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert store.peek() == before
    assert adapter.token not in (before, None)
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert warning.name == "requests_jwt_refresh"
    assert "could not be saved" in warning.getMessage()
    assert not any(secret in caplog.text for secret in list_secrets(before, adapter.token))
    assert session.get("/api/x").status_code == 200
    assert server.counters.reuse == 0


def test_valid_token_while_nothing_can_be_saved(
    server: AuthServer,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The token that is still valid, though not for as long as was asked, and one warning."""
    store.broken = {"save"}
    before = adapter.token
    for _ in range(3):
        clock.advance(2 * FIRST_COOLDOWN)
        assert adapter.valid_token(10_000) == before
    (warning,) = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert "the disk is full" in warning
    clock.advance(server.lifetime)
    with pytest.raises(StoreError, match="the disk is full"):
        adapter.valid_token()
    store.broken.clear()
    clock.advance(100)
    assert adapter.valid_token(10_000) != before


def test_it_is_saved_again_at_a_later_request(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    clock: Clock,
) -> None:
    """After a cooldown the next request saves it, without a refresh; then it is left alone."""
    store.broken = {"save new"}
    server.expire()
    assert session.get("/api/x").status_code == 200
    refreshes = server.counters.refreshes
    store.broken.clear()
    store.diary.clear()
    assert session.get("/api/x").status_code == 200
    assert store.diary == [], "it waits first"
    clock.advance(FIRST_COOLDOWN)
    assert session.get("/api/x").status_code == 200
    assert store.peek() == adapter.token
    store.diary.clear()
    clock.advance(FIRST_COOLDOWN)
    assert session.get("/api/x").status_code == 200
    assert store.diary == []
    assert server.counters.refreshes == refreshes


def test_it_does_no_harm_while_the_store_stays_broken(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    clock: Clock,
) -> None:
    """Requests go on, one attempt a cooldown; at the next expiry nothing is exchanged."""
    store.broken = {"save new"}
    server.expire()
    for _ in range(3):
        clock.advance(FIRST_COOLDOWN)
        assert session.get("/api/x").status_code == 200
    assert store.diary.count("save new") == 2 * 3, "with Token.extra, and without"
    server.expire()
    asked = server.counters.refreshes
    with pytest.raises(StoreError, match="the disk is full") as caught:
        session.get("/api/x")
    assert caught.value.response is not None
    assert server.counters.refreshes == asked
    store.broken.clear()
    clock.advance(FIRST_COOLDOWN)
    assert session.get("/api/x").status_code == 200
    token = store.peek()
    assert token is not None
    assert token == adapter.token
    assert server.counters.reuse == 0
    assert server.family_alive(token)


def test_it_is_not_saved_over_a_newer_login(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    clock: Clock,
) -> None:
    """If another program has logged in meanwhile, its token stays and is adopted."""
    store.broken = {"save new"}
    server.expire()
    assert session.get("/api/x").status_code == 200
    store.broken.clear()
    newer = server.login()
    store.save(newer)
    clock.advance(FIRST_COOLDOWN)
    assert session.get("/api/x").status_code == 200
    assert store.peek() == newer
    assert adapter.token == newer


def test_saving_again_never_waits(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    clock: Clock,
) -> None:
    """A request whose token is fine does not wait for the store's lock on that account."""
    store.broken = {"save new"}
    server.expire()
    assert session.get("/api/x").status_code == 200
    store.broken.clear()
    clock.advance(FIRST_COOLDOWN)
    with store.lock(0):
        store.timeouts.clear()
        assert session.get("/api/x").status_code == 200
        assert store.timeouts == [0]
        assert store.peek() != adapter.token
    clock.advance(FIRST_COOLDOWN)
    assert session.get("/api/x").status_code == 200
    assert store.peek() == adapter.token


# --- A store that cannot be written or read ------------------------------------------------------


def test_a_store_that_cannot_be_written(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> None:
    """Before the first exchange the store must show that it can be written, or there is none."""
    before = store.peek()
    store.broken = {"save"}
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    with pytest.raises(StoreError, match="the disk is full") as caught:
        session.get("/api/x")
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    assert server.counters.refreshes == 0
    assert store.peek() == before
    store.broken.clear()
    assert session.get("/api/x").status_code == 200
    assert server.counters.rotated == 1


def test_a_store_that_fails_in_its_own_way(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> None:
    """A store that raises what it should not: an error of our tree, and nothing was exchanged."""
    store.broken, store.error = {"save"}, RuntimeError("held-by-the-error")
    mount(session, server.url, ENDPOINT, store)
    server.expire()
    with pytest.raises(StoreError, match="RuntimeError") as caught:
        session.get("/api/x")
    assert "held" not in str(caught.value)
    assert server.counters.refreshes == 0


def test_a_store_that_cannot_be_read(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> None:
    """The first look fails: StoreError, nothing sent, nothing deleted; it works again later."""
    store.broken = {"load"}
    mount(session, server.url, ENDPOINT, store)
    with pytest.raises(StoreError, match="the disk is full"):
        session.get("/api/x")
    assert "clear" not in store.diary
    assert "save" not in store.diary
    assert server.requests == []
    store.broken.clear()
    assert session.get("/api/x").status_code == 200


def test_a_store_that_cannot_be_read_any_more(
    server: AuthServer, session: requests.Session, store: BrittleStore, adapter: JWTRefreshAdapter
) -> None:
    """If the store cannot be read before a refresh, nothing is asked and nothing is lost."""
    before = store.peek()
    refreshes = server.counters.refreshes
    store.broken = {"load"}
    server.expire()
    with pytest.raises(StoreError) as caught:
        session.get("/api/x")
    assert caught.value.response is not None
    assert caught.value.response.status_code == 401
    assert server.counters.refreshes == refreshes
    assert store.peek() == adapter.token == before
    store.broken.clear()
    assert session.get("/api/x").status_code == 200


def test_a_store_that_cannot_be_cleared(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A refused token is forgotten here all the same; a warning says that it is still there."""
    before = store.peek()
    store.broken = {"clear"}
    server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert adapter.token is None
    assert "could not be removed from the store" in caplog.text
    assert not any(secret in caplog.text for secret in list_secrets(before))


def test_a_store_that_cannot_be_read_after_a_refusal(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> None:
    """What is in the store then may be another program's new login: it is not deleted."""
    mount(session, server.url, ENDPOINT, store)
    newer = server.login()

    def refuse(_session: requests.Session, _token: Token) -> Token:
        store.save(newer)
        store.broken = {"load"}
        raise RefreshRejected("no")

    mount(session, server.url, refuse, store)
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert store.peek() == newer
    assert "clear" not in store.diary


# --- What is kept --------------------------------------------------------------------------------


def test_a_reply_without_a_refresh_token(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> None:
    """It means that the old one stays good, again and again."""
    server.rotate = False
    before = store.peek()
    assert before is not None
    mount(session, server.url, ENDPOINT, store)
    for _ in range(3):
        server.expire()
        assert session.get("/api/x").status_code == 200
        kept = store.peek()
        assert kept is not None
        assert kept.refresh == before.refresh
        assert kept.access != before.access
    assert server.counters.rotated == 3


def test_a_callables_token_without_a_refresh_token(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> None:
    """The same holds for a callable's Token."""
    before = store.peek()
    assert before is not None
    mount(session, server.url, lambda _session, _token: Token(server.login().access), store)
    server.expire()
    assert session.get("/api/x").status_code == 200
    kept = store.peek()
    assert kept is not None
    assert kept.refresh == before.refresh


def test_a_login_without_a_refresh_token_keeps_no_old_one(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> None:
    """After a login the refresh token of the login before is worth nothing."""
    mount(
        session,
        server.url,
        ENDPOINT,
        store,
        login=lambda _session: Token(server.login().access),
    )
    server.revoke()
    server.expire()
    assert session.get("/api/x").status_code == 200
    kept = store.peek()
    assert kept is not None
    assert kept.refresh is None


class SlowStore(MemoryStore):
    """A store that takes a new token when the test lets it."""

    def __init__(self, token: Token) -> None:
        super().__init__(token)
        self._first = token
        self.asked_to_save = threading.Event()
        self.may_save = threading.Event()

    def save(self, token: Token) -> None:
        if token.refresh != self._first.refresh:  # not the one that proves it can be written
            self.asked_to_save.set()
            assert self.may_save.wait(WAIT)
        super().save(token)


def test_the_order(server: AuthServer, session: requests.Session) -> None:
    """The server answers, the store saves, memory publishes, waiters wake, requests are resent."""
    old = server.login()
    store = SlowStore(old)
    given: list[Token | None] = []
    all_refused = threading.Barrier(4)

    def expired(response: requests.Response) -> bool:
        return response.status_code == 401 and all_refused.wait(WAIT) >= 0

    adapter = mount(
        session,
        server.url,
        ENDPOINT,
        store,
        when=expired,
        on_refresh=lambda _: given.append(seen()),
    )

    def seen() -> Token | None:
        return adapter.token if adapter.token == store.load() else None

    server.expire()
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(session.get, f"/api/{number}") for number in range(4)]
        assert store.asked_to_save.wait(WAIT)
        assert server.counters.rotated == 1
        assert adapter.token is not None
        assert adapter.token.access == old.access, "published before it was saved"
        assert server.counters.answered == 0
        with server.gate(on="api") as gate:
            store.may_save.set()
            gate.wait_for(1, WAIT)
            assert store.load() == adapter.token
            assert adapter.token.access != old.access
        assert [each.result(WAIT).status_code for each in answers] == [200] * 4
    assert given == [store.load()]


# --- Logged out elsewhere ------------------------------------------------------------------------


def test_logged_out_elsewhere(
    server: AuthServer, session: requests.Session, store: BrittleStore, adapter: JWTRefreshAdapter
) -> None:
    """A store emptied by another program: forgotten here too, 401 to the caller, no refresh."""
    refreshes = server.counters.refreshes
    MemoryStore.clear(store)
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert adapter.token is None
    assert store.peek() is None
    assert "save" not in store.diary
    assert server.counters.refreshes == refreshes


def test_logged_out_elsewhere_with_a_token_unsaved(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    clock: Clock,
) -> None:
    """A token that waits to be saved does not undo a logout elsewhere."""
    store.broken = {"save new"}
    server.expire()
    assert session.get("/api/x").status_code == 200
    store.broken.clear()
    MemoryStore.clear(store)
    clock.advance(FIRST_COOLDOWN)
    session.get("/api/x")
    assert store.peek() is None
    assert adapter.token is None


# --- set_token and clear_token -------------------------------------------------------------------


def test_set_token(server: AuthServer, session: requests.Session) -> None:
    """It is stored and used at once; a JWT's expiry is filled in from its own claims."""
    store = MemoryStore()
    adapter = mount(session, server.url, ENDPOINT, store)
    assert session.get("/api/x").status_code == 401
    token = server.login()
    adapter.set_token(token)
    assert session.get("/api/x").status_code == 200
    kept = store.load()
    assert kept is not None
    assert (kept.access, kept.refresh) == (token.access, token.refresh)
    assert kept.expires_at is not None
    assert adapter.token == kept
    assert server.counters.refreshes == 0


def test_a_refresh_token_alone(server: AuthServer, session: requests.Session) -> None:
    """With nothing but a refresh token the first request refreshes before it is sent."""
    adapter = mount(session, server.url, ENDPOINT, MemoryStore())
    adapter.set_token(Token(None, server.login().refresh))
    assert session.get("/api/x").status_code == 200
    assert server.counters.unauthorized == 0
    assert server.counters.rotated == 1


def test_a_refresh_token_alone_that_cannot_be_traded(
    server: AuthServer, session: requests.Session
) -> None:
    """Then there is no token to try with: RefreshUnavailable, and nothing is sent."""
    adapter = mount(session, server.url, ENDPOINT, MemoryStore())
    adapter.set_token(Token(None, server.login().refresh))
    server.fail(Status(500))
    with pytest.raises(RefreshUnavailable, match="answered 500"):
        session.get("/api/x")
    assert [seen.kind for seen in server.requests] == ["refresh"]
    assert session.get("/api/x").status_code == 200


def test_clear_token(
    session: requests.Session, store: BrittleStore, adapter: JWTRefreshAdapter
) -> None:
    """The token is forgotten here and in the store, and requests go without one."""
    adapter.clear_token()
    assert store.peek() is None
    assert adapter.token is None
    assert session.get("/api/x").json() == {"message": "No token"}
    adapter.clear_token()  # nothing to forget is fine


@pytest.mark.parametrize(("verb", "call"), [("save", "set_token"), ("clear", "clear_token")])
def test_a_store_that_refuses_changes_nothing(
    server: AuthServer,
    session: requests.Session,
    store: BrittleStore,
    adapter: JWTRefreshAdapter,
    verb: str,
    call: str,
) -> None:
    """set_token and clear_token that fail leave everything as it was."""
    before = store.peek()
    store.broken = {verb}
    with pytest.raises(StoreError, match="the disk is full"):
        change(adapter, call, server.login())
    assert store.peek() == adapter.token == before
    assert session.get("/api/x").status_code == 200


@pytest.mark.parametrize("call", ["set_token", "clear_token"])
def test_a_lock_that_is_held_elsewhere(
    server: AuthServer, session: requests.Session, call: str
) -> None:
    """They wait refresh_timeout for the store's lock, and then change nothing."""
    store = MemoryStore(server.login())
    before = store.load()
    adapter = mount(session, server.url, ENDPOINT, store, refresh_timeout=0.1)
    with store.lock(0), pytest.raises(LockTimeout):
        change(adapter, call, server.login())
    assert store.load() == adapter.token == before


@pytest.mark.parametrize("junk", [None, "eyJhbGciOi", {"access": "eyJhbGciOi"}], ids=repr)
def test_set_token_takes_a_token(
    server: AuthServer, session: requests.Session, store: BrittleStore, junk: Any
) -> None:
    """Anything else is a TypeError that does not repeat it, and nothing has changed."""
    before = store.peek()
    adapter = mount(session, server.url, ENDPOINT, store)
    with pytest.raises(TypeError, match="Token") as caught:
        adapter.set_token(junk)
    assert "eyJ" not in str(caught.value)
    assert store.peek() == before
    assert adapter.token == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: Token("held-by-the-error\n"),
        lambda: Token("held-by-the-error", "with\rbreak"),
        lambda: Token(""),
        lambda: Token(" held-by-the-error"),
        lambda: Token("Bearer held-by-the-error"),
        lambda: Token("hëld-by-the-error"),
        lambda: Token(b"held-by-the-error"),  # type: ignore[arg-type]
        lambda: Token(None),
        lambda: Token("held-by-the-error", expires_at=float("nan")),
    ],
)
def test_an_unfit_token(make: Callable[[], Token]) -> None:
    """A token that no header can carry is refused when it arrives, and not repeated."""
    with pytest.raises(InvalidToken) as caught:
        make()
    assert "by-the-error" not in str(caught.value)


def test_a_login_during_a_refresh_wins(
    server: AuthServer, session: requests.Session, store: BrittleStore
) -> None:
    """A token that is set while a refresh is under way is not overwritten by its answer."""
    adapter = mount(session, server.url, ENDPOINT, store)
    server.expire()
    with ThreadPoolExecutor(2) as pool:
        with server.gate() as gate:
            answer = pool.submit(session.get, "/api/x")
            gate.wait_for(1, WAIT)
            newer = server.login("bob")
            done = pool.submit(adapter.set_token, newer)
        assert answer.result(WAIT).status_code == 200
        done.result(WAIT)
    kept = store.peek()
    assert kept is not None
    assert kept.refresh == newer.refresh
    assert session.get("/api/x").json()["user"] == "bob"


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_logout_while_the_store_is_read(
    server: AuthServer, session: requests.Session, *, logged_in: bool
) -> None:
    """What was read before a logout is not adopted after it."""
    store = MemoryStore(server.login() if logged_in else None)
    adapter = mount(session, server.url, ENDPOINT, store)
    assert session.get("/api/x").status_code == (200 if logged_in else 401)
    server.expire()
    store.save(server.login())
    load, answers = store.load, iter([True])

    def load_and_log_out() -> Token | None:
        loaded = load()
        if next(answers, False):
            join(*start(adapter.clear_token))
        return loaded

    store.load = load_and_log_out  # type: ignore[method-assign]
    assert session.get("/api/x").status_code == 401
    assert (adapter.token, store.load()) == (None, None)
