"""An access token from the environment: before the store, in memory, never refreshed."""

from __future__ import annotations

import json
import logging
import os
import pickle
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    JWTRefreshAdapter,
    JWTRefreshError,
    ProfileError,
    RefreshRejected,
    StoreError,
)
from requests_jwt_refresh.cli import run
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.tokens import Token, with_expiry
from tests.support.command_line import (
    User,
    end,
    make_jwt,
    needs_posix,
    shows_no_part_of,
    start,
    user,
)
from tests.support.logins import LOGIN

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh.testing import AuthServer

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

VARIABLE = "REQUESTS_JWT_TOKEN_PROD"
FILE_VARIABLE = "REQUESTS_JWT_TOKEN_PROD_FILE"
CAUSE = f"the token is never refreshed: it comes from the environment variable {VARIABLE}"
UNSET = "unset {}, to use the profile's own store"
REMEDY = (
    f"put a new access token into {VARIABLE}, and start the program again; or "
    f"{UNSET.format(VARIABLE)}"
)
PROFILE = '[{}]\nbase_url = "https://h"\nrefresh = {{preset = "simplejwt"}}\n'


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of the test's own, and no token in the environment."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [each for each in os.environ if each.startswith("REQUESTS_JWT_TOKEN_")]:
        monkeypatch.delenv(name)


def open_session(session: requests.Session, **options: Any) -> JWTRefreshAdapter:
    """Mount the adapter of the profile "prod"."""
    adapter = JWTRefreshAdapter.from_profile("prod", **options)
    for prefix in adapter.prefixes():
        session.mount(prefix, adapter)
    return adapter


def access_of(server: AuthServer, name: str = "ci") -> str:
    return str(server.login(name).access)


# --- requests ------------------------------------------------------------------------------------


def test_it_goes_before_the_store(
    user: User, server: AuthServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the store is not even looked at, nor what it needs."""
    user.describe(server, store='kind = "redis"\nkey = "k"\nurl_file = "missing"')
    monkeypatch.setenv(VARIABLE, f" {access_of(server)}\n")
    open_session(session)
    assert session.get(f"{server.url}/users").json()["user"] == "ci"


def test_one_that_is_refused_is_the_401(
    user: User,
    server: AuthServer,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each time: no refresh, no login, no logout; the store keeps what it has."""
    user.describe(server, **LOGIN)
    kept = user.save_token(with_expiry(server.login("alice")))
    monkeypatch.setenv(VARIABLE, access_of(server))
    told: list[object] = []
    open_session(session, on_logout=told.append)
    server.expire()
    for _ in range(2):
        assert session.get(f"{server.url}/users").status_code == 401
    assert (server.counters.refreshes, server.counters.rotated, told) == (0, 0, [])
    assert user.stored_token == kept
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert caplog.messages[0] == (
        f"Requests to {server.url}/users go out without a valid token: the API has refused it, "
        f"and {CAUSE}. P{REMEDY[1:]}"
    )


@pytest.mark.parametrize("in_file", [False, True], ids=["variable", "file"])
def test_each_verb_says_what_helps(
    user: User,
    server: AuthServer,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    in_file: bool,
) -> None:
    """A new token where this one is: no login would do, which the variable goes before."""
    user.describe(server, **LOGIN)
    variable, remedy, cause = VARIABLE, REMEDY, CAUSE
    if in_file:
        file = user.home / "ci-token"
        file.write_text(access_of(server), encoding="utf-8")
        variable, value = FILE_VARIABLE, str(file)
        cause = CAUSE.partition("the environment")[0] + f"the file {file}, named by the environm"
        remedy = f"put a new access token into {file}; or {UNSET.format(variable)}"
    else:
        value = access_of(server)
    monkeypatch.setenv(variable, value)
    adapter = open_session(session)
    server.expire()
    verbs: list[tuple[type[JWTRefreshError], Callable[[], object]]] = [
        (RefreshRejected, adapter.refresh),
        (RefreshRejected, lambda: adapter.valid_token(refused=adapter.token)),
        (StoreError, lambda: adapter.log_in("alice", "hunter2")),
    ]
    for kind, verb in verbs:
        with pytest.raises(kind) as caught:
            verb()
        assert cause in caught.value.cause
        assert caught.value.remedy == remedy
    with pytest.raises(StoreError, match=f"Unset {variable} to use the profile's own store"):
        adapter.refresh("another refresh token")
    assert {each.kind for each in server.requests} <= {"api"}


def test_a_variable_that_the_program_itself_has_unset(
    user: User,
    server: AuthServer,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is no logout by another program."""
    user.describe(server)
    monkeypatch.setenv(VARIABLE, access_of(server))
    adapter = open_session(session)
    assert session.get(f"{server.url}/users").status_code == 200
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(RefreshRejected) as caught:
        adapter.refresh()
    assert str(caught.value) == f"{CAUSE}. P{REMEDY[1:]}"
    assert caplog.messages == []


@pytest.mark.parametrize(
    "refresh",
    [
        'kind = "client-credentials"\nurl = "/auth/token"\nclient_id = "c"',
        'kind = "json"\nurl = "/auth/refresh"\nsend = false\nsend_access = { header = "X-Old" }',
    ],
    ids=["a grant of the client", "one that hands in the access token"],
)
def test_no_kind_of_endpoint_refreshes_it(
    user: User,
    server: AuthServer,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    refresh: str,
) -> None:
    """Not even one that could, with what it has."""
    user.describe(server, refresh)
    monkeypatch.setenv(VARIABLE, access_of(server))
    open_session(session)
    server.expire()
    assert session.get(f"{server.url}/users").status_code == 401
    assert {each.kind for each in server.requests} == {"api"}


def test_a_file_is_read_again_after_a_401(
    user: User, server: AuthServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program has put a new token there; the same request goes out with it."""
    user.describe(server)
    file = user.home / "ci-token"
    file.write_text(f"{access_of(server)}\n", encoding="utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    open_session(session)
    assert session.get(f"{server.url}/users").json()["user"] == "ci"
    server.expire()
    file.write_text(access_of(server, "ci2"), encoding="utf-8")
    answer = session.get(f"{server.url}/users")
    assert (answer.json()["user"], len(answer.history)) == ("ci2", 1)
    server.expire()
    assert session.get(f"{server.url}/users").status_code == 401
    assert server.counters.refreshes == 0


def test_nothing_writes_it_down(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither set_token nor a pickle; the error says what helps."""
    user.describe(server)
    secret = access_of(server)
    monkeypatch.setenv(VARIABLE, secret)
    adapter = JWTRefreshAdapter.from_profile("prod")
    assert adapter.token is not None
    for change in (partial(adapter.set_token, Token("other")), adapter.clear_token):
        with pytest.raises(StoreError, match=r"never written\. Unset REQUESTS_JWT_TOKEN_PROD"):
            change()
    assert adapter.token.access == secret
    assert secret.encode() not in pickle.dumps(adapter)
    assert not user.token_file.exists()
    assert os.environ[VARIABLE] == secret


# --- the variables -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "variable"),
    [("my-api.v2", "MY_API_V2"), ("a_b", "A_B"), ("9lives", "9LIVES")],
)
def test_the_name_of_the_variable(
    user: User, monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    """Upper case, and _ for all but A-Z and 0-9."""
    key = f'"{name}"'
    user.file.write_text(PROFILE.format(key), encoding="utf-8")
    monkeypatch.setenv(f"REQUESTS_JWT_TOKEN_{variable}", "t")
    environment = Profiles.read(user.file).profile(name).environment
    assert environment is not None
    assert environment.load() == Token("t")


@pytest.mark.parametrize(
    ("names", "variable"),
    [
        (("my-api", "my_api"), "REQUESTS_JWT_TOKEN_MY_API"),
        (("prod", "PROD"), "REQUESTS_JWT_TOKEN_PROD"),
        (("prod", "prod-file"), "REQUESTS_JWT_TOKEN_PROD_FILE"),
        (("a-b", "a_b"), "REQUESTS_JWT_TOKEN_A_B_FILE"),
    ],
)
def test_a_variable_of_two_profiles_is_an_error(
    user: User, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str], variable: str
) -> None:
    """For each of them, once it is set; without it they are two good profiles."""
    text = "".join(PROFILE.format(f'"{name}"') for name in names)
    user.file.write_text(text, encoding="utf-8")
    profiles = Profiles.read(user.file)
    for name in names:
        assert profiles.profile(name).environment is None
    monkeypatch.setenv(variable, "hunter2")
    for name in names:
        with pytest.raises(ProfileError, match=variable) as caught:
            profiles.profile(name)
        assert "belongs to several profiles" in caught.value.cause
        assert "hunter2" not in str(caught.value)


def test_both_variables_are_an_error_and_an_empty_one_is_none(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CI systems hand over a secret that is not there as an empty variable."""
    user.file.write_text(PROFILE.format("prod"), encoding="utf-8")
    monkeypatch.setenv(VARIABLE, "hunter2")
    monkeypatch.setenv(FILE_VARIABLE, "/x")
    with pytest.raises(ProfileError, match=r"are set for profile 'prod'\. Unset one of them"):
        Profiles.read(user.file).profile("prod")
    for name in (VARIABLE, FILE_VARIABLE):
        monkeypatch.setenv(name, " ")
    assert Profiles.read(user.file).profile("prod").environment is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, ", cannot be read: No such file"),
        (b"", ", is empty"),
        (b"\xef\xbb\xbf \n", ", is empty"),
        (b"hunter2 hunter2", ", holds no access token that can be used: it has a space or a quot"),
        (b"hunter2\nhunter2", ", holds no access token that can be used: the access token is em"),
        (b"Bearer hunter2", ", holds no access token that can be used: the access token starts"),
        (b'{"access_token":"hunter2"}', ", holds no access token that can be used: it has a sp"),
        (b"hunter2\xff", ", is no text"),
        ("hunter2".encode("utf-16"), ", is no text"),
        (b"hunter2" * 10_000, ", is larger than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_used(
    user: User,
    server: AuthServer,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    problem: str,
) -> None:
    """Exit status 5, and which file it is, never what is in it."""
    user.describe(server)
    file = user.home / "ci-token"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    result = user.run("token", "prod")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 5
    assert f"{file}, named by the environment variable {FILE_VARIABLE}{problem}" in cause
    assert remedy in (
        "put the access token there, and nothing else",
        "put the access token into a file, and nothing else",
    )
    assert "hunter2" not in result.err


@pytest.mark.parametrize("text", ["a b", '"hunter2"', "Bearer hunter2", "{}\n{}"])
def test_a_variable_that_holds_no_token(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """The same: what a shell or CI system made of it is not sent anywhere."""
    user.describe(server)
    monkeypatch.setenv(VARIABLE, text)
    result = user.run("token", "prod")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 5
    assert cause.startswith(f"the environment variable {VARIABLE} holds no access token that can")
    assert remedy == "put the access token there, and nothing else"
    assert "hunter2" not in result.err


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_is_not_waited_for(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A pipe may have no writer, and a device no end; neither can be read again after a 401."""
    user.describe(server)
    path = user.home / "ci-token"
    if kind == "device":
        path.symlink_to("/dev/zero")
    else:
        (os.mkdir if kind == "folder" else os.mkfifo)(path)
    monkeypatch.setenv(FILE_VARIABLE, str(path))
    result = end(start("status", "prod"))
    expected = "cannot be read: Is a directory" if kind == "folder" else "is a pipe or device"
    assert expected in result.cause_and_remedy()[0]
    assert result.status == 5


def test_a_kubernetes_volume(
    user: User, server: AuthServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is a link that is exchanged; a byte order mark and a line break do no harm."""
    user.describe(server)
    volume = user.home / "volume"
    for name in ("one", "two"):
        (volume / name).mkdir(parents=True)
        (volume / name / "token").write_bytes(f"\ufeff{access_of(server, name)}\r\n".encode())
    (volume / "..data").symlink_to("one")
    (volume / "token").symlink_to("..data/token")
    monkeypatch.setenv(FILE_VARIABLE, str(volume / "token"))
    open_session(session)
    assert session.get(f"{server.url}/users").json()["user"] == "one"
    server.expire()
    access = access_of(server, "two")
    (volume / "two" / "token").write_text(access, encoding="utf-8")
    (volume / "new").symlink_to("two")
    (volume / "new").replace(volume / "..data")
    assert session.get(f"{server.url}/users").json()["user"] == "two"


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _replace_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _write_half_a_character(file: Path) -> None:
    file.write_bytes("\u00fc".encode()[:1])


@pytest.mark.parametrize(
    "spoil", [_empty, Path.unlink, _replace_by_pipe, _write_half_a_character], ids=range(4)
)
def test_a_file_that_is_being_written_costs_a_running_program_nothing(
    user: User,
    server: AuthServer,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], None],
) -> None:
    """The 401 stands until the file can be read again, and then at once; one warning says why."""
    user.describe(server)
    file = user.home / "ci-token"
    file.write_text(access_of(server), encoding="utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    open_session(session)
    for _ in range(2):
        assert session.get(f"{server.url}/users").status_code == 200
        server.expire()
        spoil(file)
        caplog.clear()
        for _ in range(2):
            assert session.get(f"{server.url}/users").status_code == 401
        warning, refused = caplog.messages
        assert warning.startswith(f"the file {file}, named by")
        assert warning.endswith("; the token that was read before is used")
        assert "the API has refused it" in refused
        file.unlink(missing_ok=True)
        file.write_text(access_of(server), encoding="utf-8")
    assert session.get(f"{server.url}/users").status_code == 200
    assert server.counters.refreshes == 0


def test_a_copied_store_has_no_token(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a pickle nor the repr has what was read of the file."""
    user.describe(server)
    file = user.home / "ci-token"
    file.write_text("hunter2", encoding="utf-8")
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    store = Profiles.read(user.file).profile("prod").store
    assert store.load() == Token("hunter2")
    assert b"hunter2" not in pickle.dumps(store)
    assert "hunter2" not in repr(store)
    file.write_text("hunter3", encoding="utf-8")
    assert store.load() == Token("hunter3")
    file.unlink()
    assert store.load() == Token("hunter3"), "the last one"
    with pytest.raises(StoreError, match="No such file"):
        pickle.loads(pickle.dumps(store)).load()
    monkeypatch.setenv(VARIABLE, "hunter4")
    monkeypatch.delenv(FILE_VARIABLE)
    by_variable = Profiles.read(user.file).profile("prod").store
    assert pickle.loads(pickle.dumps(by_variable)).load() == Token("hunter4")


# --- the commands --------------------------------------------------------------------------------


def test_status_says_where_it_comes_from(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And shows no part of it; `token` prints it."""
    user.describe(server)
    token = server.login("ci")
    monkeypatch.setenv(VARIABLE, str(token.access))
    result = user.run("status", "prod")
    assert (result.status, result.err) == (0, "")
    assert f"token from     environment variable {VARIABLE}\n" in result.out
    assert "sub            ci\n" in result.out
    assert "a token from the environment is never refreshed" in result.out
    assert shows_no_part_of(token, result)
    assert json.loads(user.run("status", "prod", "--json").out)["environment"] == VARIABLE
    assert user.run("token", "prod").out == f"{token.access}\n"
    doctor = user.run("doctor", "prod")
    assert f"from the environment variable {VARIABLE}; it is never refreshed" in doctor.out
    assert f"comes from {VARIABLE}" in user.run("accounts").out


@pytest.mark.parametrize("command", ["login", "refresh", "logout"])
def test_what_would_change_it_is_an_error(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Exit status 2; nothing is asked, sent or forgotten."""
    user.describe(server, **LOGIN)
    kept = user.save_token(server.login())
    monkeypatch.setenv(VARIABLE, "t")
    result = user.run(command, "prod", typed="bob\nhunter2\n")
    cause, remedy = result.cause_and_remedy()
    assert result.status == 2
    assert cause.startswith(
        f"the token of profile 'prod' comes from the environment variable {VARIABLE}"
    )
    more = ", or put a new access token there" if command == "refresh" else ""
    assert remedy == f"unset {VARIABLE} first{more}"
    assert user.stored_token == kept
    assert server.requests == []


def test_one_that_has_expired(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 3, and where a new one goes."""
    user.describe(server)
    monkeypatch.setenv(VARIABLE, make_jwt({"exp": 1_600_000_000}))
    for command in ("status", "token"):
        result = user.run(command, "prod")
        cause, remedy = result.cause_and_remedy()
        assert (result.status, remedy) == (3, "put a new one there")
        assert cause == (
            "the access token of profile 'prod' has expired; it comes from the environment "
            f"variable {VARIABLE}"
        )
    problem = run._find_problem(Profiles.read(), "prod", None)  # noqa: SLF001 - what `run` says
    assert problem == (cause, remedy)
