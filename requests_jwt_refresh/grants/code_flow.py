"""The authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636), as values: nothing is sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import JWTRefreshError, RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.grants.login_parameters import pick_resource
from requests_jwt_refresh.matching import find, parse_json
from requests_jwt_refresh.response_errors import parse_http_date
from requests_jwt_refresh.tokens import is_finite, jwt_claims
from requests_jwt_refresh.urls import describe_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import requests

    from requests_jwt_refresh.grants import OAuth2Client
    from requests_jwt_refresh.grants.discovery import ServerMetadata
    from requests_jwt_refresh.grants.redirects import Parameters
    from requests_jwt_refresh.responses import TokenResponse

_LEEWAY: Final = 60.0  # seconds between the clocks of a server's machines
_CODE_IN_TEXT: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_OPENID: Final = "openid"
_EXPIRED: Final = "has expired"
_NOTHING_TAKEN: Final = "nothing was taken from it"

# RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6.
_DENIED: Final = ("access_denied", "user_cancelled", "consent_denied")
_REMEDIES: Final = {
    "invalid_request": "check that the redirect_uri is registered at the server, and the scope",
    "invalid_request_uri": "check that the redirect_uri is registered at the server",
    "invalid_scope": "check the scope",
    "unauthorized_client": "let this client use the authorization code flow, at the server",
    "unsupported_response_type": "let this client use the authorization code flow, at the server",
    "server_error": "try again later",
    "temporarily_unavailable": "try again later",
    "login_required": "log in again, and finish it in the browser",
    "interaction_required": "log in again, and finish it in the browser",
    "consent_required": "log in again, and agree in the browser",
    "account_selection_required": "log in again, and choose an account in the browser",
}


@dataclass(frozen=True)
class CodeRequest:
    """One request for an authorization code, and what its response has to fit.

    `state` ties the response to this browser (RFC 6749 §10.12), `nonce` the id_token to this
    request (OpenID Connect Core §3.1.2.1), `verifier` the code to this program (RFC 7636 §4.1).
    """

    server: ServerMetadata
    client_id: str
    scope: str
    asks_consent: bool = False
    state: str = field(default_factory=secrets.token_urlsafe, repr=False)
    nonce: str = field(default_factory=secrets.token_urlsafe, repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)
    extra: Mapping[str, str | Sequence[str]] = field(default_factory=dict, repr=False)

    @property
    def is_openid(self) -> bool:
        """Whether an id_token was asked for (OpenID Connect Core §3.1.2.1)."""
        return _OPENID in self.scope.split()

    @property
    def uses_post(self) -> bool:
        """Whether the response is to come as a form, since the server has nothing else."""
        modes = self.server.response_modes
        return "query" not in modes and "form_post" in modes

    def make_url(self, redirect_uri: str) -> str:
        """Return the page to open in a browser (RFC 6749 §4.1.1, RFC 7636 §4.3).

        It holds no secret: without the verifier nobody gets a token for what comes of it.
        """
        digest = hashlib.sha256(self.verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "scope": self.scope or None,
            "nonce": self.nonce if self.is_openid else None,
            "prompt": "consent" if self.asks_consent else None,
            "response_mode": "form_post" if self.uses_post else None,
            **self.extra,
        }
        given = {name: value for name, value in parameters.items() if value is not None}
        url = self.server.authorization_url or ""
        separator = "&" if "?" in url else "?"
        return f"{url}{separator}{urlencode(given, doseq=True, quote_via=quote)}"

    def check_response(self, parameters: Parameters) -> None:
        """Check that a response with the right state has a code for us.

        Raises RefreshRejected if the login was denied, RefreshUnavailable for everything else.
        """
        if parameters.repeated:
            names = ", ".join(parameters.repeated)
            raise _make_response_error(f"has several values of {names}")
        self._check_issuer(parameters.find("iss"))
        error = parameters.find("error")
        if error is not None:
            raise self._make_error(error)
        if parameters.find("code") is None:
            raise _make_response_error("has neither a code nor an error")

    def find_description(self, parameters: Parameters) -> str | None:
        """Return what the server says of its error, for a person; None for any other's words."""
        is_clear = not parameters.repeated and parameters.find("error") is not None
        if not is_clear or self._find_foreign_issuer(parameters.find("iss")) is not None:
            return None
        return parameters.find("error_description")

    def _check_issuer(self, given: str | None) -> None:
        """Raise RefreshUnavailable for the response of another server (RFC 9207 §2.4)."""
        problem = self._find_foreign_issuer(given)
        if problem is not None:
            raise _make_response_error(problem)

    def _find_foreign_issuer(self, given: str | None) -> str | None:
        """Return why a response is not known to be from our server; None if it may be."""
        issuer = self.server.issuer
        if given is None and self.server.sends_iss:
            return "does not say which server it is from"
        if given is not None and issuer and given != issuer:
            return f"is from another server, {describe_url(given)}, not {describe_url(issuer)}"
        return None

    def _make_error(self, code: str) -> JWTRefreshError:
        if code in _DENIED:
            return RefreshRejected(
                "the login was denied in the browser", "log in again, and approve it there"
            )
        shown = code if _CODE_IN_TEXT.fullmatch(code) else "an error without a proper code"
        return RefreshUnavailable(
            f"{describe_url(self.server.authorization_url)} answered {shown}",
            _REMEDIES.get(code, "see what the page in the browser says, then log in again"),
        )

    def ask_token(
        self, client: OAuth2Client, parameters: Parameters, redirect_uri: str
    ) -> requests.Request:
        """Return the request that trades the code (RFC 6749 §4.1.3, RFC 7636 §4.5).

        The code stays in the `parameters`, which do not show it: no frame of an error does.
        """
        form = {
            "grant_type": "authorization_code",
            "code": parameters.find("code"),
            "redirect_uri": redirect_uri,
            "code_verifier": self.verifier,
            **pick_resource(self.extra),
        }
        return client.as_client(self.server.token_url or "", form)

    def check_id_token(self, response: TokenResponse) -> None:
        """Check the id_token of a response that has one if it was asked for.

        Its signature is not: it comes from the token endpoint itself (OpenID Connect Core
        §3.1.3.7). Raises RefreshUnavailable.
        """
        failure = self._find_failure(response) if self.is_openid else None
        if failure is not None:  # made elsewhere: no frame of it holds the id_token
            raise failure

    def _find_failure(self, response: TokenResponse) -> RefreshUnavailable | None:
        found = find(parse_json(response.body), "id_token")
        if not isinstance(found, str):
            return RefreshUnavailable(
                f"the {response.source} gave no id_token, though scope has openid",
                "leave openid out of scope, if the server is no OpenID provider",
            )
        theirs = parse_http_date(response.headers.get("Date") or "")
        problem = self._find_problem(jwt_claims(found), clock.time() if theirs is None else theirs)
        if problem is None:
            return None
        check = "check issuer and client_id"
        if problem == _EXPIRED:  # the nonce was right: it is new
            whose = "this machine" if theirs is None else "the server's machines, which differ"
            check = f"set the clock of {whose}"
        return RefreshUnavailable(
            f"the id_token of the {response.source} {problem}",
            f"{_NOTHING_TAKEN}; {check}, then log in again",
        )

    def _find_problem(self, claims: dict[str, Any], now: float) -> str | None:
        """Return what is wrong with the claims of an id_token; None if nothing is.

        `now` is the server's, so that a wrong clock here does no harm; ours if it does not say.
        """
        if not claims:
            return "cannot be read"
        audience, nonce = claims.get("aud"), claims.get("nonce")
        clients = audience if isinstance(audience, list) else [audience]
        issuer, expires = claims.get("iss"), claims.get("exp")
        if self.server.issuer and issuer != self.server.issuer:
            return "is from another issuer"
        if self.client_id not in clients or claims.get("azp", self.client_id) != self.client_id:
            return "is for another client"
        if not isinstance(nonce, str) or not hmac.compare_digest(
            nonce.encode("utf-8", "replace"), self.nonce.encode()
        ):
            return "is of another login: its nonce is not ours"
        if not is_finite(expires):
            return "does not say when it expires"
        return _EXPIRED if expires <= now - _LEEWAY else None


def _make_response_error(problem: str) -> RefreshUnavailable:
    return RefreshUnavailable(
        f"the response to the login {problem}", f"{_NOTHING_TAKEN}; log in again"
    )
