"""Laravel with tymon/jwt-auth (or php-open-source-saver/jwt-auth)."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.presets.base import Preset, preset


@preset(send=None, send_access=header(), refresh=None, rejected=(401,))
class LaravelJWT(JSONEndpoint):
    """Laravel with tymon/jwt-auth: refresh the token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com/api", presets.LaravelJWT())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice@example.com", getpass.getpass())
    print(session.get("/user").json())
    ```

    Without Python: ``requests-jwt init myapi --preset laravel-jwt --base-url
    https://api.example.com/api``, then ``requests-jwt login myapi``.

    **To have first:** a user. There is no refresh token: ``POST /auth/refresh`` trades in the
    access token itself, which may have expired. Login: ``POST /auth/login`` with ``email``; logout:
    ``POST /auth/logout``. These are the paths of its quick start, below the base URL, which ends
    with ``/api``.

    **Expired** is any 401. **Refused** is a 401, when the refresh window (JWT_REFRESH_TTL) is over,
    two weeks after the login by default.

    **How long the tokens live:** an access token lives 60 minutes and may be traded in for two
    weeks after the login. Each refresh replaces it, and the old one is put on the blacklist; there
    is no refresh token.

    **What goes wrong:** a request in flight with the token that was traded in is refused, unless
    JWT_BLACKLIST_GRACE_PERIOD lets it pass. Routes that refuse without ``Accept: application/json``
    redirect to a login page instead of answering 401: set ``session.headers["Accept"] =
    "application/json"``.

    From documentation, not run.
    """

    url: str = "/auth/refresh"
    needs_live_token = False  # one that has expired is taken, too


PRESET: Final = Preset(
    LaravelJWT,
    login={"url": "/auth/login", "username_field": "email"},
    logout={"url": "/auth/logout"},
)
