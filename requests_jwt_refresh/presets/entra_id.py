"""Microsoft Entra ID (Azure AD), Microsoft Graph."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, any_code, preset


@preset(
    url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
    scope="https://graph.microsoft.com/.default offline_access",
    rejected=any_code(
        "error", codes=("interaction_required", "login_required", "consent_required")
    ),
)
class EntraID(KnownOAuth2):
    """Microsoft Entra ID (Azure AD): refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    entra = presets.EntraID("YOUR-CLIENT-ID", tenant="YOUR-TENANT-ID")
    adapter = mount(session, "https://graph.microsoft.com/v1.0", entra)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/me").json())
    ```

    Without Python: ``requests-jwt init graph --preset entra-id --base-url
    https://graph.microsoft.com/v1.0 --client-id YOUR-CLIENT-ID --device-url
    https://login.microsoftonline.com/YOUR-TENANT-ID/oauth2/v2.0/devicecode --scope "User.Read
    offline_access" --set tenant=YOUR-TENANT-ID``, then ``requests-jwt login graph``: it opens in a
    browser, on any device.

    **To have first:** an app registration ("Allow public client flows" for scripts; a web app's
    secret is the second argument), its tenant's id (or
    "common", "organizations", "consumers"), and a refresh token from a login with the scope
    ``offline_access``. `scope` decides for which API the access token is: Microsoft Graph unless
    said, else ``scope="api://YOUR-API/.default offline_access"``.

    **Expired** is any 401. **Refused** is ``invalid_grant``, or ``interaction_required`` where a
    rule of the tenant asks the user to be there (a second factor, say).

    **How long the tokens live:** an access token lives 60 to 90 minutes, a refresh token 90 days,
    counted anew with each refresh, which brings a new one; 24 hours for a single-page app.

    **What goes wrong:** a 401 with ``error="insufficient_claims"`` is a claims challenge, which a
    refresh does not cure: log in again. A single-page app's tokens can be refreshed by no script,
    as Entra wants an Origin header. Without a user: ``ClientCredentials(url, id, secret,
    scope=".../.default")``.

    From documentation, not run.

    Args:
        client_id: the application's id.
        client_secret: of a confidential client.
        tenant: its id or domain, or "common", "organizations", "consumers".

    """

    tenant: str | None = field(default=None, kw_only=True)


PRESET: Final = Preset(EntraID, base_url="https://graph.microsoft.com/v1.0")
