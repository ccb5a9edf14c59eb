"""The real `http`: whose token is sent, and when none is."""

from __future__ import annotations

import json
import sys

import pytest

from requests_jwt_refresh.testing import AuthServer
from tests.support.http_command import (
    CONTENT,
    EXPLICIT,
    Home,
    alice,
    find_error,
    home,
    list_api_requests,
    needs_httpie,
    opaque_server,
    warm_command,
    warm_http,
)

__all__ = ["alice", "home", "opaque_server", "warm_command", "warm_http"]  # fixtures

pytestmark = needs_httpie


@pytest.mark.parametrize("scheme", ["http+jwt", "HTTP+JWT"])
def test_an_explicit_scheme(alice: Home, server: AuthServer, scheme: str) -> None:
    """http+jwt:// is http:// with a token: query, expiry and headers as ever."""
    server.expire()
    url = server.url.replace("http", scheme, 1)
    done = alice.http(f"{url}/users", "q==1", "X-A:1", "X-A:2")
    assert (done.answer["user"], done.answer["query"], done.err) == ("alice", "q=1", "")
    first, second = list_api_requests(server)
    assert first.headers["X-A"] == second.headers["X-A"] == "1, 2"
    assert server.url == f"http://{second.headers['Host']}"


def test_an_explicit_scheme_without_a_profile(home: Home, server: AuthServer) -> None:
    """It says what is missing and what helps, and sends nothing."""
    for configured in (False, True):
        if configured:
            home.profile("alice", "https://api.example.com")
        else:
            del home.environment["REQUESTS_JWT_PROFILES"]
        error = find_error(home.http(f"{server.url.replace('http', 'http+jwt')}/users"))
        assert f"there is no profile for '{server.url}/users'" in error
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


def test_a_named_profiles_upload(home: Home, opaque_server: AuthServer) -> None:
    """It is resent like any other, and shown once."""
    for name in ("alice", "bob"):
        home.profile(name, opaque_server.url)
        home.log_in(name, opaque_server)
    (home.folder / "upload").write_text("some words")
    opaque_server.expire()
    done = home.http(*EXPLICIT, "--form", "-v", f"{opaque_server.url}/upload", "a@upload")
    assert done.out.count("some words") == 1
    assert '"user": "bob"' in done.out
    assert opaque_server.counters.rotated == 1


def test_a_named_profiles_token_stays_with_it(home: Home, server: AuthServer) -> None:
    """A redirect to any other server, another profile's included, carries no token of bob's."""
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
    "no such profile": (("--auth-type=requests-jwt", "--auth=bbo"), "there is no profile 'bbo'"),
    "a faulty profile": (("--auth-type=requests-jwt", "--auth=faulty"), "profile 'faulty'"),
    "another's URL": (("--auth-type=requests-jwt", "--auth=elsewhere"), "its token does not go to"),
}


@pytest.mark.parametrize("mark", ["", "+jwt"])
@pytest.mark.parametrize(("options", "problem"), WRONG.values(), ids=WRONG)
def test_a_wrong_name(
    home: Home, server: AuthServer, options: tuple[str, ...], problem: str, mark: str
) -> None:
    """A named profile that cannot be used is an error, in words, and nothing is sent."""
    home.profile("bob", server.url)
    home.profile("elsewhere", "https://api.example.com")
    home.profile("faulty", "ftp://api.example.com")
    url = server.url.replace("://", f"{mark}://")
    assert problem in find_error(home.http(*options, f"{url}/users"))
    assert server.counters.connections == 0


def test_no_name(home: Home, server: AuthServer) -> None:
    """--auth-type=requests-jwt alone is told that a name is missing."""
    done = home.http("--auth-type=requests-jwt", f"{server.url}/users")
    assert (done.out, done.status) == ("", 1)
    assert "--auth required" in done.err
    assert "Traceback" not in done.err


def test_the_old_name_of_the_auth_type(home: Home, server: AuthServer) -> None:
    """--auth-type=jwt, as it was called in 0.1, works as long as no other plugin has that name."""
    for name in ("alice", "bob"):
        home.profile(name, server.url)
        home.log_in(name, server)
    file, users = home.folder / "session.json", f"{server.url}/users"
    done = home.http("--auth-type=jwt", "--auth=bob", f"--session={file}", users)
    assert (done.answer["user"], done.err) == ("bob", "")
    assert home.http(f"--session={file}", users).answer["user"] == "bob"


OTHER_PLUGIN = """
from httpie.plugins import AuthPlugin

class Plugin(AuthPlugin):
    name = "another one"
    auth_type = "jwt"
    auth_parse = False

    def get_auth(self, username=None, password=None):
        def write(request):
            request.headers["Authorization"] = f"Other {self.raw_auth}"
            return request
        return write
"""
WITH_OTHER_PLUGIN = """
import sys
sys.path.insert({position}, {folder!r})
from httpie.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("position", [0, 1000], ids=["loaded before ours", "loaded after ours"])
def test_another_plugin_of_the_old_name(position: int, alice: Home, server: AuthServer) -> None:
    """Of two plugins called jwt it is the other one that has the name, and both work."""
    folder = alice.folder / "plugins"
    metadata = folder / "another_one-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "another_one.py").write_text(OTHER_PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: another-one\nVersion: 1.0\n")
    entry = "[httpie.plugins.auth.v1]\nanother_one = another_one:Plugin\n"
    (metadata / "entry_points.txt").write_text(entry)
    script = alice.folder / "http.py"
    script.write_text(WITH_OTHER_PLUGIN.format(position=position, folder=str(folder)))
    theirs = alice.http_by(script, "--auth-type=jwt", "--auth=mine", f"{server.url}/users")
    assert (json.loads(theirs.out), theirs.err) == ({"message": "No token"}, "")
    assert server.requests[-1].headers["Authorization"] == "Other mine"
    ours = alice.http_by(script, "--auth-type=requests-jwt", "--auth=alice", f"{server.url}/users")
    assert (ours.answer["user"], ours.err) == ("alice", "")
    shown = alice.http_by(script, "--help")
    assert (shown.status, shown.err) == (0, "")
    assert '"requests-jwt": ' in shown.out


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
    """One typed by the user is sent as it is; its 401 stands, and nothing is refreshed."""
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


def test_run(home: Home, opaque_server: AuthServer) -> None:
    """`run bob http` sends bob's token, uploads included, and shows none of it."""
    for name in ("alice", "bob"):
        home.profile(name, opaque_server.url)
        home.log_in(name, opaque_server)
    (home.folder / "upload").write_bytes(CONTENT)
    for url in (opaque_server.url, opaque_server.url.replace("http", "http+jwt")):
        opaque_server.expire()
        done = home.run_http("bob", "--form", f"{url}/users", "f@upload")
        assert (done.answer["user"], done.err) == ("bob", "")
    assert opaque_server.counters.rotated == 2


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
        done = home.run_http("prod", *EXPLICIT, "--follow", f"{marked}/redirect", "to==/users")
        assert (done.answer["user"], done.err) == ("bob", "")
    assert server.counters.rotated == 1


def test_run_keeps_to_its_profiles(home: Home, server: AuthServer) -> None:
    """Under `run prod` no other profile's token is sent unasked."""
    home.profile("prod", "https://api.example.com")
    home.profile("bob", server.url)
    home.log_in("prod", server)
    home.log_in("bob", server)
    assert json.loads(home.run_http("prod", f"{server.url}/users").out) == {"message": "No token"}


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
    assert [seen.bearer is None for seen in list_api_requests(server)] == [False, True]
