"""Infrastructure, whose sessions are renewed while they live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.wires.base import Client, Held, Says, Wire, bearer, find

if TYPE_CHECKING:
    import requests


def post_ticket(client: Client, password: str, **others: Any) -> requests.Response:
    form = {"username": "alice", "password": password, **others}
    return client.post("/access/ticket", data={k: v for k, v in form.items() if v})


def read_ticket(response: requests.Response) -> Held:
    content = response.json()
    return {
        "access": find(content, "data.ticket"),
        "csrf": find(content, "data.CSRFPreventionToken"),
    }


WIRES = {
    "proxmox": Wire(
        refresh=lambda client, held: post_ticket(client, held["access"]),
        read=read_ticket,
        login=post_ticket,
        bad_password=Says(401, {"data": None}),
        call=lambda client, held: client.post(
            "/nodes",
            cookies={"PVEAuthCookie": held["access"]},
            headers={"CSRFPreventionToken": held["csrf"]},
        ),
        expired=Says(401, {"data": None}),
        refused=Says(401, {"data": None}),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (
                lambda client, held: post_ticket(client, held["access"], username=""),
                Says(400, {"data": None}),
            ),
            (
                lambda client, held: client.post(
                    "/nodes", cookies={"PVEAuthCookie": held["access"]}
                ),
                Says(401, {"data": None}),
            ),
            (lambda client, held: client.get("/nodes", headers=bearer(held)), Says(401)),
        ),
    ),
}
