"""What this library's own tests use, for yours: a real server, a test class for stores."""

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
from requests_jwt_refresh.testing.gates import Gate
from requests_jwt_refresh.testing.options import ServerOptions
from requests_jwt_refresh.testing.server import AuthServer
from requests_jwt_refresh.testing.values import (
    Answer,
    Counters,
    Headers,
    Kind,
    RecordedRequest,
    SeenRequest,
    ServerResponse,
    Target,
)

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
    "RecordedRequest",
    "Redirect",
    "SeenRequest",
    "ServerOptions",
    "ServerResponse",
    "Status",
    "StoreContract",
    "Target",
    "Trickle",
    "Truncated",
]
