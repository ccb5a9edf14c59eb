"""AuthX for FastAPI."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import BearerEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import Preset, preset


@preset(
    rejected=(401, 422),
    when=json_field("error_type", "TokenExpiredError", status=(401, 422)),
)
class AuthX(BearerEndpoint):
    """AuthX (FastAPI): refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.AuthX())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/protected").json())
    ```

    Without Python: ``requests-jwt init myapi --preset authx --base-url https://api.example.com``,
    then ``requests-jwt login myapi``.

    **To have first:** a user. Refresh (``POST /refresh``) and login (``POST /login``) are views
    that each author writes; these are the paths of its documentation. Here the refresh token goes
    in Authorization: Bearer. A server that takes it as JSON:
    ``presets.AuthX(send="refresh_token")``.

    **Expired** is ``"error_type": "TokenExpiredError"``, with a 422 rather than a 401 where the
    author has set nothing else. The same status stands for a body that FastAPI cannot validate,
    which is no expiry, so that the status alone would not do. **Refused** is a 401 or a 422.

    **How long the tokens live:** an access token lives 15 minutes and a refresh token 20 days,
    unless the server says otherwise. Whether a refresh replaces it is up to the author's view.

    **What goes wrong:** ``auth.handle_errors(app)`` must have been called, else the server answers
    500.

    Expired and refused were measured on the real server; the rest is from documentation, not run.
    """

    url: str = "/refresh"


PRESET: Final = Preset(AuthX, login={"url": "/login"})
