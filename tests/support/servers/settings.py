"""gunicorn's settings for all servers here; versions that do not know one of them skip it."""

from __future__ import annotations

import os
import signal
import threading

workers = 1  # what an app remembers, it remembers in one process
keepalive = 30
loglevel = "warning"
control_socket_disable = True  # or it would leave a socket in the home folder


def post_worker_init(_worker: object) -> None:
    """Start to watch the pipe that is our standard input; gunicorn looks for this name."""
    threading.Thread(target=_end_with_the_tests, daemon=True).start()


def _end_with_the_tests() -> None:
    os.read(0, 1)  # returns when the process that called `running` has died
    os.killpg(0, signal.SIGKILL)
