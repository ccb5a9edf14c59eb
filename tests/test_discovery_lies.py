"""What a server may say of itself and is not believed: nothing of such a document is used."""

from __future__ import annotations

import socket
import threading
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import DiscoveryError, ServerMetadata
from requests_jwt_refresh.grants import addresses, documents
from requests_jwt_refresh.grants.addresses import (
    Network,
    find_network,
    find_networks,
    list_reachable,
)
from requests_jwt_refresh.grants.documents import MAX_DOCUMENT_BYTES
from requests_jwt_refresh.refresh import retries
from tests.support.document_server import (
    MISSING,
    OAUTH,
    OPENID,
    Page,
    run_document_server,
)
from tests.support.endless import read_head, run_endless
from tests.support.internet import every_host, internet, make_json_answer
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.document_server import DocumentServer
    from tests.support.endless import Endless
    from tests.support.internet import Internet

__all__ = ["every_host", "internet"]  # fixtures

ISSUER = "https://auth.example.com"
FIELDS = [
    "authorization_endpoint",
    "token_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
    "end_session_endpoint",
    "registration_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
]
LISTS = [
    "scopes_supported",
    "token_endpoint_auth_methods_supported",
    "grant_types_supported",
    "response_modes_supported",
    "code_challenge_methods_supported",
    "id_token_signing_alg_values_supported",
]
PUBLIC, PRIVATE = "93.184.216.34", "10.1.2.3"


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with run_document_server() as server:
        yield server


def refuse(issuer: str, **options: Any) -> DiscoveryError:
    """Return the error that an issuer's document makes."""
    with pytest.raises(DiscoveryError) as caught:
        ServerMetadata.discover(issuer, **options)
    return caught.value


def refuse_document(internet: Internet, **changes: Any) -> DiscoveryError:
    """Return the same for a server in the internet, whose document is good but for `changes`."""
    document = {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token", **changes}
    internet.answers[ISSUER + OPENID] = make_json_answer(**document)
    with internet.session() as session:
        error = refuse(ISSUER, session=session)
    assert error.remedy
    return error


# --- Who it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "named",
    [
        "https://evil.com",
        "https://auth.example.com.evil.com",
        "https://auth.example.com/tenant",
        "http://auth.example.com",
        "https://AUTH.example.com",
        "https://auth.example.com?x",
        "https://auth.example.com//",
        "https://me@auth.example.com",
        "auth.example.com",
        " https://auth.example.com",
        7,
        ["https://auth.example.com"],
        None,
        "",
    ],
)
def test_the_issuer_has_to_be_the_one_asked(internet: Internet, named: Any) -> None:
    """To the letter (RFC 8414 §3.3): a document of another server is none of this one."""
    error = refuse_document(internet, issuer=named)
    assert f"{ISSUER}{OPENID}: issuer is" in error.cause


def test_another_issuer_is_named_with_a_way_on(internet: Internet) -> None:
    """Without what may be secret in a URL."""
    error = refuse_document(internet, issuer="https://me:pw@evil.com/?key=secret")
    assert "issuer is another one: https://evil.com/;" in error.cause
    assert error.remedy.endswith("if https://evil.com/ is the server that you mean, give that")


# --- Endpoints -----------------------------------------------------------------------------------

BAD_URLS = {
    "http://auth.example.com/x": "unencrypted",
    "https://me@auth.example.com/x": "user name",
    "https://me:pw@auth.example.com/x": "user name",
    "https://auth.example.com\\@evil.com/x": "backslash",
    "https://auth.example.com/x#part": "fragment",
    "https://auth.example.com/x#": "fragment",
    "https://auth.example.com:99999/x": "no number from 1 to 65535",
    "https://auth.example.com:0/x": "no number from 1 to 65535",
    "https://": "is not an http",
    "/x": "no scheme",
    "javascript:alert(1)": "no scheme",
    "file:///etc/passwd": "is not an http",
    "https://auth.example.com/x ": "space or a line break",
    "https://169.254.169.254/latest": "on the local link",
    "https://10.0.0.1/x": "on a private network",
    "https://192.168.1.1/x": "on a private network",
    "https://100.100.100.200/x": "on a private network",
    "https://127.0.0.1/x": "on this machine",
    "http://127.0.0.1/x": "leads from https to http",
    "http://localhost/x": "leads from https to http",
    "https://localhost./x": "on this machine",
    "https://api.localhost/x": "on this machine",
    "https://127.1/x": "on this machine",
    "https://2130706433/x": "on this machine",
    "https://0x7f.0.0.1/x": "on this machine",
    "https://0.0.0.0/x": "on this machine",
    "https://[::1]/x": "on this machine",
    "https://[::]/x": "on this machine",
    "https://[::ffff:10.0.0.1]/x": "on a private network",
    "https://[fd00:ec2::254]/x": "on a private network",
    "https://[fe80::1]/x": "on the local link",
}


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_endpoint_has_to_be_as_a_refresh_url(internet: Internet, url: str) -> None:
    """And may lead nowhere that only this machine or its network can reach."""
    error = refuse_document(internet, token_endpoint=url)
    assert BAD_URLS[url] in error.cause
    assert f"{ISSUER}{OPENID}: token_endpoint" in error.cause
    assert "pw" not in str(error)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["http://auth.example.com/x", 7, ["https://h/x"], {}, True])
def test_each_endpoint_is_looked_at(internet: Internet, field: str, value: Any) -> None:
    """That it is no URL, or of another type, is said with its name."""
    assert f"{OPENID}: {field}" in refuse_document(internet, **{field: value}).cause


@pytest.mark.parametrize("value", [None, "", MISSING])
def test_a_token_endpoint_there_has_to_be(server: DocumentServer, value: Any) -> None:
    """Without it there is nothing to do."""
    assert refuse(server.describe(token_endpoint=value)).cause.endswith("token_endpoint is missing")


def test_allow_http_takes_http_and_no_more(internet: Internet) -> None:
    """A private network stays one."""
    with internet.session() as session:
        document = {"issuer": ISSUER, "token_endpoint": "http://cdn.example.com/token"}
        internet.answers[ISSUER + OPENID] = make_json_answer(**document)
        found = ServerMetadata.discover(ISSUER, session=session, allow_http=True)
        assert found.token_url == "http://cdn.example.com/token"
        document["token_endpoint"] = "http://10.0.0.1/token"
        internet.answers[ISSUER + OPENID] = make_json_answer(**document)
        assert "private" in refuse(ISSUER, session=session, allow_http=True).cause


@pytest.mark.parametrize("url", ["http://localhost/x", "http://10.0.0.1/x", "http://h.example/x"])
def test_a_server_on_this_machine_may_lead_here_and_not_to_http_elsewhere(
    server: DocumentServer, url: str
) -> None:
    """What was typed was loopback."""
    issuer = server.describe(token_endpoint=url)
    if "localhost" in url:
        assert ServerMetadata.discover(issuer).token_url == url
    else:
        assert "unencrypted" in refuse(issuer).cause


# --- Types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", LISTS)
@pytest.mark.parametrize("value", ["openid", 7, {}, True, [7], [None], ["a b"], [""], ["\x1b[2J"]])
def test_each_list_is_a_list_of_words(server: DocumentServer, field: str, value: Any) -> None:
    """They end up in requests, files and on terminals."""
    error = refuse(server.describe(**{field: value}))
    assert f"{OPENID}: {field} " in error.cause
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("value", ["code", 7, True, {"code": 1}, [1], [None], [["code"]]])
def test_response_types_are_a_list_of_strings(server: DocumentServer, value: Any) -> None:
    """Each of several words (RFC 6749 §3.1.1)."""
    issuer = server.describe(response_types_supported=value)
    cause = refuse(issuer).cause
    assert cause == f"{server.url}{OPENID}: response_types_supported is no list of strings"


@pytest.mark.parametrize(
    "field", ["require_pushed_authorization_requests", "require_signed_request_object"]
)
def test_what_is_required_is_true_or_false(server: DocumentServer, field: str) -> None:
    """As any flag."""
    assert f"{field} is a str" in refuse(server.describe(**{field: "false"})).cause


@pytest.mark.parametrize("value", ["true", 1, [], "false"])
def test_a_flag_is_true_or_false(server: DocumentServer, value: Any) -> None:
    """A string "false" is true in Python."""
    error = refuse(server.describe(authorization_response_iss_parameter_supported=value))
    assert error.cause.endswith("not true or false")


# --- No document ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (Page(status=404), "answered 404"),
        (Page({"issuer": "x"}, status=500), "answered 500"),
        (Page({"issuer": "x"}, status=204), "answered 204"),
        (
            Page(b"<html></html>", headers={"Content-Type": "text/html; charset=utf-8"}),
            "answered 200 and a web page (text/html)",
        ),
        (Page(b"<html></html>", headers={"Content-Type": "\x1b[2J"}), "answered 200 and no JSON;"),
        (Page(b""), "answered 200 and no JSON"),
        (Page(b"\xff\xfe"), "answered 200 and no JSON"),
        (Page(b"[" * 60_000), "answered 200 and no JSON"),
        (Page([]), "answered 200 and JSON, but no object"),
        (Page("https://h"), "answered 200 and JSON, but no object"),
        (Page(None), "answered 200 and JSON, but no object"),
        (Page({}), "issuer is missing"),
    ],
)
def test_what_is_no_document_is_said_for_each_place(
    server: DocumentServer, page: Page, said: str
) -> None:
    """With what was asked and what came."""
    server.pages |= dict.fromkeys((OPENID, OAUTH), page)
    cause = refuse(server.url).cause
    assert cause.startswith(f"{server.url}/ says nothing of itself that can be used: ")
    assert said in cause
    assert OPENID in cause
    assert OAUTH in cause


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: DocumentServer, status: int) -> None:
    """Not even to the document itself."""
    server.describe(place="/real")
    server.pages[OPENID] = Page(status=status, headers={"Location": "/real"})
    assert f"answered {status}, a redirect, which is not followed" in refuse(server.url).cause
    assert server.paths == [OPENID, OAUTH]


@pytest.mark.parametrize("spare", [0, 1])
def test_64_kib_are_read_and_no_more(server: DocumentServer, spare: int) -> None:
    """One byte more is too much."""
    issuer = server.describe()
    body = server.pages[OPENID].body()
    server.pages[OPENID] = Page(body.ljust(MAX_DOCUMENT_BYTES + spare))
    if not spare:
        assert ServerMetadata.discover(issuer).issuer == issuer
        return
    assert "answered with more than 64 KiB" in refuse(issuer).cause
    assert server.paths == [OPENID]


def drip_head(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    server.trickle(sock)


def drip_body(server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    server.trickle(sock)


def say_nothing(_server: Endless, sock: socket.socket) -> None:
    read_head(sock)
    if not sock.recv(1):
        raise ConnectionAbortedError


@pytest.mark.parametrize("play", [drip_head, drip_body, say_nothing])
@pytest.mark.parametrize("has_session", [False, True])
def test_a_trickle_ends_at_the_timeout(play: Any, has_session: bool, internet: Internet) -> None:
    """The server is hung up on, and the other places are not asked: it would go on as long."""
    with run_endless(play) as server, internet.session() as session:
        session.proxies = {}
        session.trust_env = False
        error = refuse(
            f"http://{server.address}", timeout=0.3, session=session if has_session else None
        )
        assert server.hung_up.wait(WAIT)
        assert server.connections == 1
    assert "0.3 s" in error.cause


def test_10_seconds_are_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing else is said."""
    given: list[float] = []

    def note(_self: object, _typed: str, *, timeout: float, **_options: Any) -> None:
        given.append(timeout)
        raise DiscoveryError

    monkeypatch.setattr(documents.DocumentClient, "__init__", note)
    refuse(ISSUER)
    assert given == [10.0]


def test_a_server_that_is_not_there_is_asked_for_one_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others are on the same server."""
    monkeypatch.setattr(retries, "sleep", lambda _seconds: None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refuse(f"http://127.0.0.1:{port}")
    assert error.cause.startswith(f"the server metadata at http://127.0.0.1:{port}{OPENID} ")
    assert "ConnectionRefusedError" in error.cause
    assert "tokens" not in str(error)


# --- Names that lead elsewhere -------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and their addresses. Two of loopback stand for the internet and a private network."""
    known: dict[str, list[str]] = {}
    look_up = socket.getaddrinfo
    networks = {"127.0.0.11": Network.PUBLIC, "127.0.0.12": Network.PRIVATE}

    def find(host: str, *args: Any, **options: Any) -> list[Any]:
        found = known.get(host, [host])
        if host in known and not found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [each for address in found for each in look_up(address, *args, **options)]

    def judge(address: str) -> Network:
        return networks.get(address) or find_network(address)

    monkeypatch.setattr(socket, "getaddrinfo", find)
    for module in (addresses, documents):
        monkeypatch.setattr(module, "find_network", judge)
    return known


@pytest.fixture
def public() -> Iterator[DocumentServer]:
    """A server in the internet."""
    with run_document_server("127.0.0.11") as server:
        yield server


def name_issuer(server: DocumentServer, name: str, **changes: Any) -> str:
    """Return the issuer that a server is by a name, and serve its document."""
    issuer = f"http://{name}:{server.server_port}"
    server.describe(**{"issuer": issuer, "token_endpoint": f"{issuer}/token", **changes})
    return issuer


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (["10.1.2.3"], "on a private network"),
        (["169.254.169.254"], "on the local link"),
        (["127.0.0.1"], "on this machine"),
        (["::1"], "on this machine"),
        ([PUBLIC, "10.1.2.3"], "on a private network"),
    ],
)
def test_an_endpoints_name_is_looked_up(
    names: dict[str, list[str]], public: DocumentServer, addresses: list[str], said: str
) -> None:
    """All of its addresses have to be where what was typed may lead."""
    names |= {"id.example.com": ["127.0.0.11"], "inner.example.com": addresses}
    issuer = name_issuer(
        public, "id.example.com", revocation_endpoint="https://inner.example.com/x"
    )
    error = refuse(issuer, allow_http=True)
    assert f"revocation_endpoint https://inner.example.com/x is {said}" in error.cause


def test_a_name_that_nobody_knows_leads_nowhere(
    names: dict[str, list[str]], public: DocumentServer
) -> None:
    """It is no reason to refuse the rest: it may be known elsewhere."""
    names |= {"id.example.com": ["127.0.0.11"], "inner.example.com": []}
    issuer = name_issuer(public, "id.example.com", jwks_uri="https://inner.example.com/x")
    assert (
        ServerMetadata.discover(issuer, allow_http=True).jwks_url == "https://inner.example.com/x"
    )


@pytest.mark.parametrize("target", [PRIVATE, PUBLIC])
def test_a_server_in_a_private_network_may_lead_into_it(
    names: dict[str, list[str]], target: str
) -> None:
    """That is where its user has sent us; to this machine it may not lead."""
    names |= {"id.corp": ["127.0.0.12"], "sso.corp": [target], "here.corp": ["127.0.0.1"]}
    with run_document_server("127.0.0.12") as server:
        issuer = name_issuer(server, "id.corp", userinfo_endpoint="https://sso.corp/me")
        found = ServerMetadata.discover(issuer, allow_http=True)
        assert found.userinfo_url == "https://sso.corp/me"
        name_issuer(server, "id.corp", userinfo_endpoint="https://here.corp/me")
        assert "on this machine" in refuse(issuer, allow_http=True).cause


def test_a_name_that_moves_after_it_was_looked_up_is_noticed(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection's own address is looked at as well (DNS rebinding)."""
    names["id.example.com"] = ["127.0.0.1"]
    with run_document_server() as server:
        issuer = name_issuer(server, "id.example.com")
        monkeypatch.setattr(addresses, "_look_up", lambda *_: {PUBLIC})
        error = refuse(issuer, allow_http=True)
        assert server.received == []
    assert "on this machine, and what was asked is not" in error.cause


def test_a_name_with_addresses_of_both_kinds_is_a_public_one(
    names: dict[str, list[str]], server: DocumentServer
) -> None:
    """Else its owner would say what it may lead to; nothing is sent there."""
    names["id.example.com"] = ["127.0.0.1", PUBLIC]
    error = refuse(name_issuer(server, "id.example.com"), allow_http=True)
    assert "on this machine" in error.cause
    assert server.received == []


def test_the_url_that_was_typed_decides(server: DocumentServer) -> None:
    """An API names its issuer; that is no word of its user's."""
    error = refuse(server.describe(), typed=f"https://{PUBLIC}/v1", allow_http=True)
    assert "on this machine" in error.cause
    assert server.received == []


def test_a_proxy_is_not_asked_for_what_only_it_can_reach(internet: Internet) -> None:
    """It looks names up by itself, and may stand inside a network."""
    with internet.session() as session:
        for issuer in ("https://localhost", "https://127.0.0.1", "https://10.0.0.1"):
            refuse(issuer, session=session, typed=ISSUER)
    assert internet.received == []


def test_a_lookup_ends_at_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has no bound of its own."""
    end = threading.Event()

    def hang(_host: str, *_args: Any, **_options: Any) -> Any:
        end.wait(WAIT)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        error = refuse("https://id.example.com", timeout=0.2)
    finally:
        end.set()
    assert error.cause == "the name 'id.example.com' could not be looked up within 0.2 s"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        (PUBLIC, Network.PUBLIC),
        ("2606:4700::1", Network.PUBLIC),
        (PRIVATE, Network.PRIVATE),
        ("172.16.0.1", Network.PRIVATE),
        ("100.64.0.1", Network.PRIVATE),
        ("224.0.0.1", Network.PRIVATE),
        ("255.255.255.255", Network.PRIVATE),
        ("fd00::1", Network.PRIVATE),
        ("fe80::1%eth0", Network.LINK_LOCAL),
        ("127.255.0.1", Network.LOOPBACK),
        ("0.0.0.0", Network.LOOPBACK),
        ("::1", Network.LOOPBACK),
        ("::127.0.0.1", Network.LOOPBACK),
        ("::ffff:127.0.0.1", Network.LOOPBACK),
        ("64:ff9b::7f00:1", Network.LOOPBACK),
        ("64:ff9b::a9fe:a9fe", Network.LINK_LOCAL),
        ("2002:a00:1::", Network.PRIVATE),
    ],
)
def test_an_address_says_its_network(address: str, network: Network) -> None:
    """One that stands for another says that one's."""
    assert find_network(address) is network


@pytest.mark.parametrize(
    "host", ["LOCALHOST", "localhost.", "a.b.localhost", "127.1", "017700000001"]
)
def test_some_hosts_are_known_without_a_lookup(host: str) -> None:
    """Behind a proxy as well, which is the one to look names up."""
    assert find_networks(host, 1.0, may_look_up=False) == {Network.LOOPBACK}
    assert find_networks("id.example.com", 1.0, may_look_up=False) == set()


def test_only_the_machine_itself_may_lead_everywhere_but_to_the_link() -> None:
    """What may lead where, as a whole."""
    leads = {
        (start.name, end.name)
        for start, end in product(Network, Network)
        if end in list_reachable([start])
    }
    assert leads == {
        *(("PUBLIC", "PUBLIC"), ("PRIVATE", "PUBLIC"), ("PRIVATE", "PRIVATE")),
        *(("LINK_LOCAL", "PUBLIC"), ("LINK_LOCAL", "PRIVATE"), ("LINK_LOCAL", "LINK_LOCAL")),
        *(("LOOPBACK", "PUBLIC"), ("LOOPBACK", "PRIVATE"), ("LOOPBACK", "LOOPBACK")),
    }
    assert list_reachable([]) == list_reachable([Network.PUBLIC])
