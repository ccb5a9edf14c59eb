"""Ready endpoints for known servers, each with the server's own rule for "expired".

    mount(session, "https://api.example.com", presets.SimpleJWT())

Every argument has a default: the paths, fields and statuses that the server's documentation gives.
Only Express needs a path, since it is each author's own. What a server does otherwise is said by
name, as in JSONEndpoint and BearerEndpoint: ``presets.SimpleJWT("/token/refresh/")``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from requests_jwt_refresh.presets.aspnetcore_identity import ASPNETCoreIdentity
    from requests_jwt_refresh.presets.base import Preset
    from requests_jwt_refresh.presets.directus import Directus
    from requests_jwt_refresh.presets.express import Express
    from requests_jwt_refresh.presets.flask_jwt_extended import FlaskJWTExtended
    from requests_jwt_refresh.presets.simplejwt import SimpleJWT

__docformat__ = "google"  # for pdoc

__all__ = [
    "PRESET_MODULES",
    "ASPNETCoreIdentity",
    "Directus",
    "Express",
    "FlaskJWTExtended",
    "Preset",
    "SimpleJWT",
    "load",
]

PRESET_MODULES: Final = {
    "simplejwt": "simplejwt",
    "flask-jwt-extended": "flask_jwt_extended",
    "directus": "directus",
    "aspnetcore-identity": "aspnetcore_identity",
    "express": "express",
}
"""The name of each preset in a profile, and its module here."""

# Each module is loaded when it is first asked for, so that the names alone cost nothing.
_WHERE: Final = {
    "ASPNETCoreIdentity": "aspnetcore_identity",
    "Directus": "directus",
    "Express": "express",
    "FlaskJWTExtended": "flask_jwt_extended",
    "Preset": "base",
    "SimpleJWT": "simplejwt",
}


def load(name: str) -> Preset:
    """Return the preset that profiles call `name`. Raises ValueError if there is none.

    >>> load("simplejwt").endpoint()
    SimpleJWT()
    """
    if name not in PRESET_MODULES:
        raise ValueError(f"{name!r} is no preset: there are {', '.join(PRESET_MODULES)}")
    preset: Preset = import_module(f".{PRESET_MODULES[name]}", __name__).PRESET
    return preset


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_WHERE[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
