"""Bluesky (AT Protocol), with OAuth and proof of possession."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset

if TYPE_CHECKING:
    from requests_jwt_refresh.jose import DPoP


@preset(url="https://bsky.social/oauth/token")
class BlueskyOAuth(KnownOAuth2):
    """Bluesky OAuth with DPoP: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import DPoP, Token, mount, presets

    session = requests.Session()
    bluesky = presets.BlueskyOAuth("https://YOUR-APP.example.com/client-metadata.json")
    key = DPoP("dpop-key.pem")  # the private key of the login
    adapter = mount(session, "https://YOUR-PDS.host.bsky.network", bluesky, attach=key)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/xrpc/com.atproto.server.getSession").json())
    ```

    It needs the extra ``jose``: ``pip install "requests-jwt-refresh[jose]"``.

    Without Python: ``requests-jwt init bluesky --preset bluesky-oauth --base-url
    https://YOUR-PDS.host.bsky.network --client-id
    https://YOUR-APP.example.com/client-metadata.json``, add the line
    ``attach = { dpop = "dpop-key.pem" }`` to the profile, above its tables, then ``requests-jwt
    login bluesky --refresh-token -``.

    **To have first:** a client whose id is the URL of its metadata document, a refresh token from a
    login with the scope ``atproto transition:generic``, and the private key which that login was
    made with: a token is bound to it, and nobody else can use or refresh it. The base URL is the
    account's own PDS; `url` is the token endpoint of the PDS's authorization server, bsky.social
    for all that Bluesky hosts. A confidential client signs, too: ``client_auth=PrivateKeyJWT(
    "client-key.pem", kid="ITS-ID", audience="https://bsky.social")``.

    **Nonces:** the server wants one in each proof and says so with ``use_dpop_nonce``; that request
    is sent again with it by itself, at the API as at the token endpoint. **Expired** is any other
    401 (``invalid_token``). **Refused** is ``invalid_grant``.

    **How long the tokens live:** a refresh token works once, and each refresh brings the next. A
    public client's session ends after 2 weeks, a confidential one's lasts for as long as it is
    refreshed.

    **What goes wrong:** with the key of another login each request is refused. For a script an app
    password is simpler: ``presets.Bluesky``.

    From documentation, not run.

    Args:
        client_id: the URL of the client's metadata document.

    """

    @cached_property
    def attach(self) -> DPoP:
        """Proof of possession with a key made at the login, where mount() gets no other."""
        from requests_jwt_refresh.jose import DPoP  # late: an extra

        return DPoP()


PRESET: Final = Preset(BlueskyOAuth)
