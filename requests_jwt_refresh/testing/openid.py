"""The responses of an OpenID provider: AuthServer's own, and what a login by a browser needs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from requests_jwt_refresh import clock
from requests_jwt_refresh.testing.authorizations import CodeReused, Login
from requests_jwt_refresh.testing.authorize import SESSION_COOKIE, AuthorizationEndpoint
from requests_jwt_refresh.testing.clients import CODE, DEVICE, RegistrationRefused
from requests_jwt_refresh.testing.devices import GrantRefused
from requests_jwt_refresh.testing.metadata import (
    OFFLINE,
    find_issuer,
    list_scopes,
    make_metadata,
    make_resource_metadata,
    replace_fields,
)
from requests_jwt_refresh.testing.pages import (
    make_device_page,
    make_error_page,
    make_logout_page,
    make_page,
)
from requests_jwt_refresh.testing.paths import (
    AUTHORIZE_PATH,
    DECISION_PATH,
    DEVICE_PAGE,
    END_SESSION_PATH,
    JWKS_PATH,
    OAUTH,
    OPENID,
    REGISTER_PATH,
    RESOURCE,
    USERINFO_PATH,
)
from requests_jwt_refresh.testing.reading import (
    path_of,
    read_basic,
    read_client,
    read_cookies,
    read_form,
    read_query,
)
from requests_jwt_refresh.testing.routes import (
    BAD_PASSWORDS,
    NO_STORE,
    Routes,
    make_error,
    read_required,
)
from requests_jwt_refresh.testing.signing import sign, verify
from requests_jwt_refresh.testing.values import ServerResponse, json_response
from requests_jwt_refresh.tokens import jwt_claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.testing.clients import Client
    from requests_jwt_refresh.testing.ledger import Grant, Ledger
    from requests_jwt_refresh.testing.options import ServerOptions
    from requests_jwt_refresh.testing.values import Kind, RecordedRequest

_ID_TOKEN_SECONDS: Final = 300  # it lives
_KINDS: Final[dict[str, Kind]] = {
    OPENID: "discovery",
    OAUTH: "discovery",
    JWKS_PATH: "discovery",
    AUTHORIZE_PATH: "authorize",
    DECISION_PATH: "authorize",
    REGISTER_PATH: "register",
    END_SESSION_PATH: "end_session",
}
_NEVER_STORED: Final = ("refresh", "login", "logout", "device", "register")


class _ClientRefused(Exception):
    """A request of no client that is known (RFC 6749 §5.2)."""


class OpenIDRoutes(Routes):
    """The response to each kind of request, as an OpenID provider and its API give it."""

    def __init__(self, options: ServerOptions, ledger: Ledger, base_url: str) -> None:
        super().__init__(options, ledger, base_url)
        # They outlive a stop, as the ledger does.
        self._clients = ledger.clients
        self._authorizations = ledger.authorizations
        self._endpoint = AuthorizationEndpoint(
            options, ledger, base_url, self._clients, self._authorizations
        )

    # --- Which request it is --------------------------------------------------------------------

    def kind_of_path(self, path: str) -> Kind:
        if path == RESOURCE or path.startswith(RESOURCE + "/"):
            return "discovery"
        return _KINDS.get(path) or super().kind_of_path(path)

    def kind_by_grant(self, request: RecordedRequest) -> Kind:
        is_other = read_form(request).get("grant_type") in (CODE, DEVICE)
        return "login" if is_other and request.kind == "refresh" else request.kind

    def find_access(self, request: RecordedRequest) -> str | None:
        """Return the request's access token; the provider's own API takes a bearer token alone.

        OpenID Connect Core §5.3.1.
        """
        if path_of(request) == USERINFO_PATH:
            return request.bearer
        return super().find_access(request)

    def respond(self, request: RecordedRequest) -> ServerResponse:
        by_kind: dict[Kind, Callable[[RecordedRequest], ServerResponse]] = {
            "discovery": self._describe,
            "authorize": self._endpoint.respond,
            "register": self._register,
            "end_session": self._end_session,
        }
        respond = by_kind.get(request.kind, super().respond)
        if path_of(request) == DEVICE_PAGE:
            respond = self._show_device_page
        try:
            response = respond(request)
        except _ClientRefused:
            response = _refuse_client(request)
        except GrantRefused as refused:
            response = make_error(str(refused))
        if request.kind not in _NEVER_STORED:
            return response
        return replace(response, headers={**response.headers, **NO_STORE})

    # --- Documents ------------------------------------------------------------------------------

    def _describe(self, request: RecordedRequest) -> ServerResponse:
        path = path_of(request)
        if path == JWKS_PATH:  # a key of HS256 is nobody else's business
            return json_response(200, {"keys": []})
        self._ledger.count("discoveries")
        if path in (OPENID, OAUTH):
            return json_response(200, make_metadata(self._options, self._base_url))
        resource = path.removeprefix(RESOURCE)
        return json_response(200, make_resource_metadata(self._options, self._base_url, resource))

    def _refuse(self, request: RecordedRequest) -> ServerResponse:
        """Refuse, and say where the document about this resource is (RFC 9728 §5.1)."""
        response = super()._refuse(request)
        challenge = response.headers.get("WWW-Authenticate")
        if challenge is None:
            return response
        path = path_of(request)
        document = self._base_url + RESOURCE + ("" if path == "/" else path)
        joint = ", " if "=" in challenge else " "
        told = {"WWW-Authenticate": f'{challenge}{joint}resource_metadata="{document}"'}
        return replace(response, headers={**response.headers, **told})

    def _respond_as_api(self, request: RecordedRequest) -> ServerResponse:
        response = super()._respond_as_api(request)
        if path_of(request) != USERINFO_PATH or response.status != 200:  # noqa: PLR2004 - HTTP's
            return response
        return json_response(200, {"sub": self.find_user(request)})  # OpenID Connect Core §5.3

    # --- Clients --------------------------------------------------------------------------------

    def _register(self, request: RecordedRequest) -> ServerResponse:
        """Answer a registration (RFC 7591 §3)."""
        if request.method != "POST":
            return json_response(405, {"message": "Use POST"}, {"Allow": "POST"})
        try:
            content = json.loads(request.body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            return make_error("invalid_request", "send a JSON object")
        try:
            answer = self._clients.register(content)
        except RegistrationRefused as refused:
            return make_error(refused.code, str(refused))
        self._ledger.count("registrations")
        return json_response(201, answer)

    def _authenticate(self, request: RecordedRequest) -> Client:
        """Return the client that makes a request (RFC 6749 §2.3).

        Raises GrantRefused if it names none, _ClientRefused if it is not that client.
        """
        form = read_form(request)
        basic = read_client(request) if read_basic(request) is not None else None
        client_id, secret = basic or (form.get("client_id", ""), form.get("client_secret"))
        if not client_id:
            raise GrantRefused("invalid_request")
        if basic is not None:
            auth = "client_secret_basic"
        else:
            auth = "none" if secret is None else "client_secret_post"
        client = self._clients.find(client_id)
        if client is None or auth not in client.auths or secret != client.secret:
            raise _ClientRefused
        return client

    # --- Tokens ---------------------------------------------------------------------------------

    def _grant(self, request: RecordedRequest) -> ServerResponse:
        """Answer at the token endpoint (RFC 6749 §3.2) to all but refreshes."""
        form = read_form(request)
        trades = {CODE: self._trade_code, DEVICE: self._trade_device_code}
        trade = trades.get(read_required(form, "grant_type"))
        client = self._authenticate(request)
        if trade is None:
            raise GrantRefused("unsupported_grant_type")
        if form["grant_type"] not in client.grant_types:
            raise GrantRefused("unauthorized_client")
        try:
            return trade(form, client)
        except CodeReused as reused:  # RFC 6749 §4.1.2
            self._ledger.count("codes_reused")
            self._ledger.revoke_family(reused.family)
            raise

    def _trade_code(self, form: dict[str, str], client: Client) -> ServerResponse:
        given: list[tuple[Grant, Login]] = []

        def log_in(user: str, login: Login) -> str:
            given.append((self._ledger.login(user), login))
            return given[0][0].family

        self._authorizations.trade(
            read_required(form, "code"),
            client_id=client.client_id,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),
            log_in=log_in,
        )
        return self._respond_with_first_tokens(*given[0])

    def _trade_device_code(self, form: dict[str, str], client: Client) -> ServerResponse:
        code = read_required(form, "device_code")
        login = self._authorizations.find_device(code)
        if login is None or login.client_id != client.client_id:
            raise GrantRefused("invalid_grant")
        grant = self._ledger.login(self._authorize_by_device_code(form))
        self._authorizations.note_login(grant.family, login)
        return self._respond_with_first_tokens(grant, login)

    def _respond_with_first_tokens(self, grant: Grant, login: Login) -> ServerResponse:
        self._ledger.count("logins")
        has_refresh = self._options.refresh_tokens == "always" or OFFLINE in login.scope
        kept = grant if has_refresh else replace(grant, refresh=None)
        return self._token_response(kept, self._make_more(grant, login))

    def _refresh(self, request: RecordedRequest) -> ServerResponse:
        """Answer a refresh (RFC 6749 §6, OpenID Connect Core §12)."""
        try:
            read_required(read_form(request), "grant_type")
            client = self._authenticate(request)
        except (GrantRefused, _ClientRefused):
            self._ledger.count("refused")
            raise
        token = self._read_refresh_token(request)
        login = self._find_login(self._ledger.family_of(token))
        is_own = login.client_id == client.client_id
        grant = self._ledger.refresh(token if is_own else None)
        if grant is None:
            return self._refuse_refresh(request)
        return self._token_response(grant, self._make_more(grant, login))

    def _find_login(self, family: str | None) -> Login:
        """Return what a family is good for; one of AuthServer.login() for all there is."""
        found = self._authorizations.find_login(family or "")
        return found or Login(self._options.client_id, list_scopes(self._options))

    def _make_more(self, grant: Grant, login: Login) -> dict[str, object]:
        """Return what stands beside the tokens (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3)."""
        more: dict[str, object] = {"scope": " ".join(login.scope)} if login.scope else {}
        if "openid" in login.scope:
            more["id_token"] = self._make_id_token(grant.user, login)
        return more

    def _make_id_token(self, user: str, login: Login) -> str:
        """Return an ID token (OpenID Connect Core §2)."""
        now = int(clock.time() + self._options.clock_skew)
        claims = {
            "iss": find_issuer(self._options, self._base_url),
            "sub": user,
            "aud": login.client_id,
            "iat": now,
            "exp": now + _ID_TOKEN_SECONDS,
            "nonce": login.nonce,
        }
        written = replace_fields(claims, self._options.id_token_claims)
        return sign(written, self._find_key(login.client_id))

    def _find_key(self, client_id: str) -> bytes:
        """Return the key of a client's ID tokens: its secret (OpenID Connect Core §10.1)."""
        client = self._clients.find(client_id)
        if client is None or client.secret is None:
            return self._options.signing_key
        return client.secret.encode()

    def _revoke(self, request: RecordedRequest) -> ServerResponse:
        """Answer a revocation request (RFC 7009 §2)."""
        self._authenticate(request)
        return super()._revoke(request)

    # --- Devices --------------------------------------------------------------------------------

    def _start_device(self, request: RecordedRequest) -> ServerResponse:
        client = self._authenticate(request)
        if DEVICE not in client.grant_types:
            return make_error("unauthorized_client")
        response = super()._start_device(request)
        asked = read_form(request).get("scope", "").split()
        known = set(list_scopes(self._options))
        if "refresh_token" not in client.grant_types:
            known.discard(OFFLINE)
        scope = tuple(dict.fromkeys(each for each in asked if each in known))
        code = json.loads(response.body)["device_code"]
        self._authorizations.note_device(code, Login(client.client_id, scope))
        return response

    def _show_device_page(self, request: RecordedRequest) -> ServerResponse:
        """Answer at the verification page (RFC 8628 §3.3)."""
        if request.method != "POST":
            return make_device_page(DEVICE_PAGE, read_query(request).get("user_code", ""))
        form = read_form(request)
        user_code, user = form.get("user_code", ""), form.get("username", "")
        consents = form.get("decision") == "allow"
        if consents and (not user or form.get("password") in (None, *BAD_PASSWORDS)):
            return make_device_page(DEVICE_PAGE, user_code, "User or password is wrong.")
        try:
            if consents:
                self._ledger.devices.approve(user_code, user)
            else:
                self._ledger.devices.deny(user_code)
        except ValueError:
            return make_device_page(DEVICE_PAGE, "", "There is no such code.")
        done = "The device is connected." if consents else "The device was refused."
        return make_page("Done", f"<p>{done} You may close this page.</p>")

    # --- Logout ---------------------------------------------------------------------------------

    def _end_session(self, request: RecordedRequest) -> ServerResponse:
        """Answer a logout that a client asks for (OpenID Connect RP-Initiated Logout §2, §3)."""
        fields = read_form(request) if request.method == "POST" else read_query(request)
        hint, uri = fields.get("id_token_hint"), fields.get("post_logout_redirect_uri")
        client_id = fields.get("client_id") if hint is None else self._read_hint(hint)
        client = self._clients.find(client_id or "")
        if hint is not None and client is None:
            return make_error_page("invalid_request", "this server never gave that id_token_hint")
        if client is None:
            uri = None
        elif uri is not None and not client.takes_logout_redirect(uri):
            text = "post_logout_redirect_uri is not registered"
            return make_error_page("invalid_request", text)
        if request.method != "POST" or "logout" not in fields:
            return make_logout_page(END_SESSION_PATH, fields)
        if self._authorizations.end_session(read_cookies(request).get(SESSION_COOKIE, "")):
            self._ledger.count("sessions_ended")
        response = _go_back(uri, fields.get("state"))
        forget = f"{SESSION_COOKIE}=; Path=/auth; Max-Age=0"
        return replace(response, set_cookies=(forget,))

    def _read_hint(self, hint: str) -> str | None:
        """Return the client that an ID token, expired or not, was given to; None for a forgery."""
        client_id = str((jwt_claims(hint) or {}).get("aud"))
        return client_id if verify(hint, self._find_key(client_id)) else None


def _go_back(uri: str | None, state: str | None) -> ServerResponse:
    if uri is None:
        return make_page("Logged out", "<p>You may close this page.</p>")
    query = "" if state is None else urlencode({"state": state})
    joint = "" if not query else "&" if urlsplit(uri).query else "?"
    return ServerResponse(303, headers={"Location": uri + joint + query})


def _refuse_client(request: RecordedRequest) -> ServerResponse:
    """Return the refusal of a client (RFC 6749 §5.2)."""
    is_basic = read_basic(request) is not None
    challenge = {"WWW-Authenticate": 'Basic realm="token"'} if is_basic else {}
    return json_response(401, {"error": "invalid_client"}, challenge)
