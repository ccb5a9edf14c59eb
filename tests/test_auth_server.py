"""AuthServer's promises: what it answers, what it records, how it starts and stops."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import pathlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh import testing
from requests_jwt_refresh.testing import (
    AuthServer,
    Counters,
    Delay,
    Drop,
    Hang,
    Huge,
    JSONBody,
    Status,
    Trickle,
)
from tests.support.documents import ROOT
from tests.support.plain_requests import (
    THREADS,
    exchange_token,
    get,
    make_bearer_header,
    open_http_connection,
    open_socket,
    refresh,
    run_in_threads,
    wait_for_faults,
)
from tests.support.waits import WAIT

if TYPE_CHECKING:
    import http.client

    from requests_jwt_refresh.testing import Fault


MALFORMED = [b"Content-Length: some", b"Transfer-Encoding: chunked\r\n\r\nnonsense"]


class TestAPI:
    def test_a_good_token_is_answered_with_an_echo(self, server: AuthServer) -> None:
        """The echo says what arrived, and for which user."""
        access = server.login("bob").access
        url = server.url + "/api/users?page=2&page=3"
        response = requests.post(
            url, data=b"hello", headers=make_bearer_header(access), timeout=WAIT
        )
        assert response.status_code == 200
        assert response.json() == {
            "method": "POST",
            "path": "/api/users",
            "query": "page=2&page=3",
            "size": 5,
            "sha256": hashlib.sha256(b"hello").hexdigest(),
            "user": "bob",
        }

    @pytest.mark.parametrize("path", ["/", "/users", "/v1/api", "/auth", "/public"])
    def test_whatever_is_not_something_else_is_the_api(self, server: AuthServer, path: str) -> None:
        """A path without a meaning of its own needs a token and echoes."""
        assert get(server, "nonsense", path).status_code == 401
        assert get(server, server.login().access, path).json()["path"] == path

    def test_a_bad_token_is_an_invalid_token(self, server: AuthServer) -> None:
        """RFC 6750 §3.1: invalid_token."""
        response = get(server, "nonsense")
        assert response.status_code == 401
        assert response.json() == {"message": "Invalid JWT"}
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YTpi"}])
    def test_no_bearer_token_gets_a_challenge_without_error(
        self, server: AuthServer, session: requests.Session, headers: dict[str, str]
    ) -> None:
        """RFC 6750 §3.1: no error code where no credentials of this kind were given."""
        response = session.get(server.url + "/api/x", headers=headers, timeout=WAIT)
        assert response.status_code == 401
        assert response.json() == {"message": "No token"}
        assert response.headers["WWW-Authenticate"] == "Bearer"

    def test_a_refresh_token_is_no_access_token(self, server: AuthServer) -> None:
        """Each token is good for its own purpose only."""
        assert get(server, server.login().refresh).status_code == 401

    def test_the_scheme_is_case_sensitive(self, server: AuthServer) -> None:
        """Stricter than RFC 9110 §11.1, to catch what a strict server would refuse."""
        headers = {"Authorization": f"bearer {server.login().access}"}
        assert requests.get(server.url + "/api", headers=headers, timeout=WAIT).status_code == 401

    def test_the_refusal_can_be_any(self) -> None:
        """Status, body and headers of `expired` are sent as they are."""
        expired = Status(403, body=b'{"code": "stale"}', headers={"X-Reason": "stale"})
        with AuthServer(expired=expired) as server:
            response = get(server, "nonsense")
        assert (response.status_code, response.json()) == (403, {"code": "stale"})
        assert response.headers["X-Reason"] == "stale"
        assert "WWW-Authenticate" not in response.headers
        assert server.counters.unauthorized == 1

    @pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_every_method_is_served(self, server: AuthServer, method: str) -> None:
        """HEAD without a body, the others with the echo."""
        headers = make_bearer_header(server.login().access)
        response = requests.request(method, server.url + "/api", headers=headers, timeout=WAIT)
        assert response.status_code == 200
        if method == "HEAD":
            assert response.content == b""
            assert int(response.headers["Content-Length"]) > 0
        else:
            assert response.json()["method"] == method

    def test_chunked_bodies_are_read(self, server: AuthServer, session: requests.Session) -> None:
        """RFC 9112 §7.1; the connection is good for the next request."""
        headers = make_bearer_header(server.login().access)
        pieces = [b"a" * 70_000, b"b", b"c" * 70_000]
        response = session.post(
            server.url + "/api", data=iter(pieces), headers=headers, timeout=WAIT
        )
        assert response.json()["size"] == 140_001
        assert response.json()["sha256"] == hashlib.sha256(b"".join(pieces)).hexdigest()
        session.get(server.url + "/api", headers=headers, timeout=WAIT)
        assert server.counters.connections == 1

    @pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 503, 599])
    def test_status_answers_that_status(
        self, server: AuthServer, session: requests.Session, status: int
    ) -> None:
        """/status/NNN, and the connection is good for the next request."""
        session.headers.update(make_bearer_header(server.login().access))
        response = session.get(f"{server.url}/status/{status}", timeout=WAIT)
        assert response.status_code == status
        assert (response.content == b"") == (status in (204, 304))
        assert session.get(f"{server.url}/api", timeout=WAIT).status_code == 200
        assert server.counters.connections == 1

    @pytest.mark.parametrize("path", ["/status/100", "/status/600", "/status/x", "/redirect"])
    def test_nonsense_is_a_400(self, server: AuthServer, path: str) -> None:
        """A status that is not final, or a redirect to nowhere."""
        assert get(server, server.login().access, path).status_code == 400

    def test_status_and_redirect_need_a_token(self, server: AuthServer) -> None:
        """They are parts of the API."""
        assert get(server, "nonsense", "/status/418").status_code == 401
        assert get(server, "nonsense", "/redirect?to=/api").status_code == 401

    @pytest.mark.parametrize(("asked", "status"), [("", 302), ("&status=308", 308)])
    def test_redirect_goes_to_the_given_url(
        self, server: AuthServer, asked: str, status: int
    ) -> None:
        """/redirect?to=URL, with 302 or the status asked for."""
        path = f"/redirect?to=/api/there%3Fa%3D1{asked}"
        response = get(server, server.login().access, path)
        assert [each.status_code for each in response.history] == [status]
        assert (response.json()["path"], response.json()["query"]) == ("/api/there", "a=1")

    def test_public_needs_no_token(self, server: AuthServer) -> None:
        """/public/ echoes without a user, and counts as a request alone."""
        response = requests.get(server.url + "/public/x", timeout=WAIT)
        assert (response.status_code, response.json()["user"]) == (200, None)
        assert server.counters == Counters(connections=1, requests=1)

    def test_connections_are_kept(self, server: AuthServer, session: requests.Session) -> None:
        """HTTP/1.1 keep-alive, across kinds of request."""
        session.get(server.url + "/api", timeout=WAIT)
        session.post(server.url + "/auth/refresh", json={}, timeout=WAIT)
        session.get(server.url + "/public/x", timeout=WAIT)
        assert server.counters.connections == 1
        assert [seen.connection for seen in server.requests] == [1, 1, 1]

    @pytest.mark.parametrize("head", MALFORMED)
    def test_a_malformed_body_is_a_400_and_the_end(self, server: AuthServer, head: bytes) -> None:
        """Where the body ends is unknown, so the connection is closed."""
        request = b"POST /api HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n"
        with open_socket(server, request) as sock, sock.makefile("rb") as response:
            assert response.readline().split()[1] == b"400"
            response.read()  # to the end, which comes

    @pytest.mark.parametrize("status", [204, 304])
    def test_no_body_is_sent_where_none_may_be(self, server: AuthServer, status: int) -> None:
        """RFC 9110 §6.4.1: 204 and 304 have none."""
        server.fail(Status(status, body=b"surplus"), on="api")
        request = b"GET /api HTTP/1.0\r\n\r\n"
        with open_socket(server, request) as sock, sock.makefile("rb") as response:
            assert response.read().endswith(b"\r\n\r\n")


class TestUnreadUploads:
    """A server that answers before it reads, and closes a connection that it promised to keep."""

    def upload(self, connection: http.client.HTTPConnection, access: str | None) -> int:
        connection.request(
            "POST", "/api", body=b"x" * 3_000_000, headers=make_bearer_header(access)
        )
        response = connection.getresponse()
        response.read()
        assert response.headers.get("Connection") is None  # RFC 9112 §9.3: it will persist
        return response.status

    def test_the_connection_dies_under_the_next_request(self) -> None:
        """The promised connection is closed when the next request arrives on it."""
        with (
            AuthServer(read_body_first=False) as server,
            contextlib.closing(open_http_connection(server)) as connection,
        ):
            assert self.upload(connection, "nonsense") == 401
            connection.request("GET", "/public/x")
            with pytest.raises(ConnectionError):
                connection.getresponse()
            (seen,) = server.requests
        assert (seen.size, seen.sha256, seen.body) == (None, None, b"")

    def test_a_good_token_has_its_upload_read(self) -> None:
        """Only a refused upload is left unread."""
        with (
            AuthServer(read_body_first=False) as server,
            contextlib.closing(open_http_connection(server)) as connection,
        ):
            access = server.login().access
            assert [self.upload(connection, access) for _ in range(2)] == [200, 200]
            assert [seen.size for seen in server.requests] == [3_000_000, 3_000_000]
            assert server.counters.connections == 1

    @pytest.mark.parametrize("head", MALFORMED)
    def test_a_malformed_body_is_the_end(
        self, head: bytes, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The connection ends after the response, and nothing is written to stderr."""
        request = b"POST /api HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n"
        with (
            AuthServer(read_body_first=False) as server,
            open_socket(server, request) as sock,
            sock.makefile("rb") as response,
        ):
            assert response.readline().split()[1] == b"401"
            response.read()  # to the end, which comes
        assert capfd.readouterr() == ("", "")

    def test_by_default_the_body_is_read_and_the_connection_kept(self, server: AuthServer) -> None:
        """A refused upload is read to its end, too."""
        with contextlib.closing(open_http_connection(server)) as connection:
            assert [self.upload(connection, "nonsense") for _ in range(2)] == [401, 401]
        assert [seen.size for seen in server.requests] == [3_000_000, 3_000_000]
        assert server.counters.connections == 1


class TestRecords:
    def test_requests_are_kept_in_order(self, server: AuthServer) -> None:
        """Each with its method, path, kind, body and bearer token."""
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
        """Its first 64 KiB, with the size and the digest of the whole."""
        body = bytes(range(256)) * 1000
        requests.post(server.url + "/public/x", data=body, timeout=WAIT)
        (seen,) = server.requests
        assert (seen.size, seen.body) == (256_000, body[:65_536])
        assert seen.sha256 == hashlib.sha256(body).hexdigest()

    def test_a_header_given_twice_is_joined(self, server: AuthServer) -> None:
        """By a comma (RFC 9110 §5.2), under its name in any case."""
        with contextlib.closing(open_http_connection(server)) as connection:
            connection.putrequest("GET", "/public/x")
            connection.putheader("X-Way", "a")
            connection.putheader("x-way", "b")
            connection.endheaders()
            connection.getresponse().read()
        assert server.requests[0].headers["X-Way"] == "a, b"

    def test_the_list_is_a_copy(self, server: AuthServer) -> None:
        """A test cannot change what the server has recorded."""
        server.requests.append(None)  # type: ignore[arg-type]  # never seen again
        assert server.requests == []

    def test_reprs_hold_no_secret(self, server: AuthServer) -> None:
        """Neither the server's own repr nor that of requests, counters and faults."""
        token = server.login()
        get(server, token.access)
        new = exchange_token(server, token)
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
                good = [
                    session.get(url, headers=make_bearer_header(token.access)) for _ in range(5)
                ]
                bad = [session.get(url, headers=make_bearer_header("nonsense")) for _ in range(4)]
                no = session.post(server.url + "/auth/refresh", json={"refresh_token": "nonsense"})
                return [each.status_code for each in (*good, *bad, no)]

        assert run_in_threads(work) == [[200] * 5 + [401] * 4 + [400]] * THREADS
        assert server.counters == Counters(
            connections=THREADS,
            requests=10 * THREADS,
            refreshes=THREADS,
            refused=THREADS,
            answered=5 * THREADS,
            unauthorized=4 * THREADS,
        )


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
        """A response that blocks in the socket ends with the server."""
        before = set(threading.enumerate())
        with AuthServer() as server:
            server.fail(Huge(50_000_000), on="public")
            with open_socket(server, b"GET /public/x HTTP/1.1\r\nHost: h\r\n\r\n"):
                wait_for_faults(server)
                server.stop()
        assert set(threading.enumerate()) == before

    def test_stop_ends_idle_connections(
        self, server: AuthServer, session: requests.Session
    ) -> None:
        """A kept connection is closed, and no new one is accepted."""
        session.get(server.url + "/public/x", timeout=WAIT)
        server.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(server.url + "/public/x", timeout=WAIT)

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
        """Each is done once; the URL is known from the first start on."""
        server = AuthServer()
        with pytest.raises(RuntimeError, match="never started"):
            _ = server.url
        server.stop()
        server.start()
        server.start()
        assert requests.get(server.url + "/public/x", timeout=WAIT).status_code == 200
        server.stop()
        server.close()

    def test_clients_that_leave_are_not_reported(
        self, server: AuthServer, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Nothing is written to stdout or stderr, for them or for anything else."""
        for sent in (b"", b"GET", b"POST /api HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort"):
            with open_socket(server, sent):
                pass
        request = b"GET /public/x HTTP/1.1\r\nHost: h\r\n\r\n"
        with server.gate(on="public") as gate, open_socket(server, request):
            gate.wait_for(1, WAIT)
        get(server, "nonsense")
        server.stop()
        assert capfd.readouterr() == ("", "")

    def test_it_needs_the_standard_library_only(self) -> None:
        """Beside this package's clock and Token: users need no pytest, the demo no requests."""
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
            "requests_jwt_refresh.authorization",  # for typing alone
            "typing_extensions",  # likewise
            # Where a server is to check proofs of possession, for which there is an extra.
            "joserfc",
            "joserfc.jwk",
        }


def test_the_names_of_0_1_are_still_there(server: AuthServer) -> None:
    """Tests of users go on working; each old name is the new thing itself."""
    assert testing.SeenRequest is testing.RecordedRequest
    assert testing.Answer is testing.ServerResponse
    assert AuthServer.heal is AuthServer.clear_faults
    assert Status(418).answer() == Status(418).to_response()

    class Fault:
        def play(self, exchange: testing.Exchange) -> None:
            assert exchange.seen is exchange.request
            exchange.send(exchange.work())

    server.fail(Fault(), on="api")
    assert get(server, server.login().access).status_code == 200


def test_the_guide_names_each_fault_and_each_counter() -> None:
    """In its tables, so that nobody builds what is there."""
    guide = (ROOT / ".github/guide/testing.md").read_text(encoding="utf-8")
    faults = [name for name in testing.__all__ if hasattr(getattr(testing, name), "play")]
    for name in {*faults} - {"Fault"}:
        assert f"`{name}(" in guide
    for each in fields(Counters):
        assert f"`{each.name}`" in guide
