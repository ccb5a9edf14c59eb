"""HubSpot."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, any_code, preset


@preset(
    url="https://api.hubapi.com/oauth/v3/token",
    client_auth="post",
    rejected=any_code("status", "error", codes=("BAD_REFRESH_TOKEN", "bad_refresh_token")),
)
class HubSpot(KnownOAuth2):
    """HubSpot: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    hubspot = presets.HubSpot("YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://api.hubapi.com", hubspot)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/crm/v3/objects/contacts").json())
    ```

    Without Python: ``requests-jwt init hubspot --preset hubspot --base-url https://api.hubapi.com
    --client-id YOUR-CLIENT-ID``, then ``requests-jwt login hubspot --refresh-token -``.

    **To have first:** a public app, its client id and secret, and a refresh token from its
    installation. A private app's access token does not expire and needs none of this. The refresh
    is a form to ``/oauth/v3/token``, since version 1 ends in February 2027; it is still at
    ``url="https://api.hubapi.com/oauth/v1/token"``.

    **Expired** is any 401 (EXPIRED_AUTHENTICATION). **Refused** is a 400 with ``"status":
    "BAD_REFRESH_TOKEN"``, or ``invalid_grant``: most often somebody has uninstalled the app. Other
    400s (BAD_CLIENT_ID, BAD_CLIENT_SECRET) are faults of the set-up. 429 is a rate limit.

    **How long the tokens live:** an access token lives 30 minutes. The refresh token stays the same
    until the app is uninstalled.

    **What goes wrong:** an app that was uninstalled needs another installation, since its refresh
    token is refused for good. An access token is up to 300 characters long.

    From documentation, not run.

    Args:
        client_id: of the app.
        client_secret: of the app, in the form.

    """


PRESET: Final = Preset(HubSpot, base_url="https://api.hubapi.com")
