"""Where the token goes, seen by those who receive it; the table of origins is in test_urls.py."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import ssl
import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from requests.adapters import HTTPAdapter

from requests_jwt_refresh import (
    BearerEndpoint,
    InsecureURL,
    InvalidURL,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    OAuth2Endpoint,
    RefreshUnavailable,
    Token,
    anonymous,
    mount,
)
from requests_jwt_refresh.testing import AuthServer, Headers, Redirect
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests_jwt_refresh import Endpoint


API = "https://api.example.com"
BASE = f"{API}/v1"
ACCESS, REFRESH = "access-secret", "refresh-secret"
BEARER = f"Bearer {ACCESS}"
EVERYWHERE = ("https://", "http://")
HOSTS = [
    "api.example.com",
    "www.api.example.com",
    "example.com",
    "cdn.example.com",
    "cdn.example.com.evil.com",
    "auth.example.com",
    "api.example.community",
    "api.example.com.evil.com",
    "evil.com",
    "localhost",
]
ADDRESSES = ["127.0.0.1", "127.0.0.2", "::1"]


# --- Every host there is -------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """A request as the host that it was for received it."""

    method: str
    url: str
    headers: Headers
    body: bytes

    @property
    def origin(self) -> str:
        return "/".join(self.url.split("/", 3)[:3])

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")

    def holds(self, secret: str) -> bool:
        return secret in "\n".join([self.url, *self.headers.values(), self.body.decode("latin-1")])


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


def to(location: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": location})


def json_answer(**content: object) -> Answer:
    return Answer(200, json.dumps(content).encode())


class Internet(ThreadingHTTPServer):
    """A proxy that plays every host itself, encrypted or not, and notes what each received."""

    daemon_threads = False  # server_close() waits for them
    request_queue_size = 64

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Proxied)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.received: list[Received] = []
        self.answers: dict[str, Answer] = {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""

    def origins_with(self, secret: str) -> set[str]:
        """Return who has got to see `secret`, wherever in a request it was."""
        return {request.origin for request in self.received if request.holds(secret)}

    def authorizations(self) -> list[tuple[str, str | None]]:
        return [(request.origin, request.authorization) for request in self.received]


class _Proxied(BaseHTTPRequestHandler):
    server: Internet
    protocol_version = "HTTP/1.1"
    timeout = WAIT
    origin = ""  # over plain http the request line has it

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        self.rfile.close()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.origin = f"https://{self.path.removesuffix(':443')}"
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = self.origin + self.path
        received = Received(self.command, url, Headers(self.headers.items()), body)
        self.server.received.append(received)
        answer = self.server.answers.get(url, Answer())
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = _serve  # noqa: N815 - the names http.server looks for


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for all of HOSTS and ADDRESSES that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "every host there is")])
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in HOSTS]
    names += [x509.IPAddress(ip_address(address)) for address in ADDRESSES]
    now, day = dt.datetime.now(dt.timezone.utc), dt.timedelta(days=1)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issued = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(issued.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def internet(certificate: Path) -> Iterator[Internet]:
    """Every host there is."""
    with Internet(certificate) as internet:
        thread = threading.Thread(target=internet.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield internet
        finally:
            internet.shutdown()
            thread.join(WAIT)


@pytest.fixture
def session(internet: Internet, certificate: Path) -> Iterator[requests.Session]:
    """A plain session for which that is all there is."""
    with plain_session() as session:
        proxy = f"http://127.0.0.1:{internet.server_port}"
        session.proxies = {"http": proxy, "https": proxy}
        session.verify = str(certificate)
        yield session


def plain_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxies and no netrc of whoever runs the tests
    return session


def mounted(
    session: requests.Session,
    *prefixes: str,
    base: str = BASE,
    refresh: Any = None,
    store: MemoryStore | None = None,
    **options: Any,
) -> JWTRefreshAdapter:
    """Mount an adapter by hand, on whatever prefixes a user may think of."""
    adapter = JWTRefreshAdapter(
        base,
        refresh or JSONEndpoint("/auth/refresh"),
        store or MemoryStore(Token(ACCESS, REFRESH)),
        **options,
    )
    for prefix in prefixes:
        session.mount(prefix, adapter)
    return adapter


# --- One hop -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"{BASE}/users?page=2",
        f"{API}/elsewhere",
        f"{API}:443/v1/users",
        "https://API.Example.COM/v1/users",
        "HTTPS://api.example.com/v1/users",
        "https://alice@api.example.com/v1/users",
        "https://evil.com%40@api.example.com/v1/users",
        "https://api.example.com\\@evil.com/",  # requests itself makes a path of it
    ],
)
def test_the_origin_of_the_base_url_gets_the_token(
    internet: Internet, session: requests.Session, url: str
) -> None:
    """However it is spelled: the same scheme, host and port get the token, and nobody else."""
    mounted(session, *EVERYWHERE)
    assert session.get(url, timeout=WAIT).status_code == 200
    assert internet.authorizations() == [(API, BEARER)]


@pytest.mark.parametrize("port", ["", ":443"])
@pytest.mark.parametrize("base_port", ["", ":443"])
def test_the_default_port_may_be_written_or_not(
    internet: Internet, session: requests.Session, base_port: str, port: str
) -> None:
    """A port left out is the scheme's own, in the base URL and in what is asked for."""
    mount(session, f"{API}{base_port}/v1", JSONEndpoint("/r"), MemoryStore(Token(ACCESS)))
    session.get(f"{API}{port}/v1/users", timeout=WAIT)
    assert internet.authorizations() == [(API, BEARER)]


LOOKALIKES = [
    "https://api.example.com.evil.com/",
    "https://api.example.com@evil.com/",
    "https://api.example.com:443@evil.com/",
    "https://api.example.com:pw@evil.com/",
    "https://api.example.com%2f@evil.com/",
    "https://api.example.com:8443/",
    "https://api.example.com:80/",
    "https://api.example.community/",
    "https://api.example.com./",
]
OTHERS = [
    "https://evil.com/",
    "https://evil.com/api.example.com/",
    "https://evil.com/#@api.example.com/",
    "https://evil.com/?https://api.example.com/",
    "https://example.com/",
    "https://www.api.example.com/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "http://api.example.com/",
    "http://api.example.com:443/",
    "http://evil.com/",
    "http://localhost/",
]


@pytest.mark.parametrize("url", LOOKALIKES)
def test_a_host_that_only_looks_alike_gets_no_token(
    internet: Internet, session: requests.Session, url: str
) -> None:
    """A Session finds adapters by the beginning of a URL, so that this one gets theirs too."""
    adapter = mounted(session, API)
    assert session.get_adapter(url) is adapter
    assert session.get(url, timeout=WAIT).status_code == 200
    assert len(internet.received) == 1
    assert internet.origins_with(ACCESS) == set()


@pytest.mark.parametrize("prefix", ["https://", ""])
@pytest.mark.parametrize("url", [*LOOKALIKES, *OTHERS])
def test_the_prefix_it_is_mounted_on_decides_nothing(
    internet: Internet, session: requests.Session, prefix: str, url: str
) -> None:
    """Mounted on everything there is, the adapter still knows its own origin."""
    session.adapters.clear()
    adapter = mounted(session, prefix, "http://")
    assert session.get_adapter(url) is adapter
    assert session.get(url, timeout=WAIT).status_code == 200
    assert len(internet.received) == 1
    assert internet.origins_with(ACCESS) == set()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com\\@evil.com/x",
        "https://evil.com#\\@api.example.com/x",
        "https://evil.com\\.api.example.com@evil.com/x",
        "https://api.example.com\t@evil.com/x",
    ],
)
def test_a_url_that_two_parsers_read_differently_gets_no_token(
    internet: Internet, session: requests.Session, url: str
) -> None:
    """A request whose URL was written by hand goes where requests connects to, without a token."""
    mounted(session, *EVERYWHERE)
    request = session.prepare_request(requests.Request("GET", "https://evil.com/x"))
    request.url = url
    assert session.send(request, timeout=WAIT).status_code == 200
    assert internet.authorizations() == [("https://evil.com", None)]


def test_an_ipv6_base_url(internet: Internet, session: requests.Session) -> None:
    """An address in brackets is an origin like any other."""
    mounted(session, *EVERYWHERE, base="http://[::1]:8000/v1")
    for url in ("http://[::1]:8000/v1", "http://[::1]:8001/v1", "http://[::1]/v1", "https://[::1]"):
        session.get(url, timeout=WAIT)
    assert internet.authorizations() == [
        ("http://[::1]:8000", BEARER),
        ("http://[::1]:8001", None),
        ("http://[::1]", None),
        ("https://[::1]", None),
    ]


def test_two_apis_each_get_their_own_token(internet: Internet, session: requests.Session) -> None:
    """Two adapters on one session do not mix up whose token is whose."""
    mount(session, BASE, JSONEndpoint("/r"), MemoryStore(Token("token-of-api")))
    mount(session, "https://cdn.example.com", JSONEndpoint("/r"), MemoryStore(Token("of-cdn")))
    session.get(f"{BASE}/x", timeout=WAIT)
    session.get("https://cdn.example.com/x", timeout=WAIT)
    assert internet.authorizations() == [
        (API, "Bearer token-of-api"),
        ("https://cdn.example.com", "Bearer of-cdn"),
    ]


def test_a_stranger_that_says_expired_starts_no_refresh(
    internet: Internet, session: requests.Session
) -> None:
    """For URLs that are not ours the adapter is plain: their 401 is nobody's business."""
    mounted(session, *EVERYWHERE)
    refusal = Answer(401, b"no", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    internet.answers["https://evil.com/x"] = refusal
    answer = session.get("https://evil.com/x", timeout=WAIT)
    assert (answer.status_code, answer.content) == (401, b"no")
    assert internet.authorizations() == [("https://evil.com", None)]


# --- Redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "/elsewhere",
        "users",
        f"{API}/x",
        f"{API}:443/x",
        "https://API.EXAMPLE.COM/x",
        "HTTPS://api.example.com/x",
        "//api.example.com/x",
        "https://alice:pw@api.example.com/x",
    ],
)
@pytest.mark.parametrize("status", [302, 308])
def test_a_redirect_within_the_origin_keeps_the_token(
    internet: Internet, session: requests.Session, location: str, status: int
) -> None:
    """Each hop to our origin is sent with the token."""
    mounted(session, *EVERYWHERE)
    internet.answers[f"{BASE}/go"] = to(location, status)
    answer = session.get(f"{BASE}/go", timeout=WAIT)
    assert [past.status_code for past in answer.history] == [status]
    assert internet.authorizations() == [(API, BEARER), (API, BEARER)]


@pytest.mark.parametrize(
    "location",
    [
        *LOOKALIKES,
        *OTHERS,
        "//evil.com/x",
        "https://api.example.com\\@evil.com/x",
        "https://alice:pw@evil.com/x",
        "HTTP://API.EXAMPLE.COM/x",
    ],
)
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_origin_leaves_the_token_behind(
    internet: Internet, session: requests.Session, location: str, status: int
) -> None:
    """Other host, other port, http instead of https: the hop goes, the token stays."""
    mounted(session, *EVERYWHERE)
    internet.answers[f"{BASE}/go"] = to(location, status)
    assert session.get(f"{BASE}/go", timeout=WAIT).status_code == 200
    first, second = internet.received
    assert (first.origin, first.authorization) == (API, BEARER)
    assert second.origin != API
    assert not second.holds(ACCESS)


def test_a_detour_over_another_host(internet: Internet, session: requests.Session) -> None:
    """Out and back again: origins are compared on every hop."""
    mounted(session, *EVERYWHERE)
    internet.answers[f"{BASE}/go"] = to("https://evil.com/x")
    internet.answers["https://evil.com/x"] = to(f"{BASE}/back")
    session.get(f"{BASE}/go", timeout=WAIT)
    assert internet.authorizations() == [(API, BEARER), ("https://evil.com", None), (API, BEARER)]


@pytest.mark.parametrize(
    "location",
    [
        "https://localhost/x",  # where requests would keep a header of the caller's
        "https://localhost:80/x",
        "http://localhost:8000/x",
        "http://127.0.0.1/x",
        "http://[::1]/x",
        "http://localhost./x",
    ],
)
def test_a_redirect_away_from_a_loopback_base(
    internet: Internet, session: requests.Session, location: str
) -> None:
    """Loopback has many names, and each is an origin of its own; so is https for http."""
    mounted(session, *EVERYWHERE, base="http://localhost/v1")
    internet.answers["http://localhost/v1/go"] = to(location)
    session.get("http://localhost/v1/go", timeout=WAIT)
    assert [request.authorization for request in internet.received] == [BEARER, None]


def test_a_refreshed_token_does_not_follow_a_redirect_either(
    internet: Internet, session: requests.Session
) -> None:
    """What is added for a resend is added to a copy, which no redirect is made from."""

    def redirect_from_now_on(_: Token) -> None:
        internet.answers[f"{BASE}/go"] = to("https://evil.com/x")

    mounted(session, *EVERYWHERE, on_refresh=redirect_from_now_on)
    internet.answers[f"{BASE}/go"] = Answer(401)
    internet.answers[f"{BASE}/auth/refresh"] = json_answer(access_token="renewed-secret")
    answer = session.get(f"{BASE}/go", timeout=WAIT)
    assert answer.url == "https://evil.com/x"
    assert internet.origins_with(ACCESS) == internet.origins_with("renewed-secret") == {API}
    assert internet.origins_with(REFRESH) == {API}


def test_real_servers_other_port_and_other_name(server: AuthServer) -> None:
    """The same over two real servers: 127.0.0.1 is not localhost, and a port is not another."""
    with AuthServer() as stranger, plain_session() as session:
        token = server.login()
        mounted(session, "http://", "http://127.0.0.1:", base=server.url, store=MemoryStore(token))
        renamed = stranger.url.replace("127.0.0.1", "localhost")
        for target in (f"{stranger.url}/public/port", f"{renamed}/public/name"):
            answer = session.get(f"{server.url}/redirect", params={"to": target}, timeout=WAIT)
            assert answer.url == target
            assert answer.status_code == 200
        assert [seen.bearer for seen in server.requests] == [token.access, token.access]
        assert [seen.path for seen in stranger.requests] == ["/public/port", "/public/name"]
        assert all("Authorization" not in seen.headers for seen in stranger.requests)


# --- Trusted origins -----------------------------------------------------------------------------

CDN = "https://cdn.example.com"


@pytest.mark.parametrize("trusted", [CDN, f"{CDN}/", f"{CDN}:443"])
def test_a_trusted_origin_gets_the_token(
    internet: Internet, session: requests.Session, trusted: str
) -> None:
    """It is an origin: what else stands in the URL does not matter."""
    mounted(session, *EVERYWHERE, trusted_origins=[trusted])
    session.get(f"{CDN}/x", timeout=WAIT)
    assert internet.authorizations() == [(CDN, BEARER)]


@pytest.mark.parametrize(
    "url",
    ["http://cdn.example.com/", f"{CDN}:8443/", f"{CDN}.evil.com/", f"{CDN}@evil.com/"],
)
def test_who_looks_like_a_trusted_origin_is_not_trusted(
    internet: Internet, session: requests.Session, url: str
) -> None:
    """The rule is the same as for the base URL."""
    mounted(session, *EVERYWHERE, CDN, trusted_origins=[CDN])
    session.get(url, timeout=WAIT)
    assert len(internet.received) == 1
    assert internet.origins_with(ACCESS) == set()


def test_mount_covers_trusted_origins(internet: Internet, session: requests.Session) -> None:
    """mount() puts the adapter on every origin that gets the token, and on nothing else."""
    refresh = JSONEndpoint("/auth/refresh")
    store = MemoryStore(Token(ACCESS, REFRESH))
    adapter = mount(session, BASE, refresh, store, trusted_origins=(CDN,))
    mounted_on = {prefix for prefix, each in session.adapters.items() if each is adapter}
    assert mounted_on == {f"{API}/", f"{API}:443/", f"{CDN}/", f"{CDN}:443/"}
    session.get(f"{CDN}/x", timeout=WAIT)
    session.get("https://evil.com/x", timeout=WAIT)
    assert internet.authorizations() == [(CDN, BEARER), ("https://evil.com", None)]


def test_a_redirect_to_a_trusted_origin_takes_the_token_along(
    internet: Internet, session: requests.Session
) -> None:
    """From the API to its CDN and back, everyone who is trusted gets the token."""
    mounted(session, *EVERYWHERE, trusted_origins=[CDN])
    internet.answers[f"{BASE}/go"] = to(f"{CDN}/x")
    session.get(f"{BASE}/go", timeout=WAIT)
    assert internet.authorizations() == [(API, BEARER), (CDN, BEARER)]


def test_the_401_of_a_trusted_origin_is_cured(
    internet: Internet, session: requests.Session
) -> None:
    """A trusted origin may say "expired"; the refresh goes to the endpoint all the same."""
    mounted(session, *EVERYWHERE, trusted_origins=[CDN])
    internet.answers[f"{CDN}/x"] = Answer(401)
    internet.answers[f"{BASE}/auth/refresh"] = json_answer(access_token="renewed-secret")
    session.get(f"{CDN}/x", timeout=WAIT)
    assert [request.url for request in internet.received] == [
        f"{CDN}/x",
        f"{BASE}/auth/refresh",
        f"{CDN}/x",
    ]
    assert internet.received[-1].authorization == "Bearer renewed-secret"
    assert internet.origins_with(REFRESH) == {API}


def test_one_string_is_no_list_of_origins() -> None:
    """A string is iterable too, letter by letter: that slip is told."""
    with pytest.raises(TypeError, match="not one string"):
        mounted(plain_session(), trusted_origins=CDN)


# --- The caller's request ------------------------------------------------------------------------


def test_the_callers_prepared_request_is_never_written_on(server: AuthServer) -> None:
    """Through a 401 and a resend it stays as it was: no token in it, to follow it elsewhere."""
    with plain_session() as session:
        mounted(session, "http://", base=server.url, store=MemoryStore(server.login()))
        server.expire()
        request = session.prepare_request(
            requests.Request("POST", f"{server.url}/api/x", headers={"X-A": "b"}, data={"c": "d"})
        )
        before = snapshot(request)
        assert session.send(request, timeout=WAIT).status_code == 200
        assert server.counters.rotated == 1
        assert snapshot(request) == before
        assert "Authorization" not in request.headers


def test_the_callers_own_header_is_replaced_in_a_copy(server: AuthServer) -> None:
    """A Bearer of the caller's is not sent to our origin, but stays in the caller's request."""
    with plain_session() as session:
        token = server.login()
        mounted(session, "http://", base=server.url, store=MemoryStore(token))
        own = {"Authorization": "Bearer my-own"}
        request = requests.Request("GET", f"{server.url}/api/x", headers=own)
        prepared = session.prepare_request(request)
        assert session.send(prepared, timeout=WAIT).status_code == 200
        assert server.requests[0].bearer == token.access
        assert prepared.headers["Authorization"] == "Bearer my-own"


def snapshot(request: requests.PreparedRequest) -> dict[str, Any]:
    return {
        **{name: getattr(request, name) for name in ("method", "url", "body")},
        "headers": list(request.headers.items()),
        "hooks": {event: list(hooks) for event, hooks in request.hooks.items()},
        "cookies": list(request._cookies or ()),  # noqa: SLF001 - what a Cookie header is made of
    }


# --- The refresh call ----------------------------------------------------------------------------

AUTH = "https://auth.example.com"
ENDPOINTS = [
    JSONEndpoint(f"{AUTH}/refresh"),
    BearerEndpoint(f"{AUTH}/refresh"),
    OAuth2Endpoint(f"{AUTH}/refresh"),
    OAuth2Endpoint(f"{AUTH}/refresh", "client", "client-secret"),
]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=repr)
def test_each_token_goes_to_those_it_is_for(
    internet: Internet, session: requests.Session, endpoint: Endpoint
) -> None:
    """The refresh token goes to the endpoint alone, the access tokens to the API alone."""
    mounted(session, *EVERYWHERE, refresh=endpoint)
    internet.answers[f"{BASE}/x"] = Answer(401)
    internet.answers[f"{AUTH}/refresh"] = json_answer(access_token="renewed-secret")
    session.get(f"{BASE}/x", timeout=WAIT)
    assert [request.origin for request in internet.received] == [API, AUTH, API]
    assert internet.origins_with(REFRESH) == {AUTH}
    assert internet.origins_with(ACCESS) == internet.origins_with("renewed-secret") == {API}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "endpoint", [JSONEndpoint("/auth/refresh"), BearerEndpoint("/auth/refresh")]
)
def test_a_refresh_follows_no_redirect(server: AuthServer, endpoint: Endpoint, status: int) -> None:
    """A refresh token is for its endpoint: whoever it points to does not hear of it."""
    with AuthServer() as stranger, plain_session() as session:
        token = server.login()
        store = MemoryStore(token)
        mounted(session, "http://", base=server.url, refresh=endpoint, store=store)
        server.expire()
        server.fail(Redirect(f"{stranger.url}/auth/refresh", status))
        with pytest.raises(RefreshUnavailable, match="redirects") as caught:
            session.get(f"{server.url}/api/x", timeout=WAIT)
        assert caught.value.response is not None
        assert caught.value.response.status_code == 401
        assert stranger.requests == []
        assert server.counters.refreshes == 1
        assert store.load() == token


def test_not_even_within_its_own_origin(server: AuthServer) -> None:
    """Nor is a redirect on the same server followed; the error names the place instead."""
    with plain_session() as session:
        mounted(session, "http://", base=server.url, store=MemoryStore(server.login()))
        server.expire()
        server.fail(Redirect(f"{server.url}/auth/refresh/", 308))
        with pytest.raises(RefreshUnavailable, match=r"redirects to .*/auth/refresh/"):
            session.get(f"{server.url}/api/x", timeout=WAIT)
        assert [seen.path for seen in server.requests] == ["/api/x", "/auth/refresh"]


def test_a_session_of_the_users_own_follows_no_redirect_either(server: AuthServer) -> None:
    """refresh_session= is for proxies and certificates, not for going elsewhere."""
    with AuthServer() as stranger, plain_session() as session, plain_session() as own:
        store = MemoryStore(server.login())
        mounted(session, "http://", base=server.url, store=store, refresh_session=own)
        server.expire()
        server.fail(Redirect(f"{stranger.url}/auth/refresh"))
        with pytest.raises(RefreshUnavailable):
            session.get(f"{server.url}/api/x", timeout=WAIT)
        assert stranger.requests == []


def asked_by_callable(url: str) -> dict[str, Any]:
    """Return options with a callable in the endpoint's place that posts to `url`."""

    def ask(session: requests.Session, token: Token) -> Token:
        answer = session.post(url, json={"refresh_token": token.refresh}, timeout=WAIT)
        return Token(answer.json()["access_token"])

    return {"refresh": ask}


def asked_by_login(url: str) -> dict[str, Any]:
    """Return options with a login that posts to `url`."""

    def login(session: requests.Session) -> Token:
        answer = session.post(url, auth=("alice", "pw"), timeout=WAIT)
        return Token(answer.json()["access_token"])

    return {"login": login, "store": MemoryStore()}


@pytest.mark.parametrize("asked", [asked_by_callable, asked_by_login])
def test_the_session_given_to_callables_follows_no_redirect(
    server: AuthServer, asked: Callable[[str], dict[str, Any]]
) -> None:
    """What a callable endpoint or a login posts goes where it says and no further."""
    with AuthServer() as stranger, plain_session() as session:
        options = {"store": MemoryStore(server.login()), **asked(f"{server.url}/auth/x")}
        mounted(session, "http://", base=server.url, **options)
        server.expire()
        server.fail(Redirect(f"{stranger.url}/auth/refresh"), on=lambda path: path == "/auth/x")
        with pytest.raises(RefreshUnavailable):
            session.get(f"{server.url}/api/x", timeout=WAIT)
        assert server.counters.faults == 1
        assert stranger.requests == []


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A netrc with an entry for every host, which only sessions that trust it read."""
    path = tmp_path / "netrc"
    path.write_text("default login netrc-user password netrc-secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("own", [False, True])
def test_a_refresh_takes_nothing_from_netrc(server: AuthServer, own: bool) -> None:
    """Neither a session of ours nor the user's own lets netrc have a say in a refresh."""
    with requests.Session() as session, requests.Session() as refresh_session:
        options = {"refresh_session": refresh_session} if own else {}
        mounted(session, "http://", base=server.url, store=MemoryStore(server.login()), **options)
        server.expire()
        assert session.get(f"{server.url}/api/x", timeout=WAIT).status_code == 200
        [refresh] = [seen for seen in server.requests if seen.kind == "refresh"]
        assert "Authorization" not in refresh.headers


@pytest.mark.usefixtures("netrc")
def test_nor_does_the_session_given_to_callables(server: AuthServer) -> None:
    """What a callable endpoint posts with the session it is given is free of netrc as well."""
    with requests.Session() as session:
        refresh = asked_by_callable(f"{server.url}/auth/refresh")["refresh"]
        store = MemoryStore(server.login())
        mounted(session, "http://", base=server.url, refresh=refresh, store=store)
        server.expire()
        assert session.get(f"{server.url}/api/x", timeout=WAIT).status_code == 200
        [asked] = [seen for seen in server.requests if seen.kind == "refresh"]
        assert "Authorization" not in asked.headers


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("own", [False, True])
def test_netrc_does_not_take_the_refresh_tokens_place(server: AuthServer, own: bool) -> None:
    """A refresh token in the Authorization header is not overwritten (psf/requests #3929)."""
    with requests.Session() as session, requests.Session() as refresh_session:
        options = {"refresh_session": refresh_session} if own else {}
        token = server.login()
        refresh = BearerEndpoint("/auth/refresh")
        store = MemoryStore(token)
        mounted(session, "http://", base=server.url, refresh=refresh, store=store, **options)
        server.expire()
        assert session.get(f"{server.url}/api/x", timeout=WAIT).status_code == 200
        [asked] = [seen for seen in server.requests if seen.kind == "refresh"]
        assert asked.bearer == token.refresh


def test_a_refresh_carries_nothing_of_the_callers_session(server: AuthServer) -> None:
    """Cookies, headers, parameters and auth of the caller's session are for the API alone."""
    with plain_session() as session:
        mounted(session, "http://", base=server.url, store=MemoryStore(server.login()))
        server.expire()
        session.cookies.set("sessionid", "cookie-secret")
        session.headers["X-Key"] = "header-secret"
        session.params = {"key": "param-secret"}
        answer = session.get(f"{server.url}/api/x", cookies={"a": "b"}, timeout=WAIT)
        assert answer.status_code == 200
        first, refresh, again = server.requests
        assert first.headers["Cookie"] == again.headers["Cookie"] != ""
        assert first.path == again.path == "/api/x?key=param-secret"
        assert refresh.path == "/auth/refresh"
        assert {"cookie", "authorization", "x-key"}.isdisjoint(refresh.headers)


@pytest.mark.parametrize("own", [False, True])
def test_a_refresh_goes_the_callers_way(
    internet: Internet, session: requests.Session, own: bool
) -> None:
    """The caller's proxies and certificates are used, without which nobody here is reached."""
    with plain_session() as refresh_session:
        mounted(session, *EVERYWHERE, refresh_session=refresh_session if own else None)
        internet.answers[f"{BASE}/auth/refresh"] = json_answer(access_token="renewed-secret")
        internet.answers[f"{BASE}/x"] = Answer(401)
        session.get(f"{BASE}/x", timeout=WAIT)
    assert [request.method for request in internet.received] == ["GET", "POST", "GET"]
    assert internet.received[-1].authorization == "Bearer renewed-secret"


@pytest.mark.parametrize(
    ("api", "auth", "spared", "through"),
    [
        ("api.invalid", "127.0.0.1", "127.0.0.1", ["GET", "GET"]),
        ("api.invalid", "auth.invalid", "127.0.0.1", ["GET", "POST", "GET"]),
    ],
    ids=["the refresh host", "neither"],
)
def test_whom_the_environment_spares_its_proxy(
    server: AuthServer,
    api: str,
    auth: str,
    spared: str,
    through: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """no_proxy spares the refresh endpoint's host, too."""
    for name in ("http_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", spared)
    port = server.url.rpartition(":")[2]
    with AuthServer() as proxy:  # it answers requests for other hosts as if they were for it
        monkeypatch.setenv("http_proxy", proxy.url)
        token = proxy.login() if auth.endswith("invalid") else server.login()
        store = MemoryStore(replace(token, access="an-old-one"))
        endpoint = JSONEndpoint(f"http://{auth}:{port}/auth/refresh")
        with requests.Session() as session:
            mount(session, f"http://{api}:{port}", endpoint, store, allow_http=True)
            session.get("/api/x", timeout=WAIT)
        assert [each.method for each in proxy.requests] == through
        assert len(server.requests) + len(through) == 3
        assert store.load() != replace(token, access="an-old-one")


@pytest.mark.parametrize("is_spared", [False, True])
def test_a_session_without_proxies_has_none_for_its_refresh(
    server: AuthServer, is_spared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that does not look into the environment keeps its refresh from doing so."""
    monkeypatch.setenv("no_proxy", "127.0.0.1" if is_spared else "")
    port = server.url.rpartition(":")[2]
    with AuthServer() as proxy, plain_session() as session:
        monkeypatch.setenv("http_proxy", proxy.url)
        store = MemoryStore(server.login())
        mount(session, server.url, JSONEndpoint(f"http://localhost:{port}/auth/refresh"), store)
        server.expire()
        assert session.get("/api/x", timeout=WAIT).status_code == 200
        assert proxy.requests == []


class _Trusting(HTTPAdapter):
    """An adapter that knows the certificate by a TLS context of its own, proxy or not."""

    def __init__(self, certificate: Path) -> None:
        self.own = {"ssl_context": ssl.create_default_context(cafile=str(certificate))}
        super().__init__()

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **(options | self.own))

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **(options | self.own))


def test_a_refresh_knows_what_the_transport_knows(
    internet: Internet, session: requests.Session, certificate: Path
) -> None:
    """A TLS context of the transport's own serves refreshes through a proxy, too."""
    session.verify = True
    mounted(session, *EVERYWHERE, transport=_Trusting(certificate))
    internet.answers[f"{BASE}/auth/refresh"] = json_answer(access_token="renewed-secret")
    internet.answers[f"{BASE}/x"] = Answer(401)
    session.get(f"{BASE}/x", timeout=WAIT)
    assert [request.method for request in internet.received] == ["GET", "POST", "GET"]


def test_anonymous_takes_no_token_anywhere(internet: Internet, session: requests.Session) -> None:
    """Not to our origin, nor to a trusted one it is redirected to."""
    mounted(session, *EVERYWHERE, trusted_origins=[CDN])
    internet.answers[f"{BASE}/go"] = to(f"{CDN}/x")
    session.get(f"{BASE}/go", auth=anonymous, timeout=WAIT)
    assert internet.authorizations() == [(API, None), (CDN, None)]


# --- At construction -----------------------------------------------------------------------------

PUBLIC = "http://api.example.com"


@pytest.mark.parametrize(
    ("base", "refresh", "trusted", "named"),
    [
        (PUBLIC, "/auth/refresh", (), "the base URL"),
        (BASE, f"{PUBLIC}/auth/refresh", (), "the refresh URL"),
        (BASE, "http://10.0.0.1/auth/refresh", (), "the refresh URL"),
        (BASE, "/auth/refresh", (PUBLIC,), "the trusted origin"),
        (BASE, "/auth/refresh", (CDN, "http://cdn.example.com"), "the trusted origin"),
        ("http://127.0.0.1.evil.com", "/auth/refresh", (), "the base URL"),
    ],
)
def test_http_to_another_machine_is_refused_at_once(
    base: str, refresh: str, trusted: tuple[str, ...], named: str
) -> None:
    """Where tokens would travel in the clear, nothing is made, unless the user insists."""
    endpoint, store = JSONEndpoint(refresh), MemoryStore()
    with pytest.raises(InsecureURL, match=named):
        JWTRefreshAdapter(base, endpoint, store, trusted_origins=trusted)
    JWTRefreshAdapter(base, endpoint, store, trusted_origins=trusted, allow_http=True).close()


def test_mount_refuses_it_too_and_mounts_nothing() -> None:
    """A refused URL leaves the session as it was."""
    with plain_session() as session:
        before = dict(session.adapters)
        for base, refresh in ((PUBLIC, "/r"), (BASE, f"{PUBLIC}/r")):
            with pytest.raises(InsecureURL):
                mount(session, base, JSONEndpoint(refresh), MemoryStore())
        assert dict(session.adapters) == before


def test_allow_http_lets_the_token_travel(internet: Internet, session: requests.Session) -> None:
    """It is the user's own word, and holds for http on that origin alone."""
    mounted(session, *EVERYWHERE, base=f"{PUBLIC}/v1", allow_http=True)
    session.get(f"{PUBLIC}/v1/x", timeout=WAIT)
    session.get(f"{API}/v1/x", timeout=WAIT)
    assert internet.authorizations() == [(PUBLIC, BEARER), (API, None)]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.3.2.1", "localhost", "[::1]:8000"])
def test_loopback_is_safe_without_a_word(host: str) -> None:
    """Base, refresh and trusted URLs on this machine may be http."""
    url = f"http://{host}"
    adapter = JWTRefreshAdapter(url, JSONEndpoint(f"{url}/r"), MemoryStore(), trusted_origins=[url])
    adapter.close()
    assert adapter.base_url == f"{url}/"


@pytest.mark.parametrize(
    ("base", "refresh", "trusted"),
    [
        ("api.example.com", "/r", ()),
        ("/v1", "/r", ()),
        (BASE, "//evil.com/r", ()),
        (BASE, "../r", ()),
        (BASE, "ftp://api.example.com/r", ()),
        (BASE, "https://alice:pw@api.example.com/r", ()),
        (BASE, "/r", ("cdn.example.com",)),
        (BASE, "/r", ("https://",)),
        (BASE, "/r", ("https://alice:pw@cdn.example.com",)),
    ],
)
def test_a_url_without_a_clear_meaning_is_refused(
    base: str, refresh: str, trusted: tuple[str, ...]
) -> None:
    """Base, refresh and trusted URLs are read once, at construction, and errors come there."""
    with pytest.raises(InvalidURL):
        JWTRefreshAdapter(base, JSONEndpoint(refresh), MemoryStore(), trusted_origins=trusted)


def test_the_recording_proxy_sees_what_is_sent(internet: Internet) -> None:
    """A token that did reach a stranger would be seen: else the tests above proved nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", internet.server_port, timeout=WAIT)
    connection.request("GET", "http://evil.com/x", headers={"Authorization": BEARER})
    assert connection.getresponse().read() == b"{}"
    connection.close()
    assert internet.origins_with(ACCESS) == {"http://evil.com"}
