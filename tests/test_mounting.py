"""mount(): in front of what the session had, and never silently beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from requests_jwt_refresh import (
    InvalidURL,
    JSONEndpoint,
    JWTRefreshAdapter,
    MemoryStore,
    bearer_challenge,
    json_field,
    mount,
    status,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

API = "https://api.example.com"
ENDPOINT = JSONEndpoint("/auth/refresh")


def test_an_adapter_on_a_longer_prefix_is_told(session: requests.Session) -> None:
    """It would take precedence over ours, and its requests would go without a token."""
    session.mount(f"{API}/v1/slow/", HTTPAdapter(max_retries=3))
    with pytest.raises(InvalidURL, match="without a token"):
        mount(session, API, ENDPOINT, MemoryStore())


def test_so_it_is_when_it_comes_later(session: requests.Session) -> None:
    """A relative URL that another adapter would serve is an error."""
    mount(session, f"{API}/v1", ENDPOINT, MemoryStore())
    session.mount(f"{API}/v1/slow/", HTTPAdapter())
    assert session.prepare_request(requests.Request("GET", "/users")).url == f"{API}/v1/users"
    with pytest.raises(InvalidURL, match=r"'https://api\.example\.com/v1/slow/'"):
        session.get("/slow/report")


@pytest.mark.parametrize("prefix", ["/", "", "https://elsewhere.example.com/"])
def test_mounted_out_of_reach(session: requests.Session, prefix: str) -> None:
    """An adapter on a prefix that its own base URL does not begin with cannot serve it."""
    session.mount(prefix, JWTRefreshAdapter(API, ENDPOINT, MemoryStore()))
    with pytest.raises(InvalidURL, match="without a token"):
        session.get("/users")


def test_two_bases_on_one_origin(session: requests.Session) -> None:
    """The second would replace the first in silence."""
    mount(session, f"{API}/v1", ENDPOINT, MemoryStore())
    with pytest.raises(InvalidURL, match=r"/v1 on this origin already"):
        mount(session, f"{API}/v2", ENDPOINT, MemoryStore())
    mount(session, f"{API}/v1/", ENDPOINT, MemoryStore())


@pytest.mark.parametrize("junk", [None, requests, requests.Session, API])
def test_it_takes_a_session(junk: Any) -> None:
    """Anything else is a TypeError that names requests.Session."""
    with pytest.raises(TypeError, match=r"requests\.Session"):
        mount(junk, API, ENDPOINT, MemoryStore())


@pytest.mark.parametrize("when", ["401", json_field, status, bearer_challenge])
def test_a_matcher_that_was_not_called(session: requests.Session, when: Any) -> None:
    """The mistake is an error at once, and not at the first 401."""
    with pytest.raises(TypeError, match="matcher"):
        mount(session, API, ENDPOINT, MemoryStore(), when=when)


@pytest.mark.parametrize("option", ["login", "on_refresh", "on_logout", "refresh_session"])
def test_what_is_no_function_or_session(session: requests.Session, option: str) -> None:
    """An option of the wrong kind is an error at once."""
    with pytest.raises(TypeError, match=option):
        mount(session, API, ENDPOINT, MemoryStore(), **{option: "alice"})


@pytest.mark.parametrize("seconds", [None, 0, -1, float("nan"), float("inf"), "30"])
def test_the_refresh_timeout_has_an_end(session: requests.Session, seconds: Any) -> None:
    """refresh_timeout is a positive number of seconds."""
    with pytest.raises(ValueError, match="positive number of seconds"):
        mount(session, API, ENDPOINT, MemoryStore(), refresh_timeout=seconds)


@pytest.mark.parametrize("url", ["https://cdn.example.com/only/here", "https://cdn.example.com?a"])
def test_a_trusted_origin_is_a_whole_one(session: requests.Session, url: str) -> None:
    """A path would promise less than what is trusted."""
    with pytest.raises(InvalidURL, match="as a whole"):
        mount(session, API, ENDPOINT, MemoryStore(), trusted_origins=[url])


def test_a_refresh_in_between_verifies(session: requests.Session, server: AuthServer) -> None:
    """What one request risks with verify=False, adapter.refresh() does not."""
    asked: list[Any] = []

    def refresh(own: requests.Session, _token: object) -> Any:
        asked.append(own.verify)
        return server.login()

    adapter = mount(session, server.url, refresh, MemoryStore(server.login()))
    session.get("/api/x", verify=False)
    adapter.refresh()
    assert len(asked) == 1
    assert asked[0] is not False
