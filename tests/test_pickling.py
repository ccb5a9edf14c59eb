"""Sessions, adapters and responses can be pickled and copied, and work afterwards."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import requests
from keyring.backend import KeyringBackend
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from requests_jwt_refresh import (
    BearerEndpoint,
    JWTRefreshAdapter,
    KeyringStore,
    MemoryStore,
    OAuth2Endpoint,
    RefreshUnavailable,
    Token,
    all_of,
    any_401,
    any_of,
    bearer_challenge,
    json_field,
    mount,
    presets,
    status,
)
from requests_jwt_refresh.testing import Status
from tests.support.callers import SMALLEST_POOL, our_session, refresh_is_refused, session
from tests.support.home import set_home
from tests.support.sessions import plain_session
from tests.support.users import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from requests import Response, Session

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["session"]  # a fixture


class SharedKeyring(KeyringBackend):
    """A keyring outside of the pickle, as the real one is. Without a priority it is never picked
    by itself."""

    entries: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


new_keyring: Callable[[], KeyringBackend] = SharedKeyring


ASKED: list[str] = []


def ask(session: Session, token: Token) -> Token:
    """Be a refresh callable, login, on_refresh and on_logout that a pickle can name."""
    answer = session.post(f"{ASKED[0]}/auth/refresh", json={"refresh_token": token.refresh}).json()
    return Token(answer["access_token"], answer["refresh_token"])


def log_in(session: Session) -> Token:
    login = {"username": "alice", "password": "right"}
    answer = session.post(f"{ASKED[0]}/auth/login", json=login).json()
    return Token(answer["access_token"], answer["refresh_token"])


def is_expired(response: Response) -> bool:
    return bool(response.json()["message"] == "Invalid JWT")


def note_call(_value: object) -> None:
    ASKED.append("called")


FORMS: dict[str, dict[str, Any]] = {
    "JSONEndpoint": {"refresh": ENDPOINT},
    "BearerEndpoint": {"refresh": BearerEndpoint("/auth/refresh")},
    "OAuth2Endpoint": {"refresh": OAuth2Endpoint("/auth/refresh", "me", "s3cret")},
    "a callable": {"refresh": ask},
    "SimpleJWT": {
        "refresh": presets.SimpleJWT(
            "/auth/refresh",
            send="refresh_token",
            access="access_token",
            refresh="refresh_token",
        ),
        "when": any_401,
    },
    "FlaskJWTExtended": {"refresh": presets.FlaskJWTExtended("/auth/refresh"), "when": any_401},
    "any_401": {"when": any_401},
    "json_field": {"when": json_field("message", "Invalid JWT")},
    "bearer_challenge": {"when": bearer_challenge()},
    "status": {"when": status(401, 403)},
    "combined": {"when": all_of(any_of(any_401, status(403)), bearer_challenge())},
    "a matcher of one's own": {"when": is_expired},
    "callbacks": {"login": log_in, "on_refresh": note_call, "on_logout": note_call},
    "options": {
        "refresh_timeout": 7.0,
        "match_limit": 99,
        "trusted_origins": ("https://cdn.example.com",),
    },
    "a pool": {"pool_maxsize": 3, "pool_block": True, "max_retries": Retry(2)},
    "a transport": {"transport": HTTPAdapter(max_retries=Retry(3))},
    "a session": {"refresh_session": requests.Session()},
}


def pickle_and_load(session: Session) -> Session:
    again: Session = pickle.loads(pickle.dumps(session))
    return again


@pytest.mark.parametrize("again", [pickle_and_load, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("form", FORMS)
def test_a_session_comes_back_and_works(
    server: AuthServer, form: str, again: Callable[[Session], Session]
) -> None:
    """Pickled, copied or deep-copied: relative URLs, the token and the refresh go on working."""
    ASKED[:] = [server.url]
    options = dict(FORMS[form])
    refresh = options.pop("refresh", ENDPOINT)
    with plain_session() as session:
        mount(session, server.url, refresh, MemoryStore(server.login()), **options)
        assert session.get("/api/x").status_code == 200
        with again(session) as copied:
            server.expire()
            answer = copied.get("/api/x")
            assert (answer.status_code, len(answer.history)) == (200, 1)
            assert repr(copied.get_adapter(server.url + "/")) == repr(
                session.get_adapter(server.url + "/")
            )
    assert server.counters.rotated == 1
    assert ("called" in ASKED) == (form == "callbacks")


@pytest.mark.parametrize("again", [pickle_and_load, copy.copy, copy.deepcopy])
def test_options_of_the_pool_come_back(again: Callable[[Session], Session]) -> None:
    """What HTTPAdapter pickles of itself, ours does as well."""
    adapter = JWTRefreshAdapter(
        "https://api.example.com", ENDPOINT, MemoryStore(), pool_maxsize=3, max_retries=Retry(2)
    )
    with plain_session() as session:
        session.mount("https://api.example.com/", adapter)
        with again(session) as copied:
            back = copied.get_adapter("https://api.example.com/")
            assert isinstance(back, JWTRefreshAdapter)
            assert back.max_retries.total == 2
            assert back.poolmanager.connection_pool_kw["maxsize"] == 3


def test_a_pickled_memory_store_carries_its_tokens(server: AuthServer) -> None:
    """As a pickled Session carries its cookies; what happens to one later is its own affair."""
    with our_session(server) as session, pickle_and_load(session) as again:
        ours, theirs = session.get_adapter(f"{server.url}/"), again.get_adapter(f"{server.url}/")
        assert isinstance(ours, JWTRefreshAdapter)
        assert isinstance(theirs, JWTRefreshAdapter)
        assert theirs.token == ours.token is not None
        ours.clear_token()
        assert theirs.token is not None
        assert again.get("/api/x").status_code == 200


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_shares_the_login(server: AuthServer, copied: Callable[[Session], Session]) -> None:
    """Two copies of one rotating refresh token would log each other out, so there is only one."""
    with our_session(server) as session, copied(session) as other:
        for each in (session, other, session, other):
            server.expire()
            assert each.get("/api/x").status_code == 200
    assert (server.counters.rotated, server.counters.reuse) == (4, 0)


def test_a_pickled_keyring_store_names_the_same_entry(
    server: AuthServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The pickle holds no token; who loads it shares the login."""
    set_home(monkeypatch, tmp_path)
    monkeypatch.setattr(SharedKeyring, "entries", {})
    store = KeyringStore("api.example.com", "alice", backend=new_keyring())
    token = server.login()
    with plain_session() as session:
        mount(session, server.url, ENDPOINT, store).set_token(token)
        pickled = pickle.dumps(session)
        assert token.access is not None
        assert token.refresh is not None
        assert token.access.encode() not in pickled
        assert token.refresh.encode() not in pickled
        with pickle.loads(pickled) as again:
            server.expire()
            assert again.get("/api/x").status_code == 200
        assert session.get("/api/x").status_code == 200
    assert (server.counters.rotated, server.counters.reuse) == (1, 0)


def test_an_adapter_is_pickled_in_the_middle_of_its_life(server: AuthServer) -> None:
    """Connections, locks and what went wrong lately stay behind; the tokens come along."""
    with our_session(server, **SMALLEST_POOL) as session:
        server.expire()
        server.fail(Status(500))
        with pytest.raises(RefreshUnavailable):
            session.get("/api/x")
        with pickle_and_load(session) as again:
            assert again.get("/api/x").status_code == 200


def test_responses_are_pickled_as_in_plain_requests(server: AuthServer, session: Session) -> None:
    """A final answer with a history, and a 401 that stands, come back with their bodies."""
    server.expire()
    answer = pickle.loads(pickle.dumps(session.get("/api/x")))
    assert (answer.json()["path"], answer.history[0].status_code) == ("/api/x", 401)
    refresh_is_refused(server)
    refused = pickle.loads(pickle.dumps(session.get("/api/x")))
    assert json.loads(refused.content) == {"message": "Invalid JWT"}


def test_the_repr_says_where_it_belongs() -> None:
    """A Session's adapters, looked at in a debugger, tell which is ours."""
    adapter = JWTRefreshAdapter("https://api.example.com/v1", ENDPOINT, MemoryStore())
    assert repr(adapter) == "<JWTRefreshAdapter https://api.example.com/v1>"
