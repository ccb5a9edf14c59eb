"""Nhost, and Hasura with hasura-auth."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import Preset, fill_url, preset
from requests_jwt_refresh.responses import DefaultPath

_AUTH: Final = "https://{subdomain}.auth.{region}.nhost.run/v1"


@preset(
    send="refreshToken",
    access="accessToken",
    refresh=DefaultPath("refreshToken"),
    expires_in=DefaultPath("accessTokenExpiresIn"),
    rejected=(401,),
    when=json_field("errors.*.extensions.code", "invalid-jwt", status=(200, 400, 401)),
)
class Nhost(JSONEndpoint):
    """Nhost and Hasura: refresh the access token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    subdomain, region = "YOUR-SUBDOMAIN", "eu-central-1"
    session = requests.Session()
    nhost = presets.Nhost(subdomain=subdomain, region=region)
    adapter = mount(session, f"https://{subdomain}.hasura.{region}.nhost.run/v1", nhost)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice@example.com", getpass.getpass())
    query = {"query": "{ users { displayName } }"}
    print(session.post("/graphql", json=query).json())
    ```

    Without Python: ``requests-jwt init myapp --preset nhost --base-url
    https://YOUR-SUBDOMAIN.hasura.eu-central-1.nhost.run/v1 --set subdomain=YOUR-SUBDOMAIN --set
    region=eu-central-1``, then ``requests-jwt login myapp``.

    **To have first:** the project's subdomain and region, and a user. Refresh: ``POST /v1/token``
    of the auth service with JSON ``refreshToken``; login: ``POST /v1/signin/email-password``;
    logout: ``POST /v1/signout``. A server of your own:
    ``presets.Nhost("https://auth.example.com/token")``.

    **Expired** comes with status **200**: an item of ``errors`` has ``extensions.code`` =
    ``invalid-jwt``. **Refused** is a 401 (``invalid-refresh-token``).

    **How long the tokens live:** an access token lives 15 minutes, a refresh token 30 days, and
    each refresh replaces it.

    **What goes wrong:** ``invalid-jwt`` also stands for a token of another project, which costs one
    refresh. A missing permission is ``validation-failed`` ("field not found in type"), which
    reaches you as it is. An answer that is streamed is not looked at.

    From documentation, not run.

    Args:
        url: the token endpoint, if it is not Nhost's own.
        subdomain: of the project.
        region: of the project, such as "eu-central-1".

    """

    url: str = f"{_AUTH}/token"
    subdomain: str | None = field(default=None, kw_only=True)
    region: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        fill_url(self)
        super().__post_init__()


PRESET: Final = Preset(
    Nhost,
    login={
        "url": f"{_AUTH}/signin/email-password",
        "username_field": "email",
        "access": "session.accessToken",
        "refresh": "session.refreshToken",
        "expires_in": "session.accessTokenExpiresIn",
    },
    logout={"url": f"{_AUTH}/signout", "refresh_field": "refreshToken"},
)
