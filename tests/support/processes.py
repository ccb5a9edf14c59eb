"""Python programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.waits import WAIT

_ROOT = Path(__file__).parents[2]


def run_python(code: str, *arguments: str, cwd: Path | None = None, **environment: str) -> str:
    """Run `code` in a Python that finds this library, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(_ROOT), **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=True,
    )
    return done.stdout.strip()
