"""Getting a first token, and giving it back: password, device flow, logout.

Like endpoints, these are frozen values that make requests and read answers. The two functions below
do the sending, over a session like the one that refreshes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import requests
from requests.auth import HTTPBasicAuth

from requests_jwt_refresh.errors import InvalidURL, RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.matching import find, parse_json
from requests_jwt_refresh.refresh.client import ClientSession, send_request
from requests_jwt_refresh.responses import TokenResponse, quote_list
from requests_jwt_refresh.tokens import with_expiry
from requests_jwt_refresh.urls import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests_jwt_refresh.endpoints import Endpoint, OAuth2Endpoint
    from requests_jwt_refresh.profiles.secrets import WithSecret
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.tokens import Token

    Client = OAuth2Endpoint | WithSecret

_ACCEPT = {"Accept": "application/json"}
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
_SLOWER = 5.0  # seconds that each slow_down adds to the interval (RFC 8628 §3.5)
_INTERVAL = 5.0  # seconds between two polls where the server names none (RFC 8628 §3.2)
_SHORTEST_INTERVAL = 1.0  # seconds, whatever the server says
_LONGEST_INTERVAL = 60.0  # seconds; for a server that is down, and for one that says nonsense
_LONGEST_WAIT = 3600.0  # seconds that a device code is believed to live
_READ_IN_A_TERMINAL = 200  # characters of an address that somebody has to type


class _Reads(Protocol):
    def read(self, reply: TokenResponse) -> Token: ...


@dataclass(frozen=True)
class PasswordLogin:
    """Trade a user name and a password for tokens.

    `send` says how: ``"json"`` or ``"form"``, with the two fields named here and `extra` beside
    them; ``"basic"``, in the Authorization header; ``"oauth2"``, as the password grant of RFC 6749
    §4.3, for which `endpoint` is the client. The answer is read as `endpoint` reads its own.
    """

    url: str
    endpoint: _Reads
    send: str = "json"
    username_field: str = "username"
    password_field: str = "password"  # noqa: S105 - the name of a field
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)

    def ask(self, username: str, password: str) -> requests.Request:
        """Return the POST that logs in."""
        fields = {**self.extra, self.username_field: username, self.password_field: password}
        if self.send == "oauth2":
            client: Any = self.endpoint  # profiles.py sees to it that it is one
            made: requests.Request = client.as_client(
                self.url, {"grant_type": "password", **fields}
            )
            return made
        request = requests.Request("POST", self.url, headers=dict(_ACCEPT))
        if self.send == "basic":
            request.json = dict(self.extra) or None
            request.auth = HTTPBasicAuth(username.encode(), password.encode())
        elif self.send == "form":
            request.data = fields
        else:
            request.json = fields
        return request

    def read(self, reply: TokenResponse) -> Token:
        """Return the token. Raises RefreshRejected for a wrong password, RefreshUnavailable."""
        if reply.status in (400, 401, 403, 422) and self.send != "oauth2":
            raise _refused(reply.status)
        try:
            return with_expiry(self.endpoint.read(reply))
        except RefreshRejected:
            refused = _refused(reply.status)
        raise refused


@dataclass(frozen=True)
class DeviceLogin:
    """Log in with a browser somewhere else: the device flow (RFC 8628)."""

    url: str
    """The device authorization endpoint (§3.1)."""
    token_url: str
    client: Client
    client_id: str
    scope: str | None = None

    def ask(self) -> requests.Request:
        """Return the request for a pair of codes (§3.1)."""
        form = {"client_id": self.client_id}
        return self.client.as_client(self.url, form | ({"scope": self.scope} if self.scope else {}))

    def poll(self, device_code: str) -> requests.Request:
        """Return the request that asks whether the person is done (§3.4)."""
        form = {"grant_type": _DEVICE_GRANT, "device_code": device_code}
        return self.client.as_client(self.token_url, form | {"client_id": self.client_id})


@dataclass(frozen=True)
class Logout:
    """Tell the server that a refresh token is not wanted any more.

    `send` says how: ``"json"``, in the field `refresh_field`, with the access token in the header;
    ``"oauth2"``, as RFC 7009 has it, for which `client` is needed; ``"bearer"``, in the header.
    """

    url: str
    send: str = "json"
    method: str = "POST"
    refresh_field: str = "refresh_token"
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    client: Client | None = None

    def ask(self, token: Token) -> requests.Request:
        """Return the request that gives the token back."""
        refresh = token.refresh or ""
        if self.client is not None:
            form = {"token": refresh, "token_type_hint": "refresh_token", **self.extra}
            return self.client.as_client(self.url, form)
        bearer = refresh if self.send == "bearer" else token.access
        headers = _ACCEPT | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        body = dict(self.extra) | ({} if self.send == "bearer" else {self.refresh_field: refresh})
        return requests.Request(self.method, self.url, headers=headers, json=body or None)


class DeviceCode(NamedTuple):
    """What the person has to be told, and how to ask whether they are done (RFC 8628 §3.2)."""

    user_code: str
    url: str
    complete_url: str | None
    device_code: str
    seconds: float
    interval: float


def log_in(
    login: PasswordLogin, username: str, password: str, wire: SendOptions, seconds: float
) -> Token:
    """Return the tokens for a user name and password.

    Raises RefreshRejected if they are wrong, RefreshUnavailable for anything else that is no answer
    within `seconds`.
    """
    with _session(wire, seconds) as session:
        request = login.ask(username, password)
        return login.read(send_request(session, request, wire, seconds, "login endpoint"))


def log_out(logout: Logout, token: Token, wire: SendOptions, seconds: float) -> None:
    """Tell the server. Raises RefreshUnavailable if it does not say yes within `seconds`."""
    with _session(wire, seconds) as session:
        reply = send_request(session, logout.ask(token), wire, seconds, "logout endpoint")
    if not 200 <= reply.status < 300:  # noqa: PLR2004 - success (RFC 9110 §15.3)
        raise RefreshUnavailable(f"the logout endpoint answered {reply.status}")


def log_in_by_device(
    login: DeviceLogin, show: Callable[[DeviceCode], object], wire: SendOptions, seconds: float
) -> Token:
    """Return the tokens once the person has agreed in a browser.

    `show` is called with what they have to be told. `seconds` bounds each call to the server; how
    long the person may take is the server's to say. Raises RefreshRejected if they refuse or take
    too long, RefreshUnavailable if there is no answer that counts.
    """
    with _session(wire, seconds) as session:
        what = "device authorization endpoint"
        code = _device_code(login, send_request(session, login.ask(), wire, seconds, what))
        show(code)
        deadline = time.monotonic() + code.seconds
        interval, failure = code.interval, None
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(interval, left))
            try:
                reply = send_request(
                    session, login.poll(code.device_code), wire, seconds, "token endpoint"
                )
            except RefreshUnavailable as error:
                interval = min(max(2 * interval, 1.0), _LONGEST_INTERVAL)  # §3.5: backoff
                failure = error
                continue
            error_code = find(parse_json(reply.body), "error")
            is_over = time.monotonic() >= deadline
            if error_code == "access_denied":
                raise RefreshRejected("the request was refused in the browser")
            if error_code == "expired_token" or (error_code == "invalid_grant" and is_over):
                failure = None
                break
            if error_code not in ("authorization_pending", "slow_down"):
                try:
                    return _device_token(login, reply)
                except RefreshUnavailable as error:
                    if not _may_pass(reply.status):
                        raise
                    failure = error
                    continue
            failure = None
            interval += _SLOWER if error_code == "slow_down" else 0.0
    if failure is not None:
        raise RefreshUnavailable(f"the code has expired, and nobody could be asked: {failure}")
    raise RefreshRejected("the code has expired: nobody has agreed in time")


def _session(wire: SendOptions, seconds: float) -> ClientSession:
    cookies = requests.cookies.RequestsCookieJar()
    return ClientSession(seconds, wire, cookies, restart_each_time=True)


def _may_pass(status: int) -> bool:
    return status in (408, 429) or status >= 500  # noqa: PLR2004 - RFC 9110 §15.6


def _refused(status: int) -> RefreshRejected:
    return RefreshRejected(f"the server refused the user name or the password ({status})")


def _device_token(login: DeviceLogin, reply: TokenResponse) -> Token:
    try:
        return with_expiry(login.client.read(reply))
    except RefreshRejected:
        pass
    raise RefreshUnavailable("the token endpoint does not take its own device code (invalid_grant)")


def _device_code(login: DeviceLogin, reply: TokenResponse) -> DeviceCode:
    document = parse_json(reply.body)
    if _may_pass(reply.status) or 300 <= reply.status < 400:  # noqa: PLR2004 - RFC 9110 §15.4
        login.client.read(reply)  # raises what such a status means of any endpoint
    if reply.status != 200:  # noqa: PLR2004 - RFC 8628 §3.2
        raise RefreshUnavailable(
            f"the device authorization endpoint answered {reply.status}: check its URL, client_id "
            "and scope, and whether this client may use the device flow"
        )
    # Google writes verification_url.
    names = ("device_code", "user_code", "verification_uri", "verification_url")
    found = {name: find(document, name) for name in names}
    texts = {name: value for name, value in found.items() if isinstance(value, str) and value}
    url = texts.get("verification_uri", texts.get("verification_url"))
    if url is None or not {"device_code", "user_code"} <= texts.keys():
        raise RefreshUnavailable(
            "the device authorization endpoint answered 200, but without all of "
            f"{quote_list(names[:3])}"
        )
    complete = find(document, "verification_uri_complete")
    return DeviceCode(
        _showable(texts["user_code"]),
        _browsable(url),
        _browsable_whole(complete),
        texts["device_code"],
        _number(find(document, "expires_in"), 600.0, _LONGEST_WAIT),
        max(_number(find(document, "interval"), _INTERVAL, _LONGEST_INTERVAL), _SHORTEST_INTERVAL),
    )


def _showable(text: str) -> str:
    """Return what is shown in a terminal, without what could rewrite it."""
    return "".join(each for each in text if each.isprintable())[:_READ_IN_A_TERMINAL]


def _browsable(url: str) -> str:
    try:
        return _showable(validate(url, what="the verification page", allow_http=True))
    except InvalidURL as error:
        problem = str(error)
    raise RefreshUnavailable(f"the device authorization endpoint named no page to go to: {problem}")


def _browsable_whole(url: object) -> str | None:
    """Return a URL that spares somebody the typing, None if it cannot be shown as it is."""
    try:
        whole = validate(str(url or ""), what="the verification page", allow_http=True)
    except InvalidURL:
        return None
    return whole if whole == _showable(whole) else None


def _number(value: object, default: float, largest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        return default
    return float(min(value, largest))


def reading(endpoint: Endpoint, **fields: Any) -> Endpoint:
    """Return `endpoint` as it reads an answer in which other fields hold the tokens."""
    given = {name: value for name, value in fields.items() if value is not None}
    return replace(endpoint, **given) if given else endpoint  # type: ignore[type-var]
