"""What time it is, and waiting: the one place that tests replace.

``time()`` is in seconds since the epoch, for what servers say; ``monotonic()`` in seconds since any
moment, for durations; ``sleep(seconds)`` waits.

Use it as ``clock.monotonic()``, never by importing a function out of it, so that a replacement is
seen everywhere. Waits on locks and sockets are not here: they keep the machine's own time.
"""

from __future__ import annotations

from time import monotonic, sleep, time

__all__ = ["monotonic", "sleep", "time"]
