"""single_flight.py alone, with real threads: leaders, followers, interrupts, forks.

How it behaves below an adapter is in test_single_flight.py, every order of its steps in
test_single_flight_orders.py.
"""

from __future__ import annotations

import _thread
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

import pytest

from requests_jwt_refresh.refresh import single_flight
from requests_jwt_refresh.refresh.single_flight import (
    THREAD_NAME,
    Call,
    SingleFlight,
    State,
    shield,
)
from tests.support.waits import WAIT, join, start, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def outcome_of(flight: SingleFlight[str], work: Callable[[Call[str]], str]) -> object:
    """Join `flight`; return what came of the call, a value or a failure."""
    outcome = flight.join(work, WAIT).outcome
    assert outcome is not None
    return outcome.failure or outcome.value


class Work:
    """Work that waits until it is let go on."""

    def __init__(self, give: Callable[[Call[str]], str] = lambda _: "done") -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.threads: list[threading.Thread] = []
        self.give = give

    def __call__(self, call: Call[str]) -> str:
        self.threads.append(threading.current_thread())
        self.begun.set()
        assert self.go_on.wait(WAIT)
        return self.give(call)


def fail(_call: object) -> NoReturn:
    raise ValueError("no")


# --- Leaders and followers ---------------------------------------------------------------------


def test_the_leader_gets_what_its_work_returns() -> None:
    """One call, one outcome, and an idle flight after it."""
    flight: SingleFlight[str] = SingleFlight()
    call = flight.join(lambda _: "done", WAIT)
    assert call.outcome is not None
    assert (call.outcome.get(), call.state, flight.call) == ("done", State.FINISHED, None)


def test_followers_share_the_outcome() -> None:
    """However many join, the work is done once."""
    flight: SingleFlight[str] = SingleFlight()
    work, got = Work(), list[object]()
    threads = start(lambda: got.append(outcome_of(flight, work)))
    assert work.begun.wait(WAIT)
    threads += start(*[lambda: got.append(outcome_of(flight, fail))] * 10)
    wait_until(lambda: flight.waiting == 10)
    work.go_on.set()
    join(*threads)
    assert (got, len(work.threads)) == (["done"] * 11, 1)


def test_followers_share_the_failure() -> None:
    """What the work raises is the outcome for all."""
    flight: SingleFlight[str] = SingleFlight()
    work, got = Work(fail), list[object]()
    threads = start(lambda: got.append(outcome_of(flight, work)))
    assert work.begun.wait(WAIT)
    threads += start(lambda: got.append(outcome_of(flight, work)))
    wait_until(lambda: flight.waiting == 1)
    work.go_on.set()
    join(*threads)
    assert [type(each) for each in got] == [ValueError, ValueError]
    assert got[0] is got[1]


def test_a_wait_has_an_end() -> None:
    """Leader and follower give up after their time; the call goes on for those who come next."""
    flight: SingleFlight[str] = SingleFlight()
    work = Work()
    with pytest.raises(TimeoutError):
        flight.join(work, 0.01)
    with pytest.raises(TimeoutError):
        flight.join(work, 0.01)
    got: list[object] = []
    threads = start(lambda: got.append(outcome_of(flight, work)))
    work.go_on.set()
    join(*threads)
    assert (got, len(work.threads)) == (["done"], 1)


def test_the_work_has_a_thread_that_the_end_of_the_program_waits_for() -> None:
    """It is named, and no daemon."""
    flight: SingleFlight[str] = SingleFlight()
    work = Work()
    work.go_on.set()
    flight.join(work, WAIT)
    (thread,) = work.threads
    assert (thread.name, thread.daemon) == (THREAD_NAME, False)
    assert thread is not threading.current_thread()


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of threads, or at the end of the program, the leader does the work itself."""

    def refuse(*_args: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    flight: SingleFlight[str] = SingleFlight()
    notified: list[object] = []

    def work(call: Call[str]) -> str:
        call.add_callback(notified.append, "told", lambda _: None)
        return call.run_in_leader(lambda: threading.current_thread().name)

    assert outcome_of(flight, work) == threading.current_thread().name
    assert (notified, flight.call, flight.is_inside()) == (["told"], None, False)


def test_a_follower_that_can_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs the call of an interrupted leader itself, and what comes afterwards, too."""

    def refuse(*_args: object, **_options: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    def interrupted(_call: object, **_options: object) -> NoReturn:
        raise KeyboardInterrupt

    flight: SingleFlight[str] = SingleFlight()
    told: list[object] = []

    def work(call: Call[str]) -> str:
        call.add_callback(told.append, "told", lambda _: None)
        return "done"

    with monkeypatch.context() as patch:
        patch.setattr(Call, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            flight.join(work, WAIT)
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert outcome_of(flight, fail) == "done"
    assert told == ["told"]


# --- The leader's part -------------------------------------------------------------------------


def test_the_leader_does_what_is_handed_back() -> None:
    """A login may ask a person, and runs where the caller is; followers wait for it."""
    flight: SingleFlight[str] = SingleFlight()
    asked, answer = threading.Event(), threading.Event()
    names: list[str] = []

    def log_in() -> str:
        names.append(threading.current_thread().name)
        asked.set()
        assert answer.wait(WAIT)
        return "in"

    got: list[object] = []
    leader = threading.Thread(
        target=lambda: got.append(outcome_of(flight, lambda call: call.run_in_leader(log_in))),
        name="the leader",
        daemon=True,
    )
    leader.start()
    assert asked.wait(WAIT)
    assert flight.call is not None
    assert flight.call.state is State.LOGGING_IN
    followers = start(lambda: got.append(outcome_of(flight, fail)))
    wait_until(lambda: flight.waiting == 1)
    answer.set()
    join(leader, *followers)
    assert (names, got) == (["the leader"], ["in", "in"])


def test_what_the_leader_does_takes_as_long_as_it_takes() -> None:
    """A person at a login is not hurried: the leader's patience begins anew after it."""
    flight: SingleFlight[str] = SingleFlight()

    def work(call: Call[str]) -> str:
        call.run_in_leader(lambda: time.sleep(0.6))
        time.sleep(0.05)  # saves what came of it
        return "in"

    call = flight.join(work, 0.5)
    assert call.outcome is not None
    assert call.outcome.get() == "in"


def test_a_call_that_nobody_leads() -> None:
    """Others follow it; a second one is not begun meanwhile; its callbacks have its own thread."""
    flight: SingleFlight[str] = SingleFlight()
    seen: list[threading.Thread] = []

    def give(call: Call[str]) -> str:
        call.add_callback(lambda _: seen.append(threading.current_thread()), None, fail)
        return "done"

    work, got = Work(give), list[object]()
    assert flight.begin(work)
    assert work.begun.wait(WAIT)
    assert not flight.begin(fail)
    threads = start(lambda: got.append(outcome_of(flight, fail)))
    wait_until(lambda: flight.waiting == 1)
    work.go_on.set()
    join(*threads, *work.threads)
    assert got == ["done"]
    assert seen == work.threads


def test_a_call_that_nobody_leads_has_nobody_to_hand_back_to() -> None:
    """It does not wait for a leader that never comes, nor to call what is to be called last."""
    flight: SingleFlight[str] = SingleFlight()
    work = Work(lambda call: call.run_in_leader(lambda: "done"))
    assert flight.begin(work)
    assert work.begun.wait(WAIT)
    call = flight.call
    work.go_on.set()
    join(*work.threads)
    assert call is not None
    assert call.state is State.ABANDONED
    assert flight.call is None


def test_what_the_leader_raises_is_raised_in_the_work() -> None:
    """The work may mend it."""
    flight: SingleFlight[str] = SingleFlight()

    def work(call: Call[str]) -> str:
        with pytest.raises(ValueError, match="no"):
            call.run_in_leader(lambda: fail(call))
        return "mended"

    assert outcome_of(flight, work) == "mended"


def test_a_leader_that_dies_abandons_its_call() -> None:
    """Ctrl-C at a login: the next who waits takes the lead."""
    flight: SingleFlight[str] = SingleFlight()
    asked, interrupt = threading.Event(), threading.Event()

    def log_in() -> NoReturn:
        asked.set()
        assert interrupt.wait(WAIT)
        raise KeyboardInterrupt

    died: list[bool] = []

    def lead() -> None:
        with pytest.raises(KeyboardInterrupt):
            flight.join(lambda call: call.run_in_leader(log_in), WAIT)
        died.append(True)

    threads = start(lead)
    assert asked.wait(WAIT)
    calls: list[Call[str]] = []
    threads += start(lambda: calls.append(flight.join(fail, WAIT)))
    wait_until(lambda: flight.waiting == 1)
    interrupt.set()
    join(*threads)
    assert (died, calls[0].state, calls[0].outcome) == ([True], State.ABANDONED, None)
    assert outcome_of(flight, lambda _: "again") == "again"


@pytest.mark.parametrize("leaves", [False, True])
def test_what_comes_afterwards_is_done_once(leaves: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the leader, or by the call's own thread if the leader has gone."""
    flight: SingleFlight[str] = SingleFlight()
    notified = threading.Event()
    names: list[str] = []

    def note(_value: object) -> None:
        names.append(threading.current_thread().name)
        notified.set()

    work = Work()

    def give(call: Call[str]) -> str:
        call.add_callback(note, "x", lambda _: None)
        return "done"

    work.give = give
    monkeypatch.setattr(single_flight, "LEADER_GRACE", WAIT)
    if leaves:
        with pytest.raises(TimeoutError):
            flight.join(work, 0.0)
        work.go_on.set()
    else:
        work.go_on.set()
        flight.join(work, WAIT)
    assert notified.wait(WAIT)
    wait_until(lambda: not any(each.is_alive() for each in work.threads))
    assert names == [THREAD_NAME if leaves else threading.current_thread().name]


def test_what_comes_afterwards_may_fail() -> None:
    """Its error is given to the function that was passed for it, and to no other thread."""
    flight: SingleFlight[str] = SingleFlight()
    errors: list[Exception] = []

    def work(call: Call[str]) -> str:
        call.add_callback(fail, "x", errors.append)
        return "done"

    assert outcome_of(flight, work) == "done"
    assert [type(each) for each in errors] == [ValueError]


# --- Inside ------------------------------------------------------------------------------------


def test_what_runs_for_a_call_knows_it() -> None:
    """In the work and in the leader's part; not before, not after, and in no other thread."""
    flight: SingleFlight[str] = SingleFlight()
    inside: list[bool] = []

    def work(call: Call[str]) -> str:
        inside.append(flight.is_inside())
        inside.append(call.run_in_leader(flight.is_inside))
        elsewhere: list[bool] = []
        join(*start(lambda: elsewhere.append(flight.is_inside())))
        inside.extend(elsewhere)
        return "done"

    assert not flight.is_inside()
    outcome_of(flight, work)
    assert (inside, flight.is_inside()) == ([True, True, False], False)


def test_nothing_is_left_of_a_call() -> None:
    """Its mark is gone from the leader's context, or a token would stay there for ever."""
    flight: SingleFlight[str] = SingleFlight()
    outcome_of(flight, lambda call: call.run_in_leader(lambda: "done"))
    marks = [each for each in contextvars.copy_context().values() if isinstance(each, tuple)]
    assert not any(isinstance(call, Call) for mark in marks for call in mark)


def test_thread_identifiers_are_not_trusted() -> None:
    """The system gives identifiers of threads again: no stranger is taken for the leader."""
    flight: SingleFlight[str] = SingleFlight()
    work = Work()
    seen: set[int] = set()
    join(*start(*[lambda: seen.add(threading.get_ident())] * 5))
    leader = start(lambda: outcome_of(flight, work))
    assert work.begun.wait(WAIT)
    inside: list[bool] = []
    for _ in range(50):
        join(*start(lambda: inside.append(flight.is_inside())))
    work.go_on.set()
    join(*leader)
    assert not any(inside)


def test_one_flight_inside_another() -> None:
    """A call of one store may lead one of another; each knows its own."""
    outer: SingleFlight[str] = SingleFlight()
    inner: SingleFlight[str] = SingleFlight()
    seen: list[tuple[bool, bool]] = []

    def work(_call: Call[str]) -> str:
        seen.append((outer.is_inside(), inner.is_inside()))
        return "done"

    outcome_of(outer, lambda _: str(outcome_of(inner, work)))
    assert seen == [(True, True)]


# --- Interrupts, forks, interpreters -----------------------------------------------------------


def test_a_leader_interrupted_before_its_thread_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its call is queued without a thread to run it: the next thread that joins does."""

    def interrupted(_call: object, **_options: object) -> NoReturn:
        raise KeyboardInterrupt

    flight: SingleFlight[str] = SingleFlight()
    with monkeypatch.context() as patch:
        patch.setattr(Call, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            flight.join(lambda _: "of the first", WAIT)
    assert flight.call is not None
    assert flight.call.state is State.QUEUED
    assert outcome_of(flight, lambda _: "of the second") == "of the first"
    assert flight.call is None


def test_a_shield_keeps_ctrl_c_out() -> None:
    """What has begun comes to its end, though its caller is interrupted."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def function() -> None:
        begun.set()
        assert go_on.wait(WAIT)
        ended.set()

    def interrupt() -> None:
        assert begun.wait(WAIT)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threads = start(interrupt)
    with pytest.raises(KeyboardInterrupt):
        shield(function)
    go_on.set()
    assert ended.wait(WAIT)
    join(*threads)


def test_only_threads_that_handle_signals_need_a_shield() -> None:
    """The others call it themselves: no thread for each look of a thread into an empty store."""
    names: list[str] = []

    def note() -> None:
        names.append(threading.current_thread().name)

    shield(note)
    thread = threading.Thread(target=shield, args=(note,), name="no signals here")
    thread.start()
    join(thread)
    assert names == [THREAD_NAME, "no signals here"]


def test_a_shield_passes_on_what_comes_of_it() -> None:
    """A value, or what was raised."""
    assert shield(lambda: 1) == 1
    with pytest.raises(ValueError, match="no"):
        shield(lambda: fail(None))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_takes_the_lead() -> None:
    """The thread of a call does not exist in a child: its flight is idle there."""
    flight: SingleFlight[str] = SingleFlight()
    work = Work()
    leader = start(lambda: outcome_of(flight, work))
    assert work.begun.wait(WAIT)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if outcome_of(flight, lambda _: "in the child") == "in the child" else 1)
        finally:
            os._exit(2)
    work.go_on.set()
    join(*leader)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("who", ["leader", "follower"])
def test_a_fork_in_a_signal_handler_of_one_who_waits(who: str) -> None:
    """In the child the handler returns into the wait, which must end."""
    script = f"""
import os, signal, threading, time
from requests_jwt_refresh.refresh.single_flight import SingleFlight
flight, begun, go_on = SingleFlight(), threading.Event(), threading.Event()
def work(call):
    begun.set()
    assert go_on.wait(30)
    return "done"
children = []
def fork(*_):
    if not children:
        children.append(os.fork())
signal.signal(signal.SIGUSR1, fork)
if {who!r} == "follower":
    threading.Thread(target=flight.join, args=(work, 30)).start()
    assert begun.wait(30)
def interrupt():
    assert begun.wait(30)
    while {who!r} == "follower" and not flight.waiting:
        time.sleep(0.001)
    while not children:  # one that comes just before a wait does not end it
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.1)
    go_on.set()
threading.Thread(target=interrupt).start()
call = flight.join(work, 30)
if children == [0]:
    os._exit(0 if call.outcome is None else 1)
_, status = os.waitpid(children[0], 0)
print(call.outcome.get(), status)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done 0\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_in_a_signal_handler_of_a_shield() -> None:
    """The child, where the shield's thread does not exist, does the work once more itself."""
    script = """
import os, signal, threading, time
from requests_jwt_refresh.refresh.single_flight import shield
begun, go_on, children = threading.Event(), threading.Event(), []
def work():
    begun.set()
    assert go_on.wait(30)
    return "done"
def fork(*_):
    if not children:
        children.append(os.fork())
        if children == [0]:
            go_on.set()
signal.signal(signal.SIGUSR1, fork)
def interrupt():
    assert begun.wait(30)
    while not children:  # one that comes just before a wait does not end it
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.1)
    go_on.set()
threading.Thread(target=interrupt).start()
did = shield(work)
if children == [0]:
    os._exit(0 if did == "done" else 1)
print(did, os.waitpid(children[0], 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done 0\n", "")


def test_threads_and_queues_that_were_replaced_later() -> None:
    """gevent and eventlet may put greenlets in place of threads after this library's import."""
    script = """
import requests_jwt_refresh.refresh.single_flight as single_flight
import _thread, queue, threading
made = []
def note(kind):
    def make(*args, **options):
        made.append(kind.__name__)
        return kind(*args, **options)
    return make
queue.SimpleQueue = note(queue.SimpleQueue)
_thread.start_new_thread = note(_thread.start_new_thread)
call = single_flight.SingleFlight().join(lambda call: "done", 30)
print(call.outcome.value, sorted(made))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    made = ["SimpleQueue", "SimpleQueue", "start_new_thread"]
    assert (done.stdout, done.stderr) == (f"done {made}\n", "")


def test_a_program_that_ends_does_not_wait_for_a_login() -> None:
    """A daemon that asks a person is not waited for; the call is abandoned."""
    script = """
import threading
from requests_jwt_refresh.refresh.single_flight import SingleFlight
asked = threading.Event()
def log_in():
    asked.set()
    threading.Event().wait()
flight = SingleFlight()
threading.Thread(
    target=flight.join, args=(lambda call: call.run_in_leader(log_in), 1e6), daemon=True
).start()
assert asked.wait(30)
print("ends")
"""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("ends\n", "", 0)
    assert time.monotonic() - began < WAIT


@pytest.mark.parametrize("where", ["thread", "daemon", "atexit"])
def test_a_login_after_the_main_thread_has_ended(where: str) -> None:
    """Threads may work on, and handlers at exit, too: a login that takes its time is waited for."""
    script = f"""
import atexit, threading, time
from requests_jwt_refresh.refresh.single_flight import SingleFlight
def log_in():
    print("asked", flush=True)
    time.sleep(0.4)
    return "in"
def join():
    while {where!r} != "atexit" and threading.main_thread().is_alive():
        time.sleep(0.01)
    call = SingleFlight().join(lambda call: call.run_in_leader(log_in), 30)
    print(call.outcome and call.outcome.value)
thread = threading.Thread(target=join, daemon={where!r} == "daemon")
if {where!r} == "atexit":
    atexit.register(join)
else:
    thread.start()
if {where!r} == "daemon":
    threading.Thread(target=thread.join).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("asked\nin\n", "", 0)
