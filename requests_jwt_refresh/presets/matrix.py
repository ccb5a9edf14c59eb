"""Matrix homeservers: Synapse and its kin."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import Preset, any_code, preset
from requests_jwt_refresh.responses import DefaultPath


@preset(
    expires_in=DefaultPath("expires_in_ms"),
    expires_in_unit="ms",
    rejected=any_code("errcode", codes=("M_UNKNOWN_TOKEN", "M_USER_DEACTIVATED")),
    when=json_field("errcode", "M_UNKNOWN_TOKEN"),
)
class Matrix(JSONEndpoint):
    """Matrix: refresh the access token in Python with requests, without matrix-nio.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://matrix.example.org", presets.Matrix())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/_matrix/client/v3/joined_rooms").json())
    ```

    Without Python: ``requests-jwt init matrix --preset matrix --base-url
    https://matrix.example.org``, then ``requests-jwt login matrix``.

    **To have first:** an account on a server that has refresh tokens switched on (Synapse's
    ``refreshable_access_token_lifetime``). The base URL is the homeserver's, which
    ``/.well-known/matrix/client`` of the domain tells: matrix-client.matrix.org for matrix.org.
    Refresh: ``POST /_matrix/client/v3/refresh``; login: ``POST /_matrix/client/v3/login`` with
    ``"refresh_token": true``, without which there is none; logout: ``POST
    /_matrix/client/v3/logout``. The paths are below the base URL: give
    ``https://matrix.example.org``, not ``https://matrix.example.org/_matrix``.

    **Expired** is a 401 with ``"errcode": "M_UNKNOWN_TOKEN"`` (``soft_logout`` true). **Refused**
    is the same answer to the refresh. M_LIMIT_EXCEEDED is throttling, and the tokens are kept.

    **How long the tokens live:** an access token lives as long as the server says, in milliseconds.
    A refresh token works once: the old one dies when the new access token or the new refresh token
    is first used.

    **What goes wrong:** a login makes a new device each time; keep it, above all with encryption.
    Servers with the new authentication service (matrix.org) speak OAuth 2.0: ``OAuth2Endpoint``,
    with ``when=presets.Matrix().when``.

    From documentation, not run.
    """

    url: str = "/_matrix/client/v3/refresh"


PRESET: Final = Preset(
    Matrix,
    login={
        "url": "/_matrix/client/v3/login",
        "username_field": "identifier.user",
        "extra": {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user"},
            "refresh_token": True,
        },
    },
    logout={"url": "/_matrix/client/v3/logout", "refresh_field": None},
)
