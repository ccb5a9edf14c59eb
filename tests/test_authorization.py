"""How a request carries a token, and whose Authorization header it is."""

from __future__ import annotations

import hashlib
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth
from requests.structures import CaseInsensitiveDict
from requests.utils import parse_dict_header

from requests_jwt_refresh import JSONEndpoint, JWTRefreshAdapter, MemoryStore, Token, anonymous
from requests_jwt_refresh import mount as mount_adapter
from requests_jwt_refresh.authorization import (
    AUTHORIZATION,
    Header,
    is_bearer,
    starts_with_bearer,
    strip_bearer,
)
from requests_jwt_refresh.testing import AuthServer, Redirect
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


NETRC_BASIC = "Basic bmV0cmM6c2VjcmV0"  # netrc:secret


@pytest.fixture
def netrc_session(
    session: requests.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> requests.Session:
    """A session that finds an entry for every host in its netrc."""
    path = tmp_path / "netrc"
    path.write_text("default login netrc password secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setenv("NO_PROXY", "*")
    session.trust_env = True
    return session


def mount(session: requests.Session, server: AuthServer, token: Token | None) -> JWTRefreshAdapter:
    return mount_adapter(session, server.url, JSONEndpoint("/auth/refresh"), MemoryStore(token))


def get(session: requests.Session, path: str = "/api/x", **options: Any) -> requests.Response:
    return session.get(path, timeout=WAIT, **options)


def redirect(server: AuthServer, url: str) -> None:
    """Let /go redirect to `url`, with a token or without."""
    server.fail(Redirect(url), on=lambda path: path == "/go", times=None)


def authorizations(server: AuthServer) -> list[str | None]:
    return [seen.headers.get("Authorization") for seen in server.requests]


class _SetsHeader(AuthBase):
    """An auth object of the caller's, which sets whatever header it is given."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self.value
        return request


def leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Be an auth that leaves the request as it is."""
    return request


def show(options: dict[str, Any]) -> str:
    """Return what the test is called for `options`: the same in every process."""
    auth = options.get("auth")
    if isinstance(auth, HTTPBasicAuth):
        return f"auth=HTTPBasicAuth({auth.username!r})"
    if isinstance(auth, _SetsHeader):
        return f"auth=_SetsHeader({auth.value!r})"
    return "auth=leave_alone" if auth is leave_alone else str(options)


# --- The scheme ----------------------------------------------------------------------------------


def test_a_header_is_written_in_place_of_another() -> None:
    """In the case that servers expect, whatever case the header was in before."""
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict({"authorization": "Basic abc"})
    AUTHORIZATION.write(headers, "secret")
    assert dict(headers) == {"Authorization": "Bearer secret"}
    Header("X-Token", "JWT").write(headers, "secret")
    assert headers["X-Token"] == "JWT secret"


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc", "abc"),
        ("BEARER abc ", "abc"),
        ("Bearer", "Bearer"),
        ("Bearerabc", "Bearerabc"),
        ("Basic abc", "Basic abc"),
        (" Bearer abc", " Bearer abc"),
        ("", ""),
    ],
)
def test_the_scheme_is_recognised_and_stripped_in_any_case(value: str, token: str) -> None:
    """RFC 9110 §11.1; only with a space behind it is it a scheme at all."""
    assert strip_bearer(value) == token
    assert starts_with_bearer(value) is (value != token)


@pytest.mark.parametrize(("word", "is_it"), [("bEARER", True), ("Bearers", False), ("", False)])
def test_a_scheme_is_compared_whole(word: str, is_it: bool) -> None:
    """A longer word that begins with the scheme is another scheme."""
    assert is_bearer(word) is is_it


# --- Replaced ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"headers": {"Authorization": None}},
        {"headers": {"Authorization": "Bearer old"}},
        {"headers": {"authorization": "bearer old"}},
        {"headers": {"AUTHORIZATION": "BEARER old"}},
        {"headers": {"Authorization": b"Bearer old"}},
        {"headers": {"Authorization": "Bearer"}},
        {"auth": _SetsHeader("Bearer old")},
        {"auth": leave_alone},
    ],
    ids=show,
)
def test_none_and_a_bearer_are_replaced(
    server: AuthServer, session: requests.Session, options: dict[str, Any]
) -> None:
    """A request without Authorization, or with a Bearer, is sent with our token."""
    token = server.login()
    mount(session, server, token)
    assert get(session, **options).status_code == 200
    assert authorizations(server) == [f"Bearer {token.access}"]


def test_a_bearer_of_the_sessions_is_replaced(
    server: AuthServer, session: requests.Session
) -> None:
    """The header that a script has put on its session gives way as well, and stays there."""
    token = server.login()
    mount(session, server, token)
    session.headers["Authorization"] = "Bearer old"
    assert get(session).status_code == 200
    assert authorizations(server) == [f"Bearer {token.access}"]
    assert session.headers["Authorization"] == "Bearer old"


def test_a_replaced_bearer_is_refreshed(server: AuthServer, session: requests.Session) -> None:
    """Where the token has taken a Bearer's place, it is kept fresh like any other."""
    mount(session, server, server.login())
    server.expire()
    assert get(session, headers={"Authorization": "Bearer old"}).status_code == 200
    assert server.counters.rotated == 1
    assert "Bearer old" not in authorizations(server)


def test_a_header_from_netrc_is_replaced(
    server: AuthServer, netrc_session: requests.Session
) -> None:
    """The caller did not choose it: requests adds it by itself (psf/requests #3929)."""
    get(netrc_session, f"{server.url}/public/x")
    assert authorizations(server) == [NETRC_BASIC]
    token = server.login()
    mount(netrc_session, server, token)
    assert get(netrc_session).status_code == 200
    assert authorizations(server)[1:] == [f"Bearer {token.access}"]


def test_a_header_from_netrc_is_refreshed(
    server: AuthServer, netrc_session: requests.Session
) -> None:
    """An expired token is renewed, netrc or no netrc."""
    mount(netrc_session, server, server.login())
    server.expire()
    assert get(netrc_session).status_code == 200
    assert server.counters.rotated == 1
    assert NETRC_BASIC not in authorizations(server)


def test_netrc_over_a_bearer_of_the_callers_is_replaced(
    server: AuthServer, netrc_session: requests.Session
) -> None:
    """requests overwrites a header with netrc's; the token then takes netrc's place."""
    token = server.login()
    mount(netrc_session, server, token)
    get(netrc_session, headers={"Authorization": "Bearer old"})
    assert authorizations(server) == [f"Bearer {token.access}"]


def test_netrc_is_replaced_on_every_hop(
    server: AuthServer, netrc_session: requests.Session
) -> None:
    """requests reads netrc again at each redirect, and so it is replaced again."""
    token = server.login()
    mount(netrc_session, server, token)
    response = get(netrc_session, "/redirect", params={"to": "/api/x"})
    assert response.status_code == 200
    assert authorizations(server) == [f"Bearer {token.access}"] * 2


def test_netrc_goes_to_strangers_as_ever(
    server: AuthServer, netrc_session: requests.Session
) -> None:
    """A redirect to another origin gets what plain requests would send there, and no token."""
    with AuthServer() as stranger:
        token = server.login()
        adapter = mount(netrc_session, server, token)
        netrc_session.mount("http://", adapter)
        get(netrc_session, "/redirect", params={"to": f"{stranger.url}/public/x"})
        assert authorizations(server) == [f"Bearer {token.access}"]
        assert authorizations(stranger) == [NETRC_BASIC]


# --- Left alone ----------------------------------------------------------------------------------

OWN = [
    {"auth": ("alice", "pw")},
    {"auth": HTTPBasicAuth("alice", "pw")},
    {"auth": HTTPBasicAuth(b"alice", b"pw")},
    {"auth": _SetsHeader("ApiKey abc")},
    {"auth": _SetsHeader("Negotiate YII")},
    {"auth": _SetsHeader('Digest username="alice"')},
    {"headers": {"Authorization": "Basic YWxpY2U6cHc="}},
    {"headers": {"authorization": "basic YWxpY2U6cHc="}},
    {"headers": {"Authorization": b"Basic YWxpY2U6cHc="}},
    {"headers": {"Authorization": "Token abc"}},
    {"headers": {"Authorization": "abc"}},
    {"headers": {"Authorization": "BearerToken abc"}},
    {"headers": {"Authorization": b"ApiKey \xe4"}},
]


@pytest.mark.parametrize("options", OWN, ids=show)
def test_any_other_scheme_is_the_callers_own(
    server: AuthServer, session: requests.Session, options: dict[str, Any]
) -> None:
    """It arrives as plain requests sends it, and its 401 comes back without a refresh."""
    plain = requests.get(f"{server.url}/api/x", timeout=WAIT, **options)
    mount(session, server, server.login())
    response = get(session, **options)
    sent = authorizations(server)
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert sent[0] is not None
    assert not sent[0].startswith("Bearer ")
    assert (response.status_code, response.content) == (401, plain.content)
    assert response.history == []
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("given_as", ["session.auth", "session.headers", "userinfo"])
def test_it_may_be_given_in_other_ways(
    server: AuthServer, session: requests.Session, given_as: str
) -> None:
    """On the session, or in the URL: it is the caller's own all the same."""
    mount(session, server, server.login())
    url = "/api/x"
    if given_as == "session.auth":
        session.auth = ("alice", "pw")
    elif given_as == "session.headers":
        session.headers["Authorization"] = "Basic YWxpY2U6cHc="
    else:
        session.mount("http://", session.get_adapter(server.url + "/"))
        url = f"{server.url}/api/x".replace("//", "//alice:pw@")
    assert get(session, url).status_code == 401
    assert authorizations(server) == ["Basic YWxpY2U6cHc="]
    assert server.counters.refreshes == 0


def test_a_basic_unlike_netrcs_is_the_callers_own(
    server: AuthServer, netrc_session: requests.Session
) -> None:
    """With an entry in netrc, what auth= says still counts."""
    mount(netrc_session, server, server.login())
    assert get(netrc_session, auth=("alice", "pw")).status_code == 401
    assert authorizations(server) == ["Basic YWxpY2U6cHc="]
    assert server.counters.refreshes == 0


def test_it_stays_the_callers_own_on_a_redirect(
    server: AuthServer, session: requests.Session
) -> None:
    """Neither hop gets the token."""
    mount(session, server, server.login())
    redirect(server, "/api/x")
    assert get(session, "/go", auth=("alice", "pw")).status_code == 401
    assert authorizations(server) == ["Basic YWxpY2U6cHc="] * 2
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("options", [OWN[0], {"auth": anonymous}], ids=show)
def test_nothing_is_refreshed_for_it_before_sending_either(
    server: AuthServer, session: requests.Session, options: dict[str, Any]
) -> None:
    """An expired token is no reason to refresh for a request that does not carry it."""
    good = server.login()
    mount(session, server, Token(good.access, good.refresh, expires_at=1.1e9))
    assert get(session, **options).status_code == 401
    assert server.counters.refreshes == 0
    assert get(session).status_code == 200
    assert server.counters.refreshes == 1


# --- The login call ------------------------------------------------------------------------------


def test_logging_in_through_the_mounted_session(
    server: AuthServer, session: requests.Session
) -> None:
    """The login call may use the same session, with Basic, while an old token is known."""
    adapter = mount(session, server, server.login())
    server.expire()
    server.revoke()
    response = session.post("/auth/login", auth=("alice", "pw"), timeout=WAIT).json()
    adapter.set_token(Token(response["access_token"], response["refresh_token"]))
    assert get(session).json()["user"] == "alice"
    assert server.counters.logins == 1
    assert server.counters.refreshes == 0


def test_a_failed_login_is_not_taken_for_an_expired_token(
    server: AuthServer, session: requests.Session
) -> None:
    """The 401 of a wrong password reaches the caller, and the token that is known is kept."""
    token = server.login()
    adapter = mount(session, server, token)
    response = session.post("/auth/login", auth=("alice", "wrong"), timeout=WAIT)
    assert (response.status_code, response.json()) == (401, {"message": "Bad credentials"})
    assert server.counters.refreshes == 0
    assert adapter.token == token


# --- Digest --------------------------------------------------------------------------------------

NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c093"


class DigestServer(ThreadingHTTPServer):
    """An API that wants Digest (RFC 7616 §3.4, MD5 with qop=auth) and checks it."""

    daemon_threads = False  # server_close() waits for them

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Guarded)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.authorizations: list[str | None] = []


class _Guarded(BaseHTTPRequestHandler):
    server: DigestServer
    protocol_version = "HTTP/1.1"
    timeout = WAIT

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        header = self.headers.get("Authorization")
        self.server.authorizations.append(header)
        self.send_response(200 if is_right(header, self.command) else 401)
        self.send_header("WWW-Authenticate", f'Digest realm="api", qop="auth", nonce="{NONCE}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = _serve  # noqa: N815 - the names http.server looks for


def is_right(header: str | None, method: str) -> bool:
    if header is None or not header.startswith("Digest "):
        return False
    result = parse_dict_header(header.removeprefix("Digest "))
    one, two = md5("alice:api:pw"), md5(f"{method}:{result['uri']}")
    return result["response"] == md5(f"{one}:{NONCE}:{result['nc']}:{result['cnonce']}:auth:{two}")


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def digest_server() -> Iterator[DigestServer]:
    with DigestServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(WAIT)


def mount_on_digest(
    session: requests.Session, digest_server: DigestServer, server: AuthServer
) -> None:
    refresh = JSONEndpoint(f"{server.url}/auth/refresh")
    mount_adapter(session, digest_server.url, refresh, MemoryStore(server.login()))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_digest_works_as_ever(
    server: AuthServer, digest_server: DigestServer, session: requests.Session, method: str
) -> None:
    """Its 401 is the first half of Digest's own round, which the adapter takes no part in."""
    mount_on_digest(session, digest_server, server)
    session.auth = HTTPDigestAuth("alice", "pw")
    for _ in range(2):
        response = session.request(method, "/x", data=b"abc" * 9, timeout=WAIT)
        assert response.status_code == 200
    first, *rest = digest_server.authorizations
    assert first is None
    assert [value is not None and value[:7] for value in rest] == ["Digest ", "Digest "]
    assert server.requests == []


def test_a_wrong_digest_is_not_taken_for_an_expired_token(
    server: AuthServer, digest_server: DigestServer, session: requests.Session
) -> None:
    """The final 401 of a wrong password reaches the caller without a token or a refresh."""
    mount_on_digest(session, digest_server, server)
    response = get(session, "/x", auth=HTTPDigestAuth("alice", "wrong"))
    assert response.status_code == 401
    assert len(digest_server.authorizations) == 2
    assert not any(value and "Bearer" in value for value in digest_server.authorizations)
    assert server.requests == []


# --- anonymous -----------------------------------------------------------------------------------


def test_anonymous_goes_without_a_token(server: AuthServer, session: requests.Session) -> None:
    """This one request carries none, its 401 reaches the caller, and the next carries one again."""
    token = server.login()
    mount(session, server, token)
    response = get(session, auth=anonymous)
    assert (response.status_code, response.json()) == (401, {"message": "No token"})
    assert response.history == []
    assert get(session).status_code == 200
    assert authorizations(server) == [None, f"Bearer {token.access}"]
    assert server.counters.refreshes == 0


def test_anonymous_goes_without_a_token_through_a_redirect(
    server: AuthServer, session: requests.Session
) -> None:
    """And on every hop."""
    mount(session, server, server.login())
    redirect(server, "/api/x")
    assert get(session, "/go", auth=anonymous).status_code == 401
    assert authorizations(server) == [None, None]
    assert server.counters.refreshes == 0


def test_anonymous_keeps_netrc_out(server: AuthServer, netrc_session: requests.Session) -> None:
    """An auth object stands before netrc, so that nothing at all is sent."""
    mount(netrc_session, server, server.login())
    assert get(netrc_session, auth=anonymous).status_code == 401
    assert authorizations(server) == [None]


def test_anonymous_takes_no_token_where_a_redirect_brings_netrc_back(
    server: AuthServer, netrc_session: requests.Session
) -> None:
    """requests reads netrc at a redirect whatever auth= says; no token takes its place."""
    mount(netrc_session, server, server.login())
    redirect(server, "/api/x")
    assert get(netrc_session, "/go", auth=anonymous).status_code == 401
    assert authorizations(server) == [None, NETRC_BASIC]
    assert server.counters.refreshes == 0


def test_anonymous_leaves_a_header_of_the_callers_alone(
    server: AuthServer, session: requests.Session
) -> None:
    """A Bearer of the caller's own, for once: anonymous says that it is not ours to replace."""
    own = server.login("bob")
    mount(session, server, server.login("alice"))
    headers = {"Authorization": f"Bearer {own.access}"}
    assert get(session, auth=anonymous, headers=headers).json()["user"] == "bob"


@pytest.mark.parametrize("copied", ["as it is", "pickled", "prepared and copied"])
def test_a_session_may_be_anonymous(
    server: AuthServer, session: requests.Session, copied: str
) -> None:
    """session.auth = anonymous holds for all its requests, pickled and copied ones too."""
    mount(session, server, server.login())
    session.auth = anonymous
    other = pickle.loads(pickle.dumps(session)) if copied == "pickled" else session
    request = other.prepare_request(requests.Request("GET", "/api/x"))
    if copied == "prepared and copied":
        request = request.copy()
    with other:
        assert other.send(request, timeout=WAIT).status_code == 401
    assert authorizations(server) == [None]
    assert server.counters.refreshes == 0


def test_anonymous_changes_nothing_else(server: AuthServer, session: requests.Session) -> None:
    """The caller's hooks run once, and the response is the one that came."""
    mount(session, server, server.login())
    hooked: list[requests.Response] = []

    def hook(response: requests.Response, **_options: object) -> None:
        hooked.append(response)

    response = get(session, "/public/x", auth=anonymous, hooks={"response": hook})
    assert hooked == [response]
    assert repr(anonymous) == "anonymous"


# --- No token known ------------------------------------------------------------------------------


def test_without_a_token_nothing_is_added(server: AuthServer, session: requests.Session) -> None:
    """The caller gets the API's own 401."""
    mount(session, server, None)
    response = get(session)
    assert (response.status_code, response.json()) == (401, {"message": "No token"})
    assert authorizations(server) == [None]
    assert server.counters.refreshes == 0


def test_without_a_token_the_callers_bearer_stays(
    server: AuthServer, session: requests.Session
) -> None:
    """What we have nothing to replace with is not taken away."""
    own = server.login()
    mount(session, server, None)
    assert get(session, headers={"Authorization": f"Bearer {own.access}"}).status_code == 200
    assert authorizations(server) == [f"Bearer {own.access}"]


def test_without_a_token_netrc_stays(server: AuthServer, netrc_session: requests.Session) -> None:
    """Nor is what came from netrc."""
    mount(netrc_session, server, None)
    assert get(netrc_session).status_code == 401
    assert authorizations(server) == [NETRC_BASIC]
    assert server.counters.refreshes == 0


def test_after_a_logout_the_callers_bearer_is_back(
    server: AuthServer, session: requests.Session
) -> None:
    """Once the token is forgotten, the caller's own header is sent again."""
    own = server.login("bob")
    adapter = mount(session, server, server.login("alice"))
    adapter.clear_token()
    headers = {"Authorization": f"Bearer {own.access}"}
    assert get(session, headers=headers).json()["user"] == "bob"
