"""What a new user mistypes: each mistake is found at once, and the error says how it goes."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter

import requests_jwt_refresh
from requests_jwt_refresh import (
    FileStore,
    InvalidURL,
    JSONEndpoint,
    JWTRefreshAdapter,
    KeyringStore,
    MemoryStore,
    OAuth2Endpoint,
    Token,
    any_401,
    mount,
    presets,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

API = "https://api.example.com/v1"
ENDPOINT = JSONEndpoint("/auth/refresh")
SECRET = "eyJhbGciOiJIUzI1NiJ9"
TOKEN = Token(SECRET, SECRET)
ANY_MOUNT: Any = mount  # for calls that a type checker would not let pass
ANY_ADAPTER: Any = JWTRefreshAdapter
ANY_STORE: Any = MemoryStore
ORDER = "mount(session, base_url, refresh, store)"


def mount_with(*args: Any, **options: Any) -> JWTRefreshAdapter:
    """Mount on a new session, as far as `args` go, with a store in memory."""
    given = [requests.Session(), API, ENDPOINT, MemoryStore()]
    given[: len(args)] = args
    adapter: JWTRefreshAdapter = ANY_MOUNT(*given, **options)
    return adapter


def set_token(value: Any) -> None:
    mount_with().set_token(value)


SESSION = requests.Session()
MISTAKES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    # the arguments by their places
    "session and base URL swapped": (
        partial(mount_with, API, SESSION),
        TypeError,
        f"mount takes the session first, then the base URL: {ORDER}",
    ),
    "requests instead of a session": (
        partial(mount_with, requests),
        TypeError,
        "mount takes a requests.Session first, not a module: session = requests.Session(), then "
        + ORDER,
    ),
    "the class instead of a session": (
        partial(mount_with, requests.Session),
        TypeError,
        (
            "mount takes a requests.Session first, not the class Session: session = "
            f"requests.Session(), then {ORDER}"
        ),
    ),
    "no session": (
        partial(ANY_MOUNT, API, ENDPOINT, MemoryStore()),
        TypeError,
        (
            f"mount takes a requests.Session first, not a string: session = requests.Session(), "
            f"then {ORDER}"
        ),
    ),
    "no base URL": (
        partial(ANY_MOUNT, SESSION, ENDPOINT, MemoryStore()),
        InvalidURL,
        "the base URL is a JSONEndpoint, not a string. Write it like 'https://api.example.com'",
    ),
    "a session for the adapter": (
        partial(ANY_ADAPTER, SESSION, API, ENDPOINT),
        InvalidURL,
        "the base URL is a Session, not a string. Write it like 'https://api.example.com'",
    ),
    "endpoint and store swapped": (
        partial(mount_with, SESSION, API, MemoryStore(), ENDPOINT),
        TypeError,
        f"refresh is a store; the endpoint comes before the store: {ORDER}",
    ),
    "an endpoint as the store": (
        partial(mount_with, SESSION, API, ENDPOINT, ENDPOINT),
        TypeError,
        f"store is an endpoint, which comes before the store: {ORDER}",
    ),
    # the endpoint
    "a URL instead of an endpoint": (
        partial(mount_with, SESSION, API, "/auth/refresh"),
        TypeError,
        (
            "refresh must be an endpoint, not a string: JSONEndpoint('/auth/refresh') for example, "
            "or a function (session, token) -> Token"
        ),
    ),
    "no endpoint": (
        partial(mount_with, SESSION, API, None),
        TypeError,
        (
            "refresh must be an endpoint, not None: JSONEndpoint('/auth/refresh') for example, or "
            "a function (session, token) -> Token; None needs a login"
        ),
    ),
    "a token instead of an endpoint": (
        partial(mount_with, SESSION, API, TOKEN),
        TypeError,
        (
            "refresh must be an endpoint, not a Token: JSONEndpoint('/auth/refresh') for example, "
            "or a function (session, token) -> Token"
        ),
    ),
    "an endpoint's class": (
        partial(mount_with, SESSION, API, OAuth2Endpoint),
        TypeError,
        "refresh is the class OAuth2Endpoint; make one: OAuth2Endpoint('/auth/refresh')",
    ),
    "a preset's class": (
        partial(mount_with, SESSION, API, presets.SimpleJWT),
        TypeError,
        "refresh is the class SimpleJWT; make one: SimpleJWT()",
    ),
    "a host without a scheme": (
        partial(mount_with, SESSION, API, JSONEndpoint("auth.example.com/refresh")),
        InvalidURL,
        (
            "the refresh URL 'auth.example.com/refresh' names a host, but no scheme. Write the "
            "whole URL, with its scheme: https://auth.example.com/refresh; a path below the base "
            "URL begins with one slash"
        ),
    ),
    "a base URL without a scheme": (
        partial(mount_with, SESSION, "localhost:8000"),
        InvalidURL,
        (
            "the base URL 'localhost:8000' has no scheme. Write the whole URL, with its scheme: "
            "http://localhost:8000"
        ),
    ),
    # the store
    "a store's class": (
        partial(mount_with, SESSION, API, ENDPOINT, KeyringStore),
        TypeError,
        "store is the class KeyringStore; make one: KeyringStore(...)",
    ),
    "a token as the store": (
        partial(mount_with, SESSION, API, ENDPOINT, TOKEN),
        TypeError,
        (
            "store must be a token store with load, save, clear and lock, not a Token: "
            "MemoryStore(token), or leave it out and call set_token(token) once"
        ),
    ),
    "a path as the store": (
        partial(mount_with, SESSION, API, ENDPOINT, "token.json"),
        TypeError,
        (
            "store must be a token store with load, save, clear and lock, not a string: "
            "FileStore(path), for example"
        ),
    ),
    "a string in memory": (
        partial(ANY_STORE, SECRET),
        TypeError,
        (
            "a store holds a Token, not a str: Token(access, refresh), or Token(access) if that is "
            "the access token"
        ),
    ),
    # the token
    "a string as the token": (
        partial(set_token, SECRET),
        TypeError,
        (
            "set_token takes a Token, not a str: Token(access, refresh), or Token(access) if that "
            "is the access token"
        ),
    ),
    "a dict as the token": (
        partial(set_token, {"accessToken": SECRET}),
        TypeError,
        (
            "set_token takes a Token, not a dict: Token(found['accessToken'], "
            "found.get('refresh_token'))"
        ),
    ),
    "None as the token": (
        partial(set_token, None),
        TypeError,
        "set_token takes a Token, not None: clear_token() forgets the token",
    ),
    "the class as the token": (
        partial(set_token, Token),
        TypeError,
        "set_token takes a Token, not the class Token: Token(access, refresh)",
    ),
    # the other options
    "one trusted origin": (
        partial(mount_with, trusted_origins="https://cdn.example.com"),
        TypeError,
        (
            "trusted_origins must be a list or tuple of origins, such as "
            "['https://cdn.example.com'], not a string"
        ),
    ),
    "a trusted origin without a scheme": (
        partial(mount_with, trusted_origins=["cdn.example.com"]),
        InvalidURL,
        (
            "the trusted origin 'cdn.example.com' has no scheme. Write the whole URL, with its "
            "scheme: https://cdn.example.com"
        ),
    ),
    "a timeout in a string": (
        partial(mount_with, refresh_timeout="30"),
        ValueError,
        "refresh_timeout must be a positive number of seconds, such as 30.0, not a str",
    ),
    "a timeout as requests takes it": (
        partial(mount_with, refresh_timeout=(3, 30)),
        ValueError,
        "refresh_timeout must be a positive number of seconds, such as 30.0, not a tuple",
    ),
    "a timeout without an end": (
        partial(mount_with, refresh_timeout=float("inf")),
        ValueError,
        (
            "refresh_timeout must be a positive number of seconds, such as 30.0: nothing here "
            "waits for ever"
        ),
    ),
    "a login that was called": (
        partial(mount_with, login=TOKEN),
        TypeError,
        "login must be a function (session) -> Token, not a Token",
    ),
    "a user name and password as login": (
        partial(mount_with, login=("alice", SECRET)),
        TypeError,
        "login must be a function (session) -> Token, not a tuple",
    ),
    "a class as login": (
        partial(mount_with, login=Token),
        TypeError,
        (
            "login is the class Token: give a function (session) -> Token, or an object that can "
            "be called like one"
        ),
    ),
    "a callback's name": (
        partial(mount_with, on_logout="log_out"),
        TypeError,
        "on_logout must be a function (error) -> None, not a string",
    ),
    "a transport's class": (
        partial(mount_with, transport=HTTPAdapter),
        TypeError,
        "transport is the class HTTPAdapter; make one: HTTPAdapter()",
    ),
    "a session as the transport": (
        partial(mount_with, transport=SESSION),
        TypeError,
        "transport must be a requests adapter, such as HTTPAdapter(max_retries=3), not a Session",
    ),
    "a transport and options for a pool": (
        partial(mount_with, transport=HTTPAdapter(), pool_maxsize=3),
        TypeError,
        "the transport does the sending; give pool_maxsize to it",
    ),
    "no session for refresh calls": (
        partial(mount_with, refresh_session="session"),
        TypeError,
        "refresh_session must be a requests.Session, not a string",
    ),
    "one session for both": (
        partial(mount_with, SESSION, refresh_session=SESSION),
        ValueError,
        "refresh_session must be another session than the one to mount on",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_has_its_text(mistake: str) -> None:
    """It names what was given by its kind, and what to write; no other class, and no secret."""
    make, kind, text = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        make()
    assert type(caught.value) is kind
    assert str(caught.value) == text
    assert caught.value.__cause__ is None
    assert SECRET not in text


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_an_error_says_to_write_is_there(mistake: str) -> None:
    """The names that a text says to write are public ones, or the user's own variables."""
    names = {*requests_jwt_refresh.__all__, "HTTPAdapter", "SimpleJWT"}
    for word in MISTAKES[mistake][2].replace("(", " ( ").split():
        if word[0].isupper() and word.isidentifier() and word[1:] != word[1:].lower():
            assert word in names | {"URL"}


def test_a_store_that_is_empty_is_a_store() -> None:
    """One with a length is false while it holds nothing, and is no store left out."""

    class Sized(MemoryStore):
        def __len__(self) -> int:
            return 0

    adapter = mount_with(SESSION, API, ENDPOINT, Sized())
    adapter.set_token(TOKEN)
    assert adapter.token == TOKEN


def test_an_endpoint_without_a_url() -> None:
    """Four things make an endpoint; the one that is missing is named."""

    class Asking:
        ask = read = when = print

    with pytest.raises(TypeError, match=r"refresh has no URL: an Asking needs an attribute url"):
        mount_with(requests.Session(), API, Asking())


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    """Every kind of each argument."""
    for store in (MemoryStore(TOKEN), FileStore(tmp_path / "token"), FileStore(str(tmp_path))):
        mount_with(requests.Session(), API, ENDPOINT, store)
    origin = API.removesuffix("/v1")
    for origins in ([], (), [origin], {origin}, iter([origin])):
        mount_with(trusted_origins=origins)
    for seconds in (1, 0.5, 30.0):
        mount_with(refresh_timeout=seconds)
    mount_with(transport=HTTPAdapter(max_retries=3), refresh_session=requests.Session())


# --- Names of options ----------------------------------------------------------------------------

MISTYPED = {
    "wen": "when",
    "whne": "when",
    "on_refreshed": "on_refresh",
    "onlogout": "on_logout",
    "trusted_origin": "trusted_origins",
    "refresh_timout": "refresh_timeout",
    "timeout": "refresh_timeout",
    "allowhttp": "allow_http",
    "log_in": "login",
    "pool_max_size": "pool_maxsize",
    "max_retry": "max_retries",
    "retries": "max_retries",
    "endpoint": "refresh",
    "token_store": "store",
    "matcher": "when",
}


@pytest.mark.parametrize("name", MISTYPED)
def test_an_option_that_there_is_not(name: str) -> None:
    """The error names what was called and the nearest option, and no class of requests."""
    with pytest.raises(TypeError) as caught:
        mount_with(**{name: 1})
    assert str(caught.value) == f"mount() has no option {name!r}; did you mean {MISTYPED[name]!r}?"
    with pytest.raises(TypeError) as made:
        ANY_ADAPTER(API, ENDPOINT, MemoryStore(), **{name: 1})
    expected = str(caught.value).replace("mount()", "JWTRefreshAdapter()")
    assert str(made.value) == expected
    assert made.value.__suppress_context__, "Python would show HTTPAdapter's own words as well"


def test_an_option_like_no_other() -> None:
    """Then all are listed; what belongs to the session is said to."""
    with pytest.raises(TypeError, match=r"no option 'qqq': it has base_url, .*, pool_block$"):
        mount_with(qqq=1)
    with pytest.raises(TypeError, match=r"no option 'verify'; .*: session\.verify = "):
        mount_with(verify=False)


def test_the_synonyms_are_options() -> None:
    """What the text proposes is taken."""
    known = {*inspect.signature(JWTRefreshAdapter).parameters}
    known |= {*inspect.signature(HTTPAdapter).parameters}
    assert set(MISTYPED.values()) <= known


def test_the_options_of_http_adapter_pass() -> None:
    """They make a pool of the adapter's own."""
    options = {"pool_connections": 3, "pool_maxsize": 4, "max_retries": 5, "pool_block": True}
    adapter = mount_with(**options)
    assert adapter.transport is None
    assert adapter.poolmanager.connection_pool_kw["maxsize"] == 4
    assert adapter.max_retries.total == 5


def test_a_profile_with_a_mistyped_option(tmp_path: Path) -> None:
    """from_profile() hands its options to the class, which is named."""
    path = tmp_path / "profiles.toml"
    path.write_text(
        f'[prod]\nbase_url = "{API}"\n[prod.refresh]\nkind = "json"\nurl = "/auth/refresh"\n'
    )
    with pytest.raises(TypeError, match=r"^JWTRefreshAdapter\(\) has no .* mean 'refresh_timeout'"):
        JWTRefreshAdapter.from_profile("prod", path, refresh_timout=3)


class Tenant(JWTRefreshAdapter):
    """A user's subclass, with an option more."""

    def __init__(self, *args: Any, tenant: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.tenant = tenant


class SourceAddress(HTTPAdapter):
    """An adapter of another library, with an option more."""

    def __init__(self, source_address: str = "", **options: Any) -> None:
        self.source_address = source_address
        super().__init__(**options)


class Both(Tenant, SourceAddress):
    """The two together: what the first does not know goes on to the second."""


def test_a_subclass_may_have_more_options() -> None:
    """Its own, and those of the classes that stand behind it."""
    options: dict[str, Any] = {"tenant": "acme", "source_address": "127.0.0.1", "pool_maxsize": 4}
    adapter = Both(API, ENDPOINT, MemoryStore(), when=any_401, **options)
    assert (adapter.tenant, adapter.source_address) == ("acme", "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("tennant", "tenant"), ("source_adress", "source_address"), ("wehn", "when")],
)
def test_a_mistyped_option_of_a_subclass(name: str, nearest: str) -> None:
    """The subclass is named, and its options are among the nearest."""
    with pytest.raises(TypeError) as caught:
        Both(API, ENDPOINT, MemoryStore(), **{name: "x"})
    assert str(caught.value) == f"Both() has no option {name!r}; did you mean {nearest!r}?"


def test_a_type_error_of_another_kind_passes() -> None:
    """A class behind ours that fails for its own reasons says so itself."""

    class Faulty(HTTPAdapter):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            raise TypeError("of its own")

    class Ours(JWTRefreshAdapter, Faulty):
        pass

    with pytest.raises(TypeError, match="of its own"):
        Ours(API, ENDPOINT, MemoryStore(), pool_maxsize=3)


def test_a_mistyped_option_of_an_endpoint() -> None:
    """Python's own words name the class and the option."""
    with pytest.raises(TypeError, match=r"JSONEndpoint.*'acess'"):
        JSONEndpoint("/auth/refresh", acess="token")  # type: ignore[call-arg]
