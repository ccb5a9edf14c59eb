"""dj-rest-auth: JWTs whose refresh token lives in an HttpOnly cookie."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.authorization import cookie
from requests_jwt_refresh.presets.base import RUN, Preset, preset
from requests_jwt_refresh.presets.simplejwt import SimpleJWT

_REFRESH: Final = cookie("my-refresh-token")


@preset(send=_REFRESH, refresh=_REFRESH)
class DJRestAuth(SimpleJWT):
    """dj-rest-auth: refresh the JWT in Python with requests, refresh token in a cookie.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import cookie, mount, presets

    name = "my-refresh-token"  # the server's JWT_AUTH_REFRESH_COOKIE
    endpoint = presets.DJRestAuth(send=cookie(name), refresh=cookie(name))
    session = requests.Session()
    adapter = mount(session, "https://api.example.com", endpoint)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/dj-rest-auth/user/").json())
    ```

    Without Python: ``requests-jwt init myapi --preset dj-rest-auth --base-url
    https://api.example.com``, then ``requests-jwt login myapi``. Another cookie's name goes into
    the profile, under ``refresh``: ``send = { cookie = "NAME" }`` and ``refresh = { cookie = "NAME"
    }``.

    **To have first:** a user, and the name of the server's JWT_AUTH_REFRESH_COOKIE. Refresh: ``POST
    /dj-rest-auth/token/refresh/`` with the cookie alone; login: ``POST /dj-rest-auth/login/``;
    logout: ``POST /dj-rest-auth/logout/``. The paths are below the base URL: give
    ``https://api.example.com``, not ``https://api.example.com/dj-rest-auth``.

    **The access token** is in the answer's ``access`` and goes in Authorization: Bearer, which the
    server's JWTCookieAuthentication takes as well as its cookie. A server that wants the cookie:
    ``mount(..., attach=cookie("my-app-auth", csrf=("csrftoken", "X-CSRFToken")))``.

    **CSRF:** the cookie ``csrftoken`` comes with the login and is kept with the tokens. On https
    Django also wants a Referer, which requests does not send:
    ``mount(..., headers={"Referer": "https://api.example.com/"})``. Without either, what changes
    something gets a 403 ("CSRF Failed"), which no refresh cures.

    **Expired** and **refused** are as with ``presets.SimpleJWT``.

    **How long the tokens live:** those of djangorestframework-simplejwt: an access token lives 5
    minutes and a refresh token a day, unless the server says otherwise; it is replaced where
    ROTATE_REFRESH_TOKENS is set.

    **What goes wrong:** JWT_AUTH_HTTPONLY is on by default, and the ``refresh`` of a login is then
    an empty string: the token is in Set-Cookie alone. With JWT_AUTH_HTTPONLY off it is in the body:
    use ``presets.SimpleJWT("/dj-rest-auth/token/refresh/")``. The cookie may be meant for https
    alone (JWT_AUTH_SECURE). The server does not look at its cookie where there is an Authorization
    header of any kind.

    Refresh, refused, expired, login and logout were run against the real server.
    """

    url: str = "/dj-rest-auth/token/refresh/"


PRESET: Final = Preset(
    DJRestAuth,
    login={"url": "/dj-rest-auth/login/"},
    logout={"url": "/dj-rest-auth/logout/"},
    note=RUN,
)
