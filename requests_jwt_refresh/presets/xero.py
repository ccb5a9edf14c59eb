"""Xero."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(url="https://identity.xero.com/connect/token")
class Xero(KnownOAuth2):
    """Xero: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    xero = presets.Xero("YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET", tenant_id="YOUR-TENANT-ID")
    adapter = mount(session, "https://api.xero.com/api.xro/2.0", xero)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    session.headers["Accept"] = "application/json"
    print(session.get("/Invoices").json())
    ```

    Without Python: ``requests-jwt init xero --preset xero --base-url
    https://api.xero.com/api.xro/2.0 --client-id YOUR-CLIENT-ID --client-auth basic --set
    tenant_id=YOUR-TENANT-ID``, then ``requests-jwt login xero --refresh-token -``.

    **To have first:** an app at developer.xero.com, and a refresh token from a consent with the
    scope ``offline_access``. `tenant_id` names the organisation: ``GET
    https://api.xero.com/connections`` lists them; it goes as Xero-tenant-id with each API request.

    **Expired** is any 401. **Refused** is ``invalid_grant``. 429 with Retry-After is a rate limit,
    and no refusal.

    **How long the tokens live:** an access token lives 30 minutes. A refresh token works once and
    ends after 60 days without use; for 30 minutes the old one is still taken, in case the answer
    got lost.

    **What goes wrong:** two programs with a copy each log each other out: let them share a store. A
    custom connection has no refresh token:
    ``ClientCredentials("https://identity.xero.com/connect/token", id, secret)``.

    From documentation, not run.

    Args:
        client_id: of the app.
        client_secret: of the app; None for a PKCE app.
        tenant_id: of the organisation.

    """

    tenant_id: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        named = {} if self.tenant_id is None else {"Xero-tenant-id": self.tenant_id}
        object.__setattr__(self, "api_headers", named)


PRESET: Final = Preset(
    Xero,
    logout={"url": "https://identity.xero.com/connect/revocation", "send": "oauth2"},
    base_url="https://api.xero.com/api.xro/2.0",
)
