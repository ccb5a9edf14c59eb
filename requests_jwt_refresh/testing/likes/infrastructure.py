"""Infrastructure: APIs that are logged into, and whose session is renewed while it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.shapes import (
    Ask,
    Csrf,
    Errors,
    InCookie,
    InField,
    InHeader,
    InPath,
    Shape,
    Slot,
    Template,
    say,
    throttle,
)

if TYPE_CHECKING:
    from requests_jwt_refresh.testing.faults import Status

SHAPES: Final[dict[str, Shape]] = {}


def _proxmox(status: int, message: str, **more: Any) -> Status:
    return say(status, {"data": None, "message": f"{message}\n", **more})


_TICKET_PATH: Final = "/access/ticket"
_TICKET_ERRORS: Final = Errors(
    _proxmox(401, "authentication failure"),
    missing=_proxmox(
        400,
        "Parameter verification failed.",
        errors={"password": "property is missing and it is not optional"},
    ),
    field=_proxmox(
        400,
        "Parameter verification failed.",
        errors={"username": "property is missing and it is not optional"},
    ),
)
_TICKET: Final = Template(
    {
        "data": {
            "ticket": Slot.ACCESS,
            "CSRFPreventionToken": Slot.ACCESS_CSRF,
            "username": Slot.USER,
            "cap": {"vms": {}, "nodes": {}},
        }
    }
)
SHAPES["proxmox"] = Shape(
    refresh=(
        Ask(
            path=_TICKET_PATH,
            trade="live",
            encoding=("form", "json"),
            needs=("username",),
            secret=(InField("password"),),
            prefix="PVE:",
            errors=_TICKET_ERRORS,
            answer=_TICKET,
        ),
    ),
    login=(
        Ask(
            path=_TICKET_PATH,
            trade="password",
            encoding=("form", "json"),
            needs=("username",),
            user=InField("username"),
            secret=(InField("password"),),
            errors=_TICKET_ERRORS,
            answer=_TICKET,
        ),
    ),
    api=(InCookie("PVEAuthCookie", Csrf("CSRFPreventionToken")),),
    api_errors=Errors(
        _proxmox(401, "permission denied - invalid PVE ticket"),
        missing=_proxmox(401, "No ticket"),
        csrf=_proxmox(401, "Permission denied - invalid csrf token"),
    ),
    throttled=throttle(),
    prefixes=("PVE:", ""),
    options={"opaque": True, "rotate": False, "lifetime": 7200.0},
)


# --- Vault ---------------------------------------------------------------------------------------

_VAULT_403: Final = Errors(say(403, {"errors": ["permission denied"]}))
_VAULT_PLACES: Final = (InHeader("X-Vault-Token", None), InHeader())
_VAULT_AUTH: Final = Template(
    {
        "request_id": "8f6c1c6c-0a9c-5e8b-6e34-2a1a6f2f4c11",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": None,
        "auth": {
            "client_token": Slot.ACCESS,
            "policies": ["default"],
            "metadata": {"username": Slot.USER},
            "lease_duration": Slot.SECONDS,
            "renewable": True,
            "token_type": "service",
        },
    }
)
SHAPES["vault"] = Shape(
    refresh=(
        Ask(
            path="/v1/auth/token/renew-self",
            trade="extend",
            encoding=(),
            secret=_VAULT_PLACES,
            errors=_VAULT_403,
            answer=_VAULT_AUTH,
        ),
    ),
    login=(
        Ask(
            path="/v1/auth/userpass/login/*",
            trade="password",
            user=InPath(),
            secret=(InField("password"),),
            errors=Errors(
                say(400, {"errors": ["invalid username or password"]}),
                missing=say(400, {"errors": ["missing password"]}),
            ),
            answer=_VAULT_AUTH,
        ),
    ),
    logout=Ask(
        path="/v1/auth/token/revoke-self",
        trade="end-live",
        encoding=(),
        secret=_VAULT_PLACES,
        errors=_VAULT_403,
        answer=Template(),
    ),
    api=_VAULT_PLACES,
    api_errors=_VAULT_403,
    throttled=throttle(
        {"errors": ['request path "auth/token/renew-self": rate limit quota exceeded']}
    ),
    prefixes=("hvs.", ""),
    options={"opaque": True, "rotate": False, "lifetime": 2_764_800.0},
)
