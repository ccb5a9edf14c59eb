"""What this library's own tests use, for yours: a real server, a test class for stores.

```python
with AuthServer() as server:
    adapter = mount(session, server.url, JSONEndpoint("/auth/refresh"), MemoryStore())
    adapter.set_token(server.login())
    server.expire()  # every access token, now
    session.get("/api/users")
    assert server.counters.rotated == 1
```

In the examples below ``server`` is an `AuthServer` that runs, and ``client`` a ``requests.Session``
on which ``adapter`` is mounted for it and logged in. Names are imported from here and from
`requests_jwt_refresh`.

- `AuthServer` with its `ServerOptions`, also as the pytest fixture ``jwt_server``
- faults for ``server.fail()``: `Status`, `JSONBody`, `HTML`, `Redirect`, `Huge`, `Truncated`,
  `Delay`, `Hang`, `Drop`, `DropAfter`, `Trickle`, or any `Fault`
- `Gate`, from ``server.gate()``: holds requests until the test lets them go on
- what it saw: `Counters`, `RecordedRequest`
- `StoreContract`, the promises of a token store as a test class to inherit
"""

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

__docformat__ = "google"  # for pdoc

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
