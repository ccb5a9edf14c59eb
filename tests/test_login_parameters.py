"""What else a login asks for: audience=, resource=, access_type= and the like."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from requests_jwt_refresh import BrowserLogin, DeviceLogin, OAuth2Endpoint, ServerMetadata
from requests_jwt_refresh.grants import login_parameters
from requests_jwt_refresh.grants.code_flow import CodeRequest
from requests_jwt_refresh.grants.redirects import Parameters
from requests_jwt_refresh.profiles.load import Profiles
from tests.support.code_server import Browser, code_server
from tests.support.command_line import user
from tests.support.document_server import run_document_server
from tests.support.keyrings import DictKeyring, use_keyring
from tests.support.waits import WAIT
from tests.test_browser_login import log_in
from tests.test_init_discovery import describe, list_options

if TYPE_CHECKING:
    from requests_jwt_refresh.testing import AuthServer
    from tests.support.command_line import User

__all__ = ["user"]  # a fixture

CLIENT = OAuth2Endpoint("https://id.example.com/token", "tv")
BOTH = {"audience": "https://api.example.com", "resource": ["https://a.example", "https://b"]}


def test_a_browser_login_sends_them(server: AuthServer) -> None:
    """With the page's URL; a server that does not know one ignores it (RFC 6749 §3.1)."""
    with code_server(server) as codes:
        browser = Browser(codes)
        extra = {**BOTH, "resource": "https://a", "prompt": "login"}
        log_in(BrowserLogin(codes.url, "tv", open=browser, timeout=WAIT, extra=extra))
    asked = parse_qs(urlsplit(browser.urls[0]).query)
    assert asked["audience"] == ["https://api.example.com"]
    assert asked["resource"] == ["https://a"]
    assert asked["prompt"] == ["login"]
    assert [each["resource"] for each in codes.forms] == ["https://a"]


def test_the_code_is_traded_for_the_same_resource() -> None:
    """RFC 8707 §2.2; the other parameters stay out of the token request."""
    server = ServerMetadata("", authorization_url="https://h/a", token_url="https://h/t")
    request = CodeRequest(server, "tv", "openid", asks_consent=True, extra=BOTH)
    assert parse_qs(urlsplit(request.make_url("http://127.0.0.1:1")).query)["prompt"] == ["consent"]
    body = request.ask_token(CLIENT, _make_code(), "http://127.0.0.1:1").prepare().body
    sent = parse_qs(str(body))
    assert sent["resource"] == BOTH["resource"]
    assert "audience" not in sent


def _make_code() -> Any:
    import inspect

    takes_text = "code" in inspect.signature(CodeRequest.ask_token).parameters
    return "c" if takes_text else Parameters([("code", "c")])


def test_a_device_login_sends_them() -> None:
    """With the request for a code, and the resource with each poll."""
    login = DeviceLogin("/device", extra=BOTH).bind(CLIENT, "https://id.example.com")
    login = pickle.loads(pickle.dumps(login))
    first, poll = (
        dict(parse_qsl(str(each.prepare().body))) for each in (login.ask(), login.poll("d"))
    )
    assert (first["audience"], first["resource"]) == ("https://api.example.com", "https://b")
    assert (poll.get("audience"), poll["resource"]) == (None, "https://b")


def test_they_are_copied_and_not_shown() -> None:
    """As an endpoint's `extra`."""
    given: dict[str, Any] = {"login_hint": "alice@example.com"}
    login = BrowserLogin("https://h", "tv", extra=given)
    given["login_hint"] = "bob"
    assert login.extra == {"login_hint": "alice@example.com"}
    assert "alice" not in repr(login)


@pytest.mark.parametrize("name", ["state", "nonce", "scope", "code_challenge", "client_id"])
def test_what_the_login_sets_itself_cannot_be_replaced(name: str) -> None:
    """Else nothing would tie the response to this login."""
    with pytest.raises(ValueError, match=f"extra must not set '{name}': the login does"):
        BrowserLogin("https://h", "tv", extra={name: "x"})
    with pytest.raises(ValueError, match=f"extra must not set '{name}': the login does"):
        DeviceLogin("/device", extra={name: "x"})


@pytest.mark.parametrize(
    "extra", [None, "a=b", {1: "x"}, {"a": 1}, {"a": ""}, {"a": []}, {"": "x"}]
)
def test_what_cannot_be_sent_is_a_type_error(extra: Any) -> None:
    """Before anybody logs in."""
    with pytest.raises(TypeError, match="extra"):
        BrowserLogin("https://h", "tv", extra=extra)


def test_init_writes_them_for_both_logins(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is given twice has two values."""
    use_keyring(monkeypatch, DictKeyring())
    more = ("audience=https://api", "resource=https://a", "resource=https://b")
    with run_document_server() as server:
        options = list_options(describe(server), "--client-id", "me", "--yes")
        done = user.run(*options, *(word for each in more for word in ("--login-parameter", each)))
    assert done.status == 0, done.err
    expected = {"audience": "https://api", "resource": ["https://a", "https://b"]}
    profile = Profiles.read(user.file).profile("prod")
    assert profile.browser is not None
    assert profile.device is not None
    assert (profile.browser.extra, profile.device.extra) == (expected, expected)


def test_init_knows_what_some_servers_want(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google gives a refresh token only with access_type=offline; what is given goes before."""
    assert "https://accounts.google.com" in login_parameters.USUAL_PARAMETERS
    use_keyring(monkeypatch, DictKeyring())
    usual = {"access_type": "offline", "prompt": "consent"}
    with run_document_server() as server:
        monkeypatch.setitem(login_parameters.USUAL_PARAMETERS, server.url, usual)
        options = list_options(describe(server), "--client-id", "me", "--yes")
        done = user.run(*options, "--login-parameter", "prompt=login")
    assert done.status == 0, done.err
    assert "wants access_type=offline and prompt=consent" in " ".join(done.err.split())
    content = Profiles.read(user.file).content["prod"]
    assert content["browser"]["extra"] == {"access_type": "offline", "prompt": "login"}
    assert content["device"]["extra"] == {"prompt": "login"}


def test_init_without_such_a_login_says_so(user: User) -> None:
    """Nothing is written."""
    url = ("--base-url", "https://h", "--refresh-url", "/r")
    done = user.run("init", "prod", *url, "--login-parameter", "audience=x")
    assert (done.status, user.file.exists()) == (2, False)
    assert "--login-parameter is for logins by browser or device" in done.err
