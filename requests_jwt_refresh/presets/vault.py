"""HashiCorp Vault, and OpenBao."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import status
from requests_jwt_refresh.presets.base import Preset, preset
from requests_jwt_refresh.responses import DefaultPath

_TOKEN: Final = header("X-Vault-Token")


@preset(
    send=None,
    send_access=_TOKEN,
    access="auth.client_token",
    refresh=None,
    expires_in=DefaultPath("auth.lease_duration"),
    rejected=(403,),
    when=status(403),
)
class Vault(JSONEndpoint):
    """HashiCorp Vault (and OpenBao): renew the token in Python with requests, without hvac.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    adapter = mount(session, "https://vault.example.com:8200", presets.Vault())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(getpass.getpass("Token (hvs....): ")))
    print(session.get("/v1/secret/data/my-app").json())
    ```

    Without Python: ``requests-jwt init vault --preset vault --base-url
    https://vault.example.com:8200``, then ``requests-jwt login vault``.

    **To have first:** a renewable token, of ``vault login`` or of any auth method. There is no
    refresh token: ``POST /v1/auth/token/renew-self`` renews the **live** token, which stays the
    same and only lives longer, so that the renewal comes before the end. Login with a user name and
    a password: ``POST /v1/auth/userpass/login/USERNAME``; logout: ``POST
    /v1/auth/token/revoke-self``. The paths are below the base URL: give
    ``https://vault.example.com:8200``, not ``https://vault.example.com:8200/v1``.

    **The header** is ``X-Vault-Token: <token>``. **Expired** is a 403. A path that the policy does
    not allow is a 403 as well: it costs one renewal, then reaches you as it is. **Refused** is a
    403. A 400 is a token that cannot be renewed, and a 503 a sealed Vault: the token is kept.

    **How long the tokens live:** a token lives as long as its ttl says, and a renewal makes the
    same token live longer, but not past its max_ttl (32 days by default). There is no refresh
    token.

    **What goes wrong:** once the max_ttl is reached a new login is needed, ``login=`` with a
    function of yours for AppRole or Kubernetes. A token that you have given by hand has no known
    end until it has been renewed once: call ``adapter.refresh()`` at the start. Vault Enterprise
    wants X-Vault-Namespace, too: ``session.headers``, and ``headers={"X-Vault-Namespace": "team"}``
    for the renewal.

    From documentation, not run.
    """

    url: str = "/v1/auth/token/renew-self"
    attach = _TOKEN


PRESET: Final = Preset(
    Vault,
    login={"url": "/v1/auth/userpass/login/{username}", "username_field": None},
    logout={"url": "/v1/auth/token/revoke-self"},
)
