"""NestJS, as most tutorials write it."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.presets.base import Preset, preset
from requests_jwt_refresh.responses import DefaultPath


@preset(
    send="refreshToken",
    access="accessToken",
    refresh=DefaultPath("refreshToken"),
    expires_in=DefaultPath("expiresIn"),
    rejected=(401, 403),
)
class NestJS(JSONEndpoint):
    """NestJS with a JWT refresh token, in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.NestJS())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/users/me").json())
    ```

    Without Python: ``requests-jwt init myapi --preset nestjs --base-url https://api.example.com``,
    then ``requests-jwt login myapi``.

    **To have first:** a user, and how the author wrote it. The default is ``POST /auth/refresh``
    with JSON ``refreshToken``. Many write a passport strategy instead, which wants the refresh
    token in Authorization, ``presets.NestJS(send=header())``, or in a cookie,
    ``presets.NestJS(send=cookie("refresh_token"), refresh=cookie("refresh_token"))``. In the names
    of Nest's own documentation: ``presets.NestJS(access="access_token", refresh="refresh_token")``.
    The paths are below the base URL: give ``https://api.example.com``, not
    ``https://api.example.com/auth``.

    **Expired** is any 401, as guards give no reason. **Refused** is a 401 or a 403 ("Access
    Denied"); a 400 is a request that its ValidationPipe does not like, and the tokens are kept.

    **How long the tokens live:** how long they live is each author's choice. The tutorials keep a
    hash of the one current refresh token, so that each refresh replaces it.

    **What goes wrong:** where each refresh kills the refresh token before it, programs that share a
    login must share a store.

    From documentation, not run.
    """

    url: str = "/auth/refresh"


PRESET: Final = Preset(
    NestJS,
    login={"url": "/auth/login"},
    logout={"url": "/auth/logout", "refresh_field": "refreshToken"},
)
