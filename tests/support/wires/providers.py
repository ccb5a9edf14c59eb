"""Identity providers that speak RFC 6749."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.wires.base import CLIENT, Client, Says, Wire

if TYPE_CHECKING:
    from tests.support.wires.base import Held, WrongRequest

BASIC = ("client-id", "client-secret")
REALM = "/realms/master/protocol/openid-connect"
BAD_CLIENT = Says(401, {"error": "invalid_client"})
BAD_GRANT = Says(400, {"error": "unsupported_grant_type"})
INVALID_REQUEST = Says(400, {"error": "invalid_request"})
GRANT = Says(400, {"error": "invalid_grant"})
THROTTLED = Says(429, headers={"Retry-After": "1"})


def make_wire(
    path: str,
    *,
    auth: tuple[str, str] | None = None,
    form: dict[str, str] = CLIENT,
    bad_client: Says = BAD_CLIENT,
    bad_grant: Says = BAD_GRANT,
    missing: Says = INVALID_REQUEST,
    revoke: str | None = None,
    wrong: tuple[WrongRequest, ...] = (),
    **others: Any,
) -> Wire:
    """Return RFC 6749 §6 at `path`, with the client in the form or in Basic."""

    def send(client: Client, held: Held, **changed: Any) -> Any:
        grant = {"grant_type": "refresh_token", "refresh_token": held["refresh"]}
        sent = {"data": {**grant, **form}, "auth": auth, **changed}
        return client.post(path, **sent)

    other_client = {**form, "client_id": "another", "client_secret": "another"}
    anonymous = {"auth": None, "data": {"grant_type": "refresh_token", "refresh_token": "x"}}
    wrong = (
        (
            lambda client, held: send(
                client,
                held,
                auth=("client-id", "another") if auth else None,
                data={
                    "grant_type": "refresh_token",
                    "refresh_token": held["refresh"],
                    **({} if auth else other_client),
                },
            ),
            bad_client,
        ),
        (lambda client, held: send(client, held, **anonymous), bad_client),
        (
            lambda client, held: send(
                client, held, data={**form, "refresh_token": held["refresh"]}
            ),
            bad_grant,
        ),
        (
            lambda client, held: send(client, held, data={"grant_type": "refresh_token", **form}),
            missing,
        ),
        (
            lambda client, held: send(client, {**held, "refresh": "stranger"}),
            others.get("refused", GRANT),
        ),
        *wrong,
    )
    usual: dict[str, Any] = {
        "expired": Says(401),
        "refused": GRANT,
        "throttled": THROTTLED,
        "gives": Says(200, {"token_type": "Bearer"}),
        "anonymous": Says(401, headers={"WWW-Authenticate": "Bearer"}),
    }
    if revoke is not None:
        usual["logout"] = lambda client, held: client.post(
            revoke, data={"token": held["refresh"], **form}, auth=auth
        )
    return Wire(refresh=send, wrong=wrong, **{**usual, **others})


def log_in_keycloak(client: Client, password: str) -> Any:
    form = {"grant_type": "password", "username": "alice", "password": password, **CLIENT}
    return client.post(f"{REALM}/token", data=form)


WIRES = {
    "auth0": make_wire(
        "/oauth/token",
        revoke="/oauth/revoke",
        gives=Says(200, {"token_type": "Bearer", "expires_in": 86400}),
        refused=Says(403, {"error": "invalid_grant"}),
        bad_client=Says(401, {"error": "access_denied"}),
    ),
    "okta": make_wire(
        "/oauth2/default/v1/token", auth=BASIC, form={}, revoke="/oauth2/default/v1/revoke"
    ),
    "keycloak": make_wire(
        f"{REALM}/token",
        gives=Says(200, {"expires_in": 300, "refresh_expires_in": 1800}),
        login=log_in_keycloak,
        bad_password=Says(401, {"error": "invalid_grant"}),
        logout=lambda client, held: client.post(
            f"{REALM}/revoke", data={"token": held["refresh"], **CLIENT}
        ),
        bad_client=Says(401, {"error": "unauthorized_client"}),
    ),
    "xero": make_wire("/connect/token", auth=BASIC, form={}, revoke="/connect/revocation"),
    "quickbooks": make_wire(
        "/oauth2/v1/tokens/bearer",
        revoke="/v2/oauth2/tokens/revoke",
        auth=BASIC,
        form={},
        gives=Says(200, {"token_type": "bearer", "x_refresh_token_expires_in": 8_726_400}),
        expired=Says(401, {"fault.type": "AUTHENTICATION"}),
    ),
    "spotify": make_wire(
        "/api/token",
        auth=BASIC,
        form={},
        gives=Says(200, {"refresh_token": None, "expires_in": 3600}),
        expired=Says(401, {"error.message": "The access token expired"}),
        anonymous=Says(401, {"error.message": "No token provided"}),
        stranger=Says(401, {"error.message": "Invalid access token"}),
        bad_client=Says(400, {"error": "invalid_client"}),
    ),
    "google": make_wire(
        "/token",
        revoke="/revoke",
        gives=Says(200, {"refresh_token": None, "expires_in": 3599}),
        expired=Says(401, {"error.status": "UNAUTHENTICATED"}),
    ),
    "tesla": make_wire("/oauth2/v3/token", form={"client_id": "client-id"}),
    "home-assistant": make_wire(
        "/auth/token",
        form={"client_id": "client-id"},
        gives=Says(200, {"refresh_token": None, "expires_in": 1800}),
        bad_client=Says(400, {"error": "invalid_request"}),
        revoke="/auth/revoke",
    ),
    "entra-id": make_wire(
        "/common/oauth2/v2.0/token",
        form={**CLIENT, "scope": "User.Read"},
        expired=Says(401, {"error.code": "InvalidAuthenticationToken"}),
        anonymous=Says(401),
        wrong=(
            (
                lambda client, held: client.post(
                    "/common/oauth2/v2.0/token",
                    data={
                        "grant_type": "refresh_token",
                        "refresh_token": held["refresh"],
                        **CLIENT,
                    },
                ),
                Says(400, {"error": "invalid_request", "error_codes": [900_144]}),
            ),
        ),
    ),
}
