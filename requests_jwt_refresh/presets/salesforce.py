"""Salesforce."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, any_code, preset


@preset(
    url="https://{domain}/services/oauth2/token",
    client_auth="post",
    rejected=any_code("error", codes=("inactive_user", "inactive_org")),
    when=json_field("*.errorCode", "INVALID_SESSION_ID"),
)
class Salesforce(KnownOAuth2):
    """Salesforce: refresh the access token in Python with requests, without simple-salesforce.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    domain = "YOUR-DOMAIN.my.salesforce.com"
    salesforce = presets.Salesforce("YOUR-CONSUMER-KEY", "YOUR-CONSUMER-SECRET", domain=domain)
    adapter = mount(session, f"https://{domain}", salesforce)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    query = {"q": "SELECT Name FROM Account LIMIT 5"}
    print(session.get("/services/data/v64.0/query", params=query).json())
    ```

    Without Python: ``requests-jwt init crm --preset salesforce --base-url
    https://YOUR-DOMAIN.my.salesforce.com --client-id YOUR-CONSUMER-KEY --set
    domain=YOUR-DOMAIN.my.salesforce.com``, then ``requests-jwt login crm --refresh-token -``.

    **To have first:** an external client app (or connected app) with the scopes ``api`` and
    ``refresh_token``, its consumer key and secret, and a refresh token from a consent. The base URL
    is the login's ``instance_url``, which is in ``adapter.token.extra``. `domain` is your My
    Domain; "test.salesforce.com" for a sandbox.

    **Expired** is a 401 with ``[{"errorCode": "INVALID_SESSION_ID"}]``. **Refused** is
    ``invalid_grant`` ("expired access/refresh token"), ``inactive_user`` or ``inactive_org``.

    **How long the tokens live:** there is no ``expires_in``: the session's timeout decides (2 hours
    without a request by default). By default the refresh token stays; with rotation each refresh
    replaces it, and a second use ends it.

    **What goes wrong:** since nothing says when a token ends, a refresh always follows a 401. A
    user may have 5 refresh tokens for an app, and the oldest is dropped. Without a user:
    ``ClientCredentials`` at My Domain, never at login.salesforce.com.

    From documentation, not run.

    Args:
        client_id: the consumer key.
        client_secret: the consumer secret, in the form.
        domain: your My Domain, or "login.salesforce.com", "test.salesforce.com".

    """

    domain: str = field(default="login.salesforce.com", kw_only=True)


PRESET: Final = Preset(
    Salesforce, logout={"url": "https://{domain}/services/oauth2/revoke", "send": "oauth2"}
)
