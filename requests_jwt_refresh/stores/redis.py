"""A token in Redis, shared by a fleet of machines (extra ``redis``)."""

from __future__ import annotations

import os
import re
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores import redis_errors
from requests_jwt_refresh.stores.base import check_token, decode, encode
from requests_jwt_refresh.stores.redis_lock import ACQUIRE, ANY, RedisLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import redis
    from typing_extensions import Self

    from requests_jwt_refresh.tokens import Token

    Key = str | bytes

T = TypeVar("T")

_TIMEOUT = 5.0  # seconds for one answer of Redis, where we make the client ourselves
_MIN_LEASE, _MAX_LEASE = 0.1, 86400.0  # seconds

# The token stands in a hash, with a generation that grows with every change and is never behind
# Redis's clock in microseconds, so that a login after a loss of data outranks what was before.
# A client that has seen a generation changes the hash only if no other has changed it since; Redis
# does the comparing. What is no generation, or too large to count on (2^53), counts as none. A hash
# with a token and no generation at all is another program's.
_GENERATION: Final = """
local function generation()
  local text = redis.call('HGET', KEYS[1], 'generation')
  if not text then return redis.call('HEXISTS', KEYS[1], 'token') == 1 and -1 or 0 end
  return string.match(text, '^%d+$') and #text < 17 and tonumber(text) or 0
end
"""
_CHANGE: Final = (
    _GENERATION
    + """
local seen, text, now = tonumber(ARGV[1]), ARGV[2], generation()
if now < 0 then return -2 end
if seen >= 0 and now > seen then return -1 end
local clock = redis.call('TIME')
local next = math.max(now, seen, clock[1] * 1000000 + clock[2]) + 1
redis.call('HSET', KEYS[1], 'generation', string.format('%.0f', next))
if text == '' then redis.call('HDEL', KEYS[1], 'token')
else redis.call('HSET', KEYS[1], 'token', text) end
return next
"""
)
_LOST: Final = -1  # another client has changed the hash since
_FOREIGN: Final = -2  # the hash is another program's

# After Redis has lost the whole hash (a cleared one keeps its generation), or a client that knew
# less has put an older token back, a client that knows a newer one puts that back.
_RESTORE: Final = (
    _GENERATION
    + """
local known, text, now = tonumber(ARGV[1]), ARGV[2], generation()
if now < 0 or now >= known then return 0 end
redis.call('HSET', KEYS[1], 'generation', string.format('%.0f', known), 'token', text)
return 1
"""
)
_COUNTABLE: Final = re.compile(r"\d{1,16}", re.ASCII)


class RedisStore:
    """Keeps the token under one key of a Redis, for processes on several machines.

    ```python
    RedisStore("redis://cache.example.com/0", "myapp:token")
    ```

    Needs the extra ``redis``, and ``encryption`` for an `encryption_key`.

    Args:
        client: a URL such as ``"redis://cache.example.com/0"``, a ``redis.Redis``, or a
            ``redis.RedisCluster``.
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
        client: redis.Redis | redis.RedisCluster | str,
        key: str,
        *,
        encryption_key: Key | Sequence[Key] | None = None,
        lease: float = 10.0,
    ) -> None:
        if not isinstance(key, str) or not key:
            raise ValueError("RedisStore needs the name of a key")
        if not _MIN_LEASE <= lease <= _MAX_LEASE:
            raise ValueError(f"lease is a number of seconds, from {_MIN_LEASE} to {_MAX_LEASE:g}")
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
        self._remember(generation, text, token)
        return token

    def save(self, token: Token) -> None:
        """Replace the token, all of it or nothing.

        Raises StoreError if Redis cannot be asked, or if this client has lost its lock and another
        has saved a token since that is not older; what that one has saved stays.
        """
        held, new = self._held, check_token(token)
        if held is not None and held.loaded == new:
            # Saved again to show that there is room, before it is traded in: not without the lock.
            held.check()
        self._put(self._encrypt(encode(new)), new)

    def clear(self) -> None:
        """Forget the token; it is fine if there is none.

        Raises StoreError if Redis cannot be asked, or if this client has lost its lock and another
        has changed the token since.
        """
        self._put(None, None)

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Keep out all other clients of this key.

        `timeout` is in seconds. Raises LockTimeout when it passes, StoreError if Redis cannot be
        asked.
        """
        return RedisLock(
            self._client,
            self._lock_name,
            self._lease,
            timeout,
            acquire=self._acquire,
            ask=self._ask,
            thread=self._thread,
        )

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
        self._acquire = self._client.register_script(ACQUIRE)
        # The newest generation seen, and its text. No lock guards it: it is replaced as a whole. Of
        # two threads at once the older one may win, until the next load.
        self._known: tuple[int, str | None] = (0, None)
        # .held: a weak reference to the RedisLock that this thread has entered last
        self._thread = threading.local()

    @property
    def _held(self) -> RedisLock | None:
        held: RedisLock | None = getattr(self._thread, "held", _find_none)()
        return held if held is not None and held.is_held else None

    def _read(self) -> tuple[int, str | None]:
        fields = self._ask("read", lambda: self._client.hmget(self._key, ["generation", "token"]))
        generation, text = map(_text, fields)
        return int(generation or 0) if _COUNTABLE.fullmatch(generation or "") else 0, text

    def _put(self, text: str | None, token: Token | None) -> None:
        held = self._held
        seen = ANY if held is None else held.seen
        generation = self._run(self._change, seen, text or "")
        while generation == _LOST:
            seen, stored = self._read()
            if token is None or not _is_newer(token, self._try_to_decrypt(stored)):
                raise StoreError(
                    f"the lock for {self._key!r} in Redis was lost, and another client has changed "
                    "the token since",
                    "the other client's token stays; check whether Redis or this machine is "
                    "overloaded",
                )
            generation = self._run(self._change, seen, text or "")
        if generation == _FOREIGN:
            raise StoreError(
                f"{self._key!r} in Redis could not be written: another program keeps something "
                "else under this key",
                "it was left as it is; use another key",
            )
        self._remember(generation, text, token)

    def _run(self, script: Any, generation: int, text: str) -> int:
        return self._ask("written", lambda: int(script(keys=[self._key], args=[generation, text])))

    def _remember(self, generation: int, text: str | None, token: Token | None) -> None:
        held = self._held
        if held is not None:
            held.seen, held.loaded = generation, token
        if generation >= self._known[0]:
            self._known = (generation, text)

    def _try_to_decrypt(self, text: str | None) -> Token | None:
        with suppress(StoreError):
            return None if text is None else self._decrypt(text)
        return None

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

    def _ask(self, done: str, question: Callable[[], T]) -> T:
        try:
            return question()
        except Exception as error:  # noqa: BLE001 - a client of the user's own raises anything
            reason, remedy = redis_errors.explain(error, self._key, self._lock_name)
        # Out here, and so without the other as its context: Redis repeats what it was sent.
        raise StoreError(f"{self._key!r} in Redis could not be {done}: {reason}", remedy)

    @property
    def _lock_name(self) -> str:
        return f"{self._key}:lock"


def _find_none() -> None:
    """Stand for a weak reference where there is none."""


def _is_newer(ours: Token, theirs: Token | None) -> bool:
    """Whether `ours` was refreshed from the same login, and later."""
    if ours.login_id is None or theirs is None or ours.login_id != theirs.login_id:
        return False
    return ours.counter > theirs.counter


def _make_client(source: redis.Redis | redis.RedisCluster | str) -> Any:
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
    if not hasattr(source, "register_script") or _is_another_kind(source):
        raise TypeError("RedisStore needs a redis.Redis or a URL such as 'redis://localhost/0'")
    return source


def _is_another_kind(client: object) -> bool:
    """Whether `client` answers later: an asyncio client or a pipeline; or is a class."""
    return isinstance(client, type) or any(
        cls.__module__.startswith("redis.asyncio")
        or cls.__name__ in ("Pipeline", "ClusterPipeline")
        for cls in type(client).__mro__
    )


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
