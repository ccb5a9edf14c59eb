"""Ctrl-C at every moment at which Python can deliver it, one after another.

    python -m tests.stress.opcodes [--scenario NAME]

Python looks for signals when a function begins, after a call, and when a loop goes back. Each such
point of the main thread, in the library and in what it uses of the standard library, gets a
KeyboardInterrupt in a round of its own: a leader, a follower, set_token(), clear_token(), the first
look into the store, a store's lock. After it the interrupt must have come through, all locks must
be free, all threads must end, the next requests must be answered, what the server gave must be in
the store, and on_refresh must have been called once for each refresh.
"""

from __future__ import annotations

import _thread
import argparse
import contextlib
import dis
import gc
import logging
import queue
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import requests_jwt_refresh
from requests_jwt_refresh import MemoryStore, Token, mount
from requests_jwt_refresh.refresh.single_flight import THREAD_NAME
from tests.support.crowd import waiters
from tests.support.sessions import plain_session
from tests.support.transports import StubTransport
from tests.support.waits import WAIT, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    import requests
    from requests import PreparedRequest

    Act = Callable[[], object]

BASE: Final = "https://api.example.com"
LIBRARY: Final = str(Path(requests_jwt_refresh.__file__).parent)
TRACED: Final = (LIBRARY, contextlib.__file__, threading.__file__, queue.__file__)
# The instructions after which Python looks for signals, in 3.10 to 3.13.
LOOKS: Final = ("CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "POP_JUMP_BACKWARD", "RESUME")
OLD: Final = Token("old", "refresh-old")
SET: Final = Token("set", "refresh-set")


class CtrlC:
    """Raises KeyboardInterrupt at the point number `point` of this thread."""

    def __init__(self, point: int) -> None:
        self._left = point
        self.came = False
        self.where = ""

    @contextmanager
    def possible(self) -> Iterator[None]:
        before = sys.gettrace()  # coverage's, perhaps
        gc.disable()  # what it frees of other tests may have finalizers, in which an error is lost
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)
            gc.enable()

    def _trace(self, frame: FrameType, _event: str, _argument: object) -> Any:
        if self.came or not frame.f_code.co_filename.startswith(TRACED):
            return None
        frame.f_trace_opcodes = True
        return _Frame(self)

    def meet(self, frame: FrameType) -> None:
        self._left -= 1
        if self._left < 0:
            self.came = True
            self.where = f"{frame.f_code.co_name}, line {frame.f_lineno}"
            raise KeyboardInterrupt


class _Frame:
    """Follows one frame from instruction to instruction."""

    def __init__(self, ctrl_c: CtrlC) -> None:
        self._ctrl_c = ctrl_c
        self._may_come = sys.version_info < (3, 11)  # where a function begins without RESUME

    def __call__(self, frame: FrameType, event: str, _argument: object) -> Any:
        if event == "exception":
            self._may_come = False
        elif event == "opcode":
            if self._may_come and frame.f_lineno is not None:  # None: Python 3.12 tidies up
                self._ctrl_c.meet(frame)
            name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            self._may_come = name.startswith(LOOKS)
        return self


@dataclass
class World:
    """One user, and a server that gives a new token each time."""

    store: MemoryStore = field(default_factory=lambda: MemoryStore(OLD))
    given: list[str] = field(default_factory=list)
    told: list[str | None] = field(default_factory=list)
    good: set[str] = field(default_factory=lambda: {"set"})
    gate: threading.Event = field(default_factory=threading.Event)
    leaders: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = plain_session()
        self.adapter = mount(
            self.session,
            BASE,
            self._refresh,
            self.store,
            on_refresh=lambda token: self.told.append(token.access),
            transport=StubTransport(self._answer),
        )

    def _refresh(self, _session: requests.Session, _token: Token) -> Token:
        access = f"given-{len(self.given)}"
        self.given.append(access)
        self.good.add(access)
        assert self.gate.wait(WAIT)
        return Token(access, f"refresh-{access}")

    def _answer(self, request: PreparedRequest) -> tuple[int, bytes]:
        token = str(request.headers.get("Authorization", "")).partition(" ")[2]
        return (200 if token in self.good else 401), b""

    def get(self) -> int:
        return self.session.get("/x").status_code


# --- What is interrupted --------------------------------------------------------------------------


def lead(world: World) -> Act:
    world.gate.set()
    return world.get


def follow(world: World) -> Act:
    """The gate is opened when the main thread waits, or has been interrupted."""
    world.leaders += start(world.get)
    wait_until(lambda: world.given)

    def open_for_a_waiter() -> None:
        wait_until(lambda: waiters(world.adapter) or world.gate.is_set())
        world.gate.set()

    world.leaders += start(open_for_a_waiter)
    return world.get


def set_token(world: World) -> Act:
    world.gate.set()
    return lambda: world.adapter.set_token(SET)


def clear_token(world: World) -> Act:
    world.gate.set()
    return world.adapter.clear_token


def look(world: World) -> Act:
    world.gate.set()
    return lambda: world.adapter.token


def lock(world: World) -> Act:
    """A MemoryStore's own, as a program may use it."""
    world.gate.set()

    def hold() -> None:
        with world.store.lock(1.0):
            pass

    return hold


SCENARIOS: Final[dict[str, Callable[[World], Act]]] = {
    each.__name__: each for each in (lead, follow, set_token, clear_token, look, lock)
}


# --- The exploration ------------------------------------------------------------------------------


def explore(name: str, stride: int = 1) -> int:
    """Interrupt a scenario at every point, or each `stride`th; return how many there were.

    Raises AssertionError for a finding.
    """
    _play(name, sys.maxsize)  # Python 3.12 sees the instructions from the second time on
    points = 0
    while _play(name, points * stride):
        points += 1
    return points


def _play(name: str, point: int) -> bool:
    """Return whether there are so many points."""
    with patch.object(_thread, "start_new_thread", _start_new_thread):
        return _interrupt(name, point)


def _interrupt(name: str, point: int) -> bool:
    world, ctrl_c, came_through = World(), CtrlC(point), False
    act = SCENARIOS[name](world)
    try:
        with ctrl_c.possible():
            act()
    except KeyboardInterrupt:
        came_through = True
    where = f"{name}, point {point} ({ctrl_c.where})"
    assert came_through == ctrl_c.came, f"{where}: the interrupt was lost"
    try:
        _check(world)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error
    return ctrl_c.came


def _check(world: World) -> None:
    world.gate.set()
    join(*world.leaders)
    _wait_for_calls()
    with world.store.lock(0):
        pass
    stored = world.store.load()
    assert world.adapter.token == stored, "memory and store differ"
    assert len(world.told) == len(world.given), "an on_refresh is missing"
    if world.given:
        assert stored is not None
        assert stored.access == world.given[-1], "what the server gave is lost"
    expected = [401] if stored is None else [200]
    statuses: list[int] = []
    join(*start(lambda: statuses.append(world.get())))
    statuses.append(world.get())
    assert statuses == expected * 2, f"answers: {statuses}"


def _wait_for_calls() -> None:
    """Wait for the threads of the library's own calls, those too that are about to begin."""
    end = time.monotonic() + WAIT
    while starting or [each for each in threading.enumerate() if each.name == THREAD_NAME]:
        assert time.monotonic() < end, f"these threads hang: {threading.enumerate()}"
        time.sleep(0.0005)


starting: set[object] = set()  # threads that `threading` may not know yet


def _start_new_thread(function: Callable[..., object], args: tuple[Any, ...]) -> int:
    mark = object()
    starting.add(mark)

    def run() -> None:
        try:
            function(*args)
        finally:
            starting.discard(mark)

    return _real_start(run, ())


_real_start: Final = _thread.start_new_thread


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    options = parser.parse_args()
    logging.disable()
    for name in options.scenario or SCENARIOS:
        began = time.monotonic()
        points = explore(name)
        seconds = time.monotonic() - began
        print(f"{name}: {points} interrupts, 0 findings, {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
