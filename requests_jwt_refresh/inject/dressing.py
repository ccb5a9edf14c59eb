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
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ClassVar, Final, SupportsIndex

import requests
from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar

from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.errors import JWTRefreshError, StoreError
from requests_jwt_refresh.profiles.load import PATH_VARIABLE, Profiles, default_path, is_set_up
from requests_jwt_refresh.refresh.client import ClientSession
from requests_jwt_refresh.refresh.single_flight import THREAD_NAME
from requests_jwt_refresh.urls import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from requests import PreparedRequest, Response

    from requests_jwt_refresh.profiles.load import Profile

NAMES_VARIABLE: Final = "REQUESTS_JWT_PROFILE"  # which profiles, with commas; all if it is not set
TOLD_VARIABLE: Final = "REQUESTS_JWT_TOLD"  # those of which `run` has said that there is no token

_said: set[str] = set()


def say(problem: str, remedy: str, about: str | None = None) -> None:
    """Say on stderr what is wrong and what helps, once in this process for all `about` the same."""
    if (about or problem) in _said:
        return
    _said.add(about or problem)
    with contextlib.suppress(Exception):  # there may be no stderr, or nobody who reads it
        sys.stderr.write(f"requests-jwt: {problem}\nrequests-jwt: {remedy}\n")
        sys.stderr.flush()


@dataclass(eq=False)
class Errand:
    """One request of the program's, on its way."""

    own: BaseAdapter | None = None
    """The session's own adapter."""
    beneath: Callable[..., Response] | None = None
    """What the session would have sent the request with; the transport's own `send` if None."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the session gave along."""
    carried: PreparedRequest | None = None
    """What has been sent last, with a token."""
    sent: int = 0
    """How often something has been sent."""
    raised: BaseException | None = None
    """By what is beneath."""

    def is_of(self, own: BaseAdapter, request: PreparedRequest | requests.Request) -> bool:
        """Whether `request` is what has been sent, or a copy of it: it has the same token."""
        if own is not self.own or self.carried is None:
            return False
        header = self.carried.headers.get("Authorization")
        has_its_token = header is not None and request.headers.get("Authorization") == header
        return request is self.carried or has_its_token


class DressedAdapter(JWTRefreshAdapter):
    """The adapter of one profile, for programs that know nothing of it."""

    needs_profiles: ClassVar[bool] = True  # somebody has asked for tokens: say so if there are none
    accepts_relative_urls = False  # they stay the error that they are
    errand: Errand

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        super().__init__(on_logout=partial(_say_refused, profile.name), **profile.options())
        self._own_urls = profile.own_urls()

    def through(self, transport: BaseAdapter, errand: Errand | None = None) -> DressedAdapter:
        """Return this adapter for one errand; they share the token and all about it."""
        dressed = object.__new__(type(self))
        dressed.__dict__.update(self.__dict__)
        dressed.transport = transport
        dressed.errand = errand or Errand()
        return dressed

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send `request` with the profile's token; without it if there is none to be had."""
        options = (stream, timeout, verify, cert, proxies)
        if self.leaves_alone(request):
            return self._transport_send(request, *options)
        try:
            self._look_for_token()
            response = super().send(request, *options)
        except JWTRefreshError as error:
            if error is self.errand.raised:  # by the program's own adapter
                raise
            self._say(error)
            # With an answer it was the refresh that failed, without one nothing has been sent.
            return (
                self._transport_send(request, *options)
                if error.response is None
                else error.response
            )
        if response.status_code == 401:  # noqa: PLR2004 - RFC 9110 §15.5.2
            self._say_if_logged_out()
        return response

    def _look_for_token(self) -> None:
        """Look into the store where there is no token: somebody may have logged in meanwhile."""
        if self.profile.name in _looked:
            if self.token is None:
                self.reload()
            return
        _looked.add(self.profile.name)
        with _forks_waiting():  # the first time much is imported
            import filelock  # noqa: F401 - as the first refresh will

            self._refresher.current()

    def _transport_send(self, request: PreparedRequest, *options: Any) -> Response:
        errand = self.errand
        errand.sent += 1
        try:
            if errand.beneath is None:
                return super()._transport_send(request, *options)
            errand.carried = request
            return errand.beneath(request, **errand.options)  # no option more than were given
        except JWTRefreshError as error:
            errand.raised = error
            raise

    def _say(self, error: JWTRefreshError) -> None:
        """Say why the request goes out without a token, or why its 401 stands."""
        name = self.profile.name
        if isinstance(error, StoreError) and was_told(name):
            return
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

    It is made when a request asks for it; no session keeps it.
    """

    def __init__(
        self,
        own: BaseAdapter,
        with_token: DressedAdapter,
        session: requests.Session | None = None,
    ) -> None:
        self.__dict__.update(undressed=own, _with_token=with_token, _session=session)

    @property
    def send(self) -> Callable[..., Response]:
        """What sends a request through the session's own adapter, with a token.

        A program may wrap it. So what it calls is what the adapter's own `send` was when the
        program took hold of this one.
        """
        beneath = self.__dict__["undressed"].send

        @wraps(beneath)
        def send(request: PreparedRequest, *args: Any, **options: Any) -> Response:
            options.update(zip(_OPTIONS, args, strict=False))
            own = self.__dict__["undressed"]
            if any(each.is_of(own, request) for each in _errands()):
                return beneath(request, **options)  # type: ignore[no-any-return]  # by a wrapper
            return self._sent(Errand(own, beneath, options), request)

        return send

    def _sent(self, errand: Errand, request: PreparedRequest) -> Response:
        """Send a request of the program's own; it sees nothing that it would not have without us.

        That is, no token in the response's request, which programs copy headers from, and no 401
        that was refreshed in the history, by which they tell a redirect. The cookies of the 401 are
        taken here, as the session would have.
        """
        own = self.__dict__["undressed"]
        adapter = self.__dict__["_with_token"].through(own, errand)
        given = {name: errand.options[name] for name in _OPTIONS if name in errand.options}
        errands = _errands()
        errands.append(errand)
        try:
            response: Response = adapter.send(request, **given)
        except requests.RequestException as error:
            if error.request is not None and errand.is_of(own, error.request):
                error.request = request
            raise
        finally:
            errands.remove(errand)
            errand.raised = None  # it would keep this frame alive
        if errand.sent > 1:
            self._take_cookies(response.history)
            response.history = []
        if errand.is_of(own, response.request):
            response.request = request
            response.connection = self  # type: ignore[assignment]  # for hooks that send again
        return response

    def _take_cookies(self, refused: Iterable[Response]) -> None:
        session = self.__dict__["_session"]
        for each in refused if session is not None else ():
            extract_cookies_to_jar(session.cookies, each.request, each.raw)

    @property
    def __wrapped__(self) -> BaseAdapter:
        """The session's own adapter: what an adapter of ours that is mounted by hand sends with."""
        own: BaseAdapter = self.__dict__["undressed"]
        return own

    def close(self) -> None:
        """Close the session's own adapter."""
        self.__dict__["undressed"].close()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What isinstance() is told: the class of the session's own adapter."""
        return type(self.__dict__["undressed"])

    def __getattr__(self, name: str) -> Any:
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

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Be copied and pickled as the session's own adapter."""
        return self.__dict__["undressed"].__reduce_ex__(protocol)


_OPTIONS: Final = ("stream", "timeout", "verify", "cert", "proxies")
_SLASHES: Final = re.compile("(?<!:)/{2,}")
_thread = threading.local()


def _errands() -> list[Errand]:
    """Return the errands that this thread is on, one within the other."""
    found: list[Errand] = _thread.__dict__.setdefault("errands", [])
    return found


class Wardrobe:
    """The adapters of several profiles, picked by origin."""

    def __init__(self, adapters: Iterable[DressedAdapter]) -> None:
        self._adapters = tuple(adapters)

    def adapter_for(self, url: str) -> DressedAdapter | None:
        """Return the adapter whose profile `url` belongs to: of several the nearest, then first."""
        if self.is_about_tokens(url):
            return None
        return max(self._fitting(url), key=partial(_nearness, url), default=None)

    def is_about_tokens(self, url: str) -> bool:
        """Whether one of the profiles has `url` for giving, renewing or taking back its tokens."""
        return any(each.is_about_tokens(url) for each in self._fitting(url))

    def _fitting(self, url: str) -> list[DressedAdapter]:
        origin = origin_of(url)
        if origin is None:
            return []
        return [each for each in self._adapters if origin in each.profile.origins()]


def _nearness(url: str, adapter: DressedAdapter) -> int:
    """Return how much of `url` the base URL covers; 0 if it is outside of it."""
    base = adapter.base_url.rstrip("/")
    return len(base) if url.startswith((f"{base}/", f"{base}?")) or url == base else 0


_mutex = threading.RLock()  # guards the making of the one wardrobe; it reads files
# Held in the first look into a store, for the sake of forks alone: nobody waits to look.
_first_look = threading.RLock()
_FORK_WAIT = 10.0  # seconds
_looked: set[str] = set()  # the profiles whose store has been looked into
_wardrobe: Wardrobe | None = None
_make: type[DressedAdapter] = DressedAdapter


def dress(session: requests.Session, own: BaseAdapter, url: str) -> BaseAdapter:
    """Return `own`, or for a URL of a profile one that sends its token through `own`."""
    if type(own) is Dressed:  # which somebody has kept, maybe that of another profile
        own = own.undressed
    if isinstance(session, ClientSession):
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


@contextlib.contextmanager
def _forks_waiting() -> Iterator[None]:
    """Have forks wait, unless they do already: in a child, another thread's import never ends."""
    is_ours = _first_look.acquire(blocking=False)
    lock = _first_look
    try:
        yield
    finally:
        if is_ours:
            lock.release()


def _before_fork() -> None:
    """Wait until nothing is under way. Nothing is held on to: others have hooks and locks, too."""
    for lock in (_mutex, _first_look):
        if lock.acquire(timeout=_FORK_WAIT):  # at once if this very thread has it
            lock.release()


def _after_fork_in_child() -> None:
    global _mutex, _first_look
    _mutex, _first_look = threading.RLock(), threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


class _NotOurs(logging.Filter):
    """Keeps our refreshes out of the program's log."""

    loggers = ("filelock", "urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")

    def filter(self, _record: logging.LogRecord) -> bool:
        return threading.current_thread().name != THREAD_NAME


class _OnStderr(logging.Handler):
    """Says what is logged where the program itself has no logging set up."""

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers:
            cause, _, remedy = record.getMessage().partition(". ")
            say(cause, remedy)


def _adapters() -> list[DressedAdapter]:
    found: list[DressedAdapter] = []
    names = _listed(NAMES_VARIABLE)
    logging.getLogger("requests_jwt_refresh").addHandler(_OnStderr(logging.WARNING))
    for name in _NotOurs.loggers:
        logging.getLogger(name).addFilter(_NotOurs())
    try:
        if not (_make.needs_profiles or is_set_up()):
            return found
        profiles = Profiles.read()
        for name in names or profiles.names:
            try:
                found.append(_make(profiles.profile(name)))
            except JWTRefreshError as error:
                _say_faulty(error, [name])
    except JWTRefreshError as error:
        _say_faulty(error, names or [""])
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the program must not suffer
        say(f"the profiles cannot be used ({type(error).__name__})", _WITHOUT)
    return found


_WITHOUT: Final = "the program runs without tokens. To see what is wrong: requests-jwt profiles"


def _listed(variable: str) -> list[str]:
    given = os.environ.get(variable, "").split(",")
    return [name.strip() for name in given if name.strip()]


def _say_faulty(error: JWTRefreshError, names: Iterable[str]) -> None:
    if not all(map(was_told, names)):
        say(str(error), _WITHOUT)


def was_told(name: str) -> bool:
    """Whether `run` has said, before the program started, what is wrong with a profile."""
    return name in _listed(TOLD_VARIABLE)


def say_logged_out(name: str) -> None:
    """Say that there is no token."""
    if not was_told(name):
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
