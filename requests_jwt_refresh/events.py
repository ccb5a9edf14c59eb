"""What happened, as a value: `Event`, which an adapter's `on_event` is called with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "matched",
    "unmatched",
    "early",
    "ahead",
    "led",
    "followed",
    "adopted",
    "refreshed",
    "renewed",
    "challenge",
    "refused",
    "unavailable",
    "braked",
    "resent",
    "logged_in",
    "logged_out",
    "no_login",
]
"""What happened: see `Event`."""


@dataclass(frozen=True)
class Event:
    """One step of an adapter's work. It holds no secret: no token, and no query of a URL.

    ```python
    def count(event):
        print(event.kind, event.seconds)


    mount(session, "https://api.example.com", JSONEndpoint("/refresh"), on_event=count)
    ```

    Its kinds:

    - ``matched``: an API's answer says that the token has expired
    - ``unmatched``: an answer that the matcher was asked about does not say so
    - ``early``: the token was not valid yet: the request waits, and is sent with it once more
    - ``ahead``: a refresh begins in the background, before the end of the token
    - ``led``: a request led a refresh, and waited for it
    - ``followed``: a request waited for a refresh that another one led
    - ``adopted``: the store had a newer token: another program has refreshed or logged in
    - ``refreshed``: the server gave a new token
    - ``renewed``: an API's answer brought a newer access token, which is used from now on
    - ``challenge``: the API wants more than a token: another login, or a proof of possession
    - ``refused``: the server refused the refresh token
    - ``unavailable``: the refresh got no usable answer; the tokens are kept
    - ``braked``: no refresh for this request's sake: a token just received was refused as well
    - ``resent``: the request was sent again, with another token
    - ``logged_in``: `login` or refresh(refresh_token) gave a token
    - ``logged_out``: the tokens are forgotten
    - ``no_login``: a request goes out without a usable token, since a login is needed first
    """

    kind: Kind
    """What happened, as listed above."""
    at: float
    """When, in seconds since the epoch."""
    seconds: float | None = None
    """How long it took, where that is known: a refresh, or the wait for one."""
    url: str | None = None
    """Whom it is about, without its query: the API's URL, or that of the refresh endpoint."""
    status: int | None = None
    """The HTTP status of the answer that it is about."""
    rule: str | None = None
    """The matcher that said "expired", as it prints."""
