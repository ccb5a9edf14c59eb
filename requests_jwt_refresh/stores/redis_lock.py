"""A lock in Redis that its holder renews, and what its holder has seen under it."""

from __future__ import annotations

import logging
import os
import shlex
import threading
import uuid
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.errors import LockTimeout, StoreError
from requests_jwt_refresh.stores.polling import poll

if TYPE_CHECKING:
    from collections.abc import Callable

    from requests_jwt_refresh.tokens import Token

logger = logging.getLogger("requests_jwt_refresh")

ANY: Final = -1  # no generation has been seen: write over whatever is there
_PATIENCE: Final = 5.0  # seconds that the end of a block waits for a renewal that is under way

# Take the lock, or return how many milliseconds its holder has left. That may be we: a client that
# has lost an answer asks again by itself.
ACQUIRE: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return -3 end
if redis.pcall('GET', KEYS[1]) == ARGV[1] then return -3 end
return redis.call('PTTL', KEYS[1])
"""
_OURS: Final = -3
_NO_EXPIRY: Final = -1  # what PTTL says of a key that stays


class RedisLock:
    """A lock for a ``with`` block; it is renewed in a thread of its own.

    It is given back whatever comes between getting it and the block's end, such as a Ctrl-C. What
    comes at the very start of `__exit__` leaves it to `__del__`.
    """

    may_be_held = False  # from the first try to get it to the end

    def __init__(
        self,
        client: Any,
        name: str,
        lease: float,
        timeout: float,
        *,
        acquire: Any,
        ask: Callable[[str, Callable[[], Any]], Any],
        thread: threading.local,
    ) -> None:
        from redis.lock import Lock

        self._client, self._name, self._lease, self._timeout = client, name, lease, timeout
        self._acquire_script = acquire  # ACQUIRE, as the client has registered it
        self._ask = ask  # what talks to Redis, with errors as StoreErrors
        self._thread = thread  # .held: a weak reference to the lock that it has entered last
        self._process = os.getpid()
        self._token = uuid.uuid4().hex.encode()
        self._lock: Any = Lock(client, name, timeout=lease, thread_local=False)
        self._renewal: _Renewal | None = None
        self.is_held = False
        self.seen = ANY  # the generation that the holder has loaded or saved last
        self.loaded: Token | None = None  # the token of that generation

    def __enter__(self) -> None:
        self.may_be_held = True
        try:
            self._acquire()
            self.is_held = True
            self._thread.held = weakref.ref(self)
            self._renewal = _Renewal(self)
            self._renewal.start()
        except BaseException:
            if self.may_be_held:  # Redis may have given it, unheard
                self._lock.local.token = self._token
                self._give_back()
            raise

    def __exit__(self, *_error: object) -> None:
        self._give_back()

    def __del__(self) -> None:
        if self.may_be_held:
            self._give_back()

    def check(self) -> None:
        """Raise StoreError unless the lock is still held, or can be had again."""
        if not self._ask("locked", self.renew):
            raise StoreError(
                f"the lock {self._name!r} in Redis was lost, and another client holds it",
                "nothing was changed; try again, and check whether Redis or this machine is "
                "overloaded, or Redis evicts keys",
            )

    def renew(self) -> bool:
        """Renew the lease, or take the lock again if it is free; return whether it is held.

        It may have been lost with Redis's data, or while this process slept.
        """
        from redis.exceptions import LockError

        try:
            self._lock.reacquire()
        except LockError:
            milliseconds = int(self._lease * 1000)
            return bool(self._client.set(self._name, self._token, nx=True, px=milliseconds))
        return True

    def renew_in_background(self) -> None:
        """Renew the lease if it is still needed; what fails is noticed by the next save."""
        if not self.is_held:
            return
        try:
            self.renew()
        except Exception as error:  # noqa: BLE001 - the save notices if it mattered
            logger.debug("The lock in Redis was not renewed (%s)", type(error).__name__)

    @property
    def lease(self) -> float:
        """Seconds after which the lock is free unless it is renewed."""
        return self._lease

    def _acquire(self) -> None:
        left = 0

        def try_to_acquire() -> bool:
            nonlocal left
            left = self._try_to_acquire()
            return left == _OURS

        if poll(try_to_acquire, self._timeout):
            self._lock.local.token = self._token
            return
        self.may_be_held = False  # Redis has said so: there is nothing to give back
        cause = f"the lock {self._name!r} in Redis was not free within {self._timeout:g} s: "
        if left == _NO_EXPIRY:
            raise LockTimeout(
                f"{cause}it has no end, so no client of this library has made it",
                "nothing was changed; if it is nobody's, delete it with: redis-cli DEL "
                f"{shlex.quote(self._name)}",
            )
        raise LockTimeout(f"{cause}another client holds it", "nothing was changed; try again")

    def _try_to_acquire(self) -> int:
        """Return _OURS, or how many milliseconds its holder has left."""
        arguments = [self._token, int(self._lease * 1000)]
        answer = self._ask("locked", lambda: self._acquire_script([self._name], arguments))
        return int(answer)

    def _give_back(self) -> None:
        self.is_held = False
        try:
            if self._renewal is not None:
                self._renewal.stop()
        finally:
            if os.getpid() == self._process:  # a forked child does not free its parent's lock
                self._release()
        self.may_be_held = False

    def _release(self) -> None:
        """Free the lock. What fails is no error: the work under it is done, and it expires."""
        from redis.exceptions import LockError

        def release() -> None:
            with suppress(LockError):  # lost
                self._lock.release()

        try:
            self._ask("unlocked", release)
        except StoreError as error:
            logger.warning("%s", error)


class _Renewal:
    """Renews a lock until it is stopped, or the lock is forgotten."""

    def __init__(self, lock: RedisLock) -> None:
        self._running = threading.Lock()  # a bare lock: a Ctrl-C cannot tear its release
        self._running.acquire()
        self._thread = threading.Thread(
            target=_renew_until,
            args=(self._running, weakref.ref(lock), lock.lease / 3),
            name="jwt-refresh-lease",
            daemon=True,
        )

    def start(self) -> None:
        """Begin to renew the lock."""
        with suppress(RuntimeError):  # no threads any more: the lease is not renewed
            self._thread.start()

    def stop(self) -> None:
        """End it, and wait for a renewal that is under way."""
        with suppress(RuntimeError):  # stopped already
            self._running.release()
        if self._thread.ident is not None:
            self._thread.join(_PATIENCE)


def _renew_until(
    running: threading.Lock, find_lock: Callable[[], RedisLock | None], interval: float
) -> None:
    while not running.acquire(timeout=interval):
        lock = find_lock()
        if lock is None:
            return
        lock.renew_in_background()
        del lock
