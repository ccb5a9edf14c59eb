"""Where the token goes, as the servers see it; the table of origins is in test_urls.py.

Where the refresh token goes is in test_refresh_origins.py.
"""

from __future__ import annotations

import http.client
from typing import Any

import pytest
import requests

from requests_jwt_refresh import (
    InsecureURL,
    InvalidURL,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    Token,
    anonymous,
    mount,
)
from requests_jwt_refresh.testing import AuthServer
from tests.support.internet import (
    ACCESS,
    API,
    BASE,
    BEARER,
    EVERYWHERE,
    REFRESH,
    Answer,
    Internet,
    every_host,
    internet,
    make_json_answer,
    mount_on,
    session,
    to,
)
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

__all__ = ["every_host", "internet", "session"]  # fixtures


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
    """However it is spelled: the same scheme, host and port get the token, and no others."""
    mount_on(session, *EVERYWHERE)
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
    adapter = mount_on(session, API)
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
    adapter = mount_on(session, prefix, "http://")
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
    mount_on(session, *EVERYWHERE)
    request = session.prepare_request(requests.Request("GET", "https://evil.com/x"))
    request.url = url
    assert session.send(request, timeout=WAIT).status_code == 200
    assert internet.authorizations() == [("https://evil.com", None)]


def test_an_ipv6_base_url(internet: Internet, session: requests.Session) -> None:
    """An address in brackets is an origin like any other."""
    mount_on(session, *EVERYWHERE, base="http://[::1]:8000/v1")
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
    """For URLs that are not ours the adapter is plain: their 401 is the caller's."""
    mount_on(session, *EVERYWHERE)
    refusal = Answer(401, b"no", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    internet.answers["https://evil.com/x"] = refusal
    response = session.get("https://evil.com/x", timeout=WAIT)
    assert (response.status_code, response.content) == (401, b"no")
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
    mount_on(session, *EVERYWHERE)
    internet.answers[f"{BASE}/go"] = to(location, status)
    response = session.get(f"{BASE}/go", timeout=WAIT)
    assert [past.status_code for past in response.history] == [status]
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
    mount_on(session, *EVERYWHERE)
    internet.answers[f"{BASE}/go"] = to(location, status)
    assert session.get(f"{BASE}/go", timeout=WAIT).status_code == 200
    first, second = internet.received
    assert (first.origin, first.authorization) == (API, BEARER)
    assert second.origin != API
    assert not second.holds(ACCESS)


def test_a_detour_over_another_host(internet: Internet, session: requests.Session) -> None:
    """Out and back again: origins are compared on every hop."""
    mount_on(session, *EVERYWHERE)
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
    mount_on(session, *EVERYWHERE, base="http://localhost/v1")
    internet.answers["http://localhost/v1/go"] = to(location)
    session.get("http://localhost/v1/go", timeout=WAIT)
    assert [request.authorization for request in internet.received] == [BEARER, None]


def test_a_refreshed_token_does_not_follow_a_redirect_either(
    internet: Internet, session: requests.Session
) -> None:
    """What is added for a resend is added to a copy, which no redirect is made from."""

    def redirect_from_now_on(_: Token) -> None:
        internet.answers[f"{BASE}/go"] = to("https://evil.com/x")

    mount_on(session, *EVERYWHERE, on_refresh=redirect_from_now_on)
    internet.answers[f"{BASE}/go"] = Answer(401)
    internet.answers[f"{BASE}/auth/refresh"] = make_json_answer(access_token="renewed-secret")
    response = session.get(f"{BASE}/go", timeout=WAIT)
    assert response.url == "https://evil.com/x"
    assert internet.origins_with(ACCESS) == internet.origins_with("renewed-secret") == {API}
    assert internet.origins_with(REFRESH) == {API}


def test_real_servers_other_port_and_other_name(server: AuthServer) -> None:
    """The same over two real servers: 127.0.0.1 is not localhost, and a port is not another."""
    with AuthServer() as stranger, plain_session() as session:
        token = server.login()
        mount_on(session, "http://", "http://127.0.0.1:", base=server.url, store=MemoryStore(token))
        renamed = stranger.url.replace("127.0.0.1", "localhost")
        for target in (f"{stranger.url}/public/port", f"{renamed}/public/name"):
            response = session.get(f"{server.url}/redirect", params={"to": target}, timeout=WAIT)
            assert response.url == target
            assert response.status_code == 200
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
    mount_on(session, *EVERYWHERE, trusted_origins=[trusted])
    session.get(f"{CDN}/x", timeout=WAIT)
    assert internet.authorizations() == [(CDN, BEARER)]


@pytest.mark.parametrize(
    "url",
    ["http://cdn.example.com/", f"{CDN}:8443/", f"{CDN}.evil.com/", f"{CDN}@evil.com/"],
)
def test_what_only_looks_like_a_trusted_origin_is_not_trusted(
    internet: Internet, session: requests.Session, url: str
) -> None:
    """The rule is the same as for the base URL."""
    mount_on(session, *EVERYWHERE, CDN, trusted_origins=[CDN])
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
    """From the API to its CDN and back, each trusted origin gets the token."""
    mount_on(session, *EVERYWHERE, trusted_origins=[CDN])
    internet.answers[f"{BASE}/go"] = to(f"{CDN}/x")
    session.get(f"{BASE}/go", timeout=WAIT)
    assert internet.authorizations() == [(API, BEARER), (CDN, BEARER)]


def test_the_401_of_a_trusted_origin_is_cured(
    internet: Internet, session: requests.Session
) -> None:
    """A trusted origin may say "expired"; the refresh goes to the endpoint all the same."""
    mount_on(session, *EVERYWHERE, trusted_origins=[CDN])
    internet.answers[f"{CDN}/x"] = Answer(401)
    internet.answers[f"{BASE}/auth/refresh"] = make_json_answer(access_token="renewed-secret")
    session.get(f"{CDN}/x", timeout=WAIT)
    assert [request.url for request in internet.received] == [
        f"{CDN}/x",
        f"{BASE}/auth/refresh",
        f"{CDN}/x",
    ]
    assert internet.received[-1].authorization == "Bearer renewed-secret"
    assert internet.origins_with(REFRESH) == {API}


def test_one_string_is_no_list_of_origins() -> None:
    """A string is iterable too, letter by letter: that mistake is an error."""
    with pytest.raises(TypeError, match=r"must be a list or tuple of origins, .*, not a string"):
        mount_on(plain_session(), trusted_origins=CDN)


def test_anonymous_takes_no_token_anywhere(internet: Internet, session: requests.Session) -> None:
    """Not to our origin, nor to a trusted one it is redirected to."""
    mount_on(session, *EVERYWHERE, trusted_origins=[CDN])
    internet.answers[f"{BASE}/go"] = to(f"{CDN}/x")
    session.get(f"{BASE}/go", auth=anonymous, timeout=WAIT)
    assert internet.authorizations() == [(API, None), (CDN, None)]


# --- The caller's request ------------------------------------------------------------------------


def test_the_callers_prepared_request_is_never_written_on(server: AuthServer) -> None:
    """Through a 401 and a resend it stays as it was: no token in it, to follow it elsewhere."""
    with plain_session() as session:
        mount_on(session, "http://", base=server.url, store=MemoryStore(server.login()))
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
        mount_on(session, "http://", base=server.url, store=MemoryStore(token))
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
    """Where tokens would travel unencrypted, no adapter is made, unless the user insists."""
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
    """The user allowed it, for http on that origin alone."""
    mount_on(session, *EVERYWHERE, base=f"{PUBLIC}/v1", allow_http=True)
    session.get(f"{PUBLIC}/v1/x", timeout=WAIT)
    session.get(f"{API}/v1/x", timeout=WAIT)
    assert internet.authorizations() == [(PUBLIC, BEARER), (API, None)]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.3.2.1", "localhost", "[::1]:8000"])
def test_loopback_may_be_http(host: str) -> None:
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
