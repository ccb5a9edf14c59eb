"""What programs do to sessions and adapters is what they would have done without `run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import Status
from tests.support.programs import (
    ADAPTER,
    COMMAND,
    START,
    WAIT,
    ProgramResult,
    Workspace,
    warm_command,
    warm_programs,
    workspace,
)
from tests.support.waits import interrupt, join, start

if TYPE_CHECKING:
    import threading

    from tests.support.programs import Program

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")


def adapter_code(*lines: str) -> str:
    return ADAPTER + "\n".join(lines)


def test_the_adapter_is_the_sessions_own(workspace: Workspace) -> None:
    """isinstance, repr and attributes, read, set and deleted, are those of the session's own."""
    code = adapter_code(
        "found = session.get_adapter(url)",
        "print(isinstance(found, Own), issubclass(found.__class__, HTTPAdapter))",
        "print(repr(found) == repr(own), found.max_retries is own.max_retries)",
        "found.label = 1",
        "print(own.label, session.get_adapter(url).label)",
        "own.send = lambda *a, **k: (print('sent'), Own.send(own, *a, **k))[1]",
        "print(session.get(url).status_code)",
        "try: found.no_such_attribute",
        "except AttributeError as error: print(error)",
    )
    expected = "True True\nTrue True\n1 1\nsent\n200\n'Own' object has no attribute"
    assert workspace.run_code(code).output.startswith(expected)


def test_deleting_an_adapters_attribute(workspace: Workspace) -> None:
    """`del session.get_adapter(url).x` deletes what it would without us."""
    code = adapter_code(
        "session.get_adapter(url).label = 1",
        "del session.get_adapter(url).label",
        "print(hasattr(own, 'label'))",
    )
    assert workspace.run_code(code) == workspace.plain_code(code) == ProgramResult(0, "False\n", "")


def test_an_adapter_that_changes_sessions(workspace: Workspace) -> None:
    """An adapter taken from one session and mounted on another does there what it did here."""
    code = adapter_code(
        "other = requests.Session()",
        "other.mount(os.environ['API'], session.get_adapter(url))",
        "print(other.get(url).status_code)",
        "print(other.get_adapter(os.environ['API']).__class__.__name__)",
    )
    assert workspace.run_code(code) == ProgramResult(0, "200\nOwn\n", "")


@pytest.mark.parametrize("way", ["copy.copy", "copy.deepcopy", "pickle.dumps"])
def test_an_adapter_that_is_copied(way: str, workspace: Workspace) -> None:
    """An adapter that a session gave can be copied and pickled, as without us."""
    code = adapter_code(f"print(type({way}(session.get_adapter(url))).__name__)")
    plain = workspace.plain_code(code)
    assert plain.status == 0
    assert workspace.run_code(code) == plain


WRAPPED = """
session = requests.Session()
adapter = session.get_adapter(url)
adapter.send = functools.partial(adapter.send, timeout=5)
print(session.get(url).status_code, session.get(url).status_code)
"""


OPTIONS = """
from requests.adapters import HTTPAdapter

class Own(HTTPAdapter):
    def send(self, request, **options):
        print(options.pop("retries", 0), options.setdefault("timeout", 7), sorted(options))
        return super().send(request, **options)

session = requests.Session()
session.mount("http://", Own())
prepared = session.prepare_request(requests.Request("GET", url))
session.send(prepared)
session.send(prepared, retries=3)
"""


RAISES = """
from requests.adapters import HTTPAdapter
from requests_jwt_refresh import RefreshUnavailable

class Own(HTTPAdapter):
    def send(self, request, **options):
        super().send(request, **options)
        raise RefreshUnavailable("of the program's own")

session = requests.Session()
session.mount("http://", Own())
try:
    session.post(url, data=b"x")
except RefreshUnavailable as error:
    print(error)
"""


SHOWN = """
session = requests.Session()
adapter = session.get_adapter(url)
print(adapter == session.adapters["http://"], session.adapters["http://"] == adapter)
print({adapter: 1}[session.adapters["http://"]], adapter != session.adapters["https://"])
"""


OWN_TOKEN = """
from requests_jwt_refresh import JSONEndpoint, JWTRefreshAdapter, MemoryStore, Token
carol = Token(sys.stdin.readline().strip())
session = requests.Session()
mounted = JWTRefreshAdapter(
    os.environ["API"], JSONEndpoint("/auth/refresh"), MemoryStore(carol),
    transport=session.get_adapter(url),
)
session.mount(os.environ["API"], mounted)
print(session.get(url).json()["user"])
"""


TWO_WRAPPERS = """
session, calls = requests.Session(), []

def wrap(name):
    adapter = session.get_adapter(url)
    inner = adapter.send
    def send(*args, **options):
        calls.append(name)
        return inner(*args, **options)
    adapter.send = send

wrap("first")
wrap("second")
print(session.get(url).status_code, calls)
"""


NESTED = """
session = requests.Session()
def pages():
    for number in range(2):
        page = session.get(url, params={"page": number})
        print(page.status_code)
        yield page.content
print(session.post(url, data=pages()).status_code)
"""


WARMS_UP = """
from requests.adapters import HTTPAdapter

class Own(HTTPAdapter):
    def send(self, request, **options):
        if "warm" not in request.url:
            print(session.get(url + "?warm").status_code)
        return super().send(request, **options)

session = requests.Session()
session.mount("http://", Own())
print(session.get(url).status_code)
"""


KEYWORDS = """
original = requests.adapters.HTTPAdapter.send
def send(self, request, **options):
    return original(self, request, **options)
requests.adapters.HTTPAdapter.send = send
print(requests.get(url).status_code)
"""


REQUESTS = """
prepared = requests.Request("GET", url, headers={"X": "1"}).prepare()
answer = requests.Session().send(prepared)
print(answer.request is prepared, sorted(answer.request.headers.items()), answer.history)
class Fails(requests.adapters.HTTPAdapter):
    def send(self, request, **options):
        raise requests.ConnectionError(request=request)

session = requests.Session()
session.mount("http://", Fails())
try:
    session.get(url)
except requests.ConnectionError as error:
    print(error.request.headers.get("Authorization"))
again = answer.connection.send(answer.request.copy())
print(again.status_code)
"""


HISTORY = """
from requests.adapters import HTTPAdapter

class Own(HTTPAdapter):
    def send(self, request, **options):
        answer = super().send(request, **options)
        answer.history = [requests.Response()]
        return answer

session = requests.Session()
session.mount("http://", Own())
print(session.get(url).history)
"""


NO_URL = """
requests.get(url)
requests.get("nonsense")
"""


LOGS = """
import logging
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s")
print(requests.get(url).status_code)
"""


@pytest.mark.parametrize(
    "code",
    [TWO_WRAPPERS, NESTED, WARMS_UP, KEYWORDS, REQUESTS, HISTORY, NO_URL, LOGS],
    ids=["wrappers", "nested", "warms up", "keywords", "requests", "history", "no URL", "logs"],
)
def test_as_if_no_token_were_needed(code: str, workspace: Workspace) -> None:
    """However a program reaches sessions and adapters, what it finds is the same."""
    plain = workspace.plain_code(START.replace("/api/", "/public/") + code)
    assert workspace.run_code(START + code) == plain
    assert plain.output or plain.errors


@pytest.mark.parametrize("code", [KEYWORDS, REQUESTS], ids=["keywords", "requests"])
def test_as_if_no_token_had_expired(code: str, workspace: Workspace) -> None:
    """The program sees neither the refresh nor the second sending."""
    plain = workspace.plain_code(START.replace("/api/", "/public/") + code)
    workspace.server.expire()
    assert workspace.run_code(START + code) == plain
    assert (workspace.server.counters.refreshes, workspace.server.counters.reuse) == (1, 0)


def test_a_refresh_is_not_logged(workspace: Workspace) -> None:
    """With everything logged, the program's log has its own requests and not our refresh."""
    workspace.server.expire()
    ended = workspace.run_code(START + LOGS)
    assert (ended.status, ended.errors) == (0, "")
    assert set(ended.output.split()) == {"200", "urllib3.connectionpool"}
    assert ended.output.count("urllib3") == 3  # one connection, a 401, a 200


QUIET = "-Wignore::DeprecationWarning"  # newer Pythons warn of forks in programs with threads


FORKS = """
import importlib, sys, threading, time

ready, forking = threading.Event(), threading.Event()

class Slow:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == sys.argv[1] and threading.current_thread() is not threading.main_thread():
            ready.set()
            forking.wait(20)
            time.sleep(0.3)  # the fork is now, unless it waits for us

sys.meta_path.insert(0, Slow)
thread = threading.Thread(target=requests.get, args=(url,))
thread.start()
assert ready.wait(20)
forking.set()
child = os.fork()
if child == 0:
    import signal
    signal.alarm(20)
    importlib.import_module(sys.argv[1])
    print(requests.get(url).status_code, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1])
thread.join()
"""


@pytest.mark.parametrize(
    ("way", "module"),
    [
        ("run", "requests_jwt_refresh.adapter"),
        ("run", "requests_jwt_refresh.stores.file"),
        ("auto", "requests_jwt_refresh.stores.file"),
    ],
)
def test_a_fork_while_another_thread_imports(way: str, module: str, workspace: Workspace) -> None:
    """A fork waits for the first request's imports: in the child they would never end."""
    if way == "auto":
        code = START.replace("requests, sys", "requests, sys, requests_jwt_refresh.auto")
        ended = workspace.plain(QUIET, "-c", code + FORKS, module)
    else:
        ended = workspace.run(QUIET, "-c", START + FORKS, module)
    assert (ended.status, ended.output) == (0, "200\n0\n")
    assert ended.errors == ""


def test_a_handler_that_interrupts_a_refresh(workspace: Workspace) -> None:
    """A signal handler that makes a request in the middle of a refresh has it answered."""
    code = """
import signal
signal.signal(signal.SIGUSR1, lambda *_: print("handler", requests.get(url).status_code))
print("waiting", flush=True)
sys.stdin.readline()
print(requests.get(url).status_code)
"""
    workspace.server.expire()
    with workspace.server.gate(on="refresh") as gate:

        def interrupt_it(program: Program) -> None:
            gate.wait_for(1, timeout=WAIT)
            interrupt(program, signal.SIGUSR1)
            gate.open()

        ended = workspace.run_code(
            START + code, at_wait=lambda program: start(lambda: interrupt_it(program))
        )
    assert ended == ProgramResult(0, "waiting\nhandler 200\n200\n", "")
    assert workspace.server.counters.refreshes == 1


TIME_LIMIT = """
import signal

class SoftTimeLimit(Exception):
    pass

def stop(*_):
    raise SoftTimeLimit

signal.signal(signal.SIGUSR1, stop)
print("waiting", flush=True)
sys.stdin.readline()
try:
    print(requests.get(url).status_code)
except SoftTimeLimit:
    print("stopped\\nwaiting", flush=True)
    sys.stdin.readline()
"""


def test_an_exception_out_of_a_handler(workspace: Workspace) -> None:
    """What a signal handler raises in the middle of a refresh reaches the program at once."""
    workspace.server.expire()
    with workspace.server.gate(on="refresh") as gate:

        def interrupt_it(program: Program) -> None:
            gate.wait_for(1, timeout=WAIT)
            interrupt(program, signal.SIGUSR1)

        def at_wait(program: Program) -> None:
            if threads:  # the program has stopped waiting, and the refresh has not ended
                gate.open()
            else:
                threads.extend(start(lambda: interrupt_it(program)))

        threads: list[threading.Thread] = []
        ended = workspace.run_code(START + TIME_LIMIT, at_wait=at_wait)
        join(*threads)
    assert ended == ProgramResult(0, "waiting\nstopped\nwaiting\n", "")


KEPT = """
import pickle
from requests.adapters import HTTPAdapter

kept = []

class Journal(HTTPAdapter):
    def send(self, request, **options):
        kept.append(request)
        return super().send(request, **options)

session = requests.Session()
session.mount("http://", Journal())
print(session.get(url).status_code)
print("waiting", flush=True)
sys.stdin.readline()
print(session.send(kept[0]).status_code)
print(requests.Session().send(pickle.loads(pickle.dumps(kept[0]))).status_code)
"""


def test_a_request_that_is_kept(workspace: Workspace) -> None:
    """What an adapter has been given can be sent again later, and is refreshed then."""
    ended = workspace.run_code(START + KEPT, at_wait=lambda _: workspace.server.expire())
    assert ended == ProgramResult(0, "200\nwaiting\n200\n200\n", "")


COPIES = """
session = requests.Session()
adapter = session.get_adapter(url)
inner = adapter.send
adapter.send = lambda request, **options: inner(request.copy(), **options)
answer = session.post(url, data=b"x")
print(answer.status_code, answer.request.headers.get("Authorization"))
"""


def test_a_wrapper_that_copies(workspace: Workspace) -> None:
    """A copy of what we have given it is sent on as it is: one refresh, two sendings."""
    workspace.server.fail(Status(401, body=b'{"message": "Invalid JWT"}'), on="api", times=None)
    assert workspace.run_code(START + COPIES).output == "401 None\n"
    counters = workspace.server.counters
    assert (counters.refreshes, counters.requests) == (1, 3)


LOCKS = """
import logging, threading
lock, started, forking = threading.Lock(), threading.Event(), threading.Event()

def before():
    forking.set()
    lock.acquire()

def hook():
    os.register_at_fork(before=before, after_in_parent=lock.release)

def work():
    with lock:
        started.set()
        forking.wait(20)  # the fork is now, and waits for the lock
        print(requests.get(url).status_code, flush=True)

def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)[1]
"""


@pytest.mark.parametrize("hooked", ["before", "after"])
def test_a_fork_hook_of_the_programs_own(hooked: str, workspace: Workspace) -> None:
    """A fork that waits for another thread's first request is not waited for in turn."""
    code = START.replace("requests, ", "") + LOCKS
    steps = ["hook()", "import requests"]
    code += "\n".join(steps if hooked == "before" else steps[::-1])
    code += """
thread = threading.Thread(target=work)
thread.start()
started.wait()
print(fork())
thread.join()
"""
    ended = workspace.run(QUIET, "-c", code)
    assert (ended.status, sorted(ended.output.split()), ended.errors) == (0, ["0", "200"], "")


@pytest.mark.parametrize("code", [OPTIONS, SHOWN], ids=["options", "shown"])
def test_as_without_us(code: str, workspace: Workspace) -> None:
    """The session's own adapter gets the options that it would have got, and compares as itself."""
    plain, with_us = workspace.plain_code(START + code), workspace.run_code(START + code)
    assert plain.status == 0
    assert with_us == plain


def test_a_wrapper_around_send(workspace: Workspace) -> None:
    """A wrapper around the adapter's send is called, and calls what is below."""
    assert workspace.run_code(START + WRAPPED) == ProgramResult(0, "200 200\n", "")


def test_an_adapter_that_raises(workspace: Workspace) -> None:
    """What the session's own adapter raises after sending is not sent again."""
    ended = workspace.run_code(START + RAISES)
    assert ended == ProgramResult(
        0, "of the program's own. The tokens are kept; try again later\n", ""
    )
    assert [each.method for each in workspace.server.requests] == ["POST"]


def test_a_program_with_a_token_of_its_own(workspace: Workspace) -> None:
    """An adapter of ours that the program mounts itself sends the program's token."""
    code = START + OWN_TOKEN
    done = subprocess.run(
        [COMMAND, "run", "prod", "--", sys.executable, "-c", code],
        input=str(workspace.server.login("carol").access),
        env={**os.environ, **workspace.environment},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("carol\n", "")
