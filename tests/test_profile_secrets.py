"""No secret in a file of profiles, in what is said of it, or in what is made of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh.errors import ProfileError, StoreError
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.profiles.secrets import SecretFile, WithSecrets
from requests_jwt_refresh.responses import TokenResponse
from requests_jwt_refresh.tokens import Token
from tests.support.profiles import (
    CLAIMS,
    CLIENT,
    FULL,
    GOOD,
    JSON,
    JWT,
    LOGIN,
    PROD,
    SECRET,
    STORE,
    WHEN,
    catch_fault,
    file,
    no_profiles_in_the_environment,
    profile,
    read_basic_pair,
    read_form,
    show_all,
)

if TYPE_CHECKING:
    from pathlib import Path


__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures


SECRET_NAMES = [
    *("password", "passwd", "passphrase", "pwd", "secret", "apikey", "api_key", "api-key"),
    *("private_key", "private-key", "encryption_key", "credential", "credentials", "jwt", "token"),
    *("access_token", "refresh_token", "id_token", "auth_token", "bearer_token", "refresh-token"),
    *("accessToken", "refreshToken", "apiKey", "Password", "API_KEY", "TOKEN"),
    *("client_secret", "client-secret", "db_password", "my-api-key", "x.password"),
]
PLACES = {
    "": f"{PROD}KEY\n{JSON}",
    "refresh.": f"{PROD}{JSON}KEY",
    "refresh.extra.": f"{PROD}{JSON}[prod.refresh.extra]\nKEY",
    "refresh.extra.a.b.": f"{PROD}{JSON}[prod.refresh.extra.a.b]\nKEY",
    "refresh.extra.list.": f"{PROD}{JSON}[prod.refresh.extra]\nlist = [[1, {{ KEY }}]]",
    "when.": f"{WHEN}status = 401\nKEY",
    "when.any_of.": f"{WHEN}any_of = [{{ status = 401 }}, {{ KEY }}]",
    "store.": f'{STORE}kind = "file"\npath = "t"\nKEY',
    "login.": f'{LOGIN}url = "/l"\nKEY',
    "login.extra.": f'{LOGIN}url = "/l"\nextra = {{ KEY }}',
    "device.": f'{PROD}{CLIENT}[prod.device]\nurl = "/d"\nKEY',
    "logout.extra.a.": f'{PROD}{JSON}[prod.logout]\nurl = "/l"\nextra = {{ a = {{ KEY }} }}',
    "unknown.": f"{PROD}{JSON}[prod.unknown]\nKEY",
}


def is_refused(error: ProfileError, file: Path, path: str) -> bool:
    result = str(error)
    begins = f"{file}: profile 'prod': {path} looks like a secret, and this file must not hold"
    return result.startswith(begins) and "`requests-jwt login prod`" in result


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_key_with_a_secrets_name_is_refused(file: Path, name: str) -> None:
    """In any spelling, whatever its value is."""
    for value in (f'"{SECRET}"', "7", "true", f'["{SECRET}"]', '""'):
        file.write_text(f'{PROD}{JSON}[prod.refresh.extra]\n"{name}" = {value}\n')
        error = catch_fault(file).value
        assert is_refused(error, file, f"refresh.extra.{name}")
        assert SECRET not in str(error)


@pytest.mark.parametrize("place", PLACES)
def test_a_key_with_a_secrets_name_is_refused_wherever_it_stands(file: Path, place: str) -> None:
    """Also where it would not be known anyway: what to do with a secret is the better advice."""
    file.write_text(PLACES[place].replace("KEY", f'client_secret = "{SECRET}"') + GOOD)
    caught = catch_fault(file)
    assert is_refused(caught.value, file, f"{place}client_secret")
    assert SECRET not in show_all(caught)
    assert Profiles.read(file).profile("good").name == "good"


@pytest.mark.parametrize("place", PLACES)
def test_a_jwt_is_refused_wherever_it_stands(file: Path, place: str) -> None:
    """Under any name, with "Bearer" before it or not, and in a list."""
    for value in (f'"{JWT}"', f'"Bearer {JWT}"', f'["x", "{JWT}"]', f'[["{JWT}"]]'):
        file.write_text(PLACES[place].replace("KEY", f"anything = {value}"))
        caught = catch_fault(file)
        assert is_refused(caught.value, file, f"{place}anything")
    assert CLAIMS not in show_all(caught)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (f'[prod]\nbase_url = "{JWT}"\n{JSON}', "base_url"),
        (f'{PROD}trusted_origins = ["{JWT}"]\n{JSON}', "trusted_origins"),
        (f'{PROD}[prod.refresh]\nkind = "json"\nurl = "{JWT}"', "refresh.url"),
        (f'{PROD}[prod.refresh]\nkind = "{JWT}"', "refresh.kind"),
        (f'{WHEN}json_field = "a"\nvalue = "{JWT}"', "when.value"),
        (f'{STORE}kind = "redis"\nurl = "redis://h"\nkey = "{JWT}"', "store.key"),
        (f'{LOGIN}url = "/l"\nusername_field = "{JWT}"', "login.username_field"),
    ],
)
def test_a_jwt_is_refused_in_place_of_anything(file: Path, text: str, path: str) -> None:
    """Before anything else is said of the key, which might show its value."""
    file.write_text(text)
    error = catch_fault(file).value
    assert is_refused(error, file, path)
    assert CLAIMS not in str(error)


def test_names_of_fields_and_files_are_no_secrets(file: Path) -> None:
    """Nor are values that are no JWT, though they have as many dots."""
    json_field = (
        f'{PROD}{JSON}send = "token"\naccess = "data.access_token"\nrefresh = "refresh_token"\n'
        'extra = { version = "1.2.3", token_type_hint = "a.e30.b" }\n'
        '[prod.login]\nurl = "/l"\npassword_field = "password"\nusername_field = "secret"\n'
        '[prod.logout]\nurl = "/l"\nrefresh_field = "refresh_token"\n'
    )
    assert profile(file, json_field).login is not None
    oauth2 = f'{CLIENT}client_secret_file = "s"\n[prod.device]\nurl = "/d"\ntoken_url = "/t"\n'
    assert profile(file, PROD + oauth2).device is not None


def test_a_secret_beside_the_profile_is_the_others_business(file: Path) -> None:
    """Other profiles work, whatever the fault of one is."""
    text = f'{PROD}{JSON}\n[bad]\npassword = "{SECRET}"\n'
    assert profile(file, text).name == "prod"
    assert SECRET not in repr(Profiles.read(file))
    assert SECRET not in show_all(catch_fault(file, "prd"))


@pytest.mark.parametrize(
    "text",
    [
        f'[prod]\nbase_url = "https://h/?key={SECRET}"\n{JSON}',
        f'[prod]\nbase_url = "https://h/#{SECRET}"\n{JSON}',
        f'{PROD}trusted_origins = ["https://h?{SECRET}"]\n{JSON}',
        f'{PROD}trusted_origins = ["https://me:{SECRET}@h"]\n{JSON}',
        f'{PROD}[prod.refresh]\nkind = "json"\nurl = "http://h/r?key={SECRET}"',
        f'{PROD}[prod.refresh]\nkind = "json"\nurl = "//me:{SECRET}@h/r"',
        f'{LOGIN}url = "https://me:{SECRET}@h/l"',
        f'{PROD}[prod.refresh]\nkind = "{SECRET}"',
        f'{PROD}{JSON}extra = {{ refresh_field = "{SECRET}", d = 1979-05-27 }}',
        f'{PROD}{CLIENT}extra = {{ client_id = "{SECRET}" }}',
        f'{PROD}{JSON}[prod.store]\nkind = "redis"\nkey = "k"\nurl = "redis://:{SECRET}@h/0"',
        f'{PROD}{JSON}[prod.device]\nurl = "/d?key={SECRET}"',
    ],
)
def test_no_errors_text_shows_what_may_be_secret(file: Path, text: str) -> None:
    """Nor do its arguments, its attributes or an error behind it."""
    file.write_text(text)
    error = catch_fault(file).value
    assert SECRET not in f"{error} {error!r} {error.args} {vars(error)}"
    assert error.__cause__ is None
    assert error.__context__ is None


def test_no_repr_shows_what_may_be_secret(file: Path) -> None:
    """Extra fields may be secret to the one server that knows them."""
    read = profile(file, FULL.replace('"acme"', f'"{SECRET}"').replace("= 7", f'= "{SECRET}"'))
    assert read.login is not None
    assert read.login.extra["tenant"] == SECRET
    assert SECRET not in f"{read} {read!r} {read.options()} {read.login} {read.refresh}"
    read = profile(file, FULL.replace("everywhere = true", f'everywhere = "{SECRET}"'))
    assert read.logout is not None
    assert read.logout.extra["everywhere"] == SECRET
    assert SECRET not in f"{read} {read.logout}"
    assert SECRET not in repr(Profiles.read(file))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'[prod]\npassword = "{SECRET}"\n[', id="TOML"),
        pytest.param(f'[prod]\nbase_url = "https://me:{SECRET}@h"\n{JSON}', id="base_url"),
        pytest.param(f'{STORE}kind = "redis"\nkey = "k"\nurl_file = "s"', id="url_file"),
        pytest.param(
            f'{STORE}kind = "redis"\nkey = "k"\nurl = "redis://h"\nencryption_key_file = "s"',
            id="encryption_key_file",
        ),
    ],
)
def test_no_report_of_pytest_shows_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """It shows the arguments of the function that raises."""
    (tmp_path / "s").write_text(f"redis://:{SECRET}/x@h/0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REQUESTS_JWT_PROFILES_TOML", text)
    del text
    with pytest.raises(ProfileError) as caught:
        Profiles.read().profile("prod")
    assert SECRET not in show_all(caught)


def test_a_secrets_path_means_the_same_after_a_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the path of the profiles themselves was relative."""
    (tmp_path / "p.toml").write_text(f'{PROD}{CLIENT}client_secret_file = "secret"\n')
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.chdir(tmp_path)
    secret_source = Profiles.read("p.toml").profile("prod").secrets["client secret"]
    monkeypatch.chdir("/")
    assert secret_source.read() == SECRET


# --- client secrets ------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n", f"\n{SECRET}\n"])
def test_a_secrets_file_holds_the_secret_alone(tmp_path: Path, content: str) -> None:
    """Line breaks around it are the editor's."""
    (tmp_path / "secret").write_bytes(content.encode())
    assert SecretFile(str(tmp_path / "secret")).read() == SECRET


def test_a_secrets_file_without_a_secret_is_named(tmp_path: Path) -> None:
    """As the store's errors are: who refreshes has to look for no other."""
    path = tmp_path / "secret"
    for content, problem in (
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"\xff\xfe" + SECRET.encode(), "is no text"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(StoreError) as caught:
            SecretFile(str(path)).read()
        result = str(caught.value)
        assert (
            result == f"the secret's file {path} {problem}. Put the secret there, and nothing else"
        )
        assert caught.value.__context__ is None, "it would hold what was read"


def read_client(file: Path, extra: str = "") -> WithSecrets:
    read = profile(file, f'{PROD}{CLIENT}client_secret_file = "secret"\n{extra}')
    assert isinstance(read.refresh, WithSecrets)
    return read.refresh


def test_a_client_asks_with_the_secret_of_its_file(file: Path) -> None:
    """As Basic, and not in the form; each time with what the file holds then."""
    client = read_client(file)
    for secret in (SECRET, "another"):
        (file.parent / "secret").write_text(f"{secret}\n")
        request = client.ask("https://h/t", Token("a", "r")).prepare()
        assert read_basic_pair(request) == f"me:{secret}"
        assert read_form(request) == {"grant_type": ["refresh_token"], "refresh_token": ["r"]}
        other = client.as_client("https://h/d", {"scope": "x"}).prepare()
        assert (other.url, read_basic_pair(other)) == ("https://h/d", f"me:{secret}")
        assert read_form(other) == {"scope": ["x"]}


def test_a_client_may_send_the_secret_of_its_file_in_the_form(file: Path) -> None:
    """With client_auth = "post"."""
    client = read_client(file, 'client_auth = "post"\n')
    (file.parent / "secret").write_text(SECRET)
    request = client.ask("https://h/t", Token("a", "r")).prepare()
    assert "Authorization" not in request.headers
    form = read_form(request)
    assert (form["client_id"], form["client_secret"]) == (["me"], [SECRET])


def test_a_client_without_its_secret_asks_nothing(file: Path) -> None:
    """Above all not with the placeholder. The profile itself can be read without the secret."""
    client = read_client(file)
    with pytest.raises(StoreError, match="cannot be read"):
        client.ask("https://h/t", Token("a", "r"))
    with pytest.raises(StoreError, match="cannot be read"):
        client.as_client("https://h/t", {})


def test_a_client_with_a_secret_reads_and_shows_itself_as_one_without(file: Path) -> None:
    """No repr holds the secret, also after it was read."""
    client = read_client(file)
    (file.parent / "secret").write_text(SECRET)
    client.ask("https://h/t", Token("a", "r"))
    secret_source = SecretFile(str(file.parent / "secret"))
    secrets = {("client_secret",): secret_source}
    shown = f"WithSecrets(endpoint=OAuth2Endpoint('/token', 'me', '***'), secrets={secrets!r})"
    assert repr(client) == shown
    assert (client.url, client.when) == (client.endpoint.url, client.endpoint.when)
    body = json.dumps({"access_token": "a", "expires_in": 60}).encode()
    assert client.read(TokenResponse(200, CaseInsensitiveDict(), body)).access == "a"
