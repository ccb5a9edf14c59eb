"""djoser: its JWT endpoints, which are those of djangorestframework-simplejwt."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.presets.base import RUN, Preset, preset
from requests_jwt_refresh.presets.simplejwt import SimpleJWT


@preset()
class Djoser(SimpleJWT):
    """djoser: refresh the JWT in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.Djoser())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/auth/users/me/").json())
    ```

    Without Python: ``requests-jwt init myapi --preset djoser --base-url https://api.example.com``,
    then ``requests-jwt login myapi``.

    **To have first:** a user of the server, and ``path("auth/", include("djoser.urls.jwt"))`` in
    its URLs. Refresh: ``POST /auth/jwt/refresh/``; login: ``POST /auth/jwt/create/``. There is no
    logout for a JWT. Where LOGIN_FIELD is the e-mail address, log in with ``PasswordLogin(...,
    username_field="email")``. The paths are below the base URL: give ``https://api.example.com``,
    not ``https://api.example.com/auth``.

    **The header** is ``Authorization: JWT <token>``, as djoser's documentation sets
    AUTH_HEADER_TYPES. A server that keeps Bearer wants
    ``mount(..., presets.SimpleJWT("/auth/jwt/refresh/"))``.

    **Expired** and **refused** are as with ``presets.SimpleJWT``: the code ``token_not_valid``.

    **How long the tokens live:** an access token lives 5 minutes and a refresh token a day, unless
    the server says otherwise; the refresh token is the same one all day unless
    ROTATE_REFRESH_TOKENS is set.

    **What goes wrong:** with the wrong word in the header the server says 401 "Authentication
    credentials were not provided.", which no refresh cures. An inactive user is a 401 "No active
    account found".

    Refresh, refused, expired and login were run against the real server.
    """

    url: str = "/auth/jwt/refresh/"
    attach = header(scheme="JWT")


PRESET: Final = Preset(Djoser, login={"url": "/auth/jwt/create/"}, note=RUN)
