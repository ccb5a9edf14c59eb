"""`import requests_jwt_refresh.auto`: one line, and the sessions of one process send tokens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.testing import AuthServer
from tests.test_run import ADAPTER, Ended, Place, expired_and_revoked, place, profile

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["place"]  # a fixture

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

AUTO = "import requests_jwt_refresh.auto\n"
PLAIN = """\
import os, requests, sys

def call(url=os.environ["API"], get=requests.get):
    answer = get(url + "/api/x", timeout=60)
    print(answer.status_code, answer.json().get("user"))

def wait():
    print("waiting", flush=True)
    sys.stdin.readline()
"""


def code(*lines: str, auto: str = AUTO) -> str:
    return PLAIN + auto + "\n".join(lines)


@pytest.mark.parametrize("early", [True, False], ids=["before", "after"])
def test_every_session(early: bool, place: Place) -> None:
    """All sessions of the process send the token and refresh, whatever was imported first."""
    text = code("call()", "wait()", "call()", "call(get=requests.Session().get)")
    text = AUTO + text.replace(AUTO, "") if early else text
    ended = place.plain("-c", text, at_wait=lambda _: place.server.expire())
    assert ended == Ended(0, "200 prod\nwaiting\n200 prod\n200 prod\n", "")
    counters = place.server.counters
    assert (counters.refreshes, counters.reuse) == (1, 0)


def test_sessions_made_before(place: Place) -> None:
    """A session that was made before the import sends the token, too."""
    text = "import requests\nsession = requests.Session()\n" + code("call(get=session.get)")
    assert place.plain("-c", text) == Ended(0, "200 prod\n", "")


@pytest.mark.parametrize(
    ("script", "expiries"),
    [
        ("module_level.py", 1),
        ("with_session.py", 3),
        ("own_adapter.py", 1),
        ("stale_bearer.py", 1),
        ("basic_auth.py", 0),
        ("pickles_session.py", 1),
        ("threads.py", 1),
    ],
)
def test_a_script(script: str, expiries: int, place: Place) -> None:
    """The effect on a script is that of `run`: what it prints is the same, one refresh each."""
    line = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], {}, '__main__')"
    plain = place.plain("-c", line, script, "/public/x")
    assert plain.status == 0
    ended = place.plain(
        "-c", AUTO + line, script, "/api/x", at_wait=lambda _: place.server.expire()
    )
    assert ended.masked() == plain
    assert (place.server.counters.refreshes, place.server.counters.reuse) == (expiries, 0)


def test_a_forked_pool(place: Place) -> None:
    """Forked children go on with it, and one expiry is one refresh for all of them."""
    line = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], {}, '__main__')"
    ended = place.plain(
        *("-c", AUTO + line, "pool.py", "fork", "/api/x"), at_wait=lambda _: place.server.expire()
    )
    assert (ended.status, ended.errors) == (0, "")
    assert "401" not in ended.output
    assert (place.server.counters.refreshes, place.server.counters.reuse) == (1, 0)


FORK = """\
import signal, threading
from requests_jwt_refresh.profiles.load import Profiles
read = Profiles.read
reading, go_on = threading.Event(), threading.Event()

def slowly():
    reading.set()
    go_on.wait(60)
    return read()

Profiles.read = slowly
other = threading.Thread(target=call)
other.start()
reading.wait(60)
child = os.fork()
if not child:
    signal.alarm(10)
    Profiles.read = read
    call()
    sys.stdout.flush()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
go_on.set()
other.join()
"""


def test_a_fork_while_profiles_are_read(place: Place) -> None:
    """A child that was forked while another thread read the profiles reads them itself."""
    warns = ("-W", "ignore::DeprecationWarning")  # of fork with threads, since 3.12
    assert place.plain(*warns, "-c", code(FORK)) == Ended(0, "200 prod\n0\n200 prod\n", "")


# --- Which profiles ------------------------------------------------------------------------------


def two_profiles(place: Place, billing: AuthServer) -> str:
    place.log_in("billing", billing)
    return f"{profile(place)}\n{profile(place, 'billing', billing)}"


def test_all_profiles_of_the_file(place: Place) -> None:
    """Without a variable all profiles count, each for its own origin."""
    with AuthServer() as billing:
        place.profiles.write_text(two_profiles(place, billing), encoding="utf-8")
        ended = place.plain("-c", code("call()", f"call({billing.url!r})"))
        assert ended == Ended(0, "200 prod\n200 billing\n", "")


@pytest.mark.parametrize("names", ["billing", " billing ,"])
def test_some_profiles_of_the_file(names: str, place: Place) -> None:
    """REQUESTS_JWT_PROFILE says which count; the others' tokens stay at home."""
    with AuthServer() as billing:
        place.profiles.write_text(two_profiles(place, billing), encoding="utf-8")
        text = code("call()", f"call({billing.url!r})")
        ended = place.plain("-c", text, REQUESTS_JWT_PROFILE=names)
        assert ended == Ended(0, "401 None\n200 billing\n", "")
        assert {each.bearer for each in place.server.requests} == {None}


def test_profiles_in_a_variable(place: Place) -> None:
    """REQUESTS_JWT_PROFILES_TOML goes before any file."""
    text = profile(place).replace('"prod.json"', f'"{place.folder}/prod.json"')
    place.profiles.write_text("no TOML", encoding="utf-8")
    ended = place.plain("-c", code("call()"), REQUESTS_JWT_PROFILES_TOML=text)
    assert ended == Ended(0, "200 prod\n", "")


def test_the_users_own_file(place: Place) -> None:
    """Without a variable that names it, the file is the one in the user's configuration."""
    del place.environment["REQUESTS_JWT_PROFILES"]
    folder = place.folder / "config" / "requests-jwt-refresh"
    folder.mkdir(parents=True)
    text = profile(place).replace('"prod.json"', f'"{place.folder}/prod.json"')
    (folder / "profiles.toml").write_text(text, encoding="utf-8")
    assert place.plain("-c", code("call()")) == Ended(0, "200 prod\n", "")


def test_another_folder(place: Place) -> None:
    """A relative path means the folder that the program was started in."""
    text = code("os.chdir('/')", "call()")
    ended = place.plain("-c", text, folder=place.folder, REQUESTS_JWT_PROFILES="profiles.toml")
    assert ended == Ended(0, "200 prod\n", "")


def test_no_token_for_others(place: Place) -> None:
    """Other servers get no token, redirected to or asked by themselves."""
    with AuthServer() as third:
        to = f"{third.url}/public/x"
        lines = (f"call({third.url!r})", f"call(os.environ['API'] + '/redirect?to={to}&a=')")
        assert place.plain("-c", code(*lines)) == Ended(0, "401 None\n200 None\n", "")
        assert {each.headers.get("Authorization") for each in third.requests} == {None}


# --- A broken set-up -----------------------------------------------------------------------------


def _nothing_set_up(place: Place) -> None:
    place.profiles.unlink()


def _no_toml(place: Place) -> None:
    place.profiles.write_text("[prod\n", encoding="utf-8")


def _faulty_profile(place: Place) -> None:
    place.profiles.write_text(profile(place).replace("base_url", "base_ulr"), encoding="utf-8")


def _unknown_profile(place: Place) -> None:
    place.environment["REQUESTS_JWT_PROFILE"] = "prdo"


def _not_logged_in(place: Place) -> None:
    place.store().clear()


def _open_to_others(place: Place) -> None:
    (place.folder / "prod.json").chmod(0o644)


def _store_of_nobody(place: Place) -> None:
    text = profile(place).replace('"prod.json"', '"~nobody-of-that-name/prod.json"')
    place.profiles.write_text(text, encoding="utf-8")


def _store_with_no_path(place: Place) -> None:
    text = profile(place).replace('"prod.json"', '"prod\\u0000.json"')
    place.profiles.write_text(text, encoding="utf-8")


def _profiles_of_nobody(place: Place) -> None:
    place.environment["REQUESTS_JWT_PROFILES"] = "~nobody-of-that-name/profiles.toml"


BROKEN = [
    pytest.param(_nothing_set_up, "requests-jwt init", id="nothing set up"),
    pytest.param(_no_toml, "TOML", id="no TOML"),
    pytest.param(_faulty_profile, "base_ulr", id="faulty profile"),
    pytest.param(_unknown_profile, "did you mean 'prod'", id="unknown profile"),
    pytest.param(_not_logged_in, "requests-jwt login prod", id="not logged in"),
    pytest.param(_open_to_others, "chmod 600", id="open to others"),
    pytest.param(_store_of_nobody, "requests-jwt", id="store of nobody"),
    pytest.param(_store_with_no_path, "requests-jwt", id="store with no path"),
    pytest.param(_profiles_of_nobody, "requests-jwt", id="profiles of nobody"),
]


@pytest.mark.parametrize(("break_it", "said"), BROKEN)
def test_a_broken_set_up(break_it: Callable[[Place], None], said: str, place: Place) -> None:
    """The program works as without the line, and one warning says what is wrong."""
    lines = ("call()", "call()", "call(get=requests.Session().get)")
    plain = place.plain("-c", code(*lines, auto=""))
    break_it(place)
    ended = place.plain("-c", code(*lines))
    assert ended.without_ours() == plain
    assert said in ended.warning()


@pytest.mark.parametrize("break_it", [_open_to_others, pytest.param(_store_with_no_path)])
def test_own_credentials_and_a_broken_store(
    break_it: Callable[[Place], None], place: Place
) -> None:
    """A request with credentials of its own has nothing to do with the store."""
    break_it(place)
    line = "print(requests.get(os.environ['API'] + '/api/x', auth=('a', 'b')).status_code)"
    ended = place.plain("-c", code(line))
    assert (ended.status, ended.output) == (0, "401\n")


def test_the_others_of_a_broken_file(place: Place) -> None:
    """A faulty profile spoils no other, whatever its fault."""
    faulty = profile(place, "faulty").replace('"faulty.json"', '"~nobody-of-that-name/x"')
    place.profiles.write_text(f"{faulty}\n{profile(place)}", encoding="utf-8")
    ended = place.plain("-c", code("call()"))
    assert (ended.status, ended.output) == (0, "200 prod\n")
    assert "faulty" in ended.warning()


def refused(place: Place) -> Ended:
    text = code("call()", "wait()", "call()", "call()")
    return place.plain("-c", text, at_wait=expired_and_revoked(place))


def test_a_refusal(place: Place) -> None:
    """A refused refresh: the API's 401, and how to log in again."""
    ended = refused(place)
    assert (ended.status, ended.output) == (0, "200 prod\nwaiting\n401 None\n401 None\n")
    assert "requests-jwt login prod" in ended.errors


def test_a_refusal_is_said_once(place: Place) -> None:
    """A refused refresh is one warning."""
    assert "requests-jwt login prod" in refused(place).warning()


# --- Together with others ------------------------------------------------------------------------

MOUNTING = {
    "mount": "adapter = mount(session, *arguments)",
    "session.mount": "adapter = JWTRefreshAdapter(*arguments); session.mount('http://', adapter)",
}


def test_twice(place: Place) -> None:
    """A second import, even after a reload, changes nothing."""
    lines = (
        "before = requests.Session.get_adapter",
        "import importlib",
        "importlib.reload(requests_jwt_refresh.auto)",
        "import requests_jwt_refresh.auto",
        "print(requests.Session.get_adapter is before)",
        "call()",
    )
    ended = place.plain("-c", code(*lines))
    assert ended == Ended(0, "True\n200 prod\n", "")
    assert place.server.counters.requests == 1


def test_under_run(place: Place) -> None:
    """The line in a program that `run` starts: one token, one refresh."""
    ended = place.run(
        *("-c", code("call()", "wait()", "call()")), at_wait=lambda _: place.server.expire()
    )
    assert ended == Ended(0, "200 prod\nwaiting\n200 prod\n", "")
    assert [each.kind for each in place.server.requests] == ["api", "api", "refresh", "api"]


@pytest.mark.parametrize("mounting", ["mount", "session.mount"])
def test_a_session_with_an_adapter_of_ours(mounting: str, place: Place) -> None:
    """A JWTRefreshAdapter that was mounted by hand goes on with its own token."""
    place.log_in("mine")
    lines = (
        "from requests_jwt_refresh import FileStore, JSONEndpoint, JWTRefreshAdapter, mount",
        f"session, store = requests.Session(), FileStore({str(place.folder / 'mine.json')!r})",
        "arguments = (os.environ['API'], JSONEndpoint('/auth/refresh'), store)",
        MOUNTING[mounting],
        "print(session.get_adapter(os.environ['API'] + '/') is adapter)",
        "call(get=session.get)",
        "wait()",
        "call(get=session.get)",
        "call()",
    )
    ended = place.plain("-c", code(*lines), at_wait=lambda _: place.server.expire())
    assert ended == Ended(0, "True\n200 mine\nwaiting\n200 mine\n200 prod\n", "")
    assert place.server.counters.refreshes == 2


def test_the_adapter_is_the_sessions_own(place: Place) -> None:
    """isinstance and attributes are those of the session's own adapter."""
    lines = (
        "found = session.get_adapter(url)",
        "found.label = 1",
        "print(isinstance(found, Own), own.label, session.get(url).status_code)",
    )
    assert place.plain("-c", AUTO + ADAPTER + "\n".join(lines)) == Ended(0, "True 1 200\n", "")
