"""What a transport does to TLS, it does for refreshes; one without a network answers itself."""

from __future__ import annotations

import hashlib
import io
import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import requests
import requests_mock
from requests.adapters import BaseAdapter, HTTPAdapter
from requests_ratelimiter import LimiterAdapter
from requests_toolbelt.adapters.fingerprint import FingerprintAdapter
from requests_toolbelt.adapters.host_header_ssl import HostHeaderSSLAdapter
from requests_toolbelt.adapters.socket_options import SocketOptionsAdapter
from requests_toolbelt.adapters.source import SourceAddressAdapter

from requests_jwt_refresh import (
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    RefreshUnavailable,
    Token,
    mount,
)
from tests.support.tls_server import Endpoint, certificate, tls_server
from tests.support.transports import StubTransport
from tests.support.users import ENDPOINT, INVALID_JWT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests import PreparedRequest, Response, Session

    from requests_jwt_refresh.testing import AuthServer

NAME = "api.internal"
"""A host name that no resolver knows, for servers that are asked for by their address."""


class TokenServer(Endpoint):
    """An API and its refresh endpoint: "new" is the access token that is good."""

    received: list[TokenServer]

    def setup(self) -> None:
        super().setup()
        self.received.append(self)

    def do_GET(self) -> None:  # noqa: N802 - BaseHTTPRequestHandler's name
        is_good = self.headers["Authorization"] == "Bearer new"
        self._answer(200 if is_good else 401, {} if is_good else json.loads(INVALID_JWT))

    def do_POST(self) -> None:  # noqa: N802 - likewise
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"access_token": "new"})

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of servers at 127.0.0.1, which is its own CA."""
    return certificate(tmp_path_factory.mktemp("tls"), 2)


@pytest.fixture(scope="module")
def named_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of NAME, which is its own CA."""
    return certificate(tmp_path_factory.mktemp("tls"), 2, NAME)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[TokenServer]:
    """Each connection that a TokenServer got, as its handler."""
    received: list[TokenServer] = []
    monkeypatch.setattr(TokenServer, "received", received, raising=False)
    return received


@pytest.fixture
def api(ca: Path, received: list[TokenServer]) -> Iterator[str]:
    """The URL of a TokenServer at 127.0.0.1."""
    assert received == []
    with tls_server(ca, TokenServer) as url:
        yield url


@pytest.fixture
def named_api(named_ca: Path, received: list[TokenServer]) -> Iterator[str]:
    """The URL of a TokenServer at 127.0.0.1 that shows the certificate of NAME."""
    assert received == []
    with tls_server(named_ca, TokenServer) as url:
        yield url


def refresh_over(
    session: Session, url: str, transport: BaseAdapter | None, endpoint: Any = ENDPOINT, **to: Any
) -> MemoryStore:
    """Send a request whose token has expired; return the store."""
    store = MemoryStore(Token("old", "refresh"))
    mount(session, url, endpoint, store, transport=transport)
    assert session.get("/api/x", **to).status_code == 200
    assert store.load() == Token("new", "refresh")
    return store


# --- The documented hooks ------------------------------------------------------------------------


class TrustsByPoolKey(HTTPAdapter):
    """As requests' documentation has it since 2.32.3."""

    ca: str

    def build_connection_pool_key_attributes(self, *args: Any, **options: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*args, **options)
        return host, pool | {"ssl_context": ssl.create_default_context(cafile=self.ca)}


class TrustsByConnection(HTTPAdapter):
    """Looks for a connection with another CA than the one it is asked for."""

    ca: str

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        assert verify is not False
        return super().get_connection_with_tls_context(request, self.ca, proxies, cert)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the pool as it is."""


class TrustsByVerifying(HTTPAdapter):
    """Sets its CA on the pool, whatever `verify` is."""

    ca: str

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        assert verify is not False
        super().cert_verify(conn, url, self.ca, cert)


class TrustsByPoolManager(HTTPAdapter):
    """The recipe of old, with a TLS context for all pools."""

    ca: str

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        context = ssl.create_default_context(cafile=self.ca)
        super().init_poolmanager(*args, **options, ssl_context=context)


class TrustsLate(HTTPAdapter):
    """Is given its context after it has been made."""

    ca: str

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        context = ssl.create_default_context(cafile=self.ca)
        self.poolmanager.connection_pool_kw["ssl_context"] = context


class HasOnePool(HTTPAdapter):
    """Returns one and the same pool each time, as pinned clients do."""

    ca: str
    pool: Any = None

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        if self.pool is None:
            self.pool = super().get_connection_with_tls_context(*args, **options)
        return self.pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        assert verify is not False
        super().cert_verify(conn, url, self.ca, cert)


KINDS = [
    TrustsByPoolKey,
    TrustsByConnection,
    TrustsByVerifying,
    TrustsByPoolManager,
    TrustsLate,
    HasOnePool,
]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, ca: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class of adapters that know the CA of `api`, which nobody else does."""
    monkeypatch.setattr(request.param, "ca", str(ca), raising=False)
    return request.param


def test_a_transports_hooks_serve_refreshes(session: Session, api: str, kind: Any) -> None:
    """Whichever hook makes the API reachable makes the refresh endpoint reachable."""
    refresh_over(session, api, kind())


def test_a_forced_refresh_asks_the_hooks_as_well(session: Session, api: str, kind: Any) -> None:
    """refresh() before any request goes the same way."""
    store = MemoryStore(Token("old", "refresh"))
    mount(session, api, ENDPOINT, store, transport=kind()).refresh()
    assert store.load() == Token("new", "refresh")


def test_the_hooks_of_a_subclass_serve_refreshes(session: Session, api: str, kind: Any) -> None:
    """A subclass of our adapter may have them itself."""
    both = type("Both", (JWTRefreshAdapter, kind), {})
    store = MemoryStore(Token("old", "refresh"))
    session.mount(f"{api}/", both(api, ENDPOINT, store))
    assert session.get(f"{api}/api/x").status_code == 200
    assert store.load() == Token("new", "refresh")


def test_the_adapter_that_was_mounted_before_is_asked(
    session: Session, api: str, kind: Any
) -> None:
    """mount() finds it; callables and logins reach the network as endpoints do."""

    def refresh(session: Session, _token: Token) -> Token:
        answer = session.post("/auth/refresh", json={}).json()
        return Token(answer["access_token"], "refresh")

    session.mount("https://", kind())
    store = MemoryStore(Token("old", "refresh"))
    mount(session, api, lambda own, token: refresh(_below(own, api), token), store)
    assert session.get("/api/x").status_code == 200


def _below(session: Session, url: str) -> Any:
    """Return the session, its relative URLs below `url`, as the refresher will make it."""
    session.base_url = url  # type: ignore[attr-defined]
    return session


def test_the_hooks_are_asked_with_the_refresh_request(session: Session, server: AuthServer) -> None:
    """What they do may depend on the URL."""
    asked: list[tuple[str | None, str | None]] = []

    class Curious(HTTPAdapter):
        def build_connection_pool_key_attributes(self, request: Any, *args: Any) -> Any:
            asked.append((request.method, request.url))
            return super().build_connection_pool_key_attributes(request, *args)

    store = MemoryStore(server.login())
    mount(session, server.url, ENDPOINT, store, transport=Curious())
    server.expire()
    assert session.get("/api/x").status_code == 200
    api = ("GET", f"{server.url}/api/x")
    assert asked == [api, ("POST", f"{server.url}/auth/refresh"), api]


def test_a_refresh_leaves_the_transports_pools_as_they_were(
    session: Session, server: AuthServer
) -> None:
    """It connects by itself: neither its retries nor its hanging up are the API's."""
    transport = HTTPAdapter(pool_maxsize=1, pool_block=True)
    mount(session, server.url, ENDPOINT, MemoryStore(server.login()), transport=transport)
    server.expire()
    assert session.get("/api/x").status_code == 200
    pools = transport.poolmanager.pools
    (pool,) = [pools[key] for key in pools.keys()]  # noqa: SIM118 - it is no dict
    assert (pool.num_connections, pool.num_requests) == (1, 2)
    assert "ConnectionCls" not in vars(pool)


# --- Adapters that people use --------------------------------------------------------------------


def fingerprint(file: Path) -> str:
    pem = (
        "-----BEGIN CERTIFICATE-----" + file.read_text().partition("-----BEGIN CERTIFICATE-----")[2]
    )
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def test_a_fingerprint_holds_for_the_refresh(session: Session, api: str, ca: Path) -> None:
    """The one certificate that the API may show is the one that its refresh endpoint may show."""
    refresh_over(session, api, FingerprintAdapter(fingerprint(ca)), verify=False)


def test_a_wrong_fingerprint_is_refused(
    session: Session, api: str, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent, refresh token or other, to a server that shows another certificate."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))
    wrong = FingerprintAdapter("00" * 32)
    store = MemoryStore(Token("old", "refresh"))
    adapter = mount(session, api, ENDPOINT, store, transport=wrong)
    with pytest.raises(RefreshUnavailable, match="SSLError"):
        adapter.refresh()


@pytest.mark.parametrize("is_named", [True, False])
def test_the_apis_pins_are_not_for_other_hosts(
    session: Session, named_api: str, api: str, ca: Path, named_ca: Path, is_named: bool
) -> None:
    """The API shows one certificate and name, the refresh endpoint elsewhere its own."""
    both = ca.parent / "both.pem"
    both.write_bytes(ca.read_bytes() + named_ca.read_bytes())

    class Pinned(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            pins: dict[str, Any] = {
                "assert_fingerprint": fingerprint(named_ca),
                "assert_hostname": NAME,
            }
            if is_named:
                pins = {"assert_hostname": NAME, "server_hostname": NAME}
            options |= pins
            super().init_poolmanager(*args, **options)

    endpoint = JSONEndpoint(f"{api}/auth/refresh")
    refresh_over(session, named_api, Pinned(), endpoint, verify=str(both))


def test_the_pins_of_a_host_hold_for_it(
    session: Session, named_api: str, api: str, ca: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook that pins each host to its own certificate is heard about the refresh host, too."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))

    class PinsEach(HTTPAdapter):
        def build_connection_pool_key_attributes(self, request: Any, *args: Any) -> Any:
            host, pool = super().build_connection_pool_key_attributes(request, *args)
            is_api = str(request.url).startswith(f"{named_api}/")
            return host, pool | {"assert_fingerprint": ("11" if is_api else "00") * 32}

    store = MemoryStore(Token("old", "refresh"))
    endpoint = JSONEndpoint(f"{api}/auth/refresh")
    adapter = mount(session, named_api, endpoint, store, transport=PinsEach())
    with pytest.raises(RefreshUnavailable, match="SSLError"):
        adapter.refresh()


def test_a_name_in_the_host_header(
    session: Session, named_api: str, named_ca: Path, received: list[TokenServer]
) -> None:
    """HostHeaderSSLAdapter: the API is asked for by its address, the refresh endpoint as well."""
    session.headers["Host"] = NAME
    refresh_over(session, named_api, HostHeaderSSLAdapter(), verify=str(named_ca))
    assert {each.headers["Host"] for each in received} == {NAME}


def test_a_source_address(
    session: Session, api: str, ca: Path, received: list[TokenServer]
) -> None:
    """SourceAddressAdapter: the refresh comes from the address that requests come from."""
    refresh_over(session, api, SourceAddressAdapter("127.0.0.2"), verify=str(ca))
    assert {each.client_address[0] for each in received} == {"127.0.0.2"}
    assert len(received) == 2


def test_socket_options_and_a_rate_limit(session: Session, api: str, ca: Path) -> None:
    """They go on; a refresh takes no turn of the limiter's, which may be used up."""
    refresh_over(session, api, SocketOptionsAdapter(), verify=str(ca))
    refresh_over(session, api, LimiterAdapter(per_second=1000), verify=str(ca))


# --- Stand-ins -----------------------------------------------------------------------------------


def answer_as_server(request: PreparedRequest) -> tuple[int, bytes]:
    if request.method == "POST":
        return 200, b'{"access_token": "new"}'
    is_good = request.headers.get("Authorization") == "Bearer new"
    return (200, b"fine") if is_good else (401, INVALID_JWT)


class Plain(BaseAdapter):
    """A WSGI adapter, or a fake, as people write them: no HTTPAdapter."""

    def __init__(self, make: Callable[[bytes], Any] = io.BytesIO) -> None:
        super().__init__()
        self.make = make
        self.sent: list[tuple[str | None, str | None]] = []
        self.timeouts: list[Any] = []
        self.is_closed = False

    def send(self, request: PreparedRequest, *_args: Any, **options: Any) -> Response:
        self.sent.append((request.method, request.url))
        self.timeouts.append(options["timeout"])
        response = requests.Response()
        response.status_code, body = answer_as_server(request)
        response.raw = self.make(body)
        if response.raw is None:
            vars(response)["_content"] = body
        response.url = str(request.url)
        return response

    def close(self) -> None:
        self.is_closed = True


def make_nothing(_body: bytes) -> None:
    """Some fakes fill in a response's content, and leave it without a raw one."""


API = "https://api.example.com"
REFRESH_URL = f"{API}/auth/refresh"


@pytest.mark.parametrize("make", [io.BytesIO, make_nothing])
def test_a_stand_in_answers_refreshes(session: Session, make: Callable[[bytes], Any]) -> None:
    """Behind a fake the real token server is not asked."""
    fake = Plain(make)
    refresh_over(session, API, fake)
    assert [each for each in fake.sent if each[0] == "POST"] == [("POST", REFRESH_URL)]
    assert not fake.is_closed
    assert isinstance(fake.timeouts[1], float)
    assert 29 < fake.timeouts[1] <= 30


def test_a_fake_that_is_an_http_adapter_answers_refreshes(session: Session) -> None:
    """A class that puts its own answers in place of HTTPAdapter.send is a fake as well."""
    fake = StubTransport(answer_as_server)
    refresh_over(session, API, fake)
    assert [str(each.url) for each in fake.sent if each.method == "POST"] == [REFRESH_URL]


def test_a_mocked_send_answers_refreshes(session: Session) -> None:
    """So is an adapter whose `send` is a Mock."""
    from unittest import mock

    adapter = HTTPAdapter()
    adapter.send = mock.Mock(side_effect=Plain().send)  # type: ignore[method-assign]
    refresh_over(session, API, adapter)
    assert [call.args[0].method for call in adapter.send.mock_calls] == ["GET", "POST", "GET"]


def test_requests_mocks_adapter_answers_refreshes(session: Session) -> None:
    """requests_mock.Adapter, mounted before, is asked for the token as well."""
    fake = requests_mock.Adapter()
    answers: list[dict[str, Any]] = [{"content": INVALID_JWT, "status_code": 401}, {"text": "fine"}]
    fake.register_uri("GET", f"{API}/api/x", answers)
    fake.register_uri("POST", REFRESH_URL, json={"access_token": "new"})
    session.mount("https://", fake)
    store = MemoryStore(Token("old", "refresh"))
    mount(session, API, ENDPOINT, store)
    assert session.get("/api/x").text == "fine"
    assert store.load() == Token("new", "refresh")


@pytest.mark.parametrize("is_http_adapter", [True, False])
def test_a_stand_in_is_asked_for_its_own_origins_alone(
    session: Session, server: AuthServer, is_http_adapter: bool
) -> None:
    """For another origin nothing is sent, neither to the fake nor to the real server."""
    fake: Any = StubTransport(answer_as_server) if is_http_adapter else Plain()
    endpoint = JSONEndpoint(f"{server.url}/auth/refresh")
    store = MemoryStore(Token("old", "refresh"))
    mount(session, API, endpoint, store, transport=fake)
    with pytest.raises(RefreshUnavailable, match="refresh_session=") as caught:
        session.get("/api/x")
    assert f"nothing was sent to {server.url}/auth/refresh" in caught.value.cause
    assert len(fake.sent) == 1
    assert server.requests == []
    assert store.load() == Token("old", "refresh")


def test_nor_do_callables_and_logins_pass_a_stand_in(session: Session, server: AuthServer) -> None:
    """The session that they are given is bound to it as well."""

    def refresh(session: Session, _token: Token) -> Token:
        answer = session.post(f"{server.url}/auth/refresh").json()
        return Token(answer["access_token"])

    mount(session, API, refresh, MemoryStore(Token("old", "refresh")), transport=Plain())
    with pytest.raises(RefreshUnavailable, match="refresh_session="):
        session.get("/api/x")
    assert server.requests == []


def test_a_trusted_origin_is_a_stand_ins_own(session: Session) -> None:
    """It is mounted for that one, too."""
    fake = Plain()
    endpoint = JSONEndpoint("https://auth.example.com/refresh")
    store = MemoryStore(Token("old", "refresh"))
    trusted = ["https://auth.example.com"]
    mount(session, API, endpoint, store, transport=fake, trusted_origins=trusted)
    assert session.get("/api/x").content == b"fine"
    assert ("POST", "https://auth.example.com/refresh") in fake.sent


@pytest.mark.parametrize("prefix", ["https://", "https://auth.example.com", "HTTPS://auth.example"])
def test_a_stand_in_answers_wherever_the_session_has_it(session: Session, prefix: str) -> None:
    """A fake mounted on all of https stands for the token server as well."""
    fake = Plain()
    session.mount(prefix, fake)
    session.mount(API, fake)
    endpoint = JSONEndpoint("https://auth.example.com/refresh")
    mount(session, API, endpoint, MemoryStore(Token("old", "refresh")))
    assert session.get("/api/x").content == b"fine"
    assert ("POST", "https://auth.example.com/refresh") in fake.sent


def test_another_adapter_in_between_is_not_the_stand_ins(session: Session) -> None:
    """What the session would send by a nearer mount is not the fake's to answer."""
    fake = Plain()
    session.mount("https://", fake)
    session.mount("https://auth.example.com", HTTPAdapter())
    endpoint = JSONEndpoint("https://auth.example.com/refresh")
    mount(session, API, endpoint, MemoryStore(Token("old", "refresh")))
    with pytest.raises(RefreshUnavailable, match="nothing was sent"):
        session.get("/api/x")
    assert len(fake.sent) == 1


def test_a_refresh_session_goes_past_a_stand_in(session: Session, server: AuthServer) -> None:
    """The remedy works: the token server is real if the user says so."""
    store = MemoryStore(server.login())
    endpoint = JSONEndpoint(f"{server.url}/auth/refresh")
    with requests.Session() as own:
        own.trust_env = False
        adapter = mount(session, API, endpoint, store, transport=Plain(), refresh_session=own)
        adapter.refresh()
    assert server.counters.rotated == 1


class Wrapped(HTTPAdapter):
    """A wrapper around HTTPAdapter.send, as retries, caches and limiters are."""

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        return self._do(request, *args, **options)

    def _do(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        assert request.method == "GET"
        return super().send(request, *args, **options)


def wrap_instance() -> HTTPAdapter:
    adapter = HTTPAdapter()
    send = adapter.send

    def send_again(request: PreparedRequest, **options: Any) -> Response:
        return send(request, **options)

    vars(adapter)["send"] = send_again
    return adapter


def limit() -> HTTPAdapter:
    return LimiterAdapter(per_second=1000)


@pytest.mark.parametrize("make", [Wrapped, wrap_instance, limit])
def test_a_wrapper_around_the_network_is_no_stand_in(
    session: Session, server: AuthServer, make: Callable[[], HTTPAdapter]
) -> None:
    """Its hooks are asked, and not its `send`: a cache or a limiter is for the API."""
    other = JSONEndpoint(f"http://localhost:{server.url.rpartition(':')[2]}/auth/refresh")
    store = MemoryStore(server.login())
    mount(session, server.url, other, store, transport=make())
    server.expire()
    assert session.get("/api/x").status_code == 200
    assert server.counters.rotated == 1
