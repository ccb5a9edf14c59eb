"""Ready endpoints for known servers, each with the server's own rules.

```python
mount(session, "https://api.example.com", presets.SimpleJWT())
```

Each knows where its server wants the tokens, what "expired", "refused" and "not so often" look like
there, and the documented login and logout. Its docstring is the page of that server: a script,
what to get first, what "expired" and "refused" are, how long the tokens live, and what goes wrong.
``help(presets.GitHub)`` shows it, too.

What a server does otherwise is said by name, as in JSONEndpoint and OAuth2Endpoint:
``presets.SimpleJWT("/token/refresh/")``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # for tools that read types and complete names
    from requests_jwt_refresh.presets.amazon_sp_api import AmazonSPAPI as AmazonSPAPI
    from requests_jwt_refresh.presets.aspnetcore_identity import (
        ASPNETCoreIdentity as ASPNETCoreIdentity,
    )
    from requests_jwt_refresh.presets.auth0 import Auth0 as Auth0
    from requests_jwt_refresh.presets.authx import AuthX as AuthX
    from requests_jwt_refresh.presets.base import Preset as Preset
    from requests_jwt_refresh.presets.bluesky import Bluesky as Bluesky
    from requests_jwt_refresh.presets.bluesky_oauth import BlueskyOAuth as BlueskyOAuth
    from requests_jwt_refresh.presets.cognito import Cognito as Cognito
    from requests_jwt_refresh.presets.directus import Directus as Directus
    from requests_jwt_refresh.presets.dj_rest_auth import DJRestAuth as DJRestAuth
    from requests_jwt_refresh.presets.djoser import Djoser as Djoser
    from requests_jwt_refresh.presets.entra_id import EntraID as EntraID
    from requests_jwt_refresh.presets.express import Express as Express
    from requests_jwt_refresh.presets.fastapi_template import FastAPITemplate as FastAPITemplate
    from requests_jwt_refresh.presets.firebase import Firebase as Firebase
    from requests_jwt_refresh.presets.fitbit import Fitbit as Fitbit
    from requests_jwt_refresh.presets.flask_appbuilder import FlaskAppBuilder as FlaskAppBuilder
    from requests_jwt_refresh.presets.flask_jwt_extended import FlaskJWTExtended as FlaskJWTExtended
    from requests_jwt_refresh.presets.flask_jwt_extended_cookies import (
        FlaskJWTExtendedCookies as FlaskJWTExtendedCookies,
    )
    from requests_jwt_refresh.presets.github import GitHub as GitHub
    from requests_jwt_refresh.presets.google import Google as Google
    from requests_jwt_refresh.presets.home_assistant import HomeAssistant as HomeAssistant
    from requests_jwt_refresh.presets.hubspot import HubSpot as HubSpot
    from requests_jwt_refresh.presets.keycloak import Keycloak as Keycloak
    from requests_jwt_refresh.presets.laravel_jwt import LaravelJWT as LaravelJWT
    from requests_jwt_refresh.presets.matrix import Matrix as Matrix
    from requests_jwt_refresh.presets.nestjs import NestJS as NestJS
    from requests_jwt_refresh.presets.nhost import Nhost as Nhost
    from requests_jwt_refresh.presets.okta import Okta as Okta
    from requests_jwt_refresh.presets.pocketbase import PocketBase as PocketBase
    from requests_jwt_refresh.presets.proxmox import Proxmox as Proxmox
    from requests_jwt_refresh.presets.quickbooks import QuickBooks as QuickBooks
    from requests_jwt_refresh.presets.salesforce import Salesforce as Salesforce
    from requests_jwt_refresh.presets.shopify import Shopify as Shopify
    from requests_jwt_refresh.presets.simplejwt import SimpleJWT as SimpleJWT
    from requests_jwt_refresh.presets.slack import Slack as Slack
    from requests_jwt_refresh.presets.spotify import Spotify as Spotify
    from requests_jwt_refresh.presets.spring_boot import SpringBoot as SpringBoot
    from requests_jwt_refresh.presets.strava import Strava as Strava
    from requests_jwt_refresh.presets.supabase import Supabase as Supabase
    from requests_jwt_refresh.presets.tesla import Tesla as Tesla
    from requests_jwt_refresh.presets.vault import Vault as Vault
    from requests_jwt_refresh.presets.xero import Xero as Xero
    from requests_jwt_refresh.presets.zoho import Zoho as Zoho

__docformat__ = "google"  # for pdoc

# A preset is a module of this package, named as in a profile with _ for -, and a line here.
_CLASSES: Final = {
    "simplejwt": "SimpleJWT",
    "djoser": "Djoser",
    "dj-rest-auth": "DJRestAuth",
    "flask-jwt-extended": "FlaskJWTExtended",
    "flask-jwt-extended-cookies": "FlaskJWTExtendedCookies",
    "flask-appbuilder": "FlaskAppBuilder",
    "authx": "AuthX",
    "fastapi-template": "FastAPITemplate",
    "spring-boot": "SpringBoot",
    "nestjs": "NestJS",
    "express": "Express",
    "aspnetcore-identity": "ASPNETCoreIdentity",
    "laravel-jwt": "LaravelJWT",
    "supabase": "Supabase",
    "firebase": "Firebase",
    "cognito": "Cognito",
    "auth0": "Auth0",
    "okta": "Okta",
    "keycloak": "Keycloak",
    "xero": "Xero",
    "quickbooks": "QuickBooks",
    "spotify": "Spotify",
    "google": "Google",
    "tesla": "Tesla",
    "home-assistant": "HomeAssistant",
    "entra-id": "EntraID",
    "github": "GitHub",
    "slack": "Slack",
    "strava": "Strava",
    "fitbit": "Fitbit",
    "hubspot": "HubSpot",
    "zoho": "Zoho",
    "shopify": "Shopify",
    "salesforce": "Salesforce",
    "amazon-sp-api": "AmazonSPAPI",
    "bluesky": "Bluesky",
    "bluesky-oauth": "BlueskyOAuth",
    "matrix": "Matrix",
    "nhost": "Nhost",
    "directus": "Directus",
    "pocketbase": "PocketBase",
    "vault": "Vault",
    "proxmox": "Proxmox",
}

PRESET_MODULES: Final = {name: name.replace("-", "_") for name in _CLASSES}
"""The name of each preset in a profile, and its module here.

```python
print(*presets.PRESET_MODULES)  # simplejwt djoser dj-rest-auth ...
```
"""

# Each module is loaded when it is first asked for, so that the names alone cost nothing.
_WHERE: Final = {
    "Preset": "base",
    **{_CLASSES[name]: module for name, module in PRESET_MODULES.items()},
}

__all__ = ["PRESET_MODULES", "load", *_WHERE]  # noqa: PLE0604


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
