"""The transport adapter: attaches the token, recognises the 401, resends."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from requests.adapters import BaseAdapter, HTTPAdapter

from requests_jwt_refresh import clock
from requests_jwt_refresh.arguments import (
    check_adapter_options,
    resolve_origins,
    resolve_refresh_url,
    validate_callable,
    validate_endpoint,
    validate_login,
    validate_match_limit,
    validate_refresh_ahead,
    validate_refresh_session,
    validate_store,
    validate_timeout,
    validate_transport,
)
from requests_jwt_refresh.authorization import (
    AUTHORIZATION,
    Prover,
    check_place,
    find_header,
    may_be_callers,
)
from requests_jwt_refresh.bodies import MATCH_BYTES, release, rewind, says_expired
from requests_jwt_refresh.errors import JWTRefreshError, StoreError
from requests_jwt_refresh.history import keep_history, keep_refused
from requests_jwt_refresh.matching import (
    SafeMatcher,
    any_401,
    check_matcher,
    fixed_statuses,
    may_match,
)
from requests_jwt_refresh.outgoing import Outgoing, make_carrier, validate_headers
from requests_jwt_refresh.refresh.client import SendOptions
from requests_jwt_refresh.refresh.logins import OwnLogin, needs_login
from requests_jwt_refresh.refresh.patience import Need
from requests_jwt_refresh.refresh.refresher import Refresher
from requests_jwt_refresh.refresh.user_functions import name_of
from requests_jwt_refresh.relative_urls import AcceptsRelativeURLs, accept_relative_urls
from requests_jwt_refresh.tokens import Token, describe_kind
from requests_jwt_refresh.urls import origin_of, validate_base

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import requests
    from requests import PreparedRequest, Response
    from typing_extensions import Self

    from requests_jwt_refresh.authorization import Carrier, WirePlace
    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.errors import RefreshRejected
    from requests_jwt_refresh.events import Event, Kind
    from requests_jwt_refresh.matching import Matcher
    from requests_jwt_refresh.outgoing import Attach, HeaderValue
    from requests_jwt_refresh.refresh.shared import Attempt
    from requests_jwt_refresh.refresh.token_server import Login, RefreshCallable
    from requests_jwt_refresh.stores.base import TokenStore

logger = logging.getLogger("requests_jwt_refresh")

_Options: TypeAlias = tuple[Any, Any, Any, Any, Any]
"""The first five fields of SendOptions, which is made of them when there is a refresh."""

_REFRESHED: Final = "The token has been refreshed"
_NOT_PROVED: Final = "The API asks for a nonce, which the next request will have"


class JWTRefreshAdapter(HTTPAdapter, AcceptsRelativeURLs):
    """A transport adapter that keeps a JWT fresh. `mount` makes one and mounts it.

    ```python
    adapter = JWTRefreshAdapter("https://api.example.com/v1", JSONEndpoint("/auth/refresh"))
    for prefix in adapter.prefixes():
        session.mount(prefix, adapter)
    adapter.set_token(Token("access", "refresh"))  # once, after a login
    ```

    Args:
        base_url: the API's base URL. The token is sent to its origin and to no other; relative URLs
            go below it.
        refresh: how to ask for a new token: an endpoint, or a callable
            ``(session, token) -> Token``, which raises RefreshRejected to say that the server
            refused; after anything else that it raises the tokens are kept. None with a `login`:
            the end of the token needs another login.
        store: where the token lives; ``KeyringStore(<origin>, "default")`` if omitted, or a
            MemoryStore of its own for an endpoint that needs no refresh token.
        when: which responses mean "the token has expired"; the endpoint's own rule if omitted, else
            any 401.
        attach: how requests carry the access token: ``header(...)``, ``cookie(...)``, or a function
            ``(request, token)`` that writes on the PreparedRequest it gets, a copy; or `DPoP`. The
            endpoint's own place if omitted, else ``header()``, which is ``Authorization: Bearer``.
        renewed: where the API hands out a newer access token in its answers (sliding sessions):
            ``header(...)`` or ``cookie(...)``. It is used from then on, and saved in the
            background. The endpoint's own place if omitted, else none.
        headers: more headers of the API's, by name: strings, or functions ``() -> str``. They go
            with each request to our origins that does not have them.
        refresh_ahead: how many seconds before the end of a token the first request starts a refresh
            in the background, for which nobody waits: None is a share of the token's lifetime, a
            fifth at most and 300 s at most; 0 is off, as it should be where the process is frozen
            between requests (AWS Lambda). In the last moments (5 s at most, or as long as the last
            refresh took) requests wait for one refresh.
        match_limit: how many bytes of an answer's body, unpacked, `when` may see; a longer one does
            not match.
        login: ``BrowserLogin(...)``, ``DeviceLogin(...)``, ``PasswordLogin(...)``, or a function
            ``login(session) -> Token``; called when there is no token, or when the refresh token
            was refused. A function says that the server refused by RefreshRejected, or by a 401 or
            403 from ``raise_for_status()``.
        on_refresh: called with the new Token after a refresh or login; after a refresh in the
            background in its thread, as on_event is.
        on_logout: called with the RefreshRejected after a refusal, unless a `login` made up for it.
        on_event: called with an Event for each step: matched, led, followed, refreshed, and so on.
        transport: another adapter that does the sending; this one itself if omitted. Refresh calls
            use the connections that it makes, but not its `send`, unless it answers by itself
            (WSGI, a fake for tests).
        trusted_origins: more origins that the token is sent to, ``("https://cdn.example.com",)``.
        refresh_session: the session for refresh calls; a separate one is made if omitted. This
            adapter must not be mounted on it.
        refresh_timeout: seconds for one whole refresh with its retries, and for the wait for the
            store's lock. A request with a ``timeout`` of its own waits for a refresh no longer than
            that, connect and read together, or 10 s, whichever is more.
        allow_http: accept URLs that carry tokens unencrypted to other machines.
        http_adapter_options: as for requests' HTTPAdapter (``pool_maxsize``, ``max_retries``, ...).

    Raises InvalidURL or InsecureURL for a URL that cannot be used, TypeError for what is not an
    endpoint, a store, a matcher or an adapter, for an async function or one that takes other
    arguments, and for an option that there is not, and ValueError for a refresh_timeout or
    match_limit that is not positive, or a refresh_ahead that cannot be.

    With the adapter mounted, a request may raise RefreshUnavailable, StoreError or
    ReentrantRefresh, besides all that requests raises by itself. A refused refresh is no error: the
    caller gets the API's 401. What a callback raises is logged and goes no further.

    """

    __attrs__ = [  # noqa: RUF012 - HTTPAdapter's own: what pickle carries; the rest is rebuilt
        *HTTPAdapter.__attrs__,
        "base_url",
        "_endpoint",
        "_store",
        "_when",
        "_attach",
        "_renewed",
        "_headers",
        "_refresh_ahead",
        "_match_limit",
        "_login",
        "_allow_http",
        "_on_refresh",
        "_on_logout",
        "_on_event",
        "transport",
        "_origins",
        "_refresh_url",
        "_refresh_session",
        "_refresh_timeout",
        "_transport_prefixes",
    ]

    def __init__(
        self,
        base_url: str,
        refresh: Endpoint | RefreshCallable | None,
        store: TokenStore | None = None,
        *,
        when: Matcher | None = None,
        attach: WirePlace | Carrier | Attach | None = AUTHORIZATION,
        renewed: WirePlace | None = None,
        headers: Mapping[str, HeaderValue] | None = None,
        refresh_ahead: float | None = None,
        match_limit: int = MATCH_BYTES,
        login: Login | None = None,
        on_refresh: Callable[[Token], object] | None = None,
        on_logout: Callable[[RefreshRejected], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
        transport: BaseAdapter | None = None,
        trusted_origins: Iterable[str] = (),
        refresh_session: requests.Session | None = None,
        refresh_timeout: float = 30.0,
        allow_http: bool = False,
        **http_adapter_options: Any,
    ) -> None:
        try:
            super().__init__(**http_adapter_options)
        except TypeError:  # a subclass may have more classes above it, and those more options
            check_adapter_options(self, http_adapter_options)
            raise
        if transport is not None and http_adapter_options:
            names = ", ".join(sorted(http_adapter_options))
            raise TypeError(f"the transport does the sending; give {names} to it")
        self.base_url = validate_base(base_url, allow_http=allow_http)
        self._endpoint = validate_endpoint(refresh, login)
        self._refresh_url = resolve_refresh_url(refresh, self.base_url, allow_http=allow_http)
        self._origins = resolve_origins(self.base_url, trusted_origins, allow_http=allow_http)
        self._store = (
            _default_store(self.base_url, refresh) if store is None else validate_store(store)
        )
        self._when = _choose(when, refresh, "when", any_401)
        check_matcher(self._when)
        attach = None if attach is AUTHORIZATION else attach
        self._attach = _choose(attach, refresh, "attach", AUTHORIZATION)
        renewed = _choose(renewed, refresh, "renewed")
        self._renewed = None if renewed is None else check_place("renewed", renewed)
        headers = _choose(headers, refresh, "api_headers")
        self._headers = validate_headers(headers, make_carrier(self._attach))
        self._refresh_ahead = validate_refresh_ahead(refresh_ahead, refresh)
        self._match_limit = validate_match_limit(match_limit)
        self._refresh_timeout = validate_timeout(refresh_timeout)
        self._login = validate_login(login)
        if isinstance(self._login, OwnLogin):
            self._login = self._login.bind(
                refresh, self.base_url, allow_http=allow_http, timeout=self._refresh_timeout
            )
        self._allow_http = allow_http
        self._on_refresh = validate_callable("on_refresh", on_refresh, "token")
        self._on_logout = validate_callable("on_logout", on_logout, "error")
        self._on_event = validate_callable("on_event", on_event, "event")
        self.transport = validate_transport(transport)
        self._transport_prefixes: tuple[tuple[str, bool], ...] = ()
        self._refresh_session = validate_refresh_session(refresh_session)
        self._assemble()

    @classmethod
    def from_profile(
        cls,
        name: str | None = None,
        path: str | os.PathLike[str] | None = None,
        *,
        account: str | None = None,
        **options: Any,
    ) -> Self:
        """Return the adapter that a profile describes. `requests-jwt init` makes a profile.

        Args:
            name: the profile's name; the only profile, or the one that `requests-jwt switch` has
                chosen, if omitted.
            path: the profiles file; the user's own if omitted.
            account: whose token to use, of those that `requests-jwt login NAME --account` has
                logged in. If omitted, it is what REQUESTS_JWT_ACCOUNT says, else the one that
                `requests-jwt switch` has chosen, else the login that named none. The adapter keeps
                it, whatever is switched to later.
            options: arguments of the constructor, which go before what the profile says.

        Raises ProfileError, which names file, profile and key, and what the constructor raises.

        """
        from requests_jwt_refresh.profiles.load import Profiles

        profiles = Profiles.read(path)
        profile = profiles.profile(profiles.choose(name), account)
        return cls(**{**profile.options(), **options})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._assemble()

    def _assemble(self) -> None:
        prepare = getattr(self._store, "prepare", None)
        if prepare is not None:
            prepare()
        # A look takes it, in one step for all threads; None once that is told.
        self._session_auth_news: Iterator[bool] | None = iter((True,))
        # For a refresh() between requests. No lock guards it: it is replaced as a whole.
        self._last_options: _Options | None = None
        prefixes = [each for origin in self._origins for each in origin.prefixes()]
        self._origin_prefixes = tuple(prefixes)
        self._statuses = fixed_statuses(self._when)
        carrier = make_carrier(self._attach)
        self._outgoing = Outgoing(carrier, self._headers)
        self._prover = carrier if isinstance(carrier, Prover) else None
        self._reads_all = self._renewed is not None or self._prover is not None
        self._refresher = Refresher(
            self._endpoint,
            self._refresh_url,
            self._store,
            carrier=carrier,
            renewed=self._renewed,
            refresh_ahead=self._refresh_ahead,
            base_url=self.base_url,
            login=self._find_automatic_login(),
            on_refresh=self._on_refresh,
            on_logout=self._on_logout,
            on_event=self._on_event,
            session=self._refresh_session,
            timeout=self._refresh_timeout,
        )
        self._safe_matcher = SafeMatcher(self._when)
        if self.accepts_relative_urls:
            accept_relative_urls()
            keep_history()

    def _find_automatic_login(self) -> Login | None:
        """Return the login that is called when a token is needed, None if there is none."""
        login = self._login
        return None if isinstance(login, OwnLogin) and not login.can_log_in_alone else login

    def __repr__(self) -> str:
        return f"<JWTRefreshAdapter {self.base_url}>"

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str | None = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send `request`; if its token has expired, get another and send it again.

        The arguments are those of HTTPAdapter.send. `request` itself is not changed. It is sent
        with two other tokens at the most; once more with the same one, if that was not valid yet,
        and once more for a nonce that `DPoP` was asked for.

        Raises RefreshUnavailable or StoreError, with the API's 401 as `response` where there was
        one.
        """
        given = (stream, timeout, verify, cert, proxies)
        if not self._serves(request.url):
            return self._transport_send(request, *given)
        outgoing = self._outgoing
        if outgoing.carrier.is_callers(request):
            return self._transport_send(outgoing.without_token(request), *given)
        host = find_header(request.headers, "Host")
        options = (verify, cert, proxies, request.url, host)
        if verify is not False:  # one request may skip the check, a later refresh() does not
            self._last_options = options
        began = clock.monotonic()
        attempt = self._refresher.ready_attempt()
        if attempt is None:
            attempt = self._wait_for_token(self._make_need(request, timeout, began, options))
        response = self._transport_send(outgoing.with_token(request, attempt.token), *given)
        if self._is_final(response):
            return response
        need = self._make_need(request, timeout, began, options)
        return self._finish(response, attempt, need, given)

    def _serves(self, url: str | None) -> bool:
        """Whether the token is sent to `url`."""
        is_certain = isinstance(url, str) and url.startswith(self._origin_prefixes)
        return is_certain or origin_of(url) in self._origins

    def _make_need(
        self, request: PreparedRequest, timeout: Any, began: float, options: _Options
    ) -> Need:
        return Need(partial(self._complete, SendOptions(*options)), began, request, timeout)

    def _wait_for_token(self, need: Need) -> Attempt:
        try:
            return self._refresher.token_to_send(need)
        except JWTRefreshError as failure:
            raise failure.about(need.request, None) from failure.__cause__

    def _is_final(self, response: Response) -> bool:
        """Whether `response` says nothing about the token that the caller need not see."""
        code, statuses = response.status_code, self._statuses
        if code in statuses if statuses is not None else may_match(self._when, code):
            return False
        return not (self._reads_all or self._refresher.is_acceptance_news())

    def _finish(
        self, response: Response, attempt: Attempt, need: Need, given: tuple[Any, ...]
    ) -> Response:
        """Return the answer for the caller: `response`, or that to the request sent again."""
        request = cast("PreparedRequest", need.request)
        stream = given[0]
        response = self._prove_again(response, need, attempt, given)
        while self._says_expired(response, need, stream=stream):
            try:
                better = self._refresher.replace(attempt, need, response)
            except JWTRefreshError as failure:
                raise failure.about(request, response) from failure.__cause__
            if better is None:
                return response
            if not self._rewind_or_warn(request):
                self._refresher.note_accepted(better)
                return response
            attempt, refused = better, response
            copy = self._outgoing.for_resend(request, attempt.token, refused)
            response = self._transport_send(copy, *given)
            response = self._prove_again(response, need, attempt, given)
            keep_refused(response, refused)
            self._tell("resent", response, need)
        self._refresher.note_accepted(attempt, need)
        self._refresher.take_up(attempt, need, response)
        return response

    def _prove_again(
        self, response: Response, need: Need, attempt: Attempt, given: tuple[Any, ...]
    ) -> Response:
        """If `response` asks for another proof, send that once, with the same token.

        Counted apart from the resends: it says nothing about the token (RFC 9449 §9).
        """
        prover = self._prover
        if prover is None or attempt.token is None or not prover.note_answer(response):
            return response
        request = cast("PreparedRequest", need.request)
        release(response, request)
        if not self._rewind_or_warn(request, _NOT_PROVED):
            prover.note_answer(response, response)
            return response
        again = self._outgoing.for_resend(request, attempt.token, response)
        prover.prove(again, attempt.token, response)
        answer = self._transport_send(again, *given)
        prover.note_answer(answer, response)
        keep_refused(answer, response)
        self._tell("challenge", response, need)
        return answer

    def _says_expired(self, response: Response, need: Need, *, stream: bool) -> bool:
        if not may_match(self._when, response.status_code):
            return False
        if self._prover is not None and self._prover.asks_for_nonce(response):
            return False
        expired = says_expired(
            response,
            self._safe_matcher,
            cast("PreparedRequest", need.request),
            stream=stream,
            match_limit=self._match_limit,
        )
        self._tell("matched" if expired else "unmatched", response, need)
        return expired

    @property
    def _rule(self) -> str:
        is_ours = type(self._when).__module__ == SafeMatcher.__module__
        return repr(self._when) if is_ours else name_of(self._when)

    def _tell(self, kind: Kind, response: Response, need: Need) -> None:
        rule = None if kind in ("resent", "challenge") else self._rule
        by = "" if rule is None else f" by {rule}"
        self._refresher.story.tell(
            kind,
            f"{kind}{by}: {need.place[0]} {need.url} answered {response.status_code}",
            url=need.url,
            status=response.status_code,
            rule=rule,
        )

    def close(self) -> None:
        """Close the connections. Tokens stay where they are."""
        super().close()
        if self.transport is not None:
            self.transport.close()

    @property
    def token(self) -> Token | None:
        """The token in use, or None. The first look reads the store, and may raise StoreError."""
        return self._refresher.current()

    def set_token(self, token: Token) -> None:
        """Store and use `token`, as after a login.

        Raises StoreError if the store does not take it (then nothing has changed), LockTimeout if
        another program or thread holds the store's lock for longer than `refresh_timeout`, and
        ReentrantRefresh in a login or refresh that this adapter waits for.
        """
        if self._prover is not None and isinstance(token, Token):
            self._prover.open(token)  # raises InvalidToken for a key that cannot sign
        self._refresher.set_token(token)

    def log_in(self, username: str, password: str | Callable[[], str]) -> Token:
        """Log in with a user name and a password, and use what that brings from now on.

        By the `login` of the adapter if that is a PasswordLogin, else by the login that the
        documentation of the endpoint's preset has. Threads that log in with the same at the same
        time share one login; on_event is told, on_refresh is not. A token set or cleared meanwhile
        goes before.

        Args:
            username: the user name.
            password: the password, or a function such as ``getpass.getpass`` that returns it.

        Raises RefreshRejected for a wrong password, RefreshUnavailable or StoreError if it failed:
        all is then as it was. TypeError if it is not known how to log in.

        """
        from requests_jwt_refresh.grants.password import PasswordLogin

        no_refresh = getattr(self._endpoint, "no_refresh", None)
        if no_refresh is not None:  # the store takes no other token either
            cause, remedy = no_refresh
            raise StoreError(f"a login is of no use here, since {cause}", remedy)
        own = self._login
        login: OwnLogin
        if isinstance(own, OwnLogin) and own.takes_password:
            login = own
        else:
            login = PasswordLogin.find(
                self._endpoint,
                self.base_url,
                allow_http=self._allow_http,
                timeout=self._refresh_timeout,
            )
        secret = password() if callable(password) else password  # after it is known where it goes
        login = login.for_user(username, secret)
        wish = hash((login.url, username, secret))
        del password, secret  # this frame may be in a traceback
        return self._refresher.log_in(login, self._usual_options(), wish)

    def log_out(self) -> None:
        """Tell the server that the token is no longer needed, and forget it here and in the store.

        The server is told as the documentation of the endpoint's preset has it, by one request
        for all threads; without that the token is only forgotten. With a `login`, or a grant that
        needs none, the next request gets a new token.

        Raises RefreshUnavailable if the server was not told: the token is forgotten all the same.
        StoreError if the store keeps it, and LockTimeout or ReentrantRefresh, after which nothing
        has changed.
        """
        from requests_jwt_refresh.grants.revocation import Logout

        farewell = Logout.find(
            self._endpoint, self._outgoing.carrier, self.base_url, allow_http=self._allow_http
        )
        self._refresher.log_out(farewell, self._usual_options())

    def clear_token(self) -> None:
        """Forget the token here and in the store; the server is not told.

        Raises StoreError, LockTimeout or ReentrantRefresh, as `set_token` does.
        """
        self._refresher.clear_token()

    def refresh(self, refresh_token: str | None = None) -> Token:
        """Ask the server for a new token now, and return it.

        Without an argument it takes part in a refresh that is under way.

        Args:
            refresh_token: one that the store does not have yet, to be traded in instead. The new
                token is saved only if the server takes it; until then the store keeps what it has.

        Raises RefreshRejected, RefreshUnavailable or StoreError; InvalidToken for a refresh token
        that cannot be sent.

        """
        if refresh_token is not None:
            given = Token(None, refresh=refresh_token)
            del refresh_token  # this frame may be in a traceback
            return self._refresher.trade(given, self._usual_options())
        return self._refresher.force(self._usual_options())

    def reload(self) -> Token | None:
        """Read the store again if there is no token, and return the token in use, or None.

        For a program that runs while its user logs in with another one. Raises StoreError.
        """
        self._refresher.reload()
        return self._refresher.current()

    def valid_token(self, seconds: float = 0.0, *, refused: Token | None = None) -> Token:
        """Return a token whose access token lasts `seconds` more, refreshed if it has to be.

        For what requests does not send: a websocket, another program. A new token that lives
        shorter than `seconds` is returned all the same.

        Args:
            seconds: how long it has to last, as far as is known.
            refused: the token that the API has just refused, if it has. Another one is returned:
                the current one, the store's or a new one, by one refresh for all threads.

        Raises RefreshRejected if there is no token and none can be had, RefreshUnavailable or
        StoreError; TypeError if `refused` is no Token.

        """
        if refused is not None and not isinstance(refused, Token):
            raise TypeError(
                "refused takes the Token that the API has refused, as valid_token() returned it, "
                f"not {describe_kind(refused)}"
            )
        return self._refresher.valid_token(self._usual_options(), seconds, refused)

    def prefixes(self) -> tuple[str, ...]:
        """Return the prefixes to mount this adapter on: one or two for each origin."""
        return self._origin_prefixes

    def _spares_netrc(self, session: requests.Session, request: requests.Request) -> bool:
        """Whether this `request` needs nothing out of netrc: it gets a token in its place.

        Before the first look into the store it is not known whether there is a token: then an
        Authorization header of the caller's own is kept from netrc, and nothing else.
        """
        if not self._outgoing.replaces_netrc:
            return False
        holds = self._refresher.holds_token()
        if holds is None:
            return may_be_callers(request.headers, session.headers)
        return holds

    def _note_session_auth(self, found: str, request: PreparedRequest) -> None:
        """Warn, once, if `found` keeps the token off a request: its user may have forgotten it.

        Not while it is known that somebody has to log in first: perhaps with this very request.
        """
        news = self._session_auth_news
        if news is None or not self._outgoing.carrier.is_callers(request) or self._lacks_login():
            return
        if next(news, False):
            self._session_auth_news = None
            logger.warning(
                "Requests to %s go out without the adapter's token, and are not refreshed: %s goes "
                "before it. Delete the line that sets it, or give it to single requests as auth= "
                "or headers=",
                self.base_url,
                found,
            )

    def _lacks_login(self) -> bool:
        """Whether there is no token, and none will come by itself."""
        if self._login is not None or not needs_login(self._endpoint):
            return False
        try:
            return self.token is None
        except StoreError:  # the first request that needs it says so
            return False

    def _note_mounts(self, session: requests.Session) -> None:
        """Note for which URLs `session` has the transport mounted, before we take its place.

        If it answers by itself (WSGI, a fake for tests), it answers the refreshes there, too.
        """
        self._transport_prefixes = tuple(
            (prefix.lower(), each is self.transport) for prefix, each in session.adapters.items()
        )

    def _usual_options(self) -> SendOptions:
        """Return the send options of the last request, for a refresh that belongs to no request."""
        last = self._last_options
        if last is None:
            return self._complete(SendOptions.from_environment(self._refresh_url))
        return self._complete(SendOptions(*last))

    def _rewind_or_warn(self, request: PreparedRequest, done: str = _REFRESHED) -> bool:
        if rewind(request):
            return True
        what, remedy = self._describe_one_shot(request.body)
        logger.warning(
            "%s, but %s can be sent only once, so the 401 stands: %s", done, what, remedy
        )
        return False

    def _describe_one_shot(self, body: object) -> tuple[str, str]:
        """Return what a body is that can be sent only once, and what to do about that."""
        return (
            f"a {type(body).__name__} body",
            "send the request again with a new body. Bytes, or a file that can seek, can be resent",
        )

    def _complete(self, options: SendOptions) -> SendOptions:
        """Return `options` with this adapter's part in them."""
        return options._replace(
            transport=self._find_sender(),
            base_url=self.base_url,
            origins=self._origins,
            prefixes=self._transport_prefixes,
        )

    def _find_sender(self) -> BaseAdapter:
        """Return the adapter that does the sending."""
        sender: BaseAdapter = self
        while isinstance(sender, JWTRefreshAdapter) and sender.transport is not None:
            sender = sender.transport
        return sender

    def _transport_send(
        self,
        request: PreparedRequest,
        stream: bool,
        timeout: Any,
        verify: Any,
        cert: Any,
        proxies: Any,
    ) -> Response:
        send = super().send if self.transport is None else self.transport.send
        return send(
            request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies
        )


def _choose(given: Any, refresh: object, name: str, default: Any = None) -> Any:
    """Return what the user gives, else what the endpoint has of its own, else `default`."""
    found = given if given is not None else getattr(refresh, name, None)
    return default if found is None else found


def _default_store(base_url: str, refresh: object) -> TokenStore:
    if not getattr(refresh, "needs_refresh_token", True):
        from requests_jwt_refresh.stores.memory import MemoryStore

        return MemoryStore()
    from requests_jwt_refresh.stores.keyring import KeyringStore

    return KeyringStore(str(origin_of(base_url)), "default")
