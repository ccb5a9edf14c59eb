"""The real `http`, with a profile and without: what it sends, what it shows, what it says."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import secrets
import ssl
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from requests_jwt_refresh import FileStore, Token
from requests_jwt_refresh.testing import AuthServer, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

HTTP = Path(sys.executable).with_name("http")
REQUESTS_JWT = Path(sys.executable).with_name("requests-jwt")
pytestmark = pytest.mark.skipif(not HTTP.exists(), reason="HTTPie is not installed here")

WAIT = 60.0  # seconds; only ever passed by a failing test
EXPLICIT = ("--auth-type=jwt", "--auth=bob")
WITHOUT_PLUGINS = f"""
import sys
from httpie.plugins.manager import PluginManager
PluginManager.iter_entry_points = lambda *_: iter(())
sys.argv[0] = {str(HTTP)!r}
from httpie.__main__ import main
sys.exit(main())
"""


class Done(NamedTuple):
    """What a command has written, and its exit status."""

    out: str
    err: str
    status: int

    @property
    def answer(self) -> Any:
        """The JSON that AuthServer has answered, alone on stdout."""
        assert self.status == 0, self.err
        return json.loads(self.out)


@dataclass
class Home:
    """A user's home, with profiles in it, and a shell whose output never holds a token."""

    folder: Path
    stores: dict[str, FileStore] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "httpie").mkdir()
        config = {"disable_update_warnings": True}  # and no process that asks for updates
        (self.folder / "httpie" / "config.json").write_text(json.dumps(config))
        self.file = self.folder / "profiles.toml"
        self.environment |= {
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "HTTPIE_CONFIG_DIR": str(self.folder / "httpie"),
            "REQUESTS_JWT_PROFILES": str(self.file),
            "NO_PROXY": "*",
        }

    def profile(self, name: str, base_url: str, more: str = "") -> None:
        """Write one more profile, whose tokens are kept in a file."""
        path = self.folder / f"{name}.json"
        self.stores[name] = FileStore(path)
        with self.file.open("a") as file:
            file.write(
                f'[{name}]\nbase_url = "{base_url}"\n'
                f'[{name}.refresh]\nkind = "json"\nurl = "/auth/refresh"\n'
                f'[{name}.store]\nkind = "file"\npath = "{path}"\n{more}\n'
            )

    def log_in(self, name: str, server: AuthServer) -> Token:
        """Save a token of the user `name`: strings alone, whose expiry nobody can know."""
        token = server.login(name)
        self.stores[name].save(token)
        self._note_secrets()
        return token

    def http(self, *arguments: str, stdin: IO[bytes] | bytes | None = None) -> Done:
        """Run the real `http`."""
        return self.run(_http([str(HTTP)], arguments, stdin), stdin)

    def plain_http(self, *arguments: str, stdin: IO[bytes] | bytes | None = None) -> Done:
        """Run HTTPie as if this library were not installed."""
        return self.run(_http([sys.executable, "-c", WITHOUT_PLUGINS], arguments, stdin), stdin)

    def run(self, command: list[str], stdin: IO[bytes] | bytes | None = None) -> Done:
        source: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        done = subprocess.run(
            command,
            **({"stdin": subprocess.DEVNULL} if stdin is None else source),
            capture_output=True,
            timeout=WAIT,
            check=False,
            cwd=self.folder,
            env={**_surroundings(), **self.environment},
        )
        self._note_secrets()
        written = done.stdout + done.stderr
        assert not [secret for secret in self.secrets if secret.encode() in written]
        return Done(
            done.stdout.decode("utf-8", "backslashreplace"), done.stderr.decode(), done.returncode
        )

    def _note_secrets(self) -> None:
        for store in self.stores.values():
            if Path(store.path).is_file():
                token = store.load()
                assert token is not None
                self.secrets |= {token.access or "", token.refresh or ""} - {""}


def _http(
    command: list[str], arguments: tuple[str, ...], stdin: IO[bytes] | bytes | None
) -> list[str]:
    quiet = ["--ignore-stdin"] if stdin is None else []
    ordered = sorted(arguments, key=lambda each: not each.startswith("-"))  # as argparse wants it
    return [*command, *quiet, *ordered]


def _surroundings() -> dict[str, str]:
    """Return our own environment, without what changes how HTTPie or this library works."""
    unwanted = re.compile(r"REQUESTS_|CURL_CA|HTTPIE_|NETRC|PYTHON_KEYRING|.*_PROXY", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if not unwanted.match(name)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def alice(home: Home, server: AuthServer) -> Home:
    """A user with a profile for the server, logged in."""
    home.profile("alice", server.url)
    home.log_in("alice", server)
    return home


@pytest.fixture(params=[True, False], ids=["read first", "refused unread"])
def opaque(request: pytest.FixtureRequest) -> Iterator[AuthServer]:
    """A server whose tokens tell nobody when they expire."""
    with AuthServer(opaque=True, read_body_first=request.param) as server:
        yield server


def api(server: AuthServer) -> list[Any]:
    """Return the requests to the server's API."""
    return [seen for seen in server.requests if seen.kind == "api"]


def two_lines(done: Done) -> list[str]:
    """Return the one warning there is: what is wrong, and what helps."""
    lines = done.err.splitlines()
    assert len(lines) == 2, done.err
    assert all(line.startswith("requests-jwt: ") for line in lines)
    return lines


def error_of(done: Done) -> str:
    """Return what HTTPie says is wrong, in a line or two."""
    assert done.status == 1
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line]
    assert len(lines) <= 2, done.err
    assert lines[0].startswith("http: error: ")
    return done.err


# --- Requests and their bodies -------------------------------------------------------------------


def test_a_get(alice: Home, server: AuthServer) -> None:
    """A profile and a login, and `http` is authenticated; nothing but the header is added."""
    done = alice.http(f"{server.url}/users", "q==1")
    assert done.answer["user"] == "alice"
    assert (done.answer["method"], done.answer["query"]) == ("GET", "q=1")
    assert done.err == ""
    alice.plain_http(f"{server.url}/users", "q==1")
    ours, theirs = (dict(seen.headers) for seen in api(server))
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
    assert after.access == api(server)[-1].bearer != before.access
    assert server.counters.rotated == server.counters.refreshes == server.counters.unauthorized == 1


CONTENT = secrets.token_bytes(300_000)  # more than a read of HTTPie's, and than a pipe holds
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
def test_a_body_across_an_expiry(home: Home, opaque: AuthServer, body: tuple[str, ...]) -> None:
    """What goes out the second time is what went out the first time, and what HTTPie sends."""
    home.profile("alice", opaque.url)
    home.log_in("alice", opaque)
    (home.folder / "upload").write_bytes(CONTENT)
    (home.folder / "rows.json").write_text("[1, 2]")
    opaque.expire()
    done = home.http("POST", f"{opaque.url}/upload", "--timeout=20", *body)
    assert (done.answer["user"], done.err) == ("alice", "")
    refused, sent = api(opaque)
    assert refused.sha256 in (None, sent.sha256)
    assert refused.headers["Content-Length"] == sent.headers["Content-Length"] == str(sent.size)
    assert refused.headers["Content-Type"] == sent.headers["Content-Type"]
    opaque.read_body_first = True
    home.plain_http("POST", f"{opaque.url}/upload", *body)
    boundary = re.compile(rb"[0-9a-f]{32}")
    theirs = api(opaque)[-1]
    assert boundary.sub(b"", sent.body) == boundary.sub(b"", theirs.body)
    assert sent.size == theirs.size > 0
    assert opaque.counters.rotated == 1


def test_files_arrive_whole(home: Home, opaque: AuthServer) -> None:
    """By name, as standard input and through a pipe: each byte arrives, an expiry in between."""
    home.profile("alice", opaque.url)
    home.log_in("alice", opaque)
    path = home.folder / "upload"
    path.write_bytes(CONTENT)

    def upload(*arguments: str, stdin: IO[bytes] | bytes | None = None) -> None:
        opaque.expire()
        done = home.http("PUT", f"{opaque.url}/upload", *arguments, stdin=stdin)
        assert done.answer["size"] == len(CONTENT)
        assert done.answer["sha256"] == hashlib.sha256(CONTENT).hexdigest()
        assert (done.answer["user"], done.err) == ("alice", "")

    upload(f"@{path}")
    with path.open("rb") as file:
        upload(stdin=file)
    upload(stdin=CONTENT)
    assert opaque.counters.rotated == 3
    assert len(api(opaque)) == 6


CHUNKED: dict[str, tuple[tuple[str, ...], bool]] = {
    "fields": (("name=value",), False),
    "a file": (("@upload",), False),
    "multipart": (("--form", "a@upload"), False),
    "a pipe": ((), True),
}


@pytest.mark.parametrize(("body", "piped"), CHUNKED.values(), ids=CHUNKED)
def test_chunked(home: Home, opaque: AuthServer, body: tuple[str, ...], piped: bool) -> None:
    """It is read once, so it is sent once: a 401 and a word on stderr, and the next one works."""
    home.profile("alice", opaque.url)
    home.log_in("alice", opaque)
    (home.folder / "upload").write_bytes(CONTENT)
    opaque.expire()
    stdin = CONTENT if piped else None
    done = home.http("--chunked", "POST", f"{opaque.url}/upload", *body, stdin=stdin)
    assert json.loads(done.out) == {"message": "Invalid JWT"}
    cause, remedy = done.err.splitlines()
    assert "can be sent only once" in cause
    assert "can be resent" in remedy
    again = home.http("--chunked", "POST", f"{opaque.url}/upload", *body, stdin=stdin)
    assert again.answer["size"] > 0
    assert again.err == ""
    first, second = api(opaque)
    assert first.headers["Transfer-Encoding"] == second.headers["Transfer-Encoding"] == "chunked"
    assert opaque.counters.rotated == 1


@pytest.mark.parametrize(
    "body", [("@upload",), ("--form", "a@upload")], ids=["a file", "multipart"]
)
def test_an_upload_is_shown_once(home: Home, opaque: AuthServer, body: tuple[str, ...]) -> None:
    """-v shows what is uploaded while it is read, and nothing when it is read once more."""
    home.profile("alice", opaque.url)
    home.log_in("alice", opaque)
    (home.folder / "upload").write_text("some words")
    opaque.expire()
    done = home.http("-v", "POST", f"{opaque.url}/upload", *body)
    assert done.out.count("some words") == 1
    assert done.out.count("HTTP/1.1 200 OK") == 1
    assert [seen.size is None or seen.size > 0 for seen in api(opaque)] == [True, True]
    assert b"some words" in api(opaque)[-1].body


def test_repeated_headers(alice: Home, server: AuthServer) -> None:
    """Both arrive, in both attempts, and what was to be left out stays out."""
    server.expire()
    assert alice.http(f"{server.url}/users", "X-A:1", "X-A:2", "X-C:ü", "Accept:").status == 0
    first, second = api(server)
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


# --- Redirects -----------------------------------------------------------------------------------


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
    assert [seen.size for seen in api(server)] == [len(CONTENT)] * 3


def test_too_many_redirects(alice: Home, server: AuthServer) -> None:
    """--max-redirects counts the redirects, and no 401."""
    server.expire()
    url = f"{server.url}/redirect?to=/users"
    assert alice.http("--follow", "--max-redirects=2", url).answer["user"] == "alice"
    assert alice.http("--follow", "--max-redirects=1", url).status == 6


# --- Sessions, and what is shown -----------------------------------------------------------------


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
    last = api(server)[-1].headers
    assert last["X-A"] == "1"
    assert set(last["Cookie"].split("; ")) == {"mine=1", "seen=1"}
    assert server.counters.rotated == 1


def test_a_session_remembers_the_profiles_name(home: Home, server: AuthServer) -> None:
    """With --auth-type=jwt the name of the profile is in the session file, and is used again."""
    for name in ("alice", "bob"):
        home.profile(name, server.url)
        home.log_in(name, server)
    file = home.folder / "session.json"
    users = f"{server.url}/users"
    assert home.http(f"--session={file}", *EXPLICIT, users).answer["user"] == "bob"
    assert json.loads(file.read_text())["auth"] == {"type": "jwt", "raw_auth": "bob"}
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
    "named": ("--debug", "-v", "--auth-type=jwt", "--auth=alice"),
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


# --- Which profile, and who else authenticates ---------------------------------------------------


@pytest.mark.parametrize("scheme", ["http+jwt", "HTTP+JWT"])
def test_an_explicit_scheme(alice: Home, server: AuthServer, scheme: str) -> None:
    """http+jwt:// is http:// with a token: query, expiry and headers as ever."""
    server.expire()
    url = server.url.replace("http", scheme, 1)
    done = alice.http(f"{url}/users", "q==1", "X-A:1", "X-A:2")
    assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=1", "")
    first, second = api(server)
    assert first.headers["X-A"] == second.headers["X-A"] == "1, 2"
    assert server.url == f"http://{second.headers['Host']}"


def test_an_explicit_scheme_without_a_profile(home: Home, server: AuthServer) -> None:
    """It says what is missing and what helps, and sends nothing."""
    for configured in (False, True):
        if configured:
            home.profile("alice", "https://api.example.com")
        else:
            del home.environment["REQUESTS_JWT_PROFILES"]
        error = error_of(home.http(f"{server.url.replace('http', 'http+jwt')}/users"))
        assert f"no profile is for '{server.url}/users'" in error
        assert "requests-jwt init NAME" in error
        home.environment["REQUESTS_JWT_PROFILES"] = str(home.file)
    assert server.counters.connections == 0


def test_a_named_profile(home: Home, server: AuthServer) -> None:
    """--auth=bob goes before the profile that the origin picks, and bob's token is refreshed."""
    for name in ("alice", "bob"):
        home.profile(name, server.url)
        home.log_in(name, server)
    kept = home.stores["alice"].load()
    server.expire()
    marked = server.url.replace("http", "http+jwt")
    for url in (server.url, marked):
        done = home.http(*EXPLICIT, "--follow", f"{url}/redirect", "to==/users")
        assert (done.answer["user"], done.err) == ("bob", "")
    assert home.stores["alice"].load() == kept
    assert server.counters.rotated == 1


def test_a_named_profiles_upload(home: Home, opaque: AuthServer) -> None:
    """It is resent like any other, and shown once."""
    for name in ("alice", "bob"):
        home.profile(name, opaque.url)
        home.log_in(name, opaque)
    (home.folder / "upload").write_text("some words")
    opaque.expire()
    done = home.http(*EXPLICIT, "--form", "-v", f"{opaque.url}/upload", "a@upload")
    assert done.out.count("some words") == 1
    assert '"user": "bob"' in done.out
    assert opaque.counters.rotated == 1


def test_a_named_profiles_token_stays_with_it(home: Home, server: AuthServer) -> None:
    """A redirect to another profile's server, or to anybody's, carries no token of bob's."""
    with AuthServer() as other:
        home.profile("bob", server.url)
        home.log_in("bob", server)
        home.profile("alice", other.url)
        home.log_in("alice", other)
        target = f"{server.url}/redirect"
        home.http(*EXPLICIT, "--follow", target, f"to=={other.url}/public/x")
        (seen,) = other.requests
        assert "Authorization" not in seen.headers


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no such profile": (("--auth-type=jwt", "--auth=bbo"), "there is no profile 'bbo'"),
    "a faulty profile": (("--auth-type=jwt", "--auth=faulty"), "profile 'faulty'"),
    "another's URL": (("--auth-type=jwt", "--auth=elsewhere"), "its token does not go to"),
}


@pytest.mark.parametrize("mark", ["", "+jwt"])
@pytest.mark.parametrize(("options", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_name(
    home: Home, server: AuthServer, options: tuple[str, ...], problem: str, mark: str
) -> None:
    """A profile that cannot be used is an error, in words: who names one wants its token."""
    home.profile("bob", server.url)
    home.profile("elsewhere", "https://api.example.com")
    home.profile("faulty", "ftp://api.example.com")
    url = server.url.replace("://", f"{mark}://")
    assert problem in error_of(home.http(*options, f"{url}/users"))
    assert server.counters.connections == 0


def test_no_name(home: Home, server: AuthServer) -> None:
    """--auth-type=jwt alone is told that a name is missing."""
    done = home.http("--auth-type=jwt", f"{server.url}/users")
    assert (done.out, done.status) == ("", 1)
    assert "--auth required" in done.err
    assert "Traceback" not in done.err


OWN: dict[str, tuple[tuple[str, ...], str]] = {
    "bearer": (("--auth-type=bearer", "--auth=mine"), "Bearer mine"),
    "header": (("Authorization:Bearer mine",), "Bearer mine"),
    "another scheme": (("Authorization:Token mine",), "Token mine"),
    "basic": (("--auth=user:pw",), "Basic dXNlcjpwdw=="),
}


@pytest.mark.parametrize("mark", ["", "+jwt"])
@pytest.mark.parametrize(("options", "header"), OWN.values(), ids=OWN)
def test_an_authorization_of_ones_own(
    alice: Home, server: AuthServer, options: tuple[str, ...], header: str, mark: str
) -> None:
    """Who types one means it: it is sent as it is, its 401 stands, and nothing is refreshed."""
    url = server.url.replace("://", f"{mark}://")
    done = alice.http("--print=h", f"{url}/users", *options)
    assert done.out.startswith("HTTP/1.1 401 ")
    assert done.err == ""
    (seen,) = server.requests
    assert seen.headers["Authorization"] == header


@pytest.mark.parametrize("mark", ["", "+jwt"])
@pytest.mark.parametrize("unset", ["Authorization:", "authorization:"])
def test_a_header_left_out(alice: Home, server: AuthServer, unset: str, mark: str) -> None:
    """`Authorization:` is how to make a request without one."""
    url = server.url.replace("://", f"{mark}://")
    assert alice.http("--print=h", f"{url}/users", unset).out.startswith("HTTP/1.1 401 ")
    (seen,) = server.requests
    assert "Authorization" not in seen.headers


def test_digest(alice: Home, server: AuthServer) -> None:
    """Digest authentication is left alone, in its first attempt too."""
    alice.http("--auth-type=digest", "--auth=user:pw", f"{server.url}/users")
    (seen,) = server.requests
    assert "Authorization" not in seen.headers


def test_credentials_in_the_url(alice: Home, server: AuthServer) -> None:
    """They are typed, too."""
    alice.http(server.url.replace("://", "://user:pw@") + "/users")
    (seen,) = server.requests
    assert seen.headers["Authorization"] == "Basic dXNlcjpwdw=="


def test_netrc(alice: Home, server: AuthServer) -> None:
    """An entry for the host does not get in the way of the profile, redirects included."""
    (alice.folder / ".netrc").write_text("machine 127.0.0.1 login user password pw\n")
    (alice.folder / ".netrc").chmod(0o600)
    server.expire()
    done = alice.http("--follow", f"{server.url}/redirect", "to==/users")
    assert (done.answer["user"], done.err) == ("alice", "")


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_logging_in_by_hand(alice: Home, server: AuthServer, mark: str) -> None:
    """The refresh endpoint itself is sent no token, and its refusal is the user's own."""
    url = server.url.replace("://", f"{mark}://")
    done = alice.http(f"{url}/auth/refresh", "refresh_token=wrong")
    assert json.loads(done.out) == {"error": "invalid_grant"}
    (seen,) = server.requests
    assert "Authorization" not in seen.headers


# --- A set-up that is missing or broken ----------------------------------------------------------


def as_without_us(home: Home, server: AuthServer) -> Done:
    """Return what `http` has done, which is the same as without us but for what it says."""
    path = f"{server.url}/users"
    ours = home.http("--print=HBb", "--check-status", path, "a=1")
    theirs = home.plain_http("--print=HBb", "--check-status", path, "a=1")
    assert (ours.out, ours.status) == (theirs.out, theirs.status)
    assert ours.status == 4
    first, second = server.requests
    assert (dict(first.headers), first.body) == (dict(second.headers), second.body)
    assert theirs.err in ours.err
    return Done(ours.out, ours.err.removesuffix(theirs.err), ours.status)


def test_no_configuration(home: Home, server: AuthServer) -> None:
    """Nothing at all set up: nothing is said."""
    del home.environment["REQUESTS_JWT_PROFILES"]
    assert as_without_us(home, server).err == ""


def test_a_folder_that_has_gone(home: Home, server: AuthServer) -> None:
    """Where a relative path leads nowhere, `http` is as it was."""
    home.environment["REQUESTS_JWT_PROFILES"] = "profiles.toml"
    code = """if True:
        import os, subprocess, sys
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir("../gone")
        sys.exit(subprocess.call(sys.argv[1:]))
    """
    http = [str(HTTP), "--ignore-stdin", "--print=h", f"{server.url}/public/x"]
    done = home.run([sys.executable, "-c", code, *http])
    assert done.out.startswith("HTTP/1.1 200 ")
    assert "While loading" not in done.err


def test_a_home_that_cannot_be(home: Home, server: AuthServer) -> None:
    """Where not even the user's own file can be looked for, `http` works."""
    del home.environment["REQUESTS_JWT_PROFILES"]
    home.environment["XDG_CONFIG_HOME"] = str(home.folder / ("x" * 300))
    assert as_without_us(home, server).status == 4


def test_no_such_file(home: Home, server: AuthServer) -> None:
    """A file that is named but not there is worth a warning."""
    cause, remedy = two_lines(as_without_us(home, server))
    assert "there is no such file" in cause
    assert "without tokens" in remedy


BROKEN = {
    "no TOML": "[alice\n",
    "not UTF-8": "\udcff",
    "no profile": "alice = 1\n[bob]\n",
    "no base_url": "[alice]\n",
    "a secret in it": '[alice]\nbase_url = "https://h"\npassword = "x"\n',
    "ill nested": "a = " + "[" * 5000 + "\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file(home: Home, server: AuthServer, text: str) -> None:
    """It is said once, with what helps, and `http` works as without us."""
    home.file.write_text(text, encoding="utf-8", errors="surrogateescape")
    cause, remedy = two_lines(as_without_us(home, server))
    assert str(home.file) in cause
    assert "requests-jwt profiles" in remedy


def test_a_faulty_profile_spoils_no_other(alice: Home, server: AuthServer) -> None:
    """It is named, and the others work."""
    alice.profile("bob", "ftp://api.example.com")
    done = alice.http(f"{server.url}/users")
    assert done.answer["user"] == "alice"
    cause, _ = two_lines(done)
    assert "'bob'" in cause


def test_a_keyring_that_cannot_be_used(home: Home, server: AuthServer) -> None:
    """It is said once, and `http` works as without us."""
    home.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    home.file.write_text(f'[alice]\nbase_url = "{server.url}"\n[alice.refresh]\nurl = "/r"\n')
    with home.file.open("a") as file:
        file.write('kind = "json"\n')
    cause, remedy = two_lines(as_without_us(home, server))
    assert "keyring" in cause
    assert "requests-jwt doctor alice" in remedy


def test_a_store_that_cannot_be_read(home: Home, server: AuthServer) -> None:
    """It is said once, and `http` works as without us."""
    home.profile("alice", server.url)
    Path(home.stores["alice"].path).write_text("no token")
    Path(home.stores["alice"].path).chmod(0o600)
    home.stores.clear()  # nothing in it is a secret
    cause, remedy = two_lines(as_without_us(home, server))
    assert str(home.folder / "alice.json") in cause
    assert "requests-jwt doctor alice" in remedy


@pytest.mark.parametrize("options", [(), EXPLICIT], ids=["", "named"])
def test_not_logged_in(home: Home, server: AuthServer, options: tuple[str, ...]) -> None:
    """The API's 401 stands, and the command that helps is named."""
    home.profile("bob", server.url)
    if not options:
        cause, remedy = two_lines(as_without_us(home, server))
    else:
        done = home.http(*options, f"{server.url}/users")
        assert json.loads(done.out) == {"message": "No token"}
        cause, remedy = two_lines(done)
    assert "'bob' is not logged in" in cause
    assert "requests-jwt login bob" in remedy


def test_a_refused_refresh(alice: Home, server: AuthServer) -> None:
    """The API's 401 stands, and the command that helps is named, once."""
    server.expire()
    server.revoke()
    done = alice.http(f"{server.url}/users")
    assert done.answer == {"message": "Invalid JWT"}
    cause, remedy = two_lines(done)
    assert "refused" in cause
    assert "requests-jwt login alice" in remedy


def test_a_refresh_without_an_answer(alice: Home, server: AuthServer) -> None:
    """The API's 401 stands, what has happened is said once, and the tokens are kept."""
    before = alice.stores["alice"].load()
    server.expire()
    server.fail(Status(500), times=None)
    done = alice.http(f"{server.url}/users")
    assert done.answer == {"message": "Invalid JWT"}
    cause, _ = two_lines(done)
    assert "The tokens are kept" in cause
    assert alice.stores["alice"].load() == before


def test_another_host(alice: Home) -> None:
    """A host of no profile: nothing is said, and it is sent and shown what it is without us."""
    (alice.folder / "upload").write_bytes(CONTENT)
    with AuthServer() as other:
        for arguments in (
            ("q==1",),
            ("a=1",),
            ("--form", "--boundary=b", "f@upload"),
            ("@upload",),
        ):
            ours = alice.http("-v", f"{other.url}/users", *arguments)
            theirs = alice.plain_http("-v", f"{other.url}/users", *arguments)
            date = re.compile(r"(?m)^Date: .*$")
            assert date.sub("", ours.out) == date.sub("", theirs.out)
            assert ours[1:] == theirs[1:]
            first, second = other.requests[-2:]
            assert (dict(first.headers), first.sha256) == (dict(second.headers), second.sha256)


def test_a_host_that_cannot_be_reached(alice: Home, server: AuthServer) -> None:
    """HTTPie says what it says without us."""
    server.stop()
    hidden = re.compile(r"0x[0-9a-f]+")
    ours, theirs = alice.http(server.url), alice.plain_http(server.url)
    assert hidden.sub("", ours.err) == hidden.sub("", theirs.err)
    assert ours.status == theirs.status == 1


# --- requests-jwt run ----------------------------------------------------------------------------


def run_http(home: Home, profile: str, *arguments: str) -> Done:
    command = [str(REQUESTS_JWT), "run", profile, "--", str(HTTP), "--ignore-stdin"]
    return home.run([*command, *arguments])


def test_run(home: Home, opaque: AuthServer) -> None:
    """`run bob http` sends bob's token, uploads included, and shows none of it."""
    for name in ("alice", "bob"):
        home.profile(name, opaque.url)
        home.log_in(name, opaque)
    (home.folder / "upload").write_bytes(CONTENT)
    for url in (opaque.url, opaque.url.replace("http", "http+jwt")):
        opaque.expire()
        done = run_http(home, "bob", "--form", f"{url}/users", "f@upload")
        assert (done.answer["user"], done.err) == ("bob", "")
    assert opaque.counters.rotated == 2


@pytest.mark.parametrize("base", ["same", "other"])
def test_run_and_a_named_profile(home: Home, server: AuthServer, base: str) -> None:
    """What is typed nearest wins: --auth=bob, whether run's own profile is for that URL or not."""
    when = '[{}.when]\njson_field = "message"\nvalue = "Invalid JWT"\n'
    url = server.url if base == "same" else "https://api.example.com"
    home.profile("prod", url, when.format("prod"))
    home.profile("bob", server.url, when.format("bob"))
    home.log_in("prod", server)
    home.log_in("bob", server)
    server.expire()
    for marked in (server.url, server.url.replace("http", "http+jwt")):
        done = run_http(home, "prod", *EXPLICIT, "--follow", f"{marked}/redirect", "to==/users")
        assert (done.answer["user"], done.err) == ("bob", "")
    assert server.counters.rotated == 1


def test_run_keeps_to_its_profiles(home: Home, server: AuthServer) -> None:
    """Under `run prod` no other profile's token is sent unasked."""
    home.profile("prod", "https://api.example.com")
    home.profile("bob", server.url)
    home.log_in("prod", server)
    home.log_in("bob", server)
    assert json.loads(run_http(home, "prod", f"{server.url}/users").out) == {"message": "No token"}


def test_a_named_profile_is_named_once(home: Home, server: AuthServer) -> None:
    """Where one process runs HTTPie several times, --auth=bob holds for its own request alone."""
    home.profile("prod", "https://api.example.com")
    home.profile("bob", server.url)
    home.log_in("bob", server)
    home.environment["REQUESTS_JWT_PROFILE"] = "prod"
    script = (
        "import sys; from httpie.core import main; [main(each.split()) for each in sys.argv[1:]]"
    )
    command = f"http --ignore-stdin {server.url}/users"
    done = home.run([sys.executable, "-c", script, f"{command} {' '.join(EXPLICIT)}", command])
    assert '"user": "bob"' in done.out
    assert '{"message": "No token"}' in done.out
    assert [seen.bearer is None for seen in api(server)] == [False, True]


# --- TLS -----------------------------------------------------------------------------------------


class Noting(ssl.SSLSocket):
    """A server's side of a connection, which notes the protocol's version."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        noted.append(str(self.version()))


noted: list[str] = []
NO_CA = "CERTIFICATE_VERIFY_FAILED"


@dataclass(frozen=True)
class Certificates:
    """A CA of our own, and what it has signed."""

    ca: Path
    server: Path
    client: Path
    client_key: Path
    locked_key: Path
    """The client's key, encrypted with the password "pw"."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    ca_key, ca_name = ec.generate_private_key(ec.SECP256R1()), _name("a CA of our own")

    def sign(name: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        now = dt.datetime.now(dt.timezone.utc)
        address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(address, critical=False)
        )
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def write(name: str, content: bytes) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    server_key, client_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    plain = serialization.NoEncryption()
    locked = serialization.BestAvailableEncryption(b"pw")
    return Certificates(
        ca=write("ca.pem", sign(ca_name, ca_key, ca=True)),
        server=write(
            "server.pem", sign(_name("server"), server_key, ca=False) + _pem(server_key, plain)
        ),
        client=write("client.pem", sign(_name("client"), client_key, ca=False)),
        client_key=write("client.key", _pem(client_key, plain)),
        locked_key=write("locked.key", _pem(client_key, locked)),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey, lock: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


@contextmanager
def encrypted(
    certificates: Certificates, *, asks_for_certificate: bool = False, ciphers: str | None = None
) -> Iterator[tuple[AuthServer, str]]:
    """A server that speaks TLS, and its URL; with `ciphers` it speaks TLS 1.2 in these alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    if ciphers is not None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    context.sslsocket_class = Noting
    if asks_for_certificate:
        context.load_verify_locations(certificates.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    with AuthServer() as server:
        listener = server._listener  # noqa: SLF001 - it knows no TLS of its own
        assert listener is not None
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        noted.clear()
        yield server, server.url.replace("http", "https", 1)


@pytest.fixture
def tls(home: Home, certificates: Certificates) -> Iterator[tuple[AuthServer, str]]:
    with encrypted(certificates) as (server, url):
        home.profile("alice", url)
        home.log_in("alice", server)
        yield server, url


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_verify(
    home: Home, tls: tuple[AuthServer, str], certificates: Certificates, mark: str
) -> None:
    """--verify holds for the request and for its refresh; without it they fail as without us."""
    server, url = tls
    marked = url.replace("://", f"{mark}://") + "/users"
    for verify in (f"--verify={certificates.ca}", "--verify=no"):
        server.expire()
        done = home.http(verify, marked, "q==1")
        assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=1", "")
    assert server.counters.rotated == 2
    ours, theirs = home.http(marked), home.plain_http(f"{url}/users")
    assert NO_CA in error_of(ours)
    assert _without_addresses(ours) == _without_addresses(theirs)
    assert server.counters.rotated == 2


def _without_addresses(done: Done) -> Done:
    return Done(done.out, re.sub(r"0x[0-9a-f]+", "", done.err), done.status)


@pytest.mark.parametrize("mark", ["", "+jwt"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_ssl_version(
    home: Home, tls: tuple[AuthServer, str], certificates: Certificates, version: str, mark: str
) -> None:
    """--ssl and --ciphers are HTTPie's own affair, and are kept."""
    _, url = tls
    options = [f"--verify={certificates.ca}", "--print=b"]
    options += ["--ssl=tls1.2", "--ciphers=ECDHE-ECDSA-AES128-GCM-SHA256"] * (version == "1.2")
    assert home.http(*options, url.replace("://", f"{mark}://")).answer["user"] == "alice"
    home.plain_http(*options, url)
    assert noted == [f"TLSv{version}"] * 2


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_ciphers_that_only_this_server_speaks(
    home: Home, certificates: Certificates, mark: str
) -> None:
    """--ciphers, and so --ssl, hold for the refresh, too: there is no connection without."""
    odd = "ECDHE-ECDSA-AES128-CCM"
    with encrypted(certificates, ciphers=odd) as (server, url):
        home.profile("alice", url)
        home.log_in("alice", server)
        server.expire()
        marked, verify = url.replace("://", f"{mark}://"), f"--verify={certificates.ca}"
        assert "HANDSHAKE_FAILURE" in error_of(home.http(verify, marked)).upper()
        done = home.http(verify, f"--ciphers={odd}", marked)
        assert (done.err, done.answer.get("user")) == ("", "alice")
        assert server.counters.rotated == 1


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_a_client_certificate(home: Home, certificates: Certificates, mark: str) -> None:
    """--cert and --cert-key hold for the request and for its refresh."""
    verify = f"--verify={certificates.ca}"
    cert = [f"--cert={certificates.client}", f"--cert-key={certificates.client_key}"]
    with encrypted(certificates, asks_for_certificate=True) as (server, url):
        home.profile("alice", url)
        home.log_in("alice", server)
        server.expire()
        marked = url.replace("://", f"{mark}://")
        assert home.http(verify, *cert, marked).answer["user"] == "alice"
        assert server.counters.rotated == 1
        ours, theirs = home.http(verify, marked), home.plain_http(verify, url)
        assert error_of(ours)
        assert ours.status == theirs.status == 1
    assert server.counters.requests == 3


def test_a_locked_client_key(home: Home, certificates: Certificates) -> None:
    """--cert-key-pass holds for the request and for its refresh."""
    options = [f"--verify={certificates.ca}", f"--cert={certificates.client}"]
    options += [f"--cert-key={certificates.locked_key}", "--cert-key-pass=pw"]
    with encrypted(certificates, asks_for_certificate=True) as (server, url):
        home.profile("alice", url)
        home.log_in("alice", server)
        assert home.http(*options, url).answer["user"] == "alice"
        server.expire()
        done = home.http(*options, url)
        assert (done.err, done.answer.get("user")) == ("", "alice")
        assert server.counters.rotated == 1


@pytest.mark.parametrize("mark", ["", "+jwt"])
def test_secure_cookies(
    home: Home, tls: tuple[AuthServer, str], certificates: Certificates, mark: str
) -> None:
    """A session's cookies that are for https alone are sent over https+jwt, too."""
    server, url = tls
    options = (f"--verify={certificates.ca}", f"--session={home.folder / 'session.json'}")
    cookie = Status(200, body=b"{}", headers={"Set-Cookie": "safe=1; Path=/; Secure"})
    server.fail(cookie, on="api")
    marked = url.replace("://", f"{mark}://")
    for _ in range(2):
        assert home.http(*options, f"{marked}/users").status == 0
    assert api(server)[-1].headers.get("Cookie") == "safe=1"


def test_a_relative_redirect_over_tls(
    home: Home, tls: tuple[AuthServer, str], certificates: Certificates
) -> None:
    """From https+jwt:// it leads to https:// on the same origin, token included."""
    server, url = tls
    marked = url.replace("://", "+jwt://")
    server.expire()
    done = home.http(
        f"--verify={certificates.ca}", "--follow", f"{marked}/redirect", "to==/users?q=1"
    )
    assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=1", "")
    assert server.counters.rotated == 1
