"""What callers hand in and get back: as with plain requests, whether there was a refresh or not."""

from __future__ import annotations

import copy
import gzip
import io
import json
import pickle
import random
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pytest
import requests
from keyring.backend import KeyringBackend
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3 import HTTPConnectionPool
from urllib3.util import Retry

from requests_jwt_refresh import (
    BearerEndpoint,
    JSONEndpoint,
    JWTRefreshAdapter,
    KeyringStore,
    MemoryStore,
    OAuth2Endpoint,
    RefreshUnavailable,
    Token,
    all_of,
    anonymous,
    any_401,
    any_of,
    bearer_challenge,
    json_field,
    mount,
    presets,
    status,
)
from requests_jwt_refresh.refresh import holding
from requests_jwt_refresh.stores import locking
from requests_jwt_refresh.testing import Delay, Redirect, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from requests import PreparedRequest, Request, Response, Session

    from requests_jwt_refresh.testing import AuthServer, Exchange

REFRESH = JSONEndpoint("/auth/refresh")
EXPIRED = json_field("message", "Invalid JWT")
EXPIRED_IN_ANY_WAY = any_of(bearer_challenge(), EXPIRED)  # a HEAD has no body to say it in
INVALID_JWT = b'{"message": "Invalid JWT"}'


@contextmanager
def plain_session() -> Iterator[Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@contextmanager
def our_session(
    server: AuthServer, when: Callable[[Response], bool] = EXPIRED, **options: Any
) -> Iterator[Session]:
    with plain_session() as session:
        mount(session, server.url, REFRESH, MemoryStore(server.login()), when=when, **options)
        yield session


@pytest.fixture(params=["the session's own adapter sends", "ours sends"])
def session(server: AuthServer, request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session that is logged in. With options for a pool, our adapter does the sending."""
    options: dict[str, Any] = {} if "own" in request.param else {"pool_maxsize": 10}
    with our_session(server, **options) as session:
        yield session


# --- The caller's PreparedRequest ----------------------------------------------------------------


class Snapshot(NamedTuple):
    """All there is in a PreparedRequest, to the bottom."""

    parts: dict[str, int]
    headers: list[tuple[str, Any]]
    hooks: dict[str, list[Any]]
    cookies: list[dict[str, Any]]
    body: Any

    @classmethod
    def of(cls, request: PreparedRequest) -> Snapshot:
        return cls(
            {name: id(part) for name, part in vars(request).items()},
            list(request.headers.items()),
            {event: list(hooks) for event, hooks in request.hooks.items()},
            [dict(vars(cookie)) for cookie in request._cookies or ()],  # noqa: SLF001 - part of what must not change
            bytes(request.body) if isinstance(request.body, bytearray) else request.body,
        )


def with_cookies_and_hook(url: str, _file: Path) -> Request:
    hooks = {"response": [lambda response, **_: response]}
    return requests.Request("GET", url, params={"a": 1}, cookies={"c": "1"}, hooks=hooks)


def with_json(url: str, _file: Path) -> Request:
    return requests.Request("POST", url, json={"a": 1}, headers={"X-Mine": "yes"})


def with_multipart(url: str, file: Path) -> Request:
    return requests.Request("POST", url, files={"f": ("f", file.read_bytes())})


def with_file(url: str, file: Path) -> Request:
    return requests.Request("PUT", url, data=file.open("rb"))


def with_generator(url: str, _file: Path) -> Request:
    return requests.Request("PUT", url, data=iter([b"one", b"two"]))


def with_an_old_bearer(url: str, _file: Path) -> Request:
    return requests.Request("GET", url, headers={"authorization": "Bearer an-old-one"})


REQUESTS = [
    with_cookies_and_hook,
    with_json,
    with_multipart,
    with_file,
    with_generator,
    with_an_old_bearer,
]


def nothing_happens(_server: AuthServer) -> None:
    pass


def token_expires(server: AuthServer) -> None:
    server.expire()
    headers = {"Set-Cookie": "from-401=1", "WWW-Authenticate": 'Bearer error="invalid_token"'}
    answer = Status(401, body=INVALID_JWT, headers=headers)
    server.fail(answer, on="api")


def refresh_is_refused(server: AuthServer) -> None:
    server.expire()
    server.revoke()


def refresh_is_unavailable(server: AuthServer) -> None:
    server.expire()
    server.fail(Status(500))


def other_401(server: AuthServer) -> None:
    server.fail(Status(401, body=b'{"message": "Not for you"}'), on="api")


EVENTS: dict[Callable[[AuthServer], None], int | None] = {
    nothing_happens: 200,
    token_expires: 200,
    refresh_is_refused: 401,
    refresh_is_unavailable: None,
    other_401: 401,
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("build", REQUESTS)
def test_the_prepared_request_is_never_written_on(
    server: AuthServer,
    session: Session,
    tmp_path: Path,
    build: Callable[[str, Path], Request],
    event: Callable[[AuthServer], None],
) -> None:
    """Whatever happens, what the caller has prepared is the same afterwards, part by part."""
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)))
    prepared = session.prepare_request(build(f"{server.url}/api/x", file))
    before = Snapshot.of(prepared)
    event(server)
    status_code: int | None = None
    try:
        status_code = session.send(prepared).status_code
    except RefreshUnavailable:
        pass
    finally:
        if build is with_file:
            prepared.body.close()  # type: ignore[union-attr]
    expected = EVENTS[event]
    if build is with_generator and event is token_expires:
        expected = 401  # it can be sent only once
    assert status_code == expected
    assert Snapshot.of(prepared) == before


def test_a_prepared_request_can_be_sent_again(server: AuthServer, session: Session) -> None:
    """The second time it goes out with the newer token, since the first left no trace in it."""
    prepared = session.prepare_request(requests.Request("POST", f"{server.url}/x", data=b"body"))
    assert session.send(prepared).status_code == 200
    server.expire()
    assert session.send(prepared).status_code == 200
    assert session.send(prepared).status_code == 200
    sent = [(seen.bearer, seen.body) for seen in server.requests if seen.kind == "api"]
    assert [body for _, body in sent] == [b"body"] * 4
    assert len({bearer for bearer, _ in sent}) == 2
    assert sent[2] == sent[3]


def test_an_anonymous_request_is_not_written_on(server: AuthServer, session: Session) -> None:
    """The caller's own object goes out as it is."""
    request = requests.Request("GET", f"{server.url}/public/x", auth=anonymous)
    prepared = session.prepare_request(request)
    before = Snapshot.of(prepared)
    assert session.send(prepared).request is prepared
    assert Snapshot.of(prepared) == before


# --- timeout, verify, cert, proxies, stream ------------------------------------------------------


class Stub(HTTPAdapter):
    """A transport without a network: plays its answers and keeps what it was given."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        super().__init__()
        self.answers = list(answers)
        self.given: list[dict[str, Any]] = []

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        names = ("stream", "timeout", "verify", "cert", "proxies")
        self.given.append({**dict(zip(names, args, strict=False)), **kwargs})
        response = requests.Response()
        response.status_code, content = self.answers.pop(0)
        response.raw = io.BytesIO(content)
        response.request, response.url, response.connection = request, str(request.url), self
        return response


WIRE: dict[str, Any] = {
    "timeout": (3.05, 27),
    "verify": "some/ca.pem",
    "cert": ("some/client.pem", "some/client.key"),
    "proxies": {"https": "http://proxy.example:3128"},
    "stream": True,
}


def of_the_session(_session: requests.Session, _token: Token) -> Token:
    return Token("second")


@pytest.mark.parametrize("wire", [WIRE, {**WIRE, "verify": False, "timeout": None}])
@pytest.mark.parametrize("own", [False, True])
def test_how_to_send_reaches_the_wire_untouched(
    monkeypatch: pytest.MonkeyPatch, wire: dict[str, Any], own: bool
) -> None:
    """Timeout, verify, cert, proxies and stream arrive as given, at the resend as well."""
    stub = Stub((401, b""), (200, b"fine"))
    options: dict[str, Any] = {} if own else {"transport": stub}
    if own:
        monkeypatch.setattr(HTTPAdapter, "send", lambda _adapter, *a, **kw: stub.send(*a, **kw))
    adapter = JWTRefreshAdapter(
        "https://api.example.com", of_the_session, MemoryStore(Token("first", "r")), **options
    )
    with plain_session() as session:
        session.mount("https://api.example.com/", adapter)
        request = session.prepare_request(requests.Request("GET", "https://api.example.com/x"))
        assert session.send(request, **wire).content == b"fine"
    assert stub.given == [wire, wire]
    assert all(given["proxies"] is wire["proxies"] for given in stub.given)


# --- History, request, elapsed, hooks ------------------------------------------------------------


def test_the_history_holds_the_401(server: AuthServer, session: Session) -> None:
    """The 401 is there to look at, with its body and the request that it was given to."""
    server.expire()
    response = session.get("/api/x")
    (refused,) = response.history
    assert (response.status_code, refused.status_code) == (200, 401)
    assert refused.json() == {"message": "Invalid JWT"}
    assert refused.history == []


def test_a_response_knows_what_was_sent(server: AuthServer, session: Session) -> None:
    """Each response has the request that it answers, with the token of then."""
    server.expire()
    response = session.post("/api/x?y=1", data=b"body")
    first, second = [seen for seen in server.requests if seen.kind == "api"]
    assert response.history[0].request.headers["Authorization"] == f"Bearer {first.bearer}"
    assert response.request.headers["Authorization"] == f"Bearer {second.bearer}"
    assert first.bearer != second.bearer
    assert response.request.url == response.url == f"{server.url}/api/x?y=1"
    assert response.request.body == b"body"


def test_an_answer_at_once_has_no_history(server: AuthServer, session: Session) -> None:
    """Nothing is made up: neither for a 200 nor for a 401 that is handed over at once."""
    assert session.get("/api/x").history == []
    other_401(server)
    assert session.get("/api/x").history == []


def test_elapsed_is_what_the_caller_waited(server: AuthServer, session: Session) -> None:
    """From the first sending to the final answer, the refresh in between included."""
    server.expire()
    server.fail(Delay(0.2))
    assert session.get("/api/x").elapsed > timedelta(seconds=0.19)


@pytest.mark.parametrize("of_the_request", [True, False])
def test_hooks_run_once_on_the_final_response(
    server: AuthServer, session: Session, of_the_request: bool
) -> None:
    """Hooks see the final answer alone, and what was asked for with it."""
    seen: list[tuple[int, Any]] = []

    def hook(response: Response, **options: Any) -> None:
        seen.append((response.status_code, options["timeout"]))

    hooks = {"response": hook}
    if not of_the_request:
        session.hooks["response"].append(hook)
    server.expire()
    session.get("/api/x", timeout=7, hooks=hooks if of_the_request else None)
    assert seen == [(200, 7)]


def test_hooks_run_once_on_a_401_that_stands(server: AuthServer, session: Session) -> None:
    """After a refused refresh, the 401 is the final answer."""
    refresh_is_refused(server)
    seen: list[int] = []
    session.get("/api/x", hooks={"response": lambda r, **_: seen.append(r.status_code)})
    assert seen == [401]


def test_a_hook_may_replace_the_response(server: AuthServer, session: Session) -> None:
    """What a hook returns is what the caller gets."""
    mine = requests.Response()
    mine.status_code, mine.raw = 299, io.BytesIO()
    server.expire()
    assert session.get("/api/x", hooks={"response": lambda *_, **__: mine}) is mine


# --- Cookies -------------------------------------------------------------------------------------


def refuse_with_cookie(server: AuthServer, cookie: str) -> None:
    server.fail(Status(401, body=INVALID_JWT, headers={"Set-Cookie": cookie}), on="api")


def sent_cookies(server: AuthServer) -> list[str | None]:
    return [seen.headers.get("Cookie") for seen in server.requests if seen.kind == "api"]


def test_cookies_of_the_401_and_of_the_answer_are_kept(
    server: AuthServer, session: Session
) -> None:
    """The session has both; the resend carries those of the 401."""
    refuse_with_cookie(server, "first=1; Path=/")
    server.fail(Status(200, headers={"Set-Cookie": "second=2; Path=/"}), on="api")
    assert session.get("/api/x").status_code == 200
    assert session.cookies.get_dict() == {"first": "1", "second": "2"}
    assert sent_cookies(server) == [None, "first=1"]


def test_a_cookie_of_the_401_replaces_the_older_one(server: AuthServer, session: Session) -> None:
    """The resend carries the new value, beside what the caller gave for this one request."""
    session.get("/api/x", headers={"Cookie": ""})
    session.cookies.set("sticky", "old", domain="127.0.0.1", path="/")
    refuse_with_cookie(server, "sticky=new; Path=/")
    session.get("/api/x", cookies={"mine": "1"})
    *_, first, second = sent_cookies(server)
    assert set((first or "").split("; ")) == {"sticky=old", "mine=1"}
    assert set((second or "").split("; ")) == {"sticky=new", "mine=1"}
    assert session.cookies.get_dict() == {"sticky": "new"}


def test_a_cookie_that_the_401_deletes_is_not_sent_again(
    server: AuthServer, session: Session
) -> None:
    """Max-Age=0 deletes (RFC 6265 §5.2.2), for the resend as for the session."""
    session.cookies.set("sticky", "old", domain="127.0.0.1", path="/")
    refuse_with_cookie(server, "sticky=; Path=/; Max-Age=0")
    session.get("/api/x")
    assert sent_cookies(server) == ["sticky=old", None]
    assert session.cookies.get_dict() == {}


def test_a_cookie_for_another_path_is_kept_but_not_sent(
    server: AuthServer, session: Session
) -> None:
    """The rules for cookies hold for the resend, too."""
    refuse_with_cookie(server, "elsewhere=1; Path=/elsewhere")
    session.get("/api/x")
    assert sent_cookies(server) == [None, None]
    assert session.cookies.get_dict() == {"elsewhere": "1"}


def test_a_cookie_header_set_by_hand_stays(server: AuthServer, session: Session) -> None:
    """As in plain requests, it goes before the session's cookies, at the resend as well."""
    session.cookies.set("sticky", "old", domain="127.0.0.1", path="/")
    refuse_with_cookie(server, "first=1; Path=/")
    session.get("/api/x", headers={"Cookie": "mine=1"})
    assert sent_cookies(server) == ["mine=1", "mine=1"]


def test_cookies_of_a_401_that_stands_are_kept(server: AuthServer, session: Session) -> None:
    """Neither the matcher's look nor the drained body loses them."""
    server.revoke()
    refuse_with_cookie(server, "first=1; Path=/")
    assert session.get("/api/x").cookies.get_dict() == {"first": "1"}
    assert session.cookies.get_dict() == {"first": "1"}
    server.fail(Status(401, body=b"{}", headers={"Set-Cookie": "other=2; Path=/"}), on="api")
    session.get("/api/x")
    assert session.cookies.get_dict() == {"first": "1", "other": "2"}


# --- Answers, whole ------------------------------------------------------------------------------


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@dataclass(frozen=True)
class Wired:
    """An answer with status 401 just as it goes over the wire."""

    head: str
    body: bytes = field(default=b"", repr=False)
    hangs_up: bool = False

    def play(self, exchange: Exchange) -> None:
        head = f"HTTP/1.1 401 Not Now\r\nX-Twice: a\r\nX-Twice: b\r\n{self.head}\r\n\r\n"
        exchange.send_bytes(head.encode())
        if exchange.seen.method != "HEAD":
            exchange.send_bytes(self.body)
        if self.hangs_up:
            exchange.drop()


def sized(body: bytes, *fields: str, promised: int = 0, hangs_up: bool = False) -> Wired:
    length = f"Content-Length: {promised or len(body)}"
    return Wired("\r\n".join([length, *fields]), body, hangs_up)


def chunked(body: bytes, *fields: str, size: int = 5000, hangs_up: bool = False) -> Wired:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    end = b"" if hangs_up else b"0\r\n\r\n"
    return Wired("\r\n".join(["Transfer-Encoding: chunked", *fields]), coded + end, hangs_up)


def zipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


KIB, MIB = 1024, 1024 * 1024
JSON = "Content-Type: application/json"
GZIP = "Content-Encoding: gzip"

ANSWERS = {
    "json": sized(b'{"message": "Not for you", "a": "\xc3\xa4"}', JSON),
    "lines": sized(b"one\ntwo\r\n\nthree" * 4000, "Content-Type: text/plain; charset=latin-1"),
    "gzip json": sized(zipped(b'{"message": "Not for you"}'), JSON, GZIP),
    "gzip 200 KiB": sized(zipped(noise(200 * KIB)), GZIP),
    "gzip chunked": chunked(zipped(noise(50 * KIB)), GZIP),
    "chunked json": chunked(b'{"message": "Not for you"}', JSON, size=3),
    "chunked 200 KiB": chunked(noise(200 * KIB)),
    "16 KiB - 1": sized(noise(16 * KIB - 1)),
    "16 KiB": sized(noise(16 * KIB)),
    "16 KiB + 1": sized(noise(16 * KIB + 1)),
    "1024 KiB": sized(noise(MIB)),
    "1024 KiB chunked": chunked(noise(MIB), size=64 * KIB),
    "1 MiB + 1": sized(noise(MIB + 1)),
    "3 MiB": sized(noise(3 * MIB)),
    "3 MiB chunked": chunked(noise(3 * MIB), size=64 * KIB),
    "empty": sized(b""),
    "empty chunked": chunked(b""),
    "until it hangs up": Wired("X: y", noise(200 * KIB), hangs_up=True),
    "no body": Wired("Connection: close\r\nX: y", hangs_up=True),
}
UP_TO_1_MIB = {name: each for name, each in ANSWERS.items() if "MiB" not in name}


def read_raw_in_pieces(response: Response) -> bytes:
    return b"".join(iter(lambda: response.raw.read(1000), b""))


def copied_from_raw(response: Response) -> bytes:
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
    "copyfileobj": copied_from_raw,
    "raw as lines": lambda response: b"".join(response.raw),
}
HOW_TO_READ = [(name, True) for name in READERS] + [("content", False), ("iter_content", False)]


def seen_by(response: Response, reader: str) -> dict[str, object]:
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


def taking(server: AuthServer, session: Session, reader: str, **options: Any) -> object:
    """Return what the caller sees of one answer, and how many connections two requests took."""
    before = server.counters.connections
    with session.request(url=f"{server.url}/api/x", **options) as response:
        seen = seen_by(response, reader)
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
            expected = taking(server, plain, reader, stream=stream, **options)
            assert taking(server, ours, reader, stream=stream, **options) == expected, reader
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
            expected = seen_by(plain.request(url=url, stream=stream, **options), reader)
            seen = seen_by(ours.request(url=url, stream=stream, **options), reader)
            assert seen == expected, reader
            assert ours.get("/public/next").status_code == 200
    assert server.counters.refused == len(HOW_TO_READ)


@pytest.mark.parametrize("coding", [sized, chunked])
def test_a_401_larger_than_what_is_kept_is_never_cut_unsaid(
    server: AuthServer, coding: Callable[[bytes], Wired]
) -> None:
    """After a refusal the caller gets all of it, or is told that it is not all."""
    body = noise(3 * MIB)
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
    """A HEAD's 401 promises a body that never comes: nobody waits for it or misses it."""
    with our_session(server, EXPIRED_IN_ANY_WAY) as session:
        event(server)
        if EVENTS[event] is None:
            with pytest.raises(RefreshUnavailable) as caught:
                session.head("/api/x", stream=stream)
            answers = [caught.value.response]
        else:
            response = session.head("/api/x", stream=stream)
            assert response.status_code == EVENTS[event]
            answers = [*response.history, response]
        assert all(answer is not None and answer.content == b"" for answer in answers)
        assert session.get("/public/x").status_code == 200


def test_a_head_has_no_body_to_say_expired_in(server: AuthServer) -> None:
    """Only the matcher decides: one that wants to read a body finds none and says no."""
    with our_session(server, EXPIRED) as session:
        server.expire()
        assert session.head("/api/x").status_code == 401
    assert server.counters.refreshes == 0


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
        mount(session, server.url, REFRESH, MemoryStore(server.login()), when=EXPIRED)
        response = session.get("/api/x")
    assert response.status_code == 401
    assert [step.status for step in response.raw.retries.history] == [503]


@pytest.mark.parametrize("reader", READERS)
def test_the_final_answer_can_be_streamed(
    server: AuthServer, session: Session, reader: str
) -> None:
    """With stream=True the body of the answer after the refresh is read by the caller alone."""
    answer = Status(200, body=noise(3 * MIB), headers={"Content-Type": "text/x; charset=l1"})
    server.fail(answer, on="api")
    with plain_session() as plain:
        expected = READERS[reader](plain.get(f"{server.url}/api/x", stream=True))
    server.fail(Status(401, body=INVALID_JWT), on="api")
    server.fail(answer, on="api")
    with session.get("/api/x", stream=True) as response:
        assert (response.status_code, len(response.history)) == (200, 1)
        assert response.raw.tell() == 0, "nobody has read of it yet"
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

BROKEN = {
    "cut": sized(noise(100), promised=1000, hangs_up=True),
    "cut late": sized(noise(100 * KIB), promised=200 * KIB, hangs_up=True),
    "cut chunked": chunked(noise(100), hangs_up=True),
    "cut chunked late": chunked(noise(100 * KIB), hangs_up=True),
    "bad chunk": Wired("Transfer-Encoding: chunked", b"zz\r\nhm", hangs_up=True),
    "cut json": sized(INVALID_JWT[:-1], promised=1000, hangs_up=True),
    "bad gzip": sized(noise(1000), GZIP),
}


def failure_of(session: Session, url: str, *, stream: bool) -> type[Exception]:
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
        assert failure_of(ours, url, stream=stream) is failure_of(plain, url, stream=stream)
        assert ours.get("/api/x").status_code == 200
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_matched_401_that_breaks_off_is_not_handed_over_as_whole(
    server: AuthServer, broken: str, stream: bool
) -> None:
    """After a refused refresh, whoever reads the torn body meets the error that requests raises."""
    server.fail(BROKEN[broken], on="api", times=2)
    url = f"{server.url}/api/x"
    with plain_session() as plain, our_session(server, any_401) as ours:
        expected = failure_of(plain, url, stream=stream)
        server.revoke()
        assert failure_of(ours, url, stream=stream) is expected


@pytest.mark.parametrize("broken", BROKEN)
def test_a_matched_401_that_breaks_off_is_recovered_from(server: AuthServer, broken: str) -> None:
    """Nobody needs the rest of it."""
    server.fail(BROKEN[broken], on="api")
    with our_session(server, any_401) as session:
        assert session.get("/api/x").status_code == 200
    assert server.counters.rotated == 1


# --- Pools ---------------------------------------------------------------------------------------

SMALLEST_POOL: dict[str, Any] = {"pool_block": True, "pool_maxsize": 1}


@pytest.fixture
def impatient_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool without a free slot is an error after 5 s; urllib3's own would wait for ever."""
    take: Any = HTTPConnectionPool._get_conn  # noqa: SLF001 - urllib3 has no public bound for it

    def take_soon(pool: HTTPConnectionPool, timeout: float | None = None) -> object:
        return take(pool, timeout or 5.0)

    monkeypatch.setattr(HTTPConnectionPool, "_get_conn", take_soon)


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
@pytest.mark.parametrize("answer", ["json", "chunked 200 KiB", "3 MiB"])
@pytest.mark.parametrize("matcher", MATCHERS_THAT_RAISE)
def test_a_matcher_that_raises_leaks_no_connection(
    server: AuthServer, matcher: Callable[[Response], bool], answer: str, data: bytes | None
) -> None:
    """What it raises is the caller's to see, and the only slot of the pool is free again."""
    server.fail(ANSWERS[answer], on="api", times=3)
    with our_session(server, matcher, **SMALLEST_POOL) as session:
        for _ in range(3):
            with pytest.raises(MatcherFault):
                session.post("/api/x", data=data, stream=True)
        assert session.post("/api/x", data=data).status_code == 200
    assert server.counters.refreshes == 0


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
    """With a single connection to be had, each of 50 requests meets a 401 and gets over it."""
    server.read_body_first = read_body_first
    file = tmp_path / "file"
    file.write_bytes(noise(100 * KIB))
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
    file.write_bytes(noise(100 * KIB))
    with our_session(server, EXPIRED_IN_ANY_WAY, **SMALLEST_POOL) as session:
        event(server)
        if event is refresh_is_unavailable:
            with pytest.raises(RefreshUnavailable):
                kind(session, file)
        else:
            assert kind(session, file).status_code == 401
        assert session.get("/public/x").status_code == 200


@pytest.mark.usefixtures("impatient_pools")
def test_errors_kept_by_the_caller_hold_no_slot(
    server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever collects RefreshUnavailable, with the 401 on each, starves nobody."""
    monkeypatch.setattr(holding, "FIRST_PAUSE", 0.0)
    kept: list[RefreshUnavailable] = []
    with our_session(server, **SMALLEST_POOL) as session:
        server.expire()
        server.fail(Status(500), times=None)
        for _ in range(3):
            with pytest.raises(RefreshUnavailable) as caught:
                session.get("/api/x", stream=True)
            kept.append(caught.value)
        assert session.get("/public/x").status_code == 200
    assert [each.response.json() for each in kept if each.response is not None] == [
        {"message": "Invalid JWT"}
    ] * 3


# --- Pickling and copying ------------------------------------------------------------------------


class SharedKeyring(KeyringBackend):
    """A keyring outside of the pickle, as the real one is. Without a priority it is never picked
    by itself."""

    entries: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


new_keyring: Callable[[], KeyringBackend] = SharedKeyring
ASKED: list[str] = []


def ask(session: Session, token: Token) -> Token:
    """Be a refresh callable, login, on_refresh and on_logout that a pickle can name."""
    answer = session.post(f"{ASKED[0]}/auth/refresh", json={"refresh_token": token.refresh}).json()
    return Token(answer["access_token"], answer["refresh_token"])


def log_in(session: Session) -> Token:
    login = {"username": "alice", "password": "right"}
    answer = session.post(f"{ASKED[0]}/auth/login", json=login).json()
    return Token(answer["access_token"], answer["refresh_token"])


def is_expired(response: Response) -> bool:
    return bool(response.json()["message"] == "Invalid JWT")


def told(_value: object) -> None:
    ASKED.append("told")


FORMS: dict[str, dict[str, Any]] = {
    "JSONEndpoint": {"refresh": REFRESH},
    "BearerEndpoint": {"refresh": BearerEndpoint("/auth/refresh")},
    "OAuth2Endpoint": {"refresh": OAuth2Endpoint("/auth/refresh", "me", "s3cret")},
    "a callable": {"refresh": ask},
    "SimpleJWT": {
        "refresh": presets.SimpleJWT(
            "/auth/refresh",
            send="refresh_token",
            access="access_token",
            refresh="refresh_token",
        ),
        "when": any_401,
    },
    "FlaskJWTExtended": {"refresh": presets.FlaskJWTExtended("/auth/refresh"), "when": any_401},
    "any_401": {"when": any_401},
    "json_field": {"when": json_field("message", "Invalid JWT")},
    "bearer_challenge": {"when": bearer_challenge()},
    "status": {"when": status(401, 403)},
    "combined": {"when": all_of(any_of(any_401, status(403)), bearer_challenge())},
    "a matcher of one's own": {"when": is_expired},
    "callbacks": {"login": log_in, "on_refresh": told, "on_logout": told},
    "options": {"refresh_timeout": 7.0, "trusted_origins": ("https://cdn.example.com",)},
    "a pool": {"pool_maxsize": 3, "pool_block": True, "max_retries": Retry(2)},
    "a transport": {"transport": HTTPAdapter(max_retries=Retry(3))},
    "a session": {"refresh_session": requests.Session()},
}


def again_by_pickle(session: Session) -> Session:
    again: Session = pickle.loads(pickle.dumps(session))
    return again


@pytest.mark.parametrize("again", [again_by_pickle, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("form", FORMS)
def test_a_session_comes_back_and_works(
    server: AuthServer, form: str, again: Callable[[Session], Session]
) -> None:
    """Pickled, copied or deep-copied: relative URLs, the token and the refresh go on working."""
    ASKED[:] = [server.url]
    options = dict(FORMS[form])
    refresh = options.pop("refresh", REFRESH)
    with plain_session() as session:
        mount(session, server.url, refresh, MemoryStore(server.login()), **options)
        assert session.get("/api/x").status_code == 200
        with again(session) as copied:
            server.expire()
            answer = copied.get("/api/x")
            assert (answer.status_code, len(answer.history)) == (200, 1)
            assert repr(copied.get_adapter(server.url + "/")) == repr(
                session.get_adapter(server.url + "/")
            )
    assert server.counters.rotated == 1
    assert ("told" in ASKED) == (form == "callbacks")


@pytest.mark.parametrize("again", [again_by_pickle, copy.copy, copy.deepcopy])
def test_options_of_the_pool_come_back(again: Callable[[Session], Session]) -> None:
    """What HTTPAdapter pickles of itself, ours does as well."""
    adapter = JWTRefreshAdapter(
        "https://api.example.com", REFRESH, MemoryStore(), pool_maxsize=3, max_retries=Retry(2)
    )
    with plain_session() as session:
        session.mount("https://api.example.com/", adapter)
        with again(session) as copied:
            back = copied.get_adapter("https://api.example.com/")
            assert isinstance(back, JWTRefreshAdapter)
            assert back.max_retries.total == 2
            assert back.poolmanager.connection_pool_kw["maxsize"] == 3


def test_a_pickled_memory_store_carries_its_tokens(server: AuthServer) -> None:
    """As a pickled Session carries its cookies; what happens to one later is its own affair."""
    with our_session(server) as session, again_by_pickle(session) as again:
        ours, theirs = session.get_adapter(f"{server.url}/"), again.get_adapter(f"{server.url}/")
        assert isinstance(ours, JWTRefreshAdapter)
        assert isinstance(theirs, JWTRefreshAdapter)
        assert theirs.token == ours.token is not None
        ours.clear_token()
        assert theirs.token is not None
        assert again.get("/api/x").status_code == 200


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_shares_the_login(server: AuthServer, copied: Callable[[Session], Session]) -> None:
    """Two copies of one rotating refresh token would log each other out, so there is only one."""
    with our_session(server) as session, copied(session) as other:
        for each in (session, other, session, other):
            server.expire()
            assert each.get("/api/x").status_code == 200
    assert (server.counters.rotated, server.counters.reuse) == (4, 0)


def test_a_pickled_keyring_store_names_the_same_entry(
    server: AuthServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The pickle holds no token; whoever loads it shares the login with whoever made it."""
    monkeypatch.setattr(locking, "_home_in_the_password_database", lambda: tmp_path)
    monkeypatch.setattr(SharedKeyring, "entries", {})
    store = KeyringStore("api.example.com", "alice", backend=new_keyring())
    token = server.login()
    with plain_session() as session:
        mount(session, server.url, REFRESH, store).set_token(token)
        pickled = pickle.dumps(session)
        assert token.access is not None
        assert token.refresh is not None
        assert token.access.encode() not in pickled
        assert token.refresh.encode() not in pickled
        with pickle.loads(pickled) as again:
            server.expire()
            assert again.get("/api/x").status_code == 200
        assert session.get("/api/x").status_code == 200
    assert (server.counters.rotated, server.counters.reuse) == (1, 0)


def test_an_adapter_is_pickled_in_the_middle_of_its_life(server: AuthServer) -> None:
    """Connections, locks and what went wrong lately stay behind; the tokens come along."""
    with our_session(server, **SMALLEST_POOL) as session:
        server.expire()
        server.fail(Status(500))
        with pytest.raises(RefreshUnavailable):
            session.get("/api/x")
        with again_by_pickle(session) as again:
            assert again.get("/api/x").status_code == 200


def test_responses_are_pickled_as_in_plain_requests(server: AuthServer, session: Session) -> None:
    """A final answer with a history, and a 401 that stands, come back with their bodies."""
    server.expire()
    answer = pickle.loads(pickle.dumps(session.get("/api/x")))
    assert (answer.json()["path"], answer.history[0].status_code) == ("/api/x", 401)
    refresh_is_refused(server)
    refused = pickle.loads(pickle.dumps(session.get("/api/x")))
    assert json.loads(refused.content) == {"message": "Invalid JWT"}


def test_the_repr_says_where_it_belongs() -> None:
    """A Session's adapters, looked at in a debugger, tell which is ours."""
    adapter = JWTRefreshAdapter("https://api.example.com/v1", REFRESH, MemoryStore())
    assert repr(adapter) == "<JWTRefreshAdapter https://api.example.com/v1>"


# --- URLs that are not ours ----------------------------------------------------------------------


def test_other_origins_are_sent_to_as_by_a_plain_adapter(server: AuthServer) -> None:
    """Mounted on everything, it is an HTTPAdapter to the rest of the world: no copy, no token."""
    answers: Iterable[Any] = (Redirect(f"{server.url}/public/x"), ANSWERS["json"])
    for answer in answers:
        server.fail(answer, on="api")
    with plain_session() as session:
        adapter = JWTRefreshAdapter(
            "https://api.example.com", REFRESH, MemoryStore(Token("first", "r")), when=any_401
        )
        session.mount("http://", adapter)
        redirected = session.get(f"{server.url}/api/x")
        assert [each.status_code for each in redirected.history] == [307]
        prepared = session.prepare_request(requests.Request("GET", f"{server.url}/api/x"))
        response = session.send(prepared)
    assert response.status_code == 401
    assert response.request is prepared
    assert all("Authorization" not in seen.headers for seen in server.requests)
    assert server.counters.refreshes == 0
