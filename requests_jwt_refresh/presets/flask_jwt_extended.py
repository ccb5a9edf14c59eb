"""Flask-JWT-Extended, with the tokens in headers."""

from __future__ import annotations

from dataclasses import InitVar, field
from typing import Final

from requests_jwt_refresh.endpoints import BearerEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import RUN, Preset, preset

_EXPIRED: Final = json_field("msg", "Token has expired")


@preset(rejected=(401, 422), when=_EXPIRED)
class FlaskJWTExtended(BearerEndpoint):
    """Flask-JWT-Extended: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://api.example.com", presets.FlaskJWTExtended())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/protected").json())
    ```

    Without Python: ``requests-jwt init myapi --preset flask-jwt-extended --base-url
    https://api.example.com``, then ``requests-jwt login myapi``.

    **To have first:** a user. Refresh is the view with ``@jwt_required(refresh=True)``: a POST to
    ``/refresh`` with the refresh token in Authorization and no body; it answers ``access_token``
    alone. Login (``POST /login``) and logout (``DELETE /logout``) have the paths of its
    documentation, but are views that each author writes; a login must answer ``refresh_token``,
    too.

    **Expired** is a 401 with ``"msg": "Token has expired"``. Its other 401s, such as "Fresh token
    required", are cured by no refresh and reach you as they are. `message_key` is the server's
    JWT_ERROR_MESSAGE_KEY; a server with an ``expired_token_loader`` of its own needs a `when` of
    its own. **Refused** is a 401 for an expired or revoked refresh token, a 422 for garbage.

    **How long the tokens live:** an access token lives 15 minutes and a refresh token 30 days,
    unless the server says otherwise. Nothing rotates it: after that a new login is needed.

    **What goes wrong:** a login view that answers no ``refresh_token`` gives a token that cannot be
    refreshed. For tokens in cookies there is ``presets.FlaskJWTExtendedCookies``.

    Refresh, refused, expired, login and logout were run against the real server.
    """

    url: str = "/refresh"
    message_key: InitVar[str] = field(default="msg", kw_only=True)

    def __post_init__(self, message_key: str) -> None:
        super().__post_init__()
        if self.when == _EXPIRED:
            rule = json_field(message_key, _EXPIRED.value)
            object.__setattr__(self, "when", rule)


PRESET: Final = Preset(
    FlaskJWTExtended,
    login={"url": "/login"},
    logout={"url": "/logout", "send": "bearer", "method": "DELETE"},
    note=RUN,
)
