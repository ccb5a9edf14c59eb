"""An authorization server for logins in a browser, and a browser with a person at it."""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from requests_jwt_refresh.testing.signing import sign
from tests.support.waits import WAIT, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from requests_jwt_refresh.testing import AuthServer


class Redirect(NamedTuple):
    """Where a browser is sent after the login, with what."""

    uri: str
    parameters: dict[str, str]
    is_form: bool


class CodeServer:
    """Gives codes, and the tokens of `tokens` for them: each once, to whoever has the verifier."""

    def __init__(self, url: str, tokens: AuthServer) -> None:
        self.url, self._tokens = url, tokens
        self._codes: dict[str, dict[str, str]] = {}
        self.forms: list[dict[str, str]] = []  # what the token endpoint got
        self.authorization: list[str | None] = []
        self.metadata: dict[str, Any] = {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "scopes_supported": ["openid", "offline_access"],
            "id_token_signing_alg_values_supported": ["HS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.clock: float | None = time.time()  # what its Date shows; None: it has none
        self.claims: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer

    @property
    def urls(self) -> dict[str, str]:
        return {"authorization_url": f"{self.url}/authorize", "token_url": f"{self.url}/token"}

    def authorize(self, url: str) -> Redirect:
        """Return what a person's yes on the page at `url` leads to."""
        asked = read_query(url)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["code_challenge"]) == 43
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        found = {"code": code, "state": asked["state"], "iss": self.url}
        return Redirect(asked["redirect_uri"], found, asked.get("response_mode") == "form_post")

    def trade(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.forms.append(form)
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or form["grant_type"] != "authorization_code"
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge"] != challenge
        ):
            return 400, {"error": "invalid_grant"}
        token, now = self._tokens.login("alice"), time.time()
        answer = {"access_token": token.access, "refresh_token": token.refresh}
        if "openid" in asked.get("scope", ""):
            claims = {"iss": self.url, "aud": asked["client_id"], "exp": now + 300, "iat": now}
            claims = self.claims({**claims, "nonce": asked["nonce"], "sub": "alice"})
            answer["id_token"] = sign(claims, b"key")
        return 200, self.answer(answer)


class _Handler(BaseHTTPRequestHandler):
    codes: CodeServer

    def do_GET(self) -> None:
        found = self.path == "/.well-known/openid-configuration"
        self._send(200 if found else 404, self.codes.metadata if found else {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.codes.authorization.append(self.headers["Authorization"])
        self._send(*self.codes.trade({name: values[0] for name, values in parse_qs(body).items()}))

    def _send(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response_only(status)
        if self.codes.clock is not None:
            self.send_header("Date", self.date_time_string(self.codes.clock))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Write no log."""


@contextmanager
def code_server(tokens: AuthServer) -> Iterator[CodeServer]:
    """Run a server whose tokens the API of `tokens` takes."""

    class Handler(_Handler):
        pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        Handler.codes = CodeServer(f"http://127.0.0.1:{listener.server_port}", tokens)
        thread = threading.Thread(target=partial(listener.serve_forever, 0.02), daemon=True)
        thread.start()
        yield Handler.codes
        listener.shutdown()
        thread.join(WAIT)


class Browser:
    """Opens the page, where a person says yes; `change` may change what comes of that."""

    def __init__(
        self, server: CodeServer, change: Callable[[Redirect], Redirect] = lambda found: found
    ) -> None:
        self._server, self._change = server, change
        self.urls: list[str] = []
        self._pages: queue.Queue[requests.Response | Exception] = queue.Queue()

    def __call__(self, url: str) -> None:
        self.urls.append(url)
        start(partial(self._visit, url))

    def page(self) -> requests.Response:
        """Return the page that the person sees at last."""
        found = self._pages.get(timeout=WAIT)
        assert isinstance(found, requests.Response), found
        return found

    def _visit(self, url: str) -> None:
        try:
            redirect = self._change(self._server.authorize(url))
            self._pages.put(follow(redirect))
        except Exception as error:  # noqa: BLE001 - raised in the test's own thread
            self._pages.put(error)


def follow(redirect: Redirect, **headers: str) -> requests.Response:
    """Send what a browser sends for a redirect, or for a form that posts itself."""
    with requests.Session() as session:
        session.trust_env = False
        url = redirect.uri
        if redirect.is_form:
            options: dict[str, Any] = {"data": redirect.parameters}
        else:
            options, url = {}, make_url(redirect)
        return session.request(
            "POST" if redirect.is_form else "GET",
            url,
            headers=headers,
            timeout=WAIT,
            allow_redirects=False,
            **options,
        )


def make_url(redirect: Redirect) -> str:
    """Return the URL of a redirect, as it stands in the address bar."""
    return f"{redirect.uri}?{urlencode(redirect.parameters)}"


def read_query(url: str) -> dict[str, str]:
    """Return the parameters of a URL, each of which may be there once."""
    found = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}
