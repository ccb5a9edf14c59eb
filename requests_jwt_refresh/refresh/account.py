"""Logging in and out because the program asks for it, each as one call that others wait for."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import (
    JWTRefreshError,
    LockTimeout,
    RefreshRejected,
    RefreshUnavailable,
    StoreError,
)
from requests_jwt_refresh.refresh.logins import RefusedLogins
from requests_jwt_refresh.refresh.shared import Attempt
from requests_jwt_refresh.refresh.story import Chapter
from requests_jwt_refresh.tokens import with_values

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.refresh.client import SendOptions
    from requests_jwt_refresh.refresh.logins import OwnLogin
    from requests_jwt_refresh.refresh.shared import SharedState
    from requests_jwt_refresh.refresh.single_flight import Call
    from requests_jwt_refresh.refresh.story import Story
    from requests_jwt_refresh.refresh.token_cache import TokenCache
    from requests_jwt_refresh.refresh.token_server import TokenServer
    from requests_jwt_refresh.tokens import Token

_FORGOTTEN = "the token is forgotten here, but the server accepts it until it expires"


class Farewell(Protocol):
    """How a server is told that a token is no longer needed."""

    @property
    def url(self) -> str:
        """The URL to tell, absolute."""

    @property
    def needs_access(self) -> bool:
        """Whether the server wants a valid access token."""

    def tell(
        self, session: requests.Session, token: Token, options: SendOptions, seconds: float
    ) -> None:
        """Tell the server over `session`. Raises RefreshUnavailable unless it accepts that."""


class Account:
    """The user's login in one store: begins and ends it. Its verbs run in the thread of a call."""

    def __init__(
        self,
        cache: TokenCache,
        server: TokenServer,
        shared: SharedState,
        story: Story,
        timeout: float,
    ) -> None:
        self._cache = cache
        self._saver = cache.saver
        self._server = server
        self._shared = shared
        self._story = story
        self._timeout = timeout

    # Logging in

    def log_in(self, login: OwnLogin, options: SendOptions, call: Call[Attempt]) -> Attempt:
        """Log in, and save what that brings in place of what there was.

        The store is looked into first, so that one that cannot be written costs no login; no lock
        is held while the server is asked. Raises RefreshRejected, RefreshUnavailable or StoreError,
        after which all is as it was.
        """
        chapter, began = Chapter(self._story, call), clock.monotonic()
        self._check_writable()
        epoch = self._cache.epoch
        refused = RefusedLogins()  # whoever asks for it may send the same password again
        try:
            fresh = self._server.log_in(login, options, refused)
        except RefreshRejected:
            self._shared.refused_logins.add(refused)
            raise
        saved = self._save(fresh, epoch)
        if saved is None:
            return self._give_way()
        self._shared.forget_failures()
        self._server.keep_cookies_for(saved.login_id)
        seconds = clock.monotonic() - began
        chapter.note("logged_in", f"logged in after {seconds:.3f} s", seconds=seconds)
        return Attempt(saved, asked=True)

    def _check_writable(self) -> None:
        """Raise StoreError or RefreshUnavailable if the store cannot take another token."""
        with self._cache.hold(None, self._timeout, adopt=False):
            held = self._reload()
            with self._saver.room(held):
                pass

    def _reload(self) -> Token | None:
        with suppress(RefreshRejected):  # emptied by another program
            return self._cache.reload()
        return None

    def _save(self, fresh: Token, epoch: int) -> Token | None:
        """Save what a login brought that began in `epoch`; None if the user did otherwise since."""
        try:
            with self._cache.hold(None, self._timeout, adopt=False):
                if self._cache.epoch != epoch:
                    return None
                self._reload()
                return self._saver.save_new(fresh, None)
        except (RefreshUnavailable, StoreError) as failure:
            return self._saver.keep_unsaved(fresh, failure, epoch)

    def _give_way(self) -> Attempt:
        """Return the token that was set while the login was under way. RefreshUnavailable: none."""
        token = self._cache.token
        if token is None:
            raise RefreshUnavailable(
                "the token was cleared while the login was under way, so what it brought is not "
                "used",
                "log in again",
            )
        return Attempt(token, asked=False)

    # Logging out

    def log_out(
        self, farewell: Farewell | None, options: SendOptions, call: Call[Attempt]
    ) -> Attempt:
        """Tell the server, if it is known how, and forget the token in any case.

        Under the store's lock, so that nobody refreshes meanwhile. Raises RefreshUnavailable if the
        server was not told, StoreError if the store keeps the token, and LockTimeout, after which
        nothing has changed.
        """
        chapter, failure = Chapter(self._story, call), None
        with ExitStack() as held:
            self._take_lock(held)
            try:
                token = self._find_token()
                if farewell is not None and token is not None:
                    self._tell(farewell, token, options)
            except JWTRefreshError as error:
                failure = error
            self._cache.forget()
        self._shared.forget_failures()
        told = "no logout of the server's is known" if farewell is None else "the server was told"
        told = told if failure is None else f"the server was not told: {failure.cause}"
        chapter.note("logged_out", f"logged out: {told}", url=farewell and farewell.url)
        if failure is not None:
            raise RefreshUnavailable(f"the server was not told: {failure.cause}", _FORGOTTEN)
        return Attempt(None, asked=False)

    def _take_lock(self, held: ExitStack) -> None:
        try:
            held.enter_context(self._cache.hold(None, self._timeout, adopt=False))
        except RefreshUnavailable as error:
            raise LockTimeout(error.cause) from error

    def _find_token(self) -> Token | None:
        try:
            return self._reload()
        except StoreError:
            return self._cache.token  # forgetting it says what is wrong with the store

    def _tell(self, farewell: Farewell, token: Token, options: SendOptions) -> None:
        """Tell the server; with a valid access token if it wants one.

        Raises RefreshUnavailable.
        """
        if farewell.needs_access and token.has_expired() and token.refresh is not None:
            try:
                fresh = self._server.ask(token, options)
            except RefreshRejected:
                return  # it is not valid there any more
            token = with_values(fresh, refresh=fresh.refresh or token.refresh)
        self._server.tell(farewell, token, options)
