"""How a refresh reaches the network: the way that API requests take, within a deadline.

An HTTPAdapter that sends API requests is asked for a connection pool by the hooks that requests
documents for its subclasses; what it knows of TLS, certificates and proxies is in there. A copy
of that pool does the sending, so that the deadline and the retries of a refresh are no matter of
the API's connections. Connections of urllib3's own keep the deadline by themselves; on those of
another kind a watchdog hangs up. An adapter that reaches no network (WSGI, a fake for tests)
answers itself.
"""

from __future__ import annotations

import copy
import inspect
import os
import socket
import threading
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPConnectionPool

from requests_jwt_refresh.errors import RefreshUnavailable
from requests_jwt_refresh.given_files import check_kind
from requests_jwt_refresh.refresh.connections import can_keep_deadline, make_connection_class
from requests_jwt_refresh.refresh.deadline import Deadline, TimeLeft, Watchdog
from requests_jwt_refresh.refresh.retries import RetryUntil
from requests_jwt_refresh.urls import describe_url, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    import requests

    from requests_jwt_refresh.refresh.client import SendOptions

RENEW: Final = "renew_before_retry"
"""An attribute of a prepared request: a function that returns it as it is sent again."""

_NETWORK_CALLS: Final = frozenset({"send", "urlopen"})
_REQUESTS_CLASSES: Final = (HTTPAdapter, BaseAdapter, object)


def make_transport(
    seconds: float, options: SendOptions, *, restart_each_time: bool
) -> NetworkTransport | StandInTransport:
    """Return an adapter that sends as the adapter of the `options` does, within `seconds`."""
    if options.transport is not None and is_stand_in(options.transport):
        return StandInTransport(seconds, options, restart_each_time=restart_each_time)
    return NetworkTransport(seconds, options, restart_each_time=restart_each_time)


class NetworkTransport(HTTPAdapter):
    """An adapter on which nothing outlives the deadline."""

    def __init__(self, seconds: float, options: SendOptions, *, restart_each_time: bool) -> None:
        super().__init__()
        adapter = options.transport
        self._hooks = adapter if isinstance(adapter, HTTPAdapter) else HTTPAdapter()
        if isinstance(adapter, NetworkTransport):  # of a login that asks another server first
            self._hooks = adapter._hooks  # noqa: SLF001 - of the same class
        self._api_url = options.base_url
        self._host, self._host_url = options.host, options.url
        self.deadline = Deadline(seconds, options.exit_grace)
        self.max_retries = RetryUntil.policy_until(self.deadline)
        self._restart_each_time = restart_each_time
        self._pools: dict[HTTPConnectionPool, HTTPConnectionPool] = {}  # theirs -> ours
        # Written by the session's thread, read by the watchdog's: each is one step, without a lock.
        self._connections: list[Any] = []
        self._watchdog: Watchdog | None = None
        self.is_watched = False  # some connections do not keep the deadline by themselves
        self.has_hung_up = False  # on one of these, before all had been read
        self._sending = threading.local()  # a login may send from several threads

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
            self._restart()
        self.deadline.url = request.url
        self._sending.renew, self._sending.is_retry = getattr(request, RENEW, None), False
        request = self._name_host(request)
        if timeout is None:  # what a function of the user's gives is kept, up to the deadline
            timeout = TimeLeft(self.deadline)
        return super().send(  # by name, as requests does: a program may have wrapped it
            request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies
        )

    def _restart(self) -> None:
        self.deadline.restart()
        if self.is_watched:
            self._watch()

    def _watch(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
        self.is_watched = True
        self._watchdog = Watchdog(self.deadline, self._hang_up)

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        def find_pool(request: requests.PreparedRequest) -> Any:
            return self._hooks.get_connection_with_tls_context(
                request, verify, proxies=proxies, cert=cert
            )

        theirs = find_pool(request)
        if not isinstance(theirs, HTTPConnectionPool):
            self.is_watched = True
            return theirs
        if theirs not in self._pools:
            ours = self._copy_pool(theirs)
            if self._is_elsewhere(request) and _is_pinned(ours):
                to_api = copy.copy(request)
                to_api.url = self._api_url
                _unpin(ours, find_pool(to_api))
            vars(ours)["urlopen"] = partial(self._urlopen, ours.urlopen)
            self._pools[theirs] = ours
        return self._pools[theirs]

    def _copy_pool(self, pool: HTTPConnectionPool) -> HTTPConnectionPool:
        """Return a pool that connects as `pool` does, within the deadline."""
        ours = copy.copy(pool)
        ours.pool = pool.QueueCls(1)
        ours.block = False
        ours.conn_kw = dict(pool.conn_kw)
        if can_keep_deadline(pool):
            ours.ConnectionCls = make_connection_class(pool.ConnectionCls, self.deadline)
        else:
            ours.ConnectionCls = _make_recording_class(pool.ConnectionCls, self._connections)
            self._watch()
        return ours

    def _urlopen(
        self,
        urlopen: Callable[..., Any],
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,
        *others: Any,
        **options: Any,
    ) -> Any:
        """Send through a pool's own `urlopen`, which calls this one again for each retry.

        A request that is signed is then made anew: its signature is good for one request.
        """
        renew = self._sending.renew
        if renew is not None and self._sending.is_retry:
            request = self._name_host(renew())
            body, headers = request.body, request.headers
        self._sending.is_retry = True
        return urlopen(method, url, body, headers, *others, **options)

    def _name_host(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return `request` to the virtual host that the API was asked for by its header."""
        if self._host is None or origin_of(request.url) != origin_of(self._host_url):
            return request
        named = copy.copy(request)
        named.headers = request.headers.copy()
        named.headers.setdefault("Host", self._host)
        return named

    def _is_elsewhere(self, request: requests.PreparedRequest) -> bool:
        return self._api_url is not None and origin_of(request.url) != origin_of(self._api_url)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        if str(url).lower().startswith("https:"):
            for each in (verify, *(cert if isinstance(cert, tuple) else (cert,))):
                if isinstance(each, (str, os.PathLike)):
                    check_kind(each)  # OpenSSL waits for the writer of a pipe, without end
        self._hooks.cert_verify(conn, url, verify, cert)
        # requests knows no password of a key; a `cert` that is more than its pair may have one.
        password = getattr(cert, "key_password", None)
        if password is not None:
            conn.key_password = password

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return self._hooks.request_url(request, proxies)

    def close(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()  # urllib3 closes the API's connections once nobody has their pool
        super().close()

    def _hang_up(self) -> None:
        self.has_hung_up = True
        for connection in self._connections:
            sock = getattr(connection, "sock", None)
            if sock is not None:
                with suppress(OSError):  # closed already
                    sock.shutdown(socket.SHUT_RDWR)


# Which certificate one host shows, and by which name.
_PINS: Final = ("assert_hostname", "assert_fingerprint")
_NAME: Final = "server_hostname"


def _is_pinned(pool: HTTPConnectionPool) -> bool:
    return _NAME in pool.conn_kw or any(getattr(pool, pin, None) is not None for pin in _PINS)


def _unpin(pool: HTTPConnectionPool, api: HTTPConnectionPool) -> None:
    """Drop what `pool` was told about the API's certificate, for it leads to another host."""
    for pin in _PINS:
        if getattr(pool, pin, None) == getattr(api, pin, None):
            setattr(pool, pin, None)
    if pool.conn_kw.get(_NAME) == api.conn_kw.get(_NAME):
        pool.conn_kw.pop(_NAME, None)


def _make_recording_class(base: type[Any], connections: list[Any]) -> type[Any]:
    """Return a connection class that adds each of its connections to `connections`."""

    class Recording(base):  # type: ignore[misc]
        def connect(self) -> None:
            connections.append(self)  # first: a proxy or a handshake may hang as well
            super().connect()

    Recording.__name__ = base.__name__
    return Recording


class StandInTransport(BaseAdapter):
    """Sends through an adapter that answers by itself, to the origins that it is mounted for."""

    is_watched = True

    def __init__(self, seconds: float, options: SendOptions, *, restart_each_time: bool) -> None:
        super().__init__()
        self._adapter: Any = options.transport
        self._origins = options.origins
        self._prefixes = options.prefixes
        self._restart_each_time = restart_each_time
        self.deadline = Deadline(seconds, options.exit_grace)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        if not self._is_mounted_for(request.url):
            raise RefreshUnavailable(
                f"nothing was sent to {describe_url(request.url)}: the session's "
                f"{type(self._adapter).__name__} answers by itself, for "
                f"{' and '.join(sorted(map(str, self._origins)))} alone",
                "give a session that reaches it as refresh_session=",
            )
        if self._restart_each_time:
            self.deadline.restart()
        self.deadline.url = request.url
        if timeout is None:
            timeout = self.deadline.timeout()
        response: requests.Response = self._adapter.send(
            request, stream=stream, timeout=timeout, verify=verify, cert=cert, proxies=proxies
        )
        return response

    def _is_mounted_for(self, url: str | None) -> bool:
        if origin_of(url) in self._origins:
            return True
        lowered = (url or "").lower()  # the first that matches serves it, as in Session.get_adapter
        return next((own for prefix, own in self._prefixes if lowered.startswith(prefix)), False)

    def close(self) -> None:
        """Close nothing: the adapter is the session's."""


def is_stand_in(adapter: BaseAdapter) -> bool:
    """Whether `adapter` answers by itself: WSGI, a fake for tests.

    An HTTPAdapter does if its class replaces `send` and nothing in it goes on to requests' or
    urllib3's own. Code that cannot be read is taken for code that does.
    """
    if not isinstance(adapter, HTTPAdapter):
        return True
    kind: Any = type(adapter)
    is_replaced = "send" in vars(adapter)  # on this one adapter
    send: Any = vars(adapter)["send"] if is_replaced else kind.send
    if send is HTTPAdapter.send:
        return False
    if not hasattr(inspect.unwrap(send), "__code__"):
        return hasattr(send, "assert_called")  # a Mock
    return not (_goes_on(send) if is_replaced else _class_goes_on(kind, send))


@lru_cache(maxsize=128)
def _class_goes_on(kind: type[BaseAdapter], send: Any) -> bool:
    """Whether `send`, or anything else in the class, goes on to requests' or urllib3's own."""
    classes = [each for each in kind.__mro__ if each not in _REQUESTS_CLASSES]
    functions = [send, *(value for each in classes for value in vars(each).values())]
    return any(_goes_on(function) for function in functions)


def _goes_on(function: Any) -> bool:
    """Whether `function` names a call that reaches the network."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(function, "__code__", None)
    cells = getattr(function, "__closure__", None) or ()
    return (code is not None and not _NETWORK_CALLS.isdisjoint(_names_in(code))) or any(
        getattr(each, "__name__", None) == "send" for each in map(_get_contents, cells)
    )


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from _names_in(constant)


def _get_contents(cell: Any) -> object:
    with suppress(ValueError):  # empty as yet
        return cell.cell_contents
    return None
