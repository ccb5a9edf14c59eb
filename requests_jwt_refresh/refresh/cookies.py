"""The cookies that a refresh endpoint sets: they belong to one login, and go with it."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from requests.cookies import RequestsCookieJar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.cookiejar import Cookie, CookieJar

    import requests

_lent: weakref.WeakValueDictionary[int, requests.Session] = weakref.WeakValueDictionary()


class _Kept(NamedTuple):
    login_id: str | None
    cookies: tuple[Cookie, ...]


class LoginCookies:
    """Keeps the cookies of one login from one refresh to the next.

    As a tuple, which is replaced in one step: a jar has a lock, and a forked child would inherit it
    locked.
    """

    def __init__(self) -> None:
        self._kept = _Kept(None, ())

    def jar(self, login_id: str | None) -> RequestsCookieJar:
        """Return a new jar with the cookies of that login; those of another one are dropped."""
        kept = self._kept
        jar = RequestsCookieJar()
        for cookie in kept.cookies if kept.login_id == login_id else ():
            jar.set_cookie(cookie)
        return jar

    def keep(self, login_id: str | None, jar: CookieJar) -> None:
        """Keep what is in `jar` for the next refresh of that login."""
        self._kept = _Kept(login_id, tuple(jar))

    def rename(self, login_id: str | None) -> None:
        """Say which login those cookies belong to that came with it."""
        self._kept = self._kept._replace(login_id=login_id)

    @contextmanager
    def restore_on_failure(self, session: requests.Session | None) -> Iterator[None]:
        """Have the block's failure leave the cookies as they were, also in the user's `session`."""
        kept = self._kept
        try:
            yield
        except BaseException:
            if session is not None:
                _take_out(session.cookies, self._kept.cookies)
                for cookie in kept.cookies:
                    session.cookies.set_cookie(cookie)
            self._kept = kept
            raise

    @contextmanager
    def lend(self, login_id: str | None, session: requests.Session) -> Iterator[None]:
        """Have a session of the user's carry this login's cookies, beside the user's own.

        Cookies that came with another login's refreshes are taken out of it first.
        """
        kept = self._kept
        if kept.login_id != login_id:
            _take_out(session.cookies, kept.cookies)
            kept = _Kept(login_id, ())
        _lent[id(session)] = session
        before = {id(cookie) for cookie in session.cookies} - set(map(id, kept.cookies))
        try:
            yield
        finally:
            came = tuple(cookie for cookie in session.cookies if id(cookie) not in before)
            self._kept = _Kept(login_id, came)


def _take_out(jar: CookieJar, cookies: tuple[Cookie, ...]) -> None:
    """Remove `cookies` from `jar`, but not what the user has put in their place."""
    for cookie in [each for each in jar if each in cookies]:
        jar.clear(cookie.domain, cookie.path, cookie.name)


def _renew_locks_in_child() -> None:
    """Replace the locks of users' jars in a forked child, where they may be locked for ever."""
    for session in list(_lent.values()):
        vars(session.cookies)["_cookies_lock"] = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks_in_child)
