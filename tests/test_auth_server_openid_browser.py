"""A real browser goes through the pages of AuthServer and of the certified provider alike.

The client is made by hand: PKCE, and a socket on this machine that the browser is sent to.
"""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from requests_jwt_refresh.testing import AuthServer
from tests.support.oidc_provider import OpenIDProvider
from tests.support.openid_client import OpenIDClient
from tests.support.plain_requests import make_bearer_header
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.chromium import Chromium


class _Receiver(BaseHTTPRequestHandler):
    """The redirect URI: notes what arrives, and answers with a page."""

    server: _Listener

    def do_GET(self) -> None:
        self._note(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._note(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _note(self, fields: str) -> None:
        if urlsplit(self.path).path == "/callback":
            self.server.arrived.put((self.command, dict(parse_qsl(fields))))
        body = b"<!doctype html><title>Done</title><p>It worked."
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Write no log."""


class _Listener(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.arrived: Queue[tuple[str, dict[str, str]]] = Queue()


@pytest.fixture
def receiver() -> Iterator[_Listener]:
    with _Listener() as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield listener
        listener.shutdown()
        thread.join(WAIT)


@pytest.fixture(params=["AuthServer", "oidc-provider"])
def urls(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """The issuer and its API."""
    with contextlib.ExitStack() as stack:
        if request.param == "AuthServer":
            server = stack.enter_context(AuthServer(openid=True))
            yield server.url, server.url
        else:
            provider = stack.enter_context(OpenIDProvider())
            yield provider.issuer, provider.api


def test_a_person_logs_in(chromium: Chromium, receiver: _Listener, urls: tuple[str, str]) -> None:
    """A refusal, a consent, and once more by form_post: the code that arrives is good."""
    issuer, api = urls
    redirect_uri = f"http://127.0.0.1:{receiver.server_address[1]}/callback"
    client = OpenIDClient(issuer, redirect_uri=redirect_uri)

    chromium.log_in(client.make_url(), redirect_uri, consent=False)
    method, fields = receiver.arrived.get(timeout=WAIT)
    assert (method, fields["error"]) == ("GET", "access_denied")
    assert (fields["state"], fields["iss"]) == ("a-state", issuer)

    for mode, wanted in (("query", "GET"), ("form_post", "POST")):
        chromium.log_in(client.make_url(response_mode=mode), redirect_uri)
        method, fields = receiver.arrived.get(timeout=WAIT)
        assert (method, set(fields)) == (wanted, {"code", "state", "iss"})
        assert (chromium.title, chromium.text) == ("Done", "It worked.")
        token = client.trade(fields["code"]).json()["access_token"]
        answer = requests.get(f"{api}/users", headers=make_bearer_header(token), timeout=WAIT)
        assert (answer.status_code, answer.json()["user"]) == (200, "alice")
    assert receiver.arrived.empty()


def test_the_pages_keep_their_own_policy(chromium: Chromium, receiver: _Listener) -> None:
    """The browser complains of nothing; a second tab asks nothing of who has logged in."""
    redirect_uri = f"http://127.0.0.1:{receiver.server_address[1]}/callback"
    with AuthServer(openid=True) as server:
        client = OpenIDClient(server.url, server.client_id, redirect_uri)
        url = client.make_url(prompt=None, response_mode="form_post")
        chromium.open(url)
        assert chromium.title == "Log in"
        chromium.open_tab(url)
        chromium.log_in(url, redirect_uri)
        chromium.close_tab()
        assert chromium.title == "Log in"
        chromium.reload()
        chromium.wait_for(lambda browser: browser.title == "Done", "the end of the login")
        assert [each for each in chromium.console if "favicon" not in each] == []
        assert (server.counters.authorizations, receiver.arrived.qsize()) == (2, 2)
