"""PasswordLogin as a login=: what it sends, where the answer has the token, how often it tries."""

from __future__ import annotations

import getpass
import pickle
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    OAuth2Endpoint,
    PasswordLogin,
    RefreshRejected,
    RefreshUnavailable,
    Token,
    cookie,
    header,
    json_field,
    mount,
    presets,
)
from requests_jwt_refresh.testing import AuthServer, JSONBody, Status
from tests.support.crowd import Crowd
from tests.support.logins import find_form, make_basic
from tests.support.profiles import read_form, read_json
from tests.support.session_api import SessionAPI
from tests.support.users import ENDPOINT, mark_expired

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.clock import Clock

THREADS = 16
HOST = "https://h"
ANY: Any = object()
UPPER: Any = str.upper
PASSWORD = "correct horse battery staple"
LOGIN = PasswordLogin("/auth/login", "alice", PASSWORD)
WRONG = PasswordLogin("/auth/login", "alice", "wrong")


def count_logins(server: AuthServer) -> int:
    """Return how many logins were sent, refused ones among them."""
    return sum(each.kind == "login" for each in server.requests)


# --- What is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize("send", ["json", "form", "basic"])
@pytest.mark.parametrize("endpoint", [ENDPOINT, None], ids=["endpoint", "no refresh"])
def test_a_password_is_sent_when_a_token_is_needed(
    server: AuthServer, session: requests.Session, send: str, endpoint: JSONEndpoint | None
) -> None:
    """Below the base URL, over the separate session; 16 threads cost one login."""
    login = PasswordLogin("/auth/login", "alice", PASSWORD, send=send)
    mount(session, server.url, endpoint, MemoryStore(), login=login)
    users: list[str] = []
    crowd = Crowd(THREADS, lambda _: users.append(session.get("/api/x").json()["user"]))
    assert crowd.outcomes() == [None] * THREADS
    assert users == ["alice"] * THREADS
    assert count_logins(server) == 1
    sent = next(each for each in server.requests if each.kind == "login")
    if send == "basic":
        assert sent.headers["Authorization"] == make_basic("alice", PASSWORD)


def test_the_password_grant_is_the_clients(server: AuthServer, session: requests.Session) -> None:
    """RFC 6749 §4.3: at the token endpoint, unless a URL is given."""
    login = PasswordLogin(None, "alice", PASSWORD, send="oauth2")
    mount(session, server.url, OAuth2Endpoint("/auth/token", "me"), MemoryStore(), login=login)
    assert session.get("/api/x").status_code == 200
    assert find_form(server) == {
        "grant_type": "password",
        "username": "alice",
        "password": PASSWORD,
        "client_id": "me",
    }


def test_the_password_grant_asks_for_the_clients_scope() -> None:
    """RFC 6749 §6: a refresh cannot ask for more than the login has. Its own goes before."""
    endpoint = OAuth2Endpoint("/token", "me", scope="a b")
    form = {"grant_type": ["password"], "username": ["u"], "password": ["p"], "client_id": ["me"]}
    for extra, scope in (({}, "a b"), ({"scope": "c"}, "c")):
        bound = PasswordLogin(send="oauth2", extra=extra).bind(endpoint, HOST)
        assert read_form(bound.ask("u", "p").prepare()) == {**form, "scope": [scope]}


def test_a_field_may_be_deep_in_the_json() -> None:
    """As OpenStack has it, beside what else is in there."""
    user = "auth.identity.password.user"
    login = PasswordLogin(
        "/v3/auth/tokens",
        username_field=f"{user}.name",
        password_field=f"{user}.password",
        extra={"auth": {"identity": {"methods": ["password"]}}},
    )
    sent = read_json(login.bind(None, "https://h").ask("alice", "pass").prepare())
    user_fields = {"name": "alice", "password": "pass"}
    identity = {"methods": ["password"], "password": {"user": user_fields}}
    assert sent == {"auth": {"identity": identity}}


def test_a_user_name_may_be_part_of_the_url() -> None:
    """As Vault has it; it cannot lead to another path."""
    login = PasswordLogin("/v1/auth/userpass/login/{username}", username_field=None)
    bound = login.bind(None, "https://h/base")
    request = bound.ask("a/../b?c", "pass").prepare()
    assert request.url == "https://h/base/v1/auth/userpass/login/a%2F..%2Fb%3Fc"
    assert read_json(request) == {"password": "pass"}
    with pytest.raises(RefreshUnavailable, match="cannot be part of a URL"):
        bound.ask("..", "pass")


def test_headers_and_method_are_sent() -> None:
    """Beside those that are sent anyway."""
    login = PasswordLogin("/in", headers={"apikey": "k"}, method="PUT").bind(None, "https://h")
    request = login.ask("alice", "pass").prepare()
    assert (request.method, request.headers["apikey"]) == ("PUT", "k")
    assert request.headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    ("preset", "url", "fields"),
    [
        (presets.SimpleJWT(), "/api/token/", {"username": "alice", "password": "p"}),
        (presets.Directus(), "/auth/login", {"email": "alice", "password": "p", "mode": "json"}),
    ],
    ids=["simplejwt", "directus"],
)
def test_without_a_url_it_is_the_documented_login(
    preset: JSONEndpoint, url: str, fields: dict[str, str]
) -> None:
    """Of the endpoint's preset; its answer is read as the preset reads its own."""
    bound = PasswordLogin(None, "alice", "p").bind(preset, "https://h/api")
    request = bound.ask("alice", "p").prepare()
    assert request.url == f"https://h/api{url}"
    assert read_json(request) == fields
    assert bound.endpoint is preset


def test_what_is_given_goes_before_the_documentation() -> None:
    """Each option for itself; extra fields one by one."""
    login = PasswordLogin("/in", "alice", "p", username_field="login", extra={"otp": "1"})
    request = login.bind(presets.Directus(), "https://h").ask("alice", "p").prepare()
    assert request.url == "https://h/in"
    assert read_json(request) == {"login": "alice", "password": "p", "mode": "json", "otp": "1"}


def test_what_is_given_may_be_what_is_usual() -> None:
    """A field of the usual name goes before the preset's, too."""
    login = PasswordLogin(None, "alice", "p", username_field="username", send="json")
    request = login.bind(presets.Directus(), "https://h").ask("alice", "p").prepare()
    assert read_json(request) == {"username": "alice", "password": "p", "mode": "json"}


def test_a_login_that_is_complete_stays_as_it_is() -> None:
    """With a URL and a reader of its own, as a profile makes it: it can be bound again."""
    login = PasswordLogin("https://h/in", endpoint=presets.Directus())
    assert login.bind(presets.Directus(), "https://h") == login


def test_a_preset_of_the_users_own_class_is_found() -> None:
    """Its class is derived from one of presets."""

    class Mine(presets.SimpleJWT):
        """With a path of its own."""

    bound = PasswordLogin(None, "alice", "p").bind(Mine("/r"), "https://h")
    assert bound.url == "https://h/api/token/"


# --- How the answer is read ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["data.token", header("X-Auth-Token"), cookie("session")], ids=repr
)
def test_a_session_api_is_served(server: AuthServer, session: requests.Session, place: Any) -> None:
    """The token comes in a field, a header or a cookie, and has no refresh: the login again."""
    attach = header("X-Auth-Token") if isinstance(place, str) else place
    SessionAPI(place, attach).install(server)
    login = PasswordLogin("/auth/login", "alice", PASSWORD, access=place)
    store = MemoryStore()
    mount(session, server.url, None, store, attach=attach, login=login)
    assert session.get("/api/x").json()["user"] == "alice"
    server.expire()
    crowd = Crowd(THREADS, lambda _: session.get("/api/x"))
    assert crowd.statuses() == [200] * THREADS
    assert count_logins(server) == 2
    token = store.load()
    assert token is not None
    assert token.refresh is None


def test_a_ticket_is_renewed_with_its_double_submit(session: requests.Session) -> None:
    """As Proxmox has it: the value that a POST repeats comes beside the ticket, each time anew."""
    csrf = ("data.CSRFPreventionToken", "CSRFPreventionToken")
    login = PasswordLogin("/access/ticket", "root@pam", "right", send="form", access="data.ticket")
    with AuthServer(like="proxmox") as server:
        mount(
            session,
            server.url,
            None,
            MemoryStore(),
            attach=cookie("PVEAuthCookie", csrf=csrf),
            login=login,
        )
        assert session.post("/nodes").status_code == 200
        server.expire()
        assert session.post("/nodes").status_code == 200
        assert server.counters.logins == 2


def test_what_the_login_names_is_read_otherwise() -> None:
    """All else is read as the endpoint does."""
    endpoint = JSONEndpoint("/r", access="jwt", refresh="renew")
    login = PasswordLogin("/in", access="token").bind(endpoint, "https://h")
    assert login._find_reader() == JSONEndpoint("/r", access="token", refresh="renew")  # noqa: SLF001
    bare = PasswordLogin("/in", access=None).bind(None, "https://h")
    assert bare._find_reader() == JSONEndpoint("/login", access=None)  # noqa: SLF001


def test_a_refusal_is_what_rejected_says(server: AuthServer, session: requests.Session) -> None:
    """A matcher is asked about the answer, whatever its status."""
    rejected = json_field("error", "bad_password")
    login = PasswordLogin("/auth/login", "alice", PASSWORD, rejected=rejected)
    lost: list[RefreshRejected] = []
    adapter = mount(
        session, server.url, ENDPOINT, MemoryStore(), login=login, on_logout=lost.append
    )
    server.fail(JSONBody({"error": "bad_password"}), on="login")
    with pytest.raises(RefreshRejected, match="refused the user name or the password"):
        adapter.refresh()
    server.fail(Status(401), on="login")
    with pytest.raises(RefreshRejected, match="not sent again"):
        adapter.refresh()
    assert count_logins(server) == 1


# --- How often it tries --------------------------------------------------------------------------


@pytest.mark.parametrize("held", ["nothing", "an expired session"])
def test_a_wrong_password_is_sent_once(
    server: AuthServer, session: requests.Session, clock: Clock, held: str
) -> None:
    """By 16 threads at once, and by all that come later, however long: accounts get locked."""
    token = mark_expired(server.login()) if held == "an expired session" else None
    server.expire()
    mount(session, server.url, None, MemoryStore(token), login=WRONG)
    crowd = Crowd(THREADS, lambda _: session.get("/api/x"))
    assert crowd.statuses() == [401] * THREADS
    assert count_logins(server) == 1
    for _ in range(5):
        clock.advance(3600)
        assert session.get("/api/x").status_code == 401
    assert count_logins(server) == 1


def test_a_wrong_password_is_sent_once_for_all_adapters_of_a_store(server: AuthServer) -> None:
    """A session for each thread is as good as one."""
    store = MemoryStore()

    def send(_number: int) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            mount(session, server.url, None, store, login=WRONG)
            return session.get("/api/x")

    keeper = JWTRefreshAdapter(server.url, None, store, login=WRONG)
    assert Crowd(THREADS, send).statuses() == [401] * THREADS
    assert count_logins(server) == 1
    keeper.close()


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_refusal_is_not_repeated(
    server: AuthServer, session: requests.Session, clock: Clock, status: int
) -> None:
    """Whatever status says it."""
    mount(session, server.url, None, MemoryStore(), login=LOGIN)
    server.fail(Status(status), on="login")
    assert session.get("/api/x").status_code == 401
    clock.advance(3600)
    assert session.get("/api/x").status_code == 401
    assert count_logins(server) == 1


def test_a_throttled_login_is_tried_again(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """It is no refusal."""
    mount(session, server.url, None, MemoryStore(), login=LOGIN)
    server.fail(Status(403, retry_after=5), on="login")
    with pytest.raises(RefreshUnavailable, match="login endpoint"):
        session.get("/api/x")
    clock.advance(60)
    assert session.get("/api/x").status_code == 200


@pytest.mark.parametrize("way", ["set_token", "clear_token", "log_in"])
def test_a_new_login_or_logout_lets_it_try_again(
    server: AuthServer, session: requests.Session, way: str
) -> None:
    """The program has done something about it."""
    adapter = mount(session, server.url, None, MemoryStore(), login=LOGIN)
    server.fail(Status(401), on="login")
    assert session.get("/api/x").status_code == 401
    if way == "set_token":
        adapter.set_token(server.login())
    elif way == "clear_token":
        adapter.clear_token()
    else:
        adapter.log_in("alice", PASSWORD)
    server.expire()
    assert session.get("/api/x").status_code == 200


def test_a_function_is_asked_for_each_login(
    server: AuthServer, session: requests.Session, clock: Clock
) -> None:
    """A password that it returns again after a refusal is not sent; another one is."""
    answers = ["wrong", "wrong", PASSWORD, PASSWORD]
    login = PasswordLogin("/auth/login", "alice", lambda: answers.pop(0))
    mount(session, server.url, None, MemoryStore(), login=login)
    statuses = []
    for _ in range(3):
        statuses.append(session.get("/api/x").status_code)
        clock.advance(60)
    assert (statuses, count_logins(server)) == ([401, 401, 200], 2)
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert answers == []


def test_a_function_is_called_in_the_thread_that_needs_the_token(
    server: AuthServer, session: requests.Session
) -> None:
    """There a person can be asked; the store is free meanwhile."""
    store, threads = MemoryStore(), list[threading.Thread]()

    def ask() -> str:
        threads.append(threading.current_thread())
        with store.lock(0):
            return PASSWORD

    mount(session, server.url, None, store, login=PasswordLogin("/auth/login", "alice", ask))
    assert session.get("/api/x").status_code == 200
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize("returned", [None, b"bytes"])
def test_a_function_that_returns_no_password(
    server: AuthServer, session: requests.Session, returned: Any
) -> None:
    """Nothing is sent, and the error says what it returned."""
    login = PasswordLogin("/auth/login", "alice", lambda: returned)
    mount(session, server.url, None, MemoryStore(), login=login)
    with pytest.raises(RefreshUnavailable, match=r"returned (None|a bytes), not a string"):
        session.get("/api/x")
    assert count_logins(server) == 0


def test_a_session_that_no_login_renews_is_a_logout(
    server: AuthServer, session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no refresh that could be refused: on_logout once, the store empty, one WARNING."""
    store, lost = MemoryStore(Token(server.login().access)), list[RefreshRejected]()
    mount(session, server.url, None, store, login=WRONG, on_logout=lost.append)
    server.expire()
    assert session.get("/api/x").status_code == 401
    assert session.get("/api/x").status_code == 401
    assert [each.cause for each in lost] == [lost[0].cause]
    assert "refused the user name or the password" in lost[0].cause
    assert store.load() is None
    warnings = [each for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 1


def test_a_forced_login_that_is_refused_keeps_a_valid_session(
    server: AuthServer, session: requests.Session
) -> None:
    """Nobody has said that the session has ended."""
    store = MemoryStore(Token(server.login().access))
    adapter = mount(session, server.url, None, store, login=WRONG)
    with pytest.raises(RefreshRejected):
        adapter.refresh()
    assert session.get("/api/x").status_code == 200


# --- As a value ----------------------------------------------------------------------------------


def test_no_repr_and_no_error_shows_the_password(
    server: AuthServer, session: requests.Session
) -> None:
    """Nor the extra fields, nor what a traceback prints with its locals."""
    login = PasswordLogin("/auth/login", "alice", PASSWORD, extra={"otp": "a-secret-too"})
    adapter = mount(session, server.url, None, MemoryStore(), login=login)
    assert repr(login) == "PasswordLogin('/auth/login', 'alice', '***')"
    assert repr(PasswordLogin()) == "PasswordLogin()"
    server.fail(Status(401), on="login")
    with pytest.raises(RefreshRejected) as caught:
        adapter.refresh()
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(shown.format()) + repr(caught.value)
    assert PASSWORD not in text
    assert "a-secret-too" not in text


def test_it_pickles_with_its_adapter(server: AuthServer) -> None:
    """A string goes with it; a function has to be one that can be imported."""
    for password in (PASSWORD, getpass.getpass):
        login = PasswordLogin("/auth/login", "alice", password)
        assert pickle.loads(pickle.dumps(login)) == login
    adapter = JWTRefreshAdapter(server.url, None, MemoryStore(), login=LOGIN)
    copy = pickle.loads(pickle.dumps(adapter))
    with requests.Session() as session:
        session.trust_env = False
        session.mount(server.url, copy)
        assert session.get(f"{server.url}/api/x").status_code == 200


def test_without_credentials_it_is_for_log_in_alone(
    server: AuthServer, session: requests.Session
) -> None:
    """Requests go without a token until then."""
    adapter = mount(
        session, server.url, ENDPOINT, MemoryStore(), login=PasswordLogin("/auth/login")
    )
    assert session.get("/api/x").status_code == 401
    adapter.log_in("bob", PASSWORD)
    assert session.get("/api/x").json()["user"] == "bob"


MOVED = presets.Firebase("key", url="https://proxy.example.com/token")


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: PasswordLogin(ANY), TypeError, "the URL"),
        (lambda: PasswordLogin("/in", ANY), TypeError, "the user name must be a string, not an o"),
        (lambda: PasswordLogin("/in", ""), ValueError, "the user name is empty"),
        (lambda: PasswordLogin("/in", "a", ANY), TypeError, "the password must be a string, or a"),
        (lambda: PasswordLogin("/in", "a", UPPER), TypeError, "password is called with ()"),
        (lambda: PasswordLogin("/in", send="xml"), ValueError, "send must be one of 'json'"),
        (lambda: PasswordLogin("/in", "a:b", send="basic"), ValueError, "with a colon"),
        (lambda: PasswordLogin("/in", method="PO ST"), ValueError, "no HTTP method"),
        (lambda: PasswordLogin("/in", password_field="username.x"), ValueError, "must leave"),
        (lambda: PasswordLogin("/in", headers={"A\nB": "x"}), ValueError, "header's name"),
        (lambda: PasswordLogin("/in", headers={"A": "x\ny"}), ValueError, "line breaks"),
        (lambda: PasswordLogin("/in", access="a..b"), ValueError, "a..b"),
        (lambda: PasswordLogin().bind(ENDPOINT, HOST), TypeError, "no documented login: Password"),
        (lambda: PasswordLogin().bind(MOVED, HOST), TypeError, "has a url= of its own, and"),
        (lambda: PasswordLogin("//h/in").bind(None, HOST), ValueError, "the login URL"),
        (lambda: PasswordLogin("http://a.example/in").bind(None, HOST), ValueError, "the login"),
        (lambda: PasswordLogin(send="oauth2").bind(ENDPOINT, HOST), TypeError, "OAuth2Endpoint"),
    ],
)
def test_a_mistake_is_a_clear_error(
    make: Callable[[], object], kind: type[Exception], text: str
) -> None:
    """When it is made or bound, not at the first login."""
    with pytest.raises(kind) as caught:
        make()
    assert text in str(caught.value)
