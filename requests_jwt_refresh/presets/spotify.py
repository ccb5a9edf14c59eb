"""Spotify Web API."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset


@preset(url="https://accounts.spotify.com/api/token")
class Spotify(KnownOAuth2):
    """Spotify: refresh the access token in Python with requests, without spotipy.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    spotify = presets.Spotify("YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://api.spotify.com/v1", spotify)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/me").json())
    ```

    Without Python: ``requests-jwt init spotify --preset spotify --base-url
    https://api.spotify.com/v1 --client-id YOUR-CLIENT-ID --client-auth basic``, then ``requests-jwt
    login spotify --refresh-token -``.

    **To have first:** an app of the developer dashboard, and a refresh token from a consent (the
    authorization code flow, with PKCE or without). A PKCE client has no secret: leave it out.

    **Expired** is any 401. **Refused** is ``invalid_grant`` ("Refresh token revoked"). 429 with
    Retry-After is a rate limit of the API, and no refusal.

    **How long the tokens live:** an access token lives an hour. A PKCE refresh token works once,
    and each answer has the next; the other kind mostly stays.

    **What goes wrong:** two programs with a copy of a PKCE refresh token each log each other out:
    let them share a store. Data that belongs to no user needs none of this:
    ``ClientCredentials("https://accounts.spotify.com/api/token", id, secret)``.

    From documentation, not run.

    Args:
        client_id: of the app.
        client_secret: of the app; None for a PKCE client.

    """


PRESET: Final = Preset(Spotify, base_url="https://api.spotify.com/v1")
