"""For log_in() and log_out(): a preset of AuthServer's own, and a store that can be full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from requests_jwt_refresh import MemoryStore, StoreError
from requests_jwt_refresh.endpoints import JSONEndpoint
from requests_jwt_refresh.presets import Preset

if TYPE_CHECKING:
    from requests_jwt_refresh import Token


@dataclass(frozen=True, repr=False)
class AtAuthServer(JSONEndpoint):
    """The refresh endpoint of AuthServer, which has a login and a logout beside it."""

    url: str = "/auth/refresh"


PRESET: Final = Preset(AtAuthServer, login={"url": "/auth/login"}, logout={"url": "/auth/logout"})


class FullStore(MemoryStore):
    """Takes and clears nothing while it `is_full`."""

    is_full = False

    def save(self, token: Token) -> None:
        self._check()
        super().save(token)

    def clear(self) -> None:
        self._check()
        super().clear()

    def _check(self) -> None:
        if self.is_full:
            raise StoreError("the disk is full", "delete something")
