"""Logging out: telling the server that a refresh token is no longer needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests
from requests.cookies import RequestsCookieJar

from requests_jwt_refresh.authorization import AUTHORIZATION
from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.grants import LOGOUT_SENDS
from requests_jwt_refresh.refresh.client import ClientSession, send_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests_jwt_refresh.grants import OAuth2Client
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.tokens import Token


@dataclass(frozen=True)
class Logout:
    """Tell the server that a refresh token is no longer needed.

    `send` says how: ``"json"``, in the field `refresh_field`, with the access token in the header;
    ``"oauth2"``, as in RFC 7009 §2.1, for which `client` is needed; ``"bearer"``, in the header.
    """

    url: str
    send: str = field(default=LOGOUT_SENDS[0], metadata={"choices": LOGOUT_SENDS})
    method: str = "POST"
    refresh_field: str = "refresh_token"
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    client: OAuth2Client | None = None

    def ask(self, token: Token) -> requests.Request:
        """Return the request that revokes the token."""
        refresh = token.refresh or ""
        if self.client is not None:
            form = {"token": refresh, "token_type_hint": "refresh_token", **self.extra}
            return self.client.as_client(self.url, form)
        in_header = refresh if self.send == "bearer" else token.access
        headers = {"Accept": "application/json"}
        if in_header:
            AUTHORIZATION.write(headers, in_header)
        body = dict(self.extra) | ({} if self.send == "bearer" else {self.refresh_field: refresh})
        return requests.Request(self.method, self.url, headers=headers, json=body or None)


def log_out(logout: Logout, token: Token, options: SendOptions, seconds: float) -> None:
    """Send the logout. Raises RefreshUnavailable unless the server accepts it within `seconds`."""
    with ClientSession(seconds, options, RequestsCookieJar()) as session:
        response = send_request(session, logout.ask(token), options, seconds, "logout endpoint")
    if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        raise RefreshUnavailable(
            f"the {response.source} answered {response.status}",
            "the tokens are kept; check the endpoint's URL and method, or try again later",
        )
