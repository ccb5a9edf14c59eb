"""What the tests against real servers share: a client, many threads, and expired tokens."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import requests

from requests_jwt_refresh import MemoryStore, mount
from requests_jwt_refresh.tokens import jwt_claims
from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from requests_jwt_refresh import Endpoint, RefreshRejected, Token

LOGINS = 30  # so many tokens expire together
THREADS = 32


class Client(requests.Session):
    """A session with the adapter on it, its store, and what its callbacks were called with."""

    def __init__(self, url: str, endpoint: Endpoint, token: Token, **options: Any) -> None:
        super().__init__()
        self.trust_env = False
        self.store = MemoryStore(token)
        self.refreshed: list[Token] = []
        self.logouts: list[RefreshRejected] = []
        self.adapter = mount(
            self,
            url,
            endpoint,
            self.store,
            on_refresh=self.refreshed.append,
            on_logout=self.logouts.append,
            **options,
        )

    def __enter__(self) -> Self:
        return self


class ExpiredTokens:
    """Tokens that have really expired: many log in, and one wait is for all of them."""

    def __init__(self, login: Callable[[], Token], status_of: Callable[[Token], int]) -> None:
        self._login = login
        self._status_of = status_of
        self._tokens: list[Token] = []

    def take(self, *, is_known: bool = False) -> Token:
        """Return one that no other test has; the server itself has refused the youngest.

        With `is_known` the client knows that it has expired, before it sends anything.
        """
        if not self._tokens:
            self._tokens = [self._login() for _ in range(LOGINS)]
            wait_for_expiry(self._tokens[-1].access)
            assert self._status_of(self._tokens[-1]) != 200
        token = self._tokens.pop()
        return replace(token, expires_at=time.time() - 1) if is_known else token


def wait_for_expiry(jwt: str | None) -> None:
    """Return once a JWT's own ``exp`` has passed, by the clock that the server shares with us."""
    expires: float = jwt_claims(jwt or "")["exp"]
    while (left := expires - time.time()) > 0:
        time.sleep(min(left, WAIT))


def in_threads(work: Callable[[], Any], threads: int = THREADS) -> list[Any]:
    """Do the same in so many threads that start together; return what they returned."""
    start = threading.Barrier(threads)

    def one(_: int) -> Any:
        start.wait(WAIT)
        return work()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads), timeout=WAIT))
