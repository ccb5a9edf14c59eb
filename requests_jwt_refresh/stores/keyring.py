"""A token in the operating system's keyring, shared by all programs of one user."""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores.base import decode, encode
from requests_jwt_refresh.stores.locking import file_lock, user_lock_path
from requests_jwt_refresh.tokens import Token

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from keyring.backend import KeyringBackend
    from typing_extensions import Self

T = TypeVar("T")

_INSTEAD = "or use FileStore or MemoryStore instead"
_START_IT = f"Is the keyring's service running, and its D-Bus session? Start it, {_INSTEAD}"

# The Secret Service daemon loses track of an item for a moment when it is asked by several at once.
_PASSING_ERRORS = frozenset({"ItemNotFoundException"})
_TRIES = 3
_RETRY_PAUSE_S = 0.02

# macOS replaces an entry by deleting it first, and a plaintext file is empty while it is written:
# an entry that is not there is looked for again before that is believed.
_LOOKS_AFTER_S = (0.0, 0.01, 0.05)

# Windows takes 2560 bytes of UTF-16 (CRED_MAX_CREDENTIAL_BLOB_SIZE), 1280 characters; 80 to spare.
_WINDOWS_LIMIT = 1200

# Time for a save in progress to get home when a Ctrl-C arrives.
_INTERRUPTED_GRACE_S = 2.0


@dataclass(frozen=True)
class KeyringStore:
    """Keeps the token in one entry of the keyring: ``service (account)``, user ``account``.

    Save and clear under the store's lock: no keyring can compare and swap.

    `backend` is a keyring backend; None is the one that ``keyring.get_keyring()`` finds. Of a chain
    of backends the first that is fit for a token is used, alone. `allow_plaintext` accepts one that
    writes a readable file. `timeout` is in seconds and bounds each call, so that a prompt that
    nobody answers does not hang the program.

    Raises TypeError or ValueError for a service or account that is not printable text.
    """

    service: str
    account: str = "default"
    backend: KeyringBackend | None = field(default=None, kw_only=True, repr=False)
    allow_plaintext: bool = field(default=False, kw_only=True, compare=False)
    timeout: float = field(default=30.0, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        _check_name("service", self.service)
        _check_name("account", self.account)
        if not 0 < self.timeout <= threading.TIMEOUT_MAX:
            raise ValueError("timeout is not a number of seconds above 0, or too large")

    def load(self) -> Token | None:
        """Return the token, or None if there is none.

        Raises StoreError if the keyring cannot be read or what it holds makes no sense.
        """
        text = self._bounded(lambda places: places[0].read())
        return None if text is None else decode(text, f"the keyring entry '{self._name}'")

    def save(self, token: Token) -> None:
        """Replace the token, all of it or nothing. Raises StoreError."""
        if not isinstance(token, Token):
            raise TypeError(f"a store holds a Token, not {type(token).__name__}")
        self._bounded(lambda places: places[0].write(encode(token)))

    def clear(self) -> None:
        """Forget the token; nothing to forget is fine. Raises StoreError."""

        def remove(places: list[_Place]) -> None:
            for place in places:  # or the next backend of a chain would bring the token back
                place.remove()

        self._bounded(remove)

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Hold off all programs and threads of this OS user that share the entry.

        `timeout` is in seconds. Raises LockTimeout when it passes, StoreError if there can be no
        lock.
        """
        return file_lock(user_lock_path("keyring", self.service, self.account), timeout)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    @property
    def _name(self) -> str:
        # One service name per account: when two accounts share one, Windows keeps old values of
        # each under a name of its own.
        return f"{self.service} ({self.account})"

    def _bounded(self, work: Callable[[list[_Place]], T]) -> T:
        call: _Call[T] = _Call(lambda: work(self._places(call.go_on)))
        return call.result(self.timeout)

    def _places(self, go_on: Callable[[], None]) -> list[_Place]:
        chain = _chain(_current() if self.backend is None else self.backend)
        chosen = _fit_for_a_token(chain, allow_plaintext=self.allow_plaintext)
        others = [one for one in chain if one is not chosen and not _keeps_nothing(one)]
        return [_Place(one, self._name, self.account, go_on) for one in (chosen, *others)]


class _Place:
    """One entry in one backend: written whole, or in parts with a manifest written last.

    There are two sets of parts, a and b. A save fills the one that the current manifest does not
    name, so that whoever reads meanwhile finds the old token or the new one; what a killed save has
    left is overwritten by the next.
    """

    def __init__(
        self, backend: KeyringBackend, name: str, account: str, go_on: Callable[[], None]
    ) -> None:
        self._backend, self._name, self._account, self._go_on = backend, name, account, go_on
        self._limit = _limit(backend)

    def read(self) -> str | None:
        for pause in _LOOKS_AFTER_S:
            time.sleep(pause)
            text = self._get(self._name)
            whole = self._whole(text)
            if whole is not None:
                return whole
        if text is None:
            return None
        raise StoreError(
            f"the keyring entry '{self._name}' is incomplete: parts of the token are missing. "
            "It was left as it is; clear it and log in again"
        )

    def write(self, text: str) -> None:
        # Reading first has a second use: a locked keyring asks for its password now, and if the
        # answer comes too late, nothing is written any more.
        before = _Manifest.read(self._get(self._name))
        if self._limit is None or len(text) <= self._limit:
            used = None
            self._put(self._name, text)
        else:
            used = "b" if before is not None and before.parts == "a" else "a"
            self._write_parts(used, text, self._limit)
        if self._limit is not None or before is not None:
            with suppress(StoreError):  # the token is safe; the next save removes what is left
                self._remove_parts(*{"a", "b"} - {used})

    def remove(self) -> None:
        self._delete(self._name)  # first, so that no half token can be read
        self._remove_parts("a", "b")

    def _whole(self, text: str | None) -> str | None:
        manifest = _Manifest.read(text)
        if manifest is None:
            return text
        parts = [self._get(self._part(manifest.parts, n)) for n in range(manifest.count)]
        whole = "".join(part or "" for part in parts)
        return whole if _digest(whole) == manifest.digest else None

    def _write_parts(self, parts: str, text: str, limit: int) -> None:
        self._remove_parts(parts)
        pieces = [text[start : start + limit] for start in range(0, len(text), limit)]
        for n, piece in enumerate(pieces):
            self._put(self._part(parts, n), piece)
        self._put(self._name, str(_Manifest(len(pieces), parts, _digest(text))))

    def _remove_parts(self, *sets: str) -> None:
        for parts in sets:
            count = 0
            while self._get(self._part(parts, count)) is not None:
                count += 1
            # Last one first: if this is cut short, the next time still finds the others from 0 up.
            for n in reversed(range(count)):
                self._delete(self._part(parts, n))

    def _part(self, parts: str, n: int) -> str:
        return f"{self._name} part {parts}{n}"

    def _get(self, name: str) -> str | None:
        return self._ask("read", lambda: self._backend.get_password(name, self._account))

    def _put(self, name: str, text: str) -> None:
        self._ask("written", lambda: self._backend.set_password(name, self._account, text))
        if self._get(name) != text:
            raise StoreError(
                f"the keyring ({_kind(self._backend)}) took the entry '{name}' but does not give "
                f"back what was written. Use another keyring backend, {_INSTEAD}"
            )

    def _delete(self, name: str) -> None:
        from keyring.errors import PasswordDeleteError

        def delete() -> None:
            with suppress(PasswordDeleteError):  # gone already, or it is still there when we look
                self._backend.delete_password(name, self._account)

        for _ in range(_TRIES):
            if self._get(name) is None:
                return
            self._ask("deleted", delete)
        if self._get(name) is not None:
            raise StoreError(
                f"the keyring ({_kind(self._backend)}) still holds the entry '{name}' after it was "
                "deleted. Delete it by hand, in the system's password manager"
            )

    def _ask(self, done: str, question: Callable[[], T]) -> T:
        for tries_left in reversed(range(_TRIES)):
            self._go_on()
            try:
                return question()
            except Exception as error:  # noqa: BLE001 - many of keyring's are not KeyringErrors
                failure = self._explained(error, done)
                passing = type(error).__name__ in _PASSING_ERRORS
            if not (passing and tries_left):
                break
            time.sleep(_RETRY_PAUSE_S)
        raise failure  # out here, so that it does not carry the other: that text may hold a token

    def _explained(self, error: Exception, done: str) -> StoreError:
        return StoreError(
            f"the keyring entry '{self._name}' could not be {done} "
            f"({_kind(self._backend)}: {type(error).__name__}). {_advice(error)}"
        )


@dataclass(frozen=True)
class _Manifest:
    """Says how many parts of which set make the token. It stands where a short token would."""

    count: int
    parts: str
    digest: str

    def __str__(self) -> str:
        return f"in {self.count} parts {self.parts} sha256 {self.digest}"

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        found = re.fullmatch(r"in ([1-9]\d{0,3}) parts ([ab]) sha256 ([0-9a-f]{64})", text or "")
        return None if found is None else cls(int(found[1]), found[2], found[3])


class _Turn:
    """Whose turn it is to talk to the keyring: one call at a time in this process.

    Held for one load, save or clear; for as long as it takes, by a call that hangs.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.lock = threading.Lock()  # the thread that held it is not in the child


_turn = _Turn()


class _GivenUp(Exception):
    """Stops a call that nobody waits for any more."""


class _Call(Generic[T]):
    """One call to the keyring, made in a thread of its own so that it can be given up.

    keyring passes no timeout on, and a prompt may wait for ever. A call that hangs keeps its turn,
    and those behind it give up waiting for theirs: no more than one thread stays.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._given_up = False
        self._answer: T | None = None
        self._error: BaseException | None = None

    def result(self, timeout: float) -> T:
        """Make the call and return its answer, or raise what it raised.

        `timeout` is in seconds. Raises StoreError when it passes.
        """
        if not self._is_done_within(timeout):
            self._given_up = True
            raise StoreError(
                f"the keyring did not answer within {timeout:g} s: is a prompt waiting for its "
                f"password? Answer it and try again, {_INSTEAD}"
            )
        if self._error is not None:
            raise self._error
        return cast("T", self._answer)

    def go_on(self) -> None:
        """Raise _GivenUp if nobody waits for this call any more."""
        if self._given_up:
            raise _GivenUp

    def _is_done_within(self, timeout: float) -> bool:
        try:
            self._start(time.monotonic() + timeout)
            return self._done.wait(timeout)
        except BaseException:  # a Ctrl-C must not cost a rotated token that is being saved
            self._done.wait(min(timeout, _INTERRUPTED_GRACE_S))
            raise

    def _start(self, deadline: float) -> None:
        thread = threading.Thread(
            target=self._run, args=(deadline,), name="requests-jwt-refresh-keyring", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no threads any more: the interpreter is on its way out
            self._run(deadline)

    def _run(self, deadline: float) -> None:
        lock = _turn.lock
        if not lock.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
            return
        try:
            self._answer = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where the call was made
            self._error = error
        finally:
            lock.release()
            self._done.set()


def _current() -> KeyringBackend:
    try:
        import keyring

        return keyring.get_keyring()
    except (ImportError, AttributeError, ValueError, TypeError, configparser.Error) as error:
        reason = type(error).__name__
        advice = f"Check its name in PYTHON_KEYRING_BACKEND and in keyringrc.cfg, {_INSTEAD}"
    except Exception as error:  # noqa: BLE001 - whatever a backend meets when it cannot run here
        reason, advice = type(error).__name__, _START_IT
    raise StoreError(f"the keyring backend could not be loaded ({reason}). {advice}")


def _chain(backend: KeyringBackend) -> list[KeyringBackend]:
    """Return the backends that `backend` asks in turn, or itself if it is no chainer."""
    chained = getattr(backend, "backends", None)
    return [backend] if chained is None else list(chained)


def _fit_for_a_token(chain: list[KeyringBackend], *, allow_plaintext: bool) -> KeyringBackend:
    for backend in chain:
        if not _keeps_nothing(backend) and (allow_plaintext or not _is_plaintext(backend)):
            return backend
    raise StoreError(_refusal(chain))


def _refusal(chain: list[KeyringBackend]) -> str:
    plain = next(filter(_is_plaintext, chain), None)
    if plain is not None:
        return (
            f"the only keyring here ({_kind(plain)}) writes a file that can be read as it is. "
            "Install a real one (Linux: gnome-keyring or KWallet), accept this one with "
            f"allow_plaintext=True, {_INSTEAD}"
        )
    if any(map(_is_switched_off, chain)):
        return (
            "keyring is switched off (null backend) and would keep nothing. Take null out of "
            f"PYTHON_KEYRING_BACKEND or keyringrc.cfg, {_INSTEAD}"
        )
    return (
        "there is no keyring on this machine, or it does not run. Install and start one (Linux: "
        f"gnome-keyring or KWallet, with a D-Bus session), {_INSTEAD}"
    )


def _keeps_nothing(backend: KeyringBackend) -> bool:
    from keyring.backends import fail

    return isinstance(backend, fail.Keyring) or _is_switched_off(backend)


def _is_switched_off(backend: KeyringBackend) -> bool:
    from keyring.backends import null

    return isinstance(backend, null.Keyring)


def _is_plaintext(backend: KeyringBackend) -> bool:
    return any("plaintext" in cls.__name__.lower() for cls in type(backend).__mro__)


def _limit(backend: KeyringBackend) -> int | None:
    """Return how many characters an entry takes; None is no limit that we know of."""
    names = {cls.__name__ for cls in type(backend).__mro__}
    return _WINDOWS_LIMIT if "WinVaultKeyring" in names else None


def _kind(backend: KeyringBackend) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _advice(error: Exception) -> str:
    from keyring import errors

    is_locked = isinstance(error, errors.KeyringLocked) or type(error).__name__ in {
        "LockedException",
        "PromptDismissedException",
    }
    if is_locked:
        return f"The keyring is locked; what it holds is safe. Unlock it and try again, {_INSTEAD}"
    if isinstance(error, errors.NoKeyringError):
        return f"There is no keyring on this machine. Install one, {_INSTEAD}"
    if isinstance(error, errors.InitError):
        return f"Log in to the desktop, or start the keyring's service and set it up, {_INSTEAD}"
    if isinstance(error, errors.PasswordSetError):
        return f"The keyring refused it. Allow this program to write to the keyring, {_INSTEAD}"
    return _START_IT


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check_name(kind: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"the {kind} is not a string but {type(value).__name__}")
    if not value.strip() or not value.isprintable():
        raise ValueError(f"the {kind} is empty or has characters that cannot be printed")
