"""A person who pastes the URL at which a login in a browser has ended."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.waits import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest


@contextmanager
def pasting() -> Iterator[tuple[Any, Callable[[str | None], None]]]:
    """Give a terminal as stdin, and what sends text to it; None ends it."""
    writer, reader = os.openpty()
    with os.fdopen(reader) as stdin, os.fdopen(writer, "w") as pipe:

        def send(text: str | None) -> None:
            if text is None:
                pipe.close()
            else:
                pipe.write(text)
                pipe.flush()

        before, sys.stdin = sys.stdin, stdin
        try:
            yield stdin, send
        finally:
            sys.stdin = before


def wait_for_url(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the URL that is printed to stderr."""
    told = ""

    def look() -> bool:
        nonlocal told
        told += capsys.readouterr().err
        return "Waiting for" in told

    wait_until(look, "the URL")
    return next(line.strip() for line in told.splitlines() if "://" in line)
