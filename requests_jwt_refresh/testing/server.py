"""A real token server on 127.0.0.1: rotation, reuse detection, faults on demand, exact counters.

    with AuthServer(lifetime=2.0) as server:
        token = server.login()                         # tokens, as after a login
        server.expire()                                # the API says 401 from now on
        server.fail(Status(503, retry_after=1))        # the next refresh fails
        with server.gate(on="refresh") as gate:        # the next ones wait here
            gate.wait_for(32)
        assert server.counters.rotated == 1

It speaks HTTP/1.1 with keep-alive and needs the standard library only. What it plays is RFC 6749
§4.3 (passwords), §6 (refreshing), §10.4 (rotation and reuse detection), RFC 6750 (bearer tokens),
RFC 7009 (revocation) and RFC 8628 (devices); access tokens are JWTs (RFC 7519) signed with HS256,
whose expiry the server judges by its own clock.

The parts: seen.py (values), faults.py, traffic.py (gates), ledger.py (tokens), devices.py (device
codes), routes.py and connection.py.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from requests_jwt_refresh.testing.connection import Listener, started
from requests_jwt_refresh.testing.faults import Fault, Status
from requests_jwt_refresh.testing.ledger import Ledger
from requests_jwt_refresh.testing.traffic import Gate, PlannedFault, Traffic, checked_place
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    import threading

    from typing_extensions import Self

    from requests_jwt_refresh.testing.seen import Counters, Place, SeenRequest


_POLL_SECONDS = 0.02  # how often the listener looks whether it is to stop


_INVALID_JWT = Status(
    401,
    body=b'{"message": "Invalid JWT"}',
    headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},  # RFC 6750 §3
)


@dataclass(kw_only=True, eq=False, repr=False)
class AuthServer:
    """A token server and the API it guards, on a free port of 127.0.0.1, until the block ends.

    POST /auth/login    JSON {"username", "password"} or Basic; "wrong" is the wrong password
    POST /auth/refresh  the refresh token as JSON, as a form or in ``Authorization: Bearer``
    POST /auth/logout   revokes the refresh token's family
    POST /auth/revoke   the same as RFC 7009 has it: a form with ``token``, always 200
    POST /auth/device   starts a device authorization (RFC 8628): a form with ``client_id``
    POST /auth/token    a form with ``grant_type``: password, or a device code being polled
    /public/...         echoes the request, no token needed
    /status/NNN         that status; needs a token, as all that follows
    /redirect?to=URL    redirects, with ``&status=302`` or another
    /api/..., the rest  echoes the request: method, path, query, the body's size and sha256, user

    Options are attributes, and may be changed between requests.

    With ``refresh_path="/auth/token"`` that path takes refresh tokens as well. To faults, gates and
    counters each request there is what its grant says: "login" for a password or a device code,
    "refresh" for all else.
    """

    lifetime: float = 300.0
    """Seconds an access token lives. 0 gives tokens that have expired already."""
    rotate: bool = True
    """Whether a refresh replaces the refresh token too."""
    detect_reuse: bool = True
    """Whether the second use of a rotated refresh token revokes its whole family."""
    grace: float = 0.0
    """Seconds in which a second use is answered with the family's newest tokens instead."""
    revoke_old_access: bool = False
    """Whether an access token dies the moment its family is given a newer one."""
    opaque: bool = False
    """Whether access tokens are random strings instead of JWTs."""
    clock_skew: float = 0.0
    """Seconds by which the clock that writes iat and exp is ahead of ours."""
    read_body_first: bool = True
    """If False, an upload without a good token is answered unread. Keep-alive is promised, and the
    connection closed at the worst moment: when the next request arrives on it."""
    expired: Status = _INVALID_JWT
    """What the API says to an access token that is not, or no longer, good."""
    refresh_path: str = "/auth/refresh"
    request_field: str = "refresh_token"
    """The field of the refresh request that holds the refresh token."""
    access_field: str = "access_token"
    refresh_field: str = "refresh_token"
    expires_field: str | None = "expires_in"
    """None: the answer does not say how long the token lives."""
    status: int = 200
    """Of an answer that gives tokens."""
    bare: bool = False
    """Whether a refresh is answered with the access token alone, as a JSON string."""
    device_lifetime: float = 600.0
    """Seconds a device code lives, from when it is given."""
    device_interval: float = 5.0
    """Seconds between two polls with a device code, as told when it is given."""
    signing_key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """The key of the JWTs' HS256."""

    def __post_init__(self) -> None:
        self._ledger = Ledger(self)
        self._traffic = Traffic()
        self._address = ("127.0.0.1", 0)
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        state = "stopped" if self._listener is None else self.url
        return f"<AuthServer {state}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; after a stop, on the same port and with the same tokens as before."""
        if self._listener is not None:
            return
        self._traffic.start()
        self._listener = Listener(self._address, self, self._ledger, self._traffic)
        self._address = ("127.0.0.1", self._listener.server_address[1])
        self._thread = started(self._listener.serve_forever, _POLL_SECONDS)

    def stop(self) -> None:
        """Close every socket and join every thread, whatever hangs or waits at a gate.

        Faults and gates are gone after it; tokens and counters stay.
        """
        if self._listener is None or self._thread is None:
            return
        self._traffic.stop()
        self._listener.stop()
        self._thread.join()
        self._listener = self._thread = None

    close = stop

    @property
    def url(self) -> str:
        """Return where the server listens, without a slash at the end."""
        host, port = self._address
        if port == 0:
            raise RuntimeError("the server was never started: use `with AuthServer() as server:`")
        return f"http://{host}:{port}"

    def login(self, user: str = "alice") -> Token:
        """Return the tokens of a new family, without HTTP, and as strings alone: no expires_at."""
        grant = self._ledger.login(user)
        return Token(grant.access, grant.refresh)

    def expire(self) -> None:
        """Let every access token given so far expire now."""
        self._ledger.expire()

    def revoke(self) -> None:
        """Refuse every refresh token given so far. Access tokens live until they expire."""
        self._ledger.revoke_refresh_tokens()

    def approve(self, user_code: str, user: str = "alice") -> None:
        """Let the device in, as `user` does at the verification page. The last word holds.

        Raises ValueError for a user code never given.
        """
        self._ledger.devices.approve(user_code, user)

    def deny(self, user_code: str) -> None:
        """Turn the device away, as the person at the verification page may.

        Raises ValueError for a user code never given.
        """
        self._ledger.devices.deny(user_code)

    def family_alive(self, token: Token) -> bool:
        """Whether the refresh token's family has not been revoked.

        It may be any refresh token of the family. Raises ValueError for one never given.
        """
        return self._ledger.is_family_alive(token.refresh)

    @property
    def counters(self) -> Counters:
        """Return what was counted until now."""
        return self._ledger.counters()

    @property
    def requests(self) -> list[SeenRequest]:
        """Return what was received until now, oldest first."""
        return self._ledger.seen()

    def fail(self, fault: Fault, on: Place = "refresh", times: int | None = 1) -> None:
        """Give the next `times` requests `fault`; None: all of them, until heal().

        Faults planned for the same requests are played one after the other.
        """
        if times is not None and times < 1:
            raise ValueError(f"times={times}: give a positive number, or None for no end")
        self._traffic.plan(PlannedFault(fault, checked_place(on), times))

    def heal(self) -> None:
        """Forget all faults, and end those that are being played."""
        self._traffic.heal()

    def gate(self, on: Place = "refresh") -> Gate:
        """Return a gate at which requests wait from now until the ``with`` block ends."""
        return self._traffic.add_gate(checked_place(on))
