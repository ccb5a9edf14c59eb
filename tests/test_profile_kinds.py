"""Kinds of API without a name, each by a profile, a command, `run` and the real `http`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from requests_jwt_refresh import JWTRefreshAdapter
from requests_jwt_refresh.testing import AuthServer
from tests.support.command_line import (
    SCRIPT,
    WAIT,
    CommandResult,
    User,
    needs_posix,
    shows_no_part_of,
    user,
)
from tests.support.http_command import Home, home, needs_httpie, warm_command, warm_http
from tests.support.keyrings import DictKeyring, use_keyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["home", "user", "warm_command", "warm_http"]  # fixtures

STORE = 'store = { kind = "file", path = "token.json" }\n'
REFRESH = '[prod.refresh]\nkind = "json"\nurl = "/auth/refresh"\n'
LOGIN = '[prod.login]\nurl = "/auth/login"\n'
COOKIES = """\
[prod.refresh]
preset = "flask-jwt-extended-cookies"
"""
UNAUTHENTICATED = 'value = "UNAUTHENTICATED", status = 200'
KINDS = {
    "sliding": f'renewed = {{ header = "X-Renewed-Token" }}\n{REFRESH}{LOGIN}',
    "epoch-ms": f'{REFRESH}expires_at = "expires_at"\n{LOGIN}',
    "rfc3339": f'{REFRESH}expires_at = "expires_at"\n{LOGIN}',
    "both-tokens": (
        f'{REFRESH}send = "refreshToken"\nsend_access = "accessToken"\naccess = "accessToken"\n'
        f'refresh = "refreshToken"\nrejected = {{ status = 400 }}\n{LOGIN}'
    ),
    "graphql-list": (
        f"{REFRESH}{LOGIN}[prod.when]\nany_of = [\n"
        f'  {{ json_field = "errors.*.extensions.code", {UNAUTHENTICATED} }},\n'
        f'  {{ json_field = "*.errors.*.extensions.code", {UNAUTHENTICATED} }},\n'
        "]\n"
    ),
}
SESSION = """\
attach = { header = "X-Auth-Token" }
[prod.login]
url = "/auth/login"
access = { header = "X-Auth-Token" }
ok = 201
[prod.logout]
url = "/auth/logout"
method = "DELETE"
"""


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch) -> DictKeyring:
    backend = DictKeyring()
    use_keyring(monkeypatch, backend)
    return backend


@pytest.fixture
def server(name: str) -> Iterator[AuthServer]:
    with AuthServer(like=name) as started:
        yield started


def describe(folder: Path, server: AuthServer, tables: str, store: str = STORE) -> None:
    text = f'[prod]\nbase_url = "{server.url}"\n{store}{tables}'
    (folder / "profiles.toml").write_text(text, encoding="utf-8")


def is_good(response: requests.Response) -> bool:
    return response.status_code == 200 and response.json().get("user") == "alice"


def log_in(user: User, *flags: str) -> CommandResult:
    return user.run("login", "prod", *flags, typed="alice\nright\n")


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_served(name: str, user: User, server: AuthServer) -> None:
    """Login, expiry, status, refusal, logout: the profile says what is special about it."""
    describe(user.home, server, KINDS[name])
    assert log_in(user).status == 0
    with requests.Session() as session:
        adapter = JWTRefreshAdapter.from_profile("prod")
        for prefix in adapter.prefixes():
            session.mount(prefix, adapter)
        assert is_good(session.get("/api/x"))
        server.expire()
        assert is_good(session.get("/api/x"))
    assert server.counters.refreshes == 1
    if name in ("epoch-ms", "rfc3339"):
        assert "access token   expires in 4 min" in user.run("status", "prod").out
    server.revoke()
    server.expire()
    assert user.run("refresh", "prod").status == 3
    assert user.store.load() is None


@pytest.mark.parametrize("name", ["session-header"])
def test_a_session_api(user: User, server: AuthServer) -> None:
    """Its token is in a header of the login's answer, and goes back at a logout."""
    describe(user.home, server, SESSION)
    assert log_in(user, "--remember").status == 0
    first = user.stored_token
    result = user.run("status", "prod")
    assert "\nsent in        header X-Auth-Token\n" in result.out
    assert shows_no_part_of(first, result)
    assert user.run("token", "prod").out == f"{first.access}\n"
    server.expire()
    assert user.run("refresh", "prod").status == 0
    second = user.stored_token
    assert second.access != first.access
    assert user.run("logout", "prod").err == ""
    assert not server.family_alive(second)
    assert [each.kind for each in server.requests] == ["login", "login", "logout"]


# --- In programs that know nothing of it ---------------------------------------------------------

CALLS = """\
import logging, requests, sys
logging.basicConfig(level=logging.DEBUG)

class Copying(requests.adapters.HTTPAdapter):
    def send(self, request, **options):
        return super().send(request.copy(), **options)

session = requests.Session()
session.mount("http://", Copying())
session.headers["X-Auth-Token"] = "stale"
session.cookies.set("access_token_cookie", "stale")
for method in ("GET", "POST"):
    answer = session.request(method, sys.argv[1] + "/api/x", json={})
    print(answer.status_code, answer.json()["user"])
print(answer.request.headers.get("X-Auth-Token"), session.headers["X-Auth-Token"])
print(answer.request.headers.get("Cookie"), "Authorization" in answer.request.headers)
"""


@needs_posix
@pytest.mark.parametrize(
    ("name", "tables"),
    [("session-header", SESSION), ("flask-jwt-extended-cookies", COOKIES)],
)
def test_run_sends_a_token_wherever_it_goes(
    name: str, user: User, server: AuthServer, tables: str
) -> None:
    """A stale one of the program's own is replaced; the program never sees ours, nor do logs."""
    describe(user.home, server, tables)
    assert log_in(user).status == 0
    token = user.stored_token
    if name != "session-header":  # which has no refresh
        server.expire()
    done = subprocess.run(
        [SCRIPT, "run", "prod", "--", sys.executable, "-c", CALLS, server.url],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[:3] == ["200 alice", "200 alice", "stale stale"], done
    assert "access_token_cookie=stale" in lines[3]
    assert lines[3].endswith(" False")
    shown = CommandResult(0, done.stdout, done.stderr)
    assert shows_no_part_of(token, shown)
    assert shows_no_part_of(user.stored_token, shown)
    assert server.counters.refreshes == (name != "session-header")


@needs_posix
@pytest.mark.parametrize("name", ["sliding"])
@pytest.mark.parametrize("is_logged_in", [True, False])
def test_run_sends_the_headers_of_the_api(
    user: User, server: AuthServer, is_logged_in: bool
) -> None:
    """With a token and without; the program sees none of them, and its own go before."""
    headers = '[prod.headers]\nX-Api-Key = { file = "key.txt" }\nX-Mode = "a"\n'
    describe(user.home, server, f"{REFRESH}{headers}")
    (user.home / "key.txt").write_text("hunter2\n", encoding="utf-8")
    if is_logged_in:
        user.save_token(server.login())
    code = (
        "import requests, sys\n"
        "answer = requests.get(sys.argv[1] + '/public/x', headers={'X-Mode': 'mine'})\n"
        "print(answer.status_code, sorted(answer.request.headers))"
    )
    done = subprocess.run(
        [SCRIPT, "run", "prod", "--", sys.executable, "-c", code, server.url],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.stdout.startswith("200 ")
    assert "X-Api-Key" not in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert (done.stderr == "") == is_logged_in
    sent = server.requests[-1].headers
    assert (sent["X-Api-Key"], sent["X-Mode"]) == ("hunter2", "mine")
    assert ("Authorization" in sent) == is_logged_in


@needs_httpie
@pytest.mark.parametrize(
    ("name", "tables"),
    [("session-header", SESSION), ("flask-jwt-extended-cookies", COOKIES)],
)
def test_http_sends_a_token_wherever_it_goes(
    home: Home, user: User, server: AuthServer, tables: str, name: str
) -> None:
    """-v shows the request without it, with a session file and without; what is typed stays."""
    describe(user.home, server, tables)
    assert home.folder == user.home
    assert log_in(user).status == 0
    home.stores["prod"] = user.store  # whose tokens must not be in any output
    url = f"{server.url}/api/x"
    for flags in (("-v",), ("-v", "--session=mine"), ("-v", "--session=mine")):
        done = home.http(*flags, "POST", url, "a=1")
        assert done.status == 0
        assert '"user": "alice"' in done.out, done
        assert done.err == ""
    sent = server.requests[-1].headers
    typed = "X-Auth-Token:mine" if name == "session-header" else "Cookie:access_token_cookie=mine"
    header, _, value = typed.partition(":")
    assert value not in sent.get(header, "")
    home.http("POST", url, typed, "a=1")
    assert value in server.requests[-1].headers[header]
    before = user.stored_token.access or ""
    home.http("POST", url, f"{header}:", "a=1")
    assert before not in str(server.requests[-1].headers)
