"""token --exec-credential, --field and --output: what kubectl and other programs read."""

from __future__ import annotations

import json
import os
import stat
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import clock
from requests_jwt_refresh.testing import AuthServer, Counters
from requests_jwt_refresh.tokens import with_expiry
from tests.support.command_line import (
    CommandResult,
    User,
    make_aged_token,
    make_expired_token,
    make_jwt,
    needs_posix,
    run_with_closed_stream,
    shows_no_part_of,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests_jwt_refresh.tokens import Token

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

GROUP = "client.authentication.k8s.io"
V1, V1BETA1 = f"{GROUP}/v1", f"{GROUP}/v1beta1"
OPENID_REFRESH = 'kind = "oauth2"\nurl = "/auth/token"\nclient_id = "client-id"'


@pytest.fixture(autouse=True)
def no_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but the test says what kubectl asks for."""
    monkeypatch.delenv("KUBERNETES_EXEC_INFO", raising=False)


@contextmanager
def open_id_server(user: User, **options: Any) -> Iterator[AuthServer]:
    """An OpenID provider and the profile of it; ID tokens live for 300 s."""
    with AuthServer(openid=True, **options) as server:
        user.describe(server, OPENID_REFRESH)
        yield server


def log_in(user: User, server: AuthServer, **extra: Any) -> Token:
    """Save a token that has just come, and this beside it."""
    return user.save_token(with_expiry(replace(server.login(), extra=extra)))


def make_id_token(*, issued: float, expires: float) -> str:
    """Return an ID token; the moments are seconds from now."""
    now = int(clock.time())
    return make_jwt({"iss": "me", "iat": now + issued, "exp": now + expires})


# --- kubectl -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clock")
def test_kubectl_gets_its_credential(user: User, server: AuthServer) -> None:
    """The token, and when it expires by this machine's clock (RFC 3339); no request."""
    user.describe(server)
    token = make_aged_token(server.login(), left=1_700_000_200.5 - clock.time(), ago=10)
    user.save_token(token)
    result = user.run("token", "prod", "--exec-credential")
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "status": {"token": token.access, "expirationTimestamp": "2023-11-14T22:16:40Z"},
    }
    assert server.counters == Counters()


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_kubectl_gets_the_version_that_it_asks_for(
    user: User, server: AuthServer, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As KUBERNETES_EXEC_INFO says; what else that says is none of our business."""
    asked = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    monkeypatch.setenv("KUBERNETES_EXEC_INFO", json.dumps(asked))
    user.describe(server)
    log_in(user, server)
    shown = json.loads(user.run("token", "prod", "--exec-credential").out)
    assert shown["apiVersion"] == version


@pytest.mark.parametrize(
    ("info", "cause"),
    [
        ("hunter2", "KUBERNETES_EXEC_INFO is no ExecCredential in JSON"),
        ("[1]", "KUBERNETES_EXEC_INFO is no ExecCredential in JSON"),
        (f'{{"kind": "Pod", "apiVersion": "{V1}"}}', "KUBERNETES_EXEC_INFO is no ExecCredential"),
        ('{"kind": "ExecCredential"}', "the apiVersion in KUBERNETES_EXEC_INFO is not known"),
        (f'{{"kind": "ExecCredential", "apiVersion": "{GROUP}/v1alpha1"}}', "the apiVersion in"),
        ('{"kind": "ExecCredential", "apiVersion": ["v1"]}', "the apiVersion in"),
        ("[" * 100_000, "KUBERNETES_EXEC_INFO is no ExecCredential in JSON"),
    ],
)
def test_a_kubectl_that_asks_for_something_else(
    user: User, server: AuthServer, info: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 2, before anything is refreshed."""
    monkeypatch.setenv("KUBERNETES_EXEC_INFO", info)
    user.describe(server)
    user.save_token(make_expired_token(server))
    result = user.run("token", "prod", "--exec-credential")
    assert result.cause_and_remedy()[0].startswith(cause)
    assert (result.status, result.out, server.counters) == (2, "", Counters())
    assert "hunter2" not in result.err


def test_others_do_not_care_what_kubectl_asks_for(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that kubectl has started may want a token for itself."""
    monkeypatch.setenv("KUBERNETES_EXEC_INFO", "nonsense")
    user.describe(server)
    token = log_in(user, server)
    assert user.run("token", "prod") == CommandResult(0, f"{token.access}\n", "")


def test_a_token_of_unknown_expiry(user: User, server: AuthServer) -> None:
    """kubectl is told no moment, and asks again after a 401."""
    server.opaque = True
    user.describe(server)
    token = user.save_token(server.login())
    result = user.run("token", "prod", "--exec-credential")
    assert json.loads(result.out)["status"] == {"token": token.access}


def test_kubectl_gets_a_refreshed_token(user: User, server: AuthServer) -> None:
    """One refresh, as for everybody else."""
    user.describe(server)
    user.save_token(make_expired_token(server))
    shown = json.loads(user.run("token", "prod", "--exec-credential").out)
    assert shown["status"]["token"] == user.stored_token.access
    assert server.counters.refreshes == 1


# --- another field -------------------------------------------------------------------------------


@pytest.mark.usefixtures("clock")
def test_an_id_token_says_itself_when_it_expires(user: User, server: AuthServer) -> None:
    """It may live shorter than the access token, which came with it."""
    user.describe(server)
    id_token = make_id_token(issued=0, expires=100)
    log_in(user, server, id_token=id_token)
    result = user.run("token", "prod", "--exec-credential", "--field", "id_token")
    status = json.loads(result.out)["status"]
    assert status == {"token": id_token, "expirationTimestamp": "2023-11-14T22:15:00Z"}
    assert server.counters == Counters()


def test_a_good_id_token_needs_no_refresh(user: User) -> None:
    """It outlives the access token, which does not matter then."""
    with open_id_server(user) as server:
        id_token = make_id_token(issued=0, expires=300)
        user.save_token(replace(make_expired_token(server), extra={"id_token": id_token}))
        result = user.run("token", "prod", "--field", "id_token")
        assert result == CommandResult(0, f"{id_token}\n", "")
        assert server.counters == Counters()


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("skew", [-900.0, 900.0])
def test_a_server_whose_clock_is_wrong(user: User, server: AuthServer, skew: float) -> None:
    """The access token that came with it shows by how much; the ID token lives 60 s more."""
    server.clock_skew = skew
    user.describe(server)
    log_in(user, server, id_token=make_id_token(issued=skew, expires=skew + 60))
    result = user.run("token", "prod", "--exec-credential", "--field", "id_token")
    assert json.loads(result.out)["status"]["expirationTimestamp"] == "2023-11-14T22:14:20Z"
    assert server.counters.refreshes == 0


@pytest.mark.parametrize("form", [(), ("--exec-credential",)])
def test_an_expired_id_token_is_refreshed(user: User, form: tuple[str, ...]) -> None:
    """Although the access token is still good: the refresh brings another ID token."""
    with open_id_server(user, lifetime=3600.0) as server:
        log_in(user, server, id_token=make_id_token(issued=-300, expires=-1))
        result = user.run("token", "prod", "--field", "id_token", *form)
        assert (result.status, result.err) == (0, "")
        new = user.stored_token.extra["id_token"]
        assert new in result.out
        assert user.run("token", "prod", "--field", "id_token").out == f"{new}\n"
        assert server.counters.refreshes == 1


@pytest.mark.usefixtures("clock")
def test_seconds_are_those_of_the_field(user: User) -> None:
    """An ID token with less than --seconds left is refreshed; what comes is printed."""
    with open_id_server(user, lifetime=3600.0) as server:
        log_in(user, server, id_token=make_id_token(issued=0, expires=300))
        command = ("token", "prod", "--field", "id_token", "--seconds")
        assert user.run(*command, "200").status == 0
        assert server.counters.refreshes == 0
        assert user.run(*command, "400").out == f"{user.stored_token.extra['id_token']}\n"
        assert server.counters.refreshes == 1


@pytest.mark.parametrize("rotates", [True, False])
def test_a_refresh_that_brings_no_id_token(
    user: User, server: AuthServer, *, rotates: bool
) -> None:
    """Exit status 3: the old one has expired, and only a login brings another."""
    server.rotate = rotates
    user.describe(server)
    old = make_id_token(issued=-300, expires=-1)
    log_in(user, server, id_token=old)
    result = user.run("token", "prod", "--field", "id_token")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out) == (3, "")
    assert cause == ("id_token of profile 'prod' has expired, and a refresh has brought no new one")
    assert remedy == "log in again with: requests-jwt login prod"
    assert old not in result.err
    assert server.counters.refreshes == 1


@pytest.mark.parametrize("rotates", [True, False])
def test_an_id_token_outlives_a_refresh_that_brings_none(
    user: User, server: AuthServer, *, rotates: bool
) -> None:
    """It is the login's (OpenID Connect Core §12.2), also where the refresh token is a new one."""
    server.rotate = rotates
    user.describe(server)
    id_token = make_id_token(issued=0, expires=3600)
    log_in(user, server, id_token=id_token)
    for _ in range(2):
        assert user.run("refresh", "prod").status == 0
    result = user.run("token", "prod", "--field", "id_token")
    assert result == CommandResult(0, f"{id_token}\n", "")
    assert server.counters.refreshes == 2


def test_one_refresh_is_enough_to_find_that_none_comes(user: User, server: AuthServer) -> None:
    """Where both tokens have expired: a second one would bring as little."""
    user.describe(server)
    old = make_id_token(issued=-300, expires=-1)
    user.save_token(replace(make_expired_token(server), extra={"id_token": old}))
    assert user.run("token", "prod", "--field", "id_token").status == 3
    assert server.counters.refreshes == 1


@pytest.mark.parametrize(
    ("extra", "field", "cause"),
    [
        ({}, "id_token", "no id_token came with the token of profile 'prod', and nothing else ei"),
        (
            {"scope": "read"},
            "id_token",
            "no id_token came with the token of profile 'prod', but 's",
        ),
        ({"a": {"b": "x"}}, "a.c", "no a.c came with the token of profile 'prod', but 'a'"),
        ({"a": {"b": "x"}}, "a", "a of profile 'prod' is no token"),
        ({"a": 7}, "a", "a of profile 'prod' is no token"),
        ({"a": ""}, "a", "a of profile 'prod' is no token"),
        ({"a": None}, "a", "a of profile 'prod' is no token"),
        ({"a": "hunter2\x1b[2J"}, "a", "a of profile 'prod' is no token"),
        ({"a": "hunter2\nhunter2"}, "a", "a of profile 'prod' is no token"),
    ],
)
def test_a_field_that_holds_no_token(
    user: User, server: AuthServer, extra: dict[str, Any], field: str, cause: str
) -> None:
    """Exit status 2, no refresh, and nothing on stdout; which fields there are is said."""
    user.describe(server)
    token = log_in(user, server, **extra)
    result = user.run("token", "prod", "--field", field)
    assert result.cause_and_remedy()[0].startswith(cause)
    assert (result.status, result.out, server.counters) == (2, "", Counters())
    assert "hunter2" not in result.err
    assert shows_no_part_of(token, result)


def test_a_field_of_a_field(user: User, server: AuthServer) -> None:
    """Its path has dots, as elsewhere. What does not say when it expires lasts as long."""
    user.describe(server)
    log_in(user, server, data={"key": "opaque"})
    assert user.run("token", "prod", "--field", "data.key") == CommandResult(0, "opaque\n", "")


def test_a_token_from_the_environment_comes_alone(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 2, although the store has such a field: it belongs to another token."""
    user.describe(server)
    log_in(user, server, id_token=make_id_token(issued=0, expires=300))
    monkeypatch.setenv("REQUESTS_JWT_TOKEN_PROD", "hunter2")
    result = user.run("token", "prod", "--field", "id_token")
    cause, remedy = result.cause_and_remedy()
    assert "REQUESTS_JWT_TOKEN_PROD: there is nothing to take a field of" in cause
    assert remedy == "unset REQUESTS_JWT_TOKEN_PROD first, or leave --field out"
    assert (result.status, result.out) == (2, "")
    shown = user.run("token", "prod", "--exec-credential")
    assert json.loads(shown.out)["status"] == {"token": "hunter2"}


@pytest.mark.parametrize("field", ["", ".", "a..b"])
def test_a_field_that_is_none(user: User, server: AuthServer, field: str) -> None:
    """Exit status 2."""
    user.describe(server)
    assert user.run("token", "prod", f"--field={field}").status == 2


# --- a file --------------------------------------------------------------------------------------


def test_the_token_alone_is_in_the_file(user: User, server: AuthServer) -> None:
    """No line break, as some programs send what they read; for its owner alone, and quietly."""
    user.describe(server)
    token = log_in(user, server)
    file = user.home / "new folder" / "token"
    assert user.run("token", "prod", "--output", str(file)) == CommandResult(0, "", "")
    assert file.read_text(encoding="ascii") == token.access
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_aws_gets_an_id_token(user: User) -> None:
    """What AWS_WEB_IDENTITY_TOKEN_FILE names: the file is replaced, not written over."""
    with open_id_server(user) as server:
        log_in(user, server, id_token=make_id_token(issued=-300, expires=-1))
        file = user.home / "aws"
        file.write_text("eyJ.old.token\n", encoding="ascii")
        file.chmod(0o644)
        with file.open(encoding="ascii") as reader:
            arguments = ("token", "prod", "--field", "id_token", "--output", str(file))
            assert user.run(*arguments) == CommandResult(0, "", "")
            assert reader.read() == "eyJ.old.token\n"
        assert file.read_text(encoding="ascii") == user.stored_token.extra["id_token"]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_users_own_link_is_followed(user: User, server: AuthServer) -> None:
    """The file behind it is replaced, and the link stays."""
    user.describe(server)
    token = log_in(user, server)
    link = user.home / "link"
    link.symlink_to("target")
    assert user.run("token", "prod", "--output", str(link)).status == 0
    assert link.is_symlink()
    assert (user.home / "target").read_text(encoding="ascii") == token.access


def test_a_home_folder_in_the_path(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell leaves the `~` of `--output=~/token` as it is."""
    monkeypatch.setenv("HOME", str(user.home))
    user.describe(server)
    token = log_in(user, server)
    assert user.run("token", "prod", "--output=~/out").status == 0
    assert (user.home / "out").read_text(encoding="ascii") == token.access


def _a_script(path: Path) -> None:
    path.write_text("import requests\n", encoding="ascii")


def _a_large_file(path: Path) -> None:
    path.write_bytes(b"A" * 100_000)


def _a_folder(path: Path) -> None:
    path.mkdir()


def _a_pipe(path: Path) -> None:
    os.mkfifo(path)


def _no_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


def _an_open_folder(path: Path) -> None:
    path.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (_a_script, "{} holds something else than a token"),
        (_a_large_file, "{} holds something else than a token"),
        (_a_folder, "{} is a folder"),
        (_a_pipe, "{} is a pipe, not a regular file"),
        (_no_folder, "the token could not be written to {}: "),
        (_an_open_folder, "others can change the folder "),
    ],
)
def test_a_file_that_is_not_to_be_written(
    user: User, server: AuthServer, make: Callable[[Path], None], cause: str
) -> None:
    """Exit status 5, what is there is left alone, and nothing is refreshed."""
    user.describe(server)
    token = user.save_token(make_expired_token(server))
    file = user.home / "folder" / "out"
    file.parent.mkdir()
    make(file)
    before = file.lstat() if file.parent.is_dir() and file.exists() else None
    result = user.run("token", "prod", "--output", str(file))
    said, remedy = result.cause_and_remedy()
    assert said.startswith(cause.format(file))
    assert remedy
    assert (result.status, result.out, server.counters) == (5, "", Counters())
    assert before is None or file.lstat() == before
    assert shows_no_part_of(token, result)


@pytest.mark.parametrize("name", ["profiles.toml", "token.json"])
def test_a_file_of_this_librarys(user: User, server: AuthServer, name: str) -> None:
    """The profiles and the store are not written over."""
    user.describe(server)
    token = log_in(user, server)
    before = (user.home / name).read_bytes()
    assert user.run("token", "prod", "--output", str(user.home / name)).status == 5
    assert (user.home / name).read_bytes() == before
    assert user.stored_token == token


def test_without_a_token_the_file_stays(user: User, server: AuthServer) -> None:
    """A refusal leaves the old token there: it may be what another program still uses."""
    user.describe(server)
    user.save_token(make_expired_token(server))
    server.revoke()
    file = user.home / "out"
    file.write_text("old", encoding="ascii")
    result = user.run("token", "prod", "--output", str(file))
    result.cause_and_remedy()
    assert (result.status, file.read_text(encoding="ascii")) == (3, "old")


@pytest.mark.parametrize(
    "options", [("--output", "-"), ("--output="), ("--output", "t", "--exec-credential")]
)
def test_no_file(user: User, server: AuthServer, options: tuple[str, ...] | str) -> None:
    """Exit status 2: it is printed without the option, and kubectl reads no file."""
    user.describe(server)
    log_in(user, server)
    given = (options,) if isinstance(options, str) else options
    result = user.run("token", "prod", *given)
    result.cause_and_remedy()
    assert (result.status, result.out) == (2, "")
    assert not (user.home / "-").exists()


def test_a_file_needs_no_stdout(user: User, server: AuthServer) -> None:
    """A job without one gets its file; what is printed needs one."""
    user.describe(server)
    token = log_in(user, server)
    file = user.home / "out"
    result = run_with_closed_stream("1", "token", "prod", "--output", str(file))
    assert result == CommandResult(0, "", "")
    assert file.read_text(encoding="ascii") == token.access
    assert run_with_closed_stream("1", "token", "prod", "--exec-credential").status == 1
