"""An adapter that sends a profile's token through the adapter that a session has itself."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.authorization import AUTHORIZATION, Cookie, Header
from requests_jwt_refresh.errors import JWTRefreshError, StoreError
from requests_jwt_refresh.inject.forks import ForkLock
from requests_jwt_refresh.inject.report import (
    has_warned_unmatched,
    warn_no_token,
    warn_not_logged_in,
    warn_refused,
    warn_unmatched,
)
from requests_jwt_refresh.inject.unmatched import describe_unmatched
from requests_jwt_refresh.matching import any_401, may_match
from requests_jwt_refresh.profiles.remembered import RememberedLogin
from requests_jwt_refresh.urls import describe_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests
    from requests import PreparedRequest, Response
    from requests.adapters import BaseAdapter
    from typing_extensions import Self

    from requests_jwt_refresh.errors import RefreshRejected
    from requests_jwt_refresh.profiles.load import Profile
    from requests_jwt_refresh.refresh.patience import Need
    from requests_jwt_refresh.stores.base import TokenStore

# Headers of any request, which hold words that an answer may well have too.
_WITHOUT_SECRETS: Final = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent"}
)
_REPEATED_SLASHES: Final = re.compile("(?<!:)/{2,}")
_PAUSE = 3.0  # seconds between two looks into a store that is empty
_LONG_PAUSE = 60.0  # seconds after a look that took longer than _SLOW
_SLOW = 1.0  # seconds


class StoreWatch:
    """Looks into the store of a profile while there is no token: its user may log in meanwhile.

    A keyring takes long to answer, or never does. So there is one look in some seconds for all
    threads of the process, and none for a while after one that took too long.
    """

    def __init__(self) -> None:
        self._lock = ForkLock()  # held during a look, in which much may be imported
        self._next_look = 0.0  # clock.monotonic()
        self._looking: int | None = None  # the process in which a look is under way
        self.has_answered = False
        self.had_token = False
        """Whether there has been a token in this process."""
        self._sending: set[RequestContext] = set()  # with a token; one of them may lead a refresh
        self._has_lost_token = False
        if hasattr(os, "register_at_fork"):  # the other threads are not in the child
            os.register_at_fork(after_in_child=self._sending.clear)

    @contextlib.contextmanager
    def note_sending(self, adapter: ProfileAdapter) -> Iterator[None]:
        """Note a request that is sent with a token: it may lead a refresh, and tell of a refusal.

        So it is the last of them that says that the login has ended, if no refusal was told.
        """
        context = adapter.context
        self.had_token |= adapter.token is not None
        self._sending.add(context)
        try:
            yield
        finally:
            self._sending.discard(context)
            if self._has_lost_token:
                self._tell_if_still_lost(adapter)

    def tell_lost_token(self, profile: Profile) -> None:
        """Say that there is no token any more; now, or at the end of the last request."""
        self._has_lost_token = self.had_token  # first: whoever leaves looks at it last
        if not (self.had_token and self._sending):
            self._has_lost_token = False
            warn_not_logged_in(profile, has_ended=self.had_token)

    def _tell_if_still_lost(self, adapter: ProfileAdapter) -> None:
        if adapter.token is None:
            self.tell_lost_token(adapter.profile)
        else:  # there has been a login meanwhile
            self._has_lost_token = False

    def may_have_token(self, adapter: ProfileAdapter) -> bool:
        """Return whether there is a token, after a look if it is time for one. Raises StoreError.

        Threads that come during the first look wait for it; during another one they do not.
        """
        if self.has_answered and adapter.token is not None:
            return True
        with self._lock.hold(wait=not self.has_answered) as is_held:
            if is_held and self._is_time():
                self._look(adapter)
        return self.has_answered and adapter.token is not None

    def _is_time(self) -> bool:
        if self._looking is not None:  # a request that the look itself makes, or in a forked child
            return self._looking != os.getpid()
        return clock.monotonic() >= self._next_look

    def _look(self, adapter: ProfileAdapter) -> None:
        began = clock.monotonic()
        self._looking = os.getpid()
        try:
            if self.has_answered:
                adapter.reload()
            else:
                import filelock  # noqa: F401 - as the first refresh will

                _ = adapter.token
                self.has_answered = True
        except ImportError as error:  # of what the program's environment lacks, or hides
            remedy = getattr(error, "remedy", "install it in the program's environment")
            raise StoreError(f"the store cannot be used: {error}", remedy) from None
        finally:
            now = clock.monotonic()
            is_slow = now - began > _SLOW
            self._next_look = now + (_LONG_PAUSE if is_slow else _find_pause(adapter.profile.store))
            self._looking = None


def _find_pause(store: TokenStore) -> float:
    from requests_jwt_refresh.stores.file import FileStore

    return 0.0 if isinstance(store, FileStore) else _PAUSE  # a file is read in no time


_watches: dict[str, StoreWatch] = {}  # by the profile's reference


@dataclass(eq=False)
class RequestContext:
    """One request of the program while it is being sent, and the options that came with it."""

    wrapped: BaseAdapter | None = None
    """The session's own adapter."""
    wrapped_send: Callable[..., Response] | None = None
    """What the session would have called; the transport's own `send` if None."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The options that the session gave, and no others."""
    token_header: str = AUTHORIZATION.name
    """The header in which the token is sent."""
    last_sent: PreparedRequest | None = None
    """The request that was sent last, with a token."""
    send_count: int = 0
    has_matched: bool = False
    """Whether an answer has meant that the token has expired."""
    unmatched: str = ""
    """What the last answer looked like that did not mean it, if the rule was asked."""
    raised: BaseException | None = None
    """The last of our own errors that `wrapped_send` has raised."""

    def has_sent(self, wrapped: BaseAdapter, request: PreparedRequest | requests.Request) -> bool:
        """Whether `request` is the one that was sent last, or a copy of it with the same token."""
        if wrapped is not self.wrapped or self.last_sent is None:
            return False
        header = self.last_sent.headers.get(self.token_header)
        has_same_token = header is not None and request.headers.get(self.token_header) == header
        return request is self.last_sent or has_same_token


class ProfileAdapter(JWTRefreshAdapter):
    """The adapter of one profile, for programs that know nothing of it.

    A token that the program sets itself is treated as everywhere (authorization.py): one in the
    place of ours is taken for a stale one and replaced, Basic and the like are the program's own.
    """

    needs_profiles: ClassVar[bool] = True  # the user asked for tokens: say so if there are none
    accepts_relative_urls = False  # without us they are an error, and so they are with us
    context: RequestContext

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        options = profile.options()
        if isinstance(options.get("login"), RememberedLogin):
            options["login"] = replace(options["login"], on_failure=self._warn_of_login)
        super().__init__(
            on_logout=partial(warn_refused, profile.name, profile.reference), **options
        )
        self._token_urls = profile.own_urls()
        self._watch = _watches.setdefault(profile.reference, StoreWatch())

    @property
    def token_header(self) -> str:
        """The header in which the token is sent."""
        carrier = self._outgoing.carrier
        if isinstance(carrier, Cookie):
            return "Cookie"
        return carrier.name if isinstance(carrier, Header) else AUTHORIZATION.name

    def with_transport(self, transport: BaseAdapter, context: RequestContext | None = None) -> Self:
        """Return an adapter for one request, which shares the token and all state with this one."""
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound.transport = transport
        bound.context = context or RequestContext()
        return bound

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send `request` with the profile's token, or without one if none is available."""
        options = (stream, timeout, verify, cert, proxies)
        if self.leaves_alone(request):
            return self._transport_send(request, *options)
        try:
            if not (self._watch.may_have_token(self) or self.profile.can_fetch_token):
                return self._send_without_token(request, *options)
            with self._watch.note_sending(self):
                response = super().send(request, *options)
        except JWTRefreshError as error:
            if error is self.context.raised:  # by the program's own adapter
                raise
            warn_no_token(self.profile.name, error, self.profile.reference)
            # With a response it was the refresh that failed, without one nothing has been sent.
            if error.response is None:
                return self._transport_send(request, *options)
            return error.response
        if self._is_refusal(response):
            self._warn_if_logged_out()
            self._warn_if_unmatched(request, response)
        return response

    def _says_expired(self, response: Response, need: Need, *, stream: bool) -> bool:
        matcher, context = self._safe_matcher, self.context

        def match(seen: Response) -> bool:
            is_expired = matcher(seen)
            is_news = not has_warned_unmatched(self.profile)
            if is_news and not is_expired and seen.status_code == HTTPStatus.UNAUTHORIZED:
                with contextlib.suppress(Exception):  # an adapter's own response may lack anything
                    context.unmatched = describe_unmatched(self._when, seen, self._find_secrets())
            return is_expired

        self._safe_matcher = match  # type: ignore[assignment]  # this adapter is of one request
        try:
            has_expired = super()._says_expired(response, need, stream=stream)
        finally:
            self._safe_matcher = matcher
        context.has_matched |= has_expired
        return has_expired

    def _find_secrets(self) -> tuple[str, ...]:
        """Return what no line may show: the tokens in use, and what the request has carried."""
        token, sent = self.token, self.context.last_sent
        found = [] if token is None else [token.access, token.refresh]
        for name, value in () if sent is None else sent.headers.items():
            if name.lower() not in _WITHOUT_SECRETS:
                text = value.decode("latin-1") if isinstance(value, bytes) else value
                found += text.split(" ")[-1:] if name.lower() == "authorization" else [text]
        return tuple(each for each in found if each)

    def _warn_if_unmatched(self, request: PreparedRequest, response: Response) -> None:
        """Say what a 401 to our token looked like, if the profile's rule does not match it.

        Not if the token is known to be alive: a program may expect such a 401, at each of its runs.
        """
        if response.status_code != HTTPStatus.UNAUTHORIZED or self.context.has_matched:
            return
        if has_warned_unmatched(self.profile):
            return
        if self.profile.environment is not None or self._outgoing.carrier.is_callers(request):
            return
        if self._prover is not None and self._prover.asks_for_nonce(response):
            return
        with contextlib.suppress(Exception):  # a store that fails has been reported before
            token = self.token
            is_known_alive = token and token.expires_at is not None and not token.has_expired()
            if token is not None and token.access is not None and not is_known_alive:
                looks = self.context.unmatched or describe_unmatched(any_401, response)
                warn_unmatched(self.profile, describe_url(response.url), looks)

    def leaves_alone(self, request: PreparedRequest) -> bool:
        """Whether the request itself is about tokens: a program may log in or refresh by hand."""
        return self.is_about_tokens(request.url or "")

    def is_about_tokens(self, url: str) -> bool:
        """Whether `url` is where tokens are given, renewed or taken back."""
        bare = url.partition("?")[0].partition("#")[0]
        return _REPEATED_SLASHES.sub("/", bare) in self._token_urls

    def _warn_of_login(self, failure: RefreshRejected) -> None:
        if not failure.nothing_to_refresh:  # else _warn_if_logged_out() says so
            warn_refused(self.profile.name, self.profile.reference, failure)

    def _send_without_token(self, request: PreparedRequest, *options: Any) -> Response:
        response = self._transport_send(self._outgoing.without_token(request), *options)
        if self._is_refusal(response) and self._watch.has_answered:
            self._watch.tell_lost_token(self.profile)
        return response

    def _is_refusal(self, response: Response) -> bool:
        """Whether the API's answer may mean that a token is missing; some say so with a 403."""
        status = response.status_code
        if status < HTTPStatus.BAD_REQUEST:
            return False
        return status == HTTPStatus.UNAUTHORIZED or may_match(self._when, status)

    def _transport_send(self, request: PreparedRequest, *options: Any) -> Response:
        context = self.context
        context.send_count += 1
        try:
            if context.wrapped_send is None:
                return super()._transport_send(request, *options)
            context.last_sent = request
            return context.wrapped_send(request, **context.options)
        except JWTRefreshError as error:
            context.raised = error
            raise

    def _warn_if_logged_out(self) -> None:
        with contextlib.suppress(Exception):  # a store that fails has been reported before
            if self.token is None:
                self._watch.tell_lost_token(self.profile)
