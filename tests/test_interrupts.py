"""Ctrl-C at any moment: nothing hangs or is lost.

In short what tests/stress/interrupts.py does, and all that tests/stress/opcodes.py does.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.stress.opcodes import SCENARIOS, explore


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_interrupts_in_short() -> None:
    """In a program of its own, since pytest's own time-outs use the same timer."""
    command = [sys.executable, "-m", "tests.stress.interrupts", "--rounds", "150", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == ""
    assert "150 rounds" in done.stdout
    assert "0 findings" in done.stdout


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_interrupt_at_every_moment(name: str) -> None:
    """Wherever Ctrl-C meets the main thread: no lock is kept, no result or callback is lost."""
    assert explore(name) > 0
