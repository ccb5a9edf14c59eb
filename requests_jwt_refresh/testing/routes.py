"""The response of each path, and what it needs of the ledger."""

from __future__ import annotations

import re
from http import HTTPStatus
from http.client import responses as reasons
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from requests_jwt_refresh.testing.devices import GrantRefused
from requests_jwt_refresh.testing.faults import Redirect
from requests_jwt_refresh.testing.options import list_expiries, place_of
from requests_jwt_refresh.testing.paths import (
    DEVICE_PATH,
    LOGOUT_PATH,
    PUBLIC,
    REDIRECT_PATH,
    REVOKE_PATH,
    STATUS,
    TOKEN_PATH,
)
from requests_jwt_refresh.testing.reading import (
    path_of,
    read_basic,
    read_field,
    read_fields,
    read_form,
    read_place,
)
from requests_jwt_refresh.testing.rendering import Values, put
from requests_jwt_refresh.testing.values import Kind, ServerResponse, json_response, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests_jwt_refresh.testing.ledger import Grant, Ledger
    from requests_jwt_refresh.testing.options import ServerOptions
    from requests_jwt_refresh.testing.values import RecordedRequest


_KINDS: dict[str, Kind] = {
    TOKEN_PATH: "login",
    LOGOUT_PATH: "logout",
    REVOKE_PATH: "logout",
    DEVICE_PATH: "device",
}
_POST_ONLY = ("refresh", "login", "logout", "device")
BAD_PASSWORDS = ("", "wrong")
_ONLY_USER = "alice"  # where a login has no user name
_DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
NO_STORE = {"Cache-Control": "no-store"}  # RFC 6749 §5.1, RFC 8628 §3.2


class Routes:
    """The response to each kind of request."""

    def __init__(self, options: ServerOptions, ledger: Ledger, base_url: str) -> None:
        self._options = options
        self._ledger = ledger
        self._base_url = base_url

    def kind_of_path(self, path: str) -> Kind:
        if path == self._options.refresh_path:
            return "refresh"
        if path == self._options.login_path:
            return "login"
        if path.startswith(PUBLIC):
            return "public"
        return _KINDS.get(path, "api")

    def kind_by_grant(self, request: RecordedRequest) -> Kind:
        """Return the kind of a request whose body has been read: one path may serve all grants."""
        is_at_token_path = path_of(request) == TOKEN_PATH
        is_other = is_at_token_path and read_form(request).get("grant_type") in self._grants()
        return "login" if is_other else request.kind

    def respond(self, request: RecordedRequest) -> ServerResponse:
        """Do what the request asks for, and return the response to it."""
        if request.kind in _POST_ONLY and request.method != "POST":
            return json_response(405, {"message": "Use POST"}, {"Allow": "POST"})
        path = path_of(request)
        by_kind: dict[Kind, Callable[[RecordedRequest], ServerResponse]] = {
            "refresh": self._refresh,
            "login": self._log_in if path == self._options.login_path else self._grant,
            "logout": self._revoke if path == REVOKE_PATH else self._log_out,
            "device": self._start_device,
            "public": echo,
            "api": self._respond_as_api,
        }
        return by_kind[request.kind](request)

    def find_user(self, request: RecordedRequest) -> str | None:
        """Return the user of the request's access token, or None if it has no good one."""
        return None if request.access is None else self._ledger.user_of(request.access)

    def find_access(self, request: RecordedRequest) -> str | None:
        """Return the request's access token, good or not, or None if it has none."""
        if self._options.attach is None:
            return request.bearer
        return read_place(place_of(self._options), request, {})

    # --- Tokens ---------------------------------------------------------------------------------

    def _refresh(self, request: RecordedRequest) -> ServerResponse:
        grant = self._ledger.refresh(self._read_refresh_token(request))
        if grant is None:
            return self._refuse_refresh(request)
        if self._options.bare:
            return json_response(self._options.status, grant.access)
        return self._token_response(grant)

    def _read_refresh_token(self, request: RecordedRequest) -> str | None:
        found = read_field(request, self._options.request_field)
        token = request.bearer if found is None else found
        return token if isinstance(token, str) and _is_refresh_grant(request) else None

    def _refuse_refresh(self, request: RecordedRequest) -> ServerResponse:
        """Return the response to a refresh that was refused (RFC 6749 §5.2)."""
        if not _is_refresh_grant(request):
            return make_error("unsupported_grant_type")
        if self._read_refresh_token(request) is None:
            return make_error("invalid_request")
        refused = self._options.refused
        return make_error("invalid_grant") if refused is None else refused.to_response()

    def _token_response(
        self, grant: Grant, more: Mapping[str, object] | None = None
    ) -> ServerResponse:
        """Return a response that gives tokens, in the server's dialect (RFC 6749 §5.1)."""
        options = self._options
        access = tuple(options.access_field.split("."))
        content: dict[str, Any] = {}
        put(content, access, grant.access)
        if not access[-1].isdecimal():
            put(content, (*access[:-1], "token_type"), "Bearer")
        values = Values(grant, str, 0, options.expires_in_unit)
        for path, slot in list_expiries(options).items():
            put(content, tuple(path.split(".")), values.find(slot))
        if grant.refresh is not None:
            put(content, tuple(options.refresh_field.split(".")), grant.refresh)
        return json_response(options.status, {**content, **(more or {})}, NO_STORE)

    def _log_in(self, request: RecordedRequest) -> ServerResponse:
        user, password = self._read_credentials(request)
        if not user or password in BAD_PASSWORDS:
            challenge = {"WWW-Authenticate": 'Basic realm="login"'}  # RFC 7617 §2
            return json_response(401, {"message": "Bad credentials"}, challenge)
        return self._give_first_tokens(user)

    def _read_credentials(self, request: RecordedRequest) -> tuple[str, str]:
        """Return user and password of a login: Basic (RFC 7617 §2), or two fields."""
        basic = read_basic(request)
        if basic is not None:
            return basic
        name = self._options.username_field
        user = _ONLY_USER if name is None else read_field(request, name)
        password = read_field(request, self._options.password_field)
        return str(user or ""), str(password or "")

    def _give_first_tokens(self, user: str) -> ServerResponse:
        self._ledger.count("logins")
        return self._token_response(self._ledger.login(user))

    def _grant(self, request: RecordedRequest) -> ServerResponse:
        """Answer at the token endpoint (RFC 6749 §3.2)."""
        form = read_form(request)
        try:
            authorize = self._grants().get(read_required(form, "grant_type"), _refuse_grant_type)
            user = authorize(form)
        except GrantRefused as refused:
            return make_error(str(refused), headers=NO_STORE)
        return self._give_first_tokens(user)

    def _grants(self) -> dict[str, Callable[[dict[str, str]], str]]:
        """Return the functions that find the user of a form, by grant type."""
        return {"password": _authorize_by_password, _DEVICE_CODE: self._authorize_by_device_code}

    def _authorize_by_device_code(self, form: dict[str, str]) -> str:
        """Return the user who approved the device (RFC 8628 §3.4)."""
        return self._ledger.devices.poll(read_required(form, "device_code"))

    def _start_device(self, request: RecordedRequest) -> ServerResponse:
        """Answer a device authorization request (RFC 8628 §3.1, §3.2)."""
        if not read_form(request).get("client_id"):
            return make_error("invalid_request")
        device = self._ledger.devices.start()
        page = f"{self._base_url}/public/device"
        content = {
            "device_code": device.code,
            "user_code": device.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={device.user_code}",
            "expires_in": shorten(device.seconds),
            "interval": shorten(device.interval),
        }
        return json_response(200, content, NO_STORE)

    def _log_out(self, request: RecordedRequest) -> ServerResponse:
        self._ledger.logout(self._read_refresh_token(request))
        return ServerResponse(204)

    def _revoke(self, request: RecordedRequest) -> ServerResponse:
        """Answer a revocation request: 200 for an unknown token, too (RFC 7009 §2.2)."""
        token = read_form(request).get("token")
        if not token:
            return make_error("invalid_request")
        self._ledger.logout(token)
        return ServerResponse(200)

    # --- The API --------------------------------------------------------------------------------

    def _respond_as_api(self, request: RecordedRequest) -> ServerResponse:
        user = self.find_user(request)
        if user is None:
            self._ledger.count("unauthorized")
            return self._refuse(request)
        response = serve(request, user)
        if response.status == HTTPStatus.OK:
            self._ledger.count("answered")
        return response

    def _refuse(self, request: RecordedRequest) -> ServerResponse:
        if request.access is not None:
            return self._options.expired.to_response()
        # No error code where no bearer token was shown (RFC 6750 §3.1).
        return json_response(401, {"message": "No token"}, {"WWW-Authenticate": "Bearer"})


def serve(request: RecordedRequest, user: str) -> ServerResponse:
    url = urlsplit(request.path)
    if url.path == REDIRECT_PATH:
        return _redirect(url.query)
    if url.path.startswith(STATUS):
        return _respond_with_status(url.path.removeprefix(STATUS))
    return echo(request, user)


def echo(request: RecordedRequest, user: str | None = None) -> ServerResponse:
    url = urlsplit(request.path)
    content = {
        "method": request.method,
        "path": url.path,
        "query": url.query,
        "size": request.size,
        "sha256": request.sha256,
        "user": user,
    }
    return json_response(200, content)


def _redirect(query: str) -> ServerResponse:
    fields = parse_qs(query)
    try:
        return Redirect(fields["to"][0], int(fields.get("status", ["302"])[0])).to_response()
    except (KeyError, ValueError):
        return json_response(400, {"message": "Use /redirect?to=URL&status=302"})


def _respond_with_status(digits: str) -> ServerResponse:
    if not re.fullmatch("[2-5][0-9][0-9]", digits):  # the final ones (RFC 9110 §15)
        return json_response(400, {"message": "Use /status/200 to /status/599"})
    return json_response(int(digits), {"message": reasons.get(int(digits), "Unnamed")})


def make_error(
    code: str, text: str | None = None, *, headers: Mapping[str, str] | None = None
) -> ServerResponse:
    """Return a refusal with its error code (RFC 6749 §5.2)."""
    content = {"error": code} if text is None else {"error": code, "error_description": text}
    return json_response(400, content, headers)


# --- Reading a request ---------------------------------------------------------------------------


def read_required(form: dict[str, str], name: str) -> str:
    if not form.get(name):  # an empty one counts as omitted (RFC 6749 §3.2)
        raise GrantRefused("invalid_request")
    return form[name]


def _authorize_by_password(form: dict[str, str]) -> str:
    """Return the user of a password grant (RFC 6749 §4.3.2)."""
    if "username" not in form or "password" not in form:
        raise GrantRefused("invalid_request")
    if not form["username"] or form["password"] in BAD_PASSWORDS:
        raise GrantRefused("invalid_grant")
    return form["username"]


def _refuse_grant_type(_form: dict[str, str]) -> str:
    raise GrantRefused("unsupported_grant_type")


def _is_refresh_grant(request: RecordedRequest) -> bool:
    return bool(read_fields(request).get("grant_type", "refresh_token") == "refresh_token")
