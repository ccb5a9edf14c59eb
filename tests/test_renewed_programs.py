"""Sliding sessions in programs that end or fork: what an API has handed out last is saved."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import FileStore
from tests.support.processes import run_python
from tests.support.redis_server import running_redis
from tests.support.secret_service import running_secret_service, secret_service
from tests.support.shared_store import make_store_at, place
from tests.support.sliding import slide
from tests.support.users import load_token

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer
    from tests.stress.locations import StoreLocation

__all__ = ["place", "running_redis", "running_secret_service", "secret_service"]  # fixtures

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

START = """\
import gc, os, sys, threading
import requests
from requests_jwt_refresh import FileStore, JSONEndpoint, header, mount
from tests.stress.workers import make_store
from tests.support.sliding import wait_for_saves

url, kind, name = sys.argv[1:]

def open_session(store=None):
    session = requests.Session()
    session.trust_env = False
    mount(session, url, JSONEndpoint("/auth/refresh"), store or make_store(kind, name),
          renewed=header("X-New-Token"))
    return session

def get(session):
    assert session.get("/api/x").status_code == 200
    wait_for_saves()
"""


@pytest.fixture
def file(tmp_path: Path, server: AuthServer) -> Path:
    """A file that holds a login."""
    path = tmp_path / "token.json"
    FileStore(path).save(server.login())
    return path


def test_the_last_one_is_saved_at_the_end(place: StoreLocation, server: AuthServer) -> None:
    """In every kind of store, also where a tenth of the lifetime has not passed."""
    make_store_at(place).save(server.login())
    before = load_token(make_store_at(place))
    sliding = slide(server)
    code = f"{START}\nsession = open_session()\nfor _ in range(3): get(session)\n"
    run_python(code, server.url, place.kind, place.name)
    token = load_token(make_store_at(place))
    assert (token.access, token.refresh) == (sliding.given[2], before.refresh)


def test_it_is_saved_although_its_session_is_gone(file: Path, server: AuthServer) -> None:
    """A session in a function lives no longer than that."""
    sliding = slide(server)
    code = f"""{START}
def main():
    with open_session() as session:
        for _ in range(2):
            get(session)

main()
gc.collect()
"""
    run_python(code, server.url, "file", str(file))
    assert load_token(FileStore(file)).access == sliding.given[1]


def test_a_logout_is_not_undone_at_the_end(file: Path, server: AuthServer) -> None:
    """Nor what another program has stored meanwhile."""
    slide(server)
    for change, expected in (
        ("session.get_adapter(f'{url}/').clear_token()", None),
        ("FileStore(name).clear()", None),
        ("FileStore(name).save(Token('theirs', 'refresh'))", "theirs"),
    ):
        FileStore(file).save(server.login())
        code = f"""{START}
from requests_jwt_refresh import Token
session = open_session()
for _ in range(2):
    get(session)
{change}
"""
        run_python(code, server.url, "file", str(file))
        token = FileStore(file).load()
        assert (None if token is None else token.access) == expected


@needs_fork
def test_a_daemon_saves_what_its_parent_was_given(file: Path, server: AuthServer) -> None:
    """The parent goes without a word, as daemons' parents do; the child ends in its time."""
    sliding = slide(server)
    code = f"""{START}
session = open_session()
for _ in range(2):
    get(session)
if os.fork():
    os.wait()
    os._exit(0)
"""
    run_python(code, server.url, "file", str(file))
    assert load_token(FileStore(file)).access == sliding.given[1]


@needs_fork
def test_a_fork_in_the_middle_of_a_save(file: Path, server: AuthServer) -> None:
    """The child has no such thread: it uses the newer token, and waits for nobody."""
    sliding = slide(server)
    code = f"""{START}
parent, saving, may_end = os.getpid(), threading.Event(), threading.Event()

class Slow(FileStore):
    def save(self, token):
        if os.getpid() == parent:
            saving.set()
            assert may_end.wait(30)
        super().save(token)

session = open_session(Slow(name))
assert session.get("/api/x").status_code == 200
assert saving.wait(30)
child = os.fork()
if child == 0:
    os._exit(0 if session.get("/api/x").status_code == 200 else 1)
assert os.waitpid(child, 0)[1] == 0
may_end.set()
"""
    run_python(code, server.url, "file", str(file))
    assert [request.bearer for request in server.requests][1:] == sliding.given[:1]
    assert load_token(FileStore(file)).access == sliding.given[0]


@needs_fork
def test_parent_and_child_each_go_on(file: Path, server: AuthServer) -> None:
    """Each is answered, and what the store has at the end is one of the last two."""
    sliding = slide(server)
    code = f"""{START}
session = open_session()
for _ in range(2):
    get(session)
session.close()  # two processes must not speak on one connection
child = os.fork()
for _ in range(2):
    get(session)
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    run_python(code, server.url, "file", str(file))
    assert server.counters.answered == 6
    assert server.counters.refreshes == 0
    assert load_token(FileStore(file)).access in sliding.given[2:]
