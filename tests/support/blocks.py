"""The blocks of code that a page shows, and the program that a reader pastes from them.

A reader pastes from the top of a page downwards: each Python block goes on where the one above it
ended. A block that cannot run has ``<!-- not run: REASON -->`` on the line above it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.support.waits import WAIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_BLOCK: Final = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_PROMISE: Final = re.compile(r"^ *print\(.*\)  # ([^,\n]+)", re.MULTILINE)
_TEST: Final = re.compile(r"^def test_\w+", re.MULTILINE)
_SUITE: Final = re.compile(r"^class Test\w+", re.MULTILINE)


class Block(NamedTuple):
    """A block of code on a page."""

    language: str
    text: str
    line: int
    """Of the page, from 0, where the text begins."""
    reason: str | None
    """Why it is not run, or None."""


def find_blocks(page: str, language: str | None = None) -> Iterator[Block]:
    """Yield the blocks of a page's text, all or those of one language."""
    for found in _BLOCK.finditer(page):
        if language in (None, found["language"]):
            line = page.count("\n", 0, found.start("text"))
            yield Block(found["language"], found["text"], line, found["reason"])


def join_python(page: str) -> str:
    """Return the page's Python blocks as one program, whose lines have the numbers of the page."""
    program = ""
    for block in find_blocks(page, "python"):
        if block.reason is None:
            program += "\n" * (block.line - program.count("\n")) + block.text
    return program


def list_promises(program: str) -> list[str]:
    """Return what comments beside each print() say that it prints, each up to a comma."""
    return _PROMISE.findall(program)


def run_pasted(program: str, folder: Path, name: str, environment: Mapping[str, str]) -> list[str]:
    """Run a program in a Python of its own, without a warning, and return the lines it prints.

    If it has tests, pytest runs them. Raises AssertionError with the traceback if it fails; the
    file in there is called `name`.
    """
    file = folder / name
    file.write_text(program, encoding="utf-8")
    tests = len(_TEST.findall(program))
    has_tests = tests or _SUITE.search(program)
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"] if has_tests else []
    done = subprocess.run(
        [sys.executable, "-W", "error", *pytest, str(file)],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for trouble in ("Traceback", "Warning"):
        assert trouble not in done.stderr, done.stderr
    if has_tests:
        assert f"{tests or ''} passed" in done.stdout, done.stdout
        return []
    return done.stdout.splitlines()
