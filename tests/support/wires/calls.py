"""What each known server has in common for its client, whatever the wire looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.wires import WIRES, Client, Held

if TYPE_CHECKING:
    import requests

    from requests_jwt_refresh.testing import AuthServer


def log_in(server: AuthServer) -> Held:
    """Return what a client holds after a login over the wire."""
    wire = WIRES[str(server.like)]
    assert wire.login is not None
    return (wire.read_login or wire.read)(wire.login(Client(server.url), "right"))


def hold(server: AuthServer) -> Held:
    """Return the tokens of a login without a request."""
    token = server.login()
    cookies: dict[str, str] = token.extra.get("cookies", {})
    held = {"access": token.access or "", "refresh": token.refresh or ""}
    more = {
        "csrf": cookies.get("csrftoken", ""),
        "csrf_access": cookies.get("csrf_access_token", ""),
        "csrf_refresh": cookies.get("csrf_refresh_token", ""),
    }
    if server.like == "proxmox":
        more["csrf"] = token.extra["data"]["CSRFPreventionToken"]
    return {**held, **more}


def refresh(server: AuthServer, held: Held) -> requests.Response:
    ask = WIRES[str(server.like)].refresh
    assert ask is not None
    return ask(Client(server.url), held)


def call(server: AuthServer, held: Held) -> requests.Response:
    return WIRES[str(server.like)].call(Client(server.url), held)


def is_good(response: requests.Response) -> bool:
    return response.status_code == 200 and response.json().get("user") is not None
