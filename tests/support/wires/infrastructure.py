"""Infrastructure, whose sessions are renewed while they live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.wires.base import Client, Held, Says, Wire, bearer, find, read

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


DENIED = {"errors": ["permission denied"]}


def post_vault(client: Client, path: str, held: Held) -> requests.Response:
    return client.post(f"/v1/auth/token/{path}", headers={"X-Vault-Token": held["access"]})


WIRES = {
    "vault": Wire(
        refresh=lambda client, held: post_vault(client, "renew-self", held),
        gives=Says(200, {"auth.lease_duration": 2_764_800, "lease_duration": 0, "data": None}),
        read=lambda response: read(response, "auth.client_token"),
        login=lambda client, password: client.post(
            "/v1/auth/userpass/login/alice", json={"password": password}
        ),
        bad_password=Says(400, {"errors": ["invalid username or password"]}),
        logout=lambda client, held: post_vault(client, "revoke-self", held),
        call=lambda client, held: client.get(
            "/v1/secret/data/x", headers={"X-Vault-Token": held["access"]}
        ),
        expired=Says(403, DENIED),
        anonymous=Says(403, DENIED),
        refused=Says(403, DENIED),
        throttled=Says(429, headers={"Retry-After": "1"}),
        wrong=(
            (
                lambda client, held: client.post(
                    "/v1/auth/token/renew-self", json={"token": held["access"]}
                ),
                Says(403, DENIED),
            ),
            (
                lambda client, held: client.get("/v1/x", params={"token": held["access"]}),
                Says(403, DENIED),
            ),
        ),
    ),
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
                lambda client, _held: post_ticket(client, ""),
                Says(400, {"data": None}),
            ),
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
