"""GitHub Apps: user access tokens that expire."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, any_code, preset


@preset(
    url="https://github.com/login/oauth/access_token",
    client_auth="post",
    rejected=any_code("error", codes=("bad_refresh_token",)),
)
class GitHub(KnownOAuth2):
    """GitHub Apps: refresh a user access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    github = presets.GitHub("Iv1.YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://api.github.com", github)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token (ghr_...): ")))
    print(session.get("/user").json())
    ```

    Without Python: ``requests-jwt init github --preset github --base-url https://api.github.com
    --client-id Iv1.YOUR-CLIENT-ID --device-url https://github.com/login/device/code``, then
    ``requests-jwt login github``: it opens in a browser, on any device.

    **To have first:** a GitHub App with "Expire user authorization tokens", its client id and a
    client secret, and a refresh token (``ghr_...``) from the web flow or the device flow. OAuth
    apps, personal access tokens and installation tokens have no refresh token.

    **Expired** is any 401 ("Bad credentials"). **Refused** is the error ``bad_refresh_token``,
    which comes with status **200**, as do all errors of this endpoint.
    ``incorrect_client_credentials`` is a fault of the set-up, and the tokens are kept. A 403 or 429
    is a rate limit.

    **How long the tokens live:** an access token (``ghu_...``) lives 8 hours, a refresh token 6
    months, and each refresh replaces both: the old ones stop working at once. When the refresh
    token ends is in ``adapter.token.extra``.

    **What goes wrong:** two programs with a copy each log each other out: let them share a store.

    From documentation, not run.

    Args:
        client_id: of the GitHub App.
        client_secret: of the GitHub App, in the form.

    """


PRESET: Final = Preset(GitHub, base_url="https://api.github.com")
