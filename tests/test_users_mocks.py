"""What users put around or below a session: their mocks, caches, limiters and adapters go on."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import requests
import requests_mock
import responses
from cachecontrol import CacheControlAdapter
from requests.adapters import BaseAdapter, HTTPAdapter
from requests_ratelimiter import LimiterAdapter
from urllib3 import HTTPResponse
from urllib3.util import Retry

from requests_jwt_refresh import (
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    Token,
    any_401,
    json_field,
    mount,
)
from requests_jwt_refresh.testing import Drop, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests import PreparedRequest, Response, Session

    from requests_jwt_refresh.testing import AuthServer

API = "https://api.example.com"
USERS = f"{API}/users"
REFRESH_URL = f"{API}/auth/refresh"
REFRESH = JSONEndpoint("/auth/refresh")
EXPIRED = json_field("message", "Invalid JWT")
INVALID_JWT = {"message": "Invalid JWT"}
FRESH = {"access_token": "second", "refresh_token": "r2", "expires_in": 300}


@pytest.fixture
def session() -> Iterator[Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def mount_on(session: Session, **options: Any) -> JWTRefreshAdapter:
    """Mount with a token that the mocked API takes for an expired one."""
    return mount(session, API, REFRESH, MemoryStore(Token("first", "r1")), when=EXPIRED, **options)


def mount_for(session: Session, server: AuthServer, **options: Any) -> JWTRefreshAdapter:
    return mount(session, server.url, REFRESH, MemoryStore(server.login()), when=EXPIRED, **options)


def mount_with_own_pool(session: Session) -> JWTRefreshAdapter:
    return mount_on(session, pool_maxsize=2)


# --- responses -----------------------------------------------------------------------------------


@pytest.fixture
def mocked_api() -> Iterator[responses.RequestsMock]:
    """A RequestsMock that is active, with an API that says 401 first and a refresh endpoint."""
    with responses.RequestsMock() as mocked_api:
        mocked_api.get(USERS, json=INVALID_JWT, status=401)
        mocked_api.get(USERS, json=["alice"])
        mocked_api.post(REFRESH_URL, json=FRESH)
        yield mocked_api


def authorizations(mocked_api: responses.RequestsMock) -> list[str | bytes]:
    calls = [call.request for call in mocked_api.calls if call.request.url == USERS]
    return [call.headers["Authorization"] for call in calls]


@pytest.mark.parametrize("mount_it", [mount_on, mount_with_own_pool])
def test_responses_activated_before_mounting(
    session: Session,
    mocked_api: responses.RequestsMock,
    mount_it: Callable[[Session], JWTRefreshAdapter],
) -> None:
    """The mocked API and the mocked refresh endpoint are asked, and nothing else."""
    mount_it(session)
    response = session.get("/users")
    assert response.json() == ["alice"]
    assert [refused.json() for refused in response.history] == [INVALID_JWT]
    assert authorizations(mocked_api) == ["Bearer first", "Bearer second"]
    assert [call.request.url for call in mocked_api.calls] == [USERS, REFRESH_URL, USERS]
    assert mocked_api.calls[1].request.body == b'{"refresh_token": "r1"}'


@pytest.mark.parametrize("mount_it", [mount_on, mount_with_own_pool])
def test_responses_activated_after_mounting(
    session: Session, mount_it: Callable[[Session], JWTRefreshAdapter]
) -> None:
    """A session made long before, as most are, is mocked all the same."""
    mount_it(session)
    with responses.RequestsMock() as mocked_api:
        mocked_api.get(USERS, json=INVALID_JWT, status=401)
        mocked_api.get(USERS, json=["alice"])
        mocked_api.post(REFRESH_URL, json=FRESH)
        assert session.get("/users").json() == ["alice"]
        assert authorizations(mocked_api) == ["Bearer first", "Bearer second"]


def test_responses_whose_refresh_is_refused(session: Session) -> None:
    """A user's test of being logged out sees the API's own 401."""
    adapter = mount_on(session)
    with responses.RequestsMock() as mocked_api:
        mocked_api.get(USERS, json=INVALID_JWT, status=401, headers={"X-Trace": "7"})
        mocked_api.post(REFRESH_URL, json={"error": "gone"}, status=401)
        response = session.get("/users", stream=True)
    assert (response.status_code, response.headers["X-Trace"]) == (401, "7")
    assert response.json() == INVALID_JWT
    assert adapter.token is None


def test_responses_whose_401_does_not_match(session: Session) -> None:
    """It reaches the caller whole, and the refresh endpoint, which is not mocked, is not asked."""
    mount_on(session)
    with responses.RequestsMock() as mocked_api:
        mocked_api.get(USERS, body=b"x" * 50_000, status=401)
        assert session.get("/users").content == b"x" * 50_000


def test_responses_reads_a_file_and_gets_it_twice(session: Session, tmp_path: Path) -> None:
    """An upload is whole at the resend, although the mock has read it the first time."""
    (tmp_path / "file").write_bytes(b"skipped, sent")
    mount_on(session)
    with responses.RequestsMock() as mocked_api, (tmp_path / "file").open("rb") as file:
        mocked_api.put(USERS, json=INVALID_JWT, status=401)
        mocked_api.put(USERS, json={})
        mocked_api.post(REFRESH_URL, json=FRESH)
        file.seek(len("skipped, "))
        assert session.put("/users", data=file).status_code == 200
        bodies = [call.request.body for call in mocked_api.calls if call.request.url == USERS]
    assert bodies == [b"sent", b"sent"]


def test_what_responses_does_not_know_fails_as_ever(session: Session) -> None:
    """Its ConnectionError passes through untouched."""
    mount_on(session)
    with (
        responses.RequestsMock(),
        pytest.raises(requests.ConnectionError, match="doesn't match any registered mock"),
    ):
        session.get("/users")


def test_responses_may_pass_the_refresh_through(session: Session, server: AuthServer) -> None:
    """The API mocked, the token server real."""
    refresh = JSONEndpoint(f"{server.url}/auth/refresh")
    mount(session, API, refresh, MemoryStore(server.login()), when=EXPIRED)
    with responses.RequestsMock() as mocked_api:
        mocked_api.add_passthru(server.url)
        mocked_api.get(USERS, json=INVALID_JWT, status=401)
        mocked_api.get(USERS, json=["alice"])
        assert session.get("/users").json() == ["alice"]
    assert server.counters.rotated == 1


def test_responses_may_pass_everything_through(session: Session, server: AuthServer) -> None:
    """With a mock active for others, a real API is recovered from as without it."""
    mount_for(session, server)
    server.expire()
    with responses.RequestsMock() as mocked_api:
        mocked_api.add_passthru(server.url)
        assert session.get("/api/x").status_code == 200
    assert (server.counters.rotated, server.counters.unauthorized) == (1, 1)


# --- requests_mock -------------------------------------------------------------------------------


def test_requests_mock_takes_the_place_of_every_adapter(session: Session) -> None:
    """It asks no adapter, so there is neither token nor refresh; relative URLs still work."""
    mount_on(session)
    with requests_mock.Mocker() as mocker:
        mocker.get(USERS, json=INVALID_JWT, status_code=401)
        response = session.get("/users", params={"page": 2})
        assert response.status_code == 401
        assert [seen.url for seen in mocker.request_history] == [f"{USERS}?page=2"]
        assert "Authorization" not in mocker.request_history[0].headers


@pytest.mark.parametrize("of_one_session", [True, False])
def test_requests_mock_lets_real_requests_through(
    session: Session, server: AuthServer, of_one_session: bool
) -> None:
    """With real_http, what is not mocked is sent and recovered by our adapter."""
    mount_for(session, server)
    server.expire()
    options: dict[str, Any] = {"session": session} if of_one_session else {}
    with requests_mock.Mocker(real_http=True, **options) as mocker:
        mocker.get("https://other.example.com/", text="mocked")
        assert session.get("https://other.example.com/").text == "mocked"
        assert session.get("/api/x").status_code == 200
    assert server.counters.rotated == 1


def test_requests_mock_leaves_nothing_behind(session: Session, server: AuthServer) -> None:
    """After it, the session is as it was."""
    mount_for(session, server)
    with requests_mock.Mocker(session=session) as mocker:
        mocker.get(f"{server.url}/api/x", text="mocked")
        assert session.get("/api/x").text == "mocked"
    server.expire()
    assert session.get("/api/x").json()["user"] == "alice"


def test_requests_mocks_adapter_is_kept_as_the_transport(session: Session) -> None:
    """Mounted before ours it goes on answering; given to the refresh session, that as well."""
    below = requests_mock.Adapter()
    below.register_uri(
        "GET", USERS, [{"json": INVALID_JWT, "status_code": 401}, {"json": ["alice"]}]
    )
    below.register_uri("POST", REFRESH_URL, json=FRESH)
    session.mount(API, below)
    with requests.Session() as refresh_session:
        refresh_session.mount(API, below)
        assert mount_on(session, refresh_session=refresh_session).transport is below
        response = session.get("/users")
    assert (response.json(), response.history[0].json()) == (["alice"], INVALID_JWT)
    assert [seen.headers.get("Authorization") for seen in below.request_history] == [
        "Bearer first",
        None,
        "Bearer second",
    ]


def test_requests_mocks_own_scheme_is_left_alone(session: Session) -> None:
    """``mock://`` URLs go to the adapter mounted for them, as they always did."""
    below = requests_mock.Adapter()
    below.register_uri("GET", "mock://test.com/path", text="mocked")
    session.mount("mock://", below)
    mount_on(session)
    assert session.get("mock://test.com/path").text == "mocked"


# --- Transports of one's own ---------------------------------------------------------------------


class Scripted(BaseAdapter):
    """A transport as people write it: a response for each request, made up by `make`."""

    def __init__(self, make: Callable[[bytes], Any], *answers: tuple[int, bytes]) -> None:
        super().__init__()
        self._make = make
        self._answers = list(answers)
        self.sent: list[tuple[Any, Any]] = []
        self.is_closed = False

    def send(self, request: PreparedRequest, *_args: Any, **_options: Any) -> Response:
        self.sent.append((request.headers.get("Authorization"), request.body))
        response = requests.Response()
        response.status_code, body = self._answers.pop(0)
        response.raw = self._make(body)
        response.url = str(request.url)
        return response

    def close(self) -> None:
        self.is_closed = True


def as_urllib3_does(body: bytes) -> HTTPResponse:
    return HTTPResponse(io.BytesIO(body), preload_content=False)


FRESH_TOKEN = Token("second", "r2")
REFUSED = (401, json.dumps(INVALID_JWT).encode())


@pytest.mark.parametrize("make", [io.BytesIO, as_urllib3_does])
def test_a_hand_written_transport_sends(session: Session, make: Callable[[bytes], Any]) -> None:
    """It need not be an HTTPAdapter, nor fill in more of a Response than a Session asks for."""
    transport = Scripted(make, REFUSED, (200, b"fine"))
    store = MemoryStore(Token("first", "r1"))
    mount(session, API, lambda *_: FRESH_TOKEN, store, when=EXPIRED, transport=transport)
    response = session.post("/users", data=b"body")
    assert response.content == b"fine"
    assert transport.sent == [("Bearer first", b"body"), ("Bearer second", b"body")]


@pytest.mark.parametrize("make", [io.BytesIO, as_urllib3_does])
def test_a_hand_written_transports_401_is_whole(
    session: Session, make: Callable[[bytes], Any]
) -> None:
    """One that does not match reaches the caller as the transport made it."""
    transport = Scripted(make, (401, b"not for you"))
    mount_on(session, transport=transport)
    assert session.get("/users").content == b"not for you"


def test_closing_the_session_closes_the_transport(session: Session) -> None:
    """Closing a session closes all of it."""
    transport = Scripted(io.BytesIO)
    mount_on(session, transport=transport)
    session.close()
    assert transport.is_closed


def test_what_a_transport_raises_passes_through(session: Session) -> None:
    """An error of the transport is no matter for a refresh."""
    transport = Scripted(io.BytesIO)
    mount_on(session, transport=transport)
    with pytest.raises(IndexError):
        session.get("/users")


# --- CacheControl --------------------------------------------------------------------------------

CACHEABLE = {"Cache-Control": "max-age=600"}
REFUSAL = Status(401, body=json.dumps(INVALID_JWT).encode())


def api_requests(server: AuthServer) -> list[tuple[str | None, str | None]]:
    """Return the If-None-Match of each API request, and whether it had a token."""
    return [
        (seen.headers.get("If-None-Match"), seen.bearer and "token")
        for seen in server.requests
        if seen.kind == "api"
    ]


@pytest.fixture(params=[CacheControlAdapter, "mounted before"])
def cached(session: Session, server: AuthServer, request: pytest.FixtureRequest) -> Session:
    """A session with CacheControlAdapter below ours, given as the transport or found there."""
    adapter = CacheControlAdapter()
    if request.param == "mounted before":
        session.mount("http://", adapter)
        mount_for(session, server)
    else:
        mount_for(session, server, transport=adapter)
    return session


def test_a_cache_goes_on_caching(server: AuthServer, cached: Session) -> None:
    """The second response comes out of the cache and not over the network."""
    server.fail(Status(200, body=b'"cached"', headers=CACHEABLE), on="api")
    assert cached.get("/api/x").json() == "cached"
    response: Any = cached.get("/api/x")
    assert (response.json(), response.from_cache) == ("cached", True)
    assert api_requests(server) == [(None, "token")]


def test_a_cache_keeps_the_answer_after_the_refresh(server: AuthServer, cached: Session) -> None:
    """Not the 401 is cached but what came in the end; after that, an expiry does not matter."""
    server.fail(REFUSAL, on="api")
    server.fail(Status(200, body=b'"cached"', headers=CACHEABLE), on="api")
    first: Any = cached.get("/api/x")
    assert (first.json(), first.from_cache, len(first.history)) == ("cached", False, 1)
    server.expire()
    again: Any = cached.get("/api/x")
    assert (again.json(), again.from_cache, again.history) == ("cached", True, [])
    assert len(api_requests(server)) == 2
    assert server.counters.refreshes == 1


def test_a_cache_asks_whether_its_answer_still_holds(server: AuthServer, cached: Session) -> None:
    """An ETag is sent with the request and with the resend; the 304 gives the cached response."""
    stale = {"ETag": '"v1"', "Cache-Control": "max-age=0"}
    server.fail(Status(200, body=b'"cached"', headers=stale), on="api")
    assert cached.get("/api/x").json() == "cached"
    server.fail(REFUSAL, on="api")
    server.fail(Status(304, headers=stale), on="api")
    response: Any = cached.get("/api/x")
    assert (response.status_code, response.json(), response.from_cache) == (200, "cached", True)
    assert api_requests(server) == [(None, "token"), ('"v1"', "token"), ('"v1"', "token")]


def test_a_401_through_a_cache_is_whole(server: AuthServer, cached: Session) -> None:
    """One that does not match, and one that stands after a refused refresh."""
    server.fail(Status(401, body=b"x" * 50_000), on="api")
    assert cached.get("/api/x", stream=True).raw.read() == b"x" * 50_000
    server.expire()
    server.revoke()
    assert cached.get("/api/x").json() == INVALID_JWT


# --- Rate limits, retries ------------------------------------------------------------------------


def test_a_rate_limiter_counts_each_sending(session: Session, server: AuthServer) -> None:
    """The resend is a request, too: it takes its turn like the others."""
    limiter = LimiterAdapter(per_second=1000)
    mount_for(session, server, transport=limiter)
    server.expire()
    assert session.get("/api/x").status_code == 200
    (bucket,) = limiter.limiter.bucket_factory.get_buckets()
    assert bucket.count() == 2
    assert server.counters.rotated == 1


def test_the_sessions_retries_stay(session: Session, server: AuthServer) -> None:
    """mount() keeps the adapter that the session had, and its retries, on both sides of a 401."""
    retry = Retry(2, status_forcelist=[503], backoff_factor=0)
    had = HTTPAdapter(max_retries=retry)
    session.mount("http://", had)
    assert mount_for(session, server).transport is had
    for fault in (Status(503), Drop(), REFUSAL, Status(503), Drop()):
        server.fail(fault, on="api")
    assert session.get("/api/x").status_code == 200
    assert (server.counters.faults, server.counters.rotated) == (5, 1)


def test_retries_that_run_out_pass_through(session: Session, server: AuthServer) -> None:
    """RetryError and ConnectionError are raised as in plain requests, and nothing is refreshed."""
    retry = Retry(1, status_forcelist=[503], backoff_factor=0)
    mount_for(session, server, transport=HTTPAdapter(max_retries=retry))
    server.fail(Status(503), on="api", times=2)
    with pytest.raises(requests.exceptions.RetryError):
        session.get("/api/x")
    server.fail(Drop(), on="api", times=2)
    with pytest.raises(requests.ConnectionError):
        session.get("/api/x")
    assert server.counters.refreshes == 0


def test_the_adapters_own_retries_work(session: Session, server: AuthServer) -> None:
    """Given as an option, max_retries is our own pool's, and no other adapter sends."""
    retry = Retry(1, status_forcelist=[503], backoff_factor=0)
    assert mount_for(session, server, max_retries=retry).transport is None
    server.fail(Status(503), on="api")
    assert session.get("/api/x").status_code == 200


# --- mount() -------------------------------------------------------------------------------------


def test_mounting_finds_the_adapter_for_the_base_url(session: Session, server: AuthServer) -> None:
    """Of several adapters it is the one that the base URL would have gone to."""
    theirs = HTTPAdapter()
    session.mount(f"{server.url}/", theirs)
    everything = session.get_adapter("http://elsewhere.example.com/")
    adapter = mount_for(session, server)
    assert adapter.transport is theirs
    assert session.get_adapter("http://elsewhere.example.com/") is everything
    assert session.get_adapter(f"{server.url}/x") is adapter


def test_mounting_twice_does_not_stack_adapters(session: Session, server: AuthServer) -> None:
    """The second adapter replaces the first and takes over its transport: one refresh, no more."""
    first = mount_for(session, server)
    second = mount(session, server.url, REFRESH, MemoryStore(server.login()), when=any_401)
    assert first.transport is second.transport
    assert not isinstance(second.transport, JWTRefreshAdapter)
    assert session.get_adapter(f"{server.url}/x") is second
    server.expire()
    response = session.get("/api/x")
    assert (response.status_code, len(response.history)) == (200, 1)
    assert server.counters.refreshes == 1


def test_no_transport_can_be_asked_for(session: Session, server: AuthServer) -> None:
    """transport=None says that our adapter is to send by itself."""
    assert mount_for(session, server, transport=None).transport is None
    server.expire()
    assert session.get("/api/x").status_code == 200


def test_a_transport_and_a_pool_are_one_too_many(session: Session) -> None:
    """Options for a pool that would never be used are refused, not dropped."""
    with pytest.raises(TypeError, match="pool_maxsize"):
        mount_on(session, transport=HTTPAdapter(), pool_maxsize=3)


# --- unittest.mock -------------------------------------------------------------------------------


def test_a_patched_session_send_gets_the_whole_url(session: Session) -> None:
    """A patched Session.send sees the prepared request, its URL absolute, its params kept."""
    mount_on(session)
    with mock.patch.object(requests.Session, "send", return_value=mock.sentinel.response) as send:
        assert session.get("/users", params={"page": 2}) is mock.sentinel.response
    (prepared,), _ = send.call_args
    assert prepared.url == f"{USERS}?page=2"
    assert "Authorization" not in prepared.headers


def test_a_patched_adapter_send_gets_the_token(session: Session) -> None:
    """A patched HTTPAdapter.send is below our adapter and sees what is sent."""
    mount_on(session)
    response = requests.Response()
    response.status_code, response.raw = 200, io.BytesIO(b"fine")
    with mock.patch.object(HTTPAdapter, "send", autospec=True, return_value=response) as send:
        assert session.get("/users").content == b"fine"
    (_adapter, prepared), _ = send.call_args
    assert prepared.headers["Authorization"] == "Bearer first"
