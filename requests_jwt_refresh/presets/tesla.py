"""Tesla Fleet API."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, any_code, preset


@preset(
    url="https://fleet-auth.prd.vn.cloud.tesla.com/oauth2/v3/token",
    rejected=any_code("error", codes=("login_required",)),
)
class Tesla(KnownOAuth2):
    """Tesla Fleet API: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    tesla = presets.Tesla("YOUR-CLIENT-ID")
    adapter = mount(session, "https://fleet-api.prd.eu.vn.cloud.tesla.com", tesla)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/api/1/vehicles").json())
    ```

    Without Python: ``requests-jwt init tesla --preset tesla --base-url
    https://fleet-api.prd.eu.vn.cloud.tesla.com --client-id YOUR-CLIENT-ID``, then ``requests-jwt
    login tesla --refresh-token -``.

    **To have first:** an application at developer.tesla.com, registered for your region, and a
    refresh token from a consent with the scopes ``openid offline_access``. The base URL is the
    region's: ``fleet-api.prd.na.`` or ``fleet-api.prd.eu.vn.cloud.tesla.com``. A refresh needs the
    client's id alone.

    **Expired** is any 401. **Refused** is ``invalid_grant`` or ``login_required``. 429 is
    throttling, and the tokens are kept.

    **How long the tokens live:** an access token lives 8 hours. A refresh token works once (the
    last one used is taken for 24 hours more, in case the answer got lost) and ends after 3 months.

    **What goes wrong:** a 403 is a missing scope, and a 421 the wrong region: no refresh cures
    them. Your own fleet without users: ``ClientCredentials(url, id, secret, extra={"audience":
    base_url})``.

    From documentation, not run.

    Args:
        client_id: of the application.

    """


PRESET: Final = Preset(Tesla)
