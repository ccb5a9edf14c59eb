"""The certified oidc-provider of the folder tests/oidc_provider, with an API beside it.

OIDCProvider takes DPoP proofs alone; OpenIDProvider is for logins without set-up.

It needs node and the npm package: `.ci/run` installs them. The environment's OIDC_PROVIDER is the
folder that has node_modules, ``.node`` in the checkout if unset.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

import pytest

from requests_jwt_refresh import Token
from tests.support.form_browser import FormBrowser
from tests.support.sessions import plain_session
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import requests
    from typing_extensions import Self

    from requests_jwt_refresh import PrivateKeyJWT

_TESTS = Path(__file__).parents[1]
_PROGRAMS = _TESTS / "oidc_provider"
_MODULES = Path(os.environ.get("OIDC_PROVIDER", _TESTS.parent / ".node")).absolute()


class Seen(NamedTuple):
    """A request, what its proof said, and the status of the answer."""

    path: str
    status: int
    jti: str | None
    nonce: str | None


class _Provider:
    """One of the programs of tests/oidc_provider, running. A context manager."""

    _program: str

    def __init__(self, options: Mapping[str, Any]) -> None:
        _skip_without_node()
        self._process = subprocess.Popen(
            ["node", str(_PROGRAMS / self._program)],
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
        self._process.stdin.write(json.dumps(options) + "\n")
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

    def _tell(self, method: str, path: str, base: str = "") -> requests.Response:
        with plain_session() as session:
            return session.request(method, (base or self.issuer) + path, timeout=WAIT)


class OIDCProvider(_Provider):
    """A provider that takes DPoP proofs alone; its signing clients have the public key `jwk`."""

    _program = "dpop.mjs"

    def __init__(self, jwk: Mapping[str, Any]) -> None:
        super().__init__({"jwk": jwk})

    def rotate_nonce(self) -> None:
        """Have the API take another nonce from now on."""
        self._tell("POST", "/_rotate", self.api)

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
        with FormBrowser(self._redirect) as browser:
            found = browser.log_in(f"{self.issuer}/auth?{urlencode(query)}")
        return found.fields["code"]


class OpenIDProvider(_Provider):
    """A provider that a client needs to know nothing of but its issuer, or its API's URL.

    Its clients: `PUBLIC`, and `CONFIDENTIAL` with `SECRET`; both may be redirected to any port of
    127.0.0.1 at /callback, or to `redirect_uris` instead. Others may register. Everybody may log
    in, with any password.
    """

    PUBLIC: Final = "public"
    CONFIDENTIAL: Final = "confidential"
    SECRET: Final = "confidential-secret"

    _program = "openid.mjs"

    def __init__(self, redirect_uris: Sequence[str] = ("http://127.0.0.1/callback",)) -> None:
        super().__init__({"redirect_uris": list(redirect_uris)})


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
