"""init: its options and its questions, the file it makes, and what it refuses."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import fields
from typing import Any

import pytest

from requests_jwt_refresh.endpoints import OAuth2Endpoint
from requests_jwt_refresh.grants.password import PasswordLogin
from requests_jwt_refresh.grants.revocation import Logout
from requests_jwt_refresh.presets import PRESET_MODULES
from requests_jwt_refresh.profiles.kinds import KINDS, STORE_KINDS
from requests_jwt_refresh.profiles.load import Profiles
from tests.support.command_line import (
    API,
    INIT,
    OAUTH2,
    SCRIPT,
    Terminal,
    User,
    end,
    needs_posix,
    start,
    user,
)
from tests.support.keyrings import DictKeyring, use_keyring, use_working_keyring

__all__ = ["user"]  # a fixture

pytestmark = needs_posix


@pytest.fixture(autouse=True)
def keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that works, here and in programs; what is said without one: test_init_offers.py."""
    use_keyring(monkeypatch, DictKeyring())
    use_working_keyring(monkeypatch)


JSON_TABLE = {"kind": "json", "url": "/r"}
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
    "fields": (
        (
            *("--refresh-url", "/r", "--send", "refreshToken", "--access", "data.accessToken"),
            *("--refresh", "data.refreshToken", "--expires-in", "data.ttl"),
        ),
        {
            "refresh": {
                **JSON_TABLE,
                "send": "refreshToken",
                "access": "data.accessToken",
                "refresh": "data.refreshToken",
                "expires_in": "data.ttl",
            }
        },
    ),
    "fields of the login": (
        (
            *("--refresh-url", "/r", "--login-url", "/l", "--login-access", "d.a"),
            *("--login-refresh", "d.r", "--login-expires-in", "d.t"),
            *("--username-field", "email", "--password-field", "pw"),
        ),
        {
            "refresh": JSON_TABLE,
            "login": {
                "url": "/l",
                "username_field": "email",
                "password_field": "pw",
                "access": "d.a",
                "refresh": "d.r",
                "expires_in": "d.t",
            },
        },
    ),
    "expired status": (
        ("--refresh-url", "/r", "--expired-status", "403"),
        {"refresh": JSON_TABLE, "when": {"status": 403}},
    ),
    "expired with a status": (
        ("--refresh-url", "/r", "--expired", "code=expired", "--expired-status", "403"),
        {
            "refresh": JSON_TABLE,
            "when": {"json_field": "code", "value": "expired", "status": 403},
        },
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
    """What the flags say is in the file, and nothing else, and makes a profile."""
    result = user.run(*INIT, *flags)
    assert (result.status, result.err) == (0, "")
    first, *urls, store, last = result.out.splitlines()
    assert first == f"Profile 'prod' is in {user.file}"
    known = Profiles.read()
    has_login = known.profile("prod").login or known.profile("prod").device
    way = "" if has_login else " --refresh-token -"
    assert last == f"Next: requests-jwt login prod{way}"
    assert store.split(maxsplit=1) == ["store", known.profile("prod").store_label]
    named = known.profile("prod").named_urls()
    assert [line.split() for line in urls] == [[name, "URL", url] for name, url in named.items()]
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
    result = user.run("init", "other", "--base-url", API, "--preset", "directus")
    cause, remedy = result.cause_and_remedy()
    assert (result.status, result.out) == (2, "")
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
    ("--refresh-url", "/r", "--access", "data..token"),
    ("--refresh-url", "/r", "--expired-status", "200"),
    ("--refresh-url", "/r", "--expired-status", "many"),
    ("--refresh-url", "/r", "--login-access", "data.token"),
    (*OAUTH2, "--send", "token"),
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
    result = user.run(*INIT, *flags)
    cause, _ = result.cause_and_remedy()
    assert (result.status, result.out) == (2, "")
    assert "json_field" not in cause  # that is a key of the file
    assert user.file.read_text(encoding="utf-8") == OTHERS
    assert user.file.stat().st_ino == before.st_ino
    assert [each.name for each in user.home.iterdir()] == ["profiles.toml"]


def choices(cls: Any, name: str) -> set[str]:
    """Return the values that a field of a dataclass may have."""
    (found,) = [each for each in fields(cls) if each.name == name]
    return set(found.metadata["choices"])


@pytest.mark.parametrize(
    ("flag", "known"),
    [
        ("--preset", set(PRESET_MODULES)),
        ("--kind", set(KINDS)),
        ("--client-auth", choices(OAuth2Endpoint, "client_auth")),
        ("--login-send", choices(PasswordLogin, "send")),
        ("--logout-send", choices(Logout, "send")),
        ("--store", set(STORE_KINDS)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_flags_have_the_values_that_a_profile_may_have(
    user: User, flag: str, known: set[str]
) -> None:
    """A profile takes each of them, and --help lists them."""
    cause, _ = user.run(*INIT, flag, "xyzzy").cause_and_remedy()
    _, _, listed = cause.partition("must be one of ")
    assert set(re.findall(r"[\w-]+", listed)) == known


@pytest.mark.parametrize("flags", [(), ("--preset", "simplejwt", "--store", "redis")])
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
        result = user.run(*INIT, "--preset", "simplejwt", *flags)
        result.cause_and_remedy()
        assert result.status == 2
        assert "hunter2" not in result.err


@pytest.mark.parametrize("name", ["", "a b", ".a", "a/b", "a\nb", "\x1b[31m"])
def test_names_that_are_none(user: User, name: str) -> None:
    """A name is fit for a shell: letters, digits and three signs."""
    result = user.run("init", name, "--base-url", API, "--preset", "simplejwt")
    result.cause_and_remedy()
    assert (result.status, user.file.exists()) == (2, False)
    assert "\x1b" not in result.err


def test_init_into_a_file_that_is_not_toml(user: User) -> None:
    """It is left as it is: exit status 2."""
    user.file.write_text("[prod\n", encoding="utf-8")
    result = user.run("init", "new", "--base-url", API, "--preset", "simplejwt", "--replace")
    result.cause_and_remedy()
    assert (result.status, user.file.read_text(encoding="utf-8")) == (2, "[prod\n")


def test_init_where_no_file_can_be(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be: exit status 2, and which path it was."""
    user.file.write_text(OTHERS, encoding="utf-8")
    place = user.file / "below" / "p.toml"
    monkeypatch.setenv("REQUESTS_JWT_PROFILES", str(place))
    result = user.run(*INIT, "--preset", "simplejwt")
    cause, _ = result.cause_and_remedy()
    assert result.status == 2
    assert str(place) in cause


def test_init_with_profiles_in_the_environment(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are no file, there is none to write: the variable is named."""
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", OTHERS)
    result = user.run(*INIT, "--preset", "simplejwt")
    _, remedy = result.cause_and_remedy()
    assert (result.status, user.file.exists()) == (2, False)
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
    names = {f"p{n}" for n in range(5)}
    started = [start("init", name, "--base-url", API, "--preset", "simplejwt") for name in names]
    ended = [end(each) for each in started]
    assert {(each.status, each.err) for each in ended} == {(0, "")}
    known = Profiles.read(user.file)
    assert set(known.names) == names
    assert {known.profile(name).base_url for name in names} == {f"{API}/"}


def test_init_needs_a_terminal_to_ask(user: User) -> None:
    """Without --base-url and a terminal: exit status 2, and nothing waits."""
    result = user.run("init", "prod", typed="https://api.example.com\n")
    cause, _ = result.cause_and_remedy()
    assert (result.status, cause, user.file.exists()) == (2, "--base-url is missing", False)


def test_init_by_asking(user: User) -> None:
    """In a terminal it asks one thing after the other; wrong answers are asked again."""
    with Terminal(SCRIPT, "init", "prod") as terminal:
        terminal.answer("Base URL of the API: ", "nonsense")
        terminal.expect("has no scheme")
        terminal.answer("Base URL of the API: ", API)
        terminal.expect("express")
        terminal.answer("[json]: ", "cobol")
        terminal.expect("it must be one of those above")
        terminal.answer("[json]: ", "drectus")
        terminal.expect("did you mean 'directus'?")
        terminal.answer("[json]: ", "")
        terminal.answer("Refresh endpoint, such as /auth/refresh: ", "")
        terminal.expect("an answer is needed")
        terminal.answer("Refresh endpoint, such as /auth/refresh: ", "/r")
        for usual in ("access_token", "refresh_token", "refresh_token"):
            terminal.answer(f" [{usual}]: ", "")
        terminal.answer("response to a refresh [expires_in]: ", "")
        terminal.answer("empty for none: ", "/l")
        for usual in ("username", "password"):
            terminal.answer(f"in the login's request [{usual}]: ", "")
        for usual in ("access_token", "refresh_token", "expires_in"):
            terminal.answer(f"response to a login [{usual}]: ", "")
        terminal.answer("expired token [401]: ", "")
        terminal.answer("empty for any): ", "message=Invalid JWT")
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
        shown = "Logout endpoint, such as /api/token/blacklist/ of simplejwt; empty for none: "
        terminal.answer(shown, "/x/")
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
        terminal.answer("(none, basic, post, basic-raw) [none]: ", "")
        terminal.answer("Device authorization endpoint, if there is one: ", "/d")
        terminal.answer("expired token [401]: ", "")
        terminal.answer("empty for any): ", "")
        terminal.answer("Logout endpoint; empty for none: ", "")
        assert terminal.end() == 0
    assert Profiles.read(user.file).content["prod"] == {
        "base_url": API,
        "refresh": {**OAUTH2_TABLE, "client_id": "tv"},
        "device": {"url": "/d"},
    }


def test_ctrl_d_at_a_question(user: User) -> None:
    """Ctrl-D: exit status 2 and nothing written."""
    with Terminal(SCRIPT, "init", "prod") as terminal:
        terminal.answer("Base URL of the API: ", API)
        terminal.expect("[json]: ")
        terminal.press(b"\x04")
        assert terminal.end() == 2
    assert "an answer is needed, but the input has ended" in terminal.shown
    assert not user.file.exists()


def test_init_asks_under_allow_http(user: User) -> None:
    """With --allow-http, an answer may be an http URL."""
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


# --- a client that has a secret ------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["basic", "post"])
def test_a_client_with_a_secret_needs_its_id(user: User, auth: str) -> None:
    """The secret itself has no place in the file, so the remedy does not ask for it."""
    result = user.run(*INIT, *OAUTH2, "--client-auth", auth)
    cause, _ = result.cause_and_remedy()
    assert (result.status, user.file.exists()) == (2, False)
    assert cause.startswith("these options make no usable profile: refresh.client_id is missing")
    assert "client_secret" not in cause


def test_a_client_with_a_secret_is_asked_for_its_id(user: User) -> None:
    """First, since no other answer makes a profile without it."""
    with Terminal(SCRIPT, *INIT, "--kind", "oauth2", "--client-auth", "basic") as terminal:
        terminal.answer("Client id: ", "")
        terminal.expect("an answer is needed")
        terminal.answer("Client id: ", "me")
        terminal.answer("such as /auth/refresh: ", "/t")
        terminal.answer("if there is one: ", "")
        terminal.answer("empty for none: ", "")
        terminal.answer("expired token [401]: ", "")
        terminal.answer("empty for any): ", "")
        terminal.answer("Logout endpoint; empty for none: ", "")
        assert terminal.end() == 0
    refresh = {"kind": "oauth2", "url": "/t", "client_id": "me", "client_auth": "basic"}
    assert Profiles.read(user.file).content == {"prod": {"base_url": API, "refresh": refresh}}
