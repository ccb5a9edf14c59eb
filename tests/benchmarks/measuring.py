"""Measuring side by side: everybody takes a turn in each round, and medians of rounds are told.

What else a machine does makes a round slower for all alike; so what one adds to another, or the
ratio of the two, is taken within each round.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.table import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Works = Mapping[str, Callable[[], float]]

ROOT: Final = Path(__file__).parents[2]
_CHILD_SECONDS: Final = 300.0


class Samples:
    """What each has measured, round by round."""

    def __init__(self, samples: Mapping[str, Sequence[float]]) -> None:
        self._samples = samples

    @classmethod
    def take(cls, works: Works, rounds: int, *, warm: bool = True) -> Samples:
        """Let each work once in each round, whoever was first in one being the last in the next.

        With `warm` there is one round before, which does not count.
        """
        samples: dict[str, list[float]] = {name: [] for name in works}
        names = list(works)
        if warm:
            for work in works.values():
                work()
        for _ in range(rounds):
            for name in names:
                samples[name].append(works[name]())
            names = [*names[1:], names[0]]
        return cls(samples)

    def median(self, name: str, unit: str) -> Figure:
        return Figure(statistics.median(self._samples[name]), unit)

    def added(self, name: str, base: str, unit: str) -> Figure:
        """Return the median of what `name` takes over `base` in the same round."""
        pairs = self._pairs(name, base)
        return Figure(statistics.median(mine - other for mine, other in pairs), f"+{unit}")

    def ratio(self, name: str, base: str) -> Figure:
        """Return the median of what `name` takes as a multiple of `base` in the same round."""
        pairs = self._pairs(name, base)
        return Figure(statistics.median(mine / other for mine, other in pairs), "x")

    def _pairs(self, name: str, base: str) -> list[tuple[float, float]]:
        return list(zip(self._samples[name], self._samples[base], strict=True))


def time_processor(work: Callable[[], object], times: int) -> float:
    """Return the microseconds of processor time that one `work` takes, over so many times."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times * 1e6


def time_command(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Return the milliseconds from the start of a command to its end.

    Raises CalledProcessError if it fails.
    """
    start = time.perf_counter()
    run_command(command, environment)
    return (time.perf_counter() - start) * 1e3


def run_command(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a command below the project's folder, and return what it prints.

    Raises CalledProcessError if it fails; what it has to say then is on our stderr.
    """
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=_CHILD_SECONDS,
        cwd=ROOT,
        env=None if environment is None else {**os.environ, **environment},
    )
    return done.stdout


def run_child(module: str, *arguments: object) -> Any:
    """Run a module in a process of its own, and return the JSON that it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return json.loads(run_command(command))


@contextmanager
def compiled_modules() -> Iterator[dict[str, str]]:
    """Yield an environment in which programs find their modules compiled from the second start on.

    As those of installed packages are.
    """
    with tempfile.TemporaryDirectory() as cache:
        yield {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}


def describe_load() -> str:
    """Return how busy the machine is, as the system's own averages have it."""
    try:
        minute, five, _ = os.getloadavg()
    except (AttributeError, OSError):  # Windows has none
        return "unknown"
    return f"{minute:.2f} in the last minute, {five:.2f} in five"


def describe_machine() -> dict[str, str]:
    """Return what the figures depend on."""
    return {
        "python": platform.python_version(),
        "requests": version("requests"),
        "urllib3": version("urllib3"),
        "cores": str(os.cpu_count()),
        "load": describe_load(),
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }
