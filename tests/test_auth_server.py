"""AuthServer's promises: what every other test against it leans on."""

from __future__ import annotations

import ast
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import pathlib
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from requests_jwt_refresh import testing
from requests_jwt_refresh.testing import (
    HTML,
    AuthServer,
    Counters,
    Delay,
    Drop,
    DropAfter,
    Exchange,
    Hang,
    Huge,
    JSONBody,
    Redirect,
    Status,
    Trickle,
    Truncated,
)
from requests_jwt_refresh.tokens import Token, jwt_claims, jwt_lifetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing import Fault

MALFORMED = [b"Content-Length: some", b"Transfer-Encoding: chunked\r\n\r\nnonsense"]
THREADS = 32
WAIT = 20.0  # seconds; only ever passed by a failing test


@pytest.fixture
def client() -> Iterator[requests.Session]:
    """A plain session that no environment interferes with."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def get(server: AuthServer, access: str | None, path: str = "/api/x") -> requests.Response:
    return requests.get(server.url + path, headers=bearer(access), timeout=WAIT)


def refresh(server: AuthServer, token: Token) -> requests.Response:
    body = {"refresh_token": token.refresh}
    return requests.post(server.url + "/auth/refresh", json=body, timeout=WAIT)


def refreshed(server: AuthServer, token: Token) -> Token:
    answer = refresh(server, token)
    assert answer.status_code == 200
    fields = answer.json()
    return Token(fields["access_token"], fields.get("refresh_token", token.refresh))


def in_threads(work: Callable[[], Any], count: int = THREADS) -> list[Any]:
    """Do the same in many threads that start together; return what they returned."""
    start = threading.Barrier(count)
    usual = sys.getswitchinterval()

    def one(_: int) -> Any:
        start.wait(WAIT)
        return work()

    sys.setswitchinterval(1e-6)  # so that a missing lock shows
    try:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))
    finally:
        sys.setswitchinterval(usual)


def at_once(server: AuthServer, on: Any, work: Callable[[], Any]) -> list[Any]:
    """Do the same in many threads whose requests reach the server's work at the same moment."""
    with ThreadPoolExecutor(1) as pool, server.gate(on) as gate:
        crowd = pool.submit(in_threads, work)
        gate.wait_for(THREADS, WAIT)
        gate.open()
        return crowd.result(WAIT)


def connection_to(server: AuthServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=WAIT)


@contextlib.contextmanager
def raw_connection(server: AuthServer, request: bytes = b"") -> Iterator[socket.socket]:
    """A socket that has sent `request`."""
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port), WAIT) as sock:
        sock.sendall(request)
        yield sock


def raw_refresh(token: Token) -> bytes:
    head = f"POST /auth/refresh HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token.refresh}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode()


def wait_for_faults(server: AuthServer, count: int = 1) -> None:
    """Wait until so many requests have met a fault."""
    deadline = time.monotonic() + WAIT
    while server.counters.faults < count:
        assert time.monotonic() < deadline, "no request met the fault"
        time.sleep(0.001)


class TestAPI:
    def test_a_good_token_is_answered_with_an_echo(self, server: AuthServer) -> None:
        access = server.login("bob").access
        url = server.url + "/api/users?page=2&page=3"
        answer = requests.post(url, data=b"hello", headers=bearer(access), timeout=WAIT)
        assert answer.status_code == 200
        assert answer.json() == {
            "method": "POST",
            "path": "/api/users",
            "query": "page=2&page=3",
            "size": 5,
            "sha256": hashlib.sha256(b"hello").hexdigest(),
            "user": "bob",
        }

    @pytest.mark.parametrize("path", ["/", "/users", "/v1/api", "/auth", "/public"])
    def test_whatever_is_not_something_else_is_the_api(self, server: AuthServer, path: str) -> None:
        assert get(server, "nonsense", path).status_code == 401
        assert get(server, server.login().access, path).json()["path"] == path

    def test_a_bad_token_is_told_so(self, server: AuthServer) -> None:
        """RFC 6750 §3.1: invalid_token."""
        answer = get(server, "nonsense")
        assert answer.status_code == 401
        assert answer.json() == {"message": "Invalid JWT"}
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}])
    def test_no_bearer_token_gets_a_challenge_without_error(
        self, server: AuthServer, client: requests.Session, headers: dict[str, str]
    ) -> None:
        """RFC 6750 §3.1: no error code where no credentials of this kind were given."""
        answer = client.get(server.url + "/api/x", headers=headers, timeout=WAIT)
        assert answer.status_code == 401
        assert answer.json() == {"message": "No token"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    def test_a_refresh_token_is_no_access_token(self, server: AuthServer) -> None:
        assert get(server, server.login().refresh).status_code == 401

    def test_the_scheme_is_case_sensitive(self, server: AuthServer) -> None:
        headers = {"Authorization": f"bearer {server.login().access}"}
        assert requests.get(server.url + "/api", headers=headers, timeout=WAIT).status_code == 401

    def test_the_refusal_can_be_any(self) -> None:
        expired = Status(403, body=b'{"code": "stale"}', headers={"X-Reason": "stale"})
        with AuthServer(expired=expired) as server:
            answer = get(server, "nonsense")
        assert (answer.status_code, answer.json()) == (403, {"code": "stale"})
        assert answer.headers["X-Reason"] == "stale"
        assert "WWW-Authenticate" not in answer.headers
        assert server.counters.unauthorized == 1

    @pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_every_method_is_served(self, server: AuthServer, method: str) -> None:
        headers = bearer(server.login().access)
        answer = requests.request(method, server.url + "/api", headers=headers, timeout=WAIT)
        assert answer.status_code == 200
        if method == "HEAD":
            assert answer.content == b""
            assert int(answer.headers["Content-Length"]) > 0
        else:
            assert answer.json()["method"] == method

    def test_chunked_bodies_are_read(self, server: AuthServer, client: requests.Session) -> None:
        """And the connection is good for the next request."""
        headers = bearer(server.login().access)
        pieces = [b"a" * 70_000, b"b", b"c" * 70_000]
        answer = client.post(server.url + "/api", data=iter(pieces), headers=headers, timeout=WAIT)
        assert answer.json()["size"] == 140_001
        assert answer.json()["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()
        client.get(server.url + "/api", headers=headers, timeout=WAIT)
        assert server.counters.connections == 1

    @pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 503, 599])
    def test_status_answers_that_status(
        self, server: AuthServer, client: requests.Session, status: int
    ) -> None:
        client.headers.update(bearer(server.login().access))
        answer = client.get(f"{server.url}/status/{status}", timeout=WAIT)
        assert answer.status_code == status
        assert (answer.content == b"") == (status in (204, 304))
        assert client.get(f"{server.url}/api", timeout=WAIT).status_code == 200
        assert server.counters.connections == 1

    @pytest.mark.parametrize("path", ["/status/100", "/status/600", "/status/x", "/redirect"])
    def test_nonsense_is_a_400(self, server: AuthServer, path: str) -> None:
        assert get(server, server.login().access, path).status_code == 400

    def test_status_and_redirect_need_a_token(self, server: AuthServer) -> None:
        assert get(server, "nonsense", "/status/418").status_code == 401
        assert get(server, "nonsense", "/redirect?to=/api").status_code == 401

    @pytest.mark.parametrize(("asked", "status"), [("", 302), ("&status=308", 308)])
    def test_redirect_goes_where_it_is_told(
        self, server: AuthServer, asked: str, status: int
    ) -> None:
        path = f"/redirect?to=/api/there%3Fa%3D1{asked}"
        answer = get(server, server.login().access, path)
        assert [each.status_code for each in answer.history] == [status]
        assert (answer.json()["path"], answer.json()["query"]) == ("/api/there", "a=1")

    def test_public_needs_no_token(self, server: AuthServer) -> None:
        answer = requests.get(server.url + "/public/x", timeout=WAIT)
        assert (answer.status_code, answer.json()["user"]) == (200, None)
        assert server.counters == Counters(connections=1, requests=1)

    def test_connections_are_kept(self, server: AuthServer, client: requests.Session) -> None:
        client.get(server.url + "/api", timeout=WAIT)
        client.post(server.url + "/auth/refresh", json={}, timeout=WAIT)
        client.get(server.url + "/public/x", timeout=WAIT)
        assert server.counters.connections == 1
        assert [seen.connection for seen in server.requests] == [1, 1, 1]

    @pytest.mark.parametrize("head", MALFORMED)
    def test_a_malformed_body_is_a_400_and_the_end(self, server: AuthServer, head: bytes) -> None:
        request = b"POST /api HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n"
        with raw_connection(server, request) as sock, sock.makefile("rb") as answer:
            assert answer.readline().split()[1] == b"400"
            answer.read()  # to the end, which comes

    @pytest.mark.parametrize("status", [204, 304])
    def test_no_body_goes_where_none_may(self, server: AuthServer, status: int) -> None:
        """RFC 9110 §6.4.1."""
        server.fail(Status(status, body=b"surplus"), on="api")
        request = b"GET /api HTTP/1.0\r\n\r\n"
        with raw_connection(server, request) as sock, sock.makefile("rb") as answer:
            assert answer.read().endswith(b"\r\n\r\n")


class TestUnreadUploads:
    """A server that answers before it reads, and hangs up although it promised not to."""

    def upload(self, connection: http.client.HTTPConnection, access: str | None) -> int:
        connection.request("POST", "/api", body=b"x" * 3_000_000, headers=bearer(access))
        answer = connection.getresponse()
        answer.read()
        assert answer.headers.get("Connection") is None  # RFC 9112 §9.3: it will persist
        return answer.status

    def test_the_connection_dies_under_the_next_request(self) -> None:
        with (
            AuthServer(read_body_first=False) as server,
            contextlib.closing(connection_to(server)) as connection,
        ):
            assert self.upload(connection, "nonsense") == 401
            connection.request("GET", "/public/x")
            with pytest.raises(ConnectionError):
                connection.getresponse()
            (seen,) = server.requests
        assert (seen.size, seen.sha256, seen.body) == (None, None, b"")

    def test_a_good_token_has_its_upload_read(self) -> None:
        with (
            AuthServer(read_body_first=False) as server,
            contextlib.closing(connection_to(server)) as connection,
        ):
            access = server.login().access
            assert [self.upload(connection, access) for _ in range(2)] == [200, 200]
            assert [seen.size for seen in server.requests] == [3_000_000, 3_000_000]
            assert server.counters.connections == 1

    @pytest.mark.parametrize("head", MALFORMED)
    def test_a_malformed_body_is_the_end(
        self, head: bytes, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """After the answer, and without a word on stderr."""
        request = b"POST /api HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n"
        with (
            AuthServer(read_body_first=False) as server,
            raw_connection(server, request) as sock,
            sock.makefile("rb") as answer,
        ):
            assert answer.readline().split()[1] == b"401"
            answer.read()  # to the end, which comes
        assert capfd.readouterr() == ("", "")

    def test_by_default_the_body_is_read_and_the_connection_kept(self, server: AuthServer) -> None:
        with contextlib.closing(connection_to(server)) as connection:
            assert [self.upload(connection, "nonsense") for _ in range(2)] == [401, 401]
        assert [seen.size for seen in server.requests] == [3_000_000, 3_000_000]
        assert server.counters.connections == 1


class TestAccessTokens:
    def test_they_are_signed_jwts(self, server: AuthServer) -> None:
        """RFC 7515 §3.1, and HS256 is HMAC with SHA-256 (RFC 7518 §3.2)."""
        access = server.login("bob").access or ""
        signed, _, signature = access.rpartition(".")
        digest = hmac.digest(server.signing_key, signed.encode(), "sha256")
        assert signature == base64.urlsafe_b64encode(digest).decode().rstrip("=")
        claims = jwt_claims(access)
        assert claims["sub"] == "bob"
        assert {"iat", "exp", "jti", "family"} < set(claims)

    @pytest.mark.parametrize("lifetime", [300.0, 300, 2.0, 0.5])
    def test_exp_is_iat_and_the_lifetime(self, lifetime: float) -> None:
        access = AuthServer(lifetime=lifetime).login().access or ""
        assert jwt_lifetime(access) == pytest.approx(lifetime, abs=1e-3)
        if lifetime != 0.5:
            assert [type(jwt_claims(access)[name]) for name in ("iat", "exp")] == [int, int]

    def test_they_are_all_different(self, server: AuthServer) -> None:
        tokens = [server.login() for _ in range(20)]
        assert len({each.access for each in tokens} | {each.refresh for each in tokens}) == 40

    def test_opaque_ones_say_nothing_but_are_good(self) -> None:
        with AuthServer(opaque=True) as server:
            access = server.login().access or ""
            assert jwt_claims(access) == {}
            assert get(server, access).status_code == 200

    def test_expire_ends_those_given_so_far(self, server: AuthServer) -> None:
        token, other = server.login(), server.login()
        server.expire()
        assert get(server, token.access).status_code == 401
        assert get(server, other.access).status_code == 401
        assert get(server, refreshed(server, token).access).status_code == 200

    def test_they_end_with_their_lifetime(self, server: AuthServer) -> None:
        """Options may change between requests; a lifetime of 0 is over at once."""
        server.lifetime = 0
        assert get(server, server.login().access).status_code == 401
        server.lifetime = 300
        assert get(server, server.login().access).status_code == 200

    def test_the_server_judges_by_its_own_clock(self) -> None:
        """However wrong the clock that writes iat and exp."""
        with AuthServer(clock_skew=-86_400) as server:
            access = server.login().access or ""
            assert jwt_claims(access)["exp"] < time.time() - 80_000
            assert get(server, access).status_code == 200

    @pytest.mark.parametrize(("revoke_old_access", "status"), [(False, 200), (True, 401)])
    def test_an_old_one_may_die_when_a_newer_one_is_given(
        self, *, revoke_old_access: bool, status: int
    ) -> None:
        with AuthServer(revoke_old_access=revoke_old_access) as server:
            old = server.login()
            new = refreshed(server, old)
            assert get(server, old.access).status_code == status
            assert get(server, new.access).status_code == 200

    def test_login_gives_strings_alone(self, server: AuthServer) -> None:
        assert server.login().expires_at is None
        assert server.counters == Counters()


class TestRefresh:
    def test_it_gives_new_tokens(self, server: AuthServer) -> None:
        old = server.login()
        answer = refresh(server, old)
        assert answer.status_code == 200
        fields = answer.json()
        assert set(fields) == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert (fields["token_type"], fields["expires_in"]) == ("Bearer", 300)
        assert fields["access_token"] != old.access
        assert fields["refresh_token"] != old.refresh
        assert server.counters == Counters(connections=1, requests=1, refreshes=1, rotated=1)

    @pytest.mark.parametrize(
        "how",
        [
            lambda text: {"json": {"refresh_token": text}},
            lambda text: {"data": {"grant_type": "refresh_token", "refresh_token": text}},
            lambda text: {"data": {"refresh_token": text}},
            lambda text: {"headers": bearer(text)},
        ],
        ids=["json", "form", "form without grant_type", "bearer"],
    )
    def test_it_takes_the_token_in_several_ways(
        self, server: AuthServer, how: Callable[[str | None], dict[str, Any]]
    ) -> None:
        url, text = server.url + "/auth/refresh", server.login().refresh
        assert requests.post(url, **how(text), timeout=WAIT).status_code == 200

    @pytest.mark.parametrize(
        ("sent", "error"),
        [
            ({"json": {"refresh_token": "nonsense"}}, "invalid_grant"),
            ({"headers": {"Authorization": "Bearer nonsense"}}, "invalid_grant"),
            ({"json": {}}, "invalid_request"),
            ({"json": [1]}, "invalid_request"),
            ({"json": {"refresh_token": 1}}, "invalid_request"),
            ({"data": b"\xff"}, "invalid_request"),
            ({"data": {"grant_type": "refresh_token"}}, "invalid_request"),
            ({"data": {"grant_type": "password", "refresh_token": "x"}}, "unsupported_grant_type"),
        ],
    )
    def test_it_says_no_as_oauth_does(
        self, server: AuthServer, sent: dict[str, Any], error: str
    ) -> None:
        """RFC 6749 §5.2."""
        answer = requests.post(server.url + "/auth/refresh", **sent, timeout=WAIT)
        assert (answer.status_code, answer.json()) == (400, {"error": error})
        assert (server.counters.refreshes, server.counters.refused) == (1, 1)

    def test_only_a_post_is_one(self, server: AuthServer) -> None:
        answer = requests.get(server.url + "/auth/refresh", timeout=WAIT)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert server.counters.refreshes == 0

    def test_without_rotation_the_refresh_token_stays_good(self) -> None:
        with AuthServer(rotate=False) as server:
            token = server.login()
            answers = [refresh(server, token) for _ in range(3)]
            assert ["refresh_token" in each.json() for each in answers] == [False] * 3
            assert (server.counters.rotated, server.counters.reuse) == (3, 0)

    def test_revoke_refuses_those_given_so_far(self, server: AuthServer) -> None:
        """The access token lives until it expires."""
        token = server.login()
        server.revoke()
        assert refresh(server, token).json() == {"error": "invalid_grant"}
        assert get(server, token.access).status_code == 200
        assert not server.family_alive(token)
        assert refresh(server, server.login()).status_code == 200
        assert (server.counters.refused, server.counters.families_revoked) == (1, 1)

    def test_another_servers_dialect_can_be_played(self) -> None:
        """POST {"refreshToken"}, 201 {"accessToken"}, and nothing else said."""
        dialect: dict[str, Any] = {
            "refresh_path": "/token",
            "request_field": "refreshToken",
            "access_field": "accessToken",
            "refresh_field": "refreshToken",
            "expires_field": None,
            "status": 201,
        }
        with AuthServer(**dialect) as server:
            body = {"refreshToken": server.login().refresh}
            answer = requests.post(server.url + "/token", json=body, timeout=WAIT)
            assert answer.status_code == 201
            assert set(answer.json()) == {"accessToken", "refreshToken", "token_type"}

    def test_the_answer_can_be_the_token_alone(self) -> None:
        with AuthServer(bare=True, rotate=False) as server:
            access = refresh(server, server.login()).json()
            assert get(server, access).status_code == 200


class TestReuse:
    def test_it_revokes_the_whole_family(self, server: AuthServer) -> None:
        """RFC 6749 §10.4: the newest tokens too, the access token included."""
        old, other = server.login(), server.login()
        new = refreshed(server, old)
        assert refresh(server, old).json() == {"error": "invalid_grant"}
        assert refresh(server, new).json() == {"error": "invalid_grant"}
        assert get(server, new.access).status_code == 401
        assert not server.family_alive(old)
        assert server.family_alive(other)
        counted = server.counters
        assert (counted.rotated, counted.reuse, counted.refused) == (1, 1, 2)
        assert counted.families_revoked == 1

    def test_undetected_it_is_only_refused(self) -> None:
        with AuthServer(detect_reuse=False) as server:
            old = server.login()
            new = refreshed(server, old)
            assert refresh(server, old).status_code == 400
            assert server.family_alive(old)
            assert refresh(server, new).status_code == 200
            counted = server.counters
            assert (counted.rotated, counted.reuse, counted.refused) == (2, 1, 1)

    def test_within_grace_it_gets_the_newest_tokens_again(self) -> None:
        with AuthServer(grace=3600) as server:
            old = server.login()
            newest = refreshed(server, refreshed(server, old))
            assert refreshed(server, old) == newest
            assert get(server, newest.access).status_code == 200
            counted = server.counters
            assert (counted.rotated, counted.repeated, counted.reuse) == (2, 1, 0)

    def test_within_grace_an_expired_access_token_is_replaced(self) -> None:
        with AuthServer(grace=3600) as server:
            old = server.login()
            newest = refreshed(server, old)
            server.expire()
            again = refreshed(server, old)
            assert again.refresh == newest.refresh
            assert get(server, again.access).status_code == 200

    def test_grace_ends(self) -> None:
        with AuthServer(grace=3600) as server:
            old = server.login()
            refreshed(server, old)
            server.grace = 0
            assert refresh(server, old).status_code == 400
            assert not server.family_alive(old)

    def test_two_never_win(self) -> None:
        """Even if there is all the time in the world between the check and the exchange."""

        class SlowYes:
            def __bool__(self) -> bool:
                time.sleep(0.02)
                return True

        slowly: Any = SlowYes()
        with AuthServer(rotate=slowly) as server:
            token = server.login()
            statuses = in_threads(lambda: refresh(server, token).status_code, 8)
        assert sorted(statuses) == [200] + [400] * 7
        assert (server.counters.rotated, server.counters.reuse) == (1, 7)

    def test_of_many_at_once_one_wins_and_all_lose(self, server: AuthServer) -> None:
        """Which is what a client without single flight meets."""
        token = server.login()
        statuses = at_once(server, "refresh", lambda: refresh(server, token).status_code)
        assert sorted(statuses) == [200] + [400] * (THREADS - 1)
        assert server.counters == Counters(
            connections=THREADS,
            requests=THREADS,
            refreshes=THREADS,
            rotated=1,
            refused=THREADS - 1,
            reuse=THREADS - 1,
            families_revoked=1,
        )

    def test_a_token_never_given_has_no_family(self, server: AuthServer) -> None:
        for unknown in (Token("a", "nonsense"), Token("a")):
            with pytest.raises(ValueError, match="never gave") as raised:
                server.family_alive(unknown)
            assert "nonsense" not in str(raised.value)


class TestLogin:
    def login(self, server: AuthServer, **sent: Any) -> requests.Response:
        return requests.post(server.url + "/auth/login", **sent, timeout=WAIT)

    @pytest.mark.parametrize(
        "sent", [{"json": {"username": "bob", "password": "p:q"}}, {"auth": ("bob", "p:q")}]
    )
    def test_it_gives_tokens(self, server: AuthServer, sent: dict[str, Any]) -> None:
        fields = self.login(server, **sent).json()
        assert get(server, fields["access_token"]).json()["user"] == "bob"
        assert refresh(server, Token(None, fields["refresh_token"])).status_code == 200
        assert server.counters.logins == 1

    @pytest.mark.parametrize(
        "sent",
        [
            {"json": {"username": "bob", "password": "wrong"}},
            {"json": {"username": "bob"}},
            {"json": {"username": "", "password": "p"}},
            {"json": [1]},
            {"auth": ("bob", "wrong")},
            {"headers": {"Authorization": "Basic ?"}},
            {},
        ],
    )
    def test_bad_credentials_are_refused(self, server: AuthServer, sent: dict[str, Any]) -> None:
        answer = self.login(server, **sent)
        assert (answer.status_code, answer.json()) == (401, {"message": "Bad credentials"})
        assert server.counters.logins == 0

    def test_logout_revokes_the_family(self, server: AuthServer) -> None:
        token = server.login()
        for _ in range(2):
            answer = requests.post(
                server.url + "/auth/logout", json={"refresh_token": token.refresh}, timeout=WAIT
            )
            assert (answer.status_code, answer.content) == (204, b"")
        assert not server.family_alive(token)
        assert get(server, token.access).status_code == 401
        assert refresh(server, token).status_code == 400
        counted = server.counters
        assert (counted.logouts, counted.families_revoked, counted.reuse) == (2, 1, 0)


class TestWhatItSaw:
    def test_requests_are_kept_in_order(self, server: AuthServer) -> None:
        token = server.login()
        get(server, token.access, "/api?a=1")
        refresh(server, token)
        api, asked = server.requests
        assert (api.method, api.path, api.kind) == ("GET", "/api?a=1", "api")
        assert (api.size, api.sha256) == (0, hashlib.sha256(b"").hexdigest())
        assert api.bearer == api.headers["AUTHORIZATION"].removeprefix("Bearer ") == token.access
        assert (asked.method, asked.path, asked.kind) == ("POST", "/auth/refresh", "refresh")
        assert json.loads(asked.body) == {"refresh_token": token.refresh}
        assert asked.bearer is None

    def test_a_big_body_is_kept_in_part(self, server: AuthServer) -> None:
        body = bytes(range(256)) * 1000
        requests.post(server.url + "/public/x", data=body, timeout=WAIT)
        (seen,) = server.requests
        assert (seen.size, seen.body) == (256_000, body[:65_536])
        assert seen.sha256 == hashlib.sha256(body).hexdigest()

    def test_a_header_given_twice_is_joined(self, server: AuthServer) -> None:
        with contextlib.closing(connection_to(server)) as connection:
            connection.putrequest("GET", "/public/x")
            connection.putheader("X-Way", "a")
            connection.putheader("x-way", "b")
            connection.endheaders()
            connection.getresponse().read()
        assert server.requests[0].headers["X-Way"] == "a, b"

    def test_the_list_is_a_copy(self, server: AuthServer) -> None:
        server.requests.append(None)  # type: ignore[arg-type]  # never seen again
        assert server.requests == []

    def test_reprs_hold_no_secret(self, server: AuthServer) -> None:
        token = server.login()
        get(server, token.access)
        new = refreshed(server, token)
        faults = [JSONBody({"access_token": new.access}), Status(200, body=str(new).encode())]
        shown = repr([server, server.requests, server.counters, *faults])
        assert "authorization" in shown
        for secret in (token.access, token.refresh, new.access, new.refresh):
            assert secret is not None
            assert secret not in shown
        assert "***" not in shown

    def test_counters_are_exact_under_threads(self, server: AuthServer) -> None:
        """10 requests of each of 32 threads, three kinds of outcome."""
        token = server.login()

        def work() -> list[int]:
            with requests.Session() as session:
                session.trust_env = False
                url = server.url + "/api"
                good = [session.get(url, headers=bearer(token.access)) for _ in range(5)]
                bad = [session.get(url, headers=bearer("nonsense")) for _ in range(4)]
                no = session.post(server.url + "/auth/refresh", json={"refresh_token": "nonsense"})
                return [each.status_code for each in (*good, *bad, no)]

        assert in_threads(work) == [[200] * 5 + [401] * 4 + [400]] * THREADS
        assert server.counters == Counters(
            connections=THREADS,
            requests=10 * THREADS,
            refreshes=THREADS,
            refused=THREADS,
            answered=5 * THREADS,
            unauthorized=4 * THREADS,
        )


class TestFaults:
    def test_a_status_with_what_belongs_to_it(self, server: AuthServer) -> None:
        server.fail(Status(503, retry_after=7, body=b"{}", headers={"X-Why": "tired"}))
        answer = refresh(server, server.login())
        assert (answer.status_code, answer.content) == (503, b"{}")
        assert (answer.headers["Retry-After"], answer.headers["X-Why"]) == ("7", "tired")

    @pytest.mark.parametrize(
        ("fault", "status", "body"),
        [
            (Status(500), 500, b""),
            (JSONBody([1, 2]), 200, b"[1, 2]"),
            (JSONBody({"error": "invalid_client"}, 401), 401, b'{"error": "invalid_client"}'),
            (Truncated(), 200, b'{"access_token": "eyJhbGciOi'),
        ],
    )
    def test_a_bad_answer_does_no_work(
        self, server: AuthServer, fault: Fault, status: int, body: bytes
    ) -> None:
        """The token is still good afterwards, and so is the connection."""
        token = server.login()
        server.fail(fault)
        answer = refresh(server, token)
        assert (answer.status_code, answer.content) == (status, body)
        assert refresh(server, token).status_code == 200
        assert server.counters == Counters(
            connections=2, requests=2, refreshes=2, rotated=1, faults=1
        )

    def test_html(self, server: AuthServer) -> None:
        server.fail(HTML())
        answer = refresh(server, server.login())
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.text.startswith("<!doctype html>")

    def test_huge_is_wellformed(self, server: AuthServer) -> None:
        server.fail(Huge(2_000_000))
        answer = refresh(server, server.login())
        assert len(answer.content) == 2_000_000
        assert set(answer.json()) == {"access_token"}

    def test_redirect(self, server: AuthServer) -> None:
        server.fail(Redirect(server.url + "/public/there"))
        answer = refresh(server, server.login())
        assert [each.status_code for each in answer.history] == [307]
        assert answer.json()["path"] == "/public/there"

    def test_truncated_short_breaks_its_content_length(self, server: AuthServer) -> None:
        server.fail(Truncated(short=True))
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            refresh(server, server.login())

    def test_drop_does_no_work(self, server: AuthServer) -> None:
        token = server.login()
        server.fail(Drop())
        with pytest.raises(requests.ConnectionError):
            refresh(server, token)
        assert server.counters.rotated == 0
        assert refresh(server, token).status_code == 200

    def test_drop_after_loses_the_answer(self, server: AuthServer) -> None:
        token = server.login()
        server.fail(DropAfter())
        with pytest.raises(requests.ConnectionError):
            refresh(server, token)
        assert (server.counters.rotated, server.counters.faults) == (1, 1)
        assert refresh(server, token).status_code == 400
        assert server.counters.reuse == 1

    def test_delay_ends_with_the_right_answer(self, server: AuthServer) -> None:
        server.fail(Delay(0.05))
        assert refresh(server, server.login()).status_code == 200
        assert (server.counters.rotated, server.counters.faults) == (1, 1)

    def test_delay_does_nothing_for_a_client_that_left(self, server: AuthServer) -> None:
        """So a client that gave up finds its token as it was."""
        server.fail(Delay(3600))
        with raw_connection(server, raw_refresh(server.login())) as sock:
            wait_for_faults(server)
            sock.shutdown(socket.SHUT_WR)
            server.heal()
            assert sock.recv(1) == b""
        assert server.counters.rotated == 0

    def test_hang_drops_when_healed(self, server: AuthServer) -> None:
        server.fail(Hang(), times=None)
        with ThreadPoolExecutor(1) as pool:
            hanging = pool.submit(refresh, server, server.login())
            wait_for_faults(server)
            assert not hanging.done()
            server.heal()
            with pytest.raises(requests.ConnectionError):
                hanging.result(WAIT)
        assert server.counters.rotated == 0

    @pytest.mark.parametrize("part", ["header", "body"])
    def test_trickle_gives_all_of_it_in_the_end(self, server: AuthServer, part: Any) -> None:
        server.fail(Trickle(0.0001, part))
        assert refresh(server, server.login()).status_code == 200

    def test_trickle_sends_the_header_at_once(self, server: AuthServer) -> None:
        server.fail(Trickle(3600))
        with raw_connection(server, raw_refresh(server.login())) as sock:
            assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
            assert_silent(sock)

    def test_trickle_may_start_with_the_header(self, server: AuthServer) -> None:
        server.fail(Trickle(3600, "header"))
        with raw_connection(server, raw_refresh(server.login())) as sock:
            wait_for_faults(server)
            assert_silent(sock)

    def test_healing_pours_out_the_rest(self, server: AuthServer) -> None:
        server.fail(Trickle(3600))
        with ThreadPoolExecutor(1) as pool:
            trickling = pool.submit(refresh, server, server.login())
            wait_for_faults(server)
            server.heal()
            assert trickling.result(WAIT).status_code == 200

    def test_one_after_the_other(self, server: AuthServer) -> None:
        server.fail(Status(503), times=2)
        server.fail(Status(502))
        token = server.login()
        statuses = [refresh(server, token).status_code for _ in range(4)]
        assert statuses == [503, 503, 502, 200]
        assert (server.counters.refreshes, server.counters.faults) == (4, 3)

    def test_until_healed(self, server: AuthServer) -> None:
        server.fail(Status(503), times=None)
        token = server.login()
        assert [refresh(server, token).status_code for _ in range(5)] == [503] * 5
        server.heal()
        assert refresh(server, token).status_code == 200

    def test_times_are_exact_under_threads(self, server: AuthServer) -> None:
        def is_api(path: str) -> bool:
            time.sleep(0.002)  # time enough for the others, if there were no lock
            return path == "/api/x"

        server.fail(Status(503), on=is_api, times=5)
        access = server.login().access
        statuses = at_once(server, "api", lambda: get(server, access).status_code)
        assert sorted(statuses) == [200] * (THREADS - 5) + [503] * 5

    def test_they_are_for_their_place_alone(self, server: AuthServer) -> None:
        token = server.login()
        server.fail(Status(500), on="api")
        server.fail(Status(501), on=lambda path: path == "/public/b")
        assert refresh(server, token).status_code == 200
        assert get(server, token.access, "/public/a").status_code == 200
        assert get(server, token.access, "/public/b?c").status_code == 501
        assert get(server, token.access).status_code == 500

    def test_anything_with_play_is_one(self, server: AuthServer) -> None:
        class Twice:
            def play(self, exchange: Exchange) -> None:
                exchange.work()
                exchange.send(exchange.work())

        server.fail(Twice())
        assert refresh(server, server.login()).status_code == 400
        assert (server.counters.rotated, server.counters.reuse) == (1, 1)

    def test_a_wrong_place_or_number_is_refused(self, server: AuthServer) -> None:
        with pytest.raises(ValueError, match="give one of refresh, login"):
            server.fail(Drop(), on="refrehs")  # type: ignore[arg-type]  # the point
        with pytest.raises(ValueError, match="give one of refresh, login"):
            server.gate(on="refrehs")  # type: ignore[arg-type]  # the point
        with pytest.raises(ValueError, match="positive number"):
            server.fail(Drop(), times=0)


def read_until(sock: socket.socket, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        read += sock.recv(1) or pytest.fail("the connection ended")
    return read


def assert_silent(sock: socket.socket) -> None:
    """Nothing comes, for as long as one has patience."""
    sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        sock.recv(1)


class TestGates:
    def test_requests_wait_counted_but_unserved(self, server: AuthServer) -> None:
        token = server.login()
        with ThreadPoolExecutor(1) as pool, server.gate() as gate:
            waiting = pool.submit(refresh, server, token)
            gate.wait_for(1, WAIT)
            assert (server.counters.refreshes, server.counters.rotated) == (1, 0)
            assert not waiting.done()
            assert get(server, token.access).status_code == 200  # no gate for these
            gate.open()
            assert waiting.result(WAIT).status_code == 200
        assert server.counters.rotated == 1

    def test_a_whole_crowd_is_held_and_let_go(self, server: AuthServer) -> None:
        """What was good when they came is expired when they are judged."""
        access = server.login().access
        with ThreadPoolExecutor(THREADS) as pool:
            with server.gate(on="api") as gate:
                crowd = [pool.submit(get, server, access) for _ in range(THREADS)]
                gate.wait_for(THREADS, WAIT)
                server.expire()
            assert [each.result(WAIT).status_code for each in crowd] == [401] * THREADS
        assert server.counters.unauthorized == THREADS

    def test_an_open_gate_holds_nobody(self, server: AuthServer) -> None:
        with server.gate(on="api") as gate:
            gate.open()
            assert get(server, server.login().access).status_code == 200
            gate.wait_for(1, WAIT)

    def test_a_removed_gate_is_passed_by(self, server: AuthServer) -> None:
        with server.gate(on="api") as gate:
            pass
        assert get(server, server.login().access).status_code == 200
        with pytest.raises(TimeoutError):
            gate.wait_for(1, timeout=0)

    def test_waiting_in_vain_says_who_came(self, server: AuthServer) -> None:
        with server.gate() as gate, pytest.raises(TimeoutError, match="0 of 3 requests"):
            gate.wait_for(3, timeout=0)

    def test_a_fault_is_met_behind_the_gate(self, server: AuthServer) -> None:
        with ThreadPoolExecutor(1) as pool:
            with server.gate() as gate:
                waiting = pool.submit(refresh, server, server.login())
                gate.wait_for(1, WAIT)
                server.fail(Status(503))
            assert waiting.result(WAIT).status_code == 503


class TestStartAndStop:
    @pytest.mark.parametrize(
        "stuck", [Hang(), Delay(3600), Trickle(3600), Trickle(3600, "header"), None]
    )
    def test_stop_ends_whatever_is_stuck(self, stuck: Fault | None) -> None:
        """A fault, or (None) a gate: the client sees its connection end, no thread is left."""
        before = set(threading.enumerate())
        with ThreadPoolExecutor(1) as pool:
            with AuthServer() as server:
                gate = server.gate()
                waiting = pool.submit(refresh, server, server.login())
                gate.wait_for(1, WAIT)
                if stuck is not None:
                    server.fail(stuck)
                    gate.open()
                    wait_for_faults(server)
            with pytest.raises(requests.RequestException):
                waiting.result(WAIT)
        assert set(threading.enumerate()) == before
        assert server.counters.rotated == (1 if isinstance(stuck, Trickle) else 0)

    def test_stop_does_not_wait_for_a_client_that_reads_nothing(self) -> None:
        before = set(threading.enumerate())
        with AuthServer() as server:
            server.fail(Huge(50_000_000), on="public")
            with raw_connection(server, b"GET /public/x HTTP/1.1\r\nHost: h\r\n\r\n"):
                wait_for_faults(server)
                server.stop()
        assert set(threading.enumerate()) == before

    def test_stop_ends_idle_connections(self, server: AuthServer, client: requests.Session) -> None:
        client.get(server.url + "/public/x", timeout=WAIT)
        server.stop()
        with pytest.raises(requests.ConnectionError):
            client.get(server.url + "/public/x", timeout=WAIT)

    def test_it_comes_back_as_it_was(self, server: AuthServer) -> None:
        """On the same port, with its tokens and counters, and without its faults."""
        token, url = server.login(), server.url
        server.fail(Drop(), times=None)
        server.stop()
        server.start()
        assert server.url == url
        assert refresh(server, token).status_code == 200
        assert get(server, token.access).status_code == 200
        assert server.counters.requests == 2

    def test_starting_and_stopping_twice_is_fine(self) -> None:
        server = AuthServer()
        with pytest.raises(RuntimeError, match="never started"):
            _ = server.url
        server.stop()
        server.start()
        server.start()
        assert requests.get(server.url + "/public/x", timeout=WAIT).status_code == 200
        server.stop()
        server.close()

    def test_clients_that_leave_are_no_news(
        self, server: AuthServer, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Nor is anything else: not a word on stdout or stderr."""
        for sent in (b"", b"GET", b"POST /api HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort"):
            with raw_connection(server, sent):
                pass
        request = b"GET /public/x HTTP/1.1\r\nHost: h\r\n\r\n"
        with server.gate(on="public") as gate, raw_connection(server, request):
            gate.wait_for(1, WAIT)
        get(server, "nonsense")
        server.stop()
        assert capfd.readouterr() == ("", "")

    def test_it_needs_the_standard_library_only(self) -> None:
        """And this package's Token: users need no pytest, the demo no requests."""
        folder = pathlib.Path(testing.__file__).parent
        files = set(folder.glob("*.py")) - {folder / "contract.py"}
        nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))]
        modules = {each.module for each in nodes if isinstance(each, ast.ImportFrom)}
        for each in nodes:
            modules |= (
                {alias.name for alias in each.names} if isinstance(each, ast.Import) else set()
            )
        foreign = {
            name
            for name in modules
            if name
            and name.split(".")[0] not in sys.stdlib_module_names
            and not name.startswith("requests_jwt_refresh.testing.")
        }
        assert foreign == {
            "requests_jwt_refresh",  # its clock
            "requests_jwt_refresh.tokens",
            "typing_extensions",  # for typing alone
        }
