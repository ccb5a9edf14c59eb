"""What an authorization server says of itself: where it is found, and what is made of it."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.cookies import RequestsCookieJar

from requests_jwt_refresh import InsecureURL, InvalidURL, ServerMetadata
from requests_jwt_refresh.grants.discovery import choose_scope
from requests_jwt_refresh.refresh.client import ClientSession, SendOptions
from requests_jwt_refresh.responses import TokenResponse, as_response
from tests.support.document_server import OAUTH, OPENID, Page, run_document_server
from tests.support.internet import every_host, internet, make_json_answer
from tests.support.sessions import plain_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.document_server import DocumentServer
    from tests.support.internet import Internet

__all__ = ["every_host", "internet"]  # fixtures

HTTPS = "https://auth.example.com"


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with run_document_server() as server:
        yield server


def test_all_that_is_known_is_read(server: DocumentServer) -> None:
    """Endpoints as they are, client authentication in our words, the rest as tuples."""
    url = server.url
    server.describe(
        authorization_endpoint=f"{url}/authorize?tenant=a",
        device_authorization_endpoint=f"{url}/device",
        revocation_endpoint=f"{url}/revoke",
        end_session_endpoint=f"{url}/logout",
        registration_endpoint=f"{url}/register",
        jwks_uri="https://keys.example.com/jwks",
        userinfo_endpoint=f"{url}/me",
        token_endpoint_auth_methods_supported=[
            "client_secret_post",
            "client_secret_jwt",
            "none",
            "private_key_jwt",
            "client_secret_basic",
        ],
        scopes_supported=["openid", "email", "offline_access", "email"],
        grant_types_supported=["authorization_code", "refresh_token"],
        response_modes_supported=["query", "form_post"],
        code_challenge_methods_supported=["S256"],
        authorization_response_iss_parameter_supported=True,
        something_new={"nobody": ["knows"]},
    )
    assert ServerMetadata.discover(url) == ServerMetadata(
        issuer=url,
        authorization_url=f"{url}/authorize?tenant=a",
        token_url=f"{url}/token",
        device_url=f"{url}/device",
        revocation_url=f"{url}/revoke",
        end_session_url=f"{url}/logout",
        registration_url=f"{url}/register",
        jwks_url="https://keys.example.com/jwks",
        userinfo_url=f"{url}/me",
        client_auths=("post", "none", "private_key_jwt", "basic"),
        scopes=("openid", "email", "offline_access"),
        grant_types=("authorization_code", "refresh_token"),
        response_modes=("query", "form_post"),
        pkce_methods=("S256",),
        sends_iss=True,
        is_openid=True,
        takes_offline_access=True,
    )


def test_what_a_server_leaves_out_has_its_usual_value(server: DocumentServer) -> None:
    """RFC 8414 §2 names it; null and an empty string are left out as well."""
    issuer = server.describe(
        place=OAUTH, scopes_supported=None, revocation_endpoint=None, jwks_uri=""
    )
    found = ServerMetadata.discover(issuer)
    assert found == ServerMetadata(issuer, token_url=f"{issuer}/token")
    assert (found.client_auths, found.grant_types) == (
        ("basic",),
        ("authorization_code", "implicit"),
    )
    assert (found.is_openid, found.scopes, found.pkce_methods) == (False, None, ())
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", OPENID),
        ("", OAUTH),
        ("/realms/one", f"/realms/one{OPENID}"),  # OpenID Connect Discovery §4.1
        ("/realms/one", f"{OAUTH}/realms/one"),  # RFC 8414 §3.1
        ("/realms/one", f"{OPENID}/realms/one"),  # RFC 8414 §5
        ("/realms/one", f"/realms/one{OAUTH}"),  # nobody's rule, and seen all the same
    ],
)
def test_both_documents_are_found_at_both_places(
    server: DocumentServer, path: str, place: str
) -> None:
    """An issuer's path comes before the well-known part, or after it."""
    issuer = server.describe(path, place)
    assert ServerMetadata.discover(issuer).token_url == f"{issuer}/token"
    assert server.paths[-1] == place
    assert len(set(server.paths)) == len(server.paths) <= 4


def test_another_answer_at_one_place_is_passed_over(server: DocumentServer) -> None:
    """A page for people, or another tenant's document: the issuer's own may be at the next."""
    server.describe(place=f"/one{OPENID}")
    server.pages[f"{OAUTH}/one"] = Page(b"<html>", headers={"Content-Type": "text/html"})
    issuer = server.describe("/one", f"{OPENID}/one")
    assert ServerMetadata.discover(issuer).issuer == issuer


@pytest.mark.parametrize("path", ["", "/realms/one"])
@pytest.mark.parametrize(("asked", "named"), [("/", ""), ("", "/"), ("/", "/")])
def test_a_slash_at_the_end_makes_no_other_issuer(
    server: DocumentServer, path: str, asked: str, named: str
) -> None:
    """The document's place does not tell it; what the server writes is kept, for `iss`."""
    issuer = server.describe(path, path + OPENID, issuer=server.url + path + named)
    assert ServerMetadata.discover(issuer + asked).issuer == issuer + named
    assert server.paths == [path + OPENID]


@pytest.mark.parametrize(
    ("path", "place"), [("", OPENID), ("/one", f"/one{OPENID}"), ("/one", f"{OAUTH}/one")]
)
def test_the_documents_own_url_is_taken_for_the_issuer(
    server: DocumentServer, path: str, place: str
) -> None:
    """People copy it out of a browser."""
    issuer = server.describe(path, place)
    assert ServerMetadata.discover(server.url + place).issuer == issuer


def test_a_server_of_this_machine_may_be_called_localhost(server: DocumentServer) -> None:
    """And lead to where it is called otherwise."""
    issuer = f"http://localhost:{server.server_port}"
    server.describe(issuer=issuer, userinfo_endpoint=f"http://[::1]:{server.server_port}/me")
    assert ServerMetadata.discover(issuer).token_url == f"{server.url}/token"


@pytest.mark.parametrize(
    ("issuer", "kind", "word"),
    [
        ("id.example.com", InvalidURL, "no scheme"),
        ("http://id.example.com", InsecureURL, "unencrypted"),
        ("https://id.example.com/?tenant=a", InvalidURL, "query or a fragment"),
        ("https://id.example.com/#a", InvalidURL, "query or a fragment"),
        ("https://me:pw@id.example.com", InvalidURL, "user name"),
        ("https://id.example.com\\@evil.com", InvalidURL, "backslash"),
        (" https://id.example.com", InvalidURL, "space"),
        (None, InvalidURL, "not a string"),
    ],
)
def test_an_issuer_without_a_clear_meaning_is_refused_unasked(
    issuer: Any, kind: type[InvalidURL], word: str
) -> None:
    """The fault is in what was typed."""
    with pytest.raises(kind, match=word):
        ServerMetadata.discover(issuer)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "10", None])
def test_a_timeout_is_a_positive_number(timeout: Any) -> None:
    """Whatever else it is, it is no bound."""
    with pytest.raises(ValueError, match="positive number of seconds"):
        ServerMetadata.discover("https://id.example.com", timeout=timeout)


# --- How it is asked -----------------------------------------------------------------------------


def test_nothing_but_the_question_is_sent(
    server: DocumentServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """No netrc, and nothing of the session's: not its auth, its headers, its cookies."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    issuer = server.describe()
    with requests.Session() as session:
        session.auth = ("me", "secret")
        session.headers["X-Api-Key"] = "secret"
        session.cookies.set("sid", "secret")
        ServerMetadata.discover(issuer, session=session)
    ServerMetadata.discover(issuer)
    assert len(server.received) == 2
    assert not any(each.holds("secret") or each.authorization for each in server.received)
    assert {each.headers.get("Accept") for each in server.received} == {"application/json"}
    assert {each.headers.get("Cookie") for each in server.received} == {None}


def test_the_network_is_reached_as_by_the_session(internet: Internet) -> None:
    """Its proxy and its CA; the proxy knows the names."""
    document = {"issuer": HTTPS, "token_endpoint": f"{HTTPS}/token"}
    internet.answers[HTTPS + OPENID] = make_json_answer(**document)
    with internet.session() as session:
        assert ServerMetadata.discover(HTTPS, session=session).token_url == f"{HTTPS}/token"


def test_a_logins_own_session_will_do(server: DocumentServer, internet: Internet) -> None:
    """A login is handed one; it is asked as often as a login likes, one after the other."""
    issuer = server.describe()
    document = {"issuer": HTTPS, "token_endpoint": f"{HTTPS}/token"}
    internet.answers[HTTPS + OPENID] = make_json_answer(**document)
    with internet.session() as outer:
        options = SendOptions(outer.verify, None, outer.proxies)
        with ClientSession(30.0, options, RequestsCookieJar()) as session:
            for _ in range(2):
                assert ServerMetadata.discover(HTTPS, session=session).issuer == HTTPS
    with ClientSession(30.0, SendOptions(), RequestsCookieJar()) as session:
        for _ in range(2):
            assert ServerMetadata.discover(issuer, session=session).issuer == issuer
            assert session.get(issuer + OPENID).status_code == 200


def test_a_sessions_fake_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a look at names that only it knows."""
    monkeypatch.setattr("socket.getaddrinfo", None)  # nobody calls it

    class Fake(requests.adapters.BaseAdapter):
        def send(self, *_args: Any, **_options: Any) -> requests.Response:
            document = {"issuer": HTTPS, "token_endpoint": f"{HTTPS}/token"}
            return as_response(TokenResponse(200, {}, json.dumps(document).encode()))

        def close(self) -> None:
            """There is nothing to close."""

    with plain_session() as session:
        session.mount("https://", Fake())
        assert ServerMetadata.discover(HTTPS, session=session).issuer == HTTPS


# --- What to ask for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "wanted", "expected"),
    [
        ({}, None, ("", False)),
        ({}, "read", ("read", False)),
        ({"is_openid": True}, None, ("openid", False)),
        (
            {"is_openid": True, "takes_offline_access": True},
            "email  openid",
            ("openid offline_access email", True),
        ),
        ({"is_openid": True}, "offline_access", ("openid offline_access", True)),
        ({"takes_offline_access": True}, "read", ("offline_access read", False)),
    ],
)
def test_the_scope_is_what_was_wanted_and_what_brings_a_refresh_token(
    changes: dict[str, Any], wanted: str | None, expected: tuple[str, bool]
) -> None:
    """With prompt=consent where OpenID Connect Core §11 asks for it."""
    assert choose_scope(ServerMetadata("https://h", **changes), wanted) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scopes_supported": ["openid"]}, (True, False)),
        ({"id_token_signing_alg_values_supported": ["RS256"]}, (True, False)),
        ({"scopes_supported": ["read", "offline_access"]}, (False, True)),
        ({}, (False, False)),
    ],
)
def test_an_openid_provider_is_known_by_what_it_has(
    server: DocumentServer, changes: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    """Not by the place of its document: plain OAuth 2.0 servers use that as well."""
    found = ServerMetadata.discover(server.describe(**changes))
    assert (found.is_openid, found.takes_offline_access) == expected
