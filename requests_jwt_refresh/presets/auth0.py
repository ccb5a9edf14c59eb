"""Auth0."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(url="https://{domain}/oauth/token", client_auth=None)
class Auth0(KnownOAuth2):
    """Auth0: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    auth0 = presets.Auth0("YOUR-CLIENT-ID", domain="YOUR-TENANT.eu.auth0.com")
    adapter = mount(session, "https://api.example.com", auth0)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/items").json())
    ```

    Without Python: ``requests-jwt init myapi --preset auth0 --base-url https://api.example.com
    --client-id YOUR-CLIENT-ID --set domain=YOUR-TENANT.eu.auth0.com``, then ``requests-jwt login
    myapi --refresh-token -``. With ``--device-url
    https://YOUR-TENANT.eu.auth0.com/oauth/device/code --scope "offline_access"`` the login opens in
    a browser, on any device.

    **To have first:** an application (a native one needs no secret; give another one's as the
    second argument), an API with "Allow Offline Access", and a refresh token from a login with the
    scope ``offline_access`` and that API's ``audience``. A secret goes in HTTP Basic; an
    application set to "Post": ``client_auth="post"``.

    **Expired** is any 401: the API is yours. **Refused** is ``invalid_grant`` (with a 403, unlike
    other servers).

    **How long the tokens live:** an access token lives as long as the API's settings say (a day by
    default). A refresh token is replaced with each refresh where rotation is on; it may end when
    idle (15 days by default with rotation) and absolutely (30 days).

    **What goes wrong:** with refresh token rotation a second use after the overlap period ends the
    whole family: share one store between your programs. Without an ``audience`` at login the access
    token is opaque and no API takes it. For machine-to-machine:
    ``ClientCredentials("https://DOMAIN/oauth/token", id, secret, extra={"audience": ...})``.

    From documentation, not run.

    Args:
        client_id: of the application.
        client_secret: of the application, if it has one.
        domain: the tenant's, or a custom domain.

    """

    domain: str | None = field(default=None, kw_only=True)


PRESET: Final = Preset(Auth0, logout={"url": "https://{domain}/oauth/revoke", "send": "oauth2"})
