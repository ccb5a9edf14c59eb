"""ASP.NET Core Identity, as ``MapIdentityApi`` maps it, with tokens."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import bearer_challenge
from requests_jwt_refresh.presets.base import Preset, preset
from requests_jwt_refresh.responses import DefaultPath


@preset(
    send="refreshToken",
    access="accessToken",
    refresh=DefaultPath("refreshToken"),
    expires_in=DefaultPath("expiresIn"),
    rejected=(401,),
    when=bearer_challenge(None),
)
class ASPNETCoreIdentity(JSONEndpoint):
    """ASP.NET Core Identity (MapIdentityApi): refresh the bearer token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.ASPNETCoreIdentity())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice@example.com", getpass.getpass())
    print(session.get("/manage/info").json())
    ```

    Without Python: ``requests-jwt init myapi --preset aspnetcore-identity --base-url
    https://api.example.com``, then ``requests-jwt login myapi``.

    **To have first:** a user. Refresh: ``POST /refresh`` with JSON ``refreshToken``; login: ``POST
    /login`` with ``email`` (without ``useCookies``). There is no documented logout. A server that
    maps them below a group: ``presets.ASPNETCoreIdentity("/account/refresh")``.

    **Expired** is a 401 with a Bearer challenge that gives no error code. **Refused** is a 401
    without a body.

    **How long the tokens live:** opaque, not JWTs. An access token lives an hour, a refresh token
    14 days, counted anew with each refresh, which replaces both.

    **What goes wrong:** the tokens can be read by the server's own data protection keys alone: a
    server that keeps those in memory logs everybody out when it restarts.

    From documentation, not run.
    """

    url: str = "/refresh"


PRESET: Final = Preset(ASPNETCoreIdentity, login={"url": "/login", "username_field": "email"})
