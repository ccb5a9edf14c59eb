"""Amazon Selling Partner API, with Login with Amazon."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.matching import status
from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(
    url="https://api.amazon.com/auth/o2/token",
    client_auth="post",
    when=status(403),
)
class AmazonSPAPI(KnownOAuth2):
    """Amazon SP-API: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    amazon = presets.AmazonSPAPI("amzn1.application-oa2-client.YOUR-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://sellingpartnerapi-eu.amazon.com", amazon)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token (Atzr|...): ")))
    print(session.get("/sellers/v1/marketplaceParticipations").json())
    ```

    Without Python: ``requests-jwt init amazon --preset amazon-sp-api --base-url
    https://sellingpartnerapi-eu.amazon.com --client-id amzn1.application-oa2-client.YOUR-ID``, then
    ``requests-jwt login amazon --refresh-token -``.

    **To have first:** a private or public application in Seller Central, its LWA client id and
    secret, and a refresh token (``Atzr|...``) from "Authorize app". The base URL is the region's:
    ``sellingpartnerapi-na``, ``-eu`` or ``-fe``.

    **The header** is ``x-amz-access-token: <token>``. **Expired** is a 403. A missing role is a 403
    as well: it costs one refresh, then reaches you as it is. **Refused** is ``invalid_grant``.
    QuotaExceeded is a 429, and no refusal.

    **How long the tokens live:** an access token lives an hour. The refresh token stays, but the
    seller's authorization must be renewed each year, and the client secret every 180 days.

    **What goes wrong:** operations with personal data want a restricted data token: get it with
    this session, and send it in x-amz-access-token by another one, as the header of yours would be
    replaced here. The old signature of AWS is no longer needed.

    From documentation, not run.

    Args:
        client_id: of the application (LWA).
        client_secret: of the application (LWA), in the form.

    """

    attach = header("x-amz-access-token")


PRESET: Final = Preset(AmazonSPAPI)
