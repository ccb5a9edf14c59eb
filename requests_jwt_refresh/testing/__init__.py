"""What this library's own tests lean on, for yours: a real server, a test class for stores."""

from requests_jwt_refresh.testing.contract import StoreContract
from requests_jwt_refresh.testing.server import (
    HTML,
    AuthServer,
    Counters,
    Delay,
    Drop,
    DropAfter,
    Gate,
    Hang,
    Huge,
    JSONBody,
    Redirect,
    SeenRequest,
    Status,
    Trickle,
    Truncated,
)

__all__ = [
    "HTML",
    "AuthServer",
    "Counters",
    "Delay",
    "Drop",
    "DropAfter",
    "Gate",
    "Hang",
    "Huge",
    "JSONBody",
    "Redirect",
    "SeenRequest",
    "Status",
    "StoreContract",
    "Trickle",
    "Truncated",
]
