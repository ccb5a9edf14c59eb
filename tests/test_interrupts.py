"""Ctrl-C at any moment: nothing hangs or is lost. In short what tests/stress/interrupts does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_interrupts_in_short() -> None:
    """In a program of its own, since pytest's own time-outs use the same timer."""
    command = [sys.executable, "-m", "tests.stress.interrupts", "--rounds", "150", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == ""
    assert "150 rounds" in done.stdout
    assert "0 findings" in done.stdout
