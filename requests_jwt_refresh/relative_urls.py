"""The one seam that lets a Session accept URLs relative to a base URL.

requests refuses them before any adapter is asked, in PreparedRequest.prepare_url. Wrapping
``Session.prepare_request`` on the class, rather than on a session, is what survives pickling and
copying. The wrap acts only for a session on which an `AcceptsRelativeURLs` is mounted.
"""

from __future__ import annotations

import copy
import functools
import os
import re
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from requests_jwt_refresh.errors import InvalidURL
from requests_jwt_refresh.sessions import PlainSession
from requests_jwt_refresh.urls import has_scheme, join, redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_MARK = "_accepts_relative_urls"  # an attribute of our wrap
_mutex = threading.Lock()  # guards Session.prepare_request while it is looked at and wrapped


class AcceptsRelativeURLs:
    """Marks an adapter: a session's relative URLs go below its ``base_url``."""

    base_url: str
    accepts_relative_urls: ClassVar[bool] = True
    """False in a class that is mounted on no session: then requests is left as it is."""


def accept_relative_urls() -> None:
    """Wrap ``Session.prepare_request``, once in this process."""
    with _mutex:
        if not hasattr(PlainSession.prepare_request, _MARK):
            PlainSession.prepare_request = _wrap(  # type: ignore[method-assign]
                PlainSession.prepare_request
            )


def _renew_lock_in_child() -> None:
    global _mutex  # noqa: PLW0603 - the thread that held it does not exist in a forked child
    _mutex = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock_in_child)


def _wrap(prepare_request: Any) -> Any:
    @functools.wraps(prepare_request)
    def prepare(session: requests.Session, request: requests.Request) -> requests.PreparedRequest:
        url = _make_absolute(session, request.url)
        if url is not None:
            request = copy.copy(request)  # the caller's own is not written on
            request.url = url
        prepared: requests.PreparedRequest = prepare_request(session, request)
        return prepared

    vars(prepare)[_MARK] = True  # functools.wraps hands it on to a wrap around ours
    return prepare


def _make_absolute(session: requests.Session, url: object) -> str | None:
    """Return `url` below the session's base URL; None if it is not relative or there is no base."""
    if url is None:
        return None
    text = read_url(url)
    if has_scheme(text) or _is_mounted(session, text):
        return None
    ours = {
        prefix: adapter
        for prefix, adapter in session.adapters.items()
        if isinstance(adapter, AcceptsRelativeURLs) and adapter.accepts_relative_urls
    }
    if not ours:
        return None
    absolute = join(_common_base(ours.values(), text), text)
    prefix = _prefix_for(session, absolute)
    if prefix not in ours:
        raise InvalidURL(
            f"the relative URL {redact(text)} would go without a token: {redact(absolute)} is "
            f"served by another adapter, mounted on {prefix!r}",
            "mount the JWTRefreshAdapter there as well, with the other adapter as its transport=",
        )
    return absolute


def read_url(url: object) -> str:
    """Return `url` as requests will read it."""
    return (url.decode("utf-8") if isinstance(url, bytes) else str(url)).lstrip()


def _prefix_for(session: requests.Session, url: str) -> str | None:
    """Return the prefix that decides which adapter serves `url`, as Session.get_adapter does."""
    # Not by asking it: test doubles put themselves in its place.
    prefixes = (each for each in session.adapters if url.lower().startswith(each.lower()))
    return next(prefixes, None)


def _common_base(adapters: Iterable[AcceptsRelativeURLs], url: str) -> str:
    """Return the one base URL of `adapters`; a slash at its end makes no difference."""
    bases = {adapter.base_url.rstrip("/"): adapter.base_url for adapter in adapters}
    if len(bases) > 1:
        raise InvalidURL(
            f"the relative URL {redact(url)} is ambiguous: this session has several base URLs "
            f"({', '.join(sorted(bases.values()))})",
            "write the whole URL, with its scheme",
        )
    return next(iter(bases.values()))


def _is_mounted(session: requests.Session, url: str) -> bool:
    """Whether the session has an adapter for the scheme of `url`, such as "mock:"."""
    return any(
        _SCHEME.match(prefix) and url.lower().startswith(prefix.lower())
        for prefix in session.adapters
    )
