"""AuthServer's promises: faults on demand, and gates."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

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
from tests.support.plain_requests import (
    THREADS,
    get,
    make_raw_refresh,
    open_socket,
    refresh,
    run_behind_gate,
    wait_for_faults,
)
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import Fault


class TestFaults:
    def test_a_status_with_what_belongs_to_it(self, server: AuthServer) -> None:
        """Status, Retry-After, body and headers are sent as given."""
        server.fail(Status(503, retry_after=7, body=b"{}", headers={"X-Why": "tired"}))
        response = refresh(server, server.login())
        assert (response.status_code, response.content) == (503, b"{}")
        assert (response.headers["Retry-After"], response.headers["X-Why"]) == ("7", "tired")

    @pytest.mark.parametrize(
        ("fault", "status", "body"),
        [
            (Status(500), 500, b""),
            (JSONBody([1, 2]), 200, b"[1, 2]"),
            (JSONBody({"error": "invalid_client"}, 401), 401, b'{"error": "invalid_client"}'),
            (Truncated(), 200, b'{"access_token": "eyJhbGciOi'),
        ],
    )
    def test_a_fixed_response_does_no_work(
        self, server: AuthServer, fault: Fault, status: int, body: bytes
    ) -> None:
        """The token is still good afterwards, and so is the connection."""
        token = server.login()
        server.fail(fault)
        response = refresh(server, token)
        assert (response.status_code, response.content) == (status, body)
        assert refresh(server, token).status_code == 200
        assert server.counters == Counters(
            connections=2, requests=2, refreshes=2, rotated=1, faults=1
        )

    def test_html(self, server: AuthServer) -> None:
        """A page is called text/html."""
        server.fail(HTML())
        response = refresh(server, server.login())
        assert response.headers["Content-Type"].startswith("text/html")
        assert response.text.startswith("<!doctype html>")

    def test_huge_is_wellformed(self, server: AuthServer) -> None:
        """It has exactly the size asked for, and is JSON."""
        server.fail(Huge(2_000_000))
        response = refresh(server, server.login())
        assert len(response.content) == 2_000_000
        assert set(response.json()) == {"access_token"}

    def test_redirect(self, server: AuthServer) -> None:
        """It points to the given URL, with 307 by default."""
        server.fail(Redirect(server.url + "/public/there"))
        response = refresh(server, server.login())
        assert [each.status_code for each in response.history] == [307]
        assert response.json()["path"] == "/public/there"

    def test_truncated_short_breaks_its_content_length(self, server: AuthServer) -> None:
        """Fewer bytes arrive than were announced (RFC 9112 §8)."""
        server.fail(Truncated(short=True))
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
            refresh(server, server.login())

    def test_drop_does_no_work(self, server: AuthServer) -> None:
        """The connection ends, and the token is good afterwards."""
        token = server.login()
        server.fail(Drop())
        with pytest.raises(requests.ConnectionError):
            refresh(server, token)
        assert server.counters.rotated == 0
        assert refresh(server, token).status_code == 200

    def test_drop_after_loses_the_response(self, server: AuthServer) -> None:
        """The token is rotated, and its second use is reuse."""
        token = server.login()
        server.fail(DropAfter())
        with pytest.raises(requests.ConnectionError):
            refresh(server, token)
        assert (server.counters.rotated, server.counters.faults) == (1, 1)
        assert refresh(server, token).status_code == 400
        assert server.counters.reuse == 1

    def test_delay_ends_with_the_right_response(self, server: AuthServer) -> None:
        """Late, but the work is done and counted."""
        server.fail(Delay(0.05))
        assert refresh(server, server.login()).status_code == 200
        assert (server.counters.rotated, server.counters.faults) == (1, 1)

    def test_delay_does_nothing_for_a_client_that_left(self, server: AuthServer) -> None:
        """So a client that gave up finds its token as it was."""
        server.fail(Delay(3600))
        with open_socket(server, make_raw_refresh(server.login())) as sock:
            wait_for_faults(server)
            sock.shutdown(socket.SHUT_WR)
            server.clear_faults()
            assert sock.recv(1) == b""
        assert server.counters.rotated == 0

    def test_hang_drops_when_cleared(self, server: AuthServer) -> None:
        """Nothing is sent, nothing is done, and the connection ends with the fault."""
        server.fail(Hang(), times=None)
        with ThreadPoolExecutor(1) as pool:
            hanging = pool.submit(refresh, server, server.login())
            wait_for_faults(server)
            assert not hanging.done()
            server.clear_faults()
            with pytest.raises(requests.ConnectionError):
                hanging.result(WAIT)
        assert server.counters.rotated == 0

    @pytest.mark.parametrize("part", ["header", "body"])
    def test_trickle_gives_all_of_it_in_the_end(self, server: AuthServer, part: Any) -> None:
        """Byte by byte the whole response arrives."""
        server.fail(Trickle(0.0001, part))
        assert refresh(server, server.login()).status_code == 200

    def test_trickle_sends_the_header_at_once(self, server: AuthServer) -> None:
        """By default only the body is slow."""
        server.fail(Trickle(3600))
        with open_socket(server, make_raw_refresh(server.login())) as sock:
            assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
            assert_silent(sock)

    def test_trickle_may_start_with_the_header(self, server: AuthServer) -> None:
        """With part="header" not even the status line comes at once."""
        server.fail(Trickle(3600, "header"))
        with open_socket(server, make_raw_refresh(server.login())) as sock:
            wait_for_faults(server)
            assert_silent(sock)

    def test_clearing_sends_the_rest(self, server: AuthServer) -> None:
        """clear_faults() ends the pauses of a fault that is being played."""
        server.fail(Trickle(3600))
        with ThreadPoolExecutor(1) as pool:
            trickling = pool.submit(refresh, server, server.login())
            wait_for_faults(server)
            server.clear_faults()
            assert trickling.result(WAIT).status_code == 200

    def test_one_after_the_other(self, server: AuthServer) -> None:
        """Planned faults are played in order, then requests are served again."""
        server.fail(Status(503), times=2)
        server.fail(Status(502))
        token = server.login()
        statuses = [refresh(server, token).status_code for _ in range(4)]
        assert statuses == [503, 503, 502, 200]
        assert (server.counters.refreshes, server.counters.faults) == (4, 3)

    def test_until_cleared(self, server: AuthServer) -> None:
        """times=None goes on until clear_faults()."""
        server.fail(Status(503), times=None)
        token = server.login()
        assert [refresh(server, token).status_code for _ in range(5)] == [503] * 5
        server.clear_faults()
        assert refresh(server, token).status_code == 200

    def test_times_are_exact_under_threads(self, server: AuthServer) -> None:
        """5 of 32 requests at once meet a fault planned 5 times."""

        def is_api(path: str) -> bool:
            time.sleep(0.002)  # time enough for the others, if there were no lock
            return path == "/api/x"

        server.fail(Status(503), on=is_api, times=5)
        access = server.login().access
        statuses = run_behind_gate(server, "api", lambda: get(server, access).status_code)
        assert sorted(statuses) == [200] * (THREADS - 5) + [503] * 5

    def test_they_are_for_their_target_alone(self, server: AuthServer) -> None:
        """A kind or a predicate on the path; no other request meets the fault."""
        token = server.login()
        server.fail(Status(500), on="api")
        server.fail(Status(501), on=lambda path: path == "/public/b")
        assert refresh(server, token).status_code == 200
        assert get(server, token.access, "/public/a").status_code == 200
        assert get(server, token.access, "/public/b?c").status_code == 501
        assert get(server, token.access).status_code == 500

    def test_anything_with_play_is_one(self, server: AuthServer) -> None:
        """A user's own fault may do the work twice, say."""

        class Twice:
            def play(self, exchange: Exchange) -> None:
                exchange.work()
                exchange.send(exchange.work())

        server.fail(Twice())
        assert refresh(server, server.login()).status_code == 400
        assert (server.counters.rotated, server.counters.reuse) == (1, 1)

    def test_one_that_sends_what_is_no_response_says_so(
        self, server: AuthServer, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """On stderr, in the server's own thread."""

        class Wrong:
            def play(self, exchange: Exchange) -> None:
                exchange.send({"a": 1})  # type: ignore[arg-type]  # the point

        server.fail(Wrong(), on="api")
        with pytest.raises(requests.ConnectionError):
            get(server, server.login().access)
        assert "TypeError: it takes a ServerResponse, not a dict\n" in capfd.readouterr().err

    def test_a_wrong_target_or_number_is_refused(self, server: AuthServer) -> None:
        """ValueError, at once: a fault never played would prove nothing."""
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
    """Nothing arrives within 0.1 s."""
    sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        sock.recv(1)


class TestGates:
    def test_requests_wait_counted_but_unserved(self, server: AuthServer) -> None:
        """At the gate a request is recorded, and nothing is done for it yet."""
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
        """A token that was good when they arrived has expired when they are judged."""
        access = server.login().access
        with ThreadPoolExecutor(THREADS) as pool:
            with server.gate(on="api") as gate:
                crowd = [pool.submit(get, server, access) for _ in range(THREADS)]
                gate.wait_for(THREADS, WAIT)
                server.expire()
            assert [each.result(WAIT).status_code for each in crowd] == [401] * THREADS
        assert server.counters.unauthorized == THREADS

    def test_an_open_gate_holds_nothing(self, server: AuthServer) -> None:
        """Opened, it still counts the requests that pass."""
        with server.gate(on="api") as gate:
            gate.open()
            assert get(server, server.login().access).status_code == 200
            gate.wait_for(1, WAIT)

    def test_a_removed_gate_is_passed_by(self, server: AuthServer) -> None:
        """After its block it neither holds nor counts."""
        with server.gate(on="api") as gate:
            pass
        assert get(server, server.login().access).status_code == 200
        with pytest.raises(TimeoutError):
            gate.wait_for(1, timeout=0)

    def test_waiting_in_vain_says_how_many_came(self, server: AuthServer) -> None:
        """TimeoutError with the number that has arrived."""
        with server.gate() as gate, pytest.raises(TimeoutError, match="0 of 3 requests"):
            gate.wait_for(3, timeout=0)

    def test_a_fault_is_met_behind_the_gate(self, server: AuthServer) -> None:
        """A fault planned while requests wait is for them, too."""
        with ThreadPoolExecutor(1) as pool:
            with server.gate() as gate:
                waiting = pool.submit(refresh, server, server.login())
                gate.wait_for(1, WAIT)
                server.fail(Status(503))
            assert waiting.result(WAIT).status_code == 503
