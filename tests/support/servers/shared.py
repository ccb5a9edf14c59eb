"""The real servers, each started when it is first asked for, once per process.

Import the fixture `real_servers` into a test module that needs one.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.servers import running
from tests.support.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers import Server


@contextmanager
def _start_when_asked() -> Iterator[Callable[[str], Server]]:
    started: dict[str, Server] = {}
    with ExitStack() as stack:

        def find(app: str) -> Server:
            if app not in started:
                started[app] = stack.enter_context(running(app, "--threads", "40"))
            started[app].forget()
            return started[app]

        yield find


_SERVERS = Shared(_start_when_asked)


@pytest.fixture(scope="session")
def real_servers() -> Iterator[Callable[[str], Server]]:
    """Return what gives the server of an app, "module:name" as for `running`."""
    with _SERVERS.use() as find:
        yield find
