"""Strava."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from requests_jwt_refresh.matching import json_field
from requests_jwt_refresh.presets.base import KnownOAuth2, Preset, preset
from requests_jwt_refresh.responses import DefaultPath

if TYPE_CHECKING:
    import requests


_INVALID: Final = json_field("errors.*.code", "invalid", status=(400, 401))
_CLIENT_INVALID: Final = json_field("errors.*.resource", "Application", status=(400, 401))


def is_refused(response: requests.Response) -> bool:
    """Whether Strava says that the refresh token, and not the client, is invalid."""
    return _INVALID(response) and not _CLIENT_INVALID(response)


@preset(
    url="https://www.strava.com/api/v3/oauth/token",
    client_auth="post",
    expires_at=DefaultPath("expires_at"),
    rejected=is_refused,
)
class Strava(KnownOAuth2):
    """Strava: refresh the access token in Python with requests, without stravalib.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import Token, mount, presets

    session = requests.Session()
    strava = presets.Strava("YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET")
    adapter = mount(session, "https://www.strava.com/api/v3", strava)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.set_token(Token(None, getpass.getpass("Refresh token: ")))
    print(session.get("/athlete/activities").json())
    ```

    Without Python: ``requests-jwt init strava --preset strava --base-url
    https://www.strava.com/api/v3 --client-id YOUR-CLIENT-ID``, then ``requests-jwt login strava
    --refresh-token -``.

    **To have first:** an application (strava.com/settings/api), its client id and secret, and a
    refresh token. The one on that page has the scope ``read`` alone, which sees no activities: for
    these get one by the authorization page with ``scope=activity:read_all``.

    **Expired** is any 401. **Refused** is a 400 whose ``errors`` say ``"code": "invalid"``, unless
    it is the application that is invalid, which is a fault of the set-up. 429 is a rate limit (so
    many requests in 15 minutes and a day), and no refusal.

    **How long the tokens live:** an access token lives 6 hours; ``expires_at`` says until when. A
    refresh in the last hour brings a new access token, an earlier one the same. The refresh token
    may change with it, and the old one ends at once.

    **What goes wrong:** a missing scope is a 401 as well (``"code": "missing"``): it costs one
    refresh, then reaches you as it is.

    From documentation, not run.

    Args:
        client_id: of the application, a number in quotes.
        client_secret: of the application, in the form.

    """


PRESET: Final = Preset(Strava, base_url="https://www.strava.com/api/v3")
