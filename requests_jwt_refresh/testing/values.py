"""What the server receives, sends and counts: values, and nothing else of this package."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "refresh",
    "login",
    "logout",
    "device",
    "public",
    "api",
    "discovery",
    "authorize",
    "register",
    "end_session",
]
"""What a request is for, as AuthServer sees it.

```python
server.expire()
client.get("/api/users")
assert [each.kind for each in server.requests] == ["api", "refresh", "api"]
```

"api" is everything that needs an access token. The last four are there with
``AuthServer(openid=True)`` alone.
"""

Target = Kind | Callable[[str], bool]
"""Which requests a fault or a gate is for: a `Kind`, or a predicate on the path (without query).

```python
server.fail(Status(500), on=lambda path: path.startswith("/api/reports"))
assert client.get("/api/reports/7").status_code == 500
assert client.get("/api/users").status_code == 200
```

A predicate is called under a lock: let it look at the path and do nothing else. What it raises is
as what a `Fault` raises.
"""


@dataclass(frozen=True)
class ServerResponse:
    """A whole response, for a `Fault` of your own to send.

    ```python
    class Busy:
        def play(self, exchange):
            exchange.send(ServerResponse(503, b"busy", {"Retry-After": "1"}))


    server.fail(Busy(), on="api")
    assert client.get("/api/users").text == "busy"
    ```
    """

    status: int
    """The HTTP status code."""
    body: bytes = field(default=b"", repr=False)
    """The body; there is none with 204 and 304."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields; Content-Length and Date are filled in unless they are among them."""
    set_cookies: tuple[str, ...] = field(default=(), repr=False)
    """The values of its Set-Cookie lines, which cannot be joined into one (RFC 6265 §3)."""


Answer = ServerResponse
"""The name that `ServerResponse` had in 0.1."""


def json_response(
    status: int, content: object, headers: Mapping[str, str] | None = None
) -> ServerResponse:
    """Return a response whose body is `content` as JSON (RFC 8259)."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    return ServerResponse(status, json.dumps(content).encode(), fields)


def shorten(number: float) -> float:
    """Return a whole number as an int, the way most servers write seconds.

    >>> shorten(300.0), shorten(0.5)
    (300, 0.5)
    """
    return int(number) if number % 1 == 0 else number


class Headers(Mapping[str, str]):
    """Header fields by their name in any case. The repr shows the names only.

    ```python
    client.get("/api/users")
    headers = server.requests[-1].headers
    assert headers["user-agent"] == headers["User-Agent"]
    assert "Cookie" not in headers
    ```

    Fields with the same name are joined by a comma (RFC 9110 §5.2).
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._fields: dict[str, str] = {}
        for name, value in fields:
            earlier = self._fields.get(name.lower())
            self._fields[name.lower()] = value if earlier is None else f"{earlier}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<Headers {', '.join(self._fields)}>"


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it arrived; ``server.requests`` has them all, oldest first.

    ```python
    client.get("/api/users", params={"page": 2})
    seen = server.requests[-1]
    assert (seen.method, seen.path, seen.kind) == ("GET", "/api/users?page=2", "api")
    assert seen.bearer == adapter.token.access
    ```
    """

    method: str
    """The HTTP method."""
    path: str
    """With its query."""
    kind: Kind
    """What it is for."""
    connection: int
    """The connection it came on; the server numbers them from 1."""
    headers: Headers
    """Its header fields."""
    size: int | None = None
    """Bytes of the body; None if it was left unread (see AuthServer.read_body_first)."""
    sha256: str | None = None
    """Of the whole body, in hexadecimal; None if it was left unread."""
    body: bytes = field(default=b"", repr=False)
    """The body's first 64 KiB."""
    access: str | None = field(default=None, repr=False)
    """The access token, wherever this server looks for it (see `attach` and `like`), or None."""
    at: float = field(default=0.0, compare=False)
    """When its head had arrived, in seconds as ``time.monotonic()`` has them."""

    @property
    def bearer(self) -> str | None:
        """The token in ``Authorization: Bearer`` (RFC 6750 §2.1), or None.

        The scheme is case-sensitive here.
        """
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Bearer" else None


SeenRequest = RecordedRequest
"""The name that `RecordedRequest` had in 0.1."""


@dataclass(frozen=True)
class Counters:
    """How often each thing has happened, at one moment: ``server.counters``.

    ```python
    server.expire()
    client.get("/api/users")
    now = server.counters
    assert (now.unauthorized, now.refreshes, now.rotated, now.answered) == (1, 1, 1, 1)
    ```
    """

    connections: int = 0
    """Connections that clients made."""
    requests: int = 0
    """All of them, of any kind."""
    refreshes: int = 0
    """POSTs to the refresh endpoint, answered well or badly; without other grants."""
    rotated: int = 0
    """Refreshes that gave new tokens."""
    repeated: int = 0
    """Refreshes within the grace time, which gave the family's newest tokens once more."""
    refused: int = 0
    """Refreshes that were refused."""
    reuse: int = 0
    """Uses of an already rotated refresh token outside the grace time; refused as well."""
    logins: int = 0
    """POSTs to the login or token endpoint that gave tokens, other than by a refresh token;
    AuthServer.login() is not among them."""
    logouts: int = 0
    """POSTs to the logout endpoint, and those to the revocation endpoint that name a token."""
    discoveries: int = 0
    """Documents of a server about itself or its API that were given (``openid=True``, as the next
    five)."""
    registrations: int = 0
    """Clients that have registered."""
    authorizations: int = 0
    """Codes that were given at the authorization endpoint; their logins are among `logins`."""
    authorizations_refused: int = 0
    """Errors that were sent to a client from there, a person's no among them."""
    codes_reused: int = 0
    """Second uses of a code; each revokes the family of the first."""
    sessions_ended: int = 0
    """Browsers' sessions that were ended at the logout page."""
    renewed: int = 0
    """API answers that handed out a newer access token in a header (``like="sliding"``)."""
    answered: int = 0
    """API requests that got their 200."""
    unauthorized: int = 0
    """API requests without a good access token."""
    families_revoked: int = 0
    """Families that were revoked: by a logout, a revocation, a reuse or AuthServer.revoke()."""
    faults: int = 0
    """Requests, of any kind, that got a fault."""
