"""An OpenID client by hand: what it asks for can be wrong in any way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests

from requests_jwt_refresh.testing.authorizations import make_challenge
from tests.support.form_browser import Arrival, FormBrowser
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
CALLBACK = "http://127.0.0.1:5/callback"  # nobody is there: the code is read out of the URL
VERIFIER = "v" * 50


def leave_out(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with these changes; None leaves one out."""
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


class OpenIDClient:
    """A public client of the provider at `issuer`; it registers itself unless it has an id."""

    def __init__(self, issuer: str, client_id: str = "", redirect_uri: str = CALLBACK) -> None:
        self.issuer = issuer
        self.redirect_uri = redirect_uri
        document = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=WAIT)
        self.metadata: dict[str, Any] = document.json()
        self.client_id = client_id or self.register().json()["client_id"]

    def register(self, **changes: Any) -> requests.Response:
        content = {
            "client_name": "a test",
            "application_type": "native",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "post_logout_redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token", DEVICE_CODE],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        return requests.post(
            self.metadata["registration_endpoint"],
            json=leave_out(content, changes),
            timeout=WAIT,
        )

    def make_url(self, **changes: str | None) -> str:
        """Return the URL of the page to log in (OpenID Connect Core §3.1.2.1)."""
        query = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": "openid offline_access",
            "prompt": "consent",
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": make_challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
        return f"{self.metadata['authorization_endpoint']}?{urlencode(leave_out(query, changes))}"

    def authorize(self, *, consent: bool = True, **changes: str | None) -> Arrival:
        """Let alice log in and consent, or not."""
        with FormBrowser(self.redirect_uri) as browser:
            return browser.log_in(self.make_url(**changes), consent=consent)

    def trade(self, code: str, **changes: str | None) -> requests.Response:
        """Trade a code in (RFC 6749 §4.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }
        return self.post("token_endpoint", **leave_out(form, changes))

    def log_in(self, **changes: str | None) -> dict[str, Any]:
        """Return the response to a whole login."""
        response = self.trade(self.authorize(consent=True, **changes).fields["code"])
        assert response.status_code == 200, response.text
        fields: dict[str, Any] = response.json()
        return fields

    def refresh(self, token: str, **changes: str | None) -> requests.Response:
        form = {"grant_type": "refresh_token", "client_id": self.client_id, "refresh_token": token}
        return self.post("token_endpoint", **leave_out(form, changes))

    def poll(self, code: str, **changes: str | None) -> requests.Response:
        form = {"grant_type": DEVICE_CODE, "client_id": self.client_id, "device_code": code}
        return self.post("token_endpoint", **leave_out(form, changes))

    def start_device(self, **changes: str | None) -> requests.Response:
        form = {"client_id": self.client_id, "scope": "openid offline_access"}
        return self.post("device_authorization_endpoint", **leave_out(form, changes))

    def revoke(self, **form: str) -> requests.Response:
        return self.post("revocation_endpoint", **form)

    def post(self, endpoint: str, **form: str) -> requests.Response:
        return requests.post(self.metadata[endpoint], data=form, timeout=WAIT)
