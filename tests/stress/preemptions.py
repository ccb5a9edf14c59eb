"""A thread is held at every line of the library while another one clears or sets the token.

    python -m tests.stress.preemptions [--store memory|file] [--stride 1] [--scenario NAME]

After clear_token() or set_token() has returned, no request that begins later may be sent with a
token from before: neither with one that was there, nor with one that the server had given by then.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import requests_jwt_refresh
from requests_jwt_refresh import FileStore, JWTRefreshError, MemoryStore, StoreError, Token, mount
from requests_jwt_refresh.refresh.limits import MAX_COOLDOWN
from requests_jwt_refresh.refresh.single_flight import THREAD_NAME
from tests.support.clock import Clock
from tests.support.sessions import plain_session
from tests.support.transports import StubTransport
from tests.support.waits import WAIT, join

if TYPE_CHECKING:
    from types import FrameType

    import requests
    from requests import PreparedRequest

    from requests_jwt_refresh import TokenStore

BASE: Final = "https://api.example.com"
LIBRARY: Final = str(Path(requests_jwt_refresh.__file__).parent)
HOLD: Final = 0.01  # seconds; then the other thread waits for the one that is held
OLD: Final = Token("old", "old-refresh")
SET: Final = Token("set", "set-refresh")


class Preemption:
    """Holds whichever thread takes the step number `step` until `do` has ended, or HOLD is over.

    A step is a line of the library, in the thread that enters the block and in those it starts.
    """

    def __init__(self, step: int, do: Callable[[], object]) -> None:
        self._step, self._do = step, do
        self.steps = count()
        self.came = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def possible(self) -> Iterator[None]:
        before, before_in_threads = sys.gettrace(), threading.gettrace()  # coverage's, perhaps
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(before)
            threading.settrace(before_in_threads)
            _wait_for_calls()
            if self.came:
                join(self._thread)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if self.came or not frame.f_code.co_filename.startswith(LIBRARY):
            return None
        if event == "line" and next(self.steps) == self._step:
            self._thread.start()
            self.came = True
            self._thread.join(HOLD)
        return self._trace

    def _run(self) -> None:
        sys.settrace(None)
        self._do()


def _wait_for_calls() -> None:
    """Wait for the threads of the library's own calls."""
    end = time.monotonic() + WAIT
    while calls := [each for each in threading.enumerate() if each.name == THREAD_NAME]:
        assert time.monotonic() < end, f"these threads hang: {calls}"
        with suppress(RuntimeError):  # it is about to begin
            calls[0].join(WAIT)


class FailingStore(MemoryStore):
    """Takes no new token while `is_full`."""

    is_full = False

    def save(self, token: Token) -> None:
        if self.is_full and token != OLD:
            raise StoreError("the store is full", "make room")
        super().save(token)


@dataclass
class World:
    """One user, an API that refuses some tokens, and a server that gives others."""

    store: TokenStore
    clock: Clock
    refused: set[str] = field(default_factory=set)
    given: list[str] = field(default_factory=list)
    sent: list[str | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = count()

    def mount(self, *, login: bool = False) -> requests.Session:
        session = plain_session()
        self.adapter = mount(
            session,
            BASE,
            self._give,
            self.store,
            login=self._give if login else None,
            transport=StubTransport(self._answer),
        )
        return session

    def _give(self, _session: object, token: Token | None = None) -> Token:
        """Log in, or refresh; what comes of the token that was set is no token from before."""
        number = next(self._numbers)
        if token is None or token.refresh != SET.refresh:
            self.given.append(f"given-{number}")
        return Token(f"given-{number}", f"refresh-{number}")

    def _answer(self, request: PreparedRequest) -> tuple[int, bytes]:
        token = str(request.headers.get("Authorization", "")).partition(" ")[2]
        if str(request.url).endswith("/later"):
            self.sent.append(token)
        return (401 if token in self.refused or not token else 200), b""


# --- What the held thread does --------------------------------------------------------------------


Act = Callable[[], object]


def refresh(world: World) -> Act:
    """A refresh that was asked for."""
    world.store.save(OLD)
    world.mount()
    return world.adapter.refresh


def renew_expired(world: World) -> Act:
    """A token that is known to have expired."""
    world.store.save(Token("old", "old-refresh", world.clock.time() - 1))
    session = world.mount()
    return lambda: session.get("/first")


def replace_refused(world: World) -> Act:
    """A 401, and a refresh."""
    world.store.save(OLD)
    world.refused.add("old")
    session = world.mount()
    return lambda: session.get("/first")


def adopt(world: World) -> Act:
    """A 401, and another program has refreshed."""
    world.store.save(OLD)
    world.refused.add("old")
    session = world.mount()
    assert world.adapter.token == OLD
    world.given.append("adopted")
    world.store.save(Token("adopted", "adopted-refresh"))
    return lambda: session.get("/first")


def save_again(world: World) -> Act:
    """A token that the store would not take is saved with the next request."""
    store = world.store = FailingStore(OLD)
    session = world.mount()
    store.is_full = True
    world.adapter.refresh()
    store.is_full = False
    world.clock.advance(MAX_COOLDOWN)
    return lambda: session.get("/first")


def load(world: World) -> Act:
    """The first look into the store."""
    world.store.save(OLD)
    session = world.mount()
    return lambda: session.get("/first")


def reload(world: World) -> Act:
    """A program that looks whether its user has logged in meanwhile."""
    world.store.clear()
    world.mount()
    assert world.adapter.token is None
    world.store.save(OLD)
    return world.adapter.reload


def log_in(world: World) -> Act:
    """There is no token."""
    world.store.clear()
    session = world.mount(login=True)
    return lambda: session.get("/first")


def trade(world: World) -> Act:
    """A refresh token from elsewhere is traded in."""
    world.store.save(OLD)
    world.mount()
    return lambda: world.adapter.refresh("from elsewhere")


SCENARIOS: Final[dict[str, Callable[[World], Act]]] = {
    each.__name__: each
    for each in (
        refresh,
        renew_expired,
        replace_refused,
        adopt,
        save_again,
        load,
        reload,
        log_in,
        trade,
    )
}
LOGINS: Final = ("log_in", "trade")
RIVALS: Final = ("clear", "set")
ROUNDS: Final[list[tuple[str, str, bool]]] = [
    # (scenario, rival, whether it is the rival that is held). Of a login and a set_token() that are
    # under way at the same time, either may be the last.
    each
    for each in product(SCENARIOS, RIVALS, (False, True))
    if not (each[0] in LOGINS and each[2])
]


# --- The exploration ------------------------------------------------------------------------------


def explore(
    name: str,
    rival: str,
    *,
    is_rival_held: bool = False,
    stride: int = 1,
    store: Callable[[], TokenStore] = MemoryStore,
) -> int:
    """Hold a scenario, or its rival, at every `stride`th line; return at how many.

    Raises AssertionError for a finding.
    """
    preemptions = 0
    while _play(name, rival, preemptions * stride, store(), is_rival_held=is_rival_held):
        preemptions += 1
    return preemptions


def _play(name: str, rival: str, step: int, store: TokenStore, *, is_rival_held: bool) -> bool:
    """Return whether there are so many steps."""
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        clock.install(patch)
        world = World(store, clock)
        act, later = _ignore_errors(SCENARIOS[name](world)), _Later(world, rival)
        held, other = (later, act) if is_rival_held else (act, later)
        preemption = Preemption(step, other)
        with preemption.possible():
            held()
        if preemption.came:
            later.send()
            found = [each for each in world.sent if each in later.old]
            assert len(world.sent) >= 2, f"{name}, {rival}, step {step}: {world.sent}"
            assert not found, f"{name}, {rival}, step {step}: {found} was sent after all"
    return preemption.came


def _ignore_errors(act: Act) -> Act:
    def do() -> None:
        with suppress(JWTRefreshError):
            act()

    return do


class _Later:
    """Clears or sets the token, and then sends a request."""

    def __init__(self, world: World, rival: str) -> None:
        self._world, self._rival = world, rival
        self.old: set[str] = set()

    def __call__(self) -> None:
        if self._rival == "clear":
            self._world.adapter.clear_token()
        else:
            self._world.adapter.set_token(SET)
        self.old = {"old", *self._world.given}
        self.send()

    def send(self) -> None:
        with plain_session() as session:
            session.mount(BASE, self._world.adapter)
            session.get(f"{BASE}/later")


@contextmanager
def new_stores(kind: str) -> Iterator[Callable[[], TokenStore]]:
    """Yield what makes a new store of this kind for each round."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = count()
        yield (
            MemoryStore
            if kind == "memory"
            else lambda: FileStore(Path(folder) / str(next(numbers)) / "token")
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--store", choices=["memory", "file"], default="memory")
    parser.add_argument("--stride", type=int, default=1, help="1 is every line")
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    options = parser.parse_args()
    logging.disable()
    total = 0
    for name, rival, is_rival_held in ROUNDS:
        if name in (options.scenario or SCENARIOS):
            began = time.monotonic()
            with new_stores(options.store) as store:
                preemptions = explore(
                    name, rival, is_rival_held=is_rival_held, stride=options.stride, store=store
                )
            total += preemptions
            who = f"{name}, {rival}{' held' * is_rival_held}"
            seconds = time.monotonic() - began
            print(f"{who}: {preemptions} preemptions, 0 findings, {seconds:.0f} s", flush=True)
    print(f"{options.store}: {total} preemptions, 0 findings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
