"""Which profile a URL belongs to, and an adapter that sends its token through a session's own.

Nothing in here may break the program: what is wrong with the set-up is said once, on stderr, and
the request goes out as it would have without us.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, SupportsIndex

import requests
from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar

from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.errors import JWTRefreshError, StoreError
from requests_jwt_refresh.exchange import RefreshSession
from requests_jwt_refresh.profiles import PATH_VARIABLE, Profiles, default_path, is_set_up
from requests_jwt_refresh.urls import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from requests import PreparedRequest, Response

    from requests_jwt_refresh.profiles import Profile

NAMES_VARIABLE: Final = "REQUESTS_JWT_PROFILE"  # which profiles, with commas; all if it is not set
TOLD_VARIABLE: Final = "REQUESTS_JWT_TOLD"  # `run` has said already that no token can be had

_said: set[str] = set()


def say(problem: str, remedy: str, about: str | None = None) -> None:
    """Say on stderr what is wrong and what helps, once in this process for all `about` the same."""
    if (about or problem) in _said:
        return
    _said.add(about or problem)
    with contextlib.suppress(Exception):  # there may be no stderr, or nobody who reads it
        sys.stderr.write(f"requests-jwt: {problem}\nrequests-jwt: {remedy}\n")
        sys.stderr.flush()


class DressedAdapter(JWTRefreshAdapter):
    """The adapter of one profile, for programs that know nothing of it."""

    needs_profiles: ClassVar[bool] = True  # somebody has asked for tokens: say so if there are none
    options: Mapping[str, Any] | None = None  # of one send, as the program's session gave them
    has_sent = False  # within one send

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        super().__init__(on_logout=partial(_say_refused, profile.name), **profile.options())
        self._own_urls = profile.own_urls()

    def through(self, transport: BaseAdapter) -> DressedAdapter:
        """Return this adapter with another transport; they share the token and all about it."""
        dressed = object.__new__(type(self))
        dressed.__dict__.update(self.__dict__)
        dressed.transport = transport
        dressed.options = None
        dressed.has_sent = False
        return dressed

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,  # noqa: ANN401 - as in requests
        verify: Any = True,  # noqa: ANN401
        cert: Any = None,  # noqa: ANN401
        proxies: Any = None,  # noqa: ANN401
    ) -> Response:
        """Send `request` with the profile's token; without it if there is none to be had."""
        options = (stream, timeout, verify, cert, proxies)
        if self.leaves_alone(request):
            return self._carry(request, *options)
        try:
            if self.token is None:  # somebody may have logged in meanwhile
                self._refresher.look_again()
            response = super().send(request, *options)
        except JWTRefreshError as error:
            if error.response is None and self.has_sent:
                raise  # the session's own adapter raised it
            self._say(error)
            # With an answer it was the refresh that failed, without one nothing has been sent.
            return self._carry(request, *options) if error.response is None else error.response
        if response.status_code == 401:  # noqa: PLR2004 - RFC 9110 §15.5.2
            self._say_if_logged_out()
        return response

    def _carry(self, request: PreparedRequest, *options: Any) -> Response:  # noqa: ANN401 - send's own
        self.has_sent = True
        if self.transport is None or self.options is None:
            return super()._carry(request, *options)
        return self.transport.send(request, **self.options)  # no option more than the session gave

    def _say(self, error: JWTRefreshError) -> None:
        """Say why the request goes out without a token, or why its 401 stands."""
        if isinstance(error, StoreError) and os.environ.get(TOLD_VARIABLE):
            return
        name = self.profile.name
        say(
            f"profile {name!r}: {error}",
            f"until that is mended, the API's own answer stands: requests-jwt doctor {name}",
            f"{type(error).__name__} of {name}",
        )

    def _say_if_logged_out(self) -> None:
        with contextlib.suppress(Exception):  # a store that fails has been told of
            if self.token is None:
                say_logged_out(self.profile.name)

    def leaves_alone(self, request: PreparedRequest) -> bool:
        """Whether the request itself is about tokens: a program may log in or refresh by hand."""
        return self.is_about_tokens(request.url or "")

    def is_about_tokens(self, url: str) -> bool:
        """Whether `url` is where tokens are given, renewed or taken back."""
        bare = url.partition("?")[0].partition("#")[0]
        return _SLASHES.sub("/", bare) in self._own_urls


class Dressed(BaseAdapter):
    """A session's own adapter, in every way but that it sends with a token.

    It is made when a request asks for it, and never kept.
    """

    def __init__(
        self,
        own: BaseAdapter,
        with_token: DressedAdapter,
        session: requests.Session | None = None,
    ) -> None:
        self.__dict__.update(undressed=own, _with_token=with_token, _session=session)

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:  # noqa: ANN401 - as in requests
        """Send `request` through the session's own adapter, with a token.

        Programs tell a redirect by its history. So a 401 that was refreshed is not in it; its
        cookies are taken here, as the session would have.
        """
        own, adapter = self.__dict__["undressed"], self.__dict__["_with_token"]
        options.update(zip(_OPTIONS, args, strict=False))
        if own in _sending():  # the program has wrapped send, and its wrapper calls this one
            return type(own).send(own, request, **options)  # type: ignore[no-any-return]
        adapter = adapter.through(own)
        adapter.options = options
        _sending().append(own)
        try:
            given = {name: options[name] for name in _OPTIONS if name in options}
            response: Response = adapter.send(request, **given)
        finally:
            _sending().pop()
        session = self.__dict__["_session"]
        for refused in response.history if session is not None else ():
            extract_cookies_to_jar(session.cookies, refused.request, refused.raw)
        response.history = []
        return response

    def close(self) -> None:
        """Close the session's own adapter."""
        self.__dict__["undressed"].close()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What isinstance() is told: the class of the session's own adapter."""
        return type(self.__dict__["undressed"])

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is there
        return getattr(self.__dict__["undressed"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__dict__["undressed"], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__dict__["undressed"], name)

    def __eq__(self, other: object) -> bool:
        return bool(self.__dict__["undressed"] == getattr(other, "undressed", other))

    def __hash__(self) -> int:
        return hash(self.__dict__["undressed"])

    def __repr__(self) -> str:
        return repr(self.__dict__["undressed"])

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:  # noqa: ANN401 - as in object
        """Be copied and pickled as the session's own adapter."""
        return self.__dict__["undressed"].__reduce_ex__(protocol)


_OPTIONS: Final = ("stream", "timeout", "verify", "cert", "proxies")
_SLASHES: Final = re.compile("(?<!:)/{2,}")
_thread = threading.local()


def _sending() -> list[BaseAdapter]:
    """Return the sessions' own adapters through which this thread is sending at the moment."""
    found: list[BaseAdapter] = _thread.__dict__.setdefault("sending", [])
    return found


class Wardrobe:
    """The adapters of several profiles, picked by origin."""

    def __init__(self, adapters: Iterable[DressedAdapter]) -> None:
        self._adapters = tuple(adapters)

    def adapter_for(self, url: str) -> DressedAdapter | None:
        """Return the adapter whose profile `url` belongs to: of several the nearest, then first."""
        origin = origin_of(url)
        fitting = [each for each in self._adapters if origin in each.profile.origins()]
        if origin is None or any(each.is_about_tokens(url) for each in fitting):
            return None
        return max(fitting, key=partial(_nearness, url), default=None)


def _nearness(url: str, adapter: DressedAdapter) -> int:
    """Return how much of `url` the base URL covers; 0 if it is outside of it."""
    base = adapter.base_url.rstrip("/")
    return len(base) if url.startswith((f"{base}/", f"{base}?")) or url == base else 0


_mutex = threading.RLock()  # guards the making of the one wardrobe; it reads files
_wardrobe: Wardrobe | None = None
_make: type[DressedAdapter] = DressedAdapter


def dress(session: requests.Session, own: BaseAdapter, url: str) -> BaseAdapter:
    """Return `own`, or for a URL of a profile one that sends its token through `own`."""
    if type(own) is Dressed:  # which somebody has kept, maybe that of another profile
        own = own.undressed
    if isinstance(session, RefreshSession):
        return own
    if isinstance(own, JWTRefreshAdapter):  # somebody has mounted it by hand
        return own
    found = wardrobe().adapter_for(url)
    return own if found is None else Dressed(own, found.through(own), session)


def wardrobe() -> Wardrobe:
    """Return the adapters of the profiles that the environment names, made when first needed."""
    global _wardrobe  # noqa: PLW0603 - one for the process
    if _wardrobe is None:
        with _mutex:
            if _wardrobe is None:
                _wardrobe = Wardrobe(_adapters())
    return _wardrobe


def _renew_mutex_in_child() -> None:
    global _mutex  # noqa: PLW0603 - whoever held it is not in this process
    _mutex = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_mutex_in_child)


class _OnStderr(logging.Handler):
    """Says what is logged where the program itself has no logging set up."""

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers:
            cause, _, remedy = record.getMessage().partition(". ")
            say(cause, remedy)


def _adapters() -> list[DressedAdapter]:
    found: list[DressedAdapter] = []
    logging.getLogger("requests_jwt_refresh").addHandler(_OnStderr(logging.WARNING))
    try:
        if not (_make.needs_profiles or is_set_up()):
            return found
        profiles = Profiles.read()
        for name in _names() or profiles.names:
            try:
                found.append(_make(profiles.profile(name)))
            except JWTRefreshError as error:
                _say_faulty(error)
    except JWTRefreshError as error:
        _say_faulty(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the program must not suffer
        say(f"the profiles cannot be used ({type(error).__name__})", _WITHOUT)
    return found


_WITHOUT: Final = "the program runs without tokens. To see what is wrong: requests-jwt profiles"


def _names() -> list[str]:
    given = os.environ.get(NAMES_VARIABLE, "").split(",")
    return [name.strip() for name in given if name.strip()]


def _say_faulty(error: JWTRefreshError) -> None:
    if not os.environ.get(TOLD_VARIABLE):
        say(str(error), _WITHOUT)


def say_logged_out(name: str) -> None:
    """Say that there is no token."""
    if not os.environ.get(TOLD_VARIABLE):
        say(
            f"profile {name!r} is not logged in",
            f"log in with: requests-jwt login {name}",
            f"login of {name}",
        )


def _say_refused(name: str, error: JWTRefreshError) -> None:
    say(
        f"profile {name!r}: {error}",
        f"log in again with: requests-jwt login {name}",
        f"login of {name}",
    )


def install(
    make: type[DressedAdapter] = DressedAdapter,
    dress: Callable[[requests.Session, BaseAdapter, str], BaseAdapter] = dress,
) -> None:
    """Let all sessions of this process ask for tokens, with adapters of the class `make`."""
    global _make  # noqa: PLW0603 - one for the process
    original = requests.Session.get_adapter
    if getattr(original, "_dresses", False):
        return
    _make = make
    if os.environ.get(PATH_VARIABLE):  # relative to where the program is now
        with contextlib.suppress(JWTRefreshError):
            os.environ[PATH_VARIABLE] = str(default_path())

    def get_adapter(self: requests.Session, url: str) -> BaseAdapter:
        return dress(self, original(self, url), url)

    get_adapter.__doc__, get_adapter.__qualname__ = original.__doc__, original.__qualname__
    get_adapter._dresses = True  # type: ignore[attr-defined]  # noqa: SLF001 - our mark
    requests.Session.get_adapter = get_adapter  # type: ignore[method-assign]
