"""What a page shows of a public class, and how it writes types.

- A page of a module shows the names that the package makes public; a preset's shows its class.
- What users make and hand on (endpoints, logins, `DPoP`, `PrivateKeyJWT`) shows how it is made.
  What the library then asks of it stands on `Endpoint`, for those who write an endpoint.
- What the library makes and hands to users (a gate, an exchange) does not show how it is made; a
  `Preset` shows its fields alone.
- A store shows its four verbs. What else a store may have stands on `TokenStore`, for those who
  write one.
- Of the bases of a class those that are public count, and those of other packages.
- A type that users cannot import is written as the public name that it stands for.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from inspect import formatannotation
from typing import TYPE_CHECKING, Any, Final

from pdoc.render_helpers import format_signature

from requests_jwt_refresh import DPoP, JSONEndpoint, OAuth2Endpoint, PrivateKeyJWT
from requests_jwt_refresh.presets import Preset
from requests_jwt_refresh.refresh.logins import OwnLogin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

PACKAGE: Final = "requests_jwt_refresh"
HANDED_ON: Final = (JSONEndpoint, OAuth2Endpoint, OwnLogin, DPoP, PrivateKeyJWT)
"""Classes that show their constructor alone."""
MADE_BY_US: Final = ("Endpoint", "Exchange", "Fault", "Gate", "Preset", "TokenStore")
"""Classes whose constructor no user calls; protocols have none."""
INNER: Final = ("about", "is_missing", "login_words", "pass_through", "prepare", "reserve")
"""Members that the library alone uses."""

_MATCHER: Final = "requests_jwt_refresh.Matcher"
_CALLABLE: Final = r"(?:collections\.abc\.|typing\.)?Callable"
_KIND: Final = r"(?:typing\.)?Literal\['refresh', [^]]*\]"
_PUBLIC_TYPES: Final = [
    (re.compile(pattern), name)
    for pattern, name in [
        (rf"{_CALLABLE}\[\[requests\.models\.Response\], bool\]", _MATCHER),
        (r"requests_jwt_refresh\.matching\.(?:\w+)", _MATCHER),
        (rf"(?:typing\.)?Union\[{_KIND}, {_CALLABLE}\[\[str\], bool\]\]", "{testing}.Target"),
        (rf"{_KIND} \| {_CALLABLE}\[\[str\], bool\]", "{testing}.Target"),
        (_KIND, "{testing}.Kind"),
        (r"(?:typing\.)?Literal\['matched', [^]]*\]", "str"),
        (r"requests_jwt_refresh\.client_auth\.ClientAuth", "requests_jwt_refresh.PrivateKeyJWT"),
        (r"requests_jwt_refresh\.authorization\.Carrier", "requests_jwt_refresh.DPoP"),
        (r"requests_jwt_refresh\.grants\.OAuth2Client", "requests_jwt_refresh.OAuth2Endpoint"),
        (r"requests_jwt_refresh\.grants\.Reader", "requests_jwt_refresh.Endpoint"),
        (r"requests\.(?:models|sessions)\.", "requests."),
        (r"(?:contextlib|collections\.abc|typing)\.(?=[A-Z])", ""),
        (r"Callable\[(requests\.PreparedRequest, [\w.]+), object\]", r"Callable[[\1], object]"),
        (r" \| (?:ellipsis|EllipsisType)\b|\b(?:types\.)?EllipsisType \| ", ""),
        (r"^Union\[(\S+), (Callable\[\[str\], bool\])\]$", r"\1 | \2"),
        (r"^(?:<factory>|Ellipsis)$", "..."),
        (r"<function (\w+)[^>]*>", r"\1"),
        (r"^<class '(?:\w+\.)*(\w+)'>$", r"\1"),
    ]
]


def is_inner(doc: Any) -> bool:
    """Whether a name of a module, or of a class, is none that users call."""
    owner_name, _, name = doc.qualname.rpartition(".")
    if not owner_name:
        return doc.kind != "module" and not _is_public(name, doc.modulename)
    if name == "__init__":
        return owner_name in MADE_BY_US
    owner = getattr(import_module(doc.modulename), owner_name)
    is_method = owner is Preset and doc.kind == "function"
    return name in INNER or issubclass(owner, HANDED_ON) or is_method


def list_public_bases(cls: Any) -> Iterator[tuple[str, str, str]]:
    """Yield of a documented class the nearest public base, and those of other packages."""
    for module, name, text in cls.bases:
        if not module.startswith("requests_jwt_refresh"):
            if module != "typing":
                yield module, name, text.removeprefix("builtins.")
        elif _is_public(name, PACKAGE) or _is_public(name, f"{PACKAGE}.testing"):
            yield module, name, name
        else:
            inherited = getattr(import_module(module), name).__mro__[1:]
            yield from (
                (base.__module__, base.__name__, base.__name__)
                for base in inherited
                if base in HANDED_ON
            )


def shorten_types(text: str, of: str = "") -> str:
    """Return a type or a default as its readers would write it; `of` is the name it explains."""
    for pattern, name in _PUBLIC_TYPES:
        if of and name.endswith(f".{of}"):
            continue
        text = pattern.sub(name.replace("{testing}", "requests_jwt_refresh.testing"), text)
    return text


def format_short_signature(signature: inspect.Signature, *, colon: bool) -> Markup:
    """Return a signature as pdoc formats it, with types and defaults shortened."""
    parameters = [
        each.replace(
            annotation=_shorten(each.annotation, formatannotation),
            default=_shorten(each.default, repr),
        )
        for each in signature.parameters.values()
    ]
    returned = _shorten(signature.return_annotation, formatannotation)
    short = signature.replace(parameters=parameters, return_annotation=returned)
    return format_signature(short, colon)


class _Text:
    """Prints as a text, without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _shorten(value: Any, write: Any) -> Any:
    return value if value is inspect.Parameter.empty else _Text(shorten_types(write(value)))


def _is_public(name: str, module: str) -> bool:
    """Whether a name is public in the package that a module belongs to."""
    package = PACKAGE
    if module.startswith((f"{PACKAGE}.presets", f"{PACKAGE}.testing")):
        package = ".".join(module.split(".")[:2])
    return name in import_module(package).__all__ or name == "jwt_server"
