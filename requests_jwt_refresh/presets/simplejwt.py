"""djangorestframework-simplejwt: JSON Web Tokens for the Django REST framework."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import RUN, Preset, preset
from requests_jwt_refresh.responses import DefaultPath


@preset(
    send="refresh",
    access="access",
    refresh=DefaultPath("refresh"),
    rejected=(401,),
    when=json_field("code", "token_not_valid", status=(401, 403)),
)
class SimpleJWT(JSONEndpoint):
    """djangorestframework-simplejwt: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.SimpleJWT())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/api/users/").json())
    ```

    Without Python: ``requests-jwt init myapi --preset simplejwt --base-url
    https://api.example.com``, then ``requests-jwt login myapi``.

    **To have first:** a user of the server. The paths are those of its "Getting started": ``POST
    /api/token/refresh/`` with JSON ``refresh``, ``POST /api/token/`` to log in, ``POST
    /api/token/blacklist/`` to log out (with the blacklist app). Give your own as
    ``presets.SimpleJWT("/auth/refresh/")``; the slash at the end belongs to it. The paths are below
    the base URL: give ``https://api.example.com``, not ``https://api.example.com/api``.

    **Expired** is ``"code": "token_not_valid"`` with a 401, or with a 403 where
    DEFAULT_AUTHENTICATION_CLASSES starts with SessionAuthentication; ``detail`` is translated, the
    code is not. **Refused** is a 401. A 400 means a request without the field, and the tokens are
    kept.

    **How long the tokens live:** an access token lives 5 minutes and a refresh token a day, unless
    the server says otherwise. With ROTATE_REFRESH_TOKENS each answer has a new refresh token; with
    BLACKLIST_AFTER_ROTATION the old one is dead.

    **What goes wrong:** where refresh tokens rotate, two programs with a copy each log each other
    out: let them share a store.

    Refresh, refused, expired, login and logout were run against the real server.
    """

    url: str = "/api/token/refresh/"


PRESET: Final = Preset(
    SimpleJWT,
    login={"url": "/api/token/"},
    logout={"url": "/api/token/blacklist/", "refresh_field": "refresh"},
    note=RUN,
)
