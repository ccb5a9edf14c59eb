"""`requests-jwt run` and a store that holds nothing, or never answers: nobody waits for it."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from requests_jwt_refresh.stores.base import encode
from requests_jwt_refresh.tokens import with_expiry
from tests.support.programs import (
    CALL,
    COMMAND,
    START,
    ProgramResult,
    Workspace,
    expire_and_revoke,
    profile_text,
    warm_command,
    warm_programs,
    workspace,
)

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

# A keyring that notes each call, and hangs until there is a file "answer" if there is one "hang".
KEYRING = """
import os, pathlib, time
from keyring.backend import KeyringBackend

FOLDER = pathlib.Path(__file__).parent

class Keyring(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        with (FOLDER / "calls").open("a") as file:
            file.write("call\\n")
        while (FOLDER / "hang").exists() and not (FOLDER / "answer").exists():
            time.sleep(0.01)
        return None

    set_password = delete_password = None
"""
SPAWN = f"subprocess.run([sys.executable, '-c', {CALL!r}])"
THREADS = f"""{START}
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    print(sorted(pool.map(lambda _: requests.get(url).status_code, range(40))))
"""


@pytest.fixture
def keyring_user(workspace: Workspace) -> Workspace:
    """A user of a keyring that holds nothing."""
    (workspace.folder / "slow_keyring.py").write_text(KEYRING, encoding="utf-8")
    text = re.sub("store = .*", "", profile_text(workspace))
    workspace.profiles.write_text(text, encoding="utf-8")
    workspace.environment["PYTHONPATH"] = str(workspace.folder)
    workspace.environment["PYTHON_KEYRING_BACKEND"] = "slow_keyring.Keyring"
    return workspace


def run(user: Workspace, code: str, **options: Any) -> ProgramResult:
    """Run code under `run`, both of them from their very start: they need the keyring's path."""
    return user.start((COMMAND, "run", "prod", "--", sys.executable, "-c", code), **options)


def count_calls(user: Workspace) -> int:
    return len((user.folder / "calls").read_text(encoding="utf-8").split())


def test_an_empty_keyring_is_looked_into_once_in_a_while(keyring_user: Workspace) -> None:
    """However many requests there are, in however many threads: as many looks as for one."""
    run(keyring_user, CALL)
    calls_of_one_request = count_calls(keyring_user)
    ended = run(keyring_user, THREADS)
    assert ended.output == f"{[401] * 40}\n"
    assert "'prod' is not logged in" in ended.warning()
    assert count_calls(keyring_user) == 2 * calls_of_one_request


def test_a_keyring_that_hangs_does_not_hold_the_program(keyring_user: Workspace) -> None:
    """The program starts without its answer; here it is the program that lets it answer."""
    (keyring_user.folder / "hang").touch()
    code = f"open({str(keyring_user.folder / 'answer')!r}, 'w').close()\n{THREADS}"
    ended = run(keyring_user, code)
    assert ended.output == f"{[401] * 40}\n"
    assert "did not answer" not in ended.errors
    assert "'prod' is not logged in" in ended.warning()


# The keyring is given up at once, and each look into it is counted.
IMPATIENT = f"""
import functools, itertools
from requests_jwt_refresh.stores.keyring import KeyringStore
KeyringStore.__init__ = functools.partialmethod(KeyringStore.__init__, timeout=0.05)
load, looks = KeyringStore.load, itertools.count()
KeyringStore.load = lambda self: (next(looks), load(self))[1]
import requests_jwt_refresh.inject.adapter as adapter
adapter._SLOW = 0.01
adapter._PAUSE = 0.0
{THREADS}
print(next(looks))
"""


def test_a_keyring_that_was_given_up_is_left_alone(keyring_user: Workspace) -> None:
    """After a call without an answer, all threads go on without a token, and without a wait."""
    (keyring_user.folder / "hang").touch()
    end = f"open({str(keyring_user.folder / 'answer')!r}, 'w').close()"
    ended = run(keyring_user, f"{IMPATIENT}{end}")
    assert ended.output == f"{[401] * 40}\n1\n"
    assert "did not answer" in ended.warning()


# The refusal is told only after all other requests have their 401: however long that takes.
LATE_REFUSAL = f"""{START}
import threading
from concurrent.futures import ThreadPoolExecutor
from requests_jwt_refresh.refresh.single_flight import Call
others = threading.Semaphore(0)
run_callbacks = Call.run_callbacks
def run_late(call):
    for _ in range(7 if call._callbacks else 0):
        assert others.acquire(timeout=30)
    run_callbacks(call)
def get(_):
    try:
        return requests.get(url).status_code
    finally:
        others.release()
requests.get(url)
print("waiting", flush=True); sys.stdin.readline()
Call.run_callbacks = run_late
with ThreadPoolExecutor(8) as pool:
    print(sorted(pool.map(get, range(8))))
print(requests.get(url).status_code)
"""


def test_a_refusal_is_what_is_said(workspace: Workspace) -> None:
    """Not what other threads see of it: that there is no token any more."""
    ended = workspace.run("-c", LATE_REFUSAL, at_wait=expire_and_revoke(workspace))
    assert ended.output == f"waiting\n{[401] * 8}\n401\n", ended.errors
    assert "refused the refresh token (400 invalid_grant)" in ended.warning()
    assert "log in again with: requests-jwt login prod" in ended.warning()
    assert workspace.server.counters.refreshes == 1


ENDED = "requests-jwt: the login of profile 'prod' has ended"


def test_a_login_that_another_process_has_lost_has_ended(workspace: Workspace) -> None:
    """`run` saw it, and this process never had its token: it is more than "not logged in"."""
    code = f"import subprocess, sys\nprint('waiting', flush=True); sys.stdin.readline()\n{SPAWN}"
    ended = workspace.run("-c", code, at_wait=lambda _: workspace.store().clear())
    assert ended.output == "waiting\n401\n"
    assert ended.warning().splitlines()[0] == ENDED
    assert "log in again with: requests-jwt login prod" in ended.warning()


def test_a_token_that_is_gone_without_a_refusal_is_told_of(workspace: Workspace) -> None:
    """By the last request under way, since one of them could have had a refusal to tell."""
    code = f"""{START}
import threading
from requests_jwt_refresh.inject import adapter, proxy
print(requests.get(url).status_code)
found = proxy.load_registry().adapter_for(url)
found.clear_token()
with found._watch.note_sending(found.with_transport(None)):
    print(requests.get(url).status_code, file=sys.stdout)
    print("before", file=sys.stderr)
"""
    ended = workspace.run("-c", code)
    assert ended.output == "200\n401\n"
    assert ended.errors.splitlines()[0] == "before"
    assert ended.warning().splitlines()[0] == ENDED


def test_a_token_that_came_back_meanwhile_is_not_told_of(workspace: Workspace) -> None:
    """A login in another terminal, before the last request under way has ended."""
    code = f"""{START}
from requests_jwt_refresh.inject import proxy
print(requests.get(url).status_code)
found = proxy.load_registry().adapter_for(url)
token = found.token
found.clear_token()
with found._watch.note_sending(found.with_transport(None)):
    print(requests.get(url).status_code)
    found.set_token(token)
print(requests.get(url).status_code)
"""
    ended = workspace.run("-c", code)
    assert (ended.output, ended.errors) == ("200\n401\n200\n", "")


LOGIN = f"""{START}
import requests_jwt_refresh.clock as clock
import requests_jwt_refresh.inject.adapter
later = 0.0
real = clock.monotonic
clock.monotonic = lambda: real() + later
print(requests.get(url).status_code)
print("waiting", flush=True); sys.stdin.readline()
print(requests.get(url).status_code)
later = 60.0
print(requests.get(url).status_code)
"""


def test_a_login_into_a_keyring_is_seen_after_a_while(keyring_user: Workspace) -> None:
    """Some seconds after a login in another terminal the program has the token."""
    token = keyring_user.server.login("prod")
    keyring = keyring_user.folder / "slow_keyring.py"

    def log_in(_program: object) -> None:
        (keyring_user.folder / "token").write_text(encode(with_expiry(token)), encoding="utf-8")

    keyring.write_text(
        KEYRING.replace(
            "return None",
            "file = FOLDER / 'token'\n        return file.read_text() if file.exists() else None",
        )
    )
    ended = run(keyring_user, LOGIN, at_wait=log_in)
    assert ended.output.splitlines()[::3] == ["401", "200"]
    assert ended.without_ours() == ProgramResult(0, ended.output, "")
