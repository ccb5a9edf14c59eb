"""A real Secret Service for tests: a D-Bus and a gnome-keyring of their own, in a folder of theirs.

Import the two fixtures into a test module; both are needed there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import keyring.core
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

_PATIENCE_S = 20
_PASSWORD = b"ci-password"

# No service folders: nothing is started on demand, so there is no prompter, and a prompt fails.
_BUS = """<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def missing_programs() -> list[str]:
    """Return what would have to be installed."""
    return [name for name in ("dbus-daemon", "gnome-keyring-daemon") if not shutil.which(name)]


class SecretService:
    """A keyring that is unlocked, and that nobody else sees. A context manager."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rjr-"))
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "HOME": str(self._folder),
            "XDG_DATA_HOME": str(self._folder / "data"),
            "XDG_CONFIG_HOME": str(self._folder / "config"),
            "XDG_RUNTIME_DIR": str(self._folder),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
        }

    def __enter__(self) -> Self:
        try:
            self._start_bus()
            self._start_keyring()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def lock(self) -> None:
        """Lock the keyring, as a desktop does that is left alone."""
        self._ask_the_service("Lock")

    def unlock(self) -> None:
        """Unlock it with the password, as a login does."""
        subprocess.run(  # one that finds the other running, and passes the password on
            ["gnome-keyring-daemon", "--unlock"],  # noqa: S607 - found in PATH by missing_programs
            env={**os.environ, **self.environment},
            input=_PASSWORD,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE_S,
            check=True,
        )

    def stop(self) -> None:
        for process in reversed(self._running):
            process.kill()
            process.wait(_PATIENCE_S)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._running.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start_bus(self) -> None:
        config = self._folder / "bus.conf"
        config.write_text(_BUS.format(folder=self._folder))
        bus = self._start("dbus-daemon", f"--config-file={config}", "--nofork", "--print-address")
        assert bus.stdout is not None
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().decode().strip()

    def _start_keyring(self) -> None:
        daemon = self._start(
            "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"
        )
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        daemon.stdin.write(_PASSWORD)
        daemon.stdin.close()
        daemon.stdout.readline()  # printed when it is ready
        self._wait_for_the_service()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._running.append(process)
        return process
