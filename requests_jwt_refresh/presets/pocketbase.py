"""PocketBase."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.presets.base import Preset, fill_url, preset

_COLLECTION: Final = "/api/collections/{collection}"


@preset(
    send=None,
    send_access=header(),
    access="token",
    refresh=None,
    rejected=(401,),
)
class PocketBase(JSONEndpoint):
    """PocketBase: renew the auth token in Python with requests, before it ends.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://pocketbase.example.com", presets.PocketBase())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice@example.com", getpass.getpass())
    print(session.get("/api/collections/posts/records").json())
    ```

    Without Python: ``requests-jwt init pb --preset pocketbase --base-url
    https://pocketbase.example.com``, then ``requests-jwt login pb``.

    **To have first:** a user of an auth collection, "users" unless said: for an administrator
    ``presets.PocketBase(collection="_superusers")``. There is no refresh token: ``POST
    /api/collections/users/auth-refresh`` trades in the **live** token, and one that has expired
    cannot renew itself, so that the renewal comes before the end. Login: ``POST
    /api/collections/users/auth-with-password`` with ``identity``. There is no logout. The paths are
    below the base URL: give ``https://pocketbase.example.com``, not
    ``https://pocketbase.example.com/api``.

    **Expired** is any 401. **Refused** is a 401.

    **How long the tokens live:** a user's token lives 7 days, a superuser's a day. There is no
    refresh token; each renewal brings a new token, and old ones stay valid until they expire.

    **What goes wrong:** PocketBase takes a request with an expired token for one of a guest: what
    guests may not see is a 403 or 404, or an empty list, and no 401. A script that rests for longer
    than a token lives logs in anew (``login=PasswordLogin(...)``).

    From documentation, not run.

    Args:
        url: the path of the renewal.
        collection: the auth collection.

    """

    url: str = f"{_COLLECTION}/auth-refresh"
    collection: str = field(default="users", kw_only=True)

    def __post_init__(self) -> None:
        fill_url(self)
        super().__post_init__()


PRESET: Final = Preset(
    PocketBase,
    login={"url": f"{_COLLECTION}/auth-with-password", "username_field": "identity"},
)
