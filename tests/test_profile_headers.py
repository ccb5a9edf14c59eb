"""[headers] of a profile, and where values come from that must not stand in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.errors import InvalidToken, StoreError
from requests_jwt_refresh.profiles.secrets import SecretFile, SecretInKeyring, WithSecrets
from requests_jwt_refresh.profiles.sources import HeaderValue
from requests_jwt_refresh.tokens import Token
from tests.support.command_line import make_jwt
from tests.support.keyrings import DictKeyring, fail_backend, use_keyring
from tests.support.profiles import (
    CLAIMS,
    GOOD,
    JSON,
    JWT,
    PROD,
    SECRET,
    catch_fault,
    endpoint_of,
    file,
    no_profiles_in_the_environment,
    profile,
    read_json,
    show_all,
)

if TYPE_CHECKING:
    from pathlib import Path

    from requests_jwt_refresh.profiles.load import Profile

__all__ = ["file", "no_profiles_in_the_environment"]  # fixtures

HEADERS = f"{PROD}{JSON}[prod.headers]\n"
ANON = make_jwt({"iss": "supabase", "role": "anon"})
SERVICE_ROLE = make_jwt({"iss": "supabase", "role": "service_role"})
SOURCES = 'needs one of { file = "PATH" }, { keyring = true } or { public = "VALUE" }'
IN_ITS_PLACE = 'write { keyring = true }, { file = "PATH" } or, if it is public, { public = "VALUE"'


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> DictKeyring:
    backend = DictKeyring()
    use_keyring(monkeypatch, backend)
    return backend


def read_value(read: Profile, name: str) -> HeaderValue:
    value = read.headers[name]
    assert isinstance(value, HeaderValue)
    return value


def test_headers_are_an_option_of_the_adapter(file: Path) -> None:
    """Names to values; without the table there is no such option."""
    read = profile(file, f'{HEADERS}X-Tenant = "acme"\n"X-Request-Source" = "nightly job"\n')
    assert read.options()["headers"] == {"X-Tenant": "acme", "X-Request-Source": "nightly job"}
    assert read.secrets == {}
    assert "headers" not in profile(file, PROD + JSON).options()


def test_a_header_from_a_file(file: Path) -> None:
    """A function in place of the value: it reads what the file holds then."""
    read = profile(file, f'{HEADERS}X-Api-Key = {{ file = "key" }}\n')
    value = read_value(read, "X-Api-Key")
    for content in (SECRET, f"{SECRET}-2\n"):
        (file.parent / "key").write_text(content)
        assert value() == content.strip()
    assert read.secrets == {"headers.X-Api-Key": SecretFile(str(file.parent / "key"))}
    assert SECRET not in f"{read!r} {read.options()} {value}"


def test_a_header_from_the_keyring(file: Path, keyring: DictKeyring) -> None:
    """In an entry of its own, beside the token's and the client secret's."""
    read = profile(file, f"{HEADERS}apikey = {{ keyring = true }}\n")
    secret = read.secrets["headers.apikey"]
    assert isinstance(secret, SecretInKeyring)
    assert not secret.is_there()
    secret.write(f"Bearer {SECRET}")
    assert read_value(read, "apikey")() == f"Bearer {SECRET}"
    assert list(keyring.entries) == [("https://api.example.com headers.apikey (prod)", "prod")]
    assert SECRET not in f"{read!r} {read.options()}"


def test_a_public_value_is_said_to_be_public(file: Path) -> None:
    """A Supabase anon key is a JWT that every browser gets: the profile says so itself."""
    read = profile(file, f'{HEADERS}apikey = {{ public = "{ANON}" }}\n')
    assert read.headers == {"apikey": ANON}
    assert read.secrets == {}


@pytest.mark.parametrize("key", [SERVICE_ROLE, "sb_secret_abcdef"])
def test_the_secret_twin_of_a_public_key_is_refused(file: Path, key: str) -> None:
    """It is easily taken for the other one, and can do everything."""
    file.write_text(f'{HEADERS}apikey = {{ public = "{key}" }}\n')
    caught = catch_fault(file)
    assert str(caught.value).startswith(
        f"{file}: profile 'prod': headers.apikey.public is a key that must stay secret"
    )
    assert key.rpartition(".")[0] not in show_all(caught) or key.startswith("sb_")
    assert "abcdef" not in show_all(caught)


@pytest.mark.parametrize(
    "line",
    [
        *(f'{name} = "{SECRET}"' for name in ("apikey", "X-Api-Key", "X-Auth-Token", "X-Secret")),
        *(f'{name} = "{SECRET}"' for name in ("X-Functions-Key", "Subscription-Key", "key")),
        f'Proxy-Authorization = "{SECRET}"',
        f'X-Gateway = "Basic {SECRET}"',
        f'X-Gateway = "Bearer {SECRET}"',
        f'X-Gateway = "{JWT}"',
        f'X-Gateway = ["{JWT}"]',
    ],
)
def test_a_header_that_looks_like_a_secret(file: Path, line: str) -> None:
    """Refused, unsaid, and with what to write in its place."""
    file.write_text(f"{HEADERS}{line}\n{GOOD}")
    caught = catch_fault(file)
    name = line.partition(" ")[0]
    assert caught.value.cause == (
        f"{file}: profile 'prod': headers.{name} looks like a secret, and this file must not hold "
        "secrets"
    )
    assert caught.value.remedy.startswith(IN_ITS_PLACE)
    assert "`requests-jwt login prod` asks for what is to be in the keyring" in caught.value.remedy
    shown = show_all(caught)
    assert SECRET not in shown
    assert CLAIMS not in shown


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('X-A = ""', "headers.X-A is empty"),
        ("X-A = 7", "headers.X-A must be a string, not a number"),
        ("X-A = []", "headers.X-A must be a string, not an empty list"),
        ('X-A = "a\\nb"', "headers.X-A has a line break, or another character that no header"),
        ('X-A = " a"', "headers.X-A has a line break, or another character that no header"),
        ('X-A = "ü"', "headers.X-A has a line break, or another character that no header"),
        ("X-A = {}", f"headers.X-A has no source: it {SOURCES}"),
        ('X-A = { file = "f", keyring = true }', f"headers.X-A has file and keyring: it {SOURCES}"),
        ("X-A = { keyring = false }", "headers.X-A.keyring must be true"),
        ('X-A = { keyring = "x" }', "headers.X-A.keyring must be true or false, not a string"),
        ("X-A = { file = 7 }", "headers.X-A.file must be a string, not a number"),
        ('X-A = { public = "" }', "headers.X-A.public is empty"),
        ('X-A = { public = "a\\nb" }', "headers.X-A has a line break"),
        ('X-A = { flie = "f" }', "headers.X-A.flie is not known. Did you mean 'file'?"),
        ('"X A" = "a"', "headers.X A cannot be used: a header's name has no space"),
        ('"X:" = "a"', "headers.X: cannot be used: a header's name has no space"),
        ('"X\\n" = "a"', r"headers.X\n cannot be used: a header's name has no space"),
        *(
            (f'{name} = "a"', f"headers.{name} cannot be used: the header {name} is one")
            for name in ("Host", "content-length", "Transfer-Encoding", "Connection")
        ),
        ('Cookie = "a=b"', "headers.Cookie is no header to be set here. If the token is a cookie"),
        ('X-A = "a"\nx-a = "b"', "headers.x-a stands there twice, in other letters"),
    ],
)
def test_a_faulty_header_is_named(file: Path, line: str, cause: str) -> None:
    """File, profile and key come first, then what was expected."""
    file.write_text(f"{HEADERS}{line}\n{GOOD}", encoding="utf-8")
    error = catch_fault(file).value
    assert str(error).startswith(f"{file}: profile 'prod': {cause}")
    assert "\n" not in str(error)
    assert error.remedy


@pytest.mark.parametrize("source", ['{ file = "f" }', "{ keyring = true }"])
@pytest.mark.parametrize(
    ("attach", "name"),
    [
        ("", "authorization"),
        ('attach = { header = "X-Auth-Token" }\n', "x-auth-token"),
    ],
)
def test_the_tokens_own_header_is_no_place_for_another_value(
    file: Path, attach: str, name: str, source: str
) -> None:
    """There would be two sources for one header."""
    file.write_text(f"{PROD}{attach}{JSON}[prod.headers]\n{name} = {source}\n")
    error = catch_fault(file).value
    assert error.cause.endswith(f"headers.{name} is the header of the access token")


def test_an_authorization_goes_beside_a_token_that_is_elsewhere(file: Path) -> None:
    """A gateway before the API may want one."""
    attach = 'attach = { cookie = "session" }\n'
    text = f'{PROD}{attach}{JSON}[prod.headers]\nAuthorization = {{ file = "f" }}\n'
    (file.parent / "f").write_text("Basic YTpi")
    assert read_value(profile(file, text), "Authorization")() == "Basic YTpi"


@pytest.mark.parametrize("content", [f"{SECRET}\nmore", "ünïcode", f"{SECRET}\x7f"])
def test_what_no_header_carries_is_refused_when_it_is_read(file: Path, content: str) -> None:
    """The file is not read before: containers mount it later."""
    read = profile(file, f'{HEADERS}X-A = {{ file = "f" }}\n')
    (file.parent / "f").write_text(content, encoding="utf-8")
    with pytest.raises(StoreError) as caught:
        read_value(read, "X-A")()
    assert caught.value.cause.startswith("the value of the header X-A has a line break")
    assert SECRET not in str(caught.value)


def test_the_keyring_takes_what_a_header_carries(file: Path, keyring: DictKeyring) -> None:
    """Anything else is refused where it is typed, and unsaid."""
    secret = profile(file, f"{HEADERS}X-A = {{ keyring = true }}\n").secrets["headers.X-A"]
    assert isinstance(secret, SecretInKeyring)
    for value in (f"{SECRET}\t", f" {SECRET}", "ünïcode"):
        with pytest.raises(InvalidToken, match=r"^the headers\.X-A cannot be kept") as caught:
            secret.write(value)
        assert value.strip() not in str(caught.value)
    assert keyring.entries == {}


def test_no_keyring_says_what_to_do_about_a_header(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file for the value, and not one for the token."""
    use_keyring(monkeypatch, fail_backend())
    read = profile(file, f"{HEADERS}X-A = {{ keyring = true }}\n")
    with pytest.raises(StoreError) as caught:
        read_value(read, "X-A")()
    assert 'put it into a file: headers.X-A.file = "PATH"' in caught.value.remedy
    assert "FileStore" not in caught.value.remedy


# --- In [refresh] --------------------------------------------------------------------------------


def test_a_secret_field_of_a_refresh_comes_from_a_file(file: Path) -> None:
    """Where a secret's name stands, the table may say where the secret is; it is read each time."""
    text = f'{PROD}{JSON}extra = {{ device = 7, auth = {{ api_key = {{ file = "f" }} }} }}\n'
    endpoint = profile(file, text).refresh
    assert isinstance(endpoint, WithSecrets)
    assert endpoint.url == "/r"
    for secret in (SECRET, "another"):
        (file.parent / "f").write_text(secret)
        request = endpoint.ask("https://h/r", Token("a", "r")).prepare()
        assert read_json(request) == {
            "device": 7,
            "auth": {"api_key": secret},
            "refresh_token": "r",
        }
    assert SECRET not in f"{endpoint!r}"


def test_a_public_field_of_a_refresh_stands_there(file: Path) -> None:
    """It needs no reading."""
    text = f'{PROD}{JSON}extra = {{ api_key = {{ public = "{ANON}" }} }}\n'
    request = endpoint_of(profile(file, text)).ask("https://h/r", Token("a", "r")).prepare()
    assert read_json(request)["api_key"] == ANON


def test_a_secret_in_a_refresh_says_what_to_write(file: Path) -> None:
    """As for a header."""
    file.write_text(f'{PROD}{JSON}extra = {{ api_key = "{SECRET}" }}\n')
    error = catch_fault(file).value
    assert error.remedy.startswith(IN_ITS_PLACE)
