"""netrc: not asked for a request that gets a token, and asked as ever for all others."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import (
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    StoreError,
    Token,
    anonymous,
    cookie,
    header,
)
from tests.support.transports import StubTransport

if TYPE_CHECKING:
    from pathlib import Path

BASE = "https://netrc.example.com/v1"
ORIGIN = "https://netrc.example.com"
FROM_NETRC = "Basic bmV0cmM6c2VjcmV0"  # netrc:secret
ALICE = "Basic YWxpY2U6cHc="  # alice:pw
BEARER = "Bearer access"


@pytest.fixture(autouse=True)
def _netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry for every host."""
    path = tmp_path / "netrc"
    path.write_text("default login netrc password secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs for which a session has read netrc."""
    reads: list[str] = []
    sessions: Any = requests.sessions
    read_netrc = sessions.get_netrc_auth

    def noting(url: str, *options: Any) -> Any:
        reads.append(url)
        return read_netrc(url, *options)

    monkeypatch.setattr(sessions, "get_netrc_auth", noting)
    return reads


@pytest.fixture
def stub() -> StubTransport:
    return StubTransport(lambda _request: (200, b""))


@pytest.fixture
def session() -> requests.Session:
    return requests.Session()


def mount(
    session: requests.Session, stub: StubTransport, *, looked: bool = True, **options: Any
) -> JWTRefreshAdapter:
    """Mount our adapter; `looked`: its store has been read."""
    store = options.pop("store", None) or MemoryStore(Token("access", "r1"))
    refresh = JSONEndpoint("/auth/refresh")
    adapter = JWTRefreshAdapter(BASE, refresh, store, transport=stub, **options)
    for prefix in adapter.prefixes():
        session.mount(prefix, adapter)
    if looked:
        assert adapter.token is not None
    return adapter


def give(session: requests.Session, how: str) -> dict[str, Any]:
    """Let the caller authenticate as alice in one of the ways that requests has."""
    if how == "session.auth":
        session.auth = ("alice", "pw")
    elif how == "session.headers":
        session.headers["authorization"] = ALICE
    options: dict[str, dict[str, Any]] = {
        "auth": {"auth": ("alice", "pw")},
        "headers": {"headers": {"authorization": ALICE}},
        "bytes": {"headers": {b"Authorization": ALICE.encode()}},
    }
    return options.get(how, {})


# --- A request that gets a token -----------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "/users",
        "users?q=1",
        "?q=1",
        "",
        f"{BASE}/users",
        ORIGIN,
        f"{ORIGIN}?q=1",
        "HTTPS://NETRC.example.com/v1",
        "https://netrc.example.com:443/",
        "  https://netrc.example.com/",
        b"https://netrc.example.com/",
    ],
)
def test_netrc_is_not_read_for_it(
    session: requests.Session, stub: StubTransport, reads: list[str], url: Any
) -> None:
    """However its URL is written."""
    mount(session, stub)
    prepared = session.prepare_request(requests.Request("GET", url))
    assert "Authorization" not in prepared.headers
    session.get(url)
    assert stub.authorizations() == [BEARER]
    assert reads == []


@pytest.mark.parametrize("looked", [True, False], ids=["later", "first"])
@pytest.mark.parametrize("how", ["auth", "headers", "bytes", "session.auth", "session.headers"])
def test_what_the_caller_gives_stays(
    session: requests.Session, stub: StubTransport, how: str, looked: bool
) -> None:
    """requests lets netrc overwrite a header (psf/requests #3929); it looks like its own."""
    mount(session, stub, looked=looked)
    session.get("/users", **give(session, how))
    (sent,) = stub.authorizations()
    assert (sent.decode() if isinstance(sent, bytes) else sent) == ALICE


def test_a_user_name_in_the_url_stays(session: requests.Session, stub: StubTransport) -> None:
    """requests takes it where there is no other auth; an auth of ours does the same."""
    session.mount("https://", mount(session, stub))
    session.get("https://alice:pw@netrc.example.com/users")
    assert stub.authorizations() == [ALICE]


def test_a_bearer_of_the_callers_is_replaced_as_ever(
    session: requests.Session, stub: StubTransport
) -> None:
    """Only another scheme is the caller's own."""
    mount(session, stub)
    session.get("/users", headers={"Authorization": "Bearer old"})
    assert stub.authorizations() == [BEARER]


def test_anonymous_goes_without_both(session: requests.Session, stub: StubTransport) -> None:
    """Neither the token nor netrc."""
    mount(session, stub)
    session.get("/users", auth=anonymous)
    assert stub.authorizations() == [None]


def test_nothing_is_left_on_the_request(session: requests.Session, stub: StubTransport) -> None:
    """The auth that keeps netrc out has no hook, and the caller's own Request is as it was."""
    mount(session, stub)
    request = requests.Request("POST", "/users", json={"a": 1})
    before = dict(vars(request))
    prepared = session.prepare_request(request)
    assert vars(request) == before
    assert prepared.hooks == {"response": []}
    session.trust_env = False
    plain = requests.Session().prepare_request(
        requests.Request("POST", f"{BASE}/users", json={"a": 1}, auth=lambda each: each)
    )
    assert list(prepared.headers.items()) == list(plain.headers.items())
    assert vars(prepared).keys() == vars(plain).keys()
    pickle.loads(pickle.dumps(prepared))


def test_a_session_that_prepares_requests_itself_is_spared(
    stub: StubTransport, reads: list[str]
) -> None:
    """A subclass that calls its base class."""

    class Own(requests.Session):
        def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
            prepared = super().prepare_request(request)
            prepared.headers["X-Own"] = "1"
            return prepared

    session = Own()
    mount(session, stub)
    session.get("/users")
    assert stub.sent[0].headers["X-Own"] == "1"
    assert stub.authorizations() == [BEARER]
    assert reads == []


def test_the_seam_reads_no_store(session: requests.Session, stub: StubTransport) -> None:
    """To prepare a request asks no keyring, and raises no error of a store."""

    class Broken(MemoryStore):
        def load(self) -> Token | None:
            raise StoreError("the store cannot be read", "mend it")

    mount(session, stub, store=Broken(), looked=False)
    prepared = session.prepare_request(requests.Request("GET", "/users"))
    assert prepared.headers["Authorization"] == FROM_NETRC


# --- All others ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.com/",
        f"{ORIGIN}.evil.com/",
        f"{ORIGIN}:8443/",
        "http://netrc.example.com/",
        "https://netrc.example.com@evil.com/",
        "https://netrc.example.com:443@evil.com/",
    ],
)
def test_a_url_of_another_origin_has_netrc_as_ever(
    session: requests.Session, stub: StubTransport, url: str
) -> None:
    """On the session with the adapter, even if it is the adapter that sends it."""
    adapter = mount(session, stub)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    expected = requests.Session().prepare_request(requests.Request("GET", url))
    session.get(url)
    assert stub.authorizations() == [expected.headers["Authorization"]]


@pytest.mark.parametrize("mounted", ["nowhere", "elsewhere"])
def test_a_session_that_gets_no_token_has_netrc_as_ever(
    session: requests.Session, stub: StubTransport, mounted: str
) -> None:
    """Our origin, but another adapter sends it."""
    adapter = mount(requests.Session(), stub)
    if mounted == "elsewhere":
        session.mount(f"{ORIGIN}/", adapter)
        session.mount(f"{ORIGIN}/v1/plain", stub)
    for url in ("/plain", "/plain/x", "/a/../plain"):
        prepared = session.prepare_request(requests.Request("GET", BASE + url))
        assert prepared.headers["Authorization"] == FROM_NETRC


def test_without_a_token_netrc_is_as_ever(session: requests.Session, stub: StubTransport) -> None:
    """It even overwrites the caller's header, as requests has it."""
    adapter = mount(session, stub)
    adapter.clear_token()
    session.get("/users", headers={"Authorization": ALICE})
    assert stub.authorizations() == [FROM_NETRC]


@pytest.mark.parametrize("attach", [header("X-Token"), cookie("token")], ids=["header", "cookie"])
def test_beside_a_token_in_another_place_netrc_is_as_ever(
    session: requests.Session, stub: StubTransport, attach: Any
) -> None:
    """An Authorization beside it is passed on: a gateway before the API may ask for it."""
    mount(session, stub, attach=attach)
    session.get("/users")
    assert stub.authorizations() == [FROM_NETRC]


@pytest.mark.parametrize("where", ["class", "instance"])
def test_a_session_with_its_own_get_adapter_has_netrc_as_ever(
    stub: StubTransport, where: str
) -> None:
    """Its mounts do not say which adapter it takes."""

    class Own(requests.Session):
        def get_adapter(self, url: str | bytes) -> Any:  # noqa: ARG002 - as requests has it
            return stub

    session = Own() if where == "class" else requests.Session()
    mount(session, stub)
    session.prepare_request(requests.Request("GET", "/users"))
    if where == "instance":
        session.get_adapter = Own().get_adapter  # type: ignore[method-assign]
    session.get("/users")
    assert stub.authorizations() == [FROM_NETRC]


def test_without_trust_env_there_is_no_netrc(
    session: requests.Session, stub: StubTransport, reads: list[str]
) -> None:
    """And a token all the same."""
    mount(session, stub)
    session.trust_env = False
    session.get("/users")
    assert stub.authorizations() == [BEARER]
    assert reads == []
