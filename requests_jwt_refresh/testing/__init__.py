"""What this library's own tests lean on, for yours: a real server, a test class for stores."""

from requests_jwt_refresh.testing.contract import StoreContract
from requests_jwt_refresh.testing.faults import (
    HTML,
    Delay,
    Drop,
    DropAfter,
    Exchange,
    Fault,
    Hang,
    Huge,
    JSONBody,
    Redirect,
    Status,
    Trickle,
    Truncated,
)
from requests_jwt_refresh.testing.seen import Answer, Counters, Headers, Kind, SeenRequest
from requests_jwt_refresh.testing.server import AuthServer
from requests_jwt_refresh.testing.traffic import Gate

__all__ = [
    "HTML",
    "Answer",
    "AuthServer",
    "Counters",
    "Delay",
    "Drop",
    "DropAfter",
    "Exchange",
    "Fault",
    "Gate",
    "Hang",
    "Headers",
    "Huge",
    "JSONBody",
    "Kind",
    "Redirect",
    "SeenRequest",
    "Status",
    "StoreContract",
    "Trickle",
    "Truncated",
]
