"""An AuthServer in a process of its own, so that it does not take our interpreter's lock.

with ServerProcess(opaque=True) as server:
    token = server.login()
    server.expire()
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.managers import BaseManager
from typing import TYPE_CHECKING, Any, cast

from requests_jwt_refresh.testing import AuthServer, Counters
from requests_jwt_refresh.testing.faults import Delay

if TYPE_CHECKING:
    from typing_extensions import Self

    from requests_jwt_refresh import Token


class RemoteServer:
    """The server, as it is called from another process: by functions of plain values."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._server = AuthServer(**options)
        self._server.start()

    def url(self) -> str:
        return self._server.url

    def login(self) -> Token:
        return self._server.login()

    def expire(self) -> None:
        self._server.expire()

    def is_alive(self, token: Token) -> bool:
        return self._server.family_alive(token)

    def delay_refreshes(self, seconds: float) -> None:
        self._server.clear_faults()
        if seconds > 0:
            self._server.fail(Delay(seconds), times=None)

    def counters(self) -> Counters:
        return self._server.counters

    def bodies(self) -> list[int | None]:
        """Return the size of each API request's body, None of one that was not read."""
        return [each.size for each in self._server.requests if each.kind == "api"]

    def stop(self) -> None:
        self._server.stop()


class _Manager(BaseManager):
    """Starts the process, and carries the calls to it."""


_Manager.register("RemoteServer", RemoteServer)


class ServerProcess:
    """The process, until the block ends. Options as AuthServer's."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        # A child that is forked would have our threads' locks, in whatever state they were.
        self._manager = _Manager(ctx=multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        self._manager.start()
        try:
            make = cast("Any", self._manager).RemoteServer
            self._server: RemoteServer = make(self._options)
            self.url = self._server.url()
        except BaseException:
            self._manager.shutdown()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        try:
            self._server.stop()
        finally:
            self._manager.shutdown()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)
