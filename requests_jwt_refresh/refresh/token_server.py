"""The server that gives tokens: asked over the separate session, with the cookies of one login."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

from requests_jwt_refresh.authorization import Cookie, Prover
from requests_jwt_refresh.errors import (
    JWTRefreshError,
    RefreshRejected,
    RefreshUnavailable,
    capitalize,
)
from requests_jwt_refresh.refresh.client import (
    ClientSession,
    SendOptions,
    answers_of,
    send_request,
)
from requests_jwt_refresh.refresh.cookies import LoginCookies
from requests_jwt_refresh.refresh.logins import OwnLogin
from requests_jwt_refresh.refresh.logins import needs_login as needs_login  # noqa: PLC0414 - refresher asks here
from requests_jwt_refresh.refresh.sigterm import let_sigterm_through
from requests_jwt_refresh.refresh.user_functions import call_user_function, describe_error
from requests_jwt_refresh.responses import (
    TokenResponse,
    describe_missing_refresh,
    describe_request_fields,
    describe_unread_expiry,
    find_refresh_token,
    keep_cookie,
    keep_other_cookies,
    says_refused,
)
from requests_jwt_refresh.tokens import Token, with_expiry
from requests_jwt_refresh.urls import describe_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests
    from typing_extensions import TypeIs

    from requests_jwt_refresh.authorization import Carrier, Proofs
    from requests_jwt_refresh.endpoints import Endpoint
    from requests_jwt_refresh.refresh.account import Farewell
    from requests_jwt_refresh.refresh.logins import RefusedLogins
    from requests_jwt_refresh.refresh.token_cache import TokenCache

    RefreshCallable = Callable[[requests.Session, Token], Token]
    Login = Callable[[requests.Session], Token]

F = TypeVar("F", bound=JWTRefreshError)

logger = logging.getLogger("requests_jwt_refresh")


class TokenServer:
    """The server behind an endpoint or a function of the user's.

    `url` is the endpoint's, absolute; `endpoint` is None if only logins give tokens. `carrier`
    is what the access token has to be fit for. `timeout` is in seconds, for one exchange with its
    retries. `session` is the user's own for refresh calls, if any. Hold the store's lock to `ask`.
    """

    def __init__(
        self,
        endpoint: Endpoint | RefreshCallable | None,
        url: str,
        cache: TokenCache,
        carrier: Carrier,
        session: requests.Session | None,
        timeout: float,
    ) -> None:
        self._endpoint = endpoint
        self._url = url
        self._memory = cache.memory
        self._notices = cache.memory.notices
        self._saver = cache.saver
        self._carrier = carrier
        self._user_session = session
        self._timeout = timeout
        self._cookies = LoginCookies()

    @property
    def no_refresh(self) -> tuple[str, str] | None:
        """Why the endpoint has never a new token, whatever there is, and what helps; else None."""
        return getattr(self._endpoint, "no_refresh", None)

    def find_lack(self, token: Token | None) -> str | None:
        """Return what there is not that has to be handed in for a new token; None if all is."""
        endpoint = self._endpoint
        if self.no_refresh is not None:
            return self.no_refresh[0]
        if endpoint is None:
            return "there is no refresh, only a login"
        if token is None:
            return "there is no token" if needs_login(endpoint) else None
        if not is_endpoint(endpoint):
            return None  # the function knows what it needs
        if getattr(endpoint, "needs_refresh_token", True) and token.refresh is None:
            return "there is no refresh token"
        hands_in_access = getattr(endpoint, "hands_in_access", False)
        return "there is no access token" if hands_in_access and token.access is None else None

    def ask(self, token: Token | None, options: SendOptions) -> Token:
        """Return the new token for `token`. Raises RefreshRejected or RefreshUnavailable.

        It is None only for an endpoint that needs no login, before its first token. A new refresh
        token is saved even where this fails.
        """
        options = options.for_url(self._url)
        proofs = self._open_proofs(token)
        login_id = self._memory.login_id_of(token)
        with self._session(options, login_id, proofs=proofs) as session:
            if is_endpoint(self._endpoint):
                return self._ask_endpoint(self._endpoint, token, session, options, proofs)
            return self._ask_function(self._endpoint, token, session, proofs)

    def call_login(self, login: Login, options: SendOptions, refused: RefusedLogins) -> Token:
        """Return what the `login` brings. Raises RefreshRejected or RefreshUnavailable.

        One of ours sends no password again that is among the `refused`.
        """
        options = _towards(login, options)
        proofs = self._open_proofs(None)
        with (
            let_sigterm_through(),
            self._session(options, None, interactive=True, proofs=proofs) as session,
        ):
            return self._call_login(login, session, options, refused, proofs)

    def log_in(self, login: OwnLogin, options: SendOptions, refused: RefusedLogins) -> Token:
        """Do the same where no person is asked. If it fails, the cookies stay as they were."""
        options = _towards(login, options)
        proofs = self._open_proofs(None)
        with (
            self._cookies.restore_on_failure(self._user_session),
            self._session(options, None, proofs=proofs) as session,
        ):
            return self._call_login(login, session, options, refused, proofs)

    def _call_login(
        self,
        login: Login,
        session: requests.Session,
        options: SendOptions,
        refused: RefusedLogins,
        proofs: Proofs | None,
    ) -> Token:
        ask: Callable[..., Token] = login
        arguments: tuple[object, ...] = (session,)
        if isinstance(login, OwnLogin):
            ask, arguments = login.obtain, (session, options, refused)
        with answers_of(session) as answers:
            fresh = call_user_function("login", ask, *arguments, is_login=True)
        return self._complete(fresh, answers, "login", proofs)

    def tell(self, farewell: Farewell, token: Token, options: SendOptions) -> None:
        """Tell the server that `token` is no longer needed. Raises RefreshUnavailable."""
        options = options.for_url(farewell.url)
        with self._session(options, self._memory.login_id_of(token)) as session:
            farewell.tell(session, token, options, self._timeout)

    def _open_proofs(self, token: Token | None) -> Proofs | None:
        return self._carrier.open(token) if isinstance(self._carrier, Prover) else None

    def keep_cookies_for(self, login_id: str | None) -> None:
        """Say which login those cookies belong to that came with it."""
        self._cookies.rename(login_id)

    def _ask_endpoint(
        self,
        endpoint: Endpoint,
        token: Token | None,
        session: requests.Session,
        options: SendOptions,
        proofs: Proofs | None,
    ) -> Token:
        logger.debug("asks %s", describe_url(self._url))

        def ask() -> requests.Request:  # its repr shows no URL, which may have a key in its query
            return endpoint.ask(self._url, cast("Token", token))  # None if it needs no login

        request = ask()
        response = send_request(session, request, options, self._timeout, ask=ask, proofs=proofs)
        try:
            with self._rescue(token, [response]):
                fresh = with_expiry(endpoint.read(response))
                fresh = self._complete(fresh, [response], response.source, proofs)
        except RefreshRejected as refusal:
            if not says_refused(response) or _may_be_misplaced(response, token):
                refusal = _name_fields(refusal, request)
            raise refusal.about() from None
        self._warn_of_fields(response, endpoint, token, fresh)
        return fresh

    def _warn_of_fields(
        self, response: TokenResponse, endpoint: Endpoint, token: Token | None, fresh: Token
    ) -> None:
        """Warn, once, of what a good response has in other fields than the endpoint reads."""
        missing, unread = None, None
        if token is not None and not fresh.refresh and needs_login(endpoint):
            missing = describe_missing_refresh(response, endpoint, token.refresh)
        if missing and self._notices.tell_missing_refresh(self._memory.login_id):
            logger.warning("%s", capitalize(missing))
        if fresh.access is not None and fresh.expires_at is None:
            unread = describe_unread_expiry(response, endpoint)
        if unread and self._notices.tell_unread_expiry():
            right = f"name the right field with {unread.option}=, or give {unread.option}=None"
            logger.warning(
                "%s; %s",
                capitalize(unread.problem),
                f"give {unread.suggested}" if unread.suggested else right,
            )

    def _ask_function(
        self,
        function: Any,
        token: Token | None,
        session: requests.Session,
        proofs: Proofs | None,
    ) -> Token:
        answers: list[TokenResponse] = []
        with self._rescue(token, answers):
            with answers_of(session, answers):
                fresh = call_user_function("the refresh callable", function, session, token)
            return self._complete(fresh, answers, "refresh callable", proofs)

    def _complete(
        self, fresh: Token, answers: list[TokenResponse], source: str, proofs: Proofs | None
    ) -> Token:
        """Return `fresh` with what its requests need beside it.

        The cookie that they have to repeat, if `answers` set it, or the key that proves it. Raises
        RefreshUnavailable if no request can carry its access token.
        """
        problem = None if fresh.access is None else self._carrier.find_problem(fresh.access)
        if problem is None:
            if proofs is not None:
                return proofs.bind(fresh)
            place = self._carrier
            csrf = place.csrf if isinstance(place, Cookie) else None
            return fresh if csrf is None else keep_cookie(fresh, csrf[0], answers)
        del fresh  # this frame may be in a traceback
        raise RefreshUnavailable(
            f"the {source} gave an access token that requests cannot carry: {problem}",
            f"{'' if source == 'login' else 'the tokens are kept; '}give another place as attach=",
        )

    @contextmanager
    def _rescue(self, token: Token | None, answers: list[TokenResponse]) -> Iterator[None]:
        """Save a new refresh token out of `answers` if the block gets no access token out of them.

        The server has rotated: without it the next refresh would be a reuse.
        """
        failure: JWTRefreshError
        try:
            yield
        except RefreshRejected:
            raise
        except BaseException as error:
            if not self._save_rescued(token, answers) or not isinstance(error, Exception):
                raise
            failure = _add_to_cause(
                error if isinstance(error, JWTRefreshError) else explain(error),
                "; the new refresh token that came with it was saved",
            )
        else:
            return
        raise failure  # outside: frames of the answer's reading hold tokens

    def _save_rescued(self, token: Token | None, answers: list[TokenResponse]) -> bool:
        """Save the newest refresh token that `answers` give in place of that of `token`, if any."""
        if token is None:
            return False
        for answer in reversed(answers):
            refresh = find_refresh_token(answer, self._endpoint, token.refresh)
            if refresh is not None:
                kept = keep_other_cookies(token, self._endpoint, answer)
                self._saver.save_rescued(kept, refresh)
                return True
        return False

    @contextmanager
    def _session(
        self,
        options: SendOptions,
        login_id: str | None,
        *,
        interactive: bool = False,
        proofs: Proofs | None = None,
    ) -> Iterator[requests.Session]:
        """Give the separate session, with the cookies of that login alone; None is a new one."""
        if self._user_session is not None:
            with self._cookies.lend(login_id, self._user_session):
                yield self._user_session
            return
        jar = self._cookies.jar(login_id)
        with ClientSession(
            self._timeout,
            options,
            jar,
            base_url=options.base_url,
            restart_each_time=interactive,
            proofs=proofs,
        ) as session:
            try:
                yield session
            finally:
                self._cookies.keep(login_id, session.cookies)


def _towards(login: Login, options: SendOptions) -> SendOptions:
    url = login.url if isinstance(login, OwnLogin) else None  # a function's is not known
    return options if url is None else options.for_url(url)


def is_endpoint(refresh: Endpoint | RefreshCallable | None) -> TypeIs[Endpoint]:
    """Whether `refresh` asks and reads, rather than being called."""
    return hasattr(refresh, "ask") and hasattr(refresh, "read")


def explain(error: Exception) -> RefreshUnavailable:
    """Return the error for what an endpoint or function of the user's raised."""
    return RefreshUnavailable(
        f"the refresh failed with {describe_error(error)}",
        "the tokens are kept; mend the endpoint that raised it",
    )


def _may_be_misplaced(response: TokenResponse, token: Token | None) -> bool:
    """Whether a refusal may be that of a wrong URL: an API answers 401 at each of its paths.

    A login that has been refreshed before has had the right one.
    """
    is_first = token is None or token.counter <= 1
    return response.status == HTTPStatus.UNAUTHORIZED and is_first


def _add_to_cause(failure: F, text: str) -> F:
    """Return a copy of `failure` that says more; the frames behind it may hold tokens."""
    longer = failure.about()
    longer.cause += text
    return longer


def _name_fields(refusal: RefreshRejected, request: requests.Request) -> RefreshRejected:
    """Return a copy of `refusal` that names what was sent, in case that is at fault."""
    fields = describe_request_fields(request)
    longer = _add_to_cause(refusal, f"; the request had {fields}" if fields else "")
    names = "the names of its fields" if fields else "its options"
    longer.remedy += f"; if that does not help, check the endpoint's URL and {names}"
    return longer
