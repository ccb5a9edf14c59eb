"""Answers reach the caller whole, however they are read, or fail as in plain requests."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3.util import Retry

from requests_jwt_refresh import MemoryStore, RefreshUnavailable, any_401, bearer_challenge, mount
from requests_jwt_refresh.testing import Status
from tests.support.answers import (
    ANSWERS,
    BROKEN,
    MIB,
    UP_TO_1_MIB,
    RawAnswer,
    make_chunked,
    make_noise,
    make_sized,
)
from tests.support.callers import (
    EVENTS,
    EXPIRED,
    EXPIRED_IN_ANY_WAY,
    other_401,
    our_session,
    session,
)
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT, INVALID_JWT

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import Response, Session

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["session"]  # a fixture


# --- Whole ---------------------------------------------------------------------------------------


def read_raw_in_pieces(response: Response) -> bytes:
    return b"".join(iter(lambda: response.raw.read(1000), b""))


def copy_from_raw(response: Response) -> bytes:
    target = io.BytesIO()
    shutil.copyfileobj(response.raw, target)
    return target.getvalue()


READERS: dict[str, Callable[[Response], object]] = {
    "content": lambda response: response.content,
    "text": lambda response: (response.encoding, response.text),
    "iter_content": lambda response: b"".join(response.iter_content(1000)),
    "iter_lines": lambda response: list(response.iter_lines()),
    "raw.read()": lambda response: response.raw.read(),
    "raw.read(n)": read_raw_in_pieces,
    "raw.read decoded": lambda response: response.raw.read(decode_content=True),
    "raw.stream": lambda response: b"".join(response.raw.stream(777, decode_content=True)),
    "copyfileobj": copy_from_raw,
    "raw as lines": lambda response: b"".join(response.raw),
}


HOW_TO_READ = [(name, True) for name in READERS] + [("content", False), ("iter_content", False)]


def describe_response(response: Response, reader: str) -> dict[str, object]:
    """Return all that a caller sees of a response."""
    return {
        "body": READERS[reader](response),
        "status": (response.status_code, response.reason, response.ok),
        "headers": [(k, v) for k, v in response.headers.items() if k != "Date"],
        "raw headers": response.raw.headers.getlist("X-Twice"),
        "raw": (response.raw.status, response.raw.reason, response.raw.version),
        "url": response.url,
        "history": response.history,
        "links": (response.links, response.is_redirect),
    }


def count_connections(server: AuthServer, session: Session, reader: str, **options: Any) -> object:
    """Return what the caller sees of one answer, and how many connections two requests took."""
    before = server.counters.connections
    with session.request(url=f"{server.url}/api/x", **options) as response:
        seen = describe_response(response, reader)
    assert session.get(f"{server.url}/public/next").status_code == 200
    return seen, server.counters.connections - before


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_401_that_does_not_match_is_as_in_plain_requests(
    server: AuthServer, answer: str, method: str
) -> None:
    """However it is read, it is whole, and its connection is used again just as often."""
    options: dict[str, Any] = {"method": method, "data": None if method == "GET" else b"body"}
    server.fail(ANSWERS[answer], on="api", times=None)
    for reader, stream in HOW_TO_READ:
        with plain_session() as plain, our_session(server) as ours:
            expected = count_connections(server, plain, reader, stream=stream, **options)
            assert count_connections(server, ours, reader, stream=stream, **options) == expected, (
                reader
            )
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("answer", UP_TO_1_MIB)
def test_a_401_that_is_handed_over_after_a_refusal_is_whole(
    server: AuthServer, answer: str, method: str
) -> None:
    """Its connection has been let go long before, and yet nothing of it is missing."""
    options: dict[str, Any] = {"method": method, "data": None if method == "GET" else b"body"}
    url = f"{server.url}/api/x"
    server.fail(ANSWERS[answer], on="api", times=None)
    for reader, stream in HOW_TO_READ:
        with plain_session() as plain, our_session(server, any_401) as ours:
            server.revoke()
            expected = describe_response(plain.request(url=url, stream=stream, **options), reader)
            seen = describe_response(ours.request(url=url, stream=stream, **options), reader)
            assert seen == expected, reader
            assert ours.get("/public/next").status_code == 200
    assert server.counters.refused == len(HOW_TO_READ)


@pytest.mark.parametrize("coding", [make_sized, make_chunked])
def test_a_401_larger_than_what_is_kept_is_never_cut_unsaid(
    server: AuthServer, coding: Callable[[bytes], RawAnswer]
) -> None:
    """After a refusal the caller gets all of it, or an error that it is not all."""
    body = make_noise(2 * MIB)
    server.fail(coding(body), on="api")
    with our_session(server, any_401) as session:
        server.revoke()
        response = session.get("/api/x", stream=True)
        try:
            got = response.content
        except (ChunkedEncodingError, requests.ConnectionError):
            return
    assert len(got) == len(body)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("event", EVENTS)
def test_a_head_is_recovered_like_a_get(
    server: AuthServer, event: Callable[[AuthServer], None], stream: bool
) -> None:
    """A HEAD's 401 promises a body that never comes: it is not waited for.

    Nor can that body say "not for you", so that such a 401 is taken for an expiry.
    """
    with our_session(server, EXPIRED_IN_ANY_WAY) as session:
        event(server)
        if EVENTS[event] is None:
            with pytest.raises(RefreshUnavailable) as caught:
                session.head("/api/x", stream=stream)
            answers = [caught.value.response]
        else:
            response = session.head("/api/x", stream=stream)
            assert response.status_code == (200 if event is other_401 else EVENTS[event])
            answers = [*response.history, response]
        assert all(answer is not None and answer.content == b"" for answer in answers)
        assert session.get("/public/x").status_code == 200


def test_a_head_is_refreshed_for_a_rule_about_a_body(server: AuthServer) -> None:
    """A rule about a field finds no body to look at, so the status that it names is enough."""
    with our_session(server, EXPIRED) as session:
        server.expire()
        assert session.head("/api/x").status_code == 200
    assert server.counters.rotated == 1


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_headers_only_match_leaves_the_body_alone(server: AuthServer, method: str) -> None:
    """A matcher that looks at headers and says no has not touched the body."""
    server.fail(ANSWERS["chunked json"], on="api")
    with our_session(server, bearer_challenge()) as session:
        response = session.request(method, "/api/x", stream=True)
        expected = b"" if method == "HEAD" else b'{"message": "Not for you"}'
        assert response.raw.read(decode_content=True) == expected


def test_what_urllib3_tells_of_its_retries_is_kept(server: AuthServer) -> None:
    """``response.raw.retries`` is there, as in plain requests."""
    server.fail(Status(503), on="api")
    server.fail(ANSWERS["json"], on="api")
    with plain_session() as session:
        retry = Retry(2, status_forcelist=[503], backoff_factor=0)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        mount(session, server.url, ENDPOINT, MemoryStore(server.login()), when=EXPIRED)
        response = session.get("/api/x")
    assert response.status_code == 401
    assert [step.status for step in response.raw.retries.history] == [503]


@pytest.mark.parametrize("reader", READERS)
def test_the_final_answer_can_be_streamed(
    server: AuthServer, session: Session, reader: str
) -> None:
    """With stream=True the body of the answer after the refresh is read by the caller alone."""
    answer = Status(200, body=make_noise(2 * MIB), headers={"Content-Type": "text/x; charset=l1"})
    server.fail(answer, on="api")
    with plain_session() as plain:
        expected = READERS[reader](plain.get(f"{server.url}/api/x", stream=True))
    server.fail(Status(401, body=INVALID_JWT), on="api")
    server.fail(answer, on="api")
    with session.get("/api/x", stream=True) as response:
        assert (response.status_code, len(response.history)) == (200, 1)
        assert response.raw.tell() == 0, "none of it has been read"
        assert READERS[reader](response) == expected


def test_connections_are_used_again(server: AuthServer, session: Session) -> None:
    """The 401, the resend, and what comes after them go over one connection."""
    session.get("/api/x")
    server.expire()
    session.get("/api/x")
    session.get("/api/x")
    api = {seen.connection for seen in server.requests if seen.kind == "api"}
    assert len(api) == 1


# --- Connections that break ----------------------------------------------------------------------


def catch_failure(session: Session, url: str, *, stream: bool) -> type[Exception]:
    """Return what a caller meets while reading an answer that breaks off."""
    with pytest.raises(requests.RequestException) as caught:  # noqa: PT012 - either may raise
        response = session.get(url, stream=stream)
        response.content  # noqa: B018 - reads it
    return caught.type


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("when", [EXPIRED, bearer_challenge()], ids=["reads", "reads not"])
def test_an_unmatched_401_that_breaks_off_fails_as_in_plain_requests(
    server: AuthServer, when: Callable[[Response], bool], broken: str, stream: bool
) -> None:
    """A torn body is no reason for a refresh; the caller meets the error that requests raises."""
    server.fail(BROKEN[broken], on="api", times=2)
    url = f"{server.url}/api/x"
    with plain_session() as plain, our_session(server, when) as ours:
        assert catch_failure(ours, url, stream=stream) is catch_failure(plain, url, stream=stream)
        assert ours.get("/api/x").status_code == 200
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_matched_401_that_breaks_off_is_not_handed_over_as_whole(
    server: AuthServer, broken: str, stream: bool
) -> None:
    """After a refused refresh, reading the torn body raises the error that requests raises."""
    server.fail(BROKEN[broken], on="api", times=2)
    url = f"{server.url}/api/x"
    with plain_session() as plain, our_session(server, any_401) as ours:
        expected = catch_failure(plain, url, stream=stream)
        server.revoke()
        assert catch_failure(ours, url, stream=stream) is expected


@pytest.mark.parametrize("broken", BROKEN)
def test_a_matched_401_that_breaks_off_is_recovered_from(server: AuthServer, broken: str) -> None:
    """The rest of it is not needed."""
    server.fail(BROKEN[broken], on="api")
    with our_session(server, any_401) as session:
        assert session.get("/api/x").status_code == 200
    assert server.counters.rotated == 1
