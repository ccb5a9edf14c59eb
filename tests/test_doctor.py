"""doctor: faults of the profile, the store and the token; what it says and leaves alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail

from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.testing import Counters
from requests_jwt_refresh.tokens import Token, with_expiry, with_values
from tests.support.command_line import (
    WITH_SECRET,
    User,
    find_closed_port,
    make_expired_token,
    make_jwt,
    needs_posix,
    user,
)
from tests.support.doctor import HEALTHY, check_within, examine, healthy_user
from tests.support.keyrings import fail_backend, use_keyring
from tests.support.secret_service import running_secret_service, secret_service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from requests_jwt_refresh.testing import AuthServer
    from tests.support.secret_service import SecretService

__all__ = ["healthy_user", "running_secret_service", "secret_service", "user"]  # fixtures

pytestmark = needs_posix


def test_all_is_well(healthy_user: User, server: AuthServer) -> None:
    """Exit status 0, and each check tells what it has found."""
    report = examine(healthy_user)
    assert report.is_healthy_but_for()
    assert {what: finding.cause for what, finding in report.findings.items()} == {
        "profile": f"prod, in {healthy_user.file}",
        "store": f"file {healthy_user.token_file}: written, read, cleared",
        "lock": "free",
        "token": "there is a refresh token, which was not tried",
        "endpoint": f"{server.url}/auth/refresh answers",
        "clock": "agrees with the server's",
    }


def test_what_tries_the_refresh_token_is_said(healthy_user: User) -> None:
    """The doctor uses none up, so it cannot tell one that was revoked."""
    finding = examine(healthy_user).findings["token"]
    assert finding.remedy == "to try it: requests-jwt refresh prod"


def test_nothing_is_touched(healthy_user: User, server: AuthServer) -> None:
    """The token's entry stays as it is, the probe is gone; the server sees no token, no refresh."""
    before = (healthy_user.token_file.read_bytes(), healthy_user.token_file.stat())
    token = healthy_user.stored_token
    report = examine(healthy_user)
    after = (healthy_user.token_file.read_bytes(), healthy_user.token_file.stat())
    assert before == after
    assert {each.name for each in healthy_user.home.iterdir()} == {
        "profiles.toml",
        "token.json",
        "token.json.lock",
        "token.json.doctor.lock",  # locks are never deleted
    }
    (seen,) = server.requests
    assert (seen.method, seen.path, seen.body) == ("GET", "/auth/refresh", b"")
    assert {"Authorization", "Cookie"}.isdisjoint(seen.headers)
    assert server.counters == Counters(connections=1, requests=1)
    for secret in (token.access, token.refresh):
        assert str(secret) not in report.text
        assert str(secret) not in repr(dict(seen.headers))


def test_an_expired_access_token_is_no_fault(user: User, server: AuthServer) -> None:
    """It will be refreshed, but not by doctor."""
    user.describe(server)
    token = user.save_token(make_expired_token(server))
    assert examine(user).is_healthy_but_for()
    assert user.stored_token == token


def test_all_is_well_in_the_keyring(
    user: User, server: AuthServer, secret_service: SecretService
) -> None:
    """The same in a real keyring: the probe has an entry of its own, which is gone."""
    secret_service.unlock()
    user.describe(server, store='kind = "keyring"\nservice = "doctor-test"')
    store = KeyringStore("doctor-test", "prod")
    store.save(with_expiry(server.login()))
    token = store.load()
    report = examine(user)
    assert report.is_healthy_but_for()
    assert report.findings["store"].cause == (
        "keyring, entry 'doctor-test (prod)': written, read, cleared"
    )
    assert store.load() == token
    assert KeyringStore("doctor-test", "prod doctor").load() is None
    store.clear()


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        (None, "there is no such file", "requests-jwt init prod"),
        ("", "there is no profile 'prod'", "requests-jwt init prod"),
        ("[prod\n", "it is not valid TOML", "that file"),
        ('[prod]\nbase_url = "https://h"\n', "refresh is missing", "add it"),
        ('[prod]\nbase_url = "https://h"\npassword = "hunter2"\n', "looks like a secret", "login"),
    ],
    ids=["no file", "no profile", "no TOML", "faulty", "secret"],
)
def test_a_profile_that_cannot_be_used(
    user: User, text: str | None, problem: str, remedy: str
) -> None:
    """The one fault there is to find, since nothing else can be looked at: exit status 1."""
    if text is not None:
        user.file.write_text(text, encoding="utf-8")
    report = examine(user)
    assert (report.status, report.signs()) == (1, {"profile": "FAULT"})
    assert problem in report.text
    assert str(user.file) in report.findings["profile"].cause
    assert remedy in report.text
    assert "hunter2" not in report.text


def _a_folder(file: Path) -> None:
    file.mkdir()


def _another_name(file: Path) -> None:
    file.write_text("[prd]\n", encoding="utf-8")


def _no_text(file: Path) -> None:
    file.write_bytes(b"\xff")


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (_a_folder, "name a file that you can read in REQUESTS_JWT_PROFILES"),
        (_another_name, "did you mean 'prd'?"),
        (_no_text, "convert it to UTF-8"),
    ],
)
def test_a_remedy_fits_its_fault(user: User, make: Callable[[Path], None], remedy: str) -> None:
    """A path that is no file, or a file that is in order, needs no correction in it."""
    make(user.file)
    report = examine(user)
    assert report.signs() == {"profile": "FAULT"}
    assert report.findings["profile"].remedy == remedy


@pytest.mark.parametrize(
    ("text", "remedy"), [("[prod\n", "correct it in that variable"), ("[prod]\n", "add it")]
)
def test_profiles_in_a_variable_are_corrected_there(
    user: User, monkeypatch: pytest.MonkeyPatch, text: str, remedy: str
) -> None:
    """The variable is named, and no file."""
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", text)
    finding = examine(user).findings["profile"]
    assert finding.cause.startswith("REQUESTS_JWT_PROFILES_TOML: ")
    assert finding.remedy == remedy


def test_no_token(user: User, server: AuthServer) -> None:
    """A fault, and how to log in."""
    user.describe(server)
    report = examine(user)
    assert report.is_healthy_but_for(token="FAULT")
    finding = ("FAULT", "none: not logged in", "log in with: requests-jwt login prod")
    assert report.findings["token"] == finding


def test_no_refresh_token(user: User, server: AuthServer) -> None:
    """Worth a note: it works until the access token ends."""
    user.describe(server)
    user.save_token(Token("access"))
    report = examine(user)
    assert report.is_healthy_but_for(token="note")
    assert report.findings["token"].remedy.endswith("requests-jwt login prod")


def test_a_refresh_token_that_is_over(user: User, server: AuthServer) -> None:
    """A fault, if it says so itself."""
    user.describe(server)
    user.save_token(Token("access", make_jwt({"exp": time.time() - 3605})))
    report = examine(user)
    assert report.is_healthy_but_for(token="FAULT")
    assert report.findings["token"].cause.startswith("the refresh token expired 1 h ")


@pytest.mark.parametrize(("left", "sign"), [(60, "ok"), (-60, "FAULT")])
def test_a_refresh_token_ends_by_the_servers_clock(
    user: User, server: AuthServer, left: float, sign: str
) -> None:
    """The server is two hours behind: what counts is how long its tokens last from the login on."""
    user.describe(server)
    came_in_at = time.time() - 600
    there = came_in_at - 7200
    access, refresh = (make_jwt({"iat": there, "exp": there + age}) for age in (300, 600 + left))
    user.save_token(with_values(Token(access, refresh), received_at=came_in_at))
    assert examine(user).is_healthy_but_for(token=sign)


@pytest.mark.parametrize(
    "exp",
    [
        "1e400",
        "NaN",
        "1" + "0" * 400,
        '"soon"',
        pytest.param("-1e400"),
        pytest.param("-1" + "0" * 400),
    ],
    ids=lambda exp: exp[:6],
)
def test_a_refresh_token_that_says_nonsense(user: User, server: AuthServer, exp: str) -> None:
    """No crash, whatever it says."""
    user.describe(server)
    user.save_token(Token("access", make_jwt(f'{{"exp": {exp}}}')))
    assert set(examine(user).findings) == set(HEALTHY)


def _readable_by_others(user: User) -> None:
    user.token_file.chmod(0o644)


def _garbage(user: User) -> None:
    user.token_file.write_text("hunter2", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "lock"), [(_readable_by_others, "FAULT"), (_garbage, "ok")], ids=["mode", "garbage"]
)
def test_a_token_that_cannot_be_read(
    healthy_user: User, server: AuthServer, spoil: Callable[[User], None], lock: str
) -> None:
    """The store is in order, this entry is not: which file, and what to do with it."""
    spoil(healthy_user)
    report = examine(healthy_user)
    assert report.is_healthy_but_for(token="FAULT", lock=lock)
    assert str(healthy_user.token_file) in report.findings["token"].cause
    assert "log in again" in report.findings["token"].remedy
    assert "hunter2" not in report.text
    assert server.counters.refreshes == 0


def test_a_store_that_cannot_be_used(healthy_user: User, server: AuthServer) -> None:
    """A folder that others can change: all that needs the store is a fault, and what helps."""
    folder = healthy_user.home / "shared"
    healthy_user.describe(server, store='kind = "file"\npath = "shared/token.json"')
    folder.mkdir()
    folder.chmod(0o777)
    report = examine(healthy_user)
    assert report.is_healthy_but_for(store="FAULT", lock="FAULT", token="FAULT")
    assert f"others can change the folder {folder}" in report.findings["store"].cause
    assert report.findings["store"].remedy.endswith(f"chmod go-w {folder}")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", ["load", "clear"])
def test_a_store_that_does_not_do_what_it_says(
    healthy_user: User, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """What is written must be there, and what is cleared must be gone."""
    monkeypatch.setattr(FileStore, verb, lambda _store: None)
    report = examine(healthy_user)
    assert report.signs()["store"] == "FAULT"
    assert report.findings["store"].cause.endswith("does not keep what is written")


def test_a_locked_keyring(user: User, server: AuthServer, secret_service: SecretService) -> None:
    """Store and token are faults; the remedy is to unlock it, and that no token is lost."""
    secret_service.unlock()
    user.describe(server, store='kind = "keyring"\nservice = "doctor-test"')
    store = KeyringStore("doctor-test", "prod")
    store.save(with_expiry(server.login()))
    secret_service.lock()
    try:
        report = examine(user)
    finally:
        secret_service.unlock()
    assert report.is_healthy_but_for(store="FAULT", token="FAULT")
    remedy = report.findings["store"].remedy
    assert remedy.startswith("what it holds is safe; unlock it")
    assert examine(user).is_healthy_but_for()
    store.clear()


def test_no_keyring(user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without one: what to install, or to use instead."""
    use_keyring(monkeypatch, fail_backend())
    user.describe(server, store='kind = "keyring"')
    report = examine(user)
    assert report.is_healthy_but_for(store="FAULT", token="FAULT")
    assert "there is no keyring on this machine" in report.findings["store"].cause
    assert "install and start a keyring" in report.findings["store"].remedy


def test_no_keyring_in_the_words_of_a_profile(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to use instead is said as it stands in a profile."""
    use_keyring(monkeypatch, fail_backend())
    user.describe(server, store='kind = "keyring"')
    report = examine(user)
    assert "MemoryStore" not in report.text
    command = "keep the token in a file, with: requests-jwt login prod --store file"
    assert command in report.findings["store"].remedy


class PlaintextKeyring(KeyringBackend):
    """One that is not used."""

    get_password = set_password = fail.Keyring.get_password


def test_a_plaintext_keyring_in_the_words_of_a_profile(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is how to accept one that others can read."""
    use_keyring(monkeypatch, PlaintextKeyring())  # type: ignore[no-untyped-call]
    user.describe(server, store='kind = "keyring"')
    remedy = examine(user).findings["store"].remedy
    assert "accept this one with allow_plaintext = true in [prod.store], or" in remedy
    _, remedy = user.run("token", "prod").cause_and_remedy()
    assert "accept this one with allow_plaintext = true in [prod.store], or" in remedy


def test_a_lock_that_is_held(healthy_user: User) -> None:
    """Another program may be refreshing just now: a note, not a fault."""
    with healthy_user.store.lock(1):
        report = check_within(healthy_user, lock_timeout=0.05)
    assert report.is_healthy_but_for(lock="note")
    assert report.findings["lock"].cause == "another program has held it for 0.05 s"
    assert report.findings["lock"].remedy
    assert examine(healthy_user).is_healthy_but_for()


def test_a_clients_secret(user: User, server: AuthServer) -> None:
    """A profile that needs one: whether it is there, and not what it is."""
    user.describe(server, WITH_SECRET)
    user.save_token(with_expiry(server.login()))
    file = user.home / "secret.txt"
    report = examine(user)
    assert report.is_healthy_but_for(secret="FAULT")
    assert str(file) in report.findings["secret"].cause
    assert report.findings["secret"].remedy == "put the secret there, and nothing else"
    file.write_text("s3cr3t\n", encoding="utf-8")
    report = examine(user)
    assert report.is_healthy_but_for(secret="ok")
    assert "s3cr3t" not in report.text


def test_a_redis_that_is_down(healthy_user: User, server: AuthServer) -> None:
    """All that needs the store is a fault; the password in url_file is not shown."""
    pytest.importorskip("redis")
    (healthy_user.home / "redis.txt").write_text(f"redis://:hunter2@127.0.0.1:{find_closed_port()}")
    healthy_user.describe(server, store='kind = "redis"\nurl_file = "redis.txt"\nkey = "k"')
    report = examine(healthy_user)
    assert report.is_healthy_but_for(store="FAULT", lock="FAULT", token="FAULT")
    assert "hunter2" not in report.text


def test_a_path_that_stands_twice(healthy_user: User, server: AuthServer) -> None:
    """A base URL that repeats an endpoint's path: `init` says so, and the doctor does."""
    base = ("--base-url", f"{server.url}/auth", "--preset", "directus", "--path", "t.json")
    done = healthy_user.run("init", "b.c", *base)
    remedy = f'if the base URL is {server.url}: write base_url = "{server.url}" into ["b.c"] in '
    for said in (done.err, healthy_user.run("doctor", "b.c").out):
        assert f"/auth stands twice in the refresh URL {server.url}/auth/auth/refresh" in said
        assert f"{remedy}{healthy_user.file}" in said
    done = healthy_user.run("init", "good", "--base-url", server.url, *base[2:])
    assert done.err == ""
    assert "stands twice" not in healthy_user.run("doctor", "good").out
