"""No token in a repr, a log line, an exception, a warning or a traceback, whatever happens."""

from __future__ import annotations

import functools
import logging
import time
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import requests

from requests_jwt_refresh import (
    BearerEndpoint,
    DPoP,
    InvalidToken,
    JSONEndpoint,
    JWTRefreshAdapter,
    JWTRefreshError,
    LockTimeout,
    MemoryStore,
    OAuth2Endpoint,
    PasswordLogin,
    ReentrantRefresh,
    RefreshUnavailable,
    StoreError,
    Token,
    mount,
    presets,
)
from requests_jwt_refresh.refresh.limits import MAX_COOLDOWN
from requests_jwt_refresh.testing import (
    HTML,
    Drop,
    Hang,
    Huge,
    JSONBody,
    Redirect,
    Status,
    Trickle,
    Truncated,
)
from tests.support.clock import no_backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from requests import Session

    from requests_jwt_refresh import Endpoint
    from requests_jwt_refresh.testing import AuthServer, Fault
    from tests.support.clock import Clock

__all__ = ["no_backoff"]  # a fixture

WINDOW = 16
"""So many characters of a token in a row are a leak; both halves of any are longer."""

HEAD = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
"""How every HS256 JWT begins, which is no secret."""


class Watch:
    """Everything that was shown in a test, and the secrets that must not be in it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self.texts: list[str] = []
        self.secrets: set[str] = set()
        self.errors: list[type[BaseException]] = []

    def learn(self, token: Token | None) -> None:
        if token is not None:
            self.secrets |= {each for each in (token.access, token.refresh) if each}

    def show(self, *values: object) -> None:
        """Note what a user may see of some values."""
        for value in values:
            self.texts += [repr(value), str(value), f"{value}"]

    @contextmanager
    def failing(self, *, at_once: bool = False) -> Iterator[None]:
        """Expect an error of ours, and note its text in every form there is, and its frames.

        The frames of an error that is raised `at_once` are those of the caller, who gave a secret.
        """
        with pytest.raises(JWTRefreshError) as caught:
            yield
        error = caught.value
        self.errors.append(type(error))
        self.show(error, error.args, vars(error), error.request, error.response)
        self.texts += traceback.format_exception(error)
        for each in walk_chain(error):
            self.show(each, each.args, *walk_request(each))
            self.show(*(() if at_once else walk_frames(each)))

    def logged(self) -> list[str]:
        """Return all that was logged, as the default formatter would write it."""
        records = self._caplog.get_records("call")  # .records is empty in a fixture's end
        lines = [logging.Formatter().format(record) for record in records]
        return lines + [repr(vars(record)) for record in records]

    def leaks(self) -> list[str]:
        """Return what has shown a part of a secret, up to that part."""
        parts = {
            secret[start : start + WINDOW]
            for secret in (each.removeprefix(HEAD) for each in self.secrets)
            for start in range(max(1, len(secret) - WINDOW + 1))
        }
        assert parts, "there were secrets to look for"
        texts = self.texts + self.logged()
        everything = "\n".join(texts)  # one search for each part, not one for each text as well
        seen = [part for part in parts if part in everything]
        return [
            text[: min(text.find(part) for part in found)]
            for text in texts
            if (found := [part for part in seen if part in text])
        ]


def walk_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Go through an error and all that is behind it, as error reporters do."""
    if error is not None:
        yield error
        yield from walk_chain(error.__cause__)
        if error.__context__ is not error.__cause__:
            yield from walk_chain(error.__context__)


def walk_frames(error: BaseException) -> Iterator[object]:
    """Return the locals of each frame that an error has come through, but for the test's own."""
    for frame, _line in traceback.walk_tb(error.__traceback__):
        if Path(frame.f_code.co_filename).parent != Path(__file__).parent:
            yield from frame.f_locals.values()


def walk_request(error: BaseException) -> Iterator[object]:
    """Return the request that an error carries, its headers and its body."""
    request = getattr(error, "request", None)
    if request is not None:
        yield from (request.url, request.headers, request.body)


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Watch]:
    """A Watch on all loggers from DEBUG up, on warnings, and on what is printed.

    Each test ends with looking for its secrets in all that was shown.
    """
    watch = Watch(caplog)
    caplog.set_level(logging.DEBUG)
    for name in ("requests_jwt_refresh", "urllib3", "requests", "concurrent.futures"):
        caplog.set_level(logging.DEBUG, logger=name)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield watch
    watch.show(*(each.message for each in warned), *capfd.readouterr())
    assert watch.leaks() == []


@dataclass(eq=False, repr=False)
class TalkativeStore(MemoryStore):
    """A store that tells the Watch each token, and fails on demand."""

    watch: Watch
    token: Token
    failure: Exception | None = None
    fails_at: str = "save"

    def __post_init__(self) -> None:
        super().__init__(self.token)
        self.watch.learn(self.token)

    def load(self) -> Token | None:
        self._fail("load")
        return super().load()

    def save(self, token: Token) -> None:
        self.watch.learn(token)
        self._fail("save" if token == super().load() else "save new")
        super().save(token)

    def clear(self) -> None:
        self._fail("clear")
        super().clear()

    def lock(self, timeout: float) -> Any:
        self._fail("lock")
        return super().lock(timeout)

    def _fail(self, verb: str) -> None:
        if self.failure is not None and self.fails_at in (verb, verb.split(maxsplit=1)[0]):
            raise self.failure


@dataclass
class Life:
    """A session with everything that belongs to it."""

    server: AuthServer
    watch: Watch
    session: Session
    store: TalkativeStore
    adapter: JWTRefreshAdapter

    def get(self) -> requests.Response:
        response = self.session.get("/api/x")
        self.watch.show(response, response.request, response.history, self.adapter, self.store)
        self.watch.show(self.store.load(), response.headers)
        return response

    def get_in_vain(self) -> None:
        with self.watch.failing():
            self.session.get("/api/x")


@pytest.fixture
def start(server: AuthServer, watch: Watch) -> Callable[..., AbstractContextManager[Life]]:
    """Return what begins a life with a valid token."""

    @contextmanager
    def starting(refresh: Endpoint | Any = None, **options: Any) -> Iterator[Life]:
        refresh = refresh or JSONEndpoint("/auth/refresh")
        store = TalkativeStore(watch, server.login())
        with requests.Session() as session:
            session.trust_env = False
            adapter = mount(session, server.url, refresh, store, **options)
            watch.show(refresh, adapter, store, session, vars(session))
            life = Life(server, watch, session, store, adapter)
            yield life
            watch.learn(adapter.token)

    return starting


# --- A whole life --------------------------------------------------------------------------------

ENDPOINTS = {
    "JSON": JSONEndpoint("/auth/refresh"),
    "Bearer": BearerEndpoint("/auth/refresh"),
    "OAuth2": OAuth2Endpoint("/auth/refresh", "me", "client-secret-of-mine"),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.usefixtures("no_backoff")
def test_a_whole_life(
    server: AuthServer, start: Any, clock: Clock, endpoint: str, opaque: bool
) -> None:
    """Login, expiry noticed by the API and by the clock, outage, refusal, logout."""
    server.opaque = opaque
    with start(ENDPOINTS[endpoint]) as life:
        life.watch.secrets.add("client-secret-of-mine")
        life.adapter.set_token(server.login())
        assert life.get().status_code == 200
        server.expire()
        assert life.get().status_code == 200
        life.adapter.set_token(Token("expired-access-token", life.store.load().refresh, 1.1e9))
        assert life.get().status_code == 200
        server.expire()
        server.fail(Status(503))  # asked again at once
        server.fail(Status(500))
        life.get_in_vain()
        clock.advance(MAX_COOLDOWN)
        server.heal()
        assert life.get().status_code == 200
        server.expire()
        server.revoke()
        assert life.get().status_code == 401
        assert life.get().status_code == 401
        with life.watch.failing():
            life.adapter.refresh()
        life.adapter.clear_token()
    assert server.counters.rotated == 3
    assert len(life.watch.secrets) > 8


def test_a_leak_would_be_found(watch: Watch) -> None:
    """The checks work: half a token in a debug line is found, twice."""
    token = Token("access-token-that-is-recognised", "refresh-token-that-is-recognised")
    watch.learn(token)
    logging.getLogger("urllib3.connectionpool").debug("half: %s", str(token.access)[:16])
    assert len(watch.leaks()) == 2
    watch.secrets = {"something else entirely"}


# --- Answers that echo tokens --------------------------------------------------------------------

SECRET = "a-token-echoed-by-the-server-0123456789"
URL = f"https://elsewhere.example.com/{SECRET}?t={SECRET}"

FAULTS: dict[str, Fault] = {
    "500 with the token": Status(500, body=SECRET.encode()),
    "400 with the token": Status(400, body=f'{{"error": "{SECRET}"}}'.encode()),
    "422 with the token": Status(422, body=f'{{"{SECRET}": 1}}'.encode()),
    "a reason in a header": Status(418, headers={"X-Refused": SECRET, "Content-Type": SECRET}),
    "another field": JSONBody({"wrong_field": SECRET, SECRET: 1}),
    "a list": JSONBody([SECRET]),
    "a number for a token": JSONBody({"access_token": 7, "refresh_token": SECRET}),
    "a line break in it": JSONBody({"access_token": f"{SECRET}\r\nX-Evil: 1"}),
    "a token type": JSONBody({"access_token": f"{SECRET}\n", "token_type": f"mac {SECRET}"}),
    "another error": JSONBody({"error": SECRET, "error_description": SECRET}, 400),
    "a description": JSONBody({"error": "invalid_client", "error_description": SECRET}, 401),
    "a redirect": Redirect(URL),
    "broken JSON": Status(200, body=f'{{"access_token": "{SECRET}'.encode()),
    "too much": Huge(2_000_000),
    "HTML": HTML(),
    "cut short": Truncated(short=True),
    "hangs up": Drop(),
    "hangs": Hang(),
    "trickles": Trickle(0.5),
    "trickles a header": Trickle(0.5, "header"),
}


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_answer_is_never_shown(
    server: AuthServer, start: Any, fault: str, endpoint: str
) -> None:
    """The error says what kind of answer it was, and nothing that stood in it."""
    is_slow = fault.startswith(("hangs", "trickles")) and fault != "hangs up"
    with start(ENDPOINTS[endpoint], refresh_timeout=0.2 if is_slow else 10.0) as life:
        life.watch.secrets.add(SECRET)
        server.expire()
        server.fail(FAULTS[fault], times=None)
        if (endpoint, fault) in TAKEN_OTHERWISE:
            assert life.get().status_code == 401
        else:
            life.get_in_vain()
        server.heal()


# What to this endpoint is a plain answer or refusal.
TAKEN_OTHERWISE = {
    *((each, "400 with the token") for each in ("JSON", "Bearer")),
    *((each, "another error") for each in ("JSON", "Bearer")),
    *((each, "a description") for each in ("JSON", "Bearer")),
    *((each, "another token type") for each in ("JSON", "Bearer")),
    ("Bearer", "422 with the token"),
}


# --- Stores and callbacks that fail --------------------------------------------------------------

STORE_FAILURES = [StoreError("the disk is full"), LockTimeout("held"), OSError(28, "disk full")]


@pytest.mark.parametrize("failure", STORE_FAILURES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("verb", ["load", "save", "clear", "lock"])
@pytest.mark.parametrize("refused", [True, False])
def test_a_store_that_fails(
    server: AuthServer, start: Any, clock: Clock, verb: str, failure: Exception, refused: bool
) -> None:
    """In the middle of a refresh, and in every method that a user calls."""
    with start() as life:
        assert life.get().status_code == 200
        server.expire()
        if refused:
            server.revoke()
        life.store.failure, life.store.fails_at = failure, verb
        for work in (life.session.get, life.session.get):
            show_what_happens(life.watch, functools.partial(work, "/api/x"))
            clock.advance(MAX_COOLDOWN)
        show_what_happens(life.watch, life.adapter.refresh)
        show_what_happens(life.watch, functools.partial(life.adapter.set_token, server.login()))
        show_what_happens(life.watch, life.adapter.clear_token)
        life.store.failure = None


def show_what_happens(watch: Watch, work: Callable[[], object]) -> None:
    try:
        watch.show(work())
    except (requests.RequestException, OSError) as error:
        watch.show(error, *traceback.format_exception(error))


def test_a_save_that_fails_with_the_token_in_its_text(server: AuthServer, start: Any) -> None:
    """Of a stranger's exception the log tells the kind alone: its text may hold anything."""
    with start() as life:
        assert life.get().status_code == 200
        life.adapter.set_token(server.login())  # now it is known that the store can be written
        server.expire()
        life.store.fails_at = "save new"
        life.store.failure = ValueError(f"cannot write {life.store.load()}: {SECRET}")
        life.watch.secrets.add(SECRET)
        assert life.session.get("/api/x").status_code == 200
        assert any("save() failed with ValueError at" in line for line in life.watch.logged())
        life.store.failure = None


@dataclass
class Keeper:
    """A user's object that is called back, and whose repr shows what it keeps."""

    last: str = ""

    def keep(self, token: Token) -> NoReturn:
        self.last = str(token.access)
        raise ValueError(f"cannot keep {token.access} and {token.refresh}")


def keep(_where: str, token: Token) -> NoReturn:
    raise ValueError(f"cannot keep {token.access} and {token.refresh}")


@pytest.mark.parametrize("callback", [Keeper().keep, functools.partial(keep, SECRET)])
def test_a_callback_that_raises(
    server: AuthServer, start: Any, callback: Callable[[Token], None]
) -> None:
    """Neither its exception's text is logged, nor what it is bound to."""
    with start(on_refresh=callback) as life:
        life.watch.secrets.add(SECRET)
        server.expire()
        assert life.get().status_code == 200
        assert any("raised ValueError" in line for line in life.watch.logged())


@dataclass
class Complainer:
    """A user's object with a secret that its repr shows."""

    secret: str

    def complain(self, _error: object) -> NoReturn:
        raise ValueError(self.secret)


def test_an_on_logout_that_raises(server: AuthServer, start: Any) -> None:
    """What on_logout raises is logged like what on_refresh raises: by its kind alone."""
    with start(on_logout=Complainer(SECRET).complain) as life:
        life.watch.secrets.add(SECRET)
        server.expire()
        server.revoke()
        assert life.get().status_code == 401
        assert any("raised ValueError" in line for line in life.watch.logged())


# --- Callables -----------------------------------------------------------------------------------


def test_a_login_that_fails(start: Any) -> None:
    """Whether it raises or returns nonsense, the error tells the kind of it."""
    results: list[Any] = [None, SECRET, {"access": SECRET}, Token(None, SECRET)]
    for result in results:
        with start(login=lambda _session, result=result: result) as life:
            life.watch.secrets.add(SECRET)
            life.adapter.clear_token()
            life.get_in_vain()
    assert set(life.watch.errors) == {RefreshUnavailable}


def test_a_refresh_callable_that_returns_nonsense(server: AuthServer, start: Any) -> None:
    """Its result may be a token in the wrong wrapping."""
    results: list[Any] = [None, SECRET, {"access": SECRET}, [SECRET], Token(None, SECRET)]
    for result in results:
        with start(lambda _session, _token, result=result: result) as life:
            life.watch.secrets.add(SECRET)
            server.expire()
            life.get_in_vain()


def test_a_callable_whose_error_holds_the_token(server: AuthServer, start: Any) -> None:
    """Neither text nor frames of what a user's function raises are in the error or behind it."""

    def complain(_session: Session, token: Token) -> NoReturn:
        raise ValueError(f"no luck with {token.refresh}")

    def post_in_vain(session: Session, token: Token) -> NoReturn:
        session.post(f"{server.url}/auth/refresh", json={"refresh_token": token.refresh})
        raise AssertionError

    def misread(session: Session, token: Token) -> Token:
        body = {"refresh_token": token.refresh}
        answer = session.post(f"{server.url}/auth/refresh", json=body).json()
        return Token(answer["token"], answer["refresh_token"])

    for function in (complain, post_in_vain, misread):
        with start(function) as life:
            server.expire()
            if function is post_in_vain:
                server.fail(Drop(), times=None)
            life.get_in_vain()
            server.heal()


def test_a_login_whose_error_holds_the_password(start: Any) -> None:
    """So it is with logins."""

    def log_in(session: Session) -> NoReturn:
        session.post("http://127.0.0.1:9/login", data={"password": SECRET})
        raise AssertionError

    with start(login=log_in) as life:
        life.watch.secrets.add(SECRET)
        life.adapter.clear_token()
        life.get_in_vain()


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("fault", [Drop(), Huge(2_000_000), Truncated(short=True)], ids=repr)
def test_a_refresh_session_of_the_users_own(server: AuthServer, start: Any, fault: Fault) -> None:
    """What it sends is no more to be found in an error than what ours sends."""
    with requests.Session() as own:
        own.trust_env = False
        with start(ENDPOINTS["OAuth2"], refresh_session=own) as life:
            life.watch.secrets.add("client-secret-of-mine")
            server.expire()
            server.fail(fault, times=None)
            life.get_in_vain()
            server.heal()


def test_an_adapter_of_the_users_that_raises(server: AuthServer, start: Any) -> None:
    """Whatever kind of error a hook raises, the request goes no further with it."""

    class Broken(requests.adapters.HTTPAdapter):
        def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
            if url.endswith("/refresh"):
                raise LookupError(SECRET)
            super().cert_verify(conn, url, verify, cert)

    with start(transport=Broken()) as life:
        life.watch.secrets.add(SECRET)
        server.expire()
        life.get_in_vain()
        assert any("LookupError at test_secrets.py" in text for text in life.watch.texts)


def test_a_proxys_password(start: Any) -> None:
    """Neither it nor the token is in what a refused refresh leaves behind."""
    with start() as life:
        life.watch.secrets.add(SECRET)
        life.session.proxies = {"http": f"http://me:{SECRET}@127.0.0.1:9"}
        life.adapter.set_token(Token("expired-access-token", "refresh-token-of-alice", 0))
        life.watch.secrets |= {"refresh-token-of-alice"}
        with pytest.raises(requests.ConnectionError):  # the request's own: it is sent all the same
            life.session.get("/api/x")
        with life.watch.failing():
            life.adapter.refresh()


def test_a_callable_that_calls_itself(server: AuthServer, start: Any) -> None:
    """ReentrantRefresh names no token."""

    def through_the_adapter(_session: Session, _token: Token) -> Token:
        token: Token = life.adapter.refresh()
        return token

    with start(through_the_adapter) as life:
        server.expire()
        life.get_in_vain()
        assert life.watch.errors == [ReentrantRefresh]


# --- Tokens that cannot be sent ------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        f"{SECRET}\n",
        f" {SECRET}",
        f"{SECRET}\t",
        f"{SECRET}ä",
        f"{SECRET}\r\nX-Evil: {SECRET}",
    ],
)
@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_token_that_is_refused_is_not_quoted(watch: Watch, kind: str, bad: str) -> None:
    """InvalidToken says what is wrong with it, and not what it is."""
    watch.secrets.add(SECRET)
    with watch.failing(at_once=True):
        Token(bad if kind == "access" else "fine", bad if kind == "refresh" else None)
    assert watch.errors == [InvalidToken]


def test_reprs_hold_no_secret(watch: Watch) -> None:
    """Of tokens, stores and endpoints, however deep they are put."""
    watch.secrets.add(SECRET)
    token = Token(SECRET, SECRET, time.time())
    extra = {"password": SECRET, "deep": {"er": [SECRET]}}
    endpoints: list[Any] = [
        JSONEndpoint("/r", extra=extra),
        BearerEndpoint("/r", extra=extra),
        OAuth2Endpoint("/r", "me", SECRET, extra={"assertion": SECRET}),
        presets.SimpleJWT(extra=extra),
        presets.FlaskJWTExtended(extra=extra),
    ]
    watch.show(token, [token], {"t": token}, MemoryStore(token), endpoints)
    watch.show(*(endpoint.read for endpoint in endpoints))


# --- Secrets beside the token --------------------------------------------------------------------

PASSWORD = "the-password-of-alice-0123456789"
LOGINS = {
    send: PasswordLogin("/auth/login", "alice", PASSWORD, send=send) for send in ("json", "form")
}


@pytest.mark.parametrize(
    "login", [*LOGINS.values(), PasswordLogin("/auth/login", "alice", lambda: PASSWORD)]
)
@pytest.mark.usefixtures("no_backoff")
def test_a_password_is_in_no_frame(server: AuthServer, start: Any, login: PasswordLogin) -> None:
    """Neither where the login failed, nor in what makes its request once more."""
    with start(login=login) as life:
        life.watch.secrets.add(PASSWORD)
        life.adapter.clear_token()
        for fault in (Drop(), Status(500), JSONBody([])):
            server.fail(fault, on="login", times=None)
            life.get_in_vain()
            life.adapter.clear_token()
            with life.watch.failing():
                life.adapter.log_in("alice", lambda: PASSWORD)
            server.heal()


def test_nobody_is_asked_for_a_password_that_goes_nowhere(start: Any) -> None:
    """If log_in() does not know how, it says so first."""

    def ask() -> str:
        raise AssertionError("asked in vain")

    with start() as life, pytest.raises(TypeError, match="does not know where to log in"):
        life.adapter.log_in("alice", ask)


def test_a_header_of_the_apis_is_in_no_frame(start: Any) -> None:
    """Not even in that of the function of another one, which failed."""

    def fail() -> str:
        raise ValueError(SECRET)

    with start(headers={"apikey": SECRET, "X-Signed": fail}) as life:
        life.watch.secrets.add(SECRET)
        life.get_in_vain()


@pytest.mark.usefixtures("no_backoff")
def test_a_key_in_the_endpoints_url_is_in_no_frame(server: AuthServer, start: Any) -> None:
    """As Firebase has one; nor is it where the request is made once more."""
    with start(JSONEndpoint(f"/auth/refresh?key={SECRET}")) as life:
        server.expire()
        server.fail(Drop(), times=None)
        with pytest.raises(RefreshUnavailable) as caught:
            life.session.get("/api/x")
        server.heal()
        shown = [repr(each) for error in walk_chain(caught.value) for each in walk_frames(error)]
        assert not [each for each in shown if SECRET in each]


@pytest.mark.parametrize("key", [f"-----BEGIN PRIVATE KEY-----\n{SECRET}", SECRET, {"d": SECRET}])
def test_a_key_that_is_none_is_in_no_frame(start: Any, key: Any) -> None:
    """The error of a token with a key that cannot sign (RFC 9449) shows nothing of it."""
    pytest.importorskip("joserfc")
    with start(attach=DPoP()) as life:
        life.watch.secrets.add(SECRET)
        token = Token("an-access-token-of-alice", extra={"dpop_key": key})
        with pytest.raises(InvalidToken, match="is no private JWK to sign with"):
            life.adapter.set_token(token)
        life.store.save(token)  # by another program
        life.get_in_vain()
        assert life.watch.errors == [InvalidToken]
