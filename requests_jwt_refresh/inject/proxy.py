"""Which profile a URL belongs to, and a proxy of a session's adapter that sends its token."""

from __future__ import annotations

import contextlib
import os
import threading
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final, SupportsIndex

import requests
from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar

from requests_jwt_refresh.adapter import JWTRefreshAdapter
from requests_jwt_refresh.errors import JWTRefreshError
from requests_jwt_refresh.inject.adapter import ProfileAdapter, RequestContext
from requests_jwt_refresh.inject.forks import ForkLock
from requests_jwt_refresh.inject.report import (
    NAMES_VARIABLE,
    set_up_logging,
    split_names,
    warn_faulty,
    warn_unusable,
)
from requests_jwt_refresh.profiles.load import PATH_VARIABLE, Profiles, default_path, is_set_up
from requests_jwt_refresh.refresh.client import ClientSession
from requests_jwt_refresh.sessions import PlainSession
from requests_jwt_refresh.urls import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from requests import PreparedRequest, Response


_SEND_OPTIONS: Final = ("stream", "timeout", "verify", "cert", "proxies")
_thread_state = threading.local()


class AdapterProxy(BaseAdapter):
    """Stands for a session's own adapter; differs from it only in that it sends a token.

    It is made for each request; no session keeps it.
    """

    __wrapped__: BaseAdapter

    def __init__(
        self,
        wrapped: BaseAdapter,
        with_token: ProfileAdapter,
        session: requests.Session | None = None,
    ) -> None:
        self.__dict__.update(__wrapped__=wrapped, _with_token=with_token, _session=session)

    @property
    def send(self) -> Callable[..., Response]:
        """What sends a request through the session's own adapter, with a token.

        A program may say ``adapter.send = wrap(adapter.send)``. What is returned here goes on
        calling the adapter's own `send` of this moment, and never that wrapper.
        """
        wrapped = self.__wrapped__
        wrapped_send = wrapped.send

        @wraps(wrapped_send)
        def send(request: PreparedRequest, *args: Any, **options: Any) -> Response:
            options.update(zip(_SEND_OPTIONS, args, strict=False))
            if any(each.has_sent(wrapped, request) for each in _requests_in_progress()):
                return wrapped_send(request, **options)  # called by the program's wrapper
            token_header = self.__dict__["_with_token"].token_header
            context = RequestContext(wrapped, wrapped_send, options, token_header)
            return self._send_with_token(context, request)

        return send

    def _send_with_token(self, context: RequestContext, request: PreparedRequest) -> Response:
        """Send a request of the program, which must not see what it would not see without us.

        So there is no token in the response's request, from which programs copy headers, and no 401
        that was refreshed in the history, by which they recognise a redirect. The cookies of that
        401 are kept here, as the session would have done.
        """
        wrapped = self.__wrapped__
        adapter = self.__dict__["_with_token"].with_transport(wrapped, context)
        given = {name: context.options[name] for name in _SEND_OPTIONS if name in context.options}
        in_progress = _requests_in_progress()
        in_progress.append(context)
        try:
            response: Response = adapter.send(request, **given)
        except requests.RequestException as error:
            if error.request is not None and context.has_sent(wrapped, error.request):
                error.request = request
            raise
        finally:
            in_progress.remove(context)
            context.raised = None  # it would keep this frame alive
        if context.send_count > 1:
            self._keep_cookies(response.history)
            response.history = []
        if context.has_sent(wrapped, response.request):
            response.request = request
            response.connection = self  # type: ignore[assignment]  # for hooks that send again
        return response

    def _keep_cookies(self, refused: Iterable[Response]) -> None:
        session = self.__dict__["_session"]
        for each in refused if session is not None else ():
            extract_cookies_to_jar(session.cookies, each.request, each.raw)

    def close(self) -> None:
        """Close the session's own adapter."""
        self.__wrapped__.close()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """What isinstance() is told: the class of the session's own adapter."""
        return type(self.__wrapped__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["__wrapped__"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__wrapped__, name)

    def __eq__(self, other: object) -> bool:
        return bool(self.__wrapped__ == unwrap(other))

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Be copied and pickled as the session's own adapter."""
        return self.__wrapped__.__reduce_ex__(protocol)


def unwrap(adapter: Any) -> Any:
    """Return the session's own adapter in place of its proxy, and anything else as it is."""
    return adapter.__wrapped__ if type(adapter) is AdapterProxy else adapter


def _requests_in_progress() -> list[RequestContext]:
    """Return the requests that this thread is sending, one within the other."""
    found: list[RequestContext] = _thread_state.__dict__.setdefault("requests", [])
    return found


class AdapterRegistry:
    """The adapters of several profiles, picked by URL."""

    def __init__(self, adapters: Iterable[ProfileAdapter]) -> None:
        self._adapters = tuple(adapters)

    def adapter_for(self, url: str) -> ProfileAdapter | None:
        """Return the adapter whose profile `url` belongs to, None for a URL that is not ours.

        Of several profiles of one origin it is the one with the nearest base URL, else the first.
        """
        if self.is_about_tokens(url):
            return None
        return max(self._adapters_of_origin(url), key=partial(_measure_match, url), default=None)

    def is_about_tokens(self, url: str) -> bool:
        """Whether `url` is where one of the profiles gets, renews or gives back its tokens."""
        return any(each.is_about_tokens(url) for each in self._adapters_of_origin(url))

    def _adapters_of_origin(self, url: str) -> list[ProfileAdapter]:
        origin = origin_of(url)
        if origin is None:
            return []
        return [each for each in self._adapters if origin in each.profile.origins()]


def _measure_match(url: str, adapter: ProfileAdapter) -> int:
    """Return how many characters of `url` the base URL covers; 0 if `url` is outside of it."""
    base = adapter.base_url.rstrip("/")
    return len(base) if url.startswith((f"{base}/", f"{base}?")) or url == base else 0


_registry_lock: Final = ForkLock()  # guards _registry while it is made, which reads files
_registry: AdapterRegistry | None = None
_adapter_class: type[ProfileAdapter] = ProfileAdapter


def load_registry() -> AdapterRegistry:
    """Return the adapters of the profiles that the environment names, made when first needed."""
    global _registry  # noqa: PLW0603 - one for the process
    if _registry is None:
        with _registry_lock.hold():
            if _registry is None:
                set_up_logging()
                _registry = AdapterRegistry(_load_adapters())
    return _registry


def _load_adapters() -> list[ProfileAdapter]:
    found: list[ProfileAdapter] = []
    names = split_names(os.environ.get(NAMES_VARIABLE, ""))
    try:
        if not (_adapter_class.needs_profiles or _may_be_set_up()):
            return found
        profiles = Profiles.read()
        for name in names or profiles.names:
            try:
                found.append(_adapter_class(profiles.profile(name)))
            except JWTRefreshError as error:
                warn_faulty(error, [name])
    except JWTRefreshError as error:
        warn_faulty(error, names or [""])
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the program must not suffer
        warn_unusable(error)
    return found


def _may_be_set_up() -> bool:
    try:
        return is_set_up()
    except Exception:  # noqa: BLE001 - there is no place in which profiles could be
        return False


def wrap_adapter(session: requests.Session, own: BaseAdapter, url: str) -> BaseAdapter:
    """Return `own`, or for a URL of a profile a proxy that sends its token through `own`."""
    own = unwrap(own)  # the program may have mounted a proxy, perhaps that of another profile
    if isinstance(session, ClientSession):
        return own
    if isinstance(own, JWTRefreshAdapter):  # mounted by the program itself
        return own
    found = load_registry().adapter_for(url)
    return own if found is None else AdapterProxy(own, found.with_transport(own), session)


def install(
    adapter_class: type[ProfileAdapter] = ProfileAdapter,
    wrap: Callable[[requests.Session, BaseAdapter, str], BaseAdapter] = wrap_adapter,
) -> None:
    """Let all sessions of this process send tokens, with adapters of the class `adapter_class`."""
    global _adapter_class  # noqa: PLW0603 - one for the process
    original = PlainSession.get_adapter
    if getattr(original, "_wraps_adapters", False):
        return
    _adapter_class = adapter_class
    if os.environ.get(PATH_VARIABLE):  # relative to where the program is now
        with contextlib.suppress(JWTRefreshError):
            os.environ[PATH_VARIABLE] = str(default_path())

    def get_adapter(self: requests.Session, url: str) -> BaseAdapter:
        return wrap(self, original(self, url), url)

    get_adapter.__doc__, get_adapter.__qualname__ = original.__doc__, original.__qualname__
    get_adapter._wraps_adapters = True  # type: ignore[attr-defined]  # noqa: SLF001 - our mark
    PlainSession.get_adapter = get_adapter  # type: ignore[method-assign]
