"""The separate session that talks to the refresh endpoint, and the deadline it keeps."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util import Retry, Timeout

from requests_jwt_refresh.authorization import anonymous
from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.responses import TokenResponse
from requests_jwt_refresh.urls import origin_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from requests.cookies import RequestsCookieJar
    from typing_extensions import Self

MAX_RESPONSE_BYTES = 1024 * 1024  # a token answer larger than this is not a token answer
LATE = 0.1  # seconds after the deadline; until then a timeout may speak for itself
RETRIES = 3  # after the first attempt: at once, after 0.5 s, after 1 s


class SendOptions(NamedTuple):
    """How the caller reaches the network: what requests hands to an adapter's send.

    `ssl_context` is that of the adapter which does the sending, if it has one of its own. `url` is
    what all this was for, None if it is for the refresh endpoint.
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
        """Return the same for `url`, without the environment's proxies where no_proxy spares it."""
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
    """A session for one exchange: no netrc, no environment, no redirects, and a deadline.

    `seconds` bounds everything that is sent over it: connecting, retries, their pauses, and an
    answer that trickles in. With `restart_each_time` it bounds each sending on its own, for a login
    that waits for a person in between. The session uses the `wire` of the request that needs the
    token, and `cookies` that outlive it.
    """

    def __init__(
        self,
        seconds: float,
        wire: SendOptions,
        cookies: RequestsCookieJar,
        *,
        restart_each_time: bool = False,
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies = cookies
        self.verify = True if wire.verify is None else wire.verify
        self.cert = wire.cert
        self.proxies = dict(wire.proxies or {})
        transport = _Transport(seconds, wire.ssl_context, restart_each_time=restart_each_time)
        for prefix in ("https://", "http://"):
            self.mount(prefix, transport)

    def get_redirect_target(self, _resp: requests.Response) -> None:
        """Follow none: a refresh token is for its endpoint alone."""


def post(
    session: requests.Session,
    request: requests.Request,
    wire: SendOptions,
    seconds: float,
    source: str = "refresh endpoint",
) -> TokenResponse:
    """Send `request` and return the whole reply, read within `seconds` and MAX_RESPONSE_BYTES.

    `source` is what it is sent to, as it stands in an error's text.

    Raises RefreshUnavailable if there is no whole reply. What the session itself sets for verify,
    cert and proxies goes before what the caller's request used.
    """
    deadline = time.monotonic() + seconds
    if "Authorization" in request.headers:
        request.auth = anonymous  # so that neither netrc nor the session's auth replaces it
    else:
        request.auth = request.auth or session.auth or anonymous
    prepared = session.prepare_request(request)
    try:
        try:
            return _sent(session, prepared, wire, deadline, source)
        except requests.exceptions.ChunkedEncodingError:
            # The answer broke off in its body, where urllib3's retries do not reach.
            if time.monotonic() >= deadline:
                raise
            return _sent(session, prepared, wire, deadline, source)
    except RefreshUnavailable:
        raise
    except OSError as error:  # all of requests' errors are
        what = _what_happened(error, seconds, is_over=time.monotonic() >= deadline)
        where = _where(prepared, source)
        raise RefreshUnavailable(f"{where} {what}. The tokens are kept") from error


def _sent(
    session: requests.Session,
    prepared: requests.PreparedRequest,
    wire: SendOptions,
    deadline: float,
    source: str,
) -> TokenResponse:
    response = session.send(
        prepared,
        timeout=_TimeLeft(deadline),
        verify=wire.verify if session.verify is True else session.verify,
        cert=session.cert or wire.cert,
        proxies={**(wire.proxies or {}), **session.proxies},
        allow_redirects=False,
        stream=True,
    )
    with response, _cut_off(response, deadline):
        body = _body(response, deadline, source)
    if _has_hung_up(session, prepared):
        raise requests.Timeout  # what had come by then only looks like a whole answer
    return TokenResponse(response.status_code, response.headers, body, source=source)


@contextlib.contextmanager
def _cut_off(response: requests.Response, deadline: float) -> Iterator[None]:
    """End a body that trickles in past the deadline, over whatever session it comes."""

    def shut_down() -> None:
        with contextlib.suppress(Exception):  # read to its end, or a transport of another kind
            response.raw.shutdown()

    watch = threading.Timer(max(deadline - time.monotonic(), 0.0) + LATE, shut_down)
    watch.daemon = True
    with contextlib.suppress(RuntimeError):  # no new threads while Python shuts down
        watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _has_hung_up(session: requests.Session, request: requests.PreparedRequest) -> bool:
    return getattr(session.get_adapter(request.url or ""), "hung_up", False)


def _body(response: requests.Response, deadline: float, source: str) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            raise RefreshUnavailable(
                f"{_where(response.request, source)} answered with more than 1 MiB, which is no "
                "token. The tokens are kept"
            )
        if time.monotonic() > deadline:
            raise requests.Timeout
    return bytes(body)


def _where(request: requests.PreparedRequest, source: str) -> str:
    return f"the {source} at {origin_of(request.url)}"


def _what_happened(error: OSError, seconds: float, *, is_over: bool) -> str:
    if isinstance(error, requests.Timeout):
        return f"did not answer within {seconds:g} s"
    if is_over:
        return f"had not answered in full when {seconds:g} s were over"
    return f"could not be reached or hung up ({_root(error)})"


def _root(error: BaseException) -> str:
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


class _TimeLeft(Timeout):
    """A timeout that each attempt finds shrunk to what is left until the deadline."""

    def __init__(self, deadline: float) -> None:
        super().__init__(total=max(deadline - time.monotonic(), 0.001))
        self._deadline = deadline

    def clone(self) -> Timeout:
        return Timeout(total=max(self._deadline - time.monotonic(), 0.001))


class _RetryUntil(Retry):
    """urllib3's Retry, which stops when the next attempt would come after the deadline."""

    deadline: float

    @classmethod
    def deadline_at(cls, deadline: float) -> _RetryUntil:
        retry = cls(
            total=RETRIES,
            other=0,  # a bad certificate does not get better
            redirect=False,
            allowed_methods=None,  # a lost answer is best asked for again inside the grace window
            status_forcelist=(429, 502, 503, 504),
            backoff_factor=0.25,
            raise_on_status=False,
        )
        retry.deadline = deadline
        return retry

    def new(self, **changes: Any) -> Self:
        again = super().new(**changes)
        again.deadline = self.deadline
        return again

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        again = super().increment(*args, **kwargs)
        response, error = kwargs.get("response"), kwargs.get("error")
        pause = (response and again.get_retry_after(response)) or again.get_backoff_time()
        if time.monotonic() + pause >= self.deadline:
            reason = error or ResponseError("no time left for another attempt")
            raise MaxRetryError(kwargs["_pool"], None, reason) from error
        return again


class _Transport(HTTPAdapter):
    """An adapter on which nothing outlives the deadline.

    A socket's timeout starts anew with every byte that comes in, so that a trickle could go on for
    hours. A watch therefore hangs up when the time is over.
    """

    def __init__(
        self, seconds: float, ssl_context: ssl.SSLContext | None, *, restart_each_time: bool
    ) -> None:
        self._pool_options = {} if ssl_context is None else {"ssl_context": ssl_context}
        super().__init__()
        self._seconds = seconds
        self._restart_each_time = restart_each_time
        self._live: list[Any] = []
        self._watch: threading.Timer | None = None
        self.hung_up = False  # whether the time was over before all had been read
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
        if timeout is None:  # a callable endpoint that did not think of it
            timeout = _TimeLeft(self._deadline)
        return super().send(  # by name, as requests does: under `run` a program may have wrapped it
            request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies
        )

    def _start(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._deadline = time.monotonic() + self._seconds
        self.max_retries = _RetryUntil.deadline_at(self._deadline)
        self._watch = threading.Timer(self._seconds + LATE, self._hang_up)
        self._watch.daemon = True
        with contextlib.suppress(RuntimeError):  # no new threads while Python shuts down
            self._watch.start()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **(options | self._pool_options))

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, **(options | self._pool_options))

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = _watched(pool.ConnectionCls, self._live)
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)
        password = getattr(cert, "key_password", None)  # requests has no place for it, HTTPie has
        if password is not None:
            conn.key_password = password

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().close()

    def _hang_up(self) -> None:
        self.hung_up = True
        for connection in self._live:
            if connection.sock is not None:
                with contextlib.suppress(OSError):  # gone already
                    connection.sock.shutdown(socket.SHUT_RDWR)


def _watched(base: type[Any], live: list[Any]) -> type[Any]:
    class Watched(base):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            live.append(self)

    Watched.__name__ = base.__name__
    return Watched
