"""AuthServer in place of an API of one's own: another header, another login, another refusal."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    PasswordLogin,
    RefreshRejected,
    RefreshUnavailable,
    cookie,
    header,
    json_field,
    mount,
)
from requests_jwt_refresh.testing import AuthServer, ServerOptions, Status
from tests.support.plain_requests import get, open_http_connection, refresh
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from requests_jwt_refresh.authorization import WirePlace

Loose = Any  # for what a type checker would have found
LOG_IN_AGAIN = Status(400, body=b'{"error": "LOG_IN_AGAIN"}')
LOGIN: Loose = {"username_field": "user.name", "password_field": "user.secret"}


def shape(server: AuthServer) -> None:
    """Let the server play the API that the tests below have a client of."""
    server.attach = header("X-Session")
    server.refused = LOG_IN_AGAIN
    server.login_path = "/session"
    server.username_field = LOGIN["username_field"]
    server.password_field = LOGIN["password_field"]


def mount_client(
    server: AuthServer, session: requests.Session, **options: Any
) -> JWTRefreshAdapter:
    endpoint = JSONEndpoint("/auth/refresh", rejected=json_field("error", "LOG_IN_AGAIN"))
    login = PasswordLogin("/session", **LOGIN)
    options = {"attach": header("X-Session"), "login": login, **options}
    return mount(session, server.url, endpoint, MemoryStore(), **options)


# --- The whole of it, with the fixture --------------------------------------------------------


def test_a_client_of_an_own_shape_logs_in_and_refreshes(
    jwt_server: AuthServer, session: requests.Session
) -> None:
    """Without a fault: what the API does is no outage, and is counted as none."""
    shape(jwt_server)
    adapter = mount_client(jwt_server, session)
    adapter.log_in("bob", "right")
    for _ in range(2):
        jwt_server.expire()
        assert session.get("/api/users").json()["user"] == "bob"
    assert adapter.token is not None
    assert jwt_server.requests[-1].access == adapter.token.access
    assert jwt_server.requests[-1].bearer is None
    now = jwt_server.counters
    assert (now.logins, now.rotated, now.unauthorized, now.faults) == (1, 2, 2, 0)


def test_its_refusal_is_a_logout(jwt_server: AuthServer, session: requests.Session) -> None:
    """In its own words, which the endpoint's rule reads."""
    shape(jwt_server)
    told: list[RefreshRejected] = []
    adapter = mount_client(jwt_server, session, on_logout=told.append)
    adapter.set_token(jwt_server.login())
    jwt_server.expire()
    jwt_server.revoke()
    assert session.get("/api/users").status_code == 401
    assert len(told) == 1
    assert adapter.token is None
    assert jwt_server.counters.refused == 1


def test_an_outage_of_it_is_a_fault_beside_its_answers(
    jwt_server: AuthServer, session: requests.Session
) -> None:
    """clear_faults() ends the outage and leaves the shape; the faults that are counted are its."""
    shape(jwt_server)
    adapter = mount_client(jwt_server, session, refresh_timeout=0.5)
    adapter.log_in("alice", "right")
    jwt_server.expire()
    jwt_server.fail(Status(503), times=None)
    with pytest.raises(RefreshUnavailable):
        session.get("/api/users")
    assert jwt_server.counters.faults == jwt_server.counters.refreshes > 0
    jwt_server.clear_faults()
    adapter.refresh()
    assert session.get("/api/users").status_code == 200
    jwt_server.revoke()
    with pytest.raises(RefreshRejected):
        adapter.refresh()


# --- Where the access token is ----------------------------------------------------------------


def carry(place: WirePlace, token: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    place.write(headers, token)
    return headers


PLACES = [
    header("X-Session"),
    header("x-session"),
    header("X-Session", "Key"),
    header("Authorization", "Token"),
    header(scheme=None),
    header("Authorization"),
    cookie("session"),
]


def call(server: AuthServer, headers: dict[str, str]) -> requests.Response:
    return requests.get(server.url + "/api/x", headers=headers, timeout=WAIT)


@pytest.mark.parametrize("place", PLACES, ids=repr)
def test_the_token_is_where_attach_says(place: WirePlace, server: AuthServer) -> None:
    """The same word as the adapter's; a token that is not good there is answered by `expired`."""
    server.attach = place
    token = server.login("bob").access
    assert token is not None
    assert call(server, carry(place, token)).json()["user"] == "bob"
    assert server.requests[-1].access == token
    assert call(server, carry(place, "nonsense")).json() == {"message": "Invalid JWT"}
    assert server.requests[-1].access == "nonsense"


ELSEWHERE: list[tuple[WirePlace, WirePlace | None]] = [
    (header("X-Session"), None),
    (header("X-Session"), header()),
    (header("X-Session"), header("X-Session-Id")),
    (header("X-Session", "Key"), header("X-Session")),
    (header("Authorization", "Token"), header()),
    (header("Authorization", "Token"), header(scheme=None)),
    (cookie("session"), header()),
    (cookie("session"), header("session")),
    (cookie("session"), cookie("my-session")),
]


@pytest.mark.parametrize(("place", "other"), ELSEWHERE, ids=repr)
def test_a_token_elsewhere_is_none(
    place: WirePlace, other: WirePlace | None, server: AuthServer
) -> None:
    """It is not looked for there: "No token", as without one."""
    server.attach = place
    token = server.login().access
    assert token is not None
    response = call(server, {} if other is None else carry(other, token))
    assert (response.status_code, response.json()) == (401, {"message": "No token"})
    assert server.requests[-1].access is None


def test_bearer_is_where_it_is_looked_for_by_default(server: AuthServer) -> None:
    """And again after attach was taken back."""
    token = server.login().access
    assert get(server, token).status_code == 200
    server.attach = cookie("session")
    assert get(server, token).json() == {"message": "No token"}
    server.attach = None
    assert get(server, token).status_code == 200


def test_an_upload_without_a_good_token_there_is_left_unread(server: AuthServer) -> None:
    """With read_body_first=False; one with a good token is read."""
    server.attach = header("X-Session")
    server.read_body_first = False
    token = server.login().access
    assert token is not None
    for headers, status in ({"X-Session": token}, 200), ({"X-Session": "nonsense"}, 401):
        with contextlib.closing(open_http_connection(server)) as connection:
            connection.request("POST", "/api/x", body=b"x" * 100_000, headers=headers)
            assert connection.getresponse().status == status
    assert [each.size for each in server.requests] == [100_000, None]


def test_a_cookie_among_others_is_found(server: AuthServer) -> None:
    """By its whole name."""
    server.attach = cookie("session")
    token = server.login().access
    assert call(server, {"Cookie": f"a=b; session={token}"}).status_code == 200
    assert call(server, {"Cookie": f"my-session={token}"}).json() == {"message": "No token"}


# --- The refusal of a refresh token -----------------------------------------------------------


def test_a_refresh_token_that_is_not_good_is_refused_as_told(server: AuthServer) -> None:
    """Unknown, used before, revoked; a request without one is still told so (RFC 6749 §5.2)."""
    server.refused = Status(440, body=b'{"error": "LOG_IN_AGAIN"}')
    used, revoked = server.login(), server.login()
    assert refresh(server, used).status_code == 200
    server.revoke()
    for token in (used, revoked):
        response = refresh(server, token)
        assert (response.status_code, response.json()) == (440, {"error": "LOG_IN_AGAIN"})
        assert response.headers["Content-Type"] == "application/json"
    response = requests.post(server.refresh_url, json={"token": "x"}, timeout=WAIT)
    assert (response.status_code, response.json()) == (400, {"error": "invalid_request"})
    assert server.counters.refused == 3
    server.refused = None
    assert refresh(server, revoked).json() == {"error": "invalid_grant"}


# --- The login --------------------------------------------------------------------------------


def log_in(server: AuthServer, **options: Any) -> requests.Response:
    return requests.post(server.login_url, timeout=WAIT, **options)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (("login", "code"), {"json": {"login": "bob", "code": "right"}}),
        (("login", "code"), {"data": {"login": "bob", "code": "right"}}),
        (("user.name", "user.secret"), {"json": {"user": {"name": "bob", "secret": "right"}}}),
        (("auth.0", "auth.1"), {"json": {"auth": ["bob", "right"]}}),
        (("user.name", "code"), {"data": {"user.name": "bob", "code": "right"}}),
        (("login", "code"), {"auth": ("bob", "right")}),
    ],
)
def test_a_login_is_sent_to_its_path_in_its_fields(
    fields: tuple[str, str], sent: dict[str, Any], server: AuthServer
) -> None:
    """In JSON or as a form; Basic needs no field."""
    server.login_path = "/session/new"
    server.username_field, server.password_field = fields
    assert server.login_url == server.url + "/session/new"
    access = log_in(server, **sent).json()["access_token"]
    assert get(server, access).json()["user"] == "bob"
    wrong = json.loads(json.dumps(sent).replace("right", "wrong"))
    if "auth" in wrong:
        wrong["auth"] = tuple(wrong["auth"])
    assert log_in(server, **wrong).status_code == 401
    assert server.counters.logins == 1


def test_the_usual_names_are_no_others(server: AuthServer) -> None:
    """Beside own ones; the usual path is one of the API then."""
    server.login_path, server.username_field = "/session", "login"
    usual = {"username": "alice", "password": "right"}
    assert log_in(server, json=usual).status_code == 401
    response = requests.post(server.url + "/auth/login", json=usual, timeout=WAIT)
    assert response.json() == {"message": "No token"}
    assert [each.kind for each in server.requests] == ["login", "api"]
    assert server.counters.logins == 0


def test_a_login_may_have_no_user_name(server: AuthServer) -> None:
    """As a router with one password; it is alice's."""
    server.username_field = None
    access = log_in(server, json={"password": "right"}).json()["access_token"]
    assert get(server, access).json()["user"] == "alice"
    assert log_in(server, json={"password": "wrong"}).status_code == 401


def test_faults_and_gates_know_the_login_at_its_path(server: AuthServer) -> None:
    """As kind "login"; another method than POST is told so."""
    server.login_path = "/session"
    server.fail(Status(503), on="login")
    body = {"username": "alice", "password": "right"}
    assert log_in(server, json=body).status_code == 503
    with ThreadPoolExecutor(1) as pool:
        with server.gate(on="login") as gate:
            waiting = pool.submit(log_in, server, json=body)
            gate.wait_for(1, WAIT)
            assert server.counters.logins == 0
        assert waiting.result(WAIT).status_code == 200
    assert requests.get(server.login_url, timeout=WAIT).status_code == 405


def test_a_login_can_be_at_the_usual_place_of_refreshes(server: AuthServer) -> None:
    """Once that has moved."""
    server.refresh_path = "/renew"
    server.login_path = "/auth/refresh"
    access = log_in(server, json={"username": "bob", "password": "p"}).json()["access_token"]
    assert get(server, access).json()["user"] == "bob"


# --- Mistakes ---------------------------------------------------------------------------------

WRONG: list[tuple[type[Exception], str, Loose, str]] = [
    (TypeError, "attach", "X-Session", r"^attach must be header\('X-Session'\), .* not a str$"),
    (TypeError, "attach", header, "^attach must be header"),
    (TypeError, "attach", type(header()), "not the class Header"),
    (ValueError, "attach", cookie("s", csrf=("c", "X-C")), "no CSRF values; leave csrf= out, or "),
    (TypeError, "refused", 400, r"refused must be a Status such as Status\(401\) or None, not an"),
    (TypeError, "refused", Status, "not the class Status"),
    (TypeError, "login_path", None, "login_path must be a string, not None"),
    (TypeError, "password_field", None, "password_field must be a string, not None"),
    (TypeError, "username_field", cookie("s"), "whose place is attach="),
    (ValueError, "login_path", "session", "is no path such as"),
    (ValueError, "login_path", "/session?a=b", "is no path such as"),
    (ValueError, "username_field", "user.", "is no field name"),
    (ValueError, "password_field", "", "is no field name"),
    (ValueError, "username_field", "password", "cannot stand in one login: name another field"),
    (ValueError, "password_field", "username.secret", "cannot stand in one login"),
    (ValueError, "login_path", "/auth/refresh", "refresh_path='/auth/refresh' are one path: name"),
    (ValueError, "refresh_path", "/auth/login", "login_path='/auth/login' and refresh_path="),
]
TAKEN = [
    *("/auth/token", "/auth/logout", "/auth/revoke", "/auth/device", "/public/login"),
    *("/redirect", "/status/200"),
]
OPENID_TAKEN = ["/auth/authorize", "/auth/userinfo", "/.well-known/oauth-protected-resource/x"]


@pytest.mark.parametrize(("error", "name", "value", "text"), WRONG)
def test_a_mistake_is_an_error_at_once(
    error: type[Exception], name: str, value: Loose, text: str, server: AuthServer
) -> None:
    """By attribute, which stays as it was, and in the constructor."""
    before = getattr(server, name)
    with pytest.raises(error, match=text):
        setattr(server, name, value)
    assert getattr(server, name) == before
    with pytest.raises(error, match=text):
        AuthServer(**{name: value})


@pytest.mark.parametrize("path", TAKEN)
def test_a_login_is_not_where_the_server_does_something_else(path: str, server: AuthServer) -> None:
    """One of the two would never be reached."""
    with pytest.raises(ValueError, match=f"login_path='{path}' is a path at which the server does"):
        server.login_path = path
    with pytest.raises(ValueError, match="name another"):
        AuthServer(login_path=path)


@pytest.mark.parametrize("path", OPENID_TAKEN)
def test_an_openid_provider_has_more_such_paths(path: str, server: AuthServer) -> None:
    """Which are free where it is none."""
    with pytest.raises(ValueError, match="name another"):
        AuthServer(openid=True, login_path=path)
    server.login_path = path
    assert log_in(server, json={"username": "a", "password": "p"}).status_code == 200


OWN: dict[str, Any] = {
    "attach": header(),
    "refused": LOG_IN_AGAIN,
    "login_path": "/auth/login",
    "username_field": "login",
    "password_field": "code",
}


@pytest.mark.parametrize("name", OWN)
def test_a_known_server_has_its_own(name: str) -> None:
    """Given beside `like`, an option of an own shape would do nothing: ValueError."""
    text = f"{name} and like='simplejwt': a known server has its own"
    with pytest.raises(ValueError, match=text):
        ServerOptions(like="simplejwt", **{name: OWN[name]})
    options = ServerOptions(like="simplejwt")
    with pytest.raises(ValueError, match=text):
        setattr(options, name, OWN[name])


def test_a_known_servers_login_can_be_read() -> None:
    """Its path and its fields; "" and None where it has none."""
    known = ServerOptions(like="simplejwt")
    assert (known.login_path, known.username_field) == ("/api/token/", "username")
    assert ServerOptions(like="github").login_path == ""


# --- An OpenID provider -----------------------------------------------------------------------


def test_the_api_of_an_openid_provider_may_have_its_tokens_elsewhere() -> None:
    """Its own, where the user is told, takes bearer tokens (OpenID Connect Core §5.3.1)."""
    with AuthServer(openid=True, attach=header("X-Session"), login_path="/session") as server:
        token = server.login("bob").access
        assert token is not None
        assert call(server, {"X-Session": token}).json()["user"] == "bob"
        assert get(server, token).status_code == 401
        assert get(server, token, "/auth/userinfo").json() == {"sub": "bob"}
        document = f"{server.url}/.well-known/oauth-protected-resource/api/x"
        assert requests.get(document, timeout=WAIT).json()["bearer_methods_supported"] == []
        body = {"username": "alice", "password": "right"}
        assert log_in(server, json=body).status_code == 200


def test_an_openid_provider_may_refuse_in_its_own_words() -> None:
    """A client that it does not know is still invalid_client (RFC 6749 §5.2)."""
    with AuthServer(openid=True, refused=LOG_IN_AGAIN) as server:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": "nonsense",
            "client_id": "client-id",
        }
        response = requests.post(server.refresh_url, data=form, timeout=WAIT)
        assert (response.status_code, response.json()) == (400, {"error": "LOG_IN_AGAIN"})
        form["client_id"] = "other"
        response = requests.post(server.refresh_url, data=form, timeout=WAIT)
        assert response.json() == {"error": "invalid_client"}
