"""Flask-JWT-Extended, with the tokens in cookies."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.authorization import cookie
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import RUN, Preset, preset

_CSRF_HEADER: Final = "X-CSRF-TOKEN"
_ACCESS: Final = cookie("access_token_cookie", csrf=("csrf_access_token", _CSRF_HEADER))
_REFRESH: Final = cookie("refresh_token_cookie", csrf=("csrf_refresh_token", _CSRF_HEADER))


@preset(
    send=_REFRESH,
    access=_ACCESS,
    refresh=_REFRESH,
    rejected=(401, 422),
    when=json_field("msg", "Token has expired"),
)
class FlaskJWTExtendedCookies(JSONEndpoint):
    """Flask-JWT-Extended with cookies and CSRF protection, in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.FlaskJWTExtendedCookies())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/protected").json())
    ```

    Without Python: ``requests-jwt init myapi --preset flask-jwt-extended-cookies --base-url
    https://api.example.com``, then ``requests-jwt login myapi``.

    **To have first:** a user of a server with ``JWT_TOKEN_LOCATION = ["cookies"]``. Refresh:
    ``POST /refresh`` with the cookie ``refresh_token_cookie``; login: ``POST /login``; logout:
    ``POST /logout``. Those are views that each author writes.

    **The double submit:** the server sets ``csrf_access_token`` and ``csrf_refresh_token`` beside
    the tokens, and wants them repeated in X-CSRF-TOKEN. This is done by itself. With other names
    (JWT_ACCESS_COOKIE_NAME and so on) say them: ``send=cookie(...)``, ``access=cookie(...)``,
    ``refresh=cookie(...)``, and ``attach=cookie(...)`` to mount().

    **Expired** is a 401 with ``"msg": "Token has expired"``. **Refused** is a 401, or a 422 for
    garbage. A missing CSRF header is a 401 too, but with another ``msg``, and is not taken for an
    expiry.

    **How long the tokens live:** an access token lives 15 minutes and a refresh token 30 days,
    unless the server says otherwise. Nothing rotates it: after that a new login is needed.

    **What goes wrong:** JWT_COOKIE_SECURE does not matter here, since the token is written on the
    request itself; JWT_REFRESH_COOKIE_PATH does not, either.

    Refresh, refused, expired, login and logout were run against the real server.
    """

    url: str = "/refresh"
    attach = _ACCESS


PRESET: Final = Preset(
    FlaskJWTExtendedCookies,
    login={"url": "/login"},
    logout={"url": "/logout", "method": "POST"},
    note=RUN,
)
