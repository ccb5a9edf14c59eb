"""A file whose name a user typed may be anything: nothing hangs, and the error says what it is."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import (
    DPoP,
    PrivateKeyJWT,
    ProfileError,
    StoreError,
    Token,
)
from requests_jwt_refresh.given_files import MAX_SECRET
from requests_jwt_refresh.profiles.environment import EnvironmentStore
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.profiles.secrets import SecretFile
from tests.support.command_line import find_closed_port, needs_posix, user
from tests.support.doctor import examine
from tests.support.processes import run_python
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.command_line import User

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

PIPE = "is a pipe or device, which cannot be read again"
FOLDER = "cannot be read: Is a directory"
NOBODY = 65534
NO_RIGHT = "cannot be read: Permission denied"


def make_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 1024 * 1024)


def make_secret(path: Path) -> None:
    path.write_text("x", encoding="utf-8")
    path.chmod(0)


KINDS: list[Any] = [
    pytest.param(os.mkfifo, PIPE, id="pipe"),
    pytest.param(partial(os.symlink, "/dev/zero"), PIPE, id="device"),
    pytest.param(os.mkdir, FOLDER, id="folder"),
    pytest.param(make_secret, NO_RIGHT, id="unreadable"),
    pytest.param(lambda path: path.symlink_to(path), "cannot be read: ", id="circle"),
    pytest.param(make_large, "is larger than ", id="large"),
    pytest.param(Path.touch, "is empty", id="empty"),
]


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody in the block, if we are root, who reads everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def make(kind: Callable[[Any], object], path: Path) -> Path:
    """Put something there; a link's target comes first in its call."""
    if isinstance(kind, partial):
        os.symlink(kind.args[0], path)  # noqa: PTH211 - as the others are called
    else:
        kind(path)
    return path


def read_profiles(path: Path) -> object:
    return Profiles.read(path)


READERS: list[Any] = [
    pytest.param(lambda path: SecretFile(str(path)).read(), StoreError, "is empty", id="secret"),
    pytest.param(
        lambda path: EnvironmentStore("V_FILE", str(path)).load(),
        StoreError,
        "is empty",
        id="environment",
    ),
    pytest.param(DPoP, ValueError, "is no PEM and no JWK", id="DPoP"),
    pytest.param(PrivateKeyJWT, ValueError, "is no PEM and no JWK", id="PrivateKeyJWT"),
    pytest.param(read_profiles, ProfileError, None, id="profiles"),
]


@pytest.mark.parametrize(("kind", "problem"), KINDS)
@pytest.mark.parametrize(("read", "error", "empty"), READERS)
def test_what_is_not_a_file_to_read(
    tmp_path: Path,
    kind: Any,
    problem: str,
    read: Callable[[Path], object],
    error: type[Exception],
    empty: str | None,
) -> None:
    """It is named with its path, at once; no line of code waits for a writer or for an end."""
    path = make(kind, tmp_path / "file")
    if problem == "is empty":
        problem = empty or ""
    if problem == "":  # no profiles yet are no fault
        assert read(path)
        return
    rights = without_privileges() if kind is make_secret else nullcontext()
    with rights, pytest.raises(error) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_no_file_can_have_that_name(name: str) -> None:
    """A NUL, or half a character: no traceback out of the depths."""
    with pytest.raises(StoreError, match="cannot be read: "):
        SecretFile(f"/{name}").read()
    with pytest.raises(ProfileError, match=r"cannot be read: |there is no such file"):
        Profiles.read(f"/{name}")


def test_a_secret_of_any_likely_size_is_read(tmp_path: Path) -> None:
    """Up to 64 KiB, its byte order mark and line break not counted as its own."""
    path = tmp_path / "secret"
    path.write_bytes(b"x" * MAX_SECRET)
    assert len(SecretFile(str(path)).read()) == MAX_SECRET
    path.write_bytes(b"x" * (MAX_SECRET + 1))
    with pytest.raises(StoreError, match="is larger than 64 KiB"):
        SecretFile(str(path)).read()


# --- In commands and refreshes -------------------------------------------------------------------


def test_a_refresh_does_not_wait_for_a_secret_in_a_pipe(user: User, server: AuthServer) -> None:
    """`client_secret_file`, which each refresh reads; nothing was asked."""
    client = 'kind = "oauth2"\nurl = "/auth/token"\nclient_id = "a"\nclient_secret_file = "secret"'
    user.describe(server, client)
    os.mkfifo(user.file.parent / "secret")
    user.save_token(Token("a", "r"))
    result = user.run("refresh", "prod")
    assert result.status == 5
    cause, remedy = result.cause_and_remedy()
    assert cause == f"the secret's file {user.file.parent / 'secret'} {PIPE}"
    assert remedy == "put the secret there, and nothing else"
    finding = examine(user).findings["secret"]
    assert (finding.sign, finding.cause) == ("FAULT", cause)
    assert server.counters.refreshes == 0


def test_a_command_does_not_wait_for_profiles_in_a_pipe(tmp_path: Path) -> None:
    """Which a shell's <(...) would be read from: there somebody writes."""
    os.mkfifo(tmp_path / "p.toml")
    done = subprocess.run(
        [sys.executable, "-m", "requests_jwt_refresh", "status"],
        env={**os.environ, "REQUESTS_JWT_PROFILES": str(tmp_path / "p.toml")},
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 2
    assert f"{tmp_path / 'p.toml'}: it {PIPE}" in done.stderr


def test_profiles_without_end_are_not_read_to_their_end() -> None:
    """A device may be named, such as /dev/stdin."""
    with pytest.raises(ProfileError, match="/dev/zero: it is larger than 1024 KiB"):
        Profiles.read("/dev/zero")


CA_PROGRAM = """
import sys
from requests_jwt_refresh import ServerMetadata
try:
    ServerMetadata.discover(f"https://127.0.0.1:{sys.argv[1]}")
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize("make_it", [os.mkfifo, partial(os.symlink, "/dev/zero")])
def test_certificates_in_a_pipe_are_not_waited_for(tmp_path: Path, make_it: Any) -> None:
    """OpenSSL would, and no Ctrl-C ends that: so it runs in a program of its own here."""
    path = make(make_it, tmp_path / "ca.pem")
    told = run_python(CA_PROGRAM, str(find_closed_port()), REQUESTS_CA_BUNDLE=str(path))
    assert told == (
        f"the file of CA certificates {path} {PIPE}. Correct REQUESTS_CA_BUNDLE, or the session's "
        "verify"
    )


def test_doctor_does_not_wait_for_certificates_in_a_pipe(tmp_path: Path) -> None:
    """The variable is the fault."""
    path = tmp_path / "ca.pem"
    os.mkfifo(path)
    done = run_python(DOCTOR_PROGRAM, REQUESTS_CA_BUNDLE=str(path))
    assert done == f"REQUESTS_CA_BUNDLE names {path}, which cannot be used ({path} {PIPE})"


DOCTOR_PROGRAM = """
from requests_jwt_refresh.cli.checks import _check_ca_bundle
from requests_jwt_refresh.refresh.client import SendOptions
url = "https://127.0.0.1:9/"
print(_check_ca_bundle(url, SendOptions.from_environment(url)).cause)
"""
