"""Directus, with the tokens in JSON (mode ``json``)."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import Preset, preset
from requests_jwt_refresh.responses import DefaultPath

_MODE: Final = {"mode": "json"}


@preset(
    access="data.access_token",
    refresh=DefaultPath("data.refresh_token"),
    expires_in=DefaultPath("data.expires"),
    expires_in_unit="ms",
    rejected=(401,),
    extra=_MODE,
    when=json_field("errors.*.extensions.code", "TOKEN_EXPIRED"),
)
class Directus(JSONEndpoint):
    """Directus: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://directus.example.com", presets.Directus())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice@example.com", getpass.getpass())
    print(session.get("/items/articles").json())
    ```

    Without Python: ``requests-jwt init cms --preset directus --base-url
    https://directus.example.com``, then ``requests-jwt login cms``.

    **To have first:** a user. Refresh: ``POST /auth/refresh`` with JSON ``refresh_token`` and
    ``"mode": "json"``; login: ``POST /auth/login`` with ``email``; logout: ``POST /auth/logout``. A
    static token of a user does not expire, and needs none of this. The paths are below the base
    URL: give ``https://directus.example.com``, not ``https://directus.example.com/auth``.

    **Expired** is a 401 with the code TOKEN_EXPIRED in ``errors``. **Refused** is a 401
    (INVALID_CREDENTIALS); a 400 is INVALID_PAYLOAD, and the tokens are kept.

    **How long the tokens live:** an access token lives 15 minutes, a refresh token 7 days;
    ``expires`` is in milliseconds. A refresh token works once, and the old one is taken for a grace
    period of 10 seconds.

    **What goes wrong:** two programs with a copy each log each other out: let them share a store. A
    GraphQL request with an expired token is answered like any other.

    From documentation, not run.
    """

    url: str = "/auth/refresh"


PRESET: Final = Preset(
    Directus,
    login={"url": "/auth/login", "username_field": "email", "extra": _MODE},
    logout={"url": "/auth/logout", "extra": _MODE},
)
