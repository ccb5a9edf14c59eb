"""The authorization endpoint of an OpenID provider, and the page on which a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from requests_jwt_refresh.testing.authorizations import AuthorizationRequest
from requests_jwt_refresh.testing.metadata import (
    OFFLINE,
    find_issuer,
    list_scopes,
    replace_fields,
)
from requests_jwt_refresh.testing.pages import make_error_page, make_form_post, make_login_page
from requests_jwt_refresh.testing.paths import DECISION_PATH
from requests_jwt_refresh.testing.reading import path_of, read_cookies, read_form
from requests_jwt_refresh.testing.routes import BAD_PASSWORDS
from requests_jwt_refresh.testing.values import ServerResponse

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.authorizations import Authorizations, Session
    from requests_jwt_refresh.testing.clients import Client, Clients
    from requests_jwt_refresh.testing.ledger import Ledger
    from requests_jwt_refresh.testing.options import ServerOptions
    from requests_jwt_refresh.testing.values import RecordedRequest

SESSION_COOKIE: Final = "openid_session"
_COOKIE_ATTRIBUTES: Final = "Path=/auth; HttpOnly; SameSite=Lax"
_PROMPTS: Final = ("none", "login", "consent", "select_account")
_CHALLENGE_LENGTH: Final = 43  # characters of an S256 one (RFC 7636 §4.2)


class _Refusal(Exception):
    """What a client is told at its redirect URI; the text is the description."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class AuthorizationEndpoint:
    """Answers browsers that a client has sent (OpenID Connect Core §3.1.2)."""

    def __init__(
        self,
        options: ServerOptions,
        ledger: Ledger,
        base_url: str,
        clients: Clients,
        authorizations: Authorizations,
    ) -> None:
        self._options = options
        self._ledger = ledger
        self._base_url = base_url
        self._clients = clients
        self._authorizations = authorizations

    def respond(self, request: RecordedRequest) -> ServerResponse:
        if path_of(request) == DECISION_PATH:
            return self._decide(request)
        pairs = _read_pairs(request)
        fields = {name: value for name, value in pairs if value}  # RFC 6749 §3.1
        if len({name for name, _ in pairs}) < len(pairs):
            return make_error_page("invalid_request", "a parameter is there twice")
        client = self._clients.find(fields.get("client_id", ""))
        if client is None:
            return make_error_page("invalid_client", "the client is not registered")
        uri = fields.get("redirect_uri", "")
        if not client.takes_redirect(uri):
            return make_error_page("invalid_redirect_uri", "the redirect URI is not registered")
        try:
            asked = self._read(fields, client)
        except _Refusal as refusal:
            return self._refuse(uri, self._choose_mode(fields), fields.get("state"), refusal)
        return self._ask(request, asked, client, fields.get("login_hint"))

    # --- What is asked for ----------------------------------------------------------------------

    def _read(self, fields: dict[str, str], client: Client) -> AuthorizationRequest:
        """Return what the client asks for. Raises _Refusal."""
        prompt = tuple(fields.get("prompt", "").split())
        _validate(fields, prompt)
        mode = fields.get("response_mode", "query")
        if mode not in self._options.response_modes:
            text = f"response_mode must be one of {', '.join(self._options.response_modes)}"
            raise _Refusal("unsupported_response_mode", text)
        return AuthorizationRequest(
            client.client_id,
            fields["redirect_uri"],
            self._choose_scope(fields.get("scope", ""), prompt, client),
            mode,
            fields["code_challenge"],
            prompt,
            fields.get("state"),
            fields.get("nonce"),
        )

    def _choose_scope(self, asked: str, prompt: tuple[str, ...], client: Client) -> tuple[str, ...]:
        """Return what is granted: of what is asked for, what there is."""
        known = set(list_scopes(self._options))
        if "consent" not in prompt or "refresh_token" not in client.grant_types:
            known.discard(OFFLINE)  # OpenID Connect Core §11
        return tuple(dict.fromkeys(each for each in asked.split() if each in known))

    def _choose_mode(self, fields: dict[str, str]) -> str:
        """Return how a refusal gets to the client, whatever it has asked for."""
        asked = fields.get("response_mode", "query")
        offered = self._options.response_modes
        return asked if asked in offered else next(iter(offered), "query")

    # --- The person -----------------------------------------------------------------------------

    def _ask(
        self,
        request: RecordedRequest,
        asked: AuthorizationRequest,
        client: Client,
        hint: str | None,
    ) -> ServerResponse:
        cookie = read_cookies(request).get(SESSION_COOKIE, "")
        session = self._authorizations.find_session(cookie)
        if self._options.consent is not None:
            user = session.user if session is not None else hint or "alice"
            return self._finish(asked, user, consents=self._options.consent)
        has_consented = session is not None and (asked.client_id, asked.scope) in session.consents
        if session is not None and has_consented and set(asked.prompt) <= {"none"}:
            return self._finish(asked, session.user, consents=True)
        if "none" in asked.prompt:  # OpenID Connect Core §3.1.2.6
            code = "login_required" if session is None else "consent_required"
            refusal = _Refusal(code, "the page would have to be shown")
            return self._refuse(asked.redirect_uri, asked.response_mode, asked.state, refusal)
        return self._show_page(asked, client.name or client.client_id, session)

    def _show_page(
        self, asked: AuthorizationRequest, name: str, session: Session | None
    ) -> ServerResponse:
        hidden = {"ticket": self._authorizations.wait(asked)}
        is_known = session is not None and not {"login", "select_account"} & set(asked.prompt)
        user = session.user if session is not None and is_known else None
        return make_login_page(DECISION_PATH, hidden, name, user=user)

    def _decide(self, request: RecordedRequest) -> ServerResponse:
        """Answer the page's form."""
        form, cookie = read_form(request), read_cookies(request).get(SESSION_COOKIE, "")
        ticket = form.get("ticket", "")
        asked = self._authorizations.find_waiting(ticket)
        if asked is None or request.method != "POST":
            return make_error_page("invalid_request", "this page was used before, or never shown")
        consents = form.get("decision") == "allow"
        session = self._authorizations.find_session(cookie)
        user = session.user if session is not None and "username" not in form else None
        if user is None and consents:
            user = form.get("username")
            if not user or form.get("password") in (None, *BAD_PASSWORDS):
                client = asked.client_id
                problem = "User or password is wrong."
                hidden = {"ticket": ticket}
                return make_login_page(DECISION_PATH, hidden, client, user=None, problem=problem)
        if self._authorizations.decide(ticket) is None:
            return make_error_page("invalid_request", "this page was used before")
        if not consents:
            return self._finish(asked, user or "", consents=False)
        return self._finish_in_session(asked, user or "", cookie, session)

    def _finish_in_session(
        self, asked: AuthorizationRequest, user: str, cookie: str, session: Session | None
    ) -> ServerResponse:
        """Send the code, and have the browser remember who it is."""
        if session is None or session.user != user:
            cookie = self._authorizations.start_session(user)
        self._authorizations.remember_consent(cookie, asked)
        response = self._finish(asked, user, consents=True)
        set_cookie = f"{SESSION_COOKIE}={cookie}; {_COOKIE_ATTRIBUTES}"
        return ServerResponse(response.status, response.body, response.headers, (set_cookie,))

    # --- The answer to the client ---------------------------------------------------------------

    def _finish(self, asked: AuthorizationRequest, user: str, *, consents: bool) -> ServerResponse:
        if not consents:
            refusal = _Refusal("access_denied", "the user refused")
            return self._refuse(asked.redirect_uri, asked.response_mode, asked.state, refusal)
        self._ledger.count("authorizations")
        code = self._authorizations.give_code(asked, user)
        return self._send(asked.redirect_uri, asked.response_mode, asked.state, {"code": code})

    def _refuse(self, uri: str, mode: str, state: str | None, refusal: _Refusal) -> ServerResponse:
        self._ledger.count("authorizations_refused")
        fields = {"error": refusal.code, "error_description": str(refusal)}
        return self._send(uri, mode, state, fields)

    def _send(
        self, uri: str, mode: str, state: str | None, fields: dict[str, str]
    ) -> ServerResponse:
        """Send the browser back to the client (RFC 6749 §4.1.2, RFC 9207 §2)."""
        told = {**fields, "state": state, "iss": find_issuer(self._options, self._base_url)}
        written = replace_fields(told, self._options.callback_fields)
        if mode == "form_post":
            return make_form_post(uri, written)
        joint = "&" if urlsplit(uri).query else "?"
        headers = {"Location": uri + joint + urlencode(written), "Cache-Control": "no-store"}
        return ServerResponse(303, headers=headers)


def _validate(fields: dict[str, str], prompt: tuple[str, ...]) -> None:
    """Raise _Refusal for what no client may ask for (RFC 6749 §4.1.2.1, RFC 7636 §4.4.1)."""
    if "response_type" not in fields:
        raise _Refusal("invalid_request", "response_type is missing")
    if fields["response_type"] != "code":
        raise _Refusal("unsupported_response_type", "response_type must be code")
    if "code_challenge" not in fields:
        raise _Refusal("invalid_request", "code_challenge is missing: PKCE is required")
    if fields.get("code_challenge_method") != "S256":
        raise _Refusal("invalid_request", "code_challenge_method must be S256")
    if len(fields["code_challenge"]) != _CHALLENGE_LENGTH:
        raise _Refusal("invalid_request", "code_challenge must have 43 characters")
    if not set(prompt) <= set(_PROMPTS) or ("none" in prompt and len(prompt) > 1):
        raise _Refusal("invalid_request", "prompt is none that there is")


def _read_pairs(request: RecordedRequest) -> list[tuple[str, str]]:
    """Return the parameters, of the query or of a form (OpenID Connect Core §3.1.2.1)."""
    if request.method == "POST":
        return list(read_form(request).items())
    return parse_qsl(urlsplit(request.path).query, keep_blank_values=True)
