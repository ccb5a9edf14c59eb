"""Relative URLs: a Session with our adapter takes them, every other is as it was."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import BaseAdapter

from requests_jwt_refresh import (
    InvalidURL,
    JSONEndpoint,
    JWTRefreshAdapter,
    JWTRefreshError,
    MemoryStore,
    mount,
)
from requests_jwt_refresh.relative_urls import accept_relative_urls
from requests_jwt_refresh.testing import Redirect
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing import AuthServer


# What a caller writes, and what a server at http://host/v1 sees of it.
RELATIVE = [
    ("/users", "/v1/users"),
    ("users", "/v1/users"),
    ("users/", "/v1/users/"),
    ("/", "/v1/"),
    ("", "/v1"),
    ("?q=1", "/v1?q=1"),
    ("/users?q=1", "/v1/users?q=1"),
    ("#top", "/v1"),
    ("users:active", "/v1/users:active"),
    ("/users/id:7/x", "/v1/users/id:7/x"),
    ("/a?next=http://x/y", "/v1/a?next=http://x/y"),
    ("?next=https://x", "/v1?next=https://x"),
    ("/http://x", "/v1/http://x"),
    ("httpbin/get", "/v1/httpbin/get"),
    ("./users", "/v1/users"),
    ("/a/../users", "/v1/users"),
    ("a b/ü", "/v1/a%20b/%C3%BC"),
    ("  /users", "/v1/users"),
]


@pytest.fixture
def session(server: AuthServer) -> Iterator[requests.Session]:
    """A session with our adapter on it, by nothing more than session.mount()."""
    with plain_session() as session:
        session.mount(f"{server.url}/", make_adapter(server))
        yield session


def make_adapter(server: AuthServer, path: str = "/v1") -> JWTRefreshAdapter:
    refresh = JSONEndpoint(f"{server.url}/auth/refresh")
    return JWTRefreshAdapter(server.url + path, refresh, MemoryStore(server.login()))


def paths(server: AuthServer) -> list[str]:
    return [seen.path for seen in server.requests]


def outcome(work: Callable[[], object]) -> tuple[type[Exception], str]:
    """Return the kind and text of what `work` raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is asked
        work()
    return type(caught.value), str(caught.value)


class Other(BaseAdapter):
    """Another transport, which notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str | None] = []

    def send(self, request: requests.PreparedRequest, *_args: Any, **_options: Any) -> Any:
        self.urls.append(request.url)
        response = requests.Response()
        response.status_code, response.url, response.request = 204, str(request.url), request
        return response

    def close(self) -> None:
        """Hold nothing open."""


# --- What becomes of a relative URL --------------------------------------------------------------


@pytest.mark.parametrize(("url", "path"), RELATIVE)
def test_a_relative_url_goes_below_the_base_url(
    server: AuthServer, session: requests.Session, url: str, path: str
) -> None:
    """Every one of them arrives below the base's own path, with the token."""
    response = session.get(url, timeout=WAIT)
    assert response.status_code == 200
    assert paths(server) == [path]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "/v1?"),
        ("users", "/v1/users?"),
        ("/users", "/v1/users?"),
        ("users:active", "/v1/users:active?"),
        ("/a?next=http://x", "/v1/a?next=http://x&"),
        ("?q=1", "/v1?q=1&"),
        ("users#top", "/v1/users?"),
    ],
)
def test_params_are_kept(
    server: AuthServer, session: requests.Session, url: str, path: str
) -> None:
    """Those of the session and those of the call; requests itself loses them after a ":"."""
    session.params = {"page": "2"}
    session.get(url, params={"sort": "a:b"}, timeout=WAIT)
    assert paths(server) == [f"{path}page=2&sort=a%3Ab"]


@pytest.mark.parametrize(
    ("base", "url", "path"),
    [
        ("", "", "/"),
        ("", "/users", "/users"),
        ("", "users", "/users"),
        ("", "?q=1", "/?q=1"),
        ("/", "users", "/users"),
        ("/v1", "", "/v1"),
        ("/v1/", "", "/v1/"),
        ("/v1/", "?q=1", "/v1/?q=1"),
        ("/v1/", "users", "/v1/users"),
        ("/v1/", "/users", "/v1/users"),
        ("/a/b:c", "/users", "/a/b:c/users"),
    ],
)
def test_the_base_path_is_kept(server: AuthServer, base: str, url: str, path: str) -> None:
    """With a slash at its end or without, nothing of it is dropped."""
    with plain_session() as session:
        session.mount(f"{server.url}/", make_adapter(server, base))
        assert session.get(url, timeout=WAIT).status_code == 200
        assert paths(server) == [path]


class _Address:
    """Something that is no string but can be written as one."""

    def __str__(self) -> str:
        return "/users"


class _Text(str):
    __slots__ = ()


def _kind(url: object) -> str:
    return repr(url) if isinstance(url, bytes) else type(url).__name__


@pytest.mark.parametrize("url", [b"/users", b"users", _Address(), _Text("/users")], ids=_kind)
def test_it_need_not_be_a_string(server: AuthServer, session: requests.Session, url: Any) -> None:
    """Bytes and what only looks like text are read as requests reads them."""
    assert session.get(url, timeout=WAIT).status_code == 200
    prepared = session.prepare_request(requests.Request("GET", url))
    assert session.send(prepared, timeout=WAIT).status_code == 200
    assert paths(server) == ["/v1/users", "/v1/users"]


def test_bytes_are_utf_8(server: AuthServer, session: requests.Session) -> None:
    """As they are in an absolute URL."""
    session.get("/ü".encode(), timeout=WAIT)
    assert paths(server) == ["/v1/%C3%BC"]


def test_an_absolute_url_is_left_alone(server: AuthServer, session: requests.Session) -> None:
    """It goes where it says, below the base or not, with the token of its origin."""
    for path in ("/v1/users", "/v2/users"):
        assert session.get(server.url + path, timeout=WAIT).status_code == 200
    session.get(server.url.upper() + "/v1/x", timeout=WAIT)
    assert paths(server) == ["/v1/users", "/v2/users", "/v1/x"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_takes_one(server: AuthServer, session: requests.Session, method: str) -> None:
    """With a body or without."""
    response = session.request(method, "/users", json={"a": 1}, timeout=WAIT)
    assert (response.json()["method"], response.json()["path"]) == (method, "/v1/users")
    assert server.requests[0].body == b'{"a": 1}'


def test_the_answer_knows_the_whole_url(server: AuthServer, session: requests.Session) -> None:
    """response.url and response.request.url are absolute."""
    response = session.get("/users", params={"q": 1}, timeout=WAIT)
    assert response.url == response.request.url == f"{server.url}/v1/users?q=1"


def test_an_expired_token_is_refreshed(server: AuthServer, session: requests.Session) -> None:
    """A relative URL is resent like any other."""
    server.expire()
    assert session.get("/users", timeout=WAIT).status_code == 200
    assert paths(server) == ["/v1/users", "/auth/refresh", "/v1/users"]


def test_the_refresh_url_may_be_relative_too(server: AuthServer) -> None:
    """An endpoint's URL is joined to the base by the same rule."""
    server.refresh_path = "/v1/auth/refresh"
    with plain_session() as session:
        mount(
            session,
            f"{server.url}/v1",
            JSONEndpoint("auth/refresh"),
            MemoryStore(server.login()),
        )
        server.expire()
        assert session.get("users", timeout=WAIT).status_code == 200
        assert paths(server) == ["/v1/users", "/v1/auth/refresh", "/v1/users"]


@pytest.mark.parametrize(
    ("location", "path"),
    [("/v2/x", "/v2/x"), ("x", "/v1/x"), ("../x", "/x"), ("?q=1", "/v1/go?q=1")],
)
def test_a_relative_location_means_what_it_always_did(
    server: AuthServer, session: requests.Session, location: str, path: str
) -> None:
    """A redirect is resolved against the URL it came from (RFC 9110 §10.2.2), not the base."""
    server.fail(Redirect(location), on=lambda asked: asked == "/v1/go")
    session.get("/go", timeout=WAIT)
    assert paths(server) == ["/v1/go", path]


# --- Whatever a Session goes through -------------------------------------------------------------


def pickle_and_load(session: requests.Session) -> requests.Session:
    again: requests.Session = pickle.loads(pickle.dumps(session))
    return again


@pytest.mark.parametrize("made", [pickle_and_load, copy.copy, copy.deepcopy])
def test_a_session_that_was_copied(
    server: AuthServer,
    session: requests.Session,
    made: Callable[[requests.Session], requests.Session],
) -> None:
    """Pickled, copied and deep-copied sessions take relative URLs, and so do theirs in turn."""
    with made(session) as other, made(other) as third:
        for each in (session, other, third):
            response = each.get("/users", params={"q": "a:b"}, timeout=WAIT)
            assert response.status_code == 200
    assert paths(server) == ["/v1/users?q=a%3Ab"] * 3


def test_prepare_request_and_send(server: AuthServer, session: requests.Session) -> None:
    """The two halves of a request can be done one by one."""
    request = requests.Request("GET", "/users", params={"q": "1"})
    prepared = session.prepare_request(request)
    assert prepared.url == f"{server.url}/v1/users?q=1"
    assert session.send(prepared, timeout=WAIT).status_code == 200
    assert session.send(prepared, timeout=WAIT).status_code == 200
    assert paths(server) == ["/v1/users?q=1"] * 2


def test_the_callers_request_is_never_written_on(session: requests.Session) -> None:
    """A Request is prepared as often as one likes, and by several sessions."""
    hooks: dict[str, Any] = {"response": [print]}
    request = requests.Request("POST", "/users", params={"q": 1}, json={"a": 1}, hooks=hooks)
    before = copy.deepcopy(vars(request))
    first, second = session.prepare_request(request), session.prepare_request(request)
    assert first.url == second.url
    assert vars(request) == before


class Plain(requests.Session):
    """A subclass that adds nothing."""


class Stamping(requests.Session):
    """One with a prepare_request of its own, which calls the one above it."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        prepared = super().prepare_request(request)
        prepared.headers["X-Stamp"] = "stamped"
        return prepared


class Versioned(requests.Session):
    """One that changes the URL before it is prepared."""

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        return super().request(method, f"users/{url}", *args, **kwargs)


@pytest.mark.parametrize(
    ("kind", "path"), [(Plain, "/v1/7"), (Stamping, "/v1/7"), (Versioned, "/v1/users/7")]
)
def test_a_subclass_of_session(server: AuthServer, kind: type[requests.Session], path: str) -> None:
    """Subclasses need not know of us, whatever they do with a request themselves."""
    with kind() as session:
        session.trust_env = False
        session.mount(f"{server.url}/", make_adapter(server))
        with pickle_and_load(session) as other:
            for each in (session, other):
                assert each.get("7", timeout=WAIT).status_code == 200
    assert paths(server) == [path, path]
    stamped = [seen.headers.get("X-Stamp") for seen in server.requests]
    assert stamped == ["stamped" if kind is Stamping else None] * 2


def test_mount_does_the_same(server: AuthServer) -> None:
    """mount() is session.mount() with the right prefixes."""
    with plain_session() as session:
        refresh = JSONEndpoint(f"{server.url}/auth/refresh")
        mount(session, f"{server.url}/v1", refresh, MemoryStore(server.login()))
        assert session.get("/users", params={"q": 1}, timeout=WAIT).status_code == 200
        assert paths(server) == ["/v1/users?q=1"]


def test_it_ends_when_the_adapter_is_gone(session: requests.Session) -> None:
    """A session without the adapter has no base URL any more."""
    for prefix, adapter in list(session.adapters.items()):
        if isinstance(adapter, JWTRefreshAdapter):
            adapter.close()
            del session.adapters[prefix]
    with pytest.raises(requests.exceptions.MissingSchema):
        session.get("/users", timeout=WAIT)


def test_a_subclass_may_leave_sessions_as_they_are(server: AuthServer) -> None:
    """With ``accepts_relative_urls = False`` a relative URL is the error that it always was."""

    class ForAbsoluteURLs(JWTRefreshAdapter):
        accepts_relative_urls = False

    refresh = JSONEndpoint(f"{server.url}/auth/refresh")
    with plain_session() as session:
        session.mount(server.url, ForAbsoluteURLs(server.url, refresh, MemoryStore()))
        accept_relative_urls()
        with pytest.raises(requests.exceptions.MissingSchema):
            session.get("/public/x", timeout=WAIT)
        assert session.get(f"{server.url}/public/x", timeout=WAIT).status_code == 200


# --- What is no relative URL ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["//evil.com/x", "//evil.com", "///x", b"//evil.com/x", " //evil.com"]
)
def test_two_slashes_are_an_error(server: AuthServer, session: requests.Session, url: Any) -> None:
    """They would name another host (RFC 3986 §4.2): nothing is sent."""
    with pytest.raises(InvalidURL, match="two slashes"):
        session.get(url, timeout=WAIT)
    assert server.requests == []


@pytest.mark.parametrize("url", ["..", "../x", "/../x", "/a/../../x", "%2e%2e/x", "..\\x"])
def test_climbing_out_of_the_base_is_an_error(
    server: AuthServer, session: requests.Session, url: str
) -> None:
    """A relative URL cannot go above the base URL."""
    with pytest.raises(InvalidURL, match="climbs out"):
        session.get(url, timeout=WAIT)
    assert server.requests == []


@pytest.mark.parametrize("kind", [JWTRefreshError, requests.exceptions.InvalidURL, ValueError])
def test_the_error_is_caught_as_requests_own(
    session: requests.Session, kind: type[Exception]
) -> None:
    """Code that catches requests' errors catches these."""
    with pytest.raises(kind):
        session.get("//evil.com/x", timeout=WAIT)


MALFORMED = ["http:/x", "https:x", "http:", "HTTP:/x", "https:///x", "http://", "https://[::1/x"]
SCHEMES = ["foo://x/y", "ftp://x/y", "https+foo://x"]


@pytest.mark.parametrize("url", [*MALFORMED, *SCHEMES])
def test_a_broken_url_is_left_to_requests(session: requests.Session, url: str) -> None:
    """The adapter makes no path of it; requests says of it what it always says."""
    with plain_session() as plain:
        expected = outcome(lambda: plain.get(url, timeout=WAIT))
    assert outcome(lambda: session.get(url, timeout=WAIT)) == expected


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        ("mock://", "mock://x/y"),
        ("MOCK://x", "mock://x/y"),
        ("custom:", "custom:x"),
        ("custom:", "CUSTOM:/x"),
        ("Custom:", "custom:x"),
        ("urn:isbn:", "urn:isbn:1"),
    ],
)
def test_what_another_adapter_is_mounted_for_is_its_own(
    server: AuthServer, session: requests.Session, prefix: str, url: str
) -> None:
    """A scheme with an adapter of its own is a scheme, with two slashes or without."""
    other = Other()
    session.mount(prefix, other)
    assert session.get(url, timeout=WAIT).status_code == 204
    assert other.urls == [url]
    assert session.get("custom2:x", timeout=WAIT).url == f"{server.url}/v1/custom2:x"


def test_an_adapter_mounted_on_a_path_changes_nothing(
    server: AuthServer, session: requests.Session
) -> None:
    """requests never asks it for a relative URL, so there is nothing to take away."""
    other = Other()
    session.mount("/", other)
    assert session.get("/users", timeout=WAIT).status_code == 200
    assert paths(server) == ["/v1/users"]
    assert other.urls == []


# --- Several base URLs ---------------------------------------------------------------------------


def test_two_base_urls_make_it_ambiguous(server: AuthServer) -> None:
    """Either could be meant: the error names both, and whole URLs still work."""
    with plain_session() as session:
        session.mount(f"{server.url}/v1/", make_adapter(server, "/v1"))
        session.mount(f"{server.url}/v2/", make_adapter(server, "/v2"))
        with pytest.raises(InvalidURL, match="ambiguous") as caught:
            session.get("/users", timeout=WAIT)
        assert f"{server.url}/v1" in str(caught.value)
        assert f"{server.url}/v2" in str(caught.value)
        assert server.requests == []
        assert session.get(f"{server.url}/v2/users", timeout=WAIT).status_code == 200


@pytest.mark.parametrize(
    "url", ["//alice:hunter2@evil.com/x", "/x?key=hunter2", "/x#access_token=hunter2"]
)
def test_the_error_repeats_no_secret(server: AuthServer, url: str) -> None:
    """Password, query and fragment stay out of it."""
    with plain_session() as session:
        session.mount(f"{server.url}/v1/", make_adapter(server, "/v1"))
        session.mount(f"{server.url}/v2/", make_adapter(server, "/v2"))
        with pytest.raises(InvalidURL) as caught:
            session.get(url, timeout=WAIT)
        assert "hunter2" not in str(caught.value)


def test_the_same_base_twice_is_fine(server: AuthServer) -> None:
    """One adapter on many prefixes, or two with one base URL, leave no doubt."""
    with plain_session() as session:
        adapter = make_adapter(server)
        for prefix in (f"{server.url}/", "https://", f"{server.url}/v1/"):
            session.mount(prefix, adapter)
        session.mount(f"{server.url}/v1/users/", make_adapter(server))
        assert session.get("/users", timeout=WAIT).status_code == 200
        assert session.get("/users/7", timeout=WAIT).status_code == 200
        assert paths(server) == ["/v1/users", "/v1/users/7"]


# --- Sessions that have nothing to do with us ----------------------------------------------------

STRANGE = [
    *("", "/", "/users", "users", "?q=1", "#top", "//h/x", "..", " /users", "users:active"),
    *("/a?next=http://x", "custom:x", "localhost:1/x", "urn:isbn:1", b"/users", b"\xff", 7, None),
    *MALFORMED,
    *SCHEMES,
]


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("url", STRANGE, ids=repr)
def test_a_session_without_our_adapter_is_as_it_was(url: Any) -> None:
    """The same errors with the same texts as from requests' own method, which ours wraps."""
    theirs = requests.Session.prepare_request.__wrapped__  # type: ignore[attr-defined]

    class Untouched(requests.Session):
        prepare_request = theirs

    with Untouched() as untouched, requests.Session() as session:
        untouched.trust_env = session.trust_env = False
        expected = outcome(lambda: untouched.get(url, timeout=WAIT, params={"q": 1}))
        assert outcome(lambda: session.get(url, timeout=WAIT, params={"q": 1})) == expected
        request = requests.Request("GET", url)
        expected = outcome(lambda: untouched.send(untouched.prepare_request(request)))
        assert outcome(lambda: session.send(session.prepare_request(request))) == expected


@pytest.mark.usefixtures("session")
def test_missing_schema_is_still_raised_elsewhere() -> None:
    """By sessions without the adapter, requests.get, and Requests prepared without a session."""
    with plain_session() as plain:
        for work in (
            lambda: plain.get("/users", timeout=WAIT),
            lambda: requests.get("/users", timeout=WAIT),
            lambda: requests.Request("GET", "/users").prepare(),
        ):
            kind, text = outcome(work)
            assert kind is requests.exceptions.MissingSchema
            assert "Invalid URL '/users': No scheme supplied" in text


def test_a_custom_scheme_of_a_stranger_is_as_it_was() -> None:
    """A session without our adapter passes such a URL on as it is."""
    accept_relative_urls()
    with plain_session() as session:
        other = Other()
        session.mount("custom:", other)
        session.mount("mock://", other)
        session.get("custom:x", timeout=WAIT)
        session.get("mock://x", timeout=WAIT)
        assert other.urls == ["custom:x", "mock://x"]


def run(script: str, argument: str = "", given: bytes = b"") -> str:
    """Return what a fresh Python prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), argument],
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_plain_requests_behave_the_same() -> None:
    """Errors, their texts and what they derive from, with the library in use and without."""
    script = """
        import sys, requests
        if sys.argv[1] == "with":
            from requests_jwt_refresh import JSONEndpoint, MemoryStore, mount
            mount(requests.Session(), "https://h/v1", JSONEndpoint("/r"), MemoryStore())
        for url in ("", "/users", "users:active", "//h/x", "http:/x", "foo://x", b"/users", None):
            for ask in (requests.get, requests.Session().get, requests.Session().post):
                try:
                    ask(url, timeout=1)
                except Exception as error:
                    print(repr(url), type(error).__mro__, error)
    """
    assert run(script, "with") == run(script, "without") != ""


# --- The seam itself -----------------------------------------------------------------------------


def test_it_is_installed_once(server: AuthServer) -> None:
    """However many adapters are made, copied and unpickled: one wrap around requests' own."""
    make_adapter(server).close()
    seam = requests.Session.prepare_request
    adapter = make_adapter(server)
    for each in (adapter, copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):
        each.close()
    accept_relative_urls()
    assert requests.Session.prepare_request is seam
    assert not hasattr(seam.__wrapped__, "__wrapped__")  # type: ignore[attr-defined]


def test_it_is_installed_by_the_first_adapter_and_not_by_importing() -> None:
    """An import alone changes nothing; sessions made before the first adapter are served."""
    script = """
        import requests
        session, theirs = requests.Session(), requests.Session.prepare_request
        from requests_jwt_refresh import JSONEndpoint, JWTRefreshAdapter, MemoryStore
        assert requests.Session.prepare_request is theirs
        adapter = JWTRefreshAdapter("https://h/v1", JSONEndpoint("/r"), MemoryStore())
        assert requests.Session.prepare_request is not theirs
        session.mount("https://h/", adapter)
        print(session.prepare_request(requests.Request("GET", "/users")).url)
    """
    assert run(script) == "https://h/v1/users\n"


def test_it_keeps_the_name_and_signature_of_what_it_wraps(session: requests.Session) -> None:
    """Name, docstring and signature are requests' own."""
    seam = requests.Session.prepare_request
    assert seam.__qualname__ == "Session.prepare_request"
    assert "PreparedRequest" in (seam.__doc__ or "")
    assert session.prepare_request(request=requests.Request("GET", "/x")).url is not None


@pytest.mark.parametrize("what", ["session", "adapter"])
def test_an_unpickled_adapter_in_a_fresh_process(
    server: AuthServer, session: requests.Session, what: str
) -> None:
    """A worker that gets its session by pickle needs not even import the library."""
    script = """
        import pickle, sys, requests
        session = pickle.load(sys.stdin.buffer)
        if not isinstance(session, requests.Session):
            adapter, session = session, requests.Session()
            session.trust_env = False
            session.mount(sys.argv[1], adapter)
        with session:
            print(session.get("/users", params={"q": 1}, timeout=20).status_code)
    """
    prefix = f"{server.url}/"
    given = session if what == "session" else session.adapters[prefix]
    assert run(script, prefix, pickle.dumps(given)) == "200\n"
    assert paths(server) == ["/v1/users?q=1"]


def test_another_wrap_around_it_does_no_harm(
    server: AuthServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another library may wrap the method as well, before the next adapter is made."""
    seam = requests.Session.prepare_request

    def wrapped(self: requests.Session, request: requests.Request) -> requests.PreparedRequest:
        prepared = seam(self, request)
        prepared.headers["X-Traced"] = "yes"
        return prepared

    monkeypatch.setattr(requests.Session, "prepare_request", wrapped)
    session.mount(f"{server.url}/v1/users", make_adapter(server))
    assert session.get("/users", timeout=WAIT).status_code == 200
    assert paths(server) == ["/v1/users"]
    assert server.requests[0].headers["X-Traced"] == "yes"
