"""Sliding sessions: an access token out of an API's answer is used at once, and saved later."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    Event,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    StoreError,
    Token,
    anonymous,
    cookie,
    header,
    mount,
)
from requests_jwt_refresh.tokens import with_values
from tests.support.command_line import make_jwt
from tests.support.crowd import Crowd
from tests.support.sliding import NAME, forget_unsaved, slide, wait_for_saves
from tests.support.transports import StubTransport
from tests.support.users import ENDPOINT, load_token
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import PreparedRequest

    from requests_jwt_refresh import TokenStore
    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock

pytestmark = pytest.mark.usefixtures("clock")

PLACE = header(NAME)
API = "https://api.example.com"


class SlowStore(MemoryStore):
    """A store that counts the saves of other tokens than it holds, and can be held up or fail."""

    def __init__(self, token: Token | None = None) -> None:
        super().__init__(token)
        self.saved: list[str | None] = []
        self.tries = 0
        self.may_lock, self.is_full = threading.Event(), False
        self.may_lock.set()
        self.may_save, self.is_saving = threading.Event(), threading.Event()
        self.may_save.set()

    @contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        assert self.may_lock.wait(WAIT)
        with super().lock(timeout):
            yield

    def save(self, token: Token) -> None:
        self.tries += 1
        self.is_saving.set()
        assert self.may_save.wait(WAIT)
        if self.is_full:
            raise StoreError("the store is full", "make room")
        stored = self.load()
        if stored is None or stored.access != token.access:
            self.saved.append(token.access)
        super().save(token)


@pytest.fixture(autouse=True)
def _nothing_left_by_others() -> None:
    forget_unsaved()


@pytest.fixture
def store(server: AuthServer) -> SlowStore:
    """A store that holds a login."""
    token = server.login()
    return SlowStore(Token(token.access, token.refresh, extra={"scope": "read"}))


@pytest.fixture
def adapter(server: AuthServer, session: requests.Session, store: SlowStore) -> JWTRefreshAdapter:
    adapter = mount(session, server.url, ENDPOINT, store, renewed=PLACE)
    adapter.set_token(load_token(store))
    store.tries = 0
    return adapter


def access_of(source: JWTRefreshAdapter | TokenStore) -> str | None:
    token = source.token if isinstance(source, JWTRefreshAdapter) else source.load()
    return None if token is None else token.access


# --- What is taken up ----------------------------------------------------------------------------


def test_a_newer_token_is_used_at_once_and_saved(
    server: AuthServer, session: requests.Session, store: SlowStore
) -> None:
    """The refresh token stays, and all that came with it; nobody refreshes."""
    events: list[Event] = []
    refreshed: list[Token] = []
    adapter = mount(
        session,
        server.url,
        ENDPOINT,
        store,
        renewed=PLACE,
        on_event=events.append,
        on_refresh=refreshed.append,
    )
    before = load_token(store)
    adapter.set_token(before)
    login = load_token(store)
    sliding = slide(server)
    for n in range(3):
        assert session.get("/api/x?secret=1").status_code == 200
        assert access_of(adapter) == sliding.given[n]
        wait_for_saves()
    sent = [request.bearer for request in server.requests]
    assert sent == [before.access, *sliding.given[:2]]
    token = load_token(store)
    assert token.access == sliding.given[0]
    assert (token.refresh, token.extra, token.login_id) == (
        before.refresh,
        {"scope": "read"},
        login.login_id,
    )
    assert token.counter == login.counter + 1
    assert (server.counters.refreshes, refreshed) == (0, [])
    assert [(each.kind, each.status, each.url) for each in events] == [
        ("renewed", 200, f"{server.url}/api/x")
    ] * 3


def test_a_save_while_the_answer_is_on_its_way_loses_no_token(
    server: AuthServer, session: requests.Session, store: SlowStore
) -> None:
    """Also the first save of a store that was filled by hand, which gives the login an id."""
    adapter = mount(session, server.url, ENDPOINT, store, renewed=PLACE)
    sliding = slide(server)
    store.may_save.clear()
    store.is_saving.clear()
    session.get("/api/x")
    assert store.is_saving.wait(WAIT)
    with server.gate(on="api") as gate:
        threads = start(lambda: session.get("/api/x"))
        gate.wait_for(1)
        store.may_save.set()
        wait_for_saves()
        assert access_of(store) == sliding.given[0]
        gate.open()
        join(*threads)
    assert access_of(adapter) == sliding.given[1]
    assert session.get("/api/x").status_code == 200
    assert server.requests[-1].bearer == sliding.given[1]


def test_its_lifetime_is_counted_from_its_receipt(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, clock: Clock
) -> None:
    """So that a session that is used never needs a refresh."""
    sliding = slide(server)
    for _ in range(5):
        clock.advance(server.lifetime - 10)
        assert session.get("/api/x").status_code == 200
    assert len(sliding.given) == 5
    assert server.counters.refreshes == 0
    assert adapter.token is not None
    assert adapter.token.expires_at == pytest.approx(clock.time() + server.lifetime, abs=1)


@pytest.mark.parametrize("status", [200, 201, 202, 206, 299])
def test_from_every_good_answer(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, status: int
) -> None:
    """RFC 9110 §15.3."""
    sliding = slide(server, status=status)
    session.get("/api/x")
    assert [access_of(adapter)] == sliding.given


@pytest.mark.parametrize("status", [302, 400, 403, 404, 500])
def test_from_no_other_answer(
    server: AuthServer, session: requests.Session, store: SlowStore, status: int
) -> None:
    """An error page or a redirect hands out nothing."""
    adapter = mount(session, server.url, ENDPOINT, store, renewed=PLACE)
    before = load_token(store)
    slide(server, status=status)
    assert session.get("/api/x", allow_redirects=False).status_code == status
    assert access_of(adapter) == before.access


@pytest.mark.parametrize(
    "text",
    ["", " ", "two words\x7f", "tok\u00e9n", "Bearer", "Bearer "],
    ids=["empty", "a space", "unprintable", "accented", "the scheme", "the scheme and a space"],
)
def test_what_is_no_token_is_left(
    server: AuthServer, session: requests.Session, store: SlowStore, text: str
) -> None:
    """An unfit value changes nothing, and is not shown."""
    adapter = mount(session, server.url, ENDPOINT, store, renewed=header())
    before = load_token(store)
    slide(server, name="Authorization", value=lambda _: text)
    assert session.get("/api/x").status_code == 200
    assert access_of(adapter) == before.access
    assert server.counters.refreshes == 0


def test_the_scheme_is_stripped(
    server: AuthServer, session: requests.Session, store: SlowStore
) -> None:
    """Whether it is the place's own, or Bearer before a token in another header."""
    for name, scheme in (("Authorization", "bearer"), ("X-Auth", "Bearer"), ("X-Auth", "JWT")):
        place = header(name, "JWT") if scheme == "JWT" else header(name)
        adapter = mount(session, server.url, ENDPOINT, store, renewed=place)
        server.clear_faults()
        sliding = slide(server, name=name, value=f"{scheme} {{}}".format)
        session.get("/api/x")
        assert access_of(adapter) == sliding.given[-1]
        wait_for_saves()


# --- What is left --------------------------------------------------------------------------------


def test_the_same_token_is_none(
    server: AuthServer, session: requests.Session, store: SlowStore, adapter: JWTRefreshAdapter
) -> None:
    """Some APIs repeat the token of the request."""
    before = load_token(store)
    slide(server, value=lambda _: before.access or "")
    session.get("/api/x")
    wait_for_saves()
    assert (adapter.token, store.tries) == (before, 0)


class SlidingAPI(StubTransport):
    """An API without a network that hands out `secret` with each answer."""

    def __init__(self, secret: str) -> None:
        super().__init__(lambda _: (200, b"{}"))
        self.secret = secret

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        response = super().send(request, *args, **options)
        response.headers[NAME] = self.secret
        return response


@contextmanager
def api_that_answers(
    secret: str, store: MemoryStore, **options: Any
) -> Iterator[tuple[requests.Session, JWTRefreshAdapter]]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", SlidingAPI(secret))
        yield session, mount(session, API, ENDPOINT, store, renewed=PLACE, **options)


NOW = 1_700_000_000  # where the clock stands


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ((NOW, 300), (NOW + 60, 300), 300),
        ((NOW, 300), (NOW, 300), 200),  # made in the same second
        ((NOW, 300), (NOW + 60, 100), None),  # ends earlier by the server's clock
        ((NOW, 300), (NOW, 360), 260),  # keeps the moment of its login
        ((NOW, 300), (NOW, 250), None),
        ((NOW, 300), None, "unknown"),
        (None, (NOW, 300), 300),
        ((NOW - 9000, 300), (NOW - 8900, 300), 300),  # the server's clock is slow
    ],
)
def test_what_ends_earlier_is_none(
    old: tuple[int, int] | None, new: tuple[int, int] | None, left: object, clock: Clock
) -> None:
    """Each token is (issued, lifetime), None for an opaque one; the old one has 200 s left."""

    def make(times: tuple[int, int] | None, name: str) -> str:
        if times is None:
            return f"opaque-{name}"
        issued, lifetime = times
        return make_jwt({"iat": issued, "exp": issued + lifetime, "jti": name})

    token = Token(make(old, "old"), "refresh")
    if old is not None:
        token = with_values(token, expires_at=clock.time() + 200, received_at=clock.time() - 100)
    secret = make(new, "new")
    with api_that_answers(secret, MemoryStore(token)) as (session, adapter):
        session.get("/x")
        found = adapter.token
    assert found is not None
    if left is None:
        assert found.access == token.access
        return
    assert found.access == secret
    expected = None if left == "unknown" else pytest.approx(clock.time() + float(str(left)), abs=1)
    assert found.expires_at == expected


def test_other_origins_are_not_believed() -> None:
    """They may be sent the token, and have no say in what it is."""
    cdn = "https://cdn.example.com"
    with api_that_answers("new", MemoryStore(Token("old")), trusted_origins=[cdn]) as (
        session,
        adapter,
    ):
        for url in (f"{cdn}/x", "https://example.org/x", "https://api.example.com:8443/x"):
            assert session.get(url).status_code == 200
            assert access_of(adapter) == "old"
        session.get(f"{API}:443/x")
        assert access_of(adapter) == "new"


def test_requests_of_the_callers_own_are_none() -> None:
    """What an anonymous request or one with a password is given is not ours."""
    with api_that_answers("new", MemoryStore(Token("old"))) as (session, adapter):
        for auth in (anonymous, ("alice", "password")):
            session.get("/x", auth=auth)
            assert access_of(adapter) == "old"


def test_a_request_without_a_token_gets_none() -> None:
    """Nobody has logged in; or has logged out again."""
    with api_that_answers("new", MemoryStore()) as (session, adapter):
        session.get("/x")
        assert adapter.token is None
        adapter.set_token(Token("old"))
        adapter.clear_token()
        session.get("/x")
        assert adapter.token is None


def request_at_gate(
    server: AuthServer, session: requests.Session
) -> tuple[Any, list[threading.Thread]]:
    """Send a request that waits at a gate; return the gate and the thread."""
    gate = server.gate(on="api")
    threads = start(lambda: session.get("/api/x"))
    gate.wait_for(1, WAIT)
    return gate, threads


@pytest.mark.parametrize("change", ["set_token", "clear_token", "refresh"])
def test_a_login_a_logout_and_a_refresh_go_before(
    server: AuthServer,
    session: requests.Session,
    adapter: JWTRefreshAdapter,
    store: SlowStore,
    change: str,
) -> None:
    """The answer was on its way meanwhile: it belongs to a token that is not in use any more."""
    sliding = slide(server)
    gate, threads = request_at_gate(server, session)
    if change == "set_token":
        adapter.set_token(server.login())
    elif change == "clear_token":
        adapter.clear_token()
    else:
        adapter.refresh()
    token = store.load()
    gate.open()
    join(*threads)
    wait_for_saves()
    assert len(sliding.given) == 1
    assert adapter.token is token
    assert store.load() is token


def test_the_same_token_set_again_is_another_login(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: SlowStore
) -> None:
    """What comes of the one before is from before the logout."""
    before = load_token(store)
    slide(server)
    gate, threads = request_at_gate(server, session)
    adapter.clear_token()
    adapter.set_token(before)
    gate.open()
    join(*threads)
    assert access_of(adapter) == before.access


def test_nothing_is_taken_up_during_a_refresh(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: SlowStore
) -> None:
    """Its token comes later, and belongs to the refresh token that comes with it."""
    events: list[Event] = []
    adapter._refresher.story.on_event = events.append  # noqa: SLF001 - told from here on
    slide(server)
    gate, threads = request_at_gate(server, session)
    with server.gate() as refreshing:
        threads += start(adapter.refresh)
        refreshing.wait_for(1, WAIT)
        gate.open()
        join(threads[0])
        assert "renewed" not in [each.kind for each in events]
        refreshing.open()
        join(*threads)
    assert "renewed" not in [each.kind for each in events]
    assert adapter.token == store.load()
    assert server.counters.rotated == 1


def test_a_refused_request_is_renewed_from_its_resent_answer(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter
) -> None:
    """The token that the refresh gave was carried by it."""
    sliding = slide(server)
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert [access_of(adapter)] == sliding.given
    assert server.counters.rotated == 1
    assert session.get("/api/x").status_code == 200


# --- Threads -------------------------------------------------------------------------------------


def test_of_many_answers_at_once_one_is_taken_up(
    server: AuthServer, session: requests.Session, store: SlowStore
) -> None:
    """The others were asked with a token that is not in use any more."""
    events: list[Event] = []
    mount(session, server.url, ENDPOINT, store, renewed=PLACE, on_event=events.append)
    sliding = slide(server)
    with server.gate(on="api") as gate:
        crowd = Crowd(16, lambda number: session.get(f"/api/{number}"))
        gate.wait_for(16, WAIT)
        gate.open()
        assert crowd.statuses() == [200] * 16
    wait_for_saves()
    assert [each.kind for each in events] == ["renewed"]
    assert len(store.saved) == 1
    assert store.saved[0] in sliding.given
    assert server.counters.refreshes == 0


def test_a_request_with_the_token_before_gets_the_newer_one(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter
) -> None:
    """Where the API takes the old one no more: no refresh for that."""
    gate, threads = request_at_gate(server, session)
    server.expire()
    # The first answer hands one out although its own token has expired.
    new = server.login().access or ""
    token = adapter.token
    assert token is not None
    assert adapter._refresher._cache.renew(token, with_values(token, access=new))  # noqa: SLF001
    gate.open()
    join(*threads)
    assert server.counters.refreshes == 0
    assert [each.bearer for each in server.requests] == [token.access, new]


# --- The save ------------------------------------------------------------------------------------


def test_it_is_saved_at_most_once_in_a_tenth_of_its_lifetime(
    server: AuthServer,
    session: requests.Session,
    adapter: JWTRefreshAdapter,
    store: SlowStore,
    clock: Clock,
) -> None:
    """However many answers there are: a keyring is slow."""
    sliding = slide(server)
    for seconds in (0.0, 1.0, 28.0, 1.1, 1.0, 28.8, 0.2):
        clock.advance(seconds)
        assert session.get("/api/x").status_code == 200
        wait_for_saves()
    assert store.saved == [sliding.given[n] for n in (0, 3, 6)]
    assert access_of(adapter) == sliding.given[-1]


@pytest.mark.usefixtures("clock", "adapter")
def test_a_token_of_unknown_lifetime_is_saved_once_a_minute(
    server: AuthServer, session: requests.Session, store: SlowStore, clock: Clock
) -> None:
    """An opaque one."""
    server.opaque = True
    sliding = slide(server)
    for seconds in (0.0, 59.0, 1.1, 58.8):
        clock.advance(seconds)
        assert session.get("/api/x").status_code == 200
        wait_for_saves()
    assert store.saved == [sliding.given[n] for n in (0, 2)]


@pytest.mark.usefixtures("clock", "adapter")
def test_what_was_left_is_saved_with_a_later_answer(
    server: AuthServer, session: requests.Session, store: SlowStore, clock: Clock
) -> None:
    """Also with one that hands out nothing."""
    sliding = slide(server)
    for _ in range(3):
        session.get("/api/x")
        wait_for_saves()
    server.clear_faults()
    clock.advance(30.1)
    session.get("/api/x")
    wait_for_saves()
    assert store.saved == [sliding.given[0], sliding.given[2]]


def test_the_caller_does_not_wait_for_it(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: SlowStore
) -> None:
    """It is in memory at once, whoever has the store's lock."""
    sliding = slide(server)
    session.get("/api/x")
    wait_for_saves()
    adapter.set_token(server.login())
    store.may_lock.clear()
    assert session.get("/api/x").status_code == 200
    assert access_of(adapter) == sliding.given[1]
    store.may_lock.set()


@pytest.mark.parametrize("change", ["refreshed", "logged out"])
def test_another_program_goes_before(
    server: AuthServer,
    session: requests.Session,
    adapter: JWTRefreshAdapter,
    store: SlowStore,
    change: str,
) -> None:
    """The store does not hold the token any more that was replaced: it is not written."""
    slide(server)
    store.may_lock.clear()
    assert session.get("/api/x").status_code == 200
    other = None if change == "logged out" else server.login()
    if other is None:
        store.clear()
    else:
        MemoryStore.save(store, other)
    store.may_lock.set()
    wait_for_saves()
    assert (store.load(), adapter.token, store.saved) == (other, other, [])


def test_a_refresh_saves_what_was_left(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: SlowStore
) -> None:
    """And trades in the refresh token, which has stayed."""
    sliding = slide(server)
    for _ in range(2):
        session.get("/api/x")
        wait_for_saves()
    token = adapter.refresh()
    assert store.saved == [*sliding.given, token.access]
    assert (server.counters.rotated, server.counters.reuse) == (1, 0)


def test_another_programs_refresh_is_no_older_backup(
    server: AuthServer, session: requests.Session, adapter: JWTRefreshAdapter, store: SlowStore
) -> None:
    """Its counter is higher than that of the last save, however many renewals memory has seen."""
    slide(server)
    for _ in range(5):
        session.get("/api/x")
        wait_for_saves()
    last = load_token(store)
    theirs = with_values(server.login(), login_id=last.login_id, counter=last.counter + 1)
    MemoryStore.save(store, theirs)
    server.expire()
    server.clear_faults()
    new = server.login()
    MemoryStore.save(store, with_values(new, login_id=last.login_id, counter=last.counter + 2))
    assert session.get("/api/x").status_code == 200
    assert (adapter.token, server.counters.refreshes) == (new, 0)


def test_a_token_without_a_login_id_gets_one_with_the_save(
    server: AuthServer, session: requests.Session, store: SlowStore, clock: Clock
) -> None:
    """Version 0.1 has stored it; the next answer may come while it is being saved."""
    adapter = mount(session, server.url, ENDPOINT, store, renewed=PLACE)
    sliding = slide(server)
    store.may_save.clear()
    session.get("/api/x")
    assert store.is_saving.wait(WAIT)
    session.get("/api/x")
    store.may_save.set()
    wait_for_saves()
    token, stored = adapter.token, load_token(store)
    assert token is not None
    assert [token.access, stored.access] == [sliding.given[1], sliding.given[0]]
    assert token.login_id == stored.login_id is not None
    clock.advance(30.1)
    session.get("/api/x")
    wait_for_saves()
    assert access_of(store) == access_of(adapter) == sliding.given[2]


def test_a_store_that_fails_is_tried_again_later(
    server: AuthServer,
    session: requests.Session,
    adapter: JWTRefreshAdapter,
    store: SlowStore,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The token is used; one warning until a save has been done."""
    sliding = slide(server)
    store.is_full = True
    for _ in range(3):
        session.get("/api/x")
        wait_for_saves()
        clock.advance(30.1)
    warnings = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert ["could not be saved" in each.getMessage() for each in warnings] == [True]
    store.is_full = False
    session.get("/api/x")
    wait_for_saves()
    assert (store.saved, access_of(adapter)) == ([sliding.given[3]], sliding.given[3])
    store.is_full = True
    clock.advance(30.1)
    session.get("/api/x")
    wait_for_saves()
    assert caplog.text.count("could not be saved") == 2
    for secret in sliding.given:
        assert secret not in caplog.text


# --- Cookies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "is_taken"),
    [
        ("access={}; Path=/; HttpOnly", True),
        ("access={}; Max-Age=0", False),
        ("access={}; Expires=Thu, 01 Jan 1970 00:00:00 GMT", False),
        ("access=", False),
        ('access=""', False),
        ("other={}", False),
    ],
)
def test_a_cookie_that_is_set(
    server: AuthServer,
    session: requests.Session,
    store: SlowStore,
    value: str,
    is_taken: bool,
) -> None:
    """One that is deleted, emptied or of another name is none."""
    adapter = mount(session, server.url, ENDPOINT, store, renewed=cookie("access"))
    before = load_token(store)
    sliding = slide(server, name="Set-Cookie", value=value.format)
    session.get("/api/x")
    assert access_of(adapter) == (sliding.given[0] if is_taken else before.access)


def test_the_cookie_of_the_double_submit_comes_with_it(
    server: AuthServer, session: requests.Session, store: SlowStore
) -> None:
    """It belongs to the access token; all else that came with the token stays."""
    place = cookie("access", csrf=("csrf", "X-CSRF-TOKEN"))
    adapter = mount(session, server.url, ENDPOINT, store, renewed=place)
    extra = {"cookies": {"csrf": "old", "other": "kept"}, "scope": "read"}
    token = load_token(store)
    adapter.set_token(Token(token.access, token.refresh, extra=extra))
    more = {"set-cookie": "csrf=new; Path=/", "SET-COOKIE": "other=new"}
    slide(server, name="Set-Cookie", value="access={}".format, more=more)
    session.get("/api/x")
    assert adapter.token is not None
    assert adapter.token.extra == {"cookies": {"csrf": "new", "other": "kept"}, "scope": "read"}
    adapter.set_token(token)
    session.get("/api/x")
    assert adapter.token.extra == {"cookies": {"csrf": "new"}, "scope": "read"}


def test_a_token_that_attach_cannot_carry_is_left() -> None:
    """A cookie carries no comma."""
    for secret, expected in (("two,words", "old"), ("words", "words")):
        with api_that_answers(secret, MemoryStore(Token("old")), attach=cookie("access")) as (
            session,
            adapter,
        ):
            session.get("/x")
            assert access_of(adapter) == expected


# --- The option ----------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_copied_session_takes_it_up_too(
    server: AuthServer, session: requests.Session, copied: Any
) -> None:
    """A pickled adapter knows the place."""
    mount(session, server.url, ENDPOINT, MemoryStore(server.login()), renewed=PLACE)
    sliding = slide(server)
    with copied(session) as again:
        again.get("/api/x")
        again.get("/api/x")
    assert [each.bearer for each in server.requests][1:] == sliding.given[:1]


def test_an_endpoint_may_say_where(server: AuthServer, session: requests.Session) -> None:
    """A preset knows its server."""

    class Preset(JSONEndpoint):
        renewed = PLACE

    adapter = mount(session, server.url, Preset("/auth/refresh"), MemoryStore(server.login()))
    sliding = slide(server)
    session.get("/api/x")
    assert [access_of(adapter)] == sliding.given


@pytest.mark.parametrize("value", [NAME, "data.token", 17, header, lambda _: None])
def test_what_is_no_place_in_an_answer(server: AuthServer, value: Any) -> None:
    """A JSON path is none: answers of an API are not read for it."""
    with pytest.raises(TypeError, match=r"renewed takes header\(\.\.\.\) or cookie\(\.\.\.\)"):
        JWTRefreshAdapter(server.url, ENDPOINT, MemoryStore(), renewed=value)
