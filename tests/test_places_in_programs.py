"""Tokens in other places than Authorization: Bearer, in unmodified scripts and with HTTPie."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore, Token
from tests.support.http_command import Home, home, needs_httpie, warm_http
from tests.support.place_server import PlaceServer, api
from tests.support.programs import Workspace, warm_command, warm_programs, workspace

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["api", "home", "warm_command", "warm_http", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

PLACES = {
    'header = "Authorization", scheme = "JWT"': ("Authorization", "JWT {}"),
    'header = "X-Access-Token"': ("X-Access-Token", "{}"),
    'cookie = "token", csrf = ["csrf", "X-CSRF"]': ("Cookie", "token={}; csrf=csrf-1"),
}
"""Each place in a profile, and what a request has there: the header and its value."""

SCRIPT = """
import requests, sys
session = requests.Session()
session.headers[sys.argv[2]] = sys.argv[3]
response = session.post(sys.argv[1], json={"a": "b"})
print(response.status_code, session.headers[sys.argv[2]], dict(session.cookies))
"""


def log_in(folder: Path, profiles: Path, api: PlaceServer, place: str) -> str:
    """Write a profile and a token that has expired; return that token."""
    profiles.write_text(
        f'[prod]\nbase_url = "{api.url}"\nrefresh = {{ kind = "json", url = "/refresh" }}\n'
        f'attach = {{ {place} }}\nstore = {{ kind = "file", path = "prod.json" }}\n',
        encoding="utf-8",
    )
    token = api.log_in()
    extra = {"cookies": {"csrf": "csrf-1"}} if "cookie" in place else {}
    FileStore(folder / "prod.json").save(Token(token.access, token.refresh, extra=extra))
    api.expire()
    return token.access or ""


@pytest.mark.parametrize("place", PLACES)
def test_a_script_with_a_stale_token_of_its_own(
    workspace: Workspace, api: PlaceServer, place: str
) -> None:
    """It is replaced in its place, once the server has asked for a newer one as well."""
    name, value = PLACES[place]
    old = log_in(workspace.folder, workspace.profiles, api, place)
    stale = value.format("stale")
    done = workspace.run_code(SCRIPT, f"{api.url}/x", name, stale)
    assert (done.output, done.errors) == (f"200 {stale} {{}}\n", "")
    first, second = api.calls()
    assert first.all(name) == [value.format(old)]
    assert second.all(name) == [value.format(api.good)]
    assert (second.body, api.refreshes()) == (first.body, 1)


@needs_httpie
@pytest.mark.parametrize("place", PLACES)
def test_httpie_shows_no_token(home: Home, api: PlaceServer, place: str) -> None:
    """Not even with -v, and it keeps none in a --session."""
    name, value = PLACES[place]
    old = log_in(home.folder, home.file, api, place)
    done = home.http("-v", "--session=./kept.json", "POST", f"{api.url}/x", "a=b")
    assert (done.status, done.err) == (0, "")
    assert "HTTP/1.1 200" in done.out
    kept = (home.folder / "kept.json").read_text(encoding="utf-8")
    for secret in (old, api.good, "csrf-1"):
        assert secret not in done.out + kept
    assert api.calls()[-1].all(name) == [value.format(api.good)]
    assert api.refreshes() == 1
