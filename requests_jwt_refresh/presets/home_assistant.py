"""Home Assistant."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(url="/auth/token")
class HomeAssistant(KnownOAuth2):
    """Home Assistant: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    home = presets.HomeAssistant("https://YOUR-APP.example.com/")
    adapter = mount(session, "http://homeassistant.local:8123", home, allow_http=True)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/api/states").json())
    ```

    Without Python: ``requests-jwt init home --preset home-assistant --base-url
    http://homeassistant.local:8123 --allow-http --client-id https://YOUR-APP.example.com/``, then
    ``requests-jwt login home --refresh-token -``.

    **To have first:** a refresh token from ``/auth/authorize``. There is no registration: the
    client's id is the URL of your application, with which the token was made, and there is no
    secret. A script for yourself is simpler with a long-lived access token of your profile page,
    which needs no refresh. The paths are below the base URL: give
    ``http://homeassistant.local:8123``, not ``http://homeassistant.local:8123/auth``.

    **Expired** is any 401. **Refused** is ``invalid_grant``.

    **How long the tokens live:** an access token lives 30 minutes. The refresh token stays until it
    is revoked, or unused for 90 days, and is not rotated.

    **What goes wrong:** another client id than that of the login is ``invalid_request``, a fault of
    the set-up. Failed attempts are counted by Home Assistant's own ban list (``ip_ban_enabled``).
    Over http everyone on the network can read the token.

    From documentation, not run.

    Args:
        client_id: the URL of your application, as at the login.

    """


PRESET: Final = Preset(HomeAssistant, logout={"url": "/auth/revoke", "send": "oauth2"})
