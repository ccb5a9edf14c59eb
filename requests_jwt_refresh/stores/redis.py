"""A token in Redis, shared by a fleet of machines (extra ``redis``)."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from requests_jwt_refresh.errors import LockTimeout, StoreError
from requests_jwt_refresh.stores.base import check_token, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import redis
    from typing_extensions import Self

    from requests_jwt_refresh.tokens import Token

    Key = str | bytes

logger = logging.getLogger("requests_jwt_refresh")

_TIMEOUT = 5.0  # seconds for one answer of Redis, where we make the client ourselves
_POLL_INTERVAL = 0.05  # seconds between two tries to get the lock

# The token stands in a hash, with a generation that grows with every change and is never behind
# Redis's clock in microseconds, so that a login after a loss of data outranks what was before.
# A client that has seen a generation changes the hash only if no other has changed it since; Redis
# does the comparing.
_CHANGE: Final = """
local seen, text = tonumber(ARGV[1]), ARGV[2]
local now = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
if seen >= 0 and now > seen then return -1 end
local clock = redis.call('TIME')
local next = math.max(now, seen, clock[1] * 1000000 + clock[2]) + 1
redis.call('HSET', KEYS[1], 'generation', next)
if text == '' then redis.call('HDEL', KEYS[1], 'token')
else redis.call('HSET', KEYS[1], 'token', text) end
return next
"""

# After Redis has lost the whole hash (a cleared one keeps its generation), or a client that knew
# less has put an older token back, a client that knows a newer one puts that back.
_RESTORE: Final = """
local known, text = tonumber(ARGV[1]), ARGV[2]
local now = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
if now >= known then return 0 end
redis.call('HSET', KEYS[1], 'generation', known, 'token', text)
return 1
"""

_ANY: Final = -1  # no generation has been seen: write over whatever is there


class RedisStore:
    """Keeps the token under one key of a Redis, for processes on several machines.

    Needs the extra ``redis``, and ``encryption`` for an `encryption_key`.

    Args:
        client: a ``redis.Redis``, or a URL such as ``"redis://cache.example.com/0"``.
        key: the name of the Redis key; its lock is ``<key>:lock``.
        encryption_key: from ``cryptography.fernet.Fernet.generate_key()``, or several, the newest
            first. The token is encrypted before it is sent, since a Redis often has many users.
        lease: seconds after which the lock of a process that was killed is free again; one that
            lives renews it.

    Raises TypeError or ValueError for arguments that make no sense, ImportError with the line that
    installs what is missing.

    """

    def __init__(
        self,
        client: redis.Redis | str,
        key: str,
        *,
        encryption_key: Key | Sequence[Key] | None = None,
        lease: float = 10.0,
    ) -> None:
        if not isinstance(key, str) or not key:
            raise ValueError("RedisStore needs the name of a key")
        if not lease > 0:
            raise ValueError("lease is a positive number of seconds")
        self._source = client
        self._key = key
        self._encryption_key = encryption_key
        self._lease = lease
        self._assemble()

    def load(self) -> Token | None:
        """Return the token, or None if there is none.

        Raises StoreError if Redis cannot be asked or what it holds makes no sense.
        """
        generation, text = self._read()
        known, known_text = self._known
        if generation < known and known_text is not None:  # Redis was restarted or flushed
            self._run(self._restore, known, known_text)
            generation, text = self._read()
        token = None if text is None else self._decrypt(text)
        self._remember(generation, text)
        return token

    def save(self, token: Token) -> None:
        """Replace the token, all of it or nothing.

        Raises StoreError if Redis cannot be asked, or if this client has lost its lock and another
        has saved since; what that one has saved stays.
        """
        self._put(self._encrypt(encode(check_token(token))))

    def clear(self) -> None:
        """Forget the token; it is fine if there is none. Raises StoreError as `save` does."""
        self._put(None)

    @contextmanager
    def lock(self, timeout: float) -> Iterator[None]:
        """Keep out all other clients of this key.

        `timeout` is in seconds. Raises LockTimeout when it passes, StoreError if Redis cannot be
        asked.
        """
        from redis.lock import Lock

        lock = Lock(
            self._client,
            f"{self._key}:lock",
            timeout=self._lease,
            sleep=_POLL_INTERVAL,
            blocking_timeout=max(timeout, 0.0),
            thread_local=False,  # the thread that renews it needs its token, too
        )
        with self._explain_errors("locked"):
            held = lock.acquire()
        if not held:
            raise LockTimeout(
                f"the lock {lock.name!r} in Redis was not free within {timeout:g} s: another "
                "client holds it",
                "nothing was changed; try again",
            )
        self._thread.seen, self._thread.is_holder = _ANY, True
        process = os.getpid()
        try:
            with self._keep_lease(lock):
                yield
        finally:
            self._thread.seen, self._thread.is_holder = _ANY, False
            if os.getpid() == process:  # a forked child does not free its parent's lock
                self._release(lock)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RedisStore):
            return NotImplemented
        return (self._source, self._key) == (other._source, other._key)

    def __hash__(self) -> int:
        return hash((self._source, self._key))

    def __repr__(self) -> str:
        kind = "a URL" if isinstance(self._source, str) else type(self._source).__name__
        return f"<RedisStore {self._key!r} in {kind}>"

    def __getstate__(self) -> dict[str, Any]:
        if not isinstance(self._source, str):
            raise TypeError("a RedisStore can be pickled if it was made with a URL, not a client")
        made_of = ("_source", "_key", "_encryption_key", "_lease")
        return {name: getattr(self, name) for name in made_of}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._assemble()

    def _renew_pool(self) -> None:
        """Take new connections, in a forked child: redis-py's pool may be locked there for ever.

        A client that was given is its owner's business.
        """
        if isinstance(self._source, str):
            self._client.connection_pool = _make_client(self._source).connection_pool

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def _assemble(self) -> None:
        self._client = _make_client(self._source)
        _alive[id(self)] = self
        self._cipher = None if self._encryption_key is None else _make_cipher(self._encryption_key)
        self._change = self._client.register_script(_CHANGE)
        self._restore = self._client.register_script(_RESTORE)
        # The newest generation seen, and its text. No lock guards it: it is replaced as a whole. Of
        # two threads at once the older one may win, until the next load.
        self._known: tuple[int, str | None] = (0, None)
        # .is_holder: whether this thread holds the lock; .seen: the generation loaded under it
        self._thread = threading.local()

    def _read(self) -> tuple[int, str | None]:
        with self._explain_errors("read"):
            generation, text = self._client.hmget(self._key, ["generation", "token"])
        return int(generation or 0), _text(text)

    def _put(self, text: str | None) -> None:
        generation = self._run(self._change, getattr(self._thread, "seen", _ANY), text or "")
        if generation < 0:
            raise StoreError(
                f"the lock for {self._key!r} in Redis was lost, and another client has changed the "
                "token since",
                "the other client's token stays; check whether Redis or this machine is overloaded",
            )
        self._remember(generation, text)

    def _run(self, script: Any, generation: int, text: str) -> int:
        with self._explain_errors("written"):
            return int(script(keys=[self._key], args=[generation, text]))

    def _remember(self, generation: int, text: str | None) -> None:
        if getattr(self._thread, "is_holder", False):
            self._thread.seen = generation
        if generation >= self._known[0]:
            self._known = (generation, text)

    @contextmanager
    def _keep_lease(self, lock: Any) -> Iterator[None]:
        """Renew the lease for as long as the block takes."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._renew_until, args=(done, lock), name="jwt-refresh-lease", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no threads any more: the lease is not renewed
            yield
            return
        try:
            yield
        finally:
            done.set()
            thread.join(_TIMEOUT)

    def _renew_until(self, done: threading.Event, lock: Any) -> None:
        while not done.wait(self._lease / 3):
            try:
                self._renew(lock)
            except Exception as error:  # noqa: BLE001 - the save notices if it mattered
                logger.debug("The lock in Redis was not renewed (%s)", type(error).__name__)

    def _renew(self, lock: Any) -> None:
        from redis.exceptions import LockError

        try:
            lock.reacquire()
        except LockError:  # lost with Redis's data or while this process slept: take it if free
            lease = int(self._lease * 1000)
            self._client.set(lock.name, lock.local.token, nx=True, px=lease)

    def _release(self, lock: Any) -> None:
        try:
            lock.release()
        except Exception as error:  # noqa: BLE001 - the work under it is done, and it expires
            logger.debug("The lock in Redis was not released (%s)", type(error).__name__)

    def _encrypt(self, text: str) -> str:
        return text if self._cipher is None else str(self._cipher.encrypt(text.encode()), "ascii")

    def _decrypt(self, text: str) -> Token:
        where = f"the key {self._key!r} in Redis"
        if self._cipher is None:
            return decode(text, where)
        try:
            decrypted = self._cipher.decrypt(text.encode()).decode()
        except Exception:  # noqa: BLE001 - the error says no more than that it failed
            decrypted = None
        if decrypted is None:
            raise StoreError(
                f"{where} cannot be decrypted: it was written with another encryption_key, or with "
                "none",
                "it was left as it is; give the old key as well, or clear it and log in again",
            )
        return decode(decrypted, where)

    @contextmanager
    def _explain_errors(self, done: str) -> Iterator[None]:
        import redis

        try:
            yield
        except redis.RedisError as error:
            raise StoreError(
                f"{self._key!r} in Redis could not be {done} ({type(error).__name__})",
                "nothing was deleted; make sure that Redis runs, and that this client may write "
                "there and run scripts",
            ) from None  # Redis repeats what it was sent


def _make_client(source: redis.Redis | str) -> redis.Redis:
    try:
        import redis
    except ImportError:
        raise ImportError(
            "RedisStore needs redis: pip install 'requests-jwt-refresh[redis]'"
        ) from None
    if isinstance(source, str):
        try:
            return redis.Redis.from_url(
                source, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
            )
        except ValueError:
            pass  # and no cause: it may show part of a password
        raise ValueError(
            "that is not a Redis URL such as 'redis://:password@cache.example.com:6379/0', with "
            "special characters in the password percent-encoded"
        )
    if not hasattr(source, "register_script") or "asyncio" in type(source).__module__:
        raise TypeError("RedisStore needs a redis.Redis or a URL such as 'redis://localhost/0'")
    return source


def _make_cipher(keys: Key | Sequence[Key]) -> Any:
    try:
        from cryptography.fernet import Fernet, MultiFernet
    except ImportError:
        raise ImportError(
            "encryption_key needs cryptography: pip install 'requests-jwt-refresh[encryption]'"
        ) from None
    all_keys = [keys] if isinstance(keys, (str, bytes)) else list(keys)
    try:
        return MultiFernet([Fernet(each) for each in all_keys])
    except (ValueError, TypeError):
        pass  # and no cause: its text may show a key
    raise ValueError(
        "encryption_key is not a Fernet key: make one with cryptography's Fernet.generate_key()"
    )


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


_alive: weakref.WeakValueDictionary[int, RedisStore] = weakref.WeakValueDictionary()


def _renew_pools_in_child() -> None:
    for store in list(_alive.values()):
        store._renew_pool()  # noqa: SLF001 - a class of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_pools_in_child)
