"""The HTTPie plugin: ``http https://api.example.com/users`` is authenticated by a profile.

It is there as soon as this distribution is installed beside HTTPie, and uses the profile whose
origin the URL has; ``requests-jwt init`` makes one. Where no profile has it, nothing changes. A
profile that is named goes first: ``--auth-type=requests-jwt --auth=PROFILE``, or
``--auth=PROFILE:ACCOUNT`` for one of its accounts. With ``https+jwt://api.example.com/users`` (or
``http+jwt://``) it is an error if there is no profile for the URL.
"""
# HTTPie mounts a plugin's adapter in place of its own, which would cost --ssl and --ciphers. So
# its sessions are patched as those of any other program are (see inject/proxy.py), and what is
# mounted stands for the two schemes with +jwt. Nothing in here may raise while HTTPie starts, and
# nothing is read before a request is sent.

from __future__ import annotations

import sys
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import requests
from httpie.plugins import AuthPlugin, TransportPlugin
from httpie.plugins.base import BasePlugin
from httpie.plugins.registry import plugin_manager
from requests.adapters import BaseAdapter
from requests.auth import AuthBase
from requests.cookies import get_cookie_header
from requests_toolbelt import MultipartEncoder

from requests_jwt_refresh.authorization import AUTHORIZATION, Cookie, is_from_netrc
from requests_jwt_refresh.errors import InvalidURL
from requests_jwt_refresh.inject.adapter import ProfileAdapter
from requests_jwt_refresh.inject.hook import FallbackFinder
from requests_jwt_refresh.inject.proxy import (
    AdapterProxy,
    install,
    load_registry,
    unwrap,
    wrap_adapter,
)
from requests_jwt_refresh.profiles.load import Profiles
from requests_jwt_refresh.urls import origin_of, redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests import PreparedRequest, Response

_MARK = "+jwt://"


class HTTPieAdapter(ProfileAdapter):
    """Sends tokens as for other programs, but never replaces one that was typed."""

    needs_profiles = False  # the plugin may only have come along with the library

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send `request` with the token of the profile that it names, else of this one."""
        options = (stream, timeout, verify, cert, proxies)
        named = _find_named_adapter(request)
        if named is not None and self.transport is not None and named.profile is not self.profile:
            return named.with_transport(self.transport, self.context).send(request, *options)
        return super().send(_make_body_resendable(request), *options)

    def leaves_alone(self, request: PreparedRequest) -> bool:
        """Whether the request brings its own token, is to have none, or is about tokens."""
        return self._is_typed(request) or super().leaves_alone(request)

    def _describe_one_shot(self, body: object) -> tuple[str, str]:
        """Return what such a body is, and what to do, as HTTPie's user knows them."""
        # By the name of the class, which is none of HTTPie's public ones.
        if "Chunked" in type(body).__name__:
            return "a body of --chunked", "run the command again, or leave out --chunked"
        return super()._describe_one_shot(body)

    def _is_typed(self, request: PreparedRequest) -> bool:
        """Whether the header of the token was typed, or left out by typing its name alone.

        The request itself shows no trace of the latter. A cookie may be HTTPie's own, of a session
        file; so what was typed counts.
        """
        name, carrier = self.token_header, self._outgoing.carrier
        arguments = sys.argv[1:]
        if f"{name}:".lower() in map(str.lower, arguments):
            return True
        if isinstance(carrier, Cookie):
            return any(_types_cookie(each, carrier.name) for each in arguments)
        is_from_machine = name.lower() == AUTHORIZATION.name.lower() and is_from_netrc(request)
        return name in request.headers and not is_from_machine


class NamedAdapter(HTTPieAdapter):
    """The adapter of the profile in --auth, for no requests but those that name it."""

    def leaves_alone(self, request: PreparedRequest) -> bool:
        """Whether the request names no profile, brings its own token, or is about tokens."""
        return _find_named_adapter(request) is None or super().leaves_alone(request)


class ExplicitAdapter(BaseAdapter):
    """What HTTPie mounts for https+jwt://: sends a profile's token by the adapter for https."""

    def __init__(self, transport: BaseAdapter | None = None) -> None:
        super().__init__()
        self._transport = transport

    def with_transport(self, transport: BaseAdapter) -> ExplicitAdapter:
        """Return such an adapter that sends through `transport`."""
        return ExplicitAdapter(transport)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send `request` with the token of the profile for its origin.

        Raises InvalidURL if there is no such profile.
        """
        transport = self._transport or requests.adapters.HTTPAdapter()
        options = (stream, timeout, verify, cert, proxies)
        plain = _make_plain(request)
        registry = load_registry()
        found = _find_named_adapter(request) or registry.adapter_for(plain.url or "")
        if found is not None:
            return found.with_transport(transport).send(plain, *options)
        if registry.is_about_tokens(plain.url or ""):
            return transport.send(plain, *options)
        raise InvalidURL(
            f"there is no profile for {redact(plain.url)}",
            "make one with: requests-jwt init NAME; or leave out '+jwt'",
        )

    def close(self) -> None:
        """Close nothing: the session's own adapter is closed by the session."""


class _ProfileAuth(AuthBase):
    """Marks a request with the profile that it is to be sent with.

    The profile is read when this is called: what is raised now, HTTPie shows as an error, and what
    is raised earlier as a traceback.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        name, _, account = self._name.partition(":")
        url, profile = plain_url(request.url or ""), Profiles.read().profile(name, account or None)
        if origin_of(url) not in profile.origins():
            raise InvalidURL(
                f"profile {profile.name!r} is for {profile.base_url}: its token does not go to "
                f"{redact(url)}",
                "name a profile for that URL; to see all profiles: requests-jwt profiles",
            )
        adapter = NamedAdapter(profile)
        _named_adapters.append(adapter)
        request.register_hook("response", _NamedAdapterHook(adapter))
        return request


_named_adapters: list[NamedAdapter] = []  # for URLs that no other profile is for; see _wrap


class _NamedAdapterHook:
    """Which adapter sends a request, as a hook: hooks survive the copies that requests makes."""

    def __init__(self, adapter: NamedAdapter) -> None:
        self.adapter = adapter

    def __call__(self, response: Response, **_options: object) -> Response:
        return response


class HTTPSPlugin(TransportPlugin):  # type: ignore[misc]
    """The scheme https+jwt://."""

    name = "requests-jwt-refresh"
    description = "Sends the tokens of requests-jwt's profiles, and refreshes them"
    prefix: ClassVar[str] = "https" + _MARK

    def get_adapter(self) -> BaseAdapter:
        """Return what HTTPie mounts."""
        return ExplicitAdapter()


class HTTPPlugin(HTTPSPlugin):
    """The scheme http+jwt://, for servers on this machine."""

    prefix: ClassVar[str] = "http" + _MARK


class JWTAuthPlugin(AuthPlugin):  # type: ignore[misc]
    """The options --auth-type=requests-jwt --auth=PROFILE."""

    name = "JWT of a requests-jwt profile"
    description = "--auth is the name of a requests-jwt profile, whose token is sent"
    auth_type = "requests-jwt"
    auth_require = True
    auth_parse = False
    netrc_parse = False
    prompt_password = False

    def get_auth(self, username: str | None = None, password: str | None = None) -> AuthBase:  # noqa: ARG002 - HTTPie calls it so
        """Return what marks the request."""
        return _ProfileAuth(str(self.raw_auth))


class _OldNamePlugin(JWTAuthPlugin):
    """The option --auth-type=jwt, a name that other plugins have as well."""

    description = "the old name of requests-jwt, unless another plugin has it"
    auth_type = "jwt"


class _NoPlugin(BasePlugin):  # type: ignore[misc]
    """Something in HTTPie's list of plugins that is no plugin."""


def __getattr__(name: str) -> type[BasePlugin]:
    """Return the plugin of the old name as `OldNameAuthPlugin`, if that name is free.

    Of two plugins with one auth type HTTPie takes the one that it has loaded last. So this one must
    make way for those before it; those after it take the name by themselves.
    """
    if name != "OldNameAuthPlugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    others = (each for each in plugin_manager.get_auth_plugins() if each is not _OldNamePlugin)
    is_free = all(each.auth_type != _OldNamePlugin.auth_type for each in others)
    return _OldNamePlugin if is_free else _NoPlugin


def plain_url(url: str) -> str:
    """Return `url` with the scheme that requests knows."""
    scheme, mark, rest = url.partition(_MARK)
    return f"{scheme}://{rest}" if mark and scheme.lower() in ("http", "https") else url


def _make_plain(request: PreparedRequest) -> PreparedRequest:
    """Return the request with the scheme that requests knows, and the cookies for that scheme."""
    plain = copy(request)
    plain.url = plain_url(request.url or "")
    jar: Any = request._cookies  # noqa: SLF001 - as requests' auth does
    # A cookie for https alone was left out. A header that is not of the jar was made by hand.
    if jar is not None and request.headers.get("Cookie") == get_cookie_header(jar, request):
        plain.headers = request.headers.copy()
        plain.headers.pop("Cookie", None)
        plain.prepare_cookies(jar)
    return plain


def _types_cookie(argument: str, name: str) -> bool:
    """Whether an argument is a Cookie header with a cookie called `name`."""
    header, _, cookies = argument.partition(":")
    names = (each.partition("=")[0].strip() for each in cookies.split(";"))
    return header.strip().lower() == "cookie" and name in names


def _find_named_adapter(request: PreparedRequest) -> NamedAdapter | None:
    hooks = request.hooks.get("response", ())
    return next((each.adapter for each in hooks if isinstance(each, _NamedAdapterHook)), None)


class _FileBody:
    """An upload from a file. HTTPie shows what is read of it, and must not do so a second time."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.read: Callable[..., bytes] = file.read

    def seek(self, offset: int) -> None:
        self._file.seek(offset)
        self.read = self._file.read.__wrapped__  # without the wrapper that shows it


class _MultipartBody:
    """A multipart upload that can be read from its start again, which the encoder itself cannot."""

    def __init__(self, encoder: MultipartEncoder) -> None:
        self._encoder = encoder
        self.read: Callable[..., bytes] = encoder.read

    def seek(self, _offset: int) -> None:
        again = MultipartEncoder({}, self._encoder.boundary_value)
        for part in self._encoder.parts:  # its fields are an iterator, and that has been used up
            getattr(part.body, "fd", part.body).seek(0)
            part.headers_unread = True
        again.parts = self._encoder.parts
        again._iter_parts = iter(again.parts)  # noqa: SLF001 - as if they were its own
        self.read = again.read


def _make_body_resendable(request: PreparedRequest) -> PreparedRequest:
    changed = copy(request)
    if isinstance(request.body, MultipartEncoder):
        changed.body = _MultipartBody(request.body)
        changed._body_position = 0  # noqa: SLF001 - where rewind_body() goes back to
    elif hasattr(getattr(request.body, "read", None), "__wrapped__"):
        changed.body = _FileBody(request.body)
    return changed


def _wrap(session: requests.Session, own: BaseAdapter, url: str) -> BaseAdapter:
    """Return the adapter that a session of HTTPie sends with."""
    if type(own) is ExplicitAdapter:
        return own.with_transport(unwrap(session.get_adapter(plain_url(url))))
    wrapped = wrap_adapter(session, own, url)
    if wrapped is not own:
        return wrapped
    named = (each for each in _named_adapters if origin_of(url) in each.profile.origins())
    found = next(named, None)
    return own if found is None else AdapterProxy(own, found.with_transport(own), session)


# HTTPie takes its folder of plugins off sys.path again, and much is imported only when needed.
sys.meta_path.append(FallbackFinder([str(Path(__file__).absolute().parents[1])]))
install(HTTPieAdapter, _wrap)
