"""BrowserLogin against the certified oidc-provider, and AuthServer(openid=True) beside it.

A person logs in on the provider's own pages; nothing of the exchange is made up here.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import (
    BrowserLogin,
    MemoryStore,
    OAuth2Endpoint,
    RefreshRejected,
    RefreshUnavailable,
    mount,
)
from requests_jwt_refresh.grants import loopback
from requests_jwt_refresh.testing import AuthServer
from tests.support.code_server import Redirect, follow, read_query
from tests.support.form_browser import FormBrowser
from tests.support.oidc_provider import OpenIDProvider
from tests.support.waits import WAIT, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

CLIENT = "client-id"  # AuthServer's
REDIRECTS = ("http://127.0.0.1", "http://127.0.0.1/callback", "http://localhost/callback")


@pytest.fixture(autouse=True)
def _no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loopback, "LINGER_SECONDS", 0.0)


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIDProvider]:
    """The provider, where these redirect URIs are registered."""
    with OpenIDProvider(REDIRECTS) as provider:
        yield provider


class Person:
    """Goes through the server's pages in a browser, to ours."""

    def __init__(self, *, consents: bool = True) -> None:
        self._consents = consents
        self._found: queue.Queue[str | Exception] = queue.Queue()

    def __call__(self, url: str) -> None:
        start(lambda: self._visit(url))

    def page(self) -> str:
        found = self._found.get(timeout=WAIT)
        assert isinstance(found, str), found
        return found

    def _visit(self, url: str) -> None:
        try:
            redirect = read_query(url)["redirect_uri"]
            with FormBrowser(redirect) as browser:
                arrival = browser.log_in(url, consent=self._consents)
            is_form = arrival.method == "POST"
            self._found.put(follow(Redirect(redirect, arrival.fields, is_form)).text)
        except Exception as error:  # noqa: BLE001 - raised in the test's own thread
            self._found.put(error)


@pytest.mark.parametrize("redirect_uri", [None, *REDIRECTS])
@pytest.mark.parametrize("client", ["public", "confidential"])
def test_from_an_issuer_to_an_answered_request(
    provider: OpenIDProvider, session: requests.Session, client: str, redirect_uri: str | None
) -> None:
    """Discovery, the person's login and consent, the code, the id_token; then a rotation."""
    secret = provider.SECRET if client == provider.CONFIDENTIAL else None
    person = Person()
    login = BrowserLogin(
        provider.issuer, client, client_secret=secret, redirect_uri=redirect_uri, open=person
    )
    endpoint = OAuth2Endpoint(provider.token_url, client, secret)
    adapter = mount(session, provider.api, endpoint, MemoryStore(), login=login)
    assert session.get("/x").status_code == 200
    assert "You are logged in" in person.page()
    before = adapter.token
    assert before is not None
    assert before.extra["scope"] == "openid offline_access"
    assert adapter.refresh().refresh != before.refresh
    assert session.get("/x").status_code == 200


def test_a_person_who_refuses(provider: OpenIDProvider, session: requests.Session) -> None:
    """The provider says access_denied, the page says so, and the API's own 401 is returned."""
    person = Person(consents=False)
    login = BrowserLogin(provider.issuer, "public", open=person)
    endpoint = OAuth2Endpoint(provider.token_url, "public")
    adapter = mount(session, provider.api, endpoint, MemoryStore(), login=login)
    with pytest.raises(RefreshRejected, match="denied in the browser"):
        adapter.refresh()
    assert "You are not logged in" in person.page()


def test_with_auth_server(session: requests.Session) -> None:
    """As the provider does it, so that users can test their own programs."""
    with AuthServer(openid=True) as server:
        person = Person()
        login = BrowserLogin(server.url, CLIENT, open=person)
        endpoint = OAuth2Endpoint(server.refresh_url, CLIENT)
        mount(session, server.url, endpoint, MemoryStore(), login=login)
        assert session.get("/api/x").status_code == 200
        assert "You are logged in" in person.page()
        assert server.counters.logins == 1


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ({"nonce": "another"}, "nonce is not ours"),
        ({"iss": "https://evil.example"}, "is from another issuer"),
        ({"aud": "another"}, "is for another client"),
    ],
)
def test_an_auth_server_that_lies(
    session: requests.Session, claim: dict[str, str], text: str
) -> None:
    """Its id_token is of another login."""
    with AuthServer(openid=True, id_token_claims=claim) as server:
        person = Person()
        login = BrowserLogin(server.url, CLIENT, open=person)
        endpoint = OAuth2Endpoint(server.refresh_url, CLIENT)
        mount(session, server.url, endpoint, MemoryStore(), login=login)
        with pytest.raises(RefreshUnavailable, match=text):
            session.get("/api/x")
        assert "You are not logged in" in person.page()
