"""What the hot path keeps instead of looking it up each time, and when it must look again."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh import InvalidURL, JSONEndpoint, JWTRefreshAdapter, MemoryStore, Token
from requests_jwt_refresh.refresh.limits import LoopGuard
from requests_jwt_refresh.urls import origin_of
from tests.support.transports import StubTransport

if TYPE_CHECKING:
    from collections.abc import Callable

ORIGIN = "https://short.example.com"
BASE = f"{ORIGIN}/v1"
BEARER = "Bearer access"


def make_adapter(base: str = BASE, **options: Any) -> JWTRefreshAdapter:
    store = MemoryStore(Token("access", "r1"))
    options.setdefault("transport", StubTransport(lambda _request: (200, b"")))
    return JWTRefreshAdapter(base, JSONEndpoint(f"{base}/auth/refresh"), store, **options)


@pytest.fixture
def stub() -> StubTransport:
    return StubTransport(lambda _request: (200, b""))


@pytest.fixture
def adapter(stub: StubTransport) -> JWTRefreshAdapter:
    return make_adapter(transport=stub)


@pytest.fixture
def session(adapter: JWTRefreshAdapter) -> requests.Session:
    """A session that has sent a relative URL already."""
    session = requests.Session()
    session.mount(f"{ORIGIN}/", adapter)
    assert prepare(session) == f"{BASE}/users"
    return session


def prepare(session: requests.Session, url: str = "/users") -> str | None:
    return session.prepare_request(requests.Request("GET", url)).url


# --- What is known of a session ------------------------------------------------------------------


def test_an_adapter_that_is_gone_takes_no_relative_urls(session: requests.Session) -> None:
    """Then the session is a plain one again."""
    del session.adapters[f"{ORIGIN}/"]
    with pytest.raises(requests.exceptions.MissingSchema):
        prepare(session)


def test_a_second_base_url_makes_them_ambiguous(session: requests.Session) -> None:
    """Also if it is mounted after the first request."""
    session.mount("https://other.example.com/", make_adapter("https://other.example.com/v2"))
    with pytest.raises(InvalidURL, match="ambiguous"):
        prepare(session)
    del session.adapters["https://other.example.com/"]
    assert prepare(session) == f"{BASE}/users"


def test_another_adapter_in_its_place_has_its_own_base_url(session: requests.Session) -> None:
    """Under the same prefix."""
    session.mount(f"{ORIGIN}/", make_adapter(f"{ORIGIN}/v2"))
    assert prepare(session) == f"{ORIGIN}/v2/users"


def test_another_base_url_of_the_same_adapter_is_noticed(
    session: requests.Session, adapter: JWTRefreshAdapter
) -> None:
    """It is a public attribute."""
    adapter.base_url = f"{ORIGIN}/v3"
    assert prepare(session) == f"{ORIGIN}/v3/users"


@pytest.mark.parametrize("prefix", [f"{BASE}/files/", f"{BASE}/FILES", f"{BASE}/files/big"])
def test_an_adapter_below_the_base_url_is_noticed(session: requests.Session, prefix: str) -> None:
    """Its URLs would go without a token; all others go as before."""
    session.mount(prefix, HTTPAdapter())
    assert prepare(session) == f"{BASE}/users"
    with pytest.raises(InvalidURL, match="without a token"):
        prepare(session, "/files/big")


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_other_mounts_as_a_whole_are_noticed(session: requests.Session, kind: type) -> None:
    """The order counts as well: the first prefix that fits decides."""
    session.mount("https:", HTTPAdapter())
    assert prepare(session) == f"{BASE}/users"
    session.adapters = kind(reversed(list(session.adapters.items())))
    assert next(iter(session.adapters)) != f"{ORIGIN}/"
    with pytest.raises(InvalidURL, match="without a token"):
        prepare(session)


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_mounts_in_any_mapping_do(adapter: JWTRefreshAdapter, kind: type) -> None:
    """Some programs put a dict there."""
    session = requests.Session()
    session.adapters = kind({f"{ORIGIN}/": adapter})
    assert prepare(session) == prepare(session) == f"{BASE}/users"
    session.adapters[f"{BASE}/files"] = HTTPAdapter()
    session.adapters = kind(reversed(list(session.adapters.items())))
    with pytest.raises(InvalidURL, match="without a token"):
        prepare(session, "/files")


class _KeepsAll(requests.Session):
    """A session that is pickled with all that it has."""

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@pytest.mark.parametrize("kind", [requests.Session, _KeepsAll])
@pytest.mark.parametrize(
    "make",
    [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_goes_by_its_own_mounts(
    make: Callable[[requests.Session], requests.Session], kind: type[requests.Session]
) -> None:
    """What is known of a session is not handed on."""
    session = kind()
    session.mount(f"{ORIGIN}/", make_adapter(transport=HTTPAdapter()))
    assert prepare(session) == f"{BASE}/users"
    other = make(session)
    assert prepare(other) == f"{BASE}/users"
    other.adapters = OrderedDict(other.adapters)
    del other.adapters[f"{ORIGIN}/"]
    with pytest.raises(requests.exceptions.MissingSchema):
        prepare(other)
    assert prepare(session) == f"{BASE}/users"


@pytest.mark.usefixtures("session")
def test_a_session_without_our_adapter_gets_no_attribute() -> None:
    """It stays as it was, whatever other sessions do."""
    other = requests.Session()
    before = set(vars(other))
    prepare(other, f"{BASE}/users")
    assert set(vars(other)) == before


@pytest.mark.parametrize(
    "url",
    [
        "/a/b.json?x=1#top",
        "a.b",
        "a.",
        "/a/./b",
        "a?next=../x",
        "a?next=http://x",
        "/a:b",
        "//evil.example.com/x",
        "..",
        "/../x",
        "a/../..",
        "/a/../../x",
        "a/..",
        "/a/%2e%2e/%2e%2e/x",
        "/.;/../..",
        "a\\..\\..",
        "a b",
        "users:active",
        "\t/x",
        "/\n..",
        "?q",
        "#f",
        "",
        "-",
    ],
)
def test_the_short_way_is_the_long_way(session: requests.Session, url: str) -> None:
    """To one place, or to one error: with a second adapter of ours there is no short way."""

    def outcome(of: requests.Session) -> str:
        try:
            return str(prepare(of, url))
        except requests.RequestException as error:
            return f"{type(error).__name__}: {error}"

    other = requests.Session()
    other.mount(f"{ORIGIN}/", make_adapter())
    other.mount("https://", make_adapter(BASE))
    assert outcome(session) == outcome(other)


# --- Whose URL it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"{ORIGIN}/",
        f"{ORIGIN}:443/x",
        f"{ORIGIN}",
        f"{ORIGIN}?x=/",
        f"{ORIGIN}#x/",
        f"{ORIGIN}:443",
        "HTTPS://SHORT.EXAMPLE.COM/x",
        f"{ORIGIN}./x",
        f"{ORIGIN}.evil.com/",
        f"{ORIGIN}@evil.com/",
        f"{ORIGIN}:443@evil.com/",
        f"{ORIGIN}:443:pw@evil.com/",
        f"{ORIGIN}\\@evil.com/",
        f"{ORIGIN}/\\@evil.com/",
        f"{ORIGIN}/@evil.com/",
        f"{ORIGIN}//evil.com/",
        f"{ORIGIN}:8443/",
        f"{ORIGIN}\t/",
        f" {ORIGIN}/",
        "http://short.example.com/",
        "https:///short.example.com/",
        "https://me:pw@short.example.com/",
        "https://evil.com/https://short.example.com/",
        "",
        None,
        b"https://short.example.com/",
    ],
)
def test_the_beginning_of_a_url_says_what_its_origin_says(
    adapter: JWTRefreshAdapter, url: Any
) -> None:
    """None is ours by its first letters that is not ours by its origin, nor the other way round."""
    assert adapter._serves(url) is (origin_of(url) == origin_of(BASE))  # noqa: SLF001 - what is asked


# --- What a copy of the request is ---------------------------------------------------------------


class _OwnHeaders(CaseInsensitiveDict):  # type: ignore[type-arg]
    """Headers of the caller's own class."""

    def copy(self) -> _OwnHeaders:
        return _OwnHeaders(self.items())


class _OwnRequest(requests.PreparedRequest):
    """A request of the caller's own class, with what no `__dict__` has."""

    __slots__ = ("note",)
    note: str


@pytest.mark.parametrize("kind", [CaseInsensitiveDict, _OwnHeaders, dict])
def test_headers_of_any_kind_stay_as_they_are(
    session: requests.Session, stub: StubTransport, kind: Any
) -> None:
    """The caller's have no token, those that are sent are of the same class."""
    request = session.prepare_request(requests.Request("GET", BASE))
    request.headers = kind({"x-own": "1"})
    session.send(request)
    (sent,) = stub.sent
    assert dict(request.headers) == {"x-own": "1"}
    assert type(sent.headers) is kind
    assert dict(sent.headers) == {"x-own": "1", "Authorization": BEARER}


@pytest.mark.parametrize("kind", [CaseInsensitiveDict, _OwnHeaders])
@pytest.mark.parametrize("name", ["authorization", "AUTHORIZATION"])
def test_a_header_of_the_callers_is_seen_however_it_is_written(
    session: requests.Session, stub: StubTransport, kind: Any, name: str
) -> None:
    """Names of headers have no case."""
    request = session.prepare_request(requests.Request("GET", BASE))
    request.headers = kind({name: "Basic eDp5"})
    session.send(request)
    assert stub.authorizations() == ["Basic eDp5"]


def test_a_request_of_another_class_is_copied_as_that_class_has_it(
    session: requests.Session, stub: StubTransport
) -> None:
    """With its slots."""
    request = _OwnRequest()
    request.prepare("GET", BASE)
    request.note = "mine"
    session.send(request)
    (sent,) = stub.sent
    assert type(sent) is _OwnRequest
    assert sent.note == "mine"
    assert "Authorization" not in request.headers


def test_what_an_adapter_does_to_the_copy_is_not_seen_by_the_caller(
    session: requests.Session, stub: StubTransport
) -> None:
    """Attributes and headers alike."""
    request = session.prepare_request(requests.Request("GET", BASE, headers={"X-Own": "1"}))
    session.send(request)
    (sent,) = stub.sent
    sent.url, sent.headers["X-Own"] = "changed", "2"
    assert (request.url, request.headers["X-Own"]) == (BASE, "1")


# --- What is remembered of a request -------------------------------------------------------------


def test_a_refresh_between_requests_goes_as_the_last_request_went(
    adapter: JWTRefreshAdapter, session: requests.Session
) -> None:
    """With its certificates and proxies, and those of no unverified request."""
    proxies = {"https": "http://proxy.example.com"}
    options: dict[str, Any] = {"cert": "client.pem", "proxies": proxies}
    session.get("/users", verify="ca.pem", headers={"host": "inner"}, **options)
    session.get("/users", verify=False)
    found = adapter._usual_options()  # noqa: SLF001 - what a refresh would get
    assert (found.verify, found.cert, found.host) == ("ca.pem", "client.pem", "inner")
    assert dict(found.proxies or {})["https"] == proxies["https"]
    assert found.url == f"{BASE}/users"


def test_no_body_is_kept(adapter: JWTRefreshAdapter, stub: StubTransport) -> None:
    """An upload may be large."""

    class Body:
        def __iter__(self) -> Any:
            return iter([b"x"])

    body = Body()
    gone = weakref.ref(body)
    request = requests.Request("POST", BASE, data=body).prepare()
    adapter.send(request)
    stub.sent.clear()
    del request, body
    gc.collect()
    assert gone() is None


# --- What is noted of a token that is accepted ---------------------------------------------------


@pytest.mark.parametrize("what", ["unconfirmed", "loop guard", "mark"])
def test_that_a_token_is_accepted_is_noted_where_it_is_news(
    adapter: JWTRefreshAdapter, what: str
) -> None:
    """Each of the three alone: it is new, or it was refused, at this place or another one."""
    token = adapter.token
    assert token is not None
    request = requests.Request("GET", BASE).prepare()
    shared = adapter._refresher._shared  # noqa: SLF001 - each of its parts is looked at
    if what == "unconfirmed":
        shared.memory.unconfirmed = token
    elif what == "loop guard":
        (noted,) = shared.loop_guard.note_refused(token).refused
        shared.loop_guard = LoopGuard((replace(noted, was_good=False),))
    else:
        shared.marks.set(("GET", BASE), token)
    adapter.send(request)
    assert shared.memory.unconfirmed is None
    assert all(each.was_good for each in shared.loop_guard.refused)
    assert len(shared.marks) == 0


# --- Which statuses are looked at ----------------------------------------------------------------


class _Moody:
    """A matcher of the user's, whose statuses change."""

    def __init__(self) -> None:
        self.statuses = {401}
        self.asked: list[int] = []

    def __call__(self, response: requests.Response) -> bool:
        self.asked.append(response.status_code)
        return False


def test_the_statuses_of_a_users_matcher_are_asked_for_each_time() -> None:
    """Only those of a matcher made here never change."""
    matcher = _Moody()
    transport = StubTransport(lambda _request: (418, b""))
    adapter = make_adapter(when=matcher, transport=transport)
    request = requests.Request("GET", BASE).prepare()
    adapter.send(request)
    assert matcher.asked == []
    matcher.statuses = {418}
    adapter.send(request)
    assert matcher.asked == [418]
