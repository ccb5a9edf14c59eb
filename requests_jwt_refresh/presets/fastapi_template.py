"""The full-stack FastAPI template: a login, and no refresh."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import Preset, preset


@preset(
    refresh=None,
    when=json_field("detail", "Could not validate credentials", status=(401, 403)),
)
class FastAPITemplate(JSONEndpoint):
    """The full-stack FastAPI template: log in again by itself, in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import PasswordLogin, mount, presets

    login = PasswordLogin(username="alice@example.com", password=getpass.getpass())
    session = requests.Session()
    mount(session, "https://api.example.com/api/v1", presets.FastAPITemplate(), login=login)
    print(session.get("/users/me").json())
    ```

    Without Python: ``requests-jwt init myapi --preset fastapi-template --base-url
    https://api.example.com/api/v1``, then ``requests-jwt login myapi``.

    **To have first:** a user. The template has no refresh token: ``POST /login/access-token`` takes
    ``username`` (the e-mail address) and ``password`` as a form, and gives an access token. When
    that has expired a new login is the only way, so give `login=`, or log in again when on_logout
    says so.

    **Expired** is a 403 with ``"detail": "Could not validate credentials"``; "The user doesn't have
    enough privileges" is a 403 as well, and reaches you as it is. **Refused** is a login that the
    server does not take, with a 400.

    **How long the tokens live:** an access token lives 8 days, and there is no refresh token: each
    expiry needs a login.

    **What goes wrong:** JSON instead of a form is a 422. A user who has been deleted is a 404, and
    one who has been deactivated a 400, at each request.

    From documentation, not run.
    """

    url: str = "/login/access-token"


PRESET: Final = Preset(FastAPITemplate, login={"url": "/login/access-token", "send": "form"})
