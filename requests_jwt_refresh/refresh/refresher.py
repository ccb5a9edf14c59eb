"""The story of a refresh: what to send, what to replace it with, the exchange, the login.

The state behind it is three things: the call under way (single_flight.py), memory against store
(token_cache.py), and what has gone wrong lately (limits.py). All adapters on an equal store share
them, so that threads with a session each are as safe as threads with one session between them.

Order, always: the server answers, the store saves, memory publishes, the waiters wake, callbacks
are called. "The exchange" is the one call under the store's lock that trades tokens.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from requests_jwt_refresh import clock
from requests_jwt_refresh.bodies import can_be_resent
from requests_jwt_refresh.errors import (
    InvalidToken,
    JWTRefreshError,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
    capitalize,
)
from requests_jwt_refresh.refresh.account import Account
from requests_jwt_refresh.refresh.limits import Cooldown
from requests_jwt_refresh.refresh.patience import Need
from requests_jwt_refresh.refresh.renewal import Renewal
from requests_jwt_refresh.refresh.shared import Attempt, shared_state
from requests_jwt_refresh.refresh.sigterm import defer_sigterm
from requests_jwt_refresh.refresh.single_flight import OutOfPatience
from requests_jwt_refresh.refresh.story import Chapter, Story
from requests_jwt_refresh.refresh.token_cache import TokenCache, is_better
from requests_jwt_refresh.refresh.token_server import (
    TokenServer,
    explain,
    needs_login,
)
from requests_jwt_refresh.responses import parse_http_date
from requests_jwt_refresh.tokens import (
    Token,
    describe_kind,
    not_before,
    suggest_token,
    with_values,
)
from requests_jwt_refresh.urls import describe_url

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from requests import PreparedRequest, Response

    from requests_jwt_refresh.authorization import Carrier, WirePlace
    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.events import Event, Kind
    from requests_jwt_refresh.refresh.account import Farewell
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.refresh.logins import OwnLogin
    from requests_jwt_refresh.refresh.single_flight import Call
    from requests_jwt_refresh.refresh.token_server import Login, RefreshCallable
    from requests_jwt_refresh.stores.base import TokenStore

logger = logging.getLogger("requests_jwt_refresh")

MAX_RESENDS: Final = 2  # with a token from another thread or process, then with one of our own
MAX_COOLDOWN_WAIT: Final = 1.0  # seconds of cooldown after an outage that a request waits
LAST_SHARE: Final = 0.2  # of the lifetime, in which a token that has to be live is handed in
MAX_LAST_SECONDS: Final = 60.0
MAX_EARLY: Final = 5.0  # seconds that a request waits for a token to become valid
_KEPT: Final = "the tokens are kept; try again later"
_LOOPING: Final = (
    "the API keeps refusing tokens fresh from the refresh endpoint, so no more are fetched for now"
)
_CHECK_REFUSALS: Final = (
    "the tokens are kept; check why the API refuses them: another audience or scope, or a disabled "
    "user"
)


class _Task(NamedTuple):
    """What a refresh is for.

    `stale` is the token to be replaced. `force`: it is replaced though it may be good. `early`: it
    is still valid, so that a refusal is no logout yet, and nobody logs in.
    """

    stale: Token | None
    need: Need
    force: bool = False
    early: bool = False


@dataclass(frozen=True, eq=False)
class _Work:
    """What a call does.

    `can_log_in`: it logs in if the refresh is refused. `is_tentative`: its failure is no result for
    others, since it asks early, or with a refresh token of its own. `wish` is what the program asks
    for: calls with an equal one do the same, and share it all.
    """

    function: Callable[[Call[Attempt]], Attempt]
    can_log_in: bool = False
    is_tentative: bool = False
    wish: object = None

    def __call__(self, call: Call[Attempt]) -> Attempt:
        return self.function(call)


class Refresher:
    """Keeps the token of one store fresh through one endpoint.

    `url` is the endpoint's, absolute. `timeout` is in seconds, for one exchange with its retries,
    and for each wait for the store's lock. `session` is the user's own for refresh calls, if any.
    """

    def __init__(
        self,
        endpoint: Endpoint | RefreshCallable | None,
        url: str,
        store: TokenStore,
        *,
        carrier: Carrier,
        renewed: WirePlace | None,
        base_url: str,
        login: Login | None,
        on_refresh: Callable[[Token], object] | None,
        on_logout: Callable[[RefreshRejected], object] | None,
        on_event: Callable[[Event], object] | None,
        session: requests.Session | None,
        timeout: float,
    ) -> None:
        self._endpoint = endpoint
        self._url = url
        self._login = login
        self._on_refresh = on_refresh
        self._on_logout = on_logout
        self.story = Story(on_event)
        self._timeout = timeout
        self._shared = shared_state(store)
        self._cache = TokenCache(store, self._shared.memory)
        self._server = TokenServer(endpoint, url, self._cache, carrier, session, timeout)
        self._account = Account(self._cache, self._server, self._shared, self.story, timeout)
        self._carrier = carrier
        self._can_start = login is not None or not needs_login(endpoint)  # without a token
        self._needs_live_token = getattr(endpoint, "needs_live_token", False)
        self.flight = self._shared.flight
        self._renewal = (
            None
            if renewed is None
            else Renewal(
                renewed,
                base_url,
                carrier,
                cache=self._cache,
                flight=self.flight,
                story=self.story,
            )
        )

    # For the adapter, request by request

    def token_to_send(self, need: Need) -> Attempt:
        """Return what to send a request with; a valid token comes from memory alone.

        Raises ReentrantRefresh, and RefreshUnavailable or StoreError only if there is no access
        token to try.
        """
        if self.flight.call is not None:
            self._check_not_inside()
        token = self._cache.token
        if token is None:
            token = self._cache.current()
        elif self._cache.is_dirty:
            self._cache.save_again()
        if token is None and not self._can_start:
            self._tell_no_login("nobody has logged in", need)
            return Attempt(None, asked=False)
        if token is not None and token.access is not None and not token.has_expired():
            return Attempt(self._renew_live(token, need), asked=False)
        began = clock.monotonic()
        try:
            return self._renew(token, need)
        except RefreshRejected as refusal:
            if refusal.nothing_to_refresh:
                has_expired = "the token has expired, and there is no refresh token"
                self._tell_no_login(refusal.cause if token is None else has_expired, need)
            return Attempt(token, asked=True)  # so that the caller gets the API's own response
        except (RefreshUnavailable, StoreError):
            if token is None or token.access is None:
                raise
            return Attempt(token, asked=False, waited=clock.monotonic() - began)

    def _renew_live(self, token: Token, need: Need) -> Token:
        """Return `token`, or the one that it gives if it has to be handed in before its end."""
        if not self._needs_live_token or not _ends_soon(token):
            return token
        cooldown = self._shared.cooldown
        if token is self._shared.refused_early or (cooldown and cooldown.left() > 0):
            return token
        try:
            return self._renew(token, need, early=True).token or token
        except (RefreshRejected, RefreshUnavailable, StoreError) as failure:
            logger.debug("The token is used to its end, since it was not renewed: %s", failure)
            return token

    def replace(self, sent: Attempt, need: Need, response: Response) -> Attempt | None:
        """Return what to send instead after the API said "expired", None if there is nothing.

        Cheapest first: the current token, if this request was sent with an older one; the store's,
        if another process has refreshed; the server's. Raises RefreshUnavailable or StoreError.
        """
        token = sent.token
        if token is not None and self._is_early(sent, need, response):
            return sent._replace(has_paused=True)
        if token is not None and (sent.asked or self._cache.is_unconfirmed(token)):
            self._note_refused(token)
        if sent.asked or sent.resends == MAX_RESENDS:
            if sent.asked and token is not None:
                self._shared.marks.set(need.place, token)
            return None
        if token is not None and self._is_held_back(token, need):
            newer = self._cache.glance(token)  # another program may have another one
            return None if newer is None else sent._replace(token=newer, resends=sent.resends + 1)
        try:
            renewed = self._renew(token, need, waited=sent.waited)
        except RefreshRejected:
            return None
        return renewed._replace(resends=sent.resends + 1, has_paused=sent.has_paused)

    def note_accepted(self, sent: Attempt, need: Need | None = None) -> None:
        """Remember that the API did not refuse a token."""
        self._cache.note_confirmed(sent.token)
        guard = self._shared.loop_guard
        if guard.refused:
            self._shared.loop_guard = guard.note_accepted(sent.token)
        if need is not None and self._shared.marks:
            self._shared.marks.note_accepted(need.place)

    def take_up(self, sent: Attempt, request: PreparedRequest, response: Response) -> None:
        """Use a newer access token that `response` hands out, if the API does that."""
        if self._renewal is not None:
            self._renewal.take_up(sent.token, request, response)

    def _note_refused(self, token: Token) -> None:
        was_accepted = not self._cache.is_unconfirmed(token)
        guard = self._shared.loop_guard
        self._shared.loop_guard = guard.note_refused(token, was_accepted=was_accepted)

    def _is_early(self, sent: Attempt, need: Need, response: Response) -> bool:
        """Whether a token is not valid yet, as its "nbf" or "iat" says; wait until it is.

        By the clock of the server that refused it: those of replicas are seconds apart (RFC 7519
        §4.1.5). At most 5 s, and once in a request.
        """
        access = None if sent.token is None or sent.has_paused else sent.token.access
        starts = not_before(access or "")
        if starts is None:
            return False
        now = parse_http_date(response.headers.get("Date") or "")
        # A Date has whole seconds: a token of the same second is valid, whatever its fraction says.
        seconds = starts - clock.time() if now is None else int(starts) - now
        most = min(MAX_EARLY, need.patience(self._timeout) - sent.waited)
        if not 0 < seconds <= most or not _can_be_resent(need):
            return False
        self.story.tell("early", f"the token is not valid yet: waits {seconds:.1f} s", url=need.url)
        clock.sleep(seconds)
        return True

    def _is_held_back(self, token: Token, need: Need) -> bool:
        """Whether no new token is fetched for this request's sake: it would be refused as well."""
        if token is not self._cache.token:
            return False  # the current one costs nothing
        is_unconfirmed = self._cache.is_unconfirmed(token)
        is_held = self._shared.marks.hold_back(need.place, token, is_unconfirmed=is_unconfirmed)
        if is_held or self._is_looping(token):
            is_news = is_held and is_unconfirmed and self._cache.tell_unconfirmed()
            self.story.tell(
                "braked",
                f"{need.url} refuses a token that has just come, as others did, so none is fetched "
                "for it; the API's own 401 is returned",
                level=logging.WARNING if is_news else logging.DEBUG,
                url=need.url,
            )
            return True
        return False

    def _is_looping(self, token: Token | None) -> bool:
        """Whether a new token would only be refused like the last few; if so, warn once."""
        guard = self._shared.loop_guard
        is_unconfirmed = token is not None and self._cache.is_unconfirmed(token)
        if not guard.is_looping(token, is_unconfirmed=is_unconfirmed):
            return False
        if guard is not self._shared.warned_guard:
            self._shared.warned_guard = guard
            logger.warning("%s. %s", capitalize(_LOOPING), capitalize(_CHECK_REFUSALS))
        return True

    def _tell_no_login(self, why: str, need: Need) -> None:
        if self._cache.tell_no_login():
            self.story.tell(
                "no_login",
                f"Requests to {need.url or self._url} go out without a valid token: {why}. Log in, "
                "and call set_token() or run: requests-jwt login",
                level=logging.WARNING,
                url=need.url,
            )

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
        problem = None if token.access is None else self._carrier.find_problem(token.access)
        if problem is not None:
            raise InvalidToken(
                f"no request can carry the access token: {problem}",
                "give the token alone, or another place as attach=",
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
        need = Need(lambda: options, clock.monotonic())
        return _token_of(self._renew(self.current(), need, force=True))

    def trade(self, given: Token, options: SendOptions) -> Token:
        """Trade the refresh token `given`, which no store has yet; save what the server gives.

        Raises RefreshRejected, RefreshUnavailable or StoreError; the store then keeps what it has,
        unless the StoreError says otherwise. TypeError if the server takes no refresh tokens.
        """
        endpoint = self._endpoint
        if endpoint is None or not getattr(endpoint, "needs_refresh_token", True):
            raise TypeError("refresh() takes no refresh token here: the endpoint asks without one")
        return _token_of(self._fulfil(object(), partial(self._trade, given, options), options))

    def log_in(self, login: OwnLogin, options: SendOptions, wish: object) -> Token:
        """Log in by `login`, and use and save what it brings; calls with an equal `wish` share it.

        Raises RefreshRejected, RefreshUnavailable or StoreError; all is then as it was.
        """
        run = partial(self._account.log_in, login, options)
        return _token_of(self._fulfil(("log in", wish), run, options))

    def log_out(self, farewell: Farewell | None, options: SendOptions) -> None:
        """Tell the server by `farewell` that the token is not needed any more, and forget it.

        Raises RefreshUnavailable if the server was not told, StoreError if the store keeps it.
        """
        run = partial(self._account.log_out, farewell, options)
        self._fulfil(("log out",), run, options)

    def _fulfil(
        self, wish: object, function: Callable[[Call[Attempt]], Attempt], options: SendOptions
    ) -> Attempt:
        """Return the result of a call that does what the program wishes: our own, or an equal one.

        One at a time, after the call that is under way.
        """
        self._check_not_inside()
        while True:
            work = _Work(function, is_tentative=True, wish=wish)
            call = self._join(work, Need(lambda: options, clock.monotonic()))
            if not isinstance(call.work, _Work) or call.work.wish != wish or call.outcome is None:
                continue
            failure = call.outcome.failure
            if call.work is not work and isinstance(failure, JWTRefreshError):
                raise failure.about()
            if call.work is work or failure is None:
                return call.outcome.get()

    def valid_token(self, options: SendOptions, seconds: float) -> Token:
        """Return a token that lasts `seconds` more; refresh only if there is none."""
        token = self.current()
        if token is not None and token.access is not None and token.lasts(seconds):
            return token
        try:
            return _token_of(self._renew(token, Need(lambda: options, clock.monotonic())))
        except StoreError as failure:
            if token is None or token.access is None or token.has_expired():
                raise
            if self._cache.tell_no_room():
                logger.warning("The token is not refreshed while it is still valid: %s", failure)
            return token

    # One refresh for all

    def _renew(
        self,
        stale: Token | None,
        need: Need,
        *,
        force: bool = False,
        early: bool = False,
        waited: float = 0.0,
    ) -> Attempt:
        self._check_not_inside()
        while True:
            if not force and is_better(self._cache.token, stale):
                return Attempt(self._cache.token, asked=False, waited=waited)
            if not force and self.flight.call is None:
                pause = self._cooldown_left(stale, need.since)
                if pause > 0:
                    clock.sleep(pause)
                    continue
            run = partial(self._refresh_or_log_in, _Task(stale, need, force, early))
            work = _Work(run, self._login is not None and not early, is_tentative=early)
            began = clock.monotonic()
            call = self._join(work, need, waited)
            waited += clock.monotonic() - began
            attempt = (
                self._own_result(call)
                if call.work is work
                else self._shared_result(call, stale, force)
            )
            if attempt is not None:
                return attempt._replace(waited=waited)

    def _join(self, work: _Work, need: Need, waited: float = 0.0) -> Call[Attempt]:
        """Lead a call or wait for the one under way, as long as the request has patience."""
        patience, began = need.patience(self._timeout), clock.monotonic()
        try:
            call = self.flight.join(work, max(patience - waited, 0.0), wait_in=defer_sigterm)
        except OutOfPatience:
            pass
        else:
            seconds = clock.monotonic() - began
            kind: Kind = "led" if call.work is work else "followed"
            self.story.tell(
                kind, f"{kind} a refresh for {seconds:.3f} s", seconds=seconds, url=need.url
            )
            return call
        cause = f"the refresh at {self._shown_url} did not finish within {patience:g} s"
        self.story.tell("unavailable", f"no refresh: {cause}", seconds=patience, url=need.url)
        raise RefreshUnavailable(
            cause if need.timeout is None else f"{cause}, as long as this request's timeout allows",
            "the tokens are kept, and the refresh goes on for later requests; try again later",
        )

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
        if failure is not None and _is_tentative(call):
            return None
        if isinstance(failure, RefreshRejected) and self._login and not _can_log_in(call):
            return None  # we can
        if isinstance(failure, JWTRefreshError):
            raise failure.about() from failure.__cause__
        if attempt is None or attempt.token is None:
            return None  # the leader was interrupted, or logged out: no result for others
        # A token set or cleared since then goes before; and one that was good enough for the leader
        # may be the very one that this request was refused with.
        is_current = attempt.token is self._cache.token
        is_of_use = force or attempt.asked or is_better(attempt.token, stale)
        return attempt if is_current and is_of_use else None

    def _cooldown_left(self, stale: Token | None, since: float) -> float:
        """Return the seconds to wait before a refresh may start; raise if it must not."""
        if self._is_looping(stale):
            raise RefreshUnavailable(_LOOPING, _CHECK_REFUSALS)
        cooldown = self._shared.cooldown
        left = cooldown.left() if cooldown is not None else 0.0
        if cooldown is None or left <= 0:
            return 0.0
        failure = cooldown.failure
        if since <= cooldown.began:
            raise failure.about()
        if left <= MAX_COOLDOWN_WAIT and not isinstance(failure, RefreshRejected):
            return left
        raise type(failure)(
            f"{failure.cause} (a moment ago; not tried again for {left:.0f} s)", failure.remedy
        )

    def _check_not_inside(self) -> None:
        if self.flight.is_inside():
            raise ReentrantRefresh(
                "a refresh or login called through the adapter that is waiting for it",
                "use the session that the function was given, or auth=anonymous",
            )

    # What a call does, in its own thread

    def _refresh_or_log_in(self, task: _Task, call: Call[Attempt]) -> Attempt:
        if not task.force:  # the last call may have failed since the leader looked
            self._cooldown_left(task.stale, task.need.since)
        chapter = Chapter(self.story, call)
        try:
            attempt = self._refresh(task, call, chapter)
        except JWTRefreshError as failure:
            if self._may_recur(failure, task):
                self._shared.cooldown = Cooldown.after(failure, self._shared.cooldown)
            raise
        self._shared.cooldown = None
        if attempt.asked:
            chapter.call_at_end(self._on_refresh, attempt.token)
        return attempt

    def _refresh(self, task: _Task, call: Call[Attempt], chapter: Chapter) -> Attempt:
        try:
            try:
                return self._exchange(task, chapter)
            except RefreshRejected as refusal:
                if task.early:
                    raise
                if self._login is None:
                    self._note_logout(chapter, refusal)
                    raise
                return self._log_in_after(refusal, self._login, task, call, chapter)
        except JWTRefreshError as failure:
            self._note_failure(chapter, failure)
            raise
        except Exception as error:  # noqa: BLE001 - a user's store or endpoint may raise anything
            unavailable = explain(error)
        self._note_failure(chapter, unavailable)
        raise unavailable  # outside: the frames of what was raised may hold tokens

    def _note_failure(self, chapter: Chapter, failure: JWTRefreshError) -> None:
        if not isinstance(failure, RefreshRejected):
            chapter.note("unavailable", f"no refresh: {failure.cause}", url=self._shown_url)

    def _note_logout(self, chapter: Chapter, failure: RefreshRejected) -> None:
        """Tell of a logout, unless there was nothing that could have been refused."""
        if failure.nothing_to_refresh:
            return
        self._cache.tell_no_login()  # this says it
        chapter.note(
            "logged_out",
            f"Logged out, and the tokens are forgotten: {failure}",
            level=logging.WARNING,
            url=self._shown_url,
        )
        chapter.call_at_end(self._on_logout, failure)

    def _log_in_after(
        self,
        refusal: RefreshRejected,
        login: Login,
        task: _Task,
        call: Call[Attempt],
        chapter: Chapter,
    ) -> Attempt:
        """Log in; a refusal that this does not mend is a logout."""
        try:
            return self._log_in(login, call, task, chapter)
        except BaseException as failure:  # refused, failed, or interrupted by Ctrl-C
            is_news = self._cache.tell_no_login()
            self._note_logout(chapter, refusal)
            if isinstance(failure, RefreshRejected):
                if refusal.nothing_to_refresh and self._end_session(task):
                    self._note_logout(chapter, failure)
                elif is_news:
                    self._note_refused_login(chapter, failure, task.need)
            raise

    def _end_session(self, task: _Task) -> bool:
        """Forget an expired token that only a login could have replaced; whether there was one.

        A server with sessions has no refresh that could be refused: the login's refusal says it.
        """
        cache, stale = self._cache, task.stale
        if task.force or stale is None or stale.access is None:
            return False
        try:
            with cache.hold(stale, self._timeout, adopt=False):
                return cache.token == stale and cache.clear_refused() is None
        except (RefreshUnavailable, StoreError):
            return False

    def _note_refused_login(self, chapter: Chapter, failure: RefreshRejected, need: Need) -> None:
        chapter.note(
            "no_login",
            f"Requests to {need.url or self._url} go out without a valid token: {failure}",
            level=logging.WARNING,
            url=need.url,
        )

    def _may_recur(self, failure: JWTRefreshError, task: _Task) -> bool:
        """Whether the next request would run into the same failure again."""
        if isinstance(failure, RefreshRejected):
            return (
                self._can_start and not task.early
            )  # then it was the login that was refused, or the client's grant
        return not isinstance(failure, ReentrantRefresh)

    def _exchange(self, task: _Task, chapter: Chapter) -> Attempt:
        cache, stale, force = self._cache, task.stale, task.force
        with cache.hold(stale, self._timeout, adopt=not force) as adopted:
            if adopted is not None:
                chapter.note("adopted", "the store has a newer token")
                return Attempt(adopted, asked=False)
            token = cache.reload(may_be_empty=not needs_login(self._endpoint))
            if not force and token is not None and is_better(token, stale):
                chapter.note("adopted", "the store has a newer token")
                return Attempt(token, asked=False)
            lack = self._server.find_lack(token)
            if lack is not None:
                has_none = token is None
                raise _nothing_to_refresh(
                    lack, "log in and call set_token() first" if has_none else "log in again"
                )
            with cache.room(token):
                try:
                    fresh = self._ask(token, task.need.find_options(), chapter)
                except RefreshRejected as refusal:
                    chapter.note("refused", f"{refusal.cause}", url=self._shown_url)
                    if task.early:
                        self._shared.refused_early = token
                        raise
                    newer = cache.clear_refused()
                    if newer is None:
                        refusal.nothing_to_refresh = token is None  # then it is no logout
                        raise
                    return Attempt(newer, asked=True)
                saved = cache.save_new(fresh, token)
        if token is None:
            self._server.keep_cookies_for(saved.login_id)
        return Attempt(saved, asked=True)

    def _log_in(
        self,
        login: Login,
        call: Call[Attempt],
        task: _Task,
        chapter: Chapter,
    ) -> Attempt:
        """Have the leader log in, whose thread may ask a person; save here what it brings.

        No store lock is held meanwhile: the person may be away. If the user sets or clears a token
        in that time, what the login brought is from before, and it is made again if it has to be.
        """
        cache, stale, began = self._cache, task.stale, clock.monotonic()
        options = task.need.find_options()
        newer = cache.adopt_newer(stale)  # another process may have logged in
        if newer is not None:
            chapter.note("adopted", "the store has a newer token")
            return Attempt(newer, asked=False)
        attempt = None
        while attempt is None:
            epoch = cache.epoch
            refused = self._shared.refused_logins
            fresh = call.run_in_leader(partial(self._server.call_login, login, options, refused))
            attempt = self._take_login(fresh, stale, epoch, chapter)
        if attempt.asked:
            seconds = clock.monotonic() - began
            chapter.note("logged_in", f"logged in after {seconds:.3f} s", seconds=seconds)
        return attempt

    def _take_login(
        self, fresh: Token, stale: Token | None, epoch: int, chapter: Chapter
    ) -> Attempt | None:
        """Save what a login brought that began in `epoch`, or return what goes before.

        None if the token was cleared meanwhile.
        """
        cache = self._cache
        saved: Token | None
        try:
            with cache.hold(stale, self._timeout, adopt=True) as adopted:
                if adopted is not None:
                    chapter.note("adopted", "another program has logged in meanwhile")
                    return Attempt(adopted, asked=False)
                if cache.epoch != epoch:
                    saved = None
                else:
                    with suppress(RefreshRejected):  # emptied by another program: a logout
                        cache.reload()
                    saved = cache.save_new(fresh, None)
        except (RefreshUnavailable, StoreError) as failure:
            saved = cache.keep_unsaved(fresh, failure, epoch)
        if saved is None:
            token = cache.token
            return Attempt(token, asked=False) if is_better(token, stale) else None
        self._server.keep_cookies_for(saved.login_id)
        return Attempt(saved, asked=True)

    def _trade(self, given: Token, options: SendOptions, call: Call[Attempt]) -> Attempt:
        chapter = Chapter(self.story, call)
        held = None
        with self._cache.hold(None, self._timeout, adopt=False), ExitStack() as stack:
            with suppress(RefreshRejected):  # a logout by another program; this is a login
                held = self._cache.reload()
                if held is not None:
                    stack.enter_context(self._cache.room(held))
            if held is not None:
                given = with_values(given, access=held.access)
            try:
                fresh = self._ask(given, options, chapter)
            except RefreshUnavailable as failure:
                if held is None:  # a first login: there are no tokens to keep
                    failure.remedy = failure.remedy.removeprefix("the tokens are kept; ")
                raise
            self._shared.forget_failures()
            saved = self._cache.save_traded(fresh, given.refresh or "")
            self._server.keep_cookies_for(saved.login_id)
        chapter.note("logged_in", "the server took the refresh token", url=self._shown_url)
        chapter.call_at_end(self._on_refresh, saved)
        return Attempt(saved, asked=True)

    def _ask(self, token: Token | None, options: SendOptions, chapter: Chapter) -> Token:
        """Ask the server, and tell how long it took. Raises RefreshRejected, RefreshUnavailable."""
        began = clock.monotonic()
        fresh = self._server.ask(token, options)
        seconds = clock.monotonic() - began
        chapter.note(
            "refreshed", f"refreshed in {seconds:.3f} s", seconds=seconds, url=self._shown_url
        )
        return fresh

    @property
    def _shown_url(self) -> str:
        return describe_url(self._url)


def _ends_soon(token: Token) -> bool:
    """Whether less than a fifth of the lifetime is left, and no more than a minute.

    A minute, where it is not known when the token came, as if a store was filled by hand.
    """
    if token.expires_at is None:
        return False
    if token.received_at is None:
        return not token.lasts(MAX_LAST_SECONDS)
    lifetime = token.expires_at - token.received_at
    return not token.lasts(min(lifetime * LAST_SHARE, MAX_LAST_SECONDS))


def _nothing_to_refresh(cause: str, remedy: str) -> RefreshRejected:
    """Return the error of a refresh without a token to ask with, which is no logout."""
    failure = RefreshRejected(cause, remedy)
    failure.nothing_to_refresh = True
    return failure


def _can_log_in(call: Call[Attempt]) -> bool:
    return isinstance(call.work, _Work) and call.work.can_log_in


def _is_tentative(call: Call[Attempt]) -> bool:
    return isinstance(call.work, _Work) and call.work.is_tentative


def _can_be_resent(need: Need) -> bool:
    return need.request is not None and can_be_resent(need.request)


def _token_of(attempt: Attempt) -> Token:
    if attempt.token is None:  # pragma: no cover - a renewal always carries a token
        raise RefreshUnavailable("the refresh gave no token", _KEPT)
    return attempt.token
