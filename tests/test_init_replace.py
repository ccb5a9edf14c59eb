"""init --replace: the token stays where it is, and what the new profile lacks is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from requests_jwt_refresh.profiles.accounts import note_account
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.stores.file import FileStore
from requests_jwt_refresh.tokens import Token
from tests.support.command_line import (
    API,
    INIT,
    OTHER_API,
    SCRIPT,
    Terminal,
    User,
    needs_posix,
    user,
)
from tests.support.keyrings import DictKeyring, use_keyring

__all__ = ["user"]  # a fixture

pytestmark = needs_posix

REPLACE = (*INIT, "--preset", "directus", "--replace")
STORES = {
    "file": {"kind": "file", "path": "t.json"},
    "keyring": {"kind": "keyring", "service": "mine", "account": "me"},
    "redis": {"kind": "redis", "url": "redis://localhost:1/0", "key": "k"},
}


def write_old(user: User, *lines: str, base_url: str = API) -> None:
    text = f'[prod]\nbase_url = "{base_url}"\nrefresh = {{ preset = "simplejwt" }}\n'
    user.file.write_text(text + "".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_store(user: User, store: dict[str, str], base_url: str = API) -> None:
    pairs = ", ".join(f'{key} = "{value}"' for key, value in store.items())
    write_old(user, f"store = {{ {pairs} }}", base_url=base_url)


def read_store(user: User) -> Any:
    return Profiles.read(user.file).content["prod"].get("store")


@pytest.mark.parametrize("refresh", ["3", "{ kind = 4 }", "[]"])
def test_a_faulty_profile_is_replaced(user: User, refresh: str) -> None:
    user.file.write_text(f'[prod]\nbase_url = "{API}"\nrefresh = {refresh}\n', encoding="utf-8")
    assert user.run(*REPLACE).status == 0
    assert Profiles.read(user.file).content["prod"]["refresh"]["preset"] == "directus"


@pytest.mark.parametrize("store", STORES.values(), ids=STORES)
def test_the_token_stays_where_it_is(
    user: User, monkeypatch: pytest.MonkeyPatch, store: dict[str, str]
) -> None:
    """Whatever kind of store that is; and it is said."""
    use_keyring(monkeypatch, DictKeyring())
    write_store(user, store)
    done = user.run(*REPLACE)
    assert (done.status, done.err) == (0, "")
    assert read_store(user) == store
    assert f"store          {Profiles.read().profile('prod').store_label}\n" in done.out


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--store", "keyring"), None),
        (("--store", "file"), STORES["file"]),
        (("--path", "other.json"), {"kind": "file", "path": "other.json"}),
        (("--store", "file", "--path", "other.json"), {"kind": "file", "path": "other.json"}),
        (
            ("--redis", "redis://localhost:1/0", "--key", "x"),
            {"kind": "redis", "url": "redis://localhost:1/0", "key": "x"},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_option_says_otherwise(user: User, flags: tuple[str, ...], expected: Any) -> None:
    """But for the kind that it has already."""
    write_store(user, STORES["file"])
    assert user.run(*REPLACE, *flags).status == 0
    assert read_store(user) == expected


def test_questions_do_not_lose_the_store_either(user: User) -> None:
    """And nobody is asked for a file again."""
    write_store(user, STORES["file"])
    with Terminal(SCRIPT, "init", "prod", "--replace", "--preset", "directus") as terminal:
        terminal.answer("Base URL of the API: ", API)
        terminal.answer("empty for none: ", "")
        terminal.expect("store ")
        assert terminal.end() == 0
    assert "File for the token" not in terminal.shown
    assert read_store(user) == STORES["file"]


def test_a_store_that_is_at_fault_is_not_kept(user: User) -> None:
    """It may be what the new profile is made for; that it has gone is said."""
    write_store(user, {"kind": "file", "paht": "t.json"})
    done = user.run(*REPLACE)
    assert (done.status, read_store(user)) == (0, None)
    assert "[prod.store]" in done.err


def test_what_the_new_profile_lacks_is_said(user: User) -> None:
    """By its keys alone: nothing of the old profile goes in silence."""
    write_old(
        user,
        "refresh_timeout = 5",
        "attach = { dpop = true }",
        'headers = { X-Tenant = "acme" }',
        'logout = { url = "/out" }',
        'login = { url = "/in", username_field = "name" }',
    )
    done = user.run(*REPLACE, "--login-url", "/in")
    (note,) = done.err.splitlines()
    assert note == (
        "Note: the old profile had what the new one has not: refresh_timeout, attach, "
        "[prod.headers], [prod.logout], login.username_field"
    )
    assert "acme" not in note


HAND_WRITTEN = f'[prod]\nbase_url = "{API}"\nrefresh = {{ kind = "json", url = "/r" }}\n'
SIMPLEJWT = f'[prod]\nbase_url = "{API}"\nrefresh = {{ preset = "simplejwt" }}\n'
LOGIN = 'login = { url = "/in", username_field = "email" }\n'
RULE = 'when = { json_field = "code", value = "gone" }\n'
DOCUMENTED_RULE = 'when = { json_field = "code", value = "token_not_valid", status = [401, 403] }\n'


@pytest.mark.parametrize(
    ("old", "flags", "gone"),
    [
        (HAND_WRITTEN + LOGIN, (), None),  # the preset has a login of its own
        (HAND_WRITTEN + LOGIN + RULE, (), None),  # and a rule
        (HAND_WRITTEN + 'attach = { header = "X-T" }\n', (), "attach"),
        (HAND_WRITTEN + LOGIN + 'logout = { url = "/out" }\n', (), "[prod.logout]"),
        (HAND_WRITTEN + LOGIN, ("--login-url", "/in"), "login.username_field"),
        (SIMPLEJWT + LOGIN, (), "[prod.login]"),  # it was another than the preset's
        (SIMPLEJWT + RULE, (), "[prod.when]"),
        (SIMPLEJWT + 'login = { url = "/api/token/" }\n', (), None),
        (SIMPLEJWT + DOCUMENTED_RULE, (), None),
        (
            SIMPLEJWT + 'login = { url = "/in", username_field = "username" }\n',
            ("--login-url", "/in"),
            None,
        ),
    ],
)
def test_what_the_preset_has_all_the_same_is_not_gone(
    user: User, old: str, flags: tuple[str, ...], gone: str | None
) -> None:
    """Only what nobody has documented is, and what was changed from what is."""
    user.file.write_text(old, encoding="utf-8")
    done = user.run(*INIT, "--preset", "simplejwt", "--replace", *flags)
    note = f"Note: the old profile had what the new one has not: {gone}\n" if gone else ""
    assert (done.status, done.err) == (0, note)


def test_a_preset_that_says_where_the_token_goes_replaces_an_attach(user: User) -> None:
    """Also where the old profile cannot be read any more."""
    for key in ('attach = { header = "X-T" }\n', 'attach = { header = "X-T" }\nloign = {}\n'):
        user.file.write_text(HAND_WRITTEN + key, encoding="utf-8")
        done = user.run(*INIT, "--preset", "flask-jwt-extended-cookies", "--replace")
        assert done.status == 0
        assert "attach" not in done.err


@pytest.mark.parametrize(("account", "suffix"), [("default", ""), ("bob", "@bob")])
def test_a_token_does_not_go_to_another_api(
    user: User, monkeypatch: pytest.MonkeyPatch, account: str, suffix: str
) -> None:
    """A file that stays would be sent to the new base URL: nothing is written."""
    monkeypatch.setenv("XDG_STATE_HOME", str(user.home / "state"))
    note_account(user.file, "prod", account)
    write_store(user, STORES["file"], base_url=OTHER_API)
    before = user.file.read_text(encoding="utf-8")
    FileStore(user.home / f"t.json{suffix}").save(Token("a", "r"))
    done = user.run(*REPLACE)
    cause, remedy = done.cause_and_remedy()
    assert done.status == 2
    assert str(Path(user.home, "t.json")) in cause
    assert API in cause
    assert "requests-jwt logout prod" in remedy
    assert user.file.read_text(encoding="utf-8") == before
    assert user.run(*REPLACE, "--path", "new.json").status == 0


def test_a_token_that_cannot_be_read_now_does_not_go_there_either(user: User) -> None:
    """Its file is mended later, and by then the profile would be another."""
    write_store(user, STORES["file"], base_url=OTHER_API)
    before = user.file.read_text(encoding="utf-8")
    token = user.home / "t.json"
    FileStore(token).save(Token("a", "r"))
    token.chmod(0o644)
    done = user.run(*REPLACE)
    cause, _ = done.cause_and_remedy()
    assert done.status == 2
    assert cause.startswith("there may be a token of the old profile")
    assert user.file.read_text(encoding="utf-8") == before


@pytest.mark.parametrize("name", ["REQUESTS_JWT_TOKEN_PROD", "REQUESTS_JWT_TOKEN_PROD_FILE"])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_token_of_the_environment_is_not_that_of_the_profile(
    user: User, monkeypatch: pytest.MonkeyPatch, name: str, is_there: bool
) -> None:
    """It hides the one in the store, and is no reason to refuse where there is none."""
    monkeypatch.setenv(name, "/nowhere")
    write_store(user, STORES["file"], base_url=OTHER_API)
    if is_there:
        FileStore(user.home / "t.json").save(Token("a", "r"))
    assert user.run(*REPLACE).status == (2 if is_there else 0)


def test_the_secret_of_another_client_is_not_used_in_silence(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the same entry of the keyring."""
    use_keyring(monkeypatch, DictKeyring())
    client = ("--kind", "oauth2", "--refresh-url", "/t", "--client-auth", "basic", "--client-id")
    assert user.run(*INIT, *client, "one").err == ""
    done = user.run("login", "prod", "--client-secret", "-", typed="hunter2\n")
    assert "The secret of prod is kept" in done.out
    assert user.run(*INIT, *client, "one", "--replace").err == ""
    done = user.run(*INIT, *client, "two", "--replace")
    assert "the client secret in the keyring is the old client's" in done.err
    assert "requests-jwt login prod --client-secret -" in done.err
