"""`requests-jwt run` and a 401 that the profile's rule for an expired token does not match."""

from __future__ import annotations

import io
import sys

import pytest
import requests

from requests_jwt_refresh import all_of, any_of, bearer_challenge, json_field, status
from requests_jwt_refresh.inject.unmatched import describe_unmatched
from requests_jwt_refresh.tokens import with_values
from tests.support.programs import (
    START,
    Workspace,
    profile_text,
    warm_command,
    warm_programs,
    workspace,
)

__all__ = ["warm_command", "warm_programs", "workspace"]  # fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

WRONG_RULE = 'when = {json_field = "message", value = "jwt expired"}\n'
CALLS = f"{START}print([requests.get(url).status_code for _ in range(2)])\n"
OWN = f"{START}print(requests.get(url, auth=('me', 'pw')).status_code)\n"


def set_rule(workspace: Workspace, rule: str) -> None:
    """Give the profile a rule, and a token whose end nobody knows."""
    workspace.store().save(with_values(workspace.token(), expires_at=None))
    workspace.profiles.write_text(profile_text(workspace) + rule, encoding="utf-8")


def test_a_401_that_does_not_match_is_told_once(workspace: Workspace) -> None:
    """The status, the media type, the field that the rule reads, and which key to change."""
    set_rule(workspace, WRONG_RULE)
    workspace.server.expire()
    ended = workspace.run_code(CALLS)
    assert ended.output == "[401, 401]\n"
    said = ended.warning()
    assert "/api/x answered 401 (application/json, message = 'Invalid JWT')" in said
    assert f"change [prod.when] in {workspace.profiles}" in said
    assert (workspace.token().access or "?") not in said
    assert workspace.server.counters.refreshes == 0


def test_a_rule_for_another_status_is_told_too(workspace: Workspace) -> None:
    """Nobody has asked such a rule about the 401."""
    set_rule(workspace, "when = {status = 419}\n")
    workspace.server.expire()
    assert "answered 401 (application/json)" in workspace.run_code(CALLS).warning()


def test_a_token_that_is_known_to_be_alive_has_not_expired(workspace: Workspace) -> None:
    """A permission that the program asks about at each of its runs is no news in each mail."""
    set_rule(workspace, WRONG_RULE)
    workspace.log_in()
    workspace.server.expire()
    ended = workspace.run_code(CALLS)
    assert (ended.output, ended.ours()) == ("[401, 401]\n", [])


def test_a_rule_that_matches_says_nothing(workspace: Workspace) -> None:
    """The refresh is not told of."""
    workspace.server.expire()
    ended = workspace.run_code(CALLS)
    assert (ended.output, ended.ours()) == ("[200, 200]\n", [])


SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
OPAQUE = "AbCdEfGh_IjKlMnOp-QrSt"  # without a digit, as some are
SHOWN = [
    ('{"message": "Token expired, please retry."}', "message = 'Token expired, please retry.'"),
    (f'{{"message": "bad token {SECRET}"}}', "message = 'bad token ...'"),
    ('{"message": "a\\u001b[31mb\\u202ec d"}', "message = '... d'"),
    (f'{{"message": "{"long " * 30}"}}', f"message = {'long ' * 12 + '...'!r}"),
    ('{"message": {"code": 7}}', "message = (not shown)"),
    ('{"message": 401}', "message = 401"),
    ('{"message": 123456789}', "message = (not shown)"),
    ('{"message": null}', "message = null"),
    ('{"message": true}', "message = true"),
    ('{"error": "expired"}', "no field 'message'"),
    ("[]", "no field 'message'"),
    ("<p>Unauthorized", "no JSON that can be read"),
    ("", "no JSON that can be read"),
]


@pytest.mark.parametrize(("body", "shown"), SHOWN)
def test_what_an_answer_looked_like(body: str, shown: str) -> None:
    """Plain words and short numbers; nothing that could be a secret, or that a terminal obeys."""
    response = requests.Response()
    response.status_code, response.raw = 401, io.BytesIO(body.encode())
    response.headers["Content-Type"] = "Application/JSON; charset=utf-8"
    rule = json_field("message", "Invalid JWT")
    response.request = requests.PreparedRequest()
    assert not rule(response)
    assert describe_unmatched(rule, response) == f"application/json, {shown}"
    code = any_of(rule, status(419), all_of(json_field("errors.*.code", 89), rule))
    assert describe_unmatched(code, response).startswith(f"application/json, {shown}")
    response.headers["Content-Type"] = f"text/{SECRET}"
    assert describe_unmatched(rule, response) == f"without a usual content type, {shown}"


@pytest.mark.parametrize("word", [OPAQUE, OPAQUE[:12], f"<{OPAQUE}>", f"{OPAQUE}.", f"a-{OPAQUE}"])
def test_a_secret_that_looks_like_a_word_is_not_shown(word: str) -> None:
    """An API may echo the very token that it refuses."""
    response = requests.Response()
    response.status_code, response.raw = 401, io.BytesIO(f'{{"m": "no {word} here"}}'.encode())
    assert response.content
    shown = describe_unmatched(json_field("m", "Invalid JWT"), response, [OPAQUE])
    assert shown.endswith("m = 'no ... here'")


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key"])
def test_what_a_request_has_carried_is_not_shown(workspace: Workspace, name: str) -> None:
    """Our token, and a key of the program's own."""
    set_rule(workspace, WRONG_RULE)
    workspace.store().save(with_values(workspace.token(), access=OPAQUE))
    ended = workspace.run_code(f"""{START}
from requests.adapters import HTTPAdapter

def echo(self, request, **options):
    response = requests.Response()
    response.status_code, response.url, response.request = 401, request.url, request
    response.headers["Content-Type"] = TYPE
    response.raw = io.BytesIO(b'{{"message": "no %s"}}' % request.headers["{name}"].encode())
    return response

import io
HTTPAdapter.send, TYPE = echo, "application/json"
print(requests.get(url, headers={{"X-Api-Key": "open-sesame"}}).status_code)
TYPE = None
print(requests.get(url, headers={{"X-Api-Key": "open-sesame"}}).status_code)
""")
    assert ended.output == "401\n401\n"
    scheme = "Bearer " if name == "Authorization" else ""
    assert f"(application/json, message = 'no {scheme}...')" in ended.warning()


def test_a_body_that_the_rule_has_not_read_is_left_alone() -> None:
    """It may be a stream that the program wants to read."""
    response = requests.Response()
    response.status_code, response.raw = 401, io.BytesIO(b'{"message": "x"}')
    rule = all_of(bearer_challenge(), json_field("message", "Invalid JWT"))
    assert describe_unmatched(rule, response) == "without a usual content type"
    assert response.raw.read() == b'{"message": "x"}'


def test_an_answer_that_lacks_everything_harms_nobody(workspace: Workspace) -> None:
    """As an adapter of the program's own may make it."""
    set_rule(workspace, WRONG_RULE)
    ended = workspace.run_code(f"""{START}
from requests.adapters import HTTPAdapter

def fake(self, request, **options):
    response = requests.Response()
    response.status_code, response.url, response.request = 401, request.url, request
    response.headers["Content-Type"] = b"text/html"
    response._content = None
    return response

HTTPAdapter.send = fake
print(requests.get(url).status_code)
""")
    assert ended.output == "401\n"


def test_a_401_to_the_programs_own_credentials_is_its_own(workspace: Workspace) -> None:
    """It went out without our token, so it says nothing about the rule."""
    set_rule(workspace, WRONG_RULE)
    ended = workspace.run_code(OWN)
    assert (ended.output, ended.ours()) == ("401\n", [])


def test_a_missing_login_is_not_told_of_twice(workspace: Workspace) -> None:
    """That alone is the reason for the 401."""
    set_rule(workspace, WRONG_RULE)
    workspace.store().clear()
    assert "'prod' is not logged in" in workspace.run_code(CALLS).warning()
