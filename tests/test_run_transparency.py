"""What programs do to sessions and adapters is what they would have done without `run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import Status
from tests.test_run import COMMAND, WAIT, Ended, Place, place

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["place"]  # a fixture

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

START = "import functools, os, requests, sys\nurl = os.environ['API'] + '/api/x'\n"

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
def test_as_if_no_token_were_needed(code: str, place: Place) -> None:
    """However it gets at sessions and adapters, a program finds and is told the same."""
    plain = place.plain("-c", START.replace("/api/", "/public/") + code)
    assert place.run("-c", START + code) == plain
    assert plain.output or plain.errors


@pytest.mark.parametrize("code", [KEYWORDS, REQUESTS], ids=["keywords", "requests"])
def test_as_if_no_token_had_expired(code: str, place: Place) -> None:
    """Neither the refresh nor the second sending shows."""
    plain = place.plain("-c", START.replace("/api/", "/public/") + code)
    place.server.expire()
    assert place.run("-c", START + code) == plain
    assert (place.server.counters.refreshes, place.server.counters.reuse) == (1, 0)


def test_a_refresh_is_not_logged(place: Place) -> None:
    """With everything logged, the program's log has its own requests and not our refresh."""
    place.server.expire()
    ended = place.run("-c", START + LOGS)
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
def test_a_fork_while_another_thread_imports(way: str, module: str, place: Place) -> None:
    """A fork waits for the first request's imports: in the child they would never end."""
    if way == "auto":
        code = START.replace("requests, sys", "requests, sys, requests_jwt_refresh.auto")
        ended = place.plain(QUIET, "-c", code + FORKS, module)
    else:
        ended = place.run(QUIET, "-c", START + FORKS, module)
    assert (ended.status, ended.output) == (0, "200\n0\n")
    assert ended.errors == ""


def test_a_handler_that_interrupts_a_refresh(place: Place) -> None:
    """A signal handler that makes a request in the middle of a refresh has it answered."""
    code = """
import signal
signal.signal(signal.SIGUSR1, lambda *_: print("handler", requests.get(url).status_code))
print("waiting", flush=True)
sys.stdin.readline()
print(requests.get(url).status_code)
"""
    place.server.expire()
    with place.server.gate(on="refresh") as gate:

        def interrupt(program: subprocess.Popen[str]) -> None:
            def later() -> None:
                gate.wait_for(1, timeout=WAIT)
                program.send_signal(signal.SIGUSR1)
                gate.open()

            threading.Thread(target=later).start()

        ended = place.run("-c", START + code, at_wait=interrupt)
    assert ended == Ended(0, "waiting\nhandler 200\n200\n", "")
    assert place.server.counters.refreshes == 1


@pytest.mark.parametrize("moves", [True, False])
def test_a_program_that_calls_another_folder_home(moves: bool, place: Place) -> None:
    """The profiles are those that `run` has found, wherever the program looks for its own."""
    config = place.folder / "config" / "requests-jwt-refresh"
    config.mkdir(parents=True)
    at_home = place.profiles.read_text(encoding="utf-8").replace("prod.json", "../../prod.json")
    (config / "profiles.toml").write_text(at_home, encoding="utf-8")
    del place.environment["REQUESTS_JWT_PROFILES"]
    move = "os.environ.update(HOME='/tmp', XDG_CONFIG_HOME='/nowhere')\n" if moves else ""
    ended = place.run("-c", f"{START}{move}print(requests.get(url).status_code)")
    assert ended == Ended(0, "200\n", "")


def test_what_run_says_of_one_profile_hides_nothing_of_another(place: Place) -> None:
    """A store that breaks later is told of, although another profile is not logged in at all."""
    text = place.profiles.read_text(encoding="utf-8")
    other = text.replace("prod", "billing").replace(place.server.url, "https://b.example.com")
    place.profiles.write_text(text + other, encoding="utf-8")
    code = f"{START}os.chmod(sys.argv[1], 0o644)\nprint(requests.get(url).status_code)"
    ended = place.run("-c", code, str(place.folder / "prod.json"), name="prod,billing")
    assert ended.output == "401\n"
    billing, _, prod, _ = ended.ours()
    assert "'billing' is not logged in" in billing
    assert "profile 'prod': others can read the file" in prod


def test_all_that_is_wrong_is_said_at_once(place: Place) -> None:
    """Each profile that gives no token, before the program starts, and not again."""
    place.store().clear()
    faulty = '[billing]\nbase_url = "http://public.example.com"\n'
    with place.profiles.open("a", encoding="utf-8") as file:
        file.write(faulty)
    ended = place.run("-c", f"{START}print(requests.get(url).status_code)", name="prod,billing")
    assert ended.output == "401\n"
    said = ended.ours()
    assert len(said) == 4
    assert "'prod' is not logged in" in said[0]
    assert "profile 'billing': base_url" in said[2]


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
    print("stopped")
"""


def test_an_exception_out_of_a_handler(place: Place) -> None:
    """What a signal handler raises in the middle of a refresh reaches the program."""
    place.server.expire()
    with place.server.gate(on="refresh") as gate:

        def interrupt(program: subprocess.Popen[str]) -> None:
            def later() -> None:
                gate.wait_for(1, timeout=WAIT)
                program.send_signal(signal.SIGUSR1)
                time.sleep(0.5)  # the refresh goes on after the program has heard of it
                gate.open()

            threading.Thread(target=later).start()

        ended = place.run("-c", START + TIME_LIMIT, at_wait=interrupt)
    assert ended == Ended(0, "waiting\nstopped\n", "")


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


def test_a_request_that_is_kept(place: Place) -> None:
    """What an adapter has been given can be sent again later, and is refreshed then."""
    ended = place.run("-c", START + KEPT, at_wait=lambda _: place.server.expire())
    assert ended == Ended(0, "200\nwaiting\n200\n200\n", "")


COPIES = """
session = requests.Session()
adapter = session.get_adapter(url)
inner = adapter.send
adapter.send = lambda request, **options: inner(request.copy(), **options)
answer = session.post(url, data=b"x")
print(answer.status_code, answer.request.headers.get("Authorization"))
"""


def test_a_wrapper_that_copies(place: Place) -> None:
    """A copy of what we have given it is sent on as it is: one refresh, two sendings."""
    place.server.fail(Status(401, body=b'{"message": "Invalid JWT"}'), on="api", times=None)
    assert place.run("-c", START + COPIES).output == "401 None\n"
    counters = place.server.counters
    assert (counters.refreshes, counters.requests) == (1, 3)


LOCKS = """
import logging, threading
lock, started = threading.Lock(), threading.Event()

def hook():
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release)

def work():
    with lock:
        started.set()
        time.sleep(0.3)  # the fork is now, and waits for the lock
        print(requests.get(url).status_code, flush=True)

def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)[1]
"""


@pytest.mark.parametrize("hooked", ["before", "after"])
def test_a_fork_hook_of_the_programs_own(hooked: str, place: Place) -> None:
    """Who waits for a thread that makes its first request is not waited for in turn."""
    code = START.replace("requests, ", "time, ") + LOCKS
    steps = ["hook()", "import requests"]
    code += "\n".join(steps if hooked == "before" else steps[::-1])
    code += """
thread = threading.Thread(target=work)
thread.start()
started.wait()
print(fork())
thread.join()
"""
    ended = place.run(QUIET, "-c", code)
    assert (ended.status, sorted(ended.output.split()), ended.errors) == (0, ["0", "200"], "")


@pytest.mark.parametrize("code", [OPTIONS, SHOWN], ids=["options", "shown"])
def test_as_without_us(code: str, place: Place) -> None:
    """The session's own adapter gets the options that it would have got, and compares as itself."""
    plain, dressed = place.plain("-c", START + code), place.run("-c", START + code)
    assert plain.status == 0
    assert dressed == plain


def test_a_wrapper_around_send(place: Place) -> None:
    """Who wraps the adapter's send is called, and calls what is below."""
    assert place.run("-c", START + WRAPPED) == Ended(0, "200 200\n", "")


def test_an_adapter_that_raises(place: Place) -> None:
    """What the session's own adapter raises after sending is not sent again."""
    ended = place.run("-c", START + RAISES)
    assert ended == Ended(0, "of the program's own\n", "")
    assert [each.method for each in place.server.requests] == ["POST"]


def test_a_program_with_a_token_of_its_own(place: Place) -> None:
    """An adapter of ours that the program mounts itself sends the program's token."""
    code = START + OWN_TOKEN
    done = subprocess.run(
        [COMMAND, "run", "prod", "--", sys.executable, "-c", code],
        input=str(place.server.login("carol").access),
        env={**os.environ, **place.environment},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("carol\n", "")


def test_a_package_that_is_called_requests_too(place: Place, tmp_path: Path) -> None:
    """A program's own package of that name is left alone."""
    package = tmp_path / "requests"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sessions.py").write_text("mine = 1\n")
    (tmp_path / "main.py").write_text("import requests.sessions\nprint(requests.sessions.mine)\n")
    assert place.run("main.py", folder=tmp_path) == Ended(0, "1\n", "")


@pytest.mark.parametrize(
    "path", ["/auth/login", "/auth/login#f", "//auth/login", "/auth/login?a=1"]
)
def test_a_login_by_hand_is_sent_once(path: str, place: Place) -> None:
    """However it is written: a wrong password counts once, and no token goes along."""
    code = f"print(requests.post(os.environ['API'] + {path!r}, json={{}}).status_code)"
    ended = place.run("-c", START + code)
    assert ended.output in ("401\n", "200\n")  # "//..." is no login to AuthServer
    assert ended.errors == ""
    (seen,) = place.server.requests
    assert seen.bearer is None


@pytest.mark.parametrize("name", ["", ",", " , "])
def test_no_profile_named(name: str, place: Place) -> None:
    """An empty variable in a shell script is a mistake, and does not mean all profiles."""
    ended = place.run("-c", "print(1)", name=name)
    assert (ended.status, ended.output) == (2, "")
    assert len(ended.errors.splitlines()) == 2


@pytest.mark.parametrize("command", ["status prod", "profiles"])
def test_nowhere_to_write(command: str, place: Place) -> None:
    """With its output closed a command does its work, and with a full disk it says so."""
    assert place.start(["sh", "-c", f"{COMMAND} {command} >&-"]).errors == ""
    ended = place.start(["sh", "-c", f"{COMMAND} {command} >/dev/full"])
    assert ended.status == 1
    assert "cannot be written" in ended.errors
    assert "Traceback" not in ended.errors


def test_init_leaves_what_is_no_file(place: Place) -> None:
    """A named pipe or a device is not replaced."""
    pipe = place.folder / "pipe"
    os.mkfifo(pipe)
    init = [COMMAND, "init", "n", "--base-url", "https://h", "--refresh-url", "/r"]
    ended = place.start(init, REQUESTS_JWT_PROFILES=str(pipe))
    assert ended.status == 2
    assert pipe.is_fifo()


def test_init_keeps_line_ends(place: Place) -> None:
    """What else is in the file stays as it is."""
    before = place.profiles.read_bytes().replace(b"\n", b"\r\n")
    place.profiles.write_bytes(before)
    init = [COMMAND, "init", "n", "--base-url", "https://h", "--refresh-url", "/r"]
    assert place.start(init).status == 0
    assert place.profiles.read_bytes().startswith(before)


def test_ctrl_c_while_a_refresh_token_is_tried(place: Place) -> None:
    """The login of before is still there."""
    before = place.token()
    with (
        place.server.gate(on="refresh") as gate,
        subprocess.Popen(
            [COMMAND, "login", "prod", "--refresh-token", "-"],
            env={**os.environ, **place.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(b"bogus\n")
        process.stdin.close()
        gate.wait_for(1, timeout=WAIT)
        process.send_signal(signal.SIGINT)
        gate.open()
        assert process.wait(WAIT) in (130, 3)
    assert place.token() == before
