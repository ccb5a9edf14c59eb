"""The separate session that talks to the refresh endpoint, and one request over it."""

from __future__ import annotations

import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests
from requests.adapters import HTTPAdapter

from requests_jwt_refresh.authorization import AUTHORIZATION, anonymous
from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.refresh.deadline import TimeLeft, Watchdog, cut_off
from requests_jwt_refresh.refresh.retries import RetryUntil
from requests_jwt_refresh.responses import TokenResponse
from requests_jwt_refresh.urls import origin_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from requests.cookies import RequestsCookieJar
    from typing_extensions import Self

MAX_RESPONSE_BYTES: Final = 1024 * 1024  # a larger response holds no token
_CHUNK_BYTES: Final = 64 * 1024
_KEPT: Final = "the tokens are kept; try again later"
_CHECK_CERTIFICATE: Final = (
    "the tokens are kept; check the server's certificate, and the verify and cert that the request "
    "was sent with"
)


class SendOptions(NamedTuple):
    """How the caller reaches the network: what requests hands to an adapter's send.

    `ssl_context` is that of the adapter which does the sending, if it has one of its own. `url` is
    the URL that the other options were made for; None if that is the refresh endpoint.
    """

    verify: bool | str | None = True
    cert: Any = None
    proxies: Mapping[str, str] | None = None
    ssl_context: ssl.SSLContext | None = None
    url: str | None = None

    @classmethod
    def from_environment(cls, url: str) -> Self:
        """Return what a plain session would take from the environment for `url`."""
        with requests.Session() as session:
            found = session.merge_environment_settings(url, {}, None, None, None)
        return cls(found["verify"], found["cert"], found["proxies"])

    def for_url(self, url: str) -> SendOptions:
        """Return the same for `url`, without the environment's proxies if no_proxy excludes it."""
        before, after = origin_of(self.url), origin_of(url)
        if before is None or after is None or before[1:] == after[1:]:
            return self._replace(url=None)
        found = requests.utils.get_environ_proxies(self.url or "", no_proxy=None)
        if not found or requests.utils.get_environ_proxies(url, no_proxy=None):
            return self._replace(url=None)
        given = self.proxies or {}
        own = {name: proxy for name, proxy in given.items() if found.get(name) != proxy}
        return self._replace(url=None, proxies=own)


class ClientSession(requests.Session):
    """A session for one refresh or login: no netrc, no environment, no redirects, and a deadline.

    `seconds` bounds everything that is sent over it: connecting, retries, their pauses, and a
    response that trickles in. With `restart_each_time` it bounds each request on its own, for a
    login that waits for a person in between. The session uses the send `options` of the request
    that needs the token, and `cookies` that outlive it.
    """

    def __init__(
        self,
        seconds: float,
        options: SendOptions,
        cookies: RequestsCookieJar,
        *,
        restart_each_time: bool = False,
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies = cookies
        self.verify = True if options.verify is None else options.verify
        self.cert = options.cert
        self.proxies = dict(options.proxies or {})
        transport = _Transport(seconds, options.ssl_context, restart_each_time=restart_each_time)
        for prefix in ("https://", "http://"):
            self.mount(prefix, transport)

    def get_redirect_target(self, _resp: requests.Response) -> None:
        """Follow none: a refresh token is for its endpoint alone."""


def send_request(
    session: requests.Session,
    request: requests.Request,
    options: SendOptions,
    seconds: float,
    source: str = "refresh endpoint",
) -> TokenResponse:
    """Send `request` and return the whole response, read within `seconds` and MAX_RESPONSE_BYTES.

    What the session itself sets for verify, cert and proxies goes before the `options` of the
    caller's request. `source` is what is asked, as it stands in an error's text.

    Raises RefreshUnavailable if there is no whole response.
    """
    deadline = monotonic() + seconds
    if AUTHORIZATION.name in request.headers:
        request.auth = anonymous  # so that neither netrc nor the session's auth replaces it
    else:
        request.auth = request.auth or session.auth or anonymous
    prepared = session.prepare_request(request)
    try:
        try:
            return _send(session, prepared, options, deadline, source)
        except requests.exceptions.ChunkedEncodingError:
            # The response broke off in its body, where urllib3's retries do not reach.
            if monotonic() >= deadline:
                raise
            return _send(session, prepared, options, deadline, source)
    except RefreshUnavailable:
        raise
    except OSError as error:  # all of requests' errors are
        what = _describe_failure(error, seconds, is_late=monotonic() >= deadline)
        raise RefreshUnavailable(
            f"{_describe_target(prepared, source)} {what}",
            _CHECK_CERTIFICATE if isinstance(error, requests.exceptions.SSLError) else _KEPT,
        ) from error


def _send(
    session: requests.Session,
    prepared: requests.PreparedRequest,
    options: SendOptions,
    deadline: float,
    source: str,
) -> TokenResponse:
    response = session.send(
        prepared,
        timeout=TimeLeft(deadline),
        verify=options.verify if session.verify is True else session.verify,
        cert=session.cert or options.cert,
        proxies={**(options.proxies or {}), **session.proxies},
        allow_redirects=False,
        stream=True,
    )
    with response, cut_off(response, deadline):
        body = _read_body(response, deadline, source)
    if _has_hung_up(session, prepared):
        raise requests.Timeout  # what came until it hung up only looks like a whole response
    return TokenResponse(response.status_code, response.headers, body, source=source)


def _has_hung_up(session: requests.Session, request: requests.PreparedRequest) -> bool:
    return getattr(session.get_adapter(request.url or ""), "has_hung_up", False)


def _read_body(response: requests.Response, deadline: float, source: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise RefreshUnavailable(
                f"{_describe_target(response.request, source)} answered with more than 1 MiB, "
                "which is no token",
                "the tokens are kept; check the URL, and what answers there",
            )
        if monotonic() > deadline:
            raise requests.Timeout
    return bytes(body)


def _describe_target(request: requests.PreparedRequest, source: str) -> str:
    return f"the {source} at {origin_of(request.url)}"


def _describe_failure(error: OSError, seconds: float, *, is_late: bool) -> str:
    if isinstance(error, requests.Timeout):
        return f"did not answer within {seconds:g} s"
    if is_late:
        return f"had not answered in full after {seconds:g} s"
    return f"could not be reached or hung up ({_describe_root(error)})"


def _describe_root(error: BaseException) -> str:
    """Return the kind of the innermost error and, if the system has one, its reason."""
    inner: BaseException | None = error
    while inner is not None:
        error = inner
        reason = getattr(error, "reason", None) or next(
            (arg for arg in error.args if isinstance(arg, BaseException)), None
        )
        inner = reason if isinstance(reason, BaseException) else error.__cause__
    strerror = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {strerror}" if strerror else type(error).__name__


class _Transport(HTTPAdapter):
    """An adapter on which nothing outlives the deadline: a watchdog hangs up."""

    def __init__(
        self, seconds: float, ssl_context: ssl.SSLContext | None, *, restart_each_time: bool
    ) -> None:
        self._pool_options = {} if ssl_context is None else {"ssl_context": ssl_context}
        super().__init__()
        self._seconds = seconds
        self._restart_each_time = restart_each_time
        # Written by the session's thread, read by the watchdog's: each is one step, without a lock.
        self._connections: list[Any] = []
        self._watchdog: Watchdog | None = None
        self.has_hung_up = False  # the deadline came before all had been read
        self._start()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        if self._restart_each_time:
            self._start()
        if timeout is None:  # an endpoint function that gave none
            timeout = TimeLeft(self._deadline)
        return super().send(  # by name, as requests does: a program may have wrapped it
            request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies
        )

    def _start(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
        self._deadline = monotonic() + self._seconds
        self.max_retries = RetryUntil.policy_until(self._deadline)
        self._watchdog = Watchdog(self._seconds, self._hang_up)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **(options | self._pool_options))

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **(options | self._pool_options))

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = _make_recording_class(pool.ConnectionCls, self._connections)
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)
        # requests knows no password of a key; a `cert` that is more than its pair may have one.
        password = getattr(cert, "key_password", None)
        if password is not None:
            conn.key_password = password

    def close(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
        super().close()

    def _hang_up(self) -> None:
        self.has_hung_up = True
        for connection in self._connections:
            if connection.sock is not None:
                with suppress(OSError):  # closed already
                    connection.sock.shutdown(socket.SHUT_RDWR)


def _make_recording_class(base: type[Any], connections: list[Any]) -> type[Any]:
    """Return a connection class that adds each of its connections to `connections`."""

    class Recording(base):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            connections.append(self)

    Recording.__name__ = base.__name__
    return Recording
