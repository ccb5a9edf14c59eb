"""Profiles as tests write them, and what requests made of them carry."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from requests_jwt_refresh.errors import ProfileError
from requests_jwt_refresh.profiles.load import Profile, Profiles

if TYPE_CHECKING:
    from pathlib import Path

    import requests

API = "https://api.example.com"
SECRET = "hunter2-s3cr3t"
CLAIMS = "eyJzdWIiOiJhbGljZSJ9"
JWT = f"eyJhbGciOiJIUzI1NiJ9.{CLAIMS}.c2lnbmF0dXJl"

PROD = '[prod]\nbase_url = "https://api.example.com/v1"\n'
JSON = '[prod.refresh]\nkind = "json"\nurl = "/r"\n'
OAUTH2 = '[prod.refresh]\nkind = "oauth2"\nurl = "/token"\n'
CLIENT = f'{OAUTH2}client_id = "me"\n'
WHEN = f"{PROD}{JSON}[prod.when]\n"
STORE = f"{PROD}{JSON}[prod.store]\n"
LOGIN = f"{PROD}{JSON}[prod.login]\n"
GOOD = '\n[good]\nbase_url = "https://good.example.com"\nrefresh = {preset = "simplejwt"}\n'

FULL = """
[prod]
base_url = "https://api.example.com/v1"
trusted_origins = ["https://cdn.example.com", "https://files.example.com:8443/"]
refresh_timeout = 5

[prod.refresh]
kind = "json"
url = "/auth/refresh"
send = "data.renew"
access = "data.token"
refresh = "data.renew"
expires_in = "data.ttl"
ok = 200
rejected = [401, 403]
extra = { data = { device = 7 } }

[prod.when]
json_field = "message"
value = "Invalid JWT"
status = [401, 403]

[prod.store]
kind = "file"
path = "token.json"

[prod.login]
url = "https://login.example.com/in"
send = "form"
username_field = "email"
password_field = "pass"
access = "jwt.access"
extra = { tenant = "acme" }

[prod.logout]
url = "/auth/logout"
method = "DELETE"
refresh_field = "renew"
extra = { everywhere = true }
"""
OAUTH2_FULL = f"""{PROD}{CLIENT}
client_secret_file = "secret"
[prod.login]
send = "oauth2"
[prod.device]
url = "/device"
scope = "a b"
[prod.logout]
url = "/revoke"
send = "oauth2"
"""


@pytest.fixture(autouse=True)
def no_profiles_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import it into a module, and nothing outside a test says where profiles are."""
    monkeypatch.delenv("REQUESTS_JWT_PROFILES", raising=False)
    monkeypatch.delenv("REQUESTS_JWT_PROFILES_TOML", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "profiles.toml"


def profile(file: Path, text: str, name: str = "prod") -> Profile:
    file.write_text(text, encoding="utf-8")
    return Profiles.read(file).profile(name)


def endpoint_of(read: Profile) -> Any:
    """Return the endpoint of a profile, of whatever class."""
    assert read.refresh is not None
    return read.refresh


def catch_fault(file: Path, name: str = "prod") -> pytest.ExceptionInfo[ProfileError]:
    """Return what reading the profile raises. No argument is a secret: pytest shows them."""
    with pytest.raises(ProfileError) as caught:
        Profiles.read(file).profile(name)
    return caught


def show_all(caught: pytest.ExceptionInfo[ProfileError]) -> str:
    """Return all that people may see of an error: its text, its parts, pytest's report."""
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None, "an exception behind it could hold a secret"
    report = caught.getrepr(style="long", funcargs=True)
    return f"{error} {error!r} {error.args} {vars(error)} {report}"


def read_basic_pair(request: requests.PreparedRequest) -> str:
    scheme, _, pair = str(request.headers["Authorization"]).partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(pair).decode()


def read_json(request: requests.PreparedRequest) -> Any:
    assert request.headers["Content-Type"] == "application/json"
    assert isinstance(request.body, bytes)
    return json.loads(request.body)


def read_form(request: requests.PreparedRequest) -> dict[str, list[str]]:
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert isinstance(request.body, str)
    return parse_qs(request.body, strict_parsing=True)
