"""A store of the user's own: whatever it raises is a StoreError, and nothing more comes out."""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from requests_jwt_refresh import LockTimeout, MemoryStore, StoreError, Token
from requests_jwt_refresh.errors import InvalidToken
from requests_jwt_refresh.refresh.guarded_store import GuardedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

SECRET = "held-by-the-error"
TOKEN = Token("an-access-token", "a-refresh-token")


class Raising:
    """Raises the same error in each verb, with a secret in a local variable of its frame."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def _fail(self) -> Any:
        secret = SECRET
        raise self._error from ValueError(secret)

    def load(self) -> Token | None:
        return self._fail()  # type: ignore[no-any-return]

    def save(self, _token: Token) -> None:
        self._fail()

    def clear(self) -> None:
        self._fail()

    def lock(self, _timeout: float) -> contextlib.AbstractContextManager[None]:
        return self._fail()  # type: ignore[no-any-return]

    def reserve(self, _size: int) -> contextlib.AbstractContextManager[None]:
        return self._fail()  # type: ignore[no-any-return]


def enter(opened: contextlib.AbstractContextManager[None]) -> None:
    with opened:
        pass


VERBS: dict[str, Callable[[GuardedStore], object]] = {
    "load": lambda store: store.load(),
    "save": lambda store: store.save(TOKEN),
    "clear": lambda store: store.clear(),
    "lock": lambda store: enter(store.lock(1)),
    "reserve": lambda store: enter(store.reserve(100)),
}
ERRORS = [
    ValueError(SECRET),
    KeyError(SECRET),
    OSError(5, SECRET),
    PermissionError(13, SECRET),
    InvalidToken(SECRET),
    RecursionError(SECRET),
    StopIteration(SECRET),
    type("TheirError", (Exception,), {})(SECRET),
]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_it_raises_is_a_store_error(verb: str, error: Exception) -> None:
    """The text names the verb, the kind and the line; no text and no frame of the store's is in it.

    An error reporter shows what stands in the frames behind an error.
    """
    with pytest.raises(StoreError) as caught:
        VERBS[verb](GuardedStore(Raising(error)))
    failure = caught.value
    assert type(failure) is StoreError
    assert failure.cause.startswith(f"Raising.{verb}() failed with {type(error).__name__} at test_")
    assert failure.cause.endswith(", in _fail")
    assert SECRET not in str(failure)
    assert failure.__cause__ is failure.__context__ is None


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", [StoreError, LockTimeout])
def test_a_store_error_keeps_its_words(verb: str, kind: type[StoreError]) -> None:
    """The store has said what happened, and what to do. Its frames may hold the token's text."""
    error = kind("the vault is closed", "come back tomorrow")
    error.__cause__ = OSError(SECRET)
    with pytest.raises(kind) as caught:
        VERBS[verb](GuardedStore(Raising(error)))
    assert type(caught.value) is kind
    assert (caught.value.cause, caught.value.remedy) == (error.cause, error.remedy)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert "_fail" not in {frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.tb)}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("death", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_passes(verb: str, death: type[BaseException]) -> None:
    """It is none of the store's errors."""
    with pytest.raises(death):
        VERBS[verb](GuardedStore(Raising(death())))


def test_a_lock_that_times_out_in_its_own_words() -> None:
    """A TimeoutError of the lock means what a LockTimeout does; elsewhere it is a failure."""
    store = GuardedStore(Raising(TimeoutError(SECRET)))
    with pytest.raises(LockTimeout) as caught:
        enter(store.lock(1))
    assert SECRET not in str(caught.value)
    with pytest.raises(StoreError) as failed:
        store.load()
    assert type(failed.value) is StoreError


@pytest.mark.parametrize(
    ("junk", "named"), [({"access": SECRET}, "a dict"), (SECRET, "a str"), (b"", "a bytes")]
)
def test_what_load_returns_is_a_token(junk: Any, named: str) -> None:
    """Or None; anything else is the store's mistake, and is not shown."""

    class Junk(MemoryStore):
        def load(self) -> Token | None:
            return junk  # type: ignore[no-any-return]

    with pytest.raises(StoreError, match=rf"Junk\.load\(\) returned {named}, not a") as caught:
        GuardedStore(Junk()).load()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("junk", [None, True, 3])
def test_a_lock_is_a_context_manager(junk: Any) -> None:
    """A lock that returns whether it was taken is told what is wanted."""

    class Junk(MemoryStore):
        def lock(self, _timeout: float) -> Any:
            return junk

    with pytest.raises(StoreError, match="not a context manager"):
        enter(GuardedStore(Junk()).lock(1))


class Locking(MemoryStore):
    """Fails on the way into its lock, on the way out, or swallows what the block raises."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self._fault = fault
        self.left = threading.Event()

    @contextlib.contextmanager
    def lock(self, _timeout: float) -> Iterator[None]:
        if self._fault == "enter":
            raise LookupError(SECRET)
        try:
            yield
        except LookupError as error:
            if self._fault == "swallow":
                return
            raise RuntimeError(SECRET) from error
        finally:
            self.left.set()
            if self._fault == "leave":
                raise OSError(5, SECRET)


@pytest.mark.parametrize("fault", ["enter", "leave"])
def test_the_ways_in_and_out_of_the_lock(fault: str) -> None:
    """Taking it and letting go of it fail as the verbs do."""
    with pytest.raises(StoreError, match=r"Locking\.lock\(\) failed with") as caught:
        enter(GuardedStore(Locking(fault)).lock(1))
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("fault", ["none", "leave", "swallow"])
@pytest.mark.parametrize("kind", [LookupError, StoreError, LockTimeout, KeyboardInterrupt])
def test_what_the_block_raises_is_not_the_stores(
    fault: str, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """It comes out as it was, whatever the lock makes of it; the lock is let go all the same."""
    caplog.set_level(logging.DEBUG)
    store, raised = Locking(fault), kind("of the block")
    with pytest.raises(kind) as caught, GuardedStore(store).lock(1):
        raise raised
    assert caught.value is raised
    assert store.left.is_set()
    assert SECRET not in caplog.text


def test_a_good_store_is_as_it_was() -> None:
    """What it holds, its lock, and its own reservation."""
    plain = MemoryStore()
    store = GuardedStore(plain)
    store.save(TOKEN)
    assert store.load() is plain.load() is TOKEN
    with store.lock(0), pytest.raises(LockTimeout), store.lock(0):
        pass
    with store.lock(0):
        store.clear()
    assert plain.load() is None
    assert "token" not in repr(store)


def test_a_reservation_is_the_stores_own() -> None:
    """A store without one has none to give; with one, the block runs inside it."""
    steps: list[object] = []

    class Reserving(MemoryStore):
        @contextlib.contextmanager
        def reserve(self, size: int) -> Iterator[None]:
            steps.append(size)
            yield
            steps.append("end")

    with GuardedStore(Reserving()).reserve(100):
        steps.append("block")
    assert steps == [100, "block", "end"]
    with GuardedStore(MemoryStore()).reserve(100):
        steps.append("without")
    assert steps[-1] == "without"


class LimitedLock(MemoryStore):
    """A user's store, whose lock tries until its time is up: with 0 seconds never."""

    def lock(self, timeout: float) -> AbstractContextManager[None]:
        assert timeout != 0, "no time may mean no try, or no end"
        return super().lock(timeout)


def test_the_lock_of_a_users_store_is_tried_with_some_time() -> None:
    """What 0 seconds mean there is not known; such a store has worked so far."""
    store = LimitedLock()
    with GuardedStore(store).try_lock():
        assert not is_free(store)
    with store.lock(1.0), pytest.raises(LockTimeout), GuardedStore(store).try_lock():
        pass


def is_free(store: MemoryStore) -> bool:
    try:
        with MemoryStore.lock(store, 0):
            return True
    except LockTimeout:
        return False
