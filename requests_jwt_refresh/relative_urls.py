"""The one seam in Session: URLs relative to a base URL, and no netrc where a token goes.

requests refuses relative URLs before any adapter is asked, in PreparedRequest.prepare_url. Wrapping
``Session.prepare_request`` on the class, rather than on a session, is what survives pickling and
copying. The wrap acts only for a session on which an `AcceptsRelativeURLs` is mounted.

requests also reads netrc there, for each request, and lets it overwrite an Authorization header of
the caller's. So a request that gets a token has an auth that does nothing.
"""

from __future__ import annotations

import copy
import functools
import os
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import requests
from requests.auth import HTTPBasicAuth
from requests.structures import CaseInsensitiveDict
from requests.utils import get_auth_from_url

from requests_jwt_refresh.authorization import anonymous, find_header, may_be_callers
from requests_jwt_refresh.errors import InvalidURL
from requests_jwt_refresh.sessions import PlainSession
from requests_jwt_refresh.urls import has_scheme, join, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Mounts = OrderedDict[str, Any]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# A relative URL that is joined as it is: its path has no colon, escape or backslash, and no "..".
_SIMPLE: Final = re.compile(
    r"/?[A-Za-z0-9_~-][A-Za-z0-9_~/-]*(?:\.[A-Za-z0-9_~/-]+)*\.?(?:[?#].*)?"
)
_PLAN: Final = "_requests_jwt_refresh_plan"  # an attribute of a session that has one of ours
_MARK = "_accepts_relative_urls"  # an attribute of our wrap
_mutex = threading.Lock()  # guards Session.prepare_request while it is looked at and wrapped


class AcceptsRelativeURLs:
    """Marks an adapter: a session's relative URLs go below its ``base_url``."""

    base_url: str
    _origin_prefixes: tuple[str, ...] = ()
    """What most URLs begin with to which the token is sent."""
    accepts_relative_urls: ClassVar[bool] = True
    """False in a class that is mounted on no session: then requests is left as it is."""

    def _serves(self, _url: str | None) -> bool:
        """Whether the token is sent to this absolute URL."""
        return False

    def _spares_netrc(self, _session: requests.Session, _request: requests.Request) -> bool:
        """Whether this request, to a URL that is served, needs nothing out of netrc."""
        return False

    def _note_session_auth(self, _found: str, _request: requests.PreparedRequest) -> None:
        """Note that the session itself has an authentication, `_found`, for this request."""


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
        plan = _find_plan(session)
        given = request
        if plan is not None:
            request = plan.adjust(session, given)
        prepared: requests.PreparedRequest = prepare_request(session, request)
        if plan is not None and (found := _find_session_auth(session, given)) is not None:
            plan.note_session_auth(found, prepared)
        return prepared

    vars(prepare)[_MARK] = True  # functools.wraps hands it on to a wrap around ours
    return prepare


# --- What is done for a session ------------------------------------------------------------------


class _Plan(NamedTuple):
    """What is known of a session with our adapters, as long as its `mounts` are the same.

    Most sessions have one `adapter` of ours. Then `start` is what a simple relative URL is put
    after, if all that begins so is served by it, and a URL is served by it that begins with one of
    `prefixes`. What is not certain takes the long way.
    """

    mounts: Mounts
    adapter: AcceptsRelativeURLs | None = None
    base_url: str = ""
    start: str | None = None
    prefixes: tuple[str, ...] = ()

    def adjust(self, session: requests.Session, request: requests.Request) -> requests.Request:
        """Return the request with an absolute URL, and without need of netrc if it gets a token."""
        url: Any = request.url
        absolute: str | None = None
        adapter = self.adapter
        if type(url) is str and url.startswith(self.prefixes):
            pass
        elif self.start is not None and type(url) is str and _SIMPLE.fullmatch(url):
            absolute = self.start + url.removeprefix("/")
        elif url is not None:
            absolute = _make_absolute(session, url)
            adapter = self._find_server(absolute or read_url(url))
        is_spared = (
            adapter is not None
            and request.auth is None
            and session.auth is None
            and _finds_adapters_as_usual(session)
            and adapter._spares_netrc(session, request)  # noqa: SLF001 - of the class above
        )
        if absolute is None and not is_spared:
            return request
        changed = _copy(request)  # the caller's own is not written on
        if absolute is not None:
            changed.url = absolute
        if is_spared:
            changed.auth = _take_no_netrc
        return changed

    def note_session_auth(self, found: str, request: requests.PreparedRequest) -> None:
        """Tell the adapter that sends `request`, if it is one of ours, what the session has."""
        adapter = self._find_server(request.url or "")
        if adapter is not None:
            adapter._note_session_auth(found, request)  # noqa: SLF001 - of the class above

    def _find_server(self, url: str) -> AcceptsRelativeURLs | None:
        """Return the adapter of ours that sends a token to an absolute URL, None if none does."""
        if not any(_is_ours(each) and each._serves(url) for each in self.mounts.values()):  # noqa: SLF001 - of the class above
            return None
        blank = requests.PreparedRequest()
        try:
            blank.prepare_url(url, None)  # an adapter is looked for by what comes out of it
        except (requests.RequestException, ValueError):
            return None  # requests will say so itself
        prefix = _prefix_for(self.mounts, blank.url or "")
        adapter: Any = None if prefix is None else self.mounts[prefix]
        return adapter if _is_ours(adapter) and adapter._serves(blank.url) else None  # noqa: SLF001 - of the class above


def _find_plan(session: requests.Session) -> _Plan | None:
    """Return the plan for `session`, None if it has none of our adapters."""
    known = session.__dict__
    plan: _Plan | None = known.get(_PLAN)
    adapters: Any = getattr(session, "adapters", None)
    if plan is not None:
        is_same = plan.mounts == adapters and type(adapters) is OrderedDict
        if is_same and (plan.adapter is None or plan.adapter.base_url is plan.base_url):
            return plan
        known.pop(_PLAN, None)  # another thread may have been faster
    if not adapters or not any(map(_is_ours, adapters.values())):
        return None
    plan = _make_plan(OrderedDict(adapters))
    known[_PLAN] = plan
    return plan


def _make_plan(mounts: Mounts) -> _Plan:
    ours = list({id(each): each for each in mounts.values() if _is_ours(each)}.values())
    if len(ours) > 1:
        return _Plan(mounts)
    adapter = ours[0]
    base_url = adapter.base_url
    start = f"{base_url.rstrip('/')}/"
    return _Plan(
        mounts,
        adapter,
        base_url,
        start if _serves_all(mounts, start) is adapter else None,
        tuple(each for each in adapter._origin_prefixes if _serves_all(mounts, each) is adapter),  # noqa: SLF001 - of the class above
    )


def _find_session_auth(session: requests.Session, request: requests.Request) -> str | None:
    """Return what the session authenticates a request with that has nothing of its own, or None."""
    if request.auth is not None:
        return None
    auth: object = session.auth
    if auth is not None:
        if auth is anonymous:
            return None
        kind = "a user name and a password" if isinstance(auth, tuple) else type(auth).__name__
        return f"session.auth ({kind})"
    if _may_be_callers(session.headers) and not _may_be_callers(request.headers):
        return "session.headers['Authorization']"
    return None


def _may_be_callers(headers: object) -> bool:
    if type(headers) is CaseInsensitiveDict and find_header(headers, "Authorization") is None:
        return False  # as a rule, and faster
    return may_be_callers(headers)


def _finds_adapters_as_usual(session: requests.Session) -> bool:
    """Whether the mounts of `session` say which adapter it takes."""
    is_own = type(session).get_adapter is not PlainSession.get_adapter
    return not is_own and "get_adapter" not in session.__dict__


def _serves_all(mounts: Mounts, start: str) -> object:
    """Return the adapter that serves all URLs that begin with `start`, None if they are several."""
    for prefix, adapter in mounts.items():
        if _is_below(start, prefix):
            return adapter
        if _is_below(prefix, start):
            return None
    return None


def _is_below(url: str, prefix: str) -> bool:
    """Whether `prefix` is one for `url`, as Session.get_adapter sees it."""
    return url.lower().startswith(prefix.lower())


def _is_ours(adapter: object) -> bool:
    return isinstance(adapter, AcceptsRelativeURLs) and adapter.accepts_relative_urls


def _copy(request: requests.Request) -> requests.Request:
    if type(request) is not requests.Request:
        return copy.copy(request)
    changed = requests.Request.__new__(requests.Request)
    changed.__dict__ = request.__dict__.copy()
    return changed


def _take_no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authenticate as requests does without netrc: by the user name in the URL, if it has one."""
    if "@" in (request.url or ""):
        user, password = get_auth_from_url(request.url or "")
        if user or password:
            return HTTPBasicAuth(user, password)(request)
    return request


# --- Relative URLs -------------------------------------------------------------------------------


def _make_absolute(session: requests.Session, url: object) -> str | None:
    """Return `url` below the session's base URL; None if it is not relative or there is no base."""
    if url is None:
        return None
    text = read_url(url)
    if has_scheme(text) or _is_mounted(session, text):
        return None
    every: Any = session.adapters.items()
    ours = {prefix: adapter for prefix, adapter in every if _is_ours(adapter)}
    if not ours:
        return None
    absolute = join(_common_base(ours.values(), text), text)
    prefix = _prefix_for(session.adapters, absolute)
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


def _prefix_for(mounts: Mapping[str, object], url: str) -> str | None:
    """Return the prefix that decides which adapter serves `url`, as Session.get_adapter does."""
    # Not by asking it: test doubles put themselves in its place.
    return next((each for each in mounts if _is_below(url, each)), None)


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
    return any(_SCHEME.match(prefix) and _is_below(url, prefix) for prefix in session.adapters)
