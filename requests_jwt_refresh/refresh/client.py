"""The separate session that talks to the refresh endpoint, and one request over it."""

from __future__ import annotations

import copy
import re
import threading
from collections import deque
from contextlib import contextmanager, nullcontext, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests
from requests.structures import CaseInsensitiveDict

from requests_jwt_refresh.authorization import AUTHORIZATION, anonymous, join_cookies
from requests_jwt_refresh.errors import JWTRefreshError, RefreshUnavailable
from requests_jwt_refresh.refresh.deadline import Deadline, cut_off
from requests_jwt_refresh.refresh.foreign_logs import hide_queries
from requests_jwt_refresh.refresh.transport import (
    RENEW,
    NetworkTransport,
    StandInTransport,
    make_transport,
)
from requests_jwt_refresh.refresh.user_functions import describe_error
from requests_jwt_refresh.relative_urls import read_url
from requests_jwt_refresh.responses import TokenResponse
from requests_jwt_refresh.sessions import PlainSession
from requests_jwt_refresh.urls import describe_url, has_scheme, join, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from requests.adapters import BaseAdapter
    from requests.cookies import RequestsCookieJar
    from typing_extensions import Self

    from requests_jwt_refresh.authorization import Proofs
    from requests_jwt_refresh.urls import Origin

MAX_RESPONSE_BYTES: Final = 1024 * 1024  # a larger response holds no token
_CHUNK_BYTES: Final = 64 * 1024
_MOST_ANSWERS: Final = 8  # of a user's function that are kept
# Between two cookies of a joined line stands a comma before the next one's name and "=".
_BETWEEN_COOKIES: Final = re.compile(r",(?=[\t ]*[!#$%&'*+.^_`|~0-9A-Za-z-]+=)")
_SOURCE: Final = "refresh endpoint"
_KEPT: Final = "the tokens are kept; try again later"
CHECK_CERTIFICATE: Final = (
    "the tokens are kept; check the server's certificate, and the verify and cert that the request "
    "was sent with"
)
_MEND_ADAPTER: Final = "the tokens are kept; mend the session, adapter or endpoint that raised it"


class SendOptions(NamedTuple):
    """How the caller reaches the network: an adapter, and what requests hands to its `send`.

    `url` is what they were given for, with a Host header of the caller's own if there was one;
    None if that is the refresh endpoint. `transport` is the adapter that sends API requests, to
    the `origins` that it is mounted for; `base_url` is the API's. `prefixes` are those of the
    session's mounts, the longest first, and whether that adapter is on each. An early refresh has
    `exit_grace` seconds left once the program ends.
    """

    verify: bool | str | None = True
    cert: Any = None
    proxies: Mapping[str, str] | None = None
    url: str | None = None
    host: str | bytes | None = None
    transport: BaseAdapter | None = None
    base_url: str | None = None
    origins: frozenset[Origin] = frozenset()
    prefixes: tuple[tuple[str, bool], ...] = ()
    exit_grace: float | None = None

    def __repr__(self) -> str:
        return f"SendOptions(transport={self.transport!r})"  # a proxy's URL may hold a password

    @classmethod
    def from_environment(cls, url: str) -> Self:
        """Return what a plain session would take from the environment for `url`."""
        with PlainSession() as session:
            found = session.merge_environment_settings(url, {}, None, None, None)
        return cls(found["verify"], found["cert"], found["proxies"])

    def for_url(self, url: str) -> SendOptions:
        """Return the same for `url`, without the environment's proxies if no_proxy excludes it."""
        before, after = origin_of(self.url), origin_of(url)
        if before is None or after is None or before[1:] == after[1:]:
            return self
        found = requests.utils.get_environ_proxies(self.url or "", no_proxy=None)
        if not found or requests.utils.get_environ_proxies(url, no_proxy=None):
            return self
        given = self.proxies or {}
        own = {name: proxy for name, proxy in given.items() if found.get(name) != proxy}
        return self._replace(proxies=own)


class ClientSession(PlainSession):
    """A session for one refresh or login: no netrc, no environment, no redirects, and a deadline.

    `seconds` bounds everything that is sent over it: connecting, retries, their pauses, and a
    response that trickles in. With `restart_each_time` it bounds each request on its own, for a
    login that waits for a person in between. The session uses the send `options` of the request
    that needs the token, and `cookies` that outlive it.

    Relative URLs go below `base_url`, as on a session with the adapter, and raise the same
    InvalidURL; a refresh_session of the user's own takes none. `proofs` are those of what is sent.
    """

    max_bytes: int = MAX_RESPONSE_BYTES
    """Of a response's body that are read at most."""

    def __init__(
        self,
        seconds: float,
        options: SendOptions,
        cookies: RequestsCookieJar,
        *,
        base_url: str | None = None,
        restart_each_time: bool = False,
        proofs: Proofs | None = None,
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.proofs = proofs
        self.cookies = cookies
        self.verify = True if options.verify is None else options.verify
        self.cert = options.cert
        self.proxies = dict(options.proxies or {})
        self.base_url = base_url
        self.listeners: list[Callable[[requests.Response], object]] = []
        transport = make_transport(seconds, options, restart_each_time=restart_each_time)
        for prefix in ("https://", "http://"):
            self.mount(prefix, transport)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare `request`, its URL below the base URL if it is relative."""
        url = None if request.url is None else read_url(request.url)
        if self.base_url is not None and url is not None and not has_scheme(url):
            request = copy.copy(request)  # the caller's own is not written on
            request.url = join(self.base_url, url)
        return super().prepare_request(request)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send `request`, with a proof where there are any, and tell the listeners."""
        with hide_queries():
            if self.proofs is None or hasattr(request, RENEW):
                response = super().send(request, **options)
            else:
                response = self._send_proved(self.proofs, request, options)
        for listener in self.listeners:
            listener(response)
        return response

    def _send_proved(
        self, proofs: Proofs, request: requests.PreparedRequest, options: dict[str, Any]
    ) -> requests.Response:
        """Send `request` with a proof; once more if the server asks for a nonce in it."""

        def renew() -> requests.PreparedRequest:
            proofs.prove(request)
            return request

        vars(request)[RENEW] = renew
        try:
            response = super().send(renew(), **options)
            if options.get("stream"):  # its body is not ours to read
                return response
            answer = TokenResponse(response.status_code, response.headers, response.content)
            if not proofs.note_answer(request.url, answer):
                return response
            return super().send(renew(), **options)
        finally:
            del vars(request)[RENEW]  # a request may be sent again by hand

    def get_redirect_target(self, _resp: requests.Response) -> None:
        """Follow none: a refresh token is for its endpoint alone."""


@contextmanager
def answers_of(
    session: requests.Session, answers: list[TokenResponse] | None = None
) -> Iterator[list[TokenResponse]]:
    """Yield a list that has, after the block, the responses that came over `session` in it.

    Those of this thread, read to their end and of at most MAX_RESPONSE_BYTES, and of them the last
    few. Over a session of the user's own, those to requests with response hooks of their own are
    not seen.
    """
    answers = [] if answers is None else answers
    received: deque[requests.Response] = deque(maxlen=_MOST_ANSWERS)
    thread = threading.get_ident()

    def listen(response: requests.Response, *_args: Any, **_options: Any) -> None:
        if threading.get_ident() == thread:
            received.append(response)

    listeners: list[Any] = []
    with suppress(Exception):  # a session of another kind, with hooks of another kind
        listeners = _find_listeners(session)
    listeners.append(listen)
    try:
        yield answers
    finally:
        with suppress(ValueError):  # taken out by the user's function
            listeners.remove(listen)
        for response in received:
            with suppress(Exception):  # a response of another kind
                answers.extend(_read_again(response))


def _find_listeners(session: requests.Session) -> list[Any]:
    if isinstance(session, ClientSession):
        return session.listeners
    hooks = session.hooks.get("response") or []
    listeners: list[Any] = hooks if isinstance(hooks, list) else [hooks]
    session.hooks["response"] = listeners
    return listeners


def _read_again(response: requests.Response) -> Iterator[TokenResponse]:
    body = response._content  # noqa: SLF001 - .content would read a stream that is the user's
    if isinstance(body, bytes) and len(body) <= MAX_RESPONSE_BYTES:
        source = f"{_SOURCE} at {describe_url(response.url)}"
        yield _make_response(response, body, source)


def send_request(
    session: requests.Session,
    request: requests.Request,
    options: SendOptions,
    seconds: float,
    source: str = _SOURCE,
    *,
    ask: Callable[[], requests.Request] | None = None,
    proofs: Proofs | None = None,
) -> TokenResponse:
    """Send `request` and return the whole response, read within `seconds` and MAX_RESPONSE_BYTES.

    What the session itself sets for verify, cert and proxies goes before the `options` of the
    caller's request. `source` is what is asked, as it stands in an error's text; the URL is added.
    Each time that it is sent again, `ask` makes it anew, since what a client has signed is good
    for one request. `proofs` go with it, those of the session unless given.

    Raises RefreshUnavailable if there is no whole response.
    """
    source = f"{source} at {describe_url(request.url)}"
    deadline = monotonic() + seconds
    failure: JWTRefreshError
    try:
        return exchange(session, request, options, seconds, source, ask=ask, proofs=proofs)
    except JWTRefreshError as error:
        failure = error.about()
    except OSError as error:  # all of requests' errors are
        what = _describe_failure(error, seconds, is_late=monotonic() >= deadline)
        is_untrusted = isinstance(error, requests.exceptions.SSLError)
        failure = RefreshUnavailable(
            f"the {source} {what}", CHECK_CERTIFICATE if is_untrusted else _KEPT
        )
    except Exception as error:  # noqa: BLE001 - an adapter of the user's may raise anything
        failure = RefreshUnavailable(
            f"the {source} could not be asked: {describe_error(error)}", _MEND_ADAPTER
        )
    raise failure  # outside: the frames of what was raised, down to urllib3's, hold the tokens


def exchange(
    session: requests.Session,
    request: requests.Request,
    options: SendOptions,
    seconds: float,
    source: str,
    *,
    ask: Callable[[], requests.Request] | None = None,
    proofs: Proofs | None = None,
) -> TokenResponse:
    """Do the same, but raise what requests raises: for a request without secrets."""
    proofs = proofs or getattr(session, "proofs", None)

    def prepare(request: requests.Request) -> requests.PreparedRequest:
        prepared = _prepare(session, request)
        if proofs is not None:
            proofs.prove(prepared)
        vars(prepared)[RENEW] = renew
        return prepared

    def renew() -> requests.PreparedRequest:
        return prepare(request if ask is None else ask())

    prepared = prepare(request)
    deadline = _find_deadline(session, prepared, options, seconds)
    try:
        response = _send(session, prepared, options, deadline, source)
    except requests.exceptions.ChunkedEncodingError:
        # The response broke off in its body, where urllib3's retries do not reach.
        if deadline.has_passed():
            raise
        response = _send(session, renew(), options, deadline, source)
    if proofs is not None and proofs.note_answer(prepared.url, response):
        response = _send(session, renew(), options, deadline, source)
        proofs.note_answer(prepared.url, response)
    return response


def _prepare(session: requests.Session, request: requests.Request) -> requests.PreparedRequest:
    request = copy.copy(request)  # it is asked with again, and an error may say what it had
    headers = CaseInsensitiveDict(request.headers or {})
    if not isinstance(session, ClientSession):  # it may cache what it is not told to leave alone
        headers = CaseInsensitiveDict({"Cache-Control": "no-store", **headers})  # RFC 9111 §5.2.1.5
    if AUTHORIZATION.name in headers:
        request.auth = anonymous  # so that neither netrc nor the session's auth replaces it
    else:
        request.auth = request.auth or session.auth or anonymous
    cookies = headers.pop("Cookie", None)  # with it, requests would leave out the jar's
    request.headers = headers
    prepared = session.prepare_request(request)
    if cookies is not None:
        prepared.headers["Cookie"] = join_cookies(prepared.headers.get("Cookie"), str(cookies))
    return prepared


def _send(
    session: requests.Session,
    prepared: requests.PreparedRequest,
    options: SendOptions,
    deadline: Deadline,
    source: str,
) -> TokenResponse:
    with hide_queries():
        response = session.send(
            prepared,
            timeout=None if isinstance(session, ClientSession) else deadline.timeout(),
            verify=options.verify if session.verify is True else session.verify,
            cert=session.cert or options.cert,
            proxies={**(options.proxies or {}), **session.proxies},
            allow_redirects=False,
            stream=True,
        )
    try:
        is_watched = getattr(_find_adapter(session, prepared), "is_watched", True)
        with cut_off(response, deadline) if is_watched else nullcontext():
            body = _read_body(response, deadline, source, _find_limit(session))
    finally:
        if response.raw is not None:  # as it is in a response that a fake made up
            response.close()
    if _has_hung_up(session, prepared):
        raise requests.Timeout  # what came until it hung up only looks like a whole response
    return _make_response(response, body, source)


def _make_response(response: requests.Response, body: bytes, source: str) -> TokenResponse:
    return TokenResponse(
        response.status_code,
        response.headers,
        body,
        source=source,
        set_cookies=read_set_cookies(response),
    )


def read_set_cookies(response: requests.Response) -> tuple[str, ...]:
    """Return the Set-Cookie lines one by one: requests joins them, and a date has a comma, too."""
    headers = getattr(response.raw, "headers", None)
    get_list = getattr(headers, "getlist", None)
    if callable(get_list):
        return tuple(map(str, get_list("Set-Cookie")))
    joined = response.headers.get("Set-Cookie") or ""
    return tuple(filter(None, map(str.strip, _BETWEEN_COOKIES.split(joined))))


def _find_deadline(
    session: requests.Session,
    request: requests.PreparedRequest,
    options: SendOptions,
    seconds: float,
) -> Deadline:
    """Return that of our own adapter, and a new one for another."""
    adapter = _find_adapter(session, request)
    if isinstance(adapter, (NetworkTransport, StandInTransport)):
        return adapter.deadline
    return Deadline(seconds, options.exit_grace, request.url)


def _has_hung_up(session: requests.Session, request: requests.PreparedRequest) -> bool:
    return getattr(_find_adapter(session, request), "has_hung_up", False)


def _find_adapter(session: requests.Session, request: requests.PreparedRequest) -> BaseAdapter:
    return session.get_adapter(request.url or "")


def _find_limit(session: requests.Session) -> int:
    return session.max_bytes if isinstance(session, ClientSession) else MAX_RESPONSE_BYTES


def _read_body(response: requests.Response, deadline: Deadline, source: str, limit: int) -> bytes:
    body = bytearray()
    for chunk in _iterate(response):
        body += chunk
        if len(body) > limit:
            is_token = limit == MAX_RESPONSE_BYTES
            size = "1 MiB, which is no token" if is_token else f"{limit // 1024} KiB"
            raise RefreshUnavailable(
                f"the {source} answered with more than {size}",
                "the tokens are kept; check the URL, and what answers there",
            )
        if deadline.has_passed():
            raise requests.Timeout
    return bytes(body)


def _iterate(response: requests.Response) -> Iterable[bytes]:
    if response.raw is None:
        return [response.content or b""]
    return response.iter_content(_CHUNK_BYTES)


def _describe_failure(error: OSError, seconds: float, *, is_late: bool) -> str:
    if isinstance(error, requests.Timeout) or isinstance(_find_root(error), TimeoutError):
        return f"did not answer within {seconds:g} s"
    if is_late:
        return f"had not answered in full after {seconds:g} s"
    return f"could not be reached or hung up ({_describe_root(error)})"


def _describe_root(error: BaseException) -> str:
    """Return the kind of the innermost error and, if the system has one, its reason."""
    root = _find_root(error)
    strerror = getattr(root, "strerror", None)
    return f"{type(root).__name__}: {strerror}" if strerror else type(root).__name__


def _find_root(error: BaseException) -> BaseException:
    inner: BaseException | None = error
    while inner is not None:
        error = inner
        reason = getattr(error, "reason", None) or next(
            (arg for arg in error.args if isinstance(arg, BaseException)), None
        )
        inner = reason if isinstance(reason, BaseException) else error.__cause__
    return error
