"""QuickBooks Online (Intuit)."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(url="https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer")
class QuickBooks(KnownOAuth2):
    """QuickBooks Online: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    session.headers["Accept"] = "application/json"
    quickbooks = presets.QuickBooks("YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://quickbooks.api.intuit.com/v3", quickbooks)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    company = "YOUR-REALM-ID"
    print(session.get(f"/company/{company}/companyinfo/{company}").json())
    ```

    Without Python: ``requests-jwt init quickbooks --preset quickbooks --base-url
    https://quickbooks.api.intuit.com/v3 --client-id YOUR-CLIENT-ID --client-auth basic``, then
    ``requests-jwt login quickbooks --refresh-token -``.

    **To have first:** an app at developer.intuit.com, its keys (those for development belong to
    ``https://sandbox-quickbooks.api.intuit.com``), and a refresh token: the OAuth 2.0 Playground
    there gives the first one.

    **Expired** is any 401. **Refused** is ``invalid_grant``.

    **How long the tokens live:** an access token lives an hour. The refresh token changes about
    once a day, and the old one ends then; it ends after 100 days without use. When, says
    ``x_refresh_token_expires_in``, which is in ``adapter.token.extra``.

    **What goes wrong:** two programs with a copy each log each other out: let them share a store.

    From documentation, not run.

    Args:
        client_id: of the app.
        client_secret: of the app.

    """


PRESET: Final = Preset(QuickBooks, base_url="https://quickbooks.api.intuit.com/v3")
