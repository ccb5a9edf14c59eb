"""doctor: each fault on its own, what is said of it, and what it leaves alone."""

from __future__ import annotations

import ast
import datetime as dt
import ipaddress
import re
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import keyring.core
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail

import requests_jwt_refresh
from requests_jwt_refresh.cli import exits
from requests_jwt_refresh.cli.exits import cause_and_remedy
from requests_jwt_refresh.errors import ProfileError, StoreError
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.stores.keyring import KeyringStore
from requests_jwt_refresh.testing import (
    AuthServer,
    Counters,
    Drop,
    Hang,
    Huge,
    Redirect,
    Status,
    Trickle,
)
from requests_jwt_refresh.tokens import Token, with_expiry, with_received_at
from tests.support.secret_service import running_secret_service, secret_service
from tests.test_commands import WITH_SECRET, User, expired, jwt, pytestmark, user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.secret_service import SecretService

__all__ = ["pytestmark", "running_secret_service", "secret_service", "user"]  # fixtures, skips

HEALTHY = dict.fromkeys(("profile", "store", "lock", "token", "endpoint", "clock"), "ok")


class Finding(NamedTuple):
    """What doctor says of one thing."""

    sign: str
    told: str
    remedy: str


class Report(NamedTuple):
    """All that doctor says."""

    status: int
    findings: dict[str, Finding]
    text: str

    def signs(self) -> dict[str, str]:
        return {what: finding.sign for what, finding in self.findings.items()}

    def is_healthy_but_for(self, **signs: str) -> bool:
        """Whether all is well but these; the exit status and the last line say the same."""
        faults = sum(sign == "FAULT" for sign in signs.values())
        number = f"{faults} fault{'s' * (faults > 1)}" if faults else "No fault"
        assert self.signs() == {**HEALTHY, **signs}, self.text
        assert self.text.endswith(f"\n{number} found.\n")
        assert self.status == (1 if faults else 0)
        return True


def examine(user: User) -> Report:
    """Run doctor and read its table."""
    said = user.run("doctor", "prod")
    assert said.err == ""
    assert all(line.isprintable() for line in said.out.split("\n"))
    findings: dict[str, Finding] = {}
    what = ""
    for line in said.out.splitlines()[:-1]:
        sign, name, told = line[:6].strip(), line[6:16].strip(), line[16:]
        if sign:
            what = name
            assert what not in findings
            findings[what] = Finding(sign, told, "")
        else:
            assert told.startswith("-> ")
            findings[what] = findings[what]._replace(remedy=told.removeprefix("-> "))
    assert all(each.remedy for each in findings.values() if each.sign == "FAULT"), "what helps?"
    return Report(said.status, findings, said.out)


@pytest.fixture
def well(user: User, server: AuthServer) -> User:
    """A user who is logged in, with nothing wrong."""
    user.describe(server)
    user.holds(with_expiry(server.login()))
    return user


# --- All is well ---------------------------------------------------------------------------------


def test_all_is_well(well: User, server: AuthServer) -> None:
    """Exit status 0, and each check tells what it has found."""
    report = examine(well)
    assert report.is_healthy_but_for()
    assert {what: finding.told for what, finding in report.findings.items()} == {
        "profile": f"prod, in {well.file}",
        "store": f"file {well.token_file}: written, read, cleared",
        "lock": "free",
        "token": "there is a refresh token",
        "endpoint": f"{server.url}/auth/refresh answers",
        "clock": "agrees with the server's",
    }


def test_nothing_is_touched(well: User, server: AuthServer) -> None:
    """The token's entry stays as it is, the probe is gone; the server sees no token, no refresh."""
    before = (well.token_file.read_bytes(), well.token_file.stat())
    token = well.held
    report = examine(well)
    after = (well.token_file.read_bytes(), well.token_file.stat())
    assert before == after
    assert {each.name for each in well.home.iterdir()} == {
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
    """It will be refreshed, by somebody else than doctor."""
    user.describe(server)
    token = user.holds(expired(server))
    assert examine(user).is_healthy_but_for()
    assert user.held == token


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
    assert report.findings["store"].told == (
        "keyring, entry 'doctor-test (prod)': written, read, cleared"
    )
    assert store.load() == token
    assert KeyringStore("doctor-test", "prod doctor").load() is None
    store.clear()


# --- Here ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told", "remedy"),
    [
        (None, "there is no such file", "requests-jwt init prod"),
        ("", "there is no profile 'prod'", "requests-jwt init prod"),
        ("[prod\n", "it is not TOML", "that file"),
        ('[prod]\nbase_url = "https://h"\n', "refresh is missing", "that file"),
        ('[prod]\nbase_url = "https://h"\npassword = "hunter2"\n', "looks like a secret", "login"),
    ],
    ids=["no file", "no profile", "no TOML", "faulty", "secret"],
)
def test_a_profile_that_cannot_be_used(
    user: User, text: str | None, told: str, remedy: str
) -> None:
    """The one fault there is to find, since nothing else can be looked at: exit status 1."""
    if text is not None:
        user.file.write_text(text, encoding="utf-8")
    report = examine(user)
    assert (report.status, report.signs()) == (1, {"profile": "FAULT"})
    assert told in report.text
    assert str(user.file) in report.findings["profile"].told
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
        (_a_folder, "Name a file that you can read in REQUESTS_JWT_PROFILES"),
        (_another_name, "to see all profiles: requests-jwt profiles"),
        (_no_text, "mend it in that file"),
    ],
)
def test_a_remedy_fits_its_fault(user: User, make: Callable[[Path], None], remedy: str) -> None:
    """Nothing is to be mended in a file that is none, or that is in order."""
    make(user.file)
    report = examine(user)
    assert report.signs() == {"profile": "FAULT"}
    assert report.findings["profile"].remedy == remedy


@pytest.mark.parametrize("text", ["[prod\n", "[prod]\n"])
def test_profiles_in_a_variable_are_mended_there(
    user: User, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """There is no file."""
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", text)
    assert examine(user).findings["profile"].remedy == "mend it in that variable"


def test_no_token(user: User, server: AuthServer) -> None:
    """A fault, and how to log in."""
    user.describe(server)
    report = examine(user)
    assert report.is_healthy_but_for(token="FAULT")
    told = ("none: not logged in", "log in with: requests-jwt login prod")
    assert report.findings["token"][1:] == told


def test_no_refresh_token(user: User, server: AuthServer) -> None:
    """Worth a note: it works until the access token ends."""
    user.describe(server)
    user.holds(Token("access"))
    report = examine(user)
    assert report.is_healthy_but_for(token="note")
    assert report.findings["token"].remedy.endswith("requests-jwt login prod")


def test_a_refresh_token_that_is_over(user: User, server: AuthServer) -> None:
    """A fault, if it says so itself."""
    user.describe(server)
    user.holds(Token("access", jwt({"exp": time.time() - 3605})))
    report = examine(user)
    assert report.is_healthy_but_for(token="FAULT")
    assert report.findings["token"].told.startswith("the refresh token is over since 1 h ")


@pytest.mark.parametrize(("left", "sign"), [(60, "ok"), (-60, "FAULT")])
def test_a_refresh_token_ends_by_the_servers_clock(
    user: User, server: AuthServer, left: float, sign: str
) -> None:
    """The server is two hours behind: what counts is how long its tokens last from the login on."""
    user.describe(server)
    came_in_at = time.time() - 600
    there = came_in_at - 7200
    access, refresh = (jwt({"iat": there, "exp": there + age}) for age in (300, 600 + left))
    user.holds(with_received_at(Token(access, refresh), came_in_at))
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
    user.holds(Token("access", jwt(f'{{"exp": {exp}}}')))
    assert set(examine(user).findings) == set(HEALTHY)


def _readable_by_others(user: User) -> None:
    user.token_file.chmod(0o644)


def _garbage(user: User) -> None:
    user.token_file.write_text("hunter2", encoding="utf-8")


@pytest.mark.parametrize("spoil", [_readable_by_others, _garbage])
def test_a_token_that_cannot_be_read(
    well: User, server: AuthServer, spoil: Callable[[User], None]
) -> None:
    """The store is in order, this entry is not: which file, and what to do with it."""
    spoil(well)
    report = examine(well)
    assert report.is_healthy_but_for(token="FAULT")
    assert str(well.token_file) in report.findings["token"].told
    assert "log in again" in report.findings["token"].remedy
    assert "hunter2" not in report.text
    assert server.counters.refreshes == 0


def test_a_store_that_cannot_be_used(well: User, server: AuthServer) -> None:
    """A folder that others can change: all that needs the store is a fault, and what helps."""
    folder = well.home / "shared"
    well.describe(server, store='kind = "file"\npath = "shared/token.json"')
    folder.mkdir()
    folder.chmod(0o777)
    report = examine(well)
    assert report.is_healthy_but_for(store="FAULT", lock="FAULT", token="FAULT")
    assert f"others can change the folder {folder}" in report.findings["store"].told
    assert report.findings["store"].remedy.endswith(f"chmod go-w {folder}")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", ["load", "clear"])
def test_a_store_that_does_not_do_what_it_says(
    well: User, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """What is written must be there, and what is cleared must be gone."""
    monkeypatch.setattr(FileStore, verb, lambda _store: None)
    report = examine(well)
    assert report.signs()["store"] == "FAULT"
    assert report.findings["store"].told.endswith("does not keep what is written")


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
    assert remedy.startswith("The keyring is locked; what it holds is safe. Unlock it")
    assert examine(user).is_healthy_but_for()
    store.clear()


def test_no_keyring(user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without one: what to install, or to use instead."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", fail.Keyring())  # type: ignore[no-untyped-call]
    user.describe(server, store='kind = "keyring"')
    report = examine(user)
    assert report.is_healthy_but_for(store="FAULT", token="FAULT")
    assert "there is no keyring on this machine" in report.findings["store"].told
    assert "Install and start one" in report.findings["store"].remedy


def test_no_keyring_in_the_words_of_a_profile(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to use instead is said as it stands in a profile."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", fail.Keyring())  # type: ignore[no-untyped-call]
    user.describe(server, store='kind = "keyring"')
    report = examine(user)
    assert "MemoryStore" not in report.text
    assert report.findings["store"].remedy.endswith("kind = 'file' in [prod.store]")


class PlaintextKeyring(KeyringBackend):
    """One that nobody gets to use."""

    get_password = set_password = fail.Keyring.get_password


def test_a_plaintext_keyring_in_the_words_of_a_profile(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is how to accept one that anybody can read."""
    monkeypatch.setattr(keyring.core, "_keyring_backend", PlaintextKeyring())  # type: ignore[no-untyped-call]
    user.describe(server, store='kind = "keyring"')
    remedy = examine(user).findings["store"].remedy
    assert "accept this one with allow_plaintext = true in [prod.store], or" in remedy
    _, remedy = user.run("token", "prod").cause_and_remedy()
    assert "accept this one with allow_plaintext = true in [prod.store], or" in remedy


def test_a_lock_that_is_held(well: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may be refreshing just now: a note, not a fault."""
    monkeypatch.setattr("requests_jwt_refresh.cli.doctor._LOCK_WAIT", 0.05)
    with well.store.lock(1):
        report = examine(well)
    assert report.is_healthy_but_for(lock="note")
    assert report.findings["lock"].told == "another program has held it for 0.05 s"
    assert report.findings["lock"].remedy
    assert examine(well).is_healthy_but_for()


def test_a_clients_secret(user: User, server: AuthServer) -> None:
    """A profile that needs one: whether it is there, and not what it is."""
    user.describe(server, WITH_SECRET)
    user.holds(with_expiry(server.login()))
    file = user.home / "secret.txt"
    report = examine(user)
    assert report.is_healthy_but_for(secret="FAULT")
    assert str(file) in report.findings["secret"].told
    assert report.findings["secret"].remedy == "Put the secret there, alone"
    file.write_text("s3cr3t\n", encoding="utf-8")
    report = examine(user)
    assert report.is_healthy_but_for(secret="ok")
    assert "s3cr3t" not in report.text


def test_a_redis_that_is_down(well: User, server: AuthServer) -> None:
    """All that needs the store is a fault; the password in url_file is not shown."""
    pytest.importorskip("redis")
    (well.home / "redis.txt").write_text(f"redis://:hunter2@127.0.0.1:{closed_port()}")
    well.describe(server, store='kind = "redis"\nurl_file = "redis.txt"\nkey = "k"')
    report = examine(well)
    assert report.is_healthy_but_for(store="FAULT", lock="FAULT", token="FAULT")
    assert "hunter2" not in report.text


# --- Cause and remedy ----------------------------------------------------------------------------

FOLDERS = [
    "/home/My. Documents, old",
    "C:\\Users\\A. B\\x",
    "/srv/Dr. No/a. The Great: one, two",
    "/x. Use it, y. If so. It is: z. Log, in. `a. Is it. Nothing: at all",
    "/home/Name. Put, it. Make one. Install, it",
]
TEXTS = [
    ("{}/p.toml: there is no such file", "Make a first profile with: requests-jwt init prod"),
    ("{}: it cannot be read (Is a directory)", "Name a file that you can read in REQUESTS_JWT_"),
    ("{}: there is no profile 'x'; there are none yet", "Make it with: requests-jwt init x"),
    ("{}: profile 'x': a is not known: did you mean 'b'", "Known here: b, c"),
    ("{}: profile 'x': a looks like a secret", "`requests-jwt login x` asks for"),
    ("{}: it is not TOML: Invalid value (at line 1, column 5)", ""),
    ("the token file {}/t could not be written: No space left", "Nothing was changed; see to it"),
    ("others can change the folder {}, so no token", "Use a folder of your own, or: chmod go-w {}"),
    ("others can read the file {}", "If it was you who changed that: chmod 600 {}"),
    ("{} is somebody else's symbolic link, so it was not followed", "Use a path of your own"),
    ("{} is not a regular file, so it holds no token", ""),
    ("the file {}/t holds something that is not a token", "It was left as it is; clear it"),
    ("the lock {}/t.lock was not free within 2 s: another program", "Nothing was changed; try"),
    ("the lock file {}/t.lock cannot be used (Disk quota exceeded)", "Nothing was changed; see"),
    ("no place for a lock file: {} and {} cannot be written", "Nothing was changed; make one"),
    ("the secret's file {}/s could not be read: Is a directory", "Put the secret there, alone"),
    ("store.url_file cannot be used: the secret's file {} is empty", "Put the secret there, alone"),
    ("the keyring entry '{} (x)' could not be read (a.B: C)", "The keyring is locked; what it"),
    ("the keyring did not answer: is a prompt waiting for its password?", "Answer it and try"),
]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(("cause", "remedy"), TEXTS)
def test_no_path_is_taken_for_a_remedy(folder: str, cause: str, remedy: str) -> None:
    """Whatever is in it: a text is cut where it goes on with what helps."""
    cause, remedy = (each.replace("{}", folder) for each in (cause, remedy))
    text = f"{cause}{'' if cause.endswith('?') else '.'} {remedy}" if remedy else cause
    assert cause_and_remedy(text, "prod") == (cause, remedy)


def texts(module: Path) -> Iterator[str]:
    """Yield all texts in a module but docstrings and what is logged."""
    tree = ast.parse(module.read_text("utf-8"))
    logged = {
        id(below)
        for each in ast.walk(tree)
        if isinstance(each, ast.Call) and ast.unparse(each.func).startswith("logger.")
        for below in ast.walk(each)
    }
    for each in ast.walk(tree):
        if isinstance(each, ast.Expr):
            logged.add(id(each.value))
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield from () if id(each) in logged else (each.value,)


HAVE_REMEDIES = [
    "profiles",
    "tables",
    "client_secret",
    "exchange",
    "refresher",
    "replies",
    "sign_in",
]


def test_all_remedies_are_known_as_such() -> None:
    """What follows a full stop in an error's text is shown as what helps: see exits._OPENINGS."""
    package = Path(requests_jwt_refresh.__file__).parent
    modules = [package / f"{name}.py" for name in HAVE_REMEDIES]
    modules += [*(package / "stores").glob("*.py"), package / "commands" / "profiles.py"]
    found = [text for module in modules for text in texts(module) if re.search("[.] [A-Z`]", text)]
    assert len(found) > 20
    for text in found:
        assert cause_and_remedy(text)[1], text


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        ("Make a first profile", "make a first profile"),
        ("`requests-jwt login` asks", "`requests-jwt login` asks"),
        ("REQUESTS_JWT_PROFILES is", "REQUESTS_JWT_PROFILES is"),
        ("D-Bus is", "D-Bus is"),
        ("KWallet is", "KWallet is"),
    ],
)
def test_what_is_no_ordinary_word_is_not_lowered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], opening: str, told: str
) -> None:
    """It is a name, or to be typed."""
    monkeypatch.setattr(exits, "_REMEDY", re.compile(r"\. "))
    assert exits.explain(ProfileError(f"cause. {opening}, and so on"), "prod") == 2
    assert capsys.readouterr().err == f"requests-jwt: cause\nrequests-jwt: {told}, and so on\n"


def test_a_name_that_is_none_is_not_put_into_a_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """There it would be typed; and a name with a dot needs quotes in a table's header."""
    use = "there is no keyring. Install one, or use FileStore or MemoryStore instead"
    for name, shown in (("a b; c", "NAME"), (None, "NAME"), ("a.b", '"a.b"'), ("prod", "prod")):
        exits.explain(StoreError(use), name)
        assert capsys.readouterr().err.endswith(f" in [{shown}.store]\n")
    exits.explain(StoreError("something"), "a b; c")
    assert capsys.readouterr().err.endswith(": requests-jwt doctor NAME\n")


def test_two_lines_stay_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in a path, it cannot steer the terminal."""
    exits.complain("/a\nb\x1b[31m", "é")
    assert capsys.readouterr().err == "requests-jwt: /a\\nb\\x1b[31m\nrequests-jwt: é\n"


# --- Over there ----------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def without_clock(report: Report, **signs: str) -> bool:
    """Whether all is well but these, and there was no answer to read a time from."""
    assert report.signs() == {**{k: v for k, v in HEALTHY.items() if k != "clock"}, **signs}
    assert report.status == 1
    return True


def test_a_refused_connection(well: User, server: AuthServer) -> None:
    """Which server, why, and what to check."""
    server.stop()
    report = examine(well)
    assert without_clock(report, endpoint="FAULT")
    told, remedy = report.findings["endpoint"][1:]
    assert told == f"{server.url} cannot be reached (Connection refused)"
    assert remedy == "check base_url and refresh.url, and whether the server is up"


def test_a_server_that_hangs_up(well: User, server: AuthServer) -> None:
    """No answer at all."""
    server.fail(Drop(), times=None)
    report = examine(well)
    assert without_clock(report, endpoint="FAULT")
    assert "cannot be reached (" in report.findings["endpoint"].told


def test_a_server_that_hangs(
    well: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up in time, with the time that it was given."""
    monkeypatch.setattr("requests_jwt_refresh.cli.doctor._PATIENCE", 0.2)
    server.fail(Hang())
    report = examine(well)
    assert without_clock(report, endpoint="FAULT")
    assert report.findings["endpoint"].told == f"{server.url} does not answer within 0.2 s"
    assert "firewall" in report.findings["endpoint"].remedy


def test_a_server_that_trickles(
    well: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that comes byte by byte does not come within the time, either."""
    monkeypatch.setattr("requests_jwt_refresh.cli.doctor._PATIENCE", 0.2)
    server.fail(Trickle(0.01, part="header"))
    report = examine(well)
    assert without_clock(report, endpoint="FAULT")
    assert report.findings["endpoint"].told == f"{server.url} does not answer within 0.2 s"


@pytest.mark.parametrize(
    ("fault", "sign", "told", "remedy"),
    [
        (Status(404), "note", "answers 404 to a GET", "check refresh.url in the profile"),
        (Status(500), "FAULT", "answers 500", "try later"),
        (Status(503), "FAULT", "answers 503", "try later"),
        (Redirect("https://hunter2/"), "FAULT", "redirects (307), which", "give the final URL"),
        (Redirect("/x", 301), "FAULT", "redirects (301), which", "a trailing slash?"),
        (Status(401), "ok", "answers", ""),
        (Status(200), "ok", "answers", ""),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
def test_answers(
    well: User, server: AuthServer, fault: Any, sign: str, told: str, remedy: str
) -> None:
    """What the endpoint says to a GET without a token."""
    server.fail(fault, times=None)
    report = examine(well)
    assert report.is_healthy_but_for(endpoint=sign)
    assert report.findings["endpoint"].told.startswith(f"{server.url}/auth/refresh {told}")
    assert remedy in report.findings["endpoint"].remedy
    assert "hunter2" not in report.text
    assert server.counters.requests == (4 if sign == "FAULT" and "503" in told else 1)


def test_a_proxy_that_leads_nowhere(
    well: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy is named as the fault, without its password."""
    proxy = f"http://me:hunter2@127.0.0.1:{closed_port()}"
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    report = examine(well)
    assert without_clock(report, endpoint="FAULT")
    told = f"the proxy that http_proxy names does not lead to {server.url}"
    assert report.findings["endpoint"].told == told
    assert "NO_PROXY" in report.findings["endpoint"].remedy
    assert "hunter2" not in report.text


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("nonsense://me:hunter2@h:1", "cannot be used (ProxySchemeUnknown)"),
        ("me:hunter2@127.0.0.1:1", "cannot be used (InvalidProxyURL)"),
        ("http://me:hunter2@h:99999", "cannot be used (LocationParseError)"),
        ("http://me:hunter2@[::1", "cannot be used ("),  # each urllib3 has another word for it
        ("http://", "cannot be used (InvalidProxyURL)"),
    ],
)
def test_a_proxy_that_is_none(
    well: User,
    server: AuthServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    proxy: str,
    problem: str,
) -> None:
    """The variable is named, not the API's URL, nor the proxy's password."""
    monkeypatch.setenv(variable, proxy)
    monkeypatch.setenv("no_proxy", "")
    report = examine(well)
    assert without_clock(report, endpoint="FAULT")
    told = f"the proxy that {variable} names {problem}"
    assert report.findings["endpoint"].told.startswith(told)
    assert report.findings["endpoint"].remedy.startswith(f"check {variable} (")
    assert "hunter2" not in report.text
    assert server.counters.requests == 0


def test_a_socks_proxy_that_leads_nowhere(
    well: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for any other proxy; without PySocks, that it cannot be used."""
    monkeypatch.setenv("http_proxy", f"socks5://me:hunter2@127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "")
    report = examine(well)
    assert without_clock(report, endpoint="FAULT")
    told = f"the proxy that http_proxy names (does not lead to {server.url}|cannot be used .*)"
    assert re.fullmatch(told, report.findings["endpoint"].told)
    assert "hunter2" not in report.text


def test_an_answer_that_is_far_too_large(well: User, server: AuthServer) -> None:
    """The server was reached, so what it answered is the fault."""
    server.fail(Huge())
    report = examine(well)
    assert without_clock(report, endpoint="FAULT")
    told = f"the refresh endpoint at {server.url} answered with more than 1 MiB, which is no token"
    assert report.findings["endpoint"].told == told
    assert report.findings["endpoint"].remedy == "check refresh.url in the profile"


def test_a_query_is_not_shown(well: User, server: AuthServer) -> None:
    """The refresh URL's may hold a secret."""
    well.describe(server, 'kind = "json"\nurl = "/auth/refresh?key=hunter2"')
    report = examine(well)
    assert report.is_healthy_but_for()
    assert report.findings["endpoint"].told == f"{server.url}/auth/refresh answers"
    server.fail(Status(302), times=None)
    assert "hunter2" not in examine(well).text


# --- The clock -----------------------------------------------------------------------------------


def dated(date: str) -> Status:
    return Status(405, headers={"Date": date})


@pytest.mark.parametrize(
    ("ahead", "sign", "told"),
    [
        (0, "ok", "agrees with the server's"),
        (3, "ok", "agrees with the server's"),
        (-3, "ok", "agrees with the server's"),
        (3600, "note", r"59 min 5\d s behind the server's"),
        (-3600, "note", r"(59 min 5\d s|1 h|1 h \d s) ahead of the server's"),
        (10, "note", r"\d+ s behind the server's"),
        (-10, "note", r"\d+ s ahead of the server's"),
        (40 * 86400, "note", r"39 d 23 h behind the server's"),
    ],
)
def test_clocks(well: User, server: AuthServer, ahead: float, sign: str, told: str) -> None:
    """Some seconds are nothing; more are worth a note, since tokens do not depend on it."""
    server.fail(dated(formatdate(time.time() + ahead, usegmt=True)))
    report = examine(well)
    assert report.is_healthy_but_for(clock=sign)
    assert re.fullmatch(told, report.findings["clock"].told)
    assert ("NTP" in report.findings["clock"].remedy) == (sign == "note")


@pytest.mark.parametrize("date", ["", "nonsense", "Mon, 99 Foo 20000 00:00:00 GMT"])
def test_a_server_that_does_not_tell_its_time(well: User, server: AuthServer, date: str) -> None:
    """A note."""
    server.fail(dated(date))
    report = examine(well)
    assert report.signs()["clock"] == "note"
    assert report.findings["clock"].told == "the server does not tell its time"
    assert report.status == 0


def test_a_date_of_the_old_kind(
    well: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asctime's format is valid, too."""
    server.fail(dated(time.asctime(time.gmtime())))
    monkeypatch.setenv("TZ", "XYZ+7")
    time.tzset()
    try:
        report = examine(well)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert report.is_healthy_but_for()


# --- TLS -----------------------------------------------------------------------------------------


def certificate(folder: Path, days: float, host: str = "127.0.0.1") -> Path:
    """Make a certificate that is its own CA and ends in so many days; its key is in the file."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.timezone.utc)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    usage |= {"digital_signature": True, "key_cert_sign": True}
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=100))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "tls.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


class _Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


class _ClosingEndpoint(_Endpoint):
    protocol_version = "HTTP/1.0"


class _Listener(ThreadingHTTPServer):
    def handle_error(self, *_args: object) -> None:
        """Say nothing of clients that do not trust us."""


@contextmanager
def tls_server(file: Path, handler: type[_Endpoint] = _Endpoint) -> Iterator[str]:
    """Yield the URL of a server that shows the certificate in `file`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with _Listener(("127.0.0.1", 0), handler) as listener:
        listener.socket = context.wrap_socket(
            listener.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.server_address[1]}"
        finally:
            listener.shutdown()
            thread.join()


def over_tls(user: User, url: str) -> Report:
    """Examine a profile whose API is at `url`."""
    user.file.write_text(
        f'[prod]\nbase_url = "{url}"\nrefresh = {{kind = "json", url = "/auth/refresh"}}\n'
        'store = {kind = "file", path = "token.json"}\n',
        encoding="utf-8",
    )
    user.holds(Token("a", "r"))
    return examine(user)


def test_a_certificate_that_nobody_trusts(user: User) -> None:
    """Self-signed: a fault of TLS, its reason, and the variable that helps."""
    with tls_server(certificate(user.home, 90)) as url:
        report = over_tls(user, url)
    signs = {k: v for k, v in HEALTHY.items() if k not in ("endpoint", "clock")}
    assert (report.status, report.signs()) == (1, {**signs, "TLS": "FAULT"})
    assert report.findings["TLS"].told.lower() == (
        f"{url} shows a certificate that is not trusted (self-signed certificate)"
    )
    assert "REQUESTS_CA_BUNDLE=" in report.findings["TLS"].remedy


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("text", [None, "no certificate"])
def test_certificates_that_are_not_there(
    user: User, monkeypatch: pytest.MonkeyPatch, variable: str, text: str | None
) -> None:
    """The variable and the path that it names are the fault, not the API's URL."""
    file = user.home / "ca.pem"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setenv(variable, str(file))
    report = over_tls(user, f"https://127.0.0.1:{closed_port()}")
    signs = {k: v for k, v in HEALTHY.items() if k not in ("endpoint", "clock")}
    assert (report.status, report.signs()) == (1, {**signs, "TLS": "FAULT"})
    assert report.findings["TLS"].told.startswith(f"{variable} names {file}, which cannot be used")
    assert report.findings["TLS"].remedy.endswith(f"or: unset {variable}")
    assert "base_url" not in report.text


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_certificate_of_ones_own_ca(
    user: User, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """With the remedy applied all is well, and it says for how long."""
    file = certificate(user.home, 90)
    monkeypatch.setenv(variable, str(file))
    with tls_server(file) as url:
        report = over_tls(user, url)
    assert report.is_healthy_but_for(TLS="ok")
    told = r"TLSv1\.3, the certificate has 89 d 23 h left \(until .*\)"
    assert re.fullmatch(told, report.findings["TLS"].told)


def test_a_certificate_that_is_about_to_end(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two weeks before: a note, for whoever runs the server."""
    file = certificate(user.home, 13)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with tls_server(file) as url:
        report = over_tls(user, url)
    assert report.is_healthy_but_for(TLS="note")
    assert "the certificate has 12 d 23 h left" in report.findings["TLS"].told
    assert report.findings["TLS"].remedy == "tell whoever runs the server"


@pytest.mark.parametrize(
    ("days", "host", "reason"),
    [(-1, "127.0.0.1", "certificate has expired"), (90, "127.0.0.2", "IP address mismatch")],
)
def test_a_certificate_that_does_not_count(
    user: User, monkeypatch: pytest.MonkeyPatch, days: float, host: str, reason: str
) -> None:
    """Over, or another server's: the reason is told."""
    file = certificate(user.home, days, host)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with tls_server(file) as url:
        report = over_tls(user, url)
    assert (report.status, report.signs()["TLS"]) == (1, "FAULT")
    assert reason in report.findings["TLS"].told


@pytest.mark.parametrize(("days", "host"), [(-1, "127.0.0.1"), (90, "127.0.0.2")])
def test_what_helps_against_a_certificate_that_does_not_count(
    user: User, monkeypatch: pytest.MonkeyPatch, days: float, host: str
) -> None:
    """The remedy is not the one against an unknown CA."""
    file = certificate(user.home, days, host)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with tls_server(file) as url:
        report = over_tls(user, url)
    assert "REQUESTS_CA_BUNDLE" not in report.findings["TLS"].remedy


def test_tls_to_a_server_that_closes(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without keep-alive has a certificate, too."""
    file = certificate(user.home, 13)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with tls_server(file, _ClosingEndpoint) as url:
        report = over_tls(user, url)
    assert report.is_healthy_but_for(TLS="note")


def test_http_to_a_tls_server(user: User) -> None:
    """A scheme that does not fit: a fault of the endpoint."""
    with tls_server(certificate(user.home, 90)) as url:
        report = over_tls(user, url.replace("https", "http"))
    assert (report.status, report.signs()["endpoint"]) == (1, "FAULT")


def test_https_to_a_server_without_tls(user: User, server: AuthServer) -> None:
    """There is no certificate to be trusted or not, and a CA bundle would not help."""
    report = over_tls(user, server.url.replace("http", "https"))
    assert report.status == 1
    assert "certificate that is not trusted" not in report.text
