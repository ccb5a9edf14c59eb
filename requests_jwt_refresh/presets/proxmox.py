"""Proxmox VE (and Backup Server), with tickets."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import clock
from requests_jwt_refresh.authorization import cookie
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.presets.base import Preset, preset
from requests_jwt_refresh.tokens import with_values

if TYPE_CHECKING:
    from requests_jwt_refresh.responses import TokenResponse
    from requests_jwt_refresh.tokens import Token


_LIFETIME: Final = 7200.0  # seconds; the answer does not say it
_CSRF_HEADER: Final = "CSRFPreventionToken"


@preset(
    send=None,
    send_access="password",
    encode="form",
    access="data.ticket",
    refresh=None,
    rejected=(401,),
)
class Proxmox(JSONEndpoint):
    """Proxmox VE: renew the ticket in Python with requests, without proxmoxer.

    ```python
    import getpass

    import requests
    from requests_jwt_refresh import mount, presets

    session = requests.Session()
    session.verify = "/etc/pve/pve-root-ca.pem"  # a copy of the server's own CA
    proxmox = presets.Proxmox("root@pam")
    adapter = mount(session, "https://pve.example.com:8006/api2/json", proxmox)
    if adapter.token is None:  # once: afterwards the keyring has it
        adapter.log_in("root@pam", getpass.getpass())
    print(session.get("/nodes").json())
    ```

    Without Python: ``requests-jwt init pve --preset proxmox --base-url
    https://pve.example.com:8006/api2/json --set username=root@pam``, then ``requests-jwt login
    pve``.

    **To have first:** a user with the realm in its name. There is no refresh token: ``POST
    /access/ticket`` takes the **live** ticket in place of the password. Login is the same with the
    password. The paths are below the base URL, which ends with ``/api2/json``.

    **The ticket** is the cookie ``PVEAuthCookie``; what changes something also needs the header
    CSRFPreventionToken, which came with the ticket. Both are done by themselves. Backup Server:
    ``attach=cookie("PBSAuthCookie", csrf=("data.CSRFPreventionToken", "CSRFPreventionToken"))``.

    **Expired** is any 401. **Refused** is a 401.

    **How long the tokens live:** a ticket lives 2 hours and does not say so; here it is renewed
    before that, and each renewal brings a new one. There is no refresh token.

    **What goes wrong:** a script that rests for longer than a ticket lives logs in anew
    (``login=PasswordLogin(...)``). With a second factor the first answer has ``NeedTFA``: use an
    API token instead, which does not expire and needs none of this:
    ``session.headers["Authorization"] = "PVEAPIToken=USER@REALM!NAME=SECRET"``.

    From documentation, not run.

    Args:
        username: with its realm, such as "root@pam".
        url: the path of the ticket.

    """

    url: str = field(default="/access/ticket", kw_only=True)
    username: str
    attach = cookie("PVEAuthCookie", csrf=(f"data.{_CSRF_HEADER}", _CSRF_HEADER))

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra", {**self.extra, "username": self.username})
        super().__post_init__()

    def read(self, response: TokenResponse) -> Token:
        """Return the ticket, which lives 2 hours. Raises RefreshRejected, RefreshUnavailable."""
        return with_values(super().read(response), expires_at=clock.time() + _LIFETIME)


PRESET: Final = Preset(Proxmox, login={"url": "/access/ticket", "send": "form"})
