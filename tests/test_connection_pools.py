"""No request keeps a connection: with one slot in the pool everything goes on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from urllib3 import HTTPConnectionPool

from requests_jwt_refresh import RefreshUnavailable
from requests_jwt_refresh.refresh.limits import MAX_COOLDOWN
from requests_jwt_refresh.testing import Status
from tests.support.answers import ANSWERS, KIB, RawAnswer, make_noise
from tests.support.callers import (
    EXPIRED_IN_ANY_WAY,
    SMALLEST_POOL,
    other_401,
    our_session,
    refresh_is_refused,
    refresh_is_unavailable,
)
from tests.support.sessions import plain_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from requests import Response, Session

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.clock import Clock


@pytest.fixture
def impatient_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool without a free slot is an error after 5 s; urllib3's own would wait for ever."""
    take: Any = HTTPConnectionPool._get_conn  # noqa: SLF001 - urllib3 has no public bound for it

    def take_soon(pool: HTTPConnectionPool, timeout: float | None = None) -> object:
        return take(pool, timeout or 5.0)

    monkeypatch.setattr(HTTPConnectionPool, "_get_conn", take_soon)


def read_plainly(server: AuthServer, answer: RawAnswer, data: bytes | None) -> bytes:
    """Return the body that plain requests reads of an answer."""
    server.fail(answer, on="api")
    with plain_session() as plain:
        return plain.post(f"{server.url}/api/x", data=data).content


class MatcherFault(Exception):
    """What a user's matcher raises."""


def reads_and_raises(response: Response) -> bool:
    assert response.content
    raise MatcherFault


def raises(_response: Response) -> bool:
    raise MatcherFault


def reads_a_little_and_raises(response: Response) -> bool:
    next(response.iter_content(10))
    raise MatcherFault


MATCHERS_THAT_RAISE = [reads_and_raises, raises, reads_a_little_and_raises]


@pytest.mark.usefixtures("impatient_pools")
@pytest.mark.parametrize("data", [None, b"body"])
@pytest.mark.parametrize("answer", ["json", "chunked 200 KiB", "1.5 MiB"])
@pytest.mark.parametrize("matcher", MATCHERS_THAT_RAISE)
def test_a_matcher_that_raises_leaks_no_connection(
    server: AuthServer, matcher: Callable[[Response], bool], answer: str, data: bytes | None
) -> None:
    """It counts as no: the answer reaches the caller whole, and the pool's only slot is free."""
    expected = read_plainly(server, ANSWERS[answer], data)
    server.fail(ANSWERS[answer], on="api", times=3)
    with our_session(server, matcher, **SMALLEST_POOL) as session:
        for _ in range(3):
            assert session.post("/api/x", data=data, stream=True).content == expected
        assert session.post("/api/x", data=data).status_code == 200
    assert server.counters.refreshes == 0


def interrupts(response: Response) -> bool:
    assert response.content
    raise KeyboardInterrupt


@pytest.mark.usefixtures("impatient_pools")
@pytest.mark.parametrize("data", [None, b"body"])
def test_an_interrupt_in_a_matcher_goes_through_and_leaks_no_connection(
    server: AuthServer, data: bytes | None
) -> None:
    """Ctrl-C is no fault of the matcher's; the only slot of the pool is free again."""
    server.fail(ANSWERS["json"], on="api", times=2)
    with our_session(server, interrupts, **SMALLEST_POOL) as session:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                session.post("/api/x", data=data, stream=True)
        assert session.post("/api/x", data=data).status_code == 200


def get(session: Session, _file: Path) -> Response:
    return session.get("/api/x")


def get_streamed(session: Session, _file: Path) -> Response:
    response = session.get("/api/x", stream=True)
    assert response.raw.read()
    return response


def get_streamed_and_closed_unread(session: Session, _file: Path) -> Response:
    with session.get("/api/x", stream=True) as response:
        return response


def head(session: Session, _file: Path) -> Response:
    return session.head("/api/x")


def get_through_a_redirect(session: Session, _file: Path) -> Response:
    return session.get("/redirect", params={"to": "/api/x"})


def post_json(session: Session, _file: Path) -> Response:
    return session.post("/api/x", json={"a": 1})


def post_multipart(session: Session, file: Path) -> Response:
    return session.post("/api/x", files={"f": ("f", file.read_bytes())})


def upload_a_file(session: Session, file: Path) -> Response:
    with file.open("rb") as opened:
        return session.put("/api/x", data=opened)


def upload_a_file_and_stream(session: Session, file: Path) -> Response:
    with file.open("rb") as opened, session.put("/api/x", data=opened, stream=True) as response:
        return response


def upload_from_a_generator(session: Session, _file: Path) -> Response:
    return session.put("/api/x", data=iter([b"one", b"two"]))


KINDS: dict[Callable[[Session, Path], Response], int] = {
    get: 200,
    get_streamed: 200,
    get_streamed_and_closed_unread: 200,
    head: 200,
    get_through_a_redirect: 200,
    post_json: 200,
    post_multipart: 200,
    upload_a_file: 200,
    upload_a_file_and_stream: 200,
    upload_from_a_generator: 401,
}


@pytest.mark.usefixtures("impatient_pools")
@pytest.mark.parametrize("read_body_first", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_fifty_expiries_of_each_kind_take_one_slot(
    server: AuthServer,
    tmp_path: Path,
    kind: Callable[[Session, Path], Response],
    read_body_first: bool,
) -> None:
    """With a single connection to be had, each of 50 requests meets a 401 and is resent."""
    server.read_body_first = read_body_first
    file = tmp_path / "file"
    file.write_bytes(make_noise(100 * KIB))
    statuses: Counter[int] = Counter()
    with our_session(server, EXPIRED_IN_ANY_WAY, **SMALLEST_POOL) as session:
        for _ in range(50):
            server.expire()
            statuses[kind(session, file).status_code] += 1
    assert statuses == {KINDS[kind]: 50}
    assert server.counters.rotated == 50


@pytest.mark.usefixtures("impatient_pools")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("event", [refresh_is_refused, refresh_is_unavailable, other_401])
def test_requests_that_fail_give_their_slot_back(
    server: AuthServer,
    tmp_path: Path,
    kind: Callable[[Session, Path], Response],
    event: Callable[[AuthServer], None],
) -> None:
    """Refused, unavailable or none of our business: the next request finds the slot free."""
    file = tmp_path / "file"
    file.write_bytes(make_noise(100 * KIB))
    with our_session(server, EXPIRED_IN_ANY_WAY, **SMALLEST_POOL) as session:
        event(server)
        if event is refresh_is_unavailable:
            with pytest.raises(RefreshUnavailable):
                kind(session, file)
        elif event is other_401 and kind is head:  # it has no body that could say "not for you"
            assert kind(session, file).status_code == 200
        else:
            assert kind(session, file).status_code == 401
        assert session.get("/public/x").status_code == 200


@pytest.mark.usefixtures("impatient_pools")
def test_errors_kept_by_the_caller_hold_no_slot(server: AuthServer, clock: Clock) -> None:
    """A caller that collects RefreshUnavailable, with the 401 on each, keeps no connection busy."""
    kept: list[RefreshUnavailable] = []
    with our_session(server, **SMALLEST_POOL) as session:
        server.expire()
        server.fail(Status(500), times=None)
        for _ in range(3):
            with pytest.raises(RefreshUnavailable) as caught:
                session.get("/api/x", stream=True)
            kept.append(caught.value)
            clock.advance(MAX_COOLDOWN)
        assert session.get("/public/x").status_code == 200
    assert [each.response.json() for each in kept if each.response is not None] == [
        {"message": "Invalid JWT"}
    ] * 3
