"""Every order in which a few threads can take their steps through a module, one after another.

The threads are real, but only one of them runs at a time: whenever it comes to a step that others
can see, it hands back, and the scheduler says who goes on. Locks, queues and threads of the module
are replaced by ones that the scheduler knows, so that it sees who waits for what, and who waits for
ever. An order is a list of choices; `explore` goes through all of them, depth first.
"""

from __future__ import annotations

import linecache
import re
import sys
import threading
from collections import deque
from functools import partial
from queue import Empty
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, ModuleType

    import pytest

_FOR_EVER = float("inf")
_SHORT = 1.0  # seconds; a shorter wait may end by itself, a longer one that has to is a hang
_HANG = 60.0  # seconds; only a fault of the scheduler itself ever waits so long


def _closed_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


class Deadlock(AssertionError):
    """Threads wait, and nothing can wake them."""


class Interrupted(BaseException):
    """What stands for a Ctrl-C in these tests."""


class _Stopped(BaseException):
    """Ends a thread whose order has failed."""


class Thread:
    """One of the threads, and where it stands."""

    def __init__(self, world: World, function: Callable[[], object], name: str) -> None:
        self.name = name
        self.waits_for: Callable[[], bool] | None = None
        self.patience = _FOR_EVER  # seconds
        self.timed_out = False
        self.has_ended = False
        self.failure: BaseException | None = None
        self.steps = 0
        self._world, self._function = world, function
        self.turn = _closed_lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def can_go_on(self) -> bool:
        return not self.has_ended and (self.waits_for is None or self.waits_for())

    def _run(self) -> None:
        assert self.turn.acquire(timeout=_HANG)
        self._world.here.thread = self
        sys.settrace(self._world.trace)
        try:
            self._function()
        except _Stopped:
            pass
        except BaseException as failure:  # noqa: BLE001 - a test looks at it
            self.failure = failure
        finally:
            sys.settrace(None)
            self.has_ended = True
            self._world.back.release()


class World:
    """The threads of one order, and the primitives they wait on."""

    def __init__(
        self, module: ModuleType, shared: str, choices: list[int], preemptions: int | None
    ) -> None:
        self.here = threading.local()
        self.back = _closed_lock()
        self.threads: list[Thread] = []
        self.taken: list[tuple[int, int]] = []  # each choice, and of how many
        self.interrupt: tuple[str, int] | None = None  # a thread's name, and its step
        self.chance: Random | None = None  # makes the choices, in place of the list
        self.timeouts_left = 1
        self._file, self._shared = module.__file__, re.compile(shared)
        self._choices, self._preemptions = choices, preemptions
        self._last: Thread | None = None
        self._stopping = False

    def spawn(self, function: Callable[[], object], name: str) -> Thread:
        thread = Thread(self, function, name)
        self.threads.append(thread)
        return thread

    def run(self) -> None:
        """Let the threads take their steps, in the order of the choices, until all have ended."""
        try:
            while any(not each.has_ended for each in self.threads):
                self._let_go_on(self._choose())
        finally:
            self._stopping = True
            for each in self.threads:
                while not each.has_ended:
                    self._let_go_on(each)

    def _choose(self) -> Thread:
        able = [each for each in self.threads if each.can_go_on()]
        if self._last in able:  # to go on with the same thread is the first choice
            able.remove(self._last)
            able.insert(0, self._last)
            if self._preemptions == 0:
                able = able[:1]
        waiting = [each for each in self.threads if not each.has_ended and not each.can_go_on()]
        if self.timeouts_left and not (self._preemptions == 0 and self._last in able):
            able += [each for each in waiting if each.patience <= _SHORT]
        able = able or [each for each in waiting if each.patience <= _SHORT]
        if not able:
            raise Deadlock(f"these wait for ever: {[each.name for each in waiting]}")
        position = len(self.taken)
        choice = self._choices[position] if position < len(self._choices) else 0
        if self.chance is not None:
            choice = self.chance.randrange(len(able))
        self.taken.append((choice, len(able)))
        chosen = able[choice]
        if not chosen.can_go_on():
            chosen.timed_out = True
            self.timeouts_left -= 1
        if self._preemptions and self._last in able and chosen is not self._last:
            self._preemptions -= 1
        self._last = chosen
        return chosen

    def _let_go_on(self, thread: Thread) -> None:
        thread.waits_for, thread.patience = None, _FOR_EVER
        thread.turn.release()
        assert self.back.acquire(timeout=_HANG), f"{thread.name} did not hand back"

    # For the threads

    def step(self) -> None:
        """Hand back; return when it is this thread's turn again."""
        me: Thread = self.here.thread
        me.steps += 1
        self.back.release()
        assert me.turn.acquire(timeout=_HANG)
        if self._stopping:
            raise _Stopped
        if self.interrupt == (me.name, me.steps):
            raise Interrupted

    def wait(self, is_so: Callable[[], bool], patience: float) -> bool:
        """Hand back until `is_so()`; return whether it is, or time has run out."""
        me: Thread = self.here.thread
        while not is_so():
            me.waits_for, me.patience, me.timed_out = is_so, patience, False
            self.step()
            if me.timed_out and not is_so():
                return False
        return True

    def trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename != self._file:
            return None
        if event == "line":
            line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            if self._shared.search(line):
                self.step()
        return self.trace

    def primitives(self) -> SimpleNamespace:
        """Return what stands for the module's threading, queue and _thread."""
        return SimpleNamespace(
            threading=SimpleNamespace(
                Lock=partial(_Lock, self),
                Thread=partial(_StartedThread, self),
                current_thread=lambda: SimpleNamespace(daemon=False),
                main_thread=lambda: SimpleNamespace(is_alive=lambda: True),
            ),
            queue=SimpleNamespace(SimpleQueue=partial(_Queue, self)),
            monotonic=lambda: 0.0,
        )


class _Lock:
    def __init__(self, world: World) -> None:
        self._world, self._taken = world, False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        patience = (_FOR_EVER if timeout < 0 else timeout) if blocking else None
        if self._taken and (
            patience is None or not self._world.wait(lambda: not self._taken, patience)
        ):
            return False
        self._taken = True
        return True

    def release(self) -> None:
        assert self._taken, "a lock is released that is not taken"
        self._taken = False


class _Queue:
    def __init__(self, world: World) -> None:
        self._world, self._items = world, deque[Any]()

    def put(self, item: object) -> None:
        self._world.step()
        self._items.append(item)

    def get(self, timeout: float = _FOR_EVER) -> Any:
        if not self._world.wait(lambda: bool(self._items), timeout):
            raise Empty
        return self._items.popleft()


class _StartedThread:
    def __init__(
        self, world: World, target: Callable[..., object], args: Any, **_more: Any
    ) -> None:
        self._world, self._function = world, partial(target, *args)

    def start(self) -> None:
        self._world.step()
        self._world.spawn(self._function, f"thread {len(self._world.threads)}")


def explore(
    module: ModuleType,
    shared: str,
    scenario: Callable[[World], Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    preemptions: int | None = None,
    interrupt: tuple[str, int] | None = None,
) -> Iterator[World]:
    """Run `scenario` in every order; yield each world after its end.

    `shared` is a pattern of the lines that other threads can notice. `scenario` spawns threads and
    returns what checks the end. With `preemptions` only orders in which no more threads than that
    are interrupted by others. `interrupt` is (thread, step): there it gets an Interrupted.
    """
    choices: list[int] | None = []
    while choices is not None:
        world = World(module, shared, choices, preemptions)
        world.interrupt = interrupt
        _run(world, module, scenario, monkeypatch)
        yield world
        choices = _next(world.taken)


def sample(
    module: ModuleType,
    shared: str,
    scenario: Callable[[World], Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    count: int,
    seed: int = 0,
) -> None:
    """Run `scenario` in `count` orders, with any number of preemptions, picked by `seed`."""
    chance = Random(seed)
    for _ in range(count):
        world = World(module, shared, [], None)
        world.chance = chance
        _run(world, module, scenario, monkeypatch)


def _run(
    world: World,
    module: ModuleType,
    scenario: Callable[[World], Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in vars(world.primitives()).items():
        monkeypatch.setattr(module, name, value)
    check = scenario(world)
    try:
        world.run()
        check()
    except AssertionError as error:
        raise AssertionError(f"in the order {[taken for taken, _ in world.taken]}") from error


def _next(taken: list[tuple[int, int]]) -> list[int] | None:
    """Return the choices of the order after this one, None after the last."""
    taken = list(taken)
    while taken:
        choice, among = taken.pop()
        if choice + 1 < among:
            return [*(each for each, _ in taken), choice + 1]
    return None
