"""The HTTPie plugin: ``http https://api.example.com/users`` is authenticated by a profile.

HTTPie mounts a plugin's adapter in place of its own, which would cost --ssl and --ciphers. So its
sessions are asked for theirs, as those of any other program are (see legacy/dressing.py), and what
is mounted stands for two schemes that say "with a token, or not at all": https+jwt:// and
http+jwt://. A profile named with ``--auth-type=jwt --auth=PROFILE`` goes before the one that the
URL's origin picks.

Nothing in here may raise while HTTPie starts, and nothing is read before a request is sent.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar

import requests
from httpie.plugins import AuthPlugin, TransportPlugin
from requests.adapters import BaseAdapter
from requests.auth import AuthBase
from requests_toolbelt import MultipartEncoder

from .authorization import is_from_netrc
from .errors import InvalidURL
from .legacy import dressing
from .legacy.dressing import Dressed, DressedAdapter
from .profiles import Profiles
from .urls import origin_of, shown

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from .profiles import Profile

_MARK = "+jwt://"


class HTTPieAdapter(DressedAdapter):
    """As for other programs, but who types an Authorization on the command line means it."""

    needs_profiles = False  # the plugin may only have come along with the library

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,  # noqa: ANN401 - as in requests
        verify: Any = True,  # noqa: ANN401
        cert: Any = None,  # noqa: ANN401
        proxies: Any = None,  # noqa: ANN401
    ) -> Response:
        """Send `request` with the token of the profile that it names, else of this one."""
        options = (stream, timeout, verify, cert, proxies)
        named = _named_in(request)
        if named is not None and self.transport is not None and named.profile != self.profile:
            return named.through(self.transport).send(request, *options)
        if isinstance(request.body, MultipartEncoder):
            request = _with_rewindable_body(request)
        return super().send(request, *options)

    def leaves_alone(self, request: PreparedRequest) -> bool:
        """Whether the request brings its own token, or is itself about tokens."""
        typed = "Authorization" in request.headers and not is_from_netrc(request)
        return typed or super().leaves_alone(request)


class ExplicitAdapter(BaseAdapter):
    """What is mounted for https+jwt://: a session's adapter for https, with a profile's token."""

    def __init__(self, transport: BaseAdapter | None = None) -> None:
        super().__init__()
        self._transport = transport

    def through(self, transport: BaseAdapter) -> ExplicitAdapter:
        """Return such an adapter that sends through `transport`."""
        return ExplicitAdapter(transport)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,  # noqa: ANN401 - as in requests
        verify: Any = True,  # noqa: ANN401
        cert: Any = None,  # noqa: ANN401
        proxies: Any = None,  # noqa: ANN401
    ) -> Response:
        """Send `request` with the token of the profile for its origin.

        Raises InvalidURL if there is no such profile.
        """
        transport = self._transport or requests.adapters.HTTPAdapter()
        plain = copy(request)
        plain.url = plain_url(request.url or "")
        found = _named_in(request) or dressing.wardrobe().adapter_for(plain.url)
        if found is None:
            raise InvalidURL(
                f"no profile is for {shown(plain.url)}: make one with `requests-jwt init NAME`, or "
                "leave out '+jwt'"
            )
        return found.through(transport).send(plain, stream, timeout, verify, cert, proxies)

    def close(self) -> None:
        """Close nothing: the session's own adapter is closed by the session."""


class _ProfileAuth(AuthBase):
    """Says which profile a request is to be sent with."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        url = plain_url(request.url or "")
        if origin_of(url) not in self._profile.origins():
            raise InvalidURL(
                f"profile {self._profile.name!r} is for {self._profile.base_url}: its token does "
                f"not go to {shown(url)}"
            )
        request.register_hook("response", _Choice(self._profile.name))
        return request


class _Choice:
    """The name of a profile, as a hook: what survives the copies that requests makes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, response: Response, **_options: object) -> Response:
        return response


class HTTPSPlugin(TransportPlugin):  # type: ignore[misc]
    """Stands for https+jwt://."""

    name = "requests-jwt-refresh"
    description = "Sends the tokens of requests-jwt's profiles, and refreshes them"
    prefix: ClassVar[str] = "https" + _MARK

    def get_adapter(self) -> BaseAdapter:
        """Return what HTTPie mounts."""
        return ExplicitAdapter()


class HTTPPlugin(HTTPSPlugin):
    """Stands for http+jwt://, for servers on this machine."""

    prefix: ClassVar[str] = "http" + _MARK


class JWTAuthPlugin(AuthPlugin):  # type: ignore[misc]
    """Stands for --auth-type=jwt --auth=PROFILE."""

    name = "JWT of a requests-jwt profile"
    description = "--auth is the name of a profile of requests-jwt; the token is its own affair"
    auth_type = "jwt"
    auth_require = True
    auth_parse = False
    netrc_parse = False
    prompt_password = False

    def get_auth(self, username: str | None = None, password: str | None = None) -> AuthBase:  # noqa: ARG002 - HTTPie's
        """Return what marks the request. Raises ProfileError for a name that is no profile's."""
        return _ProfileAuth(Profiles.read().profile(str(self.raw_auth)))


def plain_url(url: str) -> str:
    """Return `url` with the scheme that requests knows."""
    scheme, mark, rest = url.partition(_MARK)
    return f"{scheme}://{rest}" if mark and scheme.lower() in ("http", "https") else url


def _named_in(request: PreparedRequest) -> DressedAdapter | None:
    hooks = request.hooks.get("response", ())
    name = next((each.name for each in hooks if isinstance(each, _Choice)), None)
    if name is None:
        return None
    return dressing.wardrobe().named(name) or HTTPieAdapter(Profiles.read().profile(name))


class _Rewindable:
    """A multipart body that can be read from its start again, which the encoder itself can not."""

    def __init__(self, encoder: MultipartEncoder) -> None:
        self._encoder = encoder
        self._files = [(each, each.tell()) for each in _files_in(encoder.fields)]

    def __len__(self) -> int:
        length: int = self._encoder.len
        return length

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._encoder.read(size)
        return data

    def tell(self) -> int:
        return 0  # asked once, before anything is read

    def seek(self, _offset: int) -> None:
        for file, start in self._files:
            file.seek(start)
        first = self._encoder
        self._encoder = MultipartEncoder(first.fields, first.boundary_value, first.encoding)


def _files_in(fields: Any) -> list[Any]:  # noqa: ANN401 - what the encoder takes
    values = [value for _, value in (fields.items() if isinstance(fields, dict) else fields)]
    contents = [value[1] if isinstance(value, tuple) else value for value in values]
    return [each for each in contents if hasattr(each, "seek") and hasattr(each, "tell")]


def _with_rewindable_body(request: PreparedRequest) -> PreparedRequest:
    changed = copy(request)
    changed.body = _Rewindable(request.body)
    changed._body_position = 0  # noqa: SLF001 - where rewind_body() goes back to
    return changed


def dress(session: requests.Session, own: BaseAdapter, url: str) -> BaseAdapter:
    """Return what a session of HTTPie's sends with."""
    if type(own) is ExplicitAdapter:
        beneath = session.get_adapter(plain_url(url))
        return own.through(beneath.undressed if type(beneath) is Dressed else beneath)
    return dressing.dress(session, own, url)


dressing.install(HTTPieAdapter, dress)
