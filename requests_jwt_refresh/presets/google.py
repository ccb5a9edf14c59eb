"""Google APIs, with a user's consent."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(url="https://oauth2.googleapis.com/token", client_auth="post")
class Google(KnownOAuth2):
    """Google APIs: refresh a user's access token in Python with requests, without google-auth.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    google = presets.Google("YOUR-ID.apps.googleusercontent.com", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://www.googleapis.com", google)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/drive/v3/files").json())
    ```

    Without Python: ``requests-jwt init google --preset google --base-url https://www.googleapis.com
    --client-id YOUR-ID.apps.googleusercontent.com --device-url
    https://oauth2.googleapis.com/device/code --scope https://www.googleapis.com/auth/drive.file``,
    then ``requests-jwt login google``: a client of the type "TVs and Limited Input devices" may log
    in so, for a few scopes. Else ``requests-jwt login google --refresh-token -``.

    **To have first:** an OAuth client of the Cloud console ("Desktop app" for scripts; its secret
    is needed, though it is none), and a refresh token from a consent with ``access_type=offline``.
    The OAuth 2.0 Playground can make one for a web client.

    **Expired** is any 401. **Refused** is ``invalid_grant`` ("Token has been expired or revoked").

    **How long the tokens live:** an access token lives an hour. The refresh token stays; it ends
    when it has not been used for 6 months, and with some scopes when the password is changed.

    **What goes wrong:** a consent screen in the state "Testing" gives refresh tokens that end after
    7 days: publish the app. When the same user has more than 100 for a client, the oldest ends. A
    second consent gives none unless ``prompt=consent``. Service accounts sign a JWT: use
    google-auth, or ``JWTBearer("https://oauth2.googleapis.com/token", assertion)``.

    From documentation, not run.

    Args:
        client_id: of the OAuth client.
        client_secret: of the OAuth client, in the form.

    """


PRESET: Final = Preset(Google, base_url="https://www.googleapis.com")
