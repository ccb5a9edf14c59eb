"""Logging in at the command line: what profiles say, and what is sent."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from tests.support.command_line import OAUTH2_REFRESH, CommandResult

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer
    from tests.support.command_line import User

LOGIN = {"login": 'url = "/auth/login"'}
DEVICE = {"device": 'url = "/auth/device"\ntoken_url = "/auth/token"'}
SECRET_IN_KEYRING = f'{OAUTH2_REFRESH}\nclient_auth = "basic"'
PASSWORD = "hunter2-Ünïcode"


def describe_login(user: User, name: str = "alice") -> CommandResult:
    """Return what a login says that has gone well."""
    kept = f"The token is kept in the file {user.token_file}.\n"
    return CommandResult(0, f"Logged in to prod as {name}.\n{kept}", "")


def find_form(server: AuthServer, kind: str = "login") -> dict[str, str]:
    """Return the form of the last request of this kind."""
    seen = [each for each in server.requests if each.kind == kind][-1]
    fields = parse_qs(seen.body.decode(), strict_parsing=True)
    assert all(len(values) == 1 for values in fields.values())
    return {name: values[0] for name, values in fields.items()}


def make_basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"
