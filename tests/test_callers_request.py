"""The caller's request: never written on, and sent just as the caller says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
from requests.adapters import HTTPAdapter

from requests_jwt_refresh import (
    JWTRefreshAdapter,
    MemoryStore,
    RefreshUnavailable,
    Token,
    anonymous,
    any_401,
)
from requests_jwt_refresh.testing import Redirect
from tests.support.answers import ANSWERS
from tests.support.callers import EVENTS, session, token_expires
from tests.support.sessions import plain_session
from tests.support.transports import StubTransport
from tests.support.users import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from requests import PreparedRequest, Request, Session

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["session"]  # a fixture


# --- The PreparedRequest -------------------------------------------------------------------------


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
    answers = iter([(401, b""), (200, b"fine")])
    stub = StubTransport(lambda _request: next(answers))
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
    assert stub.options == [wire, wire]
    assert all(given["proxies"] is wire["proxies"] for given in stub.options)


# --- URLs that are not ours ----------------------------------------------------------------------


def test_other_origins_are_sent_to_as_by_a_plain_adapter(server: AuthServer) -> None:
    """Mounted on everything, it is an HTTPAdapter to the rest of the world: no copy, no token."""
    answers: Iterable[Any] = (Redirect(f"{server.url}/public/x"), ANSWERS["json"])
    for answer in answers:
        server.fail(answer, on="api")
    with plain_session() as session:
        adapter = JWTRefreshAdapter(
            "https://api.example.com", ENDPOINT, MemoryStore(Token("first", "r")), when=any_401
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
