"""Logging in with a user name and a password."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import requests
from requests.auth import HTTPBasicAuth
from requests.cookies import RequestsCookieJar

from requests_jwt_refresh.errors import RefreshRejected
from requests_jwt_refresh.field_names import describe_request_fields
from requests_jwt_refresh.grants import LOGIN_SENDS, first_tokens
from requests_jwt_refresh.refresh.client import ClientSession, send_request
from requests_jwt_refresh.response_errors import check_not_throttled, describe_status
from requests_jwt_refresh.responses import says_refused
from requests_jwt_refresh.tokens import with_expiry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.grants import OAuth2Client, Reader
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token

_REFUSALS = (400, 401, 403, 422)


@dataclass(frozen=True)
class PasswordLogin:
    """Trade a user name and a password for tokens.

    `send` says how: ``"json"`` or ``"form"``, with the two fields named here and `extra` beside
    them; ``"basic"``, in the Authorization header (RFC 7617); ``"oauth2"``, as the password grant
    of RFC 6749 §4.3, for which `endpoint` is the client. The response is read as `endpoint` reads
    its own.
    """

    url: str
    endpoint: Reader
    send: str = field(default=LOGIN_SENDS[0], metadata={"choices": LOGIN_SENDS})
    username_field: str = "username"
    password_field: str = "password"  # noqa: S105 - the name of a field
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def ask(self, username: str, password: str) -> requests.Request:
        """Return the POST that logs in."""
        fields = {**self.extra, self.username_field: username, self.password_field: password}
        if self.send == "oauth2":
            client = cast("OAuth2Client", self.endpoint)
            return client.as_client(self.url, {"grant_type": "password", **fields})
        request = requests.Request("POST", self.url, headers={"Accept": "application/json"})
        if self.send == "basic":
            request.json = dict(self.extra) or None
            request.auth = HTTPBasicAuth(username.encode(), password.encode())
        elif self.send == "form":
            request.data = fields
        else:
            request.json = fields
        return request

    def read(self, response: TokenResponse) -> Token:
        """Return the token. Raises RefreshRejected for a wrong password, or RefreshUnavailable."""
        with first_tokens():
            if self.send == "oauth2" or response.status not in _REFUSALS:
                try:
                    return with_expiry(self.endpoint.read(response))
                except RefreshRejected:
                    pass  # its text is about a refresh token
            check_not_throttled(response)
        raise RefreshRejected(
            f"the {response.source} refused the user name or the password "
            f"({describe_status(response)})",
            "check both and try again",
        )


def log_in(
    login: PasswordLogin, username: str, password: str, options: SendOptions, seconds: float
) -> Token:
    """Return the tokens for a user name and a password, within `seconds`.

    Raises RefreshRejected if the server refuses them, RefreshUnavailable if there is no usable
    response.
    """
    with first_tokens(), ClientSession(seconds, options, RequestsCookieJar()) as session:
        request = login.ask(username, password)
        del password  # this frame may be in a traceback
        response = send_request(session, request, options, seconds, "login endpoint")
        try:
            return login.read(response)
        except RefreshRejected as error:
            refusal = error.about()
        if not says_refused(response):  # then the request may be at fault
            fields = describe_request_fields(request)
            refusal.cause += f"; the request had {fields}" if fields else ""
        raise refusal
