"""Slack, with token rotation."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, any_code, preset


@preset(
    url="https://slack.com/api/oauth.v2.access",
    client_auth="post",
    rejected=any_code("error", codes=("invalid_refresh_token", "token_revoked", "token_expired")),
    when=json_field("error", "token_expired", status=(200, 401)),
)
class Slack(KnownOAuth2):
    """Slack token rotation: refresh the bot token in Python with requests, without slack_sdk.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    slack = presets.Slack("YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://slack.com/api", slack)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token (xoxe-1-...): ")))
    message = {"channel": "#general", "text": "Hello"}
    print(session.post("/chat.postMessage", json=message).json())
    ```

    Without Python: ``requests-jwt init slack --preset slack --base-url https://slack.com/api
    --client-id YOUR-CLIENT-ID``, then ``requests-jwt login slack --refresh-token -``.

    **To have first:** an app with token rotation switched on (this cannot be undone), its client id
    and secret, and a refresh token (``xoxe-1-...``) from its installation. Each token, the bot's
    and each user's, has a refresh token and a store of its own. The answer to an installation has
    the user's below ``authed_user``; a refresh has it at the top.

    **Expired** is a **200** with ``"ok": false`` and ``"error": "token_expired"``. **Refused** is a
    200, too, with ``invalid_refresh_token``. ``ratelimited`` is throttling; ``invalid_client_id``
    and ``bad_client_secret`` are faults of the set-up, and the tokens are kept.

    **How long the tokens live:** an access token lives 12 hours. A refresh token works once, and
    each refresh brings the next; the two newest access tokens are valid at a time.

    **What goes wrong:** an answer that is streamed or is not JSON is not looked at for
    "token_expired".

    From documentation, not run.

    Args:
        client_id: of the app.
        client_secret: of the app, in the form.

    """


PRESET: Final = Preset(
    Slack,
    logout={"url": "https://slack.com/api/auth.revoke", "refresh_field": None},
    base_url="https://slack.com/api",
)
