"""Which server an API trusts (RFC 9728): what it says itself, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from requests_jwt_refresh import DiscoveryError, InvalidURL, MemoryStore, Token, mount
from requests_jwt_refresh.grants.discovery import Found, drop_well_known, find_issuer
from tests.support.document_server import RESOURCE, Page, run_document_server
from tests.support.internet import Answer, every_host, internet, make_json_answer
from tests.support.users import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.document_server import DocumentServer
    from tests.support.internet import Internet

__all__ = ["every_host", "internet"]  # fixtures

API = "https://api.example.com"
ISSUER = "https://auth.example.com/realm"


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with run_document_server() as server:
        yield server


def challenge(*challenges: str, status: int = 401, content: Any = None) -> Page:
    return Page(content or {}, status, {"WWW-Authenticate": ", ".join(challenges)})


def refuse(api_url: str, **options: Any) -> DiscoveryError:
    """Return the error of an API that cannot be believed."""
    with pytest.raises(DiscoveryError) as caught:
        find_issuer(api_url, **options)
    assert caught.value.remedy
    return caught.value


def refuse_in_internet(internet: Internet, **changes: Any) -> DiscoveryError:
    """Return the same for an API in the internet, whose document is good but for `changes`."""
    document = {"resource": f"{API}/v1", "authorization_servers": [ISSUER], **changes}
    internet.answers[f"{API}/v1"] = Answer(401)
    internet.answers[f"{API}{RESOURCE}/v1"] = make_json_answer(**document)
    with internet.session() as session:
        return refuse(f"{API}/v1", session=session)


# --- Where it is found ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before", [(), ('Basic realm="a, b"',), ("Negotiate abc=", 'DPoP algs="ES256"')]
)
def test_the_challenge_names_the_document(server: DocumentServer, before: tuple[str, ...]) -> None:
    """Among others, and whatever its scheme (§5.1)."""
    document = f"{server.url}/about/api"
    server.pages["/v1"] = challenge(*before, f'Bearer error="x", resource_metadata="{document}"')
    resource = f"{server.url}/v1"
    server.pages["/about/api"] = Page({"resource": resource, "authorization_servers": [ISSUER]})
    assert find_issuer(resource) == Found(ISSUER, resource, (resource, document))
    assert [each.authorization for each in server.received] == [None, None]


@pytest.mark.parametrize("path", ["", "/v1", "/a/v1"])
def test_the_well_known_place_is_looked_at(server: DocumentServer, path: str) -> None:
    """With the API's path after it (§3.1)."""
    api = server.protect(path, ISSUER, "https://other.example.com")
    found = find_issuer(api)
    assert (found.issuer, found.resource) == (ISSUER, api)
    assert server.paths == [path or "/", RESOURCE + path]


def test_the_whole_hosts_document_comes_last(server: DocumentServer) -> None:
    """It has to be about the whole host."""
    server.protect("", ISSUER)
    assert find_issuer(f"{server.url}/v1").tried == (
        f"{server.url}/v1",
        f"{server.url}{RESOURCE}/v1",
        f"{server.url}{RESOURCE}",
    )


@pytest.mark.parametrize("page", [Page(status=404), Page(b"<html>"), Page({"resource": "?"})])
def test_a_named_document_that_is_not_there_is_no_end(server: DocumentServer, page: Page) -> None:
    """The usual place may have it."""
    api = server.protect("/v1", ISSUER)
    content = page.content
    if isinstance(content, dict):
        page = Page({"resource": api})  # without a server, which a document may be
    server.pages["/about"] = page
    server.pages["/v1"] = challenge(f'Bearer resource_metadata="{server.url}/about"')
    assert find_issuer(api).issuer == ISSUER


@pytest.mark.parametrize(("asked", "named"), [("/", ""), ("", "/")])
def test_a_slash_at_the_end_makes_no_other_resource(
    server: DocumentServer, asked: str, named: str
) -> None:
    """The document's place does not tell it."""
    server.protect("/v1", ISSUER, resource=f"{server.url}/v1{named}")
    assert find_issuer(f"{server.url}/v1{asked}").resource == f"{server.url}/v1{named}"


def test_however_much_the_api_answers_its_body_is_left_alone(server: DocumentServer) -> None:
    """Its headers say all."""
    api = server.protect("/v1", ISSUER)
    server.pages["/v1"] = Page(b"x" * 200_000, 200)
    assert find_issuer(api).issuer == ISSUER


def test_a_mounted_adapters_token_stays_where_it_is(server: DocumentServer) -> None:
    """The question goes without, over the session all the same."""
    api = server.protect("/v1", ISSUER)
    with requests.Session() as session:
        mount(session, api, ENDPOINT, MemoryStore(Token("secret", "secret")))
        assert find_issuer(api, session=session).issuer == ISSUER
    assert not any(each.holds("secret") for each in server.received)


# --- What is not believed ------------------------------------------------------------------------


def test_what_was_tried_is_said(server: DocumentServer) -> None:
    """With what came, for each place; and what to do."""
    error = refuse(f"{server.url}/v1")
    for said in (
        f"{server.url}/v1 does not say which server logs its users in: ",
        f"{server.url}/v1 answered 404 without a challenge that has resource_metadata; ",
        f"{server.url}{RESOURCE}/v1 answered 404; ",
        f"{server.url}{RESOURCE} answered 404",
    ):
        assert said in error.cause
    assert error.remedy == "give the issuer that the API's documentation names"


@pytest.mark.parametrize(
    "resource",
    [
        "https://evil.com/v1",
        "https://api.example.com",
        "https://api.example.com/v1/admin",
        "https://api.example.com/v2",
        "http://api.example.com/v1",
        "https://api.example.com/v1?a",
        7,
        None,
    ],
)
def test_the_resource_has_to_be_the_url_asked(internet: Internet, resource: Any) -> None:
    """A document about another API would have its tokens asked for (§3.3)."""
    assert f"{RESOURCE}/v1: resource is" in refuse_in_internet(internet, resource=resource).cause


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        (["http://auth.example.com"], "unencrypted"),
        (["https://localhost/"], "on this machine"),
        (["https://10.0.0.1"], "on a private network"),
        (["https://169.254.169.254"], "on the local link"),
        (["https://me:pw@auth.example.com"], "user name"),
        (["https://auth.example.com#a"], "fragment"),
        (["auth.example.com"], "no scheme"),
        ([7], "no word"),
        ("https://auth.example.com", "not a list"),
        ([], "authorization_servers is missing"),
        (None, "authorization_servers is missing"),
    ],
)
def test_the_issuer_has_to_be_a_usable_url(internet: Internet, servers: Any, said: str) -> None:
    """And may lead nowhere that the API does not."""
    error = refuse_in_internet(internet, authorization_servers=servers)
    assert said in error.cause
    assert "authorization_servers" in error.cause


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://api.example.com/about", "unencrypted"),
        ("https://127.0.0.1/about", "on this machine"),
        ("https://169.254.169.254/about", "on the local link"),
        ("https://me@api.example.com/about", "user name"),
        ("/about", "no scheme"),
    ],
)
def test_the_challenge_leads_nowhere_else(internet: Internet, url: str, said: str) -> None:
    """Nothing is sent there, and nothing else is tried: the API lies."""
    header = {"WWW-Authenticate": f'Bearer resource_metadata="{url}"'}
    internet.answers[f"{API}/v1"] = Answer(401, headers=header)
    with internet.session() as session:
        error = refuse(f"{API}/v1", session=session)
    assert said in error.cause
    assert "the challenge's resource_metadata" in error.cause
    assert [each.url for each in internet.received] == [f"{API}/v1"]


def test_no_redirect_is_followed(server: DocumentServer) -> None:
    """Neither the API's nor the document's."""
    server.protect("/other", ISSUER)
    for path in ("/v1", f"{RESOURCE}/v1", RESOURCE):
        server.pages[path] = Page(status=302, headers={"Location": f"{RESOURCE}/other"})
    assert refuse(f"{server.url}/v1").cause.count("a redirect, which is not followed") == 3
    assert len(server.received) == 3


@pytest.mark.parametrize("url", ["api.example.com/v1", "http://api.example.com", "https://me@h/"])
def test_an_api_url_without_a_clear_meaning_is_refused_unasked(url: str) -> None:
    """The fault is in what was typed."""
    with pytest.raises(InvalidURL):
        find_issuer(url)


@pytest.mark.parametrize(
    ("url", "dropped"),
    [
        ("https://h/.well-known/oauth-protected-resource", "https://h"),
        ("https://h/.well-known/oauth-protected-resource/v1?x", "https://h/v1?x"),
        ("https://h/t/.well-known/openid-configuration/", "https://h/t/"),
        ("https://h/.well-known/oauth-authorization-server?x", "https://h?x"),
        ("https://h/.well-known/openid-configurations", None),
        ("https://h/.well-known/openid-configuration.json", None),
        ("https://h/v1", None),
    ],
)
def test_a_documents_url_names_what_it_is_about(url: str, dropped: str | None) -> None:
    """Without the well-known part, and that alone."""
    assert drop_well_known(url) == (dropped or url)
