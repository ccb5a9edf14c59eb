"""A Node server written as most Express tutorials write it, in camelCase."""

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
    rejected=(400, 401, 403),
)
class Express(JSONEndpoint):
    """Node and Express with a JWT refresh token, in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.Express("/auth/refresh"))
    if adapter.token is None:  # once: afterwards the keyring has it
        user = {"username": "alice", "password": getpass.getpass()}
        answer = requests.post("https://api.example.com/auth/login", json=user, timeout=30)
        answer.raise_for_status()
        tokens = answer.json()
        adapter.set_token(Token(tokens["accessToken"], tokens["refreshToken"]))
    print(session.get("/users/me").json())
    ```

    Without Python: ``requests-jwt init myapi --preset express --base-url https://api.example.com
    --refresh-url /auth/refresh --login-url /auth/login``, then ``requests-jwt login myapi``.

    **To have first:** the path of the refresh, which is each author's own and must be given, and
    whether it takes JSON ``refreshToken``, as here, or a cookie: ``presets.Express("/auth/refresh",
    send=cookie("refreshToken"), refresh=cookie("refreshToken"))``, or the header:
    ``send=header()``.

    **Expired** is any 401, since there is no common rule. **Refused** is a 400, 401 or 403.

    **How long the tokens live:** how long they live, and whether a refresh replaces the refresh
    token, is each author's choice; a new one in the answer is kept.

    **What goes wrong:** some authors answer 403 to an expired token: ``when=status(401, 403)``;
    some with HTML. express-rate-limit's 429 is no refusal, and the tokens are kept.

    From documentation, not run.
    """


PRESET: Final = Preset(Express, logout={"refresh_field": "refreshToken"}, needs_url=True)
