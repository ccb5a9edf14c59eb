"""doctor: where the token goes, headers of the API, and APIs without a refresh."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh.tokens import Token, with_values
from tests.support.command_line import User, needs_posix, user
from tests.support.doctor import examine, healthy_user
from tests.support.keyrings import DictKeyring, use_keyring

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer

__all__ = ["healthy_user", "user"]  # fixtures

pytestmark = needs_posix


def change(user: User, old: str, new: str) -> None:
    """Edit the profile."""
    text = user.file.read_text(encoding="utf-8")
    assert old in text
    user.file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    "place",
    ['{ header = "X-Token" }', '{ cookie = "sid" }', '{ cookie = "sid", csrf = ["csrf", "X-C"] }'],
)
def test_a_place_that_carries_the_token_is_fine(healthy_user: User, place: str) -> None:
    """A cookie without a double submit, too: many servers need no more."""
    extra = {"cookies": {"csrf": "abc"}}
    healthy_user.save_token(replace(healthy_user.stored_token, extra=extra))
    change(healthy_user, "[prod]\n", f"[prod]\nattach = {place}\n")
    assert examine(healthy_user).is_healthy_but_for()


def test_a_csrf_value_that_did_not_come_with_the_token(healthy_user: User) -> None:
    """A note: the API may set that cookie later, or not at all."""
    place = '{ cookie = "sid", csrf = ["csrf", "X-C"] }'
    change(healthy_user, "[prod]\n", f"[prod]\nattach = {place}\n")
    report = examine(healthy_user)
    assert report.is_healthy_but_for(place="note")
    assert "'csrf', which the header X-C repeats, did not come" in report.findings["place"].cause


def test_a_token_that_its_place_cannot_carry(healthy_user: User) -> None:
    """A fault that names the cookie, and not the token."""
    healthy_user.save_token(Token("hunter2, hunter2", "r"))
    change(healthy_user, "[prod]\n", '[prod]\nattach = { cookie = "sid" }\n')
    report = examine(healthy_user)
    assert report.is_healthy_but_for(place="FAULT")
    assert "the cookie 'sid' cannot carry" in report.findings["place"].cause
    assert "hunter2" not in report.text


def test_a_lifetime_that_may_be_milliseconds(healthy_user: User) -> None:
    """Above 7 days, for a token that does not say it itself: a note with the key to set."""
    for days, sign in ((6.9, None), (7.1, "note")):
        now = time.time()
        token = Token("opaque", "r", now + days * 86_400)
        healthy_user.save_token(with_values(token, received_at=now))
        report = examine(healthy_user)
        assert report.signs().get("lifetime") == sign
    remedy = report.findings["lifetime"].remedy
    assert 'write expires_in_unit = "ms" into [prod.refresh]' in remedy


def test_headers_whose_values_are_elsewhere(healthy_user: User) -> None:
    """Whether each is there; which file is missing."""
    with healthy_user.file.open("a", encoding="utf-8") as file:
        file.write('[prod.headers]\nX-Api-Key = { file = "key.txt" }\n')
    report = examine(healthy_user)
    assert report.is_healthy_but_for(secret="FAULT")
    assert "key.txt cannot be read" in report.findings["secret"].cause
    (healthy_user.home / "key.txt").write_text("hunter2")
    report = examine(healthy_user)
    assert report.findings["secret"].cause == "the headers.X-Api-Key is there"
    assert "hunter2" not in report.text


def test_an_api_without_a_refresh(
    user: User, server: AuthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No refresh token is missing there; how to do without a person is said."""
    use_keyring(monkeypatch, DictKeyring())
    user.file.write_text(
        f'[prod]\nbase_url = "{server.url}"\nstore = {{ kind = "file", path = "token.json" }}\n'
        '[prod.login]\nurl = "/auth/login"\n',
        encoding="utf-8",
    )
    assert examine(user).findings["token"].sign == "FAULT"
    assert user.run("login", "prod", typed="bob\nright\n").status == 0
    report = examine(user)
    assert (report.status, report.findings["token"].sign) == (0, "ok")
    assert "requests-jwt login prod --remember" in report.findings["token"].remedy
    assert user.run("login", "prod", "--remember", typed="bob\nright\n").status == 0
    user.store.clear()
    assert examine(user).findings["token"].cause == "none yet; the next request logs in"
