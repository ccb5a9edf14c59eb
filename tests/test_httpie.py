"""The real `http` with a profile: what it sends, and what it shows."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import IO

import pytest

from requests_jwt_refresh.testing import AuthServer, Status
from tests.support.http_command import (
    CONTENT,
    EXPLICIT,
    Home,
    alice,
    home,
    list_api_requests,
    needs_httpie,
    opaque_server,
    warm_command,
    warm_http,
)

__all__ = ["alice", "home", "opaque_server", "warm_command", "warm_http"]  # fixtures

pytestmark = needs_httpie


def test_a_get(alice: Home, server: AuthServer) -> None:
    """A profile and a login, and `http` is authenticated; nothing but the header is added."""
    done = alice.http(f"{server.url}/users", "q==1")
    assert done.answer["user"] == "alice"
    assert (done.answer["method"], done.answer["query"]) == ("GET", "q=1")
    assert done.err == ""
    alice.plain_http(f"{server.url}/users", "q==1")
    ours, theirs = (dict(seen.headers) for seen in list_api_requests(server))
    assert ours.pop("authorization") == f"Bearer {alice.stores['alice'].load().access}"  # type: ignore[union-attr]
    assert ours == theirs
    assert server.counters.refreshes == 0


def test_an_expired_token(alice: Home, server: AuthServer) -> None:
    """It is refreshed once, kept, and used from then on."""
    before = alice.stores["alice"].load()
    server.expire()
    for _ in range(2):
        done = alice.http(f"{server.url}/users", "q==1")
        assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=1", "")
    after = alice.stores["alice"].load()
    assert before is not None
    assert after is not None
    assert after.access == list_api_requests(server)[-1].bearer != before.access
    assert server.counters.rotated == server.counters.refreshes == server.counters.unauthorized == 1


BODIES: dict[str, tuple[str, ...]] = {
    "JSON": ("name=Müller", "rows:=[1, 2]"),
    "form": ("--form", "name=Müller", "row=1", "row=2"),
    "raw": ("--raw=grüße",),
    "multipart": ("--multipart", "--boundary=xyz", "name=Müller", "row=1", "row=2"),
    "a file in a form": ("--form", "name=Müller", "a@upload", "b@upload;type=text/plain"),
    "a file": ("@upload",),
    "a file in JSON": ("rows:=@rows.json",),
    "compressed": ("--compress", "name=Müller" * 100),
}


@pytest.mark.parametrize(
    "body",
    [
        *(pytest.param(body, id=name) for name, body in BODIES.items()),
        pytest.param(
            ("--compress", "--compress", "@upload"),
            id="a compressed file",
        ),
    ],
)
def test_a_body_across_an_expiry(
    home: Home, opaque_server: AuthServer, body: tuple[str, ...]
) -> None:
    """What goes out the second time is what went out the first time, and what HTTPie sends."""
    home.profile("alice", opaque_server.url)
    home.log_in("alice", opaque_server)
    (home.folder / "upload").write_bytes(CONTENT)
    (home.folder / "rows.json").write_text("[1, 2]")
    opaque_server.expire()
    done = home.http("POST", f"{opaque_server.url}/upload", "--timeout=20", *body)
    assert (done.answer["user"], done.err) == ("alice", "")
    refused, sent = list_api_requests(opaque_server)
    assert refused.sha256 in (None, sent.sha256)
    assert refused.headers["Content-Length"] == sent.headers["Content-Length"] == str(sent.size)
    assert refused.headers["Content-Type"] == sent.headers["Content-Type"]
    opaque_server.read_body_first = True
    home.plain_http("POST", f"{opaque_server.url}/upload", *body)
    boundary = re.compile(rb"[0-9a-f]{32}")
    theirs = list_api_requests(opaque_server)[-1]
    assert boundary.sub(b"", sent.body) == boundary.sub(b"", theirs.body)
    assert sent.size == theirs.size > 0
    assert opaque_server.counters.rotated == 1


def test_files_arrive_whole(home: Home, opaque_server: AuthServer) -> None:
    """By name, as standard input and through a pipe: each byte arrives, an expiry in between."""
    home.profile("alice", opaque_server.url)
    home.log_in("alice", opaque_server)
    path = home.folder / "upload"
    path.write_bytes(CONTENT)

    def upload(*arguments: str, stdin: IO[bytes] | bytes | None = None) -> None:
        opaque_server.expire()
        done = home.http("PUT", f"{opaque_server.url}/upload", *arguments, stdin=stdin)
        assert done.answer["size"] == len(CONTENT)
        assert done.answer["sha256"] == hashlib.sha256(CONTENT).hexdigest()
        assert (done.answer["user"], done.err) == ("alice", "")

    upload(f"@{path}")
    with path.open("rb") as file:
        upload(stdin=file)
    upload(stdin=CONTENT)
    assert opaque_server.counters.rotated == 3
    assert len(list_api_requests(opaque_server)) == 6


CHUNKED: dict[str, tuple[tuple[str, ...], bool]] = {
    "fields": (("name=value",), False),
    "a file": (("@upload",), False),
    "multipart": (("--form", "a@upload"), False),
    "a pipe": ((), True),
}


@pytest.mark.parametrize(("body", "piped"), CHUNKED.values(), ids=CHUNKED)
def test_chunked(home: Home, opaque_server: AuthServer, body: tuple[str, ...], piped: bool) -> None:
    """It is read once, so it is sent once: a 401 and a word on stderr, and the next one works."""
    home.profile("alice", opaque_server.url)
    home.log_in("alice", opaque_server)
    (home.folder / "upload").write_bytes(CONTENT)
    opaque_server.expire()
    stdin = CONTENT if piped else None
    done = home.http("--chunked", "POST", f"{opaque_server.url}/upload", *body, stdin=stdin)
    assert json.loads(done.out) == {"message": "Invalid JWT"}
    assert done.err == (
        "requests-jwt: The token has been refreshed, but a body of --chunked can be sent only "
        "once, so the 401 stands: run the command again, or leave out --chunked\n"
    )
    again = home.http("--chunked", "POST", f"{opaque_server.url}/upload", *body, stdin=stdin)
    assert again.answer["size"] > 0
    assert again.err == ""
    first, second = list_api_requests(opaque_server)
    assert first.headers["Transfer-Encoding"] == second.headers["Transfer-Encoding"] == "chunked"
    assert opaque_server.counters.rotated == 1


@pytest.mark.parametrize(
    "body", [("@upload",), ("--form", "a@upload")], ids=["a file", "multipart"]
)
def test_an_upload_is_shown_once(
    home: Home, opaque_server: AuthServer, body: tuple[str, ...]
) -> None:
    """-v shows what is uploaded while it is read, and nothing when it is read once more."""
    home.profile("alice", opaque_server.url)
    home.log_in("alice", opaque_server)
    (home.folder / "upload").write_text("some words")
    opaque_server.expire()
    done = home.http("-v", "POST", f"{opaque_server.url}/upload", *body)
    assert done.out.count("some words") == 1
    assert done.out.count("HTTP/1.1 200 OK") == 1
    assert [seen.size is None or seen.size > 0 for seen in list_api_requests(opaque_server)] == [
        True,
        True,
    ]
    assert b"some words" in list_api_requests(opaque_server)[-1].body


def test_repeated_headers(alice: Home, server: AuthServer) -> None:
    """Both arrive, in both attempts, and what was to be left out stays out."""
    server.expire()
    assert alice.http(f"{server.url}/users", "X-A:1", "X-A:2", "X-C:ü", "Accept:").status == 0
    first, second = list_api_requests(server)
    assert first.headers["X-A"] == second.headers["X-A"] == "1, 2"
    assert "Accept" not in first.headers
    ours = [{**seen.headers, "authorization": ""} for seen in (first, second)]
    assert ours[0] == ours[1]


def test_a_download(alice: Home, server: AuthServer) -> None:
    """--download writes the answer into its file, not the 401 before it."""
    server.expire()
    done = alice.http("--download", "--output=got.json", f"{server.url}/users")
    assert done.status == 0
    assert json.loads((alice.folder / "got.json").read_bytes())["user"] == "alice"


def test_check_status(alice: Home, server: AuthServer) -> None:
    """The exit status is that of the last answer."""
    server.expire()
    assert alice.http("--check-status", f"{server.url}/users").status == 0
    assert alice.http("--check-status", f"{server.url}/status/503").status == 5


def test_a_redirect_to_another_server(alice: Home, server: AuthServer) -> None:
    """It is followed, and the token stays behind."""
    with AuthServer() as other:
        server.expire()
        target = f"{server.url}/redirect"
        done = alice.http("--follow", target, f"to=={other.url}/public/x")
        assert (done.answer["path"], done.err) == ("/public/x", "")
        done = alice.http("--follow", target, f"to=={other.url}/users")
        assert json.loads(done.out) == {"message": "No token"}
        assert [seen.path for seen in other.requests] == ["/public/x", "/users"]
        assert not [seen for seen in other.requests if "Authorization" in seen.headers]
    assert server.counters.rotated == 1


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_a_redirect_on_the_same_origin(alice: Home, server: AuthServer, mark: str) -> None:
    """A relative one too is followed with the token, through an expiry before and after it."""
    url = server.url.replace("://", f"{mark}://")
    server.expire()
    done = alice.http("--follow", f"{url}/redirect", "to==/users?q=1")
    assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=1", "")
    assert server.counters.rotated == 1
    done = alice.http("--follow", f"{url}/redirect", f"to=={server.url}/users?q=2")
    assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=2", "")


def test_an_upload_that_is_redirected(alice: Home, server: AuthServer) -> None:
    """A 307 sends the file once more, whole, though the 401 before it has done so already."""
    (alice.folder / "upload").write_bytes(CONTENT)
    server.expire()
    done = alice.http("--follow", "PUT", f"{server.url}/redirect?to=/up&status=307", "@upload")
    assert done.answer["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert [seen.size for seen in list_api_requests(server)] == [len(CONTENT)] * 3


def test_too_many_redirects(alice: Home, server: AuthServer) -> None:
    """--max-redirects counts the redirects, and no 401."""
    server.expire()
    url = f"{server.url}/redirect?to=/users"
    assert alice.http("--follow", "--max-redirects=2", url).answer["user"] == "alice"
    assert alice.http("--follow", "--max-redirects=1", url).status == 6


def test_a_session(alice: Home, server: AuthServer) -> None:
    """Headers and cookies are kept, those of a 401 too; the token is not."""
    file = alice.folder / "session.json"
    expired = server.expired
    server.expired = Status(
        401, body=expired.body, headers={**expired.headers, "Set-Cookie": "seen=1; Path=/"}
    )
    server.expire()
    assert alice.http(f"--session={file}", f"{server.url}/users", "X-A:1", "Cookie:mine=1").answer
    kept = file.read_text()
    assert not [secret for secret in alice.secrets if secret in kept]
    session = json.loads(kept)
    assert [(each["name"], each["value"]) for each in session["headers"]] == [("X-A", "1")]
    assert {each["name"] for each in session["cookies"]} == {"seen", "mine"}
    assert "type" not in session["auth"] or session["auth"]["type"] is None
    assert alice.http(f"--session={file}", f"{server.url}/users").answer["user"] == "alice"
    last = list_api_requests(server)[-1].headers
    assert last["X-A"] == "1"
    assert set(last["Cookie"].split("; ")) == {"mine=1", "seen=1"}
    assert server.counters.rotated == 1


def test_a_session_remembers_the_profiles_name(home: Home, server: AuthServer) -> None:
    """A profile that was named by --auth is in the session file, and is used again."""
    for name in ("alice", "bob"):
        home.profile(name, server.url)
        home.log_in(name, server)
    file = home.folder / "session.json"
    users = f"{server.url}/users"
    assert home.http(f"--session={file}", *EXPLICIT, users).answer["user"] == "bob"
    assert json.loads(file.read_text())["auth"] == {"type": "requests-jwt", "raw_auth": "bob"}
    assert home.http(f"--session={file}", users).answer["user"] == "bob"
    assert home.http(users).answer["user"] == "alice"


SHOWING: dict[str, tuple[str, ...]] = {
    "verbose": ("-v",),
    "very verbose": ("-vv",),
    "all parts": ("--print=HhBbm",),
    "debug": ("--debug",),
    "traceback": ("--traceback", "-v"),
    "all of a redirect": ("--all", "--follow", "-v"),
    "offline": ("--offline",),
    "named": ("--debug", "-v", "--auth-type=requests-jwt", "--auth=alice"),
}


@pytest.mark.parametrize("options", SHOWING.values(), ids=SHOWING)
@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_no_option_shows_a_token(
    alice: Home, server: AuthServer, options: tuple[str, ...], mark: str
) -> None:
    """Neither the old access or refresh token nor the new one: see Home.run."""
    server.expire()
    url = server.url.replace("://", f"{mark}://")
    done = alice.http(*options, f"{url}/redirect", f"to=={server.url}/users")
    assert done.status == 0
    assert "bearer" not in done.out.lower()
    assert len(alice.secrets) == (2 if "--offline" in options else 4)


def test_verbose_is_as_without_us(alice: Home, server: AuthServer) -> None:
    """-v shows the request that the user has made, to the byte."""
    ours = alice.http("-v", f"{server.url}/users", "a=1")
    theirs = alice.plain_http("-v", f"{server.url}/users", "a=1")
    assert ours.out.partition("HTTP/1.1 ")[0] == theirs.out.partition("HTTP/1.1 ")[0]


@pytest.mark.parametrize("options", [(), EXPLICIT], ids=["", "named"])
def test_offline(home: Home, server: AuthServer, options: tuple[str, ...]) -> None:
    """Nothing is sent, and no store is read: one that cannot be read is no matter."""
    home.profile("bob", server.url)
    Path(home.stores["bob"].path).write_text("no token")
    home.stores.clear()
    done = home.http("--offline", *options, f"{server.url}/users", "q==1")
    theirs = home.plain_http("--offline", f"{server.url}/users", "q==1")
    assert done == theirs
    assert (done.err, done.status) == ("", 0)
    assert server.counters.connections == 0
