"""demo --serve: what it says to type, what it answers, and what it shows of each request."""

from __future__ import annotations

import io
import re
import shutil
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from requests_jwt_refresh.cli.serve import serve
from tests.support.openid_client import OpenIDClient
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from tests.support.clock import Clock

COMMAND = re.compile(r"^   (requests-jwt .*)$", re.MULTILINE)


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a user's profiles, which is not there."""
    monkeypatch.delenv("REQUESTS_JWT_PROFILES_TOML", raising=False)
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(tmp_path / "profiles.toml"))
    return tmp_path / "profiles.toml"


def find_url(shown: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", shown)
    assert found is not None
    return found[0]


def serve_during(
    visit: Callable[[str], object], clock: Clock, stream: io.StringIO | None = None
) -> str:
    """Run the server, call `visit` with its URL, and press Ctrl-C; return what was shown."""
    page = stream or io.StringIO()

    def visit_and_interrupt() -> None:
        visit(find_url(page.getvalue()))
        raise KeyboardInterrupt

    clock.steps.append(visit_and_interrupt)
    serve(page)
    return page.getvalue()


def get(url: str, access: str | None = None) -> requests.Response:
    headers = {} if access is None else {"Authorization": f"Bearer {access}"}
    with plain_session() as session:
        return session.get(url, headers=headers, timeout=WAIT)


def list_requests(shown: str) -> list[str]:
    """Return the lines about requests, with one space where there are several."""
    lines = shown.partition("What the server is asked:\n")[2].partition("\n\n")[0].splitlines()
    return [" ".join(each.split()) for each in lines if each]


@pytest.mark.parametrize(
    ("found", "python"),
    [
        ({"python", "python3"}, "python "),
        ({"python"}, "python "),
        ({"python3"}, "python3 "),
        (set(), ""),
    ],
)
def test_what_to_type_next(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, found: set[str], python: str
) -> None:
    """Each command in one line, to be copied, with the Python that is there; else 80 columns."""
    there = {"requests-jwt", *found}
    monkeypatch.setattr(shutil, "which", lambda name: name if name in there else None)
    urls: list[str] = []
    shown = serve_during(urls.append, clock)
    (url,) = urls
    call = f"import requests; print(requests.get('{url}/hello').text)"
    assert COMMAND.findall(shown) == [
        f"requests-jwt init demo --from {url}",
        f'requests-jwt run demo -- {python}-c "{call}"',
    ]
    assert max(map(len, COMMAND.sub("", shown).splitlines())) <= 80
    assert shown.isascii()


@pytest.mark.parametrize(
    ("content", "replaces"),
    [
        ('[demo]\nbase_url = "http://127.0.0.1:5"\n', True),
        ('[demo]\nbase_url = "https://demo.example.com"\n', False),
        ('[other]\nbase_url = "http://127.0.0.1:5"\n', False),
        ("[demo]\nbase_url = 7\n", False),
        ("demo = 7\n", False),
        ("no TOML", False),
    ],
)
def test_the_profile_of_an_earlier_server_is_replaced(
    clock: Clock, profiles: Path, content: str, *, replaces: bool
) -> None:
    """The command says so; `init` refuses to replace any other."""
    profiles.write_text(content, encoding="utf-8")
    shown = serve_during(lambda _url: None, clock)
    assert COMMAND.findall(shown)[0].endswith(" --replace") == replaces


def test_a_greeting_for_a_token(clock: Clock) -> None:
    """One path says hello to who has logged in; all others are as AuthServer has them."""

    def visit(url: str) -> None:
        access = OpenIDClient(url).log_in()["access_token"]
        assert get(f"{url}/hello", access).json() == {"message": "Hello, alice!"}
        assert get(f"{url}/other", access).json()["path"] == "/other"
        assert get(f"{url}/hello").status_code == 401
        assert get(f"{url}/hello", "wrong").status_code == 401

    serve_during(visit, clock)


def test_each_request_is_shown(clock: Clock) -> None:
    """Its path and what came of it, in words; no code, no token, no query."""
    secrets: list[str] = []

    def visit(url: str) -> None:
        client = OpenIDClient(url)
        tokens = client.log_in()
        get(f"{url}/hello?q=hunter2", tokens["access_token"])
        clock.advance(61.0)
        get(f"{url}/hello", tokens["access_token"])
        new = client.refresh(tokens["refresh_token"]).json()
        get(f"{url}/hello", new["access_token"])
        for each in (tokens, new):
            secrets.extend(each[f"{kind}_token"] for kind in ("access", "refresh", "id"))

    shown = serve_during(visit, clock)
    lines = list_requests(shown)
    assert lines[:2] == [
        "GET /.well-known/openid-configur... -> 200 what the server says of itself",
        "POST /auth/register -> 201 a client was registered",
    ]
    assert lines[-5:] == [
        "POST /auth/token -> 200 tokens of a new login",
        "GET /hello -> 200 Hello, alice!",
        "GET /hello -> 401 Invalid JWT",
        "POST /auth/token -> 200 a new access token",
        "GET /hello -> 200 Hello, alice!",
    ]
    assert {each.split(" ->")[0] for each in lines[2:-5]} == {
        "GET /auth/authorize",
        "POST /auth/decision",
    }
    assert not [1 for each in secrets if each[len(each) // 2 :] in shown]
    assert "hunter2" not in shown
    assert "code=" not in shown


def test_what_is_asked_cannot_write_to_the_terminal(clock: Clock) -> None:
    """Whoever can reach the port chooses the path."""

    def visit(url: str) -> None:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port or 0), WAIT) as sock:
            sock.sendall(b"GET /\x1b[2J HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            while sock.recv(4096):
                pass

    shown = serve_during(visit, clock)
    assert "\x1b" not in shown
    assert "GET /?[2J -> 401" in list_requests(shown)[0]


class Closing(io.StringIO):
    """A terminal that is closed after the first words."""

    def write(self, text: str) -> int:
        if "->" in text:
            raise BrokenPipeError
        return super().write(text)


def test_a_closed_terminal_stops_no_server(clock: Clock) -> None:
    """The requests are answered all the same."""

    def visit(url: str) -> None:
        access = OpenIDClient(url).log_in()["access_token"]
        assert get(f"{url}/hello", access).status_code == 200

    serve_during(visit, clock, Closing())
