"""Infrastructure: APIs that are logged into, and whose session is renewed while it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.testing.shapes import (
    Ask,
    Csrf,
    Errors,
    InCookie,
    InField,
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
    login=Ask(
        path=_TICKET_PATH,
        trade="password",
        encoding=("form", "json"),
        needs=("username",),
        user=InField("username"),
        secret=(InField("password"),),
        errors=_TICKET_ERRORS,
        answer=_TICKET,
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
