"""init, login, doctor and logout against the certified oidc-provider.

tests/test_login_browser.py has what AuthServer can show.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.browser_program import use_browser
from tests.support.command_line import User, needs_posix, user
from tests.support.doctor import examine
from tests.support.keyrings import DictKeyring, use_keyring
from tests.support.oidc_provider import OpenIDProvider
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["user"]  # a fixture

pytestmark = needs_posix


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIDProvider]:
    with OpenIDProvider(["http://127.0.0.1"]) as provider:
        yield provider


def init(user: User, provider: OpenIDProvider, *options: str) -> None:
    """Make the profile from what the provider says."""
    where = ("--issuer", provider.issuer, "--base-url", provider.api, "--client-id", "public")
    store = ("--store", "file", "--path", str(user.token_file))
    done = user.run("init", "prod", *where, *store, "--yes", *options)
    assert done.status == 0, done.err


def test_from_an_issuer_to_a_logout(
    user: User, provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile says all there is to know; the provider takes what the commands send."""
    use_keyring(monkeypatch, DictKeyring())
    person = use_browser(monkeypatch)
    init(user, provider)
    done = user.run("login", "prod")
    person.leave()
    assert done.status == 0, done.err
    assert "You are logged in" in person.pages[0]
    before = user.stored_token
    assert before.extra["scope"] == "openid offline_access"
    report = examine(user)
    assert report.status == 0, report.text
    well = dict.fromkeys(("redirect", "browser", "client"), "ok")
    assert report.signs().items() >= well.items(), report.text
    assert user.run("refresh", "prod").status == 0
    assert user.stored_token.refresh != before.refresh
    done = user.run("logout", "prod", "--no-browser")
    assert done.status == 0, done.err
    assert user.store.load() is None
    (page,) = re.findall(r"http://\S+", done.err)
    with plain_session() as session:
        assert session.get(page, timeout=WAIT).status_code == 200


def test_a_redirect_uri_that_the_provider_does_not_know(
    user: User, provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """doctor says so in our words."""
    use_keyring(monkeypatch, DictKeyring())
    init(user, provider, "--redirect-uri", "http://127.0.0.1:8400/other")
    found = examine(user).findings["browser"]
    assert found.sign == "FAULT"
    assert "the redirect URI http://127.0.0.1:8400/other is not registered" in found.cause


def write_client(user: User, provider: OpenIDProvider, client_id: str) -> None:
    """Make the profile of another client, which has no secret as far as it says."""
    init(user, provider, "--client-auth", "none")
    text = user.file.read_text(encoding="utf-8")
    user.file.write_text(text.replace('client_id = "public"', f'client_id = "{client_id}"'))


@pytest.mark.parametrize(
    ("client_id", "signs", "cause"),
    [
        ("nobody", {"browser": "FAULT", "client": "FAULT"}, "it does not know the client nobody"),
        ("confidential", {"browser": "ok", "client": "FAULT"}, "without a secret"),
    ],
)
def test_a_client_of_another_kind(
    user: User,
    provider: OpenIDProvider,
    monkeypatch: pytest.MonkeyPatch,
    client_id: str,
    signs: dict[str, str],
    cause: str,
) -> None:
    """That the server does not know, or that has a secret there; nothing else is asked of it."""
    use_keyring(monkeypatch, DictKeyring())
    write_client(user, provider, client_id)
    provider.forget()
    report = examine(user)
    assert {name: report.signs()[name] for name in signs} == signs, report.text
    assert any(cause in each.cause for each in report.findings.values()), report.text
    assert report.status == 1
    assert len([each for each in provider.seen() if each.path.startswith("/auth")]) == 1
    posted = [each.status for each in provider.seen("/token") if each.status != 404]
    assert posted == [401]


def test_a_client_that_registers_itself(
    user: User, provider: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can log in; what the server would let it be changed with is not kept."""
    use_keyring(monkeypatch, DictKeyring())
    store = ("--store", "file", "--path", str(user.token_file))
    done = user.run("init", "prod", "--from", f"{provider.api}/v1", *store, "--yes")
    assert done.status == 0, done.err
    assert "(registration_access_token) was not kept" in done.err
    signs = examine(user).signs()
    assert (signs["browser"], signs["client"]) == ("ok", "ok")
