"""Programs that end, fork or handle signals in the middle of a refresh.

``python -m tests.stress.programs PROGRAM KIND NAME URL`` with a line on standard input for each
step. What each does, its docstring says; most make a first call and print its status.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tests.stress.workers import PATIENCE, ROOT, mount_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from tests.stress.locations import StoreLocation


CHILD_PATIENCE: Final = 20  # seconds


def start_program(
    program: Callable[..., None], location: StoreLocation, url: str, *more: str
) -> subprocess.Popen[str]:
    """Start one of the programs below in a process of its own."""
    kind, name, environment = location
    command = ["-m", "tests.stress.programs", program.__name__, kind, name, url, *more]
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def call(session: requests.Session) -> int:
    """Make one call; return its status."""
    return session.get("/api/x", timeout=PATIENCE).status_code


def call_once(kind: str, name: str, url: str) -> int:
    """Make one call, as a program that has just been started; return its status."""
    with mount_session(kind, name, url) as (session, _adapter):
        return call(session)


def _print(text: object) -> None:
    print(text, flush=True)


@contextmanager
def _lead_in_a_thread(kind: str, name: str, url: str) -> Iterator[threading.Thread]:
    """Call once; after a line let a thread call, which meets the expiry; after another go on."""
    with mount_session(kind, name, url) as (session, _adapter):
        _print(call(session))
        sys.stdin.readline()
        leader = threading.Thread(target=call, args=(session,), daemon=True)
        leader.start()
        sys.stdin.readline()
        yield leader


def leave(kind: str, name: str, url: str) -> None:
    """End while a thread leads."""
    with _lead_in_a_thread(kind, name, url):
        _print("leaving")


def handle_signals(kind: str, name: str, url: str) -> None:
    """Lead in the main thread, with handlers as programs have them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(3))
    with mount_session(kind, name, url) as (session, _adapter):
        _print(call(session))
        sys.stdin.readline()
        try:
            call(session)
        finally:
            _print("ending")


def fork(kind: str, name: str, url: str) -> None:
    """Fork while a thread leads; print how the child's call went."""
    with _lead_in_a_thread(kind, name, url) as leader:
        child = os.fork()
        if child == 0:
            signal.alarm(int(PATIENCE))  # ends it if it hangs
            os._exit(call_once(kind, name, url) != 200)
        leader.join(PATIENCE)
        _print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def fork_at(kind: str, name: str, url: str, milliseconds: str) -> None:
    """Fork so long after a thread's first call has begun; print how both went.

    The child refreshes with its parent's adapter, and then calls as a program of its own.
    """
    with mount_session(kind, name, url) as (session, adapter):
        statuses: list[int] = []
        leader = threading.Thread(target=lambda: statuses.append(call(session)), daemon=True)
        leader.start()
        time.sleep(float(milliseconds) / 1000)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(CHILD_PATIENCE, exit=True)  # shows where it hangs
            adapter.refresh()
            os._exit(call_once(kind, name, url) != 200)
        leader.join(PATIENCE)
        _print(f"{statuses} {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")


def import_late(kind: str, name: str, url: str) -> None:
    """Print what is imported between the making of an adapter and the end of its first refresh."""
    with mount_session(kind, name, url) as (session, _adapter):
        before = set(sys.modules)
        status = call(session)
        _print(f"{status} {sorted(set(sys.modules) - before)}")


def leave_a_child(kind: str, name: str, url: str) -> None:
    """Fork while a thread leads, print the child's number; both then wait to be killed."""
    with _lead_in_a_thread(kind, name, url):
        child = os.fork()
        if child != 0:
            _print(child)
        signal.alarm(int(PATIENCE))
        signal.pause()


def use_a_pool(kind: str, name: str, url: str, method: str) -> None:
    """Let the three processes of a pool call, and print the statuses that they got."""
    with mount_session(kind, name, url) as (session, _adapter):
        _print(call(session))
        sys.stdin.readline()
        with multiprocessing.get_context(method).Pool(3) as pool:
            _print(json.dumps(pool.starmap(call_once, [(kind, name, url)] * 3, chunksize=1)))


PROGRAMS: dict[str, Callable[..., None]] = {
    each.__name__: each
    for each in (import_late, leave, handle_signals, fork, fork_at, leave_a_child, use_a_pool)
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
