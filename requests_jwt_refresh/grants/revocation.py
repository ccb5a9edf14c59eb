"""Logging out: telling the server that a token is no longer needed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import requests
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar

from requests_jwt_refresh.authorization import AUTHORIZATION, Cookie, Header
from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.grants import LOGOUT_SENDS
from requests_jwt_refresh.grants.documented import find_documented
from requests_jwt_refresh.matching import find, parse_json
from requests_jwt_refresh.refresh.client import ClientSession, send_request
from requests_jwt_refresh.response_errors import describe_status
from requests_jwt_refresh.responses import DefaultPath
from requests_jwt_refresh.urls import join_endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from requests import PreparedRequest
    from typing_extensions import Self

    from requests_jwt_refresh.authorization import Carrier, Place, WirePlace
    from requests_jwt_refresh.grants import OAuth2Client
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.tokens import Token

# Of a token that is not valid any more; RFC 7009 §2.2 has 200 for that, and some servers these.
_NOT_VALID: Final = ("invalid_token", "invalid_grant")


@dataclass(frozen=True)
class Logout:
    """Tell the server that a token is no longer needed.

    `send` says how: ``"json"``, with the refresh token in the field `refresh_field` and the access
    token where API requests carry it; ``"oauth2"``, as in RFC 7009 §2.1, for which `client` is
    needed; ``"bearer"``, with the refresh token in the Authorization header. A login without a
    refresh token gives back its access token.
    """

    url: str
    send: str = field(default=LOGOUT_SENDS[0], metadata={"choices": LOGOUT_SENDS})
    method: str = "POST"
    refresh_field: Place | None = field(default=DefaultPath("refresh_token"))
    """The field of the refresh token, or another place; the endpoint's own place for it if none is
    named. None: the server is not given it."""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    client: OAuth2Client | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False, kw_only=True)
    attach: Carrier | None = field(default=None, kw_only=True)
    """How the access token is carried; in the Authorization header if None."""

    @classmethod
    def find(
        cls, endpoint: object, attach: Carrier, base_url: str, *, allow_http: bool = False
    ) -> Self | None:
        """Return the logout that the documentation of the endpoint's preset has, None without one.

        Raises InvalidURL.
        """
        options = dict(find_documented(endpoint, "logout"))
        if not options.get("url"):
            return None
        # It is the endpoint's own server, which may want an API key.
        options["headers"] = {**getattr(endpoint, "headers", {}), **options.get("headers", {})}
        what = "the logout URL"
        url = join_endpoint(base_url, options.pop("url"), what=what, allow_http=allow_http)
        return cls(url, **options).bind(endpoint, attach)

    def bind(self, endpoint: object, attach: Carrier | None = None) -> Self:
        """Return the logout with both tokens where `endpoint` and `attach` have them."""
        place = self.refresh_field
        if isinstance(place, DefaultPath) and self.send == "json":
            place = getattr(endpoint, "send", place)
        client = cast("OAuth2Client", endpoint) if self.send == "oauth2" else None
        return replace(
            self, refresh_field=place, client=self.client or client, attach=self.attach or attach
        )

    @property
    def needs_access(self) -> bool:
        """Whether the server wants a valid access token."""
        return self.send == "json"

    def ask(self, token: Token) -> requests.Request:
        """Return the request that revokes the token."""
        if self.client is not None:
            return self._revoke(self.client, token)
        headers = {"Accept": "application/json", **self.headers}
        request = requests.Request(self.method, self.url, headers=headers)
        body = dict(self.extra)
        if self.send == "bearer":
            AUTHORIZATION.write(headers, token.refresh or token.access or "")
        else:
            place = self.refresh_field if token.refresh else None
            if isinstance(place, str):
                body[place] = token.refresh
            elif place is not None:
                _write(place, headers, token.refresh or "", token)
            self._add_access(request, token, place)
        request.json = body or None
        return request

    def _revoke(self, client: OAuth2Client, token: Token) -> requests.Request:
        """Return the request of RFC 7009 §2.1; without a refresh token it is the access token's."""
        hint = "refresh_token" if token.refresh else "access_token"
        form = {"token": token.refresh or token.access, "token_type_hint": hint, **self.extra}
        request = client.as_client(self.url, form)
        request.headers = {**request.headers, **self.headers}
        return request

    def _add_access(self, request: requests.Request, token: Token, taken: Place | None) -> None:
        """Add the access token, unless its place is `taken` by the refresh token."""
        attach = self.attach or AUTHORIZATION
        if token.access is None or attach == taken:
            return
        if isinstance(attach, (Header, Cookie)):
            _write(attach, cast("dict[str, str]", request.headers), token.access, token)
        else:
            request.auth = _Carrying(attach, token)

    def tell(
        self, session: requests.Session, token: Token, options: SendOptions, seconds: float
    ) -> None:
        """Tell the server over `session`. Raises RefreshUnavailable unless it accepts that."""
        ask = partial(self.ask, token)
        response = send_request(session, ask(), options, seconds, "logout endpoint", ask=ask)
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        code = find(parse_json(response.body), "error")
        is_revocation = self.client is not None and response.status == HTTPStatus.BAD_REQUEST
        if not (is_revocation and code in _NOT_VALID):
            raise RefreshUnavailable(
                f"the {response.source} answered {describe_status(response)}",
                "the tokens are kept; check the endpoint's URL and method, or try again later",
            )


class _Carrying(AuthBase):
    """Has a request carry the access token as API requests do, whatever that takes."""

    def __init__(self, attach: Carrier, token: Token) -> None:
        self._attach, self._token = attach, token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        self._attach.carry(request, self._token)
        return request


def _write(place: WirePlace, headers: dict[str, str], secret: str, token: Token) -> None:
    if isinstance(place, Cookie):
        place.add(headers, secret, getattr(token, "extra", {}))
    else:
        place.write(headers, secret)


def log_out(logout: Logout, token: Token, options: SendOptions, seconds: float) -> None:
    """Tell the server over a session of its own. Raises as Logout.tell does."""
    with ClientSession(seconds, options, RequestsCookieJar()) as session:
        logout.tell(session, token, options, seconds)
