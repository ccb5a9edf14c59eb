"""What a preset's module tells about its server, and how its class is written down as data.

    @preset(send="refresh", access="access", rejected=(401,))
    class MyServer(JSONEndpoint):
        '''The page of this server.'''

        url: str = "/api/token/refresh/"


    PRESET: Final = Preset(MyServer, login={"url": "/api/token/"})

An endpoint may also have the class attributes `attach` (where API requests carry the token) and
`api_headers` (what else they carry): the adapter uses them where nobody says otherwise.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from requests_jwt_refresh.endpoints import OAuth2Endpoint
from requests_jwt_refresh.matching import any_of, json_field
from requests_jwt_refresh.urls import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence  # noqa: F401 - of inherited fields, too
    from dataclasses import InitVar  # noqa: F401 - likewise

    from typing_extensions import dataclass_transform

    from requests_jwt_refresh.authorization import Place  # noqa: F401 - likewise
    from requests_jwt_refresh.client_auth import ClientAuth  # noqa: F401 - likewise
    from requests_jwt_refresh.endpoints import JSONEndpoint, Refusals  # noqa: F401 - likewise
    from requests_jwt_refresh.matching import AnyOf, Matcher  # noqa: F401 - likewise
    from requests_jwt_refresh.urls import Origin
else:

    def dataclass_transform(**_options):  # noqa: ANN003, ANN201 - type checkers have their own
        return lambda function: function


T = TypeVar("T")

DOCUMENTED: Final = "from documentation, not run"
"""What is known of a preset that nobody here has tried on the real server."""
RUN: Final = "run against the real server"

_NAME_IN_BRACES = re.compile(r"\{(\w+)\}")
_TWO_SCHEMES = re.compile(r"\Ahttps://(?=https?:)")


@dataclass(frozen=True)
class Preset:
    """A known server: its endpoint, and where its documentation has login and logout.

    A module of this package has one, named PRESET.
    """

    endpoint: Callable[..., JSONEndpoint | OAuth2Endpoint]
    """The class that makes the endpoint."""
    login: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The keys of a profile's ``login`` table; empty if there is no documented login."""
    logout: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The keys of a profile's ``logout`` table; without a ``url`` if none is documented."""
    needs_url: bool = False
    """Whether the path of the refresh endpoint is each author's own, and so has no default."""
    base_url: str | None = None
    """The API's base URL where there is one for everybody."""
    note: str = DOCUMENTED
    """Where all this comes from."""

    def list_needed(self) -> list[str]:
        """Return the endpoint's options that must be given, the URL's {names} among them."""
        fields: dict[str, Any] = self.endpoint.__dataclass_fields__  # type: ignore[attr-defined]
        missing = dataclasses.MISSING
        needed = [
            name
            for name, each in fields.items()
            if each.init and each.default is missing and each.default_factory is missing
        ]
        url = fields["url"].default
        in_url = _NAME_IN_BRACES.findall(url) if isinstance(url, str) else []
        needed += [name for name in in_url if name in fields and fields[name].default is None]
        return [name for name in needed if name != "url"]

    def login_of(self, endpoint: object) -> dict[str, Any]:
        """Return `login` as it is for this endpoint."""
        return self.fill_in(self.login, endpoint)

    def logout_of(self, endpoint: object) -> dict[str, Any]:
        """Return `logout` as it is for this endpoint."""
        return self.fill_in(self.logout, endpoint)

    def fill_in(self, documented: Mapping[str, Any], endpoint: object) -> dict[str, Any]:
        """Return `documented` with the endpoint's fields in place of their {names}.

        Without its ``url`` if that is not where this endpoint's server is.
        """
        found = dict(fill(documented, endpoint))
        url = origin_of(found.get("url"))
        given = origin_of(getattr(endpoint, "url", None))
        # A proxy before the server, or one for tests, was given: no secret goes past it.
        if url is not None and given not in (url, self._find_own_origin(endpoint)):
            del found["url"]
        elif given is not None and found.get("url", "").startswith("/"):
            found["url"] = self._find_root(endpoint) + found["url"]
        return found

    def _find_root(self, endpoint: Any) -> str:
        """Return what stands before the usual path in a whole URL, "" if it has another path."""
        usual = self._find_usual_url(endpoint)
        is_usual = usual.startswith("/") and endpoint.url.endswith(usual)
        return str(endpoint.url).removesuffix(usual) if is_usual else ""

    def _find_own_origin(self, endpoint: object) -> Origin | None:
        return origin_of(self._find_usual_url(endpoint))

    def _find_usual_url(self, endpoint: object) -> str:
        """Return the URL of such an endpoint if nobody gives another, "" if that is not known."""
        fields: dict[str, Any] = self.endpoint.__dataclass_fields__  # type: ignore[attr-defined]
        url = fill({"url": fields["url"].default}, endpoint).get("url")
        return url if isinstance(url, str) else ""


@dataclass(frozen=True, repr=False)
class KnownOAuth2(OAuth2Endpoint):
    """An OAuth 2.0 endpoint whose URL is known, so that the client comes first.

    {names} in the URL stand for fields: ``"https://{domain}/oauth/token"``.
    """

    url: str = field(default="", kw_only=True)
    client_id: str = field()  # it must be given

    def __post_init__(self) -> None:
        fill_url(self)
        super().__post_init__()


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def preset(**defaults: object) -> Callable[[type[T]], type[T]]:
    """Make a class a frozen dataclass in which inherited fields have other `defaults`.

    What else such a field is (its type, whether a repr shows it) stays. Raises TypeError for a
    field that the class does not inherit.
    """

    def apply(cls: type[T]) -> type[T]:
        inherited: dict[str, dataclasses.Field[Any]] = getattr(cls, "__dataclass_fields__", {})
        own = dict(vars(cls).get("__annotations__", {}))
        for name, value in defaults.items():
            if name not in inherited:
                raise TypeError(f"{cls.__name__} inherits no field {name!r}")
            setattr(cls, name, _redefine(inherited[name], value))
        cls.__annotations__ = {**{name: inherited[name].type for name in defaults}, **own}
        made = dataclass(frozen=True, repr=False)(cls)
        cls.__annotations__ = own
        # Where tools look for the types of inherited fields: they are imported here, for all.
        made.__init__.__module__ = __name__
        return made

    return apply


def _redefine(old: dataclasses.Field[Any], value: Any) -> Any:
    is_mapping = isinstance(value, Mapping)
    default: dict[str, Any] = (
        {"default_factory": lambda: dict(value)} if is_mapping else {"default": value}
    )
    return field(
        **default, repr=old.repr, hash=old.hash, kw_only=old.kw_only, metadata=old.metadata
    )


def any_code(*paths: str, codes: tuple[str, ...]) -> AnyOf:
    """Match an answer that has one of `codes` at one of `paths`: a rule for ``rejected=``."""
    return any_of(*(json_field(path, code) for path in paths for code in codes))


def fill_url(endpoint: Any) -> None:
    """Put an endpoint's fields in place of their {names} in its URL.

    Raises ValueError for a field that is None.
    """
    if isinstance(endpoint.url, str):
        object.__setattr__(endpoint, "url", fill(endpoint.url, endpoint))


def fill(value: Any, endpoint: object) -> Any:
    """Return `value` with the endpoint's fields in place of their {names} in each string.

    A field may be a whole URL where the text has ``https://`` before it. What needs a field that is
    None is left out of a mapping, and a ValueError elsewhere.
    """
    if isinstance(value, Mapping):
        known = {name: each for name, each in value.items() if not _find_missing(each, endpoint)}
        return {name: fill(each, endpoint) for name, each in known.items()}
    if not isinstance(value, str):
        return value
    missing = _find_missing(value, endpoint)
    if missing:
        kind = type(endpoint).__name__
        raise ValueError(f"{kind} needs {missing[0]}=, or a url= that says it all")
    is_url = "/" in value

    def insert(found: re.Match[str]) -> str:
        if not hasattr(endpoint, found[1]):
            return found[0]
        given = str(getattr(endpoint, found[1]))
        return quote(given.rstrip("/"), safe=":/") if is_url else given

    return _TWO_SCHEMES.sub("", _NAME_IN_BRACES.sub(insert, value))


def _find_missing(value: object, endpoint: object) -> list[str]:
    """Return the {names} of fields in a string that the endpoint has, but as None."""
    names = _NAME_IN_BRACES.findall(value) if isinstance(value, str) else []
    return [name for name in names if getattr(endpoint, name, name) in (None, "")]
