"""Keys that sign, in a profile: attach.dpop and client_auth = "private_key_jwt"."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
import requests
from joserfc.jwk import ECKey

from requests_jwt_refresh import DPoP, Token
from tests.support.command_line import CommandResult, User, end, needs_posix, start, user
from tests.support.dpop_server import DPoPServer, running_dpop_server
from tests.support.processes import run_python
from tests.support.profiles import (
    JSON,
    OAUTH2,
    PROD,
    catch_fault,
    endpoint_of,
    file,
    no_profiles_in_the_environment,
    profile,
)
from tests.support.proofs import prepare, proof_of, verify
from tests.support.sessions import plain_session
from tests.support.waits import WAIT
from tests.test_run_pythons import other_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["file", "no_profiles_in_the_environment", "other_python", "user"]  # fixtures

KEY = ECKey.generate_key("P-256", private=True)
PUBLIC = KEY.as_dict(private=False)
SIGNS = f'{OAUTH2}client_id = "me"\nclient_auth = "private_key_jwt"\n'


@pytest.fixture(autouse=True)
def key_file(file: Path) -> Path:
    """A key beside the profiles."""
    path = file.parent / "key.json"
    path.write_text(json.dumps(KEY.as_dict(private=True)))
    return path


# --- What it says --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['"key.json"', '"./key.json"'])
def test_a_key_file_lies_beside_the_profiles(file: Path, key_file: Path, text: str) -> None:
    """A relative path starts there, as every path of a profile."""
    made = profile(file, f"{PROD}attach = {{ dpop = {text} }}\n{JSON}")
    assert repr(made.options()["attach"]) == f"DPoP({str(key_file)!r})"


def test_dpop_makes_a_key_at_each_login(file: Path) -> None:
    """Unless it names a file; an algorithm can be given."""
    made = profile(file, f'{PROD}attach = {{ dpop = true, alg = "Ed25519" }}\n{JSON}')
    assert repr(made.options()["attach"]) == "DPoP(alg='Ed25519')"
    made = profile(file, f"{PROD}{JSON}[prod.attach]\ndpop = true\n")
    request = prepare()
    made.options()["attach"].carry(
        request, Token("a", extra={"dpop_key": KEY.as_dict(private=True)})
    )
    assert proof_of(request).header["jwk"] == PUBLIC


def test_a_client_signs(file: Path) -> None:
    """With all that PrivateKeyJWT takes."""
    text = (
        f'{PROD}{SIGNS}private_key_file = "key.json"\nprivate_key_alg = "ES256"\n'
        'private_key_id = "one"\nassertion_audience = "https://issuer.example.com"\n'
    )
    request = endpoint_of(profile(file, text)).ask("https://h/token", Token(None, "r"))
    header, claims = verify(request.data["client_assertion"], PUBLIC)
    assert (header["alg"], header["kid"]) == ("ES256", "one")
    assert (claims["iss"], claims["aud"]) == ("me", "https://issuer.example.com")
    assert "client_secret" not in request.data


def test_a_grant_signs_as_well(file: Path) -> None:
    """Client credentials, for which nobody logs in; no secret is asked for."""
    text = SIGNS.replace("oauth2", "client-credentials")
    made = profile(file, f'{PROD}{text}private_key_file = "key.json"\n')
    assert not made.secrets
    assert "client_assertion" in endpoint_of(made).ask("https://h/token", None).data


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("attach = { dpop = false }", "attach.dpop must be true, or the path of a key file"),
        ("attach = { dpop = 1 }", "attach.dpop must be true, or the path of a key file"),
        ('attach = { dpop = "" }', "attach.dpop is empty"),
        ('attach = { dpop = true, header = "X" }', "attach.header is not known"),
        ('attach = { dpop = true, alg = "HS256" }', "attach.dpop cannot be used: alg='HS256'"),
        ('attach = { dpop = "none.pem" }', "attach.dpop cannot be used: the key file /"),
        ('attach = { dpop = "profiles.toml" }', "attach.dpop cannot be used: the key file /"),
        ("renewed = { dpop = true }", "renewed.dpop is not known"),
    ],
)
def test_a_faulty_dpop_is_named(file: Path, text: str, cause: str) -> None:
    """With file, profile and key."""
    file.write_text(f"{PROD}{text}\n{JSON}")
    error = catch_fault(file).value
    assert str(error).startswith(f"{file}: profile 'prod': {cause}")
    assert error.remedy


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (SIGNS, "refresh.private_key_file is missing: it must be the path of a PEM or JWK"),
        (SIGNS + 'private_key_file = "none"\n', "refresh.private_key_file cannot be used: the"),
        (
            SIGNS + 'private_key_file = "key.json"\nprivate_key_alg = "RS256"\n',
            "refresh.private_key_file cannot be used: alg='RS256'",
        ),
        (
            SIGNS + 'private_key_file = "key.json"\nclient_secret_file = "key.json"\n',
            "refresh.client_secret_file has no place beside client_auth = 'private_key_jwt'",
        ),
        (
            SIGNS.replace('client_id = "me"\n', "") + 'private_key_file = "key.json"\n',
            "refresh.client_id is missing: it must be the id of the client that signs",
        ),
        (
            f'{OAUTH2}client_id = "me"\nprivate_key_file = "key.json"\n',
            "refresh.private_key_file needs client_auth = 'private_key_jwt'",
        ),
        (
            SIGNS.replace("private_key_jwt", "private-key"),
            "refresh.client_auth must be one of 'basic', 'basic-raw', 'none', 'post', 'private_key",
        ),
        (
            f'{JSON}private_key_file = "key.json"\n',
            "refresh.private_key_file is not known",
        ),
    ],
)
def test_a_faulty_key_of_a_client_is_named(file: Path, text: str, cause: str) -> None:
    """With file, profile and key; nothing of the key is shown."""
    file.write_text(PROD + text)
    error = catch_fault(file).value
    assert str(error).startswith(f"{file}: profile 'prod': {cause}")
    assert error.remedy
    assert str(KEY.as_dict(private=True)["d"]) not in str(error)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (f"attach = {{ dpop = true }}\n{JSON}", "attach.dpop"),
        ('[prod.refresh]\npreset = "bluesky-oauth"\nclient_id = "https://h/m"', "refresh.preset"),
    ],
    ids=["attach", "preset"],
)
def test_without_joserfc_the_extra_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, content: str, key: str
) -> None:
    """As an error of the profile, with what to run."""
    file.write_text(PROD + content)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    error = catch_fault(file).value
    assert f"{key} cannot be used: DPoP and PrivateKeyJWT need joserfc" in error.cause
    assert error.remedy == "run: pip install 'requests-jwt-refresh[jose]'"


# --- What it does --------------------------------------------------------------------------------


@pytest.fixture
def dpop_server() -> Iterator[DPoPServer]:
    with running_dpop_server() as server:
        yield server


def describe(server: DPoPServer, dpop: str = "true", login: str = "") -> str:
    """Return a profile whose client signs and whose token is bound to a key."""
    return f"""
[prod]
base_url = "{server.api_url}"
attach = {{ dpop = {dpop} }}
[prod.refresh]
kind = "oauth2"
url = "{server.token_url}"
client_id = "me"
client_auth = "private_key_jwt"
private_key_file = "key.json"
[prod.store]
kind = "file"
path = "token.json"
{login}
"""


FROM_PROFILE = """
import requests, sys
from requests_jwt_refresh import JWTRefreshAdapter
adapter = JWTRefreshAdapter.from_profile("prod", sys.argv[1])
session = requests.Session()
session.trust_env = False
for prefix in adapter.prefixes():
    session.mount(prefix, adapter)
print(session.get("/users", timeout=20).status_code)
"""


@needs_posix
def test_login_by_password_and_a_program(user: User, dpop_server: DPoPServer) -> None:
    """The command makes the key, a program of its own proves with it and refreshes."""
    login = '[prod.login]\nsend = "oauth2"\n'
    user.file.write_text(describe(dpop_server, login=login))
    result = user.run("login", "prod", typed="alice\nsecret\n")
    assert (result.status, result.err) == (0, "")
    dpop_server.expire()
    assert run_python(FROM_PROFILE, str(user.file)) == "200"
    assert user.stored_token.extra["dpop_key"]["kty"] == "EC"
    shown = user.run("status", "prod").out + user.run("profiles").out
    assert str(user.stored_token.extra["dpop_key"]["d"]) not in shown
    assertions = [each.form["client_assertion"] for each in dpop_server.seen if each.form]
    assert len(set(assertions)) == len(assertions)


def test_login_by_a_refresh_token(user: User, dpop_server: DPoPServer) -> None:
    """Bound to a key that the profile names."""
    key = user.file.parent / "key.json"
    proofs = DPoP(key).open(None)
    form = {"grant_type": "password", "password": "secret"}
    with plain_session() as session:
        for _ in range(2):
            request = requests.Request("POST", dpop_server.token_url, data=form).prepare()
            proofs.prove(request)
            found = session.send(request, timeout=WAIT)
            dpop_server.token_nonces.is_required = False
    user.file.write_text(describe(dpop_server, dpop='"key.json"'))
    typed = f"{found.json()['refresh_token']}\n"
    assert user.run("login", "prod", "--refresh-token", "-", typed=typed).status == 0
    assert run_python(FROM_PROFILE, str(user.file)) == "200"


@needs_posix
def test_another_environments_python_proves_as_well(
    user: User, dpop_server: DPoPServer, other_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `run` it finds joserfc where it finds this library."""
    user.file.write_text(describe(dpop_server, login='[prod.login]\nsend = "oauth2"\n'))
    assert user.run("login", "prod", typed="alice\nsecret\n").status == 0
    dpop_server.expire()
    monkeypatch.chdir(user.home)  # where this library does not lie
    call = f"import requests; print(requests.get('{dpop_server.api_url}/users').status_code)"
    program = start("run", "prod", "--", other_python, "-c", call)
    assert end(program) == CommandResult(0, "200\n", "")
