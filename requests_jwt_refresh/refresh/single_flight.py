"""One call at a time: the first to ask leads, all others wait and share its outcome.

          joined              its thread begins         returns or raises
    IDLE -------> QUEUED -----------------> RUNNING ----------------------> FINISHED
                                             |   ^
                            run_in_leader()  |   |  the leader has done it
                                             v   |
                                           LOGGING_IN --------------------> ABANDONED
                                                         the leader left

IDLE is a flight without a call. A call that is FINISHED or ABANDONED makes it idle again.

A call has a thread of its own, which the end of the program waits for: neither Ctrl-C in the leader
nor the end of the program loses a response that is on its way. What may ask a person (a login) is
handed back to the leader.

Invariants, which the tests try with every interleaving of two and three threads, and with an
exception at every line of a leader and a follower:

1. A call takes the flight by one ``dict.setdefault``, one step for all other threads.
2. Only the call's own thread changes its state and ends it. Python runs signal handlers in the main
   thread alone, so no Ctrl-C can interrupt that.
3. Leaders and followers hold no lock that another thread waits for. A follower waits on a bare lock
   of its own, and a leader on a queue of its own: each wait is one step.
4. The outcome of a call is there before its state says so, the flight is free before a waiter
   wakes, and no lock is held meanwhile.
5. If the leader of a queued call was interrupted before the call's thread began, the first waiter
   to notice starts one. Several may be started: the first to take the call's claim runs it.
6. A leader that goes, however it goes, says so; the callbacks that it would have called last, and
   has not, are then called by the call's thread. Each is called once.
7. No thread is known by its identifier, which the system gives to another one later. What runs on
   behalf of a call, and what interrupts its leader, is known by its context (PEP 567).
8. In a forked child the call's thread does not exist: the call is abandoned there, and one of those
   that waited for it takes the lead.
"""

from __future__ import annotations

import _thread
import contextvars
import os
import queue
import threading
import weakref
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from importlib import import_module
from itertools import starmap
from operator import length_hint
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

# Threads, locks and queues are looked up in their modules when they are needed: gevent and eventlet
# put others there, perhaps after the import of this module.

T = TypeVar("T")
R = TypeVar("R")

THREAD_NAME: Final = "jwt-refresh"  # of the threads that calls run in
QUEUED_GRACE: Final = 0.05  # seconds that a thread may take to begin, before another is started
LEADER_GRACE: Final = 1.0  # seconds that a leader may take to call the callback
_EXIT_POLL: Final = 0.1  # seconds between two looks whether the program is ending
_SLOT: Final = "call"  # the one key of a flight's dict
_LEFT: Final = None  # the leader's last message
_WAKE: Final = None  # the message to a leader
_ENDED: Final = object()  # no call was made
_LONG: Final = 1e6  # seconds; every lock and queue takes that for a timeout


class State(Enum):
    """Where a call is; see the diagram above."""

    QUEUED = "queued"
    RUNNING = "running"
    LOGGING_IN = "logging in"
    FINISHED = "finished"
    ABANDONED = "abandoned"


class LeaderLeft(BaseException):
    """The leader was interrupted before it did what it was asked to.

    It is no Exception, so that no handler on its way takes it for a failure of `work`.
    """


class OutOfPatience(TimeoutError):
    """A call did not end in the time given to wait for it.

    A TimeoutError of its own: a signal handler may raise one, too, and that goes through.
    """


class SingleFlight(Generic[T]):
    """A place for one call at a time."""

    def __init__(self) -> None:
        self._slot: dict[str, Call[T]] = {}
        _flights.add(self)

    @property
    def call(self) -> Call[T] | None:
        """The call under way, None if the flight is idle."""
        return self._slot.get(_SLOT)

    @property
    def waiting(self) -> int:
        """How many threads wait for a call that another one leads."""
        call = self.call
        return 0 if call is None else call.followers

    def is_inside(self) -> bool:
        """Whether this code runs on behalf of the call under way, and must not wait for it."""
        call = self.call
        return call is not None and call in _inside.get()

    def join(
        self,
        work: Callable[[Call[T]], T],
        seconds: float,
        wait_in: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Call[T]:
        """Lead a call that does `work`, or wait for the one under way; return it when it has ended.

        It is the caller's own call if its ``work`` is `work`. A leader's callback runs outside of
        the context that `wait_in` gives. Raises OutOfPatience after `seconds`; the call then goes
        on, for later callers.
        """
        mine = Call(work, self._slot)
        context = contextvars.copy_context()  # gone with this call, however it ends
        context.run(_leading.set, (*_leading.get(), mine))
        try:
            with wait_in():
                call = context.run(self._join, mine, seconds)
            if call is mine:
                call.run_callbacks()
        finally:
            mine.to_thread.put(_LEFT)  # one step of the interpreter, which no signal comes before
        return call

    def begin(self, work: Callable[[Call[T]], T]) -> bool:
        """Start a call that does `work` and that nobody leads; return whether it was started.

        It is not while another one is under way.

        Its callbacks are called by its own thread.
        """
        mine = Call(work, self._slot)
        mine.to_thread.put(_LEFT)
        if self._slot.setdefault(_SLOT, mine) is not mine:
            return False
        mine.start(is_led=False)
        return mine.state is not State.ABANDONED

    def _join(self, mine: Call[T], seconds: float) -> Call[T]:
        call = self._slot.setdefault(_SLOT, mine)
        if (
            call in _leading.get()
        ):  # mine, or that of the leader which this signal handler interrupts
            call.lead(seconds)
        else:
            call.follow(seconds)
        return call

    def abandon(self) -> None:
        """Give up the call under way: its thread does not exist in this process."""
        call = self._slot.pop(_SLOT, None)
        if call is not None:
            call.end(State.ABANDONED)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What a function returned or raised."""

    value: T | None = None
    failure: BaseException | None = None

    def get(self) -> T:
        """Return the value, or raise the failure."""
        if self.failure is not None:
            raise self.failure
        return cast("T", self.value)


class _Callback(NamedTuple):
    calls: starmap[object]  # of one call
    argument: Iterator[tuple[object]]  # of that call; empty once it has begun
    on_error: Callable[[Exception], object]


class Call(Generic[T]):
    """One call: what it does, its state, and its outcome.

    No lock guards its fields: each look and each change is one step of the interpreter.
    """

    def __init__(
        self, work: Callable[[Call[T]], T], slot: dict[str, Call[T]] | None = None
    ) -> None:
        self.work = work
        self._leader = threading.current_thread()
        self.state = State.QUEUED  # written by the call's own thread alone
        self.outcome: Outcome[T] | None = None  # there before the state is FINISHED
        # For the thread: outcomes of tasks, and _LEFT at the end. For the leader: look again.
        self.to_thread: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._to_leader: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._task: Iterator[tuple[Callable[[], object]]] = iter(())  # for the leader, one at most
        self._slot = {} if slot is None else slot
        self._claim = threading.Lock()  # taken by the thread that runs the call, never released
        self._gates: list[threading.Lock] = []  # one held lock a follower, released at the end
        self._has_thread = True  # False: it runs in the leader's, since no thread could be started
        self._callbacks: list[_Callback] = []

    @property
    def followers(self) -> int:
        """How many other threads wait for it."""
        return len(self._gates)

    def has_ended(self) -> bool:
        """Whether it is finished or abandoned."""
        return self.state is State.FINISHED or self.state is State.ABANDONED

    # For `work`, in the call's own thread

    def run_in_leader(self, function: Callable[[], R]) -> R:
        """Have the leader call `function`; return what it returns, or raise what it raises.

        Raises LeaderLeft if there is no leader any more, or if the program is ending.
        """
        if not self._has_thread:
            return function()
        self.state = State.LOGGING_IN
        self._task = iter([(function,)])
        self._to_leader.put(_WAKE)
        outcome = self._receive()
        if outcome is _LEFT:
            raise LeaderLeft
        self.state = State.RUNNING
        return cast("R", outcome.get())

    def add_callback(
        self,
        function: Callable[[Any], object],
        argument: object,
        on_error: Callable[[Exception], object],
    ) -> None:
        """Have `function` called once, after the waiters were woken: by the leader if it is there.

        `on_error` is given what it raises. starmap takes the function and calls it in one step:
        there is no moment in which it has been taken and not been called. What one of several
        callbacks dies of does not keep the others from being called.
        """
        once = iter([(argument,)])
        self._callbacks.append(_Callback(starmap(function, once), once, on_error))

    # For the leader

    def start(self, *, is_leader: bool = False, is_led: bool = True) -> None:
        """Start a thread that runs the call, unless another one does.

        If there can be none, it runs in this one, or, unless it `is_led`, not at all.
        """
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), name=THREAD_NAME, daemon=False
        )
        try:
            if _handles_signals():
                # Thread.start() waits, in Python code that Ctrl-C interrupts: not in this thread.
                _thread.start_new_thread(self._launch, (thread, is_led))
            else:
                thread.start()
        except RuntimeError:  # out of threads, or Python is shutting down
            self._run_here(is_leader=is_leader, is_led=is_led)

    def lead(self, seconds: float) -> None:
        """Start the thread, wait for the end, and do what is asked of the leader.

        A signal handler that interrupts the leader may lead in its place: a task is taken in the
        step that also begins it. Raises OutOfPatience.
        """
        if self.state is State.QUEUED:
            self.start(is_leader=True)
        context = contextvars.copy_context()
        context.run(_inside.set, (*_inside.get(), self))
        end = monotonic() + seconds
        while True:
            if next(starmap(partial(context.run, self._do), self._task), False):  # type: ignore[call-arg]
                end = monotonic() + seconds  # a person may have taken long
            if self.has_ended():
                break
            try:
                self._to_leader.get(timeout=max(end - monotonic(), 0.0))
            except Empty:
                raise OutOfPatience from None
        self._to_leader.put(_WAKE)  # for the leader, if this was in its place

    def _do(self, task: Callable[[], object]) -> bool:
        """Do `task` on behalf of this call; a KeyboardInterrupt or SystemExit passes through."""
        try:
            outcome = Outcome(task())
        except Exception as failure:  # noqa: BLE001 - it is the call's, and raised there
            outcome = Outcome(failure=failure)
        self.to_thread.put(outcome)
        return True

    def run_callbacks(self) -> None:
        """Call what `add_callback` was given, in that order, but for those that have begun."""
        for callback in self._callbacks:
            has_begun = not length_hint(callback.argument)
            try:
                result = next(callback.calls, _ENDED)
            except Exception as error:  # noqa: BLE001 - on_error is told
                callback.on_error(error)
            else:
                if result is _ENDED and not has_begun:  # what it raised, next() took for its own
                    callback.on_error(StopIteration())

    # For a follower

    def follow(self, seconds: float) -> None:
        """Wait for the end. Raises OutOfPatience."""
        gate = threading.Lock()
        gate.acquire()
        self._gates.append(gate)
        end = monotonic() + seconds
        while not self.has_ended():
            left = end - monotonic()
            if left <= 0:
                raise OutOfPatience
            if self.state is not State.QUEUED:
                gate.acquire(timeout=left)
            elif not gate.acquire(timeout=min(left, QUEUED_GRACE)) and self.state is State.QUEUED:
                self.start()  # its leader was interrupted before it could

    # The call's own thread

    def _launch(self, thread: threading.Thread, is_led: bool) -> None:
        try:
            thread.start()
        except RuntimeError:
            self._run_here(is_led=is_led)

    def _run_here(self, *, is_leader: bool = False, is_led: bool) -> None:
        """Run, or give up, what no thread could be started for."""
        if is_led:
            self._run(in_leader=is_leader)
        elif self._claim.acquire(blocking=False):
            self.end(State.ABANDONED)

    def _run(self, *, in_leader: bool = False) -> None:
        if not self._claim.acquire(blocking=False):
            return
        self._has_thread = not in_leader
        mark = _inside.set((*_inside.get(), self))
        self.state, state = State.RUNNING, State.FINISHED
        try:
            self.outcome = Outcome(self.work(self))
        except LeaderLeft:
            state = State.ABANDONED
        except BaseException as failure:  # noqa: BLE001 - whatever it is, the waiters must wake
            self.outcome = Outcome(failure=failure)
        self.end(state)
        _inside.reset(mark)
        if self._has_thread and self._callbacks:
            with suppress(Empty):
                self.to_thread.get(timeout=LEADER_GRACE)
            self.run_callbacks()

    def _receive(self) -> Any:
        """Return what the leader sends."""
        while True:
            try:
                return self.to_thread.get(timeout=_EXIT_POLL)
            except Empty:
                if self._leader.daemon and is_program_ending():
                    return _LEFT  # it does not wait for the leader, but for this thread

    def end(self, state: State) -> None:
        """Free the flight and wake all waiters; for the call's own thread."""
        self.state = state
        if self._slot.get(_SLOT) is self:
            del self._slot[_SLOT]
        while self._gates:
            self._gates.pop().release()
        self._to_leader.put(_WAKE)


def _handles_signals() -> bool:
    """Whether signal handlers run in this thread: the main thread of the main interpreter.

    Another interpreter could not end while a thread that `threading` does not know is there.
    """
    return threading.current_thread() is threading.main_thread() and _IS_MAIN_INTERPRETER


def _find_is_main_interpreter() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):  # since Python 3.13, and before
        with suppress(ImportError):
            interpreters = import_module(name)
            return bool(interpreters.get_current() == interpreters.get_main())
    return True


_IS_MAIN_INTERPRETER: Final = _find_is_main_interpreter()


def is_program_ending() -> bool:
    """Whether nothing keeps the program from ending but the threads of calls.

    That the main thread has ended does not say so: its other threads may work on for hours.
    """
    return not threading.main_thread().is_alive() and not any(
        each.is_alive() and not each.daemon and each.name != THREAD_NAME
        for each in threading.enumerate()
    )


def shield(function: Callable[[], T]) -> T:
    """Call `function` in a thread that no Ctrl-C can interrupt, and return what it returns.

    If the caller's own thread is interrupted meanwhile, `function` runs to its end all the same.
    Threads that no signal interrupts call it themselves.
    """
    if not _handles_signals():
        return function()
    while True:  # once, and once more in a child that a signal handler forks meanwhile
        call: Call[T] = Call(lambda _: function())
        _shielded.add(call)
        try:
            call.lead(_LONG)
        finally:
            _shielded.discard(call)
        if call.outcome is not None:
            return call.outcome.get()


_inside: contextvars.ContextVar[tuple[Call[Any], ...]] = contextvars.ContextVar(
    "requests_jwt_refresh.inside", default=()
)
_leading: contextvars.ContextVar[tuple[Call[Any], ...]] = contextvars.ContextVar(
    "requests_jwt_refresh.leading", default=()
)
_flights: weakref.WeakSet[SingleFlight[Any]] = weakref.WeakSet()
_shielded: set[Call[Any]] = set()  # calls without a flight


def _abandon_in_child() -> None:
    for flight in list(_flights):
        flight.abandon()
    for call in list(_shielded):
        call.end(State.ABANDONED)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_in_child)
