"""Bluesky (AT Protocol), with an app password."""

from __future__ import annotations

from typing import Final

from requests_jwt_refresh.authorization import header
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.matching import any_of, json_field, status
from requests_jwt_refresh.presets.base import Preset, any_code, preset
from requests_jwt_refresh.responses import DefaultPath


@preset(
    send=header(),
    access="accessJwt",
    refresh=DefaultPath("refreshJwt"),
    rejected=any_of(
        status(401),
        any_code("error", codes=("ExpiredToken", "InvalidToken", "AccountTakedown")),
    ),
    when=json_field("error", "ExpiredToken", status=(400, 401)),
)
class Bluesky(JSONEndpoint):
    """Bluesky: refresh the session in Python with requests, without the atproto package.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    adapter = mount(session, "https://bsky.social", presets.Bluesky())
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("alice.bsky.social", getpass.getpass("App password: "))
    print(session.get("/xrpc/app.bsky.feed.getTimeline").json())
    ```

    Without Python: ``requests-jwt init bluesky --preset bluesky --base-url https://bsky.social``,
    then ``requests-jwt login bluesky``.

    **To have first:** an app password (Settings, Privacy and security); the base URL is your own
    PDS if you have one. Refresh: ``POST /xrpc/com.atproto.server.refreshSession`` with the refresh
    token in Authorization and no body; login: ``POST /xrpc/com.atproto.server.createSession`` with
    ``identifier``; logout: ``POST /xrpc/com.atproto.server.deleteSession``. The paths are below the
    base URL: give ``https://bsky.social``, not ``https://bsky.social/xrpc``.

    **Expired** is a **400** with ``"error": "ExpiredToken"``. **Refused** is a 400 with
    ``ExpiredToken``, too, or ``InvalidToken``, or a 401. A 429 (RateLimitExceeded) is no refusal.

    **How long the tokens live:** an access token lives 2 hours, a refresh token 90 days; each
    refresh replaces both, and the old refresh token works for 2 hours more.

    **What goes wrong:** logins are limited to 30 in 5 minutes and 300 a day for an account, so that
    a script which logs in with each run is locked out: keep the session, as here. An AuthMissing or
    InvalidToken of the API reaches you as it is.

    From documentation, not run.
    """

    url: str = "/xrpc/com.atproto.server.refreshSession"


PRESET: Final = Preset(
    Bluesky,
    login={
        "url": "/xrpc/com.atproto.server.createSession",
        "username_field": "identifier",
    },
    logout={"url": "/xrpc/com.atproto.server.deleteSession", "send": "bearer"},
    base_url="https://bsky.social",
)
