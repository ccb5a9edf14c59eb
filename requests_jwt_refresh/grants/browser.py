"""Logging in with a browser: authorization code with PKCE (RFC 6749 §4.1, RFC 7636, RFC 8252)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from requests.cookies import RequestsCookieJar

from requests_jwt_refresh.endpoints import OAuth2Endpoint
from requests_jwt_refresh.errors import (
    DiscoveryError,
    JWTRefreshError,
    RefreshRejected,
    RefreshUnavailable,
)
from requests_jwt_refresh.grants import (
    CHECK_ENDPOINT,
    as_answer_to,
    desktop,
    first_tokens,
    user_calls,
)
from requests_jwt_refresh.grants.browser_support import find_browser_problem
from requests_jwt_refresh.grants.code_flow import CodeRequest
from requests_jwt_refresh.grants.device import DeviceLogin
from requests_jwt_refresh.grants.discovery import ServerMetadata, choose_scope
from requests_jwt_refresh.grants.login_page import LoginPage
from requests_jwt_refresh.grants.login_parameters import copy_parameters
from requests_jwt_refresh.grants.loopback import LoopbackReceiver, make_timeout_error
from requests_jwt_refresh.grants.pages import LOGGED_IN, make_failure
from requests_jwt_refresh.grants.pasting import Terminal, receive_pasted
from requests_jwt_refresh.grants.redirects import DEFAULT_REDIRECT, RedirectURI
from requests_jwt_refresh.refresh.client import ClientSession, send_request
from requests_jwt_refresh.refresh.logins import OwnLogin, RefusedLogins
from requests_jwt_refresh.refresh.user_functions import check_call
from requests_jwt_refresh.response_errors import LoginWords
from requests_jwt_refresh.tokens import describe_kind, is_finite, with_expiry
from requests_jwt_refresh.urls import describe_url, join_endpoint, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import requests
    from typing_extensions import Self

    from requests_jwt_refresh.authorization import Proofs
    from requests_jwt_refresh.grants import OAuth2Client
    from requests_jwt_refresh.grants.redirects import Parameters
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token

_WORDS: Final = LoginWords("authorization code", CHECK_ENDPOINT)
_URLS: Final = {
    "authorization_url": "the authorization URL",
    "token_url": "the token URL",
    "device_url": "the URL for devices",
}
_FIRST_TICK: Final = 0.02  # seconds between two looks whether the page was opened
_ELSEWHERE: Final = (
    "A browser on another machine cannot open the last page; its address is enough.\n"
)


@dataclass(frozen=True)
class BrowserLogin(OwnLogin):
    """Log in with a browser on this machine: a ``login=`` for OAuth 2.0 and OpenID Connect servers.

    ```python
    endpoint = OAuth2Endpoint("https://id.example.com/token", "my-client")
    login = BrowserLogin("https://id.example.com", "my-client")
    mount(session, "https://api.example.com", endpoint, login=login)
    ```

    An authorization code with PKCE (RFC 6749 §4.1, RFC 7636). The browser is sent back to a port
    on this machine that is open meanwhile (RFC 8252 §7.3).

    Args:
        issuer_or_urls: the server: its issuer's URL, which is asked for the others; a
            `ServerMetadata`; or a mapping that has ``authorization_url`` and ``token_url``, and
            perhaps ``issuer`` and ``device_url``, absolute or relative to the base URL.
        client_id: the client's id.
        client_secret: the client's secret; None for a public client, as programs are that others
            run. It is not shown.
        scope: the scope to ask for. For an issuer that is an OpenID provider ``openid`` and, for a
            refresh token, ``offline_access`` are added.
        redirect_uri: where the browser is sent, exactly as it is registered at the server. At
            ``http://127.0.0.1``, ``[::1]`` or ``localhost`` this program listens, at any free port
            if none is named. For any other the user is asked to paste the URL. None is
            ``http://127.0.0.1``.
        open: how the page is opened. None: in the user's browser, if there is a display, stdin is
            a terminal or this is a notebook, and CI is not set; else RefreshUnavailable. True: in
            any case. The URL is printed to stderr as well, since nobody can tell whether a page
            shows up. A function is called with the URL in a thread of its own, a daemon, so that it
            may wait for the page, as ``requests.get``, Selenium's ``driver.get`` and
            ``subprocess.run`` do, but not for ``input()``, see `show` of DeviceLogin. If it returns
            False, the URL is printed; if it raises something before the browser has come back, that
            ends the login as RefreshUnavailable, which names the line; later it is logged. False:
            there is no browser here. Then the user gets a code to type elsewhere, if the server has
            that (RFC 8628); if not, the URL is printed to stderr, and the URL to which the browser
            is sent at last can be pasted.
        timeout: seconds in which the user has to log in.
        extra: more parameters of the page's URL, as some servers want them: ``audience``,
            ``access_type``, ``login_hint``; a list is sent as one parameter for each value.
            ``resource`` goes with the request for the token, too (RFC 8707 §2.2), and
            ``prompt`` replaces what the login would ask for by itself.

    Other threads that need a token wait meanwhile, each as long as its request's timeout allows;
    no lock of the store is held. Raises TypeError, ValueError or InvalidURL for what makes no
    sense.

    """

    issuer_or_urls: str | ServerMetadata | Mapping[str, str] = field(hash=False)
    client_id: str
    client_secret: str | None = field(default=None, kw_only=True, repr=False)
    scope: str | None = field(default=None, kw_only=True)
    redirect_uri: str | None = field(default=None, kw_only=True)
    open: bool | Callable[[str], object] | None = field(default=None, kw_only=True)
    timeout: float = field(default=300.0, kw_only=True)
    extra: Mapping[str, str | Sequence[str]] = field(
        default_factory=dict, kw_only=True, repr=False, hash=False
    )
    call_timeout: float = field(default=30.0, init=False, repr=False, compare=False)
    """Seconds for each call to the server."""
    _server: ServerMetadata | None = field(default=None, init=False, repr=False, compare=False)
    _client: OAuth2Client | None = field(default=None, init=False, repr=False, compare=False)
    _allow_http: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("client_id", "client_secret", "scope", "redirect_uri"):
            value = getattr(self, name)
            if value == "" or not isinstance(value, (str, type(None))):
                raise TypeError(f"{name} must be a string, not {describe_kind(value)}")
        if self.client_id is None:
            raise TypeError("client_id must be a string, not None")
        _check_server(self.issuer_or_urls)
        _fill(self, extra=copy_parameters(self.extra))
        if not is_finite(self.timeout) or self.timeout <= 0:
            raise ValueError("timeout must be a positive number of seconds, such as 300.0")
        if callable(self.open):
            check_call("open", self.open, "url")
        elif not isinstance(self.open, (bool, type(None))):
            raise TypeError(
                f"open must be None, True, False or a function, not {describe_kind(self.open)}"
            )
        self._redirect  # noqa: B018 - raises InvalidURL

    @property
    def url(self) -> str | None:  # type: ignore[override]
        """The URL that is asked first; None until it is bound."""
        server = self._server
        if server is not None:
            return server.token_url
        return self.issuer_or_urls if isinstance(self.issuer_or_urls, str) else None

    def bind(
        self, endpoint: object, base_url: str, *, allow_http: bool = False, timeout: float = 30.0
    ) -> Self:
        """Return the login with its URLs made absolute and checked.

        `timeout` is in seconds, for each call to the server. If `endpoint` is the same client, it
        authenticates, and reads the tokens. Raises InvalidURL.
        """
        bound = replace(self)
        given = self.issuer_or_urls
        if isinstance(given, str):
            validate(given, what="the issuer", allow_http=allow_http)
        else:
            server = given if isinstance(given, ServerMetadata) else _read_mapping(given)
            _fill(bound, _server=_make_absolute(server, base_url, allow_http=allow_http))
        client: Any = endpoint if hasattr(endpoint, "as_client") else None
        secrets = (None, getattr(client, "client_secret", None))
        is_same = getattr(client, "client_id", None) == self.client_id
        if is_same and self.client_secret in secrets:
            _fill(bound, _client=client)
        _fill(bound, call_timeout=timeout, _allow_http=allow_http)
        return bound

    def obtain(
        self, session: requests.Session, options: SendOptions, refused: RefusedLogins
    ) -> Token:
        """Log in, over `session`. Raises RefreshRejected or RefreshUnavailable."""
        return _log_in(self, session, options, refused, _return_token)

    @property
    def _redirect(self) -> RedirectURI:
        return RedirectURI.parse(self.redirect_uri or DEFAULT_REDIRECT)


def log_in_by_browser(
    login: BrowserLogin,
    options: SendOptions,
    seconds: float,
    *,
    proofs: Proofs | None = None,
    keep: Callable[[Token], object] | None = None,
) -> Token:
    """Return the tokens once the user has logged in.

    `login` has been bound. `seconds` bounds each call to the server. `proofs` go with each
    request. `keep` is called with the token before the browser shows that all went well; what it
    raises is shown there, and raised. Raises RefreshRejected if the login is denied,
    RefreshUnavailable if it fails.
    """

    def finish(token: Token) -> Token:
        bound = token if proofs is None else proofs.bind(token)
        if keep is not None:
            keep(bound)
        return bound

    jar = RequestsCookieJar()
    with ClientSession(seconds, options, jar, restart_each_time=True, proofs=proofs) as session:
        return _log_in(login, session, options, RefusedLogins(), finish)


def _return_token(token: Token) -> Token:
    return token


@first_tokens()
def _log_in(
    login: BrowserLogin,
    session: requests.Session,
    options: SendOptions,
    refused: RefusedLogins,
    finish: Callable[[Token], Token],
) -> Token:
    opener = _find_opener(login)
    server = _find_server(login, session)
    client = login._client or _make_client(login, server)  # noqa: SLF001 - of this module
    if opener is None and server.device_url is not None:
        device = DeviceLogin(
            server.device_url,
            server.token_url,
            login.client_id,
            client=client,
            scope=login.scope,
            extra=login.extra,
        )
        return finish(_bind_device(device, login, server).obtain(session, options, refused))
    _check_browser(server)
    scope, asks_consent = _choose_scope(login, server)
    request = CodeRequest(server, login.client_id, scope, asks_consent, extra=login.extra)
    return _Attempt(login, request, client, session, options, finish).run(opener)


class _Attempt:
    """One login in a browser, from opening the page to the tokens."""

    def __init__(
        self,
        login: BrowserLogin,
        request: CodeRequest,
        client: OAuth2Client,
        session: requests.Session,
        options: SendOptions,
        finish: Callable[[Token], Token],
    ) -> None:
        self._login, self._request, self._client = login, request, client
        self._session, self._options, self._finish = session, options, finish

    def run(self, opener: Callable[[str], object] | None) -> Token:
        """Return the token. Raises RefreshRejected or RefreshUnavailable."""
        redirect, request = self._login._redirect, self._request  # noqa: SLF001 - of this module
        seconds = self._login.timeout
        if not redirect.is_loopback:
            if request.uses_post:
                raise RefreshUnavailable(
                    "the server sends a form to the redirect_uri, which nobody can paste",
                    "register http://127.0.0.1 as redirect_uri",
                )
            with LoginPage(request.make_url(redirect.text), opener, seconds) as page:
                page.wait()
                page.tell()
                parameters = receive_pasted(redirect, request.state, seconds, page.check)
            return self._finish(self._trade(parameters, redirect.text))
        with LoopbackReceiver(redirect, request.state, uses_post=request.uses_post) as receiver:
            with LoginPage(request.make_url(receiver.redirect_uri), opener, seconds) as page:
                parameters = self._receive(receiver, page)
            return self._end(parameters, receiver)

    def _receive(self, receiver: LoopbackReceiver, page: LoginPage) -> Parameters:
        """Wait for the response at the port, or for its URL, from a browser on another machine."""
        seconds = self._login.timeout
        end = monotonic() + seconds
        soon = min(end, monotonic() + user_calls.FIRST_SECONDS)
        found = receiver.wait(soon, page.has_ended, _FIRST_TICK)
        if found is not None:
            page.tell_opened()
            return found
        page.tell()
        found = receiver.wait(end, page.check)
        if found is not None:
            return found
        if not page.is_missing:
            raise make_timeout_error(seconds)
        return self._receive_elsewhere(receiver, may_paste=not self._request.uses_post)

    def _receive_elsewhere(self, receiver: LoopbackReceiver, *, may_paste: bool) -> Parameters:
        """Do the same where no page was opened here."""
        seconds, terminal = self._login.timeout, Terminal.find()
        is_notebook = desktop.is_notebook()
        if may_paste and (is_notebook or terminal is not None):
            desktop.tell(_ELSEWHERE)
        if may_paste and is_notebook:  # where nothing but `input` reads
            redirect = RedirectURI.parse(receiver.redirect_uri)
            return receive_pasted(redirect, self._request.state, seconds)
        if not may_paste or terminal is None:
            return receiver.receive(seconds)
        return receiver.receive(seconds, terminal)

    def _end(self, parameters: Parameters, receiver: LoopbackReceiver) -> Token:
        """Trade the code, and tell the person what came of it."""
        try:
            token = self._finish(self._trade(parameters, receiver.redirect_uri))
        except JWTRefreshError as error:
            quote = self._request.find_description(parameters)
            receiver.finish(make_failure(error.cause, error.remedy, quote))
            raise
        receiver.finish(LOGGED_IN)
        return token

    def _trade(self, parameters: Parameters, redirect_uri: str) -> Token:
        def ask() -> requests.Request:
            return self._request.ask_token(self._client, parameters, redirect_uri)

        self._request.check_response(parameters)
        seconds, source = self._login.call_timeout, "token endpoint"
        response = send_request(self._session, ask(), self._options, seconds, source, ask=ask)
        token = self._read(response)
        self._request.check_id_token(response)
        return token

    def _read(self, response: TokenResponse) -> Token:
        try:
            return with_expiry(self._client.read(as_answer_to(_WORDS, response)))
        except RefreshRejected:
            pass  # its text is about a refresh token
        raise RefreshUnavailable(
            f"the {response.source} answered {response.status} and refused the code",
            "log in again; if that does not help, check client_id and redirect_uri",
        )


def _find_opener(login: BrowserLogin) -> Callable[[str], object] | None:
    """Return what opens a page; None if there is no browser here. Raises RefreshUnavailable."""
    if callable(login.open):
        return login.open
    if login.open is None:
        problem = desktop.find_browser_problem()
        if problem is not None:
            raise RefreshUnavailable(
                f"no browser can be opened for a login: {problem}",
                "log in at a desktop, or give BrowserLogin open=False, which needs no browser on "
                "this machine",
            )
    return None if login.open is False else desktop.open_browser


def _find_server(login: BrowserLogin, session: requests.Session) -> ServerMetadata:
    """Return what is known of the server, which is asked if it is not. RefreshUnavailable."""
    server = login._server  # noqa: SLF001 - of this module
    if server is None:
        try:
            server = _discover(login, session)
        except DiscoveryError as error:
            raise RefreshUnavailable(error.cause, error.remedy) from None
    return server


def _check_browser(server: ServerMetadata) -> None:
    """Raise RefreshUnavailable if no login in a browser is possible there."""
    problem = find_browser_problem(server)
    if problem is not None:
        raise RefreshUnavailable(
            f"nobody can log in at {describe_url(server.issuer or server.token_url)} in a browser: "
            f"{problem}",
            "ask for it at the server, or log in another way",
        )


def _discover(login: BrowserLogin, session: requests.Session) -> ServerMetadata:
    issuer = login.issuer_or_urls
    if not isinstance(issuer, str):
        raise DiscoveryError("the BrowserLogin has no server", "give it to an adapter as login=")
    return ServerMetadata.discover(
        issuer,
        session=session,
        allow_http=login._allow_http,  # noqa: SLF001 - of this module
        timeout=login.call_timeout,
    )


def _choose_scope(login: BrowserLogin, server: ServerMetadata) -> tuple[str, bool]:
    """Return the scope to ask for, and whether to ask for consent: as given for URLs given."""
    if isinstance(login.issuer_or_urls, Mapping):
        return login.scope or "", False
    return choose_scope(server, login.scope)


def _make_client(login: BrowserLogin, server: ServerMetadata) -> OAuth2Endpoint:
    secret, token_url = login.client_secret, server.token_url or ""
    if secret is None:
        return OAuth2Endpoint(token_url, login.client_id)
    auths = (each for each in server.client_auths if each in ("basic", "post"))
    return OAuth2Endpoint(token_url, login.client_id, secret, client_auth=next(auths, "basic"))


def _bind_device(device: DeviceLogin, login: BrowserLogin, server: ServerMetadata) -> DeviceLogin:
    scope, _ = _choose_scope(login, server)
    return replace(device, scope=scope or None).bind(
        None,
        server.token_url or "",
        allow_http=login._allow_http,  # noqa: SLF001 - of this module
        timeout=login.call_timeout,
    )


# --- What is given -------------------------------------------------------------------------------


def _check_server(given: object) -> None:
    """Raise TypeError or ValueError for what does not say where the server is."""
    if isinstance(given, str) and given:
        return
    if isinstance(given, ServerMetadata):
        found = {"authorization_url": given.authorization_url, "token_url": given.token_url}
    elif isinstance(given, Mapping):
        unknown = sorted(set(map(str, given)) - {*_URLS, "issuer"})
        if unknown:
            names = ", ".join(_URLS)
            raise ValueError(f"issuer_or_urls has {unknown[0]!r}; it may have issuer, {names}")
        found = dict(given)
    else:
        raise TypeError(
            "issuer_or_urls must be an issuer's URL, a ServerMetadata or a mapping of URLs, not "
            f"{describe_kind(given)}"
        )
    for name in ("authorization_url", "token_url", *found):
        if not isinstance(found.get(name), str) or not found[name]:
            raise ValueError(
                f"issuer_or_urls has no {name}, a string; a login in a browser needs the URLs of "
                "the authorization endpoint and the token endpoint"
            )


def _read_mapping(given: Mapping[str, str]) -> ServerMetadata:
    urls: dict[str, Any] = {name: given.get(name) for name in _URLS}
    return ServerMetadata(given.get("issuer", ""), **urls)


def _make_absolute(server: ServerMetadata, base_url: str, *, allow_http: bool) -> ServerMetadata:
    """Return the same with its URLs below `base_url` if they are relative. Raises InvalidURL."""
    urls: dict[str, Any] = {
        name: join_endpoint(base_url, url, what=what, allow_http=allow_http)
        for name, what in _URLS.items()
        if (url := getattr(server, name)) is not None
    }
    return replace(server, **urls)


def _fill(login: BrowserLogin, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(login, name, value)
