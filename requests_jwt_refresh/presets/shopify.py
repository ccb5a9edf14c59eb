"""Shopify: expiring offline access tokens."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.matching import all_of, any_of, json_field
from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset

_INACTIVE: Final = "This request requires an active refresh_token"


@preset(
    url="/admin/oauth/access_token",
    client_auth="post",
    rejected=any_of(
        json_field("error", "invalid_grant"),
        json_field("error", "invalid_refresh_token"),
        json_field("error", "invalid_token"),
        all_of(
            json_field("error", "invalid_request"),
            json_field("error_description", _INACTIVE),
        ),
    ),
)
class Shopify(KnownOAuth2):
    """Shopify: refresh an expiring offline access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    shopify = presets.Shopify("YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://YOUR-SHOP.myshopify.com", shopify)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    query = {"query": "{ shop { name } }"}
    print(session.post("/admin/api/2026-07/graphql.json", json=query).json())
    ```

    Without Python: ``requests-jwt init shop --preset shopify --base-url
    https://YOUR-SHOP.myshopify.com --client-id YOUR-CLIENT-ID``, then ``requests-jwt login shop
    --refresh-token -``.

    **To have first:** an app, its client id and secret, and for each shop a refresh token from an
    installation or a token exchange with ``expiring=1``. Public apps must use such tokens from 1
    January 2027 on; what a token exchange makes of an old token replaces that for good. The paths
    are below the base URL: give ``https://YOUR-SHOP.myshopify.com``, not
    ``https://YOUR-SHOP.myshopify.com/admin``.

    **The header** is ``X-Shopify-Access-Token: <token>``. **Expired** is any 401. **Refused** is a
    400 or 401 with ``invalid_grant``, or "This request requires an active refresh_token". A 429 is
    a rate limit. Other codes are faults of the set-up, and the tokens are kept.

    **How long the tokens live:** an access token lives an hour, a refresh token 90 days, and each
    refresh replaces both; the old refresh token lasts until the new access token is first used.

    **What goes wrong:** each shop has tokens of its own, and so a store of its own, as KeyringStore
    has by itself. An uninstalled app gets 401 for ever: on_logout tells you.

    From documentation, not run.

    Args:
        client_id: of the app.
        client_secret: of the app, in the form.

    """

    attach = header("X-Shopify-Access-Token")


PRESET: Final = Preset(Shopify)
