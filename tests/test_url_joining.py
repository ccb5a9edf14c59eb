"""Joining: that no reading of a relative URL leaves the base; which endpoint URLs are relative."""

from __future__ import annotations

import contextlib
import random
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from requests_jwt_refresh import MemoryStore, mount
from requests_jwt_refresh.errors import InsecureURL, InvalidURL
from requests_jwt_refresh.urls import join, join_endpoint, starts_with_host
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing import AuthServer


# --- An oracle for "climbs out" ------------------------------------------------------------------

PIECES = [
    *("a", "b", "..", ".", "...", "", "/", "/", "/", "\\", ";", ";x", "\t", "\n", "..;"),
    *("%2e", "%2E%2e", ".%2e", "%2f", "%2F", "%5c", "%5C", "%3b", "%20", "%09", "%41"),
    *("%252e", "%252F", "%255c", "%25252e", "%2%46", "%25%32%65", "%%32%66"),
]


def list_readings(path: str) -> set[str]:
    """Return `path` as one server or another reads it, with slashes alone between segments.

    Each step may be taken or not, independently of the code: decoded up to three times; encoded
    dots, slashes and backslashes resolved; a backslash for a slash; parameters left out; spaces and
    control characters left out; slashes merged.
    """
    steps: tuple[Callable[[str], str], ...] = (
        *(unquote, unquote, unquote),
        lambda text: re.sub("%2e", ".", text, flags=re.IGNORECASE),
        lambda text: re.sub("%2f", "/", text, flags=re.IGNORECASE),
        lambda text: re.sub("%5c", r"\\", text, flags=re.IGNORECASE),
        lambda text: text.replace("\\", "/"),
        lambda text: re.sub(";[^/]*", "", text),
        lambda text: re.sub(r"[\x00-\x20]", "", text),
        lambda text: re.sub("/+", "/", text).removeprefix("/"),
    )
    texts = {path}
    for step in steps:
        texts |= set(map(step, texts))
    return texts


def leaves(path: str) -> bool:
    """Whether `path`, walked from a folder two deep, is ever outside of it."""
    place = ["tenant", "v1"]
    for segment in path.split("/"):
        if segment == "..":
            place = place[:-1]
        elif segment != ".":
            place = [*place, segment]
        if place[:2] != ["tenant", "v1"]:
            return True
    return False


def compose_paths(count: int) -> Iterator[str]:
    """Yield as many paths, the same ones each time."""
    chance = random.Random(22)
    for _ in range(count):
        yield "".join(chance.choices(PIECES, k=chance.randint(1, 9)))


class TestClimbing:
    def test_no_reading_of_a_relative_url_leaves_the_base(self) -> None:
        """3,000 paths, each as any server could read it: what is joined stays below the base."""
        joined = 0
        for path in compose_paths(3_000):
            try:
                join("https://h/tenant/v1", path)
            except InvalidURL:
                continue
            joined += 1
            outside = [each for each in list_readings(path.removeprefix("/")) if leaves(each)]
            assert not outside, f"{path!r} can be read as {outside[0]!r}"
        assert joined > 1_000

    def test_a_path_that_no_reading_takes_out_is_joined(self) -> None:
        """Neither are more refused than need be: without two dots, in any spelling, none is."""
        for path in compose_paths(3_000):
            if path.startswith("//") or any(".." in text for text in list_readings(path)):
                continue
            assert join("https://h/tenant/v1", path).startswith("https://h/tenant/v1")

    def test_a_path_of_a_hundred_thousand_characters(self) -> None:
        """Whoever makes the URL, it takes no longer than it is long."""
        for piece in ("%2F", "a%2Fb/", "%5C..", "%25", "../a/", "\\"):
            with contextlib.suppress(InvalidURL):
                join("https://h/v1", f"a/{piece * 10_000}")


@pytest.mark.parametrize(
    "url",
    [
        *("/a%5Cb/../../admin", "..%2f..%2fadmin", "/a%2F..%2F..%2Fx", "%252e%252e%252fadmin"),
        *("a\\..\\..\\admin", "..;/admin", ".\t./admin", "a%2Fb/%2e%2e/%2e%2e/admin"),
    ],
)
def test_no_spelling_of_it_leaves_the_base_path(server: AuthServer, url: str) -> None:
    """Another tenant's paths are out of reach, whatever the server makes of the URL."""
    with plain_session() as session:
        mount(session, f"{server.url}/tenant-a/v1", ENDPOINT, MemoryStore(server.login()))
        with pytest.raises(InvalidURL, match="climbs out"):
            session.get(url, timeout=WAIT)
    assert server.requests == []


def test_an_encoded_slash_reaches_the_server_as_it_is(server: AuthServer) -> None:
    """It is a part of a name, as GitLab's paths of projects have it."""
    with plain_session() as session:
        mount(session, f"{server.url}/api/v4", ENDPOINT, MemoryStore(server.login()))
        session.get("/projects/group%2Fname", timeout=WAIT)
    assert server.requests[-1].path == "/api/v4/projects/group%2Fname"


# --- Endpoints -----------------------------------------------------------------------------------

HOSTS = [
    *("auth.example.com/refresh", "example.com/refresh", "login.example.co.uk/oauth/token"),
    *("api.example.com", "auth.example.com?x=1", "example.com", "AUTH.EXAMPLE.COM/refresh"),
    *("auth.example.com./refresh", "auth.example.pl/refresh", "api.example.dev/refresh"),
    *("auth.internal/refresh", "api.myapp.test/refresh", "auth.svc.cluster.local/refresh"),
    *("localhost/auth/refresh", "localhost", "localhost:8000/auth/refresh", "LocalHost:80/x"),
    *("127.0.0.1/refresh", "10.0.0.7:8080/refresh", "127.0.0.1", "192.168.1.1:443"),
    *("[::1]/refresh", "[::1]:8000/refresh", "api.example.com:443", "api.example.com:443/refresh"),
    *("auth:8080/refresh", "keycloak:8443/realms/x/token", " auth.example.com/refresh"),
    *("alice:hunter2@auth.example.com/refresh", "xn--bcher-kva.example/refresh"),
    *("my-tenant.eu.auth0.com/oauth/token", "example.io/refresh", "auth.xn--p1ai/refresh"),
    *("api.example.com\\refresh", "//auth.example.com/refresh", "//h/x"),
]
PATHS = [
    *("auth/refresh", "refresh", "token", "oauth/token", "api/v1/auth/refresh", "auth/refresh/"),
    *("token.php", "refresh.json", "auth.refresh", "oauth2.0/token", "v1.2/refresh", "v1/token"),
    *("index.php/api/refresh", "token.pl/x", "auth.py/refresh", "service.svc/Refresh", "a.do/x"),
    *("auth.v1.AuthService/Refresh", "acme.auth.v1.Tokens/Refresh", "Auth.asmx/Refresh"),
    *("token:refresh", "v1/token:refresh", "users.me", "oauth.v2.access", "auth.test", "team.info"),
    *("1.2.3/refresh", "2024.11/refresh", "token?grant=refresh", "?action=refresh", "#x", ""),
    *("~alice/refresh", "@me/refresh", "$batch", ".well-known/token", "./refresh", "-/refresh"),
    *("refresh_token.aspx/x", "%61uth.example.com/x", "auth..com/refresh"),
]


class TestJoinEndpoint:
    @pytest.mark.parametrize("url", HOSTS)
    def test_a_host_without_a_scheme_is_no_path(self, url: str) -> None:
        """It would be asked below the base URL, and answer 404 when the token expires."""
        with pytest.raises(InvalidURL, match=r"^the refresh URL .* names a host, but no sch"):
            join_endpoint("https://h/v1", url, what="the refresh URL")

    @pytest.mark.parametrize("url", [" /auth/refresh", "/auth/refresh\n", "/auth\\refresh"])
    def test_a_path_that_was_mistyped_is_an_error(self, url: str) -> None:
        """A space at one end would be sent as "%20", a backslash as "%5C"."""
        with pytest.raises(InvalidURL, match=r"^the refresh URL .* has a "):
            join_endpoint("https://h/v1", url, what="the refresh URL")

    @pytest.mark.parametrize("url", PATHS)
    def test_a_path_is_relative(self, url: str) -> None:
        """Real paths have dots and colons, too."""
        assert not starts_with_host(url)
        if ".." in url:
            return
        prepared = join_endpoint("https://h/v1", url, what="the refresh URL")
        assert prepared.startswith("https://h/v1")

    @pytest.mark.parametrize(
        "url", [each for each in HOSTS if each[0] not in "/ " and "\\" not in each]
    )
    def test_a_slash_before_it_makes_it_a_path(self, url: str) -> None:
        """As the error says, for who has such a path."""
        joined = join_endpoint("https://h/v1", f"/{url}", what="the refresh URL")
        assert joined.startswith("https://h/v1/")

    @pytest.mark.parametrize(
        ("url", "advice"),
        [
            ("auth.example.com/refresh?key=hunter2", "https://auth.example.com/refresh"),
            ("//auth.example.com/refresh", "https://auth.example.com/refresh"),
            ("localhost:8000/auth/refresh", "http://localhost:8000/auth/refresh"),
            ("[::1]:8000/refresh", "http://[::1]:8000/refresh"),
            ("auth:8080/refresh", "https://auth:8080/refresh"),
        ],
    )
    def test_the_error_shows_what_to_write(self, url: str, advice: str) -> None:
        """A machine's own host has no https, as a rule."""
        with pytest.raises(InvalidURL) as caught:
            join_endpoint("https://h/v1", url, what="the refresh URL")
        assert caught.value.remedy == (
            f"write the whole URL, with its scheme: {advice}; a path below the base URL begins "
            "with one slash"
        )
        assert "hunter2" not in str(caught.value)

    def test_an_absolute_url_goes_its_own_way(self) -> None:
        """It is checked as the base URL is."""
        assert join_endpoint("https://h", "https://i/x", what="the URL") == "https://i/x"
        with pytest.raises(InsecureURL):
            join_endpoint("https://h", "http://i/x", what="the URL")
        with pytest.raises(InvalidURL, match="climbs out"):
            join_endpoint("https://h/v1", "../x", what="the URL")
