"""What a refresh does, in the thread of the one that leads it: the exchange, or the login.

Order, always: the server answers, the store saves, memory publishes, the waiters wake, callbacks
are called. "The exchange" is the one call under the store's lock that trades tokens.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import (
    JWTRefreshError,
    ReentrantRefresh,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.refresh.ahead import gains_nothing
from requests_jwt_refresh.refresh.limits import Cooldown
from requests_jwt_refresh.refresh.shared import Attempt
from requests_jwt_refresh.refresh.story import Chapter
from requests_jwt_refresh.refresh.token_cache import is_better
from requests_jwt_refresh.refresh.token_server import explain
from requests_jwt_refresh.tokens import with_values
from requests_jwt_refresh.urls import describe_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.refresh.brake import Brake
    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.refresh.patience import Need
    from requests_jwt_refresh.refresh.shared import SharedState
    from requests_jwt_refresh.refresh.single_flight import Call
    from requests_jwt_refresh.refresh.story import Story
    from requests_jwt_refresh.refresh.token_cache import TokenCache
    from requests_jwt_refresh.refresh.token_server import Login, TokenServer
    from requests_jwt_refresh.tokens import Token

logger = logging.getLogger("requests_jwt_refresh")

MAX_EARLY_WAIT: Final = 5.0  # seconds that an early refresh waits for the store's lock
_INHERITED: Final = (
    "This process was forked with a token in a MemoryStore, which its parent has as well. The "
    "first of the two to refresh it may log the other one out: use a FileStore, which both share"
)


_GIVE_ANOTHER: Final = "give another refresh token: this one may be used up, or of another server"
_GIVE_BOTH: Final = "a refresh takes both tokens here: log in, or call set_token() with both"


class Task(NamedTuple):
    """What a refresh is for.

    `stale` is the token to be replaced. `force`: it is replaced though it may be good. `early`: it
    is still valid, so that a refusal is no logout yet, and nobody logs in. `ahead`: so early that
    nobody waits.
    """

    stale: Token | None
    need: Need
    force: bool = False
    early: bool = False
    ahead: bool = False


class Leader:
    """Gets a new token for one store. Its verbs run in the thread of a call.

    `login` is what logs in by itself, if anything does. `needs_login` is whether somebody has to
    log in before the first refresh. `url` is the endpoint's, absolute. `timeout` is in seconds, for
    each wait for the store's lock.
    """

    def __init__(
        self,
        cache: TokenCache,
        server: TokenServer,
        shared: SharedState,
        story: Story,
        brake: Brake,
        *,
        url: str,
        timeout: float,
        login: Login | None,
        needs_login: bool,
        on_refresh: Callable[[Token], object] | None,
        on_logout: Callable[[RefreshRejected], object] | None,
    ) -> None:
        self._cache = cache
        self._saver = cache.saver
        self._notices = cache.memory.notices
        self._server = server
        self._shared = shared
        self._story = story
        self._brake = brake
        self._url = url
        self._timeout = timeout
        self._login = login
        self._needs_login = needs_login
        self._on_refresh = on_refresh
        self._on_logout = on_logout

    def renew(self, task: Task, call: Call[Attempt]) -> Attempt:
        """Return what the task needs: the store's newer token, the server's, or that of a login.

        Raises RefreshRejected, RefreshUnavailable or StoreError.
        """
        if not task.force:  # the last call may have failed since the leader looked
            self._brake.cooldown_left(task.stale, task.need.since, early=task.early)
        chapter = Chapter(self._story, call)
        if task.ahead:
            chapter.note("ahead", "a refresh begins in the background", url=self._shown_url)
        try:
            attempt = self._refresh(task, call, chapter)
        except JWTRefreshError as failure:
            if self._may_recur(failure, task):
                self._shared.cooldown = Cooldown.after(
                    failure, self._shared.cooldown, is_early=task.early
                )
            raise
        self._shared.cooldown = None
        if attempt.asked:
            chapter.call_at_end(self._on_refresh, attempt.token)
        return attempt

    def _refresh(self, task: Task, call: Call[Attempt], chapter: Chapter) -> Attempt:
        try:
            try:
                return self._exchange(task, chapter)
            except RefreshRejected as refusal:
                if task.early:
                    if self._cache.token is None:  # another program has logged out
                        self._note_logout(chapter, refusal)
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
        self._notices.tell_no_login()  # this says it
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
        task: Task,
        call: Call[Attempt],
        chapter: Chapter,
    ) -> Attempt:
        """Log in; a refusal that this does not mend is a logout."""
        try:
            return self._log_in(login, call, task, chapter)
        except BaseException as failure:  # refused, failed, or interrupted by Ctrl-C
            is_news = self._notices.tell_no_login()
            self._note_logout(chapter, refusal)
            if isinstance(failure, RefreshRejected):
                if refusal.nothing_to_refresh and self._end_session(task):
                    self._note_logout(chapter, failure)
                elif is_news:
                    self._note_refused_login(chapter, failure, task.need)
            raise

    def _end_session(self, task: Task) -> bool:
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

    def _may_recur(self, failure: JWTRefreshError, task: Task) -> bool:
        """Whether the next request would run into the same failure again."""
        if isinstance(failure, RefreshRejected):
            # Then it was the login that was refused, or the client's grant.
            can_start = self._login is not None or not self._needs_login
            return can_start and not task.early
        return not isinstance(failure, ReentrantRefresh)

    def _exchange(self, task: Task, chapter: Chapter) -> Attempt:
        cache, stale, force = self._cache, task.stale, task.force
        timeout = min(self._timeout, MAX_EARLY_WAIT) if task.early else self._timeout
        with cache.hold(stale, timeout, adopt=not force) as adopted:
            if adopted is not None:
                chapter.note("adopted", "the store has a newer token")
                return Attempt(adopted, asked=False)
            has_no_login = not self._needs_login or self._server.no_refresh is not None
            token = cache.reload(may_be_empty=has_no_login)
            if not force and token is not None and is_better(token, stale):
                chapter.note("adopted", "the store has a newer token")
                return Attempt(token, asked=False)
            self._check_token(token, task)
            if token is not None and cache.is_inherited(token) and self._notices.tell_inherited():
                logger.warning(_INHERITED)
            with self._saver.room(token):
                try:
                    fresh = self._ask(token, task.need.find_options(), chapter)
                except RefreshRejected as refusal:
                    chapter.note("refused", f"{refusal.cause}", url=self._shown_url)
                    if task.early:
                        self._shared.not_early = token
                        raise
                    newer = cache.clear_refused()
                    if newer is None:
                        refusal.nothing_to_refresh = token is None  # then it is no logout
                        raise
                    return Attempt(newer, asked=True)
                saved = self._saver.save_new(fresh, token)
        if token is None:
            self._server.keep_cookies_for(saved.login_id)
        elif task.early and gains_nothing(saved, token):
            self._shared.not_early = saved
        return Attempt(saved, asked=True)

    def _check_token(self, token: Token | None, task: Task) -> None:
        """Raise RefreshRejected if `token` is not enough to ask with."""
        lack = self._server.find_lack(token)
        if task.early and token is None:
            lack = "the token has been cleared meanwhile"
        if lack is not None:
            remedy = "log in again" if token is not None else "log in and call set_token() first"
            if self._server.no_refresh is not None:
                remedy = self._server.no_refresh[1]
            raise _nothing_to_refresh(lack, remedy)

    def _log_in(
        self,
        login: Login,
        call: Call[Attempt],
        task: Task,
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
                    saved = self._saver.save_new(fresh, None)
        except (RefreshUnavailable, StoreError) as failure:
            saved = self._saver.keep_unsaved(fresh, failure, epoch)
        if saved is None:
            token = cache.token
            return Attempt(token, asked=False) if is_better(token, stale) else None
        self._server.keep_cookies_for(saved.login_id)
        return Attempt(saved, asked=True)

    def trade(self, given: Token, options: SendOptions, call: Call[Attempt]) -> Attempt:
        """Trade a refresh token that no store has yet, and save what the server gives for it."""
        chapter = Chapter(self._story, call)
        held = None
        with self._cache.hold(None, self._timeout, adopt=False), ExitStack() as stack:
            with suppress(RefreshRejected):  # a logout by another program; this is a login
                held = self._cache.reload()
                if held is not None:
                    stack.enter_context(self._saver.room(held))
            if held is not None:
                given = with_values(given, access=held.access)
            lack = self._server.find_lack(given)
            if lack is not None:
                raise _nothing_to_refresh(lack, _GIVE_BOTH)
            try:
                fresh = self._ask(given, options, chapter)
            except RefreshRejected as refusal:  # nobody has logged in with it here
                refusal.remedy = refusal.remedy.replace("log in again", _GIVE_ANOTHER, 1)
                raise
            except RefreshUnavailable as failure:
                if held is None:  # a first login: there are no tokens to keep
                    failure.remedy = failure.remedy.removeprefix("the tokens are kept; ")
                raise
            self._shared.forget_failures()
            saved = self._saver.save_traded(fresh, given.refresh or "")
            self._server.keep_cookies_for(saved.login_id)
        chapter.note("logged_in", "the server took the refresh token", url=self._shown_url)
        chapter.call_at_end(self._on_refresh, saved)
        return Attempt(saved, asked=True)

    def _ask(self, token: Token | None, options: SendOptions, chapter: Chapter) -> Token:
        """Ask the server, and tell how long it took. Raises RefreshRejected, RefreshUnavailable."""
        began = clock.monotonic()
        fresh = self._server.ask(token, options)
        seconds = clock.monotonic() - began
        self._shared.exchange_seconds = seconds
        chapter.note(
            "refreshed", f"refreshed in {seconds:.3f} s", seconds=seconds, url=self._shown_url
        )
        return fresh

    @property
    def _shown_url(self) -> str:
        return describe_url(self._url)


def _nothing_to_refresh(cause: str, remedy: str) -> RefreshRejected:
    """Return the error of a refresh without a token to ask with, which is no logout."""
    failure = RefreshRejected(cause, remedy)
    failure.nothing_to_refresh = True
    return failure
