"""What requests and users ask for: a token to send, one in its place, a refresh, a login.

The state behind it is three things: the call under way (single_flight.py), memory against store
(memory.py, token_cache.py, saving.py), and what has gone wrong lately (limits.py). All adapters on
an equal store share them, so that threads with a session each are as safe as threads with one
session between them.
What a call does in its own thread is in leader.py and account.py.
"""

from __future__ import annotations

import logging
import math
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
from requests_jwt_refresh.refresh.ahead import NEVER, Schedule, make_schedule
from requests_jwt_refresh.refresh.brake import Brake
from requests_jwt_refresh.refresh.leader import Leader, Task
from requests_jwt_refresh.refresh.patience import Need
from requests_jwt_refresh.refresh.renewal import Renewal
from requests_jwt_refresh.refresh.shared import Attempt, shared_state
from requests_jwt_refresh.refresh.sigterm import defer_sigterm, hold_sigterm, restore_sigterm
from requests_jwt_refresh.refresh.single_flight import OutOfPatience, is_program_ending
from requests_jwt_refresh.refresh.story import Story
from requests_jwt_refresh.refresh.token_cache import TokenCache, is_better
from requests_jwt_refresh.refresh.token_server import (
    TokenServer,
    needs_login,
)
from requests_jwt_refresh.responses import parse_http_date
from requests_jwt_refresh.tokens import (
    Token,
    describe_kind,
    not_before,
    suggest_token,
)
from requests_jwt_refresh.urls import describe_url

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from requests import Response

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
MAX_BACKGROUND: Final = 60.0  # seconds that a refresh in the background holds a SIGTERM back
EXIT_GRACE: Final = 5.0  # seconds that an early refresh has left once the program ends
MAX_EARLY: Final = 5.0  # seconds that a request waits for a token to become valid
_KEPT: Final = "the tokens are kept; try again later"


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


class _Plan(NamedTuple):
    """What requests are sent with as long as its token is in use: made once for each token."""

    attempt: Attempt
    schedule: Schedule
    until: float  # clock.time(): until when there is nothing else to do


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
        refresh_ahead: float | None,
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
        self.story = Story(on_event)
        self._timeout = timeout
        self._shared = shared_state(store)
        self._memory = self._shared.memory
        self._cache = TokenCache(store, self._memory)
        self._server = TokenServer(endpoint, url, self._cache, carrier, session, timeout)
        self._brake = Brake(self._shared)
        self._leader = Leader(
            self._cache,
            self._server,
            self._shared,
            self.story,
            self._brake,
            url=url,
            timeout=timeout,
            login=login,
            needs_login=needs_login(endpoint),
            on_refresh=on_refresh,
            on_logout=on_logout,
        )
        self._account = Account(self._cache, self._server, self._shared, self.story, timeout)
        self._carrier = carrier
        self._can_start = login is not None or not needs_login(endpoint)  # without a token
        self._refresh_ahead = refresh_ahead
        self._plan = _Plan(Attempt(None, asked=False), NEVER, until=-math.inf)
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

    def holds_token(self) -> bool | None:
        """Whether there is an access token in memory; None before the first look into the store."""
        token = self._memory.token
        if token is None:
            return False if self._memory.has_looked else None
        return token.access is not None

    def ready_attempt(self) -> Attempt | None:
        """Return what to send a request with, if there is nothing to do first."""
        plan, memory = self._plan, self._memory
        if (
            plan.attempt.token is memory.token
            and clock.time() < plan.until
            and not memory.dirty
            and self.flight.call is None
        ):
            return plan.attempt
        return None

    def token_to_send(self, need: Need) -> Attempt:
        """Return what to send a request with; a valid token comes from memory alone.

        Raises ReentrantRefresh, and RefreshUnavailable or StoreError only if there is no access
        token to try.
        """
        if self.flight.call is not None:
            self._check_not_inside()
        token = self._memory.token
        if token is None:
            token = self._cache.current()
        elif self._memory.dirty:
            self._cache.save_again()
        if token is None and not self._can_start:
            self._tell_no_login("nobody has logged in", need)
            return Attempt(None, asked=False)
        if token is not None and token.access is not None and not token.has_expired():
            return self._send_valid(token, need)
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

    def _send_valid(self, token: Token, need: Need) -> Attempt:
        """Return what to send while `token` is valid: that, or in its last moments the next one."""
        plan, now = self._plan_for(token), clock.time()
        if now < plan.until or not self._may_begin_early(token):
            return plan.attempt
        # A body that can be sent only once must not meet a server that ends the old token early.
        has_one_try = need.request is not None and not can_be_resent(need.request)
        if now < plan.schedule.leeway and not has_one_try:
            if self._renewal is None:  # else the answer may bring the next one
                self._begin_ahead(token, need)
            return plan.attempt
        try:
            return self._renew(token, need, early=True)._replace(asked=False)
        except JWTRefreshError as failure:
            self._tell_used_to_its_end(token, failure)
            return plan.attempt

    def _plan_for(self, token: Token) -> _Plan:
        plan = self._plan
        if plan.attempt.token is not token:
            schedule = self._schedule(token)
            restore_sigterm()
            plan = _Plan(Attempt(token, asked=False), schedule, schedule.first)
            self._plan = plan
        return plan

    def _schedule(self, token: Token) -> Schedule:
        if self._server.find_lack(token) is not None:
            return Schedule(math.inf, token.expires_at or math.inf)
        is_inherited = self._cache.is_inherited(token)
        ahead = 0.0 if is_inherited else self._refresh_ahead
        return make_schedule(token, ahead, self._shared.exchange_seconds)

    def _may_begin_early(self, token: Token) -> bool:
        """Whether a refresh before the end of `token` can be of use now."""
        if token is self._shared.not_early:
            return False
        cooldown = self._shared.cooldown
        return cooldown is None or cooldown.left() <= 0

    def _begin_ahead(self, token: Token, need: Need) -> None:
        """Start a refresh in the background, unless there is one or the program is ending."""
        if self.flight.call is not None or is_program_ending():
            return
        find_options = need.find_options
        background = Need(lambda: find_options()._replace(exit_grace=EXIT_GRACE), clock.monotonic())
        task = Task(token, background, early=True, ahead=True)
        let_go = hold_sigterm(MAX_BACKGROUND)
        has_begun = False
        try:
            run = partial(self._renew_ahead, task, let_go)
            has_begun = self.flight.begin(_Work(run, is_tentative=True))
        finally:
            if not has_begun:
                let_go()

    def _renew_ahead(self, task: Task, let_go: Callable[[], None], call: Call[Attempt]) -> Attempt:
        """Renew in the background; a failure is nobody's: the token is valid still."""
        try:
            if is_better(self._memory.token, task.stale):  # another thread has been faster
                return Attempt(self._memory.token, asked=False)
            return self._leader.renew(task, call)
        except JWTRefreshError as failure:
            self._tell_used_to_its_end(task.stale, failure)
            raise
        finally:
            let_go()

    def _tell_used_to_its_end(self, token: Token | None, failure: JWTRefreshError) -> None:
        is_news = isinstance(failure, StoreError) and self._memory.notices.tell_no_room()
        if isinstance(failure, ReentrantRefresh):  # the function's own mistake: it would recur
            is_news = token is not self._shared.not_early
            self._shared.not_early = token
        logger.log(
            logging.WARNING if is_news else logging.DEBUG,
            "The token is not refreshed while it is still valid: %s",
            failure,
        )

    def replace(self, sent: Attempt, need: Need, response: Response) -> Attempt | None:
        """Return what to send instead after the API said "expired", None if there is nothing.

        Cheapest first: the current token, if this request was sent with an older one; the store's,
        if another process has refreshed; the server's. Raises RefreshUnavailable or StoreError.
        """
        token = sent.token
        if token is not None and self._is_early(sent, need, response):
            return sent._replace(has_paused=True)
        if token is not None and (sent.asked or self._memory.is_unconfirmed(token)):
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
        except RefreshRejected as refusal:
            if self._server.no_refresh is not None:  # whose token nobody here can replace
                self._tell_no_login("the API has refused it", need)
            elif refusal.nothing_to_refresh and token is not None:
                hint = "; if logins bring a refresh token, check that refresh= names its field"
                self._tell_no_login(f"the API has refused it, and {refusal.cause}", need, hint)
            return None
        return renewed._replace(resends=sent.resends + 1, has_paused=sent.has_paused)

    def is_acceptance_news(self) -> bool:
        """Whether there is something to note when the API does not refuse a token."""
        shared = self._shared
        return (
            shared.memory.unconfirmed is not None
            or bool(shared.loop_guard.refused)
            or bool(shared.marks)
        )

    def note_accepted(self, sent: Attempt, need: Need | None = None) -> None:
        """Remember that the API did not refuse a token."""
        self._memory.note_confirmed(sent.token)
        guard = self._shared.loop_guard
        if guard.refused:
            self._shared.loop_guard = guard.note_accepted(sent.token)
        if need is not None and self._shared.marks:
            self._shared.marks.note_accepted(need.place)

    def take_up(self, sent: Attempt, need: Need, response: Response) -> None:
        """Use a newer access token that `response` hands out, if the API does that.

        If that was to be refreshed by now, and the answer brought none, begin that.
        """
        if self._renewal is None or need.request is None:
            return
        self._renewal.take_up(sent.token, need.request, response)
        token, plan = sent.token, self._plan
        if token is None or plan.attempt.token is not token or self._memory.token is not token:
            return
        if plan.until <= clock.time() < plan.schedule.leeway and self._may_begin_early(token):
            self._begin_ahead(token, need)

    def _note_refused(self, token: Token) -> None:
        was_accepted = not self._memory.is_unconfirmed(token)
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
        if token is not self._memory.token:
            return False  # the current one costs nothing
        is_unconfirmed = self._memory.is_unconfirmed(token)
        is_held = self._shared.marks.hold_back(need.place, token, is_unconfirmed=is_unconfirmed)
        if is_held or self._brake.is_looping(token):
            is_news = is_held and is_unconfirmed and self._memory.notices.tell_unconfirmed(token)
            self.story.tell(
                "braked",
                f"{need.url} refuses a token that has just come, as others did, so none is fetched "
                "for it; the API's own 401 is returned",
                level=logging.WARNING if is_news else logging.DEBUG,
                url=need.url,
            )
            return True
        return False

    def _tell_no_login(self, why: str, need: Need, hint: str = "") -> None:
        if self._memory.notices.tell_no_login():
            remedy = f"Log in, and call set_token() or run: requests-jwt login{hint}"
            if self._server.no_refresh is not None:
                cause, remedy = self._server.no_refresh
                why, remedy = f"{why}, and {cause}", capitalize(remedy)
            self.story.tell(
                "no_login",
                f"Requests to {need.url or self._url} go out without a valid token: {why}. "
                f"{remedy}",
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
        return _token_of(
            self._fulfil(object(), partial(self._leader.trade, given, options), options)
        )

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

    def valid_token(
        self, options: SendOptions, seconds: float, refused: Token | None = None
    ) -> Token:
        """Return a token that lasts `seconds` more and is not `refused`; refresh if need be."""
        token = self.current()
        need = Need(lambda: options, clock.monotonic())
        is_refused = refused is not None and not is_better(token, refused)
        if is_refused and token is not None and self._memory.is_unconfirmed(token):
            self._note_refused(token)
        is_usable = token is not None and token.access is not None and token.lasts(seconds)
        if token is not None and is_usable and not is_refused:
            self._check_not_inside()
            return _token_of(self._send_valid(token, need))
        try:
            return _token_of(self._renew(token, need))
        except StoreError as failure:
            if token is None or token.access is None or token.has_expired():
                raise
            self._tell_used_to_its_end(token, failure)
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
            if not force and is_better(self._memory.token, stale):
                return Attempt(self._memory.token, asked=False, waited=waited)
            if early and stale is not None and not self._may_begin_early(stale):
                return Attempt(stale, asked=False, waited=waited)  # it failed for another request
            if not force and self.flight.call is None:
                pause = self._brake.cooldown_left(stale, need.since, early=early)
                if pause > 0:
                    clock.sleep(pause)
                    continue
            run = partial(self._leader.renew, Task(stale, need, force, early))
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
        cause = f"the refresh at {describe_url(self._url)} did not finish within {patience:g} s"
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
        is_current = attempt.token is self._memory.token
        is_of_use = force or attempt.asked or is_better(attempt.token, stale)
        return attempt if is_current and is_of_use else None

    def _check_not_inside(self) -> None:
        if self.flight.is_inside():
            raise ReentrantRefresh(
                "a refresh or login called through the adapter that is waiting for it",
                "use the session that the function was given, or auth=anonymous",
            )


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
