"""A SIGTERM waits for the refresh that the main thread waits for."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from requests_jwt_refresh import MemoryStore, Token, mount
from requests_jwt_refresh.refresh import sigterm
from requests_jwt_refresh.refresh.sigterm import (
    defer_sigterm,
    hold_sigterm,
    let_sigterm_through,
    restore_sigterm,
)
from tests.support.users import ENDPOINT
from tests.support.waits import WAIT, join, start

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from requests_jwt_refresh.testing import AuthServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")


def exit_of(block: Callable[[], object]) -> int:
    """Run `block` in a forked child with the default disposition; return how it ended."""
    return wait_for_exit(fork_with_sigterm(block))


def fork_with_sigterm(block: Callable[[], object]) -> int:
    """Run `block` in a forked child with the default disposition; return the child's number."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        block()
        os._exit(7)
    return child


def wait_for_exit(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_it_is_delivered_after_the_block() -> None:
    """What is in the block is done, and then the process dies of the signal, as it should."""
    read, write = os.pipe()

    def block() -> None:
        with defer_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            os.write(write, b"saved")
        os.write(write, b" and went on")

    assert exit_of(block) == -signal.SIGTERM
    os.close(write)
    with os.fdopen(read, "rb") as output:
        assert output.read() == b"saved"


def test_several_hold_it_back() -> None:
    """It is delivered when the last one lets go, in whatever thread."""
    read, write = os.pipe()

    def block() -> None:
        let_go = hold_sigterm()
        with defer_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
            let_go()
            os.write(write, b"saved")
            join(*start(hold_sigterm(), lambda: None))
        os.write(write, b" and went on")

    assert exit_of(block) == -signal.SIGTERM
    os.close(write)
    with os.fdopen(read, "rb") as output:
        assert output.read() == b"saved"


def test_it_is_delivered_when_another_thread_lets_go() -> None:
    """As a refresh in the background does."""

    def block() -> None:
        let_go = hold_sigterm()
        os.kill(os.getpid(), signal.SIGTERM)
        join(*start(let_go))
        signal.pause()

    assert exit_of(block) == -signal.SIGTERM


def test_the_default_action_is_put_back() -> None:
    """By the main thread, when nothing is held back any more; not before."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        let_go = hold_sigterm()
        restore_sigterm()
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        join(*start(let_go))
        join(*start(restore_sigterm))
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        restore_sigterm()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_hold_that_was_forgotten_ends() -> None:
    """A Ctrl-C may come between the hold and what lets go of it."""

    def block() -> None:
        hold_sigterm(0.0)
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    assert exit_of(block) == -signal.SIGTERM


def test_none_comes() -> None:
    """Afterwards the default action stands again."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with defer_sigterm():
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_child_forked_meanwhile_dies_of_it() -> None:
    """It inherits the handler, but holds nothing back."""

    def block() -> None:
        with defer_sigterm():
            child = os.fork()
            if child == 0:
                os.kill(os.getpid(), signal.SIGTERM)
                os._exit(7)
            ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(0 if ended == -signal.SIGTERM else 1)

    assert exit_of(block) == 0


def test_a_handler_left_behind_lets_it_through() -> None:
    """A Ctrl-C may keep the handler from being taken away; it swallows nothing."""

    def block() -> None:
        with defer_sigterm():
            handler = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, handler)
        os.kill(os.getpid(), signal.SIGTERM)

    assert exit_of(block) == -signal.SIGTERM


def test_it_is_not_held_back_for_a_server_that_hangs(
    server: AuthServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After MAX_DEFERRAL it is delivered, although the server has not answered yet."""
    monkeypatch.setattr(sigterm, "MAX_DEFERRAL", 0.05)
    mount(session, server.url, ENDPOINT, MemoryStore(server.login()))
    server.expire()
    with server.gate(on="refresh") as gate:
        child = fork_with_sigterm(lambda: session.get("/api/x"))
        gate.wait_for(1, WAIT)
        os.kill(child, signal.SIGTERM)
        assert wait_for_exit(child) == -signal.SIGTERM
        assert server.counters.rotated == 0


def test_a_second_one_changes_nothing() -> None:
    """Nor does a third: whoever asks again gets the same answer, after the block."""
    read, write = os.pipe()

    def block() -> None:
        with defer_sigterm():
            for _ in range(3):
                signal.raise_signal(signal.SIGTERM)
            os.write(write, b"saved")

    assert exit_of(block) == -signal.SIGTERM
    os.close(write)
    with os.fdopen(read, "rb") as output:
        assert output.read() == b"saved"


def test_a_handler_of_the_programs_own_is_left_alone() -> None:
    """A handler that the program has set keeps its effect."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        with defer_sigterm():
            signal.raise_signal(signal.SIGTERM)
            assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_touch_nothing() -> None:
    """Only the main thread may set handlers."""
    before, seen = signal.getsignal(signal.SIGTERM), []

    def look() -> None:
        with defer_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    join(*start(look))
    assert seen == [before]


def test_a_block_in_the_block_lets_it_through() -> None:
    """What may wait for a person is not waited for; after it, signals are held back again."""
    read, write = os.pipe()

    def block() -> None:
        with defer_sigterm():
            with let_sigterm_through():
                assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            os.kill(os.getpid(), signal.SIGTERM)
            os.write(write, b"held back")
            with let_sigterm_through():
                os.write(write, b" for too long")

    assert exit_of(block) == -signal.SIGTERM
    os.close(write)
    with os.fdopen(read, "rb") as output:
        assert output.read() == b"held back"


def test_a_handler_set_in_the_block_stays() -> None:
    """A login may set one, for good."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with defer_sigterm(), let_sigterm_through():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("role", ["login", "on_refresh"])
def test_it_ends_a_program_that_waits_for_a_person(
    role: str, server: AuthServer, session: requests.Session
) -> None:
    """In a login or a callback nothing is on its way that must be kept: it is not held back."""

    def kill(_value: object) -> Token:
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(8)

    def block() -> None:
        if role == "login":
            mount(session, server.url, ENDPOINT, MemoryStore(), login=kill)
        else:
            mount(session, server.url, ENDPOINT, MemoryStore(token), on_refresh=kill)
        session.get("/api/x")

    token = server.login()
    server.expire()
    assert exit_of(block) == -signal.SIGTERM
