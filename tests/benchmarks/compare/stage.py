"""Where a client is tried: a server of its own, a login, and a token endpoint that can be shut.

The server rotates refresh tokens, and revokes the login when one is used twice.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import requests

from requests_jwt_refresh.testing import AuthServer
from requests_jwt_refresh.testing.connection import Listener, base_url, start_thread
from tests.benchmarks.clients import OURS, Setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from requests.adapters import HTTPAdapter

    from requests_jwt_refresh.testing import Gate
    from requests_jwt_refresh.testing.faults import Fault
    from tests.benchmarks.clients import Client
    from tests.benchmarks.compare.results import Cell

OVERLAP: Final = 1.0  # seconds
LIFETIME: Final = 3600.0  # seconds: longer than any leeway
TOKEN_PATH: Final = "/auth/token"


@dataclass(frozen=True)
class Task:
    """What clients are compared at."""

    name: str
    short: str
    """The question in a few words."""
    question: str
    good: str
    """What a good answer is."""
    try_client: Callable[[Client], Cell]
    is_slow: bool = False
    """Whether most of its time is waiting, so that all clients had better be tried at once."""


class TokenDoor:
    """A second address of the server, for its token endpoint alone, that can be closed."""

    def __init__(self, server: AuthServer) -> None:
        self._server = server
        self._address = ("127.0.0.1", 0)
        self._listener: Listener | None = None

    @property
    def token_url(self) -> str:
        return f"{base_url(self._address)}{TOKEN_PATH}"

    def open(self) -> None:
        """Listen; after close(), on the same port."""
        server: Any = self._server
        self._listener = Listener(self._address, server, server._ledger, server._fault_plan)  # noqa: SLF001 - the same tokens at another address
        self._address = self._listener.address
        start_thread(self._listener.serve_forever, 0.02)

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None


@dataclass(frozen=True)
class Stage:
    """One client, logged in at a server of its own."""

    client: Client
    server: AuthServer
    door: TokenDoor
    setup: Setup

    def start_session(self) -> requests.Session:
        """Return the client's session, with a token that the API does not take any more."""
        session = self.client.make(self.setup)
        session.trust_env = False
        self.server.expire()
        return session

    @property
    def url(self) -> str:
        return f"{self.server.url}/api/x"

    @contextmanager
    def overlap_refreshes(self, count: int) -> Iterator[None]:
        """Answer refreshes once so many are under way, or after OVERLAP seconds.

        So what begins at the same moment overlaps, however busy this machine is.
        """
        with self.server.gate(on=is_token_path) as gate:
            start_thread(_open_gate, gate, count)
            yield

    def fail_refreshes(self, fault: Fault) -> None:
        """Answer whatever is asked of the token endpoint so, from now on."""
        self.server.clear_faults()
        self.server.fail(fault, on=is_token_path, times=None)

    def end_outage(self) -> None:
        self.server.clear_faults()


@contextmanager
def set_stage(
    client: Client,
    *,
    expiry_known: bool,
    file: Path | None = None,
    threads: int = 10,
    own_door: bool = False,
    transport: Callable[[], HTTPAdapter] | None = None,
    options: tuple[tuple[str, Any], ...] = (),
) -> Iterator[Stage]:
    """Yield a stage until the block ends.

    Args:
        client: who is tried.
        expiry_known: whether the token has expired by what the client was told, too; else the
            API's 401 is the first that it hears of it.
        file: what processes share the login by.
        threads: that call at once.
        own_door: whether the token endpoint has an address of its own.
        transport: what sends the API requests, if the network is stubbed out.
        options: more of ours.

    """
    usual = {"lifetime": LIFETIME, "refresh_path": TOKEN_PATH}
    with AuthServer(**{**usual, **client.server_options}) as server:
        door = TokenDoor(server)
        if own_door:
            door.open()
        try:
            expires_at = time.time() + (-1.0 if expiry_known else LIFETIME)
            setup = Setup(
                server.url,
                replace(server.login(), expires_at=expires_at),
                pool=threads,
                transport=transport,
                options=options if client.name == OURS else (),
                token_url=door.token_url if own_door else f"{server.url}{TOKEN_PATH}",
                file=file,
            )
            yield Stage(client, server, door, setup)
        finally:
            door.close()


def is_token_path(path: str) -> bool:
    return path == TOKEN_PATH


def _open_gate(gate: Gate, count: int) -> None:
    with suppress(TimeoutError):  # the others wait for the first, as they should
        gate.wait_for(count, OVERLAP)
    gate.open()


def is_answered(session: requests.Session, url: str) -> bool:
    """Whether the request gets its 200, whatever it may raise."""
    try:
        return session.get(url, timeout=30).status_code == requests.codes.ok
    except Exception:  # noqa: BLE001 - a library's own kinds of failure; that it is one counts
        return False
