"""Okta."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(url="https://{domain}/oauth2/{server}/v1/token")
class Okta(KnownOAuth2):
    """Okta: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    okta = presets.Okta("YOUR-CLIENT-ID", "YOUR-SECRET", domain="YOUR-ORG.okta.com")
    adapter = mount(session, "https://api.example.com", okta)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/items").json())
    ```

    Without Python: ``requests-jwt init myapi --preset okta --base-url https://api.example.com
    --client-id YOUR-CLIENT-ID --client-auth basic --set domain=YOUR-ORG.okta.com``, then
    ``requests-jwt login myapi --refresh-token -``. The device flow is at
    ``https://YOUR-ORG.okta.com/oauth2/default/v1/device/authorize``.

    **To have first:** an app integration with the grant "Refresh Token", and a refresh token from a
    login with the scope ``offline_access``. `server` is the authorization server, "default" unless
    given. For Okta's own API (``/api/v1/users``) it is the org's, which has no name in its URL:
    ``url="https://YOUR-ORG.okta.com/oauth2/v1/token"``.

    **Expired** is any 401. **Refused** is ``invalid_grant``. 429 is throttling, and the tokens are
    kept.

    **How long the tokens live:** an access token lives an hour. Single-page and new native apps
    rotate: each refresh replaces the refresh token, and the old one works for the grace period (30
    s by default). An idle refresh token ends after the time in the access policy (7 days by
    default).

    **What goes wrong:** a rotated refresh token that is used after its grace period ends the
    family: let your programs share a store.

    From documentation, not run.

    Args:
        client_id: of the app integration.
        client_secret: of the app integration, if it has one.
        domain: the org's, such as "acme.okta.com".
        server: the name or id of the authorization server.

    """

    domain: str | None = field(default=None, kw_only=True)
    server: str = field(default="default", kw_only=True)


PRESET: Final = Preset(
    Okta, logout={"url": "https://{domain}/oauth2/{server}/v1/revoke", "send": "oauth2"}
)
