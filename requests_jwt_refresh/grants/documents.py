"""Asking a server that has yet to show who it is, and reading what it says of itself.

Nothing that it answers is believed without a look: not the URLs, nor where they lead, nor the
types of its fields. It is given no credentials.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from requests.cookies import RequestsCookieJar
from urllib3.util import Retry

from requests_jwt_refresh.errors import DiscoveryError, InvalidURL, RefreshUnavailable
from requests_jwt_refresh.given_files import find_kind_problem
from requests_jwt_refresh.grants.addresses import (
    Network,
    find_network,
    find_networks,
    list_reachable,
)
from requests_jwt_refresh.grants.device import SingleRequestSession
from requests_jwt_refresh.matching import MISSING, parse_json
from requests_jwt_refresh.refresh.client import (
    CHECK_CERTIFICATE,
    ClientSession,
    SendOptions,
    send_request,
)
from requests_jwt_refresh.refresh.deadline import Deadline
from requests_jwt_refresh.refresh.transport import NetworkTransport, is_stand_in
from requests_jwt_refresh.tokens import describe_kind, is_finite
from requests_jwt_refresh.urls import describe_url, origin_of, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from urllib3 import HTTPConnectionPool

    from requests_jwt_refresh.responses import TokenResponse

MAX_DOCUMENT_BYTES: Final = 64 * 1024
_WORD: Final = re.compile(r"[\x21-\x7e]{1,2000}")  # RFC 6749 §3.3, and what a list holds otherwise
_ELSEWHERE: Final = "nothing was sent there; if that is meant, give the server's endpoints yourself"
_NOT_REACHED: Final = "check the URL, and whether that server can be reached from here"
_NOT_REACHED_BY_PROXY: Final = (
    "check the URL, and the proxy: the variable HTTPS_PROXY (or HTTP_PROXY, ALL_PROXY) names it, "
    "and NO_PROXY what is reached without"
)
_NOT_TRUSTED: Final = (
    "check the URL and this machine's clock; if the server has a CA of your own, name its file in "
    "REQUESTS_CA_BUNDLE"
)
_CORRECT_CA: Final = "correct REQUESTS_CA_BUNDLE, or the session's verify"
_HTML: Final = "text/html"
_LOOK_AT_IT: Final = (
    "check the URL: a server for logins has a document there, and no page; or open it in a "
    "browser: this network may want a login of its own first"
)
_IDENTITY: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}


class DocumentClient:
    """Sends requests without credentials, all of them together within `timeout` seconds.

    They reach the network as `session` does: with its verify, cert, proxies and the TLS of its
    adapters. `typed` is the URL that a person gave: a server leads into a local network, or to
    this machine, only if that URL does; and from https to http only if `allow_http`.
    """

    def __init__(
        self,
        typed: str,
        *,
        session: requests.Session | None,
        allow_http: bool,
        timeout: float,
    ) -> None:
        if not is_finite(timeout) or timeout <= 0:
            raise ValueError("timeout must be a positive number of seconds, such as 10.0")
        self.allow_http = allow_http
        self._session = session
        self._seconds = timeout
        self._deadline = Deadline(timeout)
        self._networks: dict[str, frozenset[Network]] = {}
        self._is_https = urlsplit(typed).scheme.lower() == "https"
        self._reachable = list_reachable(self._find_networks(typed))

    def get(self, url: str, source: str) -> TokenResponse:
        """Return what `url` answers. `source` is what is asked, for an error's text.

        Raises DiscoveryError if there is no answer.
        """
        return self._send("GET", url, source)

    def get_head(self, url: str, source: str) -> TokenResponse:
        """Return the same without the body, however long that is."""
        return self._send("GET", url, source, reads_body=False)

    def post(self, url: str, document: Mapping[str, Any], source: str) -> TokenResponse:
        """Return the answer to a document in JSON, which is sent once at the most."""
        return self._send("POST", url, source, document=document, retries=False)

    def check(self, url: str, what: str) -> str:
        """Return a URL that the server gave, as requests would send it.

        It has to be as a refresh URL, and may not lead where `typed` does not. `what` names it in
        an error's text. Raises DiscoveryError.
        """
        try:
            checked = validate(url, what=what, allow_http=self.allow_http)
        except InvalidURL as error:
            problem = error.cause
        else:
            self._check_parts(url, what)
            self._check_network(checked, what)
            return checked
        raise DiscoveryError(problem)

    def _check_parts(self, url: str, what: str) -> None:
        parts = urlsplit(url)
        if "#" in url:  # RFC 6749 §3.1, §3.2
            raise DiscoveryError(f"{what} {describe_url(url)} has a fragment")
        if parts.scheme.lower() == "http" and self._is_https and not self.allow_http:
            raise DiscoveryError(f"{what} {describe_url(url)} leads from https to http")

    def _check_network(self, url: str, what: str) -> None:
        """Raise DiscoveryError for a host in a network that may not be led to."""
        barred = self._find_networks(url) - self._reachable
        for network in barred:
            raise _make_elsewhere_error(url, network, what)

    def _find_networks(self, url: str) -> frozenset[Network]:
        origin = origin_of(url)
        host = "" if origin is None else origin.host
        if host not in self._networks:
            may_look_up = _is_direct(_read_options(self._session, url), url)
            try:
                found = find_networks(host, self._deadline.left(), may_look_up=may_look_up)
            except TimeoutError:
                found = None
            if found is None:
                raise DiscoveryError(
                    f"the name {host!r} could not be looked up within {self._seconds:g} s",
                    _NOT_REACHED,
                )
            self._networks[host] = found
        return self._networks[host]

    def _send(
        self,
        method: str,
        url: str,
        source: str,
        *,
        document: Mapping[str, Any] | None = None,
        reads_body: bool = True,
        retries: bool = True,
    ) -> TokenResponse:
        self._check_network(url, f"the {source}")
        request = requests.Request(method, url, headers=_IDENTITY, json=document)
        options = _read_options(self._session, url)
        seconds = max(round(self._deadline.left(), 1), 0.1)
        make_session = ClientSession if retries else SingleRequestSession
        with make_session(seconds, options, RequestsCookieJar(), proofs=None) as session:
            session.max_bytes = MAX_DOCUMENT_BYTES
            transport = _GuardedTransport(seconds, options, self._reachable)
            if not retries:
                transport.max_retries = Retry(0, read=False)
            if _is_direct(options, url):
                for prefix in list(session.adapters):
                    session.mount(prefix, transport)
            if not reads_body:
                session.listeners.append(_drop_body)
            try:
                return send_request(session, request, options, seconds, source)
            except RefreshUnavailable as error:
                problem, is_untrusted = error.cause, error.remedy == CHECK_CERTIFICATE
        if transport.barred is not None:
            raise _make_elsewhere_error(url, transport.barred)
        raise _make_unreachable_error(problem, options, url, is_untrusted=is_untrusted)


def _make_unreachable_error(
    problem: str, options: SendOptions, url: str, *, is_untrusted: bool
) -> DiscoveryError:
    """Return the error of a server that was not reached, with what is most likely to help."""
    file = options.verify
    if isinstance(file, str) and not Path(file).exists():
        return DiscoveryError(f"there is no file of CA certificates at {file}", _CORRECT_CA)
    if isinstance(file, str) and (kind := find_kind_problem(file)):
        return DiscoveryError(f"the file of CA certificates {file} {kind}", _CORRECT_CA)
    if is_untrusted:
        return DiscoveryError(problem, _NOT_TRUSTED)
    if requests.utils.select_proxy(url, dict(options.proxies or {})) is not None:
        return DiscoveryError(problem, _NOT_REACHED_BY_PROXY)
    return DiscoveryError(problem, _NOT_REACHED)


def _make_elsewhere_error(url: str, network: Network, what: str = "") -> DiscoveryError:
    shown = f"{what} {describe_url(url)}".strip()
    return DiscoveryError(f"{shown} is on {network.value}, and what was asked is not", _ELSEWHERE)


class _Elsewhere(Exception):
    """A connection leads where nothing may lead to. No OSError, which would be tried again."""


class _GuardedTransport(NetworkTransport):
    """Looks at where each connection leads before anything is sent over it (DNS rebinding)."""

    barred: Network | None = None
    """Where one has led that may not."""

    def __init__(self, seconds: float, options: SendOptions, reachable: frozenset[Network]) -> None:
        super().__init__(seconds, options, restart_each_time=False)
        self._reachable = reachable

    def _copy_pool(self, pool: HTTPConnectionPool) -> HTTPConnectionPool:
        ours = super()._copy_pool(pool)
        ours.ConnectionCls = _make_guarded_class(ours.ConnectionCls, self._check_peer)
        return ours

    def _check_peer(self, sock: Any) -> None:
        try:
            network = find_network(sock.getpeername()[0])
        except (OSError, TypeError, ValueError):
            return  # of another kind, such as a local socket's
        if network not in self._reachable:
            self.barred = network
            sock.close()
            raise _Elsewhere


def _make_guarded_class(base: type[Any], check: Callable[[Any], object]) -> type[Any]:
    """Return a connection class that has each new connection looked at."""

    class Guarded(base):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            sock = super()._new_conn()
            check(sock)
            return sock

    Guarded.__name__ = base.__name__
    return Guarded


def _read_options(session: requests.Session | None, url: str) -> SendOptions:
    """Return how `session` would send to `url`; None is a plain one."""
    if session is None:
        return SendOptions.from_environment(url)
    found = session.merge_environment_settings(url, {}, None, None, None)
    origin = origin_of(url)
    return SendOptions(
        found["verify"],
        found["cert"],
        found["proxies"],
        transport=session.get_adapter(url),
        origins=frozenset() if origin is None else frozenset({origin}),
    )


def _is_direct(options: SendOptions, url: str) -> bool:
    """Whether names are looked up here, and connections lead to the server itself."""
    if options.transport is not None and is_stand_in(options.transport):
        return False
    return requests.utils.select_proxy(url, dict(options.proxies or {})) is None


def _drop_body(response: requests.Response) -> None:
    """Leave a response as a fake makes it up: without a body to read."""
    response.close()
    response.raw, response._content = None, b""  # noqa: SLF001 - as requests' own tests make one


# --- What it answered ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Document:
    """A JSON object that a server gave. Each field that is read is checked; null is none."""

    url: str
    """Where it was, for an error's text."""
    content: Mapping[str, Any]

    @classmethod
    def read(cls, response: TokenResponse, url: str, *, ok: tuple[int, ...] = (200,)) -> Document:
        """Return the document in a response. Raises DiscoveryError if there is none."""
        shown = describe_url(url)
        if response.status not in ok:
            raise DiscoveryError(f"{shown} answered {describe_status(response.status)}")
        content = parse_json(response.body)
        if not isinstance(content, dict):
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            if media_type == _HTML:
                cause = f"{shown} answered {response.status} and a web page ({_HTML})"
                raise DiscoveryError(cause, _LOOK_AT_IT)
            kind = "no JSON" if content is MISSING else "JSON, but no object"
            named = f" ({media_type})" if re.fullmatch("[a-z]+/[a-z.+-]{1,60}", media_type) else ""
            raise DiscoveryError(f"{shown} answered {response.status} and {kind}{named}")
        return cls(shown, content)

    def name(self, field: str) -> str:
        """Return the name of a field as it stands in an error's text."""
        return f"{self.url}: {field}"

    def text(self, field: str) -> str | None:
        """Return a string, None if it is missing or empty. Raises DiscoveryError."""
        value = self.content.get(field)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise DiscoveryError(f"{self.name(field)} is {describe_kind(value)}, not a string")
        return value

    def url_at(self, field: str, client: DocumentClient) -> str | None:
        """Return a URL that may be used, None if it is missing. Raises DiscoveryError."""
        value = self.text(field)
        return None if value is None else client.check(value, self.name(field))

    def words(self, field: str) -> tuple[str, ...] | None:
        """Return a list of words without spaces, None if it is missing. Raises DiscoveryError."""
        value = self.content.get(field)
        if value is None:
            return None
        if not isinstance(value, list):
            raise DiscoveryError(f"{self.name(field)} is {describe_kind(value)}, not a list")
        if not all(isinstance(each, str) and _WORD.fullmatch(each) for each in value):
            raise DiscoveryError(f"{self.name(field)} holds something that is no word")
        return tuple(dict.fromkeys(value))

    def texts(self, field: str) -> tuple[str, ...] | None:
        """Return a list of strings, None if it is missing. Raises DiscoveryError."""
        value = self.content.get(field)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise DiscoveryError(f"{self.name(field)} is no list of strings")
        return tuple(value)

    def flag(self, field: str) -> bool:
        """Return a boolean, False if it is missing. Raises DiscoveryError."""
        value = self.content.get(field)
        if not isinstance(value, bool | None):
            raise DiscoveryError(f"{self.name(field)} is {describe_kind(value)}, not true or false")
        return bool(value)


def describe_status(status: int) -> str:
    """Return a status as it stands in a sentence.

    >>> describe_status(302)
    '302, a redirect, which is not followed'
    """
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return f"{status}, a redirect, which is not followed" if is_redirect else str(status)
