"""Keycloak (and Red Hat build of Keycloak)."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(url="{server}/realms/{realm}/protocol/openid-connect/token")
class Keycloak(KnownOAuth2):
    """Keycloak: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    keycloak = presets.Keycloak(
        "YOUR-CLIENT-ID", server="https://id.example.com", realm="YOUR-REALM"
    )
    adapter = mount(session, "https://api.example.com", keycloak)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/items").json())
    ```

    Without Python: ``requests-jwt init myapi --preset keycloak --base-url https://api.example.com
    --client-id YOUR-CLIENT-ID --set server=https://id.example.com --set realm=YOUR-REALM``, then
    ``requests-jwt login myapi``. With ``--device-url
    https://id.example.com/realms/YOUR-REALM/protocol/openid-connect/auth/device`` the login opens
    in a browser, on any device.

    **To have first:** a client in the realm. To log in with a password it needs "Direct access
    grants"; a confidential client's secret is the second argument. A server of before version 17
    has ``/auth`` in its URL: ``server="https://id.example.com/auth"``. Without a user:
    ``ClientCredentials(url, id, secret)``.

    **Expired** is any 401. **Refused** is ``invalid_grant``: "Token is not active", "Session not
    active", "Stale token".

    **How long the tokens live:** an access token lives 5 minutes, a refresh token as long as the
    SSO session may be idle (30 minutes by default); when it ends is in ``adapter.token.extra``.
    Each refresh brings a new one; with "Revoke Refresh Token" the old one is dead.

    **What goes wrong:** a script that rests at night is logged out: log in with the scope
    ``offline_access`` for a token that lasts. With "Revoke Refresh Token" a second use is refused
    ("Maximum allowed refresh token reuse exceeded").

    From documentation, not run.

    Args:
        client_id: of the client.
        client_secret: of the client, if it is confidential.
        server: the URL of Keycloak.
        realm: the realm's name.

    """

    server: str | None = field(default=None, kw_only=True)
    realm: str | None = field(default=None, kw_only=True)


PRESET: Final = Preset(
    Keycloak,
    login={"send": "oauth2"},
    logout={
        "url": "{server}/realms/{realm}/protocol/openid-connect/revoke",
        "send": "oauth2",
    },
)
