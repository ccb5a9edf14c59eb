"""Spring Boot with Spring Security, as most tutorials write it."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import status
from requests_jwt_refresh.presets.base import Preset, preset
from requests_jwt_refresh.responses import DefaultPath


@preset(
    send="refreshToken",
    access="accessToken",
    refresh=DefaultPath("refreshToken"),
    expires_in=DefaultPath("expiresIn"),
    rejected=(401, 403),
    when=status(401, 403),
)
class SpringBoot(JSONEndpoint):
    """Spring Boot (Spring Security) with a JWT refresh token, in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.SpringBoot())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/api/users/me").json())
    ```

    Without Python: ``requests-jwt init myapi --preset spring-boot --base-url
    https://api.example.com``, then ``requests-jwt login myapi``.

    **To have first:** a user, and the paths, which each author chooses. The defaults are those of
    the most copied tutorial: ``POST /api/auth/refreshtoken`` with JSON ``refreshToken``, answered
    with ``accessToken`` and ``refreshToken``; login at ``POST /api/auth/signin``; logout at ``POST
    /api/auth/signout``. Yours: ``presets.SpringBoot("/auth/refresh")``. The paths are below the
    base URL: give ``https://api.example.com``, not ``https://api.example.com/api``.

    **Expired** is a 401, or a 403: Spring Security answers 403 to anonymous requests where nobody
    has set an AuthenticationEntryPoint. If your server tells the two apart, say
    ``when=status(401)``, so that a missing permission costs no refresh. **Refused** is a 403 or a
    401.

    **How long the tokens live:** how long they live, and whether a refresh replaces the refresh
    token, is each author's choice; a new one in the answer is kept.

    **What goes wrong:** the tutorial's access token is called ``token`` in some versions:
    ``presets.SpringBoot(access="token")``. Spring Security's own authorization server and resource
    servers speak OAuth 2.0: ``OAuth2Endpoint``.

    From documentation, not run.
    """

    url: str = "/api/auth/refreshtoken"


PRESET: Final = Preset(
    SpringBoot,
    login={"url": "/api/auth/signin"},
    logout={"url": "/api/auth/signout", "refresh_field": "refreshToken"},
)
