"""The story of a refresh: what to send, what to replace it with, the exchange, the login.

The state behind it is three things: the call under way (single_flight.py), memory against store
(token_cache.py), and what has gone wrong lately (limits.py). All adapters on an equal store share
them, so that threads with a session each are as safe as threads with one session between them.

Order, always: the server answers, the store saves, memory publishes, the waiters wake, callbacks
are called. "The exchange" is the one call under the store's lock that trades tokens.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import requests

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import (
    JWTRefreshError,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.refresh.client import ClientSession, SendOptions, send_request
from requests_jwt_refresh.refresh.limits import Cooldown
from requests_jwt_refresh.refresh.shared import Attempt, shared_state
from requests_jwt_refresh.refresh.sigterm import defer_sigterm, let_sigterm_through
from requests_jwt_refresh.refresh.single_flight import OutOfPatience
from requests_jwt_refresh.refresh.token_cache import TokenCache, is_better
from requests_jwt_refresh.refresh.user_functions import (
    call_user_function,
    describe_error,
    log_callback_error,
    showable_cause,
)
from requests_jwt_refresh.tokens import Token, describe_kind, suggest_token, with_expiry

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from typing_extensions import TypeIs

    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.refresh.single_flight import Call
    from requests_jwt_refresh.stores.base import TokenStore

    RefreshCallable = Callable[[requests.Session, Token], Token]
    Login = Callable[[requests.Session], Token]

MAX_RESENDS: Final = 2  # with a token from another thread or process, then with one of our own
MAX_COOLDOWN_WAIT: Final = 1.0  # seconds of cooldown that a request waits; beyond that it fails
PATIENCE_MARGIN: Final = 5.0  # seconds for the store, beside the waits for its lock and the server
_KEPT: Final = "the tokens are kept; try again later"


@dataclass(frozen=True, eq=False)
class _Work:
    """What a call does.

    `can_log_in`: it logs in if the refresh is refused. `is_trade`: it asks with a refresh token
    of its own, whose refusal says nothing about the one that others have.
    """

    function: Callable[[Call[Attempt]], Attempt]
    can_log_in: bool = False
    is_trade: bool = False

    def __call__(self, call: Call[Attempt]) -> Attempt:
        return self.function(call)


class Refresher:
    """Keeps the token of one store fresh through one endpoint.

    `url` is the endpoint's, absolute. `timeout` is in seconds, for one exchange with its retries,
    and for each wait for the store's lock. `session` is the user's own for refresh calls, if any.
    """

    def __init__(
        self,
        endpoint: Endpoint | RefreshCallable,
        url: str,
        store: TokenStore,
        *,
        login: Login | None,
        on_refresh: Callable[[Token], object] | None,
        on_logout: Callable[[RefreshRejected], object] | None,
        session: requests.Session | None,
        timeout: float,
    ) -> None:
        self._endpoint = endpoint
        self._url = url
        self._login = login
        self._on_refresh = on_refresh
        self._on_logout = on_logout
        self._user_session = session
        self._cookies = requests.cookies.RequestsCookieJar()
        self._timeout = timeout
        self._patience = 2 * timeout + PATIENCE_MARGIN
        self._shared = shared_state(store)
        self._cache = TokenCache(store, self._shared.memory)
        self.flight = self._shared.flight

    # For the adapter, request by request

    def token_to_send(self, options: SendOptions, since: float) -> Attempt:
        """Return what to send a request with; a valid token comes from memory alone.

        `since` is the clock.monotonic() at which the request began. Raises ReentrantRefresh, and
        RefreshUnavailable or StoreError only if there is no access token to try.
        """
        if self.flight.call is not None:
            self._check_not_inside()
        token = self._cache.token
        if token is None:
            token = self._cache.current()
        elif self._cache.is_dirty:
            self._cache.save_again()
        if token is None and self._login is None:
            return Attempt(None, asked=False)
        if token is not None and token.access is not None and not token.has_expired():
            return Attempt(token, asked=False)
        try:
            return self._renew(token, options, since)
        except RefreshRejected:
            return Attempt(token, asked=True)  # so that the caller gets the API's own response
        except (RefreshUnavailable, StoreError):
            if token is None or token.access is None:
                raise
            return Attempt(token, asked=False)

    def replace(self, sent: Attempt, options: SendOptions, since: float) -> Attempt | None:
        """Return what to send instead after the API said "expired", None if there is nothing.

        Cheapest first: the current token, if this request was sent with an older one; the store's,
        if another process has refreshed; the server's. Raises RefreshUnavailable or StoreError.
        """
        if sent.token is not None and (sent.asked or self._cache.is_unconfirmed(sent.token)):
            self._note_refused(sent.token)
        if sent.asked or sent.resends == MAX_RESENDS:
            return None
        try:
            renewed = self._renew(sent.token, options, since)
        except RefreshRejected:
            return None
        return renewed._replace(resends=sent.resends + 1)

    def note_accepted(self, sent: Attempt) -> None:
        """Remember that an API call with a token was not refused."""
        self._cache.note_confirmed(sent.token)
        guard = self._shared.loop_guard
        if guard.refused:
            self._shared.loop_guard = guard.note_accepted(sent.token)

    def _note_refused(self, token: Token) -> None:
        if token is self._cache.token:
            self._shared.loop_guard = self._shared.loop_guard.note_refused(token)

    # For the user

    def current(self) -> Token | None:
        """Return the token in use, from the store at the first call. Raises StoreError."""
        return self._cache.current()

    def reload(self) -> None:
        """Look into the store again if there is no token. Raises StoreError."""
        self._cache.reload_if_empty()

    def set_token(self, token: Token) -> None:
        if token is None:
            raise TypeError("set_token takes a Token, not None: clear_token() forgets the token")
        if not isinstance(token, Token):
            raise TypeError(
                f"set_token takes a Token, not {describe_kind(token)}: {suggest_token(token)}"
            )
        self._check_not_inside()
        self._cache.set(token, self._timeout)
        self._shared.forget_failures()

    def clear_token(self) -> None:
        self._check_not_inside()
        self._cache.clear(self._timeout)
        self._shared.forget_failures()

    def force(self, options: SendOptions) -> Token:
        """Refresh now, or take part in the refresh that is under way."""
        return _token_of(self._renew(self.current(), options, clock.monotonic(), force=True))

    def trade(self, refresh_token: str, options: SendOptions) -> Token:
        """Trade a refresh token that no store has yet; save what the server gives for it.

        Raises RefreshRejected, RefreshUnavailable or StoreError; the store then keeps what it has,
        unless the StoreError says otherwise.
        """
        given = Token(None, refresh=refresh_token)
        self._check_not_inside()
        while True:
            work = _Work(partial(self._trade, given, options), is_trade=True)
            call = self._join(work)
            if call.work is work and call.outcome is not None:
                return _token_of(call.outcome.get())

    def valid_token(self, options: SendOptions, seconds: float) -> Token:
        """Return a token that lasts `seconds` more; refresh only if there is none."""
        token = self.current()
        if token is not None and token.access is not None and token.lasts(seconds):
            return token
        return _token_of(self._renew(token, options, clock.monotonic()))

    # One refresh for all

    def _renew(
        self, stale: Token | None, options: SendOptions, since: float, *, force: bool = False
    ) -> Attempt:
        self._check_not_inside()
        while True:
            if not force and is_better(self._cache.token, stale):
                return Attempt(self._cache.token, asked=False)
            if not force and self.flight.call is None:
                pause = self._cooldown_left(stale, since)
                if pause > 0:
                    clock.sleep(pause)
                    continue
            run = partial(self._refresh_or_log_in, stale, options, since, force)
            work = _Work(run, can_log_in=self._login is not None)
            call = self._join(work)
            attempt = (
                self._own_result(call)
                if call.work is work
                else self._shared_result(call, stale, force)
            )
            if attempt is not None:
                return attempt

    def _join(self, work: _Work) -> Call[Attempt]:
        try:
            return self.flight.join(work, self._patience, wait_in=defer_sigterm)
        except OutOfPatience:
            pass
        raise RefreshUnavailable(f"the refresh did not finish within {self._patience:g} s", _KEPT)

    def _own_result(self, call: Call[Attempt]) -> Attempt | None:
        """Return the result of our own call; None if it was abandoned, in a forked child."""
        return None if call.outcome is None else call.outcome.get()

    def _shared_result(
        self, call: Call[Attempt], stale: Token | None, force: bool
    ) -> Attempt | None:
        """Return the result of another thread's call; None if this thread has to lead one."""
        if call.outcome is None:
            return None
        failure, attempt = call.outcome.failure, call.outcome.value
        if isinstance(failure, ReentrantRefresh):
            return None  # a mistake in that thread's login or endpoint
        if failure is not None and _is_trade(call):
            return None  # it asked with another refresh token
        if isinstance(failure, RefreshRejected) and self._login and not _can_log_in(call):
            return None  # we can
        if isinstance(failure, JWTRefreshError):
            raise failure.about() from failure.__cause__
        if attempt is None:
            return None  # the leader was interrupted, which is no result for others
        # A token set or cleared since then goes before; and one that was good enough for the leader
        # may be the very one that this request was refused with.
        is_current = attempt.token is self._cache.token
        is_of_use = force or attempt.asked or is_better(attempt.token, stale)
        return attempt if is_current and is_of_use else None

    def _cooldown_left(self, stale: Token | None, since: float) -> float:
        """Return the seconds to wait before a refresh may start; raise if it must not."""
        if self._shared.loop_guard.is_looping(stale):
            raise RefreshUnavailable(
                "the API keeps refusing tokens fresh from the refresh endpoint, so no more are "
                "fetched for now",
                "check why the API refuses them: another audience or scope, or a disabled user",
            )
        cooldown = self._shared.cooldown
        left = cooldown.left() if cooldown is not None else 0.0
        if cooldown is None or left <= 0:
            return 0.0
        failure = cooldown.failure
        if since <= cooldown.began:
            raise failure.about()
        if left <= MAX_COOLDOWN_WAIT:
            return left
        raise type(failure)(
            f"{failure.cause} (a moment ago; not tried again for {left:.0f} s)", failure.remedy
        ) from failure.__cause__

    def _check_not_inside(self) -> None:
        if self.flight.is_inside():
            raise ReentrantRefresh(
                "a refresh or login called through the adapter that is waiting for it",
                "use the session that the function was given, or auth=anonymous",
            )

    # What a call does, in its own thread

    def _refresh_or_log_in(
        self,
        stale: Token | None,
        options: SendOptions,
        since: float,
        force: bool,
        call: Call[Attempt],
    ) -> Attempt:
        if not force:  # the last call may have failed since the leader looked
            self._cooldown_left(stale, since)
        try:
            attempt = self._refresh(stale, options, force, call)
        except JWTRefreshError as failure:
            if self._may_recur(failure):
                self._shared.cooldown = Cooldown.after(failure, self._shared.cooldown)
            raise
        self._shared.cooldown = None
        self._call_on_refresh(call, attempt)
        return attempt

    def _refresh(
        self, stale: Token | None, options: SendOptions, force: bool, call: Call[Attempt]
    ) -> Attempt:
        try:
            try:
                return self._exchange(stale, options, force)
            except RefreshRejected as refusal:
                if self._login is None:
                    self._call_on_logout(call, refusal)
                    raise
                return self._log_in_after(refusal, self._login, stale, options, call)
        except JWTRefreshError:
            raise
        except Exception as error:  # noqa: BLE001 - a user's store or endpoint may raise anything
            failure = RefreshUnavailable(
                f"the refresh failed with {describe_error(error)}",
                "the tokens are kept; mend the store or endpoint that raised it",
            )
            failure.__cause__ = showable_cause(error)
        raise failure

    def _log_in_after(
        self,
        refusal: RefreshRejected,
        login: Login,
        stale: Token | None,
        options: SendOptions,
        call: Call[Attempt],
    ) -> Attempt:
        """Log in; a refusal that this does not mend is a logout."""
        try:
            return self._log_in(login, call, stale, options)
        except BaseException:  # refused, failed, or interrupted by Ctrl-C
            self._call_on_logout(call, refusal)
            raise

    def _may_recur(self, failure: JWTRefreshError) -> bool:
        """Whether the next request would run into the same failure again."""
        if isinstance(failure, RefreshRejected):
            return self._login is not None  # then it was the login that was refused
        return not isinstance(failure, ReentrantRefresh)

    def _exchange(self, stale: Token | None, options: SendOptions, force: bool) -> Attempt:
        cache = self._cache
        with cache.hold(stale, self._timeout, adopt=not force) as adopted:
            if adopted is not None:
                return Attempt(adopted, asked=False)
            token = cache.reload()
            if token is None:
                raise _nothing_to_refresh("there is no token", "log in and call set_token() first")
            if not force and is_better(token, stale):
                return Attempt(token, asked=False)
            if token.refresh is None and is_endpoint(self._endpoint):
                raise _nothing_to_refresh("there is no refresh token", "log in again")
            cache.check_writable(token)
            try:
                fresh = self._ask(token, options)
            except RefreshRejected:
                newer = cache.clear_refused()
                if newer is None:
                    raise
                return Attempt(newer, asked=True)
            return Attempt(cache.save_new(fresh, token.refresh), asked=True)

    def _log_in(
        self, login: Login, call: Call[Attempt], stale: Token | None, options: SendOptions
    ) -> Attempt:
        """Have the leader log in, whose thread may ask a person; save here what it brings."""
        with self._cache.hold(stale, self._timeout, adopt=True) as adopted:
            if adopted is not None:  # another process has logged in
                return Attempt(adopted, asked=False)
            token = self._cache.reload()
            if is_better(token, stale):
                return Attempt(token, asked=False)
            fresh = call.run_in_leader(partial(self._call_login, login, options))
            return Attempt(self._cache.save_new(fresh, None), asked=True)

    def _trade(self, given: Token, options: SendOptions, call: Call[Attempt]) -> Attempt:
        with self._cache.hold(None, self._timeout, adopt=False):
            with suppress(RefreshRejected):  # a logout by another program; this is a login
                held = self._cache.reload()
                if held is not None:
                    self._cache.check_writable(held)
            fresh = self._ask(given, options)
            self._shared.forget_failures()
            attempt = Attempt(self._cache.save_traded(fresh, given.refresh or ""), asked=True)
        self._call_on_refresh(call, attempt)
        return attempt

    def _ask(self, token: Token, options: SendOptions) -> Token:
        """Ask the server. Raises RefreshRejected or RefreshUnavailable."""
        options = options.for_url(self._url)
        with self._session(options) as session:
            endpoint = self._endpoint
            if not is_endpoint(endpoint):
                return call_user_function("the refresh callable", endpoint, session, token)
            request = endpoint.ask(self._url, token)
            response = send_request(session, request, options, self._timeout)
            return with_expiry(endpoint.read(response))

    def _call_login(self, login: Login, options: SendOptions) -> Token:
        with let_sigterm_through(), self._session(options, interactive=True) as session:
            return call_user_function("login", login, session, is_login=True)

    def _session(
        self, options: SendOptions, *, interactive: bool = False
    ) -> AbstractContextManager[requests.Session]:
        if self._user_session is not None:
            return nullcontext(self._user_session)
        return ClientSession(self._timeout, options, self._cookies, restart_each_time=interactive)

    # Callbacks

    def _call_on_refresh(self, call: Call[Attempt], attempt: Attempt) -> None:
        if self._on_refresh is not None and attempt.asked:
            call.set_callback(
                self._on_refresh, attempt.token, partial(log_callback_error, self._on_refresh)
            )

    def _call_on_logout(self, call: Call[Attempt], failure: RefreshRejected) -> None:
        if self._on_logout is not None and not failure.nothing_to_refresh:
            on_error = partial(log_callback_error, self._on_logout)
            call.set_callback(self._on_logout, failure, on_error)


def _nothing_to_refresh(cause: str, remedy: str) -> RefreshRejected:
    """Return the error of a refresh without a token to ask with, which is no logout."""
    failure = RefreshRejected(cause, remedy)
    failure.nothing_to_refresh = True
    return failure


def _can_log_in(call: Call[Attempt]) -> bool:
    return isinstance(call.work, _Work) and call.work.can_log_in


def _is_trade(call: Call[Attempt]) -> bool:
    return isinstance(call.work, _Work) and call.work.is_trade


def is_endpoint(refresh: Endpoint | RefreshCallable) -> TypeIs[Endpoint]:
    """Whether `refresh` asks and reads, rather than being called."""
    return hasattr(refresh, "ask") and hasattr(refresh, "read")


def _token_of(attempt: Attempt) -> Token:
    if attempt.token is None:  # pragma: no cover - a renewal always carries a token
        raise RefreshUnavailable("the refresh gave no token", _KEPT)
    return attempt.token
