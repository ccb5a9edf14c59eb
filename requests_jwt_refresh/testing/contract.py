"""What every token store promises, as a test class to inherit."""
# ruff: noqa: S101 - a test class is made of assertions

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import tempfile
import threading
import traceback
import unittest
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, ClassVar, TextIO

from requests_jwt_refresh.errors import LockTimeout
from requests_jwt_refresh.tokens import Token, with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from requests_jwt_refresh.stores.base import TokenStore

# All that a header may carry (RFC 6749 appendix A.12 and A.17), with everything in it that JSON, a
# shell, a URL, an INI file or a Redis command could take for its own.
_EVERY_LEGAL_CHARACTER = "".join(map(chr, range(0x21, 0x7F))) + " %s\\n \\u0000 {} ' \" ~"


class StoreContract:
    """The promises of a token store.

    Inherit it, say how a store is made, and run pytest:

    ```python
    import pytest
    from requests_jwt_refresh import FileStore
    from requests_jwt_refresh.testing import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture(autouse=True)
        def _place(self, tmp_path):
            self.path = tmp_path / "token"

        def make_store(self):
            return FileStore(self.path)  # your own in its place
    ```

    Nothing here needs pytest, so that unittest or a loop can run it as well. A rule that this
    platform cannot try raises unittest.SkipTest, which pytest understands.
    """

    shared_between_processes: ClassVar[bool] = True
    """False for a store that each process has for itself, as memory is."""

    saves: ClassVar[int] = 20
    """How often the tests with concurrent readers save."""

    patience: ClassVar[float] = 30.0
    """Seconds a test waits at most: more than the lock of a killed process may stay."""

    def make_store(self) -> TokenStore:
        """Return a new store of one and the same token throughout a test; override this."""
        raise NotImplementedError("say how your store is made: override make_store")

    # One client

    def test_an_empty_store_holds_none(self) -> None:
        """Nothing saved, nothing found."""
        assert self._empty_store().load() is None, "an empty store must load None"

    def test_every_field_comes_back(self) -> None:
        """Either token may be missing, the expiry unknown; both may have 5,000 characters."""
        store = self._empty_store()
        values = (None, "a", "long" * 1250)
        for access, refresh, expires_at in product(values, values, (None, 0, 1e9, 1.7e9 + 0.125)):
            if access or refresh:
                _check_round_trip(store, Token(access, refresh, expires_at))

    def test_what_the_adapter_fills_in_comes_back(self) -> None:
        """When it was received, its login and its counter: they tell a backup from a new token."""
        store = self._empty_store()
        for received_at, login_id, counter in (
            (1.7e9 + 0.125, "a login's id", 1),
            (None, None, 0),
            (1.7e9, "another's", 2**31),
        ):
            filled_in = {"received_at": received_at, "login_id": login_id, "counter": counter}
            store.save(with_values(_token(1), **filled_in))
            found = store.load()
            assert found is not None, "a store must load the token that was saved"
            loaded = {name: getattr(found, name) for name in filled_in}
            assert loaded == filled_in, "a store must keep what base.encode() writes, all of it"

    def test_what_came_with_the_token_comes_back(self) -> None:
        """Token.extra, up to 16 KiB of any JSON; and none where there was none."""
        store = self._empty_store()
        for extra in (
            {"scope": "read write", "id_token": "an.id.token", "expires": 1.5, "level": -3},
            {"cookies": {"csrf": "a value"}, "groups": [[], {}, [None, True, False]], "": ""},
            {"name": _EVERY_LEGAL_CHARACTER, "\u00e9\U0001f511": "\u00fc\n\x00\u2028\ud83d"},
            {"long": "e" * 16_000},
            {},
        ):
            _check_round_trip(store, replace(_token(1), extra=extra))
            _check_round_trip(store, Token("a", extra=extra))
            with store.lock(self.patience):
                _check_round_trip(store, Token(None, "r", extra=extra))

    def test_a_big_token_comes_back(self) -> None:
        """Some servers put a user's groups into it: 16 KiB, and 64 KiB."""
        store = self._empty_store()
        for length in (16 * 1024, 64 * 1024):
            _check_round_trip(store, Token("t" * length, "r" * 1024))
        _check_round_trip(store, _token(0))

    def test_the_same_token_can_be_saved_again(self) -> None:
        """That is how the adapter sees that the store can be written, before each exchange."""
        store = self._empty_store()
        with store.lock(self.patience):
            for _ in range(3):
                _check_round_trip(store, _token(1))

    def test_room_that_was_reserved_can_be_used(self) -> None:
        """A store may offer ``reserve(size)``: a block in which a token of that size is saved."""
        store = self._empty_store()
        reserve = getattr(store, "reserve", None)
        if reserve is None:  # which is fine
            return
        store.save(_token(1))
        with store.lock(self.patience):
            with reserve(10_000):
                assert store.load() == _token(1), "a reservation must leave the token as it is"
            assert store.load() == _token(1), "a reservation that was not used must change nothing"
            with reserve(10_000):
                _check_round_trip(store, _token(2))
                _check_round_trip(store, _token(3))
            error = ValueError()
            assert _raise_inside(reserve(10), error) is error, "an exception must pass"
        assert store.load() == _token(3), "what was saved in the block must stay"

    def test_every_length_comes_back(self) -> None:
        """Also at and around the places where some store would cut."""
        store = self._empty_store()
        for length in (1, 100, 1150, 1200, 1250, 1280, 2400, 2560, 4096):
            for off in (-1, 0, 1):
                _check_round_trip(store, Token("t" * max(length + off, 1)))

    def test_every_legal_character_comes_back(self) -> None:
        """A token may hold whatever a header may carry, and it means nothing."""
        store = self._empty_store()
        _check_round_trip(store, Token(_EVERY_LEGAL_CHARACTER, _EVERY_LEGAL_CHARACTER[::-1]))
        _check_round_trip(store, Token("null", "{}"))

    def test_saving_replaces(self) -> None:
        """The last token saved is the one there is, whatever the lengths."""
        store = self._empty_store()
        for n in range(6):
            _check_round_trip(store, _token(n))

    def test_clearing_forgets(self) -> None:
        """A cleared store is empty, however often it is cleared, and can be used again."""
        store = self._empty_store()
        for n in range(3):
            store.save(_token(n))
            store.clear()
            assert store.load() is None, "a cleared store must load None"
            store.clear()
            assert store.load() is None, "a store must stay empty when cleared again"
        _check_round_trip(store, _token(0))

    def test_no_secret_shows(self) -> None:
        """Neither repr nor str of a store shows its token."""
        store = self._empty_store()
        store.save(Token("access-secret", "refresh-secret"))
        for text in (repr(store), str(store)):
            assert "-secret" not in text, "a store's repr must not show its token"

    # Several clients

    def test_a_second_client_sees_it(self) -> None:
        """Two clients of one place share the token."""
        first, second = self._empty_store(), self.make_store()
        first.save(_token(1))
        assert second.load() == _token(1), "a second client must see what the first has saved"
        second.clear()
        assert first.load() is None, "a client must see that another has cleared"

    def test_pickling_keeps_the_token(self) -> None:
        """A store that went through pickle reaches the same token, or carries it."""
        store = self._empty_store()
        store.save(_token(1))
        again: TokenStore = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own bytes
        assert again.load() == _token(1), "a pickled store must still reach its token"
        with again.lock(self.patience):
            again.save(_token(2))
        assert again.load() == _token(2), "a pickled store must still work"
        again.clear()

    def test_readers_see_whole_tokens(self) -> None:
        """While one thread saves, the others load a token that was saved, not half, not none."""
        store, written = self._empty_store(), self._tokens()
        store.save(written[0])
        is_done = threading.Event()
        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(_load_until, is_done, self.make_store()) for _ in range(2)]
            try:
                self._save_all(store, written)
            finally:
                is_done.set()
            for reader in readers:
                _check_all_whole(reader.result(self.patience), written)

    def test_readers_see_whole_tokens_of_another_process(self) -> None:
        """The same with a process that saves; it must be seen if the store is shared with it."""
        self._needs_fork()
        store, written = self._empty_store(), self._tokens()
        store.save(written[0])
        found = []
        with self._child(lambda: self._save_all(self.make_store(), written)) as child:
            while not child.has_ended():
                found.append(store.load())
        _check_all_whole(found, written)
        assert child.has_succeeded, f"a child process must be able to save; {child.end}"
        expected = written[-1] if self.shared_between_processes else written[0]
        assert store.load() == expected, (
            "a child's save must be seen if the store is shared with it"
        )

    # The lock

    def test_the_lock_keeps_threads_out(self) -> None:
        """Held, it is LockTimeout for others, at once or after the time given; then it is free."""
        store, other = self._empty_store(), self.make_store()
        with ThreadPoolExecutor(1) as pool:
            with store.lock(self.patience):
                for timeout in (0.0, 0.05):
                    locked_out = pool.submit(_is_locked_out, other, timeout)
                    assert locked_out.result(self.patience), "two must not hold the lock at once"
            locked_out = pool.submit(_is_locked_out, other)
            assert not locked_out.result(self.patience), "a lock let go must be free"

    def test_no_time_is_one_try(self) -> None:
        """``lock(0)`` gives a lock that is free: that is how the adapter tries, between looks."""
        store = self._empty_store()
        for _ in range(10):
            assert not _is_locked_out(store, 0), "lock(0) must give a lock that is free"

    def test_the_lock_is_handed_on(self) -> None:
        """A thread that waits gets the lock when its holder lets go."""
        store, other = self._empty_store(), self.make_store()
        with ThreadPoolExecutor(1) as pool:
            with store.lock(self.patience):
                waiting = pool.submit(_is_locked_out, other, self.patience)
            assert not waiting.result(self.patience), "a thread that waits for the lock must get it"

    def test_one_holder_at_a_time(self) -> None:
        """However many threads want the lock, each gets it and none shares it."""
        store, inside, most = self._empty_store(), [0], [0]

        def enter() -> None:
            for _ in range(4):
                with self.make_store().lock(self.patience):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    store.load()  # time for another to come in, if it could
                    inside[0] -= 1

        with ThreadPoolExecutor(4) as pool:
            for entered in [pool.submit(enter) for _ in range(4)]:
                entered.result(self.patience)
        assert most == [1], "two must not hold the lock at once"

    def test_an_exception_frees_the_lock(self) -> None:
        """The lock is free after its block, however the block ends; the exception passes."""
        store = self._empty_store()
        for error in (ValueError(), OSError(), KeyboardInterrupt()):
            raised = _raise_inside(store.lock(self.patience), error)
            assert raised is error, "an exception must pass through the lock unchanged"
            assert not _is_locked_out(store), "an exception must leave the lock free"

    def test_the_holder_works_on(self) -> None:
        """The holder of the lock can load, save and clear."""
        store = self._empty_store()
        with store.lock(self.patience):
            _check_round_trip(store, _token(1))
            store.clear()
            assert store.load() is None, "a cleared store must load None"

    def test_a_dead_process_leaves_the_lock_free(self) -> None:
        """A holder that is killed does not keep the lock."""
        self._needs_fork()
        store = self._empty_store()
        with self._hold_in_process() as holder:
            assert _is_locked_out(store) == self.shared_between_processes, (
                "another process's lock must keep us out if we share the store, and only then"
            )
            holder.kill()
            with store.lock(self.patience):
                pass  # LockTimeout otherwise

    def test_a_forked_child_neither_holds_nor_frees(self) -> None:
        """A child that leaves its parent's block leaves the parent's lock alone."""
        self._needs_fork()
        store, other = self._empty_store(), self.make_store()
        with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as block:
            block.enter_context(store.lock(self.patience))
            with self._child(block.close) as child:
                child.wait()
            assert child.has_succeeded, (
                f"a forked child must be able to leave its parent's block; {child.end}"
            )
            locked_out = pool.submit(_is_locked_out, other)
            assert locked_out.result(self.patience), "a child must not free its parent's lock"
        assert not _is_locked_out(other), "a child must not keep its parent's lock"

    def test_a_child_forked_meanwhile_is_not_stuck(self) -> None:
        """A lock held by a thread at the fork keeps a child out only if they share the store."""
        self._needs_fork()
        store = self._empty_store()

        def try_lock() -> None:
            assert _is_locked_out(self.make_store()) == self.shared_between_processes

        with self._hold_in_thread(store), self._child(try_lock) as child:
            child.wait()
        assert child.has_succeeded, (
            "a child must be kept out by its parent's thread if they share the store, and only "
            f"then; {child.end}"
        )

    # What the tests are made of

    def _empty_store(self) -> TokenStore:
        store = self.make_store()
        store.clear()
        return store

    def _tokens(self) -> list[Token]:
        return [_token(n) for n in range(self.saves)]

    def _save_all(self, store: TokenStore, tokens: list[Token]) -> None:
        for token in tokens:
            with store.lock(self.patience):
                store.save(token)

    def _needs_fork(self) -> None:
        if not hasattr(os, "fork"):
            raise unittest.SkipTest("there is no fork on this platform")

    @contextlib.contextmanager
    def _hold_in_thread(self, store: TokenStore) -> Iterator[None]:
        is_held, is_done = threading.Event(), threading.Event()

        def hold() -> None:
            with store.lock(self.patience):
                is_held.set()
                is_done.wait(self.patience)

        with ThreadPoolExecutor(1) as pool:
            holder = pool.submit(hold)
            try:
                assert is_held.wait(self.patience), "a free lock must be given"
                yield
            finally:
                is_done.set()
                holder.result(self.patience)

    @contextlib.contextmanager
    def _hold_in_process(self) -> Iterator[_Child]:
        reading, writing = os.pipe()

        def hold() -> None:
            with self.make_store().lock(self.patience):
                os.write(writing, b"!")
                signal.pause()

        try:
            with self._child(hold) as child:
                ready = select.select([reading], [], [], self.patience)[0]
                assert ready, "a child process must be given a free lock"
                yield child
        finally:
            os.close(reading)
            os.close(writing)

    @contextlib.contextmanager
    def _child(self, work: Callable[[], None]) -> Iterator[_Child]:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as report:
            child = _Child(work, self.patience, report)
            try:
                yield child
            finally:
                child.kill()


class _Child:
    """A forked process that does `work` and ends, by SIGALRM if it takes longer than `patience`."""

    end = "it runs"
    """How it ended, with the traceback of what it raised."""

    def __init__(self, work: Callable[[], None], patience: float, report: TextIO) -> None:
        self._status: int | None = None
        self._report = report
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # other threads are the point
            self._pid = os.fork()
        if self._pid == 0:
            _work_and_exit(work, patience, report)

    @property
    def has_succeeded(self) -> bool:
        return self._status == 0

    def has_ended(self) -> bool:
        if self._status is None:
            self._look(os.WNOHANG)
        return self._status is not None

    def wait(self) -> None:
        if self._status is None:
            self._look(0)

    def kill(self) -> None:
        if not self.has_ended():
            os.kill(self._pid, signal.SIGKILL)
            self.wait()

    def _look(self, options: int) -> None:
        pid, status = os.waitpid(self._pid, options)
        if pid:
            self._status = status
            self._report.seek(0)
            self.end = _describe_end(status, self._report.read())


def _work_and_exit(work: Callable[[], None], patience: float, report: TextIO) -> None:
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, patience)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - the parent says so
        traceback.print_exc(file=report)
        report.flush()
    finally:
        os._exit(status)  # nothing of the parent's is cleaned up here


def _describe_end(status: int, report: str) -> str:
    if os.WIFSIGNALED(status):
        return f"it was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"it ended with {os.WEXITSTATUS(status)}\n{report}"


def _token(n: int) -> Token:
    """Return one of many tokens that differ, also in length: a fifth are short."""
    length = (10, 1300, 5000, 700, 2400)[n % 5]
    return Token(f"access-{n}-".ljust(length, "a"), f"refresh-{n}-".ljust(length, "r"), 1e9 + n)


def _check_round_trip(store: TokenStore, token: Token) -> None:
    store.save(token)
    found = store.load()
    assert found == token, "a store must load the token that was saved"
    assert found is not None
    assert found.extra == token.extra, "a store must keep Token.extra, as base.encode() writes it"


def _check_all_whole(found: list[Token | None], written: list[Token]) -> None:
    assert found, "the readers must have loaded once"
    assert None not in found, "a reader must not find the store empty while a token is replaced"
    assert set(found) <= set(written), "a reader must only find tokens that were saved"


def _load_until(is_done: threading.Event, store: TokenStore) -> list[Token | None]:
    found = [store.load()]
    while not is_done.is_set():
        found.append(store.load())
    return found


def _raise_inside(block: AbstractContextManager[None], error: BaseException) -> object:
    try:
        with block:
            raise error  # noqa: TRY301 - to see it pass the block
    except BaseException as passed:  # noqa: BLE001 - a KeyboardInterrupt is one of them
        return passed


def _is_locked_out(store: TokenStore, timeout: float = 0.0) -> bool:
    try:
        with store.lock(timeout):
            return False
    except LockTimeout:
        return True
