"""A matcher looks at a body that is slow or endless: the caller neither waits nor loses a byte.

What ends a wait here is always an event of the test's: a call that waited for the rest of a body
would find nobody to send it.
"""

from __future__ import annotations

import gzip
import logging
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh import (
    MemoryStore,
    all_of,
    any_401,
    any_of,
    bearer_challenge,
    bodies,
    json_field,
    mount,
    peeking,
    status,
)
from requests_jwt_refresh.matching import may_match
from requests_jwt_refresh.testing import Status
from tests.support.answers import GZIP, JSON, KIB
from tests.support.callers import EXPIRED, our_session
from tests.support.sessions import plain_session
from tests.support.tls_server import Endpoint as TLSEndpoint
from tests.support.tls_server import certificate, tls_server
from tests.support.users import ENDPOINT
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests import Response, Session

    from requests_jwt_refresh.testing import AuthServer, Exchange

MESSAGE = b'{"message": "Not for you", "filling": "' + b"x" * 40 + b'"}'
BY_ITS_BODY = json_field("message", "Invalid JWT", status=(200, 401))


def write_head(code: int, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {code} So", *fields, "", ""]).encode()


def write_chunks(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


CHUNKED = "Transfer-Encoding: chunked"
PACKED = gzip.compress(MESSAGE, mtime=0)
FRAMINGS = {
    "sized": ([f"Content-Length: {len(MESSAGE)}"], MESSAGE),
    "chunked": ([CHUNKED], write_chunks(MESSAGE, 13)),
    "packed": ([CHUNKED, GZIP], write_chunks(PACKED, 13)),
    "until it hangs up": (["Connection: close"], MESSAGE),
}


@dataclass
class HeldBack:
    """An answer of which the rest comes when the test says so."""

    head: bytes
    first: bytes
    rest: bytes
    hangs_up: bool = False
    go: threading.Event = field(default_factory=threading.Event)

    def play(self, exchange: Exchange) -> None:
        exchange.send_bytes(self.head + self.first)
        assert self.go.wait(WAIT), "nobody may wait for the rest"
        exchange.send_bytes(self.rest)
        if self.hangs_up:
            exchange.drop()


class Endless:
    """A body that trickles in for as long as somebody is there."""

    def __init__(self, code: int, *fields: str) -> None:
        self._head = write_head(code, CHUNKED, *fields)
        self.gone = threading.Event()

    def play(self, exchange: Exchange) -> None:
        exchange.send_bytes(self._head + b"1\r\n[\r\n")
        try:
            while not exchange.client_has_gone():
                exchange.pause(0.002)
                exchange.send_bytes(b"1\r\n \r\n")
        except OSError:
            pass
        self.gone.set()
        exchange.drop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No body is waited for long, so that each place where one can stall is tried."""
    for name in ("_STREAM_SECONDS", "_ERROR_SECONDS", "_KEEP_SECONDS"):
        monkeypatch.setattr(bodies, name, 0.01)


# --- Nothing lost --------------------------------------------------------------------------------


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [200, 401])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_body_that_stalls_anywhere_reaches_the_caller_whole(
    server: AuthServer, framing: str, code: int
) -> None:
    """In the middle of a chunk's length or of what is packed: the caller gets each byte, once."""
    fields, wire = FRAMINGS[framing]
    head = write_head(code, JSON, *fields)
    with our_session(server, BY_ITS_BODY) as session:
        for cut in range(len(wire)):
            answer = HeldBack(head, wire[:cut], wire[cut:], framing == "until it hangs up")
            server.fail(answer, on="api")
            response = session.get("/api/x", stream=True)
            answer.go.set()
            assert (cut, response.content) == (cut, MESSAGE)
    assert server.counters.refreshes == 0
    assert server.counters.connections <= (len(wire) if answer.hangs_up else 1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_stalled_can_be_read_as_it_comes(server: AuthServer, chunked: bool) -> None:
    """As in plain requests: chunk by chunk, or what is there."""
    fields, wire = FRAMINGS["chunked" if chunked else "sized"]
    answer = HeldBack(write_head(401, JSON, *fields), wire[:30], wire[30:])
    server.fail(answer, on="api")
    with our_session(server, EXPIRED) as session:
        response = session.get("/api/x", stream=True)
        if not chunked and not hasattr(response.raw, "read1"):
            answer.go.set()
            response.close()
            pytest.skip("this urllib3 reads no part of what is there")
        pieces = response.iter_content(None) if chunked else iter(response.raw.read1, b"")
        first = next(pieces)
        assert MESSAGE.startswith(first)
        assert not answer.go.is_set(), "what is there has been handed over before the rest came"
        answer.go.set()
        assert first + b"".join(pieces) == MESSAGE


class StallingEndpoint(TLSEndpoint):
    """Sends the rest when the test says so."""

    answer: HeldBack

    def do_GET(self) -> None:  # noqa: N802 - http.server's own
        self.connection.sendall(self.answer.head + self.answer.first)
        assert self.answer.go.wait(WAIT)
        self.connection.sendall(self.answer.rest)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("framing", ["sized", "chunked", "packed"])
def test_a_body_that_stalls_under_tls_reaches_the_caller_whole(
    tmp_path: Path, framing: str
) -> None:
    """What TLS has decrypted and nobody has read yet is not lost, either."""
    fields, wire = FRAMINGS[framing]
    file = certificate(tmp_path, 1)
    with tls_server(file, StallingEndpoint) as url, plain_session() as session:
        session.verify = str(file)
        mount(session, url, ENDPOINT, MemoryStore(), when=BY_ITS_BODY)
        for cut in (0, 1, 2, 7, 30, len(wire) - 1):
            answer = HeldBack(write_head(401, JSON, *fields), wire[:cut], wire[cut:])
            StallingEndpoint.answer = answer
            response = session.get("/x", stream=True)
            answer.go.set()
            assert (cut, response.content) == (cut, MESSAGE)


class HalfClosingEndpoint(TLSEndpoint):
    """Ends TLS after the answer, and leaves the connection open."""

    go = threading.Event()

    def do_GET(self) -> None:  # noqa: N802 - likewise
        self.connection.sendall(write_head(401, JSON, "Connection: close") + MESSAGE)
        self.connection.settimeout(0)
        with suppress(OSError):  # it would wait for the client's own end
            self.connection.unwrap()
        assert self.go.wait(WAIT)
        self.close_connection = True


def test_the_end_that_tls_tells_is_an_end(tmp_path: Path) -> None:
    """Nothing more is waited for, though the connection is still open."""
    seen: list[bytes] = []

    def notes(response: Response) -> bool:
        seen.append(response.content)
        return True

    file = certificate(tmp_path, 1)
    with tls_server(file, HalfClosingEndpoint) as url, plain_session() as session:
        session.verify = str(file)
        mount(session, url, ENDPOINT, MemoryStore(), when=notes)
        response = session.get("/x", stream=True)
        HalfClosingEndpoint.go.set()
        assert [response.content, *seen] == [MESSAGE, MESSAGE]


def test_a_body_that_stalls_for_good_fails_as_in_plain_requests(server: AuthServer) -> None:
    """The caller's own timeout counts from the same moment, and once."""
    answer = HeldBack(write_head(401, JSON, *FRAMINGS["sized"][0]), b"{", b"")
    server.fail(answer, on="api", times=2)
    with plain_session() as plain, our_session(server, EXPIRED) as ours:
        for session in (plain, ours):
            with pytest.raises(requests.ConnectionError, match="Read timed out"):
                session.get(f"{server.url}/api/x", timeout=0.2)
        answer.go.set()
        assert ours.get("/api/x").status_code == 200
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("first", [b"", MESSAGE[:9]])
def test_a_timeout_counts_once(
    server: AuthServer, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    """Once it was waited for a matcher, the caller does not wait for it again."""

    def read_again(_file: object, _size: int) -> bytes:
        raise AssertionError

    monkeypatch.setattr(peeking, "_read_some", read_again)
    answer = HeldBack(write_head(401, JSON, *FRAMINGS["sized"][0]), first, b"")
    server.fail(answer, on="api")
    with our_session(server, EXPIRED) as session:
        with pytest.raises(requests.ConnectionError, match="Read timed out"):
            session.get("/api/x", timeout=0.2)
        answer.go.set()
        assert session.get("/api/x").status_code == 200
    assert server.counters.refreshes == 0


def test_a_streamed_body_may_come_after_the_matchers_time(server: AuthServer) -> None:
    """The caller's own read timeout begins when the caller reads, as in plain requests."""
    answer = HeldBack(write_head(401, JSON, *FRAMINGS["sized"][0]), b"", MESSAGE)
    server.fail(answer, on="api")
    with our_session(server, EXPIRED) as session:
        response = session.get("/api/x", stream=True, timeout=0.2)
        answer.go.set()
        assert response.content == MESSAGE


@pytest.mark.usefixtures("impatient")
def test_what_came_too_late_is_not_waited_for_again(server: AuthServer) -> None:
    """A 401 that matches by another rule is let go without a second wait."""
    answer = HeldBack(write_head(401, JSON, *FRAMINGS["sized"][0]), MESSAGE[:9], MESSAGE[9:])

    def lets_go(_response: Response) -> bool:
        answer.go.set()
        return True

    server.fail(answer, on="api")
    with our_session(server, any_of(EXPIRED, lets_go)) as session:
        response = session.get("/api/x")
        assert response.status_code == 200
        assert response.history[0].raw.read(9) == MESSAGE[:9]
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="came too slowly"):
            response.history[0].content  # noqa: B018 - reads the rest


def test_a_matcher_reads_only_while_it_is_asked(server: AuthServer) -> None:
    """What it keeps of the response later takes nothing from the caller."""
    kept: list[Response] = []

    def keeps(response: Response) -> bool:
        kept.append(response)
        return False

    server.fail(Status(401, body=MESSAGE), on="api")
    with our_session(server, keeps) as session:
        response = session.get("/api/x", stream=True)
        with pytest.raises(ValueError, match="while its matcher is asked"):
            kept[0].json()
        assert response.content == MESSAGE


# --- Never waited for ----------------------------------------------------------------------------


def sees_errors(response: Response) -> bool:
    return "errors" in response.json()


MATCHERS = {
    "a function": all_of(status(200), sees_errors),
    "a field": json_field("errors.*.code", "expired", status=200),
    "any_of": any_of(json_field("code", 7, status=(200, 403)), all_of(status(200), sees_errors)),
}


@pytest.mark.parametrize("media_type", ["text/event-stream", "text/event-stream; charset=UTF-8"])
@pytest.mark.parametrize("code", [200, 401])
@pytest.mark.parametrize("matcher", [*MATCHERS.values(), BY_ITS_BODY, sees_errors])
def test_an_event_stream_reaches_the_caller_at_once(
    server: AuthServer,
    caplog: pytest.LogCaptureFixture,
    matcher: Callable[[Response], bool],
    code: int,
    media_type: str,
) -> None:
    """Whatever its status: its first event is not waited for, and none is taken."""
    caplog.set_level(logging.DEBUG, "requests_jwt_refresh")
    events = b"data: 1\n\ndata: 2\n\n"
    head = write_head(code, f"Content-Type: {media_type}", "Connection: close")
    answer = HeldBack(head, b"", events, hangs_up=True)
    server.fail(answer, on="api")
    with our_session(server, matcher) as session:
        response = session.get("/api/x", stream=True)
        answer.go.set()
        assert response.raw.read() == events
    assert server.counters.refreshes == 0
    assert ("its media type is text/event-stream" in caplog.text) is may_match(matcher, code)


@pytest.mark.parametrize(
    "media_type",
    ["text/html", "text/plain; a=json", "application/x-ndjson", "application/json-seq", "json", ""],
)
@pytest.mark.parametrize("matcher", MATCHERS.values(), ids=MATCHERS)
def test_a_good_answer_that_is_no_json_is_not_read(
    server: AuthServer,
    caplog: pytest.LogCaptureFixture,
    matcher: Callable[[Response], bool],
    media_type: str,
) -> None:
    """A download begins at once, and is all there."""
    caplog.set_level(logging.DEBUG, "requests_jwt_refresh")
    body = b'{"errors": [{"code": "expired"}]}'
    length = f"Content-Length: {len(body)}"
    answer = HeldBack(write_head(200, f"Content-Type: {media_type}", length), b"", body)
    server.fail(answer, on="api")
    with our_session(server, matcher) as session:
        response = session.get("/api/x", stream=True)
        answer.go.set()
        assert response.content == body
    assert server.counters.refreshes == 0
    assert "its media type is" in caplog.text


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;v=1",
        "text/json",
        "application/problem+json",
        "application/graphql-response+json; charset=utf-8",
        "application/vnd.api+json",
    ],
)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("matcher", MATCHERS.values(), ids=MATCHERS)
def test_a_good_answer_in_json_may_say_expired(
    server: AuthServer, matcher: Callable[[Response], bool], media_type: str, stream: bool
) -> None:
    """Whatever JSON media type it has."""
    body = b'{"errors": [{"code": "other"}, {"code": "expired"}]}'
    server.fail(Status(200, body=body, headers={"Content-Type": media_type}), on="api")
    with our_session(server, matcher) as session:
        response = session.get("/api/x", stream=stream)
        assert response.content
        assert (response.status_code, len(response.history)) == (200, 1)
    assert server.counters.rotated == 1


@pytest.mark.parametrize("matcher", [*MATCHERS.values(), BY_ITS_BODY, EXPIRED])
@pytest.mark.parametrize("code", [200, 401, 403])
def test_a_body_without_an_end_is_given_up(
    server: AuthServer, matcher: Callable[[Response], bool], code: int
) -> None:
    """However it trickles in: the timeout that each byte starts anew is not the bound."""
    answer = Endless(code, JSON)
    server.fail(answer, on="api")
    with (
        our_session(server, matcher) as session,
        session.get("/api/x", stream=True, timeout=1) as response,
    ):
        assert response.raw.read(1) == b"["
    assert answer.gone.wait(WAIT)
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("matcher", [any_401, any_of(EXPIRED, any_401)])
@pytest.mark.parametrize("data", [None, b"body"])
def test_a_matched_401_without_an_end_is_given_up(
    server: AuthServer, matcher: Callable[[Response], bool], stream: bool, data: bytes | None
) -> None:
    """Its connection is closed, the request recovered, and what came of it is in the history."""
    answer = Endless(401, JSON)
    server.fail(answer, on="api")
    with our_session(server, matcher) as session:
        response = session.post("/api/x", data=data, stream=stream, timeout=1)
        assert (response.status_code, response.json()["method"]) == (200, "POST")
        (refused,) = response.history
        assert refused.raw.read(1) == b"["
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="came too slowly"):
            refused.content  # noqa: B018 - reads the rest
    assert answer.gone.wait(WAIT)
    assert server.counters.rotated == 1


def test_a_headers_only_match_does_not_wait_for_a_slow_body(server: AuthServer) -> None:
    """What is decided by headers is decided when they are there."""
    answer = HeldBack(write_head(401, JSON, *FRAMINGS["sized"][0]), b"", MESSAGE)
    server.fail(answer, on="api")
    with our_session(server, bearer_challenge()) as session:
        response = session.get("/api/x", stream=True)
        assert server.counters.refreshes == 0
        answer.go.set()
        assert response.content == MESSAGE


@pytest.mark.parametrize("matcher", [EXPIRED, any_of(bearer_challenge(), EXPIRED)])
def test_a_body_that_is_not_seen_is_told(
    server: AuthServer, caplog: pytest.LogCaptureFixture, matcher: Callable[[Response], bool]
) -> None:
    """At DEBUG: it is nobody's fault. What is in it is not told."""
    caplog.set_level(logging.DEBUG, "requests_jwt_refresh")
    server.fail(Status(401, body=b'{"a": "' + b"secret" * 50 * KIB + b'"}'), on="api")
    with our_session(server, matcher) as session:
        assert session.get("/api/x").status_code == 401
    told = [each for each in caplog.records if "body" in each.getMessage()]
    assert {each.levelno for each in told} == {logging.DEBUG}
    assert "longer than 262,144 bytes" in caplog.text
    assert "secretsecret" not in caplog.text


# --- Kept by other transports --------------------------------------------------------------------


@contextmanager
def sessions_with(server: AuthServer, adapter: requests.adapters.BaseAdapter) -> Iterator[Session]:
    with plain_session() as session:
        session.mount(server.url, adapter)
        mount(session, server.url, ENDPOINT, MemoryStore(server.login()), when=EXPIRED)
        yield session


class WrappingAdapter(requests.adapters.HTTPAdapter):
    """Puts a file of its own around the body, as CacheControl does."""

    def send(self, *args: object, **options: object) -> Response:
        response = super().send(*args, **options)  # type: ignore[arg-type]
        response.raw._fp = Wrapper(response.raw._fp)  # noqa: SLF001 - as CacheControl does
        return response


class Wrapper:
    def __init__(self, file: object) -> None:
        self._file = file
        self.copy = bytearray()

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def read(self, *size: int) -> bytes:
        data: bytes = self._file.read(*size)  # type: ignore[attr-defined]
        self.copy += data
        return data


def test_a_transport_that_wraps_the_body_sees_all_of_it(server: AuthServer) -> None:
    """The matcher's look goes past it; what the caller reads goes through it."""
    server.fail(Status(401, body=MESSAGE), on="api")
    with sessions_with(server, WrappingAdapter()) as session:
        response = session.get("/api/x", stream=True)
        wrapper = response.raw._fp  # noqa: SLF001 - likewise
        assert response.content == MESSAGE
        assert bytes(wrapper.copy) == MESSAGE
        server.expire()
        assert session.get("/api/x").status_code == 200
