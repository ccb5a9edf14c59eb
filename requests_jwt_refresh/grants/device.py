"""Logging in with a browser on another device: the device flow (RFC 8628)."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from requests.cookies import RequestsCookieJar

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import InvalidURL, RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.grants import first_tokens
from requests_jwt_refresh.matching import find, parse_json
from requests_jwt_refresh.refresh.client import ClientSession, send_request
from requests_jwt_refresh.responses import quote_list
from requests_jwt_refresh.tokens import with_expiry
from requests_jwt_refresh.urls import validate

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh.grants import OAuth2Client
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token

    Send = Callable[[requests.Request, str], TokenResponse]
    """Takes a request and a name for what it is sent to, for the text of an error."""

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
_SLOW_DOWN = 5.0  # seconds that each slow_down adds to the interval (RFC 8628 §3.5)
_DEFAULT_INTERVAL = 5.0  # seconds between two polls where the server names none (RFC 8628 §3.2)
_MIN_INTERVAL = 1.0  # seconds, whatever the server says
_MAX_INTERVAL = 60.0  # seconds, for a server that is down and for a nonsensical interval
_DEFAULT_LIFETIME = 600.0  # seconds, where the server does not say (it must: RFC 8628 §3.2)
_MAX_LIFETIME = 3600.0  # seconds, whatever the server says
_RETRY_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_MAX_SHOWN = 200  # characters of a URL that a person has to type


@dataclass(frozen=True)
class DeviceLogin:
    """Log in with a browser on another device (RFC 8628)."""

    url: str
    """The device authorization endpoint (§3.1)."""
    token_url: str
    """The token endpoint (§3.4)."""
    client: OAuth2Client
    client_id: str
    scope: str | None = None

    def ask(self) -> requests.Request:
        """Return the request for a pair of codes (§3.1)."""
        form = {"client_id": self.client_id}
        return self.client.as_client(self.url, form | ({"scope": self.scope} if self.scope else {}))

    def poll(self, device_code: str) -> requests.Request:
        """Return the request that asks whether the login has been approved (§3.4)."""
        form = {"grant_type": _GRANT_TYPE, "device_code": device_code, "client_id": self.client_id}
        return self.client.as_client(self.token_url, form)


class DeviceCode(NamedTuple):
    """What to show to the user, and how to ask for the outcome (RFC 8628 §3.2)."""

    user_code: str
    url: str
    complete_url: str | None
    device_code: str
    seconds: float
    """How long the code is valid."""
    interval: float
    """Seconds between two polls."""


@first_tokens()
def log_in_by_device(
    login: DeviceLogin, show: Callable[[DeviceCode], object], options: SendOptions, seconds: float
) -> Token:
    """Return the tokens once the user has approved the login in a browser.

    `show` is called with what the user needs to see. `seconds` bounds each call to the server;
    how long the user may take is up to the server. Raises RefreshRejected if the login is
    denied or the code expires, RefreshUnavailable if there is no usable response.
    """
    cookies = RequestsCookieJar()
    with ClientSession(seconds, options, cookies, restart_each_time=True) as session:

        def send(request: requests.Request, source: str) -> TokenResponse:
            return send_request(session, request, options, seconds, source)

        code = _read_codes(login, send(login.ask(), "device authorization endpoint"))
        show(code)
        return _Polling(login, code, send).wait()


class _Polling:
    """Asks the token endpoint again and again until there is an outcome (RFC 8628 §3.5)."""

    def __init__(self, login: DeviceLogin, code: DeviceCode, send: Send) -> None:
        self._login, self._code, self._send = login, code, send
        self._deadline = clock.monotonic() + code.seconds
        self._interval = code.interval
        self._failure: RefreshUnavailable | None = None  # why the last poll had no outcome

    def wait(self) -> Token:
        """Return the token. Raises RefreshRejected or RefreshUnavailable."""
        while (left := self._deadline - clock.monotonic()) > 0:
            clock.sleep(min(self._interval, left))
            token = self._poll()
            if token is not None:
                return token
        if self._failure is None:
            raise _make_expired_error()
        raise RefreshUnavailable(
            f"the code has expired, and the server could not be asked: {self._failure.cause}",
            "the tokens are kept; try again later",
        )

    def _poll(self) -> Token | None:
        """Return the token, None if there is no outcome yet."""
        try:
            response = self._send(self._login.poll(self._code.device_code), "token endpoint")
        except RefreshUnavailable as error:
            self._interval = min(2 * self._interval, _MAX_INTERVAL)  # exponential backoff (§3.5)
            self._failure = error
            return None
        error_code = find(parse_json(response.body), "error")
        if error_code in ("authorization_pending", "slow_down"):
            self._interval += _SLOW_DOWN if error_code == "slow_down" else 0.0
            self._failure = None
            return None
        self._check_not_ended(error_code)
        try:
            return _read_token(self._login, response)
        except RefreshUnavailable as error:
            if not _is_temporary(response.status):
                raise
            self._failure = error
            return None

    def _check_not_ended(self, error_code: object) -> None:
        """Raise RefreshRejected if the login was denied or the code has expired."""
        if error_code == "access_denied":
            raise RefreshRejected(
                "the login was denied in the browser", "log in again, and approve it there"
            )
        is_late = clock.monotonic() >= self._deadline
        if error_code == "expired_token" or (error_code == "invalid_grant" and is_late):
            raise _make_expired_error()


def _make_expired_error() -> RefreshRejected:
    return RefreshRejected(
        "the code expired before the login was approved", "log in again, and approve it in time"
    )


def _is_temporary(status: int) -> bool:
    return status in _RETRY_LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _is_redirect(status: int) -> bool:
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST


def _read_token(login: DeviceLogin, response: TokenResponse) -> Token:
    try:
        return with_expiry(login.client.read(response))
    except RefreshRejected:
        pass  # its text is about a refresh token
    raise RefreshUnavailable(
        "the token endpoint refused the device code (invalid_grant)",
        "the tokens are kept; check that token_url belongs to the same server, then log in again",
    )


def _read_codes(login: DeviceLogin, response: TokenResponse) -> DeviceCode:
    """Return what the device authorization endpoint gave. Raises RefreshUnavailable."""
    if _is_temporary(response.status) or _is_redirect(response.status):
        login.client.read(response)  # raises what such a status means of any endpoint
    if response.status != HTTPStatus.OK:  # RFC 8628 §3.2
        raise RefreshUnavailable(
            f"the {response.source} answered {response.status}",
            "the tokens are kept; check its URL, client_id and scope, and whether this client may "
            "use the device flow",
        )
    document = parse_json(response.body)
    # Google writes verification_url.
    names = ("device_code", "user_code", "verification_uri", "verification_url")
    found = {name: find(document, name) for name in names}
    texts = {name: value for name, value in found.items() if isinstance(value, str) and value}
    url = texts.get("verification_uri", texts.get("verification_url"))
    if url is None or not {"device_code", "user_code"} <= texts.keys():
        raise RefreshUnavailable(
            f"the {response.source} answered 200, but without all of {quote_list(names[:3])}",
            "the tokens are kept; check its URL",
        )
    return DeviceCode(
        _strip_unprintable(texts["user_code"]),
        _check_page(url),
        _check_complete_page(find(document, "verification_uri_complete")),
        texts["device_code"],
        _clamp(find(document, "expires_in"), _DEFAULT_LIFETIME, _MAX_LIFETIME),
        max(
            _clamp(find(document, "interval"), _DEFAULT_INTERVAL, _MAX_INTERVAL),
            _MIN_INTERVAL,
        ),
    )


def _strip_unprintable(text: str) -> str:
    """Return a text without control characters, cut to what a person may have to type."""
    return "".join(each for each in text if each.isprintable())[:_MAX_SHOWN]


def _check_page(url: str) -> str:
    """Return the URL where the code is typed. Raises RefreshUnavailable for an invalid one."""
    try:
        return _strip_unprintable(validate(url, what="the verification page", allow_http=True))
    except InvalidURL as error:
        problem = error.cause
    raise RefreshUnavailable(
        f"the device authorization endpoint gave no usable page to open: {problem}",
        "the tokens are kept; check the endpoint's URL",
    )


def _check_complete_page(url: object) -> str | None:
    """Return the URL that already holds the code; None if it cannot be shown unchanged."""
    try:
        whole = validate(str(url or ""), what="the verification page", allow_http=True)
    except InvalidURL:
        return None
    return whole if whole == _strip_unprintable(whole) else None


def _clamp(value: object, default: float, largest: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        return default
    return float(min(value, largest))
