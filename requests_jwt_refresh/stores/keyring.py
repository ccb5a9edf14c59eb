"""A token in the operating system's keyring, shared by all programs of one user."""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from requests_jwt_refresh import clock
from requests_jwt_refresh.errors import StoreError
from requests_jwt_refresh.stores.base import check_token, decode, encode
from requests_jwt_refresh.stores.locking import file_lock, prepare_locks, user_lock_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from keyring.backend import KeyringBackend
    from typing_extensions import Self

    from requests_jwt_refresh.tokens import Token

T = TypeVar("T")

# The remedies that several errors share.
_KEEP_IN_FILE = 'keep the token in a file: FileStore("~/.local/state/myapp/token.json")'
_CHECK_NAME = "check the backend's name in PYTHON_KEYRING_BACKEND and in keyringrc.cfg"
_UNLOCK = {"darwin": "unlock it with: security unlock-keychain"}
_START_SERVICE = {
    "darwin": "unlock the keychain with: security unlock-keychain",
    "win32": "run this program in a session of a user who has logged in",
}

# gnome-keyring's daemon loses track of an item, or of the default collection, for a moment when it
# is asked by several at once. Who has no default collection yet waits for all tries, 0.8 s.
_PASSING_ERRORS = frozenset({"ItemNotFoundException"})
_DEFAULT_COLLECTION = "/org/freedesktop/secrets/aliases/default"  # Secret Service API 0.2, aliases
_TRIES = 3  # to delete an entry
_RETRY_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)  # seconds between tries to ask
_FORK_WAIT = 1.0  # seconds that a fork waits for a call; then it goes on, for a prompt may be open

# macOS replaces an entry by deleting it first, and a plaintext file is empty while it is written:
# an entry that seems to be missing is read again.
_READ_DELAYS = (0.0, 0.01, 0.05)  # seconds

# Windows takes 2560 bytes of UTF-16 (CRED_MAX_CREDENTIAL_BLOB_SIZE), 1280 characters; 80 to spare.
_WINDOWS_LIMIT = 1200

# How long a Ctrl-C waits for a save in progress.
_INTERRUPT_GRACE = 2.0  # seconds


@dataclass(frozen=True)
class KeyringStore:
    """Keeps the token in the operating system's keyring, for all programs of one user.

    ```python
    store = KeyringStore("api.example.com", "alice")
    mount(session, "https://api.example.com", JSONEndpoint("/auth/refresh"), store)
    ```

    It is one entry, ``service (account)``, of the user ``account``; in several parts where the
    keyring takes no long ones (Windows: 1280 characters).

    Args:
        service: what the token is for, such as ``"api.example.com"``.
        account: whose token it is.
        backend: a keyring backend; None is the one that ``keyring.get_keyring()`` finds. Of a chain
            of backends only the first that is fit for a token is used.
        allow_plaintext: accept a backend that writes a file which can be read as it is.
        timeout: seconds for each load, save and clear, so that an unanswered prompt does not hang
            the program.

    Raises TypeError or ValueError for a service or account that is not printable text, ValueError
    for a timeout that is not positive. Save and clear under the store's `lock`: no keyring can
    compare and swap.

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
            raise ValueError("timeout must be a positive number of seconds")

    def load(self) -> Token | None:
        """Return the token, or None if there is none.

        Raises StoreError if the keyring cannot be read or what it holds makes no sense.
        """
        text = self._call(lambda entries: entries[0].read())
        return None if text is None else decode(text, f"the keyring entry '{self._name}'")

    def save(self, token: Token) -> None:
        """Replace the token, all of it or nothing. Raises StoreError."""
        check_token(token)
        self._call(lambda entries: entries[0].write(encode(token)))

    def clear(self) -> None:
        """Forget the token; it is fine if there is none. Raises StoreError."""

        def remove(entries: list[_Entry]) -> None:
            for entry in entries:  # or the next backend of a chain would bring the token back
                entry.remove()

        self._call(remove)

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        """Keep out all other programs and threads of this OS user that share the entry.

        `timeout` is in seconds. Raises LockTimeout when it passes, StoreError if there can be no
        lock.
        """
        return file_lock(user_lock_path("keyring", self.service, self.account), timeout)

    def prepare(self) -> None:
        """Import what the first use needs; no keyring is asked for anything yet."""
        prepare_locks()
        if self.backend is None:
            # keyring keeps the traceback of a backend that is for another system, and with it all
            # frames below the import: in this thread those of the caller, and what they hold.
            _run_in_thread(_import_backends)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def is_missing(self) -> bool:
        """Whether there is no keyring here that would keep anything; asks for no entry.

        Raises StoreError if keyring cannot be loaded.
        """
        call: _Call[bool] = _Call(lambda: _find_usable(self._chain(), self.allow_plaintext) is None)
        return call.result(self.timeout)

    @property
    def _name(self) -> str:
        # One service name per account: when two accounts share one, Windows keeps old values of
        # each under a name of its own.
        return f"{self.service} ({self.account})"

    def _call(self, work: Callable[[list[_Entry]], T]) -> T:
        """Let `work` talk to the keyring for `timeout` seconds at most."""
        call: _Call[T] = _Call(lambda: work(self._entries(call.stop_if_abandoned)))
        return call.result(self.timeout)

    def _chain(self) -> list[KeyringBackend]:
        return _list_chain(_find_backend() if self.backend is None else self.backend)

    def _entries(self, stop_if_abandoned: Callable[[], None]) -> list[_Entry]:
        """Return the entry in the backend to use, then those in the others of its chain."""
        chain = self._chain()
        chosen = _find_usable(chain, self.allow_plaintext)
        if chosen is None:
            raise _no_backend_error(chain)
        others = [each for each in chain if each is not chosen and not _keeps_nothing(each)]
        return [
            _Entry(each, self._name, self.account, stop_if_abandoned) for each in (chosen, *others)
        ]


class _Entry:
    """One entry in one backend: written whole, or in parts with a manifest written last.

    There are two sets of parts, a and b. A save writes the one that the current manifest does not
    name, so that a reader meanwhile finds the old token or the new one; what a killed save has left
    behind is overwritten by the next.
    """

    def __init__(
        self,
        backend: KeyringBackend,
        name: str,
        account: str,
        stop_if_abandoned: Callable[[], None],
    ) -> None:
        self._backend, self._name, self._account = backend, name, account
        self._stop_if_abandoned = stop_if_abandoned
        self._limit = _max_length(backend)

    def read(self) -> str | None:
        for delay in _READ_DELAYS:
            clock.sleep(delay)
            text = self._get(self._name)
            whole = self._join(text)
            if whole is not None:
                return whole
        if text is None:
            return None
        raise StoreError(
            f"the keyring entry '{self._name}' is incomplete: parts of the token are missing",
            "it was left as it is; clear it and log in again",
        )

    def write(self, text: str) -> None:
        # Reading first also makes a locked keyring ask for its password now: if that is given too
        # late, nothing is written any more.
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

    def _join(self, text: str | None) -> str | None:
        """Return the whole of what an entry's text stands for, None if parts of it are missing."""
        manifest = _Manifest.read(text)
        if manifest is None:
            return text
        parts: list[str] = []
        while len(parts) < manifest.count:  # to the first that is missing: the count may be odd
            part = self._get(self._part(manifest.parts, len(parts)))
            if part is None:
                return None
            parts.append(part)
        whole = "".join(parts)
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
            # The last one first: if this is interrupted, the next save finds the rest from 0 up.
            for n in reversed(range(count)):
                self._delete(self._part(parts, n))

    def _part(self, parts: str, n: int) -> str:
        return f"{self._name} part {parts}{n}"

    def _get(self, name: str) -> str | None:
        text = self._ask("read", lambda backend: backend.get_password(name, self._account))
        # What is no text is there all the same, and no token.
        return text if text is None or isinstance(text, str) else ""

    def _put(self, name: str, text: str) -> None:
        self._ask("written", lambda backend: backend.set_password(name, self._account, text))
        if self._get(name) != text:
            raise _make_error(
                f"the keyring ({_class_name(self._backend)}) took the entry '{name}' but does not "
                "give back what was written",
                "use another keyring backend",
            )

    def _delete(self, name: str) -> None:
        from keyring.errors import PasswordDeleteError

        def delete(backend: KeyringBackend) -> None:
            with suppress(PasswordDeleteError):  # gone already, or it is still there when we look
                backend.delete_password(name, self._account)

        for _ in range(_TRIES):
            if self._get(name) is None:
                return
            self._ask("deleted", delete)
        if self._get(name) is not None:
            raise StoreError(
                f"the keyring ({_class_name(self._backend)}) still holds the entry '{name}' after "
                "it was deleted",
                "delete it by hand, in the system's password manager",
            )

    def _ask(self, done: str, question: Callable[[KeyringBackend], T]) -> T:
        for pause in (*_RETRY_PAUSES, None):
            self._stop_if_abandoned()
            try:
                is_last = pause is None
                return question(self._backend if is_last else _without_creating(self._backend))
            except Exception as error:  # noqa: BLE001 - many of keyring's are not KeyringErrors
                failure = self._explain(error, done)
                is_passing = _is_passing(error)
            if not is_passing or pause is None:
                break
            clock.sleep(pause)
        raise failure  # out here, so that it does not carry the other: that text may hold a token

    def _explain(self, error: Exception, done: str) -> StoreError:
        reason, advice = _reason_and_advice(error)
        return _make_error(
            f"the keyring entry '{self._name}' could not be {done}{reason} "
            f"({_class_name(self._backend)}: {type(error).__name__})",
            advice,
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


class _KeyringLock:
    """Guards the keyring against two calls at once in this process; backends are not thread-safe.

    Held for one load, save or clear; by a call that hangs, for as long as it hangs.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._held: list[bool] = []  # not empty while a thread that forks holds it
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._hold, after_in_parent=self._let_go, after_in_child=self._renew
            )

    def _hold(self) -> None:
        """Let a call end before a fork: what backends and OpenSSL lock would stay locked there."""
        # Noted in the same step, which no Ctrl-C can come into.
        self._held.extend(filter(None, map(self.lock.acquire, (True,), (_FORK_WAIT,))))

    def _let_go(self) -> None:
        if self._held:
            try:
                self._held.pop()
            finally:
                self.lock.release()

    def _renew(self) -> None:
        self._held.clear()
        self.lock = threading.Lock()  # the thread that held it is not in the child


_keyring_lock = _KeyringLock()


class _Abandoned(Exception):
    """Stops a call whose caller has given up waiting."""


class _Call(Generic[T]):
    """One call to the keyring, made in a thread of its own so that it can be given up.

    keyring passes no timeout on, and a prompt may wait for ever. A call that hangs keeps the lock,
    and those behind it give up waiting for it: no more than one thread stays.

    The thread alone writes the result and the error, before it sets `_done`; the caller alone
    writes `_is_abandoned`. So no lock guards them.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._is_abandoned = False
        self._result: T | None = None
        self._error: BaseException | None = None

    def result(self, timeout: float) -> T:
        """Make the call and return its result, or raise what it raised.

        `timeout` is in seconds. Raises StoreError when it passes.
        """
        if not self._run_within(timeout):
            self._is_abandoned = True
            raise _make_error(
                f"the keyring did not answer within {timeout:g} s: a prompt may be waiting for its "
                "password",
                "answer it and try again",
            )
        if self._error is not None:
            raise self._error
        return cast("T", self._result)

    def stop_if_abandoned(self) -> None:
        """Raise _Abandoned if the caller has given up waiting."""
        if self._is_abandoned:
            raise _Abandoned

    def _run_within(self, timeout: float) -> bool:
        try:
            self._start(time.monotonic() + timeout)
            return self._done.wait(timeout)
        except BaseException:  # a Ctrl-C must not cost a rotated token that is being saved
            self._done.wait(min(timeout, _INTERRUPT_GRACE))
            raise

    def _start(self, deadline: float) -> None:
        thread = threading.Thread(
            target=self._run, args=(deadline,), name="requests-jwt-refresh-keyring", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no threads any more: the interpreter is shutting down
            self._run(deadline)

    def _run(self, deadline: float) -> None:
        lock = _keyring_lock.lock
        if not lock.acquire(timeout=max(deadline - time.monotonic(), 0.0)):
            return
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where the call was made
            self._error = error
        finally:
            lock.release()
            self._done.set()


def _make_error(cause: str, advice: str) -> StoreError:
    return StoreError(cause, f"{advice}, or {_KEEP_IN_FILE}")


def _choose_for_platform(advice: dict[str, str], otherwise: str) -> str:
    return advice.get(sys.platform, otherwise)


def _start_service() -> str:
    return _choose_for_platform(
        _START_SERVICE, "make sure that the keyring's service and its D-Bus session are running"
    )


def _find_backend() -> KeyringBackend:
    try:
        import keyring

        return keyring.get_keyring()
    except (ImportError, AttributeError, ValueError, TypeError, configparser.Error) as error:
        reason, advice = type(error).__name__, _CHECK_NAME
    except Exception as error:  # noqa: BLE001 - a backend that cannot run here raises anything
        reason, advice = type(error).__name__, _start_service()
    raise _make_error(f"the keyring backend could not be loaded ({reason})", advice)


def _run_in_thread(function: Callable[[], object]) -> None:
    """Call `function` in a thread of its own, or here if no thread can be started any more."""
    thread = threading.Thread(target=function, name="requests-jwt-import")
    try:
        thread.start()
    except RuntimeError:
        function()
    else:
        thread.join()


def _import_backends() -> None:
    """Import keyring and the modules of its backends, as its first use does."""
    with suppress(ImportError):  # the first use says so
        import keyring.backends.fail
        import keyring.backends.null  # noqa: F401 - see above
    for entry_point in metadata.entry_points(group="keyring.backends"):
        with suppress(Exception):  # a backend that cannot run here raises anything
            entry_point.load()
    if "secretstorage" in sys.modules:
        with suppress(ImportError):  # it does so with the first secret
            import cryptography.hazmat.backends.openssl.backend  # noqa: F401


def _list_chain(backend: KeyringBackend) -> list[KeyringBackend]:
    """Return the backends that `backend` asks in turn, or itself if it is no chainer."""
    chained = getattr(backend, "backends", None)
    return [backend] if chained is None else list(chained)


def _without_creating(backend: KeyringBackend) -> KeyringBackend:
    """Return a Secret Service backend that makes no default collection where it finds none.

    keyring's own asks for the password of a new one at once, though the daemon has only lost track
    of the one that there is. Any other backend is returned as it is, a subclass too: it may keep
    something in itself.
    """
    is_plain = _class_name(backend) == "keyring.backends.SecretService.Keyring"
    if not is_plain or hasattr(backend, "preferred_collection"):
        return backend
    return backend.with_properties(preferred_collection=_DEFAULT_COLLECTION)


def _is_passing(error: Exception) -> bool:
    """Whether asking again may help: not where a prompt was refused, whatever came before it."""
    reason = error.__cause__ or error.__context__  # older versions of keyring give no cause
    return any(type(each).__name__ in _PASSING_ERRORS for each in (error, reason))


def _find_usable(chain: list[KeyringBackend], allow_plaintext: bool) -> KeyringBackend | None:
    """Return the first backend that keeps what it is given, and where nobody reads it."""
    for backend in chain:
        if not _keeps_nothing(backend) and (allow_plaintext or not _is_plaintext(backend)):
            return backend
    return None


def _no_backend_error(chain: list[KeyringBackend]) -> StoreError:
    plain = next(filter(_is_plaintext, chain), None)
    if plain is not None:
        return _make_error(
            f"the only keyring here ({_class_name(plain)}) writes a file that can be read as it is",
            "install a real one (Linux: gnome-keyring or KWallet), accept this one with "
            "allow_plaintext=True",
        )
    if any(map(_is_switched_off, chain)):
        return _make_error(
            "keyring is switched off (null backend) and would keep nothing",
            "take null out of PYTHON_KEYRING_BACKEND or keyringrc.cfg",
        )
    return StoreError(
        "there is no keyring on this machine, or it does not run",
        f"{_KEEP_IN_FILE}; or install and start a keyring (Linux: gnome-keyring or KWallet, with a "
        "D-Bus session)",
    )


def _keeps_nothing(backend: KeyringBackend) -> bool:
    from keyring.backends import fail

    return isinstance(backend, fail.Keyring) or _is_switched_off(backend)


def _is_switched_off(backend: KeyringBackend) -> bool:
    from keyring.backends import null

    return isinstance(backend, null.Keyring)


def _is_plaintext(backend: KeyringBackend) -> bool:
    return any("plaintext" in cls.__name__.lower() for cls in type(backend).__mro__)


def _max_length(backend: KeyringBackend) -> int | None:
    """Return how many characters an entry takes, None if there is no known limit."""
    names = {cls.__name__ for cls in type(backend).__mro__}
    return _WINDOWS_LIMIT if "WinVaultKeyring" in names else None


def _class_name(backend: KeyringBackend) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _reason_and_advice(error: Exception) -> tuple[str, str]:
    """Return the end of the sentence about a keyring's error, and what to do about it."""
    from keyring import errors

    is_locked = isinstance(error, errors.KeyringLocked) or type(error).__name__ in {
        "LockedException",
        "PromptDismissedException",
    }
    if is_locked:
        advice = _choose_for_platform(_UNLOCK, "unlock it and try again")
        return ": the keyring is locked", f"what it holds is safe; {advice}"
    if isinstance(error, errors.NoKeyringError):
        return ": there is no keyring on this machine", "install and start one"
    if isinstance(error, errors.InitError):
        return "", "log in to the desktop, or start the keyring's service and set it up"
    if isinstance(error, errors.PasswordSetError):
        return ": the keyring refused it", "allow this program to write to the keyring"
    return "", _start_service()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_name(kind: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"the {kind} is not a string but {type(value).__name__}")
    if not value.strip() or not value.isprintable():
        raise ValueError(f"the {kind} is empty or has characters that cannot be printed")
