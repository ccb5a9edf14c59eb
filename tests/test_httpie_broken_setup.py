"""The real `http` with a set-up that is missing or broken works as without us."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from requests_jwt_refresh.testing import AuthServer, Status
from tests.support.http_command import (
    CONTENT,
    EXPLICIT,
    HTTP,
    Home,
    HTTPResult,
    alice,
    find_warning,
    home,
    needs_httpie,
    warm_command,
    warm_http,
)

__all__ = ["alice", "home", "warm_command", "warm_http"]  # fixtures

pytestmark = needs_httpie


def run_as_without_us(home: Home, server: AuthServer) -> HTTPResult:
    """Return what `http` has done, which is the same as without us but for what it says."""
    path = f"{server.url}/users"
    ours = home.http("--print=HBb", "--check-status", path, "a=1")
    theirs = home.plain_http("--print=HBb", "--check-status", path, "a=1")
    assert (ours.out, ours.status) == (theirs.out, theirs.status)
    assert ours.status == 4
    first, second = server.requests
    assert (dict(first.headers), first.body) == (dict(second.headers), second.body)
    assert theirs.err in ours.err
    return HTTPResult(ours.out, ours.err.removesuffix(theirs.err), ours.status)


def test_no_configuration(home: Home, server: AuthServer) -> None:
    """Nothing at all set up: nothing is said."""
    del home.environment["REQUESTS_JWT_PROFILES"]
    assert run_as_without_us(home, server).err == ""


def test_a_folder_that_has_gone(home: Home, server: AuthServer) -> None:
    """Where a relative path leads nowhere, `http` is as it was."""
    home.environment["REQUESTS_JWT_PROFILES"] = "profiles.toml"
    code = """if True:
        import os, subprocess, sys
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir("../gone")
        sys.exit(subprocess.call(sys.argv[1:]))
    """
    http = [str(HTTP), "--ignore-stdin", "--print=h", f"{server.url}/public/x"]
    done = home.run([sys.executable, "-c", code, *http])
    assert done.out.startswith("HTTP/1.1 200 ")
    assert "While loading" not in done.err


def test_a_home_that_cannot_be(home: Home, server: AuthServer) -> None:
    """Where not even the user's own file can be looked for, `http` works."""
    del home.environment["REQUESTS_JWT_PROFILES"]
    home.environment["XDG_CONFIG_HOME"] = str(home.folder / ("x" * 300))
    assert run_as_without_us(home, server).status == 4


def test_no_such_file(home: Home, server: AuthServer) -> None:
    """A file that is named but not there is worth a warning."""
    cause, remedy = find_warning(run_as_without_us(home, server))
    assert "there is no such file" in cause
    assert "without tokens" in remedy


BROKEN = {
    "no TOML": "[alice\n",
    "not UTF-8": "\udcff",
    "no profile": "alice = 1\n[bob]\n",
    "no base_url": "[alice]\n",
    "a secret in it": '[alice]\nbase_url = "https://h"\npassword = "x"\n',
    "ill nested": "a = " + "[" * 5000 + "\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_file(home: Home, server: AuthServer, text: str) -> None:
    """It is said once, with what helps, and `http` works as without us."""
    home.file.write_text(text, encoding="utf-8", errors="surrogateescape")
    cause, remedy = find_warning(run_as_without_us(home, server))
    assert str(home.file) in cause
    assert "requests-jwt profiles" in remedy


def test_a_faulty_profile_spoils_no_other(alice: Home, server: AuthServer) -> None:
    """It is named, and the others work."""
    alice.profile("bob", "ftp://api.example.com")
    done = alice.http(f"{server.url}/users")
    assert done.answer["user"] == "alice"
    cause, _ = find_warning(done)
    assert "'bob'" in cause


def test_a_keyring_that_cannot_be_used(home: Home, server: AuthServer) -> None:
    """It is said once, and `http` works as without us."""
    home.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    home.file.write_text(f'[alice]\nbase_url = "{server.url}"\n[alice.refresh]\nurl = "/r"\n')
    with home.file.open("a") as file:
        file.write('kind = "json"\n')
    cause, remedy = find_warning(run_as_without_us(home, server))
    assert "keyring" in cause
    assert "requests-jwt doctor alice" in remedy


def test_a_store_that_cannot_be_read(home: Home, server: AuthServer) -> None:
    """It is said once, and `http` works as without us."""
    home.profile("alice", server.url)
    Path(home.stores["alice"].path).write_text("no token")
    Path(home.stores["alice"].path).chmod(0o600)
    home.stores.clear()  # nothing in it is a secret
    cause, remedy = find_warning(run_as_without_us(home, server))
    assert str(home.folder / "alice.json") in cause
    assert "requests-jwt doctor alice" in remedy


@pytest.mark.parametrize("options", [(), EXPLICIT], ids=["", "named"])
def test_not_logged_in(home: Home, server: AuthServer, options: tuple[str, ...]) -> None:
    """The API's 401 stands, and the command that helps is named."""
    home.profile("bob", server.url)
    if not options:
        cause, remedy = find_warning(run_as_without_us(home, server))
    else:
        done = home.http(*options, f"{server.url}/users")
        assert json.loads(done.out) == {"message": "No token"}
        cause, remedy = find_warning(done)
    assert "'bob' is not logged in" in cause
    assert "requests-jwt login bob" in remedy


def test_a_refused_refresh(alice: Home, server: AuthServer) -> None:
    """The API's 401 stands, and the command that helps is named, once."""
    server.expire()
    server.revoke()
    done = alice.http(f"{server.url}/users")
    assert done.answer == {"message": "Invalid JWT"}
    cause, remedy = find_warning(done)
    assert "refused" in cause
    assert "requests-jwt login alice" in remedy


def test_a_refresh_without_an_answer(alice: Home, server: AuthServer) -> None:
    """The API's 401 stands, what has happened is said once, and the tokens are kept."""
    before = alice.stores["alice"].load()
    server.expire()
    server.fail(Status(500), times=None)
    done = alice.http(f"{server.url}/users")
    assert done.answer == {"message": "Invalid JWT"}
    cause, remedy = find_warning(done)
    assert f"the refresh endpoint at {server.url}/auth/refresh answered 500" in cause
    assert "the tokens are kept" in remedy
    assert "requests-jwt doctor alice" in remedy
    assert alice.stores["alice"].load() == before


def test_another_host(alice: Home) -> None:
    """A host of no profile: nothing is said, and it is sent and shown what it is without us."""
    (alice.folder / "upload").write_bytes(CONTENT)
    with AuthServer() as other:
        for arguments in (
            ("q==1",),
            ("a=1",),
            ("--form", "--boundary=b", "f@upload"),
            ("@upload",),
        ):
            ours = alice.http("-v", f"{other.url}/users", *arguments)
            theirs = alice.plain_http("-v", f"{other.url}/users", *arguments)
            date = re.compile(r"(?m)^Date: .*$")
            assert date.sub("", ours.out) == date.sub("", theirs.out)
            assert ours[1:] == theirs[1:]
            first, second = other.requests[-2:]
            assert (dict(first.headers), first.sha256) == (dict(second.headers), second.sha256)


def test_a_host_that_cannot_be_reached(alice: Home, server: AuthServer) -> None:
    """HTTPie says what it says without us."""
    server.stop()
    hidden = re.compile(r"0x[0-9a-f]+")
    ours, theirs = alice.http(server.url), alice.plain_http(server.url)
    assert hidden.sub("", ours.err) == hidden.sub("", theirs.err)
    assert ours.status == theirs.status == 1
