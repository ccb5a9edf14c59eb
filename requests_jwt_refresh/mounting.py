"""Mounting the adapter on a Session, and the one seam that lets a Session take relative URLs."""

from __future__ import annotations

import copy
import functools
import re
import threading
from typing import TYPE_CHECKING, Any

import requests

from .adapter import JWTRefreshAdapter
from .errors import InvalidURL
from .urls import checked_base, has_scheme, join, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from requests.adapters import BaseAdapter

    from .endpoints import Endpoint
    from .refresher import RefreshCallable
    from .stores.base import TokenStore

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_ADAPTER_OPTIONS = {"pool_connections", "pool_maxsize", "max_retries", "pool_block"}
_mutex = threading.Lock()  # guards the wrapping of Session.prepare_request


def mount(
    session: requests.Session,
    base_url: str,
    refresh: Endpoint | RefreshCallable,
    store: TokenStore | None = None,
    **options: Any,  # noqa: ANN401 - JWTRefreshAdapter's own
) -> JWTRefreshAdapter:
    """Build a JWTRefreshAdapter, mount it on `session` for its origins, and return it.

    The adapter that the session has for the base URL so far goes on doing the sending, with its
    retries and its pool, unless a `transport` or options for a new pool are given. Options and
    errors are those of JWTRefreshAdapter.
    """
    if not isinstance(session, requests.Session):
        raise TypeError(f"mount takes a requests.Session first, not {session!r}")
    base = checked_base(base_url, allow_http=options.get("allow_http", False))
    if "transport" not in options and not _ADAPTER_OPTIONS & options.keys():
        options["transport"] = _present_transport(session, base)
    adapter = JWTRefreshAdapter(base, refresh, store, **options)
    _check_free(session, adapter)
    for prefix in adapter.prefixes():
        session.mount(prefix, adapter)
    return adapter


def _check_free(session: requests.Session, adapter: JWTRefreshAdapter) -> None:
    """Raise InvalidURL if another adapter of the session would get in the way, or be replaced."""
    for prefix, other in session.adapters.items():
        if not prefix.lower().startswith(adapter.prefixes()):
            continue
        if not isinstance(other, JWTRefreshAdapter):
            if prefix in adapter.prefixes():
                continue  # to be replaced; it goes on as the transport
            raise InvalidURL(
                f"the session has another adapter on {prefix!r}, so requests there would go "
                "without a token: give that adapter as transport=, and take it off the session"
            )
        if other.base_url.rstrip("/") != adapter.base_url.rstrip("/"):
            raise InvalidURL(
                f"the session has the base URL {other.base_url} on this origin already: use "
                f"another session for {adapter.base_url}"
            )


def accept_relative_urls() -> None:
    """Let every Session with one of our adapters on it take URLs relative to the base URL.

    requests refuses them before any adapter is asked, in PreparedRequest.prepare_url. Wrapping the
    method on the class, rather than on a session, is what survives pickling and copying.
    """
    with _mutex:
        if not hasattr(requests.Session.prepare_request, "_takes_relative_urls"):
            requests.Session.prepare_request = _taking_relative_urls(  # type: ignore[method-assign]
                requests.Session.prepare_request
            )


def _taking_relative_urls(prepare_request: Any) -> Any:  # noqa: ANN401 - a method of requests'
    @functools.wraps(prepare_request)
    def prepare(session: requests.Session, request: requests.Request) -> requests.PreparedRequest:
        url = _absolute(session, request.url)
        if url is not None:
            request = copy.copy(request)  # the caller's own is not written on
            request.url = url
        prepared: requests.PreparedRequest = prepare_request(session, request)
        return prepared

    prepare._takes_relative_urls = True  # type: ignore[attr-defined]  # noqa: SLF001 - our mark
    return prepare


def _absolute(session: requests.Session, url: object) -> str | None:
    """Return `url` below the session's base URL; None if it is not relative or there is no base."""
    if url is None:
        return None
    text = (url.decode("utf-8") if isinstance(url, bytes) else str(url)).lstrip()
    if has_scheme(text) or _is_mounted(session, text):
        return None
    ours = {
        prefix: adapter
        for prefix, adapter in session.adapters.items()
        if isinstance(adapter, JWTRefreshAdapter)
    }
    if not ours:
        return None
    absolute = join(_base(ours.values(), text), text)
    prefix = _winner(session, absolute)
    if prefix not in ours:
        raise InvalidURL(
            f"the relative URL {shown(text)} would go without a token: {shown(absolute)} is served "
            f"by another adapter, mounted on {prefix!r}. Mount the JWTRefreshAdapter there, too, "
            "or give it the other one as its transport"
        )
    return absolute


def _winner(session: requests.Session, url: str) -> str | None:
    """Return the prefix that decides who serves `url`, as Session.get_adapter does."""
    # Not by asking it: test doubles put themselves in its place.
    found = (each for each in session.adapters if url.lower().startswith(each.lower()))
    return next(found, None)


def _base(adapters: Iterable[JWTRefreshAdapter], url: str) -> str:
    """Return the one base URL of `adapters`; a slash at its end makes no other one."""
    bases = {adapter.base_url.rstrip("/"): adapter.base_url for adapter in adapters}
    if len(bases) > 1:
        raise InvalidURL(
            f"the relative URL {shown(url)} is ambiguous: this session has several base URLs "
            f"({', '.join(sorted(bases.values()))}). Write the whole URL"
        )
    return next(iter(bases.values()))


def _is_mounted(session: requests.Session, url: str) -> bool:
    """Whether the session has an adapter for the scheme of `url`, such as "mock:"."""
    return any(
        _SCHEME.match(prefix) and url.lower().startswith(prefix.lower())
        for prefix in session.adapters
    )


def _present_transport(session: requests.Session, base_url: str) -> BaseAdapter | None:
    adapter = session.get_adapter(base_url)
    return adapter.transport if isinstance(adapter, JWTRefreshAdapter) else adapter
