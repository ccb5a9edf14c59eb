"""login --remember: programs log in again with a password that the keyring has, and nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.profiles.remembered import Account, RememberedPassword
from requests_jwt_refresh.testing import AuthServer, Status
from tests.support.command_line import SCRIPT, WAIT, User, needs_posix, user
from tests.support.http_command import Home, home, needs_httpie, warm_command, warm_http
from tests.support.keyrings import DictKeyring, fail_backend, use_keyring
from tests.support.logins import PASSWORD
from tests.support.secret_service import SecretService, running_secret_service, secret_service

if TYPE_CHECKING:
    from requests_jwt_refresh.profiles.load import Profile
    from tests.support.command_line import CommandResult

__all__ = [  # fixtures
    "home",
    "running_secret_service",
    "secret_service",
    "user",
    "warm_command",
    "warm_http",
]

pytestmark = needs_posix

SESSION = """\
[prod]
base_url = "{url}"
refresh_timeout = 10
store = {{ kind = "file", path = "token.json" }}
login = {{ url = "/auth/login", refresh = false }}
"""
REFUSED = Status(401, body=b'{"message": "Bad credentials"}')
THROTTLED = Status(429, headers={"Retry-After": "60"})
REMEMBERED = "The password is remembered in the keyring.\n"
FORGOTTEN = "The password that was remembered is forgotten.\n"


def describe(user: User, server: AuthServer) -> None:
    """Write the profile of an API that has a login and no refresh."""
    user.file.write_text(SESSION.format(url=server.url), encoding="utf-8")


def read_profile(user: User) -> Profile:
    return Profiles.read(user.file).profile("prod")


def read_password(user: User) -> Account | None:
    password = read_profile(user).password
    assert password is not None
    return password.load()


def log_in(user: User, *flags: str, name: str = "bob", password: str = PASSWORD) -> CommandResult:
    return user.run("login", "prod", *flags, typed=f"{name}\n{password}\n")


def expire(user: User, server: AuthServer) -> None:
    """End the session at the server; the store does not know."""
    server.expire()
    server.revoke()
    assert user.store.load() is not None


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> DictKeyring:
    """A keyring of this process."""
    backend = DictKeyring()
    use_keyring(monkeypatch, backend)
    return backend


@pytest.fixture
def bob(user: User, server: AuthServer, keyring: DictKeyring) -> User:
    """A user who has logged in, and wants the password remembered."""
    describe(user, server)
    assert keyring.entries == {}
    result = log_in(user, "--remember")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(REMEMBERED)
    return user


# --- Remembering ---------------------------------------------------------------------------------


def test_a_password_is_in_the_keyring_and_nowhere_else(bob: User, keyring: DictKeyring) -> None:
    """With its login URL and its user name, to which it is bound."""
    assert read_password(bob) == Account("bob", PASSWORD)
    assert len(keyring.entries) == 1
    ((entry, _),) = keyring.entries
    assert entry.endswith(" password (prod)")
    for each in bob.home.iterdir():
        assert PASSWORD not in each.read_text(encoding="utf-8")
    assert PASSWORD not in repr(read_password(bob))
    assert PASSWORD not in f"{read_profile(bob)!r} {read_profile(bob).options()}"


def test_nothing_is_remembered_without_the_wish(
    user: User, server: AuthServer, keyring: DictKeyring
) -> None:
    """The keyring is not written."""
    describe(user, server)
    assert log_in(user).status == 0
    assert keyring.entries == {}
    assert read_password(user) is None


def test_a_login_without_the_wish_forgets(bob: User, keyring: DictKeyring) -> None:
    """Whoever logs in then: another user's password must not log in for this one."""
    result = log_in(bob, name="eve")
    assert (result.status, result.out.startswith(FORGOTTEN)) == (0, True)
    assert keyring.entries == {}


def test_another_password_takes_its_place(bob: User, keyring: DictKeyring) -> None:
    """One account for each profile."""
    assert log_in(bob, "--remember", name="eve", password="other").status == 0
    assert read_password(bob) == Account("eve", "other")
    assert len(keyring.entries) == 1


def test_a_login_that_is_refused_changes_nothing(bob: User) -> None:
    """A person has mistyped; what was remembered stays."""
    assert log_in(bob, "--remember", password="wrong").status == 3
    assert read_password(bob) == Account("bob", PASSWORD)


def test_a_password_is_not_sent_to_another_url(bob: User) -> None:
    """The profile has changed since: it may be another server."""
    text = bob.file.read_text(encoding="utf-8")
    bob.file.write_text(text.replace("/auth/login", "/other/login"), encoding="utf-8")
    assert read_password(bob) is None


def test_without_a_keyring(user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 5 before a password is typed; a login without the wish works."""
    use_keyring(monkeypatch, fail_backend())
    describe(user, server)
    result = user.run("login", "prod", "--remember", typed="")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 5
    assert "no keyring" in cause
    assert "log in without --remember" in remedy
    assert "FileStore" not in remedy
    assert server.requests == []
    assert log_in(user).status == 0
    assert user.run("status", "prod").status == 0
    assert user.run("logout", "prod").status == 0
    result = user.run("token", "prod")  # it is a login that is missing, and no keyring
    cause, remedy = result.cause_and_remedy()
    assert (result.status, remedy) == (3, "log in with: requests-jwt login prod")
    assert cause.startswith("profile 'prod' is not logged in, and no password is remembered for it")


@pytest.mark.parametrize(
    ("tables", "flags", "cause"),
    [
        (
            '[prod.refresh]\nkind = "json"\nurl = "/auth/refresh"\n',
            (),
            "a refresh token keeps this",
        ),
        ("", ("--refresh-token", "-"), "has no refresh, and so no refresh token"),
    ],
)
def test_where_nothing_is_to_be_remembered(
    user: User, server: AuthServer, tables: str, flags: tuple[str, ...], cause: str
) -> None:
    """Exit status 2, and why."""
    describe(user, server)
    user.file.write_text(user.file.read_text(encoding="utf-8") + tables, encoding="utf-8")
    result = user.run("login", "prod", "--remember", *flags, typed="bob\nsecret\n")
    assert result.status == 2
    assert cause in result.cause_and_remedy()[0]
    assert server.requests == []


# --- Logging in again ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_a_command_logs_in_again(bob: User, server: AuthServer, command: str) -> None:
    """Nobody is asked for anything."""
    before = bob.stored_token
    bob.store.clear()
    result = bob.run(command, "prod")
    assert (result.status, result.err) == (0, "")
    assert bob.stored_token != before
    assert server.counters.logins == 2
    sent = json.loads(server.requests[-1].body)
    assert (sent["username"], sent["password"]) == ("bob", PASSWORD)


def test_an_adapter_logs_in_again(bob: User, server: AuthServer) -> None:
    """From Python as from the command line, once for 16 threads."""
    import requests

    from requests_jwt_refresh import JWTRefreshAdapter

    expire(bob, server)
    with requests.Session() as session:
        adapter = JWTRefreshAdapter.from_profile("prod")
        for prefix in adapter.prefixes():
            session.mount(prefix, adapter)
        with ThreadPoolExecutor(16) as pool:
            answers = pool.map(lambda _: session.get("/api/x", timeout=WAIT), range(16))
            assert {each.status_code for each in answers} == {200}
    assert server.counters.logins == 2


def test_where_there_is_no_keyring_no_password_is_remembered(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a session is then a logout like any other: the API's own 401, and no error."""
    import requests

    from requests_jwt_refresh import JWTRefreshAdapter

    use_keyring(monkeypatch, fail_backend())
    describe(user, server)
    assert log_in(user).status == 0
    expire(user, server)
    with requests.Session() as session:
        session.mount(server.url, JWTRefreshAdapter.from_profile("prod"))
        assert session.get(f"{server.url}/api/x", timeout=WAIT).status_code == 401
    result = user.run("token", "prod")
    assert result.status == 3
    assert "no password is remembered" in result.err


@pytest.mark.parametrize("ended", ["refused", "throttled"])
def test_what_is_kept_of_a_password(
    bob: User, server: AuthServer, keyring: DictKeyring, ended: str
) -> None:
    """A refused one is deleted and not tried again; a server that is busy has refused nothing."""
    server.fail(REFUSED if ended == "refused" else THROTTLED, on="login")
    bob.store.clear()
    result = bob.run("token", "prod")
    cause, remedy = result.cause_and_remedy()
    if ended == "throttled":
        assert result.status == 4
        assert read_password(bob) == Account("bob", PASSWORD)
        assert bob.run("token", "prod").status == 0
        return
    assert result.status == 3
    assert "the password that was remembered for profile 'prod' is forgotten" in cause
    assert remedy == "log in with: requests-jwt login prod --remember"
    assert keyring.entries == {}
    asked = len(server.requests)
    for _ in range(3):
        result = bob.run("token", "prod")
        assert (result.status, "requests-jwt login prod" in result.err) == (3, True)
    assert len(server.requests) == asked


def test_a_refused_password_that_cannot_be_deleted_is_not_tried_again(
    bob: User, server: AuthServer, keyring: DictKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account must not be locked because a keyring is."""
    from requests_jwt_refresh import JWTRefreshAdapter, StoreError

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(DictKeyring, "delete_password", fail)
    server.fail(REFUSED, on="login", times=None)
    bob.store.clear()
    adapter = JWTRefreshAdapter.from_profile("prod")
    for _ in range(3):
        with pytest.raises((StoreError, RefreshRejected, RefreshUnavailable)):
            adapter.valid_token()
    assert sum(each.kind == "login" for each in server.requests) == 2  # the first by its user
    assert len(keyring.entries) == 1


def test_status_tells_whether_a_password_is_remembered(bob: User) -> None:
    """And never whose, nor what it is; with it this is logged in, token or not."""
    kept = "password       remembered in the keyring; programs log in again with it\n"
    assert kept in bob.run("status", "prod").out
    bob.store.clear()
    result = bob.run("status", "prod")
    as_json = bob.run("status", "prod", "--json")
    assert (result.status, as_json.status) == (0, 0)
    assert kept in result.out
    assert json.loads(as_json.out)["logged_in"] is True
    assert PASSWORD not in result.out + as_json.out
    log_in(bob)
    assert "password       not remembered\n" in bob.run("status", "prod").out
    bob.store.clear()
    assert bob.run("status", "prod").status == 3


def test_logout_forgets_the_password(bob: User, keyring: DictKeyring) -> None:
    """With the token, and without one."""
    result = bob.run("logout", "prod")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(FORGOTTEN)
    assert keyring.entries == {}
    assert bob.store.load() is None
    assert log_in(bob, "--remember").status == 0
    bob.store.clear()
    assert bob.run("logout", "prod").out == FORGOTTEN
    assert keyring.entries == {}
    assert bob.run("logout", "prod").out == "There is no token for prod: nothing to do.\n"


@pytest.mark.parametrize("tables", ["", '[prod.refresh]\nkind = "json"\nurl = "/auth/refresh"\n'])
def test_an_adapter_of_a_profile_can_log_in(
    user: User, server: AuthServer, keyring: DictKeyring, tables: str
) -> None:
    """adapter.log_in() asks the login of the profile; it remembers nothing."""
    from requests_jwt_refresh import JWTRefreshAdapter

    describe(user, server)
    text = user.file.read_text(encoding="utf-8").replace(", refresh = false", "")
    user.file.write_text(text + tables, encoding="utf-8")
    adapter = JWTRefreshAdapter.from_profile("prod")
    assert adapter.log_in("bob", PASSWORD).access == user.stored_token.access
    assert json.loads(server.requests[-1].body)["password"] == PASSWORD
    assert keyring.entries == {}
    if tables:  # without a password nobody logs in by itself
        adapter.clear_token()
        with pytest.raises(RefreshRejected):
            adapter.valid_token()
        assert server.counters.logins == 1


# --- Other programs ------------------------------------------------------------------------------


@pytest.fixture
def service_bob(user: User, server: AuthServer, secret_service: SecretService) -> User:
    """The same, with a real keyring that other processes find."""
    secret_service.unlock()
    describe(user, server)
    assert log_in(user, "--remember").status == 0
    return user


def start_program(server: AuthServer, count: int = 1) -> subprocess.Popen[str]:
    code = (
        "import requests, sys\n"
        f"print(*(requests.get('{server.url}/api/x').status_code for _ in range({count})))"
    )
    return subprocess.Popen(
        [SCRIPT, "run", "prod", "--", sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_program(program: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return program.communicate(timeout=WAIT)
    finally:
        program.kill()


def test_run_logs_in_again(service_bob: User, server: AuthServer) -> None:
    """An unmodified program, whose session has ended."""
    expire(service_bob, server)
    assert end_program(start_program(server)) == ("200\n", "")
    service_bob.store.clear()
    assert end_program(start_program(server)) == ("200\n", "")
    assert server.counters.logins == 3


def test_auto_logs_in_again(service_bob: User, server: AuthServer) -> None:
    """A program with one line more."""
    expire(service_bob, server)
    code = (
        "import requests_jwt_refresh.auto, requests\n"
        f"print(requests.get('{server.url}/api/x').status_code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert (done.stdout, done.stderr) == ("200\n", "")
    assert server.counters.logins == 2


@needs_httpie
def test_http_logs_in_again(
    service_bob: User, server: AuthServer, home: Home, running_secret_service: SecretService
) -> None:
    """And says nothing of it."""
    expire(service_bob, server)
    home.environment |= {
        name: value
        for name, value in running_secret_service.environment.items()
        if name not in ("HOME", "XDG_CONFIG_HOME")
    }
    assert home.file == service_bob.file
    done = home.http("-v", f"{server.url}/api/x")
    assert ('"user": "bob"' in done.out, done.err) == (True, "")
    assert PASSWORD not in done.out
    assert server.counters.logins == 2


def test_two_programs_log_in_once(service_bob: User, server: AuthServer) -> None:
    """One after the other; the second finds the token of the first in the store."""
    expire(service_bob, server)
    with server.gate(on="api") as gate:
        programs = [start_program(server) for _ in range(3)]
        gate.wait_for(3, WAIT)
        gate.open()
    assert [end_program(each) for each in programs] == [("200\n", "")] * 3
    assert server.counters.logins == 2


def test_run_says_that_a_password_was_refused(service_bob: User, server: AuthServer) -> None:
    """Once, and what to do; the program gets the API's own answers, and nobody tries again."""
    expire(service_bob, server)
    server.fail(REFUSED, on="login", times=None)
    out, err = end_program(start_program(server, 3))
    assert out == "401 401 401\n"
    assert len(err.splitlines()) == 2
    assert "the password that was remembered for profile 'prod' is forgotten" in err
    assert "requests-jwt login prod" in err
    assert sum(each.kind == "login" for each in server.requests) == 2
    assert read_password(service_bob) is None


def test_run_says_that_a_session_has_ended(service_bob: User, server: AuthServer) -> None:
    """Without a password to log in with; not that nobody has logged in, until it is so."""
    assert log_in(service_bob).status == 0
    expire(service_bob, server)
    out, err = end_program(start_program(server, 2))
    assert (out, err.splitlines()) == (
        "401 401\n",
        [
            "requests-jwt: profile 'prod': the login has expired, and no password is remembered",
            "requests-jwt: log in again with: requests-jwt login prod",
        ],
    )
    out, err = end_program(start_program(server))
    assert (out, err.partition("\n")[0]) == (
        "401\n",
        "requests-jwt: profile 'prod' is not logged in",
    )


def test_a_remembered_password_survives_any_characters(keyring: DictKeyring) -> None:
    """What a person types is kept as it is."""
    entry = RememberedPassword("https://h", "prod", "https://h/login")
    for text in (PASSWORD, " a\tb ", "Bearer x", '"\\', "日本", "x" * 5000):
        entry.save(Account(f"ü {text}", text))
        assert entry.load() == Account(f"ü {text}", text)
    assert entry.forget()
    assert not entry.forget()
    assert keyring.entries == {}
