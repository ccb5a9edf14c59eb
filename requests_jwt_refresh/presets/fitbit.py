"""Fitbit Web API."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, any_code, preset


@preset(
    url="https://api.fitbit.com/oauth2/token",
    rejected=any_code("errors.*.errorType", codes=("invalid_grant",)),
    when=json_field("errors.*.errorType", "expired_token"),
)
class Fitbit(KnownOAuth2):
    """Fitbit: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    fitbit = presets.Fitbit("YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://api.fitbit.com", fitbit)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/1/user/-/profile.json").json())
    ```

    Without Python: ``requests-jwt init fitbit --preset fitbit --base-url https://api.fitbit.com
    --client-id YOUR-CLIENT-ID --client-auth basic``, then ``requests-jwt login fitbit
    --refresh-token -``.

    **To have first:** an application at dev.fitbit.com ("Personal" sees the minutes of your own
    data), and a refresh token, which its OAuth 2.0 tutorial page gives. An application of the type
    "Client" has no secret: leave it out.

    **Expired** is a 401 whose ``errors`` say ``"errorType": "expired_token"``. **Refused** is a 400
    or 401 with ``invalid_grant`` in the same place. ``invalid_client`` is a fault of the set-up.
    Fitbit's 429 is a limit of 150 requests an hour and user, and no refusal.

    **How long the tokens live:** an access token lives 8 hours. A refresh token does not end, but
    works once: for 2 minutes the same request gets the same answer, in case it got lost.

    **What goes wrong:** two programs with a copy each log each other out: let them share a store.

    From documentation, not run.

    Args:
        client_id: of the application.
        client_secret: of the application; None for the type "Client".

    """


PRESET: Final = Preset(
    Fitbit,
    logout={"url": "https://api.fitbit.com/oauth2/revoke", "send": "oauth2"},
    base_url="https://api.fitbit.com",
)
