"""Programs that replace requests.Session, before this library is imported or after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests_cache

from requests_jwt_refresh import MemoryStore, mount
from tests.support.processes import run_python
from tests.support.users import ENDPOINT

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

CACHING_CLASS = """
import requests, requests.sessions

class Caching(requests.Session):
    answers = {}
    def send(self, request, **options):
        key = request.method, request.url
        if key not in self.answers:
            self.answers[key] = super().send(request, **options)
        return self.answers[key]

def replace():
    requests.Session = requests.sessions.Session = Caching

def find_cached():
    return [url for method, url in Caching.answers]
"""
REQUESTS_CACHE = """
import requests, requests_cache

def replace():
    methods = ["GET", "HEAD", "POST"]
    requests_cache.install_cache(backend="memory", allowable_methods=methods)

def find_cached():
    return requests.Session().cache.urls()
"""
# What is put there is no class, and knows nothing of the plain one.
A_FUNCTION = """
import requests, requests.sessions

def replace():
    plain = requests.Session
    requests.Session = requests.sessions.Session = lambda: plain()

def find_cached():
    return []
"""
BEFORE = """
replace()
import requests_jwt_refresh
"""
AFTER = """
import requests_jwt_refresh.refresh.client, requests_jwt_refresh.mounting
replace()
"""
PROGRAM = """
import itertools, sys
from requests_jwt_refresh import JSONEndpoint, MemoryStore, Token, mount

url, access, refresh = sys.argv[1:]
store = MemoryStore(Token(access, refresh))
numbers, seen = itertools.count(), []

def expire_and_get(session, endpoint):
    session.trust_env = False
    adapter = mount(session, url, endpoint, store)
    for _ in range(2):
        token = adapter.token
        adapter.set_token(Token(token.access, token.refresh, 1e9 + 1))  # expired long ago
        assert session.get(f"/api/{next(numbers)}").status_code == 200
        assert adapter.token.refresh != token.refresh

def refresh_by_hand(session, token):
    seen.extend(type(session).__mro__)
    answer = session.post(f"{url}/auth/refresh", json={"refresh_token": token.refresh}).json()
    return Token(answer["access_token"], answer["refresh_token"])

for make in (plain, requests.Session):
    for endpoint in (JSONEndpoint("/auth/refresh"), refresh_by_hand):
        expire_and_get(make(), endpoint)
assert [each for each in find_cached() if "refresh" in each] == []
assert not any("Cach" in each.__name__ for each in seen)

own = requests.Session()
mount(own, url, JSONEndpoint("/auth/refresh"), store, refresh_session=requests.Session())
print("fine")
"""


@pytest.mark.parametrize("order", [BEFORE, AFTER], ids=["before", "after"])
@pytest.mark.parametrize(
    "how", [CACHING_CLASS, REQUESTS_CACHE, A_FUNCTION], ids=["class", "requests-cache", "function"]
)
def test_no_refresh_is_cached(server: AuthServer, how: str, order: str) -> None:
    """Each refresh is a new one; sessions of both classes are mounted on, with relative URLs."""
    token = server.login()
    code = f"{how}\nplain = requests.Session\n{order}\n{PROGRAM}"
    assert run_python(code, server.url, str(token.access), str(token.refresh)) == "fine"
    assert (server.counters.rotated, server.counters.reuse) == (8, 0)


def test_a_cached_refresh_session_caches_no_token(server: AuthServer) -> None:
    """It is told not to store (RFC 9111 §5.2.1.5), however it is set up."""
    options: dict[str, Any] = {"backend": "memory", "allowable_methods": ["GET", "POST"]}
    with (
        requests_cache.CachedSession(**options) as own,
        requests_cache.CachedSession(backend="memory") as session,
    ):
        own.trust_env = session.trust_env = False
        session.settings.disabled = True
        store = MemoryStore(server.login())
        mount(session, server.url, ENDPOINT, store, refresh_session=own)
        for number in range(2):
            server.expire()
            assert session.get(f"/api/{number}").status_code == 200
        assert own.cache.urls() == []
    assert server.counters.rotated == 2
