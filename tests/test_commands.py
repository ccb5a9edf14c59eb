"""init, profiles, status, token, refresh, logout: what they do, print and exit with.

The other tests of commands take their set-up from here.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import io
import json
import os
import re
import select
import stat
import subprocess
import sys
import sysconfig
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs

import pytest

from requests_jwt_refresh.cli import main as cli
from requests_jwt_refresh.cli.words import refresh_token_ends
from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.testing import AuthServer, Counters, Status
from requests_jwt_refresh.tokens import Token, with_expiry, with_received_at
from tests.support.secret_service import running_secret_service, secret_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    from tests.support.secret_service import SecretService

__all__ = ["running_secret_service", "secret_service"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and terminals")

SCRIPT = str(Path(sysconfig.get_path("scripts"), "requests-jwt"))
WAIT = 60.0  # seconds; only ever passed by a failing test
API = "https://api.example.com"
OTHER_API = "https://b.example.com"
INIT = ("init", "prod", "--base-url", API)

JSON_REFRESH = 'kind = "json"\nurl = "/auth/refresh"'
OAUTH2_REFRESH = 'kind = "oauth2"\nurl = "/auth/refresh"\nclient_id = "tv"'
WITH_SECRET = f'{OAUTH2_REFRESH}\nclient_auth = "basic"\nclient_secret_file = "secret.txt"'

# A way to drop a controlling terminal on a program, whose process it then is.
_ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Said(NamedTuple):
    """What a command has said, and its exit status."""

    status: int
    out: str
    err: str

    def cause_and_remedy(self) -> tuple[str, str]:
        """Return the two lines on stderr, which there must be, and nothing else."""
        lines = self.err.splitlines()
        assert len(lines) == 2, self.err
        assert self.err.endswith("\n")
        assert all(line.startswith("requests-jwt: ") for line in lines), self.err
        cause, remedy = (line.removeprefix("requests-jwt: ") for line in lines)
        return cause, remedy


class User:
    """Somebody with a file of profiles and a shell. The store is a file, unless told otherwise."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = home
        self.file = home / "profiles.toml"
        self.token_file = home / "token.json"
        self._monkeypatch, self._capsys = monkeypatch, capsys

    @property
    def store(self) -> FileStore:
        return FileStore(self.token_file)

    @property
    def held(self) -> Token:
        """The token in the store."""
        token = self.store.load()
        assert token is not None
        return token

    def describe(self, server: AuthServer, refresh: str = JSON_REFRESH, **tables: str) -> None:
        """Write the profile "prod", with a file store and these tables besides."""
        tables = {"store": 'kind = "file"\npath = "token.json"', **tables}
        parts = [f'[prod]\nbase_url = "{server.url}"\nrefresh_timeout = 10\n']
        parts += [
            f"[prod.{name}]\n{text}\n" for name, text in {"refresh": refresh, **tables}.items()
        ]
        self.file.write_text("\n".join(parts), encoding="utf-8")

    def holds(self, token: Token) -> Token:
        """Let the store hold a token."""
        self.store.save(token)
        return token

    def run(self, *arguments: str, typed: str = "") -> Said:
        """Run a command in this process, with `typed` on a standard input that is no terminal."""
        gc.collect()  # each command is a program of its own, which shares no memory with others
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        self._capsys.readouterr()
        try:
            status = cli.main(list(arguments))
        except SystemExit as left:
            status = int(left.code or 0)
        return Said(status, *self._capsys.readouterr())


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> User:
    """A user without profiles, and nothing in the environment that would lead elsewhere."""
    somebody = User(tmp_path, monkeypatch, capsys)
    for name in list(os.environ):
        if name.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("REQUESTS_JWT_PROFILES_TOML", raising=False)
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(somebody.file))
    monkeypatch.setattr("requests_jwt_refresh.cli.words.COLUMNS", 1000)  # nothing is wrapped
    return somebody


def start(*arguments: str, stdin: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start a command as a program of its own."""
    return subprocess.Popen(
        [SCRIPT, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str], typed: str = "") -> Said:
    """Wait for a program that was started."""
    try:
        out, err = process.communicate(typed, timeout=WAIT)
    finally:
        process.kill()
    return Said(process.returncode, out, err)


class Terminal:
    """A program on a terminal, and somebody who reads and types there. A context manager."""

    def __init__(self, *command: str) -> None:
        import pty

        self._ours, theirs = pty.openpty()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _ON_A_TERMINAL, *command],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self.shown = ""
        self._read_until = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(WAIT)
        os.close(self._ours)

    def expect(self, text: str) -> None:
        """Read on until `text` is there."""
        deadline = time.monotonic() + WAIT
        while (found := self.shown.find(text, self._read_until)) < 0:
            assert self._reads_more(deadline), f"{text!r} never came: {self.shown!r}"
        self._read_until = found + len(text)

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def press(self, key: bytes) -> None:
        os.write(self._ours, key)

    def answer(self, question: str, line: str) -> None:
        self.expect(question)
        self.type(line)

    def end(self) -> int:
        """Read to the end and return the exit status."""
        deadline = time.monotonic() + WAIT
        while self._reads_more(deadline):
            pass
        return self.process.wait(WAIT)

    def _reads_more(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing more came: {self.shown!r}"
        try:
            more = os.read(self._ours, 65536)
        except OSError:  # how Linux says that nobody has the other side open
            return False
        self.shown += more.decode(errors="replace")
        return bool(more)


def impatient(user: User) -> None:
    """Let the profile wait for no longer than a moment, so that nothing that is sent comes back."""
    text = user.file.read_text(encoding="utf-8")
    assert "refresh_timeout = 10\n" in text
    text = text.replace("refresh_timeout = 10\n", "refresh_timeout = 0.1\n")
    user.file.write_text(text, encoding="utf-8")


def end_without(stream: str, *arguments: str) -> Said:
    """Run a command as a program of its own with 0, 1 or 2 closed: its input, output or errors."""
    command = ["sh", "-c", f'exec "$@" {stream}>&-', "sh", SCRIPT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def jwt(claims: object) -> str:
    """Return a JWT with these claims, or with this text in their place; nobody has signed it."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    payload = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJl"


def aged(token: Token, *, left: float, ago: float) -> Token:
    """Return a token that came in `ago` seconds ago and has `left` seconds to live."""
    now = time.time()
    return with_received_at(replace(token, expires_at=now + left), now - ago)


def expired(server: AuthServer) -> Token:
    """Return a token whose access part is over, here and there."""
    token = aged(server.login(), left=-1, ago=300)
    server.expire()
    return token


def body_of(server: AuthServer, kind: str) -> dict[str, Any]:
    """Return the JSON of the only request of this kind."""
    (seen,) = [each for each in server.requests if each.kind == kind]
    fields: dict[str, Any] = json.loads(seen.body)
    return fields


# --- init ----------------------------------------------------------------------------------------

JSON_TABLE = {"kind": "json", "url": "/r"}
OAUTH2 = ("--kind", "oauth2", "--refresh-url", "/t")
OAUTH2_TABLE = {"kind": "oauth2", "url": "/t"}
SETUPS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "simplejwt": (("--preset", "simplejwt"), {"refresh": {"preset": "simplejwt"}}),
    "flask": (("--preset", "flask-jwt-extended"), {"refresh": {"preset": "flask-jwt-extended"}}),
    "directus": (("--preset", "directus"), {"refresh": {"preset": "directus"}}),
    "aspnetcore": (
        ("--preset", "aspnetcore-identity"),
        {"refresh": {"preset": "aspnetcore-identity"}},
    ),
    "express": (
        ("--preset", "express", "--refresh-url", "/r"),
        {"refresh": {"preset": "express", "url": "/r"}},
    ),
    "json by default": (("--refresh-url", "/r"), {"refresh": JSON_TABLE}),
    "json": (("--kind", "json", "--refresh-url", "/r"), {"refresh": JSON_TABLE}),
    "bearer": (
        ("--kind", "bearer", "--refresh-url", f"{API}/r"),
        {"refresh": {"kind": "bearer", "url": f"{API}/r"}},
    ),
    "oauth2": (OAUTH2, {"refresh": OAUTH2_TABLE}),
    "oauth2 with a secret": (
        (*OAUTH2, "--client-id", "me", "--client-auth", "post"),
        {"refresh": {**OAUTH2_TABLE, "client_id": "me", "client_auth": "post"}},
    ),
    "device": (
        (*OAUTH2, "--client-id", "tv", "--device-url", "/d", "--scope", "a b"),
        {
            "refresh": {**OAUTH2_TABLE, "client_id": "tv"},
            "device": {"url": "/d", "scope": "a b"},
        },
    ),
    "password grant, revocation": (
        (*OAUTH2, "--login-send", "oauth2", "--logout-send", "oauth2", "--logout-url", "/x"),
        {
            "refresh": OAUTH2_TABLE,
            "login": {"send": "oauth2"},
            "logout": {"send": "oauth2", "url": "/x"},
        },
    ),
    "login and logout": (
        ("--refresh-url", "/r", "--login-url", "/l", "--login-send", "form", "--logout-url", "/x"),
        {
            "refresh": JSON_TABLE,
            "login": {"send": "form", "url": "/l"},
            "logout": {"url": "/x"},
        },
    ),
    "expired": (
        ("--refresh-url", "/r", "--expired", "message=a=b c"),
        {"refresh": JSON_TABLE, "when": {"json_field": "message", "value": "a=b c"}},
    ),
    "origins": (
        ("--refresh-url", "/r", "--trusted-origin", "https://a", "--trusted-origin", "https://b"),
        {"refresh": JSON_TABLE, "trusted_origins": ["https://a", "https://b"]},
    ),
    "allow http": (
        ("--refresh-url", "http://h/r", "--allow-http"),
        {"refresh": {"kind": "json", "url": "http://h/r"}, "allow_http": True},
    ),
    "file": (
        ("--refresh-url", "/r", "--store", "file", "--path", "t.json"),
        {"refresh": JSON_TABLE, "store": {"kind": "file", "path": "t.json"}},
    ),
    "redis": (
        ("--refresh-url", "/r", "--store", "redis", "--redis", "redis://h", "--key", "k"),
        {"refresh": JSON_TABLE, "store": {"kind": "redis", "url": "redis://h", "key": "k"}},
    ),
}


@pytest.mark.parametrize(("flags", "expected"), SETUPS.values(), ids=SETUPS)
def test_init_from_flags(user: User, flags: tuple[str, ...], expected: dict[str, Any]) -> None:
    """What the flags say stands in the file, nothing besides, and makes a profile."""
    said = user.run(*INIT, *flags)
    assert (said.status, said.err) == (0, "")
    assert said.out == f"Profile 'prod' is in {user.file}\nNext: requests-jwt login prod\n"
    known = Profiles.read()
    assert known.content == {"prod": {"base_url": API, **expected}}
    assert known.profile("prod").base_url == f"{API}/"


def test_init_makes_a_private_file_in_a_private_folder(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0600 and 0700, whatever the umask; no temporary file stays."""
    folder = user.home / "new"
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(folder / "p.toml"))
    before = os.umask(0)
    try:
        assert user.run(*INIT, "--preset", "simplejwt").status == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "p.toml").stat().st_mode) == 0o600
    assert [each.name for each in folder.iterdir()] == ["p.toml"]


OTHERS = """\
# mine, and how I like it
[other]   # the old one
base_url = 'https://other.example.com'

[other.refresh]
preset = "simplejwt" # as documented
"""


@pytest.mark.parametrize("end_of_file", ["", "\n", "\n\n"])
def test_init_leaves_the_rest_of_the_file_as_it_is(user: User, end_of_file: str) -> None:
    """Comments, spaces, quotes and other profiles stay, letter by letter; so does the mode."""
    text = OTHERS.rstrip("\n") + end_of_file
    user.file.write_text(text, encoding="utf-8")
    user.file.chmod(0o640)
    assert user.run(*INIT, "--preset", "directus").status == 0
    assert user.file.read_text(encoding="utf-8").startswith(text)
    assert stat.S_IMODE(user.file.stat().st_mode) == 0o640
    known = Profiles.read()
    assert known.names == ["other", "prod"]
    assert [known.profile(name).base_url for name in known.names] == [
        "https://other.example.com/",
        f"{API}/",
    ]


def test_init_refuses_a_name_that_is_taken(user: User) -> None:
    """The file stays as it is, and --replace is what helps."""
    user.file.write_text(OTHERS, encoding="utf-8")
    said = user.run("init", "other", "--base-url", API, "--preset", "directus")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out) == (2, "")
    assert cause == f"{user.file}: profile 'other' exists already"
    assert "--replace" in remedy
    assert user.file.read_text(encoding="utf-8") == OTHERS


SCATTERED = """\
[prod]
base_url = "https://old.example.com"
trusted_origins = ["https://old.example.com"]
[other]
base_url = "https://other.example.com" # stays
[prod.refresh]
preset = "express"
url = "/r"
[other.refresh]
preset = "simplejwt"
"""


@pytest.mark.parametrize(
    "text",
    [
        SCATTERED,
        '[prod]\nbase_url = "https://old.example.com"\nrefresh = {preset = "simplejwt"}\n',
        'prod.base_url = "https://old.example.com"\nprod.refresh.preset = "simplejwt"\n',
        'prod = {base_url = "https://old.example.com"}\n',
    ],
    ids=["scattered", "tables", "dotted", "inline"],
)
def test_replace(user: User, text: str) -> None:
    """--replace leaves nothing of the old profile and everything of the others."""
    user.file.write_text(text, encoding="utf-8")
    assert user.run(*INIT, "--preset", "directus", "--replace").status == 0
    known = Profiles.read()
    expected: dict[str, Any] = {"prod": {"base_url": API, "refresh": {"preset": "directus"}}}
    if "[other]" in text:
        base_url = "https://other.example.com"
        expected["other"] = {"base_url": base_url, "refresh": {"preset": "simplejwt"}}
        assert "# stays" in user.file.read_text(encoding="utf-8")
    assert known.content == expected


def test_replace_where_there_is_nothing(user: User) -> None:
    """--replace needs no profile to replace."""
    assert user.run(*INIT, "--preset", "directus", "--replace").status == 0
    assert Profiles.read().names == ["prod"]


BAD: list[Any] = [
    (),
    ("--preset", "express"),
    ("--preset", "nonsense"),
    ("--preset", "simplejwt", "--kind", "json"),
    ("--preset", "simplejwt", "--client-id", "me"),
    ("--preset", "simplejwt", "--store", "file"),
    ("--preset", "simplejwt", "--store", "redis", "--redis", "redis://h"),
    ("--preset", "simplejwt", "--store", "file", "--path", "t", "--key", "k"),
    ("--preset", "simplejwt", "--device-url", "/d"),
    ("--preset", "simplejwt", "--logout-send", "oauth2", "--logout-url", "/x"),
    ("--preset", "simplejwt", "--login-send", "oauth2"),
    ("--preset", "simplejwt", "--trusted-origin", "https://h/path"),
    ("--refresh-url", "/r", "--login-send", "form"),
    ("--refresh-url", "//h/r"),
    ("--refresh-url", "http://h/r"),
    (*OAUTH2, "--client-auth", "basic"),
    (*OAUTH2, "--device-url", "/d"),
    (*OAUTH2, "--client-id", "tv", "--scope", "a"),
    ("--preset", "simplejwt", "--redis", "redis://h"),
    ("--preset", "simplejwt", "--store", "keyring", "--path", "t.json"),
    pytest.param(
        ("--refresh-url", "/r", "--expired", "nonsense"),
    ),
    pytest.param(
        ("--refresh-url", "/r", "--expired", "=value"),
    ),
]


@pytest.mark.parametrize("flags", BAD, ids=" ".join)
def test_flags_that_make_no_sense(user: User, flags: tuple[str, ...]) -> None:
    """Exit status 2, two lines, and the file is untouched."""
    user.file.write_text(OTHERS, encoding="utf-8")
    before = user.file.stat()
    said = user.run(*INIT, *flags)
    cause, _ = said.cause_and_remedy()
    assert (said.status, said.out) == (2, "")
    assert "json_field" not in cause  # nobody has written that
    assert user.file.read_text(encoding="utf-8") == OTHERS
    assert user.file.stat().st_ino == before.st_ino
    assert [each.name for each in user.home.iterdir()] == ["profiles.toml"]


@pytest.mark.parametrize("flags", [(), ("--preset", "simplejwt", "--store", "file")])
def test_what_helps_against_bad_flags(user: User, flags: tuple[str, ...]) -> None:
    """Nothing was written, so the remedy is not in the file but in the flags."""
    _, remedy = user.run(*INIT, *flags).cause_and_remedy()
    assert "that file" not in remedy


def test_init_repeats_no_password(user: User) -> None:
    """A URL with a password in it is refused, and not shown."""
    for flags in (
        ("--store", "redis", "--redis", "redis://:hunter2@h", "--key", "k"),
        ("--refresh-url", "https://me:hunter2@h/r"),
    ):
        said = user.run(*INIT, "--preset", "simplejwt", *flags)
        said.cause_and_remedy()
        assert said.status == 2
        assert "hunter2" not in said.err


@pytest.mark.parametrize("name", ["", "a b", ".a", "a/b", "a\nb", "\x1b[31m"])
def test_names_that_are_none(user: User, name: str) -> None:
    """A name is fit for a shell: letters, digits and three signs."""
    said = user.run("init", name, "--base-url", API, "--preset", "simplejwt")
    said.cause_and_remedy()
    assert (said.status, user.file.exists()) == (2, False)
    assert "\x1b" not in said.err


def test_init_into_a_file_that_is_not_toml(user: User) -> None:
    """It is left as it is: exit status 2."""
    user.file.write_text("[prod\n", encoding="utf-8")
    said = user.run("init", "new", "--base-url", API, "--preset", "simplejwt", "--replace")
    said.cause_and_remedy()
    assert (said.status, user.file.read_text(encoding="utf-8")) == (2, "[prod\n")


def test_init_where_nobody_can_write(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be: exit status 2, and which path it was."""
    user.file.write_text(OTHERS, encoding="utf-8")
    place = user.file / "below" / "p.toml"
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(place))
    said = user.run(*INIT, "--preset", "simplejwt")
    cause, _ = said.cause_and_remedy()
    assert said.status == 2
    assert str(place) in cause


def test_init_with_profiles_in_the_environment(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are no file, there is none to write: the variable is named."""
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", OTHERS)
    said = user.run(*INIT, "--preset", "simplejwt")
    _, remedy = said.cause_and_remedy()
    assert (said.status, user.file.exists()) == (2, False)
    assert remedy == "unset REQUESTS_JWT_PROFILES_TOML"


@pytest.mark.parametrize("dangling", [False, True])
def test_a_linked_file_stays_a_link(user: User, dangling: bool) -> None:
    """People keep such files in git and link to them: what is written is the linked one."""
    real = user.home / "dotfiles" / "p.toml"
    real.parent.mkdir()
    if not dangling:
        real.write_text(OTHERS, encoding="utf-8")
    user.file.symlink_to("dotfiles/p.toml")
    assert user.run(*INIT, "--preset", "simplejwt").status == 0
    assert user.file.is_symlink()
    assert Profiles.read(real).names == (["prod"] if dangling else ["other", "prod"])


def test_inits_at_the_same_time(user: User) -> None:
    """None is lost of several processes that add a profile each."""
    names = {f"p{n}" for n in range(8)}
    started = [start("init", name, "--base-url", API, "--preset", "simplejwt") for name in names]
    ended = [end(each) for each in started]
    assert {(each.status, each.err) for each in ended} == {(0, "")}
    known = Profiles.read(user.file)
    assert set(known.names) == names
    assert {known.profile(name).base_url for name in names} == {f"{API}/"}


def test_init_needs_somebody_to_ask(user: User) -> None:
    """Without --base-url and a terminal: exit status 2, and nothing waits."""
    said = user.run("init", "prod", typed="https://api.example.com\n")
    cause, _ = said.cause_and_remedy()
    assert (said.status, cause, user.file.exists()) == (2, "--base-url is missing", False)


def test_init_by_asking(user: User) -> None:
    """In a terminal it asks one thing after the other; wrong answers are asked again."""
    with Terminal(SCRIPT, "init", "prod") as terminal:
        terminal.answer("Base URL of the API: ", "nonsense")
        terminal.expect("has no scheme: write https://...")
        terminal.answer("Base URL of the API: ", API)
        terminal.expect("express")
        terminal.answer("[json]: ", "cobol")
        terminal.expect("it is one of those above")
        terminal.answer("[json]: ", "drectus")
        terminal.expect("did you mean 'directus'?")
        terminal.answer("[json]: ", "")
        terminal.answer("Refresh endpoint, such as /auth/refresh: ", "")
        terminal.expect("this is needed")
        terminal.answer("Refresh endpoint, such as /auth/refresh: ", "/r")
        terminal.answer("empty for none: ", "/l")
        terminal.answer("empty: any 401: ", "message=Invalid JWT")
        terminal.answer("Logout endpoint; empty for none: ", "")
        assert terminal.end() == 0
    assert terminal.shown.endswith("Next: requests-jwt login prod\r\n")
    assert Profiles.read(user.file).content == {
        "prod": {
            "base_url": API,
            "refresh": JSON_TABLE,
            "when": {"json_field": "message", "value": "Invalid JWT"},
            "login": {"url": "/l"},
        }
    }


def test_init_asks_what_a_preset_leaves_open(user: User) -> None:
    """A known server needs few answers; what a flag has said is not asked."""
    with Terminal(SCRIPT, "init", "prod", "--store", "file", "--path", "t") as terminal:
        terminal.answer("Base URL of the API: ", API)
        terminal.answer("[json]: ", "simplejwt")
        terminal.answer("Logout endpoint; empty for none: ", "/x/")
        assert terminal.end() == 0
    assert terminal.shown.count(": ") >= 3
    assert Profiles.read(user.file).content["prod"] == {
        "base_url": API,
        "refresh": {"preset": "simplejwt"},
        "logout": {"url": "/x/"},
        "store": {"kind": "file", "path": "t"},
    }


def test_init_asks_for_a_device_flow(user: User) -> None:
    """OAuth 2.0: the client's id and where devices log in, and then no login endpoint."""
    with Terminal(SCRIPT, "init", "prod", "--kind", "oauth2") as terminal:
        terminal.answer("Base URL of the API: ", API)
        terminal.answer("such as /auth/refresh: ", "/t")
        terminal.answer("Client id: ", "tv")
        terminal.answer("(none, basic, post) [none]: ", "")
        terminal.answer("Device authorization endpoint, if there is one: ", "/d")
        terminal.answer("empty: any 401: ", "")
        terminal.answer("Logout endpoint; empty for none: ", "")
        assert terminal.end() == 0
    assert Profiles.read(user.file).content["prod"] == {
        "base_url": API,
        "refresh": {**OAUTH2_TABLE, "client_id": "tv"},
        "device": {"url": "/d"},
    }


def test_nobody_answers(user: User) -> None:
    """Ctrl-D: exit status 2 and nothing written."""
    with Terminal(SCRIPT, "init", "prod") as terminal:
        terminal.answer("Base URL of the API: ", API)
        terminal.expect("[json]: ")
        terminal.press(b"\x04")
        assert terminal.end() == 2
    assert "an answer is needed, and nobody gave one" in terminal.shown
    assert not user.file.exists()


def test_init_asks_under_allow_http(user: User) -> None:
    """Who says --allow-http may answer with http."""
    with Terminal(SCRIPT, "init", "prod", "--preset", "simplejwt", "--allow-http") as terminal:
        terminal.answer("Base URL of the API: ", "http://intranet.example.com")
        terminal.answer(": ", "")  # the logout endpoint, or the same question again
        terminal.press(b"\x04")
        assert terminal.end() == 0
    assert user.file.exists()


def test_init_asks_what_no_option_says(user: User) -> None:
    """--help: "In a terminal it asks for what is missing"."""
    with Terminal(SCRIPT, *INIT) as terminal:
        terminal.expect("[json]: ")
        terminal.press(b"\x04")
        assert terminal.end() == 2
    assert "Server [json]: " in terminal.shown
    assert not user.file.exists()


# --- profiles ------------------------------------------------------------------------------------

TWO = f"""\
[good]
base_url = "{API}"
refresh = {{preset = "simplejwt"}}
store = {{kind = "file", path = "/tmp/t.json"}}

[longer-name]
base_url = "https://b.example.com"
refresh = {{preset = "simplejwt"}}
"""
FAULTY = f'{TWO}\n[bad]\nbase_url = "https://c.example.com"\n'


def test_profiles(user: User) -> None:
    """Name, API and store, a line each, in the file's order; the file itself below."""
    user.file.write_text(TWO, encoding="utf-8")
    said = user.run("profiles")
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines() == [
        f"good         {API}/  (file /tmp/t.json)",
        f"longer-name  {OTHER_API}/  (keyring, entry '{OTHER_API} (longer-name)')",
        f"in {user.file}",
    ]


def test_profiles_for_programs(user: User) -> None:
    """--names, --path and --json say one thing each."""
    user.file.write_text(TWO, encoding="utf-8")
    assert user.run("profiles", "--names") == Said(0, "good\nlonger-name\n", "")
    assert user.run("profiles", "--path") == Said(0, f"{user.file}\n", "")
    said = user.run("profiles", "--json")
    assert (said.status, said.err) == (0, "")
    shown = json.loads(said.out)
    assert shown["file"] == str(user.file)
    assert shown["profiles"][0] == {
        "name": "good",
        "base_url": f"{API}/",
        "store": "file /tmp/t.json",
        "fault": None,
    }
    assert len(shown["profiles"]) == 2


def test_a_faulty_one_among_profiles(user: User) -> None:
    """It is listed as such, the others all the same; the status is 2 and stderr says why."""
    user.file.write_text(FAULTY, encoding="utf-8")
    said = user.run("profiles")
    cause, remedy = said.cause_and_remedy()
    assert said.status == 2
    assert "bad          faulty, see below\n" in said.out
    assert f"good         {API}/" in said.out
    assert cause.startswith(f"{user.file}: profile 'bad': refresh is missing")
    assert remedy == "mend it in that file"
    said = user.run("profiles", "--json")
    said.cause_and_remedy()
    faults = [each["fault"] for each in json.loads(said.out)["profiles"]]
    assert (said.status, faults) == (2, [None, None, cause])
    assert user.run("profiles", "--names") == Said(0, "good\nlonger-name\nbad\n", "")


def test_a_file_without_profiles(user: User) -> None:
    """Nothing to list is no fault."""
    user.file.write_text("# later\n", encoding="utf-8")
    assert user.run("profiles") == Said(0, f"No profiles in {user.file}\n", "")
    assert user.run("profiles", "--names") == Said(0, "", "")
    assert json.loads(user.run("profiles", "--json").out)["profiles"] == []


def test_no_file_of_profiles(user: User) -> None:
    """Exit status 2, and how to make a first one; --path says where it would be."""
    for flags in ((), ("--names",), ("--json",)):
        said = user.run("profiles", *flags)
        assert (said.status, said.out) == (2, "")
        assert said.cause_and_remedy() == (
            f"{user.file}: there is no such file",
            "make a first profile with: requests-jwt init NAME",
        )
    assert user.run("profiles", "--path") == Said(0, f"{user.file}\n", "")


def test_names_that_no_terminal_can_bear(user: User) -> None:
    """What stands in the file cannot steer the terminal, nor look like two names."""
    user.file.write_text('["a\\u001b[31m"]\nx = 1\n["b\\nc"]\nx = 1\n', encoding="utf-8")
    for flags in ((), ("--names",), ("--json",)):
        said = user.run("profiles", *flags)
        assert "\x1b" not in said.out + said.err
        assert "c" not in said.out.splitlines()


# --- a profile that cannot be used ---------------------------------------------------------------

COMMANDS: list[tuple[str, ...]] = [
    ("status",),
    ("status", "--json"),
    ("token",),
    ("refresh",),
    ("logout",),
    ("logout", "--local"),
    ("login",),
    ("login", "--username", "alice"),
    ("login", "--refresh-token", "-"),
]
FILES = {
    "unknown": (TWO, "there is no profile 'prod'"),
    "none yet": ("", "there is no profile 'prod'"),
    "no TOML": ("[prod\n", "it is not TOML"),
    "no text": ("[prod]\n# \udcff", "it is not UTF-8 text"),
    "no refresh": (f'[prod]\nbase_url = "{API}"\n', "refresh is missing"),
    "a secret": (f'[prod]\nbase_url = "{API}"\npassword = "hunter2"\n', "looks like a secret"),
    "no table": ("prod = 1\n", "stands outside of any profile"),
    "no file": (None, "there is no such file"),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("text", "told"), FILES.values(), ids=FILES)
def test_a_profile_that_cannot_be_used(
    user: User, command: tuple[str, ...], text: str | None, told: str
) -> None:
    """Exit status 2; stderr has the file and what is wrong in one line, what helps in the other."""
    if text is not None:
        user.file.write_bytes(text.encode(errors="surrogateescape"))
    name, *flags = command
    said = user.run(name, "prod", *flags, typed="hunter2\nhunter2\n")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out) == (2, "")
    assert cause.startswith(f"{user.file}: ")
    assert told in cause
    assert remedy
    assert "hunter2" not in said.err


def test_a_folder_with_a_full_stop(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are shown whole."""
    folder = user.home / "Dr. No"
    folder.mkdir()
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(folder / "p.toml"))
    cause, _ = user.run("status", "prod").cause_and_remedy()
    assert cause == f"{folder / 'p.toml'}: there is no such file"


# --- status --------------------------------------------------------------------------------------


def rows(said: Said) -> dict[str, str]:
    """Return the table that `status` prints."""
    return {line[:15].rstrip(): line[15:] for line in said.out.splitlines()}


def test_status(user: User, server: AuthServer) -> None:
    """Who, where, and how long; no request, and no token."""
    user.describe(server)
    token = user.holds(with_expiry(server.login("bob")))
    said = user.run("status", "prod")
    shown = rows(said)
    assert (said.status, said.err) == (0, "")
    assert re.fullmatch(r"4 min 5\d s left \(until \d{4}-.*\)", shown.pop("access token"))
    assert re.fullmatch(r"\d s ago", shown.pop("last refresh"))
    assert shown == {
        "profile": f"prod, in {user.file}",
        "API": f"{server.url}/",
        "store": f"file {user.token_file}",
        "sub": "bob",
        "refresh token": "there; it does not say how long it lives",
    }
    assert no_part_of(token, said)
    assert server.counters == Counters()


def no_part_of(token: Token, said: Said) -> bool:
    """Whether nothing of a token is in what was said, the start that all JWTs share apart."""
    secrets = [each for each in (token.access, token.refresh) if each]
    parts = {part for each in secrets for part in each.split(".")[-2:]}
    return not any(part in said.out + said.err for part in parts)


def test_status_of_an_expired_token(user: User, server: AuthServer) -> None:
    """It can be refreshed, so this is logged in: exit status 0."""
    user.describe(server)
    user.holds(aged(server.login(), left=-125, ago=425))
    said = user.run("status", "prod")
    assert (said.status, said.err) == (0, "")
    assert rows(said)["access token"].startswith("over since 2 min")
    assert rows(said)["last refresh"] == "7 min 5 s ago"


def test_status_without_a_way_to_refresh(user: User, server: AuthServer) -> None:
    """An access token alone counts until its end, and no longer."""
    user.describe(server)
    user.holds(replace(aged(server.login(), left=60, ago=0), refresh=None))
    said = user.run("status", "prod")
    assert (said.status, said.err, rows(said)["refresh token"]) == (0, "", "none")
    user.holds(replace(user.held, expires_at=time.time() - 1))
    said = user.run("status", "prod")
    said.cause_and_remedy()
    assert said.status == 3


def test_status_of_nobody(user: User, server: AuthServer) -> None:
    """No token: exit status 3, and how to log in."""
    user.describe(server)
    said = user.run("status", "prod")
    assert (said.status, rows(said)["token"]) == (3, "none")
    cause, remedy = said.cause_and_remedy()
    assert cause == "profile 'prod' is not logged in"
    assert remedy.endswith(": requests-jwt login prod")


def test_status_of_opaque_tokens(user: User, server: AuthServer) -> None:
    """Without claims there is nobody to name, and perhaps no end to tell."""
    server.opaque = True
    user.describe(server)
    token = user.holds(server.login())
    said = user.run("status", "prod")
    assert said.status == 0
    assert rows(said)["access token"] == "there; it does not say how long it lives"
    assert set(rows(said)) == {"profile", "API", "store", "access token", "refresh token"}
    assert no_part_of(token, said)


def test_a_claim_with_a_long_name(user: User, server: AuthServer) -> None:
    """There is a space between the name and what it says."""
    user.describe(server)
    user.holds(Token(jwt({"preferred_username": "alice"}), "r"))
    assert "\npreferred_username alice\n" in user.run("status", "prod").out


def test_a_path_is_shown_whole(user: User, server: AuthServer) -> None:
    """Paths and URLs are there to be copied, however long they are."""
    path = user.home / ("x" * 100) / "token.json"
    user.describe(server, store=f'kind = "file"\npath = "{path}"')
    assert str(path) in end(start("status", "prod")).out


def test_status_of_an_expired_refresh_token(user: User, server: AuthServer) -> None:
    """Neither token is good any more: `status || login` must log in."""
    user.describe(server)
    user.holds(Token(jwt({}), jwt({"exp": time.time() - 60}), time.time() - 60))
    assert user.run("status", "prod").status == 3


NOW = 1_800_000_000.0  # by our clock, when the tokens came in
HOUR = 3600.0


@pytest.mark.parametrize(
    ("access", "refresh", "ends"),
    [
        (None, {}, None),
        (None, {"iat": NOW}, None),
        (None, {"exp": NOW + HOUR}, NOW + HOUR),
        ({"iat": NOW}, {"exp": NOW + HOUR, "iat": NOW}, NOW + HOUR),
        ({"iat": NOW - HOUR}, {"exp": NOW - 60, "iat": NOW - HOUR}, NOW + HOUR - 60),
        (None, {"exp": NOW - 60, "iat": NOW - HOUR}, NOW - 60),
        ({"iat": NOW + HOUR}, {"exp": NOW + 2 * HOUR, "iat": NOW + HOUR}, NOW + 2 * HOUR),
        ({"iat": NOW}, {"exp": NOW + 60, "iat": NOW - 9 * HOUR}, NOW + 60),
        ({"iat": "x"}, {"exp": NOW + HOUR, "iat": [1]}, NOW + HOUR),
    ],
    ids=[
        "silent",
        "no end",
        "no beginning",
        "same time",
        "server behind",
        "server behind, opaque",
        "server ahead",
        "not rotated",
        "nonsense",
    ],
)
def test_when_a_refresh_token_ends(
    access: dict[str, object] | None, refresh: dict[str, object], ends: float | None
) -> None:
    """Counted by the server's own clock from when the tokens came in; never before its `exp`."""
    token = Token(None if access is None else jwt(access), jwt(refresh))
    assert refresh_token_ends(with_received_at(token, NOW)) == ends
    assert refresh_token_ends(token) == refresh.get("exp")  # nobody knows when it came in


def test_when_a_refresh_token_ends_by_the_access_tokens_end() -> None:
    """Without an `iat`, the end of the access token says what the server's clock showed."""
    access, refresh = jwt({"exp": NOW - HOUR + 300}), jwt({"exp": NOW - 60})
    token = with_received_at(Token(access, refresh, NOW + 300), NOW)
    assert refresh_token_ends(token) == NOW + HOUR - 60


def test_status_where_the_servers_clock_is_behind(user: User, server: AuthServer) -> None:
    """A login that has just been made is one: exit status 0."""
    user.describe(server)
    there = time.time() - HOUR
    claims = {"iat": there, "exp": there + 600}
    user.holds(with_expiry(Token(jwt(claims), jwt(claims))))
    said = user.run("status", "prod", "--json")
    shown = json.loads(said.out)
    assert (said.status, said.err, shown["logged_in"]) == (0, "", True)
    assert 500 < shown["refresh_token"]["expires_in"] <= 600


def test_status_for_programs(user: User, server: AuthServer) -> None:
    """--json: always the same keys, numbers as numbers, and no token."""
    user.describe(server)
    ends = time.time() + 1000
    token = user.holds(
        aged(Token(server.login("bob").access, jwt({"exp": ends})), left=100, ago=200)
    )
    said = user.run("status", "prod", "--json")
    shown = json.loads(said.out)
    assert (said.status, said.err) == (0, "")
    assert 95 < shown["access_token"].pop("expires_in") <= 100
    assert 995 < shown["refresh_token"].pop("expires_in") <= 1000
    assert shown == {
        "profile": "prod",
        "file": str(user.file),
        "base_url": f"{server.url}/",
        "store": f"file {user.token_file}",
        "logged_in": True,
        "claims": {"sub": "bob"},
        "access_token": {"present": True, "expires_at": token.expires_at},
        "refresh_token": {"present": True, "expires_at": ends},
        "received_at": token.received_at,
    }
    assert no_part_of(token, said)


def test_status_of_nobody_for_programs(user: User, server: AuthServer) -> None:
    """--json: the same keys with nothing in them, and exit status 3."""
    user.describe(server)
    said = user.run("status", "prod", "--json")
    nothing = {"present": False, "expires_at": None, "expires_in": None}
    shown = json.loads(said.out)
    said.cause_and_remedy()
    assert said.status == 3
    assert (shown["logged_in"], shown["claims"], shown["received_at"]) == (False, {}, None)
    assert (shown["access_token"], shown["refresh_token"]) == (nothing, nothing)


HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202eecila\u2028"


@pytest.mark.parametrize("claim", ["sub", "preferred_username", "iss", "aud"])
@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE], {"a": HOSTILE}, {HOSTILE: 1}, "\ud800"])
def test_claims_cannot_steer_the_terminal(
    user: User, server: AuthServer, claim: str, value: object
) -> None:
    """Whatever a server writes into its token, what is printed is printable and short."""
    user.describe(server)
    user.holds(Token(jwt({claim: value, "scope": "x" * 5000}), "r"))
    for flags in ((), ("--json",)):
        said = user.run("status", "prod", *flags)
        assert said.status == 0
        assert all(line.isprintable() for line in said.out.split("\n"))
        said.out.encode()
        assert flags or max(map(len, rows(said).values())) < 200


WHENS = ["1e400", "-1e400", "NaN", "1" + "0" * 400, "-1" + "0" * 400, "1e20", "1e300", '"soon"']


@pytest.mark.parametrize("exp", WHENS, ids=lambda exp: exp[:6])
def test_times_that_make_no_sense(user: User, server: AuthServer, exp: str) -> None:
    """A refresh token may say what it likes of its end: no crash, and --json stays JSON."""
    user.describe(server)
    user.holds(Token("access", jwt(f'{{"exp": {exp}}}')))

    def not_json(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    assert user.run("status", "prod").status in (0, 3)
    said = user.run("status", "prod", "--json")
    json.loads(said.out, parse_constant=not_json)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(user: User, server: AuthServer, number: str) -> None:
    """However deep in a claim they are, --json stays JSON (RFC 8259 §6)."""
    user.describe(server)
    claims = f'{{"sub": {number}, "aud": ["a", {number}, {{"b": [{number}]}}]}}'
    user.holds(Token(jwt(claims), "r"))

    def not_json(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    said = user.run("status", "prod", "--json")
    shown = json.loads(said.out, parse_constant=not_json)["claims"]
    told = number.replace("1e999", "Infinity")
    assert shown == {"sub": told, "aud": ["a", told, {"b": [told]}]}


@pytest.mark.parametrize("seconds", [1e17, 1e300])
@pytest.mark.parametrize(
    "command",
    ["token", "refresh", "status"],
)
def test_a_token_for_ever(user: User, server: AuthServer, command: str, seconds: float) -> None:
    """expires_in may be any number: no crash."""
    user.describe(server)
    user.holds(Token("a", server.login().refresh, time.time() + seconds))
    server.lifetime = seconds
    assert user.run(command, "prod").status == 0


# --- token ---------------------------------------------------------------------------------------


def test_a_valid_token_is_printed_as_it_is(user: User, server: AuthServer) -> None:
    """The token alone on stdout, nothing on stderr, no request."""
    user.describe(server)
    token = user.holds(with_expiry(server.login()))
    assert user.run("token", "prod") == Said(0, f"{token.access}\n", "")
    assert server.counters == Counters()


def test_an_opaque_token_is_believed(user: User, server: AuthServer) -> None:
    """Where nobody says when it ends, it is printed without a request."""
    server.opaque = True
    user.describe(server)
    token = user.holds(server.login())
    assert user.run("token", "prod") == Said(0, f"{token.access}\n", "")
    assert server.counters == Counters()


def test_an_expired_token_is_refreshed(user: User, server: AuthServer) -> None:
    """One refresh; what is printed is what is stored, and the API takes it."""
    user.describe(server)
    old = user.holds(expired(server))
    said = user.run("token", "prod")
    assert (said.status, said.err, said.out) == (0, "", f"{user.held.access}\n")
    assert user.held.access != old.access
    assert server.counters == Counters(connections=1, requests=1, refreshes=1, rotated=1)
    assert user.run("token", "prod") == said
    assert server.counters.refreshes == 1


def test_a_refresh_token_alone_is_enough(user: User, server: AuthServer) -> None:
    """Without an access token there is one refresh."""
    user.describe(server)
    user.holds(Token(None, server.login().refresh))
    assert user.run("token", "prod") == Said(0, f"{user.held.access}\n", "")
    assert server.counters.rotated == 1


def _wait_until_all_refresh(started: list[subprocess.Popen[str]]) -> None:
    """Return when each has found its token expired: it refreshes in a second thread."""
    deadline = time.monotonic() + WAIT
    while not all(len(list(Path(f"/proc/{each.pid}/task").glob("*"))) > 1 for each in started):
        assert time.monotonic() < deadline, "not all of them want to refresh"
        time.sleep(0.01)  # nobody says when


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_processes_that_want_a_token_at_the_same_time(user: User, server: AuthServer) -> None:
    """Eight programs at one expiry: one refresh, and all print the same token."""
    user.describe(server)
    user.holds(expired(server))
    with server.gate(on="refresh") as gate:
        started = [start("token", "prod") for _ in range(8)]
        gate.wait_for(1, WAIT)
        _wait_until_all_refresh(started)
        gate.open()
        ended = [end(each) for each in started]
    assert ended == [Said(0, f"{user.held.access}\n", "")] * 8
    assert (server.counters.refreshes, server.counters.rotated) == (1, 1)


@pytest.mark.parametrize(("seconds", "refreshes"), [("0", 0), ("200", 0), ("1e4", 1), ("301", 1)])
def test_seconds(user: User, server: AuthServer, seconds: str, refreshes: int) -> None:
    """A token with less than --seconds left is refreshed; what comes is printed, long or not."""
    user.describe(server)
    user.holds(with_expiry(server.login()))
    assert user.run("token", "prod", "--seconds", seconds) == Said(0, f"{user.held.access}\n", "")
    assert server.counters.refreshes == refreshes


@pytest.mark.parametrize(
    ("left", "ago", "refreshes"), [(5, 295, 1), (15, 285, 0), (5, 15, 0), (1, 19, 1), (0.5, 0.5, 0)]
)
def test_a_token_is_printed_with_time_to_use_it(
    user: User, server: AuthServer, left: float, ago: float, refreshes: int
) -> None:
    """It lasts 10 s more, or a tenth of its life if it is a short one."""
    server.lifetime = left + ago
    user.describe(server)
    user.holds(aged(server.login(), left=left, ago=ago))
    assert user.run("token", "prod").status == 0
    assert server.counters.refreshes == refreshes


@pytest.mark.parametrize("seconds", ["-1", "inf", "nan", "soon", ""])
def test_seconds_that_are_none(user: User, server: AuthServer, seconds: str) -> None:
    """Exit status 2, before anything is asked."""
    user.describe(server)
    user.holds(expired(server))
    said = user.run("token", "prod", f"--seconds={seconds}")
    said.cause_and_remedy()
    assert (said.status, said.out, server.counters) == (2, "", Counters())


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_without_a_login(user: User, server: AuthServer, command: str) -> None:
    """Exit status 3, no request, and nothing on stdout that a script could take for a token."""
    user.describe(server)
    said = user.run(command, "prod")
    cause, remedy = said.cause_and_remedy()
    assert cause == "profile 'prod' is not logged in"
    assert remedy.endswith(": requests-jwt login prod")
    assert (said.status, said.out, server.counters) == (3, "", Counters())


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_with_nothing_to_refresh_by(user: User, server: AuthServer, command: str) -> None:
    """An expired access token alone: exit status 3, and it is not thrown away."""
    user.describe(server)
    token = user.holds(replace(expired(server), refresh=None))
    said = user.run(command, "prod")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out, user.held) == (3, "", token)
    assert cause.startswith("there is no refresh token")
    assert "requests-jwt login prod" in remedy


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_the_server_is_down(user: User, server: AuthServer, command: str) -> None:
    """Exit status 4, and the store is as it was."""
    user.describe(server)
    token = user.holds(expired(server))
    server.stop()
    said = user.run(command, "prod")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out, user.held) == (4, "", token)
    assert cause.startswith(f"the refresh endpoint at {server.url} could not be reached")
    assert remedy.startswith("the tokens are kept; try again later")


def test_a_valid_token_needs_no_server(user: User, server: AuthServer) -> None:
    """A server that is down does not keep anybody from a token that is good."""
    user.describe(server)
    token = user.holds(with_expiry(server.login()))
    server.stop()
    assert user.run("token", "prod") == Said(0, f"{token.access}\n", "")


@pytest.mark.parametrize("command", ["token", "refresh"])
def test_the_server_refuses(user: User, server: AuthServer, command: str) -> None:
    """Exit status 3, and the store is empty: the token is good for nothing."""
    user.describe(server)
    user.holds(expired(server))
    server.revoke()
    said = user.run(command, "prod")
    cause, remedy = said.cause_and_remedy()
    assert cause == "the server refused the refresh token (400)"
    assert remedy.endswith(": requests-jwt login prod")
    assert (said.status, said.out, user.token_file.exists()) == (3, "", False)
    assert server.counters.refused == 1


def _readable_by_others(path: Path) -> None:
    path.chmod(0o644)


def _garbage(path: Path) -> None:
    path.write_text("hunter2", encoding="utf-8")


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_readable_by_others, _garbage, _a_folder])
@pytest.mark.parametrize(
    "command", [("token",), ("refresh",), ("status",), ("status", "--json"), ("logout",)]
)
def test_a_store_that_cannot_be_read(
    user: User, server: AuthServer, command: tuple[str, ...], spoil: Callable[[Path], None]
) -> None:
    """Exit status 5, nothing shown and nothing deleted; but who logs out is not kept from it."""
    user.describe(server, logout='url = "/auth/logout"')
    user.holds(expired(server))
    spoil(user.token_file)
    name, *flags = command
    said = user.run(name, "prod", *flags)
    cause, remedy = said.cause_and_remedy()
    if name == "logout" and spoil is not _a_folder:
        assert said.status == 4  # the server was not told
        assert not user.token_file.exists()
    else:
        assert (said.status, said.out) == (5, "")
        assert user.token_file.exists()
    assert str(user.token_file) in cause
    assert remedy
    assert "hunter2" not in said.err
    assert server.counters == Counters()


def test_a_logout_that_nobody_has_to_be_told_of(user: User, server: AuthServer) -> None:
    """A token that cannot be read is forgotten, which is all there is to do."""
    user.describe(server)
    user.holds(expired(server))
    _garbage(user.token_file)
    said = user.run("logout", "prod")
    assert (said.status, said.err, user.token_file.exists()) == (0, "", False)


def test_what_helps_against_a_store_that_cannot_be_read(user: User, server: AuthServer) -> None:
    """There is a command that does what the remedy says: clear it."""
    user.describe(server)
    _garbage(user.token_file)
    user.token_file.chmod(0o600)
    assert "clear it" in user.run("token", "prod").err
    user.run("logout", "prod", "--local")
    assert not user.token_file.exists()


# --- refresh -------------------------------------------------------------------------------------


def test_refresh(user: User, server: AuthServer) -> None:
    """A token that is still good is replaced all the same; it is not shown."""
    user.describe(server)
    old = user.holds(with_expiry(server.login()))
    said = user.run("refresh", "prod")
    assert (said.status, said.err) == (0, "")
    assert re.fullmatch(r"Refreshed: 4 min 5\d s left \(until .*\)\.\n", said.out)
    assert user.held.access != old.access
    assert no_part_of(user.held, said)
    assert no_part_of(old, said)
    assert server.counters == Counters(connections=1, requests=1, refreshes=1, rotated=1)


def test_refresh_of_opaque_tokens(user: User, server: AuthServer) -> None:
    """Where nobody says how long it lives, that is left out."""
    server.opaque, server.expires_field = True, None
    user.describe(server)
    user.holds(server.login())
    assert user.run("refresh", "prod") == Said(0, "Refreshed.\n", "")


# --- logout --------------------------------------------------------------------------------------

LOGOUT = 'url = "/auth/logout"'


def logged_out(user: User) -> str:
    """Return what a logout says that has gone well."""
    return f"Logged out of prod: the token is gone from the file {user.token_file}.\n"


def test_logout(user: User, server: AuthServer) -> None:
    """The server is told, with the access token in the header; then the token is gone here."""
    user.describe(server, logout=LOGOUT)
    token = user.holds(with_expiry(server.login()))
    assert user.run("logout", "prod") == Said(0, logged_out(user), "")
    assert not user.token_file.exists()
    assert not server.family_alive(token)
    assert body_of(server, "logout") == {"refresh_token": token.refresh}
    assert server.requests[0].bearer == token.access
    assert server.counters == Counters(connections=1, requests=1, logouts=1, families_revoked=1)


def test_logout_here_alone(user: User, server: AuthServer) -> None:
    """--local, and profiles without a logout: no request."""
    for tables, flags in (({"logout": LOGOUT}, ["--local"]), ({}, [])):
        user.describe(server, **tables)
        token = user.holds(with_expiry(server.login()))
        assert user.run("logout", "prod", *flags) == Said(0, logged_out(user), "")
        assert not user.token_file.exists()
        assert server.family_alive(token)
    assert server.counters == Counters()


@pytest.mark.parametrize("down", ["stopped", "500", "404"])
def test_logout_while_the_server_is_down(user: User, server: AuthServer, down: str) -> None:
    """Forgotten here, still good there: exit status 4, which says so."""
    user.describe(server, logout=LOGOUT)
    user.holds(with_expiry(server.login()))
    if down == "stopped":
        server.stop()
    else:
        server.fail(Status(int(down)), on="logout")
    said = user.run("logout", "prod")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out) == (4, logged_out(user))
    assert cause.startswith("the server was not told: the logout endpoint ")
    assert remedy == "the token is forgotten here, but good there until it expires"
    assert not user.token_file.exists()


def test_logout_of_nobody(user: User, server: AuthServer) -> None:
    """Nothing to do is done: exit status 0, no request."""
    user.describe(server, logout=LOGOUT)
    said = user.run("logout", "prod")
    assert said == Said(0, "There is no token for prod: nothing to do.\n", "")
    assert server.counters == Counters()


def test_logout_with_an_expired_access_token(user: User, server: AuthServer) -> None:
    """Servers that want to see one get a fresh one: one refresh first."""
    user.describe(server, logout=LOGOUT)
    token = user.holds(expired(server))
    assert user.run("logout", "prod") == Said(0, logged_out(user), "")
    assert [each.kind for each in server.requests] == ["refresh", "logout"]
    assert not server.family_alive(token)
    assert not user.token_file.exists()


def test_logout_with_a_token_that_is_refused(user: User, server: AuthServer) -> None:
    """What is not good there any more needs no telling: exit status 0."""
    user.describe(server, logout=LOGOUT)
    user.holds(expired(server))
    server.revoke()
    assert user.run("logout", "prod") == Said(0, logged_out(user), "")
    assert not user.token_file.exists()


def test_logout_as_bearer(user: User, server: AuthServer) -> None:
    """send = "bearer": the refresh token in the header, no body, and no refresh before."""
    user.describe(server, logout=f'{LOGOUT}\nsend = "bearer"')
    token = user.holds(expired(server))
    assert user.run("logout", "prod") == Said(0, logged_out(user), "")
    (seen,) = server.requests
    assert (seen.kind, seen.bearer, seen.body) == ("logout", token.refresh, b"")
    assert not server.family_alive(token)


@pytest.mark.parametrize("secret", [False, True])
def test_logout_by_revocation(user: User, server: AuthServer, secret: bool) -> None:
    """RFC 7009: a form with the token, and the client shows who it is (§2.1)."""
    (user.home / "secret.txt").write_text("s3cr3t\n", encoding="utf-8")
    refresh = WITH_SECRET if secret else OAUTH2_REFRESH
    user.describe(server, refresh, logout='url = "/auth/revoke"\nsend = "oauth2"')
    token = user.holds(expired(server))
    assert user.run("logout", "prod") == Said(0, logged_out(user), "")
    (seen,) = server.requests
    client = {} if secret else {"client_id": ["tv"]}
    assert parse_qs(seen.body.decode()) == {
        "token": [token.refresh],
        "token_type_hint": ["refresh_token"],
        **client,
    }
    basic = f"Basic {base64.b64encode(b'tv:s3cr3t').decode()}"
    assert seen.headers.get("Authorization") == (basic if secret else None)
    assert not server.family_alive(token)
    assert not user.token_file.exists()


def test_logout_without_the_clients_secret(user: User, server: AuthServer) -> None:
    """The server cannot be told, but the token is forgotten here: exit status 4."""
    user.describe(server, WITH_SECRET, logout='url = "/auth/revoke"\nsend = "oauth2"')
    user.holds(expired(server))
    said = user.run("logout", "prod")
    cause, _ = said.cause_and_remedy()
    assert (said.status, user.token_file.exists()) == (4, False)
    assert "secret.txt" in cause


def test_logout_while_the_store_is_locked(user: User, server: AuthServer) -> None:
    """Exit status 5, and really nothing was changed: not here, and not there."""
    user.describe(server, logout=LOGOUT)
    token = user.holds(with_expiry(server.login()))
    impatient(user)
    with user.store.lock(5):
        said = user.run("logout", "prod")
    _, remedy = said.cause_and_remedy()
    assert (said.status, said.out, user.held, server.counters) == (5, "", token, Counters())
    assert remedy.startswith("nothing was changed")
    assert server.family_alive(token)


def test_logout_tells_the_newest_token(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody refreshes while the lock is waited for: it is their token that goes back."""
    user.describe(server, logout=LOGOUT)
    user.holds(with_expiry(server.login()))
    newest = with_expiry(server.login())
    lock = FileStore.lock

    def late(store: FileStore, timeout: float) -> contextlib.AbstractContextManager[None]:
        store.save(newest)
        return lock(store, timeout)

    monkeypatch.setattr(FileStore, "lock", late)
    assert user.run("logout", "prod") == Said(0, logged_out(user), "")
    assert body_of(server, "logout") == {"refresh_token": newest.refresh}
    assert server.requests[0].bearer == newest.access


def test_logout_tells_a_token_that_could_not_be_saved(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, but what has just been fetched is what the server takes back."""
    user.describe(server, logout=LOGOUT)
    old = user.holds(expired(server))
    save = FileStore.save

    def full(store: FileStore, token: Token) -> None:
        if token != old:
            raise StoreError("the disk is full")
        save(store, token)

    monkeypatch.setattr(FileStore, "save", full)
    assert user.run("logout", "prod") == Said(0, logged_out(user), "")
    assert body_of(server, "logout")["refresh_token"] != old.refresh
    assert (server.counters.reuse, server.counters.logouts) == (0, 1)


def test_logout_from_a_store_that_cannot_be_cleared(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 5, and nobody hears that nothing was changed: the server has been told."""
    user.describe(server, logout=LOGOUT)
    token = user.holds(with_expiry(server.login()))

    def clear(_store: FileStore) -> None:
        raise StoreError("the disk is broken. Nothing was changed; mend it")

    monkeypatch.setattr(FileStore, "clear", clear)
    said = user.run("logout", "prod")
    cause, remedy = said.cause_and_remedy()
    assert (said.status, said.out, user.held) == (5, "", token)
    assert cause == "the server was told, but the token is still here: the disk is broken"
    assert remedy.startswith("it is not good any more")
    assert not server.family_alive(token)
    for flags, tables in ((["--local"], {"logout": LOGOUT}), ([], {})):
        user.describe(server, **tables)
        said = user.run("logout", "prod", *flags)
        assert (said.status, said.cause_and_remedy()) == (
            5,
            ("the disk is broken", "nothing was changed; mend it"),
        )


# --- closed streams, and what they cannot show ---------------------------------------------------


def test_without_standard_input(user: User, server: AuthServer) -> None:
    """<&- is an input that has nothing: exit status 2, two lines."""
    user.describe(server, login='url = "/auth/login"')
    for command in (("login", "prod"), ("init", "new")):
        said = end_without("0", *command)
        said.cause_and_remedy()
        assert (said.status, said.out) == (2, "")
    assert server.counters == Counters()


def test_without_standard_error(user: User, server: AuthServer) -> None:
    """2>&-: nobody hears of it, but what is done and the exit status are the same."""
    device = 'url = "/auth/device"\ntoken_url = "/auth/token"'
    server.device_lifetime = 0.01
    user.describe(server, OAUTH2_REFRESH, device=device)
    assert end_without("2", "login", "prod") == Said(3, "", "")
    assert server.counters.requests == 2
    assert end_without("2", "status", "prod").status == 3
    assert end_without("2", "nonsense") == Said(2, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.usefixtures("user")
def test_nowhere_to_complain() -> None:
    """Errors that cannot be written change no exit status."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>/dev/full', "sh", SCRIPT, "status", "prod"],
        capture_output=True,
        timeout=WAIT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_token_that_goes_nowhere(user: User, server: AuthServer) -> None:
    """>&- is a fault where the output is all that is wanted: exit status 1, and no request."""
    user.describe(server)
    user.holds(expired(server))
    said = end_without("1", "token", "prod")
    cause, _ = said.cause_and_remedy()
    assert (said.status, server.counters) == (1, Counters())
    assert cause.startswith("what was to be said cannot be written")
    assert end_without("1", "refresh", "prod") == Said(0, "", "")


def test_a_path_that_stdout_has_no_signs_for(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is escaped, and not the end of the program."""
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    user.describe(server, store='kind = "file"\npath = "Zoë.json"')
    said = end(start("status", "prod"))
    assert (said.status, "Zo\\xeb.json" in said.out) == (3, True)
    said.cause_and_remedy()


# --- all of it -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _whole_life(user: User, server: AuthServer, *store: str) -> Iterator[None]:
    """Go through a login from its beginning to its end; yield while it is logged in."""

    def done(*arguments: str, typed: str = "") -> str:
        said = end(start(*arguments), typed)
        assert (said.status, said.err) == (0, ""), said
        return said.out

    urls = ("--refresh-url", "/auth/refresh", "--login-url", "/auth/login")
    flags = ("--base-url", server.url, *urls, "--logout-url", "/auth/logout", *store)
    assert "Next: requests-jwt login prod" in done("init", "prod", *flags)
    assert done("profiles", "--names") == "prod\n"
    assert end(start("status", "prod")).status == 3
    assert "Logged in to prod as bob.\n" in done("login", "prod", typed="bob\nhunter2\n")
    assert json.loads(done("status", "prod", "--json"))["claims"] == {"sub": "bob"}
    first = done("token", "prod")
    assert done("refresh", "prod").startswith("Refreshed: ")
    assert done("token", "prod") != first
    yield
    assert done("logout", "prod").startswith("Logged out of prod: ")
    assert end(start("token", "prod")).status == 3
    assert server.counters == Counters(
        connections=3,
        requests=3,
        logins=1,
        refreshes=1,
        rotated=1,
        logouts=1,
        families_revoked=1,
    )
    assert "hunter2" not in user.file.read_text(encoding="utf-8")


def test_a_whole_life_in_a_file(user: User, server: AuthServer) -> None:
    """From init to logout, each command a program of its own: four requests would be too many."""
    with _whole_life(user, server, "--store", "file", "--path", "token.json"):
        assert stat.S_IMODE(user.token_file.stat().st_mode) == 0o600
    assert not user.token_file.exists()


def test_a_whole_life_in_the_keyring(
    user: User, server: AuthServer, secret_service: SecretService
) -> None:
    """The same where init leaves it by default: in a real keyring, and in no file."""
    secret_service.unlock()
    with _whole_life(user, server):
        assert [each.name for each in user.home.iterdir()] == ["profiles.toml"]


def test_a_locked_keyring(user: User, server: AuthServer, secret_service: SecretService) -> None:
    """Exit status 5, and what helps; the token is there again when it is unlocked."""
    user.describe(server, store='kind = "keyring"', login='url = "/auth/login"')
    assert user.run("login", "prod", typed="bob\nhunter2\n").status == 0
    secret_service.lock()
    try:
        for command in ("token", "status", "refresh", "logout"):
            said = user.run(command, "prod")
            cause, remedy = said.cause_and_remedy()
            assert (said.status, said.out) == (5, "")
            assert "keyring" in cause
            assert remedy.startswith("the keyring is locked; what it holds is safe")
    finally:
        secret_service.unlock()
    assert user.run("token", "prod").status == 0
    assert user.run("logout", "prod").status == 0
