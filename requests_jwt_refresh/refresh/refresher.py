"""One refresh at a time, whoever asks: the only place that talks to the refresh endpoint.

Whoever finds no refresh under way leads one; all others wait for its outcome, good or bad. The
exchange runs in a thread of its own, so that neither Ctrl-C in the leader nor the end of the
program loses an answer that is on its way. A login, which may ask a person, runs in the leader.

Order, always: server answers, store saves, memory publishes, waiters wake, callbacks are told.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
import traceback
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import requests

from requests_jwt_refresh.errors import (
    JWTRefreshError,
    LockTimeout,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.refresh.client import ClientSession, SendOptions, post
from requests_jwt_refresh.refresh.holding import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Attempt,
    Flight,
    Outage,
    holding_of,
)
from requests_jwt_refresh.refresh.sigterm import sigterm_held_back
from requests_jwt_refresh.tokens import Token, with_expiry, with_received_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from typing_extensions import TypeIs

    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.stores.base import TokenStore

    RefreshCallable = Callable[[requests.Session, Token], Token]
    Login = Callable[[requests.Session], Token]

logger = logging.getLogger("requests_jwt_refresh")

THREAD = "jwt-refresh"  # what the thread of an exchange is called
MAX_RESENDS = 2  # with a token that somebody else has fetched, then with one of our own
LOOK_AGAIN = 0.5  # seconds between two looks into the store while its lock is taken
SECOND_LOOK = 0.3  # seconds; an emptied store is a logout, so look twice
SHORT_PAUSE = 1.0  # seconds of an outage's pause that a request waits out; over that it fails
GRACE = 5.0  # seconds that a waiter grants the store on top of the lock and the exchange


class _NothingToRefresh(RefreshRejected):
    """Nobody could be asked, so nothing was refused and nothing is forgotten."""


class _LeaderLeft(BaseException):
    """The leader was interrupted before it could log in: somebody else takes the lead."""


class Refresher:
    """Keeps the token of one store fresh through one endpoint."""

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
        self._store = store
        self._login = login
        self._on_refresh = on_refresh
        self._on_logout = on_logout
        self._user_session = session
        self._cookies = requests.cookies.RequestsCookieJar()
        self._timeout = timeout
        self._patience = 2 * timeout + GRACE
        self._holding = holding_of(store)

    # What the adapter asks for, request by request

    def token_to_send(self, wire: SendOptions, since: float) -> Attempt:
        """Return what to send a request with; with a valid token, from memory alone.

        `since` is the time.monotonic() at which the request began. Raises ReentrantRefresh, and
        RefreshUnavailable or StoreError only if there is no access token to try.
        """
        holding = self._holding
        if holding.flight is not None:
            self._refuse_reentry(holding.flight)
        token = holding.token
        if token is None:
            token = self._first_look()
        elif holding.unsaved:
            self._save_again()
        if token is None and self._login is None:
            return Attempt(None, asked=False)
        if token is not None and token.access is not None and not token.has_expired():
            return Attempt(token, asked=False)
        try:
            return self._renew(token, wire, since)
        except RefreshRejected:
            return Attempt(token, asked=True)  # let the API give its own answer
        except (RefreshUnavailable, StoreError):
            if token is None or token.access is None:
                raise
            return Attempt(token, asked=False)

    def replace(self, sent: Attempt, wire: SendOptions, since: float) -> Attempt | None:
        """Return what to send instead after the API said "expired", None if there is nothing.

        Cheapest first: the current token, if this request was sent with an older one; the store's,
        if somebody else has refreshed; the server's. Raises RefreshUnavailable or StoreError.
        """
        if sent.token is not None and (sent.asked or sent.token is self._holding.untried):
            self._holding.note_refused(sent.token)
        if sent.asked or sent.resends == MAX_RESENDS:
            return None
        try:
            renewed = self._renew(sent.token, wire, since)
        except RefreshRejected:
            return None
        return renewed._replace(resends=sent.resends + 1)

    def note_no_refusal(self, sent: Attempt) -> None:
        """Remember that nothing is known against a token, should it have been a fresh one."""
        self._holding.note_no_refusal(sent.token)

    def look_again(self) -> None:
        """Look into the store once more where there was no token. Raises StoreError."""
        holding, version = self._holding, self._holding.version
        if holding.token is None:
            holding.adopt(self._store.load(), version)

    # What the user asks for

    def current(self) -> Token | None:
        """Return the token in use, from the store if nobody has looked yet. Raises StoreError."""
        return self._holding.token or self._first_look()

    def set_token(self, token: Token) -> None:
        if not isinstance(token, Token):
            raise TypeError(f"set_token takes a Token, not {type(token).__name__}")
        self._refuse_reentry(self._holding.flight)
        with self._store.lock(self._timeout):
            token = with_expiry(token)
            self._store.save(token)
            self._holding.proven = True
            self._holding.publish(token)
        self._holding.start_afresh()

    def clear_token(self) -> None:
        self._refuse_reentry(self._holding.flight)
        with self._store.lock(self._timeout):
            self._store.clear()
            self._holding.publish(None)
        self._holding.start_afresh()

    def force(self, wire: SendOptions) -> Token:
        """Refresh now, or take part in the refresh that is under way."""
        return self._renewed(self.current(), wire, force=True)

    def valid(self, wire: SendOptions, seconds: float) -> Token:
        """Return a token that lasts so many more seconds; refresh only if there is none."""
        token = self.current()
        if token is not None and token.access is not None and token.lasts(seconds):
            return token
        return self._renewed(token, wire)

    def _renewed(self, stale: Token | None, wire: SendOptions, *, force: bool = False) -> Token:
        renewed = self._renew(stale, wire, time.monotonic(), force=force).token
        if renewed is None:  # pragma: no cover - a renewal always carries a token
            raise RefreshUnavailable("the refresh gave no token")
        return renewed

    # One refresh for all

    def _renew(
        self, stale: Token | None, wire: SendOptions, since: float, *, force: bool = False
    ) -> Attempt:
        holding = self._holding
        while True:
            with holding.mutex:
                if not force and _is_better(holding.token, stale):
                    return Attempt(holding.token, asked=False)
                flight = holding.flight
                pause = 0.0
                if flight is None:
                    pause = 0.0 if force else self._pause(stale, since)
                    if pause <= 0:
                        leading = Flight(can_log_in=self._login is not None)
                        holding.flight = leading
            if pause > 0:
                time.sleep(pause)
            else:
                attempt = (
                    self._lead(leading, stale, wire, force=force)
                    if flight is None
                    else self._follow(flight)
                )
                if attempt is not None:
                    return attempt

    def _pause(self, stale: Token | None, since: float) -> float:
        """Return the seconds to wait before a refresh may start; raise if it must not."""
        if self._holding.keeps_being_refused(stale):
            raise RefreshUnavailable(
                "the API keeps refusing tokens fresh from the refresh endpoint, so no more are "
                "fetched for now. Does the API accept them at all (audience, scope, disabled user)?"
            )
        outage = self._holding.outage
        left = outage.left() if outage is not None else 0.0
        if outage is None or left <= 0:
            return 0.0
        if since <= outage.ended:
            raise outage.failure.about()
        if left <= SHORT_PAUSE:
            return left
        raise type(outage.failure)(
            f"{outage.failure} (so it was a moment ago; not tried again for {left:.0f} s)"
        ) from outage.failure.__cause__

    def _follow(self, flight: Flight) -> Attempt | None:
        """Wait for somebody else's refresh; None if its leader left and a new one is needed."""
        self._refuse_reentry(flight)
        with sigterm_held_back():
            landed = wait([flight], self._patience).done
        if not landed and not self._clear_away(flight):
            raise RefreshUnavailable(
                f"another thread's refresh has not come to an end in {self._patience:g} s. "
                "The tokens are kept"
            )
        failure = flight.exception()
        if isinstance(failure, RefreshRejected) and self._login and not flight.can_log_in:
            return None  # we can
        if isinstance(failure, JWTRefreshError):
            raise failure.about() from failure.__cause__
        return None if failure is not None else flight.result()

    def _lead(
        self, flight: Flight, stale: Token | None, wire: SendOptions, *, force: bool
    ) -> Attempt | None:
        """Refresh for all; None if a signal handler has cleared the flight away meanwhile."""
        landed: set[Any] = set()
        try:
            with sigterm_held_back():
                _in_a_thread(self._carry_out, flight, stale, wire, force)
                landed = wait([flight.exchange], self._patience).done
        finally:
            if not landed:  # interrupted, or out of patience
                self._leave(flight)
        if not landed:
            raise RefreshUnavailable(
                f"the refresh has not come to an end in {self._patience:g} s. The tokens are kept"
            )
        if flight.exchange.cancelled():
            return None
        outcome = flight.exchange if flight.done() else self._land_with_login(flight, stale, wire)
        self._tell(flight.exchange, outcome)
        return outcome.result()

    def _leave(self, flight: Flight) -> None:
        """Leave the flight to its exchange; if that has not begun, to the next who asks."""
        flight.crew.discard(threading.get_ident())
        if not self._clear_away(flight):
            flight.exchange.add_done_callback(partial(self._land_alone, flight))

    def _clear_away(self, flight: Flight) -> bool:
        """Clear a flight away whose leader was interrupted before the exchange could begin."""
        if not flight.exchange.cancel():
            return False
        self._land(flight, _failed(_LeaderLeft()))
        return True

    def _carry_out(
        self, flight: Flight, stale: Token | None, wire: SendOptions, force: bool
    ) -> None:
        """Run the exchange, and land the flight unless a login is called for."""
        if not flight.exchange.set_running_or_notify_cancel():
            return
        flight.crew.add(threading.get_ident())
        outcome = _outcome(self._exchange, stale, wire, force)
        if self._login is None or not isinstance(outcome.exception(), RefreshRejected):
            self._land(flight, outcome)
        _pass_on(outcome, flight.exchange)

    def _land(self, flight: Flight, outcome: Future[Attempt]) -> None:
        """Wake the waiters with the outcome, unless that has been done."""
        failure = outcome.exception()
        with self._holding.mutex:
            if flight.done():
                return
            if self._holding.flight is flight:
                self._holding.flight = None
            if failure is None:
                self._holding.outage = None
            elif isinstance(failure, JWTRefreshError) and self._may_recur(failure):
                self._holding.outage = Outage.after(failure, self._holding.outage)
            _pass_on(outcome, flight)

    def _may_recur(self, failure: JWTRefreshError) -> bool:
        """Whether the next request would run into the same failure again."""
        if isinstance(failure, RefreshRejected):
            return self._login is not None  # then it was the login that was refused
        return not isinstance(failure, ReentrantRefresh)

    def _land_with_login(
        self, flight: Flight, stale: Token | None, wire: SendOptions
    ) -> Future[Attempt]:
        try:
            outcome = _outcome(self._log_in, stale, wire)
            self._land(flight, outcome)
        finally:
            self._land(flight, _failed(_LeaderLeft()))  # if interrupted just now
        return outcome

    def _land_alone(self, flight: Flight, exchange: Future[Attempt]) -> None:
        """Finish without the leader."""
        self._land(flight, _failed(_LeaderLeft()))  # if a login was called for
        self._tell(exchange, exchange)

    def _tell(self, exchange: Future[Attempt], outcome: Future[Attempt]) -> None:
        """Call on_refresh or on_logout, with no lock held."""
        failure = exchange.exception()
        if outcome.exception() is None:
            attempt = outcome.result()
            if attempt.asked:
                _call_back(self._on_refresh, attempt.token)
        elif isinstance(failure, RefreshRejected) and not isinstance(failure, _NothingToRefresh):
            _call_back(self._on_logout, failure)

    def _refuse_reentry(self, flight: Flight | None) -> None:
        me = threading.get_ident()
        if flight is None or (me != flight.leader and me not in flight.crew):
            return
        # In a signal handler that interrupts the leader: what has not begun would never begin.
        if not self._clear_away(flight) and me in flight.crew:
            raise ReentrantRefresh(
                "a refresh or login called through the adapter that is waiting for it: use the "
                "session it was given, or auth=anonymous"
            )

    # The exchange, under the store's lock

    def _exchange(self, stale: Token | None, wire: SendOptions, force: bool) -> Attempt:
        with self._locked(stale, adopt=not force) as adopted:
            if adopted is not None:
                return Attempt(adopted, asked=False)
            token = self._newest()
            if token is None:
                raise _NothingToRefresh("there is no token: log in and call set_token() first")
            if not force and _is_better(token, stale):
                return Attempt(token, asked=False)
            if token.refresh is None and is_endpoint(self._endpoint):
                raise _NothingToRefresh("there is no refresh token: a new login is needed")
            if not self._holding.proven:  # show it now, while nothing can be lost
                self._store.save(token)
                self._holding.proven = True
                self._holding.publish(token)
            try:
                fresh = self._ask(token, wire)
            except RefreshRejected:
                newer = self._forget()
                if newer is None:
                    raise
                return Attempt(newer, asked=True)
            return Attempt(self._keep(fresh, token.refresh), asked=True)

    def _log_in(self, stale: Token | None, wire: SendOptions) -> Attempt:
        assert self._login is not None  # noqa: S101 - for mypy
        with self._locked(stale) as adopted:
            if adopted is not None:  # somebody else has logged in
                return Attempt(adopted, asked=False)
            token = self._newest()
            if _is_better(token, stale):
                return Attempt(token, asked=False)
            with self._session(wire, interactive=True) as session:
                fresh = _called("login", self._login, session)
            return Attempt(self._keep(fresh, None), asked=True)

    @contextmanager
    def _locked(self, stale: Token | None, *, adopt: bool = True) -> Iterator[Token | None]:
        """Hold the store's lock and yield None, or yield a token that makes the lock needless.

        Who waits for the lock looks into the store now and then: of a thousand workers that wait,
        one refreshes, and the others need not take the lock one after the other to learn of it.
        """
        deadline = time.monotonic() + self._timeout
        looks = max(1, round(self._timeout / LOOK_AGAIN))
        with ExitStack() as held:
            for look in range(looks):
                adopted = self._adopt(stale) if adopt else None
                if adopted is not None:
                    break
                try:
                    left = max(deadline - time.monotonic(), 0.0)
                    held.enter_context(self._store.lock(min(self._timeout / looks, left)))
                    break
                except LockTimeout as error:
                    if look == looks - 1 or time.monotonic() >= deadline:
                        raise RefreshUnavailable(
                            "somebody else has held the token store's lock for "
                            f"{self._timeout:g} s, and without it nothing is refreshed. The "
                            "tokens are kept"
                        ) from error
            yield adopted

    def _adopt(self, stale: Token | None) -> Token | None:
        """Return the store's token if somebody else has written a better one; needs no lock."""
        holding, version = self._holding, self._holding.version
        stored = self._store.load()
        if stored is None or stored == holding.seen or not _is_better(stored, stale):
            return None
        return stored if holding.adopt(stored, version) else None

    def _newest(self) -> Token | None:
        """Return the newest token: the store's if somebody else has written it, else memory's."""
        holding = self._holding
        stored = self._store.load()
        if stored is None and holding.token is not None:
            time.sleep(SECOND_LOOK)  # a busy keyring may lose sight of an entry for a moment
            stored = self._store.load()
        if stored == holding.seen:
            return holding.token
        logged_out = stored is None and not holding.is_unseen()
        holding.publish(stored)
        if logged_out:
            raise RefreshRejected("somebody else has logged out: the token store is empty")
        return stored

    def _ask(self, token: Token, wire: SendOptions) -> Token:
        """Ask the server. Raises RefreshRejected or RefreshUnavailable."""
        wire = wire.for_url(self._url)
        with self._session(wire) as session:
            endpoint = self._endpoint
            if not is_endpoint(endpoint):
                return _called("the refresh callable", endpoint, session, token)
            request = endpoint.ask(self._url, token)
            return with_expiry(endpoint.read(post(session, request, wire, self._timeout)))

    def _session(
        self, wire: SendOptions, *, interactive: bool = False
    ) -> AbstractContextManager[requests.Session]:
        if self._user_session is not None:
            return nullcontext(self._user_session)
        return ClientSession(self._timeout, wire, self._cookies, restart_each_time=interactive)

    def _keep(self, fresh: Token, old_refresh: str | None) -> Token:
        """Save and publish a new token. If the store will not take it, memory keeps it."""
        if fresh.refresh is None:
            fresh = with_received_at(replace(fresh, refresh=old_refresh), fresh.received_at)
        self._holding.untried = fresh
        try:
            self._store.save(fresh)
        except Exception as error:  # noqa: BLE001 - whatever it is, the token must not be lost
            logger.warning(
                "The new token could not be saved (%s). It is used and will be saved with a later "
                "request; if this program ends before that, a new login is needed",
                error if isinstance(error, StoreError) else type(error).__name__,
            )
            self._holding.save_again_at = time.monotonic() + FIRST_PAUSE
            self._holding.publish(fresh, stored=False)
        else:
            self._holding.publish(fresh)
        return fresh

    def _forget(self) -> Token | None:
        """Forget the refused token everywhere, or adopt what somebody else has stored meanwhile."""
        holding = self._holding
        try:
            stored = self._store.load()
            if stored is not None and stored != holding.seen:
                holding.publish(stored)
                return stored
            self._store.clear()
        except Exception as error:  # noqa: BLE001 - the token is worthless whatever the store says
            logger.warning(
                "The refused token could not be removed from the store (%s)",
                error if isinstance(error, StoreError) else type(error).__name__,
            )
        holding.publish(None)
        return None

    # Memory and store, without an exchange

    def _first_look(self) -> Token | None:
        holding, version = self._holding, self._holding.version
        if holding.is_unseen():
            holding.adopt(self._store.load(), version)
        return holding.token

    def _save_again(self) -> None:
        """Try once more to save a token that the store would not take; never raise.

        A store that takes long to fail is tried the more seldom.
        """
        holding, began = self._holding, time.monotonic()
        if began < holding.save_again_at:
            return
        holding.save_again_at = began + LONGEST_PAUSE  # nobody else meanwhile
        try:
            with self._store.lock(0):
                token = holding.token
                if self._newest() is token and token is not None and holding.unsaved:
                    self._store.save(token)
                    holding.publish(token)
        except Exception as error:  # noqa: BLE001 - the request at hand has nothing to do with it
            logger.debug("The token could still not be saved (%s)", type(error).__name__)
        holding.save_again_at = began + max(FIRST_PAUSE, 10 * (time.monotonic() - began))


def is_endpoint(refresh: Endpoint | RefreshCallable) -> TypeIs[Endpoint]:
    """Whether `refresh` asks and reads, rather than being called."""
    return hasattr(refresh, "ask") and hasattr(refresh, "read")


def _is_better(token: Token | None, stale: Token | None) -> bool:
    """Whether to send `token` where `stale` was refused or is over."""
    if token is None or token.access is None or token.has_expired():
        return False
    return stale is None or token.access != stale.access


def _called(what: str, function: Callable[..., Token], *args: object) -> Token:
    """Call a user's function for a token; whatever it raises becomes one of our errors."""
    try:
        token = function(*args)
    except (RefreshRejected, RefreshUnavailable, StoreError, ReentrantRefresh):
        raise
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything
        told, cause = _told(error), _without_urls(error)
    else:
        if isinstance(token, Token) and token.access is not None:
            return with_expiry(token)
        kind = "Token without an access token" if isinstance(token, Token) else type(token).__name__
        raise RefreshUnavailable(f"{what} returned a {kind}: it must return a Token")
    raise RefreshUnavailable(
        f"{what} failed with {told}. The tokens are kept; to say that the server refused, it must "
        "raise RefreshRejected"
    ) from cause


def _without_urls(error: Exception) -> Exception | None:
    """Return the error as a cause to show; requests' own repeat the URL, where a token may be."""
    return None if isinstance(error, requests.RequestException) else error


def _told(error: Exception) -> str:
    """Return what an error is without its text."""
    answer = getattr(error, "response", None)
    status = f" ({answer.status_code})" if isinstance(answer, requests.Response) else ""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}{status} at {frames[-1].name}, line {frames[-1].lineno}"


def _call_back(callback: Callable[[Any], object] | None, value: object) -> None:
    if callback is None:
        return
    try:
        callback(value)
    except Exception as error:  # noqa: BLE001 - a callback's fault is not the request's
        # Neither its text nor its repr or traceback: a callback is given tokens.
        name = getattr(callback, "__qualname__", type(callback).__name__)
        logger.error("%s raised %s", name, type(error).__name__)  # noqa: TRY400


def _in_a_thread(function: Callable[..., None], *args: object) -> None:
    """Run `function` in a thread that the end of the program waits for."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(function, *args), name=THREAD, daemon=False)
    try:
        thread.start()
    except RuntimeError:  # out of threads, or Python is shutting down
        function(*args)


def _outcome(function: Callable[..., Attempt], *args: object) -> Future[Attempt]:
    """Return what `function` does, whatever it does, as a finished future."""
    finished: Future[Attempt] = Future()
    try:
        finished.set_result(function(*args))
    except JWTRefreshError as failure:
        finished.set_exception(failure)
    except Exception as error:  # noqa: BLE001 - a user's store or endpoint may raise anything
        finished.set_exception(_unavailable(error))
    except BaseException as death:  # noqa: BLE001 - the leader dies of it, and nobody else
        finished.set_exception(death)
    return finished


def _unavailable(error: Exception) -> RefreshUnavailable:
    failure = RefreshUnavailable(f"the refresh failed with {_told(error)}. The tokens are kept")
    failure.__cause__ = _without_urls(error)
    return failure


def _failed(failure: BaseException) -> Future[Attempt]:
    finished: Future[Attempt] = Future()
    finished.set_exception(failure)
    return finished


def _pass_on(outcome: Future[Attempt], to: Future[Attempt]) -> None:
    failure = outcome.exception()
    if failure is None:
        to.set_result(outcome.result())
    else:
        to.set_exception(failure)
