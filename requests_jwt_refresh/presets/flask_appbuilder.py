"""Flask-AppBuilder, and so Apache Superset and Apache Airflow 2."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import BearerEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import Preset, preset


@preset(rejected=(401, 422), when=json_field("msg", "Token has expired"))
class FlaskAppBuilder(BearerEndpoint):
    """Apache Superset (and every Flask-AppBuilder API): refresh the token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://superset.example.com", presets.FlaskAppBuilder())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice", getpass.getpass())
    print(session.get("/api/v1/chart/").json())
    ```

    Without Python: ``requests-jwt init superset --preset flask-appbuilder --base-url
    https://superset.example.com``, then ``requests-jwt login superset``.

    **To have first:** a user in Superset's own database. Refresh: ``POST /api/v1/security/refresh``
    with the refresh token in Authorization; login: ``POST /api/v1/security/login`` with
    ``"provider": "db"`` and ``"refresh": true``, without which there is no refresh token. For a
    directory: ``PasswordLogin(..., extra={"provider": "ldap", "refresh": True})``. The paths are
    below the base URL: give ``https://superset.example.com``, not
    ``https://superset.example.com/api/v1``.

    **Expired** is a 401 with ``"msg": "Token has expired"``. **Refused** is a 401, or a 422 for
    garbage.

    **How long the tokens live:** an access token lives 15 minutes and a refresh token 30 days,
    unless the server says otherwise. A refresh brings no new refresh token.

    **What goes wrong:** Superset protects POST, PUT and DELETE with CSRF unless WTF_CSRF_ENABLED is
    off: get ``/api/v1/security/csrf_token/`` with this session, whose cookie belongs to it, and
    send the ``result`` as X-CSRFToken.

    From documentation, not run.
    """

    url: str = "/api/v1/security/refresh"


PRESET: Final = Preset(
    FlaskAppBuilder,
    login={"url": "/api/v1/security/login", "extra": {"provider": "db", "refresh": True}},
)
