"""Sliding sessions against the real thing: Flask-JWT-Extended's implicit refreshing by cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh import FileStore, JWTRefreshAdapter, Token, cookie, mount
from requests_jwt_refresh.presets import FlaskJWTExtendedCookies
from tests.support.servers.shared import real_servers
from tests.support.waits import WAIT, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.servers import Server

__all__ = ["real_servers"]  # a fixture


@pytest.fixture
def url(real_servers: Callable[[str], Server]) -> str:
    server = real_servers("flasks:app")
    server.forget()
    return f"{server.url}/cookies"


@pytest.fixture
def adapter(url: str, session: requests.Session, tmp_path: Path) -> Iterator[JWTRefreshAdapter]:
    """An adapter that is logged in, with a token that has not expired."""
    account = {"username": "alice", "password": "secret"}
    cookies = requests.post(f"{url}/login", json=account, timeout=WAIT).cookies.get_dict()
    access, refresh = cookies.pop("access_token_cookie"), cookies.pop("refresh_token_cookie")
    adapter = mount(
        session,
        url,
        FlaskJWTExtendedCookies(),
        FileStore(tmp_path / "token"),
        renewed=cookie("access_token_cookie"),
    )
    adapter.set_token(Token(access, refresh, extra={"cookies": cookies}))
    yield adapter
    adapter.clear_token()


def test_each_answer_brings_the_token_of_the_next_request(
    session: requests.Session, adapter: JWTRefreshAdapter
) -> None:
    """And the cookie of its double submit, without which no POST is answered."""
    seen = set()
    for method in ("GET", "POST", "POST", "GET", "POST"):
        response = session.request(method, "/slide")
        assert (response.status_code, response.json()) == (200, {"user": "alice"})
        token = adapter.token
        assert token is not None
        assert token.extra["cookies"].keys() == {"csrf_access_token", "csrf_refresh_token"}
        seen.add((token.access, token.extra["cookies"]["csrf_access_token"]))
    assert len(seen) == 5


def test_another_program_takes_it_from_the_store(
    url: str, session: requests.Session, adapter: JWTRefreshAdapter, tmp_path: Path
) -> None:
    """With all it needs."""
    session.get("/slide")
    token = adapter.token
    wait_until(lambda: FileStore(tmp_path / "token").load() == token, "a save")
    with requests.Session() as other:
        store = FileStore(tmp_path / "token")
        mount(other, url, FlaskJWTExtendedCookies(), store)
        assert other.post("/me", data="hello").json()["body"] == "hello"
