"""Zoho."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.matching import any_of, json_field
from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, any_code, preset


@preset(
    url="https://accounts.zoho.{region}/oauth/v2/token",
    client_auth="post",
    rejected=any_code("error", codes=("invalid_code",)),
    when=any_of(
        json_field("code", "INVALID_TOKEN"),
        json_field("errorCode", "INVALID_OAUTH"),
    ),
)
class Zoho(KnownOAuth2):
    """Zoho: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    zoho = presets.Zoho("1000.YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET", region="com")
    adapter = mount(session, "https://www.zohoapis.com", zoho)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/crm/v8/Leads", params={"fields": "Last_Name"}).json())
    ```

    Without Python: ``requests-jwt init zoho --preset zoho --base-url https://www.zohoapis.com
    --client-id 1000.YOUR-CLIENT-ID --set region=com``, then ``requests-jwt login zoho
    --refresh-token -``.

    **To have first:** a client of the API console (a "Self Client" for scripts: its code is traded
    for a refresh token), its id and secret, and your data centre: "com", "eu", "in", "com.au",
    "jp", "com.cn". The API has the same one (``www.zohoapis.eu``); the answer's ``api_domain`` is
    in ``adapter.token.extra``.

    **The header** is ``Authorization: Zoho-oauthtoken <token>``. **Expired** is a 401 with
    ``"code": "INVALID_TOKEN"`` (Desk says ``INVALID_OAUTH``). **Refused** is a **200** with
    ``"error": "invalid_code"``. ``invalid_client`` and ``invalid_client_secret`` are faults of the
    set-up, the wrong data centre among them.

    **How long the tokens live:** an access token lives an hour. A refresh token stays until it is
    revoked.

    **What goes wrong:** at most 10 refreshes in 10 minutes, then a 400 "You have made too many
    requests continuously", which keeps the tokens: many workers must share a store. A user has 20
    refresh tokens for a client, and the 21st deletes the first.

    From documentation, not run.

    Args:
        client_id: of the client.
        client_secret: of the client, in the form.
        region: the end of the data centre's domain.

    """

    region: str = field(default="com", kw_only=True)
    attach = header(scheme="Zoho-oauthtoken")


PRESET: Final = Preset(Zoho)
