"""Firebase Authentication and Google Identity Platform."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.endpoints import OAuth2Endpoint
from requests_jwt_refresh.presets.base import Preset, any_code, fill_url, preset

_USERS: Final = "https://identitytoolkit.googleapis.com/v1/accounts"


@preset(
    access="id_token",
    rejected=any_code(
        "error.message",
        codes=(
            "TOKEN_EXPIRED",
            "INVALID_REFRESH_TOKEN",
            "USER_DISABLED",
            "USER_NOT_FOUND",
        ),
    ),
)
class Firebase(OAuth2Endpoint):
    """Firebase Authentication: refresh the ID token in Python with requests.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    firebase = presets.Firebase("YOUR-WEB-API-KEY")
    adapter = mount(session, "https://api.example.com", firebase)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice@example.com", getpass.getpass())
    print(session.get("/me").json())
    ```

    Without Python: ``requests-jwt init myapp --preset firebase --base-url https://api.example.com
    --set web_key=YOUR-WEB-API-KEY``, then ``requests-jwt login myapp``.

    **To have first:** the Web API key of the project's settings (it is no secret), and the sign-in
    provider "Email/Password" switched on. The base URL is your own API, or
    ``https://firestore.googleapis.com/v1``, or the URL of a Realtime Database. Refresh: ``POST
    https://securetoken.googleapis.com/v1/token?key=KEY``, a form; login: ``POST
    https://identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=KEY``.

    **The bearer is the id_token**, not the access_token, which is the same text today; ``user_id``
    and the rest are in ``adapter.token.extra``.

    **Expired** is any 401. **Refused** is a 400 whose ``error`` is an object with the ``message``
    TOKEN_EXPIRED, INVALID_REFRESH_TOKEN, USER_DISABLED or USER_NOT_FOUND. A wrong key is a 400,
    too ("API key not valid"), and the tokens are kept.

    **How long the tokens live:** an ID token lives an hour. The refresh token stays until the
    password is changed or the user disabled.

    **What goes wrong:** a key that is restricted to web sites refuses a script: make one without a
    restriction, or for your address. For Google Cloud's own APIs and service accounts use Google's
    library.

    From documentation, not run.

    Args:
        web_key: the project's Web API key.

    """

    url: str = field(
        default="https://securetoken.googleapis.com/v1/token?key={web_key}", kw_only=True
    )
    client_id: str | None = field(default=None, kw_only=True)
    client_secret: str | None = field(default=None, kw_only=True, repr=False)
    web_key: str

    def __post_init__(self) -> None:
        fill_url(self)
        super().__post_init__()


PRESET: Final = Preset(
    Firebase,
    login={
        "url": _USERS + ":signInWithPassword?key={web_key}",
        "username_field": "email",
        "extra": {"returnSecureToken": True},
        "access": "idToken",
        "refresh": "refreshToken",
        "expires_in": "expiresIn",
    },
)
