"""Real servers as child processes: `running` starts one, on a free port of 127.0.0.1.

This file runs in the children as well, so it needs the standard library only.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROJECT = Path(__file__).parent.parent.parent
_START_SECONDS = 60  # a busy machine imports Django slowly


class RecordedRequest(NamedTuple):
    """A request as it reached the app, and the status of its response."""

    method: str
    path: str
    status: int
    peer: str
    """The client's port: two requests over one connection have the same."""


class Server:
    """A running server, and what it has seen."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._port = port

    def seen(self) -> list[RecordedRequest]:
        """Return the requests since the start or the last `forget`, in the order of answering."""
        return [RecordedRequest(*each) for each in self._ask("GET")]

    def count(self, method: str, path: str) -> int:
        return sum((each.method, each.path) == (method, path) for each in self.seen())

    def forget(self) -> None:
        self._ask("DELETE")

    def _ask(self, method: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_START_SECONDS)
        try:
            connection.request(method, "/_seen")
            return json.load(connection.getresponse())
        finally:
            connection.close()


@contextmanager
def running(app: str, *options: str, **environment: str) -> Iterator[Server]:
    """Run `app`, "module:name" below this package, under gunicorn until the block ends.

    `options` are gunicorn's own. Raises OSError if the server does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="server-") as folder, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(256)
        port: int = listening.getsockname()[1]
        fd = listening.fileno()
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "--config",
            "python:tests.support.servers.settings",
        ]
        process = subprocess.Popen(
            [*command, "--bind", f"fd://{fd}", *options, f"tests.support.servers.{app}"],
            env={**os.environ, "PYTHONPATH": str(_PROJECT), "TMPDIR": folder, **environment},
            stdin=subprocess.PIPE,  # if we die, it does too: see settings.py
            pass_fds=[fd],
            start_new_session=True,
        )
        listening.close()  # the child's alone: when it dies, clients are refused
        try:
            server = Server(port)
            server.forget()  # waits in the listening socket's queue until the app is there
            yield server
        finally:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)  # it holds nothing that would be lost
    process.communicate()
