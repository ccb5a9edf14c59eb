"""Supabase: its Auth (GoTrue), Data API (PostgREST), Storage and Edge Functions."""

from __future__ import annotations

from dataclasses import field
from typing import Final

from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import any_of, json_field
from requests_jwt_refresh.presets.base import Preset, any_code, preset

_API_KEY: Final = "apikey"
_HEADERS: Final = {_API_KEY: "{publishable_key}"}


@preset(
    rejected=any_code(
        "error_code",
        "code",
        "error",
        codes=(
            "refresh_token_not_found",
            "refresh_token_already_used",
            "session_not_found",
            "session_expired",
            "user_not_found",
            "user_banned",
            "invalid_grant",
        ),
    ),
    when=any_of(
        json_field("code", "PGRST301"),
        json_field("code", "PGRST303"),
        json_field("error_code", "bad_jwt", status=(401, 403)),
        json_field("code", "bad_jwt", status=(401, 403)),
        json_field("message", "Invalid JWT"),
        json_field("msg", "Invalid JWT"),
        json_field("message", "jwt expired", status=400),
        json_field("message", '"exp" claim timestamp check failed', status=400),
    ),
)
class Supabase(JSONEndpoint):
    """Supabase: refresh a user's session in Python with requests, without supabase-py.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    supabase = presets.Supabase("sb_publishable_YOUR-KEY")
    adapter = mount(session, "https://YOUR-PROJECT.supabase.co", supabase)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice@example.com", getpass.getpass())
    print(session.get("/rest/v1/countries", params={"select": "*"}).json())
    ```

    Without Python: ``requests-jwt init myapp --preset supabase --base-url
    https://YOUR-PROJECT.supabase.co --set publishable_key=sb_publishable_YOUR-KEY``, then
    ``requests-jwt login myapp``. An old anon key is a JWT, which looks like a secret: write
    ``publishable_key = { public = "eyJ..." }``.

    **To have first:** the project's URL and its publishable (or anon) key, from the dashboard under
    API keys. It goes as the header ``apikey`` with each API request and each refresh. Refresh:
    ``POST /auth/v1/token?grant_type=refresh_token``; login: the same with ``grant_type=password``;
    logout: ``POST /auth/v1/logout``. Never use the secret or service_role key here: it passes by
    every rule of the database. The paths are below the base URL: give
    ``https://YOUR-PROJECT.supabase.co``, not ``https://YOUR-PROJECT.supabase.co/auth/v1``.

    **Expired:** the Data API answers 401 ``PGRST301`` or ``PGRST303``, Auth ``bad_jwt``, Edge
    Functions "Invalid JWT", Storage a 400. **Refused** is a 400 with ``refresh_token_not_found``,
    ``refresh_token_already_used`` or the like.

    **How long the tokens live:** an access token lives an hour. A refresh token works once, and
    each refresh replaces it; a second use within 10 seconds gets the same new session.

    **What goes wrong:** a later second use of a refresh token ends the session for everybody. So
    share one store between your programs, and do not use a refresh token that a browser has, too. A
    wrong apikey is a 401 "Invalid API key", which is no expiry.

    From documentation, not run.

    Args:
        publishable_key: the project's publishable or anon key.

    """

    url: str = field(default="/auth/v1/token?grant_type=refresh_token", kw_only=True)
    publishable_key: str

    def __post_init__(self) -> None:
        key = {_API_KEY: self.publishable_key}
        object.__setattr__(self, "headers", {**self.headers, **key})
        object.__setattr__(self, "api_headers", key)
        super().__post_init__()


PRESET: Final = Preset(
    Supabase,
    login={
        "url": "/auth/v1/token?grant_type=password",
        "username_field": "email",
        "headers": _HEADERS,
    },
    logout={"url": "/auth/v1/logout", "refresh_field": None, "headers": _HEADERS},
)
