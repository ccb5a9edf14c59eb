"""Several accounts of one profile: login --account, accounts, switch, and a default profile."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.cli import run
from requests_jwt_refresh.grants import desktop
from requests_jwt_refresh.inject import report
from requests_jwt_refresh.profiles.accounts import (
    Choices,
    choose_account,
    find_state_file,
    note_account,
)
from requests_jwt_refresh.profiles.home import NoHome
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.stores.redis import RedisStore
from tests.support.command_line import TWO, User, needs_posix, user
from tests.support.doctor import examine
from tests.support.logins import LOGIN

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

BASE = '[prod]\nbase_url = "https://h"\nrefresh = {preset = "simplejwt"}\n'
TWO_IN_FILES = f'{TWO}store = {{kind = "file", path = "l.json"}}\n'
NOT_AS_BOB = "is not logged in as bob, the account that requests-jwt switch has chosen"
NAME_RULE = (
    "use at most 100 letters, digits and '-', '_', '.', '@', '+'; it begins with a letter or "
    "digit, and does not end in '.', '.lock' or '.doctor'"
)


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person at a terminal reads stderr."""
    monkeypatch.setattr(desktop, "is_read_by_person", lambda: True)


def test_other_accounts_are_named_only_to_a_person(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail of a cron job does not say who else is logged in."""
    user.describe(server, **LOGIN)
    log_in(user, "bob", "carol")
    assert user.run("logout", "--account", "bob").status == 0
    assert "carol" in user.run("token").cause_and_remedy()[1]
    monkeypatch.setattr(desktop, "is_read_by_person", lambda: False)
    assert "carol" not in user.run("token").cause_and_remedy()[1]


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, and no account in the environment."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("REQUESTS_JWT_ACCOUNT", raising=False)
    return tmp_path / "state"


def log_in(user: User, *accounts: str | None) -> None:
    """Log in by a password; an account is called as its user."""
    for account in accounts:
        option = ("--account", account) if account else ()
        name = account or "alice"
        assert user.run("login", "prod", *option, typed=f"{name}\nhunter2\n").status == 0


def who_is(user: User, *options: str) -> str:
    """Return whose token `status` shows."""
    done = user.run("status", "prod", *options, "--json")
    return str(json.loads(done.out)["claims"].get("sub"))


# --- which account -------------------------------------------------------------------------------


def test_each_account_has_a_token_of_its_own(user: User, server: AuthServer) -> None:
    """The login without a name keeps the place it ever had."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    assert (who_is(user), who_is(user, "--account", "bob")) == ("alice", "bob")
    assert user.stored_token.access != user.run("token", "--account", "bob").out.strip()
    assert FileStore(user.home / "token.json@bob").load() is not None
    assert user.run("refresh", "prod", "--account", "bob").status == 0
    assert server.counters.rotated == 1


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", KeyringStore("https://h", "prod@bob")),
        ('store = {kind = "keyring", account = "x"}', KeyringStore("https://h", "x@bob")),
        (
            'store = {kind = "redis", url = "redis://h", key = "k"}',
            RedisStore("redis://h", "k@bob"),
        ),
        ('store = {kind = "file", path = "/x/t.json"}', FileStore("/x/t.json@bob")),
    ],
    ids=["keyring", "named entry", "redis", "file"],
)
def test_an_account_is_added_to_the_name_of_the_store(
    user: User, table: str, expected: object
) -> None:
    """Whatever kind it is; what doctor tries things on is beside it."""
    user.file.write_text(f"{BASE}{table}\n", encoding="utf-8")
    profile = Profiles.read(user.file).profile("prod", "bob")
    plain = Profiles.read(user.file).profile("prod", "default")
    assert profile.store == expected
    stores = (profile.store, profile.probe_store, plain.store, plain.probe_store)
    assert all(one != other for n, one in enumerate(stores) for other in stores[:n])


def test_a_remembered_password_is_one_accounts(user: User) -> None:
    """So that bob's programs do not log in as alice; the remedy names him, too."""
    user.file.write_text(
        '[prod]\nbase_url = "https://h"\nlogin = {url = "/in", access = "token"}\n'
        'store = {kind = "file", path = "t"}\n',
        encoding="utf-8",
    )
    profiles = Profiles.read(user.file)
    plain, bobs = (profiles.profile("prod", each).password for each in ("default", "bob"))
    assert plain is not None
    assert bobs is not None
    assert plain.entry == KeyringStore("https://h password", "prod")
    assert bobs.entry == KeyringStore("https://h password", "prod@bob")
    assert bobs.reference == "prod --account bob"


def test_bob_is_bob_in_capitals(user: User, server: AuthServer) -> None:
    """Some file systems do not tell them apart, so we do not either."""
    user.describe(server, **LOGIN)
    log_in(user, "bob")
    assert who_is(user, "--account", "BOB") == "bob"


@pytest.mark.parametrize(
    "name", ["", "a b", "../x", "a/b", "a:b", "x.lock", "x.doctor", "a=b", "ü", "\u212aim"]
)
def test_what_cannot_be_an_account(user: User, server: AuthServer, name: str) -> None:
    """Exit status 2, and what a name is made of; nothing is asked and nothing is written."""
    user.describe(server, **LOGIN)
    result = user.run("login", "prod", f"--account={name}", typed="bob\nhunter2\n")
    assert result.cause_and_remedy() == ("what was given is no name of an account", NAME_RULE)
    assert (result.status, server.counters.logins) == (2, 0)


def test_the_environment_chooses_the_account(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For all profiles, or for each; an option goes before it, and it goes before a switch."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob", "carol")
    assert user.run("switch", "prod", "--account", "carol").status == 0
    for value, expected in (
        ("bob", "bob"),
        ("prod=bob,other=carol", "bob"),
        ("other=bob", "carol"),
        ("prod=default", "alice"),
        ("", "carol"),
    ):
        monkeypatch.setenv("REQUESTS_JWT_ACCOUNT", value)
        assert who_is(user) == expected
    monkeypatch.setenv("REQUESTS_JWT_ACCOUNT", "bob")
    assert who_is(user, "--account", "default") == "alice"


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("bob,prod=x", "the value of REQUESTS_JWT_ACCOUNT cannot be understood"),
        ("=bob", "the value of REQUESTS_JWT_ACCOUNT cannot be understood"),
        ("prod=bob,prod=x", "the value of REQUESTS_JWT_ACCOUNT cannot be understood"),
        ("prod=", "an account in REQUESTS_JWT_ACCOUNT is no name of an account"),
        ("other=a=b", "an account in REQUESTS_JWT_ACCOUNT is no name of an account"),
        ("a/b", "the value of REQUESTS_JWT_ACCOUNT is no name of an account"),
    ],
)
def test_an_environment_that_chooses_badly(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch, value: str, cause: str
) -> None:
    """Exit status 2: nobody is somebody else by a misspelt variable."""
    user.describe(server, **LOGIN)
    log_in(user, None)
    monkeypatch.setenv("REQUESTS_JWT_ACCOUNT", value)
    result = user.run("status", "prod")
    assert (result.status, result.cause_and_remedy()[0]) == (2, cause)


def test_a_remedy_names_the_account(user: User, server: AuthServer) -> None:
    """What is to be typed next works as it stands."""
    user.describe(server, **LOGIN)
    for command in ("status", "token", "refresh"):
        result = user.run(command, "--account", "bob")
        assert result.status == 3
        cause, remedy = result.cause_and_remedy()
        assert cause == "profile 'prod' is not logged in as bob"
        assert remedy == "log in with: requests-jwt login prod --account bob"


def test_a_remedy_names_the_default_account_where_another_is_in_use(
    user: User, server: AuthServer
) -> None:
    """Or what is to be typed next would log somebody else in."""
    user.describe(server, **LOGIN)
    remedy = user.run("token", "--account", "default").cause_and_remedy()[1]
    assert remedy == "log in with: requests-jwt login prod"
    log_in(user, "bob")
    cause, remedy = user.run("token", "--account", "default").cause_and_remedy()
    assert cause == "profile 'prod' is not logged in as default"
    assert remedy == "log in with: requests-jwt login prod --account default"


@pytest.mark.parametrize("source", ["switch", "environment"])
def test_a_program_says_which_account_is_not_logged_in(
    user: User,
    server: AuthServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: str,
) -> None:
    """HTTPie, say; of REQUESTS_JWT_ACCOUNT it says nothing, which `run` may have set."""
    user.describe(server, **LOGIN)
    monkeypatch.setattr(report, "_warned", {})
    if source == "switch":
        choose_account(user.file, "prod", "bob")
    else:
        monkeypatch.setenv("REQUESTS_JWT_ACCOUNT", "bob")
    report.warn_not_logged_in(Profiles.read().profile("prod"))
    lines = capsys.readouterr().err
    plain = "is not logged in as bob\n"
    assert (f"'prod' {NOT_AS_BOB if source == 'switch' else plain}") in lines
    assert "log in with: requests-jwt login prod --account bob" in lines
    assert ("or go back with: " in lines) is (source == "switch")
    assert "REQUESTS_JWT_ACCOUNT" not in lines


# --- accounts, switch ----------------------------------------------------------------------------


def test_the_first_account_needs_no_switch(user: User, server: AuthServer) -> None:
    """Where no other could be meant; a second login says how to use it."""
    user.describe(server, **LOGIN)
    done = user.run("login", "prod", "--account", "bob", typed="bob\nhunter2\n")
    assert done.out.endswith("The account of prod is bob from now on.\n")
    assert who_is(user) == "bob"
    done = user.run("login", "prod", "--account", "carol", typed="carol\nhunter2\n")
    assert done.out.endswith(
        "To use it without --account: requests-jwt switch prod --account carol\n"
    )
    assert who_is(user) == "bob"


def test_accounts_lists_who_is_logged_in(user: User, server: AuthServer) -> None:
    """A star marks the account in use; no request is sent, and no token is shown."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    before = replace(server.counters)
    done = user.run("accounts")
    assert (done.status, done.err) == (0, "")
    assert done.out == "* prod  default  logged in as alice\n  prod  bob      logged in as bob\n"
    rows = json.loads(user.run("accounts", "prod", "--json").out)["accounts"]
    assert [(each["account"], each["current"], each["user"]) for each in rows] == [
        ("default", True, "alice"),
        ("bob", False, "bob"),
    ]
    assert server.counters == before


def test_an_account_that_is_in_use_and_logs_in_again_is_listed(
    user: User, server: AuthServer
) -> None:
    """Although nobody has named it: it stays listed when another is in use."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    for command in ("switch --account bob", "logout --local"):
        assert user.run(*command.split()).status == 0
    done = user.run("login", "prod", "-u", "carol", typed="x\n")
    assert done.out.splitlines()[0] == "Logged in to prod, account bob, as carol."
    assert user.run("switch", "prod", "--account", "default").status == 0
    assert user.run("accounts").out.endswith("\n  prod  bob      logged in as carol\n")


def test_switch_chooses_the_account(user: User, server: AuthServer, own_state: Path) -> None:
    """In a state file with mode 0600; the profiles stay as they are, and of two it is the other."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    text = user.file.read_bytes()
    done = user.run("switch", "prod", "--account", "bob")
    assert (done.status, done.out) == (0, "The account of prod is bob from now on.\n")
    assert who_is(user) == "bob"
    assert user.run("switch").out == "The account of prod is default from now on.\n"
    assert who_is(user) == "alice"
    assert user.file.read_bytes() == text
    file = find_state_file()
    assert own_state in file.parents
    assert file.stat().st_mode & 0o777 == 0o600


def test_switch_to_an_account_that_never_logged_in(user: User, server: AuthServer) -> None:
    """A misspelt name is an error at once, and changes nothing."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    result = user.run("switch", "prod", "--account", "bib")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, cause) == (2, "profile 'prod' has no account 'bib'")
    assert remedy == (
        "log it in with: requests-jwt login prod --account bib; or use one of these: default, bob"
    )
    assert who_is(user) == "alice"


def test_switch_has_to_be_told_which_of_several(user: User, server: AuthServer) -> None:
    """None is taken by chance; of one there is nothing to switch."""
    user.describe(server, **LOGIN)
    result = user.run("switch")
    assert (result.status, result.cause_and_remedy()[0]) == (
        2,
        "profile 'prod' has one account, 'default'",
    )
    log_in(user, None, "bob", "carol")
    result = user.run("switch")
    assert (result.status, result.cause_and_remedy()[1]) == (
        2,
        "name one with --account: bob, carol",
    )


def test_a_default_profile(user: User) -> None:
    """What switch has chosen goes for commands that name none, as long as there is such a one."""
    user.file.write_text(TWO_IN_FILES, encoding="utf-8")
    assert user.run("status").status == 2
    done = user.run("switch", "longer-name")
    assert done.out == "Commands that name no profile use longer-name from now on.\n"
    assert "longer-name, in " in user.run("status").out
    user.file.write_text(TWO_IN_FILES.replace("longer-name", "renamed"), encoding="utf-8")
    assert user.run("status").cause_and_remedy()[1] == "name one of these: good, renamed"
    assert user.run("switch", "goood").cause_and_remedy()[1] == "did you mean 'good'?"


def test_logout_forgets_one_account(user: User, server: AuthServer) -> None:
    """The other stays, and nobody becomes somebody else by it."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    assert user.run("switch", "--account", "bob").status == 0
    done = user.run("logout", "prod", "--local")
    assert done.out.startswith("Logged out of prod, account bob: ")
    assert done.out.endswith(
        "The account of prod is still bob; to use another: requests-jwt switch prod --account "
        "default\n"
    )
    assert Choices.read(user.file).known == {"prod": ()}
    assert user.run("status").cause_and_remedy()[0] == f"profile 'prod' {NOT_AS_BOB}"
    assert who_is(user, "--account", "default") == "alice"


@pytest.mark.parametrize(
    ("others", "advice"),
    [
        ((), "or go back with: requests-jwt switch prod --account default"),
        (("carol",), "or use carol, which is logged in, with: {} carol"),
        (
            ("default", "carol", "dave"),
            "or use default, carol, dave, which are logged in, with: {} d",
        ),
    ],
    ids=["nobody", "one", "several"],
)
def test_an_account_that_was_switched_to_and_is_logged_out(
    user: User, server: AuthServer, others: tuple[str, ...], advice: str
) -> None:
    """Each command says that it was switched to, how to go back, and who else is logged in."""
    user.describe(server, **LOGIN)
    log_in(user, "bob", *others)
    assert user.run("logout", "--account", "bob").status == 0
    first = "log in with: requests-jwt login prod --account bob"
    expected = f"{first}; {advice.format('requests-jwt switch prod --account')}"
    for command in ("status", "token", "refresh"):
        result = user.run(command)
        cause, remedy = result.cause_and_remedy()
        assert (result.status, cause) == (3, f"profile 'prod' {NOT_AS_BOB}")
        assert remedy.startswith(expected)
    finding = examine(user).findings["token"]
    assert finding == ("FAULT", f"none: {NOT_AS_BOB.replace('is ', '', 1)}", remedy)
    problem = run._find_problem(Profiles.read(), "prod", None)  # noqa: SLF001 - what `run` says
    assert problem is not None
    assert problem == (cause, remedy)


def test_where_nobody_has_switched_the_others_are_named_all_the_same(
    user: User, server: AuthServer
) -> None:
    """The login without a name is gone; and where the account was named, it alone is meant."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    assert user.run("logout", "prod").status == 0
    cause, remedy = user.run("token").cause_and_remedy()
    assert cause == "profile 'prod' is not logged in"
    assert remedy == (
        "log in with: requests-jwt login prod; or use bob, which is logged in, with: requests-jwt "
        "switch prod --account bob"
    )
    remedy = user.run("token", "--account", "default").cause_and_remedy()[1]
    assert remedy == "log in with: requests-jwt login prod"


def test_an_account_of_the_environment_that_is_not_logged_in(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`switch` would change nothing: the variable goes before it."""
    user.describe(server, **LOGIN)
    monkeypatch.setenv("REQUESTS_JWT_ACCOUNT", "carol")
    cause, remedy = user.run("token").cause_and_remedy()
    assert cause == (
        "profile 'prod' is not logged in as carol, the account that REQUESTS_JWT_ACCOUNT names"
    )
    assert remedy.endswith("login prod --account carol; or unset REQUESTS_JWT_ACCOUNT")
    log_in(user, "bob")
    remedy = user.run("token").cause_and_remedy()[1]
    assert remedy.endswith("; or name another account in REQUESTS_JWT_ACCOUNT: bob")


def test_a_broken_store_of_another_account_changes_nothing(user: User, server: AuthServer) -> None:
    """It is a hint: what is wrong with this account is said all the same."""
    user.describe(server, **LOGIN)
    log_in(user, "bob", "carol")
    assert user.run("logout", "--account", "bob").status == 0
    (user.home / "token.json@carol").write_text("{", encoding="utf-8")
    cause, remedy = user.run("token").cause_and_remedy()
    assert cause == f"profile 'prod' {NOT_AS_BOB}"
    assert remedy.endswith("; or go back with: requests-jwt switch prod --account default")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"FILE": 1}', '{"FILE": {"current": {"prod": "../x"}}}']
)
def test_a_damaged_state_file(user: User, server: AuthServer, text: str) -> None:
    """An error with the file's name: nobody is somebody else by it, and nothing is overwritten."""
    user.describe(server, **LOGIN)
    log_in(user, None)
    file = find_state_file()
    file.parent.mkdir(mode=0o700, parents=True)
    file.write_text(text.replace("FILE", str(user.file)), encoding="utf-8")
    file.chmod(0o600)
    for command in (("status",), ("switch", "--account", "bob")):
        cause, remedy = user.run(*command).cause_and_remedy()
        assert cause == f"{file}: what was chosen cannot be understood"
        assert remedy == "delete that file, and choose again with: requests-jwt switch"
    assert file.read_text(encoding="utf-8") == text.replace("FILE", str(user.file))


def test_accounts_reports_what_cannot_be_read(user: User, server: AuthServer) -> None:
    """The others are listed all the same; each fault once, with its remedy and exit status."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    file = user.home / "token.json@bob"
    file.write_text("nonsense", encoding="utf-8")
    done = user.run("accounts")
    assert done.status == 5
    assert "  prod  bob      cannot be used, see below\n" in done.out
    assert "* prod  default  logged in as alice\n" in done.out
    assert str(file) in done.cause_and_remedy()[0]


def test_without_a_home_a_login_goes_well(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is not listed, which is said; it can be named all the same."""
    user.describe(server, **LOGIN)

    def find_nothing(_kind: str) -> Path:
        raise NoHome("HOME is not set")

    monkeypatch.setattr("requests_jwt_refresh.profiles.accounts.find_folder", find_nothing)
    done = user.run("login", "prod", "--account", "bob", typed="bob\nhunter2\n")
    assert (done.status, done.out[:20]) == (0, "Logged in to prod as")
    cause, remedy = done.cause_and_remedy()
    assert cause.startswith("the account is not listed: there is no folder for what is chosen")
    assert "REQUESTS_JWT_ACCOUNT" in remedy
    assert who_is(user, "--account", "bob") == "bob"


@pytest.mark.parametrize("folder", ["/dev/null", "shared"])
def test_a_state_folder_that_is_no_good_hinders_nobody(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Where there is no state file, none has to be trusted: another's home, or no folder at all."""
    if folder == "shared":
        state = user.home / folder / "requests-jwt-refresh"
        state.mkdir(parents=True)
        state.chmod(0o777)
    monkeypatch.setenv("XDG_STATE_HOME", str(user.home / folder))
    user.describe(server, **LOGIN)
    log_in(user, None)
    assert who_is(user) == "alice"
    result = user.run("login", "prod", "--account", "bob", typed="bob\nhunter2\n")
    assert (result.status, result.out[:20]) == (0, "Logged in to prod as")
    assert result.cause_and_remedy()[0].startswith("the account is not listed: ")


def test_a_state_file_of_others_is_not_followed(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or they would choose whose token is sent; who names the account needs no such file."""
    user.describe(server, **LOGIN)
    log_in(user, None, "bob")
    find_state_file().chmod(0o666)
    cause, remedy = user.run("status").cause_and_remedy()
    assert cause == f"others can read the file {find_state_file()}, so it is not used"
    assert remedy.endswith("name the account in REQUESTS_JWT_ACCOUNT")
    monkeypatch.setenv("REQUESTS_JWT_ACCOUNT", "bob")
    assert who_is(user) == "bob"


def test_logout_of_an_account_that_is_none_names_those_there_are(
    user: User, server: AuthServer
) -> None:
    """As `switch` does: it may be misspelt."""
    user.describe(server)
    note_account(user.file, "prod", "robot")
    done = user.run("logout", "prod", "--account", "robto")
    cause, remedy = done.cause_and_remedy()
    assert (done.status, cause) == (2, "profile 'prod' has no account 'robto'")
    assert remedy.endswith("or use one of these: default, robot")
    assert user.run("logout", "prod", "--account", "robot").status == 0
