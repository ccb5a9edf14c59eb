"""Logging in with a browser on another device: the device flow (RFC 8628)."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests
from requests.cookies import RequestsCookieJar
from urllib3.util import Retry

from requests_jwt_refresh import clock
from requests_jwt_refresh.endpoints import OAuth2Endpoint
from requests_jwt_refresh.errors import InvalidURL, RefreshRejected, RefreshUnavailable
from requests_jwt_refresh.grants import CHECK_ENDPOINT, as_answer_to, first_tokens
from requests_jwt_refresh.grants.desktop import format_wait
from requests_jwt_refresh.grants.login_parameters import copy_parameters, pick_resource
from requests_jwt_refresh.grants.user_calls import UserCall
from requests_jwt_refresh.matching import find, parse_json
from requests_jwt_refresh.refresh.client import ClientSession, send_request
from requests_jwt_refresh.refresh.logins import OwnLogin
from requests_jwt_refresh.refresh.user_functions import check_call
from requests_jwt_refresh.response_errors import LoginWords, make_fault
from requests_jwt_refresh.responses import quote_list
from requests_jwt_refresh.tokens import describe_kind, with_expiry
from requests_jwt_refresh.urls import join_endpoint, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

    from requests_jwt_refresh.authorization import Proofs
    from requests_jwt_refresh.grants import OAuth2Client
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.refresh.logins import RefusedLogins
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token

    Send = Callable[[requests.Request, str], TokenResponse]
    """Takes a request and a name for what it is sent to, for the text of an error."""

_WORDS: Final = LoginWords("device code", CHECK_ENDPOINT)
_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
_SLOW_DOWN = 5.0  # seconds that each slow_down adds to the interval (RFC 8628 §3.5)
_DEFAULT_INTERVAL = 5.0  # seconds between two polls where the server names none (RFC 8628 §3.2)
_MIN_INTERVAL = 1.0  # seconds, whatever the server says
_MAX_BACKOFF = 60.0  # seconds, for a server that is down and for a nonsensical interval
_DEFAULT_LIFETIME = 600.0  # seconds, where the server does not say (it must: RFC 8628 §3.2)
_MAX_LIFETIME = 3600.0  # seconds, whatever the server says
_RETRY_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_MAX_SHOWN = 200  # characters of a URL that a person has to type

# The error codes of RFC 8628 §3.5 and RFC 6749 §5.2, and what providers say in place of them.
# Their statuses differ: GitHub sends 200, Auth0 403, Google 428.
_PENDING: Final = "authorization_pending"
_SLOWER: Final = "slow_down"
_DENIED: Final = ("access_denied", "authorization_declined", "authorization_denied")
_EXPIRED: Final = ("expired_token", "code_expired", "expired_device_code", "device_code_expired")
_WRONG_CODE: Final = (
    "invalid_grant",
    "bad_verification_code",
    "incorrect_device_code",
    "invalid_device_code",
    "invalid device code",
)
_PASSING: Final = (
    "temporarily_unavailable",
    "server_error",
    "rate_limit_exceeded",
    "too_many_requests",
)
_FAULTS: Final = {
    "device_flow_disabled": "switch the device flow on for this client, at the server",
    "unauthorized_client": "let this client use the device flow, at the server",
    "unsupported_grant_type": "let this client use the device flow, at the server, or log in in "
    "another way",
    "invalid_client": "check client_id and client_secret, and client_auth",
    "incorrect_client_credentials": "check client_id and client_secret",
    "invalid_scope": "check the scope of the device login",
}
_KNOWN_CODES: Final = frozenset(
    {_PENDING, _SLOWER, *_DENIED, *_EXPIRED, *_WRONG_CODE, *_PASSING, *_FAULTS}
)


@dataclass(frozen=True)
class DeviceLogin(OwnLogin):
    """Log in with a browser on another device (RFC 8628): a ``login=`` for OAuth 2.0 servers.

    ```python
    endpoint = OAuth2Endpoint("https://id.example.com/token", "my-client")
    login = DeviceLogin("https://id.example.com/device")
    mount(session, "https://api.example.com", endpoint, login=login)
    ```

    Args:
        url: the device authorization endpoint (§3.1), absolute or relative to the base URL.
        token_url: the token endpoint (§3.4); the adapter's OAuth2Endpoint's if omitted.
        client_id: the client's id; the OAuth2Endpoint's if omitted.
        client: what authenticates the client and reads the tokens, if that is not the adapter's
            OAuth2Endpoint.
        scope: the scope to ask for (§3.1); the OAuth2Endpoint's if omitted.
        show: called with a DeviceCode, and shows the user its `user_code` and the `url` where to
            type it, or the `complete_url` that has it in it (None if the server gives none); it is
            good for `seconds`. It runs in a thread of its own, a daemon, so that it may wait until
            the user is done, but not by ``input()``, which can abort the program when that ends
            first. If it raises something before that, the login ends as RefreshUnavailable, which
            names the line. If omitted, they are printed to stderr.
        extra: more parameters of the request for a code, as some servers want them: ``audience``,
            ``access_type``, ``login_hint``; a list is sent as one parameter for each value.
            ``resource`` goes with the request for the token, too (RFC 8707 §2.2).

    Other threads that need a token wait meanwhile, each as long as its request's timeout allows;
    no lock of the store is held.

    """

    url: str
    token_url: str | None = None
    client_id: str | None = None
    client: OAuth2Client | None = field(default=None, kw_only=True)
    scope: str | None = field(default=None, kw_only=True)
    show: Callable[[DeviceCode], object] | None = field(default=None, kw_only=True)
    extra: Mapping[str, str | Sequence[str]] = field(
        default_factory=dict, kw_only=True, repr=False, hash=False
    )
    timeout: float = field(default=30.0, init=False, repr=False, compare=False)
    """Seconds for each call to the server."""

    def __post_init__(self) -> None:
        for name in ("url", "token_url", "client_id"):
            value = getattr(self, name)
            if value == "" or not isinstance(value, (str, type(None))):
                raise TypeError(f"{name} must be a string, not {describe_kind(value)}")
        object.__setattr__(self, "extra", copy_parameters(self.extra))
        if self.show is not None:
            if not callable(self.show):
                raise TypeError(f"show must be a function, not {describe_kind(self.show)}")
            check_call("show", self.show, "code")

    def bind(
        self, endpoint: object, base_url: str, *, allow_http: bool = False, timeout: float = 30.0
    ) -> Self:
        """Return the login with its URLs made absolute, for the client that `endpoint` is.

        `timeout` is in seconds, for each call to the server. Raises TypeError if there is no
        client, and InvalidURL.
        """
        given: Any = endpoint if hasattr(endpoint, "as_client") else None
        client = self.client or given
        client_id = self.client_id or getattr(client, "client_id", None)
        token_url = self.token_url or getattr(client, "url", None)
        if client_id is None or token_url is None:
            raise TypeError(
                "DeviceLogin needs the adapter's endpoint to be an OAuth2Endpoint with a "
                "client_id, or a token_url and a client_id of its own"
            )
        join = partial(join_endpoint, base_url, allow_http=allow_http)
        bound = replace(
            self,
            url=join(self.url, what="the URL for devices"),
            token_url=join(token_url, what="the token URL"),
            client_id=client_id,
            client=client or OAuth2Endpoint(token_url, client_id),
            scope=self.scope or getattr(client, "scope", None),
        )
        object.__setattr__(bound, "timeout", timeout)
        return bound

    def obtain(
        self, session: requests.Session, options: SendOptions, _refused: RefusedLogins
    ) -> Token:
        """Log in, over sessions like `session`. Raises RefreshRejected or RefreshUnavailable."""
        return _log_in(self, self.show or show_code, session, options, self.timeout)

    def ask(self) -> requests.Request:
        """Return the request for a pair of codes (§3.1)."""
        form = {"client_id": self.client_id}
        scope = {"scope": self.scope} if self.scope else {}
        return self._client.as_client(self.url, {**form, **scope, **self.extra})

    def poll(self, device_code: str) -> requests.Request:
        """Return the request that asks whether the login has been approved (§3.4)."""
        form = {"grant_type": _GRANT_TYPE, "device_code": device_code, "client_id": self.client_id}
        return self._client.as_client(self.token_url or "", {**form, **pick_resource(self.extra)})

    def read(self, response: TokenResponse) -> Token:
        """Return the token. Raises RefreshRejected or RefreshUnavailable."""
        return self._client.read(as_answer_to(_WORDS, response))

    @property
    def _client(self) -> OAuth2Client:
        if self.client is None:
            raise RefreshUnavailable(
                "the DeviceLogin has no client", "give it to an adapter as login=, or give client="
            )
        return self.client


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

    def __repr__(self) -> str:
        return f"DeviceCode({self.url!r})"


def show_code(code: DeviceCode) -> None:
    """Print where to type the code, to stderr."""
    also = "" if code.complete_url is None else f"(or open {code.complete_url})\n"
    sys.stderr.write(
        f"To log in, open\n\n    {code.url}\n\nand type the code {code.user_code}\n{also}"
        f"Waiting for up to {format_wait(code.seconds)}.\n"
    )
    sys.stderr.flush()


def log_in_by_device(
    login: DeviceLogin,
    show: Callable[[DeviceCode], object],
    options: SendOptions,
    seconds: float,
    *,
    proofs: Proofs | None = None,
) -> Token:
    """Return the tokens once the user has approved the login in a browser.

    `show` is called with what the user needs to see. `seconds` bounds each call to the server;
    how long the user may take is up to the server. `proofs` go with each request. Raises
    RefreshRejected if the login is denied or the code expires, RefreshUnavailable if there is no
    usable response.
    """
    with ClientSession(seconds, options, RequestsCookieJar(), proofs=proofs) as session:
        token = _log_in(login, show, session, options, seconds)
    return token if proofs is None else proofs.bind(token)


@first_tokens()
def _log_in(
    login: DeviceLogin,
    show: Callable[[DeviceCode], object],
    session: requests.Session,
    options: SendOptions,
    seconds: float,
) -> Token:
    """Do the same over `session`, and over sessions like it for the polls if it is our own."""
    source = "device authorization endpoint"
    ask = login.ask
    code = _read_codes(login, send_request(session, ask(), options, seconds, source, ask=ask))

    def send(request: requests.Request, source: str) -> TokenResponse:
        if not isinstance(session, ClientSession):
            return send_request(session, request, options, seconds, source)
        cookies, proofs = session.cookies, session.proofs
        with SingleRequestSession(seconds, options, cookies, proofs=proofs) as single:
            return send_request(single, request, options, seconds, source)

    if show is not login.show:  # of ours
        show(code)
        return _Polling(login, code, send).wait()
    with UserCall("show of the DeviceLogin", show, code) as call:
        call.wait()
        return _Polling(login, code, send, call.get_result).wait()


class SingleRequestSession(ClientSession):
    """Sends one request, once: what fails is asked again after the interval, not before."""

    def __init__(
        self,
        seconds: float,
        options: SendOptions,
        cookies: RequestsCookieJar,
        *,
        proofs: Proofs | None,
    ) -> None:
        super().__init__(seconds, options, cookies, proofs=proofs)
        self._has_sent = False
        for adapter in self.adapters.values():
            adapter.max_retries = Retry(0, read=False)  # type: ignore[attr-defined]

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        if self._has_sent:
            raise requests.ConnectionError("the response broke off")
        self._has_sent = True
        return super().send(request, **kwargs)


class _Polling:
    """Asks the token endpoint again and again until there is an outcome (RFC 8628 §3.5).

    Two polls are never closer than the interval, whatever the server answered in between. What
    `look` raises, which is called before each of them, ends it.
    """

    def __init__(
        self,
        login: DeviceLogin,
        code: DeviceCode,
        send: Send,
        look: Callable[[], object] = lambda: None,
    ) -> None:
        self._login, self._code, self._send, self._look = login, code, send, look
        self._deadline = clock.monotonic() + code.seconds
        self._interval = code.interval
        self._failure: RefreshUnavailable | None = None  # why the last poll had no outcome

    def wait(self) -> Token:
        """Return the token. Raises RefreshRejected or RefreshUnavailable."""
        while (left := self._deadline - clock.monotonic()) > 0:
            asked = 0.0 if self._failure is None else self._failure.retry_after
            if asked >= left:
                break
            self._look()
            clock.sleep(min(max(self._interval, asked), left))
            self._look()
            token = self._poll()
            if token is not None:
                return token
        if self._failure is None:
            raise _make_expired_error()
        raise RefreshUnavailable(
            f"the code has expired, and the server could not be asked: {self._failure.cause}"
            if self._deadline <= clock.monotonic()
            else f"the code will have expired before the server may be asked again: "
            f"{self._failure.cause}",
            "try again later",
        )

    def _poll(self) -> Token | None:
        """Return the token, None if there is no outcome yet."""
        try:
            response = self._send(self._login.poll(self._code.device_code), "token endpoint")
        except RefreshUnavailable as error:
            # Exponential backoff (§3.5), from whatever interval the server asks for.
            self._interval = max(self._interval, min(2 * self._interval, _MAX_BACKOFF))
            self._failure = error
            return None
        document = parse_json(response.body)
        code = _find_error_code(document)
        if code in (_PENDING, _SLOWER):
            self._failure = None
        else:
            self._check_not_ended(response, code)
            try:
                return _read_token(self._login, response)
            except RefreshUnavailable as error:
                if not (_is_temporary(response.status) or code in _PASSING):
                    raise
                self._failure = error
        if code == _SLOWER or response.status == HTTPStatus.TOO_MANY_REQUESTS:
            # GitHub names the new interval as well.
            named = _parse_seconds(find(document, "interval"))
            self._interval = max(self._interval + _SLOW_DOWN, self._limit_interval(named))
        return None

    def _limit_interval(self, seconds: float | None) -> float:
        return _limit_interval(seconds, self._code.seconds)

    def _check_not_ended(self, response: TokenResponse, code: str | None) -> None:
        """Raise the error for a code after which it makes no sense to ask again."""
        if code in _DENIED:
            raise RefreshRejected(
                "the login was denied in the browser", "log in again, and approve it there"
            )
        if code in _EXPIRED or (code in _WRONG_CODE and clock.monotonic() >= self._deadline):
            raise _make_expired_error()
        if code in _WRONG_CODE:
            raise RefreshUnavailable(
                f"the {response.source} refused the device code ({code})",
                "check that token_url belongs to the same server, then log in again",
            )
        _check_set_up(response, code)


def _find_error_code(document: object) -> str | None:
    """Return the error code of a response, None if it has none that is known here.

    Whatever else is there may be a secret. Twitch says it in ``message``.
    """
    found = (find(document, name) for name in ("error", "message"))
    return next((each for each in found if isinstance(each, str) and each in _KNOWN_CODES), None)


def _check_set_up(response: TokenResponse, code: str | None) -> None:
    """Raise RefreshUnavailable if the code says that the client or the server is not set up."""
    if code in _FAULTS:
        raise make_fault(f"the {response.source} answered {response.status} {code}", _FAULTS[code])


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
        return with_expiry(login.read(response))
    except RefreshRejected:
        pass  # its text is about a refresh token
    raise RefreshUnavailable(
        f"the {response.source} answered {response.status} and refused the device code",
        "check that token_url belongs to the same server, then log in again",
    )


def _read_codes(login: DeviceLogin, response: TokenResponse) -> DeviceCode:
    """Return what the device authorization endpoint gave. Raises RefreshUnavailable."""
    if _is_temporary(response.status) or _is_redirect(response.status):
        login.read(response)  # raises what such a status means of any endpoint
    _check_set_up(response, _find_error_code(parse_json(response.body)))
    if response.status != HTTPStatus.OK:  # RFC 8628 §3.2
        raise make_fault(
            f"the {response.source} answered {response.status}",
            "check its URL, client_id and scope, and whether this client may use the device flow",
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
            "check its URL",
        )
    lifetime = _limit_lifetime(_parse_seconds(find(document, "expires_in")))
    return DeviceCode(
        _strip_unprintable(texts["user_code"]),
        _check_page(url, response.source),
        _check_complete_page(find(document, "verification_uri_complete")),
        texts["device_code"],
        lifetime,
        _limit_interval(_parse_seconds(find(document, "interval")), lifetime),
    )


def _strip_unprintable(text: str) -> str:
    """Return a text without control characters, cut to what a person may have to type."""
    return "".join(each for each in text if each.isprintable())[:_MAX_SHOWN]


def _check_page(url: str, source: str) -> str:
    """Return the URL where the code is typed. Raises RefreshUnavailable for an invalid one."""
    try:
        return _strip_unprintable(validate(url, what="the verification page", allow_http=True))
    except InvalidURL as error:
        problem = error.cause
    raise RefreshUnavailable(
        f"the {source} gave no usable page to open: {problem}", "check the endpoint's URL"
    )


def _check_complete_page(url: object) -> str | None:
    """Return the URL that already holds the code; None if it cannot be shown unchanged."""
    try:
        whole = validate(str(url or ""), what="the verification page", allow_http=True)
    except InvalidURL:
        return None
    return whole if whole == _strip_unprintable(whole) else None


def _limit_lifetime(seconds: float | None) -> float:
    """Return how long to wait for the user at most, for what the server said."""
    return min(seconds, _MAX_LIFETIME) if seconds else _DEFAULT_LIFETIME


def _limit_interval(seconds: float | None, lifetime: float) -> float:
    """Return the interval for what the server said; one that outlives the code is nonsense."""
    if seconds is None:
        return _DEFAULT_INTERVAL
    return max(seconds if seconds < lifetime else _MAX_BACKOFF, _MIN_INTERVAL)


def _parse_seconds(value: object) -> float | None:
    """Return a number of seconds that a server gave, also as a string; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None  # nan is not
