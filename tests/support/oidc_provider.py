"""The certified oidc-provider of the folder tests/oidc_provider, with an API beside it.

It needs node and the npm package: `.ci/run` installs them. The environment's OIDC_PROVIDER is the
folder that has node_modules, ``.node`` in the checkout if unset.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests

from requests_jwt_refresh import Token
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from requests_jwt_refresh import PrivateKeyJWT

_TESTS = Path(__file__).parents[1]
_SCRIPT = _TESTS / "oidc_provider" / "server.mjs"
_MODULES = Path(os.environ.get("OIDC_PROVIDER", _TESTS.parent / ".node")).absolute()
_FORM = re.compile(r'<form[^>]* action="([^"]+)"')


class Seen(NamedTuple):
    """A request, what its proof said, and the status of the answer."""

    path: str
    status: int
    jti: str | None
    nonce: str | None


class OIDCProvider:
    """A running provider whose signing clients have the public key `jwk`. A context manager."""

    def __init__(self, jwk: Mapping[str, Any]) -> None:
        _skip_without_node()
        self._process = subprocess.Popen(
            ["node", str(_SCRIPT)],
            env={**os.environ, "OIDC_PROVIDER": str(_MODULES)},
            stdin=subprocess.PIPE,  # it ends with it, also if we are killed
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._words: list[str] = []  # what it says on its standard error
        threading.Thread(target=self._listen, daemon=True).start()
        watchdog = threading.Timer(WAIT, self._process.kill)
        watchdog.start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"jwk": jwk}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        watchdog.cancel()
        assert line, f"oidc-provider did not start: {''.join(self._words)}"
        urls = json.loads(line)
        self.issuer: str = urls["issuer"]
        self.api: str = urls["api"]
        self.token_url = f"{self.issuer}/token"
        self._redirect: str = urls["redirect"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._words.extend(self._process.stderr)

    # What it has seen, and what it is told

    def seen(self, path: str | None = None) -> list[Seen]:
        """Return the requests since the start or the last `forget`, in the order of answering."""
        found = [Seen(**each) for each in self._tell("GET", "/_seen").json()]
        return [each for each in found if path in (None, each.path)]

    def statuses(self, path: str) -> list[int]:
        return [each.status for each in self.seen(path)]

    def forget(self) -> None:
        self._tell("DELETE", "/_seen")

    def expire(self) -> None:
        """Let no access token of now be good any more."""
        self._tell("POST", "/_expire")

    def revoke(self) -> None:
        """Let no refresh token of now be good any more."""
        self._tell("POST", "/_revoke")

    def rotate_nonce(self) -> None:
        """Have the API take another nonce from now on."""
        self._tell("POST", "/_rotate", self.api)

    def _tell(self, method: str, path: str, base: str = "") -> requests.Response:
        with plain_session() as session:
            return session.request(method, (base or self.issuer) + path, timeout=WAIT)

    # Logging in, as a browser does

    def log_in(
        self, session: requests.Session, client_id: str, auth: PrivateKeyJWT | None = None
    ) -> Token:
        """Go through the authorization code flow with PKCE; trade the code through `session`."""
        verifier = secrets.token_urlsafe(32)
        form = {
            "grant_type": "authorization_code",
            "code": self._authorize(client_id, verifier),
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
            "client_id": client_id,
        }
        for _ in range(2):  # a request with an assertion in it is good for one nonce
            if auth is not None:
                auth.add(self.token_url, form, {})
            answer = session.post(self.token_url, data=form, timeout=WAIT)
            if answer.ok:
                break
        answer.raise_for_status()
        found = answer.json()
        assert found["token_type"] == "DPoP"
        return Token(found["access_token"], found["refresh_token"])

    def _authorize(self, client_id: str, verifier: str) -> str:
        """Return an authorization code that alice has consented to."""
        challenge = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": self._redirect,
            "scope": "openid offline_access",
            "prompt": "consent",
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        with plain_session() as browser:
            page = self._follow(
                browser,
                browser.get(
                    f"{self.issuer}/auth", params=query, allow_redirects=False, timeout=WAIT
                ),
            )
            while isinstance(page, requests.Response):
                page = self._follow(browser, self._submit(browser, page))
        return page

    def _submit(self, browser: requests.Session, page: requests.Response) -> requests.Response:
        """Fill in the form of a page: the login, or the consent."""
        form = _FORM.search(page.text)
        assert form, page.text
        prompt = "login" if 'name="login"' in page.text else "consent"
        answers = {"prompt": prompt, "login": "alice", "password": "any"}
        return browser.post(form[1], data=answers, allow_redirects=False, timeout=WAIT)

    def _follow(
        self, browser: requests.Session, answer: requests.Response
    ) -> requests.Response | str:
        """Follow redirects to a page, or to the code that the last one carries."""
        while answer.is_redirect:
            target = urljoin(answer.url, answer.headers["Location"])
            if target.startswith(self._redirect):
                found = parse_qs(urlsplit(target).query)
                assert "code" in found, found
                return found["code"][0]
            answer = browser.get(target, allow_redirects=False, timeout=WAIT)
        answer.raise_for_status()
        return answer


def _skip_without_node() -> None:
    if not (_MODULES / "node_modules" / "oidc-provider").is_dir() or not _has_node():
        pytest.skip(
            "no oidc-provider to test with: install node 20.19 or newer, copy "
            "tests/oidc_provider/package.json to .node, and run: npm install --prefix .node"
        )


def _has_node() -> bool:
    """Whether there is a node that is new enough for it."""
    if shutil.which("node") is None:
        return False
    command = ["node", "-e", "process.exit(URL.parse ? 0 : 1)"]
    return subprocess.run(command, timeout=WAIT, check=False).returncode == 0
